"""A program that is run by us behaves, and is behaved to, as one that isn't.

A small script launches the program and ends as it ended; each test is one of the things that can happen on the way.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import sumatra

LAUNCH = """\
import json, os, sys
from sumatra.errors import LaunchError
from sumatra.facts import as_dict
from sumatra.launch import Plan, get_launcher
from sumatra.launch.supervise import exit_as

folder, *words = sys.argv[1:]
os.makedirs(folder, exist_ok=True)
own = open(f"{folder}/own", "w")  # gets the number of a standard stream that is closed

def started(pid):
    with open(f"{folder}/pid.new", "w") as file:
        file.write(str(pid))
    os.rename(f"{folder}/pid.new", f"{folder}/pid")

try:
    ended = get_launcher("serial").run(Plan(
        words=words, environment=dict(os.environ), stdout=f"{folder}/stdout", stderr=f"{folder}/stderr", started=started
    ))
except LaunchError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_status)
# Not ru_maxrss, which begins with what our parent had when it started us.
peak = 1024 * next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
told = as_dict(ended) | {"memory": peak}
with open(f"{folder}/ended", "w") as file:
    file.write(json.dumps(told))
exit_as(ended)
"""

#: Says which signals it gets, each as often as it gets it, until SIGTERM.
LISTENER = """\
import os, signal
def heard(number, frame):
    os.write(1, signal.Signals(number).name.encode() + b"\\n" if number < 34 else b"REALTIME\\n")
    if number == signal.SIGTERM:
        os._exit(4)
for number in signal.valid_signals() - {9, 19, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCHLD}:
    signal.signal(number, heard)
os.write(1, b"ready\\n")
while True:
    signal.pause()
"""

PATIENCE = 30  # seconds until a test that waits for something gives up


@pytest.fixture
def launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words that go before a command to launch it with its run folder in ``run``."""
    monkeypatch.setenv("PYTHONPATH", str(Path(sumatra.__file__).parent.parent))
    script = tmp_path / "launch.py"
    script.write_text(LAUNCH)
    return [sys.executable, str(script), str(tmp_path / "run")]


@pytest.fixture
def listener(tmp_path: Path) -> list[str]:
    script = tmp_path / "listener.py"
    script.write_text(LISTENER)
    return [sys.executable, str(script)]


def told(tmp_path: Path) -> dict[str, Any]:
    """What the launcher told about the end."""
    answer: dict[str, Any] = json.loads((tmp_path / "run" / "ended").read_text())
    return answer


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "this was waited for in vain"
        time.sleep(0.01)


def state(pid: int) -> str:
    """The state of a process as the kernel tells it: R, S, T …; empty if it isn't there."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def sh(command: str) -> list[str]:
    return ["/bin/sh", "-c", command]


@contextlib.contextmanager
def running(words: list[str], **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Start *words* in a session of their own and make sure that they are gone at the end."""
    more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    process = subprocess.Popen(words, start_new_session=True, **more)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()


def line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout
    return process.stdout.readline()


# --- bytes


def test_every_byte_arrives_and_the_streams_stay_apart(launch: list[str], tmp_path: Path) -> None:
    code = "import os\nfor i in range(50): os.write(1, bytes(range(256)) * 31); os.write(2, b'\\xff\\xfe\\0\\r' * i)"
    done = subprocess.run([*launch, sys.executable, "-c", code], capture_output=True, check=False)
    assert done.stdout == bytes(range(256)) * 31 * 50 == (tmp_path / "run" / "stdout").read_bytes()
    assert done.stderr == b"\xff\xfe\0\r" * sum(range(50)) == (tmp_path / "run" / "stderr").read_bytes()


@pytest.mark.slow
def test_much_output_takes_little_memory(launch: list[str], tmp_path: Path) -> None:
    size = 200_000_000
    with running([*launch, "head", "-c", str(size), "/dev/zero"]) as process:
        assert process.stdout
        seen = 0
        while block := process.stdout.read1(1 << 20):
            seen += len(block)
        assert process.wait() == 0
    assert seen == size
    ended = told(tmp_path)
    assert ended["memory"] < 60_000_000
    digest = hashlib.sha256()
    for _ in range(200):
        digest.update(bytes(1_000_000))
    assert ended["stdout"] == {"size": size, "digest": f"sha256:{digest.hexdigest()}"}
    (tmp_path / "run" / "stdout").unlink()


