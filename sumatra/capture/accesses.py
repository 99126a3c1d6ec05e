"""What a program read, wrote and made, from the log of its calls and one look at what there is now.

The log tells what was about to happen and what was there just before.  Whether it did happen is told by what was there
later: the next time that the name comes up, or at the end.  So nothing depends on the results of calls.  Names and
contents are followed apart: a name is an output if what it names at the end isn't what it named at first; a content
that was there before the run is an input under the name that it had then, wherever it was moved to.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from sumatra.capture.lineage import Lineage, Program
from sumatra.capture.trace import Record, State, read_state

__all__ = ["FileAccess", "Program", "Seen", "follow"]

_EXCHANGE, _NO_REPLACE = 2, 1
_MOST_IN_FOLDER = 100_000

Look = Callable[[str], State | None]


class FileAccess(NamedTuple):
    """What the run did with one file."""

    path: str  #: absolute, without symbolic links; bytes that aren't UTF-8 as `os.fsdecode` has them
    read: bool = False  #: content from before the run was read
    executed: bool = False  #: … by running it
    written: bool = False  #: it is there at the end, and not as it was before
    created: bool = False  #: … and it wasn't there before
    continued: bool = False  #: … and was opened to write on in what it held before
    deleted: bool = False  #: it was there before, and isn't at the end
    renamed_from: str | None = None  #: its last name, if it was renamed
    readers: tuple[int, ...] = ()  #: which of the programs, by their places in `Seen.programs`
    writers: tuple[int, ...] = ()
    state: State | None = None  #: what it was like when it was first read
    unsure: bool = False  #: … isn't known, and it was changed after the run began


class Seen(NamedTuple):
    """All that a log tells."""

    files: tuple[FileAccess, ...] = ()  #: in order of their paths
    programs: tuple[Program, ...] = ()  #: in order of their beginning; the first is the one that was started
    folders: tuple[str, ...] = ()  #: that were made and are there at the end
    notes: tuple[tuple[str, str], ...] = ()  #: code and detail of what couldn't be seen
    privileged: bool = True  #: False if programs couldn't gain privileges


def follow(records: Iterable[Record], look: Look | None = None, since: int | None = None) -> Seen:
    """Return what *records* tell, with *look* (by default `os.lstat`) for how things are now.

    *since* is when the run began (ns), for logs that don't tell what was there before.
    """
    story = _Story(look or _lstat, since)
    for record in records:
        story.take(record)
    return story.end()


def _lstat(path: str) -> State | None:
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return None
    return State(
        status.st_dev, status.st_ino, status.st_mode, status.st_nlink, status.st_size, status.st_mtime_ns,
        status.st_ctime_ns,
    )


class _Name:
    """What happened to one name."""

    __slots__ = ("before", "existed", "is_continued", "is_known", "renamed_from", "writers")

    def __init__(self, before: State | None, *, is_known: bool) -> None:
        self.before = before
        self.existed = before is not None
        self.is_known = is_known  #: whether *before* is
        self.is_continued = False  #: what was there before was opened for writing and not emptied
        self.writers: list[int] = []
        self.renamed_from: bytes | None = None


class _Reading:
    """How the content that a name had at first was read."""

    __slots__ = ("executed", "readers", "state")

    def __init__(self, state: State | None) -> None:
        self.state = state
        self.executed = False
        self.readers: list[int] = []


class _Story:
    """What is known after so many records."""

    def __init__(self, look: Look, since: int | None) -> None:
        self._look = look
        self._since = since
        self._names: dict[bytes, _Name] = {}  #: those that were written, made, renamed, deleted
        self._contents: dict[bytes, bytes | None] = {}  #: whose content a name has now; None for the run's own
        self._changed: set[bytes] = set()  #: at first names of contents that were opened for writing
        self._readings: dict[bytes, _Reading] = {}
        self._links: dict[tuple[int, int], set[bytes]] = {}  #: names of files that have several
        self._linked: dict[bytes, set[bytes]] = {}  #: the same by name
        self._above: set[bytes] = set()  #: the folders that these names are in
        self._folders: dict[bytes, None] = {}
        self._moved_folders: list[tuple[bytes, bytes]] = []
        self._notes: dict[tuple[str, str], None] = {}
        self._privileged = True
        self._observers = 0
        self._tree = Lineage()

    def take(self, record: Record) -> None:
        actions = {
            "r": self._read, "w": self._write, "m": self._rename, "l": self._link, "s": self._symlink,
            "u": self._unlink,
        }
        if record.kind == "x":
            self._tree.execute(record)
        elif record.kind in actions:
            by = self._tree.acting(record.head[0])
            actions[record.kind](by, record)
        elif record.kind == "p":
            self._tree.meet(record)
        elif record.kind == "y":
            self._tree.become(record)
            self._run(self._tree.acting(record.head[0]), record.names[0], None)
        elif record.kind == "k":
            self._folders[record.names[0]] = None
        elif record.kind == "e":
            self._tree.leave(record)
        elif record.kind == "!":
            self._notes[record.head[1].decode("ascii", "replace"), os.fsdecode(record.names[0])] = None
        elif record.kind == "o" and len(record.head) > 1:
            self._privileged = self._privileged and record.head[1] != b"0"
            if self._observers:
                self._notes["observer-killed", ""] = None
            self._observers += 1

    # --- names and contents

    def _read(self, by: int, record: Record) -> None:
        state, known = read_state(record.head[1])
        self._has_read(by, record.names[0], state if known else None)

    def _has_read(self, by: int, name: bytes, state: State | None) -> None:
        origin = self._origin(name, state)
        if origin is not None:
            reading = self._readings.get(origin)
            if reading is None:
                reading = self._readings[origin] = _Reading(state)
            reading.state = reading.state or state
            if state and state.links > 1:
                self._names_of_same_file(name, state)
            if by not in reading.readers:
                reading.readers.append(by)

    def _origin(self, name: bytes, state: State | None) -> bytes | None:
        """Return under which name the content that *name* has now was there before; None if it is the run's own."""
        touched = self._names.get(name)
        if touched and touched.before and state and _same_content(touched.before, state):
            return name
        return self._contents[name] if name in self._contents else self._first_name(name)

    def _first_name(self, name: bytes) -> bytes:
        """Return what a file called *name* was called before folders were renamed."""
        for source, target in reversed(self._moved_folders):
            if name.startswith(target + b"/"):
                name = source + name[len(target) :]
        return name

    def _touch(
        self, by: int, name: bytes, state: State | None, *, is_known: bool = True, is_new: bool = False
    ) -> _Name:
        """Return what is to be told of *name*, which *is_new* if nothing can have been there."""
        first = name if is_new or (is_known and state is None) else self._first_name(name)
        if first != name and name not in self._names:
            # It came with its folder: the file was there before, under another name.
            self._contents.setdefault(name, first)
            self._meet(by, first, state, is_known=is_known).existed = True
            state, is_known = None, True
        return self._meet(by, name, state, is_known=is_known)

    def _meet(self, by: int, name: bytes, state: State | None, *, is_known: bool) -> _Name:
        touched = self._names.get(name)
        if touched is None:
            touched = self._names[name] = _Name(state, is_known=is_known)
            self._note_folders(name)
        if by not in touched.writers:
            touched.writers.append(by)
        return touched

    def _note_folders(self, name: bytes) -> None:
        folder = name.rpartition(b"/")[0]
        while folder and folder not in self._above:
            self._above.add(folder)
            folder = folder.rpartition(b"/")[0]

    def _write(self, by: int, record: Record) -> None:
        name, flags = record.names[0], int(record.head[1])
        state, known = read_state(record.head[2])
        if flags & os.O_ACCMODE == os.O_RDWR and not flags & os.O_TRUNC and (state or not known):
            self._has_read(by, name, state)
        touched = self._touch(by, name, state, is_known=known)
        is_old = bool(state and state.size) and self._contents.get(name, name) is not None
        touched.is_continued = is_old and not flags & (os.O_TRUNC | os.O_EXCL)
        self._changed.add(self._origin(name, None) or b"")
        if (known and state is None) or flags & (os.O_TRUNC | os.O_EXCL):
            self._contents[name] = None
        for other in self._names_of_same_file(name, state) - {name}:
            self._touch(by, other, state, is_known=known)
            self._changed.add(other)

    def _rename(self, by: int, record: Record) -> None:
        source, target = record.names
        flags = int(record.head[1])
        (before, known), (replaced, known_too) = read_state(record.head[2]), read_state(record.head[3])
        if flags & _NO_REPLACE and replaced:
            return
        if source in self._above:
            self._rename_below(by, source + b"/", target + b"/")
        if before and stat.S_ISDIR(before.mode):
            self._moved_folders.append((source, target))
            return
        is_new = source not in self._names and self._first_name(source) == source
        former = self._touch(by, source, before, is_known=known)
        former.existed |= is_new  # or it could not be renamed
        touched = self._touch(by, target, replaced, is_known=known_too, is_new=not known_too)
        touched.renamed_from = source
        touched.is_continued = former.is_continued
        touched.writers += [writer for writer in former.writers if writer not in touched.writers]
        origin = self._origin(source, before)
        self._contents[source] = self._origin(target, replaced) if flags & _EXCHANGE else None
        self._contents[target] = origin

    def _rename_below(self, by: int, source: bytes, target: bytes) -> None:
        for name in [name for name in self._names if name.startswith(source)]:
            new = target + name[len(source) :]
            touched = self._touch(by, new, None)
            touched.renamed_from = name
            touched.writers += [writer for writer in self._names[name].writers if writer not in touched.writers]
            self._contents[new] = self._contents.get(name, name)
            self._contents[name] = None
        for name in [name for name in self._folders if name.startswith(source) or name + b"/" == source]:
            self._folders[(target + name[len(source) :]).rstrip(b"/")] = None

    def _link(self, by: int, record: Record) -> None:
        source, target = record.names
        state, known = read_state(record.head[1])
        self._touch(by, target, None)
        if not source:  # it had no name until now
            self._contents[target] = None
            return
        self._has_read(by, source, state if known else None)
        self._contents[target] = self._origin(source, state)
        names = self._names_of_same_file(source, state)
        names.update((source, target))
        self._linked[source] = self._linked[target] = names

    def _names_of_same_file(self, name: bytes, state: State | None) -> set[bytes]:
        """Return the names that are known of a file with several."""
        names = self._linked.get(name)
        if names is None and state and state.links > 1:
            names = self._links.setdefault((state.device, state.inode), set())
            names.add(name)
            self._linked[name] = names
        return set() if names is None else names

    def _symlink(self, by: int, record: Record) -> None:
        self._touch(by, record.names[0], None)
        self._contents[record.names[0]] = None

    def _unlink(self, by: int, record: Record) -> None:
        name = record.names[0]
        state, known = read_state(record.head[1])
        is_new = name not in self._names and self._first_name(name) == name
        touched = self._touch(by, name, state, is_known=known)
        touched.existed |= is_new
        touched.is_continued = False
        self._contents[name] = None

    def _run(self, by: int, name: bytes, state: State | None) -> None:
        if name:
            self._has_read(by, name, state)
            reading = self._readings.get(self._origin(name, state) or b"")
            if reading is not None:
                reading.executed = True

    # --- the end

    def end(self) -> Seen:
        for by, name, state in self._tree.executed():
            self._run(by, name, state)
        for source, target in self._moved_folders:
            self._take_in_folder(source, target)
        programs, places = self._tree.programs()
        files = [*self._touched(places), *self._only_read(places)]
        return Seen(
            files=tuple(sorted(files, key=lambda file: file.path)),
            programs=programs,
            folders=tuple(sorted(
                path for path in map(os.fsdecode, self._folders)
                if (now := self._look(path)) and stat.S_ISDIR(now.mode)
            )),
            notes=tuple(self._notes),
            privileged=self._privileged,
        )

    def _take_in_folder(self, source: bytes, target: bytes) -> None:
        """Count what came with a renamed folder, if it is there: its files have got new names."""
        if self._look(os.fsdecode(source)) is not None:
            return
        count = 0
        for folder, _, names in os.walk(target):
            for name in names:
                count += 1
                if count > _MOST_IN_FOLDER:
                    return
                path = os.path.join(folder, name)
                first = self._first_name(path)
                if path not in self._names and first != path:  # else the folder went and came back
                    self._touch(self._tree.first, path, None, is_known=False).renamed_from = first

    def _touched(self, places: Mapping[int, int]) -> Iterator[FileAccess]:
        for name, touched in self._names.items():
            path = os.fsdecode(name)
            before, now = touched.before, self._look(path)
            if any(state and not _counts(state) for state in (before, now)):
                continue
            reading = self._readings.get(name)
            there = now is not None and (not touched.is_known or before is None or _differ(before, now))
            if not touched.is_known and now and self._since is not None and now.changed < self._since:
                there = False
            if self._contents.get(name, name) == name and name not in self._changed:
                there = False  # it went and came back
            created = there and touched.is_known and before is None
            file = FileAccess(
                path, written=there, created=created, continued=there and touched.is_continued,
                deleted=now is None and (touched.existed or reading is not None),
                renamed_from=os.fsdecode(touched.renamed_from) if touched.renamed_from and there else None,
                writers=_numbers(touched.writers, places) if there or now is None else (),
            )
            file = self._with_state(_with_reading(file, reading, places), now)
            if file.read or file.written or file.deleted:
                yield file

    def _only_read(self, places: Mapping[int, int]) -> Iterator[FileAccess]:
        for name, reading in self._readings.items():
            if name in self._names or name in self._folders:
                continue
            now = self._look(os.fsdecode(name)) if reading.state is None else None
            if _is_counted(now):
                yield self._with_state(_with_reading(FileAccess(os.fsdecode(name)), reading, places), now)

    def _with_state(self, file: FileAccess, now: State | None) -> FileAccess:
        """Return *file* with what it was like when it was read, where a log that doesn't tell that leaves no doubt."""
        if not file.read or file.state is not None or now is None or self._since is None:
            return file
        is_old = now.modified < self._since and os.fsencode(file.path) in self._linked  # that was changed by the link
        return file._replace(state=now) if is_old or now.changed < self._since else file._replace(unsure=True)


def _same_content(one: State, other: State) -> bool:
    return (one.device, one.inode, one.size, one.modified) == (other.device, other.inode, other.size, other.modified)


def _differ(one: State, other: State) -> bool:
    return not _same_content(one, other) or one.changed != other.changed


def _counts(state: State) -> bool:
    return stat.S_ISREG(state.mode) or stat.S_ISLNK(state.mode)


def _is_counted(state: State | None) -> bool:
    return state is None or _counts(state)


def _numbers(images: Iterable[int], places: Mapping[int, int]) -> tuple[int, ...]:
    return tuple(sorted({places.get(image, 0) for image in images}))


def _with_reading(file: FileAccess, reading: _Reading | None, places: Mapping[int, int]) -> FileAccess:
    if reading is None:
        return file
    return file._replace(
        read=True, executed=reading.executed, readers=_numbers(reading.readers, places), state=reading.state
    )
