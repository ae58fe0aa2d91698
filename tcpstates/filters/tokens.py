r"""Split a filter into words, as a shell and ss would, and write values back.

Words end at white space, parentheses and operators, so `(dport=:443)` needs no
spaces. What stands in single quotes is taken as it is; in double quotes the
escapes of a listing (`\x1b`, `\n`, `\"`, `\\`) mean what they mean there, so a name
can be copied from one. Outside of quotes a backslash takes the next character as
it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tcpstates.errors import FilterSyntaxError

_TOKEN = re.compile(
    r"""\s+
    |(?P<symbol>[()] | && | \|\| | == | != | !~ | <= | >= | [=<>~!&|])
    |"(?P<double>(?:\\.|[^"\\])*)"
    |'(?P<single>[^']*)'
    |(?P<open>["'])
    |(?P<bare>(?:\\.|[^\s()=<>~!&|"'\\]|(?<=[^\s()=<>~!&|,"'])["'])+)
    |(?P<rest>.)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U(00[01][0-9a-fA-F]{5})|([nrt\"\\]))"
)
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_PLAIN = re.compile(r"[\w.:/@+%*\[\]-]+", re.ASCII)
# What joins conditions, in ss's spellings too; in lower case.
NOT, AND, OR = ("!", "not"), ("&", "&&", "and"), ("|", "||", "or")
_JOINING = frozenset({*NOT, *AND, *OR})


class Word(NamedTuple):
    """A word of the filter, and where it stands in the whole text."""

    text: str
    start: int
    end: int
    symbol: bool = False  # a parenthesis or an operator
    quoted: bool = False  # never a key, a state or an operator
    argument: str | None = None  # the whole argument that this word begins

    def among(self, spellings: Sequence[str]) -> bool:
        """Tell whether this is one of these connecting words."""
        return not self.quoted and self.text.lower() in spellings


class Words:
    """The words of a filter, taken one by one."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.text = " ".join(arguments)  # which every position refers to
        self._words: list[Word] = []
        self._next = 0
        start = 0
        for argument in arguments:
            self._words += self._split(argument, start)
            start += len(argument) + 1

    def peek(self, ahead: int = 0) -> Word | None:
        """Return a word that comes, None behind the last one."""
        place = self._next + ahead
        return self._words[place] if place < len(self._words) else None

    def comes(self, spellings: Sequence[str], ahead: int = 0) -> bool:
        """Tell whether one of these connecting words comes."""
        word = self.peek(ahead)
        return word is not None and word.among(spellings)

    def take(self) -> Word:
        """Return the word that comes, and go on behind it."""
        self._next += 1
        return self._words[self._next - 1]

    def take_argument(self, argument: str) -> list[Word]:
        """Return all words of the argument that the next one begins."""
        words = [self.take()]
        end = words[0].start + len(argument)
        while (word := self.peek()) is not None and word.start < end:
            words.append(self.take())
        return words

    def start_again(self) -> None:
        """Go back to the first word."""
        self._next = 0

    def error(self, problem: str, *words: Word | None) -> FilterSyntaxError:
        """Return an error that points at words; None: behind the last one."""
        first, last = words[0], words[-1]
        if first is None or last is None:
            end = len(self.text)
            return FilterSyntaxError(problem, self.text, (end, end + 1))
        return FilterSyntaxError(problem, self.text, (first.start, last.end))

    def _split(self, argument: str, offset: int) -> list[Word]:
        words: list[Word] = []
        for found in _TOKEN.finditer(argument):
            start, end = offset + found.start(), offset + found.end()
            whole = argument if not found.start() else None
            match found.lastgroup:
                case "symbol":
                    word = Word(found.group(), start, end, symbol=True, argument=whole)
                    words.append(word)
                case "bare":
                    text = re.sub(r"\\(.)", r"\1", found.group(), flags=re.DOTALL)
                    escaped = text != found.group()
                    words.append(Word(text, start, end, quoted=escaped, argument=whole))
                case "double":
                    text = unescape(found["double"])
                    words.append(Word(text, start, end, quoted=True, argument=whole))
                case "single":
                    text = found["single"]
                    words.append(Word(text, start, end, quoted=True, argument=whole))
                case "open":
                    raise FilterSyntaxError(
                        f"a quotation mark without its second: {found.group()}",
                        self.text,
                        (start, end),
                    )
                case "rest":  # a backslash at the very end
                    words.append(Word(found.group(), start, end, quoted=True))
                case _:
                    pass  # white space
        return words


def unescape(text: str) -> str:
    """Return what escapes stand for; those that are none are left as they are."""

    def character(found: re.Match[str]) -> str:
        if found[1]:
            code = int(found[1], 16)
            return chr(code if code < 0x80 else 0xDC00 + code)  # surrogateescape
        if found[4]:
            return _CONTROLS[found[4]]
        code = int(found[2] or found[3], 16)
        return chr(code) if code < 0x110000 else found[0]

    return _ESCAPE.sub(character, text)


def quote(text: str) -> str:
    """Return a value as it can stand in a filter: bare where it may, or in quotes."""
    if _PLAIN.fullmatch(text) and text.lower() not in _JOINING:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
