"""The hg program as a command server, kept from obeying a repository.

Mercurial takes a third of a second to start and milliseconds to answer, so one process answers all the questions of a
command, and ends when it hasn't been asked for a while.  It is started outside of any repository, without any
configuration (``HGRCPATH``, ``HGRCSKIPREPO``), and with an extension of ours that keeps it from writing, starting
programs and talking to others (``_mercurial_guard``); it isn't asked anything before that has said that it is there.
"""

import os
import select
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from sumatra import process
from sumatra.errors import VersionControlError
from sumatra.versioncontrol._lasting_process import Lasting, end
from sumatra.versioncontrol._text import printable
from sumatra.versioncontrol._urls import scrub_text

__all__ = ["NO_SUBREPOS", "Hg", "Reply", "find_hg"]

_GUARD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_mercurial_guard.py")
_PATIENCE = 600.0  # seconds for one answer
_LONGEST_FRAME = 1 << 24  # bytes, other than of output
_PIECE = 1 << 18  # bytes

_SETTINGS = (
    f"extensions.sumatra_guard={_GUARD}",
    "subrepos.allowed=false",
    "ui.interactive=false",
    "ui.merge=internal:fail",
    "ui.paginate=false",
    "ui.portablefilenames=ignore",
    "ui.timeout=0",
    "ui.verbose=false",
    "diff.git=true",
    "lfs.url=null://",
    "storage.dirstate-v2.slow-path=allow",
    "storage.revlog.persistent-nodemap.slow-path=allow",
    "worker.enabled=false",
)

#: Extensions of Mercurial's own without which it doesn't read some repositories, by what such a repository requires.
_NEEDED = {
    "exp-sparse": "sparse", "narrowhg-experimental": "narrow", "largefiles": "largefiles", "lfs": "lfs",
}


#: What hg says when it has done all but what is in sub-repositories.
NO_SUBREPOS = "subrepos not enabled"


class Reply(NamedTuple):
    """What hg said to a command."""

    status: int
    output: bytes
    complaint: str
    whole: bool = True  #: False when there was more than was asked for


def find_hg() -> str:
    """Return the absolute path of hg, which may lie beside our own Python, or raise `VersionControlError`."""
    found = process.find_program("hg") or process.find_program(os.path.join(os.path.dirname(sys.executable), "hg"))
    if found is None:
        raise VersionControlError(
            "the program hg isn't installed, or isn't on the PATH",
            "pip install 'sumatra[hg]', or apt install mercurial",
        )
    return found


