"""Our finders of dependencies keep what every finder promises."""

import pytest

from sumatra.dependency_finder import BACKENDS, Finder, get_finder
from sumatra.testing.finders import FinderContract, this_python


class TestFinders(FinderContract):

    @pytest.fixture(params=list(BACKENDS))
    def finder(self, request: pytest.FixtureRequest) -> Finder:
        return get_finder(request.param)


def test_the_run_that_finders_are_tested_with_has_something_to_find():
    assert any(each.name == "pytest" for each in get_finder("python").loaded(this_python()).dependencies)


def test_no_finder_is_passed_over_that_may_know_a_file():
    """What finders look for in names is told twice: by themselves, and where it is decided whether they are loaded."""
    from sumatra.dependency_finder import HINTS, matlab, neuron, r, scripts

    own = {
        "r": (*r._SCRIPTS, ".rds", ".rdb", ".rdx"), "matlab": matlab._SUFFIXES, "neuron": (*neuron._SCRIPTS, ".mod"),
        "script": scripts._SUFFIXES, "genesis": (".g",), "julia": (".jl", ".ji"),
    }
    assert own.keys() == HINTS.keys()
    for name, endings in own.items():
        assert set(endings) <= set(HINTS[name][0]), name
    assert all(any(part in f"/x{ending}" for part in (*HINTS["neuron"][1], *HINTS["neuron"][0]))
               for ending in neuron._COMPILED)
