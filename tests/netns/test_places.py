"""Containers, pods and units: from recorded cgroups, and from a real container."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from conftest import PATIENCE, run_command
from tcpstates.collect.places import Place, Places
from tcpstates.parse.cgroup_path import CgroupPlace, place_of, place_of_process

A = "0123456789abcdef" * 4
B = "fedcba9876543210" * 4
UID = "1f2e3d4c-5b6a-7988-a7b6-c5d4e3f2a1b0"
SLICE = UID.replace("-", "_")
NAME = f"shop-{os.getpid()}"
KUBE, DAEMON = "/kubepods.slice/kubepods", "/system.slice/containerd.service"
# What the runtimes write, by their documentation and sources.
PATHS = [
    # Docker: driver cgroupfs, driver systemd, inside another container.
    (f"/docker/{A}", A, None, None),
    (f"/system.slice/docker-{A}.scope", A, None, None),
    (f"/docker/{B}/docker/{A}", A, None, None),
    # containerd: nerdctl and ctr, by both drivers.
    (f"/default/{A}", A, None, None),
    (f"/system.slice/nerdctl-{A}.scope", A, None, None),
    # Kubernetes: three classes, both drivers, three runtimes.
    (f"/kubepods/pod{UID}/{A}", A, UID, None),
    (f"/kubepods/burstable/pod{UID}/{A}", A, UID, None),
    (f"/kubepods/besteffort/pod{UID}/{A}", A, UID, None),
    (
        f"/kubepods.slice/kubepods-pod{SLICE}.slice/cri-containerd-{A}.scope",
        A,
        UID,
        None,
    ),
    (
        f"{KUBE}-burstable.slice/kubepods-burstable-pod{SLICE}.slice/crio-{A}.scope",
        A,
        UID,
        None,
    ),
    (
        f"{KUBE}-besteffort.slice/kubepods-besteffort-pod{SLICE}.slice/docker-{A}.scope",
        A,
        UID,
        None,
    ),
    # A kubelet and a containerd whose drivers differ.
    (
        f"{DAEMON}/kubepods-burstable-pod{SLICE}.slice:cri-containerd:{A}",
        A,
        UID,
        None,
    ),
    # kind: a cluster in a container.
    (f"/docker/{B}/kubelet/kubepods/burstable/pod{UID}/{A}", A, UID, None),
    # A static pod has 32 digits.
    (f"/kubepods/burstable/pod{A[:32]}/{B}", B, A[:32], None),
    # Podman: root, rootless, cgroupfs, in a pod; its monitor is beside it.
    (f"/machine.slice/libpod-{A}.scope", A, None, None),
    (f"/machine.slice/libpod-{A}.scope/container", A, None, None),
    (
        f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{A}.scope",
        A,
        None,
        None,
    ),
    (f"/libpod_parent/libpod-{A}", A, None, None),
    (
        f"/machine.slice/machine-libpod_pod_{B}.slice/libpod-{A}.scope",
        A,
        B,
        None,
    ),
    (
        f"/machine.slice/libpod-conmon-{A}.scope",
        None,
        None,
        f"libpod-conmon-{A}.scope",
    ),
    (
        f"/kubepods.slice/kubepods-pod{SLICE}.slice/crio-conmon-{A}.scope",
        None,
        None,
        f"crio-conmon-{A}.scope",
    ),
    # LXC and LXD.
    ("/lxc/web", "web", None, None),
    ("/lxc.payload.web", "web", None, None),
    ("/lxc.payload/web/init.scope", "web", None, None),
    ("/lxc.payload.web/system.slice/nginx.service", "web", None, None),
    ("/lxc.monitor.web", None, None, "lxc.monitor.web"),
    # systemd-nspawn and machines.
    (
        "/machine.slice/systemd-nspawn@web.service/payload",
        "web",
        None,
        "systemd-nspawn@web.service",
    ),
    ("/machine.slice/machine-my\\x2dweb.scope", "my-web", None, None),
    # Amazon ECS.
    (f"/ecs/{A[:32]}/{A}", A, None, None),
    (f"/ecs/{A[:32]}/{A[:32]}-1234567890", f"{A[:32]}-1234567890", None, None),
    # systemd alone.
    ("/system.slice/nginx.service", None, None, "nginx.service"),
    ("/system.slice/system-getty.slice/getty@tty1.service", None, None,
     "getty@tty1.service"),
    ("/app.slice/app-code\\x2durl-12.scope", None, None, "app-code\\x2durl-12.scope"),
    ("/user.slice/user-1000.slice/session-3.scope", None, None, "session-3.scope"),
    (
        "/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.service",
        None,
        None,
        "app-x.service",
    ),
    ("/init.scope", None, None, "init.scope"),
    # Seen from another cgroup namespace.
    (f"/../../docker-{A}.scope", A, None, None),
]  # fmt: skip
NONSENSE = [
    "/", "", "/docker", "/docker/", f"/docker/{A[:63]}", f"/docker/{A}0",
    f"/x/{A[:32]}", "/kubepods", f"/kubepods/pod{UID[:-1]}", "/system.slice",
    f"/DOCKER-{A}.scope".upper(), "/lxc", "/lxc/", "\x1b[31m", "/" * 5000,
    f"/{'x' * 5000}-{A}.scope", "/libpod_parent",
]  # fmt: skip


@pytest.mark.parametrize(("path", "container", "pod", "unit"), PATHS)
def test_what_a_cgroup_tells(
    path: str, container: str | None, pod: str | None, unit: str | None
) -> None:
    found = place_of(path)
    assert (found.container, found.pod) == (container, pod)
    if unit is not None or container is None:
        assert found.unit == unit


@pytest.mark.parametrize("path", NONSENSE)
def test_nonsense_tells_nothing(path: str) -> None:
    assert place_of(path) == CgroupPlace()


def test_the_line_that_knows_is_used() -> None:
    v1 = f"12:pids:/docker/{A}\n1:name=systemd:/docker/{A}\n0::/\n"
    assert place_of_process(v1).container == A
    hybrid = "4:memory:/user.slice\n1:name=systemd:/user.slice\n0::/docker/" + A
    assert place_of_process(hybrid).container == A
    both = "5:cpu:/x.service\n1:name=systemd:/system.slice/a.service\n0::/init.scope\n"
    assert place_of_process(both).unit == "init.scope"
    assert place_of_process("no such\nlines\n") == CgroupPlace()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Write what runtimes write."""
    docker = tmp_path / "var/lib/docker/containers" / A
    docker.mkdir(parents=True)
    (docker / "config.v2.json").write_text(json.dumps({"Name": "/shop"}))
    podman = tmp_path / "var/lib/containers/storage/overlay-containers"
    podman.mkdir(parents=True)
    listed = [{"id": B, "names": ["blog"]}, {"id": 1}, "x", {"id": "2", "names": []}]
    (podman / "containers.json").write_text(json.dumps(listed))
    logs = tmp_path / "var/log/containers"
    logs.mkdir(parents=True)
    number = "a" * 64
    (logs / f"web-0_prod_nginx-{number}.log").touch()
    pods = tmp_path / "var/log/pods"
    (pods / f"prod_web-0_{UID}").mkdir(parents=True)
    (pods / "nonsense").mkdir()
    return tmp_path


