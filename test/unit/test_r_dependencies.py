"""What is found out about R: packages that were loaded, packages that a script would load."""

import json
import os
import subprocess
import time

import pytest

from sumatra.dependency_finder import Run
from sumatra.dependency_finder.r import RFinder
from sumatra.records import Executable

pytestmark = pytest.mark.needs("Rscript")


def r(code, **environment):
    done = subprocess.run(
        ["Rscript", "-e", code], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """An R library with a package ``gourd`` that was truly installed."""
    source = tmp_path_factory.mktemp("source") / "gourd"
    (source / "R").mkdir(parents=True)
    (source / "DESCRIPTION").write_text(
        "Package: gourd\nVersion: 1.2-7\nTitle: Price of a Gourd\nDescription: In shekels,\n    as usual.\n"
        "License: BSD_2_clause\nAuthor: Ada\nMaintainer: Ada <ada@example.org>\n"
    )
    (source / "NAMESPACE").write_text("export(price)\n")
    (source / "R" / "price.R").write_text("price <- function() 3\n")
    folder = tmp_path_factory.mktemp("library")
    words = ["R", "CMD", "INSTALL", "--no-docs", "--no-test-load", f"--library={folder}", str(source)]
    subprocess.run(words, check=True, capture_output=True)
    return folder


@pytest.fixture
def run(tmp_path, library):
    """Make a run of ``main.R`` with the text that is given."""

    def make(text="", *, name="main.R", files=(), **more):
        (tmp_path / name).write_text(text)
        environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "R_LIBS": str(library)}
        return Run(
            files=sorted(map(str, files)), executable=Executable("/usr/bin/Rscript", "R"), main_file=name,
            folder=str(tmp_path), root=str(tmp_path), environment=environment, **more,
        )

    return make


def opened_by(code, library, tmp_path):
    """Return the files that R really opens for *code*, as an observer would tell them."""
    trace = tmp_path / "trace"
    watch = ["strace", "-f", "-qq", "-e", "trace=openat,execve", "-e", "status=successful", "-o", trace]
    subprocess.run(
        [*watch, "Rscript", "-e", code], check=True, capture_output=True, env={**os.environ, "R_LIBS": str(library)},
    )
    names = {line.split('"')[1] for line in trace.read_text(errors="replace").splitlines() if '"' in line}
    return sorted({os.path.realpath(name) for name in names if name.startswith("/") and os.path.isfile(name)})


def by_name(found):
    return {each.name: each for each in found.dependencies}


@pytest.mark.needs("strace")
def test_what_r_loaded_has_the_versions_that_r_tells(run, library, tmp_path):
    files = opened_by("library(gourd); stopifnot(price() == 3)", library, tmp_path)
    found = RFinder().loaded(run(files=files))
    told = by_name(found)
    assert set(told) == {"R", "gourd"}
    assert told["R"].version == r("cat(as.character(getRversion()))")
    assert told["R"].path == os.path.realpath(r("cat(R.home())"))
    # R writes 1.2-7 as 1.2.7 here; in the file and for packageDescription it is as its author wrote it
    assert told["gourd"].version == r("cat(packageDescription('gourd')$Version)", R_LIBS=str(library)) == "1.2-7"
    assert told["gourd"].path == os.path.join(os.path.realpath(library), "gourd")
    assert {each.module for each in found.dependencies} == {"r"}
    assert {path for path in files if "/gourd/" in path} <= found.accounted


@pytest.mark.needs("strace")
def test_a_package_that_was_only_looked_at_was_not_loaded(run, library, tmp_path):
    files = opened_by("stopifnot(packageVersion('gourd') > '1.0')", library, tmp_path)
    assert any("/gourd/" in path for path in files), "R has not looked at it at all"
    assert "gourd" not in by_name(RFinder().loaded(run(files=files)))


