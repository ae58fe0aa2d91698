"""The part of this program that answers on the far side, as one archive in memory.

Compiled modules start in half the time; they fit one version of Python only, which the
far side names when it greets. For another version the sources are sent.
"""

from __future__ import annotations

import marshal
import os
import sys
from collections.abc import Iterator
from functools import cache
from importlib.machinery import SourceFileLoader
from importlib.util import MAGIC_NUMBER
from io import BytesIO
from threading import Lock
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from tcpstates import text

_PACKAGE = "tcpstates"
# Modules and packages that are not sent, wherever in the tree they are: output for
# people, following, filtering, killing. Each byte is sent to each host.
_NOT_THERE = {
    *(
        "__main__",
        "api",
        "bpf_record",
        "changes",
        "cli",
        "diagram",
        "doctor",
        "ended",
        "exporter",
    ),
    *("filters", "fleet", "held", "kill", "lifecycle", "like", "live", "metrics"),
    *("netstat", "page", "psutil_", "registry", "render", "saved", "saved_listing"),
    *("sorting", "streams", "tally", "tracepoint", "transition", "transitions"),
}
_THERE_AFTER_ALL = {
    *("fleet/__init__", "fleet/answers", "fleet/batches", "fleet/checks"),
    "fleet/host_facts",
}
_BUILDING = Lock()  # hosts that greet at once wait for one archive
_UNCHECKED = (1).to_bytes(4, "little") + bytes(8)  # PEP 552: no source to compare with


def program(tag: str) -> bytes:
    """Return the archive for the version of Python that `tag` names: cpython-311."""
    with _BUILDING:
        return _built(tag)


@cache
def _built(tag: str) -> bytes:
    stream = BytesIO()
    with ZipFile(stream, "w", ZIP_DEFLATED) as archive:
        for name, content in _modules(tag):
            archive.writestr(name, content)
    return stream.getvalue()


def _modules(tag: str) -> Iterator[tuple[str, bytes]]:
    loader = getattr(text.__spec__, "loader", None)
    if loader is not None and hasattr(
        loader, "other"
    ):  # the one-file program: see .ci/pyz-main
        yield from _from_bundle(loader.other(tag))
        return
    is_same = tag == sys.implementation.cache_tag
    root = os.path.dirname(os.path.abspath(text.__file__))
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(set(folders) - {"__pycache__"})
        for file in sorted(files):
            path = os.path.join(folder, file)
            name = os.path.relpath(path, root).replace(os.sep, "/")
            if not name.endswith(".py") or not _runs_there(name.removesuffix(".py")):
                continue
            if is_same:
                yield f"{_PACKAGE}/{name}c", _compiled(path, name)
            else:
                with open(path, "rb") as source:
                    yield f"{_PACKAGE}/{name}", source.read()


def _from_bundle(bundle: Any) -> Iterator[tuple[str, bytes]]:
    """Copy the modules for a version out of the one-file program."""
    for name in bundle.files():
        package, _, inner = name.partition("/")
        if package == _PACKAGE and _runs_there(inner.rpartition(".py")[0]):
            yield name, bundle.content(name)


def _runs_there(module: str) -> bool:
    """Check whether a module, as a/b, is part of what is sent; "" is none."""
    if not module:
        return False
    if module in _THERE_AFTER_ALL:
        return True
    return _NOT_THERE.isdisjoint(module.split("/"))


def _compiled(path: str, name: str) -> bytes:
    module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    full = _PACKAGE if module == "__init__" else f"{_PACKAGE}.{module}"
    code = SourceFileLoader(full, path).get_code(full)
    return MAGIC_NUMBER + _UNCHECKED + marshal.dumps(code)
