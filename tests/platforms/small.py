"""Small systems: BusyBox instead of ss, nothing that could be left out, and musl."""

from __future__ import annotations

import shlex
import shutil
import sys
import zipfile
from pathlib import Path

from platforms.roots import (
    ROOT,
    SUITE,
    ZOO,
    base,
    call,
    copy_of,
    mirror,
    needs,
    put_in,
)

# What a small system may lack.
LEFT_OUT = (
    *("usr/bin/ss", "usr/sbin/ss", "bin/ss", "etc/services", "etc/protocols"),
    *("etc/nsswitch.conf", "usr/lib/locale", "usr/share/locale", "usr/bin/ip"),
    *("usr/sbin/sysctl", "usr/bin/ps", "etc/passwd", "etc/group", "etc/hosts"),
)
# Debian packages no Python for musl, so it is made of Debian's sources.
SOURCES = ("python3.11", "libffi", "zlib")
WHEELS = ("psutil", "click", "rich", "markdown-it-py", "mdurl", "pygments")
COMPILER = """#!/bin/sh
[ "$1" = --print-multiarch ] && { echo x86_64-linux-musl; exit; }
exec musl-gcc "$@" -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu
"""
BUILD = """
set -e
cd {folder}
for archive in *.orig.tar.*; do tar xf $archive; done
export CC={folder}/compiler CFLAGS="-O1 -fPIC"
(cd libffi-*/ && ./configure --prefix={folder}/made --disable-shared --disable-docs
 make install)
(cd zlib-*/ && ./configure --static --prefix={folder}/made && make install)
export CPPFLAGS=-I{folder}/made/include LDFLAGS=-L{folder}/made/lib
cd Python-*/
./configure --prefix={folder}/python --without-ensurepip --disable-test-modules
make -j2
make install
"""


def busybox(cache: Path) -> str:
    """A root of which nothing can be written, without what a small system lacks."""
    needs(debootstrap="debootstrap", unshare="util-linux", busybox="busybox-static")
    with copy_of(base(cache, "amd64")) as root:
        put_in(root)
        for name in LEFT_OUT:
            path = root / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        shutil.copy(shutil.which("busybox") or "", root / "usr/bin/busybox")
        script = (
            f"mount --bind {root} {root}; mount -o remount,ro,bind {root};"
            f" mount --bind /proc {root}/proc; mount -t tmpfs tmp {root}/tmp;"
            f" ip link set lo up; exec env -i PATH=/usr/bin:/bin PYTHONPATH=/opt"
            f" /usr/sbin/chroot {root} /usr/bin/python3 /opt/zoo.py"
        )
        return call("unshare", "-nm", "sh", "-c", script, limit=600)


def musl(cache: Path) -> str:
    """A Python for musl, the C library of Alpine, on this kernel."""
    needs(musl_gcc="musl-tools", make="make", unshare="util-linux")
    folder = cache / "musl"
    python = folder / "python/bin/python3"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _make_python(folder)
        (folder / "done").write_text("")
    script = (
        f"ip link set lo up; cd /; PYTHONPATH={ROOT} PYTHONDONTWRITEBYTECODE=1"
        f" {python} -X dev -W error {ZOO}"
    )
    return call("unshare", "-n", "sh", "-c", script, limit=600)


def _make_python(folder: Path) -> None:
    """Compile Python and what it needs with musl, and put wheels for musl into it."""
    lists = folder / "apt"
    (lists / "partial").mkdir(parents=True)
    (folder / "sources.list").write_text(f"deb-src {mirror()} {SUITE} main\n")
    options = (
        *("-o", f"Dir::Etc::sourcelist={folder}/sources.list"),
        *("-o", "Dir::Etc::sourceparts=/dev/null", "-o", f"Dir::State::lists={lists}"),
    )
    call("apt-get", "-q", *options, "update")
    fetch = shlex.join(
        ["apt-get", "-q", *options, "source", "--download-only", *SOURCES]
    )
    call("sh", "-c", f"cd {folder} && {fetch}")
    (folder / "compiler").write_text(COMPILER)
    (folder / "compiler").chmod(0o755)
    call("sh", "-c", BUILD.format(folder=folder), limit=1500)
    wheels = folder / "wheels"
    only = ("--no-deps", "--only-binary=:all:", "--python-version", "3.11")
    kind = ("--platform", "musllinux_1_2_x86_64", "-d", wheels)
    call(sys.executable, "-m", "pip", "download", "-q", *only, *kind, *WHEELS)
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "python/lib/python3.11/site-packages")
