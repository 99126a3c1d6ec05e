"""Simple parameter sets: one ``name = value`` per line, values as Python writes them, ``#`` comments."""

import re
from typing import Any, NamedTuple

from sumatra.parameters import literals
from sumatra.parameters.base import ParameterSet
from sumatra.parameters.text import Edit, insertion, removal
from sumatra.parameters.values import MOST_VALUES, Path, Unreadable, at, nearest

__all__ = ["BACKEND", "SimpleParameterSet"]

_BLANK = re.compile(r"[ \t\f]*+(?:#[^\r\n]*+)?(?:\r\n|\r|\n|\Z)")
_BLANKS = re.compile(r"(?:[ \t\f]*+(?:#[^\r\n]*+)?(?:\r\n|\r|\n))*+(?:[ \t\f]*+(?:#[^\r\n]*+)?\Z)?")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,300}+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?(?=[ \t]*+(?:[#\r\n]|\Z))")
_NAME = re.compile(r"[ \t\f]*+(?P<name>[^\W\d][\w.-]*+)[ \t]*+=(?!=)[ \t]*+")
_WHOLE_NAME = re.compile(r"[^\W\d][\w.-]*+")


class _Line(NamedTuple):
    """One parameter: where it and its value lie."""

    start: int
    value: int
    end: int
    after: int  #: where the next line begins


class SimpleParameterSet(ParameterSet):
    """Parameters as ``name = value`` lines."""

    type = "simple"
    suffix = ".param"
    _any_bytes = True

    def _read(self, text: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        self._lines: dict[str, _Line] = {}
        position = count = 0
        while True:
            blank = _BLANKS.match(text, position)
            if blank is not None:
                position = blank.end()
            if position == len(text):
                break
            named = _NAME.match(text, position)
            if named is None:
                raise Unreadable("this line isn't of the form name = value", position)
            name = named["name"]
            if name in values:
                self._warnings.append(f"{name} is there twice; the last one counts")
            end, values[name] = self._value(text, name, named.end())
            rest = _BLANK.match(text, end)
            if rest is None:
                raise Unreadable("a value ends here, and the line goes on", end)
            self._lines[name] = _Line(position, named.end(), end, rest.end())
            position = rest.end()
            count += 1
            if count > MOST_VALUES:
                raise Unreadable(f"there are more than {MOST_VALUES} values: this is data, not parameters", position)
        return values

    def _value(self, text: str, name: str, start: int) -> tuple[int, Any]:
        """Return where the value that begins at *start* ends, and what it is."""
        number = _NUMBER.match(text, start)
        if number is not None:  # most values are, and the way through Python's parser is long
            return number.end(), (int if number[0].lstrip("-").isdecimal() else float)(number[0])
        end = literals.end_of_value(text, start)
        literal = literals.parse(text[start:end], start)
        self._warnings += [f"{name} has {inner} twice; the last one counts" for inner in literal.repeated]
        return end, literal.value

    def _literal_of(self, text: str, name: str | int) -> literals.Literal:
        line = self._lines[str(name)]
        return literals.parse(text[line.value:line.end], line.value)

    def _replacing(self, text: str, path: Path, value: Any) -> Edit:
        line = self._lines[str(path[0])]
        start, end = line.value, line.end
        if len(path) > 1:
            literal = self._literal_of(text, path[0])
            start, end = literal.span(literal.node(path[1:]))
        return Edit(start, end, literals.spell(value, text[start:end]))

    def _adding(self, text: str, path: Path, name: str, value: Any) -> Edit:
        if path:
            literal = self._literal_of(text, path[0])
            entries = literal.entries(path[1:])
            opening = literal.span(literal.node(path[1:]))[0] + 1
            entry = f"{literals.spell(name)}: {literals.spell(value)}"
            return insertion(text, opening, entries[-1] if entries else None, entry)
        if not _WHOLE_NAME.fullmatch(name):
            raise Unreadable("a name has letters, digits, points, dashes and underscores, and begins with a letter")
        line_end = "\r\n" if "\r\n" in text else "\n"
        line = f"{name} = {literals.spell(value)}"
        whole = not text or text.endswith(("\n", "\r"))
        return Edit(len(text), len(text), line + line_end if whole else line_end + line)

    def _removing(self, text: str, path: Path) -> Edit:
        if len(path) > 1:
            literal = self._literal_of(text, path[0])
            return removal(literal.entries(path[1:-1]), literal.place(path[1:]))
        line = self._lines[str(path[0])]
        return Edit(line.start, line.after, "")

    def _place(self, name: str, value: Any) -> tuple[Path, Any]:
        path, _ = nearest(self._values, name)
        in_a_group = path and isinstance(at(self._values, path), dict)
        return super()._place(name, value) if in_a_group else ((name,), value)

    def _as_read(self, value: Any, old: Any) -> Any:
        return value


BACKEND = SimpleParameterSet
