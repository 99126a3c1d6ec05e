"""Whatever kills a run, its record isn't lost."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMT = [sys.executable, str(ROOT / "bin" / "smt")]
sys.path.insert(0, str(ROOT / "bench"))

import crash  # noqa: E402

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(".smt/records.sqlite", isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


def record(smt, label):
    return next(one for one in json.loads(smt("list", "--json").out) if one["label"] == label)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} didn't appear"
        time.sleep(0.01)


@pytest.mark.needs("strace")
@pytest.mark.slow
@pytest.mark.parametrize(
    "call", ["openat", "write", "fsync", "rename", "unlink", "wait4", "flock", "pwrite64", "mkdir"]
)
def test_a_kill_at_a_system_call_loses_no_record(call, tmp_path):
    folder = tmp_path / "crash"
    crash.scene(folder)
    outcomes = list(crash.points(folder, call, 23 if call == "openat" else 5))
    assert outcomes, "the kill was never reached"
    assert [outcome for outcome in outcomes if outcome.lost or outcome.trouble] == []


@pytest.mark.provokes("crashed")
def test_a_program_lives_on_when_smt_is_killed_and_its_record_follows(project, smt):
    watcher = subprocess.Popen(
        [*SMT, "run", "-l", "orphan", "--", "sh", "-c",
         "touch Data/begun; until [ -e go ]; do sleep 0.05; done; echo late; touch Data/done"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )
    wait_for(project / "Data" / "begun")
    time.sleep(0.5)
    watcher.kill()
    watcher.wait()
    assert record(smt, "orphan")["status"] == "running"
    (project / "go").touch()
    wait_for(project / "Data" / "done")
    time.sleep(0.5)
    crashed = record(smt, "orphan")
    assert crashed["status"] == "crashed" and crashed["stdout_stderr"] == "late\n"
    assert sorted(item["path"] for item in crashed["output_data"]) == ["begun", "done"]
    assert "crashed" in [finding["code"] for finding in crashed["receipt"]]
    assert smt("view", "orphan", "--stdout").out == "late\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1])
def test_a_signal_to_smt_reaches_the_program_and_is_recorded(number, project):
    watcher = subprocess.Popen(
        [*SMT, "run", "-l", "signalled", "--", "sh", "-c", "touch Data/begun; exec sleep 30"],
        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    wait_for(project / "Data" / "begun")
    time.sleep(0.05)
    watcher.send_signal(number)
    assert watcher.wait(20) == -number
    shown = json.loads(subprocess.run([*SMT, "view", "--json"], capture_output=True, check=True).stdout)
    assert (shown["status"], shown["signal"]) == ("killed", signal.Signals(number).name)
    assert [item["path"] for item in shown["output_data"]] == ["begun"]


@pytest.mark.provokes("kept-beside")
def test_a_full_disk_at_the_end_loses_nothing(project, smt):
    """The store can't be written any more; the record waits in its folder and is taken in later."""
    store = project / ".smt" / "records.sqlite"
    said = smt("run", "-l", "first", "--", "true")
    assert said.status == 0, said.err
    hidden = store.with_suffix(".away")
    said = smt("run", "-l", "waits", "--", "sh", "-c", f"mv '{store}' '{hidden}' && mkdir '{store}' && echo printed")
    assert said.status == 0 and said.out == "printed\n"
    assert "waits" in said.err and "could not be saved" in said.err
    store.rmdir()
    hidden.rename(store)
    kept = record(smt, "waits")
    assert kept["status"] == "finished" and "kept-beside" in [finding["code"] for finding in kept["receipt"]]
    assert list((project / ".smt" / "runs").iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="mounting needs root")
def test_a_full_disk_is_said_and_the_program_is_not_hurt(tmp_path, smt):
    """On a file system of 1.5 MB, a program fills what is left; it ends as it would, and its record is there."""
    script = f"""
set -e
mount -t tmpfs -o size=1500k none '{tmp_path}'
cd '{tmp_path}'
'{SMT[0]}' '{SMT[1]}' init Small
set +e
'{SMT[0]}' '{SMT[1]}' run -l full -- sh -c 'cat /dev/zero > Data/big 2>/dev/null; exit 5'
echo "status $?"
rm -f Data/big
'{SMT[0]}' '{SMT[1]}' list -T
'{SMT[0]}' '{SMT[1]}' run -l after -- echo works
"""
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True)
    if "unshare" in done.stderr and "status" not in done.stdout:
        pytest.skip("no mount namespaces here")
    assert "status 5" in done.stdout, done.stderr
    assert "full" in done.stdout and "works" in done.stdout
    assert "Traceback" not in done.stderr


