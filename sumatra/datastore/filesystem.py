"""A folder on this machine.

Files are told by their paths relative to the root, with undecodable bytes as surrogates (PEP 383).  Symbolic links
below the root are told as themselves (their content is the text of the link) and never followed; pipes, sockets and
devices are told and never opened.
"""

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from operator import attrgetter
from typing import Any, BinaryIO, NamedTuple

from sumatra import files
from sumatra.datastore import hashing, mime
from sumatra.datastore.base import DataStore, Snapshot
from sumatra.datastore.digests import DigestCache
from sumatra.errors import DataStoreError
from sumatra.records import Choice, DataKey

__all__ = ["BACKEND", "FileSystemDataStore"]

_PASSED_OVER = frozenset({".git", ".hg", ".svn", ".bzr", ".smt"})
_identity = attrgetter("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_UNHASHED = "not hashed"

#: A file at least this long (bytes) that is mostly holes isn't hashed: hashing its zeros takes a quarter of an hour.
#: (Asking for the holes, so as not to read them, was measured: reading is hidden behind hashing already, so it gains
#: nothing, and some file systems have told of holes where there was data that wasn't on the disk yet.)
_HOLLOW = 1 << 40
#: How far a file's time of change may lie before that of the clock: the kernel stamps files once per tick (s).
_TICK = 0.02


class FileSystemDataStore(DataStore):
    """The files below the folder *root*, which need not be there yet."""

    name = "filesystem"

    def __init__(
        self, root: str, *, mime_types: str | None = None, limit: int = 1_000_000, digests: DigestCache | None = None
    ) -> None:
        """*mime_types* is a file with more endings; *limit* is how many files `snapshot` looks at.

        With *digests*, a large file that is as it was when it was hashed isn't hashed again.
        """
        self.root = os.path.abspath(root)
        self.mime_types = mime_types
        self.limit = limit
        self.digests = digests
        #: what the last snapshot could not see, a sentence each
        self.notes: list[str] = []

    @property
    def choice(self) -> Choice:
        """This store as a record tells it."""
        return Choice(self.name, {"root": self.root})

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> "FileSystemDataStore":
        """Return the store with *options*: ``root``, by default the current folder, ``mime_types``, ``digests``."""
        return cls(
            str(options.get("root", ".")), mime_types=options.get("mime_types"), digests=options.get("digests")
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.root!r})"

    # -- what is there ------------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Return what is there now; `notes` then says what could not be seen."""
        found: Snapshot = {}
        self.notes = []
        folders = [""]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(os.path.join(self.root, folder)) as entries:
                    folders += _look(folder, islice(entries, self.limit - len(found)), found)
            except OSError as error:
                if folder or not isinstance(error, FileNotFoundError):
                    self.notes.append(f"the folder {folder or self.root!r} can't be read: {error.strerror}")
            if len(found) >= self.limit:
                self.notes.append(f"only {self.limit:,} files below {self.root!r} were looked at")
                break
        return found

    def new_since(self, before: Snapshot) -> list[str]:
        """Return the paths, sorted, of what has appeared or changed since *before*.

        Where *before* had reached the limit, what is new can't be told from what was passed over then, so only what
        has changed is returned, and `notes` says so.
        """
        now = self.snapshot()
        if len(before) >= self.limit:
            self.notes.append(f"files that are new below {self.root!r} can't be told among so many")
            return sorted(path for path, status in now.items() if before.get(path, status) != status)
        return sorted(path for path, status in now.items() if before.get(path) != status)

    def find_new_data(self, timestamp: datetime) -> list[DataKey]:
        """Return the files that were written after *timestamp* (local time where it has no zone)."""
        return self.generate_keys(sorted(self._written_since(timestamp.timestamp())))

    def find_new_files(self, timestamp: datetime) -> list[DataKey]:
        """Return the same as `find_new_data`, which was called so at first."""
        return self.find_new_data(timestamp)

    def _written_since(self, moment: float) -> Iterator[str]:
        # By the time of change of the inode, which a program can't set back as it can the other.
        for path, (_, _, _, _, changed) in self.snapshot().items():
            whole_seconds = changed % 1_000_000_000 == 0  # some file systems know no others
            if changed / 1e9 >= moment - (1.0 if whole_seconds else _TICK):
                yield path

    def contains_path(self, path: str) -> bool:
        """Tell whether there is a file at *path*, relative to the root; a symbolic link is one."""
        try:
            with self._folder_of(path) as place:
                return not stat.S_ISDIR(place.status().st_mode)
        except OSError:
            return False

    # -- keys ---------------------------------------------------------------------------------------------------------

    def generate_keys(
        self, paths: Iterable[str], *, seen: str = "scan", progress: Callable[[int], None] | None = None
    ) -> list[DataKey]:
        """Return a key with digest for each of *paths*, in their order; files outside of the root get absolute ones.

        A symbolic link is told as itself, flagged ``symbolic link``: to have what it leads to, give its real path.
        """
        began = time.time_ns()
        found = [_examine(os.path.join(self.root, path)) for path in paths]
        _hash(found, progress, self.digests, began)
        additions = mime.read_types(self.mime_types) if self.mime_types else None
        return [self._key(entry, seen, additions) for entry in found]

    def _key(self, entry: "_Entry", seen: str, additions: dict[str, str] | None) -> DataKey:
        digest, size, flags = entry.digest
        mimetype, encoding = mime.guess(entry.path, additions) if entry.is_plain else (None, None)
        return DataKey(
            path=self._relative(entry.path), digest=digest, creation=entry.written,
            size=entry.size if size is None else size, mimetype=mimetype, encoding=encoding, seen=seen, flags=flags,
        )

    def _relative(self, path: str) -> str:
        path = os.path.normpath(path)
        root = self.root.rstrip("/") + "/"
        return path.removeprefix(root) if path.startswith(root) else path

    # -- single files -------------------------------------------------------------------------------------------------

    def get_content(self, key: DataKey, max_length: int | None = None) -> bytes:
        """Return (the first *max_length* bytes of) the file's content, checked against the digest that *key* has."""
        try:
            with self._folder_of(key.path) as place:
                content = place.read(key.digest, max_length)
        except OSError as error:
            raise DataStoreError(
                f"the file {key.path!r} can't be read in {self.root!r}: {error.strerror or error}",
                "was it moved or deleted? the record still has its digest, by which it can be recognised",
            ) from error
        if content is None:
            raise DataStoreError(
                f"the file {key.path!r} in {self.root!r} is no longer what the record says",
                "it was written again by something else; only its digest is left in the record",
            )
        return content

    def delete(self, keys: Iterable[DataKey]) -> list[str]:
        """Delete files whose content is still what the keys say; return a sentence for each that was kept.

        A file that has gone already is not worth a sentence.
        """
        kept = []
        for key in keys:
            if key.digest is None:
                kept.append(f"{key.path!r} was kept: it was never hashed, so nobody knows whether it is the same file")
                continue
            try:
                with self._folder_of(key.path) as place:
                    if not place.remove(key.digest):
                        kept.append(f"{key.path!r} was kept: its content has changed since the run")
            except FileNotFoundError:
                pass
            except OSError as error:
                kept.append(f"{key.path!r} was kept: {error.strerror or error}")
        return kept

    def _folder_of(self, path: str) -> "_Place":
        """Open the folder that the file *path* lies in, one name after another and never through a link."""
        names = [name for name in path.split("/") if name not in ("", ".")]
        if path.startswith(self.root.rstrip("/") + "/"):
            names = [name for name in path[len(self.root):].split("/") if name not in ("", ".")]
        elif path.startswith("/"):
            names = []
        if not names or ".." in names:
            raise OSError(f"{path!r} doesn't lie in {self.root!r}")
        folder = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        for name in names[:-1]:
            try:
                inner = os.open(name, _FOLDER, dir_fd=folder)
            finally:
                os.close(folder)
            folder = inner
        return _Place(folder, names[-1])


