"""Which RPM packages the files of a run belong to, by the database that rpm keeps (SQLite); it isn't started.

The database holds a header for each package and an index of the last parts of file names.  A header is a table of
numbered entries (*tag*, type, place, count: four numbers of 32 bits, big-endian) and the data that they point into.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from sumatra.dependency_finder._system import Package, found_packages, names_of, owners_by, packaged
from sumatra.dependency_finder.base import Finder, Found, Run

if TYPE_CHECKING:
    import sqlite3

__all__ = ["BACKEND", "RpmFinder"]

_TITLE = "# RPM packages of which files were read, for dnf install"
_PLACES = ("/usr/lib/sysimage/rpm/rpmdb.sqlite", "/var/lib/rpm/rpmdb.sqlite")

_NAME, _VERSION, _RELEASE, _EPOCH, _ARCHITECTURE = 1000, 1001, 1002, 1003, 1022
_FOLDER_OF, _FILES, _FOLDERS = 1116, 1117, 1118
_INT32, _STRING, _STRINGS = 4, 6, 8

_OF_ONE_QUESTION = 500  #: names


class RpmFinder(Finder):
    """Knows the packages of Fedora, RHEL, SUSE and their kin."""

    name = "rpm"

    def __init__(self, places: Sequence[str] = _PLACES) -> None:
        self._places = places

    def loaded(self, run: Run) -> Found:
        """Return the packages that own files of the run."""
        paths = packaged(run.files)
        database = next((path for path in self._places if os.path.exists(path)), None) if paths else None
        if database is None:
            return Found()
        log = f"{database}-wal"  # what isn't in the file itself yet
        files = (database, log) if os.path.exists(log) else (database,)
        owners = owners_by(lambda new: _look(database, new), paths, run.cache, self.name, *files)
        return found_packages(owners, self.name, "rpm", _line, _TITLE)


def _line(package: Package) -> str:
    return f"{package.name}-{package.version}.{package.architecture}"


def _look(database: str, paths: Sequence[str]) -> dict[str, Package]:
    import sqlite3
    from urllib.parse import quote

    wanted = {name: path for path in paths for name in names_of(path)}
    try:
        with closing(sqlite3.connect(f"file:{quote(database)}?mode=ro", uri=True, timeout=1)) as connection:
            return _owners(connection, wanted)
    except sqlite3.Error:  # the folder can't be written to, which a log beside the file would need
        with closing(sqlite3.connect(f"file:{quote(database)}?immutable=1", uri=True)) as connection:
            return _owners(connection, wanted)


def _owners(connection: "sqlite3.Connection", wanted: dict[str, str]) -> dict[str, Package]:
    # SQLite takes no names that aren't UTF-8.
    last = sorted({name.rpartition("/")[2] for name in wanted if name.isascii() or name.isprintable()})
    places: dict[int, list[int]] = {}
    for start in range(0, len(last), _OF_ONE_QUESTION):
        some = last[start:start + _OF_ONE_QUESTION]
        marks = ",".join("?" * len(some))
        for number, place in connection.execute(f"SELECT hnum, idx FROM Basenames WHERE key IN ({marks})", some):  # noqa: S608
            places.setdefault(number, []).append(place)
    owners: dict[str, Package] = {}
    for number, indices in places.items():
        for (blob,) in connection.execute("SELECT blob FROM Packages WHERE hnum = ?", (number,)):
            header = _Header(blob)
            for path in header.paths(indices):
                if path in wanted:
                    owners.setdefault(wanted[path], header.package())
    return owners


class _Header:
    """A package as rpm tells it; damaged ones tell nothing."""

    def __init__(self, blob: bytes) -> None:
        self._entries: dict[int, tuple[int, int, int]] = {}
        count = _number(blob, 0)
        self._data = blob[8 + 16 * count:]
        for at in range(8, min(8 + 16 * count, len(blob) - 15), 16):
            tag, kind, place, number = (_number(blob, at + part) for part in (0, 4, 8, 12))
            self._entries[tag] = kind, place, number

    def paths(self, indices: Sequence[int]) -> Iterator[str]:
        """Yield the files with these places in the list of all files."""
        files, folders, numbers = self._texts(_FILES), self._texts(_FOLDERS), self._numbers(_FOLDER_OF)
        for index in indices:
            if index < min(len(files), len(numbers)) and numbers[index] < len(folders):
                yield folders[numbers[index]] + files[index]

    def package(self) -> Package:
        """Return name, version (with epoch and release) and architecture."""
        name, version, release, machine = (
            (self._texts(tag) or [""])[0] for tag in (_NAME, _VERSION, _RELEASE, _ARCHITECTURE)
        )
        epoch = (self._numbers(_EPOCH) or [0])[0]
        return Package(name, f"{epoch}:{version}-{release}" if epoch else f"{version}-{release}", machine)

    def _texts(self, tag: int) -> list[str]:
        kind, place, count = self._entries.get(tag, (0, 0, 0))
        if kind not in (_STRING, _STRINGS):
            return []
        return [os.fsdecode(text) for text in self._data[place:].split(b"\0", count)[:count]]

    def _numbers(self, tag: int) -> list[int]:
        kind, place, count = self._entries.get(tag, (0, 0, 0))
        if kind != _INT32:
            return []
        return [_number(self._data, at) for at in range(place, min(place + 4 * count, len(self._data) - 3), 4)]


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at:at + 4], "big")


BACKEND = RpmFinder
