"""GENESIS: itself and its scripts."""

import os
import re

from sumatra.dependency_finder._reading import NOT_LOADED, Reader, found_file, head, main_of, own_code, pattern, plain
from sumatra.dependency_finder.base import Finder, Found, Run
from sumatra.records import Dependency

__all__ = ["BACKEND", "GenesisFinder"]

_MODULE = "genesis"

#: A string stays, a comment goes; what begins ends at the latest with the text.
_TOKENS = pattern(r'("(?:[^"\\\n]|\\.)*"?)|//[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/)?')
_INCLUDE = pattern(r'(?:^|[;{}])[ \t]*include[ \t]+"?([^\s";{}()]{1,500})"?', re.MULTILINE)
_SIMPATH = pattern(r"^[ \t]*setenv[ \t]+SIMPATH[ \t]+(.+)$", re.MULTILINE)


class GenesisFinder(Finder):
    """Knows the scripts of GENESIS."""

    name = _MODULE

    def loaded(self, run: Run) -> Found:
        """Return the scripts that were loaded and that the code of the run doesn't have; versions by keywords."""
        paths = [path for path in run.files if path.endswith(".g")]
        if not paths:
            return Found()
        own, accounted = own_code(run, paths, _MODULE)
        return Found((*_itself(run), *own), accounted)

    def foreseen(self, run: Run) -> Found:
        """Return the scripts that the one of *run* includes, and those that these include."""
        main = main_of(run, "GENESIS")
        if main is None:
            return Found()
        reader = Reader()
        files = {main: None}
        missing: dict[str, None] = {}
        folders = [run.folder, *_search_path(run), os.path.dirname(main)]
        waiting = [main]
        while waiting:
            for name in _INCLUDE.findall(plain(reader.text(waiting.pop()), _TOKENS)):
                path = found_file(name, folders, ("", ".g"))
                if path is None:
                    missing[name] = None
                elif path not in files:
                    files[path] = None
                    waiting.append(path)
        own, _ = own_code(run, files, _MODULE, foreseen=True)
        gone = [Dependency(name, "", None, _MODULE, flags=(NOT_LOADED, "not found")) for name in missing]
        return Found((*_itself(run, NOT_LOADED), *own, *gone), findings=reader.findings("GENESIS"))


def _itself(run: Run, *flags: str) -> list[Dependency]:
    told = run.executable
    if told is None or told.name != "GENESIS":
        return []
    source = "the program itself" if told.version else None
    return [Dependency("genesis", told.path, told.version, _MODULE, source=source, flags=flags)]


def _search_path(run: Run) -> list[str]:
    """Return the folders in ``SIMPATH``, of the environment or else of the settings file."""
    text = run.environment.get("SIMPATH", "")
    home = run.environment.get("HOME", "")
    for place in (run.folder, home):
        found = _SIMPATH.search(head(os.path.join(place, ".simrc")).decode("utf-8", "replace")) if place else None
        if not text and found:
            text = found[1]
    folders = [word.replace("{getenv HOME}", home).replace("~", home, 1) for word in text.split()]
    return [os.path.join(run.folder, folder) for folder in folders]


BACKEND = GenesisFinder
