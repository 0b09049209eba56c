"""What the tables of one pass mean: each analyzer in turn, later ones see what earlier ones found."""

from __future__ import annotations

from contextlib import suppress
from threading import Thread

from capnet.analysis.aggregate import limits
from capnet.analysis.aggregate.aggregator import Ledger
from capnet.analysis.aggregate.decode_coverage import coverage
from capnet.analysis.aggregate.reader import SourceReader
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Flows, Report
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.flows import flow_facts
from capnet.analysis.facts.layer2.mac_verdicts import mac_verdicts
from capnet.analysis.facts.models import models
from capnet.analysis.facts.naming import names_at
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.analysis.facts.paths import path_facts
from capnet.analysis.facts.proxies import proxy_facts
from capnet.analysis.facts.stations import station_facts
from capnet.analysis.facts.tunnels import tunnel_facts
from capnet.analysis.findings import finding_modules, findings
from capnet.jit.kernel import Machine, rest
from capnet.topology import Topology, role_from_name

finding_modules()  # imports them with this module, which happens while the first blocks are read


def conclude(reading: SourceReader, topology: Topology | None, links_only: bool) -> tuple[Report, Context]:
    """Ask each analyzer in turn; later ones see what earlier ones found."""
    ledger = reading.ledger or Ledger(Machine(compiled=False))
    reading.ledger = None  # what is concluded from is in the context, and nowhere else
    rest()
    addresses = ledger.finish(limits.some_stations)
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
        arps=limits.some_arps(ledger.arps),
        tunnels=limits.some_tunnels(found),
        observations=ledger.followed,
        sample_share=ledger.sample_share,
        names=names,
        totals={"addresses": addresses, "arps": len(ledger.arps), "tunnels": len(found)},
        dns_failures=ledger.dns.failures,
        checksums=ledger.checksums.by_point,
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
    listing = Thread(target=lambda: listed.append(flow_facts(context)))
    listing.start()
    with suppress(Exception):  # comes again, where it can be said, when they are asked for
        flow_links(context)
    listing.join()
    report = Report(
        inputs=reading.inputs,
        points=reading.points,
        flows=listed[0] if listed else flow_facts(context),
        coverage=covered,
        names=names,
        names_at=names_at(context),
        correlation=correlation,
    )
    if not links_only:
        _judge(report, context)
    return report, context


def _judge(report: Report, context: Context) -> None:
    """Fill a report with what takes more than the tables."""
    report.tunnels = tunnel_facts(context)
    report.paths = path_facts(context)
    report.nat = nat_facts(context)
    report.proxies = proxy_facts(context)
    report.stations = station_facts(context)
    report.macs = mac_verdicts(context)
    report.models = models(context)
    report.findings = findings(context)
