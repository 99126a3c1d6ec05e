"""Our launch modes keep what every launch mode promises; and how a program is found."""

import os
from pathlib import Path

import pytest

from sumatra.errors import LaunchError
from sumatra.launch import Ended, Launcher, Plan, get_launcher
from sumatra.testing.launchers import LauncherContract


class TestSerial(LauncherContract):

    @pytest.fixture
    def launcher(self) -> Launcher:
        return get_launcher("serial")


def executable(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def run(tmp_path: Path, *words: str, path: str | None = None) -> Ended:
    environment = dict(os.environ) if path is None else {"PATH": path}
    return get_launcher("serial").run(
        Plan(words=words, environment=environment, stdout=str(tmp_path / "out"), stderr=str(tmp_path / "err"))
    )


def test_the_program_is_looked_for_on_the_path_that_it_will_see(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    executable(folder / "simulate", b"#!/bin/sh\necho from here\n")
    run(tmp_path, "simulate", path=f"/bin:{folder}")
    assert (tmp_path / "out").read_bytes() == b"from here\n"


def test_an_empty_entry_of_path_is_the_current_folder_as_in_shells(tmp_path: Path) -> None:
    executable(tmp_path / "simulate", b"#!/bin/sh\necho here\n")
    run(tmp_path, "simulate", path="/nowhere:")
    assert (tmp_path / "out").read_bytes() == b"here\n"


def test_what_can_be_executed_is_preferred_to_what_comes_first_and_cannot(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        executable(tmp_path / name / "simulate", f"#!/bin/sh\necho {name}\n".encode())
    (tmp_path / "one" / "simulate").chmod(0o644)
    run(tmp_path, "simulate", path=f"{tmp_path}/one:{tmp_path}/two")
    assert (tmp_path / "out").read_bytes() == b"two\n"
    with pytest.raises(LaunchError) as caught:
        run(tmp_path, "simulate", path=f"{tmp_path}/one")
    assert caught.value.exit_status == 126


def test_a_script_without_first_line_is_run_by_sh(tmp_path: Path) -> None:
    script = executable(tmp_path / "script", b'echo "$0 $2"; exit 5\n')
    ended = run(tmp_path, str(script), "a", "b c")
    assert ended.exit_status == 5
    assert (tmp_path / "out").read_text() == f"{script} b c\n"


def test_a_binary_of_another_machine_is_not_fed_to_sh(tmp_path: Path) -> None:
    program = executable(tmp_path / "program", b"\x7fALIEN\0\0\necho no\n")
    with pytest.raises(LaunchError) as caught:
        run(tmp_path, str(program))
    assert caught.value.exit_status == 126
    assert not (tmp_path / "out").read_bytes()


def test_a_missing_interpreter_is_told_from_a_missing_program(tmp_path: Path) -> None:
    script = executable(tmp_path / "script", b"#!/nowhere/python\n")
    with pytest.raises(LaunchError, match="interpreter") as caught:
        run(tmp_path, str(script))
    assert caught.value.exit_status == 127


def test_a_file_of_that_name_in_this_folder_is_hinted_at(tmp_path: Path) -> None:
    executable(tmp_path / "simulate", b"#!/bin/sh\n")
    with pytest.raises(LaunchError) as caught:
        run(tmp_path, "simulate")
    assert "./simulate" in (caught.value.hint or "")


def test_no_words_and_words_with_nul_are_errors(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="no command"):
        run(tmp_path)
    with pytest.raises(LaunchError, match="null byte"):
        run(tmp_path, "/bin/echo", "a\0b")


def test_too_many_arguments_are_an_error_and_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(LaunchError) as caught:
        run(tmp_path, "/bin/true", "x" * 3_000_000)
    assert caught.value.exit_status == 126
