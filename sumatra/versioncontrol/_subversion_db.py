"""What Subversion's own notes of a working copy say, read without its program.

They are a database, ``.svn/wc.db``: for each file its revision, the digest of its content, and size and time that
belong to it.  It is opened for reading only.  It may come from a stranger, so nothing in it is run (no views), and no
name in it leads out.
"""

import os
import sqlite3
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from sumatra.errors import VersionControlError
from sumatra.versioncontrol._subversion_text import Apart
from sumatra.versioncontrol._text import is_utf8, on_disk, printable
from sumatra.versioncontrol._urls import scrub

__all__ = ["Node", "Notes", "is_working_copy", "read", "state_of"]

_FORMATS = range(29, 33)  # Subversion 1.7 to 1.15
_BUSY = 3.0  # seconds
_PATIENCE = 30.0  # seconds
_JUST = 2_000_000_000  # nanoseconds
_ODD = ("//", "/.", "\n/", "\n.", "\0")  # without these, no name in a list leads out
_TABLES = ("NODES", "ACTUAL_NODE", "REPOSITORY", "EXTERNALS", "WORK_QUEUE", "WC_LOCK")
#: An empty list of properties is written as ``()``, or not at all.
_COLUMNS = (
    "SELECT local_relpath, op_depth, presence, kind, revision, repos_id, repos_path, checksum, "
    "NULLIF(CAST(properties AS BLOB), x'2829'), translated_size, last_mod_time"
)
_ALL = f"{_COLUMNS}, changed_revision, changed_date, changed_author, file_external FROM NODES WHERE wc_id = 1"
#: Nearly all are files without properties, at the revision of the top folder and where it says that they are.
_PLAIN = (
    "op_depth = 0 AND presence = 'normal' AND kind = 'file' AND (properties IS NULL OR properties = x'2829') AND "
    "file_external IS NULL AND revision IS :revision AND repos_id IS :repository AND "
    "repos_path IS :above || local_relpath"
)
#: Of these, little has to be known.  All comes in one text, with what no name has in it between: each row, and each
#: column, would cost time and Python's lock.
_BRIEF = (
    "SELECT CAST(group_concat(local_relpath || '//' || COALESCE(translated_size, '') || '//' || "  # noqa: S608
    f"COALESCE(last_mod_time, ''), '//') AS BLOB) FROM NODES WHERE wc_id = 1 AND {_PLAIN}"
)
_TOP = (
    "SELECT revision, repos_id AS repository, CASE repos_path WHEN '' THEN '' ELSE repos_path || '/' END AS above "
    "FROM NODES WHERE wc_id = 1 AND local_relpath = '' AND op_depth = 0"
)


class Node(NamedTuple):
    """What is noted of a path: as it is in the repository (*depth* 0), or as it will be after a commit."""

    path: str
    depth: int
    presence: str
    kind: str
    revision: int | None
    repository: int | None
    place: str | None  #: from the root of the repository
    checksum: str | None
    properties: bytes | None
    size: int | None  #: of the file as it was written into the working copy
    time: int | None  #: of that, in microseconds
    changed_revision: int | None
    changed_date: int | None
    changed_author: str | None
    is_external: int | None

    @property
    def is_there(self) -> bool:
        """Whether there is something at this path."""
        return self.presence in ("normal", "incomplete")


