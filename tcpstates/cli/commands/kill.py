"""`tcpstates kill FILTER`: end sockets, carefully."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from typing import Any

import click

from tcpstates.cli.chosen import chosen_families, chosen_protocols
from tcpstates.cli.exit_codes import ExitCode
from tcpstates.cli.options import live_selection_options
from tcpstates.cli.output import Output, warn
from tcpstates.cli.source_options import live_origin
from tcpstates.cli.types import FILTER_ARGUMENT
from tcpstates.errors import SourceUnavailable, TcpstatesError
from tcpstates.filters.conditions import InStates
from tcpstates.filters.selection import Selection
from tcpstates.kill.destroy import Outcome
from tcpstates.kill.perform import Result, end_all, may_end_sockets, verify
from tcpstates.kill.select import Chosen, choose, half_closed, owners_at
from tcpstates.kill.session import own_session
from tcpstates.model import Names, Request
from tcpstates.origin import LiveHost
from tcpstates.pipeline import list_sockets, select
from tcpstates.render.ended_text import (
    render_other_ends,
    render_results,
    render_targets,
    result_objects,
    untouched,
)
from tcpstates.states import ALL_STATES
from tcpstates.wording import counted

_SWITCH = "TCPSTATES_READ_ONLY"
_LIMIT = 1000  # sockets, without --limit
_SHOWN = 20  # sockets, before the question


class CannotKill(TcpstatesError):
    """Nothing may be ended here."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("expression", nargs=-1, type=FILTER_ARGUMENT, metavar="FILTER...")
@live_selection_options
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show what would be ended.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=_LIMIT,
    metavar="N",
    help=f"Refuse if more sockets match; default: {_LIMIT}.",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="End at most so many sockets a second.",
)
@click.option("--listener", is_flag=True, help="End listening sockets, too.")
@click.option(
    "--all-of-state",
    is_flag=True,
    help="Accept a filter that only names states.",
)
@click.option("--jsonl", "as_jsonl", is_flag=True, help="Print one result a line.")
@click.option("-n", "--numeric", is_flag=True, help="Do not look up names.")
@click.pass_obj
def kill(output: Output, /, expression: tuple[str, ...], **values: Any) -> int:
    """End the sockets that a filter selects, without ending their programs.

    The sockets are shown, with what both sides will notice, and you are asked. Each is
    named to the kernel by its cookie, so nothing else is ended in its place, and looked
    for afterwards. Sockets of your own session and listeners are spared. This takes
    Linux, root or CAP_NET_ADMIN; TCPSTATES_READ_ONLY=1 in the environment forbids it.

    The exit code is 0 if all of them are gone, and 1 if not.

    \b
      tcpstates kill dst 203.0.113.9
      tcpstates kill state fin-wait-2 'idle > 1h' --dry-run
      tcpstates kill --netns web close-wait sport = :8080
    """  # noqa: D301  (click looks for the character)
    _check_allowed()
    if values["as_jsonl"] and not (values["yes"] or values["dry_run"]):
        raise click.UsageError(
            "--jsonl requires --yes, or --dry-run to show them first"
        )
    origin = live_origin(values["netns"], "netlink")
    request = Request(
        protocols=frozenset(chosen_protocols(values, ["tcp"])),
        families=frozenset(chosen_families(values)),
        states=ALL_STATES,
        processes=True,
    )
    selection = select(expression, origin, request)
    _check_filter(selection, all_of_state=values["all_of_state"])
    listing = list_sockets(request, origin, selection)
    chosen = choose(listing.batches, own_session(), listeners=values["listener"])
    for limitation in listing.limitations:
        warn(limitation.text)
    if not _is_acceptable(chosen, values["limit"], dry_run=values["dry_run"]):
        return ExitCode.DONE
    names = origin.names(numeric=values["numeric"])
    if not values["as_jsonl"]:
        most = None if values["dry_run"] else _SHOWN
        shown = _preview(chosen, origin, request, names, output.width, most)
        output.write(shown)
        output.flush()
    if values["dry_run"]:
        if values["as_jsonl"]:
            objects = result_objects(untouched(chosen), names)
            output.write(objects, encoding="utf-8")
        return ExitCode.DONE
    if not values["yes"] and not _agreed(len(chosen)):
        return ExitCode.FOUND
    results: list[Result] = []
    code = _end(chosen, origin, request, results, values["rate"])
    if values["as_jsonl"]:
        output.write(result_objects(results, names), encoding="utf-8")
    else:
        output.write(render_results(results, names))
    return code


def _is_acceptable(chosen: Chosen, limit: int, *, dry_run: bool) -> bool:
    """Say what is spared; False: nothing is left. UsageError for too many."""
    for reason, number in chosen.spared.items():
        warn(f"spared {counted(number, 'socket')}: {reason}")
    if not len(chosen):
        left = "is left to end" if chosen.spared else "matches: nothing to end"
        warn(f"no socket {left}")
        return False
    if len(chosen) > limit and not dry_run:
        raise click.UsageError(
            f"{counted(len(chosen), 'socket')} match, more than {limit:,};"
            f" use --limit {len(chosen)} if you mean all of them"
        )
    return True


def _end(
    chosen: Chosen,
    origin: LiveHost,
    request: Request,
    results: list[Result],
    rate: float | None,
) -> ExitCode:
    """End the sockets, and look again; `results` is complete even if interrupted."""
    code = ExitCode.DONE
    try:
        end_all(chosen, origin.connect, results, rate=rate)
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    try:
        verify(results, origin, request)
    except SourceUnavailable as error:
        warn(f"could not look whether they are gone: {error.reason}")
    gone = (Outcome.ENDED, Outcome.GONE)
    if code is ExitCode.DONE and any(
        o not in gone for r in results for o in r.outcomes
    ):
        code = ExitCode.FOUND
    return code


def _check_allowed() -> None:
    """Raise CannotKill before anything is read or shown."""
    if os.environ.get(_SWITCH, "") not in ("", "0"):
        raise CannotKill(f"ending sockets is switched off here by {_SWITCH}")
    if platform.system() != "Linux":
        raise CannotKill(
            "only Linux can end a socket from outside; end its program instead, or, on"
            " FreeBSD, use tcpdrop"
        )
    if not may_end_sockets():
        raise CannotKill("ending sockets takes root or CAP_NET_ADMIN: use sudo")


def _check_filter(selection: Selection | None, *, all_of_state: bool) -> None:
    if selection is None:
        raise click.UsageError(
            "a filter is required: tcpstates kill dst 203.0.113.9 'idle > 1h'"
        )
    if selection.has_only(InStates) and not all_of_state:
        raise click.UsageError(
            f"'{selection}' names only states; add another condition, such as"
            " dport = :443, or --all-of-state"
        )


def _preview(
    chosen: Chosen,
    origin: LiveHost,
    request: Request,
    names: Names,
    width: int,
    most: int | None,
) -> Iterator[str]:
    """Yield the sockets, what will be noticed, and who is at the other ends."""
    yield from render_targets(chosen, names, width, most=most)
    if places := half_closed(chosen):
        ends = owners_at(places, list_sockets(request, origin).batches)
        yield from render_other_ends(ends, width)


def _agreed(number: int) -> bool:
    """Ask; without a terminal that could answer, refuse."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError("no terminal to ask on; use --yes, or --dry-run")
    from tcpstates.cli.ask import read_answer

    answer = read_answer(f"\nEnd {counted(number, 'socket')}? [y/N] ")
    if answer in ("y", "yes"):
        return True
    warn("nothing was ended")
    return False
