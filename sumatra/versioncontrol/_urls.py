"""URLs without secrets: what may stand in a record, a message or a log.

Works on anything that a version-control system takes as an address (URLs, ``host:path``, paths), never fails, and
leaves alone what it has done before.
"""

import re

__all__ = ["scrub", "scrub_text"]

_MASK = "***"

#: Names of accounts that stand for a service and not for a person; without them an SSH address can't be used.
_SERVICES = frozenset({"git", "hg", "svn", "bzr", "anonymous"})

_SECRET_NAME = re.compile(
    r"token|secret|passw|passphrase|passwd|pwd|credential|session|signature|api_?key|auth|jwt|bearer"
    r"|(?:^|[-_.])(?:key|sig|pat|sid|pass|pw|code)(?:$|[-_.])",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"gh[a-z]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|gl[a-z]{1,6}-[\w-]{16,}|xox[a-z]-[\w-]{10,}|(?:AKIA|ASIA)[0-9A-Z]{16}"
    r"|hf_[A-Za-z0-9]{16,}|ATBB[A-Za-z0-9]{16,}|eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"
)
_SCHEME_BEFORE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*$")
_AUTHORITY = re.compile(r"[^/?#]*")
_SHORT_FORM = re.compile(r"([^/]*?)@(?=[^/@:]+:)")
_NAMED_VALUE = re.compile(r"[?&;#]([^=&;#?]*)=")
_END_OF_VALUE = re.compile(r"[&;#]|$")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_URL_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")


def scrub(url: str) -> str:
    """Return *url* without user name, password and tokens.

    The user name stays where SSH needs it and it stands for a service (``git@host:path``).  Values in the query or
    fragment are masked where their name tells of a secret, and what looks like an access token is masked anywhere.
    """
    first, *others = url.split("://")
    if others:
        before = first
        cleaned = [first]
        for piece in others:
            cleaned.append(_without_user(piece, _scheme(before)))
            before = piece
        clean = "://".join(cleaned)
    else:
        clean = _SHORT_FORM.sub(lambda found: _user_kept(found[1], "ssh"), url, count=1) if _is_short(url) else url
    return _TOKEN.sub(_MASK, _without_secret_values(clean))


def scrub_text(text: str) -> str:
    """Return *text* with every URL in it scrubbed."""
    return _URL_IN_TEXT.sub(lambda found: scrub(found[0]), text)


def _scheme(before: str) -> str:
    found = _SCHEME_BEFORE.search(before)
    return found[0].lower() if found else ""


def _is_short(url: str) -> bool:
    return _SHORT_FORM.match(url) is not None


def _without_user(piece: str, scheme: str) -> str:
    """Scrub what follows ``scheme://``."""
    authority = _AUTHORITY.match(piece)[0]  # type: ignore[index]  # it matches the empty string too
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
    for found in _NAMED_VALUE.finditer(url):
        if found.start() < done:
            continue
        name = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), found[1])
        if _SECRET_NAME.search(name):
            cleaned += [url[done:found.end()], _MASK]
            done = _END_OF_VALUE.search(url, found.end()).start()  # type: ignore[union-attr]  # the end always matches
    return "".join([*cleaned, url[done:]])
