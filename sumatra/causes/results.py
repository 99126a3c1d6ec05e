"""What a run wrote and printed, and whether that is like what one of two runs wrote.

The results of the two runs themselves are often gone, the second having written over the first's.  So both are done
again first.  What comes out of that is the reference for a look inside, where digests differ, if it is known to be what
came out then: because its digest is the same, or because that result is never twice the same byte for byte.
"""

import math
import os
import shutil
from collections.abc import Collection, Sequence
from contextlib import suppress

from sumatra.causes.factors import place_of, top_of
from sumatra.comparison import Session, Tolerances
from sumatra.files import file_name, make_private
from sumatra.records import DataKey, Record
from sumatra.runs.elsewhere import Elsewhere
from sumatra.runs.judging import Judge, NotToBeHad

__all__ = ["Results", "differing"]

#: Results that vary by themselves may lie so many times as far apart as they were seen to.
_SPREAD = 4.0

#: What was printed stands among the files; no file can be called that, as names have no parentheses around them here.
_PRINTED, _PRINTED_AS_ERRORS = "(printed)", "(printed as errors)"

#: Where references lie: what each run is known to have written, and what it wrote when it was done again.
_THEN, _AGAIN = ("first", "second"), ("first-again", "second-again")


def differing(one: Record, other: Record) -> tuple[list[str], list[str]]:
    """Return by what the results of two runs differ, and results whose contents aren't known.

    That is files; or where they are the same, what was printed.
    """
    shared = _names(one).keys() & _names(other).keys()
    before, after = _digests(one, shared), _digests(other, shared)
    unknown = [name for name, digest in (*before.items(), *after.items()) if digest is None]
    found = [name for name in {**before, **after} if name not in unknown and before.get(name) != after.get(name)]
    files = [name for name in found if not name.startswith("(")]
    return files or [name for name in found if name == _PRINTED], sorted(set(unknown))


