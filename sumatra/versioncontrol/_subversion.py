"""Subversion: what every run has to know from its notes in ``.svn``, all else from the server.

The current version, what was changed, and the content of what was checked out are read directly, without a program
and without the network (``_subversion_db``, ``_subversion_status``).  Older versions lie on the server alone; the svn
program fetches them into a working copy of ours (``_subversion_server``, ``_subversion_making``).
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

from sumatra.errors import VersionControlError
from sumatra.records import Repository
from sumatra.versioncontrol import _subversion_db
from sumatra.versioncontrol._export import Tree, TreeFile
from sumatra.versioncontrol._subversion_db import Node, Notes
from sumatra.versioncontrol._subversion_keywords import Facts, Form, form_of
from sumatra.versioncontrol._subversion_status import look, pristine
from sumatra.versioncontrol._subversion_text import Apart, named_version, no_version, parse_version, properties, quoted
from sumatra.versioncontrol._text import listing, open_file, printable
from sumatra.versioncontrol._urls import scrub
from sumatra.versioncontrol.base import Revision, Status, WorkingCopy

if TYPE_CHECKING:
    from sumatra.versioncontrol._subversion_client import Client

__all__ = ["BACKEND", "SubversionWorkingCopy"]

#: Beyond this many, untracked files are not listed.
MOST_UNTRACKED = 100_000
_DEEPEST = 20  # externals in externals
_PIECE = 1 << 20
_MANY_APART = 100
_NAMES = r"r?[1-9][0-9]{0,9}|HEAD|BASE|\{[0-9T:. +-]{4,40}\}"


class _Key(NamedTuple):
    """By what the content of a file is found."""

    folder: str  #: the working copy in whose ``.svn`` it lies
    checksum: str
    form: Form
    facts: Facts
    is_special: bool
    owner: object = None  #: what has to live as long as this is needed


class SubversionWorkingCopy(WorkingCopy):
    """A working copy of a Subversion repository, or of a folder in one."""

    name = "subversion"

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self._told: set[str] = set()  #: versions that this copy was seen at
        self._known: dict[bool, tuple[object, Notes]] = {}  #: what was noted when the notes were last read

    @classmethod
    def create(cls, root: str) -> Self:
        """Return the working copy at *root*, or raise `VersionControlError`."""
        root = os.path.abspath(root)
        if not os.path.lexists(os.path.join(root, ".svn")):
            raise VersionControlError(f"there is no Subversion working copy in {root}", "svn checkout")
        if not _subversion_db.is_working_copy(root):
            _subversion_db.read(root)  # says why
        return cls(root)

    # What it is

    def repository(self) -> Repository:
        """Return where the code comes from: the URL of the server, and its last part but one for a branch."""
        notes = self._notes()
        return Repository(
            type=self.name, url=printable(scrub(notes.address())), upstream=None, root=self.root, branch=_branch(notes)
        )

    def status(self, *, untracked: bool = True) -> Status:
        """Return version, branch and changed files, also those of externals; no server is asked."""
        return self._status(untracked, depth=0)

    def diff(self) -> str:
        """Return the changes of tracked files as a patch; properties aren't in it.  It is cut after 16 MB."""
        changed = [change for change in self.status(untracked=False).changed if change.kind != "untracked"]
        if not changed:
            return ""
        from sumatra.versioncontrol import _subversion_patch

        base = {file.path: file for file in self._tree_here().files}
        return _subversion_patch.of_changes(
            self.root, changed, lambda path: b"".join(_content(base[path])) if path in base else b""
        )

    def content(self, path: str, version: str | None = None) -> bytes:
        """Return what *path* holds at *version*, as svn writes it into a working copy; of a link, where it points."""
        inside = self._inside(path)
        if inside is None:
            raise VersionControlError(f"{printable(path)} lies outside of {self.root}")
        full = self._current() if version is None else self.resolve(version)
        if full == self.version():
            for file in self._tree_here().files:
                if file.path == inside:
                    return b"".join(_content(file))
            raise VersionControlError(f"there is no file {printable(inside)} in version {full} of {self.root}")
        url, revision = self._place_of(inside, full)
        content, special = self._client().content(url, str(revision))
        return content.removeprefix(b"link ") if special else content

    def contains(self, path: str) -> bool:
        """Tell whether *path* is a file that svn tracks, or that an external does."""
        inside = self._inside(path)
        return inside is not None and inside in self.tracked([inside])

    def tracked(self, paths: Iterable[str]) -> set[str]:
        """Return those of *paths* that are under version control."""
        asked = set(paths)
        notes = self._notes()
        found = {path for path in asked if _is_tracked(notes, path)}
        for path, inner, _ in self._externals(notes):
            below = [name for name in asked - found if name.startswith(path + "/")]
            if inner and below:
                found.update(f"{path}/{name}" for name in inner.tracked([name[len(path) + 1:] for name in below]))
        return found

    def user(self) -> str:
        """Return nothing: svn knows its users by the accounts that they have on the server."""
        return ""

    # Versions

    def resolve(self, name: str) -> str:
        """Return the full version that *name* means: a number, ``HEAD``, ``BASE``, a date in braces, or a mixed one."""
        if name in self._told or name == self.version():
            return name
        mixed = parse_version(name) if " " in name else None
        if mixed is None and not re.fullmatch(_NAMES, name):
            raise no_version(name, self.root)
        if name == "BASE":
            return self._current()
        notes = self._notes()
        address = notes.address()
        if mixed is None:
            revision = name.removeprefix("r")
            found = self._client().place(self._address(address), revision).revision
            return str(found if revision == "HEAD" or revision.startswith("{") else int(revision))
        self._client().place(self._address(address), str(mixed[0]))
        return named_version(*mixed)

    def revision(self, version: str | None = None) -> Revision:
        """Return who made *version* when and why: its last commit that changed something here; the server is asked."""
        full = self.resolve(version) if version else self._current()
        first, apart = self._parsed(full)
        newest = max([first, *(each.revision for each in apart if not each.source)])
        commit = self._client().commit(self._address(self._notes().address()), str(newest))
        return Revision(full, commit.author, commit.date, commit.message)

    def difference(self, one: str, other: str) -> str:
        """Return what leads from *one* to *other*; what isn't checked out here is fetched from the server."""
        from sumatra.versioncontrol import _subversion_patch

        full, other_full = self.resolve(one), self.resolve(other)
        if full == other_full:
            return ""
        before, after = (
            {file.path: file for file in self.tree(version, {}).files} for version in (full, other_full)
        )
        return _subversion_patch.of_trees(before, after, lambda file: b"".join(_content(file)))

    def is_pushed(self, version: str | None = None) -> bool | None:
        """Tell that *version* is on the server, as each is; None before the first commit."""
        if version is None:
            return True if self.version() is not None else None
        self.resolve(version)
        return True

    def holds(self, version: str, url: str) -> bool:
        """Tell whether *version* of *url* is to be had: revisions are numbers, and mean nothing at another address."""
        return self.repository().url.rstrip("/") == url.rstrip("/") and super().holds(version, url)

    def tree(self, version: str, submodules: Mapping[str, str | None]) -> Tree:
        """Return the files of *version*, with those of externals that its name has."""
        full = self.resolve(version)
        if full == self.version():
            return self._tree_here()
        from sumatra.versioncontrol import _subversion_making

        notes = self._notes()
        first, apart = self._parsed(full)
        made = _subversion_making.rebuild(
            self._client(), self._address(notes.address()), notes.root, first, apart
        )
        files: dict[str, TreeFile] = {}
        without: list[str] = []
        for mount in made.mounts:
            inner = _subversion_db.read(mount.folder)
            for path in [path for path in files if path == mount.path or path.startswith(f"{mount.path}/")]:
                del files[path]
            if mount.inner:
                found = _tree_file(inner, inner.base[mount.inner], mount.folder, "", made)
                files[mount.path] = found._replace(path=mount.path)
                continue
            prefix = f"{mount.path}/" if mount.path else ""
            files.update((file.path, file) for file in _files(inner, mount.folder, prefix, made))
            without += [prefix + path for path in _naming_externals(inner)]
        named = {each.path for each in apart if each.source}
        lost = [path for path in without if not any(name.startswith(f"{path}/" if path else "") for name in named)]
        return Tree(list(files.values()), _note_externals(lost))

    def contents(self, files: Sequence[TreeFile]) -> Iterator[Iterable[bytes]]:
        """Yield what svn writes into a working copy: line ends and keywords as its properties say."""
        return map(_content, files)

    # Making one

    @classmethod
    def checkout(cls, url: str, folder: str) -> Self:
        """Return a working copy of *url* in *folder*, without externals."""
        from sumatra.versioncontrol import _subversion_client, _subversion_making, _subversion_server

        _subversion_client.address_of(url)
        return cls.create(_subversion_making.checkout(_subversion_server.find_client(), url, folder))

    # How it is done

    def _notes(self, *, whole: bool = False) -> Notes:
        """Return what is noted: read again only if it was written to, or not long before it was read."""
        state = _subversion_db.state_of(self.root)
        for held in (True, whole):
            if state is not None and held in self._known and self._known[held][0] == state:
                return self._known[held][1]
        notes = _subversion_db.read(self.root, whole=whole)
        if state is not None:
            self._known[whole] = state, notes
        return notes

    def _client(self) -> "Client":
        from sumatra.versioncontrol import _subversion_server

        return _subversion_server.find_client()

    def _address(self, url: str) -> str:
        from sumatra.versioncontrol import _subversion_client

        return _subversion_client.address_of(url)

    def _status(self, untracked: bool, depth: int) -> Status:
        notes = self._notes()
        seen = look(self.root, notes, untracked, MOST_UNTRACKED, lambda: self._notes(whole=True))
        said = list(_doubts(notes, self.root))
        if seen.nested:
            said.append(f"working copies of their own, untracked here, weren't looked into: {listing(seen.nested)}")
        if seen.modes:
            said.append(f"files whose mode isn't that of their property svn:executable: {listing(seen.modes)}")
        if not seen.whole:
            said.append(
                f"untracked files beyond {MOST_UNTRACKED:,} weren't looked at; name folders of data in svn:ignore"
            )
        changed = seen.changed
        apart = notes.apart()
        for path, inner, complaint in self._externals(notes):
            if complaint:
                said.append(complaint)
            elif inner and depth < _DEEPEST:
                try:
                    status = inner._status(untracked, depth + 1)
                    apart += inner._as_external(path, notes, status)
                except VersionControlError as error:
                    said.append(f"the external {printable(path)} can't be read: {error}")
                    continue
                said += [f"in the external {printable(path)}, {note}" for note in status.notes]
                for change in status.changed:
                    within = f"{path}/{change.repository}" if change.repository else path
                    changed.append(change._replace(path=f"{path}/{change.path}", repository=within))
        revision = notes.top.revision or 0
        version = named_version(revision, apart) if revision or apart else None
        if len(apart) > _MANY_APART:
            said.append(
                f"{len(apart):,} files and folders are at another revision than their folder; svn update mends it"
            )
        if version:
            self._told.add(version)
        return Status(version, _branch(notes), tuple(changed), tuple(said))

    def version(self) -> str | None:
        """Return the current version, or None before the first commit."""
        notes = self._notes()
        apart = [*notes.apart(), *self._external_parts(notes, 0)]
        revision = notes.top.revision or 0
        return named_version(revision, apart) if revision or apart else None

    def _external_parts(self, notes: Notes, depth: int) -> Iterator[Apart]:
        for path, inner, _ in self._externals(notes):
            if inner and depth < _DEEPEST:
                try:
                    inner_notes = inner._notes()
                    parts = [*inner_notes.apart(), *inner._external_parts(inner_notes, depth + 1)]
                except VersionControlError:
                    continue
                yield from _outer(path, inner_notes, notes, parts)

    def _as_external(self, path: str, around: Notes, status: Status) -> Iterator[Apart]:
        own = self._notes()
        parsed = parse_version(status.version) if status.version else None
        return _outer(path, own, around, list(parsed[1]) if parsed else [])

    def _externals(self, notes: Notes) -> Iterator[tuple[str, "SubversionWorkingCopy | None", str]]:
        """Yield path and working copy of each external that is a folder, or why it can't be looked into."""
        for path, _ in notes.externals:
            folder = os.path.join(self.root, path)
            if os.path.realpath(folder) != os.path.join(os.path.realpath(self.root), path):
                yield path, None, f"the external {printable(path)} isn't looked into, because a link leads there"
                continue
            if not os.path.isdir(folder):
                yield path, None, f"the external {printable(path)} isn't here"
                continue
            try:
                yield path, type(self).create(folder), ""
            except VersionControlError as error:
                yield path, None, f"the external {printable(path)} can't be read: {error}"

    def _tree_here(self) -> Tree:
        """Return what was checked out, externals among it."""
        notes = self._notes(whole=True)
        files = list(_files(notes, self.root, "", None))
        found: list[str] = []
        said: list[str] = []
        for path, inner, complaint in self._externals(notes):
            if inner is None:
                said.append(complaint or f"the external {printable(path)} is left out")
                continue
            tree = inner._tree_here()
            files += [file._replace(path=f"{path}/{file.path}") for file in tree.files]
            said += [f"in the external {printable(path)}, {note}" for note in tree.notes]
            found.append(path)
        known = {by for _, by in notes.externals}
        lost = [path for path in _naming_externals(notes) if path not in known]
        return Tree(files, (*said, *_note_externals(lost)))

    def _current(self) -> str:
        version = self.version()
        if version is None:
            raise VersionControlError(f"there is no commit in {self.root} yet", "svn commit")
        return version

    def _parsed(self, full: str) -> tuple[int, tuple[Apart, ...]]:
        parsed = parse_version(full)
        if parsed is None:
            raise no_version(full, self.root)
        return parsed

    def _place_of(self, inside: str, full: str) -> tuple[str, int]:
        """Return URL and revision of the file *inside* at a version."""
        notes = self._notes()
        revision, apart = self._parsed(full)
        url, below = notes.address(), ""
        for each in sorted(apart, key=lambda each: each.path.count("/")):
            if inside == each.path or inside.startswith(f"{each.path}/"):
                revision = each.revision
                if each.source:
                    url = notes.root + each.source[1:] if each.source.startswith("^/") else each.source
                    below = each.path
        rest = inside[len(below):].lstrip("/")
        return self._address(f"{url}/{quoted(rest)}" if rest else url), revision


