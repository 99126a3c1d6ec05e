"""Bazaar, through breezy.

What every run has to know is read from Bazaar's own files (``_bazaar_dirstate``, ``_bazaar_config``); all that needs
the history is asked of breezy, which works in a process of its own that obeys nothing in the repository and writes
nothing (``_bazaar_worker``).
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple, Self

from sumatra.errors import VersionControlError
from sumatra.records import Repository
from sumatra.versioncontrol import _bazaar_config, _bazaar_dirstate, _bazaar_ignores
from sumatra.versioncontrol._bazaar_config import Branch, local_path
from sumatra.versioncontrol._bazaar_dirstate import State
from sumatra.versioncontrol._bazaar_program import Breezy, BreezyError, find_breezy
from sumatra.versioncontrol._export import Tree, TreeFile
from sumatra.versioncontrol._text import listing, printable, small_file
from sumatra.versioncontrol._urls import scrub
from sumatra.versioncontrol.base import Revision, Status, WorkingCopy

__all__ = ["BACKEND", "BazaarWorkingCopy"]

#: Beyond this many, untracked files are not listed.
MOST_UNTRACKED = 100_000
_AT_ONCE = 5000  # contents in one question
_CONFLICT = b"path: "


class _Key(NamedTuple):
    """By what the content of a file is found; a link's is known."""

    file: str
    version: str
    target: str | None


