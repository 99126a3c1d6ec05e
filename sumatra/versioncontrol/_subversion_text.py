"""What Subversion writes down, as facts: lists of properties, names of versions, patterns of what is ignored.

A working copy may be mixed: each file and folder in it is at a revision of its own.  Its version then names them all:
first the revision of the top folder, then what differs from the folder that it lies in, as ``PATH@REVISION``, or as
``PATH=ADDRESS@REVISION`` where it comes from another place (a switched folder, an external).  Paths and addresses are
written as in URLs; ``^/`` is the root of the repository.  ``svn update --revision=REVISION PATH``, done one after the
other, makes such a copy again.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from sumatra.errors import VersionControlError
from sumatra.versioncontrol._text import printable, small_file

__all__ = [
    "Apart", "ignores", "is_ignored", "named_version", "no_version", "parse_version", "properties", "quoted",
    "settings", "skel", "usual_ignores",
]

#: What Subversion ignores where nobody has said otherwise.
_USUALLY_IGNORED = (
    "*.o *.lo *.la *.al .libs *.so *.so.[0-9]* *.a *.pyc *.pyo __pycache__ *.rej *~ #*# .#* .*.swp .DS_Store "
    "[Tt]humbs.db"
)
_SAFE = "/!$&'()*+,:;~"
_DEEPEST = 10

_Skel = bytes | list["_Skel"]


class Apart(NamedTuple):
    """A path that isn't at the revision, or doesn't come from the place, that the folder around it tells."""

    path: str  #: relative to the top
    revision: int
    source: str = ""  #: where it comes from, as a URL or with ``^/``; empty: from where its folder comes


def skel(data: bytes) -> list[_Skel]:
    """Return a list in Subversion's notation for such things, or raise `ValueError`."""
    found, end = _list(data, 0, 0)
    if end != len(data):
        raise ValueError("there is something behind the list")
    return found


def _list(data: bytes, start: int, depth: int) -> tuple[list[_Skel], int]:
    if data[start:start + 1] != b"(" or depth > _DEEPEST:
        raise ValueError("not a list")
    found: list[_Skel] = []
    place = start + 1
    while True:
        sign = data[place:place + 1]
        if not sign:
            raise ValueError("the list has no end")
        if sign == b")":
            return found, place + 1
        if sign.isspace():
            place += 1
        elif sign == b"(":
            inner, place = _list(data, place, depth + 1)
            found.append(inner)
        elif sign.isdigit():
            size = re.compile(rb"(\d{1,10})\s").match(data, place)
            if size is None or size.end() + int(size[1]) > len(data):
                raise ValueError("an item has no end")
            place = size.end() + int(size[1])
            found.append(data[size.end():place])
        else:
            word = re.compile(rb"[^\s()]+").match(data, place)
            if word is None:
                raise ValueError("an item of an unknown kind")
            found.append(word[0])
            place = word.end()


def properties(data: bytes | None) -> dict[str, bytes]:
    """Return the properties that a column of the database holds; none, if it can't be read."""
    try:
        return _pairs(skel(data)) if data else {}
    except ValueError:
        return {}


def _pairs(items: Sequence[_Skel]) -> dict[str, bytes]:
    found = {}
    for name, value in zip(items[0::2], items[1::2], strict=False):
        if isinstance(name, bytes) and isinstance(value, bytes):
            found[name.decode("utf-8", "replace")] = value
    return found


# Names of versions


def quoted(path: str) -> str:
    """Return *path* as it is written in URLs."""
    from urllib.parse import quote  # only where something has to be said

    return quote(os.fsencode(path), safe=_SAFE)


def named_version(revision: int, apart: Iterable[Apart]) -> str:
    """Return the name of a version."""
    words = [str(revision)]
    for each in apart:
        source = f"={each.source}" if each.source else ""
        words.append(f"{quoted(each.path)}{source}@{each.revision}")
    return " ".join(words)


def parse_version(name: str) -> tuple[int, tuple[Apart, ...]] | None:
    """Return what `named_version` has put together, or None for what isn't the name of a version."""
    from urllib.parse import unquote_to_bytes

    first, *words = name.split(" ")
    if not re.fullmatch(r"0|[1-9][0-9]{0,9}", first) or (first == "0" and not words):
        return None
    apart = []
    for word in words:
        found = re.fullmatch(r"([^@=\s]+)(?:=([^@\s]+))?@(0|[1-9][0-9]{0,9})", word)
        if found is None:
            return None
        path = os.fsdecode(unquote_to_bytes(found[1]))
        if not {"", ".", "..", ".svn"}.isdisjoint(path.split("/")) or not path.isprintable():
            return None
        apart.append(Apart(path, int(found[3]), found[2] or ""))
    return int(first), tuple(apart)


# What isn't looked at


def ignores(patterns: bytes) -> tuple[re.Pattern[str], ...]:
    """Return the patterns of a property, which are separated by white space or lines."""
    return tuple(_pattern(word) for word in os.fsdecode(patterns).splitlines() if word.strip())


def usual_ignores() -> tuple[re.Pattern[str], ...]:
    """Return what the user has said that is ignored everywhere, or what Subversion says."""
    words = _setting("config", "miscellany", "global-ignores")
    return tuple(_pattern(word) for word in (_USUALLY_IGNORED if words is None else words).split())


def _pattern(glob: str) -> re.Pattern[str]:
    """Return a pattern that can't be made to take for ever: `fnmatch` sees to that."""
    import fnmatch

    plain = re.sub(r"\\(.)", r"[\1]", glob.strip().removesuffix("/")).replace("[^", "[!")
    return re.compile(fnmatch.translate(plain[:1000]))


def is_ignored(name: str, patterns: Iterable[re.Pattern[str]]) -> bool:
    """Tell whether a file or folder of that *name* is ignored."""
    return any(pattern.match(name) for pattern in patterns)


# The user's configuration


def _setting(file: str, section: str, name: str) -> str | None:
    """Return a setting of the user's configuration, or of the machine's, or None."""
    found = None
    for folder in ("/etc/subversion", os.path.expanduser("~/.subversion")):
        for where, key, value in settings(os.path.join(folder, file)):
            if (where, key) == (section, name):
                found = value
    return found


def settings(path: str) -> Iterator[tuple[str, str, str]]:
    """Yield section, name and value of all that a file of Subversion's configuration sets."""
    section, held = "", None
    for line in small_file(path).decode("utf-8", "replace").splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if line[0].isspace():
            held = (*held[:2], f"{held[2]} {line.strip()}") if held else None
            continue
        if held:
            yield held
        held = None
        if line.startswith("["):
            section = line.strip().strip("[]").strip()
        elif found := re.match(r"([^=:]+?)\s*[=:]\s*(.*)", line):
            held = section, found[1], found[2].strip()
    if held:
        yield held


def no_version(name: str, root: str) -> VersionControlError:
    """Return the error that there is no such version."""
    return VersionControlError(f"there is no version {printable(name[:200])!r} of {root}", "svn log")
