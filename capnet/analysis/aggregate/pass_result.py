"""What a pass over all sources leaves: the context that facts are derived from, and what is counted of all frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from capnet.analysis.aggregate import limits
from capnet.analysis.aggregate.aggregator import Aggregator
from capnet.analysis.aggregate.decode_coverage import decode_coverage
from capnet.analysis.aggregate.reader import SourceReader
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Coverage
from capnet.jit.kernel import Machine, release_memory
from capnet.quick_tuple import NamedTuple
from capnet.topology import Topology

if TYPE_CHECKING:
    from capnet.witnesses import Witnesses

UNSPECIFIED = ("0.0.0.0", "::")  # what a resolver that blocks a name answers: no host has these addresses


class PassResult(NamedTuple):
    """`correlation`: whether all packets can be compared, or which share of them."""

    context: Context
    coverage: Coverage
    correlation: dict[str, object]


def _names(reader: SourceReader) -> dict[str, str]:
    """Address → name, where the captures' name resolution blocks agree on it."""
    return {
        address: words[0]
        for address, words in sorted(reader.names.items())
        if len(set(words)) == 1 and address not in UNSPECIFIED
    }


def pass_result(reader: SourceReader, topology: Topology | None, witnesses: Witnesses | None) -> PassResult:
    """End the pass of a reader that has read all its sources; its tables are let go where the result has copies."""
    aggregator = reader.aggregator or Aggregator(Machine(compiled=False))
    reader.aggregator = None
    release_memory()
    addresses = aggregator.finish(limits.limit_stations)
    tunnels = aggregator.tunnels
    names = _names(reader)
    if topology:
        from capnet.analysis.topology_fit import fitting_topology

        topology = fitting_topology(topology, aggregator.flows, aggregator.stations, reader.points, reader.inputs)
    if topology:
        names.update(topology.names())
    context = Context(
        points=reader.points,
        inputs=reader.inputs,
        topology=topology,
        flows=aggregator.flows,
        stations=aggregator.stations,
        arps=limits.limit_arps(aggregator.arps),
        tunnels=limits.limit_tunnels(tunnels),
        observations=aggregator.observations_to_match,
        sample_share=aggregator.sample_share,
        names=names,
        totals={"addresses": addresses, "arps": len(aggregator.arps), "tunnels": len(tunnels)},
        dns=aggregator.dns.messages,
        checksums=aggregator.checksums.by_point,
        icmp_errors=aggregator.icmp_errors.table,
        nd=aggregator.nd.table,
        dhcp=aggregator.dhcp.table,
        syns=aggregator.syns.table,
        tunnel_checksums=aggregator.tunnel_checksums.table,
        plain_checksums=aggregator.plain_checksums.table,
        mirrors=aggregator.mirrors.sessions,
        memberships=aggregator.memberships.joined,
        sctp=aggregator.sctp.chunks if aggregator.sctp else [],
        ike=aggregator.control.ike if aggregator.control else [],
        bgp=aggregator.control.bgp if aggregator.control else [],
        vrrp=aggregator.control.vrrp if aggregator.control else [],
        log_rules=aggregator.nflog.rules if aggregator.nflog else [],
        **_streams(aggregator),
        witnesses=witnesses,
        series=reader.series,
        pauses=reader.pauses,
        unfiltered=reader.unfiltered,
    )
    return PassResult(context, decode_coverage(reader.packets, aggregator.undecoded), _correlation(aggregator))


def _streams(aggregator: Aggregator) -> dict[str, Any]:
    """What the ends of TCP connections say in clear, by the field of `Context`."""
    octets = aggregator.first_octets
    if octets is None:
        return {}
    return {
        "stream_starts": octets.starts,
        "tls_alerts": octets.tls_alerts,
        "ftp_openings": octets.ftp_openings,
        "advertised": octets.advertised,
    }


def _correlation(aggregator: Aggregator) -> dict[str, object]:
    """What share of the packets is compared between points."""
    return {
        "packets_compared": "all" if aggregator.sample_share == 1.0 else "sampled",
        "share": aggregator.sample_share,
        "one_in": round(1 / aggregator.sample_share),
        "observations": len(aggregator.observations),
    }
