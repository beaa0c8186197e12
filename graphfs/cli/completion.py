"""Completion for bash, zsh and fish: small scripts that ask `graphfs __complete WORDS...`, so that one table of
commands and the drive's own tags serve all shells.

The answer's first line says what is completed: `words` (they follow, each with a tab and what it is), `files` or
`folders` (the shell knows those itself). It never fails aloud: a prompt is no place for errors.
"""

import argparse
import importlib
import re
from argparse import Namespace
from collections.abc import Iterable, Sequence

from graphfs.cli.arguments import commands_of, make_parser, parse
from graphfs.cli.exits import OK
from graphfs.cli.parser import Parser
from graphfs.cli.screen import Screen
from graphfs.errors import DriveError
from graphfs.names import fold

BASH = r"""# graphfs completion for bash: eval "$(graphfs completion bash)"
_graphfs() {
    local IFS=$'\n' line kind= word="${COMP_WORDS[COMP_CWORD]}"
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ -z $kind ]]; then kind=$line; continue; fi
        COMPREPLY+=("$(printf %q "${line%%$'\t'*}")")
    done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    case $kind in
        files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
        folders) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
        *) [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == */ ]] && compopt -o nospace ;;
    esac
}
complete -F _graphfs graphfs
"""
ZSH = r"""#compdef graphfs
# graphfs completion for zsh: graphfs completion zsh > a folder of $fpath/_graphfs, or eval "$(graphfs completion zsh)"
_graphfs() {
    local -a lines shown
    local line kind
    lines=("${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    kind=${lines[1]}
    case $kind in
        files) _files ;;
        folders) _files -/ ;;
        *)
            for line in "${(@)lines[2,-1]}"; do
                [[ -n $line ]] && shown+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
            done
            _describe -t values 'graphfs' shown ;;
    esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _graphfs "$@"; else compdef _graphfs graphfs; fi
"""
FISH = r"""# graphfs completion for fish: graphfs completion fish > ~/.config/fish/completions/graphfs.fish
function __graphfs_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l lines (command $words[1] __complete $words[2..-1] 2>/dev/null)
    switch "$lines[1]"
        case files
            __fish_complete_path (commandline -ct)
        case folders
            __fish_complete_directories (commandline -ct)
        case '*'
            test (count $lines) -gt 1; and printf '%s\n' $lines[2..-1]
    end
end
complete -c graphfs -f -a '(__graphfs_complete)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}

_TAGS = {"TAG", "NEW", "INTO", "QUERY", "TAG[,TAG]", "FILE|TAG"}
_FOLDERS = {"DIR", "FOLDER"}
_OPERATORS = ("+all", "+untagged", "+recent", "+direct", "+not/")
_HEAD = re.compile(r"^(.*[,(\s]|)(-?)(.*)$", re.DOTALL)


def script(arguments: Namespace, screen: Screen) -> int:
    """Prints a shell's script."""
    screen.raw(SCRIPTS[arguments.shell])
    return OK


def candidates(words: Sequence[str]) -> list[str]:
    """What may stand in the place of the last of the words (those after `graphfs`, the last one possibly empty)."""
    typed, current = list(words[:-1]), words[-1] if words else ""
    parser = make_parser()
    commands = commands_of(parser)
    chosen = next((word for word in typed if word in commands), None)
    if chosen is None:
        if current.startswith("-"):
            return _options(parser, current)
        return _words(
            (name, (parsed.description or "").partition(". ")[0])
            for name, parsed in commands.items()
            if name.startswith(current)
        )
    command = commands[chosen]
    after = typed[typed.index(chosen) + 1 :]
    if current.startswith("-") and "--" not in after:
        options = _options(command, current)
        if len(options) > 1 or chosen != "find" or current == "-":
            return options
    wanted = _wanted(command, after)
    if wanted is None:
        return ["words"]
    if wanted.choices:
        return _words((str(choice), "") for choice in wanted.choices if str(choice).startswith(current))
    kind = str(wanted.metavar or wanted.dest)
    if kind == "FILE|TAG":
        # The first word is a file; with -t all are.
        kind = "TAG" if _plain(command, after) and "-t" not in after and "--tags" not in after else "FILE"
    if kind in _TAGS:
        return _tag_words(words, current, query=kind == "QUERY", many=kind != "QUERY" and "," in kind)
    return ["folders"] if kind in _FOLDERS else ["files"] if kind not in {"N", "SECONDS", "BATCH", "URL"} else ["words"]


def _words(found: Iterable[tuple[str, str]]) -> list[str]:
    return ["words", *(f"{word}\t{' '.join(told.split())}" for word, told in found if "\n" not in word)]


def _options(parser: Parser, current: str) -> list[str]:
    options = [(name, one.help or "") for one in parser._actions for name in one.option_strings]
    return _words((name, told) for name, told in options if name.startswith(current) and name.startswith("--"))


def _plain(parser: Parser, after: Sequence[str]) -> list[str]:
    """The words that are neither options nor their values."""
    takes = {name for one in parser._actions if one.nargs != 0 for name in one.option_strings}
    plain, skip = [], False
    for word in after:
        if skip:
            skip = False
        elif word in takes:
            skip = True
        elif not word.startswith("-") or word == "-":
            plain.append(word)
    return plain


def _wanted(parser: Parser, after: Sequence[str]) -> argparse.Action | None:
    """What the next word is: the value of the option before it, or the positional whose turn it is."""
    if after:
        for one in parser._actions:
            if after[-1] in one.option_strings and one.nargs != 0:
                return one
    positionals = [one for one in parser._actions if not one.option_strings]
    number = len(_plain(parser, after))
    if number < len(positionals):
        return positionals[number]
    return positionals[-1] if positionals and positionals[-1].nargs in {"+", "*"} else None


def _tag_words(words: Sequence[str], current: str, *, query: bool, many: bool) -> list[str]:
    """Tags one level deeper than what was typed, behind whatever of an expression is there already."""
    head, minus, tail = "", "", current
    if query or many:
        found = _HEAD.match(current)
        if found is not None:
            head, minus, tail = found[1], found[2] if query else "", found[3] if query else found[2] + found[3]
    paths = _paths(words)
    offered: dict[str, str] = {}
    for path, files in paths:
        if fold(path).startswith(fold(tail)):
            step, slash, _ = path[len(tail) :].partition("/")
            offered.setdefault(path[: len(tail) + len(step)] + slash, f"{files} files")
    if query:
        offered |= {one: "" for one in _OPERATORS if one.startswith(tail) and tail}
    return _words((head + minus + path, told) for path, told in offered.items())


def _paths(words: Sequence[str]) -> list[tuple[str, int]]:
    # Speaking with a drive is loaded only here: completing a command's name is to be quick.
    drives = importlib.import_module("graphfs.cli.drives")
    given = parse(["version"])  # for the defaults that the environment gives
    for name in ("state", "server", "token_file"):
        option = f"--{name.replace('_', '-')}"
        if option in words[:-1]:
            setattr(given, name, words[words.index(option) + 1])
    try:
        with drives.opened(given) as place:
            return [(tag.path, tag.files) for tag in place.drive.tags(place.caller)]
    except (DriveError, OSError):
        return []
