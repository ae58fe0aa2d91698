"""What introductions to TCP teach is found by its command; what is wrong is put right.

Each line has a command, and words that its output contains.
"""

from __future__ import annotations

from functools import cache

import pytest

from conftest import run_command
from tcpstates.lifecycle.words import find_word, join_words, plain

TAUGHT = """
explain tools | netstat -ano lists everything with pids
-h | -l, --listening
explain listen | The kernel waits for SYNs
explain listen | who the server
explain close_wait | the peer has closed; the program on this side has not
explain phases | Opening: the handshake, three segments.
explain phases | Transfer: both sides can send at any time
explain phases | Closing: each direction is closed separately
explain phases | close() frees its descriptor at once; the kernel frees its record when
explain socket | A socket is one end of a connection, or a listener
explain socket | the kernel holds the record
explain syn_sent | has requested a connection and has no answer yet
explain syn_received | the last ACK of the handshake is missing
explain half-open | half-open: a client has sent a SYN
explain established | open: both sides can send
explain established | both, at the same time
explain established | The handshake is complete.
explain fin_wait_1 | waits for the ACK of its FIN, or for the peer's FIN
explain fin_wait_2 | waits for the peer's program to close
explain close_wait | The kernel waits for the program's close()
explain closing | the ACK of this side's FIN is missing
explain last_ack | This side waits for the ACK of its FIN.
explain time_wait | the last ACK may have to be resent
explain time_wait | Late segments must not reach a new connection
explain time_wait | the side that closes first
explain time_wait | 2 MSL, twice the maximum segment lifetime
explain time_wait | 4 minutes in the RFC
explain closed | no connection
explain closed | A SYN to a port on which nothing listens is answered with RST
explain socket | passive open, by bind() and listen()
explain socket | The client's port is chosen by its kernel, in connect(): active open
explain handshake | SYN with its initial sequence number, A, which others cannot guess: SYN seq=A
explain handshake | SYN,ACK seq=B ack=A+1
explain handshake | ACK seq=A+1 ack=B+1
explain handshake | Steps 1 and 2 settle the direction from the client to the server
explain handshake | Why three: each side has to tell its number
explain phases | independently of each other (full duplex)
explain termination | Each direction is closed separately, by a FIN and its ACK.
explain termination | That makes three segments
sequence close | The side that closes first ends in TIME_WAIT.
explain busy-port | bind() fails with EADDRINUSE
explain half-closed | half-open and half-closed are different things
explain half-closed | still receives
explain unread-data | (RFC 9293, 3.6.1, asks for it
explain unread-data | Data that arrive after close() also cause a RST.
explain unread-data | the peer must learn that its data were not read
explain reset | A RST does not say whether data were lost
explain unread-data | the peer can still read data that had arrived
explain unread-data | shutdown(SHUT_WR), read until the end of the stream
sequence open | SYN seq=A
explain fin_wait_1 | lasts one round trip
explain whose-fault | FIN_WAIT_2 that stays: the peer's program
explain last_ack | the peer closed first, and now this side has closed, too
explain socket | TCP is reliable: it numbers every byte
explain tools | ss replaces netstat
explain tools | tulpen is easy to remember
explain half-closed | looks ESTABLISHED until something is sent
explain phases | Either side may begin, client or server.
sequence server-closes-first | Now the server has the TIME_WAIT.
sequence close-three-way | CLOSE_WAIT
explain mss | MSL, the maximum segment lifetime
states | LISTENING
explain fin_wait_2 | without a process, 60 s (tcp_fin_timeout)
sequence simultaneous-close | The FINs cross in transit
explain socket | A port is a number from 1 to 65535
explain socket | A port answers only if a program has a socket on it
explain syn_sent | the client; both, when both open at once
explain syn_received | the server; both, when both open at once
sequence open | The listener stays in LISTEN
explain bound | BOUND is not a state of RFC 9293
explain --os windows listen | LISTENING
explain timeout | macOS and the BSDs 75 s, Windows 21 s
explain timeout | Half-open at the server: 63 s
explain timeout | Data without an ACK: about 15 minutes
explain keepalive | after two idle hours (tcp_keepalive_time), then one each 75 s
explain glossary | MSL: maximum segment lifetime
"""
PUT_RIGHT = """
explain myths | "TIME_WAIT lasts 4 minutes."
explain myths | "tcp_fin_timeout shortens TIME_WAIT." No
explain myths | "CLOSE_WAIT times out."
explain myths | "A connection attempt fails after 75 s." On BSD and macOS.
explain myths | "FIN_WAIT_2 lasts 10 minutes." It did in 4.2BSD.
explain myths | "2 MSL is twice the maximum segment length." Lifetime
explain myths | "Half-open means that one side has closed." That is half-closed.
explain myths | "Only clients are in SYN_SENT, only servers in SYN_RECEIVED." Both are
explain myths | "The listener becomes the connection." It stays in LISTEN
explain myths | "A reset loses everything that was sent."
explain myths | "CLOSING and TIME_WAIT follow by a timer."
explain myths | "A developer needs LISTEN, ESTABLISHED and CLOSED only."
explain myths | because TCP does not define them." RFC 9293, 3.3.2, names all eleven
explain myths | "The peer's FIN follows its ACK at once." Only when its program closes
explain close_wait | Only with Send-Q above 0 is it the peer's fault.
explain close_wait | frees descriptors; no tool does
explain close_wait | keepalive or a reset ends the state, but not the leak
explain whose-fault | the peer, which has ended only its own direction, does not read
explain busy-port | if the old server and the new one both set SO_REUSEADDR
explain half-closed | RFC 9293 (3.5.1) uses the word only for a connection one side of which
explain time_wait | A server cannot: a SYN with a higher number
sequence half-close | unless keepalive finds the peer gone
sequence time-wait-reuse | Another host behind the same address translation may have a lower one
"""
LINES = [line for line in (TAUGHT + PUT_RIGHT).splitlines() if line]


