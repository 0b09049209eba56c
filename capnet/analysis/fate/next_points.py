"""At which point is a packet due after this one, and how is that known?

Input: flow links, replies, points that are a MAC's own interface. Output: for flow rows, the next point, the rank by
which it is known, and how many other flows show it. Method: packets that are sent to the same MAC address go the same
way; what others did shows where a packet goes. Equal keys are found by hash and sort, linear in flows.

Ranks, the most certain first:

1. another flow to the same MAC, address, port and protocol went there;
2. an answered flow to the same MAC and address went there, its destination kept;
   the tun device of a VPN has no MACs, and one way for each address;
3. the MAC's own interface is there, and the destination speaks there;
4. packets of the destination with that MAC came from there;
5. the host has another interface there, whose network has the destination.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import are_multicast, are_multicast_macs
from capnet.analysis.core.schema import FlowMask, FlowRows, PerFlow, Values
from capnet.analysis.correlate.flow_links import flow_chains
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.fate.answers import answering_replies
from capnet.analysis.fate.interface_points import endpoints_at_points, interface_points
from capnet.analysis.fate.other_interface import other_interface
from capnet.analysis.fate.speakers import RECEIVED, speakers
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value
from capnet.wire.fields import ABSENT
from capnet.wire.numbers import ARP_REQUEST, TCP, TCP_ACK

TWIN, HOST, HOME, REVERSE, NETWORK = 1, 2, 3, 4, 5  # ranks
MIN_AGREEMENT = 0.9  # share of siblings that went to one and the same point

_PLACE = [*schema.FLOW_PLACE, schema.FLOW_DMAC]
_SERVICE = [*_PLACE, *schema.FLOW_DST, schema.FLOW_DPORT, schema.FLOW_PROTO]
_HOST = [*_PLACE, *schema.FLOW_DST]


class NextPoints(NamedTuple):
    """For each row asked about: the point where it is due (−1: not known), the rank, and the siblings that show it."""

    point: Values
    rank: Values
    siblings: Values


@derived
def chain_of(context: Context) -> PerFlow:
    """Per flow row, the first row of its flow chain."""
    return flow_chains(flow_links(context), len(context.flows))


@derived
def is_answered(context: Context) -> FlowMask:
    """Per flow row, did the other direction answer at any hop of its chain?

    A client that acknowledges after its SYN, and a server that sends data after its SYN-ACK, got an answer that may not
    be recorded. Equal ports on both sides, as of gossip, prove nothing: both ends ask.
    """
    flows, chain = context.flows, chain_of(context)
    flags, is_tcp = flows[:, schema.FLOW_TCP_FLAGS], flows[:, schema.FLOW_PROTO] == TCP
    goes_on = (flows[:, schema.FLOW_SYNS] > 0) & (flags & TCP_ACK > 0)
    goes_on |= (flows[:, schema.FLOW_SYNACK_TIME] >= 0) & (flows[:, schema.FLOW_PAYLOAD] > 0)
    by_chain = np.zeros(len(flows), dtype=bool)
    by_chain[chain[(answering_replies(context) >= 0) | (is_tcp & goes_on)]] = True
    return by_chain[chain]


def next_points(context: Context, rows: FlowRows) -> list[NextPoints]:
    """Where the packets of these flow rows are due after their point: for each rank, in order, what it says."""
    has_mac = context.flows[rows, schema.FLOW_DMAC] > 0
    has_mac &= ~are_multicast_macs(context.flows[rows, schema.FLOW_DMAC])
    is_without_link = (context.flows[rows[:, None], [schema.FLOW_SMAC, schema.FLOW_DMAC]] == ABSENT).all(axis=1)
    is_without_link &= ~are_multicast(*context.flows[rows[:, None], schema.FLOW_DST].T)
    is_without_link &= context.flows[rows, schema.FLOW_VIA] == 0
    by_rank = []
    for rank, find in (
        (TWIN, _twins), (HOST, _hosts), (HOME, _homes), (REVERSE, _reverse), (REVERSE, _asked_from),
        (NETWORK, other_interface),
    ):  # fmt: skip
        point, siblings = (np.full(len(rows), value) for value in (-1, 0))
        usable = has_mac | is_without_link if rank in (TWIN, HOST) else has_mac
        point[usable], siblings[usable] = find(context, rows[usable])
        by_rank.append(NextPoints(point, np.where(point >= 0, rank, 0), siblings))
    return by_rank


def _between_points(context: Context) -> tuple[FlowRows, FlowRows]:
    """Ends of the links that lead from one point to another one."""
    links = flow_links(context)
    flows = context.flows
    moved = flows[links.source, schema.FLOW_POINT] != flows[links.target, schema.FLOW_POINT]
    return links.source[moved], links.target[moved]


def _twins(context: Context, rows: FlowRows) -> tuple[Values, Values]:
    source, target = _between_points(context)
    return _agreed(context, rows, source, target, _SERVICE)


def _hosts(context: Context, rows: FlowRows) -> tuple[Values, Values]:
    source, target = _between_points(context)
    flows = context.flows
    kept = (flows[source[:, None], schema.FLOW_DST] == flows[target[:, None], schema.FLOW_DST]).all(axis=1)
    kept &= is_answered(context)[source]
    return _agreed(context, rows, source[kept], target[kept], _HOST)


def _reverse(context: Context, rows: FlowRows) -> tuple[Values, Values]:
    """Links that lead to the point, from where the destination's packets came."""
    source, target = _between_points(context)
    flows = context.flows
    kept = (flows[source[:, None], schema.FLOW_SRC] == flows[target[:, None], schema.FLOW_SRC]).all(axis=1)
    source, target = source[kept], target[kept]
    columns = [*schema.FLOW_PLACE, schema.FLOW_SMAC, *schema.FLOW_SRC]
    return _majority(
        hash_of(flows, columns, target),
        flows[source, schema.FLOW_POINT],
        chain_of(context)[target],
        hash_of(flows, _HOST, rows),
        chain_of(context)[rows],
    )


