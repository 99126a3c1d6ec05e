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

__all__ = ["kept", "with_bundle"]

_INDEX = "bundles.json"  #: which versions were kept, in the project's folder .smt


def with_bundle(record: Record, copy: WorkingCopy | None, workshop: Workshop) -> Record:
    """Return *record*, whose version is in the content store if it has to be (setting ``bundle``) and wasn't pushed.

    It is put there once for each version.  What goes wrong becomes a finding.
    """
    if not workshop.settings.bundle or copy is None or record.version is None:
        return record
    try:
        if copy.is_pushed(record.version):
            return record
        locks = {**record.locks, "bundle": _kept(record.version, copy, workshop)}
    except (VersionControlError, OSError) as error:
        finding = Finding("not-bundled", f"the version of the code could not be kept: {error}", "push it")
        return replace(record, receipt=(*record.receipt, finding))
    told = tuple(
        replace(each, message=f"{each.message}; a bundle of it was kept")
        if each.code in ("unpushed", "no-remote") and not each.message.startswith("in ") else each  # a library's
        for each in record.receipt
    )
    return replace(record, locks=locks, receipt=told)


def kept(system: str, version: str, folder: str) -> str | None:
    """Return the digest of a file that holds *version*, if one was kept for any run of the project in *folder*."""
    return _read(os.path.join(folder, _INDEX)).get(_name(system, version))


def _name(system: str, version: str) -> str:
    return f"{system} {version}"


def _kept(version: str, copy: WorkingCopy, workshop: Workshop) -> str:
    """Return the digest of a file that holds *version*, made if there is none yet."""
    index = os.path.join(workshop.folder, _INDEX)
    known = _read(index)
    name = _name(copy.name, version)
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
