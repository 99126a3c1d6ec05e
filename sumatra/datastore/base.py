"""What every data store promises.

A data store is a place where programs read and write files.  It reads them, and deletes those that it is asked to
delete while their content is still what the record says; it never changes one.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from sumatra.records import Choice, DataKey

__all__ = ["DataStore", "Snapshot"]

#: What was there: per path (relative to the root), device, inode, size, and times of change in nanoseconds.
Snapshot = dict[str, tuple[int, int, int, int, int]]


class DataStore(ABC):
    """Files below a root, told by relative paths."""

    name: str
    root: str  #: absolute
    notes: list[str]  #: what the last look at what is there could not see, a sentence each

    @property
    @abstractmethod
    def choice(self) -> Choice:
        """This store as a record tells it: name and options."""

    @abstractmethod
    def snapshot(self) -> Snapshot:
        """Return what is there now; nothing is opened.  Folders of version control and ``.smt`` are passed over."""

    @abstractmethod
    def new_since(self, before: Snapshot) -> list[str]:
        """Return the paths, sorted, of what has appeared or changed since *before*; the clock isn't asked."""

    @abstractmethod
    def find_new_data(self, timestamp: datetime) -> list[DataKey]:
        """Return the files that were written after *timestamp*, as Sumatra 0.8 finds outputs.

        Less sure than `new_since`: for scripts that use the Python interface.
        """

    @abstractmethod
    def generate_keys(
        self, paths: Iterable[str], *, seen: str = "scan", progress: Callable[[int], None] | None = None
    ) -> list[DataKey]:
        """Return a key with digest for each of *paths*, hashed in parallel, in the order of *paths*.

        *progress* is called with the number of bytes just read.  When the user interrupts, the rest is marked
        ``not hashed`` and returned too.  What isn't a regular file, has gone, can't be read or changes meanwhile is
        marked so and is never an error.
        """

    @abstractmethod
    def get_content(self, key: DataKey, max_length: int | None = None) -> bytes:
        """Return (the beginning of) the file's content; raises `DataStoreError` if it is gone or has changed."""

    @abstractmethod
    def delete(self, keys: Iterable[DataKey]) -> list[str]:
        """Delete files whose content is still what the keys say; return a sentence for each that was kept."""

    @abstractmethod
    def contains_path(self, path: str) -> bool:
        """Tell whether there is a file at *path*, relative to the root."""

    @classmethod
    @abstractmethod
    def from_options(cls, options: Mapping[str, Any]) -> "DataStore":
        """Return the store that `choice` tells of."""
