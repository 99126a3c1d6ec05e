"""The files that a run reads, by content."""

import os
import threading
from collections.abc import Callable, Sequence

from sumatra.datastore import DataStore
from sumatra.facts import replace
from sumatra.records import DataKey

__all__ = ["Inputs"]

#: Files up to this size (bytes) are hashed before the program starts, so many bytes of them together.
_SMALL, _SMALL_TOGETHER = 1_000_000, 4_000_000


class Inputs:
    """Input files of a run: small ones are hashed at once, large ones by `hash_the_rest` while the program runs."""

    def __init__(self, paths: Sequence[tuple[str, str]], store: DataStore) -> None:
        self._store = store
        # What the program reads is what a symbolic link points to.
        self._paths = [os.path.realpath(path) for path, _ in paths]
        self._seen = [seen for _, seen in paths]
        self._looked = [_look(path) for path in self._paths]
        self._keys: list[DataKey | None] = [None] * len(paths)
        self._stop = threading.Event()
        self.done = 0  #: bytes
        left = _SMALL_TOGETHER
        for place, looked in enumerate(self._looked):
            size = looked[2] if looked else 0
            if size <= min(_SMALL, left):
                left -= size
                self._keys[place] = self._key(place, None)

    def __contains__(self, path: str) -> bool:
        return path in self._paths

    @property
    def size(self) -> int:
        """The number of bytes that are to be hashed while the program runs."""
        return sum(looked[2] for looked, key in zip(self._looked, self._keys, strict=True) if looked and key is None)

    def hash_the_rest(self) -> None:
        """Hash the large files, one after another; `stop`, called in another thread, ends that."""

        def tell(count: int) -> None:
            self.done += count
            if self._stop.is_set():
                raise KeyboardInterrupt  # the data store marks what it is at as not hashed

        for place, key in enumerate(self._keys):
            if key is None:
                self._keys[place] = self._key(place, tell)

    def stop(self) -> None:
        """Let `hash_the_rest` come to an end; what it has not got to is marked ``not hashed``."""
        self._stop.set()

    def keys(self) -> tuple[DataKey, ...]:
        """Return the inputs; those that changed while the program ran are marked so."""
        found = []
        for place, (path, looked) in enumerate(zip(self._paths, self._looked, strict=True)):
            key = self._keys[place]
            if key is None:
                key = DataKey(self._told(path), flags=("not hashed",), seen=self._seen[place])
            if _look(path) != looked and "changed during the run" not in key.flags:
                key = replace(key, flags=(*key.flags, "changed during the run"))
            found.append(key)
        return tuple(found)

    def hashed(self) -> dict[str, DataKey]:
        """Return what has got a digest, by real path."""
        return {path: key for path, key in zip(self._paths, self._keys, strict=True) if key is not None and key.digest}

    def _key(self, place: int, progress: Callable[[int], None] | None) -> DataKey:
        path = self._paths[place]
        (key,) = self._store.generate_keys([path], seen=self._seen[place], progress=progress)
        key = replace(key, path=self._told(path))
        if _look(path) != self._looked[place]:
            # It is no longer what the program found, so its digest would be a lie.
            key = replace(key, digest=None, flags=(*key.flags, "changed during the run"))
        return key

    def _told(self, path: str) -> str:
        """Return *path* as records tell it: relative to the store's root, unless that is the root of everything."""
        root = self._store.root
        if root != "/" and path.startswith(root.rstrip(os.sep) + os.sep):
            return os.path.relpath(path, root)
        return path


def _look(path: str) -> tuple[int, ...] | None:
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns
