"""Versions in git: named, compared, brought back, put into files, whatever state the repository is in."""

import contextlib
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from sumatra.errors import VersionControlError
from sumatra.records import Change
from sumatra.testing.workingcopies import files_below, fingerprint, kept, kept_changes, no_content
from sumatra.versioncontrol._git import GitWorkingCopy

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
    commit(folder, git)
    return folder


def commit(folder: Path, git: Git) -> str:
    git("add", "--all", cwd=folder)
    git("commit", "--quiet", "-m", "more", cwd=folder)
    return git("rev-parse", "HEAD", cwd=folder)


def build(folder: Path, version: str = "HEAD", changes: tuple[Change, ...] = ()) -> tuple[dict, tuple[str, ...]]:
    """Return the files of *version* as they are built in a folder of ours, and what is missing."""
    built = folder.parent / "built"
    shutil.rmtree(built, ignore_errors=True)
    notes = GitWorkingCopy.create(str(folder)).export(version, changes, str(built), no_content)
    return {path: content for path, (_, content) in files_below(built).items()}, notes


# Names


def test_a_version_is_named_in_gits_words(folder: Path, git: Git) -> None:
    first = git("rev-parse", "HEAD", cwd=folder)
    git("tag", "-a", "-m", "annotated", "v1", cwd=folder)
    git("branch", "topic/größe", cwd=folder)
    (folder / "main.py").write_text("print(2)\n")
    second = commit(folder, git)
    copy = GitWorkingCopy.create(str(folder))
    for name in ("v1", "topic/größe", "HEAD~1", "HEAD^", "main~1", first[:7], first, "HEAD@{1}", "refs/tags/v1"):
        assert copy.resolve(name) == first, name
    assert copy.resolve("main") == copy.resolve("HEAD") == copy.revision().version == second


def test_a_branch_called_like_an_option_is_no_option(folder: Path, git: Git) -> None:
    version = git("rev-parse", "HEAD", cwd=folder)
    for name in ("-x", "--output=trace", "--all"):
        (folder / ".git" / "refs" / "heads" / name).write_text(version + "\n")
        with pytest.raises(VersionControlError):
            GitWorkingCopy.create(str(folder)).resolve(name)
        assert GitWorkingCopy.create(str(folder)).resolve(f"refs/heads/{name}") == version
    assert not (folder / "trace").exists()


def test_a_file_or_a_tree_is_no_version(folder: Path, git: Git) -> None:
    copy = GitWorkingCopy.create(str(folder))
    for name in (git("rev-parse", "HEAD^{tree}", cwd=folder), git("rev-parse", "HEAD:main.py", cwd=folder), "main.py"):
        with pytest.raises(VersionControlError):
            copy.resolve(name)


def test_the_branch_need_not_be_called_master(folder: Path, git: Git) -> None:
    """Sumatra 0.8 took the latest version to be that of master."""
    git("branch", "--move", "trunk", cwd=folder)
    copy = GitWorkingCopy.create(str(folder))
    assert copy.repository().branch == "trunk"
    assert copy.version() == copy.resolve("trunk") == copy.resolve("HEAD")


# Who, when and why


def test_the_author_counts_and_the_message_is_told_whole(folder: Path, git: Git) -> None:
    words = ["git", "-c", "i18n.commitEncoding=latin-1", "commit", "--quiet", "--allow-empty", "--date",
             "2026-01-02T03:04:05-0130", "--author", "Bó <bo@example.org>".encode("latin-1"),
             "-m", "größer\n\nbecause\n\nauthor Eve <e> 1 +0000".encode("latin-1")]
    subprocess.run(words, cwd=folder, check=True)
    revision = GitWorkingCopy.create(str(folder)).revision()
    assert revision.author == "Bó <bo@example.org>"
    assert revision.message == "größer\n\nbecause\n\nauthor Eve <e> 1 +0000"
    assert revision.date is not None
    assert revision.date.isoformat() == "2026-01-02T03:04:05-01:30"
    assert revision.date.utcoffset() == -timedelta(minutes=90)


