"""The eleven states of RFC 9293, their spellings on every system, and groups.

The numbers that a source uses for states are defined in the parser of that source.
"""

from __future__ import annotations

from enum import Enum


class TcpState(str, Enum):
    """A connection state of RFC 9293, section 3.3.2, in the spelling of tcpstates."""

    LISTEN = "LISTEN"
    SYN_SENT = "SYN_SENT"
    SYN_RECEIVED = "SYN_RECEIVED"
    ESTABLISHED = "ESTABLISHED"
    FIN_WAIT_1 = "FIN_WAIT_1"
    FIN_WAIT_2 = "FIN_WAIT_2"
    CLOSE_WAIT = "CLOSE_WAIT"
    CLOSING = "CLOSING"
    LAST_ACK = "LAST_ACK"
    TIME_WAIT = "TIME_WAIT"
    CLOSED = "CLOSED"

    def __str__(self) -> str:
        return self.value

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)


class OtherState(str, Enum):
    """A state that systems show but RFC 9293 does not define."""

    UNCONN = "UNCONN"  # a UDP socket without a peer (ss)
    BOUND = "BOUND"  # bound to a port, neither listening nor connecting
    IDLE = "IDLE"  # opened, not bound (Solaris, HP-UX)
    UNBOUND = "UNBOUND"  # the same for a UDP socket
    DELETE_TCB = "DELETE_TCB"  # being deleted (Windows)
    NONE = "NONE"  # psutil: the protocol has no states

    def __str__(self) -> str:
        return self.value

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)


AnyState = TcpState | OtherState

# The spellings of a state on each system, separated by commas. The first one is the
# spelling that the system's own tool shows most. The state's own name needs no entry.
SYSTEMS = {
    "linux": "ss, netstat, lsof on Linux",
    "proc": "/proc/net/tcp",
    "windows": "Windows",
    "bsd": "macOS, BSD, Solaris, AIX, HP-UX",
    "api": "MIB_TCP_STATE, psutil",
    "translated": "translated Windows, net-tools",
    "other": "z/OS and its console, Cisco IOS",
}
# fmt: off
_NAMES: dict[AnyState, dict[str, str]] = {
    TcpState.LISTEN: {
        "linux": "LISTEN, listening", "proc": "0A",  # linux/tcp_states.h
        "windows": "LISTENING",
        "translated": "ABHÖREN, ABHOEREN, ESCOLTA, NASLOUCHÁ, OUÇA, LYSSNAR",
    },
    TcpState.SYN_SENT: {
        "linux": "SYN-SENT, SYN_SENT", "proc": "02",
        "windows": "SYN_SENT, SYN_SEND",  # the second: Microsoft's netstat page
        "translated": "SYN_GESENDET, SYN_ENVIADO",
    },
    TcpState.SYN_RECEIVED: {
        "linux": "SYN-RECV, SYN_RECV, syn-rcv", "proc": "03, 0C",
        "windows": "SYN_RECEIVED", "bsd": "SYN_RCVD",
        "api": "SYN_RCVD, SYN_RECV, NEW_SYN_RECV",
        "translated": "SYN_EMPFANGEN, SYN_RECEBIDO",
    },
    TcpState.ESTABLISHED: {
        "other": "ESTABLSH, ESTBLSH, ESTABLIS",
        "linux": "ESTAB, ESTABLISHED", "proc": "01", "api": "ESTAB",
        "translated": "HERGESTELLT, ESTABLERT, SPOJENO, VERBUNDEN, ESTABELECIDA,"
                      " ETABLERAD",
    },
    TcpState.FIN_WAIT_1: {
        "other": "FINWT1",
        "linux": "FIN-WAIT-1, FIN_WAIT1", "proc": "04", "api": "FIN_WAIT1",
        "translated": "FIN_WARTEN_1, ESPERA_FIN1",
    },
    TcpState.FIN_WAIT_2: {
        "other": "FINWT2",
        "linux": "FIN-WAIT-2, FIN_WAIT2", "proc": "05", "api": "FIN_WAIT2",
        "translated": "FIN_WARTEN_2, ESPERA_FIN2",
    },
    TcpState.CLOSE_WAIT: {
        "other": "CLOSWAIT, CLOSWT",
        "linux": "CLOSE-WAIT, CLOSE_WAIT", "proc": "08",
        "translated": "SCHLIESSEN_WARTEN, ESPERANDO_FECHAR, STÄNG_VÄNTA",
    },
    TcpState.CLOSING: {
        "proc": "0B",
        "translated": "SCHLIESSEND, TANCAMENT, ZAVÍRÁ, FECHANDO, STÄNGER",
    },
    TcpState.LAST_ACK: {
        "linux": "LAST-ACK, LAST_ACK", "proc": "09",
        "translated": "LETZTES_ACK, POSLEDNÍ ACK, ÚLTIMO_ACK",
    },
    TcpState.TIME_WAIT: {
        "other": "TIMEWT",
        "linux": "TIME-WAIT, TIME_WAIT", "proc": "06",
        "windows": "TIME_WAIT, TIMED_WAIT",  # the second: Microsoft's netstat page
        "translated": "WARTEND, TEMPS",
    },
    TcpState.CLOSED: {
        "linux": "UNCONN, CLOSE, unconnected", "proc": "07", "api": "CLOSE",
        "translated": "TANCA, ZAVŘEN, FECHAR, STÄNG",
    },
    OtherState.BOUND: {
        "linux": "BOUND, bound-inactive", "proc": "0D", "windows": "BOUND",
    },
    OtherState.DELETE_TCB: {"api": "DELETE_TCB, DELETE"},  # the second: gopsutil
}
# fmt: on

