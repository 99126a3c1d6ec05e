"""What reading a Python script tells of what it would load."""

import importlib.metadata
import json
import os
import sys
import time

import pytest

from sumatra.dependency_finder import Run
from sumatra.dependency_finder._python_statements import Imported, imports
from sumatra.dependency_finder.python_imports import foreseen
from sumatra.records import Executable


@pytest.fixture
def files(tmp_path):
    """Write files below the current folder, by name and text."""

    def write(**named):
        for name, text in named.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return write


@pytest.fixture
def run(tmp_path):
    """Make a run of *main* by the Python that runs the tests."""

    def make(main="main.py", **more):
        more.setdefault("environment", {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]})
        more.setdefault("executable", Executable(sys.executable, "Python", ".".join(map(str, sys.version_info[:3]))))
        return Run(main_file=main, folder=str(tmp_path), root=str(tmp_path), **more)

    return make


@pytest.fixture
def told(files, run):
    """Return what a script with that text would load, by name."""

    def tell(text, main="main.py", **more):
        files(**{main: text})
        return {each.name: each for each in foreseen(run(main, **more)).dependencies if each.name != "python"}

    return tell


@pytest.fixture
def environment(files, tmp_path):
    """A virtual environment as its files tell: packages, a namespace, an extension, an editable project."""
    base = os.path.dirname(os.path.realpath(sys.executable))
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    site = f"env/lib/python{minor}/site-packages"
    files(**{
        "env/pyvenv.cfg": f"home = {base}\nversion = {minor}.0\n", "env/bin/python": "",
        f"{site}/yaml/__init__.py": "raise SystemExit('imported')\n",
        f"{site}/PyYAML-6.0.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: PyYAML\nVersion: 6.0.1\n\nText\n",
        f"{site}/PyYAML-6.0.1.dist-info/RECORD": "yaml/__init__.py,sha256=x,1\n",
        f"{site}/google/cloud/storage/__init__.py": "", f"{site}/google/auth/__init__.py": "",
        f"{site}/google_cloud_storage-2.0.dist-info/RECORD": "google/cloud/storage/__init__.py,sha256=x,1\n",
        f"{site}/google_auth-1.5.dist-info/RECORD": "google/auth/__init__.py,sha256=x,1\n",
        f"{site}/fast.cpython-311-x86_64-linux-gnu.so": b"\x7fELF", f"{site}/lone.py": "__version__ = '0.4'\n",
        f"{site}/old/__init__.py": "", f"{site}/Old-1.0-py{minor}.egg-info/top_level.txt": "old\n",
        f"{site}/links.pth": f"# a comment\nimport os; os.abort()\n{tmp_path}/elsewhere\n",
        "elsewhere/edited/__init__.py": "__version__ = '2.5.dev0'\nimport yaml\n",
        f"{site}/__editable___mapped_finder.py": f"MAPPING: dict = {{'mapped': '{tmp_path}/mapsrc/mapped'}}\n",
        "mapsrc/mapped/__init__.py": "from . import inner\n", "mapsrc/mapped/inner.py": "import lone\n",
    })
    return Executable(str(tmp_path / "env" / "bin" / "python"), "Python", None)


def test_installed_packages_have_the_versions_that_their_metadata_tell(told):
    found = told("import numpy as np\nfrom matplotlib import pyplot\nimport os, json.decoder\nimport sys\n")
    assert set(found) == {"numpy", "matplotlib"}
    assert all(each.version == importlib.metadata.version(name) for name, each in found.items())
    assert all(each.flags == ("not loaded",) and each.source == "metadata" for each in found.values())


def test_the_interpreter_comes_first(files, run):
    files(**{"main.py": ""})
    (python,) = foreseen(run()).dependencies
    assert (python.name, python.version) == ("python", ".".join(map(str, sys.version_info[:3])))


def test_a_distribution_is_found_by_what_it_has_brought(told, environment):
    text = "import yaml, fast, lone, old\nfrom google.cloud import storage\nimport google.auth\n"
    found = told(text, executable=environment)
    assert {name: each.version for name, each in found.items()} == {
        "PyYAML": "6.0.1", "fast": None, "lone": "0.4", "Old": "1.0", "google_cloud_storage": "2.0",
        "google_auth": "1.5",
    }


def test_editable_projects_are_told_and_followed(files, run, environment, tmp_path):
    files(**{"project/main.py": "import edited, mapped\n"})
    asked = Run(
        main_file="main.py", folder=str(tmp_path / "project"), root=str(tmp_path / "project"), executable=environment,
        checkout_of=lambda path: str(tmp_path / "elsewhere") if "elsewhere" in path else None,
    )
    found = {each.name: each for each in foreseen(asked).dependencies}
    assert set(found) == {"python", "edited", "mapped", "PyYAML", "lone"}
    assert (found["edited"].version, found["edited"].flags) == ("2.5.dev0", ("editable", "not loaded"))
    assert found["edited"].checkout == str(tmp_path / "elsewhere")


def test_own_modules_are_followed_and_named_from_the_projects_folder(told, files):
    files(**{
        "model/__init__.py": "from .cell import Cell\n", "model/cell.py": "from . import units, VALUE\nimport helper\n",
        "model/units.py": "from ..gone import x\nimport model\n", "helper.py": "import main\nimport numpy\n",
        "model/unused.py": "import matplotlib\n",
    })
    found = told("import model\n")
    assert set(found) == {"model/__init__.py", "model/cell.py", "model/units.py", "helper.py", "main.py", "numpy"}


def test_a_cycle_has_an_end(told, files):
    files(**{"a.py": "import b\n", "b.py": "import a\n"})
    assert set(told("import a\n")) == {"a.py", "b.py"}


