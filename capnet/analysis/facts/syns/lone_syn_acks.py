"""SYN-ACKs that a server sends again, at a point that shows nothing of its clients: their direction is not there.

Input: the flow rows of one point that were sent again. Output: a clue, None where one of them is no SYN-ACK, or a
packet of one of their clients is seen there.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, hash_of, is_among, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.wording import Text, endpoint_text, several
from capnet.analysis.facts.clues import Clue
from capnet.wire.addresses import address_value
from capnet.wire.numbers import TCP_ACK, TCP_CWR, TCP_ECE, TCP_SYN

SYN_ACKS = Text(
    en=": all of them are SYN-ACKs of {servers} to {clients}, which nothing acknowledges; no packet of {clients} is "
    "seen there: that direction takes another way, or was not recorded, or SYNs were sent in their name (a SYN flood)",
    zh="：它们都是 {servers} 发给 {clients} 的 SYN-ACK，没有得到确认；那里看不到 {clients} 的任何包：该方向走了另一条"
    "路，或没有被记录，或有人以它们的名义发送 SYN（SYN flood）",
)
FIX_SYN_ACKS = Text(
    en="see by which interface the SYNs come in (`tcpdump -ni any host {client}`): if it is another one, let the "
    "answers leave by it (`ip route get {client}`, `ip rule add from ADDRESS table N`); a firewall with state, "
    "rp_filter or NAT on the way drops answers to SYNs that it did not see. If it is the same, the answers are lost "
    "behind {point}",
    zh="查看 SYN 从哪个接口进来（`tcpdump -ni any host {client}`）：如果是另一个接口，让应答从那里离开（`ip route get "
    "{client}`、`ip rule add from ADDRESS table N`）；途中有状态的防火墙、rp_filter 或 NAT 会丢弃它们没有看到 SYN 的应"
    "答。如果是同一个，则应答在 {point} 之后丢失",
)


def lone_syn_acks(context: Context, resent_rows: list[int]) -> Clue | None:
    """Servers answer clients of which the point shows nothing, and the clients do not go on."""
    flows = context.flows
    rows = np.array(resent_rows)
    is_syn_ack = flows[rows, schema.FLOW_TCP_FLAGS] & ~(TCP_ECE | TCP_CWR) == TCP_SYN | TCP_ACK
    if not is_syn_ack.all():
        return None
    at_point = np.flatnonzero(is_one_of(flows[:, schema.FLOW_POINT], distinct(flows[rows, schema.FLOW_POINT])))
    sources, receivers = (hash_of(flows, *of) for of in ((schema.FLOW_SRC, at_point), (schema.FLOW_DST, rows)))
    if is_among(receivers.view(np.int64), sources.view(np.int64)).any():
        return None
    point = context.points[int(flows[rows[0], schema.FLOW_POINT])].name
    clients = sorted({destination(flow) for flow in flows[rows]}, key=address_value)
    servers = {endpoint_text(source(flow), int(flow[schema.FLOW_SPORT])) for flow in flows[rows]}
    says = SYN_ACKS.fill(servers=several(sorted(servers)), clients=several(clients))
    return Clue(FIX_SYN_ACKS.fill(client=clients[0], point=point), says, {"syn_acks_to": len(clients)})
