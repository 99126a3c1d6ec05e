"""NeuroTools parameter sets: a Python dictionary in which a few functions may be called.

The text is read, never evaluated, although the ``parameters`` package would.  ``url("…")`` takes in a file that lies
in the folder of the parameter file or below it, never anything from a network; ``ref("a.b")`` is the value that it
names; ``ParameterRange([…])`` and the distributions stay what they are written as.
"""

import os
from typing import TYPE_CHECKING, Any

from sumatra.errors import MissingExtra
from sumatra.parameters import literals
from sumatra.parameters.base import ParameterSet
from sumatra.parameters.text import Edit, decode, insertion, read_file, removal
from sumatra.parameters.values import MOST_DEPTH, Path, Unreadable, at, find, measure

if TYPE_CHECKING:
    import ast

__all__ = ["BACKEND", "NTParameterSet"]

_CALLS = frozenset(["GammaDist", "NormalDist", "ParameterRange", "ParameterTable", "UniformDist"])
_NAMES = {"true": True, "false": False, "pi": 3.141592653589793}
_MOST_FILES = 20
_MOST_CALLS = 2_000


class _Call(str):
    """The text of a call, which stands for itself."""

    __slots__ = ("arguments", "function", "keywords")
    function: str
    arguments: list[Any]
    keywords: dict[str, Any]


class _Reference(str):
    """The name that a ``ref`` gives."""

    __slots__ = ()


class NTParameterSet(ParameterSet):
    """Parameters in groups, as the ``parameters`` package writes them."""

    type = "nt"
    suffix = ".ntparameterset"
    _empty = "{\n}\n"

    def _read(self, text: str) -> dict[str, Any]:
        self._files = 0
        self._calls = 0
        values = self._tree(text, self._folder)
        self._resolved: dict[str, Any] = _resolved(values, values, {})
        measure(self._resolved)
        return values

    def _told(self) -> dict[str, Any]:
        return self._resolved

    def _tree(self, text: str, folder: str | None) -> dict[str, Any]:
        literal = self._parsed(text, folder)
        self._warnings += [f"{name} is there twice in one group; the last one counts" for name in literal.repeated]
        if not isinstance(literal.value, dict):
            raise Unreadable("the outermost value isn't a dictionary, as a parameter set has to be", literal.offset)
        return literal.value

    def _parsed(self, text: str, folder: str | None = None, *, shallow: bool = False) -> literals.Literal:
        def stand_in(node: "ast.expr", words: str) -> Any:
            return None if shallow else self._meaning(node, words, folder)

        literals.end_of_value(text, 0, to_the_end=True)
        start = _start(text)
        return literals.parse(text[start:], start, stand_in)

    def _meaning(self, node: "ast.expr", words: str, folder: str | None) -> Any:
        import ast

        if isinstance(node, ast.Name) and node.id in _NAMES:
            return _NAMES[node.id]
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            raise Unreadable(f"{words[:60]!r} is neither a literal nor one of the functions of a parameter set")
        self._calls += 1
        if self._calls > _MOST_CALLS:
            raise Unreadable(f"there are more than {_MOST_CALLS} functions")
        name = node.func.id
        arguments = [self._argument(argument, folder) for argument in node.args]
        if any(keyword.arg is None for keyword in node.keywords):
            raise Unreadable("a ** has no place in a parameter set")
        keywords = {str(keyword.arg): self._argument(keyword.value, folder) for keyword in node.keywords}
        if name in ("url", "ref") and len(arguments) == 1 and isinstance(arguments[0], str) and not keywords:
            return self._included(arguments[0], folder) if name == "url" else _Reference(arguments[0])
        if name == "ParameterSet" and len(arguments) == 1 and isinstance(arguments[0], dict):
            return arguments[0]
        if name not in _CALLS:
            raise Unreadable(f"{name}(…) isn't one of the functions of a parameter set, and isn't called")
        call = _Call(words)
        call.function, call.arguments, call.keywords = name, arguments, keywords
        return call

    def _argument(self, node: "ast.expr", folder: str | None) -> Any:
        import ast

        if isinstance(node, ast.Starred):
            raise Unreadable("a * has no place in a parameter set")
        return literals.value_of(node, lambda inner: self._meaning(inner, ast.unparse(inner), folder))

    def _included(self, address: str, folder: str | None) -> dict[str, Any]:
        path = address.removeprefix("file://")
        if "://" in path or address.startswith("//"):
            raise Unreadable(f"url({address!r}) isn't a file beside this one, and nothing is fetched from elsewhere")
        if folder is None:
            raise Unreadable(f"url({address!r}) can't be looked for, as this text isn't from a file")
        whole = os.path.realpath(os.path.join(folder, path))
        if os.path.commonpath([whole, os.path.realpath(folder)]) != os.path.realpath(folder):
            raise Unreadable(f"url({address!r}) lies outside the folder of the parameter file, and isn't read")
        self._files += 1
        if self._files > _MOST_FILES:
            raise Unreadable(f"more than {_MOST_FILES} files are taken in")
        try:
            text, _ = decode(read_file(whole), whole, any_bytes=False)
        except OSError as error:
            raise Unreadable(f"url({address!r}) can't be read: {error.strerror}") from None
        return self._tree(text, folder)

    def _replacing(self, text: str, path: Path, value: Any) -> Edit:
        literal = self._parsed(text, shallow=True)
        start, end = literal.span(literal.node(path))
        return Edit(start, end, literals.spell(value, text[start:end]))

    def _adding(self, text: str, path: Path, name: str, value: Any) -> Edit:
        literal = self._parsed(text, shallow=True)
        entries = literal.entries(path)
        opening = literal.span(literal.node(path))[0] + 1
        entry = f"{literals.spell(name)}: {literals.spell(value)}"
        return insertion(text, opening, entries[-1] if entries else None, entry)

    def _removing(self, text: str, path: Path) -> Edit:
        literal = self._parsed(text, shallow=True)
        return removal(literal.entries(path[:-1]), literal.place(path))

    def _as_read(self, value: Any, old: Any) -> Any:
        return value

    def as_neurotools(self) -> Any:
        """Return a ``parameters.ParameterSet`` with these values; raises `MissingExtra` without that package.

        It is made from the values that were read here; the package never sees the text.
        """
        try:
            import parameters
        except ModuleNotFoundError as error:
            raise MissingExtra(
                "the Python package 'parameters' isn't installed", "pip install 'sumatra[neurotools]'"
            ) from error
        return parameters.ParameterSet(_made(self._resolved, parameters))


