"""What has changed in a working copy of Subversion's: its notes, compared with the files that lie there.

``svn status`` says the same, but costs a process, and gives up where a name isn't UTF-8.
"""

import hashlib
import os
import re
import stat
from collections.abc import Callable
from typing import NamedTuple

from sumatra.versioncontrol._folder import entries
from sumatra.versioncontrol._subversion_db import Node, Notes
from sumatra.versioncontrol._subversion_keywords import form_of
from sumatra.versioncontrol._subversion_text import ignores, is_ignored, properties, skel, usual_ignores
from sumatra.versioncontrol._text import mode_of, open_file
from sumatra.versioncontrol.base import ChangedFile

__all__ = ["Seen", "look", "pristine"]

_REGULAR_OR_RUN = 0o170100  # what kind of file it is, and whether its owner can execute it
_Patterns = tuple[re.Pattern[str], ...]


class _Facts(NamedTuple):
    """What lies at a path."""

    mode: int
    size: int
    time: int  #: of the last change, in microseconds


class Seen(NamedTuple):
    """What was seen in a working copy."""

    changed: list[ChangedFile]
    nested: list[str]  #: working copies of their own, that no property names
    modes: list[str]  #: files whose mode alone has changed
    whole: bool  #: False where there were too many untracked files


def pristine(root: str, checksum: str | None) -> str:
    """Return the path of what a file holds in the repository; empty if that isn't noted."""
    digest = (checksum or "").removeprefix("$sha1$")
    if not re.fullmatch("[0-9a-f]{40}", digest):
        return ""
    return os.path.join(root, ".svn", "pristine", digest[:2], f"{digest}.svn-base")


def look(root: str, notes: Notes, untracked: bool, most: int, whole: Callable[[], Notes]) -> Seen:
    """Return how the files below *root* differ from what *notes* says was checked out; *whole* returns all notes."""
    return _Look(root, notes, untracked, most, whole).seen()


