"""Fixtures of tests that use all of Sumatra."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sumatra.testing.traps import Trap, set_trap


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    """A command that leaves a trace."""
    return set_trap(tmp_path / "traps")


@pytest.fixture
def look_in_ascii(smt: Callable[..., Any]) -> Callable[[Path, str, Path], None]:
    """Record, bring back and run another version of *path*, a committed ``1``, in a locale without its letters."""

    def look(path: Path, version: str, back: Path) -> None:
        ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        path.write_text("2\n")
        assert smt("init", "MyProject", **ascii_only).status == 0
        said = smt("run", "-l", "r", "--", "true", **ascii_only)
        assert said.status == 0, said.err
        changes = json.loads(smt("view", "--json").out)["changes"]
        assert [os.fsencode(change["path"]).decode() for change in changes] == [str(path)]
        path.write_text("3\n")
        said = smt("checkout", "r", back, **ascii_only)
        assert said.status == 0, said.err
        assert (back / path).read_text() == "2\n"
        assert (back / "main.py").read_bytes() == Path("main.py").read_bytes()
        said = smt("run", "-l", "v", "-v", version, "--", "cat", path, **ascii_only)
        assert (said.status, said.out) == (0, "1\n"), said.err
        assert smt("view", "v", "--code", path, **ascii_only).out == "1\n"

    return look
