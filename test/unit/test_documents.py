"""Documents: what is on disk, and that it comes back."""

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sumatra.documents import SCHEMA, decode, encode, from_document, to_document
from sumatra.documents.values import plain, restored
from sumatra.errors import NewerFormat, RecordStoreError
from sumatra.records import Choice, DataKey, Parameters, Record, new_id
from sumatra.testing.recordstores import a_full_record, a_record

ROOT = Path(__file__).resolve().parents[2]
GOLD = sorted((ROOT / "test" / "gold" / "record-json").glob("*.json"))
FORMAT = ROOT / "doc" / "reference" / "format.rst"

#: All that is on disk.  If this test fails, a field has come, gone or changed its name: that wants a new number of the
#: schema, a step in the chain of upgrades, and a line in ``doc/reference/format.rst``.
ON_DISK = {
    "schema", "id", "label", "project", "timestamp", "started", "status", "exit_status", "signal", "duration", "reason",
    "outcome", "tags", "command", "executable.path", "executable.name", "executable.version", "executable.options",
    "main_file", "script_arguments", "working_directory", "repository.type", "repository.system", "repository.url",
    "repository.upstream", "repository.root", "repository.branch", "version", "diff", "changes.path", "changes.kind",
    "changes.mode", "changes.digest", "changes.size", "code_files", "code_folder", "on_changed",
    "parameters.content", "parameters.type",
    "parameters.format", "parameters.values", "parameters.path", "parameters.digest", "parameters.changed",
    "launch_mode.type", "launch_mode.name", "launch_mode.parameters", "datastore.type", "datastore.name",
    "datastore.parameters", "input_datastore.type", "input_datastore.name", "input_datastore.parameters",
    "input_data.path", "input_data.digest", "input_data.creation", "input_data.created", "input_data.metadata",
    "input_data.seen", "input_data.flags", "input_data.by", "input_data.renamed_from",
    "output_data.path", "output_data.digest",
    "output_data.creation",
    "output_data.created", "output_data.metadata", "output_data.seen", "output_data.flags",
    "output_data.by", "output_data.renamed_from", "stdout.size",
    "stdout.digest", "stderr.size", "stderr.digest", "stdout_stderr", "dependencies.name", "dependencies.path",
    "dependencies.version", "dependencies.module", "dependencies.diff", "dependencies.source", "platforms.system_name",
    "platforms.network_name", "platforms.release", "platforms.version", "platforms.machine", "platforms.processor",
    "platforms.architecture_bits", "platforms.architecture_linkage", "platforms.ip_addr", "platforms.distribution",
    "platforms.cores", "platforms.memory", "environment", "resources.cpu_user", "resources.cpu_system",
    "resources.peak_memory", "resources.read_blocks", "resources.written_blocks", "user", "repeats", "parent",
    "process.pid", "process.started", "process.boot", "process.host", "receipt.code", "receipt.message",
    "receipt.remedy", "tools",
    "deleted_data.path", "deleted_data.digest", "deleted_data.creation", "deleted_data.created",
    "deleted_data.metadata", "deleted_data.seen", "deleted_data.flags", "deleted_data.by", "deleted_data.renamed_from",
    "dependencies.checkout", "dependencies.flags", "checkouts.root", "checkouts.type", "checkouts.url",
    "checkouts.upstream", "checkouts.branch", "checkouts.version", "checkouts.diff", "checkouts.changes", "locks",
    "programs.path", "programs.arguments", "programs.pid", "programs.parent", "programs.started", "programs.ended",
    "programs.exit_status", "observation.method", "observation.before", "observation.after",
    "platforms.processor_flags", "platforms.accelerators", "surroundings", "seeds", "resources.tree_memory",
    "resources.bytes_read", "resources.bytes_written", "resources.waits", "resources.preemptions", "usage.time",
    "usage.memory", "usage.cpu", "usage.processes", "usage.gpu", "usage.gpu_memory",
}

#: These hold what users and programs name.
OPEN = {"values", "environment", "tools", "metadata", "parameters", "locks", "surroundings", "seeds"}


def names_in(document: dict[str, Any]) -> set[str]:
    found = set()
    for name, value in document.items():
        part = value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else value
        if isinstance(part, dict) and (name == "parameters" or name not in OPEN):
            found |= {f"{name}.{inner}" for inner in part}
        else:
            found.add(name)
    return found


def test_the_fields_on_disk_are_these() -> None:
    document = to_document(a_full_record())
    del document["new in 2"]
    assert SCHEMA == 2
    assert names_in(document) == ON_DISK


def test_every_field_is_in_the_reference() -> None:
    page = FORMAT.read_text()
    missing = [name for name in sorted(ON_DISK) if f"``{name}``" not in page]
    assert missing == []


def test_a_record_comes_back_equal() -> None:
    record = a_full_record()
    assert decode(encode(record)) == record
    assert from_document(to_document(record)) == record


