"""What runs first on the far side: a line of sh, and a line of Python.

They are words of a command that any shell of the far side may read (sh, csh, fish), so
they have no apostrophe, no backslash, no exclamation mark and no line end.
"""

from __future__ import annotations

# The first words of a line that begins an answer. Whatever precedes it, such as what a
# profile prints, is not ours.
PROGRAM, READY, TEXT = "tcpstates-program", "tcpstates-ready", "tcpstates-text"
_UNSUITABLE = 97  # the exit code of a Python that is too old, or gets no program

# Greet with the version, then read the program from standard input into memory, and run
# it from there. -I and -S keep everything else of that host out of it.
_LOADER = "; ".join(
    (
        "import os, sys",
        'ok = sys.platform == "linux" and sys.version_info >= (3, 10)',
        f'ok and hasattr(os, "memfd_create") or os._exit({_UNSUITABLE})',
        f'print("{PROGRAM}", sys.implementation.cache_tag, flush=True)',
        "size = sys.stdin.buffer.readline(20)",
        f"size or os._exit({_UNSUITABLE})",
        'place = os.memfd_create("tcpstates")',
        'file = open(place, "wb", closefd=False)',
        "file.write(sys.stdin.buffer.read(int(size)))",
        "file.flush()",
        'sys.path.insert(0, "/proc/self/fd/%d" % place)',
        "from tcpstates.agent import serve",
        f'print("{READY}", flush=True)',
        "serve()",
    )
)
_PYTHONS = "python3 python3.14 python3.13 python3.12 python3.11 python3.10"
_PROC_NET = "tcp tcp6 udp udp6"
_SCRIPT = "; ".join(
    (
        f"for p in {_PYTHONS}",
        "do if command -v $p >/dev/null 2>&1",
        'then $p -I -S -c "$1"',
        # 126 and 127: it is not there after all, as with wrappers that choose versions.
        f"s=$?; case $s in {_UNSUITABLE}|126|127) ;; *) exit $s;; esac; fi; done",
        "if command -v ss >/dev/null 2>&1",
        f'then echo "{TEXT} ss $(uname -sm)"',
        "exec ss -tuanpemio; fi",
        "if [ -r /proc/net/tcp ]",
        f'then echo "{TEXT} proc $(uname -sm)"',
        f'for f in {_PROC_NET}; do echo "==> /proc/net/$f <=="; cat /proc/net/$f; done',
        "exit 0; fi",
        f'echo "{TEXT} netstat $(uname -sm)"',
        "case $(uname -s) in Darwin) exec netstat -anv;; *) exec netstat -an;; esac",
    )
)
ASK_PYTHON = (
    "sh",
    "-c",
    _SCRIPT.replace("do;", "do").replace("then;", "then"),
    "tcpstates",
    _LOADER,
)
# Where there is no sh: Windows.
ASK_WINDOWS = ("netstat", "-ano")
