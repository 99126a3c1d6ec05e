"""Keep secrets out of records: passwords, tokens and keys are replaced by a keyed hash of themselves.

The hash tells that a secret has changed and nothing else, as nobody can compute it without the project's key.  Only
known forms are seen: the formats that providers of tokens give them, options and variables whose name says that they
hold a secret, the user part of URLs.  Ordinary arguments are left alone, so a secret in none of these forms is not
found.  Text of several lines is read as code, where only literal values are masked: ``password=arguments.password`` is
none.
"""

import os
import re
from collections.abc import Callable, Sequence
from functools import cache

__all__ = ["MARK", "hide", "is_masked", "mask", "mask_words"]

MARK = "hmac-sha256:"  #: what a masked value begins with; 16 hexadecimal digits follow
_GONE = "***"  #: what stands in a URL for user name and password

#: A text without any of these holds none of the forms below: most texts are done with here.
_HINTS = (
    "://", "akia", "asia", "authorization", "aiza", "bearer", "cookie", "credential", "eyj", "ghp_", "gho_", "ghu_",
    "ghs_", "ghr_", "github_pat_", "glpat-", "glptt-", "gldt-", "glrt-", "glcbt-", "hf_", "key", "npm_", "pass",
    "pwd", "pypi-", "secret", "sk_", "rk_", "sk-", "sg.", "token", "xapp-", "xox", "ya29.",
)

#: Names of what is a secret whatever it looks like …
_SURE = (
    r"pass(?:word|wd|phrase)|secret|(?:api|access|secret|private|account|auth|encryption)[_-]?key"
    r"|(?:access|api|auth|bearer|deploy|id|job|private|refresh|session)[_-]?token"
)
#: … and of what is one unless its value looks like something else: ``--pass=2``, ``pwd=/home/me``.
_MAYBE = r"token|credentials?|(?<![a-z])(?:pass|pwd|cookie)"
_TOKENS_OF_TEXTS = r"(?![\w.-]*?(?:bos|cls|eos|mask|max|min|new|num|pad|sep|special|stop|unk)[_.-]?token)"
_SWITCHES = r"(?!(?:ask|no|prompt|show|without)[_-])"
_NAME = rf"(?!-){_TOKENS_OF_TEXTS}{_SWITCHES}[\w.-]*?(?:(?P<sure>{_SURE})|{_MAYBE})"
#: What such a name may well mean that is no secret: a number, a switch, a short word, a path, ``<mask>``.
_ORDINARY = r"(?is)[+-]?[\d.,:]+(?:e[+-]?\d+)?|false|true|[a-z]{1,7}|[<\[(/~.].*|.{0,5}"

#: What the tokens of well-known providers look like.
_TOKENS = (
    r"(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    r"gh[pousr]_[A-Za-z0-9]{30,}",
    r"github_pat_[A-Za-z0-9_]{22,}",
    r"gl(?:pat|ptt|dt|rt|cbt)-[A-Za-z0-9_-]{20,}",
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
    r"xapp-[A-Za-z0-9-]{10,}",
    r"AIza[A-Za-z0-9_-]{35}",
    r"ya29\.[A-Za-z0-9_-]{20,}",
    r"(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}",
    r"sk-[A-Za-z0-9_-]{32,}",
    r"hf_[A-Za-z0-9]{30,}",
    r"npm_[A-Za-z0-9]{36}",
    r"pypi-[A-Za-z0-9_-]{50,}",
    r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
)

#: Programs with options of their own for secrets: those whose next word is one, and those that it is joined to.
_PROGRAMS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "curl": (("-u", "--user", "-U", "--proxy-user", "--oauth2-bearer"), ("-u", "-U", "--user=", "--proxy-user=")),
    "ldapsearch": (("-w",), ("-w",)),
    "mysql": ((), ("-p",)), "mysqladmin": ((), ("-p",)), "mysqldump": ((), ("-p",)), "mysqlimport": ((), ("-p",)),
    "mariadb": ((), ("-p",)), "mariadb-admin": ((), ("-p",)), "mariadb-dump": ((), ("-p",)),
    "mongo": (("-p",), ()), "mongosh": (("-p",), ()),
    "openssl": ((), ("pass:",)),
    "redis-cli": (("-a",), ()),
    "sshpass": (("-p",), ("-p",)),
    "zip": (("-P",), ()), "unzip": (("-P",), ()),
    "7z": ((), ("-p",)), "7za": ((), ("-p",)),
}


