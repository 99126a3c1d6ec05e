"""What the words of a command mean: the parameter file, values for it, input files, the label's place."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sumatra import capture, parameters
from sumatra.errors import ParameterError
from sumatra.facts import fact, replace
from sumatra.files import ContentStore, write_atomically
from sumatra.parameters import ParameterSet
from sumatra.records import Finding, Parameters

__all__ = ["LABEL", "Meaning", "Understood", "concealed", "understand"]

#: Stands for the label in words, and is replaced.
LABEL = "{label}"

#: What Sumatra 0.8 writes for the parameter file in the arguments of a record.
_PLACEHOLDER = "<parameters>"
_LARGEST = 10 * 1000 * 1000


@fact
class Meaning:
    """What a parameter file says."""

    parameters: Parameters
    inputs: tuple[str, ...] = ()  #: absolute paths of files that it names
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()  #: sentences for the user, now


@fact
class Understood:
    """The words of a command, sorted out."""

    words: tuple[str, ...]  #: what the program gets
    script_arguments: str  #: the same as Sumatra 0.8 tells it
    inputs: tuple[str, ...]  #: absolute paths of files among the words
    meaning: Meaning  #: what is known of the parameters before the program starts
    read_parameters: Callable[[], Meaning] | None = None  #: finds out what they say, where that can wait


def understand(
    words: Sequence[str], *, label: str, folder: str, store: ContentStore, look_for_parameters: bool = True,
    take_values: bool = True, add_label: str = "none", key: bytes = b"", not_inputs: frozenset[str] = frozenset(),
) -> Understood:
    """Sort out the arguments *words* of a run called *label*.

    The program gets the user's own parameter file as it lies.  Only if a value is changed (``name=value``, where
    *take_values*) or the label is to be among the parameters, it gets a copy, made in *folder*, in which nothing
    else is changed.  Otherwise the file is read here and can be made sense of while the program runs.  Raises
    `ParameterError` for a value that doesn't fit.
    """
    replaced = [word.replace(LABEL, label) for word in words]
    meaning = Meaning(parameters=Parameters())
    later = None
    place = _place(replaced, not_inputs) if look_for_parameters else None
    file = _File(replaced[place], store, key, not_inputs) if place is not None else None
    if place is not None and file is not None:
        if add_label == "parameters" or (take_values and any(map(_is_value, replaced))):
            replaced, place, meaning = _with_changes(
                file, replaced, place, folder, take_values, label if add_label == "parameters" else None
            )
        else:
            meaning = Meaning(parameters=Parameters(path=os.path.abspath(file.path)))
            later = file.meaning
    elif add_label == "parameters":
        finding = Finding("label-not-added", "the label could not be added: there is no parameter file")
        meaning = Meaning(parameters=Parameters(), findings=(finding,))
    if add_label == "cmdline":
        replaced.append(label)
    told = [_PLACEHOLDER if index == place else word for index, word in enumerate(replaced)]
    return Understood(tuple(replaced), _joined(told), _files(replaced, place, not_inputs), meaning, later)


class _File:
    """A parameter file as it is before the program starts."""

    def __init__(self, path: str, store: ContentStore, key: bytes, not_inputs: frozenset[str]) -> None:
        self.path = path
        self._store = store
        self._key = key
        self._not_inputs = not_inputs
        try:
            with open(path, "rb") as file:
                self._content: bytes | None = file.read(_LARGEST + 1)
            self.trouble = f"it is larger than {_LARGEST // 10**6} MB" if len(self._content or b"") > _LARGEST else ""
        except OSError as error:
            self._content, self.trouble = None, str(error.strerror)

    def parsed(self) -> ParameterSet:
        """Return the parameter set; raises `ParameterError`."""
        if self.trouble or self._content is None:
            raise ParameterError(self.trouble)
        return parameters.from_bytes(self._content, self.path)

    def meaning(self, changed: ParameterSet | None = None, names: Sequence[str] = ()) -> Meaning:
        """Return what it says, or what *changed* says, in which the values of *names* were changed."""
        try:
            chosen = changed if changed is not None else self.parsed()
        except ParameterError as error:
            message = f"{self.path} can't be read as parameters and is kept as it lies: {error}"
            return Meaning(
                parameters=Parameters(path=os.path.abspath(self.path), digest=self._kept()),
                findings=(Finding("parameters-opaque", message),), warnings=(message,),
            )
        facts, hidden = concealed(Parameters(
            content=str(chosen), type=chosen.type, values=chosen.as_dict(), path=os.path.abspath(self.path),
            changed=tuple(names),
        ), self._key)
        findings: tuple[Finding, ...] = ()
        if hidden:
            what = f"values in {self.path} look like secrets and were masked ({', '.join(hidden)})"
            findings = (Finding("secret-in-parameters", f"{what}; the file itself isn't kept"),)
        else:
            facts = replace(facts, digest=self._kept())
        texts = [value for value in facts.flat().values() if isinstance(value, str)]
        return Meaning(
            parameters=facts, inputs=_files(texts, None, self._not_inputs), findings=findings,
            warnings=tuple(f"{self.path}: {warning}" for warning in chosen.warnings),
        )

    def _kept(self) -> str | None:
        if self._content is None or self.trouble:
            return None
        try:
            return self._store.put(self._content)
        except OSError:
            return None


def _place(words: Sequence[str], not_these: frozenset[str]) -> int | None:
    """Return the place of the first word that is a parameter file, or None."""
    for index, word in enumerate(words):
        if word and not word.startswith("-") and os.path.isfile(word) and os.path.abspath(word) not in not_these:
            try:
                if parameters.recognise(word) is not None:
                    return index
            except OSError:
                continue  # it is an input that can't be read, which its key will say
    return None


def _with_changes(
    file: _File, words: list[str], place: int, folder: str, take_values: bool, label: str | None
) -> tuple[list[str], int, Meaning]:
    """Return the words without values, and with a changed copy in the place of the parameter file."""
    try:
        chosen = file.parsed()
    except ParameterError:
        meaning = file.meaning()
        _refuse_values(words, meaning, take_values)
        return words, place, meaning
    places = [i for i in range(len(words)) if take_values and i != place and _is_for(chosen, words, i)]
    values = [_split(words[index]) for index in places]
    kept = [word for index, word in enumerate(words) if index not in places]
    place -= sum(1 for index in places if index < place)
    unknown = [name for name, _ in values if name not in chosen]
    changed = chosen
    for name, value in values:
        changed = changed.with_value(name, value)
    if label is not None:
        changed = parameters.from_bytes(changed.to_bytes(), file.path)
        changed.update({"sumatra_label": label})  # exactly: a label such as 2026 is no number
    if str(changed) != str(chosen):
        copy = os.path.join(folder, os.path.basename(file.path))
        os.makedirs(folder, mode=0o700, exist_ok=True)
        write_atomically(copy, changed.to_bytes())
        kept[place] = copy
    meaning = file.meaning(changed, [name for name, _ in values])
    warnings = (*(f"{name} isn't in {file.path}; it was added" for name in unknown), *meaning.warnings)
    return kept, place, replace(meaning, warnings=warnings)


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


def _refuse_values(words: Sequence[str], meaning: Meaning, wanted: bool) -> None:
    """Raise `ParameterError` if values are given for a file that can't be read: the run would not be what was asked."""
    values = [word for word in words if _is_value(word)] if wanted else []
    if values:
        raise ParameterError(
            f"{values[0]} can't be set: {meaning.warnings[0]}", "mend the file; or run it as it is: smt run --plain …"
        )


def concealed(facts: Parameters, key: bytes) -> tuple[Parameters, list[str]]:
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
