"""Records for reading on a terminal."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sumatra.formatting import View
from sumatra.formatting.escape import visible
from sumatra.formatting.layout import Column, fit, lines_of, paint, wrap
from sumatra.formatting.rows import (
    are_numbers,
    cell_text,
    is_tabular,
    long_rows,
    shown,
    status_text,
    table,
    title,
)
from sumatra.records import Record

__all__ = ["block", "render", "status_style"]

_KEY = 17  #: columns before the colon, as Sumatra has always had it
_RIGID = frozenset({"label", "status", "timestamp", "duration", "version", "size", "digest"})
_NAMES_OF_FILES = frozenset({"path", "input", "output", "main_file"})
_RIGHT = frozenset({"duration", "size"})
#: rows whose lines are never broken
_AS_IT_IS = frozenset({"Label", "Command", "Script_Arguments", "Parameters", "Input_Data", "Output_Data"})
_ROW_STYLES = {"Label": "bold", "Receipt": "yellow"}
_LEAST = 10  #: columns that any other column keeps
_SENTENCES = {"reason": 16, "outcome": 16}  #: those keep more
_FILES = 20  #: how many files of a record are listed on a terminal


def render(records: Iterable[Record], view: View) -> Iterator[str]:
    """Yield *records* as *view* asks: one label per line, a block each, or a table."""
    if is_tabular(view):
        return _table(records, view)
    if view.mode == "long":
        return ("".join(block(record, view)) for record in records)
    return (_short(record, view.color) for record in records)


def _short(record: Record, color: bool) -> str:
    label = visible(record.label)
    if not color or record.status == "finished":
        return label + "\n"
    return f"{label}  {paint(visible(status_text(record)), status_style(record), color)}\n"


def status_style(record: Record) -> str:
    """Return the style in which the state of *record* is told."""
    return {"finished": "green", "failed": "red", "crashed": "red", "killed": "yellow"}.get(record.status, "cyan")


def block(record: Record, view: View, *, brief: bool = False) -> Iterator[str]:
    """Yield the long form of *record*, line by line; with *brief* files are only counted, and findings left out."""
    width = None if view.width is None else max(view.width - _KEY - 2, 20)
    yield paint("-" * min(view.width or 80, 80), "dim", view.color) + "\n"
    for name, text in long_rows(record, brief=brief):
        lines = text.rstrip().split("\n")
        if width is not None and name.endswith("_Data") and len(lines) > _FILES:
            lines = [*lines[:_FILES], f"… and {len(lines) - _FILES} more: smt view {record.label}"]
        lines = [visible(line) for line in lines]
        if width is not None and name not in _AS_IT_IS:
            lines = [piece for line in lines for piece in wrap(line, width)]
        key = paint(f"{name:{_KEY}}:", "dim", view.color)
        style = status_style(record) if name == "Status" else _ROW_STYLES.get(name)
        for line in lines:
            line = paint(line, style, view.color) if style else line
            yield f"{key} {line}".rstrip() + "\n"
            key = paint(f"{'':{_KEY}}:", "dim", view.color)


def _table(records: Iterable[Record], view: View) -> Iterator[str]:
    names, rows, varying = table(records, view, shown)
    lists: list[list[Any]] = [[] for _ in names]
    for row in rows:
        for values, value in zip(lists, row, strict=True):
            values.append(value)
    if not lists[0]:
        return
    columns = [_column(name, values, name in varying) for name, values in zip(names, lists, strict=True)]
    if view.width is not None and view.mode == "table" and not view.columns:
        columns = [column for column in columns if any(column.texts)]
    widths, missing = fit(columns, view.width)
    for line in lines_of(columns[:len(widths)], widths, view.color):
        yield line + "\n"
    if missing:
        hidden = ", ".join(column.title for column in columns[-missing:])
        yield paint(f"(no room for {hidden})", "dim", view.color) + "\n"


def _in_one_line(name: str, text: str) -> str:
    """Return *text* without new lines; in names of files they are shown, where they are part of the name."""
    return text if name in _NAMES_OF_FILES else " ".join(text.split("\n"))


def _column(name: str, values: Sequence[Any], varies: bool) -> Column:
    return Column(
        visible(title(name)) + ("*" if varies else ""),
        [visible(_in_one_line(name, cell_text(name, value))) for value in values],
        None if name in _RIGID else _SENTENCES.get(name, _LEAST),
        name in _RIGHT or are_numbers(values),
    )
