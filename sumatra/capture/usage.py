"""What the processes of a run use together while it goes on, sampled from outside.

Only ``/proc`` is read.  Memory is the sum of what is resident; pages that processes share are counted for each of them,
because the kernel tells shares only at a price that a long run would notice.  Processor time is that of all processes
that are alive, with what those had used that they have waited for: so nothing is lost when a process ends.  Graphics
processors are asked through NVIDIA's own library where that is installed; it tells of the machine, not of the run.

The number of samples is bounded: when there are too many each second one is dropped, and from then on half as many are
taken.  So a run of a second and one of a month take the same room.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from time import monotonic

from sumatra.records import Sample

__all__ = ["Sampler", "read_bytes_of"]

_MOST = 240
_FIRST = 0.05  #: seconds after the start
_SHORTEST = 0.1  #: seconds between two samples
_MOST_PROCESSES = 2000

#: How much of one processor sampling may take.
_SHARE = 0.01


class Sampler:
    """Watches the process *pid* and those that it starts, in a thread of its own, from `start` to `stop`."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._tick = os.sysconf("SC_CLK_TCK")
        self._ended = threading.Event()
        self._known: dict[int, bytes] = {}  #: pids, with their start: those whose parent has gone belong to us, too
        self._samples: list[Sample] = []
        self._peak: int | None = None
        self._interval = _SHORTEST
        self._cpu: tuple[float, float] | None = None  #: time of the last sample, and processor time until then
        self._accelerators: Callable[[], tuple[float, int] | None] | None = None
        self._thread = threading.Thread(target=self._watch, name="sampler", daemon=True)
        self._began = monotonic()

    def start(self) -> None:
        """Begin to sample."""
        self._thread.start()

    def stop(self) -> tuple[int | None, tuple[Sample, ...]]:
        """Return the largest sum of memory that was seen (bytes; None if nothing was), and the samples."""
        self._ended.set()
        self._thread.join(1.0)
        return self._peak, tuple(self._samples)

    def _watch(self) -> None:
        pause = _FIRST
        self._cpu = (self._began, 0.0)
        while not self._ended.wait(pause):
            before = monotonic()
            try:
                self._take(before)
            except (OSError, ValueError, IndexError):
                continue
            finally:
                pause = max(self._interval, (monotonic() - before) / _SHARE)

    def _take(self, now: float) -> None:
        memory, ticks, count = 0, 0, 0
        for fields in self._processes():
            # From proc(5), counted from the third field: utime, stime, cutime, cstime; rss.
            ticks += sum(map(int, fields[11:15]))
            memory += int(fields[21]) * self._page
            count += 1
        if not count:
            return
        cpu = ticks / self._tick
        then, used = self._cpu or (self._began, 0.0)
        self._cpu = (now, max(cpu, used))
        self._peak = max(self._peak or 0, memory)
        accelerators = self._ask_accelerators()
        self._keep(Sample(
            time=round(now - self._began, 3), memory=memory, cpu=round(max(0.0, cpu - used) / max(now - then, 1e-3), 2),
            processes=count, gpu=accelerators and accelerators[0], gpu_memory=accelerators and accelerators[1],
        ))

    def _keep(self, sample: Sample) -> None:
        self._samples.append(sample)
        if len(self._samples) >= _MOST:
            # Of two neighbours the one with more memory stays: peaks are what people look for.
            pairs = zip(self._samples[::2], self._samples[1::2], strict=False)
            self._samples = [max(pair, key=lambda each: each.memory or 0) for pair in pairs]
            self._interval *= 2

    def _processes(self) -> Iterator[list[bytes]]:
        """Yield the fields of each process from its state on."""
        waiting = [self._pid, *self._known]
        met: dict[int, bytes] = {}
        while waiting and len(met) < _MOST_PROCESSES:
            pid = waiting.pop()
            if pid in met:
                continue
            fields = _fields(pid)
            if fields is None or fields[0] in (b"Z", b"X") or self._known.get(pid, fields[19]) != fields[19]:
                continue
            met[pid] = fields[19]
            waiting += _children(pid)
            yield fields
        self._known = met

    def _ask_accelerators(self) -> tuple[float, int] | None:
        if self._accelerators is None:
            self._accelerators = _nothing
            if os.path.exists("/proc/driver/nvidia/version") or os.path.exists("/dev/nvidiactl"):
                with suppress(Exception):
                    from sumatra.capture.nvml import usage

                    self._accelerators = usage()
        return self._accelerators()


def _nothing() -> None:
    return None


def _fields(pid: int) -> list[bytes] | None:
    try:
        file = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(file, 1024).rpartition(b")")[2].split()
    except OSError:
        return None
    finally:
        os.close(file)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError, ValueError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    return found


def read_bytes_of(pid: int) -> tuple[int | None, int | None]:
    """Return how many bytes the process *pid*, and those that it has waited for, have read and written by calls.

    Also of one that has ended and hasn't been waited for.  None where the system doesn't tell.
    """
    try:
        with open(f"/proc/{pid}/io", "rb") as file:
            told = dict(line.split(b": ", 1) for line in file.read().splitlines())
        return int(told[b"rchar"]), int(told[b"wchar"])
    except (OSError, ValueError, KeyError):
        return None, None
