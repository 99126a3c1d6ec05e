"""What is installed in a folder of Python packages, and which distribution a file in it belongs to.

Read from the metadata that installers leave; nothing is imported, and ``importlib.metadata`` isn't either (30 ms).
All of a folder's metadata is read once, and what came of it is kept until the folder changes: installing, upgrading
and removing all make or remove an entry in it.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sumatra.dependency_finder import _cache

__all__ = ["Distribution", "Site", "normal", "read_site", "source_of"]

_SHARED = -1  #: in `Site.owners`: several own something below this name, so look there

_NO_MODULES = {"", "..", "__pycache__"}

_DEEPEST = 40  #: folders below a shared name that are looked into


class Distribution(NamedTuple):
    """One installed distribution."""

    name: str
    version: str  #: empty if its metadata doesn't tell
    metadata: str  #: name of the folder or file that says so, or its path if it lies elsewhere
    requirement: str  #: how it is told in a list for pip, without secrets
    roots: tuple[str, ...] = ()  #: folders and files elsewhere from which it is loaded: it is editable


class Site(NamedTuple):
    """A folder of packages."""

    folder: str
    distributions: tuple[Distribution, ...]
    owners: Mapping[str, Any]  #: by name or path in the folder: places in *distributions*, or `_SHARED`

    def owners_of(self, path: str) -> tuple[str, Sequence[int]]:
        """Return the part of *path* (relative, of source code) that tells, and which distributions own it.

        Several own what each of them has brought: the ``__init__.py`` of a package that they share.
        """
        parts = path.split("/")
        name = parts[0]
        found = self.owners.get(name)
        if found is None:  # lists of top packages tell no endings
            found = self.owners.get(name.partition(".")[0])
        for part in parts[1:]:
            if found != _SHARED:
                break
            name = f"{name}/{part}"
            found = self.owners.get(name)
        return (name, found) if isinstance(found, list) else (parts[0], ())


def normal(name: str) -> str:
    """Return the *name* of a distribution as it is compared: ``Ruamel_yaml`` is ``ruamel-yaml``."""
    name = name.lower().replace("_", "-").replace(".", "-")
    while "--" in name:
        name = name.replace("--", "-")
    return name


def source_of(path: str) -> str:
    """Return the path of the source that the bytecode at *path* was made from; other paths as they are."""
    if path.endswith(".pyc"):
        folder, _, name = path.rpartition("/")
        if folder.endswith("__pycache__"):
            return f"{folder[:-11]}{name.partition('.')[0]}.py"
        return path[:-1]
    return path


def read_site(folder: str, cache: str) -> Site:
    """Return what is installed in *folder*; empty if it can't be read."""
    key, name = _cache.key_of(folder), _cache.name_for("python", folder)
    kept = _cache.recall(cache, name, key, folder)
    if kept is not None:
        try:
            known = (Distribution(name, version, metadata, requirement, tuple(roots))
                     for name, version, metadata, requirement, roots in kept["distributions"])
            return Site(folder, tuple(known), kept["owners"])
        except (LookupError, TypeError, ValueError):
            pass
    site = _scan(folder)
    _cache.keep(cache, name, key, {"distributions": site.distributions, "owners": site.owners}, folder)
    return site


def _scan(folder: str) -> Site:
    try:
        entries = sorted(os.listdir(folder))
    except OSError:
        return Site(folder, (), {})
    distributions: list[Distribution] = []
    tops: list[set[str]] = []
    files: list[bytes] = []
    known = set()
    for entry in entries:
        read = None if entry.startswith("~") else _read_entry(folder, entry)  # what pip was about to remove
        if read is not None and (name := normal(read[0].name)) not in known:
            known.add(name)
            distributions.append(read[0])
            tops.append(read[1])
            files.append(read[2])
    return Site(folder, tuple(distributions), _owners(tops, files))


