"""The program that asks breezy, in a process of its own.

Sumatra starts this file with a Python that has breezy, and doesn't import it.  It loads no plug-in and no
configuration, is kept from writing, from starting programs and from talking to others by ``_process_guard``, and says
so before it is asked anything.  A question is a line of JSON; the answer comes in frames: a letter, the length in eight
bytes, and the content.  ``f`` is a content, ``r`` ends an answer with a result in JSON, ``e`` with what went wrong.
"""

from __future__ import annotations  # breezy may be of an older Python than ours

import sys

sys.path[:1] = []  # the folder of this file: its neighbours aren't for breezy to find

import contextlib  # noqa: E402
import importlib.util  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import re  # noqa: E402
import stat  # noqa: E402
import struct  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_HELLO = "guarded by sumatra"
_AT_ONCE = 200  # contents held in memory
_LARGEST = 1_000_000  # bytes of a file in a patch
_LONGEST = 16_000_000  # bytes of a patch
_ABBREVIATED = 12  # letters, at least
_CUT = b"\n[cut here: the patch is too long]\n"


class UnknownVersionError(Exception):
    """A name that doesn't mean a version."""


def set_up() -> None:
    """Load breezy without anything that a user or a stranger has told it to load or to heed, and be guarded."""
    import breezy
    import breezy.bzr
    import breezy.ui
    from breezy import branch, config, controldir, hooks, repository, revision, transport, urlutils  # noqa: F401
    from breezy.bzr import bzrdir  # noqa: F401
    from breezy.bzr.bundle import serializer  # noqa: F401

    breezy.initialize(setup_ui=False)
    breezy.ui.ui_factory = breezy.ui.SilentUIFactory()
    with contextlib.suppress(AttributeError):
        config.bedding.authentication_config_path = lambda: os.environ.get("SMT_BRZ_AUTHENTICATION") or os.devnull


def guard() -> None:
    """Be kept from what isn't to be done."""
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_process_guard.py")
    spec = importlib.util.spec_from_file_location("smt_process_guard", beside)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]  # the file is there
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    writable = [os.fsencode(path) for path in json.loads(os.environ.get("SMT_BRZ_WRITES") or "[]")]
    module.watch(writable, os.fsencode(os.environ.get("SMT_BRZ_ALLOWS", "")).split(), "breezy")


# Opening


def control(place: str) -> Any:
    """Return the control directory at *place*: Bazaar's, and of no other system."""
    from breezy import transport, urlutils
    from breezy.bzr import BzrProber, RemoteBzrProber
    from breezy.controldir import ControlDir

    is_url = "://" in place
    there = transport.get_transport(place if is_url else urlutils.local_path_to_url(place))
    return ControlDir.open_from_transport(there, probers=[RemoteBzrProber, BzrProber] if is_url else [BzrProber])


@contextlib.contextmanager
def opened(root: str) -> Iterator[Any]:
    """Yield the branch of the working tree *root*, locked for reading, which leaves no trace."""
    branch = control(root).open_branch()
    with branch.lock_read():
        yield branch


def version_of(branch: Any, name: str) -> bytes:
    """Return the identifier of the version *name*: an identifier or its end, a revision number, or a tag."""
    known = branch.repository
    kind, _, rest = name.partition(":")
    found = _by_id(branch, name)
    if found is None and kind == "before":
        parents = known.get_parent_map([child := version_of(branch, rest)]).get(child, ())
        found = parents[0] if parents else None
    elif found is None and kind in _BY_KIND:
        found = _BY_KIND[kind](branch, rest)
    for find in (_by_number, _by_tag, _by_end) if found is None else ():
        found = found or find(branch, name)
    if found is None or found == b"null:" or not known.has_revision(found):
        raise UnknownVersionError
    return bytes(found)


def _by_id(branch: Any, name: str) -> bytes | None:
    identifier = name.encode("utf-8", "surrogateescape")
    return identifier if branch.repository.has_revision(identifier) else None


