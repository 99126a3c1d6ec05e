"""A part of a depot, read without a workspace, so that the server needn't know of one."""

import os
from typing import Self

from sumatra.records import Repository
from sumatra.versioncontrol import _perforce_making
from sumatra.versioncontrol._perforce import PerforceWorkingCopy
from sumatra.versioncontrol._perforce_program import Item, decoded
from sumatra.versioncontrol._text import printable
from sumatra.versioncontrol.base import Status

__all__ = ["PerforceFolder"]


class PerforceFolder(PerforceWorkingCopy):
    """A part of a depot, without a workspace: what there is to read, and nothing on disk."""

    @classmethod
    def of(cls, url: str, folder: str) -> Self:
        """Return what can read the versions of *url*; *folder* only stands for it in messages."""
        p4, place = _perforce_making.open_url(url, folder)
        found = cls(os.path.abspath(folder), p4, {}, "")
        found._top = place
        return found

    def status(self, *, untracked: bool = True) -> Status:
        """Return the last change: nothing is on disk that could differ."""
        return Status(self._last("", "head"), None, ())

    def repository(self) -> Repository:
        """Return where it is."""
        url = _perforce_making.url_of(self._port(), self._top)
        return Repository(type=self.name, url=printable(url), root=self.root)

    def _current(self) -> str:
        return self._last("", "head")

    def _path_of(self, item: Item) -> str | None:
        path = os.fsdecode(item.get("depotFile", b""))
        before = self._top + "/"
        return decoded(path[len(before):]) if path.startswith(before) else None
