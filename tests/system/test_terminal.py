"""On a terminal: tables that fit, colours that mean something, a last line."""

from __future__ import annotations

import re

import pytest

from conftest import Lab
from support.tools.terminal import on_terminal

SGR = re.compile(r"\x1b\[[0-9;]*m")


def screen(lab: Lab, width: int, *arguments: str, **environment: str) -> list[str]:
    command = [*lab.enter, *lab.command, *arguments]
    return on_terminal(command, width, environment).split("\r\n")


@pytest.mark.parametrize("width", [40, 80, 160])
@pytest.mark.parametrize(
    "arguments", ["-ltpn", "-tulpen", "-tan", "-tanp", "-tanoim", "-s"]
)
def test_a_table_fits_and_names_every_socket(
    lab: Lab, width: int, arguments: str
) -> None:
    lines = [SGR.sub("", line) for line in screen(lab, width, arguments)]
    assert max(map(len, lines)) <= width
    if arguments != "-s":
        joined = "".join("".join(lines).split())
        for socket in lab.sockets(arguments):
            address = socket["local_address"]
            if socket["family"] == "ipv6":
                address = f"[{address}]"
            assert f"{address}:{socket['local_port']}" in joined


def test_the_last_line_counts(lab: Lab) -> None:
    last = screen(lab, 100, "-ltn", "--color=never")[-2]
    listening = len(lab.sockets("-ltn"))
    assert last == f"{listening} sockets: {listening} LISTEN"
    assert screen(lab, 100, "-tn", "closing")[-2] == "no sockets match"


def test_states_have_colours_that_can_be_switched_off(lab: Lab) -> None:
    assert any("\x1b[1;31mCLOSE_WAIT" in line for line in screen(lab, 100, "-tan"))
    for switched in (
        screen(lab, 100, "-tan", "--color", "never"),
        screen(lab, 100, "-tan", NO_COLOR="1"),
        screen(lab, 100, "-tan", TERM="dumb"),
    ):
        assert "\x1b" not in "".join(switched)


def test_a_pipe_is_plain_unless_colour_is_asked_for(lab: Lab) -> None:
    plain = lab.tcpstates("-tan").stdout
    assert "\x1b" not in plain
    painted = lab.tcpstates("-tan", "--color=always").stdout
    assert SGR.sub("", painted).split() == plain.split()
    assert "\x1b[1;31mCLOSE_WAIT" in painted


def test_wide_lines_and_no_heading(lab: Lab) -> None:
    lines = screen(lab, 40, "-tulpenW", "-H", "--color=never")
    assert len(lines) == len(lab.sockets("-tuln")) + 2  # the count, and the end


def test_the_columns_do_not_change_with_the_selection(lab: Lab) -> None:
    heads = {
        tuple(lab.tcpstates(*words.split()).stdout.splitlines()[0].split())
        for words in ("-tn", "-ltn", "-un", "-tn close_wait", "-tn closing", "-4tan")
    }
    assert len(heads) == 1


def test_flags_work_in_any_order(lab: Lab) -> None:
    expected = lab.tcpstates("-ltpn").stdout
    for flags in (
        "-pntl",
        "-lt -pn",
        "--listening --tcp --processes --numeric",
        "-nltp",
    ):
        assert lab.tcpstates(*flags.split()).stdout == expected


@pytest.mark.parametrize("width", [0, 1, 20, 10_000])
def test_no_width_is_too_odd(lab: Lab, width: int) -> None:
    rows = len(lab.sockets("-a"))
    lines = [SGR.sub("", line) for line in screen(lab, width, "-tan", "-H", "-W")]
    states = [line for line in lines if line.startswith("tcp ")]
    assert len(states) == rows
    assert "Traceback" not in "".join(screen(lab, width, "-tanpe"))
