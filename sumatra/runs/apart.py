"""A view of the files of this machine in which everything can be written and nothing is changed.

A process that enters it, and all that it starts, sees each file under its own name.  What it writes, changes or
removes goes into a folder of ours (overlay mounts in a mount namespace of its own; for who isn't root, in a user
namespace).  The view ends with the last process in it, however that comes to its end: nothing has to be cleaned up but
the folder.
"""

import errno
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, NoReturn

from sumatra.capture.starting import NotPossible
from sumatra.files import make_private, write_atomically

__all__ = ["REGIONS", "View", "is_below", "obstacle", "place_of", "remove"]

#: The file in the folder of a view that says where what was written where has gone.
REGIONS = "regions.json"

#: Kinds of mounts that hold no files of anybody's; what is below these folders belongs to the running system.
_SYSTEM = frozenset(
    "autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl hugetlbfs mqueue nsfs proc"
    " pstore rpc_pipefs securityfs selinuxfs sysfs tracefs".split()
)
_RUNNING = ("/dev", "/proc", "/run", "/sys", "/var/run", "/tmp/.X11-unix")  # noqa: S108  sockets

_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000
_BIND, _RECURSIVE, _PRIVATE = 4096, 16384, 1 << 18
_DETACH = 2
_CAP_SYS_ADMIN = 1 << 21
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}

_MOST_REGIONS = 500


class _Mount(NamedTuple):
    path: str
    kind: str
    is_read_only: bool


