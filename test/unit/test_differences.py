"""In what two runs differ, and whether that could matter."""

import pytest

from sumatra.differences import KINDS, between, varying
from sumatra.facts import replace
from sumatra.records import (
    Change,
    Checkout,
    DataKey,
    Dependency,
    Executable,
    Parameters,
    Platform,
    Repository,
    Resources,
)
from sumatra.testing.recordstores import a_full_record, a_record

A, B = "sha256:aa", "sha256:bb"

ONE = a_record(
    "one", version="v1", repository=Repository("git", "/r", None, "/r"),
    parameters=Parameters("", "simple", {"tau": 1, "n": {"x": 2}}),
    input_data=(DataKey("in.csv", A),), output_data=(DataKey("out.dat", A), DataKey("log", A)),
    code_files=("main.py",), dependencies=(Dependency("numpy", version="2.2", module="python"),),
    environment={"OMP_NUM_THREADS": "8", "PATH": "/bin"}, platforms=(Platform("Linux", "tycho", "6.1", cores=8),),
    executable=Executable("/bin/python", "Python", "3.11"), command=("python", "main.py"), status="finished",
)


def told(other, **more):
    return [(each.kind, each.name, each.one, each.other, each.matters) for each in between(ONE, other, **more).found]


def test_a_record_doesn_t_differ_from_itself_nor_from_a_later_equal_run():
    again = replace(ONE, label="two", duration=3.0, reason="again", tags=frozenset({"x"}), resources=Resources(1.0))
    assert told(again) == []
    assert between(ONE, again).same["parameters"] == 2


def test_a_full_record_can_be_compared_with_itself_and_with_an_empty_one():
    assert between(a_full_record(), a_full_record()).found == ()
    assert between(a_full_record(), a_record("x")).of("parameters")
    assert {each.kind for each in between(a_full_record(), a_record("x")).found} >= {"parameters", "command"}


@pytest.mark.parametrize(("change", "expected"), [
    ({"parameters": Parameters("", "simple", {"tau": 1.0, "n": {"x": 2}})}, ("parameters", "tau", "1", "1.0", True)),
    ({"parameters": Parameters("", "simple", {"tau": 1, "n": {"x": 3}})}, ("parameters", "n.x", "2", "3", True)),
    ({"parameters": Parameters("", "simple", {"tau": 1})}, ("parameters", "n.x", "2", None, True)),
    ({"input_data": (DataKey("in.csv", B),)}, ("inputs", "in.csv", A, B, True)),
    ({"version": "v2"}, ("code", "version", "v1", "v2", None)),
    ({"changes": (Change("main.py", "modified", digest=B),)}, ("code", "main.py", None, f"modified {B}", True)),
    ({"changes": (Change("test.py", "modified", digest=B),)}, ("code", "test.py", None, f"modified {B}", False)),
    ({"checkouts": (Checkout("/lib", version="7"),)}, ("code", "/lib", None, "7", True)),
    (
        {"dependencies": (Dependency("numpy", version="2.3", module="python"),)},
        ("dependencies", "numpy (python)", "2.2", "2.3", True),
    ),
    ({"environment": {"OMP_NUM_THREADS": "4", "PATH": "/bin"}}, ("environment", "OMP_NUM_THREADS", "8", "4", True)),
    (
        {"environment": {"OMP_NUM_THREADS": "8", "PATH": "/bin", "SLURM_JOB_ID": "7"}},
        ("environment", "SLURM_JOB_ID", None, "7", False),
    ),
    ({"seeds": {"seed": "1"}}, ("environment", "seed seed", None, "1", True)),
    ({"command": ("python", "main.py", "-v")}, ("command", "words", "python main.py", "python main.py -v", True)),
    (
        {"executable": Executable("/bin/python", "Python", "3.12")},
        ("command", "program's version", "3.11", "3.12", True),
    ),
    ({"platforms": (Platform("Linux", "tycho", "6.1", cores=4),)}, ("platform", "cores", "8", "4", None)),
    ({"status": "failed", "exit_status": 2}, ("results", "status", "finished", "failed with status 2", True)),
    ({"output_data": (DataKey("out.dat", B), DataKey("log", A))}, ("results", "out.dat", A, B, True)),
    ({"output_data": (DataKey("log", A),)}, ("results", "out.dat", A, None, True)),
])
def test_each_kind_of_difference_is_found_by_itself(change, expected):
    assert told(replace(ONE, label="two", **change)) == [expected]


def test_what_one_record_lacks_is_unknown_and_not_a_difference():
    poor = replace(
        ONE, label="poor", dependencies=(), environment={}, platforms=(),
        output_data=(DataKey("out.dat"), DataKey("log", A)),
    )
    found = between(ONE, poor)
    assert [each.kind for each in found.found] == []
    assert len(found.unknown) == 4
    assert "out.dat" in found.unknown[0]


def test_each_run_may_write_into_a_folder_called_like_itself():
    one = replace(ONE, label="out", output_data=(DataKey("out", A),), command=("prog", "Data/out"))
    assert not between(one, replace(one, label="r2")).found  # a name that is the label by chance
    one = replace(ONE, label="r1", output_data=(DataKey("r1/out", A),), command=("prog", "Data/r1"))
    other = replace(ONE, label="r2", output_data=(DataKey("r2/out", A),), command=("prog", "Data/r2"))
    assert between(one, other).found == ()


def test_causes_come_in_the_order_of_kinds_and_the_serious_before_the_harmless():
    other = replace(
        ONE, label="two", parameters=Parameters("", "simple", {"tau": 2, "n": {"x": 2}}), input_data=(),
        changes=(Change("test.py", "modified"), Change("main.py", "modified")), command=("x",),
        output_data=(DataKey("out.dat", B),),
    )
    found = between(ONE, other)
    kinds = [each.kind for each in found.found]
    assert kinds == sorted(kinds, key=KINDS.index)
    assert [each.name for each in found.of("code")] == ["main.py", "test.py"]
    assert "test.py" not in [each.name for each in found.causes]


def test_a_pattern_leaves_out_names():
    other = replace(ONE, output_data=(DataKey("out.dat", A), DataKey("log", B)))
    assert told(other) == [("results", "log", A, B, True)]
    assert told(other, ignore=["^lo"]) == []


def test_nan_equals_nan_and_types_count():
    one = replace(ONE, parameters=Parameters("", "simple", {"a": float("nan"), "b": True}))
    other = replace(ONE, parameters=Parameters("", "simple", {"a": float("nan"), "b": 1}))
    assert [(each.name, each.one, each.other) for each in between(one, other).found] == [("b", "True", "1")]


def test_among_many_only_what_varies_is_told():
    records = [
        replace(ONE, label=str(tau), parameters=Parameters("", "simple", {"tau": tau, "n": 1})) for tau in (1, 2, 1)
    ]
    assert varying(records) == {("parameters", "tau"): ["1", "2", "1"]}


def test_a_copy_of_the_parameter_file_is_called_by_its_name():
    one = replace(ONE, command=("python", "main.py", "default.param"))
    other = replace(ONE, label="r2", command=("python", "main.py", "/p/.smt/runs/r2/parameters/default.param"))
    assert between(one, other).of("command") == []
