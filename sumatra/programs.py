"""The programs that scientists run scripts with: how to recognise them, and what to ask them.

A program is known by its whole file name (``python3.12``, ``Rscript``), never by a part of it.  Only known programs
are ever asked for their version, once per file; a user's own program is started to run it and for nothing else.
"""

import os
import re
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple

from sumatra.errors import LaunchError, NoSuchProgram
from sumatra.records import Executable

__all__ = ["PROGRAMS", "Program", "describe", "find", "for_script", "get_executable", "known", "script_of", "version"]

_TIMEOUT = 5.0  # seconds to tell a version in
_TRIES = 3  # how often a program that doesn't tell is asked before we give up


class Program(NamedTuple):
    """What we know of a program."""

    name: str  #: as records tell it
    files: str  #: what its file may be called: a regular expression for the whole name
    commands: tuple[str, ...] = ()  #: what to look for, to run a script with it
    suffixes: tuple[str, ...] = ()  #: of its scripts
    question: tuple[str, ...] = ("--version",)  #: words that make it tell its version and end; none if nothing does
    answer: str = r"(\d+(?:\.\d+)+[\w.+-]*)"  #: where the version is in what it says
    takes: frozenset[str] = frozenset()  #: long options whose next word is their value
    letters: str = ""  #: one-letter options with a value, joined or as the next word
    joined: str = ""  #: one-letter options whose value is joined to them or left out
    ends: frozenset[str] = frozenset()  #: options with which there is no script
    by_suffix: bool = False  #: options follow no rules: the first word with a suffix of its scripts is the script
    also: tuple[str, ...] = ()  #: suffixes of other programs' scripts that it runs if told to
    instead: str = ""  #: the program beside it that has to be asked


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PYTHON = dict[str, Any](
    suffixes=(".py", ".pyw"), letters="WXQ", takes=_words("--check-hash-based-pycs"), ends=_words("-c -m -h -V")
)

_NEURON = dict[str, Any](
    answer=r"VERSION (\d+\.\S+)", takes=_words("-dll -NSTACK -NFRAME -pyexe -c --mpilib"), by_suffix=True,
    also=(".hoc", ".oc", ".ses", ".py"),
)

PROGRAMS = (
    Program("Python", r"python(?:\d(?:\.\d+)?)?t?", ("python", "python3"), answer=r"Python (\d+\.\S+)", **_PYTHON),
    Program("PyPy", r"pypy(?:\d(?:\.\d+)?)?", ("pypy3", "pypy"), answer=r"PyPy (\d+\.\S+)", **_PYTHON),
    Program(
        "R", r"R|Rscript", ("Rscript",), (".R", ".r"), answer=r"version (\d+\.\S+)", letters="g",
        takes=_words("--gui --encoding"), ends=_words("-e --args --version --help"),
    ),
    Program("NEURON", r"nrniv", ("nrniv", "nrngui"), (".hoc", ".oc"), **_NEURON),
    Program("NEURON", r"nrngui", instead="nrniv", **_NEURON),  # opens windows before it looks at its words
    Program("NEURON", r"special", **{**_NEURON, "question": ()}),  # what nrnivmodl makes of the user's mechanisms
    Program(
        "NEST", r"nest", ("nest",), (".sli",), answer=r"version (\d+\.\S+?)[,\s]", takes=_words("-c"), by_suffix=True
    ),
    Program("GENESIS", r"(?:nx|p)?genesis", ("genesis",), (".g",), question=(), by_suffix=True),
    Program(
        "Matlab", r"matlab", ("matlab",), (".m",), question=(), takes=_words("-r -batch -sd -logfile -c"),
        by_suffix=True,
    ),
    Program(
        "Octave", r"octave(?:-cli)?(?:-\d+(?:\.\d+)*)?", ("octave", "octave-cli"), (".m",),
        answer=r"version (\d+\.\S+)", letters="p", ends=_words("--eval"),
        takes=_words("--path --exec-path --image-path --info-file"),
    ),
    Program(
        "Julia", r"julia(?:-\d+(?:\.\d+)*)?", ("julia",), (".jl",), answer=r"version (\d+\.\S+)", letters="LHJCpt",
        joined="gO", takes=_words("--load --sysimage --cpu-target --procs --threads --machine-file --home"),
        ends=_words("-e -E -v -h --eval --print"),
    ),
    Program("Perl", r"perl(?:5(?:\.\d+)*)?", ("perl",), (".pl",), answer=r"\(v(\d+\.[\d.]+)\)", letters="I",
            joined="CDFimMx", ends=_words("-e -E -v -h")),
    Program("Ruby", r"ruby(?:\d(?:\.\d+)*)?", ("ruby",), (".rb",), answer=r"ruby (\d+\.\S+)", letters="IrCEF",
            joined="KTWix", ends=_words("-e -h")),
    Program("bash", r"bash", ("bash",), (".sh", ".bash"), answer=r"version (\d+\.[\d.]+)", letters="oO",
            takes=_words("--rcfile --init-file"), ends=_words("-c -s")),
    Program("sh", r"(?:da)?sh", ("sh",), question=(), letters="o", ends=_words("-c -s")),
    Program("zsh", r"zsh", ("zsh",), (".zsh",), answer=r"zsh (\d+\.\S+)", letters="o", ends=_words("-c -s")),
    Program("Node.js", r"node|nodejs", ("node", "nodejs"), (".js", ".mjs", ".cjs"), answer=r"v(\d+\.\S+)",
            takes=_words("-r --require --import --loader"), ends=_words("-e -p --eval --print")),
    Program("Lua", r"lua(?:5\.\d)?", ("lua",), (".lua",), question=("-v",), answer=r"Lua (\d+\.\S+)", letters="l",
            ends=_words("-e")),
    Program("gnuplot", r"gnuplot(?:-\w+)?", ("gnuplot",), (".gp", ".gnuplot", ".plt"),
            answer=r"gnuplot (\d+\.\S+ patchlevel \w+)", takes=_words("-e -geometry -title"), by_suffix=True),
)


