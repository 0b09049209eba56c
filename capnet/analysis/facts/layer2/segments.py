"""Who sits where on layer 2, judged from frames alone: never from the name of a point.

* A station's own interface is a point where every unicast frame is from it or to it (`stations.home_points`).
* A *card with children* is a point at which stations speak that have interfaces of their own right behind it, while
  the host whose card it is cannot be heard there: what it broadcasts goes out on the wire only. That is macvlan; a
  bridge repeats its host's broadcasts to every port.
* A *shared MAC* speaks for several addresses of its own, at several interfaces: ipvlan.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.arrays import one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, is_multicast_mac, source
from capnet.analysis.core.schema import (
    ARP_FIRST,
    ARP_FIRST_FRAME,
    ARP_LAST,
    ARP_POINT,
    ARP_SENDER_LO,
    ARP_SENDER_MAC,
    ARP_VIA_VNI,
    FLOW_DMAC,
    FLOW_DST_HI,
    FLOW_DST_LO,
    FLOW_FIRST,
    FLOW_FIRST_FRAME,
    FLOW_POINT,
    FLOW_PROTO,
    FLOW_SMAC,
    FLOW_SRC_HI,
    FLOW_SRC_LO,
    FLOW_VIA,
)
from capnet.analysis.facts.layer2.macvlan_parents import broadcasts, surest, watched_alone, with_children
from capnet.analysis.facts.layer2.model import LOCAL, Claims, Segments, SharedMac, Talk, is_v4, own_ips, unicast
from capnet.analysis.facts.nat.translations import nat_facts
from capnet.analysis.facts.stations import home_points, speakers, translated_to
from capnet.wire.addresses import address_text, address_value
from capnet.wire.numbers import TCP, UDP


@derived
def segments(context: Context) -> Segments:
    """Who sits where."""
    loopbacks = {point for point in range(len(context.points)) if _is_loopback(context, point)}
    others = [point for point in range(len(context.points)) if point not in loopbacks]
    found = Segments(
        at={point: speakers(context, point, bare=True) for point in others},
        homes=home_points(context),
        loopbacks=loopbacks,
        silent={point for point in others if not len(unicast(context, point))},
        broadcasts=broadcasts(context),
    )
    found.talks = _talks(context, loopbacks)
    translated = {row.before.src for row in nat_facts(context) if "snat" in row.kind}
    translated |= {row.after.dst for row in nat_facts(context) if "dnat" in row.kind}
    cards = [
        with_children(context, found, point, translated) or watched_alone(context, found, point) for point in others
    ]
    found.cards = surest([card for card in cards if card])
    # On a bridge, hairpin NAT puts the host's address into frames of a container's MAC.
    found.shared = _shared(context, found, translated_to(context))
    return found


# -- loopback -----------------------------------------------------------------------------------------
_NAME_SERVER = address_value("127.0.0.11")[1]  # Docker's own, in every container on a network with a name


def _is_loopback(context: Context, point: int) -> bool:
    """No MAC addresses, and nobody but a host with itself: 127.0.0.0/8, ::1 or an address with itself."""
    flows = context.flows
    at = flows[:, FLOW_POINT] == point
    if not at.any():
        return context.points[point].role == "loopback"
    if any((flows[at, side] > 0).any() for side in (FLOW_SMAC, FLOW_DMAC)):
        return False
    here = flows[at]
    macs = here[:, [FLOW_SMAC, FLOW_DMAC]]
    if (macs == 0).all():
        return True  # Linux gives lo the MAC 00:00:00:00:00:00
    return bool(_with_itself(here).all())


def _is_local(hi: np.ndarray, lo: np.ndarray) -> np.ndarray:
    """Per address: 127.0.0.0/8 or ::1."""
    return (is_v4(hi, lo) & (lo >> 24 & 0xFF == 127)) | ((hi == 0) & (lo == 1))


def _with_itself(flows: np.ndarray) -> np.ndarray:
    """Per flow: an address that talks to itself, or both ends are loopback addresses."""
    src, dst = (FLOW_SRC_HI, FLOW_SRC_LO), (FLOW_DST_HI, FLOW_DST_LO)
    same = (flows[:, src] == flows[:, dst]).all(axis=1) & (flows[:, src] != 0).any(axis=1)
    local = [_is_local(flows[:, hi], flows[:, lo]) for hi, lo in (src, dst)]
    return same | (local[0] & local[1])


def _talks(context: Context, loopbacks: set[int]) -> list[Talk]:
    """Conversations over loopback, one per address and point; without Docker's own name server (127.0.0.11)."""
    flows = context.flows
    wanted = one_of(flows[:, FLOW_POINT], loopbacks) & (flows[:, FLOW_VIA] == 0) & _with_itself(flows)
    wanted &= one_of(flows[:, FLOW_PROTO], (TCP, UDP))
    for lo in (FLOW_SRC_LO, FLOW_DST_LO):
        wanted &= flows[:, lo] != _NAME_SERVER
    rows = flows[wanted]
    rows = rows[np.argsort(rows[:, FLOW_FIRST], kind="stable")]
    keys, first = np.unique(rows[:, [FLOW_POINT, FLOW_SRC_HI, FLOW_SRC_LO]], axis=0, return_index=True)
    found: dict[tuple[int, str], int] = {}
    for (point, hi, lo), row in zip(keys.tolist(), first.tolist(), strict=True):
        ip = address_text(hi, lo)
        found.setdefault(
            (point, LOCAL if ip == "::1" or ip.startswith("127.") else ip), int(rows[row, FLOW_FIRST_FRAME])
        )
    return [Talk(point, ip, frame) for (point, ip), frame in found.items()]


