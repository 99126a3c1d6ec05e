"""What Bazaar's own note of the working tree says, read without its program.

Breezy takes a tenth of a second or more to load; every run would pay that.  The *dirstate* of a working tree has the
current version, and for each file what it was at that version (a digest) and when it was last looked at.  Where the
time stamp isn't the noted one, the file's content is compared with the digest, so this answers all there is to know.
The format is described in breezy's ``dirstate.py``.
"""

import os
import stat
import struct
import zlib
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Sequence
from itertools import compress, count
from typing import NamedTuple, TypeVar

from sumatra.errors import VersionControlError
from sumatra.versioncontrol._folder import entries
from sumatra.versioncontrol._text import mode_of_bits
from sumatra.versioncontrol.base import ChangedFile, is_ours

__all__ = ["Entry", "State", "changed_files", "look_at", "read_parents", "read_state"]

_FORMAT = b"#bazaar dirstate flat format 3"
_ENDINGS = (b"Bazaar Working Tree Format 4 (bzr 0.15)", b"Bazaar Working Tree Format 5 (bzr 1.11)",
            b"Bazaar Working Tree Format 6 (bzr 1.14)")
_LONGEST = 1 << 30  # bytes
_PIECE = 1 << 20  # bytes
_SECOND = 1_000_000_000  # nanoseconds
_ATTEMPTS = 5
_UNKNOWN = b"x" * 32  #: stands for a file that wasn't looked at yet
_KINDS = frozenset((b"f", b"l"))
_ODD = frozenset((b"", b".", b".."))


Found = TypeVar("Found")


class Entry(NamedTuple):
    """A file or link, as a version or the last look has it."""

    kind: bytes  #: ``f`` or ``l``
    fingerprint: bytes  #: SHA-1 of the content in hexadecimal digits, or where the link points to; may be empty
    size: bytes
    executable: bytes  #: ``y`` or ``n``
    packed: bytes  #: size, times and number of the file when it was last looked at


class State(NamedTuple):
    """The whole of a dirstate; paths are relative to the root, and numbers are those of rows."""

    parents: tuple[str, ...]  #: versions: the current one, and those that are being merged into it
    current: dict[bytes, int]  #: files that are under version control
    basis: dict[bytes, int]  #: files that the current version has
    folders: set[bytes]  #: folders under version control
    above: set[bytes]  #: all folders that files lie in
    nested: dict[bytes, str]  #: trees in the tree, with the version that they should be at
    certain: dict[bytes, tuple[int, ...]]  #: what ``stat`` says of files that are as the current version has them
    rows: list[bytes]
    width: int  #: of a row

    def entry(self, row: int, of_basis: bool) -> Entry:
        """Return what a row says of the current tree, or of the current version."""
        start = row * self.width + (8 if of_basis else 3)
        return Entry._make(self.rows[start:start + 5])


def look_at(root: str) -> tuple[int, ...]:
    """Return what changes whenever the dirstate of the working tree *root* is written, or nothing."""
    try:
        facts = os.stat(os.path.join(root, ".bzr", "checkout", "dirstate"))
    except OSError:
        return ()
    return (facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, facts.st_ino)


def read_parents(root: str) -> tuple[str, ...]:
    """Return the versions that the working tree *root* is made of: none before the first commit."""
    return _read_whole(root, lambda fields: _parents(fields, root)[0])


def read_state(root: str) -> State:
    """Return what the dirstate of the working tree *root* says."""
    return _read_whole(root, lambda fields: _state(fields, root))


def _read_whole(root: str, take: Callable[[list[bytes]], Found]) -> Found:
    """Return what *take* makes of the fields of the dirstate, which is read again if somebody is writing it."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return take(_fields(root))
        except VersionControlError:
            continue
    return take(_fields(root))


def _fields(root: str) -> list[bytes]:
    """Return all fields that follow the header."""
    folder = os.path.join(root, ".bzr", "checkout")
    try:
        with open(os.path.join(folder, "format"), "rb", opener=_open_file) as file:
            ending = file.read(200).split(b"\n")[0]
        if ending not in _ENDINGS:
            raise VersionControlError(
                f"the working tree {root} has a format that only very old versions of Bazaar write", "brz upgrade"
            )
        with open(os.path.join(folder, "dirstate"), "rb", opener=_open_file) as file:
            content = file.read(_LONGEST)
    except OSError as error:
        raise VersionControlError(f"the .bzr of {root} can't be read: {error.strerror}") from error
    try:
        kind, checksum, _, body = content.split(b"\n", 3)
        sound = kind == _FORMAT and int(checksum.removeprefix(b"crc32: ")) & 0xFFFFFFFF == zlib.crc32(body)
    except ValueError:
        sound = False
    if not sound:
        raise _damaged(root)
    return body.split(b"\0")


def _open_file(path: str, flags: int) -> int:
    """Open a regular file; a pipe in its place would keep us waiting."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "it isn't a file")
    return descriptor


