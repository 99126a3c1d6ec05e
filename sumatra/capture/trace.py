"""The log that an observer writes while a program runs, and that anybody can read.

The file is a sequence of texts, each ended by a NUL byte, which no file name can have in it (``tr '\\0' '\\n'`` makes
it legible).  It begins with ``smt-trace 1 METHOD TIME``; then come records: a head of words with a space between them,
and the names that belong to it.  It is only ever appended to, a record at a time and before the call that it tells of
is let go on; so it is complete up to the moment when its writer was killed.

==============================================  ==========================================================
``o PID PRIVILEGES``                            a process has begun to observe; 0 if it took privileges away
``p N PID PARENT START TIME`` exe               process number N was first seen; START is in ticks after boot
``x N TIME COUNT STATE`` path, arguments        it is about to become another program, with COUNT arguments
``y N TIME`` exe                                it has become the program *exe*
``r N STATE`` path                              it is about to open a file for reading
``w N FLAGS STATE`` path                        it is about to open a file for writing, or to change its length
``m N FLAGS STATE STATE`` source, target        … to rename
``l N STATE STATE`` source, target              … to make a hard link
``s N STATE`` path, target                      … to make a symbolic link
``u N STATE`` path                              … to delete a file
``k N`` path                                    … to make a folder
``! N CODE`` detail                             something that couldn't be seen
==============================================  ==========================================================

STATE is what was there just before: ``-`` for nothing, ``?`` where it isn't known, or device, inode, mode (octal),
number of links, size, and the times of the last change of content and of anything (nanoseconds), with colons between
them.  FLAGS are those of the call, in decimal.  Names are absolute and free of symbolic links.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from sumatra.errors import NewerFormat

__all__ = [
    "ABSENT", "FIRST", "UNKNOWN", "Log", "Record", "State", "cut", "kind_of", "read_state", "records", "state_of",
]

FIRST = b"smt-trace 1 "
ABSENT = b"-"
UNKNOWN = b"?"

#: How many names follow each kind of head; execution says it itself.
_NAMES = {b"o": 0, b"p": 1, b"y": 1, b"r": 1, b"w": 1, b"m": 2, b"l": 2, b"s": 2, b"u": 1, b"k": 1, b"!": 1}


class State(NamedTuple):
    """What tells one content of one file from another."""

    device: int
    inode: int
    mode: int
    links: int
    size: int  #: bytes
    modified: int  #: ns
    changed: int  #: ns


class Record(NamedTuple):
    """One record of the log."""

    kind: str
    head: list[bytes]  #: without the kind
    names: Sequence[bytes]


class Log:
    """The file, open for appending."""

    def __init__(self, path: str, method: str, time: float) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.lost = False
        self.write(b"%s%s %.6f" % (FIRST, method.encode(), time))

    def write(self, *texts: bytes) -> None:
        """Append one record, or none of it if there is no room; what was lost is said as soon as there is."""
        record = b"\0".join((*texts, b""))
        if self.lost:
            record = b"! 0 log-lost\0\0" + record
        try:
            written = os.write(self.file, record)
            self.lost = written != len(record)
            if self.lost:
                os.ftruncate(self.file, os.fstat(self.file).st_size - written)
        except OSError:
            self.lost = True

    @property
    def is_wanted(self) -> bool:
        """Whether anybody can still find the file."""
        return os.fstat(self.file).st_nlink > 0


def state_of(status: os.stat_result) -> bytes:
    """Return *status* as the log tells it."""
    return b"%d:%d:%o:%d:%d:%d:%d" % (
        status.st_dev, status.st_ino, status.st_mode, status.st_nlink, status.st_size, status.st_mtime_ns,
        status.st_ctime_ns,
    )


def read_state(text: bytes) -> tuple[State | None, bool]:
    """Return the state that `state_of` wrote, None for nothing; and whether it is known at all."""
    if text in (ABSENT, UNKNOWN):
        return None, text == ABSENT
    device, inode, mode, links, size, modified, changed = text.split(b":")
    return State(int(device), int(inode), int(mode, 8), int(links), int(size), int(modified), int(changed)), True


def kind_of(beginning: bytes) -> tuple[str, float]:
    """Return by which method a log was written, and when it was begun (seconds since 1970).

    Raises `NewerFormat` for what isn't a log of this version.
    """
    words = beginning.partition(b"\0")[0].split(b"\n")[0].split(b" ")
    if len(words) != 4 or b"%s %s " % (words[0], words[1]) != FIRST:
        raise NewerFormat(
            "the log of what the program read and wrote isn't one that this version knows",
            "it may have been written by a later Sumatra: upgrade, or remove the file",
        )
    return words[2].decode("ascii", "replace"), float(words[3])


def records(pieces: Iterable[bytes]) -> Iterator[Record]:
    """Yield the records of the log whose content comes in *pieces*; one that was cut off at the end is left out."""
    texts: list[bytes] = []
    rest = b""
    place = 1  # after the first text of the file
    for piece in pieces:
        texts += (rest + piece).split(b"\0")
        rest = texts.pop()  # what comes after the last NUL isn't whole
        while (end := _end_of_record(texts, place)) <= len(texts):
            kind, *head = texts[place].split(b" ")
            yield Record(kind.decode("ascii", "replace"), head, texts[place + 1 : end])
            place = end
        done = min(place, len(texts))
        del texts[:done]
        place -= done


def _end_of_record(texts: Sequence[bytes], place: int) -> int:
    """Return where the record that begins at *place* ends; more than there is if it isn't whole."""
    if place >= len(texts):
        return len(texts) + 1
    kind, *head = texts[place].split(b" ", 4)
    return place + 1 + (int(head[2]) + 1 if kind == b"x" else _NAMES.get(kind, 0))


def cut(name: bytes) -> tuple[bytes, bytes]:
    """Return the folder and the last part of *name*, whatever slashes it ends with."""
    folder, slash, last = name.rstrip(b"/").rpartition(b"/")
    return folder + slash, last
