"""Settings are read as TOML says, whether by the quick way or by the library."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumatra import settings

VALUES = st.one_of(
    st.text(max_size=8).map(lambda text: f'"{text}"'),
    st.text(max_size=8),
    st.integers(-5, 10**6).map(str),
    st.sampled_from([
        "true", "false", "'x'", '""""""', "007", "1_000", "[1]", "[]", "[", '["a", "b"]', '["a, b"]', '["a",]',
        '["a" , "b"]', '["a", 1]', '"a" # b', "0", "0x1F", "+1",
    ]),
)
LINES = st.one_of(
    st.builds("{} = {}".format, st.sampled_from(["name", "a", "b-c", "é", "_x", "a.b", "schema"]), VALUES),
    st.text(max_size=10).map("#{}".format), st.sampled_from(["", " ", "[table]", "a=1", "\t", "\r"]),
)


@given(st.lists(LINES, max_size=5).map("\n".join))
def test_the_quick_way_says_what_toml_says_or_nothing(text):
    quick = settings._plain(text)
    if quick is not None:
        assert quick == tomllib.loads(text)


def test_what_we_write_is_read_the_quick_way(tmp_path):
    chosen = settings.Settings(name="ünï", main_file="a b.py", plain=True, ignore=("*.tmp", "/a b/"), most_files=5)
    settings.write(str(tmp_path), chosen)
    assert settings._plain((tmp_path / settings.FILE).read_text(encoding="utf-8")) is not None
    assert settings.read(str(tmp_path)) == chosen


@pytest.mark.parametrize(
    "text", ["schema = 1\nname = 'it''s'", "schema = 1\nname = \"a\\\"b\"\n", "schema=1\nname='x'\n"]
)
def test_other_toml_is_read_by_the_library(text, tmp_path):
    assert settings._plain(text) is None
    (tmp_path / settings.FILE).write_text(text)
    try:
        expected = tomllib.loads(text)["name"]
    except tomllib.TOMLDecodeError:
        with pytest.raises(settings.ProjectError):
            settings.read(str(tmp_path))
    else:
        assert settings.read(str(tmp_path)).name == expected


@pytest.mark.parametrize(("line", "kind"), [
    ("most_files = \"9\"", "a number"), ("most_files = true", "a number"), ("most_files = 1.5", "a number"),
    ("ignore = \"a\"", "texts in quotes between square brackets"), ("ignore = [1]", "texts in quotes between"),
    ("plain = 1", "true or false"), ("name = 1", "a text in quotes"),
])
def test_a_value_of_another_kind_is_told_from_what_it_should_be(line, kind, tmp_path):
    (tmp_path / settings.FILE).write_text(f"schema = 1\n{line}\n")
    with pytest.raises(settings.ProjectError, match=f"should be {kind}"):
        settings.read(str(tmp_path))
