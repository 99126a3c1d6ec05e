"""What else a repetition puts back: variables, seeds, inputs that were kept, standard input; several runs at once."""

import json
import os

import pytest

MATCH = "The simulation results match."

SHOW = """\
import os
names = "OMP_NUM_THREADS PYTHONHASHSEED SOURCE_DATE_EPOCH MPLBACKEND TZ SLURM_JOB_ID PATH".split()
open("Data/out", "w").write("\\n".join(f"{name}={os.environ.get(name)}" for name in names[:-2]))
"""


@pytest.fixture
def shows(project):
    (project / "show.py").write_text(SHOW)
    return project


def test_variables_are_as_they_were_and_those_that_weren_t_there_are_taken_away(shows, smt):
    smt("run", "-l", "first", "--", "python", "show.py", OMP_NUM_THREADS="2", PYTHONHASHSEED="5", SOURCE_DATE_EPOCH="7")
    said = smt("repeat", "first", "-l", "second", OMP_NUM_THREADS="8", MPLBACKEND="svg", TZ="Asia/Tokyo")
    assert (said.status, said.out, said.err) == (0, f"{MATCH}\n", "")
    record = json.loads(smt("view", "--json", "second").out)
    assert record["environment"]["OMP_NUM_THREADS"] == "2"
    assert record["seeds"]["PYTHONHASHSEED"] == "5"
    assert "MPLBACKEND" not in record["environment"]


def test_what_isn_t_put_back_is_said(shows, smt):
    token = "NEST_SECRET_TOKEN"
    first = {"PATH": os.environ["PATH"] + ":/opt/old", token: "hunter2-gingerbread", "SLURM_JOB_ID": "1"}
    smt("run", "-l", "first", "--", "python", "show.py", **first)
    said = smt("repeat", "first", **{token: "something-else-now"}, SLURM_JOB_ID="2")
    assert said.status == 0
    assert "not put back, as programs and libraries are those of today: PATH" in said.err
    assert f"not put back, as records hold no secrets: {token}" in said.err
    assert "SLURM_JOB_ID" not in said.err
    said = smt("repeat", "first", **first)
    assert (said.status, said.err) == (0, "")


def test_a_changed_input_that_was_kept_is_put_in_its_place_and_the_user_s_stays(project, smt, tmp_path, view):
    data = tmp_path / "in.csv"
    data.write_text("1\n")
    (project / "kept.csv").write_text("1\n")  # untracked, and so it is in the content store
    smt("run", "-l", "first", "--", "sh", "-c", f"cat '{data}' > Data/out")
    for later in ("2\n", None):
        if later is None:
            data.unlink()
        else:
            data.write_text(later)
        said = smt("repeat", "first")
        assert (said.status, said.out) == (0, f"{MATCH}\n"), said.err
        what = "missing" if later is None else "changed"
        assert f"the input {data} is {what}; it is taken from what was kept" in said.err
        assert (data.read_text() if data.exists() else None) == later


def test_an_input_that_wasn_t_kept_makes_the_verdict_conditional_even_if_it_matches(project, smt, tmp_path):
    data = tmp_path / "in.csv"
    data.write_text("1\n")
    smt("run", "-l", "first", "--", "sh", "-c", f"wc -l < '{data}' > Data/out")
    data.write_text("2\n")
    said = smt("repeat", "first")
    assert said.status == 0
    assert said.out == f"{MATCH} (the inputs are not those of then, see above)\n"


def test_standard_input_is_the_file_that_it_was(project, smt, tmp_path):
    data = tmp_path / "in.txt"
    data.write_text("b\na\n")
    smt("run", "-l", "first", f"--stdin={data}", "--", "sh", "-c", "sort > Data/out")
    said = smt("repeat", "first", stdin="something else\n")
    assert (said.status, said.out) == (0, f"{MATCH}\n")


def test_a_program_that_asks_git_for_the_version_gets_that_of_then(project, smt, git, view):
    (project / "ask.sh").write_text("{ git rev-parse HEAD; git describe --always --dirty; } > Data/version\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "ask")
    smt("run", "-l", "first", "--", "sh", "ask.sh")
    version = git("rev-parse", "HEAD")
    (project / "main.py").write_text("another\n")
    (project / "new.py").write_text("new\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "more")
    before = [(project / ".git" / name).read_bytes() for name in ("HEAD", "index")]
    said = smt("repeat", "first", "--keep", "--label", "second")
    assert (said.status, said.out) == (0, f"{MATCH}\n"), said.err
    kept = project / ".smt" / "work" / "second"
    assert (kept / "Data" / "version").read_text().startswith(f"{version}\n")
    assert not (kept / ".git").exists()
    assert [(project / ".git" / name).read_bytes() for name in ("HEAD", "index")] == before


def test_policy_about_uncommitted_changes_is_no_obstacle(project, smt):
    smt("run", "-l", "first", "--", "python", "main.py", "default.param")
    smt("configure", "--on-changed=error")
    (project / "main.py").write_text("raise SystemExit(1)\n")
    said = smt("repeat", "first")
    assert (said.status, said.out.splitlines()[-1]) == (0, MATCH), said.err


def test_several_labels_a_tag_and_the_last_one_are_each_repeated_once(project, smt):
    for label in ("one", "two", "three"):
        smt("run", "-l", label, "-t", "figure", "--", "sh", "-c", f"echo {label} > Data/out")
    said = smt("repeat", "one", "--tag", "figure", "--last")
    assert said.status == 0
    assert sorted(said.out.splitlines()) == [f"{label}: {MATCH}" for label in ("one", "three", "two")]


def test_a_run_that_can_t_be_repeated_stops_all_before_anything_starts(project, smt):
    smt("run", "-l", "good", "--", "sh", "-c", "echo 1 > Data/out")
    smt("run", "-l", "bad", "--", "echo", "--password", "hunter2-gingerbread")
    said = smt("repeat", "good", "bad")
    assert said.status == 3
    assert said.out == ""
    assert len(json.loads(smt("list", "--json").out)) == 2


def test_a_program_that_can_t_be_started_any_more_is_told(project, smt, tmp_path):
    program = tmp_path / "model"
    program.write_text("#!/bin/sh\necho 1 > Data/out\n")
    program.chmod(0o755)
    smt("run", "-l", "first", "--", str(program))
    program.unlink()
    said = smt("repeat", "first")
    assert said.status == 127
    assert str(program) in said.err.splitlines()[-2]
    assert os.listdir(project / ".smt" / "work") == []


def test_the_plan_says_everything_and_changes_nothing(shows, smt, view):
    smt("run", "-l", "first", "--", "python", "show.py")
    said = smt("repeat", "first", "--dry-run")
    assert "nothing reaches yours" in said.out
    (told,) = json.loads(smt("repeat", "first", "--dry-run", "--json").out)
    assert (told["apart"], told["conditions"], told["packages"]) == (True, [], None)
    assert os.listdir(shows / ".smt" / "work") == []
