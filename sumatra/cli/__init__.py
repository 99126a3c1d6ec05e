"""The command line: ``smt COMMAND …``.

Each command is a module with a docstring (its first line is what ``smt help`` says), ``arguments(parser)`` which
declares its options, and ``run(args)`` which does the work and returns an exit status or None.  It prints results;
errors it lets through: `main` turns them into one sentence and an exit status.
"""

import errno
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from sumatra import plugins
from sumatra.errors import NoSuchPlugin, SumatraError
from sumatra.plugins import Backend

if TYPE_CHECKING:
    import argparse
    from types import ModuleType
    from typing import TextIO

__all__ = ["BACKENDS", "main", "parser_for"]

BACKENDS = {
    "init": Backend(".init", "start a project in this folder"),
    "configure": Backend(".configure", "change the settings of the project"),
    "info": Backend(".info", "show the settings of the project"),
    "run": Backend(".run", "run a program and keep it on record"),
    "list": Backend(".list", "list records, or search them"),
    "view": Backend(".view", "show one record in full"),
    "repeat": Backend(".repeat", "run something again as it was, and compare the results"),
    "diff": Backend(".diff", "tell in what runs differ"),
    "why": Backend(".why", "find out why one run came out otherwise than another"),
    "changed": Backend(".changed", "tell what has changed since a run that went well"),
    "checkout": Backend(".checkout", "bring back the code of a run in a new folder"),
    "verify": Backend(".verify", "check that the files of records are as they were"),
    "dependencies": Backend(".dependencies", "show what code would load, or what a run has loaded"),
    "comment": Backend(".comment", "write down what came of a run"),
    "tag": Backend(".tag", "tag records, or take tags away"),
    "delete": Backend(".delete", "put records into the trash, or bring them back"),
    "help": Backend(".help", "explain a command"),
    "version": Backend(".version", "show the version of Sumatra"),
    "completion": Backend(".completion", "print what a shell needs to complete words of smt"),
}

FAULT = 70

#: As `sumatra.projects.FOLDER`; that module may be what is at fault.
_FOLDER = ".smt"


def main(words: Sequence[str] | None = None) -> int:
    """Do what *words* (by default those of the command line) say; return the exit status.

    2 and more are described in ``doc/reference/exit-statuses.rst``.
    """
    words = [*(sys.argv[1:] if words is None else words)]  # "list" is a module of this package
    command = words[0] if words else ""
    module: ModuleType | None = None
    _ready_streams()
    try:
        if command in ("", "-h", "--help", "--version"):
            words, command = [command], "version" if command == "--version" else "help"
        module = plugins.load(__name__, command)
        parser = parser_for(command, module)
        module.arguments(parser)
        parse = getattr(module, "parse", None)
        args = parse(parser, words[1:]) if parse else parser.parse_args(words[1:])
        status = module.run(args)
        _flush()
        return status or 0
    except SumatraError as error:
        if isinstance(error, NoSuchPlugin) and module is None:
            error = NoSuchPlugin(f"there is no command {command!r}", error.hint or "see them all: smt help")
        _complain(error)
        return _status(module, error.exit_status)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has enough. Python would complain again when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except OSError as error:
        # Where output isn't buffered, nothing is left in the stream by which it could be asked.
        if not (_is_full(sys.stdout) or (error.errno == errno.ENOSPC and error.filename is None)):
            return _fault(error, words)
        _complain(SumatraError(f"the output can't be written: {error.strerror}"))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return _status(module, 1)
    except SystemExit as end:  # argparse, on --help and on words that don't fit
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return _status(module, end.code if isinstance(end.code, int) else 1) if end.code else 0
    except RecursionError:
        _complain(SumatraError("something is nested too deeply to be read"))
        return _status(module, 1)
    except Exception as error:  # noqa: BLE001  the last line of defence: say so plainly, and keep what is needed to mend it
        return _fault(error, words)


def parser_for(command: str, module: "ModuleType") -> "argparse.ArgumentParser":
    import argparse

    class Form(argparse.RawDescriptionHelpFormatter):
        """argparse makes one for each option, and would load shutil to ask for the width each time."""

        def __init__(self, prog: str) -> None:
            super().__init__(prog, width=width)

    try:
        width = min(os.get_terminal_size().columns, 120) - 2
    except OSError:
        width = 98
    return argparse.ArgumentParser(
        prog=f"smt {command}", description=module.__doc__, formatter_class=Form, allow_abbrev=False
    )


def _status(module: "ModuleType | None", status: int) -> int:
    """Return *status*, or 125 for a command that ends with the status of somebody else's program."""
    own: int | None = getattr(module, "OWN_TROUBLES", None)
    return own if own is not None and status not in (126, 127) else status


def _complain(error: SumatraError) -> None:
    from sumatra.formatting.escape import visible

    print(f"smt: {visible(str(error))}", file=sys.stderr)
    if error.hint:
        print(f"hint: {visible(error.hint)}", file=sys.stderr)


def _ready_streams() -> None:
    """Make it possible to print anything: streams may be closed (``>&-``), or of an encoding that lacks letters."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  until we end
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _is_full(stream: "TextIO") -> bool:
    """Tell whether *stream* is what an error was about: what is left in it can't be written either."""
    try:
        stream.flush()
    except OSError:
        return True
    return False


def _flush() -> None:
    sys.stdout.flush()


def _fault(error: Exception, words: Sequence[str]) -> int:
    """Tell the user that this is our fault, and keep what a report needs."""
    import traceback

    from sumatra import __version__

    # Arguments may hold passwords: only the name of the command is kept.
    text = (
        f"Sumatra {__version__}, Python {sys.version}\ncommand: smt {words[0] if words else ''}\n\n"
        + "".join(traceback.format_exception(error))
    )
    print(f"smt: this is a fault in Sumatra: {type(error).__name__}: {error}", file=sys.stderr)
    if not os.path.isdir(_FOLDER):
        print(text, file=sys.stderr)
        return FAULT
    path = os.path.join(_FOLDER, "log", f"fault-{os.getpid()}.txt")
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        print(f"hint: please report it, with what is in {path}", file=sys.stderr)
    except OSError:
        print(text, file=sys.stderr)
    return FAULT


def entry() -> NoReturn:
    """End the process with what `main` returns: the console script.

    It ends at once: to take apart all modules that were loaded would take as long as a short run takes to be recorded,
    and nothing is open any more.  For the same reason cycles are looked for less often than is usual.
    """
    import gc

    gc.set_threshold(20_000)
    status = main()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # who reads it has gone; `main` has said what there was to say
            pass
    os._exit(status)
