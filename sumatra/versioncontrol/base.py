"""What every version-control system promises.

A working copy tells facts about the folder in which the user works.  It never changes that folder, its index, its
references or its configuration, takes no lock in it, and starts nothing that the repository names (hooks, filters,
file-system monitors, text converters): a repository may come from a stranger.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from sumatra.errors import VersionControlError
from sumatra.records import Change, Repository

if TYPE_CHECKING:
    from sumatra.versioncontrol._export import Tree, TreeFile

__all__ = ["ChangedFile", "Revision", "Status", "WorkingCopy", "is_ours"]


class ChangedFile(NamedTuple):
    """A file that isn't as the current version has it."""

    path: str  #: relative to the root, with ``/``; undecodable bytes as surrogates (PEP 383)
    kind: str  #: ``modified``, ``added``, ``deleted`` or ``untracked`` (and not ignored)
    mode: str | None = None  #: as git writes it; None when deleted
    repository: str = ""  #: root of the submodule that it belongs to, relative to the outer root, or empty
    version: str | None = None  #: of a submodule (mode ``160000``): the one that it is at


class Status(NamedTuple):
    """What a working copy is at: one consistent look."""

    version: str | None  #: None before the first commit
    branch: str | None  #: None when detached
    changed: tuple[ChangedFile, ...]  #: empty when all is as committed
    notes: tuple[str, ...] = ()  #: what could not be looked at, a sentence each


class Revision(NamedTuple):
    """A version, and who made it when and why."""

    version: str
    author: str  #: ``Name <address>`` as far as it is known
    date: datetime | None  #: with its time zone
    message: str


def is_ours(path: str) -> bool:
    """Tell whether *path* lies in Sumatra's own folder; git passes over that by its ``.gitignore``, others don't."""
    return "/.smt/" in f"/{path}"


