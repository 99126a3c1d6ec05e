"""``smt repeat`` runs something again as it was, apart from the user's files, and says whether the results match."""

import json
import os
import subprocess
from pathlib import Path

import pytest


def view(smt, label="last"):
    return json.loads(smt("view", "--json", label).out)


def state(project):
    """Return all files of the user's with their contents and times."""
    found = {}
    for here, folders, names in os.walk(project):
        folders[:] = [name for name in folders if name not in (".smt", "__pycache__")]
        for name in names:
            path = os.path.join(here, name)
            found[path] = os.lstat(path).st_mtime_ns, os.lstat(path).st_ino
    return found


@pytest.fixture
def first(project, smt):
    """A run of an edited script with a changed parameter."""
    (project / "main.py").write_text((project / "main.py").read_text() + "# edited\n")
    smt("run", "-l", "first", "python", "main.py", "default.param", "tau_m=10.0")
    return project


def test_results_match_although_the_code_has_moved_on_and_the_user_s_files_are_left_alone(first, smt, git):
    (first / "main.py").write_text("raise SystemExit('something else by now')\n")
    git("commit", "--quiet", "--all", "--message", "another model")
    (first / "default.param").write_text("tau_m = 1.0\n")
    (first / "Data" / "example.dat").write_text("later results\n")
    before = state(first)
    said = smt("repeat", "first", "--label", "second")
    assert said.status == 0, said.err
    assert said.out.splitlines()[-1] == "The simulation results match."
    assert state(first) == before
    one, other = view(smt, "first"), view(smt, "second")
    assert (other["repeats"], other["outcome"]) == ("first", "The simulation results match.")
    assert other["version"] == one["version"]
    assert other["changes"] == one["changes"]
    assert other["parameters"]["values"] == one["parameters"]["values"]
    assert [(key["path"], key["digest"]) for key in other["output_data"]] == [
        (key["path"], key["digest"]) for key in one["output_data"]
    ]
    assert os.listdir(first / ".smt" / "work") == []


def test_results_that_nobody_looked_at_do_not_match(project, smt):
    smt("configure", "--trace=none")
    smt("run", "-l", "first", "--", "sh", "-c", "date +%N > Data/out")
    smt("run", "-l", "second", "--", "sh", "-c", "date +%N > Data/out")
    said = smt("diff", "first", "second")
    assert "no output files" not in said.out
    assert "results     not all known" in said.out
    assert "not known   results: nobody looked at what the second run (second) wrote" in said.out
    sentence = "It isn't known whether the simulation results match: nobody looked at what"
    said = smt("repeat", "first")
    assert (said.status, said.out.splitlines()[0]) == (1, f"{sentence} the first run wrote.")
    smt("configure", "--trace=auto")
    said = smt("repeat", "first")
    assert said.status == 1 and sentence in said.out and "extra" not in said.out
    said = smt("diff", "first", "last")
    assert "only in the" not in said.out.partition("could explain it")[0]


def test_data_that_was_kept_with_the_code_comes_back_as_it_was(project, smt):
    (project / "factor.txt").write_text("2\n")
    (project / "use.py").write_text("open('Data/out', 'w').write(open('factor.txt').read())\n")
    smt("run", "-l", "first", "--", "python", "use.py")
    (project / "factor.txt").write_text("3\n")
    said = smt("repeat", "first", "--label", "second")
    assert (said.status, said.out) == (0, "The simulation results match.\n")
    assert "factor.txt" not in said.err


def test_a_program_that_isn_t_deterministic_is_found_out(project, smt):
    smt("run", "-l", "first", "--", "sh", "-c", "date +%N > Data/out; echo same > Data/same")
    said = smt("repeat", "first", "--times", "2")
    assert said.status == 1
    lines = said.out.splitlines()
    assert lines[0] == "The simulation results don't match: 1 of 2 outputs."
    assert lines[1].split()[:2] == ["different", "Data/out:"]
    assert "first: 0 of 2 identical" in lines
    folder = next(line for line in lines if "the new results are in" in line).rpartition(" ")[2]
    assert (project / folder / "Data" / "out").read_text() != (project / "Data" / "out").read_text()


