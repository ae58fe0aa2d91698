"""`tcpstates install-docs`: the page and completions, where pipx and uv put none."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click

from tcpstates.cli.atomic_file import whole_file
from tcpstates.cli.commands.completion import completion_script
from tcpstates.cli.manual import read_page
from tcpstates.cli.output import Output
from tcpstates.cli.types import PATH
from tcpstates.errors import TcpstatesError
from tcpstates.text import sanitise

_SYSTEM, _USER = "/usr/local", "~/.local"
_MAN = "share/man/man1/tcpstates.1"
_COMPLETIONS = {
    "bash": "share/bash-completion/completions/tcpstates",
    "zsh": "share/zsh/site-functions/_tcpstates",
    "fish": "share/fish/vendor_completions.d/tcpstates.fish",
}


@click.command("install-docs", context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--prefix",
    type=PATH,
    metavar="FOLDER",
    help=f"Install below FOLDER (default: {_SYSTEM} for root, else {_USER}).",
)
@click.option("--remove", is_flag=True, help="Remove the installed files.")
@click.pass_obj
def install_docs(output: Output, /, prefix: str | None, *, remove: bool) -> None:
    """Install the man page and the completions of bash, zsh and fish.

    pip puts the man page beside its programs; pipx and uv put it nowhere where man
    looks. Each file is printed.
    """
    root = Path(os.path.expanduser(_default() if prefix is None else prefix))
    if prefix == "" or str(root).startswith("~"):
        raise click.UsageError(f"--prefix '{prefix}': no such folder")
    if remove:
        removed = list(_removed(root))
        nothing = f"nothing was installed below {sanitise(str(root))}\n"
        output.write(removed or [nothing])
        return
    output.write(_installed(root))
    if root == Path(os.path.expanduser(_USER)):
        folder = root / Path(_COMPLETIONS["zsh"]).parent
        text = f"for zsh, add to ~/.zshrc before compinit: fpath+=({folder})"
        output.write([f"{text}\n"])


def _default() -> str:
    is_root = sys.platform != "win32" and os.geteuid() == 0
    return _SYSTEM if is_root else _USER


def _files() -> Iterator[tuple[str, bytes]]:
    yield _MAN, read_page()
    for shell, place in _COMPLETIONS.items():
        yield place, completion_script(shell).encode()


def _installed(root: Path) -> Iterator[str]:
    for place, content in _files():
        path = root / place
        try:
            _make_folder(path.parent)
            with whole_file(str(path)) as stream:
                stream.write(content)
            path.chmod(0o644)
        except OSError as error:
            text = f"cannot write {sanitise(str(path))}: {error.strerror}"
            raise TcpstatesError(text) from error
        yield f"{sanitise(str(path))}\n"


def _make_folder(path: Path) -> None:
    """Make a folder that everybody can read, whatever the umask, and those above."""
    if not path.is_dir():
        _make_folder(path.parent)
        path.mkdir()
        path.chmod(0o755)


def _removed(root: Path) -> Iterator[str]:
    for place in (_MAN, *_COMPLETIONS.values()):
        path = root / place
        with suppress(FileNotFoundError):
            path.unlink()
            yield f"removed {sanitise(str(path))}\n"
