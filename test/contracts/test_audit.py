"""A Python program that is observed from inside notices nothing of it, and nothing that it does keeps it from us."""

import compileall
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from sumatra.capture import observation
from sumatra.capture.observation import Observed


def found(*names: str) -> list[str]:
    """Return those of the programs that are here and run."""
    def runs(path: str) -> bool:
        return not subprocess.run([path, "-c", "1"], capture_output=True, check=False).returncode

    return list(filter(runs, filter(None, map(shutil.which, names))))


#: The one that runs the tests, and others that happen to be here.
PYTHONS = [
    sys.executable,
    *found("/usr/bin/python3", "python3.8", "python3.9", "python3.10", "python3.12", "python3.13", "python3.14"),
]
OLD_PYTHONS = found("python2.7", "python3.6", "python3.7")


def run(
    code: str | Sequence[str], method: str = "audit", *, variables: Mapping[str, str | None] | None = None,
    python: str = sys.executable, status: int = 0, streams: Mapping[int, int] | None = None,
) -> Observed:
    words = [python, "-c", code] if isinstance(code, str) else [python, *code]
    environment = {**os.environ, **(variables or {})}
    observer = observation.begin(os.path.abspath("../log"), method)
    pid = observer.spawn(
        python, words, {name: value for name, value in environment.items() if value is not None}, streams or {}, ()
    )
    ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    observed = observer.finish()
    assert ended == status
    return observed


def said(code: str | Sequence[str], method: str, **more: object) -> str:
    """Return what a program prints."""
    with open("../said", "wb") as file:
        run(code, method, streams={1: file.fileno(), 2: file.fileno()}, **more)
    return Path("../said").read_text()


def read(observed: Observed) -> set[str]:
    folder = os.getcwd() + "/"
    return {file.path[len(folder):] for file in observed.files if file.read and file.path.startswith(folder)}


def written(observed: Observed) -> set[str]:
    folder = os.getcwd() + "/"
    return {file.path[len(folder):] for file in observed.files if file.written and file.path.startswith(folder)}


def codes(observed: Observed) -> set[str]:
    return {finding.code for finding in observed.findings}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    Path("in").write_text("x\n")


# --- nothing of it is noticed

LOOK_AROUND = (
    "import os, posix, sys\n"
    "print(sorted(os.environ.items()) == sorted((os.fsdecode(k), os.fsdecode(v)) for k, v in posix.environ.items()))\n"
    "print({k: v for k, v in os.environ.items() if k.startswith(('PYTHON', 'SUMATRA'))})\n"
    "print(sys.path, sorted(sys.path_importer_cache), sys.flags, sorted(sys.modules), sys.argv, len(sys.meta_path))\n"
    "print(sorted(f for f in map(int, os.listdir('/proc/self/fd')) if f < 200), os.open('.', 0))\n"
    "print(os.open in os.supports_dir_fd, os.execve in os.supports_fd, os.open is posix.open, os.open.__name__)\n"
)


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("path", [None, "", "/nowhere", "/nowhere::../work"])
def test_a_program_finds_everything_as_it_would_unobserved(python: str, path: str | None) -> None:
    variables = {"PYTHONPATH": path}
    plain = said(LOOK_AROUND, "none", python=python, variables=variables)
    said(LOOK_AROUND, "audit", python=python, variables=variables)
    assert said(LOOK_AROUND, "audit", python=python, variables=variables) == plain
    assert "True" in plain


@pytest.mark.parametrize("text", ["print('mine')", "import absent", "1 / 0", "raise ImportError('no')"])
@pytest.mark.parametrize("name", ["sitecustomize", "usercustomize"])
def test_what_the_user_has_python_load_first_is_loaded_as_ever(name: str, text: str) -> None:
    Path("lib").mkdir()
    Path(f"lib/{name}.py").write_text(f"open('in').read()\n{text}\n")
    variables = {"PYTHONPATH": os.path.abspath("lib")}
    code = f"import sys; print(getattr(sys.modules.get('{name}'), '__file__', None))"
    assert said(code, "audit", variables=variables) == said(code, "none", variables=variables)
    assert "in" in read(run(code, variables=variables)) or name == "usercustomize"  # venvs don't load it


