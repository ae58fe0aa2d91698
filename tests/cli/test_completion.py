"""What shells offer: asked as their own scripts ask, by the shells that are here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import COMMAND, finish, run_command
from tcpstates.cli.commands.completion import SHELLS
from tcpstates.cli.exit_codes import ExitCode

LINES = {
    "tcpstates clo": {"close_wait", "closing", "closed"},
    "tcpstates CLOSE-W": {"CLOSE-WAIT"},
    "tcpstates finw": {"fin_wait", "fin_wait_1", "fin_wait_2"},
    "tcpstates -ltpn --source p": {"procfs", "psutil"},
    "tcpstates --color=a": {"auto", "always"},
    "tcpstates --timer": {"--timers"},
    "tcpstates -tan state half": {"half_open"},
    "tcpstates exclude lis": {"listen"},
    "tcpstates close_wait and dp": {"dport"},
    "tcpstates close_wait a": {"age", "all", "and", "autobound"},
    "tcpstates dport = doma": {"domain", "domain-s"},
    "tcpstates -tan timer = keep": {"keepalive"},
    "tcpstates user = roo": {"root"},
    "tcpstates --source=pr": {"procfs"},
    "tcpstates dport = :doma": {"domain"},
    "tcpstates dport not in doma": {"domain"},
    "tcpstates state in close_wait,time": {"close_wait,time_wait"},
    "tcpstates --sort loc": {"local", "local-address", "local-port"},
    "tcpstates --columns +us": {"+user"},
    "tcpstates --by process,sta": {"process,state"},
    "tcpstates --format open": {"openmetrics"},
    "tcpstates rtt g": {"gt", "ge"},
    "tcpstates comp": {"completion"},
    "tcpstates che": {"check"},
    "tcpstates completion f": {"fish"},
    "tcpstates completion --he": {"--help"},
}
BY_PROTOCOL = pytest.mark.parametrize("line", LINES)


def needs(shell: str) -> pytest.MarkDecorator:
    missing = shutil.which(shell) is None
    return pytest.mark.skipif(missing, reason=f"{shell} is missing (Debian: {shell})")


def ask(shell: list[str], script: str) -> set[str]:
    """Run a script in a shell that finds our command; return its lines."""
    folder = str(Path(COMMAND[0]).parent)
    environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    finished = finish([*shell, script], env=environment)
    assert finished.stderr == ""
    return set(finished.stdout.split("\n")) - {""}


# Other systems may have more of these.
SYSTEMS_OWN = ("dport", "user")


def agrees(line: str, offered: set[str]) -> bool:
    """Tell whether a shell offers what it should."""
    if any(key in line for key in SYSTEMS_OWN):
        return any(expected in offered for expected in LINES[line])
    return offered == LINES[line]


def value(line: str, found: str) -> str:
    """Return what a shell puts in the place of the word, as bash tells it."""
    last = line.rpartition(" ")[2]
    kept = last[: max(last.rfind("="), last.rfind(":")) + 1]
    return found.removeprefix(kept)


@needs("bash")
@BY_PROTOCOL
def test_bash(line: str) -> None:
    # As readline takes a line apart: at "=" and ":", too.
    words = " ".join(f"'{word}'" for word in re.findall(r"[=:]|[^\s=:]+", line))
    script = f"""
        eval "$(tcpstates completion bash)"
        COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _tcpstates_completion tcpstates
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    assert agrees(line, ask(["bash", "--norc", "-c"], script))


