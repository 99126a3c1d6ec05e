"""What a file held before the run changed it, where version control, or the record of an earlier run, knows that."""

import os
from collections.abc import Sequence
from contextlib import suppress

from sumatra.capture.accesses import FileAccess
from sumatra.errors import SumatraError
from sumatra.facts import replace
from sumatra.files import digest_bytes
from sumatra.records import DataKey, Record
from sumatra.runs.observing import written_at
from sumatra.runs.workshop import Workshop
from sumatra.selection import Expression, Name, Selection
from sumatra.selection.facts import searchable
from sumatra.versioncontrol import WorkingCopy

__all__ = ["with_former_digests"]

#: So many files are looked for, in so many records each, and so long (seconds) the store is waited for.
_MOST, _MOST_RECORDS, _PATIENCE = 20, 5, 2.0

#: Files of this size (bytes) aren't fetched from version control.
_LARGE = 64 << 20


def with_former_digests(
    keys: Sequence[DataKey], read: Sequence[FileAccess], record: Record, workshop: Workshop, copy: WorkingCopy | None
) -> list[DataKey]:
    """Return *keys*, those of the files *read*, with digests that can still be had of what the run has changed.

    What *copy* is a working copy of has what hadn't been changed since then.  A file that was as long when it was read
    as the output of an earlier run, and was last changed at the very same moment, is that output.
    """
    lost = [
        place for place, (key, file) in enumerate(zip(keys, read, strict=True))
        if key.digest is None and file.state is not None and (file.written or file.deleted)
    ][:_MOST]
    found = list(keys)
    if copy is not None:
        for place in lost:
            found[place] = replace(found[place], digest=_committed(read[place], record, copy))
    lost = [place for place in lost if found[place].digest is None and _has_exact_time(read[place])]
    if not lost:
        return found
    with suppress(SumatraError), workshop.open_store(_PATIENCE) as store:
        for place in lost:
            path = read[place].path
            asked = Selection(_wrote(path, _root(record)), count=_MOST_RECORDS)
            digests = (_digest(read[place], each) for each in store.select(workshop.settings.name, asked))
            found[place] = replace(found[place], digest=next(filter(None, digests), None))
    return found


def _has_exact_time(file: FileAccess) -> bool:
    return file.state is not None and file.state.modified % 1_000_000_000 != 0  # whole seconds are no proof


def _committed(file: FileAccess, record: Record, copy: WorkingCopy) -> str | None:
    """Return the digest of what the version that was run has of *file*, or what was kept of it before the run."""
    state, top = file.state, os.path.realpath(copy.root).rstrip("/") + "/"
    if state is None or not file.path.startswith(top) or state.size > _LARGE:
        return None
    if state.changed >= record.timestamp.timestamp() * 1e9:  # it was changed after the working copy was looked at
        return None
    path = file.path.removeprefix(top)
    for change in record.changes:
        if change.path == path:
            return change.digest if change.size == state.size else None
    try:
        content = copy.content(path, record.version)
    except (SumatraError, OSError, ValueError):
        return None  # it isn't under version control
    return digest_bytes(content) if len(content) == state.size else None  # else a filter stands between


def _root(record: Record) -> str:
    root = record.datastore.options.get("root") if record.datastore is not None else None
    return os.path.realpath(str(root)) if root else "/"


def _wrote(path: str, root: str) -> Expression:
    """Return the question for runs that wrote *path*, which records tell relative to the *root* of outputs."""
    names = {path, path.removeprefix(root.rstrip("/") + "/")}
    return Expression("or", tuple(Expression("has", (Name("field", "output"), searchable(name))) for name in names))


def _digest(file: FileAccess, record: Record) -> str | None:
    """Return the digest that *record* has of what *file* was when it was read, or None."""
    if file.state is None:
        return None
    root, when = _root(record), written_at(file.state)
    for key in record.output_data:
        if os.path.join(root, key.path) == file.path and (key.size, key.creation) == (file.state.size, when):
            return key.digest if when is not None and not key.flags else None
    return None
