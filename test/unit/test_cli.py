"""The door of the command line: outcomes of `main` that no ordinary command brings about."""

import sys

import pytest

from sumatra import cli
from sumatra.plugins import Backend

BROKEN = '''
"""Break."""
def arguments(parser):
    pass
def run(args):
    raise {what}
'''


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Return a function that makes a command which raises something."""

    def make(what: str) -> str:
        monkeypatch.syspath_prepend(tmp_path)
        (tmp_path / "broken_command.py").write_text(BROKEN.format(what=what))
        sys.modules.pop("broken_command", None)
        monkeypatch.setitem(cli.BACKENDS, "broken", Backend("broken_command", "break"))
        return "broken"

    return make


def test_a_fault_of_ours_is_said_and_leaves_a_log_without_the_arguments(command, tmp_path, capsys):
    (tmp_path / ".smt").mkdir()
    assert cli.main([command("ValueError('deep inside')")]) == cli.FAULT == 70
    said = capsys.readouterr()
    assert said.out == ""
    assert "a fault in Sumatra: ValueError: deep inside" in said.err
    assert "Traceback" not in said.err
    (log,) = (tmp_path / ".smt" / "log").iterdir()
    assert "deep inside" in log.read_text()


def test_ctrl_c_ends_with_130(command):
    assert cli.main([command("KeyboardInterrupt()")]) == 130


def test_a_missing_library_is_one_sentence_with_what_to_install(command, monkeypatch, capsys):
    name = command("ModuleNotFoundError()")
    monkeypatch.setitem(cli.BACKENDS, name, Backend("no_such_module_at_all", "break", extra="neurotools"))
    assert cli.main([name]) == 2
    assert "pip install 'sumatra[neurotools]'" in capsys.readouterr().err
