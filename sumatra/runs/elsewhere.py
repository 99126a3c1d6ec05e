"""Another version of the code, built apart from the user's working tree, for one run.

The tree of that version is written into a folder of ours, and what isn't code is linked into it: data, environments,
whatever version control doesn't know.  The program runs in there, in the folder that corresponds to the user's; what
it writes beside the code is moved to where it would have been written.
"""

import os
from collections.abc import Iterator
from contextlib import suppress

from sumatra import versioncontrol
from sumatra.capture.observation import Observed
from sumatra.errors import ProjectError, UsageError, VersionControlError
from sumatra.files import ContentStore, digest_file, write_atomically
from sumatra.records import Finding, Record
from sumatra.versioncontrol import WorkingCopy

__all__ = ["OUTSIDE", "Elsewhere", "InPlace", "build", "build_again", "written_alone"]

#: The folder among the results of a repetition for those that lie outside the working tree, under their whole names.
OUTSIDE = ".outside"


class Elsewhere:
    """The folder of ours, *folder*, in which another state of the code stands in for the working tree at *root*.

    *copy* is its working copy, where it has one.  If it is *apart*, nothing that is written in here is moved: a
    repetition leaves the results of the first run alone.
    """

    def __init__(self, root: str, folder: str, copy: WorkingCopy | None, *, apart: bool = False) -> None:
        self.copy = copy
        self.folder = os.path.realpath(folder)
        self.version: str | None = None
        self.missing: tuple[str, ...] = ()  #: of the code, in sentences
        self.apart = apart
        self._root = os.path.realpath(root)
        self._tracked = _files_now(copy) if copy else frozenset()

    def inside(self, path: str) -> str:
        """Return the path in here that corresponds to *path* (absolute) in the working tree; others stay.

        Of those, what a repetition has written is found where it was kept apart.
        """
        path = os.path.realpath(path)
        moved = _moved(path, self._root, self.folder)
        if moved != path or not self.apart:
            return moved
        from sumatra.runs.apart import place_of  # 2 ms that ordinary runs don't pay

        kept = self.folder + "/" + OUTSIDE + path
        return kept if os.path.lexists(kept) else place_of(os.path.dirname(self.folder), path) or path

    def outside(self, path: str) -> str:
        """Return the path in the working tree that corresponds to *path* (absolute) in here; others stay."""
        return _moved(path, self.folder, self._root)

    def link_the_rest(self, without: frozenset[str] = frozenset()) -> None:
        """Link into here what version control doesn't know: as a whole folder, where nothing in it is code.

        Files that *without* names (absolute, in the working tree) aren't linked; their folders are made.
        """
        left_out = {path[len(self._root) + 1:] for path in without if path.startswith(self._root + "/")}
        folders = {part for path in (*self._tracked, *left_out) for part in _above(path)}
        waiting = [""]
        while waiting:
            below = waiting.pop()
            with os.scandir(os.path.join(self._root, below)) as entries:
                for entry in entries:
                    path = os.path.join(below, entry.name)
                    target = os.path.join(self.folder, path)
                    if path in self._tracked or path in left_out or entry.name in (".smt", *versioncontrol.MARKERS):
                        continue
                    is_folder = entry.is_dir(follow_symlinks=False)
                    if is_folder and (path in folders or os.path.isdir(target)):
                        if any(left.startswith(f"{path}/") for left in left_out):
                            os.makedirs(target, exist_ok=True)
                        waiting.append(path)
                    elif not os.path.lexists(target):
                        os.makedirs(os.path.dirname(target), exist_ok=True)
                        os.symlink(entry.path, target)

    def settle(self, observed: Observed, objects: ContentStore) -> Observed:
        """Move what was written in here to where it would have been written, and return *observed* with those names.

        A file that version control knows in the user's working tree isn't touched there: what was written is kept in
        *objects*.
        """
        kept = []
        for file in observed.files:
            if not file.written or not self.holds(file.path) or "__pycache__" in file.path.split("/"):
                continue
            target = self.outside(file.path)
            if self.apart:
                continue
            if os.path.relpath(target, self._root) in self._tracked:
                digest = digest_file(file.path).digest
                if digest is not None:
                    objects.take(file.path, digest)
                    kept.append(os.path.relpath(target, self._root))
                continue
            with suppress(OSError):
                import shutil

                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.move(file.path, target)
        files = [
            file._replace(
                path=self.outside(file.path), renamed_from=file.renamed_from and self.outside(file.renamed_from),
                state=None if self.holds(file.path) else file.state,
            )
            for file in observed.files
            if not (file.written and os.path.relpath(self.outside(file.path), self._root) in kept)
        ]
        programs = [program._replace(path=self.outside(program.path)) for program in observed.processes]
        findings = list(observed.findings)
        if kept:
            findings.append(Finding(
                "written-apart",
                "the other version wrote files that are under version control here; they were left alone, and what was"
                f" written was kept in the content store: {', '.join(kept[:5])}",
            ))
        return observed._replace(files=tuple(files), processes=tuple(programs), findings=tuple(findings))

    def holds(self, path: str) -> bool:
        """Tell whether *path* (absolute) is in here."""
        return path.startswith(self.folder + "/")

    def is_code(self, path: str) -> bool:
        """Tell whether the version has a file that corresponds to *path* (absolute, in the working tree)."""
        return os.path.isfile(self.inside(path)) and not os.path.islink(self.inside(path))

    def remove(self) -> None:
        """Remove the folder; what is linked into it stays."""
        import shutil  # 3 ms that ordinary runs don't pay

        shutil.rmtree(self.folder, ignore_errors=True)


