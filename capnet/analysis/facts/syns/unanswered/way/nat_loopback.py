"""NAT loopback: DNAT leads the SYNs back to the network of their client; answers go past the host that translates.

Method: they leave by the interface by which they came, to a neighbour of their sender, and keep the address of the
sender, whose own MAC the point shows. Limits: not at a bridge, which may translate what passes it (br_netfilter), nor
where a point shows several links.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.wording import Text, several
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.layer2.vlans import shows_several_links
from capnet.analysis.facts.syns.service_groups import ServiceGroup
from capnet.analysis.facts.unanswered import is_same_network
from capnet.analysis.fate.speakers import speakers

SAYS = Text(
    en="; they leave by the interface by which they came, and {client} is a neighbour of {server}, whose answers go to "
    "it directly, past the host that translates",
    zh="；它们从进来的接口离开，而 {client} 与 {server} 在同一网络，{server} 的应答会绕过做转换的主机直接发给它",
)
FIX = Text(
    en="let the answers come back by the host that translates: `iptables -t nat -A POSTROUTING -s NETWORK -d "
    "{server} -j MASQUERADE` on it (NAT loopback, hairpin NAT); or let {client} ask {server} itself (its name has "
    "that address inside)",
    zh="让应答经过做转换的主机返回：在该主机上 `iptables -t nat -A POSTROUTING -s NETWORK -d {server} -j "
    "MASQUERADE`（NAT loopback、hairpin NAT）；或让 {client} 直接访问 {server}（在内部把名称解析为该地址）",
)


def clue(context: Context, group: ServiceGroup) -> Clue | None:
    """That the host must masquerade them, too."""
    if not group.backends:
        return None
    if not all(_are_answered_past_host(context, of.rows, of.last_rows) for of in group.services):
        return None
    return Clue(
        FIX.fill(client=group.client, server=group.server),
        SAYS.fill(client=several(group.clients), server=group.server),
    )


def _are_answered_past_host(context: Context, rows: list[int], last_rows: list[int]) -> bool:
    """Would the answers to these SYNs, `last_rows` behind DNAT, go to their senders directly?"""
    flows = context.flows
    points = set(flows[[*rows, *last_rows], schema.FLOW_POINT].tolist())
    if len(points) != 1 or not {source(flows[row]) for row in last_rows} <= {source(flows[row]) for row in rows}:
        return False
    (point,) = points
    if context.points[point].role == "bridge" or shows_several_links(context)[point]:
        return False
    return all(_is_sent_by_its_owner(context, point, row) for row in rows) and all(
        is_same_network(flows[row]) and source(flows[row]) != destination(flows[row]) for row in last_rows
    )


def _is_sent_by_its_owner(context: Context, point: int, row: int) -> bool:
    speaker = speakers(context, point).get(int(context.flows[row, schema.FLOW_SMAC]))
    return speaker is not None and source(context.flows[row]) in speaker.own
