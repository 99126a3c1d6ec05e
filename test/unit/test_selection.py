"""Selections: what queries mean, and what is said of those that can't be read."""

import ast
import math
import re
import sys
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sumatra.errors import QueryError
from sumatra.records import Change, DataKey, Parameters, Record
from sumatra.selection import (
    EVERYTHING,
    FIELDS,
    Expression,
    Selection,
    apply,
    has_status,
    has_tag,
    main_file_starts,
    matches,
    parameter_equals,
    parameter_names,
    parse_query,
    started_between,
    value,
)
from sumatra.selection.patterns import Pattern
from sumatra.testing.recordstores import QUERIES, a_full_record, a_record

PAGE = Path(__file__).resolve().parents[2] / "doc" / "reference" / "query.rst"

RECORD = a_record(
    "20261122-120000", reason="effect of a smaller time constant, figure 6", outcome="", status="finished",
    exit_status=0,
    duration=12.5, tags=frozenset({"Figure 6", "good"}), version="4e814c2f", main_file="src/main.py",
    script_arguments="<parameters> --fast", stdout_stderr="warning: singular matrix", user="Ada",
    parameters=Parameters("tau_m = 20.0", "simple", {
        "tau_m": 20.0, "n": 3, "distr": "uniform", "on": True, "off": False, "nothing": None,
        "neuron": {"v": -65, "label": "x"},
        "label": "of mine", "taus": [10, 20.5, "a"], "my name": 1, "µ": 5, "odd": math.nan,
        "day": datetime(2026, 1, 2).date(),
    }),
    output_data=(DataKey("Data/sub/spikes.dat", "sha256:ab"), DataKey("figure.png")),
    input_data=(DataKey("/in/a.csv"),),
)


def true(query: str, record: Record = RECORD) -> bool:
    return matches(parse_query(query), record)


