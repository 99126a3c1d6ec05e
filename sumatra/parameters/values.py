"""Values of parameter sets: finding one by its dotted name, counting, comparing, making them plain."""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = [
    "MOST_DEPTH", "MOST_VALUES", "Path", "Unreadable", "assigned", "at", "find", "flatten", "listed", "measure",
    "nearest", "normal", "plain", "removed", "same",
]

#: Levels of nesting that a parameter set may have.
MOST_DEPTH = 100

#: Values that a parameter set may have, lists' elements counted; what has more is data.
MOST_VALUES = 100_000

#: Bits of the largest whole number that Python writes in decimal (4300 digits).
_MOST_BITS = 14_283

#: Way to a value: names of groups and places in lists.
Path = tuple[str | int, ...]


class Unreadable(Exception):
    """What is wrong with a text, and at which character of it (None: as a whole)."""

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


def find(values: Any, name: str) -> Path | None:
    """Return the way to the value called *name* (``a.b``, ``a.0``), or None if there is none.

    A name that contains dots itself wins over a way through groups.
    """
    if isinstance(values, Mapping):
        if name in values:
            return (name,)
        place = name.find(".")
        while place != -1:
            head = name[:place]
            if head in values:
                rest = find(values[head], name[place + 1:])
                if rest is not None:
                    return (head, *rest)
            place = name.find(".", place + 1)
    elif isinstance(values, list | tuple):
        head, dot, rest_of_name = name.partition(".")
        if head.isascii() and head.isdecimal() and len(head) < 10 and int(head) < len(values):
            if not dot:
                return (int(head),)
            rest = find(values[int(head)], rest_of_name)
            if rest is not None:
                return (int(head), *rest)
    return None


def nearest(values: Any, name: str) -> tuple[Path, str]:
    """Return the way to the innermost value that the beginning of *name* leads to, and what is left of *name*."""
    place = name.rfind(".")
    while place > 0:
        path = find(values, name[:place])
        if path is not None:
            return path, name[place + 1:]
        place = name.rfind(".", 0, place)
    return (), name


def at(values: Any, path: Path) -> Any:
    """Return the value at *path*."""
    for step in path:
        values = values[step]
    return values


def assigned(values: Any, path: Path, value: Any) -> Any:
    """Return *values* with *value* at *path*, sharing what is not on the way."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(values, list | tuple):
        assert isinstance(step, int)  # noqa: S101
        inner = list(values)
        inner[step] = assigned(values[step], rest, value)
        return type(values)(inner)
    assert isinstance(step, str)  # noqa: S101
    return {**values, step: assigned(values[step] if rest else None, rest, value)}


def removed(values: Any, path: Path) -> Any:
    """Return *values* without what is at *path*, sharing what is not on the way."""
    parent = at(values, path[:-1])
    if isinstance(parent, Mapping):
        rest: Any = {name: value for name, value in parent.items() if name != path[-1]}
    else:
        rest = type(parent)(value for index, value in enumerate(parent) if index != path[-1])
    return assigned(values, path[:-1], rest)


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values with their dotted names; lists and empty groups are values, not levels."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def measure(values: Any) -> None:
    """Raise `Unreadable` if *values* are nested too deeply, too many, or hold too large a number."""
    count = 0
    level = [values]
    for _ in range(MOST_DEPTH + 1):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, Mapping):
                inner.extend(value.values())
            elif isinstance(value, list | tuple):
                inner.extend(value)
            elif isinstance(value, int) and value.bit_length() > _MOST_BITS:
                raise Unreadable("a number has more than 4300 digits")
            if len(inner) > MOST_VALUES:
                break
        count += len(inner)
        if count > MOST_VALUES:
            raise Unreadable(f"there are more than {MOST_VALUES} values: this is data, not parameters")
        if not inner:
            return
        level = inner
    raise Unreadable(f"it is nested more than {MOST_DEPTH} levels deep")


def plain(value: Any) -> Any:
    """Return *value* in the types that JSON has; what it has not becomes text, but nan and inf stay numbers."""
    if isinstance(value, Mapping):
        return {_text(str(name)): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    isoformat = getattr(value, "isoformat", None)
    return str(isoformat() if isoformat else value)


def _text(value: str) -> str:
    # Half a surrogate pair can be written in most formats, but no database takes it.
    if value.isascii():
        return str(value)
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def listed(value: Any) -> Any:
    """Return *value* with lists in the place of tuples."""
    if isinstance(value, Mapping):
        return {name: listed(inner) for name, inner in value.items()}
    return [listed(inner) for inner in value] if isinstance(value, list | tuple) else value


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal, with equal types all through; nan equals nan."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list | tuple) and type(one) is type(other):
        return len(one) == len(other) and all(map(same, one, other))
    if type(one) is not type(other):
        return False
    return repr(one) == repr(other) if isinstance(one, float) else bool(one == other)


def normal(value: Any, depth: int = 0) -> Any:
    """Return *value* in Python's own types: subclasses and NumPy's types are turned into what they stand for.

    Raises `Unreadable` for what no parameter file can hold.
    """
    if depth > MOST_DEPTH:
        raise Unreadable(f"it is nested more than {MOST_DEPTH} levels deep")
    if value is None or isinstance(value, bool):
        return value
    kinds: tuple[Any, ...] = (int, float, complex, str)
    for kind in kinds:
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, Mapping):
        return {str(name): normal(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return (tuple if isinstance(value, tuple) else list)(normal(inner, depth + 1) for inner in value)
    if hasattr(value, "isoformat"):
        return value
    if hasattr(value, "tolist"):
        return normal(value.tolist(), depth + 1)
    if hasattr(value, "__fspath__"):
        return str(value.__fspath__())
    raise Unreadable(f"a value of the type {type(value).__name__} can't be written into a parameter file")
