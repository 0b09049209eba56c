"""Pods, and containers outside pods, that containerd and CRI-O run, as containers of a topology.

A pod is one network namespace. Its sandbox, the process that only keeps it, stands for the pod and has the pod's name;
its containers are there as those that use the namespace. Interfaces are those that `ip` lists in it; the network's
name and published ports are what CNI plugins answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from capnet.record.find.capture_points import peer_of
from capnet.record.find.host_facts import Entry, HostFacts
from capnet.record.find.interfaces import addresses_of
from capnet.record.find.runtimes.attachments import CniAttachment
from capnet.record.find.runtimes.bundles import OciContainer
from capnet.topology import Container, Endpoint, Topology

_WITH_PARENT = ("macvlan", "ipvlan", "macvtap", "ipvtap")


def add_bundles(topology: Topology, facts: HostFacts) -> None:
    """Adds what these runtimes run on the host of `facts`, as far as it still has a network namespace."""
    running = [each for each in facts.bundles if each.id in facts.container_netns]
    pods: dict[str, list[OciContainer]] = {}
    for bundle in running:
        if bundle.sandbox:
            pods.setdefault(bundle.sandbox, []).append(bundle)
    names = Counter(bundles[0].pod for bundles in pods.values())
    for sandbox, bundles in pods.items():
        topology.containers += _pod(facts, sandbox, bundles, is_called_alone=names[bundles[0].pod] == 1)
    topology.containers += _others(facts, [each for each in running if not each.sandbox])


def _pod(facts: HostFacts, sandbox: str, bundles: Sequence[OciContainer], is_called_alone: bool) -> list[Container]:
    """The pod, then its containers. A pod whose name another one has too is called NAMESPACE/NAME."""
    bundle = next((each for each in bundles if each.is_sandbox), bundles[0])
    full_name = "/".join(filter(None, (bundle.namespace, bundle.pod)))
    name = bundle.pod if is_called_alone and bundle.pod else full_name
    pod = Container(
        host=facts.name,
        name=name,
        id=sandbox,
        image="",
        network_mode="",
        full_name=full_name if full_name != name else None,
        pid=bundle.pid if bundle.is_sandbox else None,
        netns=facts.container_netns[bundle.id],
        runtime=bundle.runtime,
        pod=full_name,
    )
    _attach(facts, pod, bundle.cni_id)
    pod.ports += bundle.ports if pod.endpoints else ()
    members = sorted((each for each in bundles if not each.is_sandbox), key=lambda each: each.name)
    return [pod, *(_member(facts, pod, each) for each in members)]


def _member(facts: HostFacts, pod: Container, bundle: OciContainer) -> Container:
    return Container(
        host=facts.name,
        name=bundle.name,
        id=bundle.id,
        image=bundle.image,
        network_mode=f"pod:{pod.id}",
        shares_network_with=pod.name,
        full_name=f"{pod.pod}/{bundle.name}",
        pid=bundle.pid,
        netns=facts.container_netns[bundle.id],
        runtime=bundle.runtime,
        pod=pod.pod,
    )


def _others(facts: HostFacts, bundles: Sequence[OciContainer]) -> list[Container]:
    """Containers outside pods: of nerdctl and ctr. A shared namespace is that of the one that plugins attached."""
    owners: dict[str, Container] = {}
    containers = []
    attached = {each.container for each in facts.attachments}
    for bundle in sorted(bundles, key=lambda each: (each.cni_id not in attached, each.id)):
        container = Container(
            host=facts.name,
            name=bundle.name,
            id=bundle.id,
            image=bundle.image,
            network_mode="",
            pid=bundle.pid,
            netns=facts.container_netns[bundle.id],
            runtime=bundle.runtime,
        )
        owner = owners.setdefault(container.netns or "", container)
        if owner is container or container.netns == facts.host_netns:
            _attach(facts, container, bundle.cni_id)
        else:
            container.network_mode, container.shares_network_with = f"container:{owner.id}", owner.name
        containers.append(container)
    return containers


def _attach(facts: HostFacts, container: Container, cni_id: str) -> None:
    """Gives it its interfaces, ports and network mode."""
    if container.netns == facts.host_netns:
        container.network_mode = "host"
        return
    attachments = {each.interface: each for each in facts.attachments if each.container == cni_id}
    container.endpoints = [
        _endpoint(facts, entry, attachments.get(entry["ifname"]))
        for entry in facts.interfaces.get(container.netns or "", [])
        if entry["ifname"] != "lo"
    ]
    container.ports = [port for each in attachments.values() for port in each.ports]
    networks = [each.network for each in container.endpoints if each.network]
    container.network_mode = next(iter(networks), "" if container.endpoints else "none")


def _endpoint(facts: HostFacts, entry: Entry, attachment: CniAttachment | None) -> Endpoint:
    endpoint = Endpoint(
        network=attachment.network if attachment else "",
        interface=entry["ifname"],
        mac=entry.get("address"),
        addresses=addresses_of(entry),
        kind=entry.get("linkinfo", {}).get("info_kind"),
        ifindex=entry["ifindex"],
        mtu=entry.get("mtu"),
    )
    if endpoint.kind in _WITH_PARENT:
        parents = (each["ifname"] for each in facts.host_interfaces if each["ifindex"] == entry.get("link_index"))
        endpoint.parent = next(parents, None)
    elif peer := peer_of(entry, facts.host_interfaces):
        endpoint.veth, endpoint.bridge = peer["ifname"], peer.get("master")
    return endpoint
