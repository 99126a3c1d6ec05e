"""How far apart numbers are: the largest difference of all that two files hold, and where it first occurs.

Numbers are equal if their values are: integers of any size exactly, text with all its digits, NaN with NaN, infinity
with infinity of the same sign.  The difference of a number from NaN, or from infinity, is infinite.
"""

import math
import re
from collections.abc import Callable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, InvalidOperation, localcontext
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from sumatra.comparison.base import Comparison, Limit

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

__all__ = ["Tally", "distance", "is_within", "number_of"]

#: Numbers as programs write them; Fortran has D for E.
_NUMBER = re.compile(
    r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[ed][+-]?[0-9]{1,9})?|[+-]?(?:inf(?:inity)?|nan)", re.IGNORECASE
)

_MOST_DIGITS = 4000  # Python refuses to turn longer ones into integers


def number_of(text: str) -> int | Decimal | float | None:
    """Return the number that *text* (without spaces around it) is, exactly; None if it isn't one."""
    if not _NUMBER.fullmatch(text):
        return None
    if text.isdigit() and len(text) < _MOST_DIGITS:
        return int(text)
    try:
        found = Decimal(text.lower().replace("d", "e"))
    except InvalidOperation:
        return None
    return float(text) if not found.is_finite() else found


def distance(one: Any, other: Any) -> tuple[float, float]:
    """Return the absolute and the relative difference of two numbers, both 0.0 only if they are equal."""
    if isinstance(one, complex) or isinstance(other, complex):
        return _complex_distance(complex(one), complex(other))
    if isinstance(one, float) and isinstance(other, float):
        return _float_distance(one, other)
    if not (_is_finite(one) and _is_finite(other)):
        return math.inf, math.inf
    if isinstance(one, Decimal) or isinstance(other, Decimal):
        return _decimal_distance(Decimal(one), Decimal(other))
    return _exact_distance(Fraction(one), Fraction(other))


def _is_finite(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _float_distance(one: float, other: float) -> tuple[float, float]:
    if one == other or (one != one and other != other):
        return 0.0, 0.0
    if not (math.isfinite(one) and math.isfinite(other)):
        return math.inf, math.inf
    size = max(abs(one), abs(other))
    relative = abs(one - other) / size if size < 1e300 else abs(one / 4 - other / 4) / (size / 4)
    return abs(one - other), max(relative, math.ulp(0.0))


def _complex_distance(one: complex, other: complex) -> tuple[float, float]:
    parts = [_float_distance(one.real, other.real), _float_distance(one.imag, other.imag)]
    if not any(relative for _, relative in parts):
        return 0.0, 0.0
    if any(math.isinf(relative) for _, relative in parts):
        return math.inf, math.inf
    absolute = math.hypot(parts[0][0], parts[1][0])
    sizes = [math.hypot(*(0.0 if part != part or math.isinf(part) else part for part in (each.real, each.imag)))
             for each in (one, other)]
    size = max(sizes)
    return absolute, max(absolute / size, math.ulp(0.0)) if size and math.isfinite(size) else math.inf


def _decimal_distance(one: Decimal, other: Decimal) -> tuple[float, float]:
    if one == other:
        return 0.0, 0.0
    with localcontext(Context(prec=40, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])):
        difference, size = abs(one - other), max(abs(one), abs(other))
        relative = difference / size
    return _float(difference) or math.ulp(0.0), max(_float(relative), math.ulp(0.0))


def _float(value: Decimal) -> float:
    try:
        return float(value)
    except (OverflowError, ValueError):
        return math.inf


def _exact_distance(one: Fraction, other: Fraction) -> tuple[float, float]:
    difference = abs(one - other)
    if not difference:
        return 0.0, 0.0
    try:
        absolute = float(difference)
    except OverflowError:
        absolute = math.inf
    relative = float(difference / max(abs(one), abs(other)))
    return max(absolute, math.ulp(0.0)), max(relative, math.ulp(0.0))


def is_within(absolute: float, relative: float, limit: Limit) -> bool:
    """Tell whether numbers that differ by so much count as the same."""
    return not relative or (0 < relative <= limit.relative) or (0 < absolute <= limit.absolute)


