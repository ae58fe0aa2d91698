"""Format all of tcp_info under the names of ss, as `ss -i` prints it.

Source: `tcp_show_info` and `tcp_stats_print` in misc/ss.c of iproute2, whose order,
units and rules for what is left out this table has. Times are in milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

from tcpstates.batch import Batch
from tcpstates.columns.algorithm_text import congestion_text, upper_protocol_text
from tcpstates.columns.info_text import InfoFormat, Part, count, have_info
from tcpstates.text import sanitise

# TCPI_OPT_* of linux/tcp.h, in the order of ss.
_OPTIONS = (
    (1, "ts"),
    (64, "usec_ts"),
    (2, "sack"),
    (8, "ecn"),
    (16, "ecnseen"),
    (32, "fastopen"),
)
_WINDOW_SCALES = 4  # TCPI_OPT_WSCALE
_FIRST_RTO = 3_000_000  # microseconds; ss leaves it out
_FIRST_REORDERING = 3  # segments; likewise
_MOST_SSTHRESH = 0xFFFF
_UNMEASURED = 0xFFFFFFFF


def _rate_format(*, numeric: bool) -> Callable[[float], str]:
    """Return a function that formats bytes per second as 1.2Gbps, or in digits only."""

    def text(bytes_per_second: float) -> str:
        bits = bytes_per_second * 8.0
        if numeric:
            return f"{bits:.0f}bps"
        for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
            if bits >= size:
                return f"{bits / size:.3g}{unit}bps"
        return f"{bits:g}bps"

    return text


def _options(bits: int) -> str:
    return "".join(f" {name}" for bit, name in _OPTIONS if bits & bit)


def _scales(bits: int, ours: int | None, peers: int | None) -> str:
    return f" wscale:{ours or 0},{peers or 0}" if bits & _WINDOW_SCALES else ""


def _busy(busy: int, window: int | None, buffer: int | None) -> str:
    """Format for how long data was waiting to be sent, and what it waited for."""
    if not busy:
        return ""
    text = f" busy:{busy // 1000}ms"
    for label, waited in (("rwnd_limited", window), ("sndbuf_limited", buffer)):
        if waited:
            text += f" {label}:{waited // 1000}ms({100 * waited / busy:.1f}%)"
    return text


@cache
def _format(*, numeric: bool, options: bool, newest: bool) -> InfoFormat:
    """Make the table of parts; see `ss_info_texts` for the arguments."""
    rate = _rate_format(numeric=numeric)

    def sending(window: int, size: int | None, rtt: int | None) -> str:
        """Format a window of full segments per round trip."""
        if not (window and size and rtt):
            return ""
        return f" send {rate(window * size * 1_000_000 / rtt)}"

    def pacing(now: int, most: int | None) -> str:
        if not now:
            return ""
        limit = f"/{rate(most)}" if most else ""
        return f" pacing_rate {rate(now)}{limit}"

    shown_options = (Part(("info.options",), _options),) if options else ()
    since = (
        (
            count("rcv_wnd", "info.receive_window"),
            count("rehash", "info.rehash"),
        )
        if newest
        else ()
    )
    return InfoFormat(
        *shown_options,
        Part(("congestion",), lambda name: f" {sanitise(name)}" if name else ""),
        Part(
            ("info.options", "info.send_window_scale", "info.receive_window_scale"),
            _scales,
        ),
        Part(
            ("info.rto",),
            lambda us: f" rto:{us / 1000:g}" if us not in (0, _FIRST_RTO) else "",
        ),
        count("backoff", "info.backoff"),
        Part(
            ("info.rtt", "info.rtt_variance"),
            lambda rtt, varied: (
                f" rtt:{rtt / 1000:g}/{(varied or 0) / 1000:g}" if rtt else ""
            ),
        ),
        count("ato", "info.ato", per=1000),
        count("mss", "info.send_mss"),
        count("pmtu", "info.path_mtu"),
        count("rcvmss", "info.receive_mss"),
        count("advmss", "info.advertised_mss"),
        count("cwnd", "info.congestion_window"),
        Part(
            ("info.send_ssthresh",),
            lambda size: f" ssthresh:{size}" if 0 < size < _MOST_SSTHRESH else "",
        ),
        count("bytes_sent", "info.bytes_sent"),
        count("bytes_retrans", "info.bytes_retransmitted"),
        count("bytes_acked", "info.bytes_acked"),
        count("bytes_received", "info.bytes_received"),
        count("segs_out", "info.segments_out"),
        count("segs_in", "info.segments_in"),
        count("data_segs_out", "info.data_segments_out"),
        count("data_segs_in", "info.data_segments_in"),
        Part(
            ("congestion_info",),
            lambda found: congestion_text(found, rate),
            is_kept=False,
        ),
        Part(("info.congestion_window", "info.send_mss", "info.rtt"), sending),
        count("lastsnd", "info.last_sent_ms"),
        count("lastrcv", "info.last_received_ms"),
        count("lastack", "info.last_ack_ms"),
        Part(("info.pacing_rate", "info.max_pacing_rate"), pacing),
        Part(
            ("info.delivery_rate",),
            lambda found: f" delivery_rate {rate(found)}" if found else "",
        ),
        count("delivered", "info.delivered"),
        count("delivered_ce", "info.delivered_ce"),
        Part(("info.app_limited",), lambda is_so: " app_limited" if is_so else ""),
        Part(
            (
                "info.busy_time",
                "info.receive_window_limited",
                "info.send_buffer_limited",
            ),
            _busy,
        ),
        count("unacked", "info.unacked"),
        Part(
            ("info.retransmitting", "info.total_retransmits"),
            lambda now, ever: f" retrans:{now}/{ever or 0}" if now or ever else "",
        ),
        count("lost", "info.lost"),
        Part(
            ("info.sacked", "state_label"),
            # The limit of a listener's backlog is in the same place.
            lambda n, label: f" sacked:{n}" if n and label != "LISTEN" else "",
        ),
        count("dsack_dups", "info.dsack_duplicates"),
        Part(
            ("info.reordering",),
            lambda n: f" reordering:{n}" if n != _FIRST_REORDERING else "",
        ),
        count("reord_seen", "info.reordering_seen"),
        count("rcv_rtt", "info.receive_rtt", per=1000),
        count("rcv_space", "info.receive_space"),
        count("rcv_ssthresh", "info.receive_ssthresh"),
        count("notsent", "info.not_sent_bytes"),
        Part(
            ("info.min_rtt",),
            lambda us: f" minrtt:{us / 1000:g}" if us not in (0, _UNMEASURED) else "",
        ),
        count("rcv_ooopack", "info.out_of_order_packets"),
        count("snd_wnd", "info.send_window"),
        *since,
        Part(
            ("ulp", "ulp_info"),
            partial(upper_protocol_text, newest=newest),
            is_kept=False,
        ),
    )


def ss_info_texts(
    batch: Batch, *, numeric: bool, options: bool, newest: bool
) -> list[str | None]:
    """Format tcp_info; each text begins with a blank. None: a socket has no tcp_info.

    `numeric` prints rates in digits only. `options` adds the options of TCP (ts, sack).
    `newest` adds what ss prints since 6.6, and the numbers of mptcp are decimal.
    """
    found = _format(numeric=numeric, options=options, newest=newest).texts(batch)
    return [
        text if has else None for text, has in zip(found, have_info(batch), strict=True)
    ]