def hide(secret: str, key: bytes) -> str:
    """Return what stands for *secret*: the same for the same secret and *key*."""
    import hmac

    return MARK + hmac.digest(key, secret.encode("utf-8", "surrogateescape"), "sha256").hex()[:16]


def is_masked(value: str) -> bool:
    """Tell whether something in *value* was masked."""
    return MARK in value or f"{_GONE}@" in value


def mask(text: str, key: bytes) -> tuple[str, int]:
    """Return *text* without the secrets that it shows, and how many were masked.

    *key* is the project's.  A masked text is returned as it is.
    """
    text, count = _replace(_private_key(), text, key) if "PRIVATE KEY" in text else (text, 0)
    code = "\n" in text
    masked = []
    for line in text.splitlines(keepends=True) if code else [text]:
        new, more = _mask_line(line, key, code) if _is_suspicious(line) else (line, 0)
        masked.append(new)
        count += more
    return "".join(masked), count


def mask_words(words: Sequence[str], key: bytes) -> tuple[tuple[str, ...], int]:
    """Return the *words* of a command without the secrets that they show, and how many were masked."""
    masked = []
    count = 0
    separate: set[str] = set()  # options of the programs met so far whose next word is a secret
    joined: tuple[str, ...] = ()
    previous = awaited = ""
    for word in words:
        if awaited:
            new, more = _mask_after(awaited, word, key)
        elif previous[:1] == "-" and previous[1:2] != "-" and previous.endswith("c"):  # a script for a shell
            new, more = mask(word, key)
        else:
            new, more = _mask_word(word, joined, key)
        masked.append(new)
        count += more
        previous = word
        awaited = word if not awaited and (word in separate or _takes_secret(word)) else ""
        program = _PROGRAMS.get(os.path.basename(word))
        if program:
            separate.update(program[0])
            joined += program[1]
    return tuple(masked), count


def _mask_line(line: str, key: bytes, code: bool) -> tuple[str, int]:
    line, count = _scrub(line, key, code)
    for pattern in _patterns(code):
        line, more = _replace(pattern, line, key, code)
        count += more
    return line, count


def _is_suspicious(text: str) -> bool:
    lowered = text.lower()
    return any(hint in lowered for hint in _HINTS)


def _takes_secret(word: str) -> bool:
    return word.startswith("-") and _is_suspicious(word) and _option().fullmatch(word) is not None


def _mask_after(option: str, word: str, key: bytes) -> tuple[str, int]:
    """Mask *word*, which follows *option* and is its value, unless it is an option itself."""
    found = _option().fullmatch(option)
    if word.startswith("-") or _is_harmless(word, sure=found is None or bool(found["sure"])):
        return mask(word, key)
    return hide(word, key), 1


def _mask_word(word: str, joined: Sequence[str], key: bytes) -> tuple[str, int]:
    for prefix in joined:
        if word.startswith(prefix) and len(word) > len(prefix) and not is_masked(word):
            return prefix + hide(word[len(prefix):], key), 1
    if _is_suspicious(word):
        found = _assignment().fullmatch(word)
        if found and not _is_harmless(found["secret"], sure=bool(found["sure"])):
            return found["keep"] + hide(found["secret"], key), 1
    return mask(word, key)


def _is_harmless(value: str, *, sure: bool) -> bool:
    if not value or value.startswith((MARK, "$", _GONE)):
        return True
    return not sure and _ordinary().fullmatch(value) is not None


def _is_computed(value: str, quoted: bool) -> bool:
    """Tell whether *value*, found in code, is no literal secret: a name, a call, a template, a message."""
    if quoted:
        return _template().search(value) is not None
    return _literal().fullmatch(value) is None


def _replace(pattern: re.Pattern[str], text: str, key: bytes, code: bool = False) -> tuple[str, int]:
    count = 0

    def replacement(found: re.Match[str]) -> str:
        nonlocal count
        groups = found.groupdict()
        secret = found["secret"]
        quote = secret[0] if secret[:1] in {'"', "'"} and secret[-1:] == secret[:1] and len(secret) > 1 else ""
        if quote:
            secret = secret[1:-1]
        if _is_harmless(secret, sure="sure" not in groups or bool(groups["sure"])):
            return found[0]
        if code and "keep" in groups and _is_computed(secret, bool(quote)):
            return found[0]
        count += 1
        return f"{groups.get('keep') or ''}{quote}{hide(secret, key)}{quote}"

    return pattern.sub(replacement, text), count


