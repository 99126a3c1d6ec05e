"""Records as one HTML page that needs nothing else: no script, nothing fetched, light or dark as the reader likes."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from sumatra.formatting import View
from sumatra.formatting.escape import html as escaped
from sumatra.formatting.rows import cell_text, is_number, is_tabular, long_rows, shown, table, title
from sumatra.records import STATUSES, Record

__all__ = ["render"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --soft: #5c677a; --line: #d9dee7; --paper: #fff; --band: #f4f6fa;
        --good: #1a7f45; --bad: #c0262d; --odd: #9a6700; --live: #1f6feb; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e8f0; --soft: #97a3b6; --line: #343c4a; --paper: #14181f; --band: #1c222c;
          --good: #4cc38a; --bad: #ff7b78; --odd: #e3b341; --live: #6cb0ff; } }
* { box-sizing: border-box; }
body { margin: 2rem auto; max-width: 90rem; padding: 0 1.25rem; background: var(--paper); color: var(--ink);
       font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
h1 { font-size: 1.45rem; font-weight: 650; margin: 0 0 1rem; }
h2 { font-size: 1.1rem; font-weight: 650; margin: 0 0 .75rem; display: flex; gap: .75rem; align-items: baseline;
     flex-wrap: wrap; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .75rem; text-align: start; vertical-align: top; border-bottom: 1px solid var(--line); }
thead th { position: sticky; top: 0; background: var(--band); font-size: .85rem; white-space: nowrap; }
tbody tr:last-child > * { border-bottom: 0; }
tbody tr:hover > * { background: var(--band); }
tbody th { font-weight: 600; white-space: nowrap; }
td { min-width: 4rem; max-width: 26rem; overflow-wrap: break-word; }
td:not(.near, .number, :empty) { min-width: 9rem; }
td.near { white-space: nowrap; }
td.number { text-align: right; white-space: nowrap; }
section { border: 1px solid var(--line); border-radius: 8px; padding: 1rem 1.25rem; margin: 0 0 1.25rem; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .2rem 1.25rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; min-height: 1.5em; overflow-wrap: anywhere; white-space: pre-line; }
dd.code { font: .9em/1.6 ui-monospace, "SF Mono", Menlo, Consolas, monospace; white-space: pre-wrap; }
ul { padding-left: 1.25rem; }
.finished { color: var(--good); } .failed, .crashed { color: var(--bad); } .killed { color: var(--odd); }
.running, .initialized { color: var(--live); }
h2 span { font-size: .9rem; font-weight: 500; }
p { color: var(--soft); }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .5rem; } }
@media print { body { margin: 0; max-width: none; } section { break-inside: avoid; } thead th { position: static; } }
"""

_CODE = frozenset({
    "Repository", "Main_File", "Version", "Script_Arguments", "Command", "Executable", "Script", "Parameters",
    "Input_Data", "Output_Data",
})
_NUMBERS = frozenset({"duration", "size"})
_NEAR = frozenset({"status", "timestamp", "duration", "version", "size", "digest"})


def render(records: Iterable[Record], view: View) -> Iterator[str]:
    """Yield a page: a list of labels, a section for each record, or a table."""
    records = iter(records)
    first = next(records, None)
    project = first.project if first is not None else ""
    heading = escaped(f"Runs of {project}" if project else "Runs")
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{heading}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{heading}</h1>\n"
    )
    if first is None:
        yield "<p>There are no records.</p>\n"
    else:
        every = chain([first], records)
        if is_tabular(view):
            yield from _table(every, view)
        elif view.mode == "long":
            for record in every:
                yield "".join(_section(record))
        else:
            yield from _labels(every)
    yield "</body>\n</html>\n"


def _labels(records: Iterable[Record]) -> Iterator[str]:
    yield "<ul>\n"
    for record in records:
        yield f"<li><bdi>{escaped(record.label)}</bdi></li>\n"
    yield "</ul>\n"


def _section(record: Record) -> Iterator[str]:
    rows = dict(long_rows(record))
    yield (
        f'<section>\n<h2><bdi>{escaped(rows.pop("Label"))}</bdi>'
        f'<span class="{_state(record.status)}">{escaped(rows.pop("Status"))}</span></h2>\n<dl>\n'
    )
    for name, text in rows.items():
        kind = ' class="code"' if name in _CODE else ""
        yield f'<dt>{escaped(name.replace("_", " ").capitalize())}</dt><dd{kind} dir="auto">{escaped(text)}</dd>\n'
    yield "</dl>\n</section>\n"


def _state(status: str) -> str:
    return status if status in STATUSES else "unknown"


def _table(records: Iterable[Record], view: View) -> Iterator[str]:
    names, rows, varying = table(records, view, shown)
    yield '<div class="scroll">\n<table>\n<thead><tr>'
    for name in names:
        mark = " *" if name in varying else ""
        yield f'<th scope="col"><bdi>{escaped(title(name))}</bdi>{mark}</th>'
    yield "</tr></thead>\n<tbody>\n"
    for row in rows:
        yield f"<tr>{''.join(_cells(names, row))}</tr>\n"
    yield "</tbody>\n</table>\n</div>\n"
    if varying:
        yield "<p>* differs between these runs</p>\n"


def _cells(names: Sequence[str], row: Sequence[Any]) -> Iterator[str]:
    for name, value in zip(names, row, strict=True):
        text = escaped(cell_text(name, value))
        if name == "label":
            yield f'<th scope="row"><bdi>{text}</bdi></th>'
            continue
        kinds = ["near"] if name in _NEAR else []
        if name in _NUMBERS or is_number(value):
            kinds.append("number")
        if name == "status":
            kinds.append(_state(str(value)))
        attribute = f' class="{" ".join(kinds)}"' if kinds else ""
        yield f'<td{attribute} dir="auto">{text}</td>'
