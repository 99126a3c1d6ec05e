"""``smt dependencies``: what code would load, before it is run; what a run has loaded."""

import importlib.metadata
import json
import os
import sys

import pytest


def rows(said):
    assert said.status == 0, said.err
    return {line.split()[0]: line for line in said.out.splitlines()}


def test_a_script_is_read_and_not_run(project, smt):
    (project / "analysis.py").write_text("import numpy, helper, nosuch\nopen('ran', 'w')\n")
    (project / "helper.py").write_text("import json\n")
    told = rows(smt("dependencies", "analysis.py"))
    assert set(told) == {"python", "numpy", "helper.py", "nosuch"}
    assert importlib.metadata.version("numpy") in told["numpy"].split()
    assert "(not found)" in told["nosuch"]
    assert ".".join(map(str, sys.version_info[:3])) in told["python"]
    assert not os.path.exists("ran")
    assert smt("list").out == ""


@pytest.mark.parametrize(
    "words",
    [
        ["python", "main.py", "default.param"], ["--", "python", "main.py"], ["-e", "python", "-m", "main.py", "x"],
        ["./main.py"], ["--simulator=python", "--main=main.py"],
    ],
    ids=" ".join,
)
def test_the_words_are_those_of_a_run(words, project, smt):
    (project / "main.py").write_text("#!/usr/bin/env python\nimport numpy\n")
    (project / "main.py").chmod(0o755)
    assert "numpy" in rows(smt("dependencies", *words))


@pytest.mark.parametrize("option", [["-m", "analysis.run"], ["-Wignore", "-um", "analysis.run"], ["-m", "analysis"]])
def test_a_module_that_python_is_to_run_is_read_with_its_package(option, project, smt):
    (project / "analysis").mkdir()
    (project / "analysis/__init__.py").write_text("from . import first\n")
    (project / "analysis/first.py").touch()
    (project / "analysis/run.py").write_text("import numpy\nfrom .second import x\n")
    (project / "analysis/second.py").touch()
    (project / "analysis/__main__.py").write_text("from . import run\n")
    (project / "analysis/not_loaded.py").touch()
    told = set(rows(smt("dependencies", "python", *option, "3")))
    inside = {"__init__.py", "first.py", "run.py", "second.py", *(["__main__.py"] if option[-1] == "analysis" else [])}
    assert told == {"python", "numpy", *(f"analysis/{name}" for name in inside)}
    assert set(rows(smt("dependencies", "python", "-m", "nosuch"))) == {"python", "nosuch"}
    assert smt("dependencies", "--", "python", "-c", "import m").out == ""


def test_without_words_it_is_the_projects_own_program(project, smt):
    assert smt("configure", "--executable=python", "--main=main.py").status == 0
    assert set(rows(smt("dependencies"))) == {"python"}
    assert set(rows(smt("dependencies", "default.param"))) == {"python"}


def test_a_script_whose_program_is_not_installed_is_read_all_the_same(project, smt):
    (project / "main.g").write_text("include cell\n")
    (project / "cell.g").touch()
    assert list(rows(smt("dependencies", "main.g"))) == ["cell.g"]


def test_json_has_the_fields_of_a_record(project, smt):
    (project / "main.py").write_text("import numpy\n")
    told = json.loads(smt("dependencies", "--json", "main.py").out)
    (numpy,) = [each for each in told["dependencies"] if each["name"] == "numpy"]
    assert numpy["version"] == importlib.metadata.version("numpy")
    assert (numpy["module"], numpy["flags"]) == ("python", ["not loaded"])


def test_what_a_run_has_loaded_is_told_by_its_label(project, smt):
    said = smt("run", "--label=one", "--", "true")
    assert said.status == 0, said.err
    said = smt("dependencies", "--label", "one", "--json")
    assert said.status == 0, said.err
    assert isinstance(json.loads(said.out)["dependencies"], list)
    assert smt("dependencies", "--label=nosuch").status != 0


def test_names_with_odd_letters_are_shown_safely(project, smt):
    (project / "\x1b[31mred.g").touch()
    (project / "main.g").write_text("include \x1b[31mred\n")
    said = smt("dependencies", "main.g")
    assert said.status == 0, said.err
    assert "red.g" in said.out and "\x1b" not in said.out


def test_nothing_to_tell_is_said(project, smt):
    (project / "main.sh").write_text("exit\n")
    said = smt("dependencies", "sh", "main.sh")
    assert (said.status, said.out) == (0, "")
    assert "nothing is known" in said.err
    assert smt("dependencies", "nosuchprogram").status != 0


@pytest.mark.needs("strace")
def test_a_helper_outside_version_control_is_a_dependency_of_the_run_and_an_input_with_a_digest(project, smt, tmp_path):
    (tmp_path / "tools.sh").write_text("answer=42\n")
    (project / "go.sh").write_text(f". {tmp_path}/tools.sh\necho $answer\n")
    said = smt("run", "--label=one", "--", "sh", "go.sh")
    assert said.status == 0, said.err
    record = json.loads(smt("view", "one", "--json").out)
    assert [(each["path"], each["module"]) for each in record["dependencies"] if each["module"] == "shell"] == [
        (str(tmp_path / "tools.sh"), "shell")
    ]
    (key,) = [key for key in record["input_data"] if key["path"].endswith("tools.sh")]
    assert key["digest"]


@pytest.mark.needs("strace")
@pytest.mark.provokes("mechanisms-outdated")
def test_mechanisms_that_were_compiled_from_something_else_are_told_after_the_run(project, smt):
    (project / "leak.mod").write_text("NEURON { SUFFIX leak }\nPARAMETER { g = .002 }\n")
    (project / "x86_64").mkdir()
    named = os.fsencode(os.path.realpath("leak.mod"))
    (project / "x86_64" / "libnrnmech.so").write_bytes(
        b"\x7fELF\0" + named + b"\0NEURON { SUFFIX leak }\nPARAMETER { g = .001 }\n\0"
    )
    said = smt("run", "--", "cat", "x86_64/libnrnmech.so")
    assert said.status == 0, said.err
    assert "wasn't compiled from leak.mod as that is now" in said.err
    assert "mechanisms-outdated" in [each["code"] for each in json.loads(smt("view", "--json").out)["receipt"]]
