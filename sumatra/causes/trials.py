"""One mixture of two runs, run apart from the user's files, and what its results are like.

Trials have a record store of their own below ``.smt/why``, so they are in no list of the user's runs.  What came of
each is remembered there: a search that was interrupted goes on where it was.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import NamedTuple

from sumatra.causes.factors import Factor, place_of, top_of
from sumatra.causes.mixing import Mixture, mix
from sumatra.causes.packages import Packages, names_python
from sumatra.errors import SumatraError
from sumatra.facts import replace
from sumatra.files import digest_bytes, file_name, make_private, write_atomically
from sumatra.records import Record
from sumatra.recordstore import RecordStore, open_store
from sumatra.runs import Request, execute
from sumatra.runs.workshop import Workshop

__all__ = ["FAILED", "FIRST", "NEITHER", "SECOND", "Interrupted", "Trial", "Trials"]

#: What the results of a trial are like.
FIRST, SECOND, NEITHER, FAILED = "first", "second", "neither", "failed"

#: What ``--test`` commands end with where they can't tell, as those of ``git bisect run``.
_CANNOT_TELL = 125


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
    where the program ran.
    """

    def __init__(
        self, one: Record, other: Record, factors: Sequence[Factor], workshop: Workshop, *, test: Sequence[str] = (),
        judged: Collection[str] = (), by_status: bool = False,
    ) -> None:
        question = digest_bytes(json.dumps([one.id, other.id, list(test)]).encode())[7:19]
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
        self._test = test
        self._by_status = by_status
        self._digests = [outputs(one), outputs(other)]
        self.judged = set(judged)
        self._known = self._remembered()

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
        record, folder = self._execute(mixture, path, label, what)
        try:
            trial = self._judge(record, folder, monotonic() - began)._replace(what=what)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return self._remember(key, trial)

    def _execute(self, mixture: Mixture, path: str | None, label: str, what: str) -> tuple[Record, str]:
        variables = dict(mixture.variables)
        if path:
            behind = variables.get("PYTHONPATH", os.environ.get("PYTHONPATH"))
            variables["PYTHONPATH"] = f"{path}{os.pathsep}{behind}" if behind else path
        words = [word.replace("{label}", label) for word in mixture.record.command]
        make_private(os.path.join(self.folder, "runs"))
        stdin = next((key.path for key in self._one.input_data if key.seen == "stdin"), os.devnull)
        request = Request(
            program=words[:1], arguments=words[1:], main_file=self._one.main_file, label=self._free(label),
            reason=what, take_values=False, again=mixture.record, keep=True, stdin_file=stdin,
        )
        with _variables(variables), _silence():
            done = execute(request, self._workshop)
        if done.record.signal == "SIGINT":
            shutil.rmtree(self._work(done.record), ignore_errors=True)
            raise Interrupted
        return done.record, self._work(done.record)

    def _work(self, record: Record) -> str:
        return os.path.join(self.folder, "work", file_name(record.label))

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
        digests = outputs(record)
        for place, outcome in enumerate((FIRST, SECOND)):
            if all(digests.get(name) == self._digests[place].get(name) for name in self.judged):
                return told._replace(outcome=outcome)
        return told._replace(outcome=NEITHER)

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
        told = {name: each._asdict() for name, each in self._known.items()}
        write_atomically(os.path.join(self.folder, "trials.json"), json.dumps(told, indent=1).encode())
        return trial

    def _remembered(self) -> dict[str, Trial]:
        try:
            with open(os.path.join(self.folder, "trials.json"), "rb") as file:
                told = json.load(file)
            return {
                str(name): Trial(
                    str(each["outcome"]), str(each["label"]), float(each["seconds"]), str(each["trouble"]),
                    str(each["what"]),
                )
                for name, each in told.items() if each["outcome"] in (FIRST, SECOND, NEITHER, FAILED)
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return {}

    def forget(self) -> None:
        """Remove all that trials have left, their records too."""
        shutil.rmtree(self.folder, ignore_errors=True)


def outputs(record: Record) -> dict[str, str | None]:
    """Return the digests of what *record* wrote, by names that are the same in each run of the program.

    What it printed is among them.
    """
    found = {}
    for key in record.output_data:
        name = os.path.relpath(place_of(key, record), top_of(record))
        found["/".join("{label}" if part == record.label else part for part in name.split("/"))] = key.digest
    for name, stream in (("(printed)", record.stdout), ("(printed as errors)", record.stderr)):
        if stream is not None and stream.digest:
            found[name] = stream.digest
    return found


def _key(chosen: Collection[Factor]) -> str:
    return digest_bytes("\1".join(sorted(factor.key for factor in chosen)).encode("utf-8", "surrogateescape"))


def _ending(record: Record) -> tuple[object, ...]:
    return record.status, record.exit_status, record.signal


def _last_line(record: Record) -> str:
    lines = [line for line in record.stdout_stderr.splitlines() if line.strip()]
    return lines[-1].strip()[:200] if lines and record.status != "finished" else ""


@contextmanager
def _variables(wanted: Mapping[str, str | None]) -> Iterator[None]:
    """Have the environment variables *wanted* for a while."""
    before = {name: os.environ.get(name) for name in wanted}
    try:
        _set(wanted)
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


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
