"""A run that was, against the machine as it is now: what has changed of all that its record tells.  Nothing is run.

For each fact of the record the same fact is looked up again, which gives a second record: what would be recorded if
the run began now.  What differs between the two is what has changed.
"""

import os
import threading
from collections.abc import Mapping, Sequence

from sumatra import capture, programs
from sumatra.capture.seeds import seeds
from sumatra.dependency_finder import Run
from sumatra.differences import CAUSES, Difference, Differences, between
from sumatra.errors import LaunchError, SumatraError
from sumatra.facts import replace
from sumatra.process import find_program
from sumatra.records import Executable, Parameters, Record
from sumatra.runs.libraries import checkouts
from sumatra.runs.present_code import code_now
from sumatra.runs.present_inputs import PATIENCE, inputs_now, when
from sumatra.runs.present_libraries import libraries_now
from sumatra.runs.present_machine import room
from sumatra.runs.present_parameters import parameters_now
from sumatra.runs.workshop import Workshop

__all__ = ["changes_since"]

#: What belongs to the moment, and not to what is computed.
_PASSING = ("job", "niceness")


def changes_since(
    record: Record, asked: Record, workshop: Workshop, environment: Mapping[str, str], *, ignore: Sequence[str] = (),
    read: bool = False,
) -> Differences:
    """Return what has changed since the run that *record* tells of, likeliest to matter first.

    *asked* has the command that is asked about: *record* itself, or a run of the same program that went otherwise.
    *environment* is the one that a run would have now.  With *read*, inputs are read however large they are.
    """
    present = _Present(record, asked, workshop, environment)
    return present.differences(ignore, read=read)


