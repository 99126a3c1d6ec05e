"""What a user can mend is said in a sentence, with an exit status of its own; and odd surroundings are no errors."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMT = str(ROOT / "bin" / "smt")

as_nobody = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")


def records(smt, cwd=None):
    return json.loads(smt("list", "--json", cwd=cwd).out)


def plain(said):
    """Assert that *said* is a message and no traceback, and return it."""
    assert said.err.startswith("smt: "), said.err
    assert "Traceback" not in said.err
    return said.err


@pytest.mark.parametrize("words", [["list"], ["view"], ["info"], ["configure", "-p"], ["comment", "x"], ["tag", "x"],
                                   ["delete", "x"]], ids=" ".join)
def test_outside_a_project_is_said(words, smt, tmp_path):
    said = smt(*words)
    assert said.status == 3
    assert "no Sumatra project" in plain(said)
    assert str(tmp_path) in said.err
    assert "smt init" in said.err


def test_a_run_outside_a_project_is_not_run(smt, tmp_path):
    said = smt("run", "--", "touch", "ran")
    assert said.status == 125
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("words", "status", "told"), [
    (["init"], 2, "NAME"),
    (["init", ""], 2, "can't be the name"),
    (["list", "--nosuch"], 2, "--nosuch"),
    (["list", "tau_m >"], 8, "column"),
    (["list", "tau_m == __import__('os')"], 8, "at column 10"),
    (["list", "-p", "tau_m"], 2, "name=value"),
    (["list", "-d", "someday"], 2, "someday"),
    (["list", "-n", "-1"], 2, "-1"),
    (["view", "nosuch"], 4, "nosuch"),
    (["view", "last"], 4, "no records yet"),
    (["configure"], 2, "nothing to change"),
    (["configure", "-e", "no-such-program"], 127, "no-such-program"),
    (["configure", "-L", "no-such-mode"], 2, "no-such-mode"),
    (["configure", "-t", "\n"], 2, "timestamp_format"),
    (["configure", "--largest-untracked", "much"], 2, "much"),
    (["configure", "--add-plugin", "os"], 2, "plug-in"),
    (["delete"], 2, "nothing to delete"),
    (["tag", " "], 2, "can't be a tag"),
    (["comment", "a", "b", "c"], 2, "quotes"),
    (["comment", "-f", "nosuch.txt"], 2, "nosuch.txt"),
    (["run"], 125, "nothing to run"),
    (["run", "-l", "-x", "true"], 125, "label"),
    (["run", "-l", "last", "true"], 125, "label"),
    (["run", "-l", "two\nlines", "true"], 125, "label"),
    (["run", "-v", "HEAD~1", "true"], 125, "HEAD~1"),
    (["run", "-n", "4", "true"], 125, "serial"),
    (["run", "-i", "nosuch.txt", "cat"], 125, "nosuch.txt"),
    (["run", "--nosuch", "true"], 125, "--nosuch"),
    (["run", "no-such-program"], 127, "no-such-program"),
    (["run", "./default.param"], 126, "default.param"),
    (["lsit"], 2, "did you mean 'list'"),
    (["help", "lsit"], 2, "did you mean 'list'"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else None)
def test_each_slip_has_its_status_and_sentence(words, status, told, project, smt):
    said = smt(*words)
    assert said.status == status, said
    assert told in said.err
    assert "Traceback" not in said.err
    assert said.out == ""
    assert list((project / ".smt" / "runs").iterdir()) == []


@pytest.mark.parametrize(("url", "told"), [
    ("{}/empty", "there is no repository in {}/empty"),
    ("{}/nowhere", "there is no repository in {}/nowhere"),
    ("{}/broken", "{}/broken can't be cloned: repository '{}/broken' does not exist"),
    ("ext::sh -c 'touch {}/fired'", "ext::sh -c 'touch {}/fired' isn't the address of a repository"),
    ("--upload-pack=touch {}/fired", "--upload-pack=touch {}/fired isn't the address of a repository"),
    ("gopher://example.org/x", "gopher://example.org/x isn't the address of a repository"),
])
def test_what_can_t_be_checked_out_is_said_in_one_sentence(url, told, smt, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken" / ".git").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    said = smt("init", "-r", url.replace("{}", str(tmp_path)), "Copy", cwd=tmp_path / "here")
    sentence, hint = said.err.splitlines()
    assert (said.status, sentence) == (6, "smt: " + told.replace("{}", str(tmp_path)))
    assert hint.startswith("hint: ")
    assert not os.listdir(tmp_path / "here")
    assert not (tmp_path / "fired").exists()


def test_what_no_system_can_check_out_is_told_with_what_each_says_that_it_may_belong_to(smt, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "temporary").mkdir()
    for place in (f"file://{tmp_path}", "svn://127.0.0.1:1"):
        said = smt("init", "-r", f"{place}/nowhere", "Copy", cwd=tmp_path / "here",
                   TMPDIR=str(tmp_path / "temporary"))
        assert (said.status, os.listdir(tmp_path / "temporary")) == (6, []), said.err
    said = smt("init", "-r", f"file://{tmp_path}/nowhere", "Copy", cwd=tmp_path / "here")
    assert said.err.startswith(f"smt: file://{tmp_path}/nowhere can't be checked out (git: ")
    assert said.err.count(f"file://{tmp_path}/nowhere can't be") == 1
    assert "perforce" not in said.err


def test_a_second_project_in_the_folder_is_refused(project, smt):
    said = smt("init", "Again")
    assert said.status == 3
    assert "already exists" in plain(said)


def test_a_project_within_a_project_is_said_and_made(project, smt):
    (project / "inner").mkdir()
    said = smt("init", "Inner", cwd=project / "inner")
    assert said.status == 0
    assert "MyProject" in said.err
    assert "Inner" in smt("info", cwd=project / "inner").out


@pytest.mark.parametrize(("text", "status"), [
    ("schema = 1\nname = \n", 3), ("schema = 99\nname = 'x'\n", 3), ("name = 'x'\n", 3),
    ("schema = 1\nname = 7\n", 3), ("schema = 1\nname = 'x'\non_changed = 'maybe'\n", 2), ("\xff", 3),
])
def test_settings_that_cannot_be_read_are_said(text, status, project, smt):
    (project / ".smt" / "project.toml").write_bytes(text.encode("latin-1"))
    said = smt("list")
    assert said.status == status
    plain(said)


def test_comments_and_foreign_settings_stay_when_settings_are_changed(project, smt):
    file = project / ".smt" / "project.toml"
    file.write_text(file.read_text() + "# mine\n[plugin]\nx = 1\n")
    assert smt("configure", "-e", "python").status == 0
    text = file.read_text()
    assert "# mine" in text
    assert "[plugin]" in text
    assert text.index("executable") < text.index("[plugin]")
    assert "python" in smt("info").out


def test_a_store_that_is_no_store_is_said(project, smt):
    (project / ".smt" / "records.sqlite").write_bytes(b"this is not a database, and never was one" * 100)
    said = smt("list")
    assert said.status == 5
    assert "records.sqlite" in plain(said)


@as_nobody
def test_a_read_only_project_can_be_read_and_says_that_it_cannot_run(project, smt):
    assert smt("run", "-l", "mine", "--", "true").status == 0
    subprocess.run(["chown", "-R", "nobody", project], check=True)
    subprocess.run(["chmod", "-R", "a-w", project], check=True)
    for folder in project.parents:
        if folder.owner() != "root" or folder.parent == folder or folder.stat().st_mode & 0o005:
            continue
        folder.chmod(0o755)
    nobody = ["runuser", "-u", "nobody", "--"]
    works = [python for python in (sys.executable, "/usr/bin/python3")
             if subprocess.run([*nobody, python, SMT, "version"], capture_output=True, check=False).returncode == 0]
    if not works:
        pytest.skip("nobody can't read any interpreter here")
    script = f"cd '{project}'; '{works[0]}' '{SMT}' list; '{works[0]}' '{SMT}' run -- touch /tmp/x$$; echo $?"
    done = subprocess.run([*nobody, "sh", "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["mine", "125"], done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.provokes("code-unreadable")
def test_without_git_the_code_files_are_kept_and_it_is_said(project, smt, tmp_path):
    binaries = tmp_path / "bin"
    binaries.mkdir()
    for name in ("sh", "cat", "env", "python3"):
        (binaries / name).symlink_to(sys.executable if name == "python3" else shutil.which(name))
    said = smt("run", "-l", "gitless", "--", "cat", "default.param", PATH=str(binaries))
    assert said.status == 0, said.err
    kept = records(smt)[0]
    assert "main.py" in [change["path"] for change in kept["changes"]]
    assert "code-unreadable" in [finding["code"] for finding in kept["receipt"]]


@pytest.mark.provokes("no-version-control")
def test_without_version_control_the_code_files_are_kept(smt, tmp_path):
    (tmp_path / "sim.py").write_text("print('no vcs')\n")
    assert smt("init", "Free").status == 0
    assert smt("run", "-l", "free", "--", "python", "sim.py").out == "no vcs\n"
    (tmp_path / "sim.py").write_text("print('changed')\n")
    assert smt("view", "free", "--script").out == "print('no vcs')\n"
    assert "no-version-control" in [finding["code"] for finding in records(smt)[0]["receipt"]]


@pytest.mark.provokes("change-too-large", "secret-file")
def test_uncommitted_changes_are_kept_by_content(project, smt, git):
    (project / "gone.txt").write_text("x")
    git("add", "gone.txt")
    git("commit", "-qm", "to be deleted")
    (project / "gone.txt").unlink()
    (project / "main.py").write_text((project / "main.py").read_text() + "# changed\n")
    (project / "new one.py").write_text("# untracked\n")
    (project / "blob.bin").write_bytes(bytes(range(256)))
    (project / "link").symlink_to("main.py")
    (project / "tool.sh").write_text("#!/bin/sh\n")
    (project / "tool.sh").chmod(0o755)
    (project / "large.dat").write_bytes(b"x" * 2_000_000)
    (project / ".env").write_text("TOKEN=hunter2\n")
    index = (project / ".git" / "index").read_bytes()
    smt("run", "-l", "dirty", "-e", "python", "-m", "main.py", "default.param")
    assert (project / ".git" / "index").read_bytes() == index
    kept = {change["path"]: change for change in records(smt)[0]["changes"]}
    assert {path: (change["kind"], change["mode"]) for path, change in kept.items()} == {
        "gone.txt": ("deleted", None), "main.py": ("modified", "100644"), "new one.py": ("untracked", "100644"),
        "blob.bin": ("untracked", "100644"), "link": ("untracked", "120000"), "tool.sh": ("untracked", "100755"),
        "large.dat": ("untracked", "100644"), ".env": ("untracked", "100644"),
    }
    objects = project / ".smt" / "objects"
    digest = kept["blob.bin"]["digest"].removeprefix("sha256:")
    assert (objects / digest[:2] / digest[2:]).read_bytes() == bytes(range(256))
    assert kept["large.dat"]["digest"] is None
    assert kept[".env"]["digest"] is None
    codes = [finding["code"] for finding in records(smt)[0]["receipt"]]
    assert {"change-too-large", "secret-file"} <= set(codes)
    assert "+# changed" in smt("view", "dirty", "--diff").out
    assert smt("view", "dirty", "--script").out.endswith("# changed\n")
    assert not any(b"hunter2" in path.read_bytes() for path in objects.rglob("*") if path.is_file())


def test_uncommitted_changes_are_refused_where_the_project_says_so(project, smt):
    smt("configure", "--on-changed=error")
    (project / "main.py").write_text("print('changed')\n")
    said = smt("run", "-e", "python", "-m", "main.py", "default.param")
    assert said.status == 125
    assert "Code has changed, please commit your changes" in said.err
    assert "main.py" in said.err


@pytest.mark.parametrize("scene", ["detached", "empty", "bare", "worktree", "submodule", "subfolder"])
@pytest.mark.provokes("no-commit")
def test_odd_repositories_are_no_obstacle(scene, repository, smt, git, tmp_path):
    here = repository
    if scene == "detached":
        git("checkout", "-q", "--detach")
    elif scene == "empty":
        here = tmp_path / "empty"
        here.mkdir()
        git("init", "-q", cwd=here)
        shutil.copy(repository / "main.py", here)
        shutil.copy(repository / "default.param", here)
    elif scene == "bare":
        here = tmp_path / "bare.git"
        git("clone", "-q", "--bare", str(repository), str(here))
        shutil.copy(repository / "main.py", here)
        shutil.copy(repository / "default.param", here)
    elif scene == "worktree":
        here = tmp_path / "tree"
        git("worktree", "add", "-q", str(here))
    elif scene == "submodule":
        git("submodule", "add", "-q", str(repository), "inner")
        git("commit", "-qm", "with a submodule")
        (here / "inner" / "main.py").write_text("# changed\n")
    else:
        here = repository / "below"
        here.mkdir()
        shutil.copy(repository / "main.py", here)
        shutil.copy(repository / "default.param", here)
    assert smt("init", "Odd", cwd=here).status == 0
    said = smt("run", "-l", "odd", "--", "python", "main.py", "default.param", cwd=here)
    assert (said.status, said.out) == (0, "tau_m = 20.0\n"), said.err
    found = records(smt, cwd=here)[0]
    codes = {finding["code"] for finding in found["receipt"]}
    if scene in ("detached", "worktree", "submodule", "subfolder"):
        assert found["version"] == git("rev-parse", "HEAD")
    if scene == "empty":
        assert "no-commit" in codes
        assert "main.py" in [change["path"] for change in found["changes"]]
    if scene == "submodule":
        assert "inner/main.py" in [change["path"] for change in found["changes"]]
    if scene == "bare":
        assert "main.py" in [change["path"] for change in found["changes"]]


NAMES = [b"with space.dat", b"quo'te\".dat", b"new\nline.dat", b"-dash.dat", b"esc\x1b[31m.dat", b"\xff\xfe.dat",
         "rtl\u202etxt.dat".encode(), b"a" * 255, b"%41.dat", b"tab\t.dat"]


def test_names_of_any_bytes_are_kept_and_shown_without_harm(project, smt):
    (project / "odd.py").write_text(
        "import os, sys\nos.chdir(b'Data')\n" + "".join(f"open({name!r}, 'w').write('x')\n" for name in NAMES)
    )
    (project / "in\n\udcff put.txt").write_text("x")
    said = smt("run", "-l", "odd", "--", "python", "odd.py", "in\n\udcff put.txt")
    assert said.status == 0, said.err
    found = records(smt)[0]
    assert sorted(os.fsencode(item["path"]) for item in found["output_data"]) == sorted(NAMES)
    assert all(item["digest"] for item in found["output_data"])
    assert "\x1b" not in said.err
    for form in ("text", "csv", "html", "latex", "markdown", "shell", "json"):
        for mode in ("-l", "-T", "-O", "-P"):
            shown = smt("list", mode, "-f", form)
            assert shown.status == 0, shown.err
            assert not set(shown.out) & {"\x1b", "\u202e"}
    assert "\x1b" not in smt("view", "odd").out


def test_a_record_cannot_talk_to_the_terminal(project, smt):
    smt("run", "-r", "re\x1b]0;ason\x07", "-l", "evil", "--", "printf", "\\033[2Jx")
    smt("comment", "out\x1b[8mcome\u202e")
    for words in (["list", "-l"], ["list", "-T"], ["view", "evil"], ["list", "-f", "markdown"],
                  ["list", "reason == 'x\x1b'"]):
        said = smt(*words)
        assert not set(said.out + said.err) & {"\x1b", "\x07", "\u202e"}, words


def test_the_project_folder_is_private(project, smt):
    smt("run", "--", "sh", "-c", "echo out; touch Data/x")
    for path in [project / ".smt", *(project / ".smt").rglob("*")]:
        assert path.lstat().st_mode & 0o077 == 0, path


def test_a_module_of_the_users_does_not_hijack_smt(project, smt):
    for name in ("json", "random", "sqlite3", "sumatra", "subprocess"):
        (project / f"{name}.py").write_text("raise SystemExit('hijacked')\n")
    said = smt("run", "--", "echo", "fine", PYTHONPATH=str(project))
    assert (said.status, said.out) == (0, "fine\n"), said.err


def test_a_project_folder_that_is_damaged_is_said(project, smt):
    (project / ".smt" / "runs").rmdir()
    (project / ".smt" / "runs").write_text("not a folder")
    said = smt("run", "--", "touch", "ran")
    assert said.status == 125
    assert "runs" in plain(said)
    assert not (project / "ran").exists()


def test_a_project_that_has_lost_its_settings_is_not_taken_for_none(project, smt):
    smt("run", "-l", "kept", "--", "true")
    (project / ".smt" / "project.toml").unlink()
    said = smt("list")
    assert (said.status, said.out) == (3, "")
    assert "has lost its settings" in said.err and "smt init NAME" in said.err
    assert smt("init", "MyProject").status == 0
    assert smt("list").out == "kept\n"


def test_output_that_cannot_be_written_is_said(project, smt):
    smt("run", "--", "true")
    full = subprocess.run(["sh", "-c", f"'{SMT}' list -l > /dev/full"], capture_output=True, text=True)
    assert (full.returncode, full.stderr[:5]) == (1, "smt: ")
    assert "space" in full.stderr
    closed = subprocess.run(["sh", "-c", f"'{SMT}' list >&-"], capture_output=True, text=True)
    assert (closed.returncode, closed.stderr) == (0, "")
    ran = subprocess.run(["sh", "-c", f"'{SMT}' run -q -- sh -c 'exit 4' >&- 2>&-"], capture_output=True)
    assert ran.returncode == 4


def test_deleting_data_of_a_copied_project_leaves_the_original_alone(project, smt):
    smt("run", "-l", "mine", "--", "sh", "-c", "echo x > Data/x")
    copy = project.with_name("copy")
    shutil.copytree(project, copy, symlinks=True)
    assert smt("delete", "--data", "mine", cwd=copy).status == 0
    assert (project / "Data" / "x").exists()
    assert not (copy / "Data" / "x").exists()


def test_launch_gives_the_program_the_parameters_it_is_told(project, smt):
    (project / "drive.py").write_text(
        "from sumatra.projects import load_project\nfrom sumatra.parameters import build_parameters\n"
        "p = build_parameters('default.param').with_value('tau_m', 7.5)\n"
        "print(load_project().launch(p, executable='python', main_file='main.py', label='launched', reason='api'))\n"
    )
    done = subprocess.run([sys.executable, "drive.py"], env={**os.environ, "PYTHONPATH": str(ROOT)},
                          capture_output=True, text=True)
    assert done.stdout.splitlines() == ["tau_m = 7.5", "launched"], done.stderr
    assert smt("list", "tau_m == 7.5 and reason == 'api'").out == "launched\n"