def test_names_come_from_the_files_of_runtimes(files: Path) -> None:
    places = Places(str(files))
    assert places.named(CgroupPlace(A)) == Place("shop")
    assert places.named(CgroupPlace(B)) == Place("blog")
    in_pod = CgroupPlace("a" * 64, UID)
    assert places.named(in_pod) == Place("nginx", "prod/web-0")
    assert places.named(CgroupPlace("c" * 64, UID)) == Place("c" * 12, "prod/web-0")
    assert places.named(CgroupPlace("d" * 64, UID[:-1] + "f")).pod == UID[:-1] + "f"
    assert places.named(CgroupPlace(unit="a.service")) == Place(unit="a.service")
    assert places.of(2**22 + 1) == Place()


@pytest.mark.skipif(os.name != "posix", reason="about Linux")
def test_names_that_lead_elsewhere_name_no_file(files: Path) -> None:
    """systemd's escapes may hide a slash, and pipes hang whoever opens them."""
    (files / "evil").mkdir()
    (files / "evil" / "config.v2.json").write_text(json.dumps({"Name": "/own"}))
    path = "machine-..\\x2f..\\x2f..\\x2f..\\x2f..\\x2fevil.scope"
    assert Places(str(files)).named(place_of(f"/{path}")).container != "own"
    docker = files / "var/lib/docker/containers" / B
    docker.mkdir()
    os.mkfifo(docker / "config.v2.json")
    assert Places(str(files)).named(CgroupPlace(B)) == Place("blog")
    storage = files / "var/lib/containers/storage/overlay-containers/containers.json"
    storage.unlink()
    os.mkfifo(storage)
    assert Places(str(files)).named(CgroupPlace(B)) == Place(B[:12])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"Name": 1}', "\xff", "[" * 100_000])
