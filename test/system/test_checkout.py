"""The code of a run can be brought back, exactly as it was, and the user's working tree stays as it is."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest


def tree(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Return what is in *folder*: kind and content of each file, without version control and Sumatra's own."""
    found = {}
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in (".git", ".smt", "__pycache__")]
        for name in names:
            path = Path(here) / name
            kind = "link" if path.is_symlink() else "program" if os.access(path, os.X_OK) else "file"
            content = os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes()
            found[str(path.relative_to(folder))] = (kind, content)
    return found


def fingerprint(folder: Path) -> str:
    """Return what changes if anything in *folder* does, version control included."""
    digest = hashlib.sha256()
    for here, folders, names in sorted(os.walk(folder)):
        folders.sort()
        if ".smt" in folders:
            folders.remove(".smt")
        for name in sorted(names):
            path = os.path.join(here, name)
            digest.update(os.fsencode(path) + str(os.lstat(path).st_mtime_ns).encode())
    return digest.hexdigest()


@pytest.fixture
def edited(project, git):
    """A project with all kinds of uncommitted changes."""
    (project / "lib").mkdir()
    (project / "lib" / "main.py").write_text("a file of the same base name\n")
    (project / "two words.py").write_text("x = 1\n")
    (project / "image.bin").write_bytes(bytes(range(256)))
    (project / "gone.py").write_text("gone\n")
    (project / "tool.sh").write_text("#!/bin/sh\n")
    git("add", "--all")
    git("commit", "-qm", "more")
    (project / "two words.py").write_text("x = 2\n")
    (project / "image.bin").write_bytes(bytes(range(255, -1, -1)))
    (project / "gone.py").unlink()
    (project / "tool.sh").chmod(0o755)
    (project / "new.py").write_text("new\n")
    (project / "link.py").symlink_to("main.py")
    return project


def test_uncommitted_changes_of_all_kinds_come_back(edited, smt, git, tmp_path):
    before = tree(edited)
    smt("run", "-l", "r", "--", "true")
    git("add", "--all")
    git("commit", "-qm", "later")
    (edited / "main.py").write_text("something else\n")
    untouched = fingerprint(edited)
    said = smt("checkout", "r", str(tmp_path / "back"))
    assert (said.status, said.out) == (0, f"{tmp_path / 'back'}\n")
    assert tree(tmp_path / "back") == before
    assert fingerprint(edited) == untouched
    assert git("stash", "list") == ""


def test_without_version_control_the_kept_files_come_back(tmp_path, smt, monkeypatch):
    folder = tmp_path / "plain"
    (folder / "lib").mkdir(parents=True)
    monkeypatch.chdir(folder)
    (folder / "main.py").write_text("import lib.net\n")
    (folder / "lib" / "net.py").write_text("n = 1\n")
    smt("init", "Plain")
    smt("run", "-l", "r", "--", "python", "main.py")
    (folder / "lib" / "net.py").write_text("n = 2\n")
    assert "later runs will keep what is in back" in smt("checkout", "r", "back").err
    assert smt("checkout", "r", tmp_path / "beside").err == smt("checkout", "r", "Data/back").err == ""
    assert {name: content for name, (_, content) in tree(folder / "back").items()} == {
        "main.py": b"import lib.net\n", "lib/net.py": b"n = 1\n",
    }


def test_files_are_shown_as_they_were(edited, smt, git):
    smt("run", "-l", "r", "--", "python", "main.py", "default.param")
    main = (edited / "main.py").read_text()
    (edited / "main.py").write_text("something else\n")
    assert smt("view", "r", "--script").out == main
    assert smt("view", "r", "--code", "lib/main.py").out == "a file of the same base name\n"
    assert smt("view", "r", "--code", "two words.py").out == "x = 2\n"
    listing = smt("view", "r", "--code").out
    assert git("rev-parse", "HEAD").strip() in listing
    assert "loaded  as committed    main.py" in listing
    assert "        modified        two words.py" in listing
    said = smt("view", "--code", "r")
    assert (said.status, said.err.splitlines()[-1]) == (2, "hint: smt view r --code"), said.err
    said = smt("view", "r", "--code", "gone.py")
    assert (said.status, "had been deleted" in said.err) == (3, True)
    said = smt("view", "r", "--code", "nosuch.py")
    assert (said.status, said.err.splitlines()[-1]) == (3, "hint: see which files are known: smt view r --code")
    assert smt("view", "r", "--code", "two words.py", cwd=edited / "lib").out == "x = 2\n"
    assert smt("view", "r", "--code", "main.py", cwd=edited / "lib").out == main
    assert smt("view", "r", "--code", "./../lib/main.py", cwd=edited / "lib").out == "a file of the same base name\n"
    (edited / "lib" / "only.py").write_text("o = 1\n")
    smt("run", "-l", "more", "--", "true")
    assert smt("view", "more", "--code", "only.py", cwd=edited / "lib").out == "o = 1\n"
    said = smt("view", "more", "--code", "other.py", cwd=edited / "lib")
    assert (said.status, "no file other.py" in said.err) == (3, True), said.err


