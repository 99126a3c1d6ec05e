"""What every comparator promises, and what it is given.

A comparator knows one kind of file.  It is told where two of them are to be read and says how like they are in
content (`Comparator.compare`).  It works in a process of ours with limits, so it may be given files that do harm: it
writes nothing, starts no program, and gives up with `NotComparable` and a sentence, or just fails.  It never loads a
pickle and never runs anything that a file holds.
"""

import io
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import BinaryIO, NamedTuple

from sumatra.facts import fact

__all__ = [
    "EXACT", "SAME", "VERDICTS", "Comparator", "Comparison", "Content", "Limit", "NotComparable", "Setting", "worst",
]

#: Verdicts on two files, from the best to the worst.
VERDICTS = ("identical", "same content", "within tolerance", "different", "missing", "extra", "not comparable")

#: What counts as the same: the third only ever comes of a tolerance that somebody asked for.
SAME = frozenset(VERDICTS[:3])


#: A file of at most so many bytes is read once.
_SMALL = 1 << 16


class NotComparable(Exception):
    """The two files can't be compared; the message is the end of a sentence that begins with the file's name."""


class Limit(NamedTuple):
    """How far two numbers may lie apart: ``|a - b| <= max(relative * max(|a|, |b|), absolute)``."""

    relative: float = 0.0
    absolute: float = 0.0


#: Only equal numbers are the same.
EXACT = Limit()


@fact
class Comparison:
    """How like two files are."""

    verdict: str  #: one of `VERDICTS`
    sentence: str = ""  #: what differs; begins in lower case and has no full stop; may be empty where nothing does
    largest: float | None = None  #: the largest relative difference of two numbers, where numbers were compared
    absolute: float | None = None  #: the largest absolute one
    where: str = ""  #: where the largest relative difference first occurs: ``column v, row 17``
    kind: str = ""  #: of the files, by the name of the comparator

    @property
    def is_same(self) -> bool:
        """Whether the files count as the same."""
        return self.verdict in SAME


class Content(NamedTuple):
    """A file that is to be read: on disk, or in memory where it is a member of an archive."""

    name: str  #: as the user knows it; what a path ends in says what it may be
    size: int  #: bytes
    path: str = ""  #: on disk
    data: bytes = b""  #: in memory, if there is no path; for a small file on disk, too

    @classmethod
    def at(cls, path: str, name: str) -> "Content":
        """Return the file at *path*; raises `OSError`."""
        size = os.stat(path).st_size
        if size > _SMALL:
            return cls(name, size, path)
        with open(path, "rb") as file:
            data = file.read()
        return cls(name, len(data), path, data)

    def open(self) -> BinaryIO:
        """Return the content for reading from its beginning."""
        return io.BytesIO(self.data) if self.data or not self.path else open(self.path, "rb")

    def head(self, size: int = 8192) -> bytes:
        """Return how it begins."""
        with self.open() as file:
            return file.read(size)

    def whole(self, most: int) -> bytes:
        """Return all of it; raises `NotComparable` if it has more than *most* bytes."""
        with self.open() as file:
            found = file.read(most + 1)
        if len(found) > most:
            raise NotComparable(f"it is larger than the {most:,} bytes that are read of such files")
        return found


class Setting(NamedTuple):
    """What a comparator is told besides the two files."""

    #: Tells how far numbers may lie apart in a column, dataset or entry, by its name; "" is what has no name.
    limit: Callable[[str], Limit]
    #: Compares two members of archives as if they were files.
    members: Callable[[Content, Content], Comparison]


class Comparator(ABC):
    """Knows one kind of file."""

    name: str  #: as ``csv``
    title: str  #: what a file of this kind is called in a sentence: ``a table``

    @abstractmethod
    def recognises(self, head: bytes, name: str) -> bool:
        """Tell whether a file is of this kind, by its first 8192 bytes and by its *name*, which is in lower case."""

    @abstractmethod
    def compare(self, one: Content, other: Content, setting: Setting) -> Comparison:
        """Return how like two files of this kind are that aren't the same byte for byte.

        The answer is the same, but for the order of what is told, if the two change places.
        """


def worst(comparisons: Mapping[str, Comparison], kind: str) -> Comparison:
    """Return what the *comparisons* of the members of two files together say; each is told by its name."""
    odd = {name: each for name, each in comparisons.items() if each.verdict != "identical"}
    if not odd:
        return Comparison("same content", kind=kind)
    order: Sequence[str] = VERDICTS
    verdict = max((each.verdict for each in odd.values()), key=order.index)
    if verdict in ("missing", "extra"):
        verdict = "different"
    told = [(name, each) for name, each in odd.items() if not each.is_same or verdict in SAME]
    name, first = max(told, key=lambda item: (item[1].verdict == verdict, item[1].largest or 0.0))
    more = f" (and {len(told) - 1} more)" if len(told) > 1 and verdict not in SAME else ""
    sentence = f"{name}: {first.sentence or first.verdict}{more}"
    where = f"{name}: {first.where}" if first.where else name
    largest = [each.largest for each in odd.values() if each.largest is not None]
    absolute = [each.absolute for each in odd.values() if each.absolute is not None]
    return Comparison(
        verdict, sentence if verdict != "same content" else "", max(largest, default=None),
        max(absolute, default=None), where, kind,
    )
