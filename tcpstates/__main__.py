"""Entry point; an interrupt or a broken system never prints a traceback."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress


def main() -> int:
    """Run the command line, and exit with its exit code.

    The program creates few reference cycles, so the garbage collector is disabled: it
    would take 6 ms for a listing of 100,000 sockets. The process exits without
    finalising the interpreter, which would take 10 ms and wait for name servers.
    """
    gc.disable()
    sys.unraisablehook = lambda _: None  # errors in destructors when out of memory
    try:
        from tcpstates.cli.app import run
        from tcpstates.cli.like import named_tool
        from tcpstates.own_process import claim_process

        claim_process()
        code = run([*named_tool(sys.argv[0]), *sys.argv[1:]])
    except KeyboardInterrupt:
        code = 130  # unwritten output is discarded
    except (MemoryError, SystemError):  # SystemError: from C code out of memory
        code = _fail("out of memory")
    except (ImportError, OSError) as error:  # a module cannot be loaded
        code = _fail(f"cannot continue: {error}")
    except Exception as error:  # noqa: BLE001  (users get one line, not a traceback)
        code = _fail(_report(error))
    os._exit(code)


def _report(error: BaseException) -> str:
    """Write what a report of an internal error needs, except for the command."""
    text = f"internal error: {_place(error)}; please report this line with the command"
    text += " and its --source"
    with suppress(Exception):  # what is broken may be needed here, too
        from platform import platform, python_version

        from tcpstates import __version__

        system = f"Python {python_version()}, {platform(terse=True)}"
        text += f" (tcpstates {__version__}, {system})"
    return text


def _place(error: BaseException) -> str:
    """Describe an error and the place where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    text = f"{type(error).__name__}: {error}"
    if trace is None:
        return text
    path = trace.tb_frame.f_code.co_filename
    return f"{text} ({os.path.basename(path)}, line {trace.tb_lineno})"


def _fail(text: str) -> int:
    """Print a line, escaped here because `tcpstates.text` may have failed to load."""
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"tcpstates: {line}\n")
    return 3


if __name__ == "__main__":
    sys.exit(main())
