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
