"""What is found out while the program runs: machine, environment, inputs, versions."""

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from sumatra import capture, programs
from sumatra.datastore import Snapshot
from sumatra.errors import SumatraError
from sumatra.records import DataKey, Finding, Process, Record
from sumatra.runs.folder import RunFolder
from sumatra.runs.workshop import Workshop

__all__ = ["Shadow"]

#: A program that ends sooner than this (seconds) is saved to the store once, at its end; its folder has it meanwhile.
_PATIENCE = 0.2


class Shadow:
    """A thread beside the run; `join` returns the record with what was found."""

    def __init__(
        self, record: Record, folder: RunFolder, workshop: Workshop, inputs: Sequence[tuple[str, str]],
        before: Snapshot,
    ) -> None:
        self._record = record
        self._folder = folder
        self._workshop = workshop
        self._inputs = inputs
        self._before = before
        self._looked = [_look(path) for path, _ in inputs]
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._findings: list[Finding] = []

    def start(self, process: Process) -> None:
        """Begin; called when the program has just been started."""
        self._record = replace(self._record, status="running", process=process)
        # The disk may be full by now; the program goes on all the same.
        with suppress(OSError):
            self._folder.write(self._record)
        self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)
        self._thread.start()

    def join(self) -> Record:
        """Wait until all is found out, and return the record."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        return replace(
            self._record, input_data=self._checked_inputs(), receipt=(*self._record.receipt, *self._findings)
        )

    @property
    def has_started(self) -> bool:
        """Whether the program was started."""
        return self._record.process is not None

    def _work(self) -> None:
        try:
            self._folder.write_before(self._before)
            self._gather()
            if not self._ended.wait(_PATIENCE):
                self._folder.write(self._record)
                with self._workshop.open_store() as store:
                    store.save(self._workshop.settings.name, self._record)
        except SumatraError:
            pass  # the store is away: the run folder has the record, and the end of the run tells the user
        except OSError as error:
            message = f"something about the machine could not be found out: {error}"
            self._findings.append(Finding("not-captured", message))

    def _gather(self) -> None:
        record = self._record
        executable = record.executable
        if executable is not None:
            version = programs.version(executable.path, os.path.join(self._workshop.folder, "programs.json"))
            executable = replace(executable, version=version)
        self._record = replace(
            record,
            platforms=(capture.platform(),),
            environment=capture.environment(os.environ, self._workshop.key),
            executable=executable,
        )
        # What the program reads is what a symbolic link points to.
        paths = [_told(os.path.realpath(path), self._workshop.inputs.root) for path, _ in self._inputs]
        keys = self._workshop.inputs.generate_keys(paths)
        self._record = replace(
            self._record,
            input_data=tuple(replace(key, seen=seen) for key, (_, seen) in zip(keys, self._inputs, strict=True)),
        )

    def _checked_inputs(self) -> tuple[DataKey, ...]:
        """Return the inputs, those marked that changed while the program ran."""
        if len(self._record.input_data) != len(self._inputs):
            return self._record.input_data
        return tuple(
            key if _look(path) == looked else replace(key, flags=(*key.flags, "changed during the run"))
            for key, (path, _), looked in zip(self._record.input_data, self._inputs, self._looked, strict=True)
        )


def _look(path: str) -> tuple[int, ...] | None:
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns


def _told(path: str, root: str) -> str:
    """Return *path* as records tell it: relative to *root* if it lies below, except for the root of everything."""
    if root != "/" and path.startswith(root.rstrip(os.sep) + os.sep):
        return os.path.relpath(path, root)
    return path
