"""A project under Subversion works as one under git does."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.needs("svn", "svnadmin"), pytest.mark.slow]

Svn = Callable[..., str]


@pytest.fixture
def svn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Svn:
    """A checkout of trunk with a space in its name, and we are in it."""
    def run(*words: str, cwd: Path | None = None) -> str:
        done = subprocess.run(["svn", *words], cwd=cwd, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.strip()

    folder = tmp_path / "my project"
    subprocess.run(["svnadmin", "create", str(tmp_path / "server")], check=True, timeout=60)
    run("mkdir", "-q", "-m", "layout", f"file://{tmp_path}/server/trunk")
    run("checkout", "-q", f"file://{tmp_path}/server/trunk", str(folder))
    monkeypatch.chdir(folder)
    for name in ("one", "two words"):
        (folder / name).mkdir()
        (folder / name / "model.py").write_text(f"name = {name!r}\n")
    (folder / "main.py").write_text("print(open('two words/model.py').read())\nopen('out.dat', 'w').write('1')\n")
    (folder / "weights.bin").write_bytes(b"\x00\x01")
    run("add", "-q", "one", "two words", "main.py", "weights.bin")
    run("propset", "-q", "svn:ignore", "out.dat", ".")
    run("commit", "-q", "-m", "the model")
    run("update", "-q")
    return run


def test_code_changed_twice_is_recorded_and_brought_back_as_it_was(
    svn: Svn, smt: Callable[..., Any], tmp_path: Path
) -> None:
    """Two files of one name, spaces, a binary change: Sumatra 0.8 kept none of them apart."""
    here = Path.cwd()
    assert smt("init", "MyProject", "--on-changed=store-diff").status == 0
    (here / "two words" / "model.py").write_text("name = 'changed'\n")
    (here / "weights.bin").write_bytes(b"\x00\xff\r\n")
    (here / "new.py").write_text("new\n")
    for _ in range(2):
        said = smt("run", "--executable=python3", "main.py")
        assert said.status == 0, said.err
    records = json.loads(smt("list", "--format=json").out)
    label = records[0]["label"]
    assert [(record["version"], record["repository"]["type"], record["repository"]["url"]) for record in records] == [
        ("2", "SubversionRepository", f"file://{tmp_path}/server/trunk")] * 2
    assert "-name = 'two words'\n+name = 'changed'\n" in records[0]["diff"]
    before = svn("status")
    assert "weights.bin" in before
    svn("revert", "-q", "-R", ".")
    (here / "new.py").unlink()
    built = tmp_path / "as it was"
    said = smt("checkout", label, str(built))
    assert said.status == 0, said.err
    assert (built / "one" / "model.py").read_text() == "name = 'one'\n"
    assert (built / "two words" / "model.py").read_text() == "name = 'changed'\n"
    assert (built / "weights.bin").read_bytes() == b"\x00\xff\r\n"
    assert (built / "new.py").read_text() == "new\n"
    assert "print(open" in smt("view", label, "--script").out
    assert "weights.bin" in smt("view", label, "--code").out
    said = smt("repeat", label)
    assert "name = 'changed'" in said.out
    assert "The simulation results match" in said.out
    assert {line for line in svn("status").splitlines() if not line.endswith(("Data", ".smt"))} == set()


def test_another_revision_is_run_apart_and_a_mixed_one_is_brought_back(
    svn: Svn, smt: Callable[..., Any], tmp_path: Path
) -> None:
    here = Path.cwd()
    assert smt("init", "MyProject").status == 0
    (here / "two words" / "model.py").write_text("name = 'newer'\n")
    svn("commit", "-q", "-m", "newer")
    said = smt("run", "--label=mixed", "--executable=python3", "main.py")
    assert said.status == 0, said.err
    assert "name = 'newer'" in said.out
    said = smt("run", "--version", "2", "--label=older", "--executable=python3", "main.py")
    assert said.status == 0, said.err
    assert "name = 'two words'" in said.out
    assert (here / "two words" / "model.py").read_text() == "name = 'newer'\n"
    versions = {record["label"]: record["version"] for record in json.loads(smt("list", "--format=json").out)}
    assert versions == {"mixed": "2 two%20words/model.py@3", "older": "2"}
    svn("update", "-q")
    for label, text in (("mixed", "name = 'newer'\n"), ("older", "name = 'two words'\n")):
        said = smt("checkout", label, str(tmp_path / label))
        assert said.status == 0, said.err
        assert (tmp_path / label / "two words" / "model.py").read_text() == text
    script = smt("list", "--format=shell", "-l").out
    assert "svn checkout --revision=2" in script
    assert "svn update --revision=3 -- 'code/two words/model.py@'" in script
    diff = smt("diff", "older", "mixed", "--code").out
    assert "+name = 'newer'" in diff


def test_a_project_begins_with_a_checkout_and_its_code_is_found_when_that_is_gone(
    svn: Svn, smt: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fresh").mkdir()
    monkeypatch.chdir(tmp_path / "fresh")
    said = smt("init", "MyProject", "-r", f"file://{tmp_path}/server/trunk")
    assert said.status == 0, said.err
    assert (tmp_path / "fresh" / "main.py").exists()
    said = smt("run", "--label=first", "--executable=python3", "main.py")
    assert said.status == 0, said.err
    assert "unpushed" not in smt("view", "first", "--receipt").out
    for name in os.listdir():
        if name != ".smt":
            shutil.rmtree(name) if os.path.isdir(name) else os.unlink(name)
    said = smt("checkout", "first", str(tmp_path / "back"))
    assert said.status == 0, said.err
    assert (tmp_path / "back" / "one" / "model.py").exists()


def test_without_its_server_a_run_is_recorded_all_the_same(svn: Svn, smt: Callable[..., Any], tmp_path: Path) -> None:
    assert smt("init", "MyProject").status == 0
    url = "svn://127.0.0.1:1/server/trunk"
    import sqlite3

    with sqlite3.connect(".svn/wc.db") as database:
        database.execute("UPDATE REPOSITORY SET root = 'svn://127.0.0.1:1/server'")
    database.close()
    said = smt("run", "--label=offline", "--executable=python3", "main.py")
    assert said.status == 0, said.err
    record = json.loads(smt("list", "--format=json").out)[0]
    assert (record["version"], record["repository"]["url"]) == ("2", url)
    said = smt("checkout", "offline", str(tmp_path / "back"))
    assert said.status == 0, said.err
    said = smt("run", "--version=1", "--executable=python3", "main.py")
    assert said.status != 0
    assert "svn info" in said.err
    assert "Traceback" not in said.err


def test_externals_that_another_version_is_run_without_are_on_its_receipt(
    svn: Svn, smt: Callable[..., Any], tmp_path: Path
) -> None:
    svn("mkdir", "-q", "-m", "a library", f"file://{tmp_path}/server/library")
    svn("propset", "-q", "svn:externals", "^/library lib", ".")
    svn("commit", "-q", "-m", "with a library")
    svn("update", "-q")
    assert smt("init", "MyProject").status == 0
    said = smt("run", "--version", "HEAD", "python3", "main.py")
    assert (said.status, "Receipt: externals are left out" in said.err) == (0, True), said.err


@pytest.mark.parametrize("space", [" ", "%20"])
def test_a_repository_whose_address_has_a_space_can_be_checked_out(
    space: str, svn: Svn, smt: Callable[..., Any], tmp_path: Path
) -> None:
    svn("mkdir", "-q", "-m", "a branch", f"file://{tmp_path}/server/old%20one")
    (tmp_path / "new").mkdir()
    said = smt("init", "Checked", "--repository", f"file://{tmp_path}/server/old{space}one", cwd=tmp_path / "new")
    assert said.status == 0, said.err
    assert svn("info", "--show-item", "url", cwd=tmp_path / "new") == f"file://{tmp_path}/server/old%20one"


def test_a_repository_isn_t_checked_out_over_files_of_others(svn: Svn, smt: Callable[..., Any], tmp_path: Path) -> None:
    here = tmp_path / "new"
    here.mkdir()
    (here / "mine").write_text("mine")
    said = smt("init", "Lost", "--repository", f"file://{tmp_path}/server/trunk", cwd=here)
    assert said.status == 6
    assert said.err == f"smt: {here} isn't an empty folder\nhint: choose another one, or empty it\n"
    assert os.listdir(here) == ["mine"]


def test_of_a_version_that_only_its_server_has_the_hint_names_the_server(
    svn: Svn, smt: Callable[..., Any], tmp_path: Path
) -> None:
    assert smt("init", "MyProject").status == 0
    assert smt("run", "-l", "first", "python3", "main.py").status == 0
    (tmp_path / "server").rename(tmp_path / "away")
    shutil.rmtree(".svn")
    said = smt("checkout", "first", str(tmp_path / "back"))
    assert (said.status, f"hint: see that file://{tmp_path}/server/trunk can be reached" in said.err) == (3, True), said


def test_names_that_the_locale_has_no_letters_for_are_those_of_files(
    svn: Svn, look_in_ascii: Callable[[Path, str, Path], None], tmp_path: Path
) -> None:
    (Path.cwd() / "süß").mkdir()
    (Path.cwd() / "süß" / "ä b.py").write_text("1\n")
    svn("add", "-q", "süß")
    svn("commit", "-q", "-m", "ß")
    look_in_ascii(Path("süß/ä b.py"), "HEAD", tmp_path / "back")
