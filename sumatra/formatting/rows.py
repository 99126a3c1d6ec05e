"""What formats show of a record: labelled rows, tables, and values in words.  Nothing is escaped here."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sumatra.formatting import View
from sumatra.records import DataKey, Executable, Record, brief_version

__all__ = [
    "COLUMNS", "Table", "all_columns", "are_numbers", "cell_text", "digest_text", "duration_text", "executable_text",
    "file_text", "is_number", "is_tabular", "literal", "long_rows", "script_text", "shown", "size_text", "status_text",
    "table", "title", "value_text", "version_text",
]

#: What a table shows unless it is told otherwise.
COLUMNS = (
    "label", "status", "timestamp", "duration", "reason", "outcome", "tags", "version", "main_file",
    "script_arguments",
)

_FILE_COLUMNS = ("path", "size", "digest")
_SYSTEMS = {"git": "Git", "hg": "Mercurial", "svn": "Subversion", "bzr": "Bazaar", "p4": "Perforce"}
_MOST_BITS = 13_000  #: Python refuses to write numbers of more than 4300 digits
_PARAMETER = "parameters."

Value = Callable[[Record, str], Any]


class Table(NamedTuple):
    """A table: names of columns, and rows of values of any type."""

    names: tuple[str, ...]
    rows: Iterable[Sequence[Any]]
    varying: frozenset[str] = frozenset()  #: parameters that differ from row to row


def are_numbers(values: Iterable[Any]) -> bool:
    """Tell whether *values* are numbers, apart from those that aren't there."""
    there = [value for value in values if value is not None]
    return bool(there) and all(map(is_number, there))


def table(records: Iterable[Record], view: View, value: Value) -> Table:
    """Return *records* as the table that *view* asks for; *value* is how a column is read from a record.

    Mode ``parameters`` adds a column per parameter, first those that vary; ``outputs`` has a row per output file.
    """
    if view.mode == "parameters":
        return _parameter_table(records, view.columns or ("label",), value)
    if view.mode == "outputs":
        columns = view.columns or ("label",)
        return Table((*columns, *_FILE_COLUMNS), _output_rows(records, columns, value))
    names = view.columns or COLUMNS
    return Table(names, ([value(record, name) for name in names] for record in records))


def all_columns(records: Sequence[Record]) -> tuple[str, ...]:
    """Return the names of all fields, and of all parameters of *records*."""
    from sumatra.selection import FIELDS

    varying, others = _parameter_names([record.parameters.flat() for record in records])
    fields = (name for name in FIELDS if name != "code")  # which is the version again
    return (*fields, *(_PARAMETER + name for name in (*varying, *others)))


def _parameter_table(records: Iterable[Record], columns: tuple[str, ...], value: Value) -> Table:
    leading: list[list[Any]] = []
    flats: list[dict[str, Any]] = []
    for record in records:
        leading.append([value(record, name) for name in columns])
        flats.append(record.parameters.flat())
    varying, others = _parameter_names(flats)
    names = (*varying, *others)
    rows = (
        [*first, *(flat.get(name) for name in names)] for first, flat in zip(leading, flats, strict=True)
    )
    return Table((*columns, *(_PARAMETER + name for name in names)), rows, frozenset(_PARAMETER + n for n in varying))