class _Present:
    def __init__(self, record: Record, asked: Record, workshop: Workshop, environment: Mapping[str, str]) -> None:
        self._record = record
        self._asked = asked
        self._workshop = workshop
        self._environment = environment
        self._old_root = _root_then(record, workshop)
        self._folder = self._moved(asked.working_directory)
        self._unknown: list[str] = []
        self._notes: dict[tuple[str, str], str] = {}
        self._more: list[Difference] = []
        self._of_parameters = ""

    def _moved(self, path: str) -> str:
        """Return where *path* is now, if the whole project was moved."""
        root, old = self._workshop.root, self._old_root
        if old and (path == old or path.startswith(f"{old}/")):
            return root + path[len(old):]
        return path

    def differences(self, ignore: Sequence[str], *, read: bool) -> Differences:
        if not self._record.has_ended:
            self._unknown.append("what it reads and loads: the run hasn't ended yet")
        then, now = self._without_code_and_results()
        now = self._with_program(then, now)
        then, now = self._with_libraries(then, now)
        then, now = self._with_surroundings(then, now)
        now = replace(now, parameters=self._parameters())
        if self._record.seeds or self._record.observation:
            now = replace(now, seeds=seeds(now.parameters.flat(), self._environment))
        inputs = inputs_now(self._record, self._workshop.inputs, self._moved, read=read)
        self._unknown += inputs.unknown
        self._notes |= {("inputs", path): note for path, note in inputs.notes.items()}
        then, now = replace(then, input_data=inputs.then), replace(now, input_data=inputs.now)
        if not self._record.observation and not self._record.input_data:
            self._unknown.append("inputs: the record doesn't tell what was read")
        told = {self._asked.parameters.path or ""}
        told |= {os.path.normpath(os.path.join("/", key.path)) for key in self._record.input_data}
        of_code = code_now(self._record, self._place_of_code(), self._workshop, self._moved, told)
        self._unknown += of_code.unknown
        self._more += of_code.found
        self._more += self._room()
        compared = between(then, now)
        finished = (self._finished(each, inputs.unsure) for each in compared.found if each.kind in CAUSES)
        found = _without([*(each for each in finished if each is not None), *self._more], ignore)
        found.sort(key=_likeliest_first)
        same = {kind: number for kind, number in compared.same.items() if kind in CAUSES}
        same["code"] = of_code.same
        unknown = [sentence for sentence in compared.unknown if not sentence.startswith("code: neither")]
        return Differences(tuple(found), same, (*unknown, *dict.fromkeys(self._unknown)))

    def _place_of_code(self) -> str:
        """Return the folder in which it was run, or the top of its working copy where that folder isn't there."""
        folder = self._moved(self._record.working_directory)
        root = self._record.repository.root if self._record.repository else None
        return self._moved(root) if root and not os.path.isdir(folder) else folder

    def _without_code_and_results(self) -> tuple[Record, Record]:
        """Return the record, and the one of now to begin with; code is compared by file, and there are no results."""
        bare: Record = replace(
            self._record, version="-", repository=None, changes=(), checkouts=(), code_files=(), status="finished",
            exit_status=0, signal=None, output_data=(),
        )
        folder = self._folder
        then = replace(bare, working_directory=self._moved(self._record.working_directory))
        now = replace(
            bare, main_file=self._asked.main_file, launch_mode=self._asked.launch_mode,
            command=tuple(word.replace(self._asked.label, self._record.label) for word in self._asked.command),
            working_directory=folder if os.path.isdir(folder) else "",
        )
        return then, now

    # -- program ---------------------------------------------------------------------------------------------------

    def _with_program(self, then: Record, now: Record) -> Record:
        asked = self._asked
        if asked.executable is None:
            self._unknown.append("program: the record doesn't tell which it was")
            return now
        main = asked.main_file
        if main is not None and os.path.isdir(self._folder) and not os.path.lexists(os.path.join(self._folder, main)):
            now = replace(now, main_file=None)
        words = _program_words(asked)
        try:
            executable, _ = programs.describe(words, self._folder, self._environment)
        except (LaunchError, OSError, ValueError) as error:
            self._notes["command", "program"] = str(error)
            return replace(now, executable=None)
        recorded = then.executable
        if recorded is None:
            return replace(now, executable=None)
        return replace(now, executable=self._compared(recorded, executable))

    def _compared(self, then: Executable, now: Executable) -> Executable:
        """Return *now* with its version, as far as that can be told without running it."""
        cache = os.path.join(self._workshop.folder, "programs.json")
        version = programs.version(now.path, cache, own=self._folder, ask=False)
        began = self._record.timestamp.timestamp()
        if self._moved(then.path) != now.path and then.name == now.name:
            self._more.append(Difference("command", "path of the program", then.path, now.path))
        try:
            is_as_it_was = self._moved(then.path) == now.path and os.stat(now.path).st_mtime < began
        except OSError:
            is_as_it_was = False
        if version is None and is_as_it_was:
            version = then.version
        elif version is None and then.version is not None and then.name == now.name and then.name != "Python":
            self._unknown.append(f"the version of {now.path}, which was replaced since, without running it")
            version = then.version
        elif version is None and then.version is not None:
            version = then.version  # what is known of its library says more
        elif version is None and self._moved(then.path) == now.path:
            self._more.append(Difference(
                "command", "program's file", "as it was", when(now.path), True, "compiled or installed again"
            ))
        return replace(now, version=version)

    # -- libraries -------------------------------------------------------------------------------------------------

    def _with_libraries(self, then: Record, now: Record) -> tuple[Record, Record]:
        if not self._record.dependencies:
            self._unknown.append("libraries: the record doesn't tell which it loaded")
            return then, now
        run = Run(
            executable=now.executable, main_file=self._asked.main_file, folder=self._folder, root=self._workshop.root,
            environment=self._environment, cache=os.path.join(self._workshop.folder, "cache"), checkout_of=checkouts(),
        )
        found = libraries_now(self._record, run, self._workshop.objects, self._moved)
        self._notes |= {("dependencies", name): note for name, note in found.notes.items()}
        self._more += found.more
        self._unknown += found.unknown
        return replace(then, dependencies=found.then), replace(now, dependencies=found.now)

    # -- surroundings ----------------------------------------------------------------------------------------------

    def _with_surroundings(self, then: Record, now: Record) -> tuple[Record, Record]:
        key = self._workshop.key
        if self._record.environment:
            now = replace(now, environment=capture.environment(self._environment, key))
        else:
            self._unknown.append("environment: the record doesn't tell it")
        if self._record.surroundings:
            passed_over = _BY_VARIABLES if self._record.environment else ()
            before = {name: told for name, told in then.surroundings.items() if name not in passed_over}
            found = capture.surroundings(self._environment)
            found = {name: told for name, told in found.items() if name not in passed_over}
            others = {name: told for name, told in before.items() if name in _BY_FINDERS}
            then, now = replace(then, surroundings=before), replace(now, surroundings={**found, **others})
        if self._record.platforms:
            now = replace(now, platforms=(capture.platform(),))
        else:
            self._unknown.append("machine: the record doesn't tell it")
        host, here = self._record.host, os.uname().nodename
        if host and host != here:
            self._unknown.append(f"what has changed on {host}, where it ran: all is looked for here, on {here}")
        return then, now

    def _parameters(self) -> Parameters:
        asked = self._asked
        try:
            found = parameters_now(asked, self._moved, self._workshop.key)
        except (SumatraError, OSError) as error:
            self._unknown.append(f"parameters: {error}")
            return asked.parameters
        self._of_parameters = found.note
        self._more += found.found
        self._unknown += found.unknown
        return found.parameters

    def _room(self) -> list[Difference]:
        """Return where there is too little room; a disk that doesn't answer is given up after a moment."""
        found: list[Difference] = []
        thread = threading.Thread(
            target=lambda: found.extend(room(self._record, self._workshop, self._moved)), name="room", daemon=True
        )
        thread.start()
        thread.join(PATIENCE)
        if thread.is_alive():
            self._unknown.append("room on disks: one of them doesn't answer")
        return list(found)

    # -- all together ----------------------------------------------------------------------------------------------

    def _finished(self, each: Difference, unsure: frozenset[str]) -> Difference | None:
        note = self._notes.get((each.kind, each.name), "") or each.note
        if each.kind == "command" and each.name == "program's version" and each.other is None:
            return None  # the program itself isn't there
        if each.kind == "command" and each.name == "folder" and not each.other:
            return replace(each, other=None, matters=True)
        if each.kind == "parameters":
            return replace(each, note=self._of_parameters)
        if each.kind == "inputs" and each.name in unsure:
            return replace(each, matters=None, note=f"{note}; its content wasn't read, smt changed --read does it")
        if each.kind == "environment" and each.name in _PASSING:
            return replace(each, matters=False)
        if each.kind == "environment" and each.name.endswith("PATH"):
            return self._of_path(each)
        if each.kind == "dependencies" and each.other is None:
            return replace(each, matters=True, note=note)  # it was loaded then, and would be missed
        if each.kind == "dependencies" and each.one == each.other:
            return None
        return replace(each, note=note)


    def _of_path(self, each: Difference) -> Difference:
        """Return the difference of a list of folders with what is new in it, and whether it leads elsewhere."""
        before, after = ((value or "").split(os.pathsep) for value in (each.one, each.other))
        notes = [
            f"{what}: {', '.join(folders[:3])}{' …' if len(folders) > 3 else ''}"
            for what, folders in (
                ("new", [folder for folder in after if folder and folder not in before]),
                ("gone", [folder for folder in before if folder and folder not in after]),
            ) if folders
        ]
        each = replace(each, note="; ".join(notes) or "in another order")
        if each.name != "PATH" or each.one is None or not self._record.programs:
            return each
        names = {os.path.basename(program.path) for program in self._record.programs[:_MOST_PROGRAMS]}
        names |= {program.arguments[0] for program in self._record.programs[:_MOST_PROGRAMS] if program.arguments}
        asked = {name for name in names if name and "/" not in name}
        current = self._environment.get("PATH", os.defpath)
        is_same = all(find_program(name, each.one) == find_program(name, current) for name in asked)
        return replace(each, matters=False, note=f"{each.note}; the same programs are found") if is_same else each


