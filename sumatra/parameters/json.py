"""JSON parameter sets, as RFC 8259 has them and with NaN and Infinity as Python writes them."""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from sumatra.parameters.base import ParameterSet
from sumatra.parameters.text import MOST_BYTES, Edit, insertion, removal
from sumatra.parameters.values import Path, Unreadable

__all__ = ["BACKEND", "JSONParameterSet"]

_SPACE = re.compile(r"[ \t\r\n]*+")
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"')
_SCALAR = re.compile(r'"(?:[^"\\]++|\\.)*+"|[^\s,\]}\[{":]++')
_PIECE = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[{]|[\]}]|[^"\[\]{}]++')


class _Member(NamedTuple):
    """One entry of an object or array: its name or place, and where it and its value lie."""

    name: str | int
    start: int
    value: int
    end: int


class JSONParameterSet(ParameterSet):
    """Parameters as one JSON object."""

    type = "json"
    suffix = ".json"
    _empty = "{}\n"
    _most = MOST_BYTES

    def _read(self, text: str) -> dict[str, Any]:
        def group(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            values = dict(pairs)
            if len(values) < len(pairs):
                names = [name for name, _ in pairs]
                twice = [name for name in values if names.count(name) > 1] if len(names) < 1000 else ["a name"]
                self._warnings += [f"{name} is there twice in one object; the last one counts" for name in twice]
            return values

        try:
            values = json.loads(text, object_pairs_hook=group)
        except json.JSONDecodeError as error:
            raise Unreadable(f"this isn't JSON: {error.msg[:1].lower()}{error.msg[1:]}", error.pos) from None
        except ValueError as error:
            raise Unreadable(f"this can't be read: {error}") from None
        if not isinstance(values, dict):
            raise Unreadable("the outermost value isn't an object, as a parameter set has to be")
        return values

    def pretty(self, *, expand_urls: bool = False) -> str:
        """Return the values as JSON, indented."""
        return json.dumps(self._values, indent=2, ensure_ascii=False)

    def _replacing(self, text: str, path: Path, value: Any) -> Edit:
        start = _locate(text, path)
        return Edit(start, _end(text, start), _spell(value))

    def _adding(self, text: str, path: Path, name: str, value: Any) -> Edit:
        start = _locate(text, path)
        last = None
        for member in _members(text, start):
            last = member.start, member.end
        return insertion(text, start + 1, last, f"{_spell(name)}: {_spell(value)}")

    def _removing(self, text: str, path: Path) -> Edit:
        members = list(_members(text, _locate(text, path[:-1])))
        place = max(index for index, member in enumerate(members) if member.name == path[-1])
        return removal([(member.start, member.end) for member in members], place)

    def _literal(self, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError as error:
            raise Unreadable(str(error)) from None


BACKEND = JSONParameterSet


def _spell(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:
        raise Unreadable(f"JSON has no values of the type {type(value).__name__}") from None


# What follows walks through text that json.loads has accepted, so it needn't look for mistakes.


def _locate(text: str, path: Path) -> int:
    """Return where the value at *path* begins."""
    start = _after_space(text, 0)
    for step in path:
        start = [member.value for member in _members(text, start) if member.name == step][-1]
    return start


def _members(text: str, start: int) -> Iterator[_Member]:
    """Yield the entries of the object or array that begins at *start*."""
    is_object = text[start] == "{"
    position = _after_space(text, start + 1)
    place = 0
    while text[position] not in "]}":
        name: str | int = place
        first = position
        if is_object:
            string = _STRING.match(text, position)
            assert string is not None  # noqa: S101
            name = str(json.loads(string[0]))
            position = _after_space(text, _after_space(text, string.end()) + 1)
        end = _end(text, position)
        yield _Member(name, first, position, end)
        place += 1
        position = _after_space(text, end)
        if text[position] == ",":
            position = _after_space(text, position + 1)


def _end(text: str, start: int) -> int:
    """Return where the value that begins at *start* ends."""
    if text[start] not in "[{":
        scalar = _SCALAR.match(text, start)
        assert scalar is not None  # noqa: S101
        return scalar.end()
    depth = 0
    for piece in _PIECE.finditer(text, start):
        if piece[0] in ("[", "{"):
            depth += 1
        elif piece[0] in ("]", "}"):
            depth -= 1
            if depth == 0:
                return piece.end()
    return len(text)


def _after_space(text: str, start: int) -> int:
    space = _SPACE.match(text, start)
    assert space is not None  # noqa: S101
    return space.end()
