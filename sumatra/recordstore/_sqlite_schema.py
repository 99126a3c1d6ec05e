"""What a SQLite record store looks like inside, and how older ones become like that."""

import sqlite3
from collections.abc import Callable, Mapping

__all__ = ["APPLICATION_ID", "SCHEMA", "STATEMENTS", "UPGRADES", "VERSION", "difference"]

#: ``Smtr`` in ASCII: tells the files of Sumatra from those of other programs.
APPLICATION_ID = 0x536D7472

#: The number of the schema below; a file with a higher one is refused.
VERSION = 1

SCHEMA = """\
-- One row for each record: what lists and queries ask for most, drawn from its document.
CREATE TABLE records (
    record INTEGER PRIMARY KEY,      -- its number in this file
    project TEXT NOT NULL,           -- name of the project that it was saved for
    label TEXT NOT NULL,
    id TEXT NOT NULL,                -- the same in every store that the record is copied to
    deleted INTEGER,                 -- when it was put into the trash (as timestamp); NULL: it wasn't
    timestamp INTEGER NOT NULL,      -- when the run began: microseconds since 1970-01-01 00:00 UTC
    status TEXT NOT NULL,
    exit_status INTEGER,
    duration NUMERIC,                -- seconds
    reason TEXT NOT NULL,
    outcome TEXT NOT NULL,
    version TEXT,                    -- of the code
    branch TEXT,
    changed INTEGER NOT NULL,        -- 1: the code had uncommitted changes
    main_file TEXT,
    script_arguments TEXT NOT NULL,
    command TEXT NOT NULL,
    executable TEXT,                 -- path
    program TEXT,                    -- name and version
    host TEXT NOT NULL,
    user TEXT NOT NULL,
    repeats TEXT                     -- label
);
CREATE UNIQUE INDEX records_by_label ON records (project, label) WHERE deleted IS NULL;
CREATE UNIQUE INDEX records_by_id ON records (id) WHERE id <> '';
CREATE INDEX records_by_time ON records (project, timestamp DESC, id DESC, label) WHERE deleted IS NULL;
CREATE INDEX records_by_deletion ON records (project, deleted DESC) WHERE deleted IS NOT NULL;

-- The records themselves: JSON as doc/reference/format.rst tells it.  All else can be made anew from these.
CREATE TABLE documents (
    record INTEGER PRIMARY KEY,
    document BLOB NOT NULL
);

-- Parameters by dotted name.  Either number or text holds the value; neither, if it is a list or not a number.
CREATE TABLE parameters (
    record INTEGER NOT NULL,
    name TEXT NOT NULL,
    item INTEGER NOT NULL,           -- -1: the value; 0, 1, ...: the items of a list
    number NUMERIC,
    text TEXT,
    PRIMARY KEY (record, name, item)
) WITHOUT ROWID;
CREATE INDEX parameters_by_value ON parameters (name, number, text);

CREATE TABLE files (
    record INTEGER NOT NULL,
    role TEXT NOT NULL,              -- input or output
    place INTEGER NOT NULL,          -- 0, 1, ... in the record's list
    name TEXT NOT NULL,              -- last part of the path
    path TEXT NOT NULL,
    digest TEXT,                     -- as sha256:...
    PRIMARY KEY (record, role, place)
) WITHOUT ROWID;
CREATE INDEX files_by_name ON files (name);
CREATE INDEX files_by_digest ON files (digest);

CREATE TABLE tags (
    record INTEGER NOT NULL,
    tag TEXT NOT NULL,
    PRIMARY KEY (record, tag)
) WITHOUT ROWID;
CREATE INDEX tags_by_tag ON tags (tag);

-- The words of each record (rowid is its number), each once, in lower case.
CREATE VIRTUAL TABLE words USING fts5 (terms, detail = none, columnsize = 0, tokenize = 'ascii');

-- What made this file, and what upgraded it.
CREATE TABLE ledger (
    version INTEGER PRIMARY KEY,     -- of the schema
    moment INTEGER NOT NULL,         -- as timestamp
    writer TEXT NOT NULL             -- version of Sumatra
);
"""

#: What FTS5 makes for itself, the same in every version of SQLite that has it.
_SHADOWS = (
    "CREATE TABLE 'words_data'(id INTEGER PRIMARY KEY, block BLOB)",
    "CREATE TABLE 'words_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID",
    "CREATE TABLE 'words_content'(id INTEGER PRIMARY KEY, c0)",
    "CREATE TABLE 'words_config'(k PRIMARY KEY, v) WITHOUT ROWID",
)

#: From each older version, what makes the next one of it, inside of a transaction.
UPGRADES: Mapping[int, Callable[[sqlite3.Connection], None]] = {}


def _statements(schema: str) -> tuple[str, ...]:
    """Return the statements as SQLite keeps them: without what stands before ``CREATE``, and the semicolon."""
    return tuple("CREATE" + part.partition("CREATE")[2] for part in schema.split(";\n") if "CREATE" in part)


STATEMENTS = _statements(SCHEMA)

_EXPECTED = {*STATEMENTS, *_SHADOWS}


def difference(connection: sqlite3.Connection) -> str | None:
    """Return the name of something in the file that doesn't belong there or is missing, or None.

    A trigger or a view in a file that came from a stranger could do what we never asked for.
    """
    found = set()
    for name, sql in connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"):
        if sql not in _EXPECTED:
            return str(name)
        found.add(sql)
    missing = _EXPECTED - found
    return min(missing).partition("(")[0] if missing else None