def test_output_is_seen_while_the_program_runs(launch: list[str]) -> None:
    with running([*launch, *sh("echo first; read answer; echo $answer")], stdin=subprocess.PIPE) as process:
        assert line(process) == b"first\n"
        assert process.stdin
        process.stdin.write(b"second\n")
        process.stdin.flush()
        assert line(process) == b"second\n"


def test_a_slow_reader_gets_everything_even_after_the_end(launch: list[str], tmp_path: Path) -> None:
    with running([*launch, "head", "-c", "3000000", "/dev/zero"]) as process:
        wait_for(lambda: (tmp_path / "run" / "pid").exists())
        program = int((tmp_path / "run" / "pid").read_text())
        wait_for(lambda: not state(program))
        assert process.stdout
        assert process.stdout.read() == bytes(3_000_000)
        assert process.wait() == 0


def test_a_signal_after_the_end_stops_the_showing_and_nothing_is_lost(launch: list[str], tmp_path: Path) -> None:
    with running([*launch, "head", "-c", "3000000", "/dev/zero"]) as process:
        wait_for(lambda: (tmp_path / "run" / "pid").exists())
        program = int((tmp_path / "run" / "pid").read_text())
        wait_for(lambda: not state(program))
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    assert told(tmp_path)["stdout"]["size"] == 3_000_000


