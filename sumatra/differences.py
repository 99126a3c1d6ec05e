"""In what two runs differ, and whether that could have changed the results.

A difference is told by kind, name and both values as text.  Whether it could matter follows from what was observed: a
file that was read, a library that was loaded, a variable that programs are known to heed.  What one of the records
doesn't tell is not called equal: it is listed as not known.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sumatra.facts import fact, field
from sumatra.records import Change, Checkout, DataKey, Dependency, Executable, Record, is_parameter_copy

__all__ = [
    "CAUSES", "KINDS", "Difference", "Differences", "between", "is_harmless", "outputs_by_name", "varying",
]

#: In the order in which they are told; the first is what came out, the others what may be the cause, likeliest first.
KINDS = ("results", "inputs", "parameters", "code", "dependencies", "environment", "command", "platform")

#: What may be the cause.
CAUSES = KINDS[1:]

#: Variables that change where things are found, or names of jobs, and hardly ever what is computed.
_HARMLESS = re.compile(
    r"(SLURM|PBS|SGE|LSB|FLUX|PMI|OMPI)_|OLDPWD|PWD|LS_COLORS|TERM|SHLVL|HOSTNAME|VIRTUAL_ENV_PROMPT|PYTHONUNBUFFERED"
)

_THREADS = re.compile(r".*_NUM_THREADS|OMP_.*|MKL_.*|OPENBLAS_.*|KMP_.*|GOMP_.*")


@fact
class Difference:
    """One thing that isn't the same."""

    kind: str  #: one of `KINDS`
    name: str
    one: str | None  #: as text; None where the first run doesn't have it
    other: str | None
    matters: bool | None = None  #: whether it could have changed results; None where that can't be told
    note: str = ""
    verdict: str = ""  #: on a result, where contents were compared: one of those of `sumatra.comparison`


@fact
class Differences:
    """All that can be said about two runs."""

    found: tuple[Difference, ...] = ()  #: by kind; within it, what matters first
    same: Mapping[str, int] = field(default_factory=dict)  #: how many things of each kind are the same in both
    unknown: tuple[str, ...] = ()  #: what can't be compared, a sentence each
    alike: tuple[Difference, ...] = ()  #: results that aren't the same byte for byte, and count as the same
    is_partial: bool = False  #: whether there was something that differs and was to be left out

    def of(self, kind: str) -> list[Difference]:
        """Return the differences of *kind*."""
        return [difference for difference in self.found if difference.kind == kind]

    @property
    def causes(self) -> list[Difference]:
        """Return what could explain that the results differ, likeliest first."""
        return [each for each in self.found if each.kind != "results" and each.matters is not False]


def between(one: Record, other: Record, ignore: Sequence[str] = ()) -> Differences:
    """Return in what *other* differs from *one*; what a regular expression of *ignore* finds in a name is left out."""
    patterns = [re.compile(pattern) for pattern in ignore]
    found: list[Difference] = []
    same: dict[str, int] = {}
    unknown: list[str] = []
    is_partial = False
    for kind, compare in _COMPARE.items():
        number = 0
        for difference in compare(one, other, unknown):
            if any(pattern.search(difference.name) for pattern in patterns):
                is_partial = is_partial or (kind != "results" and difference.one != difference.other)
                continue
            if difference.one == difference.other:
                number += 1
            else:
                found.append(difference)
        same[kind] = number
    order = {True: 0, None: 1, False: 2}
    found.sort(key=lambda each: (KINDS.index(each.kind), order[each.matters]))
    return Differences(tuple(found), same, tuple(unknown), is_partial=is_partial)


def varying(
    records: Sequence[Record], ignore: Sequence[str] = (),
    refine: Callable[[Record, Record, Differences], Differences] = lambda one, other, found: found,
) -> dict[tuple[str, str], list[str | None]]:
    """Return what isn't the same in all *records*: by kind and name, the value in each of them.

    *refine* may take away differences that don't count; where others count, the value says that this one doesn't.
    """
    first = records[0]
    table: dict[tuple[str, str], list[str | None]] = {}
    alike: dict[tuple[str, str, int], str] = {}
    for place, record in enumerate(records[1:], 1):
        found = refine(first, record, between(first, record, ignore))
        for difference in found.found:
            values = table.setdefault((difference.kind, difference.name), [difference.one] * len(records))
            values[place] = difference.other
        for difference in found.alike:
            alike[difference.kind, difference.name, place] = f"{difference.verdict}: {difference.other}"
    for (kind, name, place), value in alike.items():
        if (kind, name) in table:
            table[kind, name][place] = value
    return dict(sorted(table.items(), key=lambda item: KINDS.index(item[0][0])))


# Each of these yields what is to be compared, equal or not.

_Compare = Callable[[Record, Record, list[str]], Iterator[Difference]]