def _damaged(root: str) -> VersionControlError:
    return VersionControlError(f"the dirstate in the .bzr of {root} is damaged", "brz repair-workingtree")


def _parents(fields: list[bytes], root: str) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """Return the parents, those of them that aren't in the repository, and the place of the first row."""
    try:
        many = int(fields[0])
        ghosts = int(fields[many + 2])
    except (ValueError, IndexError):
        many = ghosts = -1
    if many < 0 or ghosts < 0:
        raise _damaged(root)
    found = [field.decode("utf-8", "replace") for field in fields[1:many + 1]]
    absent = [field.decode("utf-8", "replace") for field in fields[many + 3:many + 3 + ghosts]]
    return tuple(found), tuple(absent), many + ghosts + 4


def _state(fields: list[bytes], root: str) -> State:
    parents, ghosts, start = _parents(fields, root)
    trees = 1 + sum(parent not in ghosts for parent in parents)
    width = 4 + 5 * trees
    rows = fields[start:-1]
    if len(rows) % width:
        raise _damaged(root)
    if parents and parents[0] in ghosts:
        raise VersionControlError(f"the current version of {root} isn't in its repository", "brz reconcile")
    folders = rows[0::width]
    names = rows[1::width]
    above = _above(set(folders))
    _judge(above, names, root)
    paths = [folder + b"/" + name if folder else name for folder, name in zip(folders, names, strict=True)]
    kinds = rows[3::width]
    before = rows[8::width] if parents else []
    current = _rows_of_files(paths, kinds)
    return State(
        parents,
        current,
        current if before == kinds else _rows_of_files(paths, before) if parents else {},
        set(compress(paths, [kind == b"d" for kind in kinds])),
        above,
        {path: version.decode("utf-8", "replace")
         for path, kind, version in zip(paths, kinds, rows[4::width], strict=True) if kind == b"t"}
        if b"t" in kinds else {},
        _certain(paths, rows, width) if parents else {},
        rows,
        width,
    )


def _rows_of_files(paths: list[bytes], kinds: list[bytes]) -> dict[bytes, int]:
    return {path: row for path, kind, row in zip(paths, kinds, count(), strict=False) if kind in _KINDS}


def _certain(paths: list[bytes], rows: list[bytes], width: int) -> dict[bytes, tuple[int, ...]]:
    """Return size, times, device, number and mode of files that had the current version's content at the last look."""
    executable, packed = rows[6::width], rows[7::width]
    columns = (rows[number::width] for number in (3, 4, 8, 9, 11))
    same = [  # with as few new objects as can be: thousands of them make Python look for cycles
        digest == digest_before and kind == kind_before == b"f" and may_run == may_run_before
        and digest != b"" and look != _UNKNOWN and len(look) == len(_UNKNOWN)
        for may_run, look, kind, digest, kind_before, digest_before, may_run_before
        in zip(executable, packed, *columns, strict=True)
    ]
    try:
        looks = struct.iter_unpack(">6L", a2b_base64(b"".join(compress(packed, same))))
        return {
            path: look for path, may_run, look
            in zip(compress(paths, same), compress(executable, same), looks, strict=True)
            if look[5] & 0o170100 == (0o100100 if may_run == b"y" else 0o100000)
        }
    except (Base64Error, struct.error, ValueError):
        return {}


def _judge(folders: set[bytes], names: list[bytes], root: str) -> None:
    """Raise `VersionControlError` where a path could lead out of the root."""
    parts = {part for folder in folders if folder for part in folder.split(b"/")}
    odd = _ODD.intersection(parts) or {b".", b".."}.intersection(names) or b".bzr" in parts
    if odd or b"/" in b"\0".join(names):
        raise VersionControlError(f"the dirstate in the .bzr of {root} has names that lead out of it")


def _above(folders: set[bytes]) -> set[bytes]:
    """Return *folders* with all that they lie in."""
    found = set(folders)
    for folder in folders:
        while folder and (folder := folder.rpartition(b"/")[0]) not in found:
            found.add(folder)
    return found


# What has changed

#: Tells which of the given paths are to be ignored.
Ignored = Callable[[Sequence[bytes]], Sequence[bool]]


def changed_files(
    root: str, state: State, *, untracked: bool, ignored: Ignored, most: int, notes: list[str],
    markers: frozenset[bytes] = frozenset(),
) -> list[ChangedFile]:
    """Return what isn't as the current version has it, below *root*.

    Untracked folders with one of *markers* in them are not entered; *notes* gets a sentence for what wasn't looked at.
    """
    walk = _Walk(root, state, ignored, most, markers)
    found = walk.changes(untracked)
    notes += walk.notes
    return found