def test_an_input_that_was_changed_makes_the_verdict_conditional(project, smt, tmp_path):
    outside = tmp_path / "in.csv"
    outside.write_text("1\n")
    smt("run", "-l", "first", "--", "sh", "-c", f"cat '{outside}' > Data/out")
    outside.write_text("2\n")
    said = smt("repeat", "first")
    assert said.status == 1
    assert f"the input {outside} is changed" in said.err
    assert "(the inputs are not those of then, see above)" in said.out
    assert "could explain it: inputs" in said.out
    outside.unlink()
    assert f"the input {outside} is missing" in smt("repeat", "first", "--dry-run").out


def test_missing_and_extra_outputs_are_told(project, smt):
    (project / ".gitignore").write_text("Data/\n.smt/\nmode\n")
    (project / "mode").write_text("a\n")
    smt("run", "-l", "first", "--", "sh", "-c", "touch Data/$(cat mode)")
    (project / "mode").write_text("b\n")
    said = smt("repeat", "first")
    assert {tuple(line.split()) for line in said.out.splitlines()[1:3]} == {("missing", "Data/a"), ("extra", "Data/b")}


def test_what_can_t_be_repeated_is_said_before_anything_is_started(project, smt):
    smt("run", "-l", "secret", "--", "echo", "--password", "hunter2-gingerbread")
    said = smt("repeat", "secret")
    assert said.status == 3
    assert "secrets among the words of its command were masked" in said.err
    assert smt("repeat", "nosuch").status == 4
    assert smt("repeat", "--tag", "nosuch").status == 4
    assert len(json.loads(smt("list", "--json").out)) == 1


def test_the_plan_is_told_and_nothing_is_run(first, smt):
    said = smt("repeat", "--dry-run")
    assert said.status == 0
    assert "first: python main.py default.param" in said.out
    assert len(json.loads(smt("list", "--json").out)) == 1


def test_without_version_control_it_works_too(tmp_path, smt, monkeypatch):
    folder = tmp_path / "plain"
    (folder / "lib").mkdir(parents=True)
    monkeypatch.chdir(folder)
    (folder / "main.py").write_text("import lib.net\nopen('Data/out', 'w').write(str(lib.net.n))\n")
    (folder / "lib" / "net.py").write_text("n = 1\n")
    smt("init", "Plain")
    smt("run", "-l", "first", "--", "python", "main.py")
    (folder / "lib" / "net.py").write_text("n = 2\n")
    assert smt("repeat", "first").out == "The simulation results match.\n"
    assert (folder / "lib" / "net.py").read_text() == "n = 2\n"


def test_json_tells_the_same(first, smt):
    (found,) = json.loads(smt("repeat", "--json", "first").out[len("tau_m = 10.0\n"):])
    assert found["repeats"][0]["match"] is True
    assert list(found["repeats"][0]["outputs"].values()) == ["identical"]


def test_all_runs_with_a_tag_are_repeated(first, smt):
    smt("tag", "Figure 6", "first")
    smt("run", "-l", "other", "-t", "Figure 6", "--", "sh", "-c", "echo 1 > Data/x")
    said = smt("repeat", "--tag", "Figure 6")
    assert said.status == 0
    sentence = "The simulation results match."
    assert {f"first: {sentence}", f"other: {sentence}"} <= set(said.out.splitlines())
    assert subprocess.run(["git", "status", "--porcelain"], capture_output=True, text=True, check=True).stdout == (
        " M main.py\n"
    )


def test_a_project_that_was_moved_and_is_linked_to_where_it_was_is_repeated(first, smt, tmp_path, monkeypatch):
    """As the hint says: its results are those of then, though their folder has another name now."""
    now = tmp_path / "moved to here"
    first.rename(now)
    monkeypatch.chdir(now)
    said = smt("repeat", "first")
    assert (said.status, f"ln -s FOLDER {first}" in said.err) == (3, True), said.err
    first.symlink_to(now)
    said = smt("repeat", "first")
    assert (said.status, said.out.splitlines()[-1]) == (0, "The simulation results match."), said.out + said.err


@pytest.mark.parametrize("way", ["cmdline", "parameters"])
def test_a_program_that_is_given_its_label_gets_that_of_then_and_no_other(project, smt, way):
    (project / "args.py").write_text(
        "import os, sys\nos.makedirs('Data', exist_ok=True)\n"
        "words = [open(word).read() if os.path.exists(word) else word for word in sys.argv[1:]]\n"
        "open('Data/words', 'w').write(repr(words))\n"
    )
    smt("configure", f"--addlabel={way}")
    assert smt("run", "-l", "first", "--", "python", "args.py", "default.param").status == 0
    said = smt("repeat", "first", "-l", "second")
    assert (said.status, said.out) == (0, "The simulation results match.\n")
    first, second = view(smt, "first"), view(smt, "second")
    assert len(first["command"]) == len(second["command"])


