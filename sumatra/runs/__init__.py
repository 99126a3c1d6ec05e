"""One run, from the words that the user typed to the record in the store.

`execute` reads like the paragraph in the manual: what must be known before the program starts (label, code,
parameters, what is in the data folder) is found out before; what can wait (machine, environment, digests of inputs) is
found out while it runs; outputs are looked at when it has ended.  At each change of state the record's document is
written to the run folder, so that whatever kills us, no run is lost (`taking_in` finds it).
"""

import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from itertools import count
from time import monotonic
from typing import NamedTuple

import sumatra
from sumatra import capture, programs
from sumatra.datastore import DataStore
from sumatra.errors import LabelTaken, NoSuchRecord, ProjectError, RecordStoreError, SumatraError, UsageError
from sumatra.facts import fact, field, replace
from sumatra.files import file_name
from sumatra.launch import Ended, Plan, get_launcher
from sumatra.records import Choice, Executable, Finding, Observation, Process, Record, new_id
from sumatra.recordstore import RecordStore
from sumatra.runs import code, ending
from sumatra.runs.comparing import Comparison
from sumatra.runs.elsewhere import Elsewhere
from sumatra.runs.folder import RunFolder
from sumatra.runs.inputs import Inputs
from sumatra.runs.observing import Observing
from sumatra.runs.redirected import behind_stdin, behind_stdout, piped, with_stdout_file
from sumatra.runs.shadow import Shadow
from sumatra.runs.words import Understood, understand
from sumatra.runs.workshop import Workshop
from sumatra.settings import Settings, parse_size

__all__ = ["Done", "Request", "Workshop", "check_label", "execute", "new_label"]


#: How long (seconds) a program's start may wait for the record store; its record can do without.
_PATIENCE = 2.0


@fact(kw_only=True)
class Request:
    """What the user asks for."""

    arguments: Sequence[str]  #: what follows the program and its script
    program: Sequence[str]  #: the program with its options and its script
    main_file: str | None = None  #: the script, where the user or the settings name it
    label: str | None = None
    reason: str = ""
    tags: frozenset[str] = frozenset()
    stdin_file: str | None = None
    stdout_file: str | None = None
    take_values: bool = True
    look_for_parameters: bool = True
    launch_mode: Choice = field(default=Choice("serial"))
    repeats: str | None = None
    began: float | None = None  #: when smt was started, by the monotonic clock
    version: str | None = None  #: of the code, where not the current one is to be run
    keep: bool = False  #: the folder in which another version was built
    again: Record | None = None  #: the run that is to be repeated
    prepared: Elsewhere | None = None  #: its code, where it was put together before


@fact
class Done:
    """What came of it."""

    record: Record
    ended: Ended
    saved: bool  #: False when the record waits in its folder for the store to come back
    trouble: str = ""  #: why it was not saved


def check_label(label: str) -> str:
    """Return *label* if it can be one, or raise `UsageError`."""
    odd = [character for character in label if not character.isprintable()]
    if not label.strip() or label != label.strip() or odd or label.startswith("-") or label == "last":
        raise UsageError(
            f"{label!r} can't be a label", "take printable text that doesn't begin with - or a space and isn't 'last'"
        )
    if any(part in ("", ".", "..") for part in label.split("/")):
        raise UsageError(f"{label!r} can't be a label", "between slashes there has to be a name")
    if len(file_name(label)) > 200:
        raise UsageError(f"the label {label[:20]!r}… is too long", "take less than 200 letters")
    return label


def new_label(settings: Settings, now: datetime) -> str:
    """Return a label made as the project makes them; it need not be free."""
    if settings.label_generator == "uuid":
        return new_id().replace("-", "")[-12:]
    return check_label(now.strftime(settings.timestamp_format))


class _Around(NamedTuple):
    """What is known before a label is chosen."""

    now: datetime
    folder: str  #: the current one
    environment: dict[str, str]
    executable: Executable
    main_file: str | None
    code: code.Code
    stdout: str | None = None  #: the file that standard output goes to


