"""Lay out text on a terminal: how wide it is, where it can be cut, in what colour.

Widths are counted in cells: letters of East Asia and emoji take two, accents none.  Text comes here from
`sumatra.formatting.escape.visible`, so it holds no control characters.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = ["Column", "cells", "fit", "lines_of", "paint", "shorten", "wrap"]

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_GAP = "  "


def paint(text: str, style: str, color: bool) -> str:
    """Return *text* in a *style* (``bold``, ``dim``, ``red``, ``green``, ``yellow``, ``cyan``), if *color*."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if color and text else text


def cells(text: str) -> int:
    """Return how many columns of a terminal *text* takes."""
    if text.isascii():
        return len(text)
    return sum(width for _, width in _clusters(text))


def shorten(text: str, width: int) -> str:
    """Return *text*, or its beginning and ``…``, so that it takes at most *width* columns."""
    if cells(text) <= width:
        return text
    return _head(text, width - 1).rstrip() + "…" if width > 0 else ""


def _head(text: str, room: int) -> str:
    """Return the longest beginning of *text* that takes at most *room* columns."""
    pieces = []
    for cluster, size in _clusters(text):
        room -= size
        if room < 0:
            break
        pieces.append(cluster)
    return "".join(pieces)


def wrap(text: str, width: int) -> Iterator[str]:
    """Yield *text* as lines of at most *width* columns, broken between words where that can be."""
    if cells(text) <= width:
        yield text
        return
    line = ""
    for word in text.split(" "):
        while cells(word) > width:
            if line:
                yield line
                line = ""
            head = _head(word, width) or word[0]
            yield head
            word = word[len(head):]
        longer = f"{line} {word}" if line else word
        if cells(longer) <= width:
            line = longer
        else:
            yield line
            line = word
    yield line


def _clusters(text: str) -> Iterator[tuple[str, int]]:
    """Yield what belongs together on the screen (a letter with its accents, a joined emoji), with its width."""
    cluster, width = "", 0
    for character in text:
        own = _width(character)
        if cluster and (own == 0 or _continues(cluster, character)):
            cluster += character
            if character == "\ufe0f":  # asks for the coloured form of the sign before it
                width = 2
            elif own == 1:  # the second half of a flag
                width += 1
            continue
        if cluster:
            yield cluster, width
        cluster, width = character, own
    if cluster:
        yield cluster, width


def _continues(cluster: str, character: str) -> bool:
    if "\U0001f3fb" <= character <= "\U0001f3ff":  # tones of skin
        return _width(cluster[0]) == 2
    if "\U0001f1e6" <= character <= "\U0001f1ff":  # flags are pairs
        return len(cluster) == 1 and "\U0001f1e6" <= cluster <= "\U0001f1ff"
    return cluster[-1] == "\u200d" and (character >= "\U0001f000" or "\u2190" <= character <= "\u2fff")


def _width(character: str) -> int:
    if character < "\u0300":
        return 1
    import unicodedata

    if unicodedata.category(character) in ("Mn", "Me") or character in "\u200c\u200d":
        return 0
    if "\u1160" <= character <= "\u11ff":  # the later parts of Korean syllables
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


class Column(NamedTuple):
    """One column of a table, its title apart."""

    title: str
    texts: Sequence[str]
    least: int | None = None  #: how far it may be shortened; None if not at all
    right: bool = False  #: whether it is aligned at the right


def fit(columns: Sequence[Column], width: int | None) -> tuple[list[int], int]:
    """Return the widths of those columns that find room in *width*, and how many were left out at the right.

    The longest of the columns that may be shortened give way first.  Nothing is shortened or left out without *width*.
    """
    natural = [max(map(cells, (column.title, *column.texts))) for column in columns]
    if width is None:
        return natural, 0
    count = len(columns)
    least = [
        size if column.least is None else min(size, max(column.least, cells(column.title)))
        for column, size in zip(columns, natural, strict=True)
    ]
    while count > 1 and sum(least[:count]) + len(_GAP) * (count - 1) > width:
        count -= 1
    widths = [max(low, min(size, width)) for low, size in zip(least, natural[:count], strict=False)]
    excess = sum(widths) + len(_GAP) * (count - 1) - width
    while excess > 0:
        index = max(range(count), key=lambda at: (widths[at] > least[at], widths[at]))
        if widths[index] <= least[index]:
            break  # even the first column is wider than the terminal
        widths[index] -= 1
        excess -= 1
    return widths, len(columns) - count


def lines_of(columns: Sequence[Column], widths: Sequence[int], color: bool) -> Iterator[str]:
    """Yield the title line and the lines of a table."""
    yield _line([column.title for column in columns], columns, widths, "bold", color)
    for row in zip(*(column.texts for column in columns), strict=True):
        yield _line(row, columns, widths, None, color)


def _line(
    texts: Sequence[str], columns: Sequence[Column], widths: Sequence[int], style: str | None, color: bool
) -> str:
    pieces = []
    for text, column, width in zip(texts, columns, widths, strict=False):
        text = text if column.least is None else shorten(text, width)
        space = " " * (width - cells(text))
        text = paint(text, style, color) if style else text
        pieces.append(space + text if column.right else text + space)
    return _GAP.join(pieces).rstrip()
