"""Mercurial, through its own program.

Nothing that the repository names is started and nothing in it is written (see ``_mercurial_program``).  Hg isn't let
into sub-repositories; each is looked into as a working copy of its own, whatever its system.  What every run has to
know is read from Mercurial's files directly where that gives a certain answer (``_mercurial_dirstate``).
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, Self

from sumatra.errors import VersionControlError
from sumatra.records import Repository
from sumatra.versioncontrol import _export, _mercurial_config, _mercurial_phases
from sumatra.versioncontrol._export import Tree, TreeFile
from sumatra.versioncontrol._mercurial_dirstate import Parents, read_certain, read_parents
from sumatra.versioncontrol._mercurial_program import NO_SUBREPOS, Hg, find_hg
from sumatra.versioncontrol._mercurial_text import Stream, below, date_of, is_unknown, quoted, requirements
from sumatra.versioncontrol._text import listing, mode_at, printable, small_file
from sumatra.versioncontrol._urls import scrub
from sumatra.versioncontrol.base import ChangedFile, Revision, Status, WorkingCopy, is_ours

__all__ = ["BACKEND", "MercurialWorkingCopy"]

#: Beyond this many, untracked files are not listed.
MOST_UNTRACKED = 100_000
_MOST_OUTPUT = 24_000_000  # bytes of a status with untracked files
_MOST_DIFF = 16_000_000  # bytes
_DEEPEST = 20  # repositories in repositories
_AT_ONCE = 200  # names in one command
#: What a repository may require without its working folder being told in another way than usual.
_PLAIN = frozenset({
    "archived-phase", "bookmarksinstore", "dotencode", "fncache", "generaldelta", "internal-phase", "internal-phase-2",
    "persistent-nodemap", "relshared", "revlog-compression-zstd", "revlogv1", "share-safe", "shared", "sparserevlog",
    "store", "treemanifest",
})
_FULL = r"[0-9a-f]{40}"


class _Key(NamedTuple):
    """By what the content of a file is found: a working copy, its version there, and what that calls the file."""

    copy: WorkingCopy
    version: str
    inner: TreeFile


class _Subrepo(NamedTuple):
    path: str
    version: str
    copy: "WorkingCopy | None"
    complaint: str


class MercurialWorkingCopy(WorkingCopy):
    """The working folder of a Mercurial repository."""

    name = "mercurial"

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self._folder = os.path.join(root, ".hg")
        self._hg = Hg(root, self._users_settings(), requires=requirements(self._folder))

    @classmethod
    def create(cls, root: str) -> Self:
        """Return the working copy at *root*, or raise `VersionControlError`."""
        root = os.path.abspath(root)
        folder = os.path.join(root, ".hg")
        if not os.path.lexists(folder):
            raise VersionControlError(f"there is no Mercurial working copy in {root}", "hg init")
        if not (os.path.isdir(folder) and any(
            os.path.exists(os.path.join(folder, name)) for name in ("requires", "store", "00changelog.i")
        )):
            raise VersionControlError(
                f"{root} has a .hg that isn't a Mercurial repository", "it may be empty or damaged"
            )
        find_hg()
        return cls(root)

    # What it is

    def repository(self) -> Repository:
        """Return where the code comes from; the upstream is the path called ``default``."""
        settings = _mercurial_config.of_repository(self._shared_folder())
        settings = {**settings, **_mercurial_config.of_repository(self._folder)}
        upstream = settings.get("paths.default", "") or settings.get("paths.default-push", "")
        url = printable(scrub(self._absolute(upstream))) if upstream else None
        return Repository(type=self.name, url=self.root, upstream=url, root=self.root, branch=self._branch())

    def status(self, *, untracked: bool = True) -> Status:
        """Return version, branch and changed files, also those of sub-repositories; nothing is written."""
        return self._status(untracked, depth=0)

    def diff(self) -> str:
        """Return the changes of tracked files as a patch; that of sub-repositories too.  It is cut after 16 MB."""
        if self.status(untracked=False).changed == ():
            return ""
        patch = self._patch() if self._parents().first or self._has_added() else ""
        for sub in self._subrepos():
            if sub.copy and not os.path.islink(os.path.join(self.root, sub.path)):
                patch += below(sub.path, sub.copy.diff())
        return patch

    def content(self, path: str, version: str | None = None) -> bytes:
        """Return what *path* holds at *version*, as stored: without filters."""
        inside = self._inside(path)
        if inside is None:
            raise VersionControlError(f"{printable(path)} lies outside of {self.root}")
        full = self._current() if version is None else self.resolve(version)
        reply = self._hg.ask("cat", "-r", full, "-T", r"{path}\0{data}", "--", b"path:" + os.fsencode(inside))
        found, _, data = reply.output.partition(b"\0")
        if reply.status == 0 and found == os.fsencode(inside):
            return data
        for sub in self._subrepos(full):
            if inside.startswith(sub.path + "/") and sub.copy:
                return sub.copy.content(inside[len(sub.path) + 1:], sub.version)
        raise VersionControlError(f"there is no file {printable(inside)} in version {full} of {self.root}")

    def contains(self, path: str) -> bool:
        """Tell whether *path* is a file that hg tracks, or that a sub-repository does."""
        inside = self._inside(path)
        return inside is not None and inside in self.tracked([inside])

    def tracked(self, paths: Iterable[str]) -> set[str]:
        """Return those of *paths* that are under version control."""
        asked = [path for path in paths if path and "\0" not in path]
        found: set[str] = set()
        state = small_file(os.path.join(self.root, ".hgsubstate")).splitlines()
        within = tuple(os.fsdecode(line.partition(b" ")[2]) + "/" for line in state if b" " in line)
        own = [path for path in asked if not path.startswith(within)]  # at a name of theirs, hg would stop
        for start in range(0, len(own), _AT_ONCE):
            names = [b"path:" + os.fsencode(path) for path in own[start:start + _AT_ONCE]]
            reply = self._hg.ask("files", "-T", r"{path}\0", "--", *names)
            found.update(map(os.fsdecode, reply.output.split(b"\0")))
        found &= set(asked)
        for sub in self._subrepos():
            below = [path for path in asked if path.startswith(sub.path + "/")]
            if sub.copy and below:
                inner = sub.copy.tracked([path[len(sub.path) + 1:] for path in below])
                found.update(f"{sub.path}/{path}" for path in inner)
        return found

    def user(self) -> str:
        """Return the name under which the user commits, as far as it is set."""
        return printable(
            os.environ.get("HGUSER") or _mercurial_config.of_user().get("ui.username") or os.environ.get("EMAIL") or ""
        )

    # Versions

    def resolve(self, name: str) -> str:
        """Return the full version that *name* means: a branch, bookmark, tag, number, hash; ``~2`` and ``^`` follow it.

        *name* is never taken for an expression of hg's language of sets.
        """
        return self._log(name, r"{node}")[0]

    def revision(self, version: str | None = None) -> Revision:
        """Return who made *version* when and why."""
        words = self._log(version or self._current(), r"{node}\0{date|hgdate}\0{author}\0{desc}")
        if len(words) != 4:
            raise VersionControlError(f"hg can't tell who made {printable(version or 'this version')} of {self.root}")
        return Revision(words[0], words[2], date_of(words[1]), words[3])

    def difference(self, one: str, other: str) -> str:
        """Return what leads from *one* to *other*, without sub-repositories; a long patch is cut."""
        return self._patch("-r", self.resolve(one), "-r", self.resolve(other))

    def is_pushed(self, version: str | None = None) -> bool | None:
        """Tell whether *version* is public, which it becomes when it is pushed or pulled; no other machine is asked.

        Return None for a version that isn't, where there is no other repository.
        """
        first = self._parents().first
        if version is None and first is None:
            return None
        is_public, needed = None, requirements(self._folder)
        if version in (None, first) and "revlogv1" in needed and _PLAIN.issuperset(needed):
            is_public = _mercurial_phases.is_public(os.path.join(self._shared_folder(), "store"), first or "")
        if is_public is None:
            is_public = self._log(version or self._current(), r"{node}\0{phase}")[1] == "public"
        return True if is_public else None if self.repository().upstream is None else False

    def tree(self, version: str, submodules: Mapping[str, str | None]) -> Tree:
        """Return the files of *version*, with those of sub-repositories that are here."""
        full = self.resolve(version)
        words = os.fsdecode(self._hg.ask("files", "-r", full, "-T", r"{path}\0{flags}\0").output).split("\0")
        modes = {"": "100644", "x": "100755", "l": "120000"}
        files = []
        for path, flags in zip(words[0::2], words[1::2], strict=False):
            mode = modes.get(flags, "unknown")
            files.append(TreeFile(path, mode, _Key(self, full, TreeFile(path, mode))))
        notes: list[str] = []
        large = [file.path for file in files if file.path.startswith(".hglf/")]
        if large:
            notes.append(f"of large files, only the names of their contents are there, in .hglf: {listing(large)}")
        for sub in self._subrepos(full):
            wanted = submodules.get(sub.path, sub.version)
            inner = None
            if sub.copy:
                try:
                    inner = sub.copy.tree(wanted or sub.version, {})
                except VersionControlError:
                    pass
            if inner is None or not sub.copy:
                notes.append(
                    f"the sub-repository {printable(sub.path)} at {printable(wanted or sub.version)} isn't to be had "
                    "here and is left out"
                )
                continue
            notes += [f"in the sub-repository {printable(sub.path)}, {note}" for note in inner.notes]
            files += [
                TreeFile(f"{sub.path}/{file.path}", file.mode, _Key(sub.copy, wanted or sub.version, file))
                for file in inner.files
            ]
        return Tree(files, tuple(notes))

    def contents(self, files: Sequence[TreeFile]) -> Iterator[Iterable[bytes]]:
        """Yield what hg has stored."""
        for _, group in groupby(files, key=lambda file: id(_key(file).copy)):
            keys = [_key(file) for file in group]
            inner = keys[0].copy
            if inner is self:
                yield from self._contents(keys[0].version, [key.inner.path for key in keys])
            else:
                yield from inner.contents([key.inner for key in keys])

    # Making one

    @classmethod
    def checkout(cls, url: str, folder: str) -> Self:
        """Return a clone of *url* in *folder*, made without hooks, filters, extensions and sub-repositories."""
        from sumatra.versioncontrol import _mercurial_making

        return cls.create(_mercurial_making.clone(url, folder, cls._write_files))

    def bundle(self, version: str, path: str) -> None:
        """Write a Mercurial bundle of *version* and its history: ``hg clone PATH`` reads it.  Sub-repositories aren't
        in it.
        """
        from sumatra.versioncontrol import _mercurial_making

        _mercurial_making.bundle(self.root, self.resolve(version), path, requirements(self._folder))

    @classmethod
    def unbundle(cls, bundle: str, version: str, folder: str) -> Self:
        """Return a repository in *folder* at *version*, made of a Mercurial bundle."""
        from sumatra.versioncontrol import _mercurial_making

        return cls.create(_mercurial_making.restore(bundle, version, folder, cls._write_files))

    # How it is done

    @classmethod
    def _write_files(cls, root: str, version: str, folder: str) -> None:
        """Write the files of *version* into *folder*, without those of sub-repositories."""
        copy = cls.create(root)
        own = [file for file in copy.tree(version, {}).files if _key(file).copy is copy]
        _export.write(Tree(own), copy.contents, (), folder, lambda digest: b"")

    @staticmethod
    def _users_settings() -> dict[str, str]:
        """Return those settings of the user that decide what she sees as untracked."""
        found = {}
        for name, value in _mercurial_config.of_user().items():
            if (name == "ui.ignore" or name.startswith("ui.ignore.")) and "\n" not in value:
                found[name] = os.path.abspath(os.path.expanduser(os.path.expandvars(value)))
        return found

    def _status(self, untracked: bool, depth: int) -> Status:
        parents = self._parents()
        notes = list(self._doubts(parents))
        changed = None
        if not parents.second and not self._users_settings() and _PLAIN.issuperset(requirements(self._folder)):
            changed = read_certain(self.root, untracked)
        if changed is None:
            changed, more = self._ask_for_status(untracked)
            notes += more
        for sub in self._subrepos():
            if sub.complaint:
                notes.append(sub.complaint)
            elif sub.copy and depth < _DEEPEST:
                self._add_subrepo(sub, sub.copy, changed, notes, untracked, depth)
        return Status(parents.first, self._branch(), tuple(changed), tuple(notes))

    def _ask_for_status(self, untracked: bool) -> tuple[list[ChangedFile], list[str]]:
        kinds = "-mardu" if untracked else "-mard"
        reply = self._hg.ask("status", kinds, "-0", most=_MOST_OUTPUT if untracked else None)
        if reply.status != 0 and reply.whole:
            raise self._hg.trouble(reply)
        notes = []
        items = reply.output.split(b"\0")[:-1]
        seen = [item for item in items if item.startswith(b"? ")]
        if not reply.whole or len(seen) > MOST_UNTRACKED:
            most = min(len(seen), MOST_UNTRACKED)
            notes.append(f"untracked files beyond {most:,} weren't looked at; name folders of data in .hgignore")
            if not seen:
                changed, more = self._ask_for_status(untracked=False)
                return changed, notes + more
            excess = set(seen[MOST_UNTRACKED:])
            items = [item for item in items if item not in excess]
        changed = [change for change in map(self._changed, items) if change]
        missing = [change.path for change in changed if change.kind == "deleted"]
        if missing:  # a file that was added and is gone again was never there
            committed = self._committed(missing)
            changed = [change for change in changed if change.kind != "deleted" or change.path in committed]
        return changed, notes

    def _changed(self, item: bytes) -> ChangedFile | None:
        sign, path = item[:1], os.fsdecode(item[2:])
        mode = mode_at(os.path.join(self.root, path))
        if sign == b"!" or (sign in b"RM" and mode is None):
            return ChangedFile(path, "deleted")
        if sign == b"?":
            return ChangedFile(path, "untracked", mode) if mode and not is_ours(path) else None
        if mode is None:
            return None
        return ChangedFile(path, "added" if sign == b"A" else "modified", mode)  # R: hg forget, and it is still there

    def _committed(self, paths: Sequence[str]) -> set[str]:
        if self._parents().first is None:
            return set()
        found: set[str] = set()
        for start in range(0, len(paths), _AT_ONCE):
            names = [b"path:" + os.fsencode(path) for path in paths[start:start + _AT_ONCE]]
            output = self._hg.ask("files", "-r", ".", "-T", r"{path}\0", "--", *names).output
            found.update(map(os.fsdecode, output.split(b"\0")))
        return found

    def _doubts(self, parents: Parents) -> Iterator[str]:
        """Yield a sentence for each thing that could not be looked at, or not well."""
        if parents.second:
            yield f"a merge with version {parents.second} isn't committed"
            unresolved = self._hg.ask("resolve", "--list", "-T", r"{mergestatus}{path}\0").output.split(b"\0")
            conflicts = [os.fsdecode(item[1:]) for item in unresolved if item.startswith(b"U")]
            if conflicts:
                yield f"a merge isn't resolved: {listing(conflicts)}"

    def _add_subrepo(
        self, sub: _Subrepo, copy: WorkingCopy, changed: list[ChangedFile], notes: list[str], untracked: bool,
        depth: int,
    ) -> None:
        try:
            if isinstance(copy, MercurialWorkingCopy):
                status = copy._status(untracked, depth + 1)
            else:
                status = copy.status(untracked=untracked)
        except VersionControlError as error:
            notes.append(f"the sub-repository {printable(sub.path)} can't be read: {error}")
            return
        if status.version != sub.version:
            where = status.version or "no commit"
            notes.append(f"the sub-repository {printable(sub.path)} is at {where}, not at {printable(sub.version)}")
            changed.append(ChangedFile(sub.path, "modified", "160000", version=status.version))
        notes += [f"in the sub-repository {printable(sub.path)}, {note}" for note in status.notes]
        for change in status.changed:
            within = f"{sub.path}/{change.repository}" if change.repository else sub.path
            changed.append(change._replace(path=f"{sub.path}/{change.path}", repository=within))

    def _subrepos(self, version: str | None = None) -> Iterator[_Subrepo]:
        """Yield the sub-repositories that *version*, or the working folder, names."""
        from sumatra.versioncontrol import find

        for path, commit in self._named_subrepos(version):
            folder = os.path.join(self.root, path)
            if os.path.realpath(folder) != os.path.join(os.path.realpath(self.root), path):
                complaint = f"the sub-repository {printable(path)} isn't looked into, because a link leads there"
                yield _Subrepo(path, commit, None, complaint)
                continue
            try:
                inner = find(folder) if os.path.isdir(folder) else None
            except VersionControlError as error:
                complaint = f"the sub-repository {printable(path)} can't be read: {error}"
                yield _Subrepo(path, commit, None, complaint)
                continue
            if inner and inner.root == os.path.abspath(folder):
                yield _Subrepo(path, commit, inner, "")
            elif os.path.isdir(folder) and os.listdir(folder):
                complaint = f"the sub-repository {printable(path)} isn't checked out, but there are files in its place"
                yield _Subrepo(path, commit, None, complaint)
            else:
                yield _Subrepo(path, commit, None, "")

    def _named_subrepos(self, version: str | None) -> Iterator[tuple[str, str]]:
        if version is None:
            text = small_file(os.path.join(self.root, ".hgsubstate"))
        else:
            reply = self._hg.ask("cat", "-r", version, "--", "path:.hgsubstate")
            text = reply.output if reply.status == 0 else b""
        for line in text.split(b"\n"):
            commit, _, raw = line.partition(b" ")
            path = os.fsdecode(raw.rstrip(b"\r"))
            inside = not os.path.isabs(path) and {"..", ".", "", ".hg"}.isdisjoint(path.split("/"))
            if inside and re.fullmatch(_FULL, commit.decode("ascii", "replace")):
                yield path, commit.decode()

    def _patch(self, *words: str) -> str:
        reply = self._hg.ask("diff", "--git", "--nodates", *words, most=_MOST_DIFF)
        if reply.status != 0 and reply.whole and NO_SUBREPOS not in reply.complaint:
            raise self._hg.trouble(reply)
        patch = reply.output.decode("utf-8", "replace")
        return patch if reply.whole else patch + "\n[cut here: the patch is too long]\n"

    def _log(self, name: str, template: str) -> list[str]:
        reply = self._hg.ask("log", "-r", quoted(name), "-T", template + r"\0")
        words = reply.output.decode("utf-8", "surrogateescape").split("\0")[:-1]
        if reply.status != 0 or not words or words[0] == "0" * 40:
            if reply.status != 0 and not is_unknown(reply.complaint):
                raise self._hg.trouble(reply)
            raise VersionControlError(
                f"there is no version {printable(name)!r} in {self.root}, or its name is ambiguous", "hg log"
            )
        return words

    def _contents(self, version: str, paths: Sequence[str]) -> Iterator[Iterable[bytes]]:
        """Yield the contents of *paths*, which are in the order in which hg tells them."""
        wanted = dict.fromkeys(map(os.fsencode, paths))
        if not wanted:
            return
        words = ("cat", "-r", version, "-T", r"{path}\0{data|count}\0{data}", "--", "path:.")
        stream = Stream(self._hg.pieces(*words))
        expected = iter(wanted)
        while (path := stream.until_nul()) is not None:
            size = int(stream.until_nul() or b"0")
            if path not in wanted:
                for _ in stream.exactly(size):
                    pass
                continue
            if path != next(expected, None):
                raise VersionControlError(f"hg tells the files of {self.root} in another order than before")
            pieces = stream.exactly(size)
            yield pieces
            for _ in pieces:  # what the caller didn't want to have
                pass
        rest = list(expected)
        if len(rest) > 1:
            raise VersionControlError(f"hg doesn't tell all files of version {version} of {self.root}", "hg verify")
        for path in rest:  # it keeps the last for itself, where it stops before sub-repositories
            yield (self._hg.say("cat", "-r", version, "--", b"path:" + path),)

    def _current(self) -> str:
        first = self._parents().first
        if first is None:
            raise VersionControlError(f"there is no commit in {self.root} yet", "hg commit")
        return first

    def _has_added(self) -> bool:
        return any(change.kind == "added" for change in self.status(untracked=False).changed)

    def _parents(self) -> Parents:
        return read_parents(self.root, self._folder)

    def _branch(self) -> str:
        return small_file(os.path.join(self._folder, "branch")).strip().decode("utf-8", "replace") or "default"

    def _shared_folder(self) -> str:
        """Return the ``.hg`` of the repository that this one shares its history with, or our own."""
        path = os.fsdecode(small_file(os.path.join(self._folder, "sharedpath")).rstrip(b"\n"))
        return os.path.join(self._folder, path) if path else self._folder

    def _absolute(self, address: str) -> str:
        """Return the address of another repository, which may be told as a path from here."""
        if "://" in address or os.path.isabs(address):
            return address
        return os.path.normpath(os.path.join(self.root, address))


def _key(file: TreeFile) -> _Key:
    if not isinstance(file.key, _Key):
        raise TypeError("not a file of a Mercurial repository")
    return file.key


BACKEND = MercurialWorkingCopy
