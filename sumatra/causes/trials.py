"""One mixture of two runs, run apart from the user's files, and what its results are like.

Trials have a record store of their own below ``.smt/why``, so they are in no list of the user's runs.  What came of
each is remembered there: a search that was interrupted goes on where it was.
"""

import json
import math
import os
import shutil
import subprocess
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import NamedTuple

from sumatra.causes.factors import Factor, place_of, top_of
from sumatra.causes.mixing import Mixture, mix
from sumatra.causes.packages import Packages, names_python
from sumatra.comparison import Session, Tolerances
from sumatra.errors import ProjectError, SumatraError
from sumatra.facts import replace
from sumatra.files import digest_bytes, file_name, make_private, write_atomically
from sumatra.records import DataKey, Record
from sumatra.recordstore import RecordStore, open_store
from sumatra.runs import Request
from sumatra.runs.again import Way, run_again
from sumatra.runs.apart import obstacle, remove
from sumatra.runs.elsewhere import Elsewhere
from sumatra.runs.workshop import Workshop

__all__ = ["FAILED", "FIRST", "NEITHER", "SECOND", "Interrupted", "Trial", "Trials"]

#: What the results of a trial are like.
FIRST, SECOND, NEITHER, FAILED = "first", "second", "neither", "failed"

#: What ``--test`` commands end with where they can't tell, as those of ``git bisect run``.
_CANNOT_TELL = 125

_INTERRUPTED = 130

#: So often the first run is done again to see how far its results vary by themselves; others may lie so many times as
#: far apart.
_REPEATS, _SPREAD = 3, 4.0


class Interrupted(Exception):
    """The user doesn't want to wait any more."""


class Trial(NamedTuple):
    """What came of it."""

    outcome: str
    label: str
    seconds: float
    trouble: str = ""
    what: str = ""  #: which mixture it was, in words


