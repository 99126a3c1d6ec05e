"""Our version-control systems keep what every one of them promises."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sumatra.errors import VersionControlError
from sumatra.testing.workingcopies import STRANGE_NAMES, System, WorkingCopyContract
from sumatra.versioncontrol._bazaar import BazaarWorkingCopy
from sumatra.versioncontrol._git import GitWorkingCopy
from sumatra.versioncontrol._mercurial import MercurialWorkingCopy
from sumatra.versioncontrol._perforce import PerforceWorkingCopy
from sumatra.versioncontrol._subversion import SubversionWorkingCopy


class Git(System):
    backend = GitWorkingCopy
    marker = ".git"
    previous = "HEAD~1"

    def make(self, folder: Path) -> None:
        self.git(folder, "init", "--quiet")

    def commit(self, folder: Path) -> None:
        self.git(folder, "add", "--all")
        self.git(folder, "commit", "--quiet", "--message", "more")

    def add(self, folder: Path, path: str) -> None:
        self.git(folder, "add", "--", path)

    def ignore(self, folder: Path, pattern: str) -> None:
        (folder / ".gitignore").write_text(pattern + "\n")

    def tag(self, folder: Path, name: str) -> bool:
        self.git(folder, "tag", name)
        return True

    def publish(self, folder: Path, elsewhere: Path) -> None:
        if not elsewhere.exists():
            self.git(folder, "clone", "--quiet", "--bare", str(folder), str(elsewhere))
            self.git(folder, "remote", "add", "origin", str(elsewhere))
        self.git(folder, "push", "--quiet", "--set-upstream", "origin", "HEAD")

    def git(self, folder: Path, *words: str) -> None:
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, timeout=60)


@pytest.mark.needs("git")
class TestGit(WorkingCopyContract):

    @pytest.fixture
    def system(self) -> System:
        return Git()


class Mercurial(System):
    backend = MercurialWorkingCopy
    marker = ".hg"
    previous = ".~1"
    strange_names = tuple(name for name in STRANGE_NAMES if "\n" not in name)

    def make(self, folder: Path) -> None:
        self.hg(folder, "init")

    def commit(self, folder: Path) -> None:
        self.hg(folder, "commit", "--addremove", "--message", "more")

    def add(self, folder: Path, path: str) -> None:
        self.hg(folder, "add", "--quiet", "--", f"path:{path}")

    def ignore(self, folder: Path, pattern: str) -> None:
        (folder / ".hgignore").write_text(f"syntax: glob\n{pattern}\n")

    def tag(self, folder: Path, name: str) -> bool:
        self.hg(folder, "tag", "--local", name)
        return True

    def publish(self, folder: Path, elsewhere: Path) -> None:
        if not elsewhere.exists():
            self.hg(folder, "init", str(elsewhere))
            (folder / ".hg" / "hgrc").write_text(f"[paths]\ndefault = {elsewhere}\n")
        self.hg(folder, "push", "--quiet")

    def hg(self, folder: Path, *words: str) -> None:
        environment = {**os.environ, "HGUSER": self.author, "HGPLAIN": "1"}
        subprocess.run(["hg", *words], cwd=folder, env=environment, check=True, capture_output=True, timeout=60)


@pytest.mark.needs("hg")
class TestMercurial(WorkingCopyContract):

    @pytest.fixture
    def system(self) -> System:
        return Mercurial()


STAND_IN = Path(__file__).parent.parent / "programs" / "perforce" / "p4"


class Perforce(System):
    """With a stand-in for p4 and its server: see ``test/programs/perforce/p4`` for what that is, and isn't."""

    backend = PerforceWorkingCopy
    marker = ".p4config"
    strange_names = tuple(name for name in STRANGE_NAMES if "\n" not in name)
    bundles = False
    is_distributed = False

    def make(self, folder: Path) -> None:
        depot = folder.parent / ".p4-stand-in"
        if not depot.exists():
            (depot / "content").mkdir(parents=True)
            (depot / "state.json").write_text(json.dumps({"changes": {}, "clients": {}, "labels": {}, "step": 7}))
        (folder / ".p4config").write_text(f"P4PORT=localhost:1666\nP4CLIENT={folder.name}\nP4USER=ada\n")
        self.p4(folder, "client", "-i", form=(
            f"Client: {folder.name}\n\nRoot: {folder.name}\n\nOptions: allwrite\n\n"
            f"View:\n\t//depot/model/... //{folder.name}/...\n"
        ))

    def commit(self, folder: Path) -> None:
        self.p4(folder, "reconcile")
        self.p4(folder, "submit", "-d", "more")

    def add(self, folder: Path, path: str) -> None:
        self.p4(folder, "add", path)

    def ignore(self, folder: Path, pattern: str) -> None:
        (folder / ".p4ignore").write_text(pattern + "\n")

    def tag(self, folder: Path, name: str) -> bool:
        self.p4(folder, "tag", "-l", name)
        return True

    def address(self, folder: Path) -> str:
        return "p4://localhost:1666/depot/model"

    def p4(self, folder: Path, *words: str, form: str = "") -> None:
        environment = {**os.environ, "P4CONFIG": ".p4config"}
        subprocess.run([STAND_IN, *words], cwd=folder, env=environment, input=form.encode(), check=True, timeout=60)