def known(path: str) -> Program | None:
    """Return the known program whose file is called like *path* is, or None."""
    name = os.path.basename(path)
    # Most patterns begin with a letter as it stands, so most of them needn't be compiled.
    likely = (program for program in PROGRAMS if program.files[0] in ("(", "[", name[:1]))
    return next((program for program in likely if re.fullmatch(program.files, name)), None)


def find(path_or_name: str, environ: Mapping[str, str], cwd: str | None = None) -> str:
    """Return the absolute path of a program; symbolic links are not resolved, as environments are made of them.

    A name is looked for in the folders of ``PATH``, a path with a slash in it from *cwd* (by default the current
    folder).  Raises `NoSuchProgram`, and `LaunchError` for a file that can't be executed.
    """
    if "/" in path_or_name:
        path = os.path.abspath(os.path.join(cwd or os.getcwd(), path_or_name))
        if os.path.isdir(path) or (os.path.exists(path) and not os.access(path, os.X_OK)):
            raise LaunchError(f"{path_or_name!r} can't be executed", _hint(path), 126)
        if os.path.exists(path):
            return path
        raise NoSuchProgram(f"there is no program {path_or_name!r}", "see whether the path is right")
    from sumatra import process

    found = process.find_program(path_or_name, environ.get("PATH", os.defpath)) if path_or_name else None
    if found is None:
        raise NoSuchProgram(
            f"the program {path_or_name!r} isn't in any folder of PATH",
            f"is it installed? to run a file of the current folder: ./{path_or_name}",
        )
    return found


def _hint(path: str) -> str:
    if os.path.isdir(path):
        return "it is a folder"
    command = for_script(path)
    return f"smt run {command} {os.path.basename(path)} …" if command else "chmod +x FILE, if it is a program"


def for_script(main_file: str, environ: Mapping[str, str] | None = None) -> str | None:
    """Return the command that runs the script *main_file*, by its suffix or else its ``#!`` line; None if unknown.

    Where several would do, the first one that is installed.
    """
    suffix = os.path.splitext(main_file)[1]
    commands = [command for program in PROGRAMS if suffix in program.suffixes for command in program.commands]
    if not commands:
        interpreter = known(next(iter(_interpreter(main_file)), ""))
        commands = list(interpreter.commands) if interpreter else []
    for command in commands:
        try:
            find(command, os.environ if environ is None else environ)
        except NoSuchProgram:
            continue
        return command
    return commands[0] if commands else None


