"""What is found out while the program runs: machine, environment, versions, large inputs."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress

from sumatra import capture, programs
from sumatra.capture.classification import DATA, classify, is_code
from sumatra.capture.usage import Sampler
from sumatra.errors import SumatraError
from sumatra.facts import replace
from sumatra.records import Finding, Observation, Process, Record
from sumatra.runs.comparing import Comparison
from sumatra.runs.evidence import Evidence
from sumatra.runs.folder import RunFolder
from sumatra.runs.inputs import Inputs
from sumatra.runs.observing import Observing, Readings
from sumatra.runs.words import Meaning
from sumatra.runs.workshop import Workshop

__all__ = ["Shadow"]

#: A program that ends sooner than this (seconds) is saved to the store once, at its end; its folder has it meanwhile.
_PATIENCE = 0.2

#: Seconds between loading one and another of the modules that will be needed: the program is to have the processor.
_PAUSE = 0.01


class Shadow:
    """Threads beside the run; `join` returns the record with what was found."""

    def __init__(
        self, record: Record, folder: RunFolder, workshop: Workshop, inputs: Inputs, comparison: Comparison,
        read_parameters: Callable[[], Meaning] | None, observing: Observing,
        look_further: Callable[[], tuple[Finding, ...]] = tuple,
    ) -> None:
        self._record = record
        self._folder = folder
        self._workshop = workshop
        self._inputs = inputs
        self._more: Inputs | None = None  #: files that the parameters name
        self._read_parameters = read_parameters
        self._comparison = comparison
        self._observing = observing
        self._look_further = look_further
        self._readings: Readings | None = None
        self._is_impatient = False
        self._sampler: Sampler | None = None
        self._peak: int | None = None
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._findings: list[Finding] = []

    @property
    def has_started(self) -> bool:
        """Whether the program was started."""
        return self._record.process is not None

    def start(self, process: Process, overhead: Observation) -> None:
        """Begin; called when the program has just been started, *overhead* being what that took."""
        self._record = replace(self._record, status="running", process=process, observation=overhead)
        self._sampler = Sampler(process.pid)
        self._sampler.start()
        self._readings = self._observing.readings(self._is_worth_hashing, self._workshop.inputs)
        # The disk may be full by now; the program goes on all the same.
        with suppress(OSError):
            self._folder.write(self._record)
        work = [self._work, self._hash]
        self._threads = [threading.Thread(target=job, name="shadow", daemon=True) for job in work]
        for thread in self._threads:
            thread.start()

    def facts(self) -> Record:
        """Return the record with what is known by now."""
        return replace(self._record, receipt=(*self._record.receipt, *self._findings))

    def join(self) -> tuple[Record, Evidence]:
        """Wait until all is found out; return the record, and what there is to tell what the run did with files.

        An impatient user gets it without the rest.
        """
        self._ended.set()
        if self._sampler is not None:
            self._peak, usage = self._sampler.stop()
            self._record = replace(self._record, usage=usage)
        readings = self._readings
        assert readings is not None  # the program was started  # noqa: S101
        readings.end()
        tell = self._workshop.progress(self._left)
        told = left = self._left
        try:
            for thread in self._threads:
                while thread.is_alive():
                    thread.join(0.1)
                    if tell is not None:
                        left = self._left
                        tell(told - left)
                        told = left
        except KeyboardInterrupt:
            self._is_impatient = True
            self._inputs.stop()
            readings.interrupt()
            if self._more is not None:
                self._more.stop()
        record = replace(
            self.facts(), input_data=(*self._inputs.keys(), *(self._more.keys() if self._more is not None else ()))
        )
        return record, self._evidence(readings)

    @property
    def _left(self) -> int:
        """The number of bytes of inputs that are being hashed, and aren't yet."""
        left = self._inputs.size - self._inputs.done
        return left + (self._readings.size - self._readings.done if self._readings is not None else 0)

    def _evidence(self, readings: Readings) -> Evidence:
        known = {**readings.keys, **self._inputs.hashed(), **(self._more.hashed() if self._more is not None else {})}
        try:
            observed = self._observing.finish()
        except (SumatraError, OSError, ValueError) as error:
            self._findings.append(Finding("log-lost", f"what the program read and wrote isn't known: {error}"))
            observed = None
        return Evidence(
            observed=observed, before=self._comparison.before, crowd=self._comparison.crowd, known=known,
            environment=self._observing.environment, peak_memory=self._peak, is_impatient=self._is_impatient,
        )

    def _hash(self) -> None:
        self._inputs.hash_the_rest()
        if self._readings is not None:
            self._readings.follow()

    def _is_worth_hashing(self, path: str) -> bool:
        """Tell whether *path* may turn out to be an input that isn't hashed yet."""
        home = os.path.expanduser("~")
        return path not in self._inputs and not is_code(path) and classify(path, self._workshop.root, home=home) == DATA

    def _work(self) -> None:
        try:
            if self._comparison.before is not None:
                self._folder.write_before(self._comparison.before)
            self._gather()
            self._load_finders()
            if not self._ended.wait(_PATIENCE):
                self._folder.write(self._record)
                with self._workshop.open_store() as store:
                    store.save(self._workshop.settings.name, self._record)
        except SumatraError:
            pass  # the store is away: the run folder has the record, and the end of the run tells the user
        except OSError as error:
            message = f"something about the machine could not be found out: {error}"
            self._findings.append(Finding("not-captured", message))

    def _gather(self) -> None:
        self._findings += self._look_further()
        executable = self._record.executable
        if executable is not None:
            version = programs.version(executable.path, os.path.join(self._workshop.folder, "programs.json"))
            executable = replace(executable, version=version)
        self._record = replace(
            self._record,
            platforms=(capture.platform(),),
            environment=capture.environment(os.environ, self._workshop.key),
            surroundings=capture.surroundings(os.environ),
            executable=executable,
        )
        if self._read_parameters is not None:
            self._understand_parameters(self._read_parameters())

    def _load_finders(self) -> None:
        """Load what will be needed when the program has ended, if it goes on for long enough."""
        from sumatra import dependency_finder

        for name in dependency_finder.BACKENDS:
            if self._ended.wait(_PAUSE):
                return
            if name not in dependency_finder.HINTS:
                dependency_finder.get_finder(name)

    def _understand_parameters(self, meaning: Meaning) -> None:
        self._record = replace(self._record, parameters=meaning.parameters)
        self._findings += meaning.findings
        for warning in meaning.warnings:
            self._workshop.warn(warning)
        more = [(path, "parameter") for path in meaning.inputs if os.path.realpath(path) not in self._inputs]
        self._more = Inputs(more, self._workshop.inputs)
        self._more.hash_the_rest()
