"""Small systems: BusyBox instead of ss, nothing that could be left out, and musl."""

from __future__ import annotations

import ctypes
import json
import shutil
from pathlib import Path

from platforms.roots import Cannot, base, call, copy_of, needs, put_in
from tcpstates.collect import recvmmsg

# What a small system may lack.
LEFT_OUT = (
    *("usr/bin/ss", "usr/sbin/ss", "bin/ss", "etc/services", "etc/protocols"),
    *("etc/nsswitch.conf", "usr/lib/locale", "usr/share/locale", "usr/bin/ip"),
    *("usr/sbin/sysctl", "usr/bin/ps", "etc/passwd", "etc/group", "etc/hosts"),
)
# The layouts that `collect.recvmmsg` describes to ctypes, as the C library has them.
C_PROGRAM = """
#define _GNU_SOURCE
#include <sys/socket.h>
#include <stddef.h>
#include <stdio.h>
#define O(f) (int)offsetof(struct msghdr, f)
int main(void) {
  printf("%d %d %d %d %d %d %d %d %d %d\\n", (int)sizeof(struct iovec),
    (int)sizeof(struct msghdr), (int)sizeof(struct mmsghdr), O(msg_name),
    O(msg_namelen), O(msg_iov), O(msg_iovlen), O(msg_control), O(msg_controllen),
    O(msg_flags));
}
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
    """The layouts of musl, as no Python for it is packaged in Debian."""
    if shutil.which("musl-gcc") is None:
        raise Cannot("missing: musl-gcc (Debian: musl-tools)")
    source, program = cache / "layouts.c", cache / "layouts"
    source.write_text(C_PROGRAM)
    call("musl-gcc", "-static", "-o", program, source)
    found = list(map(int, call(program).split()))
    header = recvmmsg._Header
    fields = [getattr(header, name).offset for name, *_ in header._fields_]
    sizes = [
        ctypes.sizeof(kind) for kind in (recvmmsg._Vector, header, recvmmsg._Message)
    ]
    lines = [
        {"check": "platform", "ok": True, "seen": "musl, its layouts only"},
        {"check": "recvmmsg", "ok": found == [*sizes, *fields], "seen": str(found)},
        {"check": "end", "ok": True, "seen": ""},
    ]
    return "\n".join(map(json.dumps, lines))
