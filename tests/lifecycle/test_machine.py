"""The table is RFC 9293's figure 5, edge by edge, and scenarios walk along it."""

from __future__ import annotations

import json

import pytest

from conftest import run_command
from tcpstates.cli.exit_codes import ExitCode
from tcpstates.lifecycle.machine import (
    BEYOND,
    CALLS,
    FIGURE,
    SIDES,
    TRANSITIONS,
    Event,
    step,
    ways_in,
    ways_out,
)
from tcpstates.lifecycle.scenarios import SCENARIOS
from tcpstates.lifecycle.walks import is_simultaneous, walk
from tcpstates.render.sequence import render_sequence
from tcpstates.states import TcpState

# The figure's edges as it is read: from, what is above the line, below it, to.
FIGURE_5 = """
CLOSED        passive OPEN            -        LISTEN
CLOSED        active OPEN             SYN      SYN_SENT
LISTEN        CLOSE                   -        CLOSED
LISTEN        rcv SYN                 SYN,ACK  SYN_RECEIVED
LISTEN        SEND                    SYN      SYN_SENT
SYN_SENT      CLOSE                   -        CLOSED
SYN_SENT      rcv SYN                 SYN,ACK  SYN_RECEIVED
SYN_SENT      rcv SYN,ACK             ACK      ESTABLISHED
SYN_RECEIVED  rcv RST                 -        LISTEN
SYN_RECEIVED  rcv ACK of SYN          -        ESTABLISHED
SYN_RECEIVED  CLOSE                   FIN      FIN_WAIT_1
ESTABLISHED   CLOSE                   FIN      FIN_WAIT_1
ESTABLISHED   rcv FIN                 ACK      CLOSE_WAIT
FIN_WAIT_1    rcv ACK of FIN          -        FIN_WAIT_2
FIN_WAIT_1    rcv FIN                 ACK      CLOSING
FIN_WAIT_1    rcv FIN and ACK of FIN  ACK      TIME_WAIT
FIN_WAIT_2    rcv FIN                 ACK      TIME_WAIT
CLOSING       rcv ACK of FIN          -        TIME_WAIT
CLOSE_WAIT    CLOSE                   FIN      LAST_ACK
LAST_ACK      rcv ACK of FIN          -        CLOSED
TIME_WAIT     Timeout=2MSL            -        CLOSED
"""


def test_the_figure_edge_by_edge() -> None:
    expected = {" ".join(line.split()) for line in FIGURE_5.split("\n") if line}
    found = [f"{e.source} {e.event} {e.sends or '-'} {e.target}" for e in FIGURE]
    assert set(found) == expected
    assert len(found) == len(expected) == 21


def test_every_state_can_be_entered_and_left() -> None:
    for state in TcpState:
        assert ways_in(state)
        assert ways_out(state)
    assert sum(len(ways_in(state)) for state in TcpState) == len(FIGURE)


def test_aborts_resets_and_timeouts_end_a_connection() -> None:
    for event in (Event.ABORT, Event.RST, Event.USER_TIMEOUT):
        edges = [edge for edge in BEYOND if edge.event is event]
        assert all(edge.target is TcpState.CLOSED for edge in edges)
        sources = [edge.source for edge in edges]
        assert len(sources) == len(set(sources))
        assert TcpState.ESTABLISHED in sources
    silent = {TcpState.LISTEN, TcpState.CLOSED}
    assert not silent & {e.source for e in BEYOND if e.event is Event.USER_TIMEOUT}


# From the text of RFC 9293: source, event, what is sent, target, section.
FURTHER = """
SYN_RECEIVED  rcv SYN  -        LISTEN        3.10.7.4
SYN_RECEIVED  rcv FIN  ACK      CLOSE_WAIT    3.10.7.4
TIME_WAIT     rcv SYN  SYN,ACK  SYN_RECEIVED  3.6.1
TIME_WAIT     rcv FIN  ACK      TIME_WAIT     3.10.7.4
SYN_SENT      rcv RST  -        CLOSED        3.10.7.3
"""


