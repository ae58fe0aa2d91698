"""The metrics by name: what each is, its labels and its unit, said once.

Names and texts follow https://prometheus.io/docs/practices/naming: base units, `_total`
for what only grows. Where the kernel counts something else than the name suggests, the
text says so.
"""

from __future__ import annotations

from typing import NamedTuple


class Metric(NamedTuple):
    """A metric; `labels` in the order in which values are given."""

    name: str  # without _total
    text: str
    labels: tuple[str, ...] = ()
    only_grows: bool = False


SOCKETS = Metric(
    "tcpstates_sockets",
    "Number of sockets in a state; port: one that listens here or is named by --ports,"
    " or empty.",
    ("state", "family", "port"),
)
GROUPS = Metric("tcpstates_sockets_by", "Number of sockets with these values.")
RECEIVE_QUEUE = Metric(
    "tcpstates_receive_queue_bytes",
    "Data that programs have not read yet.",
    ("port",),
)
SEND_QUEUE = Metric(
    "tcpstates_send_queue_bytes",
    "Data that peers have not acknowledged yet.",
    ("port",),
)
ACCEPT_QUEUE = Metric(
    "tcpstates_accept_queue_connections",
    "Connections that wait for accept().",
    ("port",),
)
ACCEPT_LIMIT = Metric(
    "tcpstates_accept_queue_limit_connections",
    "Connections for which the accept queue has room.",
    ("port",),
)
OLDEST = Metric(
    "tcpstates_oldest_seconds",
    "Age of the oldest socket in a state, at least.",
    ("state",),
)
EPHEMERAL = Metric(
    "tcpstates_ephemeral_ports_used",
    "Ports of the ephemeral range that connections to a destination use; the 20"
    " destinations with the most.",
    ("destination",),
)
EPHEMERAL_LIMIT = Metric(
    "tcpstates_ephemeral_ports_limit", "Ports in the ephemeral range."
)
FINDINGS = Metric(
    "tcpstates_findings",
    "Findings of the doctor; zero for rules that have found nothing.",
    ("rule", "severity"),
)
CLOSED = Metric(
    "tcpstates_closed_connections",
    "Connections that have ended since the exporter started.",
    ("port",),
    only_grows=True,
)
SENT = Metric(
    "tcpstates_closed_sent_bytes",
    "Bytes that ended connections had sent and the peer had acknowledged.",
    ("port",),
    only_grows=True,
)
RECEIVED = Metric(
    "tcpstates_closed_received_bytes",
    "Bytes that ended connections had received.",
    ("port",),
    only_grows=True,
)
RETRANSMITS = Metric(
    "tcpstates_closed_retransmitted_segments",
    "Segments that ended connections had sent again.",
    ("port",),
    only_grows=True,
)
LOST = Metric(
    "tcpstates_closed_missed",
    "Ends of connections that could not be counted, because there were too many.",
    only_grows=True,
)
UP = Metric("tcpstates_up", "1: the sockets could be read. 0: they could not.")
SCAN_SECONDS = Metric("tcpstates_scan_seconds", "Time that the last scan took.")
LIMITATIONS = Metric(
    "tcpstates_limitations",
    "1: the answer is limited in this way, such as by owners that are hidden.",
    ("kind",),
)
DROPPED = Metric(
    "tcpstates_series_dropped",
    "Series that were left out, because there were more than the limit.",
)
BUILD = Metric("tcpstates_build_info", "1, with the version.", ("version", "source"))
_KERNEL = {
    "orphans": "TCP sockets that no file refers to, in all network namespaces.",
    "orphans_limit": "Limit above which the kernel resets orphans.",
    "time_wait": "TIME_WAIT sockets in this network namespace, and FIN_WAIT_2 sockets"
    " that no file refers to.",
    "time_wait_limit": "Limit above which the kernel drops these.",
    "memory_bytes": "Memory of TCP sockets, in all network namespaces.",
    "memory_pressure_bytes": "Level above which the kernel keeps buffers small.",
    "memory_limit_bytes": "Limit above which the kernel refuses memory.",
}
# By the field of `model.KernelCounts`.
KERNEL = {
    field: Metric(f"tcpstates_kernel_{field}", text) for field, text in _KERNEL.items()
}
