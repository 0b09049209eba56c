"""`capnet cache`: the compiled kernels that capnet keeps, and how to remove them."""

from __future__ import annotations

from pathlib import Path

import click

from capnet import language
from capnet.errors import EnvironmentLacks, Exit


@click.group("cache", invoke_without_command=True, short_help="Show or clear the compiled kernels that are kept.")
@click.pass_context
def command(ctx: click.Context) -> int:
    """Show where compiled kernels are kept, how many there are and how large they are.

    A large capture is read by compiled code. It comes with capnet for Linux on x86-64 and AArch64. Elsewhere it is
    compiled at first use and kept, so that later runs start at once. Each version of capnet compiles its own; old ones
    stay until `capnet cache clear` removes them.

    The folder is capnet in XDG_CACHE_HOME, else ~/.cache/capnet. Nothing else is kept in it.
    """
    if ctx.invoked_subcommand is not None:
        return Exit.OK
    folder = _folder()
    click.echo(f"{_shown(folder)}: {_amount(_files(folder))}")
    return Exit.OK


@command.command("clear", short_help="Remove the compiled kernels.")
def clear() -> int:
    """Remove the compiled kernels. Where none come with capnet, the next large capture compiles them again."""
    folder = _folder()
    files = _files(folder)
    amount = _amount(files)
    try:
        for file in files:
            file.unlink(missing_ok=True)
    except OSError as error:
        raise EnvironmentLacks(f"{error.filename}: cannot be removed ({error.strerror})") from error
    click.echo(language.message(f"{_shown(folder)}: removed {amount}"))
    return Exit.OK


def _folder() -> Path:
    """Raises EnvironmentLacks for a user without a home."""
    from capnet.jit.store import cache_folder

    folder = cache_folder()
    if folder is None:
        raise EnvironmentLacks("there is no home folder, so no compiled kernels are kept; set HOME or XDG_CACHE_HOME")
    return folder


def _files(folder: Path) -> list[Path]:
    """Object files, and what an interrupted write left; other files are not touched."""
    return [file for file in sorted(folder.glob("*")) if file.suffix == ".o" or file.name.startswith(".")]


def _amount(files: list[Path]) -> str:
    from capnet.report.text import count, size

    return f"{count(len(files), 'compiled kernel')}, {size(sum(_size(file) for file in files))}"


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # another process cleared it
        return 0


def _shown(folder: Path) -> str:
    from capnet.report.escape import visible

    return visible(str(folder))
