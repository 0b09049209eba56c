"""What a pass over all sources leaves: the context that facts are derived from, and what is counted of all frames."""

from __future__ import annotations

from typing import NamedTuple

from capnet.analysis.aggregate import limits
from capnet.analysis.aggregate.aggregator import Ledger
from capnet.analysis.aggregate.decode_coverage import coverage
from capnet.analysis.aggregate.reader import SourceReader
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Coverage
from capnet.jit.kernel import Machine, release_memory
from capnet.topology import Topology


class PassResult(NamedTuple):
    """`correlation`: whether all packets can be compared, or which share of them."""

    context: Context
    coverage: Coverage
    correlation: dict[str, object]


def pass_result(reader: SourceReader, topology: Topology | None) -> PassResult:
    """End the pass of a reader that has read all its sources; its tables are let go where the result has copies."""
    ledger = reader.ledger or Ledger(Machine(compiled=False))
    reader.ledger = None
    release_memory()
    addresses = ledger.finish(limits.some_stations)
    tunnels = ledger.tunnels
    names = {address: words[0] for address, words in sorted(reader.names.items()) if len(set(words)) == 1}
    if topology:
        names.update(topology.names())
    context = Context(
        points=reader.points,
        topology=topology,
        flows=ledger.flows,
        stations=ledger.stations,
        arps=limits.some_arps(ledger.arps),
        tunnels=limits.some_tunnels(tunnels),
        observations=ledger.followed,
        sample_share=ledger.sample_share,
        names=names,
        totals={"addresses": addresses, "arps": len(ledger.arps), "tunnels": len(tunnels)},
        dns_failures=ledger.dns.failures,
        checksums=ledger.checksums.by_point,
    )
    correlation: dict[str, object] = {
        "packets_compared": "all" if ledger.sample_share == 1.0 else "sampled",
        "share": ledger.sample_share,
        "one_in": round(1 / ledger.sample_share),
        "observations": len(ledger.observations),
    }
    return PassResult(context, coverage(reader.packets, ledger.undecoded), correlation)
