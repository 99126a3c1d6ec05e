"""Stand between a program and its user: start it, show what it writes, pass signals on, wait, and end as it ended.

The program stays in our process group and session, so that what the terminal sends (Ctrl-C, Ctrl-Z, changes of size)
reaches it as it would without us.  Signals sent to us alone are passed on.  They are blocked meanwhile and fetched
one by one, so there are no handlers, and nothing happens between two instructions.  ``doc/explanation/streams.rst``
tells the whole.

Signals are blocked in the calling thread.  Threads that are started by `Plan.started` inherit that; one that was
started earlier must have `PASSED_ON` blocked itself, or it would take the signals away.
"""

import contextlib
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import NoReturn

from sumatra.capture.usage import read_bytes_of
from sumatra.errors import LaunchError
from sumatra.launch.base import Ended, Plan
from sumatra.launch.mirror import PORTION, Elsewhere, Flow, Sink, Tail, Terminal, above_standard
from sumatra.launch.start import locate, spawn
from sumatra.launch.writers import BrokenPipe
from sumatra.records import Resources

__all__ = ["PASSED_ON", "exit_as", "supervise"]

#: What is passed on: all that can be sent from outside, but for what can't be blocked (KILL, STOP), our own faults
#: (SEGV …), what the kernel stops a background process with (TTIN, TTOU: we have to stop then, too) and children.
PASSED_ON = frozenset(map(int, signal.valid_signals())) - {
    signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP,
    signal.SIGSYS, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCHLD, signal.SIGXFSZ,
}

_TIMERS = (signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF)
_LAST_WISHES = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_FROM_KERNEL = 0x80  # SI_KERNEL: the terminal, among others

#: Milliseconds between two looks at the files, while there is something new and when there has long been nothing.
_BRISK, _IDLE = 1, 20


def supervise(words: Sequence[str], plan: Plan) -> Ended:
    """Run *words* as *plan* says and tell how it ended; raise `LaunchError` if it can't be started."""
    path = locate(words, plan.environment)
    for own in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            own.flush()  # what was said before the run comes before its output
    with ExitStack() as last:
        descriptors, out, err = _open(plan, last)
        before = last.enter_context(_held())
        pid = spawn(plan.spawn, path, words, plan.environment, descriptors, before)
        program = _Program(pid)
        plan.started(pid)
        ended = _watch(program, out, err)
        for _ in _fetch_all():
            pass  # what came for the program must not hit us when the mask is lifted
        return ended


def exit_as(ended: Ended) -> NoReturn:
    """End this process as the program ended: with its exit status, or by the same signal (and no core dump)."""
    for own in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            own.flush()
    if ended.signal is None:
        sys.exit(ended.exit_status)
    # A program that ignores SIGPIPE got SIGTERM when its reader had left; "Terminated" would puzzle the user.
    number = signal.SIGPIPE if ended.reader_left and ended.signal == signal.SIGTERM else ended.signal
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with contextlib.suppress(ValueError, OSError):  # SIGKILL has no other action anyway
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    signal.raise_signal(number)
    sys.exit(128 + number)  # the first process of a container doesn't die of signals


