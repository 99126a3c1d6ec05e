"""What a run was: a record and its parts.

A record holds facts, never live objects: a launch mode is a name with options, not a launcher.  Everything here is
frozen; a changed record is a new one (`sumatra.facts.replace`).  How records become JSON is said in
``sumatra.documents``.
"""

import os
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sumatra.facts import fact, field

__all__ = [
    "STATUSES", "STATUS_TAGS", "Change", "Checkout", "Choice", "DataKey", "Dependency", "Executable", "Finding",
    "Observation", "Parameters", "Platform", "Process", "Program", "Record", "Repository", "Resources", "Sample",
    "Stream", "brief_version", "is_parameter_copy", "new_id",
]

#: The states that a run can be in; the last four are final.
STATUSES = ("initialized", "running", "finished", "failed", "killed", "crashed")

#: Tags by which Sumatra 0.8 told the state of a run; they exclude each other and are kept apart from free tags.
STATUS_TAGS = frozenset(
    f"_{word}_" for word in (*STATUSES, "pre_run", "finished...", "failed...", "killed...", "succeeded")
)

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def _nothing() -> Mapping[str, Any]:  # Python 3.11 takes a mappingproxy for a mutable default
    return _NOTHING


@fact
class Executable:
    """The program that was run."""

    path: str
    name: str = ""
    version: str | None = None
    options: str = ""


@fact
class Repository:
    """Where the code comes from."""

    type: str  #: name of the back-end: ``git``
    url: str  #: where its working copy is, without secrets
    upstream: str | None = None  #: where that was cloned from, without secrets
    root: str | None = None  #: top folder of the working copy
    branch: str | None = None  #: None when detached


@fact
class Change:
    """One uncommitted change, by content.

    *kind* is ``modified``, ``added``, ``deleted``, ``untracked`` or ``code``, the last being a file of code kept
    where there is no version control.  *digest* names the content in the project's content store; for a symbolic link
    that content is the text of the link, and for a submodule the version that it was at.  It is None for a deleted
    file and for one that was not kept (*size* then says how large it was).
    """

    path: str  #: relative to the root of the working copy, with ``/``
    kind: str
    mode: str | None = None  #: as git writes it: ``100644``, ``100755``, ``120000``, ``160000``; None when deleted
    digest: str | None = None
    size: int | None = None


@fact
class Checkout:
    """A working copy, other than the one of the run's own code, that files which the run loaded belong to."""

    root: str
    type: str = ""  #: name of the back-end: ``git``
    url: str = ""  #: without secrets
    upstream: str | None = None  #: without secrets
    branch: str | None = None
    version: str | None = None
    diff: str = ""
    changes: tuple[Change, ...] = ()


@fact
class Parameters:
    """The parameter set of a run."""

    content: str = ""  #: the text that the program was given
    type: str = ""  #: name of its format: ``simple``, ``json`` …
    values: Mapping[str, Any] = field(default_factory=_nothing)  #: the same, parsed; possibly nested
    path: str | None = None  #: the user's own file
    digest: str | None = None  #: content of the user's own file, in the content store
    changed: tuple[str, ...] = ()  #: names given on the command line

    def __getitem__(self, name: str) -> Any:
        """Return the value of *name*, which may be dotted (``neuron.tau_m``)."""
        if name in self.values:
            return self.values[name]
        found: Any = self.values
        for part in name.split("."):
            if not isinstance(found, Mapping) or part not in found:
                raise KeyError(name)
            found = found[part]
        return found

    def __contains__(self, name: str) -> bool:
        try:
            self[name]
        except KeyError:
            return False
        return True

    def __bool__(self) -> bool:
        return bool(self.values or self.content)

    def __str__(self) -> str:
        return self.content

    def as_dict(self) -> dict[str, Any]:
        """Return the values as a plain dictionary."""
        return dict(self.values)

    def flat(self) -> dict[str, Any]:
        """Return the values by dotted name; lists are values, not levels."""
        return dict(_flatten(self.values, ""))


