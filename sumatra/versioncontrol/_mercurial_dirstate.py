"""What Mercurial's own note of the working folder says, read without its program.

Hg takes a third of a second to start; every run would pay that.  Its *dirstate* has the current version, and for each
tracked file the size and time that belong to it.  Where that gives a certain answer it is taken; where it doesn't, hg
is asked.
"""

import os
import re
import stat
import struct
from collections.abc import Sequence
from typing import NamedTuple

from sumatra.errors import VersionControlError
from sumatra.versioncontrol._folder import entries
from sumatra.versioncontrol._text import mode_of_bits
from sumatra.versioncontrol.base import ChangedFile

__all__ = ["Parents", "read_certain", "read_parents"]

_V2 = b"dirstate-v2\n"
_POSITIVE = 0x7FFFFFFF  # it keeps these bits of sizes and times
_SECOND = 1_000_000_000  # nanoseconds
_KIND_OR_RUN = 0o170100  # what kind of file it is, and whether its owner can execute it
_NULL = "0" * 40


class Parents(NamedTuple):
    """The version that the working folder is at; the second, while a merge isn't committed."""

    first: str | None
    second: str | None


def read_parents(root: str, folder: str) -> Parents:
    """Return the parents of the working folder *root*, whose ``.hg`` is *folder*."""
    try:
        with open(os.path.join(folder, "dirstate"), "rb") as file:
            head = file.read(len(_V2) + 64)
    except FileNotFoundError:
        return Parents(None, None)
    except OSError as error:
        raise VersionControlError(f"the .hg of {root} can't be read: {error.strerror}") from error
    if head.startswith(_V2):
        first, second = head[12:32], head[44:64]
    else:
        first, second = head[:20], head[20:40]
    if not head:
        return Parents(None, None)
    if len(second) < 20:
        raise VersionControlError(f"the dirstate in the .hg of {root} is damaged", "hg debugrebuilddirstate")
    found = [None if parent.hex() == _NULL else parent.hex() for parent in (first, second)]
    return Parents(found[0], found[1])


def read_certain(root: str, untracked: bool) -> list[ChangedFile] | None:
    """Return the changed files below *root* where they can be told for certain, or None where hg has to be asked.

    It has to be where a file's content must be compared, and where names must be matched in a way that isn't ours.
    """
    top = os.fsencode(root)
    try:
        if os.path.lexists(os.path.join(top, b".hgsub")):
            return None
        tracked = _tracked(top)
        if tracked is None:
            return None
        if untracked:
            return _changed_of_all(top, tracked)
        found = [_compared(path, entry, *_lstat(os.path.join(top, path))) for path, entry in tracked.items()]
    except (OSError, struct.error):
        return None
    changed = [change for change in found if change]
    return None if _UNCERTAIN in changed else changed


#: Of a tracked file: state, mode, size, time in seconds, and the length of its name and of what it was copied from.
_Noted = tuple[bytes, int, int, int, int]


def _tracked(root: bytes) -> dict[bytes, _Noted] | None:
    """Return what the first format of the dirstate has, or None for another."""
    try:
        with open(os.path.join(root, b".hg", b"dirstate"), "rb") as file:
            content = file.read()
    except FileNotFoundError:
        return {}
    if content.startswith(_V2):
        return None
    found: dict[bytes, _Noted] = {}
    place, end = 40, len(content)
    unpack = struct.Struct(">ciiii").unpack_from
    while place < end:
        noted = unpack(content, place)
        start = place + 17
        place = start + noted[4]
        if not start < place <= end:
            return None
        path = content[start:place]
        if b"\0" in path:
            path = path.partition(b"\0")[0]  # what follows is where it was copied from
        found[path] = noted
    names = b"\n" + b"\n".join(found)
    return None if b".." in names or b".hg/" in names or b"\n/" in names else found


#: Stands for a file about which only hg can tell.
_UNCERTAIN = ChangedFile("", "uncertain")


def _lstat(path: bytes) -> tuple[int, int, int]:
    """Return mode, size, and time of change in nanoseconds; zeros where there is nothing."""
    try:
        facts = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return 0, 0, 0
    return facts.st_mode, facts.st_size, facts.st_mtime_ns


def _compared(path: bytes, noted: _Noted, mode: int = 0, size: int = 0, modified: int = 0) -> ChangedFile | None:
    """Return how a tracked file has changed; None if it hasn't.  There is nothing where *mode* is 0."""
    state, mode_then, size_then, time, _ = noted
    if not mode:
        if state == b"m":
            return _UNCERTAIN
        return None if state == b"a" else ChangedFile(os.fsdecode(path), "deleted")
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)) or state not in b"nar":
        return _UNCERTAIN
    if state != b"n":  # "r" is what hg forget leaves, and the file is still there
        return ChangedFile(os.fsdecode(path), "added" if state == b"a" else "modified", mode_of_bits(mode))
    if size_then < 0 or time < 0 or stat.S_IFMT(mode) != stat.S_IFMT(mode_then) or (mode ^ mode_then) & 0o100:
        return _UNCERTAIN
    if size_then != size & _POSITIVE:
        return ChangedFile(os.fsdecode(path), "modified", mode_of_bits(mode))
    return None if time == modified // _SECOND & _POSITIVE else _UNCERTAIN