class _Program:
    """The process that was started."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.began = time.monotonic()
        self.duration = 0.0
        self.status: int | None = None  #: as wait() tells it, when the program has ended
        self.stopped = 0  #: the signal that has stopped it; 0 if it isn't stopped
        self.resources = Resources()
        self._bytes: tuple[int | None, int | None] = (None, None)
        self._own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def look(self) -> None:
        """Bring what is known up to date."""
        while self.status is None:
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
                self._bytes = read_bytes_of(self.pid)  # what it has read and written is told until it is waited for
            pid, status, used = os.wait4(self.pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            if not pid:
                return
            if os.WIFSTOPPED(status):
                self.stopped = os.WSTOPSIG(status)
            elif os.WIFCONTINUED(status):
                self.stopped = 0
            else:
                self.duration = time.monotonic() - self.began
                self.status = status
                # The kernel counts what we had in memory as the program's at its start.
                peak = used.ru_maxrss * 1024 if used.ru_maxrss > self._own_peak else None
                self.resources = Resources(
                    used.ru_utime, used.ru_stime, peak, used.ru_inblock, used.ru_oublock, bytes_read=self._bytes[0],
                    bytes_written=self._bytes[1], waits=used.ru_nvcsw, preemptions=used.ru_nivcsw,
                )

    def send(self, number: int) -> None:
        """Send it a signal, as far as we may (not, for instance, if it has become another user)."""
        if self.status is None:
            with contextlib.suppress(OSError):
                os.kill(self.pid, number)


def _watch(program: _Program, out: Flow, err: Flow) -> Ended:
    flows = (out, err)
    complaints = _Complaints(flows)
    broken = None
    with _wakeable(program.pid) as wakes:
        _pass_on(program, all_of_them=True)
        pause = _BRISK
        while program.status is None:
            moved = sum(flow.pump() for flow in flows)
            complaints.speak()
            if _reader_left(flows):
                broken = broken or BrokenPipe(program.pid, {flow.identity for flow in flows if isinstance(flow, Tail)})
                broken.happened(out.size + err.size)
            pause = 0 if moved >= PORTION else _BRISK if moved else min(_IDLE, 2 * pause or _BRISK)
            _rest(flows, pause, wakes)
            _follow_size(program, flows)
            program.look()
            _pass_on(program)
            _stop_with(program, flows)
    _take_the_rest(flows)
    complaints.speak()
    status = program.status
    return Ended(
        exit_status=os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        signal=os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
        duration=program.duration,
        resources=program.resources,
        stdout=out.stream(),
        stderr=err.stream(),
        reader_left=_reader_left(flows),
    )


def _take_the_rest(flows: Sequence[Flow]) -> None:
    """Keep and show what was written before the program ended; a signal, now, means that nobody wants to see it."""
    for flow in flows:
        flow.end()
    while not all(flow.finished for flow in flows):
        moved = sum(flow.pump() for flow in flows)
        if not moved and not all(flow.finished for flow in flows):
            _rest(flows, _IDLE, None)
        for number, _, _ in _fetch_all():
            if number in _LAST_WISHES:
                for flow in flows:
                    if flow.sink:
                        flow.sink.close()
            elif number == signal.SIGTSTP:
                os.kill(os.getpid(), signal.SIGSTOP)


def _rest(flows: Sequence[Flow], milliseconds: int, wakes: int | None) -> None:
    """Wait until there is something to do that the kernel can tell, or for that time."""
    asked = select.poll()
    for source in (wakes, *(flow.wakes for flow in flows)):
        if source is not None:
            asked.register(source, select.POLLIN)
    for flow in flows:
        if flow.blocked is not None:
            asked.register(flow.blocked, select.POLLOUT)
    asked.poll(milliseconds)


def _reader_left(flows: Sequence[Flow]) -> bool:
    return any(flow.sink is not None and flow.sink.left for flow in flows)


@contextlib.contextmanager
def _wakeable(pid: int) -> Iterator[int | None]:
    """Give a descriptor that becomes readable when the process *pid* ends, where the system has such things."""
    try:
        file = os.pidfd_open(pid)
    except OSError:
        yield None
        return
    try:
        yield file
    finally:
        os.close(file)


class _Complaints:
    """Say once what can't be shown or kept."""

    def __init__(self, flows: Sequence[Flow]) -> None:
        self._silent = {f"standard {name}": flow for name, flow in zip(("output", "error"), flows, strict=True)}

    def speak(self) -> None:
        for name, flow in list(self._silent.items()):
            if flow.fault:
                self._say(name, f"{name} can't be kept any more: {flow.fault.strerror}")
            elif flow.sink and flow.sink.fault:
                self._say(name, f"{name} can't be shown any more: {flow.sink.fault.strerror}; the record keeps it")

    def _say(self, name: str, sentence: str) -> None:
        del self._silent[name]
        with contextlib.suppress(OSError):
            if os.get_inheritable(2):  # else it is a file of ours that has taken the number of a closed stream
                os.write(2, f"smt: {sentence}\n".encode())


