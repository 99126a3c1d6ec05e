"""What is found out about NEURON, GENESIS and Julia."""

import os
import time

import pytest

from sumatra import dependency_finder
from sumatra.dependency_finder import Run
from sumatra.dependency_finder.genesis import GenesisFinder
from sumatra.dependency_finder.julia import JuliaFinder
from sumatra.dependency_finder.neuron import NeuronFinder
from sumatra.records import Executable

#: What nrnivmodl writes into a library for each NMODL file: where it was, and its text.
CHANNEL = "NEURON { SUFFIX leak RANGE g }\nPARAMETER { g = .001 (S/cm2) }\n"


@pytest.fixture
def files(tmp_path):
    """Write files below the current folder, by name and text."""

    def write(**named):
        for name, text in named.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path

    return write


@pytest.fixture
def run(tmp_path):
    """Make a run of *main*, with the files (relative) that were loaded."""

    def make(main, *loaded, program="", **more):
        return Run(
            files=sorted(os.path.join(os.path.realpath(tmp_path), name) for name in loaded), main_file=main,
            executable=Executable(f"/opt/{program.lower()}", program, "8.2") if program else None,
            folder=str(tmp_path), root=str(tmp_path), **more,
        )

    return make


def names(found):
    return [each.name for each in found.dependencies]


# --- NEURON


@pytest.fixture
def installation(files, tmp_path):
    """What an installation of NEURON has that we look at."""
    files(**{
        "nrn/include/nrnsemanticversion.h": (
            "#pragma once\n#define NRN_VERSION_MAJOR 9\n#define NRN_VERSION_MINOR 0\n#define NRN_VERSION_PATCH 2\n"
        ),
        "nrn/share/nrn/lib/hoc/stdrun.hoc": 'load_file("stdlib.hoc")\n', "nrn/share/nrn/lib/hoc/stdlib.hoc": "",
        "nrn/bin/nrniv": "",
    })
    return tmp_path / "nrn"


@pytest.fixture
def mechanisms(files, tmp_path):
    """A compiled library of mechanisms that names the NMODL file it was made from, and has its text."""
    files(**{"mod/leak.mod": CHANNEL + "\n"})
    library = tmp_path / "x86_64" / "libnrnmech.so"
    library.parent.mkdir()
    path = os.fsencode(os.path.realpath(tmp_path / "mod" / "leak.mod"))
    library.write_bytes(b"\x7fELF\0\0 \"mod/leak.mod\"\0" + path + b"\0" + CHANNEL.encode() + b"\0\0")
    return library


def test_neuron_is_told_once_with_the_version_in_its_headers(installation, run):
    found = NeuronFinder().loaded(run("main.hoc", *(f"nrn/share/nrn/lib/hoc/{n}.hoc" for n in ("stdrun", "stdlib"))))
    (each,) = found.dependencies
    assert (each.name, each.version, each.source) == ("neuron", "9.0.2", "nrnsemanticversion.h")
    assert len(found.accounted) == 2


def test_compiled_mechanisms_are_told_with_the_files_that_they_were_compiled_from(mechanisms, run):
    found = NeuronFinder().loaded(run("main.hoc", "x86_64/libnrnmech.so"))
    assert names(found) == ["x86_64/libnrnmech.so", "mod/leak.mod"]
    assert found.findings == ()
    assert found.accounted == frozenset(), "the library stays an input, so that it has a digest"


@pytest.mark.provokes("mechanisms-outdated")
def test_mechanisms_that_were_compiled_from_something_else_are_told(mechanisms, run, files):
    files(**{"mod/leak.mod": CHANNEL.replace(".001", ".002")})
    os.utime(mechanisms)  # newer than its source, and yet of another content
    found = NeuronFinder().loaded(run("main.hoc", "x86_64/libnrnmech.so"))
    (finding,) = found.findings
    assert finding.code == "mechanisms-outdated"
    assert finding.message == "x86_64/libnrnmech.so wasn't compiled from mod/leak.mod as that is now"
    assert found.dependencies[1].flags == ("changed",)


def test_a_source_that_was_only_touched_is_as_good_as_before(mechanisms, run, tmp_path):
    os.utime(tmp_path / "mod" / "leak.mod", (4e9, 4e9))
    assert NeuronFinder().loaded(run("main.hoc", "x86_64/libnrnmech.so")).findings == ()


@pytest.mark.parametrize(("time_of_source", "findings"), [(1000, 0), (3000, 1)])
def test_a_library_that_tells_nothing_of_its_sources_is_judged_by_times(time_of_source, findings, files, run):
    top = files(**{"leak.mod": CHANNEL, "x86_64/.libs/libnrnmech.so": "ELF"})
    os.utime(top / "x86_64/.libs/libnrnmech.so", (2000, 2000))
    os.utime(top / "leak.mod", (time_of_source, time_of_source))
    found = NeuronFinder().loaded(run("main.hoc", "x86_64/.libs/libnrnmech.so"))
    assert names(found) == ["x86_64/.libs/libnrnmech.so", "leak.mod"]
    assert len(found.findings) == findings


