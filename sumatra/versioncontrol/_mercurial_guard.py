"""An extension that keeps the hg program from writing, from starting programs and from talking to others.

Mercurial loads this file, in its own process, because we name it on its command line; Sumatra doesn't import it.  What
it does is in ``_process_guard``, which lies beside it.  Caches that hg would refresh in passing aren't written, which
it takes in good part: it has to live with read-only disks.

``SMT_HG_WRITES`` names a file or folder that may be written; ``SMT_HG_ALLOWS`` has ``network`` and ``programs``.
"""

from __future__ import annotations  # hg may be of an older Python than ours

import importlib.util
import os
import sys

_HELLO = b"guarded by sumatra\n"
_TOO_OLD = b"too old for sumatra\n"


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
        beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_process_guard.py")
        spec = importlib.util.spec_from_file_location("smt_process_guard", beside)
        guard = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]  # the file is there
        spec.loader.exec_module(guard)  # type: ignore[union-attr]
        guard.watch([writable] if writable else [], allowed, "hg", b"hgrc" if b"bundle" in allowed else b"")
    os.write(1, _HELLO if usable else _TOO_OLD)


if __name__.startswith("hgext"):  # the name under which hg loads it
    _set_up()
