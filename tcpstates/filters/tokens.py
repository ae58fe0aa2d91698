r"""Split a filter into tokens, as a shell and ss would, and quote values.

Tokens end at white space, parentheses and operators, so `(dport=:443)` needs no
spaces. Single quotes preserve the text between them. In double quotes, the escapes
that listings print (`\x1b`, `\n`, `\"`, `\\`) are decoded, so a name can be copied
from a listing. Outside of quotes, a backslash preserves the next character.
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
# The logical operators in lower case, including the spellings of ss.
NOT, AND, OR = ("!", "not"), ("&", "&&", "and"), ("|", "||", "or")
_JOINING = frozenset({*NOT, *AND, *OR})


class Token(NamedTuple):
    """A token of the filter, and its position in the whole text."""

    text: str
    start: int
    end: int
    symbol: bool = False  # a parenthesis or an operator
    quoted: bool = False  # never a key, a state or an operator
    argument: str | None = None  # the whole argument, if this token begins one

    def among(self, spellings: Sequence[str]) -> bool:
        """Check whether this unquoted token has one of these spellings."""
        return not self.quoted and self.text.lower() in spellings


class TokenStream:
    """The tokens of a filter, consumed one by one."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.text = " ".join(arguments)  # which every position refers to
        self._tokens: list[Token] = []
        self._next = 0
        start = 0
        for argument in arguments:
            self._tokens += self._split(argument, start)
            start += len(argument) + 1

    def peek(self, ahead: int = 0) -> Token | None:
        """Return a later token without consuming it; None after the last one."""
        place = self._next + ahead
        return self._tokens[place] if place < len(self._tokens) else None

    def comes(self, spellings: Sequence[str], ahead: int = 0) -> bool:
        """Check whether the next token has one of these spellings."""
        token = self.peek(ahead)
        return token is not None and token.among(spellings)

    def take(self) -> Token:
        """Consume the next token."""
        self._next += 1
        return self._tokens[self._next - 1]

    def take_argument(self, argument: str) -> list[Token]:
        """Consume all tokens of the argument that the next token begins."""
        tokens = [self.take()]
        end = tokens[0].start + len(argument)
        while (token := self.peek()) is not None and token.start < end:
            tokens.append(self.take())
        return tokens

    def start_again(self) -> None:
        """Go back to the first token."""
        self._next = 0

    def error(self, problem: str, *tokens: Token | None) -> FilterSyntaxError:
        """Build an error that points at tokens; None points behind the last one."""
        first, last = tokens[0], tokens[-1]
        if first is None or last is None:
            end = len(self.text)
            return FilterSyntaxError(problem, self.text, (end, end + 1))
        return FilterSyntaxError(problem, self.text, (first.start, last.end))

    def _split(self, argument: str, offset: int) -> list[Token]:
        tokens: list[Token] = []
        for found in _TOKEN.finditer(argument):
            start, end = offset + found.start(), offset + found.end()
            whole = argument if not found.start() else None
            match found.lastgroup:
                case "symbol":
                    token = Token(
                        found.group(), start, end, symbol=True, argument=whole
                    )
                    tokens.append(token)
                case "bare":
                    text = re.sub(r"\\(.)", r"\1", found.group(), flags=re.DOTALL)
                    escaped = text != found.group()
                    tokens.append(
                        Token(text, start, end, quoted=escaped, argument=whole)
                    )
                case "double":
                    text = unescape(found["double"])
                    tokens.append(Token(text, start, end, quoted=True, argument=whole))
                case "single":
                    text = found["single"]
                    tokens.append(Token(text, start, end, quoted=True, argument=whole))
                case "open":
                    raise FilterSyntaxError(
                        f"unterminated quote: {found.group()}",
                        self.text,
                        (start, end),
                    )
                case "rest":  # a backslash at the very end
                    tokens.append(Token(found.group(), start, end, quoted=True))
                case _:
                    pass  # white space
        return tokens


def unescape(text: str) -> str:
    """Decode escapes; leave invalid ones unchanged."""

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
    """Quote a value for use in a filter, if it needs quotes."""
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
