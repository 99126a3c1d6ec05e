"""``name=value`` on the command line: the type is that of the value that is replaced."""

import math

import pytest

from sumatra.errors import ParameterError
from sumatra.parameters import parse

SETS = {
    "simple": "n = 1\nx = 1.5\nword = 'abc'\non = False\nsizes = [1, 2]\npair = (1, 2)\nempty = None\n",
    "config": "[s]\nn = 1\nx = 1.5\nword = abc\non = false\n",
    "json": '{"n": 1, "x": 1.5, "word": "abc", "on": false, "sizes": [1, 2], "empty": null}',
    "yaml": "n: 1\nx: 1.5\nword: abc\non: false\nsizes: [1, 2]\nempty:\n",
    "toml": 'n = 1\nx = 1.5\nword = "abc"\non = false\nsizes = [1, 2]\nday = 2024-01-02\n',
    "nt": "{'n': 1, 'x': 1.5, 'word': 'abc', 'on': false, 'sizes': [1, 2], 'empty': None}",
}


def read(name, dotted, text):
    if name == "config":
        dotted = f"s.{dotted}"
    return parse(SETS[name], name).with_value(dotted, text)[dotted]


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(
    ("dotted", "text", "value"),
    [
        ("n", "7", 7), ("n", "-3", -3), ("n", "0x10", 16), ("n", "2.5", 2.5), ("n", "1e3", 1000.0),
        ("x", "7", 7.0), ("x", "1e-3", 0.001), ("x", "inf", math.inf),
        ("on", "true", True), ("on", "True", True), ("on", "1", True), ("on", "yes", True), ("on", "off", False),
        ("word", "def", "def"), ("word", "a b", "a b"),
    ],
)  # fmt: skip
def test_the_type_follows_the_value_that_is_replaced(name, dotted, text, value):
    told = read(name, dotted, text)
    assert told == value
    assert type(told) is type(value)


@pytest.mark.parametrize("name", sorted(SETS.keys() - {"config"}))
@pytest.mark.parametrize("text", ["007", "1", "true", "", "null", "[1]", "'q'", "2024-01-02", "a=b", "# c", "{x}", "~"])
def test_a_string_stays_a_string(name, text):
    assert read(name, "word", text) == text


def test_007_stays_007_in_ini():
    assert str(parse("[s]\nid = 006\n", "config").with_value("s.id", "007")) == "[s]\nid = 007\n"


@pytest.mark.parametrize("name", sorted(SETS.keys() - {"config"}))
def test_lists_are_read_as_lists(name):
    assert read(name, "sizes", "[3, 4]") == [3, 4]
    assert read(name, "sizes", '["a"]') == ["a"]
    assert read(name, "sizes.1", "5") == [1, 5][1]


def test_tuples_stay_tuples():
    assert str(parse("p = (1, 2)\n", "simple").with_value("p", "[3]")) == "p = (3,)\n"


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(
    ("dotted", "text", "expected"),
    [("n", "many", "a number"), ("x", "", "a number"), ("on", "maybe", "a truth value"), ("n", "true", "a number")],
)
def test_what_does_not_fit_is_an_error_with_name_text_and_type(name, dotted, text, expected):
    with pytest.raises(ParameterError) as caught:
        read(name, dotted, text)
    for words in (repr(text), dotted, expected):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("dotted", "text"), [("sizes", "3"), ("sizes", "[1"), ("sizes", "{'a': 1}"), ("n", "9" * 5000), ("x", "1e999")]
)
@pytest.mark.parametrize("name", sorted(SETS.keys() - {"config"}))
def test_lists_and_numbers_have_their_limits(name, dotted, text):
    with pytest.raises(ParameterError):
        read(name, dotted, text)


def test_a_date_stays_a_date_in_toml():
    parameters = parse(SETS["toml"], "toml")
    assert "day = 2025-03-04\n" in str(parameters.with_value("day", "2025-03-04"))
    with pytest.raises(ParameterError, match="a date"):
        parameters.with_value("day", "tomorrow")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("simple", "3", 3), ("simple", "[1, 'a']", [1, "a"]), ("simple", "hello", "hello"), ("simple", "007", "007"),
        ("simple", "None", None), ("simple", "20260930-174949", "20260930-174949"), ("simple", "f(1)", "f(1)"),
        ("json", "true", True), ("json", "True", "True"), ("json", "1.50", 1.5), ("json", "x", "x"),
        ("yaml", "true", True), ("yaml", "[a, b]", ["a", "b"]), ("yaml", "a: b", "a: b"),
        ("yaml", "", ""), ("yaml", "!!x y", "!!x y"),
        ("toml", "1_000", 1000), ("toml", "x", "x"), ("toml", "x\ny = 1", "x\ny = 1"),
        ("nt", "{'a': 1}", {"a": 1}), ("nt", "open('x')", "open('x')"),
    ],
)  # fmt: skip
def test_a_new_name_gets_what_the_text_means_or_a_string(name, text, value):
    parameters = parse({"json": "{}", "nt": "{}"}.get(name, ""), name)
    told = parameters.with_value("new", text)["new"]
    assert told == value
    assert type(told) is type(value)


def test_what_was_null_takes_any_type():
    for text, value in (("3", 3), ("abc", "abc")):
        assert read("simple", "empty", text) == value
        assert read("yaml", "empty", text) == value


def test_yaml_strings_are_safe_for_readers_of_yaml_1_1():
    parameters = parse("word: abc\nflag: yes\nday: 2024-01-02\n", "yaml")
    for text in ("no", "on", "1_000", "12:30", "2024-01-02", "0b1", "1e3", "="):
        assert f"word: '{text}'\n" in str(parameters.with_value("word", text))
    assert "flag: no\n" in str(parameters.with_value("flag", "no"))
    assert "day: 2025-01-02\n" in str(parameters.with_value("day", "2025-01-02"))


def test_a_word_of_the_command_line_is_name_and_typed_value():
    parameters = parse("a = 1\nb = 'x'\n", "simple")
    assert parameters.parse_command_line_parameter("a=2") == {"a": 2}
    assert parameters.parse_command_line_parameter("b=2=3") == {"b": "2=3"}
    assert parameters.parse_command_line_parameter("c=1.5") == {"c": 1.5}
    for word in ("a", "=1", ""):
        with pytest.raises(ParameterError):
            parameters.parse_command_line_parameter(word)
