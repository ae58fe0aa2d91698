"""Read the commands that a text contains above their output.

They reveal what the rows do not show: `ss -uanp` prints no protocol, and `ss state
syn-recv` no state.
"""

from __future__ import annotations

from typing import NamedTuple

from tcpstates.late_pattern import late

_TOOLS = ("ss", "netstat", "lsof", "Get-Net")
# PowerShell names the protocol in its commands only, and users choose the columns.
_CMDLETS = {"Get-NetTCPConnection": "tcp", "Get-NetUDPEndpoint": "udp"}
_CMDLET = late(r"(?:^|[>|(;{=]\s*)(Get-Net(?:TCPConnection|UDPEndpoint))\b")
# After a prompt, after "Every 2.0s:" of watch, or alone on a line.
_COMMAND = late(
    r"(?:^|[$#>%;]\s*|\bdo\s+|&&\s*|^Every [\d.,]+s:\s*)(?:sudo\s+(?:-\S+\s+)*)?"
    r"(?:watch\s+(?:-\S+\s+|\d+\s+)*['\"]?)?(?:[\w./-]*/)?(ss|netstat|lsof)(?:\.exe)?(?![\w.-])((?:\s+[^|;&<>'\"]+)?)"
)
_FLAGS = late(r"(?<!\S)-([A-Za-z46]+)")
_STATE = late(r"(?:^|\s)state\s+([A-Za-z][\w-]+)")


class Command(NamedTuple):
    """A command of one of the tools whose output is read."""

    tool: str
    arguments: str

    @property
    def is_cmdlet(self) -> bool:
        """Whether it is a command of PowerShell."""
        return self.tool in _CMDLETS

    @property
    def protocol(self) -> str | None:
        """The only protocol that it lists; None: several, or not known."""
        if self.tool in _CMDLETS:
            return _CMDLETS[self.tool]
        letters = "".join(_FLAGS.findall(self.arguments))
        words = set(self.arguments.split())
        has_tcp = "t" in letters or "--tcp" in words
        has_udp = "u" in letters or "--udp" in words
        if has_tcp == has_udp:
            return None
        return "tcp" if has_tcp else "udp"

    @property
    def family(self) -> str | None:
        """The only family that it lists; None: both, or not known."""
        letters = "".join(_FLAGS.findall(self.arguments))
        if ("4" in letters) == ("6" in letters):
            return None
        return "ipv4" if "4" in letters else "ipv6"

    @property
    def state(self) -> str | None:
        """The only state that it lists, as ss prints it; None: not known."""
        found = _STATE.findall(self.arguments)
        name = found[0].upper() if len(found) == 1 else None
        return _PRINTED.get(name, name) if name else None


_PRINTED = {"ESTABLISHED": "ESTAB", "LISTENING": "LISTEN", "CLOSED": "UNCONN"}


def read_command(line: str) -> Command | None:
    """Return the command in a line; None if there is none."""
    if not any(tool in line for tool in _TOOLS):
        return None
    cmdlets = _CMDLET.findall(line[:400])
    if len(set(cmdlets)) == 1:
        return Command(cmdlets[0], "")
    found = _COMMAND.search(line.strip()[:400])
    if found is None:
        return None
    rest = found[2].strip()
    if rest and not rest.startswith(
        ("-", "state ", "sport", "dport", "src", "dst", "(")
    ):
        return None  # a sentence
    return Command(found[1], rest)