def test_output_that_the_program_takes_back_is_not_in_the_digest(launch: list[str], tmp_path: Path) -> None:
    code = "import os, time; os.write(1, b'x' * 9999); time.sleep(0.1); os.ftruncate(1, 5)"
    subprocess.run([*launch, sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)
    digest = hashlib.sha256(b"xxxxx").hexdigest()
    assert told(tmp_path)["stdout"] == {"size": 5, "digest": f"sha256:{digest}"}


def test_output_goes_to_the_right_place_in_a_file_that_both_streams_share(launch: list[str], tmp_path: Path) -> None:
    with open(tmp_path / "log", "wb") as file:
        file.write(b"before\n")
        file.flush()
        subprocess.run([*launch, *sh("echo out; echo err >&2")], stdout=file, stderr=file, check=True)
        file.seek(0, os.SEEK_END)
        file.write(b"after\n")
    assert sorted((tmp_path / "log").read_text().split()) == ["after", "before", "err", "out"]
    assert (tmp_path / "log").read_text().startswith("before\n")
    assert (tmp_path / "log").read_text().endswith("after\n")


# --- ends


DEADLY = ["HUP", "INT", "QUIT", "ABRT", "KILL", "USR1", "SEGV", "PIPE", "ALRM", "TERM", "USR2", "BUS", "XCPU", "XFSZ"]


@pytest.mark.parametrize("command", [
    "exit 0", "exit 1", "exit 2", "exit 126", "exit 127", "exit 130", "exit 255",
    *(f"kill -{name} $$" for name in DEADLY),
    "kill -40 $$",
])
def test_we_end_as_the_program_ended(launch: list[str], command: str) -> None:
    words = sh(f"ulimit -c 0; {command}")
    bare = subprocess.run(words, check=False)
    ours = subprocess.run([*launch, *words], check=False)
    assert ours.returncode == bare.returncode


@pytest.mark.parametrize(("words", "status"), [(["smt-no-such-program"], 127), (["/etc/passwd"], 126), (["/"], 126)])
def test_what_cannot_be_started_has_the_exit_status_of_shells(launch: list[str], words: list[str], status: int) -> None:
    done = subprocess.run([*launch, *words], capture_output=True, check=False)
    assert done.returncode == status
    assert words[0].encode() in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_background_process_goes_on_and_we_do_not_wait(launch: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [*launch, *sh("(while sleep 0.05; do echo tick; done) & echo $!")], capture_output=True, check=True
    )
    left = int(done.stdout.splitlines()[0])
    try:
        size = (tmp_path / "run" / "stdout").stat().st_size
        wait_for(lambda: (tmp_path / "run" / "stdout").stat().st_size > size)
    finally:
        os.kill(left, signal.SIGKILL)


def test_the_program_finishes_its_work_when_we_are_killed(launch: list[str], tmp_path: Path) -> None:
    words = sh("echo begin; while ! [ -e go ]; do sleep 0.02; done; echo end; echo complaint >&2; : > done")
    with running([*launch, *words], cwd=tmp_path) as process:
        assert line(process) == b"begin\n"
        process.kill()
        process.wait()
        (tmp_path / "go").touch()
        wait_for((tmp_path / "done").exists)
    assert (tmp_path / "run" / "stdout").read_bytes() == b"begin\nend\n"
    assert (tmp_path / "run" / "stderr").read_bytes() == b"complaint\n"


# --- readers that go away


@pytest.mark.parametrize("words", [
    ["yes"],
    [sys.executable, "-c", "while True: print('a line')"],
    [sys.executable, "-c", "import time\nwhile True: print('a line', flush=True); time.sleep(0.05)"],
], ids=["dies of SIGPIPE", "ignores it", "ignores it and is slow"])
def test_a_program_whose_reader_has_left_ends(launch: list[str], tmp_path: Path, words: list[str]) -> None:
    with running([*launch, *words]) as process:
        assert line(process)
        assert process.stdout
        process.stdout.close()
        assert process.wait(PATIENCE) == -signal.SIGPIPE
        assert process.stderr
        assert process.stderr.read() == b""
    ended = told(tmp_path)
    assert ended["reader_left"]
    assert ended["signal"] == (signal.SIGPIPE if words == ["yes"] else signal.SIGTERM)
    assert ended["stdout"]["size"] == (tmp_path / "run" / "stdout").stat().st_size


def test_a_pipeline_in_a_shell_ends_as_without_us(launch: list[str]) -> None:
    script = '"$@" | head -n 2; echo ${PIPESTATUS[0]} ${PIPESTATUS[1]}'
    bare = subprocess.run(["bash", "-c", script, "-", "yes"], capture_output=True, check=True)
    ours = subprocess.run(["bash", "-c", script, "-", *launch, "yes"], capture_output=True, check=True)
    assert ours.stdout == bare.stdout == b"y\ny\n141 0\n"
    assert ours.stderr == bare.stderr == b""


def test_only_who_writes_is_told_that_the_reader_has_left(launch: list[str], tmp_path: Path) -> None:
    with running([*launch, *sh("yes; echo yes ended with $? >&2; exit 7")]) as process:
        assert line(process) == b"y\n"
        assert process.stdout
        process.stdout.close()
        assert process.wait(PATIENCE) == 7
        assert process.stderr
        assert process.stderr.read() == b"yes ended with 141\n"
    assert told(tmp_path)["reader_left"]


def test_a_program_that_says_nothing_more_does_not_notice_that_the_reader_has_left(
    launch: list[str], tmp_path: Path
) -> None:
    with running([*launch, *sh("echo hello; while ! [ -e go ]; do sleep 0.02; done; exit 3")], cwd=tmp_path) as process:
        assert line(process) == b"hello\n"
        assert process.stdout
        process.stdout.close()
        (tmp_path / "go").touch()
        assert process.wait(PATIENCE) == 3
    assert not told(tmp_path)["reader_left"]


def test_a_full_device_is_complained_about_once_and_the_record_goes_on(launch: list[str], tmp_path: Path) -> None:
    words = sh("for i in 1 2 3 4 5; do echo $i; sleep 0.03; done")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*launch, *words], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0
    assert done.stderr.count(b"\n") == 1
    assert b"No space left" in done.stderr
    assert (tmp_path / "run" / "stdout").read_bytes() == b"1\n2\n3\n4\n5\n"


# --- signals


@pytest.mark.parametrize("number", [
    signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGPIPE,
    signal.SIGWINCH, signal.SIGCONT, signal.SIGABRT, 40,
])
def test_a_signal_to_us_alone_reaches_the_program_once(launch: list[str], listener: list[str], number: int) -> None:
    with running([*launch, *listener]) as process:
        assert line(process) == b"ready\n"
        process.send_signal(number)
        name = signal.Signals(number).name if number < 34 else "REALTIME"
        assert line(process) == f"{name}\n".encode()
        process.send_signal(signal.SIGTERM)
        assert process.stdout
        assert process.stdout.read() == b"SIGTERM\n"
        assert process.wait() == 4


