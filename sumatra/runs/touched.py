"""From what an observer saw to what a record tells: programs, inputs, outputs, files that were removed."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from sumatra import capture
from sumatra.capture.accesses import FileAccess
from sumatra.capture.accesses import Program as SeenProgram
from sumatra.capture.classification import DATA, OWN, classify, inputs, is_code, outputs, prefixes
from sumatra.capture.observation import Observed
from sumatra.datastore import DataStore
from sumatra.facts import replace
from sumatra.files import is_script
from sumatra.receipt import some
from sumatra.records import DataKey, Finding, Parameters, Program, Record
from sumatra.runs.code import Limits, keep
from sumatra.runs.comparing import Progress, size_of
from sumatra.runs.elsewhere import Elsewhere
from sumatra.runs.evidence import Evidence
from sumatra.runs.libraries import found_libraries, with_libraries
from sumatra.runs.observing import is_same, state_now, written_at
from sumatra.runs.workshop import Workshop
from sumatra.settings import parse_size
from sumatra.versioncontrol import ChangedFile, WorkingCopy

__all__ = ["Touched", "ignored_in", "sort_out", "where_in", "with_observed"]

#: Programs of one run that a record tells of, and how much (characters) of the arguments of each.
_MOST_PROGRAMS = 1000
_MOST_ARGUMENTS = 2000


def with_observed(
    record: Record, observed: Observed, workshop: Workshop, data: DataStore, evidence: Evidence
) -> Record:
    """Return *record* with all that *observed* tells, which is part of the *evidence*."""
    ignored = ignored_in(workshop)
    if evidence.copy is None and record.version is None:
        record = _with_used_code(record, observed, workshop)
    known = dict(evidence.known)
    if evidence.elsewhere is not None:
        known.update(_hashed_apart(observed, evidence.elsewhere, workshop.inputs))
        observed = evidence.elsewhere.settle(observed, workshop.objects)
        record = replace(record, parameters=_from_outside(record.parameters, evidence.elsewhere))
    touched = sort_out(observed, record, workshop.root, evidence.copy, ignored, evidence.elsewhere)
    record = replace(with_programs(record, observed.processes, workshop.key), code_files=tuple(touched.code))
    loaded = None if observed.method in ("scan", "none") else touched.loaded
    found = found_libraries(record, workshop, evidence.environment, loaded, record.programs)
    record = with_libraries(record, found, workshop)
    most = workshop.settings.most_files
    read, many_read = _at_most([file for file in touched.inputs if file.path not in found.accounted], most, "read")
    written, many_written = _at_most(touched.outputs, most, "written")
    progress = _no_more if evidence.is_impatient else workshop.progress
    keys = input_keys(read, workshop.inputs, observed.method, known, progress)
    if any(key.digest is None for key in keys):
        from sumatra.runs.former import with_former_digests

        copy = evidence.copy if evidence.elsewhere is None else None
        keys = with_former_digests(keys, read, record, workshop, copy)
    # What is only named by the command, or by parameters, isn't an input where it can be seen what is read.
    is_blind = observed.needs_comparison or observed.method == "none"
    stays = [key for key in record.input_data if is_blind or key.seen == "stdin"]
    others = [key for key in stays if _is_new(key, keys)]
    return replace(
        record,
        input_data=(*others, *keys),
        output_data=(
            *record.output_data,
            *output_keys(written, data, observed.method, workshop.progress, where_in(evidence.elsewhere)),
        ),
        deleted_data=tuple(deleted_keys(touched.deleted, data, observed.method)),
        receipt=(
            *record.receipt, *observed.findings, *many_read, *many_written, *getattr(ignored, "findings", ()),
            *_continued(written),
        ),
    )


def _with_used_code(record: Record, observed: Observed, workshop: Workshop) -> Record:
    """Return *record*, whose code isn't under version control, with the contents of all code files that it loaded.

    Before the program was started, only files with the endings of code were kept, and not any number of them.
    """
    top = os.path.realpath(record.code_root).rstrip("/") + "/"
    kept = {change.path for change in record.changes}
    used = {source for source in map(_source, observed.files) if source.startswith(top) and is_code(source)}
    used = {path for path in used if classify(path, top.rstrip("/")) == DATA and path[len(top):] not in kept}
    new = [ChangedFile(path[len(top):], "code") for path in sorted(used)]
    if not new:
        return record
    chosen = workshop.settings
    limits = Limits(parse_size(chosen.largest_untracked), parse_size(chosen.largest_untracked_total))
    findings: list[Finding] = []
    changes = keep(top, new, workshop.objects, limits, findings)
    return replace(record, changes=(*record.changes, *changes), receipt=(*record.receipt, *findings))


def _continued(written: Sequence[FileAccess]) -> tuple[Finding, ...]:
    """Say which outputs hold what was there before the run too, though it didn't read that."""
    names = [file.path for file in written if file.continued and not file.read]
    if not names:
        return ()
    files = "a file that was" if len(names) == 1 else f"{len(names)} files that were"
    return (Finding("output-continued", f"the run wrote on in {files} there before: {some(names)}"),)


