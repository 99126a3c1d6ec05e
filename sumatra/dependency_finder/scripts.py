"""Scripts in languages that have no finder of their own: shells, Perl, Ruby, Lua, Tcl, NEST."""

from sumatra.dependency_finder._reading import own_code
from sumatra.dependency_finder.base import Finder, Found, Run

__all__ = ["BACKEND", "ScriptFinder"]

_LANGUAGES = {
    ".sh": "shell", ".bash": "shell", ".zsh": "shell", ".pl": "perl", ".pm": "perl", ".rb": "ruby", ".lua": "lua",
    ".tcl": "tcl", ".sli": "nest", ".nestml": "nest", ".gp": "gnuplot", ".gnuplot": "gnuplot", ".js": "javascript",
}
_SUFFIXES = tuple(_LANGUAGES)


class ScriptFinder(Finder):
    """Knows scripts by their suffix; each is told as one of its language."""

    name = "script"

    def loaded(self, run: Run) -> Found:
        """Return the scripts that were loaded and that the code of the run doesn't have."""
        paths = [path for path in run.files if path.endswith(_SUFFIXES)]
        found, accounted = [], frozenset[str]()
        for language in dict.fromkeys(_LANGUAGES.values()):
            suffixes = tuple(suffix for suffix, spoken in _LANGUAGES.items() if spoken == language)
            own, more = own_code(run, [path for path in paths if path.endswith(suffixes)], language)
            found += own
            accounted |= more
        return Found(tuple(found), accounted)


BACKEND = ScriptFinder
