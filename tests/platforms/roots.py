"""Roots of Debian for other platforms: made once, copied for each run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ZOO = Path(__file__).with_name("zoo.py")
SUITE = "bookworm"
PACKAGES = (
    "python3,python3-psutil,python3-click,python3-rich,iproute2,procps,kmod,netbase"
)
INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root PYTHONPATH=/opt ZOO_SECONDS=600
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/shm; for d in /tmp /run /dev/shm; do mount -t tmpfs tmp $d; done
ip link set lo up
for m in inet_diag tcp_diag udp_diag; do modprobe $m 2>/dev/null; done
python3 /opt/zoo.py < /dev/null
sync; echo o > /proc/sysrq-trigger; sleep 30
"""


class Cannot(Exception):
    """The platform cannot be run here; the text says why."""


def needs(**programs: str) -> None:
    """Raise Cannot for a missing program, with its Debian package."""
    for program, package in programs.items():
        name = program.replace("_", "-")
        if shutil.which(name) is None:
            raise Cannot(f"missing: {name} (Debian: {package})")
    if os.geteuid() != 0:
        raise Cannot("only root can make a root file system")


def call(*command: str | Path, limit: float = 900) -> str:
    """Run a command to its end; return its output. Raise Cannot if it fails."""
    try:
        finished = subprocess.run(
            list(map(str, command)),
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Cannot(f"{command[0]}: {error}") from error
    if finished.returncode:
        last = (finished.stderr or finished.stdout).strip().splitlines()[-1:]
        raise Cannot(f"{command[0]}: {' '.join(last)}")
    return finished.stdout


def mirror() -> str:
    """The first address that this machine's own apt uses."""
    sites = call("apt-get", "indextargets", "--format", "$(SITE)").split()
    return next((site for site in sites if "security" not in site), "")


def base(cache: Path, arch: str, *packages: str, name: str = "") -> Path:
    """Return a root of Debian for an architecture, made once for each name."""
    root = cache / f"root-{arch}{name}"
    done = root / "opt/done"
    if done.exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    include = ",".join([PACKAGES, *packages])
    command = [
        "debootstrap",
        f"--arch={arch}",
        "--variant=minbase",
        f"--include={include}",
    ]
    native = arch in ("amd64", "i386")
    call(
        *command, *([] if native else ["--foreign"]), SUITE, root, mirror(), limit=1500
    )
    if not native:
        _unpack(root)
    done.parent.mkdir(exist_ok=True)
    done.write_text("")
    return root


def _unpack(root: Path) -> None:
    """Unpack the packages of another architecture, without running any of it."""
    for package in sorted((root / "var/cache/apt/archives").glob("*.deb")):
        call("dpkg", "-x", package, root)
    for name in ("bin", "sbin", "lib", "lib64"):
        old, new = root / name, root / "usr" / name
        if old.is_dir() and not old.is_symlink():
            call("cp", "-a", f"{old}/.", new) if new.exists() else old.rename(new)
            shutil.rmtree(old, ignore_errors=True)
        if not old.is_symlink() and new.exists():
            old.symlink_to(f"usr/{name}")
    for link, target in (("python3", "python3.11"), ("sh", "dash")):
        place = root / "usr/bin" / link
        if not place.exists():
            place.symlink_to(target)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")


def put_in(root: Path) -> None:
    """Put tcpstates and the zoo into a root."""
    target = root / "opt/tcpstates"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(
        ROOT / "tcpstates", target, ignore=shutil.ignore_patterns("__pycache__")
    )
    for part in ZOO.parent.glob("zoo*.py"):
        shutil.copy(part, root / "opt")
    # One byte code for every processor: it spares minutes under emulation.
    python = shutil.which("python3.11")
    if python is not None:
        subprocess.run(
            [
                python,
                "-m",
                "compileall",
                "-q",
                "--invalidation-mode=unchecked-hash",
                target,
            ],
            check=False,
            capture_output=True,
        )
    init = root / "init"
    init.write_text(INIT)
    init.chmod(0o755)


@contextmanager
def copy_of(root: Path) -> Iterator[Path]:
    """Provide a copy that may be written to."""
    copy = root.with_name(f"{root.name}-copy")
    shutil.rmtree(copy, ignore_errors=True)
    call("cp", "-a", root, copy)
    try:
        yield copy
    finally:
        shutil.rmtree(copy, ignore_errors=True)
