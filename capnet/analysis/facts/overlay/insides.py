"""Insides of tunnels: at which points of a host its packets enter a tunnel, and packets come out of it.

Input: flow links and ARP messages that lead from outside of a tunnel into it, or back; and MACs that send at a tunnel
device and that frames in the tunnel are for. Output: `Inside`s: a point at the host's interface, a tunnel there by kind
and id, and a point of the same host where frames are not in the tunnel.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, distinct_rows, hash_of, is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.schema import Values
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.losses.stopped_flows import are_of_one_host
from capnet.quick_tuple import NamedTuple


class Inside(NamedTuple):
    """A point where frames enter a tunnel or leave it."""

    outer: int  # point where the tunnel's packets were captured
    via: int  # kind of the tunnel
    vni: int
    inner: int  # point of the same host where its frames are outside of it


class TunnelInsides(NamedTuple):
    """Insides by what was seen to pass them."""

    entered: set[Inside]  # frames came from the inner point and went into the tunnel
    left: set[Inside]  # frames came out of the tunnel at the inner point


_ARP_MESSAGE = [schema.ARP_OPERATION, schema.ARP_SENDER_MAC, schema.ARP_SENDER_LO, schema.ARP_TARGET_LO]


@derived
def tunnel_insides(context: Context) -> TunnelInsides:
    """The insides of all tunnels that the capture shows from both sides."""
    insides = TunnelInsides(set(), set())
    for outer, inner, is_entry in (*_of_links(context), *_of_arps(context), *_of_devices(context)):
        for (point, via, vni), within in zip(outer.tolist(), inner.tolist(), strict=True):
            if point != within and are_of_one_host(context, point, within):
                (insides.entered if is_entry else insides.left).add(Inside(point, via, vni, within))
    return insides


_Side = tuple[Values, Values, bool]  # (n, 3): point, kind and id of tunnels; (n,) points inside; whether frames enter


def _of_links(context: Context) -> list[_Side]:
    flows, links = context.flows, flow_links(context)
    place = schema.FLOW_PLACE
    sides: list[_Side] = []
    for outer, inner, is_entry in ((links.target, links.source, True), (links.source, links.target, False)):
        crosses = (flows[outer, schema.FLOW_VIA] > 0) & (flows[inner, schema.FLOW_VIA] == 0)
        both = np.column_stack((flows[outer[crosses]][:, place], flows[inner[crosses], schema.FLOW_POINT]))
        both = distinct_rows(both)
        sides.append((both[:, :3], both[:, 3], is_entry))
    return sides


def _of_devices(context: Context) -> list[_Side]:
    """Tunnel devices whose MAC frames in the tunnel are for, though nothing of the device was seen in it.

    As of flannel's device, from which nothing but multicast of the device itself comes while no pod behind it answers.
    """
    flows = context.flows
    is_device = np.array([point.role == "overlay" for point in context.points] or [False])
    is_inside, has_macs = (
        flows[:, schema.FLOW_VIA] > 0,
        (flows[:, schema.FLOW_SMAC] > 0) & (flows[:, schema.FLOW_DMAC] > 0),
    )
    sent = np.flatnonzero(is_device[flows[:, schema.FLOW_POINT]] & ~is_inside & has_macs)
    carried = np.flatnonzero(is_inside & has_macs)
    silent = distinct(flows[sent, schema.FLOW_SMAC])
    silent = silent[~is_among(silent, flows[carried, schema.FLOW_SMAC])] if len(silent) else silent
    if not len(silent):
        return []
    carried = carried[is_among(flows[carried, schema.FLOW_DMAC], silent)]
    sent = sent[is_among(flows[sent, schema.FLOW_SMAC], silent)]
    place = [*schema.FLOW_PLACE, schema.FLOW_DMAC]
    pairs = [
        (*outer[:3], inner[0])
        for outer in {tuple(row) for row in flows[carried][:, place].tolist()}
        for inner in {tuple(row) for row in flows[sent][:, [schema.FLOW_POINT, schema.FLOW_SMAC]].tolist()}
        if outer[3] == inner[1]
    ]
    table = np.array(sorted(set(pairs)), dtype=np.int64).reshape(-1, 4)
    return [(table[:, :3], table[:, 3], True)]


def _of_arps(context: Context) -> list[_Side]:
    """ARP messages that are the same inside of a tunnel and outside: frames enter where they were seen before.

    The first or the last ones of both sides are one message, whichever are nearer: points do not start at one time.
    """
    arps = context.arps
    outer, inner = (np.flatnonzero(mask) for mask in (arps[:, schema.ARP_VIA] > 0, arps[:, schema.ARP_VIA] == 0))
    if not len(outer) or not len(inner):
        return []
    keys = hash_of(arps, _ARP_MESSAGE, inner)
    order = np.argsort(keys, kind="stable")
    wanted = hash_of(arps, _ARP_MESSAGE, outer)
    starts, stops = (np.searchsorted(keys[order], wanted, side=side) for side in ("left", "right"))
    pairs = np.array(
        [(row, inner[at]) for row, start, stop in zip(outer, starts, stops, strict=True) for at in order[start:stop]],
        dtype=np.int64,
    ).reshape(-1, 2)
    delays = [arps[pairs[:, 0], time] - arps[pairs[:, 1], time] for time in (schema.ARP_FIRST, schema.ARP_LAST)]
    is_entry = np.where(abs(delays[0]) <= abs(delays[1]), delays[0], delays[1]) >= 0
    place = [schema.ARP_POINT, schema.ARP_VIA, schema.ARP_VIA_VNI]
    return [
        (arps[pairs[chosen, 0]][:, place], arps[pairs[chosen, 1], schema.ARP_POINT], entry)
        for chosen, entry in ((is_entry, True), (~is_entry, False))
    ]
