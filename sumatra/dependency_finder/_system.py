"""What finders of system packages share: which files can be theirs, under which names, and how packages are told."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from sumatra.dependency_finder import _cache
from sumatra.dependency_finder._python_sites import source_of
from sumatra.dependency_finder.base import Found
from sumatra.records import Dependency

__all__ = ["Package", "found_packages", "names_of", "owners_by", "packaged"]

#: Where packages of a system put files; what a user puts into /usr/local isn't in their lists.
_FOLDERS = ("/usr/", "/bin/", "/etc/", "/lib", "/opt/", "/sbin/", "/var/lib/", "/boot/")
_MERGED = ("/usr/bin/", "/usr/sbin/", "/usr/lib")

_MOST = 50_000  #: names that the cache keeps


class Package(NamedTuple):
    """A package of a system."""

    name: str
    version: str
    architecture: str = ""


def packaged(files: Iterable[str]) -> list[str]:
    """Return those of *files* that a package of the system may own."""
    return [path for path in files if path.startswith(_FOLDERS) and not path.startswith("/usr/local/")]


def names_of(path: str) -> list[str]:
    """Return the names under which a package may list the file at *path*.

    ``/usr/lib/x`` may have been installed as ``/lib/x`` before the two became one; bytecode is made of a source file
    when its package is installed.
    """
    source = source_of(path)
    names = [path] if source == path else [path, source]
    return names + [name[4:] for name in names if name.startswith(_MERGED)]


def owners_by(
    look: Callable[[Sequence[str]], Mapping[str, Package]], paths: Sequence[str], cache: str, kind: str, *database: str
) -> dict[str, Package]:
    """Return which package owns each of *paths*; *look* is asked about those that are new since *database* changed."""
    key = _cache.key_of(*database)
    kept = _cache.recall(cache, kind, key)
    known: dict[str, list[str] | None] = kept if isinstance(kept, dict) else {}
    new = [path for path in paths if path not in known]
    if new:
        found = look(new)
        if len(known) + len(new) > _MOST:
            known = {path: known[path] for path in paths if path in known}
        known.update((path, list(found[path]) if path in found else None) for path in new)
        _cache.keep(cache, kind, key, known)
    owners = {}
    for path in paths:
        package = known[path]
        if isinstance(package, list) and len(package) == 3:
            owners[path] = Package(*package)
    return owners


def found_packages(
    owners: Mapping[str, Package], module: str, source: str, line: Callable[[Package], str], title: str
) -> Found:
    """Return the packages in *owners* (by file) as dependencies, and their list, each told by *line*."""
    if not owners:
        return Found()
    files: dict[Package, list[str]] = {}
    for path, package in owners.items():
        files.setdefault(package, []).append(path)
    names = [package.name for package in files]
    dependencies = []
    for package in sorted(files):
        twice = names.count(package.name) > 1 and package.architecture
        name = f"{package.name}:{package.architecture}" if twice else package.name
        # A program or library says more than a table that it reads.
        path = min(files[package], key=lambda path: (".so" not in os.path.basename(path) and "/bin/" not in path, path))
        dependencies.append(Dependency(name, path, package.version or None, module, source=source))
    lock = "\n".join([title, *(line(package) for package in sorted(files))]) + "\n"
    return Found(tuple(dependencies), frozenset(owners), {module: lock.encode("utf-8", "surrogateescape")})
