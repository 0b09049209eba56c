"""Counters of a kernel that tell why it stopped packets, which packets each can count, and the setting behind it.

The names are those of `nstat -az`; those of conntrack are those of `conntrack -S`.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from capnet.analysis.core.wording import Text, several
from capnet.analysis.facts.kernel.missing_packets import MissingPackets
from capnet.analysis.facts.kernel.namespaces import (
    BEFORE_DELIVERY,
    BEFORE_DELIVERY_V6,
    BEFORE_SENDING,
    BEFORE_SENDING_V6,
    FILTERING_QDISCS,
)
from capnet.analysis.facts.kernel.netfilter.rule_walk import translated_destinations
from capnet.quick_tuple import NamedTuple

MIN_FULL = 0.9  # of the conntrack table: entries may have ended since it was full

NO_ROUTE = Text(en="it has no route for its answers", zh="它没有用于应答的路由")
NO_ROUTE_FIX = Text(
    en="give {host} a route back to {sources}: `ip route get {source}` in its namespace says that there is none, "
    "`ip route` shows those that it has",
    zh="给 {host} 加一条返回 {sources} 的路由：在其命名空间中 `ip route get {source}` 会说没有路由，`ip route` 列出"
    "现有的路由",
)
PATH_FILTER_FIX = Text(
    en="{host} has no way back to {sources} by the interface that they came in by (`ip route get {source}` there): "
    "give it that route, or set {key} = 2 (RFC 3704, loose mode)",
    zh="{host} 没有经过入口接口返回 {sources} 的路由（在那里执行 `ip route get {source}`）：加上该路由，或设置 "
    "{key} = 2（RFC 3704，宽松模式）",
)
NO_RULE_LEFT = Text(
    en="a rule or a blackhole route stopped them that was gone when the capture ended, or a rule that has no counter",
    zh="拦截这些包的规则或黑洞路由在抓包结束时已不存在，或规则没有计数器",
)
BLACKHOLE = Text(en="a blackhole route drops them", zh="黑洞路由丢弃它们")
BLACKHOLE_FIX = Text(
    en="`ip route get {destination}` fails on {host}, whose longest match is the blackhole {key}: give it the route to "
    "the node that has the address (Calico: `calicoctl node status` shows BIRD's sessions, `calicoctl ipam check` "
    "blocks of addresses without a node), or delete the blackhole",
    zh="{host} 上的 `ip route get {destination}` 会失败，它的最长匹配是黑洞路由 {key}：加上到拥有该地址的节点的路由"
    "（Calico：`calicoctl node status` 显示 BIRD 的会话，`calicoctl ipam check` 显示没有节点的地址块），"
    "或删除该黑洞路由",
)
FORWARDING_FIX = Text(
    en="`sysctl -w {key}=1` on {host}, and look for what turns it off: a file of sysctl.d, or another service",
    zh="在 {host} 上执行 `sysctl -w {key}=1`，并查找是什么关闭了它：sysctl.d 中的文件，或其他服务",
)


TABLE_FULL = Text(
    en="its table of neighbours is full, so it does not ask for the MAC", zh="它的邻居表已满，因此不再询问 MAC"
)
TABLE_FULL_FIX = Text(
    en="let the kernel of {host} keep more neighbours: `sysctl -w {key}=8192`, gc_thresh2 half of it; all network "
    "namespaces of a machine share the table (`ip -4 neigh | wc -l`, `dmesg | grep 'table overflow'`)",
    zh="让 {host} 的内核保存更多邻居：`sysctl -w {key}=8192`，gc_thresh2 取其一半；一台机器的所有网络命名空间共用该表"
    "（`ip -4 neigh | wc -l`、`dmesg | grep 'table overflow'`）",
)


class KernelCounter(NamedTuple):
    """A counter: can it have counted these packets, and with which setting (empty: none)?"""

    name: str
    counts: Callable[[MissingPackets], bool]
    setting: Callable[[MissingPackets], str] = lambda missing: ""
    is_refusal: bool = False  # the sender gets an ICMP error
    meaning: Text | None = None  # what it counts, where its name does not say so
    fix: Text | None = None  # of a finding that asks for a rule; fields: host, sources, source, destination, key


def device_counters(device: str, is_due: Callable[[MissingPackets], bool]) -> tuple[KernelCounter, ...]:
    """The counters of an interface by which packets were to leave."""
    return tuple(KernelCounter(f"{device} {name}", is_due) for name in ("qdisc drops", "tx dropped"))


def arrival_counters(device: str) -> tuple[KernelCounter, ...]:
    """Those of tc filters at an interface by which packets arrived; a capture there sees packets before them."""

    def arrives(missing: MissingPackets) -> bool:
        return device in (missing.packet.in_ or ())

    return tuple(KernelCounter(f"{device} {kind} drops", arrives) for kind in FILTERING_QDISCS)


def _is_filtered_by_path(missing: MissingPackets) -> bool:
    packet = missing.packet
    return packet.family == "ip" and not packet.bridged and _path_filter(missing) != ""


def _path_filter(missing: MissingPackets) -> str:
    """`net.ipv4.conf.ens33.rp_filter = 1`: the higher value of `all` and the interface counts (ip-sysctl)."""
    settings, best = missing.namespace.settings, (0, "")
    for name in ("all", *(missing.packet.in_ or ())):
        key = f"net.ipv4.conf.{name}.rp_filter"
        value = settings.get(key, "0")
        if value in ("1", "2"):
            best = max(best, (int(value), f"{key} = {value}"))
    return best[1]


def _is_not_forwarded(missing: MissingPackets) -> bool:
    return _may_be_forwarded(missing) and missing.packet.family == "ip" and _forwarding_off(missing) != ""


def _is_not_forwarded_v6(missing: MissingPackets) -> bool:
    return _may_be_forwarded(missing) and missing.packet.family == "ip6" and _forwarding_off(missing) != ""


def _may_be_forwarded(missing: MissingPackets) -> bool:
    """Are packets for another host, or for a port that a DNAT rule may send to another one?"""
    packet = missing.packet
    if packet.bridged:
        return False
    return not packet.is_local or bool(translated_destinations(missing.namespace.tables, packet))


def _forwarding_off(missing: MissingPackets) -> str:
    key = "net.ipv4.ip_forward" if missing.packet.family == "ip" else "net.ipv6.conf.all.forwarding"
    return f"{key} = 0" if missing.namespace.settings.get(key) == "0" else ""


def _is_local(*protocols: str) -> Callable[[MissingPackets], bool]:
    def is_local(missing: MissingPackets) -> bool:
        return missing.packet.is_local and missing.packet.proto in protocols

    return is_local


def _is_answerable(family: str) -> Callable[[MissingPackets], bool]:
    """Of answers to SYNs and datagrams a missing route is counted; of those to echo requests it is not."""

    def is_answerable(missing: MissingPackets) -> bool:
        return missing.packet.is_local and missing.packet.family == family and missing.packet.proto in ("tcp", "udp")

    return is_answerable


def _passes_rules_of(family: str) -> Callable[[MissingPackets], bool]:
    return lambda missing: missing.packet.family == family and not missing.packet.bridged


def _is_forwarded(family: str) -> Callable[[MissingPackets], bool]:
    return lambda missing: missing.packet.family == family and _may_be_forwarded(missing)


def _is_blackholed(family: str) -> Callable[[MissingPackets], bool]:
    passes_rules = _passes_rules_of(family)
    return lambda missing: passes_rules(missing) and not missing.packet.is_local and _blackhole(missing) != ""


def _blackhole(missing: MissingPackets) -> str:
    """`10.244.1.0/26 (blackhole)`: the longest one that has the destination."""
    destination = ip_address(missing.packet.dst)
    return next((f"{of} (blackhole)" for of in missing.namespace.blackholes if destination in of), "")


def _neighbour_limit(missing: MissingPackets) -> str:
    key = f"net.ipv{'4' if missing.packet.family == 'ip' else '6'}.neigh.default.gc_thresh3"
    return f"{key} = {missing.namespace.settings[key]}" if key in missing.namespace.settings else ""


def _is_tracked(missing: MissingPackets) -> bool:
    return True


def _full_table(missing: MissingPackets) -> str:
    """How full the conntrack table is behind the recording, if that is MIN_FULL of its size or more."""
    settings = missing.namespace.settings
    used, most = (settings.get(f"net.netfilter.nf_conntrack_{name}", "") for name in ("count", "max"))
    if not (used.isdecimal() and most.isdecimal() and int(used) >= MIN_FULL * int(most)):
        return ""
    return f"net.netfilter.nf_conntrack_count = {used} of nf_conntrack_max = {most}"


COUNTERS = (
    KernelCounter("TcpExtIPReversePathFilter", _is_filtered_by_path, _path_filter, fix=PATH_FILTER_FIX),
    KernelCounter("IpInAddrErrors", _is_not_forwarded, _forwarding_off, fix=FORWARDING_FIX),
    KernelCounter("Ip6InAddrErrors", _is_not_forwarded_v6, _forwarding_off, fix=FORWARDING_FIX),
    KernelCounter("IpExtInNoRoutes", _may_be_forwarded, is_refusal=True),
    KernelCounter("Ip6InNoRoutes", _may_be_forwarded, is_refusal=True),
    KernelCounter("IpOutNoRoutes", _is_answerable("ip"), meaning=NO_ROUTE, fix=NO_ROUTE_FIX),
    KernelCounter("Ip6OutNoRoutes", _is_answerable("ip6"), meaning=NO_ROUTE, fix=NO_ROUTE_FIX),
    KernelCounter("TcpExtListenOverflows", _is_local("tcp")),
    KernelCounter("TcpExtTCPBacklogDrop", _is_local("tcp")),
    KernelCounter("TcpInCsumErrors", _is_local("tcp")),
    KernelCounter("UdpInCsumErrors", _is_local("udp")),
    KernelCounter("Udp6InCsumErrors", _is_local("udp")),
    KernelCounter("IcmpInCsumErrors", _is_local("icmp")),
    KernelCounter("UdpRcvbufErrors", _is_local("udp")),
    KernelCounter(
        "arp_cache table_fulls", _is_forwarded("ip"), _neighbour_limit, meaning=TABLE_FULL, fix=TABLE_FULL_FIX
    ),
    KernelCounter(
        "ndisc_cache table_fulls", _is_forwarded("ip6"), _neighbour_limit, meaning=TABLE_FULL, fix=TABLE_FULL_FIX
    ),
    KernelCounter("conntrack drop", _is_tracked, _full_table),
    KernelCounter("conntrack insert_failed", _is_tracked),  # two packets of one connection at once
)
# What is left if no rule and no other counter explains it.
BALANCES = (
    KernelCounter(BEFORE_DELIVERY, _is_blackholed("ip"), _blackhole, meaning=BLACKHOLE, fix=BLACKHOLE_FIX),
    KernelCounter(BEFORE_DELIVERY, _passes_rules_of("ip"), meaning=NO_RULE_LEFT),
    KernelCounter(BEFORE_SENDING, _is_forwarded("ip"), meaning=NO_RULE_LEFT),
    KernelCounter(BEFORE_DELIVERY_V6, _is_blackholed("ip6"), _blackhole, meaning=BLACKHOLE, fix=BLACKHOLE_FIX),
    KernelCounter(BEFORE_DELIVERY_V6, _passes_rules_of("ip6"), meaning=NO_RULE_LEFT),
    KernelCounter(BEFORE_SENDING_V6, _is_forwarded("ip6"), meaning=NO_RULE_LEFT),
)


def counter_of(name: str, setting: str) -> KernelCounter | None:
    """The counter of that name; of two of one name, the first is the one with a setting."""
    named = [counter for counter in (*COUNTERS, *BALANCES) if counter.name == name]
    return (named[0] if setting else named[-1]) if named else None


def fix_of_counter(name: str, host: str, setting: str, sources: list[str], destinations: list[str]) -> str:
    """What to do where a counter of a host tells why packets of these sources end; empty if it is not that simple."""
    counter = counter_of(name, setting)
    if counter is None or counter.fix is None or not sources:
        return ""
    key, _, _ = setting.partition(" ")
    return counter.fix.fill(
        host=host, sources=several(sources), source=sources[0], destination=destinations[0], key=key
    )


def has_meaning(name: str) -> bool:
    """Does a counter count nothing but packets that end for one reason?"""
    return any(counter.name == name and counter.meaning is not None for counter in COUNTERS)
