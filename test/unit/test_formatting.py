"""What formats show, and what they never let through.

Expected texts lie in ``test/gold/formatting``; after a wanted change, ``UPDATE_GOLD=1 pytest`` writes them anew.
"""

import csv
import io
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sumatra.documents import to_document
from sumatra.facts import replace
from sumatra.formatting import BACKENDS, MODES, View, escape, layout, render, rows
from sumatra.formatting.view import describe_parameters, record_view
from sumatra.records import (
    Change,
    Choice,
    DataKey,
    Dependency,
    Executable,
    Finding,
    Parameters,
    Platform,
    Record,
    Repository,
    Resources,
    Stream,
)
from sumatra.selection import FIELDS

ROOT = Path(__file__).resolve().parents[2]
GOLD = ROOT / "test" / "gold" / "formatting"
BEGAN = datetime(2026, 9, 30, 17, 49, 49, 393070, UTC)

#: What no reader may get from a record: C0 but for line breaks and tabs, DEL, C1, marks of direction, separators.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")

HOSTILE = [
    "\x1b]0;title\x07\x1b]52;c;cm0gLXJmIC8=\x07\x1b[2J",
    "\x9b31mred \x85 next \x7f \x00 nul",
    "\u202egpj.exe \u2066isolate\u2069 \u200f\u061c",
    "two\nlines\r\nand\rmore\u2028still\u2029on",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x=\'',
    "</style></title></dd></table><!--",
    "&lt;b&gt; &#60;b&#62;",
    '=HYPERLINK("http://evil.test","x")',
    "+1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "＝1+1",
    r"\input{/etc/passwd}\write18{id}",
    r"100% $x_1^2$ #1 & ~ {a}{ \\ \end{document}",
    "^^5cinput ^^M",
    "[x](javascript:alert(1)) ![y](http://evil.test/y.png)",
    "[x]: http://evil.test\n<http://evil.test> www.evil.test https://evil.test",
    "| a | b |\n| - | - |",
    "# title\n- item\n1. one\n> quote\n```\ncode\n```\n---\n===\n    indented",
    "*starred",
    "**bold** _it_ ~~no~~ `code` <b>b</b> $$x$$ \\",
    "````` fence",
    "'; touch canary; '",
    "$(touch canary) `touch canary` ${HOME} ~ !! \\",
    "\n touch canary\n'\x1b\\'",
    "--option",
    "A=b",
    "undecodable \udcff\udc80 and \ud800 alone",
    "日本語の理由 e\u0301 한국어 ไทย עברית عربي",
    "👩‍🔬 🇩🇪 👍🏽 ❤️ tau τ_m µ ± 10⁻³ Ω",
    "",
    " ",
    "…",
]

texts = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=30),
    st.text(alphabet="\\{}$&#^_~%<>|\"'`[]()*+-=@!:/.;, \n\r\t\x1b\u202e\u2028\x85aé漢😀", max_size=30),
    st.lists(st.sampled_from(HOSTILE), max_size=3).map("".join),
)


