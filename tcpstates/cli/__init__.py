"""The command line: the only package that uses click, and that writes output."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _LateInspect(ModuleType):
    """What click imports as `inspect`: loaded when click uses something of it.

    click tidies help texts with it, which most commands do not show. It needs ast, dis
    and tokenize: 5 ms of the 53 ms that `tcpstates -ltn` takes.
    """

    def __getattr__(self, name: str) -> Any:
        _remove(self)
        import inspect

        return getattr(inspect, name)


def _remove(module: ModuleType) -> None:
    """Let others import the module of this name itself."""
    if sys.modules.get(module.__name__) is module:
        del sys.modules[module.__name__]


if "inspect" not in sys.modules:
    _late = _LateInspect("inspect")
    sys.modules["inspect"] = _late
    try:
        import click as click
    finally:
        _remove(_late)
