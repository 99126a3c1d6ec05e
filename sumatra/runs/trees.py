"""All files of the code of a run, each with its content: those of its version, and its changes upon them."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import NamedTuple

from sumatra.errors import ProjectError
from sumatra.files import ContentStore
from sumatra.records import Change, Record
from sumatra.runs.rebuilding import remedy_for_lost, working_copies
from sumatra.versioncontrol import WorkingCopy
from sumatra.versioncontrol._export import SUBMODULE, TreeFile, kept_content, moved_submodules

__all__ = ["REGULAR", "CodeFile", "Trees"]

#: The mode of a file that is nothing special, as git writes it.
REGULAR = "100644"


class CodeFile(NamedTuple):
    """One file or link of code."""

    mode: str  #: as git writes it
    digest: str  #: empty where the content wasn't kept
    read: Callable[[], bytes]  #: returns its content; raises `SumatraError` or `OSError` where that is gone


class Trees:
    """The code of records, as long as this is open.

    Versions are looked for as `sumatra.runs.rebuilding.rebuild` does, of which *near* and *work* are told there.
    """

    def __init__(self, objects: ContentStore, near: str, work: str) -> None:
        self._objects = objects
        self._near = near
        self._work = work
        self._stack = ExitStack()
        self._known: dict[tuple[str, str], dict[str, CodeFile]] = {}

    def __enter__(self) -> "Trees":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def of(self, record: Record) -> Mapping[str, CodeFile]:
        """Return all files of the code of *record* by their paths, relative to the root of its working copy.

        Raises `ProjectError` where the version isn't to be had.
        """
        files: dict[str, CodeFile] = {}
        if record.repository is not None and record.version is not None:
            complaints: list[str] = []
            copies = working_copies(record, self._objects, self._near, self._work, complaints)
            self._stack.callback(copies.close)
            copy = next(copies, None)
            if copy is None:
                reasons = f" ({'; '.join(complaints)})" if complaints else ""
                raise ProjectError(
                    f"version {record.version} of {record.repository.url}, the code of {record.label}, isn't to be had "
                    f"any more{reasons}",
                    remedy_for_lost(record.repository),
                )
            moved = moved_submodules(record.changes, self._objects.get)
            key = (copy.root, f"{record.version} {sorted(moved.items())}")
            if key not in self._known:
                self._known[key] = _tree(copy, record.version, moved)
            files.update(self._known[key])
        for change in record.changes:
            if change.mode == SUBMODULE:
                continue
            files.pop(change.path, None)
            if change.kind != "deleted":
                files[change.path] = CodeFile(change.mode or REGULAR, change.digest or "", self._keeper(change))
        return files

    def _keeper(self, change: Change) -> Callable[[], bytes]:
        def read() -> bytes:
            if change.digest is None:
                raise ProjectError(f"{change.path} was changed and its content wasn't kept")
            return kept_content(change, self._objects.get)

        return read


def _tree(copy: WorkingCopy, version: str, moved: Mapping[str, str | None]) -> dict[str, CodeFile]:
    listed = copy.tree(version, moved).files
    files = {}
    for file, pieces in zip(listed, copy.contents(listed), strict=True):
        digest = hashlib.sha256()
        for piece in pieces:
            digest.update(piece)
        files[file.path] = CodeFile(file.mode, f"sha256:{digest.hexdigest()}", _reader(copy, file))
    return files


def _reader(copy: WorkingCopy, file: TreeFile) -> Callable[[], bytes]:
    return lambda: b"".join(piece for pieces in copy.contents([file]) for piece in pieces)
