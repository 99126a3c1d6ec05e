"""What every finder of dependencies promises.

A finder knows one kind of library: the distributions of Python, the packages of R, those of Debian.  It is told which
files a run really loaded and says what they belong to (`Finder.loaded`); or, where nothing was observed, it reads the
code and says what that would load (`Finder.foreseen`).  It never imports or runs anything of the user's, and it starts
no program.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sumatra.facts import fact, field, replace
from sumatra.records import Dependency, Executable, Finding, Program

__all__ = ["Again", "Finder", "Found", "Run", "again_by_path"]


def _nowhere(path: str) -> str | None:
    return None


@fact(kw_only=True)
class Run:
    """What is known of a run whose dependencies are asked for."""

    files: Sequence[str] = ()  #: that were loaded (read or run): absolute, without symbolic links, sorted
    programs: Sequence[Program] = ()
    executable: Executable | None = None
    main_file: str | None = None  #: as it was typed, relative to *folder*
    module: str | None = None  #: dotted name of the module that Python is to run instead of a file
    folder: str = ""  #: the current one of the run
    root: str = ""  #: the project's
    environment: Mapping[str, str] = field(default_factory=dict)  #: the whole one, as the program got it
    cache: str = ""  #: folder in which what was found out may be kept for the next run; empty: nowhere
    #: Tells the root of the working copy that a file (absolute) lies in, if it lies in one.
    checkout_of: Callable[[str], str | None] = field(default=_nowhere)


@fact
class Found:
    """What was found."""

    dependencies: tuple[Dependency, ...] = ()
    accounted: frozenset[str] = frozenset()  #: those of `Run.files` that belong to them
    locks: Mapping[str, bytes] = field(default_factory=dict)  #: by kind: the list of all that is installed, as a file
    surroundings: Mapping[str, str] = field(default_factory=dict)  #: facts that belong to no single library
    findings: tuple[Finding, ...] = ()


class Again(NamedTuple):
    """A library that a run has loaded, and the same as it is now."""

    was: Dependency | None  #: None for one that is new
    now: Dependency | None  #: None for one that isn't there any more
    note: str = ""  #: since when it is so, and by whom
    unknown: str = ""  #: why it can't be told, as the end of a sentence; *now* is then what it was
    installed: float | None = None  #: when (seconds since 1970), where later changes of its files are somebody's edits


class Finder(ABC):
    """Knows one kind of library."""

    name: str  #: what `Dependency.module` says

    @abstractmethod
    def loaded(self, run: Run) -> Found:
        """Return what the files that *run* loaded belong to.

        Fast where there is nothing of this kind.  What can't be found out is left out and never an error.
        """

    def foreseen(self, run: Run) -> Found:
        """Return what the code of *run* would load, as far as reading it tells; flagged ``not loaded``."""
        return Found()

    def version_of(self, path: str) -> str | None:
        """Return the version of the Python module or package at *path* for which neither metadata nor source tell one.

        For finders of others, who know how versions are told where they work: in a file beside the package, in the
        name of a folder.  Asked only where nothing else is known.
        """
        return None

    def again(self, run: Run, dependencies: Sequence[Dependency], locks: Mapping[str, str]) -> list[Again]:
        """Return what has become of *dependencies*, which a run has loaded and this finder has told of.

        *run* is what is known of the same command now; *locks* are the lists of what was installed then, by kind, as
        far as they were kept.  Here they are looked for by the places that they were loaded from.
        """
        places = {each.path: now for each in dependencies if (now := _place_now(each.path))}
        found = self.loaded(replace(run, files=sorted(set(places.values())))).dependencies
        known = {each.name: each for each in found}
        return [
            Again(each, known[each.name]) if each.name in known else again_by_path(each) for each in dependencies
        ]


def again_by_path(dependency: Dependency) -> Again:
    """Return what has become of *dependency* as far as its path tells: whether it is there."""
    if not dependency.path:
        return Again(dependency, dependency, unknown="where it lay wasn't known")
    try:
        os.stat(dependency.path)
    except (FileNotFoundError, NotADirectoryError):
        return Again(dependency, None)
    except (OSError, ValueError) as error:
        return Again(dependency, dependency, unknown=getattr(error, "strerror", None) or str(error))
    return Again(dependency, dependency)


def _place_now(path: str) -> str:
    """Return *path*, or what has taken its place: the version of a shared library is a part of its name."""
    if not path or os.path.exists(path):
        return path
    folder, name = os.path.split(path)
    stem, found, _ = name.partition(".so")
    if not found:
        return ""
    try:
        others = sorted(other for other in os.listdir(folder) if other.startswith(f"{stem}.so"))
    except OSError:
        return ""
    return os.path.realpath(os.path.join(folder, others[0])) if others else ""
