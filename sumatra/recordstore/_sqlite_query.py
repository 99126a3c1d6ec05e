"""Selections as SQL.

What each clause means is said by ``sumatra.selection``.  Values go into statements as bound parameters only, and the
names of columns come from a table here.  A clause is always 0 or 1 and never NULL, so that ``NOT`` may stand before it.
"""
# ruff: noqa: S608  values are always bound; see above

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from sumatra.selection import TIES, Expression, Name
from sumatra.selection.facts import name_of

__all__ = ["Clause", "condition", "order"]

_NUMBERS = {"exit_status": "exit_status", "duration": "duration", "changed": "changed"}
_TEXTS = {
    name: name
    for name in (
        "label", "id", "status", "reason", "outcome", "version", "branch", "main_file", "script_arguments", "command",
        "executable", "program", "host", "user", "repeats",
    )
}
_NULLABLE = frozenset({"exit_status", "duration", "version", "branch", "main_file", "executable", "program", "repeats"})
_PARAMETER = "SELECT record FROM parameters WHERE name = ? AND item = -1"


class Clause(NamedTuple):
    """A condition in SQL.

    Each of *sources* is a query, with its arguments, for the numbers of all records that can meet the condition; if it
    finds few, it is quicker to look at those than at all records in their order.
    """

    sql: str
    arguments: tuple[Any, ...] = ()
    exact: bool = True  #: if not, it lets through more than it should
    sources: tuple[tuple[str, tuple[Any, ...]], ...] = ()


_TRUE, _FALSE = Clause("1"), Clause("0")


def condition(expression: Expression) -> Clause:
    """Return *expression* in SQL, as exactly as SQL can say it."""
    clause = _compile(expression)
    return _TRUE._replace(exact=False) if clause is None else clause


def order(sort: Iterable[str]) -> tuple[str, tuple[Any, ...]] | None:
    """Return what belongs behind ORDER BY, with its arguments; None if SQL can't sort so."""
    keys: list[str] = []
    arguments: list[Any] = []
    seen = set()
    for text in (*sort, *TIES):
        name, direction = name_of(text.removeprefix("-")), "DESC" if text[:1] == "-" else "ASC"
        if name in seen:
            continue
        seen.add(name)
        if name.kind == "parameter":
            number, spelled = (_scalar(column) for column in ("number", "text"))
            keys += [f"{number} IS NULL AND {spelled} IS NULL", f"{spelled} IS NOT NULL {direction}"]
            keys += [f"{number} {direction}", f"{spelled} {direction}"]
            arguments += [name.name] * 5
        elif name.name == "timestamp" or name.name in _NUMBERS or name.name in _TEXTS:
            if name.name in _NULLABLE:
                keys.append(f"{name.name} IS NULL")
            keys.append(f"{name.name} {direction}")
        else:
            return None
    return ", ".join(keys), tuple(arguments)


def _scalar(column: str) -> str:
    return f"(SELECT {column} FROM parameters WHERE record = records.record AND name = ? AND item = -1)"


def _compile(expression: Expression) -> Clause | None:
    return _COMPILERS[expression.operator](*expression.arguments)


def _and(*parts: Expression) -> Clause | None:
    clauses = [_compile(part) for part in parts]
    known = [clause for clause in clauses if clause is not None]
    if not known:
        return None if parts else _TRUE
    sources = tuple(source for clause in known for source in clause.sources)
    return _joined(known, "AND", len(known) == len(clauses))._replace(sources=sources)


def _or(*parts: Expression) -> Clause | None:
    clauses = []
    for part in parts:
        clause = _compile(part)
        if clause is None:
            return None
        clauses.append(clause)
    if not clauses:
        return _FALSE
    sources: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    if all(clause.sources for clause in clauses):
        first = [clause.sources[0] for clause in clauses]
        sources = ((" UNION ALL ".join(sql for sql, _ in first), sum((given for _, given in first), ())),)
    return _joined(clauses, "OR", True)._replace(sources=sources)


