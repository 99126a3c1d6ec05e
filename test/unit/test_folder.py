"""What lies in a folder is told alike by the helper in C and by Python."""

import os
import shutil
import stat

import pytest

from sumatra.versioncontrol import _folder

HOUR = 3_600_000_000_000  # nanoseconds


@pytest.fixture(params=[False, True], ids=["helper", "python"])
def in_python(request):
    if not request.param and _folder._fastest() is _folder._look:
        pytest.skip("the helper wasn't built")
    return request.param


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "a folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "program").write_text("#!/bin/sh\n")
    (folder / "program").chmod(0o755)
    (folder / "link").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    os.close(os.open(os.fsencode(folder) + b"/\xff \n", os.O_CREAT))
    os.utime(folder / "program", ns=(HOUR, HOUR + 7))
    os.utime(folder / "link", ns=(HOUR, -HOUR - 1), follow_symlinks=False)
    return folder


def test_all_that_lies_there_is_told_as_lstat_says(folder, in_python):
    expected = []
    for name in os.listdir(folder):
        facts = os.lstat(folder / name)
        expected.append((
            name, facts.st_mode, facts.st_size, facts.st_dev, facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns,
        ))
    assert len(expected) == 5
    found = _folder.entries(str(folder), in_python=in_python)
    assert sorted(found) == sorted(expected)
    assert {name: stat.S_IFMT(mode) for name, mode, *_ in found}["pipe"] == stat.S_IFIFO
    as_bytes = _folder.entries(os.fsencode(folder), in_python=in_python)
    assert sorted(as_bytes) == sorted((os.fsencode(name), *rest) for name, *rest in expected)


def test_large_files_and_large_folders_are_told_whole(tmp_path, in_python):
    names = {f"{number:03}{'x' * 200}" for number in range(2_000)}
    for name in names:
        (tmp_path / name).touch()
    os.truncate(tmp_path / min(names), 5 << 32)
    found = _folder.entries(str(tmp_path), in_python=in_python)
    assert {name for name, *_ in found} == names and len(found) == len(names)
    assert max(size for _, _, size, *_ in found) == 5 << 32


def test_an_empty_folder_has_nothing_and_no_descriptor_is_left(tmp_path, in_python):
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        assert _folder.entries(str(tmp_path), in_python=in_python) == []
    assert os.listdir("/proc/self/fd") == before


def test_what_cannot_be_read_is_an_error_and_links_are_followed_where_that_is_said(tmp_path, folder, in_python):
    (tmp_path / "to it").symlink_to(folder)
    assert len(_folder.entries(str(tmp_path / "to it"), in_python=in_python)) == 5
    for path in (tmp_path / "to it", tmp_path / "gone", folder / "program"):
        with pytest.raises(OSError, match=r"\[Errno"):
            _folder.entries(str(path), follow=False, in_python=in_python)


def test_a_folder_that_is_removed_meanwhile_is_empty(tmp_path, in_python):
    (tmp_path / "inner").mkdir()
    descriptor = os.open(tmp_path / "inner", os.O_RDONLY)
    shutil.rmtree(tmp_path / "inner")
    look = _folder._look if in_python else _folder._fastest()
    try:
        found = look(descriptor, False)
    except FileNotFoundError:  # the helper opens it once more
        found = []
    finally:
        os.close(descriptor)
    assert found == []
