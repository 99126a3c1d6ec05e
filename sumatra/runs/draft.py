"""A record that a script fills in by itself, through the Python interface."""

from datetime import datetime
from typing import Any

from sumatra.datastore import DataStore
from sumatra.facts import fields
from sumatra.records import DataKey, Record

__all__ = ["Draft"]

_FIELDS = frozenset(entry.name for entry in fields(Record))


class Draft:
    """A record in the making: its fields can be set until `Project.add_record` keeps it.

    ``draft.duration = 3.2`` sets a field of `Record`; ``draft.datastore`` is the project's data store, so that
    ``draft.output_data = draft.datastore.find_new_data(draft.timestamp)`` works.  ``data_key`` is the name that
    ``output_data`` had in the first Sumatra.
    """

    def __init__(self, record: Record, datastore: DataStore) -> None:
        object.__setattr__(self, "_record", record)
        object.__setattr__(self, "_datastore", datastore)
        object.__setattr__(self, "_changes", {})

    @property
    def datastore(self) -> DataStore:
        """The data store of the project, which can find new files."""
        store: DataStore = object.__getattribute__(self, "_datastore")
        return store

    @property
    def timestamp(self) -> datetime:
        """When the record was begun."""
        record: Record = object.__getattribute__(self, "_record")
        return record.timestamp

    def __getattr__(self, name: str) -> Any:
        if name == "data_key":
            name = "output_data"
        changes = object.__getattribute__(self, "_changes")
        if name in changes:
            return changes[name]
        return getattr(object.__getattribute__(self, "_record"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "data_key":
            name = "output_data"
        if name not in _FIELDS or name in ("id", "timestamp", "datastore"):
            raise AttributeError(f"a record has no field {name!r} that can be set")
        if name == "tags":
            value = frozenset([value] if isinstance(value, str) else value)
        if name in ("output_data", "input_data"):
            value = tuple(value)
            if not all(isinstance(key, DataKey) for key in value):
                raise TypeError(f"{name} takes the keys that a data store makes, see find_new_data")
        self._changes[name] = value

    def add_tag(self, tag: str) -> None:
        """Add *tag* to the record's tags."""
        self._changes["tags"] = frozenset({*self.__getattr__("tags"), tag})

    def finish(self) -> Record:
        """Return the record as it is now."""
        from sumatra.facts import replace

        values = dict(self._changes)
        if "status" not in values and self._record.status == "initialized":
            values["status"] = "finished"
        record: Record = replace(self._record, **values)
        return record
