"""The one table of a socket's fields, for JSON, the API, the schema and the readers.

There are two lists: batches hold what sources report, records what people read.

- `ColumnName`: the columns of a batch. Every value may be None where the source does
  not report it; zero and the empty string are real values. An unknown name is an error,
  of mypy where it is written and of the batch where it is used.
- `FIELDS`: the fields of a record, in the order of JSON. Listings in text and CSV have
  columns of their own, made of these: see `columns.registry`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

# fmt: off
# One field of tcp_info, int: see `parse.tcp_info`. None also where it has no limit.
InfoColumn = Literal[
    "info.congestion_state", "info.retransmits", "info.probes", "info.backoff",
    "info.options", "info.rto", "info.ato", "info.send_mss", "info.receive_mss",
    "info.unacked", "info.sacked", "info.lost", "info.retransmitting",
    "info.last_sent_ms", "info.last_received_ms", "info.last_ack_ms", "info.path_mtu",
    "info.receive_ssthresh", "info.rtt", "info.rtt_variance", "info.send_ssthresh",
    "info.congestion_window", "info.advertised_mss", "info.reordering",
    "info.receive_rtt", "info.receive_space", "info.total_retransmits",
    "info.pacing_rate", "info.max_pacing_rate", "info.bytes_acked",
    "info.bytes_received", "info.segments_out", "info.segments_in",
    "info.not_sent_bytes", "info.min_rtt", "info.data_segments_in",
    "info.data_segments_out", "info.delivery_rate", "info.busy_time",
    "info.receive_window_limited", "info.send_buffer_limited", "info.delivered",
    "info.delivered_ce", "info.bytes_sent", "info.bytes_retransmitted",
    "info.dsack_duplicates", "info.reordering_seen", "info.out_of_order_packets",
    "info.send_window", "info.receive_window", "info.rehash", "info.send_window_scale",
    "info.receive_window_scale", "info.app_limited", "info.fastopen_failure",
]
# fmt: on
ColumnName = Literal[
    InfoColumn,
    "state_label",  # str: the state as shown: an RFC 9293 name, or UNCONN, BOUND
    "state",  # str: the RFC 9293 name; None where no state of the RFC equals it
    "raw_state",  # str: the source's own spelling or code
    "local_address",  # str: numeric, without brackets or scope
    "local_port",  # int: 0 is the wildcard
    "remote_address",  # str: as local_address
    "remote_port",  # int: 0 is the wildcard
    "recv_q",  # int: bytes; of a LISTEN socket the backlog
    "send_q",  # int: bytes; of a LISTEN socket the backlog's limit
    "uid",  # int: the owner's user id
    "inode",  # int: 0 when no file refers to the socket
    "cookie",  # int: the kernel's identity of the socket, unique since boot
    "interface_index",  # int: the interface it is bound to; 0: none
    "timer",  # str: off, retransmit, keepalive, time-wait, probe, delayed-ack
    "timer_ms",  # int: milliseconds until the timer fires
    "retransmits",  # int: unanswered retransmissions or probes
    "created_ms",  # int: milliseconds since the socket was created
    "mark",  # int: firewall mark
    "cgroup_id",  # int: id of the cgroup v2 directory
    "v6only",  # bool: an IPv6 listener that refuses IPv4
    "shutdown",  # int: bits: 1 the peer's FIN was received, 2 ours was sent
    "congestion",  # str: name of the congestion control
    "info",  # dict of int: see `parse.tcp_info`
    "congestion_info",  # dict of int: see `parse.diag_attributes.CONGESTION`
    "ulp",  # str: the upper layer protocol inside the kernel: tls, mptcp
    "ulp_info",  # dict of int: see `parse.diag_attributes.UpperProtocol`
    "memory",  # dict of int: see `parse.diag_attributes.MEMORY_FIELDS`
    "info.packed",  # bytes: tcp_info as the kernel sends it
    "netns",  # str: the name of its network namespace, or net:[NUMBER]
    "netns_id",  # int: the namespace's inode
    "host",  # str: the name of the host that it is on
    "container",  # str: the name or number of the container of its first process
    "pod",  # str: of Kubernetes or Podman, as NAMESPACE/NAME or a number
    "unit",  # str: the systemd unit of its first process
    "processes",  # tuple of Owner: None where they were not looked up
    "no_process_reason",  # str: why `processes` is empty; see `model.Reason`
    "pid",  # int: the one process that a source reports
    "fd",  # int: its descriptor
    # What a listing has instead of a number.
    "user_name",  # str
    "interface_name",  # str
    "cgroup_name",  # str
    "local_service",  # str: a service without a known port
    "remote_service",  # str
    "truncated",  # tuple of str: the addresses that the tool has cut off
]
COLUMN_NAMES: frozenset[str] = frozenset(get_args(ColumnName))

# Columns of which each side of a socket has one.
Side = Literal["local", "remote"]
ADDRESS: dict[Side, ColumnName] = {"local": "local_address", "remote": "remote_address"}
PORT: dict[Side, ColumnName] = {"local": "local_port", "remote": "remote_port"}
SERVICE: dict[Side, ColumnName] = {"local": "local_service", "remote": "remote_service"}
SIDES_OF_A_SOCKET: tuple[Side, Side] = ("local", "remote")

# Which options show a field; without any: always.
ShownWith = Literal["always", "times", "extended", "info", "memory", "places", "hosts"]
# What has to be requested; "": nothing.
Needs = Literal["", "processes", "info", "ages", "memory", "places"]


class Kind(NamedTuple):
    """The type of a field's values."""

    json: str  # as JSON Schema names it
    python: str  # as annotations of the API write it


