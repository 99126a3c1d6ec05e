"""What the kernel tells of another process (``/proc``), as far as an observer needs it; names are bytes."""

import os
from collections.abc import Iterator
from typing import NamedTuple

__all__ = [
    "Facts", "beginning_of", "facts_of", "group_of", "has_capabilities", "is_below", "link", "own_name",
    "reach", "served_folders", "view_of",
]

_LONGEST_NAME = 4096  # with the NUL at its end


class Facts(NamedTuple):
    """What the kernel tells of a process."""

    parent: int
    is_leader: bool  #: and not another thread of it
    start: bytes  #: ticks after boot
    image: tuple[bytes, ...]  #: where its program lies in memory, which is by chance


def group_of(thread: int) -> int:
    """Return the process that *thread* belongs to."""
    for line in beginning_of(b"/proc/%d/status" % thread, 512).splitlines():
        if line.startswith(b"Tgid:"):
            return int(line[5:])
    raise OSError("no such thread")


def facts_of(pid: int) -> Facts:
    """Return what the kernel tells of the process *pid* (``stat``); raise `OSError` if there is none."""
    fields = beginning_of(b"/proc/%d/stat" % pid, 1024).rpartition(b")")[2].split()
    return Facts(int(fields[1]), fields[35] != b"-1", fields[19], (fields[23], fields[25], *fields[42:48]))


def beginning_of(path: bytes, size: int) -> bytes:
    """Return up to *size* bytes of the file at *path*, at one go: the kernel makes these files up as they are read."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, size)
    finally:
        os.close(file)


def link(path: bytes) -> bytes:
    """Return where the symbolic link at *path* points to, and nothing if that can't be read."""
    try:
        return os.readlink(path)
    except OSError:
        return b""


def view_of(process: bytes) -> tuple[int, int, bytes] | None:
    """Return what tells whether two processes see the same files."""
    try:
        root = os.stat(process + b"/root")
        return root.st_dev, root.st_ino, os.readlink(process + b"/ns/mnt")
    except OSError:
        return None


def own_name(name: bytes, pid: int, thread: int) -> bytes:
    """Return what a name that means something else to each process means to *thread*."""
    for shared, own in (
        (b"/proc/self", b"/proc/%d" % pid), (b"/proc/thread-self", b"/proc/%d/task/%d" % (pid, thread)),
        (b"/dev/fd", b"/proc/%d/fd" % pid), (b"/dev/stdin", b"/proc/%d/fd/0" % pid),
        (b"/dev/stdout", b"/proc/%d/fd/1" % pid), (b"/dev/stderr", b"/proc/%d/fd/2" % pid),
    ):
        if name == shared or name.startswith(shared + b"/"):
            return own + name[len(shared) :]
    return name


def has_capabilities(place: bytes) -> bool:
    """Tell whether the program file at *place* gives privileges other than by setuid."""
    try:
        return bool(os.getxattr(place, "security.capability"))
    except OSError:
        return False


def served_folders() -> Iterator[bytes]:
    """Yield the folders whose files are served by a program."""
    with open("/proc/self/mountinfo", "rb") as mounts:
        for line in mounts:
            about, _, kind = line.partition(b" - ")
            if kind.startswith(b"fuse") and not kind.startswith(b"fusectl"):
                yield about.split()[4].decode("unicode_escape").encode("latin-1")


def is_below(place: bytes, folders: tuple[bytes, ...]) -> bool:
    """Tell, without touching it, whether *place* is in one of *folders*; symbolic links may deceive us."""
    folder, rest = _divided(place)
    place = os.path.normpath(link(folder) + b"/" + rest if folder else place)
    return any(place == folder or place.startswith(folder.rstrip(b"/") + b"/") for folder in folders)


def reach(place: bytes, flags: int) -> int:
    """Open what is at *place*, also when it has become longer than names may be by what stands before the name."""
    if len(place) >= _LONGEST_NAME:
        folder, rest = _divided(place)
        if folder:
            base = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                return os.open(rest.lstrip(b"/"), flags, dir_fd=base)
            finally:
                os.close(base)
    return os.open(place, flags)


def _divided(place: bytes) -> tuple[bytes, bytes]:
    """Return the folder that the kernel shows of a process, where *place* begins with one, and the rest."""
    parts = place.split(b"/", 5)
    if not place.startswith(b"/proc/") or parts[3:4] not in ([b"cwd"], [b"fd"], [b"root"]):
        return b"", place
    fixed = 5 if parts[3] == b"fd" else 4
    return b"/".join(parts[:fixed]), b"/".join(parts[fixed:])
