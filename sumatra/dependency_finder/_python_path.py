"""Where a Python looks for modules, as far as it can be known without starting it."""

import os
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sumatra.dependency_finder._reading import head

__all__ = ["OWN", "SITE", "STANDARD", "Interpreter", "entries", "interpreter_at", "mapped"]

STANDARD, SITE, OWN = "standard", "site", "own"

_MOST_LINES = 1000  #: of a .pth file


class Interpreter(NamedTuple):
    """A Python by what lies around it."""

    path: str  #: as it is called
    minor: str  #: ``3.11``
    standard: tuple[str, ...]  #: folders of its library
    sites: tuple[str, ...]  #: folders of installed packages


def interpreter_at(path: str, environment: Mapping[str, str]) -> Interpreter | None:
    """Return the interpreter whose program is at *path*; None if there is nothing of a Python around it."""
    program = _behind_shim(path, environment)
    prefix = os.path.dirname(os.path.dirname(os.path.abspath(program)))
    settings = _settings(os.path.join(prefix, "pyvenv.cfg"))
    real = os.path.realpath(program)
    if settings.get("home"):
        base = next(
            (os.path.realpath(os.path.join(settings["home"], name)) for name in ("python3", "python")
             if os.path.exists(os.path.join(settings["home"], name))), real,
        )
    else:
        base = real
    home = os.path.dirname(os.path.dirname(base))
    minor = _minor(settings.get("version", "") or settings.get("version_info", ""), base, home)
    if not minor:
        return None
    library = next(
        (folder for folder in (f"{home}/lib/python{minor}", f"{home}/lib64/python{minor}", f"{home}/lib/pypy{minor}")
         if os.path.isdir(folder)), "",
    )
    if not library:
        return None
    major = minor.partition(".")[0]
    outer = [
        f"{library}/site-packages", f"{home}/lib64/python{minor}/site-packages",
        f"{home}/local/lib/python{minor}/dist-packages", f"{home}/lib/python{major}/dist-packages",
        f"{home}/lib/python{minor}/dist-packages",
    ]
    user = [] if environment.get("PYTHONNOUSERSITE") else [_user_site(environment, minor)]
    if settings.get("home"):
        own = [f"{prefix}/lib/python{minor}/site-packages", f"{prefix}/lib64/python{minor}/site-packages",
               f"{prefix}/lib/pypy{minor}/site-packages"]
        shares = settings.get("include-system-site-packages", "").lower() == "true"
        sites = [*own, *(user + outer if shares else [])]
    else:
        sites = [*user, *outer]
    existing = dict.fromkeys(os.path.realpath(folder) for folder in sites if folder and os.path.isdir(folder))
    return Interpreter(path, minor, (library, f"{library}/lib-dynload"), tuple(existing))


def entries(
    interpreter: Interpreter | None, environment: Mapping[str, str], script_folder: str, here: str
) -> list[tuple[str, str, bool]]:
    """Return the folders in which modules are looked for, in order: each with its kind and whether it is editable."""
    found: dict[str, tuple[str, bool]] = {os.path.realpath(script_folder): (OWN, False)}
    for name in environment.get("PYTHONPATH", "").split(os.pathsep):
        if name:
            folder = os.path.realpath(os.path.join(here, name))
            found.setdefault(folder, (SITE if _is_site(folder) else OWN, False))
    if interpreter is not None:
        for folder in interpreter.standard:
            found.setdefault(os.path.realpath(folder), (STANDARD, False))
        for site in interpreter.sites:
            found.setdefault(site, (SITE, False))
            for folder in _linked(site):
                found.setdefault(folder, (SITE, False) if _is_site(folder) else (OWN, True))
    return [(folder, kind, editable) for folder, (kind, editable) in found.items()]


def mapped(interpreter: Interpreter) -> dict[str, str]:
    """Return the modules of editable installations by name, with where they lie, as setuptools has written it down."""
    import ast

    found: dict[str, str] = {}
    for site in interpreter.sites:
        for name in _names(site):
            if not (name.startswith("__editable__") and name.endswith("_finder.py")):
                continue
            try:
                statements = ast.parse(head(os.path.join(site, name), 1 << 20)).body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
            for statement in statements:
                target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", 0)
                value = getattr(statement, "value", None)
                if isinstance(target, ast.Name) and target.id == "MAPPING" and isinstance(value, ast.Dict):
                    for key, place in zip(value.keys, value.values, strict=True):
                        if isinstance(key, ast.Constant) and isinstance(place, ast.Constant):
                            found.setdefault(str(key.value), os.path.realpath(str(place.value)))
    return found


def _is_site(folder: str) -> bool:
    return folder.endswith(("/site-packages", "/dist-packages"))


def _linked(site: str) -> Iterator[str]:
    """Yield the folders that .pth files in *site* add; their lines of code are no folders, and are not run."""
    for name in _names(site):
        if name.endswith((".pth", ".egg-link")):
            lines = os.fsdecode(head(os.path.join(site, name))).splitlines()[:_MOST_LINES]
            for line in map(str.strip, lines):
                if line and "\0" not in line:
                    folder = os.path.realpath(os.path.join(site, line))
                    if os.path.isdir(folder):
                        yield folder


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _settings(path: str) -> dict[str, str]:
    pairs = [line.partition("=") for line in os.fsdecode(head(path)).splitlines()]
    return {name.strip().lower(): value.strip() for name, equals, value in pairs if equals}


def _minor(told: str, program: str, home: str) -> str:
    """Return the version of an interpreter as ``3.11``, by settings, by its name, or by the library beside it."""
    for text in (told, os.path.basename(program)):
        found = re.search(r"(\d\.\d+)", text)
        if found:
            return found[1]
    names = [re.fullmatch(r"(?:python|pypy)(\d\.\d+)t?", name) for name in _names(f"{home}/lib")]
    versions = [found[1] for found in names if found]
    return max(versions, key=lambda version: int(version.partition(".")[2]), default="")


def _user_site(environment: Mapping[str, str], minor: str) -> str:
    base = environment.get("PYTHONUSERBASE") or os.path.join(environment.get("HOME", ""), ".local")
    return f"{base}/lib/python{minor}/site-packages" if base.startswith("/") else ""


def _behind_shim(path: str, environment: Mapping[str, str]) -> str:
    """Return the program that pyenv would start for the shim at *path*; *path* if it is none."""
    folder, name = os.path.split(os.path.abspath(path))
    root = os.path.dirname(folder)
    if os.path.basename(folder) != "shims" or not os.path.isdir(os.path.join(root, "versions")):
        return path
    chosen = environment.get("PYENV_VERSION") or os.fsdecode(head(os.path.join(root, "version")))
    for wanted in re.split(r"[:\s]+", chosen.strip()):
        for version in _names(os.path.join(root, "versions"))[::-1]:
            program = os.path.join(root, "versions", version, "bin", name)
            if wanted and (version == wanted or version.startswith(f"{wanted}.")) and os.path.exists(program):
                return program
    return path
