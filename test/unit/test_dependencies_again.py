"""What has become of libraries that a run has loaded, as each finder finds out."""

import os
from pathlib import Path

import pytest

from sumatra.dependency_finder import Run, again
from sumatra.dependency_finder.conda import CondaFinder
from sumatra.dependency_finder.debian import DebianFinder
from sumatra.dependency_finder.julia import JuliaFinder
from sumatra.dependency_finder.r import RFinder
from sumatra.facts import replace
from sumatra.records import Dependency, Executable


def versions(found):
    """Return what there is now, by name."""
    return {each.was.name: each.now and each.now.version for each in found}


def test_packages_of_debian_are_found_by_name_whatever_their_files_are_called_by_now(tmp_path):
    (tmp_path / "info").mkdir()
    stanzas = [
        f"Package: {name}\nStatus: {state}\nArchitecture: amd64\nVersion: {version}\n" for name, version, state in (
            ("libone", "2.0", "install ok installed"), ("libtwo", "1.0", "install ok installed"),
            ("libthree", "1.0", "deinstall ok config-files"),
        )
    ]
    (tmp_path / "status").write_text("\n".join(stanzas))
    for name in ("libone:amd64", "libtwo"):
        (tmp_path / "info" / f"{name}.list").write_text("")
        os.utime(tmp_path / "info" / f"{name}.list", (1_700_000_000,) * 2)
    (tmp_path / "info" / "libthree.list").write_text("/etc/libthree.conf\n")
    was = [Dependency(name, f"/usr/lib/{name}.so.1", "1.0", "debian", source="dpkg")
           for name in ("libone", "libtwo", "libthree", "libfour")]
    found = DebianFinder(str(tmp_path)).again(Run(), was, {})
    assert versions(found) == {"libone": "2.0", "libtwo": "1.0", "libthree": None, "libfour": None}
    assert found[0].note.startswith("dpkg, 2023-11-14 ")


def test_without_the_tables_of_dpkg_it_is_not_known(tmp_path):
    was = [Dependency("libone", "/usr/lib/libone.so.1", "1.0", "debian")]
    (found,) = DebianFinder(str(tmp_path / "nowhere")).again(Run(), was, {})
    assert found.unknown.startswith("the tables of dpkg can't be read") and found.now == was[0]


def test_packages_of_conda_are_found_by_the_names_of_their_files(tmp_path):
    meta = tmp_path / "conda-meta"
    meta.mkdir()
    for name in ("fftw-3.3.11-h1_0", "with-dash-2.0-py_1"):
        (meta / f"{name}.json").write_text("{}")
    was = [Dependency(name, str(tmp_path / "lib" / "x.so"), "3.3.10=h1_0", "conda")
           for name in ("fftw", "with-dash", "gone")]
    found = CondaFinder().again(Run(), was, {})
    assert versions(found) == {"fftw": "3.3.11=h1_0", "with-dash": "2.0=py_1", "gone": None}


def r_package(library: Path, name: str, version: str) -> None:
    (library / name).mkdir(parents=True)
    (library / name / "DESCRIPTION").write_text(f"Package: {name}\nVersion: {version}\n")