_PREFIXES = ("MIBTCPSTATE", "BPFTCP", "TCPS", "TCP", "CONN")


def reduce_spelling(spelling: str) -> str:
    """Normalise a spelling: no case, accents, separators or known prefix."""
    if not spelling.isascii():
        import unicodedata

        decomposed = unicodedata.normalize("NFKD", spelling)
        spelling = "".join(c for c in decomposed if not unicodedata.combining(c))
    spelling = spelling.strip().upper()
    for separator in "-_ .":
        spelling = spelling.replace(separator, "")
    for prefix in _PREFIXES:
        rest = spelling.removeprefix(prefix)
        if rest != spelling and rest in _BY_SPELLING:
            return rest
    return spelling


# Enough for the table above; other texts are decomposed by `unicodedata`.
_WITHOUT_ACCENTS = str.maketrans("ÖÄÁÍÚÇŘ", "OAAIUCR", "-_ ")
_BY_SPELLING: dict[str, AnyState] = {}
for _state in (*OtherState, *TcpState):  # UNCONN of a TCP socket is CLOSED
    _names = ", ".join((_state.value, *_NAMES.get(_state, {}).values()))
    for _name in _names.upper().split(", "):
        _BY_SPELLING[_name.translate(_WITHOUT_ACCENTS)] = _state


def find_state(spelling: str, *, has_states: bool = True) -> AnyState | None:
    """Find the state for a system's spelling or code; None if it is unknown.

    Linux's code 07 (ss: UNCONN) means CLOSED for a TCP socket. For a protocol without
    states (UDP) it only means that there is no peer.
    """
    state = _BY_SPELLING.get(reduce_spelling(spelling))
    if state is TcpState.CLOSED and not has_states:
        return OtherState.UNCONN
    return state


# Their names as plain text, which is compared faster than members.
RFC_STATES: frozenset[str] = frozenset(map(str, TcpState))

# The states that -l shows, as in ss. A listing without -a and -l omits them, as in
# netstat; ss also omits TIME_WAIT and SYN_RECEIVED there.
LISTENING: frozenset[AnyState] = frozenset(
    {TcpState.LISTEN, TcpState.CLOSED, OtherState.UNCONN}
)

