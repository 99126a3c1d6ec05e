"""List records, or search them; newest first.

    smt list                                  (labels)
    smt list -l                               (in full; -T as a table, -P parameters, -O output files)
    smt list "Figure 6"                       (with that tag)
    smt list "tau_m > 10 and status == 'finished' and 'Figure 6' in tags"
    smt list -T --columns=label,tau_m,duration --sort=-duration -n 20
    smt list --json

A query is written as in Python: names of parameters (a.b for nested ones), label, reason, outcome, status, duration,
timestamp, tags, main_file, version, host, user, command, input, output …; == != < <= > >= in, and or not, strings and
numbers; matches(reason, 'pattern') for regular expressions. All of it: doc/reference/query.rst.
"""

import argparse
import ast
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from sumatra import formatting, plugins
from sumatra.cli.terminal import project_here, say, view_for
from sumatra.errors import UsageError
from sumatra.projects import Project
from sumatra.selection import (
    EVERYTHING,
    TIES,
    Expression,
    Selection,
    has_tag,
    main_file_starts,
    parameter_equals,
    parse_query,
    started_between,
)


if TYPE_CHECKING:
    from datetime import datetime


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare forms and filters."""
    add = parser.add_argument
    add("words", nargs="*", metavar="TAG|QUERY", help="only records with all these tags, or that fit the query")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("-l", "--long", dest="mode", action="store_const", const="long", help="in full")
    form.add_argument("-T", "--table", dest="mode", action="store_const", const="table", help="as a table")
    form.add_argument("-P", "--parameter_table", "--parameter-table", dest="mode", action="store_const",
                      const="parameters", help="a table of parameters")
    form.add_argument("-O", "--output_table", "--output-table", dest="mode", action="store_const", const="outputs",
                      help="a table of output files")
    add("-f", "--format", choices=tuple(plugins.names(formatting.__name__)), default="text", help="kind of text")
    add("--json", dest="format", action="store_const", const="json", help="the same as --format=json")
    add("-r", "--reverse", action="store_true", help="oldest first")
    add("-m", "--main_file", "--main-file", metavar="FILE", help="main file begins with this")
    add("-p", "--parameters", metavar="NAME=VALUE,…", help="only records with these values of parameters")
    add("-d", "--date", metavar="DAY", help="today, yesterday, or a day as 20261122 or 2026-11-22")
    add("-n", "--count", type=int, metavar="COUNT", help="at most so many")
    add("--columns", metavar="NAME,…", help="columns of the table: fields and parameters")
    add("--sort", metavar="NAME,…", help="order by these; a minus before a name turns the order round")


def run(args: argparse.Namespace) -> None:
    """List them."""
    project = project_here()
    selection = _selection(args, project)
    columns = tuple(filter(None, (args.columns or "").split(",")))
    mode = args.mode or ("table" if columns else "short")
    for piece in _pieces(project, selection, args.format, mode, columns):
        sys.stdout.write(piece)


def _pieces(
    project: Project, selection: Selection, format_name: str, mode: str, columns: tuple[str, ...]
) -> Iterator[str]:
    view = view_for(mode, columns)
    if (format_name, mode) == ("text", "short") and not view.color:
        from sumatra.formatting.escape import visible

        for label in project.record_store.labels(project.name, selection):
            yield visible(label) + "\n"
        return
    yield from formatting.render(format_name, project.record_store.select(project.name, selection), view)


def _selection(args: argparse.Namespace, project: Project) -> Selection:
    selection = EVERYTHING
    for word in args.words:
        selection = selection.and_where(_query_or_tag(word, project))
    if args.main_file:
        selection = selection.and_where(main_file_starts(args.main_file))
    for name, text in _values(args.parameters):
        selection = selection.and_where(parameter_equals(name, text))
    if args.date:
        selection = selection.and_where(started_between(*_day(args.date)))
    if args.sort:
        names = tuple(name.strip() for name in args.sort.split(",") if name.strip())
        selection = replace(selection, sort=(*names, *TIES))
    if args.reverse:
        selection = selection.reversed()
    if args.count is not None:
        if args.count < 0:
            raise UsageError(f"{args.count} isn't a number of records")
        selection = selection.first(args.count)
    return selection


def _query_or_tag(word: str, project: Project) -> Expression:
    """Return what *word* asks for: a query has an operator in it, and a tag is what some record carries."""
    try:
        tree = ast.parse(word.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    asks = isinstance(tree, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Call)
    if asks or any(sign in word for sign in ("==", "!=", "<", ">", " and ", " or ", " in ")):
        if word in project.record_store.tags(project.name):
            return has_tag(word)
        return parse_query(word)
    if word not in project.record_store.tags(project.name):
        say(f"no record carries the tag {word!r}")
    return has_tag(word)


def _values(text: str | None) -> Iterator[tuple[str, str]]:
    for pair in filter(None, (text or "").split(",")):
        name, equals, wanted = pair.partition("=")
        if not equals:
            raise UsageError(f"{pair!r} isn't name=value", "as: smt list --parameters tau_m=10,seed=3")
        yield name.strip(), wanted.strip()


def _day(text: str) -> "tuple[datetime, datetime]":
    from datetime import datetime, timedelta

    today = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    if text == "today":
        return today, _next(today)
    if text == "yesterday":
        return _next(today - timedelta(days=2)), today
    for form in ("%Y%m%d", "%Y-%m-%d"):
        try:
            day = datetime.strptime(text, form).astimezone()
        except ValueError:
            continue
        return day, _next(day)
    raise UsageError(f"{text!r} isn't a day", "write today, yesterday, 20261122 or 2026-11-22")


def _next(day: "datetime") -> "datetime":
    """Return the midnight after *day*, also where a day has 23 or 25 hours."""
    from datetime import timedelta

    return (day.replace(tzinfo=None) + timedelta(days=1)).astimezone()