def test_documents_are_ascii_and_strict_json() -> None:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} isn't JSON")

    text = encode(a_full_record())
    assert text.isascii()
    json.loads(text, parse_constant=refuse)


def test_the_same_record_gives_the_same_bytes() -> None:
    record = a_full_record()
    assert encode(record) == encode(decode(encode(record)))


def test_times_are_told_as_sumatra_0_8_does_and_exactly() -> None:
    document = to_document(a_full_record())
    assert document["timestamp"] == "2026-11-22 01:02:03-0330"
    assert document["started"] == "2026-11-22T01:02:03.000004-03:30"
    assert document["output_data"][0]["creation"] == "2026-11-22 12:00:00+0000"


def test_older_readers_find_what_they_know() -> None:
    document = to_document(a_full_record())
    assert document["repository"]["type"] == "GitRepository"
    assert document["parameters"]["type"] == "SimpleParameterSet"
    assert document["launch_mode"]["type"] == "DistributedLaunchMode"
    assert document["launch_mode"]["parameters"]["working_directory"].startswith("/home/ada/")
    assert document["datastore"]["type"] == "FileSystemDataStore"
    assert document["output_data"][0]["metadata"] == {"mimetype": "text/plain", "encoding": "gzip", "size": 2**40}
    assert "_killed_" in document["tags"]
    assert to_document(a_record())["parameters"]["content"] == "{}"
    assert "_killed_" not in from_document(document).tags


def test_unknown_fields_are_kept_and_written_back() -> None:
    document = {**to_document(a_record()), "mood": {"today": [1, "good"]}}
    record = from_document(document)
    assert record.extra == {"mood": {"today": [1, "good"]}}
    assert to_document(record) == document


def test_an_unknown_field_never_hides_a_known_one() -> None:
    record = a_record(reason="mine", extra={"reason": "theirs", "schema": 99})
    assert decode(encode(record)).reason == "mine"


def test_a_newer_document_is_refused() -> None:
    with pytest.raises(NewerFormat, match="later Sumatra"):
        from_document({**to_document(a_record()), "schema": SCHEMA + 1})


@pytest.mark.parametrize("path", GOLD, ids=lambda path: path.stem)
def test_documents_of_older_versions_are_read(path: Path) -> None:
    record = decode(path.read_bytes())
    assert (record.label, record.outcome, record.status) == ("haggling", "42", "finished")
    assert record.timestamp == datetime(2012, 9, 28, 11, 40, 20, tzinfo=UTC)
    assert record.tags == {"foo", "bar"}
    assert record.repository is not None and record.repository.type == "mercurial"
    assert record.datastore is not None and record.datastore.name == "archiving"
    assert record.launch_mode == Choice("serial", {})
    (output,) = record.output_data
    assert output.path == "haggling/output.png"
    if path.stem > "example_0.3":
        assert (output.digest, output.size) == ("sha1:a49f2032684d66e9790474d027a3f673a55180f5", 103579)
    if path.stem >= "example_0.5":
        assert record.working_directory == "/current/working/directory"
    if path.stem >= "example_0.7":
        assert output.creation == datetime(2012, 9, 28, 11, 40, 21, tzinfo=UTC)
    assert [dependency.name for dependency in record.dependencies] == ["matplotlib", "numpy"]
    assert record.extra == {}
    assert decode(encode(record)) == record


def test_an_older_record_that_is_read_twice_is_one_record() -> None:
    assert {decode(path.read_bytes()).id for path in GOLD} == {"86529cfd-361b-5347-a1f8-1641c32a8a30"}


def old(**facts: Any) -> dict[str, Any]:
    return {"label": "x", "timestamp": "2012-09-28 11:40:20", **facts}


@pytest.mark.parametrize(("tag", "status"), [
    ("_finished_", "finished"), ("_failed_", "failed"), ("_killed_", "killed"), ("_succeeded_", "finished"),
    ("_running_", "running"), ("_pre_run_", "initialized"), ("_crashed_", "crashed"), ("mine", "finished"),
])
def test_older_tags_tell_the_status(tag: str, status: str) -> None:
    record = from_document(old(tags=["Figure 6", tag]))
    assert record.status == status
    assert record.tags == {"Figure 6"} | ({tag} if tag == "mine" else set())


def test_older_strings_of_literals_are_read_and_never_run(tmp_path: Path) -> None:
    record = from_document(old(
        launch_mode={"type": "sumatra.launch.DistributedLaunchMode",
        "parameters": "{'n': 2, 'working_directory': '/w'}"},
        datastore={"type": "FileSystemDataStore", "parameters": "{'root': '/data'}"}, input_data="['a', 'b']",
        parameters={"type": "dict", "content": "{'a': 1}"},
    ))
    assert record.launch_mode == Choice("distributed", {"n": 2})
    assert record.working_directory == "/w"
    assert record.input_data == (DataKey("a"), DataKey("b"))
    assert record.parameters["a"] == 1
    trap = tmp_path / "trap"
    for name in ("input_data", "data_key"):
        with pytest.raises(RecordStoreError):
            from_document(old(**{name: f"[open({str(trap)!r}, 'w')]"}))
    harmless = from_document(old(parameters={"type": "dict", "content": f"open({str(trap)!r}, 'w')"}))
    assert harmless.parameters.content and not harmless.parameters.values
    assert not trap.exists()


