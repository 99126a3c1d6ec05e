"""What every record store promises, as tests: inherit, give a ``store`` fixture, and say how to open `another`."""

import math
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from sumatra.errors import LabelTaken, NoSuchRecord
from sumatra.facts import replace
from sumatra.records import (
    Change,
    Checkout,
    Choice,
    DataKey,
    Dependency,
    Executable,
    Finding,
    Observation,
    Parameters,
    Platform,
    Process,
    Program,
    Record,
    Repository,
    Resources,
    Sample,
    Stream,
    new_id,
)
from sumatra.recordstore.base import RecordStore
from sumatra.selection import (
    EVERYTHING,
    Expression,
    Name,
    Selection,
    apply,
    has_status,
    has_tag,
    main_file_starts,
    parameter_equals,
    parse_query,
    started_between,
)

__all__ = ["QUERIES", "RecordStoreContract", "a_full_record", "a_record"]

_NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)

#: Labels that a user could give, and that a careless store would stumble over.
LABELS = (
    "20261122-120000", "with spaces in it", "it's \"quoted\"", "per%cent_under", "Größe µ 𝄞", "group/run 1", "a;--",
    "..",
    "x" * 200, "last", "*", "0", "0007", "A",
)

#: Queries that a store has to answer as `sumatra.selection.apply` does.
QUERIES = (
    "tau_m > 10", "tau_m >= 10 and tau_m < 30", "10 < tau_m <= 30", "tau_m == 20", "tau_m != 20", "not tau_m == 20",
    "tau_m is None", "tau_m != None", "tau_m", "neuron.v_init == -52.5", "parameters.label == 'mine'", "label == '3'",
    "distr == 'uniform'", "distr == 3", "distr != 3", "distr > 'gauss'", "'form' in distr", "20 in taus", "'a' in taus",
    "30 not in taus", "tau_m in (10, 20)", "tau_m not in (10, 20)", "tau_m == neuron.v_init", "tau_m > seed",
    "status == 'finished'", "status in ('failed', 'killed')", "exit_status == 1", "exit_status != 0", "duration < 2",
    "duration is None", "'Figure 6' in tags", "'Figure' in tags", "'Figure 6' not in tags", "contains(tags, 'gure')",
    "tags", "not tags", "'effect' in reason", "'EFFECT' in reason", "'%' in reason", "reason == ''", "outcome",
    r"matches(reason, 'effect of \w+')", r"reason.matches('^(a|the) ')", r"not matches(reason, 'effect')",
    "text('smaller TIME')", "text('const*')", "text('uniform') or text('larger')", "startswith(main_file, 'src/')",
    "main_file is None", "endswith(main_file, '.py')", "version == 'abc'", "code != 'abc'", "branch == 'main'",
    "changed", "receipt", "'unpushed' in receipt", "'unpushed' not in receipt", "'main' in receipt",
    "receipt is None", "contains(receipt, 'push')", "'unpushed' in receipt or tau_m > 10", "'x y' not in receipt",
    "'spikes.dat' in output", "'Data/spikes.dat' in output", "'ikes.dat' in output", "'sha256:00' in output",
    "'input.csv' in input", "timestamp >= '2026-11-22'", "timestamp == '2026-11-22'", "timestamp < '2026-11-22T14:00Z'",
    "timestamp != '2026-11'", "host == 'tycho'", "'3.11' in program", "user == 'Ada'", "repeats == '1'",
    "'warning' in stdout_stderr", "'warning' in stdout_stderr and tau_m > 10", "True", "False",
    "(tau_m > 10 or 'Figure 6' in tags) and not status == 'failed'", "input and output", "command == 'python3 main.py'",
)

SORTS = (
    ("-timestamp", "-id"), ("timestamp", "id"), ("duration",), ("-duration",), ("tau_m",), ("-tau_m", "label"),
    ("distr",),
    ("-status", "label"), ("main_file",), ("tags",), ("-output", "label"), ("nothing",), ("parameters.label",),
    ("stdout_stderr",), ("receipt", "label"),
)


def a_record(label: str = "20261122-120000", **facts: Any) -> Record:
    """Return a record with an id of its own."""
    return Record(**{"label": label, "id": new_id(), "timestamp": _NOON, "status": "finished", **facts})


