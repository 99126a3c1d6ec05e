"""A digest is known again only while the file can't have changed."""

import mmap
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sumatra import files
from sumatra.datastore import digests
from sumatra.datastore.digests import DigestCache
from sumatra.datastore.filesystem import FileSystemDataStore
from sumatra.projects import load_project

DIGEST = "sha256:" + "0123456789abcdef" * 4
LATER = 3600 * 10**9


@pytest.fixture(autouse=True)
def worth_it(tmp_path, monkeypatch):
    """Let a few bytes be worth it, and whatever the tests' folder is on be a disk."""
    monkeypatch.setattr(digests, "_WORTH_TOGETHER", 1)
    monkeypatch.setattr(digests, "_WORTH", 1000)
    monkeypatch.setattr(digests, "_TRUSTED", digests._TRUSTED | {digests._kind(str(tmp_path))})


@pytest.fixture
def cache(tmp_path):
    def load(most: int = 100) -> DigestCache:
        found = DigestCache(str(tmp_path / "digests"), most)
        found.expect(1)
        return found

    return load


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"x" * 5000)
    return path


def put(cache: DigestCache, path: Path, digest: str = DIGEST, began: int = LATER) -> None:
    cache.put(str(path), path.stat(), digest, time.time_ns() + began)
    cache.save()


def test_what_was_put_is_known_to_the_next_run(cache, file):
    put(cache(), file)
    assert cache().get(str(file), file.stat()) == DIGEST


@pytest.mark.parametrize("change", [
    lambda path: path.write_bytes(b"y" * 5000),
    lambda path: path.write_bytes(b"x" * 5001),
    lambda path: os.utime(path, ns=(0, path.stat().st_mtime_ns)),
    lambda path: path.chmod(0o600),
    lambda path: (path.rename(f"{path}.old"), path.write_bytes(b"x" * 5000)),
], ids=["content", "size", "times", "mode", "another file"])
def test_what_has_changed_is_not_known(change, cache, file):
    put(cache(), file)
    time.sleep(0.02)
    change(file)
    assert cache().get(str(file), file.stat()) is None


def test_another_machine_knows_nothing_of_it(cache, file, monkeypatch):
    put(cache(), file)
    here = os.uname()
    monkeypatch.setattr(os, "uname", lambda: type("Uname", (), {"nodename": here.nodename + "-2"}))
    assert cache().get(str(file), file.stat()) is None


def test_a_file_that_was_young_when_it_was_hashed_is_not_remembered(cache, file):
    put(cache(), file, began=0)
    put(cache(), file, began=60 * 10**9)
    assert cache().get(str(file), file.stat()) is None
    put(cache(), file, began=2 * digests._margin())
    assert cache().get(str(file), file.stat()) == DIGEST


def test_a_file_of_the_future_is_not_remembered(cache, file):
    os.utime(file, ns=(0, time.time_ns() + 2 * LATER))
    put(cache(), file)
    assert cache().get(str(file), file.stat()) is None


