"""Pipelines give the same output with tcpstates under the names of ss and netstat.

Both run on the same real sockets, one after the other. Some sockets of the laboratory
are held by a thread with descriptors of its own, whom other tools do not find, so owners
are compared where all tools find one.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from conftest import COMMAND, Finished, Lab, finish
from tcpstates import __version__

needs_tools = pytest.mark.skipif(
    not all(map(shutil.which, ("ss", "netstat", "lsof"))),
    reason="missing: ss, netstat or lsof (Debian: iproute2, net-tools, lsof)",
)

PIPELINES = [
    "ss -tan",
    "ss -tn",
    "ss -ltn",
    "ss -uan",
    "ss -ta -n -H",
    "ss -tuln",
    "ss -4tan",
    "ss -6tan",
    "ss -ltnm",
    "ss -ltnmO",
    "ss -ltne",
    "ss -tan state established",
    "ss -tan state time-wait",
    "ss -nt state close-wait",
    "ss -s | tail -n +3",  # above are counts of all namespaces, which change
    "ss -s | grep -oE 'estab [0-9]+'",
    "ss -A tcp -an",
    "ss -f inet -tan",
    "ss -f inet6 -tan",
    "ss --tcp --all --numeric",
    "ss -tan 'sport > :40000' | wc -l",
    "ss -Htan | awk '{print $4}' | cut -d: -f2 | sort -u",
    "ss -tan | awk '{print $1}' | sort | uniq -c",
    "ss -tan | grep CLOSE-WAIT",
    "ss -tan | grep -c TIME-WAIT",
    "ss -tuln | awk '{print $5}'",
    "ss -tn -p | grep -o 'pid=[0-9]*' | sort | uniq -c",
    "netstat -tan",
    "netstat -tane",
    "netstat -uan",
    "netstat -tun",
    "netstat -ltn",
    "netstat -6tan",
    "netstat -A inet -tan",
    "netstat -n -t -W -a",
    "netstat --tcp --listening --numeric",
    "netstat -ant | awk '{print $6}' | sort | uniq -c",
    "netstat -ntu | awk '{print $5}' | cut -d: -f1 | sort | uniq -c",
    "netstat -n | awk '/^tcp/ {++S[$NF]} END {for (a in S) print a, S[a]}' | sort",
    "netstat -ant | awk '$6==\"CLOSE_WAIT\"' | wc -l",
    "netstat -tan | tail -n +3 | cut -c 68-",
    "netstat -an | grep ':80.*ESTABLISHED' | wc -l",
    "netstat -tan | grep tcp6",
    "netstat -tn | grep FIN_WAIT2",
    "netstat -tanp | awk '$6 == \"ESTABLISHED\" {print $7}' | cut -d/ -f1 | sort -u",
    "lsof -nP -iTCP -sTCP:ESTABLISHED",
    "lsof -nP -iUDP",
    "lsof -nP -i udp",
    "lsof -i UDP@127.0.0.1 -nP",
    "lsof -nP -i6TCP -sTCP:LISTEN",
    "lsof -t -nP -iUDP",
    "lsof -t -i:1 >/dev/null && echo in use || echo free",
    "lsof -P -iUDP",
    "lsof -n -iUDP",
    "lsof -lnP -iUDP",
    "lsof -nP -iTCP@[::1]",
    "lsof -nP -i TCP -i UDP -sTCP:ESTABLISHED | grep -c TCP",
    "lsof -t -a -i -c sharing | sort -u",
    "lsof -nP -a -iTCP -c sharing -sTCP:LISTEN",
    "netstat -l | grep tcp6",
    "netstat --numeric-hosts -ta",
    "netstat --numeric-ports -tl",
    "ss -A inet -n",
    "ss -tinH | grep -o ' cwnd:[0-9]*' | sort | uniq -c",
    "ss -ti | grep retrans | grep -v 'retrans:0/0' | wc -l",
]
# Without times, which differ from one moment to the next, and without the secret of a
# socket, which ss prints, before anything else, and tcpstates does not.
STEADY = (
    "sed -E 's/SECRET[^ ]*KEY//; s/ md5keys:[^ ]*//; s/ +$//;"
    " s/ (last(snd|rcv|ack)|busy|(rwnd|sndbuf)_limited):[^ ]*//g'"
)
PIPELINES += [
    f"ss {flags} | {STEADY}"
    for flags in ("-tani", "-ti", "-tanim", "-tuani", "-tniHO", "-ltni")
]


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the tools' names lead to tcpstates."""
    folder = tmp_path_factory.mktemp("links")
    for name in ("ss", "netstat", "lsof"):
        (folder / name).symlink_to(COMMAND[0])
    return folder


def run(lab: Lab, pipeline: str, path: str) -> Finished:
    return lab.run("env", f"PATH={path}", "sh", "-c", pipeline)


@needs_tools
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_pipelines(lab: Lab, links: Path, pipeline: str) -> None:
    path = os.environ["PATH"]
    theirs = run(lab, pipeline, path)
    for _ in range(5):  # as the sockets themselves change, such as their memory
        before, ours = theirs, run(lab, pipeline, f"{links}:{path}")
        theirs = run(lab, pipeline, path)
        if before.stdout == theirs.stdout:
            break
    else:
        pytest.fail("the sockets do not stay as they are")
    assert (ours.stdout, ours.stderr) == (theirs.stdout, "")
    assert theirs.stdout


_IN_A_RANGE = """
ip link set lo up
echo 1024 6000 > /proc/sys/net/ipv4/ip_local_port_range
"$@"
"""
_SERVICES = """
import socket, subprocess, sys
servers = [socket.create_server(("127.0.0.1", port)) for port in (22, 5432)]
subprocess.run(["sh", "-c", sys.argv[1]])
"""


