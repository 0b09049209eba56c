"""Findings on questions for a MAC address without an answer, in the words of ARP or of Neighbor Discovery.

Input: unanswered neighbours of one protocol. Output: a finding for each question; one for each asker whose questions
for more than MAX_TARGETS addresses show nothing else; none for MIN_SCANNED and more (`address-scan`). An error if the
address must be reached there, else a warning.
"""

from __future__ import annotations

from collections.abc import Mapping

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, several
from capnet.analysis.facts.neighbours.unanswered_neighbours import (
    MAX_TARGETS,
    MIN_SCANNED,
    Unanswered,
    unanswered_by_asker,
)
from capnet.analysis.facts.neighbours.whereabouts.links import gateway, network_of_gateway, service_of_address
from capnet.analysis.facts.neighbours.whereabouts.places import EXISTS, Place
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value, mac_text

THOUGH = {
    Place.TRANSLATED: Text(
        en=": SNAT at {point} makes {other} that address, which no host answers for",
        zh="：{point} 处的 SNAT 把 {other} 转换成该地址，而没有主机应答它",
    ),
    Place.ROUTED: Text(
        en=": it is on another network, and {other} reaches it by the router {mac}",
        zh="：它在另一个网络上，{other} 经路由器 {mac} 访问它",
    ),
    Place.ELSEWHERE: Text(
        en=" there: it is at {point}, on another network of that host", zh="：它在 {point}，即该主机的另一个网络上"
    ),
    Place.ANSWERS: Text(
        en=" that arrives: those of {mac} are seen at {point}, and {asker} asks again",
        zh="到达：{mac} 的应答见于 {point}，而 {asker} 仍在询问",
    ),
    Place.PROXIED: Text(
        en=": it is a gateway for which the node answers by proxy ARP, as it does for {other} at {point}, and not here",
        zh="：它是节点用代理 ARP 应答的网关，节点在 {point} 为 {other} 应答，在这里却没有",
    ),
    Place.NOT_FLOODED: Text(
        en=": it is behind {other}, and {point} does not send these questions into the tunnel to {other}",
        zh="：它在 {other} 后面，而 {point} 没有把这些询问经隧道发往 {other}",
    ),
    Place.STOPS: Text(
        en=": these questions do not come to {point}, where those of {other} do",
        zh="：这些询问没有到达 {point}，而 {other} 的询问到达了那里",
    ),
    Place.UNHEARD: Text(
        en=": it is at {point}, its own interface, which does not get these questions",
        zh="：它在 {point}，即它自己的接口，而那里没有收到这些询问",
    ),
    Place.WAY_BACK: Text(
        en=": it asks as soon as packets of {other} arrive, so its answers to {other} have to go by this address",
        zh="：{other} 的包一到，它就开始询问，所以它给 {other} 的应答要经过这个地址",
    ),
}
FIX_AT = {
    Place.TRANSLATED: Text(
        en="translate to an address that the host has (MASQUERADE, `ip addr`), or give it this one: `ip addr add "
        "{target}/32 dev CARD`",
        zh="转换成该主机拥有的地址（MASQUERADE、`ip addr`），或给它加上这个地址：`ip addr add {target}/32 dev CARD`",
    ),
    Place.ROUTED: Text(
        en="correct the netmask or the routes of {asker}: `ip addr` and `ip route get {target}` there must name the "
        "gateway that {other} uses",
        zh="更正 {asker} 的掩码或路由：在那里 `ip addr` 和 `ip route get {target}` 应指向 {other} 所用的网关",
    ),
    Place.ELSEWHERE: Text(
        en="give each network addresses of its own: `ip route` on that host shows two routes for them, "
        "`docker network inspect` the subnets",
        zh="给每个网络各自的网段：该主机上 `ip route` 显示两条相同的路由，`docker network inspect` 显示子网",
    ),
    Place.ANSWERS: Text(
        en="look for what drops them between {point} and {asker}: `nft list ruleset` (tables of family bridge and "
        "arp), `ebtables -L --Lc`, `arptables -vnL`, `bridge fdb show`",
        zh="查找 {point} 和 {asker} 之间是什么丢弃了它们：`nft list ruleset`（bridge 和 arp 族的表）、"
        "`ebtables -L --Lc`、`arptables -vnL`、`bridge fdb show`",
    ),
    Place.PROXIED: Text(
        en="let the node answer for {target} at the interface of {asker}: `sysctl -w net.ipv4.conf.VETH.proxy_arp=1` "
        "(Calico writes it when it makes the interface), and a default route, without which the kernel does not answer",
        zh="让节点在 {asker} 的接口上为 {target} 应答：`sysctl -w net.ipv4.conf.VETH.proxy_arp=1`（Calico 创建接口时会"
        "写入），并要有默认路由，否则内核不应答",
    ),
    Place.NOT_FLOODED: Text(
        en="let {point} flood to {other}, too: `bridge fdb append 00:00:00:00:00:00 dev VXLAN dst {other}` there "
        "(`bridge fdb show dev VXLAN` lists the ends), or let the control plane announce {other}",
        zh="让 {point} 也向 {other} 泛洪：在那里 `bridge fdb append 00:00:00:00:00:00 dev VXLAN dst {other}`（`bridge "
        "fdb show dev VXLAN` 列出各端），或让控制平面通告 {other}",
    ),
    Place.STOPS: Text(
        en="look for what drops frames of {mac} before {point}: a filter that knows another MAC for this port "
        "(`nft list ruleset`, `ebtables -L --Lc`), its VLAN (`bridge vlan show`), its state (`bridge -d link show`)",
        zh="查找 {point} 之前是什么丢弃了 {mac} 的帧：记着该端口另一个 MAC 的过滤规则（`nft list ruleset`、"
        "`ebtables -L --Lc`）、端口的 VLAN（`bridge vlan show`）、端口状态（`bridge -d link show`）",
    ),
    Place.UNHEARD: Text(
        en="look for what keeps broadcasts from {point}: macvlan children of one parent in mode private, or vepa where "
        "the switch does not send back (`ip -d link`), isolated ports of a bridge (`bridge -d link show`), a filter of "
        "the bridge (`nft list ruleset`, `ebtables -L --Lc`), VLANs (`bridge vlan show`)",
        zh="查找是什么使广播到不了 {point}：同一父接口上 private 模式的 macvlan 子接口，或交换机不回送的 vepa（`ip -d "
        "link`）、网桥的隔离端口（`bridge -d link show`）、网桥的过滤规则（`nft list ruleset`、`ebtables -L --Lc`）、"
        "VLAN（`bridge vlan show`）",
    ),
    Place.WAY_BACK: Text(
        en="correct the route of {asker} to {other} (`ip route get {other}` there names {target}), or start what has "
        "{target}",
        zh="更正 {asker} 到 {other} 的路由（在那里 `ip route get {other}` 会给出 {target}），或启动拥有 {target} 的"
        "设备",
    ),
}
GATEWAY = Text(
    en="if {target} is meant to be the gateway of {asker}, correct it: others on this link send by {gateway} (`ip "
    "route`); else ",
    zh="如果 {target} 本应是 {asker} 的网关，请更正：本链路上的其他主机经 {gateway} 发送（`ip route`）；否则",
)
OF_NETWORK = Text(
    en=": it is the gateway of {network}, by which {asker} sends to all other networks",
    zh="：它是 {network} 的网关，{asker} 经它发往所有其他网络",
)
FIX_OF_NETWORK = Text(
    en="check that the router has that address; else make {network} again with the address it has (`docker network "
    "create --gateway`)",
    zh="检查路由器是否有该地址；否则用路由器的地址重建 {network}（`docker network create --gateway`）",
)
OF_SERVICE = Text(
    en=": it is the virtual address of service {service}, for which {network}'s load balancer answers on each node",
    zh="：它是服务 {service} 的虚拟地址，由每个节点上 {network} 的负载均衡应答",
)
FIX_OF_SERVICE = Text(
    en="look in dockerd's log on the node of {asker} for why {network}'s load balancer does not have the address: a "
    "kernel without IPVS (`modprobe ip_vs`) is one cause; `--endpoint-mode dnsrr` does without",
    zh="在 {asker} 所在节点的 dockerd 日志中查找 {network} 的负载均衡为何没有该地址：内核没有 IPVS（`modprobe ip_vs`）"
    "是原因之一；`--endpoint-mode dnsrr` 不需要它",
)


