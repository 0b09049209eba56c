"""Foreign MACs that a switch port refuses: frames to them, or from them, that do not pass it.

A virtual switch delivers to a port what is for the MAC of its card, unless promiscuous mode is allowed, and lets only
this MAC send, unless forged transmits are. A container with a MAC of its own (macvlan, a bridge over the card) then
asks in vain, while the host beside it is answered.

Input: neighbours, flows, clocks. Output: `RefusedMac`s. Method: the MAC is behind a card if its questions leave the
card first, and arrive at the other one no sooner than other frames do. Limits: outside of tunnels; a MAC that asks
nobody is not looked at.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.layer2.bystanders import is_alone, unicast_frames
from capnet.analysis.facts.layer2.neighbours import Exchange, neighbours
from capnet.analysis.facts.layer2.question_delays import answer_delays, are_on_one_host, question_delays, reference_time
from capnet.analysis.fate.listening import listening

MIN_FRAMES = 2  # a single frame may be lost by chance
MIN_SHARE_OF_DELAY = 0.9  # of the shortest delay between two cards: a frame of a third station reaches both at once
MIN_SHARE_OF_DELAY_FROM_CHILD = 0.5  # where the child's own interface shows that it is near to its card
IN, OUT, UNKNOWN = "in", "out", "unknown"  # which way the port refuses


class RefusedMac(NamedTuple):
    """A MAC behind a card whose frames do not pass the port of that card."""

    mac: int
    address: str
    card: int  # point
    other: int  # point on the other side of the port; the MAC's own interface if nothing on that side was captured
    way: str  # IN: frames to it, OUT: frames from it, UNKNOWN
    frames: int  # that do not pass
    own_mac: int  # of the card: frames to it and from it pass
    exchanges: list[Exchange]


_AtPoint = dict[int, list[Exchange]]


def refused_macs(context: Context) -> list[RefusedMac]:
    """One per MAC at most, by MAC."""
    by_mac: dict[int, _AtPoint] = {}
    for of in neighbours(context):
        if not of.via and of.asker_mac > 0 and of.requests > of.unicast_requests and not of.is_probe:
            by_mac.setdefault(of.asker_mac, {}).setdefault(of.point, []).append(of)
    refused: list[RefusedMac] = []
    for mac, at_points in sorted(by_mac.items()):
        cards = [point for point, asked in at_points.items() if _is_unheard(context, mac, point, asked)]
        for way in (_refused_in, _refused_out, _refused_somewhere):
            found = next(filter(None, (way(context, by_mac, mac, card) for card in cards)), None)
            if found:
                asked = [of for exchanges in at_points.values() for of in exchanges]
                refused.append(found._replace(exchanges=[*found.exchanges, *asked]))
                break
    return refused


def _is_unheard(context: Context, mac: int, point: int, asked: list[Exchange]) -> bool:
    """Does a MAC ask again and again at a point, where no frame comes for it?"""
    is_repeated = sum(of.requests for of in asked) >= MIN_FRAMES and not any(of.replies for of in asked)
    return is_repeated and not (unicast_frames(context, point, 0, -1)[1] == mac).any()


def _refused_in(context: Context, by_mac: dict[int, _AtPoint], mac: int, card: int) -> RefusedMac | None:
    """Frames to the MAC leave another card, which hears it, and do not come to its own."""
    asked = by_mac[mac][card]
    for other, answered in by_mac[mac].items():
        answerers = {of for exchange in answered if exchange.replies for of in exchange.target_macs}
        own_mac = _receiver(context, card, answerers, mac)
        if other == card or not answerers or own_mac is None or listening(context).is_dropping[card]:
            continue
        frames = sum(exchange.replies for exchange in answered if exchange.kind == "arp")  # the others are flows
        rows = (context.flows[:, schema.FLOW_POINT] == other) & (context.flows[:, schema.FLOW_DMAC] == mac)
        frames += int(context.flows[rows, schema.FLOW_PACKETS].sum())
        if frames >= MIN_FRAMES and _is_behind(context, by_mac, card, other, mac, own_mac):
            return RefusedMac(mac, asked[0].asker, card, other, IN, frames, own_mac, [*asked, *answered])
    return None


def _refused_out(context: Context, by_mac: dict[int, _AtPoint], mac: int, card: int) -> RefusedMac | None:
    """The MAC's broadcasts leave its card, and do not come to another one, which gets those of the card itself."""
    table, asked = context.stations, by_mac[mac][card]
    for other in range(len(context.points)):
        is_sent = (table[:, schema.STATION_POINT] == other) & (table[:, schema.STATION_MAC] == mac)
        if other == card or is_sent.any() or not _is_listening(context, other, asked):
            continue
        if _may_be_child(context, other, card):
            continue
        for own_mac, at_points in by_mac.items():
            heard = {of.target for of in at_points.get(other, ()) if of.replies}
            heard &= {of.target for of in at_points.get(card, ()) if of.replies}
            in_vain = [of for of in asked if of.target in heard]
            if own_mac != mac and sum(of.requests for of in in_vain) >= MIN_FRAMES:
                frames = sum(of.requests for of in in_vain)
                heard_at = [of for of in at_points[other] if of.target in heard]
                return RefusedMac(mac, asked[0].asker, card, other, OUT, frames, own_mac, [*in_vain, *heard_at])
    return None


