"""Run something again as it was, apart from the user's files, and tell whether the results are the same."""

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from sumatra import differences, versioncontrol
from sumatra.comparison import SAME, Comparison
from sumatra.errors import ProjectError, SumatraError, VersionControlError
from sumatra.files import digest_bytes
from sumatra.receipt import some
from sumatra.records import Checkout, DataKey, Record, is_parameter_copy
from sumatra.runs import Done, Request
from sumatra.runs.again import Way, run_again
from sumatra.runs.apart import is_below, obstacle, remove
from sumatra.runs.judging import Judge, NotToBeHad
from sumatra.runs.rebuilding import content_of, is_outside
from sumatra.runs.variables import again_as_then
from sumatra.runs.verifying import Item, items_of, verified
from sumatra.runs.workshop import Workshop

if TYPE_CHECKING:
    from sumatra.runs.environments import Environment

__all__ = ["Plan", "Repeated", "plan", "repeat", "verdicts", "words_again"]

#: An output of a repetition that is within tolerance is kept if it isn't larger (bytes).
_MOST_KEPT = 50_000_000


class Plan(NamedTuple):
    """What a repetition would do, and what stands in its way."""

    record: Record
    command: tuple[str, ...]
    inputs: tuple[tuple[Item, str], ...]  #: those that aren't as they were, each with what has become of it
    notes: tuple[str, ...]  #: what can't be the same, a sentence each
    conditions: tuple[str, ...] = ()  #: what of that the results may depend on, in few words
    supplied: tuple[tuple[str, str], ...] = ()  #: inputs that are taken from what was kept: path and digest
    environment: Mapping[str, str] = MappingProxyType({})  #: the variables that its program gets
    has_view: bool = False  #: whether nothing that it writes can reach the user's files
    python: "Environment | None" = None  #: the environment that is built again for it
    checkouts: tuple[Checkout, ...] = ()  #: working copies of other code that are put together as they were


class Repeated(NamedTuple):
    """What came of it."""

    record: Record  #: the first one
    done: Done
    outputs: Mapping[str, Comparison]  #: by path
    folder: str  #: where the new results lie, if they were kept; else empty
    interrupted: int = 0  #: the signal that told us to end; 0 if none did
    overwritten: tuple[str, ...] = ()  #: results of the first run that aren't what they were before

    @property
    def match(self) -> bool:
        """Whether the results are known to be the same."""
        ended = self.done.record.status == self.record.status
        return ended and not self._unseen and all(each.verdict in SAME for each in self.outputs.values())

    @property
    def _unseen(self) -> str:
        """Of which of the two runs nobody knows what it wrote."""
        if not self.record.outputs_are_known:
            return "the first run"
        return "" if self.done.record.outputs_are_known else "this one"

    @property
    def farthest(self) -> tuple[str, Comparison] | None:
        """The output that lies farthest from that of the first run, of those within tolerance; None if none is."""
        near = [item for item in self.outputs.items() if item[1].verdict == "within tolerance"]
        return max(near, key=lambda item: item[1].largest or 0.0, default=None)

    @property
    def sentence(self) -> str:
        """What came of it, in a sentence."""
        if self.match:
            if self.farthest is None:
                return "The simulation results match."
            path, comparison = self.farthest
            return f"The simulation results match within tolerance: {os.path.basename(path)}: {comparison.sentence}."
        if self.interrupted:
            return "The repetition was interrupted."
        if self.done.record.status != self.record.status:
            states = f"the first run {self.record.status}, this one {self.done.record.status}"
            return f"The simulation results don't match: {states}."
        if self._unseen:
            return f"It isn't known whether the simulation results match: nobody looked at what {self._unseen} wrote."
        odd = [path for path, each in self.outputs.items() if each.verdict not in SAME]
        return f"The simulation results don't match: {len(odd)} of {len(self.outputs)} outputs."

    @property
    def causes(self) -> list[differences.Difference]:
        """What could explain that they aren't."""
        return differences.between(self.record, self.done.record).causes


def plan(
    record: Record, workshop: Workshop, *, recorded: bool = False, in_place: bool = False, dry: bool = False
) -> Plan:
    """Return how *record* would be repeated; raise `ProjectError` where it can't be.

    With *recorded*, Python's environment is built again as it was (unless *dry*: then it is only foreseen); if it is
    to be run *in place*, it doesn't matter that it may overwrite files of the user's.
    """
    _refuse(record)
    lost = [change.path for change in record.changes if change.kind != "deleted" and change.digest is None]
    what = "was changed when it was run, and its content" if record.repository else "belonged to its code, and"
    notes = [f"{path} {what} wasn't kept" for path in lost]
    conditions = ["changes of the code"] if lost else []
    has_view, told = _view(record, workshop, in_place=in_place)
    notes += told
    checkouts, told = _checkouts(record, workshop, has_view=has_view)
    notes += told
    conditions += ["other working copies"] if told else []
    odd, supplied = [], []
    for item, outcome in verified(item for item in items_of(record, workshop.objects) if item.role == "input"):
        if outcome == "ok" or _comes_with_the_code(item, record, workshop):
            continue
        what = {"not hashed": "wasn't hashed then, so it may be another"}.get(outcome, f"is {outcome}")
        if outcome != "not hashed" and _is_kept(item, record, workshop, has_view=has_view):
            notes.append(f"the input {item.path} {what}; it is taken from what was kept")
            supplied.append((item.place, item.digest or ""))
        else:
            notes.append(f"the input {item.path} {what}")
            odd.append((item, outcome))
    if odd:
        conditions.append("inputs")
    variables, told = again_as_then(record, os.environ, workshop.key, recorded=recorded)
    notes += told
    python = None
    if recorded:
        from sumatra.runs.environments import build, foresee

        python = foresee(record, workshop.objects)
        python = python if dry else build(python)
        notes += python.missing
        conditions += ["packages"] if python.missing else []
    return Plan(
        record, words_again(record), tuple(odd), tuple(notes), tuple(conditions), tuple(supplied), variables, has_view,
        python, checkouts,
    )


