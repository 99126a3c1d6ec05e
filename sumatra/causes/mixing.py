"""A run that has some of its differences from one record and the rest from another."""

import os
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sumatra.causes.factors import Content, Factor, top_of, words_of
from sumatra.facts import replace
from sumatra.files import ContentStore
from sumatra.parameters import from_bytes
from sumatra.records import Change, DataKey, Record

__all__ = ["Mixture", "mix"]


class Mixture(NamedTuple):
    """What is to be run."""

    record: Record  #: as if it had been run like that; its command and changes say all about words and files
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
    top = top_of(one)
    kind = "modified" if one.repository else "code"
    changes = {change.path: change for change in one.changes}
    hidden: list[str] = []

    supplied: list[tuple[str, str]] = []

    def put(path: str, content: bytes | None, mode: str) -> None:
        if path.startswith("../") and content is not None:
            supplied.append((os.path.normpath(os.path.join(top, path)), objects.put(content)))
        elif content is None:
            hidden.append(os.path.join(top, path))
            changes.pop(path, None)
            if one.repository:
                changes[path] = Change(path, "deleted")
        else:
            changes[path] = Change(path, kind, mode, objects.put(content), len(content))

    for factor in factors:
        if factor.contents is None or factor.kind == "parameter":
            continue
        parts = [part.lines for part in chosen if part.path == factor.path and part.lines and part.kind == factor.kind]
        if parts:
            content: bytes | None = _with_parts(factor, [part for part in parts if part])
            put(factor.path, content, factor.contents[0].mode)
        else:
            side = factor.contents[factor in chosen]
            put(factor.path, side.read() if side.read else None, side.mode)
    parameters = _parameters(one, factors, chosen)
    if parameters is not None:
        path, text = parameters
        put(path, text, "100644")
    words = list(words_of(one, other))
    for factor in chosen:
        if factor.kind == "argument":
            if factor.name.startswith("word "):
                words[int(factor.name[5:])] = factor.other or ""
            else:
                words = list(words_of(other, one))
    outputs = [DataKey(place) for place in hidden]
    for record in (one, other):
        root = str(record.datastore.options.get("root", "")) if record.datastore else record.working_directory
        outputs += [DataKey(os.path.join(root, key.path)) for key in record.output_data]
    record = replace(
        one, changes=tuple(changes.values()), command=tuple(words), output_data=tuple(outputs),
        parameters=replace(
            one.parameters, content=one.parameters.content if parameters is None else parameters[1].decode(
                "utf-8", "surrogateescape"
            ),
        ),
    )
    variables = {
        factor.name: factor.other if factor in chosen else factor.one for factor in factors if factor.kind == "variable"
    }
    packages = {
        factor.name: str(factor.other if factor in chosen else factor.one)
        for factor in factors if factor.kind == "package"
    }
    return Mixture(record, variables, packages, tuple(supplied))


def _parameters(one: Record, factors: Sequence[Factor], chosen: Collection[Factor]) -> tuple[str, bytes] | None:
    """Return the path and content of the parameter file, if it isn't the same in both runs."""
    varying = [factor for factor in factors if factor.kind == "parameter" and factor.contents]
    if not varying:
        return None
    first = varying[0]
    contents: tuple[Content, Content] | None = first.contents
    read = [content.read for content in contents or ()]
    before, after = (each() if each else b"" for each in read)
    swapped = [factor for factor in varying if factor in chosen]
    if len(swapped) == len(varying):
        return first.path, after
    if not swapped:
        return first.path, before
    path = str(one.parameters.path)
    values = from_bytes(after, path)
    mixed = from_bytes(before, path)
    for factor in swapped:
        if factor.other is None:
            mixed.pop(factor.name)
        else:
            mixed[factor.name] = values[factor.name]
    return first.path, mixed.to_bytes()


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
