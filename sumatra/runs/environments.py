"""The Python environment of a run, built again from the list that its record has, and kept for the next time."""

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any

from sumatra.dependency_finder.locks import Line, installed, normal, read_lock
from sumatra.errors import ProjectError
from sumatra.facts import fact, replace
from sumatra.files import ContentStore, locked, make_private, write_atomically
from sumatra.process import ask, find_program
from sumatra.records import Record
from sumatra.runs.again import Way
from sumatra.runs.installers import as_for_pip, find_uv

__all__ = ["Environment", "build", "foresee", "put_to_use"]

#: What is written last into an environment.
_DONE = "sumatra-environment.json"

#: Seconds after which no more is tried.
_PATIENCE = 1800.0

_NOT_OURS = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "UV_PROJECT_ENVIRONMENT")


@fact(kw_only=True)
class Environment:
    """An environment that is, or is going to be, built again."""

    folder: str  #: where it lies; named by the list that it is built from
    python: str  #: version of Python then; empty if it isn't known
    interpreter: str  #: the one that it is made for
    tool: str  #: ``uv`` or ``pip``
    lines: tuple[Line, ...]  #: what is installed
    is_there: bool  #: it was built before
    prefix: str  #: where it was then; empty where it can't be put into its place
    editable: tuple[str, ...] = ()  #: folders of code that was loaded from where it is developed
    missing: tuple[str, ...] = ()  #: what couldn't be had, a sentence each

    @property
    def summary(self) -> str:
        """What it consists of, in a few words."""
        state = "it was built before" if self.is_there else f"to be built with {self.tool}"
        return f"Python {self.python or '(of today)'} with {len(self.lines)} packages ({state})"


def foresee(record: Record, objects: ContentStore) -> Environment:
    """Return the environment of *record* as it would be built, with what is known not to be had.

    Raises `ProjectError` where the record has no list of what was installed, or it was lost.
    """
    digest = record.locks.get("python")
    try:
        text = objects.get(digest) if digest else b""
    except OSError:
        text = b""
    if digest is None or not text:
        reason = "its record has no list of Python packages" if digest is None else "the list of them was lost"
        raise ProjectError(
            f"the environment of {record.label} can't be built again: {reason}", "smt repeat --env current"
        )
    python, lines = read_lock(text)
    loaded = {normal(each.name) for each in record.dependencies if each.module == "python"}
    wanted = tuple(line for line in lines if line.text and (line.installer != "system" or normal(line.name) in loaded))
    interpreter, missing = _interpreter(record, python)
    missing += [
        f"{line.name} was installed in a way that no installer can be told"
        for line in lines if not line.text and not line.is_editable
    ]
    missing += [
        f"the environment {name.partition(':')[2]}, which was used as well, is the one of today"
        for name in record.locks if name.startswith("python:")
    ]
    folder = os.path.join(_cache(), "environments", digest.removeprefix("sha256:")[:32])
    before = _known(folder)
    editable = {
        os.path.dirname(each.path) for each in record.dependencies
        if "editable" in each.flags and each.module == "python"
    }
    return Environment(
        folder=folder, python=python, interpreter=interpreter, tool="uv" if find_uv() else "pip", lines=wanted,
        is_there=before is not None, prefix=_prefix(record), editable=tuple(sorted(editable)),
        missing=(*missing, *(before or ())),
    )


def build(environment: Environment) -> Environment:
    """Return *environment* when it is there, with what couldn't be had; what was missing is tried again."""
    make_private(os.path.dirname(environment.folder))
    with locked(f"{environment.folder}.lock"):
        before = _known(environment.folder)
        if before == ():
            return replace(environment, is_there=True)
        foreseen = [sentence for sentence in environment.missing if sentence not in (before or ())]
        wanted = environment.lines
        if before is None:
            shutil.rmtree(environment.folder, ignore_errors=True)
            _make(environment)
        else:
            here = installed(_packages(environment.folder))
            wanted = tuple(line for line in wanted if not _is_it(here.get(normal(line.name)), line))
        complaints = _install(environment, wanted)
        missing = tuple(_differing(environment, complaints))
        write_atomically(os.path.join(environment.folder, _DONE), json.dumps({"missing": missing}).encode())
        return replace(environment, is_there=True, missing=(*foreseen, *missing))


