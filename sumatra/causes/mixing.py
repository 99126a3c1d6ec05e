"""A run that has some of its differences from one record and the rest from another."""

import os
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sumatra.causes.factors import Factor, place_of, top_of, words_of
from sumatra.facts import replace
from sumatra.files import ContentStore
from sumatra.parameters import from_bytes
from sumatra.records import Change, DataKey, Record
from sumatra.runs.trees import REGULAR

__all__ = ["Mixture", "mix"]


class Mixture(NamedTuple):
    """What is to be run."""

    record: Record  #: as if it had been run like that: its changes say all about files
    words: tuple[str, ...]
    variables: Mapping[str, str | None]  #: what they have to be; None where they have to be unset
    packages: Mapping[str, str]  #: versions by name
    supplied: tuple[tuple[str, str], ...] = ()  #: files outside of the code: path and digest


def mix(
    one: Record, other: Record, factors: Sequence[Factor], chosen: Collection[Factor], objects: ContentStore
) -> Mixture:
    """Return the run *one* with the *chosen* of *factors* as in *other*.

    Parts of files may be among *chosen* in the place of the file.  Contents are put into *objects*.  Raises
    `SumatraError` or `OSError` where one isn't to be had any more.
    """
    files = _Files(one, objects)
    for factor in factors:
        if factor.contents is None or factor.kind == "parameter":
            continue
        parts = [each.lines for each in chosen if (each.kind, each.path) == (factor.kind, factor.path) and each.lines]
        side = factor.contents[factor in chosen]
        if parts:
            files.put(factor.path, _with_parts(factor, parts), factor.contents[0].mode)
        else:
            files.put(factor.path, side.read() if side.read else None, side.mode)
    parameters = _parameters(one, factors, chosen)
    if parameters is not None:
        files.put(*parameters, REGULAR)
    words = list(words_of(one, other))
    for factor in chosen:
        if factor.kind == "argument" and factor.word is not None:
            words[factor.word] = factor.other or ""
        elif factor.kind == "argument":
            words = list(words_of(other, one))
    written = [DataKey(place_of(key, record)) for record in (one, other) for key in record.output_data]
    record = replace(
        one, changes=tuple(files.changes.values()), command=tuple(words),
        output_data=(*written, *(DataKey(place) for place in files.hidden)),
    )
    sides = {(factor.kind, factor.name): factor.other if factor in chosen else factor.one for factor in factors}
    variables = {name: value for (kind, name), value in sides.items() if kind == "variable"}
    packages = {name: str(value) for (kind, name), value in sides.items() if kind == "package"}
    return Mixture(record, tuple(words), variables, packages, tuple(files.supplied))


class _Files:
    """The files of a run as changes upon the version of *one*."""

    def __init__(self, one: Record, objects: ContentStore) -> None:
        self.changes = {change.path: change for change in one.changes}
        self.hidden: list[str] = []  #: absolute names of files that aren't to be seen
        self.supplied: list[tuple[str, str]] = []
        self._is_versioned = one.repository is not None
        self._top = top_of(one)
        self._objects = objects

    def put(self, path: str, content: bytes | None, mode: str) -> None:
        """Have *content* at *path*, relative to the top; or nothing."""
        place = os.path.normpath(os.path.join(self._top, path))
        if content is None:
            self.hidden.append(place)
            self.changes.pop(path, None)
            if self._is_versioned:
                self.changes[path] = Change(path, "deleted")
        elif path.startswith("../"):
            self.supplied.append((place, self._objects.put(content)))
        else:
            kind = "modified" if self._is_versioned else "code"
            self.changes[path] = Change(path, kind, mode, self._objects.put(content), len(content))


def _parameters(one: Record, factors: Sequence[Factor], chosen: Collection[Factor]) -> tuple[str, bytes] | None:
    """Return the path and content of the parameter file, if it isn't that of the code."""
    varying = [factor for factor in factors if factor.kind == "parameter"]
    if one.parameters.path is None or not (varying or one.has_own_parameters):
        return None
    path = os.path.relpath(os.path.realpath(one.parameters.path), top_of(one))
    before = one.parameters.content.encode("utf-8", "surrogateescape")
    swapped = [factor for factor in varying if factor in chosen]
    contents = varying[0].contents if varying else None
    if not swapped or contents is None or contents[1].read is None:
        return path, before
    after = contents[1].read()
    if len(swapped) == len(varying):
        return path, after
    values = from_bytes(after, one.parameters.path)
    mixed = from_bytes(before, one.parameters.path)
    for factor in swapped:
        if factor.other is None:
            mixed.pop(factor.name)
        else:
            mixed[factor.name] = values[factor.name]
    return path, mixed.to_bytes()


def _with_parts(factor: Factor, parts: Sequence[tuple[int, int, int, int]]) -> bytes:
    """Return the first content of a file with *parts* of it as in the second."""
    one, other = (
        content.read().splitlines(keepends=True) if content.read else [] for content in factor.contents or ()
    )
    lines: list[bytes] = []
    done = 0
    for begin, end, start, stop in sorted(parts):
        lines += one[done:begin] + other[start:stop]
        done = end
    return b"".join(lines + one[done:])
