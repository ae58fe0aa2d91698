"""The quiz: its questions are right, and it ends cleanly."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
from itertools import islice

import pytest

from conftest import COMMAND, PATIENCE, run_command
from tcpstates.lifecycle.explanations import MEANINGS
from tcpstates.lifecycle.machine import SIDES
from tcpstates.lifecycle.questions import questions
from tcpstates.states import TcpState


def test_every_question_has_one_right_answer() -> None:
    kinds = set()
    for seed in range(40):
        for question in islice(questions(seed), 25):
            assert len(set(question.choices)) == 4
            right = question.choices[question.right]
            assert question.why
            kinds.add(question.text.split()[0])
            if question.text.startswith("Which state is this"):
                summary = question.text.partition(": ")[2].rstrip("?")
                assert MEANINGS[TcpState(right)].summary == summary
            elif question.text.startswith("Which side"):
                state = TcpState(question.text.split()[-1].rstrip("?"))
                assert SIDES[state] == right
    assert {"Which", "A"} <= kinds


def test_a_seed_repeats_the_questions() -> None:
    first, again, other = (
        run_command("quiz", "--seed", seed, "--number", "5", input="\n" * 5).stdout
        for seed in ("7", "7", "8")
    )
    assert first == again != other
    assert first.endswith("0 right of 5 questions\n")


def test_right_answers_count_and_wrong_ones_are_explained() -> None:
    asked = list(islice(questions(3), 6))
    letters = ["abcd"[q.right] for q in asked]
    letters[1] = "abcd"[(asked[1].right + 1) % 4]
    finished = run_command(
        "quiz", "--seed", "3", "--number", "6", input="\n".join(letters) + "\n"
    )
    words = " ".join(finished.stdout.split())
    assert words.endswith("5 right of 6 questions")
    assert words.count("Right. ") == 5
    assert f"No: {asked[1].choices[asked[1].right]}." in words
    assert finished.returncode == 0


def test_other_letters_are_asked_again_and_the_end_of_input_ends() -> None:
    finished = run_command("quiz", "--seed", "3", input="x\n")
    assert "type a letter from a to d; q ends" in finished.stderr
    assert finished.stdout.endswith("0 right of 0 questions\n")
    assert finished.returncode == 0


@pytest.mark.parametrize("end", ["q\n", "\x03"])
def test_on_a_terminal_it_ends_cleanly(end: str) -> None:
    """On 80 columns and 24 lines, by q and by Ctrl-C."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "quiz", "--seed", "1"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "COLUMNS": "80"},
        start_new_session=True,
    )
    os.close(theirs)
    text = b""
    while b"answer: " not in text:
        assert select.select([ours], [], [], PATIENCE)[0]
        text += os.read(ours, 1000)
    assert all(len(line) <= 80 for line in text.splitlines())
    if end == "\x03":
        process.send_signal(signal.SIGINT)
    else:
        os.write(ours, end.encode())
    while process.poll() is None:
        if select.select([ours], [], [], 0.2)[0]:
            try:
                text += os.read(ours, 1000)
            except OSError:
                break
    assert process.wait(PATIENCE) == 0
    os.close(ours)
