"""The p4 program, asked so that nothing but its answer comes of it.

What a folder says in its ``.p4config`` is read here and handed over word by word; p4 itself reads no such file, no
aliases, and gets nothing that could name a program.  The server is trusted no further than that: p4 may touch files
only in a folder that we name, by default in none.  It answers in Python's marshalled dictionaries (``-G``), of which
we read the three kinds that p4 writes, without `marshal`, which isn't safe with what a stranger may have made.
"""

import os
import re
import stat
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, NamedTuple

from sumatra.errors import VersionControlError
from sumatra.process import ask, find_program, listen
from sumatra.versioncontrol._text import printable

__all__ = ["P4", "Answer", "Settings", "config_name", "decoded", "encoded", "find_p4", "settings_of", "unmarshalled"]

#: What a folder may say about how to reach its server; all else in its ``.p4config`` is passed over.
_ALLOWED = ("P4PORT", "P4CLIENT", "P4USER", "P4CHARSET", "P4HOST", "P4PASSWD", "P4IGNORE")
#: A server, by TCP alone: ``rsh:`` starts a program.
_PORT = r"(?:(?:tcp|ssl)(?:4|6|46|64)?:)?(?:(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\]):)?[0-9]{1,5}"
_NAME = r"[^\s/@#%*\x00-\x1f\x7f-][^\s/@#%*\x00-\x1f\x7f]{0,200}"
_LONGEST = 1 << 24  # bytes of one value
_PIECE = 1 << 16  # bytes
_SIZE = struct.Struct("<I")
_OPEN, _CLOSE, _NUMBER = b"{0i"
_KINDS = frozenset(b"siu")
_QUESTION = 60.0  # seconds
_FIRST = 10.0  # seconds, to find out whether there is a server
_PROGRAMS = ("P4EDITOR", "P4DIFF", "P4DIFFUNICODE", "P4MERGE", "P4MERGEUNICODE", "P4PAGER", "P4LOGINSSO", "P4ZEROSYNC",
             "P4ALTSYNC", "P4EXTENSIONS", "P4DEBUG", "P4INITROOT", "P4CLIENTPATH", "P4DIAGLOG", "P4COLORS")

Item = dict[str, bytes]


class Answer(NamedTuple):
    """What p4 said."""

    items: list[Item]  #: what was asked for
    complaints: list[str]  #: a sentence each


class Settings(NamedTuple):
    """How the server of a folder is reached."""

    file: str  #: the innermost file that says so, or empty
    values: Mapping[str, str]  #: by the name of the environment variable; what the files say, and our environment


def config_name() -> str:
    """Return how the files are called that say to which workspace a folder belongs."""
    name = os.environ.get("P4CONFIG", "")
    return name if name and os.path.basename(name) == name and name not in (".", "..") else ".p4config"


def settings_of(folder: str) -> Settings:
    """Return what the files in *folder* and above say, the inner ones first, and then our own environment."""
    first = ""
    found: dict[str, str] = {}
    here = os.path.abspath(folder)
    while True:
        path = os.path.join(here, config_name())
        if os.path.lexists(path):
            first = first or path
            for name, value in _lines(path):
                if name in _ALLOWED and value:
                    found.setdefault(name, value)
        above = os.path.dirname(here)
        if above == here:
            break
        here = above
    asked = found.get("P4PORT")
    for name in _ALLOWED:
        value = os.environ.get(name, "")
        # The password is the user's: it isn't for any server that a folder may name.
        if value and (name != "P4PASSWD" or asked in (None, os.environ.get("P4PORT"))):
            found.setdefault(name, value)
    return Settings(first, found)


def find_p4() -> str:
    """Return the path of the p4 program, or raise `VersionControlError`."""
    program = find_program("p4")
    if program is None:
        raise VersionControlError("the program p4 isn't installed", "get Perforce's command-line client")
    return program


def encoded(path: str) -> str:
    """Return *path* with the letters that mean something to Perforce as it writes them."""
    return path.replace("%", "%25").replace("@", "%40").replace("#", "%23").replace("*", "%2A")


def decoded(path: str) -> str:
    """Return what `encoded` was given."""
    return re.sub("%(40|23|2A|2a|25)", lambda found: chr(int(found[1], 16)), path)


