"""Are the files that records tell of still there, with the content that they had?"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from sumatra import files
from sumatra.datastore.hashing import matches
from sumatra.files import ContentStore
from sumatra.records import Record

__all__ = ["OUTCOMES", "Item", "items_of", "verified"]

#: What may come of looking at one file; all but the first are worth a word.
OUTCOMES = ("ok", "changed", "missing", "unreadable", "not hashed")

_PIECE = 1 << 20


class Item(NamedTuple):
    """One file of one record."""

    label: str
    role: str  #: ``input``, ``output``, ``code``, ``parameters``, ``printed`` or ``lock``
    path: str  #: as the record tells it
    place: str  #: where it has to be (absolute)
    digest: str | None
    is_link: bool = False


def items_of(record: Record, objects: ContentStore) -> Iterator[Item]:
    """Yield all files that *record* tells of: data where they lie, and what is kept in *objects*."""
    for role, keys, place in (
        ("input", record.input_data, record.input_path), ("output", record.output_data, record.output_path)
    ):
        for key in keys:
            yield Item(record.label, role, key.path, place(key), key.digest, "symbolic link" in key.flags)
    kept = [("code", change.path, change.digest) for change in record.changes]
    kept += [("code", change.path, change.digest) for checkout in record.checkouts for change in checkout.changes]
    kept.append(("parameters", record.parameters.path or "", record.parameters.digest))
    kept += [
        ("printed", name, stream.digest)
        for name, stream in (("stdout", record.stdout), ("stderr", record.stderr)) if stream is not None and stream.size
    ]
    kept += [("lock", name, digest) for name, digest in record.locks.items()]
    for role, path, digest in kept:
        if digest is not None:
            yield Item(record.label, role, path, objects.path(digest), digest)


def verified(items: Iterable[Item], progress: Callable[[int], None] = lambda count: None) -> Iterator[tuple[Item, str]]:
    """Yield each of *items* with one of `OUTCOMES`, reading every file; a file is read once, however often it is told.

    *progress* gets the number of bytes just read.
    """
    known: dict[tuple[str, str], str] = {}
    for item in items:
        if item.digest is None:
            yield item, "not hashed"
            continue
        key = item.place, item.digest
        if key not in known:
            known[key] = _outcome(item, item.digest, progress)
        yield item, known[key]


def _outcome(item: Item, digest: str, progress: Callable[[int], None]) -> str:
    try:
        status = os.lstat(item.place)
        if stat.S_ISLNK(status.st_mode) and item.is_link:
            return "ok" if matches(digest, [os.fsencode(os.readlink(item.place))]) else "changed"
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except (OSError, ValueError):
        return "unreadable"
    if digest.startswith("sha256:"):
        found = files.digest_file(os.path.realpath(item.place), progress)
        if found.digest is None:
            return "unreadable" if "unreadable" in found.flags else "changed"
        return "ok" if found.digest == digest else "changed"
    try:
        return "ok" if matches(digest, _pieces(item.place, progress)) else "changed"
    except OSError:
        return "unreadable"


def _pieces(path: str, progress: Callable[[int], None]) -> Iterator[bytes]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it isn't a regular file")
        while piece := file.read(_PIECE):
            progress(len(piece))
            yield piece
