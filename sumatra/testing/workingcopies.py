"""What every version-control system promises, as tests."""

import hashlib
import itertools
import os
import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sumatra.errors import VersionControlError
from sumatra.files import digest_bytes
from sumatra.records import Change
from sumatra.versioncontrol.base import ChangedFile, WorkingCopy

__all__ = ["LEADING_OUT", "STRANGE_NAMES", "System", "WorkingCopyContract", "files_below", "fingerprint",
           "kept_changes"]

#: Names that programs stumble over; the last isn't UTF-8.
STRANGE_NAMES = (
    "two words.py", "quote'd \"name\".py", "-rf", "--help", "new\nline.py", "tab\tbed.py", "back\\slash.py", "*.py",
    ":(top)x", "é.py", "$(touch x)", "#x", " ", "caf\udce9.py",
)


#: Paths that mustn't be written, whoever names them.
LEADING_OUT = (
    "../x", "/smt-leads-out", "a/../../x", "a/..", "..", ".", "a/./b", "a//b", "", "a/", "x\0y", ".git/config",
    ".GIT/hooks/x", "a/.git/config", ".g\u200cit/config", ".git /x", ".git./x", "git~1/x", "GIT~1/x",
    ".git::$INDEX_ALLOCATION/x", ".git\\hooks\\x", "..\\x", "a\\..\\..\\x", ".hg/hgrc", ".Hg/hgrc", "HG~1/hgrc",
    ".bzr/branch/format", ".BZR/x",
    ".svn/wc.db", ".SVN/wc.db", "SVN~1/wc.db",
)


#: Where the working copy that all tests begin with was made.
_MADE: dict[type, Path] = {}


class System(ABC):
    """How the tests make working copies of one version-control system, with its own program."""

    backend: type[WorkingCopy]
    #: what lies in the top folder of a working copy
    marker: str
    #: those of `STRANGE_NAMES` that it can keep
    strange_names: tuple[str, ...] = STRANGE_NAMES
    keeps_modes = True
    keeps_links = True
    #: whether a version can be put into a file of its own
    bundles = True
    #: whether commits are made in this machine's copy, and known elsewhere only later
    is_distributed = True
    #: whether the current version and changes are told without the system's program, too
    works_without_program = False
    #: what the user calls the version before the current one, if the system has a word for it
    previous: str | None = None
    #: who commits in these tests; empty where the system decides
    author = "Ada Example <ada@example.org>"

    @abstractmethod
    def make(self, folder: Path) -> None:
        """Make the folder *folder*, which is there and empty, a working copy without a commit."""

    @abstractmethod
    def commit(self, folder: Path) -> None:
        """Put every file that isn't ignored under version control, forget those that are gone, and commit."""

    @abstractmethod
    def add(self, folder: Path, path: str) -> None:
        """Put the file *path* under version control, without a commit."""

    @abstractmethod
    def ignore(self, folder: Path, pattern: str) -> None:
        """Have files whose names match the shell pattern *pattern* ignored."""

    def copied(self, original: Path, folder: Path) -> None:  # noqa: B027  most have nothing to do
        """Have *folder*, a copy of *original* with all that lies beside it, follow nothing that lies there."""

    def tag(self, folder: Path, name: str) -> bool:
        """Call the current version *name* in a way that `WorkingCopy.resolve` is to understand, if there is one."""
        return False

    def publish(self, folder: Path, elsewhere: Path) -> None:
        """Send all commits to the repository *elsewhere*, which is made if need be, and have *folder* follow it."""
        raise NotImplementedError

    def address(self, folder: Path) -> str:
        """Return the URL or path from which *folder* can be checked out."""
        return str(folder)


