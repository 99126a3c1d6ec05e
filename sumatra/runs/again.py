"""One repetition of a run, in a process of its own, so that nothing of it stays in ours: folder, variables, view.

The process puts the code together, enters the view (`sumatra.runs.apart`) where there can be one, and runs; we wait,
pass signals on, and take its answer.
"""

import json
import os
import shutil
import signal
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

from sumatra import documents, errors
from sumatra.capture.starting import NotPossible
from sumatra.errors import ProjectError, SumatraError
from sumatra.files import file_name, make_private, write_atomically
from sumatra.launch import Ended
from sumatra.records import Checkout, Parameters, Record, Repository, Resources, Stream
from sumatra.runs import Done, Request, execute
from sumatra.runs.apart import View, place_of, remove
from sumatra.runs.elsewhere import OUTSIDE, InPlace, build_again, written_alone
from sumatra.runs.workshop import Workshop

__all__ = ["Answer", "Way", "folders_written", "run_again", "through"]

_ANSWER = "answer.json"
_LOCK = "lock"
_PREFIX = "apart-"
_PRIVATE_FOLDER = 0o700

#: What is passed on to the process that repeats; the terminal has sent it there already if it came from there.
_PASSED_ON = frozenset({
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT,
    signal.SIGTSTP,
})
_LAST = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT})
_FROM_KERNEL = 0x80

_MOMENT = 0.1  # seconds


class Way(NamedTuple):
    """How a run is repeated."""

    request: Request
    environment: Mapping[str, str]  #: the whole environment of the program
    has_view: bool
    supplied: tuple[tuple[str, str], ...] = ()  #: inputs that are taken from the content store: where to, and digest
    prefixes: tuple[tuple[str, str], ...] = ()  #: environments that are seen in the place of others: where, and theirs
    checkouts: tuple[Checkout, ...] = ()  #: other working copies that are put together as they were


class Answer(NamedTuple):
    """What came of it."""

    done: Done
    folder: str  #: where the new results lie
    interrupted: int  #: the signal that told us to end; 0 if none did


def run_again(record: Record, way: Way, workshop: Workshop) -> Answer:
    """Repeat *record* in this *way*; the new results lie in a folder of ours that is called like the new record.

    Raises a `SumatraError` only if the program wasn't started.
    """
    work = os.path.join(workshop.folder, "work")
    make_private(work)
    _sweep(work, os.path.join(workshop.folder, "runs"))
    scratch = tempfile.mkdtemp(prefix=_PREFIX, dir=work)
    lock = _lock(scratch)
    try:
        interrupted = _in_a_process(lambda: _repeat(record, way, workshop, scratch), scratch)
        done = _answer(scratch)
        folder = os.path.join(work, file_name(done.record.label))
        _put_together(done.record, record.code_root, scratch, folder)
    finally:
        remove(scratch)
        os.close(lock)
    return Answer(done, folder, interrupted)


# --- in the process of its own


def _repeat(record: Record, way: Way, workshop: Workshop, scratch: str) -> None:
    """Do it, and leave the answer in *scratch*."""
    os.environ.clear()
    os.environ.update(way.environment)
    try:
        answer: dict[str, Any] = _done(_prepared(record, way, workshop, scratch), workshop)
    except NotPossible as reason:
        answer = {"error": ["ProjectError", f"the files can't be kept apart: {reason}", None, None]}
    except SumatraError as error:
        answer = {"error": [type(error).__name__, error.message, error.hint, error.exit_status]}
    except KeyboardInterrupt:
        answer = {"error": ["ProjectError", "the repetition was interrupted", None, 130]}
    except OSError as error:
        answer = {"error": ["ProjectError", f"{record.label} can't be repeated: {error}", None, None]}
    except Exception:  # noqa: BLE001  a fault of ours, which is told where faults are
        import traceback

        answer = {"fault": traceback.format_exc()}
    write_atomically(os.path.join(scratch, _ANSWER), json.dumps(answer).encode())


def _done(request: Request, workshop: Workshop) -> dict[str, Any]:
    done = execute(request, workshop)
    return {
        "record": documents.encode(done.record).decode("utf-8", "surrogateescape"), "saved": done.saved,
        "trouble": done.trouble, "signal": done.ended.signal,
    }


