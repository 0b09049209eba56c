"""forwarding-off: a host forwards nothing of IPv4, of IPv6 or of both, though its own packets are answered.

Looks at: flows of two containers or more to other networks that end at the host's bridge without an answer and without
an ICMP error, while no packet of the same IP version passes from a bridge of the host to one of its interfaces or back,
and the host's interface shows answered flows of its own. One container is enough if the host forwards what it sends by
the other version, as each has its own sysctl, and it tries several addresses or one that answers the host itself.
Says: which containers reach nothing, where their packets end, and that the host's own packets pass.
Wrong when: the policy of the FORWARD chain is DROP and nothing accepts: that looks the same.
Fix: turn forwarding on. Docker does so when it starts; another service, or a sysctl file, may turn it off again.
Verify: `sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding`; `nstat -az IpInAddrErrors` rises with each attempt;
if it does not, `iptables -vnL FORWARD` and `nft list ruleset`.
"""

from __future__ import annotations

from ipaddress import ip_address

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, host_of, is_multicast, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FlowMask, FlowRows
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.losses.inner_destinations import asks
from capnet.analysis.facts.losses.stopped_flows import hop_evidence, stop_level
from capnet.analysis.facts.losses.wire_losses import CARD_ROLES
from capnet.analysis.fate.next_points import chain_of, is_answered
from capnet.analysis.fate.refutation import NOTHING, refutations
from capnet.analysis.fate.speakers import speakers
from capnet.topology import INNER_ROLES
from capnet.wire.addresses import MAPPED, address_value

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = None  # Docker turns forwarding on in the lab
WITNESS = "pcaps/bridge.pcapng"  # a host that forwards
EXPLAINS = (
    "stops-between", "packet-loss", "retransmissions", "published-port-blocked", "dns-failure",
    "connection-unanswered", "handshake-unfinished",
)  # fmt: skip

PAGE_ZH = """主机不转发 IPv4、IPv6 或两者，但自己的包能出去并有应答。

检查：两个或更多容器到其他网络的流，在主机的网桥处终止，没有应答也没有 ICMP 错误；其间没有任何同一 IP 版本的包从主机的
网桥到它的接口或反向，而主机的接口上有它自己的、有应答的流。如果主机转发同一容器用另一 IP 版本发出的包（两者各有自己的
sysctl），并且它访问了多个地址，或访问的地址应答主机自己，一个容器就够了。
结论：哪些容器什么也到不了，它们的包止于哪里，而主机自己的包能通过。
误判：FORWARD 链的策略是 DROP 而没有规则接受：看起来一样。
处理：打开转发。Docker 启动时会打开；其他服务或 sysctl 文件可能又关闭它。
验证：`sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding`；每次尝试时 `nstat -az IpInAddrErrors` 增加；如果不
增加，检查 `iptables -vnL FORWARD` 和 `nft list ruleset`。
"""

SAYS = Text(
    en="nothing that {containers} {count:sends|send} to other networks leaves {host}: {packets:packet} to "
    "{destinations} end at {point}, no packet passes to {card}, and the host's own are answered there",
    zh="{containers}（{count} 个）发往其他网络的包都没有离开 {host}：到 {destinations} 的 {packets} 个包止于 {point}，"
    "没有包到达 {card}，而主机自己的包在那里有应答",
)
ONE_VERSION = Text(
    en="; so it is with {version} only: {other} of the same {count:container passes|containers passes}",
    zh="；仅 {version} 如此：同样 {count} 个容器的 {other} 包能通过",
)
FIX_V6 = Text(
    en="`sysctl -w net.ipv6.conf.all.forwarding=1` and look for what turns it off (a host that forwards takes a "
    "default route from router advertisements only if `accept_ra` is 2); if it is on, nothing accepts in the FORWARD "
    "chain of IPv6 (`ip6tables -vnL FORWARD`, `nft list ruleset`)",
    zh="`sysctl -w net.ipv6.conf.all.forwarding=1`，并查找是什么关闭了它（转发的主机只有在 `accept_ra` 为 2 时才从路由"
    "器通告取得默认路由）；如果它是打开的，那么 IPv6 的 FORWARD 链没有接受这些包（`ip6tables -vnL FORWARD`、`nft list "
    "ruleset`）",
)
FIX = Text(
    en="`sysctl -w net.ipv4.ip_forward=1` (IPv6: `net.ipv6.conf.all.forwarding=1`) and look for what turns it off; if "
    "it is on, nothing accepts in the FORWARD chain (`iptables -vnL FORWARD`), for instance after a firewall reload: "
    "restart Docker",
    zh="`sysctl -w net.ipv4.ip_forward=1`（IPv6：`net.ipv6.conf.all.forwarding=1`），并查找是什么关闭了它；如果它是"
    "打开的，那么 FORWARD 链没有接受这些包（`iptables -vnL FORWARD`），例如防火墙重新加载之后：重启 Docker",
)

