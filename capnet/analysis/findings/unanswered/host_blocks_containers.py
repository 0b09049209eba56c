"""host-blocks-containers: a host drops what its own containers send to it, and passes on what they send to others.

Looks at: SYNs without an answer (`facts.syns.unanswered_services`) of containers to an address of their gateway: the
MAC that they are sent to has that address by ARP, or the host is seen to put it into what it masquerades. What the
clients send by the same MAC to others is answered, or it is the first address of the bridge's subnet, or the topology
says that the MAC and the address are the host's own. Not: published ports (`published-port-blocked`).
Says: which containers ask which port of their host in vain. An error where the host's bridge or a veth shows that it
passes on the rest; a warning at a container's interface alone, whose gateway may be another machine.
Wrong when: the gateway is a router that was given an address of its own, as in macvlan networks.
Fix: open the port to the bridge in the host's firewall: Docker's own rules concern what is forwarded, not INPUT.
Verify: `iptables -vnL INPUT` and `nft list ruleset` count drops; `journalctl -k | grep 'UFW BLOCK'`.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.facts.losses.stopped_flows import hop_evidence
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.analysis.facts.syns.unanswered_services import UnansweredService, unanswered_services
from capnet.analysis.fate.next_points import is_answered
from capnet.analysis.fate.speakers import speakers
from capnet.wire.addresses import address_value, mac_value

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault host-blocks-containers"
WITNESS = "pcaps/bridge.pcapng"  # containers that reach their host
EXPLAINS = ("connection-unanswered", "retransmissions")

PAGE_ZH = """主机丢弃自己的容器发给它的包，而转发它们发给别人的包。

