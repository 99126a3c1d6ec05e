"""Put records into the trash, or bring them back.

    smt delete LABEL LABEL
    smt delete --tag "bad idea"
    smt delete --data LABEL        (its output files too, as far as they are still the same)
    smt delete --undo              (bring back what was deleted last)
    smt delete --undo LABEL

Without --data no file is touched.
"""

import argparse

from sumatra.cli.terminal import parse_anywhere, project_here, say
from sumatra.errors import LabelTaken, NoSuchRecord, SumatraError, UsageError
from sumatra.projects import Project

parse = parse_anywhere


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is to be deleted."""
    parser.add_argument("labels", nargs="*", metavar="LABEL", help="records to delete, or tags with --tag")
    parser.add_argument("-t", "--tag", action="store_true", help="the words are tags: delete what carries one of them")
    parser.add_argument("-d", "--data", action="store_true", help="delete the output files too")
    parser.add_argument("-u", "--undo", action="store_true", help="bring back from the trash")


def run(args: argparse.Namespace) -> None:
    """Delete, or undo."""
    project = project_here()
    if args.undo:
        if args.tag or args.data:
            raise UsageError("--undo brings back records alone", "files that were deleted are gone")
        for label in args.labels or [None]:
            print(_undeleted(project, label))
        return
    if not args.labels:
        raise UsageError("there is nothing to delete", "name labels, or tags with --tag; 'last' is the most recent run")
    labels = _tagged(project, args.labels) if args.tag else [project.get_record(label).label for label in args.labels]
    kept = []
    for label in dict.fromkeys(labels):
        kept += project.delete_record(label, args.data)
    number = len(dict.fromkeys(labels))
    say(f"{number} record{'s' * (number != 1)} put into the trash; smt delete --undo brings back the last one")
    for sentence in kept:
        say(sentence)
    if kept:
        raise SumatraError(f"{len(kept)} data file{'s' * (len(kept) != 1)} could not be deleted")


def _undeleted(project: Project, label: str | None) -> str:
    try:
        return project.undelete(label)
    except LabelTaken as error:
        raise LabelTaken(
            f"{error} by now, so the one in the trash stays there",
            "bring back another one by its label: smt delete --undo LABEL",
        ) from error


def _tagged(project: Project, tags: list[str]) -> list[str]:
    labels = []
    for tag in tags:
        found = project.get_labels(tag)
        if not found:
            known = ", ".join(sorted(project.record_store.tags(project.name))) or "none"
            raise NoSuchRecord(f"no record carries the tag {tag!r}", f"tags in use: {known}")
        labels += found
    return labels
