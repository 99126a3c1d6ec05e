"""Limits of the process that reads files of strangers: memory, time, no file written, no program, no network."""

import resource
import signal
from contextlib import suppress

__all__ = ["MEMORY", "allow_time", "confine"]

#: Address space (bytes): libraries take a part of it, and a file that needs more isn't compared.
MEMORY = 4_000_000_000


def confine() -> None:
    """Take away what reading files doesn't need; what can't be taken away here stays."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        with suppress(OSError, ValueError):
            resource.setrlimit(what, (most, most))
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)


def allow_time(seconds: float) -> None:
    """Let the process use so much more processor time; it is killed after that."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    with suppress(OSError, ValueError):
        most = int(used.ru_utime + used.ru_stime + seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))
