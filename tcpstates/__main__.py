"""Entry point: an interrupt or a closed pipe never shows a traceback."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; return the exit code."""
    try:
        from tcpstates.cli.app import run

        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return _end(130)
    except BrokenPipeError:
        return _end(0)
    except MemoryError:
        if sys.stderr is not None:
            sys.stderr.write("tcpstates: out of memory\n")
        return _end(3)


def _end(code: int) -> int:
    """Drop what has not been written, so that nothing complains at the exit."""
    from tcpstates.cli.output import abandon_output

    abandon_output()
    return code


if __name__ == "__main__":
    sys.exit(main())
