"""``smt diff``: what differs, and what could explain it."""

import json
import shutil

import pytest


@pytest.fixture
def two_runs(project, smt):
    """Two runs of one simulation with different time constants, and code that was edited in between."""
    smt("run", "-l", "slow", "--", "python", "main.py", "default.param")
    (project / "main.py").write_text((project / "main.py").read_text() + "# edited\n")
    smt("run", "-l", "fast", "python", "main.py", "default.param", "tau_m=10.0")


def test_the_verdict_comes_first_and_then_what_could_explain_it(two_runs, smt):
    said = smt("diff", "slow", "fast")
    lines = said.out.splitlines()
    assert said.status == 1
    assert lines[0].startswith("slow (") and "vs  fast (" in lines[0]
    assert lines[1] == "results     1 of 1 output files differ"
    assert "example.dat" in lines[2] and " -> " in lines[2]
    explained = lines[lines.index("could explain it") + 1:]
    assert any("parameters" in line and "tau_m" in line and "20.0 -> 10.0" in line for line in explained)
    assert any("main.py" in line and "loaded by the run" in line for line in explained)
    assert any(line.startswith("same ") and "1 parameter" in line for line in explained)


def test_equal_runs_are_said_to_be_equal_with_status_0(project, smt):
    for label in ("a", "b"):
        smt("run", "-l", label, "--", "python", "main.py", "default.param")
    said = smt("diff", "a", "b")
    assert said.status == 0
    assert "results     the same: the only output file is identical" in said.out
    assert "could explain it" not in said.out


def test_json_has_the_same(two_runs, smt):
    found = json.loads(smt("diff", "--json", "slow", "fast").out)
    assert found["results"] == "different"
    assert {"kind": "parameters", "name": "tau_m", "one": "20.0", "other": "10.0", "matters": True, "note": ""} in (
        found["differences"]
    )


def test_one_kind_may_be_asked_for(two_runs, smt):
    said = smt("diff", "--parameters", "slow", "fast")
    assert "tau_m" in said.out
    assert "main.py" not in said.out and "example.dat" not in said.out


def test_of_more_than_two_what_varies_is_a_table(two_runs, smt):
    smt("run", "-l", "third", "python", "main.py", "default.param", "tau_m=5.0")
    said = smt("diff", "slow", "fast", "third")
    line = next(line for line in said.out.splitlines() if "tau_m" in line)
    assert line.split()[2:] == ["20.0", "10.0", "5.0"]


@pytest.mark.parametrize(("words", "status", "sentence"), [
    (("slow",), 2, "there is only one record to compare"),
    (("slow", "nosuch"), 4, "there is no record called 'nosuch'"),
    (("slow", "fast", "-i", "("), 2, "isn't a regular expression"),
])
def test_slips_are_told_in_a_sentence(words, status, sentence, two_runs, smt):
    said = smt("diff", *words)
    assert said.status == status
    assert sentence in said.err


def test_control_characters_of_a_record_don_t_reach_the_terminal(project, smt):
    for label, word in (("a", "\x1b[31mred"), ("b", "\x07bell")):
        smt("run", "-l", label, "--", "echo", word)
    said = smt("diff", "a", "b")
    assert "\x1b" not in said.out and "\x07" not in said.out


def test_how_the_code_differs_is_shown_as_a_patch_that_can_be_applied(two_runs, project, smt, git, tmp_path):
    said = smt("diff", "--code", "slow", "fast")
    heading, _, patch = said.out.partition("diff --git a/main.py b/main.py\n")
    assert heading.startswith("slow (")
    assert "\n+# edited\n" in patch
    smt("checkout", "slow", str(tmp_path / "then"))
    (tmp_path / "patch").write_text("diff --git a/main.py b/main.py\n" + patch)
    git("apply", str(tmp_path / "patch"), cwd=tmp_path / "then")
    assert (tmp_path / "then" / "main.py").read_text() == (project / "main.py").read_text()
    assert json.loads(smt("diff", "--code", "--json", "slow", "fast").out)["patch"].endswith("+# edited\n")


def test_a_patch_tells_of_files_that_came_went_or_changed_their_mode_across_versions(project, smt, git):
    (project / "gone.py").write_text("x = 1\n")
    (project / "tool").write_bytes(b"\0\1")
    git("add", ".")
    git("commit", "-qm", "first")
    smt("run", "-l", "a", "--", "python", "-c", "pass")
    git("rm", "-q", "gone.py")
    git("commit", "-qm", "second")
    (project / "tool").write_bytes(b"\0\2")
    (project / "main.py").chmod(0o755)
    (project / "new file.py").write_text("no end of line")
    smt("run", "-l", "b", "--", "python", "-c", "pass")
    out = smt("diff", "--code", "a", "b").out
    assert "deleted file mode 100644\n--- a/gone.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x = 1\n" in out
    assert "Binary files a/tool and b/tool differ\n" in out
    assert "diff --git a/main.py b/main.py\nold mode 100644\nnew mode 100755\n" in out
    assert "+++ b/new file.py\t\n@@ -0,0 +1 @@\n+no end of line\n\\ No newline at end of file\n" in out