def plain_record(label: str = "haggling") -> Record:
    """Return a record with something in each field."""
    return Record(
        label=label,
        timestamp=BEGAN,
        id="01998b5e-0000-7000-8000-000000000001",
        project="MyProject",
        status="finished",
        exit_status=0,
        duration=0.0548920631409,
        reason="determine whether the gourd is worth 3 or 4 shekels",
        outcome="apparently, it is worth NaN shekels.",
        tags=frozenset({"Figure 6", "robust"}),
        command=("/usr/bin/python", "main.py", "romans.param"),
        executable=Executable("/usr/bin/python", "Python", "3.11.7"),
        main_file="main.py",
        script_arguments="<parameters>",
        working_directory="/home/user/myproject",
        repository=Repository(
            "git", "/home/user/myproject", "https://example.org/me/myproject.git", "/home/user/myproject", "main"
        ),
        version="f9ab74313efe0b700bc48317e69263b53314d89e",
        diff="--- a/main.py\n+++ b/main.py\n",
        changes=(
            Change("main.py", "modified", "100644", "sha256:" + "a" * 64, 512),
            Change("big.bin", "untracked", "100644", None, 3_000_000_000),
        ),
        on_changed="store-diff",
        parameters=Parameters(
            'seed = 1234 # seed for random number generator\ndistr = "uniform"\nn = 100\ntau_m = 20.0\n',
            "simple",
            {"seed": 1234, "distr": "uniform", "n": 100, "tau_m": 20.0},
            "romans.param",
            "sha256:" + "b" * 64,
            ("tau_m",),
        ),
        launch_mode=Choice("serial"),
        datastore=Choice("filesystem", {"root": "/home/user/myproject/Data"}),
        input_data=(DataKey("romans.param", "sha256:" + "c" * 64, BEGAN, 83, "text/plain", seen="argument"),),
        output_data=(
            DataKey("example.dat", "sha256:" + "0123456789abcdef" * 4, BEGAN, 2500, "application/x-data", seen="scan"),
            DataKey("huge.dat", None, BEGAN, 3_210_000_000, flags=("not hashed",)),
        ),
        stdout=Stream(61, "sha256:" + "d" * 64),
        stderr=Stream(0),
        stdout_stderr="tau_m = 20.0\n 10 %\r 50 %\r100 %\n\x1b[31mdone\x1b[0m\n",
        dependencies=(
            Dependency("numpy", "/usr/lib/python3/numpy", "2.4.6", "python"),
            Dependency("romans", "/home/user/myproject/romans.py", None, "python", "+ x"),
        ),
        platforms=(
            Platform(
                "Linux", "node1", "6.1.0", "#1 SMP", "x86_64", "Xeon", "64bit", "ELF", "192.0.2.1",
                "Debian GNU/Linux 12 (bookworm)", 8, 33_500_000_000,
            ),
        ),
        environment={"OMP_NUM_THREADS": "4", "PYTHONHASHSEED": "0"},
        resources=Resources(0.031, 0.0125, 54_100_000, 0, 16),
        user="Test User <test@example.com>",
        receipt=(
            Finding(
                "untracked-too-large",
                "big.bin (3.0 GB) isn't under version control and is too large to be kept, so the run can't be "
                "repeated elsewhere",
                "git add big.bin",
            ),
        ),
        tools={"sumatra": "1.0", "python": "3.11.7"},
    )


def some_records() -> list[Record]:
    """Return a run that went well, one that failed, and one that is going on; newest last."""
    first = plain_record()
    second = replace(
        first, label="20260930-175111", timestamp=BEGAN + timedelta(seconds=82), status="failed", exit_status=3,
        duration=7384.2, reason="test effect of a smaller\ntime constant", outcome="", tags=frozenset(), changes=(),
        diff="", receipt=(), input_data=(), output_data=(), repeats="haggling",
        parameters=Parameters(
            "seed: 1234\nneuron: {tau_m: -10.0}\n", "yaml", {"seed": 1234, "neuron": {"tau_m": -10.0}}, "p.yaml"
        ),
    )  # fmt: skip
    third = Record(label="日本語", timestamp=BEGAN + timedelta(days=1), status="running", command=("./model", "a b"))
    return [first, second, third]


def record_of(text: str) -> Record:
    """Return a record that says *text* wherever a record can say anything."""
    return Record(
        label=text, timestamp=BEGAN, id=text, project=text, status=text, signal=text, duration=1.5, reason=text,
        outcome=text, tags=frozenset({text}), command=(text, text), executable=Executable(text, text, text, text),
        main_file=text, script_arguments=text, working_directory=text,
        repository=Repository("git", text, text, text, text), version=text, diff=text,
        changes=(Change(text, text, text, text, 1), Change(text, text)),
        parameters=Parameters(text, text, {text: text, "other": [text], "x": {text: -1.5}}, text, text, (text,)),
        launch_mode=Choice(text, {text: text}), datastore=Choice(text, {text: text}),
        input_data=(DataKey(text, text, BEGAN, 1, text, text, text, (text,)),),
        output_data=(DataKey(text, text, BEGAN, 1, text, text, text, (text,)), DataKey(text)),
        stdout=Stream(1, text), stdout_stderr=text, dependencies=(Dependency(text, text, text, text, text, text),),
        platforms=(Platform(*[text] * 10),), environment={text: text}, user=text, repeats=text, parent=text,
        receipt=(Finding(text, text, text),), tools={text: text},
    )  # fmt: skip


def text_of(name: str, records: list[Record], mode: str = "short", **view: object) -> str:
    return "".join(render(name, iter(records), View(mode, **view)))  # type: ignore[arg-type]


