"""What every finder of dependencies promises, as tests."""

import os
import sys
from pathlib import Path

import pytest

from sumatra.dependency_finder import Finder, Found, Run
from sumatra.facts import replace
from sumatra.records import Dependency, Executable, Program

__all__ = ["FinderContract", "this_python"]


def this_python() -> Run:
    """Return a run of this Python, with all that it has loaded by now."""
    maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    names = {f"/{line.partition('/')[2]}" for line in maps if "/" in line}
    names |= {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
    paths = {os.path.realpath(name) for name in names if name.startswith("/")}
    return Run(
        files=sorted(path for path in paths if os.path.isfile(path)),
        programs=(Program(sys.executable, (sys.executable, "main.py")),),
        executable=Executable(sys.executable, "Python"), folder="/nowhere", root="/nowhere",
    )


class FinderContract:
    """Inherit, give a fixture *finder*, and every promise is tested.

    With a fixture *run* that has files which the finder knows, the tests mean more.
    """

    @pytest.fixture
    def run(self) -> Run:
        """A run with all that the Python in which the tests run has loaded by now."""
        return this_python()

    def test_nothing_belongs_to_nothing(self, finder: Finder) -> None:
        found = finder.loaded(Run())
        assert (found.dependencies, found.accounted, found.findings) == ((), frozenset(), ())

    def test_only_files_of_the_run_are_accounted_for(self, finder: Finder, run: Run) -> None:
        assert finder.loaded(run).accounted <= set(run.files)

    def test_the_same_files_give_the_same_answer_however_often_and_with_or_without_a_cache(
        self, finder: Finder, run: Run, tmp_path: Path
    ) -> None:
        first = finder.loaded(run)
        cached = replace(run, cache=str(tmp_path / "cache"))
        assert first == finder.loaded(run) == finder.loaded(cached) == finder.loaded(cached)

    def test_every_dependency_says_what_it_is(self, finder: Finder, run: Run) -> None:
        for each in finder.loaded(run).dependencies:
            assert each.name
            assert each.module
            assert each.version != "", "an unknown version is None"
            assert each.version is None or each.source, f"{each.name}: who says that it is version {each.version}?"
            assert not each.path or os.path.isabs(each.path)

    def test_no_program_is_started_and_no_module_of_the_users_imported(
        self, finder: Finder, run: Run, tmp_path: Path
    ) -> None:
        started = []
        watching = True

        def watch(event: str, arguments: object) -> None:
            if watching and event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork"):
                started.append(event)

        module = tmp_path / "side_effect.py"
        module.write_text(f"open({str(tmp_path / 'witness')!r}, 'w').close()\n__version__ = '1'\n")
        sys.addaudithook(watch)
        try:
            found = finder.loaded(replace(run, files=sorted({*run.files, str(module)})))
            finder.again(run, found.dependencies, {})
        finally:
            watching = False
        assert not started
        assert not (tmp_path / "witness").exists()

    def test_odd_names_and_files_that_are_gone_cost_nothing(self, finder: Finder, run: Run) -> None:
        odd = [
            "/", "//", "/x", "/usr/lib/\udcff\n.so.1", "/usr/lib/python3.11/gone.py", "/opt/python3.99", "/opt/a.so.",
            "/gone/site-packages/x.py", "/site-packages/", "/gone/lib/site-packages/", "/gone/pyvenv.cfg", "/opt/.py",
            "/opt/__init__.py", "/gone/lib/python3.11/site-packages/x/__pycache__/.pyc", "/opt/" + "x/" * 2000 + "y.so",
        ]  # fmt: skip
        found = finder.loaded(replace(run, files=sorted({*run.files, *odd})))
        assert isinstance(found, Found)
        known = {(each.name, each.version) for each in finder.loaded(run).dependencies}
        assert known <= {(each.name, each.version) for each in found.dependencies}

    def test_what_was_just_loaded_is_found_again_with_the_same_version(self, finder: Finder, run: Run) -> None:
        loaded = finder.loaded(run).dependencies
        found = finder.again(run, loaded, {})
        assert [each.was for each in found if each.was is not None] == list(loaded)
        for each in found:
            if each.was is not None and not each.unknown:
                assert each.now is not None, f"{each.was.name} is there"
                assert each.now.version == each.was.version

    def test_what_lay_where_nothing_is_any_more_is_not_found_again(self, finder: Finder) -> None:
        gone = Dependency("gone-for-good", "/nowhere/at/all/gone.so.1.2", "1.2", finder.name, source="metadata")
        (found,) = finder.again(Run(), [gone], {})
        assert found.was == gone
        assert found.now is None or found.unknown
