"""`tcpstates completion SHELL`: the completion script of a shell.

The script calls tcpstates with a variable in its environment, and click answers. The
suggestions come from `cli.offers` and from the types of the options.
"""

from __future__ import annotations

import os
from typing import Any

import click
from click.shell_completion import (
    CompletionItem,
    ShellComplete,
    add_completion_class,
    get_completion_class,
)

from tcpstates.cli.commands import COMMANDS, VARIABLE
from tcpstates.cli.output import Output

_PROGRAM = "tcpstates"


@add_completion_class
class PowerShellComplete(ShellComplete):
    """Completion for PowerShell 5.1 and newer, on every system; click lacks it."""

    name = "powershell"
    source_template = """\
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($word, $command, $position)
    $before = $command.CommandElements |
        Where-Object { $_.Extent.StartOffset -lt $position } |
        ForEach-Object { $_.Extent.Text }
    $env:COMP_WORDS = $before -join "`n"
    $env:COMP_WORD = $word
    $env:%(complete_var)s = "powershell_complete"
    try {
        %(prog_name)s | ForEach-Object {
            $value, $help = $_ -split "`t", 2
            if (-not $help) { $help = $value }
            [System.Management.Automation.CompletionResult]::new(
                $value, $value, "ParameterValue", $help)
        }
    } finally {
        Remove-Item Env:COMP_WORDS, Env:COMP_WORD, Env:%(complete_var)s
    }
}
"""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the arguments before the incomplete one, and the incomplete one."""
        words = os.environ.get("COMP_WORDS", "").split("\n")[1:]
        incomplete = os.environ.get("COMP_WORD", "")
        if incomplete and words and words[-1] == incomplete:
            words.pop()
        return words, incomplete

    def format_completion(self, item: CompletionItem[Any]) -> str:
        """Format one line of the answer."""
        return f"{item.value}\t{item.help}" if item.help else str(item.value)


SHELLS = ("bash", "zsh", "fish", "powershell")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("shell", type=click.Choice(SHELLS), metavar="|".join(SHELLS))
@click.pass_obj
def completion(output: Output, /, shell: str) -> None:
    """Print a script that makes a shell complete the arguments of tcpstates.

    It completes options, commands, states, groups, keys and their values.

    \b
      bash        tcpstates completion bash > /etc/bash_completion.d/tcpstates
      zsh         tcpstates completion zsh > /usr/share/zsh/site-functions/_tcpstates
      fish        tcpstates completion fish > ~/.config/fish/completions/tcpstates.fish
      powershell  tcpstates completion powershell >> $PROFILE
    """  # noqa: D301  (click looks for the character)
    kind = _class_of(shell)
    made = kind(click.Command(_PROGRAM), {}, _PROGRAM, VARIABLE)
    # Not the subclass's `source`, which runs `bash --version` first for bash.
    output.write([ShellComplete.source(made).rstrip("\n") + "\n"])


def _class_of(shell: str) -> type[ShellComplete]:
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"unknown shell '{shell}'")
    return found


def answer(instruction: str, listing: click.Command, output: Output) -> None:
    """Print the completions of the command line given in the environment.

    `instruction` is the value of the variable: SHELL_complete.
    """
    shell, _, what = instruction.partition("_")
    kind = _class_of(shell)
    try:
        asked = kind(listing, {}, _PROGRAM, VARIABLE).get_completion_args()
    except (KeyError, ValueError) as error:
        raise click.UsageError(f"{VARIABLE} is for completion scripts") from error
    if what != "complete":
        raise click.UsageError(f"{VARIABLE}: unknown instruction '{instruction}'")
    arguments, incomplete = _joined(*asked)
    command = listing
    if arguments and arguments[0] in COMMANDS:
        command = COMMANDS[arguments.pop(0)].load()
    option, equals, _ = incomplete.partition("=")
    # A shell that does not split at "=" also replaces the option.
    kept = f"{option}=" if equals and option.startswith("--") else ""
    if shell == "bash":
        kept = ""
    made = kind(command, {"obj": output}, _PROGRAM, VARIABLE)
    lines = []
    offers = made.get_completions(arguments, incomplete)
    if command is listing and not arguments:
        offers += [
            CompletionItem(name, help=entry.summary)
            for name, entry in COMMANDS.items()
            if name.startswith(incomplete)
        ]
    for offer in offers:
        offer.value = f"{kept}{offer.value}"
        if shell != "fish" or "," not in offer.value:  # fish's script splits there
            lines.append(made.format_completion(offer) + "\n")
    output.write(lines)


def _joined(arguments: list[str], incomplete: str) -> tuple[list[str], str]:
    """Rejoin --option=value and :port, which bash splits into several arguments."""
    words: list[str] = []
    for word in arguments:
        if word == "=" and words and words[-1].startswith("--"):
            continue
        words.append(word)
    if words and words[-1] == ":":
        words.pop()
    return words, incomplete
