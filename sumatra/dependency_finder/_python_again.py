"""What has become of what a run loaded of Python: the same distributions, in the environment that it would have now."""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from sumatra.dependency_finder import _python_interpreters as interpreters
from sumatra.dependency_finder import _python_source
from sumatra.dependency_finder._python_sites import Distribution, Site, normal, read_site
from sumatra.dependency_finder._reading import moment
from sumatra.dependency_finder.base import Again, Run, again_by_path
from sumatra.facts import replace
from sumatra.files import is_script
from sumatra.records import Dependency

__all__ = ["again"]

_DIGEST = "files sha256:"


class _Place(NamedTuple):
    """Where packages would be taken from now."""

    interpreter: interpreters.Interpreter | None  #: None where it isn't known which it would be
    trouble: str  #: why not
    folders: tuple[str, ...]  #: in the order in which they are looked through


def again(run: Run, dependencies: Sequence[Dependency], locks: Mapping[str, str]) -> list[Again]:
    """Return what has become of *dependencies*; see `Finder.again`."""
    recorded = [each for each in dependencies if each.name == "python" and interpreters.is_interpreter(each.path)]
    place = _place(run, recorded)
    then = _requirements(locks.get("python", ""))
    found = []
    sites: dict[str, Site] = {}
    for each in dependencies:
        if each in recorded:
            found.append(_interpreter(each, place, run, alone=len(recorded) == 1))
        elif each.source == "metadata":
            found.append(_distribution(each, place, sites, run.cache, then))
        else:
            found.append(_module(each, place))
    return found + _beside(dependencies, place.folders, sites, run.cache, then)


# --- which interpreter, and where it looks


def _place(run: Run, recorded: Sequence[Dependency]) -> _Place:
    own = _own_paths(run.environment)
    program = run.executable.path if run.executable and run.executable.name in ("Python", "PyPy") else ""
    trouble = ""
    if not program:  # another program has started it
        return _Place(None, "", own)
    real = os.path.realpath(program)
    if is_script(real):
        real, trouble = _behind_shim(program, run)
        program = real
        if not real:
            return _Place(None, trouble, own)
    settings = os.path.join(os.path.dirname(os.path.dirname(program)), "pyvenv.cfg")
    settings_found = [settings] if os.path.exists(settings) else []
    known = interpreters.find([real], {}, settings_found)
    environments = interpreters.environments(known, settings_found, {}, program)
    folders = [folder for each in environments for folder in each.sites]
    if known and not settings_found and not run.environment.get("PYTHONNOUSERSITE"):
        own += _existing([f"{run.environment.get('HOME', '')}/.local/lib/python{known[0].minor}/site-packages"])
    return _Place(known[0] if known else None, trouble, tuple(dict.fromkeys((*own, *folders))))


def _behind_shim(program: str, run: Run) -> tuple[str, str]:
    """Return the interpreter that a script of pyenv starts, or why it isn't known."""
    folder, name = os.path.split(program)
    root, shims = os.path.split(folder)
    trouble = f"which Python {program} starts can't be told without running it"
    if shims != "shims":
        return "", trouble
    chosen = run.environment.get("PYENV_VERSION", "")
    places = [os.path.join(root, "version")]
    above = run.folder
    while above and len(places) < 100:
        places.insert(-1, os.path.join(above, ".python-version"))
        if above == os.path.dirname(above):
            break
        above = os.path.dirname(above)
    for path in places:
        if chosen:
            break
        with suppress(OSError, UnicodeDecodeError), open(path, encoding="utf-8") as file:
            chosen = next(iter(file.read(4096).split()), "")
    for version in (part for part in chosen.split(":") if "/" not in part and not part.startswith(".")):
        path = os.path.join(root, "versions", version, "bin", name)
        if os.path.exists(path):
            return os.path.realpath(path), ""
    return "", trouble


def _own_paths(environment: Mapping[str, str]) -> tuple[str, ...]:
    return _existing(environment.get("PYTHONPATH", "").split(os.pathsep))


def _existing(folders: Iterable[str]) -> tuple[str, ...]:
    return tuple(os.path.realpath(folder) for folder in folders if folder.startswith("/") and os.path.isdir(folder))


def _folders_for(dependency: Dependency, place: _Place) -> tuple[str, ...]:
    """Return where to look for *dependency*: where it was found then, unless that belongs to another interpreter."""
    then = _site_of(dependency.path)
    if place.interpreter is None or not then.endswith("-packages") or then in place.folders:
        # What comes before that folder now hides what lies in it.
        before = place.folders[:place.folders.index(then)] if then in place.folders else ()
        return (*before, then) if then else place.folders
    return place.folders


def _site_of(path: str) -> str:
    cut = path.rfind("-packages/")
    return path[:cut + 9] if cut > 0 else os.path.dirname(path)


