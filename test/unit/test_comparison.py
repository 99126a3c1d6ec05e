"""How far numbers are apart, what is tolerated, and what counts as the same."""

import json
import math
import os
import struct
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sumatra.comparison import EXACT, Limit, Session, Tolerances, compare
from sumatra.comparison._masking import masked
from sumatra.comparison._tally import Tally, distance, is_within, number_of
from sumatra.comparison.tolerance import limit_of
from sumatra.errors import UsageError

NUMBERS = st.one_of(
    st.floats(), st.integers(), st.integers(-(2**80), 2**80), st.decimals(allow_nan=False, allow_infinity=False)
)
quickly = settings(deadline=None, max_examples=60)
LIMITS = st.builds(Limit, st.floats(0, 3), st.floats(0, 1e9))


def tallied(one, other, limit=EXACT):
    tally = Tally()
    tally.numbers(one, other, limit, lambda: "here")
    return tally


# --- numbers


@quickly
@given(NUMBERS, NUMBERS, LIMITS)
def test_the_order_of_two_numbers_doesn_t_matter(one, other, limit):
    first, second = tallied(one, other, limit), tallied(other, one, limit)
    assert (first.unequal, first.beyond) == (second.unequal, second.beyond)
    assert (first.relative, first.absolute) == (second.relative, second.absolute)


@quickly
@given(NUMBERS)
@example(math.nan)
@example(math.inf)
@example(2**53 + 1)
def test_every_number_equals_itself(number):
    assert distance(number, number) == (0.0, 0.0)


@quickly
@given(NUMBERS, NUMBERS)
@example(2**53, 2**53 + 1)
@example(10**400, 10**400 + 1)
@example(0.1, Decimal("0.1"))
@example(5e-324, 0.0)
@example(math.nan, 1.0)
@example(math.inf, -math.inf)
@example(math.inf, 10**400)
@example(Decimal("1e999999"), math.inf)
def test_numbers_are_the_same_without_a_tolerance_only_if_they_are_equal(one, other):
    are_equal = one == other or (one != one and other != other)
    assert (tallied(one, other).beyond == 0) == are_equal


@quickly
@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False), LIMITS)
def test_the_rule_is_the_one_that_is_promised(one, other, limit):
    apart, size = abs(Fraction(one) - Fraction(other)), max(abs(Fraction(one)), abs(Fraction(other)))
    allowed = max(Fraction(limit.relative) * size, Fraction(limit.absolute))
    found = is_within(*distance(one, other), limit)
    if abs(apart - allowed) > Fraction(1, 10**12) * max(apart, allowed):  # else rounding decides
        assert found == (apart <= allowed)


@quickly
@given(NUMBERS, NUMBERS, LIMITS, LIMITS)
def test_what_is_within_a_tolerance_is_within_a_wider_one(one, other, limit, more):
    if is_within(*distance(one, other), limit):
        wider = Limit(max(limit.relative, more.relative), max(limit.absolute, more.absolute))
        assert is_within(*distance(one, other), wider)


@pytest.mark.parametrize("kind", ["f8", "f4", "f2", "i8", "u8", "i1", "u4", "c16", "c8", "?"])
@quickly
@given(st.data())
def test_arrays_are_compared_as_their_items_are(kind, data):
    size = np.dtype(kind).itemsize * 8
    raw = [data.draw(st.binary(min_size=size, max_size=size)) for _ in range(2)]
    one, other = (np.frombuffer(each, kind if kind != "?" else "u1").copy() for each in raw)
    other[::3] = one[::3]
    if kind == "?":
        one, other = one > 100, other > 100
    limit = data.draw(LIMITS)
    whole, single = Tally(), Tally()
    whole.arrays(one, other, limit, str)
    for first, second in zip(one.tolist(), other.tolist(), strict=True):
        single.numbers(first, second, limit, str)
    assert (whole.compared, whole.unequal) == (single.compared, single.unequal)
    assert whole.relative == pytest.approx(single.relative, rel=1e-9, abs=1e-300)
    assert whole.absolute == pytest.approx(single.absolute, rel=1e-9, abs=1e-300)
    again = Tally()
    again.arrays(other, one, limit, str)
    assert (again.unequal, again.beyond, again.relative) == (whole.unequal, whole.beyond, whole.relative)


