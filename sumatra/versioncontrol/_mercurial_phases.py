"""Whether a version has been pushed, told from Mercurial's store without its program, which takes a sixth of a second.

A version is public unless it is, or comes after, one of the roots that ``phaseroots`` names.  Which comes after which
is in the index of the changelog: 64 bytes for each version (``mercurial/helptext/internals/revlogs.txt``).
"""

import os
import re
import stat
import struct

__all__ = ["is_public"]

_LARGEST = 64_000_000  # bytes: of a million versions
_VERSION, _INLINE = 1, 1 << 16
#: Of one version: length of what is stored of it, numbers of its parents (-1 for none), and its name.
_ENTRY = struct.Struct(">8xi12xii20s12x")


def is_public(store: str, version: str) -> bool | None:
    """Return whether *version* (its whole name) is public in the folder *store*, or None if only hg can tell."""
    try:
        roots = _roots(_content(os.path.join(store, "phaseroots")))
        versions = _versions(_content(os.path.join(store, "00changelog.i")))
    except (OSError, ValueError, struct.error):
        return None
    numbers = {name: number for number, (_, _, name) in enumerate(versions)}
    number = numbers.get(bytes.fromhex(version))
    if number is None:
        return None
    first = min((numbers[root] for root in roots if root in numbers), default=number + 1)
    ancestors = {number}
    for each in range(number, first - 1, -1):  # parents have lower numbers
        if each in ancestors:
            *parents, name = versions[each]
            if name in roots:
                return False
            ancestors.update(parents)
    return True


def _content(path: str) -> bytes:
    facts = os.stat(path)
    if not stat.S_ISREG(facts.st_mode) or facts.st_size > _LARGEST:
        raise ValueError(path)
    with open(path, "rb") as file:
        return file.read()


def _roots(content: bytes) -> set[bytes]:
    """Return the roots of all phases but the public one, 0."""
    found = set()
    for line in content.splitlines():
        parts = re.fullmatch(rb"([0-9]{1,4}) ([0-9a-f]{40})", line)
        if parts is None:
            raise ValueError(line)
        if int(parts[1]):
            found.add(bytes.fromhex(parts[2].decode()))
    return found


def _versions(content: bytes) -> list[tuple[int, int, bytes]]:
    """Return the parents and the name of each version, in order."""
    head = int.from_bytes(content[:4], "big")
    if head & 0xFFFF != _VERSION:
        raise ValueError("another format")
    found: list[tuple[int, int, bytes]] = []
    place = 0
    while place + _ENTRY.size <= len(content):
        length, first, second, name = _ENTRY.unpack_from(content, place)
        if length < 0 or max(first, second) >= len(found):
            raise ValueError("damaged")
        found.append((first, second, name))
        place += _ENTRY.size + (length if head & _INLINE else 0)
    return found
