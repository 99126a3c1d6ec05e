"""Digests that are known already: a file that is as it was when it was hashed isn't hashed again.

The file that keeps them, ``.smt/digests``, has a line for each (doc/reference/format.rst tells its form).  Runs append
to it, each in one write, and whoever finds it too long makes it anew with the newest lines; a line that was torn or
spoilt has a wrong checksum and counts for nothing.  Losing the file loses time only.

What makes a digest sure is that nobody can change a file's content without changing its time of change, if that was
long enough ago when the file was hashed:

- Times have grains: a tick of the kernel's clock, or a second where inodes are small.  A change in the same grain as
  the one before leaves no trace.
- A program that has mapped a file can write to a page again and again, and only the first time is noted, until the
  kernel has written the page to the disk (by default within 35 s); after that, the next time is noted.
- When the power goes, what hasn't been written to the disk is lost, times or no times.

Hence `_MARGIN`, and hence only file systems on disks of this machine of which the above is known: those of a network
have the clock, and caches, of another machine; in ``tmpfs`` pages are never written to a disk, so a mapped file can
change at any time unnoted; what FUSE, overlays and 9p do is up to what is behind them.
"""

import os
from contextlib import suppress

from sumatra import files

__all__ = ["DigestCache"]

#: Files of this size (bytes) are looked up, once so many bytes have come together that reading the cache pays.
_WORTH, _WORTH_TOGETHER = 1 << 18, 1 << 25

#: So long (ns) before it was hashed a file must have changed for the last time; twice what the kernel takes at most
#: to write to the disk what was written to a mapping, by default.
_MARGIN = 70_000_000_000
#: So many lines are kept; the file may have half as many again, of about so many bytes each.
_MOST, _LINE = 20_000, 160
#: A line ends in a digest, a space, a checksum and a newline: so many bytes.
_TAIL = 81

#: Numbers of statfs(2): ext2, ext3 and ext4; XFS; Btrfs; F2FS.
_TRUSTED = frozenset({0xEF53, 0x58465342, 0x9123683E, 0xF2F52010})


class DigestCache:
    """The digests in the file *path*, which need not be there.

    It is read when `expect` has announced enough, and `put` does nothing before: small runs never pay for it.
    """

    def __init__(self, path: str, most: int = _MOST) -> None:
        self._path = path
        self._most = most
        self._host = files.file_name(os.uname().nodename).encode()
        self._expected = 0
        self._margin: int | None = None
        self._known: dict[bytes, bytes] | None = None
        self._new: list[bytes] = []
        self._trusted: dict[int, bool] = {}

    def concerns(self, status: os.stat_result, began: int) -> bool:
        """Tell whether a digest of a file with *status*, looked at at *began* (ns since 1970), may be known or kept."""
        if status.st_size < _WORTH:
            return False
        if self._margin is None:
            self._margin = _margin()
        return max(status.st_mtime_ns, status.st_ctime_ns) < began - self._margin

    def expect(self, size: int) -> None:
        """Announce that digests of files with *size* bytes together will be asked for."""
        self._expected += size

    def get(self, path: str, status: os.stat_result) -> str | None:
        """Return the digest of the file at *path* if one with the same *status* was hashed before."""
        if self._expected < _WORTH_TOGETHER or not self._is_trusted(path, status.st_dev):
            return None
        if self._known is None:
            self._known = _read(self._path, 2 * self._most * _LINE)
        key = self._key(status)
        rest = self._known.get(key)
        digest, _, check = (rest or b"").partition(b" ")
        if len(digest) != 71 or not digest.startswith(b"sha256:") or check != _check(key, digest):
            return None
        return digest.decode("ascii", "replace")

    def put(self, path: str, status: os.stat_result, digest: str, began: int) -> None:
        """Remember that the file at *path* with *status* has *digest*, if that is sure to stay so.

        *began* is when it was looked at before it was hashed (ns since 1970); it must have had *status* after it too.
        """
        if self._expected < _WORTH_TOGETHER or not self.concerns(status, began):
            return
        if not self._is_trusted(path, status.st_dev):
            return
        key = self._key(status)
        self._new.append(b"%b%b %b\n" % (key, digest.encode(), _check(key, digest.encode())))

    def save(self) -> None:
        """Write down what is new; where that can't be, it is forgotten."""
        new, self._new = self._new, []
        if not new:
            return
        with suppress(OSError):
            descriptor = os.open(
                self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600
            )
            try:
                os.write(descriptor, b"\n" + b"".join(new))  # after a line that was torn, a new one begins
                is_long = os.fstat(descriptor).st_size > 3 * self._most * _LINE // 2
            finally:
                os.close(descriptor)
            if is_long:
                self._shorten()

    def _shorten(self) -> None:
        with files.locked(f"{self._path}.lock", wait=False) as is_ours:
            if is_ours:
                known = _read(self._path, 4 * self._most * _LINE)
                newest = [b"%b%b\n" % pair for pair in known.items()][-self._most:]
                files.write_atomically(self._path, b"".join(newest))

    def _key(self, status: os.stat_result) -> bytes:
        # The host: .smt may be on a disk that several machines share, and numbers of devices are each machine's own.
        return b"%b %d %d %d %d %d " % (
            self._host, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        )

    def _is_trusted(self, path: str, device: int) -> bool:
        if device not in self._trusted:
            self._trusted[device] = _kind(path) in _TRUSTED
        return self._trusted[device]


def _check(key: bytes, digest: bytes) -> bytes:
    import zlib

    return b"%08x" % zlib.crc32(key + digest)


def _read(path: str, most: int) -> dict[bytes, bytes]:
    """Return the last *most* bytes of the cache: by what a file was, its digest and the checksum; unchecked."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            file.seek(max(0, os.fstat(descriptor).st_size - most))
            return {line[:-_TAIL]: line[-_TAIL:-1] for line in file if len(line) > _TAIL}
    except OSError:
        return {}


def _margin() -> int:
    """Return `_MARGIN`, or more where the kernel is told to wait longer before it writes to the disk."""
    waits = 0
    for name in ("dirty_expire_centisecs", "dirty_writeback_centisecs"):
        try:
            with open(f"/proc/sys/vm/{name}", "rb") as file:
                waits += int(file.read())
        except (OSError, ValueError):
            continue
    return max(_MARGIN, 2 * waits * 10_000_000)


def _kind(path: str) -> int:
    """Return the number by which the kernel knows the kind of file system that *path* is in; 0 if that is unknown."""
    import ctypes

    answer = (ctypes.c_long * 32)()
    try:
        if ctypes.CDLL(None).statfs(os.fsencode(path), ctypes.byref(answer)) != 0:
            return 0
    except (OSError, AttributeError, ValueError):
        return 0
    return int(answer[0]) & 0xFFFFFFFF

