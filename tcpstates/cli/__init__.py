"""The command line: the only package that uses click, and that writes output."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _LateInspect(ModuleType):
    """What click imports as `inspect`; the module is loaded when click uses it.

    click uses it to tidy help texts, and most commands show none. To load `inspect`
    also loads ast, dis and tokenize: 5 of the 53 ms that `tcpstates -ltn` took.
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
        import click as click  # while the stand-in is in its place
    finally:
        _remove(_late)
