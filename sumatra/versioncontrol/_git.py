"""Git, through its own program.

Nothing that the repository names is started (see ``_git_program``), and nothing in it is written: no lock is taken,
and the index isn't refreshed.  Git isn't let into submodules, because it would read their configuration without our
settings; each is looked into as a working copy of its own.
"""

import os
import re
import shlex
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Self, TypeVar

from sumatra.errors import VersionControlError
from sumatra.facts import replace
from sumatra.files import write_atomically
from sumatra.records import Repository
from sumatra.versioncontrol import _git_program
from sumatra.versioncontrol._addresses import protocol_of
from sumatra.versioncontrol._git_program import Git
from sumatra.versioncontrol._git_status import Index, Seen, read_commit, read_index, read_status
from sumatra.versioncontrol._text import listing, printable
from sumatra.versioncontrol._urls import scrub, scrub_text
from sumatra.versioncontrol.base import ChangedFile, Revision, Status, WorkingCopy

if TYPE_CHECKING:
    from sumatra.versioncontrol._export import Tree, TreeFile

__all__ = ["BACKEND", "GitWorkingCopy"]

_First = TypeVar("_First")
_Second = TypeVar("_Second")

#: Beyond this many, untracked files are not listed.
MOST_UNTRACKED = 100_000
_MOST_OUTPUT = 24_000_000  # bytes of a status with untracked files
_MOST_DIFF = 16_000_000  # bytes
_DEEPEST = 20  # submodules in submodules

