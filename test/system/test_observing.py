"""``smt run`` tells what the processes of a run really read, wrote and ran, and nothing of anybody else's."""

import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMT = [sys.executable, str(ROOT / "bin" / "smt")]


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@pytest.fixture
def last(smt):
    """Return the newest record, or the one called *label*, as JSON has it."""

    def found(label="last"):
        said = smt("view", "--json", label)
        assert said.status == 0, said.err
        document = json.loads(said.out)
        return document[0] if isinstance(document, list) else document

    return found


def names(project, keys):
    """Return the names that *keys* have in the project's folder."""
    return sorted(os.path.relpath(os.path.join(project / "Data", key["path"]), project) for key in keys)


def codes(record):
    return [finding["code"] for finding in record["receipt"]]


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} didn't appear"
        time.sleep(0.01)


def test_inputs_and_outputs_are_what_was_read_and_written_wherever_it_lies(project, smt, last, tmp_path):
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    (elsewhere / "in 1.csv").write_text("1\n")
    (project / "in2.csv").write_text("2\n")
    (project / "not read.csv").write_text("3\n")
    script = """
        cat "$1/in 1.csv" in2.csv > out.txt
        mkdir -p deep/er; cp in2.csv deep/er/copy.csv
        echo x > temporary; rm temporary
        echo y > part; mv part whole
        cat whole > "$1/result"
    """
    assert smt("run", "--", "sh", "-c", script, "sh", str(elsewhere)).status == 0
    record = last()
    assert sorted(os.path.basename(key["path"]) for key in record["input_data"]) == ["in 1.csv", "in2.csv"]
    assert names(project, record["output_data"]) == sorted([
        os.path.relpath(elsewhere / "result", project), "deep/er/copy.csv", "out.txt", "whole",
    ])
    digests = {os.path.basename(key["path"]): key["digest"] for key in record["output_data"]}
    assert digests["out.txt"] == sha256(b"1\n2\n")
    assert {key["seen"] for key in record["input_data"] + record["output_data"]} == {"notify"}
    assert codes(record) == ["input-outside"]


def test_each_file_says_which_program_touched_it(project, smt, last):
    (project / "in.csv").write_text("1\n")
    smt("run", "--", "sh", "-c", "cat in.csv | tee out.csv > /dev/null; cp in.csv other.csv")
    record = last()
    programs = [os.path.basename(program["path"]) for program in record["programs"]]
    assert sorted(programs[place] for place in record["input_data"][0]["by"]) == ["cat", "cp"]
    writers = {
        os.path.basename(key["path"]): [programs[place] for place in key["by"]] for key in record["output_data"]
    }
    assert writers == {"out.csv": ["tee"], "other.csv": ["cp"]}
    assert {program["parent"] for program in record["programs"][1:]} == {0}
    assert record["programs"][0]["started"] == 0


def test_secrets_in_the_arguments_of_programs_that_the_run_starts_are_masked(project, smt, last):
    smt("run", "--", "sh", "-c", "sh inner.sh; true")
    (project / "inner.sh").write_text("/bin/echo --password hunter2-gingerbread > /dev/null\n")
    smt("run", "--", "sh", "inner.sh")
    text = json.dumps(last())
    assert "echo" in text
    assert "hunter2-gingerbread" not in text


def test_a_renamed_output_tells_its_first_name_and_a_removed_file_is_told(project, smt, last):
    (project / "old.dat").write_text("1\n")
    smt("run", "--", "sh", "-c", "echo 2 > new.tmp; mv new.tmp new.dat; rm old.dat")
    record = last()
    (key,) = record["output_data"]
    assert os.path.basename(key["renamed_from"]) == "new.tmp"
    assert [os.path.basename(key["path"]) for key in record["deleted_data"]] == ["old.dat"]


def test_a_program_of_the_user_s_own_that_is_not_under_version_control_is_an_input(project, smt, last):
    (project / ".gitignore").write_text("simulate\n")
    program = project / "simulate"
    program.write_text("#!/bin/sh\necho 1 > out\n")
    program.chmod(0o755)
    smt("run", "--", "./simulate")
    (key,) = last()["input_data"]
    assert key["path"] == str(program)
    assert key["digest"] == sha256(program.read_bytes())