def test_the_further_edges_of_the_text() -> None:
    expected = {" ".join(line.split()) for line in FURTHER.split("\n") if line}
    found = {
        f"{e.source} {e.event} {e.sends or '-'} {e.target} {e.section}" for e in BEYOND
    }
    assert expected <= found
    (of_linux,) = (edge for edge in BEYOND if edge.section is None)
    assert (of_linux.event, of_linux.target) == (Event.NO_PROCESS, TcpState.CLOSED)


def test_events_are_calls_segments_or_timeouts() -> None:
    used = {edge.event for edge in TRANSITIONS}
    assert used == set(Event)
    assert all(event.is_call == (event in CALLS) for event in Event)
    assert not any(event.is_call and event.is_segment for event in Event)


def test_sides() -> None:
    assert set(SIDES) == set(TcpState)
    assert SIDES[TcpState.LISTEN] == "the server"
    assert "closes first" in SIDES[TcpState.FIN_WAIT_2]
    assert "closes second" in SIDES[TcpState.CLOSE_WAIT]
    for state in (TcpState.SYN_SENT, TcpState.SYN_RECEIVED, TcpState.CLOSING):
        assert "both, when both" in SIDES[state]


ENDS = {"CLOSED", "LISTEN", "ESTABLISHED"}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_a_walk_of_both(name: str) -> None:
    scenario = SCENARIOS[name]
    moments = list(walk(scenario))
    assert {str(moments[-1].client), str(moments[-1].server)} <= ENDS
    in_flight = {"client": 0, "server": 0}
    for moment in moments:
        act = moment.act
        if act.event is not None and act.event.is_segment:
            other = "server" if act.party == "client" else "client"
            assert in_flight[other] > 0, f"{act} before anything was sent"
        if moment.segment:
            in_flight[act.party] += 1


def test_what_the_table_does_not_allow_is_no_step() -> None:
    with pytest.raises(KeyError, match="no transition from LISTEN on rcv FIN"):
        step(TcpState.LISTEN, Event.FIN)


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("width", [48, 80, 160])
def test_a_drawing_fits_and_has_every_state(name: str, width: int) -> None:
    scenario = SCENARIOS[name]
    how = {"color": False, "encoding": "utf-8"}
    steps = [(None, None), *((moment, None) for moment in walk(scenario))]
    text = "".join(render_sequence(name, scenario, steps, width=width, **how))  # type: ignore[arg-type]
    assert all(len(line) <= width for line in text.splitlines())
    for moment in walk(scenario):
        assert str(moment.client) in text
        assert str(moment.server) in text
        assert (moment.segment or "") in text
    ascii_only = render_sequence(
        name, scenario, steps, width=80, color=True, encoding="ascii"
    )
    assert "".join(ascii_only).isascii()


def test_the_command() -> None:
    names = [line.split()[0] for line in run_command("sequence").stdout.splitlines()]
    assert names == list(SCENARIOS)
    assert run_command("sequence", "HALF_CLOSE").stdout.startswith("half-close: ")
    told = json.loads(run_command("sequence", "--json").stdout)
    assert list(told["sequences"]) == names
    (steps,) = [
        s["steps"] for s in told["sequences"].values() if "Refused" in s["title"]
    ]
    assert steps[-1] == {
        "party": "client",
        "event": "rcv RST",
        "sends": None,
        "numbers": None,
        "client": "CLOSED",
        "server": "CLOSED",
    }
    wrong = run_command("sequence", "simultanous-open")
    assert wrong.returncode == ExitCode.USAGE
    assert "did you mean simultaneous-open" in wrong.stderr


def test_which_scenarios_are_simultaneous() -> None:
    both = {name for name, one in SCENARIOS.items() if is_simultaneous(one)}
    assert both == {"simultaneous-open", "simultaneous-close"}
