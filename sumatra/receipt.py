"""What the findings of a receipt mean: for each code, what it costs a repeat, what mends it, how much it weighs.

``CODES`` is the one place that knows every code; ``doc/reference/receipt.rst`` is written from it, and a test holds it
against the findings that the source makes.  A code that isn't here comes from a plug-in or a later version, and is
shown as it is.

``findings_of`` reads off a whole record what is odd about it; what can only be seen while the run goes on is found by
those who look.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sumatra.records import Checkout, DataKey, Dependency, Finding, Record

__all__ = ["CODES", "Kind", "Line", "findings_of", "is_serious", "lines", "some"]


class Kind(NamedTuple):
    """What is known of all findings with one code."""

    meaning: str  #: what has happened
    consequence: str  #: what somebody who repeats the run can't rely on, or must do
    remedy: str = ""  #: what mends it, where the finding itself doesn't say
    serious: bool = True  #: whether it deserves a line after each run


class Line(NamedTuple):
    """One finding as the user reads it."""

    code: str
    message: str
    consequence: str
    remedy: str


_ALL_FILES_UNSURE = "Inputs and outputs may be missing from the record, and a comparison of outputs won't cover them."

CODES: Mapping[str, Kind] = {
    "audit-not-loaded": Kind(
        "A Python could not be observed from inside: it is older than 3.8, or was started with ``-I``, ``-E`` or "
        "``-S``.",
        _ALL_FILES_UNSURE,
        "smt configure --trace=auto",
    ),
    "audit-only-python": Kind(
        "The program was observed from inside (method ``audit``): only what Python itself opened was seen. What "
        "libraries in other languages (HDF5, NetCDF) and other programs wrote was found by comparing folders.",
        "What those libraries and programs read isn't among the inputs.",
        serious=False,
    ),
    "by-script": Kind(
        "The script kept its record by itself through the Python interface; what it printed and read wasn't observed.",
        "Inputs and libraries aren't known beyond what the script has told.",
        "smt run python SCRIPT …",
        serious=False,
    ),
    "change-too-large": Kind(
        "Changed or untracked files were larger than the settings ``largest_untracked`` or ``largest_untracked_total`` "
        "allow; the record has their names and sizes but not their contents.",
        "These files can't be put back as they were.",
        "git add FILE … && git commit",
    ),
    "code-file-unreadable": Kind(
        "A changed file could not be read.",
        "What that file held isn't known, so the code can't be put together again as it was.",
        "chmod u+r FILE",
    ),
    "code-note": Kind(
        "Something about the working copy could not be looked at; the sentence says what.",
        "The code may have differed from the version in the record there.",
    ),
    "code-unreadable": Kind(
        "There is version control, but it could not be asked for the version.",
        "Which version of the code ran isn't known; the code files around it were kept instead.",
        "git status",
    ),
    "concurrent-run": Kind(
        "Another run of the project went on at the same time. Outputs were found by comparing the data folder before "
        "and after the run, so a file that the other run wrote may be listed; such files have the flag ``shared``.",
        "Some of the outputs may be another run's, and won't come again.",
        "smt configure --addlabel=cmdline",
    ),
    "crashed": Kind(
        "The process that watched the run was killed. What the run had written until then is there; exit status, "
        "duration and use of resources aren't known.",
        "There is nothing to compare the end of a repeat with.",
        "run it again",
    ),
    "data-note": Kind(
        "Something in the data folder could not be looked at; the sentence says what.",
        "An output may be missing from the record.",
    ),
    "dependencies-unknown": Kind(
        "Something that the run loaded could not be traced to its package.",
        "The list of libraries isn't whole, so neither will be an environment that is made from it.",
    ),
    "dependency-changed": Kind(
        "A library isn't as its version says: its installed files were changed, or its working copy had changes that "
        "weren't committed.",
        "Installing the version that the record names doesn't bring back what ran.",
        "commit the changes, or install the library anew",
    ),
    "disk-full": Kind(
        "The program failed while the disk that ``.smt`` lies on was full. What it prints is kept there too, so the "
        "end of that may be missing.",
        "With room on the disk it may well end otherwise.",
        "make room and run it again",
    ),
    "editable-install": Kind(
        "A library was loaded from a folder (an editable install, or one in ``PYTHONPATH``) that isn't under version "
        "control.",
        "Its version number doesn't tell what it held; once its files are changed, they can't be had again.",
        "git init && git add … && git commit, in the folder of the library",
    ),
    "file-in-run-folder": Kind(
        "The program wrote a file beside the copy of its parameter file, which lies in a folder of Sumatra's. It was "
        "kept.",
        "A repeat writes it to another folder.",
        "let the program write to a folder that is told to it",
        serious=False,
    ),
    "hidden": Kind(
        "A program keeps others from looking at it, as those do that hold keys or have privileges; what it opened was "
        "not seen.",
        _ALL_FILES_UNSURE,
        "smt configure --trace=scan",
    ),
    "ignore-unreadable": Kind(
        "The file ``.smtignore`` is there and can't be read, so the record tells of files that it may have meant.",
        "More files are compared than should be.",
    ),
    "input-changed": Kind(
        "An input file changed while the program ran. A file that was no longer as the program found it when it was "
        "hashed has no digest.",
        "It isn't certain which content the program has read.",
        "run it again while nothing else writes to the file",
    ),
    "input-outside": Kind(
        "The run read files from outside the project's folder and the repository of its code.",
        "Elsewhere they have to be brought to the same place; the record has their digests to check them by, not their "
        "contents.",
        "copy them into the project's folder, or say where they are from: smt comment LABEL …",
        serious=False,
    ),
    "input-overwritten": Kind(
        "The run changed a file that it had read, before the file could be hashed. Files that are named on the command "
        "line are hashed in time, and what version control has, or an earlier run wrote, is known too.",
        "What the file held before the run isn't known, and the next run finds another one.",
        "let the program write to a file of another name",
    ),
    "input-unknown": Kind(
        "An input could not be read to take its digest: it had gone, is no regular file, or is kept from being read.",
        "Whether a repeat reads the same can't be checked.",
    ),
    "io-uring": Kind(
        "A program opened files by io_uring, past what observes calls of the system.",
        _ALL_FILES_UNSURE,
    ),
    "kept-beside": Kind(
        "The record could not be saved at once, and was taken in later.",
        "Nothing is lost for a repeat.",
        serious=False,
    ),
    "label-not-added": Kind(
        "The label was to be among the parameters, but there is no parameter file.",
        "The program doesn't know the label, so another run may overwrite its outputs.",
        "smt configure --addlabel=cmdline",
    ),
    "left-running": Kind(
        "Something that the run had started, in the background, went on after the run's end.",
        "What it read and wrote from then on isn't in the record, and won't be compared.",
        "let the program wait for what it starts",
    ),
    "lock-not-kept": Kind(
        "The list of all that is installed could not be kept.",
        "The environment can't be made anew from the record; it still tells the libraries that were loaded.",
        "make room on the disk of .smt, and run it again",
    ),
    "log-lost": Kind(
        "The list of what the run read and wrote isn't whole: the disk was full, or the program removed it.",
        _ALL_FILES_UNSURE,
        "make room on the disk of .smt, and run it again",
    ),
    "looked-late": Kind(
        "The process that watched the run was killed, so outputs were looked at later.",
        "What others have written to these files in between is taken for the run's; where the run wasn't observed, "
        "new files of others in the data folder are, too.",
        "run it again",
    ),
    "many-code-files": Kind(
        "There is no version control, and there are more files that may be code than are kept with a record.",
        "Code that nobody saw the run load can't be put back as it was.",
        "put the code under version control, or if they are results: smt configure --datapath=FOLDER",
    ),
    "many-files": Kind(
        "The run read or wrote more files than a record tells of (the setting ``most_files``).",
        "The rest of the files can't be compared with those of a repeat.",
        "smt configure --ignore PATTERN",
    ),
    "many-programs": Kind(
        "The run started more programs than a record tells of. Which files they touched is known all the same.",
        "The later ones can't be compared with those of a repeat.",
        serious=False,
    ),
    "many-untracked": Kind(
        "Very many untracked files were kept with the record.",
        "Results may be among what counts as code.",
        "add the folder of results to .gitignore, or smt configure --datapath=FOLDER",
    ),
    "mechanisms-outdated": Kind(
        "NEURON ran compiled mechanisms whose sources aren't any more as they were when they were compiled.",
        "Compiled anew from the sources in the record, the mechanisms may do otherwise.",
        "nrnivmodl, then run it again",
    ),
    "no-commit": Kind(
        "The repository has no commit yet; all its files are kept as changes.",
        "There is no version to go back to; the code is in this project's .smt folder alone.",
        "commit the code",
        serious=False,
    ),
    "no-remote": Kind(
        "The repository of the code has no other repository that it is pushed to.",
        "The code can be had from this machine alone.",
        "push the code to another repository",
        serious=False,
    ),
    "no-version-control": Kind(
        "The code isn't under version control; the code files were kept instead.",
        "There is no version to go back to; the code is in this project's .smt folder alone.",
        "git init && git add … && git commit",
        serious=False,
    ),
    "not-bundled": Kind(
        "The version of the code wasn't pushed and could not be kept (setting ``bundle``).",
        "The code can be had from this machine alone, until it is pushed.",
        "push the code",
    ),
    "not-captured": Kind(
        "A fact about the machine could not be found out.",
        "A difference between machines may go unnoticed.",
    ),
    "not-collected": Kind(
        "Something that the run wrote could not be looked at.",
        "The record doesn't tell all that the run produced.",
    ),
    "not-hashed": Kind(
        "Hashing was interrupted; the files have the flag ``not hashed``.",
        "Whether these files come out the same can't be told.",
        "run it again, and let it end",
    ),
    "not-observed": Kind(
        "What the program read and wrote was not observed.",
        "Inputs are those that the command names; outputs and libraries aren't known.",
        "smt configure --trace=auto",
        serious=False,
    ),
    "observed-otherwise": Kind(
        "The program was observed by a weaker method than the best one, for the reason that is told.",
        "The method has blind spots of its own; doc/explanation/observation.rst tells them.",
        serious=False,
    ),
    "observer-killed": Kind(
        "What observed the run was killed, and another took over.",
        _ALL_FILES_UNSURE,
        "run it again",
    ),
    "only-compared": Kind(
        "What the program read was not observed, and outputs were found by comparing folders before and after.",
        "Inputs are those that the command names, and outputs outside the data folder aren't known.",
        serious=False,
    ),
    "opened-by-handle": Kind(
        "A program opened files by handle and not by name.",
        _ALL_FILES_UNSURE,
    ),
    "other-root": Kind(
        "A program ran in a container or root folder of its own.",
        "Names of files are those in there; what was in the container has to be had otherwise.",
        "note the image: smt comment LABEL …",
    ),
    "output-continued": Kind(
        "The run wrote on in files that were there before, without emptying them, as programs do that append to a log. "
        "Their digests are of what they hold in all.",
        "These files come out as they were only where they hold the same before the repeat.",
        "let each run write to a new file",
        serious=False,
    ),
    "output-unstable": Kind(
        "An output went on changing after the program had ended, as files of a program in the background do.",
        "The outputs in the record aren't the final ones, so a repeat can't be compared with them.",
        "let the program wait for what it starts",
    ),
    "outputs-unknown": Kind(
        "The run ended so early, and its watcher with it, that what it wrote isn't known.",
        "There is nothing to compare the outputs of a repeat with.",
        "run it again",
    ),
    "parameters-opaque": Kind(
        "A file looked like parameters and could not be read as such; its content was kept as it lies.",
        "The file can be put back; its values can't be searched, changed or compared one by one.",
        "mend the file, or smt run --ignore-parameters …",
        serious=False,
    ),
    "privileges-withheld": Kind(
        "A program ran without privileges that it has by itself (setuid), because the run was observed.",
        "Where the run isn't observed, the program may do otherwise.",
        "smt configure --trace=none",
    ),
    "reader-left": Kind(
        "Whatever read the program's output (``| head``) went away before the program's end.",
        "The program may have ended earlier than it would otherwise.",
        "run it again, with its output going to a file",
        serious=False,
    ),
    "secret-file": Kind(
        "A changed file whose name says that it holds secrets was not kept.",
        "Whoever repeats the run needs a file of her own in its place.",
        "add the file to .gitignore",
        serious=False,
    ),
    "secret-in-parameters": Kind(
        "Values of parameters looked like secrets; the record has a keyed digest in their place, and the parameter "
        "file itself isn't kept. The program got it as it lies.",
        "Whoever repeats the run has to put in these values.",
        "let the program take secrets from environment variables",
    ),
    "secret-masked": Kind(
        "Words of the command looked like secrets; the record has a keyed digest in their place.",
        "Whoever repeats the run has to put in these words.",
        "let the program take secrets from environment variables",
    ),
    "secret-printed": Kind(
        "The program printed what looks like secrets. They are masked in the record; all that was printed lies "
        "as it is in ``.smt/objects``.",
        "Nothing is lost for a repeat. Whoever gets the project's ``.smt`` folder gets the secrets too.",
        "let the program print no secrets",
    ),
    "seed-unknown": Kind(
        "The run used a simulator or library that draws random numbers, and nothing among parameters, command and "
        "environment looks like a seed.",
        "If the run draws random numbers, a repeat draws others.",
        "make the seed a parameter, with seed in its name",
        serious=False,
    ),
    "served": Kind(
        "Some files were not looked at, because that took for ever, as with a server that doesn't answer.",
        "These files may be missing from the record.",
    ),
    "stdin-piped": Kind(
        "The program's standard input was a pipe or a connection. Whether it was read isn't known, and "
        "what came through it wasn't kept.",
        "If the program read its standard input, a repeat lacks that.",
        "write it to a file, and smt run --stdin=FILE …",
        serious=False,
    ),
    "unpushed": Kind(
        "When it was run, the version of the code was in no other repository that this one knows.",
        "The code can be had from this machine alone, until it is pushed.",
        "push the code",
        serious=False,
    ),
    "version-unknown": Kind(
        "The version of a library could not be found out.",
        "Another version of the library may be used without anybody noticing.",
        serious=False,
    ),
    "written-apart": Kind(
        "Another version of the code (``smt run --version``) wrote files that are under version control in your "
        "working tree. They were left alone there; what was written is in the content store.",
        "What was written can be compared by its content, and isn't where the program put it.",
        "let the program write results to files that aren't under version control",
        serious=False,
    ),
}


def is_serious(finding: Finding) -> bool:
    """Tell whether *finding* deserves a line right after the run; one that we don't know does."""
    kind = CODES.get(finding.code)
    return kind is None or kind.serious


