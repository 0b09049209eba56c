"""What a network is, its gateway, and an interface of a host or of an overlay network's namespace."""

from __future__ import annotations

from capnet.language import clauses, items, pick
from capnet.report.inventory.answers.words import listed, members
from capnet.report.inventory.groups import without_link_local
from capnet.report.inventory.rows import model_of
from capnet.topology import Interface, Topology
from capnet.topology.lookup import Match, on_bridge


def interface(topology: Topology, asked: str, match: Match, on_host: str) -> str:
    """`is an interface of host A (…)`, or `is the Linux bridge of network bridge (…)`."""
    meant, network = match.interface, match.network
    assert meant
    begin = pick(" is", " 是") if asked == meant.name else pick(f" is {meant.name},", f" 是 {meant.name}，即")
    if match.namespace:
        name = match.namespace.network
        return begin + pick(
            f" {_device(meant)} in the namespace of overlay network {name}{on_host}",
            f"{on_host} overlay 网络 {name} 的命名空间中的{_device(meant)}",
        )
    if network and meant.name == network.bridge:
        gateway = [pick("gateway ", "网关 ") + items(own[:2])] if (own := without_link_local(meant.addresses)) else []
        details = items([*network.subnets, *gateway])
        return begin + pick(
            f" the Linux bridge of network {network.name} ({details}) on host {match.host}; "
            f"on it: {members(topology, network)}",
            f"主机 {match.host} 上网络 {network.name}（{details}）的 Linux 网桥；其上：{members(topology, network)}",
        )
    kinds = [
        pick(
            f"parent of {model_of(each)} network {each.name}: {members(topology, each)}",
            f"是 {model_of(each)} 网络 {each.name} 的父接口：{members(topology, each)}",
        )
        for each in topology.networks
        if each.host == match.host and each.parent == meant.name
    ]
    if bridged := on_bridge(topology, match):
        kinds.append(pick("on it: ", "其上：") + listed(owner.name for owner, _ in bridged))
    described = _described(meant)
    own_words = pick(f" an interface of host {match.host} ({described})", f"主机 {match.host} 的接口（{described}）")
    return clauses([begin + own_words, *kinds])


def _device(meant: Interface) -> str:
    if meant.kind == "bridge":
        return pick("the bridge", "网桥")
    if meant.vni is not None:
        return pick(f"the VXLAN device (VNI {meant.vni})", f" VXLAN 设备（VNI {meant.vni}）")
    return pick("an interface", "接口")


def _described(meant: Interface) -> str:
    kind = meant.kind or ("loopback" if meant.name == "lo" else pick("NIC", "网卡"))
    if meant.vni is not None:
        kind = pick(f"VXLAN device, VNI {meant.vni}", f"VXLAN 设备，VNI {meant.vni}")
    addresses = meant.addresses or [pick("no address", "没有地址")]
    port = [pick(f"a port of {meant.master}", f"{meant.master} 的端口")] if meant.master else []
    xdp = [pick(f"XDP program {meant.xdp}", f"XDP 程序 {meant.xdp}")] if meant.xdp else []
    return items([kind, str(meant.mac), *addresses, *port, *xdp])


def network(topology: Topology, asked: str, match: Match, on_host: str) -> str:
    """`is a bridge network (172.17.0.0/16, bridge docker0) on host A; on it: web`."""
    meant = match.network
    if meant is None:
        return pick(f" is the namespace of an overlay network{on_host}", f" 是{on_host} overlay 网络的命名空间")
    details = [subnet for subnet in meant.subnets if subnet != asked]
    details += [pick("bridge ", "网桥 ") + meant.bridge] if meant.bridge else []
    details += [pick("parent ", "父接口 ") + meant.parent] if meant.parent else []
    details += [f"VNI {meant.vni}"] if meant.vni is not None and asked != str(meant.vni) else []
    shown = pick(" ({})", "（{}）").format(items(details)) if details else ""
    model = model_of(meant)
    if asked == meant.name:
        sentence = pick(f" is {'an' if model[0] in 'aeio' else 'a'} {model} network", f" 是{on_host} {model} 网络")
    elif asked in meant.subnets or asked == str(meant.vni):
        part = pick("subnet", "子网") if asked in meant.subnets else pick("VNI", " VNI")
        sentence = pick(
            f" is the {part} of {model} network {meant.name}", f" 是{on_host} {model} 网络 {meant.name} 的{part}"
        )
    else:
        sentence = pick(f" is {model} network {meant.name}", f" 是{on_host} {model} 网络 {meant.name}")
    place = pick(on_host, "")
    return clauses([f"{sentence}{shown}{place}", pick("on it: ", "其上：") + members(topology, meant)])


def gateway(_: Topology, __: str, match: Match, on_host: str) -> str:
    """`is the gateway of bridge network shop on host A`."""
    assert match.network
    model, name = model_of(match.network), match.network.name
    return pick(f" is the gateway of {model} network {name}{on_host}", f" 是{on_host} {model} 网络 {name} 的网关")
