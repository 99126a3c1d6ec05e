"""Bring code back as it was when a run started, into a folder of its own."""

import os
import shlex
import shutil
import tempfile
from collections.abc import Collection, Generator, Iterator
from contextlib import suppress

from sumatra import versioncontrol
from sumatra.errors import ProjectError, VersionControlError
from sumatra.files import ContentStore, make_private
from sumatra.records import Record, Repository
from sumatra.versioncontrol import WorkingCopy
from sumatra.versioncontrol._export import kept_content

__all__ = ["content_of", "followed", "is_outside", "rebuild", "remedy_for_lost", "working_copies"]

_LONGEST_LINK = 4096  # bytes, as Linux has it


def rebuild(
    record: Record, folder: str, objects: ContentStore, near: str, work: str, without: Collection[str] = ()
) -> tuple[str, ...]:
    """Write the code of *record*, uncommitted changes included, into *folder*; return what is missing, as sentences.

    *folder* is empty or not there yet.  The version is looked for in the working copy that the record names, then in
    the one around *near* (the project's folder), then among what was kept in *objects*, and at last where the
    repository was cloned from; *work* is a folder for that.  Files of the version that
    *without* names aren't written.  Raises `ProjectError` if it is nowhere.
    """
    if record.repository is None:
        kept = [change for change in record.changes if change.kind == "code"]
        if not kept:
            raise ProjectError(f"the code of {record.label} wasn't kept", "its record has no version and no files")
        outside = [change.path for change in kept if is_outside(change.path)]
        notes = versioncontrol.restore((change for change in kept if change.path not in outside), folder, objects.get)
        if outside:
            notes += (f"what lay outside of {record.code_root} is left out: {', '.join(outside)}",)
        return notes
    complaints: list[str] = []
    for copy in working_copies(record, objects, near, work, complaints):
        return copy.export(record.version, record.changes, folder, objects.get, without)
    reasons = f" ({'; '.join(complaints)})" if complaints else ""
    raise ProjectError(
        f"version {record.version} of {record.repository.url} isn't to be had any more{reasons}",
        remedy_for_lost(record.repository),
    )


def is_outside(path: str) -> bool:
    """Tell whether *path*, that of a kept file, leads out of the folder that the code is told from."""
    return path.startswith(f"..{os.sep}")


def remedy_for_lost(repository: Repository) -> str:
    """Return what to do where a version of *repository* is nowhere to be had."""
    if not os.path.isabs(repository.url):  # the address of a centralised system is that of its server
        return f"see that {repository.url} can be reached, and try again"
    if repository.root and os.path.isdir(repository.root):
        return f"get that version into {repository.root}, from wherever it was pushed or copied to, and try again"
    return f"get the repository back, for example to {repository.root}, and try again"


def working_copies(
    record: Record, objects: ContentStore, near: str, work: str, complaints: list[str]
) -> Generator[WorkingCopy, None, None]:
    """Yield working copies that have the version of *record*, the nearest first; why others don't, in *complaints*.

    What had to be made for it is removed when the next one is asked for.
    """
    repository = record.repository
    if repository is None:
        return
    seen = set()
    for place in filter(None, (repository.root, near)):
        with suppress(VersionControlError, OSError):
            copy = versioncontrol.find(place) if os.path.isdir(place) else None
            if copy is not None and copy.root not in seen and _has(copy, record):
                yield copy
            if copy is not None:
                seen.add(copy.root)
    make_private(work)
    scratch = tempfile.mkdtemp(prefix="code-", dir=work)
    try:
        yield from _made(record, objects, scratch, complaints)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _made(record: Record, objects: ContentStore, scratch: str, complaints: list[str]) -> Iterator[WorkingCopy]:
    repository = record.repository
    assert repository is not None  # noqa: S101  the caller has looked
    bundle = record.locks.get("bundle")
    if bundle is None and record.version is not None:
        from sumatra.runs.bundling import kept  # for a run after this one, maybe

        bundle = kept(repository.type, record.version, os.path.dirname(objects.root.rstrip("/")))
    if bundle is not None and record.version is not None:
        try:
            yield versioncontrol.unbundle(
                repository.type, objects.path(bundle), record.version, os.path.join(scratch, "bundle")
            )
        except (VersionControlError, OSError) as error:
            complaints.append(str(error))
    for number, url in enumerate(dict.fromkeys(filter(None, (repository.url, repository.upstream)))):
        try:
            copy = versioncontrol.checkout(
                url, os.path.join(scratch, f"clone-{number}"), lasting=False, system=repository.type
            )
        except VersionControlError as error:
            complaints.append(str(error))
            continue
        if _has(copy, record):
            yield copy
        else:
            complaints.append(f"{url} doesn't have version {record.version}")


def _has(copy: WorkingCopy, record: Record) -> bool:
    if record.version is None or record.repository is None:
        return True  # there was no commit yet: all is in the changes
    return copy.holds(record.version, record.repository.url)


def content_of(record: Record, path: str, objects: ContentStore, near: str, work: str) -> bytes:
    """Return what the file of code *path* (relative to the root of the working copy) held when *record* was made.

    Raises `ProjectError` if it wasn't there, or isn't to be had any more, and `VersionControlError` if what was kept of
    it is gone or damaged.
    """
    for change in record.changes:
        if change.path == path:
            if change.kind == "deleted":
                raise ProjectError(f"{path} had been deleted when {record.label} was run")
            if change.digest is None:
                raise ProjectError(f"{path} was changed and its content wasn't kept", "see smt view --receipt")
            return kept_content(change, objects.get)
    what_is_there = f"see which files are known: smt view {shlex.quote(record.label)} --code"
    if record.repository is None:
        raise ProjectError(f"{path} isn't among the files of code that were kept of {record.label}", what_is_there)
    complaints: list[str] = []
    for copy in working_copies(record, objects, near, work, complaints):
        try:
            return copy.content(path, record.version)
        except VersionControlError as error:
            raise ProjectError(str(error), error.hint or what_is_there) from error
    raise ProjectError(
        f"{path} of {record.label} isn't to be had any more{f' ({complaints[0]})' if complaints else ''}",
        remedy_for_lost(record.repository),
    )


def followed(record: Record, path: str, objects: ContentStore, near: str, work: str) -> bytes:
    """Return what `content_of` does for *path*; for a link to another file of the code, that of the other."""
    seen: set[str] = set()
    content = content_of(record, path, objects, near, work)
    while path not in seen and 0 < len(content) < _LONGEST_LINK and b"\0" not in content and b"\n" not in content:
        seen.add(path)
        if not _is_link(record, path, objects, near, work):
            break
        path = os.path.normpath(os.path.join(os.path.dirname(path), os.fsdecode(content)))
        if os.path.isabs(path) or path.startswith("../"):
            raise ProjectError(f"the link {record.main_file} leads out of the code of {record.label}: {path}")
        content = content_of(record, path, objects, near, work)
    return content


def _is_link(record: Record, path: str, objects: ContentStore, near: str, work: str) -> bool:
    for change in record.changes:
        if change.path == path:
            return change.mode == "120000"
    for copy in working_copies(record, objects, near, work, []):
        return any(file.path == path and file.mode == "120000" for file in copy.tree(record.version or "", {}).files)
    return False
