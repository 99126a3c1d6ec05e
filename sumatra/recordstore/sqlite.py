"""A record store in one SQLite file, for any number of runs at once on one machine.

Records are kept as documents; lists and queries are answered from columns and tables drawn from them.  No reader
holds the file while its caller does something with what it got: that would keep writers waiting.
"""
# ruff: noqa: S608  values are always bound; only names of ours are put into statements

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sumatra.errors import LabelTaken, NoSuchRecord
from sumatra.records import Record
from sumatra.recordstore._sqlite_file import StoreFile, Transaction
from sumatra.recordstore._sqlite_query import Clause, condition, order
from sumatra.recordstore.base import RecordStore, Trashed
from sumatra.selection import EVERYTHING, FIELDS, Selection
from sumatra.selection.facts import ODD, items, microseconds, operand, searchable

__all__ = ["BACKEND", "SQLiteRecordStore"]

_AT_ONCE = 200  # documents that are read together
_FEW = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HERE = "project = ? AND deleted IS NULL"
_FIND = f"SELECT record, document FROM records JOIN documents USING (record) WHERE {_HERE} AND label = ?"

#: Columns of the table of records that are fields of queries too.
_FIELD_COLUMNS = (
    "label", "id", "status", "exit_status", "duration", "reason", "outcome", "version", "branch", "changed",
    "main_file",
    "script_arguments", "command", "executable", "program", "host", "user", "repeats",
)
_COLUMNS = ("project", "timestamp", *_FIELD_COLUMNS)
_INSERT = (
    f"INSERT INTO records ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
)
_UPDATE = (
    f"UPDATE records SET deleted = NULL, {', '.join(f'{name} = ?' for name in _COLUMNS)} WHERE record = ?"
)


