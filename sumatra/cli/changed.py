"""Tell what has changed since a run that went well: it worked yesterday.

    smt changed                        (since the last good run of the command that was run last)
    smt changed LABEL                  (since that run)
    smt changed -- python main.py      (since the last good run of that command)
    smt changed -i '^PATH$'            (leave out what the regular expression finds in a name)

All that the record tells is looked at again on this machine, as it is now: inputs, parameters, code, libraries,
environment, command, machine. Nothing is run. What could matter comes first; what can't be told is said. The exit
status is 0 if nothing has changed that the run used, and 1 if something has.
"""

import argparse
import json
import os
from collections.abc import Sequence

from sumatra.cli.terminal import check_patterns, project_here, say, view_for
from sumatra.errors import NoSuchRecord, UsageError
from sumatra.projects import Project
from sumatra.records import Record


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the label and what to tell; the words of a command are split off by `parse`."""
    add = parser.add_argument
    parser.usage = f"{parser.prog} [options] [LABEL | -- COMMAND …]"
    add("label", nargs="?", metavar="LABEL", help="the run (default: the last good one of the command run last)")
    add("-l", "--long", action="store_true", help="tell all of each kind, however many")
    add("-i", "--ignore", action="append", default=[], metavar="PATTERN",
        help="leave out names in which this regular expression is found; may be given several times")
    add("--read", action="store_true", help="read large inputs that were written since, to be sure of their content")
    add("--json", action="store_true", help="print JSON")


def parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Return the options, and the words after ``--`` untouched."""
    place = list(words).index("--") if "--" in words else len(words)
    args = parser.parse_intermixed_args(words[:place])
    args.command = list(words[place + 1:])
    args.is_command = place < len(words)
    return args


def run(args: argparse.Namespace) -> int:
    """Compare, and end with 1 where something has changed."""
    _check(args)
    project = project_here()
    record, asked = _chosen(project, args)
    found = project.changes_since(record, asked, ignore=args.ignore, read=args.read)
    from sumatra.formatting import changes as formatting

    if args.json:
        print(json.dumps(formatting.as_json(record, found), indent=2))
    else:
        print("".join(formatting.text(record, found, view_for(), whole=args.long)), end="")
    return int(bool(found.causes))


def _check(args: argparse.Namespace) -> None:
    if args.is_command and args.label:
        raise UsageError("there is a label, and a command too", "take one of them")
    if args.is_command and not args.command:
        raise UsageError("there is no command after --", "smt changed -- python main.py")
    check_patterns(args.ignore)


def _chosen(project: Project, args: argparse.Namespace) -> tuple[Record, Record]:
    """Return the run since which is asked, and the one whose command is."""
    from sumatra.runs.alike import of_record, of_words

    if args.label:
        record = project.get_record(args.label)
        return record, record
    asked = None
    if args.is_command:
        words = args.command
        command = of_words(words, _main_file(words), words[0])
        told = _shown(words)
    else:
        asked = project.get_record("last")
        command = of_record(asked)
        told = _shown(asked.command)
    good = project.last_good(command)
    if good is None:
        raise NoSuchRecord(
            f"no run of this command is known to have ended well: {told}",
            "name the run to compare with: smt changed LABEL; see them: smt list",
        )
    if not good.is_same:
        say(f"no good run of just this command is known; compared with one {good.difference}: {good.record.label}")
    return good.record, asked if asked is not None else good.record


def _main_file(words: Sequence[str]) -> str | None:
    """Return the script in the command *words*, whose program need not be there any more."""
    from sumatra import programs
    from sumatra.errors import LaunchError

    try:
        return programs.describe(words, os.getcwd(), os.environ)[1]
    except LaunchError:
        return programs.script_of(words)


def _shown(words: Sequence[str]) -> str:
    import shlex

    return shlex.join(words)
