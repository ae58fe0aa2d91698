"""Other kernels and processors: user-mode Linux, a chroot, emulated machines."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from platforms.roots import Cannot, base, call, copy_of, mirror, needs, put_in

# What of a kernel's modules the zoo may load.
MODULES = (
    "net/ipv4",
    "net/ipv6",
    "net/core",
    "net/netlink",
    "net/unix",
    "lib",
    "crypto",
)


class Machine(NamedTuple):
    """An emulated machine: Debian's architecture, its kernel, and how it is started."""

    arch: str
    kernel: str  # the package
    image: str  # pattern in /boot
    command: Sequence[str]
    console: str
    memory: int = 2560  # MiB


MACHINES = {
    "s390x": Machine(
        "s390x", "linux-image-s390x", "vmlinuz-*", ("qemu-system-s390x",), "ttysclp0"
    ),
    "ppc64el": Machine(
        "ppc64el",
        "linux-image-powerpc64le",
        "vmlinux-*",
        ("qemu-system-ppc64", "-M", "pseries", "-cpu", "POWER9", "-vga", "none"),
        "hvc0",
    ),
    "mips64el": Machine(
        "mips64el",
        "linux-image-5kc-malta",
        "vmlinu*-*",
        (
            "qemu-system-mips64el",
            *("-M", "malta", "-cpu", "MIPS64R2-generic", "-vga", "none"),
        ),
        "ttyS0",
        2048,  # the most that a Malta board has
    ),
}


AMD64 = Machine(
    "amd64",
    "linux-image-cloud-amd64",
    "vmlinuz-*",
    ("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max"),
    "ttyS0",
)


def uml(cache: Path) -> str:
    """Linux 6.1 as a program of this machine: user-mode Linux."""
    if shutil.which("linux.uml") is None:
        raise Cannot("missing: linux.uml (Debian: user-mode-linux)")
    needs(debootstrap="debootstrap", depmod="kmod")
    with copy_of(base(cache, "amd64")) as root:
        for modules in Path("/usr/lib/uml/modules").iterdir():
            target = root / "usr/lib/modules" / modules.name
            shutil.copytree(modules, target, symlinks=True, dirs_exist_ok=True)
            call("chroot", root, "depmod", modules.name)
        put_in(root)
        return call(
            "linux.uml",
            "mem=1G",
            "rootfstype=hostfs",
            f"rootflags={root}",
            *("rw", "init=/init", "con=null", "con0=null,fd:1", "quiet"),
            limit=600,
        )


def i386(cache: Path) -> str:
    """A system of 32 bits on this kernel."""
    needs(debootstrap="debootstrap", unshare="util-linux")
    with copy_of(base(cache, "i386")) as root:
        put_in(root)
        script = (
            f"mount --bind /proc {root}/proc; ip link set lo up;"
            f" PYTHONPATH=/opt chroot {root} python3 /opt/zoo.py; umount {root}/proc"
        )
        return call("unshare", "-nm", "sh", "-c", script, limit=600)


def emulated(machine: Machine) -> Callable[[Path], str]:
    """Return what runs the zoo on an emulated machine, with that Debian's kernel."""

    def run(cache: Path) -> str:
        needs(debootstrap="debootstrap", cpio="cpio", depmod="kmod")
        root = base(cache, machine.arch, machine.kernel)
        with copy_of(root) as copy:
            return _boot(machine, copy, cache)

    return run


def kernel_of(suite: str) -> Callable[[Path], str]:
    """Return what runs the zoo on this processor's kernel of another Debian."""

    def run(cache: Path) -> str:
        needs(debootstrap="debootstrap", cpio="cpio", depmod="kmod")
        packages = cache / f"kernel-of-{suite}"
        if not list(packages.rglob("linux-image-*.deb")):
            include = f"--include={AMD64.kernel}"
            call("debootstrap", "--download-only", "--variant=minbase", include, suite,
                 packages, mirror(), limit=900)  # fmt: skip
        with copy_of(base(cache, "amd64")) as copy:
            for package in sorted(packages.rglob("linux-*.deb")):
                call("dpkg", "-x", package, copy / "kernel")
            for folder in ("boot", "lib/modules", "usr/lib/modules"):
                found = copy / "kernel" / folder
                if found.is_dir():
                    target = copy / ("boot" if folder == "boot" else "usr/lib/modules")
                    shutil.copytree(found, target, dirs_exist_ok=True, symlinks=True)
            shutil.rmtree(copy / "kernel")
            return _boot(AMD64, copy, cache)

    return run


def _boot(machine: Machine, root: Path, cache: Path) -> str:
    """Start a machine from a root in memory; return what its console has shown."""
    if shutil.which(machine.command[0]) is None:
        raise Cannot(f"missing: {machine.command[0]} (Debian: qemu-system-...)")
    places = [*(root / "boot").glob(machine.image)]
    places += (root / "usr/lib/modules").glob("*/vmlinuz")
    kernel = next(iter(sorted(places)))
    version = kernel.name.partition("-")[2] or kernel.parent.name
    image, archive = cache / f"kernel-{machine.arch}", cache / f"initrd-{machine.arch}"
    shutil.copy(kernel, image)
    _thin(root, version)
    put_in(root)
    call(
        "sh",
        "-c",
        f"cd {root} && find . -xdev | cpio -o -H newc --quiet | gzip -1 > {archive}",
    )
    options = f"console={machine.console} panic=-1 quiet"
    return call(
        *machine.command,
        *("-m", str(machine.memory), "-kernel", image, "-initrd", archive),
        *("-append", options, "-nographic", "-no-reboot", "-nic", "none"),
        limit=1500,
    )


def _thin(root: Path, version: str) -> None:
    """Leave out what the zoo does not need, and list the modules that are left."""
    modules = root / "usr/lib/modules" / version
    for folder in sorted((modules / "kernel").rglob("*"), reverse=True):
        inside = folder.relative_to(modules / "kernel").as_posix()
        is_kept = any(
            inside.startswith(kept) or kept.startswith(inside) for kept in MODULES
        )
        if folder.is_dir() and not is_kept:
            shutil.rmtree(folder, ignore_errors=True)
        elif not folder.is_dir() and not inside.startswith(MODULES):
            folder.unlink(missing_ok=True)
    call("depmod", "-b", root / "usr", version)
    for name in ("boot", "var/cache/apt/archives", "usr/share/doc", "usr/share/locale"):
        shutil.rmtree(root / name, ignore_errors=True)
