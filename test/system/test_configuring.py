"""Settings: what `smt configure` is told stays so, and `smt info`, `help` and `version` tell what is."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import sumatra
from sumatra.cli import BACKENDS
from sumatra.facts import as_dict
from sumatra.settings import Settings, read

ROOT = Path(__file__).resolve().parents[2]
SMT = [sys.executable, str(ROOT / "bin" / "smt")]

#: Each option of configure, with the setting that it changes, a value, and what is kept of it.
OPTIONS = [
    ("--datapath=results", "data_path", "results"),
    ("--input=inputs", "input_path", "inputs"),
    ("--addlabel=parameters", "add_label", "parameters"),
    ("--executable=python -u", "executable", "python -u"),
    ("--simulator=sh", "executable", "sh"),
    ("--main=main.py", "main_file", "main.py"),
    ("--on-changed=error", "on_changed", "error"),
    ("--labelgenerator=uuid", "label_generator", "uuid"),
    ("--timestamp_format=%Y-%j", "timestamp_format", "%Y-%j"),
    ("--launch_mode=serial", "launch_mode", "serial"),
    ("--launch_mode_options=-x 1", "launch_mode_options", "-x 1"),
    ("--description=of \"squids\" & café", "description", "of \"squids\" & café"),
    ("--largest-untracked=2 kB", "largest_untracked", "2 kB"),
    ("--trace=strace", "trace", "strace"),
    ("--bundle", "bundle", True),
    ("--no-bundle", "bundle", False),
    ("--ignore=*.tmp", "ignore", ["*.tmp"]),
    ("--tolerance=Data/*.csv:v=1e-6,1e-12", "tolerance", ["Data/*.csv:v=1e-6,1e-12"]),
    ("--most-files=500", "most_files", 500),
    ("--repository=https://example.org/code.git", "repository", "https://example.org/code.git"),
    ("--plain", "plain", True),
    ("--no-plain", "plain", False),
    ("--ignore-parameters", "ignore_parameters", True),
    ("--parse-parameters", "ignore_parameters", False),
    ("--store=.smt/others.sqlite", "record_store", ".smt/others.sqlite"),
    ("--no-ignore=*.tmp", "ignore", []),
]


def settings(folder: Path) -> dict:
    return tomllib.loads((folder / ".smt" / "project.toml").read_text())


def plain(chosen: Settings) -> dict:
    return json.loads(json.dumps(as_dict(chosen)))


def test_each_option_of_configure_is_in_the_settings_and_changes_no_other(project, smt):
    expected = plain(read(project / ".smt"))
    for option, name, value in OPTIONS:
        said = smt("configure", option)
        assert said == (0, "", ""), said
        expected[name] = value
        assert plain(read(project / ".smt")) == expected, option
        assert settings(project).get(name, False) == value or name == "launch_mode", "False is the default"
    assert expected.items() <= json.loads(smt("info", "--json").out).items()
    named = {re.split("[= ]", option)[0] for option, _, _ in OPTIONS}
    offered = set(re.findall(r"--[a-z_-]+", smt("help", "configure").out))
    spelled_twice = {"--timestamp-format", "--launch-mode", "--launch-mode-options", "--help"}
    assert offered - spelled_twice == named, "each option is tried here"


def test_what_init_is_told_is_in_the_settings(repository, smt):
    said = smt(
        "init", "My Project", "-d", "out", "-e", "python", "-m", "main.py", "-c", "error", "-g", "uuid",
        "-l", "cmdline", "--description", "leaks", "-s", "kept.sqlite", "--plain", "--largest-untracked=5MB",
    )
    assert (said.status, said.err) == (0, "")
    assert settings(repository) == {
        "schema": 1, "name": "My Project", "data_path": "out", "executable": "python", "main_file": "main.py",
        "on_changed": "error", "label_generator": "uuid", "add_label": "cmdline", "description": "leaks",
        "record_store": "kept.sqlite", "plain": True, "largest_untracked": "5MB",
    }
    assert smt("run", "-q", "default.param").status == 0
    assert (repository / "kept.sqlite").exists()


def test_short_options_are_those_of_sumatra_0_8(project, smt):
    smt("configure", "-d", "a", "-i", "b", "-l", "cmdline", "-e", "python", "-m", "main.py", "-c", "error")
    smt("configure", "-g", "uuid", "-t", "%H", "-L", "serial", "-o", " -y", "-r", "ssh://git@example.org/x", "-p")
    kept = settings(project)
    for name, value in [("data_path", "a"), ("input_path", "b"), ("add_label", "cmdline"), ("executable", "python"),
                        ("main_file", "main.py"), ("on_changed", "error"), ("label_generator", "uuid"),
                        ("timestamp_format", "%H"), ("launch_mode_options", " -y"), ("plain", True),
                        ("repository", "ssh://git@example.org/x")]:
        assert kept[name] == value


def test_settings_are_heeded_by_the_next_run(project, smt):
    smt("configure", "-e", "python", "-m", "main.py", "-t", "run-%Y", "-d", ".")
    assert smt("run", "default.param").out == "tau_m = 20.0\n"
    year = smt("list").out
    assert re.fullmatch(r"run-\d{4}\n", year)
    assert [key["path"] for key in json.loads(smt("view", "--json").out)["output_data"]] == ["Data/example.dat"]
    smt("configure", "-g", "uuid", "-l", "cmdline", "-e", "echo", "-m", "", "-p")
    said = smt("run", "x=1")
    label = smt("list", "-n1").out
    assert re.fullmatch(r"[0-9a-f]{8,}[0-9a-f-]*\n", label)
    assert said.out == f"x=1 {label}"


def test_an_empty_text_brings_back_the_default(project, smt):
    before = json.loads(smt("info", "--json").out)
    options = ["-d", "-i", "-e", "-m", "-t", "-s", "-o", "--description", "--largest-untracked", "--ignore",
               "--most-files"]
    smt("configure", "-d", "x", "-i", "y", "-e", "sh", "-m", "z.py", "-t", "%H", "-o", "-x", "--description", "w",
        "--largest-untracked", "1", "--ignore", "x", "--ignore", "y", "--most-files", "7")
    said = smt("configure", *(word for option in options for word in (option, "")))
    assert said == (0, "", "")
    assert json.loads(smt("info", "--json").out) == before


def test_patterns_of_files_to_ignore_are_added_and_taken_away_one_by_one(project, smt):
    def patterns(*words: str) -> list[str]:
        assert smt("configure", *words) == (0, "", "")
        return settings(project)["ignore"]

    assert patterns("--ignore", "*.tmp", "--ignore", "a, \"b\"\\ ") == ["*.tmp", "a, \"b\"\\ "]
    assert patterns("--ignore", "!keep.tmp") == ["*.tmp", "a, \"b\"\\ ", "!keep.tmp"]
    assert patterns("--ignore", "*.tmp") == ["a, \"b\"\\ ", "!keep.tmp", "*.tmp"], "the last one decides"
    assert patterns("--no-ignore", "*.tmp", "--ignore", "/x/") == ["a, \"b\"\\ ", "!keep.tmp", "/x/"]
    assert "!keep.tmp  /x/" in smt("info").out
    said = smt("configure", "--no-ignore", "*.tmp")
    assert (said.status, said.out) == (2, "")
    assert "'*.tmp' isn't ignored" in said.err
    assert patterns("--ignore", "", "--ignore", "y") == ["y"]


def test_paths_are_those_that_the_user_sees(project, smt):
    below = project / "below"
    below.mkdir()
    assert smt("configure", "-d", "out", "-m", "../main.py", "-s", "sqlite:runs.sqlite", cwd=below) == (0, "", "")
    kept = settings(project)
    assert (kept["data_path"], kept["main_file"]) == ("below/out", "main.py")
    assert kept["record_store"] == "below/runs.sqlite"
    smt("configure", "-d", "../elsewhere", "-i", "~/data")
    assert settings(project)["data_path"] == str(project.parent / "elsewhere")
    assert settings(project)["input_path"] == os.path.expanduser("~/data")


def test_what_makes_no_sense_is_refused_and_changes_nothing(project, smt):
    before = (project / ".smt" / "project.toml").read_bytes()
    for words in (["-c", "perhaps"], ["-l", "everywhere"], ["-g", "dice"], ["-s", "nosuch://x"], ["-e", "'"],
                  ["-p", "--no-plain"], ["--description", "a\nb"], ["-A", "archive"], ["surplus"],
                  ["-d", "new", "--largest-untracked", "huge"], ["-s", "https://me:secret@example.org/"],
                  ["--ignore", "[a"], ["--ignore", "# x"], ["--ignore", "a\nb"], ["--no-ignore", "unknown"],
                  ["--most-files", "0"], ["--most-files", "-1"], ["--most-files", "many"]):
        said = smt("configure", *words)
        assert (said.status, said.out) == (2, ""), words
        assert "Traceback" not in said.err
        assert "secret" not in said.err
    assert (project / ".smt" / "project.toml").read_bytes() == before


def test_a_new_store_gets_the_records_and_the_old_one_keeps_them(project, smt):
    for label in ("one", "two"):
        smt("run", "-q", "-l", label, "-t", "kept", "--", "true")
    smt("comment", "one", "a thought")
    said = smt("configure", "--store", "new.sqlite")
    assert (said.status, said.out) == (0, "")
    assert "2 records copied; .smt/records.sqlite is left as it is" in said.err
    assert smt("list", "kept").out == "two\none\n"
    assert json.loads(smt("view", "one", "--json").out)["outcome"] == "a thought"
    smt("run", "-q", "-l", "three", "--", "true")
    smt("configure", "--store=")
    assert smt("list").out == "three\ntwo\none\n", "the same records again are not twice there"


def test_a_store_that_cannot_be_written_is_not_changed_to(project, smt):
    smt("run", "-q", "-l", "one", "--", "true")
    (project / "broken.sqlite").write_bytes(b"no database at all, and never was one" * 100)
    said = smt("configure", "--store", "broken.sqlite")
    assert (said.status, said.out) == (5, "")
    assert smt("list").out == "one\n"


def test_the_store_is_not_changed_while_something_is_running(project, smt):
    command = f"sleep 0.3; {shlex.join(SMT)} configure --store=new.sqlite"
    said = smt("run", "-q", "-l", "busy", "--", "sh", "-c", command)
    assert said.status == 2
    assert "busy is still running" in said.err
    assert settings(project).get("record_store", ".smt/records.sqlite") == ".smt/records.sqlite"
    assert smt("list").out == "busy\n"


# -- info, help, version -----------------------------------------------------------------------------------------------


def test_info_tells_the_settings_to_people_and_to_programs(project, smt):
    smt("configure", "-e", "python", "--description", "leaks: a study")
    said = smt("info")
    assert (said.status, said.err) == (0, "")
    rows = dict(re.split(" *: ", line, maxsplit=1) for line in said.out.splitlines())
    assert rows["Project name"] == "MyProject"
    assert rows["Default executable"] == "python"
    assert rows["Description"] == "leaks: a study"
    assert rows["Observed by"] == "auto"
    assert len({line.index(":") for line in said.out.splitlines()}) == 1
    assert rows["Data store (output)"] == str(project / "Data")
    found = json.loads(smt("info", "--json", cwd=project / "Data").out)
    assert (found["name"], found["executable"], found["folder"]) == ("MyProject", "python", str(project))
    assert (found["plain"], found["sumatra_version"]) == (False, sumatra.__version__)


def test_help_lists_all_commands_and_explains_each(smt):
    overview = smt("help")
    assert smt() == smt("--help") == smt("-h") == overview
    assert (overview.status, overview.err) == (0, "")
    assert re.findall(r"^  (\w+)  ", overview.out, re.MULTILINE) == list(BACKENDS)
    assert sumatra.__version__ in overview.out
    for command in BACKENDS:
        said = smt("help", command)
        assert (said.status, said.err) == (0, ""), command
        assert said.out.startswith(f"usage: smt {command}")
        assert max(map(len, said.out.splitlines())) <= 120
    assert smt("tag", "--help") == smt("help", "tag")


def test_a_slip_in_a_command_gets_a_guess(smt):
    for words, guess in [
        (["coment"], "comment"), (["help", "coment"], "comment"), (["xyzzy"], None), (["help", "xyzzy"], None),
        (["--list"], "list"),
    ]:
        said = smt(*words)
        assert (said.status, said.out) == (2, "")
        assert f"there is no command {words[-1]!r}" in said.err
        assert f"did you mean {guess!r}?" in said.err if guess else "known are: changed, " in said.err


def test_version_is_that_of_the_package(smt):
    assert smt("version") == smt("--version") == (0, f"{sumatra.__version__}\n", "")


def test_commands_do_not_need_a_terminal_or_a_home(project, smt, monkeypatch):
    monkeypatch.delenv("HOME")
    smt("run", "-q", "-l", "one", "--", "true")
    done = subprocess.run([*SMT, "list", "-l"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Label            : one" in done.stdout
