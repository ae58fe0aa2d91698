"""A wrong filter is told where it is wrong, what was expected and what is near."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batches import batch
from lookups import FixedLookup
from tcpstates.errors import FilterSyntaxError
from tcpstates.filters.keys import KEYS, OPERATORS
from tcpstates.filters.parser import parse_filter
from tcpstates.filters.syntax import answer, to_text
from tcpstates.states import state_words

LOOKUP = FixedLookup()


@pytest.mark.parametrize(
    ("text", "marked", "problem"),
    [
        ("clse_wait and dport = 1", "clse_wait", "no such state or key: 'clse_wait'"),
        ("clse_wait and dport = 1", "clse_wait", "did you mean close_wait"),
        ("estab and dprt = 1", "dprt", "did you mean dport"),
        ("state nothing", "nothing", "no such state: 'nothing'; the states are"),
        ("state in listen,clsing", "clsing", "did you mean closing"),
        (
            "state = listen,estab",
            "listen,estab",
            "a list takes `in`: state in listen,estab",
        ),
        ("listen exclude", "", "exclude: a state is missing after it"),
        ("state )", ")", "state: a state is missing after it"),
        ("dport", "", "dport: a port or a service is missing here"),
        ("dport = ''", "''", "a port is missing; * is any port"),
        ("dport = :", ":", "a port is missing"),
        ("src = ''", "''", "a host is missing; * is any host"),
        ("src 10.0.0.1:", "10.0.0.1:", "a port is missing"),
        ("src 10/", "10/", "an address has 32 bits: no network /"),
        ("process ~ 'a{99999999999999}'", "'a{99999999999999}'", "no regular expre"),
        ("process ~ '" + "(" * 5000 + ")" * 5000 + "'", None, "no regular expression"),
        ("dport = and", "and", "dport: a port or a service is missing here"),
        ("dport in ,", "", "dport: a port or a service is missing here"),
        ("dport ~ 1", "~", "dport takes = != in not in < <= > >=, not ~"),
        ("dport = htps", "htps", "no such port or service: 'htps'; did you mean https"),
        ("dport = 65536", "65536", "no such port: 65536; the last one is 65535"),
        ("dport = 080", "080", "no such port: '080'"),
        ("dport = 1-2", "1-2", "a list or a range of ports takes `in`: in 1-2"),
        ("dport = 1,2", "1,2", "a list takes `in`: dport in 1,2"),
        ("process = a,b", "a,b", "a list takes `in`: process in a,b"),
        ("pid = 1,2", "1,2", "a list takes `in`: pid in 1,2"),
        ("estab,listen", "estab,listen", "a list takes `in`: state in estab,listen"),
        ("exclude estab,listen", "estab,listen", "state in estab,listen"),
        ("state in estab listen", "listen", "a list has commas: in estab,listen"),
        ("dport in (1,2)", "(", "a list has no parentheses: in 80,443"),
        ("dst in ::1,nosuch", "nosuch", "no such host: 'nosuch'"),
        ("dport not 443", "not", "`not` stands before the condition: not dport"),
        ("dport => 443", "=>", "no such operator; did you mean >=?"),
        ("dport <> 443", "<>", "no such operator; did you mean !=?"),
        ("recv-q", "", "a shell takes < and > away, unless they stand in quot"),
        ("idle", "", "idle: an operator is missing: < <= > >= (a shell takes"),
        ("dev 4294967297", "4294967297", "no such interface: 4294967297"),
        ("user 99999999999", "99999999999", "no such user: '99999999999'"),
        ("recv-q > " + "9" * 310, "9" * 310, "bytes are expected"),
        ("pid " + "9" * 5000, "9" * 5000, "a whole number is expected"),
        ("age > " + "9" * 400 + "s", "9" * 400 + "s", "a time is expected"),
        ("dst 1.2.3.4/" + "9" * 5000, "1.2.3.4/" + "9" * 5000, "an address has 32"),
        ("src 1.2.3.4:80-90", "1.2.3.4:80-90", "sport in 80-90 is apart"),
        ("src fe80::1%lo9", "fe80::1%lo9", "no such interface: 'lo9'"),
        ("dst 1.2.3.4 : 443", ":", "a port stands beside its address"),
        ("127.0.0.1", "127.0.0.1", "Write src, dst or host before it"),
        ("dport in 9-3", "9-3", "a range goes upwards: 3-9"),
        ("dport > *", "*", "a port to compare with is expected"),
        ("dport < twice", "twice", "the service has several ports"),
        ("443", "443", "443: of which side? Write sport, dport or port before it"),
        ("src = 443", "443", "443 is no address; a port is written :443"),
        ("src 10.0.0.0/33", "10.0.0.0/33", "an address has 32 bits: no network /33"),
        ("src 10/255.0.255.0", "10/255.0.255.0", "a netmask without gaps"),
        ("src foo/8", "foo/8", "no address: 'foo'; a network is 10.0.0.0/8"),
        ("src 300.1.1.1", "300.1.1.1", "no address: '300.1.1.1'"),
        ("src foo.example", "foo.example", "no such host: 'foo.example'"),
        ("src [::1", "[::1", "the bracket is not closed"),
        ("src [::1]x", "[::1]x", "after an address comes /bits or :port"),
        ("src 1::2:443", "1::2:443", "Write [1::2]:443 or [1::2:443]"),
        ("src < 10.0.0.1", "<", "src takes = != in not in, not <"),
        ("src 1.2.3.4,5.6.7.8", "1.2.3.4,5.6.7.8", "a list takes `in`: src in"),
        ("dev eth1", "eth1", "no such interface: 'eth1'; did you mean eth0?"),
        ("fwmark 1/2/3", "1/2/3", "a whole number is expected, not '2/3'"),
        ("fwmark 0x100000000", "0x100000000", "a mark has 32 bits"),
        ("cgroup /nowhere", "/nowhere", "no such cgroup: '/nowhere'"),
        ("user rot", "rot", "no such user: 'rot'; did you mean root?"),
        ("pid x", "x", "a whole number is expected, not 'x'"),
        ("recv-q > big", "big", "bytes are expected, as 1500, 64k or 1M, not 'big'"),
        ("age > 5", "5", "a unit is missing: 5ms, 5s, 5m?"),
        ("age > old", "old", "a time is expected, as 20ms, 5s or 5m, not 'old'"),
        ("age = 5m", "=", "age takes < <= > >=, not ="),
        ("age 5m", "5m", "age: an operator is missing: < <= > >="),
        ("timer = foo", "foo", "no such timer: 'foo'; they are off retransmit"),
        ("process ~ (", "(", "process: a name is missing here"),
        ("process ~ '('", "'('", "no regular expression: '('"),
        ("process ~ [", "[", "no regular expression"),
        ("autobound = 1", "=", "autobound takes no value, not ="),
        ("dport = 1 and", "", "a condition is missing here"),
        ("and dport = 1", "and", "a condition is missing here"),
        ("dport = 1 or or", "or", "a condition is missing here"),
        ("( dport = 1", "(", "this parenthesis is not closed"),
        ("dport = 1 )", ")", "there is no parenthesis to close"),
        ("( )", ")", "a condition is missing here"),
        ("not", "", "a condition is missing here"),
        ("= 1", "=", "a key, as dport or process, is missing before ="),
        ("process = 'open", "'", "a quotation mark without its second: '"),
        ("( " * 60 + "listen" + " )" * 60, "(", "nested more than 50 deep"),
        ("not " * 2000 + "listen", "not", "nested more than 50 deep"),
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


PIECES = [*KEYS, *OPERATORS, *state_words(), "not", "and", "or", "&&", "||", "!"]
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
            assert len(answer(expression, batch({}), text)) == 1
            written = to_text(expression)
            assert to_text(parse_filter([written], LOOKUP)[0]) == written
        assert 0 <= start < end <= len(" ".join(arguments)) + 1


def test_ports_beyond_the_last_one() -> None:
    with pytest.raises(FilterSyntaxError) as raised:
        parse_filter(["dport", "=", ":65536"], FixedLookup())
    assert str(raised.value) == "no such port: 65536; the last one is 65535"


@pytest.mark.parametrize("text", ["1.2.3.4", "[::1]"])
def test_an_address_alone_lacks_its_side(text: str) -> None:
    with pytest.raises(FilterSyntaxError) as raised:
        parse_filter([text], FixedLookup())
    assert (
        str(raised.value) == f"{text}: of which side? Write src, dst or host before it"
    )


def test_a_name_that_begins_with_a_digit_is_still_no_side() -> None:
    with pytest.raises(FilterSyntaxError, match="of which side"):
        parse_filter(["9abc"], FixedLookup())
    with pytest.raises(FilterSyntaxError, match="no such state or key: 'a9'"):
        parse_filter(["a9"], FixedLookup())