@pytest.mark.parametrize(("author", "date"), [
    ("A <a> 99999999999999999999 +0000", None), ("A <a> 0 +9999", None), ("nonsense", None), ("", None),
    ("A <a> -1 +0000", "1969"),
])
def test_a_commit_that_makes_no_sense_is_told_as_far_as_it_does(
    folder: Path, git: Git, author: str, date: str | None
) -> None:
    text = git("cat-file", "commit", "HEAD", cwd=folder).replace("Ada Example <ada@example.org>", "X", 1)
    lines = [f"author {author}" if line.startswith("author") else line for line in text.split("\n")]
    words = ["git", "hash-object", "-t", "commit", "-w", "--stdin", "--literally"]
    made = subprocess.run(words, cwd=folder, input="\n".join(lines).encode(), capture_output=True, check=True)
    revision = GitWorkingCopy.create(str(folder)).revision(made.stdout.decode().strip())
    assert (revision.date and revision.date.isoformat()[:4]) == date
    assert revision.message == "more"


# Known elsewhere


def test_a_remote_that_was_never_pushed_to_has_nothing(folder: Path, git: Git) -> None:
    git("remote", "add", "origin", "https://example.org/model", cwd=folder)
    assert GitWorkingCopy.create(str(folder)).is_pushed() is False


def test_a_shallow_clone_is_known_to_be_elsewhere(folder: Path, git: Git, tmp_path: Path) -> None:
    commit_twice(folder, git)
    git("clone", "--quiet", "--depth", "1", folder.as_uri(), "shallow", cwd=tmp_path)
    assert GitWorkingCopy.create(str(tmp_path / "shallow")).is_pushed() is True


def commit_twice(folder: Path, git: Git) -> str:
    (folder / "data.txt").write_text("2\n")
    return commit(folder, git)


# States of repositories


def test_a_version_is_built_whatever_state_the_repository_is_in(folder: Path, git: Git, tmp_path: Path) -> None:
    first, second = git("rev-parse", "HEAD", cwd=folder), commit_twice(folder, git)
    git("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"), first, cwd=folder)
    git("clone", "--quiet", "--bare", str(folder), "bare.git", cwd=tmp_path)
    git("worktree", "add", "--quiet", "--detach", str(tmp_path / "of bare"), cwd=tmp_path / "bare.git")
    (folder / ".git" / "index.lock").write_text("held")
    (folder / ".git" / "MERGE_HEAD").write_text(first + "\n")
    (folder / "main.py").unlink()
    for place in (folder, tmp_path / "linked", tmp_path / "of bare"):
        assert build(place, first) == ({"main.py": b"print(1)\n", "data.txt": b"1\n"}, ())
        assert build(place, second) == ({"main.py": b"print(1)\n", "data.txt": b"2\n"}, ())


def test_an_index_that_is_damaged_or_gone_is_not_needed(folder: Path) -> None:
    (folder / ".git" / "index").write_bytes(b"nonsense")
    assert build(folder)[0] == {"main.py": b"print(1)\n", "data.txt": b"1\n"}


def test_a_sparse_checkout_is_built_whole(folder: Path, git: Git) -> None:
    (folder / "two").mkdir()
    (folder / "two" / "x.txt").write_text("x\n")
    commit(folder, git)
    git("sparse-checkout", "set", "one", cwd=folder)
    assert "two/x.txt" in build(folder)[0]


def test_what_a_partial_clone_lacks_is_left_out_and_named_and_not_fetched(
    folder: Path, git: Git, tmp_path: Path
) -> None:
    git("config", "uploadpack.allowFilter", "true", cwd=folder)
    first = git("rev-parse", "HEAD", cwd=folder)
    commit_twice(folder, git)
    git("clone", "--quiet", "--filter=blob:none", folder.as_uri(), "partial", cwd=tmp_path)
    before = fingerprint(tmp_path / "partial")
    assert build(tmp_path / "partial") == ({"main.py": b"print(1)\n", "data.txt": b"2\n"}, ())
    files, notes = build(tmp_path / "partial", first)
    assert files == {"main.py": b"print(1)\n"}
    assert "data.txt" in notes[0]
    with pytest.raises(VersionControlError):
        GitWorkingCopy.create(str(tmp_path / "partial")).bundle(first, str(tmp_path / "bundle"))
    assert not (tmp_path / "bundle").exists()
    assert fingerprint(tmp_path / "partial") == before


