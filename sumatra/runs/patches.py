"""What leads from the code of one run to that of another, as a patch for people."""

import difflib
import os
from collections.abc import Iterator
from typing import NamedTuple

from sumatra.errors import SumatraError
from sumatra.files import ContentStore
from sumatra.records import Record
from sumatra.runs.trees import CodeFile, Trees

__all__ = ["Home", "patch_between"]

#: What is longer is only said to differ: telling how would take minutes.
_MOST_BYTES = 4 << 20
_MOST_LINES = 50_000


class Home(NamedTuple):
    """The project of a record: what was kept of its code, and where its versions may lie."""

    objects: ContentStore
    near: str  #: its folder


def patch_between(one: Record, other: Record, home: Home, other_home: Home | None, work: str) -> Iterator[str]:
    """Yield the lines of a patch from the code of *one* to that of *other*, uncommitted changes included.

    Both are of the project *home*, unless *other* is of *other_home*.  The versions are looked for as
    `sumatra.runs.rebuilding.rebuild` does, of which *work* is told there.  Raises `ProjectError` where one of them
    isn't to be had.
    """
    with Trees(*home, work) as trees, Trees(*(other_home or home), work) as other_trees:
        before = trees.of(one)
        after = (other_trees if other_home else trees).of(other)
        for path in sorted({*before, *after}):
            first, second = before.get(path), after.get(path)
            if first and second and (first.mode, first.digest) == (second.mode, second.digest):
                continue
            yield from _of_file(path, first, second)


def _of_file(path: str, one: CodeFile | None, other: CodeFile | None) -> Iterator[str]:
    try:
        before, after = (b"" if file is None else file.read() for file in (one, other))
    except (SumatraError, OSError) as error:
        yield f"# {path}: {getattr(error, 'strerror', None) or error}\n"
        return
    modes = [file.mode if file else None for file in (one, other)]
    if before == after and modes[0] == modes[1]:
        return
    names = tuple(_in_head(f"{side}/{path}") for side in "ab")
    yield f"diff --git {names[0]} {names[1]}\n"
    if one is None:
        yield f"new file mode {modes[1]}\n"
    elif other is None:
        yield f"deleted file mode {modes[0]}\n"
    elif modes[0] != modes[1]:
        yield f"old mode {modes[0]}\nnew mode {modes[1]}\n"
    if before == after:
        return
    names = ("/dev/null" if one is None else names[0], "/dev/null" if other is None else names[1])
    if b"\0" in before or b"\0" in after:
        yield f"Binary files {names[0]} and {names[1]} differ\n"
        return
    texts = [content.decode("utf-8", "surrogateescape").split("\n") for content in (before, after)]
    if max(len(before), len(after)) > _MOST_BYTES or max(map(len, texts)) > _MOST_LINES:
        yield f"Files {names[0]} and {names[1]} differ, and are too long to tell how\n"
        return
    yield from _hunks(*names, *(list(_lines(text)) for text in texts))


def _in_head(name: str) -> str:
    """Return *name* as heads of patches have it: in quotes where it holds what would end it, or isn't text."""
    text = os.fsencode(name).decode("utf-8", "surrogateescape")
    if text.isprintable() and not {'"', "\\"} & set(text):
        return name
    escaped = "".join(
        letter if letter.isprintable() and letter not in '"\\'
        else "".join(f"\\{byte:03o}" for byte in letter.encode("utf-8", "surrogateescape"))
        for letter in text
    )
    return f'"{escaped}"'


def _lines(text: list[str]) -> Iterator[str]:
    """Yield lines with their ends; a last one without says so, as patches do."""
    yield from (f"{line}\n" for line in text[:-1])
    if text[-1]:
        yield f"{text[-1]}\n\\ No newline at end of file\n"


def _hunks(name: str, other_name: str, one: list[str], other: list[str]) -> Iterator[str]:
    # The end of names: what follows a tab is a time to those who read patches.
    yield from difflib.unified_diff(one, other, f"{name}\t" if " " in name else name,
                                    f"{other_name}\t" if " " in other_name else other_name)
