"""Addresses that a container looks for on its link in vain, and that answer its host at another interface.

Input: unanswered neighbours, flows, replies. Output: `Covered`s, one for each link, asker and address. Method: what a
network covers is looked for on its own link, so that an address behind the host's card is never asked there. Limits:
points whose names have a host; not where the question is seen at the card too, which is the same link then.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import host_of, replies
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.losses.wire_losses import CARD_ROLES
from capnet.analysis.facts.neighbours.on_link_lookups import CONTAINER_ROLES
from capnet.analysis.facts.neighbours.unanswered_neighbours import Unanswered, unanswered_neighbours
from capnet.analysis.facts.neighbours.whereabouts.places import Place
from capnet.analysis.fate.interface_points import interface_points
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value


class Covered(NamedTuple):
    """An address that is looked for on one link of a host, and answers the host on another one."""

    question: Unanswered
    link: int  # point where it is looked for
    card: int  # point where it answers
    row: int  # of its answer


@derived
def covered_addresses(context: Context) -> list[Covered]:
    """All of them, by protocol, asker and address."""
    covered = []
    for question in unanswered_neighbours(context):
        points = {of.point for of in question.exchanges}
        if question.whereabouts and question.whereabouts.place == Place.ROUTED:
            continue  # others of the link reach it: its asker alone takes it for one of the link
        for link in sorted(points):
            host = host_of(context.points[link].name)
            if host is None or context.points[link].role not in CONTAINER_ROLES:
                continue
            row = _answer(context, question.target, host, points)
            if row >= 0:
                covered.append(Covered(question, link, int(context.flows[row, schema.FLOW_POINT]), row))
                break
    return covered


def _answer(context: Context, address: str, host: str, asked_at: set[int]) -> int:
    """The first flow of an address that answers a host at its card, where it is not asked for; -1 if there is none."""
    flows, (high, low) = context.flows, address_value(address)
    is_its = (flows[:, schema.FLOW_SRC_HI] == high) & (flows[:, schema.FLOW_SRC_LO] == low)
    is_its &= (flows[:, schema.FLOW_VIA] == 0) & (replies(context) >= 0) & (flow_links(context).before < 0)
    for row in np.flatnonzero(is_its).tolist():
        point, mac = int(flows[row, schema.FLOW_POINT]), int(flows[row, schema.FLOW_DMAC])
        is_card = context.points[point].role in CARD_ROLES and host_of(context.points[point].name) == host
        asks = flows[replies(context)[row], schema.FLOW_FIRST] <= flows[row, schema.FLOW_FIRST]
        if is_card and asks and point not in asked_at and mac in _macs_of_host(context, point):
            return row
    return -1


def _macs_of_host(context: Context, card: int) -> set[int]:
    """The MACs with which a host sends at its card what comes from its containers; else that whose interface it is."""
    flows, links = context.flows, flow_links(context)
    host = host_of(context.points[card].name)
    inner = [
        number
        for number, point in enumerate(context.points)
        if point.role in CONTAINER_ROLES and host_of(point.name) == host
    ]
    leaves = (flows[links.target, schema.FLOW_POINT] == card) & is_one_of(flows[links.source, schema.FLOW_POINT], inner)
    forwarded = set(flows[links.target[leaves], schema.FLOW_SMAC].tolist())
    return forwarded or {mac for mac, points in interface_points(context).items() if card in points}