def _joined(clauses: list[Clause], word: str, exact: bool) -> Clause:
    """Join by halves: SQLite doesn't take expressions of a thousand levels."""
    if len(clauses) == 1:
        return clauses[0]._replace(exact=clauses[0].exact and exact, sources=())
    middle = len(clauses) // 2
    left, right = _joined(clauses[:middle], word, exact), _joined(clauses[middle:], word, exact)
    return Clause(f"({left.sql} {word} {right.sql})", left.arguments + right.arguments, left.exact and right.exact)


def _not(part: Expression) -> Clause | None:
    clause = _compile(part)
    if clause is None or not clause.exact:
        return None
    return Clause(f"(NOT {clause.sql})", clause.arguments)


def _records(sql: str, *arguments: Any) -> Clause:
    return Clause(f"(records.record IN ({sql}))", arguments, sources=((sql, arguments),))


def _guarded(column: str, test: str, *arguments: Any) -> Clause:
    return Clause(f"({column} IS NOT NULL AND {test})" if column in _NULLABLE else f"({test})", arguments)


def _column(name: Name) -> str | None:
    return _NUMBERS.get(name.name) or _TEXTS.get(name.name)


def _comparison(operator: str) -> Callable[[Any, Any], Clause | None]:
    def compile_comparison(one: Any, other: Any) -> Clause | None:
        if isinstance(one, Name) and not isinstance(other, Name):
            return _compare_with_value(operator, one, other)
        if isinstance(one, Name) and isinstance(other, Name):
            return _compare_names(operator, one, other)
        return None

    return compile_comparison


def _compare_with_value(operator: str, name: Name, value: Any) -> Clause | None:
    kind = "text" if isinstance(value, str) else "number"
    if name.kind == "parameter":
        sign = "IS NOT" if operator == "!=" else "=" if operator == "==" else operator
        return _records(f"{_PARAMETER} AND {kind} {sign} ?", name.name, value)
    if name.name not in _NUMBERS and name.name not in _TEXTS:
        return None
    if (name.name in _TEXTS) != (kind == "text"):
        return _there(name) if operator == "!=" else _FALSE
    sign = {"==": "=", "!=": "<>"}.get(operator, operator)
    return _guarded(name.name, f"{name.name} {sign} ?", value)


def _compare_names(operator: str, one: Name, other: Name) -> Clause | None:
    sides = (_sides(one), _sides(other))
    if sides[0] is None or sides[1] is None:
        return None
    sign = "=" if operator in ("==", "!=") else operator
    parts: list[str] = []
    arguments: list[Any] = []
    for kind in ("number", "text"):
        left, right = sides[0].get(kind), sides[1].get(kind)
        if left is not None and right is not None:
            parts.append(f"coalesce({left} {sign} {right}, 0)")
            arguments += [name.name for name in (one, other) if name.kind == "parameter"]
    equal = Clause(f"({' OR '.join(parts) or '0'})", tuple(arguments))
    if operator != "!=":
        return equal
    there = [clause for clause in (_there(one), _there(other)) if clause is not None]
    return _joined([*there, Clause(f"(NOT {equal.sql})", equal.arguments)], "AND", True)


def _sides(name: Name) -> dict[str, str] | None:
    if name.kind == "parameter":
        return {"number": _scalar("number"), "text": _scalar("text")}
    if name.name in _NUMBERS:
        return {"number": name.name}
    return {"text": name.name} if name.name in _TEXTS else None


def _there(name: Name) -> Clause | None:
    if name.kind == "parameter":
        return _records(_PARAMETER, name.name)
    column = _column(name)
    if column is None:
        return None
    return Clause(f"({column} IS NOT NULL)") if column in _NULLABLE else _TRUE


def _true(name: Name) -> Clause | None:
    if name.kind == "parameter":
        return _records(
            f"{_PARAMETER} AND (number <> 0 OR text <> '' OR (number IS NULL AND text IS NULL))", name.name
        )
    if name.name == "tags":
        return _records("SELECT record FROM tags")
    if name.name in ("input", "output"):
        return _records("SELECT record FROM files WHERE role = ?", name.name)
    if name.name in _NUMBERS:
        return _guarded(name.name, f"{name.name} <> 0")
    return _guarded(name.name, f"{name.name} <> ''") if name.name in _TEXTS else None


