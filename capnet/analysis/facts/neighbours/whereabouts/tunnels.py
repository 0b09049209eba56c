"""Where an address of an overlay is whose end of the tunnel does not get the questions for it.

Input: questions in tunnels, the frames that tunnels carry, tunnels. Output: `Whereabouts`, None if nothing shows it.
Method: the interface of the asker's own tunnel end shows all that this end sends; the target speaks from one other end,
to which it sends nothing in this network. Limits: kinds with a VNI; not where groups get the questions; no samples.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import host_of, is_multicast
from capnet.analysis.facts.neighbours.exchanges import Exchange
from capnet.analysis.facts.neighbours.question_delays import question_delays
from capnet.analysis.facts.neighbours.whereabouts.places import Place, Whereabouts
from capnet.analysis.facts.overlay.station_ends import ends_of_address, ends_of_mac
from capnet.analysis.fate.interface_points import interface_points
from capnet.wire.addresses import address_text, address_value


def not_flooded(context: Context, at_points: list[Exchange]) -> Whereabouts | None:
    """The tunnel end behind which the target is, if the asker's own one sends it none of these questions.

    `point` is the asker's end, `other` the target's, both by address.
    """
    for of in at_points if context.sample_share == 1.0 else ():
        if not of.via or of.asker_mac <= 0:
            continue
        homes = ends_of_address(context, of.via, of.vni, of.target)
        senders = ends_of_mac(context, of.via, of.vni, of.asker_mac)
        if not len(homes) == len(senders) == 1 or homes == senders:
            continue
        (home,), (sender,) = homes, senders
        if _sends_to(context, of, sender) & {home, None}:
            continue
        if _is_own_interface(context, of.point, sender) or _enters_there(context, at_points, of):
            return Whereabouts(sender, of.asker_mac, Place.NOT_FLOODED, home)
    return None


def _sends_to(context: Context, asked: Exchange, sender: str) -> set[str | None]:
    """The ends to which a tunnel end sends frames of this network at the point of a question; None for a group."""
    tunnels, (high, low) = context.tunnels, address_value(sender)
    place = [schema.TUNNEL_POINT, schema.TUNNEL_KIND, schema.TUNNEL_VNI, schema.TUNNEL_SRC_HI, schema.TUNNEL_SRC_LO]
    rows = tunnels[(tunnels[:, place] == [asked.point, asked.via, asked.vni, high, low]).all(axis=1)]
    ends = {address_text(*end) for end in rows[:, [schema.TUNNEL_DST_HI, schema.TUNNEL_DST_LO]].tolist()}
    return {None if is_multicast(end) else end for end in ends}


def _is_own_interface(context: Context, point: int, end: str) -> bool:
    """Is a point the own interface of the station that sends with this outer address? Others show some copies only."""
    flows, (high, low) = context.flows, address_value(end)
    is_its = (flows[:, schema.FLOW_POINT] == point) & (flows[:, schema.FLOW_CARRIES] > 0)
    is_its &= (flows[:, schema.FLOW_SRC_HI] == high) & (flows[:, schema.FLOW_SRC_LO] == low)
    macs = set(flows[is_its, schema.FLOW_SMAC].tolist())
    return len(macs) == 1 and point in interface_points(context).get(macs.pop(), ())


def _enters_there(context: Context, at_points: list[Exchange], inside: Exchange) -> bool:
    """Do the questions come to the tunnel from another point of the same host, where they are outside of it?"""
    host = host_of(context.points[inside.point].name)
    for of in at_points:
        if not of.via and host is not None and host_of(context.points[of.point].name) == host:
            delays = question_delays(context, [of], [inside])
            if delays and min(delays) >= 0 and max(delays) > 0:
                return True
    return False
