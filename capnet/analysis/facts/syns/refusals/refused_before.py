"""Refused before: what is asked for does not arrive where others went on, and a RST answers it all the same.

A firewall's rule makes it (`REJECT --reject-with tcp-reset`). Linux sends the RST of what came in by a port of a bridge
out by that port at once, so that the bridge itself does not show it (nf_send_reset of net/ipv4/netfilter).
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.core.wording import Text
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.refusals.refused_ports import RefusedPorts
from capnet.analysis.fate.next_points import HOME, HOST, TWIN, chain_of, next_points
from capnet.analysis.fate.refutation import NOTHING, refutations

SAYS = Text(
    en="; they do not get from {point} to {due}, where {siblings:other flow} to {address} went on: a firewall in "
    "between refuses them, not {address}",
    zh="；这些连接没有从 {point} 到达 {due}，而到 {address} 的另外 {siblings} 条流从那里通过了：拒绝它们的是其间的防火"
    "墙，不是 {address}",
)
SAYS_HOME = Text(
    en="; they do not get from {point} to {due}, its own interface: a firewall in between refuses them, not {address}",
    zh="；这些连接没有从 {point} 到达它自己的接口 {due}：拒绝它们的是其间的防火墙，不是 {address}",
)
FIX = Text(
    en="look for a rule that rejects with tcp-reset between {point} and {due}: `iptables -vnL | grep tcp-reset`, "
    "`nft list ruleset`",
    zh="在 {point} 和 {due} 之间查找以 tcp-reset 拒绝的规则：`iptables -vnL | grep tcp-reset`、`nft list ruleset`",
)


def clue(context: Context, refused: RefusedPorts) -> Clue | None:
    """The point that the requests do not reach."""
    ends = _last_hops(context, refused)
    for ranked in next_points(context, ends):
        is_shown = np.isin(ranked.rank, (TWIN, HOST, HOME)) & (ranked.point >= 0)
        if not is_shown.all():
            continue
        points = context.flows[ends, schema.FLOW_POINT]
        if len({*zip(points.tolist(), ranked.point.tolist(), strict=True)}) != 1 or (points == ranked.point).any():
            return None
        if (refutations(context, ends, ranked.point, is_shown) != NOTHING).any():
            return None
        point, due = (context.points[int(of[0])].name for of in (points, ranked.point))
        names = {"point": point, "due": due}
        is_home = bool((ranked.rank == HOME).all())
        says = (SAYS_HOME if is_home else SAYS).fill(
            **names, siblings=int(ranked.siblings.max()), address=refused.address
        )
        return Clue(FIX.fill(**names), says, {"between": [point, due]}, says_all=True)
    return None


def _last_hops(context: Context, refused: RefusedPorts) -> FlowRows:
    """The last hop of each request."""
    requests = replies(context)[refused.rows]
    chain = chain_of(context)
    is_of_requests = np.isin(chain, chain[requests[requests >= 0]])
    ends: FlowRows = np.flatnonzero(is_of_requests & (flow_links(context).after < 0))
    return ends
