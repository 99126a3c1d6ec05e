"""What has become of the code that a run was of: by file, and whether the run has loaded that file."""

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from sumatra.differences import Difference
from sumatra.errors import SumatraError
from sumatra.files import ContentStore, digest_bytes, digest_file
from sumatra.records import Change, Checkout, Record
from sumatra.runs import code
from sumatra.runs.present_inputs import when
from sumatra.runs.workshop import Workshop
from sumatra.settings import parse_size
from sumatra.versioncontrol import WorkingCopy

__all__ = ["CodeNow", "code_now"]

#: Of so many files that aren't known to have been loaded the contents are compared, where two versions are.
_MOST = 2000
#: Kinds of changes that tell of files which the version doesn't have.
_NEW = ("untracked", "added", "code")
_UNREADABLE = "the code's version isn't known: "


class CodeNow(NamedTuple):
    """What has changed of the code, and how much hasn't."""

    found: tuple[Difference, ...]
    same: int
    unknown: tuple[str, ...]


class _Unkept(ContentStore):
    """Tells digests and keeps nothing."""

    def put(self, content: bytes) -> str:
        return digest_bytes(content)


def code_now(
    record: Record, folder: str, workshop: Workshop, moved: Callable[[str], str], elsewhere_told: Collection[str]
) -> CodeNow:
    """Return what has become of the code of *record*, which was run in *folder*.

    *moved* tells where a path (absolute) is now.  Files that are *elsewhere_told* (absolute), as inputs or parameters,
    are passed over.
    """
    found: list[Difference] = []
    same = 0
    unknown: list[str] = []
    if record.version is None and not record.changes:
        unknown.append("code: the record doesn't tell it")
    elif not os.path.isdir(folder):
        unknown.append(f"code: the folder {folder} isn't there any more")
    else:
        try:
            seen = _seen(folder, workshop, record.main_file)
        except (SumatraError, OSError) as error:
            unknown.append(f"code: {error}")
        else:
            odd = next((each for each in seen.findings if each.code == "code-unreadable"), None)
            if odd is not None:
                unknown.append(f"code: {odd.message.removeprefix(_UNREADABLE)}")
            elif record.repository is not None and seen.repository is None:
                unknown.append(f"code: {folder} isn't under version control any more")
            else:
                compared = list(_Comparison(record, folder, seen, elsewhere_told).differences(unknown))
                found += (each for each in compared if each.one != each.other)
                same += len(compared) - len(found)
    for checkout in record.checkouts:
        difference = _checkout(checkout, moved(checkout.root), workshop, unknown)
        if difference is not None and difference.one != difference.other:
            found.append(difference)
        elif difference is not None:
            same += 1
    return CodeNow(tuple(found), same, tuple(unknown))


def _seen(folder: str, workshop: Workshop, main_file: str | None) -> code.Code:
    chosen = workshop.settings
    return code.look(
        folder, policy="store-diff", store=_Unkept(workshop.objects.root), main_file=main_file,
        limits=code.Limits(parse_size(chosen.largest_untracked), parse_size(chosen.largest_untracked_total)),
        passed_over=workshop.not_code, project=workshop.root,
    )