@needs_tools
@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("ss -tl", "5432"),
        ("netstat -tl", "postgresql"),
        ("lsof -na -p $PPID -i", "postgresql"),
    ],
)
def test_services_at_ports_for_clients(links: Path, command: str, name: str) -> None:
    if finish(["unshare", "-rn", "true"]).returncode:
        pytest.skip("this user may not make namespaces")
    path = f"{links}:{os.environ['PATH']}"
    both = f"{command}; echo =; env PATH={path} {command}"
    inside = ["unshare", "-rn", "sh", "-c", _IN_A_RANGE, "sh"]
    finished = finish([*inside, sys.executable, "-c", _SERVICES, both])
    theirs, _, ours = finished.stdout.partition("=\n")
    assert ours == theirs, finished.stderr
    assert ":ssh " in ours, finished.stderr
    assert f":{name} " in ours


@needs_tools
def test_an_option_does_the_same_as_a_name(lab: Lab, links: Path) -> None:
    named = run(lab, "netstat -tan", f"{links}:{os.environ['PATH']}")
    for option in (("--like", "netstat"), ("--like=netstat",)):
        assert lab.tcpstates(*option, "-tan").stdout == named.stdout
        assert lab.tcpstates("-tan", *option).stdout == named.stdout


@needs_tools
@pytest.mark.parametrize(
    "line",
    [
        "ss --tos -tan",
        "ss --tos -tan 'sport = :22'",
        "ss -tanb",
        "ss -x",
        "netstat -U",
        "netstat -x",
        "lsof /tmp",
        "lsof -p 1",
    ],
)
def test_what_is_left_to_the_tool_names_its_path(
    lab: Lab, links: Path, line: str
) -> None:
    refused = run(lab, line, f"{links}:{os.environ['PATH']}")
    assert (refused.returncode, refused.stdout) == (2, "")
    (text,) = refused.stderr.splitlines()
    programs = [shutil.which(tool) or "" for tool in ("ss", "netstat", "lsof")]
    place = max(text.find(program) for program in programs if program)
    assert place > 0, text
    assert run(lab, text[place:], os.environ["PATH"]).returncode in (0, 1)


@needs_tools
@pytest.mark.parametrize("tool", ["ss", "netstat", "lsof"])
def test_help_and_version_say_that_they_are_ours(
    lab: Lab, links: Path, tool: str
) -> None:
    path = f"{links}:{os.environ['PATH']}"
    shown = run(lab, f"{tool} -h", path).stdout
    assert f"in place of {tool}" in shown
    assert f"The program itself: {shutil.which(tool)}" in shown
    version = run(lab, f"{tool} {'-v' if tool == 'lsof' else '-V'}", path).stdout
    assert version == f"tcpstates {__version__}, in place of {tool}\n"


@needs_tools
def test_a_filter_of_ss_is_read_from_a_file(
    lab: Lab, links: Path, tmp_path: Path
) -> None:
    (tmp_path / "filter").write_text("sport > :40000")
    for line in (f"ss -tan -F {tmp_path}/filter", f"ss -tan -F - < {tmp_path}/filter"):
        theirs = run(lab, line, os.environ["PATH"])
        ours = run(lab, line, f"{links}:{os.environ['PATH']}")
        assert ours.stdout == theirs.stdout
    missing = run(lab, "ss -F /nowhere", f"{links}:{os.environ['PATH']}")
    assert missing.returncode == 2
    assert "/nowhere" in missing.stderr


IPROUTE2_FILTERS = [
    "sport = :{0}",
    "sport = :{0} or sport = :{1}",
    "sport != :{0}",
    "sport > :{0}",
    "( sport = :{0} or dport = :{1} ) and not dport = :1",
    "not sport = :{0}",
    "src 127.0.0.1:{0}",
    "dst 127.0.0.0/8 and not dport = :{0}",
    "sport >= :{0} and sport <= :{1}",
    "dport = :{0} or dport = :{1}",
    "! ( sport = :{0} )",
    "src [::1]",
]


@needs_tools
@pytest.mark.parametrize("expression", IPROUTE2_FILTERS)
def test_filters_of_ss(lab: Lab, links: Path, expression: str) -> None:
    ports = sorted({each["local_port"] for each in lab.sockets("-ltn")})[:2]
    pipeline = f"ss -tan '{expression.format(*ports)}'"
    path = os.environ["PATH"]
    theirs, ours = (run(lab, pipeline, p) for p in (path, f"{links}:{path}"))
    assert (ours.stdout, ours.returncode) == (theirs.stdout, theirs.returncode)


REFUSED = [
    ("netstat -rn", "ip route"),
    ("netstat -i", "ip -s link"),
    ("netstat -s", "nstat"),
    ("netstat -c", "watch"),
    ("ss -K", "/ss -K"),  # the real one, not the link
    ("ss -x", "/ss -x"),
    ("ss -Z", "ss -Z"),
    ("lsof /etc/passwd", "sockets, not files"),
    ("lsof -nP", "lsof without -i"),
    ("lsof -R -i", "ps -o"),
    ("lsof -F pn -i", "--json"),
    ("lsof -i -r", "watch"),
    ("lsof -iTCP -iUDP:53", "one by one"),
    ("ss --nonsense", "--nonsense"),
    ("netstat -A unix", "tcp"),
]


@pytest.mark.parametrize(("command", "instead"), REFUSED)
def test_what_is_not_done_here_is_refused(
    lab: Lab, links: Path, command: str, instead: str
) -> None:
    finished = run(lab, command, f"{links}:{os.environ['PATH']}")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert instead in finished.stderr
    assert finished.stderr.count("\n") == 1
