"""Ask the process that reads files: one for as many pairs of files as there are, begun when the first needs it."""

import errno
import json
import os
import select
import signal
import stat
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple

from sumatra.comparison.base import Comparison
from sumatra.comparison.tolerance import Rules, Tolerances
from sumatra.facts import replace

__all__ = ["Session", "compare"]

#: So long (s) a pair of files may take, and besides so long for each byte of both; of processor time and by the clock.
_PATIENCE, _PER_BYTE = 30.0, 1 / 10_000_000
#: So many questions, and bytes of them, are put before the first is answered; the bytes fit into a pipe.
_AHEAD, _BYTES_AHEAD = 64, 30_000
_CHUNK = 1 << 20
_LONGEST_ANSWER = 64_000_000

_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from sumatra.comparison._child import main; main()"


class _Asked(NamedTuple):
    """A question that was put to the process."""

    question: bytes
    patience: float
    trouble: str = ""  #: why it couldn't be put


class Session:
    """Compares pairs of files; to be used with ``with``."""

    def __init__(self, patience: float = _PATIENCE) -> None:
        self._patience = patience
        self._child: subprocess.Popen[bytes] | None = None
        self._heard = bytearray()
        self.starts = 0  #: how many processes were started

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process, if there is one."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                with suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]  # both are pipes

    def compare(self, one: str, other: str, name: str = "", rules: Rules = ()) -> Comparison:
        """Return how like the files at the paths *one* and *other* are, which the user calls *name*.

        *rules* are what `Tolerances.rules_for` says.  Never raises: what can't be compared is said to be so.
        """
        try:
            if _are_identical(one, other):
                return Comparison("identical")
        except OSError as error:
            return Comparison("not comparable", f"it can't be read: {error.strerror or error}")
        return next(self.compare_unlike([(one, other, name or one, rules)]))

    def compare_unlike(self, pairs: Iterable[tuple[str, str, str, Rules]]) -> Iterator[Comparison]:
        """Yield how like two files are for each of *pairs* (paths, name, rules), which aren't the same byte for byte.

        While one pair is read the next ones are asked already, which is quicker where there are many.
        """
        asked: deque[_Asked] = deque()
        for one, other, name, rules in pairs:
            while len(asked) >= _AHEAD or sum(len(each.question) for each in asked) > _BYTES_AHEAD:
                yield self._next(asked)
            asked.append(self._ask(one, other, {"name": name, "rules": rules}))
        while asked:
            yield self._next(asked)

    def pictures(self, one: str, other: str) -> list[str]:
        """Return the pictures *one* and *other*, and one of where they differ, as PNG in Base64; [] if they can't be.

        They are drawn anew, and made smaller if they are large: nothing of the files but pixels is in them.
        """
        answer = self._answer(deque([self._ask(one, other, {"pictures": True})]))
        found = answer.get("pictures") if isinstance(answer, dict) else None
        return [str(each) for each in found] if isinstance(found, list) else []

    def _ask(self, one: str, other: str, what: dict[str, Any]) -> "_Asked":
        """Put a question to the process, which is started if need be."""
        try:
            size = os.stat(one).st_size + os.stat(other).st_size
        except OSError as error:
            return _Asked(b"", 0.0, f"it can't be read: {error.strerror or error}")
        patience = self._patience + size * _PER_BYTE
        question = {"one": os.path.abspath(one), "other": os.path.abspath(other), "patience": patience, **what}
        asked = _Asked(json.dumps(question).encode() + b"\n", patience)
        return self._put(asked)

    def _put(self, asked: "_Asked") -> "_Asked":
        try:
            if self._child is None:
                self._child = self._start()
                self._heard.clear()
        except OSError as error:
            return asked._replace(trouble=f"the process that reads files can't be started: {error.strerror}")
        with suppress(OSError):  # it has ended: whoever waits for its answer will find out
            self._child.stdin.write(asked.question)  # type: ignore[union-attr]  # it is a pipe
            self._child.stdin.flush()  # type: ignore[union-attr]
        return asked

    def _next(self, asked: "deque[_Asked]") -> Comparison:
        answer = self._answer(asked)
        return answer if isinstance(answer, Comparison) else _comparison(answer)

    def _answer(self, asked: "deque[_Asked]") -> dict[str, Any] | Comparison:
        """Return the answer to the first question of *asked*, which is taken away.

        Where the process is lost over it, the others are put to a new one.
        """
        first = asked.popleft()
        if first.trouble or self._child is None:
            return Comparison("not comparable", first.trouble or "the process that reads files has ended")
        try:
            found = json.loads(self._line(first.patience) or "null")
        except TimeoutError:
            trouble = f"comparing takes longer than {first.patience:.0f} s"
        except (OSError, ValueError):
            trouble = "its reader had no answer"
        else:
            if isinstance(found, dict):
                return found
            trouble = _fate(self._child, first.patience)
        self.close()
        asked.extend(self._put(each) for each in [asked.popleft() for _ in range(len(asked))])
        return Comparison("not comparable", trouble)

    def _line(self, patience: float) -> bytes:
        """Return the next line that the process says; nothing if it ended.  Raises `TimeoutError`."""
        end = time.monotonic() + patience + 5.0  # its own clock, of processor time, comes first
        descriptor = self._child.stdout.fileno()  # type: ignore[union-attr]  # it is there, and a pipe
        while True:
            line, newline, rest = self._heard.partition(b"\n")
            if newline:
                self._heard = rest
                return bytes(line)
            if not select.select([descriptor], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError
            piece = os.read(descriptor, 1 << 16)
            if not piece or len(self._heard) > _LONGEST_ANSWER:
                return b""
            self._heard += piece

    def _start(self) -> subprocess.Popen[bytes]:
        self.starts += 1
        words = [sys.executable, "-I", "-c", _START, json.dumps([os.path.abspath(each) for each in sys.path if each])]
        return subprocess.Popen(  # noqa: S603  our own interpreter
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/",
            env=_environment(),
        )


def _environment() -> dict[str, str]:
    """Return what the process needs: nothing of the user's, and no threads, each of which would take memory."""
    ones = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_IO_THREADS")
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "PATH") if name in os.environ}
    return {
        **kept, **dict.fromkeys(ones, "1"), "LC_ALL": "C.UTF-8", "HDF5_USE_FILE_LOCKING": "FALSE",
        "ARROW_DEFAULT_MEMORY_POOL": "system", "HDF5_PLUGIN_PATH": "/dev/null/nowhere",
    }


