"""paused-container: what is sent to a container is not answered, because Docker has paused it.

Looks at: TCP connections and datagrams to addresses of a container that the topology lists as paused, when no byte of
data comes from these addresses at any point. Its kernel still acknowledges; its programs do not run.
Says: how many flows reach it in vain.
Wrong when: it went on before the packets were sent, and its programs had nothing to say.
Fix: `docker unpause NAME`.
Verify: `docker ps` shows `(Paused)`.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FlowMask
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.correlate.link_building import flow_links
from capnet.topology import Container
from capnet.wire.addresses import address_value
from capnet.wire.numbers import TCP, UDP

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = None  # the containers of the scenarios run
WITNESS = "pcaps/bridge.pcapng"  # containers that answer
EXPLAINS = ("request-unanswered", "connection-unanswered", "handshake-unfinished", "retransmissions", "server-slow")

PAGE_ZH = """发给某个容器的包得不到应答，因为 Docker 暂停了它。

检查：发往某个容器地址的 TCP 连接和 UDP 报文，拓扑说明该容器已暂停，而在任何抓包点都没有来自这些地址的数据。它的内核仍
会确认，它的程序不运行。
结论：有多少条流到达它而没有结果。
误判：它在发送这些包之前已恢复，而它的程序没有数据要发。
处理：`docker unpause NAME`。
验证：`docker ps` 显示 `(Paused)`。
"""

SAYS = Text(
    en="{flows:flow} to {container} ({address}) got no byte of data back: Docker has paused this container, and its "
    "programs do not run",
    zh="到 {container}（{address}）的 {flows} 条流没有得到任何数据：Docker 暂停了这个容器，它的程序不运行",
)
FIX = Text(en="`docker unpause {container}`", zh="`docker unpause {container}`")

PAUSED = "paused"
MAX_CONTAINERS = 100  # paused ones that are looked at


def diagnose(context: Context) -> list[Finding]:
    containers = context.topology.containers if context.topology else []
    paused = [container for container in containers if container.state == PAUSED][:MAX_CONTAINERS]
    findings = [_of_container(context, container) for container in paused]
    return [finding for finding in findings if finding is not None]


def _of_container(context: Context, container: Container) -> Finding | None:
    flows = context.flows
    addresses = [ip for endpoint in container.endpoints for ip in endpoint.ips]
    is_from, is_to = (_is_any(context, addresses, high, low) for high, low in (schema.FLOW_SRC, schema.FLOW_DST))
    carries = is_one_of(flows[:, schema.FLOW_PROTO], (TCP, UDP))
    if (is_from & carries & (flows[:, schema.FLOW_PAYLOAD] > 0)).any():
        return None  # it has gone on
    asks = (flows[:, schema.FLOW_PROTO] == UDP) | (flows[:, schema.FLOW_SYNS] > 0)
    rows = np.flatnonzero(is_to & carries & asks)
    if not len(rows):
        return None
    first_hops = rows[flow_links(context).before[rows] < 0]
    first_frames = context.first_frames(rows)
    return Finding(
        NAME,
        "error",
        SAYS.fill(flows=len(first_hops), container=container.name, address=destination(flows[rows[0]])),
        FIX.fill(container=container.name),
        {"container": container.name, "address": destination(flows[rows[0]]), "flows": len(first_hops)},
        sorted(first_frames)[:MAX_EVIDENCE],
    )


def _is_any(context: Context, addresses: list[str], high: int, low: int) -> FlowMask:
    mask: FlowMask = np.zeros(len(context.flows), dtype=bool)
    for address in addresses:
        first, second = address_value(address)
        mask |= (context.flows[:, high] == first) & (context.flows[:, low] == second)
    return mask
