"""Whatever goes wrong: one clear line, a documented exit code, no traceback."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys

import pytest

from conftest import COMMAND, finish, run_command
from tcpstates import __version__
from tcpstates.cli import foreign_options as hints
from tcpstates.cli.app import tcpstates
from tcpstates.cli.exit_codes import ExitCode
from tcpstates.cli.wrong_turns import _GUESSES, _PLAIN_GUESSES

LINUX = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="Linux's devices and sources"
)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("--colour", "unknown option '--colour'; did you mean --color"),
        ("-ltQ", "unknown option '-Q'; the columns never change"),
        ("-x", "unknown option '-x'; tcpstates shows TCP and UDP only"),
        ("--net", "unknown option '--net'; use --netns NAME"),
        ("--source netlnk", "unknown source 'netlnk'; did you mean netlink?"),
        ("--source linux9", "choose auto, netlink, procfs, iphlpapi"),
        ("--color blue", "'blue' is not one of 'auto', 'always', 'never'"),
        ("-cs", "-c and -s cannot be combined"),
        ("-s --by state", "--by and -s cannot be combined"),
        ("-s --limit 3", "--limit and -s cannot be combined"),
        ("--json --csv", "choose one format: csv or json"),
        ("--json --columns state", "--columns requires a listing in text or CSV"),
        ("-c --sort state", "--sort requires a listing"),
        ("--by stat", "unknown column 'stat'; did you mean state"),
        ("--by=", "unknown column ''; available columns:"),
        ("--sort=", "unknown column ''"),
        ("--columns=-stat", "unknown column 'stat'"),
        ("--json=1", "option '--json' does not take a value"),
        ("-\x1b", r"unknown option '-\x1b'"),
    ],
)
def test_usage_errors_are_one_line(arguments: str, text: str) -> None:
    finished = run_command(*arguments.split(" "))
    assert finished.returncode == ExitCode.USAGE
    assert finished.stdout == ""
    assert finished.stderr.startswith("tcpstates: ")
    assert text in finished.stderr
    assert finished.stderr.count("\n") == 1
    assert "\x1b" not in finished.stderr


WRONG_FILTERS = {
    ("-tan", "clse_wait", "and", "dport = 1"): """\
unknown state or key 'clse_wait'; did you mean close_wait or time_wait?
  clse_wait and dport = 1
  ^^^^^^^^^
""",
    ("dport = :443", "or", "state"): """\
state: expected a state
  dport = :443 or state
                       ^
""",
    ("\x1b[31m\n:",): r"""
