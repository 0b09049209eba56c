"""isolated-on-bridge: the host of a bridge keeps two stations on it from each other.

Looks at: IP flows without an answer between two neighbours on a bridge, each with its own MAC, that stop between two
points of the bridge's host, while ARP messages between the two pass there. One of the two may be behind the host's
card, if that is a port of the bridge: the frames still have the MACs of both. And ARP requests of one for the other
that reach the bridge and not the other's interface, while both talk to a third station there
(`facts.neighbours.whereabouts.isolated_ports`).
Says: who cannot reach whom, on which bridge, how many packets, and whether ARP passes: a filter for IP lets it pass,
and ports that are isolated from each other do not.
Wrong when: the receiver drops the packets behind the point.
Fix: allow traffic between containers: Docker's `icc` option of the network. On bridges of libvirt, LXD and others,
`net.bridge.bridge-nf-call-iptables` hands frames to Docker's FORWARD policy: accept them in DOCKER-USER.
Verify: `iptables -vnL FORWARD` and `iptables -vnL DOCKER-USER` count the drops; `docker network inspect NETWORK` shows
`com.docker.network.bridge.enable_icc`; `bridge -d link` shows `isolated`, which CNI's bridge sets for `portIsolation`.
"""

from __future__ import annotations

from itertools import groupby

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, proto_name, source
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import FlowMask, FlowTable, Values
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.facts.losses.stopped_flows import (
    StoppedFlow,
    are_of_one_host,
    hop_evidence,
    stop_level,
    stopped_flows,
    with_same_ends,
)
from capnet.analysis.facts.models.container_signs import shows_cni
from capnet.analysis.facts.neighbours.exchanges import neighbours
from capnet.analysis.facts.neighbours.whereabouts.isolated_ports import IsolatedPorts, isolated_ports
from capnet.analysis.fate.next_points import is_answered
from capnet.analysis.fate.speakers import speakers
from capnet.quick_tuple import NamedTuple
from capnet.topology import INNER_ROLES

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault isolated-on-bridge"
WITNESS = "pcaps/bridge.pcapng"  # containers that talk to each other on one bridge
EXPLAINS = ("stops-between", "packet-loss", "retransmissions", "connection-unanswered", "handshake-unfinished")

PAGE_ZH = """网桥所在主机不让网桥上的两个站点互通。

检查：网桥上各有自己 MAC 的两个邻居之间、没有应答、停在网桥所在主机的两个抓包点之间的 IP 流，而两者之间的 ARP 消息能
通过。如果主机的网卡是网桥的端口，其中一个可以在网卡之外：帧仍带有两者的 MAC。以及一方对另一方的 ARP 请求到达网桥而没有
到达另一方的接口（`facts.neighbours.whereabouts.isolated_ports`），而双方都与那里的第三个站点通信。
结论：谁到不了谁，在哪个网桥上，多少个包，ARP 是否通过。ARP 能通过只针对 IP 的过滤，通不过互相隔离的端口。
误判：接收方在该抓包点之后丢弃了包。
处理：允许容器之间的流量：Docker 网络的 `icc` 选项。在 libvirt、LXD 等的网桥上，`net.bridge.bridge-nf-call-iptables`
把帧交给 Docker 的 FORWARD 策略：在 DOCKER-USER 中接受它们。
验证：`iptables -vnL FORWARD` 和 `iptables -vnL DOCKER-USER` 显示丢弃数；`docker network inspect NETWORK` 显示
`com.docker.network.bridge.enable_icc`；`bridge -d link` 显示 `isolated`，CNI 的 bridge 插件按 `portIsolation` 设置它。
"""

SAYS = Text(
    en="{packets:packet} ({protos}) from {source} to its neighbour {destination} reach {point} and none {next}, though "
    "ARP between the two passes: the bridge's host filters what passes between its ports",
    zh="从 {source} 到邻居 {destination} 的 {packets} 个包（{protos}）到达 {point}，没有一个到达 {next}，而两者之间"
    "的 ARP 能通过：网桥所在主机过滤了端口之间的流量",
)
FIX = Text(
    en="look for the rule that drops it on the bridge's host (`iptables -vnL FORWARD`, `iptables -vnL DOCKER-USER`; "
    "`net.bridge.bridge-nf-call-iptables` is 1 there). Docker writes one for a network with "
    "`com.docker.network.bridge.enable_icc=false`, and a policy that drops what passes other bridges: `iptables -I "
    "DOCKER-USER -i BRIDGE -o BRIDGE -j ACCEPT`",
    zh="在网桥所在的主机上查找丢弃它的规则（`iptables -vnL FORWARD`、`iptables -vnL DOCKER-USER`；那里 "
    "`net.bridge.bridge-nf-call-iptables` 是 1）。对于 `com.docker.network.bridge.enable_icc=false` 的网络，Docker 会写"
    "入一条；它还设置了丢弃其他网桥流量的策略：`iptables -I DOCKER-USER -i BRIDGE -o BRIDGE -j ACCEPT`",
)
FIX_PODS = Text(
    en="look for the rule that drops it: a NetworkPolicy that selects {source} or {destination} (`kubectl get "
    "networkpolicy -A`), else `iptables -vnL FORWARD` and `nft list ruleset`, which count it (`sysctl "
    "net.bridge.bridge-nf-call-iptables` is 1 there), or `bridge -d link` with `isolated on`",
    zh="查找丢弃它的规则：选中 {source} 或 {destination} 的 NetworkPolicy（`kubectl get networkpolicy -A`），否则查看有"
    "计数的 `iptables -vnL FORWARD` 和 `nft list ruleset`（那里 `sysctl net.bridge.bridge-nf-call-iptables` 是 1），"
    "或 `bridge -d link` 中的 `isolated on`",
)

