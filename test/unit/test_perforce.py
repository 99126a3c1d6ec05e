"""Workspaces of Perforce's beyond the contract: mixed changes, types, servers in trouble, hostile folders.

All of it with a stand-in for p4; see ``test/programs/perforce/p4``.
"""

import io
import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sumatra.errors import VersionControlError
from sumatra.testing.workingcopies import files_below, kept_changes
from sumatra.versioncontrol import checkout, find
from sumatra.versioncontrol._perforce import PerforceWorkingCopy
from sumatra.versioncontrol._perforce_making import common_place, url_of
from sumatra.versioncontrol._perforce_program import _read, config_name, decoded, encoded, unmarshalled
from sumatra.versioncontrol.base import ChangedFile

P4 = Callable[..., str]


def put(**files: str | bytes) -> None:
    """Write files into the current folder, whatever is there; ``_`` stands for the dot."""
    for name, content in files.items():
        path = Path(name.replace("_", ".", 1))
        if path.exists():
            path.unlink()
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def submit(p4: P4) -> None:
    p4("reconcile")
    p4("submit", "-d", "more")


def here() -> PerforceWorkingCopy:
    return PerforceWorkingCopy.create(os.getcwd())


def state(tmp_path: Path, **changed: Any) -> dict[str, Any]:
    """Return what the stand-in keeps, after changing it."""
    file = tmp_path / ".p4-stand-in" / "state.json"
    kept: dict[str, Any] = {**json.loads(file.read_text()), **changed}
    file.write_text(json.dumps(kept))
    return kept


def modelled(p4: P4) -> None:
    put(a_py="1\n", b_py="1\n", c_py="1\n")
    submit(p4)


def nothing_kept(digest: str) -> bytes:
    raise AssertionError(digest)


# Which change


def test_a_workspace_at_an_older_change_is_at_that_change(p4: P4) -> None:
    modelled(p4)
    put(a_py="2\n")
    submit(p4)
    p4("sync", "//ws/...@7")
    status = here().status()
    assert (status.version, status.changed, status.notes) == ("7", (), ())


def test_a_last_change_that_took_files_away_counts(p4: P4) -> None:
    modelled(p4)
    Path("c.py").unlink()
    submit(p4)  # 14
    put(a_py="2\n")
    submit(p4)  # 21
    assert here().version() == "21"
    p4("sync", "//ws/...@14")
    status = here().status()
    assert (status.version, status.changed, status.notes) == ("14", (), ())
    p4("sync", "//ws/...@7")
    assert here().status()[0::2] == ("7", ())


def test_files_of_several_changes_are_told_and_come_back_as_they_were(p4: P4, tmp_path: Path) -> None:
    modelled(p4)
    put(a_py="2\n")
    submit(p4)
    put(b_py="2\n")
    submit(p4)
    p4("sync", "//ws/a.py@7")
    status = here().status()
    assert status.version == "21"
    assert status.changed == (ChangedFile("a.py", "modified", "100644"),)
    assert "a.py" in status.notes[0]
    changes, content = kept_changes(here())
    here().export("21", changes, str(tmp_path / "built"), content)
    assert [(tmp_path / "built" / name).read_text() for name in ("a.py", "b.py", "c.py")] == ["1\n", "2\n", "1\n"]
    p4("sync", "//ws/c.py#9")  # none of its versions: it is taken away
    assert ChangedFile("c.py", "deleted") in here().status().changed


def test_a_workspace_that_was_never_synchronised_lacks_all_files(p4: P4, tmp_path: Path) -> None:
    modelled(p4)
    (tmp_path / "other").mkdir()
    p4("client", "-i", form="Client: other\n\nRoot: other\n\nView:\n\t//depot/model/... //other/...\n")
    (tmp_path / "other" / ".p4config").write_text("P4PORT=localhost:1666\nP4CLIENT=other\n")
    status = PerforceWorkingCopy.create(str(tmp_path / "other")).status()
    assert status.version == "7"
    assert {change.kind for change in status.changed} == {"deleted"}
    assert status.notes


