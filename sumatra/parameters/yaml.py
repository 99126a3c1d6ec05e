"""YAML parameter sets, with the types of YAML 1.2's core schema.

The parser of ruamel.yaml gives events; what they mean is decided here, so no tag can make an object.  ``yes``, ``no``,
``12:30`` and dates are strings, as YAML 1.2 has it; where an edit writes a string, it is quoted if a reader of YAML 1.1
would take it for something else.
"""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ruamel.yaml.error import MarkedYAMLError, YAMLError, YAMLStreamError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from ruamel.yaml.main import YAML

from sumatra.parameters.base import ParameterSet
from sumatra.parameters.text import Edit, insertion, removal
from sumatra.parameters.values import MOST_DEPTH, Path, Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BACKEND", "YAMLParameterSet"]

#: Values that a YAML text may have, those of aliases counted each time; the parser takes 0.1 ms for each.
MOST_NODES = 25_000

_TAG = "tag:yaml.org,2002:"
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_OLD_KINDS = re.compile(
    r"(?P<truth>(?i:yes|no|on|off))|(?P<time>[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?)"
    r"|(?P<date>[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*)|(?P<number>[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*"
    r"(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9_]+))|(?P<mark>=|<<)"
)
_PLAIN = re.compile(r"[\w./+~(](?:[\w./+~()@%^*$&!|<>=-]|[ ](?=[^\s#])|:(?=[^\s,\[\]{}]))*")
_PROPERTIES = re.compile(r"(?:[&!][^\s,\[\]{}]*\s+)*")


@dataclass(slots=True)
class _Node:
    """A value, and where it lies."""

    value: Any
    start: int
    end: int
    style: str = ""  #: as ruamel.yaml tells it: a quote, ``|``, ``>``; ``{`` and ``[`` for flow collections
    entries: "list[tuple[str, int, _Node]]" = field(default_factory=list)  #: name, where it begins, value
    alias: bool = False
    weight: int = 1


