"""A project under Mercurial works as one under git does."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.needs("hg"), pytest.mark.slow]


@pytest.fixture
def hg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    folder = tmp_path / "myproject"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def run(*words: str) -> str:
        environment = {**os.environ, "HGUSER": "Ada <ada@example.org>"}
        done = subprocess.run(["hg", *words], env=environment, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.strip()

    return run


def test_code_changed_twice_is_recorded_and_brought_back_as_it_was(
    hg: Callable[..., str], smt: Callable[..., Any], tmp_path: Path
) -> None:
    """Two files of one name, spaces, a binary change: Sumatra 0.8 kept none of them apart."""
    here = Path.cwd()
    hg("init")
    for folder in ("one", "two words"):
        (here / folder).mkdir()
        (here / folder / "model.py").write_text(f"name = {folder!r}\n")
    (here / "main.py").write_text("print(open('two words/model.py').read())\n")
    (here / "weights.bin").write_bytes(b"\x00\x01")
    hg("commit", "--addremove", "-m", "the model")
    assert smt("init", "MyProject").status == 0
    (here / "two words" / "model.py").write_text("name = 'changed'\n")
    (here / "weights.bin").write_bytes(b"\x00\xff\r\n")
    (here / "new.py").write_text("new\n")
    for _ in range(2):
        said = smt("run", "--executable=python3", "main.py")
        assert said.status == 0, said.err
    records = json.loads(smt("list", "--format=json").out)
    version = hg("log", "-r", ".", "-T", "{node}")
    label = records[0]["label"]
    assert [(record["version"], record["repository"]["type"]) for record in records] == [
        (version, "MercurialRepository")] * 2
    before = hg("status")
    hg("revert", "--all", "--no-backup")
    (here / "new.py").unlink()
    said = smt("checkout", label, str(tmp_path / "as it was"))
    assert said.status == 0, said.err
    built = tmp_path / "as it was"
    assert (built / "one" / "model.py").read_text() == "name = 'one'\n"
    assert (built / "two words" / "model.py").read_text() == "name = 'changed'\n"
    assert (built / "weights.bin").read_bytes() == b"\x00\xff\r\n"
    assert (built / "new.py").read_text() == "new\n"
    assert "weights.bin" in before
    assert hg("status") == "\n".join(line for line in before.splitlines() if line.startswith("? .smt"))


def test_what_mends_a_repository_without_commits_is_said_in_words_of_its_own(
    hg: Callable[..., str], smt: Callable[..., Any]
) -> None:
    hg("init")
    Path("main.py").write_text("print(1)\n")
    assert smt("init", "MyProject").status == 0
    assert smt("run", "python3", "main.py").status == 0
    said = smt("view", "last", "--receipt").out
    assert "→ hg commit\n" in said
    assert "git" not in said
