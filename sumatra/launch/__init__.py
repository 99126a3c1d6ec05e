"""Launch modes: how a program is started and watched."""

from collections.abc import Mapping
from typing import Any

from sumatra import plugins
from sumatra.launch.base import Ended, Launcher, Plan
from sumatra.plugins import Backend

__all__ = ["BACKENDS", "Ended", "Launcher", "Plan", "get_launcher"]

BACKENDS = {
    "serial": Backend(".serial", "one process on this machine"),
}


def get_launcher(name: str, options: Mapping[str, Any] | None = None) -> Launcher:
    """Return the launcher *name* with *options*, or raise `NoSuchPlugin`."""
    backend: type[Launcher] = plugins.load(__name__, name).BACKEND
    return backend(options)
