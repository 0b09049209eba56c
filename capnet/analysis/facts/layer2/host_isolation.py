"""Which hosts asked in vain for macvlan children of their own interface.

The kernel passes no frames between a parent interface's host and its macvlan children, so the host's ARP requests for
them go out on the wire only.
"""

from __future__ import annotations

from typing import NamedTuple

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.facts.layer2.macvlan_parents import asked_in_vain
from capnet.analysis.facts.layer2.segments import segments

MIN_PARENT_CONFIDENCE = 0.5  # of 0 to 1: below, the interface may be no macvlan parent


class IsolatedChild(NamedTuple):
    """A macvlan child that its own host asked for: the addresses of both, the parent's point, how many requests."""

    host: str
    child: str
    point: int
    requests: int


@derived
def isolated_children(context: Context) -> list[IsolatedChild]:
    """Children that their own host asked for without an answer, by addresses of host and child."""
    isolated = {}
    for card in segments(context).cards:
        if card.host_ip and card.sure >= MIN_PARENT_CONFIDENCE:
            for child in card.children:
                requests = asked_in_vain(context, card.point, card.host_ip, child.ip)
                if requests:
                    isolated[card.host_ip, child.ip] = IsolatedChild(card.host_ip, child.ip, card.point, requests)
    return [isolated[ends] for ends in sorted(isolated)]
