"""From what the user typed to what has to be run."""

import os
import shlex
from collections.abc import Sequence
from typing import Any

from sumatra import programs
from sumatra.errors import UsageError
from sumatra.records import Choice
from sumatra.runs import Request
from sumatra.settings import Settings

__all__ = ["understand_request"]


def understand_request(
    chosen: Settings, root: str, words: Sequence[str], *, whole: bool, executable: str | None, main_file: str | None,
    **rest: Any,
) -> Request:
    """Return what has to be run for *words* in a project with the settings *chosen* in the folder *root*.

    With *whole* they are the command. Otherwise the program and script named here, or else in the settings, go
    before them; where neither is named, the words are the command again.  *rest* are fields of `Request`.
    """
    rest.setdefault("take_values", not chosen.plain)
    rest.setdefault("look_for_parameters", not chosen.ignore_parameters)
    options = {"options": chosen.launch_mode_options} if chosen.launch_mode_options else {}
    rest.setdefault("launch_mode", Choice(chosen.launch_mode, options))
    if whole and (executable or main_file):
        raise UsageError("after -- the words are the whole command", "leave out --executable and --main, or the --")
    main = main_file or chosen.main_file
    program = shlex.split(executable or chosen.executable)
    if whole or not (program or main):
        if not words:
            raise UsageError("there is nothing to run", "smt run COMMAND …, or smt configure --executable --main")
        rest["take_values"] = rest["take_values"] and not whole
        return Request(program=words[:1], arguments=words[1:], **rest)
    if main and not os.path.exists(main):
        main = _from_root(main, root)
    if main and not executable and not _fits(program, main):
        fitting = programs.for_script(main)
        program = [fitting] if fitting else []
    if main and not program and "/" not in main:
        main = f"./{main}"  # it is run by itself, and shells don't look for programs here
    return Request(program=[*program, *([main] if main else [])], arguments=words, main_file=main or None, **rest)


def _fits(program: Sequence[str], main: str) -> bool:
    """Tell whether *program* can be meant to run *main*; where it isn't a known one, it is the user's choice."""
    if not program:
        return False
    known = programs.known(program[0])
    suffix = os.path.splitext(main)[1]
    return known is None or not suffix or suffix in known.suffixes


def _from_root(main: str, root: str) -> str:
    """Return the path of a main file that the settings tell from the project's folder."""
    beside = os.path.join(root, main)
    return os.path.relpath(beside) if os.path.exists(beside) else main
