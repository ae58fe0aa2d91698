"""Inspect the sockets of this machine and their states, named as in RFC 9293.

The API (`snapshot`, `count_by`, `examine` and their records) is loaded on first use, so
that the command line starts without it.
"""

import sys
from typing import TYPE_CHECKING, Any

if sys.version_info < (3, 10):  # noqa: UP036  (for whoever runs the source)
    _TEXT = "tcpstates: this needs Python 3.10 or newer, not " + sys.version.split()[0]
    if sys.argv[:1] == ["-m"]:  # python -m tcpstates
        sys.exit(_TEXT)
    raise ImportError(_TEXT)

from tcpstates.errors import (
    ArgumentError,
    ColumnError,
    FilterSyntaxError,
    SourceUnavailable,
    TcpstatesError,
)
from tcpstates.states import TcpState

if TYPE_CHECKING:
    from tcpstates.api import (
        Counts,
        Diff,
        Snapshot,
        Socket,
        Timer,
        count_by,
        saved,
        snapshot,
    )
    from tcpstates.doctor.examine import (
        Diagnosis,
        Finding,
        NotExamined,
        Peer,
        Process,
        Severity,
        Thresholds,
        Trend,
        examine,
    )
    from tcpstates.model import Limitation, Owner
    from tcpstates.origin import LiveHost, Origin
    from tcpstates.saved_listing import SavedListing
    from tcpstates.streams import Event, events

__all__ = [
    "ArgumentError",
    "ColumnError",
    "Counts",
    "Diagnosis",
    "Diff",
    "Event",
    "FilterSyntaxError",
    "Finding",
    "Limitation",
    "LiveHost",
    "NotExamined",
    "Origin",
    "Owner",
    "Peer",
    "Process",
    "SavedListing",
    "Severity",
    "Snapshot",
    "Socket",
    "SourceUnavailable",
    "TcpState",
    "TcpstatesError",
    "Thresholds",
    "Timer",
    "Trend",
    "__version__",
    "count_by",
    "events",
    "examine",
    "saved",
    "snapshot",
]

__version__ = "0.1.0"

_OF_THE_DOCTOR = frozenset(
    [
        "Diagnosis",
        "Finding",
        "NotExamined",
        "Peer",
        "Process",
        "Severity",
        "Thresholds",
        "Trend",
        "examine",
    ]
)
_OF_STREAMS = frozenset({"Event", "events"})
_OF_ORIGINS = frozenset({"LiveHost", "Origin"})


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module: Any
    if name in _OF_THE_DOCTOR:
        from tcpstates.doctor import examine as module
    elif name in _OF_ORIGINS:
        from tcpstates import origin as module
    elif name == "SavedListing":
        from tcpstates import saved_listing as module
    elif name in _OF_STREAMS:
        from tcpstates import streams as module
    else:
        from tcpstates import api as module
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
