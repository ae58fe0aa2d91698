"""What each option lists, and what it does not, as ss has it."""

from __future__ import annotations

import shutil
from collections import Counter

import pytest

from conftest import Lab
from tcpstates.protocols import PROTOCOLS
from tcpstates.states import find_state

needs_ss = pytest.mark.skipif(
    shutil.which("ss") is None, reason="ss is missing (Debian: iproute2)"
)
# ss leaves these out of a listing without -a; netstat, and we, do not.
_NOT_OF_SS = {"TIME_WAIT", "SYN_RECEIVED"}

Rows = Counter[tuple[str, str, str]]


def ours(lab: Lab, *arguments: str) -> Rows:
    """Return protocol, state and local port of each row of a listing."""
    finished = lab.tcpstates(*arguments, "-n")
    assert finished.returncode == 0, finished.stderr
    rows = [line.split() for line in finished.stdout.splitlines()[1:]]
    return Counter((row[0], row[1], row[4].rpartition(":")[2]) for row in rows)


def of_ss(lab: Lab, *arguments: str) -> Rows:
    lines = lab.run("ss", "-Hn", *arguments).stdout.splitlines()
    found: Rows = Counter()
    for line in lines:
        netid, word, _, _, local, *_ = line.split()
        state = find_state(word, has_states=PROTOCOLS[netid].has_states)
        found[netid, str(state), local.rpartition(":")[2]] += 1
    return found


@needs_ss
@pytest.mark.parametrize(
    ("asked", "meaning"),
    [
        ((), ("-tu", "-t")),
        (("-t",), ("-tu", "-t")),
        (("-t4",), ("-tu4", "-t")),
        (("-t6",), ("-tu6", "-t")),
        (("-u",), ("-tu", "-u")),
        (("-tu",), ("-tu", "")),
        (("-l",), ("-tul", "-t")),
        (("-lt",), ("-tul", "-t")),
        (("-lu",), ("-tul", "-u")),
        (("-ltu",), ("-tul", "")),
        (("-a",), ("-tua", "-t")),
        (("-au",), ("-tua", "-u")),
        (("-atu",), ("-tua", "")),
        (("-al",), ("-tua", "-t")),
    ],
    ids=lambda value: "".join(value) or "nothing",
)
def test_it_lists_what_ss_lists(
    lab: Lab, asked: tuple[str, ...], meaning: tuple[str, str]
) -> None:
    options, only = meaning
    wanted = {"-t": ("tcp",), "-u": ("udp",)}.get(only, ("tcp", "udp"))
    expected = Counter(
        {row: n for row, n in of_ss(lab, options).items() if row[0] in wanted}
    )
    found = ours(lab, *asked)
    is_everything = "a" in options
    if not is_everything:
        found = Counter({r: n for r, n in found.items() if r[1] not in _NOT_OF_SS})
    assert found == expected
    assert found or asked == ("-u",)


def test_listeners_are_listed_only_when_asked_for(lab: Lab) -> None:
    states = {row[1] for row in ours(lab)}
    assert "LISTEN" not in states
    assert {"ESTABLISHED", "CLOSE_WAIT", "TIME_WAIT", "SYN_RECEIVED"} <= states
    assert {row[1] for row in ours(lab, "-l")} == {"LISTEN"}
    both = ours(lab) + ours(lab, "-l")
    assert both == ours(lab, "-a")


def test_counts_and_metrics_are_of_all_sockets(lab: Lab) -> None:
    total = sum(ours(lab, "-tua").values())
    summary = lab.tcpstates("-s").stdout
    assert f"total {total}" in " ".join(
        [line.split()[0] + " " + line.split()[-1] for line in summary.splitlines()]
    )
    listening = sum(ours(lab, "-l").values())
    assert f"\n{listening} listeners\n" in summary
    metrics = lab.tcpstates("--openmetrics").stdout
    numbers = [
        int(line.rpartition(" ")[2])
        for line in metrics.splitlines()
        if line.startswith("tcpstates_sockets{")
    ]
    assert sum(numbers) == total


def test_the_doctor_looks_at_the_families_asked_for(lab: Lab) -> None:
    def addresses(*arguments: str) -> int:
        import json

        told = json.loads(lab.tcpstates("doctor", "--json", *arguments).stdout)
        return int(told["sockets"])

    both, v4, v6 = (addresses(*options) for options in ((), ("-4",), ("-6",)))
    assert v4 > 0
    assert v6 > 0
    assert both == v4 + v6
    assert addresses("-6", "src = 127.0.0.1") < addresses("-4", "src = 127.0.0.1")
