"""A program that stays for all the questions of a command, because it takes longer to start than to answer."""

import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Generic, Protocol, TypeVar

__all__ = ["Lasting", "end"]

_IDLE = 2.0  # seconds


class _Stoppable(Protocol):
    def stop(self) -> None:
        """End the process."""


_Process = TypeVar("_Process", bound=_Stoppable)


class Lasting(Generic[_Process]):
    """What has such a process: while it is needed, and a little longer."""

    def __init__(self) -> None:
        self._process: _Process | None = None
        self._lock = threading.RLock()
        self._alarm: threading.Timer | None = None

    def stop(self) -> None:
        """End the process; it is started again when it is needed."""
        with self._lock:
            self._stay()
            if self._process:
                self._process.stop()
                self._process = None

    def _started(self, start: Callable[[], _Process]) -> _Process:
        """Return the process, which *start* starts if there is none, and which stays until `_rest` is called."""
        self._stay()
        if self._process is None:
            self._process = start()
        return self._process

    def _rest(self) -> None:
        """Have the process end if it isn't asked again for a while."""
        self._alarm = threading.Timer(_IDLE, self.stop)
        self._alarm.daemon = True
        self._alarm.start()

    def _stay(self) -> None:
        if self._alarm:
            self._alarm.cancel()
            self._alarm = None


def end(child: subprocess.Popen[bytes], said: IO[bytes]) -> None:
    """End the process *child*, and close what led to it and the file of what it *said*."""
    child.kill()
    for pipe in (child.stdin, child.stdout):
        with suppress(OSError):
            pipe.close()  # type: ignore[union-attr]
    child.wait()
    said.close()
