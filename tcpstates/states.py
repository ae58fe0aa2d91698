"""The eleven states of RFC 9293, every system's spelling of them, and groups.

Nothing here knows a source's numbers: those live in that source's parser.
"""

from __future__ import annotations

from enum import Enum


class TcpState(str, Enum):
    """A connection state of RFC 9293, section 3.3.2, as tcpstates spells it."""

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
    """A word that systems show where a state stands, and that RFC 9293 lacks."""

    UNCONN = "UNCONN"  # a UDP socket without a peer (ss)
    BOUND = "BOUND"  # bound to a port, neither listening nor connecting
    IDLE = "IDLE"  # opened, not bound (Solaris, HP-UX)
    UNBOUND = "UNBOUND"  # the same of a UDP socket
    DELETE_TCB = "DELETE_TCB"  # being deleted (Windows)
    NONE = "NONE"  # psutil: the protocol has no states

    def __str__(self) -> str:
        return self.value

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)


AnyState = TcpState | OtherState

# What systems call a state, as they write it, several words between commas. The first
# word of a system is what its own tool shows most; the state's own name needs no entry.
SYSTEMS = {
    "linux": "ss, netstat, lsof on Linux",
    "proc": "/proc/net/tcp",
    "windows": "Windows",
    "bsd": "macOS, BSD, Solaris, AIX, HP-UX",
    "api": "MIB_TCP_STATE, psutil",
    "translated": "translated Windows, net-tools",
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
        "linux": "ESTAB, ESTABLISHED", "proc": "01", "api": "ESTAB",
        "translated": "HERGESTELLT, ESTABLERT, SPOJENO, VERBUNDEN, ESTABELECIDA,"
                      " ETABLERAD",
    },
    TcpState.FIN_WAIT_1: {
        "linux": "FIN-WAIT-1, FIN_WAIT1", "proc": "04", "api": "FIN_WAIT1",
        "translated": "FIN_WARTEN_1, ESPERA_FIN1",
    },
    TcpState.FIN_WAIT_2: {
        "linux": "FIN-WAIT-2, FIN_WAIT2", "proc": "05", "api": "FIN_WAIT2",
        "translated": "FIN_WARTEN_2, ESPERA_FIN2",
    },
    TcpState.CLOSE_WAIT: {
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


def reduce_spelling(word: str) -> str:
    """Return the word without case, accents, separators and a known prefix."""
    if not word.isascii():
        import unicodedata

        decomposed = unicodedata.normalize("NFKD", word)
        word = "".join(c for c in decomposed if not unicodedata.combining(c))
    word = word.strip().upper()
    for separator in "-_ .":
        word = word.replace(separator, "")
    for prefix in _PREFIXES:
        rest = word.removeprefix(prefix)
        if rest != word and rest in _BY_SPELLING:
            return rest
    return word


# Enough for the table above; other words are taken apart by `unicodedata`.
_WITHOUT_ACCENTS = str.maketrans("ÖÄÁÍÚÇŘ", "OAAIUCR", "-_ ")
_BY_SPELLING: dict[str, AnyState] = {}
for _state in (*OtherState, *TcpState):  # UNCONN of a TCP socket is CLOSED
    _words = ", ".join((_state.value, *_NAMES.get(_state, {}).values()))
    for _word in _words.upper().split(", "):
        _BY_SPELLING[_word.translate(_WITHOUT_ACCENTS)] = _state


def find_state(word: str, protocol: str = "tcp") -> AnyState | None:
    """Return what a system's word or code means; None when it is unknown.

    Linux's code 07 (ss: UNCONN) is CLOSED of a TCP socket; of a UDP socket it
    only says that there is no peer, which is no state of RFC 9293.
    """
    state = _BY_SPELLING.get(reduce_spelling(word))
    if state is TcpState.CLOSED and protocol == "udp":
        return OtherState.UNCONN
    return state


# What -l shows, as in ss, and a listing without -a and -l leaves out, as in netstat;
# ss leaves out TIME_WAIT and SYN_RECEIVED there too.
LISTENING: frozenset[AnyState] = frozenset(
    {TcpState.LISTEN, TcpState.CLOSED, OtherState.UNCONN}
)

# Without BOUND, because Linux tells of such sockets only when asked by name.
ALL_STATES: frozenset[AnyState] = frozenset(
    {*TcpState, *OtherState} - {OtherState.BOUND}
)
_CONNECTED = ALL_STATES - LISTENING
_BUCKET: frozenset[AnyState] = frozenset({TcpState.SYN_RECEIVED, TcpState.TIME_WAIT})

GROUPS: dict[str, frozenset[AnyState]] = {
    "all": ALL_STATES,
    "connected": _CONNECTED,
    "synchronized": _CONNECTED - {TcpState.SYN_SENT},
    "bucket": _BUCKET,
    "big": ALL_STATES - _BUCKET,
    "fin_wait": frozenset({TcpState.FIN_WAIT_1, TcpState.FIN_WAIT_2}),
    "half_open": frozenset({TcpState.SYN_RECEIVED}),
}
_GROUPS_BY_SPELLING = {name.replace("_", "").upper(): name for name in GROUPS}


def find_group(word: str) -> str | None:
    """Return the name of the group that a word means; None: it is none."""
    return _GROUPS_BY_SPELLING.get(reduce_spelling(word))


def names_of(state: AnyState, system: str) -> list[str]:
    """Return what one of SYSTEMS calls a state, its most usual word first."""
    own = [] if system in ("proc", "translated") else [state.value]
    names = _NAMES.get(state, {}).get(system)
    return names.split(", ") if names else own


# Whose words --state-names prints: RFC 9293's, or those of one of these tools.
STATE_NAMES = ("rfc", "ss", "netstat", "windows", "bsd")


def tool_words(tool: str) -> dict[str, str]:
    """Return what one of STATE_NAMES calls each state, where it has another word."""
    words = {}
    for state in (*TcpState, OtherState.BOUND):
        names = names_of(state, "linux" if tool in ("ss", "netstat") else tool)
        if tool == "netstat":
            names = [name for name in names if name.upper() == name and "-" not in name]
            names = names[-1:]
        if tool != "rfc" and names and names[0] != state.value:
            words[state.value] = names[0]
    return words


def find_states(word: str) -> frozenset[AnyState] | None:
    """Return the states that a word selects: a group or one state; None: unknown.

    CLOSED and UNCONN select the same sockets, as ss's `closed` and `unconnected`.
    """
    group = find_group(word)
    if group is not None:
        return GROUPS[group]
    state = find_state(word)
    if state is TcpState.CLOSED:
        return frozenset({TcpState.CLOSED, OtherState.UNCONN})
    return None if state is None else frozenset({state})


def nearest_words(word: str) -> list[str]:
    """Return the valid states and groups that look most like a wrong word."""
    from difflib import get_close_matches

    names = {reduce_spelling(n): n for n in (*map(str, TcpState), *GROUPS)}
    told = (*TcpState, OtherState.UNCONN, OtherState.BOUND)
    spellings = (s for s, state in _BY_SPELLING.items() if state in told)
    candidates = [*names, *(s for s in spellings if len(s) > 2)]
    found = get_close_matches(reduce_spelling(word), candidates, n=3, cutoff=0.6)
    meant = [names.get(f) or str(_BY_SPELLING[f]) for f in found]
    return list(dict.fromkeys(meant))


def state_words() -> tuple[str, ...]:
    """Return every state and group in the spelling that messages use."""
    others = (OtherState.UNCONN, OtherState.BOUND)
    return (*(str(s).lower() for s in (*TcpState, *others)), *GROUPS)


def word_list() -> str:
    """Return the states of RFC 9293 and the groups, as a sentence names them."""
    states = " ".join(str(s).lower() for s in TcpState)
    return f"{states}; groups: {' '.join(GROUPS)}"