class Hg(Lasting["_Server"]):
    """The hg program, asked about the repository *root*; *writes* may be a path that it may write to."""

    def __init__(
        self, root: str, settings: Mapping[str, str] | None = None, *, writes: str = "", allows: Sequence[str] = (),
        requires: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.program = find_hg()
        self.root = root
        self._settings = [
            *_SETTINGS,
            *(f"extensions.{_NEEDED[need]}=" for need in requires if need in _NEEDED),
            *(f"{name}={value}" for name, value in (settings or {}).items()),
        ]
        self._writes = writes
        self._allows = allows

    def ask(self, *words: str | bytes, most: int | None = None, within: bool = True) -> Reply:
        """Return what hg says to *words*, whether it succeeds or not; *within* the repository or without one."""
        output = bytearray()
        with self._lock:
            server = self._start()
            try:
                for piece in server.run(self._words(words, within)):
                    output += piece
                    if most is not None and len(output) > most:
                        self.stop()
                        return Reply(255, bytes(output[:most]), "", whole=False)
            except BaseException:
                self.stop()
                raise
            self._rest()
            return Reply(server.status, bytes(output), server.complaint)

    def say(self, *words: str | bytes) -> bytes:
        """Return what hg prints, or raise `VersionControlError` if it fails."""
        reply = self.ask(*words)
        if reply.status != 0:
            raise self.trouble(reply)
        return reply.output

    def pieces(self, *words: str | bytes) -> Iterator[bytes]:
        """Yield what hg prints, piece by piece; raises `VersionControlError` at the end if it fails.

        That it may not enter sub-repositories is no failure: it comes to them last.
        """
        with self._lock:
            server = self._start()
            finished = False
            try:
                yield from server.run(self._words(words, True))
                finished = True
            finally:
                if not finished:
                    self.stop()
            self._rest()
            if server.status != 0 and NO_SUBREPOS not in server.complaint:
                raise self.trouble(Reply(server.status, b"", server.complaint))

    def trouble(self, reply: Reply) -> VersionControlError:
        """Return what went wrong, as a sentence."""
        return VersionControlError(
            f"hg can't read {printable(self.root)}: {self.said(reply)}", "hg verify may say more"
        )

    def said(self, reply: Reply) -> str:
        """Return hg's own sentence about what went wrong, without secrets."""
        lines = [line for line in reply.complaint.splitlines() if line.strip()]
        told = [line.removeprefix("abort: ") for line in lines if line.startswith("abort: ")] or lines[-1:]
        return printable(scrub_text(told[0])) if told else f"it ended with status {reply.status}"

    def _words(self, words: Sequence[str | bytes], within: bool) -> list[bytes]:
        place = [b"-R", os.fsencode(self.root)] if within else []
        return [*place, *(os.fsencode(word) for word in words)]

    def _start(self) -> "_Server":
        return self._started(lambda: _Server(self.program, self.root, self._settings, self._environment()))

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HG", "CHG", "SMT_HG_"))}
        return {
            **kept, "HGPLAIN": "+strictflags", "HGRCPATH": "", "HGRCSKIPREPO": "1", "HGENCODING": "utf-8",
            "HGENCODINGMODE": "replace", "LC_ALL": "C.UTF-8", "LANGUAGE": "", "SMT_HG_WRITES": self._writes,
            "SMT_HG_ALLOWS": " ".join(self._allows),
        }


class _Server:
    """One process that runs commands of hg, one after the other."""

    def __init__(self, program: str, root: str, settings: Sequence[str], environment: Mapping[str, str]) -> None:
        self.status = 0
        self.complaint = ""
        self._root = root
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the process
        words = [program]
        for setting in settings:
            words += ["--config", setting]
        try:
            self._child = subprocess.Popen(  # noqa: S603  a list of words, no shell
                [*words, "serve", "--cmdserver", "pipe"], cwd=os.sep, env=environment, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=self._said, bufsize=0, close_fds=False,
            )
        except (OSError, ValueError) as error:
            raise VersionControlError(f"hg can't be asked about {printable(root)}: {error}") from error
        self._ahead = bytearray()  # what was read and isn't used yet
        try:
            greeting = self._line()
            if greeting != b"guarded by sumatra\n":
                self._fail_to_start(program, greeting)
            channel, size = self._header()
            if channel != b"o":
                self._fail_to_start(program, b"")
            self._exactly(size)
        except BaseException:
            self.stop()
            raise

    def _fail_to_start(self, program: str, greeting: bytes) -> None:
        if greeting:
            raise VersionControlError(
                f"{program} is too old to be kept from running what a repository names",
                "Mercurial 5.4 or later is needed: pip install 'sumatra[hg]'",
            )
        with suppress(OSError, subprocess.TimeoutExpired):
            self._child.wait(5)
        self._said.seek(0)
        lines = self._said.read(10_000).decode("utf-8", "replace").strip().splitlines()
        raise VersionControlError(
            f"hg doesn't start: {printable(lines[-1]) if lines else 'it says nothing'}", "hg version"
        )

    def run(self, words: Sequence[bytes]) -> Iterator[bytes]:
        """Yield what the command *words* prints; afterwards there are *status* and *complaint*."""
        if any(b"\0" in word for word in words):
            raise VersionControlError(f"a name with a NUL in it can't be asked for in {printable(self._root)}")
        complaint = bytearray()
        question = b"\0".join(words)
        self._send(b"runcommand\n" + struct.pack(">I", len(question)) + question)
        while True:
            channel, size = self._header()
            if channel == b"o":
                while size:
                    piece = self._some(size)
                    size -= len(piece)
                    yield piece
            elif channel == b"r":
                self.status = struct.unpack(">i", self._exactly(size))[0]
                self.complaint = complaint.decode("utf-8", "replace")
                return
            elif channel in b"IL":
                self._send(struct.pack(">I", 0))  # there is nobody to answer
            else:
                said = self._exactly(size)
                complaint += said[:10_000] if channel == b"e" else b""

    def _send(self, data: bytes) -> None:
        try:
            self._child.stdin.write(data)  # type: ignore[union-attr]
            self._child.stdin.flush()  # type: ignore[union-attr]
        except OSError as error:
            raise self._died() from error

    def _header(self) -> tuple[bytes, int]:
        channel, size = struct.unpack(">cI", self._exactly(5))
        return channel, size

    def _line(self) -> bytes:
        """Return the first line: what was printed before the conversation begins."""
        line = b""
        while not line.endswith(b"\n") and len(line) < 200:
            try:
                line += self._exactly(1)
            except VersionControlError:
                break
        return line

    def _exactly(self, size: int) -> bytes:
        if size > _LONGEST_FRAME:
            raise self._died()
        whole = bytearray()
        while len(whole) < size:
            whole += self._some(size - len(whole))
        return bytes(whole)

    def _some(self, most: int) -> bytes:
        """Return at least one byte of what the process prints, and not more than *most*."""
        if not self._ahead:
            output = self._child.stdout
            ready = select.poll()
            ready.register(output, select.POLLIN)  # type: ignore[arg-type]  # it is a pipe
            piece = os.read(output.fileno(), _PIECE) if ready.poll(_PATIENCE * 1000) else b""  # type: ignore[union-attr]
            if not piece:
                raise self._died()
            self._ahead += piece
        taken = bytes(self._ahead[:most])
        del self._ahead[:most]
        return taken

    def _died(self) -> VersionControlError:
        return VersionControlError(
            f"hg ended while it was asked about {printable(self._root)}", "hg verify may say more"
        )

    def stop(self) -> None:
        """End the process."""
        end(self._child, self._said)
