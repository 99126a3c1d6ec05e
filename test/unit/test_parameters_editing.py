"""An edit changes one value and leaves every other character alone."""

import math
import string

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sumatra.errors import ParameterError
from sumatra.parameters import BACKENDS, parse

#: For each format pieces of text, with the values between them: (dotted name, text of the value).
PIECES = {
    "simple": [
        "# first\r\n\r\nalpha=", ("alpha", "1"), "   # one \r\nbeta =\t", ("beta", "0x1F"), "\r\ngroup = {'a': ",
        ("group.a", "1.50"), " ,  # in\r\n  'b': [", ("group.b.0", "'µ'"), ", ", ("group.b.1", "1_000"),
        "]}\r\n  word = ", ("word", '"a # b"'), "#c\r\nlast = ", ("last", "1e3"),
    ],
    "config": [
        "; first\r\n[s]\r\nalpha=", ("s.alpha", "1"), " ; one\r\nbeta :  ", ("s.beta", "007"),
        "\r\n\r\n  # in\r\nlong = ", ("s.long", "one\r\n   two"), "\r\n[t u]\r\nGamma = ",
        ("t u.Gamma", "True"), "\r\n[e]\r\nx =", ("e.x", ""), "\r\nlast = ", ("e.last", "1e3"),
    ],
    "json": [
        '{\r\n\t"alpha" :', ("alpha", "1"), ' , "beta":\t', ("beta", "1.0"), ',\r\n "group": {"a": ',
        ("group.a", "1E3"), ', "b": [ ', ("group.b.0", '"\\u00b5"'), ",", ("group.b.1", "-0"),
        ' ]},\r\n"word": ', ("word", '"a } b"'), ',\r\n"n": ', ("n", "null"), "}",
    ],
    "yaml": [
        "# first\r\nalpha:   ", ("alpha", "1"), "  # one\r\nbeta: ", ("beta", "0x1F"), "\r\n\r\ngroup:\r\n    a: ",
        ("group.a", "1.50"), "   # in\r\n    b:\r\n    - ", ("group.b.0", "'µ'"), "\r\n    - ", ("group.b.1", "01"),
        "\r\nflow: { x: ", ("flow.x", "!!float 3"), ", y : ", ("flow.y", "plain text"), " }\r\nword: &w ",
        ("word", '"a # b"'), "\r\nlast: ", ("last", "no"),
    ],
    "toml": [
        "# first\r\nalpha=", ("alpha", "1"), "   # one \r\nbeta =\t", ("beta", "0x1F"), "\r\n\r\n[group]  # g\r\na = ",
        ("group.a", "1.50"), "  # in\r\nb = [ ", ("group.b.0", "'µ'"), ",\r\n  ", ("group.b.1", "'x'"),
        ", ]\r\nin = { x = ", ("group.in.x", "1_000"), " }\r\n\r\n[group.deep]\r\nword = ",
        ("group.deep.word", '"a # b"'), "# c\r\nlast = ", ("group.deep.last", "1e3"), "\r\n",
    ],
    "nt": [
        "# first\r\n{ 'alpha' :", ("alpha", "1"), " , \"beta\":\t", ("beta", "ParameterRange([1, 2])"),
        ",  # one\r\n 'group': {'a': ", ("group.a", "1.50"), ", 'b': [ ", ("group.b.0", "'µ'"), ",",
        ("group.b.1", "-pi"), " ,]},\r\n'word': ", ("word", '"a } b"'), ",\r\n'r': ", ("r", "ref('alpha')"), "}",
    ],
}  # fmt: skip

EDITS = [(name, place) for name, pieces in PIECES.items() for place in range(1, len(pieces), 2)]


def whole(pieces):
    return "".join(piece if isinstance(piece, str) else piece[1] for piece in pieces)


def test_there_are_pieces_for_each_format():
    assert PIECES.keys() == BACKENDS.keys()


numbers = st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
words = st.text(string.ascii_letters + string.digits + " .,:#'\"\\-%{}[]=µ\u4e00", max_size=12)
ini_words = st.text(string.ascii_letters + string.digits + ".,:'\"\\-%{}[]=µ\u4e00", max_size=12)


