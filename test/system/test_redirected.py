"""Files that the shell, or smt, makes standard streams of are inputs and outputs of the run, and of its repetition."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

SMT = shlex.quote(str(Path(__file__).resolve().parents[2] / "bin" / "smt"))
PROGRAM = "import sys; print(sum(map(int, sys.stdin.read().split())))\n"


@pytest.fixture
def adding(project):
    (project / "add.py").write_text(PROGRAM)
    (project / "numbers.txt").write_text("1 2 3\n")
    return project


def shell(line, program="/bin/sh"):
    done = subprocess.run([program, "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def keys(smt, label, what):
    """Return names of files, and how they were seen."""
    found = json.loads(smt("view", "--json", label).out)[what]
    return [(os.path.basename(key["path"]), key["seen"]) for key in found]


@pytest.mark.parametrize(
    "words",
    ["run -l one -- python add.py < numbers.txt > Data/sum.txt",
     "run -l one --stdin numbers.txt --stdout Data/sum.txt -- python add.py"],
)
def test_what_standard_streams_come_from_and_go_to_is_recorded_and_repeated(adding, smt, words):
    shell(f"{SMT} {words}")
    result = Path("Data/sum.txt")
    assert result.read_text() == "6\n"
    assert keys(smt, "one", "output_data") == [("sum.txt", "stdout")]
    assert keys(smt, "one", "input_data") == [("numbers.txt", "stdin")]
    result.write_text("mine\n")
    again = smt("repeat", "one")
    assert (again.status, again.out) == (0, "The simulation results match.\n"), again
    assert keys(smt, "last", "output_data") == [("sum.txt", "stdout")]
    assert result.read_text() == "mine\n"
    result.unlink()
    assert smt("repeat", "one").out == "The simulation results match.\n"
    assert not result.exists()


def test_the_cause_is_found_through_both_streams(adding, smt):
    for label, program in (("one", PROGRAM), ("two", PROGRAM.replace("sum(", "max("))):
        Path("add.py").write_text(program)
        shell(f"{SMT} run -l {label} -- python add.py < numbers.txt > Data/sum.txt")
    said = smt("diff", "one", "two")
    assert (said.status, "1 of 1 output" in said.out) == (1, True), said
    said = smt("why", "one", "two")
    assert (said.status, "add.py" in said.out) == (0, True), said
    assert Path("Data/sum.txt").read_text() == "3\n"


def test_the_command_is_told_with_its_redirections(adding, smt):
    shell(f"{SMT} run -l one -- python add.py < numbers.txt > 'Data/the sum'")
    told = smt("list", "--format", "shell")
    assert f"python add.py < {adding}/numbers.txt > '{adding}/Data/the sum')" in told.out, told


@pytest.mark.parametrize(
    "redirection", [">> Data/log", "> Data/log 2>&1", "2> Data/log >&2"], ids=["appended", "with errors", "as errors"]
)
def test_a_file_that_holds_more_than_the_run_prints_is_no_output_of_it(adding, smt, redirection):
    shell(f"{SMT} run -l one -- python add.py < numbers.txt {redirection}")
    assert Path("Data/log").read_text().startswith(("6", "Record label"))
    assert keys(smt, "one", "output_data") == []


def test_what_is_ignored_is_no_output(adding, smt):
    smt("configure", "--ignore=*.log")
    shell(f"{SMT} run -l one -- python add.py < numbers.txt > Data/sum.log")
    assert keys(smt, "one", "output_data") == []


@pytest.mark.parametrize("program", ["/bin/sh", pytest.param("/bin/bash", marks=pytest.mark.needs("bash"))])
def test_what_a_script_prints_in_which_runs_are_started_is_no_output_of_theirs(adding, smt, program):
    """Of batch jobs, that is the usual way."""
    Path("job.sh").write_text(
        f"{SMT} run -l one -- python add.py < numbers.txt\necho the end\n"
        f"{SMT} run -l two -- python add.py < numbers.txt > Data/own\n"
    )
    shell(f"{program} job.sh > Data/log 2> Data/errors", program)
    assert Path("Data/log").read_text() == "6\nthe end\n"
    assert [keys(smt, label, "output_data") for label in ("one", "two")] == [[], [("own", "stdout")]]


def test_what_repeat_says_into_a_file_is_no_result(adding, smt):
    shell(f"{SMT} run -l one -- python add.py < numbers.txt > Data/sum.txt")
    shell(f"{SMT} repeat one > Data/said.txt")
    assert Path("Data/said.txt").read_text() == "The simulation results match.\n"
    assert keys(smt, "last", "output_data") == [("sum.txt", "stdout")]
