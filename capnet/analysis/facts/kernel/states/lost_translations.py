"""Ports of a host that are published for a container, and that no rule of the host translates.

Input: the topology, rules after the recording. Output: the container. Method: a rule is one if its own tests, but those
of sources and interfaces, may take a packet to the port. Limits: rules that were not read; a port that a program takes
in place of rules (docker-proxy, rootlessport) is not refused.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.facts.kernel.namespaces import NamespaceChanges
from capnet.analysis.facts.kernel.netfilter.rule_walk import Packet, all_pass
from capnet.topology import Container
from capnet.topology.port_lookup import is_reached_at

DOCKER, PODMAN = "`systemctl restart docker`", "`podman network reload --all`"
_OF_MANY = ("src", "in")  # tests that let some clients pass only
_REDIRECTS = ("REDIRECT", "redirect")


def untranslated_container(
    context: Context, namespace: NamespaceChanges, proto: str, address: str, port: int
) -> Container | None:
    """The container of a host for which it publishes a port at an address, without a rule for it."""
    if not namespace.tables or _may_be_translated(namespace, proto, address, port):
        return None
    containers = context.topology.containers if context.topology else []
    publishing = (
        container
        for container in containers
        if container.host == namespace.name
        and any(
            each.host_port == port and each.proto == proto and is_reached_at(each, address) for each in container.ports
        )
    )
    return next(publishing, None)


def restoring_command(context: Context, host: str) -> str:
    """What writes an engine's rules again; podman has its own bridges."""
    networks = context.topology.networks if context.topology else []
    bridges = [network.bridge or "" for network in networks if network.host == host]
    return PODMAN if any(bridge.startswith(("podman", "cni-podman")) for bridge in bridges) else DOCKER


def _may_be_translated(namespace: NamespaceChanges, proto: str, address: str, port: int) -> bool:
    family = "ip6" if ":" in address else "ip"
    packet = Packet(family, "", address, proto, None, port, None, "NEW", None, True)
    return any(
        all_pass((test for test in rule.tests if test.what not in _OF_MANY), packet) is not False
        for table in namespace.tables
        if table.family in (family, "inet")
        for chain in table.chains.values()
        for rule in chain.rules
        if rule.to or rule.target in _REDIRECTS
    )