def test_a_program_that_signals_its_own_group_or_us_does_not_hear_it_twice(launch: list[str], tmp_path: Path) -> None:
    script = tmp_path / "group.py"
    script.write_text(
        "import os, signal, subprocess, time\n"
        "signal.signal(signal.SIGUSR1, lambda *_: os.write(1, b'USR1\\n'))\n"
        "signal.signal(signal.SIGUSR2, lambda *_: os.write(1, b'USR2\\n'))\n"
        "os.killpg(0, signal.SIGUSR1)\n"
        "time.sleep(0.1)\n"
        "os.kill(os.getppid(), signal.SIGUSR2)\n"
        "subprocess.run(['/bin/sh', '-c', 'kill -USR2 %d; sleep 0.1' % os.getppid()])\n"
    )
    with running([*launch, sys.executable, str(script)]) as process:
        assert process.stdout
        assert process.stdout.read() == b"USR1\n"
        assert process.wait() == 0


def test_a_program_that_ignores_signals_is_waited_for(launch: list[str]) -> None:
    words = sh("trap '' INT TERM HUP; echo ready; while ! [ -e go ]; do sleep 0.02; done; exit 6")
    with running([*launch, *words]) as process:
        assert line(process) == b"ready\n"
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process.send_signal(number)
        Path("go").touch()
        assert process.wait(PATIENCE) == 6


def test_a_stop_is_passed_on_where_there_is_no_terminal(launch: list[str], tmp_path: Path) -> None:
    with running([*launch, *sh("echo ready; while ! [ -e go ]; do sleep 0.02; done; exit 6")]) as process:
        assert line(process) == b"ready\n"
        program = int((tmp_path / "run" / "pid").read_text())
        os.kill(program, signal.SIGSTOP)  # an orphaned group is not stopped by SIGTSTP
        wait_for(lambda: state(program) == "T")
        Path("go").touch()
        process.send_signal(signal.SIGCONT)
        assert process.wait(PATIENCE) == 6


@pytest.mark.parametrize("wrapper", [[], ["nohup"]], ids=["plain", "nohup"])
def test_the_program_begins_with_the_signals_that_it_would_have(launch: list[str], wrapper: list[str]) -> None:
    words = ["grep", "^Sig[BIC]", "/proc/self/status"]
    bare = subprocess.run([*wrapper, *words], capture_output=True, check=True, stdin=subprocess.DEVNULL)
    ours = subprocess.run([*wrapper, *launch, *words], capture_output=True, check=True, stdin=subprocess.DEVNULL)
    assert _sets(ours.stdout) == _sets(bare.stdout)


def _sets(status: bytes) -> list[int]:
    """The sets of signals, without the two that the C library has for itself and leaves ignored in what it spawns."""
    return [int(line.split()[1], 16) & ~(0b11 << 31) for line in status.splitlines()]


def test_exit_statuses_are_seen_where_children_are_ignored(launch: list[str]) -> None:
    done = subprocess.run(["bash", "-c", "trap '' CHLD; exec \"$@\"", "-", *launch, *sh("exit 9")], check=False)
    assert done.returncode == 9


# --- descriptors


