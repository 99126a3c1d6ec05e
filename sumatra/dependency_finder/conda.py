"""Which Conda packages the files of a run belong to, by the tables in ``conda-meta``; conda isn't started."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sumatra.dependency_finder import _cache
from sumatra.dependency_finder._python_sites import source_of
from sumatra.dependency_finder.base import Again, Finder, Found, Run
from sumatra.facts import replace
from sumatra.records import Dependency

__all__ = ["BACKEND", "CondaFinder"]

#: Folders of an environment that files are loaded from; what lies above one of them may be an environment.
_INSIDE = ("bin", "lib", "share", "etc", "libexec", "include", "conda-meta", "x86_64-conda-linux-gnu")


class CondaFinder(Finder):
    """Knows the packages of conda, mamba and pixi environments."""

    name = "conda"

    def loaded(self, run: Run) -> Found:
        """Return the packages that own files of the run, and for each environment the list of all its packages."""
        inside = _by_environment(run.files)
        dependencies: list[Dependency] = []
        accounted: set[str] = set()
        locks: dict[str, bytes] = {}
        for place, prefix in enumerate(sorted(inside, key=lambda prefix: (-len(inside[prefix]), prefix))):
            packages, owners = _read(prefix, inside[prefix], run.cache)
            found: dict[int, str] = {}
            for path in sorted(inside[prefix]):
                owner = owners.get(path)
                if owner is not None:
                    accounted.add(path)
                    found.setdefault(owner, path)
            for owner, path in found.items():
                name, version, build = packages[owner][:3]
                dependencies.append(Dependency(name, path, f"{version}={build}", "conda", source="conda-meta"))
            locks["conda" if place == 0 else f"conda:{prefix}"] = _lock(packages)
        return Found(tuple(sorted(dependencies, key=lambda each: (each.name, each.path))), frozenset(accounted), locks)

    def again(self, run: Run, dependencies: Sequence[Dependency], locks: Mapping[str, str]) -> list[Again]:
        """Return what has become of *dependencies*, by the names of the files in ``conda-meta``."""
        known: dict[str, bool] = {}
        installed: dict[str, dict[str, str]] = {}
        found = []
        for each in dependencies:
            prefix = _environment_above(os.path.dirname(each.path), known)
            if prefix and prefix not in installed:
                installed[prefix] = _installed(f"{prefix}/conda-meta")
            version = installed.get(prefix, {}).get(each.name)
            found.append(Again(each, None if version is None else replace(each, version=version)))
        return found


def _installed(folder: str) -> dict[str, str]:
    """Return version and build of what is installed, by name."""
    entries = [entry for entry in sorted(os.listdir(folder)) if entry.endswith(".json")]
    names = [entry.removesuffix(".json").rsplit("-", 2) for entry in entries]
    return {parts[0]: f"{parts[1]}={parts[2]}" for parts in names if len(parts) == 3}


def _by_environment(files: Iterable[str]) -> dict[str, list[str]]:
    """Return the files that lie in an environment of conda, by its folder."""
    known: dict[str, bool] = {}
    environments: dict[str, str] = {}  #: by the folder of a file; empty where there is none
    inside: dict[str, list[str]] = {}
    for path in files:
        if path.startswith(("/usr/", "/lib", "/etc/", "/proc/", "/dev/", "/sys/")):
            continue
        folder = path.rpartition("/")[0]
        if folder not in environments:
            environments[folder] = _environment_above(folder, known)
        if environments[folder]:
            inside.setdefault(environments[folder], []).append(path)
    return inside


def _environment_above(folder: str, known: dict[str, bool]) -> str:
    """Return the environment that *folder* lies in; *known* remembers which folders are one."""
    parts = folder.split("/")
    for depth in range(len(parts) - 1, 1, -1):
        if parts[depth] in _INSIDE:
            prefix = "/".join(parts[:depth])
            if prefix not in known:
                known[prefix] = os.path.isdir(f"{prefix}/conda-meta")
            if known[prefix]:
                return prefix
    return ""


def _read(prefix: str, paths: Iterable[str], cache: str) -> tuple[list[Any], dict[str, int]]:
    """Return the packages of the environment (name, version, build, address, digest), and which of them own *paths*."""
    folder = f"{prefix}/conda-meta"
    key, name = _cache.key_of(folder), _cache.name_for("conda", prefix)
    kept = _cache.recall(cache, name, key, prefix)
    wanted = {os.path.relpath(source_of(path), prefix): path for path in paths}
    if isinstance(kept, dict) and wanted.keys() <= kept.get("owners", {}).keys():
        packages, known = kept["packages"], kept["owners"]
    else:
        packages, known = _scan(folder, {*wanted, *(kept["owners"] if isinstance(kept, dict) else ())})
        _cache.keep(cache, name, key, {"packages": packages, "owners": known}, prefix)
    return packages, {path: known[name] for name, path in wanted.items() if known[name] is not None}


def _scan(folder: str, wanted: set[str]) -> tuple[list[Any], dict[str, int | None]]:
    from sumatra.dependency_finder._python_requirements import scrub

    packages: list[Any] = []
    owners: dict[str, int | None] = dict.fromkeys(wanted)
    for entry in sorted(os.listdir(folder)):
        if not entry.endswith(".json"):
            continue
        try:
            with open(os.path.join(folder, entry), "rb") as file:
                told = json.load(file)
            package = [str(told.get(field) or "") for field in ("name", "version", "build", "url", "md5")]
            package[3] = scrub(package[3])
            listed = told.get("files") or ()
        except (OSError, ValueError, AttributeError, RecursionError):
            continue
        owners.update((name, len(packages)) for name in wanted.intersection(listed))
        packages.append(package)
    return packages, owners


def _lock(packages: Iterable[Any]) -> bytes:
    """Return the list as ``conda create --file`` takes it: an address for each package, with its digest."""
    lines = ["# Packages of a Conda environment, for conda create --file", "@EXPLICIT"]
    lines += sorted(
        f"{url}#{digest}" if url and digest else url or f"# {name}={version}={build}"
        for name, version, build, url, digest in packages
    )
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


BACKEND = CondaFinder
