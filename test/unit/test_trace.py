"""The log of an observer: written so that it can be read whatever happened to its writer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sumatra.capture import observation
from sumatra.capture.accesses import follow
from sumatra.capture.syscalls import CALLS, FOREIGN, MACHINES
from sumatra.capture.trace import Log, Record, kind_of, read_state, records, state_of
from sumatra.errors import NewerFormat

ROOT = Path(__file__).resolve().parent.parent.parent


def written(path: Path) -> bytes:
    """Return a log with one record of every kind."""
    log = Log(str(path), "notify", 1.5)
    state = state_of(os.stat(path))
    log.write(b"o 10 1")
    log.write(b"p 0 11 10 12345 2.000", b"/bin/sh")
    log.write(b"x 0 2.100 2 " + state, b"/bin/\xff", b"\n", b"")
    log.write(b"y 0 2.200", b"/bin/\xff")
    log.write(b"r 0 " + state, b"/in put")
    log.write(b"w 0 577 -", b"/out\nput")
    log.write(b"m 0 0 " + state + b" -", b"/out\nput", b"/final")
    log.write(b"! 0 io-uring", b"")
    os.close(log.file)
    return path.read_bytes()


def test_what_is_written_is_read_in_pieces_of_any_length(tmp_path: Path) -> None:
    data = written(tmp_path / "log")
    whole = list(records([data]))
    assert [record.kind for record in whole] == list("opxyrwm!")
    assert whole[2].names == [b"/bin/\xff", b"\n", b""]
    for length in (1, 2, 7, 50):
        assert list(records(data[place : place + length] for place in range(0, len(data), length))) == whole


def test_a_log_that_is_cut_off_anywhere_gives_its_whole_records(tmp_path: Path) -> None:
    data = written(tmp_path / "log")
    whole = list(records([data]))
    for end in range(40, len(data)):
        part = list(records([data[:end]]))
        assert part == whole[: len(part)]
        follow(part, lambda path: None)
    assert len(list(records([data[:-1]]))) == len(whole) - 1


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    status = os.stat(tmp_path)
    state, _ = read_state(state_of(status))
    assert state is not None
    assert (state.inode, state.mode, state.modified) == (status.st_ino, status.st_mode, status.st_mtime_ns)
    assert read_state(b"-") == (None, True)
    assert read_state(b"?") == (None, False)


def test_logs_of_later_versions_are_refused(tmp_path: Path) -> None:
    assert kind_of(written(tmp_path / "log")) == ("notify", 1.5)
    for beginning in (b"smt-trace 2 notify 1.0\0", b"", b"something else", b"smt-trace 1 notify\0"):
        (tmp_path / "log").write_bytes(beginning)
        with pytest.raises(NewerFormat):
            observation.read(str(tmp_path / "log"))


@pytest.mark.provokes("log-lost")
def test_a_full_disk_leaves_no_half_records_and_is_said_later(tmp_path: Path) -> None:
    code = (
        "import resource, sys\nfrom sumatra.capture.trace import Log\n"
        "log = Log(sys.argv[1], 'notify', 1.0)\n"
        "log.write(b'o 1 1')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60, resource.RLIM_INFINITY))\n"
        "log.write(b'u 0 -', b'/' + b'lost' * 10)\nlog.write(b'u 0 -', b'/' + b'lost' * 10)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)\n"
        "log.write(b'u 0 -', b'/kept')\n"
    )
    path = str(tmp_path / "log")
    subprocess.run([sys.executable, "-c", code, path], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    read = list(records([Path(path).read_bytes()]))
    assert read[1:] == [Record("!", [b"0", b"log-lost"], [b""]), Record("u", [b"0", b"-"], [b"/kept"])]
    assert "log-lost" in {finding.code for finding in observation.read(path).findings}


@pytest.mark.parametrize("header", [
    ("x86_64", MACHINES, "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    ("x86_64", FOREIGN, "/usr/include/x86_64-linux-gnu/asm/unistd_32.h"),
    ("aarch64", MACHINES, "/usr/include/asm-generic/unistd.h"),
])
def test_the_numbers_of_calls_are_those_of_the_kernel(header: tuple[str, dict[str, object], str]) -> None:
    name, table, path = header
    if not os.path.exists(path):
        pytest.skip("the kernel's headers aren't installed")
    found = {}
    for line in Path(path).read_text().splitlines():
        words = line.split()
        if words[:1] == ["#define"] and len(words) == 3 and words[1].startswith(("__NR_", "__NR3264_")):
            call = words[1].partition("_")[2].partition("_")[2].removeprefix("NR_").removeprefix("NR3264_")
            if words[2].isdigit():
                found[call] = int(words[2])
    machine = table[name]
    assert isinstance(machine, tuple)
    numbers = dict(machine.numbers, seccomp=machine.seccomp)  # type: ignore[attr-defined]
    assert numbers == {call: found[call] for call in numbers}
    assert set(found) & set(CALLS) - {"truncate64"} <= set(numbers)
