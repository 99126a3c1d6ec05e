"""What a Perforce server says of files, as facts.  Starts nothing."""

import os
from collections.abc import Iterator

from sumatra.errors import VersionControlError
from sumatra.versioncontrol._perforce_files import DepotFile
from sumatra.versioncontrol._perforce_program import Item
from sumatra.versioncontrol._text import printable

__all__ = ["GONE", "Printed", "depot_file", "number_of"]

#: What was done to files that aren't there any more.
GONE = (b"delete", b"move/delete", b"purge", b"archive")


def depot_file(path: str, item: Item) -> DepotFile:
    """Return what *item* says of the file *path*."""
    return DepotFile(
        path, os.fsdecode(item.get("depotFile", b"")), number_of(item, "headRev"),
        item.get("headType", b"text").decode("ascii", "replace"), item.get("digest", b"").decode("ascii", "replace"),
        number_of(item, "fileSize") if "fileSize" in item else -1,
    )


def number_of(item: Item, name: str) -> int:
    """Return the number *name* in *item*; 0 where there is none."""
    try:
        return int(item.get(name, b"0"))
    except ValueError:
        return 0


class Printed:
    """Contents of files, in the order in which they were asked for."""

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        self._next: Item | None = next(items, None)

    def pieces(self, depot: str) -> Iterator[bytes]:
        """Yield what the file *depot* holds; raises `VersionControlError` if it isn't the next."""
        found = self._next
        if found is None or os.fsdecode(found.get("depotFile", b"")) != depot:
            said = (found or {}).get("data", b"").decode("utf-8", "replace")
            raise VersionControlError(f"p4 can't print {printable(depot)}: {' '.join(said.split())[:200]}", "p4 print")
        self._next = next(self._items, None)
        while self._next is not None and "depotFile" not in self._next:
            if self._next.get("code") == b"error":
                said = self._next.get("data", b"").decode("utf-8", "replace")
                raise VersionControlError(f"p4 can't print {printable(depot)}: {' '.join(said.split())[:200]}")
            yield self._next.get("data", b"")
            self._next = next(self._items, None)
