"""Peers that do not answer, or do not read.

| problem | evidence |
|---|---|
| the peer does not answer | the retransmission timer, and how often it has fired |
| the same, with a zero window | the probe timer, and unanswered probes: see `probes` |
| the peer does not read | the probe timer, and a probe that was answered |

Both also occur in CLOSE_WAIT, where this end may still send.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.doctor.facts import (
    Facts,
    FlaggedSocket,
    RuleContext,
    moved_by,
    unmap_ipv4,
)
from tcpstates.doctor.findings import Finding, NotExamined, Severity
from tcpstates.doctor.links import Links
from tcpstates.doctor.owner_groups import OwnerGroup
from tcpstates.doctor.phrases import (
    ending,
    listing,
    local_peer_lines,
    no_process_note,
    owner_filter,
    percent,
    remote_peers,
    route_commands,
)
from tcpstates.doctor.probes import PeerHost, ProbedSocket, answer_line, probed_sockets
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.settings import KernelSettings
from tcpstates.states import TcpState
from tcpstates.text import format_bytes, format_ms
from tcpstates.wording import counted, plural

_ESTABLISHED = str(TcpState.ESTABLISHED)
_SYN_BYTE = 1  # tcpi_bytes_acked counts the SYN of a client


class UnresponsivePeerRule(Rule):
    """Connections whose data the peer does not acknowledge, or does not accept."""

    states = frozenset({_ESTABLISHED, str(TcpState.CLOSE_WAIT)})

    def __init__(self, context: RuleContext) -> None:
        super().__init__(context)
        self._silent: list[FlaggedSocket] = []
        self._only_opened: set[FlaggedSocket] = set()  # only the SYN was acknowledged
        self._probed: list[ProbedSocket] = []
        self._established = 0  # also those that a filter leaves out

    def observe(self, state_label: str, batch: Batch) -> None:
        """Collect suspicious sockets: see `Rule`."""
        limits = self._context.thresholds
        timers = batch.column("timer")
        if "retransmit" in timers:
            tries = zip(timers, batch.column("retransmits"), strict=True)
            least = limits.retransmits
            silent = [t == "retransmit" and (n or 0) >= least for t, n in tries]
            chosen = batch.select(silent)
            sockets = list(self._context.sockets(chosen))
            self._silent += sockets
            acked = chosen.column("info.bytes_acked")
            self._only_opened.update(
                socket
                for socket, number in zip(sockets, acked, strict=True)
                if number is not None and number <= _SYN_BYTE
            )
        self._probed += probed_sockets(self._context, batch)

    def flagged(self) -> Iterator[FlaggedSocket]:
        """Yield all collected sockets."""
        yield from self._silent
        for each in self._probed:
            yield each.socket

    def wants_second_pass(self) -> bool:
        """Whether a filter hides of how many connections these are a share."""
        return self._context.is_filtered and bool(self._silent or self._probed)

    def second_pass(self, batch: Batch) -> None:
        """Count the established connections: see `Rule`."""
        self._established += batch.column("state_label").count(_ESTABLISHED)

    def unanswered(self) -> Iterator[FlaggedSocket]:
        """Yield the sockets whose data or probes nobody acknowledges: see `Rule`."""
        yield from self._silent
        for each in self._probed:
            if each.peer is PeerHost.SILENT:
                yield each.socket

    def find(self, facts: Facts, links: Links) -> Iterator[Outcome]:
        """Yield a finding per problem and process."""
        is_blind = Capability.TIMERS in self._context.missing
        if facts.counted.get(_ESTABLISHED) and is_blind:
            text = "peers that do not answer (timers not reported by the source)"
            yield NotExamined(rule="silent-peer", text=text)
        silent = [s for s in self._silent if links.full_queue(s) is None]
        gone = links.silent_addresses()
        full: list[FlaggedSocket] = []
        known = {each.socket: each for each in self._probed}
        for each in self._probed:
            # What has not been probed often enough is as the rest of that address.
            host, address = each.peer, unmap_ipv4(each.socket.remote_address)
            if host is PeerHost.SILENT or (
                host is PeerHost.UNKNOWN and address in gone
            ):
                silent.append(each.socket)
            else:
                full.append(each.socket)
        unfinished = dict(links.unfinished)
        for owner, sockets in facts.by_owner(silent, join_workers=True).items():
            addresses = {unmap_ipv4(socket.remote_address) for socket in sockets}
            # Each address once, although several processes may have lost it.
            closing = sum(unfinished.pop(address, 0) for address in addresses)
            yield self._silent_peers(facts, links, owner, sockets, closing)
        for owner, sockets in facts.by_owner(full, join_workers=True).items():
            yield self._zero_window(facts, owner, [known[each] for each in sockets])

    def _grade(self, facts: Facts, sockets: Sequence[FlaggedSocket]) -> Severity:
        """Distinguish servers that this host depends on from clients that went away.

        A single server that this host has connected to is enough for a warning.
        """
        number, listening = len(sockets), self._context.listening
        has_connected = any(s.local_port not in listening for s in sockets)
        whole = self._established or facts.counted.get(_ESTABLISHED)
        share = percent(number * 100, whole) or 0
        limits = self._context.thresholds
        least = limits.share_percent if has_connected else limits.clients_percent
        enough = has_connected or number >= limits.pool_count
        is_many = share >= least * 100
        return Severity.WARNING if is_many and enough else Severity.NOTICE

    def _silent_peers(
        self,
        facts: Facts,
        links: Links,
        owner: OwnerGroup,
        sockets: Sequence[FlaggedSocket],
        closing: int,
    ) -> Finding:
        number = len(sockets)
        tries, probes = (
            max((s.retransmits or 0 for s in sockets if s.timer == timer), default=0)
            for timer in ("retransmit", "probe")
        )
        queued = sum(socket.send_q or 0 for socket in sockets)
        unanswered = []
        if tries:
            unanswered.append(f"data resent up to {tries} times")
        if probes:
            unanswered.append(f"up to {counted(probes, 'probe')} unanswered")
        return Finding(
            rule="silent-peer",
            subject=owner.subject,
            severity=self._grade(facts, sockets),
            size=number,
            verdict=f"{owner.does('sends and gets', 'send and get')} no answer:"
            f" {counted(number, 'connection')}",
            evidence=(
                f"{'; '.join(unanswered)}; {format_bytes(queued)} not acknowledged",
                *((_closing_line(closing),) if closing else ()),
                *local_peer_lines(facts, sockets, "yet nothing is acknowledged"),
            ),
            numbers={
                "sockets": number,
                "retransmits": max(tries, probes),
                "send_q": queued,
                "closing": closing,
            },
            means=f"{self._cause(links, sockets)} The kernel gives up after"
            f" {_tries(self._context.settings)}; only then does the program learn of"
            " it.",
            commands=(
                listing(
                    "-tanpoi retrans '>' 0", number=number, end=owner_filter(owner)
                ),
                *route_commands(links, sockets[0].remote_address),
            ),
            advice=("in the program: TCP_USER_TIMEOUT ends such connections sooner",),
            last_resort=ending(
                "retrans '>=' {}", self._context.thresholds.retransmits, owner=owner
            ),
            unless="one of many clients that went away, as mobile clients do",
            processes=facts.processes(owner),
            no_process=no_process_note(facts, owner),
            peers=remote_peers(sockets, with_port=True),
        )

    def _cause(self, links: Links, sockets: Sequence[FlaggedSocket]) -> str:
        """Say what explains the silence, as far as the sockets show it."""
        listening = self._context.listening
        if all(
            socket in self._only_opened and socket.local_port not in listening
            for socket in sockets
        ):
            return (
                "Only the SYN was ever acknowledged. A full accept queue of the peer"
                " explains that, a lost last ACK of the handshake, or a path that drops"
                " large segments."
            )
        if all(links.is_here(unmap_ipv4(s.remote_address)) for s in sockets):
            return (
                "The peers are on this host: look for a packet filter, or an accept"
                " queue that was full."
            )
        return "The path is broken, or the peer's host is gone."

    def _zero_window(
        self, facts: Facts, owner: OwnerGroup, probed: Sequence[ProbedSocket]
    ) -> Finding:
        sockets = [each.socket for each in probed]
        number = len(sockets)
        longest = max(socket.since_ms for socket in sockets)
        lasts = f" for at least {format_ms(longest)}" if longest else ""
        queued = sum(socket.send_q or 0 for socket in sockets)
        blame = "the side that does not read is at fault, not the sender"
        return Finding(
            rule="zero-window",
            subject=owner.subject,
            severity=self._grade(facts, sockets)
            if longest >= self._context.thresholds.zero_window_long_ms
            else Severity.NOTICE,
            size=number,
            verdict=f"{owner} cannot send: the peers of"
            f" {counted(number, 'connection')} accept no data{lasts}",
            evidence=(
                (
                    f"{format_bytes(queued)} wait to be sent; the probe timer runs: the"
                    " peers' windows are zero"
                ),
                answer_line(probed),
                *local_peer_lines(facts, sockets, blame),
            ),
            numbers={"sockets": number, "send_q": queued, "longest_ms": int(longest)},
            means=_means(probed),
            commands=(
                listing(
                    "-tanpoi timer = probe", number=number, end=owner_filter(owner)
                ),
            ),
            advice=(
                "at the peer: tcpstates -tanp recv-q '>' 0",
                "in the program: set a timeout for sending",
            ),
            last_resort=ending("timer = probe", owner=owner),
            unless="a peer that reads slowly on purpose, as a paused player does",
            processes=facts.processes(owner),
            no_process=no_process_note(facts, owner),
            peers=remote_peers(sockets, with_port=True),
            moved=moved_by(sockets),
        )


def _closing_line(number: int) -> str:
    sockets, get = counted(number, "closing socket"), plural(number, "gets", "get")
    return f"{sockets} to the same addresses {get} no answer either"


def _means(probed: Sequence[ProbedSocket]) -> str:
    """Say what is at fault only if every peer's host is known to answer."""
    if all(each.peer is PeerHost.ANSWERS for each in probed):
        return (
            "The peers' programs do not read the data that have arrived, or read them"
            " slowly. Their hosts answer, so nothing on this host ends the connections."
        )
    return (
        "The peers had no room for more data when they last answered. Their programs do"
        " not read, or their hosts are gone: unanswered probes will show it."
    )


def _tries(settings: KernelSettings) -> str:
    if not settings.is_known:
        return "tcp_retries2 tries (15, the default, take a quarter of an hour)"
    number = settings.retries2
    return f"{number} tries (tcp_retries2; 15 take a quarter of an hour)"