def _parameter_names(flats: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    """Return the names of the parameters that vary, and of those that don't, each in order of appearance."""
    seen: dict[str, set[str]] = {}
    count: dict[str, int] = {}
    for flat in flats:
        for name, value in flat.items():
            seen.setdefault(name, set()).add(literal(value))
            count[name] = count.get(name, 0) + 1
    varying = [name for name, values in seen.items() if len(values) > 1 or count[name] < len(flats)]
    apart = set(varying)
    return varying, [name for name in seen if name not in apart]


def title(name: str) -> str:
    """Return what stands above the column *name*: parameters go by their own names."""
    return name.removeprefix(_PARAMETER)


def is_tabular(view: View) -> bool:
    """Tell whether *view* asks for a table; columns make one of the short form too."""
    return view.mode in ("table", "parameters", "outputs") or (view.mode == "short" and bool(view.columns))


def _output_rows(records: Iterable[Record], columns: tuple[str, ...], value: Value) -> Iterator[Sequence[Any]]:
    for record in records:
        first = [value(record, name) for name in columns]
        for key in record.output_data:
            yield [*first, key.path, key.size, key.digest]


def shown(record: Record, name: str) -> str:
    """Return in words, and briefly, what the column *name* says of *record*; empty for what it doesn't have.

    Raises `QueryError` for a name that queries don't know.
    """
    if name in _BRIEF:
        return _BRIEF[name](record)
    from sumatra.selection import value

    return value_text(value(record, name))


def value_text(value: Any) -> str:
    """Return a value of a record or parameter in words."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, (set, frozenset)):
        return ", ".join(sorted(map(str, value)))
    if isinstance(value, tuple):
        return ", ".join(map(value_text, value))
    return literal(value)


def literal(value: Any) -> str:
    """Return *value* as Python writes it; whole numbers of thousands of digits, which it refuses, in hexadecimal."""
    try:
        return repr(value)
    except ValueError:
        return hex(value) if isinstance(value, int) else "(too long to write)"


def cell_text(name: str, value: Any) -> str:
    """Return the value of the column *name* of a `table` in words: sizes with a unit, digests short."""
    if name == "size" and isinstance(value, int):
        return size_text(value)
    if name == "digest":
        return digest_text(value)
    return value_text(value)


def is_number(value: Any) -> bool:
    """Tell whether *value* is a number that can be written as one; true and false aren't."""
    if isinstance(value, int):
        return not isinstance(value, bool) and value.bit_length() < _MOST_BITS
    return isinstance(value, float)


_BRIEF: dict[str, Callable[[Record], str]] = {
    "label": lambda record: record.label,
    "status": lambda record: record.status,
    "timestamp": lambda record: record.timestamp.strftime("%Y-%m-%d %H:%M"),
    "duration": lambda record: duration_text(record.duration),
    "version": lambda record: version_text(record),
    "tags": lambda record: value_text(record.tags),
}


def version_text(record: Record) -> str:
    """Return the version of the code in at most 12 characters, with a ``*`` when it had uncommitted changes."""
    return brief_version(record.version) + ("*" if _changed(record) else "")


def _changed(record: Record) -> bool:
    from sumatra.selection import value

    return bool(value(record, "changed"))


def status_text(record: Record) -> str:
    """Return the state of the run, and how it ended if not well."""
    if record.status == "killed" and record.signal:
        return f"killed by {record.signal}"
    if record.status == "failed" and record.signal:
        return f"failed, {record.signal}"
    if record.exit_status:
        return f"{record.status}, exit status {record.exit_status}"
    return record.status


def duration_text(seconds: float | None) -> str:
    """Return a duration as people tell it: ``37 ms``, ``12.3 s``, ``2 min 03 s``, ``3 h 20 min``, ``2 d 05 h``."""
    if seconds is None:
        return ""
    if not 0 <= seconds < 1e12:
        return f"{seconds} s"  # a clock that went wrong
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.2g} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} d {hours:02} h"


def size_text(size: int | None) -> str:
    """Return a size in bytes in the units that disks are sold by (1 kB is 1000 bytes)."""
    if size is None:
        return ""
    if size < 1000:
        return f"{size} B"
    amount = float(size)
    for unit in ("kB", "MB", "GB", "TB"):
        amount /= 1000
        if amount < 999.5 or unit == "TB":
            break
    return f"{amount:.{1 if amount < 99.95 else 0}f} {unit}"


def digest_text(digest: str | None) -> str:
    """Return the first twelve characters of a digest, without the name of its method."""
    return (digest or "").rpartition(":")[2][:12]


def file_text(key: DataKey) -> str:
    """Return one file in a line: path, size, short digest, and what is odd about it."""
    facts = [fact for fact in (size_text(key.size), digest_text(key.digest), *key.flags) if fact]
    name = key.path.replace("\n", r"\n")  # a new line would look like another file
    return f"{name} ({', '.join(facts)})" if facts else name


