"""Observe what a program and all that it starts read, write and run.

::

    observer = begin(log_path)
    pid = observer.spawn(path, words, environment, descriptors, mask)
    os.wait4(pid, 0)
    observed = observer.finish()

The log is written by another process, as it happens; `read` tells what is in it, also of a run whose watcher was
killed.  ``doc/explanation/observation.rst`` says how each method works and what it can't see.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, Protocol

from sumatra.capture.accesses import FileAccess, Program, Seen, follow
from sumatra.capture.starting import NotPossible, spawn
from sumatra.capture.trace import kind_of, records
from sumatra.errors import UsageError
from sumatra.records import Finding

__all__ = ["METHODS", "FileAccess", "Observed", "Observer", "Program", "begin", "read", "unobserved"]

#: Best first.
METHODS = ("notify", "strace", "audit", "scan", "none")

#: Those that may miss outputs, so that folders have to be compared.
_COMPARED = ("audit", "scan")

#: Those that write no log.
_LOGLESS = ("scan", "none")

_PORTION = 1 << 20


class Observed(NamedTuple):
    """What was seen of one run."""

    method: str  #: one of `METHODS`
    files: tuple[FileAccess, ...] = ()
    processes: tuple[Program, ...] = ()
    folders: tuple[str, ...] = ()  #: that were made and are there at the end
    findings: tuple[Finding, ...] = ()
    needs_comparison: bool = False  #: there may be outputs that only comparing folders before and after can find


class _Method(Protocol):
    """What each method promises."""

    @property
    def method(self) -> str: ...

    def spawn(
        self, path: str, words: Sequence[str], environment: Mapping[str, str], descriptors: Mapping[int, int],
        mask: Iterable[int],
    ) -> int:
        """Start the program, as our child; raise `NotPossible` before anything of it has run."""

    def close(self) -> None:
        """Free what `spawn` would have needed."""


class _Nothing:
    """The methods of not observing the program."""

    def __init__(self, method: str) -> None:
        self.method = method

    def spawn(
        self, path: str, words: Sequence[str], environment: Mapping[str, str], descriptors: Mapping[int, int],
        mask: Iterable[int],
    ) -> int:
        return spawn(path, words, environment, descriptors, mask)

    def close(self) -> None:
        pass


class Observer:
    """Starts one program, and tells afterwards what it did."""

    def __init__(self, log_path: str, method: str, maker: str = "") -> None:
        self._log_path = log_path
        self._log: int | None = None
        self._remaining = list(METHODS) if method == "auto" else [method]
        self._maker = maker
        self._reasons: list[tuple[str, str]] = []
        self._way = self._next()

    @property
    def method(self) -> str:
        """The method that is used; it may still become another until the program was started."""
        return self._way.method

    @property
    def needs_comparison(self) -> bool:
        """Whether the folders of outputs have to be looked at before the program is started, and compared after it."""
        return self.method in _COMPARED

    @property
    def reasons(self) -> tuple[tuple[str, str], ...]:
        """The better methods that could not be used, each with the reason."""
        return tuple(self._reasons)

    def spawn(
        self, path: str, words: Sequence[str], environment: Mapping[str, str], descriptors: Mapping[int, int],
        mask: Iterable[int], *, prepare: Callable[[str], None] = lambda method: None,
    ) -> int:
        """Start the program at *path* with the arguments *words*, and return its pid; it is our child.

        *descriptors* says what its standard streams are (its number: ours); what it doesn't say is inherited.  *mask*
        is the set of signals that it begins with blocked.  A file without ``#!`` is run by ``/bin/sh``.  *prepare*
        is called with the method just before the program is started by it.  Raises `OSError` or `ValueError` as
        `os.posix_spawn` does, and `UsageError` if the method that was asked for can't be used.
        """
        mask = set(mask)
        while True:
            prepare(self.method)
            try:
                pid = self._way.spawn(path, words, environment, descriptors, mask)
            except NotPossible as reason:
                self._reasons.append((self.method, str(reason)))
                self._way = self._next()
            else:
                with suppress(OSError):
                    self._log = os.open(self._log_path, os.O_RDONLY | os.O_CLOEXEC)
                return pid

    def finish(self) -> Observed:
        """Return what was seen until now; to be called when the program has ended."""
        self._way.close()
        if self.method in _LOGLESS:
            return unobserved(self.method, self._reasons)
        is_there = os.path.exists(self._log_path)
        log, self._log = self._log, None
        observed = read(log if log is not None else self._log_path, self._reasons)
        if is_there:
            return observed
        finding = Finding("log-lost", _SENTENCES["log-removed"])
        return observed._replace(findings=(*observed.findings, finding))

    def close(self) -> None:
        """Observe nothing after all: the program was not started."""
        self._way.close()

    def _next(self) -> _Method:
        while self._remaining:
            method = self._remaining.pop(0)
            try:
                return _ways(self._maker)[method](self._log_path)
            except NotPossible as reason:
                self._reasons.append((method, str(reason)))
        method, why = self._reasons[-1]
        raise UsageError(f"the program can't be observed by the method {method}: {why}", "smt configure --trace=auto")


def begin(log_path: str, method: str = "auto") -> Observer:
    """Return an observer that will write to *log_path*.

    *method* is one of `METHODS`, or ``auto`` for the best that can be used; ``notify/helper`` and ``notify/python`` say
    which of its two makers does the work.  Raises `UsageError` if the one that was asked for can't be.
    """
    method, _, maker = method.partition("/")
    if method != "auto" and method not in METHODS:
        raise UsageError(f"there is no method {method!r} to observe programs", f"take auto, {', '.join(METHODS)}")
    return Observer(log_path, method, maker)


def unobserved(method: str, reasons: Sequence[tuple[str, str]] = ()) -> Observed:
    """Return what is known of a run that had *method*, one of those that write no log."""
    return Observed(method, findings=_weaker(method, reasons), needs_comparison=method in _COMPARED)


def read(log_path: str | int, reasons: Sequence[tuple[str, str]] = ()) -> Observed:
    """Return what the log at *log_path* (or a descriptor of it) tells, with one look at how things are now.

    *reasons* are better methods with why they could not be used.  Raises `NewerFormat` if it isn't a log of this
    version, and `OSError` if it can't be read.
    """
    with open(log_path, "rb") as file:
        method, time = kind_of(file.read(100))
        file.seek(0)
        if method == "strace":
            from sumatra.capture.strace import translate

            seen = follow(translate(file.read()), since=int(time * 1e9))
        elif method == "audit":
            from sumatra.capture.audit import in_order

            seen = follow(in_order(file))
        else:
            seen = follow(records(iter(lambda: file.read(_PORTION), b"")))
    findings = (*_weaker(method, reasons), *_findings(seen), *([_only_python(seen)] if method == "audit" else []))
    return Observed(method, seen.files, seen.programs, seen.folders, findings, method in _COMPARED)


def _ways(maker: str) -> dict[str, Callable[[str], _Method]]:
    def notify(log_path: str) -> _Method:
        from sumatra.capture import notify

        return notify.begin(log_path, maker)

    def strace(log_path: str) -> _Method:
        from sumatra.capture import strace

        return strace.begin(log_path)

    def audit(log_path: str) -> _Method:
        from sumatra.capture import audit

        return audit.begin(log_path)

    return {
        "notify": notify, "strace": strace, "audit": audit, "scan": lambda log_path: _Nothing("scan"),
        "none": lambda log_path: _Nothing("none"),
    }


def _weaker(method: str, reasons: Sequence[tuple[str, str]]) -> tuple[Finding, ...]:
    why = "; ".join(f"{name}: {reason}" for name, reason in reasons)
    if method == "none":
        return (Finding("not-observed", f"what the program read and wrote was not observed ({why or 'as asked for'})"),)
    if method == "scan":
        reason = why or "as asked for"
        message = f"what the program read was not observed; outputs were found by comparing folders ({reason})"
        return (Finding("only-compared", message, "smt configure --trace=auto" if not why else ""),)
    if reasons:
        message = f"the program was observed by {method}, because a better way was closed ({why})"
        return (Finding("observed-otherwise", message),)
    return ()


#: What to say of each code; {} is the program or the file.
_SENTENCES = {
    "io-uring": "{} used io_uring; files that it opened that way were not seen",
    "opened-by-handle": "{} opened files by handle and not by name; these were not seen",
    "hidden": "{} keeps others from looking at it; the files that it opened were not seen",
    "other-root": "{} ran in a container or root folder of its own; names of files are as they were in there",
    "served": "files in {} were not looked at, because looking at them took for ever",
    "observer-killed": "what observed the run was killed and another took over; a file may be missing",
    "audit-not-loaded": "{} was started so that it can't be observed from inside; what it read was not seen",
    "log-removed": "the list of files was removed while the program ran; what it did after that was not seen",
    "log-lost": "the list of files could not be written to the end; is the disk full?",
}


def _only_python(seen: Seen) -> Finding:
    """Say what observing from inside can't see, and which programs that concerns as far as they are known."""
    others = sorted({os.path.basename(detail) for code, detail in seen.notes if code == "audit-only-python"})
    named = f" ({', '.join(others[:5])}{' …' * (len(others) > 5)})" if others else ""
    return Finding(
        "audit-only-python",
        "only what Python itself opened was seen, not what libraries in other languages or other programs"
        f"{named} read; outputs of theirs were found by comparing folders",
    )


def _findings(seen: Seen) -> list[Finding]:
    found = [
        Finding(code, _SENTENCES[code].format(os.path.basename(detail) if code != "served" else detail))
        for code, detail in seen.notes if code in _SENTENCES
    ]
    if not seen.privileged:
        powerless = {os.path.basename(program.path) for program in seen.programs if program.privileged}
        powerless |= {os.path.basename(detail) for code, detail in seen.notes if code == "has-capabilities"}
        found += [
            Finding(
                "privileges-withheld",
                f"{name} ran without the privileges that it has by itself, because the run was observed",
                "smt configure --trace=none",
            )
            for name in sorted(powerless)
        ]
    return found
