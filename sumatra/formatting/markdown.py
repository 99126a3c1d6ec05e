"""Records as Markdown (CommonMark with tables) for notes and wikis."""

from collections.abc import Iterable, Iterator

from sumatra.formatting import View
from sumatra.formatting.escape import markdown as escaped
from sumatra.formatting.escape import markdown_block
from sumatra.formatting.rows import are_numbers, cell_text, is_tabular, long_rows, shown, table, title
from sumatra.records import Record

__all__ = ["render"]

_BLOCKS = frozenset({"Command", "Parameters"})


def render(records: Iterable[Record], view: View) -> Iterator[str]:
    """Yield a list of labels, a section for each record, or a table."""
    if is_tabular(view):
        return _table(records, view)
    if view.mode == "long":
        return ("".join(_section(record)) for record in records)
    return (f"- {escaped(record.label)}\n" for record in records)


def _section(record: Record) -> Iterator[str]:
    rows = dict(long_rows(record))
    yield f"## {escaped(rows.pop('Label'))}\n\n"
    blocks = [(name, rows.pop(name)) for name in sorted(_BLOCKS)]
    for name, text in rows.items():
        if text and text not in ("[]", "None"):
            lines = text.rstrip().split("\n")
            yield f"- **{_words(name)}:** " + "\\\n  ".join(map(escaped, lines)) + "\n"
    yield "\n"
    for name, text in blocks:
        if text:
            yield f"{_words(name)}:\n\n{markdown_block(text)}\n"


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _table(records: Iterable[Record], view: View) -> Iterator[str]:
    names, rows, varying = table(records, view, shown)
    lists = [list(row) for row in rows]
    titles = [escaped(title(name)) + (r" \*" if name in varying else "") for name in names]
    numbers = [are_numbers(column) for column in zip(*lists, strict=True)]
    yield f"| {' | '.join(titles)} |\n"
    yield f"|{'|'.join(' ---: ' if number else ' --- ' for number in numbers or [False] * len(names))}|\n"
    for row in lists:
        yield f"| {' | '.join(escaped(cell_text(name, value)) for name, value in zip(names, row, strict=True))} |\n"
