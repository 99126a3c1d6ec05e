"""How like the results of two runs are, by what their files hold, where these are still to be had.

A file is taken where it was written, if it still is what the record says; else from the folder of a repetition, or from
the content store, if it was kept.  Files of the same digest are never opened.
"""

import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple

from sumatra.comparison import SAME, Comparison, Session, Tolerances
from sumatra.differences import Difference, Differences, outputs_by_name
from sumatra.facts import replace
from sumatra.files import ContentStore, file_name
from sumatra.records import DataKey, Record
from sumatra.runs.elsewhere import OUTSIDE
from sumatra.runs.verifying import Item, verified

__all__ = ["Judge", "NotToBeHad"]

#: So many repetitions of a run are looked at to learn by how much its results vary.
_MOST_REPEATS = 20


_Repeats = Callable[[str, bool], Sequence[Record]]


class NotToBeHad(Exception):
    """The content of a file isn't to be had; the message is the end of a sentence that begins with the file's name."""


class Judge:
    """Compares results; to be used with ``with``, as it may start a process that reads files.

    *folder* is ``.smt``; *rules* are tolerances, as seen from the project's folder *root*; *data* is where programs
    write now.
    """

    def __init__(self, objects: ContentStore, folder: str, root: str, data: str, rules: Iterable[str] = ()) -> None:
        self._objects = objects
        self._folder = folder
        self._data = data
        self._tolerances = Tolerances(rules, root)
        self._session = Session()
        self._found: dict[tuple[str, str], str | NotToBeHad] = {}

    def __enter__(self) -> "Judge":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def compare(
        self, one: Record, first: DataKey, other: Record, second: DataKey,
        rules: Sequence[tuple[str, float, float]] | None = None,
    ) -> Comparison:
        """Return how like the result *first* of the run *one* and *second* of *other* are.

        *rules* are taken in the place of the tolerances of the project.
        """
        return next(self.compare_all(one, other, [(first, second)], rules))

    def compare_all(
        self, one: Record, other: Record, pairs: Iterable[tuple[DataKey, DataKey]],
        rules: Sequence[tuple[str, float, float]] | None = None,
    ) -> Iterator[Comparison]:
        """Yield how like two results are for each of *pairs*."""
        known: deque[Comparison | None] = deque()

        def unlike() -> Iterator[tuple[str, str, str, Sequence[tuple[str, float, float]]]]:
            for first, second in pairs:
                found = self._without_reading(first, second)
                if found is None:
                    try:
                        places = self.place(one, first), self.place(other, second)
                    except NotToBeHad as reason:
                        found = Comparison("not comparable", str(reason))
                known.append(found)
                if found is None:
                    path = one.output_path(first)
                    yield *places, path, self._tolerances.rules_for(path) if rules is None else rules

        for answer in self._session.compare_unlike(unlike()):
            while (found := known.popleft()) is not None:
                yield found
            yield answer
        yield from (found for found in known if found is not None)

    @staticmethod
    def _without_reading(first: DataKey, second: DataKey) -> Comparison | None:
        if first.digest is None or second.digest is None:
            return Comparison("not comparable", "its content wasn't hashed")
        if first.digest == second.digest:
            return Comparison("identical")
        if "symbolic link" in first.flags or "symbolic link" in second.flags:
            return Comparison("different", "it is a symbolic link to something else")
        return None

    def pictures(self, one: Record, first: DataKey, other: Record, second: DataKey) -> list[str]:
        """Return both pictures and where they differ, as `Session.pictures` does; [] where they can't be had."""
        try:
            return self._session.pictures(self.place(one, first), self.place(other, second))
        except NotToBeHad:
            return []

    def place(self, record: Record, key: DataKey) -> str:
        """Return where the content of the result *key* of *record* lies; raises `NotToBeHad`."""
        known = record.id or record.label, key.path
        if known not in self._found:
            self._found[known] = self._look_for(record, key)
        found = self._found[known]
        if isinstance(found, NotToBeHad):
            raise found
        return found

    def _look_for(self, record: Record, key: DataKey) -> str | NotToBeHad:
        reason = f"the file of {record.label} isn't there any more"
        for place in self._places(record, key):
            item = Item(record.label, "output", key.path, place, key.digest)
            (_, outcome), = verified([item])
            if outcome == "ok":
                return os.path.realpath(place)
            if record.repeats is not None and not _is_ours(place, self._folder):
                reason = f"the file of {record.label}, which is a repetition, wasn't kept"  # this is the first run's
            elif outcome in ("changed", "unreadable"):
                told = "has been changed since" if outcome == "changed" else "can't be read"
                reason = f"the file of {record.label} {told}"
        return NotToBeHad(reason)

    def _places(self, record: Record, key: DataKey) -> Iterator[str]:
        """Yield where the result *key* may lie, likeliest first."""
        written = record.output_path(key)
        if record.repeats is not None:
            kept = os.path.join(self._folder, "work", file_name(record.label))
            inside = os.path.relpath(os.path.realpath(written), os.path.realpath(record.code_root))
            yield f"{kept}/{OUTSIDE}{written}" if inside.startswith("..") else os.path.join(kept, inside)
        if key.digest is not None and key.digest.startswith("sha256:") and key.digest in self._objects:
            yield self._objects.path(key.digest)
        yield written
        if not os.path.isabs(key.path) and record.data_root != self._data:
            yield os.path.join(self._data, key.path)

    # -- all results of two runs ---------------------------------------------------------------------------------------

    def refined(
        self, one: Record, other: Record, found: Differences, repeats: _Repeats | None = None
    ) -> Differences:
        """Return *found* with a verdict on each result; those that count as the same are no differences any more.

        *repeats* returns the runs that repeat the one with a label, and that one too where it is asked for: by how much
        these differ is told too.
        """
        keys = outputs_by_name(one, other)
        pairs = [(each, keys[0].get(each.name), keys[1].get(each.name)) for each in found.found]
        both = [(first, second) for each, first, second in pairs if each.kind == "results" and first and second]
        compared = self.compare_all(one, other, both)
        kept: list[Difference] = []
        alike: list[Difference] = []
        for each, first, second in pairs:
            if each.kind != "results" or (first is None and second is None):
                kept.append(each)
            elif first is None or second is None:
                verdict = "missing" if second is None else "extra"
                kept.append(replace(each, verdict=verdict, note=_only(verdict)))
            else:
                comparison = next(compared)
                (alike if comparison.verdict in SAME else kept).append(
                    replace(each, verdict=comparison.verdict, note=comparison.sentence)
                )
        if repeats is not None and any(each.verdict == "different" for each in kept):
            kept = self._with_noise(one, other, kept, keys, repeats)
        return replace(found, found=tuple(kept), alike=tuple(alike))

    def _with_noise(
        self, one: Record, other: Record, found: Sequence[Difference],
        keys: tuple[Mapping[str, DataKey], Mapping[str, DataKey]], repeats: _Repeats,
    ) -> list[Difference]:
        """Return *found* with a word on results that differ no more than they do when a run is just repeated."""
        siblings: list[_Sibling] = []
        for label in dict.fromkeys(record.repeats or record.label for record in (one, other)):
            first = next((record for record in (one, other) if record.label == label), None)
            family = repeats(label, first is None)
            first = first or next((record for record in family if record.label == label), None)
            others = [record for record in family if record.label not in (one.label, other.label, label)]
            if first is not None:
                siblings += [_sibling(first, record) for record in others[:_MOST_REPEATS]]
        if not siblings:
            return list(found)
        return [
            self._with_word(each, one, other, keys[0][each.name], keys[1][each.name], siblings)
            if each.verdict == "different" else each
            for each in found
        ]

    def _with_word(
        self, difference: Difference, one: Record, other: Record, first: DataKey, second: DataKey,
        siblings: "Sequence[_Sibling]",
    ) -> Difference:
        largest, number, labels = 0.0, 0, dict[str, None]()
        for original, repeated, pairs in siblings:
            before, after = pairs.get(second.path if original.label == other.label else first.path, (None, None))
            if before is None or after is None:
                continue
            comparison = self.compare(original, before, repeated, after)
            if comparison.verdict in _WITH_CONTENT:
                number += 1
                labels[original.label] = None
                largest = max(largest, comparison.largest or 0.0)
        if not number:
            return difference
        times = f"{number} repeat{'s' * (number != 1)} of {' and '.join(labels)}"
        if not largest:
            return replace(difference, note=f"{difference.note}; in {times} it was always the same")
        if math.isfinite(largest):
            again = self.compare(one, first, other, second, [("", largest * (1 + 1e-12), 0.0)])
            much = "within what" if again.is_same else "more than what"
            return replace(difference, note=f"{difference.note}; {much} {times} showed ({largest:.2g})")
        return difference


def _is_ours(place: str, folder: str) -> bool:
    return place.startswith(folder + os.sep)


class _Sibling(NamedTuple):
    """A run and one that repeats it."""

    original: Record
    repeated: Record
    pairs: Mapping[str, tuple[DataKey, DataKey | None]]  #: results of both, by the path in the first


def _sibling(original: Record, repeated: Record) -> _Sibling:
    first, second = outputs_by_name(original, repeated)
    return _Sibling(original, repeated, {key.path: (key, second.get(name)) for name, key in first.items()})


#: What comes of comparing contents.
_WITH_CONTENT = frozenset({"identical", "same content", "within tolerance", "different"})


def _only(verdict: str) -> str:
    return "only in the first" if verdict == "missing" else "only in the second"