def long_rows(record: Record, *, brief: bool = False) -> Iterator[tuple[str, str]]:
    """Yield what Sumatra calls the long form: a name and a text, perhaps of several lines, for each row.

    With *brief*, files are only counted, and findings left out.
    """
    yield "Label", record.label
    yield "Timestamp", str(record.timestamp)
    yield "Status", status_text(record)
    yield "Reason", record.reason
    yield "Outcome", record.outcome
    yield "Duration", _seconds(record.duration)
    yield "Repository", _repository(record)
    yield "Branch", (record.repository.branch or "") if record.repository else ""
    yield "Main_File", record.main_file or ""
    yield "Version", _version(record)
    yield "Script_Arguments", record.script_arguments
    yield "Command", record.command_line
    yield "Executable", executable_text(record.executable)
    yield "Script", script_text(record)
    yield "Parameters", record.parameters.content.rstrip("\n")
    yield "Input_Data", _files(record.input_data, brief)
    unseen = "" if record.outputs_are_known else " (not all known)"
    yield "Output_Data", _files(record.output_data, brief) + unseen
    yield "Launch_Mode", _choice(record)
    yield "User", record.user
    yield "Host", record.host
    yield "Tags", value_text(record.tags)
    yield "Repeats", str(record.repeats)
    if record.receipt and not brief:
        yield "Receipt", "\n".join(f"{finding.code}: {finding.message}" for finding in record.receipt)


def _seconds(duration: float | None) -> str:
    if duration is None:
        return ""
    exact = f"{round(duration, 6)} s"
    return exact if 1 <= duration < 60 else f"{duration_text(duration)} ({exact})"


def _repository(record: Record) -> str:
    repository = record.repository
    if repository is None:
        return str(None)
    place = f"{_system(repository.type)} at {repository.url}"
    same = repository.upstream in (None, "", repository.url)
    return place if same else f"{place}\n(upstream: {repository.upstream})"


def _system(name: str) -> str:
    return _SYSTEMS.get(name, name[:1].upper() + name[1:]) + "Repository"


def _version(record: Record) -> str:
    counts: dict[str, int] = {}
    for change in record.changes:
        counts[change.kind] = counts.get(change.kind, 0) + 1
    kept = counts.pop("code", 0)
    version = (record.version or "") + "*" * _changed(record)
    if counts:
        total = sum(counts.values())
        kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        version += f"\n({total} file{'s' * (total != 1)} not committed: {kinds})"
    elif kept:
        version = f"(no version control: {kept} file{'s' * (kept != 1)} of code kept)"
    return version


def executable_text(executable: Executable | None) -> str:
    """Return the program with its version and place, as Sumatra has always told it."""
    if executable is None:
        return str(None)
    version = f" (version: {executable.version})" if executable.version else ""
    text = f"{executable.name}{version} at {executable.path}" if executable.name else executable.path + version
    return f"{text} {executable.options}".rstrip()


def script_text(record: Record) -> str:
    """Return what was run in one line: place of the code, version, and main file."""
    if record.repository is None:
        return record.main_file or ""
    version = f" r{record.version}" if record.version else ""
    main = f" (main file is {record.main_file})" if record.main_file else ""
    return f"{_system(record.repository.type)} at {record.repository.url}{version}{main}"


def _files(keys: tuple[DataKey, ...], brief: bool) -> str:
    if not keys:
        return "[]"
    if brief:
        known = [key.size for key in keys if key.size is not None]
        size = f", {'at least ' * (len(known) < len(keys))}{size_text(sum(known))}" if known else ""
        return f"{len(keys)} file{'s' * (len(keys) != 1)}{size}"
    return "\n".join(map(file_text, keys))


def _choice(record: Record) -> str:
    options = ", ".join(f"{name}={value_text(value)}" for name, value in record.launch_mode.options.items())
    return f"{record.launch_mode.name} ({options})" if options else record.launch_mode.name