def test_code_is_told_as_code_and_no_byproduct_is_an_output(project, smt, last):
    (project / "model.py").write_text("tau = 2\n")
    (project / "use.py").write_text("import model\nopen('out', 'w').write(str(model.tau))\n")
    for _ in range(2):
        smt("run", "--", "python", "use.py")
        record = last()
        assert record["input_data"] == []
        assert names(project, record["output_data"]) == ["out"]
        kept = {change["path"] for change in record["changes"]}
        assert kept - {"out"} == {"model.py", "use.py"}
        assert record["code_files"] == ["model.py", "use.py"]


def test_a_file_that_is_read_and_then_overwritten_by_the_run_was_hashed_in_time(project, smt, last):
    """Both when the command names it, and when the program finds it by itself and takes a while."""
    (project / "state").write_text("before\n")
    smt("run", "--", "sh", "-c", "cat $0 > /dev/null; echo after > $0", "state")
    (key,) = last()["input_data"]
    assert (key["digest"], key["flags"]) == (sha256(b"before\n"), ["changed by the run"])
    (project / "state").write_text("before\n")
    smt("run", "--", "sh", "-c", "f=sta; cat ${f}te > /dev/null; sleep 1.5; echo after > ${f}te")
    record = last()
    (key,) = record["input_data"]
    assert (key["digest"], key["flags"]) == (sha256(b"before\n"), ["changed by the run"])
    assert record["output_data"][0]["digest"] == sha256(b"after\n")
    assert record["receipt"] == []


@pytest.mark.needs("strace")
@pytest.mark.provokes("input-overwritten")
@pytest.mark.parametrize("method", ["notify", "strace"])
def test_a_file_that_is_overwritten_at_once_has_no_false_digest(method, project, smt, last):
    smt("configure", f"--trace={method}")
    (project / "Data").mkdir(exist_ok=True)
    (project / "Data/state").write_text("before\n")
    smt("run", "--", "sh", "-c", "f=Data/sta; read x < ${f}te; echo after > ${f}te")
    record = last()
    (key,) = record["input_data"]
    assert (key["digest"], key["flags"]) == (None, ["changed by the run"])
    assert codes(record) == ["input-overwritten"]


def test_the_size_of_an_input_that_changes_is_the_one_that_was_read(project, smt, last):
    (project / "state").write_text("before\n")
    os.utime(project / "state", (1_700_000_000, 1_700_000_000))
    smt("run", "--", "sh", "-c", "f=sta; read x < ${f}te; echo much longer after >> ${f}te")
    (key,) = last()["input_data"]
    assert (key["metadata"]["size"], key["creation"]) == (7, "2023-11-14 22:13:20+0000")


def test_all_processes_together_have_no_less_memory_than_the_largest(project, smt, last):
    """It is sampled, and the moment at which that one was largest may pass in between."""
    # What we have had in memory is counted as that of what we start, which therefore has to have more.
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + 200_000_000
    smt("run", "--", sys.executable, "-c", f"import time; time.sleep(1); b'x' * {size}; time.sleep(0.2)")
    used = last()["resources"]
    assert used["tree_memory"] >= used["peak_memory"] > size


def test_that_nothing_is_known_of_outputs_is_not_called_no_outputs(project, smt):
    smt("configure", "--trace=none")
    said = smt("run", "--", "sh", "-c", "mkdir -p Data; echo 1 > Data/one")
    assert "No data produced" not in said.err
    assert "What was produced is not known" in said.err
    assert re.search(r"^Output_Data +: \[\] \(not all known\)$", smt("view").out, re.MULTILINE)


