"""MATLAB and Octave: themselves, their toolboxes and packages, and files of functions."""

import os
import re
from collections.abc import Iterable, Iterator

from sumatra.dependency_finder._reading import NOT_FOUND, NOT_LOADED, Reader, head, main_of, own_code, pattern, plain
from sumatra.dependency_finder.base import Finder, Found, Run
from sumatra.records import Dependency

__all__ = ["BACKEND", "MatlabFinder"]

_MODULE = "matlab"
_SUFFIXES = (".m", ".mlx", ".mex", ".mexa64", ".mexw64", ".mexmaci64", ".mexmaca64", ".oct", ".p")

_OCTAVE = pattern(r"^(.*/octave)/(\d+\.\d+\.\d+[\w.~+-]*)/")
_OCTAVE_PROGRAM = pattern(r"/octave(?:-cli|-gui)?-(\d+\.\d+\.\d+[\w.~+-]*)$")
_PACKAGE = pattern(r"^(.*/octave(?:/api-[^/]+)?(?:/packages)?/([A-Za-z][\w.+]*(?:-[A-Za-z][\w.+]*)*)-(\d[\w.+~]*))/")
_TOOLBOX = pattern(r"^(.*?)/toolbox/([^/]+)/")

#: The second line of ``Contents.m`` of a toolbox.
_CONTENTS = pattern(r"^%[ \t]*[Vv]ersion[ \t]+v?(\d[\w.]*)[ \t]*(\(R\d{4}[ab]\))?", re.MULTILINE)

#: A string stays, a comment goes.  What begins a string ends it at the latest with the line.  A quote after a name, a
#: number or a bracket transposes.
_TOKENS = pattern(
    r"""("(?:[^"\\\n]|\\.)*"?|(?<![\w.)\]}'])'(?:[^'\n]|'')*'?)|(?:%|(?<!\w)#)[^\n]*|\.\.\.[^\n]*\n?""",
    re.MULTILINE,
)
_WORD = pattern(r"(?<![\w.'\"/\\])[A-Za-z]\w{0,100}(?:\.[A-Za-z]\w{0,100}){0,5}")
_QUOTED = pattern(r"""["']([^"'\n]{1,1000})["']""")
_ADDED = pattern(r"""\baddpath\s*\(([^;\n]{1,2000})""")
_ADDED_PLAINLY = pattern(r"^[ \t]*addpath[ \t]+([^\s;,('\"=][^\s;,]{0,1000})", re.MULTILINE)
_PKG = pattern(
    r"""(?:^|[;,])[ \t]*pkg[ \t]+load((?:[ \t]+(?!-)[\w-]+)+)|\bpkg\s*\(\s*["']load["']\s*,([^()]{1,1000})\)""",
    re.MULTILINE,
)
_RUN = pattern(r"""\b(?:run|source)\s*\(?\s*["']([^"'\n]{1,1000})["']""")

_DEEPEST = 8  #: folders that ``genpath`` goes down
_MOST_FOLDERS = 1000


class MatlabFinder(Finder):
    """Knows MATLAB, Octave, and what they load."""

    name = _MODULE

    def loaded(self, run: Run) -> Found:
        """Return the program, the toolboxes and packages of which files were loaded, and functions from elsewhere."""
        own, found, theirs = [], {}, []
        roots: dict[str, bool] = {}
        for path in run.files:
            if "/octave" in path:
                each = _of_octave(path)
            elif "/toolbox/" in path:
                each = _of_matlab(path, roots)
            else:
                each = None
            if each is not None:
                found[each.name, each.path if each.version is None else each.version] = each
                theirs.append(path)
            elif path.endswith(_SUFFIXES):
                own.append(path)
        if not found and not own:
            return Found()
        if not found and run.executable is not None and run.executable.name not in ("Matlab", "Octave"):
            own = [path for path in own if not path.endswith((".p", ".oct"))]  # suffixes that others use too
        others, accounted = own_code(run, own, _MODULE, version=_version_of)
        free = [path for path in theirs if not path.startswith("/usr/") or path.startswith("/usr/local/")]
        return Found((*sorted(found.values(), key=_order), *others), accounted | frozenset(free))

    def foreseen(self, run: Run) -> Found:
        """Return what the script of *run* would load: files of functions on its path, packages that it asks for."""
        main = main_of(run, "Matlab")
        if main is None:
            return Found()
        look = _Look(run, main)
        look.follow()
        own, _ = own_code(run, look.files, _MODULE, foreseen=True, version=_version_of)
        return Found((*look.program(), *look.packages(), *own), findings=look.reader.findings("MATLAB or Octave"))


