"""A project: its settings, its back-ends and its records.

`load_project` finds the project that a folder belongs to; everything that ``smt`` does can be done with what it
returns.
"""

import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sumatra import files, settings
from sumatra.datastore import DataStore, get_data_store
from sumatra.errors import LabelTaken, NoSuchProject, NoSuchRecord, ProjectError, ProjectExists, UsageError
from sumatra.facts import replace
from sumatra.files import ContentStore
from sumatra.records import STATUS_TAGS, DataKey, Parameters, Record
from sumatra.recordstore import RecordStore, open_store
from sumatra.selection import EVERYTHING, Selection, has_tag, parse_query
from sumatra.settings import Settings

if TYPE_CHECKING:
    from sumatra.causes.searching import Question
    from sumatra.datastore.digests import DigestCache

    # Loaded when something is run: listing records has to be instant.
    from sumatra.differences import Differences
    from sumatra.runs import Done, Request
    from sumatra.runs.alike import Alike, Command
    from sumatra.runs.draft import Draft
    from sumatra.runs.judging import Judge
    from sumatra.runs.repeating import Plan, Repeated
    from sumatra.runs.workshop import Workshop

__all__ = ["Project", "init_project", "load_project", "load_simulation_project"]

FOLDER = ".smt"


def load_project(path: str | os.PathLike[str] | None = None) -> "Project":
    """Return the project that the folder *path* (by default the current one) lies in.

    Raises `NoSuchProject` if there is none in it or above it.
    """
    try:
        start = os.path.abspath(os.fspath(path) if path is not None else os.getcwd())
    except FileNotFoundError:
        raise NoSuchProject("the current folder isn't there any more", "cd to one that is") from None
    root = start
    while True:
        folder = os.path.join(root, FOLDER)
        if os.path.isfile(os.path.join(folder, settings.FILE)):
            return Project._at(root, settings.read(folder))
        if os.path.isfile(os.path.join(folder, "project")):
            raise NoSuchProject(
                f"the project in {root} was made by Sumatra 0.8 and can't be used as it is",
                "start a new one beside it: rename its .smt folder, then smt init NAME",
            )
        if os.path.isfile(os.path.join(folder, "records.sqlite")):
            raise NoSuchProject(
                f"the project in {root} has lost its settings: there is no {os.path.join(folder, settings.FILE)}",
                "put a copy of it back, or make it anew with the project's name: smt init NAME",
            )
        above = os.path.dirname(root)
        if above == root:
            raise NoSuchProject(f"there is no Sumatra project in {start} or above it", "make one: smt init NAME")
        root = above


#: The name that `load_project` had in the first Sumatra.
load_simulation_project = load_project


def init_project(path: str | os.PathLike[str], chosen: Settings) -> "Project":
    """Make a project with the settings *chosen* in the folder *path*, and return it.

    Raises `ProjectExists` if there is one in that folder, and `ProjectError` if it can't be written.
    """
    root = os.path.abspath(os.fspath(path))
    folder = os.path.join(root, FOLDER)
    if os.path.exists(os.path.join(folder, settings.FILE)) or os.path.exists(os.path.join(folder, "project")):
        raise ProjectExists(f"a project already exists in {root}", "change its settings: smt configure")
    project = Project._at(root, settings.check(chosen))
    project.save()
    return project


