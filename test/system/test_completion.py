"""Tab, in a real shell at a terminal: what comes to stand on the line is what smt then gets."""

import fcntl
import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sumatra.cli import BACKENDS

ROOT = Path(__file__).resolve().parents[2]
SMT = ROOT / "bin" / "smt"

#: Writes down the words that it is given; completion itself is left to smt.
STAND_IN = f"""\
#!/bin/sh
'''exec' '{sys.executable}' "$0" "$@"
' '''
import json, os, sys
if sys.argv[1:2] == ["completion"]:
    os.execv("{SMT}", ["{SMT}", *sys.argv[1:]])
with open(os.environ["WORDS"] + ".new", "w") as file:
    json.dump(sys.argv[1:], file)
os.rename(os.environ["WORDS"] + ".new", os.environ["WORDS"])
"""

SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(smt completion bash)"; bind "set bell-style none"'),
    "zsh": (["zsh", "-f", "-i"], 'eval "$(smt completion zsh)"; unsetopt beep'),
    "fish": (["fish", "--no-config", "-i"], "smt completion fish | source"),
}


class Shell:
    """A shell at a terminal, in which `smt` is a stand-in that writes down its words."""

    def __init__(self, name: str, folder: Path) -> None:
        stand_in = folder / "stand-in"
        stand_in.mkdir()
        (stand_in / "smt").write_text(STAND_IN)
        (stand_in / "smt").chmod(0o755)
        self.words = folder / "words.json"
        words, setup = SHELLS[name]
        environment = {
            **os.environ, "PATH": f"{stand_in}{os.pathsep}{os.environ['PATH']}", "WORDS": str(self.words),
            "TERM": "xterm", "PS1": "", "INPUTRC": "/dev/null",
        }
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            words, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self.shown = b""
        self._say(f"{setup}; smt ready\r")
        assert self._heard() == ["ready"]

    def _say(self, text: str) -> None:
        os.write(self.master, text.encode())

    def _listen(self, seconds: float) -> bool:
        """Read what the shell shows, so that it doesn't wait for us."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            self.shown += os.read(self.master, 65536)
        except OSError:
            return False
        return True

    def _heard(self) -> list[str]:
        deadline = time.monotonic() + 30
        while not self.words.exists():
            assert time.monotonic() < deadline and self.process.poll() is None, self.shown.decode(errors="replace")
            self._listen(0.02)
        found: list[str] = json.loads(self.words.read_text())
        self.words.unlink()
        return found

    def typed(self, line: str) -> list[str]:
        """Return what smt gets for *line*, in which each ``\\t`` is the Tab key."""
        self._say(line)
        self._say("\r")
        return self._heard()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def notebook(project: Path, smt: Callable) -> Path:
    """A project with labels and tags that shells find hard."""
    for label, tag in [("gourd", "Figure 6"), ("two words", "it's $5"), ("2026-11-22T10:30", "x=1"), ("gone", "x")]:
        assert smt("run", "-q", "-l", label, "-t", tag, "--", "true").status == 0
    smt("delete", "gone")
    (project / "romans.param").write_text("")
    return project


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.needs(name)) for name in SHELLS])
def shell(request: pytest.FixtureRequest, notebook: Path, tmp_path: Path):
    found = Shell(request.param, tmp_path)
    yield found
    found.close()


def test_tab_completes_commands_options_labels_and_tags(shell):
    for line, words in (
        ("smt vi\tx", ["view", "x"]),
        ("smt list --jso\t", ["list", "--json"]),
        ("smt view gou\t", ["view", "gourd"]),
        ("smt view la\t--json", ["view", "last", "--json"]),
        ("smt comment two\tx", ["comment", "two words", "x"]),
        ("smt comment two\\ w\tx", ["comment", "two words", "x"]),
        ("smt delete 'two w\tgo\t", ["delete", "two words", "gourd"]),
        ('smt list "Fig\t', ["list", "Figure 6"]),
        ('smt list Fig"ure\t', ["list", "Figure 6"]),
        ("smt tag Fig\ttw\t", ["tag", "Figure 6", "two words"]),
        ("smt tag --remove it\t", ["tag", "--remove", "it's $5"]),
        ('smt list "it\t', ["list", "it's $5"]),
        ("smt delete --tag x=\t", ["delete", "--tag", "x=1"]),
        ("smt delete --undo g\t", ["delete", "--undo", "gone"]),
        ("smt view 2026-11-22T10:3\t", ["view", "2026-11-22T10:30"]),
        ("smt list -f mark\t", ["list", "-f", "markdown"]),
        ("smt help comp\t", ["help", "completion"]),
        ("smt run -t Fig\ttrue", ["run", "-t", "Figure 6", "true"]),
        ("smt run cat rom\t", ["run", "cat", "romans.param"]),
    ):
        assert shell.typed(line) == words, line


def candidates(smt, *words):
    return smt("completion", "words", *words).out.splitlines()


def test_candidates_are_what_may_stand_there(notebook, smt):
    assert candidates(smt, "") == candidates(smt, "help", "") == list(BACKENDS)
    labels = ["last", "2026-11-22T10:30", "two words", "gourd"]
    for words in (["view"], ["comment"], ["delete"], ["delete", "gourd"], ["tag", "new tag"], ["tag", "x", "gourd"]):
        assert candidates(smt, *words, "") == labels, words
    tags = ["Figure 6", "it's $5", "x=1"]
    for words in (["list"], ["list", "-l"], ["tag"], ["tag", "-r"], ["delete", "-t"], ["run", "-t"]):
        assert candidates(smt, *words, "") == tags, words
    for words in (["view", "gourd"], ["comment", "gourd"], ["run", "python"], ["version"], ["nosuch"], ["run", "-l"]):
        assert candidates(smt, *words, "") == [], words
    assert candidates(smt, "completion", "") == ["bash", "zsh", "fish"]
    assert candidates(smt, "list", "--sort", "dur") == ["duration"]
    assert candidates(smt, "list", "--format=j") == ["--format=json"]


def test_options_are_those_of_the_command_and_end_with_the_words_of_the_program(notebook, smt):
    assert {"--json", "-T", "--help"} <= set(candidates(smt, "list", "-"))
    assert candidates(smt, "run", "--la") == candidates(smt, "run", "-l", "x", "--la") == ["--label"]
    for before in (["python"], ["--"], ["-l", "x", "python"], ["-q", "python", "main.py"]):
        assert candidates(smt, "run", *before, "-") == [], before


def test_where_there_is_no_project_or_a_broken_one_nothing_is_said(project, smt, tmp_path):
    assert smt("completion", "words", "view", "", cwd=tmp_path) == (0, "", "")
    (project / ".smt" / "records.sqlite").write_bytes(b"not a database" * 1000)
    assert smt("completion", "words", "view", "") == (0, "", "")
    assert smt("completion", "line", "smt view ") == (0, "", "")


def test_an_unknown_shell_is_refused_with_the_known_ones(smt):
    for words in ([], ["tcsh"]):
        said = smt("completion", *words)
        assert (said.status, said.out) == (2, "")
        assert "bash" in said.err and "zsh" in said.err and "fish" in said.err