def _hashed_apart(observed: Observed, elsewhere: Elsewhere, store: DataStore) -> dict[str, DataKey]:
    """Return the digests of data that belong to another version of the code, by the names that they have otherwise."""
    paths = [
        file.path for file in observed.files if file.read and elsewhere.holds(file.path) and not is_code(file.path)
    ]
    keys = store.generate_keys(paths) if paths else []
    return {elsewhere.outside(path): key for path, key in zip(paths, keys, strict=True)}


def _from_outside(parameters: Parameters, elsewhere: Elsewhere) -> Parameters:
    return replace(parameters, path=parameters.path and elsewhere.outside(parameters.path))


def _at_most(found: list[FileAccess], most: int, what: str) -> tuple[list[FileAccess], tuple[Finding, ...]]:
    if len(found) <= most:
        return found, ()
    from sumatra.capture.ignoring import at_most

    return at_most(found, most, f"files were {what}")


def ignored_in(workshop: Workshop) -> Callable[[str], bool]:
    """Return what tells which files (absolute) the user doesn't want to hear of; it may have *findings*."""
    patterns = workshop.settings.ignore
    if not patterns and not os.path.lexists(os.path.join(workshop.root, ".smtignore")):
        return lambda path: False
    from sumatra.capture.ignoring import Ignored

    return Ignored.read(workshop.root, patterns)


def _no_more(size: int) -> Callable[[int], None]:
    def stop(count: int) -> None:
        raise KeyboardInterrupt  # the data store marks what it is at, and what would come after it, as not hashed

    return stop


def _is_new(key: DataKey, others: Iterable[DataKey]) -> bool:
    return all(key.path != other.path for other in others)


class Touched(NamedTuple):
    """The files that a run touched, sorted out."""

    inputs: list[FileAccess]
    outputs: list[FileAccess]
    deleted: list[FileAccess]
    code: list[str]  #: of the run's own, those that were read; relative to the root of its working copy
    loaded: list[str]  #: whatever was read or executed and isn't Sumatra's own: libraries are among it


def sort_out(
    observed: Observed, record: Record, root: str, copy: WorkingCopy | None,
    ignored: Callable[[str], bool] = lambda path: False, elsewhere: Elsewhere | None = None,
) -> Touched:
    """Return what of the files in *observed* are inputs, outputs and so on of the run that *record* tells of.

    *root* is the project's folder, *copy* the working copy of its code; *ignored* tells which files the user doesn't
    want to hear of.
    """
    home, root = os.path.realpath(os.path.expanduser("~")), os.path.realpath(root)
    top = os.path.realpath(copy.root if copy else record.code_root).rstrip("/") + "/"
    code = _code(observed, top, record, copy, elsewhere)
    # A Python that was found by PATH tells its environment by reading this file.
    environments = [file.path.rpartition("/")[0] for file in observed.files if file.path.endswith("/pyvenv.cfg")]
    packages = [*prefixes(observed.processes, home), *environments]
    own = (os.path.join(os.path.dirname(os.path.realpath(capture.__file__)), "injected"),)  # what observes from inside
    kinds: dict[str, str] = {}

    def kind(path: str) -> str:
        if path not in kinds:
            kinds[path] = classify(path, root, code.__contains__, packages=packages, own=own, home=home)
        return kinds[path]

    wanted = [file for file in observed.files if not ignored(file.path)]
    parameters = record.parameters.path and os.path.realpath(record.parameters.path)
    return Touched(
        inputs=[file for file in inputs(wanted, kind) if file.path != parameters],
        outputs=outputs(wanted, kind, home=home, root=root),
        deleted=[file for file in wanted if file.deleted and kind(file.path) in (DATA, "code")],
        code=sorted({source[len(top):] for source in map(_source, observed.files) if source in code}),
        loaded=[file.path for file in observed.files if file.read and kind(file.path) != OWN],
    )


def _source(file: FileAccess) -> str:
    """Return what was read; for bytecode of Python, which stands for its source, that."""
    folder, _, name = file.path.rpartition("/")
    if not file.read:
        return ""
    if folder.endswith("/__pycache__") and name.endswith(".pyc"):
        return f"{folder.removesuffix('/__pycache__')}/{name.partition('.')[0]}.py"
    return file.path


def _code(
    observed: Observed, top: str, record: Record, copy: WorkingCopy | None, elsewhere: Elsewhere | None
) -> frozenset[str]:
    """Return which of the files, or their sources, are the code that the record has: under version control, or kept."""
    paths = {source for file in observed.files for source in (file.path, _source(file)) if source.startswith(top)}
    programs = {program.path for program in observed.processes}
    if record.main_file:
        programs.add(os.path.realpath(os.path.join(record.working_directory, record.main_file)))
    scripts = {path for path in programs & paths if is_script(elsewhere.inside(path) if elsewhere else path)}
    likely = [path[len(top):] for path in paths if path in scripts or is_code(path)]
    if elsewhere is not None:
        return frozenset(top + path for path in likely if elsewhere.is_code(top + path))
    kept = {change.path for change in record.changes if change.digest is not None}
    unsure = [path for path in likely if path not in kept]
    known = copy.tracked(unsure) if copy and unsure else set()
    return frozenset(top + path for path in likely if path in kept or path in known)