class Project:
    """The notebook of one line of work.

    The arguments are those of Sumatra 0.8, where ``Project(name)`` makes a new project in the current folder; `save`
    writes it to disk.
    """

    def __init__(
        self,
        name: str,
        default_executable: Any = None,
        default_repository: Any = None,
        default_main_file: str | None = None,
        default_launch_mode: Any = None,
        data_store: Any = "default",
        record_store: str = "default",
        on_changed: str = "store-diff",
        description: str = "",
        data_label: str | None = None,
        input_datastore: Any = None,
        label_generator: str = "timestamp",
        timestamp_format: str = "%Y%m%d-%H%M%S",
        allow_command_line_parameters: bool = True,
        ignore_parameters: bool = False,
        plugins: Sequence[str] = (),
    ) -> None:
        values: dict[str, Any] = {
            "name": name, "on_changed": on_changed, "description": description, "add_label": data_label or "none",
            "label_generator": label_generator, "timestamp_format": timestamp_format,
            "plain": not allow_command_line_parameters, "ignore_parameters": ignore_parameters,
            "executable": str(getattr(default_executable, "path", default_executable) or ""),
            "repository": str(getattr(default_repository, "url", default_repository) or ""),
            "main_file": default_main_file or "",
            "launch_mode": str(getattr(default_launch_mode, "name", default_launch_mode) or "serial"),
        }
        if record_store != "default":
            values["record_store"] = record_store
        for key, store in (("data_path", data_store), ("input_path", input_datastore)):
            if store not in (None, "default"):
                values[key] = str(getattr(store, "root", store))
        self._open(os.getcwd(), settings.check(Settings(**values)))

    @classmethod
    def _at(cls, root: str, chosen: Settings) -> "Project":
        project = cls.__new__(cls)
        project._open(root, chosen)
        return project

    def _open(self, root: str, chosen: Settings) -> None:
        self.path = root
        self.settings = chosen
        self._store: RecordStore | None = None
        self._digests: DigestCache | None = None
        #: Called with a sentence for the user that isn't an error.
        self.warn: Callable[[str], None] = lambda sentence: None
        #: Called with a number of bytes to be hashed; may return what is to be told of each piece.
        self.progress: Callable[[int], Callable[[int], None] | None] = lambda size: None

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The project's name."""
        return self.settings.name

    @property
    def folder(self) -> str:
        """The ``.smt`` folder."""
        return os.path.join(self.path, FOLDER)

    @property
    def record_store(self) -> RecordStore:
        """The store of the project's records, open until `close`; what earlier runs left is in it."""
        if self._store is None:
            self._store = self._open_store()
            self._miss_store()
            self._take_in()
        return self._store

    @property
    def data_store(self) -> DataStore:
        """Where programs write."""
        options = {"root": self._absolute(self.settings.data_path), "digests": self._known_digests()}
        types = os.path.join(self.folder, "mime.types")
        return get_data_store("filesystem", {**options, "mime_types": types} if os.path.exists(types) else options)

    @property
    def input_datastore(self) -> DataStore:
        """What paths of inputs are told from."""
        options = {"root": self._absolute(self.settings.input_path), "digests": self._known_digests()}
        return get_data_store("filesystem", options)

    @property
    def objects(self) -> ContentStore:
        """Contents by digest: changed code, parameter files, what programs printed."""
        return ContentStore(os.path.join(self.folder, "objects"))

    def _known_digests(self) -> "DigestCache":
        if self._digests is None:
            from sumatra.datastore.digests import DigestCache

            self._digests = DigestCache(os.path.join(self.folder, "digests"))
        return self._digests

    def _absolute(self, path: str) -> str:
        return os.path.normpath(os.path.join(self.path, os.path.expanduser(path)))

    def _open_store(self, patience: float | None = None) -> RecordStore:
        address = self.settings.record_store
        scheme = address.partition(":")[0]
        if scheme == "sqlite" and ":" in address:
            address = address.partition(":")[2]
        elif ":" in address and "/" not in scheme and len(scheme) > 1:
            return open_store(address, patience)
        return open_store(self._absolute(address), patience)

    def _workshop(self) -> "Workshop":
        from sumatra.runs.workshop import Workshop

        return Workshop(
            settings=self.settings, folder=self.folder, root=self.path, open_store=self._open_store,
            data=self.data_store, inputs=self.input_datastore, objects=self.objects, key=self._key(),
            warn=self.warn, progress=self.progress,
        )

    def _miss_store(self) -> None:
        """Tell the user if the project's records were there and aren't any more."""
        path = self._absolute(self.settings.record_store)
        if ":" not in self.settings.record_store and not os.path.exists(path) and os.path.isdir(self.objects.root):
            self.warn(f"there is no record store at {path} any more; a new one is begun")

    def _take_in(self) -> None:
        """Put into the store what runs have left, if there is any."""
        try:
            waits = bool(os.listdir(os.path.join(self.folder, "runs")))
        except OSError:
            return
        if waits:
            from sumatra.runs.taking_in import take_in

            take_in(self._workshop())

    def _key(self) -> bytes:
        """Return the project's own key for masking secrets; made with the project, never in a record."""
        path = os.path.join(self.folder, "key")
        try:
            with open(path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            key = os.urandom(32)
            with suppress(OSError):
                files.write_atomically(path, key)
            return key
        except OSError:
            return b""  # not ours to read: secrets are masked all the same, but can't be compared

    def save(self) -> None:
        """Write the settings to disk, making the project's folders where they are missing."""
        try:
            files.make_private(os.path.join(self.folder, "runs"))
            # Version control passes over the whole folder, without an entry in a file of the user's.
            if not os.path.exists(os.path.join(self.folder, ".gitignore")):
                files.write_atomically(os.path.join(self.folder, ".gitignore"), b"*\n")
            self._make_reserve()
            self._key()
            settings.write(self.folder, self.settings)
            with suppress(OSError):
                os.makedirs(self.data_store.root, exist_ok=True)
        except OSError as error:
            raise ProjectError(
                f"the project's folder {self.folder} can't be written: {error.strerror}",
                "make it writable, or make room",
            ) from error

    def _make_reserve(self) -> None:
        """Set room aside for the last record on a disk that is full."""
        path = os.path.join(self.folder, "reserve")
        if not os.path.exists(path):
            files.write_atomically(path, os.urandom(1 << 18))

    def configure(self, **values: Any) -> None:
        """Change settings and write them to disk; raises `UsageError` for values that can't be."""
        self.settings = settings.changed(self.settings, **values)
        self.save()

    def info(self) -> str:
        """Return the settings as lines of text."""
        from sumatra.formatting.escape import visible

        return "".join(f"{name:<21}: {visible(value)}\n" for name, value in self.describe().items())

    def describe(self) -> dict[str, str]:
        """Return the settings by the words that people use for them."""
        chosen = self.settings
        return {
            "Project name": chosen.name,
            "Description": chosen.description,
            "Folder": self.path,
            "Default executable": chosen.executable or "none",
            "Default repository": chosen.repository or self._repository(),
            "Default main file": chosen.main_file or "none",
            "Default launch mode": " ".join(filter(None, (chosen.launch_mode, chosen.launch_mode_options))),
            "Data store (output)": self.data_store.root,
            "Data store (input)": self.input_datastore.root,
            "Record store": chosen.record_store,
            "Code change policy": chosen.on_changed,
            "Append label to": chosen.add_label,
            "Values for parameters": "left to the program" if chosen.plain else "name=value",
            "Parameter files": "ignored" if chosen.ignore_parameters else "looked for",
            "Observed by": chosen.trace,
            "Ignored files": "  ".join(chosen.ignore) or "none",
            "Most files": f"{chosen.most_files:,} read, and so many written",
            "Tolerances": "  ".join(chosen.tolerance) or "none",
            "Unpushed versions": "kept" if chosen.bundle else "not kept",
            "Largest kept change": f"{chosen.largest_untracked} (together {chosen.largest_untracked_total})",
            "Label generator": chosen.label_generator,
            "Timestamp format": chosen.timestamp_format,
            "Plug-ins": ", ".join(self._plugins()) or "none",
            "Sumatra version": self._version(),
        }

    def _repository(self) -> str:
        from sumatra.errors import VersionControlError
        from sumatra.versioncontrol import find

        try:
            copy = find(self.path)
        except VersionControlError as error:
            return f"unreadable ({error})"
        return f"{copy.name} at {copy.root}" if copy else "none"

    def _plugins(self) -> list[str]:
        from sumatra.plugins import third_parties

        groups = ("cli", "comparison", "datastore", "formatting", "launch", "recordstore", "versioncontrol")
        return sorted(f"{group}.{name}" for group in groups for name in third_parties(f"sumatra.{group}"))

    @staticmethod
    def _version() -> str:
        from sumatra import __version__

        return __version__

    def close(self) -> None:
        """Let go of the record store."""
        if self._store is not None:
            self._store.close()
            self._store = None

    # -- running ---------------------------------------------------------------------------------------------------

    def run(self, request: "Request") -> "Done":
        """Run what *request* asks for and keep it on record."""
        from sumatra.runs import execute

        files.make_private(os.path.join(self.folder, "runs"))
        with suppress(OSError):
            self._make_reserve()
        done = execute(request, self._workshop())
        if done.saved:
            self._take_in()
        return done

    def plan_repeat(
        self, label: str, *, recorded: bool = False, in_place: bool = False, dry: bool = False
    ) -> "Plan":
        """Return how the record *label* would be repeated; raises `ProjectError` where it can't be.

        With *recorded*, the Python environment is built again as it was; not so if *dry*: then it is only told how.
        Whatever could overwrite the user's files is refused, unless it may be run *in place*.
        """
        from sumatra.runs.repeating import plan

        return plan(self.get_record(label), self._workshop(), recorded=recorded, in_place=in_place, dry=dry)

    def repeat(
        self, plan: "Plan", *, label: str | None = None, keep: bool = False, tolerance: Sequence[str] = ()
    ) -> "Repeated":
        """Repeat what *plan* says, apart from the user's files, and compare the results.

        The new record, called *label*, says what came of it.  The new results are kept if they differ, or on *keep*.
        *tolerance* is added to that of the settings.
        """
        from sumatra.runs.repeating import repeat

        found = repeat(plan, self._workshop(), label=label, keep=keep, tolerance=tolerance)
        if found.done.saved:
            self.add_comment(found.done.record.label, found.sentence)
        return found

    def ask_why(
        self, one: Record, other: Record, *, test: Sequence[str] = (), ignore: Sequence[str] = (),
        tolerances: Sequence[str] = (),
    ) -> "Question":
        """Return what would be tried to find out why *other* came out otherwise than *one*."""
        from sumatra.causes.searching import ask

        rules = [*self.settings.tolerance, *tolerances]
        return ask(one, other, self._workshop(), test=test, ignore=ignore, tolerances=rules)

    def last_good(self, command: "Command", before: Record | None = None) -> "Alike | None":
        """Return the last run of *command* that ended well, or else the likest to it; one *before* that run alone."""
        from sumatra.runs.alike import good_ones, likest

        return likest(command, self.find_records(selection=good_ones(command, before)))

    def last_before(self, record: Record) -> Record | None:
        """Return the run that began last before *record*, or None."""
        from sumatra.selection import started_between

        earlier = EVERYTHING.and_where(started_between(None, record.timestamp)).first(1)
        return next(iter(self.find_records(selection=earlier)), None)

    def changes_since(
        self, record: Record, asked: Record | None = None, *, ignore: Sequence[str] = (), read: bool = False
    ) -> "Differences":
        """Return what has changed since the run that *record* tells of: all of it is looked at again, nothing is run.

        *asked* is a run of the same program whose command is asked about, if that went otherwise.  With *read*, inputs
        are read however large they are.
        """
        from sumatra.runs.present import changes_since

        return changes_since(record, asked or record, self._workshop(), os.environ, ignore=ignore, read=read)

    def counts_as_code(self, folder: str) -> bool:
        """Tell whether later runs would keep what is in *folder* as new code of the project."""
        from sumatra.runs.code import holds_new_code

        return holds_new_code(folder, self.path, self._workshop().not_code)

    def patch_between(self, one: Record, other: Record, theirs: "Project | None" = None) -> Iterator[str]:
        """Yield the lines of a patch from the code of *one* to that of *other*, uncommitted changes included.

        *other* may be a record of *theirs*, another project.
        """
        from sumatra.runs.patches import Home, patch_between

        other_home = Home(theirs.objects, theirs.path) if theirs and theirs.path != self.path else None
        work = os.path.join(self.folder, "work")
        return patch_between(one, other, Home(self.objects, self.path), other_home, work)

    def judge(self, tolerance: Sequence[str] = ()) -> "Judge":
        """Return what compares results by their contents; *tolerance* is added to that of the settings."""
        from sumatra.runs.judging import Judge

        rules = [*self.settings.tolerance, *tolerance]
        return Judge(self.objects, self.folder, self.path, self.data_store.root, rules)

    def find_repeats(self, label: str, itself: bool = False) -> list[Record]:
        """Return the records that repeat the record *label*, newest first; with *itself*, that one at the end."""
        found = list(self.find_records(f"repeats == {label!r}"))
        if itself:
            with suppress(NoSuchRecord):
                found.append(self.record_store.get(self.name, label))
        return found

    def request(
        self, words: Sequence[str], *, whole: bool = False, executable: str | None = None, main_file: str | None = None,
        **rest: Any,
    ) -> "Request":
        """Return what has to be run for *words*.

        With *whole* they are the command. Otherwise the program and script named here, or else in the settings, go
        before them; where neither is named, the words are the command again.
        """
        from sumatra.runs.requests import understand_request

        return understand_request(
            self.settings, self.path, words, whole=whole, executable=executable, main_file=main_file, **rest
        )

    def launch(
        self, parameters: Any = None, input_data: Sequence[str] = (), script_args: str = "",
        executable: Any = "default", repository: Any = "default", main_file: str = "default",
        version: str = "current", launch_mode: Any = "default", label: str | None = None, reason: str | None = None,
        timestamp_format: str = "default", repeats: str | None = None,
    ) -> str:
        """Run the project's program and return the label of its record (the interface of Sumatra 0.8)."""
        import tempfile

        if version != "current":
            raise UsageError("only the current version of the code can be run")
        with tempfile.TemporaryDirectory() as folder:
            words = [*shlex.split(script_args), *input_data]
            if parameters:
                suffix = getattr(parameters, "suffix", ".json")
                words.insert(0, os.path.join(folder, f"parameters{suffix}"))
                with open(words[0], "w", encoding="utf-8") as file:
                    file.write(parameters_of(parameters).content)
            request = self.request(
                words,
                executable=None if executable == "default" else str(getattr(executable, "path", executable)),
                main_file=None if main_file == "default" else main_file,
                label=label, reason=reason or "", repeats=repeats,
            )
            return self.run(request).record.label

    def new_record(
        self, parameters: Any = None, input_data: Sequence[DataKey] = (), script_args: str = "",
        executable: Any = "default", repository: Any = "default", main_file: str | None = "default",
        version: str = "current", launch_mode: Any = "default", diff: str = "", label: str | None = None,
        reason: str | None = None, timestamp_format: str = "default",
    ) -> "Draft":
        """Return a record in the making, for a script that keeps its own book; `add_record` puts it into the store.

        Code, machine and user are those of now.  *parameters* is a parameter set or a mapping.
        """
        from sumatra import programs
        from sumatra.runs import new_label
        from sumatra.runs.draft import Draft
        from sumatra.runs.scripts import begin

        if version != "current" or repository != "default" or launch_mode != "default":
            raise UsageError("a script's own record is of the current code, started as it was", "leave those out")
        chosen = self.settings
        if timestamp_format != "default":
            chosen = replace(chosen, timestamp_format=timestamp_format)
        if label is not None and self._has(label):
            raise LabelTaken(f"there is already a record called {label!r}", "choose another label")
        now = datetime.now().astimezone()
        record = begin(
            self._workshop(), label=label or self._free_label(new_label(chosen, now)), now=now,
            parameters=parameters_of(parameters), main_file=None if main_file == "default" else main_file,
            script_arguments=script_args, reason=reason or "", input_data=tuple(input_data),
        )
        if executable != "default":
            record = replace(record, executable=programs.get_executable(str(getattr(executable, "path", executable))))
        if diff:
            record = replace(record, diff=diff)
        return Draft(record, self.data_store)

    def _has(self, label: str) -> bool:
        try:
            self.record_store.get(self.name, label)
        except NoSuchRecord:
            return False
        return True

    def _free_label(self, wanted: str) -> str:
        label, number = wanted, 1
        while self._has(label):
            number += 1
            label = f"{wanted}-{number}"
        return label

    def add_record(self, record: "Record | Draft") -> Record:
        """Put *record* into the store."""
        if not isinstance(record, Record):
            record = record.finish()
        self.record_store.save(self.name, record)
        return record

    save_record = add_record

    # -- records ---------------------------------------------------------------------------------------------------

    def get_record(self, label: str) -> Record:
        """Return the record *label*: a whole label, a unique beginning of one, or ``last``.

        Raises `NoSuchRecord`, with the nearest label as a hint.
        """
        store = self.record_store
        if label == "last":
            return store.last(self.name)
        try:
            return store.get(self.name, label)
        except NoSuchRecord:
            found = store.labels_starting(self.name, label) if label else []
        if len(found) == 1:
            return store.get(self.name, found[0])
        if found:
            raise NoSuchRecord(
                f"{len(found)} records have labels that begin with {label!r}",
                "type more of it: " + ", ".join(found[:5]),
            )
        from sumatra.plugins import closest

        guess = closest(label, store.labels(self.name, EVERYTHING.first(1000)))
        raise NoSuchRecord(
            f"there is no record called {label!r}", f"did you mean {guess!r}?" if guess else "see them all: smt list"
        )

    def find_records(
        self, query: str | None = None, *, tags: str | Iterable[str] = (), selection: Selection = EVERYTHING,
        reverse: bool = False, parameters: Mapping[str, Any] | None = None,
    ) -> Iterator[Record]:
        """Yield the records that *query* (see ``smt help list``) and all *tags* ask for, newest first."""
        from sumatra.selection import parameter_equals

        for tag in [tags] if isinstance(tags, str) else tags:
            selection = selection.and_where(has_tag(tag))
        for name, value in (parameters or {}).items():
            selection = selection.and_where(parameter_equals(name, str(value)))
        if query:
            selection = selection.and_where(parse_query(query))
        if reverse:
            selection = selection.reversed()
        return self.record_store.select(self.name, selection)

    def get_labels(self, tags: str | Iterable[str] = (), reverse: bool = False) -> list[str]:
        """Return labels, newest first."""
        selection = EVERYTHING
        for tag in [tags] if isinstance(tags, str) else tags:
            selection = selection.and_where(has_tag(tag))
        return self.record_store.labels(self.name, selection.reversed() if reverse else selection)

    def most_recent(self) -> Record:
        """Return the newest record, or raise `NoSuchRecord`."""
        return self.record_store.last(self.name)

    def format_records(
        self, format: str = "text", mode: str = "short", tags: str | Iterable[str] = (), reverse: bool = False
    ) -> str:
        """Return records as text in one of the formats of ``smt list``."""
        from sumatra.formatting import View, render

        return "".join(render(format, self.find_records(tags=tags, reverse=reverse), View(mode=mode)))

    def find_output_data(self) -> list[DataKey]:
        """Return the output files of all records."""
        return [key for record in self.find_records() for key in record.output_data]

    def find_input_data(self) -> list[DataKey]:
        """Return the input files of all records."""
        return [key for record in self.find_records() for key in record.input_data]

    def find_data(self) -> list[DataKey]:
        """Return the input and output files of all records."""
        return self.find_input_data() + self.find_output_data()

    # -- annotation ------------------------------------------------------------------------------------------------

    def add_comment(self, label: str, comment: str, replace_it: bool = False) -> Record:
        """Write *comment* below the outcome of the record *label*, or in its place; return the new state."""
        label = self.get_record(label).label

        def change(record: Record) -> Record:
            if replace_it or not record.outcome:
                return replace(record, outcome=comment)
            return replace(record, outcome=f"{record.outcome}\n{comment}")

        return self.record_store.amend(self.name, label, change)

    def add_tag(self, label: str, tag: str) -> Record:
        """Tag the record *label*; a status tag of Sumatra 0.8 changes its status."""
        label = self.get_record(label).label
        tag = check_tag(tag)
        if tag in STATUS_TAGS:
            status = {"succeeded": "finished", "pre_run": "initialized"}.get(tag.strip("_."), tag.strip("_."))
            return self.record_store.amend(self.name, label, lambda record: replace(record, status=status))
        return self.record_store.amend(self.name, label, lambda record: replace(record, tags=record.tags | {tag}))

    def remove_tag(self, label: str, tag: str) -> Record:
        """Take *tag* away from the record *label*; raises `NoSuchRecord` if it doesn't have it."""
        found = self.get_record(label)
        if tag not in found.tags:
            tags = ", ".join(sorted(found.tags)) or "none"
            raise NoSuchRecord(f"{found.label} doesn't have the tag {tag!r}", f"its tags: {tags}")
        return self.record_store.amend(self.name, found.label, lambda record: replace(record, tags=record.tags - {tag}))

    def delete_record(self, label: str, delete_data: bool = False) -> list[str]:
        """Put the record *label* into the trash; return a sentence for each data file that was asked for and kept."""
        record = self.get_record(label)
        kept: list[str] = []
        if delete_data and record.datastore is not None:
            kept = self._data_store_of(record).delete(key for key in record.output_data if key.seen != "run folder")
        self.record_store.delete(self.name, record.label)
        return kept

    def _data_store_of(self, record: Record) -> DataStore:
        """Return where the files of *record* are now: the project may have been moved, or be a copy of another."""
        store = self.data_store
        if record.data_root.endswith(os.sep + record.label) and not store.root.endswith(os.sep + record.label):
            return get_data_store("filesystem", {"root": os.path.join(store.root, record.label)})
        return store

    def delete_by_tag(self, tag: str, delete_data: bool = False) -> int:
        """Put the records with exactly the tag *tag* into the trash; return how many there were."""
        labels = self.get_labels(tag)
        for label in labels:
            self.delete_record(label, delete_data)
        return len(labels)

    def undelete(self, label: str | None = None) -> str:
        """Bring back what was deleted last (with that label) and return its label."""
        return self.record_store.undelete(self.name, label)


def check_tag(tag: str) -> str:
    """Return *tag* if it can be one, or raise `UsageError`."""
    if not tag.strip() or tag != tag.strip() or not tag.isprintable():
        raise UsageError(f"{tag!r} can't be a tag", "take printable text that doesn't begin or end with a space")
    return tag


def parameters_of(given: Any) -> Parameters:
    """Return the facts about *given*: a parameter set, a mapping, or nothing."""
    if given is None:
        return Parameters()
    if isinstance(given, Parameters):
        return given
    if isinstance(given, Mapping):
        import json

        return Parameters(content=json.dumps(dict(given), default=str), type="json", values=dict(given))
    return Parameters(content=str(given), type=given.type, values=given.as_dict())
