"""R: itself, its packages, and scripts."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sumatra.dependency_finder._reading import (
    NOT_FOUND,
    NOT_LOADED,
    Reader,
    found_file,
    head,
    is_below,
    main_of,
    moment,
    own_code,
    pattern,
    plain,
    told_path,
)
from sumatra.dependency_finder.base import Again, Finder, Found, Run, again_by_path
from sumatra.facts import replace
from sumatra.records import Dependency

__all__ = ["BACKEND", "RFinder"]

_MODULE = "r"
_SCRIPTS = (".R", ".r", ".Rmd", ".rmd", ".qmd", ".Rnw")

#: A string stays, a comment goes.  What begins a string ends it at the latest with the text.
_TOKENS = pattern(r"""("(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|`[^`]*`?)|#[^\n]*""", re.DOTALL)
_NAME = r"[A-Za-z][\w.]{0,200}"
_LIBRARY = pattern(
    rf"""\b(library|require|requireNamespace|loadNamespace|attachNamespace)\s*\(\s*(?:package\s*=\s*)?"""
    rf"""(?:["'`]({_NAME})["'`]|({_NAME}))\s*(,[^()]{{0,300}})?\)"""
)
_SEVERAL = pattern(
    r"""\b(?:p_load|[lsv]apply\s*\(\s*c(?=[^()]*\([^()]*\)\s*,\s*(?:FUN\s*=\s*)?(?:library|require)\b))"""
    r"""\s*\(([^()]{0,5000})\)"""
)
_COLONS = pattern(rf"(?<![\w.:])({_NAME}):::?[\w.`]")
_SOURCE = pattern(
    r"""\b(?:sys\.)?source\s*\(\s*(?:file\s*=\s*)?"""
    r"""(?:["']([^"'\n]{1,1000})["']|(?:here::)?(?:here|file\.path)\s*\(([^()]{1,1000})\))"""
)
_CHUNK_BEGINS = pattern(r"[ \t]*```+[ \t]*\{[rR]\b|<<.*>>=[ \t]*$")
_CHUNK_ENDS = pattern(r"[ \t]*```+[ \t]*$|@")
_QUOTED = pattern(r"""["']([^"'\n]{1,1000})["']""")

#: What tells that a package was loaded, and not only looked at.
_CODE = pattern(r"/(?:R/[^/]+|libs/(?:[^/]+/)?[^/]+\.so|data/Rdata\.rd[bxs]|Meta/nsInfo\.rds)$")


class RFinder(Finder):
    """Knows the packages of R."""

    name = _MODULE

    def loaded(self, run: Run) -> Found:
        """Return R and the packages that were loaded, and the list of all that is installed where they are.

        R's own packages have no versions of their own and are told as ``R``.
        """
        folders = _package_folders(run.files)
        sources = [path for path in run.files if path.endswith(_SCRIPTS)]
        if not folders and not sources:
            return Found()
        described = {folder: told for folder in folders if (told := description(folder))}
        found: dict[str, Dependency] = {}
        for folder, told in described.items():
            dependency = _dependency(folder, told)
            found[dependency.name if dependency.name == "R" else folder] = dependency
        sources = [path for path in sources if not any(is_below(path, folder) for folder in described)]
        developed, sources = _developed(run, sources)
        own, accounted = own_code(run, sources, _MODULE)
        dependencies = sorted(found.values(), key=lambda each: (each.name != "R", each.name.lower()))
        return Found(
            (*dependencies, *developed, *own),
            frozenset(_theirs(run.files, described)) | accounted | {
                path for path in run.files for each in developed if each.checkout and is_below(path, each.path)
            },
            _lock(described),
            _renv(run) if described else {},
        )

    def foreseen(self, run: Run) -> Found:
        """Return the packages that the script of *run* asks for, and the files that it sources."""
        main = main_of(run, "R")
        if main is None:
            return Found()
        reader = Reader()
        names, files = _read_all(main, run, reader)
        libraries = library_folders(run)
        found: dict[str, Dependency] = {}
        for name in names:
            folders = [os.path.join(library, name) for library in libraries]
            folder = next((folder for folder in folders if description(folder)), None)
            if folder is None:
                found[name] = Dependency(name, "", None, _MODULE, flags=(NOT_LOADED, NOT_FOUND))
            else:
                each = _dependency(os.path.realpath(folder), description(folder))
                found[each.name] = replace(each, flags=(NOT_LOADED,))
        base = next((path for each in libraries if os.path.isdir(path := os.path.join(each, "base"))), None)
        if base is not None:
            found["R"] = replace(_dependency(os.path.realpath(base), description(base)), flags=(NOT_LOADED,))
        own, _ = own_code(run, files, _MODULE, foreseen=True)
        dependencies = sorted(found.values(), key=lambda each: (each.name != "R", each.name.lower()))
        return Found((*dependencies, *own), surroundings=_renv(run), findings=reader.findings("R"))

    def again(self, run: Run, dependencies: Sequence[Dependency], locks: Mapping[str, str]) -> list[Again]:
        """Return what has become of *dependencies* in the folders that R looks for packages in now."""
        libraries = library_folders(run)
        return [_again(each, libraries) for each in dependencies]


