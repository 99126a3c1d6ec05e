"""Texts of parameter files: read from disk, and edited."""

import os
import stat
from typing import NamedTuple

from sumatra.errors import ParameterError

__all__ = ["MOST_BYTES", "Edit", "decode", "insertion", "read_file", "removal"]

#: Size of the largest file that is read as parameters.
MOST_BYTES = 10_000_000


class Edit(NamedTuple):
    """Put *words* in the place of the characters from *start* to *end*."""

    start: int
    end: int
    words: str

    def of(self, text: str) -> str:
        """Return *text* so edited."""
        return text[:self.start] + self.words + text[self.end:]


def read_file(path: str) -> bytes:
    """Return the content of a regular file of at most 10 MB; raises `ParameterError` for others, `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ParameterError(f"{path} isn't a regular file")
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ParameterError(f"{path} has more than {MOST_BYTES // 1_000_000} MB: this is data, not parameters")
    return content


def decode(content: bytes, path: str, *, any_bytes: bool) -> tuple[str, str]:
    """Return the text of a file and its encoding; the byte-order mark stays part of the text.

    What isn't UTF-8 (or UTF-16 with its mark) is Latin-1 if *any_bytes*; else, and for binary files, raises
    `ParameterError`.
    """
    encodings = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
    encoding = encodings.get(content[:2], "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        if not any_bytes or encoding != "utf-8":
            raise ParameterError(
                f"{path} isn't {encoding.upper()} text: {error.reason} at byte {error.start}"
            ) from None
        text, encoding = content.decode("latin-1"), "latin-1"
    if "\0" in text:
        raise ParameterError(f"{path} is a binary file")
    return text, encoding


def insertion(text: str, opening: int, last: tuple[int, int] | None, entry: str) -> Edit:
    """Say how to put *entry* at the end of a bracketed group, in the way in which its entries are set apart.

    *opening* is the place after the opening bracket, *last* where the last entry begins and ends.
    """
    if last is None:
        return Edit(opening, opening, entry)
    start, end = last
    before = start
    while before > 0 and text[before - 1] in " \t\r\n":
        before -= 1
    space = text[before:start]
    return Edit(end, end, f",{space if space and text[before - 1] in ',{' else ' '}{entry}")


def removal(entries: list[tuple[int, int]], place: int) -> Edit:
    """Say how to take the entry number *place* out of a bracketed group, given where its entries begin and end."""
    start, end = entries[place]
    if place + 1 < len(entries):
        return Edit(start, entries[place + 1][0], "")
    return Edit(entries[place - 1][1] if place else start, end, "")
