"""A project under Bazaar works as one under git does."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.needs("brz"), pytest.mark.slow]

Smt = Callable[..., Any]
Brz = Callable[..., str]


@pytest.fixture
def brz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Brz:
    """Run brz in a branch with two versions of a model, in which we are."""
    here = tmp_path / "myproject"
    here.mkdir()
    monkeypatch.chdir(here)

    def run(*words: str) -> str:
        environment = {**os.environ, "BRZ_EMAIL": "Ada <ada@example.org>", "BRZ_LOG": os.devnull}
        done = subprocess.run(
            ["brz", "--no-plugins", *words], env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout.strip()

    run("init", "-q")
    for folder in ("one", "two words"):
        (here / folder).mkdir()
        (here / folder / "model.py").write_text(f"name = {folder!r}\n")
    (here / "main.py").write_text("print(open('two words/model.py').read())\nopen('Data/out.txt', 'w').write('1')\n")
    (here / "weights.bin").write_bytes(b"\x00\x01")
    (here / ".bzrignore").write_text("Data\n")
    run("add", "-q")
    run("commit", "-q", "-m", "the model")
    (here / "two words" / "model.py").write_text("name = 'later'\n")
    run("commit", "-q", "-m", "a better one")
    return run


def records(smt: Smt) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(smt("list", "--format=json").out)
    return found


def run_here(smt: Smt, *words: str) -> str:
    said = smt("run", *words)
    assert said.status == 0, said.err
    return str(said.out)


def test_code_changed_twice_is_recorded_and_brought_back_as_it_was(brz: Brz, smt: Smt, tmp_path: Path) -> None:
    """Two files of one name, spaces, a binary change: Sumatra 0.8 kept none of them apart."""
    here = Path.cwd()
    assert smt("init", "MyProject").status == 0
    (here / "two words" / "model.py").write_text("name = 'changed'\n")
    (here / "weights.bin").write_bytes(b"\x00\xff\r\n")
    (here / "new.py").write_text("new\n")
    for _ in range(2):
        run_here(smt, "--executable=python3", "main.py")
    version = brz("version-info", "--custom", "--template={revision_id}")
    found = records(smt)
    label = found[0]["label"]
    kinds = [(record["version"], record["repository"]["type"]) for record in found]
    assert kinds == [(version, "BazaarRepository")] * 2
    assert version[-12:] in smt("list", "--table").out
    before = brz("status")
    assert "weights.bin" in before
    brz("revert", "-q", "--no-backup")
    (here / "new.py").unlink()
    assert "new.py" in smt("view", label, "--code").out
    assert smt("view", label, "--code", "two words/model.py").out == "name = 'changed'\n"
    assert "+name = 'changed'" in smt("view", label, "--diff").out
    assert smt("view", label, "--script").out == (here / "main.py").read_text()
    said = smt("checkout", label, str(tmp_path / "as it was"))
    assert said.status == 0, said.err
    built = tmp_path / "as it was"
    assert (built / "one" / "model.py").read_text() == "name = 'one'\n"
    assert (built / "two words" / "model.py").read_text() == "name = 'changed'\n"
    assert (built / "weights.bin").read_bytes() == b"\x00\xff\r\n"
    assert (built / "new.py").read_text() == "new\n"
    assert set(brz("status").splitlines()) <= {"unknown:", "  .smt/"}


def test_another_version_is_run_and_repeated_and_the_working_tree_is_left_alone(brz: Brz, smt: Smt) -> None:
    here = Path.cwd()
    smt("init", "MyProject")
    (here / "two words" / "model.py").write_text("name = 'not committed'\n")
    before = brz("status"), brz("revno")
    assert "two words" in run_here(smt, "--version", "1", "--executable=python3", "main.py")
    assert "later" in run_here(smt, "--version", "last:1", "--executable=python3", "main.py")
    later, first = records(smt)
    assert (later["version"], first["version"]) == (
        brz("version-info", "--custom", "--template={revision_id}"),
        brz("version-info", "-r1", "--custom", "--template={revision_id}"),
    )
    assert first["changes"] == []
    said = smt("repeat", first["label"])
    assert (said.status, "match" in said.out) == (0, True), said.err
    assert records(smt)[0]["version"] == first["version"]
    assert (brz("status"), brz("revno")) == before
    assert (here / "two words" / "model.py").read_text() == "name = 'not committed'\n"


def test_a_project_begins_with_a_branch_of_another(brz: Brz, smt: Smt, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    said = smt("init", "Copied", "-r", str(Path.cwd()), cwd=new)
    assert said.status == 0, said.err
    assert (new / "weights.bin").read_bytes() == b"\x00\x01"
    assert smt("run", "--executable=python3", "main.py", cwd=new).status == 0
    record = json.loads(smt("view", "--json", cwd=new).out)
    assert (record["repository"]["upstream"], record["changes"]) == (str(Path.cwd()), [])
    assert record["version"] == brz("version-info", "--custom", "--template={revision_id}")


def test_a_version_that_was_not_pushed_is_kept_and_brought_back_without_its_branch(
    brz: Brz, smt: Smt, tmp_path: Path
) -> None:
    here = Path.cwd()
    smt("init", "MyProject", "--bundle")
    brz("push", "-q", "--remember", "../elsewhere")
    run_here(smt, "--label=pushed", "--executable=python3", "main.py")
    (here / "one" / "model.py").write_text("name = 'unpushed'\n")
    brz("commit", "-q", "-m", "third")
    run_here(smt, "--label=unpushed", "--executable=python3", "main.py")
    assert "brz push" in smt("view", "unpushed", "--receipt").out
    assert "unpushed" not in [finding["code"] for finding in json.loads(smt("view", "pushed", "--json").out)["receipt"]]
    os.rename(here / ".bzr", tmp_path / "away")
    said = smt("checkout", "unpushed", str(tmp_path / "as it was"))
    assert said.status == 0, said.err
    assert (tmp_path / "as it was" / "one" / "model.py").read_text() == "name = 'unpushed'\n"


def test_names_that_the_locale_has_no_letters_for_are_those_of_files(
    brz: Brz, look_in_ascii: Callable[[Path, str, Path], None], tmp_path: Path
) -> None:
    (Path.cwd() / "süß").mkdir()
    (Path.cwd() / "süß" / "ä b.py").write_text("1\n")
    brz("add", "-q")
    brz("commit", "-q", "-m", "more")
    look_in_ascii(Path("süß/ä b.py"), "3", tmp_path / "back")