class Tally:
    """What was found on the way through two files."""

    def __init__(self) -> None:
        self.compared = 0  #: numbers
        self.unequal = 0
        self.beyond = 0  #: of these, how many lie farther apart than they may
        self.relative = self.absolute = 0.0
        self.where = self.where_absolute = ""
        self.others: list[str] = []  #: what differs and is no number, a phrase each; the first few
        self.number_of_others = 0
        self.asides: list[str] = []  #: what isn't the same and doesn't count

    def differ(self, what: str) -> None:
        """Note that something differs that is no number."""
        self.number_of_others += 1
        if len(self.others) < 3:
            self.others.append(what)

    def numbers(self, one: Any, other: Any, limit: Limit, where: Callable[[], str]) -> None:
        """Compare two numbers; *where* tells where they stand."""
        self.compared += 1
        if one == other:
            return
        absolute, relative = distance(one, other)
        if relative:
            self.note(absolute, relative, not is_within(absolute, relative, limit), where)

    def note(self, absolute: float, relative: float, is_beyond: bool, where: Callable[[], str], many: int = 1) -> None:
        """Take a difference in; of *many* unequal numbers it is one that is larger than the others."""
        self.unequal += many
        self.beyond += is_beyond
        if relative > self.relative:
            self.relative, self.where = relative, where()
        if absolute > self.absolute:
            self.absolute, self.where_absolute = absolute, where()

    def merge(self, found: "Tally", where: str) -> None:
        """Take in what was *found* at one place, *where*; places in it are told after that one."""
        self.compared += found.compared
        for what in found.others:
            self.differ(what.replace("the whole", where))
        self.number_of_others += found.number_of_others - len(found.others)
        if found.unequal:

            def tell() -> str:
                return where if found.where in ("", "the whole") else f"{where}, {found.where}"

            self.note(found.absolute, found.relative, False, tell, found.unequal)
            self.beyond += found.beyond

    def texts(self, one: str, other: str, limit: Limit, where: Callable[[], str]) -> None:
        """Compare two pieces of text, as numbers if both are."""
        if one == other:
            self.compared += 1
            return
        first, second = number_of(one.strip()), number_of(other.strip())
        if first is None or second is None:
            self.differ(f"{quoted(one)} -> {quoted(other)} in {where()}")
        else:
            self.numbers(first, second, limit, where)

    def arrays(self, one: "Array", other: "Array", limit: Limit, where: Callable[[int], str]) -> None:
        """Compare two arrays of numbers with one dimension and as many items; *where* tells of a place in them."""
        import numpy

        kinds = {one.dtype.kind, other.dtype.kind}
        if one.dtype != other.dtype and kinds & set("iu"):
            if max(each.dtype.itemsize for each in (one, other) if each.dtype.kind in "iu") > 4:
                # numpy would turn them into floats, which don't have all integers
                for place, (first, second) in enumerate(zip(one.tolist(), other.tolist(), strict=True)):
                    self.numbers(first, second, limit, lambda place=place: where(place))  # type: ignore[misc]
                return
            if kinds <= set("biu"):
                one, other = one.astype("i8"), other.astype("i8")
        self.compared += one.size
        with numpy.errstate(all="ignore"):
            unequal = numpy.zeros(one.size, bool)
            for first, second in zip(_parts(one), _parts(other), strict=False):
                unequal |= (first != second) & ~((first != first) & (second != second))
            places = numpy.flatnonzero(unequal)
            if not places.size:
                return
            absolute, relative = _distances(one[places], other[places])
            within = (relative <= limit.relative) | (absolute <= limit.absolute)
        self.beyond += int(places.size - numpy.count_nonzero(within))
        self.unequal += int(places.size)
        largest = int(numpy.argmax(relative))
        if relative[largest] > self.relative:
            self.relative, self.where = float(relative[largest]), where(int(places[largest]))
        largest = int(numpy.argmax(absolute))
        if absolute[largest] > self.absolute:
            self.absolute, self.where_absolute = float(absolute[largest]), where(int(places[largest]))

    def comparison(self, kind: str) -> Comparison:
        """Return what all of it comes to."""
        size = f"largest relative difference {_short(self.relative)}{_in(self.where)}"
        if self.where_absolute and self.where_absolute != self.where:
            size += f", largest absolute difference {_short(self.absolute)}{_in(self.where_absolute)}"
        elif self.unequal:
            size += f" (absolute {_short(self.absolute)})"
        relative, absolute = (self.relative, self.absolute) if self.compared else (None, None)
        if self.number_of_others or self.beyond:
            told = self.others[:1]
            if self.number_of_others > 1:
                told.append(f"and {self.number_of_others - 1:,} more differences")
            if self.unequal:
                of_them = f", {self.beyond:,} by more than they may" if self.beyond < self.unequal else ""
                told.append(f"{self.unequal:,} of {self.compared:,} numbers differ{of_them}, {size}")
            return Comparison("different", "; ".join(told), relative, absolute, self.where, kind)
        if self.unequal:
            return Comparison("within tolerance", size, relative, absolute, self.where, kind)
        return Comparison("same content", "; ".join(self.asides[:3]), relative, absolute, self.where, kind)