def _prepared(record: Record, way: Way, workshop: Workshop, scratch: str) -> Request:
    """Put everything in its place, and return what is to be run."""
    from sumatra.facts import replace

    tree = os.path.join(scratch, "tree")
    elsewhere = build_again(
        record, tree, workshop.objects, workshop.root, os.path.join(workshop.folder, "work"), in_place=way.has_view
    )
    if isinstance(elsewhere, InPlace):
        others = list(_other_code(record, way, workshop, scratch))
        trees = [(record.code_root, tree), *((other.root, other.folder) for other in others)]
        View(scratch, trees, through(workshop), folders_written(record), way.prefixes).enter()
        elsewhere.clear(written_alone(record))
        for other in others:
            other.clear(frozenset())
        os.makedirs(record.working_directory, exist_ok=True)
        os.chdir(record.working_directory)
    for path, digest in way.supplied:
        place = elsewhere.inside(path)
        if way.has_view or elsewhere.holds(place):
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with suppress(FileNotFoundError):
                os.unlink(place)
            shutil.copyfile(workshop.objects.path(digest), place)
    return replace(way.request, prepared=elsewhere)


def _other_code(record: Record, way: Way, workshop: Workshop, scratch: str) -> Iterator[InPlace]:
    """Put together the working copies that other code was loaded from."""
    from sumatra.facts import replace

    for number, checkout in enumerate(way.checkouts):
        at = Repository(checkout.type, checkout.url, checkout.upstream, checkout.root, checkout.branch)
        theirs = replace(
            record, repository=at if checkout.type else None, version=checkout.version, changes=checkout.changes,
            working_directory=checkout.root, code_folder="", parameters=Parameters(), locks={},
        )
        work = os.path.join(workshop.folder, "work")
        folder = os.path.join(scratch, f"tree-{number}")
        found = build_again(theirs, folder, workshop.objects, workshop.root, work, in_place=True)
        assert isinstance(found, InPlace)  # noqa: S101
        yield found


