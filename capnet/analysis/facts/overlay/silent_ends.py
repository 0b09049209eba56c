"""Which tunnels that carry frames one way should carry some back: what they carry asks, and the other end was silent.

Input: tunnels, flows, neighbours. Output: whether the silence of a tunnel's other end is evidence. Method: frames of
the other end under another id are answers, as are those that are no good frames of the tunnel (an id per direction,
GTP-U with a wrong length). Who only reports, as a load generator does by UDP, gets no answer. Limits: of a VNI between
more than two ends, any question in it counts; what cannot be read inside is no question.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, is_among, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import are_multicast_macs, destination, replies, source
from capnet.analysis.core.results import Tunnel
from capnet.analysis.core.schema import FlowMask, FlowRow, Values
from capnet.analysis.facts.neighbours.exchanges import neighbours
from capnet.analysis.facts.outcomes.silent_requests import nothing_comes_back
from capnet.analysis.fate.interface_points import is_at_own_interface
from capnet.wire.addresses import address_value
from capnet.wire.numbers import ICMP, ICMP_ECHO_REQUEST, ICMPV6, ICMPV6_ECHO_REQUEST, PORT_DNS, TCP, TCP_ACK, UDP
from capnet.wire.protocols import KIND_OF_NAME, KIND_OF_NUMBER, wireguard
from capnet.wire.protocols.ipsec import TUNNEL_ESP

MIN_SILENCE_NS = 1_000_000_000  # from the first frame: a SYN and a ping are sent again by then
# Who gets data and has none to send says so after 10 s (WireGuard, section 6.5: passive keepalive).
MIN_WIREGUARD_SILENCE_NS = 10_000_000_000
MIN_LOOKUPS = 2  # for a MAC, without an answer: a single one may be answered behind the capture
_ASKED_PORTS = (PORT_DNS, 69, 123, 161, 443, 1812, 5060)  # UDP that asks: TFTP, NTP, SNMP, QUIC, RADIUS, SIP
_ECHO_REQUESTS = (ICMP_ECHO_REQUEST << 8, ICMPV6_ECHO_REQUEST << 8)  # values of FLOW_KIND

_ADDRESSES = schema.FLOW_ADDRESSES


def is_silent(context: Context, tunnel: Tunnel, sender: str) -> bool:
    """Does the other end of a one-way tunnel owe an answer, and gave none in time?"""
    receiver = next((vtep for vtep in tunnel.vteps if vtep != sender), sender)
    kind = KIND_OF_NAME[tunnel.kind]
    if kind.has_id_per_direction and (kind.number, receiver, sender) in _answers_outside(context):
        return False
    point = [of.name for of in context.points].index(tunnel.point)
    if not _shows_both_directions(context, point, tunnel, sender):
        return False
    if _silence_ns(context, point, tunnel) < MIN_SILENCE_NS:
        return False
    if kind.number == wireguard.TUNNEL_WIREGUARD:
        silence_ns = _silence_ns(context, point, tunnel)
        return silence_ns >= MIN_WIREGUARD_SILENCE_NS or are_handshakes(context, tunnel)
    if kind.number == TUNNEL_ESP:
        return True  # what it asks is encrypted
    network = point, kind.number, -1 if tunnel.vni is None else tunnel.vni
    return network in _open_questions(context) and network not in _answered_elsewhere(context)


def arrives_at(context: Context, tunnel: Tunnel, receiver: str) -> str:
    """The receiver's own interface at which frames of a tunnel are seen; "" if there is none."""
    flows = context.flows
    is_its = flows[:, schema.FLOW_CARRIES] == KIND_OF_NAME[tunnel.kind].number
    is_its &= (flows[:, schema.FLOW_DST] == np.array(address_value(receiver), dtype=np.int64)).all(axis=1)
    for row in np.flatnonzero(is_its).tolist():
        if source(flows[row]) in tunnel.vteps and is_at_own_interface(context, row):
            return context.points[int(flows[row, schema.FLOW_POINT])].name
    return ""


