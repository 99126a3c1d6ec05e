"""Mercurial working copies in the states that people get them into."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sumatra import versioncontrol
from sumatra.errors import VersionControlError
from sumatra.testing.workingcopies import files_below, kept_changes, no_content
from sumatra.versioncontrol import (
    _lasting_process,
    _mercurial,
    _mercurial_config,
    _mercurial_dirstate,
    _mercurial_phases,
    _mercurial_program,
)
from sumatra.versioncontrol._mercurial import MercurialWorkingCopy
from sumatra.versioncontrol._mercurial_text import below
from sumatra.versioncontrol.base import ChangedFile

pytestmark = pytest.mark.needs("hg")

Hg = Callable[..., str]
_MADE: list[Path] = []


@pytest.fixture
def hg() -> Hg:
    def run(*words: str, cwd: Path) -> str:
        environment = {**os.environ, "HGUSER": "Ada <ada@example.org>", "HGPLAIN": "1"}
        done = subprocess.run(["hg", *words], cwd=cwd, env=environment, capture_output=True, check=True, timeout=60)
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    return run


@pytest.fixture
def folder(tmp_path: Path, hg: Hg, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one commit, made once and copied."""
    if not _MADE:
        made = tmp_path_factory.mktemp("made")
        (made / "sub").mkdir()
        hg("init", cwd=made)
        (made / "main.py").write_text("print(1)\n")
        (made / "sub" / "data.txt").write_text("1\n")
        for path in (made / "main.py", made / "sub" / "data.txt"):
            os.utime(path, (1_700_000_000, 1_700_000_000))
        hg("commit", "--addremove", "-m", "first", cwd=made)
        hg("status", cwd=made)  # which notes the times of the files; hg commit doesn't
        _MADE.append(made)
    shutil.copytree(_MADE[0], tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def without_hg(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call of this on, hg may not be started."""

    def forbid() -> None:
        def start(*_: object) -> None:
            raise AssertionError("hg was started")

        monkeypatch.setattr(_mercurial_program, "_Server", start)

    return forbid


def look(folder: Path) -> versioncontrol.Status:
    return MercurialWorkingCopy.create(str(folder)).status()


def look_closely(folder: Path) -> None:
    copy = MercurialWorkingCopy.create(str(folder))
    copy.status()
    copy.revision()


# What every run asks


def test_a_clean_working_folder_is_told_without_the_program(folder: Path, without_hg: Callable[[], None]) -> None:
    without_hg()
    (folder / "new.py").write_text("new\n")
    (folder / "main.py").unlink()
    (folder / "sub" / "data.txt").write_text("longer than before\n")
    copy = versioncontrol.find(str(folder / "sub"))
    assert isinstance(copy, MercurialWorkingCopy)
    assert sorted(copy.status().changed) == [
        ChangedFile("main.py", "deleted"), ChangedFile("new.py", "untracked", "100644"),
        ChangedFile("sub/data.txt", "modified", "100644"),
    ]
    assert copy.repository().branch == copy.status().branch == "default"
    assert copy.has_changed()
    assert len(copy.version() or "") == 40


IGNORES = [
    "syntax: glob\n*.out\nbuild\n", "syntax: glob\nsub/*.out\n", "syntax: glob\nx?y\n", r"\.out$" + "\n", "^build/\n",
    "build\n", "# a comment\n\nsyntax: regexp\n^sub/.*out$\n", "syntax: glob\n*.o\nx.*\n", "syntax: glob\nbuild/\n",
    "^x.y$\n", ".\n", "syntax: glob\n*\n", "syntax: glob\nsub\n",
    # for hg alone
    "syntax: glob\n**/deep\n", "syntax: rootglob\nbuild\n", "(?i)BUILD\n", "re:x.*\n", "syntax: glob\n[xy]*\n",
    "a # b\n", "include:other\n", "(a+)+$\n", "é\n", "syntax: glob\n{build,x}*\n", "[\n",
]


@pytest.mark.parametrize("ignore", IGNORES)
def test_what_is_ignored_is_what_hg_ignores(folder: Path, ignore: str, hg: Hg) -> None:
    (folder / ".hgignore").write_text(ignore)
    (folder / "other").write_text("syntax: glob\n*.out\n")
    for name in ("a.out", "x.y", "x/y", "sub/b.out", "build/c", "build/deep/d.out", "sub/build", "my build/x", "xbuild",
                 "é"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("1\n")
    found = _mercurial_dirstate.read_certain(str(folder), True)
    simple = IGNORES.index(ignore) < IGNORES.index("syntax: glob\n**/deep\n")
    assert (found is not None) == simple
    try:
        expected = hg("status", "--unknown", "--no-status", "-0", cwd=folder)
    except subprocess.CalledProcessError:
        with pytest.raises(VersionControlError):
            look(folder)
        return
    untracked = {change.path for change in look(folder).changed if change.kind == "untracked"}
    assert untracked == {name for name in expected.split("\0") if name}


def test_patterns_cannot_be_made_to_take_for_ever(folder: Path) -> None:
    (folder / ".hgignore").write_text("^(a+)+$\n" + "a*" * 30 + "b\n")
    (folder / ("a" * 200)).write_text("1\n")
    start = time.monotonic()
    assert _mercurial_dirstate.read_certain(str(folder), True) is None
    assert time.monotonic() - start < 1


def test_five_thousand_files_are_looked_at_without_the_program(
    tmp_path: Path, hg: Hg, without_hg: Callable[[], None]
) -> None:
    for number in range(5000):
        path = tmp_path / "large" / str(number // 100) / f"{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (1_700_000_000, 1_700_000_000))
    hg("init", cwd=tmp_path / "large")
    hg("commit", "--addremove", "--quiet", "-m", "many", cwd=tmp_path / "large")
    hg("status", cwd=tmp_path / "large")
    without_hg()
    assert look(tmp_path / "large").changed == ()


@pytest.mark.parametrize("change", ["time", "same size", "mode", "link", "folder"])
def test_what_is_not_certain_is_asked(folder: Path, change: str, without_hg: Callable[[], None]) -> None:
    path = folder / "main.py"
    if change == "same size":
        path.write_text("print(2)\n")
    elif change == "mode":
        path.chmod(0o755)
    elif change in ("link", "folder"):
        path.unlink()
        path.symlink_to("12345678") if change == "link" else path.mkdir()
    else:
        os.utime(path, (1, 1))
    expected = {
        "same size": [ChangedFile("main.py", "modified", "100644")],
        "mode": [ChangedFile("main.py", "modified", "100755")],
        "link": [ChangedFile("main.py", "modified", "120000")],
        "folder": [ChangedFile("main.py", "deleted")],
        "time": [],
    }
    assert list(look(folder).changed) == expected[change]
    without_hg()
    with pytest.raises(AssertionError, match="started"):
        look(folder)


def test_the_other_format_of_the_dirstate_is_read_too(folder: Path, hg: Hg) -> None:
    version = MercurialWorkingCopy.create(str(folder)).version()
    hg("debugupgraderepo", "--run", "--quiet", "--config", "format.use-dirstate-v2=yes",
       "--config", "storage.dirstate-v2.slow-path=allow", cwd=folder)
    assert "dirstate-v2" in (folder / ".hg" / "requires").read_text()
    (folder / "main.py").write_text("print(2)\n")
    status = look(folder)
    assert (status.version, status.changed) == (version, (ChangedFile("main.py", "modified", "100644"),))


# States


def test_a_branch_and_a_bookmark_are_names_of_versions(folder: Path, hg: Hg) -> None:
    first = MercurialWorkingCopy.create(str(folder)).version() or ""
    hg("bookmark", "--inactive", "before", cwd=folder)
    hg("branch", "--quiet", "größe (2)", cwd=folder)
    (folder / "main.py").write_text("print(22)\n")
    hg("commit", "-m", "second", cwd=folder)
    copy = MercurialWorkingCopy.create(str(folder))
    assert copy.status().branch == copy.repository().branch == "größe (2)"
    for name in ("before", "default", "0", first[:8], "tip^", "tip~1", "größe (2)~1"):
        assert copy.resolve(name) == first, name
    assert copy.resolve("größe (2)") == copy.resolve("tip") == copy.version()


@pytest.fixture
def phases(folder: Path, hg: Hg) -> dict[str, str]:
    """A history with two branches, a merge, and versions of each phase; the phase by version."""

    def commit(text: str) -> str:
        (folder / "main.py").write_text(text)
        hg("commit", "-m", text, cwd=folder)
        return hg("log", "-r", ".", "-T", "{node}", cwd=folder)

    first = commit("second")
    public = commit("third")
    commit("draft")
    hg("update", "-q", first, cwd=folder)
    (folder / "beside").write_text("x")
    hg("add", "beside", cwd=folder)
    other = commit("fourth")
    hg("merge", "-q", "--tool", ":other", "-r", public, cwd=folder)
    hg("commit", "-m", "merge", cwd=folder)
    secret = commit("secret")
    commit("after the secret")
    hg("phase", "--public", "-r", public, cwd=folder)
    hg("phase", "--secret", "--force", "-r", secret, cwd=folder)
    told = hg("log", "-T", r"{node} {phase}\n", cwd=folder)
    found = dict(line.split(" ") for line in told.splitlines())
    assert sorted(found.values()) == ["draft"] * 3 + ["public"] * 3 + ["secret"] * 2
    assert found[other] == "draft"
    return found


def interleaved(store: Path) -> bytes:
    """Return the index with the data between its entries, as repositories of older versions have it."""
    index, data = (store / "00changelog.i").read_bytes(), (store / "00changelog.d").read_bytes()
    found = b""
    for place in range(0, len(index), 64):
        entry = index[place:place + 64]
        start = int.from_bytes(entry[:6], "big") if place else 0
        found += entry + data[start:start + int.from_bytes(entry[8:12], "big")]
    return (int.from_bytes(index[:4], "big") | 1 << 16).to_bytes(4, "big") + found[4:]


@pytest.mark.parametrize("old", [False, True])
def test_what_is_public_is_told_as_hg_does_and_without_it(folder: Path, phases: dict[str, str], old: bool) -> None:
    store = folder / ".hg" / "store"
    if old:
        (store / "00changelog.i").write_bytes(interleaved(store))
    told = {version: _mercurial_phases.is_public(str(store), version) for version in phases}
    assert told == {version: phase == "public" for version, phase in phases.items()}
    assert _mercurial_phases.is_public(str(store), "ab" * 20) is None  # there is no such version


def test_whether_the_current_version_was_pushed_is_told_without_the_program(
    folder: Path, hg: Hg, without_hg: Callable[[], None]
) -> None:
    (folder / ".hg" / "hgrc").write_text("[paths]\ndefault = https://example.org/model\n")
    copy = MercurialWorkingCopy.create(str(folder))
    without = copy.is_pushed()
    hg("phase", "--public", "-r", ".", cwd=folder)
    without_hg()
    assert (without, copy.is_pushed()) == (False, True)


@pytest.mark.parametrize("name", ["phaseroots", "00changelog.i"])
def test_what_is_damaged_or_unknown_is_asked(folder: Path, name: str) -> None:
    store = folder / ".hg" / "store"
    version = versioncontrol.find(str(folder)).version()
    for content in (b"1 ab\n" if name == "phaseroots" else b"\0\0\xde\xad" + b"\0" * 60, b"\xff" * 200):
        (store / name).write_bytes(content)
        assert _mercurial_phases.is_public(str(store), version) is None
    (store / name).unlink()
    assert _mercurial_phases.is_public(str(store), version) is None
    os.mkfifo(store / name)
    assert _mercurial_phases.is_public(str(store), version) is None


def test_a_file_added_and_gone_again_is_no_change_and_a_forgotten_one_is_still_there(folder: Path, hg: Hg) -> None:
    (folder / "new.py").write_text("1\n")
    hg("add", "new.py", cwd=folder)
    (folder / "new.py").unlink()
    hg("forget", "main.py", cwd=folder)
    for touch in (False, True):
        if touch:
            os.utime(folder / "sub" / "data.txt", (1, 1))  # so that hg has to be asked
        assert look(folder).changed == (ChangedFile("main.py", "modified", "100644"),)


def test_an_unresolved_merge_is_told(folder: Path, hg: Hg) -> None:
    for number in (2, 3):
        hg("update", "--quiet", "-r", "0", cwd=folder)
        (folder / "main.py").write_text(f"print({number}{number})\n")
        hg("commit", "-m", str(number), cwd=folder)
    with pytest.raises(subprocess.CalledProcessError):
        hg("merge", "--tool", ":fail", cwd=folder)
    status = look(folder)
    assert any("merge with version" in note for note in status.notes)
    assert any("isn't resolved: main.py" in note for note in status.notes)
    assert [change.path for change in status.changed] == ["main.py"]


def test_a_locked_repository_is_read_at_once(folder: Path) -> None:
    os.symlink("elsewhere:1", folder / ".hg" / "wlock")
    os.symlink("elsewhere:1", folder / ".hg" / "store" / "lock")
    os.utime(folder / "main.py", (1, 1))
    assert look(folder).changed == ()
    assert MercurialWorkingCopy.create(str(folder)).revision().author == "Ada <ada@example.org>"


@pytest.mark.parametrize(("path", "content"), [
    ("dirstate", b"nonsense"), ("requires", b"from-the-future\n"), ("store/00changelog.i", b"nonsense" * 100),
])
def test_a_damaged_repository_is_an_error_in_one_sentence(folder: Path, path: str, content: bytes) -> None:
    (folder / ".hg" / path).write_bytes(content)
    os.utime(folder / "main.py", (1, 1))
    with pytest.raises(VersionControlError) as caught:
        look_closely(folder)
    assert "\n" not in caught.value.message
    assert str(folder) in caught.value.message


def test_without_the_program_the_hint_says_how_to_get_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("sys.executable", str(folder / "python"))
    with pytest.raises(VersionControlError) as caught:
        versioncontrol.find(str(folder))
    assert "sumatra[hg]" in str(caught.value.hint)


def test_hg_beside_our_own_python_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = Path(shutil.which("hg") or "").parent
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sys.executable", str(beside / "python"))
    os.utime(folder / "main.py", (1, 1))
    assert look(folder).changed == ()


def test_the_program_ends_when_it_has_not_been_asked_for_a_while(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_lasting_process, "_IDLE", 0.05)
    copy = MercurialWorkingCopy.create(str(folder))
    copy.revision()
    end = time.monotonic() + 10
    while copy._hg._process is not None and time.monotonic() < end:
        time.sleep(0.02)
    assert copy._hg._process is None
    assert copy.revision().message == "first"


def test_a_program_that_dies_is_an_error_and_started_again(folder: Path) -> None:
    copy = MercurialWorkingCopy.create(str(folder))
    copy.revision()
    copy._hg._process._child.kill()
    copy._hg._process._child.wait()
    with pytest.raises(VersionControlError):
        copy.revision()
    assert copy.revision().message == "first"


@pytest.mark.parametrize("limit", ["MOST_UNTRACKED", "_MOST_OUTPUT"])
def test_untracked_files_beyond_a_bound_are_not_listed_and_that_is_said(
    folder: Path, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "main.py").write_text("print(2)\n")  # of the same size: hg has to be asked
    for number in range(60):
        (folder / f"a rather long name, as output files have them {number}").touch()
    monkeypatch.setattr(_mercurial, limit, {"MOST_UNTRACKED": 10, "_MOST_OUTPUT": 1000}[limit])
    status = look(folder)
    assert status.changed[0] == ChangedFile("main.py", "modified", "100644")
    assert 1 < len(status.changed) < 30
    assert any("untracked" in note for note in status.notes)


# Where it comes from, and whose it is


def test_the_upstream_is_told_without_secrets(folder: Path) -> None:
    (folder / ".hg" / "hgrc").write_text("[paths]\n# mine\ndefault = https://ada:hunter2@example.org/model\n")
    repository = MercurialWorkingCopy.create(str(folder)).repository()
    assert (repository.type, repository.url, repository.upstream) == (
        "mercurial", str(folder), "https://example.org/model"
    )


def test_the_users_configuration_is_read_and_not_obeyed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "more.rc").write_text("[ui]\nusername = Bó\n  <bo@example.org>\n[a]\nb = 1\n%unset b\n")
    (tmp_path / "hgrc").write_text(f"[ui]\nusername = X\nignore = {tmp_path}/ignore\n%include more.rc\n")
    (tmp_path / "ignore").write_text("syntax: glob\n*.out\n")
    (folder / "a.out").touch()
    assert [change.path for change in look(folder).changed] == ["a.out"]
    monkeypatch.setenv("HGRCPATH", str(tmp_path / "hgrc"))
    assert "a.b" not in _mercurial_config.of_user()
    assert look(folder).changed == ()
    assert MercurialWorkingCopy.create(str(folder)).user() == "Bó\\n<bo@example.org>"
    monkeypatch.setenv("HGUSER", "Eve")
    assert MercurialWorkingCopy.create(str(folder)).user() == "Eve"


# Repositories inside


@pytest.fixture
def outer(folder: Path, hg: Hg, tmp_path: Path, git: Callable[..., str]) -> Path:
    """A repository with a sub-repository of Mercurial's, and one of git's."""
    outer = tmp_path / "outer"
    outer.mkdir()
    hg("init", cwd=outer)
    shutil.copytree(folder, outer / "lib" / "a")
    (outer / "lib" / "g").mkdir()
    git("init", "--quiet", cwd=outer / "lib" / "g")
    (outer / "lib" / "g" / "x.py").write_text("x\n")
    git("add", ".", cwd=outer / "lib" / "g")
    git("commit", "--quiet", "-m", "x", cwd=outer / "lib" / "g")
    (outer / "main.py").write_text("print(0)\n")
    (outer / ".hgsub").write_text("lib/a = lib/a\nlib/g = [git]lib/g\n")
    hg("add", "--quiet", ".hgsub", "main.py", cwd=outer)
    hg("commit", "--config", "subrepos.git:allowed=true", "-m", "outer", cwd=outer)
    return outer


def test_sub_repositories_are_looked_into_whatever_their_system(outer: Path, tmp_path: Path) -> None:
    assert look(outer)[2:] == ((), ())
    (outer / "lib" / "a" / "main.py").write_text("print(22)\n")
    (outer / "lib" / "g" / "new.py").write_text("new\n")
    copy = MercurialWorkingCopy.create(str(outer))
    assert copy.status().changed == (
        ChangedFile("lib/a/main.py", "modified", "100644", "lib/a"),
        ChangedFile("lib/g/new.py", "untracked", "100644", "lib/g"),
    )
    assert copy.content("lib/a/main.py") == b"print(1)\n"
    assert copy.content("lib/g/x.py") == b"x\n"
    assert copy.contains("lib/a/main.py")
    assert not copy.contains("lib/g/new.py")
    assert "+print(22)" in copy.diff()
    changes, content = kept_changes(copy)
    assert copy.export(".", changes, str(tmp_path / "built"), content) == ()
    built = {path: content for path, (_, content) in files_below(tmp_path / "built").items()}
    assert {path: built[path] for path in built if not path.startswith(".hg")} == {
        "main.py": b"print(0)\n", "lib/a/main.py": b"print(22)\n", "lib/a/sub/data.txt": b"1\n", "lib/g/x.py": b"x\n",
        "lib/g/new.py": b"new\n",
    }


def test_files_around_are_known_when_one_of_a_sub_repository_is_asked_for_with_them(outer: Path) -> None:
    asked = ["main.py", "lib/a/main.py", "lib/g/x.py", "lib/a/new.py", "new.py"]
    assert MercurialWorkingCopy.create(str(outer)).tracked(asked) == {"main.py", "lib/a/main.py", "lib/g/x.py"}


def test_the_patch_names_files_of_sub_repositories_from_the_folder_around(outer: Path) -> None:
    """What it did for ``lib/a/main.py`` would be taken for a change of ``main.py``."""
    (outer / "lib" / "a" / "main.py").write_text("--- a/main.py\n")
    (outer / "lib" / "g" / "x.py").write_text("diff --git a/x.py b/x.py\n")
    patch = MercurialWorkingCopy.create(str(outer)).diff()
    assert "diff --git a/lib/a/main.py b/lib/a/main.py\n" in patch
    assert "--- a/lib/a/main.py\n+++ b/lib/a/main.py\n" in patch
    assert "--- a/lib/g/x.py\n+++ b/lib/g/x.py\n" in patch
    assert "+--- a/main.py\n" in patch  # a line of the file
    assert "+diff --git a/x.py b/x.py" in patch


@pytest.mark.parametrize(("line", "below_two_words"), [
    ('diff --git "a/\\303\\244" "b/\\303\\244"', 'diff --git "a/two words/\\303\\244" "b/two words/\\303\\244"'),
    ("diff --git a/a b/c b/a b/c", "diff --git a/two words/a b/c b/two words/a b/c"),
    ("diff --git a/old b/new", "diff --git a/two words/old b/two words/new"),
    ("--- a/x", "--- a/two words/x\t"),
    ("--- /dev/null", "--- /dev/null"),
    ("rename from x", "rename from two words/x"),
    ("Binary files /dev/null and b/x differ", "Binary files /dev/null and b/two words/x differ"),
    ("Binary files a/x and b/x differ", "Binary files a/two words/x and b/two words/x differ"),
    ("index 5626abf..f719efd 100644", "index 5626abf..f719efd 100644"),
])
def test_names_in_the_head_of_a_patch_are_put_below_a_folder(line: str, below_two_words: str) -> None:
    assert below("two words", line) == below_two_words


def test_a_sub_repository_at_another_version_is_a_change(outer: Path, hg: Hg, tmp_path: Path) -> None:
    (outer / "lib" / "a" / "main.py").write_text("print(22)\n")
    hg("commit", "-m", "second", cwd=outer / "lib" / "a")
    version = MercurialWorkingCopy.create(str(outer / "lib" / "a")).version()
    copy = MercurialWorkingCopy.create(str(outer))
    assert copy.status().changed == (ChangedFile("lib/a", "modified", "160000", version=version),)
    assert "lib/a" in copy.status().notes[0]


def test_a_sub_repository_that_is_not_here_is_left_out_and_named(outer: Path, tmp_path: Path) -> None:
    shutil.rmtree(outer / "lib" / "a")
    copy = MercurialWorkingCopy.create(str(outer))
    notes = copy.export(".", [], str(tmp_path / "built"), no_content)
    assert "lib/a" in notes[0]
    assert (tmp_path / "built" / "lib" / "g" / "x.py").exists()


def test_a_share_is_a_working_folder_of_its_own(folder: Path, hg: Hg, tmp_path: Path) -> None:
    (folder / ".hg" / "hgrc").write_text("[paths]\ndefault = https://example.org/model\n")
    hg("--config", "extensions.share=", "share", str(folder), str(tmp_path / "shared"), cwd=tmp_path)
    copy = MercurialWorkingCopy.create(str(tmp_path / "shared"))
    assert (copy.status().changed, copy.version()) == ((), MercurialWorkingCopy.create(str(folder)).version())
    assert copy.repository().upstream == "https://example.org/model"
    assert copy.content("main.py") == b"print(1)\n"


def test_a_sparse_checkout_is_built_whole(folder: Path, hg: Hg, tmp_path: Path) -> None:
    hg("--config", "extensions.sparse=", "debugsparse", "--include", "sub", cwd=folder)
    assert not (folder / "main.py").exists()
    copy = MercurialWorkingCopy.create(str(folder))
    assert copy.status().changed == ()
    copy.export(".", [], str(tmp_path / "built"), no_content)
    assert (tmp_path / "built" / "sub" / "data.txt").exists()


def test_a_bundle_is_one_that_hg_itself_reads(folder: Path, hg: Hg, tmp_path: Path) -> None:
    MercurialWorkingCopy.create(str(folder)).bundle(".", str(tmp_path / "-bundle"))
    hg("clone", "--quiet", "--", str(tmp_path / "-bundle"), "cloned", cwd=tmp_path)
    assert (tmp_path / "cloned" / "main.py").read_text() == "print(1)\n"
