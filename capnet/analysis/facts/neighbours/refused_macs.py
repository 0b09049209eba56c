"""Foreign MACs that a switch port refuses: frames to them, or from them, that do not pass it.

A virtual switch delivers to a port what is for the MAC of its card, unless promiscuous mode is allowed, and lets only
this MAC send, unless forged transmits are. A container with a MAC of its own (macvlan, a bridge over the card) then
asks in vain, while the host beside it is answered.

Input: neighbours, flows, clocks. Output: `RefusedMac`s. Method: the MAC is behind a card if its questions leave the
card first, and arrive at the other one no sooner than other frames do; not if its unicast frames reach the other one
without passing the card. Limits: outside of tunnels; a MAC without questions is not looked at.
"""

from __future__ import annotations

from collections import Counter

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.neighbours.bystanders import is_alone, unicast_frames
from capnet.analysis.facts.neighbours.exchanges import Exchange, neighbours
from capnet.analysis.facts.neighbours.question_delays import (
    answer_delays,
    are_on_one_host,
    question_delays,
    reference_time,
)
from capnet.analysis.fate.listening import listening
from capnet.quick_tuple import NamedTuple

MAX_MACS = 1000  # that ask: more than one link has
MAX_SERVED = 16  # MACs that are compared for one target
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


class _Questions(NamedTuple):
    """Questions outside of tunnels that go to all."""

    by_mac: dict[int, _AtPoint]
    answered: dict[tuple[int, str], set[int]]  # point, target → some of the MACs that get an answer there


def refused_macs(context: Context) -> list[RefusedMac]:
    """One per MAC at most, by MAC."""
    if len(context.points) < 2:
        return []
    questions = _questions(context)
    refused: list[RefusedMac] = []
    for mac, at_points in sorted(questions.by_mac.items())[:MAX_MACS]:
        cards = [point for point, asked in at_points.items() if _is_unheard(context, mac, point, asked)]
        for way in (_refused_in, _refused_out, _refused_somewhere):
            refusal = next(filter(None, (way(context, questions, mac, card) for card in cards)), None)
            if refusal:
                asked = [of for exchanges in at_points.values() for of in exchanges]
                refused.append(refusal._replace(exchanges=[*refusal.exchanges, *asked]))
                break
    return refused


@derived
def _questions(context: Context) -> _Questions:
    questions = _Questions({}, {})
    for of in neighbours(context):
        if not of.via and of.asker_mac > 0 and of.requests > of.unicast_requests and not of.is_probe:
            questions.by_mac.setdefault(of.asker_mac, {}).setdefault(of.point, []).append(of)
            served = questions.answered.setdefault((of.point, of.target), set())
            if of.replies and len(served) < MAX_SERVED:
                served.add(of.asker_mac)
    return questions


def _is_unheard(context: Context, mac: int, point: int, asked: list[Exchange]) -> bool:
    """Does a MAC ask again and again at a point, where no frame comes for it?"""
    is_repeated = sum(of.requests for of in asked) >= MIN_FRAMES and not any(of.replies for of in asked)
    return is_repeated and not (unicast_frames(context, point, 0, -1)[1] == mac).any()


def _refused_in(context: Context, questions: _Questions, mac: int, card: int) -> RefusedMac | None:
    """Frames to the MAC leave another card, which hears it, and do not come to its own."""
    asked = questions.by_mac[mac][card]
    for other, answered in questions.by_mac[mac].items():
        answerers = {of for exchange in answered if exchange.replies for of in exchange.target_macs}
        own_mac = _receiver(context, card, answerers, mac)
        if other == card or not answerers or own_mac is None or listening(context).is_dropping[card]:
            continue
        frames = sum(exchange.replies for exchange in answered if exchange.kind == "arp")  # the others are flows
        rows = (context.flows[:, schema.FLOW_POINT] == other) & (context.flows[:, schema.FLOW_DMAC] == mac)
        frames += int(packets_without_duplicates(context)[rows].sum())
        if (
            frames >= MIN_FRAMES
            and not _passes_by(context, mac, card, other)
            and _is_behind(context, questions.by_mac[mac], card, other, mac, own_mac)
        ):
            return RefusedMac(mac, asked[0].asker, card, other, IN, frames, own_mac, [*asked, *answered])
    return None


def _passes_by(context: Context, mac: int, card: int, other: int) -> bool:
    """Do unicast frames of the MAC come to the other card, and not by this one? Then it is behind neither."""
    at_card, at_other = (unicast_frames(context, point, 0, -1)[0] for point in (card, other))
    return bool((at_other == mac).any() and not (at_card == mac).any())


