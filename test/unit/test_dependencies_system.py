"""Which packages of the system, of Conda, or of nobody, the files of a run belong to."""

import json
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sumatra.dependency_finder import BACKENDS, Run, _cache, get_finder, loaded
from sumatra.dependency_finder._numerics import numerics
from sumatra.dependency_finder.apk import AlpineFinder
from sumatra.dependency_finder.debian import DebianFinder
from sumatra.dependency_finder.rpm import RpmFinder
from sumatra.formatting.dependencies import describe_dependencies
from sumatra.formatting.view import record_view
from sumatra.records import Dependency, Record


def told(found) -> dict[str, str | None]:
    return {each.name: each.version for each in found.dependencies}


# --- Debian -----------------------------------------------------------------------------------------------------


def real(path: str | None) -> str:
    assert path
    return os.path.realpath(path)


@pytest.mark.needs("dpkg-query")
def test_files_of_the_real_system_belong_to_the_packages_that_dpkg_names():
    maps = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/lib/" in line}
    files = sorted({real(shutil.which(name)) for name in ("sh", "cat", "dpkg-query", "awk", "ls")} | maps)
    found = get_finder("debian").loaded(Run(files=files))
    words = ["dpkg-query", "--search", *files, *(path.removeprefix("/usr") for path in files)]
    asked = {}
    for line in subprocess.run(words, capture_output=True, text=True, check=False).stdout.splitlines():
        package, _, path = line.partition(": ")
        path = path if path in files else f"/usr{path}"
        if path in files and not line.startswith("diversion"):
            asked[path] = package.partition(":")[0]
    assert len(asked) >= 5
    assert found.accounted == asked.keys()
    assert {each.name.partition(":")[0] for each in found.dependencies} == set(asked.values())
    words = ["dpkg-query", "--show", "--showformat=${Version}\n", *(each.name for each in found.dependencies)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == sorted(each.version for each in found.dependencies)
    locked = [line for line in found.locks["debian"].decode().splitlines() if not line.startswith("#")]
    assert len(locked) == len(found.dependencies)
    assert any(line.startswith("libc6:") and "=" in line for line in locked)


@pytest.fixture
def dpkg(tmp_path: Path) -> Path:
    """A database of dpkg with what makes it hard."""
    root = tmp_path / "dpkg"
    (root / "info").mkdir(parents=True)
    packages = {
        "libone:amd64": ["/.", "/lib", "/lib/x86_64-linux-gnu/libone.so.1.2"],
        "libone:i386": ["/lib/i386-linux-gnu/libone.so.1.2"],
        "tool": ["/usr/bin/tool", "/usr/share/tool/name with space"],
        "wrapper": ["/usr/bin/tool"],
        "python3-kit": ["/usr/lib/python3/dist-packages/kit.py"],
        "gone": [],
    }
    stanzas = []
    for key, files in packages.items():
        (root / "info" / f"{key}.list").write_text("\n".join(files) + "\n")
        name, _, machine = key.partition(":")
        stanzas.append(
            f"Package: {name}\nStatus: install ok installed\nArchitecture: {machine or 'all'}\n"
            f"Version: 1:2-{len(stanzas)}\nDescription: x\n Version: 9\n Package: no\n"
        )
    (root / "status").write_text("\n".join(stanzas))
    (root / "diversions").write_text("/usr/bin/tool\n/usr/bin/tool.original\nwrapper\n")
    for path in (root / "status", root / "info"):
        os.utime(path, (1e9, 1e9))
    return root


def test_a_merged_usr_a_foreign_architecture_and_bytecode_are_seen_through(dpkg):
    files = [
        "/usr/lib/x86_64-linux-gnu/libone.so.1.2", "/usr/lib/i386-linux-gnu/libone.so.1.2",
        "/usr/lib/python3/dist-packages/__pycache__/kit.cpython-311.pyc", "/usr/local/bin/tool", "/home/me/tool",
        "/usr/share/tool/name with space",
    ]
    found = DebianFinder(str(dpkg)).loaded(Run(files=files))
    assert told(found) == {"libone:amd64": "1:2-0", "libone:i386": "1:2-1", "python3-kit": "1:2-4", "tool": "1:2-2"}
    assert found.accounted == {*files[:3], files[5]}
    assert found.locks["debian"].decode().splitlines()[1:] == [
        "libone:amd64=1:2-0", "libone:i386=1:2-1", "python3-kit=1:2-4", "tool=1:2-2",
    ]


def test_a_diverted_file_belongs_to_the_package_whose_file_lies_there(dpkg):
    finder = DebianFinder(str(dpkg))
    assert told(finder.loaded(Run(files=["/usr/bin/tool"]))) == {"wrapper": "1:2-3"}
    assert told(finder.loaded(Run(files=["/usr/bin/tool.original"]))) == {"tool": "1:2-2"}
    both = finder.loaded(Run(files=["/usr/bin/tool", "/usr/bin/tool.original"]))
    assert told(both) == {"wrapper": "1:2-3", "tool": "1:2-2"}


def test_lists_are_read_once_until_something_is_installed(dpkg, tmp_path):
    finder = DebianFinder(str(dpkg))
    run = Run(files=["/usr/bin/tool", "/usr/bin/unknown"], cache=str(tmp_path / "cache"))
    first = finder.loaded(run)
    (dpkg / "info" / "wrapper.list").write_text("")
    assert finder.loaded(run) == first, "nothing tells that anything has changed"
    more = Run(files=["/usr/bin/tool", "/usr/share/tool/name with space"], cache=run.cache)
    assert set(told(finder.loaded(more))) == {"wrapper", "tool"}, "files that are new are looked up"
    os.utime(dpkg / "status", (1e9 + 1, 1e9 + 1))
    assert told(finder.loaded(run)) == {}


# --- RPM --------------------------------------------------------------------------------------------------------

SPEC = """\
Name: kit
Version: 1.2
Release: 3
Epoch: 4
Summary: x
License: x
BuildArch: noarch
%description
x
%install
mkdir -p %{buildroot}/usr/lib/kit %{buildroot}/usr/share/kit
echo > %{buildroot}/usr/lib/kit/kit.so.1
echo > %{buildroot}/usr/share/kit/kit.so.1
%files
/usr/lib/kit
/usr/share/kit
"""


@pytest.mark.needs("rpm", "rpmbuild")
def test_files_belong_to_the_packages_that_rpm_has_installed(tmp_path):
    (tmp_path / "kit.spec").write_text(SPEC)
    words = ["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {tmp_path}/build", str(tmp_path / "kit.spec")]
    subprocess.run(words, check=True, capture_output=True)
    (package,) = (tmp_path / "build" / "RPMS").rglob("*.rpm")
    database = tmp_path / "root" / "var" / "lib" / "rpm"
    words = ["rpm", "-i", "--nodeps", "--root", str(tmp_path / "root"), "--dbpath", "/var/lib/rpm", str(package)]
    subprocess.run([*words, "--define", "_db_backend sqlite"], check=True, capture_output=True)
    finder = RpmFinder([str(database / "rpmdb.sqlite")])
    files = ["/usr/lib/kit/kit.so.1", "/usr/lib/other/kit.so.1"]
    found = finder.loaded(Run(files=files))
    assert told(found) == {"kit": "4:1.2-3"}
    assert found.accounted == {files[0]}
    assert found.locks["rpm"].decode().splitlines()[1:] == ["kit-4:1.2-3.noarch"]


def header(name: str, files: list[str]) -> bytes:
    """Return a package as a database of rpm has it, without an epoch."""
    folders = sorted({f"{os.path.dirname(file)}/" for file in files})
    entries, data = [], b""

    def add(tag: int, kind: int, count: int, content: bytes) -> None:
        nonlocal data
        data += b"\0" * (-len(data) % 4 if kind == 4 else 0)
        entries.append(struct.pack(">IIII", tag, kind, len(data), count))
        data += content

    for tag, text in ((1000, name), (1001, "2.0"), (1002, "1.fc40"), (1022, "x86_64")):
        add(tag, 6, 1, text.encode() + b"\0")
    numbers = [folders.index(f"{os.path.dirname(file)}/") for file in files]
    add(1116, 4, len(files), struct.pack(f">{len(files)}I", *numbers))
    add(1117, 8, len(files), b"".join(os.path.basename(file).encode() + b"\0" for file in files))
    add(1118, 8, len(folders), b"".join(folder.encode() + b"\0" for folder in folders))
    return struct.pack(">II", len(entries), len(data)) + b"".join(entries) + data


def test_a_damaged_header_of_rpm_tells_nothing_and_costs_nothing_else(tmp_path):
    whole = header("good", ["/usr/lib64/libgood.so.1", "/usr/bin/good"])
    database = tmp_path / "rpmdb.sqlite"
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
    connection.execute("CREATE TABLE Basenames (key TEXT NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL)")
    blobs = [whole, b"", b"\xff" * 200, whole[:60], whole[:-30], struct.pack(">II", 2**31, 0) + whole]
    for number, blob in enumerate(blobs, 1):
        connection.execute("INSERT INTO Packages VALUES (?, ?)", (number, blob))
        for name, place in (("libgood.so.1", 0), ("good", 1), ("good", 7)):
            connection.execute("INSERT INTO Basenames VALUES (?, ?, ?)", (name, number, place))
    connection.commit()
    connection.close()
    os.chmod(database, 0o400)
    run = Run(files=["/usr/lib64/libgood.so.1", "/usr/bin/good", "/usr/bin/bad", "/usr/bin/\udcff"])
    found = RpmFinder([str(database)]).loaded(run)
    assert told(found) == {"good": "2.0-1.fc40"}
    assert found.accounted == set(run.files[:2])


# --- Alpine, Conda, nobody --------------------------------------------------------------------------------------


def test_files_belong_to_the_packages_of_alpine(tmp_path):
    database = tmp_path / "installed"
    database.write_text(
        "C:Q1x=\nP:musl\nV:1.2.5-r0\nA:x86_64\nF:lib\nR:ld-musl-x86_64.so.1\na:0:0:755\nZ:Q1y=\n\n"
        "P:busybox\nV:1.36\nA:x86_64\nF:bin\nR:busybox\nF:\nF:usr/share\nR:x\n\n"
    )
    finder = AlpineFinder(str(database))
    found = finder.loaded(Run(files=["/lib/ld-musl-x86_64.so.1", "/usr/bin/busybox", "/lib/other"]))
    assert told(found) == {"busybox": "1.36", "musl": "1.2.5-r0"}
    assert found.locks["alpine"].decode().splitlines()[1:] == ["busybox=1.36", "musl=1.2.5-r0"]


def test_files_belong_to_the_packages_of_their_conda_environment(tmp_path):
    prefix = tmp_path / "envs" / "mine"
    meta = prefix / "conda-meta"
    meta.mkdir(parents=True)
    for name, files, url in (
        ("python", ["bin/python3.11", "lib/python3.11/os.py"], "https://x:pw@host/t/secret/linux-64/python-1-0.conda"),
        ("fftw", ["lib/libfftw3.so.3.6.10"], "https://host/linux-64/fftw-1-0.conda"),
        ("unused", ["lib/libunused.so"], ""),
    ):
        told_by_conda = {"name": name, "version": "1", "build": "0", "files": files, "url": url, "md5": "ab" * 16}
        (meta / f"{name}-1-0.json").write_text(json.dumps(told_by_conda))
    library = prefix / "lib" / "python3.11"
    library.mkdir(parents=True)
    (library / "os.py").write_text("")
    (meta / "history").write_text("==> x <==")
    (meta / "broken-1-0.json").write_text("{")
    (meta / "odd-1-0.json").write_text("[]")
    os.utime(meta, (1e9, 1e9))
    files = [
        f"{prefix}/bin/python3.11", f"{prefix}/lib/libfftw3.so.3.6.10", f"{prefix}/lib/libmine.so.2",
        f"{prefix}/lib/python3.11/__pycache__/os.cpython-311.pyc",
    ]
    run = Run(files=files, cache=str(tmp_path / "cache"))
    for _ in ("cold", "warm"):
        found = loaded(run)
        told_by_us = {(each.module, each.name): each.version for each in found.dependencies}
        assert told_by_us == {
            ("python", "python"): "3.11", ("conda", "fftw"): "1=0", ("conda", "python"): "1=0",
            ("library", "libmine"): "2",
        }
        lines = found.locks["conda"].decode().splitlines()
        assert lines[1:] == [
            "@EXPLICIT", "# unused=1=0", f"https://host/linux-64/fftw-1-0.conda#{'ab' * 16}",
            f"https://host/t/***/linux-64/python-1-0.conda#{'ab' * 16}",
        ]
        assert "pw" not in "".join(lines) and "secret" not in "".join(lines)
    assert "secret" not in "".join(file.read_text() for file in (tmp_path / "cache").iterdir())


def test_libraries_that_belong_to_no_package_have_the_version_that_their_names_tell():
    files = [
        "/home/me/project/build/libown.so.1", "/opt/fftw/3.3.10/lib/libfftw3.so.3", "/opt/lib/libplain.so",
        "/opt/spack/openblas-0.3.21-abcdef/lib/libopenblas.so.0", "/usr/lib/libsystem.so.1",
        "/usr/local/lib/libm-2.7.so", "/usr/local/lib/libx.so.1.2.3", "/opt/data.sound", "/opt/x.so.txt",
    ]
    found = get_finder("library").loaded(Run(files=files, root="/home/me/project"))
    assert [(each.name, each.version, each.source) for each in found.dependencies] == [
        ("libfftw3", "3.3.10", "name of its folder"), ("libplain", None, None),
        ("libopenblas", "0.3.21", "name of its folder"), ("libm", "2.7", "name of the file"),
        ("libx", "1.2.3", "name of the file"),
    ]


def test_the_libraries_of_linear_algebra_and_threads_are_told(tmp_path):
    library = tmp_path / "libscipy_openblas64_-56d6093b.so"
    library.write_bytes(b"\x7fELF" + b"\0" * 999 + b"OpenBLAS %d\0OpenBLAS 0.3.29 DYNAMIC_ARCH\0")
    files = [
        str(library), "/x/libopenblas64_p-r0-0cf96a72.3.23.dev.so", "/x/libopenblasp-r0.3.21.so",
        "/x/libblas.so.3.11.0", "/x/libcublasLt.so.12", "/x/libmkl_rt.so.2", "/x/libgomp-a34b3233.so.1.0.0",
        "/x/libompitrace.so", "/x/libomp.so", "/x/libgomp.h",
    ]
    found = numerics(files, "")
    assert found["blas"].split("; ") == [
        "MKL 2 (/x/libmkl_rt.so.2)",
        "OpenBLAS 0.3.21 (/x/libopenblasp-r0.3.21.so)",
        "OpenBLAS 0.3.23.dev (/x/libopenblas64_p-r0-0cf96a72.3.23.dev.so)",
        f"OpenBLAS 0.3.29 ({library})",
        "reference BLAS 3.11.0 (/x/libblas.so.3.11.0)",
    ]
    assert found["openmp"] == "GNU OpenMP (/x/libgomp-a34b3233.so.1.0.0); LLVM OpenMP (/x/libomp.so)"
    assert numerics(["/bin/sh"], "") == {}


@pytest.mark.needs("numpy")
def test_the_real_numpy_tells_its_blas():
    code = "import numpy; print(open('/proc/self/maps').read())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    files = sorted({line.split()[-1] for line in done.stdout.splitlines() if ".so" in line})
    if not any("blas" in os.path.basename(path) for path in files):
        pytest.skip("this numpy has its BLAS inside")
    assert "OpenBLAS 0." in numerics(files, "")["blas"]


# --- all together -----------------------------------------------------------------------------------------------


def test_a_finder_that_fails_costs_only_its_own_answer(monkeypatch):
    def fail(self, run):
        raise RuntimeError("broken")

    monkeypatch.setattr(DebianFinder, "loaded", fail)
    found = loaded(Run(files=["/opt/lib/libplain.so"]))
    assert told(found) == {"libplain": None}
    assert [finding.code for finding in found.findings] == ["dependencies-unknown"]
    assert "debian" in found.findings[0].message


def test_no_finder_says_anything_about_nothing():
    for name in BACKENDS:
        found = get_finder(name).loaded(Run())
        assert (found.dependencies, found.accounted, dict(found.locks)) == ((), frozenset(), {})


def test_what_many_write_at_once_is_always_whole(tmp_path):
    folder = str(tmp_path / "cache")
    (tmp_path / "subject").write_text("x")
    os.utime(tmp_path / "subject", (1e9, 1e9))
    key = _cache.key_of(str(tmp_path / "subject"))
    seen = []

    def write(number: int) -> None:
        for _ in range(20):
            _cache.keep(folder, "name", key, [number] * 500)
            seen.append(_cache.recall(folder, "name", key))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 160
    assert all(value is not None and len(value) == 500 and len(set(value)) == 1 for value in seen)
    assert os.listdir(folder) == ["name.json"]


def test_what_has_only_just_changed_is_not_kept(tmp_path):
    (tmp_path / "subject").write_text("x")
    _cache.keep(str(tmp_path / "cache"), "name", _cache.key_of(str(tmp_path / "subject")), 1)
    assert not (tmp_path / "cache").exists()


def test_a_record_is_shown_with_the_libraries_of_linear_algebra_in_use():
    began = datetime(2026, 1, 1, tzinfo=UTC)
    record = Record(label="label", timestamp=began, surroundings={"blas": "OpenBLAS 0.3.29 (/x/libopenblas.so)"})
    assert "\nSurroundings\n  blas  OpenBLAS 0.3.29 (/x/libopenblas.so)\n" in "".join(record_view(record))


def test_packages_of_the_system_are_folded_into_a_paragraph():
    dependencies = [
        Dependency("numpy", "/site/numpy", "2.4.6", "python"),
        Dependency("mine", "/src/mine", "1.0", "python", flags=("editable",)),
        *(Dependency(f"lib{number}", f"/usr/lib/{number}", "1.0-1", "debian") for number in range(8)),
    ]
    assert list(describe_dependencies(dependencies, width=50)) == [
        "python  numpy  2.4.6  /site/numpy",
        "        mine   1.0    /src/mine  editable",
        "debian  lib0 1.0-1, lib1 1.0-1, lib2 1.0-1,",
        "        lib3 1.0-1, lib4 1.0-1, lib5 1.0-1,",
        "        lib6 1.0-1, lib7 1.0-1",
    ]
