"""What differs between two runs and can be swapped, one by one, in a run of its own."""

import difflib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from sumatra.errors import SumatraError
from sumatra.files import digest_file
from sumatra.parameters import from_bytes
from sumatra.records import DataKey, Record
from sumatra.runs.elsewhere import is_own_copy
from sumatra.runs.trees import REGULAR, CodeFile

__all__ = ["Content", "Factor", "Found", "factors_between", "hunks_of", "place_of", "top_of", "words_of"]

#: Variables that say where things are; they go with the machine and the session.
_PLACES = frozenset({
    "PATH", "PWD", "OLDPWD", "TMPDIR", "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "CONDA_PREFIX", "CONDA_SHLVL", "MODULEPATH",
    "LOADEDMODULES", "MODULESHOME",
})

_MOST_LINES = 20_000


class Content(NamedTuple):
    """What a file holds in one of both runs; where it isn't there, *read* is None."""

    digest: str | None = None
    mode: str = REGULAR
    read: Callable[[], bytes] | None = None


class Factor(NamedTuple):
    """One thing that differs and can be swapped."""

    kind: str  #: ``input``, ``parameter``, ``variable``, ``code``, ``package`` or ``argument``
    name: str
    one: str | None  #: as text, in the first run
    other: str | None
    matters: bool | None = None  #: whether it could have made a difference
    contents: tuple[Content, Content] | None = None  #: of a file, in both runs
    path: str = ""  #: of a file, relative to the top of the code
    lines: tuple[int, int, int, int] | None = None  #: of a part of a file: which lines become which

    @property
    def key(self) -> str:
        """The name by which trials are remembered."""
        return "\0".join([self.kind, self.name, str(self.one), str(self.other), str(self.lines)])


class Found(NamedTuple):
    """What may be the cause."""

    factors: list[Factor]  #: likeliest first
    fixed: list[str]  #: differences that can't be swapped, a sentence each


#: The cheapest to believe first: what people change most, and what is most often the cause.
_ORDER = ("input", "parameter", "argument", "variable", "package", "code")


def top_of(record: Record) -> str:
    """Return the folder that the code of *record* is told from."""
    root = record.repository.root if record.repository and record.repository.root else record.working_directory
    return os.path.realpath(root)


def factors_between(
    one: Record, other: Record, trees: Callable[[Record], Mapping[str, CodeFile]],
    kept: Callable[[Record, str, str | None], bytes], *, everywhere: bool = False,
) -> Found:
    """Return what differs between *one* and *other*.

    *trees* returns the code of a record; *kept* what a record's file (by its path relative to the top) with a digest
    held, or raises `SumatraError` or `OSError`.  If *everywhere*, files outside of the folder of the code can be
    swapped.
    """
    found = Found([], [])
    top = top_of(one)
    results = {place_of(key, record) for record in (one, other) for key in record.output_data}
    paths = {
        os.path.relpath(os.path.realpath(record.parameters.path), top_of(record))
        for record in (one, other) if record.parameters.path
    }
    inputs = _inputs(one, other, top, kept, found, everywhere)
    code = _code(one, other, trees, {*paths, *(os.path.relpath(path, top) for path in results)})
    seen = {factor.path for factor in inputs}
    found.factors.extend(inputs)
    found.factors.extend(_parameters(one, other))
    found.factors.extend(_arguments(one, other, found))
    found.factors.extend(_variables(one, other, found))
    found.factors.extend(_packages(one, other, found))
    found.factors.extend(factor for factor in code if factor.path not in seen)
    _surroundings(one, other, found)
    rank = {True: 0, None: 1, False: 2}
    found.factors.sort(key=lambda factor: (rank[factor.matters], _ORDER.index(factor.kind)))
    return found


def place_of(key: DataKey, record: Record) -> str:
    """Return where (absolute) the output *key* of *record* lies."""
    root = str(record.datastore.options.get("root", "")) if record.datastore else record.working_directory
    return os.path.realpath(os.path.join(root, key.path))


