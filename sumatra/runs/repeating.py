"""Run something again as it was, apart from the user's files, and tell whether the results are the same."""

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sumatra import differences
from sumatra.errors import ProjectError, SumatraError
from sumatra.files import digest_bytes, file_name
from sumatra.records import DataKey, Record
from sumatra.runs import Done, Request, execute
from sumatra.runs.elsewhere import Elsewhere, has_own_parameters, is_own_copy
from sumatra.runs.rebuilding import content_of
from sumatra.runs.verifying import Item, items_of, verified
from sumatra.runs.workshop import Workshop

__all__ = ["Plan", "Repeated", "plan", "repeat", "verdicts"]

#: Verdicts on one output, from the best to the worst.
VERDICTS = ("identical", "same content", "within tolerance", "different", "missing", "extra", "not comparable")

#: What counts as the same result.
SAME = frozenset(VERDICTS[:2])


class Plan(NamedTuple):
    """What a repetition would do, and what stands in its way."""

    record: Record
    command: tuple[str, ...]
    inputs: tuple[tuple[Item, str], ...]  #: those that aren't as they were, each with what has become of it
    notes: tuple[str, ...]  #: what can't be the same, a sentence each


class Repeated(NamedTuple):
    """What came of it."""

    record: Record  #: the first one
    done: Done
    outputs: Mapping[str, str]  #: verdict by path
    folder: str  #: where the new results lie, if they were kept; else empty

    @property
    def match(self) -> bool:
        """Whether the results are known to be the same."""
        ended = self.done.record.status == self.record.status
        return ended and not self._unseen and all(verdict in SAME for verdict in self.outputs.values())

    @property
    def _unseen(self) -> str:
        """Of which of the two runs nobody knows what it wrote."""
        if not self.record.outputs_are_known:
            return "the first run"
        return "" if self.done.record.outputs_are_known else "this one"

    @property
    def sentence(self) -> str:
        """What came of it, in a sentence."""
        if self.match:
            return "The simulation results match."
        if self.done.record.status != self.record.status:
            states = f"the first run {self.record.status}, this one {self.done.record.status}"
            return f"The simulation results don't match: {states}."
        if self._unseen:
            return f"It isn't known whether the simulation results match: nobody looked at what {self._unseen} wrote."
        odd = [path for path, verdict in self.outputs.items() if verdict not in SAME]
        return f"The simulation results don't match: {len(odd)} of {len(self.outputs)} outputs."

    @property
    def causes(self) -> list[differences.Difference]:
        """What could explain that they aren't."""
        return differences.between(self.record, self.done.record).causes


def plan(record: Record, workshop: Workshop) -> Plan:
    """Return how *record* would be repeated; raise `ProjectError` where it can't be."""
    if not record.command:
        raise ProjectError(f"{record.label} can't be repeated: its record doesn't tell the command")
    if any("hmac-sha256:" in word for word in record.command):
        raise ProjectError(
            f"{record.label} can't be repeated: secrets among the words of its command were masked",
            "run it yourself, with the secrets: smt run …",
        )
    if has_own_parameters(record) and "hmac-sha256:" in record.parameters.content:
        raise ProjectError(f"{record.label} can't be repeated: secrets among its parameters were masked")
    if record.launch_mode.name != "serial":
        raise ProjectError(f"{record.label} can't be repeated: it was started in the mode {record.launch_mode.name}")
    lost = [change.path for change in record.changes if change.kind != "deleted" and change.digest is None]
    notes = [f"{path} was changed when it was run, and its content wasn't kept" for path in lost]
    odd = tuple(
        (item, outcome) for item, outcome in verified(
            item for item in items_of(record, workshop.objects) if item.role == "input"
        ) if outcome != "ok" and not _comes_with_the_code(item, record, workshop)
    )
    for item, outcome in odd:
        what = {"not hashed": "wasn't hashed then, so it may be another"}.get(outcome, f"is {outcome}")
        notes.append(f"the input {item.path} {what}")
    return Plan(record, _words(record), odd, tuple(notes))


def _comes_with_the_code(item: Item, record: Record, workshop: Workshop) -> bool:
    """Tell whether the input was under version control or kept as a change, so that it is put back as it was."""
    root = record.repository.root if record.repository and record.repository.root else record.working_directory
    path = os.path.relpath(item.place, os.path.realpath(root))
    if item.digest is None or path.startswith(".."):
        return False
    try:
        content = content_of(record, path, workshop.objects, workshop.root, os.path.join(workshop.folder, "work"))
    except (SumatraError, OSError):
        return False
    return digest_bytes(content) == item.digest


def _words(record: Record) -> tuple[str, ...]:
    """Return the command as it was; the copy of a parameter file is named by its original."""
    if record.parameters.path is None:
        return record.command
    original = os.path.relpath(record.parameters.path, record.working_directory)
    return tuple(original if is_own_copy(word) else word for word in record.command)


def repeat(chosen: Plan, workshop: Workshop, *, label: str | None = None, keep: bool = False) -> Repeated:
    """Do what was *chosen*, and compare the results; they are kept in a folder of ours if they differ, or on *keep*."""
    record = chosen.record
    stdin = next((key.path for key in record.input_data if key.seen == "stdin"), None)
    request = Request(
        program=chosen.command[:1], arguments=chosen.command[1:], main_file=record.main_file, label=label,
        reason=f"to repeat {record.label}", take_values=False, repeats=record.label, again=record, keep=True,
        stdin_file=stdin,
    )
    done = execute(request, workshop)
    root = record.repository.root if record.repository and record.repository.root else record.working_directory
    folder = os.path.join(workshop.folder, "work", file_name(done.record.label))
    elsewhere = Elsewhere(root, folder, None, apart=True)
    outputs = dict(verdicts(record, done.record))
    found = Repeated(record, done, outputs, folder)
    if found.match and not keep:
        elsewhere.remove()
        found = found._replace(folder="")
    return found


def verdicts(first: Record, second: Record) -> Iterator[tuple[str, str]]:
    """Yield the outputs of both records by path, each with one of `VERDICTS`."""
    one, other = _by_path(first), _by_path(second)
    for path in [*one, *(path for path in other if path not in one)]:
        before, after = one.get(path), other.get(path)
        if after is None:
            yield path, "missing"
        elif before is None:
            yield path, "extra"
        elif before.digest is None or after.digest is None:
            yield path, "not comparable"
        else:
            yield path, "identical" if before.digest == after.digest else "different"


def _by_path(record: Record) -> dict[str, DataKey]:
    root = str(record.datastore.options.get("root", "")) if record.datastore else ""
    return {os.path.normpath(os.path.join(root, key.path)): key for key in record.output_data}
