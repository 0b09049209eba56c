"""Which hosts sent ARP requests without an answer for macvlan children of their own interface.

The kernel passes no frames between the host of a macvlan parent and its children, so the host's ARP requests for them
go out on the wire only.
"""

from __future__ import annotations

from typing import NamedTuple

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.facts.layer2.arp import unanswered_requests
from capnet.analysis.facts.layer2.segments import layer2_segments

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
    for parent in layer2_segments(context).macvlan_parents:
        host = parent.host_ip
        if host and parent.confidence >= MIN_PARENT_CONFIDENCE:
            for child in parent.children:
                requests = unanswered_requests(context, parent.point, host, child.ip)
                if requests:
                    isolated[host, child.ip] = IsolatedChild(host, child.ip, parent.point, requests)
    return [isolated[ends] for ends in sorted(isolated)]
