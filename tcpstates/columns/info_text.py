"""Format tcp_info as text, whole columns at a time, from a table of parts.

The text of a socket is one `%` over its parts. It takes 3 us, most of it to convert
numbers. The text of a part that is not a plain number is made once per value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from tcpstates.batch import Batch
from tcpstates.fields import ColumnName
from tcpstates.text import Texts, texts_of_objects


class Part(NamedTuple):
    """A part of the text; a socket without its first field leaves it out."""

    fields: tuple[ColumnName, ...]
    # Makes the text of the fields' values, with a blank before it, or "" for none.
    text: Callable[..., str]
    is_kept: bool = True  # False: a value is a dictionary, which cannot be a key
    label: str = ""  # of a part that is always a plain number


def number(label: str, field: ColumnName) -> Part:
    """Make a part that is a plain number, even if it is zero."""
    return Part((field,), lambda value: f" {label}:{value}", label=label)


def count(label: str, field: ColumnName, *, per: int = 1) -> Part:
    """Make a part that is a number, unless it is zero; `per` divides it."""

    def text(value: int) -> str:
        shown = value if per == 1 else f"{value / per:g}"
        return f" {label}:{shown}" if value else ""

    return Part((field,), text)


def _of_values(part: Part) -> Callable[[Any], str]:
    """Make a function of one value, or of a tuple, that leaves out unknown values."""
    make = part.text
    if len(part.fields) == 1:
        return lambda value: "" if value is None else make(value)
    return lambda values: "" if values[0] is None else make(*values)


class InfoFormat:
    """The parts of a text about a connection, in order."""

    def __init__(self, *parts: Part) -> None:
        self._parts = parts
        self._made = [
            Texts(_of_values(part)).__getitem__ if part.is_kept else _of_values(part)
            for part in parts
        ]

    def texts(self, batch: Batch) -> list[str]:
        """The text of each socket; it begins with a blank unless it is empty."""
        template = ""
        columns: list[Iterable[Any]] = []
        for part, made in zip(self._parts, self._made, strict=True):
            values = [batch.column(field) for field in part.fields]
            first = values[0]
            if not first or (first[0] is None and first.count(None) == len(first)):
                continue
            if part.label and None not in first:
                template += f" {part.label}:%d"
                columns.append(first)
                continue
            template += "%s"
            if len(values) > 1:
                columns.append(map(made, zip(*values, strict=True)))
            elif part.is_kept:
                columns.append(map(made, first))
            else:
                columns.append(texts_of_objects(made, first))
        if not columns:
            return [""] * len(batch)
        return list(map(template.__mod__, zip(*columns, strict=True)))


def have_info(batch: Batch) -> Sequence[bool]:
    """Whether each socket has tcp_info."""
    fields = batch.info_columns()
    if fields is None:
        return [info is not None for info in batch.column("info")]
    return [bool(fields)] * len(batch)