def test_integers_beyond_those_of_floats_are_told_apart_in_arrays_of_unlike_types():
    tally = Tally()
    tally.arrays(np.array([2**53 + 1, 7]), np.array([2.0**53, 7.0]), EXACT, str)
    assert (tally.unequal, tally.where) == (1, "0")
    tally = Tally()
    tally.arrays(np.array([2**64 - 1], "u8"), np.array([-1], "i8"), EXACT, str)
    assert tally.unequal == 1


def test_complex_numbers_with_a_part_that_is_no_number_are_compared_by_the_other():
    one, other = np.array([complex(math.nan, 1.0)] * 2), np.array([complex(math.nan, 1.0), complex(math.nan, 2.0)])
    tally = Tally()
    tally.arrays(one, other, EXACT, str)
    assert (tally.unequal, tally.where) == (1, "1")


@pytest.mark.parametrize(("one", "other", "is_same"), [
    ("1.0", "1.00", True), ("1e3", "1000", True), ("1D3", "1e3", True), ("+5", "5", True), ("nan", "NaN", True),
    ("0.1", "0.1000000000000000055", False), ("9007199254740993", "9007199254740992", False), ("inf", "-inf", False),
    ("1e400", "inf", False), ("1e400", "2e400", False), ("-0.0", "0", True),
])
def test_text_counts_as_the_number_that_it_is_with_all_its_digits(one, other, is_same):
    assert (tallied(number_of(one), number_of(other)).beyond == 0) is is_same


@pytest.mark.parametrize("text", ["", "1_000", "0x10", "1.2.3", "1e", "١", "1 2", "True", "--1", "e5"])
def test_what_isn_t_a_number_isn_t_taken_for_one(text):
    assert number_of(text) is None


# --- tolerances


@pytest.mark.parametrize(("rules", "field", "expected"), [
    (["1e-6"], "v", (1e-6, 0)),
    (["1e-6,1e-12"], "", (1e-6, 1e-12)),
    (["Data/*.csv=1e-6"], "v", (1e-6, 0)),
    (["*.csv=1e-6"], "v", (1e-6, 0)),
    (["*.npy=1e-6"], "v", (0, 0)),
    (["/out.csv=1e-6"], "v", (0, 0)),
    (["Data/*.csv:energy=1e-6"], "v", (0, 0)),
    (["Data/*.csv:energy=1e-6"], "energy", (1e-6, 0)),
    ([":energy=1e-6"], "/run/energy", (1e-6, 0)),
    ([":run/e*=1e-6"], "/run/energy", (1e-6, 0)),
    ([":neurons.v=1e-6"], "neurons[3].v", (1e-6, 0)),
    (["1e-3", "Data/=1e-6"], "v", (1e-6, 0)),
    (["Data/=1e-6", "1e-3"], "v", (1e-3, 0)),
    (["1e-3", "*.csv:v=0"], "v", (0, 0)),
])
def test_the_last_tolerance_that_fits_decides(rules, field, expected):
    assert limit_of(Tolerances(rules, "/project").rules_for("/project/Data/x.csv"), field) == expected


@pytest.mark.parametrize("rule", ["", "x", "*.csv", "*.csv=", "*.csv=-1", "=1", "*.csv:=1", "1,2,3", "nan", "inf",
                                  "!*.csv=1", "[=1"])
def test_a_tolerance_that_can_t_be_understood_is_told_in_a_sentence(rule):
    with pytest.raises(UsageError):
        Tolerances([rule])


# --- files


@pytest.fixture
def pair(tmp_path):
    """Write two files of one name and compare them."""

    def write(name: str, one: str | bytes, other: str | bytes, *tolerance: str):
        paths = []
        for folder, content in (("one", one), ("other", other)):
            path = tmp_path / folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            paths.append(path)
        return compare(*paths, tolerance)

    return write