@pytest.mark.parametrize("python", OLD_PYTHONS)
def test_pythons_that_are_too_old_run_as_ever(python: str) -> None:
    code = "import os, sys; print(sys.path, sorted(os.environ), sorted(sys.modules))"
    assert said(code, "audit", python=python) == said(code, "none", python=python)
    assert "audit-not-loaded" in codes(run(code, python=python))
    for stray in Path(observation.__file__).parent.glob("injected/*.pyc"):  # Python 2 puts them there
        stray.unlink()


def test_an_uncaught_error_is_told_as_ever() -> None:
    code = "open('absent')"
    observer = said(code, "audit", status=1)
    assert observer == said(code, "none", status=1)
    assert "FileNotFoundError" in observer


@pytest.mark.parametrize("error", ["TimeoutError", "KeyboardInterrupt", "OSError", "ValueError"])
def test_what_a_signal_handler_raises_reaches_the_program(error: str) -> None:
    code = (
        "import os, signal\n"
        f"def ring(*_): raise {error}('ring')\n"
        "signal.signal(signal.SIGALRM, ring)\n"
        "caught = 0\n"
        "for i in range(300):\n"
        "    try:\n"
        "        signal.setitimer(signal.ITIMER_REAL, 0.0003)\n"
        "        while True: open('in').close()\n"
        f"    except {error}: caught += 1\n"
        "print(caught)\n"
    )
    assert said(code, "audit") == "300\n"


def test_audit_hooks_of_the_program_see_nothing_of_us() -> None:
    code = (
        "import os, sys\n"
        "seen = []\n"
        "sys.addaudithook(lambda event, words: seen.append((event, words)))\n"
        "open('in').read(); open('out', 'w').close(); os.rename('out', 'other'); os.unlink('other')\n"
        "print([event for event, _ in seen])\n"
    )
    assert said(code, "audit") == said(code, "none")


def test_a_program_that_forbids_itself_all_can_be_observed() -> None:
    code = (
        "import os, sys\n"
        "def refuse(event, words):\n"
        "    if event in ('open', 'os.putenv') and words[0] != 'in': raise PermissionError(event)\n"
        "sys.addaudithook(refuse)\n"
        "os.closerange(3, 2000)\n"
        "print(open('in').read())\n"
        "if not os.fork(): print(open('in').read()); os._exit(0)\n"
        "os.wait()\n"
    )
    assert said(["-u", "-c", code], "audit") == "x\n\nx\n\n"


# --- nothing escapes

CHILD = "import sys; open(sys.argv[1], 'w').write(open('in').read())"

STARTS = {
    "subprocess": "subprocess.run([sys.executable, '-c', CHILD, name])",
    "with a copy of the environment": (
        "subprocess.run([sys.executable, '-c', CHILD, name], env=dict(os.environ, A='1'))"
    ),
    "with no environment": "subprocess.run([sys.executable, '-c', CHILD, name], env={})",
    "with a path of its own": "subprocess.run([sys.executable, '-c', CHILD, name], env={'PYTHONPATH': '/nowhere'})",
    "with bytes": "subprocess.run([sys.executable, '-c', CHILD, name], env=dict(os.environb))",
    "not closing files": "subprocess.run([sys.executable, '-c', CHILD, name], close_fds=False)",
    "after setting the path": "os.environ['PYTHONPATH'] = '/x'; subprocess.run([sys.executable, '-c', CHILD, name])",
    "after clearing the environment": "os.environ.clear(); subprocess.run([sys.executable, '-c', CHILD, name])",
    "after removing the path": (
        "os.environ['PYTHONPATH'] = 'x'; del os.environ['PYTHONPATH'];"
        "subprocess.run([sys.executable, '-c', CHILD, name])"
    ),
    "by a shell": "subprocess.run(f'\"{sys.executable}\" -c \"{CHILD}\" {name}', shell=True)",
    "os.system": "os.system(f'\"{sys.executable}\" -c \"{CHILD}\" {name}')",
    "os.spawnv": "os.spawnv(os.P_WAIT, sys.executable, [sys.executable, '-c', CHILD, name])",
    "os.spawnve": "os.spawnve(os.P_WAIT, sys.executable, [sys.executable, '-c', CHILD, name], {})",
    "os.posix_spawn": "os.waitpid(os.posix_spawn(sys.executable, [sys.executable, '-c', CHILD, name], os.environ), 0)",
    "os.posix_spawnp": "os.waitpid(os.posix_spawnp(sys.executable, [sys.executable, '-c', CHILD, name], {}), 0)",
    "fork and exec": "os.fork() or os.execv(sys.executable, [sys.executable, '-c', CHILD, name]); os.wait()",
    "exec": "os.execv(sys.executable, [sys.executable, '-c', CHILD, name])",
    "exec with an environment": "os.execve(sys.executable, [sys.executable, '-c', CHILD, name], {})",
    "with an option in the environment": (
        "subprocess.run([sys.executable, '-c', CHILD, name], env={**os.environ, 'PYTHONNOUSERSITE': '1'})"
    ),
    "as a module": "open('mod.py', 'w').write(CHILD); subprocess.run([sys.executable, '-m', 'mod', name])",
    "unbuffered, with warnings": "subprocess.run([sys.executable, '-uW', 'ignore', '-X', 'utf8', '-c', CHILD, name])",
}


