"""The process that reads files of strangers: it has limits, gets questions, a line of JSON each, and answers them."""

import json
import os
import sys
from contextlib import suppress
from typing import Any

from sumatra.comparison import BACKENDS, get_comparator
from sumatra.comparison._limits import allow_time, confine
from sumatra.comparison.base import Comparator, Comparison, Content, NotComparable, Setting
from sumatra.comparison.tolerance import limit_of
from sumatra.facts import as_dict, replace
from sumatra.plugins import third_parties

__all__ = ["main"]

#: Archives in archives: so many levels.
_DEEPEST = 4

_UNREADABLE = "it can't be read as"

#: Characters of a sentence.
_LONGEST = 350


def main() -> None:
    """Answer questions until there are no more."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):  # what a library says must not become an answer
        os.dup2(nowhere, descriptor)
    sys.dont_write_bytecode = True
    comparators = _comparators()
    confine()
    for line in questions:
        question = json.loads(line)
        allow_time(question["patience"])
        answer = _pictures(question) if question.get("pictures") else as_dict(_short(_answer(question, comparators)))
        answers.write(json.dumps(answer, default=str).encode("utf-8", "backslashreplace") + b"\n")
        answers.flush()


def _comparators() -> list[Comparator]:
    """Return all comparators, those of others first; one that doesn't load is passed over."""
    others = [name for name in third_parties("sumatra.comparison") if name not in BACKENDS]
    found = []
    for name in (*others, *BACKENDS):
        with suppress(Exception):
            found.append(get_comparator(name))
    return found


def _answer(question: dict[str, Any], comparators: list[Comparator]) -> Comparison:
    rules = question["rules"]
    depth = 0

    def members(one: Content, other: Content) -> Comparison:
        nonlocal depth
        if depth >= _DEEPEST:
            raise NotComparable(f"there are archives in archives, more than {_DEEPEST} levels deep")
        depth += 1
        try:
            return compare_contents(one, other, setting, comparators)
        finally:
            depth -= 1

    setting = Setting(lambda field: limit_of(rules, field), members)
    try:
        one, other = (Content.at(question[key], question["name"]) for key in ("one", "other"))
        return compare_contents(one, other, setting, comparators)
    except OSError as error:
        return Comparison("not comparable", f"it can't be read: {error.strerror or error}")


def compare_contents(one: Content, other: Content, setting: Setting, comparators: list[Comparator]) -> Comparison:
    """Return how like two contents are, by the comparator that knows their kind; never raises for a bad file."""
    if not one.size or not other.size:
        return Comparison("different", f"the {'first' if not one.size else 'second'} is empty")
    first, second = (_which(content, comparators) for content in (one, other))
    if first is not second:
        common = _common(one, other, comparators)
        if common is None:
            return Comparison("different", f"one is {first.title}, the other {second.title}")
        first = common
    found = _by(first, one, other, setting)
    if found.verdict == "not comparable" and found.sentence.startswith(_UNREADABLE):
        common = _common(one, other, comparators)
        if common is not None and common is not first:  # it isn't what its name promises: JSON with remarks
            return _by(common, one, other, setting)
    return found


def _by(first: Comparator, one: Content, other: Content, setting: Setting) -> Comparison:
    try:
        return first.compare(one, other, setting)
    except NotComparable as reason:
        return Comparison("not comparable", str(reason), kind=first.name)
    except MemoryError:
        return Comparison("not comparable", "it takes more memory than comparing may", kind=first.name)
    except RecursionError:
        return Comparison("not comparable", "it is nested too deeply", kind=first.name)
    except ModuleNotFoundError as error:
        backend = BACKENDS.get(first.name)
        hint = f": pip install 'sumatra[{backend.extra}]'" if backend and backend.extra else ""
        sentence = f"to read {first.title}, the Python package {error.name!r} is needed, which isn't installed{hint}"
        return Comparison("not comparable", sentence, kind=first.name)
    except Exception as error:  # noqa: BLE001  a reader may fail at a bad file in any way
        detail = " ".join(str(error).split())[:200]
        sentence = f"{_UNREADABLE} {first.title}: {type(error).__name__}{': ' if detail else ''}{detail}"
        return Comparison("not comparable", sentence, kind=first.name)


def _which(content: Content, comparators: list[Comparator]) -> Comparator:
    head, name = content.head(), os.path.basename(content.name).lower()
    for comparator in comparators:
        with suppress(Exception):
            if comparator.recognises(head, name):
                return comparator
    return comparators[-1]


def _common(one: Content, other: Content, comparators: list[Comparator]) -> Comparator | None:
    """Return the comparator of text if both are text: a table that has become prose is still that."""
    text = next((comparator for comparator in comparators if comparator.name == "text"), None)
    return text if text is not None and all(text.recognises(each.head(), "") for each in (one, other)) else None


def _short(found: Comparison) -> Comparison:
    """Return *found* with texts that a file can't make long."""
    return replace(found, sentence=_cut(found.sentence), where=_cut(found.where))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST - 1] + "…"


def _pictures(question: dict[str, Any]) -> dict[str, Any]:
    from sumatra.comparison._pictures import side_by_side

    try:
        return {"pictures": side_by_side(question["one"], question["other"])}
    except Exception:  # noqa: BLE001  what isn't a picture isn't shown
        return {"pictures": []}
