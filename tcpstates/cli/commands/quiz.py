"""`tcpstates quiz`: questions about the states of TCP, and why an answer is right."""

from __future__ import annotations

import random
from itertools import islice

import click

from tcpstates.cli.ask import LETTERS, ask
from tcpstates.cli.output import Output
from tcpstates.lifecycle.questions import Question, questions
from tcpstates.render.paragraphs import filled, readable
from tcpstates.wording import counted

_SEEDS = 1_000_000


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    metavar="N",
    help="Ask the same questions as another time with this number.",
)
@click.option(
    "--number",
    type=click.IntRange(1, 100),
    default=10,
    metavar="N",
    help="Ask so many questions; default: 10.",
)
@click.pass_obj
def quiz(output: Output, /, *, seed: int | None, number: int) -> None:
    """Ask about the states of TCP; explain every answer.

    The questions are made from RFC 9293's state machine. Answer with a letter; Enter
    alone shows the answer, and q or Ctrl-C ends.
    """
    chosen = random.randrange(_SEEDS) if seed is None else seed  # noqa: S311
    width = readable(output.width)
    output.write([filled(f"{number} questions; --seed {chosen} repeats them.", width)])
    right = asked = 0
    for question in islice(questions(chosen), number):
        output.write(["\n", filled(f"{asked + 1}. {question.text}", width)])
        output.write(
            f"   {letter}  {choice}\n"
            for letter, choice in zip(LETTERS, question.choices, strict=True)
        )
        output.flush()
        answer = ask(len(question.choices))
        if answer is None:
            break
        asked += 1
        is_right = answer == LETTERS[question.right]
        right += is_right
        output.write([filled(_verdict(question, answer, is_right=is_right), width)])
    text = f"{right} right of {counted(asked, 'question')}"
    output.write(["\n", filled(text, width)])


def _verdict(question: Question, answer: str, *, is_right: bool) -> str:
    """Say whether an answer is right, and why."""
    right = question.choices[question.right]
    begin = "Right." if is_right else f"{right}." if not answer else f"No: {right}."
    return f"{begin} {question.why} More: {question.see}"
