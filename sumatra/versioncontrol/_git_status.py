"""What git says of files and commits, as facts.  Starts nothing."""

import os
import re
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from sumatra.versioncontrol._text import mode_at
from sumatra.versioncontrol.base import ChangedFile, Revision

__all__ = ["Index", "Seen", "is_outside", "read_commit", "read_index", "read_status"]

_ABSENT = "000000"
_USUAL = (b"H 10", b"H 12")  # files and links that git looks at


class Seen(NamedTuple):
    """One look at a working copy, without its submodules."""

    version: str | None
    branch: str | None
    changed: list[ChangedFile]
    conflicts: list[str]
    nested: list[str]  #: repositories that aren't tracked
    outside: list[str]  #: names that lead out of the working copy: a forged index
    untracked: int  #: how many there are, listed or not


class Index(NamedTuple):
    """What is odd in the index."""

    submodules: dict[str, str]  #: path: the commit that belongs to the current state of the index
    unwatched: list[str]  #: marked assume-unchanged: git doesn't look at them
    skipped: list[str]  #: marked skip-worktree


def read_status(output: bytes, root: str, most_untracked: int) -> Seen:
    """Return what *output* says about the files below *root*; a last item that was cut short is left out."""
    seen = Seen(None, None, [], [], [], [], 0)
    version = branch = None
    untracked: list[bytes] = []
    changed: dict[str, ChangedFile] = {}
    for item in output.split(b"\0")[:-1]:
        kind = item[:1]
        if kind == b"?":
            untracked.append(item[2:])
        elif kind == b"#":
            name, _, value = item[2:].decode("utf-8", "replace").partition(" ")
            if name == "branch.oid" and value != "(initial)":
                version = value
            elif name == "branch.head" and value != "(detached)":
                branch = value
        elif kind in b"1u":
            change = _tracked(item, root, seen)
            if change:
                changed[change.path] = change
    found = _untracked(untracked, root, changed, seen, most_untracked)
    return seen._replace(version=version, branch=branch, changed=[*changed.values(), *found], untracked=len(untracked))


def _tracked(item: bytes, root: str, seen: Seen) -> ChangedFile | None:
    if item[:1] == b"u":
        # u XY sub mode1 mode2 mode3 mode-on-disk hash1 hash2 hash3 path; 2 is our side, and so the current version
        words = item.split(b" ", 10)
        before, staged, now = words[4], words[4], words[6]
    else:
        # 1 XY sub mode-in-HEAD mode-in-index mode-on-disk hash-in-HEAD hash-in-index path
        words = item.split(b" ", 8)
        before, staged, now = words[3:6]
    path = os.fsdecode(words[-1])
    if is_outside(path):
        seen.outside.append(path)
        return None
    if item[:1] == b"u":
        seen.conflicts.append(path)
    mode: str | None = now.decode()
    if mode == _ABSENT:
        # taken out of the index with "git rm --cached", a file may well be there still
        mode = mode_at(os.path.join(root, path)) if staged == _ABSENT.encode() else None
    in_version = before != _ABSENT.encode()
    if mode is None:
        return ChangedFile(path, "deleted") if in_version else None
    return ChangedFile(path, "modified" if in_version else "added", mode)


def _untracked(
    paths: list[bytes], root: str, changed: dict[str, ChangedFile], seen: Seen, most: int
) -> list[ChangedFile]:
    found: list[ChangedFile] = []
    for raw in paths:
        path = os.fsdecode(raw)
        if path.endswith("/"):
            seen.nested.append(path.rstrip("/"))
        elif path not in changed and len(found) < most:
            mode = mode_at(os.path.join(root, path))
            if mode:
                found.append(ChangedFile(path, "untracked", mode))
    return found


def is_outside(path: str) -> bool:
    """Tell whether *path*, as an index has it, leads out of the working copy or into its ``.git``.

    Git writes no such index, but reads one that somebody else has made.
    """
    return path.startswith("/") or not {"..", ".git"}.isdisjoint(path.split("/"))


def read_index(output: bytes) -> Index:
    """Return what is odd in the output of ``git ls-files --stage -v -z``."""
    index = Index({}, [], [])
    for entry in output.split(b"\0")[:-1]:
        if entry.startswith(_USUAL):
            continue
        facts, _, raw = entry.partition(b"\t")
        tag, mode, name = facts[:1], facts[2:8], facts[9:].partition(b" ")[0].decode()
        path = os.fsdecode(raw)
        if is_outside(path):
            continue
        if mode == b"160000":
            index.submodules[path] = name
        if tag in b"Ss":
            index.skipped.append(path)
        elif tag.islower():
            index.unwatched.append(path)
    return index


def read_commit(version: str, content: bytes) -> Revision:
    """Return what a commit, as it is stored, says of itself."""
    headers, _, message = content.partition(b"\n\n")
    named = re.search(rb"^encoding ([\w-]{1,40})$", headers, re.MULTILINE)
    encoding = named[1].decode() if named else "utf-8"
    try:
        text = message.decode(encoding, "replace")
        author = headers.decode(encoding, "replace")
    except LookupError:
        text, author = message.decode("utf-8", "replace"), headers.decode("utf-8", "replace")
    found = re.search(r"^author (.*?) ?(-?\d+) ([+-]\d{4})$", author, re.MULTILINE)
    if not found:
        return Revision(version, "", None, text.strip())
    return Revision(version, found[1].replace(" <>", ""), date_of(int(found[2]), found[3]), text.strip())


def date_of(seconds: int, zone: str) -> datetime | None:
    """Return the time *seconds* after 1970 in the time zone *zone* (``+0130``), or None where there is no such time."""
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
    try:
        return datetime.fromtimestamp(seconds, timezone(-offset if zone[0] == "-" else offset))
    except (ValueError, OverflowError, OSError):
        return None
