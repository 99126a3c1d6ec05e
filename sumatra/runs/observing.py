"""The observation of one run: begun before its program, followed while it goes on, read at its end."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from sumatra.capture import observation
from sumatra.capture.observation import Observed
from sumatra.capture.trace import State, read_state, records
from sumatra.datastore import DataStore
from sumatra.runs.comparing import Comparison
from sumatra.runs.folder import RunFolder

if TYPE_CHECKING:
    from sumatra.records import DataKey

__all__ = ["Observing", "Readings", "is_same", "state_now", "written_at"]

#: Seconds between two looks at the log: the first one, and the longest.
_SOON, _LATE = 0.05, 1.0

_PIECE = 1 << 20


def state_now(path: str) -> State | None:
    """Return what tells the content of *path* from an earlier or later one; None if there is nothing."""
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return None
    return State(
        status.st_dev, status.st_ino, status.st_mode, status.st_nlink, status.st_size, status.st_mtime_ns,
        status.st_ctime_ns,
    )


def is_same(one: State | None, other: State | None) -> bool:
    """Tell whether both states are of one content."""
    return one is not None and other is not None and (one.device, one.inode, one.size, one.modified) == (
        other.device, other.inode, other.size, other.modified
    )


def written_at(state: State) -> datetime | None:
    """Return when what has *state* was last changed, as keys of files tell it; None for a year that no calendar has."""
    try:
        return datetime.fromtimestamp(state.modified / 1e9, UTC)
    except (OverflowError, OSError, ValueError):
        return None


class Observing:
    """The observer of one run, and what is to be compared where it can't see everything."""

    def __init__(self, folder: RunFolder, method: str, comparison: Comparison) -> None:
        self._log = folder.file("trace")
        self._comparison = comparison
        self._observer = observation.begin(self._log, method)
        self.environment: Mapping[str, str] = {}

    @property
    def method(self) -> str:
        """The method that is used."""
        return self._observer.method

    def spawn(
        self, path: str, words: Iterable[str], environment: Mapping[str, str], descriptors: Mapping[int, int],
        mask: Iterable[int],
    ) -> int:
        """Start the program under observation and return its pid; see `sumatra.capture.starting.spawn`."""
        self.environment = environment
        return self._observer.spawn(path, list(words), environment, descriptors, mask, prepare=self._prepare)

    def _prepare(self, method: str) -> None:
        if self._observer.needs_comparison:
            self._comparison.begin()

    def readings(self, wanted: Callable[[str], bool], store: DataStore) -> "Readings":
        """Return what takes digests of what is read, while the run goes on."""
        return Readings(self._log if self.method == "notify" else None, wanted, store)

    def finish(self) -> Observed:
        """Return what was seen; to be called when the program has ended."""
        return self._observer.finish()

    def close(self) -> None:
        """Observe nothing after all: the program wasn't started."""
        self._observer.close()


class Readings:
    """Digests of the files that a run reads, taken while it goes on and before they can change."""

    def __init__(self, log: str | None, wanted: Callable[[str], bool], store: DataStore) -> None:
        self._log = log
        self._wanted = wanted
        self._store = store
        self._ended = threading.Event()
        self._interrupted = False
        self._met: set[str] = set()
        self.keys: dict[str, DataKey] = {}
        self.size = 0  #: bytes that are known to have to be hashed
        self.done = 0

    def follow(self) -> None:
        """Take digests until `end` is called; to be run in a thread of its own."""
        try:
            log = open(self._log, "rb") if self._log is not None else None  # noqa: SIM115  closed below
        except OSError:
            return  # the program has removed it, which the observer will say
        if log is None:
            return
        with log as file:
            for record in records(self._pieces(file.read)):
                if self._ended.is_set():
                    return
                if record.kind == "r":
                    self._take(os.fsdecode(record.names[0]), read_state(record.head[1])[0])
                elif record.kind == "w" and int(record.head[1]) & os.O_ACCMODE == os.O_RDWR:
                    self._take(os.fsdecode(record.names[0]), read_state(record.head[2])[0])

    def end(self) -> None:
        """Let `follow` come to its end: the file that it is at is the last one."""
        self._ended.set()

    def interrupt(self) -> None:
        """Let it come to its end at once."""
        self._interrupted = True
        self._ended.set()

    def _pieces(self, read: Callable[[int], bytes]) -> Iterator[bytes]:
        pause, began = _SOON, monotonic()
        while not self._ended.wait(pause):
            pause = min(_LATE, max(_SOON, (monotonic() - began) / 10))
            while piece := read(_PIECE):
                yield piece

    def _take(self, path: str, state: State | None) -> None:
        if state is None or path in self._met:
            return
        self._met.add(path)
        if not self._wanted(path) or not is_same(state_now(path), state):
            return
        self.size += state.size
        (key,) = self._store.generate_keys([path], progress=self._tell)
        # What was being read may be something else by now; then its digest would be a lie.
        if key.digest is not None and is_same(state_now(path), state):
            self.keys[path] = key

    def _tell(self, count: int) -> None:
        self.done += count
        if self._interrupted:
            raise KeyboardInterrupt  # the data store marks the file as not hashed
