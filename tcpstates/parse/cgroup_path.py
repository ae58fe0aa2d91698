"""Tell from a cgroup which container, pod and systemd unit a process belongs to.

Every runtime puts its containers into cgroups of their own, named as below. These are
the forms of runc, crun, Docker, containerd, CRI-O, Podman, LXC, systemd-nspawn and the
kubelet, with the drivers `cgroupfs` and `systemd`, on cgroup v1, v2 and both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple


class CgroupPlace(NamedTuple):
    """What a cgroup tells; None: it does not."""

    container: str | None = None  # the runtime's number for it, or the name
    pod: str | None = None  # the number of a pod: a UUID, or 64 hexadecimal digits
    unit: str | None = None  # of systemd


_NOWHERE = CgroupPlace()
_ID = r"(?P<id>[0-9a-f]{64})"
# What monitors a container is beside it, not in it.
_MONITOR = re.compile(
    r"(?:crio-conmon-|libpod-conmon-)[0-9a-f]{64}\.scope|lxc\.monitor(?:\..+)?"
)
# One part of the path: "docker-ID.scope", "cri-containerd-ID.scope", "ID", and
# "kubepods-burstable-podUID.slice:cri-containerd:ID" where the drivers differ.
_CONTAINER = re.compile(
    rf"(?:[a-z][a-z0-9-]{{0,30}}-)?{_ID}(?:\.scope)?|[^:]+:[^:]+:(?P<last>[0-9a-f]{{64}})"
)
_TASK = re.compile(r"(?P<id>[0-9a-f]{32}-\d{6,12})")  # of Amazon ECS on Fargate
_LXC = re.compile(r"lxc\.payload\.(?P<name>.+)")
_NSPAWN = re.compile(r"systemd-nspawn@(?P<name>.+)\.service")
_MACHINE = re.compile(r"machine-(?P<name>.+)\.scope")
_UUID = r"[0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}"
# "podUID" and "kubepods-burstable-podUID.slice"; mirror pods have 32 digits.
_POD = re.compile(
    rf"(?:kubepods(?:-besteffort|-burstable)?-)?pod(?P<uid>{_UUID}|[0-9a-f]{{32}})"
    r"(?:\.slice(?::.*)?)?"
)
_PODMAN_POD = re.compile(r"(?:.+-)?libpod_pod_(?P<uid>[0-9a-f]{64})(?:\.slice)?")
_UNIT = re.compile(r".+\.(?:service|scope|socket|mount|swap)")
_LINE = re.compile(r"\d+:(?P<controllers>[^:]*):(?P<path>/.*)")
_MOST = 4096  # characters of a path


def place_of(path: str) -> CgroupPlace:
    """Read the path of a cgroup, which whoever may make cgroups can choose."""
    container = pod = unit = None
    parts = path[:_MOST].split("/")
    for before, part in zip(["", *parts], parts, strict=False):
        if _MONITOR.fullmatch(part):
            return CgroupPlace(unit=part)
        if found := _POD.fullmatch(part) or _PODMAN_POD.fullmatch(part):
            pod = found["uid"].replace("_", "-")
        if found := _CONTAINER.fullmatch(part) or _TASK.fullmatch(part):
            container = found.groupdict().get("last") or found["id"]
            unit = None  # the scope that a runtime has made for it
        elif found := (
            _LXC.fullmatch(part) or _NSPAWN.fullmatch(part) or _MACHINE.fullmatch(part)
        ):
            container = _unescaped(found["name"])
            unit = part if _UNIT.fullmatch(part) else unit
        elif before in ("lxc", "lxc.payload") and part:
            container = part
        elif container is None and _UNIT.fullmatch(part):
            unit = part
    return CgroupPlace(container, pod, unit)


def _unescaped(text: str) -> str:
    r"""Undo systemd's \x2d, for the characters that names have."""
    return re.sub(r"\\x([2-7][0-9a-f])", lambda code: chr(int(code[1], 16)), text)


def place_of_process(text: str) -> CgroupPlace:
    """Read /proc/PID/cgroup: the line of v2 first, then that of systemd, then others.

    With cgroup v1 beside v2, some runtimes use the tree of the one, some of the other.
    """
    best = _NOWHERE
    for path in _paths(text):
        found = place_of(path)
        if found.container is not None:
            return found
        if best == _NOWHERE:
            best = found
    return best


def _paths(text: str) -> Iterator[str]:
    lines = [found for line in text.splitlines() if (found := _LINE.fullmatch(line))]
    lines.sort(key=lambda line: {"": 0, "name=systemd": 1}.get(line["controllers"], 2))
    for line in lines:
        yield line["path"]
