"""Any input gives rows or a told error: seeds are mutated, and bytes made up."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.tools import fuzz

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
_INSERTED = (b"\0", b"\n", b"\x1b[", b"9" * 30, b"\xff", b" ", b"::", b"%", b"--", b"'")


def mutated(seed: bytes, dice: random.Random) -> bytes:
    """Return a seed with some bytes changed, cut out, doubled or put in."""
    data = bytearray(seed)
    for _ in range(dice.randrange(1, 12)):
        place = dice.randrange(len(data) + 1)
        match dice.randrange(4):
            case 0:
                data[place:place] = dice.choice(_INSERTED)
            case 1:
                del data[place : place + dice.randrange(1, 30)]
            case 2:
                data[place:place] = data[place : place + dice.randrange(1, 60)]
            case _ if place < len(data):
                data[place] = dice.randrange(256)
    return bytes(data)


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_no_input_is_too_strange(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seeds, target = fuzz.seeds(name), fuzz.TARGETS[name]
    for seed in seeds:
        target(seed)

    @settings(max_examples=EXAMPLES, deadline=None, database=None, print_blob=True)
    @given(st.sampled_from(seeds), st.randoms(use_true_random=False), st.binary())
    def feed(seed: bytes, dice: random.Random, raw: bytes) -> None:
        target(mutated(seed, dice))
        target(raw)

    feed()