def test_older_simple_parameters_can_be_asked_for() -> None:
    content = "seed = 65785 # for random numbers\ndistr = \"uniform\"\ntau_m = 20.0\n"
    record = from_document(old(parameters={"type": "SimpleParameterSet", "content": content}))
    assert record.parameters == Parameters(content, "simple", {"seed": 65785, "distr": "uniform", "tau_m": 20.0})


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["['a'", "2012-01-01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["path", "type", "parameters", "content", "metadata", "$float", "$items", "values", "size"]),
        inner,
        max_size=3,
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted({name.partition(".")[0] for name in ON_DISK} | {"data_key"})), junk),
    st.booleans())
@settings(max_examples=300, deadline=None)
def test_a_malformed_document_is_a_sentence(changes: dict[str, Any], is_old: bool) -> None:
    whole = old() if is_old else FULL
    try:
        record = from_document({**whole, **changes})
    except (RecordStoreError, NewerFormat):
        return
    assert decode(encode(record)).label == record.label


FULL = to_document(a_full_record())


@given(st.binary(max_size=30) | st.sampled_from([b"[" * 100_000, b'{"label": 1' + b"0" * 5000 + b"}", b"\xff\xfe",
    b"null", b"[]"]))
@settings(deadline=None)
def test_bytes_that_are_no_document_are_a_sentence(content: bytes) -> None:
    with pytest.raises(RecordStoreError):
        decode(content)


@pytest.mark.parametrize(("name", "value"), [
    ("label", None), ("label", 3), ("reason", []), ("duration", "long"), ("exit_status", 1.5), ("exit_status", True),
    ("tags", "a"), ("tags", [1]), ("command", [None]), ("timestamp", 5), ("started", "yesterday"), ("schema", "1"),
    ("schema", 0), ("executable", "python"), ("output_data", [{}]), ("output_data", ["x"]), ("environment", {"A": 1}),
    ("platforms", [{"cores": "8"}]), ("parameters", {"values": []}), ("stdout", {"size": None}), ("launch_mode", []),
])
def test_a_fact_of_the_wrong_kind_is_said(name: str, value: Any) -> None:
    with pytest.raises(RecordStoreError):
        from_document({**FULL, "started": None, name: value} if name == "timestamp" else {**FULL, name: value})


def test_the_sentence_names_record_and_field() -> None:
    with pytest.raises(RecordStoreError, match="the record 'full' can't be read: reason should be text and is a list"):
        from_document({**FULL, "reason": []})


def test_a_time_without_zone_is_universal() -> None:
    naive = datetime(2026, 1, 2, 3, 4, 5)
    assert decode(encode(a_record(timestamp=naive))).timestamp == naive.replace(tzinfo=UTC)


def without_fold(moment: Any) -> Any:
    return moment.replace(fold=0)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.just(math.nan) | st.text(max_size=5)
    | st.datetimes().map(without_fold) | st.dates() | st.times().map(without_fold) | st.binary(max_size=3)
    | st.complex_numbers(allow_nan=False)
    | st.characters(categories=["Cs"]),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(
        st.text(max_size=3) | st.integers() | st.sampled_from(["$", "$float", "$items"]), inner, max_size=3
    ),
    max_leaves=8,
)


@given(values)
@settings(deadline=None)
def test_values_come_back_as_they_were(value: Any) -> None:
    back = restored(json.loads(json.dumps(plain(value), allow_nan=False)))
    assert [back] == [value]  # in a list, a NaN is equal to itself
    assert repr(back) == repr(value)


def test_values_of_numpy_come_back_as_numbers() -> None:
    numpy = pytest.importorskip("numpy")
    given_values = {"i": numpy.int64(3), "f": numpy.float64(0.5), "f32": numpy.float32(0.5), "b": numpy.bool_(True),
    "a": numpy.arange(3)}
    record = decode(encode(a_record(parameters=Parameters(values=given_values))))
    assert record.parameters.values == {"i": 3, "f": 0.5, "f32": 0.5, "b": True, "a": [0, 1, 2]}


def test_what_cannot_be_said_is_a_sentence() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(RecordStoreError, match="nested"):
        encode(a_record(parameters=Parameters(values={"a": endless})))


@given(st.datetimes(timezones=st.timezones()), st.text(max_size=5), st.none() | st.floats(allow_nan=False))
@settings(deadline=None)
def test_moments_come_back(moment: datetime, reason: str, duration: float | None) -> None:
    record = Record(label="x", id=new_id(), timestamp=moment, reason=reason, duration=duration)
    back = decode(encode(record))
    assert back.timestamp - moment.astimezone(UTC) == timedelta(0)
    assert (back.reason, back.duration) == (reason, duration)
