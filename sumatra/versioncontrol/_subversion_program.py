"""The svn program, asked so that it starts nothing that a repository or a configuration names.

It is needed for what lies on a server only: older versions, checkouts.
"""

import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from datetime import datetime
from xml.etree import ElementTree

from sumatra import process
from sumatra.errors import VersionControlError
from sumatra.versioncontrol._subversion_client import Commit, Place, configuration
from sumatra.versioncontrol._text import printable
from sumatra.versioncontrol._urls import scrub, scrub_text

__all__ = ["Svn"]

_SHORT = 20.0  # seconds that a server has for a small answer
_LONG = 24 * 3600.0
_AT_ONCE = 200  # names in one command


def _pegged(url: str, revision: str) -> str:
    """Return *url* with the revision at which it is looked up; an ``@`` in it isn't taken for that."""
    return f"{url}@{revision}"


class Svn:
    """The program."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._folder = tempfile.mkdtemp(prefix="smt-svn-")
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        configuration(self._folder)

    def place(self, url: str, revision: str) -> Place:
        """Return what lies at *url*."""
        entry = next(iter(self._xml("info", "-r", revision, "--", _pegged(url, _peg(revision)))), None)
        if entry is None:
            raise VersionControlError(f"there is nothing at {printable(scrub(url))}")
        return Place(
            entry.get("kind") == "dir", entry.findtext("repository/root") or "", entry.findtext("url") or "",
            int(entry.get("revision") or 0),
        )

    def commit(self, url: str, revision: str) -> Commit:
        """Return the last commit that changed *url*, up to *revision*."""
        for entry in self._xml("log", "-r", f"{revision}:1", "--limit", "1", "--", _pegged(url, revision)):
            return Commit(
                int(entry.get("revision") or 0), entry.findtext("author") or "", _date(entry.findtext("date") or ""),
                entry.findtext("msg") or "",
            )
        raise VersionControlError(f"there is no commit in {printable(scrub(url))} up to revision {revision}")

    def content(self, url: str, revision: str) -> tuple[bytes, bool]:
        """Return what the file at *url* holds."""
        target = _pegged(url, revision)
        content = self._say("cat", "-r", revision, "--", target)
        special = content.startswith(b"link ") and bool(
            self._say("propget", "svn:special", "-r", revision, "--", target).strip()
        )
        return content, special

    def checkout(self, url: str, revision: str, folder: str, *, deep: bool = True) -> None:
        """Make a working copy in *folder*."""
        depth = () if deep else ("--depth", "empty")
        self._say(
            "checkout", "--quiet", "--ignore-externals", *depth, "-r", revision, "--", _pegged(url, revision),
            os.path.abspath(folder), timeout=_LONG,
        )

    def update(self, folder: str, paths: Sequence[str], revision: str) -> None:
        """Bring *paths* to *revision*."""
        for start in range(0, len(paths), _AT_ONCE):
            names = [f"{os.path.join(folder, path)}@" for path in paths[start:start + _AT_ONCE]]
            self._say("update", "--quiet", "--ignore-externals", "-r", revision, "--", *names, timeout=_LONG)

    def _xml(self, *words: str) -> Iterator[ElementTree.Element]:
        output = self._say(words[0], "--xml", *words[1:])
        try:
            return iter(list(ElementTree.fromstring(output)))  # noqa: S314  svn's own answer, not the server's
        except ElementTree.ParseError as error:
            raise VersionControlError(f"svn gave an answer that can't be read: {error}") from error

    def _say(self, command: str, *words: str, timeout: float | None = None) -> bytes:
        timeout = timeout or _SHORT
        try:
            answer = process.ask(
                [self._program, command, "--non-interactive", "--no-auth-cache", "--config-dir", self._folder,
                 "--config-option", "config:helpers:diff-cmd=",
                 "--config-option", "config:tunnels:ssh=/dev/null/nowhere", *words],
                cwd=os.sep, without=[name for name in os.environ if name.startswith("SVN_")], timeout=timeout,
            )
        except TimeoutError:
            raise VersionControlError(
                f"svn {command} didn't get an answer in {timeout:g} s", "is the server to be reached?"
            ) from None
        except (OSError, ValueError) as error:
            raise VersionControlError(f"svn can't be asked: {error}") from error
        if answer.status != 0:
            raise VersionControlError(f"svn {command}: {_said(answer.complaint)}", "check address and access")
        return answer.output


def _peg(revision: str) -> str:
    return "HEAD" if revision.startswith("{") else revision


def _said(complaint: str) -> str:
    """Return svn's own sentence about what went wrong, without secrets."""
    lines = [re.sub(r"^svn: (?:[EW]\d+: )?", "", line) for line in complaint.splitlines() if line.strip()]
    return printable(scrub_text(lines[0])) if lines else "it failed without a word"


def _date(words: str) -> datetime | None:
    try:
        return datetime.fromisoformat(words)
    except ValueError:
        return None
