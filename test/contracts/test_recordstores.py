"""The record stores keep their promises, and SQLite answers as Python would."""

import math
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sumatra.errors import NewerFormat, NoSuchRecord, RecordStoreError
from sumatra.facts import replace
from sumatra.records import STATUSES, Change, DataKey, Executable, Finding, Parameters, Record, Repository, new_id
from sumatra.recordstore import RecordStore, _sqlite_file, _sqlite_schema, open_store
from sumatra.recordstore.sqlite import SQLiteRecordStore
from sumatra.selection import EVERYTHING, Expression, Name, Selection, apply, parse_query
from sumatra.testing.recordstores import RecordStoreContract, a_record

BEGAN = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
FORMAT = ROOT / "doc" / "reference" / "format.rst"


class TestSQLite(RecordStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[RecordStore]:
        with SQLiteRecordStore(tmp_path / "records.sqlite") as store:
            yield store

    def another(self, store: RecordStore) -> RecordStore:
        return open_store(store.location)


# What SQL finds is what Python finds.

LETTERS = ("a", "A", "b", "é", "_", "%", "'", '"', "\\", " ", "\n", "\0", "\udcff", "𝄞", "ß", "*", "7")
NUMBERS = (0, 1, -1, 2, True, False, 0.5, -0.0, math.nan, math.inf, 2**53, 2.0**53, 2**53 + 1, 2**80, -(10**400))
PATHS = ("x.dat", "Data/x.dat", "Data/sub/x.dat", "y.dat", "/abs/x.dat", "odd\udcff")


def random_records(count: int) -> list[Record]:
    """Records with values that are few, odd, and often missing, so that conditions are often just true."""
    chance = random.Random(20261122)

    def text() -> str:
        return "".join(chance.choices(LETTERS, k=chance.choice((0, 1, 1, 2, 4))))

    def maybe(value: Any) -> Any:
        return value if chance.random() < 0.6 else None

    def value() -> Any:
        scalar = lambda: chance.choice((chance.choice(NUMBERS), text(), None))  # noqa: E731
        return [scalar() for _ in range(chance.randrange(4))] if chance.random() < 0.2 else scalar()

    def files() -> tuple[DataKey, ...]:
        return tuple(
            DataKey(chance.choice(PATHS), chance.choice((None, "sha256:ab", "sha1:cd")))
            for _ in range(chance.randrange(3))
        )

    def parameters() -> dict[str, Any]:
        found = {name: value() for name in ("a", "b", "n.tau", "label", "µ", text()) if chance.random() < 0.5}
        return found | ({"n": {"tau": value()}} if chance.random() < 0.5 else {})

    return [
        Record(
            label=f"{number:03}",
            id=new_id(),
            timestamp=BEGAN + timedelta(hours=chance.randint(-2, 2)),
            status=chance.choice(STATUSES),
            exit_status=maybe(chance.randrange(3)),
            duration=maybe(chance.choice((0.0, 0.5, 1.0, math.nan, math.inf))),
            reason=text(),
            outcome=text(),
            version=maybe(text()),
            repository=maybe(Repository("git", "/r", branch=maybe(text()))),
            main_file=maybe(text()),
            stdout_stderr=text(),
            executable=maybe(Executable(text(), text())),
            command=tuple(text() for _ in range(chance.randrange(3))),
            tags=frozenset(text() or "a" for _ in range(chance.randrange(3))),
            changes=chance.choice(((), (Change("f", "modified"),), (Change("f", "code"),))),
            parameters=Parameters("", "simple", parameters()),
            input_data=files(),
            output_data=files(),
            repeats=maybe(text()),
            receipt=tuple(Finding(text(), text()) for _ in range(chance.randrange(3))),
        )
        for number in range(count)
    ]


texts = st.text(st.sampled_from(LETTERS), max_size=3)
names = st.sampled_from(["a", "b", "n.tau", "label", "µ"])


def searchable(text: str) -> str:
    return text.replace("\0", "\\x00").replace("\udcff", "\\udcff")


parameters = st.builds(Name, st.just("parameter"), names)
text_fields = st.sampled_from(["reason", "outcome", "version", "branch", "main_file", "command", "executable",
"program",
                               "repeats", "stdout_stderr", "status"]).map(lambda name: Name("field", name))
number_fields = st.sampled_from(["exit_status", "duration", "changed"]).map(lambda name: Name("field", name))
many_fields = st.sampled_from(["tags", "receipt", "input", "output"]).map(lambda name: Name("field", name))
scalars = st.one_of(parameters, text_fields, number_fields)
constants = st.one_of(
    st.integers(-3, 3), st.floats(allow_nan=False, width=16), st.just(2.0**53), st.just(2**53 + 1),
    texts.map(searchable),
)
pieces = texts.map(searchable)
moments = st.none() | st.integers(-2, 3).map(lambda hours: (int(BEGAN.timestamp()) + 3600 * hours) * 1_000_000)


def expression(operator: Any, *arguments: Any) -> st.SearchStrategy[Expression]:
    operators = operator if isinstance(operator, st.SearchStrategy) else st.just(operator)
    return st.builds(Expression, operators, st.tuples(*arguments))


comparisons = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
leaves = st.one_of(
    expression(comparisons, scalars, st.one_of(constants, scalars)),
    expression("constant", st.booleans()),
    expression(st.sampled_from(["there", "true"]), scalars),
    expression("true", many_fields),
    expression("within", moments, moments),
    expression("has", st.sampled_from([Name("field", "tags"), Name("field", "receipt")]), pieces),
    expression("has", st.sampled_from([Name("field", "input"), Name("field", "output")]),
               st.sampled_from(["x.dat", "sub/x.dat", "Data/x.dat", "odd\\udcff", "sha1:cd", "", "/x.dat"])),
    expression("holds", parameters, constants),
    expression(st.sampled_from(["contains", "startswith", "endswith"]), st.one_of(scalars, many_fields), pieces),
    expression("matches", text_fields, st.sampled_from(["a", "^.b?$", r"\s"])),
    expression("text", st.tuples(st.sampled_from(["a", "b", "7", "ss", "é", "simple"]), st.booleans())),
)
expressions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        expression("not", inner),
        st.builds(Expression, st.sampled_from(["and", "or"]), st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)
sorts = st.lists(
    st.builds(
        "{}{}".format, st.sampled_from(["", "-"]),
        st.sampled_from(["a", "n.tau", "duration", "reason", "version", "tags", "timestamp", "stdout_stderr",
        "output"]),
    ),
    max_size=2,
).map(tuple)
selections = st.builds(Selection, st.none() | expressions, sorts, st.none() | st.integers(0, 3))


class Filled:
    """A store with random records; its name in reports is short."""

    def __init__(self, folder: Path) -> None:
        self.records = random_records(60)
        self.store = SQLiteRecordStore(folder / "records.sqlite")
        self.store.save_many("demo", self.records)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    filled = Filled(tmp_path_factory.mktemp("store"))
    yield filled
    filled.store.close()


@given(selection=selections)
@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
def test_sqlite_finds_what_python_finds(filled: Filled, selection: Selection) -> None:
    expected = [record.label for record in apply(selection, filled.records)]
    assert filled.store.labels("demo", selection) == expected
    assert [record.label for record in filled.store.select("demo", selection)] == expected


# The file.


def saved(path: Path, *records: Record) -> SQLiteRecordStore:
    store = SQLiteRecordStore(path)
    store.save_many("demo", records or (a_record("1"),))
    return store


def test_nothing_is_made_before_something_is_saved(tmp_path: Path) -> None:
    store = SQLiteRecordStore(tmp_path / "records.sqlite")
    store.labels("demo")
    store.projects()
    with pytest.raises(NoSuchRecord):
        store.get("demo", "1")
    assert list(tmp_path.iterdir()) == []


def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        saved(tmp_path / "records.sqlite").close()
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("name", ["with space?mode=ro#x%41&.sqlite", "späť", os.fsdecode(b"odd \xff")])
def test_a_path_is_just_a_path(tmp_path: Path, name: str) -> None:
    saved(tmp_path / name).close()
    assert SQLiteRecordStore(tmp_path / name).labels("demo") == ["1"]
    assert name in os.listdir(tmp_path)


def test_reading_does_not_touch_the_file(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    saved(path, *random_records(10)).close()
    before = {name.name: (name.stat().st_mtime_ns, name.read_bytes()) for name in tmp_path.iterdir()}
    with SQLiteRecordStore(path) as store:
        list(store.select("demo", EVERYTHING.and_where(parse_query("a > 0 or text('a')"))))
        store.tags("demo")
    assert {name.name: (name.stat().st_mtime_ns, name.read_bytes()) for name in tmp_path.iterdir()} == before


def test_the_file_is_set_up_for_safety(tmp_path: Path) -> None:
    store = saved(tmp_path / "records.sqlite")
    connection = store._file.reader()
    assert connection is not None
    found = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "secure_delete", "trusted_schema", "cell_size_check",
            "busy_timeout",
                     "application_id", "user_version")
    }
    assert found == {
        "journal_mode": "truncate", "synchronous": 2, "secure_delete": 1, "trusted_schema": 0, "cell_size_check": 1,
        "busy_timeout": 250, "application_id": 0x536D7472, "user_version": 1,
    }


