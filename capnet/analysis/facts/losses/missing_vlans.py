"""VLANs that the network does not carry between the interfaces of two hosts.

Input: exchanges of ARP and Neighbor Discovery, VLAN tags, flow links, when points listened. Output: `MissingVlan`s: two
interfaces, a VLAN and the repeated questions with its tag that only the first one shows. Method: a question for a MAC
goes to all ports of its VLAN. Source: IEEE 802.1Q. Limits: interfaces of hosts whose points have a host's name.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import vlan_ids
from capnet.analysis.core.schema import Mask
from capnet.analysis.correlate.clocks import flow_spans
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.layer2.arp import MAX_ARP_RETRY_NS
from capnet.analysis.facts.losses.wire_losses import are_cards_of_two_hosts
from capnet.analysis.facts.neighbours.exchanges import Exchange, neighbours
from capnet.analysis.fate.interface_points import interface_points
from capnet.analysis.fate.listening import listening
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value
from capnet.wire.numbers import ICMPV6, ICMPV6_NEIGHBOR_SOLICITATION

MIN_QUESTIONS = 2  # without an answer: a single one may be the last of the capture
MAX_QUESTIONS = 1000

_Pair = tuple[str, str, str]


class MissingVlan(NamedTuple):
    """Questions with a VLAN tag at one interface that do not come to another one."""

    point: int
    other: int
    vlan: int
    questions: list[Exchange]
    untagged: int  # flows without a tag that pass between the two meanwhile
    is_heard: bool  # the other point certainly had no filter


@derived
def missing_vlans(context: Context) -> list[MissingVlan]:
    """All of them, by points and VLAN."""
    by_place: dict[tuple[int, int], list[Exchange]] = {}
    for of, vlan in _tagged_questions(context):
        by_place.setdefault((of.point, vlan), []).append(of)
    return [
        missing
        for (point, vlan), questions in sorted(by_place.items())
        for other in range(len(context.points))
        if are_cards_of_two_hosts(context, point, other) and _has_interface(context, other, vlan)
        if (missing := _missing(context, point, other, vlan, questions))
    ]


def _missing(context: Context, point: int, other: int, vlan: int, questions: list[Exchange]) -> MissingVlan | None:
    """`questions`: all with this tag at the point; None if the VLAN, or nothing, passes between the two points."""
    times = listening(context)
    shown = {_pair(of) for of in neighbours(context) if of.point == other}
    answered = {_pair(of) for of in neighbours(context) if of.replies}
    if any(_pair(of) in shown for of in questions) or times.is_dropping[other] or _carries(context, point, other, vlan):
        return None
    repeated = [
        of
        for of in questions
        if _pair(of) not in answered
        and not (of.is_probe or of.is_announcement)
        and of.requests - of.unicast_requests >= MIN_QUESTIONS
        and of.request_gap <= MAX_ARP_RETRY_NS
        and times.since[other] <= of.first_request
        and of.last_request <= times.until[other]
    ]
    kinds = {of.kind for of in neighbours(context) if of.point == other and not of.via}
    untagged = _untagged(context, point, other, repeated)
    if not repeated or not untagged or not {of.kind for of in repeated} <= kinds:
        return None
    return MissingVlan(point, other, vlan, repeated, untagged, bool(times.hears[other].all()))


def _pair(exchange: Exchange) -> _Pair:
    return exchange.kind, exchange.asker, exchange.target


def _tagged_questions(context: Context) -> list[tuple[Exchange, int]]:
    """Questions outside of tunnels that have a VLAN tag, and its id."""
    arps, flows = context.arps, context.flows
    of_message = arps[arps[:, schema.ARP_VLAN] > 0][:, [schema.ARP_POINT, schema.ARP_FIRST_FRAME, schema.ARP_VLAN]]
    ids = {(point, frame): vlan for point, frame, vlan in of_message.tolist()}
    solicitations = (flows[:, schema.FLOW_PROTO] == ICMPV6) & (flows[:, schema.FLOW_VLAN] > 0)
    solicitations &= flows[:, schema.FLOW_KIND] >> 8 == ICMPV6_NEIGHBOR_SOLICITATION
    columns = [schema.FLOW_POINT, *schema.FLOW_SRC, schema.FLOW_VLAN]
    of_asker = {(point, high, low): vlan for point, high, low, vlan in flows[solicitations][:, columns].tolist()}
    if not ids and not of_asker:
        return []
    tagged = []
    for of in [each for each in neighbours(context) if each.requests and not each.via]:
        if of.kind == "arp":
            vlan = ids.get((of.point, of.request_frame), -1)
        else:
            vlan = next(iter(vlan_ids(of_asker.get((of.point, *address_value(of.asker)), -1))), -1)
        if vlan > 0:
            tagged.append((of, vlan))
    return tagged[:MAX_QUESTIONS]


def _has_interface(context: Context, card: int, vlan: int) -> bool:
    """Was the interface of the VLAN on a card captured too, by its name (`ens33.10`), or does the card show its tag?"""
    if any(point.name == f"{context.points[card].name}.{vlan}" for point in context.points):
        return True
    values = context.flows[context.flows[:, schema.FLOW_POINT] == card, schema.FLOW_VLAN]
    arps = context.arps[:, [schema.ARP_POINT, schema.ARP_VLAN]] == (card, vlan)
    return bool(((values >= 0) & (values & 0xFFF == vlan)).any() or arps.all(axis=1).any())


def _between(context: Context, point: int, other: int) -> Mask:
    """Per flow link: does it lead from the one point to the other one, in either direction?"""
    flows, links = context.flows, flow_links(context)
    ends = flows[links.source, schema.FLOW_POINT], flows[links.target, schema.FLOW_POINT]
    mask: Mask = ((ends[0] == point) & (ends[1] == other)) | ((ends[0] == other) & (ends[1] == point))
    return mask


def _carries(context: Context, point: int, other: int, vlan: int) -> bool:
    """Do packets with the tag pass between the two points?"""
    rows = flow_links(context).source[_between(context, point, other)]
    values = set(context.flows[rows, schema.FLOW_VLAN].tolist())
    return any(vlan_ids(value)[:1] == [vlan] for value in values)


def _untagged(context: Context, point: int, other: int, questions: list[Exchange]) -> int:
    """Flows without a tag from card to card, on one link, that pass after the first of these questions."""
    flows, links, (_, last) = context.flows, flow_links(context), flow_spans(context)
    chosen = _between(context, point, other)
    rows = links.target[chosen]
    homes = interface_points(context)
    is_on_link = [flows[row, schema.FLOW_POINT] in homes.get(int(flows[row, schema.FLOW_DMAC]), ()) for row in rows]
    since = min((of.first_request for of in questions), default=0)
    return int(((flows[rows, schema.FLOW_VLAN] < 0) & np.array(is_on_link, dtype=bool) & (last[rows] >= since)).sum())
