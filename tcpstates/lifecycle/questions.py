"""Questions about states, made from the state machine, so that no answer is wrong."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tcpstates.lifecycle.acts import CLIENT
from tcpstates.lifecycle.explanations import MEANINGS
from tcpstates.lifecycle.machine import (
    CALLS,
    EVENTS,
    FIGURE,
    SIDES,
    Event,
    Transition,
)
from tcpstates.lifecycle.scenarios import SCENARIOS
from tcpstates.lifecycle.walks import walk
from tcpstates.states import TcpState

_CHOICES = 4


class Question(NamedTuple):
    """A question, its possible answers, and why the right one is right."""

    text: str
    choices: tuple[str, ...]
    right: int  # the index of the right one
    why: str
    see: str  # a command


def questions(seed: int) -> Iterator[Question]:
    """Yield questions without an end; the same ones for the same seed."""
    dice = random.Random(seed)  # noqa: S311
    kinds: tuple[Callable[[random.Random], Question], ...] = (
        _next_state,
        _state_in_sequence,
        _state_of_summary,
        _who,
    )
    asked: list[str] = []
    while True:
        question = dice.choice(kinds)(dice)
        if question.text not in asked[-20:]:
            asked.append(question.text)
            yield question


def _next_state(dice: random.Random) -> Question:
    """Ask where an edge of the figure leads."""
    # A listener stays in LISTEN when a SYN arrives: the new socket is SYN_RECEIVED.
    edges = [e for e in FIGURE if e.event is not Event.SEND]
    edge = dice.choice([e for e in edges if e[:2] != (TcpState.LISTEN, Event.SYN)])
    others = [e.target for e in FIGURE if e.source is not edge.source]
    sent = f" It sends {edge.sends}." if edge.sends else ""
    return _question(
        dice,
        f"A socket is in {edge.source}. {_event(edge)} Which state is next?",
        edge.target,
        others,
        f"From {edge.source} it goes to {edge.target}.{sent}",
    )


def _event(edge: Transition) -> str:
    """Say what happens, as a sentence."""
    if edge.event in CALLS:
        return f"Its program calls {CALLS[edge.event]}."
    if edge.event is Event.TWO_MSL:
        return "Two maximum segment lifetimes have passed."
    text = EVENTS[edge.event]
    if edge.source is TcpState.FIN_WAIT_1 and edge.event is Event.FIN:
        text += ", which does not acknowledge its own FIN"
    return f"{text[0].upper()}{text[1:]}."


def _state_in_sequence(dice: random.Random) -> Question:
    """Ask for the state of one side in the middle of a sequence."""
    name = dice.choice(list(SCENARIOS))
    moments = list(walk(SCENARIOS[name]))
    place = dice.randrange(1, len(moments))
    moment = moments[place]
    party = dice.choice(("client", "server"))
    state = moment.client if party == CLIENT else moment.server
    last = f"the {moment.act.party} "
    if moment.act.event is None:
        last += f"does this: {moment.act.text or moment.segment}"
    elif moment.act.event in CALLS:
        last += f"calls {CALLS[moment.act.event]}"
    else:
        last += f"sees this: {EVENTS[moment.act.event]}"
    title = SCENARIOS[name].title
    return _question(
        dice,
        f"{title}. Now {last}. In which state is the {party} then?",
        state,
        list(TcpState),
        f"The sequence {name} shows it.",
        see=f"tcpstates sequence {name}",
    )


def _state_of_summary(dice: random.Random) -> Question:
    """Ask which state an explanation belongs to."""
    state = dice.choice(list(TcpState))
    summary = MEANINGS[state].summary
    return _question(
        dice,
        f'Which state does this describe? "{summary}"',
        state,
        list(TcpState),
        f"{state}: {summary}.",
    )


def _who(dice: random.Random) -> Question:
    """Ask which side can be in a state; states with the same answer are left out."""
    state = dice.choice([TcpState.CLOSE_WAIT, TcpState.LISTEN, TcpState.SYN_SENT])
    others = [s for s in TcpState if SIDES[s] != SIDES[state]]
    right = SIDES[state]
    wrong = list(dict.fromkeys(SIDES[s] for s in others))
    choices = dice.sample([w for w in wrong if w != right], _CHOICES - 1)
    return _mixed(
        dice,
        f"Which side can be in {state}?",
        right,
        choices,
        f"{state}: {right}.",
        f"tcpstates explain {state.lower()}",
    )


def _question(
    dice: random.Random,
    text: str,
    right: TcpState,
    others: list[TcpState],
    why: str,
    see: str = "",
) -> Question:
    """Make a question whose answers are states."""
    wrong = list(dict.fromkeys(str(s) for s in others if s is not right))
    chosen = dice.sample(sorted(wrong), _CHOICES - 1)
    see = see or f"tcpstates explain {right.lower()}"
    return _mixed(dice, text, str(right), chosen, why, see)


def _mixed(
    dice: random.Random, text: str, right: str, wrong: list[str], why: str, see: str
) -> Question:
    choices = [right, *wrong]
    dice.shuffle(choices)
    return Question(text, tuple(choices), choices.index(right), why, see)
