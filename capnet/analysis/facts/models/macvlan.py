"""macvlan: containers with a MAC and an address of their own, straight on the network of the host's card.

Told apart by: several stations with one address each behind one card, their packets unchanged (MACs, TTL) between
their own interface and the card; frames between them seen at the card but not on the wire; and the host itself cannot
reach them: what it broadcasts never arrives at them, its ARP goes unanswered.
Looks alike: a bridge with the card as a port, where the host can reach them; a port that mirrors others' traffic.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Evidence, Model
from capnet.analysis.core.schema import (
    ARP_FIRST_FRAME,
    ARP_POINT,
    ARP_SENDER_LO,
    ARP_TARGET_LO,
    FLOW_FIRST_FRAME,
    FLOW_POINT,
    FLOW_SMAC,
)
from capnet.analysis.facts.layer2.model import Card
from capnet.analysis.facts.layer2.segments import segments
from capnet.wire.addresses import address_value, mac_text


def judge(context: Context) -> list[Model]:
    cards = [card for card in segments(context).cards if card.sure >= 0.3]
    if not cards:
        return []
    card = cards[0]
    where = context.points[card.point].name
    stations = " and ".join(f"{child.ip} ({mac_text(child.mac)})" for child in card.children[:3])
    more = "" if len(card.children) <= 3 else f" and {len(card.children) - 3} more"
    has = "have a MAC of their own" if len(card.children) > 1 else "has a MAC of its own"
    because = [f"{stations}{more} {has} behind the card {where}, MACs and TTL unchanged"]
    if card.watched_alone:
        because = [f"{stations}{more} {has} on the network at {where}, and others reach them"]
    confidence = card.sure
    if card.inward and card.only_inside:
        because.append(f"what they send each other passes {where}, but never the wire")
    host = card.host_ip or (mac_text(card.host) if card.host is not None else None)
    if card.in_vain:
        asks = "asks for them again and again" if card.watched_alone else "asks for its own children by ARP"
        because.append(f"the host, {host}, {asks} and gets no answer")
    elif host:
        because.append(f"what the host, {host}, broadcasts at {where} does not reach them")
    else:
        because.append("but nothing of the host itself was heard: a bridge that has the card as a port looks the same")
    names = _networks(context)
    if names:
        because.append(f"Docker has a macvlan network, {', '.join(names)}")
        confidence = 0.99
    return [Model("macvlan", confidence, because, _evidence(context, card))]


def _networks(context: Context) -> list[str]:
    networks = context.topology.networks if context.topology else []
    return sorted(network.name for network in networks if network.driver == "macvlan")


def _evidence(context: Context, card: Card) -> list[Evidence]:
    """A frame of each child at the card, one between children, and the host's question."""
    flows, arps = context.flows, context.arps
    found = []
    for child in card.children[:3]:
        rows = (flows[:, FLOW_POINT] == card.point) & (flows[:, FLOW_SMAC] == child.mac)
        if rows.any():
            found.append(context.evidence(card.point, int(flows[rows, FLOW_FIRST_FRAME].min())))
    found += card.inward[:2]
    if card.host_ip:
        asked = (arps[:, ARP_POINT] == card.point) & (arps[:, ARP_SENDER_LO] == address_value(card.host_ip)[1])
        for child in card.children[:3]:
            rows = asked & (arps[:, ARP_TARGET_LO] == address_value(child.ip)[1])
            if card.in_vain and rows.any():
                found.append(context.evidence(card.point, int(arps[rows, ARP_FIRST_FRAME].min())))
    return sorted(set(found))[:10]