def put_to_use(environment: Environment, way: Way, record: Record) -> Way:
    """Return *way* with *environment* in the place of the one that there is.

    Where there is a view, it is seen under the name of the one of then, so that whatever leads there (PATH, first lines
    of scripts, names in commands) leads to it.  Otherwise PATH and the command lead to it.
    """
    variables = dict(way.environment)
    if environment.editable:
        paths = [each for each in variables.get("PYTHONPATH", "").split(os.pathsep) if each]
        paths += [each for each in environment.editable if each not in paths]
        variables["PYTHONPATH"] = os.pathsep.join(paths)
    if way.has_view and environment.prefix:
        return way._replace(environment=variables, prefixes=((environment.prefix, environment.folder),))
    programs = os.path.join(environment.folder, "bin")
    old = os.path.join(environment.prefix or "/dev/null/nowhere", "bin")
    paths = [each for each in variables.get("PATH", os.defpath).split(os.pathsep) if each != old]
    variables.update(PATH=os.pathsep.join([programs, *paths]), VIRTUAL_ENV=environment.folder)
    request = replace(way.request, program=_led_there(list(way.request.program), programs, record.working_directory))
    return way._replace(environment=variables, request=request)


def _led_there(program: list[str], programs: str, folder: str) -> list[str]:
    """Return the words of *program* with the interpreter in *programs*, where it was named by its path."""
    path = os.path.join(folder, program[0])
    if "/" not in program[0]:
        return program
    if _is_python(path):
        return [os.path.join(programs, "python"), *program[1:]]
    first = _first_line(path)
    if first and first[0].startswith("/") and _is_python(first[0]):
        return [os.path.join(programs, "python"), *first[1:], *program]
    return program


def _is_python(path: str) -> bool:
    return re.fullmatch(r"python[0-9.]*", os.path.basename(path)) is not None


def _first_line(path: str) -> list[str]:
    try:
        with open(path, "rb") as file:
            line = file.readline(1024)
    except OSError:
        return []
    return shlex.split(os.fsdecode(line[2:])) if line.startswith(b"#!") else []


# --- what there is


def _cache() -> str:
    folder = os.environ.get("XDG_CACHE_HOME", "")
    return os.path.join(folder if os.path.isabs(folder) else os.path.expanduser("~/.cache"), "sumatra")


def _known(folder: str) -> tuple[str, ...] | None:
    """Return what is missing in the environment in *folder*; None if it isn't there, or wasn't made to its end."""
    try:
        with open(os.path.join(folder, _DONE), "rb") as file:
            told: Any = json.load(file)
        return tuple(map(str, told["missing"])) if os.path.exists(os.path.join(folder, "bin", "python")) else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _prefix(record: Record) -> str:
    """Return the virtual environment of the run; empty if it was no such."""
    candidates = []
    if record.executable and _is_python(record.executable.path):
        candidates.append(os.path.dirname(os.path.dirname(record.executable.path)))
    candidates.append(record.environment.get("VIRTUAL_ENV", ""))
    for dependency in record.dependencies:
        found = re.match(r"(/.+)/lib/python[0-9.]+/site-packages/", dependency.path)
        if found and dependency.module == "python":
            candidates.append(found[1])
    for candidate in filter(os.path.isabs, candidates):
        is_gone = not os.path.lexists(candidate)
        if os.path.exists(os.path.join(candidate, "pyvenv.cfg")) or (is_gone and candidate.count("/") > 1):
            return candidate
    return ""


def _interpreter(record: Record, python: str) -> tuple[str, list[str]]:
    """Return the interpreter that an environment for *python* is best made for, and what is to be said of it."""
    minor = ".".join(python.split(".")[:2])
    own = getattr(sys, "_base_executable", "") or sys.executable
    candidates = [each.path for each in record.dependencies if each.module == "python" and each.name == "python"]
    candidates += [own, *filter(None, (find_program(f"python{minor}"), find_program("python3")))]
    uv = find_uv()
    if uv and python:
        for version in (python, minor):
            answer = ask([uv, "python", "find", "--no-python-downloads", "--no-project", version], without=_NOT_OURS)
            candidates += [answer.output.decode("utf-8", "surrogateescape").strip()] if answer.status == 0 else []
    versions = {each: _version(each) for each in dict.fromkeys(candidates)}
    for wanted in (python, minor, ""):
        for each, version in versions.items():
            if version and (version == wanted or version.startswith(f"{wanted}." if wanted else "")):
                note = f"Python {python} isn't here; {version} is taken instead"
                return each, [note] if python and version != python else []
    raise ProjectError("there is no Python here that an environment could be made for")


