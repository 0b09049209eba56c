"""MAC verdicts: what the MAC addresses at each point mean.

* `router`: the MAC forwards packets of addresses that are not its own.
* `shared`: one MAC has several addresses of its own (ipvlan L2), or containers share its network namespace.
* `distinct`: stations with a MAC and an address of their own behind one macvlan parent.
* `duplicate-ip`: two MACs claim one address in ARP.
"""

from __future__ import annotations

from collections.abc import Collection

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import is_multicast_mac, is_private
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, MacVerdict
from capnet.analysis.core.wording import Text, plural, several
from capnet.analysis.facts.layer2.arp import rival_claims
from capnet.analysis.facts.layer2.host_isolation import is_macvlan
from capnet.analysis.facts.layer2.model import SharedMac, network_of
from capnet.analysis.facts.layer2.rival_stations import rival_stations
from capnet.analysis.facts.layer2.segments import layer2_segments
from capnet.analysis.facts.nat.addresses import addresses_set_by_nat
from capnet.analysis.fate.speakers import RECEIVED, Speaker, speakers
from capnet.analysis.user_mode_networks import user_mode_macs
from capnet.wire.addresses import address_value, mac_text

MIN_PARENT_CONFIDENCE = 0.5  # of 0 to 1: below, the interface may be no macvlan parent
MIN_FOREIGN_NETWORKS = 3  # public ones, claimed by no ARP: the NAT of a hypervisor sends on with a TTL of its own
MAX_FORWARDED_IPS = 16  # listed of a router, which may forward for any address


def mac_verdicts(context: Context) -> list[MacVerdict]:
    """Verdicts on single MACs point by point, then on macvlan children, namespaces and duplicate addresses."""
    verdicts = []
    shared = {shared.mac: shared for shared in layer2_segments(context).shared_macs}
    for point in range(len(context.points)):
        for speaker in speakers(context, point).values():
            if not is_multicast_mac(speaker.mac):
                verdicts += _router_or_shared(context, point, speaker, shared.get(speaker.mac))
    return verdicts + _distinct(context) + _shared_namespaces(context) + _duplicate_ips(context)


_ON_NETWORK = Text(en="on this network, out of reach for the host it is on", zh="在这个网络上，所在的主机访问不到")
_BEHIND_PARENT = Text(en="behind this parent interface", zh="在这个父接口后面")


_BEHIND_PROCESS = Text(
    en="{mac} is {process}, the process behind the container's tap: it answers for all addresses, and sends on from "
    "sockets of the host",
    zh="{mac} 是 {process}，容器 tap 后面的进程：它代表所有地址应答，并用主机的套接字转发",
)


def _router_or_shared(context: Context, point: int, speaker: Speaker, shared: SharedMac | None) -> list[MacVerdict]:
    if not speaker.forwarded and shared is None:
        return []
    mac, point_name = mac_text(speaker.mac), context.points[point].name
    forwarded = _without_hairpins(context, point, speaker.forwarded_ips)
    if process := user_mode_macs(context).get(speaker.mac):
        because = _BEHIND_PROCESS.fill(mac=mac, process=process)
        evidence = _evidence(context, point, speaker.mac, forwarded)
        return [MacVerdict("router", [mac], forwarded[:MAX_FORWARDED_IPS], point_name, because, evidence)]
    if forwarded:
        because = Text(
            en="{mac} forwards for {ips} (source of another station, or TTL already decremented)",
            zh="{mac} 为 {ips} 转发（源地址属于另一个站点，或 TTL 已减小）",
        ).fill(mac=mac, ips=several(forwarded))
        evidence = _evidence(context, point, speaker.mac, forwarded)
        return [MacVerdict("router", [mac], forwarded[:MAX_FORWARDED_IPS], point_name, because, evidence)]
    if shared is None or len(speaker.own_ips) < 2:
        return []
    own = [ip for ip in speaker.own_ips if ip in shared.ip_set]
    if len(own) < 2:
        return []
    claimed = sorted(ip for ip in speaker.claimed if ":" not in ip)
    claimed_networks = {network_of(ip) for ip in claimed}
    other_ips = [ip for ip in own if speaker.claimed and network_of(ip) not in claimed_networks]
    if other_ips and not shared.has_several_interfaces:
        because = Text(
            en="{mac} claims {claimed} in ARP and speaks for other networks as well",
            zh="{mac} 在 ARP 中声称拥有 {claimed}，同时代表其他网络",
        ).fill(mac=mac, claimed=several(claimed))
        evidence = _evidence(context, point, speaker.mac, other_ips)
        return [MacVerdict("router", [mac], other_ips, point_name, because, evidence)]
    if context.points[point].role in ("loopback", "bridge"):
        return []
    foreign_ips = [ip for ip in own if ip not in speaker.claimed and not is_private(ip)]
    foreign_networks = {network_of(ip) for ip in foreign_ips}
    if len(foreign_networks) >= MIN_FOREIGN_NETWORKS:
        because = Text(
            en="{mac} speaks for {ips}, of {number} public networks: it forwards, or opens connections in their name",
            zh="{mac} 代表 {number} 个公网网络的 {ips}：它转发，或以它们的名义打开连接",
        ).fill(mac=mac, ips=several(foreign_ips), number=len(foreign_networks))
        evidence = _evidence(context, point, speaker.mac, foreign_ips)
        return [MacVerdict("router", [mac], foreign_ips[:MAX_FORWARDED_IPS], point_name, because, evidence)]
    if len(foreign_networks) > 1:
        return []  # a router, or a host with addresses of two providers
    because = Text(
        en="{mac} speaks for {number} addresses of its own, none of them forwarded",
        zh="{mac} 代表自己的 {number} 个地址，都不是转发的",
    ).fill(mac=mac, number=len(own))
    evidence = _evidence(context, point, speaker.mac, own)
    return [MacVerdict("shared", [mac], own, point_name, because, evidence)]