class WorkingCopy(ABC):
    """A folder under version control; *root* is its top.

    Where a method takes a *version*, that is anything that `resolve` understands.  What the user types, or a record
    of a stranger holds, is never taken for an option, a path or an expression that does more than name a version.
    """

    #: what the user and records call the system
    name: str

    def __init__(self, root: str) -> None:
        self.root = root

    @classmethod
    @abstractmethod
    def create(cls, root: str) -> "WorkingCopy":
        """Return the working copy at *root*, where a marker was found, or raise `VersionControlError`."""

    @classmethod
    def around(cls, marked: str, below: str) -> "WorkingCopy | None":
        """Return the working copy that *below* lies in, where a marker was found in *marked*, which is above it.

        Return None if the marker says that this is no working copy of the system after all.
        """
        return cls.create(marked)

    @abstractmethod
    def repository(self) -> Repository:
        """Return where the code comes from; no user name, password or token is in its URLs."""

    @abstractmethod
    def status(self, *, untracked: bool = True) -> Status:
        """Return version, branch and changed files; untracked ones only if *untracked*, and never those in ``.smt``."""

    @abstractmethod
    def diff(self) -> str:
        """Return the changes of tracked files as a patch, for people; binary content may be left out."""

    @abstractmethod
    def content(self, path: str, version: str | None = None) -> bytes:
        """Return what the file *path* (relative to the root) holds at *version*, by default the current one.

        Raises `VersionControlError` if it isn't there.
        """

    @abstractmethod
    def contains(self, path: str) -> bool:
        """Tell whether the file *path* (absolute, or relative to the root) is under version control."""

    @abstractmethod
    def user(self) -> str:
        """Return the committer's name as ``Name <address>``, or an empty string."""

    @classmethod
    @abstractmethod
    def checkout(cls, url: str, folder: str) -> "WorkingCopy":
        """Return a new working copy of the repository *url* in *folder*, which is empty or not there yet.

        Raises `VersionControlError` for what isn't a repository, and for URLs that could start a program.
        """

    @classmethod
    def borrow(cls, url: str, folder: str) -> "WorkingCopy":
        """Return what can read the versions of *url*, and is given up after that; it may use *folder*.

        For systems where a checkout leaves something on a server, which isn't wanted for that.
        """
        return cls.checkout(url, folder)

    @abstractmethod
    def resolve(self, name: str) -> str:
        """Return the full version that *name* means: a branch, a tag, an abbreviation, or what else the system knows.

        Raises `VersionControlError` if there is none, or several.
        """

    @abstractmethod
    def revision(self, version: str | None = None) -> Revision:
        """Return who made *version*, by default the current one, when and why."""

    @abstractmethod
    def difference(self, one: str, other: str) -> str:
        """Return what leads from version *one* to *other* as a patch, for people; binary content may be left out."""

    @abstractmethod
    def tree(self, version: str, submodules: "Mapping[str, str | None]") -> "Tree":
        """Return all files and links of *version*, those of submodules too where they are to be had.

        *submodules* were at other versions than *version* says (None: at an unknown one).
        """

    @abstractmethod
    def contents(self, files: "Sequence[TreeFile]") -> "Iterator[Iterable[bytes]]":
        """Yield for each of *files*, which `tree` has returned, its content in pieces: as stored, without filters."""

    def is_pushed(self, version: str | None = None) -> bool | None:
        """Tell whether *version* (by default the current one) is known to be in the repository that this one follows.

        Return None where that can't be known: there is no other repository.
        """
        return None

    def export(
        self, version: str | None, changes: Iterable[Change], folder: str, content: Callable[[str], bytes],
        without: Collection[str] = (),
    ) -> tuple[str, ...]:
        """Write the tree of *version* with *changes* upon it into *folder*, and return what is missing, as sentences.

        *folder* is empty or not there yet.  *version* is None where there was no commit; *content* returns what a
        digest names.  Files of *version* that *without* names aren't written.  Neither the working copy nor anything in
        the repository is touched, and nothing that the repository names is run, so files are as they are stored.
        Raises `VersionControlError` if there is no such version, if a content is gone or damaged, or for names that
        could lead out of *folder*; nothing is written then, or (on a disk that is full) a part.
        """
        from sumatra.versioncontrol import _export, _new_folder

        changes = tuple(changes)
        moved = _export.moved_submodules(changes, content)
        tree = _export.Tree(()) if version is None else self.tree(version, moved)
        if without:
            tree = tree._replace(files=[file for file in tree.files if file.path not in without])
        return _export.write(tree, self.contents, changes, _new_folder.prepare(folder), content)

    def stand_in(self, version: str, folder: str) -> bool:
        """Write into *folder* what has the system's programs take *version* for the current one; tell if it was done.

        The folder is going to be seen laid over the root of this working copy, in which nothing changes.
        """
        return False

    def bundle(self, version: str, path: str) -> None:
        """Write a new file *path* from which *version* can be restored without this repository.

        Raises `VersionControlError` where that isn't possible.
        """
        raise VersionControlError(f"{self.name} can't put a version into a file")

    @classmethod
    def unbundle(cls, bundle: str, version: str, folder: str) -> "WorkingCopy":
        """Return a new working copy of *version* in *folder*, made of the file *bundle* that `bundle` has written."""
        raise VersionControlError(f"{cls.name} can't restore a version from a file")

    def holds(self, version: str, url: str) -> bool:
        """Tell whether *version* of the repository at *url*, as `repository` told it, is to be had from here.

        A hash names a version anywhere; a number says something only together with the address.
        """
        try:
            return self.resolve(version) == version
        except VersionControlError:
            return False

    def tracked(self, paths: Iterable[str]) -> set[str]:
        """Return those of *paths* (relative to the root) that are under version control."""
        return {path for path in paths if self.contains(path)}

    def has_changed(self) -> bool:
        """Tell whether tracked files differ from the current version."""
        return any(change.kind != "untracked" for change in self.status(untracked=False).changed)

    def version(self) -> str | None:
        """Return the current version, or None before the first commit."""
        return self.status(untracked=False).version

    def changed_paths(self, kinds: Iterable[str] = ("modified", "added", "deleted", "untracked")) -> list[str]:
        """Return the paths of the changed files of *kinds*."""
        wanted = set(kinds)
        return [change.path for change in self.status().changed if change.kind in wanted]

    def _inside(self, path: str) -> str | None:
        """Return *path* (absolute, or relative to the root) relative to the root; None if it can't be a file in it."""
        if os.path.isabs(path):
            relative = os.path.relpath(path, self.root)
            if relative.startswith(".."):
                folder = os.path.realpath(os.path.dirname(path))
                relative = os.path.relpath(os.path.join(folder, os.path.basename(path)), os.path.realpath(self.root))
        else:
            relative = os.path.normpath(path)
        return None if relative in (".", "..") or relative.startswith("../") or "\0" in relative else relative
