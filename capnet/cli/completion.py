"""`capnet completion`: the script by which a shell completes commands, options, files and findings."""

from __future__ import annotations

import click

from capnet.errors import Exit

# zsh without `compinit` in ~/.zshrc has no `compdef`, which click's script calls.
_BEFORE = {"zsh": "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }\n"}


@click.command("completion", short_help="Complete commands, files and findings with Tab.")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def command(shell: str) -> int:
    """Print the completion script of a SHELL.

    \b
    bash   eval "$(capnet completion bash)"           in ~/.bashrc
    zsh    eval "$(capnet completion zsh)"            in ~/.zshrc
    fish   capnet completion fish > ~/.config/fish/completions/capnet.fish
    """
    from click.shell_completion import get_completion_class

    from capnet.cli import cli
    from capnet.cli.output import emit

    maker = get_completion_class(shell)
    assert maker is not None  # click has these three
    script = maker(cli, {}, "capnet", "_CAPNET_COMPLETE")
    text = script.source_template % script.source_vars()
    if shell == "fish":
        text = text.replace('string split "," $completion', 'string split -m 1 "," $completion')
    emit(_BEFORE.get(shell, "") + text + "\n")
    return Exit.OK