class BazaarWorkingCopy(WorkingCopy):
    """The working tree of a Bazaar branch, or a checkout of one."""

    name = "bazaar"

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self._breezy = Breezy(root)
        self._known: tuple[tuple[int, ...], tuple[str, ...]] = ((), ())

    @classmethod
    def create(cls, root: str) -> Self:
        """Return the working copy at *root*, or raise `VersionControlError`."""
        root = os.path.abspath(root)
        folder = os.path.join(root, ".bzr")
        if not os.path.lexists(folder):
            raise VersionControlError(f"there is no Bazaar working tree in {root}", "brz init")
        if not small_file(os.path.join(folder, "branch-format")).startswith(b"Bazaar"):
            raise VersionControlError(f"{root} has a .bzr that isn't Bazaar's", "it may be empty or damaged")
        if not os.path.isdir(os.path.join(folder, "checkout")):
            raise VersionControlError(f"{root} has a Bazaar branch or repository, but no working tree", "brz checkout")
        find_breezy()
        return cls(root)

    # What it is

    def repository(self) -> Repository:
        """Return where the code comes from.

        The upstream is the branch that this is a checkout of, that it is bound to, that it came from, or that it is
        pushed to.
        """
        branch = self._branch()
        upstream = branch.address if branch.is_reference else branch.bound or branch.parent or branch.push
        url = printable(scrub(upstream)) if upstream else None
        return Repository(
            type=self.name, url=self.root, upstream=url, root=self.root, branch=printable(branch.nick) or None
        )

    def status(self, *, untracked: bool = True) -> Status:
        """Return version, branch and changed files; nothing is written."""
        look = _bazaar_dirstate.look_at(self.root)
        state = _bazaar_dirstate.read_state(self.root)
        self._known = (look, state.parents)
        notes = list(self._doubts(state))
        changed = _bazaar_dirstate.changed_files(
            self.root, state, untracked=untracked, ignored=self._ignored, most=MOST_UNTRACKED, notes=notes,
            markers=_markers(),
        )
        return Status(_first(state.parents), printable(self._branch().nick) or None, tuple(changed), tuple(notes))

    def has_changed(self) -> bool:
        """Tell whether tracked files differ from the current version, or a merge isn't committed."""
        return len(self._parents()) > 1 or super().has_changed()

    def version(self) -> str | None:
        """Return the current version, or None before the first commit."""
        return _first(self._parents())

    def diff(self) -> str:
        """Return the changes of tracked files as a patch.  It leaves out large files, and is cut after 16 MB."""
        status = self.status(untracked=False)
        paths = sorted(change.path for change in status.changed)
        if not paths:
            return ""
        one = None if status.version is None else f"revid:{status.version}"
        return self._patch(one=one, other=None, paths=paths)

    def content(self, path: str, version: str | None = None) -> bytes:
        """Return what *path* holds at *version*, as stored; a link holds where it points to."""
        inside = self._inside(path)
        if inside is None:
            raise VersionControlError(f"{printable(path)} lies outside of {self.root}")
        name = f"revid:{self._current()}" if version is None else version
        _judge(name)
        try:
            found = [
                b"".join(pieces)
                for pieces in self._breezy.contents("content", root=self.root, name=name, path=inside)
            ]
        except BreezyError as error:
            raise self._trouble(error, name) from error
        if not found:
            raise VersionControlError(
                f"there is no file {printable(inside)} in version {printable(name)} of {self.root}"
            )
        return found[0]

    def contains(self, path: str) -> bool:
        """Tell whether *path* is a file that is under version control."""
        inside = self._inside(path)
        return inside is not None and inside in self.tracked([inside])

    def tracked(self, paths: Iterable[str]) -> set[str]:
        """Return those of *paths* that are under version control."""
        current = _bazaar_dirstate.read_state(self.root).current
        return {path for path in paths if "\0" not in path and os.fsencode(path) in current}

    def user(self) -> str:
        """Return the name under which the user commits, as far as it is set."""
        return printable(_bazaar_config.of_user())

    # Versions

    def resolve(self, name: str) -> str:
        """Return the full version that *name* means: an identifier or its end, a revision number, or a tag.

        ``revid:``, ``revno:``, ``tag:``, ``last:`` and ``before:`` are understood, and nothing that would ask other
        branches.
        """
        return str(self._revision(name)["version"])

    def revision(self, version: str | None = None) -> Revision:
        """Return who made *version* when and why."""
        found = self._revision(f"revid:{self._current()}" if version is None else version)
        authors = ", ".join(map(printable, found["authors"]))
        return Revision(found["version"], authors, _date(found["time"], found["zone"]), found["message"])

    def difference(self, one: str, other: str) -> str:
        """Return what leads from *one* to *other*; a long patch is cut."""
        for version in (one, other):
            _judge(version)
        return self._patch(one=one, other=other, paths=None)

    def is_pushed(self, version: str | None = None) -> bool | None:
        """Tell whether *version* is in the branch that this one is a checkout of, is bound to, pushed to or came from.

        Branches on other machines aren't asked.  Return None where there is none on this machine.
        """
        current = self.version()
        if current is None and version is None:
            return None
        full = current if version in (None, current) else self.resolve(version or "")
        branch = self._branch()
        if branch.is_reference:
            return True
        answers = set()
        for address in {branch.bound, branch.push, branch.parent} - {""}:
            path = local_path(address)
            if path and os.path.isdir(os.path.join(path, ".bzr")):
                try:
                    answers.add(bool(self._breezy.ask("holds", place=path, version=full)))
                except BreezyError:
                    continue
        return any(answers) if answers else None

    def tree(self, version: str, submodules: Mapping[str, str | None]) -> Tree:
        """Return the files of *version*; trees in the tree are left out."""
        found = self._ask("tree", version, name=version)
        files = [
            TreeFile(path, mode, _Key(file, of, target)) for path, mode, file, of, target in found["files"]
        ]
        notes = [
            f"the tree {printable(path)} inside, at version {printable(at)}, is left out"
            for path, at in found["nested"]
        ]
        return Tree(files, tuple(notes))

    def contents(self, files: Sequence[TreeFile]) -> Iterator[Iterable[bytes]]:
        """Yield what Bazaar has stored."""
        for start in range(0, len(files), _AT_ONCE):
            keys = [_key(file) for file in files[start:start + _AT_ONCE]]
            wanted = [[key.file, key.version] for key in keys if key.target is None]
            try:
                found = self._breezy.contents("contents", root=self.root, keys=wanted) if wanted else iter(())
                for key in keys:
                    yield next(found) if key.target is None else (os.fsencode(key.target),)
                next(found, None)  # which ends the answer
            except BreezyError as error:
                raise self._trouble(error) from error

    # Making one

    @classmethod
    def checkout(cls, url: str, folder: str) -> Self:
        """Return a branch of *url* in *folder*, made without hooks, plug-ins and filters."""
        from sumatra.versioncontrol import _bazaar_making

        return cls.create(_bazaar_making.clone(url, folder))

    def bundle(self, version: str, path: str) -> None:
        """Write a Bazaar bundle of *version* and its history, which ``brz pull`` reads in an empty branch."""
        from sumatra.versioncontrol import _bazaar_making

        _bazaar_making.bundle(self.root, self.resolve(version), path)

    @classmethod
    def unbundle(cls, bundle: str, version: str, folder: str) -> Self:
        """Return a branch in *folder* that ends with *version*, made of a Bazaar bundle."""
        from sumatra.versioncontrol import _bazaar_making

        return cls.create(_bazaar_making.restore(bundle, version, folder))

    # How it is done

    def _parents(self) -> tuple[str, ...]:
        """Return the versions that the tree is made of; it isn't read again while its dirstate is the same file."""
        look = _bazaar_dirstate.look_at(self.root)
        if look != self._known[0] or not look:
            self._known = (look, _bazaar_dirstate.read_parents(self.root))
        return self._known[1]

    def _doubts(self, state: State) -> Iterator[str]:
        """Yield a sentence for each thing that could not be looked at, or not well."""
        for parent in state.parents[1:]:
            yield f"a merge with version {printable(parent)} isn't committed"
        lines = small_file(os.path.join(self.root, ".bzr", "checkout", "conflicts")).split(b"\n")
        conflicts = [os.fsdecode(line.removeprefix(_CONFLICT)) for line in lines if line.startswith(_CONFLICT)]
        if conflicts:
            yield f"a merge isn't resolved: {listing(conflicts)}"
        if state.nested:
            yield f"trees inside aren't looked into: {listing(map(os.fsdecode, sorted(state.nested)))}"
        if _bazaar_config.has_rules():
            yield "rules about ends of lines aren't heeded; files to which they apply may be called modified"

    def _ignored(self, paths: Sequence[bytes]) -> Sequence[bool]:
        patterns = _bazaar_ignores.lines(self.root, os.path.join(_bazaar_config.users_folder(), "ignore"))
        names = [os.fsdecode(path) for path in paths]
        matches = _bazaar_ignores.matcher(patterns)
        if matches is not None:
            return [matches(name) for name in names]
        try:
            answers: list[bool] = self._breezy.ask("ignored", patterns=sorted(patterns), paths=names)
        except BreezyError as error:
            raise VersionControlError(
                f"the patterns of names to be ignored in {self.root} can't be understood: {error.message}",
                "correct .bzrignore",
            ) from error
        return answers

    def _patch(self, one: str | None, other: str | None, paths: Sequence[str] | None) -> str:
        try:
            pieces = [
                b"".join(parts)
                for parts in self._breezy.contents("patch", root=self.root, one=one, other=other, paths=paths)
            ]
        except BreezyError as error:
            raise self._trouble(error, f"{one} or {other}") from error
        return b"".join(pieces).decode("utf-8", "replace")

    def _revision(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._ask("revision", name, name=name)
        return found

    def _ask(self, deed: str, version: str, **question: Any) -> Any:
        _judge(version)
        try:
            return self._breezy.ask(deed, root=self.root, **question)
        except BreezyError as error:
            raise self._trouble(error, version) from error

    def _trouble(self, error: BreezyError, version: str = "") -> VersionControlError:
        if error.kind == "unknown":
            return VersionControlError(
                f"there is no version {printable(version)!r} in {self.root}, or its name is ambiguous", "brz log"
            )
        return VersionControlError(f"breezy can't read {printable(self.root)}: {error.message}", error.hint)

    def _current(self) -> str:
        version = self.version()
        if version is None:
            raise VersionControlError(f"there is no commit in {self.root} yet", "brz commit")
        return version

    def _branch(self) -> Branch:
        return _bazaar_config.branch_of(self.root)


def _first(parents: Sequence[str]) -> str | None:
    return parents[0] if parents else None


def _judge(name: str) -> None:
    """Raise `VersionControlError` for what can't be the name of a version."""
    if not name or name.startswith("-") or not name.isprintable() or len(name) > 1000:
        raise VersionControlError(f"{printable(name)[:100]!r} doesn't name a version", "brz log")


def _date(seconds: float, east: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, timezone(timedelta(seconds=east)))
    except (ValueError, OverflowError, OSError):
        return None


def _markers() -> frozenset[bytes]:
    """Return what lies in the top folder of a working copy of any system."""
    from sumatra.versioncontrol import MARKERS

    return frozenset(map(os.fsencode, MARKERS))


def _key(file: TreeFile) -> _Key:
    if not isinstance(file.key, _Key):
        raise TypeError("not a file of a Bazaar branch")
    return file.key


BACKEND = BazaarWorkingCopy
