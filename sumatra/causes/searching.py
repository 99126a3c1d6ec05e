"""Find which of the differences of two runs makes the difference.

First both runs are done again: if the first doesn't come out as it did, or the second doesn't once all is as it was
then, no trial could tell anything, and that is the answer.  Then `sumatra.causes.smallest` chooses what to swap, files
are taken apart into the parts that differ, and at last what was found is taken back from the second run.
"""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from time import monotonic
from typing import NamedTuple

from sumatra.causes.factors import Factor, factors_between, hunks_of, top_of
from sumatra.causes.smallest import expected_trials, smallest
from sumatra.causes.trials import FAILED, FIRST, NEITHER, SECOND, Trial, Trials, outputs, shared_names
from sumatra.errors import ProjectError, SumatraError
from sumatra.files import digest_bytes
from sumatra.records import Record
from sumatra.runs.apart import is_below, obstacle
from sumatra.runs.rebuilding import content_of
from sumatra.runs.trees import CodeFile, Trees
from sumatra.runs.workshop import Workshop

__all__ = ["Answer", "Question", "answer", "ask"]


class Question(NamedTuple):
    """What is to be found out, and what it may cost."""

    one: Record
    other: Record
    judged: tuple[str, ...]  #: outputs that differ, by which trials are judged
    by_status: bool  #: … or they are judged by how the program ended
    test: tuple[str, ...]  #: … or by a command
    factors: tuple[Factor, ...]  #: likeliest first
    fixed: tuple[str, ...]  #: differences that can't be swapped
    trials: Trials

    @property
    def expected(self) -> tuple[int, float]:
        """About how many trials it takes to find one cause, and seconds."""
        number = 3 + expected_trials(len(self.factors))
        return number, number * (self.one.duration or 0.0)


class Answer(NamedTuple):
    """What came of it."""

    #: ``found``, ``nothing differs``, ``noisy``, ``beyond`` (what can't be swapped makes the difference), ``first
    #: differs`` or ``second differs`` (it doesn't come out as it did), ``given up`` (the budget is used up)
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
    for record in (one, other):
        _check(record)
    if top_of(one) != top_of(other):
        raise ProjectError(
            f"{one.label} was run in {top_of(one)} and {other.label} in {top_of(other)}",
            "what belongs to one folder only can be swapped",
        )
    shared = shared_names(one, other)
    before, after = outputs(one, shared), outputs(other, shared)
    differing = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    files = [name for name in differing if not name.startswith("(")]
    by_status = (one.status, one.exit_status, one.signal) != (other.status, other.exit_status, other.signal)
    judged = () if by_status or test else tuple(files or [name for name in differing if name == "(printed)"])
    outside = [name for name in {**before, **after} if name.startswith("..") or os.path.isabs(name)]
    reason, exposed = obstacle(os.path.join(workshop.folder, f"probe-{os.getpid()}"), top_of(one))
    reason = reason or ("it would be judged outside of its view" if test else "")
    places = [os.path.normpath(os.path.join(top_of(one), name)) for name in outside]
    if outside and (reason or any(is_below(place, folder) for place in places for folder in exposed)):
        raise ProjectError(
            f"the runs write outside of {top_of(one)}, and trials would overwrite that: {outside[0]}"
            + (f" ({reason})" if reason else ""),
            "let the program write into its own folder",
        )
    work = os.path.join(workshop.folder, "work")
    with Trees(workshop.objects, workshop.root, work) as trees:
        def kept(record: Record, name: str, digest: str | None) -> bytes:
            if digest is not None and digest in workshop.objects:
                return workshop.objects.get(digest)
            content = content_of(record, name, workshop.objects, workshop.root, work)
            if digest_bytes(content) != digest:
                raise ProjectError(f"{name} had another content")
            return content

        code: dict[str, Mapping[str, CodeFile]] = {}

        def tree(record: Record) -> Mapping[str, CodeFile]:
            if record.id not in code:
                code[record.id] = trees.of(record)
            return code[record.id]

        found = factors_between(one, other, tree, kept, everywhere=not reason)
        # What repositories hold is read now: a clone that had to be made is gone once the trees are closed.
        factors = tuple(_held(factor) for factor in found.factors if factor.name not in ignore)
    trials = Trials(
        one, other, factors, workshop, test=test, judged=judged, by_status=by_status, tolerances=tolerances,
    )
    return Question(one, other, judged, by_status, tuple(test), factors, tuple(found.fixed), trials)