def _inputs(
    one: Record, other: Record, top: str, kept: Callable[[Record, str, str | None], bytes], found: Found,
    everywhere: bool,
) -> list[Factor]:
    places: list[dict[str, DataKey]] = []
    for record in (one, other):
        root = str(record.input_datastore.options.get("root", "/")) if record.input_datastore else "/"
        written = {place_of(key, record) for key in record.output_data}
        keys = {os.path.realpath(os.path.join(root, key.path)): key for key in record.input_data}
        places.append({place: key for place, key in keys.items() if place not in written})
    parameters = {os.path.realpath(record.parameters.path) for record in (one, other) if record.parameters.path}
    factors = []
    for place in [*places[0], *(place for place in places[1] if place not in places[0])]:
        keys_here = [keys.get(place) for keys in places]
        digests = [key.digest if key else None for key in keys_here]
        if (digests[0] == digests[1] and digests[0] is not None) or place in parameters:
            continue
        name = os.path.relpath(place, top)
        if None in keys_here:
            continue  # one run didn't read it, which is no cause but comes of one
        told = place if name.startswith("..") else name
        if None in digests:
            found.fixed.append(f"the input {told}: its content isn't known in both runs")
        elif name.startswith("..") and not everywhere:
            found.fixed.append(f"the input {told} lies outside of {top}")
        else:
            contents = []
            for record, digest in ((one, digests[0]), (other, digests[1])):
                try:
                    contents.append(_content_of(record, name, digest, place, kept))
                except (SumatraError, OSError):
                    found.fixed.append(f"the input {told}: what it held in {record.label} isn't to be had any more")
                    break
            else:
                factors.append(Factor("input", told, digests[0], digests[1], True, (contents[0], contents[1]), name))
    return factors


def _content_of(
    record: Record, name: str, digest: str | None, place: str, kept: Callable[[Record, str, str | None], bytes]
) -> Content:
    if os.path.isfile(place) and digest_file(place).digest == digest:
        return Content(digest, _mode(place), _reader(place))
    content = kept(record, name, digest)
    return Content(digest, REGULAR, lambda: content)


def _reader(place: str) -> Callable[[], bytes]:
    def read() -> bytes:
        with open(place, "rb") as file:
            return file.read()

    return read


def _mode(place: str) -> str:
    return "100755" if os.stat(place).st_mode & 0o100 else REGULAR


def _code(
    one: Record, other: Record, trees: Callable[[Record], Mapping[str, CodeFile]], without: set[str]
) -> list[Factor]:
    before, after = trees(one), trees(other)
    loaded = {*one.code_files, *other.code_files}
    factors = []
    for path in sorted({*before, *after}):
        first, second = before.get(path), after.get(path)
        if path in without or (first and second and (first.mode, first.digest) == (second.mode, second.digest)):
            continue
        matters = path in loaded if loaded else None
        one_side, other_side = (
            Content(file.digest, file.mode, file.read) if file else Content() for file in (first, second)
        )
        factors.append(Factor(
            "code", path, one_side.digest, other_side.digest, matters, (one_side, other_side), path
        ))
    return factors


def hunks_of(factor: Factor) -> list[Factor]:
    """Return the parts of a file of text that differ, each a factor; none where it can't be taken apart."""
    if factor.contents is None or None in (factor.contents[0].read, factor.contents[1].read):
        return []
    one, other = (_lines_of(content) for content in factor.contents)
    if any(b"\0" in line for line in (*one, *other)) or max(len(one), len(other)) > _MOST_LINES:
        return []
    parts = [
        (begin, end, start, stop)
        for what, begin, end, start, stop in difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
        if what != "equal"
    ]
    return [factor._replace(name=f"{factor.name}, {_span(*part)}", lines=part) for part in parts]


def _lines_of(content: Content) -> list[bytes]:
    return content.read().splitlines(keepends=True) if content.read else []


def _span(begin: int, end: int, start: int, stop: int) -> str:
    low, high = (start + 1, stop) if stop > start else (begin + 1, end)
    told = f"line {low}" if low == high else f"lines {low} to {high}"
    return told if stop > start else f"{told} of the first, gone in the second"


