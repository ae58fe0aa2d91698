"""The prefixes that --via takes: commands that run another command in some place."""

from __future__ import annotations

import ntpath
import os
import re
import shlex
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from tcpstates.errors import ArgumentError
from tcpstates.text import sanitise

_PASSES_INPUT = re.compile("-[it]*i[it]*|--interactive|--stdin")
# Programs whose `exec` passes standard input on only with -i, and their options with a
# value, after which the name of the place follows.
_EXEC = frozenset({"docker", "podman", "nerdctl", "kubectl", "oc"})
_VALUED = {
    *("-u", "--user", "-e", "--env", "--env-file", "-w", "--workdir", "--detach-keys"),
    *("-n", "--namespace", "-c", "--container", "--context", "--kubeconfig"),
}
# Programs that run another one, so that what they are given may be ssh.
_WRAPPERS = frozenset({"sudo", "env", "doas", "sshpass", "timeout", "nice", "torsocks"})
_NAME_FOLLOWS = ("-", "--", "-t", "--target")  # as in su - NAME and nsenter -t PID
_TEXT_FOLLOWS = re.compile("-[a-z]*c")  # as in sh -c and su NAME -c


class Prefix(NamedTuple):
    """A command that runs another command, named after its place."""

    name: str
    words: tuple[str, ...]
    shells: int  # that read what it runs, one after another; 0: it is words


def read_prefix(text: str) -> Prefix:
    """Split a prefix into words, and find its place; raise ArgumentError."""
    words = words_of(text, "--via")
    programs = list(map(_program, words))
    exec_at = programs.index("exec") if "exec" in programs else len(programs)
    if len(words) == 1 and programs[0] in {*_EXEC, "ssh"}:
        raise ArgumentError(
            f"--via '{text}': no place named; for example --via 'docker exec web'"
        )
    if not _EXEC.isdisjoint(programs[:exec_at]) and exec_at < len(programs):
        options, name = _options_of(words[exec_at + 1 :])
        if not name:
            raise ArgumentError(f"--via '{text}': no place named after exec")
        if not any(map(_PASSES_INPUT.fullmatch, options)):
            words = [*words[: exec_at + 1], "-i", *words[exec_at + 1 :]]
    else:
        name = _last_name(words) or text
    takes_text = _TEXT_FOLLOWS.fullmatch(words[-1]) is not None
    return Prefix(name, tuple(words), _runs_ssh(words) + takes_text)


def _runs_ssh(words: Sequence[str]) -> bool:
    """Check whether the words after the place are joined to one text, as ssh does.

    Some programs have a command of that name, such as `tailscale ssh`.
    """
    is_wrapped = _program(words[0]) in _WRAPPERS
    before = list(takewhile(lambda word: _program(word) not in _EXEC, words))
    bare = [word for word in before if not word.startswith("-") and "=" not in word]
    programs = [name for name in map(_program, bare) if name not in _WRAPPERS]
    if programs and programs[0].endswith("ssh"):
        return True
    return "ssh" in (bare if is_wrapped else bare[1:2])


def _program(word: str) -> str:
    """Return the name of a program without its folder."""
    if os.name == "nt":
        return ntpath.basename(word).lower().removesuffix(".exe")
    return word.rpartition("/")[2]


def _last_name(words: Sequence[str]) -> str:
    """Return the last word that is no option; empty: it may be an option's value."""
    *before, last = words
    if not before:
        return _program(last)
    if last.startswith("-"):
        return _last_name(before)
    is_value = before[-1].startswith("-") and before[-1] not in _NAME_FOLLOWS
    return "" if is_value else last


def _options_of(words: Sequence[str]) -> tuple[list[str], str]:
    """Return the options before the name of a place, and that name."""
    options: list[str] = []
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            return options, word
        options.append(word)
        if word in _VALUED:
            next(rest, None)
    return options, ""


def words_of(text: str, option: str) -> list[str]:
    """Split a command as a shell does; raise ArgumentError."""
    if not text.isprintable():
        raise ArgumentError(f"{option}: unprintable characters in '{sanitise(text)}'")
    try:
        lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
        lexer.whitespace_split, lexer.commenters = True, ""
        if os.name == "nt":
            lexer.escape = ""  # there it separates folders
        words = list(lexer)
    except ValueError as error:
        raise ArgumentError(f"{option} '{text}': {error}") from error
    if not words:
        raise ArgumentError(f"{option}: empty command")
    return words
