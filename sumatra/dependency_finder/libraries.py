"""Which shared libraries a run loaded that belong to no package: built by hand, or of a cluster's modules."""

import os
import re

from sumatra.dependency_finder.base import Finder, Found, Run
from sumatra.records import Dependency

__all__ = ["BACKEND", "LibraryFinder"]

_LIBRARY = re.compile(r"(?P<name>.+?)(?:-(?P<before>\d+(?:\.\d+)+))?\.so(?:\.(?P<after>\d+(?:\.\d+)*))?")
_VERSION = re.compile(r"(?:.*-)?v?(\d+(?:\.\d+)+[\w.+]*)(?:-\w+)*")

#: Folders of the system: a library there that no package owns was made when one was installed.
_SYSTEM = ("/usr/lib", "/lib", "/usr/share/", "/proc/", "/dev/", "/sys/", "/run/")


class LibraryFinder(Finder):
    """Knows nothing but the names of files."""

    name = "library"

    def loaded(self, run: Run) -> Found:
        """Return the shared libraries outside the project, and the system, that nothing else accounts for."""
        root = os.path.realpath(run.root) if run.root else ""
        found = []
        for path in run.files:
            if ".so" not in path or not (path.endswith(".so") or path[-1].isdigit()):
                continue
            if path.startswith(_SYSTEM) or (root and path.startswith(f"{root}/")):
                continue
            parts = _LIBRARY.fullmatch(os.path.basename(path))
            if parts:
                version, source = _version(path, parts)
                checkout = run.checkout_of(path)
                found.append(Dependency(parts["name"], path, version, self.name, source=source, checkout=checkout))
        return Found(tuple(found), frozenset(each.path for each in found))


def _version(path: str, parts: re.Match[str]) -> tuple[str | None, str | None]:
    """Return the version that the name of the file or of a folder above it tells, and which of them did."""
    told = parts["before"] or parts["after"]
    if told and "." in told:
        return told, "name of the file"
    for folder in reversed(os.path.dirname(path).split("/")):  # /opt/fftw/3.3.10/lib/libfftw3.so.3
        found = _VERSION.fullmatch(folder)
        if found:
            return found[1], "name of its folder"
    return (told, "name of the file") if told else (None, None)


BACKEND = LibraryFinder
