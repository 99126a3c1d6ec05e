"""Which packages of Alpine Linux the files of a run belong to, by the table that apk keeps; it isn't started."""

import os
from collections.abc import Sequence

from sumatra.dependency_finder._system import Package, found_packages, names_of, owners_by, packaged
from sumatra.dependency_finder.base import Finder, Found, Run

__all__ = ["BACKEND", "AlpineFinder"]

_TITLE = "# Alpine packages of which files were read, for apk add"


class AlpineFinder(Finder):
    """Knows the packages of Alpine Linux."""

    name = "alpine"

    def __init__(self, database: str = "/lib/apk/db/installed") -> None:
        self._database = database

    def loaded(self, run: Run) -> Found:
        """Return the packages that own files of the run."""
        paths = packaged(run.files)
        if not paths or not os.path.exists(self._database):
            return Found()
        owners = owners_by(self._look, paths, run.cache, self.name, self._database)
        return found_packages(owners, self.name, "apk", lambda package: f"{package.name}={package.version}", _TITLE)

    def _look(self, paths: Sequence[str]) -> dict[str, Package]:
        wanted = {name: path for path in paths for name in names_of(path)}
        owners: dict[str, Package] = {}
        package, folder = Package("", ""), ""
        with open(self._database, encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                field, value = line[:2], line[2:].rstrip("\n")
                if not value:
                    continue
                if field == "P:":
                    package, folder = Package(value, ""), ""
                elif field == "V:":
                    package = package._replace(version=value)
                elif field == "A:":
                    package = package._replace(architecture=value)
                elif field == "F:":
                    folder = value
                elif field == "R:":
                    path = wanted.get(f"/{folder}/{value}")
                    if path is not None:
                        owners.setdefault(path, package)
        return owners


BACKEND = AlpineFinder
