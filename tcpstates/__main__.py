"""Entry point: an interrupt or a broken system never shows a traceback."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress


def main() -> int:
    """Run the command line; end with its exit code.

    Nothing here makes cycles by the thousand, so the collector is off: it takes
    6 ms of a listing of 100,000 sockets. And the interpreter is left without being
    taken apart, which takes 10 ms, and would wait for name servers.
    """
    gc.disable()
    sys.unraisablehook = lambda _: None  # what closes while memory is out
    try:
        from tcpstates.cli.app import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130  # what was not written yet is dropped
    except (MemoryError, SystemError):  # the second: C code without memory
        code = _fail("out of memory")
    except (ImportError, OSError) as error:  # a module cannot be read
        code = _fail(f"cannot go on: {error}")
    except Exception as error:  # noqa: BLE001  (people get a line, not a traceback)
        code = _fail(f"internal error, please report it: {_place(error)}")
    os._exit(code)


def _place(error: BaseException) -> str:
    """Return an error with the place where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    text = f"{type(error).__name__}: {error}"
    if trace is None:
        return text
    path = trace.tb_frame.f_code.co_filename
    return f"{text} ({os.path.basename(path)}, line {trace.tb_lineno})"


def _fail(text: str) -> int:
    """Say a line; the module that escapes elsewhere may be what cannot be read."""
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"tcpstates: {line}\n")
    return 3


if __name__ == "__main__":
    sys.exit(main())
