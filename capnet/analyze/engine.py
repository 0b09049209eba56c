"""One analysis: sources → one pass over each → conclusions → report.

    report = analyze("bridge.pcapng")

Several sources are one capture with several points. A topology file beside a source is used when it is there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from threading import Event, Thread
from typing import BinaryIO, NamedTuple

from capnet.analyze import bounds, findings, flows, macs, models, naming, nat, paths, proxies, stations, tunnels
from capnet.analyze.context import Context
from capnet.analyze.coverage import coverage
from capnet.analyze.facts import Flows, Input, Point, Problem, Report
from capnet.analyze.hands import Hands, hands
from capnet.analyze.identity import links
from capnet.analyze.ledger import BUDGET, Ledger
from capnet.errors import UnreadableInput
from capnet.topology import Topology, role_from_name, topology_path
from capnet.wire.capture import Capture, open_capture, worth_compiling
from capnet.wire.kernel import Machine, rest
from capnet.wire.linktypes import linktype_name


@dataclass(frozen=True)
class Source:
    """Something to analyze: a file, or standard input (`path` None), and the name of its point if given."""

    path: Path | None
    point_name: str | None = None

    @property
    def label(self) -> str:
        return "-" if self.path is None else str(self.path)


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


class Progress(NamedTuple):
    """How far the reading is: packets, and bytes on disk of how many in all (None: a stream does not tell)."""

    packets: int
    taken: int
    size: int | None


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
) -> Study:
    """As `analyze`, with what more can be asked.

    `on_block`: as of `open_capture`, the number of the source first. `links_only`: leave out of the report what is
    neither counted nor needed to follow packets.
    """
    wanted = _sources(sources)
    if topology is not None and not isinstance(topology, Topology):
        raise TypeError(f"a topology is a Topology, not {type(topology).__name__}; several captures go in a list")
    if compiled is None and until is None and all(source.path for source in wanted):
        compiled = worth_compiling([source.path for source in wanted if source.path])
    reading = _Reading(budget, threads or hands())
    reading.size = _size_of(wanted) if until is None else None
    for number, source in enumerate(wanted):
        stream: BinaryIO | Path = source.path if source.path else sys.stdin.buffer
        told = partial(on_block, number) if on_block else None
        with open_capture(
            stream, name=source.label, compiled=compiled, vxlan_port=vxlan_port, on_block=told, until=until
        ) as capture:
            compiled = capture.machine.compiled  # one pass, one machine
            reading.read(source, capture, len(wanted), progress)
    if topology is None:
        topology = _beside(wanted)
    report, context = _conclude(reading, topology, links_only)
    return Study(report, context, wanted, reading.bases, bool(compiled))


class _Reading:
    """What reading all sources leaves: points, inputs, names and the ledger."""

    def __init__(self, budget: int, hands: int) -> None:
        self.budget = budget
        self.hands = hands
        self.ledger: Ledger | None = None
        self.points: list[Point] = []
        self.inputs: list[Input] = []
        self.names: dict[str, list[str]] = {}
        self.packets = 0
        self.taken = 0  # bytes on disk of the sources that were read
        self.size: int | None = None  # of all sources
        self.bases: list[int] = []

    def read(self, source: Source, capture: Capture, sources: int, progress: Callable[[Progress], None] | None) -> None:
        """Read one of `sources` sources to its end."""
        if self.ledger is None:
            self.ledger = Ledger(capture.machine, self.budget)
        base = len(self.points)
        self.bases.append(base)

        def told() -> None:
            if progress:
                progress(Progress(self.packets + capture.packets, self.taken + capture.taken, self.size))

        count = self.hands if capture.machine.compiled else 1  # the interpreter runs one thread at a time
        Hands(capture, self.ledger, base, sources - 1, count, told).work()
        self.packets += capture.packets
        self.taken += capture.taken
        for address, names in capture.names.of.items():
            self.names.setdefault(address, []).extend(names)
        self._add_points(source, capture)
        spans = [(i.first, i.last) for i in capture.interfaces if i.first is not None and i.last is not None]
        self.inputs.append(
            Input(
                file=source.label,
                format=capture.format,
                compression=capture.compression,
                bytes=capture.size,
                packets=capture.packets,
                first=min((first for first, _ in spans), default=None),
                last=max((last for _, last in spans), default=None),
                problems=[Problem(each.name, each.offset, each.says) for each in capture.problems],
            )
        )

    def _add_points(self, source: Source, capture: Capture) -> None:
        taken = {point.name for point in self.points}
        stem = source.point_name or (source.path.name.split(".")[0] if source.path else "stdin")
        interfaces = capture.interfaces
        copies: dict[str, int] = {}
        for index, interface in enumerate(interfaces):
            if source.point_name and len(interfaces) == 1:
                name = source.point_name
            elif interface.name and not source.point_name and interface.name not in taken:
                name = interface.name
            elif interface.name:
                name = f"{stem}/{interface.name}"
            else:
                name = stem if len(interfaces) == 1 else f"{stem}/if{index}"
            unique = name
            while unique in taken:
                copies[name] = copies.get(name, 1) + 1
                unique = f"{name}#{copies[name]}"
            taken.add(unique)
            self.points.append(
                Point(
                    name=unique,
                    file=source.label,
                    interface=index,
                    linktype=linktype_name(interface.linktype),
                    packets=interface.packets,
                    bytes=interface.bytes,
                    dropped=interface.dropped,
                    role="unknown",
                    first=interface.first,
                    last=interface.last,
                )
            )


def _sources(given: Source | str | PathLike[str] | Iterable[Source | str | PathLike[str]]) -> list[Source]:
    """One or several as a list; TypeError for what is none."""
    several = [given] if isinstance(given, Source | str | bytes | PathLike) else list(given)
    for each in several:
        if not isinstance(each, Source | str | PathLike):
            raise TypeError(f"a capture is a path (str or Path) or a Source, not {type(each).__name__}")
    return [each if isinstance(each, Source) else Source(Path(each)) for each in several]


def _size_of(sources: list[Source]) -> int | None:
    """Bytes on disk of all sources; None if one of them is a stream."""
    total = 0
    for source in sources:
        if source.path is None:
            return None
        try:
            total += source.path.stat().st_size
        except OSError:
            return None  # opening it will say why
    return total


def _beside(sources: list[Source]) -> Topology | None:
    """The topologies that lie beside the sources, as one; None if there is none."""
    found = None
    for source in sources:
        if source.path is None:
            continue
        path = topology_path(source.path)
        if path.is_file():
            try:
                more = Topology.load(path)
            except OSError as error:
                raise UnreadableInput(f"{path}: {error.strerror or error}") from error
            except ValueError as error:
                hint = "mend it or move it away: all but names works without it"
                raise UnreadableInput(f"{error}; {hint}") from error
            found = more if found is None else found.joined(more)
    return found


def _conclude(reading: _Reading, topology: Topology | None, links_only: bool) -> tuple[Report, Context]:
    """Ask each analyzer in turn; later ones see what earlier ones found."""
    ledger = reading.ledger or Ledger(Machine(compiled=False))
    reading.ledger = None  # what is concluded from is in the context, and nowhere else
    rest()
    ledger.finish()
    for point in reading.points:
        known = topology.point(point.name) if topology else None
        point.role = known.role if known else role_from_name(point.name)
    names = {address: found[0] for address, found in sorted(reading.names.items()) if len(set(found)) == 1}
    if topology:
        names.update(topology.names())
    found = ledger.tunnels
    context = Context(
        points=reading.points,
        topology=topology,
        flows=ledger.flows,
        stations=bounds.some_stations(ledger.stations),
        arps=bounds.some_arps(ledger.arps),
        tunnels=bounds.some_tunnels(found),
        observations=ledger.followed,
        sample_share=ledger.sample_share,
        names=names,
        in_all={"addresses": len(ledger.stations), "arps": len(ledger.arps), "tunnels": len(found)},
        peeks=ledger.peeks,
    )
    covered = coverage(reading.packets, ledger.undecoded)
    correlation: dict[str, object] = {
        "packets_compared": "all" if ledger.sample_share == 1.0 else "sampled",
        "share": ledger.sample_share,
        "one_in": round(1 / ledger.sample_share),
        "observations": len(ledger.observations),
    }
    del ledger
    # Most of what follows waits for the links. They are found here, in the memory that reading has left, not in that of
    # another thread; large arrays are computed without the GIL.
    listed: list[Flows] = []
    listing = Thread(target=lambda: listed.append(flows.conclude(context)))
    listing.start()
    with suppress(Exception):  # comes again, where it can be said, when they are asked for
        links(context)
    listing.join()
    report = Report(
        inputs=reading.inputs,
        points=reading.points,
        models=[],
        stations=[],
        macs=[],
        nat=[],
        proxies=[],
        tunnels=[],
        paths=[],
        flows=listed[0] if listed else flows.conclude(context),
        findings=[],
        coverage=covered,
        names=names,
        names_at=naming.names_at(context),
        correlation=correlation,
    )
    if not links_only:
        _judge(report, context)
    return report, context


def _judge(report: Report, context: Context) -> None:
    """Fill a report with what takes more than the tables."""
    report.stations = context.station_facts = stations.conclude(context)
    report.tunnels = context.tunnel_facts = tunnels.conclude(context)
    report.paths = context.path_facts = paths.conclude(context)
    report.nat = context.nat_facts = nat.conclude(context)
    report.proxies = context.proxy_facts = proxies.conclude(context)
    report.macs = macs.conclude(context)
    report.models = models.conclude(context)
    report.findings = findings.conclude(context)