# --- what is there


def _interpreter(was: Dependency, place: _Place, run: Run, *, alone: bool) -> Again:
    now = place.interpreter
    if now is None or not alone:
        if place.trouble:
            return Again(was, was, unknown=place.trouble)
        return again_by_path(was)
    version, source = interpreters.version_of(now, run.cache)
    note = f"{was.path} -> {now.path}" if now.path != was.path else ""
    return Again(was, replace(was, path=now.path, version=version, source=source), note=note)


def _distribution(
    was: Dependency, place: _Place, sites: dict[str, Site], cache: str, then: Mapping[str, str]
) -> Again:
    wanted = normal(was.name)
    folders = place.folders if "editable" in was.flags else _folders_for(was, place)
    for folder in folders:
        found = _installed(folder, sites, cache).get(wanted)
        if found is None:
            continue
        now = replace(was, version=found.version or None)
        note = ""
        files = _files(then.get(wanted, "")), _files(found.requirement)
        if found.version == (was.version or "") and all(files) and files[0] != files[1]:
            now = replace(now, version=f"{found.version} (other files)")
        if now.version != was.version:
            note = _how(folder, found)
        return Again(was, now, note=note, installed=_installed_at(folder, found))
    if "editable" in was.flags and place.interpreter is None:  # in which environment it was isn't told
        return again_by_path(was)
    return Again(was, None, note="" if folders and os.path.isdir(folders[-1]) else "its environment isn't there")


def _installed(folder: str, sites: dict[str, Site], cache: str) -> dict[str, Distribution]:
    if folder not in sites:
        sites[folder] = read_site(folder, cache)
    return {normal(each.name): each for each in sites[folder].distributions}


def _installed_at(folder: str, found: Distribution) -> float | None:
    if found.roots:  # it is there to be edited; its working copy is looked at
        return None
    try:
        return os.stat(os.path.join(folder, found.metadata)).st_mtime
    except OSError:
        return None


def _how(folder: str, found: Distribution) -> str:
    """Return who installed a distribution, and when."""
    path = os.path.join(folder, found.metadata)
    try:
        told = [moment(os.stat(path).st_mtime)]
    except OSError:
        return ""
    with suppress(OSError), open(os.path.join(path, "INSTALLER"), encoding="utf-8", errors="replace") as file:
        told.insert(0, "".join(character for character in file.read(40) if character.isprintable()))
    return ", ".join(filter(None, told))


def _module(was: Dependency, place: _Place) -> Again:
    """Return what has become of a module that belongs to no distribution."""
    name = os.path.basename(was.path)
    then = _site_of(was.path)
    folders = _folders_for(was, place) if then.endswith("-packages") or then in place.folders else (then,)
    for folder in folders:
        path = os.path.join(folder, os.path.relpath(was.path, then)) if then else was.path
        if name and os.path.lexists(path):
            version, source = _python_source.version_in(path) or (was.version, was.source)
            if was.source == "version control":  # its working copy is looked at anyway
                version, source = was.version, was.source
            return Again(was, replace(was, path=path, version=version, source=source))
    return again_by_path(was) if folders == (then,) else Again(was, None)


# --- the list of all that was installed then


def _requirements(lock: str) -> dict[str, str]:
    """Return the lines of *lock* by the names of distributions."""
    found = {}
    for line in lock.splitlines():
        if line[:1] in ("", "#"):
            continue
        told = line
        if line.startswith("-e "):  # the name stands in the remark
            told = line.partition("# ")[2]
        name = told.replace("=", " ").replace("@", " ").split()[:1]
        if name:
            found[normal(name[0].rstrip(","))] = line
    return found


def _files(requirement: str) -> str:
    """Return the digest of its files that *requirement* tells, or nothing."""
    return requirement.partition(_DIGEST)[2][:64]


def _version(requirement: str) -> str:
    return requirement.partition("==")[2].split(" ")[0].rstrip(",")


def _beside(
    loaded: Sequence[Dependency], folders: Sequence[str], sites: dict[str, Site], cache: str, then: Mapping[str, str]
) -> list[Again]:
    """Return what has changed of the environment besides what was *loaded*."""
    if not then or not folders:
        return []
    now: dict[str, Distribution] = {}
    for folder in folders:
        now = {**_installed(folder, sites, cache), **now}
    found = []
    for name in sorted({*then, *now} - {normal(each.name) for each in loaded}):
        before, after = _version(then.get(name, "")), now[name].version if name in now else ""
        if before == after or not (name in now or before):
            continue
        told = now[name].name if name in now else name
        dependency = Dependency(told, "", None, "python", flags=("not loaded",))
        found.append(Again(
            replace(dependency, version=before or "(unknown)") if name in then else None,
            replace(dependency, version=after or "(unknown)") if name in now else None,
        ))
    return found
