"""One analysis: sources → one pass over each → conclusions → report.

    report = analyze("bridge.pcapng")

Several sources are one capture with several points. A topology file beside a source is used when it is there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from os import PathLike
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, BinaryIO

from capnet.analysis.aggregate.aggregator import BUDGET
from capnet.analysis.aggregate.parallel import hands
from capnet.analysis.aggregate.reader import Reading
from capnet.analysis.core.sources import Progress, Source, as_sources, size_of
from capnet.wire.capture import open_capture, worth_compiling

if TYPE_CHECKING:  # what concludes is loaded while the first blocks are read
    from capnet.analysis.core.context import Context
    from capnet.analysis.core.results import Report
    from capnet.topology import Topology

__all__ = ["Progress", "Source", "Study", "analyze", "study"]


def analyze(
    sources: Source | str | PathLike[str] | Iterable[Source | str | PathLike[str]],
    topology: Topology | None = None,
    *,
    vxlan_port: int = 0,
    compiled: bool | None = None,
    budget: int = BUDGET,
    progress: Callable[[Progress], None] | None = None,
    threads: int | None = None,
    until: Event | None = None,
) -> Report:
    """Analyze captures and say what they show.

    `sources`: a file, or several. `topology`: who owns what; None = look beside each source. `vxlan_port`: a UDP port
    that always is VXLAN, besides 4789. `compiled`: None = as fits the size. `budget`: observations kept for following
    packets. `progress` is called after each block. `threads`: None = one a processor, a few at most; the report does
    not depend on it. `until`: files may be growing, and end when this is set. Raises UnreadableInput; TypeError for
    what is no source.
    """
    return study(
        sources,
        topology,
        vxlan_port=vxlan_port,
        compiled=compiled,
        budget=budget,
        progress=progress,
        threads=threads,
        until=until,
    ).report


@dataclass(frozen=True)
class Study:
    """An analysis that can be asked more: its report, and what the report was concluded from.

    `bases`: per source, the index of its first point among all points. `compiled`: how its kernels ran.
    """

    report: Report
    context: Context
    sources: list[Source]
    bases: list[int]
    compiled: bool


def study(
    sources: Source | str | PathLike[str] | Iterable[Source | str | PathLike[str]],
    topology: Topology | None = None,
    *,
    vxlan_port: int = 0,
    compiled: bool | None = None,
    budget: int = BUDGET,
    progress: Callable[[Progress], None] | None = None,
    threads: int | None = None,
    until: Event | None = None,
    on_block: Callable[[int, bytes, bool], None] | None = None,
    links_only: bool = False,
    meanwhile: Callable[[], None] | None = None,
) -> Study:
    """As `analyze`, with what more can be asked.

    `on_block`: as of `open_capture`, the number of the source first. `links_only`: leave out of the report what is
    neither counted nor needed to follow packets. `meanwhile` is called once when reading has begun, where several
    threads read: for what the caller has to make ready.
    """
    wanted = as_sources(sources)
    if topology is not None:
        _must_be_topology(topology)
    if compiled is None and until is None and all(source.path for source in wanted):
        compiled = worth_compiling([source.path for source in wanted if source.path])

    def make_ready() -> None:
        import_module("capnet.analysis.pipeline")
        if meanwhile:
            meanwhile()

    reading = Reading(budget, threads or hands(), make_ready)
    reading.size = size_of(wanted) if until is None else None
    for number, source in enumerate(wanted):
        stream: BinaryIO | Path = source.path if source.path else sys.stdin.buffer
        told = partial(on_block, number) if on_block else None
        with open_capture(
            stream, name=source.label, compiled=compiled, vxlan_port=vxlan_port, on_block=told, until=until
        ) as capture:
            compiled = capture.machine.compiled  # one pass, one machine
            reading.read(source, capture, len(wanted), progress)
    from capnet.analysis.aggregate.inputs import topology_beside
    from capnet.analysis.pipeline import conclude

    report, context = conclude(reading, topology or topology_beside(wanted), links_only)
    return Study(report, context, wanted, reading.bases, bool(compiled))


def _must_be_topology(given: object) -> None:
    from capnet.topology import Topology

    if not isinstance(given, Topology):
        raise TypeError(f"a topology is a Topology, not {type(given).__name__}; several captures go in a list")
