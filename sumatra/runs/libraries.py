"""What a run depended on besides its own code: libraries, and the working copies that other code came from."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence

from sumatra import dependency_finder, versioncontrol
from sumatra.dependency_finder import Found, Run
from sumatra.errors import SumatraError
from sumatra.facts import replace
from sumatra.records import Checkout, Dependency, Finding, Program, Record
from sumatra.runs import code
from sumatra.runs.workshop import Workshop
from sumatra.settings import parse_size

__all__ = ["checkouts", "found_libraries", "with_libraries"]


def found_libraries(
    record: Record, workshop: Workshop, environment: Mapping[str, str], loaded: Sequence[str] | None,
    programs: Sequence[Program] = (),
) -> Found:
    """Return what the files *loaded* belong to; where it wasn't seen what was loaded, what reading the code foretells.

    *environment* is the one that the program got.
    """
    run = Run(
        files=sorted(loaded or ()), programs=programs, executable=record.executable, main_file=record.main_file,
        folder=record.working_directory, root=workshop.root, environment=environment,
        cache=os.path.join(workshop.folder, "cache"), checkout_of=checkouts(),
    )
    return dependency_finder.foreseen(run) if loaded is None else dependency_finder.loaded(run)


def with_libraries(record: Record, found: Found, workshop: Workshop) -> Record:
    """Return *record* with what was *found*; lists of what is installed go into the content store."""
    checkouts, findings = _looked_into(found.dependencies, record, workshop)
    versions = {checkout.root: checkout.version for checkout in checkouts}
    locks = {}
    for kind, text in found.locks.items():
        try:
            locks[kind] = workshop.objects.put(text)
        except OSError as error:
            message = f"the list of what is installed could not be kept: {error.strerror}"
            findings.append(Finding("lock-not-kept", message))
    return replace(
        record,
        dependencies=tuple(_with_version(dependency, versions) for dependency in found.dependencies),
        checkouts=tuple(checkouts),
        locks=locks,
        surroundings={**record.surroundings, **found.surroundings},
        receipt=(*record.receipt, *found.findings, *findings),
    )


def _with_version(dependency: Dependency, versions: Mapping[str, str | None]) -> Dependency:
    if dependency.version is not None or dependency.checkout is None or versions.get(dependency.checkout) is None:
        return dependency
    return replace(dependency, version=versions[dependency.checkout], source="version control")


def _looked_into(
    dependencies: Sequence[Dependency], record: Record, workshop: Workshop
) -> tuple[list[Checkout], list[Finding]]:
    """Return the working copies that *dependencies* were loaded from, each as carefully looked at as the run's own."""
    own = record.repository.root if record.repository else None
    roots = dict.fromkeys(each.checkout for each in dependencies if each.checkout and each.checkout != own)
    chosen = workshop.settings
    limits = code.Limits(parse_size(chosen.largest_untracked), parse_size(chosen.largest_untracked_total))
    checkouts, findings = [], []
    for root in filter(None, roots):
        try:
            seen = code.look(
                root, policy="store-diff", store=workshop.objects, limits=limits, passed_over=(workshop.folder,),
                main_file=None,
            )
        except (SumatraError, OSError) as error:
            findings.append(Finding("code-note", f"the working copy {root}, which code was loaded from: {error}"))
            continue
        at = seen.repository
        checkouts.append(Checkout(
            root, at.type if at else "", at.url if at else "", at.upstream if at else None, at.branch if at else None,
            seen.version, seen.diff, seen.changes,
        ))
        odd = (*seen.findings, *code.reach(seen))
        findings += [replace(finding, message=f"in {root}: {finding.message}") for finding in odd]
    return checkouts, findings


def checkouts() -> Callable[[str], str | None]:
    """Return what tells the root of the working copy that a file lies in."""
    known: dict[str, str | None] = {}

    def above(folder: str) -> Iterator[str]:
        while folder not in known:
            yield folder
            parent = os.path.dirname(folder)
            if parent == folder:
                return
            folder = parent

    def checkout_of(path: str) -> str | None:
        new = list(above(os.path.dirname(path)))
        for folder in reversed(new):
            if any(os.path.lexists(os.path.join(folder, marker)) for marker in versioncontrol.MARKERS):
                known[folder] = folder
            else:
                known[folder] = known.get(os.path.dirname(folder))
        return known[os.path.dirname(path)]

    return checkout_of
