"""Remove what editors, logs, mails and web pages add to the lines of a tool.

Nothing here decides what a socket is. If no layout recognises a line, the reader tries
again at the point where a row seems to begin, whatever text precedes it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tcpstates.late_pattern import late

LONGEST = 1 << 16  # characters of a line; no tool prints longer lines
_LONGEST_JSON = 1 << 26  # it may contain all sockets of a host
_JSON = ("[", "{")
_ESCAPE = late(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[()][A-Z0-9]|\].{0,200}?(?:\x07|\x1b\\))")
_BEFORE_QUOTES = (">", " ")
_QUOTED = late(r"^ *(?:>[ ]?)+")
# Tags of web pages, and of terminals turned into web pages; a <br> ends a line.
_TAG = late(
    r"</?(?:b|strong|i|em|u|a|p|pre|code|tt|kbd|samp|span|font|mark|div|li|td|th|tr)"
    r"(?:\s[^<>]{0,200})?/?>",
    re.IGNORECASE,
)
_ENTITY = late(
    r"&(?:#\d{1,5}|#x[0-9a-f]{1,4}|quot|amp|lt|gt|nbsp|apos);", re.IGNORECASE
)
_LINE_END = late(r"<br\s*/?>|&#(?:0*10|x0*a);|(?:\\r)?\\n", re.IGNORECASE)
_MARKDOWN = late(r"\\{1,8}([*_\[\]<>#.|`~-])")
_BRACKETED = late(r"\[([A-Za-z][\w.-]{0,20} [\w .-]{0,40})\](?=:)")
_PLACEHOLDER = late(r"<([A-Za-z][\w .-]{0,40})>")
_MONTHS = frozenset(
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
)
# Clocks of logs and terminals: they begin no row of any tool.
_STAMP = late(
    r"^\[?(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}[T ]+)?\d{1,2}:\d\d:\d\d(?:[.,]\d+)?"
    r"(?:Z|[+-]\d\d:?\d\d)?\]?:?\s+"
    r"|^[A-Z][a-z]{2} +\d{1,2} (?:\d{4} )?\d{1,2}:\d{1,2}:\d{1,2}\s+"
)
# The name of the container that printed a line: "web-1  | ", "[pod/a/b] ".
_CONTAINER = late(r"^(?:[\w./@-]{1,80}\s*\|\s*|\[[\w/.:-]{2,200}\]\s+)(?=\S)")
# The beginning of a row of ss, netstat or /proc/net.
_START = late(
    r"(?<![\w.])(?:"
    r"(?:tcp|udp)\s+(?:LISTEN|ESTAB|UNCONN|[A-Z]{3,5}-[A-Z]{3,4}(?:-\d)?)\s"
    r"|(?:LISTEN|ESTAB|UNCONN|CLOSING|BOUND|[A-Z]{3,5}-[A-Z]{3,4}(?:-\d)?)\s+"
    r"(?:\d+\s+\d+\s+(?=[^\s/]{1,80}:)|(?:\d{1,3}(?:\.\d{1,3}){3}(?:%\w{1,16})?|\*|\[[0-9a-f:]{2,40}\]):)"
    r"|(?:tcp|udp)(?:4|6|46)?\s+\d+\s+\d+\s"
    r"|(?:TCP|UDP)\s+(?:\d{1,3}\.|\*[:.]|\[)"
    r"|[A-Z0-9@#$]{1,8}\s+[0-9A-F]{8}\s+[\w.:*]{1,45}\.\."  # z/OS
    r"|\d{1,7}: [0-9A-F]{8}(?:[0-9A-F]{24})?:[0-9A-F]{4} )"
)
# Prefixes of grep, cat -n, diff and shells, for rows whose beginning is not recognised.
_PREFIX = late(
    r"^(?:\s*\d+\t|[\w./-]{0,200}:?\d{1,9}[:-](?!\d)|[\w./-]{1,200}:\s?"
    r"|\s*(?:[+*•-]|#+|//|--|;|\d{1,3}[.)])\s+|[+-]|\s+|[`*_]{1,3})"
)
# Marks of comments and lists, which begin no row of any tool, and those of `cat -n`.
_MARKS = "#/*+-;\N{BULLET}"
_MARK = late(r"^\s*(?:[*+-]|--|;|\N{BULLET})\s+(?=\S)|^\s*(?://|#{1,6})\s*(?=\S)")
_LINE_NUMBER = late(r"^ {1,6}\d{1,6}\t(?=\S)")
_QUOTES = "\"'`"
_IN_QUOTES = late(r"^\s*([\"'`])(.*?)\s*\1\s*[,;)\]]{0,3}\s*$")
_ONE_ROW = 60  # characters: no two rows are so short
_MARKUP = late(r"[\x1b\xa0&<\\]")
_TRAILING = late(r"(?:\*\*|__|`|\\)\s*$")


def cleaned(line: str) -> str:
    """Remove colours, tags, entities, table borders, quote marks and time stamps."""
    if _MARKUP.search(line):
        line = _without_markup(line)
    if "]:" in line:
        line = _BRACKETED.sub(_as_host, line)
    first = line.lstrip()[:1]
    if not first.isalnum():
        line = _without_mark(line, first)
    elif line[:1] == " " and "\t" in line[:8]:
        line = _LINE_NUMBER.sub("", line, count=1)
    if line[:1] == "|":  # a table of Markdown
        line = line.replace("|", " ").strip()
    if line[:1] in _BEFORE_QUOTES:
        line = _QUOTED.sub("", line)
    if line[:1].isdigit() or line[:1] == "[" or line[:3] in _MONTHS:
        line = _STAMP.sub("", line, count=1)
    if "| " in line or line[:1] == "[":
        line = _CONTAINER.sub("", line, count=1)
    return line


def _without_markup(line: str) -> str:
    """Remove colours, tags, entities and escapes; placeholders become host names."""
    if "\x1b" in line:
        line = _ESCAPE.sub("", line)
    if "\xa0" in line:
        line = line.replace("\xa0", " ")
    if "&" in line and _ENTITY.search(line):
        from html import unescape

        line = unescape(line).replace("\xa0", " ")
    if "<" in line:
        line = _PLACEHOLDER.sub(_as_host, _TAG.sub("", line))
    if "\\" in line:
        line = _MARKDOWN.sub(r"\1", line)
    return line


def _without_mark(line: str, first: str) -> str:
    """Remove what begins with a sign: the mark of a comment or list, or quotes."""
    if first and first in _MARKS:
        return _MARK.sub("", line, count=1)
    return _unquoted(line) if first and first in _QUOTES else line


def _unquoted(line: str) -> str:
    """Remove the quotation marks around a row, as in the source of a program."""
    found = _IN_QUOTES.match(line)
    if found is None:
        return line
    mark, inner = found.groups()
    signs = (f"{mark},{mark}", f"{mark};{mark}", f"{mark}\t{mark}", f"{mark}:")
    is_data = any(sign in inner for sign in signs)  # CSV, JSON
    return line if is_data else inner.removesuffix("\\n")


def _as_host(found: re.Match[str]) -> str:
    """Turn a placeholder into a host name; the address itself is unknown."""
    return "-".join(found[1].split())


def parts_of(line: str) -> Sequence[str]:
    """Split a line at line ends that are spelled out, as in JSON and HTML.

    A name may contain such a sequence, so another row has to follow.
    """
    is_plain = "\\" not in line and "&" not in line and "<" not in line
    if is_plain or not _LINE_END.search(line):  # the search alone takes 8 us
        return (line,)
    text = line.replace('\\"', '"').replace("\\t", " ")
    parts = [part for part in _LINE_END.split(text) if part.strip()]
    if len(parts) > 1 and not any(map(_START.search, parts[1:])):
        return (line,)
    return parts


def has_several_rows(line: str) -> bool:
    """Whether another row seems to begin behind a first one: line ends are lost."""
    if len(line) <= _ONE_ROW:
        return False
    first = _START.search(line)
    return first is not None and _START.search(line, first.end()) is not None


def rows_in(line: str) -> Sequence[str]:
    """Return the rows in a line whose line ends are lost; omit text before them."""
    starts = [found.start() for found in _START.finditer(line)]
    ends = [*starts[1:], len(line)]
    return [line[a:b] for a, b in zip(starts, ends, strict=False)]


def without_prefix(line: str) -> str | None:
    """Remove the text before and after a row; None: there is nothing to remove."""
    bare = _TRAILING.sub("", line)
    start = _START.search(bare)
    if start is not None and start.start():
        return bare[start.start() :]
    stripped = _PREFIX.sub("", bare, count=1)
    return stripped if stripped != line else None


def longest(line: str) -> int:
    """Return how many characters a line that begins like this may have."""
    return _LONGEST_JSON if line[:1] in _JSON else LONGEST