def _scrub(text: str, key: bytes, code: bool) -> tuple[str, int]:
    """Take user names and passwords out of the URLs in *text*, and mask the secrets of their queries."""
    if "://" not in text:
        return text, 0
    count = 0

    def without_user(found: re.Match[str]) -> str:
        nonlocal count
        user = found["user"]
        may_be_token = ":" in user or found["scheme"].lower().endswith(("http", "https"))
        if user == _GONE or not may_be_token or (code and _template().search(user)):
            return found[0]
        count += 1
        return f"{found['scheme']}://{_GONE}@"

    def without_secrets(found: re.Match[str]) -> str:
        nonlocal count
        url, more = _replace(_query(), found[0], key, code)
        count += more
        return url

    text = _user_of_url().sub(without_user, text)
    return _url().sub(without_secrets, text), count


def _compiled(pattern: str) -> Callable[[], re.Pattern[str]]:
    """Return a function that compiles *pattern* once, when it is first needed."""
    return cache(lambda: re.compile(pattern))


_ordinary = _compiled(_ORDINARY)
_KIND = r"[A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
_private_key = _compiled(rf"(?s)(?P<secret>-----BEGIN {_KIND}.*?(?:-----END {_KIND}|\Z))")
_template = _compiled(r"\s|\{[^}]*\}|\$\{?\w|%[s(]|<\w+>")
_literal = _compiled(r"(?=.*\d)(?![A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+$)[^(){}\[\]]+")
_url = _compiled(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")
# The second form of the user is a password with a slash in it; what looks like a port isn't one.
_user_of_url = _compiled(
    r"(?<![A-Za-z0-9+.-])(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?P<user>[^\s/?#'\"<>]*|[^\s/?#'\"<>@:\[]*:(?!\d+(?:[/?#]|$))[^\s'\"<>,]*)@"
)
_query = _compiled(
    r"(?i)(?P<keep>[?&;#](?:[\w.-]*(?:token|secret|passw(?:or)?d|passphrase|signature|credential|api[_-]?key)"
    r"|(?:[\w.-]*[_.-])?(?:auth|jwt|key|pass|pwd|sig))=)(?P<secret>[^&;\s#'\"<>]+)"
)
_option = _compiled(rf"(?i)--?{_NAME}")
_assignment = _compiled(rf"(?is)(?P<keep>(?:--?)?{_NAME}=)(?P<secret>.+)")


@cache
def _patterns(code: bool) -> tuple[re.Pattern[str], ...]:
    """The forms, each with the group ``secret``, and perhaps ``keep`` before it and ``sure`` for its name."""
    quoted = r"\"[^\"\n]*\"|'[^'\n]*'"
    value = rf"(?P<secret>{quoted}|[^\s\"'&;|,}}\])]+)"
    scheme = r"(?:(?:basic|bearer|digest|token)\s+)?"
    forms = [
        rf"(?<![A-Za-z0-9])(?P<secret>{'|'.join(_TOKENS)})",
        rf"(?i)(?P<keep>authorization(?:[\"']\s*[:=]\s*[\"']|\s*[:=]\s*[\"']?){scheme})(?P<secret>[^\s\"',;]+)",
        r"(?i)(?P<keep>\bbearer\s+)(?P<secret>[A-Za-z0-9._~+/=-]{16,})",
        r"(?i)(?P<keep>\b(?:set-)?cookie:\s+)(?P<secret>[^\r\n\"']+)",
        rf"(?i)(?P<keep>(?<![\w-])[\w-]+-(?:token|key|secret)\s*:\s*){value}",
        rf"(?i)(?P<keep>(?<![\w.-])--{_NAME}(?:=|\s+)(?!-)){value}",
    ]
    if code:
        forms += [
            rf"(?i)(?P<keep>(?<![\w.-])[\"']?{_NAME}[\"']?\]?(?:\s*:\s*\w+)?\s*[:=]\s*)(?P<secret>{quoted})",
            rf"(?i)(?P<keep>^[+ -]?[ \t]*(?:export\s+)?{_NAME}[ \t]*[:=][ \t]*)(?P<secret>[^\s\"',;]+)(?=\s*$)",
        ]
    else:
        forms += [
            rf"(?i)(?P<keep>[\"']{_NAME}[\"']\s*:\s*)(?P<secret>{quoted})",
            rf"(?i)(?P<keep>(?<![\w.-])-?{_NAME}=){value}",
        ]
    return tuple(map(re.compile, forms))
