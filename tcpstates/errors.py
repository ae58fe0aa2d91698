"""Every error that tcpstates raises on purpose. Each is one line for the user."""

from __future__ import annotations

from collections.abc import Collection, Sequence


class TcpstatesError(Exception):
    """Root of the errors below; its text can be shown as it is."""


class SourceUnavailable(TcpstatesError):
    """A source cannot be used here, or stopped answering.

    `reason` is the cause without the source's name.
    """

    def __init__(self, source: str, reason: str) -> None:
        """Keep both parts, so that a fallback can name what it replaces."""
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
    """Input that is not what its source promises.

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
    """A filter that cannot be read, or that this source cannot answer.

    `text` is the whole filter, `span` the start and end of the wrong words in it.
    """

    def __init__(self, problem: str, text: str, span: tuple[int, int]) -> None:
        super().__init__(problem)
        self.text = text
        self.span = span


class ColumnError(TcpstatesError):
    """Columns that there are not, or that do not go together."""


class ArgumentError(TcpstatesError, ValueError):
    """An argument of the Python API that is none of those it takes."""


def chosen(
    what: str, asked: str | Collection[str], known: Sequence[str]
) -> frozenset[str]:
    """Return the values of an argument as a set; ArgumentError for an unknown one."""
    values = frozenset({asked} if isinstance(asked, str) else asked)
    for value in sorted(values - set(known)):
        raise ArgumentError(f"no such {what}: {value!r}; choose {', '.join(known)}")
    return values
