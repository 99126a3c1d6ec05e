"""Regular expressions whose time grows with the length of the text, whatever the pattern.

A query may come from the web, and what it searches from a stranger's program; the engine of Python's ``re`` takes
for ever over some pairs of both.  Here a pattern becomes a set of places, and each character moves all of them at
once: nothing is tried twice.  The syntax is that of ``re`` without what can't be done this way (references back,
looking ahead and behind); what a character class holds is the same too.
"""

from collections.abc import Callable
from typing import Any

from sumatra.errors import QueryError

__all__ = ["Pattern"]

_LONGEST = 500  # characters of a pattern
_MOST_PLACES = 600
_MOST_KEPT = 2000  # remembered moves
_DEEPEST = 30

_Test = Callable[[str], bool]
_Node = tuple[Any, ...]


def _is_word(char: str) -> bool:
    return char.isalnum() or char == "_"


_CLASSES: dict[str, _Test] = {
    "d": str.isdecimal,
    "D": lambda char: not char.isdecimal(),
    "s": str.isspace,
    "S": lambda char: not char.isspace(),
    "w": _is_word,
    "W": lambda char: not _is_word(char),
}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a", "0": "\0"}


class Pattern:
    """A regular expression that can be looked for in a text.

    Raises `QueryError` for what isn't one, or would need more than its share of memory.
    """

    def __init__(self, text: str) -> None:
        if len(text) > _LONGEST:
            raise QueryError(f"a regular expression has at most {_LONGEST} characters; this one has {len(text)}")
        tree, self._ignore_case = _Reader(text).read()
        self._places: list[_Node] = [("end",)]
        self._start = frozenset({self._build(tree, 0)})
        self._moves: dict[tuple[frozenset[int], str, str, bool], frozenset[int] | None] = {}

    def found_in(self, text: str) -> bool:
        """Tell whether any part of *text* is as the pattern says."""
        before, places, last = "", self._start, len(text) - 1
        for index, char in enumerate(text):
            key = (places, before, char, index == last and char == "\n")
            try:
                moved = self._moves[key]
            except KeyError:
                moved = self._moved(key)
            if moved is None:
                return True
            places, before = moved, "w" if _is_word(char) else "-"
        return self._moved((places, before, "", True)) is None

    def _moved(self, key: tuple[frozenset[int], str, str, bool]) -> frozenset[int] | None:
        """Return the places after a character, or None if the end was reached before it.

        The key holds the places, what came before (nothing, ``w``: a letter, ``-``: something else), the character
        (nothing at the end), and whether only a last newline or nothing follows.
        """
        places, before, char, at_end = key
        if len(self._moves) > _MOST_KEPT:
            self._moves.clear()
        seen: set[int] = set()
        after = set(self._start)
        waiting = list(places)
        ended = False
        while waiting:
            place = waiting.pop()
            if place in seen:
                continue
            seen.add(place)
            node = self._places[place]
            if node[0] == "end":
                ended = True
                break
            if node[0] == "either":
                waiting.extend(node[1])
            elif node[0] == "at":
                if _stands(node[1], before, char, at_end):
                    waiting.append(node[2])
            elif char and self._fits(node[1], char):
                after.add(node[2])
        moved = None if ended else frozenset(after)
        self._moves[key] = moved
        return moved

    def _fits(self, test: _Test, char: str) -> bool:
        return test(char) or (self._ignore_case and (test(char.lower()) or test(char.upper())))

    def _add(self, node: _Node) -> int:
        if len(self._places) >= _MOST_PLACES:
            raise QueryError("the regular expression is too large", "repeat less in {…}")
        self._places.append(node)
        return len(self._places) - 1

    def _build(self, node: _Node, then: int) -> int:
        """Add *node*, after which comes the place *then*; return the place where it begins."""
        kind = node[0]
        if kind == "row":
            for part in reversed(node[1]):
                then = self._build(part, then)
            return then
        if kind == "any of":
            return self._add(("either", [self._build(part, then) for part in node[1]]))
        if kind == "repeat":
            return self._build_repeat(node[1], node[2], node[3], then)
        return self._add((kind, node[1], then))

    def _build_repeat(self, node: _Node, least: int, most: int | None, then: int) -> int:
        if most is None:
            entry = self._add(("either", []))
            self._places[entry][1].extend([self._build(node, entry), then])
        else:
            entry = then
            for _ in range(most - least):
                entry = self._add(("either", [self._build(node, entry), then]))
        for _ in range(least):
            entry = self._build(node, entry)
        return entry


def _stands(kind: str, before: str, char: str, at_end: bool) -> bool:
    if kind == "start":
        return before == ""
    if kind == "line end":
        return at_end
    if kind == "end":
        return char == ""
    boundary = (before == "w") != (char != "" and _is_word(char))
    return boundary == (kind == "boundary")


