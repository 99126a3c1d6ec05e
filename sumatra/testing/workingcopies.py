"""What every version-control system promises, as tests."""

import hashlib
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sumatra.errors import VersionControlError
from sumatra.versioncontrol.base import ChangedFile, WorkingCopy

__all__ = ["System", "WorkingCopyContract", "fingerprint"]

#: Names that programs stumble over; the last isn't UTF-8.
STRANGE_NAMES = (
    "two words.py", "quote'd \"name\".py", "-rf", "--help", "new\nline.py", "tab\tbed.py", "back\\slash.py", "*.py",
    ":(top)x", "é.py", "$(touch x)", "#x", " ", "caf\udce9.py",
)


class System(ABC):
    """How the tests make working copies of one version-control system, with its own program."""

    backend: type[WorkingCopy]
    #: what lies in the top folder of a working copy
    marker: str
    #: those of `STRANGE_NAMES` that it can keep
    strange_names: tuple[str, ...] = STRANGE_NAMES
    keeps_modes = True
    keeps_links = True

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

    def address(self, folder: Path) -> str:
        """Return the URL or path from which *folder* can be checked out."""
        return str(folder)


class WorkingCopyContract:
    """Inherit, give a fixture *system* (a `System`), and every promise is tested."""

    @pytest.fixture
    def folder(self, system: System, tmp_path: Path) -> Path:
        """A working copy with one commit of four files."""
        folder = tmp_path / "model"
        (folder / "one").mkdir(parents=True)
        (folder / "two").mkdir()
        system.make(folder)
        (folder / "main.py").write_bytes(b"print(1)\n")
        (folder / "one" / "a.txt").write_bytes(b"first\n")
        (folder / "two" / "a.txt").write_bytes(b"second\n")
        (folder / "data.bin").write_bytes(b"\x00\r\n\xff\n")
        system.commit(folder)
        return folder

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
        monkeypatch.setenv("PATH", str(folder))
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
    ], ids=["status", "tracked", "diff", "repository", "content", "contains", "user", "gifts", "create"])
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