def a_full_record(label: str = "full") -> Record:
    """Return a record that has everything that a record can have, and odd values of it."""
    odd = "sp\u00e4t \udcff \x1b[31m\0 \U0001d11e\r\n\"'\\"
    choice = Choice("filesystem", {"root": "Data", "depth": 2, "deep": {"a": [1, {"b": None}]}})
    keys = (
        DataKey(odd, "sha256:" + "0" * 64, _NOON, 2**40, "text/plain", "gzip", "scan", ("missing", "shared"), (0, 1),
                odd),
        DataKey("x"),
    )
    values = {
        "nan": math.nan, "inf": math.inf, "-inf": -math.inf, "large": 10**30, "huge": 7**6000, "small": 5e-324,
        "zero": -0.0,
        "truth": True, "nothing": None, "pair": (1, (2.0, "x")), "list": [1, [2, {"three": 3}]], "text": odd,
        "when": _NOON, "day": _NOON.date(), "complex": 1 + 2j, "bytes": b"\xff\0", "set": frozenset({1, 2}),
        "deep": {"er": {"v": -65.0}}, "": 0, "a.b": 1, "$float": "nan", "dollars": {"$": 1},
        "whole": {1: "a", None: "b"},
    }
    return Record(
        label=label, id=new_id(), timestamp=datetime(2026, 11, 22, 1, 2, 3, 4,
        timezone(timedelta(hours=-3, minutes=-30))),
        project="haggling", status="killed", exit_status=None, signal="SIGINT", duration=0.1 + 0.2, reason=odd,
        outcome="a\n" * 3,
        tags=frozenset({"Figure 6", "ä", odd}), command=("python3", "", "a b", odd),
        executable=Executable("/bin/python3", "Python", "3.11.7", "-u"),
        main_file="src/main.py", script_arguments="<parameters>", working_directory="/home/ada/" + odd,
        repository=Repository("git", "/home/ada/project", "https://example.org/p.git", "/home/ada/project", "main"),
        version="4e814c2f", diff="--- a\n+++ b\n",
        changes=(Change(odd, "modified", "100644", "sha256:11", 5), Change("gone", "deleted")),
        code_files=("main.py", odd), code_folder="/home/ada/project", on_changed="store-diff",
        parameters=Parameters("a = 1", "simple", values, "default.param", "sha256:22",
        ("tau_m",)),
        launch_mode=Choice("distributed", {"n": 4, "mpirun": "mpiexec", "hosts": []}), datastore=choice,
        input_datastore=choice,
        input_data=keys, output_data=keys, deleted_data=keys,
        stdout=Stream(10**11, "sha256:33"), stderr=Stream(0), stdout_stderr=odd,
        dependencies=(
            Dependency("numpy", "/usr/lib/numpy", "2.0", "python", "", "pip", "/home/ada/numpy", ("changed",)),
            Dependency("x"),
        ),
        checkouts=(
            Checkout("/home/ada/numpy", "git", "https://example.org/n.git", None, "main", "77aa", "+ x",
                     (Change(odd, "untracked", "100755", "sha256:44", 1),)),
            Checkout("/home/ada/other"),
        ),
        locks={"python": "sha256:55"},
        programs=(
            Program("/bin/sh", ("sh", "-c", odd), 10, None, 0.0, 1.5, -2), Program("/bin/" + odd, parent=0),
        ),
        observation=Observation("notify", 0.05, math.nan),
        platforms=(Platform("Linux", "tycho", "6.1", "#1", "x86_64", "", "64bit", "ELF", "", "Debian", 8, 2**34,
        "avx2 fma", ("Some GPU, driver 1.2",)),
        Platform()),
        environment={"PATH": "/bin", odd: odd}, resources=Resources(1.5, 0.25, 2**30, 0, None, 2**31, 10, 11, 12, 13),
        surroundings={"container": odd}, seeds={"numpy.seed": "17"},
        usage=(Sample(0.1, 2**30, 1.9, 3, 0.5, 2**20), Sample(1.0)),
        user="Ada <ada@example.org>",
        repeats="earlier", parent="outer", process=Process(123, 456, "boot", "tycho"),
        receipt=(Finding("unpushed", "the commit isn't pushed", "git push"), Finding("x", odd)),
        tools={"sumatra": "1.0", "python": "3.11"},
        extra={"new in 2": {"a": [1, math.inf]}},
    )


