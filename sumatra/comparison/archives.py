"""Archives and packed files: by their members, each as a file of its kind; times and owners in them don't matter.

A packed file (gzip, bzip2, xz) is an archive of one.  Nothing is ever written to disk.
"""

import bz2
import gzip
import lzma
import os
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import IO, Any

from sumatra.comparison.base import Comparator, Comparison, Content, NotComparable, Setting, worst

__all__ = ["BACKEND"]

_ENDINGS = {".gz": "", ".bgz": "", ".tgz": ".tar", ".bz2": "", ".tbz2": ".tar", ".xz": "", ".txz": ".tar",
            ".svgz": ".svg", ".z": ""}  # fmt: skip
_PIECE = 1 << 20
_MOST = 200_000_000  #: bytes of one member that is compared by what it means
_MOST_TOGETHER = 20_000_000_000  #: bytes of all members
_MOST_MEMBERS = 20_000

#: Of office documents: who wrote them when.
_SAID_OF_IT = frozenset({"docProps/core.xml", "docProps/app.xml", "meta.xml"})


class ArchiveComparator(Comparator):
    """Compares members of the same name."""

    name = "archive"
    title = "an archive"

    def recognises(self, head: bytes, name: str) -> bool:
        return _packing(head) is not None or head.startswith((b"PK\x03\x04", b"PK\x05\x06")) or _is_tar(head)

    def compare(self, one: Content, other: Content, setting: Setting) -> Comparison:
        heads = one.head(), other.head()
        with one.open() as first, other.open() as second:
            kinds = [_packing(head) for head in heads]
            if kinds[0] or kinds[1]:
                if not (kinds[0] and kinds[1]):
                    return Comparison("different", "only one of both is packed", kind=self.name)
                return self._packed(kinds[0](first), kinds[1](second), one, setting)
            if _is_tar(heads[0]) != _is_tar(heads[1]):
                return Comparison("different", "one is a zip archive, the other a tar archive", kind=self.name)
            opened = _tar if _is_tar(heads[0]) else _zip
            with opened(first) as before, opened(second) as after:
                return self._members(before, after, setting)

    def _packed(self, one: Any, other: Any, content: Content, setting: Setting) -> Comparison:
        stem, ending = os.path.splitext(content.name)
        name = stem + _ENDINGS.get(ending.lower(), "") if ending.lower() in _ENDINGS else content.name
        found = _compare(lambda: one, lambda: other, name, setting, _MOST_TOGETHER)[0]
        if found.verdict == "identical":
            return Comparison("same content", "the same when unpacked", kind=self.name)
        return found

    def _members(self, one: "_Members", other: "_Members", setting: Setting) -> Comparison:
        found: dict[str, Comparison] = {}
        room = _MOST_TOGETHER
        for name in [*one, *(name for name in other if name not in one)]:
            if name not in one or name not in other:
                verdict = "missing" if name in one else "extra"
                found[name] = Comparison(verdict, f"it is only in the {'first' if name in one else 'second'}")
            elif one[name] is None or other[name] is None:
                if one[name] is not other[name]:
                    found[name] = Comparison("different", "it isn't of the same kind")
            elif name not in _SAID_OF_IT:
                found[name], room = _compare(one[name], other[name], name, setting, room)
        return worst(found, self.name)


_Members = dict[str, Any]


def _packing(head: bytes) -> Any:
    if head.startswith(b"\x1f\x8b"):
        return lambda file: gzip.GzipFile(fileobj=file)
    if head.startswith(b"BZh"):
        return bz2.BZ2File
    return lzma.LZMAFile if head.startswith(b"\xfd7zXZ\0") else None


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"


@contextmanager
def _zip(file: IO[bytes]) -> Iterator[_Members]:
    """Yield what opens each member of a zip archive, by name; None for folders."""
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        _check_number(len(infos))
        yield {
            info.filename: None if info.is_dir() else (lambda info=info: archive.open(info)) for info in infos
        }


@contextmanager
def _tar(file: IO[bytes]) -> Iterator[_Members]:
    with tarfile.open(fileobj=file, mode="r:") as archive:
        found: _Members = {}
        for number in count(1):
            info = archive.next()
            if info is None:
                break
            _check_number(number)
            found[f"{info.name} -> {info.linkname}" if info.issym() or info.islnk() else info.name] = (
                (lambda info=info: archive.extractfile(info)) if info.isreg() else None
            )
        yield found


def _check_number(number: int) -> None:
    if number > _MOST_MEMBERS:
        raise NotComparable(f"it has more than {_MOST_MEMBERS:,} members")


def _compare(one: Any, other: Any, name: str, setting: Setting, room: int) -> tuple[Comparison, int]:
    """Return how like two members are, and how many more bytes may be unpacked."""
    kept = [bytearray(), bytearray()]
    sizes = [0, 0]
    is_same = True
    with one() as first, other() as second:
        while True:
            pieces = [file.read(_PIECE) for file in (first, second)]
            if not pieces[0] and not pieces[1]:
                break
            is_same = is_same and pieces[0] == pieces[1]
            for place, piece in enumerate(pieces):
                sizes[place] += len(piece)
                if sizes[place] <= _MOST:
                    kept[place] += piece
                else:
                    kept[place].clear()
            room -= len(pieces[0]) + len(pieces[1])
            if room < 0:
                raise NotComparable(f"unpacked it has more than {_MOST_TOGETHER:,} bytes")
            if not is_same and max(sizes) > _MOST:
                break
    if is_same:
        return Comparison("identical"), room
    if max(sizes) > _MOST:
        return Comparison("different", f"the bytes differ; {name} is too large to be compared otherwise"), room
    contents = [Content(name, len(data), data=bytes(data)) for data in kept]
    kept.clear()
    return setting.members(*contents), room


BACKEND = ArchiveComparator
