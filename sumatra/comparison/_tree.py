"""Compare nested values: what JSON, YAML, TOML and the like hold."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sumatra.comparison._tally import Tally, number_of, quoted
from sumatra.comparison.base import Limit, NotComparable

__all__ = ["Numeral", "compare_trees"]

#: So many values are looked at: a short file can stand for a great many, by naming one part again and again.
_MOST = 20_000_000


class Numeral(str):
    """A number as it is written, with all its digits."""

    __slots__ = ()


def compare_trees(one: Any, other: Any, tally: Tally, limit: Callable[[str], Limit]) -> None:
    """Put into *tally* in what *other* differs from *one*; the name of an entry is its path, as ``neurons[3].v``."""
    seen: set[tuple[int, int]] = set()
    waiting: list[tuple[str, Any, Any]] = [("", one, other)]
    count = 0
    while waiting:
        path, first, second = waiting.pop()
        count += 1
        if count > _MOST:
            raise NotComparable(f"it has more than {_MOST:,} values")
        if isinstance(first, Mapping) and isinstance(second, Mapping):
            if _is_new(first, second, seen):
                waiting += reversed(list(_entries(path, first, second, tally)))
        elif _is_list(first) and _is_list(second):
            if _is_new(first, second, seen):
                if len(first) != len(second):
                    tally.differ(f"{path or 'the whole'} has {len(first):,} -> {len(second):,} items")
                waiting += reversed(
                    [(f"{path}[{place}]", *pair) for place, pair in enumerate(zip(first, second, strict=False))]
                )
        else:
            _leaves(path, first, second, tally, limit)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _is_new(one: Any, other: Any, seen: set[tuple[int, int]]) -> bool:
    pair = id(one), id(other)
    if pair in seen:
        return False
    seen.add(pair)
    return True


def _entries(
    path: str, one: Mapping[Any, Any], other: Mapping[Any, Any], tally: Tally
) -> Iterator[tuple[str, Any, Any]]:
    for name in one:
        told = f"{path}.{name}" if path else str(name)
        if name in other:
            yield told, one[name], other[name]
        else:
            tally.differ(f"only the first has {quoted(told)}")
    for name in other:
        if name not in one:
            tally.differ(f"only the second has {quoted(f'{path}.{name}' if path else str(name))}")


def _leaves(path: str, one: Any, other: Any, tally: Tally, limit: Callable[[str], Limit]) -> None:
    first, second = _number(one), _number(other)
    if first is not None and second is not None:
        if first == second:
            tally.compared += 1
        else:
            tally.numbers(first, second, limit(path), lambda: path or "the whole")
    elif type(one) is not type(other) or one != other:
        tally.differ(f"{_told(one)} -> {_told(other)} in {path or 'the whole'}")


def _number(value: Any) -> Any:
    if isinstance(value, Numeral):
        return number_of(value)
    return value if isinstance(value, int | float | complex | Decimal) and not isinstance(value, bool) else None


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if _is_list(value):
        return "a list"
    return str(value) if isinstance(value, Numeral) else quoted(value) if isinstance(value, str) else str(value)[:40]