def _read_entry(folder: str, entry: str) -> tuple[Distribution, set[str], bytes] | None:
    """Return a distribution, the names in the folder that are its own, and the list of its files where there is one."""
    path = os.path.join(folder, entry)
    if entry.endswith(".dist-info"):
        return _read_dist_info(folder, entry)
    if entry.endswith(".egg-info"):
        return _read_egg_info(path, entry)
    if entry.endswith(".egg"):
        name, version = _named(os.path.join(path, "EGG-INFO/PKG-INFO"), entry)
        return _distribution(name, version, entry), {entry}, b""
    if entry.endswith(".egg-link"):
        lines = _lines(_read(path))
        if lines:
            root = os.path.realpath(os.path.join(folder, lines[0]))
            metadata = os.path.join(root, _egg_info_in(root, entry[:-9]))
            name, version = _named(os.path.join(metadata, "PKG-INFO"), entry)
            return _distribution(name, version, metadata, roots=(root,)), set(), b""
    return None


def _distribution(
    name: str, version: str, metadata: str, installer: str = "", origin: str = "", roots: tuple[str, ...] = (),
    digest: str = "",
) -> Distribution:
    from sumatra.dependency_finder._python_requirements import requirement

    return Distribution(name, version, metadata, requirement(name, version, installer, origin, roots, digest), roots)


def _read_dist_info(folder: str, entry: str) -> tuple[Distribution, set[str], bytes]:
    path = os.path.join(folder, entry)
    name, version = _named(os.path.join(path, "METADATA"), entry)
    record = _read(os.path.join(path, "RECORD"))
    origin = _read(os.path.join(path, "direct_url.json")).decode("utf-8", "replace").strip()
    lines = record.replace(b"\r", b"").split(b"\n")
    owned = _tops(lines) if record else set(_lines(_read(os.path.join(path, "top_level.txt"))))
    owned = owned or {name.replace("-", "_")}
    root, editable = _editable_root(origin)
    roots = _roots(folder, owned, root) if editable else ()
    installer = _read(os.path.join(path, "INSTALLER")).decode("ascii", "replace").strip() or _installer(folder)
    digest = "" if editable else _digest(lines)
    return _distribution(name, version, entry, installer, origin, roots, digest), owned, record


def _read_egg_info(path: str, entry: str) -> tuple[Distribution, set[str], bytes]:
    alone = not os.path.isdir(path)  # distutils wrote a single file
    name, version = _named(path if alone else os.path.join(path, "PKG-INFO"), entry)
    owned = set() if alone else set(_lines(_read(os.path.join(path, "top_level.txt"))))
    owned = owned or {name.replace("-", "_"), name}
    return _distribution(name, version, entry, _installer(os.path.dirname(path))), owned, b""


def _installer(folder: str) -> str:
    """Return who installs what lies in *folder*, where that isn't told: the system's own packages don't."""
    return "system" if folder.startswith("/usr/lib") else ""


def _owners(tops: Sequence[set[str]], files: Sequence[bytes]) -> dict[str, Any]:
    owners: dict[str, Any] = {}
    for place, names in enumerate(tops):
        for name in names:
            owners.setdefault(name, []).append(place)
    for top in [name for name, places in owners.items() if len(places) > 1]:
        listed = [
            (path, place) for place in owners[top] for path in _paths_below(top, files[place])
        ]
        if listed:
            _split(top, listed, owners)
    return owners


def _split(prefix: str, files: Iterable[tuple[str, int]], owners: dict[str, Any]) -> None:
    """Enter who owns what below *prefix*, down to where each name has one owner."""
    below: dict[str, list[tuple[str, int]]] = {}
    for path, place in files:
        name = path[len(prefix) + 1:].partition("/")[0]
        below.setdefault(f"{prefix}/{name}" if name else prefix, []).append((path, place))
    if below.keys() == {prefix}:
        owners[prefix] = sorted({place for _, place in below[prefix]})
        return
    owners[prefix] = _SHARED
    for name, inside in below.items():
        places = sorted({place for _, place in inside})
        if len(places) == 1 or name.count("/") > _DEEPEST or all(path == name for path, _ in inside):
            owners[name] = places
        elif name != prefix:
            _split(name, inside, owners)


def _paths_below(top: str, record: bytes) -> list[str]:
    found = re.findall(rb'^"?(' + re.escape(os.fsencode(top)) + rb'(?:/[^,"\n]*)?)[",]', record, re.MULTILINE)
    return [os.fsdecode(path) for path in found if b"/__pycache__/" not in path]


