"""What the source of a Python module says about itself: which package it belongs to, which version that has.

Source is read as text and never run.
"""

import os

__all__ = ["module_of", "version_in"]

_LARGEST = 1 << 20  #: bytes of a source file that is still read

#: Files beside or in a package that may give its version, in the order in which they are asked.
_PLACES = ("__init__.py", "_version.py", "version.py", "__version__.py", "__about__.py", "_about.py")
_NAMES = ("__version__", "version", "VERSION", "__VERSION__")


def module_of(path: str) -> str:
    """Return the top folder of the package that the source file at *path* belongs to, or *path* for a lone module."""
    top, folder = path, os.path.dirname(path)
    while len(folder) > 1 and os.path.exists(os.path.join(folder, "__init__.py")):
        top, folder = folder, os.path.dirname(folder)
    return top


def version_in(module: str) -> tuple[str, str] | None:
    """Return the version that the source of *module* (a folder, or a file) gives, and what told it."""
    if not os.path.isdir(module):
        found = _assigned(module, ("__version__",)) if module.endswith(".py") else None
        return (found, os.path.basename(module)) if found else None
    for place in _PLACES:
        found = _assigned(os.path.join(module, place), ("__version__",) if place == "__init__.py" else _NAMES)
        if found:
            return found, f"{os.path.basename(module)}/{place}"
    return None


def _assigned(path: str, names: tuple[str, ...]) -> str | None:
    """Return the text or number that is assigned to one of *names* in the source at *path*."""
    try:
        with open(path, "rb") as file:
            source = file.read(_LARGEST)
    except OSError:
        return None
    if not any(name.encode() in source for name in names):
        return None
    import ast

    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found = None
    for statement in statements:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if any(isinstance(target, ast.Name) and target.id in names for target in targets):
            value = _version(getattr(statement, "value", None))
            found = value or found
    return found


def _version(value: object) -> str | None:
    import ast

    if isinstance(value, ast.Constant) and isinstance(value.value, str | int | float):
        return str(value.value).strip() or None
    if isinstance(value, ast.Tuple | ast.List):
        parts = [each.value if isinstance(each, ast.Constant) else None for each in value.elts]
        if parts and isinstance(parts[0], int) and all(isinstance(part, int | str) for part in parts):
            return ".".join(str(part) for part in parts)
    return None
