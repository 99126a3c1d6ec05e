"""uv is told where packages come from as pip is, unless it is told itself."""

import pytest

from sumatra.runs.installers import as_for_pip


@pytest.fixture
def conf(tmp_path):
    """A configuration file of pip's, and nothing else."""
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://packages.example.org/simple\nextra-index-url =\n    https://a.example.org\n"
        "    https://b.example.org\n[install]\nfind_links = /shelf\n"
    )
    return file


def test_files_of_pip_are_heeded_and_variables_win(conf):
    words, variables = as_for_pip({"PIP_CONFIG_FILE": str(conf), "PIP_FIND_LINKS": "/one /two"})
    assert words == []
    assert variables["UV_DEFAULT_INDEX"] == "https://packages.example.org/simple"
    assert variables["UV_INDEX"] == "https://a.example.org https://b.example.org"
    assert variables["UV_FIND_LINKS"] == "/one,/two"
    assert variables["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert as_for_pip({"PIP_CONFIG_FILE": str(conf)})[1]["UV_FIND_LINKS"] == "/shelf"


def test_no_index_means_no_index():
    assert as_for_pip({"PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INDEX": "1"}) == (["--no-index"], {})


def test_a_user_who_has_told_uv_is_not_contradicted(conf, tmp_path):
    assert as_for_pip({"PIP_CONFIG_FILE": str(conf), "UV_INDEX": "https://mine.example.org"}) == ([], {})
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv" / "uv.toml").touch()
    assert as_for_pip({"PIP_CONFIG_FILE": str(conf), "XDG_CONFIG_HOME": str(tmp_path)}) == ([], {})


def test_a_damaged_file_of_pip_is_passed_over(conf):
    conf.write_text("no section = here")
    assert "UV_DEFAULT_INDEX" not in as_for_pip({"PIP_CONFIG_FILE": str(conf)})[1]
