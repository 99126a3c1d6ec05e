"""Each data store against the promises of all, and against its own."""

import hashlib
import os
import signal
import socket
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from sumatra.datastore import filesystem, get_data_store
from sumatra.datastore.filesystem import FileSystemDataStore
from sumatra.datastore.mime import guess
from sumatra.errors import DataStoreError, NoSuchPlugin
from sumatra.records import DataKey
from sumatra.testing import DataStoreContract


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "Data"
    folder.mkdir()
    return folder


@pytest.fixture
def store(root):
    return FileSystemDataStore(str(root))


def sha256(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


class TestFileSystem(DataStoreContract):
    """A folder on this machine."""


class TestFileSystemBehindALink(DataStoreContract):
    """A folder that is a symbolic link to another disk."""

    @pytest.fixture
    def store(self, tmp_path):
        (tmp_path / "disk").mkdir()
        (tmp_path / "link").symlink_to("disk")
        return FileSystemDataStore(str(tmp_path / "link"))


class TestFileSystemByRelativePath(DataStoreContract):
    """A folder told from the current one, as settings do."""

    @pytest.fixture
    def store(self, tmp_path, monkeypatch):
        (tmp_path / "Data").mkdir()
        return get_data_store("filesystem", {"root": "./Data"})


def test_a_store_is_found_by_its_name_and_stays_where_it_is(root, monkeypatch):
    store = get_data_store("filesystem", {"root": str(root)})
    monkeypatch.chdir("/")
    assert store.root == str(root)
    with pytest.raises(NoSuchPlugin, match="filesystm"):
        get_data_store("filesystm", {})


def test_a_root_that_is_not_there_yet_is_an_empty_store(tmp_path):
    store = FileSystemDataStore(str(tmp_path / "later"))
    assert store.snapshot() == {}
    assert store.notes == []
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "a.dat").write_text("x")
    assert store.new_since({}) == ["a.dat"]


def test_a_root_that_is_a_file_is_an_empty_store_with_a_note(tmp_path):
    (tmp_path / "file").write_text("x")
    store = FileSystemDataStore(str(tmp_path / "file"))
    assert store.snapshot() == {}
    assert len(store.notes) == 1
    assert not store.contains_path("x")


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_can_not_be_read_is_passed_over_and_told_of(store, root):
    (root / "closed").mkdir(mode=0)
    (root / "a.dat").write_text("x")
    try:
        assert list(store.snapshot()) == ["a.dat"]
        assert "closed" in store.notes[0]
    finally:
        (root / "closed").chmod(0o700)


def test_a_folder_with_too_long_a_path_is_passed_over_and_told_of(store, root):
    (root / "a.dat").write_text("x")
    here = os.open(root, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=here)
        inner = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    assert list(store.snapshot()) == ["a.dat"]
    assert "ddd" in store.notes[0]


def test_more_files_than_the_limit_are_left_out_and_told_of(root):
    for number in range(30):
        (root / str(number)).write_text("x")
    store = FileSystemDataStore(str(root), limit=10)
    before = store.snapshot()
    assert len(before) == 10
    assert "10" in store.notes[0]
    changed = min(before)
    (root / changed).write_text("other")
    assert set(store.new_since(before)) <= {changed}
    assert len(store.notes) == 2


def test_a_note_is_of_the_last_look_only(tmp_path):
    (tmp_path / "file").write_text("x")
    store = FileSystemDataStore(str(tmp_path / "file"))
    store.snapshot()
    (tmp_path / "file").unlink()
    store.snapshot()
    assert store.notes == []


def test_pipes_sockets_and_devices_are_told_and_never_opened(store, root, tmp_path, monkeypatch):
    os.mkfifo(root / "pipe")
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        paths = store.new_since({})
        assert paths == ["pipe", "socket"]
        keys = store.generate_keys([*paths, "/dev/null"])
    assert [key.flags for key in keys] == [("not a regular file",)] * 3
    assert [key.digest for key in keys] == [None] * 3
    for name in ("pipe", "/dev/null"):
        with pytest.raises(DataStoreError):
            store.get_content(DataKey(name))
    kept = store.delete([DataKey("pipe", sha256(b""))])
    assert len(kept) == 1
    assert (root / "pipe").is_fifo()