def _by_number(branch: Any, name: str) -> bytes | None:
    from breezy import errors

    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9}){0,20}", name) or not name.strip("0"):
        return None
    numbers = tuple(map(int, name.split(".")))
    try:
        if len(numbers) == 1:
            return bytes(branch.get_rev_id(numbers[0]))
        return bytes(branch.dotted_revno_to_revision_id(numbers))
    except errors.BzrError:
        return None


def _by_last(branch: Any, name: str) -> bytes | None:
    if not re.fullmatch(r"[1-9][0-9]{0,8}", name):
        return None
    number = branch.revno() + 1 - int(name)
    return _by_number(branch, str(number)) if number > 0 else None


def _by_tag(branch: Any, name: str) -> bytes | None:
    found = branch.tags.get_tag_dict().get(name) if branch.supports_tags() else None
    return None if found is None else bytes(found)


def _by_end(branch: Any, name: str) -> bytes | None:
    """Return the only version whose identifier ends in *name*."""
    if len(name) < _ABBREVIATED or not re.fullmatch(r"[A-Za-z0-9-]+", name):
        return None
    ending = name.encode("ascii")
    found = [identifier for identifier in branch.repository.all_revision_ids() if identifier.endswith(ending)]
    return found[0] if len(found) == 1 else None


_BY_KIND: dict[str, Callable[[Any, str], bytes | None]] = {
    "revid": _by_id, "tag": _by_tag, "revno": _by_number, "last": _by_last,
}


# What can be asked


def revision(root: str, name: str) -> dict[str, Any]:
    """Return who made the version *name* when and why."""
    with opened(root) as branch:
        identifier = version_of(branch, name)
        found = branch.repository.get_revision(identifier)
        return {
            "version": identifier.decode("utf-8"), "authors": list(found.get_apparent_authors()),
            "time": found.timestamp, "zone": found.timezone or 0, "message": found.message,
        }


def files_of(branch: Any, identifier: bytes) -> tuple[dict[str, list[Any]], list[list[str]]]:
    """Return mode, file identifier, version and target of all files and links, and the trees in the tree."""
    tree = branch.repository.revision_tree(identifier)
    files: dict[str, list[Any]] = {}
    nested = []
    with tree.lock_read():
        for path, entry in tree.iter_entries_by_dir():
            if entry.kind in ("file", "symlink"):
                mode = "120000" if entry.kind == "symlink" else "100755" if entry.executable else "100644"
                files[path] = [mode, entry.file_id.decode("utf-8"), entry.revision.decode("utf-8"),
                               entry.symlink_target if entry.kind == "symlink" else None]
            elif entry.kind == "tree-reference":
                nested.append([path, entry.reference_revision.decode("utf-8")])
            elif entry.kind != "directory":
                files[path] = [entry.kind, "", "", None]
    return files, nested


def tree(root: str, name: str) -> dict[str, Any]:
    """Return the files of the version *name*."""
    with opened(root) as branch:
        identifier = version_of(branch, name)
        files, nested = files_of(branch, identifier)
        return {
            "version": identifier.decode("utf-8"), "files": [[path, *facts] for path, facts in files.items()],
            "nested": nested,
        }


