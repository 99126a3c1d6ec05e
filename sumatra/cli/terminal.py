"""What commands share: the project they are for, and the terminal they talk to."""

import argparse
import os
import sys
from collections.abc import Sequence

from sumatra.errors import UsageError
from sumatra.formatting import View
from sumatra.formatting.escape import visible
from sumatra.projects import Project, load_project

__all__ = ["check_patterns", "parse_anywhere", "project_here", "say", "view_for", "wants_color"]


def parse_anywhere(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Return what *words* say, where options may stand between the others; after ``--`` there are no options."""
    return parser.parse_args(words) if "--" in words else parser.parse_intermixed_args(words)


def check_patterns(patterns: Sequence[str]) -> None:
    """Raise `UsageError` if one of *patterns*, by which differences are to be ignored, isn't a regular expression."""
    import re

    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise UsageError(f"{pattern!r} isn't a regular expression: {error}") from error


def say(sentence: str) -> None:
    """Tell the user *sentence*, on standard error: results alone go to standard output."""
    print(f"smt: {visible(sentence)}", file=sys.stderr)


def project_here() -> Project:
    """Return the project of the current folder, which talks to the user."""
    project = load_project()
    project.warn = say
    return project


def wants_color(stream: int = 1) -> bool:
    """Tell whether *stream* is a terminal that shows colours (https://no-color.org)."""
    return os.isatty(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def view_for(mode: str = "short", columns: tuple[str, ...] = (), stream: int = 1) -> View:
    """Return how records are shown on *stream*, by default our standard output."""
    try:
        width = os.get_terminal_size(stream).columns if os.isatty(stream) else None
    except OSError:
        width = None
    return View(mode=mode, columns=columns, color=wants_color(stream), width=width)