def _within(earliest: int | None, end: int | None) -> Clause:
    parts, arguments = [], []
    for sign, bound in ((">=", earliest), ("<", end)):
        if bound is not None:
            parts.append(f"timestamp {sign} ?")
            arguments.append(bound)
    return Clause(f"({' AND '.join(parts)})", tuple(arguments)) if parts else _TRUE


def _has(name: Name, text: str) -> Clause | None:
    if name.name == "tags":
        return _records("SELECT record FROM tags WHERE tag = ?", text)
    if name.name == "receipt":
        return _in_documents(text)
    if text.startswith(("sha256:", "sha1:")):
        return _records("SELECT record FROM files WHERE role = ? AND digest = ?", name.name, text)
    end = f"/{text}"
    return _records(
        f"SELECT record FROM files WHERE role = ? AND name = ? AND (path = ? OR substr(path, -{len(end)}) = ?)",
        name.name, text.rpartition("/")[2], text, end,
    )


def _in_documents(code: str) -> Clause | None:
    """Return the records whose document has the word *code* anywhere; whether it is in the receipt is seen later."""
    if not code.isascii() or not code.replace("-", "").isalnum():
        return None  # JSON may write it in another way
    return _records("SELECT record FROM documents WHERE instr(document, ?) > 0", f'"{code}"'.encode())._replace(
        exact=False
    )


def _holds(name: Name, value: Any) -> Clause:
    start = "SELECT record FROM parameters WHERE name = ?"
    if isinstance(value, str):
        return _records(
            f"{start} AND ((item = -1 AND instr(text, ?) > 0) OR (item >= 0 AND text = ?))", name.name, value, value
        )
    return _records(f"{start} AND item >= 0 AND number = ?", name.name, value)


def _part(test: Callable[[str, str], tuple[str, str | None]]) -> Callable[[Name, str], Clause | None]:
    """Return a compiler for a test of a text; *test* gives SQL for a column, and its argument."""

    def compile_part(name: Name, part: str) -> Clause | None:
        column = {"tags": "tag", "input": "path", "output": "path"}.get(name.name, name.name)
        sql, argument = test("text" if name.kind == "parameter" else column, part)
        arguments = () if argument is None else (argument,)
        if name.kind == "parameter":
            return _records(f"{_PARAMETER} AND text IS NOT NULL AND {sql}", name.name, *arguments)
        if name.name == "tags":
            return _records(f"SELECT record FROM tags WHERE {sql}", *arguments)
        if name.name in ("input", "output"):
            return _records(f"SELECT record FROM files WHERE role = ? AND {sql}", name.name, *arguments)
        return _guarded(column, sql, *arguments) if column in _TEXTS else _FALSE if column in _NUMBERS else None

    return compile_part


def _ends(column: str, part: str) -> tuple[str, str | None]:
    return (f"substr({column}, -{len(part)}) = ?", part) if part else ("1", None)


def _lies(path: str) -> Clause | None:
    """Let through what has that name in any folder: where a run's main file lay is said by its document alone."""
    name = path.rpartition("/")[2]
    if not name:
        return None
    sql = f"substr(main_file, 1, {len(name)}) = ? OR instr(main_file, ?) > 0"
    return Clause(f"(main_file IS NOT NULL AND ({sql}))", (name, f"/{name}"), exact=False)


def _text(*words: tuple[str, bool]) -> Clause:
    wanted = " AND ".join(f'"{word}"{"*" if more else ""}' for word, more in words)
    return _records("SELECT rowid FROM words WHERE words MATCH ?", wanted)


_COMPILERS: dict[str, Callable[..., Clause | None]] = {
    "and": _and,
    "or": _or,
    "not": _not,
    "constant": lambda truth: _TRUE if truth else _FALSE,
    **{operator: _comparison(operator) for operator in ("==", "!=", "<", "<=", ">", ">=")},
    "there": _there,
    "true": _true,
    "within": _within,
    "has": _has,
    "holds": _holds,
    "contains": _part(lambda column, part: (f"instr({column}, ?) > 0", part)),
    "startswith": _part(lambda column, part: (f"substr({column}, 1, {len(part)}) = ?", part)),
    "endswith": _part(_ends),
    "matches": lambda name, pattern: None,
    "lies": _lies,
    "text": _text,
}
