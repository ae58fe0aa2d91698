"""A wrong filter is told where it is wrong, what was expected and what is near."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.fakes.batches import batch
from support.fakes.lookups import FixedLookup
from tcpstates.errors import FilterSyntaxError
from tcpstates.filters.keys import KEYS, OPERATORS
from tcpstates.filters.parser import parse_filter
from tcpstates.filters.syntax import answer, to_text
from tcpstates.states import state_names

LOOKUP = FixedLookup()


@pytest.mark.parametrize(
    ("text", "marked", "problem"),
    [
        ("clse_wait and dport = 1", "clse_wait", "unknown state or key 'clse_wait'"),
        ("clse_wait and dport = 1", "clse_wait", "did you mean close_wait"),
        ("estab and dprt = 1", "dprt", "did you mean dport"),
        ("state nothing", "nothing", "unknown state 'nothing'; the states are"),
        ("state in listen,clsing", "clsing", "did you mean closing"),
        (
            "state = listen,estab",
            "listen,estab",
            "a list requires `in`: state in listen,estab",
        ),
        ("listen exclude", "", "exclude: expected a state"),
        ("state )", ")", "state: expected a state"),
        ("dport", "", "dport: expected a port or service"),
        ("dport = ''", "''", "missing port; use * for any port"),
        ("dport = :", ":", "missing port"),
        ("src = ''", "''", "missing host; use * for any host"),
        ("src 10.0.0.1:", "10.0.0.1:", "missing port"),
        ("src 10/", "10/", "invalid prefix length '/'; expected /0 to /32"),
        (
            "process ~ 'a{99999999999999}'",
            "'a{99999999999999}'",
            "invalid regular expre",
        ),
        (
            "process ~ '" + "(" * 5000 + ")" * 5000 + "'",
            None,
            "invalid regular expression",
        ),
        ("dport = and", "and", "dport: expected a port or service"),
        ("dport in ,", "", "dport: expected a port or service"),
        (
            "dport ~ 1",
            "~",
            "dport cannot be used with ~; expected = != in not in < <= > >=",
        ),
        ("dport = htps", "htps", "unknown port or service 'htps'; did you mean https"),
        ("dport = 65536", "65536", "port 65536 is out of range; the highest is 65535"),
        ("dport = 080", "080", "invalid port '080'"),
        ("dport = 1-2", "1-2", "a list or range of ports requires `in`: in 1-2"),
        ("dport = 1,2", "1,2", "a list requires `in`: dport in 1,2"),
        ("process = a,b", "a,b", "a list requires `in`: process in a,b"),
        ("pid = 1,2", "1,2", "a list requires `in`: pid in 1,2"),
        ("estab,listen", "estab,listen", "a list requires `in`: state in estab,listen"),
        ("exclude estab,listen", "estab,listen", "state in estab,listen"),
        (
            "state in estab listen",
            "listen",
            "separate list items with commas: in estab,listen",
        ),
        ("dport in (1,2)", "(", "a list takes no parentheses: in 80,443"),
        ("dst in ::1,nosuch", "nosuch", "cannot resolve host 'nosuch'"),
        ("dport not 443", "not", "write `not` before the condition: not dport"),
        ("dport => 443", "=>", "unknown operator; did you mean >=?"),
        ("dport <> 443", "<>", "unknown operator; did you mean !=?"),
        ("recv-q", "", "(in a shell, quote < and >)"),
        ("idle", "", "idle: expected one of < <= > >= (in a shell"),
        ("dev 4294967297", "4294967297", "interface index 4294967297 is out of range"),
        ("user 99999999999", "99999999999", "unknown user '99999999999'"),
        ("recv-q > " + "9" * 310, "9" * 310, "expected a size"),
        ("pid " + "9" * 5000, "9" * 5000, "expected a whole number"),
        ("age > " + "9" * 400 + "s", "9" * 400 + "s", "expected a time"),
        ("dst 1.2.3.4/" + "9" * 5000, "1.2.3.4/" + "9" * 5000, "expected /0 to /32"),
        ("src 1.2.3.4:80-90", "1.2.3.4:80-90", "for a range add sport in 80-90"),
        ("src fe80::1%lo9", "fe80::1%lo9", "unknown interface 'lo9'"),
        ("dst 1.2.3.4 : 443", ":", "write address and port without spaces"),
        ("127.0.0.1", "127.0.0.1", "Write src 127.0.0.1, dst 127.0.0.1 or host"),
        ("dport in 9-3", "9-3", "reversed range; write 3-9"),
        ("dport > *", "*", "expected one port to compare with, not '*'"),
        ("dport < twice", "twice", "service 'twice' has several ports"),
        ("443", "443", "local or remote? Write sport 443, dport 443 or port 443"),
        ("src = 443", "443", "'443' is not an address; for a port, write :443"),
        (
            "src 10.0.0.0/33",
            "10.0.0.0/33",
            "invalid prefix length '/33'; expected /0 to /32",
        ),
        (
            "src 10/255.0.255.0",
            "10/255.0.255.0",
            "netmask /255.0.255.0 is not contiguous",
        ),
        ("src foo/8", "foo/8", "invalid network 'foo'; write it like 10.0.0.0/8"),
        ("src 300.1.1.1", "300.1.1.1", "invalid address '300.1.1.1'"),
        ("src foo.example", "foo.example", "cannot resolve host 'foo.example'"),
        ("src [::1", "[::1", "unclosed bracket"),
        ("src [::1]x", "[::1]x", "unexpected 'x' after address; expected /bits"),
        ("src 1::2:443", "1::2:443", "write [1::2]:443 or [1::2:443]"),
        ("src < 10.0.0.1", "<", "src cannot be used with <; expected = != in not in"),
        ("src 1.2.3.4,5.6.7.8", "1.2.3.4,5.6.7.8", "a list requires `in`: src in"),
        ("dev eth1", "eth1", "unknown interface 'eth1'; did you mean eth0?"),
        ("fwmark 1/2/3", "1/2/3", "expected a whole number, not '2/3'"),
        ("fwmark 0x100000000", "0x100000000", "a firewall mark has 32 bits"),
        ("cgroup /nowhere", "/nowhere", "unknown cgroup '/nowhere'"),
        ("user rot", "rot", "unknown user 'rot'; did you mean root?"),
        ("pid x", "x", "expected a whole number, not 'x'"),
        ("recv-q > big", "big", "expected a size such as 1500, 64k or 1M, not 'big'"),
        ("age > 5", "5", "missing unit; write 5ms, 5s or 5m"),
        ("age > old", "old", "expected a time such as 20ms, 5s or 5m, not 'old'"),
        ("age = 5m", "=", "age cannot be used with =; expected < <= > >="),
        ("age 5m", "5m", "age: expected one of < <= > >="),
        ("timer = foo", "foo", "unknown timer 'foo'; the timers are off retransmit"),
        ("process ~ (", "(", "process: expected a name"),
        ("process ~ '('", "'('", "invalid regular expression '('"),
        ("process ~ [", "[", "invalid regular expression"),
        ("autobound = 1", "=", "autobound cannot be used with =; expected no operator"),
        ("dport = 1 and", "", "expected a condition"),
        ("and dport = 1", "and", "expected a condition"),
        ("dport = 1 or or", "or", "expected a condition"),
        ("( dport = 1", "(", "unclosed parenthesis"),
        ("dport = 1 )", ")", "unmatched closing parenthesis"),
        ("( )", ")", "expected a condition"),
        ("not", "", "expected a condition"),
        ("= 1", "=", "expected a key such as dport or process before ="),
        ("process = 'open", "'", "unterminated quote: '"),
        ("( " * 60 + "listen" + " )" * 60, "(", "nested more than 50 levels deep"),
        ("not " * 2000 + "listen", "not", "nested more than 50 levels deep"),
    ],
)
def test_an_error_points_at_the_word(
    text: str, marked: str | None, problem: str
) -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse_filter([text], LOOKUP)
    start, end = caught.value.span
    assert marked in (None, text[start:end])
    assert problem in str(caught.value)
    assert caught.value.text == text


def test_long_chains_are_not_deep() -> None:
    text = " or ".join(f"dport = {n}" for n in range(5000))
    assert to_text(parse_filter([text], LOOKUP)[0]) == text


PIECES = [*KEYS, *OPERATORS, *state_names(), "not", "and", "or", "&&", "||", "!"]
PIECES += ["(", ")", ",", "443", ":22", "https", "10/8", "[::1]:1", "lo", "5m", "1M"]
PIECES += ["1-9", "nginx", '"a b"', "'", "\\", "peer.example", "0x1/0x2", "root", "*"]


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=6)), max_size=9))
def test_any_text_is_understood_or_pointed_at(words: list[str]) -> None:

    for arguments in (words, [" ".join(words)]):
        try:
            expression, text = parse_filter(arguments, LOOKUP)
        except FilterSyntaxError as error:
            start, end = error.span
        else:
            start, end = 0, 1
            one = batch({"netns": "own", "host": "web1"})
            assert len(answer(expression, one, text)) == 1
            written = to_text(expression)
            assert to_text(parse_filter([written], LOOKUP)[0]) == written
        assert 0 <= start < end <= len(" ".join(arguments)) + 1


def test_ports_beyond_the_last_one() -> None:
    with pytest.raises(FilterSyntaxError) as raised:
        parse_filter(["dport", "=", ":65536"], FixedLookup())
    assert str(raised.value) == "port 65536 is out of range; the highest is 65535"


@pytest.mark.parametrize("text", ["1.2.3.4", "[::1]"])
def test_an_address_alone_lacks_its_side(text: str) -> None:
    with pytest.raises(FilterSyntaxError) as raised:
        parse_filter([text], FixedLookup())
    expected = f"local or remote? Write src {text}, dst {text} or host {text}"
    assert str(raised.value) == expected


def test_a_name_that_begins_with_a_digit_is_still_no_side() -> None:
    with pytest.raises(FilterSyntaxError, match="local or remote"):
        parse_filter(["9abc"], FixedLookup())
    with pytest.raises(FilterSyntaxError, match="unknown state or key 'a9'"):
        parse_filter(["a9"], FixedLookup())