def texts_of(repository: Any, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
    """Return the contents that *keys*, pairs of file identifier and version, name."""
    wanted = [(file.encode("utf-8"), version.encode("utf-8"), (file, version)) for file, version in set(keys)]
    return {key: b"".join(pieces) for key, pieces in repository.iter_files_bytes(wanted)}


def contents(root: str, keys: list[list[str]]) -> None:
    """Send the contents that *keys* name, in their order."""
    with opened(root) as branch:
        for start in range(0, len(keys), _AT_ONCE):
            some = [(file, version) for file, version in keys[start:start + _AT_ONCE]]
            found = texts_of(branch.repository, some)
            for key in some:
                send(b"f", found[key])


def content(root: str, name: str, path: str) -> bool:
    """Send what the file or link *path* of the version *name* holds, and tell whether there is one."""
    with opened(root) as branch:
        tree = branch.repository.revision_tree(version_of(branch, name))
        with tree.lock_read():
            kind = tree.kind(path) if tree.is_versioned(path) else None
            if kind == "file":
                send(b"f", tree.get_file_text(path))
            elif kind == "symlink":
                send(b"f", tree.get_symlink_target(path).encode("utf-8", "surrogateescape"))
            return kind in ("file", "symlink")


def ignored(patterns: list[str], paths: list[str]) -> list[bool]:
    """Tell which of *paths* Bazaar ignores because of *patterns*."""
    from breezy import globbing

    matcher = globbing.ExceptionGlobster([globbing.normalize_pattern(pattern) for pattern in patterns])
    return [matcher.match(path) is not None for path in paths]


def patch(root: str, one: str | None, other: str | None, paths: list[str] | None) -> None:
    """Send what leads from version *one* to *other*; without those: from nothing, to the files *paths* as they lie."""
    left = _LONGEST
    for piece in _patches(root, one, other, paths):
        send(b"f", piece[:left])
        left -= len(piece)
        if left <= 0:
            send(b"f", _CUT)
            return


def _patches(root: str, one: str | None, other: str | None, paths: list[str] | None) -> Iterator[bytes]:
    with opened(root) as branch:
        def files_at(name: str | None) -> dict[str, list[Any]]:
            return {} if name is None else files_of(branch, version_of(branch, name))[0]

        before = files_at(one)
        after: dict[str, list[Any]] = {} if paths is not None else files_at(other)
        changed = paths if paths is not None else sorted(
            path for path in {*before, *after} if before.get(path) != after.get(path)
        )
        for path in changed:
            old = _committed(branch.repository, before.get(path))
            new = _on_disk(os.path.join(root, path)) if paths is not None else _committed(
                branch.repository, after.get(path)
            )
            if old != new:
                yield _patch(path, old, new)


def _committed(repository: Any, facts: list[Any] | None) -> tuple[str, bytes] | None:
    if facts is None:
        return None
    mode, file, version, target = facts
    if target is not None:
        return mode, target.encode("utf-8", "surrogateescape")
    return mode, texts_of(repository, [(file, version)])[(file, version)]


def _on_disk(path: str) -> tuple[str, bytes] | None:
    try:
        bits = os.lstat(path).st_mode
        if stat.S_ISLNK(bits):
            return "120000", os.fsencode(os.readlink(path))
        if not stat.S_ISREG(bits):
            return None
        with open(path, "rb") as file:
            return "100755" if bits & stat.S_IXUSR else "100644", file.read(_LARGEST + 1)
    except OSError:
        return None


def _patch(path: str, old: tuple[str, bytes] | None, new: tuple[str, bytes] | None) -> bytes:
    from breezy.diff import unified_diff_bytes
    from patiencediff import PatienceSequenceMatcher

    name = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in path)
    shown = name.encode("utf-8", "backslashreplace")
    lines = [b"=== " + shown + b"\n"]
    if old is None:
        lines.append(b"new file mode " + (new or ("", b""))[0].encode() + b"\n")
    elif new is None:
        lines.append(b"deleted file mode " + old[0].encode() + b"\n")
    elif old[0] != new[0]:
        lines.append(f"old mode {old[0]}\nnew mode {new[0]}\n".encode())
    texts = [held[1] if held else b"" for held in (old, new)]
    labels = [side + shown if held else b"/dev/null" for side, held in ((b"a/", old), (b"b/", new))]
    if any(b"\0" in text[:8192] or len(text) > _LARGEST for text in texts):
        lines.append(b"Binary or large files " + b" and ".join(labels) + b" differ\n")
    else:
        split = [text.splitlines(keepends=True) if b"\r" not in text else re.findall(rb"[^\n]*\n|[^\n]+", text)
                 for text in texts]
        hunks = list(unified_diff_bytes(
            *split, *(label + b"\t" if b" " in label else label for label in labels),
            sequencematcher=PatienceSequenceMatcher,
        ))
        if len(hunks) > 2 and b"" in texts:  # where there are no lines, none comes first
            hunks[2] = hunks[2].replace(b"-1,0 ", b"-0,0 ").replace(b"+1,0 ", b"+0,0 ")
        lines += [
            line if line.endswith(b"\n") else line + b"\n\\ No newline at end of file\n"
            for line in hunks
        ]
    return b"".join(lines)


