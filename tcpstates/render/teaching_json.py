"""What `explain`, `sequence`, `diagram` and `states` print, as JSON (schema 1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tcpstates.lifecycle.acts import Observation, Scenario, StepResult
from tcpstates.lifecycle.explanations import MEANINGS
from tcpstates.lifecycle.machine import (
    FIGURE,
    SIDES,
    TRANSITIONS,
    as_object,
    ways_in,
    ways_out,
)
from tcpstates.lifecycle.rule_topics import ALL_TOPICS
from tcpstates.lifecycle.walks import walk
from tcpstates.render.explain import fill_in_settings
from tcpstates.render.json_ import SCHEMA
from tcpstates.render.sequence import Step
from tcpstates.settings import KernelSettings
from tcpstates.states import GROUPS, SYSTEMS, AnyState, TcpState, names_of

Counts = Mapping[str, int] | None  # sockets by state; None: they were not counted


def _document(members: dict[str, Any]) -> Iterator[str]:
    import json

    yield json.dumps({"schema": SCHEMA, **members}, indent=2) + "\n"


def _count(counts: Counts, state: TcpState) -> int | None:
    return None if counts is None else counts.get(str(state), 0)


def render_explanations_json(
    states: Sequence[TcpState],
    topics: Sequence[str],
    systems: Sequence[str],
    settings: KernelSettings,
    counts: Counts,
) -> Iterator[str]:
    """Yield the explanations of states and topics."""
    explained = [_explanation(state, systems, settings, counts) for state in states]
    members: dict[str, Any] = {"states": explained}
    if topics:
        members["topics"] = {name: asdict(ALL_TOPICS[name]) for name in topics}
    return _document(members)


def _explanation(
    state: TcpState, systems: Sequence[str], settings: KernelSettings, counts: Counts
) -> dict[str, Any]:
    meaning = MEANINGS[state]
    return {
        "state": str(state),
        "summary": meaning.summary,
        "text": meaning.text,
        "waits": meaning.waits,
        "side": SIDES[state],
        "in": [as_object(edge) for edge in ways_in(state, TRANSITIONS)],
        "out": [as_object(edge) for edge in ways_out(state, TRANSITIONS)],
        "lasts": fill_in_settings(meaning.lasts, settings),
        "trouble": fill_in_settings(meaning.trouble, settings),
        "remedy": fill_in_settings(meaning.remedy, settings),
        "see": list(meaning.see),
        "names": {key: names_of(state, key) for key in systems},
        "count": _count(counts, state),
    }


def render_machine_json(counts: Counts) -> Iterator[str]:
    """Yield the state machine with the number of sockets in each state."""
    return _document(
        {
            "states": {str(state): _count(counts, state) for state in TcpState},
            "transitions": [as_object(edge) for edge in FIGURE],
        }
    )


def render_names_json(states: Sequence[AnyState]) -> Iterator[str]:
    """Yield every system's names of states, and the groups."""
    named = [
        {
            "state": state.value,
            "is_rfc": isinstance(state, TcpState),
            "names": {system: names_of(state, system) for system in SYSTEMS},
        }
        for state in states
    ]
    groups = {name: sorted(map(str, group)) for name, group in GROUPS.items()}
    return _document({"states": named, "groups": groups})


def render_sequences_json(
    scenarios: Mapping[str, Scenario], steps: Iterable[Step] | None = None
) -> Iterator[str]:
    """Yield scenarios step by step; `steps` has what was observed live."""
    sequences = {}
    for name, scenario in scenarios.items():
        client, server = map(str, scenario.start)
        taken = steps or ((result, None) for result in walk(scenario))
        sequences[name] = {
            "title": scenario.title,
            "start": {"client": client, "server": server},
            "steps": [_step(result, seen) for result, seen in taken if result],
            "moral": scenario.moral,
        }
    return _document({"sequences": sequences})


def _step(result: StepResult, seen: Observation | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "party": result.act.party,
        "event": None if result.act.event is None else str(result.act.event),
        "sends": result.segment,
        "numbers": result.numbers or None,
        "client": str(result.client),
        "server": str(result.server),
    }
    if seen is not None:
        states = {"client": seen.client, "server": seen.server}
        found["kernel"] = {
            party: state and str(state) for party, state in states.items()
        }
    return found