BACKEND = FileSystemDataStore


def _look(folder: str, entries: Iterable["os.DirEntry[str]"], found: Snapshot) -> list[str]:
    """Put the files of one folder into *found* and return its folders."""
    prefix = f"{folder}/" if folder else ""
    folders = []
    for entry in entries:
        name = entry.name
        try:
            if name in _PASSED_OVER:
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(prefix + name)
            else:
                found[prefix + name] = _identity(entry.stat(follow_symlinks=False))
        except OSError:  # gone since
            continue
    return folders


class _Entry:
    """One path to make a key of."""

    def __init__(self, path: str, status: os.stat_result | None, digest: files.Digest) -> None:
        self.path = path
        self.status = status
        self.digest = digest
        self.is_plain = status is not None and stat.S_ISREG(status.st_mode)

    @property
    def size(self) -> int | None:
        return self.status.st_size if self.status and self.is_plain else None

    @property
    def written(self) -> datetime | None:
        try:
            return datetime.fromtimestamp(self.status.st_mtime_ns / 1e9, UTC) if self.status else None
        except (OverflowError, OSError, ValueError):  # a year that calendars don't have
            return None

    @property
    def awaits_hashing(self) -> bool:
        return self.is_plain and self.status is not None and not _is_hollow(self.status)


def _is_hollow(status: os.stat_result) -> bool:
    return status.st_size >= _HOLLOW and status.st_blocks * 512 < status.st_size // 2


