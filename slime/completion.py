"""``slime completion``: scripts by which shells complete commands, options and what options may be set to.

Everything in them follows from the tables of commands and settings. A value is completed where its words are known
(``--log-format``) or where it is a file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from slime.commands import COMMANDS, COMPLETION, SHELLS, Command
from slime.options import refuse
from slime.reference import help_text, rows_of
from slime.settings import Setting
from slime.values import PATH

__all__ = ["main", "script"]


def main(arguments: Sequence[str]) -> None:
    """Carry the command out."""
    if any(argument in ("--help", "-h") for argument in arguments):
        sys.stdout.write(f"{help_text(COMPLETION, 100)}\n{_HOW_TO_USE}")
    elif len(arguments) != 1 or arguments[0] not in SHELLS:
        refuse(COMPLETION.name, f"one shell is needed: {', '.join(SHELLS)} ({COMPLETION.name} --help)")
    else:
        sys.stdout.write(script(arguments[0]))


_HOW_TO_USE = """
For the shell that runs:

  bash   source <(slime completion bash)
  zsh    source <(slime completion zsh)
  fish   slime completion fish | source

To have it always, put that line into ~/.bashrc, ~/.zshrc (behind compinit) or ~/.config/fish/config.fish.
"""


def script(shell: str) -> str:
    """The script for a shell, one of :data:`slime.commands.SHELLS`."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]()


# -- what the tables say ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Flag:
    """One option.

    :ivar words: what its value may be; empty where that is not known.
    :ivar is_file: whether its value is a path.
    :ivar is_bare: whether it may stand without a value, so that one must be joined to it by ``=``.
    :ivar about: what it is for, without anything that a shell could take for its own.
    """

    name: str
    words: tuple[str, ...]
    is_file: bool
    is_bare: bool
    about: str

    @property
    def takes_value(self) -> bool:
        """Whether it is more than a switch."""
        return self.is_file or bool(self.words) or not self.is_bare


def flags_of(command: Command) -> list[Flag]:
    """Every option of a command, and its help."""
    return [*map(_flag, rows_of(command)), Flag("--help", (), False, True, "Explain the command and its options.")]


def _flag(setting: Setting) -> Flag:
    metavar = setting.kind.metavar
    words = tuple(metavar.split("|")) if "|" in metavar else ()
    about = setting.help.partition("; ")[0].partition(": ")[0].rstrip(".")
    plain = "".join(char for char in about if char.isalnum() or char in " -.,()/=_+")
    return Flag(setting.flag, words, setting.kind.parse is PATH.parse, bool(setting.kind.bare), plain)


def _next_words() -> dict[tuple[str, ...], list[str]]:
    """What may follow the words of a command, beginning with none."""
    following: dict[tuple[str, ...], list[str]] = {}
    for command in COMMANDS:
        for depth, word in enumerate(command.words):
            words = following.setdefault(command.words[:depth], [])
            if word not in words:
                words.append(word)
        if command.choices:
            following[command.words] = list(command.choices)
    return following


# -- bash ---------------------------------------------------------------------------------------------------------

_BASH = """\
# Completes slime in bash.   source <(slime completion bash)
_slime() {
    local cur=${COMP_WORDS[COMP_CWORD]} flag= at= word i
    # bash takes --flag=value apart at the sign.
    if [[ $cur == = ]]; then
        flag=${COMP_WORDS[COMP_CWORD-1]} cur=
    elif [[ ${COMP_WORDS[COMP_CWORD-1]} == = ]]; then
        flag=${COMP_WORDS[COMP_CWORD-2]}
    else
        flag=${COMP_WORDS[COMP_CWORD-1]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case "$at $word" in
%(words)s
        esac
    done
    case "$flag" in
%(values)s
    esac
    COMPREPLY=()
    case "$at" in
%(flags)s
    esac
}
complete -F _slime slime
"""


def _bash() -> str:
    following = _next_words()
    steps = [f'            "{_joined(words)} {word}") at="{_joined((*words, word))}" ;;'
             for words, known in following.items() for word in known]  # fmt: skip
    rows = {flag.name: flag for command in COMMANDS for flag in flags_of(command) if flag.takes_value}
    values = [f"        {flag.name}) {_bash_value(flag)} ;;" for flag in rows.values()]
    places = {_joined(words): " ".join(known) for words, known in following.items()}
    for command in COMMANDS:
        known = places.get(_joined(command.words), "")
        places[_joined(command.words)] = " ".join([known, *(flag.name for flag in flags_of(command))]).strip()
    flags = [f'        "{at}") COMPREPLY=($(compgen -W "{known}" -- "$cur")) ;;' for at, known in places.items()]
    return _BASH % {"words": "\n".join(steps), "values": "\n".join(values), "flags": "\n".join(flags)}