# Without BOUND, because Linux reports such sockets only if requested explicitly.
ALL_STATES: frozenset[AnyState] = frozenset(
    {*TcpState, *OtherState} - {OtherState.BOUND}
)
_CONNECTED = ALL_STATES - LISTENING
BUCKET: frozenset[AnyState] = frozenset({TcpState.SYN_RECEIVED, TcpState.TIME_WAIT})

GROUPS: dict[str, frozenset[AnyState]] = {
    "all": ALL_STATES,
    "connected": _CONNECTED,
    "synchronized": _CONNECTED - {TcpState.SYN_SENT},
    "bucket": BUCKET,
    "big": ALL_STATES - BUCKET,
    "fin_wait": frozenset({TcpState.FIN_WAIT_1, TcpState.FIN_WAIT_2}),
    "half_open": frozenset({TcpState.SYN_RECEIVED}),
}
_GROUPS_BY_SPELLING = {name.replace("_", "").upper(): name for name in GROUPS}


def find_group(spelling: str) -> str | None:
    """Find a group by its spelling; None if there is none."""
    return _GROUPS_BY_SPELLING.get(reduce_spelling(spelling))


def names_of(state: AnyState, system: str) -> list[str]:
    """Return the spellings of a state on one of SYSTEMS, the most usual first."""
    own = [] if system in ("proc", "translated", "other") else [state.value]
    names = _NAMES.get(state, {}).get(system)
    return names.split(", ") if names else own


# The values of --state-names: RFC 9293, or the spellings of one of these tools.
STATE_NAMES = ("rfc", "ss", "netstat", "windows", "bsd")


def names_in_tool(tool: str) -> dict[str, str]:
    """Map each state to its spelling in one of STATE_NAMES, if it differs."""
    by_state = {}
    for state in (*TcpState, OtherState.BOUND):
        names = names_of(state, "linux" if tool in ("ss", "netstat") else tool)
        if tool == "netstat":
            names = [name for name in names if name.upper() == name and "-" not in name]
            names = names[-1:]
        if tool != "rfc" and names and names[0] != state.value:
            by_state[state.value] = names[0]
    return by_state


# States of other systems, which these tools never show.
NOT_SHOWN: dict[str, frozenset[AnyState]] = {
    "ss": frozenset({OtherState.DELETE_TCB}),
    "netstat": frozenset({OtherState.DELETE_TCB, OtherState.BOUND}),
    "bsd": frozenset({OtherState.DELETE_TCB}),
}


def find_states(spelling: str) -> frozenset[AnyState] | None:
    """Return the states of a group or state name; None if the name is unknown.

    CLOSED and UNCONN select the same sockets, as `closed` and `unconnected` do in ss.
    """
    group = find_group(spelling)
    if group is not None:
        return GROUPS[group]
    state = find_state(spelling)
    if state is TcpState.CLOSED:
        return frozenset({TcpState.CLOSED, OtherState.UNCONN})
    return None if state is None else frozenset({state})


def nearest_states(spelling: str) -> list[str]:
    """Return the states and groups whose names are closest to a misspelled one."""
    from difflib import get_close_matches

    names = {reduce_spelling(n): n for n in (*map(str, TcpState), *GROUPS)}
    reported = (*TcpState, OtherState.UNCONN, OtherState.BOUND)
    spellings = (s for s, state in _BY_SPELLING.items() if state in reported)
    candidates = [*names, *(s for s in spellings if len(s) > 2)]
    found = get_close_matches(reduce_spelling(spelling), candidates, n=3, cutoff=0.6)
    meant = [names.get(f) or str(_BY_SPELLING[f]) for f in found]
    return list(dict.fromkeys(meant))


def state_names() -> tuple[str, ...]:
    """Return every state and group, in the spelling used by messages."""
    others = (OtherState.UNCONN, OtherState.BOUND)
    return (*(str(s).lower() for s in (*TcpState, *others)), *GROUPS)


def joined_state_names() -> str:
    """List the states of RFC 9293 and the groups, for a message."""
    states = " ".join(str(s).lower() for s in TcpState)
    return f"{states}; groups: {' '.join(GROUPS)}"