def _refused_out(context: Context, questions: _Questions, mac: int, card: int) -> RefusedMac | None:
    """The MAC's broadcasts leave its card, and do not come to another one, which gets those of the card itself."""
    table, asked = context.stations, questions.by_mac[mac][card]
    for other in range(len(context.points)):
        is_sent = (table[:, schema.STATION_POINT] == other) & (table[:, schema.STATION_MAC] == mac)
        if other == card or is_sent.any() or not _is_listening(context, other, asked):
            continue
        if _may_be_child(context, other, card):
            continue
        own_mac, frames = _served(questions, mac, asked, card, other)
        if frames >= MIN_FRAMES:
            heard_at = questions.by_mac[own_mac][other]
            return RefusedMac(mac, asked[0].asker, card, other, OUT, frames, own_mac, [*asked, *heard_at])
    return None


def _refused_somewhere(context: Context, questions: _Questions, mac: int, card: int) -> RefusedMac | None:
    """Nothing beyond the card was captured: a target answers the card's host there, and never the MAC behind it."""
    at_points = questions.by_mac[mac]
    own_mac, frames = _served(questions, mac, at_points[card], card)
    if frames <= MIN_FRAMES:
        return None
    for own, asked in at_points.items():
        is_own = own != card and (context.points[own].role == "container" or is_alone(context, own, mac))
        if is_own and are_on_one_host(context, own, card, _delays(context, at_points, own, card)):
            in_vain = [of for of in at_points[card] if own_mac in questions.answered[card, of.target]]
            return RefusedMac(mac, asked[0].asker, card, own, UNKNOWN, frames, own_mac, [*in_vain, *asked])
    return None


def _served(questions: _Questions, mac: int, asked: list[Exchange], *points: int) -> tuple[int, int]:
    """Another MAC whose questions for the same targets are answered at all of these points, and how often in vain."""
    frames: Counter[int] = Counter()
    for of in asked:
        for own_mac in set.intersection(*(questions.answered.get((point, of.target), set()) for point in points)):
            frames[own_mac] += of.requests
    del frames[mac]
    return max(frames.items(), key=lambda item: (item[1], item[0]), default=(0, 0))


def _receiver(context: Context, card: int, senders: set[int], mac: int) -> int | None:
    """A MAC other than `mac` that gets unicast frames of these senders at a card: the one that gets most."""
    sources, destinations = unicast_frames(context, card, 0, -1)
    receivers = Counter(destinations[is_one_of(sources, senders) & (destinations != mac)].tolist())
    return max(receivers, key=lambda of: (receivers[of], of), default=None)


def _is_behind(context: Context, at_points: _AtPoint, card: int, other: int, mac: int, own_mac: int) -> bool:
    """Do the MAC's questions take as long from one point to the other as other frames do?"""
    delays = [delay for delay, of in _shortest_delays(context, card, other) if of != mac][:1]
    at_card, at_other = (_exchanges_at(context).get(point, []) for point in (card, other))
    delays += answer_delays(context, at_card, at_other, own_mac)
    shortest = min((delay for delay in delays if delay > 0), default=0)
    own_delays = _delays(context, at_points, card, other)
    is_near = any(
        context.points[own].role == "container"
        and are_on_one_host(context, own, card, _delays(context, at_points, own, card))
        for own in at_points
        if own not in (card, other)
    )
    share = MIN_SHARE_OF_DELAY_FROM_CHILD if is_near else MIN_SHARE_OF_DELAY
    return bool(shortest and own_delays and min(own_delays) >= share * shortest)


@derived
def _shortest_delays(context: Context, card: int, other: int) -> list[tuple[int, int]]:
    """How long frames take from one point to the other, the shortest first: of flows, and of each MAC's questions.

    Each with the MAC that asks, -1 of flows. Times of zero and less are left out.
    """
    flows, links = context.flows, flow_links(context)
    is_between = links.is_timed & (flows[links.source, schema.FLOW_POINT] == card)
    is_between &= flows[links.target, schema.FLOW_POINT] == other
    delays = [(delay, -1) for delay in links.delays_ns[is_between, 0].tolist()]
    for mac, at_points in _questions(context).by_mac.items():
        delays += [(delay, mac) for delay in _delays(context, at_points, card, other)]
    return sorted(each for each in delays if each[0] > 0)


@derived
def _exchanges_at(context: Context) -> dict[int, list[Exchange]]:
    """Point → the questions that it shows."""
    exchanges: dict[int, list[Exchange]] = {}
    for of in neighbours(context):
        exchanges.setdefault(of.point, []).append(of)
    return exchanges


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
