"""snat-ports-exhausted: a host has no free source port left for new connections to one server.

Looks at: TCP and UDP flows from inside to one server and port that stop at the host that translates their sources,
after translated flows to this server and port took nearly all ports between the lowest and the highest one, while a
flow to another server or port is translated later.
Says: which server, how many flows stop, and how many ports of which range are in use.
Wrong when: a rule drops these flows since then.
Fix: give the translation more ports or addresses: a wider range in the SNAT rule, further addresses, or fewer and
longer connections to this server.
Verify: `conntrack -S` (insert_failed, drop); `conntrack -L -p tcp --orig-port-dst PORT | wc -l` against the size of the
range (`iptables -t nat -S POSTROUTING`, `sysctl net.ipv4.ip_local_port_range`).
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, proto_name, source
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import PerLink, Values
from capnet.analysis.core.wording import Text, endpoint_text, finding_name
from capnet.analysis.correlate.clocks import flow_spans
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.losses.stopped_flows import are_of_one_host, hop_evidence, stop_level, stopped_flows
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP, UDP

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = None  # Docker's own rule has no range of ports
WITNESS = "pcaps/bridge.pcapng"  # few connections, each with its own port
EXPLAINS = ("stops-between", "packet-loss", "retransmissions", "connection-unanswered", "handshake-unfinished")

PAGE_ZH = """主机没有空闲的源端口可用于到一台服务器的新连接。

检查：从内部到一台服务器和端口的 TCP 和 UDP 流，停在转换其源地址的主机；此前到该服务器和端口的已转换的流几乎占用了最
低到最高之间的所有端口，而之后到另一台服务器或端口的流仍被转换。
结论：哪台服务器，多少条流停住，哪个范围的端口用了多少。
误判：从那时起有规则丢弃这些流。
处理：给转换更多端口或地址：SNAT 规则中更宽的范围、更多地址，或到该服务器的连接更少、更久。
验证：`conntrack -S`（insert_failed、drop）；`conntrack -L -p tcp --orig-port-dst PORT | wc -l` 与范围大小比较
（`iptables -t nat -S POSTROUTING`、`sysctl net.ipv4.ip_local_port_range`）。
"""

SAYS = Text(
    en="{flows:flow} to {server} ({proto}) stop between {point} and {next}: {used} of the {size} source ports {low} to "
    "{high} of {address} are taken for this server, and flows to others are still translated",
    zh="到 {server}（{proto}）的 {flows} 条流止于 {point} 和 {next} 之间：{address} 的 {size} 个源端口（{low} 到 "
    "{high}）中有 {used} 个已用于该服务器，而到其他服务器的流仍被转换",
)
FIX = Text(
    en="give the translation more ports or addresses (a wider `--to-source` or `--to-ports` range, more addresses), "
    "or let clients keep their connections and sockets; `conntrack -S` counts insert_failed",
    zh="给转换更多端口或地址（更宽的 `--to-source` 或 `--to-ports` 范围、更多地址），或让客户端保持连接和套接字；"
    "`conntrack -S` 显示 insert_failed",
)

MIN_USED = 8  # ports: fewer are in a row by chance
MIN_FULL = 4  # ports, of a range that is full, and of which no client has chosen one
MAX_KEPT = 0.5  # share of flows whose port is not rewritten
MIN_FILLED = 0.9  # of the range: those that just ended may be free

_SERVER = [schema.FLOW_PROTO, *schema.FLOW_DST_END]


class _Ports(NamedTuple):
    """Source ports of translated flows to one server."""

    address: str  # of their source behind the translation
    used: int
    low: int
    high: int


def diagnose(context: Context) -> list[Finding]:
    groups: dict[tuple[int, ...], list[int]] = {}
    for flow in stopped_flows(context):
        row = context.flows[flow.row]
        if row[schema.FLOW_PROTO] in (TCP, UDP) and are_of_one_host(context, flow.point, flow.due):
            groups.setdefault((flow.point, flow.due, *row[_SERVER].tolist()), []).append(flow.row)
    findings: list[Finding] = []
    if not groups:
        return findings
    translations = _source_translations(context)
    for (point, due, *server), rows in sorted(groups.items()):
        ports = _ports(context, translations, (point, due), np.array(server), rows)
        if ports is not None:
            findings.append(_finding(context, point, due, rows, ports))
    return findings


def _source_translations(context: Context) -> PerLink:
    """Links that rewrite the source and keep the server."""
    flows, links = context.flows, flow_links(context)
    before, behind = flows[links.source], flows[links.target]
    sender = schema.FLOW_SRC
    is_snat = (before[:, _SERVER] == behind[:, _SERVER]).all(axis=1)
    is_snat &= (before[:, sender] != behind[:, sender]).any(axis=1)
    return np.flatnonzero(is_snat)


def _ports(
    context: Context, translations: PerLink, between: tuple[int, int], server: Values, rows: list[int]
) -> _Ports | None:
    """The ports taken for a server when its flows began to stop, if they fill their range and others are translated."""
    flows, links, first = context.flows, flow_links(context), flow_spans(context)[0]
    since = int(first[rows].min())
    targets, sources = links.target[translations], links.source[translations]
    is_there = (flows[sources, schema.FLOW_POINT] == between[0]) & (flows[targets, schema.FLOW_POINT] == between[1])
    is_server = (flows[targets][:, _SERVER] == server).all(axis=1)
    is_later = first[sources] >= since
    taken = targets[is_there & is_server & ~is_later]
    others = targets[is_there & ~is_server & is_later]
    if not len(others) or (is_there & is_server & is_later).any():
        return None
    ports = distinct(flows[taken, schema.FLOW_SPORT])
    if len(ports) < MIN_FULL or len({source(flows[row]) for row in taken}) != 1:
        return None
    low, high = int(ports[0]), int(ports[-1])
    kept = flows[sources[is_there & is_server & ~is_later], schema.FLOW_SPORT] == flows[taken, schema.FLOW_SPORT]
    if kept.mean() > MAX_KEPT:
        return None  # the clients chose these ports, not the translation
    if len(ports) < MIN_USED and (kept.any() or len(ports) != high - low + 1):
        return None
    if len(ports) < MIN_FILLED * (high - low + 1):
        return None
    return _Ports(source(flows[taken[0]]), len(ports), low, high)


def _finding(context: Context, point: int, due: int, rows: list[int], ports: _Ports) -> Finding:
    row = context.flows[rows[0]]
    address, port, proto = destination(row), int(row[schema.FLOW_DPORT]), proto_name(int(row[schema.FLOW_PROTO]))
    server = endpoint_text(address, port)
    return Finding(
        NAME,
        stop_level(context, rows, due),
        SAYS.fill(
            flows=len(rows), server=server, proto=proto, point=context.points[point].name,
            next=context.points[due].name, used=ports.used, size=ports.high - ports.low + 1, low=ports.low,
            high=ports.high, address=ports.address,
        ),
        FIX.fill(),
        {
            "server": server, "proto": proto, "point": context.points[point].name, "next": context.points[due].name,
            "flows": len(rows), "address": ports.address, "ports": ports.used, "lowest": ports.low,
            "highest": ports.high,
        },
        hop_evidence(context, rows),
    )  # fmt: skip
