"""The files of a version, as git has stored them: no filter is run, nothing is fetched, nothing is written."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import IO, NamedTuple

from sumatra.errors import VersionControlError
from sumatra.files import digest_file
from sumatra.versioncontrol import _git_program
from sumatra.versioncontrol._export import Tree, TreeFile
from sumatra.versioncontrol._git_program import Git
from sumatra.versioncontrol._text import listing, printable

__all__ = ["contents", "read"]

_DEEPEST = 20  # submodules in submodules
_PIECE = 1 << 20  # bytes
_LONGEST_POINTER = 1024  # bytes
_POINTER = rb"version https://(?:git-lfs|hawser)\.github\.com/spec/v1\n(?:ext-.*\n){0,9}oid sha256:([0-9a-f]{64})\n"
_CONVERTED = rb"(?m)^[^#\n]*\s(?:eol=crlf|working-tree-encoding=|ident(?:\s|$))"


class _Blob(NamedTuple):
    """Where the content of a file is."""

    git: Git
    name: str  #: of the object
    path: str = ""  #: of the file in which Git LFS keeps it, or empty


class _Entry(NamedTuple):
    mode: str
    name: str
    path: str


def read(git: Git, commit: str, submodules: Mapping[str, str | None]) -> Tree:
    """Return the files of *commit* (a full name), and of the submodules that it names."""
    notes: list[str] = []
    return Tree(_read(git, commit, submodules, "", notes, 0), tuple(notes))


def _read(
    git: Git, commit: str, submodules: Mapping[str, str | None], prefix: str, notes: list[str], depth: int
) -> list[TreeFile]:
    entries = list(_entries(git.say("ls-tree", "-r", "-z", "--full-tree", commit)))
    plain = [entry for entry in entries if entry.mode != "160000"]
    plain, absent = _present(git, plain)
    if absent:
        notes.append(
            f"files that this partial clone doesn't have are left out ({len(absent)} in all):"
            f" {listing(prefix + path for path in absent)}"
        )
    large = _kept_by_lfs(git, plain, prefix, notes)
    files = [
        TreeFile(prefix + entry.path, entry.mode, _Blob(git, entry.name, large.get(entry.name, ""))) for entry in plain
    ]
    inner = [entry for entry in entries if entry.mode == "160000"]
    named = _names_of_submodules(git, commit) if inner else {}
    for entry in inner:
        files += _submodule(git, entry, named.get(entry.path), submodules, prefix, notes, depth + 1)
    return files


def _entries(output: bytes) -> Iterator[_Entry]:
    for item in output.split(b"\0")[:-1]:
        facts, _, path = item.partition(b"\t")
        mode, _, name = facts.decode().split(" ")
        yield _Entry("100644" if mode == "100664" else mode, name, os.fsdecode(path))


def _present(git: Git, entries: list[_Entry]) -> tuple[list[_Entry], list[str]]:
    """Return the entries whose content is here, and the paths of the others; in an ordinary clone nothing is asked."""
    promised = any(key.startswith("remote.") and key.endswith(".promisor") for key in git.settings)
    if not (promised or "extensions.partialclone" in git.settings):
        return entries, []
    wanted = {entry.name.encode() for entry in entries}
    # To be asked for an object that isn't here, git (before 2.45) takes for an order to fetch it, so all are listed.
    with git.listen("cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objectname)") as answer:
        present = {line.rstrip(b"\n").decode() for line in answer if line.rstrip(b"\n") in wanted}
    absent = [entry.path for entry in entries if entry.name not in present]
    return [entry for entry in entries if entry.name in present], absent


def _kept_by_lfs(git: Git, entries: list[_Entry], prefix: str, notes: list[str]) -> dict[str, str]:
    """Return where Git LFS keeps what some of *entries* only point to, by the names of their objects."""
    attributes = [entry.name for entry in entries if entry.path.rpartition("/")[2] == ".gitattributes"]
    texts = _small(git, attributes)
    if any(re.search(_CONVERTED, text) for text in texts.values()):
        notes.append("line ends, encodings and keywords, which git converts in checkouts, are as they are stored")
    if not any(b"filter=lfs" in text for text in texts.values()):
        return {}
    folder = os.path.join(_common_folder(git), "lfs", "objects")
    found: dict[str, str] = {}
    missing = []
    regular = {entry.name: entry.path for entry in entries if entry.mode != "120000"}
    for name, text in _small(git, list(regular)).items():
        pointer = re.match(_POINTER, text)
        if pointer:
            oid = pointer[1].decode()
            path = os.path.join(folder, oid[:2], oid[2:4], oid)
            if digest_file(path).digest == f"sha256:{oid}":
                found[name] = path
            else:
                missing.append(prefix + regular[name])
    if missing:
        notes.append(f"of files in Git LFS that aren't in this clone, only the pointers are there: {listing(missing)}")
    return found


def _common_folder(git: Git) -> str:
    folder = os.fsdecode(git.say("rev-parse", "--git-common-dir").rstrip(b"\n"))
    return os.path.join(git.root, folder)


def _small(git: Git, names: Sequence[str]) -> dict[str, bytes]:
    """Return the content of those of the objects *names* that are small."""
    if not names:
        return {}
    question = "".join(f"{name}\n" for name in dict.fromkeys(names)).encode()
    sizes = git.say("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=question).decode().split("\n")
    small = [name for name, _, size in (line.partition(" ") for line in sizes) if size.isdigit()
             and int(size) <= 64 * _LONGEST_POINTER]
    found: dict[str, bytes] = {}
    with git.listen("cat-file", "--batch", stdin="".join(f"{name}\n" for name in small).encode()) as answer:
        for name in small:
            found[name] = b"".join(_content(answer, name))
    return found


def _names_of_submodules(git: Git, commit: str) -> dict[str, str]:
    """Return the names of submodules, by which git keeps their repositories, by their paths."""
    answer = git.ask("config", "--blob", f"{commit}:.gitmodules", "--no-includes", "--list", "-z")
    found = {}
    for item in os.fsdecode(answer.output).split("\0")[:-1]:
        key, _, value = item.partition("\n")
        if key.startswith("submodule.") and key.endswith(".path"):
            found[value] = key[len("submodule."):-len(".path")]
    return found


def _submodule(
    git: Git, entry: _Entry, name: str | None, submodules: Mapping[str, str | None], prefix: str, notes: list[str],
    depth: int,
) -> list[TreeFile]:
    path = prefix + entry.path
    commit = submodules.get(path, entry.name)
    if commit is None:
        notes.append(f"the submodule {printable(path)} was at a version that isn't known; it is as the outer one says")
        commit = entry.name
    if depth > _DEEPEST:
        notes.append(f"the submodule {printable(path)} lies too deep to be looked at")
        return []
    for folder in _places(git, entry.path, name):
        try:
            inner = _git_program.start(folder)
            full = inner.ask("rev-parse", "--quiet", "--verify", "--end-of-options", commit + "^{commit}")
            if full.status == 0:
                return _read(inner, full.output.decode().strip(), submodules, path + "/", notes, depth)
        except VersionControlError:
            continue
    notes.append(f"the submodule {printable(path)} at {printable(commit)} isn't to be had here and is left out")
    return []


def _places(git: Git, path: str, name: str | None) -> Iterator[str]:
    """Yield the folders in which a submodule's repository may be: its checkout, or where git keeps it meanwhile."""
    folder = os.path.join(git.root, path)
    real = os.path.realpath(git.root)
    if os.path.realpath(folder) == os.path.join(real, path) and os.path.lexists(os.path.join(folder, ".git")):
        yield folder
    if name and not os.path.isabs(name) and ".." not in name.split("/"):
        kept = os.path.join(_common_folder(git), "modules", name)
        if os.path.isfile(os.path.join(kept, "HEAD")):
            yield kept


