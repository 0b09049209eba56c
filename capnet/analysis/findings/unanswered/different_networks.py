"""different-networks: a container calls a container of another network on the same host by its own address.

Looks at: flows without an answer from a container on one bridge to an address that is on another bridge of the same
host, which does not show them. Not what comes out of a tunnel, from another host, or into a container that routes.
Says: who calls whom, at which bridge it ends and at which one the callee is.
Wrong when: the callee has two networks, and the shared one was not captured.
Fix: connect both containers to one network. Docker isolates its networks from each other; published ports are reached
by the host's address.
Verify: `docker network inspect NETWORK` for both; `iptables -vnL DOCKER-ISOLATION-STAGE-2`, or `iptables -t raw -vnL
PREROUTING` of Docker 28 and later, count the drops.
"""

from __future__ import annotations

from itertools import groupby

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, proto_name, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.facts.losses.inner_destinations import InnerDestination, inner_destinations, passed
from capnet.analysis.facts.losses.stopped_flows import hop_evidence, stop_level, with_same_ends
from capnet.analysis.fate.chain_values import any_of_chain
from capnet.analysis.fate.interface_points import interface_points
from capnet.topology import INNER_ROLES
from capnet.topology.lookup import endpoints
from capnet.wire.addresses import address_value, mac_text

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault different-networks"
WITNESS = "pcaps/overlay-two.pcapng"  # two networks, of which each container calls its own
EXPLAINS = ("stops-between", "packet-loss", "retransmissions", "connection-unanswered", "handshake-unfinished")

PAGE_ZH = """容器用同一主机上另一个网络的容器自己的地址访问它。

检查：从一个网桥上的容器发往同一主机另一个网桥上的地址、没有应答的流，而那个网桥上看不到它们。不包括从隧道中出来、来自其他
主机的流，也不包括进入做路由的容器的流。
结论：谁访问谁，止于哪个网桥，被访问者在哪个网桥上。
误判：被访问者有两个网络，而共享的那个没有抓包。
处理：把两个容器接入同一个网络。Docker 的网络之间互相隔离；端口映射要用主机地址访问。
验证：对两个网络执行 `docker network inspect NETWORK`；`iptables -vnL DOCKER-ISOLATION-STAGE-2`，Docker 28 及以后版
本用 `iptables -t raw -vnL PREROUTING`，显示丢弃数。
"""

SAYS = Text(
    en="{packets:packet} ({protos}) from {sources} to {destination} end at {point}; {destination} is on another "
    "network, at {home}, which shows none of them: networks are isolated from each other",
    zh="从 {sources} 到 {destination} 的 {packets} 个包（{protos}）止于 {point}；{destination} 在另一个网络上（"
    "{home}），那里一个也看不到：网络之间是隔离的",
)
FIX = Text(
    en="connect both containers to one network (`docker network connect NETWORK CONTAINER`), or call the published "
    "port by the host's address",
    zh="把两个容器接入同一个网络（`docker network connect NETWORK CONTAINER`），或通过主机地址访问端口映射",
)


_OF_CONTAINERS = tuple(role for role in INNER_ROLES if role != "overlay")


def diagnose(context: Context) -> list[Finding]:
    is_of_other_host = any_of_chain(context, context.flows[:, schema.FLOW_VIA] != 0)
    flows = [
        flow
        for flow in inner_destinations(context)
        if context.points[flow.point].role in _OF_CONTAINERS
        and not is_of_other_host[flow.row]
        and not _arrives_in_container(context, flow)
    ]
    key = lambda flow: (flow.point, flow.home, *_receiver(context, flow))  # noqa: E731
    groups = [list(group) for _, group in groupby(sorted(flows, key=key), key=key)]
    return [
        _finding(context, group)
        for group in groups
        if not passed(context, group[0].point, group[0].home, np.array([flow.row for flow in group]))
        and not all(_are_of_one_network(context, flow.row) for flow in group)
    ]


def _arrives_in_container(context: Context, flow: InnerDestination) -> bool:
    """Is it sent to a container's own interface? Then the container routes it on or not, no host between networks."""
    mac = int(context.flows[flow.row, schema.FLOW_DMAC])
    if flow.point in interface_points(context).get(mac, ()):
        return True
    name = context.points[flow.point].name
    return any(
        f"{container.host}/{container.name}/{endpoint.interface}" == name and endpoint.mac == mac_text(mac)
        for container, endpoint in (endpoints(context.topology) if context.topology else ())
    )


def _are_of_one_network(context: Context, row: int) -> bool:
    """Have both ends one prefix, though a host routes between them, as a CNI that gives each pod a link of its own?"""
    flow = context.flows[row]
    prefix, of_host = (schema.FLOW_SRC_HI, schema.FLOW_DST_HI), (schema.FLOW_SRC_LO, schema.FLOW_DST_LO)
    is_one = bool(flow[prefix[0]] == flow[prefix[1]])  # a /64 of IPv6; of IPv4 both halves are one number
    return is_one and (":" in source(flow) or flow[of_host[0]] >> 8 == flow[of_host[1]] >> 8)


def _receiver(context: Context, flow: InnerDestination) -> tuple[int, int]:
    return tuple(context.flows[flow.row, schema.FLOW_DST].tolist())


def _finding(context: Context, group: list[InnerDestination]) -> Finding:
    flows, rows = context.flows, [flow.row for flow in group]
    sources = sorted({source(flows[row]) for row in rows}, key=address_value)
    protos = sorted({proto_name(int(flows[row, schema.FLOW_PROTO])) for row in rows})
    packets = int(packets_without_duplicates(context)[rows].sum())
    point, home = context.points[group[0].point].name, context.points[group[0].home].name
    return Finding(
        NAME,
        stop_level(context, rows, group[0].home),
        SAYS.fill(
            packets=packets, protos=several(protos), sources=several(sources), destination=destination(flows[rows[0]]),
            point=point, home=home,
        ),
        FIX.fill(),
        {
            "point": point, "home": home, "destination": destination(flows[rows[0]]), "sources": sources[:MAX_EVIDENCE],
            "protos": protos, "packets": packets,
        },
        hop_evidence(context, with_same_ends(context, rows)),
    )  # fmt: skip
