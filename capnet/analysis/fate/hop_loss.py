"""How many packets were lost on a flow link, in packets of the flow before it.

Input: what `correlate.loss` counted for the link: packets and octets that are missing at the later point.
Method: if every packet was compared, the count is exact. If a sample was compared, the octets that both flows counted
decide first, then the share of the sample that is missing.
A point that does not record all that passes it tells nothing of loss before it (`unrecorded_packets`), nor do pure ACKs
alone between interfaces of a capture at `any`. Nothing is lost of echo requests that got as many replies; where a few
packets come back to a point in a tunnel, the others are not lost.
Limits: offload cuts TCP differently from point to point, and then packets of two points cannot be subtracted.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import ICMP_PROTOCOLS, is_to_group, replies
from capnet.analysis.core.schema import FlowRow
from capnet.analysis.correlate.flow_links import Links
from capnet.analysis.fate.unrecorded.any_drops import (
    are_of_one_capture_at_any,
    misses_packets_at_any,
    missing_before_silences,
)
from capnet.analysis.fate.unrecorded.unrecorded_packets import (
    misses_packets,
    most_lost,
    seen_at_later_hops,
    were_sent_again,
)
from capnet.wire.numbers import TCP, UDP

MAX_UNCOUNTED = 2  # datagrams: more would be missed at several moments
ETHERNET_MTU = 1500  # octets: larger IP packets are offload segments, not yet cut or joined again


def lost_packets(context: Context, links: Links, link: int) -> int | None:
    """Packets of the hop before that are missing at this one while it was listening; None if unknown.

    Multicast and broadcast packets go only where a receiver is: what is missing elsewhere is not lost.
    """
    missing = int(links.missing[link]) - seen_at_later_hops(context, link)
    if missing and context.flows[links.source[link], schema.FLOW_PROTO] != TCP:  # which sends again what was lost
        missing = max(missing - missing_before_silences(context, link), 0)
    octets = int(links.missing_bytes[link])
    before, after = context.flows[links.source[link]], context.flows[links.target[link]]
    if not missing and octets <= 0:
        return missing
    if is_to_group(before) or _returns_in_tunnel(before, after) or _may_be_unrecorded(context, links, link):
        return None
    if _are_all_answered(context, link, links):
        return 0
    lost: int | None = missing
    if context.sample_share < 1.0:
        lost = _lost_of_sample(before, after, missing, octets, context.sample_share)
    return _proven(context, links, link, lost) if lost else lost


def _returns_in_tunnel(before: FlowRow, after: FlowRow) -> bool:
    """Does a point show in a tunnel what it showed outside of it, and of most packets does not?"""
    is_one_point = before[schema.FLOW_POINT] == after[schema.FLOW_POINT]
    is_deeper = after[schema.FLOW_DEPTH] > before[schema.FLOW_DEPTH]
    return bool(is_one_point and is_deeper and 2 * after[schema.FLOW_PACKETS] < before[schema.FLOW_PACKETS])


def _are_all_answered(context: Context, link: int, links: Links) -> bool:
    """Have these messages of ICMP as many answers at a hop of their path? A lost one has none.

    Likewise datagrams of which a capture at `any`, whose drops are unknown, misses one or two: streams that go both
    ways at one rate, as of calls, have as many packets by chance, and lose more.
    """
    row = int(links.source[link])
    is_few = links.missing[link] <= MAX_UNCOUNTED and are_of_one_capture_at_any(context, link)
    protocol = context.flows[row, schema.FLOW_PROTO]
    if protocol not in ICMP_PROTOCOLS and not (protocol == UDP and is_few):
        return False
    answers = replies(context)[[row, *links.target[links.chain(link)].tolist()]]
    packets, of_answers = int(context.flows[row, schema.FLOW_PACKETS]), context.flows[answers[answers >= 0]]
    if protocol == UDP:
        return bool((of_answers[:, schema.FLOW_PACKETS] >= packets).any())
    return packets in of_answers[:, schema.FLOW_PACKETS]


def _may_be_unrecorded(context: Context, links: Links, link: int) -> bool:
    """Are pure ACKs all that is missing between two interfaces of one capture at `any`, whose drops are unknown?

    The host passed all octets of the flow, and would have to lose ACKs alone; a full buffer of the capture drops them
    as it drops what is told by `misses_packets`.
    """
    has_octets = context.flows[links.source[link], schema.FLOW_PAYLOAD] > 0 and links.missing_bytes[link] == 0
    is_acks_alone = links.missing_acks[link] >= links.missing[link]
    return bool(has_octets and is_acks_alone and are_of_one_capture_at_any(context, link))


def _proven(context: Context, links: Links, link: int, lost: int) -> int | None:
    """Of packets that seem lost, those that the point did not only fail to record; None if that is unknown."""
    point = int(context.flows[links.target[link], schema.FLOW_POINT])
    if (misses_packets(context) | misses_packets_at_any(context))[point] or lost <= (
        context.points[point].dropped or 0
    ):
        return None
    most = int(most_lost(context)[links.source[link]])
    sent_once = lost - int(links.missing_acks[link])  # no host sends a pure ACK again
    if 0 <= most < sent_once and not were_sent_again(context, links, link):
        return most or None
    return lost


def _lost_of_sample(before: FlowRow, after: FlowRow, missing: int, octets: int, sample_share: float) -> int | None:
    """Lost packets, estimated from a sample; `octets` is -1 where they are unknown."""
    tcp = before[schema.FLOW_PROTO] == TCP
    largest_before, largest_after = before[schema.FLOW_LARGEST_IP], after[schema.FLOW_LARGEST_IP]
    is_offloaded = tcp and (largest_before != largest_after or largest_before > ETHERNET_MTU)
    if octets == 0 and tcp:
        return 0
    if octets >= 0 and not is_offloaded:
        return max(int(before[schema.FLOW_PACKETS] - after[schema.FLOW_PACKETS]), 0)
    if octets > 0:  # as many packets as the missing octets fill, by the mean payload of the flow
        return max(1, round(octets * int(before[schema.FLOW_PACKETS]) / int(before[schema.FLOW_PAYLOAD])))
    if missing and tcp:
        counters = (schema.FLOW_PAYLOAD, schema.FLOW_FIRST_SEQ, schema.FLOW_NEXT_SEQ)
        same_bytes = all(before[column] == after[column] for column in counters)
        if same_bytes and before[schema.FLOW_PACKETS] != after[schema.FLOW_PACKETS]:
            return 0
        if largest_before != largest_after or same_bytes:
            return None
    return round(missing / sample_share)
