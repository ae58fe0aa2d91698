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
        """Return the name as it is displayed."""
        return self.value

    def __format__(self, spec: str) -> str:
        """Format the name as any text."""
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
        """Return the name as it is displayed."""
        return self.value

    def __format__(self, spec: str) -> str:
        """Format the name as any text."""
        return format(self.value, spec)


AnyState = TcpState | OtherState

# Spellings beside each state's own name, reduced as by `reduce_spelling`.
# fmt: off
_SPELLINGS: dict[AnyState, tuple[str, ...]] = {
    TcpState.LISTEN: (
        "0A",  # /proc/net/tcp, linux/tcp_states.h
        "LISTENING",  # Windows netstat; ss's filter language
        "ABHOREN", "ABHOEREN",  # Windows, German
        "ESCOLTA", "NASLOUCHA", "OUCA", "LYSSNAR",  # net-tools: ca cs pt_BR sv
    ),
    TcpState.SYN_SENT: (
        "02",
        "SYNSEND",  # Microsoft's netstat page
        "SYNGESENDET",  # Windows, German
        "SYNENVIADO",  # net-tools: pt_BR
    ),
    TcpState.SYN_RECEIVED: (
        "03", "0C",  # 0C is NEW_SYN_RECV, a detail of the kernel
        "SYNRECV",  # ss, net-tools, psutil, lsof
        "SYNRCVD",  # BSD, macOS, Solaris, AIX, HP-UX, MIB_TCP_STATE
        "SYNRCV",  # ss's filter language
        "NEWSYNRECV",  # bcc
        "SYNEMPFANGEN",  # Windows, German
        "SYNRECEBIDO",  # net-tools: pt_BR
    ),
    TcpState.ESTABLISHED: (
        "01",
        "ESTAB",  # ss, MIB_TCP_STATE
        "HERGESTELLT",  # Windows, German
        "ESTABLERT", "SPOJENO", "VERBUNDEN",  # net-tools: ca cs de
        "ESTABELECIDA", "ETABLERAD",  # net-tools: pt_BR sv
    ),
    TcpState.FIN_WAIT_1: (
        "04",
        "FINWARTEN1",  # Windows, German
        "ESPERAFIN1",  # net-tools: pt_BR
    ),
    TcpState.FIN_WAIT_2: ("05", "FINWARTEN2", "ESPERAFIN2"),
    TcpState.CLOSE_WAIT: (
        "08",
        "SCHLIESSENWARTEN",  # Windows, German
        "ESPERANDOFECHAR", "STANGVANTA",  # net-tools: pt_BR sv
    ),
    TcpState.CLOSING: (
        "0B",
        "SCHLIESSEND",  # Windows, German
        "TANCAMENT", "ZAVIRA", "FECHANDO", "STANGER",  # net-tools: ca cs pt_BR sv
    ),
    TcpState.LAST_ACK: (
        "09",
        "LETZTESACK",  # Windows, German
        "POSLEDNIACK", "ULTIMOACK",  # net-tools: cs pt_BR
    ),
    TcpState.TIME_WAIT: (
        "06",
        "TIMEDWAIT",  # Microsoft's netstat page
        "WARTEND",  # Windows, German
        "TEMPS",  # net-tools: ca
    ),
    TcpState.CLOSED: (
        "07",
        "CLOSE",  # Linux, lsof
        "UNCONN", "UNCONNECTED",  # ss, of a TCP socket
        "TANCA", "ZAVREN", "FECHAR", "STANG",  # net-tools: ca cs pt_BR sv
    ),
    OtherState.BOUND: ("0D", "BOUNDINACTIVE"),  # the second: ss's filter language
    OtherState.DELETE_TCB: ("DELETE",),  # gopsutil
    OtherState.IDLE: (),
    OtherState.UNBOUND: (),
    OtherState.NONE: (),
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


_BY_SPELLING: dict[str, AnyState] = {}
for _state, _words in _SPELLINGS.items():
    for _word in (_state.value.replace("_", ""), *_words):
        _BY_SPELLING[_word] = _state


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