def values_for(name, dotted):
    """Return the values that *name* can take in the pieces: INI has no quotes, and a tag in YAML fixes the type."""
    if dotted == "flow.x":
        return st.floats(allow_nan=False, allow_infinity=False)
    if dotted == "s.alpha":
        return numbers | st.booleans()
    return numbers | st.booleans() | (ini_words if name == "config" else words)


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "with mark"])
@pytest.mark.parametrize(("name", "place"), EDITS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_an_edit_replaces_one_value_and_no_other_character(name, place, mark, data):
    pieces = PIECES[name]
    dotted = pieces[place][0]
    value = data.draw(values_for(name, dotted))
    text = mark + whole(pieces)
    parameters = parse(text, name)
    edited = parse(text, name)
    edited.update({dotted: value})
    assert str(edited).startswith(mark + whole(pieces[:place]))
    assert str(edited).endswith(whole(pieces[place + 1:]))
    if name == "config":  # which has no types: a string may look like a number
        assert str(edited[dotted]) == str(value) or str(edited).count(str(value))
    else:
        assert repr(edited[dotted]) == repr(value)
    for piece in pieces[1::2]:
        if piece[0] not in (dotted, "r"):
            assert repr(edited[piece[0]]) == repr(parameters[piece[0]])
    assert parse(str(edited), name) == edited
    assert str(parameters) == text


@pytest.mark.parametrize(("name", "place"), EDITS)
def test_the_same_value_again_leaves_the_bytes_around_it(name, place):
    pieces = PIECES[name]
    dotted = pieces[place][0]
    edited = parse(whole(pieces), name)
    edited.update({dotted: edited[dotted]})
    assert str(edited).startswith(whole(pieces[:place]))
    assert str(edited).endswith(whole(pieces[place + 1:]))


keys = st.text(string.ascii_lowercase + "_", min_size=1, max_size=6)
inner = st.none() | st.booleans() | numbers | st.text(max_size=12)
trees = st.recursive(
    inner, lambda child: st.lists(child, max_size=3) | st.dictionaries(keys, child, max_size=3), max_leaves=8
)
groups = st.dictionaries(keys, trees, max_size=5)


def without_none(value):
    if isinstance(value, dict):
        return {key: without_none(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_none(inner) for inner in value if inner is not None]
    return value


def sorted_through(value):
    """Return *value* with groups in the order of names: TOML has values before tables."""
    if isinstance(value, dict):
        return {key: sorted_through(value[key]) for key in sorted(value)}
    return [sorted_through(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", sorted(BACKENDS.keys() - {"config"}))
@settings(max_examples=60, deadline=None)
@given(values=groups)
def test_what_was_written_is_read(name, values):
    if name == "toml":
        values = without_none(values)
    made = type(parse({"json": "{}", "nt": "{}"}.get(name, ""), name))
    parameters = made(values)
    assert repr(sorted_through(parameters.as_dict())) == repr(sorted_through(values))
    again = parse(str(parameters), name)
    assert again == parameters
    assert str(again) == str(parameters)


printable = st.text(string.ascii_letters + string.digits + " .:=#;[]%$\"'-", min_size=1, max_size=12).filter(
    lambda word: word == word.strip()
)


sections = st.dictionaries(keys, st.dictionaries(keys, numbers | st.booleans() | printable, min_size=1, max_size=4))


@settings(max_examples=100, deadline=None)
@given(values=sections)
def test_what_was_written_in_ini_is_read_as_what_it_looks_like(values):
    parameters = parse("", "config")
    try:
        parameters.update(values)
    except ParameterError:
        assume(False)  # a string that looks like a number with a remark
    assert parse(str(parameters), "config") == parameters
    for name, value in parameters.flat().items():
        section, option = name.split(".")
        written = values[section][option]
        assert repr(value) == repr(written) or (isinstance(written, str) and not isinstance(value, str))


# --- adding and taking out


@pytest.mark.parametrize(
    ("name", "text", "dotted", "value", "expected"),
    [
        ("simple", "a = 1\n# end\n", "b", "2", "a = 1\n# end\nb = 2\n"),
        ("simple", "a = 1\r\nc = 2", "b", "x", "a = 1\r\nc = 2\r\nb = 'x'"),
        ("simple", "", "b", "2", "b = 2\n"),
        ("simple", "a = 1\n", "a.b", "2", "a = 1\na.b = 2\n"),
        ("simple", "a = {'x': 1}\n", "a.b", "2", "a = {'x': 1, 'b': 2}\n"),
        ("config", "[a]\nx = 1\n\n[b]\ny = 1\n", "a.z", "2", "[a]\nx = 1\nz = 2\n\n[b]\ny = 1\n"),
        ("config", "[a]\nx = 1", "b.z", "2", "[a]\nx = 1\n\n[b]\nz = 2"),
        ("config", "[a.b]\nx = 1\n", "a.b.z", "2", "[a.b]\nx = 1\nz = 2\n"),
        ("json", '{"a": 1}', "b", "2", '{"a": 1, "b": 2}'),
        ("json", "{}", "b", "2", '{"b": 2}'),
        ("json", '{\n  "a": 1\n}\n', "b.c", "x", '{\n  "a": 1,\n  "b": {"c": "x"}\n}\n'),
        ("json", '{"a": {\n\t"x": []\n}}', "a.y", "[1]", '{"a": {\n\t"x": [],\n\t"y": [1]\n}}'),
        ("yaml", "a: 1  # one\n# end\n", "b", "2", "a: 1  # one\nb: 2\n# end\n"),
        ("yaml", "a: 1", "b", "007", "a: 1\nb: '007'"),
        ("yaml", "", "b", "2", "b: 2\n"),
        ("yaml", "a:\n  x: 1\nb: 2\n", "a.y", "no", "a:\n  x: 1\n  y: 'no'\nb: 2\n"),
        ("yaml", "a: {x: 1}\n", "a.y", "2", "a: {x: 1, y: 2}\n"),
        ("yaml", "a: {}\n", "a.y", "2", "a: {y: 2}\n"),
        ("yaml", "l:\n- x: 1\n", "l.0.y", "2", "l:\n- x: 1\n  y: 2\n"),
        ("yaml", "a:\nb: 1\n", "a.y", "2", "a: {y: 2}\nb: 1\n"),
        ("toml", "a = 1\n\n[t]\nx = 1\n", "b", "2", "a = 1\nb = 2\n\n[t]\nx = 1\n"),
        ("toml", "[t]\nx = 1\n", "t.y", "z", '[t]\nx = 1\ny = "z"\n'),
        ("nt", "{'a': 1}", "b.c", "2", "{'a': 1, 'b': {'c': 2}}"),
        ("nt", "{\n  'a': 1,\n}", "b", "x", "{\n  'a': 1,\n  'b': 'x',\n}"),
    ],
)
def test_a_new_name_is_added_as_the_format_has_it(name, text, dotted, value, expected):
    parameters = parse(text, name)
    assert dotted not in parameters
    edited = parameters.with_value(dotted, value)
    assert str(edited) == expected
    assert dotted in edited


@pytest.mark.parametrize(
    ("name", "text", "dotted"),
    [
        ("config", "[a]\nx = 1\n", "x"),
        ("json", '{"a": 1}', "a.b"),
        ("json", '{"a": [1]}', "a.3"),
        ("yaml", "a: &x {b: 1}\nc: *x\n", "c.b"),
        ("yaml", "a: &x 1\nc: *x\n", "a"),
        ("toml", "a = 1\n", "a.b"),
        ("simple", "a = 1\n", "b c"),
        ("simple", "a = 1\n", "b = 2\nc"),
    ],
)
def test_what_has_no_place_is_refused(name, text, dotted):
    parameters = parse(text, name)
    with pytest.raises(ParameterError):
        parameters.with_value(dotted, "2")
    assert str(parameters) == text


def test_a_yaml_value_that_came_by_a_merge_key_is_overridden_where_it_is_used():
    parameters = parse("base: &b {x: 1, y: 2}\nd:\n  <<: *b\n  y: 3\nscalar: &s 4\nother: *s\n", "yaml")
    assert str(parameters.with_value("d.x", "5")).splitlines()[1:5] == ["d:", "  <<: *b", "  y: 3", "  x: 5"]
    assert parameters.with_value("other", "6").flat()["scalar"] == 4


@pytest.mark.parametrize(
    ("name", "text", "dotted", "expected"),
    [
        ("simple", "a = 1\nb = [1,\n 2] # x\nc = 3", "b", "a = 1\nc = 3"),
        ("simple", "a = {'x': 1, 'y': 2}\n", "a.y", "a = {'x': 1}\n"),
        ("config", "[a]\nx = 1\n 2\ny = 1\n", "a.x", "[a]\ny = 1\n"),
        ("json", '{"a": 1, "b": 2}', "a", '{"b": 2}'),
        ("json", '{"a": 1,\n "b": 2}', "b", '{"a": 1}'),
        ("json", '{"a": {"b": 2}}', "a.b", '{"a": {}}'),
        ("json", '{"a": [1, 2, 3]}', "a.1", '{"a": [1, 3]}'),
        ("yaml", "a: 1\nb:\n  c: 2 # x\nd: 3\n", "b", "a: 1\nd: 3\n"),
        ("yaml", "a: {x: 1, y: 2}\n", "a.x", "a: {y: 2}\n"),
        ("toml", "# c\na = 1 # x\nb = 2\n", "a", "# c\nb = 2\n"),
        ("nt", "{'a': 1, 'b': 2}", "b", "{'a': 1}"),
    ],
)
def test_pop_takes_out_a_value_with_its_name(name, text, dotted, expected):
    parameters = parse(text, name)
    value = parameters[dotted]
    assert parameters.pop(dotted) == value
    assert str(parameters) == expected
    assert parameters.pop("gone.at.all", 7) == 7
    assert parameters.pop("gone") is None
    assert str(parameters) == expected


@pytest.mark.parametrize(
    ("name", "text", "dotted", "expected"),
    [
        ("simple", "a = 1\na = 2\n", "a", "a = 1\na = 7\n"),
        ("simple", "b = {'a': 1, 'a': 2}\n", "b.a", "b = {'a': 1, 'a': 7}\n"),
        ("config", "[s]\na = 1\na = 2\n", "s.a", "[s]\na = 1\na = 7\n"),
        ("json", '{"a": 1, "a": 2}', "a", '{"a": 1, "a": 7}'),
        ("yaml", "a: 1\na: 2\n", "a", "a: 1\na: 7\n"), ("nt", "{'a': 1, 'a': 2}", "a", "{'a': 1, 'a': 7}"),
    ],
)  # fmt: skip
def test_of_names_that_occur_twice_the_one_that_counts_is_changed(name, text, dotted, expected):
    assert str(parse(text, name).with_value(dotted, "7")) == expected


def test_tuples_are_written_as_lists_where_there_are_no_tuples():
    assert str(parse('{"a": 1}', "json").with_value("a", (1, (2,)))) == '{"a": [1, [2]]}'
    assert str(parse("a: 1\n", "yaml").with_value("a", (1, (2,)))) == "a: [1, [2]]\n"
    assert str(parse("a = 1\n", "toml").with_value("a", (1, (2,)))) == "a = [1, [2]]\n"


def test_update_takes_groups_and_dotted_names():
    parameters = parse('{"a": {"b": 1, "c": 2}, "d": 3}', "json")
    parameters.update({"a": {"b": 5}, "d": "6"}, e=[1])
    assert str(parameters) == '{"a": {"b": 5, "c": 2}, "d": "6", "e": [1]}'
    parameters["a.c"] = None
    assert parameters.as_dict() == {"a": {"b": 5, "c": None}, "d": "6", "e": [1]}


def test_values_of_numpy_are_written_as_what_they_are():
    numpy = pytest.importorskip("numpy")
    parameters = parse("a = 1\n", "simple")
    parameters.update({"a": numpy.float64(0.5), "b": numpy.int64(3), "c": numpy.arange(3), "d": numpy.bool_(True)})
    assert str(parameters) == "a = 0.5\nb = 3\nc = [0, 1, 2]\nd = True\n"


@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_what_cannot_be_written_is_refused(name):
    parameters = type(parse({"json": "{}", "nt": "{}"}.get(name, ""), name))({"s": {"a": 1}})
    for value in (object(), {1, 2}, b"x"):
        with pytest.raises(ParameterError):
            parameters.with_value("s.a", value)
    assert parameters.as_dict() == {"s": {"a": 1}}


def test_infinity_is_written_where_the_format_has_it():
    for name in ("simple", "json", "yaml", "toml"):
        parameters = parse({"json": '{"a": 1.0}', "yaml": "a: 1.0\n"}.get(name, "a = 1.0\n"), name)
        assert parameters.with_value("a", math.inf)["a"] == math.inf
        if name != "simple":
            assert math.isnan(parameters.with_value("a", "nan")["a"])
    with pytest.raises(ParameterError, match="nan"):
        parse("a = 1.0\n", "simple").with_value("a", "nan")
