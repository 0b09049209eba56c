"""foreign-vtep: frames for an overlay come from a host that is no node of the swarm.

Looks at: the endpoints of VXLAN tunnels against the hosts' addresses in the topology; without one, against those that
gossip on port 7946 in the same capture.
Says: which endpoint is not known. Linux takes frames with a known VNI from any sender and learns their MACs: such a
host can speak to the containers, or in their name.
Wrong when: the capture lacks the gossip of a node, or the topology was recorded before a node joined.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import FLOW_DPORT, FLOW_DST_HI, FLOW_DST_LO, FLOW_SRC_HI, FLOW_SRC_LO
from capnet.analysis.facts.models.overlay import FIRST_SWARM_VNI
from capnet.analysis.facts.swarm_traffic import swarms_own
from capnet.analysis.facts.tunnels import tunnel_facts
from capnet.wire.addresses import address_text
from capnet.wire.numbers import PORT_SWARM_GOSSIP


def diagnose(context: Context) -> list[Finding]:
    tunnels = [each for each in tunnel_facts(context) if each.kind == "vxlan"]
    if not tunnels:
        return []
    nodes, known_by = _nodes(context)
    findings = []
    for vtep in sorted({vtep for each in tunnels for vtep in each.vteps} - nodes):
        mine = [each for each in tunnels if vtep in each.vteps and (each.vni or 0) >= FIRST_SWARM_VNI]
        # Only a stranger to nodes that are known: between strangers it may be anybody's VXLAN.
        if not any(set(each.vteps) & nodes for each in mine):
            continue
        vnis = sorted({each.vni for each in mine if each.vni is not None})
        findings.append(
            Finding(
                "foreign-vtep",
                "error",
                f"{vtep} exchanges frames of VNI {', '.join(map(str, vnis))} but is no node: {known_by}",
                "accept UDP port 4789 from the swarm's nodes only, or encrypt the network (--opt encrypted)",
                {"vtep": vtep, "vnis": vnis},
                sorted(frame for each in mine for frame in each.evidence)[:10],
            )
        )
    return findings


def _nodes(context: Context) -> tuple[set[str], str]:
    """Addresses of the swarm's nodes, and how they are known."""
    if context.topology and context.topology.hosts:
        hosts = context.topology.hosts
        addresses = {ip.split("/")[0] for host in hosts for each in host.interfaces for ip in each.addresses}
        return addresses, "no host of the topology has that address"
    flows = context.flows[swarms_own(context) & (context.flows[:, FLOW_DPORT] == PORT_SWARM_GOSSIP)]
    gossips = {
        address_text(int(row[hi]), int(row[lo]))
        for row in flows
        for hi, lo in ((FLOW_SRC_HI, FLOW_SRC_LO), (FLOW_DST_HI, FLOW_DST_LO))
    }
    return gossips, f"the nodes gossip on port {PORT_SWARM_GOSSIP}, it does not"
