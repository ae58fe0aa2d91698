"""Run the zoo on other kernels, processors and Pythons; write the table of results.

    .venv/bin/python tests/platforms/run.py            # every platform
    .venv/bin/python tests/platforms/run.py uml i386   # some of them

It needs root, a Debian-like machine and about 3 GB below --cache, and installs nothing:
a line says which packages are missing. The first run of a platform downloads its packages
(two to five minutes); later ones take what the table says. Nothing here is part of a test
run. `--table` writes the results into tests/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
ZOO = Path(__file__).with_name("zoo.py")
TABLE = TESTS / "README.md"
BEGIN, END = (
    "<!-- platforms: made by tests/platforms/run.py -->",
    "<!-- platforms: end -->",
)
SUITE = "bookworm"
PACKAGES = (
    "python3,python3-psutil,python3-click,python3-rich,iproute2,procps,kmod,netbase"
)
MEMORY = "2500"  # MiB of a virtual machine
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
INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root PYTHONPATH=/opt ZOO_SECONDS=600
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/shm; for d in /tmp /run /dev/shm; do mount -t tmpfs tmp $d; done
ip link set lo up
for m in inet_diag tcp_diag udp_diag; do modprobe $m 2>/dev/null; done
python3 /opt/zoo.py < /dev/null
sync; echo o > /proc/sysrq-trigger; sleep 30
"""


class Result(NamedTuple):
    """What was found on a platform."""

    platform: str
    about: str
    passed: int
    failed: list[str]  # the checks, with what was seen
    seconds: float


class Cannot(Exception):
    """The platform cannot be run here; the text says why."""


class Machine(NamedTuple):
    """An emulated machine: Debian's architecture, its kernel, and how it is started."""

    arch: str
    kernel: str  # the package
    image: str  # pattern in /boot
    command: Sequence[str]
    console: str


MACHINES = {
    "s390x": Machine(
        "s390x", "linux-image-s390x", "vmlinuz-*", ("qemu-system-s390x",), "ttysclp0"
    ),
    "ppc64el": Machine(
        "ppc64el",
        "linux-image-powerpc64le",
        "vmlinux-*",
        ("qemu-system-ppc64", "-M", "pseries", "-cpu", "POWER9"),
        "hvc0",
    ),
    "mips64el": Machine(
        "mips64el",
        "linux-image-5kc-malta",
        "vmlinu*-*",
        ("qemu-system-mips64el", "-M", "malta", "-cpu", "MIPS64R2-generic"),
        "ttyS0",
    ),
}


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


def base(cache: Path, arch: str, *packages: str) -> Path:
    """Return a root of Debian for an architecture, made once."""
    root = cache / f"root-{arch}"
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
    shutil.copy(ZOO, root / "opt/zoo.py")
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
        if shutil.which(machine.command[0]) is None:
            raise Cannot(f"missing: {machine.command[0]} (Debian: qemu-system-...)")
        needs(debootstrap="debootstrap", cpio="cpio", depmod="kmod")
        root = base(cache, machine.arch, machine.kernel)
        with copy_of(root) as copy:
            kernel = next(iter(sorted((copy / "boot").glob(machine.image))))
            image = cache / f"kernel-{machine.arch}"
            shutil.copy(kernel, image)
            _thin(copy, kernel.name.partition("-")[2])
            put_in(copy)
            archive = cache / f"initrd-{machine.arch}"
            pack = f"cd {copy} && find . -xdev | cpio -o -H newc --quiet | gzip -1 > {archive}"
            call("sh", "-c", pack)
        options = f"console={machine.console} panic=-1 quiet"
        return call(
            *machine.command,
            *("-m", MEMORY, "-kernel", image, "-initrd", archive, "-append", options),
            *("-nographic", "-no-reboot", "-nic", "none"),
            limit=1500,
        )

    return run


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


PLATFORMS: dict[str, Callable[[Path], str]] = {
    "uml": uml,
    "i386": i386,
    **{name: emulated(machine) for name, machine in MACHINES.items()},
    **{f"python{v}": python(v) for v in ("3.10", "3.11", "3.12", "3.13", "3.14")},
}


def read_results(name: str, output: str, seconds: float) -> Result:
    """Read the lines that the zoo has printed, among those of a kernel."""
    passed, failed, about, has_ended = 0, [], "", False
    for line in output.splitlines():
        start = line.find('{"check"')
        if start < 0:
            continue
        found = json.loads(line[start:])
        if found["check"] == "platform":
            about = found["seen"]
        elif found["check"] == "end":
            has_ended = True
        elif found["ok"]:
            passed += 1
        else:
            failed.append(f"{found['check']}: {found['seen']}")
    if not has_ended:
        last = " / ".join(output.strip().splitlines()[-3:])
        failed.append(f"it did not end: {last[-300:]}")
    return Result(name, about, passed, failed, seconds)


def main() -> int:
    """Run the platforms that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "names", nargs="*", metavar="PLATFORM", help=" ".join(PLATFORMS)
    )
    parser.add_argument(
        "--cache", type=Path, default=Path("/var/cache/tcpstates-platforms")
    )
    parser.add_argument("--table", action="store_true", help="write tests/README.md")
    given = parser.parse_args()
    given.cache.mkdir(parents=True, exist_ok=True)
    results, absent = [], {}
    for name in given.names or PLATFORMS:
        start = time.monotonic()
        try:
            output = PLATFORMS[name](given.cache)
        except Cannot as error:
            absent[name] = str(error)
            print(f"{name}: not run: {error}", flush=True)
            continue
        result = read_results(name, output, time.monotonic() - start)
        results.append(result)
        print(f"{name}: {result.passed} right, {len(result.failed)} wrong,"
              f" {result.seconds:.0f} s ({result.about})", flush=True)  # fmt: skip
        for text in result.failed:
            print(f"  {text}", flush=True)
    if given.table:
        write_table(results, absent)
    return 1 if any(result.failed for result in results) else 0


def write_table(results: Sequence[Result], absent: dict[str, str]) -> None:
    """Put the results into tests/README.md."""
    lines = [
        "| platform | what it is | right | wrong | seconds |",
        "|---|---|---|---|---|",
    ]
    for each in results:
        wrong = "; ".join(text.partition(":")[0] for text in each.failed) or "none"
        lines.append(
            f"| {each.platform} | {each.about} | {each.passed} | {wrong} | {each.seconds:.0f} |"
        )
    lines += [f"| {name} | not run: {why} | | | |" for name, why in absent.items()]
    text = TABLE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    TABLE.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n\n{END}{after}")


if __name__ == "__main__":
    sys.exit(main())
