"""Start a program, unobserved; and what all ways of starting it have in common."""

import errno
import os
import signal
from collections.abc import Iterable, Mapping, Sequence

__all__ = ["IGNORED_BY_PYTHON", "NotPossible", "is_binary", "spawn"]

#: Python ignores these when it starts, and what is ignored would be inherited.
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


class NotPossible(Exception):
    """A method of observing that can't be used here; the message says why."""


def spawn(
    path: str,
    words: Sequence[str],
    environment: Mapping[str, str],
    descriptors: Mapping[int, int],
    mask: Iterable[int],
) -> int:
    """Start the program at *path* with the arguments *words*, and return its pid.

    *descriptors* says what its standard streams are (its number: ours); what it doesn't say is inherited.  *mask* is
    the set of signals that the program begins with blocked.  A file without ``#!`` is run by ``/bin/sh``.  Raises
    `OSError` or `ValueError` as `os.posix_spawn` does.
    """
    actions = [(os.POSIX_SPAWN_DUP2, ours, its) for its, ours in descriptors.items()]

    def start(path: str, words: list[str]) -> int:
        return os.posix_spawn(
            path, words, environment, file_actions=actions, setsigmask=mask, setsigdef=IGNORED_BY_PYTHON
        )

    try:
        return start(path, list(words))
    except OSError as error:
        if error.errno != errno.ENOEXEC or is_binary(path):
            raise
        script = path if "/" in path else f"./{path}"
        return start("/bin/sh", ["/bin/sh", script, *words[1:]])


def is_binary(path: str) -> bool:
    """Tell whether the first line holds a NUL, by which shells tell programs of another machine from scripts."""
    with open(path, "rb") as file:
        return b"\0" in file.read(256).partition(b"\n")[0]