@pytest.mark.parametrize(("name", "one", "other", "sentence"), [
    ("a.csv", "t,v\n1,2\n", "t,v\n1,2\n2,3\n", "1 -> 2 rows"),
    ("a.csv", "t,v\n1,2\n", "t,w\n1,2\n", "only the first has the column 'v'; and 1 more differences"),
    ("a.csv", "t,v\n1,a\n", "t,v\n1,b\n", "'a' -> 'b' in column v, row 1"),
    ("a.csv", "t,v\n1,2\n3,4\n", "t,v\n1,2\n3,4,5\n", "row 2 has 2 -> 3 cells"),
    ("a.tsv", "t\tv\n1\t2\n", "t\tv\n1\t3\n",
     "1 of 2 numbers differ, largest relative difference 0.33 in column v, row 1 (absolute 1)"),
    ("a.json", '{"a": [1, 2]}', '{"a": [1, 2, 3]}', "a has 2 -> 3 items"),
    ("a.json", '{"a": true}', '{"a": 1}', "True -> 1 in a"),
    ("a.json", '{"a": 1, "a": 2}', '{"a": 2}', "an object in it has two entries of one name"),
    ("a.json", '{"a": 9007199254740993}', '{"a": 9007199254740992}',
     "1 of 1 numbers differ, largest relative difference 1.1e-16 in a (absolute 1)"),
    ("a.txt", "hello\nworld\n", "hello\nthere\n", "line 2: 'world' -> 'there'"),
    ("a.yaml", "a: 1\n", "a: x\n", "1 -> 'x' in a"),
    ("a.bin", b"\0abc", b"\0abd", "from byte 3 on, of 4"),
    ("a.csv", "t,v\n", "", "the second is empty"),
    ("a.json", '{"a": 1}', b"\x89PNG\r\n\x1a\n" + b"\0" * 99, "one is JSON, the other a picture"),
])
def test_it_is_told_what_differs_and_where(name, one, other, sentence, pair):
    found = pair(name, one, other)
    assert found.sentence == sentence
    assert not found.is_same


def test_a_table_that_has_become_prose_is_compared_as_text(pair):
    assert pair("a.dat", "1 2\n3 4\n", "1 2\nit has failed\n").sentence == "line 2: '3 4' -> 'it has failed'"


def test_what_only_its_name_calls_json_is_compared_as_text(pair):
    found = pair("a.json", "// remark\n{'a': 1}\n", "// remark\n{'a': 2}\n")
    assert (found.verdict, found.kind, found.where) == ("different", "text", "line 2")
    assert pair("a.json", '{"a": 1}', "{a: 1}").kind == "text"


def test_a_pipe_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert compare(tmp_path / "pipe", tmp_path / "pipe").sentence == "it can't be read: it isn't a regular file"


