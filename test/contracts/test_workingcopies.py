"""Our version-control systems keep what every one of them promises."""

import subprocess
from pathlib import Path

import pytest

from sumatra.testing.workingcopies import System, WorkingCopyContract
from sumatra.versioncontrol._git import GitWorkingCopy


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