def test_an_object_that_is_damaged_is_an_error(folder: Path, git: Git) -> None:
    name = git("rev-parse", "HEAD:data.txt", cwd=folder)
    path = folder / ".git" / "objects" / name[:2] / name[2:]
    path.chmod(0o644)
    path.write_bytes(b"nonsense")
    with pytest.raises(VersionControlError):
        build(folder)


def test_a_repository_with_other_hashes_is_built_and_bundled(tmp_path: Path, git: Git) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    git("init", "--quiet", "--object-format=sha256", cwd=folder)
    (folder / "x").write_text("1\n")
    version = commit(folder, git)
    assert build(folder)[0] == {"x": b"1\n"}
    GitWorkingCopy.create(str(folder)).bundle("HEAD", str(tmp_path / "bundle"))
    assert GitWorkingCopy.unbundle(str(tmp_path / "bundle"), version, str(tmp_path / "made")).version() == version


# Trees that somebody has forged


def forged(folder: Path, entries: list[tuple[str, str, bytes]]) -> str:
    """Return a commit whose tree has *entries*, whatever git thinks of them."""
    def write(kind: str, content: bytes) -> str:
        words = ["git", "hash-object", "-t", kind, "-w", "--stdin", "--literally"]
        done = subprocess.run(words, cwd=folder, input=content, capture_output=True, check=True)
        return done.stdout.decode().strip()

    tree = b""
    for mode, path, content in entries:
        name = write("tree" if mode == "40000" else "blob", content)
        tree += f"{mode} {path}".encode() + b"\0" + bytes.fromhex(name)
    text = f"tree {write('tree', tree)}\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n\nforged\n"
    return write("commit", text.encode())


@pytest.mark.parametrize("entries", [
    [("100644", "../x", b"evil")], [("100644", "/tmp/x", b"evil")], [("100644", "..", b"evil")],
    [("100644", ".git/config", b"evil")], [("100644", ".GIT", b"evil")], [("100644", ".g\u200cit", b"evil")],
    [("100644", "git~1", b"evil")], [("100644", ".git ", b"evil")], [("100644", "a/../../x", b"evil")],
    [("120000", "a", b"/tmp"), ("100644", "a/x", b"evil")], [("100644", "a", b"1"), ("100644", "a", b"2")],
    [("120000", "a", b"")], [("100644", "", b"evil")], [("040755", "a", b"evil")],
], ids=str)
def test_a_forged_tree_does_not_lead_out_of_the_folder(
    folder: Path, entries: list[tuple[str, str, bytes]], tmp_path: Path
) -> None:
    version = forged(folder, entries)
    outside = set(os.listdir(tmp_path)) | set(os.listdir("/tmp"))
    files: dict[str, bytes] = {}
    with contextlib.suppress(VersionControlError):
        files, _ = build(folder, version)
    assert set(files) <= {"a"}  # git itself passes over the type of an entry
    assert {name for name in os.listdir(tmp_path) if name != "built"} <= outside
    assert not os.path.lexists("/tmp/x")