class Notes(NamedTuple):
    """All that is noted of a working copy."""

    base: dict[str, Node]  #: what was checked out, by path; the top folder is ""
    above: dict[str, Node]  #: what a commit would make of it, where that is something else
    properties: dict[str, bytes]  #: properties that were changed, by path
    conflicts: tuple[str, ...]
    roots: dict[int, str]  #: URLs of repositories
    inherited: bytes | None  #: properties of the folders around the top
    externals: tuple[tuple[str, str], ...]  #: path of a folder, and the path of the one that names it
    interrupted: bool  #: whether svn was stopped in the middle of its work

    @property
    def top(self) -> Node:
        """The top folder."""
        return self.base[""]

    @property
    def root(self) -> str:
        """The URL of the repository's root."""
        return self.roots.get(self.top.repository or 0, "")

    def address(self) -> str:
        """Return the URL of the top folder."""
        from sumatra.versioncontrol._subversion_text import quoted

        return f"{self.root}/{quoted(self.top.place)}" if self.top.place else self.root

    def apart(self) -> list[Apart]:
        """Return what isn't at the revision, or from the place, that its folder tells; folders come first."""
        return sorted(self.each_apart())

    def each_apart(self) -> Iterator[Apart]:
        """Yield the same in any order."""
        base, top = self.base, self.top
        last: str | None = None
        prefix, repository, expected = "", top.repository, top.revision
        start, usual = f"{top.place}/" if top.place else "", (top.revision, top.repository)
        unusual = [
            node for node in base.values() if node[4:6] != usual or node[6] != start + node[0]
        ]  # and the top itself
        # What is as the top folder says is as its own folder says, unless that isn't as the top one says.
        nodes = base.values() if any(node.kind == "dir" and node.path for node in unusual) else unusual
        for path, _, presence, _, revision, where, place, *_ in nodes:
            if not path or revision is None or presence in ("excluded", "server-excluded"):
                continue
            folder, _, name = path.rpartition("/")
            if folder != last:
                around = base.get(folder, top)
                last, repository, expected = folder, around.repository, around.revision
                prefix = f"{around.place}/" if around.place else ""
            if place != prefix + name or where != repository:
                yield Apart(path, revision, self._where_from(base[path]))
            elif revision != expected:
                yield Apart(path, revision)

    def _where_from(self, node: Node) -> str:
        from sumatra.versioncontrol._subversion_text import quoted

        place = quoted(node.place or "").replace("@", "%40")
        if node.repository == self.top.repository:
            return f"^/{place}"
        return scrub(f"{self.roots.get(node.repository or 0, '')}/{place}").replace("@", "%40").replace(" ", "%20")


def is_working_copy(root: str) -> bool:
    """Tell whether there is a database that could be one of Subversion's."""
    try:
        return stat.S_ISREG(os.stat(os.path.join(root, ".svn", "wc.db")).st_mode)  # a pipe would keep us waiting
    except OSError:
        return False


def state_of(root: str) -> tuple[int, ...] | None:
    """Return by what is seen that the notes were written to; None where that can't be seen, because it is just over."""
    try:
        facts = os.stat(os.path.join(root, ".svn", "wc.db"))
    except OSError:
        return None
    if abs(time.time_ns() - facts.st_mtime_ns) < _JUST:
        return None
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def read(root: str, *, whole: bool = True) -> Notes:
    """Return what is noted of the working copy *root*, or raise `VersionControlError`.

    Where not *whole*, digests, and who changed a file last and when, are left out for most files.
    """
    with _opened(root) as database:
        top_row = database.execute(_TOP).fetchone() or (None, None, None)
        usual = dict(zip(("revision", "repository", "above"), top_row, strict=True))
        base = {} if whole else _plain_files(database, usual)
        above: dict[str, Node] = {}
        rest = "" if whole else f" AND NOT ({_PLAIN})"
        for row in database.execute(f"{_ALL}{rest} ORDER BY op_depth", usual):
            (above if row[1] else base)[row[0]] = Node._make(row)
        top = base.get("")
        if top is None or top.revision is None:
            raise VersionControlError(f"the .svn of {printable(root)} has nothing about its top folder", "svn cleanup")
        actual = database.execute(
            "SELECT local_relpath, CAST(properties AS BLOB), conflict_data IS NOT NULL FROM ACTUAL_NODE WHERE wc_id = 1"
        ).fetchall()
        inherited = database.execute(
            "SELECT CAST(inherited_props AS BLOB) FROM NODES WHERE wc_id = 1 AND local_relpath = '' AND op_depth = 0"
        ).fetchone()
        externals = database.execute(
            "SELECT local_relpath, def_local_relpath, kind FROM EXTERNALS WHERE wc_id = 1 AND presence = 'normal'"
        ).fetchall()
        stopped = database.execute(
            "SELECT (SELECT count(*) FROM WORK_QUEUE) + (SELECT count(*) FROM WC_LOCK)"
        ).fetchone()
        notes = Notes(
            base, above, {path: found for path, found, _ in actual if found is not None},
            tuple(sorted(path for path, _, conflict in actual if conflict)),
            dict(database.execute("SELECT id, root FROM REPOSITORY").fetchall()),
            inherited[0], tuple((path, by) for path, by, kind in externals if kind == "dir"), bool(stopped[0]),
        )
    _check_names(notes, root)
    return notes


