"""Text and logs: line by line, without times, process ids and names of temporary files; numbers as numbers."""

from collections.abc import Iterator
from itertools import zip_longest

from sumatra.comparison._masking import is_log, masked, pieces
from sumatra.comparison._tally import Tally, quoted
from sumatra.comparison._text import is_text, lines_of
from sumatra.comparison.base import Comparator, Comparison, Content, Limit, Setting

__all__ = ["BACKEND"]

_KINDS = {
    "time": "times", "process": "process ids", "temporary": "names of temporary files", "address": "addresses",
    "duration": "durations",
}


class TextComparator(Comparator):
    """Compares line with line; a line that was put in makes all after it differ."""

    name = "text"
    title = "text"

    def recognises(self, head: bytes, name: str) -> bool:
        return is_text(head)

    def compare(self, one: Content, other: Content, setting: Setting) -> Comparison:
        tally, kinds = Tally(), set[str]()
        log, limit = is_log(one.name), setting.limit("")
        numbers = [0, 0]
        pairs = zip_longest(_numbered(one, numbers, 0), _numbered(other, numbers, 1))
        for number, (first, second) in enumerate(pairs, 1):
            if first is None or second is None or first == second:
                continue
            found = set[str]()
            before, after = masked(first, log, found), masked(second, log, found)
            if before == after:
                kinds |= found
            else:
                _compare_lines(before, after, number, tally, limit)
        if numbers[0] != numbers[1]:
            tally.differ(f"{numbers[0]:,} -> {numbers[1]:,} lines")
        if kinds:
            tally.asides.append("but for " + ", ".join(sorted(_KINDS[kind] for kind in kinds)))
        return tally.comparison(self.name)


def _numbered(content: Content, numbers: list[int], place: int) -> Iterator[str]:
    for line in lines_of(content):
        numbers[place] += 1
        yield line


def _compare_lines(one: str, other: str, number: int, tally: Tally, limit: Limit) -> None:
    first, second = pieces(one), pieces(other)
    if len(first) != len(second) or [each.split() for each in first[::2]] != [each.split() for each in second[::2]]:
        tally.differ(f"line {number:,}: {quoted(one.strip())} -> {quoted(other.strip())}")
        return
    for before, after in zip(first[1::2], second[1::2], strict=True):
        tally.texts(before, after, limit, lambda: f"line {number:,}")


BACKEND = TextComparator
