"""Patches for people, of contents that are at hand."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress

from sumatra.versioncontrol._export import TreeFile
from sumatra.versioncontrol._text import cut, in_patch, open_file, printable
from sumatra.versioncontrol.base import ChangedFile

__all__ = ["of_changes", "of_trees"]

_LARGE = 1_000_000  # bytes: files above that count as binary
_MOST = 16_000_000  # characters
_NO_NEWLINE = "\\ No newline at end of file\n"


def of_changes(root: str, changed: Iterable[ChangedFile], before: Callable[[str], bytes]) -> str:
    """Return a patch of the files *changed* below *root*; *before* returns what they were."""
    patches = (
        _patch(change.path, None if change.kind == "added" else before(change.path), _now(root, change))
        for change in sorted(changed)
    )
    return cut(patches, _MOST)


def of_trees(
    one: Mapping[str, TreeFile], other: Mapping[str, TreeFile], content: Callable[[TreeFile], bytes]
) -> str:
    """Return what leads from the files of *one* version to those of *other*."""
    def pieces() -> Iterator[str]:
        for path in sorted({*one, *other}):
            both = [content(tree[path]) if path in tree else None for tree in (one, other)]
            if both[0] != both[1]:
                yield _patch(path, both[0], both[1])

    return cut(pieces(), _MOST)


def _now(root: str, change: ChangedFile) -> bytes | None:
    if change.mode is None:
        return None
    path = os.path.join(root, change.path)
    with suppress(OSError):
        if change.mode == "120000":
            return os.fsencode(os.readlink(path))
        with open_file(path) as file:
            return file.read(_LARGE + 1)
    return b""


def _patch(path: str, was: bytes | None, is_now: bytes | None) -> str:
    """Return what leads from the content *was* to *is_now*; None where there is no such file."""
    name = printable(path)
    if was == is_now:
        return ""
    before, after = was or b"", is_now or b""
    if b"\0" in before or b"\0" in after or max(len(before), len(after)) > _LARGE:
        return f"Index: {name}\nBinary files differ\n"
    import difflib

    names = "/dev/null" if was is None else f"a/{name}", "/dev/null" if is_now is None else f"b/{name}"
    lines = difflib.unified_diff(_lines(before), _lines(after), in_patch(names[0]), in_patch(names[1]))
    return f"Index: {name}\n" + "".join(line if line.endswith("\n") else f"{line}\n{_NO_NEWLINE}" for line in lines)


def _lines(content: bytes) -> list[str]:
    lines = content.decode("utf-8", "replace").split("\n")
    found = [f"{line}\n" for line in lines[:-1]]
    return [*found, lines[-1]] if lines[-1] else found