def get_executable(path: str | None = None, script_file: str | None = None) -> Executable:
    """Return the program at *path* (or of that name; options may follow it), or else the one for *script_file*.

    Its version isn't asked: see `version`.  Raises `NoSuchProgram` where there is none.
    """
    import shlex

    if path:
        words = [path] if os.path.isfile(path) else shlex.split(path)
    else:
        command = for_script(script_file or "")
        if command is None:
            raise NoSuchProgram(f"nothing is known that runs {script_file!r}", "name the program with --executable")
        words = [command]
    found = find(words[0], os.environ)
    program = known(found)
    name = program.name if program else os.path.basename(found)
    return Executable(found, name, options=shlex.join(words[1:]))


def describe(words: Sequence[str], cwd: str, environ: Mapping[str, str]) -> tuple[Executable, str | None]:
    """Return the program that the command *words* runs, without its version, and the script that it is given.

    For a script that is run as a program, that is the program of its ``#!`` line, if known.  The script is told as it
    stands in *words*, and is None where there is none (``python -m module``, standard input, a compiled program).
    Raises `NoSuchProgram`.
    """
    path = find(words[0], environ, cwd)
    program = known(words[0])
    if program is not None:
        place = _place_of_script(program, words)
        options = words[1:place] if place else _options(program, words)
        return Executable(path, program.name, options=_joined(options)), words[place] if place else None
    first = _interpreter(path)
    script = None if not first else words[0] if "/" in words[0] else path
    program = known(first[0]) if first else None
    if program is not None:
        try:
            return Executable(find(first[0], environ, cwd), program.name, options=_joined(first[1:])), script
        except LaunchError:  # the kernel will say the same in a moment
            pass
    return Executable(path, os.path.basename(path)), script


def script_of(words: Sequence[str]) -> str | None:
    """Return the script that the command *words* gives to its program, whether or not that is there."""
    program = known(words[0]) if words else None
    place = _place_of_script(program, words) if program else None
    return words[place] if place else None


def module_of(words: Sequence[str]) -> str | None:
    """Return the module that the command *words* lets Python run (``python -m module``), or None."""
    program = known(words[0]) if words else None
    if program is None or "-m" not in program.ends or program.suffixes[:1] != (".py",):
        return None
    place = 1 + len(_options(program, words))
    before, letter, name = words[place].partition("m") if place < len(words) else ("", "", "")
    if not letter or before[:1] != "-" or before[1:2] == "-" or set(before) & set("chWXQ"):
        return None
    return name or (words[place + 1] if place + 1 < len(words) else None)


def version(
    path: str, cache: "MutableMapping[str, Any] | str | None" = None, *, own: str | None = None, ask: bool = True
) -> str | None:
    """Return the version of the known program at *path*, or None.

    A program is asked once: its answer is kept in *cache* (a mapping, or the path of a JSON file) until the file
    changes.  A program that lies in the folder *own* (by default the current one) and isn't found by ``PATH`` is the
    user's, whatever it is called, and isn't started.  Nothing is started unless *ask*.
    """
    program = known(path)
    if program is None:
        return None
    told = _told_without_asking(program, path)
    if told or not program.question or _is_own(path, own or os.getcwd()):
        return told
    return _asked_once(program, path, cache, _TRIES if ask else 0)


def _joined(words: Sequence[str]) -> str:
    if not words:
        return ""
    import shlex

    return shlex.join(words)


def _place_of_script(program: Program, words: Sequence[str]) -> int | None:
    """Return which of *words* is the script that *program* is to run."""
    if program.by_suffix:
        suffixes = program.suffixes + program.also
        return next((place for place in _after_options(program, words) if words[place].endswith(suffixes)), None)
    if program.name == "R" and os.path.basename(words[0]) == "R":
        return _place_for_r(words)
    place = 1
    while place < len(words):
        word = words[place]
        if word == "--":
            return place + 1 if place + 1 < len(words) else None
        if word in program.ends or word == "-":
            return None
        if not word.startswith("-"):
            return place
        step = _step(program, word)
        if step == 0:
            return None
        place += step
    return None


def _step(program: Program, word: str) -> int:
    """Return how many words the option *word* takes, itself included; 0 if there is no script after it."""
    if word in program.takes:
        return 2
    if word.startswith("--"):
        return 1
    for position, letter in enumerate(word[1:], 2):
        if "-" + letter in program.ends:
            return 0
        if letter in program.letters:
            return 1 if position < len(word) else 2
        if letter in program.joined:
            return 1
    return 1


def _after_options(program: Program, words: Sequence[str]) -> Iterator[int]:
    place = 1
    while place < len(words):
        if words[place] in program.takes:
            place += 1
        elif not words[place].startswith("-"):
            yield place
        place += 1