def test_pythonpath_is_searched_from_the_folder_of_the_run(told, files):
    files(**{"lib/deep.py": ""})
    assert set(told("import deep\n", environment={"PYTHONPATH": "lib"})) == {"lib/deep.py"}


def test_what_is_not_found_says_so_and_whether_the_program_can_do_without(told):
    found = told("""
try:
    import cPickle as pickle
except ImportError:
    import pickle
try:
    import fallback1
except (KeyError, ModuleNotFoundError):
    pass
try:
    import needed1
except KeyError:
    pass
import needed2
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import stubs
else:
    import needed3
""")
    flags = {name: each.flags for name, each in found.items()}
    missing, optional = ("not loaded", "not found"), ("not loaded", "not found", "optional")
    assert flags == {
        "cPickle": optional, "fallback1": optional, "needed1": missing, "needed2": missing, "needed3": missing,
    }


@pytest.mark.parametrize(
    ("text", "module"),
    [
        ("import importlib\nimportlib.import_module('wanted')", "wanted"),
        ("from importlib import import_module\nimport_module('wanted.inner')", "wanted"),
        ("__import__('wanted')", "wanted"),
        ("def f():\n  class A:\n    import wanted", "wanted"),
        ("if True:\n  while 1:\n    from wanted.x import *", "wanted"),
        ("import importlib\nimportlib.import_module(name)", None),
        ("s = 'import wanted'", None),
        ("# import wanted", None),
        ("print 'Python 2'\nimport wanted", "wanted"),
        ("print 'Python 2'\nfrom wanted import (a,\n  b)", "wanted"),
        ("def broken(:\n    import wanted, os", "wanted"),
        ("\0\nimport wanted", "wanted"),
        ("x = '\\d'\nimport wanted", "wanted"),
        ("async def f():\n  async with x:\n    import wanted", "wanted"),
        ("match 1:\n  case 1:\n    import wanted", "wanted"),
        ("try:\n  pass\nexcept* ValueError:\n  import wanted", "wanted"),
    ],
)
def test_ways_to_import(text, module, told):
    assert set(told(text)) == ({module} if module else set())


def test_what_python_warns_of_in_the_users_code_changes_nothing(told):
    assert told("x = '\\d' is 1\nif TYPE_CHECKING:\n    import stubs\n") == {}


def test_a_script_that_is_run_by_its_path_is_followed(told, files):
    files(**{"other/part.py": "import numpy\n"})
    assert set(told("import runpy\nrunpy.run_path('other/part.py')\n")) == {"other/part.py", "numpy"}


def test_the_coding_of_a_file_is_heeded(told):
    assert set(told("# coding: latin-1\nx = 'é'\nimport numpy\n".encode("latin-1"))) == {"numpy"}


def test_of_a_notebook_the_cells_of_code_are_read(told, files):
    files(**{"part.py": "import numpy\n"})
    cells = [
        {"cell_type": "markdown", "source": ["import prose\n"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "!pip install x\n", "import matplotlib\n"]},
        {"cell_type": "code", "source": "%%bash\nimport bashed"},
        {"cell_type": "code", "source": "if True:\n    %run -i part.py\nnp?"},
    ]
    assert set(told(json.dumps({"cells": cells}), main="book.ipynb")) == {"matplotlib", "part.py", "numpy"}
    assert told("{}", main="empty.ipynb") == {}


def test_nothing_is_imported_or_run(told, files):
    before = set(sys.modules)
    files(**{"spring.py": "open('sprung', 'w')\n"})
    told("import spring, wave\nopen('sprung', 'w')\n")
    assert not os.path.exists("sprung")
    assert not {"spring", "wave"} & (set(sys.modules) - before)


def test_a_script_of_another_language_is_none_of_ours(files, run):
    files(**{"main.R": "import numpy\n"})
    assert foreseen(run("main.R")).dependencies == ()


def test_without_an_interpreter_it_is_not_said_that_something_is_missing(told):
    found = told("import anything\nimport json\n", executable=None, environment={})
    assert {name: each.flags for name, each in found.items()} == {"anything": ("not loaded",)}


def test_a_project_larger_than_what_is_read_is_said_to_be(files, run):
    files(**{f"m{number}.py": f"import m{number + 1}\n" for number in range(1010)})
    files(**{"main.py": "import m0\n"})
    began = time.perf_counter()
    (finding,) = foreseen(run()).findings
    assert finding.code == "dependencies-unknown"
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("text", [
    "(" * 100_000, "-" * 100_000 + "1", "x = " + "[" * 5000 + "]" * 5000, "import a." + "b." * 100_000 + "c",
    "from " + "." * 100_000 + " import x", "import a, " * 100_000, "from a import (" * 100_000, b"\xff\xfe" * 1000,
    "if 1:\n" + "".join(" " * depth + "if 1:\n" for depth in range(1, 99)) + " " * 99 + "import a",
    "x = 1" + " + 1" * 20_000,
])  # fmt: skip
def test_hostile_source_is_read_in_little_time(text, files, run):
    files(**{"main.py": text})
    began = time.perf_counter()
    foreseen(run())
    assert time.perf_counter() - began < 5


def test_a_pipe_in_the_place_of_a_module_is_not_waited_for(files, run, tmp_path):
    os.mkfifo(tmp_path / "pipe.py")
    files(**{"main.py": "import pipe\n"})
    assert [each.name for each in foreseen(run()).dependencies] == ["python", "pipe.py"]


def test_imports_tell_level_and_names():
    assert imports(b"from ..a.b import c as d, e\n") == [Imported("a.b", 2, ("c", "e"))]
