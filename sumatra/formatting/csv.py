"""Records as comma-separated values (RFC 4180) for spreadsheets and programs."""

from collections.abc import Iterable, Iterator
from typing import Any

from sumatra.formatting import View
from sumatra.formatting.escape import spreadsheet
from sumatra.formatting.rows import all_columns, is_number, table, value_text
from sumatra.records import Record

__all__ = ["render"]


def render(records: Iterable[Record], view: View) -> Iterator[str]:
    """Yield a line of names and a line for each record.

    Columns go by the names that queries know.  Mode ``long`` has all fields and all parameters, ``parameters`` the
    label and all parameters, ``outputs`` a line per output file.  Texts are quoted, numbers aren't; times are in the
    form of ISO 8601; sizes in bytes, durations in seconds.
    """
    import csv
    import io

    from sumatra.selection import value

    if view.mode == "long" and not view.columns:
        records = list(records)
        view = View(mode="table", columns=all_columns(records))
    names, rows, _ = table(records, view, value)
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")

    def line(cells: list[Any]) -> str:
        buffer.seek(0)
        buffer.truncate()
        writer.writerow(cells)
        return buffer.getvalue()

    yield line([spreadsheet(name) for name in names])
    for row in rows:
        yield line([_cell(cell) for cell in row])


def _cell(value: Any) -> str | int | float:
    return value if is_number(value) else spreadsheet(value_text(value))
