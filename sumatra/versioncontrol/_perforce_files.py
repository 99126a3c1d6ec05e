"""Files as Perforce has them, and the same on disk: types, keywords, digests, patches.  Starts nothing."""

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from sumatra.versioncontrol._text import in_patch, open_file, printable

__all__ = ["DepotFile", "as_on_disk", "is_certainly", "on_disk", "patch"]

#: What the older names of types stand for, as far as it matters here.
_OLD_TYPES = {
    "xtext": "text+x", "ktext": "text+k", "kxtext": "text+kx", "xbinary": "binary+x", "cxtext": "text+x",
    "xltext": "text+x", "uxbinary": "binary+x", "xtempobj": "binary+x", "xunicode": "unicode+x", "xutf16": "utf16+x",
    "xutf8": "utf8+x", "ctext": "text", "ltext": "text", "ubinary": "binary", "tempobj": "binary",
}
_KEYWORDS = rb"\$(Id|Header|Author|Date|DateTime|DateUTC|DateTimeUTC|DateTimeTZ|Change|File|Revision)(?::[^$\r\n]*)?\$"
_PLAIN = ("text", "binary", "symlink")
_MOST_COMPARED = 1_000_000  # bytes of a file in a patch


class DepotFile(NamedTuple):
    """A file of one version, as the server has it."""

    path: str  #: relative to the root
    depot: str  #: what the server calls it, encoded
    revision: int
    type: str
    digest: str  #: MD5 in hexadecimal digits, or empty
    size: int  #: as stored; -1 where that isn't known

    @property
    def base(self) -> str:
        """What is in it: ``text``, ``binary``, ``symlink``, ``utf16`` …"""
        return _OLD_TYPES.get(self.type.partition("+")[0], self.type).partition("+")[0]

    @property
    def flags(self) -> str:
        """The modifiers of its type: ``x`` for a program, ``k`` for keywords."""
        first, _, more = self.type.partition("+")
        return _OLD_TYPES.get(first, first).partition("+")[2] + more

    @property
    def mode(self) -> str:
        """Its mode as git would write it."""
        if self.base == "symlink":
            return "120000"
        return "100755" if "x" in self.flags else "100644"


def on_disk(path: str) -> bytes:
    """Return what a file holds, or where a link points to."""
    if os.path.islink(path):
        return os.fsencode(os.readlink(path))
    with open_file(path) as file:
        return file.read()


def is_certainly(file: DepotFile, path: str, size: int) -> bool | None:
    """Tell whether what lies at *path*, of *size* bytes, is what *file* holds; None where its digest can't tell.

    The server's digest is that of the file as stored: keywords aren't filled in, a link ends with a line end, text in
    UTF-16 is kept in UTF-8.  Where the digest of what we make of the file is another, the content has to be compared.
    """
    if not file.digest:
        return None
    is_plain = file.base in _PLAIN and "k" not in file.flags
    if is_plain and file.base != "symlink" and file.size >= 0 and size != file.size:
        return False if file.base == "binary" else _maybe(on_disk(path))
    content = on_disk(path)
    if any(_md5(form) == file.digest for form in _forms(file, content)):
        return True
    if file.base in ("binary", "symlink") and is_plain:
        return False
    return _maybe(content) if is_plain else None


def _maybe(content: bytes) -> bool | None:
    """Text that differs may differ in its line ends alone, which p4 may have been told to write otherwise."""
    return None if b"\r" in content else False


def _forms(file: DepotFile, content: bytes) -> Iterator[bytes]:
    """Yield what the server may have stored when it was given *content*."""
    if file.base == "symlink":
        yield content + b"\n"
    yield content
    if "k" in file.flags:
        yield re.sub(_KEYWORDS, rb"$\1$", content)
    if file.base == "utf16":
        try:
            text = content.decode("utf-16")
        except UnicodeDecodeError:
            return
        yield text.encode("utf-8", "surrogatepass")
        yield text.encode("utf-8-sig", "surrogatepass")


def _md5(content: bytes) -> str:
    import hashlib

    return hashlib.md5(content, usedforsecurity=False).hexdigest().upper()


def as_on_disk(file: DepotFile, printed: bytes) -> bytes:
    """Return what p4 would write to disk for what it prints."""
    if file.base == "symlink":
        return printed.removesuffix(b"\n")
    if file.base == "utf16" and printed[:2] not in (b"\xff\xfe", b"\xfe\xff") and b"\0" not in printed:
        return b"\xff\xfe" + printed.decode("utf-8-sig", "replace").encode("utf-16-le")
    return printed


def patch(path: str, one: bytes | None, other: bytes | None) -> str:
    """Return what leads from content *one* to *other* as a patch, for people; None where there is no such file."""
    name = printable(path)
    before, after = ("/dev/null" if one is None else f"a/{name}"), ("/dev/null" if other is None else f"b/{name}")
    if one == other:
        return ""
    contents = one or b"", other or b""
    if any(b"\0" in content[:8000] for content in contents):
        return f"Binary files {before} and {after} differ\n"
    if any(len(content) > _MOST_COMPARED for content in contents):
        return f"Files {before} and {after} differ, and are too large to be shown\n"
    import difflib

    found = difflib.unified_diff(
        _lines(contents[0]), _lines(contents[1]), in_patch(before), in_patch(after), lineterm=""
    )
    return "".join(f"{line}\n" for line in found) or f"Files {before} and {after} differ\n"


def _lines(content: bytes) -> list[str]:
    *lines, last = content.decode("utf-8", "replace").split("\n")
    return [*lines, last, "\\ no line end at the end of the file"] if last else lines
