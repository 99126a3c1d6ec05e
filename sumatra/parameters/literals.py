"""Python's literals: read without being evaluated, and written.

Numbers, strings, truth values, None, lists, tuples and dictionaries.  Names, calls, operators and anything else that
could do something are refused; ``sumatra.parameters.ntparameters`` allows a few calls, which it doesn't call either.
"""

import re
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from sumatra.parameters.values import MOST_DEPTH, MOST_VALUES, Path, Unreadable

if TYPE_CHECKING:
    import ast

__all__ = ["Literal", "end_of_value", "parse", "read", "spell", "value_of"]

_PIECE = re.compile(
    r'''
    (?P<string> """(?:[^"\\]++|\\.|"(?!""))*+""" | \'\'\'(?:[^'\\]++|\\.|'(?!''))*+\'\'\'
              | "(?:[^"\\\r\n]++|\\(?:\r\n|.))*+" | '(?:[^'\\\r\n]++|\\(?:\r\n|.))*+' )
    | (?P<unfinished> ["'] ) | (?P<open> [\[({] ) | (?P<close> [\])}] ) | (?P<comment> \#[^\r\n]*+ )
    | (?P<line> \r\n|\r|\n ) | (?P<sign> [,:] ) | (?P<other> [^\[\](){}"'#\r\n,:]++ )
    ''',
    re.VERBOSE | re.DOTALL,
)
_LINE_END = re.compile(r"\r\n|\r|\n")
_PAIRS = {")": "(", "]": "[", "}": "{"}


def end_of_value(text: str, start: int, *, to_the_end: bool = False) -> int:
    """Return where the literal that begins at *start* ends: with its line, or later if it has brackets.

    With *to_the_end*, all the text is meant.  What is nested too deeply or has too many parts for Python's own parser
    to be let at it raises `Unreadable`.
    """
    open_brackets: list[str] = []
    parts = 0
    end = start
    for piece in _PIECE.finditer(text, start):
        kind = piece.lastgroup
        if kind == "open":
            open_brackets.append(piece[0])
        elif kind == "close":
            if not open_brackets or open_brackets.pop() != _PAIRS[piece[0]]:
                raise Unreadable(f"{piece[0]} closes nothing", piece.start())
        elif kind == "unfinished":
            raise Unreadable("a string begins here and doesn't end", piece.start())
        elif kind in ("line", "comment") and not open_brackets and not to_the_end:
            break
        parts += kind in ("open", "sign", "string")
        if len(open_brackets) > MOST_DEPTH:
            raise Unreadable(f"it is nested more than {MOST_DEPTH} levels deep", piece.start())
        if parts > 3 * MOST_VALUES:
            raise Unreadable(f"there are more than {MOST_VALUES} values: this is data, not parameters", start)
        if kind not in ("line", "comment") and not piece[0].isspace():
            end = piece.end() - (len(piece[0]) - len(piece[0].rstrip()))
    if open_brackets:
        raise Unreadable(f"{open_brackets[-1]} is never closed", start)
    return end


class Literal(NamedTuple):
    """A literal, its value, and where in the text each part of it lies."""

    text: str
    offset: int  #: of the literal in its file
    tree: "ast.expr"
    value: Any
    repeated: tuple[str, ...]  #: names that a dictionary has twice
    lines: tuple[int, ...]  #: where each line of the text begins

    def span(self, node: "ast.expr") -> tuple[int, int]:
        """Return where in the file *node* begins and ends."""
        assert node.end_lineno is not None  # noqa: S101
        assert node.end_col_offset is not None  # noqa: S101
        return self._place(node.lineno, node.col_offset), self._place(node.end_lineno, node.end_col_offset)

    def words(self, node: "ast.expr") -> str:
        """Return the text of *node*."""
        start, end = self.span(node)
        return self.text[start - self.offset:end - self.offset]

    def _place(self, line: int, column: int) -> int:
        start = self.lines[line - 1]
        if not self.text.isascii():
            column = len(self.text[start:start + column].encode()[:column].decode())
        return self.offset + start + column

    def node(self, path: Path) -> "ast.expr":
        """Return the part at *path*; raises `Unreadable` where it isn't written out here."""
        import ast

        node = self.tree
        for step in path:
            if isinstance(node, ast.Dict):
                node = node.values[_place_in(node, str(step))]
            elif isinstance(node, ast.List | ast.Tuple) and isinstance(step, int):
                node = node.elts[step]
            else:
                raise Unreadable(f"{step} isn't written out in this text")
        return node

    def entries(self, path: Path) -> list[tuple[int, int]]:
        """Return where the entries of the list or dictionary at *path* begin and end."""
        import ast

        node = self.node(path)
        if isinstance(node, ast.Dict):
            return [
                (self.span(key)[0], self.span(value)[1])
                for key, value in zip(node.keys, node.values, strict=True) if key is not None
            ]
        return [self.span(element) for element in node.elts] if isinstance(node, ast.List | ast.Tuple) else []

    def place(self, path: Path) -> int:
        """Return the number of the entry at *path* among those of the list or dictionary that it is in."""
        import ast

        parent = self.node(path[:-1])
        return _place_in(parent, str(path[-1])) if isinstance(parent, ast.Dict) else int(path[-1])


