"""URLs without secrets: what may stand in a record, a message or a log.

Works on anything that a version-control system takes as an address (URLs, ``host:path``, paths), never fails, and
leaves alone what it has done before.
"""

import re

__all__ = ["scrub", "scrub_text"]

_MASK = "***"

#: Names of accounts that stand for a service and not for a person; without them an SSH address can't be used.
_SERVICES = frozenset({"git", "hg", "svn", "bzr", "anonymous"})

_TELLING_NAME = (
    r"(?i)token|secret|passw|passphrase|passwd|pwd|credential|session|signature|api_?key|auth|jwt|bearer"
    r"|(?:^|[-_.])(?:key|sig|pat|sid|pass|pw|code)(?:$|[-_.])"
)
_ACCESS = (
    r"gh[a-z]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|gl[a-z]{1,6}-[\w-]{16,}|xox[a-z]-[\w-]{10,}|(?:AKIA|ASIA)[0-9A-Z]{16}"
    r"|hf_[A-Za-z0-9]{16,}|ATBB[A-Za-z0-9]{16,}|eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"
)
_SCHEME_BEFORE = r"[A-Za-z][A-Za-z0-9+.-]*$"
_AUTHORITY = r"[^/?#]*"
_SHORT_FORM = r"([^/]*?)@(?=[^/@:]+:)"
_NAMED_VALUE = r"[?&;#]([^=&;#?]*)="
_END_OF_VALUE = r"[&;#]|$"
_ESCAPE = r"%([0-9A-Fa-f]{2})"
_URL_IN_TEXT = r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+"


def scrub(url: str) -> str:
    """Return *url* without user name, password and tokens.

    The user name stays where SSH needs it and it stands for a service (``git@host:path``).  Values in the query or
    fragment are masked where their name tells of a secret, and what looks like an access token is masked anywhere.
    """
    while (clean := _scrub_once(url)) != url:  # what one pass has left may look like an address with a user again
        url = clean
    return url


def _scrub_once(url: str) -> str:
    first, *others = url.split("://")
    if others:
        before = first
        cleaned = [first]
        for piece in others:
            cleaned.append(_without_user(piece, _scheme(before)))
            before = piece
        clean = "://".join(cleaned)
    else:
        clean = _short_without_user(url)
    return re.sub(_ACCESS, _MASK, _without_secret_values(clean))


def scrub_text(text: str) -> str:
    """Return *text* with every URL in it scrubbed."""
    return re.sub(_URL_IN_TEXT, lambda found: scrub(found[0]), text)


def _scheme(before: str) -> str:
    found = re.search(_SCHEME_BEFORE, before)
    return found[0].lower() if found else ""


def _short_without_user(url: str) -> str:
    """Scrub ``user@host:path``; what follows may have the same form."""
    short_form = re.compile(_SHORT_FORM)
    kept, done = "", 0
    while not kept and (found := short_form.match(url, done)):
        kept, done = _user_kept(found[1], "ssh"), found.end()
    return kept + url[done:]


def _without_user(piece: str, scheme: str) -> str:
    """Scrub what follows ``scheme://``."""
    authority = re.match(_AUTHORITY, piece)[0]  # type: ignore[index]  # it matches the empty string too
    tail = piece[len(authority):]
    user, at, host = authority.rpartition("@")
    if at:
        return _user_kept(user, scheme) + host + tail
    port = authority.rpartition(":")[2]
    if ":" in authority and port and not port.isdigit() and not port.endswith("]") and "@" in tail:
        # A password with an unescaped slash, question mark or hash: what looks like the host is the user.
        return tail.rpartition("@")[2]
    return piece


def _user_kept(user: str, scheme: str) -> str:
    name = user.partition(":")[0]
    return f"{name}@" if scheme.endswith("ssh") and name in _SERVICES else ""


def _without_secret_values(url: str) -> str:
    cleaned, done = [], 0
    for found in re.finditer(_NAMED_VALUE, url):
        if found.start() < done:
            continue
        name = re.sub(_ESCAPE, lambda escape: chr(int(escape[1], 16)), found[1])
        if re.search(_TELLING_NAME, name):
            cleaned += [url[done:found.end()], _MASK]
            done = re.compile(_END_OF_VALUE).search(url, found.end()).start()  # type: ignore[union-attr]
    return "".join([*cleaned, url[done:]])
