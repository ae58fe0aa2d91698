"""`tcpstates completion SHELL`: the completion script of a shell.

The script calls tcpstates with a variable in its environment, and click answers. The
suggestions come from `cli.completions` and from the types of the options.
"""

from __future__ import annotations

import click
from click.shell_completion import (
    CompletionItem,
    ShellComplete,
    get_completion_class,
)

from tcpstates.cli import shells
from tcpstates.cli.commands import COMMANDS, VARIABLE
from tcpstates.cli.output import Output

_PROGRAM = "tcpstates"
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
    output.write([completion_script(shell)])


def completion_script(shell: str) -> str:
    """Return the completion script of a shell."""
    kind = _class_of(shell)
    made = kind(click.Command(_PROGRAM), {}, _PROGRAM, VARIABLE)
    # Not the subclass's `source`, which runs `bash --version` first for bash.
    return ShellComplete.source(made).rstrip("\n") + "\n"


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
        if offer.type == shells.BEGINNING and shell != "bash":
            offer.type = "plain"
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
