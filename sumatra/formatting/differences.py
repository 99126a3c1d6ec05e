"""What differs between runs, for reading on a terminal: what ``smt diff`` shows."""

from collections.abc import Iterator, Mapping, Sequence

from sumatra.differences import CAUSES, KINDS, Difference, Differences
from sumatra.formatting import View
from sumatra.formatting.escape import visible
from sumatra.formatting.layout import cells, paint, shorten
from sumatra.records import Record

__all__ = ["IN_THE_OTHER", "as_json", "lines", "same", "table", "text"]

_PLAIN = View()
_MOST = 8  #: of one kind, unless all are asked for

#: How it is told that something is in the second run alone, and in the first.
IN_THE_OTHER = ("only in the second", "only in the first")

_STYLES = {"same content": "green", "within tolerance": "green"}

#: What things of each kind are called when they are counted: one, many.
_WORDS = {
    "results": ("result", "results"), "inputs": ("input file", "input files"),
    "parameters": ("parameter", "parameters"), "code": ("part of the code", "parts of the code"),
    "dependencies": ("library", "libraries"), "environment": ("fact of the environment", "facts of the environment"),
    "command": ("part of the command", "parts of the command"),
    "platform": ("fact of the machine", "facts of the machine"),
}


def text(
    one: Record, other: Record, differences: Differences, view: View = _PLAIN, *, kinds: Sequence[str] = KINDS,
    whole: bool = False, next_step: str = "",
) -> Iterator[str]:
    """Yield what *differences* between *one* and *other* say, lines with their ends: the verdict first.

    Only *kinds* are told; with *whole*, all of each.
    """
    yield from _heading(one, other, view)
    results = differences.of("results")
    if "results" in kinds:
        is_known = one.outputs_are_known and other.outputs_are_known
        yield from _results(differences, view, whole, is_known=is_known)
    causes = [each for each in differences.found if each.kind != "results" and each.kind in kinds]
    serious = [each for each in causes if each.matters is not False]
    if serious:
        title = "could explain it" if results else "differs all the same"
        yield paint(title, "bold", view.color) + "\n"
        yield from lines(serious, view, whole, numbered=True)
    elif results:
        yield paint("could explain it", "bold", view.color) + f"\n  {_nothing(differences, kinds)}\n"
    harmless = [each for each in causes if each.matters is False]
    if harmless:
        yield paint("hardly matters", "bold", view.color) + "\n"
        yield from lines(harmless, view, whole)
    unchanged = same(differences.same, kinds)
    if unchanged:
        yield f"{paint('same', 'bold', view.color)}        {unchanged}\n"
    for sentence in differences.unknown:
        yield f"{paint('not known', 'bold', view.color)}   {visible(sentence)}\n"
    if next_step and results and serious:
        yield f"{paint('next', 'bold', view.color)}        {next_step}\n"


def _nothing(differences: Differences, kinds: Sequence[str]) -> str:
    """Return that there is no cause among *kinds*, and not more than that."""
    if set(CAUSES) <= {*kinds} and not differences.is_partial:
        return "nothing that is known differs"
    return "nothing that was asked for; the rest: smt diff without options that leave something out"


def _heading(one: Record, other: Record, view: View) -> Iterator[str]:
    told = [f"{visible(record.label)} ({record.timestamp:%Y-%m-%d %H:%M}, {record.status})" for record in (one, other)]
    yield paint(f"{told[0]}  vs  {told[1]}", "bold", view.color) + "\n"


def _results(differences: Differences, view: View, whole: bool, *, is_known: bool) -> Iterator[str]:
    results, same = differences.of("results"), differences.same.get("results", 0)
    heading = paint("results", "bold", view.color)
    alike = differences.alike
    if not results and not is_known:
        yield f"{heading}     not all known: see below\n"
        return
    if not results:
        number = max(same - 1, 0)  # the status isn't a file
        if alike:
            counts = {"identical": number, **{each.verdict: 0 for each in alike}}
            for each in alike:
                counts[each.verdict] += 1
            told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
            total = number + len(alike)
            matching = f"{total} output files match" if total > 1 else "1 output file matches"
            yield f"{heading}     the same: {matching} ({told})\n"
            yield from _verdicts(alike, view, whole)
            return
        identical = f"all {number} output files are identical" if number > 1 else "the only output file is identical"
        detail = identical if number else "there are no output files"
        yield f"{heading}     the same: {detail}\n"
        return
    files = [each for each in results if each.name != "status"]
    number = len(files) + same - (len(files) == len(results)) + len(alike)
    yield f"{heading}     {len(files)} of {number} output files differ\n"
    yield from lines([each for each in results if not each.verdict], view, whole, kind=False)
    yield from _verdicts([each for each in results if each.verdict], view, whole)
    yield from _verdicts(alike, view, whole)


