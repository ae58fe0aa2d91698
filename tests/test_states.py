"""Every system's words lead to the states of RFC 9293, and nothing else does."""

from __future__ import annotations

import pytest

from tcpstates.states import (
    GROUPS,
    OtherState,
    TcpState,
    find_state,
    find_states,
    joined_state_names,
    names_in_tool,
    nearest_states,
)

S = TcpState
# One row a system: the words that it uses, in the order of ORDER.
ORDER = (
    S.ESTABLISHED,
    S.SYN_SENT,
    S.SYN_RECEIVED,
    S.FIN_WAIT_1,
    S.FIN_WAIT_2,
    S.TIME_WAIT,
    S.CLOSED,
    S.CLOSE_WAIT,
    S.LAST_ACK,
    S.LISTEN,
    S.CLOSING,
)
SYSTEMS = {
    "proc": "01 02 03 04 05 06 07 08 09 0A 0B",
    "ss": "ESTAB SYN-SENT SYN-RECV FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT UNCONN CLOSE-WAIT"
    " LAST-ACK LISTEN CLOSING",
    "ss filter": "established syn-sent syn-recv fin-wait-1 fin-wait-2 time-wait closed"
    " close-wait last-ack listening closing",
    "net-tools": "ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE"
    " CLOSE_WAIT LAST_ACK LISTEN CLOSING",
    "windows": "ESTABLISHED SYN_SENT SYN_RECEIVED FIN_WAIT_1 FIN_WAIT_2 TIME_WAIT"
    " CLOSED CLOSE_WAIT LAST_ACK LISTENING CLOSING",
    "powershell": "Established SynSent SynReceived FinWait1 FinWait2 TimeWait Closed"
    " CloseWait LastAck Listen Closing",
    "bsd": "ESTABLISHED SYN_SENT SYN_RCVD FIN_WAIT_1 FIN_WAIT_2 TIME_WAIT CLOSED"
    " CLOSE_WAIT LAST_ACK LISTEN CLOSING",
    "mib": "MIB_TCP_STATE_ESTAB MIB_TCP_STATE_SYN_SENT MIB_TCP_STATE_SYN_RCVD"
    " MIB_TCP_STATE_FIN_WAIT1 MIB_TCP_STATE_FIN_WAIT2 MIB_TCP_STATE_TIME_WAIT"
    " MIB_TCP_STATE_CLOSED MIB_TCP_STATE_CLOSE_WAIT MIB_TCP_STATE_LAST_ACK"
    " MIB_TCP_STATE_LISTEN MIB_TCP_STATE_CLOSING",
    "snmp": "established synSent synReceived finWait1 finWait2 timeWait closed"
    " closeWait lastAck listen closing",
    "german windows": "HERGESTELLT SYN_GESENDET SYN_EMPFANGEN FIN_WARTEN_1 FIN_WARTEN_2"
    " WARTEND CLOSED SCHLIESSEN_WARTEN LETZTES_ACK ABHÖREN SCHLIESSEND",
    "brazilian net-tools": "ESTABELECIDA SYN_ENVIADO SYN_RECEBIDO ESPERA_FIN1"
    " ESPERA_FIN2 TIME_WAIT FECHAR ESPERANDO_FECHAR ÚLTIMO_ACK OUÇA FECHANDO",
    "psutil": "CONN_ESTABLISHED CONN_SYN_SENT CONN_SYN_RECV CONN_FIN_WAIT1"
    " CONN_FIN_WAIT2 CONN_TIME_WAIT CONN_CLOSE CONN_CLOSE_WAIT CONN_LAST_ACK"
    " CONN_LISTEN CONN_CLOSING",
    "bsd kernel": "TCPS_ESTABLISHED TCPS_SYN_SENT TCPS_SYN_RECEIVED TCPS_FIN_WAIT_1"
    " TCPS_FIN_WAIT_2 TCPS_TIME_WAIT TCPS_CLOSED TCPS_CLOSE_WAIT TCPS_LAST_ACK"
    " TCPS_LISTEN TCPS_CLOSING",
}


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_systems_words_are_the_eleven_states(system: str) -> None:
    assert [find_state(word) for word in SYSTEMS[system].split()] == list(ORDER)


@pytest.mark.parametrize("state", TcpState, ids=str)
@pytest.mark.parametrize("separator", ["", "-", "_", " "], ids=["", "-", "_", "blank"])
@pytest.mark.parametrize(
    "case", [str.upper, str.lower, str.title], ids=lambda f: f.__name__
)
def test_case_and_separators_do_not_matter(
    state: TcpState, separator: str, case: type
) -> None:
    assert find_state(case(state.value.replace("_", separator))) is state


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("0C", S.SYN_RECEIVED),
        ("NEW_SYN_RECV", S.SYN_RECEIVED),
        ("SYN_SEND", S.SYN_SENT),
        ("timeD_WAIT", S.TIME_WAIT),
        ("VERBUNDEN", S.ESTABLISHED),
        ("NASLOUCHÁ", S.LISTEN),
        ("LYSSNAR", S.LISTEN),
        ("POSLEDNÍ ACK", S.LAST_ACK),
        ("DELETE_TCB", OtherState.DELETE_TCB),
        ("DeleteTCB", OtherState.DELETE_TCB),
        ("Bound", OtherState.BOUND),
        ("bound-inactive", OtherState.BOUND),
        ("IDLE", OtherState.IDLE),
        ("CONN_NONE", OtherState.NONE),
    ],
)
def test_other_words(word: str, state: object) -> None:
    assert find_state(word) is state


