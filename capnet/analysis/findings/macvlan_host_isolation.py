"""macvlan-host-isolation: a host cannot reach the containers behind its own card.

Looks at: ARP requests of a card's host for a station behind that card which answers everybody else
(`facts.layer2.segments`).
Says: which host asked for which of its own macvlan children; the kernel never passes frames between a card and its
macvlan children, so that this can only fail.
Wrong when: the station was unreachable for another reason just then, or the asking host is another one on the wire.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import ARP_FIRST_FRAME, ARP_OPERATION, ARP_POINT, ARP_SENDER_LO, ARP_TARGET_LO
from capnet.analysis.core.wording import plural
from capnet.analysis.facts.layer2.macvlan_parents import asked_in_vain
from capnet.analysis.facts.layer2.segments import segments
from capnet.wire.addresses import address_value
from capnet.wire.numbers import ARP_REQUEST

SURE = 0.5


def diagnose(context: Context) -> list[Finding]:
    return [
        Finding(
            "macvlan-host-isolation",
            "warning",
            f"{host} asked for {child} {plural(often, 'time')}: a macvlan child of its own card, out of its reach",
            "by design; give the host a macvlan interface of its own on that card with a route to the children, "
            "or reach them from another machine",
            {"host": host, "child": child, "point": context.points[point].name, "requests": often},
            [context.evidence(point, frame) for frame in _frames(context, point, host, child)],
        )
        for (host, child), (point, often) in sorted(isolated(context).items())
    ]


def isolated(context: Context) -> dict[tuple[str, str], tuple[int, int]]:
    """(host, child) → the card's point and how often the host asked."""
    found = {}
    for card in segments(context).cards:
        if card.host_ip and card.sure >= SURE:
            for child in card.children:
                often = asked_in_vain(context, card.point, card.host_ip, child.ip)
                if often:
                    found[card.host_ip, child.ip] = card.point, often
    return found


def _frames(context: Context, point: int, host: str, child: str) -> list[int]:
    arps = context.arps
    rows = (arps[:, ARP_POINT] == point) & (arps[:, ARP_OPERATION] == ARP_REQUEST)
    for column, address in ((ARP_SENDER_LO, host), (ARP_TARGET_LO, child)):
        rows &= arps[:, column] == address_value(address)[1]
    return [int(frame) for frame in np.sort(arps[rows, ARP_FIRST_FRAME])[:10]]