def test_files_of_the_systems_own_r_are_left_for_the_system_package_too(run):
    home = os.path.realpath(r("cat(R.home())"))
    if not home.startswith("/usr/lib"):
        pytest.skip("this R isn't the system's")
    found = RFinder().loaded(run(files=[f"{home}/library/base/R/base.rdb", f"{home}/library/stats/Meta/nsInfo.rds"]))
    assert [each.name for each in found.dependencies] == ["R"]
    assert found.accounted == frozenset()


def test_the_list_of_what_is_installed_has_the_form_of_an_renv_lock(run, library):
    found = RFinder().loaded(run(files=[library / "gourd" / "R" / "gourd.rdb"]))
    lock = json.loads(found.locks["r"])
    assert lock["Packages"] == {"gourd": {"Package": "gourd", "Version": "1.2-7", "Source": "unknown"}}


def test_a_package_from_a_repository_has_its_commit_and_no_password(run, tmp_path):
    folder = tmp_path / "lib" / "melon"
    (folder / "R").mkdir(parents=True)
    (folder / "R" / "melon.rdb").touch()
    (folder / "DESCRIPTION").write_text(
        "Package: melon\nVersion: 0.1\nRemoteType: git\nRemoteUrl: https://ada:hunter2@example.org/melon.git?token=x\n"
        "RemoteSha: 0123456789abcdef0123456789abcdef01234567\n"
    )
    found = RFinder().loaded(run(files=[folder / "R" / "melon.rdb"]))
    assert found.dependencies[0].source == (
        "DESCRIPTION (git https://example.org/melon.git 0123456789abcdef0123456789abcdef01234567)"
    )
    assert b"hunter2" not in found.locks["r"] and b"token" not in found.locks["r"]
    assert b"0123456789abcdef" in found.locks["r"]


def test_a_script_outside_the_project_is_a_dependency_with_its_working_copy(run, tmp_path):
    tools = tmp_path.parent / f"{tmp_path.name}-tools"
    tools.mkdir()
    (tools / "helpers.R").write_text("# $Id: helpers.R 41 2026-01-01 ada $\n")
    found = RFinder().loaded(
        run(files=[tools / "helpers.R"], checkout_of=lambda path: str(tools) if "-tools" in path else None)
    )
    (each,) = found.dependencies
    assert (each.name, each.version, each.checkout) == (str(tools / "helpers.R"), "41", str(tools))
    assert found.accounted == {str(tools / "helpers.R")}


def test_a_script_in_no_working_copy_is_a_dependency_and_stays_an_input(run, tmp_path):
    (tmp_path / "helpers.R").touch()
    found = RFinder().loaded(run(files=[tmp_path / "helpers.R", tmp_path / "main.R"]))
    assert [each.name for each in found.dependencies] == ["helpers.R"]
    assert found.accounted == frozenset()


def test_own_code_under_version_control_is_no_dependency(run, tmp_path):
    (tmp_path / "helpers.R").touch()
    own = run(files=[tmp_path / "helpers.R"], checkout_of=lambda path: str(tmp_path))
    assert RFinder().loaded(own).dependencies == ()


def test_a_package_under_development_is_told_by_its_name(run, tmp_path):
    source = tmp_path.parent / f"{tmp_path.name}-pkg"
    (source / "R").mkdir(parents=True)
    (source / "DESCRIPTION").write_text("Package: turnip\nVersion: 0.0.0.9000\n")
    (source / "R" / "a.R").touch()
    (each,) = RFinder().loaded(run(files=[source / "R" / "a.R"])).dependencies
    assert (each.name, each.version, each.flags) == ("turnip", "0.0.0.9000", ("editable",))


# --- foreseen


