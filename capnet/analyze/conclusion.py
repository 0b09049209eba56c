"""What the tables of one pass mean: each analyzer in turn, later ones see what earlier ones found."""

from __future__ import annotations

from contextlib import suppress
from threading import Thread

from capnet.analyze import bounds, findings, flows, macs, models, naming, nat, paths, proxies, stations, tunnels
from capnet.analyze.context import Context
from capnet.analyze.coverage import coverage
from capnet.analyze.facts import Flows, Report
from capnet.analyze.identity import links
from capnet.analyze.ledger import Ledger
from capnet.analyze.reading import Reading
from capnet.topology import Topology, role_from_name
from capnet.wire.kernel import Machine, rest


def conclude(reading: Reading, topology: Topology | None, links_only: bool) -> tuple[Report, Context]:
    """Ask each analyzer in turn; later ones see what earlier ones found."""
    ledger = reading.ledger or Ledger(Machine(compiled=False))
    reading.ledger = None  # what is concluded from is in the context, and nowhere else
    rest()
    addresses = ledger.finish(bounds.some_stations)
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
        stations=ledger.stations,
        arps=bounds.some_arps(ledger.arps),
        tunnels=bounds.some_tunnels(found),
        observations=ledger.followed,
        sample_share=ledger.sample_share,
        names=names,
        in_all={"addresses": addresses, "arps": len(ledger.arps), "tunnels": len(found)},
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
        flows=listed[0] if listed else flows.conclude(context),
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
    report.tunnels = context.tunnel_facts = tunnels.conclude(context)
    report.paths = context.path_facts = paths.conclude(context)
    report.nat = context.nat_facts = nat.conclude(context)
    report.proxies = context.proxy_facts = proxies.conclude(context)
    report.stations = stations.conclude(context)
    report.macs = macs.conclude(context)
    report.models = models.conclude(context)
    report.findings = findings.conclude(context)
