"""The command `tcpstates` itself: its help, its errors and its exit codes."""

from __future__ import annotations

import os
import re
from typing import Any

import click

from tcpstates import __version__
from tcpstates.cli.commands import COMMANDS, VARIABLE
from tcpstates.cli.exit_codes import ExitCode
from tcpstates.cli.foreign_options import instead_of, split_flags
from tcpstates.cli.like import Answered, Unsupported, find_tool
from tcpstates.cli.option_groups import GroupedOption, message
from tcpstates.cli.options import listing_options, make_options
from tcpstates.cli.output import (
    Output,
    ReaderGone,
    output_error,
    point_at,
    warn,
)
from tcpstates.cli.types import FILTER_ARGUMENT
from tcpstates.errors import ColumnError, FilterSyntaxError, TcpstatesError
from tcpstates.wording import did_you_mean, nearest

_EXAMPLES = """\
\b
Examples:
  tcpstates doctor            what is stuck, and what to do
  tcpstates -ltpn             who listens on which port
  tcpstates -tulpen           the same, with UDP, users, inodes and cgroups
  tcpstates -tanp close_wait  closed by the peer, but not by the process
  tcpstates -tan dport = :443 dst 10.0.0.0/8
  tcpstates -tanp close_wait and process = nginx
  tcpstates -ta --by process,state
  tcpstates -s                number of sockets in each state
  tcpstates -tac established  one number, for a script
  tcpstates -tanp -N all      every network namespace and container, as root
  tcpstates -ta --host web1,web2 --by host,state    other hosts, over ssh

\b
FILTER: an expression of ss, with more keys. Quote it for the shell.
  States:     any system's spelling: close_wait, CLOSE-WAIT, SYN_RECV
  Groups:     all connected synchronized bucket big fin_wait half_open
  Keys:       src dst host sport dport port listener autobound dev fwmark
              cgroup process pid user inode recv-q send-q retrans timer age
              idle rtt netns container pod unit on-host
  Operators:  = != < <= > >= in ~ !~, not, and, or, parentheses

The program of the same name in bcc is a different tool: it traces changes of
state as they happen. This one shows the current states.
"""

_ALIKE = 0.7  # a worse suggestion for an option is worse than none


