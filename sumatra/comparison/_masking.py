"""What of a text changes from run to run without meaning anything: times, process ids, names of temporary files."""

import re

__all__ = ["is_log", "masked", "pieces"]

_LOGS = (".log", ".out", ".err", "stdout", "stderr", "stdout.txt", "stderr.txt")

_DATE = r"(?:\d{4}[-/]\d\d[-/]\d\d|\d\d[./]\d\d[./]\d{4})"
_CLOCK = r"\d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})?(?:\s?[AP]M\b)?(?:Z|\s?[+-]\d\d:?\d\d\b)?"
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6}"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"

#: In any text: what can't be taken for a result.
_ALWAYS = re.compile(
    rf"(?P<time>\b{_DATE}[T ,]\s?{_CLOCK}|\b{_DAY},?\s+(?:{_MONTH}\s+\d{{1,2}}|\d{{1,2}}\s+{_MONTH})\s+"
    rf"(?:{_CLOCK}\s+(?:[A-Z]{{3,4}}\s+)?\d{{4}}|\d{{4}}\s+{_CLOCK}))"
    r"|(?P<process>\b(?:pid|PID|process|Process)(?:\s+id)?[ =:#]{1,3}\d+\b)"
    r"|(?P<temporary>(?<![\w/.])(?:/private)?(?:/var/folders|/var/tmp|/tmp|/dev/shm)/[^\s'\"<>:;,()\[\]]+)"
    r"|(?P<address>\b0x[0-9a-f]{8,16}\b)"
)

#: In logs, too.
_IN_LOGS = re.compile(
    rf"(?P<time>\b{_DATE}\b|\b{_CLOCK}|\b{_MONTH}\s+\d{{1,2}}\b)"
    r"|(?P<duration>\b(?:took|[Ee]lapsed(?: time)?|(?:[Ff]inished|[Dd]one|[Cc]ompleted|[Rr]an) in|[Rr]untime"
    r"|(?:[Ww]all(?:[- ]clock)?|CPU|cpu)[ -]time)[ :=]{1,3}\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
    r"(?:\s?(?:ns|µs|us|ms|s|sec|secs|seconds?|min|minutes?|h|hours?)\b)?)"
)

#: In logs, in lines that begin with a time, as those of syslog do: ``name[123]:``.
_NUMBERED = re.compile(r"(?P<process>(?<=[\w)])\[\d{2,7}\](?=: ))")

#: A number that stands for itself, and isn't a part of a word or a version.
_NUMBERS = re.compile(
    r"(?<![\w.])([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eEdD][+-]?[0-9]{1,9})?"
    r"|[+-]?(?:inf|nan|Inf|NaN|INF|NAN|Infinity))(?![\w]|\.\d)"
)


def is_log(name: str) -> bool:
    """Tell whether the file is a log by its *name*."""
    return name.lower().endswith(_LOGS)


def masked(line: str, log: bool, kinds: set[str] | None = None) -> str:
    """Return *line* with what doesn't mean anything replaced by its kind, which is put into *kinds*."""

    def mask(found: "re.Match[str]") -> str:
        if kinds is not None:
            kinds.add(found.lastgroup or "")
        return f"<{found.lastgroup}>"

    line = _ALWAYS.sub(mask, line)
    if not log:
        return line
    line = _IN_LOGS.sub(mask, line)
    return _NUMBERED.sub(mask, line) if line.startswith("<time>") else line


def pieces(line: str) -> list[str]:
    """Return *line* in pieces: text and numbers in turn, beginning with text."""
    return _NUMBERS.split(line)