def test_a_tag_that_no_record_has_ends_as_a_label_does_that_none_has(project, smt):
    assert smt("repeat", "--tag", "none").status == 4


def test_what_is_the_same_only_in_content_is_not_called_identical_and_can_be_repeated_again(project, smt):
    (project / "draw.py").write_text(
        "import os, time\nos.makedirs('Data', exist_ok=True)\n"
        "open('Data/figure.svg', 'w').write('<svg xmlns=\"http://www.w3.org/2000/svg\"><metadata>'"
        " f'<dc:date>2026-01-01T00:00:00.{time.time_ns()}</dc:date></metadata><g/></svg>')\n"
    )
    smt("run", "-l", "first", "--", "python", "draw.py")
    assert smt("repeat", "first", "--times", "2").out.splitlines()[-1] == "first: 0 of 2 identical, 2 same content"
    again = smt("repeat", "last")
    assert (again.status, again.out) == (0, "The simulation results match.\n")


def test_code_outside_of_a_project_without_version_control_is_said_to_be_out_of_reach(tmp_path, smt, monkeypatch):
    (tmp_path / "p").mkdir()
    (tmp_path / "main.py").write_text("open('out', 'w').write('1')\n")
    monkeypatch.chdir(tmp_path / "p")
    smt("init", "Bare")
    for label in ("one", "two"):
        assert smt("run", "-l", label, "--", "python", "../main.py").status == 0
    for words in (("repeat", "one"), ("why", "one", "two")):
        said = smt(*words)
        assert (said.status, "its code lay outside of" in said.err) == (3, True), said


def test_without_version_control_the_code_of_the_whole_project_belongs_to_a_run_in_one_of_its_folders(
    tmp_path, smt, monkeypatch
):
    project = tmp_path / "p"
    (project / "sub").mkdir(parents=True)
    (project / "prog.py").write_text("import lib\nopen('out', 'w').write(lib.WORD)\n")
    (project / "lib.py").write_text("WORD = 'first'\n")
    monkeypatch.chdir(project)
    smt("init", "Bare")
    monkeypatch.chdir(project / "sub")
    assert smt("run", "-l", "one", "--", "python", "../prog.py").status == 0
    (project / "lib.py").write_text("WORD = 'second'\n")
    assert smt("run", "-l", "two", "--", "python", "../prog.py").status == 0
    assert "lib.py" in smt("diff", "one", "two", "--code").out
    assert smt("changed", "two").status == 0
    changed = smt("changed", "one")
    assert (changed.status, "lib.py" in changed.out) == (1, True), changed
    again = smt("repeat", "one")
    assert (again.status, again.out) == (0, "The simulation results match.\n"), again
    why = smt("why", "one", "two")
    assert (why.status, "lib.py" in why.out) == (0, True), why
    assert smt("checkout", "one", "then").status == 0
    assert Path("then", "lib.py").read_text() == "WORD = 'first'\n"
    assert (project / "lib.py").read_text() == "WORD = 'second'\n" and Path("out").read_text() == "second"


@pytest.mark.parametrize("kind", ["plain", "git"])
def test_code_that_a_program_writes_to_is_there_for_its_repetition_as_it_was(kind, tmp_path, smt, git, monkeypatch):
    folder = tmp_path / "p"
    folder.mkdir()
    monkeypatch.chdir(folder)
    main = "for name in 'main.py', 'log.cfg':\n    open(name, 'a').write('# it ran\\n')\n"
    (folder / "main.py").write_text(main)
    (folder / "log.cfg").write_text("# a log\n")
    if kind == "git":
        git("init", "--quiet")
        git("add", ".")
        git("commit", "--quiet", "--message", "one")
    smt("init", "Self")
    smt("run", "-l", "first", "--", "python", "main.py")
    assert (folder / "main.py").read_text() == main + "# it ran\n"
    assert smt("repeat", "first").out == "The simulation results match.\n"
    assert (folder / "main.py").read_text() == main + "# it ran\n"
