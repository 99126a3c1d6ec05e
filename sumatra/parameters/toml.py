"""TOML parameter sets: read by tomllib, edited by tomlkit, which keeps comments, order and spacing."""

import re
import tomllib
from typing import Any

from sumatra.parameters.base import ParameterSet
from sumatra.parameters.text import Edit
from sumatra.parameters.values import Path, Unreadable

__all__ = ["BACKEND", "TOMLParameterSet"]

#: A key of more than a hundred parts: the readers' time grows with the square of their number.
_ENDLESS_KEY = re.compile(
    r"""(?<![\w."'-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){100}(?:[\w-]|["'])"""
)
_PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$")


class TOMLParameterSet(ParameterSet):
    """Parameters as a TOML document."""

    type = "toml"
    suffix = ".toml"

    def _read(self, text: str) -> dict[str, Any]:
        endless = _ENDLESS_KEY.search(text)
        if endless is not None:
            raise Unreadable("a name has more than a hundred parts", endless.start())
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            message = str(error)
            place = _PLACE.search(message)
            offset = None
            if place is not None:
                message = message[:place.start()]
                offset = len(text) if place["line"] is None else _offset(text, int(place["line"]), int(place["column"]))
            raise Unreadable(f"this isn't TOML: {message[:1].lower()}{message[1:]}", offset) from None
        except (ValueError, OverflowError) as error:
            raise Unreadable(f"this can't be read: {error}") from None

    def _replacing(self, text: str, path: Path, value: Any) -> Edit:
        return self._written(text, path, _not_none(value))

    def _adding(self, text: str, path: Path, name: str, value: Any) -> Edit:
        return self._written(text, (*path, name), _not_none(value))

    def _removing(self, text: str, path: Path) -> Edit:
        return self._written(text, path, None)

    def _written(self, text: str, path: Path, value: Any) -> Edit:
        """Say what tomlkit changes to put *value* at *path*, or to take out what is there if it is None."""
        import tomlkit
        from tomlkit.exceptions import TOMLKitError

        try:
            document = tomlkit.parse(text)
            group: Any = document
            for step in path[:-1]:
                group = group[step]
            if value is None:
                del group[path[-1]]
            else:
                group[path[-1]] = value
            new = tomlkit.dumps(document)
        except (TOMLKitError, KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise Unreadable(f"TOML has no place for it there ({error})") from None
        return _difference(text, new)

    def _literal(self, text: str) -> Any:
        try:
            return tomllib.loads(f"value = {text}\n")["value"]
        except (ValueError, OverflowError, RecursionError, KeyError) as error:
            raise Unreadable(str(error)) from None


BACKEND = TOMLParameterSet


def _not_none(value: Any) -> Any:
    if value is None:
        raise Unreadable("TOML has no null")
    return value


def _difference(old: str, new: str) -> Edit:
    """Return the smallest edit that makes *new* of *old*."""
    start = 0
    most = min(len(old), len(new))
    while start < most and old[start] == new[start]:
        start += 1
    end = 0
    while end < most - start and old[len(old) - 1 - end] == new[len(new) - 1 - end]:
        end += 1
    return Edit(start, len(old) - end, new[start:len(new) - end])


def _offset(text: str, line: int, column: int) -> int:
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
    return min(start + column - 1, len(text))
