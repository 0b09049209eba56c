"""--why: asks kernels which rule decides about each packet, and why they drop it, while packets are captured.

Input: places, and a folder for the lines of the programs that watch. Output: `Traces`. A place or a machine that cannot
be watched is said; the capture goes on without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from capnet.record.kernel import drop_tracer, rule_tracer
from capnet.record.kernel.snapshots import Place, Traces
from capnet.record.kernel.trace_instances import remove_instances
from capnet.record.kernel.tracing import Watcher, start, until_ready
from capnet.record.run_id import is_dead, this_run
from capnet.witnesses import DroppedPackets

_OWN_MOUNTS = ("unshare", "--mount", "--propagation", "private")


@contextmanager
def asking_why(
    places: Sequence[Place], folder: Path, say: Callable[[str], None], control_ports: Sequence[int] = ()
) -> Iterator[Traces]:
    """Traces rules and drops at all places while the block runs; what it yields is filled when the block ends.

    `control_ports`: TCP ports of capnet's own connections, which carry the trace and must not be traced.
    """
    traces = Traces()
    by_name: dict[str, list[str]] = {}  # name of a watcher of drops → points of its machine
    watchers: list[Watcher] = []  # all that were started
    ready: list[Watcher] = []
    label, ports = this_run(), [str(port) for port in control_ports]
    remove_instances(is_dead)
    try:
        for number, place in enumerate(places):
            output = folder / f"{number:02}.trace"
            watchers.append(start(rule_tracer, [label, *ports], place.name, place.shell, place.netns, output))
        for number, machine in enumerate(_machines(places)):
            name = f"drops on machine {number + 1}"
            by_name[name] = [point for place in machine for point in place.points]
            interfaces = sorted({point.rpartition("/")[2] for point in by_name[name]})
            output = folder / f"{number:02}.drops"
            arguments = [label, *interfaces]
            first = machine[0]
            watchers.append(start(drop_tracer, arguments, name, first.shell, first.netns, output, prefix=_OWN_MOUNTS))
        ready = until_ready(watchers, lambda text: say(f"--why: {text}"))
        yield traces
    finally:
        for watcher in watchers:
            lines, lost = watcher.stop()
            if watcher not in ready:
                continue
            if watcher.name in by_name:
                traces.drops.append(DroppedPackets(by_name[watcher.name], lines, lost))
            else:
                traces.rules[watcher.name] = lines, lost
        if any(watcher.was_killed for watcher in watchers):
            remove_instances(lambda run: run == label)


def _machines(places: Sequence[Place]) -> list[list[Place]]:
    """The places of each machine that has capture points: several hosts of a lab are one machine."""
    by_machine: dict[tuple[str, ...], list[Place]] = {}
    for place in places:
        by_machine.setdefault(place.shell.ssh or place.shell.container, []).append(place)
    return [machine for machine in by_machine.values() if any(place.points for place in machine)]
