"""What people type out of other tools' habits, and the command that they mean.

These hints are looked for only after a command line was refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from tcpstates.text import command_line
from tcpstates.wording import nearest

# Long options that people guess, and the command; {} is the value that was given.
_GUESSES = {
    "--port": "tcpstates -tap port = {}",
    "--sport": "tcpstates -tap sport = {}",
    "--dport": "tcpstates -tap dport = {}",
    "--local-port": "tcpstates -tap sport = {}",
    "--remote-port": "tcpstates -tap dport = {}",
    "--pid": "tcpstates -tanp pid = {}",
    "--process": "tcpstates -tanp process = {}",
    "--name": "tcpstates -tanp process = {}",
    "--command": "tcpstates -tanp process = {}",
    "--user": "tcpstates -tanp user = {}",
    "--uid": "tcpstates -tanp user = {}",
    "--state": "tcpstates -ta state {}",
    "--states": "tcpstates -ta state {}",
    "--ip": "tcpstates -ta host {}",
    "--src": "tcpstates -ta src {}",
    "--dst": "tcpstates -ta dst {}",
    "--local": "tcpstates -ta src {}",
    "--remote": "tcpstates -ta dst {}",
    "--interface": "tcpstates -ta dev {}",
    "--device": "tcpstates -ta dev {}",
    "--filter": "tcpstates -ta {}",
    "--interval": "tcpstates -ta -w {}",
    "--repeat": "tcpstates -ta -w {}",
    "--refresh": "tcpstates -ta -w {}",
    "--follow": "tcpstates -ta -w {}",
}
# The same without a value.
_PLAIN_GUESSES = {
    "--listen": "tcpstates -ltnp",
    "--listeners": "tcpstates -ltnp",
    "--established": "tcpstates -ta established",
    "--ports": "tcpstates -ltnp",
    "--follow": "tcpstates -ta -w",
    "--continuous": "tcpstates -ta -w",
}
_REPEAT = "to repeat a listing: tcpstates -ta -w 1"
# Commands that people expect.
_COMMANDS = {
    "watch": _REPEAT,
    "top": _REPEAT,
    "monitor": _REPEAT,
    "list": "to list sockets: tcpstates -ta",
    "listen": "to list listeners: tcpstates -ltnp",
}
_HERE_ONLY = ("kill", "trace", "exporter", "sequence", "tour")  # they use this kernel
_ALIKE = 0.75  # difflib's measure
_TYPOGRAPHY = re.compile("[–—‐‑−“”„‘’‚«»]")  # noqa: RUF001  (that is what it is about)
_NUMBER, _NAME = re.compile(r"\d+"), re.compile(r"[A-Za-z_][\w.+-]*")
_PROTOCOLS = ("tcp", "udp", "tcp4", "udp4", "tcp6", "udp6")
_NO_VALUE = "takes no value"


def guessed_option(option: str, arguments: Sequence[str]) -> str | None:
    """Return the command for a long option that does not exist; None: no idea."""
    name, value = option, ""
    if option in ("--host", "--via") and arguments[0] in _HERE_ONLY:
        there = "ssh -t HOST" if option == "--host" else "COMMAND"
        return (
            f"{arguments[0]} is for this host only; on another, run: {there} tcpstates"
            f" {arguments[0]} ..."
        )
    for argument, following in zip(arguments, [*arguments[1:], "-"], strict=True):
        if argument.startswith(f"{name}="):
            value = argument.partition("=")[2]
        elif argument == name and not following.startswith("-"):
            value = following
    if value and name in _GUESSES:
        return command_line(_GUESSES[name], value)
    if name in _PLAIN_GUESSES:
        return _PLAIN_GUESSES[name]
    return command_line(_GUESSES[name], "...") if name in _GUESSES else None


def guess_for_diagram(option: str) -> str | None:
    """Suggest how to write a picture; None: the option is about something else."""
    if option in ("--format", "--output", "-o", "--png", "--picture"):
        return "to write a picture: tcpstates diagram --svg FILE; a page: --html FILE"
    return None


def guess_for_doctor(option: str, arguments: Sequence[str]) -> str | None:
    """Suggest a filter instead of an option that the doctor lacks; None: no idea."""
    if option == "-p":
        given = arguments[arguments.index("-p") + 1 :] if "-p" in arguments else []
        is_name = given and not _NUMBER.fullmatch(given[0])
        option = "--process" if is_name else "--pid"
        arguments = [option, *given[:1]]
    found = guessed_option(option, arguments)
    return found and re.sub(r"^tcpstates -\w+ ", "tcpstates doctor ", found)


def wrong_turn(
    arguments: Sequence[str], commands: Sequence[str], error: str
) -> str | None:
    """Explain a filter that could not be parsed; None: it is no known habit.

    `error` is what the parser says of it.
    """
    for argument in arguments:
        if _TYPOGRAPHY.search(argument):
            return (
                f"'{argument}' has a dash or a quotation mark of a text, as web pages"
                " have them; type - and ' instead"
            )
    words = [argument for argument in arguments if not argument.startswith("-")]
    for before, word in pairwise(arguments):
        # Where other words follow, it is a filter with some other mistake.
        is_flag = before[:1] == "-" and before[1:2] != "-" and len(before) > 1
        if is_flag and words == [word]:
            found = _after_flag(before, word)
            if found is not None:
                return found
    found = _first_word(words, commands)
    is_name = len(words) == 1 and _NAME.fullmatch(words[0])
    is_unknown = error.startswith("unknown state or key")
    if found is None and is_name and is_unknown and "did you mean" not in error:
        return f"'{words[0]}' is no state or key, and no process has that name"
    return found


def _after_flag(flags: str, word: str) -> str | None:
    """Explain a word behind a flag that takes none, such as `-p 1234`."""
    letter = flags[-1]
    is_number, is_name = _NUMBER.fullmatch(word), _NAME.fullmatch(word)
    if word.lower() in _PROTOCOLS and letter in "pPif":
        return f"-{letter} {_NO_VALUE}; for {word}: {_protocol(word)}"
    match letter:
        case "p" if is_number:
            return f"-p {_NO_VALUE}; for a process: tcpstates -tanp pid = {word}"
        case "p" | "c" if is_name:
            return f"-{letter} {_NO_VALUE}; for a process: tcpstates -tanp" + (
                command_line(" process = {}", word)
            )
        case "u" if is_name:
            return f"-u is UDP; for a user: tcpstates -tanp user = {word}"
        case _ if is_number and letter in "caniotw":
            letters = flags.strip("-").replace("c", "")  # of netstat: continuously
            rest = f" -{letters}" if letters else ""
            return f"an interval? tcpstates{rest} -w {word}"
        case _:
            return None


def _protocol(word: str) -> str:
    """Return the command that lists a protocol, of one family perhaps."""
    family = word[3:]
    return f"tcpstates -an{word[0].lower()}{family}"


def _first_word(words: Sequence[str], commands: Sequence[str]) -> str | None:
    """Explain a word that may be a command, or a key of the shell's making."""
    if len(words) == 1:
        if words[0] in _COMMANDS:
            return _COMMANDS[words[0]]
        near = nearest(words[0], commands, most=1, least=_ALIKE)
        if near:
            return f"no command '{words[0]}'; did you mean tcpstates {near[0]}?"
    for key, value in pairwise(words):
        if key in ("process", "cgroup") and value.startswith("/"):
            rest = " ".join(words[words.index(value) + 1 :])
            return (
                "the shell has replaced ~ by a folder; quote it:"
                f" {command_line('{}', f'{key} ~ {rest}')}"
            )
    return None
