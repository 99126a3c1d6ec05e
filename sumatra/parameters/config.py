"""INI parameter sets: ``name = value`` in ``[sections]``, as Python's configparser reads them.

Values are taken as they are written: no interpolation, and a section called DEFAULT is one like the others.  INI has
no types, so ``10``, ``1e-3`` and ``true`` are read as what they look like, ``007`` and ``yes`` as strings.  A ``#`` or
``;`` after a blank begins a comment only after a number or truth value; elsewhere it may be part of the value.
"""

import re
from typing import Any, NamedTuple

from sumatra.parameters.base import ParameterSet
from sumatra.parameters.text import Edit
from sumatra.parameters.values import MOST_VALUES, Path, Unreadable

__all__ = ["BACKEND", "ConfigParserParameterSet"]

_LINE = re.compile(r"(?P<words>[^\r\n]*+)(?:\r\n|\r|\n|\Z)")
_SECTION = re.compile(r"\[(?P<name>[^\r\n]+?)\][ \t]*+(?:[#;].*)?")
_OPTION = re.compile(r"(?P<name>[^=:\s\[][^=:]*+)[=:][ \t]*+")
_INT = re.compile(r"[+-]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][+-]?[0-9]+)?|[+-]?(?:inf|nan)", re.ASCII)
_REMARK = re.compile(r"(?<![ \t])[ \t]++[#;].*")


class _Option(NamedTuple):
    """One parameter: where it and its value lie."""

    start: int
    value: int
    end: int
    after: int  #: where the next line begins


class ConfigParserParameterSet(ParameterSet):
    """Parameters in sections: their dotted names are ``section.name``."""

    type = "config"
    suffix = ".ini"
    _any_bytes = True

    def _read(self, text: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        self._options: dict[tuple[str, str], _Option] = {}
        self._sections: dict[str, int] = {}  # where the first line after the section's last one begins
        section = name = ""
        indent = 0
        position = 0
        while position < len(text):
            line = _LINE.match(text, position)
            assert line is not None  # noqa: S101
            words = line["words"].strip()
            column = len(line["words"]) - len(line["words"].lstrip())
            if not words or words[0] in "#;":
                pass
            elif name and column > indent:
                option = self._options[section, name]
                self._options[section, name] = option._replace(
                    end=position + len(line["words"].rstrip()), after=line.end()
                )
                self._sections[section] = line.end()
            elif header := _SECTION.fullmatch(words):
                section, name = header["name"], ""
                if section in values:
                    self._warnings.append(f"the section {section} is there twice; both count")
                values.setdefault(section, {})
                self._sections[section] = line.end()
            else:
                name = self._read_option(values, section, line["words"], position)
                self._options[section, name] = self._options[section, name]._replace(after=line.end())
                self._sections[section] = line.end()
                indent = column
            position = line.end()
            if len(self._options) > MOST_VALUES:
                raise Unreadable(f"there are more than {MOST_VALUES} values: this is data, not parameters", position)
        for (section, name), option in self._options.items():
            values[section][name], end = _value(text, option.value, option.end)
            self._options[section, name] = option._replace(end=end)
        return values

    def _read_option(self, values: dict[str, Any], section: str, words: str, position: int) -> str:
        column = len(words) - len(words.lstrip())
        option = _OPTION.match(words, column)
        if option is None:
            raise Unreadable("this line is neither [section] nor name = value", position + column)
        if section not in values:
            raise Unreadable("this line is before the first [section]", position + column)
        name = option["name"].rstrip()
        if (section, name) in self._options:
            self._warnings.append(f"{section}.{name} is there twice; the last one counts")
            del self._options[section, name]
        values[section][name] = ""
        end = position + len(words.rstrip())
        self._options[section, name] = _Option(position, min(position + option.end(), end), end, end)
        return name

    def _replacing(self, text: str, path: Path, value: Any) -> Edit:
        if len(path) == 1:
            raise Unreadable("it is a section, not a value")
        option = self._options[str(path[0]), str(path[1])]
        words = _spell(value, text[option.value:option.end])
        space = " " if option.value == option.end and words else ""
        return Edit(option.value, option.end, space + words)

    def _adding(self, text: str, path: Path, name: str, value: Any) -> Edit:
        line_end = "\r\n" if "\r\n" in text else "\n"
        if path:
            where = self._sections[str(path[0])]
            words = f"{name} = {_spell(value)}"
        elif isinstance(value, dict):
            where = len(text)
            words = line_end.join([f"[{name}]", *(f"{inner} = {_spell(value[inner])}" for inner in value)])
            if text.strip():
                words = line_end + words
        else:
            raise Unreadable("it needs a section: section.name")
        if where and text[where - 1] not in "\r\n":
            return Edit(where, where, line_end + words)
        return Edit(where, where, words + line_end)

    def _removing(self, text: str, path: Path) -> Edit:
        if len(path) == 1:
            raise Unreadable("it is a section, not a value")
        option = self._options[str(path[0]), str(path[1])]
        return Edit(option.start, option.after, "")

    def _place(self, name: str, value: Any) -> tuple[Path, Any]:
        for section in sorted(self._values, key=len, reverse=True):
            if name.startswith(f"{section}."):
                return (section, name[len(section) + 1:]), value
        section, dot, option = name.partition(".")
        return (section,), {option: value} if dot else value

    def _as_read(self, value: Any, old: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._as_read(inner, None) for name, inner in value.items()}
        return _typed(value) if isinstance(value, str) else value

    def _literal(self, text: str) -> Any:
        return _typed(text)


BACKEND = ConfigParserParameterSet


def _value(text: str, start: int, end: int) -> tuple[Any, int]:
    """Return the value that the characters from *start* to *end* are, and where it ends without a remark."""
    words = text[start:end]
    remark = _REMARK.search(words)
    if remark is not None and "\n" not in words and "\r" not in words:
        value = _typed(words[:remark.start()])
        if not isinstance(value, str):
            return value, start + remark.start()
    first, *others = (line.strip() for line in re.split(r"\r\n|\r|\n", words))
    return _typed("\n".join([first, *(line for line in others if not line.startswith(("#", ";")))])), end


def _typed(words: str) -> Any:
    if _INT.fullmatch(words) and len(words) <= 4300:
        return int(words)
    if _FLOAT.fullmatch(words):
        return float(words)
    return {"true": True, "false": False}.get(words.lower(), words)


def _spell(value: Any, like: str = "") -> str:
    if isinstance(value, bool):
        words = "true" if value else "false"
        return words.upper() if like.isupper() else words.capitalize() if like[:1].isupper() else words
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return re.sub(r"\r\n|\r|\n", "\n    ", value)
    raise Unreadable("INI has no such values")
