"""What every record store promises.

A store keeps the records of any number of projects.  A record is one document; it is replaced whole or not at all, and
what `get` returns is equal to what `save` was given.  Labels are unique within a project; ids everywhere.  Errors of
databases and networks leave a store as `RecordStoreError` and as nothing else.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from datetime import datetime
from types import TracebackType
from typing import NamedTuple, Self

from sumatra.errors import NoSuchRecord
from sumatra.records import Record
from sumatra.selection import EVERYTHING, Selection

__all__ = ["RecordStore", "Trashed"]


class Trashed(NamedTuple):
    """A record that was deleted and can be brought back."""

    label: str
    deleted: datetime


class RecordStore(ABC):
    """Records by project and label."""

    #: how a user tells where the store is, without secrets
    location: str

    @abstractmethod
    def save(self, project: str, record: Record) -> None:
        """Keep *record*, in the place of an earlier state of it (one with the same id).

        When this returns, the record survives a crash of the machine.  Raises `LabelTaken` if another record of
        the project has the label.
        """

    @abstractmethod
    def get(self, project: str, label: str) -> Record:
        """Return the record with exactly this label, or raise `NoSuchRecord`."""

    @abstractmethod
    def amend(self, project: str, label: str, change: Callable[[Record], Record]) -> Record:
        """Replace a record by what *change* makes of it, with nobody coming between; return the new state."""

    @abstractmethod
    def select(self, project: str, selection: Selection = EVERYTHING) -> Iterator[Record]:
        """Yield the records that *selection* asks for, in its order."""

    @abstractmethod
    def labels(self, project: str, selection: Selection = EVERYTHING) -> list[str]:
        """Return the labels of the records that *selection* asks for, in its order."""

    @abstractmethod
    def delete(self, project: str, label: str) -> None:
        """Put the record into the trash, or raise `NoSuchRecord`; its label is free from then on."""

    @abstractmethod
    def undelete(self, project: str, label: str | None = None) -> str:
        """Bring back from the trash what was last deleted (with that label); return its label.

        Raises `NoSuchRecord` if there is no such thing, `LabelTaken` if the label belongs to another record by now.
        """

    @abstractmethod
    def trash(self, project: str) -> list[Trashed]:
        """Return what is in the trash, last deleted first."""

    @abstractmethod
    def tags(self, project: str) -> dict[str, int]:
        """Return the tags in use, with the number of records that carry each."""

    @abstractmethod
    def projects(self) -> list[str]:
        """Return the names of the projects that have records here, sorted."""

    def close(self) -> None:  # noqa: B027  most stores hold nothing open
        """Let go of files and connections."""

    def labels_starting(self, project: str, prefix: str, most: int = 10) -> list[str]:
        """Return up to *most* labels that begin with *prefix*, newest first."""
        return [label for label in self.labels(project) if label.startswith(prefix)][:most]

    def last(self, project: str) -> Record:
        """Return the newest record, or raise `NoSuchRecord`."""
        for record in self.select(project, EVERYTHING.first(1)):
            return record
        raise NoSuchRecord("there are no records yet", "make one with smt run")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
