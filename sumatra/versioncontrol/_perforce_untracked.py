"""Files that lie in a workspace and that Perforce doesn't know."""

import os
from collections.abc import Iterator

from sumatra.versioncontrol._perforce_program import P4, config_name
from sumatra.versioncontrol._text import mode_of
from sumatra.versioncontrol.base import is_ours

__all__ = ["untracked_files"]

#: Folders that belong to other systems, or to us.
_PASSED_OVER = (".git", ".hg", ".svn", ".bzr", ".smt")


def untracked_files(root: str, tracked: set[str], p4: P4, most: int) -> list[tuple[str, str]]:
    """Return the files that Perforce doesn't know and wouldn't ignore, and their modes; a level at a time.

    Beyond *most*, no further level is looked at.
    """
    settings = config_name()
    folders = {folder for path in tracked for folder in _above(path)}
    found: list[tuple[str, str]] = []
    waiting = [""]
    while waiting and len(found) <= most:
        files: dict[str, str] = {}
        inner: list[str] = []
        for below in waiting:
            for entry in _entries(os.path.join(root, below)):
                path = f"{below}/{entry.name}" if below else entry.name
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in _PASSED_OVER:
                        inner.append(path)
                elif path not in tracked and entry.name != settings and not is_ours(path):
                    mode = mode_of(entry.stat(follow_symlinks=False).st_mode)
                    if mode:
                        files[path] = mode
        unknown = _not_ignored(root, [path for path in inner if path not in folders], p4)
        found += [(path, files[path]) for path in sorted(_not_ignored(root, list(files), p4))]
        waiting = [path for path in inner if path in folders or path in unknown]
    return found


def _not_ignored(root: str, paths: list[str], p4: P4) -> set[str]:
    """Return those of *paths*, all files or all folders, that p4 wouldn't ignore."""
    if not paths:
        return set()
    full = {os.path.join(root, path): path for path in paths}
    return set(full.values()) - {full[path] for path in p4.ignored(list(full))}


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def _above(path: str) -> Iterator[str]:
    folder = os.path.dirname(path)
    while folder:
        yield folder
        folder = os.path.dirname(folder)