def _without_hairpins(context: Context, point: int, forwarded: list[str]) -> list[str]:
    """Without addresses of other stations that hairpin NAT on a bridge writes into frames with a container's MAC."""
    nat_addresses = addresses_set_by_nat(context) if forwarded else set()
    if not nat_addresses.intersection(forwarded):
        return forwarded
    claimed = {ip for speaker in speakers(context, point).values() for ip in speaker.claimed}
    return [ip for ip in forwarded if ip not in nat_addresses or ip not in claimed]


def _distinct(context: Context) -> list[MacVerdict]:
    """Several stations of one network behind one macvlan parent, each with an interface of its own."""
    verdicts = []
    for parent in layer2_segments(context).macvlan_parents:
        if parent.confidence < MIN_PARENT_CONFIDENCE or not is_macvlan(context, parent):
            continue
        pairs = sorted((mac_text(child.mac), child.ip) for child in parent.children)
        macs = [mac for mac, _ in pairs]
        where = _ON_NETWORK if parent.is_seen_alone else _BEHIND_PARENT
        because = Text(
            en="{stations} {where}, {each}with a MAC and an address of its own",
            zh="{stations}{where}，有各自独立的 MAC 和地址",
        ).fill(stations=plural(len(macs), "station"), where=where.fill(), each="each " if len(macs) > 1 else "")
        evidence = []
        for child in parent.children:
            evidence += _evidence(context, parent.point, child.mac, [child.ip])[:2]
        ips = [ip for _, ip in pairs]
        point_name = context.points[parent.point].name
        verdicts.append(MacVerdict("distinct", macs, ips, point_name, because, evidence[:MAX_EVIDENCE]))
    return verdicts


def _shared_namespaces(context: Context) -> list[MacVerdict]:
    """One MAC and one address for all processes of a network namespace, whose client and server use its loopback."""
    segments = layer2_segments(context)
    verdicts = []
    for conversation in segments.loopback_conversations:
        ip = conversation.ip
        for point, speakers_at_point in segments.speakers.items():
            for mac, speaker in speakers_at_point.items():
                if ip not in speaker.own_ips or point not in segments.interface_points.get(mac, ()):
                    continue
                because = Text(
                    en="{mac} is the MAC of all that runs in one network namespace: client and server of {ip} talk "
                    "over loopback",
                    zh="{mac} 是一个网络命名空间中所有进程的 MAC：{ip} 的客户端和服务器通过 loopback 通信",
                ).fill(mac=mac_text(mac), ip=ip)
                evidence = [context.evidence(conversation.point, conversation.frame)]
                evidence += _evidence(context, point, mac, [ip])
                point_name = context.points[point].name
                verdicts.append(MacVerdict("shared", [mac_text(mac)], [ip], point_name, because, evidence))
    return verdicts


def _duplicate_ips(context: Context) -> list[MacVerdict]:
    """One IPv4 address that two MACs claim in ARP at one point, and that did not just move from one to the other."""
    verdicts = []
    duplicate = {rivals.address for rivals in rival_stations(context) if rivals.is_duplicate}
    for claims in rival_claims(context):
        if claims.ip not in duplicate:
            continue
        macs = sorted(mac_text(mac) for mac in claims.by)
        because = Text(en="{ip} is claimed by {macs} in ARP", zh="{macs} 在 ARP 中都声称拥有 {ip}").fill(
            ip=claims.ip, macs=several(macs)
        )
        frames = sorted(span.frame for span in claims.by.values())
        evidence = [context.evidence(claims.point, frame) for frame in frames]
        point_name = context.points[claims.point].name
        verdicts.append(MacVerdict("duplicate-ip", macs, [claims.ip], point_name, because, evidence))
    return verdicts


def _evidence(context: Context, point: int, mac: int, ips: Collection[str]) -> list[Evidence]:
    """The first frame that the MAC sent for each of these addresses, at most MAX_EVIDENCE."""
    table = context.stations
    is_sender = (table[:, schema.STATION_POINT] == point) & (table[:, schema.STATION_MAC] == mac)
    rows = table[is_sender & (table[:, schema.STATION_HOW] != RECEIVED)]
    columns = [schema.STATION_IP_HI, schema.STATION_IP_LO, schema.STATION_FIRST_FRAME]
    values = {address_value(ip) for ip in ips}
    frames = {frame for hi, lo, frame in rows[:, columns].tolist() if (hi, lo) in values}
    return [context.evidence(point, frame) for frame in sorted(frames)[:MAX_EVIDENCE]]
