"""direct-access-dropped: another host calls a container by its own address, and the container's host drops that.

Looks at: flows from outside without an answer that arrive at a host's interface for the address of one of its
containers, of which the container's bridge shows nothing, while connections to a published port of the host reach this
container.
Says: who calls which container's address, where it ends, and by which published port the container is reached.
Wrong when: a rule of the host drops these senders, or this port, for another reason.
Fix: call the published port. Or allow direct access: `allow-direct-routing` of the daemon (Docker 28.2), the network's
option `com.docker.network.bridge.trusted_host_interfaces`, or its gateway mode `nat-unprotected` or `routed`.
Verify: `iptables -t raw -vnL PREROUTING` and `iptables -vnL DOCKER` count the drops (Docker 28 and later).
"""

from __future__ import annotations

from itertools import groupby

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, proto_name, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.losses.inner_destinations import InnerDestination, inner_destinations, passed
from capnet.analysis.facts.losses.stopped_flows import hop_evidence
from capnet.analysis.facts.losses.wire_losses import CARD_ROLES
from capnet.analysis.fate.next_points import is_answered
from capnet.wire.addresses import address_value

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = "fault direct-access-dropped"
WITNESS = "pcaps/bridge.pcapng"  # the published port alone is called
EXPLAINS = (
    "stops-between", "packet-loss", "retransmissions", "no-return-route", "connection-unanswered",
    "handshake-unfinished",
)  # fmt: skip

PAGE_ZH = """另一台主机用容器自己的地址访问容器，而容器所在主机丢弃了这些包。

检查：从外部到达主机接口、目的是其某个容器的地址、没有应答的流，容器的网桥上完全看不到，而到该主机某个端口映射的连接
可以到达这个容器。
结论：谁访问了哪个容器的地址，止于哪里，通过哪个端口映射可以到达该容器。
误判：主机的某条规则因其他原因丢弃这些发送者或这个端口。
处理：访问端口映射。或允许直接访问：dockerd 的 `allow-direct-routing`（Docker 28.2）、网络选项
`com.docker.network.bridge.trusted_host_interfaces`，或网关模式 `nat-unprotected`、`routed`。
验证：`iptables -t raw -vnL PREROUTING` 和 `iptables -vnL DOCKER` 显示丢弃数（Docker 28 及以后版本）。
"""

SAYS = Text(
    en="{packets:packet} ({protos}) from {sources} to {container}, a container's own address, end at {point}; the "
    "published port {published} reaches it: the host drops direct access",
    zh="从 {sources} 到容器自己的地址 {container} 的 {packets} 个包（{protos}）止于 {point}；端口映射 {published} 可"
    "以到达：主机丢弃了直接访问",
)
FIX = Text(
    en="call {published}; or allow direct access (`allow-direct-routing` of the daemon, "
    "`com.docker.network.bridge.trusted_host_interfaces`, gateway mode `nat-unprotected` or `routed`). "
    "`iptables -t raw -vnL PREROUTING` counts what Docker 28 and later drops",
    zh="访问 {published}；或允许直接访问（dockerd 的 `allow-direct-routing`、`"
    "com.docker.network.bridge.trusted_host_interfaces`，网关模式 `nat-unprotected` 或 `routed`）。`iptables -t "
    "raw -vnL PREROUTING` 显示 Docker 28 及以后版本丢弃的数量",
)


def diagnose(context: Context) -> list[Finding]:
    flows = [flow for flow in inner_destinations(context) if context.points[flow.point].role in CARD_ROLES]
    key = lambda flow: (flow.point, flow.home, *_container(context, flow.row))  # noqa: E731
    findings = []
    for _, of_container in groupby(sorted(flows, key=key), key=key):
        group = list(of_container)
        published = _published(context, group[0])
        if published and not passed(context, group[0].point, group[0].home, np.array([flow.row for flow in group])):
            findings.append(_finding(context, group, published))
    return findings


def _container(context: Context, row: int) -> tuple[int, int]:
    high, low = context.flows[row, schema.FLOW_DST].tolist()
    return high, low


def _published(context: Context, flow: InnerDestination) -> str:
    """Address and port of the host by which an answered flow was translated to the container; empty if none was."""
    flows, links = context.flows, flow_links(context)
    ends = schema.FLOW_DST
    is_translated = (flows[links.source, schema.FLOW_POINT] == flow.point) & is_answered(context)[links.source]
    is_translated &= (flows[links.target][:, ends] == _container(context, flow.row)).all(axis=1)
    is_translated &= (flows[links.source][:, ends] != flows[links.target][:, ends]).any(axis=1)
    links_there = np.flatnonzero(is_translated)
    if not len(links_there):
        return ""
    row = flows[links.source[links_there[0]]]
    return endpoint_text(destination(row), int(row[schema.FLOW_DPORT]))


def _finding(context: Context, group: list[InnerDestination], published: str) -> Finding:
    flows, rows = context.flows, [flow.row for flow in group]
    sources = sorted({source(flows[row]) for row in rows}, key=address_value)
    protos = sorted({proto_name(int(flows[row, schema.FLOW_PROTO])) for row in rows})
    packets = int(packets_without_duplicates(context)[rows].sum())
    container, point = destination(flows[rows[0]]), context.points[group[0].point].name
    return Finding(
        NAME,
        "warning",
        SAYS.fill(
            packets=packets, protos=several(protos), sources=several(sources), container=container, point=point,
            published=published,
        ),
        FIX.fill(published=published),
        {
            "point": point, "home": context.points[group[0].home].name, "container": container, "published": published,
            "sources": sources[:MAX_EVIDENCE], "protos": protos, "packets": packets,
        },
        hop_evidence(context, rows),
    )  # fmt: skip
