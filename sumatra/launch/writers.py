"""Tell those who go on writing that nobody reads any more, as a broken pipe would.

The program's output goes to a file, which never breaks.  Whoever writes after the reader of our own stream has left
gets SIGPIPE from us instead of from the kernel; and SIGTERM when it ignores that and writes on.  A script that only
waits for a command that writes isn't touched, as it wouldn't be without us.
"""

import contextlib
import os
import signal
import time
from collections.abc import Set as AbstractSet

__all__ = ["BrokenPipe"]

_MUCH = 1 << 16
_WHILE = 0.2


class BrokenPipe:
    """What was done about a reader that left."""

    def __init__(self, pid: int, files: AbstractSet[tuple[int, int]]) -> None:
        self._pid = pid
        self._files = files  #: device and inode
        self._told: dict[int, tuple[int, float]] = {}  #: size of the output and time when SIGPIPE was sent
        self._done: set[int] = set()
        self._size: int | None = None
        self._written: dict[int, int] = {}
        self._next = 0.0

    def happened(self, size: int) -> None:
        """Be told that nobody reads, and that *size* bytes have been written until now.  To be called again and again.
        """
        now = time.monotonic()
        if self._size is None:
            self._written = self._writers()
            if set(self._written) <= {self._pid}:
                self._tell(self._pid, size, now)
        elif size > self._size and now >= self._next:
            before, self._written = self._written, self._writers()
            for pid, written in self._written.items():
                if written > before.get(pid, -1):
                    self._tell(pid, size, now)
        else:
            return
        self._size = size
        self._next = now + 0.02

    def _tell(self, pid: int, size: int, now: float) -> None:
        if pid in self._done:
            return
        if pid not in self._told:
            self._told[pid] = (size, now)
            word = signal.SIGPIPE
        else:
            told_at, when = self._told[pid]
            if size - told_at < _MUCH and now - when < _WHILE:
                return
            self._done.add(pid)
            word = signal.SIGTERM
        with contextlib.suppress(OSError):
            os.kill(pid, word)

    def _writers(self) -> dict[int, int]:
        """Return the processes whose standard output or error is one of the files, with all they have ever written."""
        found = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) != os.getpid() and self._has_open(entry):
                with contextlib.suppress(OSError):
                    found[int(entry)] = _ever_written(entry)
        return found

    def _has_open(self, entry: str) -> bool:
        for number in "12":
            with contextlib.suppress(OSError):
                status = os.stat(f"/proc/{entry}/fd/{number}")
                if (status.st_dev, status.st_ino) in self._files:
                    return True
        return False


def _ever_written(entry: str) -> int:
    with open(f"/proc/{entry}/io", "rb") as file:
        for line in file:
            if line.startswith(b"wchar:"):
                return int(line.split()[1])
    return 0
