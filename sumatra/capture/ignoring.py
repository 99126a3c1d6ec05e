"""Which files the user doesn't want to hear of: patterns as in ``.gitignore``, and how many files are enough.

Patterns are lines of ``.smtignore`` in the project's folder, then those of the setting ``ignore``; the last one that
fits decides.  They mean what they mean to git (see gitignore(5)), except that ``?`` and ``[…]`` stand for a character
where git counts bytes.  Each becomes a regular expression whose asterisks are atomic groups, so that no pattern can be
made to search for ages.
"""

import os
import re
import stat
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from sumatra.records import Finding

__all__ = ["FILE", "Ignored", "at_most", "can_match"]

FILE = ".smtignore"

_LARGEST = 1_000_000  #: bytes of a ``.smtignore``
_STAR, _NAME, _ANYTHING = "*", "[^/]", r".+"

#: Characters by kind, as git has them: of ASCII only.
_KINDS = {
    "alnum": r"0-9A-Za-z", "alpha": r"A-Za-z", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f", "digit": r"0-9",
    "graph": r"!-~", "lower": r"a-z", "print": r" -~", "punct": r"!-/:-@\[-`{-~", "space": r" \t\n\r", "upper": r"A-Z",
    "xdigit": r"0-9A-Fa-f",
}

T = TypeVar("T")


class _Rule(NamedTuple):
    """A pattern that was understood."""

    matches: "re.Pattern[str]"
    is_negated: bool  #: what fits is not ignored after all
    is_for_folders: bool
    is_for_names: bool  #: it is compared with the last part of a path alone
    is_anywhere: bool  #: it may fit outside of the project too


class Ignored:
    """What to pass over in the project whose folder is *root*, by *patterns*."""

    def __init__(self, root: str, patterns: Iterable[str], findings: tuple[Finding, ...] = ()) -> None:
        self.findings = findings  #: for the receipt
        self._tops = {f"{os.path.abspath(root).rstrip('/')}/": None, f"{os.path.realpath(root).rstrip('/')}/": None}
        self._rules = [rule for rule in map(_understood, patterns) if rule is not None][::-1]
        self._folders: dict[tuple[str, bool], bool] = {}

    @classmethod
    def read(cls, root: str, patterns: Sequence[str] = ()) -> "Ignored":
        """Return what ``.smtignore`` in *root*, if there is one, and *patterns* (the setting ``ignore``) ask for."""
        try:
            lines = _lines(os.path.join(root, FILE))
        except FileNotFoundError:
            return cls(root, patterns)
        except OSError as error:
            message = f"{FILE} can't be read, so nothing was ignored for its sake: {error.strerror or error}"
            return cls(root, patterns, (Finding("ignore-unreadable", message, "make it a readable file"),))
        return cls(root, [*lines, *patterns])

    def __bool__(self) -> bool:
        return bool(self._rules)

    def __call__(self, path: str) -> bool:
        """Tell whether the file with the absolute name *path* is to be passed over.

        As with git, a file in a folder that is passed over can't be brought back.  Outside of the project just those
        patterns count that aren't tied to its folder: names without a slash, and what begins with ``**/``.
        """
        if not self._rules:
            return False
        for top in self._tops:
            if path.startswith(top):
                return self._is_ignored(path[len(top):], True, False)
        return self._is_ignored(path.lstrip("/"), False, False)

    ignored = __call__

    def _is_ignored(self, path: str, is_inside: bool, is_folder: bool) -> bool:
        folder, _, name = path.rpartition("/")
        if folder:
            known = self._folders.get((folder, is_inside))
            if known is None:
                known = self._folders[folder, is_inside] = self._is_ignored(folder, is_inside, True)
            if known:
                return True
        for rule in self._rules:
            if (is_folder or not rule.is_for_folders) and (is_inside or rule.is_anywhere) and (
                rule.matches.fullmatch(name if rule.is_for_names else path)
            ):
                return not rule.is_negated
        return False


def at_most(found: Sequence[T], most: int, what: str) -> tuple[list[T], tuple[Finding, ...]]:
    """Return the first *most* of *found*, and a line for the receipt if there are more; *what* is said of all.

    ``at_most(outputs, settings.most_files, "files were written")``.
    """
    if len(found) <= most:
        return list(found), ()
    message = f"{len(found):,} {what}; the record tells of the first {most:,}"
    remedy = f"smt configure --ignore PATTERN for those that don't matter, or smt configure --most-files={len(found)}"
    return list(found[:most]), (Finding("many-files", message, remedy),)


def can_match(pattern: str) -> bool:
    """Tell whether *pattern* can fit a file at all: it is no comment, and what it opens it closes."""
    return _understood(pattern) is not None


def _lines(path: str) -> list[str]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it isn't a regular file")
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise OSError(f"it is larger than {_LARGEST:,} bytes")
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    return [line.removesuffix("\r") for line in text.split("\n")]


