"""What every comparator promises, as tests."""

import os
from pathlib import Path

from sumatra.comparison import BACKENDS, SAME, VERDICTS, Comparator, Comparison, Content, Limit, Setting, get_comparator
from sumatra.comparison._child import compare_contents

__all__ = ["ComparatorContract", "compared"]


def compared(comparator: Comparator, one: Path, other: Path, limit: Limit = Limit()) -> Comparison:  # noqa: B008
    """Return what *comparator* says of two files, members of archives being compared by our own comparators."""
    ours = [get_comparator(name) for name in BACKENDS]
    setting = Setting(lambda field: limit, lambda first, second: compare_contents(first, second, setting, ours))
    return comparator.compare(Content.at(str(one), one.name), Content.at(str(other), other.name), setting)


class ComparatorContract:
    """Inherit, give the fixtures *comparator* and *files*, and every promise is tested.

    *files* are two files of the comparator's kind, of the same name in two folders, that don't say the same.
    """

    def test_it_knows_its_files_and_not_others(self, comparator: Comparator, files: tuple[Path, Path]) -> None:
        for file in files:
            assert comparator.recognises(file.read_bytes()[:8192], file.name.lower())
        assert comparator.name
        assert comparator.title
        if comparator.name != "bytes":
            for head in (b"\0", os.urandom(64) + b"\0"):
                assert not comparator.recognises(head, "name.unknown")

    def test_a_file_is_the_same_as_itself(self, comparator: Comparator, files: tuple[Path, Path]) -> None:
        found = compared(comparator, files[0], files[0])
        assert found.verdict in SAME or comparator.name == "pickle"

    def test_the_answer_is_the_same_the_other_way_round(
        self, comparator: Comparator, files: tuple[Path, Path]
    ) -> None:
        for limit in (Limit(), Limit(1e-9), Limit(0.5), Limit(0.0, 100.0)):
            one, other = compared(comparator, *files, limit), compared(comparator, *files[::-1], limit)
            assert (one.verdict, one.largest, one.absolute) == (other.verdict, other.largest, other.absolute)

    def test_it_is_said_what_differs(self, comparator: Comparator, files: tuple[Path, Path]) -> None:
        found = compared(comparator, *files)
        assert found.verdict in VERDICTS
        assert found.verdict not in SAME
        assert found.sentence
        assert "\n" not in found.sentence
        assert not found.sentence.endswith(".")
        assert found.kind == comparator.name or comparator.name == "archive"

    def test_what_is_within_a_tolerance_is_within_a_wider_one(
        self, comparator: Comparator, files: tuple[Path, Path]
    ) -> None:
        limits = [Limit(size) for size in (0.0, 1e-15, 1e-12, 1e-9, 1e-6, 1e-3, 1.0, 2.0)]
        same = [compared(comparator, *files, limit).verdict in SAME for limit in limits]
        assert same == sorted(same)

    def test_files_are_left_alone(self, comparator: Comparator, files: tuple[Path, Path]) -> None:
        def state() -> list[tuple[bytes, int]]:
            return [(file.read_bytes(), file.stat().st_mtime_ns) for file in files]

        before, names = state(), [sorted(os.listdir(file.parent)) for file in files]
        compared(comparator, *files)
        assert state() == before
        assert [sorted(os.listdir(file.parent)) for file in files] == names

    def test_a_damaged_file_is_never_taken_for_the_same(
        self, comparator: Comparator, files: tuple[Path, Path], tmp_path: Path
    ) -> None:
        content = files[0].read_bytes()
        damaged = tmp_path / "damaged" / files[0].name
        damaged.parent.mkdir()
        for size in {0, 1, len(content.rstrip(b"\0")) // 2}:
            damaged.write_bytes(content[:size])
            try:
                found = compared(comparator, files[0], damaged)
            except Exception:  # noqa: BLE001, S112  the process that reads has to live with it
                continue
            assert found.verdict not in SAME, f"cut off after {size} bytes"