@pytest.mark.provokes("input-changed")
def test_an_input_that_somebody_else_changes_is_flagged(project, smt, last):
    (project / "shared.csv").write_text("before\n")
    run = subprocess.Popen([*SMT, "run", "-q", "--", "sh", "-c", "cat shared.csv; touch begun; sleep 1.5"])
    wait_for(project / "begun")
    time.sleep(0.8)
    (project / "shared.csv").write_text("after that\n")
    assert run.wait(30) == 0
    record = last()
    (key,) = record["input_data"]
    assert (key["digest"], key["flags"]) == (sha256(b"before\n"), ["changed during the run"])
    assert codes(record) == ["input-changed"]


@pytest.mark.needs("strace")
def test_an_input_that_somebody_else_changes_has_no_false_digest_where_nobody_saw_what_was_read(project, smt, last):
    smt("configure", "--trace=strace")
    (project / "shared.csv").write_text("before\n")
    (project / "left alone.csv").write_text("1\n")
    script = "cat shared.* left*; touch begun; while ! [ -e changed ]; do sleep 0.05; done"
    run = subprocess.Popen([*SMT, "run", "-q", "--", "sh", "-c", script])
    wait_for(project / "begun")
    (project / "shared.csv").write_text("after that\n")
    (project / "changed").touch()
    assert run.wait(30) == 0
    record = last()
    left, shared = record["input_data"]
    assert (left["digest"], left["flags"]) == (sha256(b"1\n"), [])
    assert (shared["digest"], shared["flags"]) == (None, ["changed during the run"])
    assert shared["metadata"]["size"] is None
    assert codes(record) == ["input-changed"]


@pytest.mark.needs("strace")
@pytest.mark.parametrize("method", ["notify", "strace"])
def test_journals_and_links_of_the_run_s_own_make_nothing_an_input_or_a_changed_one(method, project, smt, last):
    smt("configure", f"--trace={method}")
    (project / "in.csv").write_text("1\n")
    script = (
        "import os, sqlite3\n"
        "open('in.csv').read(); os.link('in.csv', 'linked')\n"
        "base = sqlite3.connect('base'); base.execute('create table t(x)'); base.commit(); base.close()\n"
    )
    assert smt("run", "-q", "--", sys.executable, "-c", script).status == 0
    record = last()
    assert [(os.path.basename(key["path"]), key["flags"]) for key in record["input_data"]] == [("in.csv", [])]
    assert record["input_data"][0]["digest"] == sha256(b"1\n")
    assert record["deleted_data"] == []
    assert names(project, record["output_data"]) == ["base", "linked"]


@pytest.mark.slow
def test_twenty_runs_at_once_in_one_folder_each_have_their_own_outputs(project, smt):
    runs = [
        subprocess.Popen(
            [*SMT, "run", "-q", "-l", f"run{number}", "--", "sh", "-c",
             f"echo {number} > out{number}; sleep 0.2; cat out{number} > again{number}"],
            stdin=subprocess.DEVNULL,
        )
        for number in range(20)
    ]
    assert [run.wait(60) for run in runs] == [0] * 20
    records = json.loads(smt("list", "--json").out)
    assert len(records) == 20
    for record in records:
        number = record["label"].removeprefix("run")
        assert names(project, record["output_data"]) == [f"again{number}", f"out{number}"]
        assert [key["flags"] for key in record["output_data"]] == [[], []]


def test_what_a_run_did_is_known_although_smt_was_killed(project, last):
    (project / "in.csv").write_text("1\n")
    run = subprocess.Popen(
        [*SMT, "run", "-l", "orphan", "--", "sh", "-c", "touch begun; sleep 1.2; cat in.csv > late; rm begun"],
        stdin=subprocess.DEVNULL,
    )
    wait_for(project / "begun")
    time.sleep(0.3)
    run.send_signal(signal.SIGKILL)
    run.wait()
    wait_for(project / "late")
    time.sleep(0.5)
    record = last("orphan")
    assert record["status"] == "crashed"
    assert names(project, record["output_data"]) == ["late"]
    assert [os.path.basename(key["path"]) for key in record["input_data"]] == ["in.csv"]
    assert codes(record) == ["crashed", "looked-late"]


