"""A project under Perforce works as one under git does.

With a stand-in for p4 and its server: see ``test/programs/perforce/p4``.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def model(p4: Callable[..., str]) -> Path:
    """A workspace with a model of two changes, and we are in it; its keywords are filled in."""
    here = Path.cwd()
    for folder in ("one", "two words"):
        (here / folder).mkdir()
        (here / folder / "model@1.py").write_text(f"name = {folder!r}\n")
    (here / "main.py").write_text(
        "# $Revision$\nprint(open('two words/model@1.py').read())\nopen('out', 'w').write('1')\n"
    )
    (here / "weights.bin").write_bytes(b"\x00\x01")
    (here / ".p4ignore").write_text(".smt\nout\n")
    p4("add", "-t", "text+k", "main.py")
    p4("reconcile")
    p4("submit", "-d", "the model")
    p4("edit", "two words/model@1.py")
    (here / "two words" / "model@1.py").write_text("name = 'newer'\n")
    p4("submit", "-d", "newer")
    return here


def change_without_opening(path: Path, content: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(content)


def trouble(here: Path, what: str) -> None:
    file = here.parent / ".p4-stand-in" / "state.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "trouble": what}))


def test_code_changed_twice_is_recorded_viewed_repeated_and_brought_back(
    model: Path, p4: Callable[..., str], smt: Callable[..., Any], tmp_path: Path
) -> None:
    said = smt("init", "MyProject")
    assert (said.status, said.err) == (0, "")
    change_without_opening(model / "two words" / "model@1.py", b"name = 'changed'\n")
    change_without_opening(model / "weights.bin", b"\x00\xff\r\n")
    (model / "new.py").write_text("new\n")
    for _ in range(2):
        said = smt("run", "--executable=python3", "main.py")
        assert said.status == 0, said.err
        assert "changed" in said.out
    record = json.loads(smt("list", "--format=json").out)[0]
    label = record["label"]
    assert record["version"] == "14"
    assert record["repository"]["type"] == "perforce"
    assert record["repository"]["url"] == "p4://localhost:1666/depot/model"
    assert "Ada Example <ada@example.org>" in record["user"]
    assert "-name = 'newer'\n+name = 'changed'" in record["diff"]
    before = {path: path.read_bytes() for path in model.rglob("*.py")}

    said = smt("view", label, "--code")
    assert said.status == 0, said.err
    said = smt("repeat", label)
    assert said.status == 0, said.err + said.out

    said = smt("checkout", label, str(tmp_path / "as it was"))
    assert said.status == 0, said.err
    built = tmp_path / "as it was"
    assert (built / "one" / "model@1.py").read_text() == "name = 'one'\n"
    assert (built / "two words" / "model@1.py").read_text() == "name = 'changed'\n"
    assert (built / "weights.bin").read_bytes() == b"\x00\xff\r\n"
    assert (built / "new.py").read_text() == "new\n"
    assert (built / "main.py").read_text().startswith("# $Revision: #1 $\n")
    assert {path: path.read_bytes() for path in model.rglob("*.py")} == before

    shutil.rmtree(model / "one")  # the workspace is past help: the depot still has it
    (model / ".p4config").unlink()
    said = smt("checkout", label, str(tmp_path / "again"))
    assert said.status == 0, said.err
    assert (tmp_path / "again" / "one" / "model@1.py").read_text() == "name = 'one'\n"
    clients = json.loads((tmp_path / ".p4-stand-in" / "state.json").read_text())["clients"]
    assert list(clients) == ["ws"]


def test_another_change_is_run_apart_from_the_workspace(
    model: Path, p4: Callable[..., str], smt: Callable[..., Any]
) -> None:
    assert smt("init", "MyProject").status == 0
    said = smt("run", "--executable=python3", "--main=main.py", "--version=7")
    assert said.status == 0, said.err
    assert "two words" in said.out
    assert "newer" in (model / "two words" / "model@1.py").read_text()
    assert json.loads(smt("list", "--format=json").out)[0]["version"] == "7"
    assert (model / "out").read_text() == "1"
    said = smt("run", "--executable=python3", "--main=main.py", "--version=999")
    assert said.status != 0
    assert "999" in said.err


def test_a_project_begins_with_a_part_of_a_depot(
    model: Path, smt: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "elsewhere"
    place.mkdir()
    said = smt("init", "-r", "p4://localhost:1666/depot/model", "MyProject", cwd=place, P4USER="ada")
    assert said.status == 0, said.err
    said = smt("run", "--executable=python3", "main.py", cwd=place)
    assert said.status == 0, said.err
    assert "newer" in said.out
    record = json.loads(smt("list", "--format=json", cwd=place).out)[0]
    assert (record["version"], record["diff"]) == ("14", "")


@pytest.mark.parametrize(("what", "sentence"), [
    ("gone", "can't be reached"), ("expired", "has expired"), ("logged-out", "aren't logged in"),
    ("prompt", "aren't logged in"),
])
def test_a_server_in_trouble_costs_the_version_and_not_the_run(
    model: Path, smt: Callable[..., Any], what: str, sentence: str
) -> None:
    assert smt("init", "MyProject").status == 0
    trouble(model, what)
    said = smt("run", "--executable=python3", "main.py")
    assert said.status == 0, said.err
    assert "newer" in said.out
    record = json.loads(smt("list", "--format=json").out)[0]
    assert record["version"] in (None, "")
    receipt = smt("view", record["label"], "--receipt").out
    assert sentence in receipt


def test_no_password_and_no_ticket_is_in_a_record(model: Path, smt: Callable[..., Any]) -> None:
    with open(model / ".p4config", "a") as file:
        file.write("P4PASSWD=hunter2\n")
    (model / ".p4tickets").write_text("localhost:1666=ada:0123456789ABCDEF0123456789ABCDEF\n")
    assert smt("init", "MyProject").status == 0
    said = smt("run", "--executable=python3", "main.py", P4PASSWD="hunter3", P4TICKETS=".p4tickets")
    assert said.status == 0, said.err
    kept = b"".join(path.read_bytes() for path in (model / ".smt").rglob("*") if path.is_file())
    assert b"MyProject" in kept
    for secret in (b"hunter2", b"hunter3", b"0123456789ABCDEF"):
        assert secret not in kept


def test_files_that_are_read_only_stay_so(model: Path, smt: Callable[..., Any]) -> None:
    assert smt("init", "MyProject").status == 0
    before = {path: os.stat(path).st_mode for path in model.rglob("*.py")}
    assert smt("run", "--executable=python3", "main.py").status == 0
    assert {path: os.stat(path).st_mode for path in model.rglob("*.py")} == before