class InPlace(Elsewhere):
    """The code in *folder*, which is seen in the place of the working tree at *root*: every name is the user's.

    Files that are *there*, in the working tree, as they were aren't in the folder.
    """

    def __init__(
        self, root: str, folder: str, copy: WorkingCopy | None, there: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(root, folder, copy, apart=True)
        self._code = there.union(_files_in(self.folder))

    @property
    def root(self) -> str:
        """Where it is seen."""
        return self._root

    def inside(self, path: str) -> str:
        return os.path.realpath(path)

    def outside(self, path: str) -> str:
        return path

    def holds(self, path: str) -> bool:
        return False

    def is_code(self, path: str) -> bool:
        return os.path.relpath(path, self._root) in self._code

    def remove(self) -> None:
        pass

    def clear(self, written: frozenset[str]) -> None:
        """Remove, in the view, what isn't of that version, and the files *written* (absolute) by the first run.

        A file that it wrote and that belongs to the code is left: it is here as it was before that.
        """
        others = [os.path.join(self._root, path) for path in self._tracked - self._code]
        for path in (*others, *(path for path in written if not self.is_code(path))):
            with suppress(OSError):
                os.unlink(path)


def build(name: str, here: str, folder: str, objects: ContentStore) -> Elsewhere:
    """Return the version *name* of the code around the folder *here*, built in *folder*, which is new.

    Raises `UsageError` where there is no version control, and `VersionControlError` where there is no such version.
    """
    copy = versioncontrol.find(here)
    if copy is None:
        raise UsageError(
            f"version {name} can't be run: {here} isn't under version control",
            "the code of an earlier run is run by: smt repeat LABEL",
        )
    version = copy.resolve(name)
    found = Elsewhere(copy.root, folder, copy)
    found.version = version
    try:
        found.missing = copy.export(version, (), found.folder, objects.get)
        if not os.path.isdir(found.inside(here)):
            raise UsageError(f"the folder {os.path.relpath(here, copy.root)} isn't in version {name}")
        found.link_the_rest()
    except BaseException:
        found.remove()
        raise
    return found


def build_again(
    record: Record, folder: str, objects: ContentStore, near: str, work: str, *, in_place: bool = False
) -> Elsewhere:
    """Return the code of *record*, uncommitted changes included, built in *folder*, which is new.

    What the first run wrote isn't in it.  *near* is the project's folder.  If it is to be seen *in place* of the
    working tree, nothing is linked into it.  Raises `ProjectError` where the code isn't to be had, or the run's folder
    isn't there any more.
    """
    from sumatra.runs.rebuilding import rebuild

    root = record.code_root
    if not os.path.isdir(root):
        raise ProjectError(f"{root}, in which {record.label} was run, isn't there", "put it back, or link it")
    copy = versioncontrol.find(root) if record.repository else None
    there = _as_they_were(record, copy) if in_place and copy else frozenset()
    scaffold = Elsewhere(root, folder, None if in_place else copy, apart=True)
    try:
        os.makedirs(scaffold.folder, exist_ok=True)
        missing = rebuild(record, scaffold.folder, objects, near, work, there)
        if record.has_own_parameters:
            _put(scaffold.inside(record.parameters.path or ""), record.parameters.content)
        found = InPlace(root, folder, copy, there) if in_place else scaffold
        found.version, found.missing = record.version, missing
        if in_place and copy is not None and record.version not in (None, copy.version()):
            with suppress(VersionControlError, OSError):  # programs that ask git get another answer, then
                copy.stand_in(record.version or "", found.folder)
        if not in_place:
            found.link_the_rest(written_alone(record))
            os.makedirs(found.inside(record.working_directory), exist_ok=True)
    except BaseException:
        scaffold.remove()
        raise
    return found


def _as_they_were(record: Record, copy: WorkingCopy) -> frozenset[str]:
    """Return the files of the version of *record* that lie unchanged in the working tree."""
    if record.version is None or any(change.mode == "160000" for change in record.changes):
        return frozenset()
    try:
        status = copy.status(untracked=False)
        then = now = copy.tree(record.version, {}).files
        if status.version is None:
            return frozenset()
        if status.version != record.version:
            now = copy.tree(status.version, {}).files
    except VersionControlError:
        return frozenset()
    changed = {change.path for change in record.changes} | {change.path for change in status.changed}
    here = {file.path: file for file in now if file.key is not None}
    return frozenset(
        file.path for file in then
        if file.path not in changed and here.get(file.path) == file
        and os.path.lexists(os.path.join(copy.root, file.path))
    )


def written_alone(record: Record) -> frozenset[str]:
    """Return what the run wrote and hadn't read, by real names."""
    written = {os.path.realpath(record.output_path(key)) for key in record.output_data}
    return frozenset(written - {os.path.realpath(record.input_path(key)) for key in record.input_data})


def _put(path: str, content: str) -> None:
    """Write a file in the place of what may be a link to the user's own."""
    with suppress(FileNotFoundError):
        os.unlink(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write_atomically(path, content.encode("utf-8", "surrogateescape"))


def _files_now(copy: WorkingCopy) -> frozenset[str]:
    """Return which files version control knows in the user's working tree."""
    try:
        status = copy.status(untracked=False)
        committed = {file.path for file in copy.tree(status.version, {}).files} if status.version is not None else set()
    except VersionControlError:
        return frozenset()
    return frozenset(committed | {change.path for change in status.changed})


def _files_in(folder: str) -> Iterator[str]:
    """Yield the files below *folder*, links among them, relative to it."""
    for here, _, names in os.walk(folder):
        for name in names:
            yield os.path.relpath(os.path.join(here, name), folder)


def _above(path: str) -> Iterator[str]:
    folder = os.path.dirname(path)
    while folder:
        yield folder
        folder = os.path.dirname(folder)


def _moved(path: str, one: str, other: str) -> str:
    return other + path[len(one):] if path == one or path.startswith(one + "/") else path
