"""MACs of no station, to which questions go while the address that is asked is at another MAC.

Input: flows, ARP and ND exchanges. Output: `MacChange`s, one per point, address and MAC; `old` is the MAC without a
station. Method: the address has one MAC by ARP or Neighbor Discovery at a point, and questions to it go to another MAC
there, in vain, after that; others that go to its own MAC are answered. No frame of any point is from the other MAC.
Of a macvlan container on the interface at that point, the topology has the MAC.
Limits: a MAC that speaks, as of a host that still runs, is left to `facts.layer2.mac_changes`.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import are_multicast_macs, is_virtual_router
from capnet.analysis.core.schema import FlowMask, FlowRows
from capnet.analysis.facts.layer2.mac_changes import MacChange
from capnet.analysis.fate.next_points import is_answered
from capnet.topology.lookup import endpoints
from capnet.wire.addresses import address_text, address_value, mac_value
from capnet.wire.numbers import (
    ICMP,
    ICMP_ECHO_REQUEST,
    ICMPV6,
    ICMPV6_ECHO_REQUEST,
    ICMPV6_NEIGHBOR_ADVERTISEMENT,
    TCP,
)

MAX_ROWS = 1000  # questions that are looked at

_Place = tuple[int, int, int]  # point, address


def silent_macs(context: Context) -> list[MacChange]:
    """All of them, by point, address and MAC."""
    rows = _lost_questions(context)
    if not len(rows):
        return []
    homes, by_topology = _homes(context), _macvlan_homes(context)
    lost: dict[tuple[_Place, int], list[int]] = {}
    for row in rows.tolist():
        flow = context.flows[row]
        place = (int(flow[schema.FLOW_POINT]), *flow[schema.FLOW_DST].tolist())
        home = homes.get(place)
        mac, own = int(flow[schema.FLOW_DMAC]), by_topology.get(place)
        if home is None and own is not None and mac not in by_topology.values():
            homes[place] = own, int(flow[schema.FLOW_FIRST]), int(flow[schema.FLOW_FIRST_FRAME])
            lost.setdefault((place, mac), []).append(row)
        elif own is not None and place in homes and (place, mac) in lost:
            lost[place, mac].append(row)
        elif home is not None and flow[schema.FLOW_LAST] > home[1] and _answers(context, place, home[0]):
            lost.setdefault((place, mac), []).append(row)
    return [_change(context, place, mac, homes[place], of_mac) for (place, mac), of_mac in sorted(lost.items())]


def _lost_questions(context: Context) -> FlowRows:
    """SYNs and echo requests without an answer to a MAC from which nothing comes, at points that show its link."""
    flows = context.flows
    proto, kind, mac = (flows[:, column] for column in (schema.FLOW_PROTO, schema.FLOW_KIND, schema.FLOW_DMAC))
    is_question = (proto == TCP) & (flows[:, schema.FLOW_SYNS] > 0)
    is_question |= (proto == ICMP) & (kind == ICMP_ECHO_REQUEST * 256)
    is_question |= (proto == ICMPV6) & (kind == ICMPV6_ECHO_REQUEST * 256)
    is_question &= (flows[:, schema.FLOW_VIA] == 0) & (mac > 0) & ~are_multicast_macs(mac) & ~is_answered(context)
    rows = np.flatnonzero(is_question)
    if not len(rows):
        return rows
    speaking = (
        flows[:, schema.FLOW_SMAC], context.arps[:, schema.ARP_SENDER_MAC], context.arps[:, schema.ARP_ETH_SOURCE],
        context.nd[:, schema.ND_ETH_SOURCE],
    )  # fmt: skip
    rows = rows[~is_among(mac[rows], np.concatenate(speaking))]
    return np.array([row for row in rows[:MAX_ROWS].tolist() if not is_virtual_router(int(mac[row]))], dtype=np.int64)


def _homes(context: Context) -> dict[_Place, tuple[int, int, int]]:
    """Point and address → its MAC, when it said so first, and the frame; only addresses of one MAC."""
    claims: dict[_Place, list[tuple[int, int, int]]] = {}
    for row in context.arps[context.arps[:, schema.ARP_VIA] == 0].tolist():
        if row[schema.ARP_SENDER_LO] & 0xFFFFFFFF and row[schema.ARP_SENDER_MAC] > 0:
            claim = row[schema.ARP_SENDER_MAC], row[schema.ARP_FIRST], row[schema.ARP_FIRST_FRAME]
            claims.setdefault((row[schema.ARP_POINT], 0, row[schema.ARP_SENDER_LO]), []).append(claim)
    for row in context.nd[context.nd[:, schema.ND_VIA] == 0].tolist():
        if row[schema.ND_TYPE] == ICMPV6_NEIGHBOR_ADVERTISEMENT and row[schema.ND_ETH_SOURCE] > 0:
            claim = row[schema.ND_ETH_SOURCE], row[schema.ND_FIRST], row[schema.ND_FIRST_FRAME]
            place = row[schema.ND_POINT], row[schema.ND_TARGET_HI], row[schema.ND_TARGET_LO]
            claims.setdefault(place, []).append(claim)
    return {
        place: min(of_place, key=lambda claim: claim[1])
        for place, of_place in claims.items()
        if len({mac for mac, _, _ in of_place}) == 1
    }


def _macvlan_homes(context: Context) -> dict[_Place, int]:
    """Point of a parent interface and address of a container on it → the container's MAC, by the topology."""
    numbers = {point.name: number for number, point in enumerate(context.points)}
    homes = {}
    for container, endpoint in endpoints(context.topology) if context.topology else ():
        point = numbers.get(f"{container.host}/{endpoint.parent}")
        if endpoint.kind == "macvlan" and endpoint.mac and point is not None:
            for ip in endpoint.ips:
                homes[point, *address_value(ip)] = mac_value(endpoint.mac)
    return homes


def _answers(context: Context, place: _Place, mac: int) -> bool:
    """Does the address answer questions that are sent to its own MAC at this point?"""
    flows = context.flows
    is_to_it: FlowMask = (flows[:, [schema.FLOW_POINT, *schema.FLOW_DST]] == place).all(axis=1)
    return bool((is_to_it & (flows[:, schema.FLOW_DMAC] == mac) & is_answered(context)).any())


def _change(context: Context, place: _Place, mac: int, home: tuple[int, int, int], rows: list[int]) -> MacChange:
    flows = context.flows[rows]
    since = max(home[1], int(flows[:, schema.FLOW_FIRST].min()))
    return MacChange(
        place[0], address_text(*place[1:]), mac, home[0], since, int(flows[:, schema.FLOW_LAST].max()), [home[2]], rows,
        int(flows[:, schema.FLOW_PACKETS].sum() / context.sample_share),
    )  # fmt: skip
