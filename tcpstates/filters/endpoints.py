"""Parse the endpoints of a filter: hosts, networks and ports."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tcpstates.fields import Side
from tcpstates.filters.conditions import (
    LAST_PORT,
    Device,
    FamilyCondition,
    Hosts,
    Ports,
    Prefix,
    Ranges,
)
from tcpstates.filters.syntax import AllOf, AnyOf, Expression
from tcpstates.filters.values import (
    RANGE,
    BadValue,
    Lookup,
    checked,
    compared,
    read_number,
)
from tcpstates.wording import did_you_mean, nearest

_LAST_INDEX = 0x7FFFFFFF  # an interface index is an int in the kernel
_ANY_HOST = ("*", "any", "all")


def read_ports(
    side: Side, operator: str, texts: Sequence[str], lookup: Lookup
) -> Expression:
    """Build a condition on ports: a comparison with one port, or a list."""
    family, texts = _split_family(texts)
    ranges = read_port_ranges(operator, texts, lookup)
    asked = Ports(side, ranges)
    return AllOf((FamilyCondition(family), asked)) if family else asked


def read_port_ranges(operator: str, texts: Sequence[str], lookup: Lookup) -> Ranges:
    """Parse ports and services into ranges of ports."""
    if operator == "in":
        return tuple(r for text in texts for r in _port_or_range(text, lookup))
    ports = _port_or_range(texts[0], lookup, ranges=False)
    if operator == "=":
        return ports
    if len(ports) > 1:
        raise BadValue(f"service '{texts[0]}' has several ports; compare with a number")
    ((low, high),) = ports
    if low != high:
        raise BadValue(f"expected one port to compare with, not '{texts[0]}'")
    return compared(operator, low, whole=True)


def _port_or_range(text: str, lookup: Lookup, *, ranges: bool = True) -> Ranges:
    found = RANGE.fullmatch(text)
    if found and ranges:
        return checked([(_port(found[1]), _port(found[2]))])
    name = text.removeprefix(":")
    if name == "*":
        return ((0, LAST_PORT),)
    if not name:
        raise BadValue("missing port; use * for any port")
    if name[:1].isdecimal() and not name.strip("0123456789abcdefABCDEFxX"):
        return ((_port(name), _port(name)),)
    ports = lookup.ports(name)
    if ports:
        return tuple((port, port) for port in sorted(ports))
    if found or "," in text:
        raise BadValue(f"a list or range of ports requires `in`: in {text}")
    near = did_you_mean(nearest(name, lookup.names("service")))
    raise BadValue(f"unknown port or service '{name}'{near}")


def _port(text: str) -> int:
    try:
        port = read_number(text)
    except BadValue as error:
        raise BadValue(f"invalid port '{text}'; ports are decimal numbers") from error
    if port > LAST_PORT:
        raise BadValue(f"port {text} is out of range; the highest is {LAST_PORT}")
    return port


def _split_family(texts: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """Split off ss's prefix `inet:` or `inet6:`, which names an address family."""
    for prefix, family in (("inet:", "ipv4"), ("inet6:", "ipv6")):
        if texts[0].lower().startswith(prefix):
            return family, (texts[0][len(prefix) :], *texts[1:])
    return None, texts


def read_endpoints(side: Side, texts: Sequence[str], lookup: Lookup) -> Expression:
    """Build a condition that matches any of several hosts or networks, with ports."""
    prefixes: list[Prefix] = []
    others: list[Expression] = []
    for text in texts:
        family, (rest,) = _split_family((text,))
        host, bits, port = _split_endpoint(rest)
        host, percent, interface = host.partition("%")
        networks = _networks(host, bits, lookup)
        if networks and port is None and family is None and not percent:
            prefixes += networks
            continue
        parts: list[Expression] = []
        if family:
            parts.append(FamilyCondition(family))
        if networks:
            parts.append(Hosts(side, networks))
        if percent:  # a link-local address with its zone, as printed in listings
            parts.append(Device(frozenset({read_interface(interface, lookup)})))
        if RANGE.fullmatch(port or ""):
            key = "sport" if side == "local" else "dport"
            raise BadValue(f"one port per address; for a range add {key} in {port}")
        ports = _port_or_range("*" if port is None else port, lookup, ranges=False)
        parts.append(Ports(side, ports))
        others.append(AllOf(tuple(parts)))
    if prefixes:
        others.append(Hosts(side, tuple(prefixes)))
    return AnyOf(tuple(others))


