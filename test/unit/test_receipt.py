"""Every finding is known: what it means, what it costs a repeat, what mends it, and how to provoke it."""

import ast
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sumatra.capture import observation
from sumatra.facts import replace
from sumatra.formatting import View
from sumatra.formatting.layout import cells
from sumatra.formatting.view import receipt, receipt_as_json, receipt_in_short, record_view
from sumatra.receipt import CODES, findings_of, is_serious, lines
from sumatra.records import (
    Change,
    Checkout,
    DataKey,
    Dependency,
    Executable,
    Finding,
    Parameters,
    Record,
    Repository,
)

ROOT = Path(__file__).resolve().parents[2]
RECORD = Record(label="one", timestamp=datetime(2026, 11, 22, tzinfo=UTC), status="finished")
PROJECT = "/home/ada/project"


def codes_in_the_source() -> set[str]:
    """Return the codes of all findings that our own code can make."""
    found = set(observation._SENTENCES) - {"log-removed"}  # which is another sentence for log-lost
    for source in (ROOT / "sumatra").rglob("*.py"):
        if "testing" not in source.parts:
            for node in ast.walk(ast.parse(source.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
                    first = node.args[0]
                    if isinstance(first, ast.Constant):
                        found.add(first.value)
                    else:
                        assert source.name == "observation.py", f"{source}:{node.lineno}: the code can't be read off"
    return found


def provocations() -> Iterator[tuple[str, str, str]]:
    """Yield each code that a test says it provokes, with the test's name and what it consists of beside that word."""
    for source in (ROOT / "test").rglob("test_*.py"):
        text = source.read_text("utf-8")
        for node in ast.walk(ast.parse(text)) if "mark.provokes" in text else ():
            if isinstance(node, ast.FunctionDef):
                codes: list[str] = []
                rest = [ast.unparse(statement) for statement in node.body]
                for decorator in node.decorator_list:
                    if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.provokes":
                        codes += [ast.literal_eval(argument) for argument in decorator.args]
                    else:
                        rest.append(ast.unparse(decorator))
                yield from ((code, node.name, "\n".join(rest)) for code in codes)


# --- the table


def test_the_table_knows_each_code_that_is_used_and_no_other():
    assert set(CODES) == codes_in_the_source()


def test_the_table_is_in_order_and_says_what_is_to_be_said():
    assert list(CODES) == sorted(CODES)
    for code, kind in CODES.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)
        assert kind.meaning[0].isupper() and kind.meaning.endswith("."), code
        assert kind.consequence[0].isupper() and kind.consequence.endswith("."), code
        assert "\n" not in kind.meaning + kind.consequence + kind.remedy, code


def test_each_code_is_on_the_page():
    page = (ROOT / "doc" / "reference" / "receipt.rst").read_text("utf-8")
    assert re.findall(r"(?m)^``([a-z-]+)``(?: \(\*ordinary\*\))?$", page) == list(CODES)


def test_each_code_is_provoked_by_a_test_that_looks_for_it():
    told = list(provocations())
    assert {code for code, _, _ in told} == set(CODES)
    assert [(code, name) for code, name, body in told if f"{code!r}" not in body] == []


def test_a_command_of_ours_that_mends_something_is_one_that_there_is():
    from sumatra.cli import BACKENDS

    page = (ROOT / "doc" / "reference" / "commands.rst").read_text("utf-8")
    remedies = [kind.remedy for kind in CODES.values() if "smt " in kind.remedy]
    assert len(remedies) > 5
    for remedy in remedies:
        for command, rest in re.findall(r"\bsmt (\S+)([^,]*)", remedy):
            assert command in BACKENDS, remedy
            assert all(f"``{option}" in page for option in re.findall(r"--[a-z-]+", rest)), remedy


# --- what the user reads


def shown(record: Record, width: int | None = None, color: bool = False) -> str:
    return "".join(receipt(record, View(width=width, color=color)))


def test_a_clean_record_has_nothing_to_say():
    assert shown(RECORD) == "Nothing is missing.\n"
    assert list(receipt_in_short(RECORD)) == []
    assert "Receipt" not in "".join(record_view(RECORD))
    assert receipt_as_json(RECORD) == []


def test_what_is_serious_comes_first_and_nothing_twice():
    found = [Finding("unpushed", "a"), Finding("log-lost", "b"), Finding("unpushed", "a"), Finding("unpushed", "c")]
    assert [(line.code, line.message) for line in lines(found)] == [("log-lost", "b"), ("unpushed", "a"),
                                                                    ("unpushed", "c")]


def test_the_remedy_of_the_finding_goes_before_that_of_its_code():
    own, general = lines([Finding("unpushed", "a", "hg push"), Finding("unpushed", "b")])
    assert (own.remedy, general.remedy) == ("hg push", CODES["unpushed"].remedy)


def test_a_remedy_names_the_record_as_it_can_be_typed():
    finding = Finding("input-outside", "a")
    assert "smt comment 'a run' …" in shown(replace(RECORD, receipt=(finding,), label="a run"))


def test_a_code_that_we_do_not_know_is_shown_as_it_is():
    finding = Finding("from-a-plug-in", "the cat sat on it", "move the cat")
    assert is_serious(finding)
    text = shown(replace(RECORD, receipt=(finding,)))
    assert text == "from-a-plug-in\n    the cat sat on it\n    → move the cat\n"


@pytest.mark.parametrize("width", [30, 80])
def test_it_fits_into_the_terminal(width):
    found = tuple(Finding(code, "something with 語語語語語 and more words of it " * 3) for code in CODES)
    record = replace(RECORD, receipt=found, label="a label")
    for text in (shown(record, width), "".join(receipt_in_short(record, View(width=width)))):
        assert max(map(cells, text.splitlines())) <= width
    assert "\x1b[" not in shown(record, width) and "\x1b[" in shown(record, width, color=True)


def test_the_line_of_a_record_names_the_command_as_it_can_be_typed():
    record = replace(RECORD, receipt=(Finding("unpushed", "a"), Finding("no-remote", "b")), label="it's $1")
    (line,) = receipt_in_short(record)
    assert line.startswith("Receipt: 2 things are missing") and line.endswith("smt view --receipt 'it'\"'\"'s $1'\n")


def test_control_characters_of_a_stranger_do_not_get_through():
    text = shown(replace(RECORD, receipt=(Finding("\x1b[31m", "\x1b[2J", "\x07"),)))
    assert "\x1b" not in text and "\x07" not in text


def test_it_is_there_for_programs():
    record = replace(RECORD, receipt=(Finding("unpushed", "a"),))
    (found,) = json.loads(json.dumps(receipt_as_json(record)))
    assert found == {
        "code": "unpushed", "message": "a", "consequence": CODES["unpushed"].consequence,
        "remedy": CODES["unpushed"].remedy,
    }


# --- what a record says of itself


def codes(record: Record = RECORD, **facts: Any) -> list[str]:
    return [finding.code for finding in findings_of(replace(record, **facts), [PROJECT])]


def test_an_ordinary_record_has_no_findings():
    assert codes(
        input_data=(DataKey(f"{PROJECT}/in.csv", "sha256:0"), DataKey("relative.csv", "sha256:0")),
        dependencies=(
            Dependency("numpy", "/usr/lib/python3/dist-packages/numpy", "2.1", "python"),
            Dependency("model", f"{PROJECT}/model.py", None, "python"),
        ),
        parameters=Parameters("seed = 3", "simple", {"seed": 3}),
    ) == []


@pytest.mark.provokes("input-outside")
def test_inputs_from_elsewhere_are_told_by_name():
    keys = tuple(DataKey(f"/data/{number}.csv", "sha256:0") for number in range(7))
    (finding,) = findings_of(replace(RECORD, input_data=(*keys, DataKey(f"{PROJECT}x", "sha256:0"))), [PROJECT])
    assert finding.code == "input-outside"
    assert finding.message.startswith("8 files were read from outside the project: /data/0.csv, /data/1.csv")
    assert finding.message.endswith(" and 3 more")


def test_the_repository_around_the_project_is_not_outside():
    repository = Repository("git", "/home/ada", root="/home/ada")
    assert codes(repository=repository, input_data=(DataKey("/home/ada/shared.csv", "sha256:0"),)) == []


@pytest.mark.provokes("input-unknown")
def test_inputs_without_digest_are_told_unless_something_else_does():
    assert codes(input_data=(DataKey("gone.csv", flags=("missing",)),)) == ["input-unknown"]
    for flag in ("not hashed", "changed by the run", "changed during the run"):
        assert codes(input_data=(DataKey("in.csv", flags=(flag,)),)) == []


@pytest.mark.provokes("editable-install")
def test_editable_installs_need_version_control():
    tools = Dependency("tools", "/home/ada/tools", "0.1", "python", flags=("editable",))
    assert codes(dependencies=(tools,)) == ["editable-install"]
    in_checkout = replace(tools, checkout="/home/ada/tools")
    clean = Checkout("/home/ada/tools", "git", version="abc")
    assert codes(dependencies=(in_checkout,), checkouts=(clean,)) == []
    assert codes(dependencies=(in_checkout,), checkouts=(replace(clean, version=None),)) == ["editable-install"]
    assert codes(dependencies=(replace(tools, path=PROJECT),)) == []
    loose = Dependency("helper", "/home/ada/lib/helper.py", None, "python")
    assert codes(dependencies=(loose,)) == ["editable-install"]
    assert codes(dependencies=(replace(loose, version="1", source="helper.py"),)) == ["editable-install"]
    assert codes(dependencies=(replace(loose, version="1", source="metadata"),)) == []
    assert codes(dependencies=(replace(loose, version="1", source="modules of the cluster"),)) == []
    assert codes(dependencies=(replace(loose, checkout="/home/ada/lib"),)) == ["version-unknown"]
    assert codes(dependencies=(replace(loose, path="/usr/share/tool/helper.py"),)) == ["version-unknown"]


@pytest.mark.provokes("dependency-changed")
def test_libraries_that_are_not_as_their_version_says_are_told():
    tools = Dependency("tools", "/home/ada/tools", "0.1", "python", checkout="/home/ada/tools")
    dirty = Checkout("/home/ada/tools", "git", version="abc", changes=(Change("a.py", "modified"),))
    assert codes(dependencies=(tools,), checkouts=(dirty,)) == ["dependency-changed"]
    assert codes(dependencies=(replace(tools, flags=("changed",)),)) == ["dependency-changed"]
    installed = Dependency("x", f"{PROJECT}/.venv/lib/site-packages/x", "1", "python", flags=("changed",))
    assert codes(dependencies=(installed,)) == ["dependency-changed"]


@pytest.mark.provokes("version-unknown")
def test_libraries_without_version_are_told():
    found = (Dependency("odd", "/opt/odd/lib.so"), Dependency("guess", "/opt/guess", flags=("not loaded",)))
    (finding,) = findings_of(replace(RECORD, dependencies=found), [PROJECT])
    assert (finding.code, finding.message) == ("version-unknown", "a library whose version isn't known: odd")


NUMPY = Dependency("numpy", "/usr/lib/numpy", "2.1", "python")


@pytest.mark.provokes("seed-unknown")
@pytest.mark.parametrize("facts", [
    {"executable": Executable("/usr/bin/nest", "NEST", "3.8")},
    {"dependencies": (Dependency("torch", "/usr/lib/torch", "2.5", "python"),)},
    {"dependencies": (NUMPY,), "parameters": Parameters("tau_m = 3", "simple", {"tau_m": 3})},
    {"dependencies": (NUMPY,), "parameters": Parameters("a = 3", "simple", {"a": 3}), "seeds": {"PYTHONHASHSEED": "0"}},
])  # fmt: skip
def test_a_seed_is_missed_where_random_numbers_are_likely(facts):
    assert codes(**facts) == ["seed-unknown"]


@pytest.mark.parametrize("facts", [
    {"dependencies": (NUMPY,)},
    {"parameters": Parameters("tau_m = 3", "simple", {"tau_m": 3})},
    {"dependencies": (NUMPY,), "parameters": Parameters("", "json", {"rng": {"Seed": 3}})},
    {"dependencies": (replace(NUMPY, name="torch"),), "command": ("python", "train.py", "--seed=3")},
    {"dependencies": (replace(NUMPY, name="torch"),), "seeds": {"SEED": "3"}},
])  # fmt: skip
def test_a_seed_is_not_missed_elsewhere(facts):
    assert codes(**facts) == []
