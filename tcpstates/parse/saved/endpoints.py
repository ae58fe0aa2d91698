"""Addresses and ports as tools print them: `1.2.3.4:80`, `[::1]:80`, `*.80`, `:::ssh`.

The last colon or dot is before the port. A host's name is kept as it is; a service's
name becomes its number where there is such a service, and is kept, too, where not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from tcpstates.parse.saved.rows import MalformedLine

_WILDCARD = {"ipv4": "0.0.0.0", "ipv6": "::"}  # noqa: S104  (compared, not bound)
_ANY = ("*", "")
_SERVICE = re.compile(r"[A-Za-z0-9][\w.+-]*")
_HOST = re.compile(r"[\w.:%*-]*")  # also of an address that was cut off
_MOST = 20_000  # remembered


class Address(NamedTuple):
    """One address."""

    family: str | None  # None: a name, or a wildcard of either
    text: str
    scope: str | None  # of a link-local address: an interface's name or number
    is_whole: bool  # False: no address; a name, or cut off


Endpoint = tuple[Address, "int | str"]  # a port; text is a service unknown here


Places = tuple[str, "int | None", str, "int | None"]
# Both endpoints as `Row` has them: the family, the places, further columns. No named
# tuple, because a million of them cost 0.3 s.
Ends = tuple[str, Places, dict[str, Any]]


class Endpoints:
    """Reads endpoints, and remembers addresses; a file has few of them often."""

    def __init__(self, service: Callable[[str], int | None]) -> None:
        self._service = service
        # The number of the current line. Layouts that keep a row until a later line
        # note it in the row; it is here because every layout has these.
        self.line = 0
        self._addresses: dict[str, Address] = {}
        self._ports: dict[str, int | str] = {}

    def ends(
        self, here: str, there: str, family: str | None = None, stars: str = "ipv4"
    ) -> Ends:
        """Return what two texts of `address:port` say; `stars`: see `joined`."""
        return joined(self.with_colon(here), self.with_colon(there), family, stars)

    def split(self, text: str) -> Endpoint:
        """Return address and port, whether a colon or a dot is between them."""
        place = max(text.rfind(":"), text.rfind("."))
        if place < 0:
            raise MalformedLine(text)
        return self.address(text[:place]), self.port(text[place + 1 :])

    def with_colon(self, text: str) -> Endpoint:
        """Return the same of `address:port` only."""
        before, colon, port = text.rpartition(":")
        if not colon:
            raise MalformedLine(text)
        return self.address(before), self.port(port)

    def address(self, text: str) -> Address:
        """Return what an address's text says."""
        found = self._addresses.get(text)
        if found is None:
            if len(self._addresses) >= _MOST:
                self._addresses.clear()
            found = self._addresses[text] = _read_address(text)
        return found

    def port(self, text: str) -> int | str:
        """Return a port, 0 for the wildcard; a name that is no service here is kept."""
        found = self._ports.get(text)
        if found is None:
            if len(self._ports) >= 65536:
                self._ports.clear()
            found = self._ports[text] = self._read_port(text)
        return found

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
            raise MalformedLine(text)  # cut in two
        bare = bare[1:]
    elif after:
        raise MalformedLine(text)
    bare, _, scope = bare.partition("%")
    bare = bare.removesuffix("\N{HORIZONTAL ELLIPSIS}")  # PowerShell's, of a cut one
    if not _HOST.fullmatch(bare):
        raise MalformedLine(text)
    scope = scope or after.removeprefix("%")
    if bare in _ANY:
        return Address(None, "*", scope or None, is_whole=True)
    number = AF_INET6 if ":" in bare else AF_INET
    try:
        packed = inet_pton(number, bare)
    except (OSError, ValueError):
        family = "ipv6" if ":" in bare else None
        return Address(family, bare, scope or None, is_whole=False)
    family = "ipv6" if len(packed) == 16 else "ipv4"
    return Address(family, inet_ntop(number, packed), scope or None, is_whole=True)


def joined(
    local: Endpoint, remote: Endpoint, family: str | None = None, stars: str = "ipv4"
) -> Ends:
    """Return both endpoints of a socket, with wildcards spelled out.

    `family`: None is the one of the addresses, and `stars` that of two wildcards.
    """
    near, far = local[0], remote[0]
    if family is None:
        family = near.family or far.family
    if family is None:
        family = stars if near.text == far.text == "*" else "ipv4"
    more: dict[str, Any] = {}
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
        (_spelled_out(near, family), own, _spelled_out(far, family), port),
        more,
    )


def _spelled_out(address: Address, family: str) -> str:
    if address.text == "*":
        return _WILDCARD[family]
    if family == "ipv6" and address.family == "ipv4":
        return f"::ffff:{address.text}"  # net-tools leaves that out
    return address.text
