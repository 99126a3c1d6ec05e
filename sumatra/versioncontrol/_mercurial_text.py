"""What hg prints and what lies in a ``.hg``, as facts; names of versions in hg's own language.  Starts nothing."""

import os
import re
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from sumatra.errors import VersionControlError
from sumatra.versioncontrol._text import mode_of_bits, printable, small_file

__all__ = ["Stream", "date_of", "is_unknown", "mode_of", "quoted", "requirements", "small_file"]

_ANCESTOR = r"((?:\^[12]?|~\d{1,6})*)$"  # what may follow a name: its first or second parent, its n-th ancestor


class Stream:
    """Bytes that come in pieces, to be read in others."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._ahead = b""

    def until_nul(self) -> bytes | None:
        """Return what comes before the next NUL, or None at the end."""
        while b"\0" not in self._ahead:
            piece = next(self._pieces, b"")
            if not piece:
                return None
            self._ahead += piece
        found, _, self._ahead = self._ahead.partition(b"\0")
        return found

    def exactly(self, size: int) -> Iterator[bytes]:
        """Yield the next *size* bytes."""
        while size:
            if not self._ahead:
                self._ahead = next(self._pieces, b"")
                if not self._ahead:
                    raise VersionControlError("hg stopped in the middle of a file", "hg verify may say more")
            piece, self._ahead = self._ahead[:size], self._ahead[size:]
            size -= len(piece)
            yield piece


def quoted(name: str) -> str:
    """Return *name* in hg's language of sets of versions, as nothing but a name and what may follow it."""
    found = re.search(_ANCESTOR, name)
    after = found[1] if found else ""
    plain = name[:len(name) - len(after)] if after else name
    if not plain or plain.startswith("-") or not plain.isprintable() or len(plain) > 1000:
        raise VersionControlError(f"{printable(name)!r} doesn't name a version")
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"' + after


def is_unknown(complaint: str) -> bool:
    """Tell whether *complaint* says that there is no such version."""
    words = ("unknown revision", "ambiguous identifier", "hidden revision", "filtered revision", "00changelog",
             "parse error")
    return any(word in complaint for word in words)


def date_of(words: str) -> datetime | None:
    """Return the time that hg tells as seconds, and as seconds that its zone lies west of Greenwich."""
    try:
        seconds, _, west = words.partition(" ")
        return datetime.fromtimestamp(int(seconds), timezone(timedelta(seconds=-int(west))))
    except (ValueError, OverflowError, OSError):
        return None


def requirements(folder: str) -> list[str]:
    """Return what a repository says that a program has to know to read it."""
    found = small_file(os.path.join(folder, "requires"))
    found += b"\n" + small_file(os.path.join(folder, "store", "requires"))
    return found.decode("utf-8", "replace").split()


def mode_of(path: str) -> str | None:
    """Return the mode of a file or link as git would write it, or None."""
    try:
        bits = os.lstat(path).st_mode
    except OSError:
        return None
    return mode_of_bits(bits) if stat.S_ISLNK(bits) or stat.S_ISREG(bits) else None
