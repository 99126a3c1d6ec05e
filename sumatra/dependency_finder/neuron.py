"""NEURON: itself, files of hoc, and mechanisms, which are compiled from NMODL files."""

import os
import re
from collections.abc import Iterable, Iterator

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
    told_path,
)
from sumatra.dependency_finder.base import Finder, Found, Run
from sumatra.records import Dependency, Finding

__all__ = ["BACKEND", "NeuronFinder"]

_MODULE = "neuron"
_SCRIPTS = (".hoc", ".oc", ".ses")
_COMPILED = ("/libnrnmech.so", "/libnrnmech.dylib", "/nrnmech.dll", "/special")

#: Where files of NEURON itself lie below its folder.
_INSIDE = pattern(r"^(.*?)/(?:share/nrn/|lib/(?:hoc/|libnrniv\.|python/neuron/)|(?:x86_64|aarch64)/lib/libnrniv\.)")

#: A string stays, a comment goes; what begins ends at the latest with the text.
_TOKENS = pattern(r'("(?:[^"\\\n]|\\.)*"?)|//[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/)?')
_LOAD = pattern(r"""\b(?:load_file|xopen)\s*\(?\s*(?:\d\s*,\s*)?["']([^"'\n]{1,1000})["']""")
_LOAD_COMPILED = pattern(r"""\b(?:nrn_load_dll|load_mechanisms)\s*\(\s*["']([^"'\n]{1,1000})["']""")

#: The path of an NMODL file as what was compiled from it names it.
_SOURCE = pattern(rb"/[^\0\n\"]{1,1000}?\.mod(?=\0)")
_LARGEST = 1 << 26  #: bytes of a compiled library that are looked through


class NeuronFinder(Finder):
    """Knows what NEURON loads."""

    name = _MODULE

    def loaded(self, run: Run) -> Found:
        """Return NEURON, the hoc files that the code of the run doesn't have, and mechanisms with their sources.

        The sources are those that the compiled library names, or else those beside it; there is a finding where they
        aren't what it was compiled from.
        """
        scripts, compiled = [], []
        for path in run.files:
            if path.endswith((*_SCRIPTS, ".mod")):
                scripts.append(path)
            elif path.endswith(_COMPILED) or "/libnrniv." in path:
                compiled.append(path)
        if not scripts and not compiled:
            return Found()
        itself: dict[str, Dependency] = {}
        theirs = []
        own = []
        for path in scripts + compiled:
            found = _INSIDE.match(path)
            if found:
                itself.setdefault(found[1], _itself(found[1], run))
                theirs.append(path)
            elif path in scripts:
                own.append(path)
        others, accounted = own_code(run, own, _MODULE)
        mechanisms: list[Dependency] = []
        findings: list[Finding] = []
        for path in compiled:
            if path not in theirs and not path.endswith("/special"):
                found_, told = _mechanisms(path, run)
                mechanisms += found_
                findings += told
        known = {each.path for each in mechanisms}
        free = [path for path in theirs if not path.startswith("/usr/") or path.startswith("/usr/local/")]
        return Found(
            (*itself.values(), *(each for each in others if each.path not in known), *mechanisms),
            accounted | frozenset(free), findings=tuple(findings),
        )

    def foreseen(self, run: Run) -> Found:
        """Return what the hoc or Python script of *run* would have NEURON load, and the mechanisms in its folder."""
        main = main_of(run, "NEURON") or main_of(run, "Python")
        if main is None:
            return Found()
        reader = Reader()
        if not main.endswith(_SCRIPTS) and b"neuron" not in head(main, 1 << 21):
            return Found()
        files, libraries, missing = _read_all(main, run, reader)
        home = _home(run)
        itself = [_itself(home, run, NOT_LOADED)] if home else _by_program(run)
        inside = f"{home}/share/nrn/" if home else "\0"
        scripts = [path for path in files if not path.startswith(inside) and path.endswith(_SCRIPTS)]
        own, _ = own_code(run, scripts, _MODULE, foreseen=True)
        for folder in dict.fromkeys((os.path.realpath(run.folder), *libraries)):
            libraries.update(dict.fromkeys(_libraries_in(folder)))
        mechanisms: list[Dependency] = []
        findings: list[Finding] = []
        for library in libraries:
            if os.path.isfile(library):
                found, told = _mechanisms(library, run, NOT_LOADED)
                mechanisms += found
                findings += told
        gone = [Dependency(name, "", None, _MODULE, flags=(NOT_LOADED, NOT_FOUND)) for name in missing]
        return Found((*itself, *own, *mechanisms, *gone), findings=(*findings, *reader.findings("NEURON")))


def _itself(folder: str, run: Run, *flags: str) -> Dependency:
    told = run.executable
    version, source = _version(folder), "nrnsemanticversion.h"
    if version is None and told is not None and told.name == "NEURON" and told.version:
        version, source = told.version, "the program itself"
    return Dependency("neuron", folder, version, _MODULE, source=source if version else None, flags=flags)


def _by_program(run: Run) -> list[Dependency]:
    told = run.executable
    if told is None or told.name != "NEURON":
        return []
    source = "the program itself" if told.version else None
    return [Dependency("neuron", told.path, told.version, _MODULE, source=source, flags=(NOT_LOADED,))]


def _version(folder: str) -> str | None:
    """Return the version that the headers of the installation in *folder* tell."""
    text = head(f"{folder}/include/nrnsemanticversion.h").decode("utf-8", "replace")
    parts = dict(re.findall(r"#define[ \t]+NRN_VERSION_(MAJOR|MINOR|PATCH)[ \t]+(\d+)", text))
    if len(parts) == 3:
        return ".".join(parts[part] for part in ("MAJOR", "MINOR", "PATCH"))
    for place in ("include/nrnconf.h", "include/nrn/nrnconf.h"):
        text = head(f"{folder}/{place}").decode("utf-8", "replace")
        found = re.search(r'#define[ \t]+PACKAGE_VERSION[ \t]+"(\d[^"]{0,50})"', text)
        if found:
            return found[1]
    return None


