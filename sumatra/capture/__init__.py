"""Facts about this machine, the user's environment and the running process; secrets stay out of all of them.

Nothing here starts a program or asks the network, and a fact that can't be known is left empty: it never costs the
others.  The parts are loaded when one of their functions is first asked for.

========================  ====================================================================
`platform`                the machine, as a record tells it
`user`                    who runs this, as far as the machine knows
`boot_id`                 which start of which machine this is
`process_start`           when a process began, to tell it from a later one with its number
`identify`                how to tell later whether a process is still the same
`is_alive`                whether that process is still going on
`environment`             the environment variables that can change a result
`surroundings`            container, environment, threads, limits
`mask`, `mask_words`      text and command lines without the secrets in them
========================  ====================================================================

What is captured and what isn't is said in ``doc/reference/captured.rst``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sumatra.capture.environs import surroundings
    from sumatra.capture.machine import boot_id, identify, is_alive, platform, process_start, user
    from sumatra.capture.secrets import mask, mask_words
    from sumatra.capture.variables import environment

__all__ = [
    "boot_id", "environment", "identify", "is_alive", "mask", "mask_words", "platform", "process_start",
    "surroundings", "user",
]

_HOMES = {
    "boot_id": "machine", "identify": "machine", "is_alive": "machine", "platform": "machine",
    "process_start": "machine", "user": "machine",
    "mask": "secrets", "mask_words": "secrets",
    "environment": "variables",
    "surroundings": "environs",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
