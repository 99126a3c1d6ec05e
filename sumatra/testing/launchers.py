"""What every launch mode promises, as tests."""

import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from sumatra.errors import LaunchError
from sumatra.launch.base import Ended, Launcher, Plan
from sumatra.records import Stream

__all__ = ["LauncherContract"]

_NOTHING = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class LauncherContract:
    """Inherit, give a fixture *launcher*, and every promise is tested.

    The launcher must be one that starts the program once.
    """

    def run(self, launcher: Launcher, folder: Path, *words: str, **more: Any) -> Ended:
        """Run *words* with the streams in *folder* / ``stdout`` and ``stderr``."""
        more.setdefault("environment", dict(os.environ))
        return launcher.run(Plan(words=words, stdout=str(folder / "stdout"), stderr=str(folder / "stderr"), **more))

    def test_the_words_of_the_program_come_last_and_as_they_are(self, launcher: Launcher) -> None:
        words = ["program", "two words", "", "*", "$HOME", "a'b", "-x", "caf\udce9"]
        assert launcher.words(words)[-len(words) :] == words

    def test_arguments_reach_the_program_as_they_are(self, launcher: Launcher, tmp_path: Path) -> None:
        arguments = ["two words", "", "*", "$HOME", "a'b\"c", "new\nline", "é\udcff"]
        code = "import os, sys; os.write(1, b'\\0'.join(map(os.fsencode, sys.argv[1:])))"
        self.run(launcher, tmp_path, sys.executable, "-c", code, *arguments)
        assert (tmp_path / "stdout").read_bytes().split(b"\0") == [os.fsencode(word) for word in arguments]

    @pytest.mark.parametrize("status", [0, 1, 3, 255])
    def test_the_exit_status_is_told(self, launcher: Launcher, tmp_path: Path, status: int) -> None:
        ended = self.run(launcher, tmp_path, "/bin/sh", "-c", f"exit {status}")
        assert (ended.exit_status, ended.signal) == (status, None)

    def test_a_signal_that_ends_it_is_told(self, launcher: Launcher, tmp_path: Path) -> None:
        ended = self.run(launcher, tmp_path, "/bin/sh", "-c", "kill -TERM $$")
        assert (ended.exit_status, ended.signal) == (None, signal.SIGTERM)

    def test_both_streams_are_kept_apart_and_shown(
        self, launcher: Launcher, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        code = "import os; os.write(1, bytes(range(256)) * 9); os.write(2, b'\\xff\\r\\0no newline')"
        ended = self.run(launcher, tmp_path, sys.executable, "-c", code)
        out, err = bytes(range(256)) * 9, b"\xff\r\0no newline"
        assert (tmp_path / "stdout").read_bytes() == out
        assert (tmp_path / "stderr").read_bytes() == err
        assert tuple(capfdbinary.readouterr()) == (out, err)
        assert (ended.stdout.size, ended.stderr.size) == (len(out), len(err))
        assert not ended.reader_left

    def test_digests_are_those_of_the_files(self, launcher: Launcher, tmp_path: Path) -> None:
        import hashlib

        ended = self.run(launcher, tmp_path, "/bin/sh", "-c", "echo some; echo other >&2")
        for stream, name in ((ended.stdout, "stdout"), (ended.stderr, "stderr")):
            content = (tmp_path / name).read_bytes()
            assert content
            assert stream.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"

    def test_silence_is_kept_as_empty_files_that_nobody_else_may_read(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        ended = self.run(launcher, tmp_path, "/bin/true")
        assert ended.stdout == ended.stderr == Stream(0, _NOTHING)
        for name in ("stdout", "stderr"):
            assert (tmp_path / name).read_bytes() == b""
            assert (tmp_path / name).stat().st_mode & 0o077 == 0

    def test_standard_input_can_be_a_file(self, launcher: Launcher, tmp_path: Path) -> None:
        (tmp_path / "numbers").write_bytes(b"1\n2\n3\xff")
        self.run(launcher, tmp_path, "/bin/cat", stdin_file=str(tmp_path / "numbers"))
        assert (tmp_path / "stdout").read_bytes() == b"1\n2\n3\xff"

    def test_standard_output_can_be_a_file_of_the_user(
        self, launcher: Launcher, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        (tmp_path / "result").write_text("something old, and longer than what comes")
        ended = self.run(launcher, tmp_path, "/bin/echo", "new", stdout_file=str(tmp_path / "result"))
        assert (tmp_path / "result").read_text() == "new\n"
        assert (tmp_path / "stdout").read_bytes() == b""
        assert ended.stdout == Stream(0)
        assert capfdbinary.readouterr().out == b""

    def test_a_missing_input_file_is_an_error_that_names_it(self, launcher: Launcher, tmp_path: Path) -> None:
        with pytest.raises(LaunchError, match="missing") as caught:
            self.run(launcher, tmp_path, "/bin/cat", stdin_file=str(tmp_path / "missing"))
        assert caught.value.exit_status == 125

    def test_the_environment_is_the_one_that_was_given(self, launcher: Launcher, tmp_path: Path) -> None:
        self.run(
            launcher, tmp_path, "/bin/sh", "-c", 'printf %s "$SMT_TEST"',
            environment={**os.environ, "SMT_TEST": "line one\nline two"},
        )
        assert (tmp_path / "stdout").read_bytes() == b"line one\nline two"

    def test_started_is_told_a_process_that_lives(self, launcher: Launcher, tmp_path: Path) -> None:
        seen: list[int] = []

        def started(pid: int) -> None:
            os.kill(pid, 0)
            seen.append(pid)

        self.run(launcher, tmp_path, "/bin/sh", "-c", "exit 0", started=started)
        assert len(seen) == 1

    def test_what_it_used_is_told(self, launcher: Launcher, tmp_path: Path) -> None:
        # What this process has had in memory is counted as the program's, which therefore has to have more.
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        code = f"ballast = b'x' * {own + 150_000_000}; sum(range(2_000_000))"
        ended = self.run(launcher, tmp_path, sys.executable, "-c", code)
        used = ended.resources
        assert used.cpu_user is not None
        assert used.cpu_user > 0
        assert used.cpu_user + (used.cpu_system or 0) < 60
        assert used.peak_memory is not None
        assert own + 150_000_000 < used.peak_memory < own + 1_000_000_000
        assert ended.duration > 0

    def test_a_program_that_is_not_there_is_status_127(self, launcher: Launcher, tmp_path: Path) -> None:
        for name in ("smt-no-such-program", "./smt-no-such-program", ""):
            with pytest.raises(LaunchError) as caught:
                self.run(launcher, tmp_path, name)
            assert caught.value.exit_status == 127
            assert name in caught.value.message
            assert caught.value.hint

    def test_a_file_that_is_not_executable_is_status_126(self, launcher: Launcher, tmp_path: Path) -> None:
        script = tmp_path / "script"
        script.write_text("#!/bin/sh\n")
        for path in (script, tmp_path):
            with pytest.raises(LaunchError) as caught:
                self.run(launcher, tmp_path, str(path))
            assert caught.value.exit_status == 126

    def test_what_is_left_in_the_background_does_not_hold_us_up(self, launcher: Launcher, tmp_path: Path) -> None:
        ended = self.run(launcher, tmp_path, "/bin/sh", "-c", "sleep 60 & echo $!")
        left = int((tmp_path / "stdout").read_text())
        try:
            os.kill(left, 0)
        finally:
            os.kill(left, signal.SIGKILL)
        assert ended.exit_status == 0

    def test_the_signal_mask_is_as_before_afterwards(self, launcher: Launcher, tmp_path: Path) -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self.run(launcher, tmp_path, "/bin/true")
        with pytest.raises(LaunchError):
            self.run(launcher, tmp_path, "smt-no-such-program")
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before

    def test_no_file_stays_open(self, launcher: Launcher, tmp_path: Path) -> None:
        self.run(launcher, tmp_path, "/bin/true")
        before = os.listdir("/proc/self/fd")
        self.run(launcher, tmp_path, "/bin/true")
        assert os.listdir("/proc/self/fd") == before
