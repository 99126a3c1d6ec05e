"""Arrays of NumPy, NPY and NPZ, read by ourselves: pickled objects in them are never loaded.

They are read in pieces, so that memory doesn't grow with the files; with NumPy where it is installed, which is quicker,
and without it where it isn't.
"""

import ast
import math
import struct
import zipfile
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from sumatra.comparison._numeric import compare_items, compare_types, place_of
from sumatra.comparison._tally import Tally, quoted
from sumatra.comparison.base import Comparator, Comparison, Content, NotComparable, Setting

__all__ = ["BACKEND"]

_MAGIC = b"\x93NUMPY"
_PIECE = 1 << 19  #: items
_LONGEST_HEADER = 1 << 20
_MOST_TO_TURN = 200_000_000  #: bytes of an array whose items lie in another order in the other file
_CODES = {"f2": "e", "f4": "f", "f8": "d", "b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B",
          "u2": "H", "u4": "I", "u8": "Q", "c8": "ff", "c16": "dd"}  # fmt: skip


class Header(NamedTuple):
    """What an array is like."""

    descr: Any
    fortran: bool
    shape: tuple[int, ...]


class ArrayComparator(Comparator):
    """Compares item with item."""

    name = "npy"
    title = "arrays of NumPy"

    def recognises(self, head: bytes, name: str) -> bool:
        return head.startswith(_MAGIC) or (name.endswith(".npz") and head.startswith(b"PK"))

    def compare(self, one: Content, other: Content, setting: Setting) -> Comparison:
        tally = Tally()
        with one.open() as first, other.open() as second:
            if first.read(2) == b"PK":
                _compare_archives(first, second, tally, setting)
            else:
                first.seek(0)
                _compare(first, second, "", tally, setting)
        return tally.comparison(self.name)


def _compare_archives(one: IO[bytes], other: IO[bytes], tally: Tally, setting: Setting) -> None:
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(other) as second:
        names = [dict.fromkeys(archive.namelist()) for archive in (first, second)]
        for name in [*names[0], *(name for name in names[1] if name not in names[0])]:
            told = name.removesuffix(".npy")
            if name not in names[0] or name not in names[1]:
                tally.differ(f"only the {'first' if name in names[0] else 'second'} has {quoted(told)}")
                continue
            with first.open(name) as before, second.open(name) as after:
                _compare(before, after, told, tally, setting)


def _compare(one: IO[bytes], other: IO[bytes], name: str, tally: Tally, setting: Setting) -> None:
    before, after = _header(one), _header(other)
    if before.shape != after.shape:
        tally.differ(f"shape {before.shape} -> {after.shape}{f' in {name}' if name else ''}")
        return
    try:
        import numpy  # noqa: F401
    except ImportError:
        _compare_plainly(one, other, before, after, name, tally, setting)
    else:
        _compare_quickly(one, other, before, after, name, tally, setting)


def _header(file: IO[bytes]) -> Header:
    start = file.read(8)
    if start[:6] != _MAGIC or start[6:7] not in (b"\x01", b"\x02", b"\x03"):
        raise NotComparable("it holds something that isn't an array of a known version")
    kind = "<H" if start[6] == 1 else "<I"
    (length,) = struct.unpack(kind, file.read(struct.calcsize(kind)))
    if length > _LONGEST_HEADER:
        raise NotComparable("the header of an array is too long")
    found = ast.literal_eval(file.read(length).decode("utf-8" if start[6] == 3 else "latin-1").strip())
    shape, descr = found["shape"], found["descr"]
    if not isinstance(shape, tuple) or not all(type(size) is int and 0 <= size < 1 << 62 for size in shape):
        raise NotComparable("the shape of an array can't be")
    for kind in _kinds(descr):
        if kind == "O":
            raise NotComparable("it holds pickled objects, which are never loaded")
    return Header(descr, bool(found["fortran_order"]) and len(shape) > 1, shape)


def _kinds(descr: Any) -> Iterator[str]:
    """Yield the letters of all types in *descr*, which is checked on the way."""
    if isinstance(descr, str):
        if len(descr) < 2 or descr[0] not in "<>|=" or not descr.isascii():
            raise NotComparable("the type of an array isn't known")
        yield descr[1]
    elif isinstance(descr, list) and descr and all(isinstance(each, tuple) and len(each) in (2, 3) for each in descr):
        for each in descr:
            yield from _kinds(each[1])
    else:
        raise NotComparable("the type of an array isn't known")


def _dtype(descr: Any) -> Any:
    import numpy

    if isinstance(descr, str):
        return numpy.dtype(descr)
    fields: list[Any] = []
    for name, kind, *shape in descr:
        told = name[-1] if isinstance(name, tuple) else name
        fields.append((str(told) or f"f{len(fields)}", _dtype(kind), *(tuple(each) for each in shape)))
    return numpy.dtype(fields)