def _again(dependency: Dependency, libraries: Iterable[str]) -> Again:
    if not (dependency.source or "").startswith("DESCRIPTION"):
        return again_by_path(dependency)
    if dependency.name == "R":
        folders = [os.path.join(library, "base") for library in (*libraries, f"{dependency.path}/library")]
    elif "editable" in dependency.flags:
        folders = [dependency.path]
    else:
        # A script may name folders of its own, so where it was found then comes last.
        folders = [*(os.path.join(library, dependency.name) for library in libraries), dependency.path]
    for folder in folders:
        told = description(folder)
        if told:
            now = _dependency(os.path.realpath(folder), told)
            note = f"installed {moment(os.stat(folder).st_mtime)}" if now.version != dependency.version else ""
            return Again(dependency, replace(dependency, version=now.version, path=now.path), note=note)
    return Again(dependency, None)


def _package_folders(files: Iterable[str]) -> dict[str, None]:
    """Return the folders of packages of which *files* were loaded, by the names that R gives to its files."""
    found: dict[str, None] = {}
    for path in files:
        if not path.endswith((".rds", ".rdb", ".rdx", ".so")):
            continue
        folder, slash, inside = path.rpartition("/Meta/")
        if slash:
            if inside == "nsInfo.rds":
                found[folder] = None
            continue
        for part in ("/R/", "/libs/", "/data/"):
            folder, slash, inside = path.rpartition(part)
            if slash and _CODE.search(f"{part}{inside}") and (part != "/R/" or inside[:-4] in (
                os.path.basename(folder), "sysdata"
            )):
                found[folder] = None
                break
    return found


def description(folder: str) -> dict[str, str]:
    """Return what ``DESCRIPTION`` of the package in *folder* says; empty if that is no package."""
    told: dict[str, str] = {}
    field = ""
    for line in head(os.path.join(folder, "DESCRIPTION"), 1 << 17).decode("utf-8", "replace").splitlines():
        if line[:1] in (" ", "\t"):
            if field:
                told[field] += " " + line.strip()
        else:
            field, colon, value = line.partition(":")
            field = field if colon else ""
            if field:
                told[field] = value.strip()
    return told if "Package" in told and "Version" in told else {}


def _dependency(folder: str, told: Mapping[str, str]) -> Dependency:
    if told.get("Priority") == "base":
        library = os.path.dirname(folder)
        return Dependency("R", os.path.dirname(library), told["Version"], _MODULE, source="DESCRIPTION")
    origin = _origin(told)
    return Dependency(
        told["Package"], folder, told["Version"], _MODULE, source=f"DESCRIPTION ({origin})" if origin else "DESCRIPTION"
    )


def _origin(told: Mapping[str, str]) -> str:
    """Return which repository and commit a package was installed from, where its installer wrote that down."""
    kind = told.get("RemoteType", "github" if "GithubSHA1" in told else "")
    commit = told.get("RemoteSha", told.get("GithubSHA1", ""))
    if not kind or kind in ("standard", "cran") or not re.fullmatch(r"[0-9a-f]{7,64}", commit):
        return ""
    user = told.get("RemoteUsername", told.get("GithubUsername", ""))
    repository = told.get("RemoteRepo", told.get("GithubRepo", ""))
    place = f"{user}/{repository}" if user and repository else _scrubbed(told.get("RemoteUrl", ""))
    return " ".join(filter(None, (kind, place, commit)))


def _scrubbed(url: str) -> str:
    """Return *url* without user and password."""
    return re.sub(r"^(\w+://)[^/@]*@", r"\1", url.partition("?")[0])