检查：容器发往其网关地址的无应答 SYN（`facts.syns.unanswered_services`）：目的 MAC 通过 ARP 拥有该地址，或看到主机在
MASQUERADE 时使用该地址。这些客户端经同一 MAC 发给别人的包有应答，或它是网桥子网的第一个地址，或拓扑说明该 MAC 和地址都
属于主机自己。不包括：端口映射（`published-port-blocked`）。
结论：哪些容器访问主机的哪个端口而无应答。主机的网桥或 veth 显示其余的包被转发时为错误；只在容器的接口上为警告，因为它
的网关可能是另一台机器。
误判：网关是有自己地址的路由器，如 macvlan 网络。
处理：在主机防火墙中对网桥开放该端口：Docker 自己的规则只涉及转发，不涉及 INPUT。
验证：`iptables -vnL INPUT` 和 `nft list ruleset` 有丢弃计数；`journalctl -k | grep 'UFW BLOCK'`。
"""

SAYS = Text(
    en="{syns:SYN} of {clients} to {services}, on their own host, got no answer at {point}{passes}",
    zh="{clients} 发往自己主机上 {services} 的 {syns} 个 SYN 在 {point} 没有应答{passes}",
)
PASSES = Text(en="; the host passes on what they send to others", zh="；主机转发它们发给别人的包")
AT_GATEWAY = Text(
    en="{syns:SYN} of {clients} to {services}, on their gateway, got no answer at {point}{passes}",
    zh="{clients} 发往网关上 {services} 的 {syns} 个 SYN 在 {point} 没有应答{passes}",
)
GATEWAY_PASSES = Text(en="; the gateway passes on what they send to others", zh="；网关转发它们发给别人的包")
FIX = Text(
    en="open the port in the host's firewall, which Docker does not do for its own host: `ufw allow in on {bridge} to "
    "any port {port} proto tcp`, `firewall-cmd --zone=trusted --change-interface={bridge}`, or `iptables -I INPUT -i "
    "{bridge} -p tcp --dport {port} -j ACCEPT`. A port where nothing listens would be refused",
    zh="在主机防火墙中开放该端口，Docker 不会为它自己的主机这样做：`ufw allow in on {bridge} to any port {port} proto "
    "tcp`、`firewall-cmd --zone=trusted --change-interface={bridge}`，或 `iptables -I INPUT -i {bridge} -p tcp --dport "
    "{port} -j ACCEPT`。没有程序监听的端口会拒绝连接",
)

_INSIDE = ("bridge", "veth", "container")
_FIRST_ADDRESSES = (".1", "::1")  # of a subnet: Docker, podman and CNI give them to the bridge


def diagnose(context: Context) -> list[Finding]:
    by_gateway: dict[int, list[UnansweredService]] = {}
    for service in unanswered_services(context):
        gateway = _gateway(context, service)
        if gateway is not None:
            by_gateway.setdefault(gateway, []).append(service)
    return [_finding(context, gateway, services) for gateway, services in sorted(by_gateway.items())]


def _gateway(context: Context, service: UnansweredService) -> int | None:
    """The MAC of the host of these containers, if they ask the host itself."""
    flows = context.flows[service.last_rows]
    macs, points = set(flows[:, schema.FLOW_DMAC].tolist()), set(flows[:, schema.FLOW_POINT].tolist())
    if len(macs) != 1 or flows[:, schema.FLOW_VIA].any():
        return None
    if any(context.points[point].role not in _INSIDE for point in points):
        return None
    (gateway,) = macs
    speaker = speakers(context).get(gateway)
    if speaker is None:
        return None
    if service.address in _addresses_of_host(context, gateway) and not _is_published(context, service):
        return gateway
    is_own = service.address in speaker.own or service.address in speaker.claimed
    if not is_own and service.address not in _masquerading(context):
        return None
    is_bridge = all(context.points[point].role == "bridge" for point in points)
    is_first = is_bridge and is_own and service.address.endswith(_FIRST_ADDRESSES)
    return gateway if is_first or _passes_on(context, gateway, service.last_rows) else None


def _addresses_of_host(context: Context, gateway: int) -> set[str]:
    """All addresses of the host that the topology says has the MAC: a bridge of its own, not a port of one."""
    for host in context.topology.hosts if context.topology else ():
        macs = {mac_value(each.mac) for each in host.interfaces if each.kind == "bridge" and each.mac}
        if gateway in macs:
            return set(host.ips)
    return set()


def _is_published(context: Context, service: UnansweredService) -> bool:
    containers = context.topology.containers if context.topology else []
    return bool(service.backends) or any(port.host_port == service.port for each in containers for port in each.ports)


def _masquerading(context: Context) -> set[str]:
    """Addresses that hosts put into what their containers send."""
    return {after for before, after in nat_facts(context).different("before.src", "after.src") if before != after}


def _passes_on(context: Context, gateway: int, rows: list[int]) -> bool:
    """Is anything answered that the senders of these flows send by the MAC to others, at the same points?"""
    flows = context.flows
    is_passed = is_answered(context) & (flows[:, schema.FLOW_DMAC] == gateway)
    is_passed &= is_among(flows[:, schema.FLOW_POINT], flows[rows, schema.FLOW_POINT])
    speaker = speakers(context)[gateway]
    own = {*speaker.own, *speaker.claimed, *_masquerading(context)}
    clients = {source(flows[row]) for row in rows}
    return any(
        source(flows[row]) in clients and destination(flows[row]) not in own
        for row in np.flatnonzero(is_passed).tolist()
    )


def _finding(context: Context, gateway: int, services: list[UnansweredService]) -> Finding:
    flows = context.flows
    last_rows = [row for service in services for row in service.last_rows]
    clients = sorted({source(flows[row]) for row in last_rows}, key=address_value)
    point = context.points[int(flows[last_rows[0], schema.FLOW_POINT])]
    is_on_host = point.role != "container"
    passes = _passes_on(context, gateway, last_rows)
    names = [endpoint_text(service.address, service.port) for service in services]
    says, suffix = (SAYS, PASSES) if is_on_host else (AT_GATEWAY, GATEWAY_PASSES)
    bridge = point.name.rpartition("/")[2] if point.role == "bridge" else "docker0"
    return Finding(
        NAME,
        "error" if is_on_host and passes else "warning",
        says.fill(
            syns=sum(service.syns for service in services), clients=several(clients), services=several(names),
            point=point.name, passes=suffix.fill() if passes else "",
        ),
        FIX.fill(bridge=bridge, port=services[0].port),
        {
            "services": names[:MAX_EVIDENCE], "clients": clients[:MAX_EVIDENCE], "point": point.name,
            "attempts": sum(service.syns for service in services),
        },
        hop_evidence(context, last_rows),
    )  # fmt: skip
