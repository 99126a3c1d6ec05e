"""Julia: itself, packages, and scripts."""

import os
import re
from collections.abc import Mapping, Sequence

from sumatra.dependency_finder._reading import (
    NOT_FOUND,
    NOT_LOADED,
    Reader,
    found_file,
    head,
    main_of,
    own_code,
    pattern,
    plain,
)
from sumatra.dependency_finder.base import Again, Finder, Found, Run, again_by_path
from sumatra.facts import replace
from sumatra.records import Dependency

__all__ = ["BACKEND", "JuliaFinder"]

_MODULE = "julia"
_PACKAGE = pattern(r"^(.*/packages/(\w+)/\w{4,6})/")
_COMPILED = pattern(r"^.*/compiled/v[\d.]+/(\w+)/\w+\.(?:ji|so)$")
_ITSELF = pattern(r"^(.*)/(?:share/julia/|lib/julia/|lib/libjulia)")
_TOKENS = pattern(
    r'("""(?:[^"\\]|\\.|"(?!""))*(?:""")?|"(?:[^"\\]|\\.)*"?)|#=(?:[^=]|=(?!#))*(?:=#)?|#[^\n]*', re.DOTALL
)
_USING = pattern(r"^[ \t]*(?:@\w+[ \t]+)?(?:using|import)[ \t]+([^\n]{1,2000})", re.MULTILINE)
_INCLUDE = pattern(r'\binclude\s*\(\s*"([^"\n]{1,1000})"\s*\)')

#: Modules that are a part of Julia, whatever is installed.
_OWN_MODULES = frozenset(
    "Base Core Main ArgTools Artifacts Base64 CRC32c Dates Distributed Downloads FileWatching Future InteractiveUtils "
    "LazyArtifacts LibCURL LibGit2 Libdl LinearAlgebra Logging Markdown Mmap NetworkOptions Pkg Printf Profile REPL "
    "Random SHA Serialization SharedArrays Sockets SparseArrays Statistics SuiteSparse TOML Tar Test UUIDs Unicode"
    .split()
)


class JuliaFinder(Finder):
    """Knows the packages of Julia."""

    name = _MODULE

    def loaded(self, run: Run) -> Found:
        """Return Julia and the packages that were loaded, from their sources or as they were compiled before."""
        found: dict[str, Dependency] = {}
        theirs, own, manifest = [], [], None
        for path in run.files:
            if not path.endswith((".jl", ".ji")) and "/julia" not in path and "/libjulia" not in path:
                continue
            package, compiled, itself = _PACKAGE.match(path), _COMPILED.match(path), _ITSELF.match(path)
            if itself and "/compiled/" not in path:
                version = run.executable.version if run.executable and run.executable.name == "Julia" else None
                found["\n"] = Dependency("julia", itself[1], version, _MODULE, source="the program itself" if version
                                         else None)
            elif package:
                found[package[2]] = _package(package[2], package[1])
            elif compiled:
                if compiled[1] not in found:
                    manifest = _manifest(run) if manifest is None else manifest
                    if compiled[1] not in _OWN_MODULES:
                        found[compiled[1]] = _by_manifest(compiled[1], manifest)
            elif path.endswith(".jl"):
                own.append(path)
                continue
            else:
                continue
            theirs.append(path)
        others, accounted = own_code(run, own, _MODULE)
        return Found((*(found[name] for name in sorted(found)), *others), accounted | frozenset(
            path for path in theirs if not path.startswith("/usr/") or path.startswith("/usr/local/")
        ))

    def foreseen(self, run: Run) -> Found:
        """Return the packages that the script of *run* uses, by the manifest of its project, and what it includes."""
        main = main_of(run, "Julia")
        if main is None:
            return Found()
        reader = Reader()
        names: dict[str, None] = {}
        files = {main: None}
        modules = set()
        waiting = [main]
        while waiting:
            path = waiting.pop()
            text = plain(reader.text(path), _TOKENS)
            modules |= set(re.findall(r"^[ \t]*(?:bare)?module[ \t]+(\w+)", text, re.MULTILINE))
            for line in _USING.findall(text):
                for word in re.split(r"[:;]", line, maxsplit=1)[0].split(","):
                    name = re.match(r"\s*([A-Za-z]\w*)", word)  # a dot before it means a module of the script itself
                    if name:
                        names[name[1]] = None
            for name_ in _INCLUDE.findall(text):
                found = found_file(name_, [os.path.dirname(path)])
                if found is not None and found not in files:
                    files[found] = None
                    waiting.append(found)
        manifest = _manifest(run)
        packages = [
            _by_manifest(name, manifest, NOT_LOADED) for name in sorted(names.keys() - _OWN_MODULES - modules)
        ]
        told = run.executable
        itself = []
        if told is not None and told.name == "Julia":
            source = "the program itself" if told.version else None
            itself = [Dependency("julia", told.path, told.version, _MODULE, source=source, flags=(NOT_LOADED,))]
        own, _ = own_code(run, files, _MODULE, foreseen=True)
        return Found((*itself, *packages, *own), findings=reader.findings("Julia"))

    def again(self, run: Run, dependencies: Sequence[Dependency], locks: Mapping[str, str]) -> list[Again]:
        """Return what has become of *dependencies*, by the manifest of the project that the script is run in."""
        manifest = _manifest(run)
        found = []
        for each in dependencies:
            if each.name in manifest and (each.source or "").startswith(("Manifest.toml", "Project.toml")):
                found.append(Again(each, replace(each, version=manifest[each.name].get("version"))))
            else:
                found.append(again_by_path(each))
        return found


