"""The folder of a run that goes on: ``.smt/runs/LABEL/``.

Making it is what gives a label to one run and to no other, on network file systems too: ``mkdir`` either makes the
folder or says that it is there.  The record's document lies in it and is replaced whole at each change of state; the
lock in it is held by the process that watches the run, and the kernel frees it however that process ends.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from sumatra import documents, files
from sumatra.datastore import Snapshot
from sumatra.errors import ProjectError, SumatraError
from sumatra.records import Record

__all__ = ["RunFolder", "folders"]

_RECORD = "record.json"
_LOCK = "lock"
_BEFORE = "before.json"
_TRACE = "trace"
_OURS = frozenset({_RECORD, _LOCK, _BEFORE, _TRACE, "stdout", "stderr", "parameters"})


class RunFolder:
    """The folder of one run, with the lock held where this process watches the run."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.label = files.label_of(os.path.basename(path))
        self._lock: int | None = None

    @classmethod
    def create(cls, root: str, label: str) -> "RunFolder | None":
        """Return the new, locked folder for *label* below *root*, or None if somebody else has it.

        Raises `ProjectError` where nothing can be written.
        """
        path = os.path.join(root, files.file_name(label))
        try:
            try:
                os.mkdir(path, 0o700)
            except FileNotFoundError:
                files.make_private(root)
                os.mkdir(path, 0o700)
        except FileExistsError:
            return None
        except OSError as error:
            raise ProjectError(
                f"the folder for this run can't be made at {path}: {error.strerror}",
                "nothing was run; make room, or make the project's .smt folder writable",
            ) from error
        folder = cls(path)
        if not folder.lock():  # somebody took it for abandoned in between
            return None
        return folder

    def lock(self) -> bool:
        """Take the lock, and tell whether that worked; where the folder is gone it doesn't."""
        try:
            descriptor = os.open(os.path.join(self.path, _LOCK), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Somebody may have removed the folder, and somebody else made it anew, since the file was opened.
            still_there = os.path.samestat(os.fstat(descriptor), os.stat(os.path.join(self.path, _LOCK)))
        except OSError:
            still_there = False
        if not still_there:
            os.close(descriptor)
            return False
        self._lock = descriptor
        return True

    def unlock(self) -> None:
        """Let go of the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def file(self, name: str) -> str:
        """Return the path of the file *name* in here."""
        return os.path.join(self.path, name)

    def write(self, record: Record) -> None:
        """Put the record's document here, in the place of its earlier state."""
        files.write_atomically(self.file(_RECORD), documents.encode(record))

    def read(self) -> Record | None:
        """Return the record, or None if there is no document or it is damaged."""
        try:
            with open(self.file(_RECORD), "rb") as file:
                return documents.decode(file.read())
        except (OSError, SumatraError):
            return None

    def write_before(self, snapshot: Snapshot) -> None:
        """Keep what the data folder held before the program started, in case that we don't see its end."""
        files.write_atomically(self.file(_BEFORE), json.dumps(snapshot).encode())

    def read_before(self) -> Snapshot | None:
        """Return what `write_before` kept, or None."""
        try:
            with open(self.file(_BEFORE), "rb") as file:
                found: dict[str, Any] = json.load(file)
            return {path: tuple(numbers) for path, numbers in found.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return None

    @property
    def has_evidence(self) -> bool:
        """Whether there is something here that tells what the run wrote, and isn't in the document yet."""
        return any(os.path.exists(self.file(name)) for name in (_BEFORE, _TRACE))

    def forget_evidence(self) -> None:
        """Say that what the run did has been looked at: the document has it."""
        for name in (_BEFORE, _TRACE):
            with suppress(FileNotFoundError):
                os.unlink(self.file(name))

    def foreign_files(self) -> list[str]:
        """Return the names of files here that aren't ours: a program may have written beside its parameter file."""
        if not os.path.isdir(self.path):
            return []  # the program removed it
        found = [name for name in os.listdir(self.path) if name not in _OURS and not name.endswith(".new")]
        with suppress(FileNotFoundError):
            copies = os.listdir(self.file("parameters"))
            found += [f"parameters/{name}" for name in copies[1:]] if len(copies) > 1 else []
        return sorted(found)

    def remove(self) -> None:
        """Remove the folder; the document first, so that what is left after a crash is seen to be empty."""
        with suppress(OSError):
            os.unlink(self.file(_RECORD))
        for folder, below, names in os.walk(self.path, topdown=False):
            for name in names:
                if name != _LOCK or folder != self.path:
                    with suppress(OSError):
                        os.unlink(os.path.join(folder, name))
            for name in below:
                with suppress(OSError):
                    os.rmdir(os.path.join(folder, name))
        with suppress(OSError):
            os.unlink(self.file(_LOCK))
        with suppress(OSError):
            os.rmdir(self.path)
        self.unlock()


def folders(root: str) -> Iterator[RunFolder]:
    """Yield the folders of runs below *root*."""
    try:
        names = sorted(os.listdir(root))
    except OSError:
        return
    for name in names:
        path = os.path.join(root, name)
        if os.path.isdir(path) and not os.path.islink(path):
            try:
                yield RunFolder(path)
            except ValueError:
                continue