class View:
    """What is going to be seen: *trees* are folders of ours that stand in for folders of the user's, by theirs.

    *folder* gets what is written elsewhere.  What is below the paths *through* (absolute) stays what it is, and is
    written to.  Where we aren't root, nothing can be written in folders of other users' that are deeper in theirs, but
    for those that are *wanted*.  *others* are folders, each with one whose contents are seen instead.
    """

    def __init__(
        self, folder: str, trees: Sequence[tuple[str, str]] = (), through: Sequence[str] = (),
        wanted: Sequence[str] = (), others: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.folder = folder
        self.exposed: list[str] = []  #: folders that could not be kept apart
        self._trees = [(os.path.realpath(root), tree) for root, tree in trees]
        self._others = [(os.path.realpath(path), source) for path, source in others]
        self._through = [os.path.realpath(path) for path in through if os.path.exists(path)]
        self._wanted = list(dict.fromkeys(map(os.path.realpath, (*wanted, *(root for root, _ in trees)))))
        self._regions: list[tuple[str, str]] = []
        self._above = os.path.join(folder, "all")
        self._mounts = [mount for mount in _mounts() if os.path.isdir(mount.path)]
        self._is_user = False

    def enter(self) -> None:
        """Change what this process sees; it must have one thread only.  Raises `NotPossible` with the reason.

        After that the process may see anything and is good for nothing but to end.
        """
        self._system = _System()
        make_private(self._above)
        here = os.getcwd()
        self._is_user = self._system.new_namespaces()
        with _told("mounts can't be made private"):
            self._system.mount("none", "/", None, _RECURSIVE | _PRIVATE)
        if self._is_user:  # whoever isn't root may not look below mounts, so what has mounts in it stays
            with _told("a view of the files can't be made"):
                self._system.mount("/", self._above, None, _BIND | _RECURSIVE)
        self._cover("/")
        for root, tree in self._trees:
            self._overlay(root, tree)
            self._mounts_below(root)
        for path in self._through:
            with _told(f"{path} can't be kept as it is"):
                self._system.mount(path, self._above + path, None, _BIND | _RECURSIVE)
        for path, source in self._others:
            os.makedirs(self._above + path, exist_ok=True)
            self._overlay(path, lower=source)
        write_atomically(os.path.join(self.folder, REGIONS), json.dumps(self._regions).encode())
        with _told("the view can't be entered"):
            self._system.become_root(self._above)
            os.chdir(here)

    def _cover(self, path: str) -> None:
        """Keep what is written below *path* apart, mounts in it included."""
        if path in _RUNNING or path in self._through or any(root == path for root, _ in self._trees):
            return
        below = _topmost(mount for mount in self._mounts if is_below(mount.path, path))
        if not below or not self._is_user:
            try:
                self._overlay(path)
            except NotPossible:
                if path == "/":
                    raise
                self._leave(path)
                return
            if not self._is_user:
                self._mounts_below(path)
            return
        self._leave(path)
        with suppress(OSError), os.scandir(path) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.is_dir(follow_symlinks=False) and not self._is_running(entry.path) and _may_take(entry.path):
                    self._cover(entry.path)

    def _mounts_below(self, path: str) -> None:
        for mount in _topmost(mount for mount in self._mounts if is_below(mount.path, path)):
            if self._is_running(mount.path) or mount.is_read_only:
                with _told(f"{mount.path} can't be seen"):
                    self._system.mount(mount.path, self._above + mount.path, None, _BIND | _RECURSIVE)
            else:
                self._cover(mount.path)

    def _leave(self, path: str) -> None:
        """Let *path* be what it is; it is said where we may write."""
        if not self._is_user:
            with _told(f"{path} can't be seen"):
                self._system.mount(path, self._above + path, None, _BIND | _RECURSIVE)
        if os.access(path, os.W_OK):
            self.exposed.append(path)

    def _is_running(self, path: str) -> bool:
        """Tell whether *path* belongs to the running system, or nothing can be written to it."""
        if any(path == folder or is_below(path, folder) for folder in _RUNNING):
            return True
        return any(mount.path == path and (mount.kind in _SYSTEM or mount.is_read_only) for mount in self._mounts)

    def _overlay(self, path: str, upper: str | None = None, lower: str | None = None) -> None:
        """Have what is written below *path* go to *upper*, or else to a new folder; *lower* is seen there if given."""
        source = lower or path
        number = len(self._regions)
        if number > _MOST_REGIONS:
            raise NotPossible("there are too many mounts")
        work = os.path.join(self.folder, "scratch", str(number))
        make_private(work)
        if upper is None:
            upper = os.path.join(self.folder, "written", str(number))
            make_private(upper)
            os.chmod(upper, _mode(source, is_user=self._is_user))
            if not self._is_user:
                status = os.stat(source)
                os.chown(upper, status.st_uid, status.st_gid)
        if self._is_user:
            for wanted in self._wanted:
                if lower is None and is_below(wanted, path):
                    _make_like(path, os.path.relpath(wanted, path), upper)
        files = [os.open(each, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for each in (source, upper, work)]
        try:  # by number, as names can hold what options can't
            lower_file, upper_file, work_file = (f"/proc/self/fd/{file}" for file in files)
            options = f"lowerdir={lower_file},upperdir={upper_file},workdir={work_file}"
            options += ",userxattr" if self._is_user else ",redirect_dir=off,metacopy=off,index=off"
            with _told(f"{path} can't be kept apart"):
                self._system.mount("overlay", self._above + path, "overlay", 0, options)
        finally:
            for file in files:
                os.close(file)
        self._regions.append((path, upper))


def place_of(folder: str, path: str) -> str | None:
    """Return where what was written to *path* (absolute) lies, in the view that had *folder*; None if nowhere."""
    try:
        with open(os.path.join(folder, REGIONS), "rb") as file:
            regions = json.load(file)
    except (OSError, ValueError):
        return None
    fitting = [(root, upper) for root, upper in regions if path == root or is_below(path, root)]
    if not fitting:
        return None
    root, upper = max(fitting, key=lambda found: len(found[0]))
    place = os.path.join(upper, os.path.relpath(path, root))
    return place if os.path.lexists(place) else None


def obstacle(folder: str, root: str) -> tuple[str, tuple[str, ...]]:
    """Return why there can be no view, empty if there can, and which folders it wouldn't keep apart.

    It is tried out in a process of its own, with *folder*, which is removed; *root* would be seen with other contents.
    """
    tree = os.path.join(folder, "tree")
    make_private(tree)
    reader, writer = os.pipe()
    try:
        pid = os.fork()
        if not pid:
            _try(View(folder, [(root, tree)]), writer)
        os.close(writer)
        with open(reader, "rb") as answers:
            said = answers.read()
        os.waitpid(pid, 0)
    finally:
        remove(folder)
    reason, exposed = json.loads(said) if said else ("it ended unexpectedly", [])
    return reason, tuple(exposed)


def _try(view: View, writer: int) -> NoReturn:
    reason = ""
    try:
        view.enter()
    except (NotPossible, OSError) as error:
        reason = str(error)
    finally:
        with suppress(OSError):
            os.write(writer, json.dumps([reason, view.exposed]).encode())
        os._exit(0)


def remove(folder: str) -> None:
    """Remove *folder*; what is in it may have been made unwritable, by a program or by the kernel."""
    import shutil

    if os.geteuid():
        for here, folders, _ in os.walk(folder):
            for name in folders:
                path = os.path.join(here, name)
                if not os.path.islink(path):
                    with suppress(OSError):
                        os.chmod(path, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _mode(path: str, *, is_user: bool) -> int:
    """Return the mode of the folder that stands in for *path*; it is ours, whosever that is."""
    if not is_user:
        return os.stat(path).st_mode & 0o7777
    allowed = (4 if os.access(path, os.R_OK) else 0) | (2 if os.access(path, os.W_OK) else 0)
    allowed |= 1 if os.access(path, os.X_OK) else 0
    return 0o111 * allowed


def _make_like(path: str, below: str, upper: str) -> None:
    """Make the folder *below* (relative to *path*) in *upper*, as far as it is there: the kernel can't for others'."""
    for part in below.split("/"):
        path, upper = os.path.join(path, part), os.path.join(upper, part)
        if not os.path.isdir(path) or os.path.islink(path):
            return
        with suppress(FileExistsError):
            os.mkdir(upper, 0o700)
            os.chmod(upper, _mode(path, is_user=True) | 0o300)  # so that we can go on in it


def _may_take(path: str) -> bool:
    """Tell whether we may write something to the folder *path*, as far as can be told without looking deeper."""
    try:
        with os.scandir(path) as entries:
            return os.access(path, os.W_OK) or any(
                entry.is_dir(follow_symlinks=False) or os.access(entry.path, os.W_OK) for entry in entries
            )
    except OSError:
        return False


def _mounts() -> list[_Mount]:
    """Return the mounts that can be seen, the topmost of each place."""
    found: dict[str, _Mount] = {}
    with open("/proc/self/mountinfo", "rb") as file:
        for line in file:
            words = line.split()
            path = os.fsdecode(words[4].decode("unicode_escape").encode("latin-1"))
            kind = os.fsdecode(words[words.index(b"-") + 1])
            found[path] = _Mount(path, kind, b"ro" in words[5].split(b","))
    return sorted(mount for mount in found.values() if mount.path != "/")


def is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/") and path != folder


def _topmost(mounts: Iterator[_Mount]) -> list[_Mount]:
    found: list[_Mount] = []
    for mount in mounts:  # in order of their paths
        if not any(is_below(mount.path, above.path) for above in found):
            found.append(mount)
    return found


@contextmanager
def _told(sentence: str) -> Iterator[None]:
    """Make an `OSError` a `NotPossible` that says what could not be done."""
    try:
        yield
    except OSError as error:
        raise NotPossible(f"{sentence}: {error.strerror}") from error


class _System:
    """The calls that Python doesn't have."""

    def __init__(self) -> None:
        import ctypes

        self._errno = ctypes.get_errno
        self._libc: Any = ctypes.CDLL(None, use_errno=True)
        self._long = ctypes.c_ulong

    def mount(self, source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
        self._check(self._libc.mount(
            os.fsencode(source), os.fsencode(target), kind and kind.encode(), self._long(flags),
            os.fsencode(options) if options is not None else None,
        ))

    def new_namespaces(self) -> bool:
        """Leave the mounts of all others, and tell whether that took becoming another user as well."""
        if _may_administrate():
            try:
                self._check(self._libc.unshare(_NEW_MOUNTS))
                return False
            except OSError as error:
                if error.errno != errno.EPERM:
                    raise NotPossible(f"this system allows no view of its own: {error.strerror}") from error
        user, group = os.geteuid(), os.getegid()
        with _told("this system allows no view of its own"):
            self._check(self._libc.unshare(_NEW_USER | _NEW_MOUNTS))
            for name, content in (
                ("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")
            ):
                with open(f"/proc/self/{name}", "w") as file:
                    file.write(content)
        return True

    def become_root(self, folder: str) -> None:
        """Make *folder* the root, and let go of the one that there was."""
        os.chdir(folder)
        number = _PIVOT_ROOT.get(os.uname().machine)
        if number is None:
            os.chroot(".")
        else:
            self._check(self._libc.syscall(number, b".", b"."))
            self._check(self._libc.umount2(b".", _DETACH))
        os.chdir("/")

    def _check(self, result: int) -> None:
        if result < 0:
            number = self._errno()
            raise OSError(number, os.strerror(number))


def _may_administrate() -> bool:
    with open("/proc/self/status", "rb") as file:
        for line in file:
            if line.startswith(b"CapEff:"):
                return bool(int(line.split()[1], 16) & _CAP_SYS_ADMIN)
    return False
