"""Pictures: pixel by pixel.  What else a file says (when, by which program, how packed) isn't compared.

The numbers that are compared are those of the channels, mostly 0 to 255: a tolerance of ``0,2`` allows steps of two.
"""

from itertools import zip_longest
from typing import Any

from sumatra.comparison._pictures import frames, is_picture
from sumatra.comparison._tally import Tally
from sumatra.comparison.base import Comparator, Comparison, Content, Limit, Setting

__all__ = ["BACKEND"]


class ImageComparator(Comparator):
    """Tells which share of the pixels differs, and by how much."""

    name = "image"
    title = "a picture"

    def recognises(self, head: bytes, name: str) -> bool:
        return is_picture(head)

    def compare(self, one: Content, other: Content, setting: Setting) -> Comparison:
        tally, limit = Tally(), setting.limit("")
        pixels = unlike = 0
        numbers = [0, 0]
        for first, second in zip_longest(frames(one), frames(other)):
            numbers[0] += first is not None
            numbers[1] += second is not None
            if first is None or second is None:
                continue
            if first.size != second.size:
                sizes = (f"{image.width} x {image.height}" for image in (first, second))
                return Comparison("different", f"{' -> '.join(sizes)} pixels", kind=self.name)
            if first.mode != second.mode:
                if not {first.mode, second.mode} <= {"L", "RGB", "RGBA"}:
                    return Comparison("different", f"channels {first.mode} -> {second.mode}", kind=self.name)
                first, second = first.convert("RGBA"), second.convert("RGBA")
            pixels += first.width * first.height
            unlike += _compare(first, second, tally, limit)
        if numbers[0] != numbers[1]:
            return Comparison("different", f"{numbers[0]} -> {numbers[1]} pictures", kind=self.name)
        if not tally.unequal:
            return Comparison("same content", "the same pixels", 0.0, 0.0, "", self.name)
        share = unlike / pixels
        told = f"{share:.2%}" if share >= 0.0001 else "less than 0.01%"
        sentence = f"{told} of the pixels differ, by at most {tally.absolute:g}, in {tally.where_absolute}"
        verdict = "different" if tally.beyond else "within tolerance"
        return Comparison(verdict, sentence, tally.relative, tally.absolute, tally.where, self.name)


def _compare(one: Any, other: Any, tally: Tally, limit: Limit) -> int:
    """Return how many pixels of two pictures of one size and mode differ."""
    before, after = one.tobytes(), other.tobytes()
    if before == after:
        tally.compared += len(before)
        return 0
    channels = len(one.getbands())

    def where(place: int) -> str:
        row, column = divmod(place // channels, one.width)
        return f"pixel ({column}, {row})"

    try:
        import numpy
    except ImportError:
        return _compare_plainly(one, before, after, tally, limit, where)
    first, second = (numpy.asarray(image) for image in (one, other))
    tally.arrays(first.reshape(-1), second.reshape(-1), limit, where)
    unlike = first != second
    return int(numpy.count_nonzero(unlike.any(axis=2) if unlike.ndim == 3 else unlike))


def _compare_plainly(one: Any, before: bytes, after: bytes, tally: Tally, limit: Limit, where: Any) -> int:
    first, second = (_values(one.mode, each) for each in (before, after))
    channels = len(one.getbands())
    unlike = set()
    for place, (left, right) in enumerate(zip(first, second, strict=True)):
        if left != right:
            unlike.add(place // channels)
            tally.numbers(left, right, limit, lambda place=place: where(place))  # type: ignore[misc]
    return len(unlike)


def _values(mode: str, content: bytes) -> "memoryview[int] | memoryview[float]":
    view = memoryview(content)
    return view.cast("i") if mode == "I" else view.cast("f") if mode == "F" else view


BACKEND = ImageComparator