def test_a_symbolic_link_is_told_as_itself(store, root, tmp_path):
    (tmp_path / "outside.dat").write_text("outside")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").write_text("x")
    (root / "out").symlink_to(tmp_path / "outside.dat")
    (root / "dangling").symlink_to("nowhere")
    (root / "loop").symlink_to("loop")
    (root / "folder").symlink_to(tmp_path / "folder")
    assert store.new_since({}) == ["dangling", "folder", "loop", "out"]
    keys = store.generate_keys(["dangling", "folder", "loop", "out"])
    assert [key.flags for key in keys] == [("symbolic link",)] * 4
    assert keys[0].digest == sha256(b"nowhere")
    assert store.get_content(keys[0]) == b"nowhere"
    assert store.contains_path("dangling")
    assert store.delete(keys) == []
    assert list(root.iterdir()) == []
    assert (tmp_path / "outside.dat").read_text() == "outside"
    assert (tmp_path / "folder" / "x").exists()


def test_a_link_that_leads_elsewhere_now_is_kept(store, root):
    (root / "latest").symlink_to("run1")
    (key,) = store.generate_keys(["latest"])
    (root / "latest").unlink()
    (root / "latest").symlink_to("run2")
    assert len(store.delete([key])) == 1
    with pytest.raises(DataStoreError):
        store.get_content(key)


@pytest.mark.parametrize("path", [
    "../outside.dat", "folder/../../outside.dat", "link/outside.dat", "link/../outside.dat", "{outside}", "", ".", "..",
    "/", "inside.dat/../../outside.dat", "./../outside.dat",
])
def test_nothing_outside_of_the_root_is_read_or_deleted(store, root, tmp_path, path):
    outside = tmp_path / "outside.dat"
    outside.write_bytes(b"outside")
    (root / "folder").mkdir()
    (root / "inside.dat").write_text("x")
    (root / "link").symlink_to(tmp_path)
    key = DataKey(path.format(outside=outside), sha256(b"outside"))
    with pytest.raises(DataStoreError):
        store.get_content(key)
    assert not store.contains_path(key.path)
    store.delete([key])
    assert outside.read_bytes() == b"outside"


def test_a_key_may_tell_the_whole_path_of_a_file_below_the_root(store, root):
    (root / "a.dat").write_text("x")
    (key,) = store.generate_keys([str(root / "a.dat")])
    assert key.path == "a.dat"
    assert store.get_content(DataKey(str(root / "a.dat"), key.digest)) == b"x"


def test_a_neighbour_whose_name_begins_like_the_root_is_outside(store, root, tmp_path):
    (tmp_path / "Data2").mkdir()
    (tmp_path / "Data2" / "a.dat").write_text("x")
    (root / "2").mkdir()
    (root / "2" / "a.dat").write_text("x")
    (key,) = store.generate_keys([str(tmp_path / "Data2" / "a.dat")])
    assert key.path == str(tmp_path / "Data2" / "a.dat")
    assert key.digest == sha256(b"x")
    with pytest.raises(DataStoreError):
        store.get_content(key)


def test_the_whole_file_system_can_be_a_store(tmp_path):
    (tmp_path / "a.dat").write_text("x")
    store = FileSystemDataStore("/")
    (key,) = store.generate_keys([str(tmp_path / "a.dat")])
    assert key.path == str(tmp_path / "a.dat")[1:]
    assert store.get_content(key) == b"x"


def test_only_the_folder_of_the_file_is_kept_when_it_is_deleted(store, root):
    (root / "folder").mkdir()
    (root / "folder" / "a.dat").write_text("x")
    store.delete(store.generate_keys(["folder/a.dat"]))
    assert (root / "folder").is_dir()


def test_digests_of_sumatra_0_8_are_checked_as_sha1(store, root):
    (root / "a.dat").write_text("x")
    old = DataKey("a.dat", "11f6ad8ec52a2984abaafd7c3b516503785c2072")
    named = DataKey("a.dat", f"sha1:{old.digest}")
    assert store.get_content(old) == store.get_content(named) == b"x"
    for digest in ("0" * 40, "rot13:abc", "sha256:", "shake_128:", ""):
        assert len(store.delete([DataKey("a.dat", digest)])) == 1
    assert store.delete([old]) == []
    assert not (root / "a.dat").exists()


def test_a_key_without_a_digest_gives_what_is_there_now(store, root):
    (root / "a.dat").write_text("x")
    assert store.get_content(DataKey("a.dat")) == b"x"


def test_hard_links_are_read_once(store, root):
    content = os.urandom(200_000)
    (root / "a").write_bytes(content)
    (root / "b").hardlink_to(root / "a")
    read = []
    keys = store.generate_keys(["a", "b"], progress=read.append)
    assert sum(read) == len(content)
    assert [key.digest for key in keys] == [sha256(content)] * 2


@pytest.mark.parametrize(("size", "written"), [(1 << 40, b""), (3 << 40, b"x" * 4096)])
def test_a_huge_file_that_is_mostly_holes_is_not_hashed(store, root, size, written):
    with open(root / "hollow", "wb") as file:
        try:
            file.truncate(size)
        except OSError:
            pytest.skip("this file system has no files of that size")
        file.write(written)
    (key,) = store.generate_keys(["hollow"])
    assert (key.size, key.digest, key.flags) == (size, None, ("not hashed",))


