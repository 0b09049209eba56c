"""Which network namespace of a host a folder of saved outputs is.

Method: by what `ip -j address` printed there. The interfaces of a container have its MAC or one of its addresses; an
overlay network's namespace has a VXLAN device with its VNI; the host's own has the Linux bridges of Docker's networks.
Else by the folder's name: a container's name or id, `lb_…`, `ingress_sbox`, `1-…`. What is neither is the host's own.
"""

from __future__ import annotations

from collections.abc import Iterable

from capnet.record.find.host_facts import Entry, HostFacts
from capnet.record.find.host_topology import bare_addresses, bridge_name
from capnet.record.find.interfaces import addresses_of
from capnet.record.find.netns_facts import name_mounts

HOST = "host"


def place(facts: HostFacts, folder: str, entries: list[Entry]) -> str:
    """Notes in `facts` whose namespace a folder is; returns its key there: `HOST`, or the folder."""
    if entries and _is_host(facts, entries):
        return HOST
    by_content = (
        _container(facts, folder, entries) or _balancer(facts, folder, entries) or _overlay(facts, folder, entries)
    )
    if not by_content:
        before = (dict(facts.overlay_netns), dict(facts.balancer_netns))
        name = folder.rpartition("/")[2]
        name_mounts(facts, {name: folder})
        by_content = before != (facts.overlay_netns, facts.balancer_netns) or _named_container(facts, folder, name)
    return folder if by_content else HOST


def _is_host(facts: HostFacts, entries: list[Entry]) -> bool:
    bridges = {bridge_name(network) for network in facts.networks} - {None}
    return bool(bridges & {entry["ifname"] for entry in entries})


def _container(facts: HostFacts, folder: str, entries: list[Entry]) -> bool:
    for container in facts.containers:
        attached = (container["NetworkSettings"].get("Networks") or {}).values()
        if _has_endpoint(entries, attached):
            facts.container_netns.setdefault(container["Id"], folder)
            return True
    return False


def _balancer(facts: HostFacts, folder: str, entries: list[Entry]) -> bool:
    for network in facts.networks:
        for name, endpoint in (network.get("Containers") or {}).items():
            if name.startswith(("lb-", "ingress-sbox")) and _has_endpoint(entries, [endpoint]):
                facts.balancer_netns.setdefault(name, folder)
                return True
    return False


def _overlay(facts: HostFacts, folder: str, entries: list[Entry]) -> bool:
    vnis = {
        entry.get("linkinfo", {}).get("info_data", {}).get("id")
        for entry in entries
        if entry.get("linkinfo", {}).get("info_kind") == "vxlan"
    }
    for network in facts.networks:
        option = (network.get("Options") or {}).get("com.docker.network.driver.overlay.vxlanid_list", "")
        if option and int(option.split(",")[0]) in vnis:
            facts.overlay_netns.setdefault(network["Id"], folder)
            return True
    return False


def _named_container(facts: HostFacts, folder: str, name: str) -> bool:
    for container in facts.containers:
        names = (container["Name"].removeprefix("/"), container["Id"], container["Id"][:12])
        if name in names:
            facts.container_netns.setdefault(container["Id"], folder)
            return True
    return False


def _has_endpoint(entries: list[Entry], endpoints: Iterable[Entry]) -> bool:
    """Has an interface the MAC and an address of one of Docker's endpoints?"""
    macs = {entry.get("address") for entry in entries}
    addresses = {address.split("/")[0] for entry in entries for address in addresses_of(entry)}
    for endpoint in endpoints:
        if set(bare_addresses(endpoint)) & addresses and endpoint.get("MacAddress") in ("", None, *macs):
            return True
    return False
