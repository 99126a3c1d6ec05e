"""Traps for a version-control system: does looking at what a stranger has made start what that names?

A test plants the command of a `Trap` where a repository could name it, has `look_at` do all that a working copy can do,
finds no trace, and then lets the system's own program walk into the trap, so that it is known to be armed.
"""

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, TypeVar

from sumatra.errors import VersionControlError
from sumatra.versioncontrol import WorkingCopy, find

__all__ = ["Trap", "beside", "look_at", "set_trap"]

_Copy = TypeVar("_Copy", bound=WorkingCopy)


class Trap(NamedTuple):
    """A command that leaves a trace, and where to look for it."""

    command: Path
    trace: Path


def set_trap(folder: Path) -> Trap:
    """Return a trap in the new *folder*."""
    folder.mkdir()
    trap = Trap(folder / "command", folder / "trace")
    trap.command.write_text(f"#!/bin/sh\necho \"$0 $*\" >> '{trap.trace}'\nexit 1\n")
    trap.command.chmod(0o755)
    return trap


def beside(copy: WorkingCopy, name: str) -> str:
    """Return the path of *name* in the folder that *copy* lies in."""
    return os.path.join(os.path.dirname(copy.root), name)


def look_at(folder: Path, system: type[_Copy], deeds: Iterable[Callable[[_Copy], object]]) -> None:
    """Do all *deeds* to the working copy *folder*; any of them may fail."""
    with contextlib.suppress(VersionControlError):
        copy = find(str(folder))
        assert isinstance(copy, system)
        for deed in deeds:
            with contextlib.suppress(VersionControlError):
                deed(copy)
