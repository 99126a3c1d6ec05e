"""Files made to harm: each is read or refused within 512 MB and 10 s of processor time, and nothing runs."""

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sumatra.errors import ParameterError
from sumatra.parameters import BACKENDS, parse

BIG = 900_000

#: format, text, what is put in the place of ``@`` how often, whether it can be read.
CORPUS = [
    ("json", "@", "[", 50_000, False), ("json", "@", '{"a":', 50_000, False), ("json", '{"a":@1}', "-", BIG, False),
    ("json", '{"a":@}', "9", 5000, False), ("json", '{"a":[@1]}', "[],", 3_000_000, False),
    ("json", '{"a":"@"}', "x", 9_000_000, True),
    ("json", '{@"a":1}', '"a":1,', 1_000_000, True), ("json", '"@', '\\"', 4_000_000, False),
    ("json", "{}@", "x", 10_000_000, False),
    ("simple", "x = @", "[", 50_000, False), ("simple", "x = @1", "-", BIG, False),
    ("simple", "x = @1", "1+", BIG // 2, False),
    ("simple", "x = [@]", "[],", BIG // 3, False), ("simple", "x = @", "9", 5000, False),
    ("simple", "x = 0x@", "f", BIG, False),
    ("simple", "x = '@", "\\'", BIG // 2, False), ("simple", "x = @", '\\"', BIG // 2, False),
    ("simple", "@", "x = 1\n", BIG // 6, False),
    ("simple", "x = @b", "a.", BIG // 2, False), ("simple", "x = @", "lambda:", BIG // 7, False),
    ("simple", "x = @", "'a' ", BIG // 4, True),
    ("simple", "@x = 1", "\n", BIG, True), ("simple", "x@", " ", BIG, False), ("simple", "x = @1 2", "(", 100, False),
    ("simple", "x = 1@y", " ", BIG, False), ("simple", "@", "x", BIG, False),
    ("simple", "x = '''@", "\\'''", BIG // 4, False),
    ("config", "@", "[", BIG, False), ("config", "[a]\nx = @", " ;", BIG // 2, True),
    ("config", "[a]\nx@", " ", BIG, False),
    ("config", "[a]\nx = 1@y", " ", BIG, True), ("config", "[a]\n@", "x = 1\n", BIG // 6, True),
    ("config", "[a@", "] ", BIG // 2, True),
    ("config", "[a]\nx=1\n@", " y\n", BIG // 3, True), ("config", "[a]\nx = @", "9", BIG, True),
    ("config", "[a]\nx=@", "1.", BIG // 2, True),
    ("toml", "@a = 1", "a.", BIG // 2, False), ("toml", "[@a]", "a.", BIG // 2, False),
    ("toml", "@a = 1", '"a" . ', 5000, False),
    ("toml", "x = @", "[", 50_000, False), ("toml", "x = @", "{a=", 50_000, False), ("toml", "x = @", "9", 5000, False),
    ("toml", "x = 0x@", "f", BIG, False), ("toml", "x = [@]", "[],", BIG // 3, False),
    ("toml", "@", "[[a]]\n", BIG // 6, False),
    ("yaml", "@", "[", 50_000, False), ("yaml", "@", "{a: ", 50_000, False), ("yaml", "@", "- ", 50_000, False),
    ("yaml", "@", "? ", 50_000, False), ("yaml", "a: @", "9", 5000, False), ("yaml", "a: 0x@", "f", 100_000, False),
    ("yaml", "@", "a: 1\n", 50_000, False), ("yaml", "a: '@'", "x", BIG, True), ("yaml", "a: @", "x ", BIG // 2, True),
    ("yaml", "a: |\n@", "  x\n", BIG // 4, True), ("yaml", "a: @", "&b ", 1000, False), ("yaml", "@", "%", BIG, False),
    ("yaml", "@", "\n", BIG, True), ("yaml", "@: 1", "a", BIG, False), ("yaml", "a: @", "!!str ", 1000, False),
    ("nt", "@", "{'a': ", 50_000, False), ("nt", "{'a': [@], 'b': [1]}", "ref('b'),", 50_000, False),
    ("nt", "{'a': [@]}", "ParameterRange(1),", 50_000, False), ("nt", "{'a': @1}", "ParameterRange(", 200, False),
]  # fmt: skip

CHILD = """
import json, resource, sys
from sumatra.errors import ParameterError
from sumatra.parameters import parse
resource.setrlimit(resource.RLIMIT_AS, (512 << 20, -1))
for line in sys.stdin:
    name, text, piece, count = json.loads(line)
    spent = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CPU, (int(spent.ru_utime + spent.ru_stime) + 11, -1))
    try:
        json.dumps(parse(text.replace("@", piece * count), name).as_dict())
        print("read", flush=True)
    except ParameterError as error:
        print("refused" if len(str(error)) < 1000 else "refused with too many words", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_hostile_files_cost_little_and_end_with_a_sentence(name):
    cases = [case for case in CORPUS if case[0] == name]
    asked = "".join(json.dumps(case[:4]).replace("\n", " ") + "\n" for case in cases)
    done = subprocess.run([sys.executable, "-c", CHILD], input=asked, capture_output=True, text=True)
    said = done.stdout.split("\n")[:-1]
    expected = ["read" if case[4] else "refused" for case in cases]
    assert list(zip(cases, said, strict=False)) == list(zip(cases, expected, strict=True)), done.stderr[-2000:]
    assert done.returncode == 0


def bomb(first, line, count):
    return first + "".join(line.replace("N", str(place)).replace("M", str(place - 1)) for place in range(1, count))


@pytest.mark.parametrize(
    "text",
    [
        bomb("a0: &a0 [x, x]\n", "aN: &aN [" + "*aM," * 9 + "*aM]\n", 12),
        bomb("a0: &a0 {x: 1}\n", "aN: &aN {<<: [*aM, *aM], yN: *aM}\n", 60),
        "a: &a [*a]\n", "a: &a {b: *a}\n", "a: *b\n", "&a a: *a\n", "*a : 1\n", "a: &a\n  <<: *a\n",
    ],
    ids=str.splitlines,
)  # fmt: skip
def test_aliases_are_counted_as_what_they_stand_for(text):
    with pytest.raises(ParameterError):
        parse(text, "yaml")


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system ['touch PWNED']", "!!python/object/new:os.system ['touch PWNED']",
        "!!python/name:os.system", "!!python/module:os", "!!python/tuple [1]",
        "!!python/object/apply:subprocess.Popen\n  - touch",
        "!<tag:yaml.org,2002:python/object/apply:os.system> ['touch PWNED']", "!include other.yaml", "!!set {a}",
        "!!int x",
    ],
)  # fmt: skip
def test_tags_make_no_objects(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text in (f"a: {value}\n", f"{value}\n", f"b: [{{c: {value} }}]\n", f"<<: {value}\n", f"{value} : 1\n"):
        with pytest.raises(ParameterError):
            parse(text, "yaml")
    with pytest.raises(ParameterError):
        parse("%TAG ! tag:yaml.org,2002:python/\n---\na: !object/apply:os.system ['touch PWNED']\n", "yaml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "value",
    [
        "__import__('os').system('touch PWNED')", "open('PWNED', 'w')", "ParameterRange(open('PWNED', 'w'))", "1 + 1",
        "ref('a')",
        "ParameterRange(*[1])", "ParameterRange(**{'value': [1]})", "ref('b').__class__", "ParameterRange.__init__(1)",
        "url(open('x'))",
        "ref('nothing')", "[x for x in [1]]", "(lambda: 1)()", "ParameterSet('PWNED')", "undefined", "url('x', 'y')",
        "f'{1}'",
    ],
)  # fmt: skip
def test_neurotools_sets_call_nothing(value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParameterError):
        parse(f"{{'a': {value}}}", "nt")
    assert list(tmp_path.iterdir()) == []


def test_ini_interpolation_is_not_done():
    text = "[a]\nx = %(y)s %(x)s\ny = ${b:z} ${ENV}\n"
    assert parse(text, "config").flat() == {"a.x": "%(y)s %(x)s", "a.y": "${b:z} ${ENV}"}


alphabet = st.sampled_from(
    ["a", "b = ", "=", ":", ": ", "- ", "\n", "\r\n", "\r", " ", "  ", "\t", "[", "]", "{", "}", ",", '"', "'", '"""',
    "\\", "#", "&x ",
     "*x", "!", "|", ">", "?", "%", "1", "-", ".5", "e", "0x", "~", "<<: ", "ref('a')", "(", ")", "\x00", "\x85",
     "\u2028", "µ",
     "\ud800", "\ufeff", "---", "...", "[[a]]", "2024-01-01", "\f", "lambda", "nan"]
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(BACKENDS))
@settings(max_examples=300, deadline=None)
@given(text=st.lists(alphabet, max_size=14).map("".join))
def test_any_text_is_read_or_refused(name, text):
    try:
        parameters = parse(text, name)
    except ParameterError:
        return
    assert str(parameters) == text
    json.dumps(parameters.as_dict(), ensure_ascii=False).encode()
    for dotted in list(parameters.flat())[:2]:
        try:
            edited = parameters.with_value(dotted, 7)
        except ParameterError:
            continue
        assert edited[dotted] == 7
    try:
        parameters.with_value("new.name", "1")
        parameters.pop(next(iter(parameters), "none"))
    except ParameterError:
        pass
