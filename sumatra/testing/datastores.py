"""What every data store promises, as tests.

Inherit from `DataStoreContract` and give a fixture ``store``: a store whose root is there and empty.  Where files
don't get into the store by being written below its root, override `put`, `remove` and `set_back`.
"""

import hashlib
import os
from datetime import UTC, datetime, timedelta

import pytest

from sumatra.datastore import DataStore
from sumatra.errors import DataStoreError
from sumatra.facts import replace
from sumatra.records import DataKey

__all__ = ["NAMES", "DataStoreContract"]

#: Names of files that have broken programs before.
NAMES = (
    "plain.txt", "with space.txt", "new\nline.txt", "tab\t.txt", "quote'.txt", 'double".txt', "back\\slash.txt",
    "\x1b[31mescape.txt", "bell\x07.txt", "-leading-dash", "--version", "*.txt", "$HOME", "`id`", "a;b", "%s%n", "~",
    "...", " leading", "trailing ", "caf\u00e9.txt", "cafe\u0301.txt", "\u202etxt.exe", "\u65e5\u672c\u8a9e",
    "\U0001f9ea.dat", "not\udcffutf8\udcfe.bin", "x" * 255, "\u00e9" * 127,
)


class DataStoreContract:
    """The promises of a data store."""

    # -- what a store of another kind may have to do otherwise --------------------------------------------------------

    def put(self, store: DataStore, path: str, content: bytes) -> None:
        """Write the file *path* as a program would."""
        full = os.path.join(store.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as file:
            file.write(content)

    def remove(self, store: DataStore, path: str) -> None:
        """Delete the file *path* as a user would."""
        os.unlink(os.path.join(store.root, path))

    def set_back(self, store: DataStore, path: str, before: os.stat_result) -> None:
        """Give the file *path* the time stamps that it had, as ``cp -p`` and ``tar`` do."""
        os.utime(os.path.join(store.root, path), ns=(before.st_atime_ns, before.st_mtime_ns))

    # -- looking ------------------------------------------------------------------------------------------------------

    def test_an_empty_store_shows_nothing(self, store: DataStore) -> None:
        assert store.snapshot() == {}
        assert store.new_since({}) == []

    def test_a_file_that_appears_is_new(self, store: DataStore) -> None:
        self.put(store, "old.dat", b"old")
        before = store.snapshot()
        self.put(store, "b/deep/new.dat", b"new")
        self.put(store, "a.dat", b"new")
        assert store.new_since(before) == ["a.dat", "b/deep/new.dat"]

    def test_a_file_that_changes_is_new_even_with_its_old_size_and_time(self, store: DataStore) -> None:
        self.put(store, "same.dat", b"before")
        self.put(store, "other.dat", b"stays")
        status = os.stat(os.path.join(store.root, "same.dat"))
        before = store.snapshot()
        self.put(store, "same.dat", b"after!")
        self.set_back(store, "same.dat", status)
        assert store.new_since(before) == ["same.dat"]

    def test_a_file_that_goes_is_not_new(self, store: DataStore) -> None:
        self.put(store, "gone.dat", b"x")
        before = store.snapshot()
        self.remove(store, "gone.dat")
        assert store.new_since(before) == []

    def test_looking_changes_nothing(self, store: DataStore) -> None:
        self.put(store, "a.dat", b"x")
        before = store.snapshot()
        store.generate_keys(["a.dat"])
        store.contains_path("a.dat")
        assert store.new_since(before) == []

    @pytest.mark.parametrize("folder", [".git", ".hg", ".svn", ".bzr", ".smt"])
    def test_folders_of_version_control_and_ours_are_passed_over(self, store: DataStore, folder: str) -> None:
        self.put(store, f"{folder}/x", b"x")
        self.put(store, f"deep/{folder}/x", b"x")
        self.put(store, f"deep/{folder}.txt", b"x")
        assert store.new_since({}) == [f"deep/{folder}.txt"]

    def test_files_are_found_by_the_time_at_which_they_were_written(self, store: DataStore) -> None:
        self.put(store, "a.dat", b"x")
        now = datetime.now(UTC)
        assert [key.path for key in store.find_new_data(now - timedelta(hours=1))] == ["a.dat"]
        assert store.find_new_data(now + timedelta(hours=1)) == []

    def test_a_path_is_there_or_not(self, store: DataStore) -> None:
        self.put(store, "folder/a.dat", b"x")
        assert store.contains_path("folder/a.dat")
        assert not store.contains_path("folder/b.dat")
        assert not store.contains_path("folder")
        assert not store.contains_path("folder/a.dat/x")

    # -- keys ---------------------------------------------------------------------------------------------------------

    def test_keys_tell_digest_size_time_and_type_in_the_order_asked_for(self, store: DataStore) -> None:
        self.put(store, "b.csv", b"1,2\n")
        self.put(store, "a.dat.gz", b"")
        second, first = store.generate_keys(["b.csv", "a.dat.gz"], seen="argument")
        assert (second.path, second.size, second.mimetype, second.encoding) == ("b.csv", 4, "text/csv", None)
        assert second.digest == "sha256:" + hashlib.sha256(b"1,2\n").hexdigest()
        assert (first.path, first.size, first.encoding) == ("a.dat.gz", 0, "gzip")
        assert first.digest == "sha256:" + hashlib.sha256(b"").hexdigest()
        assert {second.seen, first.seen} == {"argument"}
        assert second.flags == first.flags == ()
        assert second.creation is not None
        assert abs(datetime.now(UTC) - second.creation) < timedelta(minutes=10)

    def test_many_files_get_the_digests_that_are_theirs(self, store: DataStore) -> None:
        contents = {f"{number}.dat": os.urandom(number * 4000) for number in range(40)}
        for path, content in contents.items():
            self.put(store, path, content)
        keys = store.generate_keys(contents)
        assert [key.path for key in keys] == list(contents)
        assert [key.digest for key in keys] == [
            "sha256:" + hashlib.sha256(content).hexdigest() for content in contents.values()
        ]

    def test_a_file_that_is_missing_is_marked_and_is_no_error(self, store: DataStore) -> None:
        self.put(store, "there.dat", b"x")
        gone, there = store.generate_keys(["gone.dat", "there.dat"])
        assert (gone.path, gone.digest, gone.flags) == ("gone.dat", None, ("missing",))
        assert there.digest is not None

    def test_no_paths_make_no_keys(self, store: DataStore) -> None:
        assert store.generate_keys([]) == []

    def test_progress_adds_up_to_what_there_is_to_read(self, store: DataStore) -> None:
        sizes = {"small.dat": 3, "large.dat": 3_000_000, "other.dat": 2_000_000}
        for path, size in sizes.items():
            self.put(store, path, bytes(size))
        read: list[int] = []
        store.generate_keys(sizes, progress=read.append)
        assert sum(read) == sum(sizes.values())

    @pytest.mark.parametrize("count", [1, 2, 8])
    def test_what_is_left_when_the_user_interrupts_is_marked_and_returned(self, store: DataStore, count: int) -> None:
        paths = [f"{number}.dat" for number in range(count)]
        for path in paths:
            self.put(store, path, bytes(600_000))

        def interrupt(read: int) -> None:
            raise KeyboardInterrupt

        keys = store.generate_keys(paths, progress=interrupt)
        assert [key.path for key in keys] == paths
        assert all((key.digest, key.flags, key.size) == (None, ("not hashed",), 600_000) for key in keys)

    def test_a_mistake_in_showing_progress_is_not_hidden(self, store: DataStore) -> None:
        for path in "ab":
            self.put(store, path, bytes(600_000))

        def fail(read: int) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            store.generate_keys(["a", "b"], progress=fail)

    # -- single files -------------------------------------------------------------------------------------------------

    def test_content_comes_back_whole_or_its_beginning(self, store: DataStore) -> None:
        self.put(store, "a.dat", b"0123456789")
        key = self.key(store, "a.dat")
        assert store.get_content(key) == b"0123456789"
        assert store.get_content(key, 4) == b"0123"
        assert store.get_content(key, 100) == b"0123456789"
        assert store.get_content(key, 0) == b""

    def test_content_that_has_gone_or_changed_is_an_error_that_names_the_file(self, store: DataStore) -> None:
        self.put(store, "a.dat", b"before")
        key = self.key(store, "a.dat")
        self.put(store, "a.dat", b"after!")
        with pytest.raises(DataStoreError, match=r"a\.dat"):
            store.get_content(key)
        with pytest.raises(DataStoreError, match=r"a\.dat"):
            store.get_content(key, 1)
        self.remove(store, "a.dat")
        with pytest.raises(DataStoreError, match=r"a\.dat"):
            store.get_content(key)

    def test_files_that_are_still_the_same_are_deleted_and_no_others(self, store: DataStore) -> None:
        for path in ("folder/a.dat", "folder/b.dat", "other.dat"):
            self.put(store, path, path.encode())
        assert store.delete([self.key(store, "folder/a.dat")]) == []
        assert sorted(store.snapshot()) == ["folder/b.dat", "other.dat"]

    def test_a_file_that_has_changed_is_kept_and_told_of(self, store: DataStore) -> None:
        self.put(store, "a.dat", b"before")
        self.put(store, "b.dat", b"b")
        keys = [self.key(store, "a.dat"), self.key(store, "b.dat")]
        self.put(store, "a.dat", b"after!")
        (sentence,) = store.delete(keys)
        assert "a.dat" in sentence
        assert list(store.snapshot()) == ["a.dat"]

    def test_a_file_that_was_never_hashed_is_kept_and_told_of(self, store: DataStore) -> None:
        self.put(store, "a.dat", b"x")
        (sentence,) = store.delete([replace(self.key(store, "a.dat"), digest=None)])
        assert "a.dat" in sentence
        assert store.contains_path("a.dat")

    def test_deleting_what_has_gone_is_no_error(self, store: DataStore) -> None:
        self.put(store, "a.dat", b"x")
        key = self.key(store, "a.dat")
        self.remove(store, "a.dat")
        assert store.delete([key]) == []

    @pytest.mark.parametrize("name", NAMES, ids=ascii)
    def test_every_name_that_a_file_can_have_is_a_name(self, store: DataStore, name: str) -> None:
        self.put(store, f"folder/{name}", b"x")
        self.put(store, "folder/neighbour", b"x")
        assert f"folder/{name}" in store.new_since({})
        key = self.key(store, f"folder/{name}")
        assert (key.path, key.size, key.flags) == (f"folder/{name}", 1, ())
        assert store.contains_path(key.path)
        assert store.get_content(key) == b"x"
        assert store.delete([key]) == []
        assert list(store.snapshot()) == ["folder/neighbour"]

    def test_twins_that_look_alike_are_two_files(self, store: DataStore) -> None:
        self.put(store, "caf\u00e9", b"composed")
        self.put(store, "cafe\u0301", b"decomposed")
        assert store.new_since({}) == ["cafe\u0301", "caf\u00e9"]
        assert len({key.digest for key in store.generate_keys(["caf\u00e9", "cafe\u0301"])}) == 2

    # -- itself -------------------------------------------------------------------------------------------------------

    def test_a_record_can_tell_of_the_store_and_it_can_be_made_again(self, store: DataStore) -> None:
        self.put(store, "a.dat", b"x")
        choice = store.choice
        assert choice.name == store.name
        again = type(store).from_options(choice.options)
        assert again.choice == choice
        assert again.get_content(self.key(store, "a.dat")) == b"x"

    def key(self, store: DataStore, path: str) -> DataKey:
        """Return the key of one file."""
        return store.generate_keys([path])[0]
