"""Listings in directories and archives: found, chosen, and never extracted."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import COMMAND, Lab, enter_lab, finish, run_command

SS = """\
State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process
LISTEN 0      128          0.0.0.0:22        0.0.0.0:*     users:(("sshd",pid=7,fd=3))
ESTAB  0      0           10.0.0.1:22       10.0.0.9:4000  users:(("sshd",pid=8,fd=4))
"""
NETSTAT = """\
Active Internet connections (servers and established)
Proto Recv-Q Send-Q Local Address      Foreign Address    State       PID/Program name
tcp        0      0 0.0.0.0:22         0.0.0.0:*          LISTEN      7/sshd
"""
LSOF = """\
COMMAND  PID USER   FD   TYPE DEVICE SIZE/OFF NODE NAME
sshd       7 root    3u  IPv4  12345      0t0  TCP *:22 (LISTEN)
"""
PROC = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\
        0 12345 1 0000000000000000 100 0 0 10 0
"""
REPORT = "sosreport-web-2026/"
NETWORKING = f"{REPORT}sos_commands/networking/"
FILES = {
    f"{REPORT}proc/net/tcp": PROC,
    f"{REPORT}proc/net/udp": PROC,
    f"{NETWORKING}netstat_-W_-neopa": NETSTAT,
    f"{NETWORKING}netstat_-s": "Tcp:\n    3 active connection openings\n",
    f"{NETWORKING}ss_-peaonmi": SS,
    f"{REPORT}sos_commands/process/lsof_M_-n_-l_-c": LSOF,
    f"{REPORT}var/log/messages": "Nov 29 10:00:00 web sshd[7]: listening on port 22\n",
}


def make(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def counted(*arguments: str) -> tuple[Counter[str], str]:
    """Return the sockets by state, and what was said about them."""
    finished = run_command("-tua", "--jsonl", *arguments)
    assert finished.returncode == 0, finished.stderr
    rows = map(json.loads, finished.stdout.splitlines())
    return Counter(row["state"] for row in rows if "state" in row), finished.stderr


COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}


@pytest.mark.parametrize("kind", COMPRESSED)
def test_compressed_files_are_read_from_a_path_and_from_standard_input(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "listing"
    path.write_bytes(COMPRESSED[kind](SS.encode()))
    assert counted("--from", str(path)) == ({"LISTEN": 1, "ESTABLISHED": 1}, "")
    with path.open("rb") as stream:
        finished = run_command("-tac", "--from", "-", stdin=stream)
    assert (finished.stdout, finished.stderr) == ("2\n", "")


@pytest.mark.parametrize(
    ("module", "tool", "content"),
    [("_bz2", "bzip2", bz2.compress(b"x")), ("_lzma", "xz", lzma.compress(b"x"))],
)
def test_a_python_without_a_library_says_what_to_use(
    module: str, tool: str, content: bytes, tmp_path: Path
) -> None:
    """A Python that was built without libbz2 or liblzma reads everything else."""
    (tmp_path / "packed").write_bytes(content)
    (tmp_path / "plain").write_text(SS)
    script = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from tcpstates.cli.app import run\n"
        "print(run(['-tac', '--from', 'plain']), run(['-tac', '--from', 'packed']))"
    )
    finished = finish([sys.executable, "-c", script], cwd=tmp_path)
    assert finished.stdout.splitlines()[-1] == "0 3"
    assert f"use `{tool} -dc FILE | tcpstates --from -`" in finished.stderr


def test_zstd_is_refused_with_the_command_to_use(tmp_path: Path) -> None:
    path = tmp_path / "listing.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))
    finished = run_command("-ta", "--from", str(path))
    assert finished.returncode == 3
    assert finished.stderr.endswith("use `zstd -dc FILE | tcpstates --from -`\n")


