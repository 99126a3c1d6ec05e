"""Take in what runs have left: records that could not be saved, and runs whose watcher is gone."""

import os
from contextlib import suppress

from sumatra import capture
from sumatra.capture import observation
from sumatra.datastore import get_data_store
from sumatra.errors import NoSuchRecord, SumatraError, VersionControlError
from sumatra.facts import replace
from sumatra.records import Finding, Record
from sumatra.runs import ending
from sumatra.runs.elsewhere import Elsewhere
from sumatra.runs.evidence import Evidence
from sumatra.runs.folder import RunFolder, folders
from sumatra.runs.workshop import Workshop
from sumatra.versioncontrol import find

__all__ = ["take_in"]


def take_in(workshop: Workshop) -> list[Record]:
    """Put into the store what waits below ``.smt/runs``, and return those records.

    A run whose watching process is alive holds the lock of its folder and is left alone; so is one whose program
    still runs, here or (as far as can be told) on another machine.  Troubles are left for the next time.
    """
    taken = []
    for folder in folders(os.path.join(workshop.folder, "runs")):
        if not folder.lock():
            continue
        try:
            record = _take(folder, workshop)
            if record is not None:
                taken.append(record)
        except (SumatraError, OSError) as error:
            workshop.warn(f"the run {folder.label} still waits in {folder.path}: {error}")
        finally:
            folder.unlock()
    return taken


def _take(folder: RunFolder, workshop: Workshop) -> Record | None:
    record = folder.read()
    if record is None:
        _without_document(folder, workshop)
        return None
    if not record.has_ended:
        if _goes_on(record):
            _show(record, workshop)
            return None
        record = _crashed(record, folder)
        record = _collected(record, folder, workshop)
    elif folder.has_evidence:
        # We were killed after the program's end, while its outputs were looked at.
        record = _collected(record, folder, workshop)
    else:
        record = ending.with_streams(record, folder, workshop.objects)
    record = ending.save(record, workshop.open_store, workshop.settings.name)
    folder.remove()
    return record


def _show(record: Record, workshop: Workshop) -> None:
    """Let the store know of a run that goes on without its watcher."""
    with workshop.open_store() as store:
        try:
            store.get(workshop.settings.name, record.label)
        except NoSuchRecord:
            store.save(workshop.settings.name, record)


def _collected(record: Record, folder: RunFolder, workshop: Workshop) -> Record:
    data = workshop.data
    if record.datastore is not None:
        data = get_data_store(record.datastore.name, record.datastore.options)
    observed: observation.Observed | None
    try:
        observed = observation.read(folder.file("trace"))
    except (OSError, SumatraError):
        observed = _unobserved(record, workshop)
    copy = None
    with suppress(VersionControlError):
        copy = find(record.repository.root) if record.repository and record.repository.root else None
    work = os.path.join(workshop.folder, "work", os.path.basename(folder.path))
    elsewhere = None
    if os.path.isdir(work):
        root = copy.root if copy is not None else record.code_root
        elsewhere = Elsewhere(root, work, copy, apart=record.repeats is not None)
    evidence = Evidence(
        observed=observed, before=folder.read_before(), is_late=True, environment=record.environment, copy=copy,
        elsewhere=elsewhere,
    )
    record = ending.collect(record, folder, workshop, data, evidence)
    if elsewhere is not None:
        elsewhere.remove()
    return record


def _unobserved(record: Record, workshop: Workshop) -> observation.Observed | None:
    """Return what there is to say of a run that was not observed on purpose; None if its log was lost."""
    method = record.observation.method if record.observation is not None else ""
    if method not in ("scan", "none"):
        return None
    if workshop.settings.trace == method:
        return observation.unobserved(method)
    return observation.unobserved(method, [("better methods", "why they weren't used isn't known any more")])


def _without_document(folder: RunFolder, workshop: Workshop) -> None:
    """Remove a folder in which no program was started yet; leave one with a document that can't be read."""
    if os.path.exists(folder.file("record.json")):
        workshop.warn(f"the record in {folder.path} can't be read; it was left there")
    elif not folder.foreign_files():
        folder.remove()


def _goes_on(record: Record) -> bool:
    if record.process is not None:
        return capture.is_alive(record.process) is not False
    # Killed between starting the program and noting its number: the program has our label in its environment.
    return _has_label(record)


def _has_label(record: Record) -> bool:
    wanted = b"SMT_LABEL=" + os.fsencode(record.label)
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/environ", "rb") as file:
                    if wanted in file.read().split(b"\0"):
                        return os.readlink(f"/proc/{entry}/cwd") == record.working_directory
            except OSError:
                continue
    return False


def _crashed(record: Record, folder: RunFolder) -> Record:
    finding = Finding(
        "crashed",
        "the process that watched this run was killed, so exit status, duration and use of resources aren't known",
    )
    return replace(
        record, status="crashed", process=None, stdout=None, stderr=None, stdout_stderr=ending.shortened(folder),
        receipt=(*record.receipt, finding),
    )