def test_the_folder_is_not_left_even_if_names_were_not_judged(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second lock: folders are opened without following links, and files are made new."""
    monkeypatch.setattr("sumatra.versioncontrol._export.check_paths", lambda paths: None)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "thesis.tex").write_text("years of work")
    before = fingerprint(outside)
    for tree in (
        [("120000", "a", os.fsencode(outside)), ("100644", "a/thesis.tex", b"evil")],
        [("120000", "a", os.fsencode(outside)), ("100644", "a/new.tex", b"evil")],
        [("120000", "a", os.fsencode(outside / "thesis.tex")), ("100644", "a", b"evil")],
        [("100644", "../outside/thesis.tex", b"evil")], [("100644", f"{outside}/thesis.tex", b"evil")],
    ):
        with pytest.raises(VersionControlError):
            build(folder, forged(folder, tree))
    assert fingerprint(outside) == before


# What git would convert


def test_filters_and_substitutions_are_not_run_and_that_is_said(folder: Path, git: Git) -> None:
    git("config", "filter.upper.smudge", "tr a-z A-Z", cwd=folder)
    (folder / ".gitattributes").write_text(
        "*.txt filter=upper\n*.py ident export-subst\nx.csv export-ignore eol=crlf\n"
    )
    (folder / "main.py").write_text("# $Id$ $Format:%H$\n")
    (folder / "x.csv").write_text("1\n")
    (folder / "shout.txt").write_text("abc\n")
    commit(folder, git)
    files, notes = build(folder)
    assert (files["main.py"], files["x.csv"], files["shout.txt"]) == (b"# $Id$ $Format:%H$\n", b"1\n", b"abc\n")
    assert len(notes) == 1
    assert "converts" in notes[0]


def test_files_in_lfs_are_taken_from_where_lfs_keeps_them(folder: Path, git: Git) -> None:
    large = b"large\n" * 1000
    oid = hashlib.sha256(large).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(large)}\n"
    (folder / "large.dat").write_text(pointer)
    (folder / "zz.py").write_text("print(3)\n")
    version = commit(folder, git)
    assert build(folder)[0]["large.dat"] == pointer.encode()  # no attribute says that it is one
    (folder / ".gitattributes").write_text("*.dat filter=lfs diff=lfs merge=lfs -text\n")
    commit(folder, git)
    files, notes = build(folder)
    assert files["large.dat"] == pointer.encode()
    assert "large.dat" in notes[0]
    kept_at = folder / ".git" / "lfs" / "objects" / oid[:2] / oid[2:4] / oid
    kept_at.parent.mkdir(parents=True)
    kept_at.write_bytes(b"damaged")
    assert build(folder)[1] == notes
    kept_at.write_bytes(large)
    files, notes = build(folder)
    assert (files["large.dat"], files["zz.py"], notes) == (large, b"print(3)\n", ())
    assert build(folder, version)[0]["large.dat"] == pointer.encode()


# Submodules


@pytest.fixture
def outer(folder: Path, git: Git, tmp_path: Path) -> Path:
    """A repository with the submodule ``lib/a``."""
    outer = tmp_path / "outer"
    outer.mkdir()
    git("init", "--quiet", cwd=outer)
    git("submodule", "--quiet", "add", str(folder), "lib/a", cwd=outer)
    git("commit", "--quiet", "-m", "lib", cwd=outer)
    return outer


INNER = {"lib/a/main.py": b"print(1)\n", "lib/a/data.txt": b"1\n"}


def test_submodules_are_built_too_also_when_they_are_not_checked_out(outer: Path, git: Git) -> None:
    files, notes = build(outer)
    assert {path: files[path] for path in INNER} == INNER
    assert notes == ()
    git("submodule", "--quiet", "deinit", "--force", "lib/a", cwd=outer)
    assert not (outer / "lib" / "a" / "main.py").exists()
    assert {path: build(outer)[0][path] for path in INNER} == INNER


def test_a_submodule_that_is_not_here_is_left_out_and_named(outer: Path, git: Git, tmp_path: Path) -> None:
    copy = GitWorkingCopy.checkout(str(outer), str(tmp_path / "copied"))
    notes = copy.export("HEAD", [], str(tmp_path / "built"), no_content)
    assert set(files_below(tmp_path / "built")) == {".gitmodules"}
    assert "lib/a" in notes[0]


def test_changes_in_a_submodule_are_put_upon_it(outer: Path, git: Git, tmp_path: Path) -> None:
    (outer / "lib" / "a" / "main.py").write_text("print(2)\n")
    (outer / "lib" / "a" / "data.txt").unlink()
    (outer / "lib" / "a" / "new.py").write_text("new\n")
    copy = GitWorkingCopy.create(str(outer))
    changes, content = kept_changes(copy)
    assert copy.export("HEAD", changes, str(tmp_path / "built"), content) == ()
    built = {path: content for path, (_, content) in files_below(tmp_path / "built" / "lib" / "a").items()}
    assert built == {"main.py": b"print(2)\n", "new.py": b"new\n"}


def test_a_submodule_at_another_commit_is_built_at_that_if_it_is_known(outer: Path, git: Git, tmp_path: Path) -> None:
    (outer / "lib" / "a" / "main.py").write_text("print(2)\n")
    version = commit(outer / "lib" / "a", git)
    copy = GitWorkingCopy.create(str(outer))
    digest, content = kept(version.encode())
    changes = [Change("lib/a", "modified", "160000", digest)]
    assert copy.export("HEAD", changes, str(tmp_path / "built"), content) == ()
    assert (tmp_path / "built" / "lib" / "a" / "main.py").read_text() == "print(2)\n"
    notes = copy.export("HEAD", [Change("lib/a", "modified", "160000")], str(tmp_path / "unknown"), no_content)
    assert (tmp_path / "unknown" / "lib" / "a" / "main.py").read_text() == "print(1)\n"
    assert "lib/a" in notes[0]


def test_a_submodule_that_was_removed_is_not_built(outer: Path, git: Git, tmp_path: Path) -> None:
    git("rm", "--quiet", "lib/a", cwd=outer)
    copy = GitWorkingCopy.create(str(outer))
    changes, content = kept_changes(copy)
    copy.export("HEAD", changes, str(tmp_path / "built"), content)
    assert not (tmp_path / "built" / "lib").exists()


def test_the_name_of_a_submodule_does_not_lead_elsewhere(outer: Path, git: Git, folder: Path) -> None:
    shutil.rmtree(outer / "lib")
    (outer / ".gitmodules").write_text('[submodule "../../../model/.git"]\n path = lib/a\n url = x\n')
    shutil.rmtree(outer / ".git" / "modules" / "lib")
    git("add", ".gitmodules", cwd=outer)
    git("commit", "--quiet", "-m", "evil", "--", ".gitmodules", cwd=outer)
    files, notes = build(outer)
    assert set(files) == {".gitmodules"}
    assert "lib/a" in notes[0]


# Bundles


def test_a_bundle_is_one_that_git_itself_reads(folder: Path, git: Git, tmp_path: Path) -> None:
    first = git("rev-parse", "HEAD", cwd=folder)
    version = commit_twice(folder, git)
    GitWorkingCopy.create(str(folder)).bundle("HEAD", str(tmp_path / "-bundle"))
    git("clone", "--quiet", str(tmp_path / "-bundle"), "cloned", cwd=tmp_path)
    assert git("rev-list", "HEAD", cwd=tmp_path / "cloned").split() == [version, first]


def test_a_shallow_clone_is_bundled_as_far_as_its_history_goes(folder: Path, git: Git, tmp_path: Path) -> None:
    commit_twice(folder, git)
    git("clone", "--quiet", "--depth", "1", folder.as_uri(), "shallow", cwd=tmp_path)
    (tmp_path / "shallow" / "main.py").write_text("print(3)\n")
    version = commit(tmp_path / "shallow", git)
    GitWorkingCopy.create(str(tmp_path / "shallow")).bundle(version, str(tmp_path / "bundle"))
    shutil.rmtree(tmp_path / "shallow")
    made = GitWorkingCopy.unbundle(str(tmp_path / "bundle"), version, str(tmp_path / "made"))
    assert made.version() == version
    assert made.status()[2:] == ((), ())
    assert (tmp_path / "made" / "main.py").read_text() == "print(3)\n"
    git("fsck", "--connectivity-only", cwd=tmp_path / "made")


def test_a_bundle_is_made_of_a_repository_with_an_odd_path(folder: Path, git: Git, tmp_path: Path) -> None:
    odd = tmp_path / 'a "quoted"\n:path é\udce9#'
    folder.rename(odd)
    version = git("rev-parse", "HEAD", cwd=odd)
    GitWorkingCopy.create(str(odd)).bundle(version, str(tmp_path / "bundle"))
    assert GitWorkingCopy.unbundle(str(tmp_path / "bundle"), version, str(tmp_path / "made")).version() == version


def test_a_bundle_of_a_forged_tree_leaves_nothing(folder: Path, git: Git, tmp_path: Path) -> None:
    version = forged(folder, [("100644", ".g\u200cit", b"evil"), ("100644", "x", b"1")])
    GitWorkingCopy.create(str(folder)).bundle(version, str(tmp_path / "bundle"))
    with pytest.raises(VersionControlError):
        GitWorkingCopy.unbundle(str(tmp_path / "bundle"), version, str(tmp_path / "made"))
    assert files_below(tmp_path / "made") == {}
