"""Seeds of random numbers, as far as they can be known: parameters and variables that are called so."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["seeds"]

#: Variables that libraries take their seed from, whatever their value is.
_VARIABLES = ("PYTHONHASHSEED", "GSL_RNG_SEED")

# Patterns are texts: most runs have no name in which they would be looked for.
_WORD = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+"
_SEED = (
    r"(?:base|global|grng|i|init|master|mc|model|network|noise|np|numpy|py|r|rand|random|rng|sim|spike|torch|trial)?seeds?"
)

#: Words that make another thing of a name: how many seeds, whether to use one, what grows from them.
_OTHER = frozenset("count enable fix fixed has is max min n nr num number re set use with".split())
_TAIL = frozenset("value number offset base".split())

_NUMBER = r"[+-]?\d{1,80}|0[xX][0-9a-fA-F]{1,64}"
_LONGEST = 1000  #: characters of a list


def seeds(parameters: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the seeds by the name of what gives them, as text.

    *parameters* are flat, by dotted names.  A seed is a number, or a list of numbers: a text that only is called like
    one may be a secret (the seed phrase of a wallet), and stays where it is.
    """
    found = {}
    for name, value in parameters.items():
        if _is_seed(name):
            text = _text(value)
            if text is not None:
                found[name] = text
    for name, value in environment.items():
        known = name in _VARIABLES and re.fullmatch(r"[A-Za-z0-9]{1,40}", value)
        if known or (name not in found and _is_seed(name.lower()) and re.fullmatch(_NUMBER, value)):
            found[name] = value
    return found


def _is_seed(name: str) -> bool:
    """Tell whether a part of the dotted *name* is called like a seed: ``rng_seed``, ``seedNetwork.2``."""
    return any(_is_called_so(part) for part in name.split("."))


def _is_called_so(part: str) -> bool:
    if "seed" not in part.lower() and "state" not in part.lower():
        return False
    words = [word.lower() for word in re.findall(_WORD, part) if not word.isdigit()]
    while len(words) > 1 and words[-1] in _TAIL:
        words.pop()
    if words[-2:] == ["random", "state"] or words == ["randomstate"]:
        return True
    return bool(words) and re.fullmatch(_SEED, words[-1]) is not None and _OTHER.isdisjoint(words)


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value) if value.bit_length() < 1024 else None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else None
    if isinstance(value, str):
        return value if re.fullmatch(_NUMBER, value) else None
    if isinstance(value, Sequence):
        texts = [_text(each) for each in value[:_LONGEST]]
        known = [text for text in texts if text is not None]
        text = f"[{', '.join(known)}]"
        return text if known and len(known) == len(value) and len(text) <= _LONGEST else None
    return None
