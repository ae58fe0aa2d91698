"""The options of a listing that is watched, or waited for."""

from __future__ import annotations

from tcpstates.cli.option_groups import LIVE, value
from tcpstates.cli.types import CONDITION, Seconds

LIVE_OPTIONS = (
    value(
        LIVE,
        "-w",
        "--watch",
        type=Seconds(0.1, 86_400),
        metavar="[SECONDS]",
        text="Look again every second, or every SECONDS; --jsonl prints events.",
    ),
    value(
        LIVE,
        "--until",
        type=CONDITION,
        multiple=True,
        text="Wait until CONDITION holds, such as 'close_wait<1'; exit 1 at --timeout.",
    ),
    value(
        LIVE,
        "--for",
        "hold",
        type=Seconds(0, 86_400),
        default=0,
        metavar="SECONDS",
        text="CONDITION must hold for this long.",
    ),
    value(
        LIVE,
        "--timeout",
        type=Seconds(0, 31_536_000),
        metavar="SECONDS",
        text="Wait no longer than this for CONDITION; without --until, for each answer"
        " from a --host (default: 10).",
    ),
)