def lines(findings: Iterable[Finding], label: str = "LABEL") -> list[Line]:
    """Return *findings* of the record *label* with what is known of their codes.

    Serious ones come first, and nothing comes twice.
    """
    from shlex import quote

    found: dict[Finding, Line] = {}
    for finding in findings:
        kind = CODES.get(finding.code, Kind("", ""))
        remedy = finding.remedy or kind.remedy.replace("LABEL", quote(label))
        found[finding] = Line(finding.code, finding.message, kind.consequence, remedy)
    return [found[finding] for finding in sorted(found, key=lambda finding: not is_serious(finding))]


def findings_of(record: Record, folders: Sequence[str] = ()) -> tuple[Finding, ...]:
    """Return what is to be said of the ended *record* because of what is in it.

    Files below *folders*, or below the top of its working copy, are the project's own; all names are absolute.
    """
    own = [*folders, *([record.repository.root] if record.repository and record.repository.root else [])]
    return (
        *_of_inputs(record.input_data, own),
        *_of_dependencies(record.dependencies, record.checkouts, own),
        *_of_seeds(record),
    )


def _of_inputs(keys: Sequence[DataKey], own: Sequence[str]) -> Iterator[Finding]:
    outside = [key.path for key in keys if key.path.startswith("/") and not _is_below(key.path, own)]
    if outside:
        yield Finding("input-outside", f"{_files(len(outside))} read from outside the project: {some(outside)}")
    unknown = [key.path for key in keys if key.digest is None and not _EXPLAINED.intersection(key.flags)]
    if unknown:
        have = "has" if len(unknown) == 1 else "have"
        yield Finding("input-unknown", f"{_files(len(unknown))} read and {have} no digest: {some(unknown)}")


