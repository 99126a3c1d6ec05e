"""What each method of observing sees of the same programs; the table in the documentation says the same."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from sumatra.capture import observation
from sumatra.capture.observation import METHODS, Observed
from sumatra.datastore.filesystem import FileSystemDataStore
from sumatra.settings import SETTINGS

PROGRAMS = Path(__file__).resolve().parent.parent / "programs"
PAGE = PROGRAMS.parent.parent / "doc" / "explanation" / "observation.rst"

#: What a method can make of a program that reads ``in…`` and writes ``out…``: all of it is seen; nothing of it is
#: seen, and comparing the folder finds the outputs; or they aren't found either.
YES, OUTPUTS, NO = "yes", "outputs", "no"


class Row(NamedTuple):
    """One row of the table, and the programs that show it."""

    what: str
    notify: str
    strace: str
    audit: str
    scan: str
    programs: tuple[str, ...]


TABLE = [
    Row("programs in C, Fortran, R …, linked dynamically or statically", YES, YES, OUTPUTS, OUTPUTS,
        ("c plain", "c stdio", "c raw", "c openat2", "c alarms", "fortran", "r")),
    Row("shell scripts, ``make -j``", YES, YES, OUTPUTS, OUTPUTS, ("shell", "make")),
    Row("threads, ``fork``, ``vfork`` and ``exec``, emptied environments", YES, YES, OUTPUTS, OUTPUTS,
        ("c thread", "c thread-folder", "c fork", "c vfork-exec", "c no-environment")),
    Row("names relative to open folders, links, renaming, truncating", YES, YES, OUTPUTS, OUTPUTS,
        ("c folder", "c openat2-in-root", "c open-file", "c hard-link", "c rename", "c truncate", "c read-write")),
    Row("writing through memory (``mmap``), ``copy_file_range``, nameless files, 32-bit calls", YES, YES, OUTPUTS,
        OUTPUTS, ("c memory", "c copy-range", "c nameless", "c old-calls")),
    Row("Python programs", YES, YES, YES, OUTPUTS,
        ("python open", "python os.open", "python dir_fd", "python pathlib", "python shutil", "python mmap",
         "python rename", "python link", "python truncate", "python storm", "python many opens")),
    Row("… with threads and processes (``fork``, ``spawn``, ``forkserver``, pools)", YES, YES, YES, OUTPUTS,
        ("many fork", "many spawn", "many forkserver", "python executor")),
    Row("… started by Python, by shells, by ``make``", YES, YES, YES, OUTPUTS,
        ("python child", "python child of a shell", "python child of make", "python chain")),
    Row("… started with ``-I``, ``-E`` or ``-S``, or older than 3.8", YES, YES, OUTPUTS, OUTPUTS,
        ("python -I", "python -E", "python -S")),
    Row("… in which a library in another language opens files (HDF5, NetCDF)", YES, YES, OUTPUTS, OUTPUTS,
        ("python library",)),
    Row("… that write elsewhere than in the folder that is compared", YES, YES, YES, NO, ("python elsewhere",)),
    Row("other programs that do", YES, YES, NO, NO, ("c elsewhere",)),
]

COPY = "open('out', 'w').write(open('in').read())"

PYTHON = {
    "open": COPY,
    "os.open": "os.write(os.open('out', os.O_WRONLY | os.O_CREAT), os.read(os.open('in', os.O_RDONLY), 99))",
    "dir_fd": (
        "d = os.open('.', os.O_RDONLY); os.chdir('/')\n"
        "os.write(os.open('out', os.O_WRONLY | os.O_CREAT, dir_fd=d), os.read(os.open('in', 0, dir_fd=d), 99))"
    ),
    "pathlib": "import pathlib; pathlib.Path('out').write_bytes(pathlib.Path('in').read_bytes())",
    "shutil": "import shutil; shutil.copy2('in', 'temp'); shutil.move('temp', 'out')",
    "mmap": (
        "import mmap\nfrom_, to = open('in', 'rb'), open('out', 'w+b'); to.truncate(8)\n"
        "source, target = mmap.mmap(from_.fileno(), 8, prot=mmap.PROT_READ), mmap.mmap(to.fileno(), 8)\n"
        "to.close(); target[:] = source[:]"
    ),
    "rename": "open('temp', 'w').write(open('in').read()); os.replace('temp', 'out')",
    "link": "os.link('in', 'out')",
    "truncate": f"{COPY}; os.truncate('out', 1)",
    "storm": (
        "open('out_0', 'w').write(open('in').read())\n"
        "for i in range(300): os.rename(f'out_{i}', f'out_{i + 1}')"
    ),
    "many opens": f"{COPY}\nfor i in range(5000): open('in').close(); open('out', 'a').close()",
    "executor": (
        "from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor\n"
        "def copy(name): open(name, 'w').write(open('in').read())\n"
        "for kind in (ProcessPoolExecutor, ThreadPoolExecutor):\n"
        "    with kind(2) as pool: list(pool.map(copy, [f'out_{kind.__name__}_{i}' for i in range(4)]))"
    ),
    "child": f"import subprocess, sys; subprocess.run([sys.executable, '-c', {COPY!r}], env={{}}, check=True)",
    "library": (
        "import ctypes; libc = ctypes.CDLL(None); libc.fopen.restype = ctypes.c_void_p\n"
        "text = ctypes.create_string_buffer(99)\n"
        "libc.fgets(text, 99, ctypes.c_void_p(libc.fopen(b'in', b'r')))\n"
        "out = ctypes.c_void_p(libc.fopen(b'out', b'w')); libc.fputs(text, out); libc.fclose(out)"
    ),
    "elsewhere": "open('../elsewhere/out', 'w').write(open('in').read())",
    "chain": f"import sys; os.execv(sys.executable, [sys.executable, '-c', {COPY!r}])",
}


def _words(program: str, build: Callable[[str], str]) -> list[str]:
    """Return the command of a program of the table."""
    kind, _, way = program.partition(" ")
    python = sys.executable
    if program == "c elsewhere":
        return ["/bin/cp", "in", "../elsewhere/out"]
    if kind == "c":
        return [build("ways.c"), way]
    if kind == "fortran":
        return [build("copy.f90")]
    if kind == "r":
        return ["Rscript", "-e", "writeLines(readLines('in'), 'out')"]
    if kind == "many":
        for number in range(6):
            Path(f"in_{number}").write_text(str(number))
        Path("in").unlink()
        return [python, str(PROGRAMS / "many.py"), "6", way]
    if kind == "shell":
        return ["/bin/sh", "-c", "cat in > temp && mv temp out && cat out | tr a b > out_2"]
    if way.endswith("of a shell"):
        return ["/bin/sh", "-c", f'"{python}" -c "{COPY}"']
    if "make" in program:
        recipe = f"'{python}' -c '{COPY.replace(chr(39), chr(34)).replace('out', '$@')}'" if way else "cat in > $@"
        targets = " ".join(f"out_{number}" for number in range(6))
        Path("Makefile").write_text(f"all: {targets}\n{targets}:\n\t{recipe}\n")
        return ["make", "-s", "-j4"]
    if way.startswith("-"):
        return [python, way, "-c", COPY]
    return [python, "-c", f"import os\n{PYTHON[way]}"]


def _is_built(program: str) -> bool:
    return (program.startswith("c ") and program != "c elsewhere") or program == "fortran"


def _cases() -> list[object]:
    return [
        pytest.param(method, program, kind, getattr(row, method), id=f"{method}-{program}-{kind}")
        for row in TABLE for program in row.programs for method in METHODS if method != "none"
        for kind in (("dynamic", "static") if _is_built(program) else ("as it is",))
        # The same of notify and strace is asserted in test_observers.py, for each way of a C program.
        if not (program.startswith("c ") and _is_built(program) and method in ("notify", "strace"))
    ]


class Result(NamedTuple):
    """What was seen of ``in…`` and ``out…``, and found by comparing the folder; of a run that was well."""

    read: set[str]
    written: set[str]
    found: set[str]
    observed: Observed


def _run(method: str, words: list[str]) -> Result:
    data = FileSystemDataStore(".")
    program = shutil.which(words[0])
    if not program:
        pytest.skip(f"{words[0]} isn't installed")
    observer = observation.begin(os.path.abspath("../log"), method)
    before = data.snapshot()
    pid = observer.spawn(program, words, dict(os.environ), {}, ())
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    observed = observer.finish()
    if observed.method != method:
        pytest.skip(f"not possible here: {observer.reasons}")
    if status == 77:
        pytest.skip("this kernel has no such calls")
    assert status == 0
    found = data.new_since(before) if observed.needs_comparison else []
    here = os.path.dirname(os.getcwd()) + "/"
    files = [file for file in observed.files if file.path.startswith(here)]
    return Result(
        {os.path.basename(file.path) for file in files if file.read and file.path.rpartition("/")[2].startswith("in")},
        {os.path.basename(file.path) for file in files if file.written and "/out" in file.path},
        {name for name in found if name.startswith("out")}, observed,
    )


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    Path("in").write_text("content\n")
    Path("sub").mkdir()


@pytest.mark.parametrize(("method", "program", "kind", "expected"), _cases())
def test_what_the_table_says(
    method: str, program: str, kind: str, expected: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    words = _words(program, lambda name: _compiled(name, kind, tmp_path_factory))
    inputs = {name for name in os.listdir() if name.startswith("in")}
    result = _run(method, words)
    outputs = {path.name for folder in (".", "../elsewhere") for path in Path(folder).glob("out*")}
    assert outputs
    if expected == YES:
        assert (result.read, result.written) == (inputs, outputs)
    else:
        assert (result.read, result.written) == (set(), set())
        assert result.observed.needs_comparison
        assert result.found == (outputs if expected == OUTPUTS else set())
        assert {"audit-only-python", "only-compared"} & {finding.code for finding in result.observed.findings}


_built: dict[tuple[str, str], str] = {}


def _compiled(name: str, kind: str, folders: pytest.TempPathFactory) -> str:
    """Return the path of one of our programs, compiled."""
    if (name, kind) not in _built:
        compiler = ["gcc", "-pthread"] if name.endswith(".c") else ["gfortran"]
        if not shutil.which(compiler[0]):
            pytest.skip(f"{compiler[0]} isn't installed")
        target = folders.mktemp(kind) / name.partition(".")[0]
        options = ["-static"] if kind == "static" else []
        subprocess.run(
            [*compiler, "-O1", *options, "-o", str(target), str(PROGRAMS / name)], check=True, capture_output=True
        )
        _built[name, kind] = str(target)
    return _built[name, kind]


def test_the_documentation_has_the_same_table() -> None:
    text = PAGE.read_text(encoding="utf-8").partition(".. list-table:: What each method sees")[2]
    text = text.partition("\n\n")[2].partition("\n\n")[0]
    rows = [
        [" ".join(cell.split()) for cell in re.split(r"\n     -", row)]
        for row in re.split(r"(?:^|\n)   \* -", text)[1:]
    ]
    assert rows[0] == ["", "notify", "strace", "audit", "scan"]
    assert rows[1:] == [[row.what, row.notify, row.strace, row.audit, row.scan] for row in TABLE]


def test_the_setting_offers_what_there_is() -> None:
    assert SETTINGS["trace"].metadata["choices"] == ("auto", *METHODS)


@pytest.mark.parametrize(("method", "count"), [
    ("notify", 20_000), ("strace", 20_000),
    pytest.param("notify", 1_000_000, marks=pytest.mark.slow),
])  # for audit see test_audit.py
def test_a_file_that_is_opened_very_often_is_one_input(
    method: str, count: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    Path("f0").write_text("x")
    words = [_compiled("opens.c", "dynamic", tmp_path_factory), str(count), "1"]
    observed = _run(method, words).observed
    assert [file.path for file in observed.files if file.read and file.path.endswith("/f0")] == [os.path.abspath("f0")]


@pytest.mark.parametrize("method", ["notify", "strace", "audit"])
def test_each_of_many_runs_at_once_in_one_folder_has_its_own_files(method: str) -> None:
    number = 20 if method == "notify" else 6
    code = (
        "import os, sys, time\nname = sys.argv[1]\n"
        "for i in range(10):\n"
        "    open('temp' + name, 'w').write(open('in_' + name).read()); os.replace('temp' + name, f'out_{name}_{i}')\n"
        "    time.sleep(0.005)\n"
    )
    observers = []
    for name in map(str, range(number)):
        Path(f"in_{name}").write_text(name)
        observer = observation.begin(os.path.abspath(f"../log{name}"), method)
        words = [sys.executable, "-c", code, name]
        observers.append((name, observer, observer.spawn(sys.executable, words, dict(os.environ), {}, ())))
    here = os.getcwd() + "/"
    for name, observer, pid in observers:
        assert os.waitpid(pid, 0)[1] == 0
        observed = observer.finish()
        if observed.method != method:
            pytest.skip(f"not possible here: {observer.reasons}")
        files = [file for file in observed.files if file.path.startswith(here)]
        assert {file.path for file in files if file.read} == {f"{here}in_{name}"}
        assert {file.path for file in files if file.written} == {f"{here}out_{name}_{i}" for i in range(10)}


def test_files_of_runs_at_once_cannot_be_told_apart_by_comparing() -> None:
    data = FileSystemDataStore(".")
    before = data.snapshot()
    observer = observation.begin("../log", "scan")
    pid = observer.spawn("/bin/sh", ["sh", "-c", "echo 1 > out"], dict(os.environ), {}, ())
    Path("out_of_others").touch()
    os.waitpid(pid, 0)
    assert observer.finish().needs_comparison
    assert data.new_since(before) == ["out", "out_of_others"]
