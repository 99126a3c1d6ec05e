"""What is done when a program has ended, whether or not we were there to see it."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence

from sumatra import capture, files
from sumatra.capture.lingering import left_behind
from sumatra.capture.seeds import seeds
from sumatra.datastore import DataStore
from sumatra.errors import LabelTaken, NoSuchRecord, SumatraError
from sumatra.facts import replace
from sumatra.files import ContentStore
from sumatra.launch import Ended
from sumatra.receipt import findings_of, some
from sumatra.records import DataKey, Finding, Record, Stream
from sumatra.recordstore import RecordStore
from sumatra.runs.comparing import outputs_by_comparison
from sumatra.runs.evidence import Evidence
from sumatra.runs.folder import RunFolder
from sumatra.runs.workshop import Workshop

__all__ = ["collect", "conclude", "save", "shortened", "with_streams"]

#: How long (seconds) a record may wait for its store before it is left for the next command.
_PATIENCE = 20.0

_HEAD = 8 * 1024
_TAIL = 24 * 1024


def conclude(record: Record, ended: Ended, folder: RunFolder) -> Record:
    """Return *record* with how its program ended."""
    if ended.signal is not None:
        status = "killed"
    else:
        status = "finished" if ended.exit_status == 0 else "failed"
    findings = list(record.receipt)
    if ended.reader_left:
        findings.append(Finding(
            "reader-left", "what read the program's output went away before its end, and the program was told so"
        ))
    return replace(
        record, status=status, exit_status=ended.exit_status, duration=ended.duration, resources=ended.resources,
        signal=_signal_name(ended.signal), process=None, stdout=ended.stdout, stderr=ended.stderr,
        stdout_stderr=shortened(folder), receipt=tuple(findings),
    )


def _signal_name(number: int | None) -> str | None:
    if number is None:
        return None
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}" if number >= signal.SIGRTMIN else str(number)


def shortened(folder: RunFolder) -> str:
    """Return standard output and error as text, the middle left out where it is long."""
    return "".join(_shortened(folder.file(name)) for name in ("stdout", "stderr"))


def _shortened(path: str) -> str:
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size <= _HEAD + _TAIL:
                return file.read().decode("utf-8", "replace")
            head = file.read(_HEAD)
            file.seek(size - _TAIL)
            tail = file.read(_TAIL)
    except OSError:
        return ""
    return f"{head.decode('utf-8', 'replace')}\n[… {size - _HEAD - _TAIL} bytes …]\n{tail.decode('utf-8', 'replace')}"


def with_streams(record: Record, folder: RunFolder, objects: ContentStore) -> Record:
    """Move what was printed into the content store; return *record* with its digests."""
    return replace(
        record,
        stdout=_kept(folder.file("stdout"), record.stdout, objects),
        stderr=_kept(folder.file("stderr"), record.stderr, objects),
    )


def _kept(path: str, stream: Stream | None, objects: ContentStore) -> Stream:
    try:
        size = os.path.getsize(path)
    except OSError:
        return stream or Stream(0)
    # A daemon that the program left behind may have written more since it was hashed.
    if stream is None or stream.digest is None or stream.size != size:
        digest, read, _ = files.digest_file(path)
        stream = Stream(read or 0, digest)
    if stream.size and stream.digest is not None:
        objects.take(path, stream.digest)
    return stream


def collect(record: Record, folder: RunFolder, workshop: Workshop, data: DataStore, evidence: Evidence) -> Record:
    """Return *record* with what *evidence* tells: streams, inputs, outputs, libraries, what is in the run folder.

    A step that fails becomes a finding.
    """
    steps: tuple[Callable[[Record], Record], ...] = (
        lambda record: _with_masked_text(record, workshop.key),
        lambda record: with_streams(record, folder, workshop.objects),
        lambda record: _with_files(record, workshop, data, evidence),
        lambda record: _with_foreign(record, folder, workshop.objects),
    )
    for step in steps:
        try:
            record = step(record)
        except (OSError, SumatraError) as error:
            finding = Finding("not-collected", f"something that the run wrote could not be looked at: {error}")
            record = replace(record, receipt=(*record.receipt, finding))
    if record.status == "failed" and _is_full(folder.path):
        finding = Finding("disk-full", "the disk of .smt is full; the program may have failed because of that")
        record = replace(record, receipt=(*record.receipt, finding))
    record = _with_left_behind(record, evidence)
    record = replace(record, seeds=seeds(record.parameters.flat(), evidence.environment))
    odd = (*_odd_files(record, is_late=evidence.is_late), *findings_of(record, _folders(workshop.root)))
    return replace(record, receipt=(*record.receipt, *odd))


def _with_masked_text(record: Record, key: bytes) -> Record:
    """Return *record*, which may go to others, without what its program has printed that looks like secrets."""
    text, count = capture.mask(record.stdout_stderr, key)
    if not count:
        return record
    finding = Finding("secret-printed", "the program printed what looks like secrets; the record shows it masked")
    return replace(record, stdout_stderr=text, receipt=(*record.receipt, finding))


def _with_left_behind(record: Record, evidence: Evidence) -> Record:
    names = left_behind(record.label, evidence.observed.method if evidence.observed is not None else "")
    if not names:
        return record
    count = f"{len(names)} programs" if len(names) > 1 else "a program"
    finding = Finding(
        "left-running", f"{count} that the run had started went on after its end, unobserved: {some(names)}"
    )
    return replace(record, receipt=(*record.receipt, finding))


def _folders(root: str) -> tuple[str, ...]:
    return root, os.path.realpath(root)  # what was observed is told by its real name


def _with_files(record: Record, workshop: Workshop, data: DataStore, evidence: Evidence) -> Record:
    observed = evidence.observed
    if observed is not None:
        from sumatra.runs.touched import with_observed

        record = with_observed(record, observed, workshop, data, evidence)
    if observed is not None and not observed.needs_comparison:
        return record
    if evidence.before is None:
        finding = Finding("outputs-unknown", "what the run wrote isn't known: it ended too early or the list was lost")
        return replace(record, receipt=(*record.receipt, finding))
    from sumatra.runs.touched import ignored_in

    known = {os.path.join(data.root, key.path) for key in record.output_data}
    ignored = ignored_in(workshop)
    keys, findings = outputs_by_comparison(
        data, evidence.before, evidence.crowd, workshop.progress, lambda path: path in known or ignored(path)
    )
    return replace(record, output_data=(*record.output_data, *keys), receipt=(*record.receipt, *findings))


def _odd_files(record: Record, *, is_late: bool) -> Iterator[Finding]:
    if is_late and record.output_data:
        yield Finding(
            "looked-late", "nobody watched the end of the run; the outputs are told as they were some time later"
        )
    if any("not hashed" in key.flags for key in (*record.output_data, *record.input_data)):
        yield Finding("not-hashed", "some files have no digest, because hashing was interrupted")
    if any("unstable" in key.flags for key in record.output_data):
        yield Finding("output-unstable", "some outputs went on changing after the program had ended")
    if any("changed during the run" in key.flags for key in record.input_data):
        yield Finding("input-changed", "some input files changed while the program ran")
    lost = [key.path for key in record.input_data if "changed by the run" in key.flags and key.digest is None]
    if lost:
        yield Finding(
            "input-overwritten",
            f"changed by the run before they could be hashed, so what they held before isn't known: {some(lost)}",
        )


def _is_full(path: str) -> bool:
    try:
        space = os.statvfs(path)
    except OSError:
        return False
    return space.f_bavail * space.f_frsize < 64 * 1024


def _with_foreign(record: Record, folder: RunFolder, objects: ContentStore) -> Record:
    foreign = folder.foreign_files()
    return _keep_foreign(record, folder, foreign, objects) if foreign else record


def _keep_foreign(record: Record, folder: RunFolder, names: Sequence[str], objects: ContentStore) -> Record:
    """Keep files that the program wrote into our run folder (beside its parameter file) as outputs."""
    keys = []
    for name in names:
        path = folder.file(name)
        digest, size, flags = files.digest_file(path)
        if digest is not None:
            objects.take(path, digest)
        keys.append(DataKey(f"{folder.label}/{name}", digest, None, size, flags=flags, seen="run folder"))
    finding = Finding(
        "file-in-run-folder",
        f"the program wrote beside its copied parameter file; kept in the content store: {', '.join(names[:5])}",
    )
    return replace(record, output_data=(*record.output_data, *keys), receipt=(*record.receipt, finding))


def save(record: Record, open_store: Callable[..., RecordStore], project: str) -> Record:
    """Put the ended *record* into the store; what the user wrote to it meanwhile stays.  Return what was saved."""
    with open_store(_PATIENCE) as store:
        try:
            return store.amend(project, record.label, lambda stored: _merged(stored, record))
        except NoSuchRecord:
            pass
        except LabelTaken:
            record = replace(record, label=_free(store, project, record.label))
        try:
            store.save(project, record)
        except LabelTaken:
            record = replace(record, label=_free(store, project, record.label))
            store.save(project, record)
    return record


def _merged(stored: Record, record: Record) -> Record:
    if stored.id != record.id:
        raise LabelTaken(f"the label {record.label!r} belongs to another record")
    if stored.has_ended:
        return stored
    return replace(
        record, tags=stored.tags, outcome=stored.outcome or record.outcome, reason=stored.reason or record.reason
    )


def _free(store: RecordStore, project: str, label: str) -> str:
    taken = set(store.labels_starting(project, label, most=100_000))
    number = 2
    while f"{label}-{number}" in taken:
        number += 1
    return f"{label}-{number}"