def _place_in(node: "ast.Dict", name: str) -> int:
    for place in range(len(node.keys) - 1, -1, -1):
        key = node.keys[place]
        if key is not None and str(_value(key, None, [], 0)) == name:
            return place
    raise Unreadable(f"{name} isn't written out in this text")


#: Makes a value of a call, or raises `Unreadable`; gets the node and its text.
Caller = Callable[["ast.expr", str], Any]


def parse(text: str, offset: int = 0, caller: Caller | None = None) -> Literal:
    """Return the literal that the whole of *text* is; raises `Unreadable`, with places counted from *offset*.

    *caller* says what stands for an expression that isn't a literal.  Nothing is evaluated.
    """
    import ast

    if not text.strip():
        raise Unreadable("there is no value", offset)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        place = offset + _offset_of(text, error.lineno or 1, error.offset or 1)
        raise Unreadable(f"{_excerpt(text)} isn't a literal: {error.msg}", place) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise Unreadable(f"{_excerpt(text)} can't be read: {error}", offset) from None
    lines = (0, *(end.end() for end in _LINE_END.finditer(text)))
    repeated: list[str] = []
    empty = Literal(text, offset, tree, None, (), lines)

    def within(node: "ast.expr") -> Any:
        if caller is None:
            raise _NotLiteral(node)
        try:
            return caller(node, empty.words(node))
        except Unreadable as error:
            raise Unreadable(error.message, empty.span(node)[0]) from None

    try:
        value = _value(tree, within if caller is not None else None, repeated, 0)
    except _NotLiteral as error:
        raise Unreadable(f"{_excerpt(empty.words(error.node))} isn't a literal", empty.span(error.node)[0]) from None
    return empty._replace(value=value, repeated=tuple(repeated))


def read(text: str) -> Any:
    """Return the value of the literal *text*, or raise `Unreadable`."""
    text = text.strip()
    end_of_value(text, 0, to_the_end=True)
    return parse(text).value


def value_of(node: "ast.expr", caller: "Callable[[ast.expr], Any]") -> Any:
    """Return the value of a part of a literal; *caller* says what stands for an expression that isn't one."""
    return _value(node, caller, [], 0)


class _NotLiteral(Exception):
    def __init__(self, node: "ast.expr") -> None:
        super().__init__()
        self.node = node


def _value(
    node: "ast.expr", within: "Callable[[ast.expr], Any] | None", repeated: list[str], depth: int
) -> Any:
    import ast

    if depth > MOST_DEPTH:
        raise _NotLiteral(node)
    if isinstance(node, ast.Constant):
        if node.value is None or isinstance(node.value, bool | int | float | complex | str):
            return node.value
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        number = _value(node.operand, within, repeated, depth + 1)
        if type(number) in (int, float, complex):
            return -number if isinstance(node.op, ast.USub) else number
    elif isinstance(node, ast.BinOp) and within is None:
        return _complex(node)
    elif isinstance(node, ast.List | ast.Tuple):
        elements = [_value(element, within, repeated, depth + 1) for element in node.elts]
        return elements if isinstance(node, ast.List) else tuple(elements)
    elif isinstance(node, ast.Dict):
        group: dict[str, Any] = {}
        for key, inner in zip(node.keys, node.values, strict=True):
            if key is None or isinstance(key, ast.Tuple):
                raise _NotLiteral(key or node)
            name = str(_value(key, None, repeated, depth + 1))
            if name in group:
                repeated.append(name)
            group[name] = _value(inner, within, repeated, depth + 1)
        return group
    if within is not None:
        return within(node)
    raise _NotLiteral(node)


def _complex(node: "ast.BinOp") -> complex:
    import ast

    sign = {ast.Add: 1, ast.Sub: -1}.get(type(node.op))
    right = node.right
    if sign and isinstance(right, ast.Constant) and isinstance(right.value, complex):
        left = node.left.operand if isinstance(node.left, ast.UnaryOp) else node.left
        if isinstance(left, ast.Constant) and type(left.value) in (int, float):
            real: Any = _value(node.left, None, [], 0)
            try:
                return complex(real + sign * right.value)
            except OverflowError:
                raise _NotLiteral(node) from None
    raise _NotLiteral(node)


def spell(value: Any, like: str = "") -> str:
    """Return *value* as a literal, with the kind of quotes that the literal *like* has."""
    if isinstance(value, bool) or value is None or isinstance(value, int):
        return repr(value)
    if isinstance(value, float):
        if value != value:
            raise Unreadable("Python has no literal for nan")
        return repr(value).replace("inf", "1e999")
    if isinstance(value, str):
        if like[:1] == '"' and '"' not in value:
            return '"' + repr("'" + value)[2:]
        return repr(value)
    if isinstance(value, complex):
        return repr(value)
    if isinstance(value, list):
        return "[" + ", ".join(spell(inner, like) for inner in value) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(spell(inner, like) for inner in value) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{spell(str(name), like)}: {spell(inner, like)}" for name, inner in value.items()) + "}"
    raise Unreadable(f"Python has no literal for the type {type(value).__name__}")


def _offset_of(text: str, line: int, column: int) -> int:
    ends = [0, *(end.end() for end in _LINE_END.finditer(text))]
    return min(ends[min(line, len(ends)) - 1] + max(column - 1, 0), len(text))


def _excerpt(text: str) -> str:
    text = text.strip()
    return repr(text if len(text) <= 60 else text[:57] + "…")