def _check(record: Record) -> None:
    if not record.command:
        raise ProjectError(f"{record.label} can't be run again: its record doesn't tell the command")
    if any("hmac-sha256:" in word for word in record.command) or "hmac-sha256:" in record.parameters.content:
        raise ProjectError(f"{record.label} can't be run again: secrets in its command or parameters were masked")
    if not record.has_ended:
        raise ProjectError(f"{record.label} hasn't ended")
    if record.launch_mode.name != "serial":
        raise ProjectError(f"{record.label} can't be run again: it was started in the mode {record.launch_mode.name}")


def _held(factor: Factor) -> Factor:
    if factor.contents is None or factor.kind != "code":
        return factor
    contents = []
    for content in factor.contents:
        if content.read is None:
            contents.append(content)
            continue
        try:
            read = content.read()
        except (SumatraError, OSError):
            contents.append(content)  # trials with it will say why
        else:
            contents.append(content._replace(read=_returning(read)))
    return factor._replace(contents=(contents[0], contents[1]))


def _returning(content: bytes) -> Callable[[], bytes]:
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
        if not (question.judged or question.by_status or question.test):
            return Answer("nothing differs")
        first = self._run((), f"{question.one.label} again")
        if first.outcome != FIRST and not (question.test or question.by_status or first.outcome == FAILED):
            first = self._judged_anew(first)
            if not self._trials.judged:
                return Answer("noisy", left_out=self._left_out())
        if first.outcome == SECOND:
            return Answer("beyond", label=first.label)
        if first.outcome != FIRST:
            return Answer("first differs", left_out=self._left_out(), label=first.label)
        if not question.factors:
            return Answer("beyond", label=first.label, left_out=self._left_out())
        second = self._run(question.factors, f"all as in {question.other.label}")
        self._trials.leave_out(self._trials.cannot_be_told_apart())
        if not self._trials.judged and self._trials.left_out:
            outcome = "noisy" if self._trials.noise else "nothing differs"
            return Answer(outcome, left_out=self._left_out(), label=second.label)
        if second.outcome != SECOND and self._trials.noise:
            second = self._run(question.factors, f"all as in {question.other.label}, by what varies less", again=True)
        if second.outcome == NEITHER and self._varies():
            self._target = frozenset({SECOND, NEITHER})
        elif second.outcome != SECOND:
            outcome = "beyond" if second.outcome == FIRST else "second differs"
            return Answer(outcome, left_out=self._left_out(), label=second.label)
        causes = smallest(question.factors, self._is_it)
        causes = self._taken_apart(causes)
        shown = self._run(causes, _names(causes))
        ordered = tuple(_by_its_line(factor) for factor in sorted(causes, key=lambda each: (each.kind, each.name)))
        rest = _without(question.factors, causes)
        taken_back = self._run(rest, f"{question.other.label} without {_names(causes)}").outcome
        return Answer(
            "found", ordered, taken_back=taken_back, left_out=self._left_out(), label=shown.label,
            noise=dict(self._trials.noise), second_varies=NEITHER in self._target,
        )

    def _judged_anew(self, first: Trial) -> Trial:
        """See how far the outputs of the first run vary by themselves; return what that run is like then."""
        what = f"{self._question.one.label} again, to see what varies by itself"
        self._told(what, None)
        hopeless, number = self._trials.measure_noise(what)
        self.number += number
        self._trials.leave_out(hopeless)
        if not self._trials.judged or not (hopeless or self._trials.noise):
            return first
        return self._run((), f"{self._question.one.label} again, judged with that", again=True)

    def _left_out(self) -> tuple[str, ...]:
        return tuple(sorted(self._trials.left_out))

    def _taken_apart(self, causes: frozenset[Factor]) -> frozenset[Factor]:
        """Return *causes* with files of code replaced by those of their parts that are needed."""
        for factor in sorted(causes, key=lambda factor: factor.name):
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

    def _varies(self) -> bool:
        """Tell whether the second run isn't even like itself, where the first one is."""
        if self._question.test or self._question.by_status:
            return False
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
            known = self._trials.run(chosen, what, again=again)
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


def _names(factors: Collection[Factor]) -> str:
    ordered = sorted(factors, key=lambda factor: (factor.kind, factor.name))
    told = [f"{factor.kind} {factor.name}" for factor in ordered[:3]]
    return ", ".join(told) + (f" and {len(ordered) - 3} more" if len(ordered) > 3 else "")
