"""Which hosts sent ARP requests without an answer for macvlan children of their own interface.

The kernel passes no frames between the host of a macvlan parent and its children, so the host's ARP requests for them
go out on the wire only.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.facts.layer2.arp import unanswered_requests
from capnet.analysis.facts.layer2.model import MacvlanParent
from capnet.analysis.facts.layer2.segments import layer2_segments
from capnet.analysis.facts.models import MIN_CONFIDENCE, confidence_in
from capnet.analysis.facts.neighbours.bystanders import shows_answers
from capnet.analysis.facts.neighbours.exchanges import neighbours
from capnet.quick_tuple import NamedTuple

MIN_PARENT_CONFIDENCE = 0.5  # of 0 to 1: below, the interface may be no macvlan parent


class IsolatedChild(NamedTuple):
    """A macvlan child that its own host asked for: the addresses of both, the parent's point, how many requests."""

    host: str
    child: str
    point: int
    requests: int


def is_macvlan(context: Context, parent: MacvlanParent) -> bool:
    """Where no child's own interface was captured, is macvlan likely? Firewalls and mirrors hide answers as well."""
    return not parent.is_seen_alone or confidence_in(context, "macvlan") >= MIN_CONFIDENCE


@derived
def isolated_children(context: Context) -> list[IsolatedChild]:
    """Children that their own host asked for without an answer, by addresses of host and child."""
    isolated = {}
    for parent in layer2_segments(context).macvlan_parents:
        host = parent.host_ip
        if host and parent.confidence >= MIN_PARENT_CONFIDENCE and is_macvlan(context, parent):
            for child in parent.children:
                requests = unanswered_requests(context, parent.point, host, child.ip)
                is_at_home = not parent.is_seen_alone or _is_asked_at_home(context, parent.point, host, child.ip)
                if requests and is_at_home:
                    isolated[host, child.ip] = IsolatedChild(host, child.ip, parent.point, requests)
    return [isolated[ends] for ends in sorted(isolated)]


def _is_asked_at_home(context: Context, point: int, host: str, child: str) -> bool:
    """Would the point show an answer? Else another machine asks, whose answers take another way.

    It would if the topology says that it is the asking host's own interface.
    """
    name = context.points[point].name
    for machine in context.topology.hosts if context.topology else ():
        for interface in machine.interfaces:
            if name == f"{machine.name}/{interface.name}" and host in interface.ips:
                return True
    exchanges = (of for of in neighbours(context) if (of.point, of.asker, of.target) == (point, host, child))
    return any(shows_answers(context, exchange) for exchange in exchanges)
