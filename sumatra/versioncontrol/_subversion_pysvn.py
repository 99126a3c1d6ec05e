"""Servers of Subversion, asked by pysvn: where the svn program isn't there.

The program comes first, because it can be ended where a server doesn't answer.  The configuration is the same.
"""

import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pysvn

from sumatra.errors import VersionControlError
from sumatra.versioncontrol._subversion_client import Commit, Place, configuration
from sumatra.versioncontrol._text import printable
from sumatra.versioncontrol._urls import scrub, scrub_text

__all__ = ["Pysvn"]


class Pysvn:
    """Python's own binding of Subversion's library; see `sumatra.versioncontrol._subversion_client.Client`."""

    def __init__(self) -> None:
        folder = tempfile.mkdtemp(prefix="smt-svn-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        configuration(folder)
        self._client = pysvn.Client(folder)
        self._client.set_interactive(False)
        self._client.set_auth_cache(False)
        self._client.callback_get_login = lambda realm, name, save: (False, "", "", False)

    def place(self, url: str, revision: str) -> Place:
        """Return what lies at *url*."""
        when = _revision(revision)
        found = self._done("info", lambda: self._client.info2(
            url, revision=when, peg_revision=_revision("HEAD" if revision.startswith("{") else revision), recurse=False
        ))
        if not found:
            raise VersionControlError(f"there is nothing at {printable(scrub(url))}")
        facts = found[0][1]
        return Place(
            facts["kind"] == pysvn.node_kind.dir, facts["repos_root_URL"], facts["URL"], facts["rev"].number
        )

    def commit(self, url: str, revision: str) -> Commit:
        """Return the last commit that changed *url*, up to *revision*."""
        when = _revision(revision)
        found = self._done("log", lambda: self._client.log(
            url, revision_start=when, revision_end=_revision("1"), peg_revision=when, limit=1
        ))
        if not found:
            raise VersionControlError(f"there is no commit in {printable(scrub(url))} up to revision {revision}")
        one = found[0]
        seconds = one.get("date")
        date = datetime.fromtimestamp(seconds, UTC) if seconds is not None else None
        return Commit(one["revision"].number, one.get("author") or "", date, one.get("message") or "")

    def content(self, url: str, revision: str) -> tuple[bytes, bool]:
        """Return what the file at *url* holds."""
        when = _revision(revision)
        content, has = self._done("cat", lambda: self._client.cat(
            url, revision=when, peg_revision=when, get_props=True
        ))
        return content, "svn:special" in (has or {})

    def checkout(self, url: str, revision: str, folder: str, *, deep: bool = True) -> None:
        """Make a working copy in *folder*."""
        when = _revision(revision)
        depth = pysvn.depth.infinity if deep else pysvn.depth.empty
        self._done("checkout", lambda: self._client.checkout(
            url, folder, depth=depth, revision=when, peg_revision=when, ignore_externals=True
        ))

    def update(self, folder: str, paths: Sequence[str], revision: str) -> None:
        """Bring *paths* to *revision*."""
        names = [os.path.join(folder, path) for path in paths]
        self._done("update", lambda: self._client.update(
            names, revision=_revision(revision), ignore_externals=True
        ))

    def _done(self, what: str, deed: Callable[[], Any]) -> Any:
        try:
            return deed()
        except (pysvn.ClientError, ValueError) as error:
            said = str(error).splitlines() or ["it failed without a word"]
            raise VersionControlError(
                f"svn {what}: {printable(scrub_text(said[0]))}", "check address and access"
            ) from error


def _revision(name: str) -> Any:
    kind = pysvn.opt_revision_kind
    if name == "HEAD":
        return pysvn.Revision(kind.head)
    if re.fullmatch("[0-9]+", name):
        return pysvn.Revision(kind.number, int(name))
    try:
        date = datetime.fromisoformat(name.strip("{}"))
    except ValueError as error:
        raise VersionControlError(f"{printable(name)} isn't a date") from error
    return pysvn.Revision(kind.date, date.timestamp())