def rival_claims(context: Context) -> list[Claims]:
    """Addresses with several MACs, by point and VNI. A probe has no sender address and claims nothing (RFC 5227)."""
    found: dict[tuple[int, int, int], dict[int, tuple[int, int, int]]] = {}
    fields = [ARP_POINT, ARP_VIA_VNI, ARP_SENDER_LO, ARP_SENDER_MAC, ARP_FIRST, ARP_LAST, ARP_FIRST_FRAME]
    claims = context.arps[:, fields]
    _, which, often = np.unique(claims[:, 2], return_inverse=True, return_counts=True)
    claims = claims[often[which.reshape(-1)] > 1]  # what only one row names has no rival
    for point, vni, sender, mac, first, last, frame in claims.tolist():
        if sender & 0xFFFFFFFF and mac > 0:
            by = found.setdefault((point, vni, sender), {})
            known = by.get(mac, (first, last, frame))
            by[mac] = min(known[0], first), max(known[1], last), min(known[2], frame)
    return [
        Claims(point, address_text(0, sender), by) for (point, _, sender), by in sorted(found.items()) if len(by) > 1
    ]


# -- ipvlan and namespaces ---------------------------------------------------------------------------------------------
def _shared(context: Context, found: Segments, outer: set[str]) -> list[SharedMac]:
    """`outer`: addresses that only NAT has put into packets."""
    shared: dict[int, SharedMac] = {}
    for point, here in found.at.items():
        for mac, each in here.items():
            own = [ip for ip in own_ips(each) if ip not in outer or ip in each.named]
            if own and not is_multicast_mac(mac):
                one = shared.setdefault(mac, SharedMac(mac, {}, []))
                one.at[point] = own
                one.named = sorted({*one.named, *(each.named & set(own))}, key=address_value)
    several = [each for each in shared.values() if len(each.ips) > 1]
    for one in several:
        ips = set(one.ips)
        rows = mirrored(context, one.mac)
        one.mirrored = [
            row for row in rows.tolist() if not {source(context.flows[row]), destination(context.flows[row])} & outer
        ]
        for point in one.at:
            alone = sorted(_with_a_part_in_all(context, point) & ips)
            if len(alone) == 1 and point in found.homes.get(one.mac, ()):
                one.interfaces[point] = alone[0]
    return several


def _with_a_part_in_all(context: Context, point: int) -> set[str]:
    """Addresses that everything sent to one station at a point is from or to: ends of the first flow, if any."""
    flows = context.flows[unicast(context, point)]
    if not len(flows):
        return set()
    found = set()
    for ip in {source(flows[0]), destination(flows[0])}:
        hi, lo = address_value(ip)
        mine = (flows[:, FLOW_SRC_HI] == hi) & (flows[:, FLOW_SRC_LO] == lo)
        mine |= (flows[:, FLOW_DST_HI] == hi) & (flows[:, FLOW_DST_LO] == lo)
        if mine.all():
            found.add(ip)
    return found


def mirrored(context: Context, mac: int) -> np.ndarray:
    """Rows of flows from a MAC to itself between two addresses: both ends have the card's MAC."""
    flows = context.flows
    rows = (flows[:, FLOW_SMAC] == mac) & (flows[:, FLOW_DMAC] == mac) & (flows[:, FLOW_VIA] == 0)
    rows &= (flows[:, [FLOW_SRC_HI, FLOW_SRC_LO]] != flows[:, [FLOW_DST_HI, FLOW_DST_LO]]).any(axis=1)
    return np.flatnonzero(rows)