def test_descriptors_of_the_user_get_through_and_ours_do_not(launch: list[str], tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import os; print(sorted(map(int, os.listdir('/proc/self/fd'))))"]
    (tmp_path / "three").touch()
    with open(tmp_path / "three") as three:
        bare = subprocess.run(words, capture_output=True, pass_fds=[three.fileno()], check=True)
        ours = subprocess.run([*launch, *words], capture_output=True, pass_fds=[three.fileno()], check=True)
    assert ours.stdout == bare.stdout


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_no_harm(launch: list[str], tmp_path: Path, closed: str) -> None:
    words = sh("if read x; then echo read; else echo nothing; fi; echo complaint >&2; exit 3")
    done = subprocess.run(
        ["bash", "-c", f'"$@" {closed}', "-", *launch, *words],
        stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )
    assert done.returncode == 3
    assert (tmp_path / "run" / "stdout").read_bytes() == b"nothing\n"
    assert b"complaint\n" in (tmp_path / "run" / "stderr").read_bytes()
    assert (tmp_path / "run" / "own").read_bytes() == b""


def test_too_few_descriptors_are_said_before_the_start(launch: list[str]) -> None:
    done = subprocess.run(
        ["bash", "-c", 'ulimit -n 6; exec "$@"', "-", *launch, "echo", "started"], capture_output=True, check=False
    )
    assert done.returncode == 125
    assert b"Too many open files" in done.stderr
    assert done.stdout == b""


def test_one_run_within_another_is_as_one(launch: list[str], tmp_path: Path) -> None:
    inner = [*launch[:-1], str(tmp_path / "inner")]
    done = subprocess.run([*launch, *inner, *sh("echo out; echo err >&2; kill -USR1 $$")], capture_output=True,
                          check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGUSR1, b"out\n", b"err\n")
    for folder in ("run", "inner"):
        assert (tmp_path / folder / "stdout").read_bytes() == b"out\n"


# --- at a terminal


class Screen:
    """A terminal with a session in it, and what can be read there."""

    BECOME = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"

    def __init__(self, words: list[str]) -> None:
        self.master, slave = os.openpty()
        self.resize(24, 80)
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.BECOME, *words],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        )
        os.close(slave)
        self.seen = b""
        self._looked = 0

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self, until: bytes) -> bytes:
        """Return what comes up to and with *until*."""
        end = time.monotonic() + PATIENCE
        while (found := self.seen.find(until, self._looked)) < 0:
            assert time.monotonic() < end, (until, self.seen[self._looked :])
            assert self._more(), (until, self.seen[self._looked :])
        piece = self.seen[self._looked : found + len(until)]
        self._looked = found + len(until)
        return piece

    def rest(self) -> bytes:
        """Return all that comes until the session ends."""
        while self._more():
            pass
        return self.seen[self._looked :]

    def _more(self) -> bool:
        if not select.select([self.master], [], [], PATIENCE)[0]:
            return False
        try:
            block = os.read(self.master, 65536)
        except OSError:
            return False
        self.seen += block
        return bool(block)

    def hang_up(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1


@pytest.fixture
def screen() -> Iterator[Callable[[list[str]], Screen]]:
    screens: list[Screen] = []

    def start(words: list[str]) -> Screen:
        screens.append(Screen(words))
        return screens[-1]

    yield start
    for one in screens:
        one.hang_up()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.wait()


Start = Callable[[list[str]], Screen]


def test_all_three_streams_are_a_terminal(launch: list[str], screen: Start, tmp_path: Path) -> None:
    session = screen([*launch, *sh("test -t 0 && test -t 1 && test -t 2 && echo yes; echo no >&2")])
    session.rest()
    assert session.process.wait() == 0
    assert (tmp_path / "run" / "stdout").read_bytes() == b"yes\n"
    assert (tmp_path / "run" / "stderr").read_bytes() == b"no\n"


def test_only_the_stream_that_is_one_is_a_terminal(launch: list[str], screen: Start, tmp_path: Path) -> None:
    test = sh("test -t 1 && echo out is one; test -t 2 && echo err is one >&2")
    screen(["/bin/bash", "-c", '"$@" > plain', "-", *launch, *test]).rest()
    assert Path("plain").read_bytes() == b""
    assert (tmp_path / "run" / "stderr").read_bytes() == b"err is one\n"


def test_colours_and_progress_bars_are_shown_and_kept_as_written(
    launch: list[str], screen: Start, tmp_path: Path
) -> None:
    code = "import os; os.write(1, b'\\x1b[31m 50%\\r100%\\x1b[0m\\n\\xff\\0\\ttab')"
    shown = screen([*launch, sys.executable, "-c", code]).rest()
    kept = b"\x1b[31m 50%\r100%\x1b[0m\n\xff\0\ttab"
    assert (tmp_path / "run" / "stdout").read_bytes() == kept
    assert shown == kept.replace(b"\n", b"\r\n")
    assert told(tmp_path)["stdout"]["digest"] == f"sha256:{hashlib.sha256(kept).hexdigest()}"


def test_much_output_at_a_terminal_is_complete(launch: list[str], screen: Start, tmp_path: Path) -> None:
    session = screen([*launch, "seq", "100000"])
    shown = session.rest()
    assert session.process.wait() == 0
    kept = (tmp_path / "run" / "stdout").read_bytes()
    assert kept == b"".join(b"%d\n" % i for i in range(1, 100001))
    assert shown == kept.replace(b"\n", b"\r\n")


def test_ctrl_c_reaches_the_program_once(launch: list[str], listener: list[str], screen: Start, tmp_path: Path) -> None:
    session = screen([*launch, *listener])
    session.read(b"ready\r\n")
    session.type(b"\x03")
    session.read(b"SIGINT\r\n")
    session.type(b"\x1c")
    session.read(b"SIGQUIT\r\n")
    session.process.send_signal(signal.SIGINT)
    session.read(b"SIGINT\r\n")
    session.process.terminate()
    session.rest()
    assert session.process.wait() == 4
    assert (tmp_path / "run" / "stdout").read_bytes() == b"ready\nSIGINT\nSIGQUIT\nSIGINT\nSIGTERM\n"


def test_ctrl_c_ends_a_loop_in_the_shell(launch: list[str], screen: Start) -> None:
    loop = 'for i in 1 2 3; do "$@"; done; echo survived'
    session = screen(["/bin/bash", "-c", loop, "-", *launch, *sh("echo on; sleep 60")])
    session.read(b"on\r\n")
    session.type(b"\x03")
    assert b"on" not in session.rest()
    assert session.process.wait() == -signal.SIGINT


def test_a_hung_up_terminal_is_told_to_the_program(launch: list[str], screen: Start, tmp_path: Path) -> None:
    words = sh("trap 'echo hung up > heard; exit 8' HUP; echo ready; while :; do sleep 0.02; done")
    session = screen([*launch, *words])
    session.read(b"ready\r\n")
    session.hang_up()
    assert session.process.wait(PATIENCE) == 8
    assert Path("heard").read_text() == "hung up\n"
    assert told(tmp_path)["exit_status"] == 8


def interactive(screen: Start) -> Screen:
    session = screen(["/bin/bash", "--norc", "--noediting", "-i"])
    session.type(b"PS1='ready''> '\n")
    session.read(b"ready> ")
    return session


def quoted(words: list[str]) -> bytes:
    import shlex

    return shlex.join(words).encode()


def test_ctrl_z_and_fg_stop_and_continue(launch: list[str], screen: Start, tmp_path: Path) -> None:
    session = interactive(screen)
    # Not sh: while one starts a command by vfork(), Ctrl-Z gets it stuck, with us or without.
    code = (
        "import os, sys, time; print('begun')\n"
        "while not os.path.exists('go'): time.sleep(0.02)\n"
        "print('end' 'ed'); sys.exit(3)"
    )
    script = tmp_path / "program.py"
    script.write_text(code)
    session.type(quoted([*launch, sys.executable, "-u", str(script)]) + b"\n")
    session.read(b"begun\r\n")
    session.type(b"\x1a")
    session.read(b"Stopped")
    session.read(b"ready> ")
    program = int((tmp_path / "run" / "pid").read_text())
    assert state(program) == "T"
    Path("go").touch()
    session.type(b"fg\n")
    session.read(b"ended\r\n")
    session.read(b"ready> ")
    session.type(b"echo status=$?\n")
    session.read(b"status=3\r\n")
    session.type(b"exit\n")
    session.rest()


def test_ctrl_z_does_not_stop_us_when_the_program_does_not_stop(
    launch: list[str], screen: Start
) -> None:
    session = interactive(screen)
    session.type(quoted([*launch, *sh("trap '' TSTP; echo beg''un; read x; echo got $x")]) + b"\n")
    session.read(b"begun\r\n")
    session.type(b"\x1a")
    session.type(b"word\n")
    session.read(b"got word\r\n")
    session.read(b"ready> ")
    session.type(b"exit\n")
    assert b"Stopped" not in session.rest()


def test_a_background_job_writes_and_is_waited_for(launch: list[str], screen: Start) -> None:
    session = interactive(screen)
    session.type(quoted([*launch, *sh("sleep 0.1; echo back''ground; exit 5")]) + b" & wait $!; echo status=$?\n")
    session.read(b"background\r\n")
    session.read(b"status=5\r\n")
    session.type(b"exit\n")
    session.rest()


def test_a_background_job_that_reads_is_stopped_and_continues_in_front(launch: list[str], screen: Start) -> None:
    session = interactive(screen)
    session.type(quoted([*launch, *sh("read x; echo g''ot $x")]) + b" &\n")
    session.read(b"ready> ")
    wait_for(lambda: _typed_until(session, b"jobs\n", b"Stopped"))
    session.type(b"fg\n")
    session.type(b"word\n")
    session.read(b"got word\r\n")
    session.read(b"ready> ")
    session.type(b"exit\n")
    session.rest()


def _typed_until(session: Screen, keys: bytes, expected: bytes) -> bool:
    session.type(keys)
    return expected in session.read(b"ready> ")


def test_a_change_of_size_reaches_the_program(launch: list[str], screen: Start, tmp_path: Path) -> None:
    script = tmp_path / "size.py"
    script.write_text(
        "import os, signal\n"
        "def tell(*_):\n"
        "    os.write(1, b'%dx%d and %dx%d\\n' % (*os.get_terminal_size(1), *os.get_terminal_size(2)))\n"
        "signal.signal(signal.SIGWINCH, tell)\n"
        "tell()\n"
        "while True: signal.pause()\n"
    )
    session = screen([*launch, sys.executable, str(script)])
    session.read(b"80x24 and 80x24\r\n")
    session.resize(50, 132)
    session.read(b"132x50 and 132x50\r\n")
    session.type(b"\x03")
    session.rest()


def test_a_change_of_size_reaches_a_run_within_another(launch: list[str], screen: Start, tmp_path: Path) -> None:
    script = tmp_path / "size.py"
    script.write_text(
        "import os, signal, time\n"
        "while True: os.write(1, b'%dx%d\\n' % os.get_terminal_size(1)); time.sleep(0.02)\n"
    )
    session = screen([*launch, *launch[:-1], str(tmp_path / "inner"), sys.executable, str(script)])
    session.read(b"80x24\r\n")
    session.resize(50, 132)
    session.read(b"132x50\r\n")
    session.type(b"\x03")
    session.rest()
    assert session.process.wait() == -signal.SIGINT


def test_the_program_reads_what_is_typed(launch: list[str], screen: Start, tmp_path: Path) -> None:
    session = screen([*launch, *sh("printf 'name? '; read name; echo hello $name")])
    session.read(b"name? ")
    session.type(b"Ada\n")
    assert session.rest() == b"Ada\r\nhello Ada\r\n"
    assert (tmp_path / "run" / "stdout").read_bytes() == b"name? hello Ada\n"


@pytest.mark.parametrize("words", [
    ["/bin/bash", "-c", "read -s -p 'secret: ' x; echo; echo \"length ${#x}\""],
    [sys.executable, "-c", "import getpass; x = getpass.getpass('secret: '); print('length', len(x))"],
], ids=["read -s", "getpass"])
def test_a_secret_is_neither_shown_nor_kept(
    launch: list[str], screen: Start, tmp_path: Path, words: list[str]
) -> None:
    session = screen([*launch, *words])
    session.read(b"secret: ")
    session.type(b"gourd\n")
    assert b"length 5" in session.rest()
    assert b"gourd" not in session.seen
    assert b"gourd" not in (tmp_path / "run" / "stdout").read_bytes() + (tmp_path / "run" / "stderr").read_bytes()


def test_an_interactive_interpreter_can_be_used(launch: list[str], screen: Start) -> None:
    session = screen([*launch, sys.executable, "-i", "-q"])
    session.read(b">>> ")
    session.type(b"6 * 7\n")
    session.read(b"42\r\n")
    session.read(b">>> ")
    session.type(b"\x04")
    session.rest()
    assert session.process.wait() == 0


def test_a_background_process_does_not_hold_the_terminal(launch: list[str], screen: Start, tmp_path: Path) -> None:
    session = screen([*launch, *sh("trap '' HUP; sleep 60 & echo $!")])
    left = int(session.read(b"\r\n"))
    assert session.process.wait(PATIENCE) == 0
    os.kill(left, signal.SIGKILL)


def test_a_program_that_closes_its_streams_is_waited_for_idly(launch: list[str], screen: Start, tmp_path: Path) -> None:
    session = screen([*launch, *sh("echo last; exec >&- 2>&-; while ! [ -e go ]; do sleep 0.02; done; exit 2")])
    session.read(b"last\r\n")
    Path("go").touch()
    assert session.process.wait(PATIENCE) == 2


@pytest.mark.parametrize("given", [{}, {"LANG": "C"}, {"LC_CTYPE": "C.UTF-8"}], ids=repr)
def test_the_program_gets_the_variables_for_its_language_that_we_got(given, project):
    """Where there are none, Python sets one for itself."""
    kept = {name: value for name, value in os.environ.items() if name[:3] not in ("LC_", "LAN")}
    words = [sys.executable, str(Path(__file__).resolve().parents[2] / "bin" / "smt"), "run", "-q", "--", "env"]
    said = subprocess.run(words, env={**kept, **given}, capture_output=True, check=True, timeout=60, text=True).stdout
    assert dict(line.split("=", 1) for line in said.splitlines() if line[:3] in ("LC_", "LAN")) == given