class P4:
    """The program with one server and one workspace."""

    def __init__(self, settings: Settings, folder: str) -> None:
        self._program = find_p4()
        self._folder = folder
        values = settings.values
        self.port = values.get("P4PORT", "")
        self.client = values.get("P4CLIENT", "")
        if self.port and not re.fullmatch(_PORT, self.port):
            raise VersionControlError(
                f"the address of the Perforce server, {_shown(self.port)!r} in {printable(settings.file or 'P4PORT')}, "
                "isn't one that Sumatra uses", "only host:port, with ssl: or tcp: before it: others start programs",
            )
        for name in ("P4CLIENT", "P4USER", "P4CHARSET", "P4HOST"):
            if name in values and not re.fullmatch(_NAME, values[name]):
                raise VersionControlError(f"{name} in {printable(settings.file or 'the environment')} isn't a name")
        self._environment = {name: values[name] for name in _ALLOWED if name in values}
        self._environment |= {"P4CONFIG": os.devnull, "P4ALIASES": os.devnull}
        self._environment |= dict.fromkeys(_PROGRAMS, "")
        self._without = [name for name in os.environ if name.startswith("P4") and name in _ALLOWED]
        self._has_answered = False

    def ask(self, *words: str) -> Answer:
        """Return what p4 answers to *words*; raises `VersionControlError` where the server can't be asked at all."""
        answer = self._run(["-G", *words])
        items, complaints = [], []
        found, done = unmarshalled(answer.output)
        if done < len(answer.output):
            raise _unreadable()
        for item in found:
            if item.get("code") == b"error":
                complaints.append(_sentence(item.get("data", b"")))
            else:
                items.append(item)
        complaint = answer.complaint if answer.status != 0 and not items else ""
        if complaint and not complaints:
            complaints.append(_sentence(complaint.encode()))
        self._has_answered = True
        for said in complaints:
            self._refuse(said)
        return Answer(items, complaints)

    def stream(self, *words: str) -> Iterator[Item]:
        """Yield what p4 answers to *words*, one by one: for answers too long to be held in memory."""
        with listen(
            self._words(["-G", *words]), cwd=os.sep, environment=self._guarded(""), without=self._without,
        ) as output:
            yield from _read(output)

    def tell(self, words: Sequence[str], form: bytes = b"", *, writes: str = "", timeout: float = _QUESTION) -> None:
        """Have the server do something; p4 may write into the folder *writes*."""
        answer = self._run(list(words), form or None, writes, timeout)
        if answer.status != 0:
            self._refuse(answer.complaint)
            raise VersionControlError(f"p4 {words[0]} failed: {_sentence(answer.complaint.encode())}")

    def ignored(self, paths: Sequence[str]) -> set[str]:
        """Return those of *paths* (absolute; all files, or all folders) that p4 ignores; no server is asked."""
        found: set[str] = set()
        for start in range(0, len(paths), 500):
            answer = self._run(["ignores", "-i", *paths[start:start + 500]])
            said = set(os.fsdecode(answer.output).split(" ignored\n"))
            found.update(path for path in paths[start:start + 500] if path in said)
        return found

    def _run(
        self, words: list[str], stdin: bytes | None = None, writes: str = "", timeout: float | None = None
    ) -> "ProgramAnswer":
        limit = timeout or (_QUESTION if self._has_answered else _FIRST)
        try:
            answer = ask(
                self._words(words), cwd=os.sep, environment=self._guarded(writes), without=self._without, stdin=stdin,
                timeout=limit,
            )
        except TimeoutError as error:
            raise VersionControlError(
                f"the Perforce server {self._server()} didn't answer in {limit:g} s", "p4 info"
            ) from error
        except OSError as error:
            raise VersionControlError(f"p4 can't be started: {error.strerror}") from error
        return ProgramAnswer(answer.status, answer.output, answer.complaint)

    def _words(self, words: list[str]) -> list[str]:
        return [self._program, "-d", self._folder, *words]

    def _guarded(self, writes: str) -> dict[str, str]:
        """Return the environment in which the server can have p4 touch files below *writes* only."""
        return {**self._environment, "P4CLIENTPATH": writes or os.path.join(os.devnull, "nothing")}

    def _server(self) -> str:
        return printable(self.port or "perforce:1666")

    def _refuse(self, said: str) -> None:
        """Raise `VersionControlError` if *said* tells that nothing can be asked."""
        plain = " ".join(said.split())
        login = f"p4 -p {self._server()} login"
        if re.search(r"P4PASSWD\) invalid or unset|session was logged out|must login", plain, re.IGNORECASE):
            raise VersionControlError(f"you aren't logged in to the Perforce server {self._server()}", login)
        if re.search(r"session has expired|ticket.*expired", plain, re.IGNORECASE):
            raise VersionControlError(f"your session with the Perforce server {self._server()} has expired", login)
        if re.search(r"Connect to server failed|TCP (?:connect|send|receive)|Partner exited|SSL connect", plain):
            raise VersionControlError(
                f"the Perforce server {self._server()} can't be reached",
                "p4 info: is it running, and the network there?"
            )
        if re.search("authenticity of|fingerprint|IDENTIFICATION HAS CHANGED", plain):
            raise VersionControlError(
                f"the Perforce server {self._server()} isn't one that you have trusted", f"p4 -p {self._server()} trust"
            )
        if re.search("don't have permission|Access for user|unicode enabled clients|must create client|doesn't exist",
                     plain):
            raise VersionControlError(f"the Perforce server {self._server()} refuses: {_sentence(plain.encode())}")


