"""Kinds of values on the command line that click has not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tcpstates.collect.sources import SOURCES

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class SourceName(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """The name of a source, or auto."""

    name = "source"

    def get_metavar(
        self, param: click.Parameter, ctx: click.Context | None = None
    ) -> str:
        """Return what --help shows for the value."""
        return "NAME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the name; fail with the nearest one when there is none such."""
        known = ["auto", *SOURCES]
        if value not in known:
            from difflib import get_close_matches

            near = get_close_matches(str(value).lower(), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"choose {', '.join(known)}"
            self.fail(f"no such source: {value!r}; {hint}", param, ctx)
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """Return the names that begin so."""
        from click.shell_completion import CompletionItem

        known = ("auto", *SOURCES)
        return [CompletionItem(name) for name in known if name.startswith(incomplete)]


SOURCE = SourceName()


class FilterWord(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A word of a filter, which is read only when all are there."""

    name = "filter"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """Return the words that can come here; as the first one, commands too."""
        from click.shell_completion import CompletionItem

        from tcpstates.cli.commands import COMMANDS
        from tcpstates.cli.completions import next_words, spelled_like, split_incomplete

        before = [
            word
            for argument in ctx.params.get("words") or ()
            for word in str(argument).split()
        ]
        # Inside of quotation marks the words before are part of this one, and so are
        # the colon before a port, and the items before the last one of a list.
        kept, last = split_incomplete(incomplete)
        before += kept.replace(",", " ").replace("(", "( ").split()
        words = list(next_words(before, in_list=kept.endswith(",")))
        if not before:
            words += [(name, entry.summary) for name, entry in COMMANDS.items()]
        spelled = ((spelled_like(word, last), text) for word, text in words)
        return [
            CompletionItem(f"{kept}{word}", help=text) for word, text in spelled if word
        ]


FILTER_WORD = FilterWord()


class ColumnList(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Names of columns with commas, which are looked up when they are needed."""

    name = "columns"

    def get_metavar(
        self, param: click.Parameter, ctx: click.Context | None = None
    ) -> str:
        """Return what --help shows for the value."""
        return "COL[,COL]"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """Return the lists that begin so, and have one name more."""
        from click.shell_completion import CompletionItem

        from tcpstates.columns.registry import COLUMNS

        before, comma, last = incomplete.rpartition(",")
        sign = last[:1] if last[:1] in ("+", "-") else ""
        begun = last[len(sign) :].replace("_", "-")
        return [
            CompletionItem(f"{before}{comma}{sign}{name}")
            for name in COLUMNS
            if name.startswith(begun)
        ]


COLUMN_LIST = ColumnList()
