"""Files that stand in for the standard streams of a run: `smt run … < FILE > FILE`, or ``--stdin`` and ``--stdout``.

The shell, or smt, opens them and not the program, so that nobody who observes the program sees it.
"""

import fcntl
import os
import stat
from collections.abc import Callable
from contextlib import suppress

from sumatra.datastore import DataStore
from sumatra.facts import replace
from sumatra.records import Finding, Record

__all__ = ["behind_stdin", "behind_stdout", "piped", "with_stdout_file"]

_FOLDER = "/proc/self/fd"


def behind_stdin() -> str | None:
    """Return the file that our own standard input comes from; None if that is something else."""
    with suppress(OSError):
        path = os.readlink(f"{_FOLDER}/0")
        if os.path.isfile(path):
            return path
    return None


def piped(stdin_file: str | None) -> tuple[Finding, ...]:
    """Say that what comes through a pipe isn't kept, unless its other end is closed already and nothing is in it."""
    import select

    try:
        mode = os.fstat(0).st_mode
        if stdin_file or not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
            return ()
        pipe = select.poll()
        pipe.register(0, select.POLLIN)
        seen = dict(pipe.poll(0)).get(0, 0)
    except OSError:
        return ()
    if stat.S_ISFIFO(mode) and seen & select.POLLHUP and not seen & select.POLLIN:
        return ()
    return (Finding("stdin-piped", "standard input was a pipe; what the program may have read from it wasn't kept"),)


def behind_stdout() -> str | None:
    """Return the file that our own standard output goes to, if what will be in it is what this run prints.

    That isn't so where it had something in it before, or will have what comes later: it is appended to, it is what the
    script prints into that starts us, or errors and what smt says go there as well, as with the files that batch
    systems make.
    """
    try:
        facts = os.fstat(1)
        path = os.readlink(f"{_FOLDER}/1")
        is_own = (
            stat.S_ISREG(facts.st_mode) and not facts.st_size and not os.lseek(1, 0, os.SEEK_CUR)
            and not fcntl.fcntl(1, fcntl.F_GETFL) & os.O_APPEND and os.path.samestat(facts, os.stat(path))
            and not _is_of(os.getppid(), facts)
        )
        if is_own:
            with suppress(OSError):  # it may be closed
                is_own = not os.path.samestat(facts, os.fstat(2))
    except OSError:
        return None
    return path if is_own else None


def _is_of(process: int, facts: os.stat_result) -> bool:
    """Tell whether the file is standard output of *process* for longer than it takes to start us.

    Some shells (dash) redirect their own output for each command, and put what it was aside meanwhile: from 10 on, and
    closed for the command.
    """
    if not os.path.samestat(facts, os.stat(f"/proc/{process}/fd/1")):
        return False
    for name in os.listdir(f"/proc/{process}/fdinfo"):
        if int(name) >= 10:
            with open(f"/proc/{process}/fdinfo/{name}", encoding="ascii") as file:
                flags = next((int(line.split()[1], 8) for line in file if line.startswith("flags:")), 0)
            if flags & os.O_CLOEXEC and flags & os.O_ACCMODE != os.O_RDONLY:
                return False
    return True


def with_stdout_file(
    record: Record, data: DataStore, path: str, where: Callable[[str], str], ignored: Callable[[str], bool]
) -> Record:
    """Return *record* with the file at *path* (absolute) as an output; *where* tells where it lies."""
    relative = os.path.relpath(path, data.root)
    told = path if relative.startswith("..") else relative
    if any(key.path == told for key in record.output_data) or ignored(path):
        return record
    (key,) = data.generate_keys([where(path)], seen="stdout")
    return replace(record, output_data=(*record.output_data, replace(key, path=told)))
