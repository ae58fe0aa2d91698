"""The kernel's program never drops what a filter selects, and is one it takes."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.fakes.batches import batch
from support.fakes.diag_program import audit, run
from support.fakes.lookups import FixedLookup
from tcpstates.filters.bytecode import compile_filter
from tcpstates.filters.parser import parse_filter
from tcpstates.filters.syntax import answer

LOOKUP = FixedLookup()
PORTS = (0, 1, 22, 80, 443, 1023, 1024, 40000, 65535)
V4 = ("127.0.0.1", "10.1.2.3", "192.0.2.1")
V6 = ("::1", "::", "2001:db8::1", "::ffff:10.1.2.3", "::ffff:127.0.0.1")
DECIDED = ["src 10/8", "dst 127.0.0.1", "src ::1", "dst 2001:db8::/32", "src 0.0.0.0/0"]
DECIDED += ["src ::ffff:0:0/96", "dst [::1]:443", "src 10.1.2.3:22", "src inet:*"]
DECIDED += ["dst in 10/8,192.0.2.1:80,::1", "dst inet6:*", "src *", "sport = 22"]
DECIDED += ["dport in 1-22,443", "sport < 1024", "dport > 80", "dport >= 65535"]
DECIDED += ["sport <= 0", "sport < 0", "dport > 65535", "sport != 443", "autobound"]
DECIDED += ["dev lo", "dev in eth0,9", "fwmark 1/3", "cgroup /", "dport = *"]
OTHERS = ["process = nginx", "recv-q > 0", "user = root", "estab", "state = listen"]


def texts(leaves: list[str]) -> st.SearchStrategy[str]:
    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        joined = st.tuples(inner, st.sampled_from(["and", "or", ""]), inner)
        return st.one_of(
            inner.map(lambda text: f"not ( {text} )"),
            joined.map(lambda parts: "( {} ) {} ( {} )".format(*parts)),
        )

    return st.recursive(st.sampled_from(leaves), grow, max_leaves=8)


def sockets(seed: int) -> list[dict[str, Any]]:
    dice = random.Random(seed)
    made = []
    for _ in range(40):
        family = dice.choice(("ipv4", "ipv6"))
        hosts = V4 if family == "ipv4" else V6
        made.append(
            {
                "family": family,
                "state_label": dice.choice(("ESTABLISHED", "LISTEN", "TIME_WAIT")),
                "local_address": dice.choice(hosts),
                "remote_address": dice.choice(hosts),
                "local_port": dice.choice(PORTS),
                "remote_port": dice.choice(PORTS),
                "interface_index": dice.choice((0, 1, 2, 9)),
                "mark": dice.randrange(5),
                "cgroup_id": dice.choice((0, 1, 5)),
                "recv_q": dice.randrange(2),
                "uid": dice.choice((0, 33)),
            }
        )
    return made


def wanted(text: str, one: dict[str, Any]) -> bool | None:
    expression, whole = parse_filter([text], LOOKUP)
    columns = {name: value for name, value in one.items() if name != "family"}
    (found,) = answer(expression, batch(columns, family=one["family"]), whole)
    return found


@pytest.mark.skipif(os.name != "posix", reason="families have the numbers of Linux")
@settings(max_examples=300, deadline=None)
@given(texts(DECIDED), st.integers(0, 1000))
def test_the_kernel_decides_as_we_do(text: str, seed: int) -> None:
    program = compile_filter(parse_filter([text], LOOKUP)[0])
    assert not program or audit(program)
    for one in sockets(seed):
        assert run(program, one) is wanted(text, one), (text, one)


@pytest.mark.skipif(os.name != "posix", reason="families have the numbers of Linux")
@settings(max_examples=300, deadline=None)
@given(texts(DECIDED + OTHERS * 4), st.integers(0, 1000))
def test_the_kernel_never_drops_what_may_match(text: str, seed: int) -> None:
    program = compile_filter(parse_filter([text], LOOKUP)[0])
    assert not program or audit(program)
    for one in sockets(seed):
        if wanted(text, one) is not False:
            assert not program or run(program, one), (text, one)


@pytest.mark.parametrize(
    "text",
    [
        "process = nginx",
        "process = nginx or dport = 443",
        "not ( process = nginx and dport = 443 )",
        "estab",
        "rtt > 5ms",
    ],
)
def test_what_the_kernel_cannot_decide_is_no_program(text: str) -> None:
    assert compile_filter(parse_filter([text], LOOKUP)[0]) == b""


ODD = ",".join(map(str, range(1, 12_000, 2)))


@pytest.mark.parametrize(
    "text",
    [
        f"sport in {ODD}",
        f"dev lo and sport in {ODD} and dport in {ODD}",
        " or ".join(f"sport = {n}" for n in range(1, 6000)),
        " and ".join(f"sport != {n}" for n in range(1, 6000)),
    ],
)
def test_a_long_list_is_decided_here(text: str) -> None:
    assert compile_filter(parse_filter([text], LOOKUP)[0]) == b""


def test_a_list_of_a_hundred_is_decided_by_the_kernel() -> None:
    ports = ",".join(map(str, range(1, 200, 2)))
    program = compile_filter(parse_filter([f"sport in {ports} dport 1"], LOOKUP)[0])
    assert audit(program)
