"""What each format says: values, refusals, and the names of Sumatra 0.8."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

import sumatra.parameters
from sumatra.errors import NoSuchPlugin, ParameterError
from sumatra.parameters import BACKENDS, build_parameters, parse

SIMPLE = (
    "# a neuron\ntau_m = 10.0  # ms\nn = 3\nname = 'a # b'\nsizes = [1, 2]\npair = (1, 2)\nseed = None\non = True\n"
)


def test_simple_values_are_python_literals():
    parameters = parse(SIMPLE, "simple")
    assert parameters.as_dict() == {
        "tau_m": 10.0, "n": 3, "name": "a # b", "sizes": [1, 2], "pair": [1, 2], "seed": None, "on": True,
    }
    assert parameters["pair"] == (1, 2)


def test_brackets_go_on_over_lines():
    text = "weights = [1,  # first\n  2,\n]\ngroup = {'a': {'b': (3)}}\ntext = '''one\ntwo'''\nz = 1\n"
    assert parse(text, "simple").flat() == {"weights": [1, 2], "group.a.b": 3, "text": "one\ntwo", "z": 1}


@pytest.mark.parametrize(
    "value",
    [
        '__import__("os").system("touch PWNED")', "undefined_name", "1/0", "2**3", "[x for x in (1,)]", "lambda: 1",
        "f'{1}'", "open('PWNED', 'w')", "007", "1; y = 2", "", "'open", "(1", "1)", "b'x'", "...", "{**{}}",
        "{1, 2}", "1 2",
    ],
)  # fmt: skip
def test_what_is_no_literal_is_refused_and_not_run(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError) as caught:
        parse(f"a = 1\nx = {value}\n", "simple")
    assert caught.value.lineno == 2
    assert "line 2" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_error_tells_file_line_and_column(tmp_path):
    path = tmp_path / "model.param"
    path.write_text("a = 1\r\nb = [1, foo(2)]\r\n")
    with pytest.raises(ParameterError, match=r"model\.param, line 2, column 9: 'foo\(2\)' isn't a literal"):
        build_parameters(path)


@pytest.mark.parametrize(
    ("suffix", "text", "place"),
    [
        (".json", '{"a": 1,\n "b": }\n', "line 2, column 7"),
        (".toml", "a = 1\nb = ?\n", "line 2, column 5"),
        (".yaml", "a: 1\nb: [1\nc: 2\n", "line 3"),
        (".ini", "[a]\nx = 1\nwhat\n", "line 3, column 1"),
        (".ntparameterset", "{'a': 1,\n 'b': open('x')}", "line 2, column 7"),
    ],
)
def test_each_format_tells_where_it_went_wrong(suffix, text, place, tmp_path):
    path = tmp_path / f"model{suffix}"
    path.write_text(text)
    with pytest.raises(ParameterError, match=place):
        build_parameters(path)


def test_ini_values_have_the_types_that_they_look_like():
    text = (
        "[neuron]\ntau = 10 ; ms\nrate = 2.5\t# Hz\nid = 007\nname: a ; b\nbig = 1e-3\non = TRUE\nanswer = yes\n"
        "long = one\n  two\n"
        "# remark\nnone =\ncolor = #ff0000\npath = %(home)s/${x}\n[other]\nTau = -1.5\n"
    )
    assert parse(text, "config").flat() == {
        "neuron.tau": 10, "neuron.rate": 2.5,
        "neuron.id": "007", "neuron.name": "a ; b", "neuron.big": 1e-3, "neuron.on": True,
        "neuron.answer": "yes", "neuron.long": "one\ntwo", "neuron.none": "", "neuron.color": "#ff0000",
        "neuron.path": "%(home)s/${x}", "other.Tau": -1.5,
    }  # fmt: skip


def test_ini_values_are_those_of_the_standard_library():
    import configparser

    text = "[a]\nx = 1\n  2\n\n  3\ny: z = 4\n [b]\n  p=q # r\n; c\n  s = t\n[c d]\nempty =\n"
    standard = configparser.ConfigParser(interpolation=None)
    standard.optionxform = str
    standard.read_string(text)
    ours = parse(text, "config").as_dict()
    assert {section: {name: str(value) for name, value in ours[section].items()} for section in ours} == {
        section: dict(standard[section]) for section in standard.sections()
    }


def test_yaml_has_the_types_of_the_core_schema():
    text = (
        "a: no\nb: 12:30:45\nc: 1e3\nd: 0x1F\ne: 2024-01-02\nf: ~\ng: .inf\nh: !!str 5\ni: &x {j: True}\nk: *x\n"
        "l: {<<: *x, m: 1}\n1: one\nn: |\n  text\no:\n"
    )
    assert parse(text, "yaml").as_dict() == {
        "a": "no", "b": "12:30:45", "c": 1000.0, "d": 31, "e": "2024-01-02", "f": None, "g": math.inf, "h": "5",
        "i": {"j": True}, "k": {"j": True}, "l": {"j": True, "m": 1}, "1": "one", "n": "text\n", "o": None,
    }


def test_toml_dates_are_told_as_text():
    parameters = parse("day = 2024-01-02\n[a.b]\nc = 1979-05-27T07:32:00Z\n", "toml")
    assert parameters.flat() == {"day": "2024-01-02", "a.b.c": "1979-05-27T07:32:00+00:00"}


def test_neurotools_sets_are_read_without_the_package():
    text = (
        "# model\n{'a': 1, \"b\": {'c': ref('a'), 'd': -pi, 'on': true},\n 'r': ParameterRange([1, 2]),\n"
        " 'n': NormalDist(mean=0.5, std=1), 's': ParameterSet({'x': 2})}\n"
    )
    code = f"import sys; from sumatra.parameters import parse; parse({text!r}, 'nt'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "parameters" not in done.stdout.split()
    assert parse(text, "nt").flat() == {
        "a": 1, "b.c": 1, "b.d": -math.pi, "b.on": True, "r": "ParameterRange([1, 2])",
        "n": "NormalDist(mean=0.5, std=1)", "s.x": 2,
    }  # fmt: skip


def test_the_package_gets_the_values_and_not_the_text():
    package = pytest.importorskip("parameters")
    made = parse("{'a': {'b': 1}, 'r': ParameterRange([1, 2]), 'c': ref('a.b')}", "nt").as_neurotools()
    assert isinstance(made, package.ParameterSet)
    assert (made.a.b, made.c, list(made.r)) == (1, 1, [1, 2])


@pytest.mark.parametrize(
    "address", ["http://example.org/x", "ftp://example.org/x", "//example.org/x", "file:///etc/hostname", "../x", "/x"]
)
def test_only_files_beside_a_neurotools_set_are_taken_in(address, tmp_path):
    (tmp_path / "x").write_text("{'y': 1}")
    (tmp_path / "inner").mkdir()
    path = tmp_path / "inner" / "set.ntparameterset"
    path.write_text(f"{{'a': url({address!r})}}")
    with pytest.raises(ParameterError, match="url"):
        build_parameters(path)


def test_a_file_beside_a_neurotools_set_is_taken_in(tmp_path):
    (tmp_path / "x").write_text("{'y': 1}")
    path = tmp_path / "set.ntparameterset"
    path.write_text("{'a': url('x'), 'b': url('file://x')}")
    parameters = build_parameters(path)
    assert parameters.as_dict() == {"a": {"y": 1}, "b": {"y": 1}}
    with pytest.raises(ParameterError, match="isn't written out"):
        parameters.with_value("a.y", "2")
    with pytest.raises(ParameterError, match="isn't from a file"):
        parse(str(parameters), "nt")


def test_a_neurotools_set_that_includes_itself_ends(tmp_path):
    path = tmp_path / "set.ntparameterset"
    path.write_text("{'a': url('set.ntparameterset')}")
    with pytest.raises(ParameterError, match="files"):
        build_parameters(path)


# --- what all formats share

TEXTS = {
    "simple": "a = 1\nb = {'c': [1.5, 'x']}\n", "config": "[a]\nb = 1\nc = 1.5\n", "json": '{"a": {"b": [1.5, "x"]}}\n',
    "yaml": "a:\n  b: [1.5, x]\n", "toml": 'a = 1\n[b]\nc = [1.5, "x"]\n', "nt": "{'a': {'b': [1.5, 'x']}}\n",
}  # fmt: skip

formats = pytest.mark.parametrize("name", TEXTS)


def test_there_is_a_text_for_each_format():
    assert TEXTS.keys() == BACKENDS.keys()


@formats
def test_str_is_the_text_and_says_the_same(name):
    parameters = parse(TEXTS[name], name)
    assert str(parameters) == TEXTS[name]
    assert parse(str(parameters), name) == parameters
    assert (parameters.type, parameters.source_file) == (name, None)


@formats
def test_saving_writes_the_text(name, tmp_path):
    parameters = parse(TEXTS[name], name)
    written = parameters.save(tmp_path / "copy", add_extension=True)
    assert written == str(tmp_path / "copy") + parameters.suffix
    assert Path(written).read_bytes() == TEXTS[name].encode()
    assert build_parameters(written) == parameters


@formats
def test_a_set_is_a_mapping_with_dotted_names(name):
    parameters = parse(TEXTS[name], name)
    for dotted, value in parameters.flat().items():
        assert dotted in parameters
        assert parameters[dotted] == parameters.get(dotted) == value
    assert list(parameters.keys()) == [key for key, _ in parameters.items()] == list(parameters.as_dict())
    assert dict(parameters.items()) == dict(parameters) == parameters.as_dict()
    assert "nothing" not in parameters
    assert parameters.get("nothing.at.all", 7) == 7
    with pytest.raises(KeyError):
        parameters["nothing"]


@formats
def test_a_set_is_made_of_values(name):
    values = {"s": {"n": 3, "x": 0.25, "word": "hello there", "on": True}}
    parameters = type(parse(TEXTS[name], name))(values)
    assert parameters.as_dict() == values
    assert parse(str(parameters), name).as_dict() == values


@formats
def test_sets_differ_by_value_and_by_type_of_value(name):
    parameters = parse(TEXTS[name], name)
    dotted = next(iter(parameters.flat()))
    other = parameters.with_value(dotted, 17.0)
    ours, theirs = parameters.diff(other)
    assert (ours, theirs) == ({dotted: parameters[dotted]}, {dotted: 17.0})
    assert parameters != other
    assert parameters.diff(parse(TEXTS[name], name)) == ({}, {})
    assert other != parameters.with_value(dotted, 17)


@formats
def test_pretty_has_the_values(name):
    parameters = parse("\ufeff" + TEXTS[name].replace("\n", "\r\n") + "\r\n\r\n", name)
    assert "\r" not in parameters.pretty()
    assert parse(parameters.pretty(), name) == parameters


@pytest.mark.parametrize(("one", "other"), [("1", "1.0"), ("1", "True"), ("[0]", "[False]"), ("(1,)", "[1]")])
def test_equal_values_of_different_types_differ(one, other):
    assert parse(f"a = {one}\n", "simple") != parse(f"a = {other}\n", "simple")


def test_a_list_can_be_looked_into():
    parameters = parse('{"a": [{"b": 1}, 2], "c.d": 3, "c": {"d": 4, "e.f": 5}}', "json")
    assert [parameters[name] for name in ("a.0.b", "a.1", "c.d", "c.e.f")] == [1, 2, 3, 5]
    assert "a.2" not in parameters
    assert "a.-1" not in parameters


@pytest.mark.parametrize(
    ("class_name", "format_name"),
    [
        ("SimpleParameterSet", "simple"), ("ConfigParserParameterSet", "config"), ("JSONParameterSet", "json"),
        ("YAMLParameterSet", "yaml"), ("TOMLParameterSet", "toml"), ("NTParameterSet", "nt"),
    ],
)  # fmt: skip
def test_the_classes_of_0_8_take_a_path_or_the_text(class_name, format_name, tmp_path):
    made = getattr(sumatra.parameters, class_name)
    path = tmp_path / "file"
    path.write_text(TEXTS[format_name])
    assert made(str(path)) == made(path) == made(TEXTS[format_name]) == parse(TEXTS[format_name], class_name)
    assert made(str(path)).source_file == str(path)
    assert issubclass(made, sumatra.parameters.ParameterSet)
    assert issubclass(ParameterError, SyntaxError)


def test_text_of_a_stranger_is_never_a_path(tmp_path):
    path = tmp_path / "secret"
    path.write_text("a = 1\n")
    with pytest.raises(ParameterError):
        parse(str(path), "simple")


def test_an_unknown_format_is_an_error():
    with pytest.raises(NoSuchPlugin):
        parse("", "csv")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("simple", "a = 1\na = 2\n"), ("simple", "b = {'a': 1, 'a': 2}\n"), ("config", "[s]\na = 1\na = 2\n"),
        ("json", '{"a": 1, "a": 2}'), ("yaml", "a: 1\na: 2\n"), ("nt", "{'a': 1, 'a': 2}"),
    ],
)  # fmt: skip
def test_names_that_occur_twice_are_reported_and_the_last_counts(name, text):
    parameters = parse(text, name)
    assert len(parameters.warnings) == 1
    assert "twice" in parameters.warnings[0]
    assert list(parameters.flat().values()) == [2]


@pytest.mark.parametrize(
    ("name", "text"),
    [("json", '{"a": NaN, "b": -Infinity}'), ("yaml", "a: .nan\nb: -.inf\n"), ("toml", "a = nan\nb = -inf\n")],
)
def test_nan_and_infinity_are_numbers(name, text):
    parameters = parse(text, name)
    assert math.isnan(parameters["a"])
    assert parameters["b"] == -math.inf
    assert parameters == parse(text, name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("simple", 'a = "\\ud800"\nb = 1 + 2j\nc = {(1): {2.5: (3,)}}\n'), ("json", '{"a": "\\ud800"}'),
        ("yaml", "a: 2024-01-02\nb: {1: [~]}\n"), ("toml", "a = 07:32:00\n"),
    ],
)  # fmt: skip
def test_values_are_always_fit_for_json(name, text):
    values = parse(text, name).as_dict()
    assert json.loads(json.dumps(values, ensure_ascii=False).encode()) == values


def test_texts_that_are_not_utf_8_keep_their_bytes(tmp_path):
    path = tmp_path / "old.param"
    path.write_bytes(b"a = 1  # \xb5m\nb = 2\n")
    parameters = build_parameters(path)
    assert "Latin-1" in parameters.warnings[0]
    assert parameters.with_value("b", "3").to_bytes() == b"a = 1  # \xb5m\nb = 3\n"
    with pytest.raises(ParameterError, match="latin-1"):
        parameters.with_value("c", "'\u4e00'").to_bytes()


def test_utf_16_with_its_mark_is_read(tmp_path):
    path = tmp_path / "windows.param"
    path.write_bytes("a = 1\r\nb = 'µ'\r\n".encode("utf-16"))
    parameters = build_parameters(path)
    assert parameters.as_dict() == {"a": 1, "b": "µ"}
    assert parameters.with_value("a", "2").to_bytes() == "a = 2\r\nb = 'µ'\r\n".encode("utf-16")


HEAVY = {"ruamel", "tomlkit", "tomllib", "configparser", "json", "ast", "parameters", "numpy"}


def test_importing_the_package_loads_no_format():
    code = "import sys; import sumatra.parameters; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "sumatra.parameters" in loaded
    assert HEAVY.isdisjoint(loaded)
    assert not {f"sumatra.parameters{backend.module}" for backend in BACKENDS.values()} & set(loaded)