@needs("bash")
def test_bash_inside_of_quotation_marks() -> None:
    script = """
        eval "$(tcpstates completion bash)"
        COMP_WORDS=(tcpstates -tan "'( dport = 443 and spo"); COMP_CWORD=2
        _tcpstates_completion tcpstates
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    assert ask(["bash", "--norc", "-c"], script) == {"( dport = 443 and sport"}


@needs("zsh")
@pytest.mark.parametrize(
    "line", ["tcpstates clo", "tcpstates --source=pr", "tcpstates --by process,sta"]
)
def test_zsh(line: str) -> None:
    words = line.split(" ")
    # Outside of a running completion the words are taken from where they would go.
    script = f"""
        compdef() {{ : }}
        compadd() {{ print -l -- ${{(P)@[-1]}} }}
        _describe() {{ print -l -- ${{(P)3%%:*}} }}
        eval "$(tcpstates completion zsh)"
        words=({line}); CURRENT={len(words)}
        _tcpstates_completion
    """
    offered = {name.partition(":")[0] for name in ask(["zsh", "-f", "-c"], script)}
    assert agrees(line, {value(line, name) for name in offered})


@needs("fish")
@pytest.mark.parametrize(
    "line", ["tcpstates clo", "tcpstates -ltpn --source p", "tcpstates --source=pr"]
)
def test_fish(line: str) -> None:
    script = f"tcpstates completion fish | source; complete -C '{line}'"
    offered = ask(["fish", "--no-config", "-c"], script)
    names = {found.partition("\t")[0] for found in offered}
    assert agrees(line, {value(line, name) for name in names})


@needs("fish")
def test_fish_shows_values_and_help_with_commas() -> None:
    script = "tcpstates completion fish | source; complete -C '{}'"
    line = "tcpstates state in close_wait,time"
    offered = ask(["fish", "--no-config", "-c"], script.format(line))
    assert {name.partition("\t")[0] for name in offered} == {"close_wait,time_wait"}
    offered = ask(["fish", "--no-config", "-c"], script.format("tcpstates --timer"))
    assert offered == {"--timers\tTimer, remaining time, retransmissions; age."} or all(
        "," in found for found in offered
    )


@needs("bash")
@pytest.mark.parametrize(
    ("typed", "becomes"),
    [("--by proces", "--by processX"), ("--source psu", "--source psutil X")],
)
def test_bash_adds_a_blank_only_where_a_word_ends(typed: str, becomes: str) -> None:
    """In an interactive bash: what is typed behind the completed word goes there."""
    import pty

    folder = str(Path(COMMAND[0]).parent)
    environment = os.environ | {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "TERM": "dumb",
        "PS1": "",
    }
    ours, theirs = pty.openpty()
    shell = ["bash", "--norc", "--noprofile", "-i"]
    with subprocess.Popen(
        shell, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        try:
            os.write(ours, b'eval "$(tcpstates completion bash)"; echo rea""dy\n')
            await_output(ours, b"ready")
            os.write(ours, f"tcpstates {typed}\t".encode())
            await_output(ours, becomes.removesuffix("X").strip().encode())
            line_start, line_end = b"\x01", b"\x05"
            os.write(ours, b"X'" + line_start + b"echo '<'" + b"'" + line_end + b"\n")
            expected = f"<tcpstates {becomes}".encode()
            assert expected in await_output(ours, expected)
        finally:
            process.kill()
            os.close(ours)


def await_output(terminal: int, text: bytes) -> bytes:
    """Read from a terminal until a text comes, for 20 s at most."""
    import select
    import time

    found, deadline = b"", time.monotonic() + 20
    while text not in found and time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.5)[0]:
            found += os.read(terminal, 4096)
    return found


@pytest.mark.skipif(os.name == "nt", reason="other users than on Unix")
@BY_PROTOCOL
def test_powershell_as_far_as_it_can_be_tried_without_it(line: str) -> None:
    words = line.split(" ")
    finished = run_command(
        env=os.environ
        | {
            "_TCPSTATES_COMPLETE": "powershell_complete",
            "COMP_WORDS": "\n".join(words),
            "COMP_WORD": words[-1],
        }
    )
    assert finished.returncode == ExitCode.DONE
    offered = {row.partition("\t")[0] for row in finished.stdout.splitlines()}
    assert agrees(line, {value(line, name) for name in offered})


@pytest.mark.parametrize("value", ["bash_complete", "fish_source", "tcsh_complete"])
def test_the_variable_alone_is_no_question(value: str) -> None:
    finished = run_command(env=os.environ | {"_TCPSTATES_COMPLETE": value})
    assert finished.returncode == ExitCode.USAGE
    assert finished.stderr.count("\n") == 1


def test_every_shell_has_its_script() -> None:
    for shell in SHELLS:
        finished = run_command("completion", shell)
        assert finished.returncode == ExitCode.DONE
        assert "_TCPSTATES_COMPLETE" in finished.stdout
        assert f"{shell}_complete" in finished.stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["completion"], "missing argument"),
        (["completion", "tcsh"], "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
    ],
)
def test_other_shells_are_refused(arguments: list[str], text: str) -> None:
    finished = run_command(*arguments)
    assert finished.returncode == ExitCode.USAGE
    assert text in finished.stderr


def test_a_word_is_a_command_only_where_it_is_first() -> None:
    finished = run_command("-a", "completion", stdout=subprocess.PIPE)
    assert finished.returncode == ExitCode.USAGE