def _parts(array: "Array") -> list["Array"]:
    return [array.real, array.imag] if array.dtype.kind == "c" else [array, array]


def _distances(one: "Array", other: "Array") -> tuple["Array", "Array"]:
    """Return the absolute and relative differences of numbers that are unequal."""
    import numpy

    if one.dtype.kind in "iu" and one.dtype == other.dtype:
        unsigned = one.astype("u8"), other.astype("u8")  # differences are right modulo 2**64, hence right
        absolute = numpy.where(one > other, unsigned[0] - unsigned[1], unsigned[1] - unsigned[0]).astype("f8")
        return absolute, absolute / numpy.maximum(numpy.abs(one.astype("f8")), numpy.abs(other.astype("f8")))
    if one.dtype.kind != "c" and other.dtype.kind != "c":
        kind = numpy.result_type(one.dtype, other.dtype, "f8")
        one, other = one.astype(kind, copy=False), other.astype(kind, copy=False)
        absolute, size = numpy.abs(one - other), numpy.maximum(numpy.abs(one), numpy.abs(other))
        if numpy.isfinite(absolute).all() and size.max() < 1e300:  # nearly always
            least = math.ulp(0.0)
            return numpy.maximum(absolute.astype("f8", copy=False), least), numpy.maximum(
                (absolute / size).astype("f8", copy=False), least
            )
        absolute, sizes = _apart(one, other), [numpy.abs(one), numpy.abs(other)]
        scaled = _apart(one / 4, other / 4)
    else:
        kind = numpy.result_type(one.dtype, other.dtype, "c16")
        one, other = one.astype(kind), other.astype(kind)
        pairs = list(zip(_parts(one), _parts(other), strict=True))
        absolute = numpy.hypot(*(_apart(first, second) for first, second in pairs))
        scaled = numpy.hypot(*(_apart(first / 4, second / 4) for first, second in pairs))
        sizes = [numpy.hypot(*(numpy.nan_to_num(part, nan=0.0) for part in _parts(each))) for each in (one, other)]
    size = numpy.maximum(numpy.nan_to_num(sizes[0], nan=0.0), numpy.nan_to_num(sizes[1], nan=0.0))
    relative = numpy.where(size < 1e300, absolute / size, scaled / (size / 4))
    relative = numpy.where(numpy.isfinite(scaled), relative, numpy.inf)
    least = math.ulp(0.0)
    return numpy.maximum(absolute.astype("f8"), least), numpy.maximum(relative.astype("f8"), least)


def _apart(one: "Array", other: "Array") -> "Array":
    """Return how far each of *one* is from that of *other*; infinite where just one of both is no finite number."""
    import numpy

    same = (one == other) | ((one != one) & (other != other))
    found = numpy.abs(one - other)
    return numpy.where(same, 0, numpy.where(numpy.isnan(found), numpy.inf, found))


def quoted(text: str) -> str:
    """Return *text* for a sentence."""
    return repr(text if len(text) <= 40 else text[:39] + "…")


def _short(value: float) -> str:
    return f"{value:.2g}"


def _in(where: str) -> str:
    return f" in {where}" if where else ""
