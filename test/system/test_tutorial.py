"""The tutorial can be followed to the letter."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = ROOT / "doc" / "tutorial"
COMMAND = re.compile(r"(?m)^   \$ (.+)$")


@pytest.mark.slow
@pytest.mark.needs("git", "numpy", "matplotlib")
def test_every_command_of_the_first_steps_works(tmp_path, monkeypatch):
    folder = tmp_path / "izhikevich"
    shutil.copytree(ROOT / "examples" / "izhikevich", folder, ignore=shutil.ignore_patterns("Data", ".smt"))
    monkeypatch.setenv("PATH", str(ROOT / "bin"), prepend=":")
    commands = COMMAND.findall((TUTORIALS / "first-steps.rst").read_text("utf-8"))
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


#: What the second tutorial finds, in its order.
FOUND = [
    "  input frequencies.csv", "  parameter seed: 7 -> 8", "  code model.py, line 2",
    "  variable OMP_NUM_THREADS: none -> 4", "  code oscillators.py, line 2",
]


@pytest.mark.slow
@pytest.mark.needs("git")
def test_the_second_tutorial_finds_what_it_says(tmp_path, monkeypatch):
    folder = tmp_path / "oscillators"
    shutil.copytree(ROOT / "examples" / "oscillators", folder, ignore=shutil.ignore_patterns("Data", ".smt"))
    monkeypatch.setenv("PATH", str(ROOT / "bin"), prepend=":")
    found = []
    for command in COMMAND.findall((TUTORIALS / "why-different.rst").read_text("utf-8")):
        if command.startswith("export "):
            for word in command.split()[1:]:
                monkeypatch.setenv(*word.split("="))
            continue
        done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, timeout=60)
        differ = command.startswith("smt diff")
        assert done.returncode == int(differ), f"$ {command}\n{done.stdout}{done.stderr}"
        if "--tolerance" in command:
            assert done.stdout.startswith("The results of monday and friday are the same.")
        elif command.startswith("smt why") and "--trials" not in command:
            assert done.stdout.startswith("This turns monday into "), done.stdout
            found.append(done.stdout.splitlines()[1])
    assert len(found) == len(FOUND)
    for line, beginning in zip(found, FOUND, strict=True):
        assert line.startswith(beginning)
