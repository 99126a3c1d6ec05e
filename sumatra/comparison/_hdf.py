"""Compare two files of HDF5: what is in groups of the same name, and what is said of it.

Links to other files aren't followed, nor is anything read that a dataset keeps in other files.
"""

from collections.abc import Callable
from typing import Any

from sumatra.comparison._masking import masked
from sumatra.comparison._numeric import blocks, compare_items, compare_types, compare_values, place_of
from sumatra.comparison._tally import Tally, quoted
from sumatra.comparison.base import Limit, NotComparable

__all__ = ["compare_files", "is_hdf"]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_PIECE = 1 << 19  #: items
_MOST = 200_000  #: objects

#: Of dimensions, by address: what they say is in the datasets that they belong to.
_PASSED_OVER = frozenset({"DIMENSION_LIST", "REFERENCE_LIST", "_Netcdf4Coordinates", "_Netcdf4Dimid"})


def is_hdf(head: bytes) -> bool:
    """Tell whether a file that begins with *head* is HDF5."""
    return any(head[place:place + 8] == _SIGNATURE for place in (0, 512, 1024, 2048, 4096))


def compare_files(
    one: str, other: str, tally: Tally, limit: Callable[[str], Limit], passed_over: frozenset[str] = frozenset()
) -> None:
    """Put into *tally* in what the file at *other* differs from that at *one*; attributes *passed_over* don't count."""
    import h5py

    with h5py.File(one, "r") as first, h5py.File(other, "r") as second:
        _Walk(tally, limit, passed_over | _PASSED_OVER).objects("/", first, second)


class _Walk:
    def __init__(self, tally: Tally, limit: Callable[[str], Limit], passed_over: frozenset[str]) -> None:
        self._tally = tally
        self._limit = limit
        self._passed_over = passed_over
        self._seen: set[tuple[Any, Any]] = set()

    def objects(self, name: str, one: Any, other: Any) -> None:
        import h5py

        waiting = [(name, one, other)]
        while waiting:
            name, one, other = waiting.pop()
            both = h5py.h5o.get_info(one.id).addr, h5py.h5o.get_info(other.id).addr
            if both in self._seen:
                continue
            self._seen.add(both)
            if len(self._seen) > _MOST:
                raise NotComparable(f"it has more than {_MOST:,} groups and datasets")
            if type(one) is not type(other):
                self._tally.differ(f"{name} is {_what(one)} -> {_what(other)}")
                continue
            self._attributes(name, one, other)
            if isinstance(one, h5py.Group):
                waiting += reversed(self._members(name, one, other))
            elif isinstance(one, h5py.Dataset):
                self._datasets(name, one, other)

    def _members(self, name: str, one: Any, other: Any) -> list[tuple[str, Any, Any]]:
        import h5py

        found = []
        for key in [*one, *(key for key in other if key not in one)]:
            told = f"{name.rstrip('/')}/{key}"
            if key not in one.keys() or key not in other.keys():  # noqa: SIM118  "in" would follow the link
                self._tally.differ(f"only the {'first' if key in one else 'second'} has {quoted(told)}")
                continue
            links = [group.get(key, getlink=True) for group in (one, other)]
            if all(isinstance(link, h5py.HardLink) for link in links):
                found.append((told, one[key], other[key]))
            else:
                texts = [f"{getattr(link, 'filename', '')}:{getattr(link, 'path', 'a part of it')}" for link in links]
                if texts[0] != texts[1]:
                    self._tally.differ(f"{told} is a link to {texts[0]} -> {texts[1]}")
        return found

    def _attributes(self, name: str, one: Any, other: Any) -> None:
        for key in [*one.attrs, *(key for key in other.attrs if key not in one.attrs)]:
            if key in self._passed_over:
                continue
            told = f"{name}@{key}"
            if key not in one.attrs or key not in other.attrs:
                self._tally.differ(f"only the {'first' if key in one.attrs else 'second'} has {quoted(told)}")
                continue
            values = one.attrs[key], other.attrs[key]
            texts = [value for value in values if isinstance(value, str)]
            if len(texts) == 2 and texts[0] != texts[1] and masked(texts[0], True) == masked(texts[1], True):
                self._tally.asides.append(f"but for times in {told}")
            else:
                compare_values(_plain(values[0]), _plain(values[1]), told, self._tally, self._limit)

    def _datasets(self, name: str, one: Any, other: Any) -> None:
        import h5py

        if one.shape != other.shape:
            self._tally.differ(f"shape {one.shape} -> {other.shape} in {name}")
            return
        if any(each.is_virtual or each.external for each in (one, other)):
            raise NotComparable(f"{name} lies in other files, which aren't read")
        if one.shape is None or not compare_types(one.dtype, other.dtype, name, self._tally, self._limit(name)):
            return
        tell = place_of(name, one.shape)
        is_reference = h5py.check_ref_dtype(one.dtype) is not None
        for slices, start in blocks(one.shape, _PIECE):
            first, second = (each[slices].reshape(-1) if each.shape else _scalar(each[()]) for each in (one, other))
            if is_reference:
                first, second = (_targets(each, file) for each, file in ((first, one.file), (second, other.file)))
            compare_items(
                first, second, name, self._tally, self._limit,
                lambda place, start=start: tell(start + place),  # type: ignore[misc]
            )


def _what(thing: Any) -> str:
    return f"a {type(thing).__name__.lower()}"


def _scalar(value: Any) -> Any:
    import numpy

    if isinstance(value, numpy.generic):
        return numpy.asarray(value).reshape(1)
    found = numpy.empty(1, object)
    found[0] = value
    return found


def _targets(references: Any, file: Any) -> Any:
    import numpy

    names = [str(file[reference].name) if reference else "" for reference in references]
    return numpy.array(names, dtype=object)


def _plain(value: Any) -> Any:
    import h5py
    import numpy

    if isinstance(value, h5py.Empty | h5py.Reference | h5py.RegionReference):
        return type(value).__name__
    if isinstance(value, numpy.ndarray) and h5py.check_ref_dtype(value.dtype) is not None:
        return "references"
    return value
