"""What is found out about MATLAB and Octave: packages, toolboxes, functions."""

import os
import subprocess
import tarfile
import time

import pytest

from sumatra.dependency_finder import Run
from sumatra.dependency_finder.matlab import MatlabFinder
from sumatra.records import Executable

OCTAVE = Executable("/usr/bin/octave-cli", "Octave", "7.3.0")


def octave(code, **environment):
    words = ["octave-cli", "--quiet", "--no-gui", "--eval", code]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """A folder of Octave packages with one, ``gourd``, that was truly installed, and what makes Octave use it."""
    top = tmp_path_factory.mktemp("octave")
    source = top / "source" / "gourd"
    (source / "inst").mkdir(parents=True)
    (source / "DESCRIPTION").write_text(
        "Name: gourd\nVersion: 1.2.7\nDate: 2026-01-01\nAuthor: Ada\nMaintainer: Ada\nTitle: Price\n"
        "Description: Price of a gourd\nLicense: BSD\nCategories: Price\nDepends: octave (>= 3.0)\n"
    )
    (source / "COPYING").write_text("free\n")
    (source / "inst" / "price.m").write_text("function x = price()\n  x = 3;\nend\n")
    archive = top / "gourd-1.2.7.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(source, "gourd")
    folder = top / "share" / "octave" / "packages"
    set_up = f"pkg prefix {folder} {folder}; pkg local_list {top}/list; pkg global_list {top}/global;"
    octave(f"{set_up} pkg install -local -nodeps {archive};")
    return folder, set_up


@pytest.fixture
def run(tmp_path):
    """Make a run of ``main.m`` with the text that is given."""

    def make(text="", *, files=(), **more):
        (tmp_path / "main.m").write_text(text)
        more.setdefault("environment", {"HOME": os.environ["HOME"]})
        return Run(
            files=sorted(map(str, files)), main_file="main.m", folder=str(tmp_path), root=str(tmp_path),
            **{"executable": OCTAVE, **more},
        )

    return make


def by_name(found):
    return {each.name: each for each in found.dependencies}


@pytest.mark.needs("octave-cli", "strace")
def test_what_octave_loaded_has_the_versions_that_octave_tells(run, packages, tmp_path):
    folder, set_up = packages
    trace = tmp_path / "trace"
    code = f"{set_up} pkg load gourd; assert(price() == 3); fliplr([1 2]);"
    words = ["strace", "-f", "-qq", "-e", "trace=openat", "-e", "status=successful", "-o", trace,
             "octave-cli", "--quiet", "--eval", code]
    subprocess.run(words, check=True, capture_output=True)
    names = {line.split('"')[1] for line in trace.read_text(errors="replace").splitlines() if '"' in line}
    files = [os.path.realpath(name) for name in names if name.startswith("/") and os.path.isfile(name)]
    found = MatlabFinder().loaded(run(files=files))
    told = by_name(found)
    assert set(told) == {"octave", "gourd"}
    assert told["octave"].version == octave("disp(version())")
    assert told["gourd"].version == octave(f"{set_up} disp(pkg('list', 'gourd'){{1}}.version)") == "1.2.7"
    assert told["gourd"].path == os.path.realpath(folder / "gourd-1.2.7")
    assert any("/gourd-1.2.7/" in path for path in found.accounted)


@pytest.mark.needs("octave-cli")
def test_a_package_that_a_script_asks_for_has_the_version_that_octave_tells(run, packages):
    folder, _ = packages
    program = folder.parents[2] / "bin" / "octave-cli"
    text = "pkg load gourd nosuch\n% pkg load commented\nx = 'pkg load quoted';\n"
    told = by_name(MatlabFinder().foreseen(run(text, executable=Executable(str(program), "Octave", "7.3.0"))))
    assert told["gourd"].version == "1.2.7"
    assert told["nosuch"].flags == ("not loaded", "not found")
    assert set(told) == {"octave", "gourd", "nosuch"}


def test_a_toolbox_of_matlab_has_the_version_in_its_contents(run, tmp_path):
    root = tmp_path / "MATLAB" / "R2023a"
    for name, text in {
        "VersionInfo.xml": "<MathWorks_version_info><version>9.14.0.2206163</version></MathWorks_version_info>",
        "toolbox/matlab/general/ls.m": "",
        "toolbox/signal/signal/Contents.m": "% Signal Processing Toolbox\n% Version 9.2 (R2023a) 19-Nov-2022\n",
        "toolbox/signal/signal/butter.m": "",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    files = [root / "toolbox/matlab/general/ls.m", root / "toolbox/signal/signal/butter.m"]
    found = MatlabFinder().loaded(run(files=files))
    assert [(each.name, each.version) for each in found.dependencies] == [
        ("matlab", "9.14.0.2206163"), ("signal", "9.2 (R2023a)"),
    ]
    assert found.accounted == {str(file) for file in files}


def test_functions_that_a_script_calls_are_found_on_its_path(run, tmp_path):
    for name in ("direct", "lib/added", "deep/a/b/nested", "private/hidden", "+pk/member", "unused", "by_run", "second",
                 "in_text", "@Thing/Thing"):
        file = tmp_path / f"{name}.m"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x = second(1)';\n" if name == "direct" else "function f()\n")
    text = """
    addpath('lib'); addpath(genpath(fullfile(pwd, "deep")))
    y = direct(x') + added ...
        + nested(1);
    % unused()
    s = 'unused'; t = s'; u = "in_text(1)";
    z.unused = hidden(pk.member(2)); Thing(); run('by_run.m')
    """
    told = set(by_name(MatlabFinder().foreseen(run(text)))) - {"octave"}
    assert told == {
        "direct.m", "lib/added.m", "deep/a/b/nested.m", "private/hidden.m", "+pk/member.m", "by_run.m", "second.m",
        "@Thing/Thing.m",
    }


def test_functions_outside_version_control_are_dependencies_with_the_version_of_their_toolbox(run, tmp_path):
    box = tmp_path.parent / f"{tmp_path.name}-box"
    box.mkdir()
    (box / "Contents.m").write_text("% Spike tools\n% Version 2.1 01-Jan-2020\n")
    (box / "spikes.m").touch()
    (each,) = MatlabFinder().loaded(run(files=[box / "spikes.m"])).dependencies
    assert (each.version, each.source, each.module) == ("2.1", "Contents.m", "matlab")


def test_a_run_of_something_else_costs_a_millisecond_or_two_at_most(run):
    files = [f"/usr/lib/python3/dist-packages/numpy/core/file{number}.so" for number in range(1000)]
    asked = run(files=files)
    took = []
    for _ in range(5):
        began = time.perf_counter()
        assert MatlabFinder().loaded(asked).dependencies == ()
        took.append(time.perf_counter() - began)
    assert min(took) < 0.002


@pytest.mark.parametrize("text", ["'" * 300_000, '"\\"' * 200_000, "addpath(" * 100_000, "pkg load " * 100_000,
                                  "a." * 300_000, "%{\n" * 100_000, "run(" * 100_000, "..." * 100_000])
def test_hostile_text_is_read_in_little_time(text, run):
    began = time.perf_counter()
    MatlabFinder().foreseen(run(text))
    assert time.perf_counter() - began < 5
