"""TOML: value by value."""

import tomllib

from sumatra.comparison._tally import Tally
from sumatra.comparison._tree import Numeral, compare_trees
from sumatra.comparison.base import Comparator, Comparison, Content, Setting

__all__ = ["BACKEND"]

_MOST = 20_000_000  #: bytes


class TOMLComparator(Comparator):
    """Compares one document."""

    name = "toml"
    title = "TOML"

    def recognises(self, head: bytes, name: str) -> bool:
        return name.endswith(".toml")

    def compare(self, one: Content, other: Content, setting: Setting) -> Comparison:
        first, second = (
            tomllib.loads(each.whole(_MOST).decode("utf-8"), parse_float=Numeral) for each in (one, other)
        )
        tally = Tally()
        compare_trees(first, second, tally, setting.limit)
        return tally.comparison(self.name)


BACKEND = TOMLComparator
