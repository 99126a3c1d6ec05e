"""What keeps programs that are written in Python from doing what a repository wants."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sumatra.versioncontrol import _process_guard

Outcome = Callable[..., str]

PROGRAM = """\
import importlib.util, os, socket, subprocess, sys
spec = importlib.util.spec_from_file_location("guard", {guard!r})
guard = importlib.util.module_from_spec(spec)
spec.loader.exec_module(guard)
guard.watch([b"inside"], {allowed!r}, "the program", b"hgrc")
try:
    {deed}
except PermissionError as error:
    print("refused", "the program" in str(error))
except OSError:
    print("tried")
else:
    print("done")
"""


@pytest.fixture
def outcome(tmp_path: Path) -> Outcome:
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("precious")
    (tmp_path / "inside" / "link").symlink_to("../outside/file")
    (tmp_path / "inside" / "folder").symlink_to("../outside")
    command = tmp_path / "command"
    command.write_text("#!/bin/sh\n: > outside/trace\n")
    command.chmod(0o755)
    (tmp_path / "ssh").symlink_to("command")

    def run(deed: str, *allowed: bytes) -> str:
        (tmp_path / "outside" / "trace").unlink(missing_ok=True)
        program = PROGRAM.format(guard=_process_guard.__file__, deed=deed, allowed=list(allowed))
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=20, check=True
        )
        refused = done.stdout == "refused True\n"
        assert not refused or not (tmp_path / "outside" / "trace").exists()
        assert (tmp_path / "outside" / "file").read_text() == "precious" or not refused
        return done.stdout.split()[0]

    return run


@pytest.mark.parametrize("deed", [
    "open('outside/trace', 'w')", "open('inside/../outside/trace', 'w')", "open('inside/folder/trace', 'w')",
    "open('inside/link', 'a')", "open('inside/link', 'r+')", "os.open('outside/file', os.O_RDWR)",
    "os.truncate('inside/link', 0)", "os.chmod('inside/link', 0)", "os.remove('outside/file')",
    "os.rename('outside/file', 'inside/file')", "os.mkdir('outside/trace')", "os.symlink('x', 'outside/trace')",
    "os.link('outside/file', 'outside/trace')", "open('inside/hgrc', 'w')", "open('inside/HGRC', 'w')",
    "subprocess.run(['./command'])", "os.system('./command')", "os.fork()", "subprocess.run(['ssh', 'x'])",
    "os.execv('./command', ['x'])", "socket.create_connection(('127.0.0.1', 1))", "socket.getaddrinfo('localhost', 1)",
    "open('pipe')", "os.posix_spawn('./command', ['x'], {})",
])
def test_what_is_not_to_be_done_is_refused(deed: str, outcome: Outcome, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert outcome(deed) == "refused"


@pytest.mark.parametrize("deed", [
    "open('inside/new', 'w')", "os.mkdir('inside/new')", "open('outside/file')", "open('/dev/null', 'w')",
    "os.symlink('/etc/passwd', 'inside/new')", "os.remove('inside/link')", "os.rename('inside/link', 'inside/new')",
])
def test_what_may_be_done_is_done(deed: str, outcome: Outcome) -> None:
    assert outcome(deed) == "done"


@pytest.mark.parametrize(("words", "expected"), [
    ("['./ssh', 'example.org']", "done"), ("['./command']", "refused"), ("['./ssh', '-oProxyCommand=x']", "refused"),
    ("'./ssh x', shell=True", "refused"),
])
def test_where_ssh_is_allowed_nothing_else_is(words: str, expected: str, outcome: Outcome) -> None:
    assert outcome(f"subprocess.run({words})", b"ssh") == expected
    assert outcome(f"subprocess.run({words})", b"network") == "refused"
    assert outcome(f"subprocess.run({words})", b"programs") == "done"


def test_the_network_is_reached_where_that_is_allowed(outcome: Outcome) -> None:
    assert outcome("socket.create_connection(('127.0.0.1', 1))", b"network") == "tried"
