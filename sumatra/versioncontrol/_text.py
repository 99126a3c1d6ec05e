"""Names of any bytes in sentences, modes as git writes them, and files that may be something else."""

import os
import stat
import sys
from collections.abc import Iterable
from io import BufferedReader

__all__ = [
    "cut", "in_patch", "is_utf8", "listing", "mode_at", "mode_of", "mode_of_bits", "on_disk", "open_file", "printable",
    "small_file",
]


def printable(path: str) -> str:
    """Return *path* as text that can be stored and shown: no surrogates, no control characters."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def is_utf8() -> bool:
    """Tell whether names of files are read as UTF-8; in a locale that knows fewer letters they aren't."""
    return sys.getfilesystemencoding() == "utf-8"


def on_disk(name: bytes) -> str:
    """Return *name*, which a system notes in UTF-8, in the letters of the locale, as the system writes its files.

    If it can't be written there, the file was made in a locale of UTF-8, and its name is taken byte for byte.
    """
    text = name.decode("utf-8", "surrogateescape")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return os.fsdecode(name)
    return text


def in_patch(name: str) -> str:
    """Return *name* as it stands in the head of a patch: a tab tells where one with spaces ends."""
    return f"{name}\t" if " " in name else name


def listing(paths: Iterable[str], most: int = 3) -> str:
    """Return the first *most* of *paths* for a sentence."""
    names = [printable(path) for path in paths]
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")


def small_file(path: str) -> bytes:
    """Return the beginning of a regular file, or nothing if it can't be read."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would keep us waiting
            return b""
        with open(path, "rb") as file:
            return file.read(1_000_000)
    except OSError:
        return b""


def open_file(path: str) -> BufferedReader:
    """Return the file *path*, open for reading; a link isn't followed, and a pipe doesn't keep us waiting."""
    return open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")


def cut(pieces: Iterable[str], most: int) -> str:
    """Return *pieces* of a patch as one text, which says so where it was cut after *most* characters."""
    patch = ""
    for piece in pieces:
        patch += piece
        if len(patch) > most:
            return patch[:most] + "\n[cut here: the patch is too long]\n"
    return patch


def mode_of_bits(bits: int) -> str:
    """Return the mode of a file or link, of which ``lstat`` tells *bits*, as git would write it."""
    if stat.S_ISLNK(bits):
        return "120000"
    return "100755" if bits & stat.S_IXUSR else "100644"


def mode_of(bits: int) -> str | None:
    """Return the mode of what ``lstat`` tells *bits* of, as git would write it, or None for no file and no link."""
    return mode_of_bits(bits) if stat.S_ISLNK(bits) or stat.S_ISREG(bits) else None


def mode_at(path: str) -> str | None:
    """Return the mode of the file or link *path* as git would write it, or None where there is neither."""
    try:
        return mode_of(os.lstat(path).st_mode)
    except OSError:
        return None
