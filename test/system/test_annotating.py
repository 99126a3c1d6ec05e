"""What users write on records stays, each in its place, and what they delete comes back."""

import json
import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMT = [sys.executable, str(ROOT / "bin" / "smt")]


@pytest.fixture
def notebook(project: Path, smt) -> Path:
    """A project with the runs ``one``, ``two`` and ``three three``."""
    for label in ("one", "two", "three three"):
        assert smt("run", "-q", "-l", label, "--", "sh", "-c", 'echo "$1" > "Data/$1"', "sh", label).status == 0
    return project


@pytest.fixture
def fact(smt):
    """Return a function that returns one fact of a record."""

    def look(label: str, name: str):
        return json.loads(smt("view", label, "--json").out)[name]

    return look


def quietly(said):
    """Assert that a command succeeded without a word."""
    assert said == (0, "", ""), said


# -- comment -----------------------------------------------------------------------------------------------------------


def test_comments_are_added_below_each_other_or_replace_what_is_there(notebook, smt, fact):
    quietly(smt("comment", "one", "first thought"))
    quietly(smt("comment", "one", "second thought\n\nwith  a paragraph\n"))
    assert fact("one", "outcome") == "first thought\nsecond thought\n\nwith  a paragraph"
    quietly(smt("comment", "one", "--replace", "last word"))
    assert fact("one", "outcome") == "last word"
    quietly(smt("comment", "-r", "one", ""))
    assert fact("one", "outcome") == ""
    assert fact("two", "outcome") == fact("last", "outcome") == ""


def test_a_single_word_is_the_comment_on_the_most_recent_run(notebook, smt, fact):
    quietly(smt("comment", "it is worth NaN shekels"))
    quietly(smt("comment", "one"))  # a label too, but who is no terminal writes what it says
    quietly(smt("comment", "--", "-1 mV"))
    assert fact("three three", "outcome") == "it is worth NaN shekels\none\n-1 mV"
    quietly(smt("comment", "tw", "by the beginning of its label"))
    quietly(smt("comment", "last", "by name"))
    assert fact("two", "outcome") == "by the beginning of its label"
    assert fact("three three", "outcome").endswith("\nby name")


def test_comments_come_from_files_and_standard_input(notebook, smt, fact):
    (notebook / "notes.txt").write_bytes("µ = 3\nnot text: \xff\n".encode("latin-1"))
    (notebook / "more.txt").write_text("more\n")
    quietly(smt("comment", "one", "-f", "notes.txt"))
    quietly(smt("comment", "-f", "more.txt", "one"))
    quietly(smt("comment", "one", "more.txt", "-f"))  # as Sumatra 0.8 has it
    quietly(smt("comment", "one", "-", stdin="from a pipe\n"))
    quietly(smt("comment", "one", "-f", "-", stdin="not text: \udcff", PYTHONIOENCODING="utf-8:strict"))
    assert fact("one", "outcome").split("\n") == [
        "\ufffd = 3", "not text: \ufffd", "more", "more", "from a pipe", "not text: \ufffd"
    ]
    quietly(smt("comment", "-", stdin="on the last"))
    assert fact("three three", "outcome") == "on the last"


def test_a_comment_without_text_is_written_in_the_editor(notebook, smt, fact):
    editor = notebook / "my editor"
    editor.write_text('#!/bin/sh\n[ "$1" = --wait ] && shift\ncat "$1" >> seen\necho "written with care" > "$1"\n')
    editor.chmod(0o755)
    chosen = f"'{editor}' --wait"
    quietly(smt("comment", EDITOR=chosen))
    quietly(smt("comment", "one", "--edit", EDITOR="false", VISUAL=chosen))
    quietly(smt("comment", "one", "-e", EDITOR=chosen))
    assert (notebook / "seen").read_text() == "", "what is there is not to be written again"
    assert fact("last", "outcome") == "written with care"
    assert fact("one", "outcome") == "written with care\nwritten with care"
    quietly(smt("comment", "one", "--edit", "--replace", EDITOR=chosen))
    assert (notebook / "seen").read_text() == "written with care\nwritten with care"
    assert fact("one", "outcome") == "written with care"


def test_an_editor_that_does_not_do_its_work_changes_nothing(notebook, smt, fact):
    smt("comment", "one", "before")
    for editor, status, told in [
        ("true", 0, "nothing was written"), ("false", 1, "exit status 1"), ("no-such-editor", 1, "no-such-editor"),
        ("'", 1, "editor"), ("rm", 2, "can't be read"),
    ]:
        said = smt("comment", "one", "-e", EDITOR=editor)
        assert (said.status, said.out) == (status, ""), said
        assert told in said.err
    said = smt("comment", "one", " \n")
    assert (said.status, "nothing was changed" in said.err) == (0, True)
    assert fact("one", "outcome") == "before"


def test_at_a_terminal_a_label_alone_opens_the_editor(notebook, fact):
    (notebook / "ed").write_text("#!/bin/sh\necho typed > $1\n")
    (notebook / "ed").chmod(0o755)
    for word in ("one", "last", "a remark"):
        master, slave = pty.openpty()
        subprocess.run([*SMT, "comment", word], stdin=slave, env={**os.environ, "EDITOR": "./ed"}, check=True)
        os.close(master)
        os.close(slave)
    assert fact("one", "outcome") == "typed"
    assert fact("last", "outcome") == "typed\na remark"


