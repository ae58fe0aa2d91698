"""Other Pythons of this machine."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from platforms.roots import (
    PACKAGES,
    ROOT,
    ZOO,
    Cannot,
    call,
    copy_of,
    mirror,
    needs,
    put_in,
)


def newest(cache: Path) -> str:
    """Debian's newest Python and libraries, in a chroot of its development branch."""
    needs(debootstrap="debootstrap", unshare="util-linux")
    root = cache / "root-sid"
    if not (root / "opt/done").exists():
        shutil.rmtree(root, ignore_errors=True)
        include = f"--include={PACKAGES}"
        call("debootstrap", "--variant=minbase", include, "sid", root, mirror(),
             limit=1500)  # fmt: skip
        (root / "opt/done").write_text("")
    with copy_of(root) as copy:
        put_in(copy)
        script = (
            f"mount --bind /proc {copy}/proc; mount --bind /dev {copy}/dev;"
            f" ip link set lo up; PYTHONPATH=/opt chroot {copy}"
            " python3 -X dev -W error /opt/zoo.py"
        )
        return call("unshare", "-nm", "sh", "-c", script, limit=600)


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
