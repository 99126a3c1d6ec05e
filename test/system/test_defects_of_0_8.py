"""What went wrong with Sumatra 0.8, and must not with this one."""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def records(smt):
    return json.loads(smt("list", "--json").out)


def test_deleting_by_tag_takes_whole_tags_only(project, smt):
    for label, tag in (("a", "foo"), ("b", "foobar")):
        assert smt("run", "-l", label, "-t", tag, "--", "true").status == 0
    assert smt("delete", "--tag", "foo").status == 0
    assert smt("list").out == "b\n"


def test_arguments_reach_the_program_as_they_are_and_no_shell_sees_them(project, smt):
    words = ["a b;echo INJECTED", "it's", "$HOME", "*", "", "-x", "ünïcode", "a\nb", "`id`", "--label=mine"]
    said = smt("run", "--", sys.executable, "-c", "import sys, json; print(json.dumps(sys.argv[1:]))", *words)
    assert json.loads(said.out) == words


def test_what_does_not_exist_is_an_error(project, smt):
    for words in (["view", "nosuch"], ["delete", "nosuch"], ["tag", "x", "nosuch"], ["comment", "nosuch", "text"],
                  ["delete", "--tag", "nosuch"], ["delete", "--undo", "nosuch"]):
        said = smt(*words)
        assert said.status == 4, words
        assert said.out == "" and "Traceback" not in said.err and "nosuch" in said.err, words


@pytest.mark.parametrize("word", ["sys", "get_executable", "parse_arguments", "terminal", "options", "__init__", ""])
def test_only_commands_are_commands(word, project, smt):
    said = smt(word)
    if word:
        assert said.status == 2 and f"there is no command {word!r}" in said.err
    else:
        assert said.status == 0


def test_the_script_of_a_record_is_the_one_that_ran_not_one_of_the_same_name(project, smt, git):
    for folder, text in (("a", "print('a')\n"), ("b", "print('b')\n")):
        (project / folder).mkdir()
        (project / folder / "x.py").write_text(text)
    git("add", ".")
    git("commit", "-qm", "two of a name")
    smt("run", "-l", "of-b", "--", "python", "b/x.py")
    assert smt("view", "of-b", "--script").out == "print('b')\n"


def test_a_script_with_a_space_in_its_name_is_under_version_control(project, smt, git):
    (project / "my script.py").write_text("print('spaced')\n")
    git("add", ".")
    git("commit", "-qm", "a name with a space")
    assert smt("run", "-l", "spaced", "--", "python", "my script.py").out == "spaced\n"
    assert smt("view", "--script", "spaced").out == "print('spaced')\n"
    assert records(smt)[0]["changes"] == []


def test_an_unknown_kind_of_store_is_refused(repository, smt):
    said = smt("init", "P", "--store", "postgress://host/db")
    assert said.status == 2 and "postgress" in said.err
    assert not (repository / ".smt").exists()


def test_a_password_in_a_store_address_is_refused(repository, smt):
    said = smt("init", "P", "--store", "https://me:hunter2@example.org/records")
    assert said.status == 2 and not (repository / ".smt").exists()


def test_outputs_are_not_found_by_the_clock(project, smt):
    """Each run gets its own file, however fast they follow each other."""
    for number in range(5):
        smt("run", "-l", f"r{number}", "--", "sh", "-c", f"echo {number} > Data/{number}.dat")
    for record in records(smt):
        assert [item["path"] for item in record["output_data"]] == [record["label"][1:] + ".dat"]


def test_an_old_time_stamp_does_not_hide_an_output(project, smt):
    smt("run", "-l", "old", "--", "sh", "-c", "echo x > Data/old.dat; touch -d '2001-01-01' Data/old.dat")
    assert [item["path"] for item in records(smt)[0]["output_data"]] == ["old.dat"]


def test_labels_do_not_collide_within_a_second(project, smt):
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda number: smt("run", "--", "echo", str(number)), range(8)))
    assert [one.status for one in said] == [0] * 8
    labels = smt("list").out.split()
    assert len(set(labels)) == 8
    assert sorted(record["stdout_stderr"].strip() for record in records(smt)) == sorted(map(str, range(8)))


def test_a_label_that_is_taken_is_refused_before_anything_runs(project, smt):
    assert smt("run", "-l", "mine", "--", "true").status == 0
    said = smt("run", "-l", "mine", "--", "touch", "Data/ran")
    assert said.status == 125 and "mine" in said.err and not (project / "Data" / "ran").exists()


def test_the_exit_status_is_the_programs_and_is_recorded(project, smt):
    assert smt("run", "-l", "three", "--", "sh", "-c", "exit 3").status == 3
    assert (records(smt)[0]["exit_status"], records(smt)[0]["status"]) == (3, "failed")


def test_parameter_files_are_not_evaluated(project, smt):
    (project / "evil.param").write_text('x = __import__("os").system("touch PWNED")\n')
    said = smt("run", "-l", "evil", "--", "cat", "evil.param")
    assert said.status == 0 and "__import__" in said.out
    smt("list", "-l"), smt("view", "evil"), smt("list", "-P")
    assert not (project / "PWNED").exists()


def test_a_file_that_happens_to_parse_is_not_rewritten(project, smt):
    (project / "data.txt").write_text("id: 007\nmean: 3.10\non: yes\n")
    assert smt("run", "--", "cat", "data.txt").out == "id: 007\nmean: 3.10\non: yes\n"


def test_configure_changes_only_what_is_asked(project, smt):
    smt("configure", "--plain")
    smt("configure", "--description=something else")
    assert "plain = true" in (project / ".smt" / "project.toml").read_text()