PORTS_SAYS = Text(
    en="{source} asked for its neighbour {destination} by ARP {requests:time}: the questions reach {point}, none "
    "{next}, though both talk to others there: the bridge passes nothing from one port to the other",
    zh="{source} 用 ARP 询问邻居 {destination} 共 {requests} 次：询问到达 {point}，没有一个到达 {next}，而双方都与那里"
    "的其他站点通信：网桥不在这两个端口之间传递帧",
)
PORTS_FIX = Text(
    en="by design, if `bridge -d link` shows `isolated on` for both ports, as CNI's `portIsolation` sets it: to let "
    "them talk, `bridge link set dev PORT isolated off` for one of them; else look for a filter of the bridge (`nft "
    "list ruleset`, `ebtables -L`)",
    zh="如果 `bridge -d link` 对两个端口都显示 `isolated on`（CNI 的 `portIsolation` 会这样设置），则设计如此：要让它们"
    "互通，对其中一个执行 `bridge link set dev PORT isolated off`；否则查找网桥的过滤规则（`nft list ruleset`、"
    "`ebtables -L`）",
)

MIN_PACKETS = 2  # of all flows between the two: a single one may be the last of the capture


class _Pair(NamedTuple):
    """Two neighbours, and the points between which the packets of the first one stop."""

    source: str
    destination: str
    point: int
    due: int


def is_weak(finding: Finding) -> bool:
    """Of ports that ARP does not pass there are no flows, which it would explain."""
    return finding.facts["protos"] == ["arp"]


def diagnose(context: Context) -> list[Finding]:
    stopped = [(pair, flow) for flow in stopped_flows(context) if (pair := _neighbours(context, flow)) is not None]
    stopped.sort(key=lambda entry: entry[0])
    findings = []
    for pair, entries in groupby(stopped, key=lambda entry: entry[0]):
        flows = [flow for _, flow in entries]
        packets = int(packets_without_duplicates(context)[[flow.row for flow in flows]].sum())
        if packets >= MIN_PACKETS and _have_resolved(context, pair) and not _pass_ip(context, flows[0]):
            findings.append(_finding(context, pair, flows, packets))
    return findings + [_of_ports(context, ports) for ports in isolated_ports(context)]


def _of_ports(context: Context, ports: IsolatedPorts) -> Finding:
    asked = ports.exchange
    point, next_point = context.points[asked.point].name, context.points[ports.due].name
    return Finding(
        NAME,
        "warning",
        PORTS_SAYS.fill(
            source=asked.asker, destination=asked.target, requests=asked.requests, point=point, next=next_point
        ),
        PORTS_FIX.fill(),
        {
            "source": asked.asker, "destination": asked.target, "point": point, "next": next_point,
            "protos": ["arp"], "packets": asked.requests,
        },
        [context.evidence(asked.point, asked.request_frame)],
    )  # fmt: skip


def _neighbours(context: Context, flow: StoppedFlow) -> _Pair | None:
    """Who sends to whom, if both are stations of the bridge that send with their own MACs."""
    row = context.flows[flow.row]
    if row[schema.FLOW_VIA] or not are_of_one_host(context, flow.point, flow.due):
        return None
    first, last = (context.points[point].role for point in (flow.point, flow.due))
    is_through_card = first in ("bridge", "veth") and last == "parent"  # a bridge with the host's card as a port
    if not is_through_card and not (first in INNER_ROLES and last in INNER_ROLES):
        return None
    by_mac = speakers(context, outside_tunnels=True)
    sender, receiver = (by_mac.get(int(row[column])) for column in (schema.FLOW_SMAC, schema.FLOW_DMAC))
    if sender is None or receiver is None:
        return None
    if source(row) not in sender.own or destination(row) not in receiver.own:
        return None
    return _Pair(source(row), destination(row), flow.point, flow.due)


def _have_resolved(context: Context, pair: _Pair) -> bool:
    """Did one of the two ask for the other one, and get an answer?"""
    return any(
        exchange.replies and {exchange.asker, exchange.target} == {pair.source, pair.destination}
        for exchange in neighbours(context)
    )


def _pass_ip(context: Context, flow: StoppedFlow) -> bool:
    """Was any packet between the two answered, or seen where these are due?"""
    flows, row = context.flows, context.flows[flow.row]
    passes = is_answered(context) | (flows[:, schema.FLOW_POINT] == flow.due)
    is_theirs = _is_between(flows, row, schema.FLOW_ADDRESSES)
    is_theirs |= _is_between(flows, row, schema.FLOW_OPPOSITE_ADDRESSES)
    return bool((passes & is_theirs).any())


def _is_between(flows: FlowTable, row: Values, ends: list[int]) -> FlowMask:
    mask: FlowMask = (flows[:, schema.FLOW_ADDRESSES] == row[ends]).all(axis=1)
    return mask


def _finding(context: Context, pair: _Pair, stopped: list[StoppedFlow], packets: int) -> Finding:
    rows = [flow.row for flow in stopped]
    protos = sorted({proto_name(int(context.flows[row, schema.FLOW_PROTO])) for row in rows})
    point, next_point = context.points[pair.point].name, context.points[pair.due].name
    return Finding(
        NAME,
        stop_level(context, rows, pair.due),
        SAYS.fill(
            packets=packets, protos=several(protos), source=pair.source, destination=pair.destination, point=point,
            next=next_point,
        ),
        (FIX_PODS if shows_cni(context) else FIX).fill(source=pair.source, destination=pair.destination),
        {
            "source": pair.source, "destination": pair.destination, "point": point, "next": next_point,
            "protos": protos, "packets": packets,
        },
        hop_evidence(context, with_same_ends(context, rows)),
    )  # fmt: skip
