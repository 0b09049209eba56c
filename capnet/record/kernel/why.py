"""--why: asks kernels which rule decides about each packet, while packets are captured.

Input: places, and a folder for the lines of the programs that watch. Output: the lines of each place. A place that
cannot be watched is said; the capture goes on without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from capnet.record.kernel import rule_tracer
from capnet.record.kernel.snapshots import Place, Traces
from capnet.record.kernel.tracing import Watcher, start, until_ready
from capnet.record.run_id import this_run


@contextmanager
def asking_why(
    places: Sequence[Place], folder: Path, say: Callable[[str], None], control_ports: Sequence[int] = ()
) -> Iterator[Traces]:
    """Traces the rules of all places while the block runs; the yielded dictionary is filled when it ends.

    `control_ports`: TCP ports of capnet's own connections, which carry the trace and must not be traced.
    """
    traces: Traces = {}
    watchers: list[Watcher] = []
    arguments = [this_run(), *map(str, control_ports)]
    try:
        for number, place in enumerate(places):
            output = folder / f"{number:02}.trace"
            watchers.append(start(rule_tracer, arguments, place.name, place.shell, place.netns, output))
        watchers = until_ready(watchers, lambda text: say(f"--why: rules of {text}"))
        yield traces
    finally:
        for watcher in watchers:
            traces[watcher.name] = watcher.stop()