def _place_for_r(words: Sequence[str]) -> int | None:
    """Return where the script is in ``R -f FILE`` and ``R CMD BATCH FILE``; ``R`` takes no others."""
    if list(words[1:3]) == ["CMD", "BATCH"]:
        return next((place for place in range(3, len(words)) if not words[place].startswith("-")), None)
    return next((place for place in range(2, len(words)) if words[place - 1] == "-f"), None)


def _options(program: Program, words: Sequence[str]) -> Sequence[str]:
    """Return the options before ``-m MODULE`` and the like, where there is no script."""
    place = 1
    while place < len(words):
        word = words[place]
        step = (2 if word in program.takes else 1) if program.by_suffix else _step(program, word)
        if not word.startswith("-") or word == "-" or word in program.ends or step == 0:
            break
        place += step
    return words[1:place]


def _interpreter(path: str) -> list[str]:
    """Return the words of the ``#!`` line of the file at *path*, without ``env``; [] if it has none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            start = os.read(descriptor, 256)
        finally:
            os.close(descriptor)
    except OSError:
        return []
    if not start.startswith(b"#!"):
        return []
    words = os.fsdecode(start[2:].partition(b"\n")[0]).split()
    if words and os.path.basename(words[0]) == "env":
        words = [word for word in words[1:] if word not in ("-S", "--split-string") and "=" not in word]
    return words


def _told_without_asking(program: Program, path: str) -> str | None:
    """Return the version where a file beside the program surely says it."""
    real = os.path.realpath(path)
    if program.name == "Python":
        import sys

        if sys.implementation.name == "cpython" and real == os.path.realpath(sys.executable):
            return sys.version.split()[0]
        return _of_environment(path, real)
    if program.name == "Matlab":
        about = _text(os.path.join(os.path.dirname(real), "..", "VersionInfo.xml"))
        found = re.search(r"<version>([\d.]+)</version>", about)
        return found[1] if found else None
    return None


def _of_environment(path: str, real: str) -> str | None:
    """Return what a virtual environment says of its Python, unless that was replaced since."""
    settings = os.path.join(os.path.dirname(os.path.dirname(path)), "pyvenv.cfg")
    found = re.search(r"(?m)^version(?:_info)?\s*=\s*(\d+\.\d+\.\d+)\s*$", _text(settings))
    try:
        return found[1] if found and os.stat(real).st_ctime_ns < os.stat(settings).st_mtime_ns else None
    except OSError:
        return None


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(65536)
    except OSError:
        return ""


def _is_own(path: str, own: str) -> bool:
    folder = os.path.dirname(os.path.abspath(path))
    if folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        return False
    return (folder + "/").startswith(own.rstrip("/") + "/")


def _asked_once(
    program: Program, path: str, cache: "MutableMapping[str, Any] | str | None", tries: int
) -> str | None:
    real = os.path.realpath(path)
    try:
        status = os.stat(real)
    except OSError:
        return None
    identity = [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns]
    kept = _read(cache) if isinstance(cache, str) else {} if cache is None else cache
    entry = kept.get(real)
    if not isinstance(entry, dict) or entry.get("identity") != identity:
        entry = {"identity": identity, "version": None, "tries": 0}
    if entry.get("version") is None and entry.get("tries", 0) < tries:
        entry = {"identity": identity, "version": _ask(program, path), "tries": entry.get("tries", 0) + 1}
        kept[real] = entry
        if isinstance(cache, str):
            _write(cache, kept)
    told = entry.get("version")
    return told if isinstance(told, str) else None


def _ask(program: Program, path: str) -> str | None:
    from sumatra import process

    if program.instead:
        path = os.path.join(os.path.dirname(path), program.instead)
    try:
        answer = process.ask([path, *program.question], cwd="/", timeout=_TIMEOUT)
    except (OSError, ValueError):
        return None
    found = re.search(program.answer, answer.output.decode("utf-8", "replace") + "\n" + answer.complaint)
    return found[1] if found else None


def _read(path: str) -> dict[str, Any]:
    import json

    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: str, kept: MutableMapping[str, Any]) -> None:
    import json

    from sumatra import files

    try:
        files.write_atomically(path, json.dumps(kept, indent=1, sort_keys=True).encode())
    except OSError:
        pass  # it is asked again next time
