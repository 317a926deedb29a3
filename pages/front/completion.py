"""`prompt-joules completion bash`: a script that completes commands, options and their values, made of what `--help` says.

The script is written once, when it is installed, so that a press of Tab starts no Python. Install it again after an update.
"""

import argparse
import contextlib
import io
import itertools
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from unittest import mock

from prompt_joules.bench import screen

Program = Callable[[list[str]], int]
SHELLS = ("bash", "zsh", "fish")
HOW = """Print a script with which Tab completes commands and options. To use it, put a line into the file that your shell reads first:

  bash  ~/.bashrc                   eval "$(prompt-joules completion bash)"
  zsh   ~/.zshrc, after compinit    eval "$(prompt-joules completion zsh)"
  fish  ~/.config/fish/config.fish  prompt-joules completion fish | source

Each start of the shell then takes a moment longer; a file made once does not: prompt-joules completion bash > FILE, and `source FILE`."""
# A line of a help text: an option, what it takes, what it does (or that stands on the next line).
_OPTION = re.compile(r"[│ ]*(?:-\w, )?(--[a-z][\w-]*)(?:, (--no-[\w-]+))?(?: (\{[^}]*\}|\[\S+ \[.*?\]\]|[A-Z]\S*))?(?: +(\S.*?))?[ │]*")
_SUBCOMMANDS = re.compile(r"^usage: [^{\n]*\{([a-z,]+)\}", re.MULTILINE)
_HAS_SUBCOMMANDS = re.compile(r"^[╭─ ]*subcommands\b", re.MULTILINE)
WIDE = "2000"


@dataclass(frozen=True)
class Command:
    """What can follow a command."""

    words: tuple[str, ...]  # of the command line, e.g. ("bench", "run"); () is the program itself
    commands: tuple[str, ...] = ()  # that come next
    options: dict[str, str] = field(default_factory=dict)  # with what each does
    values: dict[str, tuple[str, ...]] = field(default_factory=dict)  # the values allowed, by option

    @property
    def name(self) -> str:
        """Its words in a row."""
        return " ".join(self.words)


def main(arguments: list[str], program: Program) -> int:
    """Print the script for a shell; the exit status.

    Args:
        program: what is completed.
    """
    parser = argparse.ArgumentParser(
        "prompt-joules completion", description=HOW, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.add_argument("--json", action="store_true", help="print shell and script as one JSON document")
    parser.add_argument("--quiet", action="store_true", help="print errors alone, and the script")
    with screen.unbroken():
        options = parser.parse_args(arguments)
    script = {"bash": bash, "zsh": zsh, "fish": fish}[options.shell](explored(program))
    print(json.dumps({"shell": options.shell, "script": script}, indent=2) + "\n" if options.json else script, end="")
    return 0


def explored(program: Program, words: tuple[str, ...] = ()) -> list[Command]:
    """A command of a program, and all below it, as their help texts say."""
    text = help_of(program, words)
    listed = _SUBCOMMANDS.search(text)
    below = tuple(listed[1].split(",")) if listed else ()
    if words == ("ingest",):
        from prompt_joules.ingest.__main__ import COMMANDS

        below = tuple(COMMANDS)
    lines = [*text.splitlines(), ""]
    found = [(match, after) for line, after in itertools.pairwise(lines) if (match := _OPTION.fullmatch(line))]
    said = [(match, (match[4] or after.strip("│ ")).partition(". ")[0].rstrip(".")) for match, after in found]
    options = {name: meaning for match, meaning in said for name in match.group(1, 2) if name}
    values = {match[1]: tuple(match[3].strip("{}").split(",")) for match, _ in found if match[3] and match[3].startswith("{")}
    deeper = below if words in ((), ("ingest",)) or _HAS_SUBCOMMANDS.search(text) else ()  # else they are values of a positional argument
    return [Command(words, below, options, values), *(command for name in deeper for command in explored(program, (*words, name)))]


def help_of(program: Program, words: tuple[str, ...]) -> str:
    """What a command says of itself, on lines that are not broken."""
    said = io.StringIO()
    with mock.patch.dict(os.environ, {"COLUMNS": WIDE}), contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        program([*words, "--help"])
    return said.getvalue()


def bash(found: list[Command]) -> str:
    """The script for bash."""
    steps = "|".join(f'"{one.name}:{word}"' for one in found for word in one.commands)
    values = "".join(
        f'    "{one.name}:{option}") COMPREPLY=($(compgen -W "{" ".join(values)}" -- "$cur")); return ;;\n'
        for one in found
        for option, values in one.values.items()
    )
    words = "".join(f'    "{one.name}") words="{" ".join((*one.commands, *one.options))}" ;;\n' for one in found)
    return f"""# prompt-joules: completion for bash, made by `prompt-joules completion bash`.
_prompt_joules() {{
  local cur="${{COMP_WORDS[COMP_CWORD]}}" at="" words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$at:${{COMP_WORDS[i]}}" in
      {steps}) at="${{at:+$at }}${{COMP_WORDS[i]}}" ;;
      *:--) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    esac
  done
  case "$at:${{COMP_WORDS[COMP_CWORD-1]}}" in
{values}  esac
  case "$at" in
{words}  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
  if [[ "$cur" != -* && -n "$at" ]]; then COMPREPLY+=($(compgen -f -- "$cur")); fi
}}
complete -o filenames -F _prompt_joules prompt-joules
"""


def zsh(found: list[Command]) -> str:
    """The script for zsh: that for bash, by zsh's own bridge."""
    return "autoload -U +X bashcompinit && bashcompinit\n" + bash(found)


def fish(found: list[Command]) -> str:
    """The script for fish."""
    steps = " ".join(f"'{one.name}:{word}'" for one in found for word in one.commands)
    lines = [
        "# prompt-joules: completion for fish, made by `prompt-joules completion fish`.",
        "function __prompt_joules_at",
        "    set -l at ''",
        "    for word in (commandline -opc)[2..]",
        f'        contains -- "$at:$word" {steps}; and set at (string trim -- "$at $word")',
        "    end",
        '    test "$at" = "$argv"',
        "end",
    ]
    for one in found:
        here = f"complete -c prompt-joules -n '__prompt_joules_at {one.name}'"
        lines += [f"{here} {'-f ' if not one.words else ''}-a {name}" for name in one.commands]
        for option, meaning in one.options.items():
            only = f" -x -a '{' '.join(one.values[option])}'" if option in one.values else ""
            lines.append(f"{here} -l {option[2:]}{only} -d {_quoted(meaning)}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
