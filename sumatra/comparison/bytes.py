"""Anything: byte by byte."""

from sumatra.comparison.base import Comparator, Comparison, Content, Setting

__all__ = ["BACKEND"]

_CHUNK = 1 << 20


class BytesComparator(Comparator):
    """Tells where two files first differ."""

    name = "bytes"
    title = "a file of a kind that isn't known"

    def recognises(self, head: bytes, name: str) -> bool:
        return True

    def compare(self, one: Content, other: Content, setting: Setting) -> Comparison:
        place = 0
        with one.open() as first, other.open() as second:
            while True:
                before, after = first.read(_CHUNK), second.read(_CHUNK)
                if before != after:
                    pairs = enumerate(zip(before, after, strict=False))
                    place += next((index for index, (a, b) in pairs if a != b), min(len(before), len(after)))
                    break
                if not before:
                    return Comparison("same content", kind=self.name)
                place += len(before)
        sizes = f"{one.size:,}" if one.size == other.size else f"{one.size:,} and {other.size:,}"
        where = f"byte {place:,}"
        return Comparison("different", f"from {where} on, of {sizes}", where=where, kind=self.name)


BACKEND = BytesComparator
