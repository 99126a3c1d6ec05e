"""Observe a program by seccomp user notification: no privilege, no compiler, Linux 5.9 or later.

The program is our child and starts with a filter (`sumatra.capture.bpf`) that lets its calls naming files wait until
the observer, a process of its own, has seen them.  The child sets the filter up itself and hands the listener over;
then it becomes the program.

Both are done by a helper in C (``_observer.c``) where it was built, and by `sumatra.capture.unaided` where not.
"""

import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from sumatra.capture.bpf import assemble
from sumatra.capture.starting import IGNORED_BY_PYTHON, NotPossible, is_binary
from sumatra.capture.syscalls import CALLS, FOREIGN, MACHINES, SIZES, Machine
from sumatra.capture.trace import Log

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["MAKERS", "NotifyObserver", "begin", "helper", "is_watching"]

#: Who can do the work.
MAKERS = ("helper", "python")

_CAP_SYS_PTRACE = 1 << 19

#: What the helper has to have: one that was built from other sources than these isn't used.
_REVISION = 2

_FILTERING, _STARTING, _WORDS = b"f", b"s", b"w"  # where a child failed that could not become the program


class _Maker(Protocol):
    """Who starts both processes."""

    def start(self, log: Log) -> tuple[int, int]:
        """Start the process that watches, in a session of its own; return a socket (its number) to it, and its pid."""

    def spawn(
        self, control: int, path: str, words: list[str], environment: Mapping[str, str],
        descriptors: Mapping[int, int], mask: Iterable[int],
    ) -> tuple[int, bytes, int]:
        """Start the program; return its pid, where it failed and the error number, which is 0 if all is well."""


class NotifyObserver:
    """The observer of one run; the process that watches has been started."""

    method = "notify"

    def __init__(self, log_path: str, maker: _Maker) -> None:
        self._maker = maker
        self._has_started = False
        log = Log(log_path, self.method, time.time())
        try:
            _bury()
            self._control, self._watcher = maker.start(log)
        finally:
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
        pid, stage, error = self._maker.spawn(self._control, path, list(words), environment, descriptors, mask)
        self._hang_up()
        if not error:
            self._has_started = True
            return pid
        os.waitpid(pid, 0)
        raise _fault(stage, error)

    def close(self) -> None:
        """Let the process that watches go if no program was started; otherwise it ends with the last one of the run."""
        self._hang_up()
        if self._watcher:
            if self._has_started:
                _to_be_buried.add(self._watcher)
                _bury()
            else:
                os.waitpid(self._watcher, 0)
            self._watcher = 0

    def _hang_up(self) -> None:
        control, self._control = self._control, -1
        if control >= 0:
            os.close(control)


class _Helper:
    """The work is done in C."""

    def __init__(self, module: "ModuleType", machine: str) -> None:
        self._module = module
        self._seccomp = MACHINES[machine].seccomp
        if module.sizes(self._seccomp) != SIZES:
            raise NotPossible("this kernel has no seccomp user notification")
        self._kinds = _kinds(machine)
        self._filter = assemble(self._kinds)

    def start(self, log: Log) -> tuple[int, int]:
        calls = [
            (machine.audit, machine.width, number, *CALLS[name])
            for machine in self._kinds for name, number in machine.numbers.items()
        ]
        started: tuple[int, int] = self._module.start(log.file, calls)
        return started

    def spawn(
        self, control: int, path: str, words: list[str], environment: Mapping[str, str],
        descriptors: Mapping[int, int], mask: Iterable[int],
    ) -> tuple[int, bytes, int]:
        variables = [os.fsencode(name) + b"=" + os.fsencode(value) for name, value in environment.items()]
        if any("=" in name[1:] or not name for name in environment):
            raise ValueError("illegal environment variable name")
        script = [] if _is_binary(path) else ["/bin/sh", path if "/" in path else f"./{path}", *words[1:]]
        spawned: tuple[int, bytes, int] = self._module.spawn(
            control, self._seccomp, self._filter, os.fsencode(path), [os.fsencode(word) for word in words],
            [os.fsencode(word) for word in script], variables, list(descriptors.items()), list(mask),
            list(IGNORED_BY_PYTHON),
        )
        if spawned[0] < 0:
            raise OSError(spawned[2], os.strerror(spawned[2]))
        return spawned


def begin(log_path: str, maker: str = "") -> NotifyObserver:
    """Start the process that watches, which writes to *log_path*; raise `NotPossible` with the reason if it can't.

    *maker* is one of `MAKERS`; the helper if there is one, where it isn't said.
    """
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
    return NotifyObserver(log_path, _maker(maker, system.machine))


def _maker(maker: str, machine: str) -> _Maker:
    module = helper() if maker != "python" else None
    if module:
        return _Helper(module, machine)
    if maker == "helper":
        raise NotPossible("the helper wasn't built")
    from sumatra.capture.unaided import Unaided

    return Unaided(machine, _kinds(machine))


def helper() -> "ModuleType | None":
    """Return the helper, if it was built from the sources that belong to this file."""
    try:
        from sumatra.capture import _observer
    except ImportError:  # it wasn't built, or for another system
        return None
    return _observer if _observer.REVISION == _REVISION else None


def _kinds(machine: str) -> list[Machine]:
    return [kind for kind in (MACHINES[machine], FOREIGN.get(machine)) if kind]


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


def _is_binary(path: str) -> bool:
    try:
        return is_binary(path)
    except OSError:  # starting it will say the same, or it may be run but not read
        return True


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


def is_watching() -> bool:
    """Tell whether a process that watches a run of ours has still something to watch."""
    _bury()
    return bool(_to_be_buried)


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
