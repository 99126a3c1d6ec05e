"""Read text, of which nobody knows the encoding, without giving up."""

import io
from collections.abc import Iterator

from sumatra.comparison.base import Content, NotComparable

__all__ = ["is_text", "lines_of"]

_LONGEST_LINE = 50_000_000
_NEVER_IN_TEXT = bytes(byte for byte in range(32) if byte not in b"\t\n\r\f\b\x1b")


def is_text(head: bytes) -> bool:
    """Tell whether a file that begins with *head* is text."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    return head.translate(None, _NEVER_IN_TEXT) == head


def lines_of(content: Content) -> Iterator[str]:
    """Yield the lines without their ends; what can't be decoded stays as surrogates.

    Raises `NotComparable` for a line that is too long.
    """
    encoding = "utf-16" if content.head(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    with io.TextIOWrapper(content.open(), encoding, "surrogateescape" if "8" in encoding else "replace") as file:
        while line := file.readline(_LONGEST_LINE):
            if len(line) == _LONGEST_LINE:
                raise NotComparable(f"a line in it is longer than {_LONGEST_LINE:,} characters")
            yield line.rstrip("\n")