def test_a_run_does_not_undo_what_is_configured_meanwhile(project, smt):
    smt("run", "--", "sh", "-c", f"'{sys.executable}' '{ROOT / 'bin' / 'smt'}' configure --description=meanwhile")
    assert "meanwhile" in smt("info").out


def test_the_working_tree_is_left_alone(project, smt, git):
    before = git("status", "--porcelain", "--branch"), git("rev-parse", "HEAD"), git("for-each-ref")
    smt("run", "-e", "python", "-m", "main.py", "default.param", "tau_m=1.0")
    assert (git("status", "--porcelain", "--branch"), git("rev-parse", "HEAD"), git("for-each-ref")) == before


def test_the_users_program_is_never_started_but_to_run_it(project, smt):
    (project / "prog").write_text("#!/bin/sh\necho started >> Data/log\necho \"$@\"\n")
    (project / "prog").chmod(0o755)
    smt("run", "--", "./prog", "x")
    assert (project / "Data" / "log").read_text() == "started\n"


def test_plain_words_with_equals_signs_need_no_parameter_file(project, smt):
    assert smt("run", "--", "echo", "x=1", "--opt=3").out == "x=1 --opt=3\n"
    smt("configure", "-e", "echo")
    assert smt("run", "x=1", "--opt=3").out == "x=1 --opt=3\n"


def test_standard_input_reaches_the_program(project, smt):
    assert smt("run", "--", "cat", stdin="one\ntwo\n").out == "one\ntwo\n"
    (project / "in.txt").write_text("from a file\n")
    assert smt("run", "-i", "in.txt", "--", "cat").out == "from a file\n"
    assert records(smt)[0]["input_data"][0]["path"].endswith("in.txt")


def test_output_that_is_not_text_does_not_hurt(project, smt):
    said = subprocess.run(
        [ROOT / "bin" / "smt", "run", "--", "head", "-c", "100000", "/dev/urandom"], capture_output=True, check=True
    )
    assert len(said.stdout) == 100000
    kept = subprocess.run([ROOT / "bin" / "smt", "view", "last", "--stdout"], capture_output=True, check=True).stdout
    assert kept == said.stdout


def test_a_moved_project_goes_on_where_it_is(project, smt):
    smt("run", "-l", "before", "-e", "python", "-m", "main.py", "default.param")
    moved = project.with_name("moved project")
    project.rename(moved)
    os.chdir(moved)
    assert smt("list", cwd=moved).out == "before\n"
    assert smt("run", "-l", "after", "-e", "python", "-m", "main.py", "default.param", cwd=moved).status == 0
    assert smt("list", cwd=moved).out == "after\nbefore\n"
    assert not project.exists()


def test_commands_work_in_a_subfolder(project, smt):
    (project / "sub").mkdir()
    smt("configure", "-e", "python", "-m", "main.py")
    said = smt("run", "-l", "below", "../default.param", cwd=project / "sub")
    assert said.status == 0, said.err
    assert smt("list", cwd=project / "sub").out == "below\n"
    assert smt("delete", "last", cwd=project / "sub").status == 0
    assert smt("list").out == ""


def test_listing_writes_nothing_to_the_working_tree(project, smt):
    smt("run", "-e", "python", "-m", "main.py", "default.param", "tau_m=3")
    before = sorted(str(path) for path in project.rglob("*") if ".smt" not in path.parts)
    for form in ("text", "json", "csv", "html", "latex", "markdown", "shell"):
        for mode in ([], ["-l"], ["-T"], ["-P"], ["-O"]):
            said = smt("list", "-f", form, *mode)
            assert said.status == 0, (form, mode, said.err)
    assert sorted(str(path) for path in project.rglob("*") if ".smt" not in path.parts) == before


def test_tags_may_hold_commas_and_quotes(project, smt):
    smt("run", "--", "true")
    for tag in ("a,b", 'say "hi"'):
        smt("tag", tag)
    assert set(json.loads(smt("view", "--json").out)["tags"]) >= {"a,b", 'say "hi"'}
    assert smt("list", "a,b").out == smt("list", 'say "hi"').out != ""
    assert smt("list", "a").out == ""


def test_an_ended_reader_is_no_traceback(project, smt):
    for number in range(3):
        smt("run", "--", "echo", str(number))
    done = subprocess.run(
        f"'{ROOT / 'bin' / 'smt'}' list -l | head -1", shell=True, capture_output=True, text=True
    )
    assert done.stderr == "" and re.match(r"\S", done.stdout)


def test_no_network_is_asked(project):
    trace = project.parent / "trace"
    subprocess.run(
        ["strace", "-f", "-qq", "-e", "trace=connect,sendto", "-o", trace, ROOT / "bin" / "smt", "run", "--", "true"],
        check=True, capture_output=True,
    )
    assert "AF_INET" not in trace.read_text()


def test_a_parameter_that_names_a_file_makes_it_an_input(project, smt):
    (project / "stimulus.csv").write_text("1,2\n")
    (project / "with_input.param").write_text('stimulus = "stimulus.csv"\nother = "nosuch.csv"\n')
    smt("configure", "--trace=scan")
    smt("run", "--", "cat", "with_input.param")
    (found,) = records(smt)[0]["input_data"]
    assert found["path"].endswith("stimulus.csv")
    assert found["digest"] == "sha256:52186c933993da4082b3cdc7c40bb4bf735b391ff54a2ef78c037dda6c38a680"


def test_a_file_that_is_only_named_is_no_input_where_it_can_be_seen_what_is_read(project, smt):
    (project / "stimulus.csv").write_text("1,2\n")
    (project / "other.csv").write_text("3\n")
    smt("run", "--", "sh", "-c", "cat other.csv > /dev/null", "stimulus.csv")
    (found,) = records(smt)[0]["input_data"]
    assert found["path"].endswith("other.csv")
