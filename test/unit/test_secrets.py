"""Secrets don't get into records, and ordinary arguments come through untouched."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumatra.capture import environment, mask, mask_words
from sumatra.capture.secrets import MARK, hide, is_masked

KEY = b"the project's own key"
CANARY = "hunter2Canary9"


@pytest.mark.parametrize("words", [
    ["prog", "--password", CANARY],
    ["prog", f"--password={CANARY}"],
    ["prog", f"-password={CANARY}"],
    ["prog", "--db-passwd", CANARY],
    ["prog", "--token", CANARY],
    ["prog", f"--token={CANARY}"],
    ["prog", "--api-key", CANARY],
    ["prog", f"--api_key={CANARY}"],
    ["prog", f"--pass={CANARY}"],
    ["prog", f"db.password={CANARY}"],
    ["prog", f"PASSWORD=my {CANARY} has spaces"],
    ["env", f"PGPASSWORD={CANARY}", "psql"],
    ["env", f"WANDB_API_KEY={CANARY}", "python", "train.py"],
    ["mysql", f"-p{CANARY}", "lab"],
    ["/usr/bin/mysqldump", "-u", "me", f"-p{CANARY}", "lab"],
    ["sshpass", "-p", CANARY, "ssh", "cluster"],
    ["curl", "-u", f"me:{CANARY}", "https://example.org"],
    ["curl", f"-ume:{CANARY}", "https://example.org"],
    ["curl", "-H", f"Authorization: Bearer {CANARY}", "https://example.org"],
    ["curl", "-H", f"Authorization: Basic {CANARY}==", "https://example.org"],
    ["curl", "-H", f"PRIVATE-TOKEN: {CANARY}", "https://example.org"],
    ["curl", "-H", f"Cookie: theme=dark; session={CANARY}", "https://example.org"],
    ["redis-cli", "-a", CANARY],
    ["openssl", "enc", "-pass", f"pass:{CANARY}"],
    ["openssl", "enc", "-kfile", "x", "-passin", f"pass:{CANARY}"],
    ["git", "clone", f"https://me:{CANARY}@example.org/model.git"],
    ["git", "clone", f"https://{CANARY}@example.org/model.git"],
    ["git", "clone", f"https://me:p@{CANARY}@example.org/model.git"],
    ["fetch", f"postgresql://me:{CANARY}@db.example.org/lab"],
    ["fetch", f"postgresql://me:slash/{CANARY}@db.example.org/lab"],
    ["fetch", f"https://example.org/data?token={CANARY}&x=1"],
    ["fetch", f"https://example.org/data?x=1&X-Amz-Signature={CANARY}"],
    ["fetch", f"https://example.org/data?key={CANARY}"],
    ["bash", "-c", f"export PGPASSWORD={CANARY}; psql -h db"],
    ["bash", "-c", f"psql --password '{CANARY} too' -h db"],
    ["prog", f'--config={{"user": "me", "password": "{CANARY}"}}'],
    ["prog", f"--dsn=host=db user=me password={CANARY} port=5432"],
    ["prog", f"Server=db;User=me;Pwd={CANARY};"],
])
def test_a_secret_on_the_command_line_is_masked_and_counted(words):
    masked, count = mask_words(words, KEY)
    assert CANARY not in " ".join(masked)
    assert count == 1
    assert len(masked) == len(words)
    assert masked[0] == words[0]


@pytest.mark.parametrize("token", [
    "AKIA" + "IOSFODNN7EXAMPLE",
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "a1B2c3" * 10,
    "glpat-" + "a1B2c3D4e5" * 2,
    "xoxb-" + "123456789012-abcdefGHIJKL",
    "AIza" + "a1B2c" * 7,
    "sk_live_" + "a1B2c3" * 4,
    "hf_" + "aBcDe" * 7,
    "npm_" + "a1B2" * 9,
    "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".SflKxwRJSMeKKF2QT4fwpM",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA",
])
@pytest.mark.parametrize("around", ["{}", "--login={}", "name:{},x", "+LOGIN = '{}'\n+x = 1\n"])
def test_tokens_of_a_known_format_are_masked_wherever_they_stand(token, around):
    masked, count = mask(around.format(token), KEY)
    assert token not in masked
    assert count == 1
    assert masked.startswith(around.partition("{")[0])


@pytest.mark.parametrize("word", [
    "tau_m=10.0", "--seed=42", "default.param", "--pass=2", "--passes=3", "pass=fast", "n_tokens=512",
    "--max-token=4096", "--pad-token=[PAD]", "--mask_token=<mask>", "--eos-token=endoftext1", "--tokenizer=bpe32k",
    "--key=value", "sort_key=name", "--keys=a,b,c", "monkey=banana99", "pwd=/home/me/model", "--passband=10-200Hz",
    "compass=north123", "secretion=0.7", "-p8080", "-p", "--credentials=/etc/lab.json", "key.npy", "author=Jane.Doe99",
    "https://example.org/data?x=1&keyword=abc", "ssh://git@example.org/model.git", "git@example.org:model.git",
    "http://localhost:8080/a@b", "http://[::1]:8080/x@y", "https://example.org:8443/who@2", "data://a@b",
    "password=$PASSWORD", "a@b", "x==y", "--", "", "AKIA", "ask-me-anything-about-membranes-and-channels",
    "https://example.org/a,https://example.org/b@2", "Password for the lab?",
])
def test_ordinary_arguments_stay_as_they_are(word):
    assert mask_words(["python", "main.py", word], KEY) == (("python", "main.py", word), 0)
    assert mask(word, KEY) == (word, 0)


@pytest.mark.parametrize("words", [
    ["prog", "--token", "--verbose", "file1"],
    ["prog", "--no-password", "dump1.sql"],
    ["prog", "--ask-password", "dump1.sql"],
    ["prog", "--password-file", "secret1.txt"],
    ["prog", "--sort-key", "name1234"],
    ["prog", "--token", "128"],
    ["prog", "--mask-token", "mask1234567"],
    ["mysql", "-p", "database1"],
    ["ssh", "-p", "2222", "cluster"],
    ["docker", "run", "-p", "8080:80", "-u", "1000:1000", "image"],
    ["python", "-c", "print('key')"],
])
def test_options_that_hold_no_secret_keep_their_values(words):
    assert mask_words(words, KEY) == (tuple(words), 0)


CODE = '''\
+++ b/connect.py
+def connect(user, password: str, api_key=None, token: Optional[str] = None):
+    password = getpass.getpass("Your password 2: ")
+    secret = settings.secret2
+    if password == "" or token == 'x1':
+        api_key=os.environ["API_KEY"]
+    session.headers = {"Authorization": auth_header2, "X-Api-Key": make_key(1)}
+    return open(f"https://{user}:{password}@example.org/?token={token}", token=token, secret=row["secret1"])
+tokens = [1, 2, 3]
+max_token = 128
+password: bool
'''


def test_code_that_only_talks_of_secrets_stays_as_it_is():
    assert mask(CODE, KEY) == (CODE, 0)


@pytest.mark.parametrize("line", [
    f'+password = "{CANARY}"',
    f"+PASSWORD = '{CANARY}'",
    f'+connect(user, password="{CANARY}")',
    f'+self.api_key: str = "{CANARY}"',
    f'+os.environ["DB_PASSWORD"] = "{CANARY}"',
    f'+{{"user": "me", "password": "{CANARY}"}}',
    f"+password: {CANARY}",
    f"+DB_PASSWORD={CANARY}",
    f"+export API_KEY={CANARY}",
    f"+psql --password={CANARY} -h db",
    f'+open("https://me:{CANARY}@example.org")',
    f'+headers = {{"Authorization": "Bearer {CANARY}"}}',
])
def test_a_literal_secret_in_code_is_masked(line):
    masked, count = mask(f"+first = 1\n{line}\n+last = 2\n", KEY)
    assert CANARY not in masked
    assert count == 1
    assert masked.startswith("+first = 1\n")
    assert masked.endswith("\n+last = 2\n")


def test_what_stands_for_a_secret_changes_with_it_and_with_the_key_and_tells_nothing_else():
    assert hide("one", KEY) == hide("one", KEY)
    assert len({hide("one", KEY), hide("two", KEY), hide("one", b"another key")}) == 3
    assert re.fullmatch(r"hmac-sha256:[0-9a-f]{16}", hide("one" * 1000, KEY))
    assert is_masked(mask(f"--password={CANARY}", KEY)[0])
    assert is_masked(mask(f"https://me:{CANARY}@example.org", KEY)[0])
    assert not is_masked("--password")


def test_a_secret_with_bytes_that_are_no_text_is_masked_too():
    assert mask_words(["prog", "--password", "caf\udce9 1234"], KEY)[1] == 1


@given(st.lists(st.one_of(
    st.text(max_size=30),
    st.sampled_from(["--password", "--token", "mysql", "curl", "-u", f"-p{CANARY}", f"https://me:{CANARY}@h", "-c"]),
    st.text("abcPASSWORDtoken=-:'\"@/?& \n", max_size=30),
), max_size=6))
def test_masking_never_fails_and_changes_nothing_the_second_time(words):
    masked, _ = mask_words(words, KEY)
    assert mask_words(masked, KEY) == (masked, 0)


@pytest.mark.parametrize("text", [
    "a-" * 40_000 + "token", "a" * 80_000 + " token", "password " * 10_000, "://" * 30_000, "x@" * 40_000 + "://",
    "a.b-" * 20_000 + "secret", "--token" * 10_000, "eyJ-" * 5_000, '"password' * 10_000,
    "-----BEGIN PRIVATE KEY-----" * 2_000,
])
@pytest.mark.timeout(20)
def test_long_texts_are_read_in_reasonable_time(text):
    mask(text, KEY)
    mask(text + "\n", KEY)


def test_only_variables_of_the_allow_list_are_kept():
    kept = environment({
        "OMP_NUM_THREADS": "4", "MKL_NUM_THREADS": "2", "LANG": "C.UTF-8", "LC_ALL": "C", "PATH": "/usr/bin",
        "SLURM_JOB_ID": "17", "CUDA_VISIBLE_DEVICES": "0", "PYTHONHASHSEED": "0", "VIRTUAL_ENV": "/venv",
        "HOME": "/home/me", "USER": "me", "AWS_SECRET_ACCESS_KEY": CANARY, "SSH_AUTH_SOCK": "/tmp/x", "PS1": "$ ",
        "GITHUB_TOKEN": CANARY, "DATABASE_URL": CANARY, "HISTFILE": "x", "TF_VAR_db_password": CANARY,
    }, KEY)
    assert list(kept) == sorted(kept)
    assert set(kept) == {
        "OMP_NUM_THREADS", "MKL_NUM_THREADS", "LANG", "LC_ALL", "PATH", "SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES",
        "PYTHONHASHSEED", "VIRTUAL_ENV",
    }
    assert kept["OMP_NUM_THREADS"] == "4"


@pytest.mark.parametrize("name", ["SLURM_JWT", "CONDA_TOKEN", "JULIA_PASSWORD", "R_API_KEY", "PBS_AUTH", "PIXI_COOKIE"])
def test_a_variable_that_sounds_like_a_secret_is_kept_as_a_hash_even_if_allowed(name):
    first = environment({name: CANARY}, KEY)[name]
    assert first == hide(CANARY, KEY)
    assert first.startswith(MARK)
    assert environment({name: "other"}, KEY)[name] != first


def test_a_secret_inside_an_allowed_value_is_masked():
    kept = environment({"CONDA_CHANNEL": f"https://me:{CANARY}@repo.example.org/main"}, KEY)
    assert kept == {"CONDA_CHANNEL": "https://***@repo.example.org/main"}
