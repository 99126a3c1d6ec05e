"""Print what a shell needs to complete words of smt: commands, options, labels and tags.

    bash:  eval "$(smt completion bash)"         in ~/.bashrc
    zsh:   eval "$(smt completion zsh)"          in ~/.zshrc
    fish:  smt completion fish | source          in ~/.config/fish/config.fish
"""

import argparse
from collections.abc import Iterable

from sumatra import plugins
from sumatra.cli import BACKENDS
from sumatra.errors import SumatraError

_BASH = """\
_smt() {
    local line word=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=()
    while IFS= read -r line; do
        [[ $line == "$word"* ]] && COMPREPLY+=("$(printf %q "$line")")
    done < <(smt completion words "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _smt smt
"""

_ZSH = """\
_smt() {
    local -a found
    found=("${(@f)$(smt completion words "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    (( ${#found} )) && compadd -- "${found[@]}" || _files
}
compdef _smt smt
"""

_FISH = """\
complete -c smt -a '(smt completion words (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
"""

_MOST_LABELS = 200


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the shell; `words` is for the scripts themselves."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish", "words"), help="kind of shell")
    parser.add_argument("words", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> None:
    """Print the script, or candidates for the last of the words."""
    if args.shell != "words":
        print({"bash": _BASH, "zsh": _ZSH, "fish": _FISH}[args.shell], end="")
        return
    words = args.words or [""]
    for candidate in _candidates(words[:-1], words[-1]):
        if candidate.startswith(words[-1]) and candidate.isprintable():
            print(candidate)


def _candidates(before: list[str], word: str) -> Iterable[str]:
    if not before:
        return BACKENDS
    command = before[0]
    if command == "help":
        return BACKENDS
    if command not in BACKENDS:
        return ()
    if word.startswith("-"):
        parser = argparse.ArgumentParser(add_help=True)
        plugins.load("sumatra.cli", command).arguments(parser)
        return sorted(option for action in parser._actions for option in action.option_strings)
    return _from_project(command, before)


def _from_project(command: str, before: list[str]) -> Iterable[str]:
    from sumatra.projects import load_project
    from sumatra.selection import EVERYTHING

    try:
        project = load_project()
        tags = sorted(project.record_store.tags(project.name))
        labels = ["last", *project.record_store.labels(project.name, EVERYTHING.first(_MOST_LABELS))]
    except SumatraError:
        return ()
    if command == "list" or (command == "tag" and len(before) == 1) or before[-1] in ("-t", "--tag"):
        return tags
    return labels if command in ("view", "comment", "tag", "delete") else ()
