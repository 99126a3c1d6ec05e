"""Names of any bytes in sentences."""

import os
from collections.abc import Iterable

__all__ = ["listing", "printable"]


def printable(path: str) -> str:
    """Return *path* as text that can be stored and shown: no surrogates, no control characters."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def listing(paths: Iterable[str], most: int = 3) -> str:
    """Return the first *most* of *paths* for a sentence."""
    names = [printable(path) for path in paths]
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")
