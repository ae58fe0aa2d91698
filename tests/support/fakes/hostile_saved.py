"""Saved listings that were made to do harm: mutated lines, and JSON of wrong types.

The seeds are the repository's own samples and our own JSON. `strange_in` says what no
text format may hold.
"""

from __future__ import annotations

import copy
import json
import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tcpstates.states import TcpState

SAMPLES = Path(__file__).parents[2] / "data" / "saved"
# Escape sequences, control characters of both kinds, text that runs backwards, invisible
# characters, bytes that are no UTF-8, shell syntax, formulas, markup, and much.
POISONS = (
    *(
        "\x1b[2J",
        "\x1b\x1b[m[2J",
        "\x1b]52;c;cm0gLXJmIC8=\x07",
        "\x9b31m",
        "\x00",
        "\x07",
    ),
    *(
        "\u202e",
        "\u2066",
        "\u200b",
        "\ufeff",
        "\udcff",
        "\ud800",
        "\r",
        "\x0b",
        "\u2028",
    ),
    *("$(id)", ";id;", "`id`", "|id", "&&id", "'", '"', "\\", "%s", "{}", "{0}"),
    *("=1+1", "@x", "[red]", "</script>", "-rf", "*", "~", "#", "a" * 300, "x" * 5000),
)
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 65536, 1 << 64, 1 << 400, 1.5, float("inf"), float("nan"),
    "", "1", [], [1], {}, {"a": 1}, {"pid": 1}, [{"pid": -1}], [{"pid": True}],
    [{"pid": 1, "name": "a", "name_raw": "zz"}], [{"pid": 1, "name": "a", "fd": "x"}],
    {"kind": "on", "expires_ms": "1", "retransmits": 1}, *POISONS,
)  # fmt: skip
OWN: dict[str, Any] = {
    "protocol": "tcp",
    "family": "ipv4",
    "state": "ESTABLISHED",
    "raw_state": "ESTABLISHED",
    "local_address": "10.0.0.1",
    "local_port": 443,
    "remote_address": "10.0.0.2",
    "remote_port": 50000,
    "recv_q": 1,
    "send_q": 2,
    "uid": 33,
    "user": "www-data",
    "inode": 77,
    "cookie": 5,
    "interface": "eth0",
    "timer": {"kind": "retransmit", "expires_ms": 200, "retransmits": 1},
    "processes": [{"pid": 4711, "name": "nginx", "name_raw": None, "fd": 3}],
    "no_process_reason": None,
    "truncated": None,
    "mark": 1,
    "cgroup": "/system.slice/nginx.service",
    "v6only": None,
    "shutdown": 0,
    "congestion": "cubic",
    "info": {
        "rtt": 1000,
        "backoff": 2,
        "last_sent_ms": 70_000,
        "last_received_ms": 70_000,
        "last_ack_ms": 5,
    },
    "memory": {
        "receive_allocated": 0,
        "receive_buffer": 131072,
        "send_allocated": 5,
        "send_buffer": 16384,
        "forward_allocated": 6,
        "send_queued": 7,
        "options": 8,
        "backlog": 9,
        "drops": 10,
    },
}


def own_rows() -> Iterator[dict[str, Any]]:
    """Yield a healthy socket in each state, as our JSON has it."""
    for number, state in enumerate(TcpState):
        yield OWN | {"raw_state": str(state), "local_port": 1000 + number}


def wrong_rows(dice: random.Random, number: int) -> Iterator[str]:
    """Yield lines of JSON, each with one or two fields that are wrong."""
    for _ in range(number):
        row = copy.deepcopy(dice.choice(list(own_rows())))
        for _ in range(dice.choice((1, 1, 2))):
            name = dice.choice(list(row))
            inside = row[name]
            if isinstance(inside, dict) and inside and dice.random() < 0.5:
                inside[dice.choice(list(inside))] = dice.choice(VALUES)
            elif dice.random() < 0.1:
                del row[name]
            else:
                row[name] = dice.choice(VALUES)
        yield json.dumps(row)


def sample_lines() -> list[str]:
    """Return every line of every sample."""
    paths = sorted(path for path in SAMPLES.rglob("*") if path.is_file())
    return [
        line
        for path in paths
        if path.suffix != ".md"
        for line in path.read_bytes().decode("utf-8", "surrogateescape").splitlines()
    ]


def mutated_line(line: str, dice: random.Random) -> str:
    """Return a line in which one word has become something else."""
    words = line.split(" ")
    place = dice.randrange(len(words))
    poison = dice.choice(POISONS)
    cut = dice.randrange(len(words[place]) + 1)
    words[place] = dice.choice(
        (
            poison,
            words[place] + poison,
            words[place][:cut] + poison + words[place][cut:],
        )
    )
    return " ".join(words)


def strange_in(text: str) -> set[str]:
    """Return what a text format may not hold: controls, bidi, invisible characters."""
    return {
        character
        for character in set(text)
        if unicodedata.category(character)[0] == "C" and character != "\n"
    }
