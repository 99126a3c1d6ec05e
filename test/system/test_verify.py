"""``smt verify``: are the files of records still there, with the content that they had?"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def two(project, smt):
    (project / "in.csv").write_text("1\n")
    (project / "main.py").write_text((project / "main.py").read_text() + "# edited\n")
    smt("run", "-l", "a", "--", "sh", "-c", "echo; cat in.csv > Data/a; echo b > Data/b")
    smt("run", "-l", "b", "--", "sh", "-c", "cat in.csv > Data/c")


def test_all_is_as_it_was(two, smt):
    said = smt("verify")
    assert (said.status, said.out) == (0, "")
    assert "2 records: " in said.err and "ok" in said.err
    assert "in.csv" in smt("verify", "--all").out
    assert "1 record: " in smt("verify", "a").err


@pytest.mark.parametrize(("spoil", "expected"), [
    (lambda project: (project / "Data" / "a").write_text("2\n"), ("a", "output", "changed", "a")),
    (lambda project: (project / "Data" / "a").unlink(), ("a", "output", "missing", "a")),
    (lambda project: (project / "Data" / "a").rename(project / "Data" / "x") and (project / "Data" / "a").mkdir(),
     ("a", "output", "changed", "a")),
])
def test_what_isn_t_is_told_with_status_1(spoil, expected, two, project, smt):
    spoil(project)
    said = smt("verify")
    assert said.status == 1
    assert [tuple(line.split()) for line in said.out.splitlines()] == [expected]


def test_what_sumatra_keeps_is_checked_too(two, project, smt):
    record = json.loads(smt("view", "a", "--json").out)
    digests = {change["path"]: change["digest"].removeprefix("sha256:") for change in record["changes"]}
    digest = digests["main.py"]
    kept = project / ".smt" / "objects" / digest[:2] / digest[2:]
    kept.chmod(0o600)
    kept.write_text("spoilt")
    said = smt("verify", "a")
    assert said.status == 1
    assert said.out.split() == ["a", "code", "changed", "main.py"]


def test_json_tells_the_same(two, project, smt):
    (project / "in.csv").unlink()
    found = json.loads(smt("verify", "--json").out)
    assert found["counts"]["missing"] == 2
    assert [(each["label"], each["role"], each["outcome"]) for each in found["files"]] == [
        ("b", "input", "missing"), ("a", "input", "missing"),
    ]


def test_an_interrupted_check_can_be_resumed(two, project, smt):
    os.truncate(project / "Data" / "b", 0)
    smt("run", "-l", "big", "--", "truncate", "-s", "3G", "Data/big")  # the newest is checked first
    smt("run", "-l", "newest", "--", "true")
    words = [sys.executable, str(ROOT / "bin" / "smt"), "verify"]
    check = subprocess.Popen(words, stderr=subprocess.PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        check.wait(0.9)
    check.send_signal(signal.SIGINT)
    said = check.communicate(timeout=30)[1]
    assert check.returncode == 130
    assert b"smt verify --resume" in said
    done = json.loads((project / ".smt" / "verified.json").read_text())
    assert done == [json.loads(smt("view", "newest", "--json").out)["id"]]
    os.truncate(project / "Data" / "big", 1)
    said = smt("verify", "--resume")
    assert said.status == 1
    assert not (project / ".smt" / "verified.json").exists()


def test_results_of_a_repetition_are_looked_for_where_it_left_them(project, smt):
    """Those that differ were kept, those that are the same were not."""
    smt("run", "-l", "first", "--", "sh", "-c", "mkdir -p Data; date +%N > Data/out")
    smt("repeat", "first", "-l", "kept")
    assert smt("verify", "kept").status == 0
    smt("run", "-l", "steady", "--", "sh", "-c", "mkdir -p Data; echo same > Data/same")
    smt("repeat", "steady", "-l", "forgotten")
    assert smt("verify", "forgotten").status == 0
    (project / "Data" / "same").write_text("something else\n")
    said = smt("verify", "forgotten")
    assert said.status == 1
    assert [line.split()[1:] for line in said.out.splitlines()] == [["output", "missing", "same"]]