def varied_records() -> list[Record]:
    """Return records that differ in what `QUERIES` ask for."""
    some = []
    for number in range(12):
        parameters: dict[str, Any] = {"seed": number, "distr": ("uniform", "gauss", 3)[number % 3]}
        if number % 4:
            parameters |= {"tau_m": (10, 20.0, 30.5, "20", None, 20)[number % 6],
            "neuron": {"v_init": -65.0 + 12.5 * number}}
        if number % 5 == 0:
            parameters |= {"taus": [10, 20, "a"], "label": "mine"}
        some.append(a_record(
            str(number), timestamp=_NOON + timedelta(hours=5 * (number - 6)),
            status=("finished", "failed", "killed")[number % 3],
            exit_status=(0, 1, None)[number % 3], duration=None if number == 7 else number / 3,
            reason=("", "effect of a smaller time constant", "the 100% effect", "a larger one")[number % 4],
            outcome="good" if number % 2 else "",
            tags=frozenset({"Figure 6"} if number % 4 == 0 else {"Figure 60"} if number == 5 else ()),
            parameters=Parameters("\n".join(f"{name} = {value}" for name, value in parameters.items()), "simple",
            parameters),
            main_file=(None, "main.py", "src/main.py")[number % 3],
            working_directory=("/home/ada", "/home/ada/src")[number % 2], version=(None, "abc", "def")[number % 3],
            repository=Repository("git", "/r", branch="main") if number % 2 else None, command=("python3", "main.py"),
            changes=(Change("main.py", "modified"),) if number % 5 == 0 else (),
            executable=Executable("/bin/python3", "Python", "3.11.7"),
            input_data=(DataKey("/home/ada/input.csv"),) if number % 2 else (), user="Ada" if number % 2 else "",
            output_data=(DataKey("Data/spikes.dat", "sha256:00"), DataKey(f"Data/{number}.dat")) if number % 3 else (),
            platforms=(Platform(network_name="tycho"),) if number % 2 else (), repeats="1" if number == 2 else None,
            stdout_stderr="a warning" if number % 2 else "",
            receipt=(Finding("unpushed", "x y"), Finding("main", ""), Finding("x y", ""))[:number % 4],
        ))
    return some


