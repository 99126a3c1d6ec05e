"""YAML: value by value; no object is ever made of what a tag names."""

from typing import Any

from sumatra.comparison._tally import Tally, number_of
from sumatra.comparison._tree import Numeral, compare_trees
from sumatra.comparison.base import Comparator, Comparison, Content, NotComparable, Setting

__all__ = ["BACKEND"]

_MOST = 20_000_000  #: bytes


class YAMLComparator(Comparator):
    """Compares all documents of a file."""

    name = "yaml"
    title = "YAML"

    def recognises(self, head: bytes, name: str) -> bool:
        return name.endswith((".yaml", ".yml"))

    def compare(self, one: Content, other: Content, setting: Setting) -> Comparison:
        first, second = _read(one), _read(other)
        tally = Tally()
        if len(first) == len(second) == 1:
            first, second = first[0], second[0]
        compare_trees(first, second, tally, setting.limit)
        return tally.comparison(self.name)


def _read(content: Content) -> Any:
    from ruamel.yaml import YAML

    text = content.whole(_MOST).decode("utf-8-sig")
    known: dict[int, Any] = {}
    return [_value(node, known) for node in YAML(typ="safe", pure=True).compose_all(text)]


def _value(node: Any, known: dict[int, Any]) -> Any:
    """Return what the *node* of a document stands for; a part that is named twice is the same object twice."""
    from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

    if node is None:
        return None
    if id(node) in known:
        return known[id(node)]
    if isinstance(node, ScalarNode):
        return _scalar(str(node.tag).rpartition(":")[2], node.value)
    if isinstance(node, SequenceNode):
        items: list[Any] = []
        known[id(node)] = items
        items += [_value(each, known) for each in node.value]
        return items
    if not isinstance(node, MappingNode):
        raise NotComparable("it has a part that isn't known")
    entries: dict[Any, Any] = {}
    known[id(node)] = entries
    for key, value in node.value:
        name = key.value if isinstance(key, ScalarNode) else str(_value(key, known))[:1000]
        if name in entries:
            raise NotComparable(f"a mapping in it has two entries of the name {name[:40]!r}")
        entries[name] = _value(value, known)
    return entries


def _scalar(tag: str, text: str) -> Any:
    plain = text.replace("_", "")
    special = {".inf": "inf", "-.inf": "-inf", "+.inf": "inf", ".nan": "nan"}.get(plain.lower(), plain)
    if tag in ("int", "float") and number_of(special) is not None:
        return Numeral(special)
    if tag == "bool":
        return text.lower() in ("true", "yes", "on")
    return None if tag == "null" else text


BACKEND = YAMLComparator