def through(workshop: Workshop) -> list[str]:
    """Return what of the project's is written for real: its folder, and the record store where that is elsewhere."""
    store = os.path.join(workshop.root, workshop.settings.record_store)
    found = [workshop.folder]
    if os.path.exists(store) and not store.startswith(workshop.folder + os.sep):
        beside, name = os.path.split(store)
        if os.path.isfile(store):
            with suppress(OSError):  # what SQLite makes beside it, and keeps
                os.close(os.open(f"{store}-journal", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        found += [os.path.join(beside, each) for each in os.listdir(beside) if each.startswith(name)]
    return found


def folders_written(record: Record) -> list[str]:
    """Return the folders that the run wrote in."""
    keys = (*record.output_data, *record.deleted_data)
    return sorted({os.path.dirname(record.output_path(key)) for key in keys} | {record.working_directory})


# --- in ours


def _in_a_process(work: Callable[[], None], scratch: str) -> int:
    """Call *work* in a process of its own and wait for its end; return the signal that told us to end, or 0."""
    for own in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):
            own.flush()
    watched = _PASSED_ON | {signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    try:
        pid = os.fork()
        if not pid:
            _be_the_child(work, before)
        return _wait(pid, watched, scratch)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _be_the_child(work: Callable[[], None], mask: Any) -> NoReturn:
    status = 1
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        work()
        status = 0
    except KeyboardInterrupt:
        pass
    except BaseException:  # noqa: BLE001  it is told, and the process ends
        sys.excepthook(*sys.exc_info())
    finally:
        for own in (sys.stdout, sys.stderr):
            with suppress(AttributeError, ValueError, OSError):
                own.flush()
        os._exit(status)


def _needs(pid: int, number: int, scratch: str) -> bool:
    """Tell whether the process that repeats has to be sent a signal that we got from another process.

    It may have been sent to all of us.  Then its program has ended in a moment, and a second signal would only disturb
    its taking notes.  While it watches over a program it has signals blocked.
    """
    time.sleep(_MOMENT)
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            masks = [int(line.split()[1], 16) for line in file if line.startswith(b"SigBlk:")]
    except OSError:
        return False
    if masks and masks[0] & 1 << number - 1:
        return True
    work = os.path.dirname(scratch)
    return not any(_leads_into(os.path.join(work, each), scratch) for each in os.listdir(work))


def _wait(pid: int, watched: frozenset[signal.Signals], scratch: str) -> int:
    interrupted = 0
    while True:
        info = signal.sigtimedwait(watched, 1.0)
        if info is not None and info.si_signo in _PASSED_ON:
            if info.si_signo in _LAST:
                interrupted = info.si_signo
            if info.si_code != _FROM_KERNEL and info.si_signo != signal.SIGCONT and _needs(pid, info.si_signo, scratch):
                with suppress(OSError):
                    os.kill(pid, info.si_signo)
        ended, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
        if ended and os.WIFSTOPPED(status):
            os.kill(os.getpid(), signal.SIGSTOP)  # for the shell that waits for us
            with suppress(OSError):
                os.kill(pid, signal.SIGCONT)
        elif ended:
            return interrupted


def _answer(scratch: str) -> Done:
    try:
        with open(os.path.join(scratch, _ANSWER), "rb") as file:
            answer: dict[str, Any] = json.load(file)
    except FileNotFoundError:
        raise ProjectError(
            "the repetition was interrupted", "if its program had begun, the next smt command keeps its record"
        ) from None
    if "fault" in answer:
        raise RuntimeError(f"the process that repeats failed:\n{answer['fault']}")
    if "error" in answer:
        kind, message, hint, status = answer["error"]
        error = getattr(errors, kind, SumatraError)(message, hint)
        if status is not None:
            error.exit_status = status
        raise error
    record = documents.decode(answer["record"].encode("utf-8", "surrogateescape"))
    ended = Ended(
        exit_status=record.exit_status, signal=answer["signal"], duration=record.duration or 0.0,
        resources=record.resources or Resources(), stdout=record.stdout or Stream(0), stderr=record.stderr or Stream(0),
    )
    return Done(record, ended, saved=answer["saved"], trouble=answer["trouble"])


def _put_together(record: Record, root: str, scratch: str, folder: str) -> None:
    """Make what was written one folder: what lies in the working tree, and in a folder in it what lies elsewhere."""
    with suppress(OSError):
        os.unlink(folder)  # the link that is there during the run
    os.rename(os.path.join(scratch, "tree"), folder)
    remove(os.path.join(folder, ".git"))  # of that version, without its objects: nobody should take it for a repository
    for here, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(here, name)
            status = os.lstat(path)
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:  # how an overlay notes what was removed
                os.unlink(path)
    for key in record.output_data:
        path = record.output_path(key)
        place = None if path.startswith(os.path.realpath(root) + os.sep) else place_of(scratch, path)
        if place is not None:
            target = os.path.join(folder, OUTSIDE) + path
            os.makedirs(os.path.dirname(target), mode=_PRIVATE_FOLDER, exist_ok=True)
            os.rename(place, target)


def _lock(scratch: str) -> int:
    """Say that *scratch* is in use, for as long as the descriptor is open."""
    import fcntl

    descriptor = os.open(os.path.join(scratch, _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _sweep(work: str, runs: str) -> None:
    """Remove what repetitions have left that were killed, once their records have been taken in."""
    import fcntl

    for name in os.listdir(work):
        scratch = os.path.join(work, name)
        if not name.startswith(_PREFIX):
            continue
        links = [each for each in os.listdir(work) if _leads_into(os.path.join(work, each), scratch)]
        if any(os.path.isdir(os.path.join(runs, each)) for each in links):
            continue
        with suppress(OSError):
            descriptor = os.open(os.path.join(scratch, _LOCK), os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for each in links:
                    os.unlink(os.path.join(work, each))
                remove(scratch)
            finally:
                os.close(descriptor)


def _leads_into(path: str, folder: str) -> bool:
    return os.path.islink(path) and os.readlink(path).startswith(folder + os.sep)
