"""The hosts that --host and --via name, and the commands that reach them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import NamedTuple

from tcpstates.errors import ArgumentError
from tcpstates.fleet.host_names import MOST_HOSTS, host_names, parts_of, shown_name
from tcpstates.fleet.multiplexing import multiplexing_options
from tcpstates.fleet.via import read_prefix, words_of

_SSH_FIXED = (
    *("-T", "-a", "-x"),  # no terminal, and nothing of ours for the far side
    *("-o", "BatchMode=yes"),
    *("-o", "ClearAllForwardings=yes"),
    *("-o", "PermitLocalCommand=no"),
)


class Target(NamedTuple):
    """A host, and how a command is run on it."""

    name: str  # as the user has named it
    command: tuple[str, ...]  # what precedes the command that runs there
    shown: str  # the same, for commands that people type
    option: str  # what names it on our own command line
    shells: int  # that read what runs there, one after another; 0: it is words
    sudo: bool = False
    ssh: tuple[str, ...] = ()  # the program and options of --ssh; empty with --via
    seconds: float = 10  # the longest time that connecting may take

    def arguments(self, words: Sequence[str]) -> list[str]:
        """Return the whole command that runs some words there, without a shell here."""
        inner = ["sudo", "-n", *words] if self.sudo else list(words)
        prefix = self.connecting()
        if not self.shells:
            return [*prefix, *inner]
        text = shlex.join(inner)
        for _ in range(self.shells - 1):
            text = shlex.quote(text)
        return [*prefix, text]

    def typed(self, command: str) -> str:
        """Return what a person types here to run a command there."""
        if not self.shells:
            command = f"sh -c {shlex.quote(command)}"
        for _ in range(self.shells):
            command = shlex.quote(command)
        return f"{self.shown} {command}"

    def connecting(self) -> list[str]:
        """Return the command with ssh's options for sharing a connection.

        It runs `ssh -G` (7 ms), whose answer can differ from host to host.
        """
        if not self.ssh:
            return list(self.command)
        *options, dashes, place = self.command
        sharing = multiplexing_options(self.ssh, place, self.seconds)
        return [*options, *sharing, dashes, place]


def find_targets(
    hosts: Sequence[str],
    via: Sequence[str],
    *,
    ssh: str = "ssh",
    seconds: float = 10,
    sudo: bool = False,
) -> list[Target]:
    """Return the targets of --host and --via; raise ArgumentError for a wrong one.

    `seconds`: how long ssh may take to connect. A host that is named twice, in whatever
    spelling, is asked once.
    """
    program = words_of(ssh, "--ssh")
    patience = f"ConnectTimeout={max(1, round(seconds))}"
    found: dict[object, Target] = {}
    for name in host_names(hosts):
        user, host, port = parts_of(name)
        place = f"{user}@{host}" if user else host
        chosen = ("-p", port) if port else ()
        target = Target(
            shown_name(name),
            (*program, *_SSH_FIXED, "-o", patience, *chosen, "--", place),
            shlex.join([*program, *chosen, place]),
            shlex.join([*([] if ssh == "ssh" else ["--ssh", ssh]), "--host", name]),
            shells=1,
            sudo=sudo,
            ssh=tuple(program),
            seconds=seconds,
        )
        found.setdefault((user, host.lower(), port), target)
    names = {target.name for target in found.values()}
    for prefix in via:
        target = _through(prefix, sudo=sudo)
        if target.name in names and target.shown not in found:  # web-0 in two clusters
            target = target._replace(name=target.shown)
        names.add(target.name)
        found.setdefault(target.shown, target)
    if len(found) > MOST_HOSTS:
        raise ArgumentError(f"{len(found)} hosts; at most {MOST_HOSTS} can be asked")
    if not found:
        raise ArgumentError("--host: no host named")
    return list(found.values())


def _through(prefix: str, *, sudo: bool) -> Target:
    """Make the target of a prefix."""
    name, words, shells = read_prefix(prefix)
    shown = shlex.join(words)
    ours = shlex.join(["--via", shown])
    return Target(name, words, shown, ours, shells=shells, sudo=sudo)
