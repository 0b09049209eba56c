"""Which flows are Docker Swarm's own, and no user's?

Nodes manage the swarm over TCP to port 2377, and gossip over 7946: UDP from that port to that port (memberlist sends
from the socket that it listens on), TCP to it from any other. All of it goes from host to host, outside of tunnels. A
client may have one of these numbers by chance, and a container may serve it: those are flows like any other.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.arrays import one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import replies, seen_by
from capnet.analysis.core.schema import FLOW_DPORT, FLOW_PROTO, FLOW_SPORT, FLOW_SYN_TIME, FLOW_SYNACK_TIME, FLOW_VIA
from capnet.wire.numbers import PORT_SWARM_GOSSIP, PORT_SWARM_MANAGEMENT, TCP, UDP

INSIDE = ("container", "veth", "bridge", "overlay")  # roles of points at which a host's own traffic does not pass


def swarms_own(context: Context) -> np.ndarray:
    """Per flow row: is it Swarm's own traffic?"""
    flows = context.flows
    sport, dport = flows[:, FLOW_SPORT], flows[:, FLOW_DPORT]
    outside = (flows[:, FLOW_VIA] == 0) & ~seen_by(context, INSIDE)
    gossip = (flows[:, FLOW_PROTO] == UDP) & (sport == PORT_SWARM_GOSSIP) & (dport == PORT_SWARM_GOSSIP)
    tcp = flows[:, FLOW_PROTO] == TCP
    ports = (PORT_SWARM_MANAGEMENT, PORT_SWARM_GOSSIP)
    there, back = one_of(dport, ports), one_of(sport, ports)
    if not (tcp & (there | back)).any():
        return outside & gossip
    # The server's end tells: the one that a SYN goes to, else the one with the lower number.
    answers = replies(context)
    turned = np.where(answers >= 0, answers, 0)
    opens = (flows[:, FLOW_SYN_TIME] >= 0) | ((answers >= 0) & (flows[turned, FLOW_SYNACK_TIME] >= 0))
    accepts = (flows[:, FLOW_SYNACK_TIME] >= 0) | ((answers >= 0) & (flows[turned, FLOW_SYN_TIME] >= 0))
    to_server = np.where(opens == accepts, dport <= sport, opens)
    return outside & (gossip | (tcp & np.where(to_server, there, back)))