def execute(request: Request, workshop: Workshop) -> Done:
    """Run what *request* asks for, keep the record, and tell what came of it.

    Raises a `SumatraError` only if the program was not started; from then on troubles are findings in the record.
    """
    began = request.began or monotonic()
    here = os.getcwd()
    now = datetime.now().astimezone()
    folder: RunFolder | None = None
    observing: Observing | None = None
    shadow: Shadow | None = None
    elsewhere: Elsewhere | None = None
    try:
        with _Looking(request, workshop, now) as looking, workshop.open_store(_PATIENCE) as store:
            # While git is asked, we load what starts programs and keeps records, and start what observes.
            launcher = get_launcher(request.launch_mode.name, request.launch_mode.options)
            folder = _claim(request, workshop, store, now)
            data = _data_for(workshop, folder.label)
            comparison = Comparison(data, os.path.dirname(folder.path), os.environ.get("SMT_LABEL"))
            observing = Observing(folder, workshop.settings.trace, comparison)
            around = looking.found()
        if request.version is not None or request.again is not None:
            elsewhere, around = _elsewhere(request, workshop, folder.label, around)
        words = _understand(request, workshop, folder, around)
        for warning in words.meaning.warnings:
            workshop.warn(warning)
        program = [*request.program, *words.words]
        record = _first_state(request, workshop, around, folder.label, words, launcher.words(program), data)
        folder.write(record)
        inputs = Inputs(_input_files(request, words), workshop.inputs)
        shadow = Shadow(
            record, folder, workshop, inputs, comparison, words.read_parameters, observing,
            look_further=lambda: code.reach(around.code),
        )

        def started(pid: int) -> None:
            overhead = Observation(observing.method, before=monotonic() - began)
            shadow.start(
                Process(pid, capture.process_start(pid) or 0, capture.boot_id(), os.uname().nodename), overhead
            )

        ended = launcher.run(Plan(
            words=program, environment={**around.environment, "SMT_LABEL": folder.label},
            stdout=folder.file("stdout"), stderr=folder.file("stderr"), stdin_file=request.stdin_file,
            stdout_file=_opened_for_stdout(request, elsewhere), spawn=observing.spawn, started=started,
        ))
    except BaseException as error:
        if folder is None:
            raise
        if shadow is None or not shadow.has_started:
            if elsewhere is not None:
                elsewhere.remove()
            if observing is not None:
                observing.close()
            folder.remove()
        else:
            folder.unlock()  # the program runs on, and the next command takes its record in
        if isinstance(error, OSError) and not isinstance(error, SumatraError):
            raise ProjectError(
                f"the run could not be prepared in {folder.path}: {error.strerror}", "nothing was run; make room there"
            ) from error
        raise
    finally:
        if elsewhere is not None:
            os.chdir(here)
    try:
        return _collect(request, workshop, folder, shadow, ended, data, around, elsewhere)
    finally:
        if elsewhere is not None and not request.keep:
            elsewhere.remove()


def _opened_for_stdout(request: Request, elsewhere: Elsewhere | None) -> str | None:
    """Return the file that standard output is to be written to, which a repetition has for itself."""
    if not request.stdout_file or elsewhere is None or not elsewhere.apart:
        return request.stdout_file
    place = elsewhere.inside(request.stdout_file)
    os.makedirs(os.path.dirname(place), exist_ok=True)
    return place


def _elsewhere(request: Request, workshop: Workshop, label: str, around: _Around) -> tuple[Elsewhere, _Around]:
    """Build the version that *request* asks for, go there, and return what is around us then."""
    from sumatra.runs.elsewhere import build, build_again

    work = os.path.join(workshop.folder, "work")
    folder = os.path.join(work, file_name(label))
    if request.again is not None:
        around = around._replace(folder=request.again.working_directory)
        if request.prepared is not None:
            with suppress(OSError):  # where `taking_in` looks, should we be killed
                os.symlink(request.prepared.folder, folder)
        elsewhere = request.prepared or build_again(request.again, folder, workshop.objects, workshop.root, work)
    else:
        elsewhere = build(request.version or "", around.folder, folder, workshop.objects)
    os.chdir(elsewhere.inside(around.folder))
    environment = {**around.environment, "PWD": os.getcwd()}
    executable, main_file = programs.describe([*request.program, *request.arguments], os.getcwd(), environment)
    notes = tuple(Finding("code-note", note) for note in elsewhere.missing)
    found = replace(around.code, version=elsewhere.version, diff="", changes=(), findings=notes, copy=elsewhere.copy)
    if request.again is not None:
        first = request.again
        found = replace(
            found, repository=first.repository, folder=first.code_folder, diff=first.diff, changes=first.changes,
            user=elsewhere.copy.user() if elsewhere.copy else "",
        )
    return elsewhere, around._replace(
        environment=environment, executable=executable, main_file=request.main_file or main_file, code=found
    )