def test_a_patch_of_code_that_is_gone_is_refused_in_a_sentence(two_runs, project, smt):
    (project / ".git").rename(project.parent / "elsewhere")
    said = smt("diff", "--code", "slow", "fast")
    assert said.status == 3
    assert "isn't to be had any more" in said.err


def test_records_of_other_projects_are_compared_too(two_runs, project, smt, tmp_path, monkeypatch):
    other = tmp_path / "another one"
    other.mkdir()
    monkeypatch.chdir(other)
    assert smt("init", "Another").status == 0
    assert smt("run", "-l", "echoed", "--", "echo", "1").status == 0
    said = smt("diff", f"{project}:slow", "echoed")
    assert said.out.startswith("slow (") and "vs  echoed (" in said.out
    assert "python main.py" in said.out and "echo 1" in said.out
    said = smt("diff", f"{project}:nosuch", "echoed")
    assert (said.status, "there is no record called 'nosuch'" in said.err) == (4, True)


def test_a_patch_takes_the_code_of_each_run_from_its_own_project(smt, tmp_path, monkeypatch):
    for number in "12":
        folder = tmp_path / number
        folder.mkdir()
        (folder / "main.py").write_text(f"print({number})\n")
        smt("init", number, cwd=folder)
        assert smt("run", "-l", "r", "--", "python", "main.py", cwd=folder).status == 0
    said = smt("diff", "r", f"{tmp_path / '2'}:r", "--code", cwd=tmp_path / "1")
    assert "-print(1)\n+print(2)\n" in said.out
    said = smt("diff", f"{tmp_path / '2'}:r", "r", "--code", cwd=tmp_path / "1")
    assert "-print(2)\n+print(1)\n" in said.out
    monkeypatch.chdir(tmp_path / "1")
    shutil.rmtree(tmp_path / "1" / ".smt" / "objects")
    said = smt("diff", "r", f"{tmp_path / '2'}:r", "--code")
    assert said.out.endswith("# main.py: the content of main.py isn't kept any more\n")


def test_the_next_step_is_to_ask_why(two_runs, smt):
    last = smt("diff", "slow", "fast").out.splitlines()[-1]
    assert last.split("(")[0].split() == ["next", "smt", "why", "slow", "fast"]


def test_files_of_a_project_that_was_moved_are_those_that_they_were(project, smt, git, tmp_path, monkeypatch):
    (project / ".gitignore").write_text("Data/\n.smt/\n*.txt\n")
    (project / "copy.py").write_text("open('out.txt', 'w').write(open('in.txt').read())\n")
    git("add", "--all")
    git("commit", "-qm", "copies")
    (project / "in.txt").write_text("one\n")
    smt("run", "-l", "first", "--", "python", "copy.py")
    now = tmp_path / "moved"
    project.rename(now)
    monkeypatch.chdir(now)
    smt("run", "-l", "same", "--", "python", "copy.py")
    said = smt("diff", "first", "same")
    assert (said.status, "in.txt" in said.out) == (0, False), said.out
    (now / "in.txt").write_text("two\n")
    smt("run", "-l", "other", "--", "python", "copy.py")
    said = smt("diff", "first", "other")
    assert said.status == 1
    assert "inputs       ./in.txt  sha256:" in said.out
    assert "command      folder" in said.out
    assert "missing" not in said.out


def test_nothing_is_said_of_what_was_not_asked_for(two_runs, smt):
    labels = ("slow", "fast")
    assert "nothing that is known differs" not in smt("diff", *labels, "--data").out
    assert "nothing that is known differs" not in smt("diff", *labels, "-i", ".").out


def test_in_a_table_each_digest_is_that_of_its_own_run(project, smt):
    (project / "write.py").write_text(
        "import os, sys\nos.makedirs(f'Data/{sys.argv[1]}')\n"
        "open(f'Data/{sys.argv[1]}/it.json', 'w').write(sys.argv[2])\n"
    )
    for label, text in (("one", '{"a": 1, "b": 2}'), ("two", '{"b": 2, "a": 1}'), ("three", '{"a": 3}')):
        assert smt("run", "-l", label, "--", "python", "write.py", label, text).status == 0
    told = json.loads(smt("diff", "one", "two", "three", "--json").out)
    values = next(row["values"] for row in told["varying"] if row["kind"] == "results")
    digests = [json.loads(smt("view", "--json", label).out)["output_data"][0]["digest"] for label in told["labels"]]
    assert values == [digests[0], f"same content: {digests[1]}", digests[2]]


def test_the_same_file_is_no_cause_where_one_run_had_no_version_control(project, smt, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    for folder, text in ((other, "1"), (project, "2")):
        (folder / "write.py").write_text("import sys, pathlib\npathlib.Path('out').write_text(sys.argv[1])\n")
        monkeypatch.chdir(folder)
        if folder == other:
            assert smt("init", "Other").status == 0
        assert smt("run", "-l", "it", "--", "python", "write.py", text).status == 0
    found = json.loads(smt("diff", "it", f"{other}:it", "--json").out)
    assert not [each for each in found["differences"] if each["kind"] == "code" and each["name"] == "write.py"]