def _understood(line: str) -> _Rule | None:
    """Return what the *line* asks for; None if it is empty, a comment, or can't fit anything."""
    if line.startswith("#"):
        return None
    body = _without_trailing_spaces(line)
    is_negated = body.startswith("!")
    body = body.removeprefix("!")
    is_for_folders = body.endswith("/")
    body = body.removesuffix("/")
    is_for_names = "/" not in body
    is_tied = body.startswith("/")
    segments = _segments(body.removeprefix("/"))
    if not segments or any(segment == [] for segment in segments):
        return None
    expression = _segment(segments[0]) if is_for_names else _path(segments)
    return _Rule(
        re.compile(expression, re.DOTALL), is_negated, is_for_folders, is_for_names,
        is_for_names or (_is_any_folder(segments[0]) and not is_tied),
    )


def _without_trailing_spaces(line: str) -> str:
    """Return *line* without spaces at its end, except one that has a backslash before it."""
    end = len(line.rstrip(" "))
    backslashes = end - len(line[:end].rstrip("\\"))
    return line[:end + (backslashes % 2 if end < len(line) else 0)]


def _segments(body: str) -> list[list[str]] | None:
    """Return regular expressions for the characters between the slashes of *body*, an asterisk as `_STAR`."""
    segments: list[list[str]] = [[]]
    place = 0
    while place < len(body):
        character = body[place]
        place += 1
        if character == "\\":
            if place == len(body):
                return None
            character = body[place]
            place += 1
        elif character == "[":
            found = _set(body, place)
            if found is None:
                return None
            expression, place = found
            segments[-1].append(expression)
            continue
        elif character in "*?":
            segments[-1].append(_STAR if character == "*" else _NAME)
            continue
        if character == "/":
            segments.append([])
        else:
            segments[-1].append(re.escape(character))
    return segments


def _set(body: str, place: int) -> tuple[str, int] | None:
    """Return the regular expression for the characters in brackets that begin at *place*, and where they end."""
    is_negated = body[place:place + 1] in ("!", "^")
    place += is_negated
    first = place
    pieces: list[str] = []
    before = ""  #: a character that a range may begin with
    while place < len(body):
        character = body[place]
        if character == "]" and place > first:
            inside = "".join(pieces)
            return f"(?!/)[{'^' if is_negated else ''}{inside}]", place + 1
        end = body.find("]", place + 2) if body.startswith("[:", place) else -1
        if body.startswith("[:", place) and end < 0:
            return None
        if end > place + 2 and body[end - 1] == ":":
            kind = _KINDS.get(body[place + 2:end - 1])
            if kind is None:
                return None
            pieces.append(kind)
            before, place = "", end + 1
            continue
        is_range = character == "-" and before and body[place + 1:place + 2] not in ("", "]")
        place += bool(is_range)
        if body[place] == "\\":
            place += 1
            if place == len(body):
                return None
        if not is_range:
            before = body[place]
            pieces.append(_exactly(before))
        else:
            if before <= body[place]:
                pieces.append(f"{_exactly(before)}-{_exactly(body[place])}")
            before = ""
        place += 1
    return None


def _exactly(character: str) -> str:
    return f"\\U{ord(character):08x}"


def _segment(tokens: list[str]) -> str:
    """Return the regular expression of what stands between two slashes.

    An asterisk takes as little as the characters after it allow, and never tries again: what comes after the next
    asterisk can only gain by that.  The characters after the last one are at the end.
    """
    pieces = [""]
    for token in tokens:
        if token != _STAR:
            pieces[-1] += token
        elif pieces[-1] or len(pieces) == 1:
            pieces.append("")
    first, *others = pieces
    if not others:
        return first
    middle = "".join(f"(?>[^/]*?{piece})" for piece in others[:-1])
    return f"{first}{middle}[^/]*{others[-1]}"


def _is_any_folder(tokens: list[str]) -> bool:
    return len(tokens) > 1 and set(tokens) == {_STAR}


def _path(segments: list[list[str]]) -> str:
    """Return the regular expression of a whole pattern with slashes; ``**`` works as an asterisk does in a segment."""
    chunks: list[list[str]] = [[]]
    for segment in segments:
        if not _is_any_folder(segment):
            chunks[-1].append(_segment(segment))
        elif chunks[-1] or len(chunks) == 1:
            chunks.append([])
    first, *others = chunks
    if not others:
        return "/".join(first)
    beginning = "".join(f"{segment}/" for segment in first)
    middle = "".join("(?>(?:[^/]+/)*?" + "".join(f"{segment}/" for segment in chunk) + ")" for chunk in others[:-1])
    last = "(?:[^/]+/)*" + "/".join(others[-1]) if others[-1] else _ANYTHING
    return f"{beginning}{middle}{last}"
