"""Swarm traffic: the flows of Docker Swarm itself, between its nodes.

Nodes manage the swarm over TCP to port 2377. They gossip over port 7946: UDP from that port to that port (memberlist
sends from the socket that it listens on), TCP to it from any other. All of it runs from host to host, outside tunnels.
A client may have one of these ports by chance, and a container may serve it: those are flows like any other.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import is_at_roles, replies
from capnet.analysis.core.schema import FlowMask
from capnet.wire.numbers import PORT_SWARM_GOSSIP, PORT_SWARM_MANAGEMENT, TCP, UDP

ROLES_WITHOUT_HOST_TRAFFIC = ("container", "veth", "bridge", "overlay")
_TCP_PORTS = (PORT_SWARM_MANAGEMENT, PORT_SWARM_GOSSIP)


@derived
def swarm_flows(context: Context) -> FlowMask:
    """For each flow: is it Swarm's own traffic?"""
    flows = context.flows
    sport, dport = flows[:, schema.FLOW_SPORT], flows[:, schema.FLOW_DPORT]
    is_outside = (flows[:, schema.FLOW_VIA] == 0) & ~is_at_roles(context, ROLES_WITHOUT_HOST_TRAFFIC)
    is_udp, is_tcp = flows[:, schema.FLOW_PROTO] == UDP, flows[:, schema.FLOW_PROTO] == TCP
    is_gossip = is_udp & (sport == PORT_SWARM_GOSSIP) & (dport == PORT_SWARM_GOSSIP)
    has_server_dport, has_server_sport = is_one_of(dport, _TCP_PORTS), is_one_of(sport, _TCP_PORTS)
    mask: FlowMask
    if not (is_tcp & (has_server_dport | has_server_sport)).any():
        mask = is_outside & is_gossip
        return mask
    is_tcp_of_swarm = is_tcp & np.where(_goes_to_server(context), has_server_dport, has_server_sport)
    mask = is_outside & (is_gossip | is_tcp_of_swarm)
    return mask


def _goes_to_server(context: Context) -> FlowMask:
    """For each TCP flow: is its destination the server? SYN and SYN-ACK tell, else the lower port is the server's."""
    flows = context.flows
    answers = replies(context)
    has_answer = answers >= 0
    answer = np.where(has_answer, answers, 0)
    syn_time, synack_time = flows[:, schema.FLOW_SYN_TIME], flows[:, schema.FLOW_SYNACK_TIME]
    opens = (syn_time >= 0) | (has_answer & (synack_time[answer] >= 0))
    accepts = (synack_time >= 0) | (has_answer & (syn_time[answer] >= 0))
    return np.where(opens == accepts, flows[:, schema.FLOW_DPORT] <= flows[:, schema.FLOW_SPORT], opens)