def _home(run: Run) -> str:
    """Return the folder of the NEURON that the script is run with."""
    import glob

    folders = []
    told = run.executable
    if told is not None and told.name == "NEURON":
        for path in (os.path.realpath(told.path), told.path):
            prefix = os.path.dirname(os.path.dirname(path))
            folders += [prefix, os.path.dirname(prefix)]  # bin/nrniv, x86_64/bin/nrniv
            folders += glob.glob(f"{glob.escape(prefix)}/lib/python3*/site-packages/neuron/.data")
    if run.environment.get("NEURONHOME"):
        folders.append(os.path.dirname(os.path.dirname(run.environment["NEURONHOME"].rstrip("/"))))
    return next((folder for folder in folders if os.path.isdir(f"{folder}/share/nrn/lib/hoc")), "")


# --- mechanisms


def _mechanisms(library: str, run: Run, *flags: str) -> tuple[list[Dependency], list[Finding]]:
    """Return the compiled *library* and the NMODL files in it as dependencies, and what is wrong with them."""
    content = head(library, _LARGEST)
    dependencies = [_dependency(library, run, flags)]
    findings = []
    changed = []
    for source in _sources(library, content):
        text = head(source, 1 << 22)
        if not text:
            continue
        if not _is_inside(text, content, source, library):
            changed.append(told_path(source, run.root))
            dependencies.append(_dependency(source, run, (*flags, "changed")))
        else:
            dependencies.append(_dependency(source, run, flags))
    if changed:
        what = changed[0] + (f" and {len(changed) - 1} more" if len(changed) > 1 else "")
        message = f"{told_path(library, run.root)} wasn't compiled from {what} as that is now"
        findings.append(Finding("mechanisms-outdated", message, "nrnivmodl, and run it again"))
    return dependencies, findings


def _dependency(path: str, run: Run, flags: Iterable[str]) -> Dependency:
    return Dependency(
        told_path(path, run.root), path, None, _MODULE, checkout=run.checkout_of(path), flags=tuple(flags)
    )


def _sources(library: str, content: bytes) -> list[str]:
    """Return the NMODL files that *library* was compiled from, by the names in it, or else those beside its folder."""
    named = dict.fromkeys(os.path.realpath(os.fsdecode(name)) for name in _SOURCE.findall(content))
    found = [path for path in named if os.path.isfile(path)]
    if found:
        return sorted(found)
    folder = os.path.dirname(library)
    if os.path.basename(folder) == ".libs":
        folder = os.path.dirname(folder)
    beside = os.path.dirname(folder)
    try:
        names = sorted(os.listdir(beside))
    except OSError:
        names = []
    return [os.path.join(beside, name) for name in names if name.endswith(".mod")]


def _is_inside(text: bytes, content: bytes, source: str, library: str) -> bool:
    """Tell whether *library* was compiled from *text*: by the text in it if it keeps that, or else by times of change.

    The compiler strips nothing of the text but ends of lines before the end of the file.
    """
    stripped = text.replace(b"\r\n", b"\n").strip()
    if not stripped or stripped in content:
        return True
    first = stripped.split(b"\n", 1)[0]
    keeps_text = b"\nNEURON" in content or (len(first) > 5 and first in content)
    if keeps_text:
        return False
    try:
        return os.stat(source).st_mtime <= os.stat(library).st_mtime
    except OSError:
        return True


def _libraries_in(folder: str) -> Iterator[str]:
    """Yield the compiled mechanisms that NEURON loads by itself when it is started in *folder*."""
    for processor in ("x86_64", "aarch64", "arm64", "i686", "umac", "powerpc"):
        for place in ("libnrnmech.so", ".libs/libnrnmech.so", "libnrnmech.dylib"):
            path = os.path.join(folder, processor, place)
            if os.path.isfile(path):
                yield os.path.realpath(path)
                break


# --- reading scripts


def _read_all(main: str, run: Run, reader: Reader) -> tuple[list[str], dict[str, None], list[str]]:
    """Return the hoc files that *main* loads, the compiled libraries (or folders of them), and what isn't found."""
    home = _home(run)
    folders = [run.folder, *re.split(r"[\s:]+", run.environment.get("HOC_LIBRARY_PATH", "")), os.path.dirname(main)]
    if home:
        folders.append(f"{home}/share/nrn/lib/hoc")
    if run.environment.get("NEURONHOME"):
        folders.append(os.path.join(run.environment["NEURONHOME"], "lib", "hoc"))
    folders = [os.path.join(run.folder, folder) for folder in folders if folder]
    files = {main: None}
    libraries: dict[str, None] = {}
    missing: dict[str, None] = {}
    waiting = [main]
    while waiting:
        path = waiting.pop()
        text = reader.text(path)
        text = plain(text, _TOKENS) if path.endswith(_SCRIPTS) else text
        for name in _LOAD.findall(text):
            found = found_file(name, folders)
            if found is None:
                if home or not re.fullmatch(r"(?:nrngui|stdrun|stdlib|stdgui|noload|import3d|celbild)\.hoc", name):
                    missing[name] = None
            elif found not in files:
                files[found] = None
                if not home or not found.startswith(f"{home}/"):
                    waiting.append(found)
        for name in _LOAD_COMPILED.findall(text):
            libraries[os.path.realpath(os.path.join(run.folder, name))] = None
    return list(files), libraries, list(missing)


BACKEND = NeuronFinder