def test_an_ordinary_file_with_holes_is_hashed(store, root):
    with open(root / "holes", "wb") as file:
        file.truncate(1_000_000)
    (key,) = store.generate_keys(["holes"])
    assert key.digest == sha256(bytes(1_000_000))


def test_a_file_that_goes_on_changing_is_marked(store, root):
    (root / "log").write_bytes(bytes(400_000))

    def write_more(read):
        if read > 100_000:
            with open(root / "log", "ab") as file:
                file.write(b"more")

    (key,) = store.generate_keys(["log"], progress=write_more)
    assert (key.digest, key.flags) == (None, ("unstable",))


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is forbidden to root")
def test_a_file_that_can_not_be_read_is_marked(store, root):
    (root / "secret").write_text("x")
    (root / "secret").chmod(0)
    (key,) = store.generate_keys(["secret"])
    assert (key.digest, key.flags, key.size) == (None, ("unreadable",), 1)


@pytest.mark.parametrize("path", ["nul\0byte", "x" * 300, "a.dat/x", "nowhere/x", ""])
def test_a_path_that_can_not_be_is_marked_and_is_no_error(store, root, path):
    (root / "a.dat").write_text("x")
    (key,) = store.generate_keys([path])
    assert key.digest is None
    assert len(key.flags) == 1


def test_an_interrupt_from_the_keyboard_keeps_what_was_done(store, root):
    for number in range(6):
        (root / f"{number}.dat").write_bytes(bytes(3_000_000))
    paths = [f"{number}.dat" for number in range(6)]
    sent = threading.Event()
    threads = threading.active_count()

    def interrupt_once(read):
        if not sent.is_set():
            sent.set()
            os.kill(os.getpid(), signal.SIGINT)

    keys = store.generate_keys(paths, progress=interrupt_once)
    assert [key.path for key in keys] == paths
    assert {key.flags for key in keys} <= {(), ("not hashed",)}
    assert keys[-1].flags == ("not hashed",)
    assert all((key.digest is None) == bool(key.flags) for key in keys)
    for _ in range(500):
        if threading.active_count() == threads:
            break
        time.sleep(0.01)
    assert threading.active_count() == threads


def test_an_interrupt_does_not_wait_for_the_end_of_large_files(store, root):
    for name in "ab":
        with open(root / name, "wb") as file:
            file.truncate(200_000_000)
    sent = threading.Event()

    def interrupt_once(read):
        if not sent.is_set():
            sent.set()
            os.kill(os.getpid(), signal.SIGINT)

    keys = store.generate_keys(["a", "b"], progress=interrupt_once)
    assert [key.flags for key in keys] == [("not hashed",)] * 2


