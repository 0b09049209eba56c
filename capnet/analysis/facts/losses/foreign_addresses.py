"""Packets that a host forwards and that no longer arrive at the next host, while its own packets do.

Input: flow links, interface points, speakers, next points. Output: `ForeignLoss`es, one for each pair of interfaces.
Method: what is sent to a MAC arrives at its own interface. All that is lost has a source that is not the sender's own
address; all that arrives has one that is. Limits: interfaces of hosts whose points have a host's name; without tunnels.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import source
from capnet.analysis.core.schema import FlowRows, Values
from capnet.analysis.correlate.clocks import flow_spans
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.losses.wire_losses import are_cards_of_two_hosts
from capnet.analysis.fate.interface_points import interface_points
from capnet.analysis.fate.listening import listening
from capnet.analysis.fate.next_points import chain_of, is_answered
from capnet.analysis.fate.refutation import NOTHING, SEEN_THERE, refutations
from capnet.analysis.fate.speakers import speakers
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value

MIN_PACKETS = 3  # in all, of flows that are repeated: a single question may be the last of the capture
MIN_REPEATED = 2  # packets of a flow of the host itself that is lost as well
MAX_ROWS = 10_000


class ForeignLoss(NamedTuple):
    """Forwarded packets that are lost between the interfaces of two hosts."""

    point: int  # where they leave
    due: int  # where they do not arrive
    rows: list[int]  # their last hops
    packets: int
    own_flows: int  # of the sender's own addresses, that arrived and were answered meanwhile


@derived
def foreign_losses(context: Context) -> list[ForeignLoss]:
    """All of them, in order of points."""
    groups: dict[tuple[int, int], list[int]] = {}
    for row, due in _candidates(context):
        groups.setdefault((int(context.flows[row, schema.FLOW_POINT]), due), []).append(row)
    losses = []
    for (point, due), rows in sorted(groups.items()):
        reasons = _reasons(context, rows, due)
        lost = [row for row, reason in zip(rows, reasons.tolist(), strict=True) if reason == NOTHING]
        packets = int(packets_without_duplicates(context)[lost].sum())
        own_flows = _own_flows(context, point, due, lost)
        if SEEN_THERE not in reasons and packets >= MIN_PACKETS and own_flows:
            losses.append(ForeignLoss(point, due, lost, packets, own_flows))
    return losses


def _reasons(context: Context, rows: list[int], due: int) -> Values:
    """What speaks against a loss. That all packets at the other interface have its own address shows no filter there.

    With the same filter the point before would not have shown these packets.
    """
    shared = int(listening(context).filter_address[due])
    speaking = speakers(context, outside_tunnels=True)
    macs = {int(mac) for mac in context.flows[rows, schema.FLOW_DMAC].tolist()}
    own = {address_value(each)[1] for mac in macs if mac in speaking for each in speaking[mac].own}
    return refutations(
        context, np.array(rows), np.full(len(rows), due), np.zeros(len(rows), dtype=bool),
        np.full(len(rows), shared) if shared in own else None,
    )  # fmt: skip


def _candidates(context: Context) -> list[tuple[int, int]]:
    """Flows that a host forwards to the MAC of another one and that get no answer, and the point of that MAC."""
    homes = {mac: points[0] for mac, points in interface_points(context).items() if len(points) == 1}
    if len(homes) < 2:
        return []
    flows, links = context.flows, flow_links(context)
    is_last = (links.after < 0) & (links.before >= 0) & (flows[:, schema.FLOW_VIA] == 0) & ~is_answered(context)
    rows = np.flatnonzero(is_last & (flows[:, schema.FLOW_CARRIES] == 0))[:MAX_ROWS]
    columns = [schema.FLOW_POINT, schema.FLOW_SMAC, schema.FLOW_DMAC]
    candidates = []
    for row, (point, sender, receiver) in zip(rows.tolist(), flows[rows][:, columns].tolist(), strict=True):
        due = homes.get(receiver, -1)
        is_between = due >= 0 and homes.get(sender) == point and are_cards_of_two_hosts(context, point, due)
        if is_between and _is_forwarded(context, row, sender):
            candidates.append((row, due))
    return candidates


def _is_forwarded(context: Context, row: int, mac: int) -> bool:
    """Is a source, by all points, an address that the MAC only passes on?"""
    address, speaker = source(context.flows[row]), speakers(context, outside_tunnels=True).get(mac)
    return speaker is not None and address in speaker.forwarded and address not in speaker.claimed


def _own_flows(context: Context, point: int, due: int, lost: list[int]) -> int:
    """Answered flows of the sender's own addresses that arrive meanwhile; 0 if others arrive too."""
    flows, links, (first, last) = context.flows, flow_links(context), flow_spans(context)
    is_between = (flows[links.source, schema.FLOW_POINT] == point) & (flows[links.target, schema.FLOW_POINT] == due)
    arrived = links.source[is_between]
    arrived = arrived[flows[arrived, schema.FLOW_VIA] == 0]
    if not lost or _any_forwarded(context, arrived) or _loses_own(context, point, lost):
        return 0
    arrived = arrived[is_answered(context)[arrived] & (last[arrived] >= first[lost].min())]
    return len(set(chain_of(context)[arrived].tolist()))


def _loses_own(context: Context, point: int, lost: list[int]) -> bool:
    """Do repeated packets of the sender's own addresses to the same MACs end at the point without an answer too?"""
    flows = context.flows
    is_same = (flows[:, schema.FLOW_POINT] == point) & is_among(
        flows[:, schema.FLOW_DMAC], flows[lost, schema.FLOW_DMAC]
    )
    is_same &= (flow_links(context).after < 0) & (flows[:, schema.FLOW_VIA] == 0) & ~is_answered(context)
    rows = np.flatnonzero(is_same & (packets_without_duplicates(context) >= MIN_REPEATED))
    return any(not _is_forwarded(context, row, int(flows[row, schema.FLOW_SMAC])) for row in rows.tolist())


def _any_forwarded(context: Context, rows: FlowRows) -> bool:
    """Do some of these flows have a source that their MAC does not own?"""
    speaking = speakers(context, outside_tunnels=True)
    owned: dict[int, set[str]] = {}
    for row in rows.tolist():
        mac = int(context.flows[row, schema.FLOW_SMAC])
        speaker = speaking.get(mac)
        owned.setdefault(mac, set() if speaker is None else {*speaker.own, *speaker.claimed})
        if source(context.flows[row]) not in owned[mac]:
            return True
    return False
