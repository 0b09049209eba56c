"""stops-between: packets reach one point and none of them reaches the next one.

Looks at: flows without an answer that end at a point, where other packets show the next point: a flow to the
same service went on there, or an answered flow to the same host did, or it is the destination's own interface, or the
destination's packets came from there, or it is another interface of the same host, whose network has the destination
(by the topology, or because the destination speaks there). Not SYNs to a published port: see `published-port-blocked`;
nor large packets between two points of which `mtu-blackhole` says that they vanish there.
Says: how many packets of whom stop, to which destination, between which two points, and what did pass; whether all that
stop are larger than all that pass; at a bridge, whether no SYN is sent twice, which a RST that it does not show may
explain. For information where the topology says that Docker made the network with `--internal`. A warning where it is
only assumed that the next point was capturing then: no recording says so, and it shows no packets before or after.
Wrong when: the packets take another path that was not captured, as with two uplinks or a load balancer.
Fix: look for what drops between the two points: a rule of the host's firewall, routing, or the network in between.
Verify: the counters of `iptables -vnL`, `iptables -t raw -vnL PREROUTING` and `nft list ruleset`, and `ip -s link` of
the interfaces, rise with each attempt.
"""

from __future__ import annotations

from itertools import groupby, islice

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import MIN_SYN_RETRY_NS, destination, ports, proto_name, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.losses.blocked_ports import blocked_ports
from capnet.analysis.facts.losses.stopped_flows import known_by
from capnet.analysis.facts.transport.flow_observations import observations_of
from capnet.analysis.facts.transport.lost_lengths import MAX_MTU, lengths_between
from capnet.analysis.fate.fates import STOPS, Fates, fates
from capnet.analysis.fate.next_points import HOME, NETWORK
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value
from capnet.wire.numbers import TCP_ACK, TCP_RST

NAME = finding_name(__name__)
LEVELS = ("error", "warning", "info")  # info: the network is internal, as it was made
SCENARIO = "fault stops-between"
WITNESS = "pcaps/bridge.pcapng"  # every packet reaches the next point
EXPLAINS = ("connection-cut", "packet-loss", "retransmissions")

PAGE_ZH = """包到达一个抓包点，没有一个到达下一个。

检查：没有应答、止于一个抓包点的流，其他包显示了下一个抓包点：到同一服务的流从那里通过了，或到同一主机、有应答的流从
那里通过了，或那里是目的地址自己的接口，或目的地址的包来自那里，或那里是同一主机的另一个接口，其网络包含目的地址（根据拓
扑，或目的地址在那里发包）。不包括发往端口映射的 SYN：见
`published-port-blocked`；也不包括 `mtu-blackhole` 已说明在这两个抓包点之间消失的大包。
结论：谁的多少个包停住，发往哪里，在哪两个抓包点之间，什么能通过；停住的是否都比通过的大；在网桥上，是否没有 SYN 被重
发：网桥上看不到的 RST 可能是原因。拓扑说明该网络以
`--internal` 创建时仅供参考。只是推测下一个抓包点当时在抓时为警告：没有记录说明，并且它此前此后都没有包。
误判：包走了另一条没有抓包的路，例如有两条上行链路或负载均衡。
处理：检查两个抓包点之间是什么在丢：主机防火墙的规则、路由，或中间的网络。
验证：每次尝试时 `iptables -vnL`、`iptables -t raw -vnL PREROUTING` 和 `nft list ruleset` 的计数，以及接口的
`ip -s link` 增加。
"""