def _theirs(files: Iterable[str], described: Mapping[str, object]) -> Iterator[str]:
    """Yield those of *files* that belong to packages, unless the system or Conda has packages that own them too."""
    if not described:
        return
    libraries = {os.path.dirname(folder) for folder in described}
    homes = {os.path.dirname(folder) for folder in libraries if os.path.isdir(os.path.join(folder, "base"))}
    conda = [folder for folder in libraries if os.path.isdir(f"{folder.partition('/lib/R/')[0]}/conda-meta")]
    theirs = {folder for folder in (*described, *homes) if not any(is_below(f"{folder}/library", up) for up in conda)}
    for path in files:
        if path.startswith("/usr/") and not path.startswith("/usr/local/"):
            continue
        above = os.path.dirname(path)
        while len(above) > 1 and above not in theirs:
            above = os.path.dirname(above)
        if above in theirs:
            yield path


def _developed(run: Run, sources: Iterable[str]) -> tuple[list[Dependency], list[str]]:
    """Return the packages that were loaded from their sources (``load_all``), and what isn't of them."""
    found: dict[str, Dependency] = {}
    rest = []
    root = os.path.realpath(run.root) if run.root else ""
    for path in sources:
        folder, _, _ = path.rpartition("/R/")
        told = description(folder) if folder and not is_below(root, folder) and not is_below(folder, root) else {}
        if told:
            found[folder] = Dependency(
                told["Package"], folder, told["Version"], _MODULE, source="DESCRIPTION",
                checkout=run.checkout_of(path), flags=("editable",),
            )
        else:
            rest.append(path)
    return list(found.values()), rest