@cache
def output(command: str) -> str:
    """Return the words that a command prints."""
    finished = run_command(*command.split(), env={"COLUMNS": "80"})
    assert finished.returncode == 0, finished.stderr
    return " ".join(finished.stdout.split())


@pytest.mark.parametrize("line", LINES)
def test_it_is_told(line: str) -> None:
    command, _, words = line.partition(" | ")
    assert words in output(command)


# What people type, and what the first line of the answer begins with.
WORDS = {
    "handshake": "handshake: ",
    "3-way handshake": "handshake: ",
    "mss": "mss: ",
    "MSL": "mss: ",
    "keepalive": "keepalive: ",
    "backlog": "backlog: ",
    "RST": "reset: ",
    "FIN": "termination: ",
    "orphan": "orphan: ",
    "linger": "linger: ",
    "SO_LINGER": "linger: ",
    "syn flood": "syn-flood: ",
    "port exhaustion": "port-exhaustion: ",
    "timeout": "timeout: ",
    "too many open files": "too-many-files: ",
    "Address already in use": "busy-port: ",
    "connection refused": "connection-refused: ",
    "Connection reset by peer": "reset: ",
    "broken pipe": "broken-pipe: ",
    "ECONNREFUSED": "connection-refused: ",
    "EADDRINUSE": "busy-port: ",
    "EADDRNOTAVAIL": "port-exhaustion: ",
    "ETIMEDOUT": "timeout: ",
    "EPIPE": "broken-pipe: ",
    "EMFILE": "too-many-files: ",
    "10048": "busy-port: ",
    "10054": "reset: ",
    "10060": "timeout: ",
    "10061": "connection-refused: ",
    "No route to host": "unreachable: ",
    "close wait": "CLOSE_WAIT: ",
    "time wait": "TIME_WAIT: ",
    "syn-timeout": "syn-timeout: ",
    "half-close": "half-closed: ",
    "TIME_WAIT reuse": "port-exhaustion: ",
}


@pytest.mark.parametrize("words", WORDS)
def test_every_word_leads_somewhere(words: str) -> None:
    targets = {
        find_word(spelling) for spelling in (words, words.upper(), words.title())
    }
    assert len({plain(str(target)) for target in targets}) == 1
    assert join_words(words.split()) == [words]
    finished = run_command("explain", *words.split())
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith(WORDS[words])


# Lines of logs, and questions.
MESSAGES = {
    "read ECONNRESET": "reset: ",
    "java.net.SocketException: Connection reset": "reset: ",
    "recv() failed (104: Connection reset by peer)": "reset: ",
    "ConnectionResetError: [Errno 104] Connection reset by peer": "reset: ",
    "socket hang up": "reset: ",
    "connect ECONNREFUSED 127.0.0.1:5432": "connection-refused: ",
    "dial tcp 10.0.0.1:80: connect: connection refused": "connection-refused: ",
    "write EPIPE": "broken-pipe: ",
    "Error: listen EADDRINUSE: address already in use :::3000": "busy-port: ",
    "errno 98": "busy-port: ",
    "connect EADDRNOTAVAIL 10.0.0.5:80": "port-exhaustion: ",
    "dial tcp: i/o timeout": "timeout: ",
    "context deadline exceeded": "timeout: ",
    "504 Gateway Timeout": "waiting: ",
    "accept4: too many open files": "too-many-files: ",
    "too many CLOSE_WAIT": "CLOSE_WAIT: ",
    "how do I get rid of TIME_WAIT": "TIME_WAIT: ",
    "peer": "glossary: ",
}


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_leads_to_what_it_means(message: str) -> None:
    for words in (message.split(), [message]):
        finished = run_command("explain", *words)
        assert finished.returncode == 0, finished.stderr
        assert finished.stdout.startswith(MESSAGES[message])


def test_several_words_are_several_answers() -> None:
    text = run_command(
        "explain", "close", "wait", "connection", "refused", "mss"
    ).stdout
    firsts = [line.split(":")[0] for line in text.splitlines() if ": " in line[:24]]
    assert {"CLOSE_WAIT", "connection-refused", "mss"} <= set(firsts)
