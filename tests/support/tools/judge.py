"""Judges how a command has ended while something failed: wrong, or only less."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import tcpstates

_DONE, _FOUND, _, _FAILED = range(4)  # exit codes
_INTERRUPTED = 130
_OWN = (str(Path(tcpstates.__file__).parent),)
_ROW = re.compile(r"(tcp|udp) ")
_VERDICT = re.compile(r"(NOTICE|WARNING|CRITICAL) ")
_EXTRA = "the kernel counts"  # what -s adds where it can
_LONE_REASONS = {"unknown", "hidden", "unattributed", "not found"}
_LONE_REASONS |= {"not in this pid namespace"}
_STABLE = ("state", "local_address", "local_port", "remote_address", "remote_port")


class Ended(NamedTuple):
    """How a command has ended."""

    code: int
    output: str
    errors: str
    failed: str = ""  # the call that failed, as strace has it; "": none did


class Judge:
    """Knows what a command prints when nothing fails, and what it may print else."""

    def __init__(self, command: list[str], run: Callable[[list[str]], Ended]) -> None:
        """Run the command, and as a measure the best source."""
        self._kind = command[0] if command[0] in ("doctor", "check") else "listing"
        self._command = command
        self._is_json = "--json" in command
        self._is_table = "n" in command[0] and "c" not in command[0]
        self._healthy = run(command)
        assert self._healthy.code in (_DONE, _FOUND), self._healthy
        # psutil names one process of several, so another one is right, too.
        everything = json.loads(run(["-tanp", "--json"]).output)["sockets"]
        self._holders = {_key(row): row["processes"] for row in everything}

    def complaint(self, ended: Ended) -> str | None:
        """Return what is wrong with an end; None: nothing."""
        is_mute = "write(" in ended.failed
        if "Traceback" in ended.errors:
            return "a traceback"
        if "internal error" in ended.errors and not _is_import(ended.failed):
            return "an internal error"
        if ended.code == _FAILED:
            is_known = ended.errors.startswith("tcpstates: ") or is_mute
            # A monitor reads standard output.
            is_known |= ended.output.startswith("TCPSTATES UNKNOWN: ")
            return None if is_known else "failed without a word"
        if any(not line.startswith("tcpstates: ") for line in lines_of(ended.errors)):
            return "somebody else's message"
        if ended.code == _INTERRUPTED and "SIGINT" in ended.failed:
            return None
        if ended.code != self._healthy.code:
            return f"exit code {ended.code}"
        if not self._is_json:
            return self._of_lines(ended)
        try:
            told = json.loads(ended.output)
        except ValueError:
            return "no JSON"
        of_json = self._of_rows if self._kind == "listing" else self._of_findings
        return of_json(told, bool(ended.errors))

    def _of_lines(self, ended: Ended) -> str | None:
        """Compare what does not depend on the time; a note explains what is missing."""
        before, now = map(self._facts, (self._healthy.output, ended.output))
        if now - before and (self._is_table or not ended.errors):
            return f"lines that are not there: {now - before}"
        if before - now and not ended.errors:
            return f"lines are missing, and nothing says so: {before - now}"
        return None

    def _facts(self, text: str) -> Counter[str]:
        """Return lines without what may be unknown: a limit, or one of two holders."""
        lines = [line for line in lines_of(text) if not line.startswith(_EXTRA)]
        if self._kind == "doctor":  # how grave; the JSON tells what
            return Counter(line.split()[0] for line in lines if _VERDICT.match(line))
        if self._is_table:
            rows = (line.split() for line in lines if _ROW.match(line))
            return Counter(" ".join(row[:2] + row[4:6]) for row in rows)
        if "--by" in self._command:
            counts: Counter[str] = Counter()
            for number, state, *_ in map(str.split, lines):
                counts[state] += int(number)
            return counts
        return Counter(lines)

    def _of_findings(self, told: dict[str, Any], is_noted: bool) -> str | None:
        healthy = json.loads(self._healthy.output)
        before, now = (
            {(each["rule"], each["size"]) for each in found["findings"]}
            for found in (healthy, told)
        )
        if now - before:
            return f"a finding of what is not there: {now - before}"
        if before - now and not (
            is_noted or len(told["not_examined"]) > len(healthy["not_examined"])
        ):
            return f"findings are missing, and nothing says so: {before - now}"
        return None

    def _of_rows(self, told: dict[str, Any], is_noted: bool) -> str | None:
        before = json.loads(self._healthy.output)["sockets"]
        found = {_key(row): row for row in told["sockets"]}
        if len(found) < len(told["sockets"]):
            return "a row twice"
        lost = {_key(row) for row in before} - found.keys()
        if len(found) + len(lost) > len(before):
            return f"a row that is not there: {found.keys()}"
        if lost and not (told["limitations"] and is_noted):
            return f"rows are missing, and nothing says so: {lost}"
        for row in before:
            now = found.get(_key(row))
            complaint = now and _of_owners(self._holders[_key(row)], row, now)
            if complaint:
                return f"{complaint}: {now}"
        return None


def _is_import(call: str) -> bool:
    """Tell whether a call was for a module; Python may take it for another then."""
    return any(f'"{folder}' in call for folder in (sys.prefix, sys.base_prefix, *_OWN))


def _of_owners(
    holders: list[dict[str, Any]], before: dict[str, Any], row: dict[str, Any]
) -> str | None:
    """Return what is wrong with a row's processes; a name may be unknown."""
    known = {(o["pid"], o["fd"]): o["name"] for o in holders}
    told = {(o["pid"], o["fd"]): o["name"] for o in row["processes"]}
    if told.keys() - known.keys() or any(
        name not in (None, known[place]) for place, name in told.items()
    ):
        return "a process that it has not"
    reason = row["no_process_reason"]
    is_lost = before["processes"] and not told
    if is_lost and reason not in _LONE_REASONS:
        return f"no process, because it is {reason}"
    return None


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _STABLE)


def lines_of(text: str) -> list[str]:
    """Return the lines of a text, but empty ones."""
    return [line for line in text.splitlines() if line.strip()]
