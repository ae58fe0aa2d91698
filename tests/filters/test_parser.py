"""What is written selects what is meant, and can be written back."""

from __future__ import annotations

import pytest

from support.fakes.batches import batch
from support.fakes.lookups import FixedLookup
from tcpstates.filters.parser import parse_filter
from tcpstates.filters.syntax import answer, possible_states, to_text
from tcpstates.states import ALL_STATES, GROUPS, AnyState, OtherState, TcpState

S = TcpState
LOOKUP = FixedLookup()


def written_back(*arguments: str) -> str:
    return to_text(parse_filter(arguments, LOOKUP)[0])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("dport = :443", "dport = :443"),
        ("dport :443", "dport = :443"),
        ("dport eq 443", "dport = 443"),
        ("(dport=:443)", "dport = :443"),
        ("dport>=1024", "dport >= 1024"),
        ("dport geq 1024 && sport lt ssh", "dport >= 1024 and sport < ssh"),
        ("dport in 80-90,443", "dport in 80-90,443"),
        ("dport in 80-90, 443 , 8080", "dport in 80-90,443,8080"),
        ("dport not in 80,443", "dport not in 80,443"),
        ("local 10/8 remote [::1]:ssh", "src = 10/8 and dst = [::1]:ssh"),
        ("src 10/8 or dst 10/8 dport 1", "src = 10/8 or dst = 10/8 and dport = 1"),
        ("(src 10/8 | dst 10/8) dport 1", "( src = 10/8 or dst = 10/8 ) and dport = 1"),
        ("not not dport 1", "not not dport = 1"),
        ("! ( dport 1 & sport 1 )", "not ( dport = 1 and sport = 1 )"),
        ("not dport 1 sport 1", "not dport = 1 and sport = 1"),
        ("close_wait", "state close_wait"),
        ("close_wait TIME-WAIT", "state close_wait state TIME-WAIT"),
        ("state all exclude listening", "state all exclude listening"),
        ("not close_wait estab", "not state close_wait and state estab"),
        ("not ( estab close_wait )", "not ( state estab state close_wait )"),
        ("listen dport 1 or sport 2", "state listen and ( dport = 1 or sport = 2 )"),
        ("listen and dport 1 or sport 2", "state listen and dport = 1 or sport = 2"),
        ("state != listen", "state != listen"),
        ("state in listen,estab", "state in listen,estab"),
        ("abhören", 'state "abhören"'),
        ("state idle", "state idle"),
        ("listener https", "listener = https"),
        ('process in "a","b c",d', 'process in a,"b c",d'),
        ("process in 'my prog','a(b)c'", 'process in "my prog","a(b)c"'),
        ("src [fe80::1%lo]:443", "src = [fe80::1%lo]:443"),
        ("local-port 1 comm = x", "sport = 1 and process = x"),
        ("idle > 5m", "idle > 5m"),
        ("recv_q > 1M", "recv-q > 1M"),
        ("SENDQ>=64k", "send-q >= 64k"),
        ("listener", "listener"),
        ("listener :443", "listener = :443"),
        ("not listener dport 1", "not listener and dport = 1"),
        ("autobound or listener != 22", "autobound or listener != 22"),
        ("fwmark 0x10/0xf0", "fwmark = 0x10/0xf0"),
        ("process nginx", "process = nginx"),
        ("process 'a \"b\\'", 'process = "a \\"b\\\\"'),
        ('process "a\\x1b\\n\\xff"', 'process = "a\\u001b\\u000a\\xff"'),
        ("process = a\\ b", 'process = "a b"'),
        ('process = "and"', 'process = "and"'),
        ("process in 'a,b',c", 'process in "a,b",c'),
        ('process ~ "^(a|b)\\.py$"', 'process ~ "^(a|b)\\\\.py$"'),
        ("process !~ ^kube", 'process !~ "^kube"'),
        ("", ""),
    ],
)
def test_a_filter_is_written_as_it_was_read(given: str, expected: str) -> None:
    assert written_back(given) == expected
    assert written_back(expected) == expected
    if not set(given) & set("'\"\\"):  # many arguments say what one does
        assert written_back(*given.split()) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["process", "=", "my (old) app"], 'process = "my (old) app"'),
        (["process", "=", "(sd-pam)"], 'process = "(sd-pam)"'),
        (["(", "process", "=", "(sd-pam)", ")"], 'process = "(sd-pam)"'),
        (["(", "process", "=", "nginx)"], "process = nginx"),
        (["dst", "web1:443"], "dst = web1:443"),
        (["process", "~", "^(a|b) "], 'process ~ "^(a|b) "'),
        (["process", "=", "a=b", "estab"], 'process = "a=b" and state estab'),
        (["cgroup", "/web (old)"], 'cgroup = "/web (old)"'),
        (["state", "estab", "( dport = 1 )"], "state estab and dport = 1"),
    ],
)
def test_an_argument_can_be_one_value(arguments: list[str], expected: str) -> None:
    assert written_back(*arguments) == expected


ALL, BOUND = ALL_STATES, OtherState.BOUND