@pytest.mark.parametrize("query", [
    "tau_m > 10", "tau_m == 20", "10 < tau_m <= 20", "10 < tau_m", "not tau_m < 10", "tau_m >= 20 and n == 3",
    "tau_m > 100 or n == 3", "n != 4", "-1 < n", "n > -1", "n == +3", "n in (1, 2, 3)", "n not in [4]", "n in {3}",
    "distr == 'uniform'", "distr != \"gauss\"", "'form' in distr", "'gauss' not in distr", "distr > 'a'",
    "distr in ('uniform',)",
    "on", "on == True", "on is True", "on == 1", "not off", "off == False", "off is not True",
    "nothing is None", "nosuch is None", "nosuch == None", "n is not None", "n != None", "not nosuch",
    "neuron.v == -65", "neuron.v < tau_m", "neuron.label == 'x'", "parameters.neuron.v == -65", "n == n",
    "label == '20261122-120000'", "parameters.label == 'of mine'", "startswith(label, '2026')",
    "label.endswith('0000')",
    "parameters['my name'] == 1", "µ == 5", "parameters['µ'] == 5", "20.5 in taus", "'a' in taus", "11 not in taus",
    "taus != 3",
    "day > '2026-01-01'", "odd != 1", "odd is not None",
    "status == 'finished'", "status in ('finished', 'failed')", "status != 'failed'", "exit_status == 0",
    "not exit_status",
    "duration > 12", "12 < duration < 13", "code == '4e814c2f'", "version.startswith('4e8')", "branch is None",
    "'Figure 6' in tags", "'Figure' not in tags", "tags.contains('gur')", "tags", "tags is not None",
    "'spikes.dat' in output", "'sub/spikes.dat' in output", "'Data/sub/spikes.dat' in output",
    "'./figure.png' in output",
    "'sha256:ab' in output", "'ikes.dat' not in output", "'/in/a.csv' in input", "endswith(output, '.png')", "output",
    "'figure' in reason", "'Figure' not in reason", "reason", "not outcome", "outcome == ''",
    "'singular' in stdout_stderr",
    r"matches(reason, 'figure \d')", r"reason.matches('^effect .* \d$')", r"matches(reason, '\bfig')",
    r"matches(reason, r'\bfig')",
    "matches(reason, '(?i)FIGURE')", r"matches(tags, '^go+d$')", r"not matches(reason, 'table \d')",
    "matches(distr, 'u|x')",
    "text('smaller CONSTANT')", "text('const*')", "text('tau')", "text('figure-6')", "not text('larger')",
    "text('tau_m')",
    "timestamp == '2026-11-22'", "timestamp >= '2026-11-22'", "timestamp <= '2026-11-22'", "timestamp < '2026-11-23'",
    "timestamp > '2026-11-21'", "not timestamp > '2026-11-22'", "timestamp != '2026-11-21'", "timestamp == '2026-11'",
    "timestamp == '2026'", "timestamp == '20261122'", "timestamp == '2026-11-22 12'", "timestamp == '2026-11-22T12:00'",
    "timestamp == '2026-11-22 12:00:00'", "timestamp > '2026-11-22 12:00:00.1'", "timestamp < '2026-11-22 14:00+01:00'",
    "'2026-11-22' <= timestamp < '2026-11-24'", "timestamp in ('2026-11-21', '2026-11-22')", "timestamp",
    "timestamp > '2026-11-22T11:59:59Z'", "not changed", "changed == False", "command is not None", "True", "not False",
    "  tau_m > 10", "tau_m > 10\nand n == 3", "(((tau_m > 10)))", "tau_m>10and n==3",
])
def test_this_is_true(query: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert true(query)


@pytest.mark.parametrize("query", [
    "tau_m == '20'", "distr == 3", "distr > 3", "nosuch == 3", "nosuch != 3", "nosuch < 3", "nosuch > 3", "nosuch",
    "nothing == 0",
    "nosuch == nosuch", "'x' not in nosuch", "nosuch not in (1, 2)", "nosuch == distr", "neuron == 3",
    "neuron is not None",
    "odd == odd", "odd < 1", "odd > 1", "taus == 10", "10.5 in taus", "'form' in n", "3 in n", "label == 'of mine'",
    "branch != 'x'", "'x' not in branch", "'figure 6' in tags", "'Figure' in tags", "'good bad' in tags",
    "'dat' in output", "'spikes' in output", "'b/spikes.dat' in output", "'figure.png' in input", "text('figur')",
    "text('larger figure')", "timestamp > '2026-11-22'", "timestamp < '2026-11-22'", "timestamp == '2026-11-23'",
    "timestamp is None",
    "timestamp == '2026-11-22 12:01'", "changed", "False", "not True", "outcome", "matches(outcome, 'a')",
    "matches(n, '3')",
    "status in ()", "yesterday < timestamp < '2020'",
])
def test_this_is_false(query: str) -> None:
    assert not true(query)


def test_today_and_yesterday_are_days_of_the_calendar() -> None:
    now = datetime.now(UTC)
    record = a_record(timestamp=now)
    assert true("timestamp == 'today'", record) and true("timestamp >= today", record)
    assert true("timestamp == yesterday", a_record(timestamp=now - timedelta(days=1)))
    assert not true("timestamp == 'today'", a_record(timestamp=now - timedelta(days=1)))


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_days_are_local() -> None:
    late = a_record(timestamp=datetime(2026, 11, 21, 23, 30, tzinfo=UTC))
    assert true("timestamp == '2026-11-22'", late) and not true("timestamp == '2026-11-21'", late)
    assert true("timestamp == '2026-11-22 00:30'", late)
    long_day = parse_query("timestamp == '2026-10-25'").arguments  # the clock is put back
    assert long_day[1] - long_day[0] == 25 * 3_600_000_000


def test_changed_means_tracked_files() -> None:
    for kind, expected in (("modified", True), ("deleted", True), ("untracked", False), ("code", False)):
        assert true("changed", a_record(changes=(Change("x", kind),))) is expected


def test_parameters_are_typed_loosely_where_a_shell_gives_them() -> None:
    for name, text, expected in (
        ("tau_m", "20", True), ("tau_m", "20.0", True), ("tau_m", "2e1", True), ("tau_m", "21", False),
        ("distr", "uniform", True),
        ("distr", "'uniform'", True), ("distr", "uni", False), ("on", "True", True), ("on", "true", True),
        ("off", "True", False),
        ("nosuch", "None", True), ("n", "None", False), ("neuron.v", "-65", True), ("label", "of mine", True),
        ("tau_m", "nan", False),
    ):
        assert matches(parameter_equals(name, text), RECORD) is expected, (name, text)
    assert matches(parameter_equals("n", "5"), a_record(parameters=Parameters(values={"n": "5"})))


def test_other_ways_to_ask() -> None:
    at = RECORD.timestamp
    assert matches(has_tag("good"), RECORD) and not matches(has_tag("goo"), RECORD)
    assert matches(has_tag("_finished_"), RECORD) and not matches(has_tag("_failed_"), RECORD)
    assert matches(has_status("finished"), RECORD)
    assert matches(main_file_starts("src/"), RECORD) and not matches(main_file_starts("main"), RECORD)
    assert matches(started_between(at, None), RECORD) and not matches(started_between(None, at), RECORD)


@pytest.mark.parametrize(("typed", "folder", "asked", "expected"), [
    ("main.py", "/p/src", "/p/src/main.py", True),
    ("main.py", "/p/src", "/p/src/ma", True),
    ("src/main.py", "/p", "/p/src/ma", True),
    ("../src/./main.py", "/p/other", "/p/src/main.py", True),
    ("/p/src/main.py", "/elsewhere", "/p/src/main.py", True),
    ("main.py", "/p/src", "/p/src/", True),
    ("deep/main.py", "/p/src", "/p/src/", True),
    ("main.py", "/p/src", "/p/main.py", False),
    ("main.py", "/p/src", "/p/src/main.pyx", False),
    ("main.py", "/p/src", "/p/s", False),
    ("main.py", "/p/src2", "/p/src/", False),
    ("main.py", "", "/p/src/main.py", False),
    (None, "/p/src", "/p/src/", False),
])
def test_a_main_file_is_found_by_where_it_lay(typed, folder, asked, expected) -> None:
    record = a_record(main_file=typed, working_directory=folder)
    assert matches(main_file_starts("something else", asked), record) is expected


@pytest.mark.parametrize(("query", "column", "said"), [
    ("", None, "empty"), ("   ", None, "empty"), ("tau = 3", 5, "syntax"), ("a && b", 4, "syntax"),
    ("(a", 1, "never closed"),
    ("  a +", None, "syntax"), ("a > 1 and status == 'finshed'", 21, "no status 'finshed'"), ("1 < 2", 1, "two values"),
    ("'a'", 1, "a value alone"), ("3", 1, "a value alone"), ("label == 3", 10, "label is text"),
    ("f(x)", 1, "no function f"),
    ("matchs(reason, 'a')", 1, "no function matchs"), ("duration > 'x'", 12, "duration is a number"),
    ("tags == 'a'", 1, "many things"),
    ("a + 1 > 2", 1, "arithmetic"), ("timestamp > 'foo'", 13, "isn't a date"), ("timestamp > 3", 13, "with a date"),
    ("x in 'abc'", 6, "after 'in'"), ("x in reason", 1, "before 'in'"), ("3 in tags", 1, "is text"),
    ("3 in duration", 6, "nothing is in"),
    ("matches(reason, '(a')", 17, "isn't closed"), ("matches('a', reason)", 1, "wants a field"),
    ("matches(reason)", 1, "wants a field"),
    ("matches(duration, 'a')", 9, "isn't text"), ("text('!')", 1, "wants words"), ("text()", 1, "wants words"),
    ("label == b'x'", 10, "values are"),
    ("-x > 3", 1, "only a number"), ("x > None", 1, "neither before"), ("x if y else z", 1, "if can't"),
    ("lambda: 3", 1, "lambda"),
    ("[1]", 1, "a list can't"), ("f'{x}' == 'a'", 1, "f-string"), ("x[0] == 1", 1, "[…]"), ("x is 'a'", 1, "'is'"),
    ("é == 'x' and n == b''", 19, "values are"),
    ("x == 1j", 6, "values are"), ("__import__('os')", 1, "no function"), ("x.__class__()", 1, "no function"),
    ("x := 3", 3, "syntax"),
    ("x == (1, 2)", 6, "can't stand here"), ("a\0", None, "can't be read"),
    ("timestamp == '99999-01-01'", 14, "isn't a date"),
    ("timestamp < '0001-01-01'", 13, "isn't a date"), ("1 in (1, 2)", 1, "before 'in (…)'"),
])
def test_a_query_that_cannot_be_read_is_a_sentence(query: str, column: int | None, said: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_query(query)
    assert said in str(caught.value)
    if column is not None:
        assert f"column {column}:" in str(caught.value)


@pytest.mark.parametrize(("query", "hint"), [
    ("tau = 3", "write == in the place of ="), ("tau=3", "equality is =="), ("a && b", "write and in the place of &&"),
    ("a OR b", "write or in the place of OR"), ("matchs(reason, 'a')", "did you mean matches?"),
    ("status == 'finshed'", "did you mean 'finished'?"), ("tags == 'a'", "write: 'something' in tags"),
])
def test_a_hint_says_what_to_write(query: str, hint: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_query(query)
    assert caught.value.hint == hint


@pytest.mark.parametrize("query", [
    "not " * 990 + "a", "(" * 1900 + "a" + ")" * 1900, "a" * 5000, " or ".join("a" * 1300),
    "n in (" + "1," * 1900 + ")", "-" * 3000 + "1 == a",
    "a" + ".b" * 1900 + " == 1", "a<" * 1900 + "a", "matches(reason, '" + "a" * 600 + "')",
    "matches(reason, '((((a{99}){99}){99}){99})')",
])
def test_a_query_that_is_too_large_is_refused_at_once(query: str) -> None:
    try:
        parse_query(query)
    except QueryError:
        return
    assert query.startswith("a.b")  # a long name is just a name


@given(st.text(max_size=40) | st.text(st.sampled_from("atgs()[]'\"\\.,<>=!+-* 01nodirx{}:"), max_size=30))
@settings(deadline=None, max_examples=400)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        expression = parse_query(text)
    except QueryError:
        return
    assert matches(expression, RECORD) in (True, False)


def test_nothing_is_evaluated() -> None:
    names = {node.func.id for path in Path(sys.modules["sumatra.selection"].__path__[0]).glob("*.py")
             for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call) and isinstance(node.func,
                 ast.Name)}
    assert not names & {"eval", "exec", "compile", "__import__"}


def test_names_of_parameters_can_be_asked_for() -> None:
    query = "tau > 1 and (not n.x == 2 or 'a' in taus) and status == 'failed' and label < parameters.label"
    assert parameter_names(parse_query(query)) == {"tau", "n.x", "taus", "label"}


def test_columns_have_values() -> None:
    assert value(RECORD, "tau_m") == 20.0
    assert value(RECORD, "neuron.v") == -65
    assert value(RECORD, "parameters.label") == "of mine"
    assert value(RECORD, "label") == "20261122-120000"
    assert value(RECORD, "code") == value(RECORD, "version") == "4e814c2f"
    assert value(RECORD, "tags") == ("Figure 6", "good")
    assert value(RECORD, "output") == ("Data/sub/spikes.dat", "figure.png")
    assert value(RECORD, "timestamp") == RECORD.timestamp
    assert value(RECORD, "nosuch") is None


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_works_for_every_record(name: str) -> None:
    for record in (RECORD, a_full_record(), Record(label="bare", timestamp=RECORD.timestamp)):
        value(record, name)
        matches(parse_query(name), record)
        apply(Selection(sort=(name,)), [record, RECORD])


def test_the_order_is_as_asked_for() -> None:
    some = [a_record(str(number), parameters=Parameters(values=values),
        timestamp=RECORD.timestamp + timedelta(hours=number))
            for number, values in enumerate(({"a": 2}, {"a": "x"}, {}, {"a": 1.5}, {"a": math.nan}, {"a": 2}))]
    assert [record.label for record in apply(EVERYTHING, some)] == ["5", "4", "3", "2", "1", "0"]
    assert [record.label for record in apply(EVERYTHING.reversed(), some)] == ["0", "1", "2", "3", "4", "5"]
    assert [record.label for record in apply(Selection(sort=("a",)), some)] == ["3", "5", "0", "1", "4", "2"]
    assert [record.label for record in apply(Selection(sort=("-a", "timestamp")), some)] == ["1", "0", "5", "3", "2",
        "4"]
    assert [record.label for record in apply(EVERYTHING.first(2), some)] == ["5", "4"]


def test_conditions_add_up() -> None:
    selection = EVERYTHING.and_where(has_tag("good")).and_where(has_status("failed"))
    assert selection.where == Expression("and", (has_tag("good"), has_status("failed")))
    assert EVERYTHING.where is None


# Patterns.


@pytest.mark.parametrize("pattern", [
    "a", "abc", "a|b", "(a|b)c", "a*b", "a+b", "a?b", "a{2}", "a{2,}", "a{1,2}b", "a{,2}b", "^a", "a$", "^$", "^a|b$",
    "[abc]", "[^abc]",
    "[a-c]x", "[]a]", "[^]a]", "[a-]", r"[\d_]", r"\d+", r"\D", r"\w\W", r"\s", r"\S+$", r"\bab\b", r"\Bb", r"\Aa",
    r"a\Z", "a.c", ".*c", "(?i)AB",
    "(?i)[A-B]c", "(?:ab)+c", "(a*)*b", "(a|ab)(c|bcd)", "a{", "a{x}", "a{1", "{a", r"\.", r"\$", r"\n", "a|", "",
    "()", "(|a)b", "a*?b", "a{2}?b", "é", r"a\b c",
])
@given(text=st.text(st.sampled_from("abcABC 1_é\n-]x{}.$2,"), max_size=8))
@settings(deadline=None, max_examples=40)
def test_patterns_find_what_those_of_python_find(pattern: str, text: str) -> None:
    assert Pattern(pattern).found_in(text) is (re.search(pattern, text) is not None)


@pytest.mark.parametrize("pattern", [
    "(", ")", "a)", "{2}a", "(a", "*a", "a**", "a+*", "^*", "[a", "[b-a]", r"\1", r"(a)\1", "(?=a)", "(?P<n>a)",
    "(?<!a)", "a{2,1}", "\\", r"\q", "a*+", "a{9999}",
    "((a{50}){50}){50}", "(" * 200, "a" * 501,
])
def test_a_pattern_that_cannot_be_read_is_a_sentence(pattern: str) -> None:
    with pytest.raises(QueryError, match="regular expression"):
        Pattern(pattern)


@pytest.mark.parametrize("pattern", ["(a*)*b", "(a|a)*b", "(a|aa)+$", ".*.*.*.*b", "(.*a){12}b",
    "a?" * 30 + "a" * 30 + "b", "(x+x+)+y"])
def test_no_pattern_takes_longer_than_its_share(pattern: str) -> None:
    compiled = Pattern(pattern)
    assert compiled.found_in("a" * 20_000 + "x" * 20_000 + "!") is False  # for ever, with Python's own


# Documentation.


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_in_the_reference(name: str) -> None:
    assert f"``{name}``" in PAGE.read_text()
    assert FIELDS[name].summary.replace("\\", "") in " ".join(PAGE.read_text().replace("``", "").split())


def examples() -> list[str]:
    """The queries that the page shows: the blocks after a paragraph that ends in ``::``, without those of the shell."""
    found: list[str] = []
    inside = False
    for line in PAGE.read_text().splitlines():
        if line and not line.startswith(" "):
            inside = line.endswith("::") and not line.startswith("..")
        elif inside and line.strip() and not line.strip().startswith(("$", "smt:", "hint:")):
            found.append(line.strip())
    return found


@pytest.mark.parametrize("query", examples())
def test_every_example_in_the_reference_can_be_read(query: str) -> None:
    parse_query(query)


def test_the_reference_has_examples() -> None:
    assert len(examples()) >= 15


@pytest.mark.parametrize("query", QUERIES)
def test_queries_of_the_contract_tell_records_apart(query: str) -> None:
    from sumatra.testing.recordstores import varied_records

    found = [matches(parse_query(query), record) for record in varied_records()]
    constant: Any = query in ("True", "False") or query.startswith("command") or "3.11" in query
    assert constant or len(set(found)) == 2 or query in ("'Figure' in tags", "'EFFECT' in reason", "label == '3'",
        "'ikes.dat' in output", "timestamp != '2026-11'")