def test_damaged_files_are_no_names(files: Path, text: str) -> None:
    path = files / "var/lib/docker/containers" / A / "config.v2.json"
    path.write_text(text, encoding="latin-1")
    assert Places(str(files)).named(CgroupPlace(A)) == Place(A[:12])


@pytest.fixture
def container(tmp_path: Path) -> Iterator[str]:
    """Run a real container, whose program leaks 30 sockets; return its name."""
    needed = {name: shutil.which(name) for name in ("podman", "runc", "busybox")}
    if not all(needed.values()) or os.geteuid() != 0:
        pytest.skip("podman, runc or busybox is missing, or this is not root")
    short = mkdtemp(prefix="run")  # Podman takes no longer path than 50 characters
    rootfs = tmp_path / "rootfs.tar"
    with tarfile.open(rootfs, "w") as packed:
        packed.add(str(needed["busybox"]), "bin/busybox")
        for name in ("sh", "nc", "sleep", "seq", "timeout"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            packed.addfile(link)
    podman = [
        str(needed["podman"]), "--root", f"{tmp_path}/a", "--runroot", short,
        "--cgroup-manager=cgroupfs", "--events-backend=file", "--storage-driver=vfs",
        f"--runtime={needed['runc']}",
    ]  # fmt: skip
    # Clients that end while the programs of the server sleep.
    script = (
        "nc -ll -p 8080 -e sleep 600 & sleep 1;"
        " for i in $(seq 30); do timeout 9 nc 127.0.0.1 8080 </dev/null & done;"
        " sleep 600"
    )
    run = ["run", "-d", "--name", NAME, "--network", "none"]
    run += ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"]
    for command in (
        ["import", "-q", str(rootfs), "bb:1"],
        [*run, "bb:1", "/bin/sh", "-c", script],
    ):
        finished = subprocess.run([*podman, *command], capture_output=True, check=False)
        if finished.returncode:
            subprocess.run([*podman, "rm", "-fa"], capture_output=True, check=False)
            pytest.skip(f"no container can run here: {finished.stderr[-200:]!r}")
    yield NAME
    subprocess.run([*podman, "rm", "-f", "-t", "0", NAME], check=True)
    subprocess.run([*podman, "rmi", "-f", "bb:1"], check=True)
    shutil.rmtree(short)


def test_a_real_container(container: str) -> None:
    """Listed by name, its owners found, its leak found, and its sockets ended."""
    end = time.monotonic() + PATIENCE
    rows: list[dict[str, object]] = []
    while len(rows) < 30 and time.monotonic() < end:
        time.sleep(0.2)
        listed = run_command("-apN", container, "--json", "close-wait")
        assert listed.returncode == 0, listed.stderr
        rows = json.loads(listed.stdout)["sockets"]
    assert len(rows) == 30
    assert {row["netns"] for row in rows} == {container}
    assert {row["container"] for row in rows} == {container}
    assert all(row["processes"] for row in rows)
    counted = run_command("-aN", "all", "--by", "container", f"container = {container}")
    assert container in counted.stdout
    doctor = run_command("doctor", "--netns", "all", "--json", "--threshold", "kept=0s")
    findings = json.loads(doctor.stdout)["findings"]
    mine = {each["rule"]: each for each in findings if each["netns"] == container}
    assert mine["close-wait"]["numbers"]["sockets"] == 30
    assert all(container in each["verdict"] for each in mine.values())
    ended = run_command("kill", "-y", "-N", container, "close-wait sport = :8080")
    assert ended.returncode == 0, ended.stderr
    assert "30  ended" in ended.stdout
    again = run_command("-aN", container, "--json", "close-wait")
    assert json.loads(again.stdout)["sockets"] == []
