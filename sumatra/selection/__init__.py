"""Which records, in which order, and how many.

A `Selection` is a question to a record store.  What it means is said here, by `apply` and `matches`, which ask each
record in turn; a store that answers by other means (SQL) must come to the same answer.

Values are of two kinds, numbers (true is 1, false is 0) and text; a number and a text are never equal, and neither
comes before the other.  Comparing with what a record doesn't have is false, ``!=`` included.
"""

import posixpath
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from sumatra.facts import fact, replace
from sumatra.selection.facts import FIELDS, ODD, Field, Name, items, name_of, operand, paths, value, words
from sumatra.selection.facts import microseconds as _microseconds
from sumatra.selection.facts import searchable as _searchable

if TYPE_CHECKING:
    from sumatra.records import Record

__all__ = [
    "EVERYTHING", "FIELDS", "TIES", "Expression", "Field", "Name", "Selection", "apply", "has_status", "has_tag",
    "main_file_starts", "matches", "parameter_equals", "parameter_names", "parse_query", "started_between", "value",
]

#: What decides between records that are equal in all that was asked for: newest first.
TIES = ("-timestamp", "-id")


class Expression(NamedTuple):
    """A condition on a record.

    ===================================  ================================================================
    operator                             arguments
    ===================================  ================================================================
    ``and``, ``or``                      expressions, any number
    ``not``                              an expression
    ``constant``                         True or False
    ``==  !=  <  <=  >  >=``             two operands: a `Name`, a number or a text
    ``there``                            a name: there is such a value
    ``true``                             a name: it is there and isn't 0, false, or empty
    ``within``                           two times in microseconds since 1970, or None: begun from, and before
    ``has``                              a name (tags, receipt, input, output) and a text: one of them is that
    ``holds``                            a name (a parameter) and a value: a part of the text, or in the list
    ``contains startswith endswith``     a name and a text
    ``matches``                          a name and a regular expression
    ``lies``                             an absolute path: the main file is there, or its name begins so
    ``text``                             words as pairs: the word, and whether more may follow it
    ===================================  ================================================================
    """

    operator: str
    arguments: tuple[Any, ...]


@fact
class Selection:
    """A question to a record store.

    *sort* holds names of fields and parameters, the most important first, each with a ``-`` before it if the largest
    comes first; numbers come before texts, and records without the value come last either way.
    """

    where: Expression | None = None
    sort: tuple[str, ...] = TIES
    count: int | None = None

    def first(self, count: int) -> "Selection":
        """Return the same, but at most *count* records."""
        return replace(self, count=max(count, 0))

    def and_where(self, expression: Expression) -> "Selection":
        """Return the same, but only records for which *expression* is true as well."""
        where = expression if self.where is None else Expression("and", (self.where, expression))
        return replace(self, where=where)

    def reversed(self) -> "Selection":
        """Return the same with the last first; the count is taken after that."""
        return replace(self, sort=tuple(name[1:] if name[:1] == "-" else f"-{name}" for name in self.sort))


EVERYTHING = Selection()


def parse_query(text: str) -> Expression:
    """Return what the query *text* asks for (``tau_m > 10 and 'Figure 6' in tags``); nothing is evaluated.

    Raises `QueryError` with the column if it can't be read.
    """
    from sumatra.selection.query import parse

    return parse(text)


def has_tag(tag: str) -> Expression:
    """Records with exactly this tag; one of Sumatra 0.8's tags for a state (``_finished_``) asks for that state."""
    if tag[:1] == tag[-1:] == "_":
        from sumatra.records import STATUSES

        if tag[1:-1] in STATUSES:
            return has_status(tag[1:-1])
    return Expression("has", (Name("field", "tags"), _searchable(tag)))


def has_status(status: str) -> Expression:
    """Records of runs in this state."""
    return Expression("==", (Name("field", "status"), _searchable(status)))


def parameter_equals(name: str, text: str) -> Expression:
    """Records whose parameter *name* is *text*, be that a number, a truth value or a text there."""
    parameter = Name("parameter", _searchable(name))
    if text == "None":
        return Expression("not", (Expression("there", (parameter,)),))
    unquoted = text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
    either = [Expression("==", (parameter, _searchable(unquoted)))]
    number = _number(text)
    if number is not None:
        either.append(Expression("==", (parameter, number)))
    return Expression("or", tuple(either))