class RecordStoreContract:
    """Inherit, give a fixture ``store`` (empty, ready), and every promise is tested."""

    def another(self, store: RecordStore) -> RecordStore:
        """Return the same store opened once more; by default skips the tests that want this."""
        pytest.skip("this store can't be opened twice")

    def test_an_empty_store_has_nothing(self, store: RecordStore) -> None:
        assert store.labels("demo") == []
        assert list(store.select("demo")) == []
        assert (store.projects(), store.tags("demo"), store.trash("demo")) == ([], {}, [])

    def test_a_record_comes_back_equal(self, store: RecordStore) -> None:
        record = a_full_record()
        store.save("demo", record)
        assert store.get("demo", "full") == record
        assert list(store.select("demo")) == [record]
        assert math.copysign(1, store.get("demo", "full").parameters["zero"]) == -1

    def test_a_record_with_hardly_anything_comes_back_equal(self, store: RecordStore) -> None:
        record = Record(label="bare", timestamp=_NOON)
        store.save("demo", record)
        assert store.get("demo", "bare") == record

    @pytest.mark.parametrize("label", LABELS)
    def test_a_label_is_just_a_text(self, store: RecordStore, label: str) -> None:
        record, other = a_record(label), a_record(f"{label} not")
        store.save("demo", other)
        store.save("demo", record)
        assert store.get("demo", label) == record
        assert store.labels_starting("demo", label) == store.labels("demo", labelled(label))
        store.delete("demo", label)
        assert store.labels("demo") == [other.label]
        assert store.undelete("demo", label) == label

    def test_what_is_not_there_is_an_error(self, store: RecordStore) -> None:
        store.save("demo", a_record("here"))
        for attempt in (store.get, store.delete, store.undelete):
            for label in ("nosuch", "her", "HERE", "here ", ""):
                with pytest.raises(NoSuchRecord):
                    attempt("demo", label)
        with pytest.raises(NoSuchRecord):
            store.get("other", "here")
        with pytest.raises(NoSuchRecord):
            store.amend("demo", "nosuch", lambda record: record)
        with pytest.raises(NoSuchRecord):
            store.undelete("demo")
        with pytest.raises(NoSuchRecord):
            store.last("other")

    def test_a_later_state_takes_the_place_of_an_earlier_one(self, store: RecordStore) -> None:
        record = a_record("run", status="running", tags=frozenset({"old"}), parameters=Parameters("", "", {"x": 1}))
        store.save("demo", record)
        ended = replace(record, status="finished", tags=frozenset({"new"}), parameters=Parameters("", "", {"x": 2}),
                        output_data=(DataKey("new.dat"),), reason="because")
        store.save("demo", ended)
        assert list(store.select("demo")) == [ended]
        assert store.tags("demo") == {"new": 1}
        for query in ("status == 'running'", "x == 1", "'old' in tags", "text('running')"):
            assert store.labels("demo", where(query)) == []
        for query in ("status == 'finished'", "x == 2", "'new' in tags", "'new.dat' in output", "text('because')"):
            assert store.labels("demo", where(query)) == ["run"]

    def test_a_state_with_another_label_renames(self, store: RecordStore) -> None:
        record = a_record("old")
        store.save("demo", record)
        store.save("demo", replace(record, label="new"))
        assert store.labels("demo") == ["new"]

    def test_a_label_belongs_to_one_record(self, store: RecordStore) -> None:
        first, second = a_record("same"), a_record("same")
        store.save("demo", first)
        with pytest.raises(LabelTaken):
            store.save("demo", second)
        assert list(store.select("demo")) == [first]
        store.save("demo", a_record("other"))
        with pytest.raises(LabelTaken):
            store.amend("demo", "other", lambda record: replace(record, label="same"))
        assert sorted(store.labels("demo")) == ["other", "same"]

    def test_projects_are_apart(self, store: RecordStore) -> None:
        one, two = a_record("same", reason="one"), a_record("same", reason="two")
        store.save("it's %", one)
        store.save("demo", two)
        assert store.projects() == ["demo", "it's %"]
        assert (store.get("it's %", "same"), store.get("demo", "same")) == (one, two)
        store.delete("demo", "same")
        assert store.labels("it's %") == ["same"]
        assert store.projects() == ["it's %"]

    def test_amending_gives_the_new_state(self, store: RecordStore) -> None:
        record = a_record("run")
        store.save("demo", record)
        new = store.amend("demo", "run", lambda old: replace(old, outcome="Eureka"))
        assert new == replace(record, outcome="Eureka") == store.get("demo", "run")

    def test_a_change_that_fails_changes_nothing(self, store: RecordStore) -> None:
        record = a_record("run")
        store.save("demo", record)

        def fail(old: Record) -> Record:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            store.amend("demo", "run", fail)
        assert store.get("demo", "run") == record
        store.save("demo", replace(record, outcome="still works"))

    def test_changes_at_once_lose_nothing(self, store: RecordStore) -> None:
        store.save("demo", a_record("run"))

        def note(writer: int) -> None:
            with self.another(store) as mine:
                for number in range(5):
                    mine.amend("demo", "run",
                    lambda old: replace(old, tags=old.tags | {f"{writer}.{number}"}))  # noqa: B023

        self.another(store).close()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(note, range(4)))
        assert len(store.get("demo", "run").tags) == 20

    def test_another_look_sees_what_was_saved(self, store: RecordStore) -> None:
        record = a_record("run")
        with self.another(store) as other:
            assert other.labels("demo") == []
            store.save("demo", record)
            assert list(other.select("demo")) == [record]

    def test_a_slow_reader_does_not_keep_writers_waiting(self, store: RecordStore) -> None:
        some = varied_records()
        for record in some:
            store.save("demo", record)
        reading = store.select("demo")
        next(reading)
        with self.another(store) as other:
            other.save("demo", replace(some[0], outcome="written meanwhile"))
        assert len(list(reading)) == len(some) - 1

    def test_tags_are_whole_words(self, store: RecordStore) -> None:
        store.save("demo", a_record("1", tags=frozenset({"foobar"})))
        store.save("demo", a_record("2", tags=frozenset({"foo", "foobar"})))
        store.save("demo", a_record("3", tags=frozenset({"FOO", "a foo", "foo,bar"})))
        assert store.labels("demo", EVERYTHING.and_where(has_tag("foo"))) == ["2"]
        assert store.tags("demo") == {"foobar": 2, "foo": 1, "FOO": 1, "a foo": 1, "foo,bar": 1}

    def test_the_newest_comes_first(self, store: RecordStore) -> None:
        moments = {"b": 0, "d": -1, "a": 2, "c": 1}
        for label, hours in moments.items():
            store.save("demo", a_record(label, timestamp=_NOON + timedelta(hours=hours)))
        assert store.labels("demo") == ["a", "c", "b", "d"]
        assert store.labels("demo", EVERYTHING.first(2)) == ["a", "c"]
        assert store.labels("demo", EVERYTHING.reversed().first(1)) == ["d"]
        assert store.labels("demo", EVERYTHING.first(0)) == []
        assert store.last("demo").label == "a"

    def test_zones_do_not_mislead_the_order(self, store: RecordStore) -> None:
        east, west = timezone(timedelta(hours=9)), timezone(timedelta(hours=-9))
        store.save("demo", a_record("later", timestamp=datetime(2026, 11, 22, 4, tzinfo=west)))
        store.save("demo", a_record("sooner", timestamp=datetime(2026, 11, 22, 20, tzinfo=east)))
        assert store.labels("demo") == ["later", "sooner"]
        store.save("demo", a_record("long ago", timestamp=datetime(1969, 1, 1, tzinfo=UTC)))
        assert store.labels("demo")[-1] == "long ago"

    def test_what_was_deleted_can_be_brought_back(self, store: RecordStore) -> None:
        records = [a_record(label, tags=frozenset({label})) for label in ("1", "2", "3")]
        for record in records:
            store.save("demo", record)
        for label in ("2", "3", "1"):
            store.delete("demo", label)
        assert [trashed.label for trashed in store.trash("demo")] == ["1", "3", "2"]
        assert all(trashed.deleted.tzinfo for trashed in store.trash("demo"))
        assert (store.labels("demo"), store.tags("demo"), store.trash("other")) == ([], {}, [])
        assert store.labels("demo", where("'1' in tags")) == []
        with pytest.raises(NoSuchRecord):
            store.get("demo", "1")
        assert store.undelete("demo") == "1"
        assert store.undelete("demo", "2") == "2"
        assert store.get("demo", "2") == records[1]
        assert [trashed.label for trashed in store.trash("demo")] == ["3"]
        assert store.tags("demo") == {"1": 1, "2": 1}

    def test_the_label_of_what_was_deleted_is_free(self, store: RecordStore) -> None:
        for reason in ("first", "second"):
            store.save("demo", a_record("run", reason=reason))
            store.delete("demo", "run")
        store.save("demo", a_record("run", reason="third"))
        with pytest.raises(LabelTaken):
            store.undelete("demo", "run")
        store.delete("demo", "run")
        store.undelete("demo", "run")
        assert store.get("demo", "run").reason == "third"
        assert len(store.trash("demo")) == 2

    def test_queries_find_what_they_mean(self, store: RecordStore) -> None:
        records = varied_records()
        for record in records:
            store.save("demo", record)
        for query in QUERIES:
            expected = [record.label for record in apply(where(query), records)]
            assert store.labels("demo", where(query)) == expected, query
            assert [record.label for record in store.select("demo", where(query).first(3))] == expected[:3], query

    def test_other_ways_to_ask_find_what_they_mean(self, store: RecordStore) -> None:
        records = varied_records()
        for record in records:
            store.save("demo", record)
        for expression in (
            has_tag("Figure 6"), has_tag("_failed_"), has_status("killed"), parameter_equals("tau_m", "20"),
            parameter_equals("distr", "'gauss'"), parameter_equals("tau_m", "None"), main_file_starts("src"),
            main_file_starts("no", "/home/ada/src/ma"), main_file_starts("no", "/home/ada/src/src/"),
            Expression("not", (main_file_starts("no", "/home/ada/main.py", "/home/ada/src/main.py"),)),
            started_between(None, _NOON), started_between(_NOON, None),
            started_between(_NOON, _NOON + timedelta(hours=10)),
        ):
            selection = EVERYTHING.and_where(expression)
            expected = [record.label for record in apply(selection, records)]
            assert 0 < len(expected) < len(records)
            assert store.labels("demo", selection) == expected, expression

    def test_records_come_in_the_order_that_is_asked_for(self, store: RecordStore) -> None:
        records = varied_records()
        for record in records:
            store.save("demo", record)
        for sort in SORTS:
            selection = Selection(sort=sort, count=9)
            assert store.labels("demo", selection) == [record.label for record in apply(selection, records)], sort

    def test_labels_are_found_by_their_beginning(self, store: RecordStore) -> None:
        for number, label in enumerate(("run 1", "run 2", "run_3", "Run 4", "a run", "run")):
            store.save("demo", a_record(label, timestamp=_NOON + timedelta(hours=number)))
        assert store.labels_starting("demo", "run") == ["run", "run_3", "run 2", "run 1"]
        assert store.labels_starting("demo", "run ", most=1) == ["run 2"]
        assert store.labels_starting("demo", "run_") == ["run_3"]
        assert store.labels_starting("demo", "%") == []


def where(query: str) -> Selection:
    """Return the selection of the records that *query* asks for."""
    return EVERYTHING.and_where(parse_query(query))


def labelled(prefix: str) -> Selection:
    """Return the selection of the records whose labels begin with *prefix*."""
    return EVERYTHING.and_where(Expression("startswith", (Name("field", "label"), prefix)))
