"""What a Python script would load, by reading what it imports; nothing is imported or run.

Imports are followed through the user's own code.  What installed packages import in turn isn't followed: which of it is
loaded depends on far too much, and what is installed is told by the list of all of it.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sumatra.dependency_finder import _python_path as search
from sumatra.dependency_finder._python_statements import Imported, cells, imports
from sumatra.dependency_finder._reading import (
    NOT_FOUND,
    NOT_LOADED,
    Reader,
    head,
    is_below,
    main_of,
    pattern,
    told_path,
)
from sumatra.dependency_finder.base import Found, Run
from sumatra.records import Dependency

__all__ = ["foreseen"]

_OPTIONAL = "optional"
_EXTENSION = pattern(r"\.(?:cpython|pypy|abi3|cp)[\w.-]*\.so$|\.so$")
_VERSION = pattern(rb"^__version__[^=\n]{0,80}=[ \t]{0,8}[\"']([\w.+!-]{1,80})[\"']", re.MULTILINE)

#: Where in a package its version may stand as text.
_VERSION_FILES = ("__init__.py", "_version.py", "version.py", "__version__.py", "__about__.py")


def foreseen(run: Run) -> Found:
    """Return what the Python script of *run* would load, each flagged ``not loaded``.

    The modules of the user's own code by file, packages by distribution; what isn't found has no version and the flag
    ``not found``, and ``optional`` where the program is prepared for that.
    """
    if run.module:
        return _Look(run, os.path.join(os.path.realpath(run.folder), "-m")).found(run.module)
    main = main_of(run, "Python")
    return Found() if main is None else _Look(run, main).found()


class _Place(NamedTuple):
    """Where a module was found."""

    path: str  #: of the file; of the folder for a namespace package
    entry: str  #: the folder of the search path
    kind: str
    is_editable: bool
    package: str  #: dotted name of the package that relative imports in it start from


class _Look:
    """One look through the code of a run."""

    def __init__(self, run: Run, main: str) -> None:
        self._run = run
        self._main = main
        self._reader = Reader()
        self._interpreter = _interpreter(run)
        here = run.folder or os.path.dirname(main)
        self._entries = search.entries(self._interpreter, run.environment, os.path.dirname(main), here)
        self._mapped = search.mapped(self._interpreter) if self._interpreter else {}
        self._names: dict[str, frozenset[str]] = {}
        self._distributions: dict[str, _Distributions] = {}
        self._found: dict[str, Dependency] = {}
        self._done: set[str] = set()
        self._places: dict[str, _Place | None] = {}

    def found(self, module: str | None = None) -> Found:
        """Return it all; with *module*, what that would load when Python runs it, in place of the main file."""
        waiting = [(self._main, "")] if module is None else self._module_to_run(module)
        self._done.update(path for path, _ in waiting)
        while waiting:
            path, package = waiting.pop()
            source = self._reader.read(path)
            if path.endswith(".ipynb"):
                source = cells(source)
            for each in imports(source):
                for place in self._follow(each, package, path):
                    if place.path not in self._done and place.path.endswith(".py"):
                        self._done.add(place.path)
                        waiting.append((place.path, place.package))
        dependencies = sorted(self._found.values(), key=lambda each: (each.name != "python", each.name.lower()))
        if self._interpreter is not None:
            dependencies.insert(0, self._python(self._interpreter))
        return Found(tuple(dependencies), findings=self._reader.findings("Python"))

    def _module_to_run(self, name: str) -> list[tuple[str, str]]:
        """Return the files of own code that running the module *name* loads first, each with its package."""
        places = list(self._chain(name, False, True))
        whole = self._place(name)
        if whole is not None and whole.package == name:  # what is run of a package is a module in it
            places += [place for place in self._chain(f"{name}.__main__", False, True) if place not in places]
        return [(place.path, place.package) for place in places if place.kind == search.OWN]

    def _python(self, interpreter: search.Interpreter) -> Dependency:
        told = self._run.executable
        version = told.version if told and told.version and told.path == interpreter.path else None
        return Dependency(
            "python", os.path.realpath(interpreter.path), version or interpreter.minor, "python",
            source="the program itself" if version else "folder of its library", flags=(NOT_LOADED,),
        )

    def _follow(self, each: Imported, package: str, path: str) -> Iterator[_Place]:
        """Yield the files of own code that one import loads; other modules become dependencies."""
        if each.is_path:
            yield from self._script(each.module, path)
            return
        name = each.module
        if each.level:
            parts = package.split(".") if package else []
            if each.level > len(parts):
                return  # it can't be imported, by whoever
            parts = parts[:len(parts) - each.level + 1]
            name = ".".join(filter(None, (*parts, name)))
        for wanted in (name, *(f"{name}.{below}" for below in each.names)):
            is_sure = wanted == name
            for place in self._chain(wanted, each.optional, is_sure):
                if place.kind == search.OWN:
                    yield place

    def _script(self, name: str, path: str) -> Iterator[_Place]:
        for folder in (self._run.folder, os.path.dirname(path)):
            script = os.path.realpath(os.path.join(folder, name)) if "\0" not in name else ""
            if os.path.isfile(script):
                place = _Place(script, folder, search.OWN, False, "")
                self._note(os.path.basename(script), place)
                yield place
                return

    def _chain(self, name: str, optional: bool, is_sure: bool) -> Iterator[_Place]:
        """Yield where the packages of the dotted *name* and it itself are."""
        parts = name.split(".")
        if len(parts) > 50 or not parts[0]:
            return
        top = parts[0]
        for count in range(1, len(parts) + 1):
            dotted = ".".join(parts[:count])
            place = self._place(dotted)
            if place is None:
                if count == 1 and is_sure:
                    self._miss(top, optional)
                return
            if os.path.isdir(place.path):
                continue  # of a namespace: what is in it tells more
            self._note(dotted, place)
            yield place
            if place.kind != search.OWN:
                return  # a part of what was noted

    def _place(self, dotted: str) -> _Place | None:
        if dotted not in self._places:
            if len(self._places) > 100_000:
                return None
            self._places[dotted] = self._look_up(dotted)
        return self._places[dotted]

    def _look_up(self, dotted: str) -> _Place | None:
        *above, name = dotted.split(".")
        if not above:
            if name in self._mapped:
                place = self._mapped[name]
                return self._module(os.path.dirname(place), "", name, dotted, search.OWN, True)
            if name in sys.builtin_module_names:
                return _Place("", "", search.STANDARD, False, "")
            namespace = None
            for folder, kind, editable in self._entries:
                found = self._module(folder, "", name, dotted, kind, editable)
                if found is not None and not os.path.isdir(found.path):
                    return found
                namespace = namespace or found
            if namespace is None and name in sys.stdlib_module_names:
                return _Place("", "", search.STANDARD, False, "")
            return namespace
        relative = "/".join(above)
        package = self._place(".".join(above))
        if package is None or not package.path:
            return None
        if not os.path.isdir(package.path):
            folder = os.path.dirname(package.path)
            if not os.path.basename(package.path).startswith("__init__."):
                return None
            return self._module(folder, "", name, dotted, package.kind, package.is_editable, package.entry)
        namespace = None
        for folder, kind, editable in self._entries:  # each of them may have a part of it
            found = self._module(folder, relative, name, dotted, kind, editable)
            if found is not None and not os.path.isdir(found.path):
                return found
            namespace = namespace or found
        return namespace

    def _module(
        self, folder: str, relative: str, name: str, dotted: str, kind: str, editable: bool, entry: str = ""
    ) -> _Place | None:
        """Return where *name* is in a folder; names are compared as they are, whatever the disk thinks of case."""
        inside = os.path.join(folder, relative) if relative else folder
        names = self._listed(inside)
        parent = dotted.rpartition(".")[0]
        if name in names:
            below = self._listed(os.path.join(inside, name))
            initial = next((each for each in below if _stem(each) == "__init__"), None)
            if initial is not None:
                return _Place(os.path.join(inside, name, initial), entry or folder, kind, editable, dotted)
        for each in (f"{name}.py", f"{name}.so", f"{name}.pyc"):
            if each in names:
                return _Place(os.path.join(inside, each), entry or folder, kind, editable, parent)
        extension = next((each for each in names if each.startswith(f"{name}.") and _stem(each) == name), None)
        if extension is not None:
            return _Place(os.path.join(inside, extension), entry or folder, kind, editable, parent)
        if name in names and os.path.isdir(os.path.join(inside, name)):
            return _Place(os.path.join(inside, name), entry or folder, kind, editable, dotted)
        return None

    def _listed(self, folder: str) -> frozenset[str]:
        if folder not in self._names:
            try:
                self._names[folder] = frozenset(os.listdir(folder))
            except (OSError, ValueError):
                self._names[folder] = frozenset()
        return self._names[folder]

    def _note(self, dotted: str, place: _Place) -> None:
        """Keep the module as a dependency, or what it belongs to."""
        if place.kind == search.STANDARD:
            return
        if place.kind == search.SITE:
            known = self._known(place.entry)
            relative = os.path.relpath(place.path, place.entry)
            name, version = known.owner(relative)
            top = os.path.join(place.entry, relative.partition("/")[0])
            if name is None:
                text, source = _version_in(place.path)
                self._add(Dependency(dotted.partition(".")[0], top, text, "python", source=source, flags=(NOT_LOADED,)))
            else:
                self._add(Dependency(name, top, version, "python", source="metadata", flags=(NOT_LOADED,)))
            return
        checkout = self._run.checkout_of(place.path)
        root = os.path.realpath(self._run.root) if self._run.root else ""
        if is_below(place.path, root) or (checkout is not None and is_below(root, checkout)):
            name = told_path(place.path, self._run.root)
            self._add(Dependency(name, place.path, None, "python", checkout=checkout, flags=(NOT_LOADED,)))
            return
        top = os.path.join(place.entry, dotted.partition(".")[0])
        version, source = _version_in(top if os.path.isdir(top) else place.path)
        flags = ("editable", NOT_LOADED) if place.is_editable else (NOT_LOADED,)
        path = top if os.path.isdir(top) else place.path
        self._add(Dependency(dotted.partition(".")[0], path, version, "python", "", source, checkout, flags))

    def _known(self, site: str) -> "_Distributions":
        if site not in self._distributions:
            self._distributions[site] = _Distributions(site, self._listed(site))
        return self._distributions[site]

    def _miss(self, name: str, optional: bool) -> None:
        if not name.isidentifier() or (self._interpreter is None and name in sys.stdlib_module_names):
            return
        flags: tuple[str, ...] = (NOT_LOADED,)
        if self._interpreter is not None:  # else nobody knows where to look
            flags = (NOT_LOADED, NOT_FOUND, _OPTIONAL) if optional else (NOT_LOADED, NOT_FOUND)
        known = self._found.get(f"{name}\n")
        if known is None or _OPTIONAL in known.flags:
            self._add(Dependency(name, "", None, "python", flags=flags))

    def _add(self, dependency: Dependency) -> None:
        self._found[f"{dependency.name}\n{dependency.path}"] = dependency


class _Distributions:
    """The distributions in one folder of packages, by what they have brought."""

    def __init__(self, site: str, names: Iterable[str]) -> None:
        self._site = site
        self._names: dict[str, tuple[str, str, str]] = {}  #: by normalised name: name, version, folder of metadata
        for entry in sorted(names):
            stem, _, suffix = entry.rpartition(".")
            if suffix in ("dist-info", "egg-info"):
                name, _, version = stem.partition("-")
                self._names[_normal(name)] = (name, re.sub(r"-py\d.*$", "", version), entry)
        self._by_top: dict[str, list[tuple[str, str, str]]] | None = None

    def owner(self, relative: str) -> tuple[str | None, str | None]:
        """Return name and version of the distribution that has brought the file *relative* to the folder."""
        top = relative.partition("/")[0]
        stem = _stem(top)
        direct = self._names.get(_normal(stem))
        if direct and not self._is_doubtful(direct, relative):
            return self._told(direct)
        if self._by_top is None:
            self._by_top = self._tops()
        several = self._by_top.get(stem, [])
        if len(several) > 1:
            line = re.compile(rb"^\"?" + re.escape(os.fsencode(relative)) + rb"\"?,", re.MULTILINE)
            several = [each for each in several if line.search(self._record(each))] or several[:1]
        return self._told(several[0]) if several else (None, None)

    def _is_doubtful(self, each: tuple[str, str, str], relative: str) -> bool:
        """Tell whether the distribution that is called like a module has nothing of it, as that of a namespace."""
        record = self._record(each)
        return bool(record) and f"{relative},".encode("utf-8", "surrogateescape") not in record

    def _tops(self) -> dict[str, list[tuple[str, str, str]]]:
        found: dict[str, list[tuple[str, str, str]]] = {}
        for each in self._names.values():
            record = self._record(each)
            if record:
                names = {os.fsdecode(name) for name in re.findall(rb"^\"?([^/,\"\n]+)[/,]", record, re.MULTILINE)}
            else:
                text = os.fsdecode(head(os.path.join(self._site, each[2], "top_level.txt")))
                names = set(text.split())
            for name in {_stem(name) for name in names}:
                found.setdefault(name, []).append(each)
        return found

    def _record(self, each: tuple[str, str, str]) -> bytes:
        return head(os.path.join(self._site, each[2], "RECORD"), 1 << 22)

    def _told(self, each: tuple[str, str, str]) -> tuple[str, str | None]:
        """Return the name and the version that the metadata tell, or else those in the name of their folder."""
        name, version, entry = each
        path = os.path.join(self._site, entry)
        for place in ("METADATA", "PKG-INFO"):
            text = head(os.path.join(path, place), 4096)
            told = re.search(rb"^Version:[ \t]*(\S+)", text, re.MULTILINE)
            called = re.search(rb"^Name:[ \t]*(\S+)", text, re.MULTILINE)
            if told:
                return (called[1].decode("utf-8", "replace") if called else name), told[1].decode("utf-8", "replace")
        return name, version or None


def _interpreter(run: Run) -> search.Interpreter | None:
    """Return the Python that runs the script: the program of the run, or else the one that would be found."""
    told = run.executable
    if told is not None and told.name in ("Python", "PyPy"):
        found = search.interpreter_at(told.path, run.environment)
        if found is not None:
            return found
    for folder in run.environment.get("PATH", "").split(os.pathsep):
        for name in ("python3", "python"):
            path = os.path.join(folder, name)
            if folder.startswith("/") and os.access(path, os.X_OK):
                found = search.interpreter_at(path, run.environment)
                if found is not None:
                    return found
    return None


def _stem(name: str) -> str:
    """Return the name of the module in the file called *name*: ``_core`` for ``_core.cpython-311.so``."""
    return name[:-3] if name.endswith(".py") else name[:-4] if name.endswith(".pyc") else _EXTENSION.sub("", name)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _version_in(path: str) -> tuple[str | None, str | None]:
    """Return the ``__version__`` that stands as text in a module (a file) or package (its folder), and what told it."""
    if os.path.basename(path) == "__init__.py":
        path = os.path.dirname(path)
    places = [os.path.join(path, name) for name in _VERSION_FILES] if os.path.isdir(path) else [path]
    for place in places:
        found = _VERSION.search(head(place, 1 << 18)) if place.endswith(".py") else None
        if found:
            return found[1].decode(), os.path.relpath(place, os.path.dirname(path))
    return None, None
