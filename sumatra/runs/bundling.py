"""Keep versions of the code that are nowhere but here, so that their runs can be repeated elsewhere and later."""

import json
import os
import tempfile

from sumatra import files
from sumatra.errors import VersionControlError
from sumatra.facts import replace
from sumatra.records import Finding, Record
from sumatra.runs.workshop import Workshop
from sumatra.versioncontrol import WorkingCopy

__all__ = ["with_bundle"]


def with_bundle(record: Record, copy: WorkingCopy | None, workshop: Workshop) -> Record:
    """Return *record*, whose version is in the content store if it has to be (setting ``bundle``) and wasn't pushed.

    It is put there once for each version.  What goes wrong becomes a finding.
    """
    if not workshop.settings.bundle or copy is None or record.version is None:
        return record
    try:
        if copy.is_pushed(record.version):
            return record
        return replace(record, locks={**record.locks, "bundle": _kept(record.version, copy, workshop)})
    except (VersionControlError, OSError) as error:
        finding = Finding("not-bundled", f"the version of the code could not be kept: {error}", "push it")
        return replace(record, receipt=(*record.receipt, finding))


def _kept(version: str, copy: WorkingCopy, workshop: Workshop) -> str:
    """Return the digest of a file that holds *version*, made if there is none yet."""
    index = os.path.join(workshop.folder, "bundles.json")
    known = _read(index)
    name = f"{copy.name} {version}"
    if name in known and known[name] in workshop.objects:
        return known[name]
    files.make_private(os.path.join(workshop.folder, "work"))
    with tempfile.TemporaryDirectory(prefix="bundle-", dir=os.path.join(workshop.folder, "work")) as folder:
        path = os.path.join(folder, "bundle")
        copy.bundle(version, path)
        digest = files.digest_file(path).digest
        if digest is None:
            raise OSError("the file that was made can't be read")
        workshop.objects.take(path, digest)
    with files.locked(f"{index}.lock"):
        files.write_atomically(index, json.dumps({**_read(index), name: digest}, indent=1).encode())
    return digest


def _read(index: str) -> dict[str, str]:
    try:
        with open(index, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    texts = isinstance(found, dict) and all(isinstance(value, str) for value in found.values())
    return found if texts else {}
