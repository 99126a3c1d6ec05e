"""Ask another program something: a list of words in, bytes out.

This is for short questions to version-control systems and the like.  The user's own program is started by
``sumatra.launch`` and by nothing else.
"""

import os
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, NamedTuple

__all__ = ["Answer", "ask", "find_program", "listen"]


class Answer(NamedTuple):
    """What a program said."""

    status: int  #: exit status; negative for a signal
    output: bytes
    complaint: str  #: standard error as text, for messages
    whole: bool = True  #: False when the program was stopped because it said too much


def ask(
    words: Sequence[str | bytes],
    *,
    cwd: str | None = None,
    environment: Mapping[str, str] | None = None,
    without: Collection[str] = (),
    stdin: bytes | None = None,
    timeout: float = 60.0,
    most: int | None = None,
) -> Answer:
    """Run *words* and return its answer; its messages are in plain English.

    *words* [0] must be an absolute path (see `find_program`), so that a program of that name in the current folder is
    never taken.  *environment* is added to ours after the variables *without* were taken away; *timeout* is in
    seconds.  Where *most* is given, the program is killed once it has said more than so many bytes, and the answer
    has the first of them; it can't be given together with *stdin*.

    Raises `OSError` if the program can't be started and `TimeoutError` if it takes longer.
    """
    ours = {name: value for name, value in os.environ.items() if name not in without}
    with subprocess.Popen(  # noqa: S603  a list of words, no shell
        list(words),
        cwd=cwd,
        env={**ours, "LC_ALL": "C.UTF-8", "LANGUAGE": "", **(environment or {})},
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        close_fds=False,  # lets subprocess use vfork; all our descriptors are close-on-exec (PEP 446)
    ) as child:
        try:
            if most is None:
                output, complaint = child.communicate(stdin, timeout)
            else:
                output, complaint = _listen(child, most, timeout)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"{os.fsdecode(words[0])} didn't answer in {timeout:g} s") from error
        finally:
            if child.poll() is None:
                child.kill()
    whole = most is None or len(output) <= most
    return Answer(child.returncode, output[:most], complaint.decode("utf-8", "replace").strip(), whole)


@contextmanager
def listen(
    words: Sequence[str | bytes],
    *,
    cwd: str | None = None,
    environment: Mapping[str, str] | None = None,
    without: Collection[str] = (),
    stdin: bytes = b"",
) -> Iterator[IO[bytes]]:
    """Run *words* inside the block, and yield what it prints, as a file: for answers too long to be held in memory.

    The rest is as with `ask`, but its messages are dropped, and it is killed at the end of the block if it still runs.
    """
    import tempfile

    ours = {name: value for name, value in os.environ.items() if name not in without}
    with tempfile.TemporaryFile() as question:  # a pipe would have to be fed while we listen
        question.write(stdin)
        question.seek(0)
        with subprocess.Popen(  # noqa: S603  a list of words, no shell
            list(words), cwd=cwd, env={**ours, "LC_ALL": "C.UTF-8", "LANGUAGE": "", **(environment or {})},
            stdin=question, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, close_fds=False,
        ) as child:
            try:
                yield child.stdout  # type: ignore[misc]  # it is a pipe
            finally:
                child.kill()


def _listen(child: subprocess.Popen[bytes], most: int, timeout: float) -> tuple[bytes, bytes]:
    """Read what *child* says until it ends or has said more than *most* bytes."""
    import selectors

    heard = {pipe.fileno(): bytearray() for pipe in (child.stdout, child.stderr) if pipe}
    output, complaint = heard.values()
    end = time.monotonic() + timeout
    with selectors.DefaultSelector() as open_ends:
        for descriptor in heard:
            open_ends.register(descriptor, selectors.EVENT_READ)
        while open_ends.get_map() and len(output) <= most:
            ready = open_ends.select(max(0.0, end - time.monotonic()))
            if not ready:
                raise subprocess.TimeoutExpired(child.args, timeout)
            for key, _ in ready:
                piece = os.read(key.fd, 1 << 16)
                heard[key.fd] += piece
                if not piece:
                    open_ends.unregister(key.fd)
        if not open_ends.get_map():
            child.wait(max(0.0, end - time.monotonic()))
    return bytes(output), bytes(complaint)


def find_program(name: str, path: str | None = None) -> str | None:
    """Return the absolute path of the program *name*, or None.

    Unlike a shell, and unlike `shutil.which` on some systems, empty and relative entries of PATH are passed over: a
    project folder must not be able to slip us its own ``git`` (CVE-2023-40590 was this).
    """
    if os.path.isabs(name):
        return name if _executable(name) else None
    for folder in _folders(os.environ.get("PATH", os.defpath) if path is None else path):
        candidate = os.path.join(folder, name)
        if _executable(candidate):
            return candidate
    return None


def _folders(path: str) -> Iterator[str]:
    return (folder for folder in path.split(os.pathsep) if os.path.isabs(folder))


def _executable(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)
