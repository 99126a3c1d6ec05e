"""Git working copies in all the states that people get them into."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sumatra import versioncontrol
from sumatra.errors import VersionControlError
from sumatra.testing.workingcopies import fingerprint
from sumatra.versioncontrol import _git
from sumatra.versioncontrol._git import GitWorkingCopy
from sumatra.versioncontrol.base import ChangedFile

pytestmark = pytest.mark.needs("git")

Git = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path, git: Git) -> Path:
    """A repository with one commit."""
    folder = tmp_path / "model"
    folder.mkdir()
    git("init", "--quiet", cwd=folder)
    (folder / "main.py").write_text("print(1)\n")
    (folder / "data.txt").write_text("1\n")
    git("add", ".", cwd=folder)
    git("commit", "--quiet", "-m", "first", cwd=folder)
    return folder


def look(folder: Path) -> versioncontrol.Status:
    return GitWorkingCopy.create(str(folder)).status()


def changes(folder: Path) -> list[tuple[str, str, str | None]]:
    return [(change.path, change.kind, change.mode) for change in look(folder).changed]


# Where the code comes from


def test_a_branch_is_told_and_no_branch_when_detached(folder: Path, git: Git) -> None:
    git("checkout", "--quiet", "-b", "topic/größe", cwd=folder)
    copy = GitWorkingCopy.create(str(folder))
    assert copy.status().branch == copy.repository().branch == "topic/größe"
    git("checkout", "--quiet", "--detach", cwd=folder)
    assert copy.status().branch is copy.repository().branch is None
    assert copy.version() == git("rev-parse", "HEAD", cwd=folder)


def test_a_branch_without_a_commit_is_told(tmp_path: Path, git: Git) -> None:
    git("init", "--quiet", "--initial-branch", "new", cwd=tmp_path)
    copy = GitWorkingCopy.create(str(tmp_path))
    assert (copy.status().version, copy.status().branch, copy.repository().branch) == (None, "new", "new")


@pytest.mark.parametrize(("settings", "upstream"), [
    ({}, None),
    ({"remote.origin.url": "https://ada:hunter2@example.org/model"}, "https://example.org/model"),
    ({"remote.origin.url": "git@example.org:lab/model"}, "git@example.org:lab/model"),
    ({"remote.lab.url": "https://example.org/a"}, "https://example.org/a"),
    ({"remote.a.url": "https://example.org/a", "remote.b.url": "https://example.org/b"}, None),
    ({"remote.origin.url": "https://example.org/o", "remote.fork.url": "https://example.org/f",
      "branch.main.remote": "fork"}, "https://example.org/f"),
    ({"remote.origin.url": "https://example.org/o", "branch.main.remote": "."}, "https://example.org/o"),
    ({"remote.origin.url": "lab:model", "url.https://ada:hunter2@example.org/.insteadOf": "lab:"},
     "https://example.org/model"),
])
def test_the_upstream_is_that_of_the_branch_else_origin_without_secrets(
    folder: Path, git: Git, settings: dict[str, str], upstream: str | None
) -> None:
    for name, value in settings.items():
        git("config", name, value, cwd=folder)
    repository = GitWorkingCopy.create(str(folder)).repository()
    assert (repository.url, repository.upstream) == (str(folder), upstream)


def test_a_repository_is_found_from_a_folder_below(folder: Path) -> None:
    below = folder / "a" / "b"
    below.mkdir(parents=True)
    copy = versioncontrol.find(str(below))
    assert copy is not None
    assert copy.root == str(folder)
    assert versioncontrol.find(str(folder.parent)) is None


def test_the_user_is_that_of_the_configuration(folder: Path, git: Git) -> None:
    assert GitWorkingCopy.create(str(folder)).user() == "Ada Example <ada@example.org>"
    git("config", "user.name", "Bó", cwd=folder)
    assert GitWorkingCopy.create(str(folder)).user() == "Bó <ada@example.org>"


@pytest.mark.parametrize("config", ["", "[user]\n name = Ada\n", "[user]\n email = ada@example.org\n"])
def test_a_user_who_is_known_in_part_is_told_in_part(
    folder: Path, config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own").write_text(config)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "own"))
    expected = {"": ""}.get(config, "Ada" if "name" in config else "<ada@example.org>")
    assert GitWorkingCopy.create(str(folder)).user() == expected


# What isn't a working copy


def test_a_bare_repository_is_refused_in_a_sentence(folder: Path, tmp_path: Path, git: Git) -> None:
    git("clone", "--quiet", "--bare", str(folder), "bare.git", cwd=tmp_path)
    with pytest.raises(VersionControlError, match="bare"):
        GitWorkingCopy.create(str(tmp_path / "bare.git"))
    (tmp_path / "x").mkdir()
    git("clone", "--quiet", "--bare", str(folder), "x/.git", cwd=tmp_path)
    with pytest.raises(VersionControlError, match="bare"):
        GitWorkingCopy.create(str(tmp_path / "x"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_repository_of_somebody_else_is_refused_with_the_way_to_trust_it(
    folder: Path, git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (folder, folder / ".git"):
        os.chown(path, 12345, 12345)
    with pytest.raises(VersionControlError) as caught:
        GitWorkingCopy.create(str(folder))
    assert "belongs to somebody else" in caught.value.message
    assert caught.value.hint is not None
    own = tmp_path / "gitconfig"
    own.write_text("")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(own))
    subprocess.run(caught.value.hint.partition(": ")[2], shell=True, check=True)
    assert look(folder).version == git("rev-parse", "HEAD", cwd=folder)


@pytest.mark.parametrize(("path", "content"), [
    ("HEAD", b""), ("HEAD", b"nonsense"), ("index", b"nonsense"), ("config", b"[nonsense"), ("config", b"[a]\nb = \"c"),
    ("refs/heads/main", b"0123456789012345678901234567890123456789\n"),
])
def test_a_damaged_repository_is_an_error_in_one_sentence(folder: Path, path: str, content: bytes) -> None:
    (folder / ".git" / path).write_bytes(content)
    with pytest.raises(VersionControlError) as caught:
        look(folder)
    assert "\n" not in caught.value.message
    assert str(folder) in caught.value.message


@pytest.mark.parametrize("content", [
    b"", b"gitdir: ", b"gitdir: ../nowhere\n", b"gitdir: .\n", b"\xff\xfe", b"gitdir: /\n",
])
def test_a_git_file_that_points_to_nothing_is_an_error(tmp_path: Path, git: Git, content: bytes) -> None:
    git("init", "--quiet", cwd=tmp_path)
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / ".git").write_bytes(content)
    with pytest.raises(VersionControlError) as caught:
        look(tmp_path / "r")
    assert "\n" not in caught.value.message


def test_in_a_folder_with_a_colon_the_repository_above_is_not_taken(tmp_path: Path, git: Git) -> None:
    above = tmp_path / "a:b"
    (above / "r" / ".git").mkdir(parents=True)
    git("init", "--quiet", cwd=above)
    with pytest.raises(VersionControlError):
        look(above / "r")
    (above / "r" / ".git").rmdir()
    git("init", "--quiet", cwd=above / "r")
    assert look(above / "r").version is None


def test_an_old_git_is_refused_because_it_cannot_be_kept_in_check(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "bin" / "git"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\nprintf 'core.repositoryformatversion\\n0\\0'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(old.parent))
    with pytest.raises(VersionControlError) as caught:
        GitWorkingCopy.create(str(folder))
    assert "too old" in caught.value.message
    assert "2.31" in str(caught.value.hint)


def test_the_word_of_a_remote_is_shown_without_its_password(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(VersionControlError) as caught:
        GitWorkingCopy.checkout(f"file://ada:hunter2@{folder}/nowhere", str(tmp_path / "made"))
    assert "hunter2" not in str(caught.value)


# States of files


def test_a_file_that_was_only_announced_is_added(folder: Path, git: Git) -> None:
    (folder / "new.py").write_text("1\n")
    git("add", "--intent-to-add", "new.py", cwd=folder)
    assert changes(folder) == [("new.py", "added", "100644")]
    assert "+1" in GitWorkingCopy.create(str(folder)).diff()


def test_a_renamed_file_is_one_gone_and_one_new(folder: Path, git: Git) -> None:
    git("config", "status.renames", "copies", cwd=folder)
    git("mv", "--", "data.txt", "-data.txt", cwd=folder)
    assert sorted(changes(folder)) == [("-data.txt", "added", "100644"), ("data.txt", "deleted", None)]


def test_a_file_taken_out_of_the_index_is_still_there(folder: Path, git: Git) -> None:
    git("rm", "--quiet", "--cached", "data.txt", cwd=folder)
    assert changes(folder) == [("data.txt", "modified", "100644")]
    (folder / "data.txt").unlink()
    assert changes(folder) == [("data.txt", "deleted", None)]


def test_a_file_added_and_gone_again_is_no_change(folder: Path, git: Git) -> None:
    (folder / "new.py").write_text("1\n")
    git("add", "new.py", cwd=folder)
    (folder / "new.py").unlink()
    assert changes(folder) == []


def test_a_file_that_became_a_folder_is_told_by_what_is_there(folder: Path) -> None:
    (folder / "data.txt").unlink()
    (folder / "data.txt").mkdir()
    (folder / "data.txt" / "x").write_text("x\n")
    assert sorted(changes(folder)) == [("data.txt", "deleted", None), ("data.txt/x", "untracked", "100644")]


def test_a_file_that_became_a_link_is_told_by_its_mode(folder: Path) -> None:
    (folder / "data.txt").unlink()
    (folder / "data.txt").symlink_to("main.py")
    assert changes(folder) == [("data.txt", "modified", "120000")]


def test_an_unresolved_merge_is_told(folder: Path, git: Git) -> None:
    git("checkout", "--quiet", "-b", "side", cwd=folder)
    (folder / "data.txt").write_text("2\n")
    (folder / "both.txt").write_text("2\n")
    git("rm", "--quiet", "main.py", cwd=folder)
    git("add", ".", cwd=folder)
    git("commit", "--quiet", "-m", "two", cwd=folder)
    git("checkout", "--quiet", "main", cwd=folder)
    (folder / "data.txt").write_text("3\n")
    (folder / "both.txt").write_text("3\n")
    (folder / "main.py").write_text("print(3)\n")
    git("add", ".", cwd=folder)
    git("commit", "--quiet", "-m", "three", cwd=folder)
    with pytest.raises(subprocess.CalledProcessError):
        git("merge", "--quiet", "side", cwd=folder)
    assert sorted(changes(folder)) == [
        ("both.txt", "modified", "100644"), ("data.txt", "modified", "100644"), ("main.py", "modified", "100644"),
    ]
    assert any("both.txt, data.txt, main.py" in note for note in look(folder).notes)
    assert "<<<<<<<" in GitWorkingCopy.create(str(folder)).diff()
    assert GitWorkingCopy.create(str(folder)).contains("data.txt")


@pytest.mark.parametrize("bit", ["assume-unchanged", "skip-worktree"])
def test_files_that_git_was_told_not_to_look_at_are_named(folder: Path, git: Git, bit: str) -> None:
    git("update-index", f"--{bit}", "data.txt", cwd=folder)
    (folder / "data.txt").write_text("changed\n")
    notes = look(folder).notes
    assert len(notes) == 1
    assert bit in notes[0]
    assert "data.txt" in notes[0]


def test_a_sparse_checkout_is_clean(folder: Path, git: Git) -> None:
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "x.txt").write_text("x\n")
    git("add", ".", cwd=folder)
    git("commit", "--quiet", "-m", "folders", cwd=folder)
    git("sparse-checkout", "set", "one", cwd=folder)
    assert not (folder / "two").exists()
    assert look(folder)[2:] == ((), ())
    assert GitWorkingCopy.create(str(folder)).content("two/x.txt") == b"x\n"


def test_a_shallow_clone_is_read(folder: Path, git: Git, tmp_path: Path) -> None:
    (folder / "data.txt").write_text("2\n")
    git("commit", "--quiet", "--all", "-m", "second", cwd=folder)
    git("clone", "--quiet", "--depth", "1", folder.as_uri(), "shallow", cwd=tmp_path)
    copy = GitWorkingCopy.create(str(tmp_path / "shallow"))
    assert copy.version() == git("rev-parse", "HEAD", cwd=folder)
    assert copy.content("data.txt") == b"2\n"
    with pytest.raises(VersionControlError):
        copy.content("data.txt", "HEAD~1")


def test_content_that_a_partial_clone_lacks_is_an_error_with_the_reason(folder: Path, git: Git, tmp_path: Path) -> None:
    git("config", "uploadpack.allowFilter", "true", cwd=folder)
    (folder / "data.txt").write_text("2\n")
    git("commit", "--quiet", "--all", "-m", "second", cwd=folder)
    git("clone", "--quiet", "--filter=blob:none", folder.as_uri(), "partial", cwd=tmp_path)
    copy = GitWorkingCopy.create(str(tmp_path / "partial"))
    assert copy.status().changed == ()
    with pytest.raises(VersionControlError, match="isn't in this clone"):
        copy.content("data.txt", "HEAD~1")


def test_a_linked_worktree_has_its_own_state(folder: Path, git: Git, tmp_path: Path) -> None:
    git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "linked"), cwd=folder)
    (tmp_path / "linked" / "main.py").write_text("print(2)\n")
    copy = GitWorkingCopy.create(str(tmp_path / "linked"))
    assert copy.repository().branch == copy.status().branch == "side"
    assert copy.changed_paths() == ["main.py"]
    assert changes(folder) == []


def test_a_worktree_of_a_bare_repository_is_a_working_copy(folder: Path, git: Git, tmp_path: Path) -> None:
    git("clone", "--quiet", "--bare", str(folder), "bare.git", cwd=tmp_path)
    git("worktree", "add", "--quiet", str(tmp_path / "linked"), cwd=tmp_path / "bare.git")
    assert look(tmp_path / "linked").version == git("rev-parse", "HEAD", cwd=folder)


def test_an_index_that_somebody_holds_is_read_and_left_alone(folder: Path) -> None:
    (folder / "main.py").write_text("print(2)\n")
    (folder / ".git" / "index.lock").write_text("held")
    before = fingerprint(folder)
    assert changes(folder) == [("main.py", "modified", "100644")]
    assert "+print(2)" in GitWorkingCopy.create(str(folder)).diff()
    assert fingerprint(folder) == before


def test_a_repository_with_other_hashes_and_no_commit_has_a_patch(tmp_path: Path, git: Git) -> None:
    git("init", "--quiet", "--object-format=sha256", cwd=tmp_path)
    (tmp_path / "x").write_text("1\n")
    git("add", "x", cwd=tmp_path)
    copy = GitWorkingCopy.create(str(tmp_path))
    assert "+1" in copy.diff()
    git("commit", "--quiet", "-m", "x", cwd=tmp_path)
    assert len(copy.version() or "") == 64


def test_line_ends_that_git_converts_are_no_change(folder: Path, git: Git) -> None:
    (folder / "text.txt").write_bytes(b"a\nb\n")
    git("add", "text.txt", cwd=folder)
    git("commit", "--quiet", "-m", "text", cwd=folder)
    git("config", "core.autocrlf", "true", cwd=folder)
    (folder / "text.txt").unlink()
    git("checkout", "--quiet", "text.txt", cwd=folder)
    assert (folder / "text.txt").read_bytes() == b"a\r\nb\r\n"
    os.utime(folder / "text.txt", (1_000_000_000, 1_000_000_000))
    copy = GitWorkingCopy.create(str(folder))
    assert copy.status() == (copy.version(), "main", (), ())
    assert copy.diff() == ""
    assert copy.content("text.txt") == b"a\nb\n"


def test_a_file_behind_a_filter_is_told_with_the_doubt(folder: Path, git: Git) -> None:
    git("config", "filter.upper.clean", "tr a-z A-Z", cwd=folder)
    git("config", "filter.upper.required", "true", cwd=folder)
    (folder / ".gitattributes").write_text("*.txt filter=upper\n")
    (folder / "shout.txt").write_text("abc\n")
    git("add", ".", cwd=folder)
    git("commit", "--quiet", "-m", "filter", cwd=folder)
    os.utime(folder / "shout.txt", (1_000_000_000, 1_000_000_000))
    status = look(folder)
    assert [change.path for change in status.changed] == ["shout.txt"]
    assert [note for note in status.notes if "filter" in note and "shout.txt" in note]
    assert GitWorkingCopy.create(str(folder)).content("shout.txt") == b"ABC\n"


def test_a_replaced_commit_is_the_one_of_its_name(folder: Path, git: Git) -> None:
    first = git("rev-parse", "HEAD", cwd=folder)
    (folder / "main.py").write_text("print(2)\n")
    git("commit", "--quiet", "--all", "-m", "second", cwd=folder)
    second = git("rev-parse", "HEAD", cwd=folder)
    git("replace", second, first, cwd=folder)
    assert GitWorkingCopy.create(str(folder)).content("main.py", second) == b"print(2)\n"


# Other repositories inside


def test_an_untracked_repository_inside_is_named_and_not_descended(folder: Path, git: Git) -> None:
    inner = folder / "their code"
    inner.mkdir()
    git("init", "--quiet", cwd=inner)
    (inner / "x.py").write_text("x\n")
    git("add", "x.py", cwd=inner)
    git("commit", "--quiet", "-m", "x", cwd=inner)
    status = look(folder)
    assert status.changed == ()
    assert len(status.notes) == 1
    assert "their code" in status.notes[0]
    assert not GitWorkingCopy.create(str(folder)).contains("their code/x.py")


@pytest.fixture
def outer(folder: Path, git: Git, tmp_path: Path) -> Path:
    """A repository with the submodule ``lib/a``."""
    outer = tmp_path / "outer"
    outer.mkdir()
    git("init", "--quiet", cwd=outer)
    git("submodule", "--quiet", "add", str(folder), "lib/a", cwd=outer)
    git("commit", "--quiet", "-m", "lib", cwd=outer)
    return outer


def test_a_clean_submodule_is_silent(outer: Path) -> None:
    assert look(outer)[2:] == ((), ())


def test_what_has_changed_in_a_submodule_is_told_from_the_outer_root(outer: Path) -> None:
    inner = outer / "lib" / "a"
    (inner / "main.py").write_text("print(2)\n")
    (inner / "new").mkdir()
    (inner / "new" / "x").write_text("x\n")
    copy = GitWorkingCopy.create(str(outer))
    assert copy.status().changed == (
        ChangedFile("lib/a/main.py", "modified", "100644", "lib/a"),
        ChangedFile("lib/a/new/x", "untracked", "100644", "lib/a"),
    )
    assert copy.has_changed()
    assert "--- a/lib/a/main.py\n+++ b/lib/a/main.py\n" in copy.diff()
    assert copy.content("lib/a/main.py") == b"print(1)\n"
    assert copy.contains("lib/a/main.py")
    assert copy.contains(str(inner / "data.txt"))
    assert not copy.contains("lib/a/nothing")
    with pytest.raises(VersionControlError):
        copy.content("lib/a/nothing")


def test_a_submodule_at_another_commit_is_a_change(outer: Path, git: Git) -> None:
    inner = outer / "lib" / "a"
    (inner / "main.py").write_text("print(2)\n")
    git("commit", "--quiet", "--all", "-m", "second", cwd=inner)
    status = look(outer)
    version = git("rev-parse", "HEAD", cwd=inner)
    assert status.changed == (ChangedFile("lib/a", "modified", "160000", version=version),)
    assert git("rev-parse", "HEAD", cwd=inner) in status.notes[0]
    copy = GitWorkingCopy.create(str(outer))
    assert copy.content("lib/a/main.py") == b"print(1)\n"
    assert "+Subproject commit" in copy.diff()


def test_a_submodule_that_is_not_checked_out_is_silent_unless_files_are_there(
    outer: Path, git: Git, tmp_path: Path
) -> None:
    copy = GitWorkingCopy.checkout(str(outer), str(tmp_path / "copied"))
    assert copy.status()[2:] == ((), ())
    (tmp_path / "copied" / "lib" / "a" / "x.py").write_text("x\n")
    assert "lib/a" in copy.status().notes[0]


def test_a_submodule_that_cannot_be_read_is_named(outer: Path) -> None:
    (outer / ".git" / "modules" / "lib" / "a" / "HEAD").write_text("nonsense")
    status = GitWorkingCopy.create(str(outer)).status()
    assert any("lib/a" in note and "can't be read" in note for note in status.notes)


def test_a_submodule_is_a_working_copy_of_its_own(outer: Path, git: Git) -> None:
    copy = versioncontrol.find(str(outer / "lib" / "a"))
    assert copy is not None
    assert copy.root == str(outer / "lib" / "a")
    assert copy.status().notes == ()
    assert copy.version() == git("rev-parse", "HEAD", cwd=outer / "lib" / "a")


def test_submodules_are_left_without_a_trace(outer: Path) -> None:
    (outer / "lib" / "a" / "main.py").write_text("print(2)\n")
    os.utime(outer / "lib" / "a" / "data.txt", (1_000_000_000, 1_000_000_000))
    before = fingerprint(outer)
    copy = GitWorkingCopy.create(str(outer))
    copy.status()
    copy.diff()
    copy.content("lib/a/main.py")
    assert fingerprint(outer) == before


# Bounds


@pytest.mark.parametrize("limit", ["MOST_UNTRACKED", "_MOST_OUTPUT"])
def test_untracked_files_beyond_a_bound_are_not_listed_and_that_is_said(
    folder: Path, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "main.py").write_text("print(2)\n")
    for number in range(60):
        (folder / f"a rather long name, as output files have them {number}").touch()
    monkeypatch.setattr(_git, limit, {"MOST_UNTRACKED": 10, "_MOST_OUTPUT": 1000}[limit])
    status = look(folder)
    assert status.changed[0] == ChangedFile("main.py", "modified", "100644")
    assert 1 < len(status.changed) < 30
    assert any("untracked" in note for note in status.notes)


def test_changes_of_tracked_files_are_told_in_full_whatever_the_bound(
    folder: Path, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(60):
        (folder / f"{number}").touch()
    git("add", ".", cwd=folder)
    (folder / "untracked").touch()
    monkeypatch.setattr(_git, "_MOST_OUTPUT", 1000)
    status = look(folder)
    assert len(status.changed) == 60
    assert any("untracked" in note for note in status.notes)


def test_a_patch_beyond_a_bound_is_cut_and_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "main.py").write_text("x = 1\n" * 1000)
    monkeypatch.setattr(_git, "_MOST_DIFF", 500)
    patch = GitWorkingCopy.create(str(folder)).diff()
    assert len(patch) < 600
    assert "cut here" in patch


def test_a_large_file_is_not_spelt_out_in_a_patch(folder: Path) -> None:
    (folder / "data.txt").write_text("1\n" * 1_000_000)
    patch = GitWorkingCopy.create(str(folder)).diff()
    assert "data.txt" in patch
    assert len(patch) < 1000
