"""What has changed since a run, for reading on a terminal: what ``smt changed`` shows."""

from collections.abc import Iterator

from sumatra.differences import CAUSES, Differences
from sumatra.formatting import View
from sumatra.formatting.differences import lines, same
from sumatra.formatting.escape import visible
from sumatra.formatting.layout import paint
from sumatra.records import Record

__all__ = ["as_json", "briefly", "text", "verdict"]

_PLAIN = View()
_SINCE = ("new", "not there any more")


def verdict(record: Record, changes: Differences) -> str:
    """Return in one sentence whether something has changed since *record*."""
    number = len(changes.causes)
    run = f"run {visible(record.label)} ({record.timestamp.astimezone():%Y-%m-%d %H:%M}, {record.status})"
    if not number:
        return f"Nothing that {run} used has changed."
    things = "1 thing has changed" if number == 1 else f"{number} things have changed"
    return f"{things} since {run}{'' if number == 1 else '; likeliest first'}:"


def text(record: Record, changes: Differences, view: View = _PLAIN, *, whole: bool = False) -> Iterator[str]:
    """Yield what has changed since *record*, lines with their ends: the verdict first; with *whole*, all of each kind.
    """
    yield paint(verdict(record, changes), "bold", view.color) + "\n"
    if changes.causes:
        yield from lines(changes.causes, view, whole, numbered=True, one_sided=_SINCE, more="smt changed --long")
    harmless = [each for each in changes.found if each.matters is False]
    if harmless:
        yield paint("hardly matters", "bold", view.color) + "\n"
        yield from lines(harmless, view, whole, one_sided=_SINCE, more="smt changed --long")
    unchanged = same(changes.same, CAUSES)
    if unchanged:
        yield f"{paint('same', 'bold', view.color)}        {unchanged}\n"
    for sentence in changes.unknown:
        yield f"{paint('not known', 'bold', view.color)}   {visible(sentence)}\n"


def briefly(record: Record, changes: Differences, view: View, most: int) -> Iterator[str]:
    """Yield the verdict and what is likeliest to matter, *most* lines in all."""
    yield verdict(record, changes) + "\n"
    causes = changes.causes
    silent = bool(changes.unknown)
    most -= silent
    shown = causes if len(causes) < most else causes[: most - 2]
    if shown:
        yield from lines(shown, view, True, numbered=True, one_sided=_SINCE)
    if len(shown) < len(causes):
        yield f"    … and {len(causes) - len(shown)} more: smt changed\n"
    if silent:
        yield "not known   something can't be told; what it is: smt changed\n"


def as_json(record: Record, changes: Differences) -> dict[str, object]:
    """Return the same as what JSON can say."""
    return {
        "since": record.label,
        "timestamp": record.timestamp.isoformat(),
        "changed": bool(changes.causes),
        "changes": [
            {
                "kind": each.kind, "name": each.name, "then": each.one, "now": each.other, "matters": each.matters,
                "note": each.note,
            }
            for each in changes.found
        ],
        "same": dict(changes.same),
        "unknown": list(changes.unknown),
    }