def test_packages_of_r_are_looked_for_where_r_looks_now(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    r_package(old, "gourd", "1.0")
    r_package(old, "shekel", "3.0")
    r_package(new, "gourd", "1.1")
    was = [
        Dependency("gourd", str(old / "gourd"), "1.0", "r", source="DESCRIPTION"),
        Dependency("shekel", str(old / "shekel"), "3.0", "r", source="DESCRIPTION"),
        Dependency("gone", str(old / "gone"), "1.0", "r", source="DESCRIPTION"),
    ]
    environment = {"R_LIBS": f"{new}:{old}", "PATH": ""}
    found = RFinder().again(Run(environment=environment, folder=str(tmp_path)), was, {})
    assert versions(found) == {"gourd": "1.1", "shekel": "3.0", "gone": None}
    assert found[0].note.startswith("installed ")
    by_script = RFinder().again(Run(environment={"PATH": ""}, folder=str(tmp_path)), was, {})
    assert versions(by_script)["gourd"] == "1.0", "folders that the script itself names are looked into, too"


def test_packages_of_julia_are_told_by_the_manifest_of_now(tmp_path):
    (tmp_path / "Manifest.toml").write_text('[[deps.Gourd]]\nversion = "2.0.0"\n')
    was = [Dependency("Gourd", "/nowhere/packages/Gourd/abcde", "1.0.0", "julia", source="Project.toml")]
    found = JuliaFinder().again(Run(folder=str(tmp_path), root=str(tmp_path)), was, {})
    assert versions(found) == {"Gourd": "2.0.0"}


def test_a_shared_library_is_found_under_the_name_of_its_next_version(tmp_path):
    (tmp_path / "libfield.so.1.3").write_bytes(b"")
    was = [Dependency("libfield", str(tmp_path / "libfield.so.1.2"), "1.2", "library", source="name of the file")]
    assert versions(again(Run(), was, {})) == {"libfield": "1.3"}
    (tmp_path / "libfield.so.1.3").unlink()
    assert versions(again(Run(), was, {})) == {"libfield": None}


def test_what_no_finder_has_told_of_is_there_or_not(tmp_path):
    (tmp_path / "here.x").write_text("")
    was = [Dependency(name, str(tmp_path / name), "1", "a plug-in that is gone") for name in ("here.x", "gone.x")]
    found = again(Run(), [*was, Dependency("nowhere")], {})
    assert [each.now is None for each in found] == [False, True, False]
    assert found[2].unknown == "where it lay wasn't known"


def test_a_finder_that_fails_costs_only_its_own_answers(monkeypatch):
    def fail(*_):
        raise RuntimeError("no")

    monkeypatch.setattr(CondaFinder, "again", fail)
    was = [Dependency("a", "/x", "1", "conda"), Dependency("b", "/nowhere/b", "1", "perl")]
    first, second = again(Run(), was, {})
    assert first.unknown == "RuntimeError: no" and first.now == was[0]
    assert second.now is None


@pytest.mark.parametrize(("chosen", "expected"), [("3.12.1", "3.12.1"), ("", "3.11.4"), ("9.9", None)])
def test_which_python_a_shim_of_pyenv_starts_is_read_and_not_asked(tmp_path, chosen, expected):
    shim = tmp_path / "pyenv" / "shims" / "python"
    for version in ("3.11.4", "3.12.1"):
        program = tmp_path / "pyenv" / "versions" / version / "bin" / f"python{version[:4]}"
        program.parent.mkdir(parents=True)
        program.write_bytes(b"\x7fELF" + f"\0{version}\0".encode())
        (program.parent / "python").symlink_to(program.name)
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "project" / "inside").mkdir(parents=True)
    (tmp_path / "project" / ".python-version").write_text("3.11.4\n")
    was = [Dependency("python", str(tmp_path / "pyenv/versions/3.11.4/bin/python3.11"), "3.11.4", "python")]
    run = Run(
        executable=Executable(str(shim), "Python"), folder=str(tmp_path / "project" / "inside"),
        environment={"PYENV_VERSION": chosen} if chosen else {},
    )
    (found,) = again(run, was, {})
    if expected is None:
        assert "can't be told without running it" in found.unknown
    else:
        assert found.now.version == expected


def test_what_was_not_loaded_and_has_changed_is_told_beside(tmp_path):
    site = tmp_path / "env" / "lib" / "python3.11" / "site-packages"
    for name in ("one-2.0", "new-1.0"):
        (site / f"{name}.dist-info").mkdir(parents=True)
        title, _, version = name.partition("-")
        (site / f"{name}.dist-info" / "METADATA").write_text(f"Name: {title}\nVersion: {version}\n")
    lock = "# python\none==1.0  # pip\nremoved==3.0\nsame @ file:///x  # same==1.0\n"
    run = Run(environment={"PYTHONPATH": str(site)})
    was = Dependency("python", "/nowhere/python3.11", "3.11.0", "python")
    found = again(run, [replace(was)], {"python": lock})
    told = {
        (each.was or each.now).name: (each.was and each.was.version, each.now and each.now.version)
        for each in found[1:]
    }
    assert told == {"one": ("1.0", "2.0"), "new": (None, "1.0"), "removed": ("3.0", None), "same": ("1.0", None)}


def test_what_is_installed_to_be_edited_is_found_by_its_metadata_and_not_beside_its_code(tmp_path):
    site = tmp_path / "site"
    (site / "model-0.8.dist-info").mkdir(parents=True)
    (site / "model-0.8.dist-info" / "METADATA").write_text("Name: model\nVersion: 0.8\n")
    code = tmp_path / "src" / "model"
    code.mkdir(parents=True)
    was = Dependency("model", str(code), "0.7", "python", source="metadata", flags=("editable",))
    found = again(Run(environment={"PYTHONPATH": str(site)}), [was], {})
    assert versions(found) == {"model": "0.8"}
    assert versions(again(Run(), [was], {})) == {"model": "0.7"}, "where its metadata lay isn't known"