def holds(place: str, version: str) -> bool:
    """Tell whether the branch at *place* has *version* in its history."""
    with opened(place) as branch:
        identifier = version.encode("utf-8")
        if not branch.repository.has_revision(identifier):
            return False
        tip = branch.last_revision()
        return bool(tip == identifier or branch.repository.get_graph().is_ancestor(identifier, tip))


# Making


def bundle(root: str, version: str, path: str) -> None:
    """Write *version* and its history into the new file *path*."""
    from breezy.bzr.bundle.serializer import write_bundle

    with opened(root) as branch, open(path, "xb") as file:
        write_bundle(branch.repository, version_of(branch, version), b"null:", file)


def sprout(url: str, folder: str) -> str | None:
    """Make a branch of *url* in *folder*, without files, and return its version."""
    from breezy import urlutils

    source = control(url)
    branch = source.open_branch()
    made = branch.controldir.sprout(
        urlutils.local_path_to_url(folder), source_branch=branch, create_tree_if_local=False, force_new_repo=True,
        recurse="none",
    ).open_branch()
    return _tip(made)


def unbundle(path: str, version: str, folder: str) -> None:
    """Make a branch in *folder*, without files, that ends with the *version* of the bundle *path*."""
    from breezy import urlutils
    from breezy.bzr.bundle.apply_bundle import install_bundle
    from breezy.bzr.bundle.serializer import read_bundle
    from breezy.controldir import ControlDir, format_registry

    with open(path, "rb") as file:
        found = read_bundle(file)
        branch = ControlDir.create_branch_convenience(
            urlutils.local_path_to_url(folder), force_new_repo=True, force_new_tree=False,
            format=format_registry.make_controldir("bzr"),
        )
        install_bundle(branch.repository, found)
    identifier = version.encode("utf-8")
    if not branch.repository.has_revision(identifier):
        raise UnknownVersionError
    with branch.lock_write():
        branch.generate_revision_history(identifier)


def build(folder: str) -> None:
    """Write the files of the last version of the branch in *folder*, which are known to stay inside."""
    control(folder).create_workingtree()


def _tip(branch: Any) -> str | None:
    tip = branch.last_revision()
    return None if tip == b"null:" else tip.decode("utf-8")


_DEEDS: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (revision, tree, content, contents, ignored, patch, holds, bundle, sprout, unbundle, build)
}


# The conversation


def send(kind: bytes, content: bytes) -> None:
    """Send a frame."""
    _OUTPUT.write(struct.pack(">cQ", kind, len(content)) + content)


def answer(question: dict[str, Any]) -> None:
    """Do what *question* asks, and send what comes out."""
    try:
        result = _DEEDS[question.pop("deed")](**question)
        send(b"r", json.dumps(result).encode("ascii"))
    except UnknownVersionError:
        send(b"e", json.dumps(["unknown", "there is no such version"]).encode("ascii"))
    except Exception as error:  # noqa: BLE001  whatever breezy stumbles over, we go on
        lines = [line for line in str(error).splitlines() if line.strip()]
        said = lines[0] if lines else type(error).__name__
        send(b"e", json.dumps([type(error).__name__, said]).encode("ascii"))
    _OUTPUT.flush()


if __name__ == "__main__":
    _INPUT = os.fdopen(os.dup(0), "rb")
    _OUTPUT = os.fdopen(os.dup(1), "wb")
    for _descriptor in (0, 1):  # whatever breezy prints or asks, it isn't a part of the conversation
        os.dup2(os.open(os.devnull, os.O_RDWR), _descriptor)
    sys.path[:0] = sys.argv[1:2]
    set_up()
    guard()
    send(b"r", json.dumps(_HELLO).encode("ascii"))
    _OUTPUT.flush()
    for _line in _INPUT:
        answer(json.loads(_line))
    os._exit(0)