class ProgramAnswer(NamedTuple):
    """How p4 ended."""

    status: int
    output: bytes
    complaint: str


def _lines(path: str) -> Iterator[tuple[str, str]]:
    """Yield names and values in a regular file of settings."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would keep us waiting
            return
        with open(path, "rb") as file:
            text = os.fsdecode(file.read(100_000))
    except OSError:
        return
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            yield name, value.replace("$configdir", os.path.dirname(path))


def _read(output: IO[bytes]) -> Iterator[Item]:
    """Yield the dictionaries that p4 marshals, as they come."""
    rest = b""
    while piece := output.read(_PIECE):
        items, done = unmarshalled(rest + piece)
        yield from items
        rest = (rest + piece)[done:]
        if len(rest) > _LONGEST:
            break
    if rest:
        raise _unreadable()


def unmarshalled(content: bytes) -> tuple[list[Item], int]:
    """Return the dictionaries in *content* that are whole, and where the next begins.

    Raises `VersionControlError` for what p4 doesn't write: anything but text by text, or numbers of four bytes.
    """
    items: list[Item] = []
    names: dict[bytes, str] = {}
    size_of = _SIZE.unpack_from
    begin, end = 0, len(content)
    while begin < end:
        if content[begin] != _OPEN:
            raise _unreadable()
        at, item, name = begin + 1, {}, None
        while True:
            if at >= end:
                return items, begin
            kind = content[at]
            if kind == _CLOSE and name is None:
                break
            if kind not in _KINDS:
                raise _unreadable()
            if at + 5 > end:
                return items, begin
            after = at + 5
            if kind == _NUMBER:
                value = str(int.from_bytes(content[at + 1:after], "little", signed=True)).encode()
            else:
                after += size_of(content, at + 1)[0]
                if after > end:
                    if after - at > _LONGEST:
                        raise _unreadable()
                    return items, begin
                value = content[at + 5:after]
            at = after
            if name is None:
                name = names.get(value) or names.setdefault(value, value.decode("utf-8", "replace"))
            else:
                item[name], name = value, None
        items.append(item)
        begin = at + 1
    return items, begin


def _unreadable() -> VersionControlError:
    return VersionControlError("p4 says something that Sumatra can't read", "p4 -V: is it Perforce's own?")


def _sentence(said: bytes) -> str:
    """Return a complaint of p4's as one line; of several the first few words suffice."""
    return printable(" ".join(os.fsdecode(said).split()))[:300]


def _shown(port: str) -> str:
    """Return a strange address so that it can stand in a sentence: a command in it isn't repeated."""
    return printable(port.partition(":")[0] + ":…" if ":" in port else port)[:40]
