"""Fixtures: each test has a home, a clock zone, a git identity and a current folder of its own."""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
SMT = ROOT / "bin" / "smt"

#: What of the developer's environment a test may see; all else could change what it finds.
KEPT = {"PATH", "TMPDIR", "LD_LIBRARY_PATH", "SMT_TEST_REQUIRE", "UPDATE_GOLD"}

PATTERNS_KEPT = ("PYTEST_", "COV_", "HYPOTHESIS_")

GIT_CONFIG = """\
[user]
    name = Ada Example
    email = ada@example.org
[init]
    defaultBranch = main
[protocol "file"]
    allow = always
"""

MAIN = '''\
"""Follow a leaky membrane towards rest."""
import os
import sys

parameters = {}
with open(sys.argv[1]) as file:
    for line in file:
        name, equals, value = line.partition("#")[0].partition("=")
        if equals:
            parameters[name.strip()] = float(value)

v = parameters["v_init"]
os.makedirs("Data", exist_ok=True)
with open("Data/example.dat", "w") as file:
    for step in range(10):
        v -= v / parameters["tau_m"]
        file.write(f"{step} {v:.6f}\\n")
print("tau_m =", parameters["tau_m"])
'''

PARAMETERS = """\
# the membrane
tau_m = 20.0   # ms
v_init = -65.0
"""


class Said(NamedTuple):
    """How a command ended and what it said."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="session")
def git_config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git configuration with an identity."""
    file = tmp_path_factory.mktemp("git") / "config"
    file.write_text(GIT_CONFIG)
    return file


@pytest.fixture(autouse=True)
def own_surroundings(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, git_config: Path
) -> Iterator[None]:
    """Give each test its own home and current folder, and nothing of the developer's settings."""
    for name in list(os.environ):
        if name not in KEPT and not name.startswith(PATTERNS_KEPT):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    for name, value in {
        "HOME": home,
        "XDG_CONFIG_HOME": home / ".config",
        "XDG_CACHE_HOME": home / ".cache",
        "XDG_DATA_HOME": home / ".local" / "share",
        "XDG_STATE_HOME": home / ".local" / "state",
        "GIT_CONFIG_GLOBAL": git_config,
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "TERM": "dumb",
        "MPLCONFIGDIR": _matplotlib_folder(),
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable), prepend=os.pathsep)
    time.tzset()
    monkeypatch.chdir(tmp_path)
    yield
    monkeypatch.undo()
    time.tzset()


def _matplotlib_folder() -> str:
    """One cache of fonts for all tests: building it takes seconds."""
    import tempfile

    folder = os.path.join(tempfile.gettempdir(), f"smt-test-matplotlib-{os.getuid()}")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    return folder


def require_tool(name: str) -> None:
    """Skip the test when the program or Python module *name* isn't here; fail it where that may not happen.

    What may not be missing is listed in the environment variable ``SMT_TEST_REQUIRE``, with commas.
    """
    if shutil.which(name) or importlib.util.find_spec(name):
        return
    if name in os.environ.get("SMT_TEST_REQUIRE", "").split(","):
        pytest.fail(f"{name} isn't installed, and SMT_TEST_REQUIRE says that it must be", pytrace=False)
    pytest.skip(f"{name} isn't installed")


@pytest.fixture
def require() -> Callable[[str], None]:
    """The function `require_tool`."""
    return require_tool


@pytest.fixture(autouse=True)
def _needs(request: pytest.FixtureRequest, own_surroundings: None) -> None:
    """Heed the marker ``needs("git", "strace")``."""
    for marker in request.node.iter_markers("needs"):
        for name in marker.args:
            require_tool(name)


