"""An empty Debian, on which a new user types what the documentation says."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from platforms.roots import ROOT, base, call, copy_of, needs

# What a new user types: the first command of the README, then the way for every user.
NEW_USER = r"""
export HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
told() { echo "{\"check\": \"$1\", \"ok\": $2, \"seen\": \"\"}"; }
cd /srv/project
"""
ABOUT = (
    'told2() { echo "{\\"check\\": \\"platform\\", \\"ok\\": true, \\"seen\\": \\"$1\\"}"; };'
    ' told2 "Debian $(cat /etc/debian_version), pip'
    " $(python3 -m pip --version | cut -d' ' -f2)\""
)
INSTALL_PAGE = ROOT / ".github/INSTALL.md"


def new_user(pip: str | None) -> Callable[[Path], str]:
    """Return what follows the documentation on an empty Debian, with this pip or its own."""

    def run(cache: Path) -> str:
        needs(debootstrap="debootstrap", unshare="util-linux")
        packages = ("python3-venv", "python3-pip", "sudo", "man-db", "ca-certificates")
        with copy_of(base(cache, "amd64", *packages, name="-new")) as root:
            _put_project(root)
            places = _place_pip(root)
            script = NEW_USER + _typed(pip)
            (root / "srv/type.sh").write_text(script)
            mounts = "".join(
                f"mkdir -p {root}{place}; mount --bind {place} {root}{place}; "
                for place in ("/proc", *places)
            )
            command = f"{mounts} chroot {root} bash /srv/type.sh"
            return call("unshare", "-m", "bash", "-c", command, limit=900)

    return run


def _put_project(root: Path) -> None:
    files = call("git", "-C", ROOT, "ls-files").splitlines()
    for name in files:
        target = root / "srv/project" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)


def _place_pip(root: Path) -> list[str]:
    """Let pip in a root find what pip finds here; return the folders to mount."""
    for path in ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf"):
        if os.path.exists(path):
            shutil.copy(path, f"{root}{path}")
    folders = {"/etc/ssl/certs", "/etc/xdg/pip"}
    settings = call(sys.executable, "-m", "pip", "config", "list")
    for word in settings.replace("'", " ").replace("file://", " ").split():
        if word.startswith("/") and os.path.exists(word):
            folders.add(word if os.path.isdir(word) else os.path.dirname(word))
    return sorted(folder for folder in folders if os.path.isdir(folder))


def _typed(pip: str | None) -> str:
    """The commands of the documentation, each followed by what is expected."""
    readme = (ROOT / "README.md").read_text()
    first = re.findall(r"^python3 .*tcpstates -ltpn$", readme, re.MULTILINE)[0]
    blocks = re.findall(r"```sh\n(.*?)```", INSTALL_PAGE.read_text(), re.DOTALL)
    everybody = blocks[0].strip()
    lines = []
    if pip is not None:
        lines.append(
            "python3 -m pip install -q --break-system-packages --force-reinstall"
            f" pip=={pip} >/dev/null 2>&1"
        )
        # As the page says for a pip that has no --python.
        first = first.replace(" --without-pip", "").replace(
            "python3 -m pip --python .venv/bin/python", ".venv/bin/python -m pip"
        )
        everybody = everybody.replace(" --without-pip", "").replace(
            "python3 -m pip --python /opt/tcpstates/bin/python",
            "/opt/tcpstates/bin/python -m pip",
        )
    lines.append(ABOUT)
    seen = everybody.replace("sudo tcpstates -ltpn", "sudo tcpstates -ltpn > /srv/seen")
    works = "tcpstates -V >/dev/null && man -w tcpstates >/dev/null"
    bare = "env -i PATH=/usr/local/bin:/usr/bin sh -c 'tcpstates -ltpn'"
    for check, command in (
        ("first", f"({first} >/dev/null && {works})"),
        ("everybody", seen.replace("\n", " && ")),
        ("sudo", "grep -q Proto /srv/seen"),
        ("cron", f"(cd / && {bare} >/dev/null)"),
        ("man", "man -w tcpstates >/dev/null"),
        ("docs removed", "sudo tcpstates install-docs --remove >/dev/null"),
        ("removed", "sudo rm -r /opt/tcpstates /usr/local/bin/tcpstates"),
        ("nothing left", "! command -v tcpstates >/dev/null"),
    ):
        lines.append(
            f"if {command}; then told '{check}' true; else told '{check}' false; fi"
        )
    lines.append("told end true")
    return "\n".join(lines) + "\n"