SAYS = Text(
    en="{packets:packet} ({proto}) from {sources} to {server} reach {point}, none reaches {next}, and nothing answers; "
    "{known}",
    zh="从 {sources} 到 {server} 的 {packets} 个包（{proto}）到达 {point}，没有一个到达 {next}，也没有应答；{known}",
)
LARGER = Text(
    en="; all of them have {fails} bytes or more, and what passed has {passes} bytes at most",
    zh="；它们都有 {fails} 字节或更多，而通过的最大只有 {passes} 字节",
)
FIX_LARGER = Text(
    en="compare the MTU of {point} and {next} (`ip link`, both ends of a veth or tunnel): the larger one must not "
    "exceed the other; if they agree, look for what drops large packets or fragments between them",
    zh="比较 {point} 和 {next} 的 MTU（`ip link`，veth 或隧道的两端）：较大的不得超过另一个；如果一致，查找两者之间是"
    "什么丢弃大包或分片",
)
INTERNAL = Text(
    en="the network {network} is internal, and Docker keeps it apart from others",
    zh="网络 {network} 是 internal 的，Docker 把它与其他网络隔开",
)
FIX_INTERNAL = Text(
    en="nothing, if that is meant; else connect the container to a second network, which is not internal",
    zh="如果本意如此则无需处理；否则把容器再接入一个不是 internal 的网络",
)
UNSEEN = Text(
    en="; no SYN is sent twice: the client gave up within a second, or got a RST that {bridge} does not show, as of a "
    "rule where net.bridge.bridge-nf-call-iptables is 1",
    zh="；没有 SYN 被重发：客户端在一秒内放弃，或收到了 {bridge} 上看不到的 RST，如 "
    "net.bridge.bridge-nf-call-iptables 为 1 时规则发出的 RST",
)
FIX_UNSEEN = Text(
    en="look for a rule that drops, or rejects with tcp-reset, between {point} and {next} (the counters of `iptables "
    "-vnL` and `nft list ruleset`), and capture at the veth of the sender: a RST of a rule is seen there",
    zh="在 {point} 和 {next} 之间查找丢弃或以 tcp-reset 拒绝的规则（`iptables -vnL` 和 `nft list ruleset` 的计数），"
    "并在发送者的 veth 上抓包：规则发出的 RST 在那里能看到",
)
PORTS = Text(en="ports {ports} of {address}", zh="{address} 的端口 {ports}")
FIX = Text(
    en="look for what drops between {point} and {next}: the counters of `iptables -vnL` and `nft list ruleset`, "
    "routing (`ip route get {destination}`), or the network between them",
    zh="检查 {point} 和 {next} 之间是什么丢弃了它们：`iptables -vnL` 和 `nft list ruleset` 的计数、路由（`ip route "
    "get {destination}`），或两者之间的网络",
)

MAX_FINDINGS = 20
MIN_REPEATED = 2  # packets: one alone may be the last of the capture
MIN_LARGE = 576  # bytes: every IPv4 host takes such packets (RFC 791), so no MTU is below
MIN_SIBLINGS = 3  # of flows that UDP packets are compared with: a balancer may send the next one elsewhere


def diagnose(context: Context) -> list[Finding]:
    outcome = fates(context)
    # A single packet may have passed before the next point was listened at, or behind.
    is_single = packets_without_duplicates(context)[outcome.last] < MIN_REPEATED
    is_told = (outcome.state == STOPS) & ~(is_single & outcome.is_assumed)
    of_ports = [row for blocked in blocked_ports(context) if blocked.stop for row in blocked.last_rows]
    is_told &= ~is_among(outcome.last, np.array(of_ports, dtype=np.int64))
    numbers = np.flatnonzero(is_told).tolist()
    stopped = sorted(numbers, key=lambda number: _key(context, outcome, number))
    groups = groupby(stopped, key=lambda number: _key(context, outcome, number))
    stops = (_stop(context, outcome, list(group)) for _, group in groups)
    by_length = lengths_between(context).keys()
    # `mtu-blackhole` says of these two points that the large packets stop.
    untold = (stop for stop in stops if (stop.point, stop.due) not in by_length or _larger(context, stop) is None)
    return [_finding(context, stop) for stop in islice(untold, MAX_FINDINGS)]


def _key(context: Context, outcome: Fates, number: int) -> tuple[int, int, int, tuple[int, int]]:
    """Point, next point, protocol and destination: flows that are one finding, whatever their ports."""
    flow = context.flows[outcome.last[number]]
    address = (int(flow[schema.FLOW_DST_HI]), int(flow[schema.FLOW_DST_LO]))
    return (
        int(flow[schema.FLOW_POINT]),
        int(outcome.due[number]),
        int(flow[schema.FLOW_PROTO]),
        address,
    )


class _Stop(NamedTuple):
    """Flows to one destination that stop between two points."""

    rows: FlowRows
    point: int
    due: int  # the next point
    rank: int  # of what says so most surely
    siblings: int  # flows that went on there
    is_assumed: bool  # that the next point was capturing, for all of them
    packets: int  # without duplicates
    proto: str
    ports: list[int]  # of the destination

    @property
    def is_certain(self) -> bool:
        """Can nothing else be the cause than what lies between the points?"""
        is_due = self.proto != "udp" or self.siblings >= MIN_SIBLINGS or self.rank in (HOME, NETWORK)
        return self.packets >= MIN_REPEATED and is_due and not self.is_assumed


