"""Name network namespaces: as ip-netns does, by container or pod, or by a process."""

from __future__ import annotations

import time

from tcpstates.collect.netns.find import Namespace, find_namespaces, own_number
from tcpstates.collect.places import Places
from tcpstates.collect.proc_files import name_of
from tcpstates.model import OWN_NETNS
from tcpstates.text import decode_name

_SEARCH_EVERY = 1.0  # seconds, for names that were not found


class NamespaceNames:
    """The best name known of each namespace, searched for when one is met."""

    def __init__(self, places: Places | None = None) -> None:
        self._places = places or Places()
        self._names: dict[int, str] = {}
        self._searched = 0.0

    def name(self, number: int) -> str:
        """Return the name of a namespace; net:[NUMBER] if nothing is known of it."""
        found = self._names.get(number)
        if found is not None:
            return found
        now = time.monotonic()
        if now - self._searched > _SEARCH_EVERY:
            self._searched = now
            for each in find_namespaces(descriptors=False).namespaces:
                self._names.setdefault(each.number, self.name_of(each))
        return self._names.get(number, f"net:[{number}]")

    def name_of(self, namespace: Namespace) -> str:
        """Name a namespace that was found."""
        if namespace.name is not None:
            return namespace.name
        if namespace.number == own_number():
            return OWN_NETNS
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