def _version(path: str) -> str:
    """Return the version of the interpreter at *path*; empty if it can't be run."""
    if not os.path.isabs(path) or not os.access(path, os.X_OK) or not os.path.isfile(path):
        return ""
    try:
        program = "import sys; sys.stdout.write('.'.join(map(str, sys.version_info[:3])))"
        answer = ask([path, "-I", "-c", program], timeout=20.0)
    except (OSError, TimeoutError):
        return ""
    text = answer.output.decode("ascii", "replace")
    return text if answer.status == 0 and re.fullmatch(r"\d+\.\d+\.\d+", text) else ""


# --- building


def _make(environment: Environment) -> None:
    uv = find_uv()
    words = [uv, "venv", "--no-project", "--python"] if uv else []
    words = [*words, environment.interpreter] if uv else [environment.interpreter, "-m", "venv"]
    answer = ask([*words, environment.folder], without=_NOT_OURS, timeout=300.0)
    if answer.status:
        raise ProjectError(f"an environment can't be made in {environment.folder}: {_last(answer.complaint)}")


def _install(environment: Environment, lines: Sequence[Line]) -> dict[str, str]:
    """Install *lines*, those that can be had; return why others can't, by name."""
    end = monotonic() + _PATIENCE
    complaints: dict[str, str] = {}

    def install(lines: Sequence[Line]) -> None:
        if not lines:
            return
        trouble = _try([line.text for line in lines], environment, end - monotonic())
        if trouble and len(lines) > 1:
            middle = len(lines) // 2
            install(lines[:middle])
            install(lines[middle:])
        elif trouble:
            complaints[lines[0].name] = trouble
            name, version = lines[0].name, lines[0].version
            if lines[0].installer != "system" and lines[0].text == f"{name}=={version}":
                _ = _try([f"{name}<{version}"], environment, end - monotonic()) and _try(
                    [name], environment, end - monotonic()
                )

    install(lines)
    return complaints


def _try(requirements: Sequence[str], environment: Environment, seconds: float) -> str:
    """Install *requirements* and nothing else; return what went wrong, or an empty text."""
    if seconds <= 0:
        return "there was no more time"
    uv = find_uv()
    python = os.path.join(environment.folder, "bin", "python")
    more, variables = as_for_pip(os.environ) if uv else ([], {})
    words = [uv, "pip", "install", *more, "--python", python] if uv else [
        python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input"
    ]
    wanted = os.path.join(environment.folder, "wanted.txt")
    with open(wanted, "w", encoding="utf-8") as file:
        file.writelines(f"{requirement}\n" for requirement in requirements)
    try:
        answer = ask(
            [*words, "--no-deps", "--requirement", wanted], cwd=environment.folder, without=_NOT_OURS, timeout=seconds,
            environment=variables,
        )
    except TimeoutError:
        return "it took too long"
    return _last(answer.complaint) or f"{environment.tool} failed" if answer.status else ""


def _last(complaint: str) -> str:
    """Return what matters of the *complaint* of an installer."""
    lines = [line.strip(" ╰─▶│×├╭→·\t") for line in complaint.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("hint:", "[notice]", "help:"))]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return " ".join(errors[-1:] or lines[-3:])[:300]


def _differing(environment: Environment, complaints: dict[str, str]) -> Iterator[str]:
    """Yield what isn't as it was in the environment that was built, a sentence each."""
    here = installed(_packages(environment.folder))
    for line in environment.lines:
        found = here.get(normal(line.name))
        told = f"{line.name} {line.version}".strip()
        if found is None:
            yield f"{told} can't be had: {complaints.get(line.name, 'it was installed under another name')}"
        elif line.version and found.version != line.version:
            yield f"{told} can't be had, {found.version} is taken instead: {complaints.get(line.name, '')}".rstrip(": ")
        elif line.digest and found.digest and line.digest != found.digest:
            yield f"the files of {told} aren't those of then"


def _is_it(found: Line | None, wanted: Line) -> bool:
    return found is not None and (not wanted.version or found.version == wanted.version)


def _packages(folder: str) -> str:
    """Return the folder of packages in the environment at *folder*."""
    library = os.path.join(folder, "lib")
    names = [name for name in os.listdir(library) if name.startswith("python")] if os.path.isdir(library) else []
    return os.path.join(library, names[0] if names else "python3", "site-packages")
