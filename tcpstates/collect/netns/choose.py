"""Choose network namespaces by what people call them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tcpstates.collect.netns.door import CannotEnter, open_namespace
from tcpstates.collect.netns.find import Namespace, find_namespaces, own_number
from tcpstates.collect.netns.names import NamespaceNames
from tcpstates.errors import ArgumentError
from tcpstates.wording import did_you_mean, nearest

ALL = "all"


class Choice(NamedTuple):
    """The chosen namespaces and their names, and how many processes were hidden."""

    named: list[tuple[Namespace, str]]
    hidden: int


def choose(wanted: Sequence[str]) -> Choice:
    """Choose by `all`, or by name, container, pid, number or path; our own one first.

    Raise ArgumentError for one that does not exist, or that is something else.
    """
    found = find_namespaces()
    names = NamespaceNames()
    by_number = {each.number: each for each in found.namespaces}
    known = names.names(found.namespaces)
    own = own_number()
    order = sorted(known, key=lambda number: (number != own, known[number], number))
    chosen = [
        number
        for text in wanted
        for number in (order if text == ALL else [_number(text, by_number, known)])
    ]
    named = [(by_number[number], known[number]) for number in dict.fromkeys(chosen)]
    return Choice(named, found.hidden if ALL in wanted else 0)


def _number(
    text: str, by_number: Mapping[int, Namespace], known: Mapping[int, str]
) -> int:
    """Return the number of the namespace that a text means."""
    matching = {number for number, name in known.items() if name == text}
    matching |= {n for n in by_number if text in (str(n), f"net:[{n}]")}
    if not matching:  # a name that several have, without their numbers
        matching = {n for n, name in known.items() if name.startswith(f"{text}@net:[")}
    if text.isdecimal():
        matching |= {n for n, each in by_number.items() if int(text) in each.pids}
    if len(matching) == 1:
        return matching.pop()
    if matching:
        names = ", ".join(sorted(f"net:[{number}]" for number in matching))
        raise ArgumentError(f"'{text}' may be any of these network namespaces: {names}")
    if text.isdecimal():
        raise ArgumentError(f"no process {text} whose network namespace can be seen")
    if "/" in text:
        return _of_file(text, by_number)
    near = did_you_mean(
        nearest(text, set(known.values())),
        "tcpstates -a --netns all --by netns lists them",
    )
    raise ArgumentError(f"unknown network namespace '{text}'{near}")


def _of_file(path: str, by_number: Mapping[int, Namespace]) -> int:
    try:
        descriptor = open_namespace(path)
    except CannotEnter as error:
        raise ArgumentError(f"--netns {path}: {error.strerror}") from error
    try:
        number = os.fstat(descriptor).st_ino
    finally:
        os.close(descriptor)
    if number not in by_number:
        raise ArgumentError(f"--netns {path}: nothing keeps this namespace")
    return number