class _Looking:
    """`_look_around` in a thread of its own, which mostly waits for other programs."""

    def __init__(self, request: Request, workshop: Workshop, now: datetime) -> None:
        self._found: _Around | BaseException | None = None
        self._thread = threading.Thread(target=self._look, args=(request, workshop, now), name="looking")

    def __enter__(self) -> "_Looking":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _look(self, request: Request, workshop: Workshop, now: datetime) -> None:
        try:
            self._found = _look_around(request, workshop, now)
        except BaseException as error:  # noqa: BLE001  it is raised again where it is asked for
            self._found = error

    def found(self) -> _Around:
        """Return what was found, or raise what went wrong."""
        self._thread.join()
        if isinstance(self._found, _Around):
            return self._found
        raise self._found or AssertionError("the thread has ended without a result")


def _look_around(request: Request, workshop: Workshop, now: datetime) -> _Around:
    here = os.getcwd()
    environment = _given_variables()
    executable, main_file = programs.describe([*request.program, *request.arguments], here, environment)
    main_file = request.main_file or main_file
    chosen = workshop.settings
    stdout = os.path.abspath(request.stdout_file) if request.stdout_file else None
    if request.again is not None:  # its code is the one of then, whatever there is now
        return _Around(now, here, environment, executable, main_file, code.Code(), stdout)
    found = code.look(
        here, policy=chosen.on_changed, store=workshop.objects, main_file=main_file,
        limits=code.Limits(parse_size(chosen.largest_untracked), parse_size(chosen.largest_untracked_total)),
        passed_over=workshop.not_code, project=workshop.root,
    )
    return _Around(now, here, environment, executable, main_file, found, stdout or behind_stdout())


def _first_state(
    request: Request, workshop: Workshop, around: _Around, label: str, words: Understood, command: Sequence[str],
    data: DataStore,
) -> Record:
    """Return the record as it is before the program starts."""
    key = workshop.key
    masked, hidden = capture.mask_words(command, key)
    found = around.code
    return Record(
        label=label, timestamp=around.now, id=new_id(), project=workshop.settings.name,
        reason=capture.mask(request.reason, key)[0], tags=request.tags, command=tuple(masked),
        executable=around.executable, main_file=around.main_file,
        script_arguments=capture.mask(words.script_arguments, key)[0], working_directory=around.folder,
        repository=found.repository, version=found.version, diff=capture.mask(found.diff, key)[0],
        changes=found.changes, code_folder=found.folder, on_changed=workshop.settings.on_changed,
        parameters=words.meaning.parameters,
        launch_mode=request.launch_mode, datastore=data.choice, input_datastore=workshop.inputs.choice,
        user=found.user or capture.user(around.environment), repeats=request.repeats,
        parent=around.environment.get("SMT_LABEL"),
        receipt=(*found.findings, *words.meaning.findings, *_hidden(hidden), *piped(request.stdin_file)),
        tools={"sumatra": sumatra.__version__, "python": ".".join(map(str, sys.version_info[:3]))},
    )


def _given_variables() -> dict[str, str]:
    """Return the environment as it was given to us: without the `LC_CTYPE` that Python sets for itself (PEP 538)."""
    if os.environ.get("LC_CTYPE") in ("C.UTF-8", "C.utf8", "UTF-8"):
        with suppress(OSError), open("/proc/self/environ", "rb") as file:
            if not any(each.startswith(b"LC_CTYPE=") for each in file.read().split(b"\0")):
                del os.environ["LC_CTYPE"]
    return dict(os.environ)


def _hidden(number: int) -> tuple[Finding, ...]:
    if not number:
        return ()
    words = "a word" if number == 1 else f"{number} words"
    return (Finding("secret-masked", f"{words} of the command looked like secrets and were masked"),)


def _data_for(workshop: Workshop, label: str) -> DataStore:
    if workshop.settings.add_label == "none":
        return workshop.data
    from sumatra.datastore import get_data_store

    choice = workshop.data.choice
    return get_data_store(choice.name, {**choice.options, "root": os.path.join(workshop.data.root, label)})


def _claim(request: Request, workshop: Workshop, store: RecordStore, now: datetime) -> RunFolder:
    """Return the folder of a label that nobody else has or gets."""
    root = os.path.join(workshop.folder, "runs")
    wanted = check_label(request.label) if request.label is not None else new_label(workshop.settings, now)
    for number in count(1):
        label = wanted if number == 1 else f"{wanted}-{number}"
        folder = RunFolder.create(root, label)
        if folder is not None:
            if not _in_store(store, workshop, label):
                return folder
            folder.remove()
        if request.label is not None:
            raise LabelTaken(f"there is already a record called {label!r}", "choose another label")
    raise LabelTaken("no label is free")