class Wording(NamedTuple):
    """The sentences of one finding. `says` ends in {though}, which a place fills."""

    says: Text
    says_of_several: Text
    fix: Text
    though: Mapping[Place, Text]
    fix_at: Mapping[Place, Text]


def unanswered_findings(context: Context, name: str, kind: str, wording: Wording) -> list[Finding]:
    """The findings called `name` on questions of `kind` (`arp` or `nd`), by the address of the asker."""
    findings = []
    for asker, questions in sorted(unanswered_by_asker(context, kind).items(), key=lambda item: address_value(item[0])):
        by_place = {place: [of for of in questions if _place(of) == place] for place in (None, *Place)}
        lost = by_place.pop(None)
        if len(lost) >= MIN_SCANNED:  # a scan asks for all addresses of a network
            by_place[Place.BROADCAST] = []
        for place, of_place in by_place.items():
            if place in EXISTS or len(of_place) <= MAX_TARGETS:
                findings += [_of_one(context, name, wording, question) for question in of_place]
            else:
                findings.append(_of_several(context, name, wording, asker, of_place))
        if MAX_TARGETS < len(lost) < MIN_SCANNED:
            findings.append(_of_several(context, name, wording, asker, lost))
        elif len(lost) <= MAX_TARGETS:
            findings += [_of_one(context, name, wording, question) for question in lost]
    return findings


