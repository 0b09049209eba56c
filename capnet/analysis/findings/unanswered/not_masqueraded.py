"""not-masqueraded: a container's packets leave the host with the container's own address, and get no answer.

Looks at: questions (TCP SYN, ICMP echo request) that were routed from a bridge to the host's interface without a
translation, and that no packet answered at any point. Where a router gets them, it must answer others that the same
host masquerades; or, for a warning, the same service answers the host itself, or the network was made without
masquerading, by the topology.
Says: which addresses, by which interface. The far side has no route back to them, or owns such addresses itself. Of
addresses that a container forwards, as the server of a VPN does, that container.
Wrong when: the network is meant to be routed, and the far side does not answer for another reason.
Fix: restore the masquerade rule, for instance by restarting Docker after a firewall reload. Docker before 27 writes
none for IPv6 unless daemon.json says so.
Verify: `iptables -t nat -S POSTROUTING` has a MASQUERADE rule for the bridge's subnet; then `conntrack -D -s ADDRESS`,
because NAT rules see the first packet of a connection only.
"""

from __future__ import annotations

from capnet import language
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import FLOW_POINT, FLOW_PROTO, FLOW_SMAC, FLOW_TTL
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.unanswered import (
    all_unanswered_questions,
    left_untranslated,
    unanswered_beside_masquerade,
    unanswered_beside_own,
)
from capnet.analysis.fate.listening import records_one_direction
from capnet.quick_tuple import NamedTuple
from capnet.topology import Network
from capnet.topology.lookup import endpoints, network_of
from capnet.wire.addresses import address_value, mac_text
from capnet.wire.numbers import TCP

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault not-masqueraded"
WITNESS = "pcaps/ipvlan-l3.pcapng"  # containers' own addresses on the wire, by design
EXPLAINS = ("connection-unanswered", "handshake-unfinished")

PAGE_ZH = """容器的包以容器自己的地址离开主机，没有应答。

检查：从网桥路由到主机接口而没有转换、在任何抓包点上都没有应答的请求（TCP SYN、ICMP echo request）。如果请求交给了路
由器，则该路由器必须应答同一主机做了 MASQUERADE 的其他请求；或者同一服务应答主机自己，或按拓扑该网络创建时就不做
MASQUERADE，此时为警告。
结论：哪些地址，从哪个接口。对端没有返回它们的路由，或自己就有这样的地址。如果是某个容器转发的地址（例如 VPN 服务器），
给出该容器。
误判：网络本来就是路由方式，对端因其他原因不应答。
处理：恢复 MASQUERADE 规则，例如防火墙重新加载之后重启 Docker。Docker 27 之前，除非 daemon.json 要求，不为 IPv6 写规则。
验证：`iptables -t nat -S POSTROUTING` 中有针对网桥子网的 MASQUERADE 规则；然后 `conntrack -D -s ADDRESS`，因为 NAT
规则只看连接的第一个包。
"""

SAYS = Text(
    en="{connections:connection} of {addresses} left by {point} with the container's own address, and no answer came",
    zh="{addresses} 的 {connections} 个连接以容器自己的地址从 {point} 发出，没有应答",
)
FIX = Text(
    en="restore the masquerade rule: `iptables -t nat -S POSTROUTING` should have one for the bridge's subnet "
    "(restarting Docker writes it again); mind `enable_ip_masquerade`",
    zh="恢复 MASQUERADE 规则：`iptables -t nat -S POSTROUTING` 中应有一条针对该网桥子网的规则（重启 Docker 会重新写"
    "入）；注意 `enable_ip_masquerade`",
)
FIX_PODMAN = Text(
    en="restore the masquerade rule: `podman network reload --all` writes podman's rules again, which a firewall's "
    "reload removes",
    zh="恢复 MASQUERADE 规则：`podman network reload --all` 会重新写入 podman 的规则，防火墙重新加载会删除它们",
)
FIX_IPV6 = Text(
    en='let Docker masquerade IPv6 too: `"ip6tables": true` in daemon.json (before Docker 27 with `"experimental": '
    "true`), which `ip6tables -t nat -S POSTROUTING` then shows; or give the containers addresses of a prefix that the "
    "network routes to this host",
    zh='让 Docker 也对 IPv6 做 MASQUERADE：在 daemon.json 中设置 `"ip6tables": true`（Docker 27 之前还要 '
    '`"experimental": true`），之后 `ip6tables -t nat -S POSTROUTING` 会显示；或给容器分配网络会路由到该主机的前缀中的'
    "地址",
)

FORWARDED = Text(
    en="{connections:connection} of {addresses}, which container {container} forwards, left by {point} with that "
    "address, and no answer came",
    zh="由容器 {container} 转发的 {addresses} 的 {connections} 个连接以该地址从 {point} 离开，没有应答",
)
FIX_FORWARDED = Text(
    en="masquerade in {container}: `iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE` in its namespace (PostUp of "
    "WireGuard); Docker translates its own networks only. Or give the far side a route to {addresses} by {host}, and "
    "{host} one by {container}",
    zh="在 {container} 中做 MASQUERADE：在它的命名空间中 `iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE`（"
    "WireGuard 的 PostUp）；Docker 只转换自己的网络。或让对端有经 {host} 到 {addresses} 的路由，{host} 有经 "
    "{container} 的路由",
)
HOST_IS_SERVED = Text(
    en="; {servers} {count:answers|answer} the host itself", zh="；{servers}（{count} 个）应答主机自己"
)
WITHOUT = Text(
    en="; {network} was made with enable_ip_masquerade=false",
    zh="；{network} 创建时用了 enable_ip_masquerade=false",
)
FIX_WITHOUT = Text(
    en="make {network} again without `{option}=false`; or let it be routed, and give the routers behind {point} a "
    "route to its addresses by {host}",
    zh="重建 {network} 时不用 `{option}=false`；或保持路由方式，给 {point} 后面的路由器加一条经 {host} 到其地址的路由",
)
_OPTION = "com.docker.network.bridge.enable_ip_masquerade"