def _examine(path: str) -> _Entry:
    """Return what can be told of *path* without opening it."""
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            target = os.fsencode(os.readlink(path))
            return _Entry(path, status, files.Digest(files.digest_bytes(target), len(target), ("symbolic link",)))
    except (FileNotFoundError, NotADirectoryError):
        return _Entry(path, None, files.Digest(None, None, ("missing",)))
    except (OSError, ValueError):
        return _Entry(path, None, files.Digest(None, None, ("unreadable",)))
    flag = _UNHASHED if stat.S_ISREG(status.st_mode) else "not a regular file"
    return _Entry(path, status, files.Digest(None, None, (flag,)))


def _hash(
    entries: Iterable[_Entry], progress: Callable[[int], None] | None, known: DigestCache | None, began: int
) -> None:
    """Give each of *entries* its digest, hard links of one file the same; fewer when the user interrupts."""
    groups: dict[tuple[int, int], list[_Entry]] = {}
    for entry in entries:
        if entry.awaits_hashing and entry.status:
            groups.setdefault((entry.status.st_dev, entry.status.st_ino), []).append(entry)
    todo = list(groups.values())
    try:
        todo = _looked_up(todo, known, progress, began) if known else todo
    except KeyboardInterrupt:
        return
    work = [(group[0].path, group[0].size or 0) for group in todo]
    for group, digest in zip(todo, hashing.digests(work, progress), strict=True):
        for entry in group:
            entry.digest = digest or entry.digest
    if known:
        _remember(todo, known, began)


def _looked_up(
    groups: list[list[_Entry]], known: DigestCache, progress: Callable[[int], None] | None, began: int
) -> list[list[_Entry]]:
    """Give digests to those of *groups* that are *known*, and return the others."""
    statuses = [group[0].status for group in groups]
    asked = [status if status is not None and known.concerns(status, began) else None for status in statuses]
    known.expect(sum(status.st_size for status in asked if status is not None))
    others = []
    for group, status in zip(groups, asked, strict=True):
        digest = None if status is None else known.get(group[0].path, status)
        if digest is None or status is None:
            others.append(group)
            continue
        for entry in group:
            entry.digest = files.Digest(digest, status.st_size)
        if progress is not None:
            progress(status.st_size)
    return others


def _remember(groups: list[list[_Entry]], known: DigestCache, began: int) -> None:
    for first, *_ in groups:
        if first.status is None or first.digest.digest is None or not known.concerns(first.status, began):
            continue
        try:
            is_same = _identity(os.lstat(first.path)) == _identity(first.status)
        except OSError:
            continue
        if is_same:
            known.put(first.path, first.status, first.digest.digest, began)
    known.save()


class _Place(NamedTuple):
    """The name of a file in an open folder: nobody can slip another folder under it."""

    folder: int
    name: str

    def __enter__(self) -> "_Place":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.folder)

    def status(self) -> os.stat_result:
        return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)

    def read(self, digest: str | None, max_length: int | None) -> bytes | None:
        """Return the beginning of the content, or None if the whole hasn't *digest* (where that is known)."""
        if stat.S_ISLNK(self.status().st_mode):
            content = self._target()
            matches = hashing.matches(digest, [content])
        else:
            with self._opened() as file:
                content = file.read() if max_length is None else file.read(max_length)
                matches = digest is None or hashing.matches(digest, _pieces(content, file))
        return content[:max_length] if matches else None

    def remove(self, digest: str) -> bool:
        """Delete the file if it has *digest*; tell whether it had."""
        status = self.status()
        if stat.S_ISLNK(status.st_mode):
            matches = hashing.matches(digest, [self._target()])
        elif stat.S_ISREG(status.st_mode):
            with self._opened() as file:
                matches = hashing.matches(digest, _pieces(b"", file))
        else:
            matches = False
        if matches and _identity(self.status()) == _identity(status):
            os.unlink(self.name, dir_fd=self.folder)
            return True
        return False

    def _target(self) -> bytes:
        return os.fsencode(os.readlink(self.name, dir_fd=self.folder))

    def _opened(self) -> BinaryIO:
        if not stat.S_ISREG(self.status().st_mode):
            raise OSError("it isn't a regular file")
        descriptor = os.open(self.name, _FILE, dir_fd=self.folder)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError("it isn't a regular file")
        return open(descriptor, "rb")


def _pieces(first: bytes, rest: BinaryIO) -> Iterator[bytes]:
    yield first
    while piece := rest.read(1 << 18):
        yield piece
