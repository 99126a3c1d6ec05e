"""The smallest set of changes that makes a difference: delta debugging.

Nothing here knows what a change is.  The algorithm is ddmin of A. Zeller and R. Hildebrandt, "Simplifying and Isolating
Failure-Inducing Input", IEEE Transactions on Software Engineering 28 (2002), section 3, begun with the likeliest ones.
"""

from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise
from typing import TypeVar

__all__ = ["ALONE", "expected_trials", "smallest"]

T = TypeVar("T", bound=Hashable)

#: So many of the likeliest are tried alone, each by itself, before the others are halved.
ALONE = 3


def smallest(factors: Sequence[T], test: Callable[[frozenset[T]], bool]) -> frozenset[T]:
    """Return a set of *factors*, likeliest first, for which *test* holds and of which none can be left out.

    *test* holds for all of them and not for none of them; what it says once is not asked again.  Where it also holds
    for a set that only shares something with the one that is found, that isn't told.
    """
    known: dict[frozenset[T], bool] = {frozenset(): False, frozenset(factors): True}

    def holds(chosen: Sequence[T]) -> bool:
        key = frozenset(chosen)
        if key not in known:
            known[key] = test(key)
        return known[key]

    for factor in factors[:ALONE] if len(factors) > 1 else ():
        if holds([factor]):
            return frozenset([factor])
    found = list(factors)
    parts = 2
    while len(found) > 1:
        pieces = _split(found, parts)
        for piece in pieces:
            if holds(piece):
                found, parts = piece, 2
                break
        else:
            for piece in pieces if parts > 2 else ():
                rest = [factor for factor in found if factor not in piece]
                if holds(rest):
                    found, parts = rest, max(parts - 1, 2)
                    break
            else:
                if parts >= len(found):
                    break
                parts = min(len(found), 2 * parts)
    return frozenset(found)


def _split(factors: Sequence[T], parts: int) -> list[list[T]]:
    ends = [len(factors) * number // parts for number in range(parts + 1)]
    return [list(factors[begin:end]) for begin, end in pairwise(ends) if end > begin]


def expected_trials(number: int) -> int:
    """Return about how many trials it takes to find one cause among *number* of changes."""
    return number if number <= ALONE else ALONE + 2 * max(number - 1, 1).bit_length()
