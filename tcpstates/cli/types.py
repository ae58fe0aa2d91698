"""Types of command-line values that click does not provide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tcpstates.collect.sources import SOURCES
from tcpstates.wording import did_you_mean, nearest

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from tcpstates.cli.thresholds import Threshold


class SourceName(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """The name of a source, or auto."""

    name = "source"

    def get_metavar(
        self, param: click.Parameter, ctx: click.Context | None = None
    ) -> str:
        """Return the placeholder for the value in --help."""
        return "NAME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return a known name; for an unknown one, fail with a suggestion."""
        known = ["auto", *SOURCES]
        if value not in known:
            near = nearest(str(value), known, most=1)
            hint = did_you_mean(near, f"choose {', '.join(known)}")
            self.fail(f"unknown source '{value}'{hint}", param, ctx)
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """List the names that begin this way."""
        from click.shell_completion import CompletionItem

        known = ("auto", *SOURCES)
        return [CompletionItem(name) for name in known if name.startswith(incomplete)]


SOURCE = SourceName()


class Seconds(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A time in seconds, or with a unit: 2, 0.5, 500ms, 1m."""

    name = "seconds"

    def __init__(self, least: float, most: float) -> None:
        self._least, self._most = least, most

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds, or fail with the reason."""
        try:
            seconds = float(value)
        except ValueError:
            from tcpstates.filters.values import BadValue, read_time

            try:
                seconds = read_time(str(value)) / 1000
            except BadValue as error:
                self.fail(str(error), param, ctx)
        if not self._least <= seconds <= self._most:
            limits = f"between {self._least:g} and {self._most:g} seconds"
            self.fail(f"'{value}' is not {limits}", param, ctx)
        return seconds


class Moment(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A time of the clock, in seconds since the epoch."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the moment, or fail with examples."""
        from tcpstates.parse.saved.recording import seconds

        try:
            return seconds(str(value))
        except (ValueError, OverflowError, OSError):
            text = f"'{value}' is no time; use 2026-05-04T13:05:00, or ...00Z for UTC"
            self.fail(text, param, ctx)


MOMENT = Moment()


class Path(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A path, which is opened by what uses it.

    click's own type looks for a translation of its name, which takes 1 ms.
    """

    name = "path"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """Leave it to the shell, which completes files."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type="file")]


PATH = Path()


class ThresholdType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A threshold, see `thresholds`, in the words that --help shows for it."""

    def __init__(self, name: str, metavar: str) -> None:
        self.name, self._metavar = name, metavar

    def get_metavar(
        self, param: click.Parameter, ctx: click.Context | None = None
    ) -> str:
        """Return the placeholder for the value in --help."""
        return self._metavar

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Threshold:
        """Parse the threshold, or fail with the reason."""
        from tcpstates.cli.thresholds import Threshold, parse_threshold

        if isinstance(value, Threshold):
            return value
        try:
            return parse_threshold(str(value))
        except ValueError as error:
            self.fail(f"'{value}': {error}", param, ctx)


THRESHOLD = ThresholdType("threshold", "NAME=RANGE")
CONDITION = ThresholdType("condition", "CONDITION")  # one to wait for


class FromFormat(click.Choice):  # type: ignore[type-arg,unused-ignore]
    """A format of saved listings; their parsers are loaded only to name them."""

    def __init__(self) -> None:
        self.case_sensitive = True

    def get_metavar(
        self, param: click.Parameter, ctx: click.Context | None = None
    ) -> str:
        """Return the placeholder for the value in --help."""
        return "FORMAT"

    @property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override]
        """The names of the formats."""
        from tcpstates.parse.saved.layouts import FORMATS

        return FORMATS


FROM_FORMAT = FromFormat()


class FilterArgument(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A word of a filter, which is parsed only once it is complete."""

    name = "filter"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """List the words that can come here."""
        from click.shell_completion import CompletionItem

        from tcpstates.cli.completions import (
            completions_after,
            spelled_like,
            split_incomplete,
        )

        before = [
            word
            for argument in ctx.params.get("expression") or ()
            for word in str(argument).split()
        ]
        # Inside quotation marks, earlier words are part of this one. So are the colon
        # before a port, and the items of a list before the last one.
        kept, last = split_incomplete(incomplete)
        before += kept.replace(",", " ").replace("(", "( ").split()
        words = list(completions_after(before, in_list=kept.endswith(",")))
        spelled = ((spelled_like(word, last), text) for word, text in words)
        return [
            CompletionItem(f"{kept}{word}", help=text) for word, text in spelled if word
        ]


FILTER_ARGUMENT = FilterArgument()


class ColumnList(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Comma-separated names of columns, which are looked up when needed."""

    name = "columns"

    def get_metavar(
        self, param: click.Parameter, ctx: click.Context | None = None
    ) -> str:
        """Return the placeholder for the value in --help."""
        return "COL[,COL]"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """List the completions of the last name in a list."""
        from click.shell_completion import CompletionItem

        from tcpstates.cli.shells import BEGINNING
        from tcpstates.columns.registry import COLUMNS

        before, comma, last = incomplete.rpartition(",")
        sign = last[:1] if last[:1] in ("+", "-") else ""
        begun = last[len(sign) :].replace("_", "-")
        return [
            CompletionItem(f"{before}{comma}{sign}{name}", type=BEGINNING)
            for name in COLUMNS
            if name.startswith(begun)
        ]


COLUMN_LIST = ColumnList()
