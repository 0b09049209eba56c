"""Layer-2 segments: which stations are at each capture point, judged from frames alone, never from names of points.

* A station's own interface is a point where every unicast frame is from it or to it (`interface_points`).
* A macvlan parent is a point with stations whose interfaces are right behind it, and its host cannot reach them
  (`macvlan_parents`).
* A shared MAC speaks for several addresses of its own, at several interfaces: ipvlan (`shared_macs`).
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.facts.layer2.arp import last_broadcasts
from capnet.analysis.facts.layer2.loopback import is_loopback_point, loopback_conversations
from capnet.analysis.facts.layer2.macvlan_parents import macvlan_parents
from capnet.analysis.facts.layer2.model import Segments, unicast
from capnet.analysis.facts.layer2.shared_macs import shared_macs
from capnet.analysis.facts.nat.addresses import addresses_set_by_nat
from capnet.analysis.fate.interface_points import interface_points
from capnet.analysis.fate.speakers import speakers


@derived
def layer2_segments(context: Context) -> Segments:
    """The segments at all capture points."""
    loopback_points = {point for point in range(len(context.points)) if is_loopback_point(context, point)}
    points = [point for point in range(len(context.points)) if point not in loopback_points]
    segments = Segments(
        speakers={point: speakers(context, point, outside_tunnels=True) for point in points},
        interface_points=interface_points(context),
        loopback_points=loopback_points,
        silent_points={point for point in points if not len(unicast(context, point))},
        last_broadcasts=last_broadcasts(context),
        loopback_conversations=loopback_conversations(context, loopback_points),
    )
    segments.macvlan_parents = macvlan_parents(context, segments)
    segments.shared_macs = shared_macs(context, segments, addresses_set_by_nat(context))
    return segments
