"""The process that observes: it answers every call that the kernel asks about, and goes on whatever happens to smt.

A filtered call waits until somebody answers, and fails with ENOSYS when nobody holds the listener any more.  So there
are always two who hold it: one that watches, and one that waits for the first one's end.  What is being answered lies
in memory that both share, so that the second one can answer it in the first one's place.  Both block all signals: a
job that is told to end (SIGTERM to everybody) may still write its results.  They end when the last process of the run
has ended.
"""

import fcntl
import mmap
import os
import select
import signal
import struct
import sys
from collections.abc import Callable
from contextlib import suppress

from sumatra.capture.looks import Looks
from sumatra.capture.trace import Log

__all__ = ["watch"]

_RECEIVE, _SEND, _IS_VALID, _SET_FLAGS = 0xC0502100, 0xC0182101, 0x40082102, 0x40082104
_SYNCHRONOUS = 1
_GO_ON = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE

_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_EMPTY = bytes(_NOTIFICATION.size)
_ANSWER = struct.Struct("=QqiI")
_SHARED = 4096  # bytes; more than 1024, or Python would have the kernel write elsewhere and copy from there

_BEAT = 2048  # where in it a number stands that changes with each call

#: Seconds that one call may take before the second one steps in: the file that is looked at may be served by the very
#: program that waits for us.
_PATIENCE = 3

#: Calls between two looks whether anybody still wants to know.
_ROUND = 1000


def watch(hear: Callable[[], tuple[int, bool] | None], log: Log, machine: str) -> None:
    """Answer what the kernel asks until nothing can come any more, and write it to *log*.

    *hear* waits for the listener, and whether programs can still gain privileges; None if there will be none.  It is
    called once by each of the two.
    """
    shared = mmap.mmap(-1, _SHARED)
    listener = -1
    privileged = True

    def confirm() -> None:
        """Raise `OSError` unless the one who called still waits, and its number is its own."""
        fcntl.ioctl(listener, _IS_VALID, shared[:8])

    looks = Looks(log, machine, confirm)
    told = False
    while True:
        own = os.pidfd_open(os.getpid())
        standby = os.fork()
        if listener < 0:
            heard = hear()
            if heard is None:
                return
            listener, privileged = heard
        if standby:
            os.close(own)
            if not told:
                with suppress(OSError):  # since Linux 6.6
                    fcntl.ioctl(listener, _SET_FLAGS, _SYNCHRONOUS)
                log.write(b"o %d %d" % (os.getpid(), privileged))
                told = True
            if not _observe(listener, standby, shared, looks):
                return
        else:
            if _stand_by(own, listener, shared, looks):
                return
            os.close(own)
            looks.forget()
            told = False
            _let_go(listener, int.from_bytes(shared[:8], sys.byteorder))
            shared[: len(_EMPTY)] = _EMPTY


def _observe(listener: int, standby: int, shared: mmap.mmap, looks: Looks) -> bool:
    """Do the work; return False when the run has ended, and True when the one that stands by has."""
    try:
        other = os.pidfd_open(standby)
    except OSError:
        return True
    ready = select.poll()
    ready.register(listener, select.POLLIN)
    ready.register(other, select.POLLIN)
    unpack, ioctl, answer, pack = _NOTIFICATION.unpack_from, fcntl.ioctl, bytearray(_ANSWER.size), _ANSWER.pack_into
    look: Callable[..., None] = looks.look
    count = 0
    try:
        while True:
            for file, event in ready.poll():
                if file == other:
                    return True
                if not event & select.POLLIN:
                    return False
                try:
                    ioctl(listener, _RECEIVE, shared, True)
                except OSError:  # it doesn't wait any more
                    continue
                called = unpack(shared)
                try:
                    look(called[1], called[3], called[4], called[6:])
                except (OSError, OverflowError, ValueError, LookupError):
                    pass  # a name that can't be read, or a process that has just been killed
                pack(answer, 0, called[0], 0, 0, _GO_ON)
                try:
                    ioctl(listener, _SEND, answer)
                except OSError:
                    pass
                shared[:80] = _EMPTY
                count += 1
                shared[_BEAT] = count & 255
                if count == _ROUND:
                    count = 0
                    if not looks.log.is_wanted:
                        look = _pass_over
    finally:
        os.close(other)


def _pass_over(*_: object) -> None:
    pass


def _let_go(listener: int, ident: int) -> None:
    """Let the call go on, if it still waits."""
    with suppress(OSError):
        fcntl.ioctl(listener, _SEND, bytearray(_ANSWER.pack(ident, 0, 0, _GO_ON)))


def _stand_by(first: int, listener: int, shared: mmap.mmap, looks: Looks) -> bool:
    """Wait until the process *first* has ended, and tell whether the run has.

    It is killed when one look takes too long.
    """
    end = select.poll()
    end.register(first, select.POLLIN)
    calls = select.poll()
    calls.register(listener, select.POLLIN)
    idle, before = 0, (0, 0)
    while not end.poll(1000):
        now = int.from_bytes(shared[:8], sys.byteorder), shared[_BEAT]
        waits = now[0] or any(event & select.POLLIN for _, event in calls.poll(0))
        idle = idle + 1 if waits and now == before else 0
        before = now
        if idle >= _PATIENCE:
            signal.pidfd_send_signal(first, signal.SIGKILL)
            looks.beware()
    return any(event & select.POLLHUP for _, event in calls.poll(0))