def _refuse(record: Record) -> None:
    """Raise `ProjectError` if the record doesn't tell enough."""
    if not record.command:
        raise ProjectError(f"{record.label} can't be repeated: its record doesn't tell the command")
    if not record.has_ended:
        raise ProjectError(f"{record.label} can't be repeated: it hasn't ended")
    if any("hmac-sha256:" in word for word in record.command):
        raise ProjectError(
            f"{record.label} can't be repeated: secrets among the words of its command were masked",
            "run it yourself, with the secrets: smt run …",
        )
    if record.has_own_parameters and "hmac-sha256:" in record.parameters.content:
        raise ProjectError(f"{record.label} can't be repeated: secrets among its parameters were masked")
    if record.launch_mode.name != "serial":
        raise ProjectError(f"{record.label} can't be repeated: it was started in the mode {record.launch_mode.name}")
    if not os.path.isdir(record.code_root):
        raise ProjectError(
            f"{record.label} can't be repeated: {record.code_root}, in which it was run, isn't there",
            f"put it back, or link to where it is now: ln -s FOLDER {shlex.quote(record.code_root)}",
        )
    if record.repository is None and any(is_outside(change.path) for change in record.changes):
        raise ProjectError(
            f"{record.label} can't be repeated: its code lay outside of {record.code_root}, and not under"
            " version control",
            "put it under version control, or make the project in the folder that holds all of its code: smt init",
        )
    if record.repository is None and not any(change.kind == "code" for change in record.changes):
        raise ProjectError(f"{record.label} can't be repeated: its record has no version of the code and no files")


def _view(record: Record, workshop: Workshop, *, in_place: bool) -> tuple[bool, list[str]]:
    """Return whether there can be a view of the user's files, and what to say if not, or not of all.

    Raises `ProjectError` where results of the first run would be overwritten, unless it is to be run *in place*.
    """
    root = os.path.realpath(record.code_root)
    work = os.path.join(workshop.folder, "work")
    reason, exposed = obstacle(os.path.join(work, f"probe-{os.getpid()}"), root)
    outside = sorted(_written_outside(record, root))
    if not reason:
        open_to_it = [path for path in outside if any(is_below(path, folder) for folder in exposed)]
        if not open_to_it:
            return True, []
        why, at_risk = f"{', '.join(exposed)} can't be kept apart", open_to_it
    else:
        named = any(root in word for word in (*record.command, record.parameters.content))
        why, at_risk = reason, [*outside, *([f"{root} (its command or parameters name it)"] if named else [])]
    if at_risk and not in_place:
        raise ProjectError(
            f"{record.label} can't be repeated without overwriting {some(at_risk)}: {why}",
            "to do so nevertheless: smt repeat --in-place",
        )
    if not reason:
        return True, [f"written over, as {why}: {some(at_risk)}"]
    what = f"; it may overwrite {some(at_risk)}" if at_risk else ""
    return False, [f"what the program writes by absolute paths isn't kept apart: {why}{what}"]


def _checkouts(record: Record, workshop: Workshop, *, has_view: bool) -> tuple[tuple[Checkout, ...], list[str]]:
    """Return the working copies of other code that have changed since, and what to say of those that stay changed."""
    changed, notes = [], []
    for checkout in record.checkouts:
        state = _state_of(checkout)
        if state == "same":
            continue
        lost = any(change.kind != "deleted" and change.digest is None for change in checkout.changes)
        can_be = checkout.version is not None or bool(checkout.changes)
        if has_view and state == "changed" and can_be and not lost:
            changed.append(checkout)
        else:
            what = "isn't there any more" if state == "missing" else "has changed since, and is used as it is"
            notes.append(f"{checkout.root}, which other code was loaded from, {what}")
    return tuple(changed), notes


def _state_of(checkout: Checkout) -> str:
    """Tell whether a working copy is the ``same`` as then for sure, maybe ``changed``, or ``missing``."""
    if not os.path.isdir(checkout.root):
        return "missing"
    try:
        copy = versioncontrol.find(checkout.root)
        status = copy.status() if copy is not None else None
    except VersionControlError:
        return "changed"
    if status is None:
        return "changed"
    is_clean = not checkout.changes and not status.changed
    return "same" if is_clean and status.version == checkout.version else "changed"