def test_two_hundred_runs_at_once_lose_nothing_in_small(project, smt):
    """In small: forty. ``make bench`` does it with two hundred."""
    running = [
        subprocess.Popen([*SMT, "run", "-q", "--", "sh", "-c", f"echo {number}"], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        for number in range(40)
    ]
    said = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * 40, said
    found = json.loads(smt("list", "--json").out)
    assert sorted(int(one["stdout_stderr"]) for one in found) == list(range(40))
    assert len({one["label"] for one in found}) == 40 and {one["status"] for one in found} == {"finished"}


def test_a_store_that_is_in_use_does_not_keep_a_program_from_running(project, smt):
    """Somebody holds the store; Ctrl-C while we wait for it leaves the record for the next command."""
    assert smt("run", "-l", "first", "--", "true").status == 0
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )
    assert holder.stdout.readline() == b"held\n"
    watcher = subprocess.Popen(
        [*SMT, "run", "-l", "waits", "--", "sh", "-c", "echo made > Data/made; exit 3"],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )
    wait_for(project / "Data" / "made")
    time.sleep(0.5)
    watcher.send_signal(signal.SIGINT)
    _, err = watcher.communicate(timeout=30)
    holder.communicate(b"")
    assert watcher.returncode == 3
    assert b"Traceback" not in err
    assert b"waits" in err
    kept = record(smt, "waits")
    assert (kept["status"], kept["exit_status"]) == ("failed", 3)
    assert [item["path"] for item in kept["output_data"]] == ["made"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.provokes("looked-late")
def test_outputs_that_were_not_hashed_yet_are_looked_at_later(number, project, smt):
    watcher = subprocess.Popen(
        [*SMT, "run", "-l", "big", "--", "sh", "-c", "truncate -s 2G Data/big; echo small > Data/small"],
        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    wait_for(project / "Data" / "small")
    time.sleep(0.4)
    if watcher.poll() is not None:
        pytest.skip("this machine hashes 2 GB too quickly")
    watcher.send_signal(number)
    watcher.wait()
    (project / "Data" / "big").write_text("not so big any more")
    kept = record(smt, "big")
    assert kept["status"] == "finished"
    assert sorted(item["path"] for item in kept["output_data"]) == ["big", "small"]
    assert "looked-late" in [finding["code"] for finding in kept["receipt"]]


@pytest.mark.parametrize(
    ("trace", "code", "outputs"), [("scan", "only-compared", ["made"]), ("none", "not-observed", [])]
)
def test_that_a_run_was_not_observed_is_said_of_a_killed_one_too(trace, code, outputs, project, smt):
    smt("configure", f"--trace={trace}")
    watcher = subprocess.Popen(
        [*SMT, "run", "-l", "blind", "--", "sh", "-c", "echo 1 > Data/made; touch begun; sleep 1.5"],
        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    wait_for(project / "begun")
    time.sleep(0.5)  # the list of what was in the folder before is written meanwhile
    watcher.kill()
    watcher.wait()
    time.sleep(1.3)
    kept = record(smt, "blind")
    found = [finding["code"] for finding in kept["receipt"]]
    assert code in found and "outputs-unknown" not in found
    assert [item["path"] for item in kept["output_data"]] == outputs


@pytest.mark.provokes("not-hashed")
def test_ctrl_c_while_inputs_are_hashed_keeps_the_record_whole(project, smt):
    (project / "input").touch()
    os.truncate(project / "input", 4 << 30)
    watcher = subprocess.Popen(
        [*SMT, "run", "-l", "hashing", "--", "sh", "-c", "head -c 9 input; echo done > Data/done", "x", "input"],
        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    wait_for(project / "Data" / "done")
    time.sleep(0.4)
    watcher.send_signal(signal.SIGINT)
    assert watcher.wait(20) == 0
    kept = record(smt, "hashing")
    assert (kept["status"], [item["path"] for item in kept["output_data"]]) == ("finished", ["done"])
    assert kept["input_data"][0]["digest"] is None
    assert "not-hashed" in [finding["code"] for finding in kept["receipt"]]


def test_a_program_that_removes_the_run_folder_keeps_its_record(project, smt):
    said = smt("run", "-l", "vandal", "--", "sh", "-c", "rm -rf .smt/runs; echo made > Data/made")
    assert said.status == 0
    kept = record(smt, "vandal")
    assert (kept["status"], [item["path"] for item in kept["output_data"]]) == ("finished", ["made"])
