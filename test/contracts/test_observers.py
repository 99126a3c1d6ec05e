"""Each method of observing sees what programs do that make it hard; and whatever is killed, the program goes on."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from sumatra.capture import observation
from sumatra.capture.observation import FileAccess, Observed
from sumatra.errors import UsageError

PROGRAMS = Path(__file__).resolve().parent.parent / "programs"

#: Ways of copying ``in`` to ``out`` that every method must see.
WAYS = [
    "plain", "stdio", "thread", "thread-folder", "fork", "vfork-exec", "no-environment", "memory", "rename",
    "hard-link", "raw", "openat2", "openat2-in-root", "folder", "nameless", "open-file", "copy-range", "read-write",
    "truncate", "old-calls", "alarms",
]


@pytest.fixture(scope="session", params=["dynamic", "static"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Return a function that compiles one of our programs and returns its path."""
    if not shutil.which("gcc"):
        pytest.skip("gcc isn't installed")
    folder = tmp_path_factory.mktemp(request.param)
    options = ["-static"] if request.param == "static" else []

    def build(name: str) -> str:
        target = folder / name
        if not target.exists():
            words = ["gcc", "-O1", "-pthread", *options, "-o", str(target), str(PROGRAMS / f"{name}.c")]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"{name}.c can't be compiled here: {done.stderr[-200:]}")
        return str(target)

    return build