def _homes(context: Context, rows: FlowRows) -> tuple[Values, Values]:
    flows = context.flows
    homes = {**interface_points(context)}
    for mac, place in _lone_askers(context).items():
        homes.setdefault(mac, [place])
    speaking = speakers(context, outside_tunnels=True)
    # A MAC of several addresses may be at several interfaces.
    home_of = {
        mac: places[0] for mac, places in homes.items() if len(places) == 1 and mac in speaking
        and (len(speaking[mac].own) == 1 or places[0] in endpoints_at_points(context))
    }  # fmt: skip
    point = np.full(len(rows), -1)
    sources: dict[int, set[tuple[int, ...]]] = {}
    asked_for = flows[rows[:, None], [schema.FLOW_DMAC, schema.FLOW_POINT, schema.FLOW_VIA, *schema.FLOW_DST]].tolist()
    for number, (mac, own_point, via, *destination) in enumerate(asked_for):
        home = home_of.get(mac, own_point)
        if via or home == own_point:
            continue
        if home not in sources:
            sources[home] = _speaking_at(context, home)
        if tuple(destination) in sources[home]:
            point[number] = home
    return point, np.where(point >= 0, 1, 0)


def _speaking_at(context: Context, point: int) -> set[tuple[int, ...]]:
    """Addresses, as their halves, that send at a point, IP packets or ARP; at a container's interface, its own."""
    flows, arps = context.flows, context.arps
    senders = flows[flows[:, schema.FLOW_POINT] == point][:, schema.FLOW_SRC]
    _, first = np.unique(row_hash(senders), return_index=True)
    asking = arps[arps[:, schema.ARP_POINT] == point, schema.ARP_SENDER_LO]
    endpoint = endpoints_at_points(context).get(point)
    own = {address_value(ip) for ip in endpoint.ips} if endpoint else set()
    return own | {tuple(pair) for pair in senders[first].tolist()} | {(0, low) for low in asking.tolist()}


def _asked_from(context: Context, rows: FlowRows) -> tuple[Values, Values]:
    """Where the destination's own ARP requests were seen before they came to the row's point.

    Not where unicast frames of the destination begin at the row's point: these do not come from there, and a broadcast
    goes everywhere. Nor at the own interface of another container, which passes nothing on.
    """
    flows, arps = context.flows, context.arps
    asks = arps[(arps[:, schema.ARP_OPERATION] == ARP_REQUEST) & (arps[:, schema.ARP_VIA] == 0)]
    first: dict[tuple[int, int], list[tuple[int, int]]] = {}  # MAC, address → (time, point), the earliest first
    for ask in asks[np.argsort(asks[:, schema.ARP_FIRST], kind="stable")].tolist():
        key = ask[schema.ARP_SENDER_MAC], ask[schema.ARP_SENDER_LO]
        seen = first.setdefault(key, [])
        if ask[schema.ARP_POINT] not in [point for _, point in seen]:
            seen.append((ask[schema.ARP_FIRST], ask[schema.ARP_POINT]))
    if not first:
        return np.full(len(rows), -1), np.zeros(len(rows), dtype=np.int64)
    begins = np.flatnonzero((flow_links(context).before < 0) & (flows[:, schema.FLOW_VIA] == 0))
    begins = begins[~are_multicast_macs(flows[:, schema.FLOW_DMAC][begins])]
    do_begin = is_among(
        hash_of(flows, [schema.FLOW_POINT, schema.FLOW_DMAC], rows),
        hash_of(flows, [schema.FLOW_POINT, schema.FLOW_SMAC], begins),
    )
    ends: dict[int, set[int]] = {}  # a container's interface → the MACs whose own it is
    for mac, homes in interface_points(context).items():
        for home in homes:
            if context.points[home].role == "container":
                ends.setdefault(home, set()).add(mac)
    point = np.full(len(rows), -1)
    for number, row in enumerate(rows.tolist()):
        mac, own_point = int(flows[row, schema.FLOW_DMAC]), int(flows[row, schema.FLOW_POINT])
        if flows[row, schema.FLOW_VIA] or do_begin[number]:
            continue
        asked_at = (place for _, place in first.get((mac, int(flows[row, schema.FLOW_DST_LO])), []))
        places = [place for place in asked_at if mac in ends.get(place, {mac})]
        if own_point in places and places.index(own_point) > 0:
            point[number] = places[places.index(own_point) - 1]
    return point, np.where(point >= 0, 1, 0)


