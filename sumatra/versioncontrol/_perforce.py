"""Perforce (Helix Core), through its own program p4.

A workspace is compared with one change: the files on disk with what the server says that they hold (type, size, MD5).
Whether a file was opened for that doesn't matter.  The server is asked few and simple things (``info``, ``fstat``,
``print``, ``describe``, ``changes``, ``users``, ``client -o``), none of which has p4 touch a file here; see
``_perforce_program``.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Self

from sumatra.errors import VersionControlError
from sumatra.records import Repository
from sumatra.versioncontrol import _perforce_making
from sumatra.versioncontrol._export import Tree, TreeFile
from sumatra.versioncontrol._perforce_answers import GONE, Printed, depot_file, number_of
from sumatra.versioncontrol._perforce_files import DepotFile, as_on_disk, is_certainly, on_disk, patch
from sumatra.versioncontrol._perforce_program import P4, Item, config_name, decoded, encoded, settings_of
from sumatra.versioncontrol._perforce_untracked import untracked_files
from sumatra.versioncontrol._text import cut, listing, mode_at, mode_of, printable
from sumatra.versioncontrol.base import ChangedFile, Revision, Status, WorkingCopy, is_ours

__all__ = ["BACKEND", "PerforceFolder", "PerforceWorkingCopy"]

MOST_UNTRACKED = 100_000
_MOST_DIFF = 16_000_000  # letters
_AT_ONCE = 200  # files in one question
_FIELDS = "depotFile,clientFile,headRev,headChange,headType,headAction,haveRev,fileSize,digest,action,unresolved"
_CHANGE = r"@?0*([1-9][0-9]{0,9})"
#: Labels and dates; nothing that has a meaning of its own to p4.
_LABEL = r"[^\s\-@#%*,=&|<>/.~][^\s@#%*,=&|<>]{0,200}"


class _Look(NamedTuple):
    """What the server knows of a workspace at one moment."""

    version: str | None
    files: dict[str, DepotFile]  #: of the version
    opened: dict[str, bytes]  #: for what
    notes: tuple[str, ...]


class PerforceWorkingCopy(WorkingCopy):
    """A workspace of Perforce's, on this machine."""

    name = "perforce"

    def __init__(self, root: str, p4: P4, info: Item, client_root: str) -> None:
        super().__init__(root)
        self._p4 = p4
        self._info = info
        self._client_root = client_root
        self._top = f"//{p4.client}"

    @classmethod
    def create(cls, root: str) -> Self:
        """Return the workspace that *root* lies in, or raise `VersionControlError`."""
        found = cls.around(os.path.abspath(root), root)
        if found is None:
            raise VersionControlError(f"{root} isn't in a workspace of Perforce's", "p4 info")
        return found

    @classmethod
    def around(cls, marked: str, below: str) -> Self | None:
        """Return the workspace that *below* lies in, as the file of settings in *marked* says, or None.

        Such a file may say how the server is reached and nothing of a workspace, or of one that is elsewhere.
        """
        marker = os.path.join(marked, config_name())
        settings = settings_of(below)
        if os.path.lexists(marker) and not os.path.isfile(marker):
            raise VersionControlError(f"{marker} isn't a file of Perforce's settings")
        if "P4CLIENT" not in settings.values:
            return None
        p4 = P4(settings, below)
        reply = p4.ask("info")
        info = reply.items[0] if reply.items else {}
        root = os.fsdecode(info.get("clientRoot", b""))
        client = os.fsdecode(info.get("clientName", b""))
        if not root or client == "*unknown*":
            raise VersionControlError(
                f"the Perforce server knows no workspace {printable(p4.client)}, which "
                f"{printable(settings.file or 'P4CLIENT')} names", "p4 client",
            )
        if not os.path.isabs(root):
            raise VersionControlError(f"the workspace {printable(client)} has no folder of its own", "p4 client")
        place = below
        while not _is_same(place, root):
            above = os.path.dirname(place)
            if above == place:
                if not settings.file or _is_below(root, marked) or _is_same(marked, os.path.expanduser("~")):
                    return None
                raise VersionControlError(
                    f"the Perforce workspace {printable(client)}, which {printable(settings.file)} names, is in "
                    f"{printable(root)} and not here", "p4 client, and set its Root",
                )
            place = above
        return cls(place, p4, info, root)

    # What it is

    def repository(self) -> Repository:
        """Return the server and the part of its depot that the workspace shows; the branch is the stream."""
        spec = self._spec()
        stream = os.fsdecode(spec.get("Stream", self._info.get("clientStream", b""))) or None
        views = [os.fsdecode(spec[name]) for name in sorted(spec) if re.fullmatch("View[0-9]+", name)]
        place = stream or _perforce_making.common_place(views)
        url = _perforce_making.url_of(self._port(), place)
        return Repository(type=self.name, url=printable(url), root=self.root, branch=stream and printable(stream))

    def status(self, *, untracked: bool = True) -> Status:
        """Return the change that the workspace is at, and how its files differ from that, opened or not.

        Where files were synchronised to different changes, those that are at another one count as changed.
        """
        look = self._look()
        changed = list(self._changed(look))
        notes = list(look.notes)
        if untracked:
            tracked = look.files.keys() | look.opened.keys()
            found = untracked_files(self.root, tracked, self._p4, MOST_UNTRACKED)
            if len(found) > MOST_UNTRACKED:
                notes.append(
                    f"untracked files beyond {MOST_UNTRACKED:,} weren't looked at; name folders of data in .p4ignore"
                )
            changed += [ChangedFile(path, "untracked", mode) for path, mode in found[:MOST_UNTRACKED]]
        return Status(look.version, self._branch(), tuple(changed), tuple(notes))

    def diff(self) -> str:
        """Return the changes of tracked files as a patch; it is cut after 16 MB."""
        look = self._look()
        changed = sorted(self._changed(look))
        before = self._printed([look.files[change.path] for change in changed if change.path in look.files])
        patches = (
            patch(change.path, before.get(change.path),
                  None if change.kind == "deleted" else on_disk(os.path.join(self.root, change.path)))
            for change in changed
        )
        return cut(patches, _MOST_DIFF)

    def content(self, path: str, version: str | None = None) -> bytes:
        """Return what *path* holds at *version*, with its keywords filled in as in a workspace."""
        inside = self._inside(path)
        if inside is None:
            raise VersionControlError(f"{printable(path)} lies outside of {self.root}")
        full = self._current() if version is None else self.resolve(version)
        files = self._files_at(f"{self._top}/{encoded(inside)}@{full}")
        if inside not in files:
            raise VersionControlError(f"there is no file {printable(inside)} in change {full} of {self.root}")
        return self._printed([files[inside]])[inside]

    def contains(self, path: str) -> bool:
        """Tell whether *path* is a file of the workspace, or opened to become one."""
        inside = self._inside(path)
        return inside is not None and inside in self.tracked([inside])

    def tracked(self, paths: Iterable[str]) -> set[str]:
        """Return those of *paths* that are under version control."""
        asked = [path for path in paths if path and "\0" not in path and "..." not in path]
        found: set[str] = set()
        for start in range(0, len(asked), _AT_ONCE):
            names = [f"{self._top}/{encoded(path)}" for path in asked[start:start + _AT_ONCE]]
            for item in self._p4.ask("fstat", "-T", _FIELDS, *names).items:
                if "haveRev" in item or item.get("action", b"delete") not in GONE:
                    found.add(self._path_of(item) or "")
        return found & set(asked)

    def user(self) -> str:
        """Return the name and address that the server has of the user."""
        return self._person(os.fsdecode(self._info.get("userName", b"")))

    # Versions

    def resolve(self, name: str) -> str:
        """Return the number of the last change in the workspace's files up to what *name* means.

        That is a change, ``head``, a label or a date.  A label that no single change corresponds to is refused.
        """
        number = re.fullmatch(_CHANGE, name)
        if number:
            described = self._p4.ask("describe", "-s", number[1]).items
            if described and described[0].get("status") == b"submitted":
                return self._last(f"@{described[0]['change'].decode()}", name)
            raise self._unknown(name)
        if name in ("head", "#head", "HEAD"):
            return self._last("", name)
        plain = name.removeprefix("@")
        if not re.fullmatch(_LABEL, plain) or not plain.isprintable() or "..." in plain:
            is_date = re.fullmatch(r"[0-9]{4}/[0-9]{2}/[0-9]{2}(?::[0-9]{2}:[0-9]{2}:[0-9]{2})?", plain)
            if not is_date:
                raise self._unknown(name)
            return self._last(f"@{plain}", name)
        version = self._last(f"@{plain}", name)
        if _revisions(self._files_at(f"{self._top}/...@{plain}")) != _revisions(self._at(version)):
            raise VersionControlError(
                f"{printable(name)} names files of several changes, not a version", f"use a change: {version}"
            )
        return version

    def revision(self, version: str | None = None) -> Revision:
        """Return who made *version* when and why."""
        full = self.resolve(version) if version else self._current()
        found = self._p4.ask("describe", "-s", full).items
        if not found:
            raise self._unknown(full)
        try:
            date = datetime.fromtimestamp(int(found[0].get("time", b"")), UTC)
        except (ValueError, OverflowError, OSError):
            date = None
        message = found[0].get("desc", b"").decode("utf-8", "replace")
        return Revision(full, self._person(os.fsdecode(found[0].get("user", b""))), date, message)

    def difference(self, one: str, other: str) -> str:
        """Return what leads from *one* to *other*; a long patch is cut."""
        before, after = self._at(self.resolve(one)), self._at(self.resolve(other))
        paths = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
        old = self._printed([before[path] for path in paths if path in before])
        new = self._printed([after[path] for path in paths if path in after])
        return cut((patch(path, old.get(path), new.get(path)) for path in paths), _MOST_DIFF)

    def is_pushed(self, version: str | None = None) -> bool | None:
        """Return True: a change that is submitted is on the server.  None before the first."""
        if version is None:
            return True if self._look().version else None
        self.resolve(version)
        return True

    def tree(self, version: str, submodules: Mapping[str, str | None]) -> Tree:
        """Return the files of *version* that the workspace's view shows, whatever was synchronised."""
        files = self._at(self.resolve(version))
        notes = []
        odd = [path for path, file in files.items() if file.base in ("apple", "resource")]
        if odd:
            notes.append(f"files of Macintosh's are written as p4 prints them: {listing(odd)}")
        return Tree([TreeFile(path, file.mode, file) for path, file in sorted(files.items())], tuple(notes))

    def contents(self, files: Sequence[TreeFile]) -> Iterator[Iterable[bytes]]:
        """Yield what each of *files* holds, with keywords filled in."""
        for start in range(0, len(files), _AT_ONCE):
            wanted = [_key(file) for file in files[start:start + _AT_ONCE]]
            printed = Printed(self._p4.stream("print", *(f"{file.depot}#{file.revision}" for file in wanted)))
            for file in wanted:
                pieces = printed.pieces(file.depot)
                if file.base in ("symlink", "utf16"):
                    yield (as_on_disk(file, b"".join(pieces)),)
                else:
                    yield pieces
                    for _ in pieces:  # what the caller didn't want to have
                        pass

    # Making one

    @classmethod
    def checkout(cls, url: str, folder: str) -> Self:
        """Return a new workspace of the part of a depot that *url* (``p4://host:port/depot/path``) names.

        The server is told of it, by the name of this machine and *folder*, and a file of settings is written into it.
        """
        _perforce_making.make_workspace(url, folder)
        return cls.create(os.path.abspath(folder))

    @classmethod
    def borrow(cls, url: str, folder: str) -> WorkingCopy:
        """Return what can read the versions of *url* without a workspace, so that the server needn't know of one."""
        return PerforceFolder.of(url, folder)

    # Asking

    def _look(self) -> _Look:
        """Ask for all files at once; more only where they aren't as the last change has them."""
        reply = self._p4.ask("fstat", "-Ol", "-T", _FIELDS, f"{self._top}/...")
        head: dict[str, DepotFile] = {}
        have: dict[str, int] = {}
        opened: dict[str, bytes] = {}
        unresolved = []
        newest = 0
        outside = 0
        for item in reply.items:
            path = self._path_of(item)
            if path is None:
                outside += 1
                continue
            newest = max(newest, number_of(item, "headChange"))
            if "headRev" in item and item.get("headAction") not in GONE:
                head[path] = depot_file(path, item)
            if number_of(item, "haveRev") > 0:
                have[path] = number_of(item, "haveRev")
            if "action" in item:
                opened[path] = item["action"]
            if "unresolved" in item:
                unresolved.append(path)
        notes = [f"a merge isn't resolved: {listing(unresolved)}"] if unresolved else []
        if outside:
            notes.append(f"{outside} files of the workspace lie outside of {printable(self.root)}")
        if not newest:
            return _Look(None, {}, opened, tuple(notes))
        if _revisions(head) == have:
            return _Look(str(newest), head, opened, tuple(notes))
        version, files = self._nearest(have, head, newest)
        odd = sorted(path for path in files.keys() | have.keys() if _revision(files, path) != have.get(path, 0))
        if odd:
            notes.append(
                f"files were synchronised to other changes than {version}, or not at all, and count as changed: "
                f"{listing(odd)}"
            )
        return _Look(version, files, opened, tuple(notes))

    def _nearest(
        self, have: Mapping[str, int], head: Mapping[str, DepotFile], newest: int
    ) -> tuple[str, dict[str, DepotFile]]:
        """Return the change whose files are most like those that the workspace has."""
        highest = 0
        deleted: dict[str, int] = {}
        for item in self._p4.ask("fstat", "-T", _FIELDS, f"{self._top}/...#have").items:
            highest = max(highest, number_of(item, "headChange"))
        if not highest:
            return str(newest), dict(head)  # nothing was synchronised
        files = self._at(str(highest))
        surplus = files.keys() - have.keys()
        if surplus and surplus.isdisjoint(head):  # the last that was synchronised may have been that files are gone
            for item in self._p4.ask("fstat", "-T", _FIELDS, f"{self._top}/...@{newest}").items:
                deleted[self._path_of(item) or ""] = number_of(item, "headChange")
            later = max(deleted.get(path, 0) for path in surplus)
            if later > highest:
                others = self._at(str(later))
                if _unlike(others, have) < _unlike(files, have):
                    return str(later), others
        return str(highest), files

    def _at(self, version: str) -> dict[str, DepotFile]:
        return self._files_at(f"{self._top}/...@{version}")

    def _files_at(self, what: str) -> dict[str, DepotFile]:
        files = {}
        reply = self._p4.ask("fstat", "-Ol", "-T", _FIELDS, what)
        for item in reply.items:
            path = self._path_of(item)
            if path is not None and "headRev" in item and item.get("headAction") not in GONE:
                files[path] = depot_file(path, item)
        return files

    def _path_of(self, item: Item) -> str | None:
        """Return what *item* is called relative to the root, or None if it lies elsewhere."""
        path = os.fsdecode(item.get("clientFile", b""))
        before = self._client_root.rstrip("/") + "/"
        return path[len(before):] if path.startswith(before) else None

    def _changed(self, look: _Look) -> Iterator[ChangedFile]:
        """Yield the tracked files that aren't on disk as the version has them."""
        doubtful = []
        for path, file in look.files.items():
            where = os.path.join(self.root, path)
            try:
                facts = os.lstat(where)
            except OSError:
                yield ChangedFile(path, "deleted")
                continue
            mode = mode_of(facts.st_mode)
            if mode is None:
                yield ChangedFile(path, "deleted")
            elif mode != file.mode:
                yield ChangedFile(path, "modified", mode)
            else:
                try:
                    same = is_certainly(file, where, facts.st_size)
                except OSError:
                    same = False
                if same is None:
                    doubtful.append((file, mode))
                elif not same:
                    yield ChangedFile(path, "modified", mode)
        printed = self._printed([file for file, _ in doubtful])
        for file, mode in doubtful:
            if printed.get(file.path) != on_disk(os.path.join(self.root, file.path)):
                yield ChangedFile(file.path, "modified", mode)
        for path, action in look.opened.items():
            if path not in look.files and action not in GONE and not is_ours(path):
                mode = mode_at(os.path.join(self.root, path))
                if mode:
                    yield ChangedFile(path, "added", mode)

    def _printed(self, files: Sequence[DepotFile]) -> dict[str, bytes]:
        """Return what *files* hold, as they would be on disk."""
        pieces = self.contents([TreeFile(file.path, file.mode, file) for file in files])
        return {file.path: b"".join(parts) for file, parts in zip(files, pieces, strict=True)}

    def _last(self, where: str, name: str) -> str:
        """Return the last change in our files up to *where*."""
        for item in self._p4.ask("changes", "-m1", "-s", "submitted", f"{self._top}/...{where}").items:
            if "change" in item:
                return item["change"].decode("ascii", "replace")
        raise self._unknown(name)

    def _current(self) -> str:
        version = self._look().version
        if version is None:
            raise VersionControlError(f"nothing was submitted from {self.root} yet", "p4 submit")
        return version

    def _unknown(self, name: str) -> VersionControlError:
        return VersionControlError(f"there is no version {printable(name)[:100]!r} in {self.root}", "p4 changes")

    def _person(self, user: str) -> str:
        if not user or not re.fullmatch(_LABEL, user):
            return printable(user)
        for item in self._p4.ask("users", "-m1", user).items:
            full = item.get("FullName", b"").decode("utf-8", "replace") or user
            address = item.get("Email", b"").decode("utf-8", "replace")
            return printable(f"{full} <{address}>" if address else full)
        return printable(user)

    def _spec(self) -> Item:
        items = self._p4.ask("client", "-o", self._p4.client).items
        return items[0] if items else {}

    def _branch(self) -> str | None:
        stream = os.fsdecode(self._info.get("clientStream", b""))
        return printable(stream) if stream else None

    def _port(self) -> str:
        return self._p4.port or "perforce:1666"

    def _inside(self, path: str) -> str | None:
        inside = super()._inside(path)
        return None if inside is None or "..." in inside else inside  # that would name many files to p4


