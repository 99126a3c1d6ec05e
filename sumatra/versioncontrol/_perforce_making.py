"""Addresses of parts of a depot, and workspaces made from them."""

import os
import re
import socket
from collections.abc import Sequence
from contextlib import suppress

from sumatra.errors import VersionControlError
from sumatra.versioncontrol._addresses import ForeignAddress
from sumatra.versioncontrol._new_folder import clear, is_there
from sumatra.versioncontrol._perforce_program import P4, Settings, config_name, encoded, settings_of
from sumatra.versioncontrol._text import printable
from sumatra.versioncontrol._urls import scrub

__all__ = ["common_place", "make_workspace", "open_url", "url_of"]

#: ``p4://host:port/depot/path``; ``p4+ssl://`` where the server's address begins with ``ssl:``.
_URL = r"p4(?:\+((?:ssl|tcp)(?:4|6|46|64)?))?://(?:[^/@]*@)?([^/@?#]+)/(/?[^?]*)"
_LINE = r'\+?"?(//.*?)/\.\.\."? "?//[^/]+/(?:(.*)/)?\.\.\."?'
_LONG = 24 * 3600.0  # seconds to fetch everything


def url_of(port: str, place: str) -> str:
    """Return the address of *place* (``//depot/path``) on the server *port* (``ssl:host:1666``)."""
    transport, host = "", port
    found = re.fullmatch(r"((?:tcp|ssl)(?:4|6|46|64)?):(.*)", port)
    if found:
        transport, host = f"+{found[1]}", found[2]
    return f"p4{transport}://{host}/{place.lstrip('/')}"


def common_place(views: Sequence[str]) -> str:
    """Return the part of the depot that the lines of a view show from the top; empty where they mix several."""
    lines = [line for line in views if not line.startswith(("-", '"-'))]
    found = [re.fullmatch(_LINE, line) for line in lines]
    if len(found) == 1 and len(views) == 1 and found[0] and not found[0][2]:
        return found[0][1]
    return ""


def open_url(url: str, folder: str) -> tuple[P4, str]:
    """Return the program for the server that *url* names, and the part of its depot; raises `VersionControlError`."""
    found = re.fullmatch(_URL, url)
    place = "//" + (found[3].strip("/") if found else "")
    if not found or place == "//" or not url.isprintable() or "..." in place or "//" in place[2:] or '"' in place:
        raise ForeignAddress(
            f"{printable(scrub(url))[:200]!r} isn't the address of a part of a Perforce depot",
            "p4://HOST:PORT/DEPOT/PATH, or p4+ssl://…",
        )
    port = f"{found[1]}:{found[2]}" if found[1] else found[2]
    ours = settings_of(os.sep).values
    values = {name: value for name, value in ours.items() if name in ("P4USER", "P4CHARSET", "P4HOST", "P4IGNORE")}
    if ours.get("P4PORT") == port and "P4PASSWD" in ours:
        values["P4PASSWD"] = ours["P4PASSWD"]
    p4 = P4(Settings("", {**values, "P4PORT": port}), os.path.abspath(folder))
    place = encoded(place)
    reply = p4.ask("files", "-m1", f"{place}/...")
    if not any("depotFile" in item for item in reply.items):
        said = f": {reply.complaints[0]}" if reply.complaints else ""
        raise VersionControlError(f"there is nothing at {printable(scrub(url))}{said}", "p4 files //DEPOT/PATH/...")
    return p4, place


def make_workspace(url: str, folder: str) -> None:
    """Make *folder* (empty, or not there yet) a workspace of what *url* names, and fetch its files."""
    folder = os.path.abspath(folder)
    was_there = is_there(folder)
    if not folder.isprintable() or '"' in folder:
        raise VersionControlError(f"a workspace of Perforce's can't be in {printable(folder)}, because of its name")
    p4, place = open_url(url, folder)
    name = _name(folder)
    if p4.ask("clients", "-e", name).items:
        raise VersionControlError(f"the Perforce server has a workspace {name} already", f"p4 client -d {name}")
    form = (
        f"Client: {name}\n\nHost: {_host()}\n\nRoot: {folder}\n\nDescription:\n\tmade by Sumatra\n\n"
        f'View:\n\t"{place}/..." "//{name}/..."\n'
    )
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise VersionControlError(f"{folder} can't be made: {error.strerror}") from error
    try:
        p4.tell(["client", "-i"], os.fsencode(form))
        p4.tell(["-c", name, "sync", "-q", f"//{name}/..."], writes=folder, timeout=_LONG)
        _write_settings(folder, p4.port, name)
    except BaseException:
        clear(folder, itself=not was_there)
        with suppress(VersionControlError):
            p4.tell(["client", "-d", name])
        raise


def _write_settings(folder: str, port: str, client: str) -> None:
    path = os.path.join(folder, config_name())
    if os.path.lexists(path):
        raise VersionControlError(f"{path} is in the depot, so that Sumatra can't write its own", "p4 client, by hand")
    with open(path, "x", encoding="utf-8") as file:
        file.write(f"P4PORT={port}\nP4CLIENT={client}\n")


def _name(folder: str) -> str:
    """Return the name of a new workspace: readable, and of this folder on this machine."""
    import hashlib

    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", os.path.basename(folder))[:40].strip("-") or "folder"
    mark = hashlib.sha256(os.fsencode(f"{_host()}:{folder}")).hexdigest()[:8]
    return f"smt-{plain}-{mark}"


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", socket.gethostname())
