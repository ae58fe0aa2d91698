"""What each key asks, answered for sockets that differ in it."""

from __future__ import annotations

import os
from typing import Any

import pytest

from support.fakes.batches import batch
from support.fakes.lookups import FixedLookup
from tcpstates.batch import ColumnBatch
from tcpstates.errors import FilterSyntaxError
from tcpstates.filters.listeners import Listener, ListenerCondition
from tcpstates.filters.parser import parse_filter
from tcpstates.filters.syntax import answer
from tcpstates.model import Owner, Reason

LOOKUP = FixedLookup()
V6 = {"local_address": "2001:db8::1", "remote_address": "2001:db8::7"}
MAPPED = {"local_address": "::ffff:192.0.2.1", "remote_address": "::ffff:198.51.100.7"}
INFO = {"info.last_sent_ms": 9000, "info.last_received_ms": 4000}
INFO |= {"info.last_ack_ms": 3000, "info.rtt": 1500}
TIME_WAIT = {"state_label": "TIME_WAIT", "uid": 0, "inode": 0, "timer": "time-wait"}
CLOSE_WAIT = {"state_label": "CLOSE_WAIT", **INFO}
TWO = (Owner(70, b"nginx", 9), Owner(71, b"a(b \x1b\xff", 9))
LONG = (Owner(5, b"systemd-resolve", 3),)