def with_programs(record: Record, seen: Sequence[SeenProgram], key: bytes) -> Record:
    """Return *record* with the programs that its processes were."""
    began = min((program.started for program in seen), default=0.0)
    told = [_program(program, began, key) for program in seen[:_MOST_PROGRAMS]]
    findings: tuple[Finding, ...] = ()
    if len(seen) > _MOST_PROGRAMS:
        message = f"{len(seen):,} programs were run; the record tells of the first {_MOST_PROGRAMS:,}"
        findings = (Finding("many-programs", message),)
    return replace(record, programs=tuple(told), receipt=(*record.receipt, *findings))


def _program(program: SeenProgram, began: float, key: bytes) -> Program:
    arguments = []
    left = _MOST_ARGUMENTS
    for word in program.arguments:
        arguments.append(word if len(word) <= left else f"{word[:left]}…")
        left -= len(word)
        if left <= 0:
            break
    return Program(
        path=program.path, arguments=tuple(capture.mask_words(arguments, key)[0]), pid=program.pid,
        parent=program.parent, started=_after(program.started, began), ended=_after(program.ended, began),
        exit_status=program.exit_status,
    )


def _after(moment: float | None, began: float) -> float | None:
    return None if moment is None else round(max(0.0, moment - began), 3)


def input_keys(
    files: Sequence[FileAccess], store: DataStore, method: str, known: Mapping[str, DataKey], progress: Progress
) -> list[DataKey]:
    """Return the keys of *files* that were read; *known* are those that were hashed before or during the run."""
    late = [file for file in files if file.path not in known]
    paths = [file.path for file in late]
    keys = store.generate_keys(paths, progress=progress(size_of("/", paths))) if paths else []
    hashed = {**known, **dict(zip(paths, keys, strict=True))}
    return [_input_key(file, hashed[file.path], store, method, is_late=file.path not in known) for file in files]


def _input_key(file: FileAccess, key: DataKey, store: DataStore, method: str, *, is_late: bool) -> DataKey:
    flags = [flag for flag in key.flags if flag != "changed during the run"]
    digest = key.digest
    is_own = file.written or file.deleted
    if (is_own or file.unsure) if file.state is None else not is_same(file.state, state_now(file.path)):
        flags.append("changed by the run" if is_own else "changed during the run")
        digest = None if is_late else digest  # it isn't what the program has read
        if file.state is not None:  # and neither are these
            key = replace(key, size=file.state.size, creation=written_at(file.state))
        elif is_late:
            key = replace(key, size=None, creation=None)
    return replace(
        key, path=_told(file.path, store.root), digest=digest, seen=method, flags=tuple(flags), by=_by(file.readers)
    )


def output_keys(
    files: Sequence[FileAccess], store: DataStore, method: str, progress: Progress, where: Callable[[str], str]
) -> list[DataKey]:
    """Return the keys of *files* that were written, hashed now; *where* tells where each of them lies."""
    root = os.path.realpath(store.root).rstrip("/") + "/"
    paths = [where(file.path) for file in files]
    if not paths:
        return []
    keys = store.generate_keys(paths, seen=method, progress=progress(size_of("/", paths)))
    return [
        replace(
            key, path=file.path.removeprefix(root), by=_by(file.writers),
            renamed_from=file.renamed_from,
        )
        for key, file in zip(keys, files, strict=True)
    ]


def where_in(elsewhere: Elsewhere | None) -> Callable[[str], str]:
    """Return what tells where an output lies: a repetition leaves it in the folder that was built for it."""

    def where(path: str) -> str:
        inside = elsewhere.inside(path) if elsewhere is not None and elsewhere.apart else path
        return inside if os.path.lexists(inside) else path

    return where


def deleted_keys(files: Iterable[FileAccess], store: DataStore, method: str) -> list[DataKey]:
    """Return keys of *files* that were removed: name and, where it was seen, size."""
    return [
        DataKey(
            _told(file.path, store.root), size=file.state.size if file.state else None, seen=method,
            flags=("missing",), by=_by(file.writers),
        )
        for file in files
    ]


def _by(places: Iterable[int]) -> tuple[int, ...]:
    return tuple(place for place in places if place < _MOST_PROGRAMS)


def _told(path: str, root: str) -> str:
    """Return *path* as records tell it: relative to the store's root, unless that is the root of everything."""
    if root != "/" and path.startswith(root.rstrip("/") + "/"):
        return os.path.relpath(path, root)
    return path