_EMPTY_TREE = {
    "sha1": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "sha256": "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
_WHOLE = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # a commit by its whole name
_PROTOCOLS = ("file", "git", "http", "https", "ssh")


class GitWorkingCopy(WorkingCopy):
    """The working tree of a git repository, also a linked one or that of a submodule."""

    name = "git"

    def __init__(self, root: str, git: Git) -> None:
        super().__init__(root)
        self._git = git
        self._current: str | None = None  #: the version at the last look
        self._listed: bytes | None = None  #: the index as it was when it was last looked at

    @classmethod
    def create(cls, root: str) -> Self:
        """Return the working copy at *root*, or raise `VersionControlError`."""
        root = os.path.abspath(root)
        if not os.path.lexists(os.path.join(root, ".git")):
            if os.path.isfile(os.path.join(root, "HEAD")) and os.path.isdir(os.path.join(root, "objects")):
                raise _bare(root)
            raise VersionControlError(f"there is no git working copy in {root}", "git init")
        git = _git_program.start(root)
        folder = _git_folder(root)
        if git.is_on("core.bare") and not (folder and os.path.exists(os.path.join(folder, "commondir"))):
            raise _bare(root)
        if "core.repositoryformatversion" not in git.settings or ":" in os.path.dirname(root):
            # Either git found no repository here, or it may have found one above: a ceiling can't be told with colons.
            found = os.fsdecode(git.say("rev-parse", "--absolute-git-dir").rstrip(b"\n"))
            if os.path.realpath(found) != os.path.realpath(folder or root):
                raise _git_program.no_repository(root)
        return cls(root, git)

    def repository(self) -> Repository:
        """Return where the code comes from; the upstream is that of the branch, else ``origin``."""
        branch = self._branch()
        return Repository(type="git", url=self.root, upstream=self._upstream(branch), root=self.root, branch=branch)

    def status(self, *, untracked: bool = True) -> Status:
        """Return version, branch and changed files, also those of submodules; nothing is written."""
        return self._status(untracked, depth=0)

    def diff(self) -> str:
        """Return the changes of tracked files, also in submodules, as a patch with the content of text files.

        Files above 1 MB count as binary; beyond 16 MB the patch is cut, and says so.
        """
        return "".join(self._diffs("", depth=0))

    def content(self, path: str, version: str | None = None) -> bytes:
        """Return what *path* holds at *version* (anything that names a commit), as stored: without filters."""
        version = _plain(version or "HEAD")
        inside = self._inside(path)
        if inside is None:
            raise VersionControlError(f"{printable(path)} lies outside of {self.root}")
        answer = self._git.ask("cat-file", "blob", os.fsencode(f"{version}:{inside}"))
        if answer.status == 0:
            return answer.output
        prefix, inner = self._submodule_around(inside)
        if inner:
            commit = self._git.say("rev-parse", "--verify", "--end-of-options", os.fsencode(f"{version}:{prefix}"))
            return inner.content(inside[len(prefix) + 1:], commit.decode().strip())
        known = self._git.ask("rev-parse", "--quiet", "--verify", os.fsencode(f"{version}:{inside}")).status == 0
        if known and self._git.ask("cat-file", "-e", os.fsencode(f"{version}:{inside}")).status != 0:
            raise VersionControlError(
                f"the content of {printable(inside)} in version {version} isn't in this clone of a repository",
                "git checkout or git show fetches it, if it is a partial clone",
            )
        raise VersionControlError(f"there is no file {printable(inside)} in version {version} of {self.root}")

    def contains(self, path: str) -> bool:
        """Tell whether *path* is a file in the index, or in that of a submodule."""
        inside = self._inside(path)
        if inside is None:
            return False
        answer = self._git.ask("ls-files", "-z", "--", inside)
        if answer.status == 0 and answer.output.startswith(os.fsencode(inside) + b"\0"):
            return True
        prefix, inner = self._submodule_around(inside)
        return inner is not None and inner.contains(inside[len(prefix) + 1:])

    def tracked(self, paths: Iterable[str]) -> set[str]:
        """Return those of *paths* that are files in the index, or in that of a submodule.

        It is the index as it was at the last `status`, if that has been asked for.
        """
        asked = list(paths)
        if self._listed is None:
            self._index()
        names = (entry.partition(b"\t")[2] for entry in (self._listed or b"").split(b"\0"))
        found = set(map(os.fsdecode, names))
        found &= set(asked)
        if len(found) < len(asked) and os.path.lexists(os.path.join(self.root, ".gitmodules")):
            found.update(path for path in asked if path not in found and self.contains(path))
        return found

    def user(self) -> str:
        """Return ``user.name`` and ``user.email`` of the configuration, as far as they are set."""
        name, address = self._git.setting("user.name"), self._git.setting("user.email")
        return printable(f"{name} <{address}>".lstrip() if address else name)

    @classmethod
    def checkout(cls, url: str, folder: str) -> Self:
        """Return a clone of *url* in *folder*, made without hooks, templates, filters and submodules."""
        from sumatra.versioncontrol import _new_folder

        address = _address(url)
        folder = os.path.abspath(folder)
        _new_folder.is_there(folder)
        git = _git_program.start(os.path.abspath(os.sep), _PROTOCOLS, writes=True)
        answer = git.ask(
            "clone", "--quiet", "--template=", "--no-recurse-submodules", "--no-local", "--", address, folder,
            timeout=24 * 3600.0,
        )
        if answer.status != 0:
            said = scrub_text(git.said(answer).replace(url, scrub(url)))
            raise VersionControlError(f"{printable(scrub(url))} can't be cloned: {said}", "check address and access")
        return cls.create(folder)

    def resolve(self, name: str) -> str:
        """Return the full name of the commit that *name* means, in git's words for it (``main~2``, a tag …)."""
        answer = self._git.ask("rev-parse", "--quiet", "--verify", "--end-of-options", _plain(name) + "^{commit}")
        if answer.status != 0:
            raise VersionControlError(
                f"there is no version {printable(name)!r} in {self.root}, or its name is ambiguous", "git log --all"
            )
        return answer.output.decode().strip()

    def revision(self, version: str | None = None) -> Revision:
        """Return who made *version* when and why; neither signatures nor ``.mailmap`` are looked at."""
        full = self.resolve(version or "HEAD")
        return read_commit(full, self._git.say("cat-file", "commit", full))

    def difference(self, one: str, other: str) -> str:
        """Return what leads from *one* to *other*; as in `diff`, large files and long patches are cut."""
        return self._patch("diff-tree", "-r", self.resolve(one), self.resolve(other))

    def is_pushed(self, version: str | None = None) -> bool | None:
        """Tell whether a branch of a remote has *version*, as far as the last fetch or push knows; no remote is asked.

        Return None if there is no remote, or no commit yet.
        """
        if version is None and self.version() is None:
            return None
        is_alone = not any(re.fullmatch(r"remote\..+\.url", key, re.DOTALL) for key in self._git.settings)
        if is_alone and version is not None and version == self._current:
            return None
        full = version if version and _WHOLE.fullmatch(version) and not is_alone else self.resolve(version or "HEAD")
        if is_alone:
            return None
        # for-each-ref --contains takes a hundred times as long where there is much history.
        answer = self._git.ask("rev-list", "--max-count=1", "--not", "--remotes", "--not", full, "--")
        if answer.status != 0:
            self.resolve(full)  # says so if there is no such version
            raise self._git.trouble(answer)
        return not answer.output

    def tree(self, version: str, submodules: Mapping[str, str | None]) -> "Tree":
        """Return the files of *version*, with those of submodules; of Git LFS the contents that are kept here."""
        from sumatra.versioncontrol import _git_tree

        return _git_tree.read(self._git, self.resolve(version), submodules)

    def contents(self, files: "Sequence[TreeFile]") -> Iterator[Iterable[bytes]]:
        """Yield what git, or Git LFS, has stored."""
        from sumatra.versioncontrol import _git_tree

        return _git_tree.contents(files)

    def stand_in(self, version: str, folder: str) -> bool:
        own = os.path.join(self.root, ".git")
        if os.path.islink(own) or not os.path.isdir(own):
            return False  # what belongs to it lies elsewhere
        full = self.resolve(version)
        inside = os.path.join(folder, ".git")
        os.mkdir(inside)
        index = os.path.join(inside, "index")
        git = replace(self._git, environment={**self._git.environment, "GIT_INDEX_FILE": index})
        git.say("read-tree", full)
        write_atomically(os.path.join(inside, "HEAD"), f"{full}\n".encode(), 0o644)
        return True

    def bundle(self, version: str, path: str) -> None:
        """Write a git bundle of *version* and its history: ``git clone PATH`` reads it.  Submodules aren't in it."""
        from sumatra.versioncontrol import _git_bundle

        _git_bundle.write(self._git, self.resolve(version), path)

    @classmethod
    def unbundle(cls, bundle: str, version: str, folder: str) -> Self:
        """Return a repository in *folder* at *version*, detached, made without hooks, templates and filters."""
        from sumatra.versioncontrol import _git_bundle

        return cls.create(_git_bundle.restore(bundle, version, folder))

    def _status(self, untracked: bool, depth: int) -> Status:
        (seen, notes), index = _both(lambda: self._look(untracked), self._index)
        changed = list(seen.changed)
        self._current = seen.version
        notes += self._doubts(seen, index)
        for path, inner in self._submodules(index):
            if isinstance(inner, str):
                notes.append(inner)
            elif depth == _DEEPEST:
                notes.append(f"the submodule {printable(path)} lies too deep to be looked at")
            else:
                self._add_submodule(path, inner, index.submodules[path], changed, notes, untracked, depth)
        return Status(seen.version, seen.branch, tuple(changed), tuple(notes))

    def _look(self, untracked: bool) -> tuple[Seen, list[str]]:
        words = ["status", "--porcelain=v2", "-z", "--branch", "--no-ahead-behind", "--no-renames",
                 "--ignore-submodules=dirty", f"--untracked-files={'all' if untracked else 'no'}"]
        answer = self._git.ask(*words, most=_MOST_OUTPUT if untracked else None)
        if answer.status != 0 and answer.whole:
            raise self._git.trouble(answer)
        seen = read_status(answer.output, self.root, MOST_UNTRACKED)
        notes = [f"git says: {line}" for line in answer.complaint.splitlines()[:5] if line.startswith("warning: could")]
        if not answer.whole and not seen.untracked:
            seen, notes = self._look(untracked=False)
        if not answer.whole or seen.untracked > MOST_UNTRACKED:
            most = min(seen.untracked, MOST_UNTRACKED)
            notes.append(f"untracked files beyond {most:,} weren't looked at; name folders of data in .gitignore")
        return seen, notes

    def _index(self) -> Index:
        self._listed = self._git.say("ls-files", "--stage", "-v", "-z")
        return read_index(self._listed)

    def _doubts(self, seen: Seen, index: Index) -> Iterator[str]:
        """Yield a sentence for each thing that could not be looked at, or not well."""
        if seen.conflicts:
            yield f"a merge isn't resolved: {listing(seen.conflicts)}"
        if seen.nested:
            yield f"repositories of their own, untracked here, weren't looked into: {listing(seen.nested)}"
        if seen.outside:
            yield f"the index has names that lead out of the working copy: {listing(seen.outside)}"
        if index.unwatched:
            yield f"changes aren't seen in files that are marked assume-unchanged: {listing(index.unwatched)}"
        skipped = [path for path in index.skipped[:10_000] if os.path.lexists(os.path.join(self.root, path))]
        if skipped:
            yield f"changes aren't seen in files that are marked skip-worktree: {listing(skipped)}"
        filtered = self._filtered([change.path for change in seen.changed if change.kind == "modified"])
        if filtered:
            yield (
                "files that go through a filter (as those of Git LFS do) may be called modified when only their time "
                f"stamp is new, because filters aren't run: {listing(filtered)}"
            )
        elsewhere = self._git.setting("core.worktree")
        if elsewhere and not self._is_our_root(elsewhere):
            yield f"the repository names another folder as its working tree (core.worktree), {printable(elsewhere)}"

    def _filtered(self, paths: list[str]) -> list[str]:
        """Return those of *paths* to which a filter is assigned that is configured, and that we don't run."""
        if not (paths and self._git.filters):
            return []
        question = b"".join(os.fsencode(path) + b"\0" for path in paths)
        words = os.fsdecode(self._git.say("check-attr", "-z", "--stdin", "filter", stdin=question)).split("\0")
        return [path for path, value in zip(words[0::3], words[2::3], strict=False) if value in self._git.filters]

    def _is_our_root(self, folder: str) -> bool:
        inside = _git_folder(self.root) or self.root
        return os.path.realpath(os.path.join(inside, folder)) == os.path.realpath(self.root)

    def _submodules(self, index: Index) -> "Iterator[tuple[str, GitWorkingCopy | str]]":
        """Yield path and working copy of each submodule that is there, or a sentence that says why there is none."""
        for path in index.submodules:
            folder = os.path.join(self.root, path)
            if os.path.realpath(folder) != os.path.join(os.path.realpath(self.root), path):
                yield path, f"the submodule {printable(path)} isn't looked into, because a link leads there"
            elif os.path.lexists(os.path.join(folder, ".git")):
                try:
                    yield path, GitWorkingCopy.create(folder)
                except VersionControlError as error:
                    yield path, f"the submodule {printable(path)} can't be read: {error}"
            elif os.path.isdir(folder) and os.listdir(folder):
                yield path, f"the submodule {printable(path)} isn't checked out, but there are files in its place"

    def _add_submodule(
        self, path: str, inner: "GitWorkingCopy", expected: str, changed: list[ChangedFile], notes: list[str],
        untracked: bool, depth: int,
    ) -> None:
        try:
            status = inner._status(untracked, depth + 1)
        except VersionControlError as error:
            notes.append(f"the submodule {printable(path)} can't be read: {error}")
            return
        if status.version != expected:
            notes.append(f"the submodule {printable(path)} is at {status.version or 'no commit'}, not at {expected}")
        notes += [f"in the submodule {printable(path)}, {note}" for note in status.notes]
        for place, change in enumerate(changed):
            if change.path == path and change.mode == "160000":
                changed[place] = change._replace(version=status.version)
        for change in status.changed:
            within = f"{path}/{change.repository}" if change.repository else path
            changed.append(change._replace(path=f"{path}/{change.path}", repository=within))

    def _submodule_around(self, path: str) -> "tuple[str, GitWorkingCopy | None]":
        for prefix, inner in self._submodules(self._index()):
            if path.startswith(prefix + "/") and isinstance(inner, GitWorkingCopy):
                return prefix, inner
        return "", None

    def _diffs(self, prefix: str, depth: int) -> Iterator[str]:
        empty = _EMPTY_TREE[self._git.setting("extensions.objectformat") or "sha1"]
        has_commit = self._git.ask("rev-parse", "--quiet", "--verify", "HEAD").status == 0
        yield self._diff("HEAD" if has_commit else empty, prefix)
        for path, inner in self._submodules(self._index()):
            if isinstance(inner, GitWorkingCopy) and depth < _DEEPEST:
                yield from inner._diffs(f"{prefix}{path}/", depth + 1)

    def _diff(self, base: str, prefix: str) -> str:
        return self._patch("diff-index", f"--src-prefix=a/{prefix}", f"--dst-prefix=b/{prefix}", base)

    def _patch(self, command: str, *words: str) -> str:
        answer = self._git.ask(
            "-c", "core.bigFileThreshold=1m", command, "--patch", "--no-ext-diff", "--no-textconv", "--no-color",
            "--no-renames", "--ignore-submodules=dirty", "--submodule=short", *words, "--", most=_MOST_DIFF,
        )
        if answer.status != 0 and answer.whole:
            raise self._git.trouble(answer)
        patch = answer.output.decode("utf-8", "replace")
        return patch if answer.whole else patch + "\n[cut here: the patch is too long]\n"

    def _branch(self) -> str | None:
        words = _first_line(os.path.join(_git_folder(self.root) or self.root, "HEAD"))
        if not words.startswith(b"ref: refs/heads/") or words.endswith(b"/.invalid"):  # as the reftable format has it
            words = b"ref: " + self._git.ask("symbolic-ref", "--quiet", "HEAD").output.strip()
        name = words.removeprefix(b"ref: refs/heads/").decode("utf-8", "replace")
        return name if words.startswith(b"ref: refs/heads/") else None

    def _upstream(self, branch: str | None) -> str | None:
        settings = self._git.settings
        tracked = self._git.setting(f"branch.{branch}.remote") if branch else ""
        known = [match[1] for match in map(re.compile(r"remote\.(.+)\.url", re.DOTALL).fullmatch, settings) if match]
        for remote in (tracked, "origin", *(known if len(known) == 1 else [])):
            if remote in known:
                url = settings[f"remote.{remote}.url"][0]
                return printable(scrub(_unabbreviated(url, settings))) or None
        return None


def _both(first: Callable[[], _First], second: Callable[[], _Second]) -> tuple[_First, _Second]:
    """Return what *first* and *second* return, each waiting for a program of its own at the same time."""
    results: list[_Second] = []
    errors: list[VersionControlError] = []

    def run() -> None:
        try:
            results.append(second())
        except VersionControlError as error:
            errors.append(error)

    meanwhile = threading.Thread(target=run)
    meanwhile.start()
    try:
        answer = first()
    finally:
        meanwhile.join()
    if errors:
        raise errors[0]
    return answer, results[0]


def _plain(version: str) -> str:
    """Return *version* as git may be given it: nothing in it is an option, a path or a search."""
    if not version or version.startswith("-") or ":" in version or not version.isprintable():
        raise VersionControlError(f"{printable(version)!r} doesn't name a version")
    return version


def _bare(root: str) -> VersionControlError:
    return VersionControlError(
        f"{root} is a bare git repository: it has no working files", f"git clone {shlex.quote(root)}"
    )


def _git_folder(root: str) -> str | None:
    """Return the folder that ``.git`` is or points to, or None."""
    marker = os.path.join(root, ".git")
    if os.path.isdir(marker):
        return marker
    words = _first_line(marker)
    return os.path.join(root, os.fsdecode(words[len("gitdir: "):])) if words.startswith(b"gitdir: ") else None


def _first_line(path: str) -> bytes:
    """Return the first line of a small file, or nothing if it can't be read."""
    try:
        if not os.path.isfile(path):  # a pipe would keep us waiting
            return b""
        with open(path, "rb") as file:
            return file.readline(8192).rstrip(b"\r\n")
    except OSError:
        return b""


def _unabbreviated(url: str, settings: Mapping[str, Sequence[str]]) -> str:
    """Return *url* with its beginning replaced as ``url.….insteadOf`` says; the longest beginning counts."""
    base, longest = "", ""
    for key, starts in settings.items():
        if key.startswith("url.") and key.endswith(".insteadof"):
            for start in starts:
                if url.startswith(start) and len(start) > len(longest):
                    base, longest = key[len("url."):-len(".insteadof")], start
    return base + url[len(longest):]


def _address(url: str) -> str:
    """Return *url* as git may be given it, or raise `VersionControlError` if it could start a program."""
    protocol_of(url, "git repository", "git", _PROTOCOLS, short=True)
    return os.path.abspath(url) if os.path.exists(url) else url


BACKEND = GitWorkingCopy
