"""What `smt list` and `smt view` find and how they show it, to people and to programs."""

import csv
import fcntl
import io
import json
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sumatra.projects import load_project
from sumatra.records import Change, Choice, DataKey, Parameters, Platform, Record, Stream, new_id
from sumatra.selection import FIELDS

ROOT = Path(__file__).resolve().parents[2]
SMT = [sys.executable, str(ROOT / "bin" / "smt")]


def keep(folder: Path, label: str, when: datetime, parameters: dict[str, Any] | None = None, **facts: Any) -> None:
    """Put a record into the project as a run of long ago would have left it."""
    facts.setdefault("status", "finished")
    text = "".join(f"{name} = {value!r}\n" for name, value in (parameters or {}).items())
    facts["parameters"] = Parameters(text, "simple", parameters or {})
    with load_project(folder).record_store as store:
        store.save("MyProject", Record(label=label, id=new_id(), timestamp=when, project="MyProject", **facts))


@pytest.fixture
def notebook(project: Path) -> Path:
    """Four records: ``old`` of 29 February 2020, ``middle`` of yesterday, ``new`` and ``bare`` of now."""
    now = datetime.now(UTC)
    keep(
        project, "old", datetime(2020, 2, 29, 12, 30, tzinfo=UTC), {"tau_m": 10, "net": {"size": 100, "kind": "ring"}},
        tags=frozenset({"Figure 6", "good"}), duration=2.0, reason="first try", outcome="Eureka!", main_file="main.py",
        version="abc123", platforms=(Platform(network_name="alpha"),), user="ada",
        command=("python", "main.py"), output_data=(DataKey("spikes.dat", "sha256:" + "0" * 64, size=12),),
        datastore=Choice("filesystem", {"root": str(project / "Data")}),
    )
    keep(
        project, "middle", now - timedelta(days=1), {"tau_m": 20.5, "net": {"size": 300, "kind": "line"}},
        tags=frozenset({"Figure 6", "Figure 60"}), duration=0.5, reason="test a SMALLER constant", status="failed",
        exit_status=3, main_file="other.py", version="def456", platforms=(Platform(network_name="beta"),),
        changes=(Change("main.py", "modified"),),
    )
    keep(
        project, "new", now, {"tau_m": "adaptive", "seeds": [1, 2, 3], "plastic": True},
        tags=frozenset({"good"}), duration=None, status="killed", signal="SIGTERM", main_file="main.py",
    )
    keep(project, "bare", now + timedelta(seconds=1), duration=7.0)
    return project


@pytest.fixture
def listed(notebook: Path, smt: Callable[..., Any]) -> Callable[..., list[str]]:
    """Return a function that asks `smt list` in the `notebook` and returns the labels; it may say nothing else."""

    def ask(*words: str) -> list[str]:
        said = smt("list", *words)
        assert (said.status, said.err) == (0, ""), said
        return said.out.split()

    return ask