class YAMLParameterSet(ParameterSet):
    """Parameters as one YAML document, which is a mapping."""

    type = "yaml"
    suffix = ".yaml"

    def _read(self, text: str) -> dict[str, Any]:
        try:
            reader = _Reader(text)
            root = reader.document()
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            message = error.problem or error.context or "it can't be read"
            raise Unreadable(f"this isn't YAML: {message}", min(mark.index, len(text)) if mark else None) from None
        except (YAMLError, YAMLStreamError) as error:
            raise Unreadable(f"this isn't YAML: {str(error).splitlines()[0]}") from None
        except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:  # faults of the parser
            raise Unreadable(f"this isn't YAML: {error}") from None
        self._warnings += reader.warnings
        self._root = root
        if root is None or root.value is None:
            return {}
        if not isinstance(root.value, dict):
            raise Unreadable("the outermost value isn't a mapping, as a parameter set has to be", root.start)
        return root.value

    def _node(self, path: Path) -> _Node:
        node = self._root
        for step in path:
            if node is None or node.alias:
                raise Unreadable(f"{step} is shared by an alias")
            node = _entry(node, step)
            if node is None:
                raise Unreadable(f"{step} isn't written out in this text")
        if node is None:
            raise Unreadable("there is nothing in the text yet")
        return node

    def _replacing(self, text: str, path: Path, value: Any) -> Edit:
        parent = self._node(path[:-1])
        if isinstance(parent.value, dict) and not parent.alias and _entry(parent, path[-1]) is None:
            return self._adding(text, path[:-1], str(path[-1]), value)  # it came by a merge key
        node = self._node(path)
        start = node.start
        properties = None if node.alias else _PROPERTIES.match(text, start, node.end)
        if properties is not None:
            start = properties.end()
        in_flow = any(self._node(path[:length]).style in ("{", "[") for length in range(len(path)))
        words = _spell(value, node, in_flow=in_flow)
        in_the_open = node.entries and not node.style and start - _line_start(text, start) <= _column(text, parent)
        if text[start - 1:start] in (":", "-") or in_the_open:
            words = f" {words}"
        return Edit(start, node.end, words)

    def _adding(self, text: str, path: Path, name: str, value: Any) -> Edit:
        line_end = "\r\n" if "\r\n" in text else "\n"
        entry = f"{_spell(name)}: {_spell(value)}"
        if not path and (self._root is None or self._root.value is None):
            return _line(text, len(text), entry, line_end)
        node = self._node(path)
        if node.alias:
            raise Unreadable(f"{path[-1]} is shared by an alias")
        if node.style == "{":
            last = (node.entries[-1][1], node.entries[-1][2].end) if node.entries else None
            properties = _PROPERTIES.match(text, node.start)
            opening = properties.end() if properties is not None else node.start
            return insertion(text, opening + 1, last, f"{_spell(name, in_flow=True)}: {_spell(value, in_flow=True)}")
        return _line(text, _line_after(text, node.end), " " * _column(text, node) + entry, line_end)

    def _removing(self, text: str, path: Path) -> Edit:
        parent = self._node(path[:-1])
        node = self._node(path)
        place = max(index for index, entry in enumerate(parent.entries) if entry[2] is node)
        if parent.style in ("{", "["):
            return removal([(start, entry.end) for _, start, entry in parent.entries], place)
        start = _line_start(text, parent.entries[place][1])
        return Edit(start, _line_after(text, node.end), "")

    def _literal(self, text: str) -> Any:
        try:
            root = _Reader(text).document()
        except (YAMLError, YAMLStreamError, ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
            raise Unreadable(str(error)) from None
        if root is None or root.style in ("|", ">") or (isinstance(root.value, dict | list) and not root.style):
            return text
        return text if _LEADING_ZERO.fullmatch(text) else root.value


BACKEND = YAMLParameterSet


class _Reader:
    """Makes nodes of the parser's events, and stops at once where there are too many."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.warnings: list[str] = []
        self._anchors: dict[str, _Node | None] = {}
        self._count = 0
        parser = YAML(typ="safe", pure=True)
        self._events: Iterator[Event] = parser.parse(text)

    def document(self) -> _Node | None:
        """Return the only document of the text, or None if there is none."""
        root = None
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                if root is not None:
                    raise Unreadable("a second document begins here", event.start_mark.index)
                root = self._node(next(self._events), 0)
            elif isinstance(event, StreamEndEvent):
                break
        return root

    def _node(self, event: Event, depth: int) -> _Node:
        start = event.start_mark.index
        assert isinstance(event, NodeEvent)  # noqa: S101
        if depth > MOST_DEPTH:
            raise Unreadable(f"it is nested more than {MOST_DEPTH} levels deep", start)
        if isinstance(event, AliasEvent):
            return self._alias(event)
        if event.anchor:
            self._anchors[event.anchor] = None
        if isinstance(event, ScalarEvent):
            self._add(1, start)
            node = self._scalar(event)
        elif isinstance(event, SequenceStartEvent | MappingStartEvent):
            self._add(1, start)
            node = self._collection(event, depth)
        else:
            raise Unreadable("this isn't YAML", start)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _add(self, weight: int, start: int) -> None:
        self._count += weight
        if self._count > MOST_NODES:
            raise Unreadable(f"there are more than {MOST_NODES} values: this is data, not parameters", start)

    def _alias(self, event: AliasEvent) -> _Node:
        start, end = event.start_mark.index, event.end_mark.index
        target = self._anchors.get(event.anchor)
        if target is None:
            within = event.anchor in self._anchors
            raise Unreadable(f"{event.anchor} {'holds itself' if within else 'is nowhere defined'}", start)
        self._add(target.weight, start)
        return _Node(target.value, start, end, target.style, target.entries, alias=True, weight=target.weight)

    def _scalar(self, event: ScalarEvent) -> _Node:
        start, end = event.start_mark.index, event.end_mark.index
        style = event.style or ""
        if style in ("|", ">"):
            end = start + len(self.text[start:end].rstrip())
        tag = _known_tag(event)
        plain = tag is None and not style
        return _Node(_core(event.value) if plain else _tagged(event.value, tag or "str", start), start, end, style)

    def _collection(self, event: SequenceStartEvent | MappingStartEvent, depth: int) -> _Node:
        is_list = isinstance(event, SequenceStartEvent)
        tag = _known_tag(event)
        if tag not in (None, "seq" if is_list else "map"):
            raise Unreadable(f"the tag !!{tag} isn't one for parameters", event.start_mark.index)
        start = event.start_mark.index
        style = ("[" if is_list else "{") if event.flow_style else ""
        node = _Node(None, start, start, style)
        end = self._list(node, depth) if is_list else self._mapping(node, depth)
        if event.flow_style:
            node.end = end
        elif node.entries:
            node.end = node.entries[-1][2].end
        node.weight = 1 + sum(entry.weight for _, _, entry in node.entries)
        return node

    def _list(self, node: _Node, depth: int) -> int:
        node.value = []
        for event in self._events:
            if isinstance(event, SequenceEndEvent):
                return int(event.end_mark.index)
            inner = self._node(event, depth + 1)
            if inner.start == inner.end:
                inner.start = inner.end = self.text.rfind("-", 0, inner.start) + 1
            node.entries.append(("", inner.start, inner))
            node.value.append(inner.value)
        return len(self.text)

    def _mapping(self, node: _Node, depth: int) -> int:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for event in self._events:
            if not isinstance(event, NodeEvent):
                node.value = {**merged, **own}
                return int(event.end_mark.index)
            if not isinstance(event, ScalarEvent):
                raise Unreadable("a name has to be a word", event.start_mark.index)
            if _known_tag(event) not in (None, "str"):
                raise Unreadable("a name can't have a tag", event.start_mark.index)
            name = event.value
            start = event.start_mark.index
            inner = self._node(next(self._events), depth + 1)
            if name == "<<" and not event.style:
                merged = {**self._merged(inner), **merged}
            else:
                if name in own:
                    self.warnings.append(f"{name} is there twice in one mapping; the last one counts")
                own[name] = inner.value
            if inner.start == inner.end:  # the parser says that nothing lies where the next thing begins
                inner.start = inner.end = self.text.find(":", event.end_mark.index, inner.start) + 1 or inner.start
            node.entries.append((name, start, inner))
        return len(self.text)

    def _merged(self, node: _Node) -> dict[str, Any]:
        parts = node.value if isinstance(node.value, list) else [node.value]
        merged: dict[str, Any] = {}
        for part in parts:
            if not isinstance(part, dict):
                raise Unreadable("<< wants a mapping or a list of them", node.start)
            merged = {**part, **merged}
        self._add(len(merged), node.start)
        return merged


def _entry(node: _Node, step: str | int) -> _Node | None:
    if isinstance(node.value, list):
        return node.entries[step][2] if isinstance(step, int) else None
    for name, _, inner in reversed(node.entries):
        if name == step:
            return inner
    return None


def _known_tag(event: Any) -> str | None:
    tag = None if event.tag is None else str(event.tag)
    if tag is None:
        return None
    if tag == "!":
        return "str" if isinstance(event, ScalarEvent) else None
    if not tag.startswith(_TAG):
        raise Unreadable(f"the tag {tag} isn't one for parameters, and no object is made of it", event.start_mark.index)
    return tag.removeprefix(_TAG)


def _core(text: str) -> Any:
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text, 0) if text[1:2] in ("o", "x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return float(text.lower().replace(".", "")) if _NOT_FINITE.fullmatch(text) else text


def _tagged(text: str, tag: str, start: int) -> Any:
    if tag in ("str", "timestamp", "binary"):
        return text
    value = _core(text)
    if tag == "float" and type(value) is int:
        return float(value)
    if tag not in ("int", "float", "bool", "null"):
        raise Unreadable(f"the tag !!{tag} isn't one for parameters, and no object is made of it", start)
    if type(value) is not {"int": int, "float": float, "bool": bool, "null": type(None)}[tag]:
        raise Unreadable(f"{text!r} isn't a value of the kind !!{tag}", start)
    return value


def _old_kind(text: str) -> str | None:
    """Return what a reader of YAML 1.1 takes *text* for, if not for a string."""
    match = _OLD_KINDS.fullmatch(text)
    return match.lastgroup if match else None


def _spell(value: Any, like: _Node | None = None, *, in_flow: bool = False) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return repr(value)
    if isinstance(value, float):
        words = repr(value)
        if "e" in words and "." not in words:
            words = words.replace("e", ".0e")  # without the point, YAML 1.1 reads a string
        return words.replace("inf", ".inf").replace("nan", ".nan")
    if isinstance(value, str):
        return _spell_string(value, like, in_flow=in_flow)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_spell(inner, in_flow=True) for inner in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(
            f"{_spell(name, in_flow=True)}: {_spell(inner, in_flow=True)}" for name, inner in value.items()
        ) + "}"
    raise Unreadable(f"YAML has no values of the type {type(value).__name__}")


def _spell_string(value: str, like: _Node | None, *, in_flow: bool) -> str:
    style = like.style if like is not None else ""
    printable = value.isprintable()
    if style == '"' or not printable:
        return '"' + "".join(_escaped(character) for character in value) + '"'
    allowed = like is not None and isinstance(like.value, str) and not style and _old_kind(like.value)
    as_plain = _PLAIN.fullmatch(value) and _core(value) == value and _old_kind(value) in (None, allowed)
    if as_plain and style not in ("'", "|", ">") and not (in_flow and ":" in value):
        return value
    return "'" + value.replace("'", "''") + "'"


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _column(text: str, node: _Node) -> int:
    first = node.entries[0][1]
    return first - _line_start(text, first)


def _line_start(text: str, place: int) -> int:
    return max(text.rfind("\n", 0, place), text.rfind("\r", 0, place)) + 1


def _line_after(text: str, place: int) -> int:
    ends = re.compile(r"\r\n|\r|\n").search(text, place)
    return ends.end() if ends else len(text)


def _line(text: str, where: int, entry: str, line_end: str) -> Edit:
    """Say how to put the line *entry* where a line begins, or after a last line without an end."""
    if where and text[where - 1] not in "\r\n":
        return Edit(where, where, line_end + entry)
    return Edit(where, where, entry + line_end)