def test_a_comparator_of_somebody_else_is_asked_first(tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text("""if True:
        from sumatra.comparison import Comparator, Comparison
        class BACKEND(Comparator):
            name, title = "theirs", "a file of theirs"
            def recognises(self, head, name):
                return name.endswith(".theirs")
            def compare(self, one, other, setting):
                return Comparison("same content", "as we say", kind=self.name)
    """)
    (tmp_path / "theirs-1.dist-info").mkdir()
    (tmp_path / "theirs-1.dist-info" / "METADATA").write_text("Name: theirs\nVersion: 1\n")
    (tmp_path / "theirs-1.dist-info" / "entry_points.txt").write_text("[sumatra.comparison]\ntheirs = theirs\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("a", "b"):
        (tmp_path / f"{name}.theirs").write_text(name)
    found = compare(tmp_path / "a.theirs", tmp_path / "b.theirs")
    assert (found.verdict, found.sentence, found.kind) == ("same content", "as we say", "theirs")


def test_tolerances_are_for_columns_too(pair):
    table = "t,v\n1,{}\n"
    assert pair("a.csv", table.format(1.0), table.format(1.001), "*.csv:v=1e-2").verdict == "within tolerance"
    assert pair("a.csv", table.format(1.0), table.format(1.001), "*.csv:t=1e-2").verdict == "different"


@pytest.mark.parametrize(("one", "other", "log", "are_same"), [
    ("2026-01-01T10:00:00Z ok", "2027-05-05 23:59:59.5 ok", False, True),
    ("Mon Jan  5 10:00:00 2026", "Tue Feb 10 11:22:33 UTC 2026", False, True),
    ("pid 123", "pid 4567", False, True), ("in /tmp/abc/x.dat", "in /tmp/def/y.dat", False, True),
    ("at 0x7f0012345678", "at 0x7f0087654321", False, True),
    ("10:00:00", "10:00:01", False, False), ("10:00:00", "10:00:01", True, True),
    ("took 3 s", "took 4.5 s", False, False), ("took 3 s", "took 4.5 s", True, True),
    ("10:00:00 sim[12]: x", "10:01:00 sim[999]: x", True, True), ("v[12]: 3", "v[13]: 3", True, False),
    ("mean ISI: 12 ms", "mean ISI: 13 ms", True, False), ("Elapsed time: 3.2", "Elapsed time: 3.5", True, True),
    ("v[12] = 3", "v[13] = 3", True, False),
    ("energy 3.0", "energy 3.1", True, False), ("2026-01-01", "2026-01-02", False, False),
    ("/data/tmp/x", "/data/tmp/y", True, False),
])
def test_times_and_process_ids_are_masked_by_rule_and_results_are_not(one, other, log, are_same):
    assert (masked(one, log) == masked(other, log)) is are_same


def test_identical_files_never_start_a_process(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"x" * 3_000_000)
    with Session() as session:
        assert session.compare(str(tmp_path / "a"), str(tmp_path / "b")).verdict == "identical"
        assert session.starts == 0


def test_one_process_is_started_for_all_files_of_a_session(tmp_path):
    with Session() as session:
        for number in range(20):
            (tmp_path / "a.json").write_text(json.dumps(number))
            (tmp_path / "b.json").write_text(json.dumps(number + 0.5))
            assert session.compare(str(tmp_path / "a.json"), str(tmp_path / "b.json"), "a.json").kind == "json"
        assert session.starts == 1


def test_a_file_that_can_t_be_read_is_said_so(tmp_path):
    (tmp_path / "a").write_text("x")
    found = compare(tmp_path / "a", tmp_path / "gone")
    assert (found.verdict, found.sentence) == ("not comparable", "it can't be read: No such file or directory")


def test_without_numpy_arrays_are_compared_all_the_same(tmp_path, monkeypatch):
    import sys

    from sumatra.comparison import get_comparator
    from sumatra.testing.comparators import compared

    values = np.array([(1, 1.5, 2 + 3j, b"x", np.nan), (2**62 + 1, 2.5, 1j, b"y", np.inf)],
                      dtype=[("n", ">i8"), ("v", "f4"), ("z", "c16"), ("s", "S1"), ("w", "f2")])
    near = values.copy()
    near["z"][1] += 1e-9
    for name, array in (("one", values), ("other", near)):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "v.npy", array)
    paths = tmp_path / "one" / "v.npy", tmp_path / "other" / "v.npy"
    quick = compared(get_comparator("npy"), *paths)
    monkeypatch.setitem(sys.modules, "numpy", None)
    plain = compared(get_comparator("npy"), *paths)
    assert plain == quick
    assert plain.where == "item [1].z"
    assert compared(get_comparator("npy"), *paths, Limit(1e-6)).verdict == "within tolerance"


def test_a_package_that_is_missing_is_named_with_the_command_that_installs_it(tmp_path, monkeypatch):
    from sumatra.comparison import BACKENDS, Content, Setting, get_comparator
    from sumatra.comparison._child import compare_contents

    ours = [get_comparator(name) for name in BACKENDS]
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    (tmp_path / "p.png").write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13))
    content = Content.at(str(tmp_path / "p.png"), "p.png")
    found = compare_contents(content, content, Setting(lambda field: EXACT, compare), ours)
    assert found.verdict == "not comparable"
    assert found.sentence.endswith("which isn't installed: pip install 'sumatra[images]'")


def test_a_picture_of_16_bits_per_channel_is_never_compared_by_8(tmp_path):
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for name, low in (("a.png", 1), ("b.png", 2)):
        pixels = zlib.compress(bytes([0, 9, low, 9, low, 9, low]))
        head = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
        content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
        (tmp_path / name).write_bytes(content)
    found = compare(Path("a.png"), Path("b.png"))
    assert found.verdict == "not comparable"
    assert "16 bits" in found.sentence
