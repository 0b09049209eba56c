"""macvlan-host-isolation: a host cannot reach the macvlan children of its own interface.

Looks at: ARP requests of a parent interface's host for a station behind that interface that answers all others
(`facts.layer2.host_isolation`), and questions of either for the other, both of whom are answered by others
(`facts.neighbours.isolated_pairs`).
Says: which host asked for which of its own macvlan children, or which child for its host. The kernel passes no frames
between a parent's host and its macvlan children, so this can only fail.
Wrong when: the station was unreachable for another reason at that time, or the asking host is another one on the wire.
Fix: by design; give the host a macvlan interface of its own on that parent, with a route to the children.
Verify: `ip link add shim link PARENT type macvlan mode bridge`, an address and a route on it; then ping the child.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import ARP_FIRST_FRAME, ARP_OPERATION, ARP_POINT, ARP_SENDER_LO, ARP_TARGET_LO
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.facts.layer2.host_isolation import IsolatedChild, isolated_children
from capnet.analysis.facts.neighbours.isolated_pairs import IsolatedPair, isolated_pairs
from capnet.wire.addresses import address_value
from capnet.wire.numbers import ARP_REQUEST

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = "macvlan"
WITNESS = "pcaps/ipvlan-l2.pcapng"  # children of a parent that answers their host
EXPLAINS = ("connection-unanswered", "handshake-unfinished")

PAGE_ZH = """主机到不了自己接口上的 macvlan 子接口。

检查：父接口所在主机对该接口后面一个站点的 ARP 请求，而该站点应答所有其他主机（`facts.layer2.host_isolation
`）；以及双方互相的询问，而双方都有其他主机应答（`facts.neighbours.isolated_pairs`）。
结论：哪台主机询问了自己的哪个 macvlan 子接口，或哪个子接口询问了它的主机。内核不在父接口的主机和它的 macvlan 子接口
之间传递帧，因此只会失败。
误判：当时该站点因其他原因不可达，或询问的主机是线路上的另一台。
处理：设计如此；在主机的该父接口上建一个自己的 macvlan 接口，并加到子接口的路由。
验证：`ip link add shim link PARENT type macvlan mode bridge`，给它地址和路由；然后 ping 子接口。
"""

SAYS = Text(
    en="{host} asked for {child} by ARP {requests:time}: a macvlan child of its own parent interface, out of its reach",
    zh="{host} 用 ARP 询问 {child} 共 {requests} 次：后者是主机自己父接口上的 macvlan 子接口，主机到不了",
)
CHILD_SAYS = Text(
    en="{child} asked for {host} by ARP {requests:time}: it is a macvlan child of that host's own parent interface, "
    "out of its reach",
    zh="{child} 用 ARP 询问 {host} 共 {requests} 次：前者是该主机父接口上的 macvlan 子接口，到不了自己的主机",
)
FIX = Text(
    en="by design; give the host a macvlan interface of its own on that parent interface with a route to the children, "
    "or reach them from another machine",
    zh="设计如此；在主机的该父接口上建一个自己的 macvlan 接口，并加到子接口的路由；或从另一台机器访问它们",
)


def diagnose(context: Context) -> list[Finding]:
    findings = [
        Finding(
            NAME,
            "warning",
            SAYS.fill(host=isolated.host, child=isolated.child, requests=isolated.requests),
            FIX.fill(),
            {
                "host": isolated.host,
                "child": isolated.child,
                "point": context.points[isolated.point].name,
                "requests": isolated.requests,
            },
            [context.evidence(isolated.point, frame) for frame in _request_frames(context, isolated)],
        )
        for isolated in isolated_children(context)
    ]
    children = {(isolated.host, isolated.child) for isolated in isolated_children(context)}
    pairs = [pair for pair in isolated_pairs(context) if (pair.host, pair.child) not in children]
    return findings + [_of_pair(context, pair) for pair in pairs]


def _of_pair(context: Context, pair: IsolatedPair) -> Finding:
    exchange = pair.exchange
    text = CHILD_SAYS if exchange.asker == pair.child else SAYS
    return Finding(
        NAME,
        "warning",
        text.fill(host=pair.host, child=pair.child, requests=exchange.requests),
        FIX.fill(),
        {
            "host": pair.host, "child": pair.child, "point": context.points[exchange.point].name,
            "requests": exchange.requests,
        },
        [context.evidence(exchange.point, exchange.request_frame)],
    )  # fmt: skip


def _request_frames(context: Context, isolated: IsolatedChild) -> list[int]:
    arps = context.arps
    rows = (arps[:, ARP_POINT] == isolated.point) & (arps[:, ARP_OPERATION] == ARP_REQUEST)
    for column, address in ((ARP_SENDER_LO, isolated.host), (ARP_TARGET_LO, isolated.child)):
        rows &= arps[:, column] == address_value(address)[1]
    return [int(frame) for frame in np.sort(arps[rows, ARP_FIRST_FRAME])[:MAX_EVIDENCE]]