def _compare_quickly(
    one: IO[bytes], other: IO[bytes], before: Header, after: Header, name: str, tally: Tally, setting: Setting
) -> None:
    import numpy

    first, second = _dtype(before.descr), _dtype(after.descr)
    if not compare_types(first, second, name, tally, setting.limit(name)):
        return
    total = math.prod(before.shape)
    if before.fortran != after.fortran:
        size = total * max(first.itemsize, second.itemsize)
        if size > _MOST_TO_TURN:
            raise NotComparable("the items of the arrays lie in another order, and they are too large to be turned")
        arrays = [
            numpy.frombuffer(_exactly(file, total * dtype.itemsize), dtype).reshape(
                header.shape, order="F" if header.fortran else "C"
            ).reshape(-1)
            for file, header, dtype in ((one, before, first), (other, after, second))
        ]
        compare_items(arrays[0], arrays[1], name, tally, setting.limit, place_of(name, before.shape))
        return
    tell = place_of(name, before.shape, "F" if before.fortran else "C")
    piece = max(1, min(_PIECE, (1 << 23) // max(1, first.itemsize, second.itemsize)))
    for start in range(0, total, piece):
        count = min(piece, total - start)
        left, right = _exactly(one, count * first.itemsize), _exactly(other, count * second.itemsize)
        if left == right and first == second:
            tally.compared += count
            continue
        compare_items(
            numpy.frombuffer(left, first), numpy.frombuffer(right, second), name, tally, setting.limit,
            lambda place, start=start: tell(start + place),  # type: ignore[misc]
        )


def _exactly(file: IO[bytes], size: int) -> bytes:
    found = file.read(size)
    if len(found) != size:
        raise NotComparable("it is shorter than it says")
    return found


class _Leaf(NamedTuple):
    field: str
    offset: int
    code: str  #: of `struct`; "" for text
    size: int


def _leaves(descr: Any, field: str = "", offset: int = 0) -> tuple[list[_Leaf], int]:
    """Return the plain values in an item of type *descr*, and where it ends."""
    if isinstance(descr, str):
        kind, size = descr[1], int(descr[2:].partition("[")[0] or 0) * (4 if descr[1] == "U" else 1)
        if kind in "SUV":
            return [_Leaf(field, offset, "", size)], offset + size
        code = _CODES.get(f"{'i' if kind in 'mM' else kind}{size}")
        if code is None:
            raise NotComparable(f"it has numbers of the type {descr}, which can't be read without NumPy")
        return [_Leaf(field, offset, (">" if descr[0] == ">" else "<") + code, size)], offset + size
    found: list[_Leaf] = []
    for name, kind, *shape in descr:
        told = str(name[-1] if isinstance(name, tuple) else name)
        for _ in range(math.prod(shape[0]) if shape else 1):
            inner, offset = _leaves(kind, f"{field}.{told}" if field else told, offset)
            found += inner
            if len(found) > 10_000:
                raise NotComparable("an item of an array has too many parts")
    return found, offset


def _compare_plainly(
    one: IO[bytes], other: IO[bytes], before: Header, after: Header, name: str, tally: Tally, setting: Setting
) -> None:
    (first, size), (second, width) = _leaves(before.descr), _leaves(after.descr)
    if before.fortran != after.fortran:
        raise NotComparable("the items of the arrays lie in another order, which can't be read without NumPy")
    if [(leaf.field, leaf.code[1:], leaf.size) for leaf in first] != [
        (leaf.field, leaf.code[1:], leaf.size) for leaf in second
    ]:
        tally.differ(f"type {before.descr} -> {after.descr}{f' in {name}' if name else ''}")
        return
    tell = place_of(name, before.shape, "F" if before.fortran else "C")
    limits = [setting.limit(".".join(filter(None, (name, leaf.field)))) for leaf in first]
    for place in range(math.prod(before.shape)):
        left, right = _exactly(one, size), _exactly(other, width)
        for leaf, twin, limit in zip(first, second, limits, strict=True):
            values = [_value(leaf, left), _value(twin, right)]

            def where(place: int = place, field: str = leaf.field) -> str:
                return ".".join(filter(None, (tell(place), field)))

            if isinstance(values[0], bytes):
                if values[0] != values[1]:
                    tally.differ(f"{values[0]!r:.40} -> {values[1]!r:.40} in {where()}")
            else:
                tally.numbers(values[0], values[1], limit, where)


def _value(leaf: _Leaf, item: bytes) -> Any:
    if not leaf.code:
        return item[leaf.offset:leaf.offset + leaf.size]
    found = struct.unpack_from(leaf.code, item, leaf.offset)
    return complex(*found) if len(found) == 2 else found[0]


BACKEND = ArrayComparator