def gold(name: str, text: str) -> None:
    """Compare *text* with the file *name*."""
    path = GOLD / name
    if os.environ.get("UPDATE_GOLD"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


# --- what is shown ----------------------------------------------------------------------------------------------


SUFFIXES = {
    "text": "txt", "json": "json", "csv": "csv", "html": "html", "latex": "tex", "markdown": "md", "shell": "sh",
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", sorted(set(BACKENDS) - {"json", "shell"}))
def test_each_format_shows_each_mode_as_agreed(name: str, mode: str) -> None:
    gold(f"{mode}.{SUFFIXES[name]}", text_of(name, some_records(), mode))


def test_a_script_shows_how_to_do_the_same_again() -> None:
    gold("script.sh", text_of("shell", some_records()))


def test_one_record_in_full_is_shown_as_agreed_and_fits_into_80_columns() -> None:
    text = "".join(record_view(plain_record(), View(width=80)))
    gold("view.txt", text)
    assert max(map(layout.cells, text.splitlines())) <= 80


@pytest.mark.parametrize("width", [20, 40, 80, 120, 200])
def test_a_table_fits_into_the_terminal_and_never_shortens_a_label(width: int) -> None:
    records = [
        replace(plain_record(f"{number:020}"), reason="because " * 20, script_arguments="x" * 99)
        for number in range(3)
    ]
    lines = text_of("text", records, "table", width=width).splitlines()
    table = [line for line in lines if not line.startswith("(no room for")]
    assert max(map(layout.cells, table)) <= width
    assert [line.split()[0] for line in table[1:]] == [record.label for record in records]


def test_a_table_is_not_cut_when_there_is_no_terminal() -> None:
    text = text_of("text", [replace(plain_record(), reason="because " * 50 + "end")], "table")
    assert "end" in text
    assert "…" not in text


def test_columns_stay_aligned_whatever_the_script() -> None:
    reasons = ["plain", "日本語の理由", "e\u0301tude", "👩‍🔬 lab", "👍🏽", "🇩🇪", "한국어", "क्षि", "❤️"]
    records = [replace(plain_record(), reason=reason, outcome="|") for reason in reasons]
    lines = text_of("text", records, columns=("reason", "outcome")).splitlines()[1:]
    assert {layout.cells(line.partition("|")[0]) for line in lines} == {max(map(layout.cells, reasons)) + 2}


@pytest.mark.parametrize(
    ("text", "width"),
    [("abc", 3), ("日本", 4), ("e\u0301", 1), ("👩‍🔬", 2), ("🇩🇪", 2), ("👍🏽", 2), ("ｆｕｌｌ", 8), ("ﾊﾝ", 2), ("❤️", 2),
     ("ไทย", 3), ("ก็", 1), ("naïve", 5), ("", 0)],
)  # fmt: skip
def test_widths_are_counted_in_cells(text: str, width: int) -> None:
    assert layout.cells(text) == width


@given(texts.map(escape.visible), st.integers(0, 40))
def test_a_shortened_text_fits_and_begins_like_the_text(text: str, width: int) -> None:
    short = layout.shorten(text, width)
    assert layout.cells(short) <= width
    assert short == text or text.startswith(short.removesuffix("…"))


@given(texts.map(escape.visible), st.integers(2, 40))
def test_wrapping_loses_nothing_but_spaces(text: str, width: int) -> None:
    lines = list(layout.wrap(text, width))
    assert max(map(layout.cells, lines)) <= width
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_the_short_form_is_the_label_and_nothing_else() -> None:
    assert text_of("text", some_records()) == "haggling\n20260930-175111\n日本語\n"


def test_colour_marks_only_what_did_not_go_well() -> None:
    first, second, third = text_of("text", some_records(), color=True).splitlines()
    assert first == "haggling"
    assert second == "20260930-175111  \x1b[31mfailed, exit status 3\x1b[0m"
    assert third.startswith("日本語  \x1b[36m")


@pytest.mark.parametrize("mode", MODES)
def test_colour_adds_colour_and_nothing_else(mode: str) -> None:
    if mode == "short":
        pytest.skip("there, the state is added")
    coloured = text_of("text", some_records(), mode, color=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[\d*m", "", coloured) == text_of("text", some_records(), mode)


@pytest.mark.parametrize("name", ["text", "markdown"])
def test_labels_come_one_by_one_as_records_come(name: str) -> None:
    endless = (plain_record(str(number)) for number in itertools.count())
    assert "4" in list(itertools.islice(render(name, endless, View()), 5))[-1]


def test_a_list_loads_no_heavy_module() -> None:
    code = (
        "import sys; from sumatra.formatting import View, render; import sumatra.formatting.text;"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    assert not loaded & {"rich", "csv", "html", "json", "shlex", "logging", "asyncio", "unicodedata", "textwrap"}


@pytest.mark.parametrize("name", sorted(BACKENDS))
@pytest.mark.parametrize("mode", MODES)
def test_no_records_are_no_trouble(name: str, mode: str) -> None:
    text = text_of(name, [], mode)
    assert json.loads(text) == [] if name == "json" else "haggling" not in text


def test_parameters_that_vary_come_first_and_are_marked() -> None:
    changed = replace(
        plain_record("other"), parameters=Parameters(values={"seed": 1234, "distr": "uniform", "n": 100, "tau_m": 9})
    )
    header = text_of("text", [plain_record(), changed], "parameters").splitlines()[0]
    assert header.split() == ["label", "tau_m*", "seed", "distr", "n"]


def test_a_parameter_that_some_records_lack_varies() -> None:
    fewer = replace(plain_record("other"), parameters=Parameters(values={"n": 100, "seed": 1234}))
    header = text_of("text", [plain_record(), fewer], "parameters").splitlines()[0]
    assert header.split() == ["label", "distr*", "tau_m*", "seed", "n"]


def test_columns_are_chosen_by_the_names_that_queries_know() -> None:
    lines = text_of("csv", some_records(), columns=("label", "tau_m", "neuron.tau_m", "host")).splitlines()
    assert lines[0] == '"label","tau_m","neuron.tau_m","host"'
    assert lines[1] == '"haggling",20.0,"","node1"'
    assert lines[2] == '"20260930-175111","",-10.0,"node1"'


def test_the_status_says_how_a_run_ended() -> None:
    record = plain_record()
    told = [
        rows.status_text(replace(record, status=status, exit_status=number, signal=signal))
        for status, number, signal in (
            ("finished", 0, None), ("failed", 1, None), ("killed", None, "SIGINT"), ("crashed", None, None),
        )
    ]  # fmt: skip
    assert told == ["finished", "failed, exit status 1", "killed by SIGINT", "crashed"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.0, "0 ms"), (0.000123, "0.12 ms"), (0.0374, "37 ms"), (0.9999, "1.0 s"), (12.34, "12.3 s"),
     (59.97, "1 min 00 s"), (123, "2 min 03 s"), (3599.7, "1 h 00 min"), (12_000, "3 h 20 min"),
     (190_800, "2 d 05 h"),
     (float("nan"), "nan s"), (float("inf"), "inf s"), (-2.0, "-2.0 s")],
)  # fmt: skip
def test_durations_are_told_as_people_tell_them(seconds: float | None, text: str) -> None:
    assert rows.duration_text(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(None, ""), (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_949, "99.9 kB"), (999_499, "999 kB"),
     (999_999, "1.0 MB"), (10**9, "1.0 GB"), (5 * 10**15, "5000 TB")],
)  # fmt: skip
def test_sizes_are_told_in_thousands(size: int | None, text: str) -> None:
    assert rows.size_text(size) == text


def test_parameters_are_described_with_those_given_on_the_command_line_marked() -> None:
    assert list(describe_parameters(plain_record())) == [
        "seed  = 1234", "distr = 'uniform'", "n     = 100", "tau_m = 20.0  *",
    ]  # fmt: skip
    assert list(describe_parameters(plain_record(), only_changed=True)) == ["tau_m = 20.0"]


def test_a_number_of_ten_thousand_digits_can_be_shown() -> None:
    huge = replace(plain_record(), parameters=Parameters("", "json", {"n": 10**10_000, "l": [10**10_000]}))
    for name in BACKENDS:
        assert text_of(name, [huge], "parameters")
    assert "".join(record_view(huge))


def test_a_name_with_a_new_line_is_told_from_two_names() -> None:
    record = replace(plain_record(), output_data=(DataKey("one\ntwo"), DataKey("one two")))
    assert text_of("text", [record], "long").count(" one two\n") == 1
    assert text_of("text", [record], "outputs").count("one two") == 1
    assert text_of("html", [record], "long").count("one two") == 1


def test_many_files_are_cut_on_a_terminal_only() -> None:
    record = replace(plain_record(), output_data=tuple(DataKey(f"{number}.dat") for number in range(50)))
    assert "… and 30 more: smt view haggling" in text_of("text", [record], "long", width=80)
    assert "49.dat" in text_of("text", [record], "long")


# --- what is never let through ----------------------------------------------------------------------------------


SINKS = [(name, mode) for name in BACKENDS for mode in MODES]
thorough = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def hostile(function: object) -> object:
    """Run a test with each text of `HOSTILE`, then with generated ones."""
    for text in HOSTILE:
        function = example(text)(function)  # type: ignore[arg-type]
    return thorough(given(texts)(function))  # type: ignore[arg-type]


def check_no_control(text: str) -> None:
    found = CONTROL.search(text)
    assert not found, f"{found[0]!r} gets through: {text[max(found.start() - 40, 0):found.end() + 20]!r}"
    text.encode("utf-8")


@hostile
def test_no_format_lets_a_control_character_through(text: str) -> None:
    records = [record_of(text), plain_record()]
    for name, mode in SINKS:
        check_no_control(text_of(name, records, mode))
    check_no_control(text_of("text", records, "table", width=80))
    check_no_control(text_of("text", records, "long", width=80))
    check_no_control("".join(record_view(records[0], View(width=80))))


@hostile
def test_colour_codes_on_a_terminal_are_ours_alone(text: str) -> None:
    view = View("long", color=True, width=80)
    for written in ("".join(render("text", [record_of(text)], view)), "".join(record_view(record_of(text), view))):
        check_no_control(re.sub(r"\x1b\[(0|1|2|31|32|33|36)m", "", written))


@hostile
def test_no_text_makes_a_row_of_its_own_in_the_long_form(text: str) -> None:
    names = [name for name, _ in rows.long_rows(record_of("x"))]
    lines = text_of("text", [record_of(text)], "long").splitlines()
    assert lines[0] == "-" * 80
    assert [line[:17].rstrip() for line in lines[1:] if line[0] != " "] == names
    assert {line[17] for line in lines[1:]} == {":"}


@hostile
def test_each_record_is_one_line_of_a_table(text: str) -> None:
    assert text_of("text", [record_of(text)] * 3, "short").count("\n") == 3
    assert text_of("text", [record_of(text)] * 3, "table").count("\n") == 4
    assert text_of("markdown", [record_of(text)] * 3, "table").count("\n") == 5


class Page(HTMLParser):
    """Collects the elements with their attributes, and the text, of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.comments: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


@hostile
def test_no_text_becomes_an_element_or_attribute_of_a_page(text: str) -> None:
    innocent = replace(record_of("x"), status="x")
    for mode in MODES:
        page = Page(text_of("html", [record_of(text)], mode))
        expected = Page(text_of("html", [innocent], mode))
        assert {tag for tag, _ in page.elements} == {tag for tag, _ in expected.elements}
        if mode not in ("parameters", "long"):  # there, an empty name or value has no column or row
            assert page.elements == expected.elements
        assert not page.comments
        assert escape.visible(text, keep="\n\t") in page.text


def test_quotes_are_escaped_for_attributes() -> None:
    assert escape.html("\"'<&>") == "&quot;&#x27;&lt;&amp;&gt;"


def test_a_page_fetches_nothing_and_runs_nothing() -> None:
    for mode in MODES:
        text = text_of("html", some_records(), mode)
        page = Page(text)
        tags = {tag for tag, _ in page.elements}
        assert not tags & {"script", "link", "img", "iframe", "object", "base", "form", "a"}
        names = {name for _, attributes in page.elements for name, _ in attributes}
        assert names <= {"lang", "charset", "name", "content", "class", "dir", "scope"}
        style = text.partition("<style>")[2].partition("</style>")[0]
        assert "url(" not in style
        assert "@import" not in style


@hostile
def test_cells_come_back_from_csv_and_none_is_a_formula(text: str) -> None:
    for mode in MODES:
        written = text_of("csv", [record_of(text)], mode)
        lines = list(csv.reader(io.StringIO(written, newline=""), strict=True))
        assert len({len(line) for line in lines}) == 1
        for cell in itertools.chain(*lines):
            assert cell[:1] not in set("=+-@\t\r＝＋－＠") or is_number(cell)
    label = list(csv.reader(io.StringIO(text_of("csv", [record_of(text)], "table"), newline="")))[1][0]
    assert label.removeprefix("'") == escape.visible(text, keep="\n\t").removeprefix("'")


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("number", ["-5", "-5.25", "+3", "-1e-3", "-.5", "-inf"])
def test_negative_numbers_stay_numbers_in_a_spreadsheet(number: str) -> None:
    assert escape.spreadsheet(number) == number
    text = text_of("csv", [replace(plain_record(), parameters=Parameters(values={"x": float(number)}))], "parameters")
    assert text.splitlines()[1] == f'"haggling",{float(number)}'


@pytest.mark.parametrize("text", ["=1", "-1+1", "+a", "@x", "-", "--5", "-1 ", "-0x1", "1e\n=2"[2:], "-1,5"])
def test_what_a_spreadsheet_could_take_for_a_formula_gets_a_quote(text: str) -> None:
    assert escape.spreadsheet(text).startswith("'")


#: What may be left of a text in LaTeX: letters and signs without meaning there, and commands of ours.
_HARMLESS = re.compile(
    r"(?:[A-Za-z0-9 !()*+,./:;=?@\u00c0-\u024f]|-(?!-)|\\[{}$&#_%, ]|[`']\{\}|``|''|-\{\}|\{\[\}|\{\]\}"
    r"|\\(?:textbackslash|textasciicircum|textasciitilde|textless|textgreater|textbar|ldots|textendash|textemdash)\{\}"
    r"|\\char34\{\}"
    r"|\\ensuremath\{(?:\\[A-Za-z]+|[o-]|\^[23]|\^\\circ)\}|\\smtcharacter\{[0-9A-F]{4,6}\})*"
)


@hostile
def test_no_special_character_of_a_text_is_active_in_latex(text: str) -> None:
    assert _HARMLESS.fullmatch(escape.latex(text))


@hostile
def test_a_latex_document_keeps_its_structure(text: str) -> None:
    for mode in MODES:
        document = text_of("latex", [record_of(text)], mode)
        expected = text_of("latex", [record_of("x")], mode)
        for word in (r"\begin", r"\end{", r"\item", r"\input", r"\write", r"\subsection", r"\tabularnewline"):
            if mode != "long" or word != r"\item":  # rows without a text are left out
                assert document.count(word) == expected.count(word)
        body = re.sub(r"\\[\\{}$&#_%]", "", document.partition(r"\begin{document}")[2])
        assert body.count("{") == body.count("}")
        assert not set("$%#~") & set(body)


def test_a_star_at_the_beginning_of_a_line_of_a_latex_table_is_text() -> None:
    assert "\n{}*starred" in text_of("latex", [record_of("*starred")], "table")


@pytest.mark.needs("pdflatex")
@pytest.mark.parametrize("mode", MODES)
def test_latex_takes_what_we_write(mode: str, tmp_path: Path) -> None:
    records = [*some_records(), *map(record_of, HOSTILE)]
    (tmp_path / "runs.tex").write_text(text_of("latex", records, mode), encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "runs.tex"],
        cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:].decode("utf-8", "replace")


def markdown_tokens(text: str) -> Iterator[object]:
    parser = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for token in parser.parse(text):
        yield token
        yield from token.children or ()


@hostile
def test_no_text_becomes_markup_in_markdown(text: str) -> None:
    tokens = list(markdown_tokens(escape.markdown(text)))
    kinds = {token.type for token in tokens}  # type: ignore[attr-defined]
    assert kinds <= {"paragraph_open", "paragraph_close", "inline", "text", "text_special"}
    shown = "".join(token.content for token in tokens if token.type.startswith("text"))  # type: ignore[attr-defined]
    assert shown == escape.visible(" ".join(text.split("\n"))).strip()


@hostile
def test_markdown_documents_hold_no_markup_but_ours(text: str) -> None:
    for mode in MODES:
        tokens = list(markdown_tokens(text_of("markdown", [record_of(text)], mode)))
        kinds = {token.type for token in tokens}  # type: ignore[attr-defined]
        assert not kinds & {"html_inline", "html_block", "link_open", "image", "code_inline", "code_block", "s_open",
                            "em_open", "blockquote_open", "ordered_list_open", "hr"}  # fmt: skip
        if mode == "long":
            assert sum(token.type == "fence" for token in tokens) <= 2  # type: ignore[attr-defined]
            assert sum(token.type == "heading_open" for token in tokens) == 1  # type: ignore[attr-defined]
        if mode == "table":
            assert sum(token.type == "tr_open" for token in tokens) == 2  # type: ignore[attr-defined]
            assert sum(token.type == "td_open" for token in tokens) == len(rows.COLUMNS)  # type: ignore[attr-defined]


def test_bare_addresses_are_no_links_in_markdown() -> None:
    assert escape.markdown("see https://evil.test or www.evil.test") == r"see https\://evil.test or www\.evil.test"


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_a_script_runs_the_same_words_and_nothing_else(shell: str, tmp_path: Path) -> None:
    program = shutil.which("printf") or "/usr/bin/printf"
    words = [text for text in HOSTILE if "\0" not in text and "\ud800" not in text]
    if shell == "sh":  # which need not know how control characters are quoted; it must not stumble over them
        words = [word for word in words if escape.visible(word) == word]
    for text in HOSTILE:
        folder = tmp_path / "a 'folder' $(touch canary)"
        folder.mkdir(exist_ok=True)
        record = replace(
            record_of(text), working_directory=str(folder), command=(program, "%s\\0", *words)
        )
        script = text_of("shell", [record])
        done = subprocess.run([shell], input=script.encode("utf-8"), cwd=tmp_path, capture_output=True, timeout=30)
        assert done.stdout == b"".join(os.fsencode(word) + b"\0" for word in words), done.stderr
        assert not done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == [folder.name]


def test_an_older_shell_takes_quoted_control_characters_for_text(tmp_path: Path) -> None:
    script = "printf %s " + " ".join(map(escape.shell_word, HOSTILE)) + "\n"
    subprocess.run(["sh"], input=script.encode(), cwd=tmp_path, capture_output=True, timeout=30)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("word", ["if", "time", "A=b", "PATH=/tmp"])
def test_the_program_of_a_script_is_no_keyword_and_no_assignment(word: str) -> None:
    assert f"'{word}' x\n" in text_of("shell", [Record(label="x", timestamp=BEGAN, command=(word, "x"))])


def test_bringing_back_code_is_left_to_the_reader() -> None:
    commands = [line for line in text_of("shell", some_records()).splitlines() if line and not line.startswith("#")]
    assert not any("git" in line for line in commands)


@hostile
def test_json_is_whole_and_plain(text: str) -> None:
    record = record_of(text)
    written = text_of("json", [record, plain_record()])

    def refuse(name: str) -> object:
        raise AssertionError(f"{name} isn't JSON")

    first, second = json.loads(written, parse_constant=refuse)
    assert first == json.loads(json.dumps(to_document(record)))
    assert second["label"] == "haggling"
    assert written.isascii()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_lacks_are_written_as_strict_json(number: float) -> None:
    record = replace(plain_record(), parameters=Parameters("", "json", {"x": number}))

    def refuse(name: str) -> object:
        raise AssertionError(f"{name} isn't JSON")

    assert json.loads(text_of("json", [record]), parse_constant=refuse)


def test_a_column_that_no_record_has_is_empty() -> None:
    text = text_of("csv", some_records(), columns=("label", "nonsense"))
    assert text.splitlines()[1] == '"haggling",""'


def test_a_table_for_programs_has_every_field_and_parameter() -> None:
    header, first = list(csv.reader(io.StringIO(text_of("csv", some_records(), "long"), newline="")))[:2]
    assert set(header) == {*FIELDS} - {"code"} | {
        f"parameters.{name}" for name in ("seed", "distr", "n", "tau_m", "neuron.tau_m")
    }
    assert dict(zip(header, first, strict=True))["program"] == "Python 3.11.7"


# --- what is written down ---------------------------------------------------------------------------------------


def test_the_reference_names_each_format_and_mode() -> None:
    page = (ROOT / "doc" / "reference" / "output-formats.rst").read_text(encoding="utf-8")
    assert not [name for name in (*BACKENDS, *MODES, *rows.COLUMNS) if f"``{name}``" not in page]
    names = [name for name, _ in rows.long_rows(plain_record())]
    assert not [name for name in names if f"``{name}``" not in page]


def test_the_size_of_files_is_told_as_far_as_it_is_known() -> None:
    def told(*sizes: int | None) -> str:
        keys = tuple(DataKey(f"in{place}", size=size) for place, size in enumerate(sizes))
        record = Record(label="a", timestamp=BEGAN, input_data=keys)
        return dict(rows.long_rows(record, brief=True))["Input_Data"]

    assert (told(7), told(7, 3)) == ("1 file, 7 B", "2 files, 10 B")
    assert (told(None), told(7, None)) == ("1 file", "2 files, at least 7 B")
