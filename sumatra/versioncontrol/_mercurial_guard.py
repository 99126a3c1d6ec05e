"""An extension that keeps the hg program from writing, from starting programs and from talking to others.

Mercurial loads this file, in its own process, because we name it on its command line; Sumatra doesn't import it.  It
uses Python's audit events, so that it holds whatever way a repository finds to make hg do something.  Caches that hg
would refresh in passing aren't written, which it takes in good part: it has to live with read-only disks.

``SMT_HG_WRITES`` names a file or folder that may be written; ``SMT_HG_ALLOWS`` has ``network`` and ``programs``.
"""

from __future__ import annotations  # hg may be of an older Python than ours

import errno
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HELLO = b"guarded by sumatra\n"
_TOO_OLD = b"too old for sumatra\n"

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_ONE_PATH = {"os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.chown", "os.truncate", "os.utime", "os.setxattr",
             "os.removexattr", "os.mkfifo", "os.mknod"}
_TWO_PATHS = {"os.rename", "os.link", "os.symlink"}
_PROGRAMS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty",
             "pty.spawn"}
_NETWORK = {"socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto",
            "socket.sendmsg"}


def _refuse(what: object) -> None:
    raise PermissionError(errno.EROFS, "Sumatra doesn't let hg do this", what)


def _guard(writable: bytes, allowed: Sequence[bytes]) -> Callable[[str, Any], None]:
    def is_writable(path: Any) -> bool:
        if isinstance(path, int) or path is None:
            return True  # what was open already
        full = os.path.abspath(os.fsencode(path))
        if full == b"/dev/null":
            return True
        full = os.path.join(os.path.realpath(os.path.dirname(full)), os.path.basename(full))
        if b"bundle" in allowed and os.path.basename(full).lower() == b"hgrc":
            return False  # a bundle could bring one
        return bool(writable) and (full == writable or full.startswith(writable + b"/"))

    def hook(event: str, args: Any) -> None:
        if event == "open":
            path, mode, flags = args
            writes = bool((flags or 0) & _WRITING) or (isinstance(mode, str) and not set("wax+").isdisjoint(mode))
            if writes and not is_writable(path):
                _refuse(path)
        elif event in _ONE_PATH:
            if not is_writable(args[0]):
                _refuse(args[0])
        elif event in _TWO_PATHS:
            if not is_writable(args[1]) or (event == "os.rename" and not is_writable(args[0])):
                _refuse(args[1])
        elif (event in _PROGRAMS and b"programs" not in allowed) or (event in _NETWORK and b"network" not in allowed):
            _refuse(event)

    return hook


def _know_modes(root: bytes) -> bool:
    """Tell whether files below *root* keep their modes: hg would try, by writing one, and remembers it here."""
    folder = os.path.join(os.fsencode(root), b".hg")
    for name in (b"wcache", b"cache"):
        if os.path.exists(os.path.join(folder, name, b"checkisexec")):
            return True
        if os.path.exists(os.path.join(folder, name, b"checknoexec")):
            return not os.stat(os.path.join(folder, name, b"checknoexec")).st_mode & 0o111
    return True


def _set_up() -> None:
    from mercurial import util

    try:
        from mercurial.configuration import rcutil  # since Mercurial 7.2
    except ImportError:
        from mercurial import rcutil
    usable = hasattr(rcutil, "use_repo_hgrc") and sys.version_info >= (3, 8)
    if usable:
        writable = os.fsencode(os.environ.get("SMT_HG_WRITES", ""))
        allowed = os.fsencode(os.environ.get("SMT_HG_ALLOWS", "")).split()
        if not writable:
            util.checkexec = _know_modes
            util.checklink = lambda root: True
        sys.addaudithook(_guard(os.path.realpath(writable) if writable else b"", allowed))
    os.write(1, _HELLO if usable else _TOO_OLD)


if __name__.startswith("hgext"):  # the name under which hg loads it
    _set_up()