class SQLiteRecordStore(RecordStore):
    """Records in the SQLite file *path*, which is made when the first one is saved.

    *patience* is how long (seconds) to wait for other processes that hold the file.
    """

    def __init__(self, path: str | os.PathLike[str], patience: float | None = None) -> None:
        self.location = os.fspath(path)
        self._file = StoreFile(self.location, patience)

    def save(self, project: str, record: Record) -> None:
        from sumatra.documents import encode

        document = encode(record)  # before others have to wait
        with self._writing() as connection:
            _put(connection, searchable(project), record, document)

    def save_many(self, project: str, records: Iterable[Record]) -> None:
        """Keep all of *records*, or none of them if there is an error; much faster than one by one."""
        from sumatra.documents import encode

        with self._writing() as connection:
            for record in records:
                _put(connection, searchable(project), record, encode(record))

    def get(self, project: str, label: str) -> Record:
        for _, document in self._file.ask(_FIND, (searchable(project), searchable(label))):
            return _decoded(document)
        raise self._no_such_record(label)

    def amend(self, project: str, label: str, change: Callable[[Record], Record]) -> Record:
        from sumatra.documents import encode

        with self._writing() as connection:
            found = connection.execute(_FIND, (searchable(project), searchable(label))).fetchone()
            if found is None:
                raise self._no_such_record(label)
            old = _decoded(found[1])
            new = change(old)
            if new != old:
                _put(connection, searchable(project), new, encode(new), found[0])
        return new

    def select(self, project: str, selection: Selection = EVERYTHING) -> Iterator[Record]:
        if selection.count == 0:
            return
        where = selection.where
        clause = None if where is None else condition(where)
        exact = clause is None or clause.exact
        sorting = order(selection.sort)
        sql = "SELECT record FROM records"
        if sorting is None or not exact:
            from sumatra.selection import apply, matches
        if sorting is None:
            yield from apply(selection, self._documents(self._rows(sql, project, clause)))
            return
        if exact:
            yield from self._documents(self._rows(sql, project, clause, sorting, selection.count))
            return
        left = -1 if selection.count is None else selection.count
        for record in self._documents(self._rows(sql, project, clause, sorting)):
            if where is not None and matches(where, record):
                yield record
                left -= 1
                if left == 0:
                    return

    def labels(self, project: str, selection: Selection = EVERYTHING) -> list[str]:
        clause = None if selection.where is None else condition(selection.where)
        sorting = order(selection.sort)
        if sorting is None or (clause is not None and not clause.exact):
            return [record.label for record in self.select(project, selection)]
        rows = self._rows("SELECT label FROM records", project, clause, sorting, selection.count)
        return [label for (label,) in rows]

    def labels_starting(self, project: str, prefix: str, most: int = 10) -> list[str]:
        prefix = searchable(prefix)
        rows = self._file.ask(
            f"SELECT label FROM records WHERE {_HERE} AND label >= ? AND substr(label, 1, {len(prefix)}) = ?"
            " AND label < ? ORDER BY +timestamp DESC, +id DESC LIMIT ?",
            (searchable(project), prefix, prefix, f"{prefix}\U0010ffff\U0010ffff", most),
        )
        return [label for (label,) in rows]

    def delete(self, project: str, label: str) -> None:
        with self._writing() as connection:
            (last,) = connection.execute("SELECT coalesce(max(deleted), 0) FROM records").fetchone()
            deleted = max(time.time_ns() // 1000, last + 1)
            done = connection.execute(
                f"UPDATE records SET deleted = ? WHERE {_HERE} AND label = ?",
                (deleted, searchable(project), searchable(label)),
            )
            if done.rowcount == 0:
                raise self._no_such_record(label)

    def undelete(self, project: str, label: str | None = None) -> str:
        with self._writing() as connection:
            found = connection.execute(
                "SELECT record, label FROM records WHERE project = ? AND deleted IS NOT NULL"
                " AND (? IS NULL OR label = ?) ORDER BY deleted DESC LIMIT 1",
                (searchable(project), label, None if label is None else searchable(label)),
            ).fetchone()
            if found is None:
                what = "there is nothing in the trash" if label is None else f"there is no {label!r} in the trash"
                raise NoSuchRecord(what, "only smt delete puts records there")
            _check_label(connection, searchable(project), found[1], found[0])
            connection.execute("UPDATE records SET deleted = NULL WHERE record = ?", (found[0],))
        return str(found[1])

    def trash(self, project: str) -> list[Trashed]:
        rows = self._file.ask(
            "SELECT label, deleted FROM records WHERE project = ? AND deleted IS NOT NULL ORDER BY deleted DESC",
            (searchable(project),),
        )
        return [Trashed(label, _EPOCH + timedelta(microseconds=deleted)) for label, deleted in rows]

    def tags(self, project: str) -> dict[str, int]:
        rows = self._file.ask(
            "SELECT tag, count(*) FROM tags CROSS JOIN records USING (record)"
            " WHERE project = ? AND deleted IS NULL GROUP BY tag",
            (searchable(project),),
        )
        return dict(rows)

    def projects(self) -> list[str]:
        rows = self._file.ask("SELECT DISTINCT project FROM records WHERE deleted IS NULL ORDER BY project", ())
        return [project for (project,) in rows]

    def close(self) -> None:
        self._file.close()

    def _writing(self) -> Transaction:
        return Transaction(self._file)

    def _rows(
        self, sql: str, project: str, clause: Clause | None, sorting: tuple[str, tuple[Any, ...]] | None = None,
        count: int | None = None,
    ) -> list[Any]:
        few = clause is not None and self._finds_few(clause)
        sql += f" WHERE {'+' if few else ''}{_HERE}"  # the sign keeps SQLite from going through all in their order
        arguments: list[Any] = [searchable(project)]
        if clause is not None:
            sql += f" AND {clause.sql}"
            arguments += clause.arguments
        if sorting is not None:
            sql += f" ORDER BY {sorting[0]}"
            arguments += sorting[1]
        if count is not None:
            sql += " LIMIT ?"
            arguments.append(count)
        return self._file.ask(sql, arguments)

    def _finds_few(self, clause: Clause) -> bool:
        for sql, arguments in clause.sources:
            ((count,),) = self._file.ask(f"SELECT count(*) FROM ({sql} LIMIT {_FEW})", arguments) or ((0,),)
            if count < _FEW:
                return True
        return False

    def _documents(self, rows: list[tuple[int]]) -> Iterator[Record]:
        """Yield the records of *rows* in their order, without those that were deleted in the meantime."""
        for start in range(0, len(rows), _AT_ONCE):
            numbers = [number for (number,) in rows[start:start + _AT_ONCE]]
            documents = dict(self._file.ask(
                f"SELECT record, document FROM documents WHERE record IN ({', '.join('?' * len(numbers))})", numbers
            ))
            for number in numbers:
                if number in documents:
                    yield _decoded(documents[number])

    def _no_such_record(self, label: str) -> NoSuchRecord:
        return NoSuchRecord(f"there is no record called {label!r} in {self.location}", "see them all: smt list")


BACKEND = SQLiteRecordStore


def _decoded(document: bytes) -> Record:
    from sumatra.documents import decode

    return decode(document)


def _check_label(connection: sqlite3.Connection, project: str, label: str, record: int | None) -> None:
    other = connection.execute(f"SELECT record FROM records WHERE {_HERE} AND label = ?", (project, label)).fetchone()
    if other is not None and other[0] != record:
        raise LabelTaken(f"there is another record called {label!r}", "choose another label")


def _put(
    connection: sqlite3.Connection, project: str, record: Record, document: bytes, number: int | None = None
) -> None:
    """Write *record* in the place of *number*, of one with the same id, or as a new one."""
    if number is None:
        number = _place(connection, project, record)
    _check_label(connection, project, searchable(record.label), number)
    row = (project, microseconds(record.timestamp), *(operand(FIELDS[name].of(record)) for name in _FIELD_COLUMNS))
    if number is None:
        number = connection.execute(_INSERT, row).lastrowid
        connection.execute("INSERT INTO documents VALUES (?, ?)", (number, document))
        is_new = True
    else:
        connection.execute(_UPDATE, (*row, number))
        connection.execute("INSERT OR REPLACE INTO documents VALUES (?, ?)", (number, document))
        is_new = False
    for table, rows in _tables(record):
        _put_rows(connection, table, number, rows, is_new)


def _place(connection: sqlite3.Connection, project: str, record: Record) -> int | None:
    if record.id:
        found = connection.execute("SELECT record FROM records WHERE id = ? AND id <> ''", (searchable(record.id),))
    else:
        found = connection.execute(
            f"SELECT record FROM records WHERE {_HERE} AND label = ? AND id = ''", (project, searchable(record.label))
        )
    row = found.fetchone()
    return None if row is None else int(row[0])


def _put_rows(
    connection: sqlite3.Connection, table: str, number: int | None, rows: list[tuple[Any, ...]], is_new: bool
) -> None:
    """Make *rows* the rows of a record in one of its tables; nothing is written where nothing has changed."""
    key = "rowid" if table == "words" else "record"
    if not is_new:
        columns = {"words": "terms", "tags": "tag", "parameters": "name, item, number, text"}.get(
            table, "role, place, name, path, digest"
        )
        old = connection.execute(f"SELECT {columns} FROM {table} WHERE {key} = ?", (number,)).fetchall()
        if sorted(old, key=repr) == sorted(rows, key=repr):
            return
        connection.execute(f"DELETE FROM {table} WHERE {key} = ?", (number,))
    if rows:
        into = "words (rowid, terms)" if table == "words" else table
        marks = ", ".join("?" * (len(rows[0]) + 1))
        connection.executemany(f"INSERT INTO {into} VALUES ({marks})", [(number, *row) for row in rows])


def _tables(record: Record) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    from sumatra.selection.facts import words

    yield "parameters", list(_parameter_rows(record))
    yield "files", [
        (role, place, path.rpartition("/")[2], path, None if key.digest is None else searchable(key.digest))
        for role, keys in (("input", record.input_data), ("output", record.output_data))
        for place, key in enumerate(keys)
        for path in (searchable(key.path),)
    ]
    yield "tags", [(tag,) for tag in sorted({searchable(tag) for tag in record.tags})]
    yield "words", [(" ".join(words(record)),)]


def _parameter_rows(record: Record) -> Iterator[tuple[str, int, Any, Any]]:
    from sumatra.selection import parameters

    for name, value in parameters(record).items():
        simple = operand(value)
        if simple is ODD:
            yield name, -1, None, None
            for item, found in enumerate(items(value)):
                yield name, item, *_number_or_text(found)
        elif simple is not None:
            yield name, -1, *_number_or_text(simple)


def _number_or_text(value: Any) -> tuple[Any, Any]:
    return (None, value) if isinstance(value, str) else (value, None)
