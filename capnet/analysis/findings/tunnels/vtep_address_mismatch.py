"""vtep-address-mismatch: a host sends a tunnel's packets from one address, and its peers send theirs to another one.

Looks at: tunnels whose packets arrive at a host and do not come out there, while the host sends packets of the same
tunnel, from the same MAC, with an address that no peer sends to.
Says: which address the host sends from, which one its peers send to, and in which tunnel.
Wrong when: the host has two interfaces for the tunnel, and the other half was not captured.
Fix: let the node advertise the address that it sends from. In a Swarm, leave and join again with `--data-path-addr`.
Verify: `docker info -f '{{.Swarm.NodeAddr}}'` on the node, `bridge fdb show dev vxlan0` on its peers (in the overlay's
namespace), and `ip -d link show type vxlan` name the same address.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.overlay.arrivals import undelivered
from capnet.analysis.facts.overlay.insides import Inside
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value, mac_text
from capnet.wire.protocols import KIND_OF_NUMBER

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = None  # each host of the lab has one address
WITNESS = "pcaps/overlay.pcapng"  # both hosts use one address each
EXPLAINS = (
    "tunnel-not-decapsulated", "tunnel-one-way", "stops-between", "packet-loss", "connection-unanswered",
    "handshake-unfinished",
)  # fmt: skip
IS_OF_TUNNEL = True

PAGE_ZH = """主机从一个地址发送隧道的包，而对端发往它的另一个地址。

检查：包到达主机而没有解封装出来的隧道，同时该主机以同一 MAC、用没有对端发往的地址发送同一隧道的包。
结论：主机从哪个地址发送，对端发往哪个地址，在哪个隧道中。
误判：主机有两个接口用于隧道，而另一半没有抓包。
处理：让节点通告它发送所用的地址。在 Swarm 中，离开后用 `--data-path-addr` 重新加入。
验证：节点上的 `docker info -f '{{.Swarm.NodeAddr}}'`、对端（overlay 的命名空间中）的 `bridge fdb show dev vxlan0`
以及 `ip -d link show type vxlan` 显示同一个地址。
"""

SAYS = Text(
    en="{tunnel}: {mac} at {point} sends from {own}, and {peers} sends to {addressed}: nothing of that comes out of "
    "the tunnel ({packets:packet})",
    zh="{tunnel}：{point} 上的 {mac} 从 {own} 发送，而 {peers} 发往 {addressed}：这些包没有一个解封装出来（{packets}"
    " 个包）",
)
FIX = Text(
    en="let the node advertise {own}: `docker swarm leave`, then `docker swarm join --data-path-addr {own}` (flannel: "
    "`--iface`; `bridge fdb show dev vxlan0` on the peers shows the address that they send to)",
    zh="让节点通告 {own}：`docker swarm leave`，然后 `docker swarm join --data-path-addr {own}`（flannel：`--iface`"
    "；在对端 `bridge fdb show dev vxlan0` 显示它们发往的地址）",
)

MIN_PACKETS = 2  # a single one may be the last of the capture


class _Ends(NamedTuple):
    """What the carriers of a tunnel show at a host's interface."""

    mac: int  # of the host
    own: list[str]  # addresses that it sends from
    addressed: list[str]  # addresses that its peers send to
    peers: list[str]
    rows: list[int]  # the first flow of each direction


def diagnose(context: Context) -> list[Finding]:
    findings: dict[tuple[object, ...], Finding] = {}
    for inside, arrivals in undelivered(context).items():
        packets = int(arrivals.packets[arrivals.is_heard].sum())
        ends = _ends(context, inside) if packets >= MIN_PACKETS else None
        if ends is not None:
            of_tunnel = (inside.via, inside.vni, ends.mac)  # another point may show the same
            findings.setdefault(of_tunnel, _finding(context, inside, ends, packets))
    return list(findings.values())


def _ends(context: Context, inside: Inside) -> _Ends | None:
    """Both directions of a tunnel at a host whose addresses in them have nothing in common; else None."""
    flows = context.flows
    carries = (flows[:, schema.FLOW_POINT] == inside.outer) & (flows[:, schema.FLOW_CARRIES] == inside.via)
    carries &= (flows[:, schema.FLOW_CARRIES_VNI] == inside.vni) | (flows[:, schema.FLOW_OTHER_VNIS] > 0)
    rows = np.flatnonzero(carries & (flows[:, schema.FLOW_SMAC] > 0))
    both = rows[is_among(flows[rows, schema.FLOW_SMAC], flows[rows, schema.FLOW_DMAC])]
    for mac in sorted(set(flows[both, schema.FLOW_SMAC].tolist())):
        sent, received = (rows[flows[rows, column] == mac] for column in (schema.FLOW_SMAC, schema.FLOW_DMAC))
        own, addressed = {source(flows[row]) for row in sent}, {destination(flows[row]) for row in received}
        peers = {source(flows[row]) for row in received}
        # Behind a router, the router's MAC would send from the peers' addresses: to them the host sends.
        if own & addressed or not peers & {destination(flows[row]) for row in sent}:
            continue
        own_list, addressed_list, peer_list = (sorted(ends, key=address_value) for ends in (own, addressed, peers))
        return _Ends(mac, own_list, addressed_list, peer_list, [int(sent[0]), int(received[0])])
    return None


def _finding(context: Context, inside: Inside, ends: _Ends, packets: int) -> Finding:
    kind, vni = KIND_OF_NUMBER[inside.via], inside.vni if inside.vni >= 0 else None
    point = context.points[inside.outer].name
    frames = [context.evidence(inside.outer, int(context.flows[row, schema.FLOW_FIRST_FRAME])) for row in ends.rows]
    return Finding(
        NAME,
        "error",
        SAYS.fill(
            tunnel=kind.titled(vni), mac=mac_text(ends.mac), point=point, own=several(ends.own),
            peers=several(ends.peers), addressed=several(ends.addressed), packets=packets,
        ),
        FIX.fill(own=ends.own[0]),
        {
            "point": point, "kind": kind.name, "vni": vni, "mac": mac_text(ends.mac),
            "sends_from": ends.own[:MAX_EVIDENCE], "peers_send_to": ends.addressed[:MAX_EVIDENCE],
            "peers": ends.peers[:MAX_EVIDENCE], "packets": packets,
        },
        sorted(frames),
    )  # fmt: skip
