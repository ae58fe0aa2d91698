"""The sequences on the page: one row for each step."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from tcpstates.lifecycle.acts import CLIENT, Scenario, StepResult
from tcpstates.lifecycle.machine import EVENTS
from tcpstates.lifecycle.scenarios import SCENARIOS
from tcpstates.lifecycle.walks import walk
from tcpstates.render.page.links import sequence_anchor, state_link
from tcpstates.render.sequence import describe_act
from tcpstates.states import TcpState


def render_sequences() -> Iterator[str]:
    """Yield every sequence, folded."""
    for name, scenario in SCENARIOS.items():
        yield f'<details id="{sequence_anchor(name)}"><summary>{name}: '
        yield f"{escape(scenario.title)}</summary>\n"
        yield from _steps(scenario)
        yield f"<p>{escape(scenario.moral)}</p></details>\n"


def _steps(scenario: Scenario) -> Iterator[str]:
    yield '<div class="wide"><table class="step"><thead>'
    yield "<tr><th>client<th><th>server</thead><tbody>\n"
    yield _row(scenario.start, "")
    for result in walk(scenario):
        yield _row((result.client, result.server), _happens(result))
    yield "</tbody></table></div>\n"


def _row(states: tuple[TcpState, TcpState], happens: str) -> str:
    client, server = states
    return (
        f'<tr data-client="{client}" data-server="{server}"><td>{state_link(client)}'
        f"<td>{happens}<td>{state_link(server)}\n"
    )


def _happens(result: StepResult) -> str:
    """Say what a party does or receives, and which segment leaves it."""
    act = result.act
    event = "" if act.event is None else EVENTS[act.event]
    what = describe_act(result) or event
    said = f'<span class="act">{act.party}: {escape(what)}'
    said += f" ({act.error})</span>" if act.error not in act.text else "</span>"
    if result.segment is None:
        return said
    segment = escape(f"{result.segment} {result.numbers}".strip())
    arrow = f"{segment} &#8594;" if act.party == CLIENT else f"&#8592; {segment}"
    return f"{said}<br>{arrow}"
