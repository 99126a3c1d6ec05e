"""Nothing that a Subversion working copy or server names is started, and no name leads out.

As with git: each attack plants a command that leaves a trace, all that a working copy can do is done, and then plain
svn must leave the trace, so that each test is known to be armed.
"""

import contextlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sumatra.errors import VersionControlError
from sumatra.testing.traps import Trap, beside, look_at
from sumatra.testing.workingcopies import files_below, kept_changes, no_content
from sumatra.versioncontrol import _subversion_server
from sumatra.versioncontrol._subversion import SubversionWorkingCopy

pytestmark = [pytest.mark.needs("svn", "svnadmin"), pytest.mark.slow]


def svn(folder: Path, *words: str, check: bool = True, **environment: str) -> str:
    done = subprocess.run(
        ["svn", *words], cwd=folder, env={**os.environ, **environment}, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout.decode("utf-8", "surrogateescape").strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working copy at the second of two revisions, with changes."""
    subprocess.run(["svnadmin", "create", str(tmp_path / "server")], check=True, timeout=60)
    folder = tmp_path / "here" / "wc"
    folder.mkdir(parents=True)
    svn(folder, "checkout", "-q", f"file://{tmp_path}/server", ".")
    (folder / "main.py").write_text("print(0)\n")
    (folder / "data.txt").write_text("1 2 3\n")
    svn(folder, "add", "-q", "main.py", "data.txt")
    svn(folder, "commit", "-q", "-m", "first")
    (folder / "main.py").write_text("print(1)\n")
    svn(folder, "commit", "-q", "-m", "second")
    svn(folder, "update", "-q")
    (folder / "main.py").write_text("print(2)\n")
    (folder / "untracked.txt").write_text("x\n")
    os.utime(folder / "data.txt", (1_000_000_000, 1_000_000_000))
    return folder


DEEDS: list[Callable[[SubversionWorkingCopy], object]] = [
    lambda copy: (copy.repository(), copy.user(), copy.version(), copy.has_changed(), copy.changed_paths()),
    lambda copy: (copy.status(), copy.status(untracked=False), copy.diff()),
    lambda copy: [(copy.content(name), copy.contains(name)) for name in ("main.py", "data.txt")],
    lambda copy: copy.content("main.py", "1"),
    lambda copy: [copy.resolve(name) for name in ("BASE", "HEAD", "1", copy.version() or "")],
    lambda copy: (copy.revision(), copy.revision("1"), copy.difference("1", "2"), copy.is_pushed()),
    lambda copy: copy.export("2", [], beside(copy, "built"), no_content),
    lambda copy: copy.export("1", [], beside(copy, "built older"), no_content),
    lambda copy: copy.export("2", kept_changes(copy)[0], beside(copy, "built with changes"), kept_changes(copy)[1]),
    lambda copy: copy.checkout(copy.repository().url, beside(copy, "copied")),
]


def look_at_everything(folder: Path) -> None:
    """Do all that a working copy can do."""
    look_at(folder, SubversionWorkingCopy, DEEDS)


def test_what_is_done_to_hostile_copies_works_on_good_ones(folder: Path) -> None:
    """Else nothing would be tested: errors are passed over there."""
    copy = SubversionWorkingCopy.create(str(folder))
    for deed in DEEDS:
        deed(copy)
    assert files_below(folder.parent / "built")["main.py"][1] == b"print(1)\n"
    assert files_below(folder.parent / "built older")["main.py"][1] == b"print(0)\n"
    assert files_below(folder.parent / "built with changes")["main.py"][1] == b"print(2)\n"
    assert (folder.parent / "copied" / "main.py").read_text() == "print(1)\n"


# Each attack plants the trap, and returns the words by which plain svn walks into it, and its environment.

Attack = Callable[[Path, Path], tuple[list[str], dict[str, str]]]
ATTACKS: dict[str, Attack] = {}


def attack(function: Attack) -> Attack:
    ATTACKS[function.__name__.replace("_", " ")] = function
    return function


def configure(name: str, text: str) -> None:
    own = Path.home() / ".subversion"
    own.mkdir(exist_ok=True)
    with open(own / name, "w", encoding="utf-8") as file:
        file.write(text)


def follow(folder: Path, url: str) -> None:
    with sqlite3.connect(folder / ".svn" / "wc.db") as database:
        database.execute("UPDATE REPOSITORY SET root = ?", (url,))
    database.close()


@attack
def differ_of_the_user(folder: Path, command: Path) -> tuple[list[str], dict[str, str]]:
    configure("config", f"[helpers]\ndiff-cmd = {command}\ndiff3-cmd = {command}\n")
    return ["diff"], {}


@attack
def tunnel_by_the_environment(folder: Path, command: Path) -> tuple[list[str], dict[str, str]]:
    follow(folder, "svn+ssh://127.0.0.1/x")
    os.environ["SVN_SSH"] = str(command)
    return ["update"], {"SVN_SSH": str(command)}


@attack
def tunnel_of_the_user(folder: Path, command: Path) -> tuple[list[str], dict[str, str]]:
    configure("config", f"[tunnels]\nevil = {command}\n")
    follow(folder, "svn+evil://127.0.0.1/x")
    return ["update"], {}


@attack
def external_by_a_tunnel(folder: Path, command: Path) -> tuple[list[str], dict[str, str]]:
    configure("config", f"[tunnels]\nevil = {command}\n")
    svn(folder, "propset", "-q", "svn:externals", "svn+evil://127.0.0.1/x lib", ".")
    svn(folder, "commit", "-q", "-m", "external")
    return ["update"], {}


@attack
def external_that_was_fetched_and_follows_a_tunnel(folder: Path, command: Path) -> tuple[list[str], dict[str, str]]:
    configure("config", f"[tunnels]\nevil = {command}\n")
    url = svn(folder, "info", "--show-item", "repos-root-url")
    svn(folder, "propset", "-q", "svn:externals", f"{url}@2 lib", ".")
    svn(folder, "commit", "-q", "-m", "external", ".")
    svn(folder, "update", "-q")
    follow(folder / "lib", "svn+evil://127.0.0.1/x")
    return ["update", "lib"], {}


@pytest.mark.parametrize("client", ["svn", "pysvn"])
@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_that_is_named_is_started(
    name: str, client: str, trap: Trap, folder: Path, monkeypatch: pytest.MonkeyPatch, require: Callable[[str], None]
) -> None:
    require(client)
    if client == "pysvn":
        from sumatra.versioncontrol._subversion_pysvn import Pysvn

        monkeypatch.setattr(_subversion_server, "find_client", Pysvn)
    monkeypatch.setenv("SVN_SSH", "")
    words, environment = ATTACKS[name](folder, trap.command)
    trap.trace.unlink(missing_ok=True)
    look_at_everything(folder)
    assert not trap.trace.exists(), trap.trace.read_text()
    svn(folder, *words, check=False, **environment)
    assert trap.trace.exists(), "this attack has lost its teeth"


@pytest.mark.parametrize("url", [
    "svn+ssh://-oProxyCommand={command}/x", "svn+evil://x/y", "svn+ssh://127.0.0.1/x", "-R{command}",
    "--config-option=config:tunnels:x={command}", "ext::{command}", "svn://-x/y", "http://-x/y", "ssh://x/y",
    "svn://x;{command}/y", "file://-x/y", "svn://a@-oProxyCommand={command}/x",
])
def test_an_address_that_could_start_a_program_is_refused(url: str, trap: Trap, tmp_path: Path) -> None:
    configure("config", f"[tunnels]\nevil = {trap.command}\nssh = {trap.command}\n")
    with pytest.raises(VersionControlError):
        SubversionWorkingCopy.checkout(url.format(command=trap.command), str(tmp_path / "copied"))
    assert not trap.trace.exists()
    assert not (tmp_path / "copied").exists()


def test_a_version_from_a_record_cannot_name_a_tunnel(folder: Path, trap: Trap) -> None:
    configure("config", f"[tunnels]\nevil = {trap.command}\n")
    copy = SubversionWorkingCopy.create(str(folder))
    for version in ("2 lib=svn+evil://127.0.0.1/x@1", "2 lib=-x@1", "2 lib=^/../../x@1", "1 -x@2", "1 --help@2"):
        with contextlib.suppress(VersionControlError):
            copy.export(version, [], beside(copy, "built"), no_content)
    assert not trap.trace.exists()
    assert set(files_below(folder.parent / "built")) <= {"main.py", "data.txt"}


def test_an_svn_in_the_project_is_not_taken_for_svn(folder: Path, trap: Trap, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("svn", "pysvn.py", "sqlite3.py"):
        shutil.copy(trap.command, folder / name)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f".::{os.environ['PATH']}")
    look_at_everything(folder)
    assert not trap.trace.exists()


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../secret", ".svn/wc.db", "a//b", "x\0y"])
def test_names_in_forged_notes_do_not_lead_out(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_text("x\n")
    with sqlite3.connect(folder / ".svn" / "wc.db") as database:
        database.execute("UPDATE NODES SET local_relpath = ? WHERE local_relpath = 'data.txt'", (name,))
    database.close()
    with pytest.raises(VersionControlError):
        SubversionWorkingCopy.create(str(folder)).status()


def test_a_digest_in_forged_notes_does_not_lead_out(folder: Path) -> None:
    (folder.parent / "secret").write_text("x\n")
    with sqlite3.connect(folder / ".svn" / "wc.db") as database:
        database.execute("PRAGMA foreign_keys = OFF")
        database.execute("UPDATE NODES SET checksum = '$sha1$../../../secret' WHERE local_relpath = 'data.txt'")
    database.close()
    with pytest.raises(VersionControlError):
        SubversionWorkingCopy.create(str(folder)).content("data.txt")


def test_a_content_that_was_changed_behind_svn_is_not_given_out(folder: Path) -> None:
    found = next(path for path in (folder / ".svn" / "pristine").rglob("*.svn-base") if path.read_text() == "1 2 3\n")
    found.chmod(0o644)
    found.write_text("3 2 1\n")
    with pytest.raises(VersionControlError, match="damaged"):
        SubversionWorkingCopy.create(str(folder)).content("data.txt")


_ENDLESS = (
    "CREATE VIEW ACTUAL_NODE AS WITH RECURSIVE c(local_relpath) AS (SELECT 1 UNION ALL SELECT 1 FROM c) "
    "SELECT 1 wc_id, local_relpath, 1 properties, 1 conflict_data FROM c"
)


@pytest.mark.parametrize("statements", [
    ["DROP TABLE ACTUAL_NODE", _ENDLESS],
    ["DELETE FROM NODES"], ["UPDATE NODES SET revision = 'x'"], ["PRAGMA user_version = 99"],
    ["UPDATE NODES SET local_relpath = CAST(x'ff' AS TEXT) WHERE local_relpath = 'data.txt'"],
    ["PRAGMA journal_mode = WAL"], ["UPDATE NODES SET properties = '(((('"], ["UPDATE NODES SET checksum = 7"],
    ["UPDATE NODES SET properties = 3"],
])
def test_forged_notes_are_an_error_or_an_answer_and_write_nothing(folder: Path, statements: list[str]) -> None:
    database = sqlite3.connect(folder / ".svn" / "wc.db", isolation_level=None)
    for statement in statements:
        database.execute(statement)
    database.close()
    before = set(os.listdir(folder / ".svn"))
    look_at_everything(folder)
    assert set(os.listdir(folder / ".svn")) == before


def test_a_pipe_in_the_place_of_the_notes_does_not_keep_us_waiting(folder: Path) -> None:
    (folder / ".svn" / "wc.db").unlink()
    os.mkfifo(folder / ".svn" / "wc.db")
    with pytest.raises(VersionControlError):
        SubversionWorkingCopy.create(str(folder))


def test_a_link_in_the_place_of_a_folder_is_not_gone_through(folder: Path) -> None:
    (folder / "lib").mkdir()
    (folder / "lib" / "a.py").write_text("1\n")
    svn(folder, "add", "-q", "lib")
    svn(folder, "commit", "-q", "-m", "a library", "lib")
    shutil.move(folder / "lib", folder.parent / "outside")
    (folder / "lib").symlink_to(folder.parent / "outside")
    kinds = {(change.path, change.kind) for change in SubversionWorkingCopy.create(str(folder)).status().changed}
    assert {("lib/a.py", "deleted"), ("lib", "untracked")} <= kinds
    assert not any(path.startswith("lib/") and kind == "untracked" for path, kind in kinds)