def _flatten(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


@fact
class Choice:
    """A back-end by name, with its options: a launch mode, a data store."""

    name: str
    options: Mapping[str, Any] = field(default_factory=_nothing)


@fact
class DataKey:
    """One file of data, by content.

    *path* is relative to the root of its data store where it lies below that, and absolute elsewhere.  *flags* says
    what is odd about it: ``not hashed``, ``changed during the run``, ``unstable``, ``missing``, ``shared`` (a run
    that went on at the same time may have written it).
    """

    path: str
    digest: str | None = None
    creation: datetime | None = None
    size: int | None = None
    mimetype: str | None = None
    encoding: str | None = None
    seen: str = ""  #: ``notify``, ``strace``, ``audit``, ``scan``, ``argument``, ``parameter``, ``stdin``, ``stdout``
    flags: tuple[str, ...] = ()
    by: tuple[int, ...] = ()  #: which programs of the run read or wrote it: places in `Record.programs`
    renamed_from: str | None = None  #: the name under which it was written, where that was another

    @property
    def metadata(self) -> dict[str, Any]:
        """What Sumatra 0.8 calls the metadata of a file."""
        return {"mimetype": self.mimetype, "encoding": self.encoding, "size": self.size}

    def __str__(self) -> str:
        return self.path


@fact
class Dependency:
    """A library or a file of code that the program used."""

    name: str
    path: str = ""
    version: str | None = None
    module: str = ""  #: what it is a library of: ``python``, ``r``, ``debian`` …
    diff: str = ""
    source: str | None = None  #: how the version was learnt
    checkout: str | None = None  #: root of the working copy that it was loaded from; see `Record.checkouts`
    flags: tuple[str, ...] = ()  #: ``editable``, ``changed``, ``not loaded`` (found by reading code, not by observing)


@fact
class Platform:
    """A machine that took part."""

    system_name: str = ""
    network_name: str = ""
    release: str = ""
    version: str = ""
    machine: str = ""
    processor: str = ""
    architecture_bits: str = ""
    architecture_linkage: str = ""
    ip_addr: str = ""
    distribution: str = ""  #: as ``Debian GNU/Linux 12 (bookworm)``
    cores: int | None = None
    memory: int | None = None  #: bytes
    processor_flags: str = ""  #: with spaces between them
    accelerators: tuple[str, ...] = ()  #: graphics processors, each with its driver


@fact
class Resources:
    """What the run used; None where it couldn't be measured."""

    cpu_user: float | None = None  #: seconds
    cpu_system: float | None = None  #: seconds
    peak_memory: int | None = None  #: bytes, of the largest single process
    read_blocks: int | None = None  #: of 512 bytes, from the disk
    written_blocks: int | None = None
    tree_memory: int | None = None  #: bytes, the largest sum over all processes that is known (it is sampled)
    bytes_read: int | None = None  #: by system calls, whether from the disk or not
    bytes_written: int | None = None
    waits: int | None = None  #: voluntary context switches
    preemptions: int | None = None  #: involuntary ones


@fact
class Sample:
    """What the processes of the run used together at one moment."""

    time: float  #: seconds after its start
    memory: int | None = None  #: bytes
    cpu: float | None = None  #: cores in use since the sample before
    processes: int | None = None
    gpu: float | None = None  #: of all accelerators together, 1.0 being one in full use
    gpu_memory: int | None = None  #: bytes


@fact
class Program:
    """A program that a process of the run was."""

    path: str
    arguments: tuple[str, ...] = ()  #: secrets masked
    pid: int | None = None
    parent: int | None = None  #: place, in the same list, of the program that started it
    started: float | None = None  #: seconds after the run's start
    ended: float | None = None
    exit_status: int | None = None  #: negative for a signal


@fact
class Observation:
    """How the run was observed, and what that and all other capturing cost."""

    method: str  #: ``notify``, ``strace``, ``audit``, ``scan`` or ``none``
    before: float | None = None  #: seconds that went by before the program was started
    after: float | None = None  #: seconds from its end to the saving of the record


@fact
class Stream:
    """What the program wrote to standard output or error."""

    size: int  #: bytes
    digest: str | None = None  #: of the whole; names it in the content store


@fact
class Process:
    """How to tell whether a run is still going on."""

    pid: int  #: of the program
    started: int  #: clock ticks after boot, as in /proc/PID/stat
    boot: str  #: /proc/sys/kernel/random/boot_id
    host: str


@fact
class Finding:
    """One line of the receipt: what could not be captured, or stands in the way of repeating the run."""

    code: str  #: stable, as ``untracked-too-large``
    message: str
    remedy: str = ""  #: a command or a sentence


@fact(kw_only=True)
class Record:
    """One run of a program: what was run, with what, where, why, and what came of it."""

    label: str
    timestamp: datetime  #: when it began, with time zone
    id: str = ""
    project: str = ""
    status: str = "initialized"
    exit_status: int | None = None
    signal: str | None = None  #: ``SIGINT``, when a signal ended it
    duration: float | None = None  #: seconds, by the monotonic clock
    reason: str = ""
    outcome: str = ""
    tags: frozenset[str] = frozenset()
    command: tuple[str, ...] = ()  #: the words that were run
    executable: Executable | None = None
    main_file: str | None = None
    script_arguments: str = ""  #: as Sumatra 0.8 tells them: ``<parameters>`` stands for the parameter file
    working_directory: str = ""
    repository: Repository | None = None
    version: str | None = None
    diff: str = ""
    changes: tuple[Change, ...] = ()
    code_files: tuple[str, ...] = ()  #: of its own code, those that it loaded; relative to the repository's root
    code_folder: str = ""  #: what `changes` are told from where there is no version control
    on_changed: str = ""
    parameters: Parameters = Parameters()
    launch_mode: Choice = Choice("serial")
    datastore: Choice | None = None
    input_datastore: Choice | None = None
    input_data: tuple[DataKey, ...] = ()
    output_data: tuple[DataKey, ...] = ()
    deleted_data: tuple[DataKey, ...] = ()  #: files from before the run that it removed
    stdout: Stream | None = None
    stderr: Stream | None = None
    stdout_stderr: str = ""  #: both as text, shortened
    dependencies: tuple[Dependency, ...] = ()
    checkouts: tuple[Checkout, ...] = ()  #: working copies that other code was loaded from
    locks: Mapping[str, str] = field(default_factory=_nothing)  #: ``python`` …: digest of the list of what is installed
    programs: tuple[Program, ...] = ()  #: in order of their beginning
    observation: Observation | None = None
    platforms: tuple[Platform, ...] = ()
    environment: Mapping[str, str] = field(default_factory=_nothing)
    surroundings: Mapping[str, str] = field(default_factory=_nothing)  #: container, modules, BLAS and its threads …
    seeds: Mapping[str, str] = field(default_factory=_nothing)  #: of random numbers, by the name of what gave them
    resources: Resources | None = None
    usage: tuple[Sample, ...] = ()  #: in order of time
    user: str = ""
    repeats: str | None = None  #: label of the record that this one repeats
    parent: str | None = None  #: label of the run in which this one was started
    process: Process | None = None  #: while it runs
    receipt: tuple[Finding, ...] = ()
    tools: Mapping[str, str] = field(default_factory=_nothing)  #: versions of Sumatra and its Python
    extra: Mapping[str, Any] = field(default_factory=_nothing)  #: what a later version wrote and we don't know: kept

    @property
    def host(self) -> str:
        """The machine on which it ran."""
        return self.platforms[0].network_name if self.platforms else ""

    @property
    def outputs_are_known(self) -> bool:
        """Whether anybody has looked at what the run wrote; if not, no outputs doesn't mean that there are none."""
        return not any(finding.code in ("not-observed", "outputs-unknown") for finding in self.receipt)

    @property
    def code_root(self) -> str:
        """The folder that its code is told from: the top of its working copy, or else of its project."""
        top = self.repository.root if self.repository else self.code_folder
        return top or self.working_directory

    @property
    def has_own_parameters(self) -> bool:
        """Whether the program read a copy of its parameter file, made for this run."""
        return self.parameters.path is not None and any(map(is_parameter_copy, self.command))

    @property
    def data_root(self) -> str:
        """The folder that its results are told from."""
        return _root_of(self.datastore) or self.working_directory

    def output_path(self, key: "DataKey") -> str:
        """Return where (absolute) the result *key* was written."""
        return os.path.normpath(os.path.join(self.data_root, key.path))

    def input_path(self, key: "DataKey") -> str:
        """Return where (absolute) the input *key* was read."""
        return os.path.normpath(os.path.join(_root_of(self.input_datastore) or self.working_directory, key.path))

    @property
    def stdin_file(self) -> str | None:
        """The file (absolute) that it read its standard input from."""
        return next((self.input_path(key) for key in self.input_data if key.seen == "stdin"), None)

    @property
    def stdout_file(self) -> str | None:
        """The file (absolute) that its standard output went to."""
        return next((self.output_path(key) for key in self.output_data if key.seen == "stdout"), None)

    @property
    def has_ended(self) -> bool:
        """Whether the state is final."""
        return self.status not in ("initialized", "running")

    @property
    def command_line(self) -> str:
        """The command as it can be typed into a shell."""
        import shlex

        return shlex.join(self.command)


def brief_version(version: str | None) -> str:
    """Return the 12 letters by which people tell *version* from others: of a Bazaar identifier, those are the last."""
    version = version or ""
    return version[-12:] if "-" in version else version[:12]


def is_parameter_copy(word: str) -> bool:
    """Tell whether *word* of a command names the copy of a parameter file in a run's own folder."""
    return "/.smt/runs/" in word and "/parameters/" in word


def _root_of(store: Choice | None) -> str:
    return str(store.options.get("root", "")) if store else ""


def new_id() -> str:
    """Return a new UUID of version 7: unique everywhere, and sorting by time of creation (RFC 9562, 5.7)."""
    stamp = time.time_ns() // 1_000_000
    number = (stamp << 80) | int.from_bytes(os.urandom(10), "big")
    number &= ~(0xF << 76) & ~(0x3 << 62)
    number |= (0x7 << 76) | (0x2 << 62)
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