@pytest.fixture(params=["notify/helper", "notify/python", "strace"])
def method(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Each method that can be used here, and who does its work where there are two who can."""
    name: str = request.param
    kind, _, maker = name.partition("/")
    observer = observation.begin(str(tmp_path_factory.mktemp("probe") / "log"), f"auto/{maker}" if maker else name)
    try:
        pid = observer.spawn("/bin/true", ["true"], {}, {}, ())
        os.waitpid(pid, 0)
    finally:
        observer.close()
    if observer.method != kind:
        pytest.skip(f"not possible here: {observer.reasons}")
    return name


class Run:
    """A program that ran, and what was seen of it."""

    def __init__(self, method: str, log: Path, words: Iterable[str], descriptors: dict[int, int] | None = None) -> None:
        words = list(words)
        self.observer = observation.begin(str(log), method)
        path = shutil.which(words[0])
        assert path
        self.pid = self.observer.spawn(path, words, dict(os.environ), descriptors or {}, ())
        self.waited = False

    def wait(self) -> int:
        self.waited = True
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def end(self, status: int = 0) -> Observed:
        assert self.wait() == status
        return self.observer.finish()


Start = Callable[..., Run]


@pytest.fixture
def start(method: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start a program in an empty folder; the log is elsewhere."""
    logs = tmp_path_factory.mktemp("logs")
    runs: list[Run] = []

    def begin(*words: str, **more: dict[int, int]) -> Run:
        runs.append(Run(method, logs / str(len(runs)), words, **more))
        return runs[-1]

    yield begin
    for run in runs:
        if not run.waited:
            os.kill(run.pid, signal.SIGKILL)
            run.wait()


def here(observed: Observed) -> dict[str, FileAccess]:
    """Return what was done to the files of the current folder, by their names in it."""
    folder = os.getcwd() + "/"
    return {file.path[len(folder):]: file for file in observed.files if file.path.startswith(folder)}


def read(observed: Observed) -> set[str]:
    return {name for name, file in here(observed).items() if file.read}


def written(observed: Observed) -> set[str]:
    return {name for name, file in here(observed).items() if file.written}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_copied_is_seen_whatever_way_it_is_copied(
    way: str, start: Start, built: Callable[[str], str]
) -> None:
    Path("in").write_text("content\n")
    Path("sub").mkdir()
    run = start(built("ways"), way)
    status = run.wait()
    if status == 77:
        pytest.skip("this kernel has no such calls")
    assert status == 0
    observed = run.observer.finish()
    assert (read(observed), written(observed)) == ({"in"}, {"out"})
    by = here(observed)
    assert {observed.processes[place].pid for place in by["out"].writers}
    assert by["in"].readers


@pytest.mark.parametrize(("way", "code"), [("ring", "io-uring"), ("handle", "opened-by-handle")])
@pytest.mark.provokes("io-uring", "opened-by-handle")
def test_what_cannot_be_seen_is_said(way: str, code: str, start: Start, built: Callable[[str], str]) -> None:
    Path("in").write_text("content\n")
    run = start(built("ways"), way)
    if run.wait():
        pytest.skip("not allowed here")
    observed = run.observer.finish()
    assert "in" in read(observed) or code in {finding.code for finding in observed.findings}


def test_calls_that_make_no_sense_do_not_harm_what_is_seen(start: Start, built: Callable[[str], str]) -> None:
    """Names without an end or from nowhere, and more arguments than there may be."""
    Path("in").write_text("content\n")
    observed = start(built("hostile")).end()
    assert (read(observed), written(observed)) == ({"in"}, {"out"})
    assert {finding.code for finding in observed.findings} <= {"opened-by-handle"}


def test_what_shells_do_is_seen(start: Start) -> None:
    for name in ("first", "second", "third", "changed", "emptied", "removed", "untouched"):
        Path(name).write_text(f"{name}\n")
    Path("inner").mkdir()
    observed = start("/bin/sh", str(PROGRAMS / "shell.sh")).end()
    files = here(observed)
    assert read(observed) == {"first", "second", "third"}
    assert written(observed) == {
        "copied", "appended", "converted", "inner/fourth", "final/file", "pointer", "kept", "changed", "emptied",
        "through", "last",
    }
    assert {name for name, file in files.items() if file.deleted} == {"removed"}
    assert files["final/file"].renamed_from == os.path.abspath("made/file")
    folder = os.getcwd()
    assert {os.path.relpath(name, folder) for name in observed.folders} == {"final", "final/deep"}
    assert str(PROGRAMS / "shell.sh") in {file.path for file in observed.files if file.read}


def test_files_of_a_renamed_folder_are_told_by_the_names_that_they_had_before_and_have_after(start: Start) -> None:
    Path("old").mkdir()
    for name in ("one", "two", "three"):
        Path("old", name).write_text(f"{name}\n")
    observed = start(
        "/bin/sh", "-c", "mv old new; mv new/one new/first; rm new/three; cat new/two; echo 4 > new/four"
    ).end()
    files = here(observed)
    assert written(observed) == {"new/first", "new/two", "new/four"}
    assert {name for name, file in files.items() if file.deleted} == {"old/one", "old/two", "old/three"}
    assert files["new/two"].renamed_from == os.path.abspath("old/two")
    assert read(observed) == {"old/two"}


@pytest.mark.parametrize("method", ["notify/helper", "notify/python"], indirect=True)
def test_a_folder_that_went_and_came_back_was_not_written(start: Start) -> None:
    Path("old").mkdir()
    Path("old", "one").write_text("1\n")
    observed = start("/bin/sh", "-c", "mv old new; mv new old; cat old/one").end()
    assert (read(observed), written(observed)) == ({"old/one"}, set())
    assert not any(file.deleted for file in observed.files)


def test_temporary_folders_are_no_inputs(start: Start) -> None:
    """Python opens a folder like a file before it removes it."""
    script = "import tempfile; tempfile.TemporaryDirectory(dir='.').cleanup()"
    assert not read(start(sys.executable, "-c", script).end())


#: For what audit sees as well.
with_audit = pytest.mark.parametrize("method", ["notify", "strace", "audit"], indirect=True)


@with_audit
@pytest.mark.parametrize("kind", ["fork", "spawn", "forkserver"])
def test_threads_and_processes_of_python_are_seen(start: Start, kind: str) -> None:
    for number in range(12):
        Path(f"in_{number}").write_text(str(number))
    observed = start(sys.executable, str(PROGRAMS / "many.py"), "12", kind).end()
    assert read(observed) == {f"in_{number}" for number in range(12)}
    assert written(observed) == {f"out_{number}" for number in range(12)}
    files = here(observed)
    first = observed.processes[0].pid
    for number in range(12):
        pids = {observed.processes[place].pid for place in files[f"out_{number}"].writers}
        assert (pids == {first}) == (number % 3 != 1)


@with_audit
def test_names_of_any_bytes_are_seen(start: Start) -> None:
    names = {
        b"new\nline", b" two words ", b"caf\xc3\xa9", b"\xff\xfe", b"tab\tquote\"back\\slash", b"<a> [b] (deleted)",
        b"x" * 250, b"-", b"\x01\x7f", b"a > b", b"(deleted)",
    }
    for name in names:
        Path(os.fsdecode(name)).write_text("x")
    code = "import os\nfor n in os.listdir(b'.'): open(b'to ' + n, 'wb').write(open(n, 'rb').read())"
    observed = start(sys.executable, "-c", code).end()
    assert {os.fsencode(name) for name in read(observed)} == names
    assert {os.fsencode(name) for name in written(observed)} == {b"to " + name for name in names}


@with_audit
@pytest.mark.parametrize(
    ("code", "inputs", "outputs", "deleted"),
    [
        ("open('a', 'a').write('more')", set(), {"a"}, set()),
        ("open('a', 'r+').write('more')", {"a"}, {"a"}, set()),
        ("open('a', 'r+')", {"a"}, set(), set()),
        ("open('a', 'w').write('new'); open('a').read()", set(), {"a"}, set()),
        ("open('a').read(); open('a', 'w').write('new')", {"a"}, {"a"}, set()),
        ("open('n', 'w').write('1'); open('n').read()", set(), {"n"}, set()),
        ("open('n', 'w').write('1'); os.unlink('n')", set(), set(), set()),
        ("open('a').read(); os.unlink('a')", {"a"}, set(), {"a"}),
        ("os.unlink('a'); open('a', 'w').write('1')", set(), {"a"}, set()),
        ("os.rename('a', 'n'); open('n').read()", {"a"}, {"n"}, {"a"}),
        ("os.rename('a', 'n'); os.rename('n', 'a')", set(), set(), set()),
        ("open('n', 'w').write('1'); os.replace('n', 'a'); open('a').read()", set(), {"a"}, set()),
        ("open('a').read(); open('n', 'w').write('1'); os.replace('n', 'a')", {"a"}, {"a"}, set()),
        ("os.truncate('a', 1)", set(), {"a"}, set()),
        ("os.truncate('a', os.path.getsize('a')); os.utime('b')", set(), {"a"}, set()),
        ("os.link('a', 'n'); open('n', 'a').write('x')", {"a"}, {"a", "n"}, set()),
        ("os.symlink('a', 'n'); open('n').read()", {"a"}, {"n"}, set()),
        ("os.symlink('n', 'm'); open('m', 'w').write('1')", set(), {"n", "m"}, set()),
        ("os.mkdir('d'); os.chdir('d'); open('../a').read(); open('n', 'w').write('1')", {"a"}, {"d/n"}, set()),
        ("os.mkdir('d'); open('d/n', 'w').write('1'); os.rename('d', 'e'); open('e/n').read()", set(), {"e/n"}, set()),
        ("os.rename('old', 'new'); open('new/x').read()", {"old/x"}, {"new/x"}, set()),
        (
            """os.symlink('old', 's'); open('s/x').read(); os.rename('old', 'e'); os.mkdir('old'); os.remove('s')
os.symlink('e', 's'); open('s/n', 'w').write('1')""", {"old/x"}, {"s", "e/n"}, set(),
        ),
        ("try: open('absent')\nexcept OSError: pass", set(), set(), set()),
        ("try: open('d/absent', 'w')\nexcept OSError: pass", set(), set(), set()),
        ("os.listdir('.'); os.stat('a'); os.access('a', 4)", set(), set(), set()),
        ("open('/dev/fd/%d' % os.open('a', 0)).read()", {"a"}, set(), set()),
        ("os.dup2(os.open('n', 65), 1); open('/dev/stdout', 'w').write('1')", set(), {"n"}, set()),
        ("open('a').read(); os.replace('b', 'a'); open('a').read()", {"a", "b"}, {"a"}, {"b"}),
        ("open('x').read(); os.chdir('old'); open('x').read()", {"x", "old/x"}, set(), set()),
        ("shutil.copy2('a', 'n')", {"a"}, {"n"}, set()),
        ("shutil.move('a', 'old/y')", set(), {"old/y"}, {"a"}),
    ],
)
def test_what_counts_is_the_content(
    start: Start, code: str, inputs: set[str], outputs: set[str], deleted: set[str]
) -> None:
    for name in ("a", "b"):
        Path(name).write_text(f"{name} as it was before\n")
    Path("old").mkdir()
    for name in ("x", "old/x"):
        Path(name).write_text("x\n")
    observed = start(sys.executable, "-c", f"import os, shutil\n{code}").end()
    gone = {name for name, file in here(observed).items() if file.deleted}
    assert (read(observed), written(observed)) == (inputs, outputs)
    assert deleted <= gone


def test_the_tree_of_programs_is_told(start: Start) -> None:
    observed = start("/bin/sh", "-c", "cat /dev/null | /bin/sh -c 'exec env true x'; exit 0").end()
    tree = observed.processes
    assert tree[0].parent is None
    names = [os.path.basename(program.path) for program in tree]
    shell = os.path.basename(os.path.realpath("/bin/sh"))
    assert names[0] == shell
    assert {"cat", "true"} <= {os.path.basename(os.path.realpath(shutil.which(name) or name)) for name in names}
    true = next(program for program in tree if program.arguments == ("true", "x"))
    chain = [program for program in tree if program.pid == true.pid]
    assert [program.arguments[0] for program in chain][-2:] == ["env", "true"]
    for program in tree[1:]:
        assert program.parent is not None
        assert tree[program.parent].started <= program.started


@with_audit
@pytest.mark.parametrize(("words", "status"), [
    (["/bin/sh", "-c", "exit 7"], 7),
    (["/bin/sh", "-c", "kill -TERM $$"], -signal.SIGTERM),
    (["/bin/sh", "-c", "kill -SEGV $$"], -signal.SIGSEGV),
])
def test_it_ends_as_it_would_unobserved(start: Start, words: list[str], status: int) -> None:
    start(*words).end(status)


@with_audit
def test_it_can_be_stopped_and_continued(start: Start) -> None:
    run = start("/bin/sh", "-c", "kill -STOP $$; exit 5")
    _, status = os.waitpid(run.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    os.kill(run.pid, signal.SIGCONT)
    run.end(5)


@with_audit
def test_it_begins_as_it_would_unobserved(method: str, tmp_path: Path) -> None:
    """Its streams, signals, group and session, open files, environment and arguments are the same."""
    code = (
        "import os, signal, sys\n"
        "status = open('/proc/self/status').read().split('\\n')\n"
        "print([line for line in status if line.startswith(('SigBlk', 'SigCgt', 'Umask'))])\n"
        "print([i for i in range(1, 32) if signal.getsignal(i) == signal.SIG_IGN])\n"
        "print(os.getpgrp(), os.getsid(0), os.getppid(), sorted(os.environ.items()), sys.argv)\n"
        "print(sorted(set(os.listdir('/proc/self/fd'))))\n"
        "print(os.getcwd(), [os.fstat(i).st_ino for i in (0, 1, 2)])\n"
    )
    seen = []
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    kept = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(kept, True)
    try:
        for name in ("none", method):
            out = os.open(tmp_path / "printed", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            observer = observation.begin(str(tmp_path / "log"), name)
            words = ["python", "-S", "-c", code, "a b", "\udcff"]
            pid = observer.spawn(sys.executable, words, {"A": "b\udcfe"}, {1: out, 2: out}, {signal.SIGHUP})
            assert os.waitpid(pid, 0)[1] == 0
            observer.finish()
            os.close(out)
            seen.append((tmp_path / "printed").read_text(errors="surrogateescape"))
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
        os.close(kept)
    assert seen[0] == seen[1]


def test_a_script_without_first_line_is_run_by_the_shell(start: Start) -> None:
    Path("script").write_text("cat in > \"$1\"\n")
    Path("script").chmod(0o755)
    Path("in").write_text("x")
    observed = start("./script", "out").end()
    assert (read(observed), written(observed)) == ({"script", "in"}, {"out"})


@with_audit
def test_what_cannot_be_started_is_an_error_of_the_system(method: str, tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/no/such/interpreter\n")
    (tmp_path / "script").chmod(0o755)
    children = set(os.listdir("/proc/self/fd"))
    for path in (str(tmp_path / "absent"), str(tmp_path / "script"), str(tmp_path)):
        observer = observation.begin(str(tmp_path / "log"), method)
        with pytest.raises(OSError, match=r"."):
            observer.spawn(path, [path], {}, {}, ())
        observer.close()
    for words, error in ((["true", "a\0b"], ValueError), (["true", "x" * 3_000_000], OSError)):
        observer = observation.begin(str(tmp_path / "log"), method)
        with pytest.raises(error):
            observer.spawn("/bin/true", words, {}, {}, ())
        observer.close()
    assert set(os.listdir("/proc/self/fd")) == children
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@with_audit
def test_two_runs_at_once_in_one_folder_are_told_apart(start: Start) -> None:
    code = "import sys, time\nfor i in range(20): open(f'{sys.argv[1]}_{i}', 'w').write('x'); time.sleep(0.002)"
    runs = [start(sys.executable, "-c", code, name) for name in ("one", "two")]
    for run, name in zip(runs, ("one", "two"), strict=True):
        assert written(run.end()) == {f"{name}_{i}" for i in range(20)}


def test_what_is_left_in_the_background_holds_nobody_up(start: Start) -> None:
    Path("in").write_text("x")
    run = start("/bin/sh", "-c", "(sleep 30; cat in > late) & echo $! > pid; exit 0")
    observed = run.end()
    left = int(Path("pid").read_text())
    os.kill(left, signal.SIGKILL)
    assert "pid" in written(observed)
    assert "late" not in written(observed)


# --- what is killed


def watchers(log: Path) -> list[int]:
    """Return the processes that have observed, in turn."""
    texts = log.read_bytes().split(b"\0")
    return [int(text.split()[1]) for text in texts if text.startswith(b"o ")]


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.005)


@pytest.fixture
def only_notify(method: str) -> None:
    if not method.startswith("notify"):
        pytest.skip("strace has no second one")


SIDE_BY_SIDE = 3


def side_by_side(program: str, *words: str) -> list[str]:
    """Return the words of a command that runs *program* several times at once, each in a folder of its own."""
    for place in range(SIDE_BY_SIDE):
        Path(f"d{place}").mkdir()
    script = (
        'pids=; for d in d*; do (cd $d && exec "$@") & pids="$pids $!"; done; all=0; '
        "for p in $pids; do wait $p || all=1; done; exit $all"
    )
    return ["/bin/sh", "-c", script, "sh", program, *words]


def test_programs_that_run_side_by_side_are_all_seen(start: Start, built: Callable[[str], str]) -> None:
    """The helper answers several at a time then."""
    words = side_by_side(built("opens"), "3000", "1000")
    names = {f"d{place}/f{number}" for place in range(SIDE_BY_SIDE) for number in range(1000)}
    for name in names:
        Path(name).write_text("x")
    observed = start(*words).end()
    assert read(observed) == names
    openers: dict[str, set[int]] = {f"d{place}": set() for place in range(SIDE_BY_SIDE)}
    for name, file in here(observed).items():
        openers[name.partition("/")[0]] |= set(file.readers)
    assert sorted(map(len, openers.values())) == [1] * SIDE_BY_SIDE
    assert len(set().union(*openers.values())) == SIDE_BY_SIDE


def test_the_helper_answers_several_at_a_time_only_where_they_run_side_by_side(
    start: Start, built: Callable[[str], str], method: str
) -> None:
    if method != "notify/helper":
        pytest.skip("only the helper does that")
    ours, its = os.pipe()
    alone = start(built("opens"), "60000", "50")
    together = start(*side_by_side(built("opens"), "60000", "50"))

    def threads(run: Run) -> int:
        # There are two, one of which stands by; which of them has the higher number isn't known.
        found = watchers(Path(run.observer._log_path))
        return max((len(os.listdir(f"/proc/{pid}/task")) for pid in found), default=0)

    wait_until(lambda: threads(together) > 1, "it answers one at a time")
    one_by_one = start(
        "/bin/sh", "-c", "for each in $(seq 200); do /bin/true; done; echo > ended; read answer", descriptors={0: ours}
    )
    wait_until(Path("ended").exists, "they haven't all ended")
    assert threads(alone) == threads(one_by_one) == 1
    os.close(its)
    one_by_one.end(1)
    together.end(1)  # there are no such files
    alone.end(1)


@pytest.mark.usefixtures("only_notify")
@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("times", [1, 8])
@pytest.mark.provokes("observer-killed")
def test_when_the_observer_is_killed_another_takes_over(
    start: Start, built: Callable[[str], str], times: int, together: bool
) -> None:
    words = [built("opens"), "60000", "50"]
    names = {f"f{number}" for number in range(50)}
    if together:
        words = side_by_side(*words)
        names = {f"d{place}/{name}" for place in range(SIDE_BY_SIDE) for name in names}
    for name in names:
        Path(name).write_text("x")
    out = os.open("printed", os.O_RDWR | os.O_CREAT)
    run = start(*words, descriptors={1: out})
    log = Path(run.observer._log_path)
    killed: set[int] = set()
    while len(killed) < times:
        wait_until(lambda: set(watchers(log)) > killed, "nobody observes")
        time.sleep(0.02)
        victim = watchers(log)[-1]
        killed.add(victim)
        os.kill(victim, signal.SIGKILL)
    assert run.wait() == 0, os.pread(out, 100, 0)
    os.close(out)
    observed = run.observer.finish()
    assert read(observed) >= names
    assert "observer-killed" in {finding.code for finding in observed.findings}


@pytest.mark.usefixtures("only_notify")
@pytest.mark.parametrize("also_the_observer", [False, True])
def test_when_smt_is_killed_the_program_goes_on_and_is_seen(tmp_path: Path, also_the_observer: bool) -> None:
    code = (
        "import os, sys\nfrom sumatra.capture import observation\n"
        "o = observation.begin('log', 'notify')\n"
        "script = 'echo 1 > started; while [ ! -e go ]; do sleep 0.01; done; cat in > out; echo $? > done'\n"
        "words = ['sh', '-c', script]\n"
        "pid = o.spawn('/bin/sh', words, os.environ, {}, ())\nos.waitpid(pid, 0)\n"
    )
    Path("in").write_text("x")
    smt = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": _root()})
    wait_until(Path("started").exists, "it didn't begin")
    smt.kill()
    smt.wait()
    if also_the_observer:
        os.kill(watchers(Path("log"))[-1], signal.SIGKILL)
    Path("go").touch()
    wait_until(lambda: Path("done").exists() and Path("done").read_text() != "", "it didn't end")
    assert Path("done").read_text() == "0\n"
    observed = observation.read("log")
    assert "in" in read(observed)
    assert {"started", "out", "done"} <= written(observed)
    pids = watchers(Path("log"))
    assert len(pids) == 1 + also_the_observer
    wait_until(lambda: not any(map(lives, pids)), "the observers don't end")


@pytest.mark.usefixtures("only_notify")
def test_nobody_is_left_when_the_run_has_ended(start: Start) -> None:
    run = start("/bin/sleep", "0.1")
    pids = watchers(Path(run.observer._log_path))
    assert os.getpgid(pids[0]) != os.getpgrp()  # what is sent to our group doesn't reach it
    run.end()
    wait_until(lambda: not any(map(lives, pids)), "the observer lives on")
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and _stands_by(pid, pids)]


def _stands_by(pid: str, parents: list[int]) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return int(fields[1]) in parents and fields[0] not in "ZX"


def _root() -> str:
    return str(PROGRAMS.parent.parent)


@pytest.mark.slow
@pytest.mark.usefixtures("only_notify")
def test_an_observer_that_is_stuck_is_replaced(start: Start) -> None:
    """As when it looks into a folder that the program itself serves, and the program waits for the observer."""
    Path("f0").write_text("x")
    run = start("/bin/sh", "-c", "while [ ! -e go ]; do sleep 0.05; done; cat f0 > out")
    log = Path(run.observer._log_path)
    os.kill(watchers(log)[0], signal.SIGSTOP)
    Path("go").touch()
    observed = run.end()
    assert {"f0"} <= read(observed)
    assert not lives(watchers(log)[0])


@pytest.mark.usefixtures("only_notify")
def test_the_memory_of_the_observer_does_not_grow_with_the_run(start: Start, built: Callable[[str], str]) -> None:
    for number in range(20_000):
        Path(f"f{number}").touch()
    small = _peak_of_observer(start(built("opens"), "6000", "100"))
    assert small
    large = _peak_of_observer(start(built("opens"), "60000", "20000"))
    assert large < small + 8_000


def _peak_of_observer(run: Run) -> int:
    """Return the most memory that the observer has used, in kB."""
    pid = watchers(Path(run.observer._log_path))[0]
    peak = 0
    while not os.waitid(os.P_PID, run.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                peak = int(line.split()[1])
        time.sleep(0.005)
    run.end()
    return peak


def test_a_run_inside_a_run_is_seen_by_both(start: Start) -> None:
    Path("in").write_text("x")
    code = (
        "import os, sys\nfrom sumatra.capture import observation\n"
        "o = observation.begin('../inner', 'auto')\n"
        "pid = o.spawn('/bin/sh', ['sh', '-c', 'cat in > out'], os.environ, {}, ())\nos.waitpid(pid, 0)\n"
        "seen = o.finish()\n"
        "paths = {os.path.basename(f.path) for f in seen.files if f.written}\n"
        "print(seen.method, sorted(paths), [f.code for f in seen.findings], file=open('../said', 'w'))\n"
    )
    Path("here").mkdir()
    os.chdir("here")
    os.rename("../in", "in")
    os.environ["PYTHONPATH"] = _root()
    observed = start(sys.executable, "-c", code).end()
    os.chdir("..")
    assert "here/out" in written(observed)
    assert "here/in" in read(observed)
    method, _, rest = Path("said").read_text().partition(" ")
    if method == "none":
        pytest.skip("there is no second method here")
    assert "out" in rest


class TestWithoutPrivileges:
    """Everything is possible without being root."""

    @pytest.fixture
    def folder(self) -> Iterator[Path]:
        """A folder that everybody may look into."""
        with tempfile.TemporaryDirectory() as name:
            os.chmod(name, 0o755)
            yield Path(name)

    @pytest.fixture
    def run(self, folder: Path, method: str) -> Callable[..., str]:
        """Observe a command as nobody, and return what was seen."""
        python = sys.executable
        if not os.getuid():
            python = "/usr/bin/python3"
            if not os.path.exists(python):
                pytest.skip("there is no Python that everybody may run")
        shutil.copytree(Path(_root()) / "sumatra", folder / "lib" / "sumatra")
        (folder / "work").mkdir()
        (folder / "work").chmod(0o777)
        code = (
            "import os, shutil, sys\nfrom sumatra.capture import observation\n"
            "o = observation.begin('log', os.environ['METHOD'])\n"
            "pid = o.spawn(shutil.which(sys.argv[1]), sys.argv[1:], os.environ, {}, ())\nos.waitpid(pid, 0)\n"
            "seen = o.finish()\n"
            "print(sorted(f.path.rpartition('/')[2] for f in seen.files if f.written))\n"
            "print([f.code for f in seen.findings])\n"
        )

        def run(*words: str) -> str:
            done = subprocess.run(
                [python, "-c", code, *words], cwd=folder / "work", capture_output=True, text=True, check=False,
                env={"PYTHONPATH": str(folder / "lib"), "PATH": "/usr/bin:/bin", "METHOD": method},
                **({} if os.getuid() else {"user": 65534, "group": 65534, "extra_groups": []}),
            )
            if "NotPossible" in done.stderr or "can't be observed" in done.stderr or "SyntaxError" in done.stderr:
                pytest.skip(done.stderr.splitlines()[-1])
            return done.stdout + done.stderr

        return run

    def test_files_are_seen(self, run: Callable[..., str]) -> None:
        assert run("/bin/sh", "-c", "echo 1 > out") == "['out']\n[]\n"

    @pytest.mark.provokes("privileges-withheld")
    def test_programs_that_lose_their_privileges_are_told(self, run: Callable[..., str]) -> None:
        su = shutil.which("su")
        if not su or not os.stat(su).st_mode & 0o4000:
            pytest.skip("there is no setuid program")
        assert "privileges-withheld" in run("su", "--help")

    @pytest.mark.provokes("hidden")
    def test_programs_that_hide_are_told(
        self, folder: Path, run: Callable[..., str], built: Callable[[str], str]
    ) -> None:
        shutil.copy(built("ways"), folder / "ways")
        (folder / "work" / "in").write_text("x")
        assert "hidden" in run(str(folder / "ways"), "hidden")


def test_a_method_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="witchcraft"):
        observation.begin(str(tmp_path / "log"), "witchcraft")


def test_without_observing_it_is_said(tmp_path: Path) -> None:
    observer = observation.begin(str(tmp_path / "log"), "none")
    pid = observer.spawn("/bin/true", ["true"], {}, {}, ())
    os.waitpid(pid, 0)
    observed = observer.finish()
    assert (observed.method, observed.files) == ("none", ())
    assert [finding.code for finding in observed.findings] == ["not-observed"]


def test_when_strace_is_not_there_either_python_is_observed_from_inside_and_both_reasons_are_said() -> None:
    """A filter of the kind that containers have, which refuses ours."""
    code = (
        "import ctypes, os, struct, sys\nfrom sumatra.capture import observation, syscalls\n"
        "machine = syscalls.MACHINES[os.uname().machine]\n"
        "steps = [(0x20, 0, 0, 0), (0x15, 0, 1, machine.seccomp), (6, 0, 0, 0x50001), (6, 0, 0, 0x7fff0000)]\n"
        "code = ctypes.create_string_buffer(b''.join(struct.pack('=HBBI', *step) for step in steps))\n"
        "libc = ctypes.CDLL(None)\nlibc.prctl(38, 1, 0, 0, 0)\n"
        "program = struct.pack('HxxxxxxQ', len(steps), ctypes.addressof(code))\n"
        "assert not libc.prctl(22, 2, program, 0, 0)\n"
        "os.environ['PATH'] = '/nowhere'\n"
        "o = observation.begin('log')\n"
        "os.waitpid(o.spawn('/bin/true', ['true'], {}, {}, ()), 0)\n"
        "print(o.finish())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": _root()}, capture_output=True, text=True,
        check=False,
    )
    assert "method='audit'" in done.stdout, done.stderr
    assert "observed-otherwise" in done.stdout
    assert "strace isn't installed" in done.stdout
    assert "seccomp" in done.stdout