def test_a_repository_that_is_gone_is_cloned_again_from_where_it_came(repository, git, smt, tmp_path, monkeypatch):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(repository), str(clone)], check=True)
    monkeypatch.chdir(clone)
    smt("init", "Cloned")
    (clone / "main.py").write_text("print('changed')\n")
    smt("run", "-l", "r", "--", "python", "main.py")
    shutil.rmtree(clone / ".git")
    said = smt("checkout", "r", "back")
    assert said.status == 0, said.err
    assert (clone / "back" / "main.py").read_text() == "print('changed')\n"
    shutil.move(repository, tmp_path / "away")
    said = smt("checkout", "r", "back2")
    assert said.status == 3
    assert "isn't to be had any more" in said.err
    assert "mercurial" not in said.err.lower()  # the record says that it was git's
    assert f"hint: get that version into {clone}," in said.err
    assert not (clone / ".smt" / "work").exists() or os.listdir(clone / ".smt" / "work") == []


def test_a_folder_with_something_in_it_is_left_alone(project, smt):
    smt("run", "-l", "r", "--", "true")
    (project / "full").mkdir()
    (project / "full" / "x").write_text("mine\n")
    said = smt("checkout", "r", "full")
    assert said.status == 6
    assert "isn't an empty folder" in said.err
    assert os.listdir(project / "full") == ["x"]
    said = smt("checkout", "r")
    assert said.out == "code-r\n"
    assert said.err == (
        "smt: later runs will keep what is in code-r as code of theirs, unless you move it away or have it ignored\n"
    )
    with open(project / ".gitignore", "a") as file:
        file.write("code-*\n")
    for folder in ("code-2", project.parent / "elsewhere"):
        assert smt("checkout", "r", folder).err == ""
    (project / "file").write_text("mine\n")
    said = smt("checkout", "r", "file")
    assert (said.status, said.err) == (6, f"smt: {project}/file isn't a folder\nhint: choose another one\n")
    assert (project / "file").read_text() == "mine\n"


def test_a_version_that_was_not_pushed_is_kept_and_comes_back_without_its_repository(
    repository, git, smt, tmp_path, monkeypatch
):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(repository), str(clone)], check=True)
    monkeypatch.chdir(clone)
    smt("init", "Cloned", "--bundle")
    smt("run", "-l", "pushed", "--", "true")
    (clone / "main.py").write_text("print('not pushed')\n")
    git("commit", "-qam", "not pushed")
    smt("configure", "--no-bundle")
    smt("run", "-l", "before", "--", "true")
    smt("configure", "--bundle")
    (clone / "main.py").write_text("print('not committed')\n")
    smt("run", "-l", "first", "--", "true")
    smt("run", "-l", "second", "--", "true")
    records = {record["label"]: record for record in json.loads(smt("list", "--json").out)}
    assert "bundle" not in records["pushed"]["locks"]
    assert records["first"]["locks"]["bundle"] == records["second"]["locks"]["bundle"]
    assert os.listdir(clone / ".smt" / "work") == []
    shutil.rmtree(clone / ".git")
    shutil.move(repository, tmp_path / "away")
    assert smt("checkout", "first", "back").status == 0
    assert (clone / "back" / "main.py").read_text() == "print('not committed')\n"
    assert smt("verify").status == 0
    receipts = {label: [each["message"] for each in record["receipt"] if each["code"] == "unpushed"]
                for label, record in records.items()}
    assert [len(receipts[label]) for label in ("pushed", "before", "first")] == [0, 1, 1]
    assert receipts["first"][0] == f"{receipts['before'][0]}; a bundle of it was kept"
    assert smt("checkout", "before", "back2").status == 0  # the same version, kept for another run
    assert (clone / "back2" / "main.py").read_text() == "print('not pushed')\n"


