"""Every layout, in the order in which headings and rows are tried."""

from __future__ import annotations

from tcpstates.parse.saved.cisco import CiscoAsa, CiscoBrief, CiscoNxos
from tcpstates.parse.saved.endpoints import Endpoints
from tcpstates.parse.saved.fstat import Fstat
from tcpstates.parse.saved.json_text import OwnJson
from tcpstates.parse.saved.layout import Layout
from tcpstates.parse.saved.listen_queues import ListenQueues
from tcpstates.parse.saved.lsfd import Lsfd
from tcpstates.parse.saved.lsof import Lsof, LsofFields
from tcpstates.parse.saved.netstat import Netstat
from tcpstates.parse.saved.nonstop import NonStop
from tcpstates.parse.saved.powershell import (
    PowershellCsv,
    PowershellList,
    PowershellTable,
)
from tcpstates.parse.saved.proc import ProcNet
from tcpstates.parse.saved.sockstat import Sockstat
from tcpstates.parse.saved.solaris import Solaris
from tcpstates.parse.saved.ss import Ss
from tcpstates.parse.saved.zos import Zos

LAYOUTS: tuple[type[Layout], ...] = (
    Ss,
    ProcNet,
    PowershellTable,
    PowershellList,
    PowershellCsv,
    Lsfd,
    Lsof,
    LsofFields,
    Sockstat,
    Fstat,
    Solaris,
    ListenQueues,
    Zos,
    NonStop,
    CiscoBrief,
    CiscoAsa,
    CiscoNxos,
    Netstat,
    OwnJson,
)
# The values of --from-format.
FORMATS: tuple[str, ...] = tuple(
    dict.fromkeys(name for layout in LAYOUTS for name in layout.formats)
)


def make_layouts(
    endpoints: Endpoints,
    format: str | None,  # noqa: A002
    byte_order: str,
    at: float | None,
) -> list[Layout]:
    """Make a parser for each layout of a format, or of all.

    `at`: of a recording, read events up to then, in seconds since the epoch.
    """
    made = [
        layout(endpoints, byte_order)
        for layout in LAYOUTS
        if format is None or format in layout.formats
    ]
    if at is not None:
        for layout in made:
            layout.until(at)
    return made