@pytest.mark.parametrize("kind", ["gzip", "xz", "bzip2"])
def test_of_damaged_data_the_good_part_is_read_and_the_damage_told(
    tmp_path: Path, kind: str
) -> None:
    row = "tcp 0 0 10.0.{}.{}:{} 10.9.9.9:443 ESTABLISHED\n"
    rows = [row.format(i % 251, i * 7 % 253, i % 60000 + 1) for i in range(30_000)]
    packed = COMPRESSED[kind]((NETSTAT + "".join(rows)).encode())
    path = tmp_path / "cut"
    path.write_bytes(packed[: len(packed) * 3 // 4])
    found, said = counted("--from", str(path))
    assert 10_000 < found["ESTABLISHED"] < 30_000
    assert "only its first part could be read" in said


def archives(folder: Path) -> list[Path]:
    """Pack a folder in each way."""
    made = [folder.parent / f"report.{kind}" for kind in ("tar", "tar.gz", "tar.xz")]
    for path in made:
        mode: Any = "w" if path.suffix == ".tar" else f"w:{path.suffix[1:]}"
        with tarfile.open(path, mode) as tar:
            tar.add(folder / REPORT, REPORT)
    zipped = folder.parent / "report.zip"
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in FILES:
            archive.write(folder / name, name)
    return [*made, zipped]


def test_of_one_hosts_listings_the_one_that_tells_most_is_read(tmp_path: Path) -> None:
    folder = make(tmp_path / "in", FILES)
    for path in (folder, folder / REPORT, *archives(folder)):
        found, said = counted("--from", str(path))
        assert found == {"LISTEN": 1, "ESTABLISHED": 1}, path
        first, second = said.splitlines()
        assert first.startswith(f"tcpstates: {path}: found 4 listings; read 3: ")
        assert first.endswith("sos_commands/networking/ss_-peaonmi (ss)")
        assert "1: proc/net/tcp (proc), 2: sos_commands/networking/netstat" in second
        assert second.endswith("use --snapshot N to read one of them")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1, {"LISTEN": 1, "CLOSED": 1}),  # both files of /proc/net
        (2, {"LISTEN": 1}),
        (4, {"LISTEN": 1}),
    ],
)
def test_snapshot_selects_a_listing(
    tmp_path: Path, number: int, expected: dict[str, int]
) -> None:
    folder = make(tmp_path / "in", FILES)
    finished = run_command(
        *("-tua", "--by", "protocol", "--json", "--from", str(folder)),
        *("--snapshot", str(number)),
    )
    assert finished.returncode == 0, finished.stderr
    assert f"read {number}: " in finished.stderr
    counts = json.loads(finished.stdout)["counts"]
    assert sum(row["count"] for row in counts) == sum(expected.values())


def test_a_number_too_high_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "in", FILES)
    finished = run_command("-ta", "--from", str(folder), "--snapshot", "5")
    assert finished.returncode == 3
    assert finished.stderr.endswith("no snapshot 5; it has 4\n")


def test_listings_of_several_hosts_are_read_together(tmp_path: Path) -> None:
    files = {"web1.txt": SS, "web2.txt.log": SS, "notes.md": "ss -tan, please\n"}
    namespace = "namespaces/blue/ip_netns_exec_blue_ss_-peaonmi"
    files |= {f"{NETWORKING}ss_-peaonmi": SS, f"{NETWORKING}{namespace}": SS}
    folder = make(tmp_path / "in", files)
    (folder / "web3.txt.gz").write_bytes(gzip.compress(SS.encode()))
    found, said = counted("--from", str(folder))
    assert found == {"LISTEN": 5, "ESTABLISHED": 5}
    assert "found 5 listings; read 1: " in said
    assert "and 2 more; --snapshot N reads one of them" in said


def test_reports_in_archives_are_opened_and_other_archives_named(
    tmp_path: Path,
) -> None:
    packed = archives(make(tmp_path / "in", FILES))[2]
    folder = tmp_path / "all"
    folder.mkdir()
    for name in ("sosreport-a.tar.xz", "sosreport-b.tar.xz", "backup.tar.xz"):
        shutil.copy(packed, folder / name)
    outer = tmp_path / "must-gather.tar"
    with tarfile.open(outer, "w") as tar:
        tar.add(folder, "all")
    for path, inside in ((folder, ""), (outer, "all/")):
        found, said = counted("--from", str(path))
        assert found == {"LISTEN": 2, "ESTABLISHED": 2}
        assert f"did not open the archives in it: {inside}backup.tar.xz\n" in said


@pytest.mark.skipif(os.name != "posix", reason="files as Unix has them")
def test_links_and_pipes_in_a_directory_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text(SS)
    folder = make(tmp_path / "in", {"web1.txt": SS})
    (folder / "ss_link").symlink_to(secret)
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "ss_pipe")
    assert counted("--from", str(folder))[0] == {"LISTEN": 1, "ESTABLISHED": 1}


