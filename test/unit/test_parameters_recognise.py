"""Which files are parameter files: by suffix, or by content that can't be mistaken."""

import os

import pytest

from sumatra.errors import ParameterError
from sumatra.parameters import build_parameters, recognise


def put(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "format_name"),
    [
        ("a.json", "json"), ("a.yaml", "yaml"), ("a.YML", "yaml"), ("a.toml", "toml"), ("a.ini", "config"),
        ("a.cfg", "config"),
        ("a.conf", "config"), ("a.simpleparameterset", "simple"), ("a.ntparameterset", "nt"), ("a.param", "simple"),
        ("a.params", "simple"),
    ],
)  # fmt: skip
def test_a_known_suffix_decides_even_if_the_content_cannot_be_read(name, format_name, tmp_path):
    path = put(tmp_path, name, "?? what is this\n")
    assert recognise(path) == format_name
    with pytest.raises(ParameterError, match="a\\."):
        build_parameters(path)


@pytest.mark.parametrize(
    ("text", "format_name"),
    [
        ("a = 1\n", "simple"), ("# c\n\n[s]\na = 1\n", "config"), ('{"a": 1}\n', "json"), ("{'a': 1,}\n", "nt"),
        ("", "simple"),
        ("\ufeff# c\n[s]\na = 1\n", "config"),
    ],
)  # fmt: skip
def test_the_content_tells_the_format_of_param_files(text, format_name, tmp_path):
    path = put(tmp_path, "default.param", text)
    assert recognise(path) == format_name
    assert build_parameters(path).type == format_name


def test_an_ini_file_without_sections_is_simple(tmp_path):
    path = put(tmp_path, "model.cfg", "# c\na = 1\n")
    assert recognise(path) == "simple"
    assert build_parameters(path).as_dict() == {"a": 1}


@pytest.mark.parametrize("name", ["model", "model.txt", "model.in", "model.prm"])
@pytest.mark.parametrize(
    ("text", "format_name"),
    [
        ("a = 1\nb = 'x'\n", "simple"), ("# c\r\na=1\r\n\r\n", "simple"), ("[neuron]\ntau_m = 10\n", "config"),
        ("; c\n[a]\nx = 1\n[b]\n", "config"),
    ],
)  # fmt: skip
def test_unmistakable_content_is_recognised(name, text, format_name, tmp_path):
    path = put(tmp_path, name, text)
    assert recognise(path) == format_name
    assert build_parameters(path).type == format_name


DATA = [
    "1 2 3\n4 5 6\n", "1.0\n", "a,b\n1,2\n", "a\tb\n1\t2\n", "x = 1, y = z\n", "time: 1\nvoltage: 2\n",
    "id: 007\nmean: 3.10\n",
    "- a\n- b\n", "Dear all,\nx = 1\n", "[1. 2. 3.]\n", "[[1 2]\n [3 4]]\n", "[1, 2]\n", "[section]\n",
    "[section]\ntext: yes\n",
    "[a]\nx = 1\nprose here\n", '{"a": 1}\n', "{'a': 1}\n", "", "\n\n", "# only a remark\n", "a = b\n", "a == 1\n",
    "import os\na = 1\n", "#!/bin/sh\nA=hello\n", "a = 1\n2 3\n", "x = __import__('os')\n", "key=value\n",
]  # fmt: skip


@pytest.mark.parametrize("name", ["data", "data.txt"])
@pytest.mark.parametrize("text", DATA)
def test_data_and_prose_are_never_taken_for_parameters(name, text, tmp_path):
    path = put(tmp_path, name, text)
    assert recognise(path) is None
    with pytest.raises(ParameterError, match="isn't a parameter file"):
        build_parameters(path)


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.py", "a.dat", "a.npy", "a.sh", "a.hoc", "a.md", "a.txt.gz"])
def test_files_of_other_kinds_are_left_alone(name, tmp_path):
    assert recognise(put(tmp_path, name, "a = 1\n")) is None


@pytest.mark.parametrize("content", [b"a = 1\n\0", bytes(range(256)), b"\xff\xfea", b"\x89PNG\r\n\x1a\n\0"])
@pytest.mark.parametrize("name", ["data", "data.txt"])
def test_binary_files_are_never_parameters(name, content, tmp_path):
    path = put(tmp_path, name, content)
    assert recognise(path) is None
    with pytest.raises(ParameterError):
        build_parameters(path)


@pytest.mark.parametrize("name", ["a.ini", "a.json", "a.param", "a.yaml"])
def test_a_known_suffix_does_not_make_a_binary_file_readable(name, tmp_path):
    path = put(tmp_path, name, b"[a]\nx = \0\n")
    with pytest.raises(ParameterError, match="is a binary file"):
        build_parameters(path)


@pytest.mark.parametrize("name", ["big.json", "big.txt", "big.param"])
def test_large_files_are_not_read(name, tmp_path):
    path = tmp_path / name
    with path.open("wb") as file:
        file.write(b"a = 1\n")
        file.truncate(10_000_001)
    assert recognise(path) in (None, "json", "simple")
    with pytest.raises(ParameterError, match="10 MB"):
        build_parameters(path)


def test_only_regular_files_are_looked_at(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    for name in ("pipe", "pipe.json", "folder.json", "nothing.json"):
        assert recognise(tmp_path / name) is None
    with pytest.raises(ParameterError, match="isn't a regular file"):
        build_parameters(tmp_path / "pipe.json")
    with pytest.raises(FileNotFoundError):
        build_parameters(tmp_path / "nothing.json")


def test_a_link_to_a_parameter_file_is_one(tmp_path):
    (tmp_path / "link.json").symlink_to(put(tmp_path, "a", '{"a": 1}'))
    assert recognise(tmp_path / "link.json") == "json"
    assert build_parameters(tmp_path / "link.json").as_dict() == {"a": 1}


def test_saving_through_a_link_keeps_the_link(tmp_path):
    (tmp_path / "link.json").symlink_to(put(tmp_path, "a", '{"a": 1}'))
    build_parameters(tmp_path / "link.json").with_value("a", "2").save(tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "a").read_text() == '{"a": 2}'
