"""What finders that read code have in common: files as text, within bounds, and the user's own code by what holds it.

Nothing that is read here is run, and no pattern here takes more than linear time, as a file may come from a stranger.
"""

import os
import re
import stat
from collections.abc import Callable, Iterable, Sequence
from typing import Any, AnyStr, cast

from sumatra.dependency_finder.base import Run
from sumatra.records import Dependency, Finding

__all__ = [
    "LANGUAGES", "NOT_FOUND", "NOT_LOADED", "Reader", "found_file", "head", "is_below", "main_of", "moment", "own_code",
    "own_version", "pattern", "plain", "told_path",
]

NOT_LOADED, NOT_FOUND = "not loaded", "not found"


class _Pattern:
    """A pattern that is compiled when it is first used."""

    def __init__(self, text: Any, flags: int) -> None:
        self._source = text, flags

    def __getattr__(self, name: str) -> Any:
        compiled = re.compile(*self._source)
        for method in ("findall", "finditer", "fullmatch", "match", "search", "sub"):
            self.__dict__[method] = getattr(compiled, method)
        return getattr(compiled, name)


def pattern(text: AnyStr, flags: int = 0) -> "re.Pattern[AnyStr]":
    """Return what does as `re.compile` does, later: each run loads all finders, and few of them find anything.

    Compiling all of their patterns takes 4 ms.
    """
    return cast("re.Pattern[AnyStr]", _Pattern(text, flags))


#: Whose script a file is, by its suffix: names as those in `sumatra.programs`.
LANGUAGES = {
    ".py": "Python", ".pyw": "Python", ".ipynb": "Python", ".R": "R", ".r": "R", ".Rmd": "R", ".rmd": "R", ".qmd": "R",
    ".Rnw": "R", ".m": "Matlab", ".hoc": "NEURON", ".oc": "NEURON", ".ses": "NEURON", ".g": "GENESIS", ".jl": "Julia",
}

#: Where no user has her code.
_SYSTEM = ("/bin/", "/etc/", "/gnu/", "/lib", "/nix/", "/proc/", "/sbin/", "/snap/", "/sys/", "/usr/")

_LARGEST = 1 << 21  #: bytes of one file that is read
_MOST_BYTES = 1 << 23  #: of all of them
_MOST_FILES = 1000

#: Where code tells its version: a name that is given one, or what version control has filled in.
_KEYWORD = pattern(
    r"\$(?:Id|Header): {1,3}[^$\n]{1,300}?[, ](\d[\w.]*) [^$\n]{0,300}\$|\$Re?v(?:ision)?: {1,3}(\d[\w.]*) ?\$"
)
_NAMED = pattern(
    r"^[ \t]{0,8}(?://|[%#*])?[ \t]{0,8}(?:__version__|version|VERSION)[ \t]{0,8}(?:=|<-|:)[ \t]{0,8}[\"']?"
    r"v?(\d[\w.+-]{0,60})",
    re.MULTILINE,
)


class Reader:
    """Reads files of code as text, until the bounds of one look are reached."""

    def __init__(self) -> None:
        self._files = 0
        self._bytes = 0
        self.is_full = False  #: something wasn't read because the bounds were reached

    def read(self, path: str) -> bytes:
        """Return the content of the regular file at *path*; nothing if it can't be read, or is too much."""
        if self._files >= _MOST_FILES or self._bytes >= _MOST_BYTES:
            self.is_full = True
            return b""
        content = head(path, _LARGEST + 1)
        if len(content) > _LARGEST:
            self.is_full = True
            return b""
        self._files += 1
        self._bytes += len(content)
        return content

    def text(self, path: str) -> str:
        """Return the same as text."""
        return self.read(path).decode("utf-8", "replace").replace("\r\n", "\n")

    def findings(self, language: str) -> tuple[Finding, ...]:
        """Return a finding where not all of the code was read."""
        if not self.is_full:
            return ()
        message = f"the {language} code is more than is read of it, so what it would load isn't told in full"
        return (Finding("dependencies-unknown", message),)