# --- signals


@contextlib.contextmanager
def _held() -> Iterator[set[int]]:
    """Block what will be passed on; give the mask that there was."""
    timers = {number for number in _TIMERS if signal.getsignal(number) != signal.SIG_DFL}  # somebody's own time-outs
    automatic = signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN  # then the kernel would throw exit statuses away
    if automatic:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON - timers)
    try:
        yield {int(number) for number in before}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if automatic:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def _fetch_all() -> Iterator[tuple[int, int, int]]:
    """Take the signals that wait for us: number, where from, and the sender's pid."""
    while (info := signal.sigtimedwait(PASSED_ON, 0)) is not None:
        yield info.si_signo, info.si_code, info.si_pid


def _pass_on(program: _Program, *, all_of_them: bool = False) -> None:
    """Pass on the signals that the program didn't get itself.

    *all_of_them*: also those of the terminal, which may have come just before the program was there.
    """
    for number, origin, sender in _fetch_all():
        if origin == _FROM_KERNEL:
            # Whole groups get these, but a terminal that is hung up tells the leader of its session only.
            wanted = all_of_them or (number == signal.SIGHUP and os.getsid(0) == os.getpid())
        else:
            wanted = sender != os.getpid() and not _descends(sender, program.pid)
        if wanted:
            program.send(number)


def _stop_with(program: _Program, flows: Sequence[Flow]) -> None:
    """Stop when the program has stopped, for the sake of the shell that waits for us; return when we go on."""
    if program.stopped and program.status is None and _shell_wants_to_know(program.stopped):
        for flow in flows:
            flow.pump()
        program.look()
        if program.stopped:
            os.kill(os.getpid(), signal.SIGSTOP)
            program.look()
            if not program.stopped:  # the shell has continued the whole group
                signal.sigtimedwait({signal.SIGCONT}, 0)


def _shell_wants_to_know(number: int) -> bool:
    """Whether a stop by the signal *number* is one by the user's job control, and not a program's own affair."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if number in (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
            return True
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _descends(pid: int, ancestor: int) -> bool:
    """Whether *pid* is the process *ancestor* or below it: then the program has signalled its own group, or us."""
    while pid > 1 and pid != ancestor:
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                pid = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return False
    return pid == ancestor


def _follow_size(program: _Program, flows: Sequence[Flow]) -> None:
    """Pass on a change of the terminal's size, and say so to those in front: they may have looked too early."""
    changed = [flow for flow in flows if isinstance(flow, Terminal) and flow.follow_size()]
    if changed:
        try:
            os.killpg(os.tcgetpgrp(changed[0].user), signal.SIGWINCH)
        except OSError:
            program.send(signal.SIGWINCH)


# --- streams


def _open(plan: Plan, last: ExitStack) -> tuple[dict[int, int], Flow, Flow]:
    """Open the program's streams; *last* closes them."""
    descriptors = {}
    if plan.stdin_file is not None:
        with _said("standard input can't be read from", plan.stdin_file):
            descriptors[0] = above_standard(os.open(plan.stdin_file, os.O_RDONLY | os.O_CLOEXEC))
            last.callback(os.close, descriptors[0])
    if plan.stdout_file is not None:
        with _said("standard output can't be written to", plan.stdout_file):
            out: Flow = Elsewhere(plan.stdout_file, plan.stdout)
    else:
        out = _shown(plan.stdout, 1)
    last.callback(out.close)
    err = _shown(plan.stderr, 2)
    last.callback(err.close)
    return descriptors | {1: out.given, 2: err.given}, out, err


def _shown(path: str, number: int) -> Flow:
    with _said("the output can't be kept in", path):
        sink = Sink(number)
        if sink.is_terminal:
            with contextlib.suppress(OSError):  # no pseudo-terminals in here: the program will see a file
                return Terminal(path, sink)
            sink.close()
            sink = Sink(number)
        return Tail(path, sink)


@contextlib.contextmanager
def _said(sentence: str, path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LaunchError(f"{sentence} {path}: {error.strerror}") from error
