"""Interfaces as `ip -j -d address` prints them, in the words of a topology."""

from __future__ import annotations

from collections.abc import Iterable

from capnet.record.find.host_facts import Entry
from capnet.topology import Interface


def interface_of(entry: Entry, neighbours: Iterable[Entry] = ()) -> Interface:
    """The interface that is one entry. `neighbours`: all entries of the same namespace, among which a parent may be."""
    linkinfo = entry.get("linkinfo", {})
    kind, data = linkinfo.get("info_kind"), linkinfo.get("info_data", {})
    is_vxlan = kind == "vxlan"
    parent = entry.get("link") or (data.get("link") if is_vxlan else None)
    if parent is None and kind in ("vlan", "macvlan", "ipvlan") and "link_netnsid" not in entry:
        numbered = (other["ifname"] for other in neighbours if other["ifindex"] == entry.get("link_index"))
        parent = next(numbered, None)
    return Interface(
        name=entry["ifname"],
        ifindex=entry["ifindex"],
        mac=entry.get("address"),
        addresses=addresses_of(entry),
        kind=kind,
        master=entry.get("master"),
        mtu=entry.get("mtu"),
        peer_ifindex=None if is_vxlan else entry.get("link_index"),
        parent=parent if kind != "veth" else None,
        vni=data.get("id") if is_vxlan else None,
        vtep=(data.get("local") or data.get("local6")) if is_vxlan else None,
        udp_port=data.get("port") if is_vxlan else None,
        xdp=_xdp(entry),
    )


def _xdp(entry: Entry) -> str | None:
    """The name of the XDP program at the interface, else its number."""
    program = entry.get("xdp", {}).get("prog", {})
    return program.get("name") or (f"id {program['id']}" if "id" in program else None)


def addresses_of(entry: Entry) -> list[str]:
    """Its addresses with prefix length; IPv4 and IPv6."""
    return [
        f"{address['local']}/{address['prefixlen']}" for address in entry.get("addr_info", []) if "local" in address
    ]
