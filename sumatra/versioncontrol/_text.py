"""Names of any bytes in sentences, modes as git writes them, and small files that may be something else."""

import os
import stat
from collections.abc import Iterable

__all__ = ["in_patch", "listing", "mode_of_bits", "printable", "small_file"]


def printable(path: str) -> str:
    """Return *path* as text that can be stored and shown: no surrogates, no control characters."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


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


def mode_of_bits(bits: int) -> str:
    """Return the mode of a file or link, of which ``lstat`` tells *bits*, as git would write it."""
    if stat.S_ISLNK(bits):
        return "120000"
    return "100755" if bits & stat.S_IXUSR else "100644"
