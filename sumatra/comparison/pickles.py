"""Pickles of Python: never loaded, as loading one runs what it says."""

from sumatra.comparison.base import Comparator, Comparison, Content, Setting

__all__ = ["BACKEND"]

_ENDINGS = (".pkl", ".pickle", ".p", ".joblib", ".pck")


class PickleComparator(Comparator):
    """Says that they differ, and that no more can be said."""

    name = "pickle"
    title = "a pickle"

    def recognises(self, head: bytes, name: str) -> bool:
        return name.endswith(_ENDINGS) or (head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05" and len(head) > 2)

    def compare(self, one: Content, other: Content, setting: Setting) -> Comparison:
        sentence = "the bytes differ; pickles are never loaded, so what they hold can't be compared"
        return Comparison("different", sentence, kind=self.name)


BACKEND = PickleComparator