def _refused_somewhere(context: Context, by_mac: dict[int, _AtPoint], mac: int, card: int) -> RefusedMac | None:
    """Nothing beyond the card was captured: a target answers the card's host there, and never the MAC behind it."""
    for own, asked in by_mac[mac].items():
        is_own = context.points[own].role == "container" or is_alone(context, own, mac)
        if (
            own == card
            or not is_own
            or not are_on_one_host(context, own, card, _delays(context, by_mac[mac], own, card))
        ):
            continue
        for own_mac, at_points in by_mac.items():
            heard = {of.target for of in at_points.get(card, ()) if of.replies}
            in_vain = [of for of in by_mac[mac][card] if of.target in heard]
            frames = sum(of.requests for of in in_vain)
            if own_mac != mac and frames > MIN_FRAMES:
                return RefusedMac(mac, asked[0].asker, card, own, UNKNOWN, frames, own_mac, [*in_vain, *asked])
    return None


def _receiver(context: Context, card: int, senders: set[int], mac: int) -> int | None:
    """A MAC other than `mac` that gets unicast frames of these senders at a card: the one that gets most."""
    sources, destinations = unicast_frames(context, card, 0, -1)
    receivers = Counter(destinations[is_one_of(sources, senders) & (destinations != mac)].tolist())
    return max(receivers, key=lambda of: (receivers[of], of), default=None)


def _is_behind(context: Context, by_mac: dict[int, _AtPoint], card: int, other: int, mac: int, own_mac: int) -> bool:
    """Do the MAC's questions take as long from one point to the other as other frames do?"""
    flows, links = context.flows, flow_links(context)
    is_between = links.is_timed & (flows[links.source, schema.FLOW_POINT] == card)
    is_between &= flows[links.target, schema.FLOW_POINT] == other
    delays = links.delays_ns[is_between, 0].tolist()
    delays += [delay for of in by_mac if of != mac for delay in _delays(context, by_mac[of], card, other)]
    at_card, at_other = ([of for of in neighbours(context) if of.point == point] for point in (card, other))
    delays += answer_delays(context, at_card, at_other, own_mac)
    shortest = min((delay for delay in delays if delay > 0), default=0)
    own_delays = _delays(context, by_mac[mac], card, other)
    is_near = any(
        context.points[own].role == "container"
        and are_on_one_host(context, own, card, _delays(context, by_mac[mac], own, card))
        for own in by_mac[mac]
        if own not in (card, other)
    )
    share = MIN_SHARE_OF_DELAY_FROM_CHILD if is_near else MIN_SHARE_OF_DELAY
    return bool(shortest and own_delays and min(own_delays) >= share * shortest)


def _delays(context: Context, at_points: _AtPoint, first: int, second: int) -> list[int]:
    return question_delays(context, at_points.get(first, ()), at_points.get(second, ()))


def _may_be_child(context: Context, point: int, card: int) -> bool:
    """May a point be behind the card? The kernel keeps what a host sends away from macvlan children of its own card."""
    host = host_of(context.points[card].name)
    return context.points[point].role == "container" or (
        host is not None and host == host_of(context.points[point].name)
    )


def _is_listening(context: Context, point: int, asked: list[Exchange]) -> bool:
    """Did a point record, without dropping, while these questions were asked?"""
    heard = listening(context)
    first = min(reference_time(context, of.point, of.first_request) for of in asked)
    last = max(reference_time(context, of.point, of.last_request) for of in asked)
    return bool(heard.heard_from[point] <= first and last <= heard.heard_to[point] and not heard.is_dropping[point])
