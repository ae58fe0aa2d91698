"""A record of the Python API as --json writes it."""

from __future__ import annotations

from typing import Any

from tcpstates.fields import FIELDS

PLACES = [field.name for field in FIELDS if field.shown_with in ("places", "hosts")]


def as_json(record: Any) -> dict[str, Any]:
    """Return a socket as the object that JSON has of it."""
    found: dict[str, Any] = record._asdict()
    if found["timer"] is not None:
        found["timer"] = found["timer"]._asdict()
    if found["truncated"] is not None:
        found["truncated"] = list(found["truncated"])
    if found["processes"] is not None:
        found["processes"] = [
            {"pid": pid, **_name(name), "fd": fd}
            for pid, name, fd in found["processes"]
        ]
    for name in PLACES:  # JSON has these with --netns and --host only
        assert found.pop(name) is None
    return found


def _name(name: bytes | None) -> dict[str, str | None]:
    if name is None:
        return {"name": None, "name_raw": None}
    text = name.decode("utf-8", "backslashreplace")
    is_whole = name.decode("utf-8", "surrogateescape") == text
    return {"name": text, "name_raw": None if is_whole else name.hex()}
