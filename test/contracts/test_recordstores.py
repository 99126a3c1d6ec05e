"""The record stores keep their promises, and SQLite answers as Python would."""

import itertools
import math
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sumatra.errors import NewerFormat, RecordStoreError
from sumatra.records import STATUSES, Change, DataKey, Executable, Parameters, Record, Repository, new_id
from sumatra.recordstore import RecordStore, _sqlite_schema, open_store
from sumatra.recordstore.sqlite import SQLiteRecordStore
from sumatra.selection import EVERYTHING, Expression, Name, Selection, apply, parse_query
from sumatra.testing.recordstores import RecordStoreContract, a_record

BEGAN = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
FORMAT = Path(__file__).resolve().parents[2] / "doc" / "reference" / "format.rst"


class TestSQLite(RecordStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[RecordStore]:
        with SQLiteRecordStore(tmp_path / "records.sqlite") as store:
            yield store

    def another(self, store: RecordStore) -> RecordStore:
        return open_store(store.location)


# What SQL finds is what Python finds.

texts = st.text(st.sampled_from("aAbé_%'\"\\ \n\0\udcff𝄞ß*7"), max_size=4)
names = st.sampled_from(["a", "b", "n.tau", "label", "µ"])
numbers = st.one_of(
    st.integers(-3, 3), st.floats(width=16), st.booleans(), st.sampled_from([2**53, 2.0**53, 2**53 + 1, 2**80, -(10**400)])
)
values = st.one_of(numbers, texts, st.none(), st.lists(st.one_of(numbers, texts, st.none()), max_size=3))
paths = st.sampled_from(["x.dat", "Data/x.dat", "Data/sub/x.dat", "y.dat", "/abs/x.dat", "odd\udcff"])
digests = st.sampled_from([None, "sha256:ab", "sha1:cd"])
keys = st.builds(DataKey, paths, digests)


@st.composite
def records(draw: st.DrawFn) -> Record:
    given_parameters = draw(st.dictionaries(names | texts, values, max_size=4))
    if draw(st.booleans()):
        given_parameters["n"] = {"tau": draw(values)}
    return Record(
        label=new_id(),
        id=new_id(),
        timestamp=BEGAN + timedelta(hours=draw(st.integers(-2, 2))),
        status=draw(st.sampled_from(STATUSES)),
        exit_status=draw(st.none() | st.integers(0, 2)),
        duration=draw(st.none() | st.floats(width=16)),
        reason=draw(texts),
        outcome=draw(texts),
        version=draw(st.none() | texts),
        repository=draw(st.none() | st.builds(Repository, st.just("git"), st.just("/r"), branch=st.none() | texts)),
        main_file=draw(st.none() | texts),
        stdout_stderr=draw(texts),
        executable=draw(st.none() | st.builds(Executable, texts, texts)),
        command=tuple(draw(st.lists(texts, max_size=2))),
        tags=frozenset(draw(st.lists(texts.filter(bool), max_size=2))),
        changes=tuple(draw(st.lists(st.builds(Change, st.just("f"), st.sampled_from(["modified", "code"])), max_size=1))),
        parameters=Parameters("", "simple", given_parameters),
        input_data=tuple(draw(st.lists(keys, max_size=2))),
        output_data=tuple(draw(st.lists(keys, max_size=2))),
        repeats=draw(st.none() | texts),
    )


def searchable(text: str) -> str:
    return text.replace("\0", "\\x00").replace("\udcff", "\\udcff")


parameters = st.builds(Name, st.just("parameter"), names)
text_fields = st.sampled_from(["reason", "outcome", "version", "branch", "main_file", "command", "executable", "program",
                               "repeats", "stdout_stderr", "status"]).map(lambda name: Name("field", name))
number_fields = st.sampled_from(["exit_status", "duration", "changed"]).map(lambda name: Name("field", name))
many_fields = st.sampled_from(["tags", "input", "output"]).map(lambda name: Name("field", name))
scalars = st.one_of(parameters, text_fields, number_fields)
constants = st.one_of(
    st.integers(-3, 3), st.floats(allow_nan=False, width=16), st.just(2.0**53), st.just(2**53 + 1),
    texts.map(searchable),
)
pieces = texts.map(searchable)
moments = st.none() | st.integers(-2, 3).map(lambda hours: int((BEGAN + timedelta(hours=hours)).timestamp()) * 1_000_000)


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
    expression("has", st.just(Name("field", "tags")), pieces),
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
        st.sampled_from(["a", "n.tau", "duration", "reason", "version", "tags", "timestamp", "stdout_stderr", "output"]),
    ),
    max_size=2,
).map(tuple)
selections = st.builds(Selection, st.none() | expressions, sorts, st.none() | st.integers(0, 3))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SQLiteRecordStore, Iterator[int]]]:
    with SQLiteRecordStore(tmp_path_factory.mktemp("store") / "records.sqlite") as store:
        yield store, itertools.count()


@given(st.lists(records(), min_size=1, max_size=5), st.lists(selections, min_size=3, max_size=6))
@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
def test_sqlite_finds_what_python_finds(
    shared: tuple[SQLiteRecordStore, Iterator[int]], some: list[Record], asked: list[Selection]
) -> None:
    store, count = shared
    project = f"project {next(count)}"
    store.save_many(project, some)
    for selection in asked:
        expected = [record.label for record in apply(selection, some)]
        assert store.labels(project, selection) == expected
        assert [record.label for record in store.select(project, selection)] == expected
