"""What keeps a process of Python from writing, from starting programs and from talking to others.

A version-control system that is written in Python loads this in its own process, before it is asked anything; Sumatra
doesn't import it.  It lies on Python's audit events, so that it holds whatever way a repository finds to make the
system do something.
"""

from __future__ import annotations  # that process may be of an older Python than ours

import errno
import os
import stat
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_ONE_PATH = {"os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.chown", "os.truncate", "os.utime", "os.setxattr",
             "os.removexattr", "os.mkfifo", "os.mknod"}
_THROUGH_LINKS = {"os.chmod", "os.truncate"}
_TWO_PATHS = {"os.rename", "os.link", "os.symlink"}
_PROGRAMS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty",
             "pty.spawn"}
_NETWORK = {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto",
            "socket.sendmsg"}


def _hook(
    writable: Sequence[bytes], allowed: Sequence[bytes], refuse: Callable[[object], None], never: bytes
) -> Callable[[str, Any], None]:
    def is_writable(path: Any, through_links: bool = False) -> bool:
        if isinstance(path, int) or path is None:
            return True  # what was open already
        full = os.path.abspath(os.fsencode(path))
        if full == b"/dev/null":
            return True
        if through_links:
            full = os.path.realpath(full)
        else:
            full = os.path.join(os.path.realpath(os.path.dirname(full)), os.path.basename(full))
        if never and os.path.basename(full).lower() == never:
            return False  # a bundle could bring one
        return any(full == place or full.startswith(place + b"/") for place in writable)

    def hook(event: str, args: Any) -> None:
        if event == "open":
            path, mode, flags = args
            writes = bool((flags or 0) & _WRITING) or (isinstance(mode, str) and not set("wax+").isdisjoint(mode))
            if writes and not is_writable(path, through_links=True):
                refuse(path)
            if not isinstance(path, int) and _would_wait(path):
                refuse(path)
        elif event in _ONE_PATH:
            if not is_writable(args[0], through_links=event in _THROUGH_LINKS):
                refuse(args[0])
        elif event in _TWO_PATHS:
            if not is_writable(args[1]) or (event == "os.rename" and not is_writable(args[0])):
                refuse(args[1])
        elif event in _PROGRAMS:
            if b"programs" not in allowed and not (b"ssh" in allowed and _is_ssh(event, args)):
                refuse(event)
        elif event in _NETWORK and b"network" not in allowed:
            refuse(event)

    return hook


def _would_wait(path: Any) -> bool:
    """Tell whether *path* is a pipe: somebody could let us wait for its other end."""
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, TypeError, ValueError):
        return False


def _is_ssh(event: str, args: Any) -> bool:
    """Tell whether ssh is to be started, and without an option by which it would start something else."""
    words = list(args[1] if event == "subprocess.Popen" and isinstance(args[1], (list, tuple)) else ())
    names = [os.path.basename(os.fsdecode(word)) for word in words[:1]]
    return names == ["ssh"] and not any("proxycommand" in os.fsdecode(word).lower() for word in words)


def watch(writable: Sequence[bytes], allowed: Sequence[bytes], name: str, never: bytes = b"") -> None:
    """Refuse, from now on, what *name* isn't to do.

    It may write to files and folders *writable*, but to no file called *never*; *allowed* may have ``network``,
    ``programs`` and ``ssh``.
    """

    def refuse(what: object) -> None:
        raise PermissionError(errno.EROFS, f"Sumatra doesn't let {name} do this", what)

    sys.addaudithook(_hook([os.path.realpath(place) for place in writable], allowed, refuse, never))