#: Flags of files without a digest that findings of their own tell about.
_EXPLAINED = frozenset({"not hashed", "changed by the run", "changed during the run"})


def _files(number: int) -> str:
    return "1 file was" if number == 1 else f"{number} files were"


def _of_dependencies(
    dependencies: Sequence[Dependency], checkouts: Sequence[Checkout], own: Sequence[str]
) -> Iterator[Finding]:
    places = {checkout.root: checkout for checkout in checkouts}
    bare: list[str] = []
    changed: list[str] = []
    unknown: list[str] = []
    for each in dependencies:
        if "not loaded" in each.flags or (_is_below(each.path, own) and "/site-packages/" not in each.path):
            continue  # nobody saw it, or its files are the code of the run
        place = places.get(each.checkout or "")
        if each.diff or "changed" in each.flags or (place is not None and (place.diff or place.changes)):
            changed.append(each.name)
        if "editable" in each.flags and (each.checkout is None or (place is not None and place.version is None)):
            bare.append(f"{each.name} ({each.path})" if each.path else each.name)
        elif _is_loose(each):
            bare.append(f"{each.name} ({each.path})")
        elif each.version is None:
            unknown.append(each.name)
    if bare:
        yield Finding("editable-install", f"loaded from a folder that isn't under version control: {some(bare)}")
    if changed:
        yield Finding("dependency-changed", f"loaded with changes that aren't part of the version: {some(changed)}")
    if unknown:
        which = "a library whose version isn't" if len(unknown) == 1 else "libraries whose versions aren't"
        yield Finding("version-unknown", f"{which} known: {some(unknown)}")


