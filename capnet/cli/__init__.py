"""The command line: one command per file, loaded when it is called.

A command parses, calls, prints and sets the exit code; everything else lives elsewhere.
"""

from __future__ import annotations

import errno
import gc
import os
import sys
from importlib import import_module
from typing import Any, NoReturn

import click

from capnet import __version__, language, quick_import
from capnet.errors import CapnetError, Exit, UnreadableInput, UsageError

# What a write to standard output may meet, from wherever in a command it comes.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

_READERS = ("analyze", "trace", "annotate", "packet", "export")
_VERSION = ("-V", "--version")
COMMANDS = (
    *_READERS, "sql", "fleet", "compare", "reduce", "explain", "ps", "topology", "capture", "image", "watch",
    "wireshark", "scenario", "lab", "doctor", "demo", "learn", "mcp", "completion", "cache",
)  # fmt: skip


class _OneFilePerCommand(click.Group):
    """Finds the command NAME as `command` in `capnet.cli.NAME`, so that no command pays for another."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"capnet.cli.{cmd_name}").command
        if self.context_class is not click.Context:
            from capnet.cli.help_text import with_wrapped_help

            return with_wrapped_help(command)
        return command

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The first page of the help."""
        from capnet.cli.front_page import write_front_page

        write_front_page(ctx.command if isinstance(ctx.command, click.Group) else self, ctx, formatter)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of the whole command line; where the language is Chinese, that of the translated group."""
        args = _without_language(args)
        if not args or args[0] not in (*_READERS, *_VERSION) or {"-h", "--help"} & set(args):
            from capnet.cli import help_text

            self.context_class = help_text.HelpContext
        if language.is_chinese():
            from capnet.cli.chinese import translated

            return click.Group.make_context(translated(self, ()), info_name, args, parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; that of the group whose context it is, which may be the translated one."""
        try:
            return super().invoke(ctx) if ctx.command is self else ctx.command.invoke(ctx)
        except BrokenPipeError:
            from capnet.cli.output import is_let_go_of, let_go_of_stdout

            if not is_let_go_of(sys.stdout):
                raise
            let_go_of_stdout()  # click would end the process with exit code 1, that of a finding
            return Exit.OK

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`capnet FILE` and `capnet -r FILE` analyze it, as tshark and tcpdump do."""
        return super().parse_args(ctx, ["analyze", *args] if _names_file(args) else args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is called; raises UsageError with similar names for one that there is not."""
        if args and args[0] not in COMMANDS:
            from capnet.cli.similar_names import did_you_mean

            hint = did_you_mean(args[0], COMMANDS, "`capnet --help` lists them")
            raise UsageError(f"there is no command {args[0]!r}, nor a file: {hint}")
        return super().resolve_command(ctx, args)


def _without_language(args: list[str]) -> list[str]:
    """The arguments without `--lang`, which holds for every command, before it and after it; uses that language.

    Without the option the environment decides. What stands after `--`, or is a command for a host of the lab, is not
    capnet's.
    """
    own = args.index("--") if "--" in args else len(args)
    if args[:2] == ["lab", "exec"]:
        own = 2
    rest: list[str] = []
    asked = None
    given = iter(args[:own])
    for arg in given:
        name, _, value = arg.partition("=")
        if name == "--lang":
            asked = value or next(given, "")
        else:
            rest.append(arg)
    if asked is not None and asked not in language.LANGUAGES:
        raise UsageError(f"--lang {asked}: choose from {', '.join(language.LANGUAGES)}")
    language.use(asked or language.of_environment(os.environ), asked is not None)
    return rest + args[own:]


def _names_file(args: list[str]) -> bool:
    """Are these arguments a capture and no command?"""
    if not args or args[0] in COMMANDS:
        return False
    if args[0].startswith("-"):
        return args[0] == "-r"
    from pathlib import Path  # takes a tenth of `capnet --version`

    from capnet.cli.path_tests import is_there

    return is_there(Path(args[0].rpartition("=")[2]))


