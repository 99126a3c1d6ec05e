"""Secrets planted all around a run are in no file of ours and in nothing that we print."""

import base64
import os
import urllib.parse
from pathlib import Path

import pytest

CANARIES = {
    "environment": "canary-Env-9f3a77b1",
    "denied": "canary-Pass-5d2c6e80",
    "argument": "canary-Arg-1b7e4f92",
    "word": "canary-Word-77aa01c3",
    "url": "canary-Url-0c9d8e7f",
    "remote": "canary-Remote-4e5f6a7b",
    "dotenv": "canary-Dotenv-2a3b4c5d",
    "key": "canary-Pem-6f5e4d3c",
    "aws": "AKIACANARY0123456789",
    "github": "ghp_canary0123456789ABCDEFabcdef01234567",
}


def forms(secret: str) -> list[bytes]:
    """Return the forms in which a secret could hide."""
    return [
        secret.encode(), secret.encode("utf-16-le"), urllib.parse.quote(secret, safe="").encode(),
        base64.b64encode(secret.encode()).rstrip(b"=")[:-1],
    ]


def found_in(content: bytes) -> set[str]:
    return {name for name, secret in CANARIES.items() if any(form in content for form in forms(secret))}


def test_the_search_finds_what_is_there():
    assert found_in(b"x" + CANARIES["url"].encode("utf-16-le")) == {"url"}
    assert found_in(b"nothing") == set()


@pytest.mark.provokes("secret-masked")
def test_planted_secrets_are_nowhere(repository, smt, git):
    git("remote", "set-url", "origin", f"https://ada:{CANARIES['remote']}@example.org/code.git")
    (repository / ".env").write_text(f"DB_PASSWORD={CANARIES['dotenv']}\n")
    (repository / "server.pem").write_text(f"-----BEGIN PRIVATE KEY-----\n{CANARIES['key']}\n")
    secrets = {
        "MY_API_TOKEN": CANARIES["environment"], "OMP_PASSWORD": CANARIES["denied"],
        "PYTHON_URL": f"https://u:{CANARIES['url']}@example.org/x", "SLURM_JWT": CANARIES["denied"],
    }
    words = ["sh", "-c", "echo fine; exit 3", "x", f"--password={CANARIES['argument']}", "--token", CANARIES["word"],
             f"https://ada:{CANARIES['url']}@example.org/", CANARIES["aws"], CANARIES["github"]]
    printed = ""
    for command in (["init", "P"], ["run", "-D", "-l", "one", "--", *words],
                    ["run", "-l", "gone", "--", "no-such", *words],
                    ["info"], ["info", "--json"], ["view", "one"], ["view", "one", "--json"], ["view", "--receipt"],
                    ["list", "-l"], ["list", "-T"], ["list", "-P"], ["list", "-O"], ["configure", "-e", "python"],
                    *(["list", "-l", "-f", form] for form in ("json", "csv", "html", "latex", "markdown", "shell"))):
        said = smt(*command, **secrets)
        printed += said.out + said.err
        assert "Traceback" not in said.err
    assert found_in(os.fsencode(printed)) == set()
    kept = {path: found_in(path.read_bytes()) for path in Path(".smt").rglob("*") if path.is_file()}
    assert {path: names for path, names in kept.items() if names} == {}
    assert "secret-masked" in smt("view", "one", "--receipt").out
    assert "secret-file" in smt("view", "one", "--receipt").out


def test_a_secret_can_be_seen_to_have_changed_but_not_what_it_is(project, smt):
    for label, secret in (("a", "first"), ("b", "first"), ("c", "second")):
        smt("run", "-l", label, "--", "echo", f"--password={secret}")
    commands = smt("list", "--columns=command", "-f", "csv", "--sort=label").out.splitlines()[1:]
    assert commands[0] == commands[1] != commands[2]
    assert "hmac-sha256:" in commands[0]


def test_the_program_gets_its_secrets_all_the_same(project, smt):
    said = smt("run", "--", "sh", "-c", 'echo "$1 $MY_API_TOKEN"', "x", "--password=open", MY_API_TOKEN="sesame")
    assert said.out == "--password=open sesame\n"


@pytest.mark.provokes("secret-in-parameters")
def test_secrets_among_parameters_are_masked_and_their_file_is_not_kept(project, smt):
    (project / "db.param").write_text('host = "db"\napi_key = "canary-Param-77f2e1"\ntau_m = 3.0\n')
    (project / ".gitignore").write_text("*.param\n.smt\nData\n")
    said = smt("run", "-l", "p", "--", "cat", "db.param")
    assert "canary-Param-77f2e1" in said.out
    assert smt("list", "tau_m == 3.0 and host == 'nobody' or tau_m == 3").out == "p\n"
    shown = smt("view", "p", "--parameters").out
    assert "canary-Param" not in shown
    assert "hmac-sha256:" in shown
    assert "secret-in-parameters" in smt("view", "p", "--receipt").out
    # What the program printed is kept as it is; the file that it read isn't.
    original = (project / "db.param").read_bytes()
    kept = [path for path in Path(".smt", "objects").rglob("*") if path.is_file() and path.read_bytes() == original]
    assert len(kept) == 1
