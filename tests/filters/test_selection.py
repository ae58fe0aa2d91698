"""The words after the options select states as ss does."""

from __future__ import annotations

import pytest

from tcpstates.errors import FilterSyntaxError
from tcpstates.filters.selection import Selection, parse_selection
from tcpstates.states import GROUPS, OtherState, TcpState

DEFAULT = Selection(frozenset({TcpState.LISTEN}), unknown=False)
S = TcpState


@pytest.mark.parametrize(
    ("words", "states"),
    [
        ("close_wait", {S.CLOSE_WAIT}),
        ("CLOSE-WAIT", {S.CLOSE_WAIT}),
        ("state time-wait state fin-wait-1", {S.TIME_WAIT, S.FIN_WAIT_1}),
        ("time-wait fin_wait", {S.TIME_WAIT, S.FIN_WAIT_1, S.FIN_WAIT_2}),
        ("STATE Listening", {S.LISTEN}),
        ("exclude listen", GROUPS["all"] - {S.LISTEN}),
        ("state connected exclude established", GROUPS["connected"] - {S.ESTABLISHED}),
        ("exclude all", set()),
        ("closed", {S.CLOSED, OtherState.UNCONN}),
        ("bound", {OtherState.BOUND}),
        ("abhören", {S.LISTEN}),
    ],
)
def test_words_select(words: str, states: set[object]) -> None:
    assert parse_selection(words.split(), DEFAULT).states == states


def test_without_words_the_options_decide() -> None:
    assert parse_selection([], DEFAULT) is DEFAULT


def test_only_a_first_exclude_keeps_unknown_states() -> None:
    assert parse_selection(["exclude", "listen"], DEFAULT).unknown
    assert not parse_selection(["listen", "exclude", "closed"], DEFAULT).unknown


@pytest.mark.parametrize(
    ("words", "position", "text"),
    [
        ("clse_wait", 0, "did you mean close_wait"),
        ("state nothing", 1, "no such state: 'nothing'"),
        ("sport = :22", 0, "only states can be selected by"),
        ("listen exclude", 1, "exclude: a state is missing"),
        ("x\x1b[31m", 0, "the states are listen"),
    ],
)
def test_errors_name_the_word(words: str, position: int, text: str) -> None:
    with pytest.raises(FilterSyntaxError, match="state") as caught:
        parse_selection(words.split(), DEFAULT)
    assert caught.value.position == position
    assert text in str(caught.value)
