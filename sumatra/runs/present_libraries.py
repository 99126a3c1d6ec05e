"""What has become of the libraries that a run has loaded: other versions, other files, not there any more."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from sumatra import dependency_finder
from sumatra.capture.classification import is_code
from sumatra.dependency_finder import Again, Run
from sumatra.differences import Difference
from sumatra.facts import replace
from sumatra.files import ContentStore
from sumatra.records import Dependency, Record
from sumatra.runs.present_inputs import when

__all__ = ["LibrariesNow", "libraries_now"]

#: Of so many files of one library, and of all, it is looked at when they were written.
_MOST_FILES, _MOST_FILES_IN_ALL = 2000, 10_000
#: An installer writes the files of a library within so many seconds after their list.
_GRAIN = 5.0
#: What has a version of its own, so that the times of its files tell nothing more.
_VERSIONED = ("metadata", "dpkg", "rpm", "apk", "conda-meta", "version control")


class LibrariesNow(NamedTuple):
    """Libraries as they were, and as they are now, as far as they can be compared."""

    then: tuple[Dependency, ...]
    now: tuple[Dependency, ...]
    notes: Mapping[str, str]  #: by the name that differences have
    more: tuple[Difference, ...]  #: what versions don't tell
    unknown: tuple[str, ...]


def libraries_now(record: Record, run: Run, objects: ContentStore, moved: Callable[[str], str]) -> LibrariesNow:
    """Return what has become of the libraries of *record*; *run* is what is known of the same command now.

    *objects* has the lists of what was installed then; *moved* tells where a path (absolute) is now.
    """
    began = record.timestamp.timestamp()
    was = [replace(each, path=moved(each.path)) for each in record.dependencies]
    ages = _Ages(began)
    then: list[Dependency] = []
    now: list[Dependency] = []
    notes: dict[str, str] = {}
    more: list[Difference] = []
    silent: dict[str, list[str]] = {}
    for each in dependency_finder.again(run, was, _locks(record, objects)):
        if each.was is None or "not loaded" in each.was.flags:
            more += _beside(each)
        elif each.unknown:
            silent.setdefault(each.unknown, []).append(each.was.name)
        else:
            name = _told(each.was)
            then.append(each.was)
            notes[name] = each.note
            if each.now is not None:
                edited = ages.edited(each)
                notes[name] = f"{edited}, {when(edited)}" if edited else each.note
                now.append(replace(each.now, version=f"{each.now.version} (edited in place)") if edited else each.now)
            newest = ages.written_since(each)
            if newest:
                more.append(Difference("dependencies", name, "as it was", when(newest), True, newest))
    unknown = (
        f"libraries ({', '.join(names[:5])}{' …' if len(names) > 5 else ''}): {reason}"
        for reason, names in silent.items()
    )
    return LibrariesNow(tuple(then), tuple(now), notes, tuple(more), tuple(unknown))


def _locks(record: Record, objects: ContentStore) -> dict[str, str]:
    found = {}
    for kind, digest in record.locks.items():
        with suppress(OSError):
            found[kind] = objects.get(digest).decode("utf-8", "replace")
    return found


def _told(dependency: Dependency) -> str:
    """Return how differences name a library."""
    return f"{dependency.name} ({dependency.module})" if dependency.module else dependency.name


def _beside(each: Again) -> Iterator[Difference]:
    dependency = each.was or each.now
    if dependency is not None:
        one, other = (library.version or "(unknown)" if library else None for library in (each.was, each.now))
        yield Difference("dependencies", _told(dependency), one, other, False, "not loaded by the run")


class _Ages:
    """Tells which files of libraries were written after a run began (seconds since 1970)."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._left = _MOST_FILES_IN_ALL

    def edited(self, each: Again) -> str:
        """Return a file of a library of the same version that was written after it was installed, or nothing."""
        if each.was is None or each.now is None or each.installed is None or each.now.version != each.was.version:
            return ""
        newest = self._newest(each.now.path)
        return newest[1] if newest and newest[0] >= max(self._began, each.installed + _GRAIN) else ""

    def written_since(self, each: Again) -> str:
        """Return a file, of which only the name tells the version, that was written after the run began, or nothing."""
        was, now = each.was, each.now
        if was is None or now is None or was.version != now.version or now.checkout is not None:
            return ""
        if was.source in _VERSIONED or was.name == "python":
            return ""
        newest = self._newest(now.path)
        return newest[1] if newest and newest[0] > self._began else ""

    def _newest(self, path: str) -> tuple[float, str] | None:
        """Return when what is at *path*, a file or the code in a folder, was last written, and the file that was.

        None where there are too many files to look at.
        """
        found: list[tuple[float, str]] = []
        try:
            if not os.path.isdir(path):
                return os.stat(path).st_mtime, path
            for folder, folders, names in os.walk(path):
                folders[:] = [name for name in folders if name != "__pycache__"]
                for place in (os.path.join(folder, name) for name in names if is_code(name)):
                    with suppress(OSError):
                        found.append((os.stat(place).st_mtime, place))
                if len(found) > min(_MOST_FILES, self._left):
                    return None
        except (OSError, ValueError):
            return None
        self._left -= len(found)
        return max(found, default=None)