def _shows_both_directions(context: Context, point: int, tunnel: Tunnel, sender: str) -> bool:
    """Does a point show anything that goes to the sender of a tunnel, or that the sender asks again in it?

    What goes to it may be of any kind, by address or by MAC. Else the point may record one direction of this traffic.
    """
    flows = context.flows
    kind = KIND_OF_NAME[tunnel.kind].number
    is_its = (flows[:, schema.FLOW_POINT] == point) & (flows[:, schema.FLOW_CARRIES] == kind)
    is_its &= (flows[:, schema.FLOW_SRC] == np.array(address_value(sender), dtype=np.int64)).all(axis=1)
    rows = np.flatnonzero(is_its)
    if len(rows) and not nothing_comes_back(context, rows):
        return True
    if tunnel.kind == wireguard.KIND.name:
        return are_handshakes(context, tunnel)
    vni = -1 if tunnel.vni is None else tunnel.vni
    if (point, kind, vni) not in _repeated_questions(context):
        return False
    # Which of several senders asks again is not known.
    carriers = (flows[:, schema.FLOW_POINT] == point) & (flows[:, schema.FLOW_CARRIES] == kind)
    senders = flows[np.flatnonzero(carriers)][:, schema.FLOW_SRC]
    return len(senders) > 0 and bool((senders == senders[0]).all())


@derived
def _repeated_questions(context: Context) -> set[tuple[int, int, int]]:
    """Point, kind and id of tunnels in which a SYN or a question for a MAC is sent again."""
    flows = context.flows
    is_repeated = (flows[:, schema.FLOW_VIA] > 0) & (flows[:, schema.FLOW_SYNS] > 1)
    networks = {tuple(row) for row in flows[np.flatnonzero(is_repeated)][:, schema.FLOW_PLACE].tolist()}
    looked_for = (of for of in neighbours(context) if of.via and of.requests >= MIN_LOOKUPS and not of.is_announcement)
    return networks | {(of.point, of.via, of.vni) for of in looked_for if not of.replies}


def are_handshakes(context: Context, tunnel: Tunnel) -> bool:
    """Is each message of WireGuard that a point shows between these ends an initiation, by its length?"""
    if tunnel.kind != wireguard.KIND.name:
        return False
    flows = context.flows
    is_its = flows[:, schema.FLOW_CARRIES] == wireguard.TUNNEL_WIREGUARD
    is_its &= flows[:, schema.FLOW_POINT] == [point.name for point in context.points].index(tunnel.point)
    rows = [row for row in np.flatnonzero(is_its).tolist() if sorted(_ends_of(flows[row])) == sorted(tunnel.vteps)]
    sizes = flows[rows, schema.FLOW_PAYLOAD] == flows[rows, schema.FLOW_PACKETS] * wireguard.INITIATION_LENGTH
    return bool(rows) and bool(sizes.all()) and tunnel.port is not None


def _ends_of(flow: FlowRow) -> tuple[str, str]:
    return source(flow), destination(flow)


def _silence_ns(context: Context, point: int, tunnel: Tunnel) -> int:
    """From the first frame of a tunnel to the last packet of its point."""
    tunnels = context.tunnels
    frames = [evidence.frame for evidence in tunnel.evidence]
    is_its = (tunnels[:, schema.TUNNEL_POINT] == point) & is_one_of(tunnels[:, schema.TUNNEL_FIRST_FRAME], frames)
    first = tunnels[is_its, schema.TUNNEL_FIRST]
    return int(_last_times(context)[point] - first.min()) if len(first) else 0


@derived
def _last_times(context: Context) -> Values:
    """Per point: when its last packet came, ns."""
    last = np.zeros(len(context.points), dtype=np.int64)
    np.maximum.at(last, context.flows[:, schema.FLOW_POINT], context.flows[:, schema.FLOW_LAST])
    return last