BACKEND = NTParameterSet


def _start(text: str) -> int:
    """Return where the dictionary begins, after blank lines and comments."""
    place = 0
    while place < len(text) and (text[place].isspace() or text[place] == "#"):
        if text[place] == "#":
            end = text.find("\n", place)
            place = len(text) if end == -1 else end
        else:
            place += 1
    return place


def _resolved(value: Any, root: dict[str, Any], known: dict[str, Any], depth: int = 0) -> Any:
    """Return *value* with what its references name; *known* are those that were looked up before."""
    if depth > MOST_DEPTH:
        raise Unreadable("it is nested too deeply, or its references go round in a circle")
    if isinstance(value, dict):
        return {name: _resolved(inner, root, known, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_resolved(inner, root, known, depth + 1) for inner in value)
    if not isinstance(value, _Reference):
        return value
    if value not in known:
        path = find(root, value)
        if path is None:
            raise Unreadable(f"ref({str(value)!r}) names nothing")
        target = at(root, path)
        parts = target if isinstance(target, list | tuple) else ()
        if isinstance(target, dict) or any(isinstance(part, dict | list | tuple | _Reference) for part in parts):
            raise Unreadable(f"ref({str(value)!r}) names a group, not a value")
        known[value] = _resolved(target, root, known, depth + 1)
    return known[value]


def _made(value: Any, package: Any) -> Any:
    """Return *value* with the package's own objects for calls."""
    if isinstance(value, dict):
        return {name: _made(inner, package) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_made(inner, package) for inner in value)
    if isinstance(value, _Call):
        arguments = [_made(argument, package) for argument in value.arguments]
        if value.function == "ParameterTable" and any(isinstance(argument, str) for argument in arguments):
            return str(value)  # a table in a string might be taken for an address, and fetched
        keywords = {name: _made(inner, package) for name, inner in value.keywords.items()}
        return getattr(package, value.function)(*arguments, **keywords)
    return value