unknown state or key '\x1b[31m'; see FILTERS in the man page
  \x1b[31m\n:
  ^^^^^^^^
"""[1:],
    ("process = 漢字", "dprt"): """\
unknown state or key 'dprt'; did you mean dport or port?
  process = 漢字 dprt
                 ^^^^
""",
    ("( " + "dport = 1 or " * 20 + "xyzzy" + " or sport = 1" * 20 + " )",): """\
unknown state or key 'xyzzy'; see FILTERS in the man page
  ... 1 or dport = 1 or dport = 1 or xyzzy or sport = 1 or sport = 1 or spo...
                                     ^^^^^
""",
}


@pytest.mark.parametrize("arguments", WRONG_FILTERS, ids=lambda a: ascii(a[0])[:20])
def test_a_wrong_filter_is_pointed_at(arguments: tuple[str, ...]) -> None:
    if os.name == "nt" and not " ".join(arguments).isascii():
        pytest.skip("a pipe of Windows has the console's encoding")
    finished = run_command(*arguments)
    assert finished.returncode == ExitCode.USAGE
    assert finished.stdout == ""
    assert finished.stderr == f"tcpstates: {WRONG_FILTERS[arguments]}"


@LINUX
@pytest.mark.parametrize(
    "arguments", ["-tan", "--json -a", "-s", "-c", "--help", "--version"]
)
def test_a_full_disk_is_told(arguments: str) -> None:
    with open("/dev/full", "w") as full:
        finished = run_command(
            *arguments.split(),
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert finished.returncode == ExitCode.FAILED
    assert (
        finished.stderr == "tcpstates: cannot write output: No space left on device\n"
    )


@pytest.mark.parametrize("arguments", ["-tan", "--help"])
def test_a_closed_output_is_told(arguments: str) -> None:
    closing = ["sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, arguments]
    finished = finish(closing)
    assert finished.returncode == ExitCode.FAILED
    assert "standard output is closed" in finished.stderr


@pytest.mark.parametrize("redirection", ["2>&-", "<&-", "2>/dev/full"])
def test_other_streams_do_not_matter(redirection: str) -> None:
    closing = ["sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, "-lnt"]
    finished = finish(closing)
    assert finished.returncode == ExitCode.DONE
    assert finished.stdout.startswith("Proto")


def test_a_reader_that_leaves_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        for argument in ("-tan", "--json", "--help"):
            finished = run_command(argument, stdout=writer, stderr=subprocess.PIPE)
            assert (finished.returncode, finished.stderr) == (ExitCode.DONE, "")
    finally:
        os.close(writer)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_an_interrupt_ends_quietly() -> None:
    # It is sent when the first words arrive at a reader that then reads no more.
    program = (
        "import os, signal, sys\n"
        "sys.argv = ['tcpstates', '-lnt']\n"
        "from tcpstates.cli import list_command as show\n"
        "def interrupt(*_):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    return iter(())\n"
        "show.list_sockets = interrupt\n"
        "from tcpstates.__main__ import main\n"
        "main()\n"
    )
    finished = finish([sys.executable, "-c", program])
    assert finished.returncode == ExitCode.INTERRUPTED
    assert (finished.stdout, finished.stderr) == ("", "")


UNEXPECTED = {
    "ValueError('evil \\x1b[2J\\nrow')": "internal error: ValueError:"
    " evil \\x1b[2J\\nrow (<string>, line 4); please report this line with the command"
    f" and its --source (tcpstates {__version__},"
    f" Python {platform.python_version()}, {platform.platform(terse=True)})",
    "ImportError('no module')": "cannot continue: no module",
    "MemoryError()": "out of memory",
    "SystemError('error return without exception set')": "out of memory",
}


@pytest.mark.parametrize("error", UNEXPECTED)
def test_what_nobody_expects_is_a_line(error: str) -> None:
    program = (
        "import sys\n"
        "from tcpstates.cli import app\n"
        "def fail(_):\n"
        f"    raise {error}\n"
        "app.run = fail\n"
        "from tcpstates.__main__ import main\n"
        "main()\n"
    )
    finished = finish([sys.executable, "-c", program])
    assert finished.returncode == ExitCode.FAILED
    assert finished.stderr == f"tcpstates: {UNEXPECTED[error]}\n"
    assert finished.stdout == ""


def test_a_source_that_cannot_be_used_is_told() -> None:
    finished = run_command("--source", "psutil", "bound")
    assert finished.returncode == ExitCode.FAILED
    assert "source psutil: does not report BOUND sockets" in finished.stderr
    assert finished.stdout == ""


ENVIRONMENTS = {
    "nothing": {},
    "C": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "ascii": {"PYTHONIOENCODING": "ascii:strict"},
    "latin": {"PYTHONIOENCODING": "latin-1"},
    "unbuffered": {"PYTHONUNBUFFERED": "1"},
    "no home": {"HOME": "/nowhere", "TERM": "dumb"},
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_any_environment_will_do(name: str) -> None:
    inherited = {
        key: os.environ[key] for key in ("PATH", "SYSTEMROOT") if key in os.environ
    }
    for arguments in (["-lntpe"], ["-s"], ["--json"], ["--help"]):
        finished = run_command(*arguments, env=inherited | ENVIRONMENTS[name])
        assert finished.returncode == ExitCode.DONE, finished.stderr
        assert finished.stdout


@pytest.mark.parametrize("option", sorted(hints._INSTEAD))
def test_every_option_of_other_tools_leads_on(option: str) -> None:
    """The listing takes some of them itself; the others say what to type instead."""
    from support.tools.inprocess import told

    if option in {name for p in tcpstates.params for name in p.opts} | {"-K"}:
        return  # ours; -K is the command kill
    if os.name == "nt" and option == "-b":
        return  # there it has the meaning of Windows' netstat
    code, text, errors = told([option])
    assert (code, text) == (ExitCode.USAGE, "")
    expected = f"tcpstates: unknown option '{option}'; {hints._INSTEAD[option]}\n"
    assert errors == expected


def test_the_options_of_other_tools_that_are_known() -> None:
    theirs = "-x -d -S -M -0 -f -A -T -O -Q -B -K -N -v -Z -z -b -E -D -F -g -C -L"
    theirs += (
        " --unix --raw --dccp --sctp --mptcp --packet --vsock --xdp --tipc --family"
    )
    theirs += " --query --inet --inet6 --protocol --options --threads --oneline --kill"
    theirs += " --no-queues --bound-inactive --net --verbose --context --contexts --bpf"
    theirs += " --events --diag --filter --tos --cgroup --inet-sockopt --continuous -U"
    theirs += " --numeric-hosts --numeric-ports --numeric-users --program --programs"
    theirs += " --statistics --route --interfaces --groups --masquerade"
    known = {*hints._INSTEAD, *hints.SYNONYMS, *hints.FAMILY_OPTIONS, *_GUESSES}
    known |= {*_PLAIN_GUESSES, *(f"-{letter}" for letter in hints.IDLE)}
    known |= {"-N", "-K", "--kill"}  # ours
    assert set(theirs.split()) <= known


def test_the_headings_of_help() -> None:
    from support.tools.inprocess import told

    _, text, _ = told(["--help"])
    headings = [
        line for line in text.splitlines() if line[:1].isalpha() and line.endswith(":")
    ]
    assert headings == [
        "Which sockets:", "What to show:", "Output and source:", "Over time:", "Other hosts:", "Help:", "Commands:",
    ]  # fmt: skip


def test_a_wrong_state_gets_one_other_word_at_most() -> None:
    import click

    from tcpstates.cli.state_argument import StateName

    with pytest.raises(click.UsageError) as raised:
        StateName(["zebra-one", "zebra-two"]).convert("zebra-on", None, None)
    text = "unknown state or topic 'zebra-on'; did you mean zebra-one?"
    assert raised.value.message == text
    assert StateName(["zebra-one"]).convert("ZEBRA_ONE", None, None) == "zebra-one"
    assert StateName().convert("SYN_RCVD", None, None) == "SYN_RCVD"
    with pytest.raises(click.UsageError, match="for all states: tcpstates explain"):
        StateName().convert("xyzzy", None, None)


def test_click_81_asks_for_a_metavar_without_a_context() -> None:
    """It gives the parameter alone; newer ones give the context, too."""
    from tcpstates.cli.commands import COMMANDS

    commands = [tcpstates, *(entry.load() for entry in COMMANDS.values())]
    kinds = {type(p.type): p for command in commands for p in command.params}
    ours = [kind for kind in kinds if kind.__module__.startswith("tcpstates.")]
    assert len(ours) >= 5
    for kind in ours:
        parameter = kinds[kind]
        if "get_metavar" in vars(kind):
            assert parameter.type.get_metavar(parameter)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "columns", ["\u00b2", "9" * 5000, "-1", "0", "x", "", "99999999", "1", "\u0663"]
)
@pytest.mark.parametrize("arguments", ["-ltn --format table", "-s", "doctor", "--help"])
def test_no_width_in_the_environment_is_too_odd(columns: str, arguments: str) -> None:
    asked = os.environ | {"COLUMNS": columns, "LINES": columns}
    with socket.create_server(("127.0.0.1", 0)):
        finished = run_command(*arguments.split(), env=asked)
    assert finished.returncode in (ExitCode.DONE, ExitCode.FOUND), finished.stderr
    assert finished.stdout
    assert "internal error" not in finished.stderr
