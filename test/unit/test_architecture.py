"""The house keeps its shape: what is loaded when, what is never called, what is written down."""

import ast
import importlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import sumatra
from sumatra import errors

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "sumatra"
REFERENCE = ROOT / "doc" / "reference"
SOURCES = sorted(PACKAGE.rglob("*.py"))

#: Packages with doors for others.
FAMILIES = sorted(file.parent.name for file in PACKAGE.glob("*/__init__.py") if "\nBACKENDS" in file.read_text())

#: What takes longer to load than a light command may take.
HEAVY = {
    "asyncio", "concurrent.futures", "email", "git", "http.client", "hypothesis", "importlib.metadata", "jinja2",
    "logging", "multiprocessing", "numpy", "parameters", "pygments", "requests", "rich", "ruamel", "ruamel.yaml",
    "socket", "sqlalchemy", "ssl", "tomlkit", "unittest", "urllib.request", "xml", "yaml",
}  # fmt: skip

LIGHT = [["version"], ["--version"], ["help"], ["help", "run"], ["list", "--help"], ["run", "--help"]]


def id_of(source: Path) -> str:
    return source.relative_to(PACKAGE).as_posix()


def git_files() -> list[str]:
    """Return what git has in ``sumatra/``, or would take at the next ``git add``."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "sumatra"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return sorted({name for name in listed.split("\0") if name and (ROOT / name).is_file()})


def loaded_by(words: list[str], cwd: Path) -> set[str]:
    """Return the names of the modules that ``bin/smt WORDS`` loads."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(ROOT / "bin" / "smt"), *words], cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "sumatra.cli" in loaded, "the guard doesn't see what it should guard"
    return loaded


# --- start-up


@pytest.mark.parametrize("words", LIGHT, ids=" ".join)
def test_a_light_command_loads_no_heavy_module(words, tmp_path):
    assert loaded_by(words, tmp_path) & HEAVY == set()


@pytest.mark.parametrize("words", [["list"], ["list", "-T"], ["list", "tau_m > 10"], ["view"]], ids=" ".join)
def test_listing_records_loads_no_heavy_module(words, project, smt):
    assert smt("run", "--", "true").status == 0
    assert loaded_by(words, project) & HEAVY == set()


@pytest.mark.needs("strace")
def test_running_a_program_loads_no_heavy_module(project):
    assert loaded_by(["run", "--", "true"], project) & (HEAVY - {"concurrent.futures", "socket"}) == set()


def test_import_sumatra_loads_nothing_else():
    code = "import sys, typing; before = set(sys.modules); import sumatra; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["sumatra"]


def test_every_public_name_is_there():
    for name in sumatra.__all__:
        assert getattr(sumatra, name) is not None


@pytest.mark.parametrize("name", ["json.py", "random.py", "sqlite3.py", "argparse.py", "sumatra.py"])
@pytest.mark.parametrize("path", ["", ".", "{cwd}"])
def test_a_module_in_the_project_folder_does_not_replace_ours(name, path, repository, smt):
    (repository / name).write_text("raise SystemExit('hijacked')\n")
    if path == "{cwd}":
        path = str(repository)
    said = smt("version", PYTHONPATH=path)
    assert (said.status, said.err) == (0, "")
    for words in (["init", "P"], ["run", "--", "true"], ["list", "-l"]):
        said = smt(*words, PYTHONPATH=path)
        assert said.status == 0, said.err


# --- what is never called

NEVER = {"eval", "exec", "__import__", "os.system", "os.popen", "tempfile.mktemp", "yaml.load", "marshal.loads"}
NEVER_IMPORTED = {"pickle", "cPickle", "dill", "marshal", "pty.spawn", "imp"}


