"""Patches that Sumatra makes itself can be applied, whatever the names of the files."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sumatra.runs.patches import _of_file
from sumatra.runs.trees import REGULAR, CodeFile
from sumatra.versioncontrol import _perforce_files, _subversion_patch

pytestmark = pytest.mark.needs("git")

Make = Callable[[str, bytes | None, bytes | None], bytes]


def of_subversion(path: str, before: bytes | None, after: bytes | None) -> bytes:
    return _subversion_patch._patch(path, before, after).encode()


def of_bazaar(path: str, before: bytes | None, after: bytes | None) -> bytes:
    pytest.importorskip("breezy")
    from sumatra.versioncontrol import _bazaar_worker

    old, new = (None if content is None else ("100644", content) for content in (before, after))
    return _bazaar_worker._patch(path, old, new)


def of_perforce(path: str, before: bytes | None, after: bytes | None) -> bytes:
    return _perforce_files.patch(path, before, after).encode()


def of_two_runs(path: str, before: bytes | None, after: bytes | None) -> bytes:
    def file(content: bytes | None) -> CodeFile | None:
        return None if content is None else CodeFile(REGULAR, "", lambda: content)

    return "".join(_of_file(path, file(before), file(after))).encode("utf-8", "surrogateescape")


@pytest.mark.parametrize(("before", "after"), [(b"one\n", b"two\n"), (None, b"new\n"), (b"old\nlines\n", None)])
@pytest.mark.parametrize("name", ["plain.py", "a b/c d.py", "\u00e4 \u00f6.py"])
@pytest.mark.parametrize("make", [of_subversion, of_bazaar, of_perforce, of_two_runs])
def test_it_changes_the_file_that_it_names(
    make: Make, name: str, before: bytes | None, after: bytes | None, tmp_path: Path
) -> None:
    applied(make(name, before, after), name, before, after, tmp_path)


@pytest.mark.parametrize("name", ["new\nline.py", 'quo"te.py', "back\\slash.py", "b\udcffytes.py", "tab\t.py"])
def test_names_that_would_end_a_line_or_aren_t_text_are_in_quotes(name: str, tmp_path: Path) -> None:
    for before, after in ((b"one\n", b"two\n"), (None, b"new\n"), (b"old\n", None)):
        patch = of_two_runs(name, before, after)
        assert patch.splitlines()[0].startswith(b'diff --git "a/')
        applied(patch, name, before, after, tmp_path)


def applied(patch: bytes, name: str, before: bytes | None, after: bytes | None, folder: Path) -> None:
    """Apply *patch* in *folder*, and see that it leads from *before* to *after*."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    if before is not None:
        file.write_bytes(before)
    done = subprocess.run(["git", "apply"], cwd=folder, input=patch, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, (patch, done.stderr)
    assert (file.read_bytes() if file.exists() else None) == after
