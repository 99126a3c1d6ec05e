"""How far apart numbers may lie, by file and by column: what the user writes, and what it means.

::

    1e-6                      in all files: |a - b| <= 1e-6 * max(|a|, |b|)
    1e-6,1e-12                … or <= 1e-12
    Data/*.csv=1e-6           in files that fit a pattern as in .gitignore
    Data/*.csv:energy=1e-6    in the column, dataset or entry called energy of such files
    :energy=1e-6              … of any file

The last one that fits decides, as with the setting ``ignore``.
"""

import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sumatra.capture.ignoring import Ignored, can_match
from sumatra.comparison.base import EXACT, Limit
from sumatra.errors import UsageError

__all__ = ["Tolerances", "check", "limit_of"]

#: What holds for the fields of one file: patterns of names with the two numbers; "" stands for all fields.
Rules = Sequence[tuple[str, float, float]]


class _Rule(NamedTuple):
    files: Ignored | None  #: None: all
    field: str
    limit: Limit


class Tolerances:
    """What is tolerated, by the lines *rules*; patterns of files are as seen from the folder *root*.

    Raises `UsageError` for a line that can't be understood.
    """

    def __init__(self, rules: Iterable[str] = (), root: str = "/") -> None:
        self._rules = [_understood(rule, root) for rule in rules]

    def __bool__(self) -> bool:
        return bool(self._rules)

    def rules_for(self, path: str) -> Rules:
        """Return what holds for the file with the absolute name *path*, the last ones first."""
        return [
            (rule.field, *rule.limit) for rule in reversed(self._rules) if rule.files is None or rule.files(path)
        ]


def check(rules: Iterable[str]) -> None:
    """Raise `UsageError` if one of *rules* can't be understood."""
    Tolerances(rules)


def limit_of(rules: Rules, field: str) -> Limit:
    """Return how far numbers in *field* may lie apart; a field may be told by the last part of its name."""
    for pattern, relative, absolute in rules:
        if not pattern or _fits(pattern, field):
            return Limit(relative, absolute)
    return EXACT


def _fits(pattern: str, field: str) -> bool:
    from fnmatch import fnmatchcase

    plain = re.sub(r"\[\d+\]", "", field).strip("/")  # of places in lists
    last = re.split(r"[/.]", plain)[-1]
    return any(fnmatchcase(name, pattern.strip("/")) for name in (field.strip("/"), plain, last))


def _understood(rule: str, root: str) -> _Rule:
    head, equals, value = rule.rpartition("=")
    relative, comma, absolute = value.partition(",")
    limit = Limit(_number(relative, rule), _number(absolute, rule) if comma else 0.0)
    pattern, _, field = head.partition(":")
    if equals and (not head or (head.endswith(":"))):
        raise UsageError(f"the tolerance {rule!r} doesn't say of what", "write it as 1e-6 or Data/*.csv:energy=1e-6")
    if not pattern:
        return _Rule(None, field, limit)
    if pattern.startswith("!") or not can_match(pattern):
        raise UsageError(f"no file can fit the pattern {pattern!r}", "write it as in .gitignore: *.csv or /Data/")
    return _Rule(Ignored(root, [pattern]), field, limit)


def _number(text: str, rule: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise UsageError(
            f"the tolerance {rule!r} can't be understood: {text!r} isn't a number from 0 on",
            "write it as 1e-6, Data/*.csv=1e-6 or Data/*.csv:energy=1e-6,1e-12 (relative, absolute)",
        )
    return found
