"""Refused before: what is asked for does not arrive where others went on, and a RST answers it all the same.

A firewall's rule makes it (`REJECT --reject-with tcp-reset`). Linux sends the RST of what came in by a port of a bridge
out by that port at once, so that the bridge itself does not show it (nf_send_reset of net/ipv4/netfilter).
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import INITIAL_TTLS, host_of, replies
from capnet.analysis.core.schema import FlowRows, Values
from capnet.analysis.core.wording import Text
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.accepted_syns import RowsByKey
from capnet.analysis.facts.syns.refusals.refused_ports import RefusedPorts
from capnet.analysis.facts.syns.refusals.refusing_answers import refusing_answers
from capnet.analysis.fate.next_points import HOME, HOST, TWIN, chain_of, next_points
from capnet.analysis.fate.refutation import NOTHING, refutations
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value

MAX_CHAINS = 10_000  # that are looked at

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


class _Stops(NamedTuple):
    """Per flow row, where its packets were due and did not come: the point, -1 if none, the rank, the siblings."""

    due: Values
    rank: Values
    siblings: Values


def clue(context: Context, refused: RefusedPorts) -> Clue | None:
    """The point that the requests do not reach."""
    if len(context.points) < 2:
        return None
    stops, ends = _stops(context), _last_hops(context, np.array(refused.rows))
    ways = {*zip(context.flows[ends, schema.FLOW_POINT].tolist(), stops.due[ends].tolist(), strict=True)}
    if len(ways) != 1 or (stops.due[ends] < 0).any():
        return None
    at, next_point = ways.pop()
    if _may_come_from_there(context, refused, at, next_point):
        return None
    point, due = (context.points[number].name for number in (at, next_point))
    is_home = bool((stops.rank[ends] == HOME).all())
    says = (SAYS_HOME if is_home else SAYS).fill(
        point=point, due=due, siblings=int(stops.siblings[ends].max()), address=refused.address
    )
    return Clue(FIX.fill(point=point, due=due), says, {"between": [point, due]}, says_all=True)


@derived
def _stops(context: Context) -> _Stops:
    """Of all refused requests at once: what may refute a stop is looked for among all flows."""
    answers = refusing_answers(context)
    stops = _Stops(*(np.full(len(answers), -1) for _ in _Stops._fields))
    ends = _last_hops(context, distinct(answers[answers >= 0]))[:MAX_CHAINS]
    if len(context.points) < 2 or not len(ends):
        return stops
    points, is_decided = context.flows[ends, schema.FLOW_POINT], np.zeros(len(ends), dtype=bool)
    for ranked in next_points(context, ends):
        is_shown = is_one_of(ranked.rank, (TWIN, HOST, HOME)) & (ranked.point >= 0) & ~is_decided
        is_decided |= is_shown
        is_shown &= ranked.point != points
        if is_shown.any():
            shown, due = ends[is_shown], ranked.point[is_shown]
            stands = refutations(context, shown, due, np.ones(len(shown), dtype=bool)) == NOTHING
            for values, of_rank in zip(stops, (ranked.point, ranked.rank, ranked.siblings), strict=True):
                values[shown[stands]] = of_rank[is_shown][stands]
    return stops


def _last_hops(context: Context, resets: FlowRows) -> FlowRows:
    """The last hop of each request that these rows of answers refuse."""
    requests = replies(context)[resets]
    return _ends_by_chain(context).having(chain_of(context)[requests[requests >= 0]])


@derived
def _ends_by_chain(context: Context) -> RowsByKey:
    ends = np.flatnonzero(flow_links(context).after < 0)
    return RowsByKey.of(chain_of(context)[ends], ends)


def _may_come_from_there(context: Context, refused: RefusedPorts, point: int, due: int) -> bool:
    """May a server refuse what did not pass the next point?

    Behind an address that is translated on the way, each server has a way of its own. And what a rule of this host
    sends has no router behind it, unlike what comes from another host by a way that was not captured.
    """
    flows, links = context.flows, flow_links(context)
    is_here = flows[links.source, schema.FLOW_POINT] == point
    is_here &= flows[links.target, schema.FLOW_POINT] == due
    of_address = np.array(address_value(refused.address))
    is_here &= (flows[links.source[:, None], schema.FLOW_DST] == of_address).all(axis=1)
    is_translated = (flows[links.target[is_here][:, None], schema.FLOW_DST] != of_address).any()
    resets = np.array(refused.rows)
    ttls = flows[resets[flows[resets, schema.FLOW_POINT] == point], schema.FLOW_TTL]
    is_one_host = host_of(context.points[point].name) == host_of(context.points[due].name)
    return bool(is_translated) or (is_one_host and not is_one_of(ttls, INITIAL_TTLS).all())
