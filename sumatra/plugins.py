"""Find a back-end, format or command by the name that a user types.

Each package that has doors for others keeps a table ``BACKENDS`` in its ``__init__``: the name, the module (relative
to the package), and a sentence.  Nothing is imported before it is asked for.  A name that isn't in the table is looked
for among the entry points of the group called like the package (``sumatra.launch``, ``sumatra.cli`` …), so our own
back-ends can't be shadowed and an ordinary call never pays for reading entry points (30 ms).

A third party writes a module of the same shape as ours and declares it::

    [project.entry-points."sumatra.launch"]
    htcondor = "smt_htcondor.launcher"
"""

import sys
from collections.abc import Iterable, Mapping
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

from sumatra.errors import MissingExtra, NoSuchPlugin

__all__ = ["Backend", "closest", "load", "names", "third_parties"]


class Backend(NamedTuple):
    """One line of a package's table."""

    module: str  #: relative to the package, as ``.sqlite``
    summary: str  #: a sentence for help pages
    extra: str | None = None  #: what ``pip install sumatra[…]`` needs to be told, for back-ends with optional libraries


def load(package: str, name: str) -> ModuleType:
    """Return the module of the back-end *name* of *package* (``"sumatra.launch"``, ``"serial"``).

    Raises `NoSuchPlugin` for an unknown name, with the nearest known one as a hint; `MissingExtra` where the
    back-end is ours and the library that it needs isn't installed.
    """
    table = _table(package)
    if name in table:
        backend = table[name]
        try:
            return import_module(backend.module, package)
        except ModuleNotFoundError as error:
            if backend.extra is None or (error.name or "").startswith("sumatra"):
                raise
            raise MissingExtra(
                f"{name} needs the Python package {error.name!r}, which isn't installed",
                f"pip install 'sumatra[{backend.extra}]'",
            ) from error
    return _load_third_party(package, name, table)


def names(package: str, *, everyone: bool = False) -> dict[str, str]:
    """Return the known names of *package* with their summaries; third parties' too if *everyone*."""
    known = {name: backend.summary for name, backend in _table(package).items()}
    if everyone:
        for name, distribution in third_parties(package).items():
            known.setdefault(name, f"(from {distribution})")
    return known


def third_parties(package: str) -> dict[str, str]:
    """Return the names that other distributions declare for *package*, with those distributions' names."""
    from importlib.metadata import entry_points

    return {entry.name: entry.dist.name if entry.dist else "?" for entry in entry_points(group=package)}


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the member of *known* that *name* is most probably a slip of, or None."""
    import difflib

    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def _table(package: str) -> Mapping[str, Backend]:
    table: Mapping[str, Backend] = import_module(package).BACKENDS
    return table


def _load_third_party(package: str, name: str, table: Mapping[str, Backend]) -> ModuleType:
    from importlib.metadata import entry_points

    kind = package.rpartition(".")[2]
    for entry in entry_points(group=package, name=name):
        try:
            module = entry.load()
        except Exception as error:
            distribution = entry.dist.name if entry.dist else "?"
            raise NoSuchPlugin(
                f"the plug-in {name!r} of the package {distribution} doesn't load: {error}",
                f"repair it, or pip uninstall {distribution}",
            ) from error
        if not isinstance(module, ModuleType):
            module = sys.modules[module.__module__]
        return module
    guess = closest(name, table)
    raise NoSuchPlugin(
        f"there is no {kind} called {name!r}",
        f"did you mean {guess!r}?" if guess else "known are: " + ", ".join(sorted(table)),
    )