MAX_SENTENCE_ADDRESSES = 3
MAX_ADDRESSES = 20  # that the facts list


class _Key(NamedTuple):
    """What one finding is about: an interface, and why its host does not translate, as far as that is known."""

    point: str
    forwarder: str  # container that forwards the addresses, or empty
    network: str  # that was made without masquerading, or empty


def diagnose(context: Context) -> list[Finding]:
    flows = context.flows
    left: dict[_Key, list[int]] = {}
    sure: set[_Key] = set()
    owners = _owners(context)
    beside = {rows[-1] for rows, *_ in unanswered_beside_masquerade(context)}
    own = {rows[-1] for rows, *_ in unanswered_beside_own(context)}
    for rows, *_ in all_unanswered_questions(context):
        position = left_untranslated(context, rows)
        if position is None or flows[rows[position], FLOW_TTL] >= flows[rows[0], FLOW_TTL]:
            continue
        is_one_way = records_one_direction(context)[flows[rows[position], FLOW_POINT]]
        if is_one_way and flows[rows[position], FLOW_PROTO] != TCP:  # a SYN that is sent again has no answer anyway
            continue
        key = _Key(
            context.points[flows[rows[position], FLOW_POINT]].name, _forwarder(context, owners, rows[:position]),
            _without_masquerade(owners, source(flows[rows[position]])),
        )  # fmt: skip
        if rows[-1] in beside or rows[-1] in own or key.network:
            left.setdefault(key, []).append(rows[position])
            sure |= {key} if rows[-1] in beside else set()
    return [_finding(context, key, rows, own, is_sure=key in sure) for key, rows in sorted(left.items())]


def _finding(context: Context, key: _Key, rows: list[int], own: set[int], *, is_sure: bool) -> Finding:
    """`own`: last hops of questions beside which the same service answers the host itself."""
    flows, links = context.flows, flow_links(context)
    addresses = sorted({source(flows[row]) for row in rows})
    evidence = [context.flow_evidence(row, int(links.frames[links.before[row], 1])) for row in rows]
    listed, host = language.items(addresses[:MAX_SENTENCE_ADDRESSES]), key.point.partition("/")[0]
    says = (FORWARDED if key.forwarder else SAYS).fill(
        connections=len(rows), addresses=listed, point=key.point, container=key.forwarder
    )
    fix = _fix(context, rows, addresses)
    if key.forwarder:
        fix = FIX_FORWARDED.fill(container=key.forwarder, addresses=listed, host=host)
    elif key.network:
        says += WITHOUT.fill(network=key.network)
        fix = FIX_WITHOUT.fill(network=key.network, option=_OPTION, point=key.point, host=host)
    servers = sorted({destination(flows[row]) for row in rows if links.last_hop(row) in own}, key=address_value)
    if servers and not is_sure:
        says += HOST_IS_SERVED.fill(servers=several(servers), count=len(servers))
    return Finding(
        NAME,
        "error" if is_sure else "warning",
        says,
        fix,
        {
            "point": key.point, "addresses": addresses[:MAX_ADDRESSES], "connections": len(rows),
            **({"container": key.forwarder} if key.forwarder else {}),
            **({"network": key.network} if key.network else {}),
        },
        sorted(evidence),
    )  # fmt: skip


class _Owners(NamedTuple):
    """Of the containers in a topology: by address, the network; by MAC, the container."""

    networks: dict[str, Network | None]
    containers: dict[str, str]


def _owners(context: Context) -> _Owners:
    topology, owners = context.topology, _Owners({}, {})
    for container, endpoint in endpoints(topology) if topology else ():
        if endpoint.mac:
            owners.containers[endpoint.mac] = container.name
        for ip in endpoint.ips:
            owners.networks[ip] = network_of(topology, container, endpoint) if topology else None
    return owners


def _forwarder(context: Context, owners: _Owners, rows: list[int]) -> str:
    """The container from whose interface these hops come, though their source is none of its addresses."""
    flows = context.flows
    if not rows or not owners.containers or source(flows[rows[0]]) in owners.networks:
        return ""
    macs = (mac_text(int(flows[row, FLOW_SMAC])) for row in rows)
    return next((owners.containers[mac] for mac in macs if mac in owners.containers), "")


def _without_masquerade(owners: _Owners, address: str) -> str:
    """The network with this address that was made without masquerading; empty if there is none."""
    network = owners.networks.get(address)
    return network.name if network is not None and network.options.get(_OPTION) == "false" else ""


def _fix(context: Context, rows: list[int], addresses: list[str]) -> str:
    """What to do, by the bridge that the packets came by, and their family."""
    links = flow_links(context)
    before = context.flows[links.source[links.before[rows]], FLOW_POINT].tolist()
    bridges = [context.points[point].name.rpartition("/")[2] for point in before]
    if all(bridge.startswith(("podman", "cni-podman")) for bridge in bridges):
        return FIX_PODMAN.fill()
    return (FIX_IPV6 if all(":" in address for address in addresses) else FIX).fill()
