"""Find the container, pod and systemd unit of processes, without asking a daemon.

The cgroup tells the number of a container and of a pod; files that runtimes keep tell
their names. All of it is written by others: it is cut to a length here, and escaped
wherever it is printed.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import cached_property
from glob import escape, glob
from typing import Any, NamedTuple

from tcpstates.collect.proc_files import parent_of
from tcpstates.parse.cgroup_path import CgroupPlace, place_of_process

_DIGITS, _ROOT_UID = 64, 0
_CAREFULLY = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_SHORT = 12  # digits of a container's number, as its tools show it
_LONGEST = 255  # characters of a name
_MOST = 1 << 20  # bytes of a file
_DOCKER = "/var/lib/docker/containers"
_PODMAN = "*-containers/containers.json"  # overlay-, vfs-, btrfs-
_PODMAN_ROOT = "/var/lib/containers/storage"
_PODMAN_USER = ".local/share/containers/storage"
_STORAGE = ("/etc/containers/storage.conf", "/usr/share/containers/storage.conf")
_GRAPH_ROOT = re.compile(r'^\s*graphroot\s*=\s*"(?P<path>/[^"]{1,4000})"', re.MULTILINE)
# POD_NAMESPACE_CONTAINER-ID.log and NAMESPACE_POD_UID: names have no "_".
_LOGS, _PODS = "/var/log/containers", "/var/log/pods"
_LOG = re.compile(
    r"(?P<pod>[^_]+)_(?P<space>[^_]+)_(?P<name>.+)-(?P<id>[0-9a-f]{64})\.log"
)
_POD = re.compile(r"(?P<space>[^_]+)_(?P<pod>[^_]+)_(?P<uid>[0-9a-f-]{32,36})")


class Place(NamedTuple):
    """Where a process runs, by the names that people know; None: no, or unknown."""

    container: str | None = None
    pod: str | None = None
    unit: str | None = None


_NOWHERE = Place()


class Places:
    """Remembers what it has found; `root` is where the files of runtimes are."""

    def __init__(self, root: str = "", proc: str = "/proc") -> None:
        self._root = root
        self._proc = proc
        self._places: dict[int, Place] = {}

    def of(self, pid: int) -> Place:
        """Find where a process runs; nothing if it has ended or is hidden."""
        found = self._places.get(pid)
        if found is None:
            text = _read(f"{self._proc}/{pid}/cgroup")
            found = self.named(place_of_process(text), pid) if text else _NOWHERE
            self._places[pid] = found
        return found

    def named(self, place: CgroupPlace, pid: int | None = None) -> Place:
        """Give a place the names that runtimes have written down.

        `pid`: a process in there, whose monitor may tell where Podman's files are.
        """
        container, pod = place.container, place.pod
        if container is None and pod is None:
            return _NOWHERE if place.unit is None else Place(unit=place.unit[:_LONGEST])
        if container is not None:
            log = self._logs.get(container)
            if log is not None:
                container, pod = log
            else:
                name = self._docker(container) or self._podman_name(container, pid)
                container = name or _shortened(container)
        if pod is not None and "/" not in pod:
            pod = self._pods.get(pod) or _shortened(pod)
        unit = place.unit
        return Place(
            container and container[:_LONGEST],
            pod and pod[: 2 * _LONGEST],
            unit and unit[:_LONGEST],
        )

    def _docker(self, number: str) -> str | None:
        """Read the name of a container of Docker."""
        if not _is_number(number):
            return None  # a name, which may contain anything
        text = _read(f"{self._root}{_DOCKER}/{number}/config.v2.json", {_ROOT_UID})
        told = _json(text) if text else None
        name = told.get("Name") if isinstance(told, dict) else None
        return name.removeprefix("/") or None if isinstance(name, str) else None

    def _podman_name(self, number: str, pid: int | None) -> str | None:
        """Read the name of a container of Podman, root's or a user's."""
        if not _is_number(number):
            return None
        name = self._podman.get(number)
        if name is None and pid is not None:
            user = _owner_of(f"{self._proc}/{pid}")
            for storage in self._storages_of(pid, user):
                owners = {_ROOT_UID} if user is None else {_ROOT_UID, user}
                self._podman.update(_podman_names(storage, owners))
            name = self._podman.get(number)
        return name

    @cached_property
    def _podman(self) -> dict[str, str]:
        """Names of Podman's containers, by number."""
        found: dict[str, str] = {}
        for folder in self._storages():
            found.update(_podman_names(folder, {_ROOT_UID}))
        return found

    def _storages_of(self, pid: int, user: int | None) -> Iterator[str]:
        """Yield where the user of a process, and its monitor, keep Podman's files."""
        if user:
            import pwd

            with suppress(KeyError):
                home = pwd.getpwuid(user).pw_dir  # type: ignore[attr-defined,unused-ignore]
                yield f"{self._root}{home}/{_PODMAN_USER}"
        storage = self._storage_of(pid)
        if storage is not None:
            yield storage

    def _storage_of(self, pid: int) -> str | None:
        """Read where Podman's files are from the monitor above a process: conmon -b.

        Any program may have that name, so the files are read only if they belong to
        root, or to the user of the process.
        """
        seen = set()
        while pid > 1 and pid not in seen:
            seen.add(pid)
            words = (_read(f"{self._proc}/{pid}/cmdline") or "").split("\0")
            if words[0].rpartition("/")[2] == "conmon" and "-b" in words[:-1]:
                bundle = words[
                    words.index("-b") + 1
                ]  # STORAGE/*-containers/ID/userdata
                storage = bundle.split("/")[:-3]
                return "/".join(storage) if bundle.startswith("/") else None
            pid = parent_of(pid, self._proc)
        return None

    def _storages(self) -> Iterator[str]:
        yield self._root + _PODMAN_ROOT
        for path in _STORAGE:
            told = _GRAPH_ROOT.search(_read(self._root + path) or "")
            if told is not None:
                yield self._root + told["path"]

    @cached_property
    def _logs(self) -> dict[str, tuple[str, str]]:
        """Names of Kubernetes' containers and their pods, by the container's number."""
        found = {}
        with suppress(OSError):
            for name in os.listdir(self._root + _LOGS):
                told = _LOG.fullmatch(name)
                if told is not None:
                    found[told["id"]] = told["name"], f"{told['space']}/{told['pod']}"
        return found

    @cached_property
    def _pods(self) -> dict[str, str]:
        """Names of Kubernetes' pods, by the pod's number."""
        found = {}
        with suppress(OSError):
            for name in os.listdir(self._root + _PODS):
                told = _POD.fullmatch(name)
                if told is not None:
                    found[told["uid"]] = f"{told['space']}/{told['pod']}"
        return found