class _Reader:
    """Reads a pattern from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def read(self) -> tuple[_Node, bool]:
        ignore_case = self._take("(?i)")
        tree = self._alternatives()
        if self.at < len(self.text):
            raise self._error("there is a ) too many")
        return tree, ignore_case

    def _alternatives(self) -> _Node:
        parts = [self._row()]
        while self._take("|"):
            parts.append(self._row())
        return parts[0] if len(parts) == 1 else ("any of", parts)

    def _row(self) -> _Node:
        parts: list[_Node] = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            parts.append(self._repeated(self._item()))
        return ("row", parts)

    def _repeated(self, node: _Node) -> _Node:
        bounds = self._bounds()
        if bounds is None:
            return node
        if node[0] == "at":
            raise self._error("there is nothing to repeat")
        self._take("?")  # the shortest is as good as the longest: only whether it is found is asked
        if self._bounds() is not None or self._take("+"):
            raise self._error("something is repeated twice")
        least, most = bounds
        if most is not None and most < least:
            raise self._error("the bounds of {…} are the wrong way round")
        return ("repeat", node, least, most)

    def _bounds(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return bounds
        if not self._take("{"):
            return None
        inside, brace, _ = self.text[self.at:].partition("}")
        low, comma, high = inside.partition(",")
        if not brace or not all(part == "" or (part.isascii() and part.isdigit()) for part in (low, high)) or (
            not low and not high
        ):
            self.at -= 1  # then { is just a {
            return None
        self.at += len(inside) + 1
        least = int(low or 0)
        most = least if not comma else int(high) if high else None
        if max(least, most or 0) > _MOST_PLACES:
            raise self._error("something is repeated too often")
        return least, most

    def _is_bounds(self) -> bool:
        self.at -= 1
        if self._bounds() is not None:
            return True
        self.at += 1
        return False

    def _item(self) -> _Node:
        char = self.text[self.at]
        self.at += 1
        if char == "(":
            return self._group()
        if char == "[":
            return ("char", self._set())
        if char == "\\":
            return self._escape()
        if char == ".":
            return ("char", lambda char: char != "\n")
        if char == "^":
            return ("at", "start")
        if char == "$":
            return ("at", "line end")
        if char in "*+?" or (char == "{" and self._is_bounds()):
            raise self._error("there is nothing to repeat")
        return ("char", char.__eq__)

    def _group(self) -> _Node:
        self._take("?:")
        if self.text[self.at:self.at + 1] == "?":
            raise self._error("groups that begin with (? aren't known here, save (?:…) and (?i) at the start")
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self._error("groups are nested too deeply")
        node = self._alternatives()
        self.depth -= 1
        if not self._take(")"):
            raise self._error("a ( isn't closed")
        return ("row", [node])

    def _escape(self) -> _Node:
        char = self._next("a \\ stands at the end")
        for sign, kind in (("b", "boundary"), ("B", "no boundary"), ("A", "start"), ("Z", "end")):
            if char == sign:
                return ("at", kind)
        return ("char", _CLASSES[char] if char in _CLASSES else self._escaped(char).__eq__)

    def _escaped(self, char: str) -> str:
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char.isascii() and char.isalnum():
            raise self._error(f"\\{char} isn't known here")
        return char

    def _set(self) -> _Test:
        """Read from behind the ``[``; a ``]`` that comes first is one of the characters."""
        negated = self._take("^")
        tests: list[_Test] = []
        first = True
        while first or self.text[self.at:self.at + 1] != "]":
            first = False
            low = self._set_member()
            if self.text[self.at:self.at + 1] == "-" and self.text[self.at + 1:self.at + 2] not in ("", "]"):
                self.at += 1
                high = self._set_member()
                if not isinstance(low, str) or not isinstance(high, str) or high < low:
                    raise self._error("a range in […] is the wrong way round")
                tests.append(lambda char, low=low, high=high: low <= char <= high)  # type: ignore[misc]
            else:
                tests.append(low.__eq__ if isinstance(low, str) else low)
        self.at += 1
        return lambda char: any(test(char) is True for test in tests) is not negated

    def _set_member(self) -> str | _Test:
        char = self._next("a [ isn't closed")
        if char != "\\":
            return char
        char = self._next("a [ isn't closed")
        if char == "b":
            return "\b"
        return _CLASSES[char] if char in _CLASSES else self._escaped(char)

    def _next(self, complaint: str) -> str:
        if self.at >= len(self.text):
            raise self._error(complaint)
        self.at += 1
        return self.text[self.at - 1]

    def _take(self, sign: str) -> bool:
        if self.text.startswith(sign, self.at):
            self.at += len(sign)
            return True
        return False

    def _error(self, complaint: str) -> QueryError:
        return QueryError(f"the regular expression {self.text!r} can't be read at character {self.at}: {complaint}")