MIN_CONTAINERS = 2  # a rule may drop one of them
VERSIONS = ("IPv4", "IPv6")
MIN_PACKETS = 2  # of one flow: a single one may be the last of the capture
MAX_ROWS = 1000  # of one host that are looked at one by one


def diagnose(context: Context) -> list[Finding]:
    hosts = sorted({host for point in context.points if (host := host_of(point.name)) is not None})
    findings = []
    for host in hosts:
        inner, cards = (_points(context, host, roles) for roles in (INNER_ROLES, CARD_ROLES))
        if inner and cards:
            forwarded = _forwarded(context, inner, cards)
            findings += [
                finding
                for is_v6 in (False, True)
                if (finding := _of_version(context, host, inner, cards, forwarded, is_v6))
            ]
    return findings


def _of_version(
    context: Context, host: str, inner: list[int], cards: list[int], forwarded: FlowRows, is_v6: bool
) -> Finding | None:
    """What the host does not forward of one IP version."""
    flows = context.flows
    is_of_version = (
        (flows[:, schema.FLOW_SRC_HI] != 0) | (flows[:, schema.FLOW_SRC_LO] >> 32 != MAPPED >> 32)
    ) == is_v6
    if is_of_version[forwarded].any():
        return None
    card = next((point for point in cards if _has_own_answers(context, point, is_of_version)), -1)
    rows = _leaving(context, inner, card, is_of_version) if card >= 0 else np.zeros(0, dtype=np.int64)
    macs = set(flows[rows, schema.FLOW_SMAC].tolist())
    others = macs & set(flows[forwarded, schema.FLOW_SMAC].tolist())
    if len(macs) < MIN_CONTAINERS and not (others and _is_for_all(context, rows, card)):
        return None
    return _finding(context, host, rows, card, VERSIONS[is_v6], is_alone=macs == others) if macs else None


def _is_for_all(context: Context, rows: FlowRows, card: int) -> bool:
    """Do these go to several addresses, or to one that answers the host itself? A rule may drop what goes to one."""
    flows, destinations = context.flows, {destination(context.flows[row]) for row in rows}
    if len(destinations) != 1:
        return len(destinations) > 1
    is_to_it = (flows[:, schema.FLOW_POINT] == card) & (flows[:, schema.FLOW_VIA] == 0)
    is_to_it &= (flows[:, schema.FLOW_DST] == flows[rows[0], schema.FLOW_DST]).all(axis=1)
    return bool((is_to_it & is_answered(context)).any())


def _points(context: Context, host: str, roles: tuple[str, ...]) -> list[int]:
    return [
        number for number, point in enumerate(context.points)
        if host_of(point.name) == host and point.role in roles and point.role not in ("overlay", "loopback")
    ]  # fmt: skip


def _is_at(context: Context, points: list[int]) -> FlowMask:
    chosen = np.zeros(max(len(context.points), 1), dtype=bool)
    chosen[points] = True
    mask: FlowMask = chosen[context.flows[:, schema.FLOW_POINT]]
    return mask


