"""Several network namespaces at once: found, entered by one thread, told apart."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import COMMAND, PATIENCE, Finished, Lab, enter_lab, finish, run_command
from tcpstates.collect.netlink import NetlinkSource
from tcpstates.collect.netns.door import CannotEnter, Door, open_namespace
from tcpstates.collect.netns.find import find_namespaces, own_number
from tcpstates.collect.netns.names import NamespaceNames
from tcpstates.errors import SourceUnavailable
from tcpstates.model import Limitation, Request
from tcpstates.namespaces import NamespaceHost, Namespaces

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="only root enters other network namespaces",
)
PREFIX = f"tcpstates-test-{os.getpid()}-"


class Zoo:
    """Namespaces that different things keep alive, each with a listener."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self._named: list[str] = []
        self._mounted: list[Path] = []
        self._descriptors: list[int] = []
        self.expected: Counter[int] = Counter()  # listeners by port

    def _begin(self, *before: str, port: int, script: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*before, sys.executable, "-c", script, str(port)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        self.expected[port] += 1
        return process

    def with_process(self, port: int) -> int:
        """Make one that a process is in; return its pid."""
        process = self._begin("unshare", "-n", port=port, script=HOLD)
        self._processes.append(process)
        return process.pid

    def with_name(self, name: str, port: int) -> None:
        """Make one of ip-netns, in which a process listens."""
        subprocess.run(["ip", "netns", "add", PREFIX + name], check=True)
        self._named.append(PREFIX + name)
        enter = ("ip", "netns", "exec", PREFIX + name)
        self._processes.append(self._begin(*enter, port=port, script=HOLD))

    def with_mount(self, port: int) -> None:
        """Make one that only a mounted file keeps; its TIME_WAIT is its socket."""
        path = self._folder / f"mounted {port}"
        path.touch()
        process = self._begin("unshare", "-n", port=port, script=CLOSED)
        source = f"/proc/{process.pid}/ns/net"
        subprocess.run(["mount", "--bind", source, path], check=True)
        self._mounted.append(path)
        self._end(process)

    def with_descriptor(self, port: int) -> None:
        """Make one that only an open descriptor keeps."""
        process = self._begin("unshare", "-n", port=port, script=CLOSED)
        self._descriptors.append(os.open(f"/proc/{process.pid}/ns/net", os.O_RDONLY))
        self._end(process)

    def with_dead_leader(self, port: int) -> None:
        """Make one whose first process has ended, and whose child lives on."""
        process = self._begin("unshare", "-n", port=port, script=FORKED)
        self._processes.append(process)

    def move(self, number: int) -> None:
        """Let the first process of a namespace go; something else keeps it."""
        process = self._processes[number]
        path = self._folder / "kept"
        path.touch()
        source = f"/proc/{process.pid}/ns/net"
        subprocess.run(["mount", "--bind", source, path], check=True)
        self._mounted.append(path)
        holder = ["nsenter", f"--net={path}", sys.executable, "-c", HOLD, "20999"]
        self._processes.append(subprocess.Popen(holder, stdout=subprocess.PIPE))
        output = self._processes[-1].stdout
        assert output is not None
        assert output.readline() == b"up\n"
        process.kill()
        process.wait()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()

    def close(self) -> None:
        """End and remove all of it."""
        for process in self._processes:
            subprocess.run(["pkill", "-KILL", "-P", str(process.pid)], check=False)
            self._end(process)
        for path in self._mounted:
            subprocess.run(["umount", path], check=True)
        for name in self._named:
            subprocess.run(["ip", "netns", "del", name], check=True)
        for descriptor in self._descriptors:
            os.close(descriptor)


UP = """
import os, socket, subprocess, sys, time
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
port = int(sys.argv[1])
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", port))
listener.listen()
"""
HOLD = UP + "print('up', flush=True); time.sleep(600)"
# A socket in TIME_WAIT outlives its process: the client has closed first.
CLOSED = (
    UP
    + """
client = socket.create_connection(("127.0.0.1", port))
accepted, _ = listener.accept()
accepted.close()
client.recv(1)
client.close()
print('up', flush=True); time.sleep(600)
"""
)
FORKED = (
    UP
    + """
if os.fork() == 0:
    os.setsid()
    print('up', flush=True)
    time.sleep(600)
os.wait()
"""
)


@pytest.fixture
def zoo(tmp_path: Path) -> Iterator[Zoo]:
    if shutil.which("ip") is None:
        pytest.skip("ip is missing (Debian: iproute2)")
    made = Zoo(tmp_path)
    try:
        yield made
    finally:
        made.close()


def ports(finished: Finished) -> Counter[int]:
    """Count the sockets of the zoo by the port of its listeners."""
    assert finished.returncode == 0, finished.stderr
    rows = json.loads(finished.stdout)["sockets"]
    return Counter(
        row["local_port"] for row in rows if 20_000 <= row["local_port"] < 21_000
    )


def test_whatever_keeps_a_namespace_it_is_found_and_each_socket_told_once(
    zoo: Zoo,
) -> None:
    for port in range(20_000, 20_003):
        zoo.with_process(port)
    zoo.with_name("web", 20_100)
    zoo.with_mount(20_200)
    zoo.with_descriptor(20_300)
    zoo.with_dead_leader(20_400)
    finished = run_command("-a", "-N", "all", "--json")
    assert ports(finished) == zoo.expected
    rows = json.loads(finished.stdout)["sockets"]
    names = {row["local_port"]: row["netns"] for row in rows}
    assert names[20_100] == PREFIX + "web"
    assert names[20_000].startswith("python")
    assert names[20_200].startswith("net:[")
    numbers = {row["local_port"]: row["netns_id"] for row in rows}
    assert len({numbers[port] for port in zoo.expected}) == len(zoo.expected)


def test_by_any_of_its_names(zoo: Zoo) -> None:
    zoo.with_name("web", 20_000)
    pid = zoo.with_process(20_001)
    number = os.stat(f"/proc/{pid}/ns/net").st_ino
    for name, port in (
        (PREFIX + "web", 20_000),
        (f"/run/netns/{PREFIX}web", 20_000),
        (str(pid), 20_001),
        (f"/proc/{pid}/ns/net", 20_001),
        (str(number), 20_001),
        (f"net:[{number}]", 20_001),
    ):
        finished = run_command("-l", "--netns", name, "--json")
        assert ports(finished) == Counter({port: 1}), name
    both = run_command("-lN", str(pid), f"-N{PREFIX}web", "--json")
    assert ports(both) == Counter({20_000: 1, 20_001: 1})
    # What namespaces of their own have: interfaces, and filters by them.
    finished = run_command("-lN", str(pid), "--by", "netns,state", "-n")
    assert "LISTEN" in finished.stdout
    by_filter = run_command("-l", "-N", "all", "--json", f"netns = {PREFIX}web")
    assert ports(by_filter) == Counter({20_000: 1})


@pytest.mark.skipif(shutil.which("ss") is None, reason="missing: ss (iproute2)")
@pytest.mark.parametrize("flags", ["-ltN {}", "-tlnN{}", "-lt --net {}", "--net={} -t"])
def test_in_place_of_ss(zoo: Zoo, flags: str) -> None:
    """Ports are named by the range for clients of the namespace that is read."""
    port = socket.getservbyname("postgresql", "tcp")
    zoo.with_name("web", port)
    name = f"{PREFIX}web"
    place = "/proc/sys/net/ipv4/ip_local_port_range"
    inside = ["ip", "netns", "exec", name, "sh", "-c"]
    for ports_of_clients in ("1024 6000", "6000 7000"):
        finish([*inside, f"echo {ports_of_clients} > {place}"])
        words = flags.format(name).split()
        theirs = finish(["ss", *words])
        ours = run_command("--like", "ss", *words)
        assert (ours.stdout, ours.stderr) == (theirs.stdout, "")
        assert theirs.returncode == 0


REFUSED = [
    ("../../proc/1/ns/uts", "../../proc/1/ns/uts: "),
    ("/proc/self/ns/uts", "not a network namespace"),
    ("/etc/passwd", "not a network namespace"),
    ("/nonexistent", "No such file or directory"),
    ("nonexistent", "unknown network namespace 'nonexistent'"),
    ("99999999", "no process 99999999"),
]


@pytest.mark.parametrize(("name", "text"), REFUSED)
def test_what_is_no_namespace_is_refused(name: str, text: str) -> None:
    finished = run_command("-a", "--netns", name)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert text in finished.stderr
    assert finished.stderr.count("\n") == 1


def test_names_that_several_have_or_that_are_words_are_made_unique(zoo: Zoo) -> None:
    pid = zoo.with_process(20_000)
    zoo.with_name("web", 20_001)
    other = f"/run/netns/{PREFIX}web"
    names = NamespaceNames()
    (one,) = [n for n in find_namespaces().namespaces if n.path == other]
    two = one._replace(number=one.number + 1)
    own, every = one._replace(number=1, name="own"), one._replace(number=2, name="all")
    found = names.names([one, two, own, every])
    assert found[one.number] == f"{PREFIX}web@net:[{one.number}]"
    assert found[1] == "own@net:[1]"
    assert found[2] == "all@net:[2]"
    # A number is no name: it may be a process and a namespace.
    subprocess.run(["ip", "netns", "add", str(pid)], check=True)
    try:
        finished = run_command("-a", "-N", str(pid))
        assert finished.returncode == 2
        assert f"'{pid}' may be any of these network namespaces" in finished.stderr
    finally:
        subprocess.run(["ip", "netns", "del", str(pid)], check=True)


def test_a_mount_point_of_any_bytes_does_no_harm(zoo: Zoo, tmp_path: Path) -> None:
    """Anybody may make one, in a mount namespace of his own."""
    zoo.with_process(20_000)
    script = "mkdir $'/tmp/\\xff\\n x'; mount -t tmpfs none $'/tmp/\\xff\\n x'; echo up; sleep 60"
    hostile = subprocess.Popen(
        ["unshare", "-m", "bash", "-c", f"mount -t tmpfs none /tmp; {script}"],
        stdout=subprocess.PIPE,
    )
    try:
        assert hostile.stdout is not None
        assert hostile.stdout.readline() == b"up\n"
        assert ports(run_command("-a", "-N", "all", "--json")) == zoo.expected
    finally:
        subprocess.run(["pkill", "-KILL", "-P", str(hostile.pid)], check=False)
        hostile.kill()
        hostile.communicate()


def test_a_namespace_stays_the_same_when_its_first_process_moves(zoo: Zoo) -> None:
    pid = zoo.with_process(20_000)
    (member,) = Namespaces([str(pid)]).members
    limitations: list[Limitation] = []
    assert sum(map(len, member.read(Request(), limitations).batches)) == 1
    zoo.move(0)
    assert sum(map(len, member.read(Request(), limitations).batches)) == 1
    found = Namespaces(["all"])
    number = member.namespace.number
    other = next(m for m in found.members if m.namespace.number == number)
    moved = NamespaceHost(
        other.namespace._replace(path="/proc/self/ns/net"), "moved", Door()
    )
    with pytest.raises(SourceUnavailable, match="it has gone"):
        moved.settings()


def test_a_check_does_not_pass_for_what_it_has_not_seen(actor: Lab) -> None:
    finished = actor.run(*actor.nobody(), "check", "-N", "all", "-w", "close_wait=5")
    assert finished.returncode == 3
    assert finished.stdout.startswith("TCPSTATES UNKNOWN")


def test_it_cannot_be_combined_with_other_places() -> None:
    for other in (("--from", "x"), ("--source", "procfs")):
        finished = run_command("-N", "all", *other)
        assert finished.returncode == 2
        assert f"--netns and {other[0]} cannot be combined" in finished.stderr


def test_only_one_thread_moves() -> None:
    """The caller stays where it is, in every thread."""
    inside = find_namespaces().namespaces
    door = Door()
    here = os.readlink("/proc/thread-self/ns/net")
    seen = {
        door.inside(
            open_namespace(each.path, each.number),
            lambda: os.readlink("/proc/thread-self/ns/net"),
        )
        for each in inside
    }
    assert seen == {f"net:[{each.number}]" for each in inside}
    assert os.readlink("/proc/thread-self/ns/net") == here
    assert os.readlink("/proc/self/ns/net") == here
    asked: list[str] = []
    other = threading.Thread(
        target=lambda: asked.append(os.readlink("/proc/thread-self/ns/net"))
    )
    other.start()
    other.join()
    assert asked == [here]
    with pytest.raises(CannotEnter, match="not a network namespace"):
        open_namespace("/proc/self/ns/uts")
    with pytest.raises(CannotEnter, match="it has gone"):
        open_namespace("/proc/self/ns/net", 1)
    with pytest.raises(ZeroDivisionError):
        door.inside(open_namespace("/proc/self/ns/net"), lambda: 1 // 0)


def test_setns_is_called_by_one_thread(zoo: Zoo, tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is missing (Debian: strace)")
    for port in range(20_000, 20_003):
        zoo.with_process(port)
    log = tmp_path / "log"
    command = ["strace", "-f", "-qq", "-e", "trace=setns", "-o", str(log), *COMMAND]
    finished = finish([*command, "-a", "-N", "all", "--json"])
    assert ports(finished) == zoo.expected
    calls = [
        line.split()[0] for line in log.read_text().splitlines() if "setns" in line
    ]
    assert len(calls) >= 3
    assert len(set(calls)) == 1


def test_fifty(zoo: Zoo) -> None:
    for number in range(40):
        zoo.with_process(20_000 + number)
    for number in range(8):
        zoo.with_mount(20_100 + number)
    zoo.with_descriptor(20_200)
    zoo.with_dead_leader(20_300)
    assert ports(run_command("-a", "-N", "all", "--json")) == zoo.expected


@pytest.fixture
def actor() -> Iterator[Lab]:
    yield from enter_lab("actor")


def test_without_privileges_our_own_is_complete(actor: Lab) -> None:
    actor.ask(["pair"])
    finished = actor.run(*actor.nobody(), "-a", "-N", "all", "--json")
    assert finished.returncode == 0
    rows = json.loads(finished.stdout)["sockets"]
    assert len(rows) == 3
    assert {row["netns"] for row in rows} == {"own"}
    (line,) = finished.stderr.splitlines()
    assert "cannot be" in line
    named = actor.run(*actor.nobody(), "-a", "-N", "/proc/1/ns/net")
    assert named.returncode == 2
    assert named.stdout == ""


def test_one_that_fails_does_not_affect_the_others(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo.with_process(20_000)
    zoo.with_process(20_001)
    origin = Namespaces(["all"])
    assert len(origin.members) >= 3
    broken = origin.members[1].namespace.number

    def read(self: object, *arguments: object) -> object:
        if self.namespace.number == broken:  # type: ignore[attr-defined]
            raise SourceUnavailable("netlink", "it has vanished")
        return whole(self, *arguments)

    whole: Callable[..., object] = type(origin.members[0]).read
    monkeypatch.setattr(type(origin.members[0]), "read", read)
    limitations: list[tuple[str, str]] = []
    reading = origin.read(Request(), limitations)  # type: ignore[arg-type]
    numbers = {n for batch in reading.batches for n in batch.column("netns_id")}
    assert broken not in numbers
    assert len(numbers) >= 2
    assert any("cannot be read: it has vanished" in text for _, text in limitations)


def test_an_answer_with_an_error_ends_the_dump() -> None:
    """As an unknown family has: NLMSG_ERROR instead of NLMSG_DONE."""

    class Channel(socket.socket):
        def sendto(self, message: bytes, *rest: object) -> int:  # type: ignore[override]
            damaged = bytearray(message)
            damaged[16] = 99  # the family
            damaged[4] = 20
            return int(super().sendto(bytes(damaged), *rest))  # type: ignore[call-overload]

    source = NetlinkSource(lambda: Channel(16, socket.SOCK_RAW, 4))
    start = time.monotonic()
    with pytest.raises(SourceUnavailable):
        list(source.read(Request(families=frozenset({"ipv4"})), []))
    assert time.monotonic() - start < 4


def test_settings_and_counters_are_those_of_the_namespace(zoo: Zoo) -> None:
    pid = zoo.with_process(20_000)
    inside = ["nsenter", "-t", str(pid), "-n", "sysctl", "-qw"]
    settings = [
        "net.ipv4.tcp_fin_timeout=7",
        "net.ipv4.ip_local_port_range=40000 40100",
    ]
    if subprocess.run([*inside, *settings], check=False).returncode:
        pytest.skip("settings of a namespace cannot be written here")
    (member,) = Namespaces([str(pid)]).members
    assert member.settings().fin_timeout == 7
    assert (member.settings().first_port, member.settings().last_port) == (40000, 40100)
    here = member.counters()["PassiveOpens"]
    connect = "import socket; socket.create_connection(('127.0.0.1', 20000))"
    subprocess.run(
        ["nsenter", "-t", str(pid), "-n", sys.executable, "-c", connect], check=True
    )
    assert member.counters()["PassiveOpens"] == here + 1
    assert own_number() != member.namespace.number


def leak(lab: Lab, number: int) -> None:
    for _ in range(number):
        pair = lab.ask(["pair"])
        lab.ask(["close", pair["number"], 0])


def test_the_doctor_names_the_namespace(actor: Lab) -> None:
    leak(actor, 30)
    pid = str(actor.parts["main"])
    command = ("doctor", "--threshold", "kept=0s", "--netns")
    finished = run_command(*command, pid, "--json")
    (finding,) = json.loads(finished.stdout)["findings"]
    assert finding["rule"] == "close-wait"
    assert finding["netns"] in finding["verdict"]
    assert finding["numbers"]["sockets"] == 30
    end = time.monotonic() + PATIENCE
    while True:  # other tests of this machine may have findings, too
        everywhere = run_command(*command, "all", "--json")
        told = json.loads(everywhere.stdout)
        mine = [f for f in told["findings"] if f["netns"] == finding["netns"]]
        if mine or time.monotonic() > end:
            break
    assert [f["rule"] for f in mine] == ["close-wait"]
    assert told["namespaces"] > 1
    listing = next(c for c in mine[0]["commands"] if c.startswith("tcpstates --netns"))
    listed = finish(["sh", "-c", f"PATH={Path(COMMAND[0]).parent}:$PATH; {listing}"])
    assert listed.stdout.count("CLOSE_WAIT") == 20  # --limit 20


def test_the_doctor_says_what_it_has_not_seen(actor: Lab) -> None:
    finished = run_command("doctor", "--json")
    gaps = json.loads(finished.stdout)["not_examined"]
    (gap,) = [each for each in gaps if each["rule"] == "namespaces"]
    assert gap["command"] == "tcpstates doctor --netns all"
    assert "other network namespace" in gap["text"]
    assert actor.parts["main"]
