"""Render a diagnosis for programs; the keys are a contract (schema 1)."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from tcpstates.doctor.findings import Diagnosis, Finding, Trend
from tcpstates.processes import Process
from tcpstates.render.json_ import SCHEMA
from tcpstates.text import decode_name


def render_diagnosis_json(diagnosis: Diagnosis) -> str:
    """Render one JSON object."""
    import json

    reported = {
        "schema": SCHEMA,
        "source": diagnosis.source,
        "taken_at": _time(diagnosis.taken_at),
        "filter": diagnosis.filter,
        "seconds": round(diagnosis.seconds, 3),
        "sockets": sum(diagnosis.counted.values()),
        "states": diagnosis.counted,
        "processes": diagnosis.processes,
        "namespaces": diagnosis.namespaces,
        "hosts": diagnosis.hosts,
        "findings": [_finding(finding) for finding in diagnosis.findings],
        "not_examined": [
            {"rule": each.rule, "text": each.text, "command": each.command}
            for each in diagnosis.not_examined
        ],
        "limitations": [limit._asdict() for limit in diagnosis.limitations],
    }
    return json.dumps(reported, indent=2) + "\n"


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.name.lower(),
        "host": finding.host,
        "netns": finding.netns,
        "subject": finding.subject,
        "size": finding.size,
        "verdict": finding.verdict,
        "evidence": list(finding.evidence),
        "numbers": finding.numbers,
        "processes": [_process(process) for process in finding.processes],
        "no_process": finding.no_process,
        "peers": [peer._asdict() for peer in finding.peers],
        "means": finding.means,
        "do": [*finding.commands, *finding.advice],
        "commands": list(finding.commands),
        "advice": list(finding.advice),
        "last_resort": finding.last_resort,
        "unless": finding.unless,
        "trend": None if finding.trend is None else _trend(finding.trend),
    }


def _trend(trend: Trend) -> dict[str, Any]:
    return {
        "word": trend.change,
        "before": trend.before,
        "after": trend.after,
        "seconds": trend.seconds,
    }


def _process(process: Process) -> dict[str, Any]:
    name, started = process.name, process.started_at
    command = process.command
    return {
        "pid": process.pid,
        "name": None if name is None else name.decode("utf-8", "backslashreplace"),
        "name_raw": None if name is None or _is_text(name) else name.hex(),
        "user": process.user,
        "started_at": None if started is None else _time(started),
        "command": None
        if command is None
        else [word.decode("utf-8", "backslashreplace") for word in command],
        "descriptors": process.descriptors,
        "descriptors_limit": process.descriptors_limit,
        "is_stopped": process.is_stopped,
        "parent": process.parent,
        "state": process.state,
        "waits_in": process.waits_in,
    }


def _is_text(name: bytes) -> bool:
    return decode_name(name) == name.decode("utf-8", "backslashreplace")


def _time(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