class ListingCommand(click.Command):
    """A command whose --help shows the options in groups."""

    def format_options(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write the options under their headings."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, GroupedOption):
                groups.setdefault(parameter.heading, []).append(record)
        groups["Commands"] = [(name, e.summary) for name, e in COMMANDS.items()]
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def _version(_: click.Context) -> str:
    return f"tcpstates {__version__}"


@click.command(
    cls=ListingCommand,
    epilog=_EXAMPLES,
    add_help_option=False,
)
@listing_options
@click.argument("expression", nargs=-1, type=FILTER_ARGUMENT, metavar="[FILTER]...")
@message("-V", "--version", show=_version, text="Show the version and exit.")
@message(
    *("-h", "--help"), show=click.Context.get_help, text="Show this message and exit."
)
@click.pass_obj
def tcpstates(output: Output, /, **values: Any) -> int:
    """Show sockets and their states, with the state names of RFC 9293.

    Without options, list TCP sockets that are not listening.
    """
    options = make_options(values)
    if options.until:
        from tcpstates.cli.watch.until import wait_until

        return wait_until(options, output)
    if options.watch is not None:
        from tcpstates.cli.watch.watching import watch

        return watch(options, output)
    from tcpstates.cli.list_command import show

    return show(options, output)


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code; print each error on one line."""
    code = None
    try:
        output = Output()
        instruction = os.environ.get(VARIABLE)
        if instruction:
            from tcpstates.cli.commands.completion import answer

            answer(instruction, tcpstates, output)
        else:
            code = _invoke(arguments, output)
        output.flush()
    except ReaderGone:
        pass
    except (click.UsageError, TcpstatesError, OSError) as error:
        text, failure = _explain(error, arguments)
        details = error.details if isinstance(error, TcpstatesError) else ()
        entry = COMMANDS.get(arguments[0]) if arguments else None
        if entry is not None and entry.report_failure is not None:
            return entry.report_failure("; ".join((text, *details)))
        warn(*details, text)
        if isinstance(error, FilterSyntaxError) and text == str(error):
            point_at(error.text, error.span)
        return failure
    return ExitCode.DONE if code is None else code


def _explain(error: Exception, arguments: list[str]) -> tuple[str, ExitCode]:
    """Describe an error in one line, and choose the exit code."""
    if isinstance(error, click.UsageError):
        return _usage_text(error, arguments), ExitCode.USAGE
    if isinstance(error, FilterSyntaxError):
        from tcpstates.cli.wrong_turns import wrong_turn

        is_like = any(argument.startswith("--like") for argument in arguments)
        hint = None if is_like else wrong_turn(arguments, list(COMMANDS), str(error))
        return hint or str(error), ExitCode.USAGE
    if isinstance(error, TcpstatesError):
        is_usage = isinstance(error, ColumnError)
        return str(error), ExitCode.USAGE if is_usage else ExitCode.FAILED
    return f"cannot continue: {error}", ExitCode.FAILED


def _invoke(arguments: list[str], output: Output) -> int | None:
    """Run the command that the first argument names, or the listing.

    Return an exit code, or None for success.
    """
    command: click.Command = tcpstates
    name = "tcpstates"
    if arguments == ["/?"]:
        arguments = ["--help"]
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:2], "--help"]
    is_like = any(argument.startswith("--like") for argument in arguments)
    names_command = bool(arguments) and arguments[0] in COMMANDS
    wants_kill = not {"-K", "--kill"}.isdisjoint(arguments)  # of ss
    if wants_kill and not is_like and not names_command:
        arguments = ["kill", *(a for a in arguments if a not in ("-K", "--kill"))]
    if arguments and arguments[0] in COMMANDS:
        command = COMMANDS[arguments[0]].load()
        name, arguments = f"tcpstates {arguments[0]}", arguments[1:]
    else:
        like = find_tool(arguments)
        if like is not None:
            from tcpstates.cli.like_flags import translate_flags

            try:
                arguments = translate_flags(*like)
            except Answered as answer:
                output.write([str(answer)])
                return None
        arguments = split_flags(arguments, tcpstates.params)
    try:
        context = command.make_context(name, arguments, obj=output)
    except click.exceptions.Exit:
        output.write(())  # click silently drops --help without output
        return None
    except OSError as error:  # click could not print --help or --version
        raise output_error(error) from error
    with context:
        code: int | None = command.invoke(context)
    return code


def _usage_text(error: click.UsageError, arguments: list[str]) -> str:
    """Format click's error as one line, with a suggestion."""
    if isinstance(error, Unsupported):
        return error.message
    if isinstance(error, click.NoSuchOption):
        text = f"unknown option '{error.option_name}'"
        instead = _instead(error, arguments)
    else:
        text, instead = " ".join(error.format_message().split()).rstrip("."), None
        text = text[:1].lower() + text[1:]
    name = error.ctx.info_name if error.ctx else "tcpstates"
    return f"{text}; {instead or f'see {name} --help'}"


def _instead(error: click.NoSuchOption, arguments: list[str]) -> str | None:
    """Suggest what to type instead of an unknown option; None: no idea."""
    from tcpstates.cli.wrong_turns import (
        guess_for_diagram,
        guess_for_doctor,
        guessed_option,
    )

    option = error.option_name
    if any(re.match("-i(TCP|UDP|[46@:])|-sTCP", argument) for argument in arguments):
        return f"for lsof's options: tcpstates --like lsof {' '.join(arguments)}"
    if arguments[0] == "doctor":
        return guess_for_doctor(option, arguments)
    if arguments[0] == "diagram" and guess_for_diagram(option):
        return guess_for_diagram(option)
    found = guessed_option(option, arguments) or instead_of(option)
    if found is not None or not error.possibilities:
        return found
    known = [other.lstrip("-") for other in error.possibilities]
    near = nearest(option.lstrip("-"), known, least=_ALIKE)
    return did_you_mean(f"--{name}" for name in near).removeprefix("; ") or None
