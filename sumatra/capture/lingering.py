"""Which processes a run has left behind: daemons, jobs in the background, whatever outlives the program."""

import os
import time
from collections.abc import Mapping

from sumatra.capture.procfs import beginning_of, facts_of

__all__ = ["left_behind"]

#: How long (seconds) the process that watches may take to end when the last process of its run has.
_PATIENCE = 0.02

_MOST_ENVIRONMENT = 1 << 18  # bytes of a process's environment in which our label is looked for


def left_behind(label: str, method: str) -> tuple[str, ...]:
    """Return the names of the processes that the run *label*, whose program has ended, has left behind.

    *method* is how it was observed.  A process belongs to the run if it has its label in its environment, and if it
    lost its parent: a run of another project may have the same label at the same time.
    """
    if method == "notify" and not _is_watched():
        return ()
    wanted = b"SMT_LABEL=" + os.fsencode(label)
    labelled: dict[int, int] = {}
    for entry in _numbers():
        try:
            environment = beginning_of(b"/proc/%d/environ" % entry, _MOST_ENVIRONMENT)
            if wanted in environment.split(b"\0"):
                labelled[entry] = facts_of(entry).parent
        except (OSError, ValueError, IndexError):
            continue  # it has ended, or it is somebody else's
    if not labelled:
        return ()
    ours = _ancestors()
    left = (pid for pid in sorted(labelled) if _top(pid, labelled) in ours)
    names = [name for pid in left if (name := _name(pid)) and (method, name) != ("strace", "strace")]
    return tuple(sorted(names))


def _is_watched() -> bool:
    """Tell whether a process that watches a run of ours hasn't seen its end yet."""
    from sumatra.capture.notify import is_watching

    end = time.monotonic() + _PATIENCE
    while is_watching():
        if time.monotonic() > end:
            return True
        time.sleep(0.001)
    return False


def _numbers() -> list[int]:
    try:
        return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    except OSError:
        return []


def _ancestors() -> set[int]:
    """Return the processes above ours: one of them inherits whoever loses a parent in our run."""
    found = {1}
    pid = os.getppid()
    while pid > 1 and pid not in found:
        found.add(pid)
        try:
            pid = facts_of(pid).parent
        except (OSError, ValueError, IndexError):
            break
    return found


def _top(pid: int, labelled: Mapping[int, int]) -> int:
    """Return the parent of the first one, upwards from *pid*, whose parent isn't *labelled*."""
    met = {pid}
    parent = labelled[pid]
    while parent in labelled and parent not in met:
        met.add(parent)
        parent = labelled[parent]
    return parent


def _name(pid: int) -> str:
    try:
        return beginning_of(b"/proc/%d/comm" % pid, 64).decode("utf-8", "replace").rstrip("\n")
    except OSError:
        return ""