#: So many programs of a run are looked for again.
_MOST_PROGRAMS = 100

#: Surroundings that finders tell by what was loaded.
_BY_FINDERS = ("blas", "openmp", "renv.lock")

#: Surroundings that variables of the environment tell too.
_BY_VARIABLES = ("conda environment", "modules", "threads", "virtual environment")


def _root_then(record: Record, workshop: Workshop) -> str:
    """Return where the project was when *record* was made, if it was moved since; else nothing."""
    data = str(record.datastore.options.get("root", "")) if record.datastore else ""
    inside = os.path.relpath(workshop.data.root, workshop.root)
    if not data or inside.startswith("..") or os.path.isdir(record.working_directory):
        return ""
    for ending in (f"/{inside}", f"/{inside}/{record.label}"):
        if data.endswith(ending):
            old = data.removesuffix(ending)
            return old if old != workshop.root else ""
    return ""


def _program_words(record: Record) -> Sequence[str]:
    """Return the words of the command from its program on, without those of what has started it."""
    executable = record.executable
    if not record.command:
        return [executable.path] if executable else []
    if record.launch_mode.name == "serial" or executable is None:
        return record.command
    name = os.path.basename(executable.path)
    place = next((at for at, word in enumerate(record.command) if os.path.basename(word) == name), None)
    return record.command[place:] if place is not None else [executable.path]


def _without(found: Sequence[Difference], ignore: Sequence[str]) -> list[Difference]:
    import re

    patterns = [re.compile(pattern) for pattern in ignore]
    return [each for each in found if not any(pattern.search(each.name) for pattern in patterns)]


def _likeliest_first(each: Difference) -> tuple[int, int, int]:
    is_gone = each.other is None and each.matters is True
    is_first = is_gone and each.kind == "command"  # without its program it doesn't even begin
    return {True: 0, None: 1, False: 2}[each.matters], 2 - is_gone - is_first, CAUSES.index(each.kind)
