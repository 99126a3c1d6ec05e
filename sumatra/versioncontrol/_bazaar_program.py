"""Breezy in a process of its own, kept from obeying a repository.

Breezy is a package of Python, and takes its time to load; it loads plug-ins, and heeds configuration.  So it works in
a process apart, without either (see ``_bazaar_worker``), which answers all the questions of a command and ends when it
hasn't been asked for a while.
"""

import importlib.util
import json
import os
import select
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sumatra import process
from sumatra.errors import VersionControlError
from sumatra.versioncontrol import _bazaar_config
from sumatra.versioncontrol._lasting_process import Lasting, end
from sumatra.versioncontrol._text import is_utf8, on_disk, printable, small_file
from sumatra.versioncontrol._urls import scrub_text

__all__ = ["Breezy", "BreezyError", "find_breezy"]

_WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_bazaar_worker.py")
_HELLO = "guarded by sumatra"
_PATIENCE = 600.0  # seconds for one answer
_PIECE = 1 << 18  # bytes
_NOWHERE = "/dev/null/nowhere"
_LONGEST_RESULT = 1 << 30  # bytes
#: Variables that tell Python or breezy what to load, whom to ask, or where to write.
_OURS = ("BRZ", "BZR", "PYTHON", "SMT_BRZ", "APPORT")


class BreezyError(VersionControlError):
    """What breezy complains of; *kind* is the name of its error."""

    kind = ""


class Installed(NamedTuple):
    """A Python that has breezy."""

    python: str
    folder: str  #: where breezy is, if that Python might not look there; or empty


def find_breezy() -> Installed:
    """Return the Python that has breezy, ours or that of the program brz, or raise `VersionControlError`."""
    if os.path.isabs(sys.executable or "") and os.access(sys.executable, os.X_OK):
        try:
            found = importlib.util.find_spec("breezy")
        except (ImportError, ValueError):
            found = None
        if found and found.origin:
            return Installed(sys.executable, os.path.dirname(os.path.dirname(os.path.abspath(found.origin))))
    program = process.find_program("brz")
    if program:
        first = small_file(os.path.realpath(program)).split(b"\n")[0]
        words = os.fsdecode(first.removeprefix(b"#!")).split() if first.startswith(b"#!") else []
        python = words[0] if words and os.path.basename(words[0]) != "env" else ""
        if "python" in os.path.basename(python) and process.find_program(python) and os.path.isabs(python):
            return Installed(python, "")
    raise VersionControlError(
        "breezy, which reads Bazaar branches, isn't installed", "pip install 'sumatra[bazaar]', or apt install brz"
    )


