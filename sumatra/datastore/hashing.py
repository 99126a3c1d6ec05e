"""Digests of many files at once, and of one file to check."""

import os
from collections.abc import Callable, Iterable, Sequence

from sumatra import files

__all__ = ["digests", "matches"]

#: Files smaller than this (bytes) are opened and hashed faster by one thread than by several.
_SMALL = 1 << 16
_MOST_THREADS = 4

Progress = Callable[[int], None]


def digests(work: Sequence[tuple[str, int]], progress: Progress | None = None) -> list[files.Digest | None]:
    """Return the digest of each of *work*, which are paths with their sizes (bytes), in order.

    Where the user interrupts, what isn't done yet is None; at most one file per thread is lost.  *progress* gets the
    number of bytes just read, from one thread at a time.
    """
    found: list[files.Digest | None] = [None] * len(work)
    paths = [path for path, _ in work]
    last = _outweighing(work)
    small = [index for index, (_, size) in enumerate(work) if size < _SMALL]
    large = [index for index, (_, size) in enumerate(work) if size >= _SMALL and index != last]
    try:
        for index in small if len(large) > 1 else sorted(small + large):
            found[index] = files.digest_file(paths[index], progress)
        if len(large) > 1:
            _in_threads(large, paths, found, progress)
        if last is not None:
            found[last] = files.digest_file(paths[last], progress)
    except KeyboardInterrupt:
        pass
    return found


def _outweighing(work: Sequence[tuple[str, int]]) -> int | None:
    """Return which file is so large that the others together don't count: it gets all cores for itself."""
    largest = max(range(len(work)), key=lambda index: work[index][1], default=None)
    if largest is None or work[largest][1] < max(_SMALL, 4 * (sum(size for _, size in work) - work[largest][1])):
        return None
    return largest


def matches(digest: str | None, content: Iterable[bytes]) -> bool:
    """Tell whether the pieces of *content* together have *digest*: ``sha256:…``, or SHA-1 as Sumatra 0.8 wrote it.

    Without a digest, or with one of a kind that isn't known here, the answer is no.
    """
    import hashlib

    algorithm, _, value = (digest or "").rpartition(":")
    try:
        summary = hashlib.new(algorithm or "sha1", usedforsecurity=False)
    except ValueError:
        return False
    for piece in content:
        summary.update(piece)
    return summary.digest_size > 0 and summary.hexdigest() == value.lower()


def _in_threads(
    indices: Sequence[int], paths: Sequence[str], found: list[files.Digest | None], progress: Progress | None
) -> None:
    """Put digests into *found*, on several cores.  (The pool of the standard library would load its logging first.)"""
    import threading

    todo = iter(indices)
    lock = threading.Lock()
    failures: list[BaseException] = []

    def tell(count: int) -> None:
        with lock:
            if failures:
                raise KeyboardInterrupt
            if progress is not None:
                progress(count)

    def work(ended: threading.Event) -> None:
        try:
            while not failures:
                with lock:
                    index = next(todo, None)
                if index is None:
                    return
                found[index] = files.digest_file(paths[index], tell, alone=False)
        except BaseException as failure:  # noqa: BLE001  it is raised again by the thread that waits for us
            failures.append(failure)
        finally:
            ended.set()

    ends: list[threading.Event] = []
    try:
        for _ in range(min(_MOST_THREADS, os.cpu_count() or 1, len(indices))):
            ends.append(threading.Event())
            threading.Thread(target=work, args=(ends[-1],), daemon=True).start()
        for ended in ends:
            ended.wait()  # unlike join, which takes an interrupted thread for one that has ended (Python 3.11)
    except KeyboardInterrupt as interrupt:
        failures.append(interrupt)
        for ended in ends:
            ended.wait(1.0)  # a read from a dead server may never return
    if failures:
        raise failures[0]