def head(path: str, size: int = 1 << 16) -> bytes:
    """Return the first *size* bytes of the regular file at *path*; nothing if it can't be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return b""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(size)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def main_of(run: Run, language: str) -> str | None:
    """Return the absolute path of the main file of *run* if it is written in *language*, by its suffix or its program.

    Octave's language is MATLAB's.
    """
    if not run.main_file:
        return None
    suffix = os.path.splitext(run.main_file)[1]
    spoken = LANGUAGES.get(suffix)
    if spoken is None and run.executable is not None:
        spoken = {"Octave": "Matlab", "PyPy": "Python"}.get(run.executable.name, run.executable.name)
    if spoken != language:
        return None
    return os.path.realpath(os.path.join(run.folder, run.main_file))


def found_file(name: str, folders: Iterable[str], suffixes: Sequence[str] = ("",)) -> str | None:
    """Return the real path of the file *name* in the first of *folders* that has it, or None."""
    if not name or "\0" in name or len(name) > 1000:
        return None
    for folder in folders:
        for suffix in suffixes:
            path = os.path.join(folder, os.path.expanduser(name) + suffix)
            if os.path.isfile(path):
                return os.path.realpath(path)
    return None


def is_below(path: str, folder: str) -> bool:
    """Tell whether *path* is *folder* or in it."""
    return bool(folder) and (path == folder or path.startswith(folder.rstrip("/") + "/"))


def told_path(path: str, root: str) -> str:
    """Return *path* relative to the project's folder *root* if it lies in there."""
    top = os.path.realpath(root) if root else ""
    return path[len(top.rstrip("/")) + 1:] if top and path != top and is_below(path, top) else path


def plain(text: str, tokens: "re.Pattern[str]") -> str:
    """Return code without comments: what *tokens* matches stays if its first group matched (a string) and goes if not.

    Of a string with a parenthesis or of several lines, which may be code in a string, nothing but its quotes stays.
    In the place of a comment line ends stay, so that what belongs to a line still does.
    """

    def without(match: "re.Match[str]") -> str:
        if match[1] is None:
            return "\n" * match[0].count("\n") or " "
        return match[1][:1] * 2 if "(" in match[1] or "\n" in match[1] else match[1]

    return tokens.sub(without, text)


def own_version(path: str) -> tuple[str | None, str | None]:
    """Return the version that the file of code at *path* gives as text in its beginning, and what told it."""
    text = head(path).decode("utf-8", "replace")
    if "$" in text:
        found = _KEYWORD.search(text)
        if found:
            return found[1] or found[2], "keyword of version control"
    if "ersion" in text or "VERSION" in text:
        found = _NAMED.search(text)
        if found:
            return found[1].rstrip("."), os.path.basename(path)
    return None, None


def own_code(
    run: Run, paths: Iterable[str], module: str, *, foreseen: bool = False,
    version: Callable[[str], tuple[str | None, str | None]] = own_version,
) -> tuple[list[Dependency], frozenset[str]]:
    """Return *paths*, files of the user's own code in one language, as dependencies; and those of them accounted for.

    Of what was loaded only files that the record's own code doesn't have: those in no working copy, or in another
    one than the project's.  Accounted for are those in another working copy, as that is looked at; any other file
    stays an input of the run, which tells its content.
    """
    main = os.path.realpath(os.path.join(run.folder, run.main_file)) if run.main_file else ""
    found, accounted = [], set()
    top = os.path.realpath(run.root) if run.root else ""
    own = run.checkout_of(os.path.join(top, "x")) if top else None
    for path in paths:
        if path.startswith(_SYSTEM) and not path.startswith("/usr/local/") and not is_below(path, top):
            continue
        checkout = run.checkout_of(path)
        if path == main and (foreseen or checkout is None):
            continue
        if not foreseen and checkout is not None:
            if checkout == own:
                continue
            accounted.add(path)
        told, source = version(path)
        found.append(Dependency(
            told_path(path, run.root), path, told, module, source=source, checkout=checkout,
            flags=(NOT_LOADED,) if foreseen else (),
        ))
    return found, frozenset(accounted)


def moment(seconds: float) -> str:
    """Return the local time *seconds* after 1970 began, to the minute."""
    import time

    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
