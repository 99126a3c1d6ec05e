"""Ask the process that reads files: one for as many pairs of files as there are, begun when the first needs it."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any

from sumatra.comparison.base import Comparison
from sumatra.comparison.tolerance import Rules, Tolerances
from sumatra.facts import replace

__all__ = ["Session", "compare"]

#: So long (s) a pair of files may take, and besides so long for each byte of both; of processor time and by the clock.
_PATIENCE, _PER_BYTE = 30.0, 1 / 10_000_000
_CHUNK = 1 << 20
_LONGEST_ANSWER = 64_000_000

_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from sumatra.comparison._child import main; main()"


class Session:
    """Compares pairs of files; to be used with ``with``."""

    def __init__(self, patience: float = _PATIENCE) -> None:
        self._patience = patience
        self._child: subprocess.Popen[bytes] | None = None
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
            size = os.stat(one).st_size + os.stat(other).st_size
        except OSError as error:
            return Comparison("not comparable", f"it can't be read: {error.strerror or error}")
        question = {"one": os.path.abspath(one), "other": os.path.abspath(other), "name": name or one, "rules": rules}
        answer = self._ask(question, self._patience + size * _PER_BYTE)
        return answer if isinstance(answer, Comparison) else _comparison(answer)

    def pictures(self, one: str, other: str) -> list[str]:
        """Return the pictures *one* and *other*, and one of where they differ, as PNG in Base64; [] if they can't be.

        They are drawn anew, and made smaller if they are large: nothing of the files but pixels is in them.
        """
        answer = self._ask({"one": os.path.abspath(one), "other": os.path.abspath(other), "pictures": True}, 60.0)
        found = answer.get("pictures") if isinstance(answer, dict) else None
        return [str(each) for each in found] if isinstance(found, list) else []

    def _ask(self, question: dict[str, Any], patience: float) -> dict[str, Any] | Comparison:
        if self._child is None:
            try:
                self._child = self._start()
            except OSError as error:
                return Comparison("not comparable", f"the process that reads files can't be started: {error.strerror}")
        try:
            answer = _exchange(self._child, {**question, "patience": patience}, patience)
            found = json.loads(answer) if answer else None
        except TimeoutError:
            self.close()
            return Comparison("not comparable", f"comparing takes longer than {patience:.0f} s")
        except (OSError, ValueError):
            found = None
        if isinstance(found, dict):
            return found
        child = self._child
        child.kill()
        status = child.wait()
        self.close()
        return Comparison("not comparable", _fate(status, patience))

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
        "ARROW_DEFAULT_MEMORY_POOL": "system", "HDF5_PLUGIN_PATH": "/nonexistent",
    }


def _exchange(child: "subprocess.Popen[bytes]", question: dict[str, Any], patience: float) -> bytes:
    """Return the answer of *child*, a line; less if it ended.  Raises `TimeoutError`."""
    assert child.stdin is not None  # noqa: S101  both are pipes
    assert child.stdout is not None  # noqa: S101
    child.stdin.write(json.dumps(question).encode() + b"\n")
    child.stdin.flush()
    end = time.monotonic() + patience + 5.0  # its own clock, of processor time, comes first
    heard = bytearray()
    descriptor = child.stdout.fileno()
    while not heard.endswith(b"\n") and len(heard) < _LONGEST_ANSWER:
        if not select.select([descriptor], [], [], max(0.0, end - time.monotonic()))[0]:
            raise TimeoutError
        piece = os.read(descriptor, 1 << 16)
        if not piece:
            return b""
        heard += piece
    return bytes(heard)


def _fate(status: int, patience: float) -> str:
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