class _Walk:
    """One look at all files below a root, folder by folder, without following links."""

    def __init__(self, root: str, state: State, ignored: Ignored, most: int, markers: frozenset[bytes]) -> None:
        self._root = os.fsencode(root)
        self._state = state
        self._ignored = ignored
        self._most = most
        self._markers = markers
        self._unseen = dict(state.certain)
        self.notes: list[str] = []

    def changes(self, untracked: bool) -> list[ChangedFile]:
        changed: list[ChangedFile] = []
        seen: set[bytes] = set()
        level: list[bytes] = [b""]
        untold = self._most
        while level:
            below: list[bytes] = []
            new: list[tuple[bytes, str | None]] = []
            for here in level:
                self._look_into(here, changed, seen, below, new if untracked else None)
            kept = self._ignored([path for path, _ in new]) if new else ()
            for (path, mode), is_ignored in zip(new, kept, strict=True):
                if is_ignored:
                    continue
                if mode is None:
                    below.append(path)
                    continue
                untold -= 1
                if untold >= 0:
                    changed.append(ChangedFile(os.fsdecode(path), "untracked", mode))
            level = below
        if untold < 0:
            self.notes.append(
                f"untracked files beyond {self._most:,} weren't looked at; name folders of data in .bzrignore"
            )
        gone = self._state.basis.keys() - seen
        if len(self._unseen) < len(self._state.certain):
            gone -= self._state.certain.keys() - self._unseen.keys()
        changed += [ChangedFile(os.fsdecode(path), "deleted") for path in gone]
        return changed

    def _look_into(
        self, here: bytes, changed: list[ChangedFile], seen: set[bytes], below: list[bytes],
        new: list[tuple[bytes, str | None]] | None,
    ) -> None:
        from sumatra.versioncontrol._text import printable

        prefix = here + b"/" if here else b""
        try:
            items = entries(os.path.join(self._root, here), follow=not here)
        except OSError as error:
            self.notes.append(f"the folder {printable(os.fsdecode(here)) or '.'} can't be read: {error.strerror}")
            seen.update(path for path in self._state.basis if path.startswith(prefix))
            return
        state, unseen = self._state, self._unseen
        take = unseen.pop
        if here and here not in state.above and not self._markers.isdisjoint(name for name, *_ in items):
            self.notes.append(f"{printable(os.fsdecode(here))} is a repository of its own, and isn't looked into")
            return
        for name, bits, size, device, number, modified, changed_at in items:
            path = prefix + name
            noted = take(path, None)
            if noted is not None:
                if noted == (size, modified // _SECOND, changed_at // _SECOND, device, number, bits):
                    continue
                unseen[path] = noted
            if path in state.current or path in state.basis:
                if stat.S_ISDIR(bits):  # its files are another thing
                    below.append(path) if path in state.above else self._add_new(path, None, new)
                    continue
                if not (stat.S_ISREG(bits) or stat.S_ISLNK(bits)):
                    continue
                seen.add(path)
                change = self._compared(path, bits, size)
                if change:
                    changed.append(change)
            elif path == b".bzr" or path in state.nested:
                continue
            elif stat.S_ISDIR(bits):
                if path in state.above or path in state.folders:
                    below.append(path)
                elif name != b".smt":  # Sumatra's own folder
                    self._add_new(path, None, new)
            elif stat.S_ISLNK(bits) or stat.S_ISREG(bits):
                mode = mode_of_bits(bits)
                if path in state.folders:  # a folder of this name is under version control
                    changed.append(ChangedFile(os.fsdecode(path), "added", mode))
                elif not is_ours(os.fsdecode(path)):
                    self._add_new(path, mode, new)

    @staticmethod
    def _add_new(path: bytes, mode: str | None, new: list[tuple[bytes, str | None]] | None) -> None:
        if new is not None:
            new.append((path, mode))

    def _compared(self, path: bytes, bits: int, size: int) -> ChangedFile | None:
        """Return how a file has changed, after a look at its content if need be."""
        mode = mode_of_bits(bits)
        row = self._state.basis.get(path)
        if row is None:
            return ChangedFile(os.fsdecode(path), "added", mode)
        basis = self._state.entry(row, of_basis=True)
        changed = ChangedFile(os.fsdecode(path), "modified", mode)
        if path not in self._state.current or mode != _mode(basis):
            return changed  # brz remove --keep: it isn't under version control any more, and still there
        full = os.path.join(self._root, path)
        try:
            if basis.kind == b"l":
                return None if os.readlink(full) == basis.fingerprint else changed
            same = size == int(basis.size) and _sha1(full) == basis.fingerprint
        except (OSError, ValueError):
            return changed
        return None if same else changed


def _mode(entry: Entry) -> str:
    if entry.kind == b"l":
        return "120000"
    return "100755" if entry.executable == b"y" else "100644"


def _sha1(path: bytes) -> bytes:
    """Return the digest of a file as Bazaar notes it."""
    import hashlib

    digest = hashlib.sha1(usedforsecurity=False)
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest().encode()