def _order(each: Dependency) -> tuple[bool, str]:
    return each.name not in ("matlab", "octave"), each.name.lower()


def _of_octave(path: str) -> Dependency | None:
    found = _OCTAVE.match(path)
    if found:
        folder = f"{found[1]}/{found[2]}"
        return Dependency("octave", folder, found[2], _MODULE, source="folder of its library")
    found = _OCTAVE_PROGRAM.search(path)
    if found:
        return Dependency("octave", path, found[1], _MODULE, source="name of the program")
    return _package(path)


def _package(path: str, *flags: str) -> Dependency | None:
    """Return the package of Octave that *path* lies in."""
    found = _PACKAGE.match(path)
    if not found:
        return None
    for place in ("packinfo/DESCRIPTION", "DESCRIPTION"):
        text = head(os.path.join(found[1], place)).decode("utf-8", "replace")
        told = re.search(r"^[Vv]ersion[ \t]*:[ \t]*(\S+)", text, re.MULTILINE)
        if told:
            return Dependency(found[2], found[1], told[1], _MODULE, source="DESCRIPTION", flags=flags)
    return Dependency(found[2], found[1], found[3], _MODULE, source="name of its folder", flags=flags)


def _of_matlab(path: str, roots: dict[str, bool]) -> Dependency | None:
    """Return MATLAB, or its toolbox, that *path* lies in."""
    found = _TOOLBOX.match(path)
    if not found:
        return None
    root, name = found[1], found[2]
    if root not in roots:
        roots[root] = os.path.isfile(f"{root}/VersionInfo.xml") or os.path.isdir(f"{root}/toolbox/matlab")
    if not roots[root]:
        return None
    if name not in ("matlab", "local", "shared"):
        for place in (f"{root}/toolbox/{name}/{name}/Contents.m", f"{root}/toolbox/{name}/Contents.m"):
            version = _contents_version(place)
            if version:
                return Dependency(name, f"{root}/toolbox/{name}", version, _MODULE, source="Contents.m")
        return Dependency(name, f"{root}/toolbox/{name}", None, _MODULE)
    about = head(f"{root}/VersionInfo.xml").decode("utf-8", "replace")
    told = re.search(r"<version>([\d.]+)</version>", about)
    return Dependency("matlab", root, told[1] if told else None, _MODULE, source="VersionInfo.xml" if told else None)


def _contents_version(path: str) -> str | None:
    found = _CONTENTS.search(head(path, 4096).decode("utf-8", "replace"))
    return " ".join(filter(None, found.groups())) if found else None


def _version_of(path: str) -> tuple[str | None, str | None]:
    """Return the version of a file of the user's: its own, or that of the toolbox it lies in."""
    from sumatra.dependency_finder._reading import own_version

    told, source = own_version(path) if path.endswith(".m") else (None, None)
    if told is None:
        told = _contents_version(os.path.join(os.path.dirname(path), "Contents.m"))
        source = "Contents.m" if told else None
    return told, source


