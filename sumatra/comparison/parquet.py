"""Parquet: column by column, in pieces; how the rows are grouped and packed, and what wrote them, doesn't matter."""

from collections.abc import Iterator
from typing import Any

from sumatra.comparison._numeric import compare_types
from sumatra.comparison._tally import Tally, quoted
from sumatra.comparison._tree import compare_trees
from sumatra.comparison.base import Comparator, Comparison, Content, Setting

__all__ = ["BACKEND"]

_ROWS = 1 << 16


class ParquetComparator(Comparator):
    """Compares columns of the same name."""

    name = "parquet"
    title = "a Parquet file"

    def recognises(self, head: bytes, name: str) -> bool:
        return head.startswith(b"PAR1")

    def compare(self, one: Content, other: Content, setting: Setting) -> Comparison:
        import pyarrow
        from pyarrow import parquet

        pyarrow.set_cpu_count(1)
        pyarrow.set_io_thread_count(1)
        tally = Tally()
        with one.open() as left, other.open() as right:
            first, second = parquet.ParquetFile(left), parquet.ParquetFile(right)
            rows = first.metadata.num_rows, second.metadata.num_rows
            if rows[0] != rows[1]:
                tally.differ(f"{rows[0]:,} -> {rows[1]:,} rows")
            names = first.schema_arrow.names, second.schema_arrow.names
            for name in [*names[0], *(name for name in names[1] if name not in names[0])]:
                if name not in names[0] or name not in names[1]:
                    tally.differ(f"only the {'first' if name in names[0] else 'second'} has the column {quoted(name)}")
                    continue
                _compare_columns(first, second, name, tally, setting)
            if not tally.number_of_others and names[0] != names[1]:
                tally.asides.append("columns in another order")
        return tally.comparison(self.name)


def _compare_columns(one: Any, other: Any, name: str, tally: Tally, setting: Setting) -> None:
    kinds = [each.schema_arrow.field(name).type for each in (one, other)]
    if kinds[0] != kinds[1] and str(kinds[0]).removeprefix("large_") != str(kinds[1]).removeprefix("large_"):
        numbers = all(str(kind).startswith(("int", "uint", "float", "double", "half")) for kind in kinds)
        if not numbers or not any(setting.limit(name)):
            tally.differ(f"type {kinds[0]} -> {kinds[1]} in column {name}")
            if not numbers:
                return
    row = 0
    for first, second in _aligned(one, other, name):
        if not (first.type == second.type and first.equals(second)):
            _compare_pieces(first, second, name, row, tally, setting)
        else:
            tally.compared += len(first)
        row += len(first)


def _aligned(one: Any, other: Any, name: str) -> Iterator[tuple[Any, Any]]:
    """Yield the same rows of a column of both files."""
    pieces = [
        (batch.column(0) for batch in file.iter_batches(_ROWS, columns=[name], use_threads=False))
        for file in (one, other)
    ]
    first, second = (next(each, None) for each in pieces)
    while first is not None and second is not None:
        count = min(len(first), len(second))
        yield first.slice(0, count), second.slice(0, count)
        first = first.slice(count) if count < len(first) else next(pieces[0], None)
        second = second.slice(count) if count < len(second) else next(pieces[1], None)


def _compare_pieces(one: Any, other: Any, name: str, row: int, tally: Tally, setting: Setting) -> None:
    import pyarrow

    limit = setting.limit(name)

    def where(place: int) -> str:
        return f"column {name}, row {row + place + 1:,}"

    plain = all(pyarrow.types.is_integer(each.type) or pyarrow.types.is_floating(each.type) for each in (one, other))
    if plain and not one.null_count and not other.null_count:
        first, second = one.to_numpy(zero_copy_only=False), other.to_numpy(zero_copy_only=False)
        if compare_types(first.dtype, second.dtype, f"column {name}", Tally(), limit):
            tally.arrays(first, second, limit, where)
        return
    for place, (before, after) in enumerate(zip(one.to_pylist(), other.to_pylist(), strict=True)):
        if before != after:
            found = Tally()
            compare_trees(before, after, found, lambda field: setting.limit(f"{name}.{field}" if field else name))
            tally.merge(found, where(place))
        else:
            tally.compared += 1


BACKEND = ParquetComparator
