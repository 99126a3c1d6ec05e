"""Tables: CSV, TSV and columns between spaces, cell by cell; columns are told by their names where they have any."""

import csv
from collections.abc import Iterator
from itertools import islice, zip_longest
from typing import NamedTuple

from sumatra.comparison._masking import masked
from sumatra.comparison._tally import Tally, number_of, quoted
from sumatra.comparison._text import is_text, lines_of
from sumatra.comparison.base import Comparator, Comparison, Content, Limit, Setting

__all__ = ["BACKEND"]

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_COLUMNS = (".dat", ".txt", ".asc", ".out", ".data", ".gdf", ".ras", ".xvg", "")
_LOOKED_AT = 20  #: lines
_COMMENTS = ("#", "%", "!", "//", "@")


class Table(NamedTuple):
    """How a table is written."""

    separator: str  #: "" for spaces
    names: list[str]  #: of columns; [] if they have none
    rows: Iterator[list[str]]
    comments: list[str]  #: filled while the rows are read


class TableComparator(Comparator):
    """Compares row with row, and in them the columns of the same name."""

    name = "table"
    title = "a table"

    def recognises(self, head: bytes, name: str) -> bool:
        if not is_text(head):
            return False
        if name.endswith(tuple(_SEPARATORS)):
            return True
        stem, dot, ending = name.rpartition(".")
        return (dot + ending if stem else "") in _COLUMNS and _has_columns(head)

    def compare(self, one: Content, other: Content, setting: Setting) -> Comparison:
        csv.field_size_limit(10_000_000)
        tally = Tally()
        first, second = _table(one), _table(other)
        columns = _matched(first.names, second.names, tally)
        limits: dict[int, Limit] = {}
        numbers = [0, 0]
        for row, (before, after) in enumerate(zip_longest(first.rows, second.rows), 1):
            numbers[0] += before is not None
            numbers[1] += after is not None
            if before is None or after is None:
                continue
            if len(before) != len(after) and (not first.names or columns is None):
                tally.differ(f"row {row:,} has {len(before)} -> {len(after)} cells")
            pairs = columns or [(place, place) for place in range(min(len(before), len(after)))]
            for left, right in pairs:
                if left >= len(before) or right >= len(after):
                    if left < len(before) or right < len(after):
                        tally.differ(f"row {row:,} has {len(before)} -> {len(after)} cells")
                        break
                    continue
                cells = before[left], after[right]
                if cells[0] == cells[1]:
                    tally.compared += 1
                    continue
                name = first.names[left] if left < len(first.names) else str(left + 1)
                if left not in limits:
                    limits[left] = setting.limit(name)
                tally.texts(*cells, limits[left], lambda name=name, row=row: f"column {name}, row {row:,}")  # type: ignore[misc]
        if numbers[0] != numbers[1]:
            tally.differ(f"{numbers[0]:,} -> {numbers[1]:,} rows")
        _compare_comments(first.comments, second.comments, tally)
        return tally.comparison(self.name)


def _compare_comments(one: list[str], other: list[str], tally: Tally) -> None:
    for before, after in zip_longest(one, other, fillvalue=""):
        if before != after:
            if masked(before, True) == masked(after, True):
                tally.asides.append("but for times in comments")
            else:
                tally.differ(f"the comment {quoted(before)} -> {quoted(after)}")


def _matched(one: list[str], other: list[str], tally: Tally) -> list[tuple[int, int]] | None:
    """Return which column of *other* belongs to which of *one*, by their names; None if that is by place."""
    if one == other or not one or not other:
        if one != other:
            tally.differ("only one of both names its columns")
        return None
    if len(set(one)) < len(one) or len(set(other)) < len(other):
        tally.differ("the names of the columns differ")
        return None
    for name in one:
        if name not in other:
            tally.differ(f"only the first has the column {quoted(name)}")
    for name in other:
        if name not in one:
            tally.differ(f"only the second has the column {quoted(name)}")
    if not tally.number_of_others:
        tally.asides.append("columns in another order")
    return [(one.index(name), other.index(name)) for name in one if name in other]


def _table(content: Content) -> Table:
    separator = _separator(content)
    comments: list[str] = []
    rows = _rows(content, separator, comments)
    first = next(rows, None)
    names: list[str] = []
    if first is not None:
        if first and all(cell.strip() == "" or number_of(cell.strip()) is None for cell in first) and separator:
            names = [cell.strip() for cell in first]
        elif not separator and all(number_of(cell) is None for cell in first):
            names = first
        else:
            rows = _with(first, rows)
    if not names and not separator and comments and first is not None:
        words = comments[-1].lstrip("".join(_COMMENTS)).split()
        if len(words) == len(first) and all(number_of(word) is None for word in words):
            names = words
    return Table(separator, names, rows, comments)


def _with(first: list[str], rows: Iterator[list[str]]) -> Iterator[list[str]]:
    yield first
    yield from rows


def _rows(content: Content, separator: str, comments: list[str]) -> Iterator[list[str]]:
    lines = _without_comments(content, comments)
    if separator:
        yield from (row for row in csv.reader(lines, delimiter=separator) if row)
    else:
        yield from (row for row in map(str.split, lines) if row)


def _without_comments(content: Content, comments: list[str]) -> Iterator[str]:
    for line in lines_of(content):
        if not line.startswith(_COMMENTS):
            yield line + "\n"
        elif len(comments) < 10_000:
            comments.append(line.strip())


def _separator(content: Content) -> str:
    name = content.name.lower()
    usual = next((mark for ending, mark in _SEPARATORS.items() if name.endswith(ending)), "")
    if not usual:
        return ""
    lines = list(islice(_without_comments(content, []), _LOOKED_AT))
    counts = {mark: min((line.count(mark) for line in lines), default=0) for mark in (usual, ",", ";", "\t", "|")}
    return max(counts, key=lambda mark: counts[mark]) if not counts[usual] else usual


def _has_columns(head: bytes) -> bool:
    """Tell whether text that begins with *head* is columns of numbers."""
    lines = head.decode("utf-8", "surrogateescape").splitlines()
    lines = lines[:-1] if len(head) >= 8192 else lines
    cells = [line.split() for line in lines if line.strip() and not line.startswith(_COMMENTS)][:_LOOKED_AT]
    if cells and all(number_of(cell) is None for cell in cells[0]):
        del cells[0]
    if not cells or len({len(row) for row in cells}) > 1:
        return False
    numbers = sum(number_of(cell) is not None for row in cells for cell in row)
    return len(cells) > 1 and 2 * numbers >= sum(map(len, cells))


BACKEND = TableComparator
