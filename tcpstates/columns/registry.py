"""The table of columns: what each is called, and what it shows.

Listings, counts by column, sorting and CSV all take their columns from here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from tcpstates.batch import Batch
from tcpstates.columns import addresses as places
from tcpstates.columns import times
from tcpstates.columns import values as fill
from tcpstates.columns.values import Cells, Filler
from tcpstates.errors import ColumnError
from tcpstates.fields import Needs
from tcpstates.model import Names
from tcpstates.wording import did_you_mean, nearest


class Column(NamedTuple):
    """One column of the listing."""

    key: str
    heading: str
    values: Filler  # text or numbers; None: not reported
    right: bool = False
    width: int = 0  # for streamed listings, whose widths are not known in advance
    varied: bool = True  # False: few distinct values
    known: bool = False  # no value is ever None
    needs: Needs = ""  # what to request, as in Request.for_columns
    order: Filler | None = None  # what to sort by, if not the values
    group: Filler | None = None  # what to group by, if not the values

    def cells(self, batch: Batch, names: Names) -> Cells:
        """Return the values, with a dash for each unknown value."""
        found = self.values(batch, names)
        if self.known or None not in found:
            return found
        return ["-" if value is None else value for value in found]


# fmt: off
PROTOCOL = Column("protocol", "Proto", fill.protocol, varied=False, known=True)
STATE = Column("state", "State", fill.states, width=12, varied=False, known=True,
               group=fill.state_labels)
RECV_Q = Column("recv-q", "Recv-Q", fill.column("recv_q"), right=True, varied=False)
SEND_Q = Column("send-q", "Send-Q", fill.column("send_q"), right=True, varied=False)
LOCAL = Column("local", "Local address", places.endpoints("local"), width=21,
               known=True, order=places.endpoint_order("local"))
REMOTE = Column("remote", "Remote address", places.endpoints("remote"), width=21,
                known=True, order=places.endpoint_order("remote"))
TIMER = Column("timer", "Timer", times.timer, width=18, order=times.timer_ms,
               group=times.timer_kind)
AGE = Column("age", "Age", times.age, width=8, needs="ages", order=times.age_min)
USER = Column("user", "User", fill.user, width=8, varied=False)
INODE = Column("inode", "Inode", fill.column("inode"), right=True, width=8)
INTERFACE = Column("interface", "Interface", fill.interface, varied=False)
COOKIE = Column("cookie", "Cookie", fill.cookie, right=True,
                order=fill.column("cookie"))
MARK = Column("mark", "Mark", fill.mark, right=True, varied=False,
              order=fill.column("mark"))
CGROUP = Column("cgroup", "Cgroup", fill.cgroup, width=12, varied=False)
PROCESS = Column("process", "Process", fill.processes, needs="processes",
                 order=fill.process_names, group=fill.process_names)
INFO = Column("info", "TCP info", fill.info, needs="info")
MEMORY = Column("memory", "Memory", fill.memory, needs="memory")
# For tables that people read; they are found by no name.
INFO_IN_FULL = INFO._replace(values=fill.info_in_full)
PROCESS_BRIEF = PROCESS._replace(values=fill.processes_brief)
STATE_IN_LIFE = STATE._replace(order=fill.states_in_life)
# These columns are shown only when they are named.
FAMILY = Column("family", "Family", fill.family, varied=False, known=True)
RAW_STATE = Column("raw-state", "Raw state", fill.text("raw_state"), varied=False)
LOCAL_ADDRESS = Column("local-address", "Local address", places.addresses("local"),
                       width=15, order=places.address_order("local"))
LOCAL_PORT = Column("local-port", "Local port", fill.column("local_port"), right=True)
REMOTE_ADDRESS = Column("remote-address", "Remote address",
                        places.addresses("remote"), width=15,
                        order=places.address_order("remote"))
REMOTE_PORT = Column("remote-port", "Remote port", fill.column("remote_port"),
                     right=True)
UID = Column("uid", "Uid", fill.column("uid"), right=True, varied=False)
PID = Column("pid", "Pid", fill.pids, right=True, needs="processes",
             order=fill.pid_order)
TIMER_KIND = Column("timer-kind", "Timer kind", times.timer_kind, varied=False)
TIMER_MS = Column("timer-ms", "Timer ms", times.timer_ms, right=True)
AGE_MS = Column("age-ms", "Age ms", times.age_min, right=True, needs="ages")
AGE_MAX_MS = Column("age-max-ms", "Age max ms", times.age_max, right=True,
                    needs="ages")
IDLE_MS = Column("idle-ms", "Idle ms", times.idle, right=True, needs="info")
RETRANS = Column("retrans", "Retrans", fill.column("retransmits"), right=True,
                 varied=False)
HOST = Column("host", "Host", fill.text("host"), varied=False)
NETNS = Column("netns", "Netns", fill.netns, varied=False)
CONTAINER = Column("container", "Container", fill.text("container"), varied=False,
                   needs="places")
POD = Column("pod", "Pod", fill.text("pod"), varied=False, needs="places")
UNIT = Column("unit", "Unit", fill.text("unit"), varied=False, needs="places")
# fmt: on

BASIC = (PROTOCOL, STATE, RECV_Q, SEND_Q, LOCAL, REMOTE)
EXTENDED = (USER, INODE, INTERFACE, COOKIE, MARK, CGROUP)
COLUMNS = {
    column.key: column
    for column in (
        *BASIC,
        TIMER,
        AGE,
        *EXTENDED,
        PROCESS,
        INFO,
        MEMORY,
        FAMILY,
        RAW_STATE,
        LOCAL_ADDRESS,
        LOCAL_PORT,
        REMOTE_ADDRESS,
        REMOTE_PORT,
        UID,
        PID,
        TIMER_KIND,
        TIMER_MS,
        RETRANS,
        AGE_MS,
        AGE_MAX_MS,
        IDLE_MS,
        HOST,
        NETNS,
        CONTAINER,
        POD,
        UNIT,
    )
}


# One field per column, for programs.
_MACHINE = (
    PROTOCOL,
    FAMILY,
    STATE,
    RAW_STATE,
    LOCAL_ADDRESS,
    LOCAL_PORT,
    REMOTE_ADDRESS,
    REMOTE_PORT,
    RECV_Q,
    SEND_Q,
    UID,
    USER,
    INODE,
)


def choose_columns(
    *,
    timers: bool,
    extended: bool,
    processes: bool,
    info: int,
    memory: bool,
    places: bool = False,
    hosts: bool = False,
    machine: bool = False,
) -> tuple[Column, ...]:
    """Select the columns that the options show; the basic ones are always included.

    `info` is how often -i was given: above 1, all of tcp_info is shown.
    `places`: several network namespaces are read; `hosts`: several hosts. `machine`:
    the columns of a format for programs, with one field each.
    """
    chosen = [HOST] if hosts else []
    chosen += _MACHINE if machine else BASIC
    if timers:
        chosen += (TIMER_KIND, TIMER_MS, RETRANS) if machine else (TIMER,)
    if timers or info:
        chosen += (AGE_MS, AGE_MAX_MS, IDLE_MS) if machine else (AGE,)
    if extended:
        chosen += [column for column in EXTENDED if column not in chosen]
    if places:
        chosen += (NETNS, CONTAINER, POD, UNIT) if machine and processes else (NETNS,)
    if processes:
        chosen += (PROCESS, PID) if machine else (PROCESS,)
    if info:
        chosen.append(INFO_IN_FULL if info > 1 else INFO)
    if memory:
        chosen.append(MEMORY)
    return tuple(chosen)


def find_column(name: str) -> Column:
    """Find a column by name; ColumnError suggests similar names.

    Underscores count as hyphens, and case is ignored.
    """
    key = name.strip().lower().replace("_", "-")
    found = COLUMNS.get(key)
    if found is None:
        near = nearest(key, COLUMNS)
        hint = did_you_mean(near, f"available columns: {' '.join(COLUMNS)}")
        raise ColumnError(f"unknown column {name!r}{hint}")
    return found


def find_columns(text: str) -> tuple[Column, ...]:
    """Parse a comma-separated list of columns; drop repeats."""
    return tuple(dict.fromkeys(find_column(name) for name in text.split(",")))


def change_columns(text: str, default: Iterable[Column]) -> tuple[Column, ...]:
    """Parse a list of columns, or apply +NAME and -NAME to the default columns."""
    parts = text.split(",")
    changes = [part for part in parts if part[:1] in ("+", "-")]
    if not changes:
        return find_columns(text)
    if len(changes) < len(parts):
        raise ColumnError(f"cannot combine column names with +NAME and -NAME: {text}")
    chosen = list(default)
    for change in changes:
        column = find_column(change[1:])
        if change[0] == "-":
            chosen = [other for other in chosen if other is not column]
        elif column not in chosen:
            chosen.append(column)
    if not chosen:
        raise ColumnError(f"no columns left: {text}")
    return tuple(chosen)
