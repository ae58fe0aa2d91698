"""The errors that tcpstates raises on purpose; the text of each is one line."""

from __future__ import annotations

from collections.abc import Collection, Sequence


class TcpstatesError(Exception):
    """Base class of the errors below; the text can be shown to the user.

    `details`: what is to be shown before it, each on a line.
    """

    details: Sequence[str] = ()

    def lines(self) -> list[str]:
        """Return the details and the text, each for a line."""
        return [*self.details, str(self)]


class SourceUnavailable(TcpstatesError):
    """A source cannot be used on this system, or stopped answering.

    `reason` is the cause without the name of the source.
    """

    def __init__(self, source: str, reason: str) -> None:
        """Keep both parts, so that a fallback can name the source it replaces."""
        super().__init__(f"source {source}: {reason}")
        self.source = source
        self.reason = reason


class FileUnavailable(SourceUnavailable):
    """A saved listing cannot be read, or has no sockets that could be recognised."""

    def __init__(self, path: str, reason: str) -> None:
        TcpstatesError.__init__(self, f"{path}: {reason}")
        self.source = path
        self.reason = reason


class ParseError(TcpstatesError):
    """Input that does not have the expected format.

    `line` counts from 1 and is None for binary input; `token` is the raw text.
    """

    def __init__(
        self, source: str, problem: str, *, line: int | None = None, token: str = ""
    ) -> None:
        where = source if line is None else f"{source}, line {line}"
        quoted = f": {token[:80]!r}" if token else ""
        super().__init__(f"{where}: {problem}{quoted}")
        self.line = line
        self.token = token


class FilterSyntaxError(TcpstatesError):
    """A filter with a syntax error, or one that this source does not support.

    `text` is the whole filter; `span` is the start and end of the wrong part.
    """

    def __init__(self, problem: str, text: str, span: tuple[int, int]) -> None:
        super().__init__(problem)
        self.text = text
        self.span = span


class ColumnError(TcpstatesError):
    """An unknown column, or columns that cannot be combined."""


class ArgumentError(TcpstatesError, ValueError):
    """An invalid argument to the Python API."""


def chosen(
    what: str, asked: str | Collection[str], known: Collection[str]
) -> frozenset[str]:
    """Check the values of an argument; raise ArgumentError for an unknown one."""
    values = frozenset({asked} if isinstance(asked, str) else asked)
    for value in sorted(values - set(known)):
        raise ArgumentError(f"unknown {what} {value!r}; choose {', '.join(known)}")
    return values
