"""What has become of the files that a run has read.

Size and times are asked first; only what they leave open is read.  A file system that doesn't answer (a server that is
away) is given up after a moment: it is asked in threads of its own, which end with the process.
"""

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import NamedTuple

from sumatra.datastore import DataStore
from sumatra.facts import replace
from sumatra.records import DataKey, Record
from sumatra.runs.verifying import Item, verified

__all__ = ["PATIENCE", "InputsNow", "inputs_now", "when"]

#: Bytes that are read to find out whether files that were written since are others, unless all are to be read.
_TO_READ = 64 << 20
#: Seconds that a file system is given for one answer.
PATIENCE = 1.5
#: So many owners and times are told.
_MOST_NOTES = 50


class InputsNow(NamedTuple):
    """The inputs of a run as they were, and as they are now, as far as they can be compared."""

    then: tuple[DataKey, ...]
    now: tuple[DataKey, ...]
    notes: Mapping[str, str]  #: by path
    unsure: frozenset[str]  #: paths of those that were written since and weren't read again
    unknown: tuple[str, ...]


class _Looked(NamedTuple):
    status: os.stat_result | None  #: None where it isn't there
    trouble: str = ""  #: why that can't be told


def inputs_now(
    record: Record, store: DataStore, moved: Callable[[str], str], *, read: bool = False,
    patience: float = PATIENCE,
) -> InputsNow:
    """Return what has become of the inputs of *record*.

    *store* hashes; *moved* tells where a path (absolute) is now; with *read*, all that was written since is read.
    """
    places = [moved(record.input_path(key)) for key in record.input_data]
    looked = _look(places, patience)
    began = record.timestamp.timestamp()
    then: list[DataKey] = []
    now: list[DataKey] = []
    notes: dict[str, str] = {}
    unsure: set[str] = set()
    silent: dict[str, list[str]] = {}
    changed_by_itself: list[str] = []
    left = {moved(record.output_path(key)): key for key in record.output_data}
    open_questions: list[tuple[DataKey, str, os.stat_result]] = []
    for key, place in zip(record.input_data, places, strict=True):
        found = looked[place]
        if found.trouble:
            silent.setdefault(found.trouble, []).append(place)
        elif key.digest is None and found.status is not None and "changed by the run" in key.flags:
            changed_by_itself.append(f"{place}: the run itself changed it, and what it held before isn't known")
        elif "changed by the run" in key.flags and _is_left(left.get(place), found.status):
            changed_by_itself.append(f"{place}: the run itself changed it, and it is as the run left it")
        elif found.status is None:
            then.append(_with_digest(key))
        elif key.size is not None and found.status.st_size != key.size:
            then.append(_with_digest(key))
            now.append(replace(key, digest=f"{found.status.st_size:,} bytes, not {key.size:,}"))
            notes[key.path] = place
        elif _is_settled(key, found.status, began):
            then.append(_with_digest(key))
            now.append(_with_digest(key))
        else:
            open_questions.append((key, place, found.status))
    answers = _answered(open_questions, store, read)
    for key, place, status in open_questions:
        digest = answers.get(place)
        is_as_written = _is_time(key, status)
        if digest is None and is_as_written:  # moved, or its permissions changed; too large to be read for that
            digest = key.digest
        if digest is None:
            unsure.add(key.path)
            digest = "written since, as long as it was"
        then.append(_with_digest(key))
        now.append(replace(key, digest=digest or "(not hashed)"))
        if now[-1].digest != then[-1].digest:
            notes[key.path] = place
    told = {path: when(place) for path, place in list(notes.items())[:_MOST_NOTES]}
    unknown = [
        f"{len(some)} input files, {some[0]} the first: {trouble}" if len(some) > 1 else f"{some[0]}: {trouble}"
        for trouble, some in silent.items()
    ]
    return InputsNow(tuple(then), tuple(now), told, frozenset(unsure), (*unknown, *changed_by_itself))


def _with_digest(key: DataKey) -> DataKey:
    return key if key.digest else replace(key, digest="(not hashed)")


