"""What every launch mode promises."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sumatra.capture.starting import spawn
from sumatra.facts import fact, field
from sumatra.records import Resources, Stream

__all__ = ["Ended", "Launcher", "Plan", "Spawn"]

#: Starts a program as `sumatra.capture.starting.spawn` does: path, words, environment, descriptors, mask of signals.
Spawn = Callable[[str, Sequence[str], Mapping[str, str], Mapping[int, int], Iterable[int]], int]


@fact(kw_only=True)
class Plan:
    """What to start, and where its streams go."""

    words: Sequence[str]  #: the command; never a shell string
    environment: Mapping[str, str]  #: the whole environment of the program
    stdout: str  #: file in the run folder that gets every byte of standard output
    stderr: str
    stdin_file: str | None = None  #: file to read standard input from, instead of ours
    stdout_file: str | None = None  #: file that the user wants standard output in, instead of our own
    spawn: Spawn = field(default=spawn)  #: what starts it, for example under observation
    started: Callable[[int], None] = field(default=lambda pid: None)  #: called with the program's pid; must be quick


@fact(kw_only=True)
class Ended:
    """How it ended."""

    exit_status: int | None  #: None when a signal ended it
    signal: int | None
    duration: float  #: seconds, by the monotonic clock
    resources: Resources
    stdout: Stream
    stderr: Stream
    reader_left: bool = False  #: whoever read our standard output went away (``| head``)


class Launcher(ABC):
    """A way to start a program and wait for it."""

    name: str

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        self.options = dict(options or {})

    @abstractmethod
    def words(self, program: Sequence[str]) -> list[str]:
        """Return what has to be started so that *program* runs this way (``mpiexec -n 4 …``)."""

    @abstractmethod
    def run(self, plan: Plan) -> Ended:
        """Start the program, stand between it and the user until it ends, and tell how it ended.

        The user sees what she would see without us, as it comes; signals reach the program; a program that lives on
        in the background doesn't hold us up.  Raises `LaunchError` if it can't be started.
        """