def _editable_root(origin: str) -> tuple[str, bool]:
    """Return the folder that ``direct_url.json`` tells of, and whether it was installed to be edited."""
    if '"editable"' not in origin:
        return "", False
    try:
        told = json.loads(origin)
        url, editable = told["url"], told["dir_info"]["editable"] is True
    except (ValueError, LookupError, TypeError, RecursionError):
        return "", False
    if not editable or not isinstance(url, str) or not url.startswith("file://"):
        return "", editable
    from urllib.parse import unquote

    return os.path.realpath(unquote(url[7:])), True


def _roots(folder: str, owned: Iterable[str], root: str) -> tuple[str, ...]:
    """Return where an editable distribution is loaded from: its project, and what its own files here point to."""
    found = {root} if root else set()
    for name in owned:
        if name.endswith(".pth"):
            lines = _lines(_read(os.path.join(folder, name)))
            found |= {os.path.realpath(line) for line in lines if line.startswith("/")}
        elif name.endswith("_finder.py") and name.startswith("__editable__"):
            found |= _mapped(_read(os.path.join(folder, name)))
    return tuple(sorted(path for path in found if path != "/"))


def _mapped(source: bytes) -> set[str]:
    """Return the paths in ``MAPPING`` of a finder that setuptools wrote; it is read, never run."""
    import ast

    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    for statement in statements:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        if isinstance(target, ast.Name) and target.id == "MAPPING":
            try:
                mapping = ast.literal_eval(statement.value)  # type: ignore[attr-defined]
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                return set()
            values = mapping.values() if isinstance(mapping, dict) else ()
            return {os.path.realpath(path) for path in values if isinstance(path, str) and path.startswith("/")}
    return set()


def _tops(lines: Iterable[bytes]) -> set[str]:
    """Return the names in the folder of packages that the *lines* of a ``RECORD`` begin with."""
    begins = {line.partition(b"/")[0] for line in lines}
    return {os.fsdecode(begin.lstrip(b'"').partition(b",")[0].rstrip(b'"')) for begin in begins} - _NO_MODULES


def _digest(lines: Iterable[bytes]) -> str:
    """Return the digest of what a distribution consists of, whoever installed it wherever.

    It is that of the *lines* of ``RECORD`` that tell of its files by digest, sorted; without those of its metadata,
    which tell who installed it, and of programs, which begin with the path of the interpreter.
    """
    telling = sorted(
        line for line in lines if b",sha256=" in line and b".dist-info/" not in line and line[:1] not in b"./"
    )
    if not telling:
        return ""
    import hashlib

    return hashlib.sha256(b"\n".join(telling)).hexdigest()


def _egg_info_in(root: str, stem: str) -> str:
    wanted = stem.replace("-", "_").lower()
    try:
        known = [name for name in sorted(os.listdir(root)) if name.endswith(".egg-info")]
    except OSError:
        known = []
    same = [name for name in known if name[:-9].replace("-", "_").lower() == wanted]
    return (same or known or [f"{stem}.egg-info"])[0]


def _named(path: str, entry: str) -> tuple[str, str]:
    """Return name and version by the metadata at *path*, or else by the name of what holds it."""
    name, _, rest = entry.rpartition(".")[0].partition("-")
    told = _head(path)
    return told[0] or name, told[1] or re.sub(r"-py\d[\d.]*(?:-.*)?$", "", rest)


def _head(path: str) -> tuple[str, str]:
    """Return ``Name`` and ``Version`` of the metadata at *path*."""
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
    except OSError:
        return "", ""
    told: dict[bytes, str] = {}
    for line in head.partition(b"\n\n")[0].split(b"\n"):
        field, colon, value = line.partition(b":")
        if colon and field in (b"Name", b"Version"):
            told.setdefault(field, value.decode("utf-8", "replace").strip())
    return told.get(b"Name", ""), told.get(b"Version", "")


def _lines(content: bytes) -> list[str]:
    return [line.strip() for line in os.fsdecode(content).splitlines() if line.strip()]


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