def _stop(context: Context, outcome: Fates, numbers: list[int]) -> _Stop:
    flows, rows = context.flows, outcome.last[numbers]
    best = min(numbers, key=lambda number: int(outcome.rank[number]))
    return _Stop(
        rows=rows,
        point=int(flows[rows[0], schema.FLOW_POINT]),
        due=int(outcome.due[best]),
        rank=int(outcome.rank[best]),
        siblings=int(outcome.siblings[best]),
        is_assumed=bool(outcome.is_assumed[numbers].all()),
        packets=int(packets_without_duplicates(context)[rows].sum()),
        proto=proto_name(int(flows[rows[0], schema.FLOW_PROTO])),
        ports=sorted({port for row in rows.tolist() if (port := ports(flows[row])[1]) is not None}),
    )


def _finding(context: Context, stop: _Stop) -> Finding:
    flows = context.flows
    address = destination(flows[stop.rows[0]])
    sources = sorted({source(flows[row]) for row in stop.rows.tolist()}, key=address_value)
    ends = {"point": context.points[stop.point].name, "next": context.points[stop.due].name}
    clue = _internal(context, stop)
    level = "info" if clue else "error" if stop.is_certain else "warning"
    clue = clue or _larger(context, stop) or _refused_unseen(context, stop)
    clue = clue or Clue(FIX.fill(**ends, destination=address))
    reason = clue.says if clue.says_all else known_by(stop.rank, stop.siblings) + clue.says
    facts: dict[str, object] = {
        **ends, "proto": stop.proto, "destination": address,
        "port": stop.ports[0] if len(stop.ports) == 1 else None, "sources": sources[:MAX_EVIDENCE],
        "packets": stop.packets, "flows": len(stop.rows),
    }  # fmt: skip
    if stop.ports[1:]:
        facts["ports"] = stop.ports[:MAX_EVIDENCE]
    return Finding(
        NAME,
        level,
        SAYS.fill(
            **ends, packets=stop.packets, proto=stop.proto, sources=several(sources),
            server=_server(address, stop.ports), known=reason,
        ),
        clue.fix,
        facts,
        sorted(context.first_frames(stop.rows)),
    )  # fmt: skip


def _internal(context: Context, stop: _Stop) -> Clue | None:
    """One of the points is the bridge of a network that Docker made with `--internal`."""
    for network in context.topology.networks if context.topology else ():
        for point in (context.points[stop.point], context.points[stop.due]):
            if network.internal and network.bridge == point.device and network.host in (None, point.host):
                return Clue(FIX_INTERNAL.fill(), INTERNAL.fill(network=network.name), says_all=True)
    return None


def _larger(context: Context, stop: _Stop) -> Clue | None:
    """The smallest IP packet that stops is larger than the largest that went on there."""
    flows, links = context.flows, flow_links(context)
    stopped = np.concatenate([observations_of(context, row)[:, schema.OBS_LENGTH] for row in stop.rows.tolist()])
    goes_on = flows[links.source, schema.FLOW_POINT] == stop.point
    goes_on &= flows[links.target, schema.FLOW_POINT] == stop.due
    if len(stopped) < MIN_REPEATED or not goes_on.any():
        return None
    fails, passes = int(stopped.min()), int(flows[links.target[goes_on], schema.FLOW_LARGEST_IP].max())
    if not (passes < fails <= MAX_MTU and fails > MIN_LARGE):
        return None
    ends = {"point": context.points[stop.point].name, "next": context.points[stop.due].name}
    return Clue(FIX_LARGER.fill(**ends), LARGER.fill(fails=fails, passes=passes))


def _refused_unseen(context: Context, stop: _Stop) -> Clue | None:
    """Connections that come in by a port of a bridge, and send no SYN twice while the bridge is captured for longer.

    Linux sends the RST of a rule out by that port at once (nf_send_reset of net/ipv4/netfilter).
    """
    flows, point = context.flows[stop.rows], context.points[stop.point]
    is_alone = (flows[:, schema.FLOW_SYNS] == 1) & (flows[:, schema.FLOW_TCP_FLAGS] & (TCP_ACK | TCP_RST) == 0)
    goes_on = (point.last or 0) - flows[:, schema.FLOW_LAST] > 2 * MIN_SYN_RETRY_NS
    if stop.proto != "tcp" or point.role != "bridge" or len(flows) < MIN_REPEATED or not (is_alone & goes_on).all():
        return None
    ends = {"point": point.name, "next": context.points[stop.due].name}
    return Clue(FIX_UNSEEN.fill(**ends), UNSEEN.fill(bridge=point.name))


def _server(address: str, services: list[int]) -> str:
    """`10.9.0.5:80`, or `ports 22 and 80 of 10.9.0.5`; the address alone where there are no ports."""
    if len(services) < 2:
        return endpoint_text(address, services[0] if services else None)
    return PORTS.fill(ports=several([str(port) for port in services]), address=address)