def _lock(described: Mapping[str, Mapping[str, str]]) -> dict[str, bytes]:
    """Return all that is installed in the libraries that were used, in the form of ``renv.lock``."""
    import json

    libraries = {os.path.dirname(folder) for folder in described}
    packages: dict[str, dict[str, str]] = {}
    version = ""
    for library in sorted(libraries, key=lambda folder: os.path.isdir(os.path.join(folder, "base"))):
        try:
            names = sorted(os.listdir(library))
        except OSError:
            continue
        for name in names:
            told = described.get(os.path.join(library, name)) or description(os.path.join(library, name))
            if told.get("Priority") == "base":
                version = told["Version"]
            elif told and told["Package"] not in packages:
                packages[told["Package"]] = _locked(told)
    if not described:
        return {}
    lock = {"R": {"Version": version}, "Packages": dict(sorted(packages.items()))}
    return {_MODULE: (json.dumps(lock, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "surrogateescape")}


def _locked(told: Mapping[str, str]) -> dict[str, str]:
    remote = {name: _scrubbed(value) for name, value in told.items() if name.startswith("Remote") and _origin(told)}
    source = "unknown"
    if remote:
        source = {"github": "GitHub", "gitlab": "GitLab", "bitbucket": "Bitbucket"}.get(told["RemoteType"], "Git")
    elif told.get("Repository"):
        source = "Repository"
    kept = {"Package": told["Package"], "Version": told["Version"], "Source": source}
    if source == "Repository":
        kept["Repository"] = told["Repository"]
    return {**kept, **remote}


def _renv(run: Run) -> dict[str, str]:
    """Return which ``renv.lock`` is in force, if any, by content."""
    import hashlib

    loaded = [path for path in run.files if path.endswith("/renv.lock")]
    for path in (*loaded, *(os.path.join(folder, "renv.lock") for folder in (run.folder, run.root) if folder)):
        content = head(path, 1 << 22)
        if content:
            digest = hashlib.sha256(content).hexdigest()
            return {"renv.lock": f"{told_path(os.path.realpath(path), run.root)} sha256:{digest}"}
    return {}


# --- reading scripts


def _read_all(main: str, run: Run, reader: Reader) -> tuple[list[str], list[str]]:
    """Return the names of the packages that the script *main* and those that it sources ask for, and these scripts."""
    names: dict[str, None] = {}
    files = {main: None}
    waiting = [main]
    while waiting:
        path = waiting.pop()
        text = reader.text(path)
        if path.endswith((".Rmd", ".rmd", ".qmd", ".Rnw")):
            text = _chunks(text)
        text = plain(text, _TOKENS)
        names.update(dict.fromkeys(_asked_for(text)))
        for name in _sourced(text):
            folders = [run.folder, os.path.dirname(path), run.root]
            found = found_file(name, filter(None, folders))
            if found is not None and found not in files:
                files[found] = None
                waiting.append(found)
    return list(names), list(files)


def _chunks(text: str) -> str:
    """Return the R code in a document that is woven from text and code."""
    lines = []
    inside = False
    for line in text.split("\n"):
        if inside and _CHUNK_ENDS.match(line):
            inside = False
        elif inside:
            lines.append(line)
        else:
            inside = _CHUNK_BEGINS.match(line) is not None
    return "\n".join(lines)


def _asked_for(text: str) -> Iterator[str]:
    for call, quoted, bare, rest in _LIBRARY.findall(text):
        if quoted:
            yield quoted
        elif call in ("library", "require") and not re.search(r"character\.only\s*=\s*T", rest):
            yield bare
    for several in _SEVERAL.findall(text):
        for word in several.split(","):
            found = re.fullmatch(rf"""["']?({_NAME})["']?""", word.strip())
            if found:
                yield found[1]
    # In strings too there are colons, but nothing that is installed is called like what stands before them.
    yield from _COLONS.findall(_QUOTED.sub('""', text))


def _sourced(text: str) -> Iterator[str]:
    for name, several in _SOURCE.findall(text):
        yield name or os.path.join(*(_QUOTED.findall(several) or [""]))


# --- where packages are


def library_folders(run: Run) -> list[str]:
    """Return the folders that R looks for packages in, in order, as far as environment and files tell."""
    home = _home(run)
    settings = _renviron(home) if home else {}
    base = description(os.path.join(home, "library", "base")) if home else {}
    version = base.get("Version", "")
    built = base.get("Built", "").split(";")
    codes = {
        "V": version, "v": ".".join(version.split(".")[:2]), "p": built[1].strip() if len(built) > 1 else "",
        "o": "linux-gnu", "a": (built[1].strip() if len(built) > 1 else "").partition("-")[0],
    }
    codes["U"] = f"{run.environment.get('HOME', '')}/R/{codes['p']}-library/{codes['v']}"
    codes["S"] = f"{home}/site-library"
    texts = [
        run.environment.get("R_LIBS", ""),
        run.environment.get("R_LIBS_USER") or settings.get("R_LIBS_USER", "%U"),
        run.environment.get("R_LIBS_SITE") or settings.get("R_LIBS_SITE", "%S"),
    ]
    folders = list(_project_libraries(run))
    for text in texts:
        expanded = re.sub(r"%([A-Za-z])", lambda match: codes.get(match[1], match[0]), text)
        folders += [os.path.expanduser(folder) for folder in expanded.split(":")]
    if home:
        folders.append(f"{home}/library")
    return [folder for folder in dict.fromkeys(folders) if folder.startswith("/") and os.path.isdir(folder)]


def _project_libraries(run: Run) -> Iterator[str]:
    """Yield the library that renv has made for the project."""
    top = os.path.join(run.root or run.folder, "renv", "library")
    for _ in range(3):  # the platform, R with its version, the processor
        try:
            names = sorted(os.listdir(top))
        except OSError:
            return
        if any(os.path.exists(os.path.join(top, name, "DESCRIPTION")) for name in names):
            break
        if len(names) == 0:
            return
        top = os.path.join(top, names[-1])
    yield os.path.realpath(top)


def _home(run: Run) -> str:
    """Return the folder of the R that runs the script, or would be found: the one with ``library/base`` in it."""
    programs = [run.executable.path] if run.executable and run.executable.name == "R" else []
    programs += [os.path.join(folder, "R") for folder in run.environment.get("PATH", "").split(os.pathsep) if folder]
    for program in programs:
        if not os.path.exists(program):
            continue
        for path in (os.path.realpath(program), os.path.abspath(program)):
            prefix = os.path.dirname(os.path.dirname(path))
            for home in (prefix, f"{prefix}/lib/R", f"{prefix}/lib64/R"):
                if os.path.exists(f"{home}/library/base/DESCRIPTION"):
                    return home
    return ""


def _renviron(home: str) -> dict[str, str]:
    """Return the folders of packages that R's own settings name: ``NAME=${NAME-value}``, read as text."""
    text = head(f"{home}/etc/Renviron").decode("utf-8", "replace")
    pattern = r"""^(R_LIBS_\w+)=(?:\$\{\w+:?-)?["']?([^\s"'}]+)["']?\}?"""
    return dict(re.findall(pattern, text, re.MULTILINE))


BACKEND = RFinder