@pytest.mark.parametrize("start", STARTS)
def test_python_programs_that_a_python_program_starts_are_seen(start: str) -> None:
    observed = run(f"import os, subprocess, sys\nCHILD, name = {CHILD!r}, 'out'\n{STARTS[start]}")
    assert ("in" in read(observed), "out" in written(observed)) == (True, True)
    out = next(file for file in observed.files if file.path.endswith("/out"))
    writer = observed.processes[out.writers[0]]
    assert writer.arguments[-1] == "out"
    assert writer.pid == observed.processes[0].pid or "by" in start or "os." in start or writer.parent is not None


def test_children_find_what_they_are_given_and_no_more() -> None:
    """What another Python starts is the same with and without us, however it is told its environment."""
    code = (
        "import os, subprocess, sys\n"
        "show = [sys.executable, '-c', 'import os, sys; print(sorted(os.environ.items()), sys.path)']\n"
        "given = {'A': '1'}\n"
        "for environment in (None, given, {**os.environ, 'PYTHONPATH': ''}, {'PYTHONPATH': '/x:/y'}):\n"
        "    subprocess.run(show, env=environment)\n"
        "print(given)\n"
    )
    assert said(["-u", "-c", code], "audit") == said(["-u", "-c", code], "none")


@pytest.mark.parametrize("option", ["-I", "-E", "-S", "-bE", "-IB"])
@pytest.mark.provokes("audit-not-loaded")
def test_options_that_keep_us_out_are_told_and_nothing_of_us_is_there(option: str) -> None:
    code = "import os, sys; print(sys.path, 'PYTHONPATH' in os.environ); open('out', 'w')"
    words = [option, "-c", code]
    assert said(words, "audit") == said(words, "none")
    os.unlink("out")
    observed = run(words)
    assert (written(observed), observed.needs_comparison) == (set(), True)
    assert "audit-not-loaded" in codes(observed)


def test_the_options_are_found_in_the_first_line_of_a_script_too() -> None:
    Path("script").write_text(f"#!{sys.executable} -I\nopen('out', 'w')\n")
    Path("script").chmod(0o755)
    observer = observation.begin("../log", "audit")
    os.waitpid(observer.spawn(os.path.abspath("script"), ["script"], dict(os.environ), {}, ()), 0)
    assert "audit-not-loaded" in codes(observer.finish())


@pytest.mark.provokes("audit-only-python")
def test_programs_that_are_not_python_are_named() -> None:
    code = "import subprocess; subprocess.run(['cat', 'in']); subprocess.run('true; cp in out', shell=True)"
    with open(os.devnull, "wb") as nothing:
        observed = run(code, streams={1: nothing.fileno()})
    assert "out" not in written(observed)
    finding = next(finding for finding in observed.findings if finding.code == "audit-only-python")
    assert "(cat, sh)" in finding.message


def test_the_tree_of_programs_is_told_as_far_as_it_is_known() -> None:
    script = f"'{sys.executable}' -c \"import subprocess, sys; subprocess.run([sys.executable, '-c', '0', 'x'])\"; true"
    observer = observation.begin("../log", "audit")
    os.waitpid(observer.spawn("/bin/sh", ["sh", "-c", script], dict(os.environ), {}, ()), 0)
    observed = observer.finish()
    assert [program.parent for program in observed.processes] == [None, 0, 1]
    assert observed.processes[0].arguments == ("sh", "-c", script)
    assert observed.processes[2].arguments == (sys.executable, "-c", "0", "x")
    assert "(sh)" in observed.findings[-1].message or "(dash)" in observed.findings[-1].message


