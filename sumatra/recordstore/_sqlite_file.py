"""The file of a SQLite record store: opened, checked, created, upgraded, with every trouble told in a sentence."""

import os
import sqlite3
import time
from _thread import get_ident
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, TypeVar

from sumatra.errors import NewerFormat, RecordStoreError
from sumatra.recordstore import _sqlite_schema as schema

__all__ = ["StoreFile", "Transaction", "Translated"]

T = TypeVar("T")

_BUSY = 60.0  # seconds that we wait for others, unless told otherwise

#: Seconds that we wait inside of SQLite, where Ctrl-C isn't heard.
_DEAF = 0.25

_SETTINGS = (
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA mmap_size = 0",
    "PRAGMA synchronous = FULL",
    "PRAGMA secure_delete = ON",
)

#: By primary result code of SQLite: what went wrong, and what to do.
_TROUBLES: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_BUSY: (
        "is in use: another process has held it for too long", "wait for it, or end it, and try again"
    ),
    sqlite3.SQLITE_LOCKED: ("is in use", "try again"),
    sqlite3.SQLITE_READONLY: ("can't be written: it or its folder is read-only", "make it writable: chmod u+w"),
    sqlite3.SQLITE_PERM: ("can't be opened: permission denied", "make it readable: chmod u+rw"),
    sqlite3.SQLITE_AUTH: ("can't be opened: permission denied", "make it readable: chmod u+rw"),
    sqlite3.SQLITE_FULL: ("can't be written: the disk is full", "make room and try again; nothing was lost"),
    sqlite3.SQLITE_IOERR: (
        "can't be read or written: the disk has an error, is full, or a limit was reached", "see df and ulimit -f"
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "can't be opened: its folder isn't there, isn't writable, or the disk is full", "see ls -ld and df -i"
    ),
    sqlite3.SQLITE_CORRUPT: (
        "is damaged", "put a copy in its place, or save what is left: sqlite3 OLD .recover | sqlite3 NEW"
    ),
    sqlite3.SQLITE_NOTADB: ("isn't a SQLite database", "put a copy in its place"),
    sqlite3.SQLITE_NOLFS: ("is too large for this file system", "move it to another one"),
    sqlite3.SQLITE_TOOBIG: ("can't take a record of a gigabyte", "keep large texts in files"),
}


class Translated:
    """While this is entered, troubles of SQLite and the file system become `RecordStoreError`."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, sqlite3.Error):
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            trouble, hint = _TROUBLES.get(code,
            (f"can't be used: {error}", "see whether the file is what it should be"))
            if code == sqlite3.SQLITE_CANTOPEN:
                trouble, hint = self._why_not_opened() or (trouble, hint)
            raise RecordStoreError(f"the record store {self.path} {trouble}", hint) from error
        if isinstance(error, UnicodeDecodeError):
            trouble, hint = _TROUBLES[sqlite3.SQLITE_CORRUPT]
            raise RecordStoreError(f"the record store {self.path} {trouble}", hint) from error
        if isinstance(error, OSError) and not isinstance(error, RecordStoreError):
            raise RecordStoreError(f"the record store {self.path} can't be used: {error.strerror}") from error


    def _why_not_opened(self) -> tuple[str, str] | None:
        if os.path.isdir(self.path):
            return "is a folder, and should be a file", "move the folder away"
        if os.path.exists(self.path) and not os.access(self.path, os.R_OK):
            return _TROUBLES[sqlite3.SQLITE_PERM]
        return None


class Transaction:
    """A connection inside of ``BEGIN IMMEDIATE``: committed at the end, or taken back after an error."""

    def __init__(self, file: "StoreFile") -> None:
        self._file = file
        self._translated = Translated(file.path)

    def __enter__(self) -> sqlite3.Connection:
        with self._translated:
            self.connection = self._file.begin()
        return self.connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            try:
                with self._translated:
                    self._file.insist(lambda: self.connection.execute("COMMIT"))
            except RecordStoreError:
                roll_back(self.connection)
                raise
        else:
            roll_back(self.connection)
            self._translated.__exit__(kind, error, trace)


def roll_back(connection: sqlite3.Connection) -> None:
    """Take back what the transaction did, if SQLite hasn't already."""
    if connection.in_transaction:
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error:
            connection.close()  # which takes it back too


