"""Which interpreters of Python took part in a run, with their versions and environments, by the files they read."""

import os
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sumatra.dependency_finder import _cache
from sumatra.files import is_script

__all__ = ["Environment", "Interpreter", "environments", "find", "is_interpreter", "library_of", "version_of"]

_LIBRARY = re.compile(r"^(.*)/lib(?:32|64)?/(?:python|pypy)(\d+(?:\.\d+)?)t?/")
_PROGRAM = re.compile(r"(?:python|pypy)(?:\d+(?:\.\d+)*)?[a-z]{0,2}")
_SHARED = re.compile(r"lib(?:python|pypy)\d[\w.]*-?c?\.(?:so|dylib)(?:\.[\d.]+)?")
_BEGINNINGS = ("python", "pypy", "libpython", "libpypy")

#: Where an interpreter with the prefix P looks for packages.
_SITES = (
    "{prefix}/lib/python{minor}/site-packages",
    "{prefix}/lib64/python{minor}/site-packages",
    "{prefix}/lib/pypy{minor}/site-packages",
    "{prefix}/lib/python3/dist-packages",
    "{prefix}/local/lib/python{minor}/dist-packages",
    "{prefix}/lib/python{minor}/dist-packages",
)


class Interpreter(NamedTuple):
    """An interpreter that files of its library were loaded for."""

    path: str  #: the program without links, or what there is of it: the shared library, the folder of its library
    prefix: str  #: of its library
    minor: str  #: as ``3.11``; empty if nothing tells
    text: str  #: file in which its full version can be found as text
    files: tuple[str, ...] = ()  #: of the interpreter itself


class Environment(NamedTuple):
    """Where an interpreter takes its packages from."""

    prefix: str
    sites: tuple[str, ...]  #: folders, the first that has a package winning
    interpreter: Interpreter | None


def library_of(path: str, known: dict[str, bool]) -> tuple[str, str]:
    """Return the prefix and version (``3.11``) of the Python whose library *path* lies in; empty texts for others.

    *known* remembers which folders that are called like the library of a Python are one.
    """
    found = _LIBRARY.match(path) if "/python" in path or "/pypy" in path else None
    if found is None:
        return "", ""
    folder = found[0]
    if folder not in known:
        known[folder] = any(os.path.exists(f"{folder}os.{ending}") for ending in ("py", "pyc"))
    return (found[1], found[2]) if known[folder] else ("", "")


def is_interpreter(path: str) -> bool:
    """Tell whether *path* is called like an interpreter of Python, or its shared library."""
    name = path.rpartition("/")[2]
    if not name.startswith(_BEGINNINGS):  # of a hundred thousand files, most are none
        return False
    return _PROGRAM.fullmatch(name) is not None or _SHARED.fullmatch(name) is not None


def find(programs: Iterable[str], libraries: Mapping[str, str], settings: Iterable[str]) -> list[Interpreter]:
    """Return the interpreters of a run.

    *programs* are those files that `is_interpreter` holds of, *libraries* the versions by prefix of the libraries
    that were read, *settings* the ``pyvenv.cfg`` files.
    """
    # What is called like an interpreter may only start one, as the shims of pyenv do.
    known = sorted(path for path in programs if not is_script(path))
    copies = {os.path.dirname(path): _home(path) for path in settings}
    found = []
    left = dict(libraries)
    for path in known:
        if _SHARED.fullmatch(os.path.basename(path)):
            continue
        prefix = os.path.dirname(os.path.dirname(path))
        if prefix in copies and prefix not in libraries:  # a virtual environment with a copy in the place of a link
            prefix = os.path.dirname(copies[prefix])
        minor = left.pop(prefix, "") or libraries.get(prefix, "")
        shared = _shared_of(prefix, known)
        found.append(Interpreter(path, prefix, minor or _minor(path), shared[0] if shared else path, (path, *shared)))
    for prefix, minor in sorted(left.items()):  # Python inside another program
        shared = _shared_of(prefix, known)
        path = shared[0] if shared else f"{prefix}/lib/python{minor}"
        if minor.count("."):
            found.append(Interpreter(path, prefix, minor, path, tuple(shared)))
    return found


def _shared_of(prefix: str, programs: Iterable[str]) -> list[str]:
    begin = f"{prefix}/lib"
    return [path for path in programs if path.startswith(begin) and _SHARED.fullmatch(os.path.basename(path))]


