"""Render counts as JSON; the keys are a contract (schema 1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tcpstates.columns.tally import Tally
from tcpstates.model import Listing
from tcpstates.render.json_ import limitations, opening


def render_tally_json(
    listing: Listing,
    tally: Tally,
    most: int | None,
    more: Mapping[str, Any],
) -> str:
    """Render counts as a JSON object: `count` alone, or a list of groups.

    `more` holds further members: numbers, texts and None.
    """
    from json import dumps

    if not tally.columns:
        body = f'  "count": {tally.total},\n'
    else:
        groups = ",".join(f"\n    {row}" for row in tally_objects(tally, most))
        body = f'  "counts": [{groups}\n  ],\n  "count": {tally.total},\n'
    for key, value in more.items():
        body += f'  "{key}": {dumps(value)},\n'
    return f"{opening(listing)}{body}{limitations(listing)}}}\n"


def tally_objects(tally: Tally, most: int | None) -> Iterator[str]:
    """Yield one JSON object per group."""
    from json import dumps

    keys = [column.key.replace("-", "_") for column in tally.columns]
    for group, number in tally.groups(most)[0]:
        yield dumps(dict(zip((*keys, "count"), (*group, number), strict=True)))
