"""Finders that other distributions bring, found without the 30 ms that asking ``importlib.metadata`` takes.

They declare themselves as any plug-in does (`sumatra.plugins`), in the group ``sumatra.dependency_finder``.
"""

import os
import sys
from typing import TYPE_CHECKING

from sumatra.dependency_finder import _cache

if TYPE_CHECKING:
    from sumatra.dependency_finder.base import Finder

__all__ = ["third_parties", "version_by"]

_GROUP = b"[sumatra.dependency_finder]"


def third_parties(cache: str) -> list[str]:
    """Return the names of the finders that others bring to the Python that Sumatra runs in, sorted."""
    folders = [path for path in sys.path if path.endswith("-packages")]
    key, about = _cache.key_of(*folders), "\n".join(folders)
    kept = _cache.recall(cache, "third-parties", key, about)
    if isinstance(kept, list):
        return [name for name in kept if isinstance(name, str)]
    found: set[str] = set()
    for folder in folders:
        found |= _declared_in(folder)
    _cache.keep(cache, "third-parties", key, sorted(found), about)
    return sorted(found)


def _declared_in(folder: str) -> set[str]:
    found = set()
    try:
        entries = os.listdir(folder)
    except OSError:
        return set()
    for entry in entries:
        if entry.endswith((".dist-info", ".egg-info")):
            try:
                with open(os.path.join(folder, entry, "entry_points.txt"), "rb") as file:
                    content = file.read(1 << 20)
            except OSError:
                continue
            section = content.partition(_GROUP)[2].partition(b"\n[")[0]
            for line in section.decode("utf-8", "replace").splitlines():
                name, equals, _ = line.partition("=")
                if equals and not name.lstrip().startswith(("#", ";")):
                    found.add(name.strip())
    return found


def version_by(name: str, path: str) -> str | None:
    """Return the version of the module at *path* that the finder *name* tells; None if it doesn't, or fails."""
    from sumatra import plugins

    try:
        finder: Finder = plugins.load("sumatra.dependency_finder", name).BACKEND()
        version = finder.version_of(path)
    except Exception:  # noqa: BLE001  what others have written must not cost the record what we know
        return None
    return version if isinstance(version, str) and version else None
