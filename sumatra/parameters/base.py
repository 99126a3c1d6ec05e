"""What every parameter set promises.

A set is a text and what it says.  The text is the user's: an edit replaces the characters of one value and leaves
every other character alone, and each edit is checked by reading the new text.  Nothing is ever evaluated, fetched or
imported because a text says so.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import ItemsView, Iterator, KeysView, Mapping
from typing import Any, ClassVar, Self

from sumatra.errors import ParameterError
from sumatra.files import write_atomically
from sumatra.parameters.text import Edit, decode, read_file
from sumatra.parameters.values import (
    Path,
    Unreadable,
    assigned,
    at,
    find,
    flatten,
    listed,
    measure,
    nearest,
    normal,
    plain,
    removed,
    same,
)

__all__ = ["ParameterSet"]

_TRUE = frozenset(["true", "yes", "on", "1", "t", "y"])
_FALSE = frozenset(["false", "no", "off", "0", "f", "n"])
_KINDS = {
    bool: "a truth value (true, false, yes, no, 1, 0)", int: "a number", float: "a number", list: "a list",
    tuple: "a list", dict: "a group of values",
}
_BOM = "\ufeff"
_MISSING = object()
_INFINITY = float("inf")


class ParameterSet(ABC):
    """Parameters from a text in one format.

    *initialiser* is a path, or the text itself, or a mapping to be written in this format.  A string is a path if a
    file of that name exists and a text otherwise, as in Sumatra 0.8; where the text may come from a stranger, use
    `from_text`.  Raises `ParameterError`, with line and column, for what isn't a text of this format.

    Back-ends write `_read` and say where values lie (`_replacing`, `_adding`, `_removing`).  These get the text
    without byte-order mark, and raise `Unreadable`.
    """

    type: ClassVar[str]  #: name of the format: ``simple``, ``json`` …
    suffix: ClassVar[str]  #: of files of this format, with the dot
    _empty: ClassVar[str] = ""  #: a text without parameters
    _most: ClassVar[int] = 1_000_000  #: characters that a text may have: where Python reads, that takes a second
    _any_bytes: ClassVar[bool] = False  #: whether texts of this format needn't be UTF-8

    def __init__(self, initialiser: "str | os.PathLike[str] | Mapping[str, Any]" = "") -> None:
        if isinstance(initialiser, Mapping):
            self._begin(self._empty)
            self.update(initialiser)
        elif isinstance(initialiser, os.PathLike) or _is_file(initialiser):
            path = os.fspath(initialiser)
            self._begin_with_bytes(read_file(path), path)
        else:
            self._begin(initialiser or self._empty)

    @classmethod
    def from_text(cls, text: str, folder: str | None = None) -> Self:
        """Return the set that *text* says; it is never taken for a path.

        Files that the text names are looked for in *folder*, and nowhere without it.
        """
        new = cls.__new__(cls)
        new._begin(text, folder=folder)
        return new

    @classmethod
    def from_bytes(cls, content: bytes, path: str) -> Self:
        """Return the set that the file at *path* says, whose *content* is known."""
        new = cls.__new__(cls)
        new._begin_with_bytes(content, path)
        return new

    def _begin_with_bytes(self, content: bytes, path: str) -> None:
        text, encoding = decode(content, path, any_bytes=self._any_bytes)
        self._begin(text, encoding, path, os.path.dirname(os.path.abspath(path)))

    def _begin(self, text: str, encoding: str = "utf-8", path: str | None = None, folder: str | None = None) -> None:
        self.source_file = path  #: where the text was read from, or None
        self._folder = folder
        self._encoding = encoding
        self._mark = _BOM if text.startswith(_BOM) else ""
        self._text = text.removeprefix(_BOM)
        self._warnings: list[str] = []
        if encoding == "latin-1":
            self._warnings.append("the text isn't UTF-8; it was read as Latin-1")
        if len(text) > self._most:
            raise self._error(f"there are more than {self._most // 1_000_000} MB: this is data, not parameters")
        try:
            self._values = self._read(self._text)
            measure(self._values)
        except Unreadable as error:
            raise self._error(error.message, error.offset) from None
        except (RecursionError, MemoryError):
            raise self._error("it is nested too deeply or too large") from None

    def _error(self, message: str, offset: int | None = None) -> ParameterError:
        name = self.source_file or f"the text of type {self.type}"
        if offset is None:
            error = ParameterError(f"{name}: {message}")
        else:
            before = self._text[:offset].replace("\r\n", "\n").replace("\r", "\n")
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            error = ParameterError(f"{name}, line {line}, column {column}: {message}")
            error.lineno, error.offset = line, column
        error.filename = self.source_file
        return error

    # --- what a back-end writes

    @abstractmethod
    def _read(self, text: str) -> dict[str, Any]:
        """Return what *text* says: tuples, dates and the like as they are, all names as strings."""

    @abstractmethod
    def _replacing(self, text: str, path: Path, value: Any) -> Edit:
        """Say how to put *value* in the place of the one at *path*."""

    @abstractmethod
    def _adding(self, text: str, path: Path, name: str, value: Any) -> Edit:
        """Say how to add *value* under *name* to the group at *path*."""

    @abstractmethod
    def _removing(self, text: str, path: Path) -> Edit:
        """Say how to take out the value at *path*, with its name."""

    def _literal(self, text: str) -> Any:
        """Return the value that *text* is in this format, or raise `Unreadable` if it is none."""
        from sumatra.parameters import literals

        return literals.read(text)

    def _place(self, name: str, value: Any) -> tuple[Path, Any]:
        """Say where a *name* that isn't there yet is to be, and what *value* is put there: groups are made for it."""
        path, rest = nearest(self._values, name)
        group = at(self._values, path)
        if group is not None and not isinstance(group, Mapping):
            raise Unreadable(f"{'.'.join(map(str, path))} is {_short(group)}, which has no {rest}")
        names = rest.split(".")
        if group is not None:
            path = (*path, names.pop(0))
        for inner in reversed(names):
            value = {inner: value}
        return path, value

    def _as_read(self, value: Any, old: Any) -> Any:
        """Return what reading gives after *value* was written in the place of *old*."""
        return listed(value)

    def _told(self) -> dict[str, Any]:
        """Return the values as they are told, where that isn't quite what is written."""
        return self._values

    # --- reading

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd about the text, in at most ten sentences: names that occur twice, a guessed encoding."""
        return tuple(dict.fromkeys(self._warnings))[:10]

    def as_dict(self) -> dict[str, Any]:
        """Return the values in the types that JSON has, groups within groups.

        What JSON doesn't have (dates, complex numbers) is told as text; nan and inf stay numbers.
        """
        result: dict[str, Any] = plain(self._told())
        return result

    def flat(self) -> dict[str, Any]:
        """Return the values of `as_dict` by their dotted names; lists are values, not levels."""
        return dict(flatten(self.as_dict()))

    def __getitem__(self, name: str) -> Any:
        """Return the value called *name*: ``a``, ``a.b``, ``a.0`` for the first of a list."""
        values = self._told()
        path = find(values, name)
        if path is None:
            raise KeyError(name)
        return at(values, path)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value called *name*, or *default*."""
        return self[name] if name in self else default  # noqa: SIM401  not a dictionary

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and find(self._told(), name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def keys(self) -> KeysView[str]:
        """Return the names at the top level."""
        return self._values.keys()

    def items(self) -> ItemsView[str, Any]:
        """Return the names at the top level with their values."""
        return self._told().items()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ParameterSet):
            return NotImplemented
        return self.type == other.type and same(self._values, other._values)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return self._mark + self._text

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._values!r}>"

    def to_bytes(self) -> bytes:
        """Return the content of the file, in the encoding in which it was read."""
        try:
            return str(self).encode(self._encoding)
        except UnicodeEncodeError as error:
            raise ParameterError(
                f"{error.object[error.start:error.end]!r} can't be written in {self._encoding}, "
                "the encoding of the parameter file", "save the file as UTF-8",
            ) from None

    __bytes__ = to_bytes

    def pretty(self, *, expand_urls: bool = False) -> str:
        """Return the text for people to read: one kind of line end, no byte-order mark, no blank end."""
        return self._text.replace("\r\n", "\n").replace("\r", "\n").rstrip()

    def diff(self, other: "ParameterSet") -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what is here and isn't the same in *other*, and the reverse, by dotted names."""
        ours, theirs = self.flat(), other.flat()
        return (
            {name: value for name, value in ours.items() if not same(value, theirs.get(name, _MISSING))},
            {name: value for name, value in theirs.items() if not same(value, ours.get(name, _MISSING))},
        )

    # --- changing

    def read_value(self, name: str, text: str) -> Any:
        """Return the value that *text*, typed by a user, stands for.

        The type is that of the value called *name* that it would replace.  A whole number may become one with a
        fraction; a string is taken as it is.  For a new name it is what *text* means in this format, or a string.
        Raises `ParameterError` if *text* can't be read as that type.
        """
        old = self.get(name, _MISSING)
        if type(old) is str:
            return text
        try:
            return self._value_like(old, text)
        except (ValueError, Unreadable, RecursionError, MemoryError):
            pass
        if old is _MISSING or old is None or isinstance(old, str):
            return text
        raise ParameterError(
            f"{text!r} can't be the value of {name}: {_KINDS.get(type(old), 'a ' + type(old).__name__)} is expected",
            f"its value is {_short(old)} now",
        )

    def _value_like(self, old: Any, text: str) -> Any:
        kind = type(old)
        if kind in _READERS:
            value = _READERS[kind](self, text)
            if isinstance(value, list | tuple) and kind in (list, tuple):
                value = kind(value)
            if type(value) is not kind and not (kind is int and type(value) is float):
                raise ValueError(text)
        else:
            value = self._literal(text)
        measure(value)
        return value

    def with_value(self, name: str, value: object) -> Self:
        """Return a set in which *name* has the value *value*, and all else, to the last character, is the same.

        A string is what a user typed, and is read by `read_value`; any other value is taken as it is.  A name that
        isn't there is added as the format has it; ask before, ``name in parameters``.  Raises `ParameterError`.
        """
        return self._with(name, self.read_value(name, value) if isinstance(value, str) else value)

    def _with(self, name: str, value: object) -> Self:
        try:
            new = normal(value)
            path = find(self._values, name)
            if path is None:
                path, new = self._place(name, new)
            group = at(self._values, path[:-1])
            if isinstance(group, Mapping) and path[-1] not in group:
                edit, old = self._adding(self._text, path[:-1], str(path[-1]), new), None
            else:
                edit, old = self._replacing(self._text, path, new), at(self._values, path)
            return self._edited(edit, assigned(self._values, path, self._as_read(new, old)))
        except Unreadable as error:
            raise ParameterError(f"{name} can't be set to {_short(value)}: {error.message}") from None

    def _edited(self, edit: Edit, expected: Any) -> Self:
        new = type(self).__new__(type(self))
        try:
            new._begin(self._mark + edit.of(self._text), self._encoding, self.source_file, self._folder)
        except ParameterError:
            raise Unreadable(f"the format {self.type} has no place for it there") from None
        if not same(new._values, expected):
            raise Unreadable("more than that would change, or it would be read as something else")
        return new

    def update(self, values: "Mapping[str, Any] | ParameterSet", **more: Any) -> None:
        """Give the names in *values* (dotted names or groups) these values, exactly."""
        new = self
        for name, value in [*values.items(), *more.items()]:
            if isinstance(value, Mapping) and value and isinstance(new.get(name), Mapping):
                for inner, inner_value in flatten(value):
                    new = new._with(f"{name}.{inner}", inner_value)
            else:
                new = new._with(name, value)
        self.__dict__.update(new.__dict__)

    def __setitem__(self, name: str, value: Any) -> None:
        self.update({name: value})

    def pop(self, name: str, default: Any = None) -> Any:
        """Take *name* out of the text and return its value, or *default* if it isn't there."""
        path = find(self._values, name)
        if path is None:
            return default
        value = at(self._values, path)
        try:
            new = self._edited(self._removing(self._text, path), removed(self._values, path))
        except Unreadable as error:
            raise ParameterError(f"{name} can't be taken out: {error.message}") from None
        self.__dict__.update(new.__dict__)
        return value

    def parse_command_line_parameter(self, word: str) -> dict[str, Any]:
        """Return name and typed value of *word*, which is ``name=value``; raises `ParameterError`."""
        name, equals, text = word.partition("=")
        if not equals or not name.strip():
            raise ParameterError(f"{word!r} isn't of the form name=value")
        return {name.strip(): self.read_value(name.strip(), text)}

    def save(self, filename: "str | os.PathLike[str]", add_extension: bool = False) -> str:
        """Write the text to *filename*, with the suffix of the format added if asked for; return the name."""
        path = os.fspath(filename) + (self.suffix if add_extension else "")
        write_atomically(os.path.realpath(path), self.to_bytes(), 0o666)
        return path

    # --- values as they are typed

    def _typed_number(self, text: str) -> int | float:
        text = text.strip()
        for base in (10, 0):
            try:
                return int(text, base)
            except ValueError:
                pass
        number = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        if number in (_INFINITY, -_INFINITY) and "inf" not in text.lower():
            raise ValueError(text)
        return number

    def _typed_float(self, text: str) -> float:
        return float(self._typed_number(text))

    def _typed_truth(self, text: str) -> bool:
        word = text.strip().lower()
        if word not in _TRUE | _FALSE:
            raise ValueError(text)
        return word in _TRUE

    def _typed_group(self, text: str) -> Any:
        from json import loads

        try:
            return self._literal(text)
        except Unreadable:
            return loads(text)


_READERS: dict[type, Any] = {
    bool: ParameterSet._typed_truth, int: ParameterSet._typed_number, float: ParameterSet._typed_float,
    list: ParameterSet._typed_group, tuple: ParameterSet._typed_group, dict: ParameterSet._typed_group,
}


def _is_file(text: str) -> bool:
    try:
        return bool(text) and len(text) < 4096 and "\n" not in text and os.path.isfile(text)
    except ValueError:
        return False


def _short(value: Any) -> str:
    words = repr(value)
    return words if len(words) <= 60 else words[:57] + "…"