class Results:
    """The results of *one* and *other* by which trials are *judged*; see `differing`.

    References are kept in *folder*; *tolerances* are told as seen from the project's folder *root*.
    """

    def __init__(
        self, one: Record, other: Record, judged: Collection[str], folder: str, tolerances: Sequence[str], root: str
    ) -> None:
        self.judged = set(judged)
        self.left_out: set[str] = set()  #: those by which nothing can be judged
        self.alike: set[str] = set()  #: those that are the same in both runs when they are looked into
        self.noise: dict[str, float] = {}  #: how far (relatively) numbers in one may lie apart by chance
        self.restless: set[str] = set()  #: those that are never twice the same byte for byte, and count as the same
        self._top = top_of(one)
        self._folder = folder
        self._shared = _names(one).keys() & _names(other).keys()
        self._digests = [_digests(one, self._shared), _digests(other, self._shared)]
        self._rules = Tolerances(tolerances, root)
        self._session = Session()

    def close(self) -> None:
        """End the process that compares contents, if there is one."""
        self._session.close()

    def leave_out(self, names: Collection[str]) -> None:
        """Judge no more by *names*."""
        self.left_out |= set(names)
        self.judged -= set(names)

    def are_like(self, place: int, record: Record, folder: str) -> bool:
        """Tell whether what *record* left in *folder* is like what the first run or (*place* 1) the second wrote."""
        digests = _digests(record, self._shared)
        return all(
            digests.get(name) == self._digests[place].get(name)
            or (None not in (digests.get(name), self._digests[place].get(name)) and self._looks_like(
                name, place, self._at(folder, name, record)
            ))
            for name in sorted(self.judged)
        )

    def take(self, place: int, record: Record, judge: Judge) -> None:
        """Take for reference what *record*, the first run or (*place* 1) the second, has written, where it still is."""
        for name, key in _keys(record, self._shared).items():
            if name in self.judged and not os.path.exists(self._reference(_THEN[place], name)):
                with suppress(NotToBeHad, OSError):
                    _copy(judge.place(record, key), self._reference(_THEN[place], name))

    def keep(self, place: int, record: Record, folder: str) -> None:
        """Keep what came out when the first run or (*place* 1) the second was done again, unless there is something."""
        for name, digest in _digests(record, self._shared).items():
            source, target = self._at(folder, name, record), self._reference(_AGAIN[place], name)
            if name not in self.judged or os.path.exists(target):
                continue
            if os.path.isfile(source) and not os.path.islink(source):
                _copy(source, target)
                if digest == self._digests[place].get(name) or name in self.noise or name in self.restless:
                    self._trust(place, name)

    def _trust(self, place: int, name: str) -> None:
        """Take what came out when the run was done again for what it had written, if that isn't to be had."""
        again, then = (self._reference(which[place], name) for which in (_AGAIN, _THEN))
        if os.path.isfile(again) and not os.path.exists(then):
            _copy(again, then)

    def add_noise(self, record: Record, folder: str) -> None:
        """Learn from the first run, done once more, which results vary by themselves and how far.

        What varies but isn't numbers is left out.
        """
        for name in sorted(self.judged):
            place, reference = self._at(folder, name, record), self._reference(_AGAIN[0], name)
            if not os.path.isfile(place) or not os.path.isfile(reference):
                if _digests(record, self._shared).get(name) != self._digests[0].get(name):
                    self.leave_out([name])
                continue
            found = self._session.compare(reference, place, name, self._rules_for(name))
            if found.verdict == "identical":
                continue
            if found.is_same:
                self.restless.add(name)
            elif found.largest is not None and math.isfinite(found.largest):
                self.noise[name] = max(self.noise.get(name, 0.0), _SPREAD * found.largest)
            else:
                self.leave_out([name])
                continue
            self._trust(0, name)

    def second_varies(self, record: Record, folder: str) -> bool:
        """Tell whether the second run, done once more, isn't like it was when it was done again."""
        varies = False
        for name in sorted(self.judged):
            place, reference = self._at(folder, name, record), self._reference(_AGAIN[1], name)
            if not os.path.isfile(reference):
                continue
            if not os.path.isfile(place):
                varies = True
                continue
            rules = [("", self.noise[name], 0.0)] if name in self.noise else self._rules_for(name)
            found = self._session.compare(reference, place, name, rules)
            varies = varies or not found.is_same
            if found.is_same and found.verdict != "identical":
                self.restless.add(name)
                self._trust(1, name)
        return varies

    def leave_out_what_is_alike(self) -> None:
        """Judge no more by what differs no more between both runs than in one by itself, or than is tolerated."""
        for name in sorted(self.judged):
            second = self._reference(_THEN[1], name)
            if os.path.isfile(second) and self._looks_like(name, 0, second):
                if name in self.noise:
                    self.leave_out([name])
                self.alike.add(name)
                self.judged.discard(name)

    def _looks_like(self, name: str, place: int, path: str) -> bool:
        reference = self._reference(_THEN[place], name)
        if not os.path.isfile(reference) or not os.path.isfile(path):
            return False
        rules = [("", self.noise[name], 0.0)] if name in self.noise else self._rules_for(name)
        return self._session.compare(reference, path, name, rules).is_same

    def _rules_for(self, name: str) -> Sequence[tuple[str, float, float]]:
        return self._rules.rules_for(os.path.normpath(os.path.join(self._top, name)))

    def _reference(self, which: str, name: str) -> str:
        return os.path.join(self._folder, which, file_name(name))

    def _at(self, folder: str, name: str, record: Record) -> str:
        """Return where a trial, whose results lie in *folder*, has written *name*."""
        place = os.path.normpath(os.path.join(self._top, name.replace("{label}", record.label)))
        return Elsewhere(self._top, folder, None, apart=True).inside(place)


def _names(record: Record) -> dict[str, DataKey]:
    """Return what *record* wrote by names relative to the top of its code."""
    return {os.path.relpath(place_of(key, record), top_of(record)): key for key in record.output_data}


def _copy(source: str, target: str) -> None:
    make_private(os.path.dirname(target))
    shutil.copyfile(source, f"{target}.part")
    os.replace(f"{target}.part", target)


def _keys(record: Record, shared: Collection[str]) -> dict[str, DataKey]:
    """Return what *record* wrote by names that are the same in each run of the program.

    The run's own label is left out of them, but not of names that are *shared* as they are.
    """
    found = {}
    for name, key in _names(record).items():
        parts = name.split("/") if name not in shared else [name]
        found["/".join("{label}" if part == record.label else part for part in parts)] = key
    return found


def _digests(record: Record, shared: Collection[str]) -> dict[str, str | None]:
    """Return the digests of what *record* wrote and printed, by names as those of `_keys`."""
    found = {name: key.digest for name, key in _keys(record, shared).items()}
    for name, stream in ((_PRINTED, record.stdout), (_PRINTED_AS_ERRORS, record.stderr)):
        if stream is not None and stream.digest:
            found[name] = stream.digest
    return found
