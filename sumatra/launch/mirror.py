"""The way of the program's output: into a file of the run folder, and from there to the user, byte for byte.

Each of the program's two output streams is a `Flow`.  Away from a terminal it is a `Tail`: the program writes to the
file itself, and what is new there is copied to our own stream.  At a terminal it is a `Terminal`: the program writes to
a pseudo-terminal, whose bytes go to the file and to the user.  Nothing is decoded, and no more than one block of each
stream is in memory.
"""

import contextlib
import fcntl
import hashlib
import os
import select
import stat
import termios
from abc import ABC, abstractmethod

from sumatra.records import Stream

__all__ = ["PORTION", "Elsewhere", "Flow", "Sink", "Tail", "Terminal", "above_standard"]

#: Bytes that a flow moves at most before signals and the program are looked at again.
PORTION = 4 << 20

_BLOCK = 1 << 18

#: What a pseudo-terminal can hold is far below this; more must be coming from a process that was left behind.
_LEFT_IN_TERMINAL = 1 << 18

#: A pipe that says it is writable takes this much without waiting (POSIX: PIPE_BUF).
_SURE = 4096


class Sink:
    """One of our own standard streams, written so that a slow reader never makes us deaf to signals."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.left = False  #: the reader went away
        self.fault: OSError | None = None  #: why writing was given up otherwise
        self._own = False
        self._careful = False
        self._file: int | None = self._open(number)

    def _open(self, number: int) -> int | None:
        try:
            if not os.get_inheritable(number):
                return None  # it was closed when we started, and a file of ours has taken its number
            kind = os.fstat(number).st_mode
        except OSError:
            return None
        if stat.S_ISREG(kind):
            return number  # opened anew it would have an offset of its own
        # O_NONBLOCK belongs to the open file, which we share with the shell and others: ours must be another one.
        with contextlib.suppress(OSError):
            again = above_standard(
                os.open(f"/proc/self/fd/{number}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            )
            self._own = True
            return again
        self._careful = True
        return number

    @property
    def is_terminal(self) -> bool:
        """Whether the user is at a terminal."""
        return self._file is not None and os.isatty(self._file)

    @property
    def file(self) -> int | None:
        """Return the descriptor that is written to, or None when there is nobody to write for."""
        return self._file

    def write(self, data: memoryview) -> int:
        """Write what fits without waiting, and return how much; everything, if there is nobody to write for."""
        if self._file is None:
            return len(data)
        try:
            if self._careful:
                asked = select.poll()
                asked.register(self._file, select.POLLOUT)
                if not asked.poll(0):
                    return 0
                data = data[:_SURE]
            return os.write(self._file, data)
        except BlockingIOError:
            return 0
        except (BrokenPipeError, ConnectionResetError):
            self.left = True
        except OSError as error:
            self.fault = error
        self.close()
        return len(data)

    def close(self) -> None:
        """Write nothing any more."""
        if self._own and self._file is not None:
            os.close(self._file)
        self._file = None


class Flow(ABC):
    """One output stream of the program."""

    given: int  #: the descriptor that the program gets
    wakes: int | None = None  #: becomes readable when there is more
    fault: OSError | None = None  #: why the file of the run folder could not be written

    def __init__(self, sink: Sink | None) -> None:
        self.sink = sink
        self.size = 0
        self.done = False
        self._digest = hashlib.sha256()
        self._pending = memoryview(b"")

    @property
    def blocked(self) -> int | None:
        """Return the descriptor whose reader has to take something before there can be more, if there is one."""
        return self.sink.file if self._pending and self.sink else None

    def pump(self) -> int:
        """Move what there is, `PORTION` at most and as far as the reader takes it; return the number of bytes."""
        moved = 0
        while moved < PORTION:
            if self._pending:
                written = self.sink.write(self._pending) if self.sink else len(self._pending)
                self._pending = self._pending[written:]
                moved += written
                if self._pending:
                    break
            if self.done:
                break
            block = self._take()
            if not block:
                break
            self._pending = block
        return moved

    @abstractmethod
    def _take(self) -> memoryview:
        """Return the next block, kept and counted; an empty one if there is nothing now."""

    @abstractmethod
    def end(self) -> None:
        """Be told that the program has ended: what is there now is the rest.  `done` says when it is taken."""

    @property
    def finished(self) -> bool:
        """Whether everything has been kept and shown."""
        return self.done and not self._pending

    def stream(self) -> Stream:
        """Return what the file holds: size in bytes, and digest."""
        return Stream(self.size, f"sha256:{self._digest.hexdigest()}")

    def close(self) -> None:
        """Close every file."""
        if self.sink:
            self.sink.close()


class Elsewhere(Flow):
    """A stream that the user wants in a file of her own: truncated at the start, as by ``>``, and not shown."""

    def __init__(self, path: str, kept: str) -> None:
        super().__init__(None)
        os.close(_open_kept(kept))
        self.done = True
        self.given = above_standard(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666))

    def _take(self) -> memoryview:
        return memoryview(b"")

    def end(self) -> None:
        pass

    def stream(self) -> Stream:
        """Return a stream of size 0 without digest: the file is the user's, and her output data."""
        return Stream(0)

    def close(self) -> None:
        os.close(self.given)