def test_unconn_of_udp_is_no_state() -> None:
    assert find_state("UNCONN", has_states=False) is OtherState.UNCONN
    assert find_state("07", has_states=False) is OtherState.UNCONN
    assert find_state("UNCONN") is S.CLOSED


@pytest.mark.parametrize(
    "word", ["", "WAIT", "SYN", "0", "1", "0E", "FF", "TCP", "CONN", "ECTED", "LISTENN"]
)
def test_unknown_words_are_not_guessed(word: str) -> None:
    assert find_state(word) is None


def test_no_spelling_means_two_states() -> None:
    from tcpstates import states

    meant: dict[str, set[object]] = {}
    for state in (*TcpState, *OtherState):
        for system in states.SYSTEMS:
            for word in states.names_of(state, system):
                meant.setdefault(states.reduce_spelling(word), set()).add(state)
    # ss has one word for both; of a TCP socket it is CLOSED.
    assert meant.pop("UNCONN") == {TcpState.CLOSED, OtherState.UNCONN}
    assert all(len(found) == 1 for found in meant.values())
    for word, (state,) in meant.items():
        assert find_state(word) is state


def test_what_a_system_calls_a_state() -> None:
    from tcpstates import states

    assert states.names_of(TcpState.LISTEN, "windows") == ["LISTENING"]
    assert states.names_of(TcpState.CLOSING, "bsd") == ["CLOSING"]
    assert states.names_of(TcpState.CLOSING, "proc") == ["0B"]
    assert states.names_of(OtherState.IDLE, "proc") == []
    assert all(states.names_of(state, "linux") for state in TcpState)


def test_groups_are_those_of_ss() -> None:
    tcp = set(TcpState)
    assert GROUPS["all"] & tcp == tcp
    assert GROUPS["connected"] & tcp == tcp - {S.LISTEN, S.CLOSED}
    assert GROUPS["synchronized"] & tcp == tcp - {S.LISTEN, S.CLOSED, S.SYN_SENT}
    assert GROUPS["bucket"] == {S.SYN_RECEIVED, S.TIME_WAIT}
    assert GROUPS["big"] & tcp == tcp - {S.SYN_RECEIVED, S.TIME_WAIT}
    assert find_states("FIN-WAIT") == frozenset({S.FIN_WAIT_1, S.FIN_WAIT_2})
    assert find_states("half-open") == frozenset({S.SYN_RECEIVED})


def test_closed_and_unconn_select_the_same() -> None:
    assert (
        find_states("closed")
        == find_states("unconn")
        == frozenset({S.CLOSED, OtherState.UNCONN})
    )


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("clse_wait", "CLOSE_WAIT"),
        ("listn", "LISTEN"),
        ("syn_reecv", "SYN_RECEIVED"),
        ("conected", "connected"),
        ("timewiat", "TIME_WAIT"),
    ],
)
def test_nearest_words(word: str, near: str) -> None:
    assert nearest_states(word)[0] == near


def test_a_state_is_printed_as_its_name() -> None:
    assert f"{S.FIN_WAIT_1} {S.FIN_WAIT_1!s:>12}" == "FIN_WAIT_1   FIN_WAIT_1"


def test_what_a_wrong_word_may_have_meant() -> None:
    assert nearest_states("clse_wait") == ["CLOSE_WAIT"]
    assert nearest_states("LISTNE") == ["LISTEN"]
    assert nearest_states("estblished") == ["ESTABLISHED"]
    assert nearest_states("fin_wat") == ["fin_wait", "FIN_WAIT_2"]
    assert nearest_states("xyzzy") == []
    assert nearest_states("0") == []
    assert nearest_states("idel") == []  # of Solaris: no state that can be selected


def test_the_list_of_words() -> None:
    assert joined_state_names() == (
        "listen syn_sent syn_received established fin_wait_1 fin_wait_2 close_wait"
        " closing last_ack time_wait closed; groups: all connected synchronized bucket"
        " big fin_wait half_open"
    )


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("rfc", {}),
        ("ss", {"SYN_SENT": "SYN-SENT", "SYN_RECEIVED": "SYN-RECV", "ESTABLISHED": "ESTAB",
                "FIN_WAIT_1": "FIN-WAIT-1", "FIN_WAIT_2": "FIN-WAIT-2",
                "CLOSE_WAIT": "CLOSE-WAIT", "LAST_ACK": "LAST-ACK",
                "TIME_WAIT": "TIME-WAIT", "CLOSED": "UNCONN"}),
        ("netstat", {"SYN_RECEIVED": "SYN_RECV", "FIN_WAIT_1": "FIN_WAIT1",
                     "FIN_WAIT_2": "FIN_WAIT2", "CLOSED": "CLOSE"}),
        ("windows", {"LISTEN": "LISTENING"}),
        ("bsd", {"SYN_RECEIVED": "SYN_RCVD"}),
    ],
)  # fmt: skip
def test_what_tools_call_the_states(tool: str, words: dict[str, str]) -> None:
    assert names_in_tool(tool) == words