class StoreFile:
    """The file at *path*, which needs not be there; a connection for each process and thread."""

    def __init__(self, path: str, patience: float | None = None) -> None:
        self.path = path
        self._patience = patience
        self._connections: dict[tuple[int, int], sqlite3.Connection] = {}

    def reader(self) -> sqlite3.Connection | None:
        """Return a connection for reading, or None if nothing was ever written."""
        key = os.getpid(), get_ident()
        connection = self._connections.get(key)
        if connection is not None:
            return connection
        if not os.path.lexists(self.path):
            return None
        connection = self._open()
        try:
            if not self._is_written(connection):
                connection.close()
                return None
            if _number(connection, "user_version") < schema.VERSION:
                connection.close()
                with Transaction(self):
                    pass  # it upgrades
                return self.reader()
            self._check(connection)
        except BaseException:
            connection.close()
            raise
        self._connections[key] = connection
        return connection

    def ask(self, sql: str, arguments: Sequence[Any] = ()) -> list[Any]:
        """Return all rows that *sql* finds, or none if nothing was ever written."""
        with Translated(self.path):
            return self.insist(lambda: self._ask(sql, arguments))

    def _ask(self, sql: str, arguments: Sequence[Any]) -> list[Any]:
        connection = self.reader()
        if connection is None:
            return []
        try:
            return connection.execute(sql, arguments).fetchall()
        except BaseException:  # a statement that stopped half-way would hold its lock
            self._connections.pop((os.getpid(), get_ident()), None)
            connection.close()
            raise

    def insist(self, action: Callable[[], T]) -> T:
        """Do *action*, again and again while others are in the way and we have patience; Ctrl-C ends it."""
        until = time.monotonic() + (_BUSY if self._patience is None else self._patience)
        while True:
            try:
                return action()
            except sqlite3.OperationalError as error:
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                if code not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) or time.monotonic() >= until:
                    raise

    def begin(self) -> sqlite3.Connection:
        """Return a connection inside of a transaction, with the schema as it should be."""
        return self.insist(self._begin)

    def _begin(self) -> sqlite3.Connection:
        key = os.getpid(), get_ident()
        connection = self._connections.get(key)
        try:
            if connection is None:
                self._create()
                connection = self._open()
            connection.execute("PRAGMA journal_mode = TRUNCATE").close()
            connection.execute("BEGIN IMMEDIATE")
            if key not in self._connections or _number(connection, "user_version") != schema.VERSION:
                self._prepare(connection)
        except BaseException:
            self._connections.pop(key, None)
            if connection is not None:
                roll_back(connection)
                connection.close()
            raise
        self._connections[key] = connection
        return connection

    def close(self) -> None:
        """Close the connections of this process; those that were inherited from a parent must be left alone."""
        for key in [key for key in self._connections if key[0] == os.getpid()]:
            self._connections.pop(key).close()

    def _create(self) -> None:
        """Make an empty file that only its owner can read; SQLite alone would heed the umask only."""
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            pass
        except FileNotFoundError as error:
            raise RecordStoreError(
                f"the record store {self.path} can't be made: its folder isn't there",
                "make the folder, or correct the path"
            ) from error

    def _open(self) -> sqlite3.Connection:
        address = f"file:{_quoted(os.path.abspath(self.path))}?mode=rw"
        connection = sqlite3.connect(
            address, timeout=_DEAF, isolation_level=None, uri=True, check_same_thread=False
        )
        try:
            for setting in _SETTINGS:
                connection.execute(setting).close()
        except BaseException:
            connection.close()
            raise
        return connection

    def _is_written(self, connection: sqlite3.Connection) -> bool:
        """Tell whether a schema is there, and that it is ours; raises an error for what isn't ours or is newer."""
        application, version = _number(connection, "application_id"), _number(connection, "user_version")
        empty = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
        if empty and application == version == 0:
            return False
        if application != schema.APPLICATION_ID:
            raise RecordStoreError(
                f"{self.path} is a database of another program, not a record store", "give the path of another file"
            )
        if version > schema.VERSION:
            raise NewerFormat(
                f"the record store {self.path} was written by a later Sumatra"
                f" (its schema is {version}; this one reads up to {schema.VERSION})",
                "install the newest Sumatra: pip install --upgrade sumatra",
            )
        return True

    def _check(self, connection: sqlite3.Connection) -> None:
        strange = schema.difference(connection)
        if strange is not None:
            raise RecordStoreError(
                f"the record store {self.path} has been tampered with: {strange} isn't as Sumatra makes it",
                "don't trust it; put a copy in its place",
            )

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make or upgrade the schema, inside of a transaction."""
        if not self._is_written(connection):
            for statement in schema.STATEMENTS:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            _note(connection, schema.VERSION)
        version = _number(connection, "user_version")
        if version < schema.VERSION:
            self._copy(version)
            for step in range(version, schema.VERSION):
                schema.UPGRADES[step](connection)
                _note(connection, step + 1)
        self._check(connection)

    def _copy(self, version: int) -> None:
        """Copy the file beside itself, through SQLite: to open and close it otherwise would break our own lock."""
        path, count = f"{self.path}.schema-{version}", 1
        while os.path.lexists(path):
            count += 1
            path = f"{self.path}.schema-{version}-{count}"
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        original, copy = self._open(), sqlite3.connect(path)
        try:
            original.backup(copy)
        finally:
            copy.close()
            original.close()


def _note(connection: sqlite3.Connection, version: int) -> None:
    from sumatra import __version__

    connection.execute(f"PRAGMA user_version = {version:d}")
    connection.execute(
        "INSERT OR REPLACE INTO ledger VALUES (?, ?, ?)", (version, time.time_ns() // 1000, __version__)
    )


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    (number,) = connection.execute(f"PRAGMA {pragma}").fetchone()
    return int(number)


def _quoted(path: str) -> str:
    """Return *path* as a part of a URI; urllib would cost more than the whole query."""
    return "".join(
        chr(byte) if chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in "/_-.") else f"%{byte:02X}"
        for byte in os.fsencode(path)
    )
