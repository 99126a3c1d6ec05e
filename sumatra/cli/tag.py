"""Tag records, or take tags away.

    smt tag "Figure 6"
    smt tag "Figure 6" LABEL LABEL
    smt tag --remove "Figure 6" LABEL

Without a label, the most recent run is meant. A tag is one whole piece of text. _finished_, _failed_ and the like are
the tags by which Sumatra 0.8 told the state of a run: they change the state.
"""

import argparse

from sumatra.cli.terminal import parse_anywhere, project_here
from sumatra.errors import UsageError
from sumatra.projects import check_tag
from sumatra.records import STATUS_TAGS

parse = parse_anywhere


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare tag and labels."""
    parser.add_argument("tag", metavar="TAG", help="the tag")
    parser.add_argument("labels", nargs="*", metavar="LABEL", default=[], help="records to tag (default: the last)")
    parser.add_argument("-r", "--remove", action="store_true", help="take the tag away")


def run(args: argparse.Namespace) -> None:
    """Tag each record, or none if one of them isn't there."""
    check_tag(args.tag)
    if args.remove and args.tag in STATUS_TAGS:
        raise UsageError(
            f"{args.tag} tells the state of a run, and every run is in some state",
            "change the state: smt tag _finished_ LABEL, or _failed_, _killed_ …",
        )
    project = project_here()
    labels = [project.get_record(label).label for label in args.labels or ["last"]]
    for label in labels:
        if args.remove:
            project.remove_tag(label, args.tag)
        else:
            project.add_tag(label, args.tag)
