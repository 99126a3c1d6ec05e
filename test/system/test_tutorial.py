"""The tutorial can be followed to the letter."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "doc" / "tutorial" / "first-steps.rst"
COMMAND = re.compile(r"(?m)^   \$ (.+)$")


@pytest.mark.slow
@pytest.mark.needs("git", "numpy", "matplotlib")
def test_every_command_of_the_first_steps_works(tmp_path, monkeypatch):
    folder = tmp_path / "izhikevich"
    shutil.copytree(ROOT / "examples" / "izhikevich", folder, ignore=shutil.ignore_patterns("Data", ".smt"))
    monkeypatch.setenv("PATH", str(ROOT / "bin"), prepend=":")
    commands = COMMAND.findall(TUTORIAL.read_text("utf-8"))
    assert len(commands) > 15
    for command in commands:
        done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, f"$ {command}\n{done.stderr}"
        if command.startswith("smt list") and " " in command:
            assert done.stdout.strip(), f"$ {command} shows nothing"
    said = subprocess.run([sys.executable, ROOT / "bin" / "smt", "list"], cwd=folder, capture_output=True, text=True)
    assert len(said.stdout.split()) == commands_that_record(commands)


def commands_that_record(commands: list[str]) -> int:
    return sum(command.startswith(("smt run", "smt repeat")) for command in commands)
