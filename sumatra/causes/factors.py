"""What differs between two runs and can be swapped, one by one, in a run of its own."""

import difflib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from sumatra.errors import SumatraError
from sumatra.files import digest_file
from sumatra.parameters import from_bytes
from sumatra.records import DataKey, Record
from sumatra.runs.repeating import words_again
from sumatra.runs.trees import REGULAR, CodeFile
from sumatra.runs.variables import belongs_to_place

__all__ = ["Content", "Factor", "Found", "factors_between", "hunks_of", "place_of", "top_of", "words_of"]

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
    word: int | None = None  #: of an argument: its place in the command; None for all of them

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
    return os.path.realpath(record.code_root)


def factors_between(
    one: Record, other: Record, trees: Callable[[Record], Mapping[str, CodeFile]],
    kept: Callable[[Record, str, str | None], bytes], *, everywhere: bool = False,
) -> Found:
    """Return what differs between *one* and *other*.

    *trees* returns the code of a record; *kept* what a record's file (by its path relative to the top) with a digest
    held, or raises `SumatraError` or `OSError`.  If *everywhere*, files outside of the folder of the code can be
    swapped.
    """
    top = top_of(one)
    fixed: list[str] = []
    inputs = _inputs(one, other, top, kept, fixed, everywhere)
    # Results are no code, inputs are told as such, and so is a parameter file that both runs had.
    others = {os.path.relpath(place_of(key, record), top) for record in (one, other) for key in record.output_data}
    others |= {factor.path for factor in inputs}
    own = _own_parameters(one, other)
    factors = [
        *inputs, *_parameters(one, other, fixed), *_arguments(one, other), *_variables(one, other, fixed),
        *_packages(one, other, fixed),
        *_code(one, other, trees, others | ({os.path.relpath(own, top)} if own else set())),
    ]
    _surroundings(one, other, fixed)
    rank = {True: 0, None: 1, False: 2}
    factors.sort(key=lambda factor: (rank[factor.matters], _ORDER.index(factor.kind)))
    return Found(factors, fixed)


def place_of(key: DataKey, record: Record) -> str:
    """Return where (absolute) the output *key* of *record* lies."""
    return os.path.realpath(record.output_path(key))


def _inputs(
    one: Record, other: Record, top: str, kept: Callable[[Record, str, str | None], bytes], fixed: list[str],
    everywhere: bool,
) -> list[Factor]:
    first, second = _by_place(one), _by_place(other)
    own = _own_parameters(one, other)
    factors = []
    for place in first.keys() & second.keys() - {own}:  # what only one of them has read is no cause, but comes of one
        digests = first[place].digest, second[place].digest
        if None not in digests and digests[0] == digests[1]:
            continue
        path = os.path.relpath(place, top)
        name = place if path.startswith("..") else path
        if None in digests:
            fixed.append(f"the input {name}: its content isn't known in both runs")
        elif path.startswith("..") and not everywhere:
            fixed.append(f"the input {name} lies outside of {top}")
        else:
            try:
                contents = (
                    _content_of(one, path, digests[0], place, kept), _content_of(other, path, digests[1], place, kept)
                )
            except (SumatraError, OSError):
                fixed.append(f"the input {name}: what it held isn't to be had any more for both runs")
            else:
                factors.append(Factor("input", name, *digests, True, contents, path))
    return sorted(factors, key=lambda factor: factor.name)


def _by_place(record: Record) -> dict[str, DataKey]:
    """Return the inputs of *record* by where they lie, but for what it has written, too."""
    written = {place_of(key, record) for key in record.output_data}
    keys = {os.path.realpath(record.input_path(key)): key for key in record.input_data}
    return {place: key for place, key in keys.items() if place not in written}


def _own_parameters(one: Record, other: Record) -> str | None:
    """Return the parameter file that both runs had (absolute)."""
    paths = {os.path.realpath(record.parameters.path or "") for record in (one, other) if record.parameters.path}
    is_shared = len(paths) == 1 and one.parameters.path is not None and other.parameters.path is not None
    return paths.pop() if is_shared else None


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


