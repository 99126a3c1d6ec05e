"""Write down what the program does, from the events by which Python lets itself be audited (3.8 and later).

Each event comes just before the deed, so records are those of `sumatra.capture.trace`, and they are in the log before
the deed is done.  No event tells all: `os.open` doesn't say which folder a name is relative to, and children that are
given an environment of their own would be lost.  Those few functions are replaced by ones that add what is missing.

What is asked of the system here raises no events itself, so a program's own audit hooks see nothing of us.
"""

import os
import posix
import sys
import time
from _thread import get_ident

TYPE_CHECKING = False  # the program may not need typing
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

__all__ = ["blocks", "install", "is_python", "with_us"]

_TYPE, _FILE, _LINK, _FOLDER = 0o170000, 0o100000, 0o120000, 0o040000
_NO_FOLLOW = getattr(posix, "O_NOFOLLOW", 0)
_TELLING = posix.O_ACCMODE | posix.O_CREAT | posix.O_TRUNC | posix.O_EXCL | _NO_FOLLOW
_TO_CHANGE = posix.O_WRONLY | posix.O_RDWR | posix.O_CREAT | posix.O_TRUNC
_ELSEWHERE = getattr(posix, "O_PATH", 0)

_MOST_SEEN = 4096
_MOST_FOLDERS = 512
_LONGEST_ARGUMENTS = 1 << 16

_open_file = posix.open
_NAMES = (b"PYTHONPATH", b"SUMATRA_AUDIT")


def install(logs: bytes, here: bytes) -> None:
    """Begin to write to the *logs*; *here* is the folder that has to be in front of ``PYTHONPATH``."""
    audit = _Audit(logs, here)
    audit.begin()
    sys.addaudithook(audit.hook)
    audit.replace_functions()


# --- how the variables are passed on; used by who starts the first program, too


def with_us(environment: "Mapping[Any, Any]", logs: bytes, here: bytes) -> "dict[Any, Any]":
    """Return *environment* (of texts or bytes) with what makes a Python program that gets it load us."""
    new = dict(environment)
    path = _NAMES[0] if _NAMES[0] in new else "PYTHONPATH"
    log = _NAMES[1] if _NAMES[1] in new else "SUMATRA_AUDIT"
    value = new.get(path)
    new[path] = os.fsdecode(_joined(None if value is None else os.fsencode(value), here))
    new[log] = os.fsdecode(_both(os.fsencode(new.get(log, b"")), logs))
    return new


def _joined(value: "bytes | None", here: bytes) -> bytes:
    """Return a ``PYTHONPATH`` that begins with *here*; a slash at its end says that there was an empty one."""
    if value is None:
        return here
    if here in value.split(b":") or here + b"/" in value.split(b":"):
        return value
    return here + b":" + value if value else here + b"/"


def _both(one: bytes, other: bytes) -> bytes:
    """Return two lists of logs as one: a run inside a run writes to both; each path stands without its first slash."""
    return b"//".join(dict.fromkeys([*filter(None, one.split(b"//")), *other.split(b"//")]))


def is_python(name: bytes) -> bool:
    """Tell whether a program of this *name* or path is a Python."""
    name = name.rpartition(b"/")[2]
    for kind in (b"python", b"pypy"):
        if name.startswith(kind):
            return not name[len(kind) :].strip(b"0123456789.mtdu")
    return False


def blocks(words: "list[bytes]") -> bool:
    """Tell whether the options of a Python that is started with *words* keep it from loading us."""
    rest = words[1:]
    while rest and rest[0][:1] == b"-" and rest[0] not in (b"-", b"--") and rest[0][:2] != b"--":
        for place, letter in enumerate(rest[0][1:], 2):
            if letter in b"IES":
                return True
            if letter in b"cm":
                return False
            if letter in b"WXQ":
                if place == len(rest[0]):
                    rest = rest[1:]
                break
        rest = rest[1:]
    return False


# --- asking the system


def _is_handlers(error: BaseException) -> bool:
    """Tell, where *error* can only come from a call to the system, whether a handler of signals has raised it instead.
    """
    return error.__traceback__ is not None and error.__traceback__.tb_next is not None