def name_called(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{name_called(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def offences(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = name_called(node.func)
            if name in NEVER or name.endswith((".extractall", ".mktemp")):
                yield f"line {node.lineno}: {name}()"
            for keyword in node.keywords:
                if keyword.arg == "shell" and not (isinstance(keyword.value, ast.Constant) and not keyword.value.value):
                    yield f"line {node.lineno}: {name}(shell=…)"
        elif isinstance(node, ast.Import):
            yield from (f"line {node.lineno}: import {a.name}" for a in node.names if a.name in NEVER_IMPORTED)
        elif isinstance(node, ast.ImportFrom) and node.module in NEVER_IMPORTED:
            yield f"line {node.lineno}: from {node.module} import …"


@pytest.mark.parametrize("source", SOURCES, ids=id_of)
def test_text_is_never_run_as_code(source):
    assert list(offences(ast.parse(source.read_text("utf-8")))) == []


@pytest.mark.parametrize(
    "line",
    [
        "eval(text)",
        "subprocess.run(words, shell=True)",
        "import pickle",
        "from pickle import loads",
        "archive.extractall(folder)",
        "yaml.load(text)",
        "os.system(text)",
        "tempfile.mktemp()",
    ],
)
def test_the_guard_sees_what_it_should(line):
    assert list(offences(ast.parse(line))) != []


# --- doors


def doors(family: str) -> dict[str, set[str]]:
    """Return the files of *family* that have the shape of a back-end, with the modules that each imports."""
    found = {}
    shape = {"formatting": "render", "cli": "run"}.get(family, "BACKEND")
    for file in (PACKAGE / family).glob("*.py"):
        tree = ast.parse(file.read_text("utf-8"))
        names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        for node in tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
        if file.stem not in ("__init__", "base") and shape in names:
            found[file.stem] = {
                f"{node.module}.{alias.name}"
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom)
                for alias in node.names
            }
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_the_table_of_a_package_names_its_files(family):
    table = importlib.import_module(f"sumatra.{family}").BACKENDS
    assert {backend.module.lstrip(".") for backend in table.values()} == set(doors(family))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_back_end_does_not_import_another(family):
    found = doors(family)
    for name, imported in found.items():
        for other in found.keys() - {name}:
            ours = f"sumatra.{family}.{other}"
            assert not [line for line in imported if line == ours or line.startswith(f"{ours}.")]


@pytest.mark.parametrize("family", FAMILIES)
def test_each_back_end_has_a_sentence_for_the_help_page(family):
    for name, backend in importlib.import_module(f"sumatra.{family}").BACKENDS.items():
        assert backend.summary.strip(), name


def test_there_are_packages_with_doors():
    assert {"cli", "formatting", "launch", "recordstore", "versioncontrol", "datastore"} <= set(FAMILIES)


# --- what is written down


def test_every_command_is_in_the_reference():
    text = (REFERENCE / "commands.rst").read_text()
    from sumatra.cli import BACKENDS

    assert [name for name in BACKENDS if not re.search(rf"\bsmt {name}\b", text)] == []


def test_every_setting_is_in_the_reference():
    text = (REFERENCE / "settings.rst").read_text()
    from sumatra.settings import SETTINGS

    assert [name for name in SETTINGS if not re.search(rf"``{name}``", text)] == []


def test_every_error_is_in_the_reference_with_its_exit_status():
    text = (REFERENCE / "exit-statuses.rst").read_text()
    rows = re.findall(r"(?m)^   \* - (\d+)\n     - (.*?)(?=^   \* - |\Z|^\S)", text, re.DOTALL)
    told: dict[int, str] = {}
    for status, words in rows:
        told[int(status)] = told.get(int(status), "") + words
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert kind.exit_status in told, f"{kind.exit_status} ({name}) isn't on the page"
        assert f"``{name}``" in told[kind.exit_status], f"{name} isn't beside {kind.exit_status}"


def test_the_docstring_of_errors_is_the_tree():
    for name in errors.__all__:
        assert re.search(rf"\b{name}\b", errors.__doc__ or ""), name


def test_every_error_is_public():
    defined = {name for name, thing in vars(errors).items() if isinstance(thing, type)}
    assert defined == set(errors.__all__)


# --- what is shipped


def test_the_version_is_the_installed_one():
    assert sumatra.__version__ == importlib.metadata.version("sumatra")


def is_of_helper(name):
    return name.endswith((".c", ".h"))


def can_compile():
    compiler = (sysconfig.get_config_var("CC") or "").partition(" ")[0]
    has_headers = os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))
    return sys.platform == "linux" and shutil.which(compiler) is not None and has_headers


@pytest.fixture
def copy(tmp_path):
    """A copy of what is shipped, beside a stray file."""
    for name in (*git_files(), "pyproject.toml", "setup.py", "README.rst", "LICENSE"):
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "copy" / name)
    (tmp_path / "copy" / "test").mkdir()
    (tmp_path / "copy" / "test" / "stray.py").write_text("")
    return tmp_path / "copy"


@pytest.mark.slow
@pytest.mark.needs("git", "setuptools")
@pytest.mark.parametrize("compiler", ["", "/no/such/compiler"], ids=["with a compiler", "without"])
def test_the_wheel_holds_the_package_and_nothing_else(tmp_path, copy, compiler):
    """And the helpers, if there is a compiler; nothing is said if there is none."""
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", "."]
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **({"CC": compiler} if compiler else {})}
    done = subprocess.run([*words, "./copy"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("sumatra-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = sorted(name for name in archive.namelist() if ".dist-info/" not in name)
        (entries,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "smt = sumatra.cli:entry" in archive.read(entries).decode()
    names = ["sumatra/capture/_observer.abi3.so", "sumatra/versioncontrol/_entries.abi3.so"]
    helpers = names if can_compile() and not compiler else []
    assert inside == sorted([*(name for name in git_files() if not is_of_helper(name)), *helpers])


@pytest.mark.slow
@pytest.mark.needs("git", "setuptools")
def test_the_source_distribution_holds_what_the_helpers_are_built_from(tmp_path, copy):
    code = f"import setuptools.build_meta as build; print(build.build_sdist({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (made,) = tmp_path.glob("sumatra-*.tar.gz")
    with tarfile.open(made) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {name for name in git_files() if is_of_helper(name)}
    assert len(wanted) > 1
    assert wanted <= inside


def test_the_helpers_were_built_from_these_sources():
    if not can_compile():
        pytest.skip("there is no compiler here")
    from sumatra.capture import notify
    from sumatra.versioncontrol import _folder

    assert notify.helper() is not None, "run scripts/setup.sh check"
    assert _folder._fastest() is not _folder._look, "run scripts/setup.sh check"