def _changed_of_all(root: bytes, tracked: dict[bytes, _Noted]) -> list[ChangedFile] | None:
    """Return changed and untracked files, or None where hg has to be asked; *tracked* is used up."""
    patterns = _ignores(os.path.join(root, b".hgignore"))
    parents = {path.rpartition(b"/")[0] for path in tracked}
    changed: list[ChangedFile] = []
    waiting = [b""]
    while waiting:
        here = waiting.pop()
        prefix = here + b"/" if here else b""
        found = entries(os.path.join(root, here), follow=not here)
        if here and any(name == b".hg" for name, *_ in found):
            continue  # a repository inside
        for name, mode, size, _, _, modified, _ in found:
            path = prefix + name
            noted = tracked.pop(path, None)
            if noted is not None:
                if noted[2] == size and noted[3] == modified // _SECOND and noted[0] == b"n" and (
                    (mode ^ noted[1]) & _KIND_OR_RUN == 0 and stat.S_ISREG(mode)
                ):  # as nearly all are
                    continue
                change = _compared(path, noted, mode, size, modified)
                if change is _UNCERTAIN:
                    return None
                if change:
                    changed.append(change)
            elif path != b".hg":
                is_folder = stat.S_ISDIR(mode)
                if not is_folder and not (stat.S_ISLNK(mode) or stat.S_ISREG(mode)):
                    continue
                if is_folder and name == b".smt" and not _has_tracked(path, parents):
                    continue  # Sumatra's own folder
                if is_folder and _has_tracked(path, parents):
                    waiting.append(path)
                elif patterns is None:
                    return None
                elif not _is_ignored(os.fsdecode(path), patterns):
                    if is_folder:
                        waiting.append(path)
                    else:
                        changed.append(ChangedFile(os.fsdecode(path), "untracked", mode_of_bits(mode)))
    for path, noted in tracked.items():
        change = _compared(path, noted)
        if change is _UNCERTAIN:
            return None
        if change:
            changed.append(change)
    return changed


def _has_tracked(folder: bytes, parents: set[bytes]) -> bool:
    return folder in parents or any(parent.startswith(folder + b"/") for parent in parents)


# Patterns of .hgignore: those that are simple enough to be sure of, and can't be made to take for ever.

_QUANTIFIED = "*+?{"
_MOST_QUANTIFIED = 2


def _ignores(path: bytes) -> tuple[re.Pattern[str], ...] | None:
    """Return the patterns of a ``.hgignore``, or None if there is one that only hg understands."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with open(path, "rb") as file:
            lines = file.read(1_000_000).decode("utf-8", "surrogateescape").split("\n")
    except FileNotFoundError:
        return ()
    patterns = []
    syntax = "regexp"
    for line in lines:
        line = line.rstrip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("syntax:"):
            syntax = line.partition(":")[2].strip()
            continue
        if "#" in line or re.match(r"[a-z]+:", line) or syntax not in _SYNTAXES:
            return None
        pattern = _SYNTAXES[syntax](line)
        try:
            patterns.append(re.compile(pattern or "", re.DOTALL if syntax == "glob" else 0))
        except re.error:
            return None
        if pattern is None:
            return None
    return tuple(patterns)


def _from_regexp(line: str) -> str | None:
    if "(" in line or not line.isascii() or sum(line.count(sign) for sign in _QUANTIFIED) > _MOST_QUANTIFIED:
        return None
    return line[1:] if line.startswith("^") else f".*{line}"


def _from_glob(line: str) -> str | None:
    if not re.fullmatch(r"[\w ./~*?+@%=,-]+", line, re.ASCII) or "**" in line or line.count("*") > _MOST_QUANTIFIED:
        return None
    line = line.removesuffix("/")
    if os.path.normpath(line) != line or line.startswith("/"):
        return None
    glob = re.escape(line).replace(r"\*", "[^/]*").replace(r"\?", ".")
    return f"(?:|.*/){glob}(?:/|$)"


_SYNTAXES = {"regexp": _from_regexp, "re": _from_regexp, "glob": _from_glob}


def _is_ignored(path: str, ignores: Sequence[re.Pattern[str]]) -> bool:
    """Tell whether a pattern matches *path*, or a folder that it lies in."""
    while path:
        if any(pattern.match(path) for pattern in ignores):
            return True
        path = path.rpartition("/")[0]
    return False
