"""new-connections-dropped: from a certain time on a host passes no new connection, while older ones go on.

Looks at: flows of three clients or more that stop between two points of a host, all that began after a time, while
older flows pass there, one of them of a client whose new flows stop.
Says: since when, how many new flows of how many clients stop, between which points, and that older ones pass.
Wrong when: a rule was added at that time that drops packets of state NEW only.
Fix: raise the limit of connection tracking, or end what fills its table. Senders on the host itself get an error, and
no capture shows their packets.
Verify: `conntrack -S` (drop, early_drop, insert_failed); `sysctl net.netfilter.nf_conntrack_count
net.netfilter.nf_conntrack_max`; `dmesg` says "nf_conntrack: table full, dropping packet".
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.clocks import flow_spans
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.losses.stopped_flows import are_of_one_host, stop_level, stopped_flows
from capnet.wire.addresses import address_value

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = None  # the limit of connection tracking is the machine's, which the lab does not change
WITNESS = "pcaps/bridge.pcapng"  # new connections until the end
EXPLAINS = (
    "stops-between", "published-port-blocked", "packet-loss", "retransmissions", "connection-unanswered",
    "handshake-unfinished",
)  # fmt: skip

PAGE_ZH = """从某个时刻起主机不再通过新连接，而旧连接继续。

检查：三个或更多客户端的流，停在主机的两个抓包点之间，全部在某个时刻之后开始，而较旧的流能通过，其中一条属于新流停住
的客户端。
结论：从何时起，多少个客户端的多少条新流停住，在哪两个抓包点之间，而旧的能通过。
误判：当时加了一条只丢弃 NEW 状态的包的规则。
处理：提高连接跟踪的上限，或排除占满表的原因。主机自己的发送者会得到错误，抓包中看不到它们的包。
验证：`conntrack -S`（drop、early_drop、insert_failed）；
`sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max`；`dmesg` 有 “nf_conntrack: table full,
dropping packet”。
"""

SAYS = Text(
    en="{flows:new flow} of {clients} to {servers} reach {point} and none of them {next}, while {older:older flow} "
    "still passed there: the host tracks no new connection",
    zh="{clients} 到 {servers} 的 {flows} 条新流到达 {point}，没有一条到达 {next}，而 {older} 条旧流仍能通过：主机不"
    "再跟踪新连接",
)
FIX = Text(
    en="`sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max`: if both are equal, raise the limit "
    "(`sysctl -w net.netfilter.nf_conntrack_max=…`) and find what fills the table; else look for a rule that drops new "
    "connections (`conntrack -S`, `iptables -vnL`)",
    zh="`sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max`：如果两者相等，提高上限（`sysctl "
    "-w net.netfilter.nf_conntrack_max=…`）并查找是什么占满了表；否则查找丢弃新连接的规则（`conntrack -S`、`"
    "iptables -vnL`）",
)

MIN_CLIENTS = 3  # fewer may have another reason in common
MAX_NEW_SHARE = 0.1  # of new flows that still pass: an entry that ends makes room for another one
MIN_PASS_NS = 1_000_000_000  # that an older flow goes on after the first new one stopped


def diagnose(context: Context) -> list[Finding]:
    stops: dict[tuple[int, int], list[int]] = {}
    for flow in stopped_flows(context):
        if not context.flows[flow.row, schema.FLOW_VIA] and are_of_one_host(context, flow.point, flow.due):
            stops.setdefault((flow.point, flow.due), []).append(flow.row)
    findings = []
    for (point, due), rows in sorted(stops.items()):
        older = _older_that_pass(context, point, due, np.array(rows))
        if len(older):
            findings.append(_finding(context, point, due, np.array(rows), older))
    return findings


def _older_that_pass(context: Context, point: int, due: int, rows: FlowRows) -> FlowRows:
    """Flows that pass and began before all of these rows; none if these are few, or if new flows pass as well."""
    flows, links, (first, last) = context.flows, flow_links(context), flow_spans(context)
    nothing = rows[:0]
    address = schema.FLOW_SRC
    clients = hash_of(flows, address, rows)
    if len(set(clients.tolist())) < MIN_CLIENTS:
        return nothing
    is_between = (flows[links.source, schema.FLOW_POINT] == point) & (flows[links.target, schema.FLOW_POINT] == due)
    passing, behind = links.source[is_between], links.target[is_between]
    since = int(first[rows].min())
    is_new = first[passing] >= since
    is_older = ~is_new & (last[behind] >= since + MIN_PASS_NS)
    if is_new.sum() > MAX_NEW_SHARE * len(rows) or not is_older.any():
        return nothing
    older = passing[is_older]
    is_same_client = is_among(hash_of(flows, address, older), clients)
    return older if is_same_client.any() else nothing


def _finding(context: Context, point: int, due: int, rows: FlowRows, older: FlowRows) -> Finding:
    flows = context.flows
    clients, servers = (sorted({end(flows[row]) for row in rows}, key=address_value) for end in (source, destination))
    since = rows[np.argsort(flows[rows, schema.FLOW_FIRST], kind="stable")]
    first_frames = context.first_frames(since)
    older_frame = context.first_frame(older[0])
    name, next_name = context.points[point].name, context.points[due].name
    return Finding(
        NAME,
        stop_level(context, rows, due),
        SAYS.fill(
            flows=len(rows), clients=several(clients), servers=several(servers), point=name, next=next_name,
            older=len(older),
        ),
        FIX.fill(),
        {
            "point": name, "next": next_name, "flows": len(rows), "clients": clients[:MAX_EVIDENCE],
            "servers": servers[:MAX_EVIDENCE], "older_flows": len(older),
        },
        [*sorted((*first_frames[: MAX_EVIDENCE - 1], older_frame)), *first_frames],
    )  # fmt: skip