def test_without_standard_input_comments_are_taken_all_the_same(notebook, fact):
    done = subprocess.run(f"{shlex.join(SMT)} comment one <&-", shell=True, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert fact("last", "outcome") == "one"


# -- tag ---------------------------------------------------------------------------------------------------------------


def test_tags_are_put_on_several_records_and_taken_away(notebook, smt, fact):
    quietly(smt("tag", "Figure 6"))
    quietly(smt("tag", "Figure 6", "one", "tw"))
    quietly(smt("tag", "ünï, 'x'", "one", "one"))
    assert smt("list", "Figure 6").out.splitlines() == ["three three", "two", "one"]
    assert fact("one", "tags") == ["Figure 6", "_finished_", "ünï, 'x'"]
    quietly(smt("tag", "--remove", "Figure 6", "one", "three"))
    quietly(smt("tag", "Figure 6", "--remove", "two"))
    assert smt("list", "'Figure 6' in tags").out == ""
    assert fact("one", "tags") == ["_finished_", "ünï, 'x'"]
    said = smt("tag", "--remove", "Figure 6", "one")
    assert said.status == 4
    assert "one doesn't have the tag 'Figure 6'" in said.err
    assert "ünï, 'x'" in said.err


def test_if_one_record_is_missing_none_is_tagged(notebook, smt, fact):
    said = smt("tag", "x", "one", "nosuch", "two")
    assert (said.status, said.out) == (4, "")
    assert fact("one", "tags") == fact("two", "tags") == ["_finished_"]


def test_tags_of_states_change_the_state_and_are_no_free_tags(notebook, smt, fact):
    smt("tag", "mine", "one")
    quietly(smt("tag", "_failed_", "one"))
    assert (fact("one", "status"), fact("one", "tags")) == ("failed", ["_failed_", "mine"])
    assert smt("list", "status == 'failed'").out == smt("list", "_failed_").out == "one\n"
    assert smt("list", "'_failed_' in tags").out == "", "it isn't kept as a tag"
    quietly(smt("tag", "_succeeded_", "one"))
    assert (fact("one", "status"), fact("one", "tags")) == ("finished", ["_finished_", "mine"])
    said = smt("tag", "--remove", "_finished_", "one")
    assert said.status == 2
    assert "tells the state" in said.err
    quietly(smt("tag", "_mine_", "one"))
    assert fact("one", "tags") == ["_finished_", "_mine_", "mine"], "another word between bars is the user's own"


# -- delete ------------------------------------------------------------------------------------------------------------


def test_deleted_records_lie_in_the_trash_and_come_back_in_order(notebook, smt, fact):
    smt("comment", "one", "worth keeping")
    before = fact("one", "timestamp")
    said = smt("delete", "on", "last", "one")
    assert (said.status, said.out) == (0, "")
    assert "2 records put into the trash" in said.err
    assert smt("list").out == "two\n"
    assert smt("list", "outcome == 'worth keeping'").out == "", "what is in the trash isn't found"
    assert (smt("view", "one").status, smt("comment", "one", "x").status) == (4, 4)
    assert smt("delete", "--undo") == (0, "three three\n", "")
    assert smt("delete", "--undo") == (0, "one\n", "")
    assert (fact("one", "outcome"), fact("one", "timestamp")) == ("worth keeping", before)
    said = smt("delete", "--undo")
    assert (said.status, said.out) == (4, "")
    assert "nothing in the trash" in said.err
    assert smt("list").out.splitlines() == ["three three", "two", "one"], "in the places that they had"


def test_what_is_in_the_trash_comes_back_by_label(notebook, smt):
    smt("delete", "one", "two", "three three")
    assert smt("delete", "--undo", "two", "one") == (0, "two\none\n", "")
    assert smt("delete", "--undo", "nosuch").status == 4
    assert smt("list").out.splitlines() == ["two", "one"]


def test_if_one_of_several_labels_is_unknown_nothing_is_deleted(notebook, smt):
    assert smt("delete", "one", "nosuch").status == 4
    assert smt("delete", "--tag", "nosuch").status == 4
    assert len(smt("list").out.splitlines()) == 3


def test_a_label_that_is_used_again_keeps_the_older_record_in_the_trash(notebook, smt, fact):
    smt("delete", "one")
    assert smt("run", "-q", "-l", "one", "-r", "again", "--", "true").status == 0
    for words in ([], ["one"]):
        said = smt("delete", "--undo", *words)
        assert (said.status, said.out) == (1, "")
        assert "another record called 'one'" in said.err
    assert fact("one", "reason") == "again"
    smt("delete", "two")
    assert smt("delete", "--undo").out == "two\n", "the others aren't kept from coming back"


def test_delete_by_tag_asks_for_whole_tags_and_for_any_of_several(notebook, smt):
    for tag, label in [("bad", "one"), ("bad idea", "two"), ("worse", "three")]:
        smt("tag", tag, label)
    said = smt("delete", "--tag", "idea")
    assert (said.status, "tags in use: bad, bad idea, worse" in said.err) == (4, True)
    assert smt("delete", "-t", "bad", "worse").status == 0
    assert smt("list").out == "two\n"


def test_data_stay_unless_asked_for_and_only_what_is_unchanged_is_deleted(notebook, smt):
    data = notebook / "Data"
    assert smt("delete", "one").status == 0
    assert (data / "one").exists()
    smt("delete", "--undo")
    said = smt("delete", "--data", "one")
    assert (said.status, "kept" in said.err) == (0, False)
    assert not (data / "one").exists()
    (data / "two").write_text("made better by hand\n")
    said = smt("delete", "two", "-d", "three three")
    assert said.status == 1
    assert "'two' was kept: its content has changed since the run" in said.err
    assert "1 data file could not be deleted" in said.err
    assert [path.name for path in data.iterdir()] == ["two"]
    assert smt("list").out == "", "the records are in the trash all the same"
    assert smt("delete", "--undo").out == "three three\n"
    assert smt("delete", "--undo", "--data").status == 2
