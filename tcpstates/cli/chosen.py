"""The protocols and families that options choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tcpstates.model import FAMILIES
from tcpstates.protocols import PROTOCOLS


def chosen_protocols(values: Mapping[str, Any], default: Sequence[str]) -> set[str]:
    """Pick the protocols that -t and -u name, or the default."""
    return {name for name in PROTOCOLS if values[name]} or set(default)


def chosen_families(values: Mapping[str, Any]) -> set[str]:
    """Pick the families that -4 and -6 name, or both."""
    return {name for name in FAMILIES if values[name]} or set(FAMILIES)