def found(text: str, protocol: str = "tcp", **columns: Any) -> bool | None:
    expression, whole = parse_filter([text], LOOKUP)
    family = "ipv6" if ":" in columns.get("local_address", "") else "ipv4"
    one = batch(columns, protocol=protocol, family=family)
    (answered,) = answer(expression, one, whole)
    return answered


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("sport = https", {}, True),
        ("sport in 1-442,444", {}, False),
        ("sport not in 1-442,444", {}, True),
        ("sport > 442 sport < 444 sport >= 443 sport <= 443", {}, True),
        ("port = 51234", {}, True),
        ("sport = *", {}, True),
        ("sport = 0x1bb", {}, True),
        ("dport = twice", {"remote_port": 9}, True),
        ("src = 192.0.2.1", {}, True),
        ("src = 192.0.2.0/31", {}, True),
        ("src = 192.0.2/24", {}, True),
        ("src = 192.0.2.0/255.255.255.0", {}, True),
        ("src != 192.0.2.1", {}, False),
        ("src = 192.0.2.1:443", {}, True),
        ("src = 192.0.2.1:444", {}, False),
        ("src = 192.0.2.1:*", {}, True),
        ("src = :443", {}, True),
        ("src = *:https", {}, True),
        ("src in 10/8,192.0.2.1:22,:443", {}, True),
        ("src in 10/8,192.0.2.1:22", {}, False),
        ("host 198.51.100.0/24", {}, True),
        ("dst = peer.example", {"remote_address": "192.0.2.7"}, True),
        ("dst = peer.example", V6, True),
        ("src 2001:db8::1", V6, True),
        ("src [2001:db8::]/32:443", V6, True),
        ("src [2001:db8::/32]:443", V6, True),
        ("src 0.0.0.0/0", V6, False),
        ("src ::/0", V6, True),
        ("src ::/0", {}, False),
        ("src 192.0.2.0/24", MAPPED, True),
        ("src ::ffff:192.0.2.0/120", MAPPED, True),
        ("src ::ffff:192.0.2.0/120", {}, False),
        ("src inet:*", MAPPED, False),
        ("src inet6:*", MAPPED, True),
        ("sport = inet::443", {}, True),
        ("dev lo", {"interface_index": 1}, True),
        ("dev != lo", {}, True),
        ("dev in eth0,7", {"interface_index": 7}, True),
        ("fwmark 0x10/0xf0", {"mark": 0x1F}, True),
        ("fwmark 0x10", {"mark": 0x1F}, False),
        ("cgroup = /", {}, True),
        ("cgroup != '/web (old)'", {"cgroup_id": None}, True),
        ("autobound", {"local_port": 32768}, True),
        ("autobound", {"local_port": 61000}, False),
        ("state in estab,listen", {}, True),
        ("user = www-data", {}, True),
        ("user in 0,33", {}, True),
        ("user != root", {}, True),
        ("user = root", TIME_WAIT, False),
        ("user = root", {"state_label": "SYN_RECEIVED", "uid": 0, "inode": 0}, False),
        ("user = root", {"state_label": "FIN_WAIT_1", "uid": 0, "inode": 0}, None),
        ("user = www-data", {"state_label": "FIN_WAIT_1", "inode": 0}, True),
        ("user = root", {"uid": 0}, True),
        ("inode = 4242", {}, True),
        ("inode in 1-4241,4243", {}, False),
        ("recv-q > 1k", {"recv_q": 1025}, True),
        ("recv-q >= 1.5k", {"recv_q": 1536}, True),
        ("send-q > 1MiB", {"send_q": 1 << 20}, False),
        ("send-q > 0", {"send_q": None}, None),
        ("not send-q > 0", {"send_q": None}, None),
        ("retrans > 2", {"retransmits": 3}, True),
        ("timer = off", {}, True),
        ("timer = on", {"timer": "retransmit"}, True),
        ("timer in persist,delack", {"timer": "probe"}, True),
        ("timer != off", {"timer": None}, True),
        ("idle > 3999ms", INFO, True),
        ("idle > 4s", INFO, False),
        ("idle < 5s", TIME_WAIT, False),
        ("not idle < 5s", TIME_WAIT, True),
        ("idle > 1s", {"state_label": "LISTEN", **INFO}, False),
        ("rtt > 1499us rtt < 1.6ms", INFO, True),
        ("rtt < 1s", {"info.rtt": 0}, False),
        ("rtt < 1s", TIME_WAIT, False),
        ("age > 3s", {**TIME_WAIT, "timer_ms": 56_000}, True),
        ("age <= 4s age >= 4s", {**TIME_WAIT, "timer_ms": 56_000}, True),
        ("age > 5s", {**TIME_WAIT, "timer_ms": 56_000}, False),
        (
            "age >= 4s",
            {**TIME_WAIT, "state_label": "FIN_WAIT_2", "timer_ms": 56_000},
            True,
        ),
        (
            "age > 4s",
            {**TIME_WAIT, "state_label": "FIN_WAIT_2", "timer_ms": 56_000},
            None,
        ),
        ("age >= 0s", {"state_label": "SYN_RECEIVED", "retransmits": 9}, True),
        ("age > 1s", {"state_label": "SYN_RECEIVED", "retransmits": 9}, None),
        ("process ~ ^na.ve$", {"processes": (Owner(1, "naïve".encode(), 2),)}, True),
        ("age >= 3s", CLOSE_WAIT, True),
        ("age > 3s", CLOSE_WAIT, None),
        ("age > 4s", CLOSE_WAIT, False),
        ("age < 4500ms", CLOSE_WAIT, True),
        ("age > 8s", {"state_label": "ESTABLISHED", **INFO}, True),
        ("age > 10s", {"state_label": "ESTABLISHED", **INFO}, None),
        ("age < 8s", {"state_label": "ESTABLISHED", **INFO}, False),
        ("age > 2s", {"state_label": "FIN_WAIT_2", **INFO}, True),
        ("age < 9001ms", {"state_label": "FIN_WAIT_2", **INFO}, True),
        ("age >= 3s", {"state_label": "SYN_SENT", "retransmits": 3}, True),
        ("age > 15s", {"state_label": "SYN_SENT", "retransmits": 3}, False),
        ("age > 5s", {"state_label": "SYN_SENT", "retransmits": 3}, None),
        ("age > 5m", {"state_label": "LISTEN"}, None),
        ("pid = 70", {}, True),
        ("pid in 1-69,71", {}, False),
        ("pid = 71", {"processes": TWO}, True),
        ("process = nginx", {"processes": TWO}, True),
        ("process != nginx", {"processes": TWO}, False),
        pytest.param(
            'process = "a(b \\x1b\\xff"',
            {"processes": TWO},
            True,
            marks=pytest.mark.skipif(os.name == "nt", reason="names are bytes on Unix"),
        ),
        ("process ~ ^ngi", {}, True),
        ("process !~ ^ngi", {}, False),
        ("process in apache2,nginx", {}, True),
        ("process = systemd-resolved", {"processes": LONG}, True),
        ("process = nginx", {"processes": (Owner(7, None, 3),)}, None),
        ("process !~ nginx", {"processes": (Owner(7, None, 3),)}, None),
        ("process = nginx", {"processes": (Owner(7, None, 3), *TWO)}, True),
        ("pid = 7", {"processes": (Owner(7, None, 3),)}, True),
        ("process = systemd-resol", {"processes": LONG}, False),
    ],
)
def test_answers(text: str, columns: dict[str, Any], expected: bool | None) -> None:
    assert found(text, **columns) is expected


