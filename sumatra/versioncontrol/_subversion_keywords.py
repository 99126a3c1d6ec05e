"""Files as Subversion writes them into a working copy: line ends and keywords, which are stored in a plain form."""

import os
import re
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

__all__ = ["Facts", "Form", "form_of"]

_EOLS = {"native": os.linesep.encode(), "LF": b"\n", "CR": b"\r", "CRLF": b"\r\n"}
_LONGEST = 255  # bytes between the dollar signs, as Subversion has it
_ID = "%b %r %d %a"
_FORMATS = {
    "LastChangedDate": "%D", "Date": "%D", "LastChangedRevision": "%r", "Revision": "%r", "Rev": "%r",
    "LastChangedBy": "%a", "Author": "%a", "HeadURL": "%u", "URL": "%u", "Id": _ID, "Header": "%u %r %d %a",
}
_BY_NAME = {name.lower(): name for name in _FORMATS}
_SAME = (("LastChangedDate", "Date"), ("LastChangedRevision", "Revision", "Rev"), ("LastChangedBy", "Author"),
         ("HeadURL", "URL"))


class Facts(NamedTuple):
    """What keywords tell of a file."""

    path: str  #: from the root of the repository
    root: str  #: URL of that
    revision: int  #: in which it was changed last
    date: int  #: in microseconds
    author: str


class Form(NamedTuple):
    """How a file is written into a working copy."""

    eol: bytes | None = None  #: in a working copy
    stored_eol: bytes | None = None  #: in the repository: only those of style ``native`` are all alike there
    keywords: tuple[tuple[str, str], ...] = ()  #: names and what is told there

    def plain(self, content: bytes) -> bytes:
        """Return *content* of a working copy as it is stored."""
        content = _with_eol(content, self.stored_eol)
        return self._replaced(content, lambda keyword: b"")

    def written(self, content: bytes, facts: Facts) -> bytes:
        """Return stored *content* as it is written into a working copy."""
        content = _with_eol(content, self.eol) if self.eol != self.stored_eol else content
        formats = dict(self.keywords)
        return self._replaced(content, lambda keyword: _told(formats[keyword], facts).encode())

    def _replaced(self, content: bytes, value: "_Value") -> bytes:
        if not self.keywords or b"$" not in content:
            return content
        names = b"|".join(re.escape(name.encode()) for name, _ in self.keywords)
        pattern = rb"\$(" + names + rb")(?:(::)( [^$\r\n]*[ #])|: [^$\r\n]* |:)?\$"
        return re.sub(pattern, lambda found: _one(found, value), content)


_Value = Callable[[str], bytes]  # from the name of a keyword to what stands behind it


def _with_eol(content: bytes, eol: bytes | None) -> bytes:
    if eol is None:
        return content
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", eol)


def _one(found: re.Match[bytes], value: _Value) -> bytes:
    name = found[1]
    told = value(name.decode())
    if len(found[0]) > _LONGEST:
        return found[0]
    if not found[2]:
        return b"$" + name + (b": " + told[:_LONGEST - len(name) - 5] + b" $" if told else b"$")
    room = len(found[3]) - 2  # between the two spaces
    if len(told) > room:
        return b"$" + name + b":: " + told[:room] + b"#$"
    return b"$" + name + b":: " + told.ljust(room) + b" $"


def form_of(properties: Mapping[str, bytes]) -> Form:
    """Return the form that a file with these *properties* has."""
    style = properties.get("svn:eol-style", b"").decode("utf-8", "replace").strip()
    eol = _EOLS.get(style)
    keywords: dict[str, str] = {}
    for word in properties.get("svn:keywords", b"").decode("utf-8", "replace").split():
        name, sign, custom = word.partition("=")
        if sign:
            keywords[name] = custom.replace("%H", "%P%_%r%_%d%_%a").replace("%I", "%b%_%r%_%d%_%a")
            continue
        plain = _BY_NAME.get(name.lower())
        for same in next((group for group in _SAME if plain in group), (plain,)):
            if same:
                keywords[same] = _FORMATS[same]
    return Form(eol, b"\n" if style == "native" else eol, tuple(keywords.items()))


def _told(form: str, facts: Facts) -> str:
    from sumatra.versioncontrol._subversion_text import quoted

    seconds = facts.date // 1_000_000
    local = time.localtime(seconds)
    url = f"{facts.root}/{quoted(facts.path)}" if facts.path else facts.root
    told = {
        "a": facts.author, "b": facts.path.rpartition("/")[2], "P": facts.path, "r": str(facts.revision),
        "R": facts.root, "u": url, "_": " ", "%": "%",
        "d": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds)),
        "D": time.strftime("%Y-%m-%d %H:%M:%S %z (%a, %d %b %Y)", local),
    }
    return re.sub("%(.)", lambda found: told.get(found[1], ""), form)