def _lone_askers(context: Context) -> dict[int, int]:
    """MAC → the point at which it alone sends, and asks by ARP: its own interface, where nothing else arrives."""
    stations, arps = context.stations, context.arps
    result = {}
    for point in range(len(context.points)):
        at = stations[stations[:, schema.STATION_POINT] == point]
        senders = set(at[at[:, schema.STATION_HOW] != RECEIVED, schema.STATION_MAC].tolist())
        asks = arps[(arps[:, schema.ARP_POINT] == point) & (arps[:, schema.ARP_OPERATION] == ARP_REQUEST)]
        if len(senders) == 1 and len(asks) and int(asks[:, schema.ARP_PACKETS].sum()) >= 2:
            result[senders.pop()] = point
    return result


def _agreed(
    context: Context, rows: FlowRows, source: FlowRows, target: FlowRows, columns: list[int]
) -> tuple[Values, Values]:
    flows = context.flows
    return _majority(
        hash_of(flows, columns, source),
        flows[target, schema.FLOW_POINT],
        chain_of(context)[source],
        hash_of(flows, columns, rows),
        chain_of(context)[rows],
    )


def _majority(key: Values, to: Values, chain: Values, wanted: Values, own: Values) -> tuple[Values, Values]:
    """For each wanted key: the point to which at least MIN_AGREEMENT of the links with that key lead, else −1.

    `chain`, `own`: flow chains; a chain is no sibling of its own. Keys are hashes. Linear but for sorting.
    """
    point, siblings = np.full(len(wanted), -1), np.zeros(len(wanted), dtype=np.int64)
    if not len(key):
        return point, siblings
    order = np.lexsort((to, key))
    key, to, chain = key[order], to[order], chain[order]
    runs = np.flatnonzero(np.append(True, (key[1:] != key[:-1]) | (to[1:] != to[:-1])))  # of one key and point
    counts = np.diff(np.append(runs, len(key)))
    groups = np.flatnonzero(np.append(True, key[runs[1:]] != key[runs[:-1]]))
    most = np.maximum.reduceat(counts, groups)
    is_most = counts == np.repeat(most, np.diff(np.append(groups, len(runs))))
    first_of_most = np.minimum.reduceat(np.where(is_most, np.arange(len(runs)), len(runs)), groups)
    agrees = most >= MIN_AGREEMENT * np.add.reduceat(counts, groups)
    group = np.minimum(np.searchsorted(key[runs[groups]], wanted), len(groups) - 1)
    has_links = key[runs[groups[group]]] == wanted
    is_agreed = has_links & agrees[group]
    point[is_agreed] = to[runs[first_of_most[group[is_agreed]]]]
    siblings[is_agreed] = most[group[is_agreed]]
    has_own = has_links & is_among(_pair_hash(wanted, own), _pair_hash(key, chain))
    for number in np.flatnonzero(has_own).tolist():  # few: a chain that forks
        bounds = (np.searchsorted(key, wanted[number], side=side) for side in ("left", "right"))
        links = slice(*bounds)
        point[number], siblings[number] = _majority_of(to[links][chain[links] != own[number]])
    return point, siblings


def _pair_hash(hashes: Values, chains: Values) -> Values:
    return row_hash(np.stack((hashes.view(np.int64), chains), axis=1))


def _majority_of(points: Values) -> tuple[int, int]:
    """The point that MIN_AGREEMENT of these agree on, and how many do; −1 and 0 if they do not."""
    if not len(points):
        return -1, 0
    values, counts = np.unique(points, return_counts=True)
    best = int(np.argmax(counts))
    agrees = counts[best] >= MIN_AGREEMENT * counts.sum()
    return (int(values[best]), int(counts[best])) if agrees else (-1, 0)
