"""Parse addresses and ports: `1.2.3.4:80`, `[::1]:80`, `*.80`, `:::ssh`.

The last colon or dot precedes the port. A host name is kept unchanged. A service name
becomes its port number if the service is known, and is kept unchanged otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tcpstates.late_pattern import late
from tcpstates.model import WILDCARD
from tcpstates.parse.saved.rows import MalformedLine, More
from tcpstates.text import Texts

_ANY = ("*", "")
_SERVICE = late(r"[A-Za-z0-9][\w.+-]*")
_HOST = late(r"[\w.:%*-]*")  # also matches a truncated address
_NUMERIC = late(r"\d+(?:\.\d+)*\.?")
_MOST = 20_000  # cached addresses


class Address(NamedTuple):
    """An address, or what a tool printed in its place."""

    family: str | None  # None: a host name, or the wildcard of either family
    text: str
    scope: str | None  # of a link-local address: the interface's name or index
    is_whole: bool  # False: a host name or a truncated address


Endpoint = tuple[Address, "int | str"]  # str: a service whose port is unknown here


EndpointPair = tuple[str, "int | None", str, "int | None"]
# Both endpoints in the form of `Row`: the family, addresses and ports, further columns.
# Not a named tuple, because a million of those cost 0.3 s.
Ends = tuple[str, EndpointPair, More]


class Endpoints:
    """Parses and caches endpoints: most lines of a file share few addresses."""

    def __init__(self, service: Callable[[str], int | None]) -> None:
        self._service = service
        # The number of the current line. A layout that holds a row back until a later
        # line stores it in the row. It is here because every layout has an `Endpoints`.
        self.line = 0
        self._addresses: dict[str, Address] = {}
        self._ports: Texts[int | str] = Texts(self._read_port, most=65536)

    def ends(
        self,
        here: str,
        there: str,
        family: str | None = None,
        wildcard_family: str = "ipv4",
    ) -> Ends:
        """Parse two texts `address:port`; for `wildcard_family`, see `joined`."""
        return joined(
            self.with_colon(here), self.with_colon(there), family, wildcard_family
        )

    def split(self, text: str) -> Endpoint:
        """Parse an address and port with a colon or a dot between them."""
        place = max(text.rfind(":"), text.rfind("."))
        if place < 0:
            raise MalformedLine(text)
        return self.address(text[:place]), self.port(text[place + 1 :])

    def with_colon(self, text: str) -> Endpoint:
        """Parse an address and port with a colon between them."""
        before, colon, port = text.rpartition(":")
        if not colon:
            raise MalformedLine(text)
        return self.address(before), self.port(port)

    def address(self, text: str) -> Address:
        """Parse an address or host name, using the cache."""
        found = self._addresses.get(text)
        if found is None:
            if len(self._addresses) >= _MOST:
                self._addresses.clear()
            found = self._addresses[text] = _read_address(text)
        return found

    def port(self, text: str) -> int | str:
        """Parse a port; 0 is the wildcard, and an unknown service stays text."""
        return self._ports[text]

    def _read_port(self, text: str) -> int | str:
        if text in ("*", "0"):
            return 0
        if text.isdecimal() and text.isascii():
            number = int(text) if len(text) <= 5 else 65536
            if number > 65535:
                raise MalformedLine(text)
            return number
        if not _SERVICE.fullmatch(text):
            raise MalformedLine(text)
        port = self._service(text)
        return text if port is None else port


def _read_address(text: str) -> Address:
    from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

    bare, _, after = text.partition("]")
    if text.startswith("["):
        if "]" not in text:
            raise MalformedLine(text)  # split over two lines
        bare = bare[1:]
    elif after:
        raise MalformedLine(text)
    bare, _, scope = bare.partition("%")
    bare = bare.removesuffix("\N{HORIZONTAL ELLIPSIS}")  # truncated by PowerShell
    if not _HOST.fullmatch(bare):
        raise MalformedLine(text)
    scope = scope or after.removeprefix("%")
    if bare in _ANY:
        return Address(None, "*", scope or None, is_whole=True)
    number = AF_INET6 if ":" in bare else AF_INET
    try:
        packed = inet_pton(number, bare)
    except (OSError, ValueError):
        if _NUMERIC.fullmatch(bare):
            raise MalformedLine(text) from None  # a part of an IPv4 address
        family = "ipv6" if ":" in bare else None
        return Address(family, bare, scope or None, is_whole=False)
    family = "ipv6" if len(packed) == 16 else "ipv4"
    return Address(family, inet_ntop(number, packed), scope or None, is_whole=True)


def joined(
    local: Endpoint,
    remote: Endpoint,
    family: str | None = None,
    wildcard_family: str = "ipv4",
) -> Ends:
    """Combine both endpoints of a socket, and spell wildcards out as addresses.

    If `family` is None, it is taken from the addresses; if both are wildcards, it is
    `wildcard_family`.
    """
    near, far = local[0], remote[0]
    if family is None:
        family = near.family or far.family
    if family is None:
        family = wildcard_family if near.text == far.text == "*" else "ipv4"
    more: More = {}
    scope = near.scope or far.scope
    if scope:
        more["interface_name"] = scope
    own: int | str | None = local[1]
    if isinstance(own, str):
        more["local_service"], own = own, None
    port: int | str | None = remote[1]
    if isinstance(port, str):
        more["remote_service"], port = port, None
    return (
        family,
        (spelled_out(near, family), own, spelled_out(far, family), port),
        more,
    )


def spelled_out(address: Address, family: str) -> str:
    """Write an address as in JSON; a wildcard as that of the family."""
    if address.text == "*":
        return WILDCARD[family]
    if family == "ipv6" and address.family == "ipv4":
        return f"::ffff:{address.text}"  # net-tools omits this prefix
    return address.text