def _in_store(store: RecordStore, workshop: Workshop, label: str) -> bool:
    try:
        store.get(workshop.settings.name, label)
    except NoSuchRecord:
        return False
    except RecordStoreError as error:
        workshop.warn(f"the record store can't be reached now, the record will wait for it: {error}")
        return False
    return True


def _understand(request: Request, workshop: Workshop, folder: RunFolder, around: _Around) -> Understood:
    known = {os.path.abspath(path) for path in (around.executable.path, around.main_file) if path}
    return understand(
        request.arguments, label=folder.label, folder=folder.file("parameters"), store=workshop.objects,
        look_for_parameters=request.look_for_parameters, take_values=request.take_values,
        add_label=_label_to_add(request, workshop), key=workshop.key, not_inputs=frozenset(known),
    )


def _label_to_add(request: Request, workshop: Workshop) -> str:
    """Return how the program is told its label; a run that is done again has the label of then among its words."""
    chosen = workshop.settings.add_label
    if request.again is not None and (chosen == "cmdline" or request.repeats is not None):
        return "none"
    return chosen


def _input_files(request: Request, words: Understood) -> list[tuple[str, str]]:
    """Return paths of inputs, each with how it was seen."""
    found = [(path, "argument") for path in words.inputs]
    found += [(path, "parameter") for path in words.meaning.inputs if path not in words.inputs]
    stdin = os.path.abspath(request.stdin_file) if request.stdin_file else behind_stdin()
    return [*found, (stdin, "stdin")] if stdin else found


def _collect(
    request: Request, workshop: Workshop, folder: RunFolder, shadow: Shadow, ended: Ended, data: DataStore,
    around: _Around, elsewhere: Elsewhere | None,
) -> Done:
    """Complete the record after the program has ended; nothing here may raise, and each step may fail by itself."""
    end = monotonic()
    with suppress(OSError):
        folder.write(ending.conclude(shadow.facts(), ended, folder))
    record, evidence = shadow.join()
    record = ending.conclude(record, ended, folder)
    if record.resources is not None:
        # The samples may have missed the moment at which the largest process was largest.
        peaks = (evidence.peak_memory, evidence.peak_memory and record.resources.peak_memory)
        peak = max(filter(None, peaks), default=None)
        record = replace(record, resources=replace(record.resources, tree_memory=peak))
    collected = False
    try:
        evidence = replace(evidence, copy=around.code.copy, elsewhere=elsewhere)
        record = ending.collect(record, folder, workshop, data, evidence)
        collected = True
        if workshop.settings.bundle:
            from sumatra.runs.bundling import with_bundle

            record = with_bundle(record, around.code.copy, workshop)
        if around.stdout:
            from sumatra.runs.touched import ignored_in, where_in

            record = with_stdout_file(record, data, around.stdout, where_in(elsewhere), ignored_in(workshop))
        if record.observation is not None:
            record = replace(record, observation=replace(record.observation, after=monotonic() - end))
        saved = ending.save(record, workshop.open_store, workshop.settings.name)
    except (SumatraError, OSError) as error:
        trouble = str(error)
    except KeyboardInterrupt:
        trouble = "you interrupted it"
    else:
        folder.remove()
        return Done(saved, ended, saved=True)
    if collected:
        folder.forget_evidence()
    return _kept_beside(record, ended, folder, workshop, trouble)


def _kept_beside(record: Record, ended: Ended, folder: RunFolder, workshop: Workshop, trouble: str) -> Done:
    """Leave the record in its folder, for the next command to take in."""
    finding = Finding("kept-beside", f"the record could not be saved at once: {trouble}")
    record = replace(record, receipt=(*record.receipt, finding))
    kept = f"it waits in {folder.path} for the next smt command"
    try:
        try:
            folder.write(record)
        except OSError:
            # The disk is full: this file was made for such a moment.
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(workshop.folder, "reserve"))
            folder.write(record)
    except OSError as worse:
        kept = f"nor could it be kept in {folder.path}: {worse.strerror}"
    folder.unlock()
    return Done(record, ended, saved=False, trouble=f"{trouble}; {kept}")
