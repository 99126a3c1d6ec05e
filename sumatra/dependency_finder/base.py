"""What every finder of dependencies promises.

A finder knows one kind of library: the distributions of Python, the packages of R, those of Debian.  It is told which
files a run really loaded and says what they belong to (`Finder.loaded`); or, where nothing was observed, it reads the
code and says what that would load (`Finder.foreseen`).  It never imports or runs anything of the user's, and it starts
no program.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

from sumatra.facts import fact, field
from sumatra.records import Dependency, Executable, Finding, Program

__all__ = ["Finder", "Found", "Run"]


def _nowhere(path: str) -> str | None:
    return None


@fact(kw_only=True)
class Run:
    """What is known of a run whose dependencies are asked for."""

    files: Sequence[str] = ()  #: that were loaded (read or run): absolute, without symbolic links, sorted
    programs: Sequence[Program] = ()
    executable: Executable | None = None
    main_file: str | None = None  #: as it was typed, relative to *folder*
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
