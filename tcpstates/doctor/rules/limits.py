"""Limits of the whole host: TIME_WAIT sockets, orphans and TCP's memory."""

from __future__ import annotations

from collections.abc import Iterator

from tcpstates.doctor.facts import Facts
from tcpstates.doctor.findings import Finding, NotExamined, Severity
from tcpstates.doctor.links import Links
from tcpstates.doctor.phrases import (
    BAD_PORT_ADVICE,
    percent,
)
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.text import format_bytes
from tcpstates.wording import counted

_NEAR_PERCENT = 95  # of a limit: beyond it, connections fail


class TimeWaitLimitRule(Rule):
    """TIME_WAIT sockets near tcp_max_tw_buckets."""

    about_host = True

    def find(self, facts: Facts, links: Links) -> Iterator[Outcome]:
        """Yield a finding if tcp_max_tw_buckets is near, or has been reached."""
        kernel = self._context.kernel
        if kernel is None or kernel.time_wait_limit is None or kernel.time_wait is None:
            yield NotExamined(
                rule="time-wait",
                text="the limit of TIME_WAIT (not reported by the system)",
            )
            return
        number, limit = kernel.time_wait, max(kernel.time_wait_limit, 1)
        overflows = facts.counters.get("TCPTimeWaitOverflow", 0)
        grown = facts.grown.get("TCPTimeWaitOverflow", 0)
        share = percent(number, limit) or 0
        if share < self._context.thresholds.limit_percent and not grown:
            return
        yield Finding(
            rule="time-wait",
            subject="host",
            severity=Severity.CRITICAL if grown or share >= 100 else Severity.WARNING,
            size=number,
            verdict=f"TIME_WAIT {'has reached' if grown else 'is near'} its limit:"
            f" {number:,} of {limit:,} (tcp_max_tw_buckets)",
            evidence=(
                (
                    f"TCPTimeWaitOverflow {overflows:,} so far, {grown:,} during this"
                    " run (sockets ended at once)"
                ),
            ),
            numbers={"sockets": number, "limit": limit, "overflows": overflows},
            means="Above the limit, the kernel skips TIME_WAIT, so late segments can"
            " reach a new connection. The cause is short connections that this side"
            " closes first.",
            commands=(
                "tcpstates -tan time_wait --by local-port,remote-address --limit 10",
            ),
            advice=(
                "keep connections open, or let the peer close first",
                "raise net.ipv4.tcp_max_tw_buckets; never lower it",
                BAD_PORT_ADVICE,
            ),
            unless="TIME_WAIT in thousands below the limit is normal on a busy server",
            no_process=f"the kernel has {counted(number, 'socket')} without a process",
        )


class OrphanLimitRule(Rule):
    """Closed sockets without a process near tcp_max_orphans."""

    about_host = True

    def find(self, facts: Facts, links: Links) -> Iterator[Outcome]:
        """Yield a finding if the number of orphans is near tcp_max_orphans."""
        kernel = self._context.kernel
        if kernel is None or kernel.orphans is None or kernel.orphans_limit is None:
            text = "tcp_max_orphans (not available here, as in containers)"
            yield NotExamined(rule="orphans", text=text, is_fixed=True)
            return
        number, limit = kernel.orphans, max(kernel.orphans_limit, 1)
        share = percent(number, limit) or 0
        if share < self._context.thresholds.limit_percent:
            return
        aborted = facts.counters.get("TCPAbortOnMemory", 0)
        yield Finding(
            rule="orphans",
            subject="host",
            severity=Severity.CRITICAL if share >= 100 else Severity.WARNING,
            size=number,
            verdict=f"orphans are near their limit: {number:,} of {limit:,}"
            " (tcp_max_orphans)",
            evidence=(f"TCPAbortOnMemory {aborted:,} so far (sockets reset)",),
            numbers={"sockets": number, "limit": limit, "aborted": aborted},
            means="Closed sockets wait for peers that do not finish. Above the limit,"
            " the kernel resets them, and data in transit are lost.",
            commands=(
                (
                    "tcpstates -tano fin_wait_1 fin_wait_2 last_ack closing"
                    " --by state,remote-address --limit 10"
                ),
            ),
            advice=("lower net.ipv4.tcp_orphan_retries and net.ipv4.tcp_fin_timeout",),
            unless="the count covers all network namespaces together",
            no_process="the kernel: no process owns them",
        )


class MemoryRule(Rule):
    """Socket buffers near the limits of tcp_mem."""

    about_host = True

    def find(self, facts: Facts, links: Links) -> Iterator[Outcome]:
        """Yield a finding if TCP is under memory pressure: see tcp_mem."""
        kernel = self._context.kernel
        if (
            kernel is None
            or kernel.memory_bytes is None
            or kernel.memory_limit_bytes is None
        ):
            yield NotExamined(
                rule="memory",
                text="tcp_mem (not available here, as in containers)",
                is_fixed=True,
            )
            return
        used, limit = kernel.memory_bytes, kernel.memory_limit_bytes
        pressure = kernel.memory_pressure_bytes or limit
        share = percent(used, limit) or 0
        if used < pressure and share < self._context.thresholds.limit_percent:
            return
        pruned = facts.counters.get("PruneCalled", 0)
        yield Finding(
            rule="memory",
            subject="host",
            severity=Severity.CRITICAL if share >= _NEAR_PERCENT else Severity.WARNING,
            size=used,
            verdict=f"TCP is short of memory: {format_bytes(used)} of"
            f" {format_bytes(limit)}",
            evidence=(
                (
                    f"above {format_bytes(pressure)}, the kernel keeps buffers small"
                    f" (tcp_mem); it has pruned buffers {pruned:,} times so far"
                ),
            ),
            numbers={
                "bytes": used,
                "pressure": pressure,
                "limit": limit,
                "pruned": pruned,
            },
            means="All connections share this memory. Windows shrink; at the limit,"
            " the kernel drops segments and resets sockets.",
            commands=(
                "tcpstates -tanpm --sort -recv-q --limit 20",
                "tcpstates -tanpm --sort -send-q --limit 20",
                "sysctl net.ipv4.tcp_mem",
            ),
            advice=(
                "in the program that has unread data: read it; see the first listing",
                "tcp_mem has three numbers of pages: low, pressure, limit",
            ),
            unless="the count covers all network namespaces together",
            no_process="all connections together",
        )