class Breezy(Lasting["_Worker"]):
    """Breezy, asked by name of a deed and what belongs to it.

    *writes* are files and folders that it may write to, besides the folder *temporary*.
    """

    def __init__(
        self, about: str, *, writes: Sequence[str] = (), temporary: str = "", allows: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self._about = about
        self._writes = [*writes, temporary] if temporary else writes
        self._temporary = {"TMPDIR": temporary} if temporary else {}
        self._allows = allows

    def ask(self, deed: str, **question: Any) -> Any:
        """Return the answer to a question that has a short one, or raise `BreezyError`."""
        answer = self._conversation(deed, question)
        while True:
            try:
                next(answer)
            except StopIteration as end:
                return end.value

    def contents(self, deed: str, **question: Any) -> Iterator[Iterator[bytes]]:
        """Yield the contents of which an answer consists, each in pieces; one has to be read before the next."""
        answer: Iterator[Iterator[bytes]] = self._conversation(deed, question)
        return answer

    def _conversation(self, deed: str, question: Mapping[str, Any]) -> Any:
        with self._lock:
            worker = self._started(lambda: _Worker(find_breezy(), self._about, self._environment()))
            finished = False
            try:
                result = yield from worker.ask({"deed": deed, **question})
                finished = True
            except BreezyError:
                finished = True
                raise
            finally:
                if finished:
                    self._rest()
                else:
                    self.stop()
        return result

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        authentication = os.path.join(_bazaar_config.users_folder(), "authentication.conf")
        return {
            **kept, **self._temporary, **dict.fromkeys(("BRZ_HOME", "BZR_HOME", "XDG_CONFIG_HOME"), _NOWHERE),
            "BRZ_PLUGIN_PATH": "-user:-core:-site", "BRZ_LOG": os.devnull, "BRZ_EMAIL": "sumatra",
            "LC_ALL": "C.UTF-8", "LANGUAGE": "",
            "SMT_BRZ_WRITES": json.dumps(list(self._writes)), "SMT_BRZ_ALLOWS": " ".join(self._allows),
            "SMT_BRZ_AUTHENTICATION": authentication if self._allows else "",
        }


class _Worker:
    """One process that answers questions, one after the other."""

    def __init__(self, installed: Installed, about: str, environment: Mapping[str, str]) -> None:
        self._about = about
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the process
        try:
            self._child = subprocess.Popen(  # noqa: S603  a list of words, no shell
                [installed.python, "-E", _WORKER, *([installed.folder] if installed.folder else [])], cwd=os.sep,
                env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, bufsize=0,
                close_fds=False,
            )
        except (OSError, ValueError) as error:
            raise VersionControlError(f"breezy can't be asked about {printable(about)}: {error}") from error
        try:
            kind, size = self._header()
            if kind != b"r" or json.loads(self._exactly(size)) != _HELLO:
                raise self._died()
        except BaseException as error:
            self._child.kill()
            self._child.wait()
            self._said.seek(0)
            lines = self._said.read(100_000).decode("utf-8", "replace").strip().splitlines()
            self.stop()
            if not isinstance(error, VersionControlError):
                raise
            raise VersionControlError(
                f"breezy doesn't start: {printable(lines[-1]) if lines else 'it says nothing'}", "brz version"
            ) from error

    def ask(self, question: Mapping[str, Any]) -> Any:
        """Yield the contents that come as an answer, each in pieces, and return the result."""
        try:
            self._child.stdin.write(json.dumps(_each(question, _theirs)).encode("ascii") + b"\n")  # type: ignore[union-attr]
            self._child.stdin.flush()  # type: ignore[union-attr]
        except OSError as error:
            raise self._died() from error
        while True:
            kind, size = self._header()
            if kind == b"f":
                pieces = self._pieces(size)
                yield pieces
                for _ in pieces:  # what the caller didn't want to have
                    pass
                continue
            if kind not in b"re" or size > _LONGEST_RESULT:
                raise self._died()
            result = _each(json.loads(self._exactly(size)), _ours)
            if kind == b"r":
                return result
            complaint = BreezyError(printable(scrub_text(result[1])), "brz check may say more")
            complaint.kind = result[0]
            raise complaint

    def stop(self) -> None:
        """End the process."""
        end(self._child, self._said)

    def _header(self) -> tuple[bytes, int]:
        kind, size = struct.unpack(">cQ", self._exactly(9))
        return kind, size

    def _exactly(self, size: int) -> bytes:
        return b"".join(self._pieces(size))

    def _pieces(self, size: int) -> Iterator[bytes]:
        output = self._child.stdout
        ready = select.poll()
        ready.register(output, select.POLLIN)  # type: ignore[arg-type]  # it is a pipe
        while size:
            answered = ready.poll(_PATIENCE * 1000)
            piece = os.read(output.fileno(), min(size, _PIECE)) if answered else b""  # type: ignore[union-attr]
            if not piece:
                raise self._died()
            size -= len(piece)
            yield piece

    def _died(self) -> VersionControlError:
        return VersionControlError(
            f"breezy ended while it was asked about {printable(self._about)}", "brz check may say more"
        )


# The process reads names of files as UTF-8, whatever our locale is.


def _theirs(text: str) -> str:
    return os.fsencode(text).decode("utf-8", "surrogateescape")


def _ours(text: str) -> str:
    return on_disk(text.encode("utf-8", "surrogateescape"))


def _each(told: Any, change: Callable[[str], str]) -> Any:
    """Return *told*, what JSON can hold, with *change* made to each text, where the locale isn't one of UTF-8."""
    if is_utf8():
        return told
    if isinstance(told, str):
        return change(told)
    if isinstance(told, Mapping):
        return {name: _each(value, change) for name, value in told.items()}
    return [_each(value, change) for value in told] if isinstance(told, list | tuple) else told