def _parameters(one: Record, other: Record) -> Iterator[Factor]:
    """Yield the values that differ; or the whole file where it can't be taken apart."""
    if one.parameters.path is None or other.parameters.path is None or not one.parameters.content:
        return
    path = os.path.relpath(os.path.realpath(one.parameters.path), top_of(one))
    contents = tuple(
        Content(None, REGULAR, _keeper(record.parameters.content)) for record in (one, other)
    )
    if one.parameters.content == other.parameters.content:
        return
    try:
        before, after = (
            from_bytes(record.parameters.content.encode("utf-8", "surrogateescape"), str(record.parameters.path)).flat()
            for record in (one, other)
        )
        nothing = object()
        differing = [name for name in {**before, **after} if before.get(name, nothing) != after.get(name, nothing)]
        if not differing:
            raise ValueError
    except (SumatraError, ValueError):
        yield Factor("parameter", path, "as then", "as in the second", True, (contents[0], contents[1]), path)
        return
    for name in differing:
        one_value, other_value = (str(flat[name]) if name in flat else None for flat in (before, after))
        yield Factor("parameter", name, one_value, other_value, True, (contents[0], contents[1]), path)


def _keeper(text: str) -> Callable[[], bytes]:
    return lambda: text.encode("utf-8", "surrogateescape")


def _arguments(one: Record, other: Record, found: Found) -> Iterator[Factor]:
    first, second = words_of(one, other), words_of(other, one)
    if first == second:
        return
    if len(first) != len(second):
        yield Factor("argument", "the whole command", " ".join(first), " ".join(second), True)
        return
    for place, (before, after) in enumerate(zip(first, second, strict=True)):
        if before != after:
            yield Factor("argument", f"word {place}", before, after, True)


def words_of(record: Record, other: Record) -> tuple[str, ...]:
    """Return the words of the command; the copy of a parameter file is named by its original, labels are left out.

    A word that is the same in the *other* run stays: that the label is in it is by chance.
    """
    path = record.parameters.path
    own = os.path.relpath(path, record.working_directory) if path else ""
    shared = {place for place, pair in enumerate(zip(record.command, other.command, strict=False)) if len({*pair}) == 1}
    return tuple(
        word if place in shared else own if own and is_own_copy(word) else word.replace(record.label, "{label}")
        for place, word in enumerate(record.command)
    )


def _variables(one: Record, other: Record, found: Found) -> Iterator[Factor]:
    if not one.environment or not other.environment:
        found.fixed.append("environment variables: not both runs tell them")
        return
    for name in sorted({*one.environment, *other.environment}):
        before, after = one.environment.get(name), other.environment.get(name)
        if before == after or name.startswith("SMT_") or name in ("PWD", "OLDPWD"):
            continue
        if "hmac-sha256:" in f"{before}{after}":
            found.fixed.append(f"the variable {name}: its value was masked")
            continue
        yield Factor("variable", name, before, after, None if name not in _PLACES else False)


def _packages(one: Record, other: Record, found: Found) -> Iterator[Factor]:
    first, second = (
        {(each.module, each.name): each for each in record.dependencies if "changed" not in each.flags}
        for record in (one, other)
    )
    for key in sorted({*first, *second}):
        before, after = first.get(key), second.get(key)
        if before is None or after is None or before.version == after.version:
            continue
        module, name = key
        if module != "python" or None in (before.version, after.version) or before.checkout or after.checkout:
            where = f" ({module})" if module else ""
            found.fixed.append(f"{name}{where}: {before.version or 'unknown'} -> {after.version or 'unknown'}")
            continue
        yield Factor("package", name, before.version, after.version, True)


def _surroundings(one: Record, other: Record, found: Found) -> None:
    """Note what goes with the machine."""
    if one.platforms and other.platforms:
        for name, what in (
            ("network_name", "the host"), ("release", "the kernel"), ("distribution", "the system"),
            ("machine", "the machine"), ("processor", "the processor"), ("accelerators", "the accelerators"),
        ):
            before, after = getattr(one.platforms[0], name), getattr(other.platforms[0], name)
            if before != after:
                found.fixed.append(f"{what}: {before or 'none'} -> {after or 'none'}")
    for name in sorted({*one.surroundings, *other.surroundings}):
        before, after = one.surroundings.get(name), other.surroundings.get(name)
        if before != after and name != "threads":  # variables say how many, and they are swapped
            found.fixed.append(f"{name}: {before or 'none'} -> {after or 'none'}")
    if one.executable and other.executable and one.executable.version != other.executable.version:
        found.fixed.append(f"{one.executable.name}: {one.executable.version} -> {other.executable.version}")