def read_interface(text: str, lookup: Lookup) -> int:
    """Return the index of an interface, given by name or by index."""
    index = lookup.interface(text)
    if index is None and lookup.compares_names:
        return -1  # the names in the file are compared instead
    if index is None:
        if not text.isdecimal():
            near = did_you_mean(nearest(text, lookup.names("interface")))
            raise BadValue(f"unknown interface '{text}'{near}")
        index = read_number(text)
        if index > _LAST_INDEX:
            raise BadValue(f"interface index {text} is out of range")
    return index


def _split_endpoint(text: str) -> tuple[str, str | None, str | None]:
    """Split into host, prefix length and port; None for a part that is absent."""
    if text.startswith("["):
        host, closing, rest = text[1:].partition("]")
        if not closing:
            raise BadValue("unclosed bracket; write [address]:port")
        host, _, inner = host.partition("/")
        if inner:
            rest = f"/{inner}{rest}"
    elif "/" in text:
        host, slash, rest = text.partition("/")
        rest = slash + rest
    elif text.count(":") > 1:
        return _bare_ipv6(text), None, None
    else:
        host, colon, rest = text.partition(":")
        rest = colon + rest
    bits, colon, port = rest.partition(":")
    if bits and not bits.startswith("/"):
        raise BadValue(f"unexpected '{bits}' after address; expected /bits or :port")
    if not host and colon and not bits and not text.startswith("["):
        host = "*"  # as in ss, :443 means any host
    return host, bits[1:] if bits else None, port if colon else None


def _bare_ipv6(text: str) -> str:
    """Accept an IPv6 address without brackets, unless its end could be a port.

    ss takes the part after the last colon as a port, and then rejects the rest.
    """
    host, _, port = text.rpartition(":")
    if _packed(host) and port.isdecimal():
        raise BadValue(f"ambiguous address; write [{host}]:{port} or [{text}]")
    return text


def _networks(host: str, bits: str | None, lookup: Lookup) -> tuple[Prefix, ...]:
    """Resolve a host to networks; an empty result means any host."""
    if bits is not None and host.replace(".", "").isdecimal():
        host += ".0" * (3 - host.count("."))  # 10/8
    packed = _packed(host)
    if packed:
        return (Prefix(packed, _bits(bits, 8 * len(packed))),)
    if bits is not None:
        raise BadValue(
            f"invalid network '{host}'; write it like 10.0.0.0/8 or 2001:db8::/32"
        )
    if host.lower() in _ANY_HOST:
        return ()
    if host.isdecimal():
        raise BadValue(f"'{host}' is not an address; for a port, write :{host}")
    if not host:
        raise BadValue("missing host; use * for any host")
    # A name whose last label is numeric is a malformed address (RFC 1123, 2.1).
    is_name = re.fullmatch(r"[A-Za-z0-9_.-]+", host)
    if not is_name or host.rpartition(".")[2].isdecimal():
        is_short = re.fullmatch(r"\d+(\.\d+){1,2}", host)
        full = "write all four numbers, or a network as 10.0.0.0/8"
        hint = f"; {full}" if is_short else ""
        raise BadValue(f"invalid address '{host}'{hint}")
    found = [_packed(address) for address in lookup.addresses(host)]
    if not found:
        raise BadValue(f"cannot resolve host '{host}'")
    return tuple(Prefix(address, 8 * len(address)) for address in found if address)


def _packed(text: str) -> bytes | None:
    """Return the bytes of an address; None if the text is not one."""
    from socket import AF_INET, AF_INET6, inet_pton

    try:
        return inet_pton(AF_INET6 if ":" in text else AF_INET, text)
    except (OSError, ValueError):
        return None


def _bits(text: str | None, most: int) -> int:
    """Parse the length of a prefix, given as a number or as an IPv4 netmask."""
    if text is None:
        return most
    mask = _packed(text) if most == 32 else None
    if mask:
        ones = f"{int.from_bytes(mask, 'big'):032b}".rstrip("0")
        if "0" in ones:
            raise BadValue(f"netmask /{text} is not contiguous")
        return len(ones)
    if not re.fullmatch("[0-9]{1,3}", text) or int(text) > most:
        raise BadValue(f"invalid prefix length '/{text}'; expected /0 to /{most}")
    return int(text)