@pytest.mark.needs("strace")
@pytest.mark.parametrize("method", ["notify", "strace", "scan", "none"])
def test_the_record_says_how_it_was_observed_and_what_that_took(method, project, smt, last):
    smt("configure", f"--trace={method}")
    (project / "in.csv").write_text("1\n")
    (project / "Data").mkdir(exist_ok=True)
    assert smt("run", "--", "sh", "-c", "cat in.csv > Data/out").status == 0
    record = last()
    assert record["observation"]["method"] == method
    assert 0 < record["observation"]["before"] < 30
    assert 0 < record["observation"]["after"] < 30
    assert names(project, record["output_data"]) == ([] if method == "none" else ["Data/out"])
    read = [os.path.basename(key["path"]) for key in record["input_data"]]
    assert read == (["in.csv"] if method in ("notify", "strace") else [])


def test_names_of_any_bytes_come_through(project, smt, last):
    odd = b"sp\xe4t \n'\"$x"
    (project / os.fsdecode(odd)).write_text("1\n")
    smt("run", "--", "sh", "-c", "for f in sp*; do cat \"$f\" > \"$f.out\"; done")
    record = last()
    assert [os.fsencode(os.path.basename(key["path"])) for key in record["input_data"]] == [odd]
    assert [os.fsencode(os.path.basename(key["path"])) for key in record["output_data"]] == [odd + b".out"]


def test_a_data_folder_that_is_a_link_is_told_by_its_own_name(project, smt, last, tmp_path):
    (tmp_path / "scratch").mkdir()
    (project / "Data").rmdir()
    (project / "Data").symlink_to(tmp_path / "scratch")
    smt("run", "--", "sh", "-c", "echo 1 > Data/out")
    assert [key["path"] for key in last()["output_data"]] == ["out"]


def test_the_parameter_file_is_told_once(project, smt, last):
    smt("run", "--", "python", "main.py", "default.param")
    record = last()
    assert record["parameters"]["path"] == str(project / "default.param")
    assert record["input_data"] == []


@pytest.mark.parametrize("method", ["notify", "scan"])
def test_ignored_files_are_neither_inputs_nor_outputs(method, project, smt, last):
    smt("configure", f"--trace={method}", "--ignore", "*.log")
    (project / ".smtignore").write_text("Data/scratch/\n")
    (project / "in.log").write_text("1\n")
    script = "cat in.log > Data/out; mkdir Data/scratch; cp in.log Data/scratch/x; cp in.log Data/b.log"
    smt("run", "--", "sh", "-c", script)
    record = last()
    assert record["input_data"] == []
    assert names(project, record["output_data"]) == ["Data/out"]


@pytest.mark.provokes("many-files")
def test_beyond_the_number_that_is_set_the_receipt_says_how_many_there_were(project, smt, last):
    smt("configure", "--most-files=3")
    smt("run", "--", "sh", "-c", "for i in 1 2 3 4 5; do echo $i > Data/$i; done")
    record = last()
    assert len(record["output_data"]) == 3
    assert codes(record) == ["many-files"]
    assert "5 files were written" in record["receipt"][0]["message"]


def test_seeds_are_told_where_parameters_or_variables_are_called_so(project, smt, last, monkeypatch):
    (project / "default.param").write_text("tau_m = 20.0\nv_init = -65.0\nrng_seed = 17\n")
    monkeypatch.setenv("PYTHONHASHSEED", "3")
    smt("run", "python", "main.py", "default.param", "rng_seed=18")
    assert last()["seeds"] == {"rng_seed": "18", "PYTHONHASHSEED": "3"}


def test_libraries_are_those_that_were_loaded_with_their_versions(project, smt, last):
    (project / "use.py").write_text("import pytest\n")
    smt("run", "--", "python", "use.py")
    record = last()
    found = {dependency["name"]: dependency for dependency in record["dependencies"]}
    assert found["pytest"]["version"] == pytest.__version__
    assert found["pytest"]["module"] == "python"
    assert "hypothesis" not in found
    assert set(record["locks"]) >= {"python"}


