"""Other Pythons of this machine."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from platforms.roots import ROOT, ZOO, Cannot, call


def python(version: str) -> Callable[[Path], str]:
    """Return what runs the zoo with another Python of this machine, from one file."""

    def run(cache: Path) -> str:
        found = shutil.which(f"python{version}") or ""
        pyenv = sorted(
            (Path.home() / ".pyenv/versions").glob(f"{version}.*/bin/python")
        )
        path = str(pyenv[-1]) if pyenv else found
        if not path:
            raise Cannot(f"missing: python{version}")
        venv = cache / f"venv-{version}"
        if not venv.exists():
            call(path, "-m", "venv", "--without-pip", venv)
            call(sys.executable, "-m", "pip", "--python", venv / "bin/python", "install",
                 "-q", ROOT)  # fmt: skip
        script = (
            f"ip link set lo up; cd /; PYTHONPATH={ROOT} PYTHONDONTWRITEBYTECODE=1"
            f" {venv}/bin/python -X dev -W error {ZOO}"
        )
        return call("unshare", "-n", "sh", "-c", script, limit=600)

    return run
