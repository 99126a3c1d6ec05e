"""Check that the files of records are still there, with the content that they had.

    smt verify
    smt verify LABEL LABEL
    smt verify --resume          (go on where the last one was interrupted)

Without a label, all records are checked. Inputs and outputs are looked for where they were, and what Sumatra has kept
(changed code, parameters, what was printed) in its own store. Each file is read from its first byte to its last. The
exit status is 0 if all is as it was, and 1 if anything isn't.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from sumatra import files
from sumatra.cli.terminal import parse_anywhere, project_here, say
from sumatra.formatting.escape import visible
from sumatra.projects import Project
from sumatra.records import Record
from sumatra.runs.verifying import OUTCOMES, Item, items_of, verified

parse = parse_anywhere

#: So many records are done between two notes of how far we are.
_NOTE_AFTER = 20


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare labels and options."""
    add = parser.add_argument
    add("labels", nargs="*", metavar="LABEL", default=[], help="records to check (default: all)")
    add("-a", "--all", action="store_true", help="tell of the files that are as they were, too")
    add("--resume", action="store_true", help="leave out records that were found to be in order before an interruption")
    add("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Check, and end with 1 where anything isn't as it was."""
    project = project_here()
    records: Sequence[Record] = (
        [project.get_record(label) for label in args.labels] if args.labels else list(project.find_records())
    )
    path = os.path.join(project.folder, "verified.json")
    done = _read(path) if args.resume else set()
    counts = dict.fromkeys(OUTCOMES, 0)
    told: list[dict[str, object]] = []
    try:
        for number, record in enumerate(records, 1):
            if record.id in done:
                continue
            is_good = True
            for item, outcome in _checked(record, project, number, len(records)):
                counts[outcome] += 1
                is_good = is_good and outcome in ("ok", "not hashed")
                if outcome != "ok" or args.all:
                    told.append({**item._asdict(), "outcome": outcome})
                    if not args.json:
                        print(visible(f"{item.label}  {item.role:10}  {outcome:10}  {item.path}"))
            if is_good:
                done.add(record.id)
            if number % _NOTE_AFTER == 0:
                _note(path, done)
    except KeyboardInterrupt:
        _note(path, done)
        say("interrupted; to go on: smt verify --resume")
        raise
    with suppress(OSError):
        os.unlink(path)
    if args.json:
        print(json.dumps({"records": len(records), "counts": counts, "files": told}, indent=2))
    else:
        summary = ", ".join(f"{number:,} {outcome}" for outcome, number in counts.items() if number)
        say(f"{len(records):,} record{'s' * (len(records) != 1)}: {summary or 'no files'}")
    return int(any(counts[outcome] for outcome in ("changed", "missing", "unreadable")))


def _checked(record: Record, project: Project, number: int, all_of_them: int) -> Iterator[tuple[Item, str]]:
    tell = _progress(f"smt: record {number} of {all_of_them}") if os.isatty(2) else None
    for item, outcome in verified(items_of(record, project.objects), tell or (lambda count: None)):
        is_another = record.repeats is not None and item.role == "output" and outcome in ("changed", "missing")
        yield item, _kept(record, item, project) if is_another else outcome
    if tell is not None:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _kept(record: Record, item: Item, project: Project) -> str:
    """Return what has become of a result of the repetition *record*: what lies in its place is another run's."""
    from sumatra.runs.judging import NotToBeHad

    key = next(key for key in record.output_data if key.path == item.path)
    with project.judge() as judge:
        try:
            judge.place(record, key)
        except NotToBeHad:
            return "missing"
    return "ok"


def _progress(beginning: str) -> Callable[[int], None]:
    done = 0
    shown = -1

    def tell(count: int) -> None:
        nonlocal done, shown
        done += count
        if done // 100_000_000 != shown:
            shown = done // 100_000_000
            print(f"\r{beginning}, {done / 1e9:.1f} GB read", end="", file=sys.stderr, flush=True)

    return tell


def _read(path: str) -> set[str]:
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return set()
    return {each for each in found if isinstance(each, str)} if isinstance(found, list) else set()


def _note(path: str, done: set[str]) -> None:
    with suppress(OSError):
        files.write_atomically(path, json.dumps(sorted(done)).encode())
