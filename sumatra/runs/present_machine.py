"""Whether this machine still has room for a run: on its disks, in its memory, in folders that can be written to."""

import os
from collections.abc import Callable, Iterator

from sumatra.differences import Difference
from sumatra.records import Record
from sumatra.runs.workshop import Workshop

__all__ = ["room"]

#: A disk with less than this (bytes) is as good as full.
_LITTLE = 16 << 20


def room(record: Record, workshop: Workshop, moved: Callable[[str], str]) -> Iterator[Difference]:
    """Yield where there is less room than the run that *record* tells of has taken."""
    written = sum(key.size or 0 for key in record.output_data)
    data = str(record.datastore.options.get("root", "")) if record.datastore else workshop.data.root
    done = set()
    for folder, needed in ((moved(data), written), (workshop.folder, 0)):
        place = _existing(folder)
        try:
            status = os.statvfs(place)
            device = os.stat(place).st_dev
        except OSError:
            continue
        free = status.f_bavail * status.f_frsize
        if device not in done and free < max(needed, _LITTLE):
            done.add(device)
            yield Difference(
                "platform", f"room on the disk of {place}", f"{_size(needed)} were written", f"{_size(free)} are free",
                True,
            )
        elif device not in done and status.f_files and not status.f_favail:
            done.add(device)
            yield Difference(
                "platform", f"room on the disk of {place}", f"{len(record.output_data)} files were written",
                "there is no place for more files", True,
            )
        if not os.access(place, os.W_OK):
            yield Difference("platform", f"folder {place}", "could be written to", "can't be written to", True)
    peak = record.resources.tree_memory or record.resources.peak_memory if record.resources else None
    available = _available_memory()
    if peak and available is not None and available < peak:
        yield Difference("platform", "memory", f"{_size(peak)} were used", f"{_size(available)} are available", None)


def _existing(folder: str) -> str:
    while folder != "/" and not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder


def _available_memory() -> int | None:
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def _size(number: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "bytes" or number >= 10 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