@pytest.mark.provokes("not-bundled")
def test_a_version_that_can_t_be_kept_is_said(project, smt, git):
    git("commit", "--quiet", "--allow-empty", "--message", "not pushed")
    smt("configure", "--bundle")
    (project / ".smt" / "work").touch()
    smt("run", "--", "true")
    codes = [finding["code"] for finding in json.loads(smt("view", "--json").out)["receipt"]]
    assert "not-bundled" in codes


def test_without_version_control_code_is_kept_that_only_the_run_has_found(tmp_path, smt, monkeypatch):
    folder = tmp_path / "plain"
    (folder / ".hidden").mkdir(parents=True)
    monkeypatch.chdir(folder)
    (folder / "main.py").write_text("import sys; sys.path.insert(0, '.hidden'); import net\n")
    (folder / ".hidden" / "net.py").write_text("n = 1\n")
    smt("init", "Plain")
    for label in ("first", "second"):  # the second one reads bytecode
        smt("run", "-l", label, "--", "python", "main.py")
        record = json.loads(smt("view", "--json", label).out)
        assert ".hidden/net.py" in {change["path"] for change in record["changes"] if change["digest"]}
        assert record["code_files"] == [".hidden/net.py", "main.py"]
        assert record["input_data"] == []
    assert smt("checkout", "first", "back").status == 0
    assert (folder / "back" / ".hidden" / "net.py").read_text() == "n = 1\n"


def test_what_was_kept_and_is_gone_or_damaged_is_not_shown_and_not_brought_back(edited, smt, tmp_path):
    smt("run", "-l", "r", "--", "true")
    change = next(each for each in json.loads(smt("view", "--json").out)["changes"] if each["path"] == "new.py")
    place = edited / ".smt" / "objects" / change["digest"][7:9] / change["digest"][9:]
    place.chmod(0o600)
    place.write_text("other\n")
    for words in (("view", "r", "--code", "new.py"), ("checkout", "r", tmp_path / "back")):
        said = smt(*words)
        assert (said.status, said.out, said.err.splitlines()) == (6, "", [
            "smt: what was kept of new.py is damaged",
            f"hint: put it back into .smt/objects from a backup: {change['digest']}",
        ])
    place.unlink()
    for words in (("view", "r", "--code", "new.py"), ("checkout", "r", tmp_path / "back")):
        said = smt(*words)
        assert (said.status, said.out) == (6, "")
        assert said.err.startswith("smt: the content of new.py isn't kept any more\nhint: ")


def test_without_version_control_links_come_back_and_so_does_what_they_lead_to_outside(tmp_path, smt, monkeypatch):
    folder = tmp_path / "plain"
    (folder / "versions" / "two").mkdir(parents=True)
    (tmp_path / "shared.py").write_text("m = 1\n")
    monkeypatch.chdir(folder)
    (folder / "main.py").write_text("import shared, net.size; print(shared.m, net.size.n, file=open('Data/o', 'w'))\n")
    (folder / "versions" / "two" / "size.py").write_text("n = 2\n")
    (folder / "net").symlink_to("versions/two")
    (folder / "here.py").symlink_to("main.py")
    (folder / "shared.py").symlink_to("../shared.py")
    (folder / "lost.py").symlink_to("../nowhere.py")
    (tmp_path / "diary").write_text("of nobody's business\n")
    (folder / "diary.py").symlink_to("../diary")
    smt("init", "Plain")
    smt("run", "-l", "r", "--", "python", "main.py")
    (tmp_path / "shared.py").write_text("m = 3\n")
    assert smt("checkout", "r", tmp_path / "x" / "back").status == 0
    assert {name: what for name, what in tree(tmp_path / "x" / "back").items() if name not in ("main.py", "net")} == {
        "versions/two/size.py": ("file", b"n = 2\n"), "here.py": ("link", b"main.py"),
        "shared.py": ("file", b"m = 1\n"), "lost.py": ("link", b"../nowhere.py"),
        "diary.py": ("link", b"../diary"),
    }
    assert (tmp_path / "x" / "back" / "net").readlink() == Path("versions/two")
    assert smt("repeat", "r").out == "The simulation results match.\n"
    assert (folder / "shared.py").is_symlink()