class Trials:
    """Runs mixtures of *one* and *other*, whose *factors* differ; see `mix`.

    *judged* names the outputs that tell them apart (`outputs`); *test* is a command that judges in their place, run
    where the program ran.  *tolerances* say how far numbers may lie apart, see `sumatra.comparison.tolerance`.
    """

    def __init__(
        self, one: Record, other: Record, factors: Sequence[Factor], workshop: Workshop, *, test: Sequence[str] = (),
        judged: Collection[str] = (), by_status: bool = False, tolerances: Sequence[str] = (),
    ) -> None:
        question = digest_bytes(json.dumps([one.id, other.id, list(test), list(tolerances)]).encode())[7:19]
        self.folder = os.path.join(workshop.folder, "why", question)
        make_private(self.folder)
        self._one, self._other = one, other
        self._factors = factors
        self._packages = Packages(os.path.join(workshop.folder, "why", "packages"), names_python(one.command))
        self._objects = workshop.objects
        self._workshop = replace(
            workshop, folder=self.folder, open_store=self.open_store, warn=lambda sentence: None,
            progress=lambda size: None,
        )
        #: Whether nothing that trials write can reach the user's files; a test needs all files in one folder.
        self.has_view = not test and not obstacle(os.path.join(self.folder, "probe"), top_of(one))[0]
        self._test = test
        self._by_status = by_status
        self._shared = shared_names(one, other)
        self._digests = [outputs(one, self._shared), outputs(other, self._shared)]
        self.judged = set(judged)
        self.left_out: set[str] = set()  # outputs by which nothing can be judged
        self.noise: dict[str, float] = {}  # by output, how far (relatively) its numbers may lie apart by chance
        self._rules = Tolerances(tolerances, workshop.root)
        self._session = Session()
        self._known = self._remembered()

    def close(self) -> None:
        """End the process that compares contents, if there is one."""
        self._session.close()

    def open_store(self, patience: float | None = None) -> RecordStore:
        """Open the store of the trials' own records."""
        return open_store(os.path.join(self.folder, "records.sqlite"), patience)

    def known(self, chosen: Collection[Factor]) -> Trial | None:
        """Return what came of the mixture, if it has been tried."""
        return self._known.get(_key(chosen))

    def all(self) -> list[Trial]:
        """Return what was tried for this question, in order."""
        return sorted(self._known.values(), key=lambda trial: (len(trial.label), trial.label))

    def run(self, chosen: Collection[Factor], what: str, *, again: bool = False) -> Trial:
        """Return what comes of *one* with the *chosen* factors as in *other*; with *again*, even if it is known.

        *what* says in words which mixture that is.  Raises `Interrupted` if the user presses Ctrl-C.
        """
        key = _key(chosen)
        if key in self._known and not again:
            return self._known[key]
        began = monotonic()
        label = str(len(self._known) + 1) if key not in self._known else f"{self._known[key].label}-again"
        try:
            mixture = mix(self._one, self._other, self._factors, chosen, self._objects)
            path = self._packages.path(mixture.packages)
        except (SumatraError, OSError) as error:
            return self._remember(key, Trial(FAILED, "", monotonic() - began, str(error), what))
        try:
            record, folder = self._execute(mixture, path, label, what)
        except SumatraError as error:
            return self._remember(key, Trial(FAILED, "", monotonic() - began, str(error), what))
        try:
            trial = self._judge(record, folder, monotonic() - began)._replace(what=what)
            for place, whole in enumerate(((), self._factors)):
                if key == _key(whole):
                    self._keep_references(place, record, folder)
        finally:
            remove(folder)
        return self._remember(key, trial)

    def _execute(self, mixture: Mixture, path: str | None, label: str, what: str) -> tuple[Record, str]:
        variables = dict(mixture.variables)
        if path:
            behind = variables.get("PYTHONPATH", os.environ.get("PYTHONPATH"))
            variables["PYTHONPATH"] = f"{path}{os.pathsep}{behind}" if behind else path
        environment = {name: value for name, value in {**os.environ, **variables}.items() if value is not None}
        label = self._free(label)
        words = [word.replace("{label}", label) for word in mixture.record.command]
        make_private(os.path.join(self.folder, "runs"))
        stdin = next((key.path for key in self._one.input_data if key.seen == "stdin"), os.devnull)
        request = Request(
            program=words[:1], arguments=words[1:], main_file=self._one.main_file, label=label,
            reason=what, take_values=False, again=mixture.record, keep=True, stdin_file=stdin,
        )
        way = Way(request, environment, self.has_view, mixture.supplied)
        try:
            with _silence():
                answer = run_again(mixture.record, way, self._workshop)
        except ProjectError as error:
            if error.exit_status == _INTERRUPTED:
                raise Interrupted from None
            raise
        if answer.interrupted:
            remove(answer.folder)
            raise Interrupted
        return answer.done.record, answer.folder

    def _free(self, label: str) -> str:
        """Return a label that no trial has, *label* where that is so."""
        with self.open_store() as store:
            taken = set(store.labels(self._workshop.settings.name))
        number, free = 1, label
        while free in taken:
            number += 1
            free = f"{label}-{number}"
        return free

    def _judge(self, record: Record, folder: str, seconds: float) -> Trial:
        told = Trial(FAILED, record.label, seconds)
        if self._test:
            return told._replace(outcome=self._tested(record, folder))
        ended = _ending(record)
        if self._by_status:
            outcomes = {_ending(self._one): FIRST, _ending(self._other): SECOND}
            return told._replace(outcome=outcomes.get(ended, NEITHER), trouble=_last_line(record))
        if ended not in (_ending(self._one), _ending(self._other)):
            return told._replace(trouble=_last_line(record) or f"it {record.status}")
        digests = outputs(record, self._shared)
        for place, outcome in enumerate((FIRST, SECOND)):
            if all(
                self._is_like(name, place, digests.get(name), _at(folder, name, record)) for name in sorted(self.judged)
            ):
                return told._replace(outcome=outcome)
        return told._replace(outcome=NEITHER)

    def _is_like(self, name: str, place: int, digest: str | None, path: str) -> bool:
        """Tell whether the output *name* of a trial is as in the first run or (*place* 1) the second."""
        if digest == self._digests[place].get(name):
            return True
        reference = self._reference(place, name)
        if digest is None or self._digests[place].get(name) is None or not os.path.isfile(reference):
            return False
        return self._alike(name, reference, path)

    def _alike(self, name: str, one: str, other: str) -> bool:
        rules = list(self._rules.rules_for(os.path.join(top_of(self._one), name)))
        if name in self.noise:
            rules = [("", self.noise[name], 0.0)]
        return self._session.compare(one, other, name, rules).is_same

    def _reference(self, place: int, name: str) -> str:
        """Return where the output *name* of the first run or (*place* 1) of the second is kept."""
        return os.path.join(self.folder, "references", ("first", "second")[place], file_name(name))

    def _keep_references(self, place: int, record: Record, folder: str) -> None:
        """Keep the judged outputs of a trial that is the first run again, or (*place* 1) the second."""
        for name in self.judged & set(outputs(record, self._shared)):
            source = _at(folder, name, record)
            target = self._reference(place, name)
            is_there = os.path.isfile(source) and not os.path.islink(source)
            if not name.startswith("(") and is_there and not os.path.exists(target):
                make_private(os.path.dirname(target))
                shutil.copyfile(source, target)

    def measure_noise(self, what: str) -> tuple[list[str], int]:
        """Do the first run again and see which of the judged outputs vary by themselves, and how far.

        Return those that can't be judged: what varies in them isn't numbers, or it varies as much as the two runs do.
        """
        varying: dict[str, float] = {}
        hopeless: set[str] = set()
        number = 0
        for _ in range(_REPEATS):
            record, folder = self._again(what)
            number += 1
            try:
                digests = outputs(record, self._shared)
                for name in self.judged - hopeless:
                    reference = self._reference(0, name)
                    if digests.get(name) == self._digests[0].get(name):
                        continue
                    if not os.path.isfile(reference) or not os.path.isfile(_at(folder, name, record)):
                        hopeless.add(name)
                        continue
                    rules = self._rules.rules_for(os.path.join(top_of(self._one), name))
                    found = self._session.compare(reference, _at(folder, name, record), name, rules)
                    if found.is_same:
                        varying.setdefault(name, 0.0)
                    elif found.largest is not None and math.isfinite(found.largest):
                        varying[name] = max(varying.get(name, 0.0), found.largest)
                    else:
                        hopeless.add(name)
            finally:
                remove(folder)
        self.noise = {name: _SPREAD * largest for name, largest in varying.items() if largest and name not in hopeless}
        return sorted(hopeless), number

    def second_varies(self, what: str) -> bool:
        """Do the second run again and tell whether it isn't even like itself."""
        mixture = mix(self._one, self._other, self._factors, self._factors, self._objects)
        record, folder = self._execute(mixture, self._packages.path(mixture.packages), "again", what)
        try:
            return any(
                os.path.isfile(self._reference(1, name))
                and not self._alike(name, self._reference(1, name), _at(folder, name, record))
                for name in self.judged
            ) or _ending(record) not in (_ending(self._one), _ending(self._other))
        finally:
            remove(folder)

    def cannot_be_told_apart(self) -> list[str]:
        """Return the judged outputs in which the two runs differ no more than one does by itself, or is tolerated."""
        found = []
        for name in self.judged if self._rules else self.noise.keys() & self.judged:
            one, other = (self._reference(place, name) for place in (0, 1))
            if os.path.isfile(one) and os.path.isfile(other) and self._alike(name, one, other):
                found.append(name)
        return sorted(found)

    def _again(self, what: str) -> tuple[Record, str]:
        mixture = mix(self._one, self._other, self._factors, (), self._objects)
        return self._execute(mixture, self._packages.path(mixture.packages), "again", what)

    def _tested(self, record: Record, folder: str) -> str:
        """Ask the user's own command, in the folder where the program ran."""
        inside = os.path.join(folder, os.path.relpath(os.path.realpath(record.working_directory), top_of(self._one)))
        done = subprocess.run(  # noqa: S603  what the user typed
            list(self._test), cwd=os.path.normpath(inside), check=False, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        if done.returncode == _CANNOT_TELL:
            return NEITHER
        return FIRST if done.returncode == 0 else SECOND

    def _remember(self, key: str, trial: Trial) -> Trial:
        self._known[key] = trial
        told = {
            "trials": {name: each._asdict() for name, each in self._known.items()}, "noise": self.noise,
            "left_out": sorted(self.left_out),
        }
        write_atomically(os.path.join(self.folder, "trials.json"), json.dumps(told, indent=1).encode())
        return trial

    def _remembered(self) -> dict[str, Trial]:
        try:
            with open(os.path.join(self.folder, "trials.json"), "rb") as file:
                told = json.load(file)
            trials = {
                str(name): Trial(
                    str(each["outcome"]), str(each["label"]), float(each["seconds"]), str(each["trouble"]),
                    str(each["what"]),
                )
                for name, each in told["trials"].items() if each["outcome"] in (FIRST, SECOND, NEITHER, FAILED)
            }
            noise = {str(name): float(largest) for name, largest in told["noise"].items()}
            left_out = {str(name) for name in told["left_out"]}
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return {}
        self.noise = noise
        self.leave_out(left_out)
        return trials

    def leave_out(self, names: Collection[str]) -> None:
        """Judge no more by the outputs *names*."""
        self.left_out |= set(names)
        self.judged -= set(names)

    def forget(self) -> None:
        """Remove all that trials have left, their records too."""
        shutil.rmtree(self.folder, ignore_errors=True)


def outputs(record: Record, shared: Collection[str] = ()) -> dict[str, str | None]:
    """Return the digests of what *record* wrote, by names that are the same in each run of the program.

    The run's own label is left out of them, but not of names that are *shared* as they are.  What it printed is among
    them.
    """
    found = {}
    for name, key in raw_outputs(record).items():
        parts = name.split("/") if name not in shared else [name]
        found["/".join("{label}" if part == record.label else part for part in parts)] = key.digest
    for name, stream in (("(printed)", record.stdout), ("(printed as errors)", record.stderr)):
        if stream is not None and stream.digest:
            found[name] = stream.digest
    return found


def raw_outputs(record: Record) -> dict[str, DataKey]:
    """Return what *record* wrote by names relative to the top of its code."""
    return {os.path.relpath(place_of(key, record), top_of(record)): key for key in record.output_data}


def shared_names(one: Record, other: Record) -> set[str]:
    """Return the names of outputs that are the same in both runs."""
    return set(raw_outputs(one)) & set(raw_outputs(other))


def _at(folder: str, name: str, record: Record) -> str:
    """Return where a trial has written the output *name*."""
    top = top_of(record)
    place = os.path.normpath(os.path.join(top, name.replace("{label}", record.label)))
    return Elsewhere(top, folder, None, apart=True).inside(place)


def _key(chosen: Collection[Factor]) -> str:
    return digest_bytes("\1".join(sorted(factor.key for factor in chosen)).encode("utf-8", "surrogateescape"))


def _ending(record: Record) -> tuple[object, ...]:
    return record.status, record.exit_status, record.signal


def _last_line(record: Record) -> str:
    lines = [line for line in record.stdout_stderr.splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines and record.status != "finished" else ""


@contextmanager
def _silence() -> Iterator[None]:
    """Keep what programs print from the user for a while: it is in their records."""
    kept = [os.dup(number) for number in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in (1, 2):
            os.dup2(nowhere, number)
        yield
    finally:
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)