class _Look:
    """One look through the code of a run."""

    def __init__(self, run: Run, main: str) -> None:
        self._run = run
        self.reader = Reader()
        self.files: dict[str, None] = {main: None}
        self._wanted: dict[str, None] = {}
        self._folders: dict[str, None] = dict.fromkeys((os.path.realpath(run.folder), os.path.dirname(main)))
        for name in ("MATLABPATH", "OCTAVE_PATH"):
            for folder in run.environment.get(name, "").split(os.pathsep):
                if folder.startswith("/"):
                    self._folders[os.path.realpath(folder)] = None
        self._listed: dict[str, dict[str, str]] = {}

    def follow(self) -> None:
        """Read the script and what it calls."""
        texts: dict[str, str] = {}
        waiting = list(self.files)
        while waiting:
            for path in waiting:
                if path.endswith(".m"):
                    texts[path] = plain(self.reader.text(path), _TOKENS)
                    self._widen(texts[path], path)
            # What a later file adds to the path counts for the calls of all.
            new = {found for path, text in texts.items() for found in self._called(text, path)} - self.files.keys()
            self.files.update(dict.fromkeys(sorted(new)))
            waiting = sorted(new)

    def _widen(self, text: str, path: str) -> None:
        """Take in the folders and packages that *text* adds."""
        for found in _ADDED.findall(text):
            for name in (piece for quoted in _QUOTED.findall(found) for piece in quoted.split(os.pathsep)):
                self._add(name, path, deep="genpath" in found)
        for name in _ADDED_PLAINLY.findall(text):
            self._add(name, path, deep=False)
        for plainly, called in _PKG.findall(text):
            names = plainly.split() or [name for quoted in _QUOTED.findall(called) for name in quoted.split()]
            self._wanted.update(dict.fromkeys(names))

    def _add(self, name: str, path: str, *, deep: bool) -> None:
        for base in (self._run.folder, os.path.dirname(path)):
            folder = os.path.realpath(os.path.join(base, os.path.expanduser(name)))
            if os.path.isdir(folder) and len(self._folders) < _MOST_FOLDERS:
                self._folders[folder] = None
                if deep:
                    self._folders.update(dict.fromkeys(_below(folder)))
                return

    def _called(self, text: str, path: str) -> Iterator[str]:
        """Yield the files that words of *text* may call."""
        beside = os.path.dirname(path)
        for words in dict.fromkeys(_WORD.findall(text)):
            *packages, name = words.split(".")
            inside = "/".join(f"+{part}" for part in packages)
            folders = [os.path.join(beside, "private"), *(self._folders if os.path.basename(beside) != "private" else
                                                          [beside, *self._folders])]
            found = self._find(name, [os.path.join(folder, inside) for folder in folders] if packages else folders)
            if found is None and packages:  # a field of what a function returns, or a class
                found = self._find(packages[0], folders)
            if found is not None:
                yield found
        for name in _RUN.findall(text):
            for base in (self._run.folder, beside, *self._folders):
                script = os.path.realpath(os.path.join(base, name if name.endswith(".m") else f"{name}.m"))
                if os.path.isfile(script):
                    yield script
                    break

    def _find(self, name: str, folders: Iterable[str]) -> str | None:
        for folder in folders:
            if folder not in self._listed:
                self._listed[folder] = _functions(folder)
            found = self._listed[folder].get(name)
            if found is not None:
                return found
        return None

    def program(self) -> list[Dependency]:
        """Return MATLAB or Octave itself, where it is known which of them runs the script."""
        told = self._run.executable
        if told is None or told.name not in ("Matlab", "Octave"):
            return []
        source = "the program itself" if told.version else None
        return [Dependency(told.name.lower(), told.path, told.version, _MODULE, source=source, flags=(NOT_LOADED,))]

    def packages(self) -> Iterator[Dependency]:
        """Yield the packages that are asked for with ``pkg load``."""
        for name in self._wanted:
            folders = [
                os.path.join(place, each) for place in self._places() for each in _names(place)
                if each.rpartition("-")[0] == name
            ]
            found = _package(f"{folders[-1]}/", NOT_LOADED) if folders else None
            yield found or Dependency(name, "", None, _MODULE, flags=(NOT_LOADED, NOT_FOUND))

    def _places(self) -> list[str]:
        """Return the folders in which Octave's packages are installed."""
        home = self._run.environment.get("HOME", "")
        shared = f"{home}/.local/share/octave"
        program = os.path.realpath(self._run.executable.path) if self._run.executable else ""
        prefix = os.path.dirname(os.path.dirname(program)) or "/usr"
        return [
            f"{prefix}/share/octave/packages", f"{home}/octave", f"{shared}/packages",
            *(f"{shared}/{name}/packages" for name in _names(shared) if name.startswith("api-")),
        ]


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _functions(folder: str) -> dict[str, str]:
    """Return the files in *folder* that can be called, by what they are called; those of classes in ``@`` folders."""
    found: dict[str, str] = {}
    for name in _names(folder):
        stem, suffix = os.path.splitext(name)
        path = os.path.join(folder, name)
        if name.startswith("@") and os.path.isfile(f"{path}/{name[1:]}.m"):
            found.setdefault(name[1:], os.path.realpath(f"{path}/{name[1:]}.m"))
        elif suffix in _SUFFIXES and (stem not in found or suffix != ".m"):  # what is compiled comes before its source
            found[stem] = os.path.realpath(path)
    return found


def _below(top: str) -> Iterator[str]:
    """Yield the folders below *top* that ``genpath`` names."""
    for folder, names, _ in os.walk(top):
        depth = folder[len(top):].count("/")
        names[:] = sorted(
            name for name in names if not name.startswith((".", "@", "+")) and name not in ("private", "resources")
        ) if depth < _DEEPEST else []
        yield folder


BACKEND = MatlabFinder
