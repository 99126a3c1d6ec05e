"""Observe a program by ``strace``, where the kernel lets nobody listen to the program's calls.

The program is our child all the same: strace is started in its place, puts itself into a session of its own, and lets
the process that it was become the program (``-DDD``).  Only the calls that name files stop (``--seccomp-bpf``).  Its
log is translated into records as `sumatra.capture.trace` has them.  It tells results, so only what succeeded counts;
but not what was there before.
"""

import ctypes
import errno
import os
import re
import stat
import struct
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sumatra.capture.starting import NotPossible, is_binary, spawn
from sumatra.capture.syscalls import CALLS
from sumatra.capture.trace import ABSENT, FIRST, UNKNOWN, Record, state_of
from sumatra.process import ask, find_program

__all__ = ["StraceObserver", "begin", "translate"]

_OLDEST = (5, 5)
_MAKING = ("clone", "clone3", "fork", "vfork")

#: Seconds that we wait for strace to write its last line.
_PATIENCE = 1.0


class StraceObserver:
    """The observer of one run."""

    method = "strace"

    def __init__(self, log_path: str, program: str, *, filtered: bool) -> None:
        self._log_path = log_path
        self._program = program
        self._filtered = filtered
        self._pid = 0
        with open(log_path, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as log:
            log.write(b"%sstrace %.6f\0%s\0%d\0\n" % (FIRST, time.time(), os.getcwdb(), os.geteuid() == 0))

    def spawn(
        self,
        path: str,
        words: Sequence[str],
        environment: Mapping[str, str],
        descriptors: Mapping[int, int],
        mask: Iterable[int],
    ) -> int:
        """Start the program at *path* under strace, and return its pid; see `sumatra.capture.starting.spawn`.

        Where *path* isn't what strace would find by the first word, the program sees *path* as its name.
        """
        _check(path)
        words = [*words]
        if _is_plain_script(path):
            words = ["/bin/sh", path if "/" in path else f"./{path}", *words[1:]]
        elif words[0] != path and _found(words[0], environment) != path:
            words[0] = path if "/" in path else f"./{path}"
        calls = ",".join(f"?{name}" for name in (*CALLS, *_MAKING))
        options = ["-A", "-DDD", "-f", "-y", "-ttt", "-s", "4096", "-o", self._log_path, "-e", f"trace={calls}"]
        if self._filtered:
            options.append("--seccomp-bpf")
        self._pid = spawn(self._program, [self._program, *options, "--", *words], environment, descriptors, mask)
        return self._pid

    def close(self) -> None:
        """Wait until strace has written down that the program ended, if it has."""
        if not self._pid:
            return
        last = re.compile(rb"^%d +[\d.]+ \+\+\+ (?:exited|killed)" % self._pid, re.MULTILINE)
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            with open(self._log_path, "rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - (1 << 16)))
                if last.search(log.read()):
                    return
            time.sleep(0.002)


def begin(log_path: str) -> StraceObserver:
    """Return an observer that has strace write to *log_path*; raise `NotPossible` with the reason if it can't be."""
    program = find_program("strace")
    if program is None:
        raise NotPossible("strace isn't installed")
    try:
        answer = ask([program, "-V"], timeout=10)
    except (OSError, TimeoutError) as error:
        raise NotPossible(f"strace can't be started: {error}") from error
    version = re.search(rb"version (\d+)\.(\d+)", answer.output)
    if not version or tuple(map(int, version.groups())) < _OLDEST:
        raise NotPossible("strace is older than 5.5")
    # Where somebody listens to our calls already, strace's own filter would be overruled.
    return StraceObserver(log_path, program, filtered=_filters() == 0)


def _filters() -> int:
    try:
        with open("/proc/self/status", "rb") as file:
            for line in file:
                if line.startswith(b"Seccomp_filters:"):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0


def _check(path: str) -> None:
    """Raise the `OSError` that starting *path* would raise: strace would say it to the user in words of its own."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode) or not os.access(path, os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    interpreter = _interpreter(path)
    if interpreter and not os.path.exists(interpreter):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    if not interpreter and not _is_elf(path) and is_binary(path):
        raise OSError(errno.ENOEXEC, os.strerror(errno.ENOEXEC), path)


def _beginning(path: str | bytes) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(256)
    except OSError:
        return b"\x7fELF"  # it can be run, but not be read


def _interpreter(path: str | bytes) -> bytes | None:
    first = _beginning(path).partition(b"\n")[0]
    words = first[2:].split() if first.startswith(b"#!") else []
    return words[0] if words else None


def _is_elf(path: str) -> bool:
    return _beginning(path).startswith(b"\x7fELF")


def _is_plain_script(path: str) -> bool:
    beginning = _beginning(path)
    return not beginning.startswith((b"\x7fELF", b"#!")) and not is_binary(path)


def _found(name: str, environment: Mapping[str, str]) -> str:
    """Return the path at which strace will find *name*."""
    if "/" in name:
        return name
    for folder in environment.get("PATH", "").split(":"):
        candidate = os.path.join(folder or ".", name)
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    return ""


# --- the log

_LINE = re.compile(rb"(\d+) +(\d+\.\d+) (.*)", re.DOTALL)
_CALL = re.compile(rb"(\w+)\((.*)\) += (-?\d+)(?:<((?:[^>\\]|\\.)*)>(\(deleted\))?)?", re.DOTALL)
_TEXT = re.compile(rb'"((?:[^"\\]|\\.)*)"')
_FOLDER = re.compile(rb"(?:AT_FDCWD|\d+)<((?:[^>\\]|\\.)*)>")
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f"}
_FLAG = re.compile(rb"\b(O_[A-Z]+|RENAME_[A-Z]+|AT_[A-Z_]+)\b")
_BITS = {
    b"RENAME_NOREPLACE": 1, b"RENAME_EXCHANGE": 2, b"O_WRONLY": os.O_WRONLY, b"O_RDWR": os.O_RDWR,
    b"O_CREAT": os.O_CREAT, b"O_TRUNC": os.O_TRUNC, b"O_EXCL": os.O_EXCL, b"O_PATH": os.O_PATH,
    b"O_DIRECTORY": os.O_DIRECTORY, b"O_TMPFILE": os.O_DIRECTORY,
}
_CODES = {"uring": b"io-uring", "handle": b"opened-by-handle"}
_AT_FDCWD, _AT_SYMLINK_NOFOLLOW, _BIRTH = -100, 0x100, 0x800


def translate(data: bytes) -> Iterator[Record]:
    """Yield the records that strace's log *data* amounts to."""
    first, folder, privileged, rest = data.split(b"\0", 3)
    yield Record("o", [b"0", privileged], [])
    yield from _Translation(float(first.split()[-1]), folder, rest[1:].split(b"\n")).records()


class _Translation:
    """One log on its way into records."""

    def __init__(self, began: float, folder: bytes, lines: Sequence[bytes]) -> None:
        self._began = began
        self._lines = lines
        self._statx = getattr(ctypes.CDLL(None), "statx", None)
        self._parents: dict[bytes, list[tuple[bytes, bool]]] = {}
        self._numbers: dict[bytes, bytes] = {}  #: of a thread: the process that the log of records knows
        self._folders: dict[bytes, bytes] = {}  #: current folder of a process
        self._first_folder = folder
        self._exes: dict[bytes, bytes] = {}
        self._leaders: dict[bytes, bytes] = {}
        self._count = 0

    def records(self) -> Iterator[Record]:
        self._find_parents()
        for pid, time_, text in self._whole():
            yield from self._known(pid, time_)
            number = self._numbers[pid]
            if text.startswith(b"+++"):
                yield from self._ended(pid, number, time_, text)
                continue
            call = _CALL.match(text)
            if call and int(call[3]) >= 0 and call[1].decode() in CALLS:
                yield from self._call(number, time_, call)

    def _whole(self) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Yield the lines, those whole that were interrupted by another's."""
        begun: dict[bytes, bytes] = {}
        for line in self._lines:
            match = _LINE.match(line)
            if not match:
                continue
            pid, time_, text = match.groups()
            if text.endswith(b" <unfinished ...>"):
                begun[pid] = text[: -len(b" <unfinished ...>")]
            elif text.startswith(b"<... "):
                yield pid, time_, begun.pop(pid, b"") + text.partition(b" resumed>")[2]
            elif not text.startswith(b"---"):
                yield pid, time_, text

    def _find_parents(self) -> None:
        for pid, _, text in self._whole():
            call = _CALL.match(text) if text.startswith((b"clone", b"fork", b"vfork")) else None
            if call and int(call[3]) > 0:
                self._parents.setdefault(call[3], []).append((pid, b"CLONE_THREAD" in call[2]))

    def _known(self, pid: bytes, time_: bytes) -> Iterator[Record]:
        """Make sure that the process *pid* has a number."""
        if pid in self._numbers:
            return
        parents = self._parents.get(pid)
        parent, is_thread = parents.pop(0) if parents else (b"0", False)
        if parent != b"0":
            yield from self._known(parent, time_)
        if is_thread:
            self._numbers[pid] = self._numbers[parent]
            return
        above = self._numbers.get(parent, b"")
        number = self._numbers[pid] = b"%d" % self._count
        self._count += 1
        self._leaders[number] = pid
        self._folders[number] = self._folders.get(above, self._first_folder)
        self._exes[number] = self._exes.get(above, b"")
        leader = self._leaders.get(above, b"0")
        yield Record("p", [number, pid, leader, b"%s-%s" % (number, time_), time_], [self._exes[number]])

    def _ended(self, pid: bytes, number: bytes, time_: bytes, text: bytes) -> Iterator[Record]:
        del self._numbers[pid]
        if self._leaders.get(number) != pid:
            return
        words = text.split()
        if text.startswith(b"+++ exited with"):
            yield Record("e", [number, time_, words[3]], [])
        elif text.startswith(b"+++ killed by"):
            yield Record("e", [number, time_, b"-%d" % _signal(words[3])], [])

    def _call(self, number: bytes, time_: bytes, call: re.Match[bytes]) -> Iterator[Record]:
        name, arguments, _, result, deleted = call.groups()
        kind = CALLS[name.decode()].kind
        flags = sum(_BITS.get(flag, 0) for flag in set(_FLAG.findall(_TEXT.sub(b"", arguments))))
        if result is not None and kind in ("open", "open2", "handle"):  # strace could look which file it is
            if not deleted and not flags & (os.O_DIRECTORY | os.O_PATH):
                yield from self._opened(number, _plain(result), flags | CALLS[name.decode()].always)
            return
        if kind == "execute":
            yield from self._executed(number, time_, arguments)
            return
        if kind in ("uring", "handle"):
            yield Record("!", [number, _CODES[kind]], [self._exes[number]])
            return
        names = list(self._names(number, arguments))
        if kind == "chdir" and (names or b"<" in arguments):
            self._folders[number] = names[0] if names else _plain((_FOLDER.match(arguments) or [b"", b""])[1])
        elif not names and b"0x" in arguments:
            yield Record("!", [number, b"hidden"], [self._exes[number]])
        elif kind in ("open", "open2") and names:
            if not flags & (os.O_DIRECTORY | os.O_PATH):
                path = os.path.realpath(names[0]) if not names[0].startswith(b"/proc/") else names[0]
                yield from self._opened(number, path, flags | CALLS[name.decode()].always)
        elif kind == "mknod" and names and b"S_IFREG" in arguments:
            yield Record("w", [number, b"%d" % (os.O_CREAT | os.O_EXCL), ABSENT], names[:1])
        elif kind == "rename" and len(names) == 2:
            yield Record("m", [number, b"%d" % (flags & 2), _folder_state(names[1]), UNKNOWN], names)
        elif kind == "link" and len(names) == 2:
            nameless = names[0].startswith(b"/proc/") or b"AT_EMPTY_PATH" in arguments
            yield Record("l", [number, UNKNOWN, ABSENT], [b"" if nameless else names[0], names[1]])
        elif kind == "symlink" and names:
            yield Record("s", [number, ABSENT], [names[-1], b""])
        elif kind == "unlink" and names and b"AT_REMOVEDIR" not in arguments:
            yield Record("u", [number, UNKNOWN], names[:1])
        elif kind == "mkdir" and names:
            yield Record("k", [number], names[:1])

    def _opened(self, number: bytes, name: bytes, flags: int) -> Iterator[Record]:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
            # One that is gone is taken for the run's own, as journals and locks are: nothing says that it was there.
            is_own = flags & os.O_ACCMODE == os.O_RDWR and not os.path.lexists(name)
            made = flags & os.O_CREAT and (flags & os.O_EXCL or is_own or self._is_born_here(name))
            state = ABSENT if made else UNKNOWN
            yield Record("w", [number, b"%d" % flags, state], [name])
        else:
            yield Record("r", [number, UNKNOWN], [name])

    def _is_born_here(self, name: bytes) -> bool:
        """Tell whether the file called *name* is younger than the run, where the file system knows."""
        if self._statx is None:
            return False
        about = ctypes.create_string_buffer(256)
        if self._statx(_AT_FDCWD, name, _AT_SYMLINK_NOFOLLOW, _BIRTH, about):
            return False
        (mask,) = struct.unpack_from("=I", about)
        seconds, nanoseconds = struct.unpack_from("=qI", about, 80)
        return bool(mask & _BIRTH) and seconds + nanoseconds / 1e9 >= self._began

    def _executed(self, number: bytes, time_: bytes, arguments: bytes) -> Iterator[Record]:
        names = list(self._names(number, arguments.partition(b"[")[0]))
        words = [_plain(word) for word in _TEXT.findall(arguments.partition(b"[")[2].partition(b"], 0x")[0])]
        if not names:
            return
        path = os.path.realpath(names[0])
        try:
            state = state_of(os.stat(path))
        except OSError:
            state = UNKNOWN
        interpreter = _interpreter(path)
        exe = os.path.realpath(interpreter) if interpreter else path
        self._exes[number] = exe
        yield Record("x", [number, time_, b"%d" % len(words), state], [path, *words])
        yield Record("y", [number, time_], [exe])

    def _names(self, number: bytes, arguments: bytes) -> Iterator[bytes]:
        """Yield the names among *arguments*, each made absolute by the folder that stands before it."""
        place = 0
        folder = self._folders[number]
        for match in _TEXT.finditer(arguments):
            before = _FOLDER.findall(arguments[place : match.start()])
            place = match.end()
            base = _plain(before[-1]) if before else folder
            yield _true(os.path.join(base, _plain(match[1])))


def _plain(text: bytes) -> bytes:
    """Return *text* without the escapes that strace writes."""
    if b"\\" not in text:
        return text

    def letter(match: re.Match[bytes]) -> bytes:
        code = match[1]
        return bytes([int(code, 8) & 255]) if code[:1].isdigit() else _LETTERS.get(code, code)

    return _ESCAPE.sub(letter, text)


def _true(name: bytes) -> bytes:
    """Return *name* without symbolic links in the folders, as far as they are still there."""
    folder, last = os.path.split(name.rstrip(b"/"))
    return os.path.join(os.path.realpath(folder), last) if last not in (b"", b".", b"..") else os.path.realpath(name)


def _folder_state(name: bytes) -> bytes:
    """Return the state of a folder that has got this *name*; for files it isn't known what they were."""
    try:
        status = os.lstat(name)
    except OSError:
        return UNKNOWN
    return state_of(status) if stat.S_ISDIR(status.st_mode) else UNKNOWN


def _signal(name: bytes) -> int:
    import signal

    try:
        return signal.Signals[name.decode()].value
    except KeyError:
        return 0
