"""Reading queries: Python's syntax for expressions, with a meaning of our own; nothing is evaluated."""
# ruff: noqa: DTZ001, DTZ005  times without a zone are local times here, as users type them

import ast
import warnings
from datetime import datetime, timedelta
from typing import Any, NoReturn

from sumatra.errors import QueryError
from sumatra.plugins import closest
from sumatra.selection import Expression, compiled
from sumatra.selection.facts import FIELDS, Name, microseconds, name_of, operand, searchable, split_words

__all__ = ["parse"]

_LONGEST = 4000  # characters
_MOST_NODES = 600
_DEEPEST = 60

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Is: "==",
    ast.IsNot: "!=",
}
_MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_FUNCTIONS = ("contains", "endswith", "matches", "startswith", "text")


def parse(text: str) -> Expression:
    """Return the expression that *text* stands for, or raise `QueryError`."""
    if len(text) > _LONGEST:
        raise QueryError(f"a query has at most {_LONGEST} characters; this one has {len(text)}")
    if not text.strip():
        raise QueryError("the query is empty", "for example: \"tau_m > 10 and status == 'finished'\"")
    return _Query(text).read()


class _Query:
    """One query that is being read."""

    def __init__(self, text: str) -> None:
        self.text = text.replace("\n", " ").rstrip()
        self.margin = len(self.text) - len(self.text.lstrip())
        self.source = self.text.lstrip()
        self.nodes = 0

    def read(self) -> Expression:
        try:
            with warnings.catch_warnings():  # about '\d', which is as it should be in a pattern
                warnings.simplefilter("ignore")
                tree = ast.parse(self.source, "query", "eval")
        except SyntaxError as error:
            column = (error.offset or 1) + self.margin
            raise QueryError(f"the query can't be read at column {column}: {error.msg}", self._hint()) from error
        except (ValueError, MemoryError, RecursionError) as error:
            raise QueryError(
                "the query can't be read: it is nested too deeply, or holds a strange character"
            ) from error
        return self._condition(tree.body, 0)

    def _hint(self) -> str | None:
        words = self.source.split()
        for wrong, right in (("&&", "and"), ("||", "or"), ("AND", "and"), ("OR", "or"), ("NOT", "not"), ("=", "==")):
            if wrong in words or (len(wrong) == 2 and not wrong.isalpha() and wrong in self.source):
                return f"write {right} in the place of {wrong}"
        if "=" in self.source.replace("==", "").replace("<=", "").replace(">=", "").replace("!=", ""):
            return "equality is =="
        return "texts stand in quotes: status == 'finished'"

    def _fail(self, node: ast.AST, message: str, hint: str | None = None) -> NoReturn:
        before = self.source.encode()[:getattr(node, "col_offset", 0)].decode(errors="ignore")
        raise QueryError(f"in the query at column {len(before) + self.margin + 1}: {message}", hint)

    def _count(self, node: ast.AST, depth: int) -> None:
        self.nodes += 1
        if self.nodes > _MOST_NODES or depth > _DEEPEST:
            self._fail(node, "the query is too large")

    def _condition(self, node: ast.expr, depth: int) -> Expression:
        self._count(node, depth)
        if isinstance(node, ast.BoolOp):
            parts = tuple(self._condition(part, depth + 1) for part in node.values)
            return Expression("and" if isinstance(node.op, ast.And) else "or", parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return Expression("not", (self._condition(node.operand, depth + 1),))
        if isinstance(node, ast.Compare):
            return self._comparison(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, bool):
            return Expression("constant", (node.value,))
        found = self._operand(node)
        if not isinstance(found, Name):
            self._fail(node, "a value alone says nothing", "to look for words anywhere: text('words')")
        return Expression("constant", (True,)) if _kind(found) == "time" else Expression("true", (found,))

    def _comparison(self, node: ast.Compare) -> Expression:
        parts = []
        left = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            self._count(right, 0)
            if isinstance(operator, (ast.In, ast.NotIn)):
                parts.append(self._membership(left, right, isinstance(operator, ast.NotIn)))
            else:
                parts.append(self._compare(operator, left, right))
            left = right
        return parts[0] if len(parts) == 1 else Expression("and", tuple(parts))

    def _compare(self, operator: ast.cmpop, left: ast.expr, right: ast.expr) -> Expression:
        sign = _COMPARISONS[type(operator)]
        one, other = self._operand(left), self._operand(right)
        if not isinstance(one, Name):
            if not isinstance(other, Name):
                self._fail(left, "two values are compared", "one side should be a field or parameter")
            one, other, left, right, sign = other, one, right, left, _MIRRORED[sign]
        if other is None:
            return self._compare_with_nothing(sign, one, left)
        if isinstance(operator, (ast.Is, ast.IsNot)) and isinstance(other, str):
            self._fail(left, "texts aren't compared by 'is'", "equality is ==")
        return self._compare_values(sign, one, other, left, right)

    def _compare_with_nothing(self, sign: str, name: Name, node: ast.expr) -> Expression:
        if sign not in ("==", "!="):
            self._fail(node, "None is neither before nor after anything")
        kind = _kind(name)
        if kind in ("words", "files"):
            there = Expression("true", (name,))
        else:
            there = Expression("constant", (True,)) if kind == "time" else Expression("there", (name,))
        return there if sign == "!=" else Expression("not", (there,))

    def _compare_values(self, sign: str, one: Name, other: Any, left: ast.expr, right: ast.expr) -> Expression:
        kinds = (_kind(one), _kind(other))
        for name, kind, node in ((one, kinds[0], left), (other, kinds[1], right)):
            if kind in ("words", "files"):
                self._fail(node, f"{name.name} holds many things", f"write: 'something' in {name.name}")
        if "time" in kinds:
            return self._compare_time(sign, one, other, left, right)
        if one.kind == "field" and not isinstance(other, Name):
            is_text = isinstance(other, str)
            if kinds[0] == "text" and not is_text:
                self._fail(right, f"{one.name} is text", f"write it in quotes: {one.name} {sign} '{other}'")
            if kinds[0] in ("number", "truth") and is_text:
                self._fail(right, f"{one.name} is a {'number' if kinds[0] == 'number' else 'truth value'}, not text")
            if one.name == "status":
                self._check_status(other, right)
        return Expression(sign, (one, other))

    def _check_status(self, status: Any, node: ast.expr) -> None:
        from sumatra.records import STATUSES

        if status not in STATUSES:
            guess = closest(status, STATUSES)
            hint = f"did you mean {guess!r}?" if guess else "known are: " + ", ".join(STATUSES)
            self._fail(node, f"there is no status {status!r}", hint)

    def _compare_time(self, sign: str, one: Name, other: Any, left: ast.expr, right: ast.expr) -> Expression:
        if _kind(one) != "time":
            one, other, left, right, sign = other, one, right, left, _MIRRORED[sign]
        if isinstance(other, Name) and other.kind == "parameter" and other.name in ("today", "yesterday"):
            other = other.name
        if not isinstance(other, str):
            self._fail(right, f"{one.name} is compared with a date", f"write: {one.name} {sign} '2026-11-22'")
        try:
            begin, end = _span(other)
        except (ValueError, OverflowError, OSError):
            self._fail(right, f"{other!r} isn't a date", "write it as '2026-11-22', '2026-11-22 14:30' or 'today'")
        if sign == "!=":
            return Expression("not", (Expression("within", (begin, end)),))
        bounds = {"==": (begin, end), "<": (None, begin), "<=": (None, end), ">": (end, None), ">=": (begin, None)}
        return Expression("within", bounds[sign])

    def _membership(self, left: ast.expr, right: ast.expr, negated: bool) -> Expression:
        if isinstance(right, (ast.Tuple, ast.List, ast.Set)):
            return self._one_of(left, right, negated)
        wanted, name = self._operand(left), self._operand(right)
        if not isinstance(name, Name):
            self._fail(right, "after 'in' comes a field, a parameter or a list",
            "for example: status in ('failed', 'killed')")
        kind = _kind(name)
        if isinstance(wanted, Name) or wanted is None:
            self._fail(left, "before 'in' comes a value", f"for example: 'text' in {name.name}")
        if kind in ("number", "truth", "time"):
            self._fail(right, f"nothing is in {name.name}", f"compare it: {name.name} == …")
        if kind != "any" and not isinstance(wanted, str):
            self._fail(left, f"what is in {name.name} is text", f"write it in quotes: '{wanted}'")
        if kind == "files":
            wanted = wanted.removeprefix("./")
        operator = {"text": "contains", "words": "has", "files": "has", "any": "holds"}[kind]
        found = Expression(operator, (name, wanted))
        if not negated:
            return found
        absent = Expression("not", (found,))
        return absent if kind in ("words", "files") else Expression("and", (Expression("there", (name,)), absent))

    def _one_of(self, left: ast.expr, right: ast.Tuple | ast.List | ast.Set, negated: bool) -> Expression:
        name = self._operand(left)
        if not isinstance(name, Name):
            self._fail(left, "before 'in (…)' comes a field or parameter")
        parts = []
        for element in right.elts:
            self._count(element, 0)
            parts.append(self._compare(ast.Eq(), left, element))
        found = Expression("or", tuple(parts))
        if not negated:
            return found
        return Expression("and", (Expression("there", (name,)), Expression("not", (found,))))

    def _call(self, node: ast.Call) -> Expression:
        if isinstance(node.func, ast.Name):
            function, arguments = node.func.id, list(node.args)
        elif isinstance(node.func, ast.Attribute):
            function, arguments = node.func.attr, [node.func.value, *node.args]
        else:
            self._fail(node, "this can't be called")
        if function not in _FUNCTIONS:
            guess = closest(function, _FUNCTIONS)
            hint = f"did you mean {guess}?" if guess else "known are: " + ", ".join(_FUNCTIONS)
            self._fail(node, f"there is no function {function}", hint)
        if function == "text":
            return self._full_text(node, arguments)
        if len(arguments) != 2 or node.keywords:
            self._fail(node, f"{function} wants a field and a text", f"for example: {function}(reason, 'figure')")
        name, wanted = self._operand(arguments[0]), self._operand(arguments[1])
        if not isinstance(name, Name) or not isinstance(wanted, str):
            self._fail(node, f"{function} wants a field and a text", f"for example: {function}(reason, 'figure')")
        if _kind(name) in ("number", "truth", "time"):
            self._fail(arguments[0], f"{name.name} isn't text")
        if function == "matches":
            wanted = self._pattern(arguments[1], wanted)
        return Expression(function, (name, wanted))

    def _pattern(self, node: ast.expr, read: str) -> str:
        r"""Return a pattern as it was typed: ``'\bfig'`` needs no ``r`` before it."""
        typed = ast.get_source_segment(self.source, node) or ""
        quote = typed[:3] if typed[:3] in ("'''", '"""') else typed[:1]
        if quote[:1] in ("'", '"') and len(typed) >= 2 * len(quote) and quote not in typed[len(quote):-len(quote)]:
            read = searchable(typed[len(quote):-len(quote)])
        try:
            compiled(read)
        except QueryError as error:
            self._fail(node, str(error), error.hint)
        return read

    def _full_text(self, node: ast.Call, arguments: list[ast.expr]) -> Expression:
        wanted = self._operand(arguments[0]) if len(arguments) == 1 and not node.keywords else None
        if not isinstance(wanted, str) or not split_words(wanted):
            self._fail(node, "text wants words", "for example: text('time constant'), text('const*')")
        found: list[tuple[str, bool]] = []
        for piece in wanted.split():
            pieces = split_words(piece)
            found.extend((word, piece.endswith("*") and word is pieces[-1]) for word in pieces)
        return Expression("text", tuple(dict.fromkeys(found)))

    def _operand(self, node: ast.expr) -> Any:
        """Return a `Name`, a number, a text or None."""
        if isinstance(node, ast.Constant):
            if node.value is None or isinstance(node.value, (str, int, float)):
                return operand(node.value)
            self._fail(node, "values are numbers, texts, True, False and None")
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            number = node.operand.value if isinstance(node.operand, ast.Constant) else None
            if isinstance(number, (int, float)):
                return operand(-number if isinstance(node.op, ast.USub) else +number)
            self._fail(node, "only a number has a sign")
        if isinstance(node, ast.Subscript):
            return self._subscript(node)
        parts: list[str] = []
        inner = node
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            self._fail(node, f"{_what(node)} can't stand here", "a query compares fields and parameters with values")
        typed = ast.get_source_segment(self.source, node) or ""
        if not typed.isascii() and typed.count(".") == len(parts):  # Python takes the micro sign for a Greek letter
            return name_of("".join(typed.split()))
        return name_of(".".join([inner.id, *reversed(parts)]))

    def _subscript(self, node: ast.Subscript) -> Name:
        """``parameters['my name']``, for names that aren't Python's."""
        inside = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if not isinstance(node.value, ast.Name) or node.value.id != "parameters" or not isinstance(inside, str):
            self._fail(node, "[…] can't stand here", "only parameters['name'] is known")
        return Name("parameter", searchable(inside))


def _kind(found: Any) -> str:
    """Return the kind of a field, ``any`` for a parameter, and the empty text for a value."""
    if not isinstance(found, Name):
        return ""
    return FIELDS[found.name].kind if found.kind == "field" else "any"


def _what(node: ast.AST) -> str:
    names = {
        "BinOp": "arithmetic", "Lambda": "lambda", "IfExp": "if", "Call": "a function", "Compare": "a comparison",
        "JoinedStr": "an f-string", "BoolOp": "and or or", "NamedExpr": ":=", "Tuple": "a list", "List": "a list",
        "Set": "a set", "Dict": "a dictionary",
    }
    return names.get(type(node).__name__, "this")


def _span(text: str) -> tuple[int, int]:
    """Return begin and end of the year, month, day, hour, minute or second that *text* names, in microseconds.

    Without a zone it is local time.  Raises `ValueError` for what isn't a date.
    """
    text = text.strip()
    if text in ("today", "yesterday"):
        day = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)
        day -= timedelta(days=text == "yesterday")
        return _local(day), _local(day + timedelta(days=1))
    if text.isascii() and text.isdigit() and len(text) == 4:
        return _local(datetime(int(text), 1, 1)), _local(datetime(int(text) + 1, 1, 1))
    if len(text) == 7 and text[4] == "-":
        year, month = int(text[:4]), int(text[5:])
        return _local(datetime(year, month, 1)), _local(datetime(year + month // 12, month % 12 + 1, 1))
    moment = datetime.fromisoformat(text)
    if len(text) <= 10:
        return _local(moment), _local(moment + timedelta(days=1))
    begin = _local(moment)
    return begin, begin + _length(text[10:])


def _length(clock: str) -> int:
    """Return how long the time of day *clock* lasts as it is written, in microseconds."""
    for sign in "+-Zz":
        clock = clock.partition(sign)[0]
    if "." in clock or "," in clock:
        return 1
    return {0: 3_600_000_000, 1: 60_000_000}.get(clock.count(":"), 1_000_000)


def _local(moment: datetime) -> int:
    return microseconds(moment if moment.tzinfo else moment.astimezone())


