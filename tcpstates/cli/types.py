"""Kinds of values on the command line that click has not."""

from __future__ import annotations

from typing import Any

import click

from tcpstates.collect.choose import SOURCES


class SourceName(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """The name of a source, or auto."""

    name = "source"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return what --help shows for the value."""
        return "NAME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the name; fail with the nearest one when there is none such."""
        known = ["auto", *SOURCES]
        if value not in known:
            from difflib import get_close_matches

            near = get_close_matches(str(value).lower(), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"choose {', '.join(known)}"
            self.fail(f"no such source: {value!r}; {hint}", param, ctx)
        return str(value)


SOURCE = SourceName()