@derived
def _answers_outside(context: Context) -> set[tuple[int, str, str]]:
    """Kind with an id per direction, sender, receiver of what goes from or to its UDP port at any point.

    Not of ESP: its port is that of IKE, too.
    """
    flows, tunnels = context.flows, context.tunnels
    answers: set[tuple[int, str, str]] = set()
    for kind in set(tunnels[:, schema.TUNNEL_KIND].tolist()) - {TUNNEL_ESP}:
        ports = tunnels[tunnels[:, schema.TUNNEL_KIND] == kind, schema.TUNNEL_DPORT]
        ports = ports[ports >= 0]
        if not KIND_OF_NUMBER[kind].has_id_per_direction or not len(ports):
            continue
        is_of_port = is_among(flows[:, schema.FLOW_SPORT], ports) | is_among(flows[:, schema.FLOW_DPORT], ports)
        rows = np.flatnonzero((flows[:, schema.FLOW_PROTO] == UDP) & is_of_port)
        _, firsts = np.unique(hash_of(flows, _ADDRESSES, rows), return_index=True)
        answers |= {(kind, *_ends_of(flows[row])) for row in rows[firsts].tolist()}
    return answers


@derived
def _open_questions(context: Context) -> set[tuple[int, int, int]]:
    """Point, kind and id of tunnels in which a packet asks, or a MAC is asked for, without an answer."""
    flows, kinds = context.flows, context.flows[:, schema.FLOW_KIND]
    asks = (flows[:, schema.FLOW_PROTO] == TCP) | is_one_of(kinds, _ECHO_REQUESTS)
    asks |= (flows[:, schema.FLOW_PROTO] == UDP) & is_one_of(flows[:, schema.FLOW_DPORT], _ASKED_PORTS)
    asks &= (flows[:, schema.FLOW_VIA] > 0) & (replies(context) < 0)
    asks &= ~(are_multicast_macs(flows[:, schema.FLOW_DMAC]) & (flows[:, schema.FLOW_DMAC] > 0))
    rows = np.flatnonzero(asks)
    _, firsts = np.unique(hash_of(flows, schema.FLOW_PLACE, rows), return_index=True)
    networks = {tuple(row) for row in flows[rows[firsts]][:, schema.FLOW_PLACE].tolist()}
    exchanges = neighbours(context)
    answered = {(of.kind, of.asker, of.target) for of in exchanges if of.replies}
    looked_for = (of for of in exchanges if of.via and of.requests >= MIN_LOOKUPS and not of.is_announcement)
    return networks | {
        (of.point, of.via, of.vni) for of in looked_for if (of.kind, of.asker, of.target) not in answered
    }


@derived
def _answered_elsewhere(context: Context) -> set[tuple[int, int, int]]:
    """Point, kind and id of tunnels whose stations answer each other in a tunnel of the kind with another id."""
    flows = context.flows
    rows = np.flatnonzero(flows[:, schema.FLOW_VIA] > 0)
    place = [schema.FLOW_POINT, schema.FLOW_VIA, schema.FLOW_PROTO]
    both = (schema.FLOW_ENDS, schema.FLOW_OPPOSITE_ENDS)
    forms, opposites = (hash_of(flows, [*place, *ends], rows).view(np.int64) for ends in both)
    is_answer = _may_answer(context)[rows]
    is_answered = is_among(opposites, forms[is_answer]) & (replies(context)[rows] < 0)
    is_its_answer = is_answer & is_among(forms, opposites[is_answered])
    chosen = rows[is_answered | is_its_answer]
    _, firsts = np.unique(hash_of(flows, schema.FLOW_PLACE, chosen), return_index=True)
    return {tuple(row) for row in flows[chosen[firsts]][:, schema.FLOW_PLACE].tolist()}


def _may_answer(context: Context) -> FlowMask:
    """Per flow: no echo request, and no SYN without an answer to it."""
    flows = context.flows
    is_icmp = is_one_of(flows[:, schema.FLOW_PROTO], (ICMP, ICMPV6))
    is_tcp = flows[:, schema.FLOW_PROTO] == TCP
    mask: FlowMask = ~(is_icmp & is_one_of(flows[:, schema.FLOW_KIND], _ECHO_REQUESTS))
    return mask & ~(is_tcp & (flows[:, schema.FLOW_TCP_FLAGS] & TCP_ACK == 0))