def on_terminal(*words: str, columns: int = 80, **environment: str) -> str:
    """Return what smt shows on a terminal with so many columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [*SMT, *words], stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "TERM": "xterm", **environment}
    )
    os.close(slave)
    shown = b""
    try:
        while piece := os.read(master, 65536):
            shown += piece
    except OSError:  # the other end was closed
        pass
    os.close(master)
    process.wait()
    return shown.decode().replace("\r\n", "\n")


# -- which records -----------------------------------------------------------------------------------------------------


def test_labels_come_newest_first_and_can_be_turned_round_and_counted(listed):
    assert listed() == ["bare", "new", "middle", "old"]
    assert listed("-r") == ["old", "middle", "new", "bare"]
    assert listed("-n", "2") == ["bare", "new"]
    assert listed("-r", "-n1") == ["old"]
    assert listed("--count=0") == []


def test_an_empty_project_lists_nothing_in_every_form(project, smt):
    for words in ([], ["-l"], ["-T"], ["--columns=label,tau_m"], ["--sort=tau_m"], ["-f", "shell"]):
        said = smt("list", *words)
        assert (said.status, said.err) == (0, "")
    assert smt("list").out == smt("list", "-T").out == ""
    assert json.loads(smt("list", "--json").out) == []


def test_records_with_all_of_several_tags_are_listed(listed, smt):
    assert listed("Figure 6") == ["middle", "old"]
    assert listed("Figure 6", "good") == ["old"]
    assert listed("good", "-r", "Figure 6") == ["old"], "options may stand between tags"
    assert listed("Figure 60") == ["middle"]
    assert listed("_failed_") == ["middle"], "the tags by which Sumatra 0.8 told the state still find it"
    assert listed("_crashed_") == []


def test_a_tag_that_nobody_carries_is_said_with_what_may_be_meant(notebook, smt):
    for word, told in [("Figure 7", "did you mean 'Figure"), ("old", "a label: smt view old"), ("zebra", "'zebra'")]:
        said = smt("list", word)
        assert (said.status, said.out) == (0, "")
        assert f"no record carries the tag {word!r}" in said.err
        assert told in said.err


def test_a_tag_that_looks_like_a_query_is_a_tag_when_a_record_carries_it(notebook, smt):
    smt("tag", "tau_m > 10", "bare")
    assert smt("list", "tau_m > 10").out == "bare\n"


def test_days_are_of_local_time(notebook, listed, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    keep(notebook, "earlier", datetime.now(UTC) - timedelta(days=2))
    assert listed("-d", "today") == ["bare", "new"]
    assert listed("-d", "yesterday") == ["middle"]
    assert listed("-d", "20200229") == listed("--date=2020-02-29") == ["old"]
    assert listed("-d", "20200228") == []
    monkeypatch.setenv("TZ", "XYZ-12")  # half past noon in Greenwich is past midnight there
    assert listed("-d", "20200229") == []
    assert listed("-d", "20200301") == ["old"]


def test_main_files_are_found_by_how_they_begin(listed):
    assert listed("-m", "main.py") == listed("--main_file=mai") == ["new", "old"]
    assert listed("-m", "ain.py") == []


def test_main_files_are_found_wherever_they_were_run_from(project, smt):
    source = project / "src"
    source.mkdir()
    (source / "main.py").write_text("print(1)")
    for label, main, folder in [("above", "src/main.py", project), ("inside", "main.py", source),
                                ("beside", "../src/main.py", project / "Data"), ("other", "main.py", project)]:
        python = shlex.quote(sys.executable)
        said = smt("run", "-q", "-l", label, "-e", python, "-m", main, project / "default.param", cwd=folder)
        assert said.status == 0, said
    assert smt("list", "-m", "src/main.py").out.split() == ["beside", "inside", "above"]
    assert smt("list", "-m", "src/").out.split() == ["beside", "inside", "above"]
    assert smt("list", "-m", "./main.py").out.split() == ["other"]
    assert smt("list", "-m", "main.py").out.split() == ["other", "inside"], "as they were typed"
    assert smt("list", "-m", "main.py", cwd=source).out.split() == ["other", "beside", "inside", "above"]
    recorded = [json.loads(smt("view", label, "--json").out)["main_file"] for label in ("above", "inside", "beside")]
    assert recorded == ["src/main.py", "main.py", "../src/main.py"]


def test_values_of_parameters_are_compared_by_kind(listed, smt):
    assert listed("-p", "tau_m=10") == listed("-p", "tau_m=10.0") == ["old"]
    assert listed("-p", "tau_m=adaptive") == listed("-p", "tau_m='adaptive'") == ["new"]
    assert listed("-p", "net.kind=line,tau_m=20.5") == ["middle"]
    assert listed("-p", "net.kind=line", "-p", "tau_m=10") == [], "several of them are all asked for"
    assert listed("-p", "plastic=True") == ["new"]


QUERIES = {
    "tau_m > 10": ["middle"],
    "tau_m >= 10 and not net.size == 300": ["old"],
    "10 <= tau_m < 20.5": ["old"],
    "tau_m == 'adaptive' or tau_m < 11": ["new", "old"],
    "tau_m in (10, 'adaptive')": ["new", "old"],
    "net.kind in ['ring', 'line'] and status != 'failed'": ["old"],
    "2 in seeds": ["new"],
    "4 in seeds": [],
    "plastic": ["new"],
    "plastic == True": ["new"],
    "tau_m == None": ["bare"],
    "'Figure 6' in tags": ["middle", "old"],
    "'Figure' in tags": [],
    "'Figure 6' in tags and 'good' not in tags": ["middle"],
    "status == 'killed' or exit_status == 3": ["new", "middle"],
    "not (status == 'finished')": ["new", "middle"],
    "timestamp < '2021'": ["old"],
    "timestamp == '2020-02'": ["old"],
    "'2020-02-29 12:00' <= timestamp <= '2020-02-29 12:30'": ["old"],
    "timestamp >= 'today'": ["bare", "new"],
    "timestamp > '2020-02-29' and timestamp < today": ["middle"],
    "code == 'abc123'": ["old"],
    "startswith(code, 'def') and changed": ["middle"],
    "host == 'alpha'": ["old"],
    "user == 'ada'": ["old"],
    "duration > 1": ["bare", "old"],
    "0.1 < duration <= 2": ["middle", "old"],
    "duration == None": ["new"],
    "reason == 'first try'": ["old"],
    "'SMALLER' in reason": ["middle"],
    "matches(reason, 'test a .* constant$')": ["middle"],
    "matches(reason, '(?i)smaller')": ["middle"],
    "outcome == 'Eureka!'": ["old"],
    "outcome != '' and tau_m > net.size": [],
    "tau_m < net.size": ["middle", "old"],
    "endswith(main_file, '.py') and label in ('old', 'bare')": ["old"],
    "'spikes.dat' in output": ["old"],
    "text('eureka')": ["old"],
    "text('const*')": ["middle"],
    "command == 'python main.py'": ["old"],
    "parameters.tau_m == 10": ["old"],
}


def test_queries_find_what_they_say(notebook):
    """Each goes through `find_records`, with which `smt list` shares all that follows the reading of its words."""
    project = load_project(notebook)
    found = {query: [record.label for record in project.find_records(query)] for query in QUERIES}
    project.close()
    assert found == QUERIES


def test_a_query_is_told_from_a_tag_by_its_operator(listed):
    for query in (
        "tau_m > 10 and status == 'failed' and 'Figure 6' in tags", "10 < tau_m", "startswith(reason, 'test')",
        "not plastic and exit_status", "tau_m>20", "'Figure 60' in tags",
    ):
        assert listed(query) == ["middle"], query


def test_queries_tags_and_filters_are_all_asked_for(listed):
    assert listed("tau_m < 1000", "Figure 6", "good", "-m", "main") == ["old"]
    assert listed("tau_m < 1000", "status == 'failed'", "-d", "yesterday") == ["middle"]
    assert listed("tau_m < 1000", "-d", "today") == []


def test_a_query_for_a_parameter_that_no_record_has_finds_nothing_and_says_so(notebook, smt):
    for words, name, guess in [
        (["tau_n > 3"], "tau_n", "tau_m"), (["size > 3"], "size", "net.size"), (["lable == 'old'"], "lable", "label"),
        (["-p", "tau_n=3"], "tau_n", "tau_m"),
    ]:
        said = smt("list", *words)
        assert (said.status, said.out) == (0, "")
        assert said.err == f"smt: no record has a parameter {name!r}; did you mean {guess!r}?\n"
    assert smt("list", "net.kind == 'ring'").err == "", "that the newest record lacks it is no slip"


def test_a_query_that_makes_no_sense_is_refused_with_what_to_write(project, smt):
    for query, hint in (
        ("status = 'failed'", "write == in the place of ="), ("tau_m=3", "equality is =="),
        ("plastic && changed", "write and in the place of &&"), ("tags == 'good'", "'something' in tags"),
        ("status == 'finishd'", "'finished'"), ("'x' in duration", "column"), ("matches(reason, '(')", "column"),
    ):
        said = smt("list", query)
        assert (said.status, said.out) == (8, ""), query
        assert hint in said.err


# -- in which order, with which columns --------------------------------------------------------------------------------


def test_lists_are_sorted_by_fields_and_parameters(listed):
    assert listed("--sort=duration") == ["middle", "old", "bare", "new"], "what has none comes last"
    assert listed("--sort=-duration") == ["bare", "old", "middle", "new"]
    assert listed("--sort", "-duration", "-n", "1") == ["bare"]
    assert listed("--sort=tau_m") == ["old", "middle", "new", "bare"], "numbers, then texts, then nothing"
    assert listed("--sort=-net.size", "-m", "o") == ["middle"]
    assert listed("--sort=main_file,-label") == ["old", "new", "middle", "bare"]
    assert listed("--sort", "label", "-r") == ["old", "new", "middle", "bare"]


def test_columns_are_fields_and_parameters_as_asked_for(notebook, smt):
    shown = smt("list", "--columns=label, tau_m,net.kind,duration,nothing_here", "-m", "main").err
    assert "nothing_here" in shown
    table = smt("list", "--columns=label, tau_m,net.kind,tags").out.splitlines()
    assert [line.split() for line in table] == [
        ["label", "tau_m", "net.kind", "tags"], ["bare"], ["new", "adaptive", "good"],
        ["middle", "20.5", "line", "Figure", "6,", "Figure", "60"], ["old", "10", "ring", "Figure", "6,", "good"],
    ]
    rows = list(csv.DictReader(io.StringIO(smt("list", "-f", "csv", "--columns", "label,host,net.size").out)))
    assert rows[-1] == {"label": "old", "host": "alpha", "net.size": "100"}


def test_a_name_that_no_column_has_is_refused_with_those_that_there_are(notebook, smt):
    for option in ("--columns", "--sort"):
        said = smt("list", f"{option}=label,tau_n")
        assert (said.status, said.out) == (2, "")
        assert "no column 'tau_n'" in said.err
        assert "did you mean 'tau_m'?" in said.err
        for name in ("label", "duration", "net.kind", "plastic"):
            assert name in said.err.partition("known are")[2]
        assert "did you mean 'status'?" in smt("list", f"{option}=Status").err
        assert smt("list", f"{option}=parameters.net.size").status == 0


# -- in which form -----------------------------------------------------------------------------------------------------


def test_each_form_of_list_tells_what_it_is_for(notebook, smt):
    blocks = re.split(r"^-{80}\n", smt("list", "-l").out, flags=re.MULTILINE)[1:]
    assert [block.split("\n")[0] for block in blocks] == [
        f"Label            : {label}" for label in ("bare", "new", "middle", "old")
    ]
    assert re.search(r"^Outcome +: Eureka!$", blocks[-1], re.MULTILINE)
    assert re.search(r"^Status +: killed by SIGTERM$", blocks[1], re.MULTILINE)
    table = smt("list", "-T").out.splitlines()
    assert table[0].split()[:4] == ["label", "status", "timestamp", "duration"]
    assert [line.split()[:2] for line in table[1:]] == [
        ["bare", "finished"], ["new", "killed"], ["middle", "failed"], ["old", "finished"]
    ]
    parameters = smt("list", "-P").out.splitlines()
    assert {"label", "tau_m*", "net.size*", "net.kind*", "seeds*", "plastic*"} == set(parameters[0].split())
    outputs = smt("list", "-O").out.splitlines()
    assert outputs[0].split() == ["label", "path", "size", "digest"]
    assert [line.split() for line in outputs[1:]] == [["old", "spikes.dat", "12", "B", "0" * 12]]


def test_each_format_tells_of_each_record(notebook, smt):
    told = {}
    for name in ("text", "json", "csv", "html", "latex", "markdown", "shell"):
        said = smt("list", "-f", name, "-T", "label != 'bare'")
        assert (said.status, said.err) == (0, ""), name
        words = re.findall(r"\b(?:new|middle|old|Eureka)\b", said.out)
        places = [words.index(word) for word in ("new", "middle", "old", "Eureka")]
        assert places == sorted(places), name
        told[name] = said.out
    found = json.loads(told["json"])
    assert [one["label"] for one in found] == ["new", "middle", "old"]
    assert found[2]["parameters"]["values"] == {"tau_m": 10, "net": {"size": 100, "kind": "ring"}}
    assert found == json.loads(smt("list", "--json", "label != 'bare'").out)
    assert [row["label"] for row in csv.DictReader(io.StringIO(told["csv"]))] == ["new", "middle", "old"]
    subprocess.run(["bash", "-n"], input=told["shell"], text=True, check=True)
    assert told["html"].startswith("<!DOCTYPE html>")
    assert "\\begin{tabular" in told["latex"] or "\\begin{longtable" in told["latex"]
    assert told["markdown"].startswith("| label")


def test_all_fields_are_named_where_queries_are_explained(smt):
    explained = set(re.findall(r"\w+", smt("help", "list").out))
    assert set(FIELDS) - explained == set()


def test_a_run_is_listed_while_it_goes_on_and_as_crashed_when_it_is_gone(project, smt):
    run = subprocess.Popen(
        [*SMT, "run", "-l", "endless", "--", "sleep", "60"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )
    deadline = time.monotonic() + 30
    while smt("list", "status == 'running'").out != "endless\n":
        assert time.monotonic() < deadline and run.poll() is None
    assert re.search(r"^Status +: running$", smt("view", "endless").out, re.MULTILINE)
    program = json.loads(smt("view", "--json").out)["process"]["pid"]
    os.kill(run.pid, 9)
    os.kill(program, 9)
    run.wait()
    while Path(f"/proc/{program}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert smt("list", "status == 'crashed'").out == "endless\n"
    assert smt("list", "_crashed_", "status != 'running'").out == "endless\n"


# -- on a terminal -----------------------------------------------------------------------------------------------------


def test_colour_is_for_terminals_that_want_it(notebook, smt):
    for words in (["list"], ["list", "-l"], ["list", "-T"], ["view", "old"]):
        assert "\x1b[" in on_terminal(*words)
        assert "\x1b" not in smt(*words, TERM="xterm").out
    assert "\x1b" not in on_terminal("list", "-l", NO_COLOR="1")
    assert "\x1b" not in on_terminal("list", "-l", TERM="dumb")
    assert json.loads(on_terminal("list", "--json"))[0]["label"] == "bare"


def test_a_list_on_a_terminal_tells_which_runs_did_not_end_well(notebook):
    assert on_terminal("list", NO_COLOR="1").split() == ["bare", "new", "middle", "old"]
    lines = re.sub(r"\x1b\[\d*m", "", on_terminal("list")).splitlines()
    assert lines == ["bare", "new  killed by SIGTERM", "middle  failed, exit status 3", "old"]


def test_tables_fit_the_terminal(notebook):
    for columns in (20, 40, 80):
        table = on_terminal("list", "-T", columns=columns, NO_COLOR="1").splitlines()
        assert [line.split()[0] for line in table[1:5]] == ["bare", "new", "middle", "old"], "labels are whole"
        assert max(len(line) for line in table[:5]) <= columns
    assert "Eureka" in on_terminal("list", "-l", columns=20, NO_COLOR="1")


def test_a_reader_that_has_enough_ends_a_list(notebook):
    for words in ("-l", "-T", "--json"):
        done = subprocess.run(
            f"'{SMT[0]}' '{SMT[1]}' list {words} | head -1; echo ${{PIPESTATUS[0]}}",
            shell=True, executable="/bin/bash", capture_output=True, text=True, check=True,
        )
        assert done.stderr == ""
        assert done.stdout.splitlines()[1] in ("0", "141")


# -- view --------------------------------------------------------------------------------------------------------------


def test_a_record_is_found_by_label_beginning_or_as_the_last(notebook, smt):
    keep(notebook, "middling", datetime(2021, 1, 1, tzinfo=UTC))
    for word, label in [("old", "old"), ("o", "old"), ("middle", "middle"), ("last", "bare")]:
        assert smt("view", word).out.split("\n")[1] == f"Label            : {label}"
    assert smt("view").out == smt("view", "last").out
    said = smt("view", "midd")
    assert (said.status, said.out) == (4, "")
    assert "2 records have labels that begin with 'midd'" in said.err
    assert "middle, middling" in said.err
    said = smt("view", "odl")
    assert (said.status, said.out) == (4, "")
    assert "did you mean 'old'?" in said.err


def test_each_part_of_a_record_can_be_had_alone(project, smt):
    main = project / "main.py"
    main.write_text(main.read_text() + "print('to err', file=sys.stderr)\n")
    ran = smt("run", "-l", "one", "-e", "python", "-m", "main.py", "default.param", "tau_m=5.0")
    assert ran.status == 0, ran.err
    assert smt("view", "one", "--script").out == smt("view", "-s", "o").out == main.read_text()
    assert "+print('to err', file=sys.stderr)" in smt("view", "one", "--diff").out
    assert smt("view", "one", "--parameters").out == "# the membrane\ntau_m = 5.0   # ms\nv_init = -65.0\n"
    assert smt("view", "one", "--stdout").out == "tau_m = 5.0\n"
    assert smt("view", "one", "--stderr").out == "to err\n"
    assert smt("view", "one", "--receipt").out == "Nothing is missing.\n"
    found = json.loads(smt("view", "one", "--json").out)
    assert (found["label"], found["status"], found["parameters"]["changed"]) == ("one", "finished", ["tau_m"])
    assert found == json.loads(smt("list", "--json").out)[0]
    shown = smt("view", "one").out
    for told in ("given on the command line\n  tau_m = 5.0", "modified   main.py", "  tau_m = 5.0\n  to err"):
        assert told in shown


def test_parts_that_a_record_does_not_have_are_no_output_or_said(notebook, smt):
    for part in ("--diff", "--parameters"):
        said = smt("view", "bare", part)
        assert (said.status, said.out) == (0, "")
    said = smt("view", "bare", "--stdout")
    assert (said.status, said.out) == (1, "")
    assert "wasn't captured" in said.err
    said = smt("view", "bare", "--script")
    assert (said.status, said.out) == (1, "")
    assert "smt view bare" in said.err
    keep(notebook, "lost", datetime.now(UTC), stdout=Stream(5, "sha256:" + "1" * 64))
    assert "isn't in" in smt("view", "lost", "--stdout").err