def _branch(notes: Notes) -> str | None:
    """Return the branch, where the folders are called as they usually are."""
    found = re.search(r"(?:^|/)(trunk|(?:branches|tags)/[^/]+)(?:/|$)", notes.top.place or "")
    return printable(found[1].partition("/")[2] or found[1]) if found else None


def _is_tracked(notes: Notes, path: str) -> bool:
    node = notes.above.get(path) or notes.base.get(path)
    return node is not None and node.is_there and node.kind != "dir"


def _outer(path: str, own: Notes, around: Notes, parts: list[Apart]) -> Iterator[Apart]:
    """Yield what the version of a working copy around has to say of the external *path*."""
    if own.top.revision is None:
        return
    place = own.address()
    source = f"^{place[len(own.root):] or '/'}" if own.root == around.root else scrub(place)
    yield Apart(path, own.top.revision, source.replace("@", "%40").replace(" ", "%20"))
    for each in parts:
        inner = each.source
        if inner.startswith("^/") and own.root != around.root:
            inner = scrub(own.root + inner[1:])
        yield Apart(f"{path}/{each.path}", each.revision, inner)


def _doubts(notes: Notes, root: str) -> Iterator[str]:
    """Yield a sentence for each thing that could not be looked at, or not well."""
    if notes.conflicts:
        yield f"a conflict isn't resolved: {listing(notes.conflicts)}"
    if notes.interrupted:
        yield "svn was stopped in the middle of its work, or is at it; svn cleanup mends it"
    unfinished = [path or "." for path, node in notes.base.items() if node.presence == "incomplete"]
    if unfinished:
        yield f"an update was stopped before it was finished: {listing(unfinished)}; svn update goes on with it"
    hidden = [path for path, node in notes.base.items() if node.presence == "server-excluded"]
    if hidden:
        yield f"the server doesn't show all to everybody, so these aren't here: {listing(hidden)}"
    known = {by for _, by in notes.externals}
    lost = [path for path in _naming_externals(notes) if path not in known]
    if lost and not any(node.is_external for node in notes.base.values()):
        yield f"externals weren't fetched: those of {listing(path or '.' for path in lost)}"