def test_a_label_of_several_changes_is_no_version(p4: P4) -> None:
    modelled(p4)
    p4("tag", "-l", "whole")
    put(a_py="2\n")
    submit(p4)
    put(b_py="2\n")
    submit(p4)
    p4("sync", "//ws/a.py@7")
    p4("tag", "-l", "mixed")
    assert here().resolve("whole") == "7"
    assert here().resolve("@14") == here().resolve("14") == "14"
    assert here().resolve("head") == "21"
    with pytest.raises(VersionControlError) as caught:
        here().resolve("mixed")
    assert "several changes" in caught.value.message


# What has changed


def test_files_are_read_only_and_edited_with_and_without_being_opened(p4: P4) -> None:
    modelled(p4)
    assert not os.stat("a.py").st_mode & stat.S_IWUSR
    p4("edit", "a.py")
    assert here().status().changed == ()  # opened, and still the same
    put(a_py="2\n", b_py="2\n", new_py="1\n", more_py="1\n")
    p4("add", "new.py")
    p4("delete", "c.py")
    assert sorted(here().status().changed) == [
        ChangedFile("a.py", "modified", "100644"), ChangedFile("b.py", "modified", "100644"),
        ChangedFile("c.py", "deleted"), ChangedFile("more.py", "untracked", "100644"),
        ChangedFile("new.py", "added", "100644"),
    ]
    patch = here().diff()
    assert "-1\n+2\n" in patch
    assert "more.py" not in patch


def test_a_moved_file_is_one_that_is_gone_and_one_that_is_new(p4: P4) -> None:
    modelled(p4)
    p4("edit", "a.py")
    p4("move", "a.py", "z.py")
    assert sorted(here().status().changed) == [ChangedFile("a.py", "deleted"), ChangedFile("z.py", "added", "100644")]
    p4("submit", "-d", "moved")
    status = here().status()
    assert (status.version, status.changed, status.notes) == ("14", (), ())


def test_a_merge_that_is_not_resolved_is_noted(p4: P4, tmp_path: Path) -> None:
    modelled(p4)
    p4("edit", "a.py")
    clients = state(tmp_path)["clients"]
    clients["ws"]["opened"]["//depot/model/a.py"]["unresolved"] = True
    state(tmp_path, clients=clients)
    assert here().status().notes == ("a merge isn't resolved: a.py",)


@pytest.mark.parametrize(("kind", "content"), [
    ("text+k", b"# $Id$ $Revision$\nprint(1)\n"),
    ("text+kx", b"#!/bin/sh\n# $Id$\n"), ("utf16", "é\n".encode("utf-16")),
    ("binary", b"\x00\r\n\xff"), ("text", b"a\r\nb\r\n"), ("text", b""), ("text", b"caf\xe9\n"),
])
def test_files_of_any_type_are_unchanged_until_changed_and_come_back_as_they_were(
    p4: P4, tmp_path: Path, kind: str, content: bytes
) -> None:
    put(file=content)
    is_program = "x" in kind.partition("+")[2]
    if is_program:
        os.chmod("file", 0o755)
    p4("add", "-t", kind, "file")
    p4("submit", "-d", "more")
    held = Path("file").read_bytes()
    assert (b"#1" in held) == ("+k" in kind)  # keywords are filled in
    assert here().status().changed == ()
    here().export("7", [], str(tmp_path / "built"), nothing_kept)
    built = files_below(tmp_path / "built")["file"]
    assert built[1] == held
    assert bool(built[0] & 0o100) == is_program
    assert here().content("file") == held
    p4("edit", "file")
    Path("file").write_bytes(held.replace(b"\n", b"!\n") if b"\n" in held else b"new")
    assert here().changed_paths() == ["file"]


