"""What the words of a command mean: the parameter file, values for it, input files, the label's place."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from sumatra import capture, parameters
from sumatra.errors import ParameterError
from sumatra.facts import fact, replace
from sumatra.files import ContentStore, write_atomically
from sumatra.parameters import ParameterSet
from sumatra.records import Finding, Parameters

__all__ = ["LABEL", "Understood", "understand"]

#: Stands for the label in words, and is replaced.
LABEL = "{label}"

#: What Sumatra 0.8 writes for the parameter file in the arguments of a record.
_PLACEHOLDER = "<parameters>"
_LARGEST_OPAQUE = 10 * 1000 * 1000


@fact
class Understood:
    """The words of a command, sorted out."""

    words: tuple[str, ...]  #: what the program gets
    script_arguments: str  #: the same as Sumatra 0.8 tells it
    parameters: Parameters
    inputs: tuple[tuple[str, str], ...]  #: absolute paths of input files, each with how it was seen
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]  #: sentences for the user, now


def understand(
    words: Sequence[str], *, label: str, folder: str, store: ContentStore, look_for_parameters: bool = True,
    take_values: bool = True, add_label: str = "none", key: bytes = b"", not_inputs: frozenset[str] = frozenset(),
) -> Understood:
    """Sort out the arguments *words* of a run called *label*.

    The program gets the user's own parameter file as it lies.  Only if a value is changed (``name=value``, where
    *take_values*) or the label is to be among the parameters, it gets a copy, made in *folder*, in which nothing
    else is changed.  Raises `ParameterError` for a value that doesn't fit.
    """
    replaced = [word.replace(LABEL, label) for word in words]
    findings: list[Finding] = []
    warnings: list[str] = []
    place, chosen = _parameter_file(replaced, findings, not_inputs) if look_for_parameters else (None, None)
    if findings:
        _refuse_values(replaced, findings, take_values and place is None)
        warnings += [finding.message for finding in findings]
    values: list[tuple[str, str]] = []
    facts = Parameters()
    if place is not None and chosen is not None:
        path = replaced[place]
        if take_values:
            places = [index for index in range(len(replaced)) if index != place and _is_for(chosen, replaced, index)]
            values = [_split(replaced[index]) for index in places]
            replaced = [word for index, word in enumerate(replaced) if index not in places]
            place -= sum(1 for index in places if index < place)
        changed = _with_values(chosen, values, path, warnings)
        if add_label == "parameters":
            changed = type(changed).from_bytes(changed.to_bytes(), path)
            changed.update({"sumatra_label": label})  # exactly: a label such as 2026 is no number
        if str(changed) != str(chosen):
            copy = os.path.join(folder, os.path.basename(path))
            os.makedirs(folder, mode=0o700, exist_ok=True)
            write_atomically(copy, changed.to_bytes())
            replaced[place] = copy
        warnings += [f"{path}: {warning}" for warning in changed.warnings]
        facts, hidden = _concealed(Parameters(
            content=str(changed), type=changed.type, values=changed.as_dict(), path=os.path.abspath(path),
            changed=tuple(name for name, _ in values),
        ), key)
        if hidden:
            findings.append(Finding(
                "secret-in-parameters",
                f"values in {path} look like secrets and were masked ({', '.join(hidden)}); the file itself isn't kept",
            ))
        else:
            facts = replace(facts, digest=_kept(path, store))
    elif add_label == "parameters":
        findings.append(Finding("label-not-added", "the label could not be added: there is no parameter file"))
    if add_label == "cmdline":
        replaced.append(label)
    told = [_PLACEHOLDER if index == place else word for index, word in enumerate(replaced)]
    inputs = dict.fromkeys(_files(replaced, place, not_inputs), "argument")
    for path in _files([value for value in facts.flat().values() if isinstance(value, str)], None, not_inputs):
        inputs.setdefault(path, "parameter")
    return Understood(
        tuple(replaced), _joined(told), facts, tuple(inputs.items()), tuple(findings), tuple(warnings)
    )


def _parameter_file(
    words: Sequence[str], findings: list[Finding], not_these: frozenset[str]
) -> tuple[int | None, ParameterSet | None]:
    for index, word in enumerate(words):
        if not word or word.startswith("-") or not os.path.isfile(word) or os.path.abspath(word) in not_these:
            continue
        try:
            if parameters.recognise(word) is not None:
                return index, parameters.build_parameters(word)
        except ParameterError as error:
            findings.append(Finding(
                "parameters-opaque", f"{word} can't be read as parameters and is kept as it lies: {error}"
            ))
        except OSError as error:
            findings.append(Finding("parameters-unreadable", f"{word} can't be read: {error.strerror}"))
    return None, None


def _is_value(word: str) -> bool:
    name, equals, _ = word.partition("=")
    return bool(equals) and bool(name) and all(
        part.replace("_", "a").replace("-", "a").isalnum() for part in name.split(".")
    ) and not name.startswith("-")


def _split(word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    return name, value


def _is_for(chosen: ParameterSet, words: Sequence[str], index: int) -> bool:
    """Tell whether the word is a value for *chosen*; an unknown name after an option is the option's own value."""
    if not _is_value(words[index]):
        return False
    return _split(words[index])[0] in chosen or index == 0 or not words[index - 1].startswith("-")


def _refuse_values(words: Sequence[str], findings: Sequence[Finding], wanted: bool) -> None:
    """Raise `ParameterError` if values are given for a file that can't be read: the run would not be what was asked."""
    values = [word for word in words if _is_value(word)] if wanted else []
    if values:
        raise ParameterError(
            f"{values[0]} can't be set: {findings[0].message}", "mend the file; or run it as it is: smt run --plain …"
        )


def _with_values(
    chosen: ParameterSet, values: Sequence[tuple[str, str]], path: str, warnings: list[str]
) -> ParameterSet:
    for name, value in values:
        if name not in chosen:
            warnings.append(f"{name} isn't in {path}; it was added")
        chosen = chosen.with_value(name, value)
    return chosen


def _concealed(facts: Parameters, key: bytes) -> tuple[Parameters, list[str]]:
    """Return *facts* with keyed hashes in the place of values that look like secrets, and the names of those."""
    hidden: list[str] = []
    content = facts.content

    def conceal(name: str, value: Any) -> Any:
        nonlocal content
        if isinstance(value, Mapping):
            return {inner: conceal(inner, below) for inner, below in value.items()}
        if not isinstance(value, str) or not value:
            return value
        masked, found = capture.mask(f"{name}={value}", key)
        if not found:
            return value
        hidden.append(name)
        masked = masked.partition("=")[2]
        content = content.replace(value, masked)
        return masked

    values = {name: conceal(name, value) for name, value in facts.values.items()}
    return (replace(facts, values=values, content=content) if hidden else facts), hidden


def _kept(path: str, store: ContentStore) -> str | None:
    try:
        if os.path.getsize(path) > _LARGEST_OPAQUE:
            return None
        with open(path, "rb") as file:
            return store.put(file.read())
    except OSError:
        return None


def _files(words: Sequence[str], place: int | None, not_inputs: frozenset[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for index, word in enumerate(words):
        if index == place:
            continue
        for candidate in (word, word.partition("=")[2]):
            if candidate and len(candidate) < 4096 and "\0" not in candidate and os.path.isfile(candidate):
                path = os.path.abspath(candidate)
                if path not in not_inputs:
                    found[path] = None
                break
    return tuple(found)


def _joined(words: Sequence[str]) -> str:
    import shlex

    return " ".join(word if word == _PLACEHOLDER else shlex.quote(word) for word in words)
