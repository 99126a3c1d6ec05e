"""Compare arrays of NumPy of any type: numbers, text, times, records, objects."""

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from sumatra.comparison._tally import Tally, quoted
from sumatra.comparison._tree import compare_trees
from sumatra.comparison.base import EXACT, Limit

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

__all__ = ["blocks", "compare_items", "compare_types", "compare_values", "place_of"]

_NUMBERS = frozenset("fciub")

Limits = Callable[[str], Limit]


def place_of(name: str, shape: tuple[int, ...], order: str = "C") -> Callable[[int], str]:
    """Return what tells of an item of the array *name*, by its place when they are taken in turn."""

    def tell(place: int) -> str:
        if not shape:
            return name or "the value"
        indices = []
        sizes = reversed(shape) if order == "C" else shape
        for size in sizes:
            place, index = divmod(place, size)
            indices.append(index)
        told = indices if order == "F" else indices[::-1]
        return f"{name or 'item '}[{', '.join(map(str, told))}]"

    return tell


def blocks(shape: tuple[int, ...], most: int) -> Iterator[tuple[tuple[slice, ...], int]]:
    """Yield slices that together are an array of *shape*, of at most *most* items each, with the place of the first."""
    if 0 in shape:
        return
    below = [1]
    for size in reversed(shape):
        below.insert(0, below[0] * size)
    axis = next((axis for axis in range(len(shape)) if below[axis + 1] <= most), 0)
    step = max(1, most // below[axis + 1]) if shape else 1
    if not shape:
        yield (), 0
        return
    for outer in product(*(range(size) for size in shape[:axis])):
        start = sum(index * below[each + 1] for each, index in enumerate(outer))
        for first in range(0, shape[axis], step):
            yield (*(slice(index, index + 1) for index in outer), slice(first, first + step)), (
                start + first * below[axis + 1]
            )


def compare_types(one: Any, other: Any, name: str, tally: Tally, limit: Limit) -> bool:
    """Tell whether arrays of these types can be compared, and put into *tally* in what the types differ."""
    if (one.names is None) != (other.names is None) or one.names != other.names:
        tally.differ(f"type {one} -> {other} in {name or 'the array'}")
        return False
    if one.names is not None or one == other.newbyteorder(one.byteorder if one.byteorder in "<>" else "="):
        return True
    numbers = one.kind in _NUMBERS and other.kind in _NUMBERS
    if not numbers and one.kind == other.kind and one.kind in "SUOV":
        return True
    if not numbers or limit == EXACT or "b" in (one.kind, other.kind):
        tally.differ(f"type {one.name} -> {other.name} in {name or 'the array'}")
        return numbers
    tally.asides.append(f"but for the type {one.name} -> {other.name} in {name or 'the array'}")
    return True


def compare_items(
    one: "Array", other: "Array", name: str, tally: Tally, limits: Limits, where: Callable[[int], str]
) -> None:
    """Compare arrays with one dimension and as many items, whose types go together; *where* tells of a place."""
    import numpy

    if one.dtype.names is not None:
        for field in one.dtype.names:
            first, second = one[field], other[field]
            told = f"{name}.{field}" if name else field
            if first.shape != second.shape:
                tally.differ(f"shape {first.shape} -> {second.shape} in {told}")
                continue
            each = first.size // max(1, one.size)
            if compare_types(first.dtype, second.dtype, told, tally, limits(told)):
                compare_items(
                    first.reshape(-1), second.reshape(-1), told, tally, limits,
                    lambda place, each=each, field=field: f"{where(place // each)}.{field}",  # type: ignore[misc]
                )
        return
    kind = one.dtype.kind
    if kind in _NUMBERS:
        tally.arrays(one, other, limits(name), where)
    elif kind == "O":
        for place, (first, second) in enumerate(zip(one.tolist(), other.tolist(), strict=True)):
            compare_values(first, second, where(place), tally, limits, name)
    elif kind in "mM":
        if one.dtype.newbyteorder("=") == other.dtype.newbyteorder("="):
            compare_items(one.view(one.dtype.str[0] + "i8"), other.view(other.dtype.str[0] + "i8"), name, tally,
                          limits, where)
    else:
        places = numpy.flatnonzero(one != other)
        for place in places[:3].tolist():
            told = (str(array[place]) for array in (one, other))
            tally.differ(" -> ".join(map(quoted, told)) + f" in {where(place)}")
        tally.number_of_others += max(0, places.size - 3)


def compare_values(one: Any, other: Any, where: str, tally: Tally, limits: Limits, name: str = "") -> None:
    """Compare two values of any kind, arrays in arrays included; *name* is what limits know them by."""
    import numpy

    if isinstance(one, numpy.ndarray) and isinstance(other, numpy.ndarray):
        if one.shape != other.shape:
            tally.differ(f"shape {one.shape} -> {other.shape} in {where}")
        elif compare_types(one.dtype, other.dtype, where, tally, limits(name or where)):
            for slices, start in blocks(one.shape, 1 << 18):
                tell = place_of(where, one.shape)
                compare_items(
                    one[slices].reshape(-1), other[slices].reshape(-1), name or where, tally, limits,
                    lambda place, start=start, tell=tell: tell(start + place),  # type: ignore[misc]
                )
        return
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in [*one, *(key for key in other if key not in one)]:
            if key not in one or key not in other:
                tally.differ(f"only the {'first' if key in one else 'second'} has {quoted(f'{where}.{key}')}")
            else:
                compare_values(one[key], other[key], f"{where}.{key}", tally, limits)
        return
    first, second = (value.item() if isinstance(value, numpy.generic) else value for value in (one, other))
    if isinstance(first, numpy.ndarray) or isinstance(second, numpy.ndarray):
        tally.differ(f"one is an array and the other isn't, in {where}")
    else:
        found = Tally()
        compare_trees(first, second, found, lambda field: limits(name or where))
        tally.merge(found, where)
