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
from sumatra.records import Record

__all__ = ["behind_stdin", "behind_stdout", "with_stdout_file"]

_FOLDER = "/proc/self/fd"


def behind_stdin() -> str | None:
    """Return the file that our own standard input comes from; None if that is something else."""
    with suppress(OSError):
        path = os.readlink(f"{_FOLDER}/0")
        if os.path.isfile(path):
            return path
    return None


def behind_stdout() -> str | None:
    """Return the file that our own standard output goes to, if what will be in it is what this run prints.

    That isn't so where it had something in it before, or will have what comes later: it is appended to, or errors and
    what smt says go there as well, as with the files that batch systems make.
    """
    try:
        facts = os.fstat(1)
        path = os.readlink(f"{_FOLDER}/1")
        is_alone = (
            stat.S_ISREG(facts.st_mode) and not facts.st_size and not os.lseek(1, 0, os.SEEK_CUR)
            and not fcntl.fcntl(1, fcntl.F_GETFL) & os.O_APPEND and os.path.samestat(facts, os.stat(path))
        )
        if is_alone:
            with suppress(OSError):  # it may be closed
                is_alone = not os.path.samestat(facts, os.fstat(2))
    except OSError:
        return None
    return path if is_alone else None


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
