"""Subversion: mixed revisions, properties, externals, odd states; its own program says what is right."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sumatra.errors import VersionControlError
from sumatra.testing.workingcopies import files_below, fingerprint, kept_changes, no_content
from sumatra.versioncontrol import _subversion_server, find
from sumatra.versioncontrol._subversion import SubversionWorkingCopy
from sumatra.versioncontrol._subversion_keywords import Facts, form_of
from sumatra.versioncontrol._subversion_text import Apart, ignores, is_ignored, named_version, parse_version, skel
from sumatra.versioncontrol.base import ChangedFile

pytestmark = pytest.mark.needs("svn", "svnadmin")

Svn = Callable[..., str]


@pytest.fixture
def svn(tmp_path: Path) -> Svn:
    def run(*words: str, cwd: Path | None = None) -> str:
        here = cwd or tmp_path / "my @ copy"
        done = subprocess.run(["svn", *words], cwd=here, capture_output=True, timeout=60, check=True)
        return done.stdout.decode()

    return run


@pytest.fixture
def folder(tmp_path: Path, svn: Svn) -> Path:
    """A checkout of trunk at revision 3, in a folder with a space and an @ in its name."""
    server = f"file://{tmp_path}/server"
    subprocess.run(["svnadmin", "create", str(tmp_path / "server")], check=True, timeout=60)
    svn("mkdir", "-q", "-m", "layout", f"{server}/trunk", f"{server}/branches", f"{server}/shared", cwd=tmp_path)
    start = tmp_path / "start"
    (start / "lib").mkdir(parents=True)
    (start / "main.py").write_text("print(1)\n")
    (start / "lib" / "a.py").write_text("a = 1\n")
    (start / "lib" / "b@2.py").write_text("b = 1\n")
    svn("import", "-q", "-m", "model", str(start), f"{server}/trunk", cwd=tmp_path)
    (tmp_path / "tool").mkdir()
    (tmp_path / "tool" / "t.py").write_text("t = 1\n")
    svn("import", "-q", "-m", "a tool", str(tmp_path / "tool"), f"{server}/shared/tool", cwd=tmp_path)
    svn("checkout", "-q", f"{server}/trunk", str(tmp_path / "my @ copy"), cwd=tmp_path)
    return tmp_path / "my @ copy"


@pytest.fixture
def copy(folder: Path) -> SubversionWorkingCopy:
    return SubversionWorkingCopy.create(str(folder))


def change(svn: Svn, folder: Path, path: str, text: str) -> None:
    (folder / path).write_text(text)
    svn("commit", "-q", "-m", f"changed {path}")


def built(folder: Path) -> dict[str, tuple[int, bytes]]:
    return files_below(folder, ".svn")


def test_a_mixed_working_copy_is_named_and_built_again_after_it_is_mixed_no_more(
    copy: SubversionWorkingCopy, folder: Path, svn: Svn, tmp_path: Path
) -> None:
    change(svn, folder, "lib/b@2.py", "b = 2\n")  # revision 4
    change(svn, folder, "main.py", "print(5)\n")
    (folder / "lib" / "new file.py").write_text("new\n")
    svn("add", "-q", "lib/new file.py")
    svn("remove", "-q", "lib/a.py")
    svn("commit", "-q", "-m", "one new, one gone")  # 6
    version, expected = copy.version(), built(folder)
    assert version == "3 lib/a.py@6 lib/b%402.py@4 lib/new%20file.py@6 main.py@5"
    assert copy.status().changed == ()
    copy.export(version, [], str(tmp_path / "at once"), no_content)
    assert built(tmp_path / "at once") == expected
    change(svn, folder, "main.py", "print(7)\n")
    svn("update", "-q")
    assert copy.version() == "7"
    assert copy.resolve(version) == version
    copy.export(version, [], str(tmp_path / "later"), no_content)
    assert built(tmp_path / "later") == expected
    assert copy.content("lib/b@2.py", version) == b"b = 2\n"
    assert copy.content("main.py", "3") == b"print(1)\n"
    with pytest.raises(VersionControlError):
        copy.content("lib/a.py", version)


def test_a_folder_at_an_older_revision_is_told_with_what_is_newer_in_it(
    copy: SubversionWorkingCopy, folder: Path, svn: Svn, tmp_path: Path
) -> None:
    change(svn, folder, "lib/a.py", "a = 2\n")
    change(svn, folder, "lib/b@2.py", "b = 2\n")
    svn("update", "-q")
    svn("update", "-q", "-r", "4", "lib")
    svn("update", "-q", "-r", "3", "lib/a.py")
    version, expected = copy.version() or "", built(folder)
    assert version == "5 lib@4 lib/a.py@3"
    svn("update", "-q")
    copy.export(version, [], str(tmp_path / "built"), no_content)
    assert built(tmp_path / "built") == expected


def test_a_switched_folder_is_told_by_where_it_comes_from(
    copy: SubversionWorkingCopy, folder: Path, svn: Svn, tmp_path: Path
) -> None:
    svn("copy", "-q", "-m", "branch", "^/trunk", "^/branches/new idea")
    svn("switch", "-q", "--ignore-ancestry", "^/branches/new idea/lib", "lib")
    change(svn, folder, "lib/a.py", "a = 'idea'\n")
    version, expected = copy.version() or "", built(folder)
    assert version == "3 lib=^/branches/new%20idea/lib@4 lib/a.py@5"
    assert copy.repository().branch == "trunk"
    svn("switch", "-q", "--ignore-ancestry", "^/trunk", ".")
    assert copy.version() == "5"
    copy.export(version, [], str(tmp_path / "built"), no_content)
    assert built(tmp_path / "built") == expected
    assert copy.content("lib/a.py", version) == b"a = 'idea'\n"


def test_a_version_means_nothing_at_another_address(copy: SubversionWorkingCopy, svn: Svn) -> None:
    url = copy.repository().url
    svn("copy", "-q", "-m", "branch", "^/trunk", "^/branches/b")
    assert copy.holds("3", url)
    assert copy.holds("4", url)
    assert not copy.holds("9", url)
    svn("switch", "-q", "^/branches/b")
    assert copy.repository().branch == "b"
    assert copy.resolve("4") == "4"
    assert not copy.holds("4", url)
    assert copy.holds("4", copy.repository().url)


def test_externals_belong_to_the_version_and_their_changes_to_the_changes(
    copy: SubversionWorkingCopy, folder: Path, svn: Svn, tmp_path: Path
) -> None:
    svn("propset", "-q", "svn:externals", "^/shared/tool ext\n^/shared/tool/t.py one.py", ".")
    svn("commit", "-q", "-m", "externals")
    assert any("weren't fetched" in note for note in copy.status().notes)
    svn("update", "-q")
    version, expected = copy.version() or "", built(folder)
    assert version == "4 one.py=^/shared/tool/t.py@4 ext=^/shared/tool@4"
    status = copy.status()
    assert (status.version, status.changed, status.notes) == (version, (), ())
    assert copy.contains("ext/t.py")
    (folder / "ext" / "t.py").write_text("t = 'changed'\n")
    assert copy.status().changed == (ChangedFile("ext/t.py", "modified", "100644", "ext"),)
    changes, content = kept_changes(copy)
    copy.export(version, changes, str(tmp_path / "changed"), content)
    assert built(tmp_path / "changed") == built(folder)
    svn("commit", "-q", "-m", "newer", cwd=folder / "ext")
    svn("update", "-q")
    assert copy.version() != version
    assert copy.export(version, [], str(tmp_path / "built"), no_content) == ()
    assert built(tmp_path / "built") == expected
    notes = copy.export("4", [], str(tmp_path / "without"), no_content)
    assert "externals" in notes[0]
    assert "ext/t.py" not in built(tmp_path / "without")
    made = SubversionWorkingCopy.checkout(copy.repository().url, str(tmp_path / "made"))
    assert not (tmp_path / "made" / "ext").exists()
    assert any("weren't fetched" in note for note in made.status().notes)


def test_keywords_and_line_ends_are_built_as_svn_writes_them(
    copy: SubversionWorkingCopy, folder: Path, svn: Svn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    import time

    time.tzset()
    words = "Date Rev Author URL Id Header My=%r%_%P%%"
    text = "".join(f"# ${name}$\n# ${name}:: {' ' * 14} $ ${name}\n" for name in (
        "Date", "Rev", "Revision", "LastChangedBy", "HeadURL", "Id", "Header", "My", "Other"))
    for name, eol in (("k.py", "LF"), ("crlf.txt", "CRLF"), ("cr.txt", "CR"), ("n.txt", "native")):
        (folder / name).write_text(text)
        svn("add", "-q", name)
        svn("propset", "-q", "svn:eol-style", eol, name)
        svn("propset", "-q", "svn:keywords", words, name)
    svn("commit", "-q", "-m", "keywords")
    expected = built(folder)
    assert b"$Rev: 4 $" in expected["k.py"][1]
    assert b"\r\n" in expected["crlf.txt"][1]
    copy.export(copy.version(), [], str(tmp_path / "built"), no_content)
    assert built(tmp_path / "built") == expected
    for name in ("k.py", "crlf.txt", "cr.txt", "n.txt"):
        os.utime(folder / name, (1_000_000_000, 1_000_000_000))
    assert copy.status().changed == ()
    (folder / "k.py").write_bytes((folder / "k.py").read_bytes().replace(b"Rev: 4", b"Rev: 99"))
    assert copy.status().changed == ()  # svn doesn't call that a change either
    assert svn("status") == ""
    (folder / "crlf.txt").write_bytes(b"changed\r\n")
    assert copy.changed_paths() == ["crlf.txt"]
    changes, content = kept_changes(copy)
    copy.export(copy.version(), changes, str(tmp_path / "changed"), content)
    assert built(tmp_path / "changed")["crlf.txt"][1] == b"changed\r\n"


def test_each_state_that_svn_knows_is_told_by_what_lies_there(
    copy: SubversionWorkingCopy, folder: Path, svn: Svn, tmp_path: Path
) -> None:
    svn("move", "-q", "lib/a.py", "lib/moved.py")
    svn("copy", "-q", "main.py", "copied.py")
    svn("remove", "-q", "--keep-local", "lib/b@2.py@")
    (folder / "missing.py").write_text("x\n")
    svn("add", "-q", "missing.py")
    (folder / "missing.py").unlink()
    svn("remove", "-q", "main.py")
    (folder / "main.py").write_text("replaced\n")
    svn("add", "-q", "main.py")
    svn("copy", "-q", "lib", "again")
    assert set(copy.status().changed) == {
        ChangedFile("lib/a.py", "deleted"), ChangedFile("lib/moved.py", "added", "100644"),
        ChangedFile("copied.py", "added", "100644"), ChangedFile("lib/b@2.py", "modified", "100644"),
        ChangedFile("main.py", "modified", "100644"), ChangedFile("again/moved.py", "added", "100644"),
    } | ({ChangedFile("again/b@2.py", "untracked", "100644")} if (folder / "again" / "b@2.py").exists() else set())
    changes, content = kept_changes(copy)
    copy.export(copy.version(), changes, str(tmp_path / "built"), content)
    assert built(tmp_path / "built") == built(folder)


def test_a_conflict_is_noted_and_recorded_as_it_lies(copy: SubversionWorkingCopy, folder: Path, svn: Svn) -> None:
    change(svn, folder, "main.py", "print(4)\n")
    svn("update", "-q", "-r", "3")
    (folder / "main.py").write_text("print('mine')\n")
    svn("update", "-q", "--accept", "postpone")
    status = copy.status()
    assert any("conflict" in note and "main.py" in note for note in status.notes)
    assert ChangedFile("main.py", "modified", "100644") in status.changed
    assert b"<<<<<<<" in (folder / "main.py").read_bytes()


def test_a_copy_that_needs_a_cleanup_is_read_and_that_is_noted(copy: SubversionWorkingCopy, folder: Path) -> None:
    with sqlite3.connect(folder / ".svn" / "wc.db") as database:
        database.execute("INSERT INTO WC_LOCK (wc_id, local_dir_relpath, locked_levels) VALUES (1, '', -1)")
    database.close()
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run(["svn", "update"], cwd=folder, check=True, capture_output=True, timeout=60)
    status = copy.status()
    assert (status.version, status.changed) == ("3", ())
    assert "svn cleanup" in status.notes[0]


def test_a_copy_that_svn_is_writing_to_is_an_error_in_one_sentence(
    copy: SubversionWorkingCopy, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sumatra.versioncontrol import _subversion_db

    monkeypatch.setattr(_subversion_db, "_BUSY", 0.1)
    database = sqlite3.connect(folder / ".svn" / "wc.db", isolation_level=None)
    try:
        database.execute("BEGIN EXCLUSIVE")
        with pytest.raises(VersionControlError, match="locked") as caught:
            copy.status()
        assert caught.value.hint == "svn is at work there; try again"
    finally:
        database.close()


def test_a_sparse_checkout_has_no_changes_and_is_built_as_it_is(
    copy: SubversionWorkingCopy, folder: Path, svn: Svn, tmp_path: Path
) -> None:
    svn("checkout", "-q", "--depth", "files", "^/trunk", str(tmp_path / "sparse"))
    svn("update", "-q", "--set-depth", "exclude", "lib")
    for each in (SubversionWorkingCopy.create(str(tmp_path / "sparse")), copy):
        status = each.status()
        assert (status.version, status.changed, status.notes) == ("3", (), ())
        each.export("3", [], str(tmp_path / "built" / os.path.basename(each.root)), no_content)
        assert set(built(tmp_path / "built" / os.path.basename(each.root))) == {"main.py"}


def test_names_that_are_no_text_are_told_where_svn_gives_up(copy: SubversionWorkingCopy, folder: Path) -> None:
    for name in ("caf\udce9.py", "new\nline.py", "tab\tbed.py"):
        (folder / name).write_text("x\n")
    assert subprocess.run(["svn", "status"], cwd=folder, capture_output=True, timeout=60, check=False).returncode != 0
    assert set(copy.changed_paths()) == {"caf\udce9.py", "new\nline.py", "tab\tbed.py"}


def test_what_is_ignored_is_what_svn_ignores(copy: SubversionWorkingCopy, folder: Path, svn: Svn) -> None:
    svn("propset", "-q", "svn:ignore", "here.*\n[ab]x\n\\*z", ".")
    svn("propset", "-q", "svn:global-ignores", "*.every", "lib")
    (folder / "deep").mkdir()
    for name in ("here.txt", "ax", "cx", "*z", "yz", "x.every", "x.o", "lib/x.every", "lib/here.txt", "deep/x.pyc",
                 "deep/here.txt", "lib/x~"):
        (folder / name).write_text("x\n")
    expected = {line[8:] for line in svn("status").splitlines() if line.startswith("?")}
    found = set(copy.changed_paths(["untracked"]))
    assert found == (expected - {"deep"}) | {"deep/here.txt"}
    assert found == {"cx", "yz", "x.every", "lib/here.txt", "deep/here.txt"}


def test_the_users_own_patterns_take_the_place_of_svns(copy: SubversionWorkingCopy, folder: Path, svn: Svn) -> None:
    own = Path.home() / ".subversion"
    own.mkdir(exist_ok=True)
    text = "# mine\n[miscellany]\nglobal-ignores = *.mine\n  *.more\n[other]\nglobal-ignores = *\n"
    (own / "config").write_text(text)
    for name in ("x.mine", "x.more", "x.o"):
        (folder / name).write_text("x\n")
    assert copy.changed_paths() == ["x.o"] == [line[8:] for line in svn("status").splitlines()]


def test_a_mode_that_svn_does_not_know_is_a_change_and_the_note_says_how_to_tell_it(
    copy: SubversionWorkingCopy, folder: Path, svn: Svn
) -> None:
    (folder / "main.py").chmod(0o755)
    assert copy.status().changed == (ChangedFile("main.py", "modified", "100755"),)
    assert "svn:executable" in copy.status().notes[0]
    svn("propset", "-q", "svn:executable", "on", "main.py")
    svn("commit", "-q", "-m", "can be executed")
    assert copy.status().changed == ()
    (folder / ".svn" / "wc.db").chmod(0o777)  # as on file systems without modes
    (folder / "lib" / "a.py").chmod(0o755)
    assert copy.status().changed == ()


def test_a_subfolder_of_a_checkout_belongs_to_it(folder: Path) -> None:
    found = find(str(folder / "lib"))
    assert found is not None
    assert (found.root, found.name) == (str(folder), "subversion")
    assert found.version() == "3"


def test_the_branch_is_told_by_the_usual_names_of_folders(copy: SubversionWorkingCopy, tmp_path: Path) -> None:
    repository = copy.repository()
    assert (repository.branch, repository.url) == ("trunk", f"file://{tmp_path}/server/trunk")


def test_what_every_run_asks_needs_no_server(
    copy: SubversionWorkingCopy, folder: Path, svn: Svn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "main.py").write_text("print(2)\n")
    expected = built(folder)
    shutil.rmtree(tmp_path / "server")

    def asked() -> None:
        raise AssertionError("a server was asked")

    monkeypatch.setattr(_subversion_server, "find_client", asked)
    status = copy.status()
    assert copy.is_pushed(status.version) is True
    assert (copy.repository().type, copy.user(), copy.content("main.py")) == ("subversion", "", b"print(1)\n")
    assert "+print(2)" in copy.diff()
    changes, content = kept_changes(copy)
    copy.export(status.version, changes, str(tmp_path / "built"), content)
    assert built(tmp_path / "built") == expected


@pytest.mark.parametrize("name", ["HEAD", "r4", "4", "BASE", "{2000-01-01}", "9999"])
def test_a_revision_is_known_by_its_names(copy: SubversionWorkingCopy, folder: Path, svn: Svn, name: str) -> None:
    change(svn, folder, "main.py", "print(4)\n")
    svn("update", "-q")
    if name in ("9999", "{2000-01-01}"):
        with pytest.raises(VersionControlError):
            copy.resolve(name)
    else:
        assert copy.resolve(name) == "4"


@pytest.mark.needs("svnserve")
def test_a_server_on_the_network_is_asked(folder: Path, tmp_path: Path, svn: Svn) -> None:
    import socket
    import time

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["svnserve", "--daemon", "--foreground", "--listen-host=127.0.0.1", f"--listen-port={port}", "-r"]
    server = subprocess.Popen([*words, str(tmp_path)], stdin=subprocess.DEVNULL)
    try:
        url = f"svn://127.0.0.1:{port}/server/trunk"
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        copy = SubversionWorkingCopy.checkout(url, str(tmp_path / "from @ network"))
        assert (copy.version(), copy.repository().url) == ("3", url)
        assert copy.content("main.py", "2") == b"print(1)\n"
        assert copy.revision().message == "model"
    finally:
        server.terminate()
        server.wait(10)
    before = time.monotonic()
    with pytest.raises(VersionControlError):
        copy.resolve("2")
    assert time.monotonic() - before < 10
    assert copy.status().changed == ()


def test_looking_leaves_no_trace_in_a_mixed_copy_with_externals(
    copy: SubversionWorkingCopy, folder: Path, svn: Svn, tmp_path: Path
) -> None:
    svn("propset", "-q", "svn:externals", "^/shared/tool ext", ".")
    svn("commit", "-q", "-m", "externals")
    svn("update", "-q")
    change(svn, folder, "main.py", "print(5)\n")
    before = fingerprint(folder)
    copy.status()
    copy.export("3", [], str(tmp_path / "built"), no_content)
    copy.difference("3", copy.version() or "")
    assert fingerprint(folder) == before


@pytest.mark.parametrize(("data", "expected"), [
    (b"()", []), (b"(a 3 b c)", [b"a", b"b c"]), (b"(a (b 1 ))", [b"a", [b"b", b")"]]),
])
def test_lists_of_svns_are_read(data: bytes, expected: list[object]) -> None:
    if data == b"(a (b 1 ))":
        with pytest.raises(ValueError, match="end"):
            skel(data)
    else:
        assert skel(data) == expected


@pytest.mark.parametrize("data", [b"", b"(", b"x", b"(99 a)", b"()x", b"(" * 50, b"(1"])
def test_broken_lists_are_an_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        skel(data)


def test_names_of_mixed_versions_can_be_read_again() -> None:
    apart = (Apart("a b@c=d%.py", 7), Apart("é", 0), Apart("x", 9, "^/branches/x%20y"))
    assert parse_version(named_version(3, apart)) == (3, apart)
    for name in ("3 ../x@4", "3 a/../b@4", "3 /x@4", "3 .svn/x@4", "3 x@", "0", "x", "3 x@-1", "3  x@4", "3 x%00@4"):
        assert parse_version(name) is None, name


def test_patterns_that_could_take_for_ever_do_not() -> None:
    import time

    before = time.monotonic()
    assert not is_ignored("a" * 250, ignores(b"*a" * 60 + b"b"))
    assert time.monotonic() - before < 1


def test_a_keyword_that_is_too_long_stays_as_it_is() -> None:
    form = form_of({"svn:keywords": b"Rev"})
    content = b"$Rev: " + b"x" * 300 + b" $"
    assert form.written(content, Facts("a", "file:///r", 1, 0, "ada")) == content


def test_a_server_that_never_answers_keeps_nobody_waiting(
    copy: SubversionWorkingCopy, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket
    import time

    from sumatra.versioncontrol import _subversion_program

    monkeypatch.setattr(_subversion_program, "_SHORT", 1.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with sqlite3.connect(folder / ".svn" / "wc.db") as database:
            database.execute("UPDATE REPOSITORY SET root = ?", (f"svn://127.0.0.1:{silent.getsockname()[1]}/server",))
        database.close()
        before = time.monotonic()
        assert copy.status().version == "3"
        assert copy.is_pushed("3") is True
        with pytest.raises(VersionControlError, match="didn't get an answer"):
            copy.resolve("2")
        assert time.monotonic() - before < 10
