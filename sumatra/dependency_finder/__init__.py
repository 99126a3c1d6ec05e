"""What a run depends on besides its own code: libraries with their versions, by the files that were really loaded.

`loaded` asks every finder about the files of a run, `foreseen` what its code would load, `again` what has become of
what was loaded.
"""

import os
from collections.abc import Callable, Mapping, Sequence

from sumatra import plugins
from sumatra.dependency_finder.base import Again, Finder, Found, Run, again_by_path
from sumatra.facts import replace
from sumatra.plugins import Backend
from sumatra.records import Dependency, Finding

__all__ = ["BACKENDS", "Again", "Finder", "Found", "Run", "again", "foreseen", "get_finder", "loaded"]

#: In the order in which they are asked: what one accounts for, the later ones aren't asked about.
BACKENDS: dict[str, Backend] = {
    "python": Backend(".python", "Python: interpreters, distributions, modules"),
    "r": Backend(".r", "R: itself, packages and scripts"),
    "matlab": Backend(".matlab", "MATLAB and Octave: themselves, toolboxes, packages and functions"),
    "neuron": Backend(".neuron", "NEURON: itself, hoc files and mechanisms"),
    "genesis": Backend(".genesis", "GENESIS: itself and its scripts"),
    "julia": Backend(".julia", "Julia: itself, packages and scripts"),
    "conda": Backend(".conda", "packages of Conda environments"),
    "debian": Backend(".debian", "packages of Debian, Ubuntu and their kin"),
    "rpm": Backend(".rpm", "packages of Fedora, RHEL, SUSE and their kin"),
    "alpine": Backend(".apk", "packages of Alpine Linux"),
    "library": Backend(".libraries", "shared libraries that belong to no package"),
    "script": Backend(".scripts", "scripts of shells, Perl, Ruby, Lua, Tcl, NEST"),
}


#: What the names of files have in them that a finder may know: how they end, and what else is in them.  A finder that
#: isn't here, or whose names these are among, is asked; the others aren't even loaded, because each run asks them all.
HINTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "r": ((".R", ".r", ".Rmd", ".rmd", ".qmd", ".Rnw", ".rds", ".rdb", ".rdx"), ("/R/", "/renv")),
    "matlab": (
        (".m", ".mlx", ".mex", ".mexa64", ".mexw64", ".mexmaci64", ".mexmaca64", ".oct", ".p"),
        ("/octave", "/toolbox/"),
    ),
    "neuron": ((".hoc", ".oc", ".ses", ".mod", "/special"), ("nrn",)),
    "genesis": ((".g",), ()),
    "julia": ((".jl", ".ji"), ("/julia", "/libjulia")),
    "script": (
        (".sh", ".bash", ".zsh", ".pl", ".pm", ".rb", ".lua", ".tcl", ".sli", ".nestml", ".gp", ".gnuplot", ".js"), (),
    ),
}

#: Where databases of packages lie; where there is none, nobody has to be asked about it.
_DATABASES = {
    "debian": ("/var/lib/dpkg",), "rpm": ("/usr/lib/sysimage/rpm", "/var/lib/rpm"), "alpine": ("/lib/apk",),
}


def _may_know(name: str, files: Sequence[str]) -> bool:
    """Tell whether the finder *name* may know any of *files*."""
    if name in _DATABASES:
        return any(map(os.path.isdir, _DATABASES[name]))
    if name not in HINTS:
        return True
    endings, inside = HINTS[name]
    return any(path.endswith(endings) or any(part in path for part in inside) for path in files)


def get_finder(name: str) -> Finder:
    """Return the finder *name*, or raise `NoSuchPlugin`."""
    backend: type[Finder] = plugins.load(__name__, name).BACKEND
    return backend()


def loaded(run: Run) -> Found:
    """Return what the files that *run* loaded belong to, as all finders say: those of others first, then ours."""
    from sumatra.dependency_finder._numerics import numerics

    found = _asked(run, lambda finder, left: finder.loaded(left), _may_know)
    try:
        surroundings = numerics(run.files, run.cache)
    except OSError:
        return found
    return replace(found, surroundings={**surroundings, **found.surroundings})


def foreseen(run: Run) -> Found:
    """Return what the code of *run* would load, as all finders say."""
    return _asked(run, lambda finder, left: finder.foreseen(left))


def again(run: Run, dependencies: Sequence[Dependency], locks: Mapping[str, str]) -> list[Again]:
    """Return what has become of *dependencies*, which a run has loaded; of *run* and *locks* `Finder.again` tells."""
    from sumatra.dependency_finder._third_parties import third_parties

    by_finder: dict[str, list[Dependency]] = {}
    known = {*BACKENDS, *third_parties(run.cache)}
    for each in dependencies:
        by_finder.setdefault(each.module if each.module in known else "", []).append(each)
    found: list[Again] = []
    for name, some in by_finder.items():
        try:
            found += get_finder(name).again(run, some, locks) if name else map(again_by_path, some)
        except Exception as error:  # noqa: BLE001  a finder that fails must not cost the others' answers
            reason = f"{type(error).__name__}: {error}"
            found += (Again(each, each, unknown=reason) for each in some)
    return found


def _asked(
    run: Run, ask: Callable[[Finder, Run], Found],
    is_worth_asking: Callable[[str, Sequence[str]], bool] = lambda name, files: True,
) -> Found:
    from sumatra.dependency_finder._third_parties import third_parties

    total = Found()
    for name in (*(name for name in third_parties(run.cache) if name not in BACKENDS), *BACKENDS):
        if not is_worth_asking(name, run.files):
            continue
        try:
            found = ask(get_finder(name), run)
            total = _with(total, found)
        except Exception as error:  # noqa: BLE001  a finder that fails must not cost the record the others' answers
            message = f"what it loaded of {name} could not be found out: {type(error).__name__}: {error}"
            found = Found(findings=(Finding("dependencies-unknown", message),))
            total = _with(total, found)
        if found.accounted:
            run = replace(run, files=[path for path in run.files if path not in found.accounted])
    return total


def _with(total: Found, found: Found) -> Found:
    return Found(
        dependencies=(*total.dependencies, *found.dependencies),
        accounted=total.accounted | found.accounted,
        locks={**total.locks, **found.locks},
        surroundings={**total.surroundings, **found.surroundings},
        findings=(*total.findings, *found.findings),
    )
