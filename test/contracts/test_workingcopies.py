"""Our version-control systems keep what every one of them promises."""

import subprocess
from pathlib import Path

import pytest

from sumatra.testing.workingcopies import System, WorkingCopyContract
from sumatra.versioncontrol._git import GitWorkingCopy


class Git(System):
    backend = GitWorkingCopy
    marker = ".git"

    def make(self, folder: Path) -> None:
        self.git(folder, "init", "--quiet")

    def commit(self, folder: Path) -> None:
        self.git(folder, "add", "--all")
        self.git(folder, "commit", "--quiet", "--message", "more")

    def add(self, folder: Path, path: str) -> None:
        self.git(folder, "add", "--", path)

    def ignore(self, folder: Path, pattern: str) -> None:
        (folder / ".gitignore").write_text(pattern + "\n")

    def git(self, folder: Path, *words: str) -> None:
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, timeout=60)


@pytest.mark.needs("git")
class TestGit(WorkingCopyContract):

    @pytest.fixture
    def system(self) -> System:
        return Git()
