"""What ARP shows about a segment: addresses claimed by several MACs, requests without an answer, broadcasts.

Requests a minute apart prove nothing, because on a switched network the answers to others are not seen. Requests a
second apart repeat a request that got no answer (RFC 1122 section 2.3.2.1 limits them to one a second).
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import are_multicast_macs
from capnet.analysis.facts.layer2.model import Claims, ClaimSpan
from capnet.analysis.facts.layer2.rival_stations import false_claims
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text, address_value
from capnet.wire.numbers import ARP_REQUEST

MAX_ARP_RETRY_NS = 2_000_000_000  # Linux repeats an unanswered request after one second; twice that for slow hosts
MIN_REPEATED_REQUESTS = 3  # Linux gives up after three: fewer may have been answered
MAX_REPEATED_PAIRS = 256  # of asker and target that are looked at: one host's network has no more


class ArpPair(NamedTuple):
    """Who asks for whom, as IPv4 addresses."""

    asker: str
    target: str


def rival_claims(context: Context) -> list[Claims]:
    """Addresses that several MACs claim, by point and VNI. A probe without a sender address claims none (RFC 5227);
    what a forger says, or a host in the name of its guests, is left out.
    """
    columns = [
        schema.ARP_POINT, schema.ARP_VIA, schema.ARP_VIA_VNI, schema.ARP_SENDER_LO, schema.ARP_SENDER_MAC,
        schema.ARP_FIRST, schema.ARP_LAST, schema.ARP_FIRST_FRAME,
    ]  # fmt: skip
    rows = context.arps[:, columns]
    _, sender_index, rows_of_sender = np.unique(rows[:, 3], return_inverse=True, return_counts=True)
    rows = rows[rows_of_sender[sender_index.reshape(-1)] > 1]  # an address in one row has one claimant
    not_its_own = false_claims(context)
    claims: dict[tuple[int, int, int], dict[int, ClaimSpan]] = {}
    for point, via, vni, sender, mac, first, last, frame in rows.tolist():
        if sender & 0xFFFFFFFF and mac > 0 and ((point, via, vni), sender, mac) not in not_its_own:
            by_mac = claims.setdefault((point, vni, sender), {})
            span = by_mac.get(mac, ClaimSpan(first, last, frame))
            by_mac[mac] = ClaimSpan(min(span.first, first), max(span.last, last), min(span.frame, frame))
    return [
        Claims(point, address_text(0, sender), by_mac)
        for (point, _, sender), by_mac in sorted(claims.items())
        if len(by_mac) > 1
    ]


def last_broadcasts(context: Context) -> dict[int, dict[int, int]]:
    """Point → MAC → time (ns) of its last frame to a group there: ARP requests, IP multicast and broadcast."""
    times: dict[int, dict[int, int]] = {}

    def note(point: int, mac: int, last: int) -> None:
        at_point = times.setdefault(point, {})
        at_point[mac] = max(at_point.get(mac, last), last)

    arps, flows = context.arps, context.flows
    is_request = (arps[:, schema.ARP_VIA] == 0) & (arps[:, schema.ARP_OPERATION] == ARP_REQUEST)
    for row in arps[is_request][:, [schema.ARP_POINT, schema.ARP_SENDER_MAC, schema.ARP_LAST]].tolist():
        note(*row)
    source_mac, destination_mac = flows[:, schema.FLOW_SMAC], flows[:, schema.FLOW_DMAC]
    to_group = (flows[:, schema.FLOW_VIA] == 0) & (source_mac > 0) & (destination_mac > 0)
    to_group &= are_multicast_macs(destination_mac)
    for row in flows[to_group][:, [schema.FLOW_POINT, schema.FLOW_SMAC, schema.FLOW_LAST]].tolist():
        note(*row)
    return times


def unanswered_requests(context: Context, point: int, asker: str, target: str) -> int:
    """Number of ARP requests of `asker` for `target` at a point; 0 if an answer was seen at any point."""
    asker_lo, target_lo = address_value(asker)[1], address_value(target)[1]
    arps = context.arps[context.arps[:, schema.ARP_VIA] == 0]
    is_request = arps[:, schema.ARP_OPERATION] == ARP_REQUEST
    sender, asked = arps[:, schema.ARP_SENDER_LO], arps[:, schema.ARP_TARGET_LO]
    if (~is_request & (sender == target_lo) & (asked == asker_lo)).any():
        return 0
    requests = is_request & (sender == asker_lo) & (asked == target_lo) & (arps[:, schema.ARP_POINT] == point)
    return int(arps[requests, schema.ARP_PACKETS].sum())


def repeated_requests(context: Context, point: int) -> list[ArpPair]:
    """Unanswered ARP requests at a point that were repeated as fast as a host without an answer does."""
    arps = context.arps
    packets = arps[:, schema.ARP_PACKETS]
    mean_gaps_ns = (arps[:, schema.ARP_LAST] - arps[:, schema.ARP_FIRST]) / np.maximum(packets - 1, 1)
    is_request = (arps[:, schema.ARP_VIA] == 0) & (arps[:, schema.ARP_OPERATION] == ARP_REQUEST)
    is_repeated = is_request & (arps[:, schema.ARP_POINT] == point)
    is_repeated &= (packets >= MIN_REPEATED_REQUESTS) & (mean_gaps_ns <= MAX_ARP_RETRY_NS)
    ends = arps[is_repeated][:MAX_REPEATED_PAIRS][:, [schema.ARP_SENDER_LO, schema.ARP_TARGET_LO]].tolist()
    pairs = [ArpPair(address_text(0, sender), address_text(0, target)) for sender, target in ends]
    return [pair for pair in pairs if unanswered_requests(context, point, *pair)]
