"""Observe Python programs from inside, where nobody may look at a program's calls from outside.

The program is started with two more variables: a folder in front of its ``PYTHONPATH`` that makes each Python load what
is in `sumatra.capture.injected`, and the name of the log.  Python programs don't see them and pass them on; programs
in other languages pass them on, which is why Python programs that they start are seen too.  What isn't Python isn't
seen; so folders have to be compared as well.
"""

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO

from sumatra.capture.injected.sumatra_audit_hook import blocks, is_python, with_us
from sumatra.capture.starting import NotPossible, spawn
from sumatra.capture.trace import UNKNOWN, Log, Record, records, state_of

__all__ = ["AuditObserver", "begin", "in_order"]

_HERE = os.fsencode(os.path.join(os.path.dirname(os.path.abspath(__file__)), "injected"))

_PORTION = 1 << 20


class AuditObserver:
    """The observer of one run."""

    method = "audit"

    def __init__(self, log_path: str) -> None:
        if b":" in _HERE:
            raise NotPossible(f"the name of {os.fsdecode(_HERE)} has a colon, which PYTHONPATH can't have")
        self._path = os.fsencode(os.path.abspath(log_path))
        self._log = Log(log_path, self.method, time.time())

    def spawn(
        self,
        path: str,
        words: Sequence[str],
        environment: Mapping[str, str],
        descriptors: Mapping[int, int],
        mask: Iterable[int],
    ) -> int:
        """Start the program at *path*, and return its pid; see `sumatra.capture.starting.spawn`."""
        command = _command(path, words)
        is_blocked = is_python(command[0]) and blocks(command)
        if not is_blocked:
            environment = with_us(environment, self._path[1:], _HERE)
        pid = spawn(path, words, environment, descriptors, mask)
        self._introduce(pid, path, words)
        if is_blocked:
            self._log.write(b"! 0 audit-not-loaded", command[0])
        return pid

    def close(self) -> None:
        """Close our end of the log."""
        if self._log.file >= 0:
            os.close(self._log.file)
            self._log.file = -1

    def _introduce(self, pid: int, path: str, words: Sequence[str]) -> None:
        """Write down which program it is: it may not be able to do so itself.  If it is, that replaces what we say."""
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                start = file.read().rpartition(b")")[2].split()[19]
            exe = os.readlink(b"/proc/%d/exe" % pid)
        except (OSError, IndexError):
            start, exe = b"0", os.fsencode(os.path.realpath(path))
        try:
            state = state_of(os.stat(path))
        except OSError:
            state = UNKNOWN
        now = time.time()
        self._log.write(b"p 0 %d %d %s %.3f" % (pid, os.getpid(), start, now), exe)
        head = b"x 0 %.3f %d %s" % (now, len(words), state)
        self._log.write(head, os.fsencode(os.path.realpath(path)), *map(os.fsencode, words))


def begin(log_path: str) -> AuditObserver:
    """Return an observer that has Python programs write to *log_path*; raise `NotPossible` if it can't be."""
    return AuditObserver(log_path)


def _command(path: str, words: Sequence[str]) -> list[bytes]:
    """Return the program that is really run, with its options: for scripts what the first line names."""
    try:
        with open(path, "rb") as file:
            first = file.readline(256)
    except OSError:
        first = b""
    command = [os.fsencode(path), *map(os.fsencode, words[1:])]
    if first.startswith(b"#!"):
        interpreter = first[2:].split(None, 1) or [b""]
        options = interpreter[1].split() if interpreter[0].endswith(b"/env") and interpreter[1:] else interpreter
        command = [*(word.strip() for word in options if word != b"-S"), *command]
    return command


# --- the log


_STATE = rb"(?:[-?]|\d+:\d+:[0-7]+:\d+:\d+:-?\d+:-?\d+)"
_HEADS = {
    "p": rb"\S+ \d+ \d+ \S+ \d+\.\d+", "x": rb"\S+ \d+\.\d+ \d+ " + _STATE, "y": rb"\S+ \d+\.\d+",
    "r": rb"\S+ " + _STATE, "w": rb"\S+ \d+ " + _STATE, "m": rb"\S+ \d+ " + _STATE + b" " + _STATE,
    "l": rb"\S+ " + _STATE + b" " + _STATE, "s": rb"\S+ " + _STATE, "u": rb"\S+ " + _STATE, "k": rb"\S+",
    "!": rb"\S+ [a-z-]+",
}
_WHOLE = {kind: re.compile(head) for kind, head in _HEADS.items()}


def in_order(file: IO[bytes]) -> Iterator[Record]:
    """Yield the records of the log *file*, those about the first program first.

    Several programs have written it, and the first could be introduced only when it was going already.  What isn't
    whole, since a disk was full, is left out and said.
    """
    first: dict[str, Record] = {}
    starts: list[Record] = []
    for record in _read(file):
        if record.kind in ("p", "x") and _is_whole(record):
            if record.head[0] == b"0":
                first[record.kind] = record
            elif record.kind == "p":
                starts.append(record)
    root, exe = (first["p"].head[1], first["p"].names[0]) if "p" in first else (b"", b"")
    themselves = [record.names[0] for record in starts if record.head[1] == root]
    yield from first.values()
    if "x" in first and exe not in themselves:  # or it says better itself what it is
        yield Record("y", [b"0", first["x"].head[1]], [exe])
    is_lost = False
    for record in _read(file):
        if not _is_whole(record):
            is_lost = True
        elif record.kind == "!" or record.head[0] != b"0":
            yield record
    if is_lost:
        yield Record("!", [b"0", b"log-lost"], [b""])
    if root and not themselves:
        yield Record("!", [b"0", b"audit-not-loaded" if is_python(exe) else b"audit-only-python"], [exe])


def _read(file: IO[bytes]) -> Iterator[Record]:
    file.seek(0)
    try:
        yield from records(iter(lambda: file.read(_PORTION), b""))
    except ValueError:  # the length of a record isn't a number
        yield Record("", [], [])


def _is_whole(record: Record) -> bool:
    pattern = _WHOLE.get(record.kind)
    return bool(pattern and pattern.fullmatch(b" ".join(record.head)))