def _podman_names(storage: str, owners: Collection[int]) -> dict[str, str]:
    """Read the names of the containers in a storage of Podman."""
    found: dict[str, str] = {}
    for path in sorted(glob(f"{escape(storage)}/{_PODMAN}")):
        told = _json(_read(path, owners) or "")
        for each in told if isinstance(told, list) else ():
            number, names = (
                (each.get("id"), each.get("names"))
                if isinstance(each, dict)
                else (None, None)
            )
            if isinstance(number, str) and isinstance(names, list) and names:
                found[number] = str(names[0])
    return found


def _is_number(text: str) -> bool:
    """Check for 64 digits, as runtimes number their containers."""
    return len(text) == _DIGITS and not set(text) - set("0123456789abcdef")


def _shortened(number: str) -> str:
    """Cut a number of 64 digits; a name or a UUID stays as it is."""
    return number[:_SHORT] if _is_number(number) else number


def _owner_of(path: str) -> int | None:
    with suppress(OSError):
        return os.stat(path).st_uid
    return None


def _read(path: str, owners: Collection[int] | None = None) -> str | None:
    """Read the beginning of a file that others have written; no pipe, no device.

    `owners`: only if it belongs to one of these users.
    """
    with suppress(OSError):
        descriptor = os.open(path, _CAREFULLY)
        with open(descriptor, encoding="utf-8", errors="replace") as file:
            told = os.fstat(descriptor)
            is_trusted = owners is None or told.st_uid in owners
            if stat.S_ISREG(told.st_mode) and is_trusted:
                return file.read(_MOST)
    return None


def _json(text: str) -> Any:
    import json

    with suppress(ValueError, RecursionError):
        return json.loads(text)
    return None
