"""Which earlier run was of the same command."""

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sumatra import programs
from sumatra.records import Record
from sumatra.selection import EVERYTHING, Expression, Selection, has_status
from sumatra.selection.facts import Name, searchable

__all__ = ["Alike", "Command", "good_ones", "likest", "of_record", "of_words"]

#: So many good runs of the same script are looked through for one with the same words.
_MOST = 200


class Command(NamedTuple):
    """What makes two runs runs of the same command."""

    words: tuple[str, ...]  #: without the label, and without values for parameters
    values: tuple[str, ...]  #: those, as ``name=value``, sorted
    main_file: str | None
    program: str  #: name of its file
    parameters: str = ""  #: name of the parameter file, whose folder doesn't count: it may be a copy


class Alike(NamedTuple):
    """An earlier run, and how alike it is."""

    record: Record
    is_same: bool  #: to the word
    difference: str = ""  #: in what it isn't


def of_record(record: Record) -> Command:
    """Return the command of *record*."""
    values = record.parameters.flat()
    changed = [f"{name}={values[name]}" for name in record.parameters.changed if name in values]
    program = record.executable.path if record.executable else record.command[0] if record.command else ""
    words = [word.replace(record.label, "{label}") for word in record.command]
    return _command(words, changed, record.main_file, program, os.path.basename(record.parameters.path or ""))


def of_words(words: Sequence[str], main_file: str | None, program: str) -> Command:
    """Return the command that a user has typed."""
    return _command(words, (), main_file, program, "")


def _command(
    words: Sequence[str], values: Sequence[str], main_file: str | None, program: str, parameters: str
) -> Command:
    given = [word for word in words[1:] if _is_value(word)]
    return Command(
        tuple(word for at, word in enumerate(words) if at == 0 or not _is_value(word)),
        tuple(sorted(map(_plain, (*given, *values)))), main_file, os.path.basename(program), parameters,
    )


def _plain(text: str) -> str:
    """Return ``name=value`` with a number as Python writes it."""
    name, _, value = text.partition("=")
    try:
        return f"{name}={float(value)}"
    except ValueError:
        return text


def _is_value(word: str) -> bool:
    name, equals, _ = word.partition("=")
    return bool(equals) and name.replace(".", "_").isidentifier()


def good_ones(command: Command, before: Record | None = None) -> Selection:
    """Return the question for good runs that may be of *command*, newest first; those *before* a run alone."""
    where = [has_status("finished")]
    if command.main_file is not None:
        where.append(Expression("==", (Name("field", "main_file"), searchable(command.main_file))))
    else:
        ending = searchable(command.program)
        where.append(Expression("endswith", (Name("field", "executable"), ending)))
    if before is not None:
        from sumatra.selection import started_between

        where.append(started_between(None, before.timestamp))
    return Selection(Expression("and", tuple(where)), EVERYTHING.sort, _MOST)


def likest(command: Command, records: Iterable[Record]) -> Alike | None:
    """Return the first of *records* that is of *command*, or else the one that is likest to it."""
    nearest: dict[str, Record] = {}
    for record in records:
        if record.repeats is not None:
            continue  # it was run in a folder of its own
        other = of_record(record)
        if not _has_same_words(command, other):
            if _is_sure_of_its_program(command):
                nearest.setdefault("with other words", record)
        elif command.values != other.values:
            nearest.setdefault("with other values for parameters", record)
        else:
            return Alike(record, True)
    for difference in ("with other values for parameters", "with other words"):
        if difference in nearest:
            return Alike(nearest[difference], False, difference)
    return None


def _has_same_words(one: Command, other: Command) -> bool:
    files = {one.parameters, other.parameters} - {""}
    return len(one.words) == len(other.words) and all(
        first == second or (os.path.basename(first) == os.path.basename(second) and os.path.basename(first) in files)
        for first, second in zip(one.words, other.words, strict=True)
    )


def _is_sure_of_its_program(command: Command) -> bool:
    """Tell whether runs with other words are of the same program all the same: ``sh -c`` runs anything."""
    return command.main_file is not None or programs.known(command.program) is None
