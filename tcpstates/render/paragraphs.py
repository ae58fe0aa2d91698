"""Text for people to read: wrapped, labelled, and never wider than is readable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import fill, wrap
from typing import Any

LABEL = 9  # the width of labels before paragraphs
WIDEST = 92  # characters; longer lines are hard to read
_NARROWEST = 40
_WHOLE_WORDS: Any = {"break_on_hyphens": False, "break_long_words": False}


class Whole(str):
    """A line to be copied: it is never wrapped."""

    __slots__ = ()


def readable(width: int, narrowest: int = _NARROWEST) -> int:
    """The width of text on a terminal of that width."""
    return max(narrowest, min(width, WIDEST))


def lines(text: str, width: int, *, rest: str = "") -> list[str]:
    """Wrap a text; words are not broken, and may be wider than `width`."""
    return wrap(text, width, subsequent_indent=rest, **_WHOLE_WORDS)


def filled(text: str, width: int) -> str:
    """Wrap a text to one string that ends with a newline."""
    return fill(text, width, **_WHOLE_WORDS) + "\n"


def paragraph(
    label: str, texts: Sequence[str], width: int, *, breaks: bool = False
) -> Iterator[str]:
    """Yield lines, the first one with the label; without a label, do not indent.

    Of several texts, continuation lines are indented further. `breaks`: a word that
    is wider than the line is broken, as names of processes may be.
    """
    indent = " " * LABEL if label else ""
    first = label.ljust(LABEL) if label else ""
    hanging = indent + ("  " if len(texts) > 1 else "")
    for text in texts:
        if isinstance(text, Whole):
            yield f"{first}{text}\n"
        else:
            for line in wrap(
                text,
                width,
                initial_indent=first,
                subsequent_indent=hanging,
                break_long_words=breaks,
                break_on_hyphens=False,
            ):
                yield line + "\n"
        first = indent
