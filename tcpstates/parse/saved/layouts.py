"""Every layout, in the order in which headings and rows are tried."""

from __future__ import annotations

from tcpstates.parse.saved.json_text import OwnJson
from tcpstates.parse.saved.layout import Layout
from tcpstates.parse.saved.lsof import Lsof, LsofFields
from tcpstates.parse.saved.netstat import Netstat
from tcpstates.parse.saved.powershell import (
    PowershellCsv,
    PowershellList,
    PowershellTable,
)
from tcpstates.parse.saved.proc import ProcNet
from tcpstates.parse.saved.sockstat import Sockstat
from tcpstates.parse.saved.solaris import Solaris
from tcpstates.parse.saved.ss import Ss

LAYOUTS: tuple[type[Layout], ...] = (
    Ss,
    ProcNet,
    PowershellTable,
    PowershellList,
    PowershellCsv,
    Lsof,
    LsofFields,
    Sockstat,
    Solaris,
    Netstat,
    OwnJson,
)
# The values of --from-format.
FORMATS: tuple[str, ...] = tuple(
    dict.fromkeys(name for layout in LAYOUTS for name in layout.formats)
)