def _joined(words: Sequence[str]) -> str:
    return " ".join(words)


def _bash_value(flag: Flag) -> str:
    if flag.words:
        # What need not have a value may be followed by another option.
        guard = '[[ $cur == -* ]] || ' if flag.is_bare else ""
        reply = f'COMPREPLY=($(compgen -W "{" ".join(flag.words)}" -- "$cur"))'
        return f"{guard}{{ {reply}; return; }}"
    if flag.is_file:
        return 'compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return'
    return "COMPREPLY=(); return"


# -- zsh ----------------------------------------------------------------------------------------------------------

_ZSH = """\
#compdef slime
# Completes slime in zsh.   source <(slime completion zsh)
_slime() {
    local at= word i
    for ((i = 2; i < CURRENT; i++)); do
        word=$words[i]
        case "$at $word" in
%(words)s
        esac
    done
    case "$at" in
%(places)s
    esac
}
if [[ $funcstack[1] == _slime ]]; then
    _slime "$@"
else
    compdef _slime slime
fi
"""


def _zsh() -> str:
    following = _next_words()
    steps = [f'            "{_joined(words)} {word}") at="{_joined((*words, word))}" ;;'
             for words, known in following.items() for word in known]  # fmt: skip
    places = [f'        "{_joined(words)}") compadd -- {_joined(known)} ;;' for words, known in following.items()
              if words not in {command.words for command in COMMANDS}]  # fmt: skip
    places += [f'        "{_joined(command.words)}") _arguments {_zsh_arguments(command)} ;;' for command in COMMANDS]
    return _ZSH % {"words": "\n".join(steps), "places": "\n".join(places)}


def _zsh_arguments(command: Command) -> str:
    # The command's own words are operands for _arguments, which it has to be told of.
    operands = [f"'{number}:command:'" for number in range(1, len(command.words) + 1)]
    if command.choices:
        operands.append(f"'{len(command.words) + 1}:shell:({_joined(command.choices)})'")
    return " \\\n            ".join([*operands, *(f"'{_zsh_flag(flag)}'" for flag in flags_of(command))])


def _zsh_flag(flag: Flag) -> str:
    text = f"*{flag.name}{'=' if flag.takes_value else ''}[{flag.about}]"
    if not flag.takes_value:
        return text
    separator = "::" if flag.is_bare else ":"
    return f"{text}{separator}value:{_zsh_value(flag)}"


def _zsh_value(flag: Flag) -> str:
    if flag.words:
        return f"({_joined(flag.words)})"
    return "_files" if flag.is_file else ""


# -- fish ---------------------------------------------------------------------------------------------------------

_FISH = """\
# Completes slime in fish.   slime completion fish | source
function __slime_at
    set -l at
    for word in (commandline -opc)[2..]
        switch "$at $word"
%(words)s
        end
    end
    test "$at" = "$argv"
end
complete -c slime -f
%(rows)s
"""


def _fish() -> str:
    following = _next_words()
    steps = [f"            case '{_joined(words)} {word}'\n                set at {_joined((*words, word))}"
             for words, known in following.items() for word in known]  # fmt: skip
    return _FISH % {"words": "\n".join(steps), "rows": "\n".join(_fish_rows())}


def _fish_rows() -> Iterator[str]:
    about = {command.words: command.about for command in COMMANDS}
    for words, known in _next_words().items():
        for word in known:
            more = f" -d '{_fish_text(about[(*words, word)])}'" if (*words, word) in about else ""
            yield f"complete -c slime -n '__slime_at {_joined(words)}' -a {word}{more}"
    for command in COMMANDS:
        for flag in flags_of(command):
            place = f"complete -c slime -n '__slime_at {_joined(command.words)}' -l {flag.name[2:]}"
            yield f"{place}{_fish_value(flag)} -d '{flag.about}'"
            if flag.words and flag.is_bare:
                # To fish, what may be left out follows behind = alone.
                after = f"__slime_at {_joined(command.words)}; and test (commandline -opc)[-1] = {flag.name}"
                yield f"complete -c slime -n '{after}' -a '{_joined(flag.words)}'"


def _fish_value(flag: Flag) -> str:
    if flag.words:
        return f"{'' if flag.is_bare else ' -x'} -a '{_joined(flag.words)}'"
    if flag.is_file:
        return " -r -F"
    return " -x" if flag.takes_value else ""


def _fish_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