def test_a_script_tells_the_packages_that_it_would_load_with_the_versions_that_r_tells(run, library):
    text = """
    suppressPackageStartupMessages(library(gourd))
    # library(commented)
    x <- "library(quoted)"; y <- 'it # is'; library("nosuch")
    stats4::mle
    """
    told = by_name(RFinder().foreseen(run(text)))
    assert told["gourd"].version == r("cat(packageDescription('gourd')$Version)", R_LIBS=str(library))
    assert told["R"].version == r("cat(as.character(getRversion()))")
    assert (told["nosuch"].version, told["nosuch"].flags) == (None, ("not loaded", "not found"))
    assert set(told) == {"gourd", "R", "nosuch"}
    assert all("not loaded" in each.flags for each in told.values())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("library(a1)", {"a1"}),
        ("require( 'a1' , quietly = TRUE)", {"a1"}),
        ("library(package = a.b)", {"a.b"}),
        ("library(name, character.only = TRUE)", set()),
        ("if (!requireNamespace('a1', quietly = TRUE)) stop()", {"a1"}),
        ("requireNamespace(variable)", set()),
        ("a1::f(b2:::g(1))", {"a1", "b2"}),
        ("print('see x::y')", set()),
        ("pacman::p_load(a1, 'b2')", {"pacman", "a1", "b2"}),
        ("lapply(c('a1', \"b2\"), library, character.only = TRUE)", {"a1", "b2"}),
        ("lapply(c('a1', 'b2'), print)", set()),
        ("library()", set()),
        ('x <- "an open string\nlibrary(a1)', set()),
    ],
)
def test_ways_to_ask_for_a_package(text, names, run):
    assert set(by_name(RFinder().foreseen(run(text)))) - {"R"} == names


def test_sourced_files_are_followed_once(run, tmp_path):
    (tmp_path / "R").mkdir()
    (tmp_path / "R" / "a.R").write_text("source('main.R')\nsource(file.path('R', 'b.R'))\nlibrary(fromA)\n")
    (tmp_path / "R" / "b.R").write_text("library(fromB)\n")
    told = by_name(RFinder().foreseen(run("source('R/a.R'); source(here::here('R', 'b.R')); source('R/gone.R')\n")))
    assert set(told) - {"R"} == {"R/a.R", "R/b.R", "fromA", "fromB", "here"}


def test_of_a_notebook_only_its_chunks_are_read(run):
    text = "Use library(prose).\n\n```{r setup, echo=FALSE}\nlibrary(inside)\n```\n\n```{python}\nimport x\n```\n"
    assert set(by_name(RFinder().foreseen(run(text, name="notes.Rmd")))) - {"R"} == {"inside"}


def test_the_library_of_renv_comes_first_and_its_lock_is_told(run, tmp_path, library):
    package = tmp_path / "renv" / "library" / "R-4.2" / "x86_64-pc-linux-gnu" / "gourd"
    package.mkdir(parents=True)
    (package / "DESCRIPTION").write_text("Package: gourd\nVersion: 9.9\n")
    (tmp_path / "renv.lock").write_text("{}")
    found = RFinder().foreseen(run("library(gourd)"))
    assert by_name(found)["gourd"].version == "9.9"
    assert found.surroundings["renv.lock"].startswith("renv.lock sha256:44136fa355b3678a")


def test_a_run_without_r_costs_a_millisecond_or_two_at_most(run):
    files = [f"/usr/lib/python3/dist-packages/numpy/core/file{number}.so" for number in range(1000)]
    asked = run(files=files)
    took = []
    for _ in range(5):
        began = time.perf_counter()
        assert RFinder().loaded(asked).dependencies == ()
        took.append(time.perf_counter() - began)
    assert min(took) < 0.002


@pytest.mark.parametrize("text", ['"' + '\\"' * 200_000, "library(" * 100_000, "source(here(" * 100_000, "`" * 300_000,
                                  "lapply(c(" * 100_000, "a::" * 100_000])
def test_hostile_text_is_read_in_little_time(text, run):
    began = time.perf_counter()
    RFinder().foreseen(run(text))
    RFinder().foreseen(run("```{r}\n" + text + "\n```{r}\n" * 100_000, name="main.Rmd"))
    assert time.perf_counter() - began < 5
