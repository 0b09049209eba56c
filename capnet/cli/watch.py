"""`capnet watch`: what is being captured now, on one screen that is redrawn in place."""

from __future__ import annotations

import gc
import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import click

from capnet import language
from capnet.cli import options
from capnet.cli.capture_options import aim_options
from capnet.cli.live_screen import DEFAULT_INTERVAL_S
from capnet.errors import Exit, UnreadableInput, UsageError
from capnet.report.escape import visible

if TYPE_CHECKING:
    from capnet.analysis.engine import Study
    from capnet.cli.live_screen import LiveScreen
    from capnet.topology import Topology

_POLL_S = 0.2
_CHUNK = 1 << 16
MAX_UNREAD = 64 << 20  # bytes on disk that wait to be shown, at 60,000 packets of 1,000 bytes a second for one second


@click.command("watch", short_help="Watch containers, or a growing capture.")
@click.argument("words", nargs=-1, metavar="[TARGET]... [FILTER] | FILE | -")
@aim_options
@click.option(
    "--interval",
    type=click.FloatRange(0.2, 3600),
    default=DEFAULT_INTERVAL_S,
    show_default=True,
    metavar="SECONDS",
    help="Time between two looks; longer where one takes long.",
)
@options.topology
def command(words: tuple[str, ...], interval: float, topology: Path | None, **aim: Any) -> int:
    """Watch what is captured, as tables that are redrawn: problems, flows and their rates, NAT, tunnels.

    \b
    capnet watch web                     a container, at every point that its packets pass
    capnet watch --project shop          a Compose project
    capnet watch growing.pcapng          a file that another program writes
    tcpdump -i any -U -w - | capnet watch -

    TARGET, FILTER and options are those of `capnet capture`, which also keeps the packets. `q` or Ctrl-C ends.
    """
    from capnet.cli.interrupts import signals_set
    from capnet.cli.live_screen import LiveScreen, is_possible, shown

    if not is_possible():
        raise UsageError("watch draws on a terminal; `capnet analyze FILE` prints a report once")
    gc.enable()  # for days, perhaps
    stop = Event()
    screen = LiveScreen(stop.set, interval)
    with signals_set(stop), _source(words, aim, stop) as (path, hosts, until), shown(screen):
        screen.look(_study(path, topology, hosts, until, screen))
    click.echo("\n".join(screen.lines))
    return Exit.OK


def _source(
    words: tuple[str, ...], aim: dict[str, Any], stop: Event
) -> AbstractContextManager[tuple[Path, Topology | None, Event]]:
    """What is watched: a path to read, its topology, and the event that ends a growing file."""
    if words == ("-",):
        return _standard_input(stop)
    if len(words) == 1 and not _has_aim(aim) and Path(words[0]).is_file():
        return nullcontext((Path(words[0]), None, stop))
    return _captured(words, aim, stop)


def _has_aim(aim: dict[str, Any]) -> bool:
    return any(value for value in aim.values())


@contextmanager
def _standard_input(stop: Event) -> Iterator[tuple[Path, None, Event]]:
    """Standard input by way of a pipe, which ends when `stop` is set."""
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("- reads a capture from standard input: pipe one in")
    descriptor = sys.stdin.fileno()
    with _pipe_filled_by(lambda target: _copy(descriptor, target, stop), stop) as path:
        yield path, None, stop


def _copy(source: int, target: int, stop: Event) -> None:
    """Copies bytes until the source or the reader has ended, or `stop` is set."""
    while not stop.is_set():
        if select.select([source], [], [], _POLL_S)[0]:
            data = os.read(source, _CHUNK)
            if not data:
                return
            try:
                os.write(target, data)  # a pipe that blocks takes all of it
            except BrokenPipeError:
                return


@contextmanager
def _captured(words: tuple[str, ...], aim: dict[str, Any], stop: Event) -> Iterator[tuple[Path, Topology, Event]]:
    """A capture that is kept nowhere, by way of a pipe. It has ended, without a trace, when the block has."""
    from capnet.cli.capture import arrivals_of, open_aim
    from capnet.cli.capture_options import aimed
    from capnet.cli.interrupts import signals_set
    from capnet.record.live.outputs.stream import StreamOutput
    from capnet.record.live.recording import Recording, check_root
    from capnet.record.live.session import Limits

    with open_aim(aimed(words, **aim)) as target, signals_set(stop):
        check_root(target.points)
        messages: list[str] = []
        recording = Recording(
            target.points, target.topology, messages.append, lambda live: None, stop, Limits(),
            arrive=arrivals_of(target), max_unread=MAX_UNREAD,
        )  # fmt: skip

        def record(descriptor: int) -> None:
            recording.record(lambda live, heading: StreamOutput(descriptor, heading, len(live.taps)))

        try:
            with _pipe_filled_by(record, stop) as path:
                yield path, target.topology, stop
        finally:
            for message in messages:
                click.echo(visible(language.message(message)), err=True)


@contextmanager
def _pipe_filled_by(fill: Callable[[int], None], stop: Event) -> Iterator[Path]:
    """The reading end of a pipe, by a path; a thread fills it. Its error is raised when the block has ended."""
    reading, writing = os.pipe()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            fill(writing)
        except BaseException as error:  # raised again in the thread that reads the pipe
            errors.append(error)
        finally:
            os.close(writing)
            stop.set()

    filling = Thread(target=run)
    filling.start()
    try:
        yield Path(f"/proc/self/fd/{reading}")
    except UnreadableInput:
        if not errors:  # a capture that could not begin is an empty stream
            raise
    finally:
        stop.set()
        os.close(reading)
        filling.join()
    if errors:
        raise errors[0]


def _study(
    path: Path, topology_file: Path | None, topology: Topology | None, until: Event, screen: LiveScreen
) -> Study:
    from capnet.analysis.engine import Options, Source, study
    from capnet.cli.inputs import topology_at

    return study(
        Source(path),
        topology_at(topology_file) or topology,
        screen.reading(Options(until=until)),
        between=screen.between,
    )
