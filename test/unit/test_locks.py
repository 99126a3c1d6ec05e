"""Lists of what is installed are read as they are written."""

import pytest

from sumatra.dependency_finder.locks import Line, installed, read_lock

TEXT = b"""\
# Python packages of an environment, for pip and uv: install --requirement
# python: 3.11.7
# platform: linux x86_64
growth==1.0  # pip, files sha256:00ff
rate @ git+https://git.example.org/rate.git@0123abc  # rate==0.5, uv
-e file:///home/ada/library  # library==2.0, pip
apt==2.6  # system
# not a requirement: odd name==1.0  # pip
bare
"""


def test_each_kind_of_line_is_understood():
    version, lines = read_lock(TEXT)
    assert version == "3.11.7"
    assert lines == [
        Line("growth", "1.0", "growth==1.0", "pip", "00ff", False),
        Line("rate", "0.5", "rate @ git+https://git.example.org/rate.git@0123abc", "uv", "", False),
        Line("library", "2.0", "", "pip", "", True),
        Line("apt", "2.6", "apt==2.6", "system", "", False),
        Line("odd name", "1.0", "", "pip", "", False),
        Line("bare", "", "bare", "", "", False),
    ]


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"# python: unknown\n", b"\n\n#\n"])
def test_an_empty_or_damaged_list_has_nothing(text):
    assert [line for line in read_lock(text)[1] if line.version] == []
    assert read_lock(text)[0] == ""


def test_a_folder_of_packages_is_told_the_same_way(tmp_path):
    metadata = tmp_path / "Growth_Rate-1.5.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: Growth_Rate\nVersion: 1.5\n")
    (metadata / "INSTALLER").write_text("uv\n")
    assert installed(str(tmp_path))["growth-rate"] == Line("Growth_Rate", "1.5", "Growth_Rate==1.5", "uv", "", False)
    assert installed(str(tmp_path / "nothing")) == {}