@click.group(
    cls=_OneFilePerCommand,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--lang",
    type=click.Choice(language.LANGUAGES),
    expose_value=False,
    help="Language of sentences, before or after the command. Default: CAPNET_LANG, the locale; of JSON: en.",
)
@click.version_option(__version__, *_VERSION, prog_name="capnet")
def cli() -> None:
    """See what a container network does to a packet.

    \b
    capnet demo                                  a tour in two minutes, without Docker or root
    capnet learn bridge                          what a network model does to packets, as questions
    capnet analyze saved.pcapng                  explain a capture, offline
    capnet ps                                    whose veth, address, MAC is this
    capnet capture web --report                  what a running container sends, and where it ends
    capnet trace saved.pcapng --container web    flows hop by hop, there and back
    capnet explain stops-between                 what a finding means, and what to do
    """


def main() -> None:
    """Entry point of the console script: errors a person can fix are one line, never a traceback."""
    quick_import.install()
    if _only_reads():
        _hear_the_compiler()
        gc.disable()  # a report makes hardly any cycles, and looking for them takes as long as drawing it
        # numpy's library for matrices, which capnet has none of, starts a thread for each processor.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        if not {"-h", "--help"} & set(sys.argv):
            # Here, not deep in the stack, where numpy's imports cross the end of a piece of Python's own stack: Python
            # 3.11 then asks the kernel for memory, and gives it back, for each call. That took 3 ms.
            import numpy  # noqa: F401
    else:
        gc.enable()
    try:
        result = cli.main(standalone_mode=False)
        code = result if isinstance(result, int) else Exit.OK
    except CapnetError as error:
        from capnet.cli.error_lines import print_error
        from capnet.report.escape import visible

        # What programs said (Docker, ip) may be several lines; a file's name or content must not make one.
        keep = "" if isinstance(error, UnreadableInput | UsageError) else "\n"
        print_error(visible(language.message(str(error)), keep))
        code = error.exit_code
    except click.ClickException as error:
        _show(error)
        code = Exit.USAGE
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted")
        code = Exit.INTERRUPTED
    except RuntimeError as error:
        # Where Ctrl-C comes as Python's Event, Condition, Queue or Thread begins to wait, these give back a lock that
        # they have not got.
        if not isinstance(error.__context__, KeyboardInterrupt):
            raise
        click.echo(err=True)  # as click does after ^C
        _say("interrupted")
        code = Exit.INTERRUPTED
    except OSError as error:
        if error.filename is not None or error.errno not in _FULL:
            raise
        from capnet.cli.output import let_go_of_stdout

        let_go_of_stdout()
        _say(f"standard output cannot be written ({error.strerror})")
        code = Exit.USAGE if error.errno == errno.EIO else Exit.LACKS
    _leave(int(code))


def _say(sentence: str) -> None:
    click.echo(f"capnet: {language.message(sentence)}", err=True)


def _show(error: click.ClickException) -> None:
    """What click says of options and arguments, with the usage above it."""
    if language.is_chinese():
        from capnet.cli.chinese import shown_error

        click.echo(shown_error(error), err=True)
    else:
        from io import StringIO

        shown = StringIO()
        error.show(shown)
        click.echo(
            shown.getvalue().replace("is not a valid integer range", "is not a whole number"), err=True, nl=False
        )


def _only_reads() -> bool:
    return sys.argv[1:2] != [] and (sys.argv[1] in _READERS or _names_file(sys.argv[1:]))


def _hear_the_compiler() -> None:
    """Its sentences go to standard error, on a terminal and elsewhere: a wait without a reason looks like a hang."""
    from capnet.jit import notices

    notices.listener = _say


def _leave(code: int) -> NoReturn:
    """End the process. Commands that only read leave nothing that the interpreter would have to tidy up.

    It would take every object apart, for twenty milliseconds and more; and DuckDB may wait for a stream.
    """
    if _only_reads() or "duckdb" in sys.modules:
        try:
            for stream in filter(None, (sys.stdout, sys.stderr)):
                stream.flush()
        except (OSError, ValueError):  # cannot be written, was closed: the interpreter knows what to do then
            sys.exit(code)
        os._exit(code)
    sys.exit(code)