def when(path: str) -> str:
    """Return when the file at *path* was written, and by whom where that is somebody else."""
    import time

    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return ""
    moment = time.strftime("%Y-%m-%d %H:%M", time.localtime(status.st_mtime))
    if status.st_uid == os.getuid():
        return f"written {moment}"
    import pwd

    try:
        owner = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        owner = str(status.st_uid)
    return f"written {moment}, it belongs to {owner}"


def _is_time(key: DataKey, status: os.stat_result) -> bool:
    """Tell whether a file was last written when *key* says, which may be told in whole seconds."""
    if key.creation is None:
        return False
    grain = 1.0 if key.creation.microsecond == 0 else 1e-5
    return abs(status.st_mtime - key.creation.timestamp()) < grain


def _is_left(output: DataKey | None, status: os.stat_result | None) -> bool:
    """Tell whether a file is as the run left it, whose *output* it is."""
    return output is not None and status is not None and output.size == status.st_size and _is_time(output, status)


def _is_settled(key: DataKey, status: os.stat_result, began: float) -> bool:
    """Tell whether a file of the right size surely is as it was: nothing has been done to it since."""
    return _is_time(key, status) and status.st_ctime < began


def _answered(
    questions: Sequence[tuple[DataKey, str, os.stat_result]], store: DataStore, read: bool
) -> dict[str, str]:
    """Return the digests of files, by place, as far as they are known or may be read."""
    left = _TO_READ
    answers: dict[str, str] = {}
    small: list[str] = []
    known = getattr(store, "digests", None)
    if known is not None:
        known.expect(sum(status.st_size for _, _, status in questions))
    for key, place, status in sorted(questions, key=lambda question: question[2].st_size):
        if key.digest is None:
            answers[place] = "(not hashed)" if _is_time(key, status) else f"written since, {status.st_size:,} bytes"
        elif not key.digest.startswith("sha256:"):
            if read or status.st_size <= left:
                left -= status.st_size
                ((_, outcome),) = verified([Item("", "input", key.path, place, key.digest)])
                answers[place] = key.digest if outcome == "ok" else outcome
        elif read or status.st_size <= left:
            left -= status.st_size
            small.append(place)
        elif known is not None and (digest := known.get(place, status)):
            answers[place] = digest
    for place, found in zip(small, store.generate_keys(small) if small else (), strict=True):
        answers[place] = found.digest or "can't be read" + "".join(f" ({flag})" for flag in found.flags)
    return answers


# --- asking without waiting for ever


def _look(places: Iterable[str], patience: float) -> dict[str, _Looked]:
    """Return what there is at *places*; one thread for each file system, of which one may not answer."""
    found: dict[str, _Looked] = {}
    groups: dict[str, list[str]] = {}
    mounts = _mounts()
    for place in places:
        groups.setdefault(next((mount for mount in mounts if f"{place}/".startswith(mount)), "/"), []).append(place)
    threads = {
        mount: threading.Thread(target=_look_at, args=(some, found), name="looking", daemon=True)
        for mount, some in groups.items()
    }
    for thread in threads.values():
        thread.start()
    number, since = 0, monotonic()
    while any(thread.is_alive() for thread in threads.values()):
        for thread in threads.values():
            thread.join(0.02)
        if len(found) > number:
            number, since = len(found), monotonic()
        elif monotonic() - since > patience:
            break
    looked = dict(found)
    for mount, some in groups.items():
        for place in some:
            looked.setdefault(place, _Looked(None, f"{mount.rstrip('/') or '/'} doesn't answer"))
    return looked


def _look_at(places: Iterable[str], found: dict[str, _Looked]) -> None:
    for place in places:
        try:
            found[place] = _Looked(os.stat(place))
        except (FileNotFoundError, NotADirectoryError):
            found[place] = _Looked(None)
        except (OSError, ValueError) as error:
            found[place] = _Looked(None, getattr(error, "strerror", None) or str(error))


def _mounts() -> list[str]:
    """Return the folders that file systems are mounted on, each with a slash at its end, the longest first."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            lines = file.readlines()
    except OSError:
        return ["/"]
    found = {line.split(" ")[4].replace("\\040", " ").rstrip("/") + "/" for line in lines if line.count(" ") > 4}
    return sorted(found, key=len, reverse=True)
