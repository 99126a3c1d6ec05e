"""Data stores: where programs read and write files."""

from collections.abc import Mapping
from typing import Any

from sumatra import plugins
from sumatra.datastore.base import DataStore, Snapshot
from sumatra.plugins import Backend

__all__ = ["BACKENDS", "DataStore", "Snapshot", "get_data_store"]

BACKENDS = {
    "filesystem": Backend(".filesystem", "a folder on this machine"),
}


def get_data_store(name: str, options: Mapping[str, Any]) -> DataStore:
    """Return the data store *name* with *options*, or raise `NoSuchPlugin`."""
    backend: type[DataStore] = plugins.load(__name__, name).BACKEND
    return backend.from_options(options)
