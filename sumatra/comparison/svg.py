"""SVG: what is drawn, without dates, the name of the program, and identifiers that are made anew each time."""

import re

from sumatra.comparison._masking import pieces
from sumatra.comparison._tally import Tally, quoted
from sumatra.comparison.base import Comparator, Comparison, Content, Setting

__all__ = ["BACKEND"]

_MOST = 50_000_000  #: bytes
_SAID_OF_IT = re.compile(
    r"<dc:date>[^<]*</dc:date>|<dc:title>[^<]*</dc:title>|<!--(?:[^-]|-(?!-))*-->|<dc:creator>.{0,500}?</dc:creator>",
    re.DOTALL,
)
#: Identifiers as matplotlib makes them: a letter and the beginning of a digest.
_MADE = re.compile(r"(?<=[\"#])[a-zA-Z][0-9a-f]{8,16}(?=[\")])")


class SVGComparator(Comparator):
    """Compares line with line; numbers as numbers."""

    name = "svg"
    title = "an SVG picture"

    def recognises(self, head: bytes, name: str) -> bool:
        return name.endswith(".svg") and b"<" in head[:512]

    def compare(self, one: Content, other: Content, setting: Setting) -> Comparison:
        tally, limit = Tally(), setting.limit("")
        first, second = (_lines(each) for each in (one, other))
        if first == second:
            return Comparison("same content", "but for dates and generated identifiers", 0.0, 0.0, "", self.name)
        if len(first) != len(second):
            tally.differ(f"{len(first):,} -> {len(second):,} lines")
        for number, (before, after) in enumerate(zip(first, second, strict=False), 1):
            if before == after:
                continue
            left, right = pieces(before), pieces(after)
            if left[::2] != right[::2]:
                tally.differ(f"line {number:,}: {quoted(before.strip())} -> {quoted(after.strip())}")
                continue
            for this, that in zip(left[1::2], right[1::2], strict=True):
                tally.texts(this, that, limit, lambda number=number: f"line {number:,}")  # type: ignore[misc]
        return tally.comparison(self.name)


def _lines(content: Content) -> list[str]:
    text = content.whole(_MOST).decode("utf-8-sig", "surrogateescape")
    text = _SAID_OF_IT.sub("", text)
    known: dict[str, str] = {}
    text = _MADE.sub(lambda found: known.setdefault(found[0], f"made-{len(known)}"), text)
    return [line.rstrip() for line in text.splitlines()]


BACKEND = SVGComparator
