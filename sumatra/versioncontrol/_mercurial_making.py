"""New Mercurial repositories: clones, and what comes out of bundles.

Hg writes only into the folder that is to be made.  Working files are written by hg too, except where there are
sub-repositories: it would fetch them, or give up; then they are written by us.
"""

import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress

from sumatra.errors import VersionControlError
from sumatra.versioncontrol import _mercurial_config
from sumatra.versioncontrol._addresses import ForeignAddress, check_host, protocol_of
from sumatra.versioncontrol._mercurial_program import Hg, Reply
from sumatra.versioncontrol._new_folder import clear, is_there, prepare
from sumatra.versioncontrol._text import printable
from sumatra.versioncontrol._urls import scrub

__all__ = ["bundle", "clone", "restore"]

_PROTOCOLS = ("file", "http", "https", "ssh")
#: Settings of the user that say how other machines are reached.
_NETWORK = re.compile(
    r"auth\..*|web\.cacerts|http_proxy\..*|hostsecurity\..*|hostfingerprints\..*|ui\.ssh|ui\.remotecmd"
)


#: Writes the files of a version, without those of sub-repositories: repository, version, folder.
WriteFiles = Callable[[str, str, str], None]


def clone(url: str, folder: str, write_files: WriteFiles) -> str:
    """Make a clone of *url* in the empty *folder*, and return the folder."""
    address, allows = _address(url)
    was_there = is_there(folder)
    folder = os.path.abspath(folder)
    settings = {
        name: value for name, value in _mercurial_config.of_user().items()
        if allows and _NETWORK.fullmatch(name) and "\n" not in value
    }
    hg = Hg(folder, settings, writes=folder, allows=allows)
    try:
        reply = hg.ask("clone", "--quiet", "--pull", "--noupdate", "--", address, folder, within=False)
        if reply.status != 0:
            said = hg.said(reply).replace(url, scrub(url))
            raise VersionControlError(f"{printable(scrub(url))} can't be cloned: {said}", "check address and access")
        head = hg.ask("log", "-r", "default", "-T", "{node}")
        tip = hg.ask("log", "-r", "tip", "-T", "{node}")
        version = (head.output if head.status == 0 and head.output else tip.output).decode()
        if version.strip("0"):
            _update(hg, version, folder, write_files)
    except BaseException:
        clear(folder, itself=not was_there)
        raise
    finally:
        hg.stop()
    return folder


def bundle(root: str, version: str, path: str, requires: Sequence[str]) -> None:
    """Write the bundle *path*, which isn't there yet, of *version* and its history."""
    path = os.path.abspath(path)
    if os.path.lexists(path):
        raise VersionControlError(f"{path} is there already", "choose another name")
    hg = Hg(root, writes=path, requires=requires)
    try:
        reply = hg.ask("bundle", "--quiet", "--base", "null", "-r", version, "-t", "gzip-v2", "--", path)
        if reply.status != 0:
            with suppress(OSError):
                os.unlink(path)
            raise VersionControlError(f"hg can't bundle version {version} of {printable(root)}: {hg.said(reply)}")
    finally:
        hg.stop()


def restore(path: str, version: str, folder: str, write_files: WriteFiles) -> str:
    """Make a repository of the bundle *path* in the empty *folder*, at *version*, and return the folder."""
    path = os.path.abspath(path)
    if not re.fullmatch(r"[0-9a-f]{40}", version) or not version.strip("0"):
        raise VersionControlError(f"{printable(version)!r} isn't the full name of a version")
    if not os.path.isfile(path):
        raise VersionControlError(f"there is no bundle {printable(path)}")
    folder = prepare(folder)
    hg = Hg(folder, writes=folder, allows=("bundle",))
    try:
        replies: list[Reply] = [hg.ask("init", "--", folder, within=False)]
        if replies[0].status == 0:
            replies.append(hg.ask("unbundle", "--quiet", "--", path))
        there = hg.ask("log", "-r", version, "-T", "{node}")
        if replies[-1].status != 0 or there.output.decode() != version:
            said = hg.said(replies[-1]) if replies[-1].status else "it has another one"
            raise VersionControlError(f"version {version} can't be taken from {printable(path)}: {said}")
        _update(hg, version, folder, write_files)
    except BaseException:
        clear(folder, itself=False)
        raise
    finally:
        hg.stop()
    return folder


def _update(hg: Hg, version: str, folder: str, write_files: WriteFiles) -> None:
    """Put the files of *version* into *folder*, where there are none yet."""
    if hg.ask("files", "-r", version, "--", "path:.hgsubstate").output:
        beside = prepare(os.path.join(folder, ".hg", "smt-files"))
        write_files(folder, version, beside)
        for name in os.listdir(beside):
            os.rename(os.path.join(beside, name), os.path.join(folder, name))
        os.rmdir(beside)
        hg.say("debugsetparents", version)
        hg.say("debugrebuilddirstate", "-r", version)
        return
    reply = hg.ask("update", "--quiet", "-r", version)
    if reply.status != 0:
        raise hg.trouble(reply)


def _address(url: str) -> tuple[str, tuple[str, ...]]:
    """Return *url* as hg may be given it, and what it needs; `VersionControlError` if it could start a program."""
    protocol = protocol_of(url, "Mercurial repository", "hg", _PROTOCOLS)
    if not protocol:
        return os.path.abspath(url), ()
    if protocol == "file":
        return url, ()
    if "?" in url:
        raise ForeignAddress(
            f"{printable(scrub(url))} isn't the address of a Mercurial repository: they have no question mark"
        )
    check_host(url)
    return url, ("network", "programs") if protocol == "ssh" else ("network",)