class _Comparison:
    """The code of a record beside what lies there now."""

    def __init__(self, record: Record, folder: str, seen: code.Code, elsewhere_told: Collection[str]) -> None:
        self._record = record
        self._seen = seen
        self._top = seen.copy.root if seen.copy else seen.folder or folder
        self._then = {change.path: change for change in record.changes}
        self._now = {change.path: change for change in seen.changes}
        self._loaded = frozenset(record.code_files)
        self._told = elsewhere_told
        self._outputs = {key.path.rpartition("/")[2] for key in record.output_data}
        self._libraries = {each.name.replace("-", "_") for each in record.dependencies if each.module == "python"}

    def differences(self, unknown: list[str]) -> Iterator[Difference]:
        """Yield what is to be told, equal or not."""
        before, after = self._record.version, self._seen.version
        paths = {*self._then, *self._now}
        committed: tuple[Mapping[str, str], Mapping[str, str]] | None = None
        if before == after:
            # What was loaded and has no changes in either is as it was.
            yield from (Difference("code", path, "", "") for path in self._loaded - paths)
        elif before and after and self._seen.copy is not None:
            try:
                committed = self._committed(self._seen.copy, before), self._committed(self._seen.copy, after)
            except (SumatraError, OSError) as error:
                unknown.append(f"code: by which files version {before} differs from now: {error}")
            else:
                paths |= {*committed[0], *committed[1]}
        told = [each for path in sorted(paths) if (each := self._file(path, committed)) is not None]
        new = [each for each in told if each.one is None and each.matters is False]
        yield from (each for each in told if each not in new)
        if new:
            others = f" and {len(new) - 1} more" if len(new) > 1 else ""
            yield Difference("code", "new files", None, f"{new[0].name}{others}", False, "not loaded by the run")
        if before != after:
            yield self._version(before, after, told, by_file=committed is not None)

    def _committed(self, copy: WorkingCopy, version: str) -> dict[str, str]:
        """Return the digests of the files of *version* that are to be compared."""
        files = copy.tree(version, {}).files
        wanted = {*self._loaded, *self._then, *self._now}
        chosen = list(files[:_MOST])
        if self._loaded:
            chosen = [file for file in files if file.path in wanted or self._hides(file.path)]
        found = {}
        for file, pieces in zip(chosen, copy.contents(chosen), strict=True):
            digest = hashlib.sha256()
            for piece in pieces:
                digest.update(piece)
            found[file.path] = f"sha256:{digest.hexdigest()}"
        return found

    def _file(self, path: str, committed: tuple[Mapping[str, str], Mapping[str, str]] | None) -> Difference | None:
        place = os.path.join(self._top, path)
        if place in self._told or os.path.realpath(place) in self._told:
            return None
        changes = self._then.get(path), self._now.get(path)
        is_new = [change is not None and change.kind in _NEW for change in changes]
        if committed is not None:
            texts = [(files.get(path), _as_in(version)) for files, version in zip(
                committed, (self._record.version, self._seen.version), strict=True
            )]
        else:
            texts = [
                (None if is_new[1] else "committed", "as committed"),
                (_on_disk(place) if is_new[0] else "committed", "" if is_new[0] else "as committed"),
            ]
        (one, first), (other, second) = (
            _content(change, *text) for change, text in zip(changes, texts, strict=True)
        )
        if one == other:
            return Difference("code", path, "", "")
        matters: bool | None = path in self._loaded if self._loaded else None
        hides = self._hides(path) if first is None else ""
        notes = [
            f"it hides the library {hides}" if hides
            else "" if matters is None else "loaded by the run" if matters else "not loaded by the run",
            when(place) if second is not None else "",
        ]
        if not matters and not hides and path.rpartition("/")[2] in self._outputs:
            return None  # an earlier result that lies about
        return Difference("code", path, first, second, True if hides else matters, ", ".join(filter(None, notes)))

    def _hides(self, path: str) -> str:
        """Return the library that a new module at *path*, beside the script, would be loaded in the place of."""
        place = os.path.join(self._top, path)
        module = os.path.dirname(place) if path.endswith("/__init__.py") else place.removesuffix(".py")
        folder, name = os.path.split(module)
        script = os.path.dirname(os.path.join(self._record.working_directory, self._record.main_file or ""))
        is_beside = path.endswith(".py") and os.path.realpath(folder) == os.path.realpath(script)
        return name if is_beside and name in self._libraries else ""

    def _version(
        self, before: str | None, after: str | None, told: Collection[Difference], *, by_file: bool
    ) -> Difference:
        differing = sum(each.one != each.other and each.name in self._loaded for each in told)
        if not (by_file and self._loaded):
            return Difference("code", "version", before, after)
        some = f"{differing} of the files that it loaded differ"
        note = some if differing else "the files that it loaded are the same"
        return Difference("code", "version", before, after, False, note)


def _content(change: Change | None, committed: str | None, told: str) -> tuple[str | None, str | None]:
    """Return what a file holds, for comparing and for people; None where there is no such file.

    Where it has no *change* that is *committed*, which people are *told* as what it is.
    """
    if change is None:
        return committed, None if committed is None else told or committed
    if change.kind == "deleted":
        return None, None
    what = {"modified": "edited ", "untracked": "untracked ", "code": ""}.get(change.kind, f"{change.kind} ")
    return change.digest or f"{change.kind} {change.size}", f"{what}{change.digest or '(not kept)'}"


def _as_in(version: str | None) -> str:
    return f"as in {(version or '')[:10]}"


def _on_disk(path: str) -> str | None:
    found = digest_file(path)
    return None if "missing" in found.flags else found.digest or "(unreadable)"


def _checkout(checkout: Checkout, root: str, workshop: Workshop, unknown: list[str]) -> Difference | None:
    if not os.path.isdir(root):
        return Difference("code", checkout.root, _told(checkout.version, checkout.changes), None, True,
                          "a working copy that code was loaded from")
    try:
        seen = _seen(root, workshop, None)
    except (SumatraError, OSError) as error:
        unknown.append(f"the working copy {root}: {error}")
        return None
    note = "a working copy that code was loaded from"
    return Difference(
        "code", checkout.root, _told(checkout.version, checkout.changes), _told(seen.version, seen.changes), True, note
    )


def _told(version: str | None, changes: Collection[Change]) -> str:
    names = ", ".join(f"{change.path} {change.digest or change.kind}" for change in changes)
    return f"{version or 'no version'}{' with ' if names else ''}{names}"

