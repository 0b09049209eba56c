"""Questions for a MAC that stay in their tunnel: they go to all, and the tunnel device of the receiver shows none.

Input: insides of tunnels, exchanges of ARP and Neighbor Discovery, tunnels, when points listened. Output: by inside of
which nothing came out, the repeated questions without an answer that arrive for it. Method: a frame to all comes out at
the device of each tunnel end that it is sent to. Limits: devices of tunnels; not where packets
between other tunnel ends pass the outer point.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import are_multicast_macs
from capnet.analysis.core.schema import FlowRows, Mask, Values
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.facts.layer2.arp import MAX_ARP_RETRY_NS
from capnet.analysis.facts.neighbours.exchanges import Exchange, neighbours
from capnet.analysis.facts.overlay.insides import Inside
from capnet.analysis.fate.listening import Listening, listening
from capnet.wire.numbers import ICMPV6

MIN_QUESTIONS = 2  # a single one may have its answer behind the capture
_ARP_OUTER = [schema.ARP_POINT, schema.ARP_VIA, schema.ARP_VIA_VNI]


def unheard_questions(context: Context, inside: Inside) -> list[Exchange]:
    """The repeated questions to all that arrive for an inside of which nothing comes out, by asker and target."""
    if context.points[inside.inner].role != "overlay" or not _is_end_of_all(context, inside):
        return []
    times, local = listening(context), set(_local_macs(context, inside.inner).tolist())
    answered = _answered(context)
    is_certain = _shows_groups(context, inside, times)
    return [
        of
        for of in neighbours(context)
        if (of.point, of.via, of.vni) == inside[:3]
        and of.asker_mac > 0
        and of.asker_mac not in local
        and not (of.is_probe or of.is_announcement or (of.kind, of.asker, of.target) in answered)
        and of.requests - of.unicast_requests >= MIN_QUESTIONS
        and of.request_gap <= MAX_ARP_RETRY_NS
        and times.since[inside.inner] <= of.first_request
        and of.last_request <= times.until[inside.inner]
        and (is_certain or _hears(context, inside.inner, of.kind, times))
    ]


def are_heard(context: Context, inside: Inside, questions: list[Exchange]) -> bool:
    """Did these come between the first and the last frame of the point inside?"""
    times = listening(context)
    return all(
        of.first_request <= times.heard_to[inside.inner] and of.last_request >= times.heard_from[inside.inner]
        for of in questions
    )


@derived
def _answered(context: Context) -> set[tuple[str, str, str]]:
    return {(of.kind, of.asker, of.target) for of in neighbours(context) if of.replies}


def _hears(context: Context, point: int, kind: str, times: Listening) -> bool:
    """Does a point show messages of a kind at all? Else its capture may have a filter."""
    if times.is_dropping[point]:
        return False
    if kind == "nd":
        return bool(times.hears[point, ICMPV6])
    is_there = (context.arps[:, schema.ARP_POINT] == point) & (context.arps[:, schema.ARP_VIA] == 0)
    return bool(is_there.any() or times.hears[point].all())


def _shows_groups(context: Context, inside: Inside, times: Listening) -> bool:
    """Do other packets to all arrive too, of a protocol that the point inside shows of its own side?"""
    flows = context.flows
    if times.is_dropping[inside.inner]:
        return False
    rows = np.flatnonzero((flows[:, schema.FLOW_PLACE] == inside[:3]).all(axis=1))
    rows = rows[is_foreign_group(context, inside, rows)]
    protocols = flows[rows, schema.FLOW_PROTO]
    rows = rows[(protocols >= 0) & times.hears[inside.inner][np.clip(protocols, 0, 255)]]
    return bool(packets_without_duplicates(context)[rows].sum() >= MIN_QUESTIONS)


def is_foreign_group(context: Context, inside: Inside, rows: FlowRows) -> Mask:
    """For each of these flows in a tunnel: is it for a group, and of a station that does not send at the inside?"""
    flows = context.flows
    source, destination = flows[rows, schema.FLOW_SMAC], flows[rows, schema.FLOW_DMAC]
    is_group = (destination > 0) & are_multicast_macs(destination)
    mask: Mask = is_group & (source > 0) & ~is_among(source, _local_macs(context, inside.inner))
    return mask


def _local_macs(context: Context, point: int) -> Values:
    """The MACs that send at a point outside of tunnels."""
    flows, arps = context.flows, context.arps
    is_flow = (flows[:, schema.FLOW_POINT] == point) & (flows[:, schema.FLOW_VIA] == 0)
    is_arp = (arps[:, schema.ARP_POINT] == point) & (arps[:, schema.ARP_VIA] == 0)
    return np.concatenate((flows[is_flow, schema.FLOW_SMAC], arps[is_arp, schema.ARP_SENDER_MAC]))


def _is_end_of_all(context: Context, inside: Inside) -> bool:
    """Is one end of each packet of the tunnel at the outer point an address from which the inside's frames leave?"""
    own = _own_ends(context, inside)
    tunnels = context.tunnels
    columns = [schema.TUNNEL_POINT, schema.TUNNEL_KIND, schema.TUNNEL_VNI]
    rows = tunnels[(tunnels[:, columns] == inside[:3]).all(axis=1)]
    ends = (
        rows[:, [schema.TUNNEL_SRC_HI, schema.TUNNEL_SRC_LO]],
        rows[:, [schema.TUNNEL_DST_HI, schema.TUNNEL_DST_LO]],
    )
    is_own = [is_among(row_hash(end), own) for end in ends]
    return bool(len(own)) and bool((is_own[0] ^ is_own[1]).all())


def _own_ends(context: Context, inside: Inside) -> Values:
    """Hashes of the outer source addresses of frames that came from stations at the inside."""
    flows, arps, local = context.flows, context.arps, _local_macs(context, inside.inner)
    rows = np.flatnonzero((flows[:, schema.FLOW_PLACE] == inside[:3]).all(axis=1))
    rows = rows[is_among(flows[rows, schema.FLOW_SMAC], local)]
    messages = arps[(arps[:, _ARP_OUTER] == inside[:3]).all(axis=1)]
    messages = messages[is_among(messages[:, schema.ARP_SENDER_MAC], local)]
    frames = np.concatenate((flows[rows, schema.FLOW_FIRST_FRAME], messages[:, schema.ARP_FIRST_FRAME]))
    return row_hash(flows[_carriers(context, inside.outer, frames)[:, None], schema.FLOW_SRC])


def _carriers(context: Context, point: int, frames: Values) -> FlowRows:
    """The flows of the outermost packets of these frames at a point."""
    flows, observations = context.flows, context.observations
    is_outer = (flows[:, schema.FLOW_POINT] == point) & (flows[:, schema.FLOW_VIA] == 0)
    rows = observations[:, schema.OBS_FLOW]
    chosen = is_outer[rows] & is_among(observations[:, schema.OBS_FRAME], frames)
    # Without indexes numpy imports masked arrays first.
    return np.unique(rows[chosen], return_index=True)[0]
