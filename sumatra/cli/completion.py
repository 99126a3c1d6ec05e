"""Print what a shell needs to complete words of smt: commands, options, labels and tags.

    bash:  eval "$(smt completion bash)"         in ~/.bashrc
    zsh:   eval "$(smt completion zsh)"          in ~/.zshrc
    fish:  smt completion fish | source          in ~/.config/fish/config.fish
"""

import argparse
import re
from collections.abc import Iterable, Sequence

from sumatra import plugins
from sumatra.cli import BACKENDS
from sumatra.errors import SumatraError

# bash cuts words at = and : and hands them over with their quotes: it is given the line, to be read by `_read`.
_BASH = """\
_smt() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done < <(smt completion line "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
}
complete -o default -F _smt smt
"""

_ZSH = """\
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
_smt() {
    local -a found
    found=("${(@f)$(smt completion words "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    [[ -n $found ]] && compadd -V smt -- "${found[@]}" || _files
}
compdef _smt smt
"""

# fish matches what it is given with what was typed, quotes and all; only options have to be asked for.
_FISH = """\
function __smt_words
    set -l words (commandline -opc)
    set -e words[1]
    set -l word (commandline -ct)
    string match -qr '^-' -- "$word"; or set word ''
    smt completion words $words "$word" 2>/dev/null
end
complete -c smt -n 'set -g __smt_found (__smt_words); test -n "$__smt_found"' -f -k -a '$__smt_found'
"""

_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
_MOST_LABELS = 200
_BREAKS = "<>=;|&(:"  # where bash begins a new word inside of a word


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the shell."""
    parser.add_argument("kind", metavar="|".join(_SCRIPTS), choices=tuple(_SCRIPTS), help="kind of shell")


def parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Return what is wanted; what the scripts themselves ask (``words``, ``line``) may hold any words."""
    if words[:1] in (["words"], ["line"]):
        return argparse.Namespace(kind=words[0], words=words[1:])
    return parser.parse_args(words)


def run(args: argparse.Namespace) -> None:
    """Print the script, or candidates for a word."""
    if args.kind in _SCRIPTS:
        print(_SCRIPTS[args.kind], end="")
    elif args.kind == "words":
        *before, word = args.words or [""]
        print(*(f"{found}\n" for found in _matching(before, word)), sep="", end="")
    else:
        before, word, quote, kept = _read("".join(args.words))
        print(*(f"{_quoted(found[kept:], quote)}\n" for found in _matching(before, word)), sep="", end="")


def _matching(before: list[str], word: str) -> Iterable[str]:
    return (found for found in _candidates(before, word) if found.startswith(word) and found.isprintable())


def _candidates(before: list[str], word: str) -> Iterable[str]:
    """Return what may come after the words *before*, where *word* has been begun."""
    if not before or before == ["help"]:
        return BACKENDS
    command, *rest = before
    if command not in BACKENDS:
        return ()
    module = plugins.load("sumatra.cli", command)
    parser = argparse.ArgumentParser(allow_abbrev=False)
    module.arguments(parser)
    options = {option: action for action in parser._actions for option in action.option_strings}
    if command == "run" and _program_has_begun(rest, options):
        return ()
    if rest and rest[-1] in options and options[rest[-1]].nargs != 0:
        return _values(options[rest[-1]])
    option, equals, _ = word.partition("=")
    if equals and option in options:
        return [f"{option}={value}" for value in _values(options[option])]
    if word.startswith("-"):
        return sorted(options)
    return _words(command, rest)


def _program_has_begun(words: list[str], options: dict[str, argparse.Action]) -> bool:
    """Tell whether one of *words* is the first of the program's own."""
    takes_value = False
    for word in words:
        if word == "--" or not (takes_value or word.startswith("-")):
            return True
        takes_value = not takes_value and word in options and options[word].nargs != 0
    return False


def _values(action: argparse.Action) -> Iterable[str]:
    if action.choices:
        return action.choices
    if action.dest == "tag":
        return _of_project("tags")
    if action.dest in ("columns", "sort"):
        from sumatra.selection import FIELDS

        return FIELDS
    return ()


def _words(command: str, rest: list[str]) -> Iterable[str]:
    plain = [word for word in rest if not word.startswith("-")]
    if command == "completion":
        return () if plain else _SCRIPTS
    if command == "list" or (command == "tag" and not plain) or (command == "delete" and {"-t", "--tag"} & {*rest}):
        return _of_project("tags")
    if command == "delete" and {"-u", "--undo"} & {*rest}:
        return _of_project("trash")
    if command in ("tag", "delete") or (command in ("view", "comment") and not plain):
        return _of_project("labels")
    return ()


def _of_project(what: str) -> Iterable[str]:
    from sumatra.projects import load_project
    from sumatra.selection import EVERYTHING

    try:
        project = load_project()
        if what == "tags":
            return sorted(project.record_store.tags(project.name))
        if what == "trash":
            return dict.fromkeys(trashed.label for trashed in project.record_store.trash(project.name))
        return ["last", *project.record_store.labels(project.name, EVERYTHING.first(_MOST_LABELS))]
    except SumatraError:
        return ()


def _read(line: str) -> tuple[list[str], str, str, int]:
    """Return the words of *line* after the first, the last one apart, its open quote, and how much of it bash keeps.

    bash puts what it is told in the place of what comes after the last quote, ``=`` or ``:``.
    """
    words: list[str] = []
    word, quote, kept = "", "", 0
    begun = escaped = False
    for character in line:
        if escaped:
            word, escaped = word + character, False
        elif character == "\\" and quote != "'":
            begun = escaped = True
        elif quote:
            if character == quote:
                quote, kept = "", len(word)
            else:
                word += character
        elif character in "'\"":
            quote, kept, begun = character, len(word), True
        elif not character.isspace():
            word, begun = word + character, True
            if character in _BREAKS:
                kept = len(word)
        elif begun:
            words.append(word)
            word, kept, begun = "", 0, False
    return words[1:], word, quote, kept


def _quoted(text: str, quote: str) -> str:
    """Return *text* as it is typed inside of *quote*, or without one."""
    if quote == "'":
        return text.replace("'", "'\\''")
    return re.sub(r'(["\\$`])' if quote else r"([^\w@%+=:,./-])", r"\\\1", text)
