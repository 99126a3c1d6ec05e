"""Which variables of a run are put back for its repetition."""

from datetime import UTC, datetime

from sumatra.records import Record
from sumatra.runs.variables import again_as_then


def record(environment, seeds=None):
    return Record(label="a", timestamp=datetime.now(UTC), environment=environment, seeds=seeds or {})


def test_what_a_record_keeps_is_put_back_and_all_else_stays():
    now = {"HOME": "/home/ada", "OMP_NUM_THREADS": "8", "R_LIBS": "/new", "SLURM_JOB_ID": "7"}
    then = record({"OMP_NUM_THREADS": "2", "TZ": "UTC", "SLURM_JOB_ID": "1"})
    found, notes = again_as_then(then, now, b"key", recorded=False)
    assert found == {"HOME": "/home/ada", "OMP_NUM_THREADS": "2", "TZ": "UTC", "SLURM_JOB_ID": "7"}
    assert notes == []


def test_where_programs_are_stays_as_it_is_unless_their_environment_is_built_again():
    then = record({"PATH": "/old", "CONDA_PREFIX": "/conda"})
    for recorded, path, told in ((False, "/new", "CONDA_PREFIX, PATH"), (True, "/old", "CONDA_PREFIX")):
        found, notes = again_as_then(then, {"PATH": "/new"}, b"key", recorded=recorded)
        assert found == {"PATH": path}
        assert notes == [f"not put back, as programs and libraries are those of today: {told}"]


def test_a_temporary_folder_that_is_gone_isn_t_put_back(tmp_path):
    found, notes = again_as_then(record({"TMPDIR": str(tmp_path / "gone")}), {}, b"key", recorded=False)
    assert (found, len(notes)) == ({}, 1)
    there = {"TMPDIR": str(tmp_path)}
    assert again_as_then(record(there), {}, b"key", recorded=False) == (there, [])


def test_a_seed_is_put_back_even_where_no_variables_are_on_record():
    found, notes = again_as_then(record({}, {"PYTHONHASHSEED": "3", "rng_seed": "4"}), {}, b"key", recorded=False)
    assert found == {"PYTHONHASHSEED": "3"}
    assert notes == ["the record doesn't tell its environment variables"]