def _forwarded(context: Context, inner: list[int], cards: list[int]) -> FlowRows:
    """Hops at inner points of flows that pass an interface as well, or go from one network to another."""
    links, chains = flow_links(context), chain_of(context)
    is_inner, is_card = _is_at(context, inner), _is_at(context, cards)
    crosses = is_inner & is_among(chains, chains[is_card])  # past the points of a capture at `any`, too
    routed = links.source[is_inner[links.source] & is_inner[links.target] & (links.ttl_delta < 0)]
    return np.concatenate((np.flatnonzero(crosses), routed))


def _has_own_answers(context: Context, card: int, is_of_version: FlowMask) -> bool:
    """Does an interface show answered flows, to the host or from it?"""
    flows = context.flows
    is_own = (flows[:, schema.FLOW_POINT] == card) & (flows[:, schema.FLOW_VIA] == 0) & is_of_version
    return bool((is_own & is_answered(context)).any())


def _leaving(context: Context, inner: list[int], card: int, is_of_version: FlowMask) -> FlowRows:
    """Flows of containers to other networks that end inside; none at all if one of these was answered."""
    flows = context.flows
    rows = np.flatnonzero(_is_at(context, inner) & (flows[:, schema.FLOW_VIA] == 0) & asks(context) & is_of_version)
    rows = rows[flows[rows, schema.FLOW_DMAC] > 0][:MAX_ROWS]
    outward = np.array([row for row in rows.tolist() if _goes_out(context, row, card)], dtype=np.int64)
    if not len(outward) or is_answered(context)[outward].any():
        return outward[:0]
    last = np.array([flow_links(context).last_hop(row) for row in outward.tolist()], dtype=np.int64)
    is_inside = (last == outward) | _is_at(context, _points_of_any(context, card))[last]
    is_inside &= packets_without_duplicates(context)[outward] >= MIN_PACKETS
    outward, last = outward[is_inside], last[is_inside]
    due = np.full(len(last), card)
    return outward[refutations(context, last, due, np.zeros(len(last), dtype=bool)) == NOTHING]


def _points_of_any(context: Context, card: int) -> list[int]:
    """The points of a capture at `any` on the host of an interface."""
    host = host_of(context.points[card].name)
    points = enumerate(context.points)
    return [number for number, point in points if point.ifindex is not None and host_of(point.name) == host]


def _goes_out(context: Context, row: int, card: int) -> bool:
    """Is a flow sent by a container to its host, for an address that is not the host's?"""
    flow = context.flows[row]
    by_mac = speakers(context, int(flow[schema.FLOW_POINT]))
    sender, router = (by_mac.get(int(flow[column])) for column in (schema.FLOW_SMAC, schema.FLOW_DMAC))
    if sender is None or router is None or is_multicast(destination(flow)):
        return False
    if ip_address(destination(flow)).is_link_local:
        return False  # no router has to forward it (RFC 3927); of clouds' metadata servers, rules drop it
    if router.mac in speakers(context, card):
        return False  # a router outside, which a container with an interface of its own calls directly
    return source(flow) in sender.own and bool(router.own) and destination(flow) not in router.own


def _finding(context: Context, host: str, rows: FlowRows, card: int, version: str, *, is_alone: bool) -> Finding:
    """`is_alone`: all of the containers are forwarded by the other IP version."""
    flows = context.flows
    containers, destinations = (
        sorted({end(flows[row]) for row in rows}, key=address_value) for end in (source, destination)
    )
    points = sorted({context.points[point].name for point in flows[rows, schema.FLOW_POINT].tolist()})
    (other,) = {*VERSIONS} - {version}
    packets = int(packets_without_duplicates(context)[rows].sum())
    return Finding(
        NAME,
        stop_level(context, rows, card),
        SAYS.fill(
            containers=several(containers), count=len(containers), host=host, packets=packets,
            destinations=several(destinations), point=several(points), card=context.points[card].name,
        )
        + (ONE_VERSION.fill(version=version, other=other, count=len(containers))
           if is_alone else ""),
        FIX_V6.fill() if is_alone and version == "IPv6" else FIX.fill(),
        {
            "host": host, "points": points, "card": context.points[card].name, "containers": containers[:MAX_EVIDENCE],
            "destinations": destinations[:MAX_EVIDENCE], "packets": packets,
        },
        hop_evidence(context, rows.tolist()),
    )  # fmt: skip
