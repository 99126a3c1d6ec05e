"""Another version of the code, built apart from the user's working tree, for one run.

The tree of that version is written into a folder of ours, and what isn't code is linked into it: data, environments,
whatever version control doesn't know.  The program runs in there, in the folder that corresponds to the user's; what
it writes beside the code is moved to where it would have been written.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress

from sumatra import versioncontrol
from sumatra.capture.observation import Observed
from sumatra.errors import UsageError, VersionControlError
from sumatra.files import ContentStore, digest_file
from sumatra.records import Finding
from sumatra.versioncontrol import WorkingCopy

__all__ = ["Elsewhere", "build"]


class Elsewhere:
    """The folder of ours in which a version stands in for the working tree of *copy*."""

    def __init__(self, copy: WorkingCopy, folder: str) -> None:
        self.copy = copy
        self.folder = os.path.realpath(folder)
        self.version = ""
        self._root = os.path.realpath(copy.root)
        self._tracked = _files_now(copy)

    def inside(self, path: str) -> str:
        """Return the path in here that corresponds to *path* (absolute) in the working tree; others stay."""
        return _moved(os.path.realpath(path), self._root, self.folder)

    def outside(self, path: str) -> str:
        """Return the path in the working tree that corresponds to *path* (absolute) in here; others stay."""
        return _moved(path, self.folder, self._root)

    def link_the_rest(self) -> None:
        """Link into here what version control doesn't know: as a whole folder, where nothing in it is code."""
        folders = {part for path in self._tracked for part in _above(path)}
        waiting = [""]
        while waiting:
            below = waiting.pop()
            with os.scandir(os.path.join(self._root, below)) as entries:
                for entry in entries:
                    path = os.path.join(below, entry.name)
                    target = os.path.join(self.folder, path)
                    if path in self._tracked or entry.name in (".smt", *versioncontrol.MARKERS):
                        continue
                    is_folder = entry.is_dir(follow_symlinks=False)
                    if is_folder and (path in folders or os.path.isdir(target)):
                        waiting.append(path)
                    elif not os.path.lexists(target):
                        os.makedirs(os.path.dirname(target), exist_ok=True)
                        os.symlink(entry.path, target)

    def settle(self, observed: Observed, objects: ContentStore) -> Observed:
        """Move what was written in here to where it would have been written, and return *observed* with those names.

        A file that version control knows in the user's working tree isn't touched there: what was written is kept in
        *objects*.
        """
        kept = []
        for file in observed.files:
            if not file.written or not self.holds(file.path) or "__pycache__" in file.path.split("/"):
                continue
            target = self.outside(file.path)
            if os.path.relpath(target, self._root) in self._tracked:
                digest = digest_file(file.path).digest
                if digest is not None:
                    objects.take(file.path, digest)
                    kept.append(os.path.relpath(target, self._root))
                continue
            with suppress(OSError):
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.move(file.path, target)
        files = [
            file._replace(
                path=self.outside(file.path), renamed_from=file.renamed_from and self.outside(file.renamed_from),
                state=None if self.holds(file.path) else file.state,
            )
            for file in observed.files
            if not (file.written and os.path.relpath(self.outside(file.path), self._root) in kept)
        ]
        programs = [program._replace(path=self.outside(program.path)) for program in observed.processes]
        findings = list(observed.findings)
        if kept:
            findings.append(Finding(
                "written-apart",
                "the other version wrote files that are under version control here; they were left alone, and what was"
                f" written was kept in the content store: {', '.join(kept[:5])}",
            ))
        return observed._replace(files=tuple(files), processes=tuple(programs), findings=tuple(findings))

    def holds(self, path: str) -> bool:
        """Tell whether *path* (absolute) is in here."""
        return path.startswith(self.folder + "/")

    def is_code(self, path: str) -> bool:
        """Tell whether the version has a file that corresponds to *path* (absolute, in the working tree)."""
        return os.path.isfile(self.inside(path)) and not os.path.islink(self.inside(path))

    def remove(self) -> None:
        """Remove the folder; what is linked into it stays."""
        shutil.rmtree(self.folder, ignore_errors=True)


def build(name: str, here: str, folder: str, objects: ContentStore) -> Elsewhere:
    """Return the version *name* of the code around the folder *here*, built in *folder*, which is new.

    Raises `UsageError` where there is no version control, and `VersionControlError` where there is no such version.
    """
    copy = versioncontrol.find(here)
    if copy is None:
        raise UsageError(f"version {name} can't be run: {here} isn't under version control")
    version = copy.resolve(name)
    found = Elsewhere(copy, folder)
    found.version = version
    try:
        copy.export(version, (), found.folder, objects.get)
        if not os.path.isdir(found.inside(here)):
            raise UsageError(f"the folder {os.path.relpath(here, copy.root)} isn't in version {name}")
        found.link_the_rest()
    except BaseException:
        found.remove()
        raise
    return found


def _files_now(copy: WorkingCopy) -> frozenset[str]:
    """Return which files version control knows in the user's working tree."""
    try:
        status = copy.status(untracked=False)
        committed = {file.path for file in copy.tree(status.version, {}).files} if status.version is not None else set()
    except VersionControlError:
        return frozenset()
    return frozenset(committed | {change.path for change in status.changed})


def _above(path: str) -> Iterator[str]:
    folder = os.path.dirname(path)
    while folder:
        yield folder
        folder = os.path.dirname(folder)


def _moved(path: str, one: str, other: str) -> str:
    return other + path[len(one):] if path == one or path.startswith(one + "/") else path
