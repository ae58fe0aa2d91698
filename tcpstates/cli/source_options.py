"""Where sockets are read from: a source of this machine, or saved listings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from tcpstates.cli.option_groups import FORM, value
from tcpstates.cli.types import SOURCE
from tcpstates.origin import LiveHost, Origin, SavedListing

F = TypeVar("F", bound=Callable[..., Any])

# As `parse.saved.reader` has them, which is loaded late.
FROM_FORMATS = ("ss", "netstat", "proc", "lsof", "sockstat", "powershell", "json")
SOURCE_OPTION = value(
    FORM,
    "--source",
    type=SOURCE,
    default="auto",
    text="Where to read: auto, netlink, procfs, psutil or netstat.",
)
# Where a saved listing is read from, of every command that reads sockets.
SAVED = (
    value(
        FORM,
        "--from",
        "files",
        type=click.Path(),
        metavar="FILE",
        multiple=True,
        text="Read what another tool has printed; - is standard input.",
    ),
    value(
        FORM,
        "--from-format",
        type=click.Choice(FROM_FORMATS),
        text="How it was printed; else it is recognised.",
    ),
    value(
        FORM,
        "--byte-order",
        type=click.Choice(["little", "big"]),
        text="Of the machine of a saved /proc/net: little, if it is not named.",
    ),
    value(
        FORM,
        "--snapshot",
        type=click.IntRange(min=1),
        metavar="N",
        text="Of a file with several, the Nth only.",
    ),
)


def saved_options(function: F) -> F:
    """Add the options that name a saved listing."""
    for decorator in reversed(SAVED):
        function = decorator(function)
    return function


def chosen_origin(values: Mapping[str, Any]) -> Origin:
    """Turn --source or --from into an origin; UsageError for both."""
    files = values["files"]
    if not files:
        for name in ("from_format", "byte_order", "snapshot"):
            if values[name] is not None:
                option = name.replace("_", "-")
                raise click.UsageError(f"--{option} is of use with --from FILE only")
        return LiveHost(values.get("source", "auto"))
    if values.get("source", "auto") != "auto":
        raise click.UsageError("--source and --from exclude each other")
    from tcpstates.collect.saved import SavedFiles

    named = SavedFiles(
        tuple(files),
        values["from_format"],
        values["byte_order"] or "little",
        values["snapshot"],
    )
    return SavedListing(named)
