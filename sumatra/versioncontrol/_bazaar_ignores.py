"""Patterns of names that Bazaar ignores: those that are simple enough to be sure of.

``brz help patterns`` describes them.  What isn't simple, or could be made to take for ever, breezy is asked about.
"""

import os
import re
from collections.abc import Callable, Iterable, Sequence

from sumatra.versioncontrol._text import small_file

__all__ = ["lines", "matcher"]

#: What Bazaar writes into the user's file when there is none.
_DEFAULTS = ("*.a", "*.o", "*.py[co]", "*.so", "*.sw[nop]", "*~", ".#*", "[#]*#", "__pycache__", "bzr-orphans")
_MOST_WILDCARDS = 3
_TOKENS = re.compile(r"\[([!^]?)([\w.#~]+)\]|(\*+)|(\?)|([^*?\[\]\\])", re.ASCII)


def lines(root: str, users: str) -> frozenset[str]:
    """Return the patterns that hold for the tree *root*; *users* is the user's own file."""
    texts = [small_file(os.path.join(root, ".bzrignore"))]
    found = set() if os.path.lexists(users) else set(_DEFAULTS)
    texts.append(small_file(users))
    for text in texts:
        for raw in text.split(b"\n"):
            try:
                line = raw.decode("utf-8").rstrip("\r")
            except UnicodeDecodeError:
                continue  # as Bazaar does
            if line and not line.startswith("#"):
                found.add(line)
    return frozenset(found)


def matcher(patterns: Iterable[str]) -> Callable[[str], bool] | None:
    """Return a function that tells whether a path is ignored, or None if there is a pattern that isn't simple."""
    groups: tuple[list[str], list[str], list[str]] = ([], [], [])  # ignored, excepted from that, excepted from this
    for pattern in patterns:
        bangs = 2 if pattern.startswith("!!") else 1 if pattern.startswith("!") else 0
        regexp = _regexp(pattern[bangs:])
        if regexp is None:
            return None
        groups[bangs].append(regexp)
    try:
        ignored, excepted, insisted = [re.compile(_any(group)) for group in groups]
    except (re.error, OverflowError):
        return None

    def is_ignored(path: str) -> bool:
        if insisted.match(path):
            return True
        return not excepted.match(path) and bool(ignored.match(path))

    return is_ignored


def _any(regexps: Sequence[str]) -> str:
    return "|".join(regexps) if regexps else r"(?!)"


def _regexp(pattern: str) -> str | None:
    """Return the regular expression that *pattern* means, or None if it isn't simple."""
    if pattern.startswith("RE:") or "**" in pattern or pattern.count("*") > _MOST_WILDCARDS:
        return None
    pattern = re.sub(r"[\\/]+", "/", pattern)
    if len(pattern) > 1:
        pattern = pattern.rstrip("/")
    if "/" not in pattern:
        translated = _translated(pattern, ".")
        return None if translated is None else f"(?:.*/)?(?!.*/)(?:{translated})$"
    pattern = re.sub(r"^(?:\.?/)+", "", pattern)
    if "/./" in pattern or not pattern:
        return None
    translated = _translated(pattern, "[^/]")
    return None if translated is None else f"(?:{translated})$"


def _translated(pattern: str, letter: str) -> str | None:
    """Return *pattern* as a regular expression in which a wildcard stands for *letter*."""
    place, found = 0, []
    while place < len(pattern):
        token = _TOKENS.match(pattern, place)
        if token is None:
            return None
        negated, members, many, one, plain = token.groups()
        if members is not None:
            found.append(f"[{'^' if negated else ''}{re.escape(members)}]")
        elif many or one:
            found.append(letter + ("*" if many else ""))
        else:
            found.append(re.escape(plain))
        place = token.end()
    return "".join(found)