def _naming_externals(notes: Notes) -> list[str]:
    """Return the folders whose properties name externals."""
    return [
        path for path, node in notes.base.items()
        if node.kind == "dir" and node.properties and b"svn:externals" in node.properties
        and properties(node.properties).get("svn:externals", b"").strip()
    ]


def _note_externals(lost: list[str]) -> tuple[str, ...]:
    if not lost:
        return ()
    folders = listing(path or "." for path in lost)
    return (f"externals are left out, because the version doesn't tell theirs: those of {folders}",)


def _files(notes: Notes, folder: str, prefix: str, owner: object) -> Iterator[TreeFile]:
    for node in notes.base.values():
        if node.is_there and node.kind != "dir":
            yield _tree_file(notes, node, folder, prefix, owner)


def _tree_file(notes: Notes, node: Node, folder: str, prefix: str, owner: object) -> TreeFile:
    has = properties(node.properties)
    is_special = "svn:special" in has
    mode = "100755" if "svn:executable" in has and not is_special else "100644"
    if is_special and _starts_as_link(pristine(folder, node.checksum)):
        mode = "120000"
    facts = Facts(
        node.place or "", notes.roots.get(node.repository or 0, ""), node.changed_revision or 0, node.changed_date or 0,
        node.changed_author or "",
    )
    key = _Key(folder, node.checksum or "", form_of(has), facts, mode == "120000", owner)
    return TreeFile(prefix + node.path, mode, key)


def _starts_as_link(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(5) == b"link "
    except OSError:
        return True


def _content(file: TreeFile) -> Iterator[bytes]:
    """Yield what a file holds, piece by piece; raises `VersionControlError` if that is gone or damaged."""
    import hashlib

    key = file.key
    if not isinstance(key, _Key):
        raise TypeError("not a file of a Subversion repository")
    digest = hashlib.sha1(usedforsecurity=False)
    held = b""
    whole = key.is_special or key.form != Form()
    try:
        with open_file(pristine(key.folder, key.checksum)) as source:
            while piece := source.read(_PIECE):
                digest.update(piece)
                if whole:
                    held += piece
                else:
                    yield piece
    except OSError as error:
        raise VersionControlError(
            f"the content of {printable(file.path)} isn't in the .svn of {printable(key.folder)}", "svn update"
        ) from error
    if f"$sha1${digest.hexdigest()}" != key.checksum:
        raise VersionControlError(f"the content of {printable(file.path)} is damaged in {printable(key.folder)}/.svn")
    if key.is_special:
        yield held.removeprefix(b"link ")
    elif whole:
        yield key.form.written(held, key.facts)


BACKEND = SubversionWorkingCopy