def _parameters(one: Record, other: Record, fixed: list[str]) -> Iterator[Factor]:
    """Yield the values that differ; or the whole file where it can't be taken apart."""
    place = _own_parameters(one, other)
    texts = one.parameters.content, other.parameters.content
    if place is None or texts[0] == texts[1]:
        return
    path = os.path.relpath(place, top_of(one))
    if any("hmac-sha256:" in text for text in texts):
        fixed.append(f"the parameters in {path}: secrets among them were masked")
        return
    contents = Content(None, REGULAR, _keeper(texts[0])), Content(None, REGULAR, _keeper(texts[1]))
    nothing = object()
    try:
        before, after = (from_bytes(text.encode("utf-8", "surrogateescape"), place).flat() for text in texts)
    except SumatraError:
        before, after = {}, {}
    differing = [name for name in {**before, **after} if before.get(name, nothing) != after.get(name, nothing)]
    if not differing:
        yield Factor("parameter", path, "as then", "as in the second", True, contents, path)
    for name in differing:
        values = [str(flat[name]) if name in flat else None for flat in (before, after)]
        yield Factor("parameter", name, values[0], values[1], True, contents, path)


def _keeper(text: str) -> Callable[[], bytes]:
    return lambda: text.encode("utf-8", "surrogateescape")


def _arguments(one: Record, other: Record) -> Iterator[Factor]:
    first, second = words_of(one, other), words_of(other, one)
    if len(first) != len(second):
        yield Factor("argument", "the whole command", " ".join(first), " ".join(second), True)
        return
    for place, (before, after) in enumerate(zip(first, second, strict=True)):
        if before != after:
            yield Factor("argument", f"word {place}", before, after, True, word=place)


def words_of(record: Record, other: Record) -> tuple[str, ...]:
    """Return the words of the command of *record*, its label left out.

    A word that is the same in the *other* run stays: that the label is in it is by chance.
    """
    words, others = words_again(record), words_again(other)
    shared = {place for place, pair in enumerate(zip(words, others, strict=False)) if len({*pair}) == 1}
    return tuple(
        word if place in shared else word.replace(record.label, "{label}") for place, word in enumerate(words)
    )


def _variables(one: Record, other: Record, fixed: list[str]) -> Iterator[Factor]:
    if not one.environment or not other.environment:
        fixed.append("environment variables: not both runs tell them")
        return
    for name in sorted({*one.environment, *other.environment}):
        before, after = one.environment.get(name), other.environment.get(name)
        if before == after or name.startswith("SMT_") or name in ("PWD", "OLDPWD"):
            continue
        if "hmac-sha256:" in f"{before}{after}":
            fixed.append(f"the variable {name}: its value was masked")
            continue
        yield Factor("variable", name, before, after, False if belongs_to_place(name) else None)


def _packages(one: Record, other: Record, fixed: list[str]) -> Iterator[Factor]:
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
            fixed.append(f"{name}{where}: {before.version or 'unknown'} -> {after.version or 'unknown'}")
            continue
        yield Factor("package", name, before.version, after.version, True)


def _surroundings(one: Record, other: Record, fixed: list[str]) -> None:
    """Note what goes with the machine."""
    if one.platforms and other.platforms:
        for name, what in (
            ("network_name", "the host"), ("release", "the kernel"), ("distribution", "the system"),
            ("machine", "the machine"), ("processor", "the processor"), ("accelerators", "the accelerators"),
        ):
            before, after = getattr(one.platforms[0], name), getattr(other.platforms[0], name)
            if before != after:
                fixed.append(f"{what}: {before or 'none'} -> {after or 'none'}")
    for name in sorted({*one.surroundings, *other.surroundings}):
        before, after = one.surroundings.get(name), other.surroundings.get(name)
        if before != after and name != "threads":  # variables say how many, and they are swapped
            fixed.append(f"{name}: {before or 'none'} -> {after or 'none'}")
    if one.executable and other.executable and one.executable.version != other.executable.version:
        fixed.append(f"{one.executable.name}: {one.executable.version} -> {other.executable.version}")
