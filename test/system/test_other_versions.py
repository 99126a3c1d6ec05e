"""``smt run --version REV`` runs that version of the code and leaves the working tree alone."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def two_versions(project, git):
    """A project whose first version prints 1 and whose second prints 2, with a module, data and an edit."""
    (project / "net.py").write_text("n = 1\n")
    (project / "run.py").write_text(
        "import net, sys\nprint(net.n, open('tracked.csv').read().strip())\n"
        "open('result.txt', 'w').write(f'{net.n} {open(\"big.csv\").read()}')\n"
        "open('Data/out.txt', 'w').write(str(net.n))\n"
    )
    (project / "tracked.csv").write_text("old\n")
    git("add", "--all")
    git("commit", "-qm", "one")
    git("tag", "v1")
    (project / "net.py").write_text("n = 2\n")
    (project / "tracked.csv").write_text("new\n")
    (project / "later.py").write_text("not in v1\n")
    git("add", "--all")
    git("commit", "-qm", "two")
    (project / "net.py").write_text("n = 3\n")
    (project / "big.csv").write_text("data\n")
    return project


def last(smt):
    return json.loads(smt("view", "--json").out)


def test_the_other_version_is_run_and_its_outputs_land_where_they_would_have(two_versions, smt, git):
    before = (two_versions / "net.py").read_text(), git("status", "--porcelain"), git("rev-parse", "HEAD")
    said = smt("run", "--version", "v1", "--", "python", "run.py")
    assert (said.status, said.out) == (0, "1 old\n"), said.err
    assert (two_versions / "result.txt").read_text() == "1 data\n"
    assert (two_versions / "Data" / "out.txt").read_text() == "1"
    after = (two_versions / "net.py").read_text(), git("status", "--porcelain"), git("rev-parse", "HEAD")
    assert after[0] == before[0] and after[2] == before[2]
    assert set(after[1].splitlines()) - set(before[1].splitlines()) == {"?? result.txt"}
    record = last(smt)
    assert record["version"] == git("rev-parse", "v1").strip()
    assert (record["changes"], record["diff"]) == ([], "")
    assert record["working_directory"] == str(two_versions)
    assert record["code_files"] == ["net.py", "run.py"]
    outputs = [os.path.relpath(two_versions / "Data" / key["path"], two_versions) for key in record["output_data"]]
    assert sorted(outputs) == ["Data/out.txt", "result.txt"]
    inputs = {os.path.basename(key["path"]): key for key in record["input_data"]}
    assert set(inputs) == {"big.csv", "tracked.csv"}
    assert inputs["tracked.csv"]["path"] == str(two_versions / "tracked.csv")
    assert inputs["tracked.csv"]["digest"] == (
        "sha256:" + hashlib.sha256(b"old\n").hexdigest()
    )
    assert os.listdir(two_versions / ".smt" / "work") == []


def test_what_the_version_doesn_t_have_isn_t_there(two_versions, smt):
    said = smt("run", "--version", "v1", "--", "ls")
    assert "later.py" not in said.out.split()
    assert {"net.py", "big.csv", "Data"} <= set(said.out.split())


@pytest.mark.provokes("written-apart")
def test_a_tracked_file_that_the_version_writes_is_left_alone_and_what_was_written_is_kept(two_versions, smt):
    said = smt("run", "--version", "v1", "--", "sh", "-c", "echo mine > later.py; echo other > tracked.csv")
    assert said.status == 0
    assert (two_versions / "later.py").read_text() == "not in v1\n"
    assert (two_versions / "tracked.csv").read_text() == "new\n"
    assert [finding["code"] for finding in last(smt)["receipt"]] == ["unpushed", "written-apart"]


def test_the_folder_can_be_kept(two_versions, smt):
    smt("run", "-l", "kept", "--keep", "--version", "v1", "--", "true")
    assert (two_versions / ".smt" / "work" / "kept" / "net.py").read_text() == "n = 1\n"


def test_in_a_sub_folder_the_corresponding_folder_is_gone_to(two_versions, smt, git, monkeypatch):
    (two_versions / "sub").mkdir()
    (two_versions / "sub" / "s.py").write_text("import sys; sys.path.insert(0, '..'); import net; print(net.n)\n")
    git("add", "sub")
    git("commit", "-qm", "three")
    monkeypatch.chdir(two_versions / "sub")
    assert smt("run", "--version", "HEAD", "--", "python", "s.py").out == "2\n"
    said = smt("run", "--version", "v1", "--", "python", "s.py")
    assert said.status == 125
    assert "the folder sub isn't in version v1" in said.err


@pytest.mark.parametrize("name", ["nosuch", "--help", "HEAD:net.py", "v1..HEAD"])
def test_a_version_that_isn_t_there_is_said_and_nothing_is_run(name, two_versions, smt, git):
    untouched = sorted(os.listdir(two_versions)), git("status", "--porcelain")
    said = smt("run", f"--version={name}", "--", "touch", "ran")
    assert said.status == 125
    assert "version" in said.err and "Traceback" not in said.err
    assert (sorted(os.listdir(two_versions)), git("status", "--porcelain")) == untouched
    assert smt("list").out == ""


def test_after_a_kill_the_outputs_are_moved_by_the_next_command(two_versions, smt):
    words = [sys.executable, str(ROOT / "bin" / "smt"), "run", "-l", "k", "--version", "v1", "--"]
    run = subprocess.Popen([*words, "sh", "-c", "echo 1 > made; sleep 1"], stdin=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not (two_versions / ".smt" / "work" / "k" / "made").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait()
    time.sleep(1.5)
    record = last(smt)
    assert record["status"] == "crashed"
    assert (two_versions / "made").read_text() == "1\n"
    assert [os.path.basename(key["path"]) for key in record["output_data"]] == ["made"]
    assert os.listdir(two_versions / ".smt" / "work") == []


def test_parameters_are_those_of_the_version(two_versions, smt, git):
    (two_versions / "default.param").write_text("tau_m = 5.0\nv_init = -65.0\n")
    git("commit", "-qam", "other parameters")
    smt("run", "--version", "v1", "--", "python", "main.py", "default.param")
    record = last(smt)
    assert record["parameters"]["values"]["tau_m"] == 20.0
    assert record["parameters"]["path"] == str(two_versions / "default.param")
    smt("run", "--version", "v1", "python", "main.py", "default.param", "tau_m=7")
    assert last(smt)["parameters"]["values"]["tau_m"] == 7


def test_what_could_not_be_built_of_the_version_is_on_its_receipt(two_versions, smt, git, tmp_path):
    """A submodule that isn't here leaves a hole in the version; the run may fail for it, or do otherwise."""
    git("clone", "-q", ".", str(tmp_path / "lib"))
    git("submodule", "--quiet", "add", str(tmp_path / "lib"), "lib")
    git("commit", "-qm", "with a library")
    git("submodule", "--quiet", "deinit", "--force", "lib")
    shutil.rmtree(two_versions / ".git" / "modules")
    said = smt("run", "--version", "HEAD", "--", "python", "run.py")
    assert "Receipt: " in said.err
    notes = [finding["message"] for finding in last(smt)["receipt"] if finding["code"] == "code-note"]
    assert len(notes) == 1 and "lib" in notes[0]
