"""Observe a program by seccomp user notification: no privilege, no compiler, Linux 5.9 or later.

The program is our child and starts with a filter (`sumatra.capture.bpf`) that lets its calls naming files wait until
the observer (`sumatra.capture.watcher`), a process of its own, has seen them.  The child sets the filter up itself and
hands the listener over; then it becomes the program.
"""

import ctypes
import gc
import os
import resource
import signal
import struct
import sys
import time
from _socket import AF_UNIX, CMSG_SPACE, SCM_RIGHTS, SOCK_SEQPACKET, SOL_SOCKET, socket, socketpair
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from sumatra.capture.bpf import assemble
from sumatra.capture.starting import IGNORED_BY_PYTHON, NotPossible, is_binary
from sumatra.capture.syscalls import FOREIGN, MACHINES
from sumatra.capture.trace import Log
from sumatra.capture.watcher import SIZES, watch

__all__ = ["NotifyObserver", "begin"]

_SET_FILTER, _GET_SIZES = 1, 3
_NEW_LISTENER, _WAIT_KILLABLE = 1 << 3, 1 << 5
_NO_NEW_PRIVILEGES = 38  # prctl
_CAP_SYS_PTRACE = 1 << 19

_FAULT = struct.Struct("=ci")  # what a child that could not become the program says: where, and the error number
_FILTERING, _STARTING, _WORDS = b"f", b"s", b"w"


class NotifyObserver:
    """The observer of one run; the process that watches has been started."""

    method = "notify"

    def __init__(self, log_path: str, machine: str) -> None:
        self._machine = machine
        libc = ctypes.CDLL(None, use_errno=True)
        self._syscall, self._prctl = libc.syscall, libc.prctl
        number = MACHINES[machine].seccomp
        sizes = ctypes.create_string_buffer(len(SIZES))
        if self._syscall(number, _GET_SIZES, 0, sizes) or sizes.raw != SIZES:
            raise NotPossible("this kernel has no seccomp user notification")
        filters = assemble([kind for kind in (MACHINES[machine], FOREIGN.get(machine)) if kind])
        self._filters = ctypes.create_string_buffer(filters)
        self._program = struct.pack("HxxxxxxQ", len(filters) // 8, ctypes.addressof(self._filters))
        self._has_started = False
        log = Log(log_path, self.method, time.time())
        self._control, self._watcher = _start_watcher(log, machine)
        os.close(log.file)

    def spawn(
        self,
        path: str,
        words: Sequence[str],
        environment: Mapping[str, str],
        descriptors: Mapping[int, int],
        mask: Iterable[int],
    ) -> int:
        """Start the program at *path* under observation, and return its pid; see `sumatra.capture.starting.spawn`.

        Raises `NotPossible` if the kernel refuses the filter, and `OSError` or `ValueError` as `os.posix_spawn` does.
        """
        words, mask = list(words), set(mask)
        everything = signal.valid_signals()
        caught = [number for number in everything if callable(signal.getsignal(number))]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, everything)
        reader, writer = os.pipe()
        try:
            pid = _fork()
            if not pid:
                self._become(path, words, environment, descriptors, mask, caught, writer)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.close(writer)
        try:
            said = os.read(reader, _FAULT.size)
        finally:
            os.close(reader)
        self._control.close()
        if not said:
            self._has_started = True
            return pid
        os.waitpid(pid, 0)
        raise _fault(*_FAULT.unpack(said))

    def close(self) -> None:
        """Let the process that watches go if no program was started; otherwise it ends with the last one of the run."""
        self._control.close()
        if self._watcher:
            if self._has_started:
                _to_be_buried.add(self._watcher)
                _bury()
            else:
                os.waitpid(self._watcher, 0)
            self._watcher = 0

    def _become(
        self, path: str, words: list[str], environment: Mapping[str, str], descriptors: Mapping[int, int],
        mask: set[int], caught: Iterable[int], writer: int,
    ) -> NoReturn:
        """Turn this new process into the program, or say why not and end."""
        stage = _FILTERING
        try:
            control = self._control
            highest = max(descriptors, default=2)
            if min(writer, control.fileno()) <= highest:
                import fcntl

                writer = fcntl.fcntl(writer, fcntl.F_DUPFD_CLOEXEC, highest + 1)
                control = socket(fileno=fcntl.fcntl(control.fileno(), fcntl.F_DUPFD_CLOEXEC, highest + 1))
            for its, ours in descriptors.items():
                if its == ours:
                    os.set_inheritable(its, True)
                else:
                    os.dup2(ours, its)
            for number in (*caught, *IGNORED_BY_PYTHON):
                signal.signal(number, signal.SIG_DFL)
            listener, privileged = self._filter()
            for _ in range(2):  # for the one that watches, and the one that stands by
                control.sendmsg([b"1" if privileged else b"0"], [(SOL_SOCKET, SCM_RIGHTS, struct.pack("i", listener))])
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
            os.write(writer, _FAULT.pack(stage, error.errno or 0))
        except ValueError:
            os.write(writer, _FAULT.pack(_WORDS, 0))
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
            number = ctypes.get_errno()
            if number == 13 and privileged:  # EACCES: only those who can't gain privileges may filter themselves
                self._prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
                privileged = False
            elif number == 22 and flags & _WAIT_KILLABLE:  # EINVAL: known since Linux 5.19
                flags = _NEW_LISTENER
            else:
                raise OSError(number, os.strerror(number))