class Tail(Flow):
    """A stream that the program writes to the file itself, so that it needs nobody to go on writing."""

    def __init__(self, path: str, sink: Sink) -> None:
        super().__init__(sink)
        self.given = _open_kept(path)
        try:
            self._source = above_standard(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            os.close(self.given)
            raise
        self._end: int | None = None
        self._buffer = memoryview(bytearray(_BLOCK))

    def _take(self) -> memoryview:
        room = self._buffer if self._end is None else self._buffer[: max(0, self._end - self.size)]
        count = os.readv(self._source, [room]) if room else 0
        if not count:
            self.done = self._end is not None
            return room[:0]
        block = room[:count]
        self._digest.update(block)
        self.size += count
        return block

    def end(self) -> None:
        self._end = os.fstat(self._source).st_size

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode, by which a process that has the file open is known."""
        status = os.fstat(self._source)
        return status.st_dev, status.st_ino

    def stream(self) -> Stream:
        """Return what the file holds; it is read again if the program has shortened it."""
        if self._end is not None and self._end < self.size:
            os.lseek(self._source, 0, os.SEEK_SET)
            self._digest, self.size = hashlib.sha256(), 0
            while self._take():
                pass
        return super().stream()

    def close(self) -> None:
        super().close()
        os.close(self.given)
        os.close(self._source)


class Terminal(Flow):
    """A stream that the program writes to a pseudo-terminal, because the user is at a terminal.

    The pseudo-terminal has the size and the settings of the user's, but leaves the bytes as they are: what a newline
    does is then the affair of the real one.
    """

    def __init__(self, path: str, sink: Sink) -> None:
        super().__init__(sink)
        self.user = sink.number
        self._master, self.given = (above_standard(file) for file in os.openpty())
        self.fault = None
        self._file: int | None = None
        self._rest: int | None = None
        try:
            os.set_blocking(self._master, False)
            settings = termios.tcgetattr(self.user)
            settings[1] &= ~termios.OPOST
            termios.tcsetattr(self.given, termios.TCSANOW, settings)
            self._measures = b""
            self.follow_size()
            self._file = _open_kept(path)
        except BaseException:
            self.close()
            raise

    @property
    def wakes(self) -> int | None:  # type: ignore[override]
        """The master, unless the reader has to take something first."""
        return None if self._pending or self.done else self._master

    def follow_size(self) -> bool:
        """Give the pseudo-terminal the size of the user's; return whether it had another."""
        try:
            measures = fcntl.ioctl(self.user, termios.TIOCGWINSZ, bytes(8))
            if measures == self._measures:
                return False
            fcntl.ioctl(self.given, termios.TIOCSWINSZ, measures)
        except OSError:
            return False  # the user's terminal was hung up
        self._measures = measures
        return True

    def _take(self) -> memoryview:
        try:
            block = memoryview(os.read(self._master, _BLOCK)) if self._rest is None or self._rest > 0 else None
        except OSError:  # nothing there now (the kernel has passed on everything written before it says so), or hung up
            block = None
        if not block:
            self.done = self._rest is not None
            return memoryview(b"")
        if self._rest is not None:
            self._rest -= len(block)
        self._keep(block)
        return block

    def _keep(self, block: memoryview) -> None:
        while block and self._file is not None:
            try:
                written = os.write(self._file, block)
            except OSError as error:
                self.fault = error
                os.close(self._file)
                self._file = None
                return
            self._digest.update(block[:written])
            self.size += written
            block = block[written:]

    def end(self) -> None:
        self._rest = _LEFT_IN_TERMINAL

    def close(self) -> None:
        super().close()
        os.close(self._master)
        os.close(self.given)
        if self._file is not None:
            os.close(self._file)


def _open_kept(path: str) -> int:
    return above_standard(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))


def above_standard(file: int) -> int:
    """Return *file* with a number above 2, so that it can't be taken for a standard stream that was closed."""
    if file > 2:
        return file
    try:
        return fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(file)
