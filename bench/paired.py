"""Timing of whole processes, in turn: A B A B …, so that a machine that gets slower is slower for both."""

import os
import statistics
import sys
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import NamedTuple


class Cost(NamedTuple):
    """What one run of a command took."""

    wall: float  #: seconds
    peak: float  #: MiB, of the largest single process (never less than this program's own)


class Pair(NamedTuple):
    """What two commands took, medians over all pairs."""

    wall: float  #: seconds, of the first
    wall_other: float
    added: float  #: seconds, the median of the differences
    ratio: float  #: the median of the ratios
    peak: float  #: MiB, the largest that was seen, of the first
    peak_other: float


def cost(words: Sequence[str], cwd: str, *, status: int = 0) -> Cost:
    """Run *words* in *cwd*, silently, and return what it took; anything but exit status *status* ends it all."""
    os.chdir(cwd)
    nowhere = os.open(os.devnull, os.O_RDWR)
    log = os.open(os.path.join(cwd, ".bench-log"), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    streams = [(os.POSIX_SPAWN_DUP2, nowhere, 0), (os.POSIX_SPAWN_DUP2, nowhere, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
    try:
        start = perf_counter()
        pid = os.posix_spawn(words[0], list(words), os.environ, file_actions=streams)
        _, ended, usage = os.wait4(pid, 0)
        wall = perf_counter() - start
        if os.waitstatus_to_exitcode(ended) != status:
            said = os.pread(log, 2000, 0).decode("utf-8", "replace")
            sys.exit(f"bench: {' '.join(words)} ended with {os.waitstatus_to_exitcode(ended)}: {said}")
    finally:
        os.close(nowhere)
        os.close(log)
    return Cost(wall, usage.ru_maxrss / 1024)


def paired(
    first: Sequence[str],
    other: Sequence[str],
    *,
    cwd: str,
    cwd_other: str | None = None,
    pairs: int,
    before: Callable[[str], None] = lambda folder: None,
) -> Pair:
    """Run both commands *pairs* times in turn, after once for warming up, and return what they took.

    *before* is called with the folder before each run, outside the time.
    """
    costs: list[tuple[Cost, Cost]] = []
    for _ in range(1 + pairs):
        both = []
        for words, folder in ((first, cwd), (other, cwd_other or cwd)):
            before(folder)
            both.append(cost(words, folder))
        costs.append((both[0], both[1]))
    del costs[0]
    return Pair(
        statistics.median(a.wall for a, _ in costs),
        statistics.median(b.wall for _, b in costs),
        statistics.median(a.wall - b.wall for a, b in costs),
        statistics.median(a.wall / b.wall for a, b in costs),
        max(a.peak for a, _ in costs),
        max(b.peak for _, b in costs),
    )
