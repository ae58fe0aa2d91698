"""`-w`: show a listing or counts again and again, until it is interrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import click

from tcpstates.changes.follow import Follower
from tcpstates.changes.look import Look
from tcpstates.cli.answer import Answer
from tcpstates.cli.list_command import load_shown, make_request, understood
from tcpstates.cli.options import Options
from tcpstates.cli.output import Output, warn
from tcpstates.cli.source_options import chosen_origin
from tcpstates.cli.watch.rounds import collect_garbage, rounds
from tcpstates.errors import FilterSyntaxError, SourceUnavailable
from tcpstates.model import FEW_EXAMINED, HOST_FAILED, HOST_LEFT_OUT, Listing
from tcpstates.states import names_in_tool
from tcpstates.wording import counted

if TYPE_CHECKING:
    from tcpstates.collect.names import HostNames
    from tcpstates.origin import Origin

RoundTexts = Callable[[Look, int], Iterable[str]]  # of a look, after skipped rounds
# What changes while it is read changes all the time.
_EACH_TIME = (FEW_EXAMINED, "changed-while-read", "limited")


def watch(options: Options, output: Output) -> int:
    """Print a block, events or a screen for each round; it ends by an interrupt."""
    _check(options)
    collect_garbage()
    origin = chosen_origin(options._asdict())
    follower, options = _follower(options, output, origin)
    names = origin.names(
        numeric=options.numeric, state_names=names_in_tool(options.state_names)
    )
    watched = _Watched(options, output, origin, names, follower)
    try:
        if options.format == "jsonl" and not options.is_counted:
            watched.run(watched.events)
        elif output.is_terminal and options.format in ("auto", "table"):
            from tcpstates.cli.watch.screen import Screens

            watched.run(Screens(options, output, names).texts)
        else:
            watched.run(watched.block)
    finally:
        follower.close()
    return 0


def _check(options: Options) -> None:
    """Raise UsageError for options that make no sense again and again."""
    if options.files:
        raise click.UsageError("--watch requires live sockets; remove --from")
    for given, name, instead in (
        (options.output, "--output", "use > FILE"),
        (options.like, "--like", f"use watch -n 1 {options.like}"),
        (options.format == "openmetrics" or None, "--openmetrics", "use cron"),
    ):
        if given is not None:
            raise click.UsageError(f"--watch and {name} cannot be combined: {instead}")


def _follower(
    options: Options, output: Output, origin: Origin
) -> tuple[Follower, Options]:
    """Begin to follow; a filter of plain words is understood as in a listing."""
    is_screen = output.is_terminal and options.format in ("auto", "table")
    hears = not options.is_counted and (is_screen or options.format == "jsonl")
    needs = load_shown(options).needs
    request = make_request(options, needs)
    try:
        return Follower(request, origin, options.expression, hears_ends=hears), options
    except FilterSyntaxError:
        found = understood(options, origin)
        if found is None:
            raise
    request = make_request(found, load_shown(found).needs)
    return Follower(request, origin, found.expression, hears_ends=hears), found


class _Watched:
    """What every round of a watched listing shares."""

    def __init__(
        self,
        options: Options,
        output: Output,
        origin: Origin,
        names: HostNames,
        follower: Follower,
    ) -> None:
        self._options = options
        self._output = output
        self._origin = origin
        self._names = names
        self._follower = follower
        self._warned: set[str] = set()
        self._is_first = True

    def run(self, texts: RoundTexts) -> None:
        """Look and print, round after round."""
        interval = self._options.watch or 1.0
        # Programs read the same bytes in every locale.
        encoding = "utf-8" if self._options.is_for_programs else None
        for skipped in rounds(interval):
            try:
                look = self._follower.look()
            except SourceUnavailable as error:
                # Other hosts may come back; until then there is nothing to show.
                if self._is_first or self._origin.is_here:
                    raise
                warn(*error.lines())
                continue
            self._output.write(texts(look, skipped), encoding=encoding)
            self._output.flush()
            for limitation in look.listing.limitations:
                is_new = limitation.text not in self._warned
                is_new |= limitation.kind in (HOST_FAILED, HOST_LEFT_OUT)
                if limitation.kind not in _EACH_TIME and is_new:
                    self._warned.add(limitation.text)
                    warn(limitation.text)
            self._is_first = False

    def events(self, look: Look, skipped: int) -> Iterator[str]:
        """Yield the events of a round as JSON."""
        from tcpstates.render.events import (
            event_objects,
            event_rows,
            skipped_object,
            start_object,
        )

        options = self._options
        if self._is_first:
            yield start_object(
                look.time,
                source=look.listing.source,
                reader=self._follower.reader,
                interval=options.watch or 1.0,
                filter_text=look.listing.filter,
                boot_id=look.listing.boot_id,
            )
        if skipped:
            yield skipped_object(look.time, skipped)
        make = event_rows(
            self._names,
            times=options.timers or bool(options.info),
            info=bool(options.info),
            memory=options.memory,
            places=bool(options.netns),
            hosts=options.is_remote,
        )
        for happened in look.happened:
            yield from event_objects(happened, make)

    def block(self, look: Look, skipped: int) -> Iterator[str]:
        """Yield a listing or counts, as without -w, below a line with the time."""
        options = self._options
        shown = load_shown(options)
        listing = Listing(
            look.listing.source,
            look.time,
            iter(look.batches),
            look.listing.limitations,
            look.listing.filter,
            look.listing.request,
            self._origin.boot_id,
        )
        is_one_number = options.count_only and options.by is None
        is_block = not (options.is_for_programs or is_one_number)
        if is_block:
            yield _heading(look, skipped)
        answer = Answer(listing, self._origin, self._names, look.selection)
        texts: Iterable[str] = shown.texts(answer, self._output)
        if options.format == "jsonl":  # of counts: each group says when
            from tcpstates.render.json_ import iso

            texts = (f'{{"time": "{iso(look.time)}", {text[1:]}' for text in texts)
        yield from texts
        if is_block:
            yield "\n"


def _heading(look: Look, skipped: int) -> str:
    """Say when a round was, and whether some were skipped."""
    at = datetime.fromtimestamp(look.time, timezone.utc)
    text = f"# {at:%Y-%m-%dT%H:%M:%SZ}"
    if skipped:
        text += f", {counted(skipped, 'round')} skipped"
    return f"{text}\n"