def _plain_files(database: sqlite3.Connection, usual: Mapping[str, Any]) -> dict[str, Node]:
    """Return what is noted of files that are as nearly all are: at the *usual* revision and place."""
    found: bytes = database.execute(_BRIEF, usual).fetchone()[0] or b""
    fields = found.decode().split("//") if found.isascii() else [on_disk(field) for field in found.split(b"//")]
    if not found:
        return {}
    revision, repository, above = usual["revision"], usual["repository"], usual["above"]
    new = tuple.__new__
    return {
        path: new(Node, (
            path, 0, "normal", "file", revision, repository, above + path, None, None,
            int(size) if size else None, int(time) if time else None, None, None, None, None,
        ))
        # This is an error if a name had that in it.
        for path, size, time in zip(fields[0::3], fields[1::3], fields[2::3], strict=True)
    }


@contextmanager
def _opened(root: str) -> Iterator[sqlite3.Connection]:
    path = os.path.join(os.path.abspath(root), ".svn", "wc.db")
    if not is_working_copy(root):
        raise VersionControlError(
            f"the .svn of {printable(root)} isn't one that Subversion 1.7 or later has made",
            "svn upgrade, if it is older; it may also be empty or damaged",
        )
    try:
        with open(path, "rb") as file:
            head = file.read(20)
        if len(head) < 20 or head[18:20] != b"\1\1":  # of another kind, which writes files when it is read
            raise _damaged(root, "it isn't a database of Subversion's")
        where = "".join(chr(byte) if chr(byte).isalnum() or byte in b"/._-" else f"%{byte:02X}"
                        for byte in os.fsencode(path))
        database = sqlite3.connect(f"file:{where}?mode=ro", uri=True, timeout=_BUSY, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise _damaged(root, str(error)) from error
    try:
        end = time.monotonic() + _PATIENCE
        database.set_progress_handler(lambda: int(time.monotonic() > end), 1_000_000)
        if not is_utf8():
            database.text_factory = on_disk
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("BEGIN")
        number = database.execute("PRAGMA user_version").fetchone()[0]
        if number not in _FORMATS:
            raise VersionControlError(
                f"the working copy {printable(root)} has a format that isn't known here ({number})", "svn upgrade"
            )
        kinds = dict(database.execute("SELECT upper(name), type FROM sqlite_master").fetchall())
        if any(kinds.get(name) != "table" for name in _TABLES):
            raise _damaged(root, "it lacks a table")
        yield database
    except sqlite3.Error as error:
        raise _damaged(root, str(error)) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise _damaged(root, "there is something of another kind than it should be") from error
    finally:
        database.close()


def _damaged(root: str, why: str) -> VersionControlError:
    busy = "locked" in why
    return VersionControlError(
        f"the .svn of {printable(root)} can't be read: {printable(why)}",
        "svn is at work there; try again" if busy else "svn cleanup",
    )


def _check_names(notes: Notes, root: str) -> None:
    """Refuse names that lead out: they come from a file that could have been forged."""
    for names in (notes.base, notes.above, dict(notes.externals)):
        text = "\n".join(names)
        if text.count("\n") == max(len(names) - 1, 0) and not any(sign in f"\n{text}" for sign in _ODD):
            continue
        for name in names:
            parts = name.split("/")
            if name and (not {"", ".", "..", ".svn"}.isdisjoint(parts) or "\0" in name):
                raise _damaged(root, f"it has a file called {name!r}")