def test_a_module_of_another_working_copy_is_recorded_like_the_main_one(project, smt, last, tmp_path, git, monkeypatch):
    other = tmp_path / "lib"
    other.mkdir()
    (other / "helper.py").write_text("x = 1\n")
    monkeypatch.chdir(other)
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "lib")
    version = git("rev-parse", "HEAD").strip()
    (other / "helper.py").write_text("x = 2\n")
    monkeypatch.chdir(project)
    (project / "use.py").write_text(f"import sys; sys.path.insert(0, {str(other)!r}); import helper\n")
    smt("run", "--", "python", "use.py")
    record = last()
    (checkout,) = record["checkouts"]
    assert (checkout["root"], checkout["version"]) == (str(other), version)
    assert [(change["path"], change["kind"]) for change in checkout["changes"]] == [("helper.py", "modified")]
    assert (project / ".smt" / "objects").exists()
    (dependency,) = [each for each in record["dependencies"] if each["checkout"]]
    assert (dependency["name"], dependency["checkout"]) == ("helper", str(other))
    assert record["input_data"] == []


def test_what_an_earlier_run_wrote_is_known_when_it_is_overwritten_at_once(project, smt, last):
    """As programs do that go on from where they were."""
    step = ("--", "sh", "-c", "f=Data/sta; read x < ${f}te; echo $((x + 1)) > ${f}te")
    (project / "Data").mkdir(exist_ok=True)
    (project / "Data/state").write_text("0\n")
    smt("run", *step)
    assert codes(last()) == ["input-overwritten"]
    for number in (b"1\n", b"2\n"):
        smt("run", *step)
        record = last()
        (key,) = record["input_data"]
        assert (key["digest"], key["flags"]) == (sha256(number), ["changed by the run"])
        assert record["receipt"] == []
    smt("run", "--", "sh", "-c", "f=Data/sta; read x < ${f}te; rm ${f}te")
    (key,) = last()["input_data"]
    assert (key["digest"], key["flags"]) == (sha256(b"3\n"), ["missing", "changed by the run"])


def test_what_was_committed_is_known_when_it_is_overwritten_at_once(project, smt, last, git):
    (project / "state").write_text("committed\n")
    git("add", "state", cwd=project)
    git("commit", "-qm", "state", cwd=project)
    step = ("--", "sh", "-c", "f=sta; read x < ${f}te; echo after > ${f}te")
    smt("run", *step)
    record = last()
    assert (record["input_data"][0]["digest"], codes(record)) == (sha256(b"committed\n"), ["unpushed"])
    (project / "state").write_text("changed\n")
    smt("run", *step)
    record = last()
    assert (record["input_data"][0]["digest"], codes(record)) == (sha256(b"changed\n"), ["unpushed"])


def test_what_was_written_since_by_somebody_else_is_not_taken_for_an_earlier_output(project, smt, last):
    step = ("--", "sh", "-c", "f=Data/sta; read x < ${f}te; echo $((x + 1)) > ${f}te")
    (project / "Data").mkdir(exist_ok=True)
    (project / "Data/state").write_text("0\n")
    smt("run", *step)
    (project / "Data/state").write_text("7\n")
    smt("run", *step)
    record = last()
    assert record["input_data"][0]["digest"] is None
    assert codes(record) == ["input-overwritten"]


def test_what_observes_from_inside_is_no_library_of_the_run(project, smt, last):
    smt("configure", "--trace=audit")
    smt("run", "--", sys.executable, "-c", "open('Data/out', 'w')")
    record = last()
    assert [each["name"] for each in record["dependencies"] if each["module"] == "python"] == ["python"]
    assert record["checkouts"] == []
    assert [os.path.basename(key["path"]) for key in record["output_data"]] == ["out"]


def test_a_module_that_lies_loose_somewhere_is_told(project, smt, last, tmp_path, monkeypatch):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "helper.py").write_text("__version__ = '1.0'\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"))
    said = smt("run", "--", "python", "-c", "import helper")
    assert "isn't under version control: helper" in said.err
    assert codes(last()) == ["editable-install"]
