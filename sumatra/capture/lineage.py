"""Which programs ran, who started whom, and which files they were run from."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from sumatra.capture.trace import Record, State, read_state

__all__ = ["Lineage", "Program"]


class Program(NamedTuple):
    """A program that a process of the run was."""

    pid: int
    parent: int | None  #: place of the program that started the process, where it is known
    path: str
    arguments: tuple[str, ...]  #: as they were given; they may hold secrets
    started: float  #: seconds since 1970; when the process was first seen, or became this program
    ended: float | None = None  #: when it became another program, or ended, where that is known
    exit_status: int | None = None  #: negative for a signal
    privileged: bool = False  #: the file is setuid or setgid, or has capabilities


class Lineage:
    """The processes of a run, and the programs that each of them was, after so many records."""

    def __init__(self) -> None:
        self._images: list[Program] = []
        self._states: list[State | None] = []  #: of the files that were executed
        self._current: dict[bytes, int] = {}  #: by the number that the log gives a process
        self._by_pid: dict[int, int] = {}
        self._known: dict[tuple[bytes, bytes], int] = {}  #: by pid and start
        self._keys: dict[int, tuple[bytes, bytes]] = {}
        self._exes: dict[int, bytes] = {}  #: what the kernel said that a process runs
        self._pending: dict[bytes, tuple[Program, State | None]] = {}
        self._active: set[int] = set()
        self._successors: dict[int, int] = {}  #: which image of a process came after which
        self.first = 0

    def meet(self, record: Record) -> None:
        number, pid, parent, start, time = record.head
        known = self._known.get((pid, start))
        if known is not None:  # another observer took over, or it had been forgotten
            self._meet_again(number, known, record)
            return
        above = self._by_pid.get(int(parent))
        words: tuple[str, ...] = self._images[above].arguments if above is not None else ()
        place = self._add(Program(int(pid), above, os.fsdecode(record.names[0]), words, float(time)), None)
        self._current[number] = self._known[pid, start] = self._by_pid[int(pid)] = place
        self._keys[place] = (pid, start)
        self._exes[place] = record.names[0]

    def _meet_again(self, number: bytes, known: int, record: Record) -> None:
        """Be told of a process under another *number*; it may have become another program meanwhile."""
        former = next((each for each in self._pending if self._current.get(each) == known), None)
        self._current[number] = known
        if former is not None:
            pending = self._pending.pop(former)
            if record.names[0] != self._exes.get(known):
                self._pending[number] = pending
                self.become(Record("y", [number, record.head[4]], record.names))

    def acting(self, number: bytes) -> int:
        """Return the program that a record is about: what was to be executed wasn't, if it says nothing of it."""
        self._pending.pop(number, None)
        place = self._current.get(number, self.first)
        self._active.add(place)
        return place

    def execute(self, record: Record) -> None:
        number = record.head[0]
        place = self._current.get(number, self.first)
        self._pending.pop(number, None)
        state, _ = read_state(record.head[3])
        image = Program(
            self._images[place].pid if self._images else 0, self._images[place].parent if self._images else None,
            os.fsdecode(record.names[0]), tuple(os.fsdecode(word) for word in record.names[1:]),
            float(record.head[1]), privileged=bool(state and state.mode & 0o6000),
        )
        self._pending[number] = (image, state)

    def become(self, record: Record) -> None:
        """Be told that the process has become another program."""
        number = record.head[0]
        place = self._current.get(number, self.first)
        path = os.fsdecode(record.names[0])
        former = self._images[place]
        image, state = self._pending.pop(number, (None, None))
        if image is None:
            image = former._replace(path=path, started=float(record.head[1]), ended=None)
        self._enter(number, place, image, state)
        self._exes[self._current[number]] = record.names[0]

    def leave(self, record: Record) -> None:
        """Be told that the process has ended."""
        place = self._current.get(record.head[0])
        if place is not None:
            self._images[place] = self._images[place]._replace(
                ended=float(record.head[1]), exit_status=int(record.head[2])
            )

    def _enter(self, number: bytes, place: int, image: Program, state: State | None) -> None:
        former = self._images[place]
        self._images[place] = former._replace(ended=image.started)
        new = self._add(image._replace(parent=former.parent), state)
        self._current[number] = self._by_pid[image.pid] = new
        self._successors[place] = new
        if place in self._keys:
            self._keys[new] = self._keys.pop(place)
            self._known[self._keys[new]] = new

    def _add(self, image: Program, state: State | None) -> int:
        self._images.append(image)
        self._states.append(state)
        return len(self._images) - 1

    def executed(self) -> Iterator[tuple[int, bytes, State | None]]:
        """Yield which program was started from which file; what nothing is known of after it was begun, succeeded."""
        for number, (image, state) in list(self._pending.items()):
            self._enter(number, self._current.get(number, self.first), image, state)
        for place, image in enumerate(self._images):
            if self._states[place] is not None:
                yield place, os.fsencode(image.path), self._states[place]

    def programs(self) -> tuple[tuple[Program, ...], dict[int, int]]:
        """Return the programs that matter, and their places by the places we know them by.

        What a process was between its making and its first program is left out if it did nothing.
        """
        idle = {place for place in self._successors if place == self.first or place not in self._active}
        kept = [place for place in range(len(self._images)) if place not in idle]
        places = {place: number for number, place in enumerate(kept)}
        for place in sorted(idle, reverse=True):  # what comes after has a higher place
            places[place] = places[self._successors[place]]
        programs = tuple(
            image._replace(parent=places.get(image.parent) if image.parent is not None else None)
            for image in (self._images[place] for place in kept)
        )
        return programs, places
