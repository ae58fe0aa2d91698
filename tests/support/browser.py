"""A real browser, driven over pipes by the DevTools protocol; no package needed."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")
PATIENCE = 60  # seconds; a start takes one or two


class Browser:
    """One page; `requests` and `complaints` are what it asked for and complained of."""

    def __init__(self, commands: int, answers: int) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._commands, self._answers = commands, answers
        self._pending, self._number = b"", 0
        self._session: str | None = None

    def start(self) -> None:
        """Attach to a page, and listen to what it does."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def open(self, address: str) -> None:
        """Load a page, and wait until it is complete."""
        self.call("Page.navigate", url=address)
        end = time.monotonic() + PATIENCE
        while self.evaluate("document.readyState + location.href.slice(0, 4)") != (
            "completefile"
        ):
            assert time.monotonic() < end, address

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression on the page."""
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method and wait for its answer; keep the events before it."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (told := self._receive()).get("id") != self._number:
            self._note(told)
        assert "error" not in told, told
        return dict(told["result"])

    def _note(self, event: dict[str, Any]) -> None:
        match event.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(event["params"]["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(event["params"]["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(event["params"]["exceptionDetails"]))
            case _:
                pass

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._pending:
            ready, _, _ = select.select([self._answers], [], [], PATIENCE)
            part = os.read(self._answers, 1 << 16) if ready else b""
            assert part, "the browser does not answer"
            self._pending += part
        message, _, self._pending = self._pending.partition(b"\0")
        return dict(json.loads(message))


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Run chromium without a screen."""
    assert CHROMIUM is not None
    for_it, commands = os.pipe()
    answers, from_it = os.pipe()
    process = subprocess.Popen(
        [
            # The browser reads commands from 3 and answers on 4.
            *("bash", "-c", f'exec "$@" 3<&{for_it} 4>&{from_it}', "-", CHROMIUM),
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--remote-debugging-pipe", f"--user-data-dir={profile}"),
        ],
        pass_fds=(for_it, from_it),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(for_it)
    os.close(from_it)
    try:
        shown = Browser(commands, answers)
        shown.start()
        yield shown
    finally:
        process.kill()
        process.wait()
        os.close(commands)
        os.close(answers)