TEXT = Kind("string", "str")
NUMBER = Kind("integer", "int")
TRUTH = Kind("boolean", "bool")
COUNTERS = Kind("object", "dict[str, int]")  # numbers by name
TIMER = Kind("object", "Timer")
PROCESSES = Kind("array", "tuple[Owner, ...]")
SIDES = Kind("array", "tuple[str, ...]")  # of local_address, remote_address


class Field(NamedTuple):
    """One field of a record. None, in JSON null, is a value that is not reported."""

    name: str
    kind: Kind
    doc: str  # meaning and unit; what None means, where it means more
    column: ColumnName | None = None  # with the value; None: made of several
    shown_with: ShownWith = "always"
    needs: Needs = ""
    # The column with the name, where `column` has a number that is looked up.
    named: ColumnName | None = None
    # The column that our own JSON fills when it is read back; None: see `json_text`.
    read_as: ColumnName | None = None
    is_known: bool = False  # never None


# fmt: off
FIELDS: tuple[Field, ...] = (
    Field("protocol", TEXT, "tcp or udp", is_known=True),
    Field("family", TEXT, "ipv4 or ipv6", is_known=True),
    Field("state", TEXT, "the RFC 9293 name; None: no state of the RFC", "state"),
    Field("raw_state", TEXT, "the source's own spelling or code", "raw_state"),
    Field("local_address", TEXT, "numeric; the wildcard is 0.0.0.0 or ::",
          "local_address"),
    Field("local_port", NUMBER, "0 is the wildcard", "local_port"),
    Field("remote_address", TEXT, "as local_address", "remote_address"),
    Field("remote_port", NUMBER, "0 is the wildcard", "remote_port"),
    Field("recv_q", NUMBER, "bytes; of a LISTEN socket the backlog", "recv_q"),
    Field("send_q", NUMBER, "bytes; of a LISTEN socket the backlog's limit", "send_q"),
    Field("backlog", NUMBER, "connections to be accepted; None except for LISTEN"),
    Field("backlog_limit", NUMBER, "their maximum; None except for LISTEN"),
    Field("uid", NUMBER, "the owner's user id", "uid", read_as="uid"),
    Field("user", TEXT, "the login name; None also with -n", "uid",
          named="user_name", read_as="user_name"),
    Field("inode", NUMBER, "0: no file refers to the socket", "inode",
          read_as="inode"),
    Field("cookie", NUMBER, "the kernel's number for it, unique since boot", "cookie",
          read_as="cookie"),
    Field("interface", TEXT, "the interface that it is bound to; None: none",
          "interface_index", named="interface_name", read_as="interface_name"),
    Field("timer", TIMER, "the running timer; None: none runs"),
    Field("processes", PROCESSES, "every owner; None: not looked up", "processes",
          needs="processes"),
    Field("no_process_reason", TEXT, "why there is no owner; see `model.Reason`",
          "no_process_reason", needs="processes"),
    Field("truncated", SIDES, "addresses that a saved listing has cut off",
          "truncated"),
    Field("age_ms", NUMBER, "milliseconds in this state, at least", shown_with="times",
          needs="ages"),
    Field("age_max_ms", NUMBER, "milliseconds in this state, at most; None: no bound",
          shown_with="times", needs="ages"),
    Field("idle_ms", NUMBER, "milliseconds since the last data in either direction",
          shown_with="times", needs="info"),
    Field("mark", NUMBER, "the firewall mark", "mark", "extended", read_as="mark"),
    Field("cgroup", TEXT, "its path below the mount of cgroup v2", "cgroup_id",
          "extended", named="cgroup_name", read_as="cgroup_name"),
    Field("v6only", TRUTH, "an IPv6 listener that refuses IPv4", "v6only", "extended",
          read_as="v6only"),
    Field("shutdown", NUMBER, "bits: 1 the peer has ended its stream, 2 this side has",
          "shutdown", "extended", read_as="shutdown"),
    Field("congestion", TEXT, "name of the congestion control", "congestion", "info",
          "info", read_as="congestion"),
    Field("info", COUNTERS, "tcp_info: microseconds, bytes, or as the names say",
          "info", "info", "info", read_as="info"),
    Field("congestion_info", COUNTERS, "figures of bbr, dctcp or vegas",
          "congestion_info", "info", "info", read_as="congestion_info"),
    Field("ulp", TEXT, "upper layer protocol: tls, mptcp; None: none, or not reported",
          "ulp", "info", "info", read_as="ulp"),
    Field("ulp_info", COUNTERS, "figures of the upper layer protocol", "ulp_info",
          "info", "info", read_as="ulp_info"),
    Field("memory", COUNTERS, "bytes, and packets for drops", "memory", "memory",
          "memory", read_as="memory"),
    Field("host", TEXT, "the host that it is on, as --host names it", "host", "hosts",
          read_as="host"),
    Field("netns", TEXT, "the name of its network namespace", "netns", "places",
          read_as="netns"),
    Field("netns_id", NUMBER, "the number of that namespace: its inode", "netns_id",
          "places", read_as="netns_id"),
    Field("container", TEXT, "name or number; None: none, or not known", "container",
          "places", "places", read_as="container"),
    Field("pod", TEXT, "namespace/name, or its number; None: none, or not known",
          "pod", "places", "places", read_as="pod"),
    Field("unit", TEXT, "the systemd unit; None: none, or not known", "unit",
          "places", "places", read_as="unit"),
)
# fmt: on


def fields_shown(
    *,
    times: bool,
    extended: bool,
    info: bool,
    memory: bool,
    places: bool = False,
    hosts: bool = False,
) -> list[Field]:
    """The fields that the options of a listing show."""
    is_shown: dict[ShownWith, bool] = {
        "always": True,
        "times": times,
        "extended": extended,
        "info": info,
        "memory": memory,
        "places": places,
        "hosts": hosts,
    }
    return [field for field in FIELDS if is_shown[field.shown_with]]
