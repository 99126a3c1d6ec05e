"""Files of ours: written whole or not at all, named by content, private to their owner.

Digests are told as ``sha256:HEX``, so that anybody can check them with ``sha256sum``.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

__all__ = [
    "ContentStore", "Digest", "digest_bytes", "digest_file", "file_name", "is_script", "label_of", "locked",
    "make_private", "sync_folder", "write_atomically",
]

_CHUNK = 1 << 18
#: From this size (bytes) on it pays to read on one core and hash on another, in pieces of that size.
_LARGE, _LARGE_CHUNK = 1 << 23, 1 << 19
_TRIES = 3
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


class Digest(NamedTuple):
    """What a file holds: *digest* is None where that couldn't be found out, and *flags* says why."""

    digest: str | None
    size: int | None
    flags: tuple[str, ...] = ()


def digest_bytes(content: bytes) -> str:
    """Return the digest of *content*."""
    import hashlib  # 3 ms that listing records shouldn't pay

    return "sha256:" + hashlib.sha256(content).hexdigest()


def digest_file(path: str, progress: Callable[[int], None] | None = None, *, alone: bool = True) -> Digest:
    """Return digest and size (bytes) of the regular file at *path*; never raises `OSError`.

    Flags: ``missing``, ``unreadable``, ``not a regular file``, and ``unstable`` for a file that went on changing
    while it was read three times.  *progress* gets the number of bytes just read.  A large file that is *alone*, as
    no other is hashed at the same time, is read on one core and hashed on another.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError:
        return Digest(None, None, ("missing",))
    except OSError as error:
        odd = error.errno in (errno.ELOOP, errno.ENXIO, errno.ENODEV)
        return Digest(None, None, ("not a regular file" if odd else "unreadable",))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Digest(None, None, ("not a regular file",))
        return _digest_descriptor(descriptor, progress, alone)
    except OSError:
        return Digest(None, None, ("unreadable",))
    finally:
        os.close(descriptor)


def _digest_descriptor(descriptor: int, progress: Callable[[int], None] | None, alone: bool) -> Digest:
    for _ in range(_TRIES):
        before = os.fstat(descriptor)
        os.lseek(descriptor, 0, os.SEEK_SET)
        if alone and before.st_size >= _LARGE and len(os.sched_getaffinity(0)) > 1:
            digest, size = _digest_beside(descriptor, before.st_size, progress)
        else:
            digest, size = _digest_plainly(descriptor, before.st_size, progress)
        after = os.fstat(descriptor)
        if (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
            after.st_size, after.st_mtime_ns, after.st_ctime_ns
        ) and size == after.st_size:
            return Digest(f"sha256:{digest}", size)
    return Digest(None, size, ("unstable",))


def _digest_plainly(descriptor: int, expected: int, progress: Callable[[int], None] | None) -> tuple[str, int]:
    """Return the hexadecimal digest of what can be read, and its size; a file that grows isn't read to its end."""
    import hashlib

    buffer = bytearray(min(_CHUNK, max(expected + 1, 4096)))
    view = memoryview(buffer)
    summary = hashlib.sha256()
    size = 0
    while size <= expected and (count := os.readv(descriptor, [buffer])):
        summary.update(view[:count])
        size += count
        if progress is not None:
            progress(count)
    return summary.hexdigest(), size


def _digest_beside(descriptor: int, expected: int, progress: Callable[[int], None] | None) -> tuple[str, int]:
    """Return the same; another thread hashes one piece while this one reads the next.

    Reading stays in this thread, where it can be interrupted; what the other one does always comes to an end.
    """
    import hashlib
    import queue
    import threading

    summary = hashlib.sha256()
    full: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()
    empty: queue.SimpleQueue[memoryview] = queue.SimpleQueue()

    def work() -> None:
        while (piece := full.get()) is not None:
            summary.update(piece)
            empty.put(piece)

    try:
        threading.Thread(target=work, daemon=True).start()
    except RuntimeError:  # there may not be more threads
        return _digest_plainly(descriptor, expected, progress)
    size = 0
    try:
        buffers = [memoryview(bytearray(_LARGE_CHUNK)) for _ in range(2)]
        buffer, other = buffers
        is_other_busy = False
        while size <= expected and (count := os.readv(descriptor, [buffer])):
            full.put(buffer[:count])
            size += count
            if progress is not None:
                progress(count)
            if is_other_busy:
                empty.get()
            buffer, other, is_other_busy = other, buffer, True
        if is_other_busy:
            empty.get()
    finally:
        full.put(None)
    return summary.hexdigest(), size


def is_script(path: str) -> bool:
    """Tell whether *path* is a program that another one reads, by its first two bytes; False if it can't be read."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


def make_private(folder: str) -> None:
    """Make *folder*, and what is missing above it, for its owner alone."""
    try:
        os.mkdir(folder, 0o700)  # os.makedirs would give what is above to everybody
    except FileExistsError:
        return
    except FileNotFoundError:
        make_private(os.path.dirname(folder))
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)


def write_atomically(path: str, content: bytes, mode: int = 0o600) -> None:
    """Put *content* at *path*: after a crash there is the old content or the new one, never a part.

    Raises `OSError`, leaving nothing behind.
    """
    temporary = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        try:
            _write_all(descriptor, content)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(os.path.dirname(path))


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view):]


def sync_folder(folder: str) -> None:
    """Make the names in *folder* survive a power cut."""
    descriptor = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network file systems refuse
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: str, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock file *path* inside the block; with *wait* false, yield False if somebody else has it.

    The kernel lets go of the lock when we die, however that happens.
    """
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def file_name(label: str) -> str:
    """Return the name of a file or folder for *label*: ``a/b`` becomes ``a%2Fb``."""
    name = "".join(character if character in _PLAIN else _percent(character) for character in label)
    return "%2E" + name[1:] if name.startswith(".") else name


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))


def label_of(name: str) -> str:
    """Return the label that `file_name` made *name* of."""
    pieces = name.split("%")
    content = pieces[0].encode()
    for piece in pieces[1:]:
        content += bytes.fromhex(piece[:2]) + piece[2:].encode()
    return content.decode("utf-8", "surrogateescape")


class ContentStore:
    """Files by content: each is called by its digest, written once, and never changed.

    ``sha256:0123…`` lies at ``01/23…`` below *root*, so ``sha256sum`` can check the store without us.
    """

    def __init__(self, root: str) -> None:
        self.root = root

    def path(self, digest: str) -> str:
        """Return where the content with *digest* lies, or would."""
        name = digest.removeprefix("sha256:")
        return os.path.join(self.root, name[:2], name[2:])

    def __contains__(self, digest: str) -> bool:
        return os.path.exists(self.path(digest))

    def get(self, digest: str) -> bytes:
        """Return the content; raises `FileNotFoundError` if it isn't kept here."""
        with open(self.path(digest), "rb") as file:
            return file.read()

    def put(self, content: bytes) -> str:
        """Keep *content* and return its digest."""
        digest = digest_bytes(content)
        path = self.path(digest)
        if not os.path.exists(path):
            make_private(os.path.dirname(path))
            write_atomically(path, content, 0o400)
        return digest

    def take(self, path: str, digest: str) -> None:
        """Move the file at *path*, whose digest is known, into the store."""
        target = self.path(digest)
        if os.path.exists(target):
            os.unlink(path)
            return
        make_private(os.path.dirname(target))
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            os.fchmod(descriptor, 0o400)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(path, target)
        sync_folder(os.path.dirname(target))
