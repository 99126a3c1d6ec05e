"""List records, or search them; newest first.

    smt list                                  (labels)
    smt list -l                               (in full; -T as a table, -P parameters, -O output files)
    smt list "Figure 6"                       (with that tag)
    smt list "tau_m > 10 and status == 'finished' and 'Figure 6' in tags"
    smt list -T --columns=label,tau_m,duration --sort=-duration -n 20
    smt list --json

A query is written as in Python: == != < <= > >= in, and or not, strings and numbers. Names are those of parameters (a.b
for nested ones, parameters['my name'] for odd ones) and of what each record has: label, id, status, exit_status,
timestamp, duration, reason, outcome, tags, code (or version), branch, changed, main_file, script_arguments, command,
executable, program, host, user, input, output, stdout_stderr, receipt, repeats, project. Texts are searched by 'part'
in reason, startswith(label, '2026'), endswith(main_file, '.py'), matches(reason, 'regular expression'), and all of a
record's by text('words'). Times are compared with '2026-11-22', '2026-11-22 14:30', 'today' or 'yesterday'. The details
are in doc/reference/query.rst.
"""

import argparse
import ast
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from sumatra import formatting, plugins
from sumatra.cli.terminal import parse_anywhere, project_here, say, view_for
from sumatra.errors import UsageError
from sumatra.facts import replace
from sumatra.projects import Project
from sumatra.selection import (
    EVERYTHING,
    FIELDS,
    TIES,
    Expression,
    Name,
    Selection,
    has_tag,
    main_file_starts,
    parameter_equals,
    parameter_names,
    parameters,
    parse_query,
    started_between,
)
from sumatra.selection.facts import name_of

if TYPE_CHECKING:
    from datetime import datetime


#: So many of the newest records are asked for the names of their parameters, to guess which one was meant.
_RECENT = 100

#: So many names of columns are told.
_MOST_NAMES = 60


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
    add("-m", "--main_file", "--main-file", metavar="FILE",
        help="main file begins with this: as it was typed, or as seen from here or from the project's folder")
    add("-p", "--parameters", action="append", default=[], metavar="NAME=VALUE,…",
        help="only records with these values of parameters")
    add("-d", "--date", metavar="DAY", help="today, yesterday, or a day as 20261122 or 2026-11-22")
    add("-n", "--count", type=int, metavar="COUNT", help="at most so many")
    add("--columns", metavar="NAME,…", help="columns of the table: fields and parameters")
    add("--sort", metavar="NAME,…", help="order by these; a minus before a name turns the order round")


def parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Return the options, wherever they stand; a minus after ``--sort`` begins a name and not an option."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] == "--sort":
            joined[-1] = f"--sort={word}"
        else:
            joined.append(word)
    return parse_anywhere(parser, joined)


def run(args: argparse.Namespace) -> None:
    """List them."""
    project = project_here()
    selection = _selection(args, project)
    columns = _names(args.columns)
    _refuse_strangers(project, (*columns, *(name.removeprefix("-") for name in _names(args.sort))))
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
        folders = dict.fromkeys((project.path, os.getcwd()))
        places = [_joined(folder, args.main_file) for folder in folders]
        selection = selection.and_where(main_file_starts(args.main_file, *places))
    for name, text in _values(args.parameters):
        selection = selection.and_where(parameter_equals(name, text))
    if selection.where:
        _tell_of_strangers(project, parameter_names(selection.where))
    if args.date:
        selection = selection.and_where(started_between(*_day(args.date)))
    if args.sort:
        selection = replace(selection, sort=(*_names(args.sort), *TIES))
    if args.reverse:
        selection = selection.reversed()
    if args.count is not None:
        if args.count < 0:
            raise UsageError(f"{args.count} isn't a number of records")
        selection = selection.first(args.count)
    return selection


def _joined(folder: str, beginning: str) -> str:
    """Return the path of *beginning* seen from *folder*; a slash at its end stays, for all that is in there."""
    return os.path.normpath(os.path.join(folder, beginning)) + "/" * beginning.endswith("/")


def _query_or_tag(word: str, project: Project) -> Expression:
    """Return what *word* asks for: a query has an operator in it, and a tag is what some record carries."""
    tags = project.record_store.tags(project.name)
    by_tag = has_tag(word)
    if word in tags or by_tag.operator != "has":  # the tag of a state is nobody's
        return by_tag
    try:
        tree = ast.parse(word.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    asks = isinstance(tree, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Call)
    if asks or any(sign in word for sign in ("=", "<", ">", "&&", "||", " and ", " or ", " in ")):
        return parse_query(word)
    guess = plugins.closest(word, tags)
    if guess is None and word in project.record_store.labels_starting(project.name, word):
        import shlex

        say(f"no record carries the tag {word!r}; it is a label: smt view {shlex.quote(word)}")
    else:
        say(f"no record carries the tag {word!r}" + (f"; did you mean {guess!r}?" if guess else ""))
    return by_tag


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _refuse_strangers(project: Project, names: Iterable[str]) -> None:
    """Raise `UsageError` if one of *names* isn't that of a field, or of a parameter that some record has."""
    asked = [name_of(name) for name in names]
    strangers, known = _strangers(project, {name.name for name in asked if name.kind == "parameter"})
    for name in strangers:
        guess = _guess(name, known)
        more = ", …" if len(known) > _MOST_NAMES else ""
        raise UsageError(
            f"there is no column {name!r}",
            (f"did you mean {guess!r}? " if guess else "") + f"known are: {', '.join(known[:_MOST_NAMES])}{more}",
        )


def _tell_of_strangers(project: Project, names: set[str]) -> None:
    strangers, known = _strangers(project, names)
    for name in strangers:
        guess = _guess(name, known)
        say(f"no record has a parameter {name!r}" + (f"; did you mean {guess!r}?" if guess else ""))


def _strangers(project: Project, names: set[str]) -> tuple[list[str], list[str]]:
    """Return those of *names* that are no record's parameter, and names that are known: fields, then parameters.

    The newest record mostly knows them; all others are asked by the store, which needn't read them for that.
    """
    if not names:
        return [], []
    store = project.record_store

    def known(count: int) -> dict[str, None]:
        records = store.select(project.name, EVERYTHING.first(count))
        return {name: None for record in records for name in parameters(record)}

    strangers = names.difference(known(1))
    if strangers and not store.labels(project.name, EVERYTHING.first(1)):
        return [], []
    for name in sorted(strangers):
        there = Expression("there", (Name("parameter", name),))
        if store.labels(project.name, EVERYTHING.and_where(there).first(1)):
            strangers.remove(name)
    found = known(_RECENT) if strangers else {}
    return sorted(strangers.difference(found)), [*FIELDS, *found]


def _guess(name: str, known: Iterable[str]) -> str | None:
    """Return what *name* is probably a slip of; a parameter's last part may stand for the whole."""
    ends = [other for other in known if other.endswith(f".{name}")]
    return ends[0] if ends else plugins.closest(name, known)


def _values(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    for pair in filter(None, ",".join(texts).split(",")):
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
