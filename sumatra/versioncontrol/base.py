"""What every version-control system promises.

A working copy tells facts about the folder in which the user works.  It never changes that folder, its index, its
references or its configuration, takes no lock in it, and starts nothing that the repository names (hooks, filters,
file-system monitors, text converters): a repository may come from a stranger.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import NamedTuple

from sumatra.records import Repository

__all__ = ["ChangedFile", "Status", "WorkingCopy"]


class ChangedFile(NamedTuple):
    """A file that isn't as the current version has it."""

    path: str  #: relative to the root, with ``/``; undecodable bytes as surrogates (PEP 383)
    kind: str  #: ``modified``, ``added``, ``deleted`` or ``untracked`` (and not ignored)
    mode: str | None = None  #: as git writes it; None when deleted
    repository: str = ""  #: root of the submodule that it belongs to, relative to the outer root, or empty


class Status(NamedTuple):
    """What a working copy is at: one consistent look."""

    version: str | None  #: None before the first commit
    branch: str | None  #: None when detached
    changed: tuple[ChangedFile, ...]  #: empty when all is as committed
    notes: tuple[str, ...] = ()  #: what could not be looked at, a sentence each


class WorkingCopy(ABC):
    """A folder under version control; *root* is its top."""

    #: what the user and records call the system
    name: str

    def __init__(self, root: str) -> None:
        self.root = root

    @classmethod
    @abstractmethod
    def create(cls, root: str) -> "WorkingCopy":
        """Return the working copy at *root*, where a marker was found, or raise `VersionControlError`."""

    @abstractmethod
    def repository(self) -> Repository:
        """Return where the code comes from; no user name, password or token is in its URLs."""

    @abstractmethod
    def status(self, *, untracked: bool = True) -> Status:
        """Return version, branch and changed files; untracked ones only if *untracked*."""

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
