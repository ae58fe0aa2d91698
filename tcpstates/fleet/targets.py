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
# Programs whose `exec` passes standard input on only with -i, and their options with a
# value, after which the name of the place follows.
_EXEC = frozenset({"docker", "podman", "nerdctl", "kubectl", "oc"})
_VALUED = {
    *("-u", "--user", "-e", "--env", "--env-file", "-w", "--workdir", "--detach-keys"),
    *("-n", "--namespace", "-c", "--container", "--context", "--kubeconfig"),
}
# Programs that run another one, so that what they are given may be ssh.
_WRAPPERS = frozenset({"sudo", "env", "doas", "sshpass", "timeout", "nice", "torsocks"})
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
    ssh: tuple[str, ...] = ()  # the program and options of --ssh; empty with --via

    def arguments(self, words: Sequence[str]) -> list[str]:
        """Return the whole command that runs some words there, without a shell here."""
        inner = ["sudo", "-n", *words] if self.sudo else list(words)
        prefix = self.connecting()
        return [*prefix, shlex.join(inner)] if self.has_shell else [*prefix, *inner]

    def connecting(self) -> list[str]:
        """Return the command with ssh's options for sharing a connection.

        It runs `ssh -G` (7 ms), whose answer can differ from host to host.
        """
        if not self.ssh:
            return list(self.command)
        *options, dashes, place = self.command
        return [*options, *multiplexing_options(self.ssh, place), dashes, place]


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
    program = _words(ssh, "--ssh")
    patience = f"ConnectTimeout={max(1, round(seconds))}"
    found: dict[object, Target] = {}
    for name in _names(hosts):
        user, host, port = _parts(name)
        place = f"{user}@{host}" if user else host
        chosen = ("-p", port) if port else ()
        target = Target(
            name.removeprefix(_SSH_URL).rstrip("/"),
            (*program, *_SSH_FIXED, "-o", patience, *chosen, "--", place),
            shlex.join([*program, *chosen, place]),
            shlex.join([*([] if ssh == "ssh" else ["--ssh", ssh]), "--host", name]),
            has_shell=True,
            sudo=sudo,
            ssh=tuple(program),
        )
        found.setdefault((user, host.lower(), port), target)
    names = {target.name for target in found.values()}
    for prefix in via:
        target = _through(prefix, _words(prefix, "--via"), sudo=sudo)
        if target.name in names and target.shown not in found:  # web-0 in two clusters
            target = target._replace(name=target.shown)
        names.add(target.name)
        found.setdefault(target.shown, target)
    if len(found) > _MOST_HOSTS:
        raise ArgumentError(f"{len(found)} hosts; at most {_MOST_HOSTS} can be asked")
    if not found:
        raise ArgumentError("--host: no host named")
    return list(found.values())


def _through(prefix: str, words: list[str], *, sudo: bool) -> Target:
    """Make the target of a prefix, named after its place."""
    named = [word for word in words[1:] if not word.startswith("-")]
    if not named:
        raise ArgumentError(
            f"--via '{prefix}': no place named; for example --via 'docker exec web'"
        )
    name, programs = named[-1], [word.rpartition("/")[2] for word in words]
    place = programs.index("exec") if "exec" in programs else 0
    if not _EXEC.isdisjoint(programs[:place]):
        options, name = _options_of(words[place + 1 :], name)
        if not any(map(_PASSES_INPUT.fullmatch, options)):
            words = [*words[: place + 1], "-i", *words[place + 1 :]]
    shown = shlex.join(words)
    first = next((p for p in programs if p not in _WRAPPERS), "")
    return Target(
        name,
        tuple(words),
        shown,
        shlex.join(["--via", shown]),
        has_shell=first == "ssh",  # it joins its arguments to one text, for a shell
        sudo=sudo,
    )


def _options_of(words: Sequence[str], name: str) -> tuple[list[str], str]:
    """Return the options before the name of a place, and that name."""
    options: list[str] = []
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            return options, word
        options.append(word)
        if word in _VALUED:
            next(rest, None)
    return options, name


def _words(text: str, option: str) -> list[str]:
    if not text.isprintable():
        raise ArgumentError(f"{option}: control characters in '{sanitise(text)}'")
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ArgumentError(f"{option} '{text}': {error}") from error
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
    most = _MOST_HOSTS * _LONGEST
    try:
        if path == "-":
            text = "" if sys.stdin is None else sys.stdin.read(most + 1)
        else:
            with open(path, encoding="utf-8-sig", errors="surrogateescape") as stream:
                text = stream.read(most + 1)
    except OSError as error:
        problem = f"--host @{sanitise(path)}: cannot be read: {error.strerror}"
        raise ArgumentError(problem) from error
    if len(text) > most:
        raise ArgumentError(f"--host @{sanitise(path)}: too large for a list of hosts")
    for number, line in enumerate(text.splitlines(), 1):
        for name in line.partition("#")[0].replace(",", " ").split():
            try:
                _parts(name)
            except ArgumentError as error:
                raise ArgumentError(
                    f"{error} ({sanitise(path)}, line {number})"
                ) from error
            yield name


def _parts(name: str) -> tuple[str, str, str]:
    """Return the user, the host and the port of a name; empty where there is none."""
    is_short = len(name) <= _LONGEST
    found = (
        _NAME.fullmatch(name.removeprefix(_SSH_URL).rstrip("/")) if is_short else None
    )
    if found is None:
        shown = sanitise(name if is_short else f"{name[:40]}...")
        hint = "; names begin with a letter or digit" if name[:1] == "-" else ""
        raise ArgumentError(
            f"--host: '{shown}' is no host name{hint}; use [USER@]HOST[:PORT] or @FILE"
        )
    port = found["port"] or ""
    if port and not 0 < int(port) <= 65_535:
        raise ArgumentError(f"--host: port {port} of '{name}' is out of range")
    return found["user"] or "", found["ipv6"] or found["host"] or found["bare"], port
