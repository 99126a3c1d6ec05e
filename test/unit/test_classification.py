"""Which files that a run touched are data."""

import os
from pathlib import Path

import pytest

from sumatra.capture.accesses import FileAccess, Program
from sumatra.capture.classification import classify, inputs, outputs, prefixes

ROOT = "/home/ada/project"


@pytest.mark.parametrize(("path", "kind"), [
    (f"{ROOT}/data/in.csv", "data"),
    (f"{ROOT}/main.py", "code"),
    (f"{ROOT}/.git/HEAD", "code"),
    (f"{ROOT}/.smt/runs/1/parameters/x", "own"),
    (f"{ROOT}/lib/__pycache__/model.cpython-311.pyc", "cache"),
    (f"{ROOT}/.venv/lib/python3.11/site-packages/numpy/__init__.py", "package"),
    ("/home/ada/miniconda3/envs/x/share/proj/proj.db", "package"),
    ("/home/ada/.cache/matplotlib/fontlist.json", "cache"),
    ("/home/ada/other/in.csv", "data"),
    ("/scratch/in.csv", "data"),
    ("/tmp/in.csv", "data"),
    ("/usr/share/zoneinfo/UTC", "system"),
    ("/etc/passwd", "system"),
    ("/lib64/ld-linux-x86-64.so.2", "system"),
    ("/library/in.csv", "data"),
    ("/dev/shm/sem.x", "system"),
    ("/proc/cpuinfo", "system"),
    ("/home/ada/records/store", "own"),
])
def test_each_file_is_of_one_kind(path: str, kind: str) -> None:
    assert classify(
        path, ROOT, lambda path: path == f"{ROOT}/main.py",
        packages=["/home/ada/miniconda3/envs/x"], own=["/home/ada/records"], home="/home/ada",
    ) == kind


def test_a_project_may_lie_among_the_system() -> None:
    assert classify("/var/lib/ci/job/data.csv", "/var/lib/ci/job") == "data"
    assert classify("/var/lib/ci/other/data.csv", "/var/lib/ci/job") == "system"


def test_inputs_are_what_was_read_and_outputs_what_was_changed() -> None:
    def kind(path: str) -> str:
        return classify(path, ROOT, lambda path: path.endswith(".py"))

    files = [
        FileAccess(f"{ROOT}/in", read=True), FileAccess(f"{ROOT}/both", read=True, written=True),
        FileAccess(f"{ROOT}/out", written=True, created=True), FileAccess(f"{ROOT}/gone", deleted=True),
        FileAccess(f"{ROOT}/made.py", written=True), FileAccess(f"{ROOT}/main.py", read=True),
        FileAccess(f"{ROOT}/tool", read=True, executed=True), FileAccess("/etc/passwd", read=True),
        FileAccess(f"{ROOT}/.git/index", written=True), FileAccess("/dev/null", written=True),
        FileAccess(f"{ROOT}/__pycache__/x.pyc", written=True),
    ]
    assert [os.path.basename(file.path) for file in inputs(files, kind)] == ["in", "both", "tool"]
    assert [os.path.basename(file.path) for file in outputs(files, kind)] == ["both", "out", "made.py"]


def test_environments_are_known_by_what_is_in_them(tmp_path: Path) -> None:
    for name in ("venv", "conda", "plain"):
        (tmp_path / name / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    (tmp_path / "conda" / "conda-meta").mkdir()
    programs = [
        Program(1, None, "/usr/bin/python3.11", (f"{tmp_path}/venv/bin/python", "x.py"), 0.0),
        Program(2, 0, f"{tmp_path}/conda/bin/R", ("R",), 0.0),
        Program(3, 0, f"{tmp_path}/plain/bin/tool", ("tool",), 0.0),
    ]
    assert prefixes(programs) == [f"{tmp_path}/venv", f"{tmp_path}/conda"]


def test_the_manager_of_environments_whose_shim_was_run_is_a_package_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "pyenv" / "shims").mkdir(parents=True)
    programs = [
        Program(1, None, "/usr/bin/bash", ("bash", f"{tmp_path}/pyenv/shims/python", "x.py"), 0.0),
        Program(2, 0, "/usr/bin/bash", (f"{tmp_path}/pyenv/libexec/pyenv", "exec", "python"), 0.0),
    ]
    assert prefixes(programs) == [f"{tmp_path}/pyenv"]
    assert classify(f"{tmp_path}/pyenv/version", ROOT, packages=prefixes(programs)) == "package"