def contents(files: Sequence[TreeFile]) -> Iterator[Iterable[bytes]]:
    """Yield the content of each of *files*."""
    for _, group in groupby(files, key=lambda file: id(_blob(file).git)):
        together = list(group)
        yield from _from_one(_blob(together[0]).git, together)


def _blob(file: TreeFile) -> _Blob:
    if not isinstance(file.key, _Blob):
        raise TypeError("not a file of a git repository")
    return file.key


def _from_one(git: Git, files: Sequence[TreeFile]) -> Iterator[Iterable[bytes]]:
    stored = [_blob(file).name for file in files if not _blob(file).path]
    question = "".join(f"{name}\n" for name in stored).encode()
    with git.listen("cat-file", "--batch", "--buffer", stdin=question) as answer:
        for file in files:
            blob = _blob(file)
            if blob.path:
                with open(os.open(blob.path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as kept:
                    yield iter(partial(kept.read, _PIECE), b"")
            else:
                pieces = _content(answer, blob.name)
                yield pieces
                for _ in pieces:  # what the caller didn't want to have
                    pass


def _content(answer: IO[bytes], name: str) -> Iterator[bytes]:
    """Yield the next content that ``git cat-file --batch`` prints, in pieces."""
    header = answer.readline(1000).decode("utf-8", "replace").split()
    if len(header) != 3 or header[1] != "blob":
        raise VersionControlError(f"git doesn't have the object {name}", "git fsck may say more")
    left = int(header[2])
    while left:
        piece = answer.read(min(left, _PIECE))
        if not piece:
            raise VersionControlError(f"git stopped in the middle of the object {name}", "git fsck may say more")
        left -= len(piece)
        yield piece
    answer.read(1)