def _written_outside(record: Record, root: str) -> Iterator[str]:
    for path in _by_path(record):
        if os.path.isabs(path) and not is_below(os.path.realpath(path), root):
            yield path


def _is_kept(item: Item, record: Record, workshop: Workshop, *, has_view: bool) -> bool:
    """Tell whether the content is in the content store and can be put where the program looks for it."""
    if item.digest is None or item.is_link or item.digest not in workshop.objects:
        return False
    return has_view or is_below(item.place, os.path.realpath(record.code_root))


def _comes_with_the_code(item: Item, record: Record, workshop: Workshop) -> bool:
    """Tell whether the input was under version control or kept as a change, so that it is put back as it was."""
    path = os.path.relpath(item.place, os.path.realpath(record.code_root))
    if item.digest is None or path.startswith(".."):
        return False
    try:
        content = content_of(record, path, workshop.objects, workshop.root, os.path.join(workshop.folder, "work"))
    except (SumatraError, OSError):
        return False
    return digest_bytes(content) == item.digest


def words_again(record: Record) -> tuple[str, ...]:
    """Return the command as it was; the copy of a parameter file is named by its original."""
    if record.parameters.path is None:
        return record.command
    original = os.path.relpath(record.parameters.path, record.working_directory)
    return tuple(original if is_parameter_copy(word) else word for word in record.command)


def repeat(
    chosen: Plan, workshop: Workshop, *, label: str | None = None, keep: bool = False, tolerance: Sequence[str] = ()
) -> Repeated:
    """Do what was *chosen*, and compare the results; they are kept in a folder of ours if they differ, or on *keep*.

    Results that only count as the same, by their content or within *tolerance*, which is added to that of the settings,
    are kept in the content store: they tell how much the results of such runs vary.
    """
    record = chosen.record
    request = Request(
        program=chosen.command[:1], arguments=chosen.command[1:], main_file=record.main_file, label=label,
        reason=f"to repeat {record.label}", take_values=False, repeats=record.label, again=record, keep=True,
        stdin_file=record.stdin_file, stdout_file=record.stdout_file,
    )
    way = Way(request, chosen.environment, chosen.has_view, chosen.supplied, checkouts=chosen.checkouts)
    if chosen.python is not None:
        from sumatra.runs.environments import put_to_use

        way = put_to_use(chosen.python, way, record)
    before = {} if chosen.has_view else _stamps(record)
    done, folder, interrupted = run_again(record, way, workshop)
    after = {} if chosen.has_view else _stamps(record)
    overwritten = tuple(path for path, stamp in before.items() if after.get(path) != stamp)
    rules = [*workshop.settings.tolerance, *tolerance]
    with Judge(workshop.objects, workshop.folder, workshop.root, workshop.data.root, rules) as judge:
        outputs = dict(verdicts(record, done.record, judge))
        found = Repeated(record, done, outputs, folder, interrupted, overwritten)
        if found.match and not keep:
            _keep_near(found, judge, workshop)
    if found.match and not keep:
        remove(folder)
        found = found._replace(folder="")
    return found


def _stamps(record: Record) -> dict[str, tuple[int, ...]]:
    """Return what tells whether the results of *record*, where they lie, are still the same."""
    found: dict[str, tuple[int, ...]] = {}
    for path in _by_path(record):
        with suppress(OSError):
            status = os.stat(path)
            found[path] = status.st_ino, status.st_size, status.st_mtime_ns
    return found


def verdicts(first: Record, second: Record, judge: Judge) -> Iterator[tuple[str, Comparison]]:
    """Yield the outputs of both records by path, each with what came of comparing it."""
    one, other = _by_path(first), _by_path(second)
    for path in [*one, *(path for path in other if path not in one)]:
        before, after = one.get(path), other.get(path)
        if before is None or after is None:
            yield path, Comparison("missing" if after is None else "extra")
        else:
            yield path, judge.compare(first, before, second, after)


def _keep_near(found: Repeated, judge: Judge, workshop: Workshop) -> None:
    """Move the outputs that count as those of the first run, but aren't, into the content store, unless too large."""
    keys = _by_path(found.done.record)
    for path, comparison in found.outputs.items():
        key = keys.get(path)
        if comparison.verdict in ("same content", "within tolerance") and key is not None and key.digest is not None:
            with suppress(OSError, NotToBeHad):
                place = judge.place(found.done.record, key)
                if place.startswith(os.path.realpath(found.folder) + os.sep) and os.path.getsize(place) <= _MOST_KEPT:
                    workshop.objects.take(place, key.digest)


def _by_path(record: Record) -> dict[str, DataKey]:
    found = {}
    for key in record.output_data:  # folders by their real names: a project that was moved may be linked to
        folder, name = os.path.split(record.output_path(key))
        found[os.path.join(os.path.realpath(folder), name)] = key
    return found