def test_hoc_files_are_followed_through_neurons_search_path(files, run, installation, mechanisms):
    files(**{
        "main.hoc": 'load_file("stdrun.hoc")\n{load_file(1, "cell.hoc")}\n// xopen("commented")\n'
                    '/* load_file("too") */\nprint "load_file(", 1\nxopen("gone.hoc")\n',
        "lib/cell.hoc": 'load_file("main.hoc")\nxopen("geometry.hoc")\n', "geometry.hoc": "",
    })
    found = NeuronFinder().foreseen(run(
        "main.hoc", environment={"HOC_LIBRARY_PATH": "lib:elsewhere", "NEURONHOME": str(installation / "share/nrn")}
    ))
    told = {each.name: each for each in found.dependencies}
    assert set(told) == {
        "neuron", "lib/cell.hoc", "geometry.hoc", "gone.hoc", "x86_64/libnrnmech.so", "mod/leak.mod",
    }
    assert told["neuron"].version == "9.0.2"
    assert "not found" in told["gone.hoc"].flags
    assert all("not loaded" in each.flags for each in found.dependencies)


def test_a_python_script_of_neuron_is_read_for_hoc_too(files, run):
    files(**{"main.py": "from neuron import h\nh.load_file('cell.hoc')\n", "cell.hoc": ""})
    files(**{"other.py": "load_file('cell.hoc')\n"})
    assert names(NeuronFinder().foreseen(run("main.py"))) == ["cell.hoc"]
    assert names(NeuronFinder().foreseen(run("other.py"))) == []


# --- GENESIS


def test_genesis_scripts_are_followed_through_simpath_with_versions_by_keyword(files, run):
    files(**{
        "main.g": "include protodefs\nif (1)\n  include cell.g\nend\n/*\ninclude commented\n*/\nechoinclude no\n",
        "protos/protodefs.g": "// $Id: protodefs.g,v 1.3 2005/07/01 10:05:03 ada Exp $\ninclude main.g\n",
        "cell.g": "include gone\n", ".simrc": "setenv SIMPATH . protos\n",
    })
    found = GenesisFinder().foreseen(run("main.g", program="GENESIS", environment={"HOME": "/nowhere"}))
    told = {each.name: each for each in found.dependencies}
    assert set(told) == {"genesis", "protos/protodefs.g", "cell.g", "gone"}
    assert (told["protos/protodefs.g"].version, told["protos/protodefs.g"].source) == (
        "1.3", "keyword of version control"
    )
    assert "not found" in told["gone"].flags


def test_genesis_scripts_that_were_loaded_are_dependencies(files, run):
    files(**{"cell.g": "", "main.g": ""})
    assert names(GenesisFinder().loaded(run("main.g", "cell.g", "main.g"))) == ["cell.g"]


# --- Julia

MANIFEST = """
julia_version = "1.9.3"
manifest_format = "2.0"

[[deps.CSV]]
uuid = "336ed68f-0bac-5ca0-87d4-7b16caf5d00b"
version = "0.10.11"

[[deps.Mine]]
path = "../Mine"
uuid = "336ed68f-0bac-5ca0-87d4-7b16caf5d00c"
version = "0.1.0"
"""


def test_julia_packages_have_the_versions_of_their_sources_or_of_the_manifest(files, run):
    files(**{
        "Manifest.toml": MANIFEST, "depot/packages/Foo/a1B2c/Project.toml": 'name = "Foo"\nversion = "2.3.4"\n',
        "depot/packages/Foo/a1B2c/src/Foo.jl": "", "depot/compiled/v1.9/CSV/HHBkp_x.ji": "", "own.jl": "",
    })
    found = JuliaFinder().loaded(run(
        "main.jl", "depot/packages/Foo/a1B2c/src/Foo.jl", "depot/compiled/v1.9/CSV/HHBkp_x.ji", "own.jl"
    ))
    assert [(each.name, each.version) for each in found.dependencies] == [
        ("CSV", "0.10.11"), ("Foo", "2.3.4"), ("own.jl", None),
    ]


def test_a_julia_script_tells_what_it_uses(files, run):
    files(**{
        "Manifest.toml": MANIFEST,
        "main.jl": '# using Commented\nusing CSV, Mine: a, b\nimport Gone\nusing LinearAlgebra, .Inner\n'
                   '#= using Too =#\ns = "\nusing Quoted\n"\ninclude("lib.jl")\n',
        "lib.jl": "module Inner end\nusing Inner\n",
    })
    told = {each.name: each for each in JuliaFinder().foreseen(run("main.jl")).dependencies}
    assert set(told) == {"CSV", "Mine", "Gone", "lib.jl"}
    assert told["CSV"].version == "0.10.11"
    assert "editable" in told["Mine"].flags
    assert "not found" in told["Gone"].flags


# --- all of them


def test_nothing_is_found_where_there_is_nothing_of_their_kind_in_a_millisecond_or_two(run):
    loaded = [f"/usr/lib/python3/dist-packages/numpy/core/file{number}.so" for number in range(1000)]
    asked = run("main.py", *loaded)
    for finder in (NeuronFinder(), GenesisFinder(), JuliaFinder()):
        took = []
        for _ in range(5):
            began = time.perf_counter()
            assert finder.loaded(asked).dependencies == ()
            took.append(time.perf_counter() - began)
        assert min(took) < 0.002


@pytest.mark.parametrize("main", ["main.hoc", "main.g", "main.jl"])
@pytest.mark.parametrize("text", ['"' + '\\"' * 100_000, "/*" * 200_000, "#=" * 200_000, "load_file(" * 100_000,
                                  "include " * 100_000, '"""' * 100_001, "using " * 100_000])
def test_hostile_text_is_read_in_little_time(main, text, files, run):
    files(**{main: text})
    began = time.perf_counter()
    dependency_finder.foreseen(run(main))
    assert time.perf_counter() - began < 5
