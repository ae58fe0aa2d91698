"""Format figures of congestion controls and upper layer protocols, as ss does.

Sources: `tcp_stats_print` and `mptcp_subflow_info` in misc/ss.c of iproute2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tcpstates.text import sanitise

_TLS_VERSIONS = {0x0303: "1.2", 0x0304: "1.3"}  # linux/tls.h
_TLS_CIPHERS = {51: "aes-gcm-128", 52: "aes-gcm-256"}
_TLS_PLACES = {1: "none", 2: "sw", 3: "hw", 4: "hw-record"}  # TLS_CONF_*
_MPTCP_FLAGS = "MmJjBbecv"  # MPTCP_SUBFLOW_FLAG_*, from the lowest bit

Numbers = Mapping[str, int]


def congestion_text(found: Numbers | None, rate: Callable[[int], str]) -> str:
    """Format the figures of the congestion control; `rate` formats bytes per second."""
    if not found:
        return ""
    if "bandwidth" in found:
        gains = "".join(
            f",{label}:{found[key] / 256:g}"
            for label, key in (
                ("pacing_gain", "pacing_gain_256ths"),
                ("cwnd_gain", "window_gain_256ths"),
            )
            if found.get(key)
        )
        mean = found.get("min_rtt", 0) / 1000
        return f" bbr:(bw:{rate(found['bandwidth'])},mrtt:{mean:g}{gains})"
    if "alpha" in found:
        if not found.get("enabled"):
            return " dctcp:fallback_mode"
        values = [found.get(key, 0) for key in _DCTCP.values()]
        pairs = zip(_DCTCP, values, strict=True)
        return f" dctcp:({','.join(f'{label}:{value}' for label, value in pairs)})"
    return ""


_DCTCP = {
    "ce_state": "ce_state",
    "alpha": "alpha",
    "ab_ecn": "ecn_bytes",
    "ab_tot": "total_bytes",
}


def upper_protocol_text(
    name: str, found: Numbers | None = None, *, newest: bool = True
) -> str:
    """Format the upper layer protocol, tls or mptcp, with its numbers if given.

    `newest`: the numbers of mptcp are decimal, as since ss 6.5, not hexadecimal.
    """
    numbers = found or {}
    base = "d" if newest else "x"
    return f" tcp-ulp-{sanitise(name)}{_tls(numbers)}{_mptcp(numbers, base)}"


def _tls(found: Numbers) -> str:
    text = ""
    version, cipher = found.get("version"), found.get("cipher")
    if version is not None:
        text += f" version: {_TLS_VERSIONS.get(version, f'unknown({version})')}"
    if cipher in _TLS_CIPHERS:
        text += f" cipher: {_TLS_CIPHERS[cipher]}"
    for way in ("rx", "tx"):
        place = found.get(f"{way}_configuration")
        if place is not None:
            text += f" {way}conf: {_TLS_PLACES.get(place, f'unknown({place})')}"
    return text


def _mptcp(found: Numbers, base: str) -> str:
    text = ""
    flags = found.get("flags", 0)
    if flags:
        named = (letter for bit, letter in enumerate(_MPTCP_FLAGS) if flags >> bit & 1)
        text += f" flags:{''.join(named)}"
    if {"remote_token", "local_token", "remote_id", "local_id"} <= found.keys():
        ends = (
            f"{found[f'{side}_token']:04x}(id:{found[f'{side}_id']})"
            for side in ("remote", "local")
        )
        text += f" token:{'/'.join(ends)}"
    for label, key in (
        ("seq", "map_sequence"),
        ("sfseq", "map_subflow_sequence"),
        ("ssnoff", "subflow_offset"),
        ("maplen", "map_length"),
    ):
        if key in found:
            text += f" {label}:{found[key]:{base}}"
    return text
