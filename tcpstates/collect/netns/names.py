"""Name network namespaces: as ip-netns does, by container or pod, or by a process."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

from tcpstates.collect.netns.find import Namespace, find_namespaces, own_number
from tcpstates.collect.places import Places
from tcpstates.collect.proc_files import name_of
from tcpstates.model import OWN_NETNS
from tcpstates.text import decode_name

_SEARCH_EVERY = 1.0  # seconds
_RESERVED = frozenset({OWN_NETNS, "all"})  # words of --netns


class NamespaceNames:
    """The best name known of each namespace; no two have the same one."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._searched: float | None = None

    def name(self, number: int) -> str:
        """Return the name of a namespace; net:[NUMBER] if nothing is known of it.

        The kernel gives numbers again, so names hold for a second only.
        """
        now = time.monotonic()
        if self._searched is None or now - self._searched > _SEARCH_EVERY:
            self._searched = now
            self._names = self.names(find_namespaces(descriptors=False).namespaces)
        return self._names.get(number, f"net:[{number}]")

    def names(self, namespaces: Iterable[Namespace]) -> dict[int, str]:
        """Name namespaces; those that would be called alike also have their number."""
        self._places = Places()
        found = {each.number: self.name_of(each) for each in namespaces}
        often = Counter(found.values())
        own = own_number()
        return {
            number: name
            if number == own or (often[name] == 1 and name not in _RESERVED)
            else f"{name}@net:[{number}]"
            for number, name in found.items()
        }

    def name_of(self, namespace: Namespace) -> str:
        """Name a namespace that was found."""
        if namespace.number == own_number():
            return OWN_NETNS
        if namespace.name is not None:
            return namespace.name
        for pid in namespace.pids:
            place = self._places.of(pid)
            named = place.pod or place.container
            if named:
                return named
        if namespace.pids:
            pid = namespace.pids[0]
            name = name_of(pid)
            return f"{decode_name(name)}[{pid}]" if name else f"pid {pid}"
        return f"net:[{namespace.number}]"
