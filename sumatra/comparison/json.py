"""JSON: value by value, whatever the order of entries and the spaces between them."""

import json
from typing import Any

from sumatra.comparison._tally import Tally
from sumatra.comparison._tree import Numeral, compare_trees
from sumatra.comparison.base import Comparator, Comparison, Content, NotComparable, Setting

__all__ = ["BACKEND"]

_LINES = (".jsonl", ".ndjson")
_ENDINGS = (".json", ".geojson", ".ipynb", *_LINES)
_MOST = 100_000_000  #: bytes


class JSONComparator(Comparator):
    """Compares one document, or one per line."""

    name = "json"
    title = "JSON"

    def recognises(self, head: bytes, name: str) -> bool:
        return name.endswith(_ENDINGS)

    def compare(self, one: Content, other: Content, setting: Setting) -> Comparison:
        tally = Tally()
        compare_trees(_read(one), _read(other), tally, setting.limit)
        return tally.comparison(self.name)


def _read(content: Content) -> Any:
    text = content.whole(_MOST).decode("utf-8-sig")
    if content.name.lower().endswith(_LINES):
        return [_parsed(line) for line in text.split("\n") if line.strip()]
    return _parsed(text)


def _parsed(text: str) -> Any:
    return json.loads(
        text, parse_float=Numeral, parse_int=Numeral, parse_constant=float, object_pairs_hook=_entries
    )


def _entries(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NotComparable("an object in it has two entries of one name")
    return found


BACKEND = JSONComparator
