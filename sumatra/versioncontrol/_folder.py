"""What lies in a folder, and what `lstat` says of each: the same question for all systems that compare files by times.

A helper in C (``_entries.c``) answers it for the whole folder at once, while other threads go on; Python does where it
wasn't built.
"""

import os
from functools import cache
from typing import TYPE_CHECKING, Any, AnyStr

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Entry", "entries"]

#: What the helper has to have: one that was built from other sources isn't used.
_REVISION = 1

#: Name, mode, size in bytes, number of the device and of the file, and when content and anything of it last changed, in
#: nanoseconds since 1970.  A plain tuple, because thousands of anything else take time to make.
Entry = tuple[AnyStr, int, int, int, int, int, int]


def entries(folder: AnyStr, *, follow: bool = True, in_python: bool = False) -> list[Entry[AnyStr]]:
    """Return what lies in *folder*, in any order; what is removed at that moment may be missing.

    Names are of the type that the folder's is.  Raises `OSError` if it can't be read; it may only be a symbolic link if
    it is to *follow* that.
    """
    # By the folder's descriptor the kernel finds a file faster than by a path.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    try:
        return (_look if in_python else _fastest())(descriptor, isinstance(folder, bytes))
    finally:
        os.close(descriptor)


@cache
def _fastest() -> "Callable[[int, bool], list[Any]]":
    try:
        from sumatra.versioncontrol import _entries
    except ImportError:  # it wasn't built, or for another system
        return _look
    return _entries.entries if _entries.REVISION == _REVISION else _look


def _look(descriptor: int, as_bytes: bool) -> list[Any]:
    found = []
    with os.scandir(descriptor) as items:
        for item in items:
            try:
                facts = item.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            found.append((
                os.fsencode(item.name) if as_bytes else item.name, facts.st_mode, facts.st_size, facts.st_dev,
                facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns,
            ))
    return found
