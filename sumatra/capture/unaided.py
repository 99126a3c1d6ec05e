"""Do the work of observing without the helper in C: fork, set the filter up, and watch, all in Python.

What `sumatra.capture.notify` says of both processes is done here with `ctypes`, which is loaded in the shadow of the
first fork.
"""

import gc
import os
import resource
import signal
import struct
from _socket import AF_UNIX, CMSG_SPACE, SCM_RIGHTS, SOCK_SEQPACKET, SOL_SOCKET, socket, socketpair
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from sumatra.capture.bpf import assemble
from sumatra.capture.starting import IGNORED_BY_PYTHON, NotPossible, is_binary
from sumatra.capture.syscalls import MACHINES, SIZES, Machine
from sumatra.capture.trace import Log

__all__ = ["Unaided"]

_SET_FILTER, _GET_SIZES = 1, 3
_NEW_LISTENER, _WAIT_KILLABLE = 1 << 3, 1 << 5
_NO_NEW_PRIVILEGES = 38  # prctl

_FAULT = struct.Struct("=ci")  # what a child that could not become the program says: where, and the error number
_FILTERING, _STARTING, _WORDS = b"f", b"s", b"w"


class Unaided:
    """The work is done in Python."""

    def __init__(self, machine: str, kinds: Sequence[Machine]) -> None:
        self._machine = machine
        self._kinds = kinds

    def start(self, log: Log) -> tuple[int, int]:
        ours, its = socketpair(AF_UNIX, SOCK_SEQPACKET)
        pid = _fork()
        if not pid:
            try:
                _serve(its, log, self._machine)
            finally:
                os._exit(0)
        its.close()
        try:
            self._prepare()
        except NotPossible:
            ours.close()
            os.waitpid(pid, 0)
            raise
        return ours.detach(), pid

    def _prepare(self) -> None:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        self._syscall, self._prctl, self._get_errno = libc.syscall, libc.prctl, ctypes.get_errno
        sizes = ctypes.create_string_buffer(len(SIZES))
        if self._syscall(MACHINES[self._machine].seccomp, _GET_SIZES, 0, sizes) or sizes.raw != SIZES:
            raise NotPossible("this kernel has no seccomp user notification")
        filters = assemble(self._kinds)
        self._filters = ctypes.create_string_buffer(filters)
        self._program = struct.pack("HxxxxxxQ", len(filters) // 8, ctypes.addressof(self._filters))

    def spawn(
        self, control: int, path: str, words: list[str], environment: Mapping[str, str],
        descriptors: Mapping[int, int], mask: Iterable[int],
    ) -> tuple[int, bytes, int]:
        mask = set(mask)
        everything = signal.valid_signals()
        caught = [number for number in everything if callable(signal.getsignal(number))]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, everything)
        reader, writer = os.pipe()
        try:
            pid = _fork()
            if not pid:
                self._become(control, path, words, environment, descriptors, mask, caught, writer)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(writer)
        try:
            said = os.read(reader, _FAULT.size)
        finally:
            os.close(reader)
        stage, error = _FAULT.unpack(said) if said else (_STARTING, 0)
        return pid, stage, error

    def _become(
        self, control: int, path: str, words: list[str], environment: Mapping[str, str],
        descriptors: Mapping[int, int], mask: set[int], caught: Iterable[int], writer: int,
    ) -> NoReturn:
        """Turn this new process into the program, or say why not and end."""
        stage = _FILTERING
        try:
            highest = max(descriptors, default=2)
            if min(writer, control) <= highest:
                import fcntl

                writer = fcntl.fcntl(writer, fcntl.F_DUPFD_CLOEXEC, highest + 1)
                control = fcntl.fcntl(control, fcntl.F_DUPFD_CLOEXEC, highest + 1)
            way = socket(fileno=control)
            for its, ours in descriptors.items():
                if its == ours:
                    os.set_inheritable(its, True)
                else:
                    os.dup2(ours, its)
            for number in (*caught, *IGNORED_BY_PYTHON):
                signal.signal(number, signal.SIG_DFL)
            listener, privileged = self._filter()
            for _ in range(2):  # for the one that watches, and the one that stands by
                way.sendmsg([b"1" if privileged else b"0"], [(SOL_SOCKET, SCM_RIGHTS, struct.pack("i", listener))])
            os.close(listener)
            stage = _STARTING
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            try:
                os.execve(path, words, environment)  # noqa: S606  a list of words, no shell
            except OSError as error:
                if error.errno != 8 or is_binary(path):  # ENOEXEC
                    raise
                script = ["/bin/sh", path if "/" in path else f"./{path}", *words[1:]]
                os.execve("/bin/sh", script, environment)  # noqa: S606
        except OSError as error:
            os.write(writer, _FAULT.pack(stage, error.errno or -1))
        except ValueError:
            os.write(writer, _FAULT.pack(_WORDS, -1))
        except BaseException:  # noqa: BLE001  whatever it is, there must not be two of us
            os.write(writer, _FAULT.pack(stage, -1))
        finally:
            os._exit(127)

    def _filter(self) -> tuple[int, bool]:
        """Set the filter up for this process; return the listener, and whether programs can still gain privileges."""
        privileged = True
        flags = _NEW_LISTENER | _WAIT_KILLABLE
        while True:
            listener = self._syscall(MACHINES[self._machine].seccomp, _SET_FILTER, flags, self._program)
            if listener >= 0:
                return listener, privileged
            number = self._get_errno()
            if number == 13 and privileged:  # EACCES: only those who can't gain privileges may filter themselves
                self._prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
                privileged = False
            elif number == 22 and flags & _WAIT_KILLABLE:  # EINVAL: known since Linux 5.19
                flags = _NEW_LISTENER
            else:
                raise OSError(number, os.strerror(number))


def _serve(control: socket, log: Log, machine: str) -> None:
    """Be the process that watches: keep nothing of what smt had open, and wait for the listener."""
    from sumatra.capture.watcher import watch

    os.setsid()
    gc.disable()
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    kept = sorted({control.fileno(), log.file})
    for low, high in zip([0, *(file + 1 for file in kept)], [*kept, os.sysconf("SC_OPEN_MAX")], strict=True):
        if low <= null < high:
            os.closerange(low, null)
            os.closerange(null + 1, high)
        else:
            os.closerange(low, high)
    os.chdir("/")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # one is open for each process of the run
    with suppress(OSError), open("/proc/self/comm", "wb") as name:
        name.write(b"smt-observer")

    def hear() -> tuple[int, bool] | None:
        said, attached, _, _ = control.recvmsg(1, CMSG_SPACE(4))
        control.close()
        for level, kind, data in attached:
            if (level, kind) == (SOL_SOCKET, SCM_RIGHTS):
                (listener,) = struct.unpack("i", data[:4])
                return listener, said == b"1"
        return None

    watch(hear, log, machine)


def _fork() -> int:
    import warnings

    with warnings.catch_warnings():  # other threads of ours don't matter: the child calls nothing that they may hold
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()
