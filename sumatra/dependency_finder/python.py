"""What a run loaded of Python: interpreters, distributions, and modules that belong to none."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sumatra.dependency_finder import _python_interpreters as interpreters
from sumatra.dependency_finder import _python_lock, _python_source, _third_parties
from sumatra.dependency_finder._python_sites import Distribution, Site, read_site, source_of
from sumatra.dependency_finder.base import Again, Finder, Found, Run
from sumatra.records import Dependency

__all__ = ["BACKEND", "PythonFinder"]

#: Endings of what tells about packages and isn't loaded as one.
_METADATA = (".dist-info", ".egg-info", ".egg-link", ".pth", ".virtualenv")

#: Modules that installers put there to be loaded at every start, whatever the program then uses.
_STARTERS = re.compile(
    r"_distutils_hack(?:/.*)?|_virtualenv\.py|__editable__.*|_editable_impl_.*|_\w+_editable(?:_loader)?\.py"
)

_EXTENSION = re.compile(r"\.(?:cpython-\w+|pypy\w+|abi3|cp\d+)[\w.-]*\.(?:so|pyd)$")


class _Files(NamedTuple):
    """The files of a run that have to do with Python, by what they are."""

    programs: list[str]
    settings: list[str]  #: ``pyvenv.cfg``
    libraries: dict[str, str]  #: versions by prefix
    standard: list[str]  #: files of those
    packaged: dict[str, list[str]]  #: by folder of packages, relative to it
    loose: list[str]  #: source and extension modules elsewhere
    moved: dict[str, str]  #: bytecode by the source that it stands for, where it lies in a folder of its own


class PythonFinder(Finder):
    """Knows the distributions of Python."""

    name = "python"

    def loaded(self, run: Run) -> Found:
        """Return interpreters and distributions, and for each environment the list of all that is installed in it."""
        files = _sorted(run)
        known = interpreters.find(files.programs, files.libraries, files.settings)
        if not known:
            return Found()
        used = {folder: len(paths) for folder, paths in files.packaged.items()}
        main = run.executable.path if run.executable else ""
        environments = interpreters.environments(known, files.settings, used, main)
        folders = dict.fromkeys((*files.packaged, *(folder for each in environments for folder in each.sites)))
        sites = {folder: read_site(folder, run.cache) for folder in folders}
        versions = {each.path: _version(each, run) for each in known}
        modules = _Modules(run, sites)
        dependencies = [
            Dependency("python", each.path, version, "python", source=source)
            for each, (version, source) in zip(known, versions.values(), strict=True)
        ]
        for folder, paths in files.packaged.items():
            dependencies += modules.installed(folder, paths)
        more, theirs = modules.elsewhere(files.loose, [sites[folder] for each in environments for folder in each.sites])
        accounted = _accounted(files, known, theirs)
        locks = {}
        for place, each in enumerate(environments):
            version = versions[each.interpreter.path][0] if each.interpreter else None
            name = "python" if place == 0 else f"python:{each.prefix}"
            locks[name] = _python_lock.write_lock([sites[folder] for folder in each.sites], version)
        return Found(tuple(sorted([*dependencies, *more], key=_order)), accounted & frozenset(run.files), locks)

    def foreseen(self, run: Run) -> Found:
        """Return what the code imports, by reading it."""
        from sumatra.dependency_finder import python_imports

        return python_imports.foreseen(run)

    def again(self, run: Run, dependencies: Sequence[Dependency], locks: Mapping[str, str]) -> list[Again]:
        """Return what has become of *dependencies* in the environment that the interpreter has now."""
        from sumatra.dependency_finder import _python_again

        return _python_again.again(run, dependencies, locks)


def _sorted(run: Run) -> _Files:
    files = _Files([], [], {}, [], {}, [], {})
    known: dict[str, bool] = {}
    elsewhere = run.environment.get("PYTHONPYCACHEPREFIX", "").rstrip("/")
    for path in run.files:
        origin = path
        if elsewhere and path.startswith(f"{elsewhere}/") and path.endswith(".pyc"):
            folder, _, name = path[len(elsewhere):].rpartition("/")
            origin = f"{folder}/{name.partition('.')[0]}.py"
            files.moved[origin] = path
        cut = origin.rfind("-packages/")
        if cut > 0 and origin[:cut].endswith(("/site", "/dist")):
            files.packaged.setdefault(origin[:cut + 9], []).append(origin[cut + 10:])
            continue
        prefix, minor = interpreters.library_of(origin, known)
        if prefix:
            files.libraries[prefix] = minor
            files.standard.append(path)
        elif origin.endswith((".py", ".pyc")) or (origin.endswith((".so", ".pyd")) and _EXTENSION.search(origin)):
            files.loose.append(origin)
        elif interpreters.is_interpreter(origin):
            files.programs.append(origin)
        elif origin.endswith("/pyvenv.cfg"):
            files.settings.append(origin)
    _add_executed(files, run)
    return files


def _add_executed(files: _Files, run: Run) -> None:
    """Enter interpreters that are known to have been run, for where only what they did later was observed."""
    paths = {program.path for program in run.programs}
    if run.executable:
        paths.add(run.executable.path)
    for path in sorted(paths):
        if path.startswith("/") and interpreters.is_interpreter(path):
            real = os.path.realpath(path)
            settings = os.path.join(os.path.dirname(os.path.dirname(path)), "pyvenv.cfg")
            if real not in files.programs and interpreters.is_interpreter(real):
                files.programs.append(real)
            if settings not in files.settings and os.path.exists(settings):
                files.settings.append(settings)


def _version(interpreter: interpreters.Interpreter, run: Run) -> tuple[str | None, str | None]:
    told = run.executable
    if told and told.version and os.path.realpath(told.path) == interpreter.path:
        found = re.search(r"\d+\.\d+\S*", told.version)
        if found:
            return found[0], "the program itself"
    return interpreters.version_of(interpreter, run.cache)


def _accounted(files: _Files, known: Iterable[interpreters.Interpreter], theirs: Iterable[str]) -> frozenset[str]:
    """Return the files that need no other explanation; those of the system's own Python are a system package's too."""
    accounted = {path for each in known for path in each.files}
    accounted.update(files.standard)
    conda = tuple(f"{prefix}/" for prefix in files.libraries if os.path.isdir(f"{prefix}/conda-meta"))
    if conda:
        accounted = {path for path in accounted if not path.startswith(conda)}
    accounted.update(theirs)
    accounted.update(files.settings)
    for folder, paths in files.packaged.items():
        accounted.update(f"{folder}/{path}" for path in paths)
    accounted |= {files.moved[path] for path in accounted & files.moved.keys()}
    return frozenset(path for path in accounted if not path.startswith("/usr/") or path.startswith("/usr/local/"))


class _Modules:
    """Tells which distribution modules belong to."""

    def __init__(self, run: Run, sites: dict[str, Site]) -> None:
        self._run = run
        self._root = os.path.realpath(run.root) if run.root else ""
        self._sites = sites
        self._checkouts: dict[str, str | None] = {}  #: roots of working copies, by folder
        self._tops: dict[str, str] = {}  #: packages, by the folder of a module

    def installed(self, folder: str, paths: Iterable[str]) -> list[Dependency]:
        """Return what *paths*, relative to *folder*, belong to."""
        site = self._sites[folder]
        owned, lone = _owned(site, paths)
        found = [self._distribution(site, place, names) for place, names in owned.items()]
        return found + [self._module(os.path.join(folder, name)) for name in sorted(lone)]

    def elsewhere(self, paths: Iterable[str], sites: Iterable[Site]) -> tuple[list[Dependency], list[str]]:
        """Return what modules at *paths* belong to that lie in no environment and not in the project, and which do."""
        editable = [
            (root, site, place)
            for site in sites for place, each in enumerate(site.distributions) for root in each.roots
        ]
        editable.sort(key=lambda found: -len(found[0]))
        found: dict[object, Dependency] = {}
        accounted = []
        for path in sorted(paths):
            if self._is_own(path):
                continue
            accounted.append(path)
            top = self._top(source_of(path))
            match = next(((site, place) for root, site, place in editable if _is_below(path, root)), None)
            if match:
                site, place = match
                if (site.folder, place) not in found:
                    found[site.folder, place] = self._dependency(site.distributions[place], top, "editable")
            elif top not in found:
                found[top] = self._by_neighbours(top)
        return list(found.values()), accounted

    def _by_neighbours(self, top: str) -> Dependency:
        """Return what *top* is by the metadata beside it, of ``pip install --target`` or a project being developed."""
        folder, name = os.path.split(top)
        if folder not in self._sites:
            self._sites[folder] = read_site(folder, self._run.cache)
        site = self._sites[folder]
        owners = site.owners_of(name)[1] if site.distributions else ()
        return self._dependency(site.distributions[owners[0]], top) if owners else self._module(top)

    def _distribution(self, site: Site, place: int, names: Iterable[str]) -> Dependency:
        each = site.distributions[place]
        wanted = each.name.replace("-", "_").lower()

        def strangeness(name: str) -> tuple[bool, bool, bool, str]:
            return name.endswith(".libs"), name.partition(".")[0].lower() != wanted, name[:1] == "_", name

        return self._dependency(each, os.path.join(site.folder, min(names, key=strangeness)))

    def _dependency(self, each: Distribution, path: str, *flags: str) -> Dependency:
        checkout = None if "-packages/" in path else self._checkout(path)
        return Dependency(
            each.name, path, each.version or None, "python", source="metadata" if each.version else None,
            checkout=checkout, flags=flags,
        )

    def _module(self, path: str) -> Dependency:
        name = os.path.basename(path)
        name = name.removesuffix(".py") if name.endswith(".py") else _EXTENSION.sub("", name)
        version = _python_source.version_in(path) or self._asked(path) or (None, None)
        checkout = None if "-packages/" in path else self._checkout(path)
        return Dependency(name, path, version[0], "python", source=version[1], checkout=checkout)

    def _asked(self, path: str) -> tuple[str, str] | None:
        """Return the version that a finder of others tells for the module at *path*, and that finder's name."""
        for name in _third_parties.third_parties(self._run.cache):
            version = _third_parties.version_by(name, path)
            if version:
                return version, name
        return None

    def _is_own(self, path: str) -> bool:
        """Tell whether *path* belongs to the project's own code, or is Sumatra's."""
        if not self._root or "/.smt/" in path:
            return bool(self._root)
        own = self._checkout(self._root) or self._root
        return _is_below(path, own) and self._checkout(path) in (own, None)

    def _checkout(self, path: str) -> str | None:
        folder = path if os.path.isdir(path) else os.path.dirname(path)
        if folder not in self._checkouts:
            self._checkouts[folder] = self._run.checkout_of(os.path.join(folder, "__init__.py"))
        return self._checkouts[folder]

    def _top(self, path: str) -> str:
        folder = os.path.dirname(path)
        if folder not in self._tops:
            top = _python_source.module_of(path)
            if top == path:  # its neighbours are modules of their own
                return top
            self._tops[folder] = top
        return self._tops[folder]


def _owned(site: Site, paths: Iterable[str]) -> tuple[Mapping[int, set[str]], set[str]]:
    """Return which distributions own *paths*, by which names, and the names that none owns.

    A file that several have brought tells something only where none of them is known to be used.
    """
    owned: dict[int, set[str]] = {}
    shared: list[tuple[str, tuple[int, ...]]] = []
    lone: set[str] = set()
    for path in paths:
        source = source_of(path)
        top = source.partition("/")[0]
        if top.endswith(_METADATA) or _STARTERS.fullmatch(source):
            continue
        name, places = site.owners_of(source)
        if len(places) == 1:
            owned.setdefault(places[0], set()).add(name)
        elif places:
            shared.append((name, tuple(places)))
        else:
            lone.add(name)
    sure = set(owned)
    for name, several in shared:
        if sure.isdisjoint(several):
            for place in several:
                owned.setdefault(place, set()).add(name)
    return owned, lone


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _order(found: Dependency) -> tuple[bool, str, str]:
    return found.name != "python", found.name.lower(), found.path


BACKEND = PythonFinder
