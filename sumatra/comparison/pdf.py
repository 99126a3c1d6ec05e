"""PDF: object by object, without dates and identifiers; what is packed is unpacked.

It tells whether two documents are the same, not how they look: two that are drawn alike may differ in how that is said.
"""

import re
import zlib

from sumatra.comparison._masking import pieces
from sumatra.comparison._tally import Tally, quoted
from sumatra.comparison.base import Comparator, Comparison, Content, Limit, NotComparable, Setting

__all__ = ["BACKEND"]

_MOST = 100_000_000  #: bytes of a file
_MOST_UNPACKED = 300_000_000

_OBJECT = re.compile(rb"(?<![0-9])([0-9]{1,10})\s+([0-9]{1,5})\s+obj\b")
_STREAM = re.compile(rb"stream\r?\n")
_SAID_OF_IT = re.compile(
    rb"/(?:CreationDate|ModDate)\s*(?:\((?:[^()\\]|\\.)*\)|<[0-9A-Fa-f\s]*>)"
    rb"|/ID\s*\[\s*(?:<[0-9A-Fa-f\s]*>|\((?:[^()\\]|\\.)*\))\s*(?:<[0-9A-Fa-f\s]*>|\((?:[^()\\]|\\.)*\))\s*\]"
    rb"|<(xmp:(?:CreateDate|ModifyDate|MetadataDate)|xmpMM:(?:DocumentID|InstanceID))>[^<]*<"
    rb"|/(?:Length|Length1|Prev|Size)\s+[0-9]+(?:\s+[0-9]+\s+R)?|\bstartxref\s+[0-9]+",
    re.DOTALL,
)
_CROSS = re.compile(rb"\bxref\s.*?(?=trailer)", re.DOTALL)
_BASE_FONT = re.compile(rb"/([A-Z]{6})\+")


class PDFComparator(Comparator):
    """Compares the objects of two documents."""

    name = "pdf"
    title = "a PDF document"

    def recognises(self, head: bytes, name: str) -> bool:
        return b"%PDF-" in head[:1024]

    def compare(self, one: Content, other: Content, setting: Setting) -> Comparison:
        first, second = (_parts(each.whole(_MOST)) for each in (one, other))
        if first == second:
            return Comparison("same content", "but for dates and identifiers", kind=self.name)
        tally, limit = Tally(), setting.limit("")
        for name in [*first, *(name for name in second if name not in first)]:
            before, after = first.get(name), second.get(name)
            if before is None or after is None:
                tally.differ(f"only the {'second' if before is None else 'first'} has {name}")
            elif before != after:
                _compare(before, after, name, tally, limit)
        return tally.comparison(self.name)


def _compare(one: bytes, other: bytes, name: str, tally: Tally, limit: Limit) -> None:
    left, right = (pieces(each.decode("latin-1")) for each in (one, other))
    if left[::2] != right[::2]:
        place = next((index for index, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0)
        beginning = max(0, place - 10)
        told = [quoted(each[beginning:beginning + 40].decode("latin-1")) for each in (one, other)]
        tally.differ(f"{name}: {told[0]} -> {told[1]}")
        return
    for before, after in zip(left[1::2], right[1::2], strict=True):
        tally.texts(before, after, limit, lambda: name)


def _parts(content: bytes) -> dict[str, bytes]:
    """Return what a document says, by object, without what is said of the document itself."""
    if b"/Encrypt" in content:
        raise NotComparable("it is encrypted")
    found: dict[str, bytes] = {}
    room = _MOST_UNPACKED
    starts = [*_OBJECT.finditer(content)]
    place = 0
    for index, start in enumerate(starts):
        if start.start() < place:
            continue  # in a stream, where it means nothing
        end = starts[index + 1].start() if index + 1 < len(starts) else len(content)
        stream = _STREAM.search(content, start.end(), end)
        name = f"object {int(start[1])}"
        if stream is None:
            place = start.end()
            body = content[start.end():end]
        else:
            close = content.find(b"endstream", stream.end())
            place = close if close >= 0 else len(content)
            head = content[start.end():stream.start()]
            data = content[stream.end():place]
            if b"/FlateDecode" in head and b"/XRef" not in head:
                data = _unpacked(data, room)
                room -= len(data)
            body = head + (b"" if b"/XRef" in head else data.rstrip(b"\r\n"))
        while name in found:
            name += "'"
        found[name] = _plain(body)
    tail = content[content.rfind(b"trailer"):] if b"trailer" in content else b""
    found["the trailer"] = _plain(tail)
    return found


def _plain(body: bytes) -> bytes:
    body = _CROSS.sub(b"", body)
    return _BASE_FONT.sub(b"/", _SAID_OF_IT.sub(b"", body)).strip()


def _unpacked(data: bytes, room: int) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(data, max(1, room))
    except zlib.error:
        return data
    if unpacker.unconsumed_tail:
        raise NotComparable(f"unpacked it has more than {_MOST_UNPACKED:,} bytes")
    return found


BACKEND = PDFComparator
