"""Patterns pass over the files that git would ignore for their sake."""

import os
import subprocess
import time

import pytest
from hypothesis import HealthCheck, assume, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sumatra.capture.ignoring import FILE, Ignored, at_most, can_match

PIECES = st.sampled_from(
    [*"aab/\\ !#.-]^é", "b", "/", "*", "*", "**", "**/", "/**/", "/**", "?", "[a-b]", "[!a]", "[", "[^b-", "]",
     "[[:alpha:]]", "[[:x:]]", "[]a]", "[a\\]]", "[\\", "[b-a]", "[:alpha:]", "[[:", "[a/b]", "b\\"]
)
PATTERNS = st.lists(st.lists(PIECES, min_size=1, max_size=7).map("".join), min_size=1, max_size=4)
NAMES = st.text("aabbé.#! *[]-:^", min_size=1, max_size=5).filter(lambda name: name not in (".", ".."))
PATHS = st.lists(
    st.lists(NAMES, min_size=1, max_size=4).map("/".join).filter(lambda path: path[0] != ":"), min_size=5, max_size=12
)  # git takes a colon at the beginning for something else


@pytest.fixture(scope="module")
def git_ignores(tmp_path_factory):
    """Return a function that tells which paths git ignores for the sake of patterns; none of the paths is there."""
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", root], check=True)

    def ask(patterns: list[str], paths: list[str]) -> set[str]:
        (root / ".gitignore").write_text("\n".join(patterns) + "\n")
        said = subprocess.run(
            ["git", "-c", "core.excludesFile=", "check-ignore", "-z", "--stdin", "--no-index"], cwd=root,
            input="\0".join(paths).encode(), capture_output=True,
        )
        assert said.returncode in (0, 1), said.stderr
        return set(said.stdout.decode().split("\0")) - {""}

    return ask


def ignored(patterns, *paths, root="/p"):
    chosen = Ignored(root, patterns)
    return {path for path in paths if chosen(os.path.join(root, path))}


@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(PATTERNS, PATHS)
@example(["*", "!a/", "!a/b"], ["a/b", "b", "c/b", "a/c"])
@example(["/a**b/c", "x/*/y", "**/**/b"], ["axb/c", "a/x/b/c", "x/b/y", "x/y", "b", "x/b"])
@example(["a  ", "b\\ ", "c\\  ", "d \\\\ "], ["a", "b", "b ", "c ", "c", "d \\", "d "])
def test_what_git_ignores_is_passed_over_and_nothing_else(git_ignores, patterns, paths):
    if any(sign in pattern for pattern in patterns for sign in "?["):
        paths = [path.replace("é", "e") for path in paths]  # git counts bytes
    assume(not any("\\/" in pattern for pattern in patterns))  # an escaped slash ends git's asterisks otherwise
    assert ignored(patterns, *paths) == git_ignores(patterns, paths)


def test_names_of_any_bytes_are_compared(tmp_path):
    (tmp_path / FILE).write_bytes(b"\xef\xbb\xbf*.dat\r\n\xff?\r\n# x\r\n")
    chosen = Ignored.read(str(tmp_path))
    names = [os.fsdecode(name) for name in (b"a.dat", b"\xff\xfe", b"\xfe\xff", b"# x", b"line\nbreak.dat")]
    assert [chosen(f"{tmp_path}/{name}") for name in names] == [True, True, False, False, True]


def test_the_setting_has_the_last_word_after_the_file(tmp_path):
    (tmp_path / FILE).write_text("*.log\n!keep.log\n/only/here")
    chosen = Ignored.read(str(tmp_path), ["!b.log", "keep.log"])
    told = {name: chosen(f"{tmp_path}/{name}") for name in ("a.log", "b.log", "keep.log", "only/here", "x/only/here")}
    assert told == {"a.log": True, "b.log": False, "keep.log": True, "only/here": True, "x/only/here": False}


def test_without_a_file_and_patterns_nothing_is_passed_over(tmp_path):
    chosen = Ignored.read(str(tmp_path))
    assert not chosen
    assert not chosen(f"{tmp_path}/a")
    assert chosen.findings == ()


@pytest.mark.parametrize("make", [
    lambda path: path.mkdir(), lambda path: os.mkfifo(path), lambda path: path.write_bytes(b"*\n" * 600_000),
    lambda path: path.symlink_to(path),
], ids=["folder", "pipe", "huge", "loop"])
@pytest.mark.provokes("ignore-unreadable")
def test_a_file_of_patterns_that_cannot_be_read_is_said_and_costs_only_itself(make, tmp_path):
    make(tmp_path / FILE)
    chosen = Ignored.read(str(tmp_path), ["a"])
    assert [finding.code for finding in chosen.findings] == ["ignore-unreadable"]
    assert chosen(f"{tmp_path}/a")
    assert not chosen(f"{tmp_path}/b")


def test_outside_of_the_project_only_patterns_count_that_are_not_tied_to_it():
    outside = ["/scratch/a.tmp", "/scratch/cache/b", "/scratch/x/y", "/scratch/c", "/pp/d"]
    chosen = Ignored("/p", ["*.tmp", "cache/", "**/x/y", "/scratch", "scratch/c", "/**", "pp/d"])
    assert [chosen(path) for path in outside] == [True, True, True, False, False]


def test_a_project_behind_a_link_is_the_same_project(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    chosen = Ignored(str(tmp_path / "link"), ["/a"])
    assert chosen(str(tmp_path / "link" / "a"))
    assert chosen(str(tmp_path / "real" / "a"))


def test_no_pattern_can_be_made_to_search_for_ages():
    name = "/p/" + "/".join(["a" * 250] * 16)
    patterns = ["*a" * 60 + "b", "**/" + "*a" * 60 + "b/**", "/".join(["**/a*"] * 40) + "b", "[!b]*" * 60 + "c"]
    began = time.perf_counter()
    assert not Ignored("/p", patterns)(name)
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("pattern", ["", " ", "# x", "/", "!", "!/", "a//b", "[a", "a[", "b\\", "[[:x:]]", "[\\"])
def test_what_can_fit_nothing_is_known(pattern):
    assert not can_match(pattern)
    assert not Ignored("/p", [pattern])


def test_so_many_files_are_enough():
    assert at_most([1, 2], 2, "files were read") == ([1, 2], ())
    first, (finding,) = at_most(range(3000), 2, "files were read")
    assert first == [0, 1]
    assert (finding.code, finding.message) == (
        "many-files", "3,000 files were read; the record tells of the first 2",
    )
    assert "smt configure --most-files=3000" in finding.remedy