def test_a_digest_that_the_server_does_not_tell_or_counts_otherwise_is_no_change(
    p4: P4, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of some types a server may keep other digests than we think: then the content decides."""
    put(k_py=b"# $Id$\n", u_txt="é\n".encode("utf-16"))
    p4("add", "-t", "text+k", "k.py")
    p4("add", "u.txt")
    p4("submit", "-d", "more")
    from sumatra.versioncontrol import _perforce_files

    monkeypatch.setattr(_perforce_files, "_md5", lambda content: "another")
    assert here().status().changed == ()


def test_names_that_mean_something_to_perforce_are_names(p4: P4, tmp_path: Path) -> None:
    names = ["a@b.py", "#1.py", "100%.py", "%40.py", "*.py", "a b@7"]
    for name in names:
        Path(name).write_text("1\n")
    submit(p4)
    assert here().status().changed == ()
    assert all(here().contains(name) and here().content(name) == b"1\n" for name in names)
    here().export("7", [], str(tmp_path / "built"), nothing_kept)
    assert set(files_below(tmp_path / "built")) == set(names)
    assert [decoded(encoded(name)) for name in names] == names


def test_folders_of_data_that_are_ignored_are_not_walked(p4: P4, monkeypatch: pytest.MonkeyPatch) -> None:
    put(a_py="1\n", _p4ignore="results\n*.dat\n")
    submit(p4)
    Path("results/deep").mkdir(parents=True)
    Path("results/deep/x.py").write_text("x\n")
    Path("x.dat").write_text("x\n")
    Path("y.py").write_text("x\n")
    seen = []
    from sumatra.versioncontrol import _perforce_untracked

    entries = _perforce_untracked._entries
    monkeypatch.setattr(_perforce_untracked, "_entries", lambda folder: seen.append(folder) or entries(folder))
    assert here().changed_paths() == ["y.py"]
    assert seen
    assert not any("results" in folder for folder in seen)


@pytest.mark.parametrize("name", ["...", "a...y", "a_py/..."])
def test_no_name_is_asked_for_that_means_many_files_to_p4(p4: P4, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put(a_py="1\n")
    submit(p4)
    copy = here()
    monkeypatch.setattr(copy, "_files_at", None)
    with pytest.raises(VersionControlError):
        copy.content(name)
    assert not copy.contains(name)


# Where it is


def test_it_is_found_from_below_and_a_file_of_settings_above_means_nothing(p4: P4, tmp_path: Path) -> None:
    Path("deep/er").mkdir(parents=True)
    found = find("deep/er")
    assert found is not None
    assert (found.name, found.root) == ("perforce", str(tmp_path / "ws"))
    os.rename(".p4config", tmp_path / ".p4config")
    found = find("deep")
    assert found is not None
    assert found.root == str(tmp_path / "ws")
    assert find(str(tmp_path)) is None  # it isn't in the workspace
    (tmp_path / ".p4config").write_text("P4PORT=localhost:1\nP4USER=ada\n")  # as many have in their home
    assert find("deep") is None


def test_settings_may_have_another_name_and_may_be_in_the_environment(
    p4: P4, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.rename(".p4config", ".perforce")
    assert find(".") is None
    monkeypatch.setenv("P4CONFIG", ".perforce")
    assert config_name() == ".perforce"
    assert find(".") is not None
    monkeypatch.delenv("P4CONFIG")
    monkeypatch.setenv("P4PORT", "localhost:1666")
    monkeypatch.setenv("P4CLIENT", "ws")
    found = find(".")
    assert found is not None
    assert found.root == str(tmp_path / "ws")
    assert find(str(tmp_path)) is None


def test_without_any_settings_p4_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "p4").write_text("#!/bin/sh\ntouch fired\nsleep 100\n")
    (tmp_path / "p4").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    began = time.monotonic()
    assert find(str(tmp_path)) is None
    assert time.monotonic() - began < 5
    assert not (tmp_path / "fired").exists()


def test_a_stream_is_told_as_the_branch_and_the_address(p4: P4) -> None:
    p4("client", "-i", form="Client: ws\n\nRoot: ws\n\nStream: //flow/main\n\nView:\n\t//flow/main/... //ws/...\n")
    repository = here().repository()
    assert (repository.branch, repository.url) == ("//flow/main", "p4://localhost:1666/flow/main")
    assert here().status().branch == "//flow/main"


def test_a_view_that_leaves_out_and_moves_files_is_followed(p4: P4, tmp_path: Path) -> None:
    modelled(p4)
    p4("client", "-i", form=(
        "Client: ws\n\nRoot: ws\n\nView:\n\t//depot/model/... //ws/...\n\t-//depot/model/c.py //ws/c.py\n"
        '\t"//depot/model/b.py" "//ws/sub dir/b.py"\n'
    ))
    p4("sync", "//ws/...@7")
    Path("b.py").unlink(missing_ok=True)
    Path("c.py").unlink(missing_ok=True)
    p4("sync", "//ws/...@0")
    p4("sync", "//ws/...@7")
    assert here().status().changed == ()
    here().export("7", [], str(tmp_path / "built"), nothing_kept)
    assert set(files_below(tmp_path / "built")) == {"a.py", "sub dir/b.py"}
    assert here().repository().url == "p4://localhost:1666/"


@pytest.mark.parametrize(("port", "place", "url"), [
    ("localhost:1666", "//depot/a", "p4://localhost:1666/depot/a"),
    ("ssl:[::1]:1666", "//depot", "p4+ssl://[::1]:1666/depot"), ("tcp6:host:1", "", "p4+tcp6://host:1/"),
])
def test_an_address_has_server_and_place(port: str, place: str, url: str) -> None:
    assert url_of(port, place) == url


def test_only_a_plain_view_is_a_place() -> None:
    assert common_place(["//depot/a b/... //ws/..."]) == "//depot/a b"
    assert common_place(["//depot/a/... //ws/sub/..."]) == ""
    assert common_place(["//depot/a/... //ws/...", "-//depot/a/x/... //ws/x/..."]) == ""


# Making one


def test_a_checkout_is_a_workspace_that_the_server_knows(p4: P4, tmp_path: Path) -> None:
    modelled(p4)
    made = checkout("p4://localhost:1666/depot/model", str(tmp_path / "my copy"))
    assert made.status() == here().status()
    assert len(state(tmp_path)["clients"]) == 2
    assert (tmp_path / "my copy" / ".p4config").read_text().startswith("P4PORT=localhost:1666\nP4CLIENT=smt-my-copy-")


def test_what_is_borrowed_leaves_nothing_on_the_server(p4: P4, tmp_path: Path) -> None:
    modelled(p4)
    put(a_py="2\n")
    submit(p4)
    before = state(tmp_path)
    copy = checkout("p4://localhost:1666/depot/model", str(tmp_path / "scratch"), lasting=False)
    assert copy.resolve("7") == "7"
    assert copy.content("a.py", "7") == b"1\n"
    assert copy.export("7", [], str(tmp_path / "built"), nothing_kept) == ()
    assert files_below(tmp_path / "built")["a.py"] == (0o100644, b"1\n")
    assert state(tmp_path) == before


@pytest.mark.parametrize("url", [
    "p4://localhost:1666/depot/nothing", "p4://localhost:1666/", "p4://localhost:1666/depot/model/...",
    "p4+rsh://touch fired/depot", "p4://rsh:touch fired/depot", "p4://-x/depot", "p4://localhost:1666/depot/a\"b",
])
def test_what_is_no_part_of_a_depot_cannot_be_checked_out(p4: P4, tmp_path: Path, url: str) -> None:
    modelled(p4)
    with pytest.raises(VersionControlError) as caught:
        PerforceWorkingCopy.checkout(url, str(tmp_path / "made"))
    assert "\n" not in caught.value.message
    assert not (tmp_path / "made").exists()
    assert not Path("fired").exists()
    assert list(state(tmp_path)["clients"]) == ["ws"]


# Servers in trouble


@pytest.mark.parametrize(("trouble", "said", "hint"), [
    ("logged-out", "aren't logged in", "login"), ("expired", "has expired", "login"), ("prompt", "logged in", "login"),
    ("gone", "can't be reached", "p4 info"),
])
def test_a_server_that_cannot_be_asked_is_a_sentence(
    p4: P4, tmp_path: Path, trouble: str, said: str, hint: str
) -> None:
    modelled(p4)
    state(tmp_path, trouble=trouble)
    with pytest.raises(VersionControlError) as caught:
        here().status()
    assert said in caught.value.message
    assert "localhost:1666" in caught.value.message
    assert "\n" not in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_server_that_does_not_answer_is_given_up(p4: P4, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sumatra.versioncontrol import _perforce_program

    monkeypatch.setattr(_perforce_program, "_FIRST", 0.5)
    state(tmp_path, trouble="hang")
    with pytest.raises(VersionControlError) as caught:
        find(".")
    assert "didn't answer" in caught.value.message


def test_a_workspace_that_the_server_does_not_know_is_a_sentence(p4: P4) -> None:
    Path(".p4config").write_text("P4PORT=localhost:1666\nP4CLIENT=nobody\n")
    with pytest.raises(VersionControlError) as caught:
        find(".")
    assert "nobody" in caught.value.message


# Strangers


def test_nothing_that_a_folder_or_a_server_wants_is_done(
    p4: P4, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modelled(p4)
    canary = tmp_path / "fired"
    programs = ("P4EDITOR", "P4DIFF", "P4MERGE", "P4PAGER", "P4LOGINSSO", "P4ALTSYNC")
    Path(".p4config").write_text(
        "P4PORT=localhost:1666\nP4CLIENT=ws\nP4USER=ada\nP4CLIENTPATH=/\n"
        + "".join(f"{name}=touch {canary}\n" for name in programs)
    )
    for name in programs:
        monkeypatch.setenv(name, f"touch {canary}")
    monkeypatch.setenv("P4CONFIG", ".p4config")
    state(tmp_path, evil=str(tmp_path))
    copy = find(".")
    assert copy is not None
    copy.status()
    copy.diff()
    copy.repository()
    copy.revision()
    copy.export("7", [], str(tmp_path / "built"), nothing_kept)
    checkout("p4://localhost:1666/depot/model", str(tmp_path / "made"))
    assert (tmp_path / ".p4-stand-in" / "heard").exists()  # it was asked
    assert not canary.exists()
    assert not (tmp_path / "written-by-the-server").exists()


@pytest.mark.parametrize("port", ["rsh:touch fired", "rsh:sh -c 'touch fired'", "-x", "a b:1", "localhost", "jsh:x:1"])
def test_an_address_that_could_start_a_program_is_refused(p4: P4, port: str) -> None:
    Path(".p4config").write_text(f"P4PORT={port}\nP4CLIENT=ws\n")
    with pytest.raises(VersionControlError) as caught:
        find(".")
    assert "fired" not in f"{caught.value}"
    assert not Path("fired").exists()


def test_a_password_goes_to_the_users_own_server_only(
    p4: P4, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modelled(p4)
    state(tmp_path, evil=str(tmp_path))
    heard = tmp_path / ".p4-stand-in" / "heard"
    monkeypatch.setenv("P4PASSWD", "hunter2")
    monkeypatch.setenv("P4PORT", "elsewhere:1666")
    here().status()
    assert "hunter2" not in heard.read_text()
    monkeypatch.setenv("P4PORT", "localhost:1666")
    here().status()
    assert "hunter2" in heard.read_text()


def test_a_file_of_settings_that_is_a_pipe_does_not_keep_us_waiting(p4: P4) -> None:
    os.unlink(".p4config")
    os.mkfifo(".p4config")
    with pytest.raises(VersionControlError):
        find(".")


@pytest.mark.parametrize("said", [
    b"x", b"{", b"{s", b"{s\x04\0\0\0code", b"{s\xff\xff\xff\xffcode", b"{c", b"{s\x01\0\0\0a[", b"{s\x01\0\0\0as\xff",
    b"{i\x01\0\0\0r\0\0\0\0", b"Perforce client error:\n", b"{(\x02\0\0\0",
])
def test_what_is_no_answer_is_an_error(said: bytes) -> None:
    with pytest.raises(VersionControlError):
        list(_read(io.BytesIO(said)))


def test_an_answer_is_read_however_it_is_cut() -> None:
    said = b"{s\x04\0\0\0codes\x04\0\0\0stats\x01\0\0\0ni\xfe\xff\xff\xff0" * 2
    whole = [{"code": b"stat", "n": b"-2"}] * 2
    assert unmarshalled(said) == (whole, len(said))
    assert list(_read(io.BytesIO(said))) == whole
    for cut in range(len(said)):
        items, done = unmarshalled(said[:cut])
        assert items + unmarshalled(said[done:])[0] == whole
