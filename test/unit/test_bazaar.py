"""Bazaar working trees in the states that people get them into."""

import base64
import http.server
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sumatra import versioncontrol
from sumatra.errors import VersionControlError
from sumatra.testing.workingcopies import files_below, kept_changes, no_content
from sumatra.versioncontrol import _bazaar, _bazaar_dirstate, _bazaar_ignores, _bazaar_program, _lasting_process
from sumatra.versioncontrol._bazaar import BazaarWorkingCopy
from sumatra.versioncontrol.base import ChangedFile

pytestmark = pytest.mark.needs("brz")

Brz = Callable[..., str]
_MADE: list[Path] = []


@pytest.fixture
def brz() -> Brz:
    def run(*words: str, cwd: Path) -> str:
        environment = {**os.environ, "BRZ_EMAIL": "Ada <ada@example.org>", "BRZ_LOG": os.devnull}
        done = subprocess.run(
            ["brz", "--no-plugins", *words], cwd=cwd, env=environment, capture_output=True, check=True, timeout=60
        )
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    return run


@pytest.fixture
def folder(tmp_path: Path, brz: Brz, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A branch with two commits, made once and copied."""
    if not _MADE:
        made = tmp_path_factory.mktemp("made") / "model"
        (made / "sub").mkdir(parents=True)
        brz("init", "-q", cwd=made)
        (made / "main.py").write_text("print(0)\n")
        (made / "sub" / "data.txt").write_text("1\n")
        brz("add", "-q", cwd=made)
        brz("commit", "-q", "-m", "first", cwd=made)
        (made / "main.py").write_text("print(1)\n")
        brz("commit", "-q", "-m", "second", cwd=made)
        _MADE.append(made)
    shutil.copytree(_MADE[0], tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def without_breezy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breezy may not be started."""

    def start(*_: object) -> None:
        raise AssertionError("breezy was started")

    monkeypatch.setattr(_bazaar_program, "_Worker", start)


def look(folder: Path) -> versioncontrol.Status:
    return BazaarWorkingCopy.create(str(folder)).status()


def changes(folder: Path) -> set[ChangedFile]:
    return set(look(folder).changed)


# What every run asks


def test_what_has_changed_is_told_without_breezy(folder: Path, without_breezy: None) -> None:
    (folder / "new.py").write_text("new\n")
    (folder / "main.py").write_text("print(2)\n")  # of the same size
    (folder / "sub" / "data.txt").unlink()
    (folder / "x.pyc").touch()  # which Bazaar ignores unless it is told otherwise
    copy = versioncontrol.find(str(folder / "sub"))
    assert isinstance(copy, BazaarWorkingCopy)
    assert set(copy.status().changed) == {
        ChangedFile("sub/data.txt", "deleted"), ChangedFile("new.py", "untracked", "100644"),
        ChangedFile("main.py", "modified", "100644"),
    }
    assert copy.repository().branch == copy.status().branch == "model"
    assert copy.has_changed()
    assert (copy.version() or "").startswith("ada@example.org-")
    assert copy.is_pushed() is None


@pytest.mark.slow
def test_five_thousand_files_are_looked_at_by_their_times(
    tmp_path: Path, brz: Brz, without_breezy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5000):
        path = tmp_path / "large" / str(number // 100) / f"{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x\n")
    brz("init", "-q", cwd=tmp_path / "large")
    time.sleep(4)  # Bazaar notes no times that are so new that a file could change without being seen
    brz("add", "-q", cwd=tmp_path / "large")
    brz("commit", "-q", "-m", "many", cwd=tmp_path / "large")
    brz("status", cwd=tmp_path / "large")
    read: list[bytes] = []
    monkeypatch.setattr(_bazaar_dirstate, "_sha1", lambda path: read.append(path) or b"")
    assert look(tmp_path / "large").changed == ()
    assert read == []


PATTERNS = [
    "*.out", "build", "build/", "sub/*.out", "./x.y", "/x.y", "x?y", "*", "*.py[co]", "[#]*#", "*~", "sub", "é", "a b",
    "*.o", "x.*", "*u*l*d", "my build/x", "[!x].y", "[^x].y", "!x.y", "!!x.y", "sub\\b.out", "x.y\\", "#x", ".#*",
    "a+b", "(x)", "x|y", "sub/", "?", "*.OUT", "größe(2)&", "build//c", "$", "^x", "",
    # for breezy alone
    "RE:x.*", "**/deep", "a*b*c*d*e", "[[:digit:]]", "RE:(a+)+$", "sub/./b.out", "[b-a]x", "[a-c].out", "[", "x]",
]
NAMES = [
    "a.out", "x.y", "x/y", "sub/b.out", "build/c", "build/deep/d.out", "sub/build", "my build/x", "xbuild", "é", "a b",
    "x.pyc", "#a#", "a~", "sub/é", "new\nline.out", "x.y\n", "x", "a+b", "(x)", "x|y", "$", "^x", "#x", ".#x", "A.OUT",
    "y.y", "sub/x.y", "b.out", "deep", "x\\y", "[", "build",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_what_is_ignored_is_what_bazaar_ignores(pattern: str) -> None:
    globbing = pytest.importorskip("breezy.globbing")
    for patterns in ({pattern}, {pattern, "*.out", "x*"}):
        matches = _bazaar_ignores.matcher(patterns - {""})
        simple = PATTERNS.index(pattern) < PATTERNS.index("RE:x.*")
        assert (matches is not None) == simple
        if matches:
            theirs = globbing.ExceptionGlobster([globbing.normalize_pattern(each) for each in patterns - {""}])
            assert [matches(name) for name in NAMES] == [theirs.match(name) is not None for name in NAMES]


def test_patterns_that_are_not_simple_are_left_to_breezy(folder: Path) -> None:
    (folder / ".bzrignore").write_text("# a comment\n\nRE:results/.*[0-9]$\n**/deep\r\ncaf\ufffd\n")
    with open(folder / ".bzrignore", "ab") as file:
        file.write(b"caf\xe9\n")
    for name in ("results/a1", "results/a", "a/deep/x", "b"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    assert {change.path for change in changes(folder)} == {".bzrignore", "results/a", "b"}


def test_the_users_own_patterns_take_the_place_of_bazaars(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home" / "breezy").mkdir(parents=True)
    (tmp_path / "home" / "breezy" / "ignore").write_text("*.out\n")
    (tmp_path / "home" / "breezy" / "breezy.conf").write_text(
        "email = nobody\n[DEFAULT]\nemail = \"Bó <bo@example.org>\"\n[ALIASES]\nemail = Eve\n"
    )
    monkeypatch.setenv("BRZ_HOME", str(tmp_path / "home"))
    for name in ("a.out", "a.o"):
        (folder / name).touch()
    assert [change.path for change in changes(folder)] == ["a.o"]
    assert BazaarWorkingCopy.create(str(folder)).user() == "Bó <bo@example.org>"


def test_untracked_files_beyond_a_bound_are_not_listed_and_that_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "main.py").write_text("print(2)\n")
    for number in range(60):
        (folder / f"{number}.txt").touch()
    monkeypatch.setattr(_bazaar, "MOST_UNTRACKED", 10)
    status = look(folder)
    assert ChangedFile("main.py", "modified", "100644") in status.changed
    assert len(status.changed) == 11
    assert any("untracked" in note for note in status.notes)


def test_names_that_are_no_text_are_told_as_they_are(folder: Path) -> None:
    (folder / "caf\udce9").mkdir()
    for name in ("caf\udce9/\udcff.py", "new\nline"):
        (folder / name).write_text("1\n")
    assert {change.path for change in changes(folder)} == {"caf\udce9/\udcff.py", "new\nline"}


# States


def test_renames_and_changes_of_kind_are_files_that_go_and_come(folder: Path, brz: Brz) -> None:
    brz("mv", "-q", "sub/data.txt", "moved.txt", cwd=folder)
    (folder / "main.py").unlink()
    (folder / "main.py").mkdir()
    (folder / "main.py" / "x").write_text("1\n")
    (folder / "sub").rmdir()
    (folder / "sub").symlink_to("/")
    found = changes(folder)
    assert found == {
        ChangedFile("sub/data.txt", "deleted"), ChangedFile("moved.txt", "added", "100644"),
        ChangedFile("main.py", "deleted"), ChangedFile("main.py/x", "untracked", "100644"),
        ChangedFile("sub", "added", "120000"),
    }
    copy = BazaarWorkingCopy.create(str(folder))
    changed, content = kept_changes(copy)
    assert copy.export(copy.version(), changed, str(folder.parent / "built"), content) == ()
    assert files_below(folder.parent / "built") == files_below(folder, ".bzr")
    assert "moved.txt" in copy.diff()
    assert copy.contains("moved.txt")
    assert not copy.contains("sub/data.txt")


def test_a_file_added_and_gone_again_is_no_change_and_a_forgotten_one_is_still_there(folder: Path, brz: Brz) -> None:
    (folder / "new.py").write_text("1\n")
    brz("add", "-q", "new.py", cwd=folder)
    (folder / "new.py").unlink()
    brz("remove", "-q", "--keep", "main.py", cwd=folder)
    assert changes(folder) == {ChangedFile("main.py", "modified", "100644")}


def test_a_file_forgotten_and_added_anew_is_the_same_file(folder: Path, brz: Brz) -> None:
    brz("remove", "-q", "--keep", "main.py", cwd=folder)
    brz("add", "-q", "main.py", cwd=folder)
    assert changes(folder) == set()
    (folder / "main.py").write_text("print(5)\n")
    assert changes(folder) == {ChangedFile("main.py", "modified", "100644")}


def branch_with_another_change(folder: Path, brz: Brz, text: str) -> Path:
    other = folder.parent / "other"
    brz("branch", "-q", str(folder), str(other), cwd=folder.parent)
    (other / "main.py").write_text(text)
    brz("commit", "-q", "-m", "theirs", cwd=other)
    return other


def test_a_merge_that_is_not_committed_is_a_change_whatever_it_did(folder: Path, brz: Brz) -> None:
    other = branch_with_another_change(folder, brz, "print(7)\n")
    theirs = BazaarWorkingCopy.create(str(other)).version() or ""
    (folder / "sub" / "data.txt").write_text("2\n")
    brz("commit", "-q", "-m", "ours", cwd=folder)
    copy = BazaarWorkingCopy.create(str(folder))
    ours = copy.version()
    assert not copy.has_changed()
    brz("merge", "-q", str(other), cwd=folder)
    (folder / "main.py").write_text("print(1)\n")  # as we have it
    status = copy.status()
    assert (status.version, status.changed) == (ours, ())
    assert any(theirs in note for note in status.notes)
    assert copy.has_changed()
    brz("commit", "-q", "-m", "merged", cwd=folder)
    assert not copy.has_changed()
    assert copy.resolve("2.1.1") == theirs
    assert copy.resolve("before:last:1") == ours


def test_an_unresolved_merge_is_told(folder: Path, brz: Brz) -> None:
    other = branch_with_another_change(folder, brz, "print(7)\n")
    (folder / "main.py").write_text("print(8)\n")
    brz("commit", "-q", "-m", "ours", cwd=folder)
    with pytest.raises(subprocess.CalledProcessError):
        brz("merge", "-q", str(other), cwd=folder)
    status = look(folder)
    assert any("isn't resolved: main.py" in note for note in status.notes)
    assert ChangedFile("main.py", "modified", "100644") in status.changed
    assert ChangedFile("main.py.THIS", "untracked", "100644") in status.changed


def test_a_locked_branch_is_read_at_once(folder: Path, brz: Brz) -> None:
    for place in ("branch/lock", "repository/lock", "branch-lock", "checkout/lock"):
        held = folder / ".bzr" / place / "held"
        held.mkdir(parents=True, exist_ok=True)
        (held / "info").write_text("hostname: elsewhere\nnonce: x\npid: 1\nuser: eve\n")
    assert changes(folder) == set()
    assert BazaarWorkingCopy.create(str(folder)).revision().author == "Ada <ada@example.org>"


@pytest.mark.parametrize("content", [
    b"", b"nonsense", b"#bazaar dirstate flat format 3\ncrc32: 1\nnum_entries: 0\n0\0",
    b"#bazaar dirstate flat format 3\ncrc32: 0\nnum_entries: 0\n", b"\0" * 100, None,
])
def test_a_damaged_dirstate_is_an_error_in_one_sentence(folder: Path, content: bytes | None) -> None:
    path = folder / ".bzr" / "checkout" / "dirstate"
    path.unlink()
    os.mkfifo(path) if content is None else path.write_bytes(content)  # a pipe would keep us waiting
    for ask in (look, lambda folder: BazaarWorkingCopy.create(str(folder)).version()):
        with pytest.raises(VersionControlError) as caught:
            ask(folder)
        assert "\n" not in caught.value.message
        assert str(folder) in caught.value.message


def test_a_dirstate_of_which_a_letter_has_changed_is_damaged(folder: Path) -> None:
    path = folder / ".bzr" / "checkout" / "dirstate"
    path.write_bytes(path.read_bytes().replace(b"main.py", b"mein.py"))
    with pytest.raises(VersionControlError, match="damaged"):
        look(folder)


def test_a_dirstate_that_is_being_written_is_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / ".bzr" / "checkout" / "dirstate"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    read = _bazaar_dirstate._fields

    def read_and_finish(root: str) -> list[bytes]:
        try:
            return read(root)
        finally:
            path.write_bytes(whole)

    monkeypatch.setattr(_bazaar_dirstate, "_fields", read_and_finish)
    assert changes(folder) == set()


@pytest.mark.parametrize("place", ["store", "repository/pack-names", "branch/last-revision", "branch/format"])
def test_a_damaged_branch_is_an_error_in_one_sentence(folder: Path, place: str) -> None:
    path = folder / ".bzr" / place
    if path.exists():
        path.write_bytes(b"nonsense\n\0\xff" * 10)
    else:
        shutil.rmtree(folder / ".bzr" / "repository")
    copy = BazaarWorkingCopy.create(str(folder))
    assert copy.status().changed == ()
    with pytest.raises(VersionControlError) as caught:
        copy.resolve("1")
    assert "\n" not in caught.value.message


def test_what_has_no_working_tree_is_an_error_that_says_so(folder: Path, brz: Brz, tmp_path: Path) -> None:
    brz("init-shared-repository", "-q", "shared", cwd=tmp_path)
    (tmp_path / "shared" / "notes").mkdir()
    brz("remove-tree", "-q", cwd=folder)
    for place in (folder, tmp_path / "shared" / "notes"):
        with pytest.raises(VersionControlError, match="no working tree"):
            versioncontrol.find(str(place))


def test_a_format_of_long_ago_is_an_error_that_says_what_to_do(tmp_path: Path, brz: Brz) -> None:
    brz("init", "-q", "--format=knit", "old", cwd=tmp_path)
    with pytest.raises(VersionControlError) as caught:
        look(tmp_path / "old")
    assert caught.value.hint == "brz upgrade"


def test_repositories_inside_are_not_looked_into_and_that_is_said(folder: Path, git: Callable[..., str]) -> None:
    shutil.copytree(folder, folder.parent / "copied")
    shutil.move(folder.parent / "copied", folder / "lib")
    (folder / "third" / "party").mkdir(parents=True)
    git("init", "--quiet", cwd=folder / "third" / "party")
    (folder / "third" / "party" / "x.py").touch()
    (folder / "third" / "y.py").touch()
    status = look(folder)
    assert [change.path for change in status.changed] == ["third/y.py"]
    assert sorted(note.partition(" ")[0] for note in status.notes) == ["lib", "third/party"]


# Branches


def test_names_of_versions(folder: Path, brz: Brz) -> None:
    copy = BazaarWorkingCopy.create(str(folder))
    first, second = copy.resolve("1"), copy.version() or ""
    brz("tag", "-q", "-r", "1", "größe (2)", cwd=folder)
    brz("tag", "-q", "-r", "1", "2", cwd=folder)
    for name in ("1", "größe (2)", "tag:2", "revno:1", "last:2", f"revid:{first}", first, first[-12:], "before:2",
                 f"before:{second}"):
        assert copy.resolve(name) == first, name
    for name in ("2", "last:1", second[-16:]):
        assert copy.resolve(name) == second, name
    for name in ("3", "0", "last:0", "last:3", "last:x", "before:1", "revno:", "branch:..", "submit:", "ancestor:..",
                 "date:today", "null:", "current:", "revid:null:", f"1:{folder}", first[-11:], "before:" * 100 + "2",
                 f"revno:1:{folder}", "mainline:1", "annotate:main.py:1", "1.2.3", "9" * 30, first[:12]):
        with pytest.raises(VersionControlError):
            copy.resolve(name)


def test_a_branch_knows_where_it_came_from(folder: Path, brz: Brz, tmp_path: Path) -> None:
    other = tmp_path / "two words"
    brz("branch", "-q", str(folder), str(other), cwd=tmp_path)
    copy = BazaarWorkingCopy.create(str(other))
    assert copy.repository().upstream == str(folder)
    assert copy.is_pushed() is True
    (other / "main.py").write_text("print(2)\n")
    brz("commit", "-q", "-m", "third", cwd=other)
    assert copy.is_pushed() is False
    assert copy.is_pushed("2") is True
    brz("nick", "größe", cwd=other)
    assert copy.status().branch == "größe"


@pytest.mark.parametrize(("location", "told"), [
    ("https://ada:hunter2@example.org/model", "https://example.org/model"),
    ("bzr+ssh://ada:hunter2@example.org/~ada/model", "bzr+ssh://example.org/~ada/model"),
    ("lp:model", None), ("file:///no/such%20place/", "/no/such place"),
])
def test_the_upstream_is_told_without_secrets_and_not_asked(folder: Path, location: str, told: str | None) -> None:
    (folder / ".bzr" / "branch" / "branch.conf").write_text(f"# mine\nparent_location = {location}\n")
    copy = BazaarWorkingCopy.create(str(folder))
    assert "hunter2" not in str(copy.repository())
    if told:
        assert copy.repository().upstream == told
    assert copy.is_pushed() is None


def test_a_bound_branch_follows_the_one_that_it_is_bound_to(folder: Path, brz: Brz, tmp_path: Path) -> None:
    brz("checkout", "-q", str(folder), str(tmp_path / "bound"), cwd=tmp_path)
    copy = BazaarWorkingCopy.create(str(tmp_path / "bound"))
    assert copy.repository().upstream == str(folder)
    (tmp_path / "bound" / "main.py").write_text("print(2)\n")
    brz("commit", "-q", "--local", "-m", "here", cwd=tmp_path / "bound")
    assert copy.is_pushed() is False
    brz("update", "-q", cwd=tmp_path / "bound")
    brz("commit", "-q", "-m", "there", cwd=tmp_path / "bound")
    assert copy.is_pushed() is True


def test_a_lightweight_checkout_is_the_branch_that_it_is_of(folder: Path, brz: Brz, tmp_path: Path) -> None:
    brz("checkout", "-q", "--lightweight", str(folder), str(tmp_path / "light"), cwd=tmp_path)
    light = tmp_path / "light"
    copy = BazaarWorkingCopy.create(str(light))
    assert copy.repository() == copy.repository().__class__(
        type="bazaar", url=str(light), upstream=str(folder), root=str(light), branch="model"
    )
    (light / "main.py").write_text("print(2)\n")
    assert copy.status().changed == (ChangedFile("main.py", "modified", "100644"),)
    assert copy.content("main.py") == b"print(1)\n"
    assert "+print(2)" in copy.diff()
    brz("commit", "-q", "-m", "third", cwd=light)
    assert copy.is_pushed() is True
    # The other tree of that branch is still at the version that it was at.
    assert BazaarWorkingCopy.create(str(folder)).revision().message == "second"
    assert look(folder).changed == ()


def test_a_checkout_of_a_branch_elsewhere_tells_what_is_here(folder: Path, brz: Brz, tmp_path: Path) -> None:
    brz("checkout", "-q", "--lightweight", str(folder), str(tmp_path / "light"), cwd=tmp_path)
    (tmp_path / "light" / ".bzr" / "branch" / "location").write_text("bzr+ssh://ada:hunter2@127.0.0.1:1/model")
    (tmp_path / "light" / "main.py").write_text("print(2)\n")
    copy = BazaarWorkingCopy.create(str(tmp_path / "light"))
    assert copy.status().changed == (ChangedFile("main.py", "modified", "100644"),)
    assert copy.status().branch == "model"
    assert copy.is_pushed() is True
    for ask in (copy.diff, copy.revision, lambda: copy.content("main.py")):
        with pytest.raises(VersionControlError) as caught:
            ask()
        assert "hunter2" not in str(caught.value)


def test_a_colocated_branch_is_told_by_its_name(folder: Path, brz: Brz) -> None:
    brz("switch", "-q", "-b", "größe", cwd=folder)
    copy = BazaarWorkingCopy.create(str(folder))
    assert copy.status().branch == copy.repository().branch == "größe"
    (folder / "main.py").write_text("print(3)\n")
    brz("commit", "-q", "-m", "third", cwd=folder)
    assert copy.revision().message == "third"
    assert copy.resolve("before:3") == copy.resolve("2")
    assert copy.is_pushed() is None


def test_branches_of_a_shared_repository_are_apart(folder: Path, brz: Brz, tmp_path: Path) -> None:
    brz("init-shared-repository", "-q", "shared", cwd=tmp_path)
    for name in ("a", "b"):
        brz("branch", "-q", str(folder), f"shared/{name}", cwd=tmp_path)
    (tmp_path / "shared" / "a" / "main.py").write_text("print(2)\n")
    brz("commit", "-q", "-m", "third", cwd=tmp_path / "shared" / "a")
    one, other = (BazaarWorkingCopy.create(str(tmp_path / "shared" / name)) for name in ("a", "b"))
    assert one.version() != other.version()
    assert (one.status().changed, other.status().changed) == ((), ())
    assert one.is_pushed() is False
    assert one.content("main.py", other.version()) == b"print(1)\n"
    with pytest.raises(VersionControlError):
        other.resolve("3")


def test_branches_of_every_format_are_read(brz: Brz, tmp_path: Path) -> None:
    for name in ("pack-0.92", "1.14-rich-root", "2a", "development-colo"):
        brz("init", "-q", f"--format={name}", name, cwd=tmp_path)
        (tmp_path / name / "x.py").write_text(name)
        brz("add", "-q", cwd=tmp_path / name)
        brz("commit", "-q", "-m", name, cwd=tmp_path / name)
        copy = BazaarWorkingCopy.create(str(tmp_path / name))
        assert copy.status()[2:] == ((), ())
        assert copy.content("x.py") == name.encode()
        copy.bundle("1", str(tmp_path / f"{name}.bundle"))
        restored = copy.unbundle(str(tmp_path / f"{name}.bundle"), copy.version() or "", str(tmp_path / f"{name} too"))
        assert (restored.version(), restored.status().changed) == (copy.version(), ())


# Bringing it back


def test_a_bundle_is_one_that_brz_itself_reads(folder: Path, brz: Brz, tmp_path: Path) -> None:
    copy = BazaarWorkingCopy.create(str(folder))
    copy.bundle("2", str(tmp_path / "-bundle"))
    brz("init", "-q", "pulled", cwd=tmp_path)
    brz("pull", "-q", "../-bundle", cwd=tmp_path / "pulled")
    assert (tmp_path / "pulled" / "main.py").read_text() == "print(1)\n"
    assert BazaarWorkingCopy.create(str(tmp_path / "pulled")).version() == copy.version()


def test_more_files_than_are_asked_for_at_once_come_in_their_order(
    folder: Path, brz: Brz, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(450):
        (folder / f"{number}.txt").write_text(f"{number % 7}")  # several have one content
    (folder / "link").symlink_to("größe")
    brz("add", "-q", cwd=folder)
    brz("commit", "-q", "-m", "many", cwd=folder)
    monkeypatch.setattr(_bazaar, "_AT_ONCE", 300)
    copy = BazaarWorkingCopy.create(str(folder))
    assert copy.export(copy.version(), [], str(tmp_path / "built"), no_content) == ()
    assert files_below(tmp_path / "built") == files_below(folder, ".bzr")


def test_a_long_patch_is_cut_and_large_files_are_left_out(folder: Path) -> None:
    (folder / "main.py").write_text("x\n" * 600_000)
    (folder / "sub" / "data.txt").write_bytes(b"no end of line")
    patch = BazaarWorkingCopy.create(str(folder)).diff()
    assert "large files a/main.py" in patch
    assert "+no end of line\n\\ No newline" in patch
    assert len(patch) < 1000


def test_what_can_be_checked_out_is_found_by_its_system(
    folder: Path, tmp_path: Path, git: Callable[..., str]
) -> None:
    (tmp_path / "g").mkdir()
    git("init", "--quiet", cwd=tmp_path / "g")
    (tmp_path / "g" / "x").touch()
    git("add", ".", cwd=tmp_path / "g")
    git("commit", "--quiet", "-m", "x", cwd=tmp_path / "g")
    with pytest.raises(VersionControlError):
        BazaarWorkingCopy.checkout(str(tmp_path / "g"), str(tmp_path / "from git"))
    assert not (tmp_path / "from git").exists()
    assert versioncontrol.checkout(str(tmp_path / "g"), str(tmp_path / "one")).name == "git"
    made = versioncontrol.checkout(f"file://{folder}", str(tmp_path / "other"))
    assert isinstance(made, BazaarWorkingCopy)
    assert made.repository().upstream == str(folder)


def test_a_branch_of_a_branch_without_a_commit_is_empty(tmp_path: Path, brz: Brz) -> None:
    brz("init", "-q", "empty", cwd=tmp_path)
    made = BazaarWorkingCopy.checkout(str(tmp_path / "empty"), str(tmp_path / "made"))
    assert (made.version(), made.status().changed) == (None, ())


# Breezy


def test_breezy_ends_when_it_has_not_been_asked_for_a_while(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_lasting_process, "_IDLE", 0.05)
    copy = BazaarWorkingCopy.create(str(folder))
    copy.revision()
    end = time.monotonic() + 10
    while copy._breezy._process is not None and time.monotonic() < end:
        time.sleep(0.02)
    assert copy._breezy._process is None
    assert copy.revision().message == "second"


def test_a_breezy_that_dies_is_an_error_and_started_again(folder: Path) -> None:
    copy = BazaarWorkingCopy.create(str(folder))
    copy.revision()
    child = copy._breezy._process._child
    child.kill()
    child.wait()
    with pytest.raises(VersionControlError):
        copy.revision()
    assert copy.revision().message == "second"


def test_without_breezy_the_hint_says_how_to_get_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("sys.executable", str(folder / "python"))
    with pytest.raises(VersionControlError) as caught:
        versioncontrol.find(str(folder))
    assert "sumatra[bazaar]" in str(caught.value.hint)


def test_the_python_of_another_brz_is_used_where_ours_has_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = shutil.which("brz") or ""
    python = Path(program).read_text().split("\n")[0].removeprefix("#!")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert _bazaar_program.find_breezy() == (python, "")
    assert BazaarWorkingCopy.create(str(folder)).revision().message == "second"


@pytest.fixture
def served(folder: Path) -> Iterator[str]:
    """The address of the branch on a server that asks for a name and a password."""
    expected = "Basic " + base64.b64encode(b"ada:hunter2").decode()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *words: object) -> None:
            super().__init__(*words, directory=str(folder.parent))  # type: ignore[arg-type]

        def send_head(self):  # type: ignore[no-untyped-def]
            if self.headers.get("Authorization") == expected:
                return super().send_head()
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="models"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/model"
        server.shutdown()


def test_a_branch_on_a_server_is_checked_out_with_the_users_own_password(
    served: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(VersionControlError):
        BazaarWorkingCopy.checkout(served, str(tmp_path / "made"))
    home = tmp_path / "home" / "breezy"
    home.mkdir(parents=True)
    (home / "authentication.conf").write_text("[m]\nscheme=http\nhost=127.0.0.1\nuser=ada\npassword=hunter2\n")
    (home / "authentication.conf").chmod(0o600)
    monkeypatch.setenv("BRZ_HOME", str(home.parent))
    copy = BazaarWorkingCopy.checkout(served, str(tmp_path / "made"))
    assert copy.version() == BazaarWorkingCopy.create(str(folder)).version()
    assert copy.repository().upstream == served + "/"
    assert copy.is_pushed() is None
    with_password = served.replace("http://", "http://ada:hunter2@")
    monkeypatch.setenv("BRZ_HOME", str(tmp_path / "nothing"))
    copy = BazaarWorkingCopy.checkout(with_password, str(tmp_path / "made too"))
    assert "hunter2" not in str(copy.repository())
