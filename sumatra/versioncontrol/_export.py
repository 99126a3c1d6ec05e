"""Files of a version, and changes upon them, written into a folder of ours.

The names come from a repository, or from a record, that a stranger may have made.  Two locks keep them inside, and each
holds alone: all names are judged before anything is written, and each file is made new, below a folder that is opened
without following links.
"""

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sumatra.errors import VersionControlError
from sumatra.files import digest_bytes
from sumatra.records import Change
from sumatra.versioncontrol._text import listing, printable

__all__ = ["SUBMODULE", "Tree", "TreeFile", "check_paths", "kept_content", "moved_submodules", "write"]

#: Folders whose content may name programs to the systems that they belong to.
_RESERVED = ("git", "hg", "bzr", "svn")
_MODES = ("100644", "100755", "120000")
SUBMODULE = "160000"  #: the mode of a submodule
_LONGEST_LINK = 4095  # bytes

#: The names of what macOS leaves out of file names, so that ``.g\u200cit`` means ``.git`` there.
_IGNORED_ON_MACOS = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
#: Other names of ``.git`` on Windows: what follows a colon, or dots and spaces at the end, doesn't count there.
_IGNORED_ON_WINDOWS = r"(?:[. ]*(?::.*)?)$"


class TreeFile(NamedTuple):
    """A file or link that belongs to a version."""

    path: str  #: relative to the root, with ``/``
    mode: str  #: ``100644``, ``100755`` or ``120000``
    key: object = None  #: by which the system finds the content


class Tree(NamedTuple):
    """All files of a version."""

    files: Sequence[TreeFile]
    notes: tuple[str, ...] = ()  #: what is missing, a sentence each


def write(
    tree: Tree, pieces: Callable[[Sequence[TreeFile]], Iterator[Iterable[bytes]]], changes: Iterable[Change],
    folder: str, content: Callable[[str], bytes],
) -> tuple[str, ...]:
    """Write *tree* with *changes* into the empty *folder* and return notes: what is missing there, and why.

    *pieces* returns the content of each of the files that it is given, in their order.
    """
    wanted, notes = _wanted(changes)
    replaced = {change.path for change in wanted}
    files = [file for file in tree.files if replaced.isdisjoint(_and_above(file.path))]
    new = [change for change in wanted if change.kind != "deleted" and change.digest is not None]
    check_paths([*(file.path for file in files), *(change.path for change in new)])
    contents = [kept_content(change, content) for change in new]
    with _Folder(folder) as target:
        for file, parts in zip(files, pieces(files), strict=True):
            target.write(file.path, file.mode, parts)
        for change, held in zip(new, contents, strict=True):
            target.write(change.path, change.mode or "100644", (held,))
    return (*tree.notes, *notes)


def _wanted(changes: Iterable[Change]) -> tuple[list[Change], list[str]]:
    """Return the changes to be applied, the last of each path, and what is to be said of those that can't be."""
    wanted: dict[str, Change] = {}
    for change in changes:
        if change.mode != SUBMODULE:
            wanted[change.path] = change
    missing = [change.path for change in wanted.values() if change.kind != "deleted" and change.digest is None]
    notes = [f"files whose content wasn't kept are left out: {listing(missing)}"] if missing else []
    return list(wanted.values()), notes


def moved_submodules(changes: Iterable[Change], content: Callable[[str], bytes]) -> Mapping[str, str | None]:
    """Return at which versions submodules were that were at others than the outer version names; None: not known."""
    return {
        change.path: None if change.digest is None else kept_content(change, content).decode("ascii", "replace").strip()
        for change in changes if change.mode == SUBMODULE
    }


def _and_above(path: str) -> Iterator[str]:
    """Yield *path* and the folders that it lies in."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def kept_content(change: Change, content: Callable[[str], bytes]) -> bytes:
    """Return the content of the changed file, which *content* returns for its digest, after a look at that.

    Raises `VersionControlError` if it is gone or damaged.
    """
    name, remedy = printable(change.path), f"put it back into .smt/objects from a backup: {change.digest}"
    try:
        held = content(change.digest or "")
    except (OSError, LookupError) as error:
        raise VersionControlError(f"the content of {name} isn't kept any more", remedy) from error
    if (change.digest or "").startswith("sha256:") and digest_bytes(held) != change.digest:
        raise VersionControlError(f"what was kept of {name} is damaged", remedy)
    return held


def check_paths(paths: Iterable[str]) -> None:
    """Raise `VersionControlError` unless all *paths* can be written below one folder without leaving it."""
    seen = set()
    for path in paths:
        if path in seen:
            raise VersionControlError(f"there are two files called {printable(path)}")
        seen.add(path)
        for part in path.split("/"):
            if not part or part in (".", "..") or "\0" in part or _is_reserved(part):
                raise VersionControlError(f"{printable(path)!r} isn't written, because of what its name could do")
    above: set[str] = set()
    for path in seen:
        above.update(_and_above(path.rpartition("/")[0]))
    for path in seen & above:
        raise VersionControlError(f"{printable(path)!r} is to be a file and a folder")


def _is_reserved(part: str) -> bool:
    """Tell whether a name means ``.git`` or its like on any system of files, and so ``..`` on Windows."""
    if part.isascii() and "." not in part and "~" not in part:
        return False
    plain = unicodedata.normalize("NFKC", _IGNORED_ON_MACOS.sub("", part)).casefold()
    for piece in plain.split("\\"):
        name = re.sub(_IGNORED_ON_WINDOWS, "", piece)
        if piece == ".." or any(name in (f".{system}", f"{system}~1") for system in _RESERVED):
            return True
    return False


class _Folder:
    """A folder into which files are written by their path, and out of which no path leads."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._open: list[tuple[str, int]] = []  # the folders from the root to the one written to last

    def __enter__(self) -> "_Folder":
        self._open = [("", os.open(self._root, os.O_RDONLY | os.O_DIRECTORY))]
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            os.close(self._open.pop()[1])

    def write(self, path: str, mode: str, parts: Iterable[bytes]) -> None:
        """Make the file or link *path*; raises `VersionControlError` if it can't be, and never leaves the folder."""
        *folders, name = path.split("/")
        try:
            if mode not in _MODES or name in ("", ".", ".."):
                raise VersionControlError(f"{printable(path)} is of an unknown kind ({printable(mode)})")
            inside = self._enter(folders)
            if mode == "120000":
                target = b"".join(parts)
                if not target or b"\0" in target or len(target) > _LONGEST_LINK:
                    raise VersionControlError(f"the link {printable(path)} points to nothing that could be")
                os.symlink(target, os.fsencode(name), dir_fd=inside)
                return
            rights = 0o777 if mode == "100755" else 0o666
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with open(os.open(name, flags, rights, dir_fd=inside), "wb") as file:
                file.writelines(parts)
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or error
            raise VersionControlError(f"{printable(path)} can't be written to {self._root}: {said}") from error

    def _enter(self, folders: list[str]) -> int:
        """Return the descriptor of a folder below the root, which is made if need be."""
        depth = 0
        while depth < len(folders) and depth + 1 < len(self._open) and self._open[depth + 1][0] == folders[depth]:
            depth += 1
        while len(self._open) > depth + 1:
            os.close(self._open.pop()[1])
        for name in folders[depth:]:
            if name in ("", ".", ".."):
                raise ValueError("it leads out of the folder")
            above = self._open[-1][1]
            try:
                os.mkdir(name, dir_fd=above)
            except FileExistsError:
                pass
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
            self._open.append((name, os.open(name, flags, dir_fd=above)))
        return self._open[-1][1]
