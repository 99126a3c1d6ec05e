"""Find a program as shells do, and start it.

It is started from a list of words, by no shell, with the environment, signal dispositions and descriptors that it
would have had without us.
"""

import errno
import os
from collections.abc import Iterable, Mapping, Sequence

from sumatra.errors import LaunchError
from sumatra.launch.base import Spawn

__all__ = ["locate", "spawn"]

#: Troubles of the machine, not of the program.
_SHORT_OF = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


def locate(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return the path of the program that *words* name, looked for on the PATH of *environment*.

    Entries of PATH that are empty or relative count, as in shells: here it is the user who says what is run.  Raises
    `LaunchError`, with exit status 127 if there is no such program and 126 if it can't be executed.
    """
    if not words:
        raise LaunchError("there is no command to run", "give one after the options: smt run -- COMMAND ARGUMENTS")
    name = words[0]
    if "/" in name:
        if not os.path.lexists(name):
            raise LaunchError(f"command not found: {name}", "there is no file of that name", 127)
        if not _runs(name):
            raise _not_executable(name)
        return name
    refused = None
    for folder in environment.get("PATH", os.defpath).split(os.pathsep) if name else ():
        candidate = os.path.join(folder or ".", name)
        if _runs(candidate):
            return candidate
        if os.path.isfile(candidate):
            refused = refused or candidate
    if refused:
        raise _not_executable(refused)
    here = bool(name) and os.path.isfile(name)
    raise LaunchError(
        f"command not found: {name}",
        f"to run the file of that name in this folder: ./{name}" if here
        else "no folder of PATH has a program of that name; is it installed, and its environment activated?",
        127,
    )


def spawn(
    start: Spawn,
    path: str,
    words: Sequence[str],
    environment: Mapping[str, str],
    descriptors: Mapping[int, int],
    mask: Iterable[int],
) -> int:
    """Have *start* start the program at *path* with the arguments *words*, and return its pid.

    *descriptors* says what its standard streams are (its number: ours); what it doesn't say is inherited.  *mask* is
    the set of signals that the program begins with blocked.  A file without ``#!`` is run by ``/bin/sh``.  Raises
    `LaunchError`.
    """
    try:
        return start(path, words, environment, descriptors, mask)
    except ValueError as error:
        raise LaunchError(f"{words[0]} can't be started: {error}") from error
    except OSError as error:
        raise _explain(words[0], error) from error


def _runs(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _not_executable(path: str) -> LaunchError:
    if os.path.isdir(path):
        return LaunchError(f"{path} is a folder, not a program", None, 126)
    if not os.path.exists(path):
        return LaunchError(f"command not found: {path}", "it is a symbolic link to something that isn't there", 127)
    return LaunchError(
        f"{path} isn't executable", f"chmod +x {path}, or put the program that interprets it in front", 126
    )


def _explain(name: str, error: OSError) -> LaunchError:
    reason = error.strerror
    if error.errno in _SHORT_OF:
        return LaunchError(f"{name} can't be started: {reason}", "see the limits of this session: ulimit -a", 125)
    if error.errno == errno.ENOENT:
        return LaunchError(
            f"{name} can't be started: the interpreter that it names isn't there",
            "look at its first line (#!…), or, for a compiled program, at the loader it was linked for", 127,
        )
    if error.errno == errno.ENOEXEC:
        return LaunchError(f"{name} can't be started: {reason}", "it may be built for another kind of machine", 126)
    return LaunchError(f"{name} can't be started: {reason}", None, 126)