def _is_loose(each: Dependency) -> bool:
    """Tell whether *each* is a module of Python from a folder of somebody's (``PYTHONPATH``), installed by nobody."""
    if each.module != "python" or each.name == "python" or each.checkout is not None or "-packages/" in each.path:
        return False
    is_told = each.version is not None and not (each.source or "").endswith(".py")
    return not is_told and not each.path.startswith(("/usr/", "/etc/", "/lib", "/opt/"))


#: Simulators and libraries that hardly anybody uses without random numbers, as programs and libraries are named.
_RANDOM = frozenset({
    "brian2", "emcee", "jax", "keras", "mesa", "nest", "nest-simulator", "numpyro", "pymc", "pymc3", "pynn", "pyro-ppl",
    "pystan", "salabim", "simpy", "stan", "tensorflow", "torch",
})

#: Those in which the parameters of a simulation, if it has any, should have a seed among them.
_PERHAPS_RANDOM = frozenset({"numpy", "scipy", "scikit-learn"})


def _of_seeds(record: Record) -> Iterator[Finding]:
    names = {each.name.lower(): each.name for each in record.dependencies}
    if record.executable is not None:
        names.setdefault(record.executable.name.lower(), record.executable.name)
    used = [name for low, name in names.items() if low in _RANDOM or (record.parameters and low in _PERHAPS_RANDOM)]
    if used and not _has_seed(record):
        yield Finding("seed-unknown", f"{some(used)} can draw random numbers, and no seed is known")


def _has_seed(record: Record) -> bool:
    # The seed of Python's hashes fixes the order of sets, and nothing that is drawn.
    names = [name for name in record.seeds if name != "PYTHONHASHSEED"]
    names += [*record.parameters.flat(), record.parameters.content if not record.parameters.values else ""]
    names += record.command
    return any("seed" in name.lower() or "random_state" in name.lower() for name in names)


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)


def some(names: Sequence[str]) -> str:
    """Return the first of *names*, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