def test_a_program_that_closes_all_its_files_and_uses_their_numbers_keeps_them_to_itself() -> None:
    code = (
        "import os\n"
        "os.closerange(3, 5000)\n"
        "files = [os.open(f'f{i}', os.O_RDWR | os.O_CREAT) for i in range(900)]\n"
        "for i, file in enumerate(files): os.dup2(file, 1023 - i % 40)\n"
        "open('in').read(); open('out', 'w').write('mine')\n"
        "os.rename('out', 'final')\n"
    )
    observed = run(code)
    assert {"in"} <= read(observed)
    assert written(observed) == {"final", *(f"f{i}" for i in range(900))}
    assert not any(Path(f"f{i}").stat().st_size for i in range(900))
    assert not [file for file in observed.files if file.path.endswith("/log")], "what we open ourselves isn't theirs"


def test_a_program_without_a_number_left_runs_and_what_was_lost_is_said() -> None:
    code = (
        "import os, resource\n"
        "open('in'); os.closerange(3, 5000)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))\n"
        "files = []\n"
        "try:\n"
        "    while True: files.append(open('in'))\n"
        "except OSError: pass\n"
        "os.unlink('in')\n"
        "for file in files: file.close()\n"
        "open('out', 'w')\n"
    )
    observed = run(code)
    assert "out" in written(observed)
    assert "log-lost" in codes(observed)


def test_a_log_that_was_cut_off_or_is_gone_costs_nothing_else() -> None:
    code = "import os; os.unlink('../log'); open('out', 'w').write('x'); os.closerange(3, 2000); open('other', 'w')"
    observer = observation.begin(os.path.abspath("../log"), "audit")
    pid = observer.spawn(sys.executable, [sys.executable, "-c", code], dict(os.environ), {}, ())
    assert os.waitpid(pid, 0)[1] == 0
    whole = Path("../whole")
    run("open('in').read(); open('out', 'w'); open('more', 'w').write('x'); open('last', 'w').write('x')")
    data = Path("../log").read_bytes()
    assert "last" in written(observation.read("../log"))
    for place in range(data.index(b"w "), len(data), 7):
        whole.write_bytes(data[:place] + data[place + 90:])
        observation.read(str(whole))
        whole.write_bytes(data[:place])
        observation.read(str(whole))


@pytest.mark.parametrize("kind", ["zip", "venv", "module", "script with first line", "compiled"])
def test_programs_are_seen_whatever_they_lie_in(kind: str) -> None:
    code = "import helper\nopen('out', 'w').write(open('in').read())\n"
    words = ["main.py"]
    python = sys.executable
    Path("main.py").write_text(code)
    Path("helper.py").write_text("value = 1\n")
    expected = {"in", "main.py", "helper.py"}
    if kind == "zip":
        with zipfile.ZipFile("program.zip", "w") as file:
            file.writestr("__main__.py", code)
            file.writestr("helper.py", "")
        words, expected = ["program.zip"], {"in", "program.zip"}
    elif kind == "venv":
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", "env"], check=True)
        python = os.path.abspath("env/bin/python")
    elif kind == "module":
        words = ["-m", "main"]
    elif kind == "script with first line":
        Path("main.py").write_text(f"#!{sys.executable}\n{code}")
        Path("main.py").chmod(0o755)
        python, words = os.path.abspath("main.py"), []
    elif kind == "compiled":
        compileall.compile_dir(".", quiet=2)
        expected = {"in", "main.py", f"__pycache__/helper.{sys.implementation.cache_tag}.pyc"}
    observed = run(words, python=python, variables={"PYTHONDONTWRITEBYTECODE": "1"})
    assert written(observed) == {"out"}
    assert {name for name in read(observed) if not name.startswith("env/")} == expected


def test_databases_and_libraries_are_seen() -> None:
    Path("out.db").touch()
    observed = run(
        "import sqlite3, _ctypes, ctypes\n"
        "with sqlite3.connect('out.db') as c: c.execute('create table t (x)')\n"
        "ctypes.CDLL(_ctypes.__file__)\n"
    )
    assert "out.db" in written(observed)
    assert any("_ctypes" in file.path for file in observed.files if file.read)