def _package(name: str, folder: str) -> Dependency:
    """Return the package whose sources are in *folder*."""
    text = head(os.path.join(folder, "Project.toml")).decode("utf-8", "replace")
    told = re.search(r'^version[ \t]*=[ \t]*"([^"\n]{1,80})"', text, re.MULTILINE)
    return Dependency(name, folder, told[1] if told else None, _MODULE, source="Project.toml" if told else None)


def _by_manifest(name: str, manifest: Mapping[str, Mapping[str, str]], *flags: str) -> Dependency:
    entry = manifest.get(name)
    if entry is None:
        return Dependency(name, "", None, _MODULE, flags=(*flags, NOT_FOUND) if flags else ())
    source = "Manifest.toml"  # of what is a part of Julia it tells no version
    if entry.get("repo-rev"):
        source += f" (git {entry.get('git-tree-sha1', '')})"
    return Dependency(
        name, entry.get("path", ""), entry.get("version"), _MODULE, source=source if "version" in entry else None,
        flags=("editable", *flags) if entry.get("path") else flags,
    )


def _manifest(run: Run) -> dict[str, dict[str, str]]:
    """Return the packages in the manifest of the Julia project that the script is run in, with what it says of them."""
    import tomllib

    chosen = run.environment.get("JULIA_PROJECT", "")
    folders = [os.path.join(run.folder, chosen)] if chosen and not chosen.startswith("@") else []
    place = run.folder
    while place and len(folders) < 50:
        folders.append(place)
        if place in (run.root, "/"):
            break
        place = os.path.dirname(place)
    for folder in folders:
        folder = os.path.dirname(folder) if folder.endswith(".toml") else folder
        for name in ("JuliaManifest.toml", "Manifest.toml"):
            content = head(os.path.join(folder, name), 1 << 23)
            if not content:
                continue
            try:
                told = tomllib.loads(content.decode("utf-8", "replace"))
            except (tomllib.TOMLDecodeError, RecursionError):
                return {}
            packages = told.get("deps", told)
            return {
                name: {key: value for key, value in entries[0].items() if isinstance(value, str)}
                for name, entries in (packages.items() if isinstance(packages, dict) else ())
                if isinstance(entries, list) and entries and isinstance(entries[0], dict)
            }
    return {}


BACKEND = JuliaFinder
