"""What hg prints and what lies in a ``.hg``, as facts; names of versions in hg's own language.  Starts nothing."""

import os
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from sumatra.errors import VersionControlError
from sumatra.versioncontrol._text import printable, small_file

__all__ = ["Stream", "below", "date_of", "is_unknown", "quoted", "requirements"]

_ANCESTOR = r"((?:\^[12]?|~\d{1,6})*)$"  # what may follow a name: its first or second parent, its n-th ancestor


_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")


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


def below(folder: str, patch: str) -> str:
    """Return *patch*, which was made in *folder*, with the names that its files have from the folder around."""
    name = printable(folder)
    lines = []
    old = new = 0  # lines of a hunk that are still to come: they may look like anything
    for line in patch.split("\n"):
        if old > 0 or new > 0:
            old -= not line.startswith(("+", "\\"))
            new -= not line.startswith(("-", "\\"))
        elif hunk := _HUNK.match(line):
            old, new = (1 if count is None else int(count) for count in hunk.groups())
        else:
            line = _renamed(line, name)
        lines.append(line)
    return "\n".join(lines)


def _renamed(line: str, folder: str) -> str:
    """Return a line that stands before hunks with the names in it below *folder*."""
    def with_folder(found: re.Match[str]) -> str:
        return f"{found[0]}{folder}/"

    if line.startswith("diff --git "):
        same = re.fullmatch(r'(diff --git "?a/)(.+)("? "?b/)(\2"?)', line)
        two = same or re.fullmatch(r'(diff --git "?a/)(.+?)("? "?b/)(.+)', line)
        return f"{two[1]}{folder}/{two[2]}{two[3]}{folder}/{two[4]}" if two else line
    if re.match(r'--- "?a/|\+\+\+ "?b/', line):
        line = re.sub(r'^.{4}"?[ab]/', with_folder, line)
        return line + "\t" if " " in folder and "\t" not in line else line  # how the end of such a name is known
    if line.startswith("Binary files "):
        return re.sub(r'^Binary files "?a/| and "?b/(?!.* and "?b/)', with_folder, line)
    return re.sub(r'^(?:rename|copy) (?:from|to) "?', with_folder, line)