def test_without_version_control_what_lay_outside_of_the_project_is_left_out_and_named(tmp_path, smt, monkeypatch):
    folder = tmp_path / "plain"
    folder.mkdir()
    (tmp_path / "main.py").write_text("print(1)\n")
    (folder / "net.py").write_text("n = 1\n")
    monkeypatch.chdir(folder)
    smt("init", "Plain")
    smt("run", "-l", "r", "--", "python", "../main.py")
    said = smt("checkout", "r", tmp_path / "back")
    assert (said.status, said.out) == (0, f"{tmp_path / 'back'}\n")
    assert said.err == f"smt: what lay outside of {folder} is left out: ../main.py\n"
    assert tree(tmp_path / "back") == {"net.py": ("file", b"n = 1\n")}
    assert smt("view", "r", "--code").out.splitlines() == [
        f"kept from {folder}", "        code            ../main.py", "        code            net.py",
    ]
    said = smt("view", "r", "--code", "nosuch.py")
    assert (said.status, said.err.splitlines()) == (3, [
        "smt: nosuch.py isn't among the files of code that were kept of r",
        "hint: see which files are known: smt view r --code",
    ])


@pytest.mark.provokes("many-code-files")
def test_without_version_control_many_texts_don_t_push_code_aside_and_what_is_left_out_is_said(
    tmp_path, smt, monkeypatch
):
    folder = tmp_path / "plain"
    (folder / "early").mkdir(parents=True)
    (folder / "late").mkdir()
    monkeypatch.chdir(folder)
    for number in range(1001):
        (folder / "early" / f"{number}.txt").touch()
    (folder / "late" / "main.py").write_text("print(1)\n")
    smt("init", "Plain")
    said = smt("run", "-l", "r", "--", "true")
    assert "more than 1,000 files of code and text" in said.err
    record = json.loads(smt("view", "--json", "r").out)
    assert len(record["changes"]) == 1000
    assert "many-code-files" in [finding["code"] for finding in record["receipt"]]
    assert smt("view", "r", "--code", "late/main.py").out == "print(1)\n"
    (folder / "early" / "0.txt").unlink()
    (folder / "early" / "1.txt").unlink()
    smt("run", "-l", "fewer", "--", "true")
    record = json.loads(smt("view", "--json", "fewer").out)
    assert "many-code-files" not in [finding["code"] for finding in record["receipt"]]


@pytest.mark.parametrize("changed", [False, True])
def test_a_main_file_that_is_a_link_is_shown_by_what_it_leads_to(changed, project, smt, git):
    (project / "tools").mkdir()
    (project / "tools" / "real.py").write_text("print('there')\n")
    (project / "run.py").symlink_to("tools/real.py")
    if not changed:
        git("add", "--all")
        git("commit", "-qm", "a link")
    smt("run", "-l", "r", "--", "python", "run.py")
    (project / "run.py").unlink()
    (project / "tools" / "real.py").write_text("print('later')\n")
    said = smt("view", "r", "--script")
    assert (said.status, said.out) == (0, "print('there')\n"), said.err
    assert smt("view", "r", "--code", "run.py").out == "tools/real.py"


@pytest.mark.parametrize("changed", [False, True])
def test_a_script_without_suffix_counts_as_code_that_was_loaded(changed, project, smt, git):
    (project / "simulate").write_text("#!/bin/sh\nsh helper default.param; ./inner\n")
    (project / "inner").write_text("#!/bin/sh\n:\n")
    (project / "helper").write_text("cat $1\n")  # nothing tells that this is a script
    for name in ("simulate", "inner"):
        (project / name).chmod(0o755)
    git("add", "--all")
    git("commit", "-qm", "scripts")
    if changed:
        (project / "simulate").write_text("#!/bin/sh\nsh helper default.param; ./inner # changed\n")
    said = smt("run", "-l", "r", "--", "./simulate")
    assert said.status == 0, said.err
    record = json.loads(smt("view", "r", "--json").out)
    assert record["code_files"] == ["inner", "simulate"]
    assert {os.path.basename(key["path"]) for key in record["input_data"]} == {"helper", "default.param"}