def _place(question: Unanswered) -> Place | None:
    return question.whereabouts.place if question.whereabouts else None


def _fix(context: Context, wording: Wording, question: Unanswered) -> str:
    asker, target = question.asker, question.target
    used = gateway(context, question.exchanges) if _place(question) in (None, Place.WAY_BACK) else ""
    more = GATEWAY.fill(gateway=used, target=target, asker=asker) if used else ""
    if question.whereabouts is None:
        if network := network_of_gateway(context, asker, target):
            return FIX_OF_NETWORK.fill(network=network)
        if of_service := service_of_address(context, target):
            return FIX_OF_SERVICE.fill(asker=asker, network=of_service[1])
        return more + wording.fix.fill(target=target)
    point, mac, place, other = question.whereabouts
    texts = FIX_AT | dict(wording.fix_at)
    return more + texts[place].fill(point=point, mac=mac_text(mac), target=target, asker=asker, other=other)


def _of_one(context: Context, name: str, wording: Wording, question: Unanswered) -> Finding:
    asker, target, requests = question.asker, question.target, question.requests
    network = network_of_gateway(context, asker, target)
    though = OF_NETWORK.fill(network=network, asker=asker) if network else ""
    if of_service := service_of_address(context, target):
        though = OF_SERVICE.fill(service=of_service[0], network=of_service[1])
    if question.whereabouts:
        point, mac, place, other = question.whereabouts
        texts = THOUGH | dict(wording.though)
        though = texts[place].fill(point=point, mac=mac_text(mac), other=other, asker=asker)
    return Finding(
        name,
        "error" if _place(question) in EXISTS else "warning",
        wording.says.fill(asker=asker, target=target, requests=requests, though=though),
        _fix(context, wording, question),
        {"asks": asker, "for": target, "requests": requests},
        question.evidence(context)[:MAX_EVIDENCE],
    )


def _of_several(context: Context, name: str, wording: Wording, asker: str, questions: list[Unanswered]) -> Finding:
    targets = sorted((question.target for question in questions), key=address_value)
    requests = sum(question.requests for question in questions)
    return Finding(
        name,
        "warning",
        wording.says_of_several.fill(asker=asker, targets=several(targets), requests=requests),
        _fix(context, wording, min(questions, key=lambda question: address_value(question.target))),
        {"asks": asker, "targets": targets[:MAX_EVIDENCE], "addresses": len(targets), "requests": requests},
        sorted(frame for question in questions for frame in question.evidence(context))[:MAX_EVIDENCE],
    )