@pytest.mark.parametrize("size", [(1 << 23) - 1, 1 << 23, (1 << 23) + 1, (1 << 23) + (1 << 19), 3 * (1 << 22) + 7])
def test_a_large_file_has_the_digest_of_its_content(store, root, size):
    content = os.urandom(1 << 16) * (size // (1 << 16) + 1)
    (root / "large").write_bytes(content[:size])
    (root / "log").write_bytes(b"x" * 70_000)
    told = []
    keys = store.generate_keys(["large", "log"], progress=told.append)
    assert [key.digest for key in keys] == [sha256(content[:size]), sha256(b"x" * 70_000)]
    assert sum(told) == size + 70_000
    assert max(told) < 1 << 20, "progress is told in small steps"


def test_a_large_file_that_grows_or_shrinks_meanwhile_has_no_digest(store, root):
    path = root / "large"

    def change(read):
        with open(path, "ab") as file:
            file.truncate(size.pop() if size else 9_000_000 + time.time_ns() % 1_000_000)

    for first in (20_000_000, 9_000_001):
        path.write_bytes(bytes(10_000_000))
        size = [first]
        (key,) = store.generate_keys(["large"], progress=change)
        assert (key.digest, key.flags) == (None, ("unstable",))


def test_an_interrupt_in_a_large_file_ends_its_threads(store, root):
    (root / "large").write_bytes(bytes(50_000_000))
    threads = threading.active_count()
    during = []

    def interrupt(read):
        during.append(threading.active_count())
        os.kill(os.getpid(), signal.SIGINT)

    (key,) = store.generate_keys(["large"], progress=interrupt)
    assert (key.digest, key.flags) == (None, ("not hashed",))
    if len(os.sched_getaffinity(0)) > 1:
        assert during == [threads + 1], "reading and hashing go on side by side"
    for _ in range(500):
        if threading.active_count() == threads:
            break
        time.sleep(0.01)
    assert threading.active_count() == threads


def test_small_files_are_hashed_without_a_thread(store, root, monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", lambda self: pytest.fail("a thread was started"))
    (root / "small").write_bytes(bytes((1 << 23) - 1))
    (key,) = store.generate_keys(["small"])
    assert key.digest == sha256(bytes((1 << 23) - 1))


def test_where_no_thread_can_be_had_a_large_file_is_hashed_without(store, root, monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    (root / "large").write_bytes(bytes(10_000_000))
    (key,) = store.generate_keys(["large"])
    assert key.digest == sha256(bytes(10_000_000))


def test_a_time_of_change_can_not_be_set_back(store, root):
    (root / "a.dat").write_text("x")
    os.utime(root / "a.dat", (0, 0))
    assert [key.path for key in store.find_new_data(datetime.now(UTC) - timedelta(seconds=60))] == ["a.dat"]
    assert store.generate_keys(["a.dat"])[0].creation == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_file_written_just_after_the_clock_was_read_is_found(store, root):
    now = datetime.now(UTC)
    (root / "a.dat").write_text("x")
    assert [key.path for key in store.find_new_data(now)] == ["a.dat"]
    assert [key.path for key in store.find_new_files(now.astimezone())] == ["a.dat"]
    assert [key.path for key in store.find_new_files(datetime.now() - timedelta(seconds=1))] == ["a.dat"]


def test_a_file_whose_stamp_lies_a_tick_of_the_kernel_before_the_clock_is_found(store, root):
    (root / "a.dat").write_text("x")
    changed = os.stat(root / "a.dat").st_ctime
    assert store.find_new_data(datetime.fromtimestamp(changed + 0.01, UTC)) != []
    assert store.find_new_data(datetime.fromtimestamp(changed + 2, UTC)) == []


def test_a_time_that_no_calendar_has_is_left_out(store, root):
    (root / "a.dat").write_text("x")
    try:
        os.utime(root / "a.dat", ns=(0, 300_000_000_000 * 10**9 % (1 << 62)))
    except (OSError, OverflowError):
        pytest.skip("this file system has no such times")
    (key,) = store.generate_keys(["a.dat"])
    assert key.digest == sha256(b"x")


@pytest.mark.parametrize(("name", "mimetype", "encoding"), [
    ("a.csv", "text/csv", None), ("A.NPY", "application/x-npy", None), ("a.npy", "application/x-npy", None),
    ("a.tar.gz", "application/x-tar", "gzip"), ("a.tgz", "application/x-tar", "gzip"), ("a.gz", None, "gzip"),
    ("a.csv.xz", "text/csv", "xz"), ("Makefile", None, None), (".hidden", None, None), ("a.", None, None),
    ("a.nosuchending", None, None), ("data:text/html,x.doc", "application/msword", None), ("folder.csv/a", None, None),
    ("a.h5", "application/x-hdf5", None), ("a.\udcff", None, None),
])
def test_types_are_guessed_by_name(name, mimetype, encoding):
    assert guess(name) == (mimetype, encoding)


def test_a_project_can_add_types(store, root, tmp_path):
    (tmp_path / "mime.types").write_text("# ours\napplication/x-spikes  spk .gdf  # NEST\ntext/x-own csv\n")
    for name in ("a.spk", "b.gdf", "c.csv"):
        (root / name).write_text("x")
    store.mime_types = str(tmp_path / "mime.types")
    keys = store.generate_keys(["a.spk", "b.gdf", "c.csv"])
    assert [key.mimetype for key in keys] == ["application/x-spikes", "application/x-spikes", "text/x-own"]
    store.mime_types = str(tmp_path / "nowhere")
    assert store.generate_keys(["c.csv"])[0].mimetype == "text/csv"


def test_a_folder_slipped_in_while_we_delete_is_not_followed(store, root, tmp_path, monkeypatch):
    """The file is addressed from its open folder, so the path may be turned into a link at any moment."""
    (root / "folder").mkdir()
    (root / "folder" / "a.dat").write_text("x")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.dat").write_text("x")
    (key,) = store.generate_keys(["folder/a.dat"])
    matches = filesystem.hashing.matches

    def swap_first(digest, content):
        (root / "folder").rename(root / "moved")
        (root / "folder").symlink_to(tmp_path / "other")
        return matches(digest, content)

    monkeypatch.setattr(filesystem.hashing, "matches", swap_first)
    assert store.delete([key]) == []
    assert (tmp_path / "other" / "a.dat").exists()
    assert not (root / "moved" / "a.dat").exists()