def begin(log_path: str) -> NotifyObserver:
    """Start the process that watches, which writes to *log_path*; raise `NotPossible` with the reason if it can't."""
    system = os.uname()
    if system.sysname != "Linux":
        raise NotPossible(f"seccomp is a part of Linux, and this is {system.sysname}")
    if system.machine not in MACHINES or sys.maxsize < 1 << 32:
        raise NotPossible(f"the numbers of system calls on {system.machine} aren't known here")
    release = tuple(int(part) for part in system.release.split("-")[0].split(".")[:2] if part.isdigit())
    if release < (5, 9):
        raise NotPossible(f"Linux 5.9 is needed, and this is {system.release}")
    restriction = _restriction()
    if restriction > 0 and not _may_trace_anything():
        raise NotPossible(f"kernel.yama.ptrace_scope is {restriction} and keeps processes from reading others' memory")
    return NotifyObserver(log_path, system.machine)


def _restriction() -> int:
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope", "rb") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def _may_trace_anything() -> bool:
    with open("/proc/self/status", "rb") as file:
        for line in file:
            if line.startswith(b"CapEff:"):
                return bool(int(line.split()[1], 16) & _CAP_SYS_PTRACE)
    return False


#: Watching processes that nobody needs any more and that may not have ended yet.
_to_be_buried: set[int] = set()


def _bury() -> None:
    """Take note of the ends of watching processes, so that nothing is left of them."""
    for pid in list(_to_be_buried):
        try:
            if not os.waitpid(pid, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            pass
        _to_be_buried.discard(pid)


def _start_watcher(log: Log, machine: str) -> tuple[socket, int]:
    """Start the process that watches, in a session of its own; return the way to it, and its pid."""
    _bury()
    ours, its = socketpair(AF_UNIX, SOCK_SEQPACKET)
    pid = _fork()
    if not pid:
        try:
            _serve(its, log, machine)
        finally:
            os._exit(0)
    its.close()
    return ours, pid


def _serve(control: socket, log: Log, machine: str) -> None:
    """Be the process that watches: keep nothing of what smt had open, and wait for the listener."""
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


def _fault(stage: bytes, number: int) -> Exception:
    if stage == _WORDS:
        return ValueError("embedded null byte")
    if stage == _STARTING and number not in (-1, 38):  # ENOSYS: the observer is gone
        return OSError(number, os.strerror(number))
    reasons = {
        16: "the program is being observed already, from outside (a run inside a run, or a container)",
        38: "the process that watches ended too early, or seccomp is refused here",
        1: "seccomp is refused here, as in some containers",
        22: "this kernel has no seccomp filters",
    }
    return NotPossible(reasons.get(number, os.strerror(number) if number > 0 else "the filter could not be set up"))
