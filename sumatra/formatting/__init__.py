"""Formats: records as text.

Each format is a module with one function, ``render(records, view)``, which yields pieces of text.  What a record says
may come from a stranger: each format escapes what its readers could take for more than text.
"""

from collections.abc import Iterable, Iterator

from sumatra import plugins
from sumatra.facts import fact
from sumatra.plugins import Backend
from sumatra.records import Record

__all__ = ["BACKENDS", "MODES", "View", "render"]

BACKENDS = {
    "text": Backend(".text", "for reading on a terminal"),
    "json": Backend(".json", "one array of whole records, as Sumatra 0.8 has it and more"),
    "csv": Backend(".csv", "a table for spreadsheets"),
    "html": Backend(".html", "a page"),
    "latex": Backend(".latex", "a table or a list for a paper"),
    "markdown": Backend(".markdown", "a table or a list for notes"),
    "shell": Backend(".shell", "commands that do the same again"),
}

MODES = ("short", "long", "table", "parameters", "outputs")


@fact
class View:
    """What to show of each record."""

    mode: str = "short"  #: one of `MODES`
    columns: tuple[str, ...] = ()  #: names that queries know; empty for the ordinary ones
    color: bool = False
    width: int | None = None  #: columns of the terminal; None when it isn't one: nothing is cut


def render(name: str, records: Iterable[Record], view: View) -> Iterator[str]:
    """Yield *records* as text in the format *name*, piece by piece."""
    pieces: Iterator[str] = plugins.load(__name__, name).render(records, view)
    return pieces
