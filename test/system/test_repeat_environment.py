"""``smt repeat --env recorded`` builds the Python environment of a run again, and says what can't be had."""

import base64
import hashlib
import json
import os
import shutil
import sys
import zipfile
from subprocess import run

import pytest

pytestmark = pytest.mark.needs("uv")

MATCH = "The simulation results match."


def wheel(folder, name, version, code):
    """Write a package of one module as an index would have it."""
    metadata = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": code,
        f"{metadata}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{metadata}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(text)}\n")
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        for path, text in files.items():
            file.writestr(path, text)
        file.writestr(f"{metadata}/RECORD", "".join([*lines, f"{metadata}/RECORD,,\n"]))


def install(environment, *packages):
    shelf = os.environ["PIP_FIND_LINKS"]
    python = environment / "bin" / "python"
    words = ["uv", "pip", "install", "--quiet", "--no-index", "--find-links", shelf, "--python", python]
    run([*words, *packages], check=True)


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder of packages, which is all that uv and pip know of."""
    folder = tmp_path / "shelf"
    for version, factor in (("1.0", 2), ("2.0", 30)):
        wheel(folder, "growth", version, f"factor = {factor}\n")
    wheel(folder, "rate", "0.5", "from growth import factor\ndouble = 2 * factor\n")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))  # uv is told the same
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return folder


@pytest.fixture
def environment(shelf, tmp_path):
    """A virtual environment with two packages."""
    folder = tmp_path / "environment"
    run(["uv", "venv", "--quiet", "--python", sys.executable, folder], check=True)
    install(folder, "growth==1.0", "rate")
    return folder


@pytest.fixture
def model(project):
    """A script that uses the packages."""
    (project / "use.py").write_text(
        "#!/usr/bin/env python3\nimport growth, rate\nopen('Data/out', 'w').write(f'{growth.factor} {rate.double}')\n"
    )
    (project / "use.py").chmod(0o755)
    (project / "use.sh").write_text("#!/bin/sh\npython -m use\n")
    (project / "use.sh").chmod(0o755)
    return project


@pytest.fixture
def activated(environment, monkeypatch):
    monkeypatch.setenv("VIRTUAL_ENV", str(environment))
    monkeypatch.setenv("PATH", str(environment / "bin"), prepend=os.pathsep)
    return environment


WAYS = {
    "script": ["python", "use.py"], "executable": ["./use.py"], "shell": ["./use.sh"],
    "module": ["python", "-m", "use"],
}


@pytest.mark.parametrize("words", WAYS.values(), ids=WAYS)
def test_packages_are_those_of_then_however_python_is_started(model, activated, smt, words):
    assert smt("run", "-l", "first", "--", *words).status == 0
    install(activated, "growth==2.0")
    said = smt("repeat", "first")
    assert said.status == 1
    assert "could explain it: dependencies growth (python): 1.0 -> 2.0" in said.out
    said = smt("repeat", "first", "--env", "recorded")
    assert (said.status, said.out) == (0, f"{MATCH}\n"), said.err


def test_an_interpreter_that_is_named_by_its_path_is_replaced_also_without_a_view(
    model, environment, smt, smt_without_view
):
    python = environment / "bin" / "python"
    (model / "own.py").write_text((model / "use.py").read_text().replace("/usr/bin/env python3", str(python)))
    (model / "own.py").chmod(0o755)
    smt("run", "-l", "first", "--", str(python), "use.py")
    smt("run", "-l", "second", "--", "./own.py")
    install(environment, "growth==2.0")
    for label in ("first", "second"):
        said = smt_without_view("repeat", label, "--env", "recorded")
        assert (said.status, said.out) == (0, f"{MATCH}\n"), said.err
        assert "isn't kept apart" in said.err


def test_an_environment_that_is_gone_is_seen_where_it_was(model, activated, smt):
    smt("run", "-l", "first", "--", str(activated / "bin" / "python"), "use.py")
    shutil.rmtree(activated)
    said = smt("repeat", "first", "--env", "recorded")
    assert (said.status, said.out) == (0, f"{MATCH}\n"), said.err
    assert not activated.exists()


def test_it_is_built_once_and_then_needs_no_index(model, activated, smt, shelf, monkeypatch):
    smt("run", "-l", "first", "--", "python", "use.py")
    plan = smt("repeat", "first", "--env", "recorded", "--dry-run").out
    assert "with 2 packages (to be built with uv)" in plan
    assert {"growth==1.0", "rate==0.5"} <= {line.strip() for line in plan.splitlines()}
    assert smt("repeat", "first", "--env", "recorded").status == 0
    shutil.rmtree(shelf)
    monkeypatch.setenv("UV_CACHE_DIR", f"{shelf}-cache")
    assert "(it was built before)" in smt("repeat", "first", "--env", "recorded", "--dry-run").out
    assert smt("repeat", "first", "--env", "recorded").out == f"{MATCH}\n"


def test_a_version_that_can_t_be_had_is_said_and_makes_the_verdict_conditional(model, activated, smt, shelf):
    smt("run", "-l", "first", "--", "python", "use.py")
    (shelf / "growth-1.0-py3-none-any.whl").unlink()
    shutil.rmtree(os.path.expanduser("~/.cache/uv"))
    said = smt("repeat", "first", "--env", "recorded")
    assert said.status == 1
    assert "growth 1.0 can't be had, 2.0 is taken instead" in said.err
    assert "(the packages are not those of then, see above)" in said.out
    wheel(shelf, "growth", "1.0", "factor = 2\n")  # it is there again
    assert smt("repeat", "first", "--env", "recorded").out == f"{MATCH}\n"


def test_other_files_under_the_same_version_are_noticed(model, activated, smt, shelf):
    smt("run", "-l", "first", "--", "python", "use.py")
    wheel(shelf, "growth", "1.0", "factor = 2  # as somebody has built it again\n")
    shutil.rmtree(os.path.expanduser("~/.cache/uv"))
    said = smt("repeat", "first", "--env", "recorded", "--json")
    assert "the files of growth 1.0 aren't those of then" in said.err
    (found,) = json.loads(said.out)
    assert found["conditions"] == ["packages"]
    assert found["repeats"][0]["match"] is True


def test_code_that_is_developed_elsewhere_comes_back_too(model, activated, smt, tmp_path, git, view):
    library = tmp_path / "library"
    library.mkdir()
    (library / "growth.py").write_text("factor = 7\n")
    (library / "pyproject.toml").write_text('[project]\nname = "growth"\nversion = "1.0"\n')
    git("init", "--quiet", cwd=library)
    git("add", ".", cwd=library)
    git("commit", "--quiet", "--message", "seven", cwd=library)
    site = next(activated.glob("lib/python*/site-packages"))
    shutil.rmtree(site / "growth-1.0.dist-info")
    (site / "growth.py").unlink()
    (site / "growth.pth").write_text(f"{library}\n")
    metadata = site / "growth-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: growth\nVersion: 1.0\n")
    (metadata / "RECORD").write_text("growth.pth,,\n")
    (metadata / "direct_url.json").write_text(json.dumps({"url": f"file://{library}", "dir_info": {"editable": True}}))
    smt("run", "-l", "first", "--", "python", "use.py")
    (library / "growth.py").write_text("factor = 8\n")
    for options in ([], ["--env", "recorded"]):
        said = smt("repeat", "first", *options)
        assert (said.status, said.out) == (0, f"{MATCH}\n"), said.err
    assert (library / "growth.py").read_text() == "factor = 8\n"


def test_pip_does_it_where_there_is_no_uv(model, activated, smt, tmp_path, monkeypatch):
    smt("run", "-l", "first", "--", "python", "use.py")
    hidden = tmp_path / "hidden"
    (hidden / "uv").mkdir(parents=True)
    (hidden / "uv" / "__init__.py").write_text("raise ImportError\n")
    monkeypatch.setenv("PYTHONPATH", str(hidden))
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name in ("git", "python3", "sh", "strace"):
        path = shutil.which(name)
        if path:
            (bin_folder / name).symlink_to(path if name != "python3" else sys.executable)
    monkeypatch.setenv("PATH", str(bin_folder))
    said = smt("repeat", "first", "--env", "recorded", "--dry-run")
    assert "(to be built with pip)" in said.out, said.err
    assert smt("repeat", "first", "--env", "recorded").out == f"{MATCH}\n"


def test_a_run_without_a_list_of_packages_is_refused_before_anything_starts(project, smt):
    smt("run", "-l", "first", "--", "sh", "-c", "echo 1 > Data/out")
    said = smt("repeat", "first", "--env", "recorded")
    assert said.status == 3
    assert "its record has no list of Python packages" in said.err
