"""Find which of the differences of two runs makes the difference.

First both runs are done again: if the first doesn't come out as it did, or the second doesn't once all is as it was
then, no trial could tell anything, and that is the answer.  Then `sumatra.causes.smallest` chooses what to swap, files
are taken apart into the parts that differ, and at last what was found is taken back from the second run.
"""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from time import monotonic
from typing import NamedTuple

from sumatra.causes.factors import Factor, factors_between, hunks_of, place_of, top_of
from sumatra.causes.results import differing
from sumatra.causes.smallest import expected_trials, smallest
from sumatra.causes.trials import FAILED, FIRST, NEITHER, SECOND, Trial, Trials
from sumatra.errors import ProjectError, SumatraError
from sumatra.files import digest_bytes
from sumatra.records import Record
from sumatra.runs.rebuilding import content_of
from sumatra.runs.repeating import Plan, plan
from sumatra.runs.trees import Trees
from sumatra.runs.workshop import Workshop

__all__ = ["Answer", "Question", "answer", "ask"]


class Question(NamedTuple):
    """What is to be found out, and what it may cost."""

    one: Record
    other: Record
    judged: tuple[str, ...]  #: results that differ, by which trials are judged; else by how the program ends
    test: tuple[str, ...]  #: … or by this command
    is_judged: bool  #: whether anything differs by which trials could be judged
    factors: tuple[Factor, ...]  #: likeliest first
    fixed: tuple[str, ...]  #: differences that can't be swapped
    notes: tuple[str, ...]  #: what isn't as it was in either run, a sentence each
    trials: Trials

    @property
    def expected(self) -> tuple[int, float]:
        """About how many trials it takes to find one cause, and seconds."""
        number = 3 + expected_trials(len(self.factors))
        return number, number * (self.one.duration or 0.0)


class Answer(NamedTuple):
    """What came of it."""

    #: ``found``, ``nothing differs``, ``noisy``, ``beyond`` (what can't be swapped makes the difference), ``first
    #: differs`` or ``second differs`` (it doesn't come out as it did), ``first is bad`` (so says the user's own test),
    #: ``given up`` (the budget is used up)
    outcome: str
    causes: tuple[Factor, ...] = ()
    number: int = 0  #: of trials
    seconds: float = 0.0
    taken_back: str = ""  #: what the second run is like without the causes: an outcome of a trial
    left_out: tuple[str, ...] = ()  #: outputs that weren't the same in two equal runs
    failed: tuple[str, ...] = ()  #: trials that could not be run, a sentence each
    label: str = ""  #: of the trial that shows it
    second_varies: bool = False  #: the second run never comes out the same; the causes are what makes it differ
    noise: Mapping[str, float] = {}  #: by output, how far (relatively) numbers were allowed to vary by themselves


class _GivenUp(Exception):
    """The budget is used up."""


#: So often a mixture is run again that came out like the first run, where the second one varies by itself.
_LUCK = 2

Told = Callable[[str, Trial | None], None]


def ask(
    one: Record, other: Record, workshop: Workshop, *, test: Sequence[str] = (), ignore: Collection[str] = (),
    tolerances: Sequence[str] = (),
) -> Question:
    """Return what would be tried to find out why *other* came out otherwise than *one*.

    Raises `ProjectError` where that can't be done.
    """
    if top_of(one) != top_of(other):
        raise ProjectError(
            f"{one.label} was run in {top_of(one)} and {other.label} in {top_of(other)}",
            "what belongs to one folder only can be swapped",
        )
    plans = [plan(record, workshop) for record in (one, other)]  # or they can't be run again
    outside = [
        place for record in (one, other) for key in record.output_data
        if not (place := place_of(key, record)).startswith(top_of(one) + os.sep)
    ]
    if test and outside:
        raise ProjectError(
            f"the runs write outside of {top_of(one)}, and trials that a command judges would overwrite that: "
            f"{outside[0]}", "leave out --test, or let the program write into its own folder",
        )
    work = os.path.join(workshop.folder, "work")

    def kept(record: Record, name: str, digest: str | None) -> bytes:
        if digest is not None and digest in workshop.objects:
            return workshop.objects.get(digest)
        content = content_of(record, name, workshop.objects, workshop.root, work)
        if digest_bytes(content) != digest:
            raise ProjectError(f"{name} had another content")
        return content

    has_view = all(each.has_view for each in plans) and not test
    with Trees(workshop.objects, workshop.root, work) as trees:
        found = factors_between(one, other, trees.of, kept, everywhere=has_view)
        # What repositories hold is read now: a clone that had to be made is gone once the trees are closed.
        factors = tuple(_held(factor) for factor in found.factors if factor.name not in ignore)
    for name in sorted(set(ignore) - {factor.name for factor in found.factors}):
        workshop.warn(f"nothing that could be swapped is called {name!r}, so nothing is left out for it")
    judged, unknown = _judged(one, other, test)
    trials = Trials(plans[0], other, factors, workshop, test=test, judged=judged, tolerances=tolerances)
    fixed = (*found.fixed, *(f"the result {name} wasn't hashed, so nothing is judged by it" for name in unknown))
    is_judged = bool(test or judged or _ending(one) != _ending(other))
    notes = _notes(plans[0], other, factors)
    return Question(one, other, tuple(judged), tuple(test), is_judged, factors, fixed, notes, trials)


