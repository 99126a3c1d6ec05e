"""Take in what runs have left: records that could not be saved, and runs whose watcher is gone."""

import os
from dataclasses import replace

from sumatra import capture
from sumatra.datastore import get_data_store
from sumatra.errors import SumatraError
from sumatra.records import Finding, Record
from sumatra.runs import ending
from sumatra.runs.folder import RunFolder, folders
from sumatra.runs.workshop import Workshop

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
            return None
        record = _crashed(record, folder)
        record = _with_outputs(record, folder)
    record = ending.with_streams(record, folder, workshop.objects)
    foreign = folder.foreign_files()
    if foreign:
        record = ending.keep_foreign(record, folder, foreign, workshop.objects)
    record = ending.save(record, workshop.open_store, workshop.settings.name)
    folder.remove()
    return record


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


def _with_outputs(record: Record, folder: RunFolder) -> Record:
    before = folder.read_before()
    if before is None or record.datastore is None:
        finding = Finding("outputs-unknown", "what the run wrote isn't known: it ended too early or the list was lost")
        return replace(record, receipt=(*record.receipt, finding))
    data = get_data_store(record.datastore.name, record.datastore.options)
    keys, findings = ending.outputs(data, before, None)
    return replace(record, output_data=tuple(keys), receipt=(*record.receipt, *findings))
