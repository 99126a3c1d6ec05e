"""Records as a LaTeX document: tables or lists to take into a paper.

It needs nothing but the packages longtable and booktabs, and is set by pdfLaTeX, XeLaTeX and LuaLaTeX alike.
"""

from collections.abc import Iterable, Iterator, Sequence

from sumatra.formatting import View
from sumatra.formatting.escape import latex as escaped
from sumatra.formatting.rows import COLUMNS, are_numbers, cell_text, is_tabular, long_rows, shown, table, title
from sumatra.records import Record

__all__ = ["render"]

# \smtcharacter sets what pdfTeX's fonts don't have as its number; the two others have fonts for it, perhaps.
_HEAD = r"""\documentclass[a4paper]{article}
\usepackage{longtable}
\usepackage{booktabs}
\setlength{\oddsidemargin}{-5mm}
\setlength{\textwidth}{170mm}
\setlength{\topmargin}{-10mm}
\setlength{\textheight}{240mm}
\setlength{\parindent}{0pt}
\setlength{\tabcolsep}{3pt}
\ifdefined\Umathcode
  \newcommand{\smtcharacter}[1]{\char"#1{}}
\else
  \newcommand{\smtcharacter}[1]{{\footnotesize\texttt{[U+#1]}}}
\fi
\begin{document}
\sloppy
"""
_FOOT = "\\end{document}\n"
_WIDTH = 170.0  #: millimetres
_LETTER = 1.75  #: millimetres that a letter takes in a table, about
_GAP = 2.2
_LEAST = 14.0
_RIGID = frozenset({"label", "status", "timestamp", "duration", "version", "size", "digest"})
_BREAKS = frozenset("/_.,=")
_CODE = frozenset({"Command", "Parameters", "Script_Arguments"})
_PAPER = tuple(name for name in COLUMNS if name not in ("main_file", "script_arguments"))


def render(records: Iterable[Record], view: View) -> Iterator[str]:
    """Yield a document: labels as items, a description of each record, or a table that may run over pages."""
    yield _HEAD
    if is_tabular(view):
        yield from _table(records, view)
    elif view.mode == "long":
        for record in records:
            yield "".join(_section(record))
    else:
        yield from _labels(records)
    yield _FOOT


def _labels(records: Iterable[Record]) -> Iterator[str]:
    before = "\\begin{itemize}\n"
    for record in records:
        yield f"{before}\\item {_breakable(record.label)}\n"
        before = ""
    yield "" if before else "\\end{itemize}\n"


def _section(record: Record) -> Iterator[str]:
    rows = dict(long_rows(record))
    yield f"\\subsection*{{{escaped(rows.pop('Label'))}}}\n\\begin{{description}}\n"
    for name, text in rows.items():
        if not text or text in ("[]", "None"):
            continue
        lines = text.rstrip().split("\n")
        if name in _CODE:
            lines = [_typed(line) for line in lines]
        else:
            lines = [_breakable(line) or "\\mbox{}" for line in lines]
        yield f"\\item[{_words(name)}] " + "\\\\{}\n  ".join(lines) + "\n"
    yield "\\end{description}\n\n"


def _typed(line: str) -> str:
    text = line.lstrip(" ")
    space = "\\ " * (len(line) - len(text))
    return f"\\texttt{{{space}{_breakable(text)}}}"


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _table(records: Iterable[Record], view: View) -> Iterator[str]:
    if view.mode == "table" and not view.columns:
        view = View(mode="table", columns=_PAPER)
    names, rows, varying = table(records, view, shown)
    lists = [list(row) for row in rows]
    texts = [[cell_text(name, value) for name, value in zip(names, row, strict=True)] for row in lists]
    numbers = [are_numbers(column) for column in zip(*lists, strict=True)]
    heads = [
        f"\\textbf{{{escaped(title(name))}{'*' if name in varying else ''}}}" for name in names
    ]
    yield "{\\footnotesize\n"
    yield f"\\begin{{longtable}}{{{_shape(names, texts, numbers)}}}\n"
    yield f"\\toprule\n{_row(heads)}\\midrule\n\\endhead\n\\bottomrule\n\\endfoot\n"
    for row in texts:
        yield _row([_breakable(" ".join(text.split("\n"))) for text in row])
    yield "\\end{longtable}}\n"


def _row(cells: Sequence[str]) -> str:
    # The empty group keeps a "*" at the beginning from being taken for the star of the line before.
    return "{}" + " & ".join(cells) + " \\tabularnewline\n"


def _shape(names: Sequence[str], texts: Sequence[Sequence[str]], numbers: Sequence[bool]) -> str:
    """Return the columns of a table: those with sentences share the room that the others leave."""
    longest = [max((len(row[at]) for row in texts), default=0) for at in range(len(names))]
    wanted = [_LETTER * max(size, len(title(name))) for name, size in zip(names, longest, strict=True)]
    rigid = [
        name in _RIGID or width <= _LEAST or (bool(numbers) and numbers[at])
        for at, (name, width) in enumerate(zip(names, wanted, strict=True))
    ]
    taken = sum(width for width, fixed in zip(wanted, rigid, strict=True) if fixed)
    room = _WIDTH - taken - _GAP * len(names)
    asked = sum(width for width, fixed in zip(wanted, rigid, strict=True) if not fixed)
    pieces = []
    for at, width in enumerate(wanted):
        if rigid[at]:
            pieces.append("r" if numbers and numbers[at] else "l")
        else:
            share = width if asked <= room else max(_LEAST, room * width / asked)
            pieces.append(f"p{{{share:.0f}mm}}")
    return "".join(pieces)


def _breakable(text: str) -> str:
    """Return *text* escaped; long words may be broken where paths and names have their joints."""
    return " ".join(_joints(word) if len(word) > 16 else escaped(word) for word in text.split(" "))


def _joints(word: str) -> str:
    pieces = []
    part = ""
    for character in word:
        part += character
        if character in _BREAKS or len(part) == 20:
            pieces.append(escaped(part))
            part = ""
    return "\\allowbreak{}".join([*pieces, escaped(part)] if part else pieces)