def test_links_and_devices_in_an_archive_are_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "hostile.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind in (("ss_1", tarfile.SYMTYPE), ("ss_2", tarfile.LNKTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            tar.addfile(entry)
        entry = tarfile.TarInfo("ss_3")
        entry.type = tarfile.FIFOTYPE
        tar.addfile(entry)
        for name in ("../../ss_outside", "/tmp/ss_absolute"):
            entry = tarfile.TarInfo(name)
            entry.size = len(SS)
            (tmp_path / "content").write_text(SS)
            with (tmp_path / "content").open("rb") as content:
                tar.addfile(entry, content)
    before = sorted(tmp_path.iterdir())
    assert counted("--from", str(path))[0] == {"LISTEN": 2, "ESTABLISHED": 2}
    assert sorted(tmp_path.iterdir()) == before
    assert not Path("/tmp/ss_absolute").exists()


@pytest.mark.skipif(os.name != "posix", reason="files as Unix has them")
def test_hostile_names_reach_no_terminal(tmp_path: Path) -> None:
    folder = make(tmp_path / "in", {"ss_\x1b[31mred\n": SS})
    _, said = counted("--from", str(folder))
    assert "\x1b" not in said
    assert len(said.splitlines()) == 1


@pytest.mark.skipif(os.name != "posix", reason="files as Unix has them")
def test_what_may_not_be_read_is_told(tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root, to become another user")
    folder = make(tmp_path / "in", {"web1.txt": SS, "web2.txt": SS})
    (folder / "web2.txt").chmod(0o600)
    for each in (folder, *list(folder.parents)[:-2]):
        each.chmod(0o755)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *COMMAND]
    finished = finish([*nobody, "-tac", "--from", str(folder)])
    assert finished.stdout == "2\n"
    assert "no permission to read 1 file or folder in it" in finished.stderr
    (folder / "web1.txt").chmod(0o600)
    finished = finish([*nobody, "-tac", "--from", str(folder)])
    assert finished.returncode == 3
    assert "no listing found in it; no permission to read 2 files" in finished.stderr


def test_nothing_found_is_an_error(tmp_path: Path) -> None:
    folder = make(tmp_path / "in", {"notes.md": "hello\n"})
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(folder / "notes.md", "notes.md")
    for path in (folder, tmp_path / "a.tar"):
        finished = run_command("-ta", "--from", str(path))
        assert (finished.stdout, finished.returncode) == ("", 3)
        assert "no listing found in it" in finished.stderr


COMMANDS = {
    "networking/ss_-peaonmi": ("ss", "-peaonmi"),
    "networking/netstat_-W_-neopa": ("netstat", "-W", "-neopa"),
    "process/lsof_M_-n_-l_-c": ("lsof", "+M", "-n", "-l", "-c", ""),
}


def save_report(lab: Lab, folder: Path) -> None:
    """Run the commands of a report, with the names that it gives to their output."""
    for name, command in COMMANDS.items():
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is missing")
        path = folder / "sos_commands" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lab.run(*command).stdout)
    for name in ("tcp", "tcp6", "udp", "udp6"):
        path = folder / "proc" / "net" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lab.run("cat", f"/proc/net/{name}").stdout)


@pytest.fixture
def leaky() -> Iterator[Lab]:
    yield from enter_lab("trouble", "leak")


def test_the_doctor_says_of_a_report_what_it_says_of_the_host(
    tmp_path: Path, leaky: Lab
) -> None:
    folder = tmp_path / "sosreport-lab"
    diagnose = ("doctor", "--json", "--threshold", "kept=0s")
    live = leaky.tcpstates(*diagnose)
    save_report(leaky, folder)
    saved = run_command(*diagnose, "--from", str(folder))
    of_host, of_report = (
        [
            (
                *(found[name] for name in ("rule", "severity", "subject")),
                found["verdict"].partition(",")[0],  # the rest is an age
                found["numbers"]["sockets"],
                [process["pid"] for process in found["processes"]],
            )
            for found in json.loads(said.stdout)["findings"]
        ]
        for said in (live, saved)
    )
    assert of_host
    assert of_report == of_host
    by_state = ("-tan", "--by", "state", "--json")
    listed = json.loads(leaky.tcpstates(*by_state).stdout)["counts"]
    for number in ("1", "2", "3"):  # not lsof: it shows only what has a process
        read = run_command(*by_state, "--from", str(folder), "--snapshot", number)
        assert json.loads(read.stdout)["counts"] == listed, number


def test_an_archive_is_read_through_a_pipe(tmp_path: Path) -> None:
    packed = archives(make(tmp_path / "in", FILES))
    for path in packed:
        with subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE) as cat:
            finished = run_command("-tac", "--from", "-", stdin=cat.stdout)
        assert finished.stdout == "2\n", (path, finished.stderr)