@pytest.fixture
def smt() -> Callable[..., Said]:
    """Run ``bin/smt`` as a user would: ``smt("list", "-l", cwd=folder)``.

    Bytes that aren't UTF-8 come back as surrogates.
    """

    def run(
        *words: str | os.PathLike[str],
        cwd: Path | None = None,
        stdin: str = "",
        timeout: float = 60,
        **environment: str,
    ) -> Said:
        done = subprocess.run(
            [str(SMT), *map(os.fspath, words)],
            cwd=cwd,
            env={**os.environ, **environment},
            input=stdin.encode("utf-8", "surrogateescape"),
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        return Said(
            done.returncode,
            done.stdout.decode("utf-8", "surrogateescape"),
            done.stderr.decode("utf-8", "surrogateescape"),
        )

    return run


@pytest.fixture
def git() -> Callable[..., str]:
    """Run git in the current folder (or *cwd*) and return what it prints."""

    def run(*words: str, cwd: Path | None = None) -> str:
        done = subprocess.run(["git", *words], cwd=cwd, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.strip()

    return run


@pytest.fixture
def repository(tmp_path: Path, git: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository called ``myproject``, and we are in it.

    ``main.py default.param`` reads a simple parameter file, prints ``tau_m`` and writes ``Data/example.dat``;
    plain Python, nothing but the standard library.
    """
    require_tool("git")
    folder = tmp_path / "myproject"
    folder.mkdir()
    (folder / "main.py").write_text(MAIN)
    (folder / "default.param").write_text(PARAMETERS)
    (folder / ".gitignore").write_text("Data/\n.smt/\n")
    monkeypatch.chdir(folder)
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "the model")
    # As after a push to another machine, which isn't there: nothing may ask for it.
    with open(folder / ".git" / "config", "a") as file:
        file.write('[remote "origin"]\n\turl = https://git.example.org/ada/myproject.git\n')
    remote = folder / ".git" / "refs" / "remotes" / "origin" / "main"
    remote.parent.mkdir(parents=True)
    shutil.copy(folder / ".git" / "refs" / "heads" / "main", remote)
    return folder


@pytest.fixture
def project(repository: Path, smt: Callable[..., Said]) -> Path:
    """The `repository` with a project in it."""
    said = smt("init", "MyProject")
    assert said.status == 0, said.err
    return repository


@pytest.fixture
def p4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run the stand-in for Perforce's p4 in the current folder, which is an empty workspace called ``ws``.

    See ``test/programs/perforce/p4`` for what it is and isn't.
    """
    programs = ROOT / "test" / "programs" / "perforce"
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    folder = tmp_path / "ws"
    (tmp_path / ".p4-stand-in" / "content").mkdir(parents=True)
    (tmp_path / ".p4-stand-in" / "state.json").write_text('{"changes": {}, "clients": {}, "labels": {}, "step": 7}')
    folder.mkdir()
    (folder / ".p4config").write_text("P4PORT=localhost:1666\nP4CLIENT=ws\nP4USER=ada\n")
    monkeypatch.chdir(folder)

    def run(*words: str, form: str = "", cwd: Path | None = None) -> str:
        done = subprocess.run(
            [str(programs / "p4"), *words], cwd=cwd, input=form, capture_output=True, text=True, timeout=60, check=True,
            env={**os.environ, "P4CONFIG": ".p4config"},
        )
        return done.stdout

    run("client", "-i", form="Client: ws\n\nRoot: ws\n\nView:\n\t//depot/model/... //ws/...\n")
    return run


@pytest.fixture
def view(tmp_path: Path) -> None:
    """Skip the test where a process can't have a view of the files of its own; fail it where it has to."""
    from sumatra.runs.apart import obstacle

    reason, _ = obstacle(str(tmp_path / "probe"), str(tmp_path))
    if reason:
        if "view" in os.environ.get("SMT_TEST_REQUIRE", "").split(","):
            pytest.fail(f"{reason}, and SMT_TEST_REQUIRE says that there must be a view", pytrace=False)
        pytest.skip(reason)


NO_VIEW = """\
import sumatra.runs.apart as apart
def refuse(self):
    raise apart.NotPossible("this system allows no view of its own")
apart._System.new_namespaces = refuse
from sumatra.cli import entry
raise SystemExit(entry())
"""


@pytest.fixture
def smt_without_view() -> Callable[..., Said]:
    """Run ``smt`` as on a system where processes can't have a view of the files of their own."""

    def run(*words: str) -> Said:
        done = subprocess.run(
            [sys.executable, "-c", NO_VIEW, *words], capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )
        return Said(done.returncode, done.stdout, done.stderr)

    return run