WRITER = """
import sys
from sumatra.facts import replace
from sumatra.recordstore.sqlite import SQLiteRecordStore
store = SQLiteRecordStore(sys.argv[1])
sys.stdin.readline()
for number in range(15):
    store.amend("demo", "1", lambda old: replace(old, outcome=old.outcome + sys.argv[2]))
"""


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    saved(path).close()
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, path, letter], stdin=subprocess.PIPE,
        cwd=ROOT) for letter in "abc"
    ]
    for writer in writers:
        writer.communicate(b"go\n", timeout=120)
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert sorted(SQLiteRecordStore(path).get("demo", "1").outcome) == sorted("abc" * 15)


def test_a_child_process_opens_the_file_for_itself(tmp_path: Path) -> None:
    store = saved(tmp_path / "records.sqlite")
    child = os.fork()
    if child == 0:
        try:
            store.save("demo", a_record("2"))
            store.close()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    store.save("demo", a_record("3"))
    assert sorted(store.labels("demo")) == ["1", "2", "3"]


# Troubles.


def as_nobody(action: Callable[[], str]) -> str:
    """Return what *action* returns, or its error, in a process that may not do everything."""
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            said = action()
        except BaseException as error:  # noqa: BLE001  it must not come back as another test run
            said = f"{type(error).__name__}: {error}"
        os.write(sender, said.encode())
        os._exit(0)
    os.close(sender)
    with open(receiver) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that others can get into."""
    folder = Path(tempfile.mkdtemp())
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_read_only_store_can_be_read_and_not_written(public_folder: Path) -> None:
    path = public_folder / "records.sqlite"
    saved(path).close()
    SQLiteRecordStore(path).get("demo", "1")
    path.chmod(0o444)
    public_folder.chmod(0o555)
    assert as_nobody(lambda: SQLiteRecordStore(path).get("demo", "1").label) == "1"
    assert as_nobody(lambda: str(SQLiteRecordStore(path).labels("demo"))) == "['1']"
    said = as_nobody(lambda: str(SQLiteRecordStore(path).delete("demo", "1")))
    assert said.startswith("RecordStoreError: ") and "read-only" in said


def test_an_unreadable_store_is_said(public_folder: Path) -> None:
    path = public_folder / "records.sqlite"
    saved(path).close()
    path.chmod(0o000)
    public_folder.chmod(0o755)
    said = as_nobody(lambda: str(SQLiteRecordStore(path).labels("demo")))
    assert said.startswith("RecordStoreError: ") and "permission" in said
    public_folder.chmod(0o555)
    said = as_nobody(lambda: str(SQLiteRecordStore(public_folder / "new.sqlite").save("demo", a_record())))
    assert said.startswith("RecordStoreError: ") and "ermission denied" in said


def test_a_folder_in_the_place_of_the_file_is_said(tmp_path: Path) -> None:
    for attempt in (lambda store: store.labels("demo"), lambda store: store.save("demo", a_record())):
        with pytest.raises(RecordStoreError, match="is a folder"):
            attempt(SQLiteRecordStore(tmp_path))


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    store = SQLiteRecordStore(tmp_path / "nosuch" / "records.sqlite")
    assert store.labels("demo") == []
    with pytest.raises(RecordStoreError, match="its folder isn't there"):
        store.save("demo", a_record())


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    text, foreign = tmp_path / "text", tmp_path / "foreign"
    text.write_text("records = all of them\n" * 100)
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE django_store_record (label)")
    connection.close()
    for path in (text, foreign):
        before = path.read_bytes()
        for attempt in (lambda store: store.labels("demo"), lambda store: store.save("demo", a_record())):
            with pytest.raises(RecordStoreError, match=r"SQLite database|another program"):
                attempt(SQLiteRecordStore(path))
        assert path.read_bytes() == before


def test_a_damaged_file_is_an_error_and_never_a_crash(tmp_path: Path) -> None:
    whole = tmp_path / "records.sqlite"
    saved(whole, *random_records(20)).close()
    content = whole.read_bytes()
    damaged = tmp_path / "damaged.sqlite"
    chance = random.Random(1)
    complaints = set()
    for attempt in range(60):
        bad = bytearray(content)
        for _ in range(40):
            bad[chance.randrange(100, len(bad))] = chance.randrange(256)
        Path(f"{damaged}-journal").unlink(missing_ok=True)
        damaged.write_bytes(bad[:len(bad) // 2] if attempt % 10 == 0 else bad)
        with SQLiteRecordStore(damaged) as store:
            try:
                list(store.select("demo"))
                store.labels("demo", EVERYTHING.and_where(parse_query("text('a') or a > 0")))
                store.save("demo", a_record("new"))
            except (RecordStoreError, NewerFormat) as error:
                complaints.add(str(error))
    assert any("is damaged" in complaint for complaint in complaints)


@pytest.mark.parametrize("statement", [
    "CREATE TRIGGER sneak AFTER INSERT ON tags BEGIN DELETE FROM documents; END",
    "CREATE VIEW sneak AS SELECT 1",
    "CREATE TABLE sneak (x)",
    "DROP INDEX tags_by_tag",
    "DROP TABLE ledger",
])
def test_a_file_that_was_tampered_with_is_refused(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "records.sqlite"
    saved(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()
    for attempt in (lambda store: store.labels("demo"), lambda store: store.save("demo", a_record())):
        with pytest.raises(RecordStoreError, match="tampered"):
            attempt(SQLiteRecordStore(path))


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    store = saved(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(NewerFormat, match="99"):
        SQLiteRecordStore(path).labels("demo")
    with pytest.raises(NewerFormat, match="99"):
        store.save("demo", a_record("2"))  # it was opened before


def test_an_older_file_is_copied_and_upgraded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "records.sqlite"
    saved(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP INDEX tags_by_tag")
        connection.execute("PRAGMA user_version = 0")
    connection.close()

    def make_index(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE INDEX tags_by_tag ON tags (tag)")

    monkeypatch.setattr(_sqlite_schema, "UPGRADES", {0: make_index})
    before = path.read_bytes()
    with SQLiteRecordStore(path) as store:
        assert store.labels("demo") == ["1"]
        store.save("demo", a_record("2"))
    assert set(os.listdir(tmp_path)) - {"records.sqlite-journal"} == {"records.sqlite", "records.sqlite.schema-0"}
    copy = tmp_path / "records.sqlite.schema-0"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with sqlite3.connect(copy) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)
        assert connection.execute("SELECT label FROM records").fetchall() == [("1",)]
    connection.close()
    assert path.read_bytes() != before


def test_an_upgrade_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "records.sqlite"
    saved(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 0")
    connection.close()

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("DROP TABLE tags")
        connection.execute("SELECT nonsense")

    monkeypatch.setattr(_sqlite_schema, "UPGRADES", {0: fail})
    with pytest.raises(RecordStoreError):
        SQLiteRecordStore(path).labels("demo")
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM tags").fetchone() == (0,)
    connection.close()


FULL = """
import resource, signal, sys
from sumatra.testing.recordstores import a_record
from sumatra.recordstore.sqlite import SQLiteRecordStore
from sumatra.errors import RecordStoreError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = SQLiteRecordStore(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
try:
    store.save("demo", a_record("large", stdout_stderr="x" * 1_000_000))
except RecordStoreError as error:
    print(error, "|", error.hint)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.save("demo", a_record("small"))
print(store.labels("demo"))
"""


def test_a_full_disk_loses_only_what_did_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    saved(path).close()
    done = subprocess.run(
        [sys.executable, "-c", FULL, path], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert "full" in done.stdout.splitlines()[0], done.stderr
    assert done.stdout.splitlines()[1] in ("['small', '1']", "['1', 'small']")


def test_a_locked_file_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "records.sqlite"
    saved(path).close()
    monkeypatch.setattr(_sqlite_file, "_BUSY", 0.01)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    for attempt in (lambda store: store.labels("demo"), lambda store: store.save("demo", a_record("2"))):
        with pytest.raises(RecordStoreError, match="in use"):
            attempt(SQLiteRecordStore(path))
    holder.close()


def test_what_is_replaced_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "records.sqlite"
    record = a_record("1", stdout_stderr="CANARY " * 2000, environment={"KEY": "CANARY"})
    with saved(path, record) as store:
        store.save("demo", replace(record, stdout_stderr="", environment={}))
    assert not [name for name in tmp_path.iterdir() if b"CANARY" in name.read_bytes()]


# Speed, by how SQLite goes about it.


@pytest.mark.parametrize(("query", "index"), [
    (None, "records_by_time"),
    ("seed == 5", "parameters_by_value"),
    ("seed > 5 and status == 'failed'", "parameters_by_value"),
    ("distr == 'uniform'", "parameters_by_value"),
    ("'Figure 6' in tags", "tags_by_tag"),
    ("'spikes.dat' in output", "files_by_name"),
    ("'sha256:00' in output", "files_by_digest"),
    ("timestamp > '2026-11-22'", "records_by_time"),
    ("label == '1'", "records_by_label"),
])
def test_an_index_is_used(tmp_path: Path, query: str | None, index: str) -> None:
    store = saved(tmp_path / "records.sqlite")
    connection = store._file.reader()
    assert connection is not None
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    selection = EVERYTHING if query is None else EVERYTHING.and_where(parse_query(query))
    store.labels("demo", selection.first(50))
    connection.set_trace_callback(None)
    plan = " ; ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statements[-1]}"))
    assert index in plan
    assert index.startswith("records_by") or "SEARCH records USING INTEGER PRIMARY KEY" in plan
    assert not [step for step in plan.split(" ; ") if step.startswith("SCAN")]


# Documentation.


def test_the_reference_holds_the_schema() -> None:
    page = FORMAT.read_text()
    for line in _sqlite_schema.SCHEMA.splitlines():
        assert line.strip() in page