class WorkingCopyContract:
    """Inherit, give a fixture *system* (a `System`), and every promise is tested."""

    @pytest.fixture
    def folder(self, system: System, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A working copy with one commit of four files: made once, and copied, because some systems take their time."""
        made = _MADE.get(type(system))
        if made is None:
            made = _MADE[type(system)] = tmp_path_factory.getbasetemp() / f"made-by-{type(system).__name__}"
            self._make(system, made / "model")
        shutil.copytree(made, tmp_path, symlinks=True, dirs_exist_ok=True)
        system.copied(made / "model", tmp_path / "model")
        return tmp_path / "model"

    def _make(self, system: System, folder: Path) -> None:
        (folder / "one").mkdir(parents=True)
        (folder / "two").mkdir()
        system.make(folder)
        (folder / "main.py").write_bytes(b"print(1)\n")
        (folder / "one" / "a.txt").write_bytes(b"first\n")
        (folder / "two" / "a.txt").write_bytes(b"second\n")
        (folder / "data.bin").write_bytes(b"\x00\r\n\xff\n")
        system.commit(folder)

    @pytest.fixture
    def copy(self, system: System, folder: Path) -> WorkingCopy:
        return system.backend.create(str(folder))

    # What it is

    def test_the_repository_is_told(self, copy: WorkingCopy, folder: Path) -> None:
        repository = copy.repository()
        assert (repository.type, repository.root) == (copy.name, str(folder))
        assert repository.url

    def test_a_folder_that_is_no_working_copy_is_an_error(self, system: System, tmp_path: Path) -> None:
        (tmp_path / "plain").mkdir()
        with pytest.raises(VersionControlError):
            system.backend.create(str(tmp_path / "plain"))

    def test_an_empty_marker_is_an_error_in_one_sentence(self, system: System, tmp_path: Path) -> None:
        (tmp_path / "broken" / system.marker).mkdir(parents=True)
        with pytest.raises(VersionControlError) as caught:
            system.backend.create(str(tmp_path / "broken")).status()
        assert "\n" not in caught.value.message
        assert str(tmp_path / "broken") in caught.value.message

    def test_a_broken_working_copy_inside_another_is_not_taken_for_that(self, system: System, folder: Path) -> None:
        (folder / "inner" / system.marker).mkdir(parents=True)
        with pytest.raises(VersionControlError):
            system.backend.create(str(folder / "inner")).status()

    def test_without_its_program_there_is_a_sentence(
        self, system: System, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = system.backend.create(str(folder)).status()
        monkeypatch.setenv("PATH", str(folder))
        monkeypatch.setattr(sys, "executable", str(folder / "python"))  # programs may lie beside it
        if system.works_without_program:
            assert system.backend.create(str(folder)).status() == expected
            return
        with pytest.raises(VersionControlError) as caught:
            system.backend.create(str(folder)).status()
        assert caught.value.hint

    def test_there_is_no_version_before_the_first_commit(self, system: System, tmp_path: Path) -> None:
        folder = tmp_path / "new"
        folder.mkdir()
        system.make(folder)
        copy = system.backend.create(str(folder))
        assert copy.version() is None
        assert not copy.has_changed()
        assert copy.diff() == ""
        (folder / "x.py").write_text("1\n")
        assert copy.changed_paths() == ["x.py"]
        system.add(folder, "x.py")
        assert [(change.path, change.kind) for change in copy.status().changed] == [("x.py", "added")]
        assert "+1" in copy.diff()
        with pytest.raises(VersionControlError):
            copy.content("x.py")
        assert copy.is_pushed() is None
        for ask in (copy.revision, lambda: copy.resolve("0" * 40), lambda: copy.difference("x", "y")):
            with pytest.raises(VersionControlError):
                ask()
        digest, content = kept(b"1\n")
        notes = copy.export(None, [Change("x.py", "added", "100644", digest)], str(tmp_path / "built"), content)
        assert notes == ()
        assert files_below(tmp_path / "built") == {"x.py": (0o100644, b"1\n")}

    def test_a_commit_changes_the_version(self, system: System, copy: WorkingCopy, folder: Path) -> None:
        before = copy.version()
        assert before == copy.version()
        (folder / "main.py").write_text("print(2)\n")
        assert copy.version() == before
        system.commit(folder)
        assert copy.version() not in (None, before)
        assert copy.status().version == copy.version()

    # What has changed

    def test_a_fresh_copy_is_clean(self, copy: WorkingCopy) -> None:
        status = copy.status()
        assert (status.changed, status.notes) == ((), ())
        assert not copy.has_changed()
        assert copy.diff() == ""

    def test_each_kind_of_change_is_told(self, system: System, copy: WorkingCopy, folder: Path) -> None:
        (folder / "main.py").write_text("print(2)\n")
        (folder / "one" / "a.txt").unlink()
        (folder / "new.py").write_text("new\n")
        system.add(folder, "new.py")
        (folder / "notes").mkdir()
        (folder / "notes" / "x.txt").write_text("x\n")
        assert set(copy.status().changed) == {
            ChangedFile("main.py", "modified", "100644"),
            ChangedFile("one/a.txt", "deleted"),
            ChangedFile("new.py", "added", "100644"),
            ChangedFile("notes/x.txt", "untracked", "100644"),
        }
        assert copy.has_changed()

    def test_untracked_files_are_left_out_where_they_are_not_asked_for(self, copy: WorkingCopy, folder: Path) -> None:
        (folder / "x.txt").write_text("x\n")
        assert copy.status(untracked=False).changed == ()
        assert not copy.has_changed()
        assert copy.status().changed

    def test_ignored_files_are_not_listed(self, system: System, copy: WorkingCopy, folder: Path) -> None:
        system.ignore(folder, "*.out")
        system.commit(folder)
        (folder / "spikes.out").write_text("1\n")
        (folder / "results").mkdir()
        (folder / "results" / "spikes.out").write_text("1\n")
        assert copy.status().changed == ()

    def test_sumatras_own_folder_is_no_change(self, copy: WorkingCopy, folder: Path) -> None:
        for place in (folder, folder / "one"):
            (place / ".smt").mkdir()
            (place / ".smt" / "key").write_text("x\n")
            (place / ".smt" / ".gitignore").write_text("*\n")  # as smt init writes it
        assert copy.status().changed == ()
        (folder / "main.py").write_bytes(b"print(3)\n")  # of the same size
        assert copy.changed_paths() == ["main.py"]

    def test_a_new_time_stamp_is_not_a_change(self, copy: WorkingCopy, folder: Path) -> None:
        os.utime(folder / "main.py", (1_000_000_000, 1_000_000_000))
        assert copy.status().changed == ()
        assert copy.diff() == ""

    def test_a_change_that_keeps_the_size_is_seen(self, copy: WorkingCopy, folder: Path) -> None:
        (folder / "main.py").write_bytes(b"print(9)\n")
        assert copy.changed_paths() == ["main.py"]

    def test_strange_names_come_back_as_they_are(self, system: System, copy: WorkingCopy, folder: Path) -> None:
        names = set(system.strange_names)
        for name in names:
            (folder / name).write_text("1\n")
        assert set(copy.changed_paths(["untracked"])) == names
        system.commit(folder)
        assert copy.status().changed == ()
        for name in names:
            (folder / name).write_text("2\n")
            assert copy.content(name) == b"1\n"
            assert copy.contains(name)
            assert copy.contains(str(folder / name))
        assert set(copy.changed_paths(["modified"])) == names
        for name in names:
            (folder / name).unlink()
        assert set(copy.changed_paths(["deleted"])) == names

    def test_a_file_that_can_be_executed_now_has_changed(
        self, system: System, copy: WorkingCopy, folder: Path
    ) -> None:
        if not system.keeps_modes:
            pytest.skip(f"{copy.name} doesn't keep the modes of files")
        (folder / "main.py").chmod(0o755)
        assert copy.status().changed == (ChangedFile("main.py", "modified", "100755"),)

    def test_a_link_is_told_by_where_it_points_to(self, system: System, copy: WorkingCopy, folder: Path) -> None:
        if not system.keeps_links:
            pytest.skip(f"{copy.name} doesn't keep symbolic links")
        (folder / "link").symlink_to("main.py")
        assert copy.status().changed == (ChangedFile("link", "untracked", "120000"),)
        system.commit(folder)
        (folder / "main.py").write_text("print(2)\n")
        assert copy.changed_paths() == ["main.py"]
        assert copy.content("link") == b"main.py"
        (folder / "link").unlink()
        (folder / "link").symlink_to("data.bin")
        assert ChangedFile("link", "modified", "120000") in copy.status().changed

    def test_a_link_to_a_folder_is_not_followed(self, system: System, copy: WorkingCopy, folder: Path) -> None:
        outside = folder.parent / "outside"
        outside.mkdir()
        (outside / "x.txt").write_text("x\n")
        (folder / "link").symlink_to(outside)
        assert [change.path for change in copy.status().changed] == ["link"]

    def test_the_patch_has_the_lines_that_changed(self, copy: WorkingCopy, folder: Path) -> None:
        (folder / "main.py").write_text("print(2)\n")
        (folder / "data.bin").write_bytes(b"\x00\x01\x02")
        (folder / "untracked.py").write_text("print(3)\n")
        patch = copy.diff()
        assert "-print(1)\n+print(2)\n" in patch
        assert "data.bin" in patch
        assert "print(3)" not in patch

    def test_a_patch_of_text_that_is_not_utf8_is_text(self, copy: WorkingCopy, folder: Path) -> None:
        (folder / "main.py").write_bytes(b"# caf\xe9\n")
        assert "# caf\ufffd" in copy.diff()

    # What was in it

    def test_content_is_told_byte_for_byte(self, copy: WorkingCopy, folder: Path) -> None:
        (folder / "data.bin").write_bytes(b"changed")
        assert copy.content("data.bin") == b"\x00\r\n\xff\n"

    def test_content_of_an_older_version_is_found(self, system: System, copy: WorkingCopy, folder: Path) -> None:
        older = copy.version()
        (folder / "main.py").write_text("print(2)\n")
        (folder / "one" / "a.txt").unlink()
        system.commit(folder)
        assert copy.content("main.py", older) == b"print(1)\n"
        assert copy.content("main.py") == b"print(2)\n"
        assert copy.content("one/a.txt", older) == b"first\n"

    def test_files_of_one_name_in_two_folders_are_two(self, copy: WorkingCopy) -> None:
        assert (copy.content("one/a.txt"), copy.content("two/a.txt")) == (b"first\n", b"second\n")

    @pytest.mark.parametrize("path", ["nothing.py", "a.txt", "one", "../model/main.py", "", "main.py/x", "x\0y"])
    def test_content_that_is_not_there_is_an_error(self, copy: WorkingCopy, path: str) -> None:
        with pytest.raises(VersionControlError):
            copy.content(path)

    @pytest.mark.parametrize("version", ["no-such-version", "--output=/tmp/x", "-x", "0" * 40, "a b", "x\0y"])
    def test_a_version_that_is_not_there_is_an_error(self, copy: WorkingCopy, version: str) -> None:
        with pytest.raises(VersionControlError):
            copy.content("main.py", version)

    def test_what_is_under_version_control_is_known(self, copy: WorkingCopy, folder: Path) -> None:
        (folder / "untracked.py").write_text("x\n")
        assert copy.contains("main.py")
        assert copy.contains("one/a.txt")
        assert copy.contains(str(folder / "two" / "a.txt"))
        for path in ("untracked.py", "a.txt", "one", "nothing", ".", "..", "/etc/passwd", "*.py", "MAIN.PY", "x\0y"):
            assert not copy.contains(path), path

    def test_a_file_is_known_through_a_link_to_the_root(self, system: System, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "short").symlink_to(folder)
        copy = system.backend.create(str(tmp_path / "short"))
        assert copy.status().changed == ()
        assert copy.contains(str(tmp_path / "short" / "main.py"))
        assert copy.contains(str(folder / "main.py"))

    def test_the_user_is_told(self, copy: WorkingCopy) -> None:
        assert isinstance(copy.user(), str)

    # Versions

    def test_a_version_is_known_by_its_name(self, system: System, copy: WorkingCopy, folder: Path) -> None:
        version = copy.version()
        assert version is not None
        assert copy.resolve(version) == version
        tagged = system.tag(folder, "v1.0")
        (folder / "main.py").write_text("print(2)\n")
        system.commit(folder)
        assert copy.resolve(version) == version != copy.version()
        if tagged:
            assert copy.resolve("v1.0") == version
            assert copy.content("main.py", "v1.0") == b"print(1)\n"
        if system.previous:
            assert copy.resolve(system.previous) == version
            assert copy.content("main.py", system.previous) == b"print(1)\n"

    _NO_VERSIONS = (
        "", "-", "-x", "--help", "--output=trace", "no such version", "x\0y", "a..b", "a:b", "x\ny", "caf\udce9",
        "0" * 40, "$(touch trace)", "all()", "@{-1}", ":/first", "*", "x" * 3000,
    )

    def test_what_names_no_version_is_an_error_in_one_sentence(self, copy: WorkingCopy, folder: Path) -> None:
        before = fingerprint(folder)
        deeds = (
            copy.resolve, copy.revision, copy.is_pushed, lambda name: copy.difference(name, name),
            lambda name: copy.export(name, [], str(folder.parent / "built"), no_content),
        )
        for name, ask in itertools.product(self._NO_VERSIONS, deeds):
            if name or ask not in (copy.revision, copy.is_pushed):
                with pytest.raises(VersionControlError) as caught:
                    print(repr(name), ask(name))  # shown where it isn't refused
                assert "\n" not in caught.value.message
        assert fingerprint(folder) == before
        assert files_below(folder.parent / "built") == {}

    def test_who_made_a_version_when_and_why_is_told(self, system: System, copy: WorkingCopy, folder: Path) -> None:
        revision = copy.revision()
        assert revision.version == copy.version()
        assert revision.message
        assert system.author in ("", revision.author)
        assert revision.date is not None
        assert abs(datetime.now(UTC) - revision.date) < timedelta(hours=1)
        (folder / "main.py").write_text("print(2)\n")
        system.commit(folder)
        assert copy.revision(revision.version) == revision
        assert copy.revision().version == copy.version() != revision.version

    def test_what_differs_between_two_versions_is_a_patch(
        self, system: System, copy: WorkingCopy, folder: Path
    ) -> None:
        one = copy.version() or ""
        (folder / "main.py").write_text("print(2)\n")
        (folder / "two words.py").write_text("new\n")
        (folder / "data.bin").write_bytes(b"\x00\x01\x02")
        (folder / "two" / "a.txt").unlink()
        system.commit(folder)
        (folder / "main.py").write_text("not committed\n")
        other = copy.version() or ""
        patch = copy.difference(one, other)
        assert "-print(1)\n+print(2)\n" in patch
        assert "+new\n" in patch
        assert "two words.py" in patch
        assert "-second\n" in patch
        assert "data.bin" in patch
        assert "first" not in patch
        assert "not committed" not in patch
        assert "-print(2)\n+print(1)\n" in copy.difference(other, one)
        assert copy.difference(one, one) == ""

    def test_whether_a_version_is_known_elsewhere_is_told(
        self, system: System, copy: WorkingCopy, folder: Path, tmp_path: Path
    ) -> None:
        if not system.is_distributed:
            assert copy.is_pushed()
            return
        assert copy.is_pushed() is None
        system.publish(folder, tmp_path / "elsewhere")
        copy = system.backend.create(str(folder))
        first = copy.version()
        assert copy.is_pushed() is True
        (folder / "main.py").write_text("print(2)\n")
        system.commit(folder)
        assert copy.is_pushed() is False
        assert copy.is_pushed(first) is True
        assert copy.is_pushed(copy.version()) is False
        system.publish(folder, tmp_path / "elsewhere")
        assert copy.is_pushed() is True

    # Bringing it back

    def test_a_version_is_built_in_a_folder_of_ours(
        self, system: System, copy: WorkingCopy, folder: Path, tmp_path: Path
    ) -> None:
        (folder / "two words.py").write_text("print(3)\n")
        (folder / "run.sh").write_text("#!/bin/sh\n")
        (folder / "run.sh").chmod(0o755 if system.keeps_modes else 0o644)
        (folder / "deep" / "er").mkdir(parents=True)
        (folder / "deep" / "er" / "empty").write_bytes(b"")
        if system.keeps_links:
            (folder / "deep" / "link").symlink_to("../one/a.txt")
            (folder / "nowhere").symlink_to("/no/such/place")
        system.commit(folder)
        expected = files_below(folder, system.marker)
        (folder / "main.py").write_text("print('not committed')\n")
        (folder / "untracked.py").write_text("x\n")
        before = fingerprint(folder)
        assert copy.export(copy.version(), [], str(tmp_path / "built"), no_content) == ()
        assert files_below(tmp_path / "built") == expected
        assert fingerprint(folder) == before

    def test_an_older_version_is_built_as_it_was(
        self, system: System, copy: WorkingCopy, folder: Path, tmp_path: Path
    ) -> None:
        older, expected = copy.version(), files_below(folder, system.marker)
        (folder / "main.py").write_text("print(2)\n")
        shutil.rmtree(folder / "one")
        (folder / "one").write_text("a file now\n")
        system.commit(folder)
        assert copy.export(older, [], str(tmp_path / "built"), no_content) == ()
        assert files_below(tmp_path / "built") == expected

    def test_changes_are_put_upon_a_version(
        self, system: System, copy: WorkingCopy, folder: Path, tmp_path: Path
    ) -> None:
        """Binary ones too, twice, and where two files have one name: Sumatra 0.8 could do none of these."""
        (folder / "main.py").write_text("print(2)\n")
        (folder / "data.bin").write_bytes(b"\x00\xff\r\n\x00")
        (folder / "two" / "a.txt").write_text("changed\n")
        (folder / "one" / "a.txt").unlink()
        (folder / "one").rmdir()
        (folder / "one").write_text("a file now\n")
        (folder / "new folder").mkdir()
        (folder / "new folder" / "new file.py").write_text("new\n")
        if system.keeps_modes:
            (folder / "new folder" / "new file.py").chmod(0o755)
        if system.keeps_links:
            (folder / "link").symlink_to("main.py")
        changes, content = kept_changes(copy)
        expected = files_below(folder, system.marker)
        before = fingerprint(folder)
        for name in ("built", "built again"):
            assert copy.export(copy.version(), changes, str(tmp_path / name), content) == ()
            assert files_below(tmp_path / name) == expected
        assert fingerprint(folder) == before

    def test_strange_names_are_built_as_they_are(
        self, system: System, copy: WorkingCopy, folder: Path, tmp_path: Path
    ) -> None:
        for number, name in enumerate(system.strange_names):
            (folder / name).write_text("1\n")
            if number == len(system.strange_names) // 2:
                system.commit(folder)
        changes, content = kept_changes(copy)
        copy.export(copy.version(), changes, str(tmp_path / "built"), content)
        assert files_below(tmp_path / "built") == files_below(folder, system.marker)

    def test_a_file_that_was_not_kept_is_left_out_and_named(self, copy: WorkingCopy, tmp_path: Path) -> None:
        changes = [Change("main.py", "modified", "100644", None, 10**9), Change("one/a.txt", "deleted")]
        notes = copy.export(copy.version(), changes, str(tmp_path / "built"), no_content)
        assert set(files_below(tmp_path / "built")) == {"two/a.txt", "data.bin"}
        assert len(notes) == 1
        assert "main.py" in notes[0]

    @pytest.mark.parametrize("held", [None, b"something else"])
    def test_content_that_is_gone_or_damaged_is_an_error_and_nothing_is_written(
        self, copy: WorkingCopy, tmp_path: Path, held: bytes | None
    ) -> None:
        def content(digest: str) -> bytes:
            if held is None:
                raise FileNotFoundError(digest)
            return held

        change = Change("main.py", "modified", "100644", digest_bytes(b"print(2)\n"))
        with pytest.raises(VersionControlError) as caught:
            copy.export(copy.version(), [change], str(tmp_path / "built"), content)
        assert "main.py" in caught.value.message
        assert files_below(tmp_path / "built") == {}

    def test_a_version_is_built_in_an_empty_folder_only(self, copy: WorkingCopy, tmp_path: Path) -> None:
        (tmp_path / "built").mkdir()
        (tmp_path / "built" / "thesis.tex").write_text("years of work")
        with pytest.raises(VersionControlError):
            copy.export(copy.version(), [], str(tmp_path / "built"), no_content)
        assert files_below(tmp_path / "built") == {"thesis.tex": (0o100644, b"years of work")}

    def test_names_that_lead_out_are_refused_and_nothing_is_written(self, copy: WorkingCopy, tmp_path: Path) -> None:
        before = fingerprint(tmp_path)
        digest, content = kept(b"evil")
        for path in LEADING_OUT:
            change = Change(path, "untracked", "100644", digest)
            with pytest.raises(VersionControlError) as caught:
                print(repr(path), copy.export(copy.version(), [change], str(tmp_path / "built"), content))
            assert "\n" not in caught.value.message
            assert files_below(tmp_path / "built") == {}
        shutil.rmtree(tmp_path / "built", ignore_errors=True)
        assert {path: facts for path, facts in fingerprint(tmp_path).items() if not path.endswith("/.")} == {
            path: facts for path, facts in before.items() if not path.endswith("/.")
        }

    def test_a_link_that_is_written_is_not_gone_through(self, copy: WorkingCopy, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        digest, content = kept(os.fsencode(outside))
        changes = [Change("a", "untracked", "120000", digest), Change("a/b", "untracked", "100644", digest)]
        for order in (changes, changes[::-1]):
            with pytest.raises(VersionControlError):
                copy.export(copy.version(), order, str(tmp_path / "built"), content)
        assert list(outside.iterdir()) == []

    def test_a_version_is_put_into_a_file_and_restored(
        self, system: System, copy: WorkingCopy, folder: Path, tmp_path: Path
    ) -> None:
        if not system.bundles:
            with pytest.raises(VersionControlError):
                copy.bundle(copy.version() or "", str(tmp_path / "bundle"))
            with pytest.raises(VersionControlError):
                type(copy).unbundle(str(tmp_path / "bundle"), "1", str(tmp_path / "restored"))
            return
        older, expected = copy.version() or "", files_below(folder, system.marker)
        (folder / "main.py").write_text("print(2)\n")
        system.commit(folder)
        before = fingerprint(folder)
        for name, version in (("older", older), ("newer", copy.version() or "")):
            copy.bundle(version, str(tmp_path / name))
        assert fingerprint(folder) == before
        with pytest.raises(VersionControlError):  # it is there already
            copy.bundle(older, str(tmp_path / "older"))
        newer = files_below(folder, system.marker), copy.version() or ""
        shutil.rmtree(folder)
        for name, (files, version) in (("older", (expected, older)), ("newer", newer)):
            restored = system.backend.unbundle(str(tmp_path / name), version, str(tmp_path / f"{name} restored"))
            assert restored.version() == version
            assert files_below(tmp_path / f"{name} restored", system.marker) == files
            assert restored.status().changed == ()
            assert restored.revision(older).message
            assert restored.export(older, [], str(tmp_path / f"{name} built"), no_content) == ()
            assert files_below(tmp_path / f"{name} built") == expected

    def test_what_is_no_bundle_is_an_error_and_leaves_nothing(
        self, system: System, copy: WorkingCopy, tmp_path: Path
    ) -> None:
        version = copy.version() or ""
        (tmp_path / "text").write_text("not a bundle\n")
        for bundle, wanted in (("text", version), ("nothing", version), ("text", "-x"), ("text", "0" * 40)):
            with pytest.raises(VersionControlError) as caught:
                system.backend.unbundle(str(tmp_path / bundle), wanted, str(tmp_path / "restored"))
            assert "\n" not in caught.value.message
            assert files_below(tmp_path / "restored") == {}
        if system.bundles:
            copy.bundle(version, str(tmp_path / "bundle"))
            with pytest.raises(VersionControlError):
                system.backend.unbundle(str(tmp_path / "bundle"), "1" * len(version), str(tmp_path / "restored"))
            assert files_below(tmp_path / "restored") == {}

    # Making one

    def test_a_checkout_has_the_same_files_and_version(
        self, system: System, copy: WorkingCopy, folder: Path, tmp_path: Path
    ) -> None:
        made = system.backend.checkout(system.address(folder), str(tmp_path / "made"))
        assert made.root == str(tmp_path / "made")
        assert made.version() == copy.version()
        assert made.status().changed == ()
        assert (tmp_path / "made" / "data.bin").read_bytes() == b"\x00\r\n\xff\n"

    def test_a_checkout_goes_into_an_empty_folder_only(self, system: System, folder: Path, tmp_path: Path) -> None:
        target = tmp_path / "made"
        target.mkdir()
        (target / "thesis.tex").write_text("years of work")
        with pytest.raises(VersionControlError):
            system.backend.checkout(system.address(folder), str(target))
        assert [path.name for path in target.iterdir()] == ["thesis.tex"]
        (target / "thesis.tex").unlink()
        system.backend.checkout(system.address(folder), str(target))

    @pytest.mark.parametrize("url", ["/no/such/place", "--help", "-x", "", "ext::sh -c 'touch x'", "x\0y", "no such"])
    def test_what_is_no_repository_cannot_be_checked_out(self, system: System, tmp_path: Path, url: str) -> None:
        with pytest.raises(VersionControlError) as caught:
            system.backend.checkout(url, str(tmp_path / "made"))
        assert "\n" not in caught.value.message
        assert list(tmp_path.rglob("*")) == []

    def test_a_password_is_not_repeated_in_an_error(self, system: System, tmp_path: Path) -> None:
        with pytest.raises(VersionControlError) as caught:
            system.backend.checkout("http://ada:hunter2@127.0.0.1:1/model?token=hunter2", str(tmp_path / "made"))
        assert "hunter2" not in f"{caught.value} {caught.value.hint}"

    # Leaving things alone

    @pytest.mark.parametrize("look", [
        lambda copy: copy.status(),
        lambda copy: copy.status(untracked=False),
        lambda copy: copy.diff(),
        lambda copy: copy.repository(),
        lambda copy: copy.content("main.py"),
        lambda copy: copy.contains("main.py"),
        lambda copy: copy.user(),
        lambda copy: (copy.has_changed(), copy.version(), copy.changed_paths()),
        lambda copy: type(copy).create(copy.root),
        lambda copy: copy.resolve(copy.version() or ""),
        lambda copy: copy.revision(),
        lambda copy: copy.difference(copy.version() or "", copy.version() or ""),
        lambda copy: copy.is_pushed(),
        lambda copy: copy.export(copy.version(), [], os.path.join(os.path.dirname(copy.root), "built"), no_content),
        lambda copy: bundled(copy, os.path.join(os.path.dirname(copy.root), "bundle")),
    ], ids=["status", "tracked", "diff", "repository", "content", "contains", "user", "gifts", "create", "resolve",
            "revision", "difference", "is_pushed", "export", "bundle"])
    def test_looking_leaves_no_trace(
        self, system: System, copy: WorkingCopy, folder: Path, look: Callable[[WorkingCopy], Any]
    ) -> None:
        (folder / "main.py").write_text("print(2)\n")
        (folder / "x.txt").write_text("x\n")
        os.utime(folder / "data.bin", (1_000_000_000, 1_000_000_000))
        before = fingerprint(folder)
        look(copy)
        assert fingerprint(folder) == before

    def test_a_folder_that_cannot_be_written_is_looked_at_all_the_same(
        self, system: System, copy: WorkingCopy, folder: Path
    ) -> None:
        (folder / "main.py").write_text("print(2)\n")
        (folder / system.marker).chmod(0o555)
        folder.chmod(0o555)
        try:
            assert copy.changed_paths() == ["main.py"]
        finally:
            folder.chmod(0o755)
            (folder / system.marker).chmod(0o755)

    def test_a_copy_that_was_moved_is_read_where_it_is(self, system: System, folder: Path, tmp_path: Path) -> None:
        shutil.move(folder, tmp_path / "moved")
        assert system.backend.create(str(tmp_path / "moved")).status().changed == ()


def no_content(digest: str) -> bytes:
    """Stand for a content store that isn't to be asked."""
    raise AssertionError(digest)


def bundled(copy: WorkingCopy, path: str) -> None:
    """Bundle the current version, if the system can do that at all."""
    try:
        copy.bundle(copy.version() or "", path)
    except VersionControlError:
        pass


def kept(*contents: bytes) -> tuple[str, Callable[[str], bytes]]:
    """Return the digest of the first of *contents*, and what finds each by its digest."""
    found = {digest_bytes(content): content for content in contents}
    return next(iter(found)), found.__getitem__


def kept_changes(copy: WorkingCopy) -> tuple[list[Change], Callable[[str], bytes]]:
    """Return the changes of a working copy as records have them, and what finds their content."""
    changes, found = [], {}
    for change in copy.status().changed:
        if change.mode is None:
            changes.append(Change(change.path, change.kind))
            continue
        path = os.path.join(copy.root, change.path)
        content = os.fsencode(os.readlink(path)) if change.mode == "120000" else Path(path).read_bytes()
        found[digest_bytes(content)] = content
        changes.append(Change(change.path, change.kind, change.mode, digest_bytes(content), len(content)))
    return changes, found.__getitem__


def files_below(folder: Path, *without: str) -> dict[str, tuple[int, bytes]]:
    """Return mode (links: none of it) and content of all files and links below *folder*, by relative path."""
    found = {}
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in without]
        for name in [*names, *(name for name in folders if os.path.islink(os.path.join(here, name)))]:
            path = os.path.join(here, name)
            if name not in without and not os.path.islink(path):
                found[os.path.relpath(path, folder)] = (os.lstat(path).st_mode, Path(path).read_bytes())
            elif name not in without:
                found[os.path.relpath(path, folder)] = (0o120000, os.fsencode(os.readlink(path)))
    return found


def fingerprint(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Return mode, time of change (of folders too) and content of everything below *folder*."""
    found = {}
    for here, folders, names in os.walk(folder):
        for name in [".", *folders, *names]:
            path = os.path.join(here, name)
            facts = os.lstat(path)
            content = b""
            if os.path.islink(path):
                content = os.fsencode(os.readlink(path))
            elif name in names:
                content = Path(path).read_bytes()
            found[path] = (facts.st_mode, facts.st_mtime_ns, hashlib.sha256(content).hexdigest())
    return found