class _Look:
    def __init__(self, root: str, notes: Notes, untracked: bool, most: int, whole: Callable[[], Notes]) -> None:
        self._root = root
        self._notes = notes
        self._untracked = untracked
        self._most = most
        self._whole = whole
        self._count = 0
        self._seen = Seen([], [], [], True)
        self._usual: _Patterns | None = None
        self._modes = self._has_modes()
        #: files that were checked out or will be committed
        self._files = {path: node for path, node in notes.base.items() if node.is_there and node.kind != "dir"}
        self._folders = {path for path, node in notes.base.items() if node.kind == "dir"}
        for path, node in notes.above.items():
            if node.kind == "dir":
                self._folders.add(path)
            elif node.is_there and path not in self._files:
                self._files[path] = node
        self._externals = {path for path, _ in notes.externals}

    def _has_modes(self) -> bool:
        """Tell whether modes mean anything: on some file systems all files can be executed."""
        try:
            return not os.stat(os.path.join(self._root, ".svn", "wc.db")).st_mode & 0o111
        except OSError:
            return True

    def seen(self) -> Seen:
        """Look at all files."""
        waiting: list[tuple[str, bool, _Patterns]] = [("", True, ())]
        files, above = self._files, self._notes.above
        found_here: set[str] = set()
        while waiting:
            folder, is_known, everywhere = waiting.pop()
            try:
                items = entries(os.path.join(self._root, folder), follow=not folder)
            except OSError:
                continue
            if folder and any(name == ".svn" for name, *_ in items):
                if folder not in self._externals:
                    self._seen.nested.append(folder)
                continue
            patterns: tuple[_Patterns, _Patterns] | None = None
            prefix = f"{folder}/" if folder else ""
            for name, mode, size, _, _, modified, _ in items:
                path = prefix + name
                node = files.get(path)
                if node is not None:
                    if (
                        modified // 1000 == node.time and size == node.size
                        and mode & _REGULAR_OR_RUN == stat.S_IFREG and node.properties is None
                        and path not in above
                    ):  # as nearly all are
                        found_here.add(path)
                        continue
                    if not stat.S_ISDIR(mode):
                        self._compare(path, node, _Facts(mode, size, modified // 1000))
                        found_here.add(path)
                        continue
                is_folder = stat.S_ISDIR(mode)
                if is_folder and path in self._folders:
                    if patterns is None and self._untracked:
                        patterns = self._patterns(folder, is_known, everywhere)
                    waiting.append((path, True, patterns[1] if patterns else ()))
                    continue
                if not self._untracked or name in (".svn", ".smt"):
                    continue
                if patterns is None:
                    patterns = self._patterns(folder, is_known, everywhere)
                if is_ignored(name, patterns[0]) or is_ignored(name, patterns[1]):
                    continue
                if is_folder:
                    waiting.append((path, False, patterns[1]))
                else:
                    self._add_untracked(path, mode)
        for path in sorted(files.keys() - found_here):
            if self._was_checked_out(path):
                self._seen.changed.append(ChangedFile(path, "deleted"))
        return self._seen._replace(whole=self._count <= self._most)

    def _add_untracked(self, path: str, bits: int) -> None:
        mode = mode_of(bits)
        if mode:
            self._count += 1
            if self._count <= self._most:
                self._seen.changed.append(ChangedFile(path, "untracked", mode))

    def _patterns(self, folder: str, is_known: bool, everywhere: _Patterns) -> tuple[_Patterns, _Patterns]:
        """Return what is ignored in *folder*, and what is ignored there and below."""
        if self._usual is None:
            self._usual = usual_ignores()
        own = self._properties(folder) if is_known else {}
        below = everywhere or self._usual
        if not folder:
            below = (*below, *_inherited(self._notes.inherited))
        if "svn:global-ignores" in own:
            below = (*below, *ignores(own["svn:global-ignores"]))
        return ignores(own["svn:ignore"]) if "svn:ignore" in own else (), below

    def _properties(self, path: str) -> dict[str, bytes]:
        """Return the properties of *path* as they are now."""
        node = self._notes.above.get(path) or self._notes.base.get(path)
        return properties(self._notes.properties.get(path) or (node.properties if node else None))

    def _was_checked_out(self, path: str) -> bool:
        node = self._notes.base.get(path)
        return node is not None and node.is_there and node.kind != "dir"

    def _compare(self, path: str, node: Node, facts: "_Facts") -> None:
        """Note how a file that is there has changed."""
        mode = mode_of(facts.mode)
        if not self._was_checked_out(path):
            if mode:
                self._seen.changed.append(ChangedFile(path, "added", mode))
            return
        if mode is None:  # a pipe, or the like, in its place
            self._seen.changed.append(ChangedFile(path, "deleted"))
            return
        has = properties(node.properties)
        is_same = path not in self._notes.above and (mode == "120000") == ("svn:special" in has)
        if is_same and not (node.size == facts.size and node.time == facts.time):
            is_same = self._is_same(path, node, facts)
        if not is_same:
            self._seen.changed.append(ChangedFile(path, "modified", mode))
        elif self._modes and mode != "120000" and (mode == "100755") != ("svn:executable" in has):
            self._seen.changed.append(ChangedFile(path, "modified", mode))
            self._seen.modes.append(path)

    def _is_same(self, path: str, node: Node, facts: "_Facts") -> bool:
        """Tell whether a file has the content that was checked out."""
        where = os.path.join(self._root, path)
        node = node if node.checksum else self._whole().base.get(path, node)
        try:
            if stat.S_ISLNK(facts.mode):
                return _sha1(b"link " + os.fsencode(os.readlink(where))) == node.checksum
            form = form_of(properties(node.properties))
            if form.eol is None and not form.keywords:
                return node.size in (None, -1, facts.size) and _sha1_of(where) == node.checksum
            with open_file(where) as file:
                return _sha1(form.plain(file.read())) == node.checksum
        except OSError:
            return False


def _inherited(data: bytes | None) -> _Patterns:
    """Return what is ignored because of folders around the top one."""
    try:
        items = skel(data) if data else []
    except ValueError:
        return ()
    found: list[re.Pattern[str]] = []
    for pairs in items[1::2]:
        if isinstance(pairs, list):
            values = dict(zip(map(_word, pairs[0::2]), map(_word, pairs[1::2]), strict=False))
            found += ignores(values.get(b"svn:global-ignores", b""))
    return tuple(found)


def _word(item: object) -> bytes:
    return item if isinstance(item, bytes) else b""


def _sha1(content: bytes) -> str:
    return f"$sha1${hashlib.sha1(content, usedforsecurity=False).hexdigest()}"


def _sha1_of(path: str) -> str:
    with open_file(path) as file:
        return "$sha1$" + hashlib.file_digest(file, "sha1").hexdigest()


