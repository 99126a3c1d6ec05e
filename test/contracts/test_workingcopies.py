"""Our version-control systems keep what every one of them promises."""

import os
import subprocess
from pathlib import Path

import pytest

from sumatra.testing.workingcopies import STRANGE_NAMES, System, WorkingCopyContract
from sumatra.versioncontrol._git import GitWorkingCopy
from sumatra.versioncontrol._mercurial import MercurialWorkingCopy


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
