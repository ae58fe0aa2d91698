"""The column of a process in netstat of macOS and the BSDs."""

from __future__ import annotations

import re

from tcpstates.late_pattern import late

_PROCESS = "process:pid"
# macOS since 14: numbers, then the process name, which may contain blanks, and the pid.
_NAME_AND_PID = late(
    r"(?:\s{1,40}\d{1,20}){2,4}\s{1,40}(\S.{0,60}?)\s?:(\d{1,10})(?=\s|$)"
)
_ENDS_IN_PID = late(r"(.{1,64}?) ?:(\d{1,10})", re.DOTALL)
_WORD = late(r"\S+")
_MAYBE_PID = late(r":\d{1,10}(?=\s|$)")


def owner_of_bsd(
    columns: list[str], after: list[str], tail: str
) -> tuple[str, str | None]:
    """Find the pid and the name of a process; empty: unknown.

    On macOS they are one column, `name:pid`. A user may call a process `a:9 b`, so
    the columns are counted from both ends, where the heading names them all. Else,
    as after grep, a name in which there might be another pid is unknown.
    """
    if columns and _PROCESS not in columns:
        return dict(zip(columns, after, strict=False)).get("pid", ""), None
    counted = _between(tail, columns) if columns else None
    if counted is not None:
        return counted[2], counted[1].rstrip(" ")
    both = _NAME_AND_PID.search(f" {tail}")
    is_certain = both is not None and len(_MAYBE_PID.findall(tail)) == 1
    return (both[2], both[1]) if both and is_certain else ("", None)


def _between(tail: str, columns: list[str]) -> re.Match[str] | None:
    """Match the column `name:pid`, counted from both ends of a row."""
    place = columns.index(_PROCESS)
    behind = len(columns) - place - 1
    words = list(_WORD.finditer(tail))
    if len(words) < place + behind + 1:
        return None
    start, end = words[place].start(), words[len(words) - behind - 1].end()
    return _ENDS_IN_PID.fullmatch(tail, start, end)