def test_a_mapped_file_changes_unnoted_which_is_why_young_files_are_not_remembered(cache, file):
    with open(file, "r+b") as opened, mmap.mmap(opened.fileno(), 0) as mapped:
        mapped[0:1] = b"a"
        before, first = file.stat(), file.read_bytes()
        time.sleep(0.05)
        mapped[0:1] = b"b"
        after, second = file.stat(), file.read_bytes()
    assert first != second
    if before.st_ctime_ns == after.st_ctime_ns:  # not where each write is noted; then there is no danger
        put(cache(), file, files.digest_bytes(first), began=50_000_000)
        assert cache().get(str(file), after) is None


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="there is no tmpfs")
def test_files_that_are_not_on_a_disk_are_not_remembered(cache, tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(digests, "_WORTH_TOGETHER", 1)
    path = Path(f"/dev/shm/sumatra-test-{os.getpid()}")
    path.write_bytes(b"x" * 5000)
    try:
        assert digests._kind(str(path)) == 0x01021994
        put(cache(), path)
        assert not (tmp_path / "digests").exists()
    finally:
        path.unlink()
    assert digests._kind("/proc/self") == 0x9FA0
    assert digests._kind("/nowhere") == 0


@pytest.mark.slow
def test_a_spoilt_line_counts_for_nothing_whatever_is_wrong_with_it(cache, file, tmp_path):
    put(cache(), file)
    place = tmp_path / "digests"
    good = place.read_bytes()
    chance = random.Random(1)
    for position in range(len(good)):
        spoilt = bytearray(good)
        spoilt[position] ^= 1 << chance.randrange(8)
        for content in (bytes(spoilt), good[:position], good[:position] + good[position + 1:]):
            place.write_bytes(content)
            found = cache().get(str(file), file.stat())
            assert found is None or (found == DIGEST and good.strip() in content)


@pytest.mark.parametrize("spoil", [
    lambda path: path.write_bytes(os.urandom(100_000)), lambda path: path.write_bytes(b"sha256:" * 1000),
    lambda path: path.write_bytes(b"torn sha256:"),
])
def test_a_spoilt_cache_still_takes_what_is_new(spoil, cache, file, tmp_path):
    spoil(tmp_path / "digests")
    assert cache().get(str(file), file.stat()) is None
    put(cache(), file)
    assert cache().get(str(file), file.stat()) == DIGEST


@pytest.mark.parametrize("block", [
    lambda path: path.mkdir(), lambda path: os.mkfifo(path), lambda path: path.symlink_to("elsewhere"),
], ids=["folder", "pipe", "link"])
def test_where_it_can_not_be_kept_it_is_forgotten(block, cache, file, tmp_path):
    block(tmp_path / "digests")
    put(cache(), file)
    assert cache().get(str(file), file.stat()) is None
    assert not (tmp_path / "elsewhere").exists()


def test_it_keeps_the_newest_and_does_not_grow(cache, tmp_path):
    paths = [tmp_path / f"{number}" for number in range(200)]
    for path in paths:
        path.write_bytes(b"x" * 5000)
        put(cache(20), path)
    size = (tmp_path / "digests").stat().st_size
    assert size <= 31 * digests._LINE
    known = [cache(20).get(str(path), path.stat()) for path in paths]
    assert known[-20:] == [DIGEST] * 20
    assert known[:150] == [None] * 150


@pytest.mark.slow
def test_two_hundred_runs_at_once_lose_nothing(file, tmp_path, cache):
    script = """
import os, sys, types
from sumatra.datastore import digests
digests._WORTH, digests._WORTH_TOGETHER, digests._TRUSTED = 1, 1, {digests._kind(sys.argv[2])}
def seen(number):
    return types.SimpleNamespace(
        st_dev=os.stat(sys.argv[2]).st_dev, st_ino=number, st_size=1, st_mtime_ns=1, st_ctime_ns=1
    )
children = []
for number in range(200):
    child = os.fork()
    if child == 0:
        cache = digests.DigestCache(sys.argv[1])
        cache.expect(1)
        for place in range(5):
            cache.put(sys.argv[2], seen(number * 5 + place), f"sha256:{number * 5 + place:064d}", 1 << 62)
        cache.save()
        os._exit(0)
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
cache = digests.DigestCache(sys.argv[1])
cache.expect(1)
for number in range(1000):
    assert cache.get(sys.argv[2], seen(number)) == f"sha256:{number:064d}", number
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "digests", file], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


# -- in a data store


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "_margin", lambda: 0)
    (tmp_path / "Data").mkdir()
    (tmp_path / "Data" / "large").write_bytes(os.urandom(5000))
    (tmp_path / "Data" / "small").write_bytes(b"x")
    time.sleep(0.05)

    def make() -> FileSystemDataStore:
        return FileSystemDataStore(str(tmp_path / "Data"), digests=DigestCache(str(tmp_path / "digests")))

    return make


def test_a_large_file_is_not_hashed_again_and_its_key_is_the_same(store, monkeypatch):
    hashed = []
    real = files.digest_file
    monkeypatch.setattr(
        files, "digest_file", lambda path, *more, **rest: hashed.append(Path(path).name) or real(path, *more, **rest)
    )
    told = []
    first = store().generate_keys(["large", "small"], seen="notify")
    assert sorted(hashed) == ["large", "small"]
    second = store().generate_keys(["large", "small"], seen="notify", progress=told.append)
    assert second == first
    assert sorted(hashed) == ["large", "small", "small"]
    assert sum(told) == 5001, "the bar comes to its end"


def test_a_change_is_found_out(store, tmp_path):
    (first,) = store().generate_keys(["large"])
    (tmp_path / "Data" / "large").write_bytes(os.urandom(5000))
    (second,) = store().generate_keys(["large"])
    assert second.digest == files.digest_file(str(tmp_path / "Data" / "large")).digest != first.digest


def test_a_file_that_is_changed_right_after_it_was_hashed_is_not_remembered(store, tmp_path, monkeypatch):
    path = tmp_path / "Data" / "large"
    real = files.digest_file

    def hash_and_change(*given, **rest):
        found = real(*given, **rest)
        path.write_bytes(os.urandom(5000))
        return found

    monkeypatch.setattr(files, "digest_file", hash_and_change)
    store().generate_keys(["large"])
    assert not (tmp_path / "digests").exists()


def test_where_little_is_hashed_the_cache_is_not_touched(store, tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "_WORTH_TOGETHER", 5001)
    monkeypatch.setattr(digests, "_read", lambda *given: pytest.fail("the cache was read"))
    store().generate_keys(["large", "small"])
    assert not (tmp_path / "digests").exists()


def test_new_outputs_alone_do_not_make_the_cache_be_read(store, tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "_read", lambda *given: pytest.fail("the cache was read"))
    monkeypatch.setattr(digests, "_margin", lambda: 10**12)
    (key,) = store().generate_keys(["large"])
    assert key.digest
    assert not (tmp_path / "digests").exists()


def test_an_interrupt_while_digests_are_looked_up_leaves_the_rest_unhashed(store):
    store().generate_keys(["large"])

    def interrupt(count):
        raise KeyboardInterrupt

    keys = store().generate_keys(["large", "small"], progress=interrupt)
    assert [key.flags for key in keys] == [(), ("not hashed",)]


def test_a_project_remembers_digests_of_inputs_and_outputs_in_one_place(project):
    loaded = load_project(project)
    assert loaded.data_store.digests is loaded.input_datastore.digests is not None
    assert "digests" not in loaded.data_store.choice.options
