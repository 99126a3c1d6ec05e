"""The folder of a run belongs to one run."""

import fcntl
import os

from sumatra.runs.folder import RunFolder


def test_a_lock_in_a_folder_that_was_made_anew_meanwhile_is_not_ours(tmp_path, monkeypatch):
    """Between opening the lock file and locking it, the folder is removed and made anew by somebody else."""
    root = str(tmp_path)
    late = RunFolder(os.path.join(root, "label"))
    os.mkdir(late.path)
    others: list[RunFolder | None] = []
    flock = fcntl.flock

    def slow(descriptor: int, operation: int) -> None:
        if not others:
            others.append(None)
            os.unlink(late.file("lock"))
            os.rmdir(late.path)
            others[0] = RunFolder.create(root, "label")
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", slow)
    assert not late.lock()
    assert others[0] is not None
    others[0].remove()
    assert os.listdir(root) == []
