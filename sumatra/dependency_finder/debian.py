"""Which packages of Debian or Ubuntu the files of a run belong to, by the tables that dpkg keeps; it isn't started."""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress

from sumatra.dependency_finder._reading import moment
from sumatra.dependency_finder._system import Package, found_packages, names_of, owners_by, packaged
from sumatra.dependency_finder.base import Again, Finder, Found, Run
from sumatra.facts import replace
from sumatra.records import Dependency

__all__ = ["BACKEND", "DebianFinder"]

_TITLE = "# Debian packages of which files were read, for apt-get install"


class DebianFinder(Finder):
    """Knows the packages of Debian and what descends from it."""

    name = "debian"

    def __init__(self, database: str = "/var/lib/dpkg") -> None:
        self._database = database

    def loaded(self, run: Run) -> Found:
        """Return the packages that own files of the run."""
        status = os.path.join(self._database, "status")
        paths = packaged(run.files)
        if not paths or not os.path.exists(status):
            return Found()
        owners = owners_by(self._look, paths, run.cache, "debian", status, os.path.join(self._database, "info"))
        return found_packages(owners, self.name, "dpkg", _line, _TITLE)

    def again(self, run: Run, dependencies: Sequence[Dependency], locks: Mapping[str, str]) -> list[Again]:
        """Return what has become of *dependencies*, by their names."""
        try:
            packages = self._packages({each.name for each in dependencies}, " installed")
        except OSError as error:
            reason = f"the tables of dpkg can't be read: {error.strerror}"
            return [Again(each, each, unknown=reason) for each in dependencies]
        found = []
        for each in dependencies:
            package = packages.get(each.name)
            when = self._installed(package) if package else None
            if package is None or when is None:
                found.append(Again(each, None))
            elif package.version == each.version:
                found.append(Again(each, each))
            else:
                found.append(Again(each, replace(each, version=package.version), note=f"dpkg, {moment(when)}"))
        return found

    def _installed(self, package: Package) -> float | None:
        """Return when *package* was installed (seconds since 1970), or None if it isn't."""
        for name in (package.name, f"{package.name}:{package.architecture}"):
            with suppress(OSError):
                return os.stat(os.path.join(self._database, "info", f"{name}.list")).st_mtime
        return None

    def _look(self, paths: Sequence[str]) -> dict[str, Package]:
        """Return the packages that own *paths*."""
        wanted: dict[bytes, list[str]] = {}
        diverted = self._diversions()
        for path in paths:
            names = names_of(path)
            names += [diverted[name][0] for name in names if name in diverted]  # it was packed under another name
            for name in names:
                wanted.setdefault(os.fsencode(name), []).append(path)
        owners: dict[str, str] = {}
        info = os.path.join(self._database, "info")
        for entry in sorted(os.listdir(info)):
            if not entry.endswith(".list"):
                continue
            with open(os.path.join(info, entry), "rb") as file:
                listed = wanted.keys() & file.read().split(b"\n")
            for line in listed:
                for path in wanted[line]:
                    if _lies_there(os.fsdecode(line), path, entry[:-5], diverted):
                        owners.setdefault(path, entry[:-5])
        packages = self._packages(set(owners.values()))
        return {path: packages[package] for path, package in owners.items() if package in packages}

    def _diversions(self) -> dict[str, tuple[str, str]]:
        """Return by the name that a file was moved to the one it was packed under, and the package that moved it."""
        try:
            with open(os.path.join(self._database, "diversions"), encoding="utf-8", errors="surrogateescape") as file:
                lines = file.read().split("\n")
        except OSError:
            return {}
        return {lines[at + 1]: (lines[at], lines[at + 2]) for at in range(0, len(lines) - 2, 3)}

    def _packages(self, wanted: set[str], state: str = "") -> dict[str, Package]:
        """Return the packages in *wanted*, which are called as their lists are: ``tzdata``, ``libc6:amd64``.

        Only those whose status ends with *state*: of one that was removed, settings may be left.
        """
        with open(os.path.join(self._database, "status"), encoding="utf-8", errors="surrogateescape") as file:
            stanzas = re.split(r"\n\n+", file.read())
        found = {}
        names = {name.partition(":")[0] for name in wanted}
        for stanza in stanzas:
            if stanza.startswith("Package: ") and stanza[9:].partition("\n")[0] in names:
                told = dict(re.findall(r"^(Package|Status|Version|Architecture): *(.*)$", stanza, re.MULTILINE))
                if not told.get("Status", "").endswith(state):
                    continue
                name, architecture = told["Package"], told.get("Architecture", "")
                package = Package(name, told.get("Version", ""), architecture)
                for key in wanted & {name, f"{name}:{architecture}"}:
                    found[key] = package
        return found


def _lies_there(name: str, path: str, package: str, diverted: Mapping[str, tuple[str, str]]) -> bool:
    """Tell whether it is the file that *package* lists as *name* that lies at *path*."""
    package = package.partition(":")[0]
    if name not in names_of(path):  # it was looked for under the name that it was packed under
        return any(origin == name and by != package for origin, by in diverted.values())
    return all(origin != name or by == package for origin, by in diverted.values())


def _line(package: Package) -> str:
    return f"{package.name}:{package.architecture}={package.version}" if package.architecture != "all" else \
        f"{package.name}={package.version}"


BACKEND = DebianFinder
