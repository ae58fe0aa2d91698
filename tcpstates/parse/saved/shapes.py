"""How ss, netstat and lsof print a plain TCP socket of Linux: see `blocks`.

Every function takes the words of some lines, by column, and returns their plain columns
under the names of `layout.Words`. It raises MalformedLine if a line is not plain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import repeat

from tcpstates.late_pattern import late
from tcpstates.parse.saved.layout import Shape, Words
from tcpstates.parse.saved.rows import MalformedLine
from tcpstates.text import Texts

_DIGITS, PORT_DIGITS = 15, 5  # of a number, at most
_USER = late(r"\w[\w.-]{0,31}")
_COMMAND = late(r"[!-~]{1,32}")
_DESCRIPTOR = late(r"(?:([0-9]{1,9})|\*[0-9]{1,9})[a-zA-Z]{0,2}")
_OFFSET = late(r"0t[0-9]{1,20}")
_STATE = late(r"[A-Z][A-Z0-9_]+")
_IN_PARENTHESES = late(r"\([A-Z0-9_]+\)")
FAMILIES = {"IPv4": "ipv4", "IPv6": "ipv6"}
_IPV4 = "[0-9.]{7,15}"
WIDTH = 23  # of an endpoint in net-tools, without -W


def _ends(texts: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Split endpoints at their last colon into addresses and ports."""
    addresses, colons, ports = zip(
        *map(str.rpartition, texts, repeat(":")), strict=True
    )
    _require("" not in colons and "" not in ports)
    return addresses, ports


def _require(is_plain: bool) -> None:  # noqa: FBT001
    if not is_plain:
        raise MalformedLine


def require_numbers(texts: Sequence[str], most: int = _DIGITS) -> None:
    """Raise MalformedLine unless all texts, none of them empty, are short numbers."""
    digits = "".join(texts)
    _require(digits.isascii() and digits.isdecimal())
    _require(max(map(len, texts)) <= most)


def _require_all(pattern: re.Pattern[str], texts: Iterable[str]) -> None:
    _require(all(map(pattern.fullmatch, set(texts))))


def _columns(state: Sequence[str], *queues_and_ends: Sequence[str]) -> Words:
    received, sent, here, there = queues_and_ends
    require_numbers(received)
    require_numbers(sent)
    local, local_port = _ends(here)
    remote, remote_port = _ends(there)
    return {
        "state": state,
        "recv_q": received,
        "send_q": sent,
        "local": local,
        "local_port": local_port,
        "remote": remote,
        "remote_port": remote_port,
    }


def _of_ss(states: frozenset[str], words: Sequence[Sequence[str]]) -> Words:
    """Take State, Recv-Q, Send-Q and both ends, perhaps below Netid."""
    if len(words) > _WORDS_OF_SS:
        _require(set(words[0]) == {"tcp"})
        words = words[1:]
    _require(states.issuperset(words[0]))
    found = _columns(*words)
    _require("*" not in found["local"])
    return found


_WORDS_OF_SS = 5
_ENDS_OF_SS = late(rf"{_IPV4}|\[[0-9a-fA-F:.]{{2,45}}\]|\*")


def shapes_of_ss(states: frozenset[str]) -> tuple[Shape, Shape]:
    """Make the shapes without and with Netid, for these names of states."""
    columns = partial(_of_ss, states)
    return (
        Shape(_WORDS_OF_SS, columns, _ENDS_OF_SS),
        Shape(_WORDS_OF_SS + 1, columns, _ENDS_OF_SS),
    )


def _of_netstat(protocol: str, words: Sequence[Sequence[str]]) -> Words:
    """Take Proto, Recv-Q, Send-Q, both ends and State."""
    _require(set(words[0]) == {protocol})
    _require_all(_STATE, words[5])
    return _columns(words[5], *words[1:5])


NETSTAT = Shape(6, partial(_of_netstat, "tcp"), late(_IPV4), has_backlog_limit=False)
NETSTAT_IPV6 = Shape(
    6,
    partial(_of_netstat, "tcp6"),
    late(r"[0-9a-f:.]{2,45}"),
    family="ipv6",
    has_backlog_limit=False,
    width=WIDTH,
)


def _of_lsof(words: Sequence[Sequence[str]]) -> Words:
    """Take COMMAND PID USER FD TYPE DEVICE SIZE/OFF NODE, and NAME of two words."""
    command, pid, user, fd, kind, device, offset, node, name, state = words
    _require(set(node) == {"TCP"} and FAMILIES.keys() >= set(kind))
    require_numbers(pid)
    require_numbers(device)
    for pattern, column in (
        (_COMMAND, command),
        (_USER, user),
        (_OFFSET, offset),
        (_IN_PARENTHESES, state),
    ):
        _require_all(pattern, column)
    names = {text: text[1:-1] for text in set(state)}
    # A listener has no peer.
    here, arrows, there = zip(*map(str.partition, name, repeat("->")), strict=True)
    _require(("->", "") not in zip(arrows, there, strict=True))
    if "" in arrows:
        there = tuple(end or "*:*" for end in there)
    local, local_port = _ends(here)
    remote, remote_port = _ends(there)
    return {
        "state": list(map(names.__getitem__, state)),
        "local": local,
        "local_port": local_port,
        "remote": remote,
        "remote_port": remote_port,
        "family": kind,
        "inode": device,
        "user": user,
        "command": command,
        "pid": pid,
        "fd": list(map(_DESCRIPTORS.__getitem__, fd)),
    }


def _descriptor(text: str) -> int | None:
    """Return the number of a descriptor; None: lsof has cut off its first digits."""
    found = _DESCRIPTOR.fullmatch(text)
    if found is None:
        raise MalformedLine
    return int(found[1]) if found[1] else None


# Listings of many sockets have the descriptors of some processes again and again.
_DESCRIPTORS = Texts(_descriptor, most=65536)


LSOF = Shape(10, _of_lsof, late(rf"{_IPV4}|\[[0-9a-f:.]{{2,45}}\]|\*"))