def test_what_a_batch_lacks_is_unknown() -> None:
    for text in ("dev lo", "dev != lo", "cgroup = /", "fwmark = 1", "not cgroup = /"):
        expression, whole = parse_filter([text], LOOKUP)
        bare = ColumnBatch("udp", "ipv4", 1, {"state_label": ["UNCONN"]})
        assert list(answer(expression, bare, whole)) == [None]


@pytest.mark.parametrize(
    ("address", "at", "expected"),
    [
        ("0.0.0.0", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::", "2001:db8::1", True),
        ("::", "::ffff:192.0.2.1", True),
        ("::ffff:0.0.0.0", "::ffff:192.0.2.1", True),
    ],
)
def test_a_listener_is_at_its_address(address: str, at: str, expected: bool) -> None:
    family = "ipv6" if ":" in at else "ipv4"
    side = ListenerCondition(((443, 443),), [Listener("tcp", family, address, 443)])
    one = batch({"local_address": at}, {"local_port": 444}, family=family)
    assert list(side.test(one)) == [expected, False]


def test_udp_has_no_retransmissions() -> None:
    assert found("retrans >= 0", protocol="udp", retransmits=None) is False
    assert found("retrans >= 0") is True


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (Reason.HIDDEN, None),
        (Reason.UNKNOWN, None),
        (Reason.NOT_HERE, None),
        (Reason.NOT_FOUND, None),
        ("other pid namespace", None),
        (Reason.TIME_WAIT, False),
        (Reason.ORPHAN, False),
        (Reason.UNATTRIBUTED, False),
    ],
)
def test_a_hidden_process_may_be_any(reason: str, expected: bool | None) -> None:
    columns: dict[str, Any] = {"processes": (), "no_process_reason": reason}
    assert found("process = nginx", **columns) is expected
    assert found("process != nginx", **columns) is (None if expected is None else True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("send-q > 0 and sport = 1", False),
        ("send-q > 0 and sport = 443", None),
        ("send-q > 0 or sport = 443", True),
        ("send-q > 0 or sport = 1", None),
        ("not ( send-q > 0 and sport = 1 )", True),
        ("not ( send-q > 0 or sport = 1 )", None),
    ],
)
def test_what_is_unknown_stays_so_unless_the_rest_decides(
    text: str, expected: bool | None
) -> None:
    assert found(text, send_q=None) is expected


def test_marks_that_the_kernel_hides_are_an_error() -> None:
    with pytest.raises(FilterSyntaxError, match="only with CAP_NET_ADMIN") as caught:
        found("estab and fwmark = 1", mark=None)
    assert caught.value.text[slice(*caught.value.span)] == "fwmark = 1"


@pytest.mark.parametrize("word", ["*", "any", "ANY", "all"])
def test_every_host_has_several_names(word: str) -> None:
    """As ss takes them; with a port behind, too."""
    expression, text = parse_filter(["dst", f"{word}:443"], FixedLookup())
    rows = batch({"remote_port": 443}, {"remote_port": 80})
    assert list(answer(expression, rows, text)) == [True, False]
