"""How an installed distribution is told in a list for pip and uv: where it came from, without secrets."""

import json
import re
from collections.abc import Sequence
from typing import Any

__all__ = ["requirement", "scrub"]

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_VERSION = r"[A-Za-z0-9.!+_-]*"


def requirement(name: str, version: str, installer: str, origin: str, roots: Sequence[str], digest: str) -> str:
    """Return the line for a distribution.

    *origin* is the content of ``direct_url.json``, *roots* the folders that an editable one is loaded from, *digest*
    that of its files.  What pip couldn't read becomes a comment, as pip would refuse the whole list for it.
    """
    name, version = _plain(name), _plain(version)
    comments = [_plain(installer)] if installer else []
    if digest:
        comments.append(f"files sha256:{digest}")
    line = _from_origin(name, origin) if origin else f"-e file://{_quoted(roots[0])}" if roots else name
    if line != name:
        comments.insert(0, f"{name}=={version}" if version else name)
    elif version:
        line = f"{name}=={version}"
    if not re.fullmatch(_NAME, name) or not re.fullmatch(_VERSION, version):
        line = f"# not a requirement: {line}"
    return f"{line}  # {', '.join(comments)}" if comments else line


def scrub(url: str) -> str:
    """Return *url* without user, password, query and what looks like a token."""
    from sumatra.capture import mask
    from sumatra.capture.secrets import MARK

    scheme, separator, rest = url.partition("://")
    if separator:
        authority, slash, path = rest.partition("/")
        user, at, host = authority.rpartition("@")
        keeps = user == "git" and scheme.endswith("ssh")  # the name of a service, without which it can't be used
        rest = (f"{user}@" if at and keeps else "") + host + slash + path
    url = f"{scheme}{separator}{rest}"
    url, sharp, fragment = url.partition("#")
    url = re.sub(r"/t/[^/]+/", "/t/***/", url.partition("?")[0])  # how conda's channels take tokens
    masked = mask(f"{url}{sharp}{fragment}", b"-")[0]
    return re.sub(re.escape(MARK) + "[0-9a-f]+", "***", masked)


def _from_origin(name: str, origin: str) -> str:
    """Return the requirement for what was installed from an address and not from an index, or just *name*."""
    try:
        told: Any = json.loads(origin)
        url = _plain(scrub(told["url"])).replace(" ", "%20")
        extra = f"#subdirectory={_plain(told['subdirectory'])}" if told.get("subdirectory") else ""
        if "vcs_info" in told:
            return f"{name} @ {_plain(told['vcs_info']['vcs'])}+{url}@{_plain(told['vcs_info']['commit_id'])}{extra}"
        if "archive_info" in told:
            hashes = told["archive_info"].get("hashes") or {}
            sha256 = hashes.get("sha256") or told["archive_info"].get("hash", "").removeprefix("sha256=")
            if re.fullmatch("[0-9a-f]{64}", sha256):
                extra = f"{extra}&sha256={sha256}" if extra else f"#sha256={sha256}"
            return f"{name} @ {url}{extra}"
        return f"-e {url}{extra}" if told["dir_info"].get("editable") is True else f"{name} @ {url}{extra}"
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return name


def _quoted(path: str) -> str:
    from urllib.parse import quote

    return quote(path, errors="surrogateescape")


def _plain(text: object) -> str:
    """Return *text* on one line."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", "?", str(text))