def _notes(first: Plan, other: Record, factors: Sequence[Factor]) -> tuple[str, ...]:
    """Return what isn't as it was in the first run; inputs that trials swap are given to them as they were."""
    second = {os.path.realpath(place_of(key, other)): key.digest for key in other.input_data}
    swapped = {factor.name for factor in factors}
    top = top_of(first.record)
    inputs = []
    for item, outcome in first.inputs:
        if swapped & {item.place, os.path.relpath(os.path.realpath(item.place), top)}:
            continue
        is_same = item.digest is not None and second.get(os.path.realpath(item.place)) == item.digest
        inputs.append(f"the input {item.path}{', the same in both runs,' if is_same else ''} is {outcome} now")
    return (*(note for note in first.notes if not note.startswith("the input ")), *inputs)


def _judged(one: Record, other: Record, test: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return by which results trials are judged, if not by a test or how they end; and those that aren't known."""
    if test or _ending(one) != _ending(other):
        return [], []
    for record in (one, other):
        if not record.outputs_are_known:
            raise ProjectError(
                f"nobody looked at what {record.label} wrote", "let a command judge: smt why A B --test COMMAND"
            )
    return differing(one, other)


def _ending(record: Record) -> tuple[object, ...]:
    return record.status, record.exit_status, record.signal


def _held(factor: Factor) -> Factor:
    """Return *factor* with its contents read; trials with one that is gone will say why."""
    if factor.contents is None or factor.kind != "code":
        return factor
    one, other = (content._replace(read=_read_now(content.read)) for content in factor.contents)
    return factor._replace(contents=(one, other))


def _read_now(read: Callable[[], bytes] | None) -> Callable[[], bytes] | None:
    if read is None:
        return None
    try:
        content = read()
    except (SumatraError, OSError):
        return read
    return lambda: content


def answer(
    question: Question, *, budget: float | None = None, most: int | None = None,
    told: Told = lambda sentence, trial: None,
) -> Answer:
    """Return the smallest set of differences that turns the first run into the second.

    No trial is begun after *budget* seconds, or after *most* trials; those of an earlier search cost nothing.  *told*
    gets each trial before it is run (with None) and after.  Raises `Interrupted` if the user presses Ctrl-C.
    """
    search = _Search(question, budget, most, told)
    try:
        return search.found()._replace(number=search.number, seconds=search.seconds, failed=tuple(search.failed))
    except _GivenUp:
        return Answer("given up", (), search.number, search.seconds, failed=tuple(search.failed))
    finally:
        question.trials.close()


class _Search:
    def __init__(self, question: Question, budget: float | None, most: int | None, told: Told) -> None:
        self._question = question
        self._trials = question.trials
        self._results = question.trials.results
        self._end = None if budget is None else monotonic() + budget
        self._most = most
        self._told = told
        self.number = 0
        self.seconds = 0.0
        self.failed: list[str] = []
        self._seen: list[Trial] = []
        self._target = frozenset({SECOND})  # what a trial is like that has all of the causes

    def found(self) -> Answer:
        question = self._question
        if not question.is_judged:
            return Answer("nothing differs")
        reason = self._obstacle()
        if reason is not None:
            return reason._replace(left_out=self._left_out())
        causes = self._taken_apart(smallest(question.factors, self._is_it))
        shown = self._run(causes, _names(causes))
        try:
            rest = _without(question.factors, causes)
            taken_back = self._run(rest, f"{question.other.label} without {_names(causes)}").outcome
        except _GivenUp:
            taken_back = ""
        return Answer(
            "found", tuple(_by_its_line(factor) for factor in _ordered(causes)), taken_back=taken_back,
            left_out=self._left_out(), label=shown.label, noise=dict(self._results.noise),
            second_varies=NEITHER in self._target,
        )

    def _obstacle(self) -> Answer | None:
        """Do both runs again; return the answer if nothing can be told by trials, or there is nothing to tell."""
        question, results = self._question, self._results
        first = self._run((), f"{question.one.label} again")
        if first.outcome not in (FIRST, FAILED) and question.judged:
            first = self._judged_anew(first)
            if not results.judged:
                return Answer("noisy")
        results.leave_out_what_is_alike()
        if question.judged and not results.judged:
            return Answer("noisy" if results.noise else "nothing differs", label=first.label)
        if first.outcome == SECOND and question.test:
            return Answer("first is bad", label=first.label)
        if first.outcome == SECOND or (first.outcome == FIRST and not question.factors):
            return Answer("beyond", label=first.label)
        if first.outcome != FIRST:
            return Answer("first differs", label=first.label)
        second = self._run(question.factors, f"all as in {question.other.label}")
        results.leave_out_what_is_alike()
        self._trials.note()
        if question.judged and not results.judged:
            return Answer("noisy" if results.noise else "nothing differs", label=second.label)
        if second.outcome != SECOND and results.noise:
            second = self._run(question.factors, f"all as in {question.other.label}, by what varies less", again=True)
        varies = second.outcome == NEITHER and question.judged and self._second_varies()
        if second.outcome == NEITHER and not varies and results.restless:
            what = f"all as in {question.other.label}, judged by content"
            second = self._run(question.factors, what, again=True)
            results.leave_out_what_is_alike()
            self._trials.note()
            if question.judged and not results.judged:
                return Answer("nothing differs", label=second.label)
        if varies:
            self._target = frozenset({SECOND, NEITHER})
        elif second.outcome != SECOND:
            return Answer("beyond" if second.outcome == FIRST else "second differs", label=second.label)
        return None

    def _judged_anew(self, first: Trial) -> Trial:
        """See how far the results of the first run vary by themselves; return what that run is like then."""
        what = f"{self._question.one.label} again, to see what varies by itself"
        self._told(what, None)
        self.number += self._trials.measure_noise(what)
        results = self._results
        if not results.judged or not (results.left_out or results.noise or results.restless):
            return first
        return self._run((), f"{self._question.one.label} again, judged with that", again=True)

    def _left_out(self) -> tuple[str, ...]:
        return tuple(sorted(self._results.left_out))

    def _taken_apart(self, causes: frozenset[Factor]) -> frozenset[Factor]:
        """Return *causes* with files of code replaced by those of their parts that are needed."""
        for factor in _ordered(causes):
            parts = hunks_of(factor) if factor.kind in ("code", "input") else []
            if len(parts) < 2:
                continue
            needed = self._needed(parts, causes - {factor})
            if len(needed) < len(parts):
                causes = causes - {factor} | needed
        return causes

    def _needed(self, parts: Sequence[Factor], others: frozenset[Factor]) -> frozenset[Factor]:
        """Return those of *parts* that it takes together with *others*."""
        return smallest(parts, lambda chosen: self._is_it(others | chosen))

    def _is_it(self, chosen: frozenset[Factor]) -> bool:
        """Tell whether the mixture comes out like the second run."""
        trial = self._run(chosen, _names(chosen))
        for _ in range(_LUCK if NEITHER in self._target else 0):
            if trial.outcome != FIRST:
                break  # else it may have been by chance
            trial = self._run(chosen, f"{_names(chosen)}, once more", again=True)
        return trial.outcome in self._target

    def _second_varies(self) -> bool:
        what = f"all as in {self._question.other.label}, once more"
        self._told(what, None)
        self.number += 1
        return self._trials.second_varies(what)

    def _run(self, chosen: Collection[Factor], what: str, *, again: bool = False) -> Trial:
        known = None if again else self._trials.known(chosen)
        if known is None:
            if (self._end is not None and monotonic() > self._end) or (
                self._most is not None and self.number >= self._most
            ):
                raise _GivenUp
            self._told(what, None)
            known = self._trials.run(chosen, what)
            self.number += 1
            self.seconds += known.seconds
        if known not in self._seen:
            self._seen.append(known)
            self._told(what, known)
        if known.outcome == FAILED:
            self.failed.append(f"{what}: {known.trouble}")
        return known


def _without(factors: Sequence[Factor], causes: Collection[Factor]) -> list[Factor]:
    """Return all *factors* but the *causes*, of which some may be parts of one."""
    in_parts = {(cause.kind, cause.path) for cause in causes if cause.lines}
    rest = []
    for factor in factors:
        if (factor.kind, factor.path) in in_parts:
            rest += [part for part in hunks_of(factor) if part not in causes]
        elif factor not in causes:
            rest.append(factor)
    return rest


def _by_its_line(factor: Factor) -> Factor:
    """Return the one part in which a file of code differs, in the place of the file."""
    parts = hunks_of(factor) if factor.kind == "code" and not factor.lines else []
    return parts[0] if len(parts) == 1 else factor


def _ordered(factors: Collection[Factor]) -> list[Factor]:
    return sorted(factors, key=lambda factor: (factor.kind, factor.name))


def _names(factors: Collection[Factor]) -> str:
    told = [f"{factor.kind} {factor.name}" for factor in _ordered(factors)]
    return ", ".join(told[:3]) + (f" and {len(told) - 3} more" if len(told) > 3 else "")