def version_of(interpreter: Interpreter, cache: str) -> tuple[str | None, str | None]:
    """Return the full version of *interpreter* and how it was learnt, without running it."""
    minor = interpreter.minor
    if not minor:
        return None, None
    key, name = _cache.key_of(interpreter.text), _cache.name_for("interpreter", interpreter.text)
    kept = _cache.recall(cache, name, key, interpreter.path)
    if isinstance(kept, list) and len(kept) == 2:
        return kept[0], kept[1]
    header = f"{interpreter.prefix}/include/python{minor}/patchlevel.h"
    texts = (interpreter.text, f"{interpreter.prefix}/lib/libpython{minor}.so.1.0")
    version, source = _header_version(header), "patchlevel.h"
    if not version:
        told = (_text_version(path, minor) for path in texts)
        version, source = next(filter(None, told), None), "text in the program"
    if not version:
        version, source = minor, "folder of its library"
    _cache.keep(cache, name, key, [version, source], interpreter.path)
    return version, source


def environments(
    interpreters: Iterable[Interpreter], settings: Iterable[str], sites: Mapping[str, int], main: str
) -> list[Environment]:
    """Return the environments of a run, that of the program *main* first.

    *settings* are the ``pyvenv.cfg`` files that were read, *sites* the folders of packages of which files were loaded,
    with the number of those.
    """
    known = {interpreter.prefix: interpreter for interpreter in interpreters}
    found = []
    below: set[str] = set()
    for path in sorted(settings):
        prefix, home = os.path.dirname(path), os.path.dirname(_home(path))
        interpreter = known.get(home)
        minor = interpreter.minor if interpreter else ""
        folders = _existing(prefix, minor or _minor_in(prefix))
        if _has_system(path):
            folders += _existing(home, minor)
        below.add(home)
        found.append(Environment(prefix, tuple(folders), interpreter))
    covered = {folder for environment in found for folder in environment.sites}
    for prefix, interpreter in sorted(known.items()):
        folders = _existing(prefix, interpreter.minor)
        used = any(folder in sites and folder not in covered for folder in folders)
        if used or prefix not in below:
            found.append(Environment(prefix, tuple(folders), interpreter))
    covered = {folder for environment in found for folder in environment.sites}
    found.sort(key=lambda each: (
        not main.startswith(each.prefix + "/bin/"), -sum(sites.get(folder, 0) for folder in each.sites), each.prefix,
    ))
    more = tuple(sorted(folder for folder in sites if folder not in covered))
    if found and more:  # the user's own packages, or what PYTHONPATH names
        found[0] = found[0]._replace(sites=more + found[0].sites)
    return found


def _existing(prefix: str, minor: str) -> list[str]:
    wanted = [os.path.realpath(each.format(prefix=prefix, minor=minor)) for each in _SITES]
    return [folder for folder in dict.fromkeys(wanted) if os.path.isdir(folder)]


def _minor(path: str) -> str:
    found = re.search(r"(\d\.\d+)[a-z]*$", path)
    return found[1] if found else ""


def _minor_in(prefix: str) -> str:
    try:
        names = [name[6:] for name in sorted(os.listdir(f"{prefix}/lib")) if name.startswith("python3.")]
    except OSError:
        names = []
    return names[0] if names else ""


def _settings(path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            pairs = [line.partition("=") for line in file.read(1 << 16).splitlines()]
    except OSError:
        return {}
    return {name.strip().lower(): value.strip() for name, equals, value in pairs if equals}


def _home(path: str) -> str:
    """Return the folder of the program that the virtual environment with the settings at *path* is built on."""
    home = _settings(path).get("home", "")
    if not home:
        return ""
    for name in ("python3", "python"):  # links lead on: /usr/bin/python3, a shim, another virtual environment
        program = os.path.join(home, name)
        if os.path.exists(program):
            return os.path.dirname(os.path.realpath(program))
    return os.path.realpath(home)


def _has_system(path: str) -> bool:
    return _settings(path).get("include-system-site-packages", "").lower() == "true"


def _header_version(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = re.search(r'#define\s+PY_VERSION\s+"([^"]+)"', file.read(1 << 16))
            return found[1] if found else None
    except OSError:
        return None


def _text_version(path: str, minor: str) -> str | None:
    """Return the version that stands in the program at *path*; looked for by `find`, 20 times as fast as a pattern."""
    import mmap

    begin = f"{minor}.".encode()
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            at = content.find(begin)
            while at > 0:
                found = re.match(rb"[\0 /](\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?\+?)\0", content[at - 1:at + 24])
                if found:
                    return found[1].decode()
                at = content.find(begin, at + 1)
    except (OSError, ValueError):
        pass
    return None
