"""Cells of saved listings, where they differ from live ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tcpstates.batch import Batch
from tcpstates.fields import ADDRESS, Side
from tcpstates.model import Names
from tcpstates.text import sanitise


def reported_users(batch: Batch, names: Names) -> Sequence[str | None] | None:
    """The user names that came with the sockets; None: there are none to be shown.

    Other hosts send them for filters, so they are there although -n wants numbers.
    """
    is_unwanted = names.numeric and batch.get("host") is not None
    return None if is_unwanted else batch.get("user_name")


def saved_addresses(batch: Batch, values: Sequence[str], side: Side) -> list[str]:
    """Format addresses of a saved listing: with scopes, and dots where one was cut.

    `values` are the escaped addresses of the batch.
    """
    shown = []
    columns = (values, batch.column("interface_name"), batch.column("truncated"))
    for address, scope, cut in zip(*columns, strict=True):
        text = address
        if scope and address.startswith("fe80:"):
            text += f"%{sanitise(scope)}"
        if ADDRESS[side] in (cut or ()):
            text += "..."
        shown.append(f"[{text}]" if ":" in address else text)
    return shown


def saved_ports(ports: Sequence[Any], services: Sequence[str | None]) -> list[Any]:
    """Format ports; if a listing has only a service unknown here, use its name."""
    return [
        port if service is None else sanitise(service)
        for port, service in zip(ports, services, strict=True)
    ]