def _is_foreign(error: BaseException) -> bool:
    """Tell whether *error* was raised by a handler of signals that the program has, and not by what we do.

    Unlike `_is_handlers` this raises an event.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and not any(trace.tb_frame.f_globals is ours for ours in _OURS)


_OURS = (globals(), os.__dict__, os.path.__dict__)


def _status(path: bytes, *, follow: bool) -> "posix.stat_result | None":
    try:
        return posix.stat(path) if follow else posix.lstat(path)
    except (OSError, ValueError) as error:
        if _is_handlers(error):
            raise
        return None


def _link(path: bytes) -> bytes:
    try:
        return posix.readlink(path)
    except OSError as error:
        if _is_handlers(error):
            raise
        return b""


def _state(status: "posix.stat_result | None") -> bytes:
    if status is None:
        return b"-"
    return b"%d:%d:%o:%d:%d:%d:%d" % (
        status.st_dev, status.st_ino, status.st_mode, status.st_nlink, status.st_size, status.st_mtime_ns,
        status.st_ctime_ns,
    )


def _bytes(path: "Any") -> bytes:
    return os.fsencode(path)


class _Log:
    """One file, open for appending; its number is a high one that the program is unlikely to meet."""

    def __init__(self, path: bytes) -> None:
        self._path = path
        self._file = -1
        self._identity = (0, 0)
        self._lost = False

    def write(self, number: bytes, record: bytes) -> None:
        """Append one record, or none of it; what was lost is said as soon as there is room."""
        was_lost = self._lost
        if was_lost:
            record = b"! %s log-lost\0\0" % number + record
        try:
            is_whole = self._append(record)
        except BaseException:
            self._lost = True
            raise
        if not is_whole:
            self._lost = True
        elif was_lost:
            self._lost = False

    def _append(self, record: bytes) -> bool:
        if not self._is_open() and not self._open():
            return False
        written = posix.write(self._file, record)
        if written == len(record):
            return True
        size = posix.fstat(self._file).st_size
        if size == posix.lseek(self._file, 0, 1):  # nobody has written after us
            posix.ftruncate(self._file, size - written)
        return False

    def _is_open(self) -> bool:
        """Tell whether our number is still ours: the program may have closed it and use it for a file of its own."""
        try:
            status = posix.fstat(self._file)
        except OSError as error:
            if _is_handlers(error):
                raise
            return False
        return (status.st_dev, status.st_ino) == self._identity

    def _open(self) -> bool:
        try:
            file = _open_file(self._path, posix.O_WRONLY | posix.O_APPEND | posix.O_CLOEXEC)
        except Exception:  # noqa: BLE001  also of what the program has to say about opening
            return False
        status = posix.fstat(file)
        self._identity = (status.st_dev, status.st_ino)
        self._file = file
        top = min(posix.sysconf("SC_OPEN_MAX"), 1024) - 1
        for number in range(top, max(top - 32, file), -1):
            try:
                posix.fstat(number)
            except OSError:
                self._file = posix.dup2(file, number, False)
                posix.close(file)
                break
        return True


class _Audit:
    """What is known in one program, and in the copies that it makes of itself by forking."""

    def __init__(self, logs: bytes, here: bytes) -> None:
        self._here = here
        self._paths = logs
        self._logs = [_Log(b"/" + path) for path in logs.split(b"//")]
        self._pid = 0
        self._number = b""
        self._seen: set[tuple[object, ...]] = set()
        self._folders: dict[bytes, tuple[tuple[int, int], bytes]] = {}  #: their identities and true names
        self._given: dict[int, int] = {}  #: to which open folder a name is relative, by thread
        self._busy: set[int] = set()  #: threads that cause events themselves just now
        self._overwritten = False  #: whether the program has set our variables
        self._actions: dict[str, Callable[..., None]] = {
            "open": self._opened, "os.rename": self._rename, "os.link": self._hard_link,
            "os.symlink": self._symbolic_link, "os.remove": self._remove, "os.truncate": self._truncate,
            "os.mkdir": self._mkdir, "import": self._import, "ctypes.dlopen": self._load,
            "sqlite3.connect": self._connect, "subprocess.Popen": self._popen, "os.exec": self._execute,
            "os.posix_spawn": self._spawn, "os.system": self._system, "os.putenv": self._set, "os.unsetenv": self._set,
        }

    def hook(self, event: str, words: "tuple[Any, ...]") -> None:
        """Be told of *event*; nothing but what the program's own signal handlers raise gets out of here."""
        action = self._actions.get(event)
        if action is None or get_ident() in self._busy:
            return
        try:
            action(*words)
        except BaseException as error:
            if not isinstance(error, Exception) or _is_foreign(error):
                raise

    def begin(self) -> None:
        """Say which program this is, and what it has loaded already."""
        exe = _link(b"/proc/self/exe") or _bytes(sys.executable)
        words = self._ask(b"/proc/self/cmdline").split(b"\0")[:-1]
        number, now = self._me(), time.time()
        self._put(
            number, b"x %s %.3f %d %s" % (number, now, len(words), _state(_status(exe, follow=True))), exe, *words,
            b"y %s %.3f" % (number, now), exe,
        )
        for module in list(sys.modules.values()):
            about = getattr(module, "__dict__", {})
            spec = about.get("__spec__")
            file = getattr(spec, "cached", None) or about.get("__file__")
            if file and getattr(spec, "origin", "") != "frozen" and os.path.dirname(_bytes(file)) != self._here:
                self._read(file if os.path.isfile(file) else about.get("__file__"))

    # --- writing

    def _me(self) -> bytes:
        """Return this process's number in the log; a new process is introduced."""
        pid = posix.getpid()
        if pid != self._pid:
            self._pid = pid
            self._number = b"%d.%d" % (pid, time.time_ns())
            self._seen.clear()
            self._busy.clear()
            fields = self._ask(b"/proc/self/stat").rpartition(b")")[2].split()
            start = fields[19] if len(fields) > 19 else b"?" + self._number
            exe = _link(b"/proc/self/exe") or _bytes(sys.executable)
            head = b"p %s %d %d %s %.3f" % (self._number, pid, posix.getppid(), start, time.time())
            self._put(self._number, head, exe)
        return self._number

    def _put(self, number: bytes, *texts: bytes) -> None:
        record = b"\0".join(texts) + b"\0"
        thread = get_ident()
        self._busy.add(thread)
        try:
            for log in self._logs:
                try:
                    log.write(number, record)
                except Exception as error:
                    if _is_foreign(error):
                        raise
        finally:
            self._busy.discard(thread)

    def _ask(self, path: bytes) -> bytes:
        thread = get_ident()
        self._busy.add(thread)
        try:
            file = _open_file(path, posix.O_RDONLY | posix.O_CLOEXEC)
            try:
                return posix.read(file, _LONGEST_ARGUMENTS)
            finally:
                posix.close(file)
        except Exception:  # noqa: BLE001  also of what the program has to say about opening
            return b""
        finally:
            self._busy.discard(thread)

    def _is_new(self, *key: object) -> bool:
        """Tell whether this wasn't said before, as far as we remember."""
        if key in self._seen:
            return False
        if len(self._seen) >= _MOST_SEEN:
            self._seen.clear()
        self._seen.add(key)
        return True

    # --- which file is meant

    def _place(self, path: "Any", folder: int = -1) -> bytes:
        """Return an absolute name for *path*; empty if there is none."""
        name = _bytes(path)
        if name[:1] == b"/":
            return b"/" + name.lstrip(b"/") if name[:2] == b"//" else name
        if folder >= 0:
            base = _link(b"/proc/self/fd/%d" % folder)
        else:
            try:
                base = posix.getcwdb()
            except OSError as error:
                if _is_handlers(error):
                    raise
                base = b""
        return base.rstrip(b"/") + b"/" + name if base and name else b""

    def _look(self, place: bytes, *, follow: bool = False) -> "tuple[bytes, posix.stat_result | None]":
        """Return the true name of what is at *place*, and its status; an empty name if there can't be anything."""
        if not place:
            return b"", None
        status = _status(place, follow=False)
        if follow and status is not None and status.st_mode & _TYPE == _LINK:
            name = os.path.realpath(place)
            return name, _status(name, follow=True) or _status(place, follow=True)
        return self._true(place), status

    def _true(self, place: bytes) -> bytes:
        folder, _, last = place.rstrip(b"/").rpartition(b"/")
        folder = folder or b"/"
        status = _status(folder, follow=True)
        if status is None or last in (b"", b".", b".."):
            return os.path.realpath(place) if status is not None else b""
        identity = (status.st_dev, status.st_ino)
        known = self._folders.get(folder)
        if known is None or known[0] != identity:
            if len(self._folders) >= _MOST_FOLDERS:
                self._folders.clear()
            known = self._folders[folder] = (identity, os.path.realpath(folder).rstrip(b"/"))
        return known[1] + b"/" + last

    def _change_names(self) -> None:
        self._folders.clear()
        self._seen.clear()

    # --- events

    def _opened(self, path: "Any", mode: "str | None", flags: int) -> None:
        if isinstance(path, int) or flags & _ELSEWHERE:
            return
        if mode and not flags & _TO_CHANGE and mode[0] in "wax":
            flags |= posix.O_WRONLY | posix.O_CREAT
        folder = self._given.get(get_ident(), -1) if mode is None else -1
        self._open(self._place(path, folder), flags & _TELLING)

    def _read(self, path: "Any") -> None:
        self._open(self._place(path), posix.O_RDONLY)

    def _open(self, place: bytes, flags: int) -> None:
        exclusive = flags & (posix.O_CREAT | posix.O_EXCL) == posix.O_CREAT | posix.O_EXCL
        name, status = self._look(place, follow=not (exclusive or flags & _NO_FOLLOW))
        if not name:
            return
        if status is None:
            if flags & posix.O_CREAT:
                number = self._me()
                self._put(number, b"w %s %d -" % (number, flags), name)
        elif status.st_mode & _TYPE == _FILE and status.st_nlink:
            number = self._me()
            if not flags & _TO_CHANGE:
                if self._is_new(name, status.st_ino, status.st_mtime_ns, status.st_size):
                    self._put(number, b"r %s %s" % (number, _state(status)), name)
            elif not exclusive and self._is_new(name, status.st_ino, flags):
                self._put(number, b"w %s %d %s" % (number, flags, _state(status)), name)

    def _rename(self, source: "Any", target: "Any", from_folder: int = -1, to_folder: int = -1) -> None:
        name, status = self._look(self._place(source, from_folder))
        new, replaced = self._look(self._place(target, to_folder))
        if status is not None and new:
            number = self._me()
            self._put(number, b"m %s 0 %s %s" % (number, _state(status), _state(replaced)), name, new)
            self._change_names()

    def _hard_link(self, source: "Any", target: "Any", from_folder: int = -1, to_folder: int = -1) -> None:
        name, status = self._look(self._place(source, from_folder))
        new, there = self._look(self._place(target, to_folder))
        if status is not None and new and there is None:
            number = self._me()
            self._put(number, b"l %s %s -" % (number, _state(status)), name, new)
            self._change_names()

    def _symbolic_link(self, source: "Any", target: "Any", folder: int = -1) -> None:
        name, there = self._look(self._place(target, folder))
        if name and there is None:
            number = self._me()
            self._put(number, b"s %s -" % number, name, _bytes(source))
            self._change_names()

    def _remove(self, path: "Any", folder: int = -1) -> None:
        name, status = self._look(self._place(path, folder))
        if status is not None and status.st_mode & _TYPE != _FOLDER:
            number = self._me()
            self._put(number, b"u %s %s" % (number, _state(status)), name)
            self._change_names()

    def _truncate(self, path: "Any", length: int) -> None:
        if not isinstance(path, int):
            self._open(self._place(path), posix.O_WRONLY | posix.O_TRUNC)

    def _mkdir(self, path: "Any", mode: int = 0, folder: int = -1) -> None:
        name, there = self._look(self._place(path, folder))
        if name and there is None:
            number = self._me()
            self._put(number, b"k %s" % number, name)

    def _import(self, module: str, path: "Any" = None, *more: object) -> None:
        if path is not None:
            self._read(path)
        if "_posixsubprocess" in sys.modules:
            self._replace_fork()

    def _load(self, path: "Any", *more: object) -> None:
        if path and b"/" in _bytes(path):
            self._read(path)

    def _connect(self, path: "Any", *more: object) -> None:
        name = _bytes(path)
        if name.startswith(b"file:"):
            name = name[5:].partition(b"?")[0]
        if name not in (b"", b":memory:"):
            self._open(self._place(name), posix.O_RDWR | posix.O_CREAT)

    # --- other programs

    def _popen(self, program: "Any", words: "Any", *more: object) -> None:
        self._replace_fork()
        self._start(program, [words] if isinstance(words, (str, bytes)) else words)

    def _spawn(self, program: "Any", words: "Any", *more: object) -> None:
        self._start(program, words)

    def _system(self, command: "Any") -> None:
        self._start(b"/bin/sh", [])

    def _start(self, program: "Any", words: "Any") -> None:
        """Note that somebody is started whom we may see nothing of."""
        self._restore_variables()
        path = _bytes(program)
        if is_python(path) and not blocks([_bytes(word) for word in words]):
            return
        code = b"audit-not-loaded" if is_python(path) else b"audit-only-python"
        if self._is_new(code, path):
            number = self._me()
            self._put(number, b"! %s %s" % (number, code), path)

    def _execute(self, path: "Any", words: "Any", *more: object) -> None:
        self._restore_variables()
        if isinstance(path, int):
            return
        name, status = self._look(self._place(path), follow=True)
        if status is None or status.st_mode & _TYPE != _FILE or not status.st_mode & 0o111:
            return
        arguments = [_bytes(word) for word in words]
        number = self._me()
        head = b"x %s %.3f %d %s" % (number, time.time(), len(arguments), _state(status))
        self._put(number, head, name, *arguments)
        self._start(name, arguments)

    # --- what is passed on

    def _set(self, name: bytes, *value: object) -> None:
        if name in _NAMES:
            self._overwritten = True

    def _restore_variables(self) -> None:
        """Leave our variables to the next program again, if this one has set or removed what it sees of them."""
        if self._overwritten:
            value = os.environ._data.get(_NAMES[0])  # type: ignore[attr-defined]
            posix.putenv(_NAMES[0], _joined(value, self._here))
            posix.putenv(_NAMES[1], self._paths)
            self._overwritten = False

    def _passed_on(self, environment: "Any") -> "Any":
        try:
            return with_us(environment, self._paths, self._here)
        except (TypeError, ValueError) as error:
            if _is_foreign(error):
                raise
            return environment  # the program is told what is wrong with it

    def replace_functions(self) -> None:
        """Take the place of the functions whose events don't tell, or don't do, enough."""
        given, passed_on = self._given, self._passed_on
        execve, posix_spawn = posix.execve, getattr(posix, "posix_spawn", None)
        posix_spawnp = getattr(posix, "posix_spawnp", None)

        def open_(path: "Any", flags: int, mode: int = 0o777, *, dir_fd: "int | None" = None) -> int:
            if dir_fd is None:
                return _open_file(path, flags, mode)
            thread = get_ident()
            given[thread] = dir_fd
            try:
                return _open_file(path, flags, mode, dir_fd=dir_fd)
            finally:
                given.pop(thread, None)

        def execve_(path: "Any", argv: "Any", env: "Any") -> "Any":
            return execve(path, argv, passed_on(env))

        def posix_spawn_(path: "Any", argv: "Any", env: "Any", /, **more: "Any") -> "Any":
            return posix_spawn(path, argv, passed_on(env), **more)  # type: ignore[misc]

        def posix_spawnp_(path: "Any", argv: "Any", env: "Any", /, **more: "Any") -> "Any":
            return posix_spawnp(path, argv, passed_on(env), **more)  # type: ignore[misc]

        for old, new in (
            (_open_file, open_), (execve, execve_), (posix_spawn, posix_spawn_), (posix_spawnp, posix_spawnp_)
        ):
            if old is not None:
                _replace(old, new)

    def _replace_fork(self) -> None:
        """The same for what `subprocess` starts programs by, as soon as it is loaded."""
        module = sys.modules.get("_posixsubprocess")
        fork_exec = getattr(module, "fork_exec", None)
        if fork_exec is None or hasattr(fork_exec, "__code__"):
            return

        def fork_exec_(*words: "Any") -> "Any":
            self._restore_variables()
            if len(words) > 5 and words[5] is not None:
                variables = dict(each.partition(b"=")[::2] for each in map(os.fsencode, words[5]))
                new = self._passed_on(variables)
                words = (*words[:5], [_bytes(name) + b"=" + _bytes(new[name]) for name in new], *words[6:])
            return fork_exec(*words)

        _disguise(fork_exec, fork_exec_)
        module.fork_exec = fork_exec_  # type: ignore[union-attr]
        for other in ("subprocess", "multiprocessing.util"):
            user = sys.modules.get(other)
            if getattr(user, "_fork_exec", None) is fork_exec:
                user._fork_exec = fork_exec_  # type: ignore[union-attr]


def _replace(old: "Any", new: "Any") -> None:
    """Put *new* into the places of *old*."""
    _disguise(old, new)
    for module in (posix, os):
        setattr(module, old.__name__, new)
    for functions in (os.supports_dir_fd, os.supports_fd):
        if old in functions:
            functions.add(new)


def _disguise(old: "Any", new: "Any") -> None:
    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(new, name, getattr(old, name, None))
