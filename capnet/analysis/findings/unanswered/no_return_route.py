"""no-return-route: a container's packets reach another host, which has no route back to the container's address.

Looks at: questions (TCP SYN, ICMP echo request) that arrived with a source address of another network and that no
packet answered at any point: echo requests, or connections to two ports or more, as a filter may drop one port. The
destination answers nothing else of these sources. Those that left by a bridge are `not-masqueraded` instead.
Says: which destination needs a route, for which sources, and at which point they arrived.
Wrong when: a filter drops all of the sources' questions, or the answers.
Fix: give the destination, or its router, a route to the containers' network by the host that has them.
Verify: `ip route get SOURCE` on the destination.
"""

from __future__ import annotations

from capnet import language
from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, host_of, source
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import FLOW_POINT, FlowRows
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.unanswered import left_untranslated, unanswered_questions
from capnet.analysis.fate.next_points import is_answered
from capnet.wire.addresses import address_value
from capnet.wire.numbers import ICMP, ICMPV6, TCP

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault no-return-route"
WITNESS = "pcaps/ipvlan-l3.pcapng"  # containers of another network, answered once there is a route
EXPLAINS = ("connection-unanswered", "handshake-unfinished")

PAGE_ZH = """容器的包到达另一台主机，而那台主机没有返回容器地址的路由。

检查：以另一个网络的源地址到达、在任何抓包点上都没有应答的请求（TCP SYN、ICMP echo request）：回显请求，或到两个以上
端口的连接，因为过滤规则可能只丢弃一个端口。目的主机也不应答这些源的其他请求。从网桥发出的见 `not-masqueraded`。
结论：哪个目的主机需要路由，对哪些源，到达哪个抓包点。
误判：过滤规则丢弃了这些源的所有请求或应答。
处理：在目的主机或其路由器上加一条到容器网络的路由，下一跳是容器所在的主机。
验证：在目的主机上 `ip route get SOURCE`。
"""

SAYS = Text(
    en="{connections:connection} of {sources} reached {address} at {point}, and no answer came back",
    zh="{sources} 的 {connections} 个连接到达了 {point} 上的 {address}，没有应答返回",
)
FIX = Text(
    en="give {address} a route back to {source} (`ip route get {source}` there shows which one it takes), by the "
    "router or the host that the packets came through",
    zh="给 {address} 加一条返回 {source} 的路由（在那里执行 `ip route get {source}` 显示它走哪条），下一跳是这些包经过"
    "的路由器或主机",
)

MAX_SENTENCE_SOURCES = 3
MAX_SOURCES = 20  # that the facts list
MIN_PORTS = 2  # of TCP that are silent, where no echo request is: a filter may drop one
_ECHOES = (ICMP, ICMPV6)


def diagnose(context: Context) -> list[Finding]:
    links = flow_links(context)
    arrived: dict[tuple[str, str], list[int]] = {}
    for rows, last_link, _ in unanswered_questions(context):
        points = [context.points[context.flows[row, FLOW_POINT]].name for row in rows]
        if host_of(points[0]) == host_of(points[-1]):
            continue
        position = left_untranslated(context, rows)
        if position is not None and links.ttl_delta[links.before[rows[position]]] < 0:
            continue
        arrived.setdefault((points[-1], destination(context.flows[rows[-1]])), []).append(last_link)
    findings = []
    for (point, address), last_links in sorted(arrived.items()):
        sources = sorted({source(context.flows[links.target[link]]) for link in last_links})
        if not _has_no_way_back(context, links.target[last_links], address, sources):
            continue
        evidence = [context.flow_evidence(links.target[link], int(links.frames[link, 1])) for link in last_links]
        findings.append(
            Finding(
                NAME,
                "error",
                SAYS.fill(
                    connections=len(last_links),
                    sources=language.items(sources[:MAX_SENTENCE_SOURCES]),
                    address=address,
                    point=point,
                ),
                FIX.fill(address=address, source=sources[0]),
                {
                    "point": point,
                    "destination": address,
                    "sources": sources[:MAX_SOURCES],
                    "connections": len(last_links),
                },
                sorted(evidence),
            )
        )
    return findings


def _has_no_way_back(context: Context, rows: FlowRows, address: str, sources: list[str]) -> bool:
    """Are these questions more than one port, and does the address answer nothing that these sources ask?"""
    asked = context.flows[rows]
    ports = set(asked[asked[:, schema.FLOW_PROTO] == TCP, schema.FLOW_DPORT].tolist())
    if not is_one_of(asked[:, schema.FLOW_PROTO], _ECHOES).any() and len(ports) < MIN_PORTS:
        return False
    flows, (high, low) = context.flows, address_value(address)
    is_to_it = is_answered(context) & (flows[:, schema.FLOW_DST_HI] == high) & (flows[:, schema.FLOW_DST_LO] == low)
    return not ({source(flow) for flow in flows[is_to_it]} & set(sources))
