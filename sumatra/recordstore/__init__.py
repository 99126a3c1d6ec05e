"""Record stores: where records are kept.  `open_store` finds the right one by its address."""

from sumatra import plugins
from sumatra.errors import UsageError
from sumatra.plugins import Backend
from sumatra.recordstore.base import RecordStore, Trashed

__all__ = ["BACKENDS", "RecordStore", "Trashed", "open_store"]

BACKENDS = {
    "sqlite": Backend(".sqlite", "one file, for any number of runs at once on one machine"),
}

_SCHEMES = {"sqlite": "sqlite"}


def open_store(address: str, patience: float | None = None) -> RecordStore:
    """Return the store at *address*: a path, or a URL whose scheme names the back-end (``sqlite:FILE``).

    *patience* is how long (seconds) to wait for a store that is in use or can't be reached, by default a minute.
    Nothing is read or created before the first use.  Raises `UsageError` for a scheme that nobody knows.
    """
    scheme, colon, rest = address.partition(":")
    if not colon or "/" in scheme or len(scheme) < 2:
        scheme, rest = "sqlite", address
    if scheme not in _SCHEMES:
        known = ", ".join(f"{name}:" for name in sorted(_SCHEMES))
        raise UsageError(f"no record store has addresses like {scheme}:…", f"give the path of a file, or {known}")
    backend: type[RecordStore] = plugins.load(__name__, _SCHEMES[scheme]).BACKEND
    return backend(rest, patience)  # type: ignore[call-arg]
