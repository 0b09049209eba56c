"""Weights: how much each piece of evidence weighs for each network model, as natural log-odds.

A row with `shows_containers` is positive evidence of containers; the others only tell models apart. A NAT router, a
hypervisor, a host with virtual addresses and a switch fabric show all of the others as well.
The weights are fitted by hand on captures whose model is known (`python -m tests.calibration` shows how well): what
shows containers and what tells the model reach 0.5 together. docs/models.md has the table and the result.
"""

from __future__ import annotations

from typing import Final

from capnet.analysis.facts.models.signs import (
    bridge,
    container,
    container_engines,
    host,
    ipvlan,
    macvlan,
    none,
    overlay,
    ptp,
    topology_models,
)
from capnet.analysis.facts.models.signs.sign import EvidenceRow

NAMES: Final = ("none", "host", "bridge", "container", "overlay", "macvlan", "ipvlan-l2", "ipvlan-l3", "ptp")
PRIOR: Final = -3.9  # log-odds of each model in a capture of which nothing is known: 0.02

_DOCKER_SAYS = 7.4  # alone 0.97: the topology is of this recording, unless files were renamed
_DRIVERS = dict.fromkeys(("bridge", "overlay", "macvlan", "ipvlan-l2", "ipvlan-l3"), _DOCKER_SAYS)
_IPVLAN = ("ipvlan-l2", "ipvlan-l3")
_CONTAINER_NAME = {
    "bridge": 1.0,
    "overlay": 1.0,
    "macvlan": 2.0,
    "ipvlan-l2": 2.5,
    "ipvlan-l3": 2.5,
    "container": 1.0,
    "ptp": 1.0,
}

EVIDENCE: Final = (
    # Positive evidence of containers: what Docker says, what engines leave, and what is seen of such containers.
    EvidenceRow("topology-network", topology_models.network_with_traffic, _DRIVERS, True, "docker"),
    EvidenceRow("topology-encrypted", topology_models.encrypted_network, {"overlay": _DOCKER_SAYS}, True, "docker"),
    EvidenceRow("topology-host", topology_models.host_network, {"host": _DOCKER_SAYS}, True),
    EvidenceRow("topology-none", topology_models.no_network, {"none": _DOCKER_SAYS}, True),
    EvidenceRow("topology-shared", topology_models.shared_namespace, {"container": _DOCKER_SAYS}, True),
    EvidenceRow("topology-routed", ptp.routed_containers, {"ptp": _DOCKER_SAYS}, True),
    EvidenceRow("bridge-name", container_engines.container_bridge, {"bridge": 2.0}, True, "engine"),
    EvidenceRow("swarm-bridge-name", container_engines.swarm_bridge, {"bridge": 2.0, "overlay": 1.5}, True, "engine"),
    EvidenceRow("overlay-namespace-name", container_engines.overlay_namespace, {"overlay": 3.0}, True, "engine"),
    EvidenceRow("container-name", container_engines.container_interface, _CONTAINER_NAME, True, "engine"),
    EvidenceRow("container-mac", container_engines.container_mac, {"bridge": 2.0, "overlay": 1.0}, True, "engine"),
    EvidenceRow("pod-mac", container_engines.pod_mac, {"bridge": 1.5}, True, "engine"),
    EvidenceRow("container-behind-nat", bridge.container_behind_nat, {"bridge": 2.5}, True),
    EvidenceRow("containers-among-hosts", macvlan.containers_among_hosts, {"macvlan": 4.3, "bridge": -2.0}, True),
    EvidenceRow("containers-in-vxlan", overlay.containers_inside, {"overlay": 4.2}, True),
    EvidenceRow("containers-beside-esp", overlay.containers_in_clear, {"overlay": 2.0}, True),
    EvidenceRow("swarm-gossip", overlay.gossip, {"overlay": 3.0}, True),
    EvidenceRow("container-talks-to-itself", container.container_talks_to_itself, {"container": 4.8}, True),
    EvidenceRow("calico-gateway", ptp.calico_gateway, {"ptp": 4.5, "bridge": -2.0}, True, "plugin"),
    EvidenceRow("routed-veth-name", ptp.routed_veth_name, {"ptp": 4.5}, True, "plugin"),
    # What only tells models apart.
    EvidenceRow("usual-subnet", bridge.usual_subnet, {"bridge": 0.8}),
    EvidenceRow("bridge-forwards", bridge.bridge_forwards, {"bridge": 2.0}),
    EvidenceRow("bridge-gateway", bridge.bridge_gateway, {"bridge": 0.8}),
    EvidenceRow("default-bridge", bridge.default_bridge, {"bridge": 1.5}),
    EvidenceRow("direct-talk", bridge.direct_talk, {"bridge": 1.0}),
    EvidenceRow("masquerade", bridge.masquerade, {"bridge": 0.8}),
    EvidenceRow("published-port", bridge.published_port, {"bridge": 0.8}),
    EvidenceRow("userland-proxy", bridge.userland_proxy, {"bridge": 1.0}),
    EvidenceRow("bridged-path", bridge.bridged_path, {"bridge": 1.2}, group="path"),
    EvidenceRow("veth-path", bridge.veth_path, {"bridge": 0.8}, group="path"),
    EvidenceRow("vxlan", overlay.vxlan, {"overlay": 1.0}),
    EvidenceRow("inside-and-outside", overlay.inside_and_outside, {"overlay": 1.0}),
    EvidenceRow("routed-inside", overlay.routed_inside, {"overlay": -2.5}),
    EvidenceRow("clear-beside-esp", overlay.clear_at_both_ends, {"overlay": 2.0}),
    EvidenceRow("children-behind-card", macvlan.children_behind_card, {"macvlan": 1.5}),
    EvidenceRow("host-unheard", macvlan.host_is_unheard, {"macvlan": 1.0}),
    EvidenceRow("host-unanswered", macvlan.host_is_unanswered, {"macvlan": 1.5}),
    EvidenceRow("kept-from-the-wire", macvlan.kept_from_the_wire, {"macvlan": 1.0}),
    EvidenceRow("shared-mac", ipvlan.shared_mac, dict.fromkeys(_IPVLAN, 0.5)),
    EvidenceRow("several-interfaces", ipvlan.several_interfaces, dict.fromkeys(_IPVLAN, 2.0)),
    EvidenceRow("same-mac-at-both-ends", ipvlan.same_mac_at_both_ends, dict.fromkeys(_IPVLAN, 1.5)),
    EvidenceRow("sent-to-itself", ipvlan.sent_to_itself, {"ipvlan-l3": 0.5}),
    EvidenceRow("never-resolved", ipvlan.never_resolved, {"ipvlan-l3": 0.5}),
    EvidenceRow("claims-in-arp", ipvlan.claims_in_arp, {"ipvlan-l2": 0.5}),
    EvidenceRow("gateway-at-each-veth", ptp.gateway_at_each_veth, {"ptp": 3.5, "bridge": -2.0}),
    EvidenceRow("routed-between-neighbours", ptp.routed_between_neighbours, {"ptp": 1.0, "bridge": -1.0}),
    EvidenceRow("own-address", host.own_address, {"host": 1.0}),
    EvidenceRow("silent-points", host.silent_points, {"host": 0.5}),
    EvidenceRow("unchanged-at-far-end", host.unchanged_at_far_end, {"host": 0.5}),
    EvidenceRow("loopback-only", none.loopback_only, {"none": 1.0}),
    EvidenceRow("silent-beside-loopback", none.silent_beside_loopback, {"none": 1.5}),
)