@pytest.mark.parametrize(
    ("given", "states"),
    [
        ("close_wait", {S.CLOSE_WAIT}),
        ("CLOSE-WAIT", {S.CLOSE_WAIT}),
        ("state time-wait state fin-wait-1", {S.TIME_WAIT, S.FIN_WAIT_1}),
        ("time-wait fin_wait", {S.TIME_WAIT, S.FIN_WAIT_1, S.FIN_WAIT_2}),
        ("STATE Listening", {S.LISTEN}),
        ("exclude listen", ALL - {S.LISTEN}),
        ("state connected exclude established", GROUPS["connected"] - {S.ESTABLISHED}),
        ("exclude all", set()),
        ("closed", {S.CLOSED, OtherState.UNCONN}),
        ("bound", {BOUND}),
        ("bound or listen", {BOUND, S.LISTEN}),
        ("not bound", ALL),
        ("bound not listen", {BOUND}),
        ("not listen", ALL - {S.LISTEN}),
        ("dport = 1", ALL),
        ("listen or dport = 1", ALL),
        ("listen and dport = 1", {S.LISTEN}),
        ("listen and estab", set()),
        ("not ( listen or dport = 1 )", ALL - {S.LISTEN}),
        ("not ( listen and dport = 1 )", ALL),
        ("( listen sport 1 ) or ( estab dport 1 )", {S.LISTEN, S.ESTABLISHED}),
        ("state in listen,estab", {S.LISTEN, S.ESTABLISHED}),
        ("state != listen", ALL - {S.LISTEN}),
    ],
)
def test_only_possible_states_are_asked_for(given: str, states: set[AnyState]) -> None:
    assert possible_states(parse_filter([given], LOOKUP)[0])[0] == states


@pytest.mark.parametrize(
    ("given", "unknown"),
    [
        ("exclude listen", True),
        ("listen exclude closed", False),
        ("not listen", True),
        ("dport = 1", True),
        ("all", False),
    ],
)
def test_states_without_a_word_are_left_by_exclusion_only(
    given: str, unknown: bool
) -> None:
    assert possible_states(parse_filter([given], LOOKUP)[0])[1] is unknown


def selects(given: str, **columns: object) -> bool | None:
    expression, text = parse_filter([given], LOOKUP)
    family = "ipv6" if ":" in str(columns.get("local_address", "")) else "ipv4"
    (found,) = answer(expression, batch(columns, family=family), text)
    return found


def test_and_binds_more_than_or_and_not_more_than_and() -> None:
    there = {"local_port": 1, "remote_port": 2}
    assert selects("sport 1 or sport 9 and sport 9", **there)
    assert not selects("( sport 1 or sport 9 ) and sport 9", **there)
    assert not selects("not sport 1 and dport 2", **there)
    assert selects("not ( sport 1 and dport 9 )", **there)
    assert selects("not sport 9 dport 2", **there)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("retransmit", "retransmit"),
        ("on", "retransmit"),
        ("keepalive", "keepalive"),
        ("timewait", "time-wait"),
        ("time-wait", "time-wait"),
        ("probe", "probe"),
        ("persist", "probe"),
        ("delayed-ack", "delayed-ack"),
        ("delack", "delayed-ack"),
        ("off", "off"),
    ],
)
def test_timers_by_every_name(word: str, kind: str) -> None:
    expression, text = parse_filter(["timer", "=", word], LOOKUP)
    kinds = ("off", "retransmit", "keepalive", "time-wait", "probe", "delayed-ack")
    rows = batch(*({"timer": each} for each in kinds))
    assert list(answer(expression, rows, text)) == [each == kind for each in kinds]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("listener close_wait", "listener and state close_wait"),
        ("listener and close_wait", "listener and state close_wait"),
        ("listener dport 1", "listener and dport = 1"),
        ("listener not estab", "listener and not state estab"),
        ("listener or estab", "listener or state estab"),
        ("autobound listen", "autobound and state listen"),
    ],
)
def test_a_key_that_may_stand_alone_takes_no_word_of_others(
    given: str, expected: str
) -> None:
    assert written_back(*given.split()) == expected


def test_free_text_is_one_argument_unless_it_is_quoted() -> None:
    assert (
        written_back("process", "=", "my (old) server") == 'process = "my (old) server"'
    )
    assert written_back("process = 'a b'") == 'process = "a b"'
    assert written_back("process", "=", '"a b"') == 'process = "a b"'


def test_twenty_thousand_terms_take_seconds() -> None:
    """What grows with the square would take minutes."""
    import time

    from tcpstates.filters.selection import read_selection
    from tcpstates.model import Request

    rows = batch(*({"local_port": port} for port in range(1, 200)))
    started = time.perf_counter()
    arguments = " and ".join(
        f"dport != :{n % 60_000 + 1}" for n in range(20_000)
    ).split()
    selection = read_selection(arguments, LOOKUP, Request())
    selection.restrict(Request())
    (found,) = selection.without_processes(iter([rows]))
    assert len(found) in (0, 199)
    assert time.perf_counter() - started < 30
