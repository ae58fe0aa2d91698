"""The hosts that --host and --via name, and the commands that reach them.

A name ends up in the arguments of ssh, and in the commands that ssh's own configuration
builds of it (ProxyCommand with %h). So it may only have the characters of names.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tcpstates.errors import ArgumentError
from tcpstates.fleet.multiplexing import multiplexing_options
from tcpstates.text import sanitise

_MOST_HOSTS = 10_000
_LONGEST = 300  # characters of a name
_NAME = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][\w.+\\-]{0,63})@)?"
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]"
    r"|(?P<host>[A-Za-z0-9_](?:[\w.-]*\w)?)"
    r"|(?P<bare>[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[\w.-]+)?))"
    r"(?::(?P<port>\d{1,5}))?",
    re.ASCII,
)
_PASSES_INPUT = re.compile("-[it]*i[it]*|--interactive|--stdin")
_SSH_URL = "ssh://"
# Programs whose `exec` passes standard input on only with -i.
_EXEC = frozenset({"docker", "podman", "nerdctl", "kubectl", "oc", "lxc-attach"})
# The end of what a user types, before the command that runs there.
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
    has_shell: bool  # that command is one text for a shell; else it is words
    sudo: bool = False

    def arguments(self, words: Sequence[str]) -> list[str]:
        """Return the whole command that runs some words there, without a shell here."""
        inner = ["sudo", "-n", *words] if self.sudo else list(words)
        return (
            [*self.command, shlex.join(inner)]
            if self.has_shell
            else [
                *self.command,
                *inner,
            ]
        )


def find_targets(
    hosts: Sequence[str],
    via: Sequence[str],
    *,
    ssh: str = "ssh",
    seconds: float = 10,
    sudo: bool = False,
) -> list[Target]:
    """Return the targets of --host and --via; raise ArgumentError for a wrong one.

    `seconds`: how long ssh may take to connect. Each host is named once.
    """
    program = _words(ssh, "--ssh")
    options: tuple[str, ...] = (
        *_SSH_FIXED,
        "-o",
        f"ConnectTimeout={max(1, round(seconds))}",
    )
    options += multiplexing_options()
    found: dict[str, Target] = {}
    for name in _names(hosts):
        user, host, port = _parts(name)
        place = f"{user}@{host}" if user else host
        chosen = ("-p", port) if port else ()
        command = (*program, *options, *chosen, "--", place)
        found[name] = Target(
            name,
            command,
            shlex.join([*program, *chosen, place]),
            shlex.join([*_ssh_option(ssh), "--host", name]),
            has_shell=True,
            sudo=sudo,
        )
    for prefix in via:
        words = _words(prefix, "--via")
        target = _through(prefix, words, sudo=sudo)
        if target.name in found:  # web-0 in two clusters
            target = target._replace(name=" ".join(words))
        found[target.name] = target
    if len(found) > _MOST_HOSTS:
        raise ArgumentError(f"{len(found)} hosts; at most {_MOST_HOSTS} can be asked")
    if not found:
        raise ArgumentError("--host: no host named")
    return list(found.values())


def _through(prefix: str, words: list[str], *, sudo: bool) -> Target:
    """Make the target of a prefix; its name is the last word that is no option."""
    named = [word for word in words[1:] if not word.startswith("-")]
    if not named:
        raise ArgumentError(
            f"--via '{sanitise(prefix)}': no place named; for example"
            " --via 'docker exec web'"
        )
    program = words[0].rpartition("/")[2]
    if program in _EXEC and "exec" in words:
        place = words.index("exec") + 1
        rest = words[place:]
        options = rest[: rest.index("--")] if "--" in rest else rest
        if not any(map(_PASSES_INPUT.fullmatch, options)):
            words = [*words[:place], "-i", *rest]
    shown = shlex.join(words)
    return Target(
        named[-1],
        tuple(words),
        shown,
        shlex.join(["--via", shown]),
        # ssh joins its arguments to one text, for a shell there.
        has_shell=any(word.rpartition("/")[2] == "ssh" for word in words),
        sudo=sudo,
    )


def _ssh_option(ssh: str) -> list[str]:
    return [] if ssh == "ssh" else ["--ssh", ssh]


def _words(text: str, option: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ArgumentError(f"{option} '{sanitise(text)}': {error}") from error
    if not words:
        raise ArgumentError(f"{option}: empty command")
    return words


def _names(hosts: Sequence[str]) -> Iterator[str]:
    """Yield the names in lists such as web1,web2 and in files such as @hosts."""
    for text in hosts:
        for part in text.split(","):
            name = part.strip()
            if name.startswith("@"):
                yield from _names_in(name[1:])
            elif name:
                yield name


def _names_in(path: str) -> Iterator[str]:
    """Yield the names in a file: a line each, after which a comment may follow."""
    try:
        if path == "-":
            lines = sys.stdin.read(_MOST_HOSTS * _LONGEST).splitlines()
        else:
            with open(path, encoding="utf-8", errors="surrogateescape") as stream:
                lines = stream.read(_MOST_HOSTS * _LONGEST).splitlines()
    except OSError as error:
        text = f"--host @{sanitise(path)}: cannot be read: {error.strerror}"
        raise ArgumentError(text) from error
    for line in lines:
        names = line.partition("#")[0].replace(",", " ").split()
        yield from (name for name in names if name)


def _parts(name: str) -> tuple[str, str, str]:
    """Return the user, the host and the port of a name; empty where there is none."""
    found = _NAME.fullmatch(name.removeprefix(_SSH_URL).rstrip("/"))
    if found is None or len(name) > _LONGEST:
        shown = sanitise(name[:_LONGEST])
        hint = "; names begin with a letter or digit" if name[:1] == "-" else ""
        raise ArgumentError(
            f"--host: '{shown}' is no host name{hint}; use [USER@]HOST[:PORT] or @FILE"
        )
    port = found["port"] or ""
    if port and not 0 < int(port) <= 65_535:
        raise ArgumentError(f"--host: port {port} of '{name}' is out of range")
    return found["user"] or "", found["ipv6"] or found["host"] or found["bare"], port