class TestPerforce(WorkingCopyContract):

    @pytest.fixture
    def system(self, monkeypatch: pytest.MonkeyPatch) -> System:
        monkeypatch.setenv("PATH", str(STAND_IN.parent), prepend=os.pathsep)
        return Perforce()

    def test_a_copy_that_was_moved_is_read_where_it_is(self, system: System, folder: Path, tmp_path: Path) -> None:
        """It can't be: the server knows where the workspace is.  It isn't taken for another, and that is said."""
        shutil.move(folder, tmp_path / "moved")
        with pytest.raises(VersionControlError) as caught:
            system.backend.create(str(tmp_path / "moved"))
        assert str(folder) in caught.value.message


class Bazaar(System):
    backend = BazaarWorkingCopy
    marker = ".bzr"
    previous = "last:2"
    strange_names = tuple(name for name in STRANGE_NAMES if "\n" not in name and "\udce9" not in name)

    def make(self, folder: Path) -> None:
        self.brz(folder, "init")

    def commit(self, folder: Path) -> None:
        try:
            self.brz(folder, "add")
        except subprocess.CalledProcessError:  # it stumbles over a file where a folder was
            self.brz(folder, "remove")
            self.brz(folder, "add")
        self.brz(folder, "commit", "--message", "more")

    def add(self, folder: Path, path: str) -> None:
        self.brz(folder, "add", "--no-recurse", "--", path)

    def ignore(self, folder: Path, pattern: str) -> None:
        (folder / ".bzrignore").write_text(pattern + "\n")

    def tag(self, folder: Path, name: str) -> bool:
        self.brz(folder, "tag", name)
        return True

    def publish(self, folder: Path, elsewhere: Path) -> None:
        self.brz(folder, "push", "--remember", str(elsewhere))

    def brz(self, folder: Path, *words: str) -> None:
        environment = {**os.environ, "BRZ_EMAIL": self.author, "BRZ_LOG": os.devnull}
        command = ["brz", "--no-plugins", words[0], "--quiet", *words[1:]]
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, timeout=60)


@pytest.mark.needs("brz")
class TestBazaar(WorkingCopyContract):

    @pytest.fixture
    def system(self) -> System:
        return Bazaar()


class Subversion(System):
    """Nothing is updated after a commit, so the working copies are of mixed revisions, as most are."""

    backend = SubversionWorkingCopy
    marker = ".svn"
    strange_names = tuple(name for name in STRANGE_NAMES if not {"\n", "\t", "\udce9"} & set(name))
    bundles = False
    is_distributed = False
    works_without_program = True
    author = "ada"
    updates = False

    def make(self, folder: Path) -> None:
        server = folder.parent / "server"
        subprocess.run(["svnadmin", "create", str(server)], check=True, capture_output=True, timeout=60)
        self.svn(folder, "checkout", "--quiet", f"file://{server}", ".")

    def copied(self, original: Path, folder: Path) -> None:
        self.svn(folder, "relocate", f"file://{original.parent}/server", f"file://{folder.parent}/server", ".")

    def commit(self, folder: Path) -> None:
        status = ElementTree.fromstring(self.svn(folder, "status", "--xml", "--no-ignore"))  # noqa: S314
        for entry in status.iter("entry"):
            path, item = entry.attrib["path"], entry.find("wc-status").attrib["item"]  # type: ignore[union-attr]
            if item in ("missing", "obstructed"):
                self.svn(folder, "remove", "--quiet", "--keep-local", "--force", "--", f"{path}@")
            if item == "obstructed":
                self.add(folder, path)
        self.svn(folder, "add", "--quiet", "--force", "--", ".")
        self.svn(folder, "commit", "--quiet", "--username", self.author, "--message", "more")
        if self.updates:
            self.svn(folder, "update", "--quiet")

    def add(self, folder: Path, path: str) -> None:
        self.svn(folder, "add", "--quiet", "--", f"{path}@")

    def ignore(self, folder: Path, pattern: str) -> None:
        self.svn(folder, "update", "--quiet")
        self.svn(folder, "propset", "--quiet", "svn:global-ignores", pattern, ".")

    def address(self, folder: Path) -> str:
        self.svn(folder, "update", "--quiet")  # a checkout isn't mixed
        return self.svn(folder, "info", "--show-item", "url", ".").decode().strip()

    def svn(self, folder: Path, *words: str) -> bytes:
        return subprocess.run(["svn", *words], cwd=folder, check=True, capture_output=True, timeout=60).stdout


@pytest.mark.needs("svn", "svnadmin")
class TestSubversion(WorkingCopyContract):

    @pytest.fixture
    def system(self) -> System:
        return Subversion()


class UpdatedSubversion(Subversion):
    updates = True


@pytest.mark.needs("svn", "svnadmin", "pysvn")
class TestSubversionByPysvn(WorkingCopyContract):
    """What asks the server is pysvn, as where the program isn't there; and working copies aren't mixed."""

    @pytest.fixture
    def system(self, monkeypatch: pytest.MonkeyPatch) -> System:
        from sumatra.versioncontrol import _subversion_server
        from sumatra.versioncontrol._subversion_pysvn import Pysvn

        monkeypatch.setattr(_subversion_server, "find_client", Pysvn)
        return UpdatedSubversion()