def _pairs(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name in [*one, *(name for name in other if name not in one)]:
        yield name, one.get(name), other.get(name)


def _results(one: Record, other: Record, unknown: list[str]) -> Iterator[Difference]:
    for key, name in ((one, "the first"), (other, "the second")):
        if not key.has_ended:
            unknown.append(f"{name} run ({key.label}) hasn't ended")
        elif not key.outputs_are_known:
            unknown.append(f"results: nobody looked at what {name} run ({key.label}) wrote")
    yield Difference("results", "status", _status(one), _status(other), True)
    yield from _files("results", *_results_of(one, other), unknown)


def _status(record: Record) -> str:
    if record.exit_status:
        return f"{record.status} with status {record.exit_status}"
    return f"{record.status} by {record.signal}" if record.signal else record.status


_Keys = tuple[Iterable[DataKey], Record]


def outputs_by_name(one: Record, other: Record) -> tuple[dict[str, DataKey], dict[str, DataKey]]:
    """Return the results of both runs by the names by which differences tell them."""
    first, second = _by_names(*_results_of(one, other))
    return first, second


def _results_of(one: Record, other: Record) -> tuple[_Keys, _Keys]:
    """Return the results of each that can be compared with those of the other."""
    if one.outputs_are_known and other.outputs_are_known:
        return (one.output_data, one), (other.output_data, other)
    in_both = {key.path for key in one.output_data} & {key.path for key in other.output_data}  # others may be unseen
    first, second = ([key for key in each.output_data if key.path in in_both] for each in (one, other))
    return (first, one), (second, other)


def _by_names(*runs: _Keys) -> Iterator[dict[str, DataKey]]:
    """Yield the keys of each of two runs by path.

    Where only one of them has a path, its run's own label in it is left out: each may write into a folder of its own.
    So is the folder of the code, if they have not the same: a project that was moved, or a copy of it, has files of its
    own, and ``./`` stands for it.
    """
    places = [record.code_root.rstrip("/") for _, record in runs]
    are_apart = len({*places}) > 1
    paths = [{key.path: key for key in keys} for keys, _ in runs]
    shared = paths[0].keys() & paths[1].keys()
    for keys, (_, record), place in zip(paths, runs, places, strict=True):
        named = {}
        for path, key in keys.items():
            if path not in shared:
                is_within = are_apart and path.startswith(f"{place}/")
                path = _without_label(f".{path[len(place):]}" if is_within else path, record)
            named[path] = key
        yield named


def _without_label(path: str, record: Record) -> str:
    return "/".join("{label}" if part == record.label else part for part in path.split("/"))


def _files(kind: str, one: _Keys, other: _Keys, unknown: list[str]) -> Iterator[Difference]:
    for name, first, second in _pairs(*_by_names(one, other)):
        if first is not None and second is not None and None in (first.digest, second.digest):
            where = "one run" if first.digest or second.digest else "either run"
            unknown.append(f"{name}: its content isn't known in {where}")
            continue
        yield Difference(kind, name, _content(first), _content(second), True)


def _content(key: DataKey | None) -> str | None:
    return None if key is None else key.digest or "(not hashed)"


def _inputs(one: Record, other: Record, unknown: list[str]) -> Iterator[Difference]:
    yield from _files("inputs", (one.input_data, one), (other.input_data, other), unknown)


def _parameters(one: Record, other: Record, unknown: list[str]) -> Iterator[Difference]:
    flat = one.parameters.flat(), other.parameters.flat()
    for name, first, second in _pairs(*flat):
        if name == "sumatra_label":
            continue
        is_equal = type(first) is type(second) and (first == second or (first != first and second != second))
        told = _value(first, name in flat[0]), _value(second, name in flat[1])
        yield Difference("parameters", name, told[0], told[0] if is_equal else told[1], True)
    if not flat[0] and not flat[1] and (one.parameters.digest or other.parameters.digest):
        yield Difference("parameters", "(file)", one.parameters.digest, other.parameters.digest, True)


def _value(value: Any, is_there: bool) -> str | None:
    if not is_there:
        return None
    try:
        return repr(value)
    except ValueError:  # a number of more digits than Python wants to write
        return hex(value)


def _code(one: Record, other: Record, unknown: list[str]) -> Iterator[Difference]:
    if one.version is None and other.version is None and not (one.changes or other.changes):
        unknown.append("code: neither run has a version of its code")
        return
    urls = [record.repository.url if record.repository else None for record in (one, other)]
    if one.version is not None or other.version is not None:
        yield Difference("code", "version", one.version, other.version)
    if None not in urls and urls[0] != urls[1] and one.version != other.version:
        yield Difference("code", "repository", urls[0], urls[1])
    changes = ({each.path: each for each in record.changes} for record in (one, other))
    loaded = {*one.code_files, *other.code_files}
    outputs = {key.path.rpartition("/")[2] for key in (*one.output_data, *other.output_data)}
    for path, first, second in _pairs(*changes):
        matters: bool | None = path in loaded if loaded else None
        note = "" if matters is None else "loaded by the run" if matters else "not loaded by the run"
        if not matters and path.rpartition("/")[2] in outputs:
            continue  # an earlier result that lies about
        told = _change(first), _change(second)
        if first is not None and second is not None and first.digest is not None and first.digest == second.digest:
            told = told[0], told[0]  # it is only another thing to one of the version-control systems
        yield Difference("code", path, *told, matters, note)
    for checkout, first, second in _pairs(
        {each.root: each for each in one.checkouts}, {each.root: each for each in other.checkouts}
    ):
        note = "a working copy that code was loaded from"
        yield Difference("code", checkout, _checkout(first), _checkout(second), True, note)


def _checkout(checkout: Checkout | None) -> str | None:
    if checkout is None:
        return None
    changes = ", ".join(f"{change.path}: {_change(change)}" for change in checkout.changes)
    return f"{checkout.version or 'no version'}{' with ' if changes else ''}{changes}"


def _change(change: Change | None) -> str | None:
    if change is None:
        return None
    return change.kind if change.digest is None else f"{change.kind} {change.digest}"


def _dependencies(one: Record, other: Record, unknown: list[str]) -> Iterator[Difference]:
    first, second = ({(each.module, each.name): each for each in record.dependencies} for record in (one, other))
    if bool(first) != bool(second):
        unknown.append(f"libraries: {(other if first else one).label} doesn't tell which it loaded")
        return
    for key in [*first, *(key for key in second if key not in first)]:
        module, name = key
        before, after = first.get(key), second.get(key)
        matters = None if before is None or after is None else True
        told = f"{name} ({module})" if module else name
        yield Difference("dependencies", told, _version(before), _version(after), matters)


def _version(dependency: Dependency | None) -> str | None:
    return None if dependency is None else dependency.version or "(unknown)"


def _environment(one: Record, other: Record, unknown: list[str]) -> Iterator[Difference]:
    if bool(one.environment) != bool(other.environment):
        unknown.append(f"environment: {(other if one.environment else one).label} doesn't tell it")
    else:
        for name, first, second in _pairs(one.environment, other.environment):
            matters = False if is_harmless(name) else None
            yield Difference("environment", name, first, second, True if _THREADS.fullmatch(name) else matters)
    for name, first, second in _pairs(one.surroundings, other.surroundings):
        yield Difference("environment", name, first, second)
    for name, first, second in _pairs(one.seeds, other.seeds):
        yield Difference("environment", f"seed {name}", first, second, True)


def is_harmless(name: str) -> bool:
    """Tell whether the environment variable *name* hardly ever changes what is computed."""
    return bool(_HARMLESS.fullmatch(name.rstrip("0123456789")) or _HARMLESS.match(name))


def _command(one: Record, other: Record, unknown: list[str]) -> Iterator[Difference]:
    yield Difference("command", "words", _words(one, other), _words(other, one), True)
    yield Difference("command", "main file", one.main_file, other.main_file, True)
    for name, tell in (("program", _program), ("program's version", _program_version)):
        yield Difference("command", name, tell(one.executable), tell(other.executable), True)
    yield Difference("command", "launch mode", _launch(one), _launch(other))
    yield Difference("command", "folder", one.working_directory, other.working_directory)


def _program(executable: Executable | None) -> str | None:
    return None if executable is None else executable.name or executable.path


def _program_version(executable: Executable | None) -> str | None:
    return None if executable is None else executable.version


def _words(record: Record, other: Record) -> str:
    """Return the command, with the label and the copy of the parameter file, which differ in each run, left out.

    A word that is the same in the *other* run stays: that the label is in it is by chance.
    """
    shared = {place for place, pair in enumerate(zip(record.command, other.command, strict=False)) if len({*pair}) == 1}
    words = [
        word if place in shared
        else word.rpartition("/")[2] if is_parameter_copy(word)
        else word.replace(record.label, "{label}")
        for place, word in enumerate(record.command)
    ]
    return " ".join(words)


def _launch(record: Record) -> str:
    options = (f"{name}={value}" for name, value in record.launch_mode.options.items())
    return " ".join([record.launch_mode.name, *options])


def _platform(one: Record, other: Record, unknown: list[str]) -> Iterator[Difference]:
    if not one.platforms or not other.platforms:
        unknown.append("platform: not both runs tell it")
        return
    first, second = one.platforms[0], other.platforms[0]
    for name, what, matters in (
        ("network_name", "host", None), ("release", "kernel", False), ("distribution", "system", None),
        ("machine", "machine", True), ("processor", "processor", None),
        ("processor_flags", "processor's abilities", None), ("cores", "cores", None), ("memory", "memory", False),
        ("accelerators", "accelerators", True),
    ):
        before, after = getattr(first, name), getattr(second, name)
        yield Difference("platform", what, str(before) if before else None, str(after) if after else None, matters)


_COMPARE: dict[str, _Compare] = {
    "results": _results, "inputs": _inputs, "parameters": _parameters, "code": _code, "dependencies": _dependencies,
    "environment": _environment, "command": _command, "platform": _platform,
}
