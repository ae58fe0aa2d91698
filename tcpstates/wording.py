"""Phrases that messages share: suggestions, and numbers with their nouns."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from tcpstates.text import command_line


def nearest(
    name: str, known: Iterable[str], most: int = 2, least: float = 0.6
) -> list[str]:
    """Find the known words that are closest to a misspelled one.

    `least` is difflib's measure of how alike they are, from 0 to 1.
    """
    from difflib import get_close_matches

    return get_close_matches(name.lower(), list(known), n=most, cutoff=least)


def did_you_mean(near: Iterable[str], otherwise: str = "") -> str:
    """Suggest words: "; did you mean X?"; without any, "; OTHERWISE" or nothing."""
    names = list(near)
    if names:
        return f"; did you mean {' or '.join(names)}?"
    return f"; {otherwise}" if otherwise else ""


def plural(number: int, noun: str, nouns: str = "") -> str:
    """Pick the form of a noun for a number: socket, sockets."""
    return noun if number == 1 else nouns or f"{noun}s"


def counted(number: int, noun: str, nouns: str = "") -> str:
    """Write a number with its noun: 1 socket, 5,000 sockets."""
    return f"{number:,} {plural(number, noun, nouns)}"


def missing_package(name: str) -> str:
    """Word that a package of Python is missing, and how to install it beside us.

    A virtual environment may have no pip of its own. The one-file program uses the
    packages of the system.
    """
    package = os.path.dirname(__file__)
    if os.name == "nt":
        python = f'"{sys.executable}"' if " " in sys.executable else sys.executable
        return f"{name} is missing; use: {python} -m pip install {name}"
    if os.path.isdir(package):
        template = "use: python3 -m pip --python {} install {}"
        return f"{name} is missing; {command_line(template, sys.executable, name)}"
    debian = f"python3-{name.replace('_', '-')}"
    return f"{name} is missing; install it for {sys.executable} (Debian: {debian})"