class PerforceFolder(PerforceWorkingCopy):
    """A part of a depot, without a workspace: what there is to read, and nothing on disk."""

    @classmethod
    def of(cls, url: str, folder: str) -> Self:
        """Return what can read the versions of *url*; *folder* only stands for it in messages."""
        p4, place = _perforce_making.open_url(url, folder)
        found = cls(os.path.abspath(folder), p4, {}, "")
        found._top = place
        return found

    def status(self, *, untracked: bool = True) -> Status:
        """Return the last change: nothing is on disk that could differ."""
        return Status(self._last("", "head"), None, ())

    def repository(self) -> Repository:
        """Return where it is."""
        url = _perforce_making.url_of(self._port(), self._top)
        return Repository(type=self.name, url=printable(url), root=self.root)

    def _current(self) -> str:
        return self._last("", "head")

    def _path_of(self, item: Item) -> str | None:
        path = os.fsdecode(item.get("depotFile", b""))
        before = self._top + "/"
        return decoded(path[len(before):]) if path.startswith(before) else None


def _revisions(files: Mapping[str, DepotFile]) -> dict[str, int]:
    return {path: file.revision for path, file in files.items()}


def _revision(files: Mapping[str, DepotFile], path: str) -> int:
    return files[path].revision if path in files else 0


def _unlike(files: Mapping[str, DepotFile], have: Mapping[str, int]) -> int:
    return sum(_revision(files, path) != have.get(path, 0) for path in files.keys() | have.keys())


def _key(file: TreeFile) -> DepotFile:
    if not isinstance(file.key, DepotFile):
        raise TypeError("not a file of a Perforce depot")
    return file.key


def _is_same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _is_below(path: str, folder: str) -> bool:
    return os.path.realpath(path).startswith(os.path.realpath(folder).rstrip("/") + "/")


BACKEND = PerforceWorkingCopy
