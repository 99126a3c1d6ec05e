"""The modules that the source of a Python file imports, by reading it."""

import ast
import json
import re
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from sumatra.dependency_finder._reading import pattern

__all__ = ["Imported", "cells", "imports"]

#: What a program does when these are raised inside ``try`` is part of its plan.
_EXPECTED = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException", "AttributeError"})

_LINE = pattern(
    r"^[ \t]*(?:from[ \t]+(\.*[\w.]*)[ \t]+import[ \t]+([\w*][\w \t,*]*|\([^)]{0,2000}\))"
    r"|import[ \t]+([\w][\w. \t,]*))",
    re.MULTILINE,
)


#: For a name with so many dots (bytes) Python's parser takes time that grows with their square.
_ENDLESS = pattern(rb"(?:\.[\s\\]{0,3}\w{1,50}[\s\\]{0,3}){500}")


class Imported(NamedTuple):
    """One import."""

    module: str  #: empty in ``from . import x``
    level: int = 0  #: dots before it
    names: tuple[str, ...] = ()  #: what is imported from it, which may be modules too
    optional: bool = False  #: the program is prepared for its absence
    is_path: bool = False  #: *module* is the path of a file


def imports(source: bytes) -> list[Imported]:
    """Return what *source* imports; by its lines alone where it isn't what this Python can parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the user's code, which are none of ours
            tree = ast.parse(b"(" if _ENDLESS.search(source) else source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return list(_by_lines(source.decode("utf-8", "replace")))
    return list(_of_tree(tree))


def cells(source: bytes) -> bytes:
    """Return the code in the cells of a notebook, without what only notebooks understand."""
    try:
        notebook = json.loads(source)
        found = notebook.get("cells") or [cell for sheet in notebook["worksheets"] for cell in sheet["cells"]]
        texts = [cell.get("source", cell.get("input", "")) for cell in found if cell.get("cell_type") == "code"]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return b""
    lines = []
    for text in texts:
        text = "".join(map(str, text)) if isinstance(text, list) else str(text)
        if text.startswith("%%") and not text.startswith(("%%time", "%%capture", "%%prun")):
            continue  # another language
        for line in text.split("\n"):
            word = line.lstrip()
            indent = line[:len(line) - len(word)]
            ran = re.match(r"%run(?:[ \t]+-\w+)*[ \t]+[\"']?([^\s\"']+)", word)
            if ran:
                line = f"{indent}runpy.run_path({ran[1]!r})"
            elif word.startswith(("%", "!", "?")) or word.rstrip().endswith("?"):
                line = f"{indent}pass"
            lines.append(line)
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _of_tree(tree: ast.AST) -> Iterator[Imported]:
    """Yield the imports below *tree*, in no order; walks without recursion, as nesting is the user's."""
    waiting: list[tuple[ast.AST, bool]] = [(tree, False)]
    while waiting:
        node, optional = waiting.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Imported(alias.name, optional=optional)
        elif isinstance(node, ast.ImportFrom):
            yield Imported(
                node.module or "", node.level, tuple(alias.name for alias in node.names if alias.name != "*"), optional
            )
        elif isinstance(node, ast.Call):
            yield from _of_call(node, optional)
        if isinstance(node, ast.If) and _is_for_checkers(node.test):
            waiting += [(child, optional) for child in node.orelse]
        elif isinstance(node, ast.Try | ast.TryStar):
            expected = optional or any(_expects(handler) for handler in node.handlers)
            waiting += [(child, expected) for child in node.body]
            waiting += [(child, expected) for handler in node.handlers for child in handler.body]
            waiting += [(child, optional) for child in (*node.orelse, *node.finalbody)]
        else:
            waiting += [(child, optional) for child in ast.iter_child_nodes(node)]


def _of_call(node: ast.Call, optional: bool) -> Iterator[Imported]:
    name = _name(node.func)
    if not node.args or not isinstance(node.args[0], ast.Constant) or not isinstance(node.args[0].value, str):
        return
    text = node.args[0].value
    if name in ("importlib.import_module", "import_module", "__import__"):
        module = text.lstrip(".")
        yield Imported(module, len(text) - len(module), optional=optional)
    elif name in ("runpy.run_path", "run_path", "execfile"):
        yield Imported(text, optional=optional, is_path=True)
    elif name in ("runpy.run_module", "run_module"):
        yield Imported(text, names=("__main__",), optional=optional)


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _is_for_checkers(test: ast.expr) -> bool:
    return _name(test).rpartition(".")[2] == "TYPE_CHECKING"


def _expects(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or _name(kind) in _EXPECTED for kind in kinds)


def _by_lines(text: str) -> Iterator[Imported]:
    for found in _LINE.finditer(text):
        if found[3]:
            for name in found[3].split(","):
                module = name.split()[0] if name.split() else ""
                if module.strip("."):
                    yield Imported(module.strip("."))
        else:
            module = found[1].lstrip(".")
            names = [name.split()[0] for name in found[2].strip("()").split(",") if name.split()]
            yield Imported(module, len(found[1]) - len(module), tuple(name for name in names if name.isidentifier()))
