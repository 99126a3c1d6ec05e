"""Which of the files that a run touched are data: neither the system's, nor a package's, nor code, nor ours."""

import os
from collections.abc import Callable, Iterable

from sumatra.capture.accesses import FileAccess, Program

__all__ = [
    "CACHE", "CODE", "DATA", "OWN", "PACKAGE", "SYSTEM", "classify", "inputs", "is_below", "is_code", "outputs",
    "prefixes",
]

SYSTEM, PACKAGE, CODE, OWN, CACHE, DATA = "system", "package", "code", "own", "cache", "data"

_SYSTEM = (
    "/bin", "/boot", "/dev", "/etc", "/gnu/store", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/proc", "/run",
    "/sbin", "/snap", "/sys", "/usr", "/var/cache", "/var/lib",
)

#: Folders that hold installed packages wherever they are.
_PACKAGES = frozenset({"site-packages", "dist-packages", "node_modules", "conda-meta"})

#: Suffixes of programs and libraries in the languages that people simulate and analyse in.
_LANGUAGES = frozenset(
    "py pyx pxd pxi pyi pyc so ipynb r rmd jl m mex mexa64 c h cc cpp cxx hh hpp cu cuh f f90 f95 f03 f08 for hoc mod "
    "ses g sli nestml java class jar js mjs ts pl pm rb lua sh bash zsh fish csh ps1 tcl scala go rs hs ml awk sed "
    "mk cmake".split()
)

#: Where what was written is no result: it goes with the machine.
_NO_RESULTS = ("/dev", "/proc", "/run", "/sys", "/var/cache", "/var/lib", "/var/log", "/var/run")

#: Folders of a home in which tools that bring interpreters and compilers keep them.
_TOOLS = (
    ".asdf", ".cargo", ".conda", ".juliaup", ".local/bin", ".local/lib", ".local/share/uv", ".nvm", ".pyenv", ".rbenv",
    ".rustup", ".sdkman",
)

#: What an interpreter keeps for itself beside the code.
_CACHES = frozenset({"__pycache__", ".ipynb_checkpoints"})


def classify(
    path: str,
    root: str,
    version_controlled: Callable[[str], bool] = lambda path: False,
    *,
    packages: Iterable[str] = (),
    own: Iterable[str] = (),
    home: str = "",
) -> str:
    """Return what kind of file *path* is: ``system``, ``package``, ``code``, ``own``, ``cache`` or ``data``.

    *root* is the project's folder: what lies in it isn't the system's, wherever it is.  *version_controlled* tells
    which files the code's repository knows; *packages* are folders of interpreters and environments (see `prefixes`),
    *own* those that belong to Sumatra besides ``.smt``, and *home* is the user's.  All names are absolute.
    """
    parts = path.split("/")
    if ".smt" in parts or any(is_below(path, folder) for folder in own):
        return OWN
    if not _PACKAGES.isdisjoint(parts) or any(is_below(path, folder) for folder in packages):
        return PACKAGE
    inside = is_below(path, root)
    if not inside and any(is_below(path, folder) for folder in _SYSTEM):
        return SYSTEM
    if not inside and home and any(is_below(path, os.path.join(home, folder)) for folder in _TOOLS):
        return PACKAGE
    if not _CACHES.isdisjoint(parts) or (home and is_below(path, os.path.join(home, ".cache"))):
        return CACHE
    if ".git" in parts or version_controlled(path):
        return CODE
    return DATA


def is_code(path: str) -> bool:
    """Tell whether a file of that name is written in a programming language, or built from such a file."""
    name = path.rpartition("/")[2]
    return name.rpartition(".")[2].lower() in _LANGUAGES if "." in name else name in ("Makefile", "Snakefile")


def inputs(files: Iterable[FileAccess], kind: Callable[[str], str]) -> list[FileAccess]:
    """Return those of *files* whose content from before the run was read, and that are data; *kind* is `classify`.

    A program that was run counts too where nothing else accounts for it: it is what was built some day.
    """
    return [file for file in files if file.read and kind(file.path) == DATA]


def outputs(
    files: Iterable[FileAccess], kind: Callable[[str], str], *, home: str = "", root: str = ""
) -> list[FileAccess]:
    """Return those of *files* that the run has made or changed and that are still there.

    Files under version control count too when they were changed, as results that are kept in the repository are, and
    so do installed packages.  What programs remember for themselves in hidden files and folders of *home* doesn't,
    unless that is where the project's folder *root* is.
    """
    return [
        file for file in files
        if file.written and kind(file.path) not in (OWN, CACHE) and _CACHES.isdisjoint(file.path.split("/"))
        and "/.git/" not in file.path
        and ((root and is_below(file.path, root)) or not (
            any(is_below(file.path, folder) for folder in _NO_RESULTS)
            or (home and file.path.startswith(f"{home}/."))
        ))
    ]


def prefixes(programs: Iterable[Program], home: str = "") -> list[str]:
    """Return the folders of interpreters and environments that *programs* were run from, as *packages* for `classify`.

    These are the folders above a ``bin`` with a program of the run that look like an environment: of Python, Conda, R
    or Julia; and those of pyenv and its kin, where one of their shims was run.  The file system's root, ``/usr`` and
    *home* are none.
    """
    found: dict[str, None] = {}
    for program in programs:
        for path in {program.path, os.path.abspath(program.arguments[0]) if program.arguments else ""}:
            folder, last = os.path.split(os.path.dirname(path))
            if last == "libexec" and os.path.isdir(os.path.join(folder, "shims")):
                found[folder] = None
            if last == "bin" and folder not in ("/", "/usr", "/usr/local", home) and _is_environment(folder):
                found[folder] = None
    return list(found)


def is_below(path: str, folder: str) -> bool:
    """Tell whether *path* is *folder* or in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _is_environment(folder: str) -> bool:
    if any(os.path.exists(os.path.join(folder, name)) for name in ("pyvenv.cfg", "conda-meta", "share/julia", "lib/R")):
        return True
    try:
        return any(name.startswith("python3") for name in os.listdir(os.path.join(folder, "lib")))
    except OSError:
        return False
