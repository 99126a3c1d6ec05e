"""What was written, by comparing the data folder before and after a run: for when it can't be observed."""

import os
from collections.abc import Callable, Sequence

from sumatra import files
from sumatra.datastore import DataStore, Snapshot
from sumatra.facts import replace
from sumatra.records import DataKey, Finding

__all__ = ["Comparison", "Crowd", "outputs_by_comparison", "size_of"]

Progress = Callable[[int], Callable[[int], None] | None]


class Crowd:
    """Tells whether other runs of the project went on at the same time.

    Each run makes and removes a folder beside ours, which changes the time stamp of the folder above.  The run
    *parent*, in which ours was started, doesn't count.
    """

    def __init__(self, runs: str, parent: str | None = None) -> None:
        self._runs = runs
        ours = 1 if parent is None else 1 + os.path.isdir(os.path.join(runs, files.file_name(parent)))
        self._others = len(os.listdir(runs)) > ours
        self._stamp = os.stat(runs).st_mtime_ns

    def was_there(self) -> bool:
        """Whether any other run began, ended or went on since this was made."""
        try:
            return self._others or os.stat(self._runs).st_mtime_ns != self._stamp
        except OSError:
            return True


class Comparison:
    """The data folder before a run, if it was looked at, and who else was there."""

    def __init__(self, data: DataStore, runs: str, parent: str | None) -> None:
        self._data = data
        self._runs = runs
        self._parent = parent
        self.before: Snapshot | None = None
        self.crowd: Crowd | None = None

    def begin(self) -> None:
        """Look at what there is now, just before the program is started."""
        if self.before is None:
            self.before = self._data.snapshot()
            self.crowd = Crowd(self._runs, self._parent)


def outputs_by_comparison(
    data: DataStore, before: Snapshot, crowd: Crowd | None, progress: Progress,
    passed_over: Callable[[str], bool] = lambda path: False,
) -> tuple[list[DataKey], list[Finding]]:
    """Return what has appeared or changed in *data* since *before*, and what to say of it.

    *crowd* is None where nobody was there to see who else was; *passed_over* tells (by absolute names) what isn't
    wanted.
    """
    findings = []
    paths = [path for path in data.new_since(before) if not passed_over(os.path.join(data.root, path))]
    keys = data.generate_keys(paths, progress=progress(size_of(data.root, paths))) if paths else []
    if keys and crowd is not None and crowd.was_there():
        keys = [replace(key, flags=(*key.flags, "shared")) for key in keys]
        findings.append(Finding(
            "concurrent-run",
            "another run of this project went on at the same time; a file that it wrote may be listed as output here",
            "give each run a folder of its own: smt configure --addlabel=cmdline",
        ))
    findings += [Finding("data-note", note) for note in data.notes]
    return keys, findings


def size_of(root: str, paths: Sequence[str]) -> int:
    """Return how many bytes the files at *paths*, below *root* or absolute, have together."""
    total = 0
    for path in paths:
        try:
            total += os.lstat(os.path.join(root, path)).st_size
        except OSError:
            continue
    return total
