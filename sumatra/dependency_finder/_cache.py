"""What was found out about a folder or a file, kept for the next run.

A cache may be deleted, damaged, read-only or written by many runs at once; then things are found out again, and
nothing else happens.  Files are replaced whole and not forced to the disk: what a power cut spoils isn't believed.
"""

import json
import os
import time
import zlib
from contextlib import suppress
from typing import Any

__all__ = ["keep", "key_of", "name_for", "recall"]

_SCHEMA = 1
_SETTLED = 2_000_000_000  #: nanoseconds after which a change could no longer go unseen for its time stamp
_LARGEST = 32 << 20  #: bytes of a file of ours that are still read


def key_of(*paths: str) -> list[int]:
    """Return numbers that change when one of *paths* does; empty if one of them isn't there."""
    key = []
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            return []
        key += [status.st_mtime_ns, status.st_ino, status.st_size]
    return key


def name_for(kind: str, path: str) -> str:
    """Return a name for the file that keeps what is known about *path*."""
    return f"{kind}-{zlib.crc32(os.fsencode(path)):08x}"


def recall(folder: str, name: str, key: list[int], about: str = "") -> Any:
    """Return what was kept in *folder* under *name* for the same *key* and *about*, or None."""
    if not folder or not key:
        return None
    try:
        with open(_path(folder, name), "rb") as file:
            kept = json.loads(file.read(_LARGEST))
        if (kept["schema"], kept["key"], kept["about"]) == (_SCHEMA, key, about):
            return kept["value"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return None


def keep(folder: str, name: str, key: list[int], value: Any, about: str = "") -> None:
    """Keep *value*, unless what *key* tells of has just changed and might change again within the same time stamp."""
    if not folder or not key or time.time_ns() - max(key[::3]) < _SETTLED:
        return
    target = _path(folder, name)
    temporary = f"{target}.{os.getpid()}.{os.urandom(4).hex()}.new"
    try:
        content = json.dumps(
            {"schema": _SCHEMA, "key": key, "about": about, "value": value}, separators=(",", ":")
        ).encode()
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with open(temporary, "xb", opener=_private) as file:
            file.write(content)
        os.rename(temporary, target)
    except (OSError, ValueError, TypeError):
        with suppress(OSError):
            os.unlink(temporary)


def _path(folder: str, name: str) -> str:
    return os.path.join(folder, f"{name}.json")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