def _number(text: str) -> int | float | None:
    truth = {"True": 1, "true": 1, "False": 0, "false": 0}
    if text in truth:
        return truth[text]
    for read in (int, float):
        try:
            number = operand(read(text))
        except ValueError:
            continue
        return number if isinstance(number, (int, float)) else None
    return None


def started_between(earliest: datetime | None, end: datetime | None) -> Expression:
    """Records of runs that began at *earliest* or later, and before *end*; None leaves that side open."""
    return Expression("within", tuple(None if at is None else _microseconds(at) for at in (earliest, end)))


def main_file_starts(prefix: str, *paths: str) -> Expression:
    """Records whose main file, as it was typed, begins with *prefix*, or is one of the absolute *paths*.

    The last part of a path may be just the beginning of a name.
    """
    typed = Expression("startswith", (Name("field", "main_file"), _searchable(prefix)))
    if not paths:
        return typed
    return Expression("or", (typed, *(Expression("lies", (_searchable(path),)) for path in paths)))


def parameter_names(expression: Expression) -> set[str]:
    """Return the names of the parameters that *expression* asks for; one that no record has may be a slip."""
    found: set[str] = set()
    for argument in expression.arguments:
        if isinstance(argument, Expression):
            found |= parameter_names(argument)
        elif isinstance(argument, Name) and argument.kind == "parameter":
            found.add(argument.name)
    return found


def apply(selection: Selection, records: Iterable["Record"]) -> list["Record"]:
    """Return those of *records* that *selection* asks for, in its order."""
    where = selection.where
    chosen = [record for record in records if where is None or matches(where, record)]
    for name in reversed((*selection.sort, *TIES)):
        chosen = _sorted(chosen, name)
    return chosen if selection.count is None else chosen[:selection.count]


def _sorted(records: list["Record"], name: str) -> list["Record"]:
    descending = name[:1] == "-"
    asked = name_of(name.removeprefix("-"))
    keyed: list[tuple[tuple[bool, Any], Record]] = []
    last: list[Record] = []
    for record in records:
        found = _sort_value(record, asked)
        if found is None or found is ODD:
            last.append(record)
        else:
            keyed.append(((isinstance(found, str), found), record))
    keyed.sort(key=lambda pair: pair[0], reverse=descending)
    return [record for _, record in keyed] + last


def _sort_value(record: "Record", name: Name) -> Any:
    if name.kind == "field" and FIELDS[name.name].kind in ("words", "files"):
        return _searchable(", ".join(value(record, name.name)))
    return _look_up(record, name)


def matches(expression: Expression, record: "Record") -> bool:
    """Tell whether *expression* is true for *record*."""
    return bool(_MEANINGS[expression.operator](record, *expression.arguments))


def _look_up(record: "Record", asked: Any) -> Any:
    """Return a number, a text, None for nothing, or `ODD` for what can't be compared."""
    if not isinstance(asked, Name):
        return asked
    if asked.kind == "parameter":
        return operand(_parameter(record, asked.name))
    field = FIELDS[asked.name]
    return _microseconds(field.of(record)) if field.kind == "time" else operand(field.of(record))


def _parameter(record: "Record", name: str) -> Any:
    return parameters(record).get(name)


def parameters(record: "Record") -> Mapping[str, Any]:
    """Return the values of the parameters by the names that queries know them by."""
    return {_searchable(name): value for name, value in record.parameters.flat().items()}


def _equal(record: "Record", left: Any, right: Any) -> bool:
    one, other = _look_up(record, left), _look_up(record, right)
    return _comparable(one, other) and one == other


def _differ(record: "Record", left: Any, right: Any) -> bool:
    one, other = _look_up(record, left), _look_up(record, right)
    if one is None or other is None:
        return False
    return not (_comparable(one, other) and one == other)


def _less(record: "Record", left: Any, right: Any) -> bool:
    one, other = _look_up(record, left), _look_up(record, right)
    return _comparable(one, other) and one < other


