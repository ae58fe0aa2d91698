"""What takes strangers' bytes, each as a function that raises only where we are wrong.

`test_fuzz.py` feeds them a bounded number of inputs. To go on for as long as wanted, with
inputs that follow the code's branches (pip install atheris):

    cd tests && python -m support.tools.fuzz TARGET -max_total_time=600 [FOLDER]

An input that was found to be wrong is left in the current folder.
"""

from __future__ import annotations

import io
import json
import os
import struct
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

from support.fakes import diag
from support.fakes.batches import batch
from support.fakes.hostile_saved import own_rows, strange_in
from support.fakes.lookups import FixedLookup
from tcpstates.batch import Batch
from tcpstates.cli.app import run
from tcpstates.collect.names import SystemNames
from tcpstates.columns.registry import COLUMNS
from tcpstates.errors import FilterSyntaxError, ParseError
from tcpstates.filters.bytecode import compile_filter
from tcpstates.filters.parser import parse_filter
from tcpstates.filters.syntax import answer
from tcpstates.parse.inet_diag import DiagDecoder, ends_dump
from tcpstates.parse.proc_net import ProcNetParser
from tcpstates.parse.saved.layouts import FORMATS
from tcpstates.parse.saved.reader import Reader
from tcpstates.parse.saved.rows import to_batches
from tcpstates.parse.tcp_info import parse_tcp_info

Target = Callable[[bytes], None]
_LOOKUP, _NAMES = FixedLookup(), SystemNames(numeric=True)
SAMPLES = Path(__file__).parents[2] / "data"


def _look_at(found: Batch) -> None:
    """Show a batch in every column: a line of text a row, whatever was in it."""
    for column in COLUMNS.values():
        cells = column.values(found, _NAMES)
        assert len(cells) == len(found)
        assert not any(strange_in(cell) for cell in cells if isinstance(cell, str))


def inet_diag(data: bytes) -> None:
    """Take a datagram of the kernel."""
    ends_dump(data)
    for protocol in ("tcp", "udp"):
        decoder = DiagDecoder(protocol, sequence=1, bound=True)
        decoder.port_id = 77
        with suppress(ParseError):
            for found in decoder.decode(data):
                _look_at(found)


def tcp_info(data: bytes) -> None:
    """Take a tcp_info of any length."""
    assert all(isinstance(n, int) for n in parse_tcp_info(data).values())


def proc_net(data: bytes) -> None:
    """Take lines of /proc/net, of either byte order."""
    text = data.decode("ascii", "backslashreplace")
    for family in ("ipv4", "ipv6"):
        for order in ("little", "big"):
            _look_at(ProcNetParser("tcp", family, order).parse(text))


def _saved(format: str | None) -> Target:  # noqa: A002
    def take(data: bytes) -> None:
        """Take what another tool has printed."""
        reader = Reader({"ssh": 22}.get, format=format)
        lines = data.decode("utf-8", "surrogateescape").split("\n")
        rows = [*reader.read(lines), *reader.finish()]
        assert len(rows) == reader.rows
        for found in to_batches(rows):
            _look_at(found)

    return take


def filters(data: bytes) -> None:
    """Take a filter's text."""
    text = data.decode("utf-8", "replace")
    try:
        expression, told = parse_filter([text], _LOOKUP)
    except FilterSyntaxError as error:
        start, end = error.span
        assert 0 <= start < end <= len(text) + 1
        return
    compile_filter(expression)
    assert len(answer(expression, batch({}), told)) == 1


# These wait, look names up on the network, or write where they are told to.
_LEFT_OUT = (
    "--watch",
    "--live",
    "--output",
    "-r",
    "--resolve",
    "--svg",
    "--html",
    "-O",
)


def command_line(data: bytes) -> None:
    """Take arguments, a line each, and a saved listing to look at."""
    arguments = data.decode("utf-8", "replace").split("\n")[:20]
    if any(a.startswith(_LEFT_OUT) or "r" in a[1:3] for a in arguments):
        return
    if arguments[0] in ("tour", "quiz"):  # they read standard input
        return
    saved = str(SAMPLES / "saved/ss/local-tan.txt")
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    errors = io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        code = run([*arguments, "-n", "--from", saved])
    assert code in range(4), code
    if code in (2, 3):
        output.flush()
        told = output.buffer.getvalue().decode()
        is_check = told.startswith("TCPSTATES ")  # a monitor reads standard output
        assert is_check or errors.getvalue().startswith("tcpstates: "), (
            errors.getvalue()
        )


TARGETS: dict[str, Target] = {
    "inet_diag": inet_diag,
    "tcp_info": tcp_info,
    "proc_net": proc_net,
    "saved": _saved(None),
    **{f"saved-{name}": _saved(name) for name in FORMATS},
    "filters": filters,
    "command_line": command_line,
}


def seeds(name: str) -> list[bytes]:
    """Return inputs to begin with."""
    if name == "inet_diag":
        attributes = ((2, bytes(280)), (7, bytes(36)), (15, bytes(4)), (21, bytes(8)))
        many = b"".join(diag.message(n, cookie=n) for n in range(1, 14))
        return [many + diag.done(), diag.message(attributes=attributes), diag.done(2)]
    if name == "tcp_info":
        return [bytes(range(232)), struct.pack("=58I", *range(58))]
    if name == "filters":
        return [
            b"state close-wait and ( dport = :443 or sport != :22 ) dst 10.0.0.0/8",
            b"process ~ 'ng*' or pid = 1,2-9 and not retrans > 3 && age >= 5m",
            b"dev = eth0 fwmark 1/0xff listener :80 recv-q > 1M cgroup = /web",
        ]
    if name == "command_line":
        return [
            b"-tulpen\n--sort\n-state",
            b"--by\nstate,process\n--csv\n--limit\n3",
            b"doctor\n--threshold\nkept=5m\n--json",
            b"check\n-c\nclose_wait=5\n-w\ntotal=10:",
            b"explain\nclose-wait\n--os\nbsd",
            b"--columns\nlocal,age\nstate\nall\n--state-names\nss",
        ]
    folder = SAMPLES / ("procfs" if name == "proc_net" else "saved")
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    found = [path.read_bytes()[:4000] for path in paths if path.suffix != ".md"]
    return found if name == "proc_net" else [*found, *_own_listings()]


def _own_listings() -> list[bytes]:
    """Return our own JSON: a socket per line, all in one object, and spread out."""
    rows = list(own_rows())
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    whole = {"schema": 1, "source": "netlink", "sockets": rows, "limitations": []}
    return [
        lines.encode(),
        json.dumps(whole).encode(),
        json.dumps(whole, indent=2).encode(),
        json.dumps(rows[:2]).encode(),
    ]


def main() -> None:
    """Let atheris find what is wrong with one target."""
    import atheris

    target, *arguments = sys.argv[1:]
    atheris.instrument_all()
    atheris.Setup([sys.argv[0], *arguments], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"TARGET is one of {', '.join(TARGETS)}")
    main()
    os._exit(0)
