"""What queries can ask of a record: its fields, its parameters, and the words in it."""

import math
from collections.abc import Callable, Iterable, Mapping, Set
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from sumatra.records import Record

__all__ = [
    "FIELDS", "LONGEST_WORD", "MOST_ITEMS", "MOST_WORDS", "ODD", "Field", "Name", "items", "microseconds", "name_of",
    "operand", "paths", "searchable", "split_words", "value", "words",
]

#: So many items of a list can be found by ``in``.
MOST_ITEMS = 100

#: So many different words of a record can be found by ``text``, and so many characters of each count.
MOST_WORDS = 2000
LONGEST_WORD = 64

#: Stands for a value that is there and can't be compared: a list, not a number.
ODD: Final = object()

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LARGEST = 2**63


class Name(NamedTuple):
    """A field or parameter that a query asks for."""

    kind: str  #: ``field`` or ``parameter``
    name: str


class Field(NamedTuple):
    """Something that every record can be asked for."""

    summary: str
    kind: str  #: ``text``, ``number``, ``truth``, ``time``, ``words`` (tags, codes) or ``files``
    of: Callable[["Record"], Any]


def _duration(record: "Record") -> float | None:
    duration = record.duration
    return None if duration is None or math.isnan(duration) else duration


def _program(record: "Record") -> str | None:
    program = record.executable
    return None if program is None else f"{program.name} {program.version or ''}".strip()


def _changed(record: "Record") -> bool:
    return bool(record.diff) or any(change.kind in ("modified", "added", "deleted") for change in record.changes)


_VERSION = Field("version of the code", "text", lambda record: record.version)

#: What can be asked for by name, beside parameters; a name that isn't here is a parameter's.
FIELDS: Mapping[str, Field] = {
    "label": Field("name of the record", "text", lambda record: record.label),
    "id": Field("identity, the same in every store that the record is copied to", "text", lambda record: record.id),
    "status": Field(
        "initialized, running, finished, failed, killed or crashed", "text", lambda record: record.status
    ),
    "exit_status": Field(
        "number with which the program ended; 0 is success", "number", lambda record: record.exit_status
    ),
    "timestamp": Field("when the run began", "time", lambda record: record.timestamp),
    "duration": Field("how long the run took, in seconds", "number", _duration),
    "reason": Field("why it was run", "text", lambda record: record.reason),
    "outcome": Field("what came of it", "text", lambda record: record.outcome),
    "tags": Field("tags, whole: 'Figure 6' in tags", "words", lambda record: tuple(sorted(record.tags))),
    "code": _VERSION,
    "version": _VERSION._replace(summary="the same as code"),
    "branch": Field(
        "branch of the code", "text", lambda record: record.repository.branch if record.repository else None
    ),
    "changed": Field("whether the code had changes that weren't committed", "truth", _changed),
    "main_file": Field("script that was run", "text", lambda record: record.main_file),
    "script_arguments": Field("what the script was given", "text", lambda record: record.script_arguments),
    "command": Field("command as it can be typed into a shell", "text", lambda record: record.command_line),
    "executable": Field(
        "path of the program", "text", lambda record: record.executable.path if record.executable else None
    ),
    "program": Field("name and version of the program", "text", _program),
    "host": Field("machine on which it ran", "text", lambda record: record.host),
    "user": Field("who ran it", "text", lambda record: record.user),
    "input": Field(
        "files that were read: 'model.csv' in input", "files", lambda record: tuple(paths(record, "input"))
    ),
    "output": Field(
        "files that were written: 'spikes.dat' in output", "files", lambda record: tuple(paths(record, "output"))
    ),
    "stdout_stderr": Field("what the program printed", "text", lambda record: record.stdout_stderr),
    "receipt": Field(
        "codes of what is missing: 'unpushed' in receipt", "words",
        lambda record: tuple(sorted({finding.code for finding in record.receipt})),
    ),
    "repeats": Field("label of the record that this one repeats", "text", lambda record: record.repeats),
    "project": Field("name of the project", "text", lambda record: record.project),
}


def value(record: "Record", name: str) -> Any:
    """Return what *record* says of the field or parameter *name*, or None; for columns.

    Times are `datetime`, tags and paths are tuples of text.
    """
    asked = name_of(name)
    if asked.kind == "field":
        return FIELDS[asked.name].of(record)
    return record.parameters.flat().get(name.removeprefix("parameters."))


def name_of(text: str) -> Name:
    """Return what *text* stands for; ``parameters.x`` is a parameter even if there is a field ``x``."""
    if text in FIELDS:
        return Name("field", "version" if text == "code" else text)
    return Name("parameter", searchable(text.removeprefix("parameters.")))


def operand(value: Any) -> Any:
    """Return *value* as queries compare it: a number, a text, None for nothing, or `ODD`.

    Whole numbers of more than 64 bits count as floating-point numbers, times in parameters as text.
    """
    if isinstance(value, str):
        return searchable(value)
    if isinstance(value, int):
        return int(value) if -_LARGEST <= value < _LARGEST else _large(value)
    if isinstance(value, float):
        return ODD if math.isnan(value) else float(value)
    if value is None or isinstance(value, Mapping):
        return None
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (list, tuple, Set, complex, bytes, bytearray)) or hasattr(value, "tolist"):
        return ODD
    return searchable(str(value))


def _large(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def items(value: Any) -> list[Any]:
    """Return what can be compared among the first `MOST_ITEMS` items of a list."""
    if not isinstance(value, (list, tuple, Set)):
        return []
    ordered: Iterable[Any] = sorted(value, key=repr) if isinstance(value, Set) else value[:MOST_ITEMS]
    simple = (operand(item) for item in list(ordered)[:MOST_ITEMS])
    return [item for item in simple if item is not None and item is not ODD]


def searchable(text: str) -> str:
    r"""Return *text* as it is compared: what isn't text in a name of a file becomes ``\udcff``, and NUL ``\x00``."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-8", "backslashreplace").decode()
    return str(text.replace("\0", "\\x00"))


def microseconds(moment: datetime) -> int:
    """Return *moment* as microseconds since 1970 began in UTC; one without a zone is UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND


def paths(record: "Record", name: str) -> list[str]:
    """Return the paths of the files that were read (``input``) or written (``output``)."""
    return [searchable(key.path) for key in (record.input_data if name == "input" else record.output_data)]


def words(record: "Record") -> dict[str, None]:
    """Return the words of *record* that ``text`` finds, each once, in order."""
    parameters = record.parameters.content or " ".join(
        f"{name} {value}" for name, value in record.parameters.flat().items() if isinstance(value, (str, int, float))
    )
    texts = (
        record.label, record.reason, record.outcome, *sorted(record.tags), record.main_file or "",
        *record.command, record.script_arguments, parameters,
    )
    found: dict[str, None] = {}
    for text in texts:
        for word in split_words(text):
            found[word] = None
            if len(found) >= MOST_WORDS:
                return found
    return found


def split_words(text: str) -> list[str]:
    """Return the runs of letters and digits in *text*, without regard to case."""
    import re

    return [word[:LONGEST_WORD] for word in re.findall(r"[^\W_]+", text.casefold())]