def _verdicts(results: Sequence[Difference], view: View, whole: bool) -> Iterator[str]:
    for each in results[: None if whole else _MOST]:
        sentence = f": {visible(each.note)}" if each.note else ""
        if each.verdict == "not comparable":
            sentence += f" ({_change(each, IN_THE_OTHER)})"
        yield f"    {visible(each.name)}: {paint(each.verdict, _STYLES.get(each.verdict, ''), view.color)}{sentence}\n"
    if not whole and len(results) > _MOST:
        yield f"    … and {len(results) - _MOST} more: smt diff --long\n"


def lines(
    differences: Sequence[Difference], view: View, whole: bool, *, numbered: bool = False, kind: bool = True,
    one_sided: tuple[str, str] = IN_THE_OTHER, more: str = "smt diff --long",
) -> Iterator[str]:
    """Yield a line for each of *differences*, or for the first of each kind unless *whole*.

    *one_sided* says how it is told that something is in the second run alone, or in the first; *more* which command
    tells the rest.
    """
    if not differences:
        return
    shown = 0
    told: dict[str, int] = {}
    width = min(40, max(cells(visible(each.name)) for each in differences))
    for number, each in enumerate(differences, 1):
        told[each.kind] = told.get(each.kind, 0) + 1
        if not whole and told[each.kind] > _MOST:
            continue
        shown += 1
        name = visible(each.name)
        head = f"{number:>3} " if numbered else "    "
        what = f"{each.kind:<13}" if kind else ""
        line = f"{head}{what}{name}{' ' * (width - cells(name))}  {_change(each, one_sided)}"
        note = f"  ({visible(each.note)})" if each.note else ""
        if view.width:
            line = shorten(line, view.width - len(note))
        yield f"{line}{paint(note, 'dim', view.color)}\n"
    if shown < len(differences):
        yield f"    … and {len(differences) - shown} more: {more}\n"


def _change(difference: Difference, one_sided: tuple[str, str]) -> str:
    one, other = (_brief(value) for value in (difference.one, difference.other))
    if difference.one is None:
        return f"{one_sided[0]}: {other}"
    if difference.other is None:
        return f"{one_sided[1]}: {one}"
    return f"{one} -> {other}"


def _brief(value: str | None) -> str:
    told = visible(value or "")
    for mark in ("sha256:", "sha1:"):
        place = told.find(mark)
        if place >= 0:
            return told[:place] + told[place : place + len(mark) + 8] + "…"
    return shorten(told, 60)


def same(same: Mapping[str, int], kinds: Sequence[str]) -> str:
    """Return how many things of *kinds* are the *same*, in words."""
    told = [
        f"{number} {_WORDS[kind][number != 1]}" for kind, number in same.items()
        if number and kind in kinds and kind in CAUSES
    ]
    return ", ".join(told)


def table(
    records: Sequence[Record], varying: Mapping[tuple[str, str], Sequence[str | None]], view: View
) -> Iterator[str]:
    """Yield what varies among *records*, a line for each thing and a column for each record."""
    if not varying:
        yield "nothing that is known varies\n"
        return
    rows = [["", *(visible(record.label) for record in records)]]
    rows += [[f"{kind}  {visible(name)}", *map(_cell, values)] for (kind, name), values in varying.items()]
    widths = [min(40, max(cells(row[place]) for row in rows)) for place in range(len(rows[0]))]
    for row in rows:
        told = (shorten(cell, width) for cell, width in zip(row, widths, strict=True))
        line = "  ".join(cell + " " * (width - cells(cell)) for cell, width in zip(told, widths, strict=True)).rstrip()
        yield (paint(line, "bold", view.color) if row is rows[0] else line) + "\n"


def _cell(value: str | None) -> str:
    return "-" if value is None else _brief(value)


def as_json(one: Record, other: Record, differences: Differences, kinds: Sequence[str] = KINDS) -> dict[str, object]:
    """Return *differences* as what JSON can say."""
    alike = differences.alike
    same = "within tolerance" if any(each.verdict == "within tolerance" for each in alike) else "same content"
    return {
        "one": one.label,
        "other": other.label,
        "results": "different" if differences.of("results") else same if alike else "identical",
        "differences": [_entry(each) for each in differences.found if each.kind in kinds],
        "alike": [_entry(each) for each in alike if each.kind in kinds],
        "same": {kind: number for kind, number in differences.same.items() if kind in kinds},
        "unknown": list(differences.unknown),
    }


def _entry(difference: Difference) -> dict[str, object]:
    told: dict[str, object] = {
        "kind": difference.kind, "name": difference.name, "one": difference.one, "other": difference.other,
        "matters": difference.matters, "note": difference.note,
    }
    return {**told, "verdict": difference.verdict} if difference.verdict else told