def _at_most(record: "Record", left: Any, right: Any) -> bool:
    one, other = _look_up(record, left), _look_up(record, right)
    return _comparable(one, other) and one <= other


def _comparable(one: Any, other: Any) -> bool:
    if one is None or other is None or one is ODD or other is ODD:
        return False
    return isinstance(one, str) == isinstance(other, str)


def _true(record: "Record", name: Name) -> bool:
    if name.kind == "field" and FIELDS[name.name].kind in ("words", "files"):
        return bool(value(record, name.name))
    found = _look_up(record, name)
    return found is ODD or bool(found)


def _within(record: "Record", earliest: int | None, end: int | None) -> bool:
    at = _microseconds(record.timestamp)
    return (earliest is None or earliest <= at) and (end is None or at < end)


def _has(record: "Record", name: Name, text: str) -> bool:
    if FIELDS[name.name].kind == "words":
        return text in {_searchable(word) for word in value(record, name.name)}
    if text.startswith(("sha256:", "sha1:")):
        return text in {key.digest for key in (record.input_data if name.name == "input" else record.output_data)}
    return any(path == text or path.endswith(f"/{text}") for path in paths(record, name.name))


def _holds(record: "Record", name: Name, wanted: Any) -> bool:
    found = _parameter(record, name.name)
    simple = operand(found)
    if simple is ODD:
        return any(_comparable(item, wanted) and item == wanted for item in items(found))
    return isinstance(simple, str) and isinstance(wanted, str) and wanted in simple


def _texts(record: "Record", name: Name) -> list[str]:
    """Return the text, or texts, that *name* stands for; none if it is a number or isn't there."""
    if name.kind == "field" and FIELDS[name.name].kind in ("words", "files"):
        return [_searchable(text) for text in value(record, name.name)]
    found = _look_up(record, name)
    return [found] if isinstance(found, str) else []


def _matches_pattern(record: "Record", name: Name, pattern: str) -> bool:
    search = compiled(pattern).found_in
    return any(search(text) for text in _texts(record, name))


def _lies(record: "Record", path: str) -> bool:
    if record.main_file is None:
        return False
    where = _searchable(posixpath.normpath(posixpath.join(record.working_directory, record.main_file)))
    folder, slash, name = path.rpartition("/")
    rest = where.removeprefix(folder + slash)
    return where.startswith(folder + slash) and rest.startswith(name) and (not name or "/" not in rest)


def _has_words(record: "Record", *wanted: tuple[str, bool]) -> bool:
    found = words(record)
    return all(
        any(candidate.startswith(word) for candidate in found) if more else word in found for word, more in wanted
    )


_patterns: dict[str, Any] = {}


def compiled(pattern: str) -> Any:
    """Return the `patterns.Pattern` of *pattern*, or raise `QueryError`."""
    if pattern not in _patterns:
        from sumatra.selection.patterns import Pattern

        if len(_patterns) > 50:
            _patterns.clear()
        _patterns[pattern] = Pattern(pattern)
    return _patterns[pattern]


_MEANINGS: dict[str, Any] = {
    "and": lambda record, *parts: all(matches(part, record) for part in parts),
    "or": lambda record, *parts: any(matches(part, record) for part in parts),
    "not": lambda record, part: not matches(part, record),
    "constant": lambda record, truth: truth,
    "==": _equal,
    "!=": _differ,
    "<": _less,
    "<=": _at_most,
    ">": lambda record, left, right: _less(record, right, left),
    ">=": lambda record, left, right: _at_most(record, right, left),
    "there": lambda record, name: _look_up(record, name) is not None,
    "true": _true,
    "within": _within,
    "has": _has,
    "holds": _holds,
    "contains": lambda record, name, part: any(part in text for text in _texts(record, name)),
    "startswith": lambda record, name, part: any(text.startswith(part) for text in _texts(record, name)),
    "endswith": lambda record, name, part: any(text.endswith(part) for text in _texts(record, name)),
    "matches": _matches_pattern,
    "lies": _lies,
    "text": _has_words,
}
