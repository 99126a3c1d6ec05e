"""One mixture of two runs, run apart from the user's files, and what its results are like.

Trials have a record store of their own below ``.smt/why``, so they are in no list of the user's runs.  What came of
each is remembered there: a search that was interrupted goes on where it was.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import NamedTuple

from sumatra.causes.factors import Factor, top_of
from sumatra.causes.mixing import mix
from sumatra.causes.packages import Packages, python_of
from sumatra.causes.results import Results
from sumatra.errors import ProjectError, SumatraError
from sumatra.facts import replace
from sumatra.files import digest_bytes, make_private, write_atomically
from sumatra.records import Record
from sumatra.recordstore import RecordStore, open_store
from sumatra.runs import Request
from sumatra.runs.again import Way, run_again
from sumatra.runs.apart import remove
from sumatra.runs.judging import Judge
from sumatra.runs.repeating import Plan
from sumatra.runs.workshop import Workshop

__all__ = ["FAILED", "FIRST", "NEITHER", "SECOND", "Interrupted", "Trial", "Trials"]

#: What the results of a trial are like.
FIRST, SECOND, NEITHER, FAILED = "first", "second", "neither", "failed"

#: What ``--test`` commands end with where they can't tell, as those of ``git bisect run``.
_CANNOT_TELL = 125

_INTERRUPTED = 130

#: So often the first run is done again to see how far its results vary by themselves.
_REPEATS = 3


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
    """Runs mixtures of the run that *plan* would repeat and *other*, whose *factors* differ; see `mix`.

    Trials are judged by the outputs *judged*; where there are none, by how the program ends; or by the command *test*,
    run where the program ran.  *tolerances* say how far numbers may lie apart, see `sumatra.comparison.tolerance`.
    """

    def __init__(
        self, plan: Plan, other: Record, factors: Sequence[Factor], workshop: Workshop, *, test: Sequence[str] = (),
        judged: Collection[str] = (), tolerances: Sequence[str] = (),
    ) -> None:
        self._plan, self._one, self._other = plan, plan.record, other
        self._factors = factors
        self._test = test
        question = json.dumps([
            self._one.id, other.id, list(test), list(tolerances), sorted(judged), sorted(each.key for each in factors)
        ])
        self.folder = os.path.join(workshop.folder, "why", digest_bytes(question.encode())[7:19])
        make_private(self.folder)
        self.results = Results(
            self._one, other, judged, os.path.join(self.folder, "references"), tolerances, workshop.root
        )
        self._packages = Packages(os.path.join(workshop.folder, "why", "packages"), python_of(self._one))
        self._workshop = replace(
            workshop, folder=self.folder, open_store=self.open_store, warn=lambda sentence: None,
            progress=lambda size: None,
        )
        with Judge(workshop.objects, workshop.folder, workshop.root, workshop.data.root, ()) as judge:
            for place, record in enumerate((self._one, other)):
                self.results.take(place, record, judge)
        self._by_status = not judged
        self._known = self._remembered()

    def close(self) -> None:
        """End the process that compares contents, if there is one."""
        self.results.close()

    def open_store(self, patience: float | None = None) -> RecordStore:
        """Open the store of the trials' own records."""
        return open_store(os.path.join(self.folder, "records.sqlite"), patience)

    def known(self, chosen: Collection[Factor]) -> Trial | None:
        """Return what came of the mixture, if it has been tried."""
        return self._known.get(_key(chosen))

    def all(self) -> list[Trial]:
        """Return what was tried for this question, in order."""
        return list(self._known.values())

    def run(self, chosen: Collection[Factor], what: str) -> Trial:
        """Return what comes of the first run with the *chosen* factors as in the second; *what* tells that in words.

        Raises `Interrupted` if the user presses Ctrl-C.
        """
        began = monotonic()
        key = _key(chosen)
        self._known.pop(key, None)  # the last one counts
        try:
            record, folder = self._execute(chosen, what)
        except (SumatraError, OSError) as error:
            return self._remember(key, Trial(FAILED, "", monotonic() - began, str(error), what))
        try:
            outcome, trouble = self._judged(record, folder)
            for place, whole in enumerate(((), self._factors)):
                if key == _key(whole):
                    self.results.keep(place, record, folder)
        finally:
            remove(folder)
        return self._remember(key, Trial(outcome, record.label, monotonic() - began, trouble, what))

    def measure_noise(self, what: str) -> int:
        """Do the first run again to see which results vary by themselves, and how far; return how often."""
        for _ in range(_REPEATS):
            record, folder = self._execute((), what)
            try:
                self.results.add_noise(record, folder)
            finally:
                remove(folder)
        return _REPEATS

    def second_varies(self, what: str) -> bool:
        """Do the second run again and tell whether it isn't even like itself."""
        record, folder = self._execute(self._factors, what)
        try:
            return self.results.second_varies(record, folder) or _ending(record) != _ending(self._other)
        finally:
            remove(folder)

    def _execute(self, chosen: Collection[Factor], what: str) -> tuple[Record, str]:
        """Run it; return its record, and the folder where its results lie."""
        mixture = mix(self._one, self._other, self._factors, chosen, self._workshop.objects)
        variables = dict(mixture.variables)
        path = self._packages.path(mixture.packages)
        if path:
            behind = variables.get("PYTHONPATH", self._plan.environment.get("PYTHONPATH"))
            variables["PYTHONPATH"] = f"{path}{os.pathsep}{behind}" if behind else path
        environment = {**self._plan.environment, **variables}
        label = self._free_label()
        words = [word.replace("{label}", label) for word in mixture.words]
        make_private(os.path.join(self.folder, "runs"))
        request = Request(
            program=words[:1], arguments=words[1:], main_file=self._one.main_file, label=label,
            reason=what, take_values=False, again=mixture.record, keep=True,
            stdin_file=self._one.stdin_file or os.devnull, stdout_file=self._one.stdout_file,
        )
        way = Way(
            request, {name: value for name, value in environment.items() if value is not None},
            # A test of the user's needs all files in one folder; in a view, only those that were written are.
            self._plan.has_view and not self._test, self._supplied(mixture.supplied),
            checkouts=self._plan.checkouts,
        )
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

    def _supplied(self, own: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """Return the inputs that are taken from what was kept, but for those that trials have a say in."""
        top = top_of(self._one)
        swapped = {os.path.normpath(os.path.join(top, factor.path)) for factor in self._factors if factor.path}
        rest = (each for each in self._plan.supplied if os.path.realpath(each[0]) not in swapped)
        return (*rest, *own)

    def _free_label(self) -> str:
        with self.open_store() as store:
            taken = set(store.labels(self._workshop.settings.name))
        number = len(taken) + 1
        while str(number) in taken:
            number += 1
        return str(number)

    def _judged(self, record: Record, folder: str) -> tuple[str, str]:
        """Return what the results of a trial are like, and what went wrong."""
        if self._test:
            return self._tested(record, folder), ""
        ended, endings = _ending(record), [_ending(self._one), _ending(self._other)]
        trouble = "" if record.status == "finished" else _last_line(record) or f"it {record.status}"
        if self._by_status:
            outcomes = dict(zip(endings, (FIRST, SECOND), strict=True))
            return outcomes.get(ended, NEITHER), trouble
        if ended not in endings:
            return FAILED, trouble
        if self.results.are_like(0, record, folder):
            return FIRST, ""
        return SECOND if self.results.are_like(1, record, folder) else NEITHER, ""

    def _tested(self, record: Record, folder: str) -> str:
        """Ask the user's own command, in the folder where the program ran."""
        inside = os.path.join(folder, os.path.relpath(os.path.realpath(record.working_directory), top_of(self._one)))
        try:
            done = subprocess.run(  # noqa: S603  what the user typed
                list(self._test), cwd=os.path.normpath(inside), check=False, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            raise ProjectError(f"{self._test[0]}, which is to judge, can't be run: {error.strerror}") from error
        if done.returncode == _CANNOT_TELL:
            return NEITHER
        return FIRST if done.returncode == 0 else SECOND

    def _remember(self, key: str, trial: Trial) -> Trial:
        self._known[key] = trial
        self.note()
        return trial

    def note(self) -> None:
        """Write down what is known, for another search."""
        told = {
            "trials": {name: each._asdict() for name, each in self._known.items()}, "noise": self.results.noise,
            "left_out": sorted(self.results.left_out),
        }
        write_atomically(os.path.join(self.folder, "trials.json"), json.dumps(told, indent=1).encode())

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
        self.results.noise = noise
        self.results.leave_out(left_out)
        return trials

    def forget(self) -> None:
        """Remove all that trials have left, their records too, and begin anew."""
        shutil.rmtree(self.folder, ignore_errors=True)
        make_private(self.folder)
        self._known = {}
        self.results.judged |= self.results.left_out | self.results.alike
        self.results.left_out, self.results.alike, self.results.restless, self.results.noise = set(), set(), set(), {}


def _key(chosen: Collection[Factor]) -> str:
    return digest_bytes("\1".join(sorted(factor.key for factor in chosen)).encode("utf-8", "surrogateescape"))


def _ending(record: Record) -> tuple[object, ...]:
    return record.status, record.exit_status, record.signal


def _last_line(record: Record) -> str:
    lines = [line for line in record.stdout_stderr.splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines else ""


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