def _fate(child: "subprocess.Popen[bytes]", patience: float) -> str:
    """Return what has become of *child*, which has ended or is about to."""
    child.kill()
    status = child.wait()
    if status == -signal.SIGXCPU:
        return f"comparing takes longer than {patience:.0f} s"
    if status < 0 and status != -signal.SIGKILL:
        return f"its reader crashed ({signal.Signals(-status).name})"
    return "its reader ended before it had an answer"


def _comparison(answer: dict[str, Any]) -> Comparison:
    found = Comparison(str(answer.get("verdict")))
    fitting = {name: value for name, value in answer.items() if name in vars(found)}
    return replace(found, **fitting)


def _are_identical(one: str, other: str) -> bool:
    if not all(stat.S_ISREG(os.stat(path).st_mode) for path in (one, other)):
        raise OSError(errno.EINVAL, "it isn't a regular file")
    with open(one, "rb") as first, open(other, "rb") as second:
        if os.fstat(first.fileno()).st_size != os.fstat(second.fileno()).st_size:
            return False
        while True:
            before = first.read(_CHUNK)
            if before != second.read(_CHUNK):
                return False
            if not before:
                return True


def compare(
    one: "str | os.PathLike[str]", other: "str | os.PathLike[str]", tolerance: str | Iterable[str] = (), root: str = "/"
) -> Comparison:
    """Return how like two files are; *tolerance* is what `sumatra.comparison.tolerance` tells, one or several.

    Patterns of files in it are as seen from *root*, and for the first file.
    """
    rules = [tolerance] if isinstance(tolerance, str) else list(tolerance)
    path = os.fspath(one)
    with Session() as session:
        return session.compare(path, os.fspath(other), path, Tolerances(rules, root).rules_for(os.path.abspath(path)))