def test_a_run_inside_a_run_is_seen_by_both() -> None:
    code = (
        "import os, sys\nfrom sumatra.capture import observation\n"
        "o = observation.begin('../inner', 'audit')\n"
        "os.waitpid(o.spawn(sys.executable, [sys.executable, '-c', CHILD, 'out'], os.environ, {}, ()), 0)\n"
        "print(sorted(os.path.basename(f.path) for f in o.finish().files if f.written))\n"
    ).replace("CHILD", repr(CHILD))
    root = str(Path(observation.__file__).parents[2])
    with open("../said", "wb") as file:
        observed = run(code, variables={"PYTHONPATH": root}, streams={1: file.fileno()})
    assert "out" in written(observed)
    assert Path("../said").read_text() == "['out']\n"


def test_threads_do_not_get_in_each_others_way() -> None:
    code = (
        "import threading\n"
        "def work(n):\n"
        "    for i in range(100): open(f'out_{n}_{i}', 'w').write(open(f'in_{n}').read())\n"
        "threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
    )
    for number in range(12):
        Path(f"in_{number}").write_text("x")
    observed = run(code)
    assert read(observed) == {f"in_{n}" for n in range(12)}
    assert written(observed) == {f"out_{n}_{i}" for n in range(12) for i in range(100)}
    assert codes(observed) == {"audit-only-python"}


def test_a_full_disk_is_said_and_the_program_goes_on() -> None:
    code = (
        "import os, resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "size = os.path.getsize('../log')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size + 30, resource.RLIM_INFINITY))\n"
        "open('in').read(); open('lost', 'w').write('x')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "open('out', 'w').write('x')\n"
    )
    observed = run(code)
    assert "log-lost" in codes(observed)
    assert written(observed) == {"out"}
    log = Path("../log").read_bytes()
    assert re.search(rb"\0! \S+ log-lost\0\0w \S+ \d+ -\0[^\0]*/out\0$", log), "what was begun was taken back"


def test_when_smt_is_killed_the_program_goes_on_and_is_seen() -> None:
    code = (
        "import os, sys\nfrom sumatra.capture import observation\n"
        "o = observation.begin('../log', 'audit')\n"
        "script = 'import os, time\\nopen(\"started\", \"w\").close()\\n'"
        "'while not os.path.exists(\"go\"): time.sleep(0.01)\\nopen(\"out\", \"w\").write(open(\"in\").read())'\n"
        "os.waitpid(o.spawn(sys.executable, [sys.executable, '-c', script], os.environ, {}, ()), 0)\n"
    )
    root = str(Path(observation.__file__).parents[2])
    smt = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root})
    end = time.monotonic() + 20
    while not Path("started").exists() and time.monotonic() < end:
        time.sleep(0.01)
    smt.kill()
    smt.wait()
    Path("go").touch()
    while "out" not in written(observation.read("../log")) and time.monotonic() < end:
        time.sleep(0.01)
    assert {"started", "out"} <= written(observation.read("../log"))
    assert "in" in read(observation.read("../log"))


def test_what_it_remembers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from sumatra.capture.injected import sumatra_audit_hook as injected

    monkeypatch.setattr(injected, "_MOST_SEEN", 100)
    monkeypatch.setattr(injected, "_MOST_FOLDERS", 50)
    Path("log").touch()
    audit = injected._Audit(os.path.abspath("log").encode()[1:], b"/nowhere")
    for number in range(injected._MOST_SEEN + 50):
        os.link("in", f"in{number}")
        audit.hook("open", (f"in{number}", "r", 0))
    for number in range(injected._MOST_FOLDERS + 50):
        audit.hook("open", (f"{'./' * number}in", "r", 0))
    assert Path("log").read_bytes().count(b"r ") > injected._MOST_SEEN
    assert 0 < len(audit._seen) <= injected._MOST_SEEN
    assert 0 < len(audit._folders) <= injected._MOST_FOLDERS


@pytest.mark.parametrize("count", [10_000, pytest.param(500_000, marks=pytest.mark.slow)])
def test_opening_the_same_files_again_and_again_says_nothing_new(count: int) -> None:
    observed = run(f"for i in range({count}): open('in').close(); open('out', 'w').close()")
    assert (read(observed), written(observed)) == ({"in"}, {"out"})
    assert Path("../log").stat().st_size < 60_000
