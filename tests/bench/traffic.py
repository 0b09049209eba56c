"""Which packets a made capture has: flows between containers, and the packets of each, as numpy columns.

The same arguments give the same packets. TCP flows have a handshake, sequence and acknowledgment numbers; ICMP has
echo pairs; every flow has a port or identifier of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capnet.wire.numbers import ICMP, TCP, TCP_ACK, TCP_FIN, TCP_PSH, TCP_SYN, UDP

FIRST_NS = 1_700_000_000_000_000_000
MEAN_GAP_NS = 5_000
VNIS = np.array([4097, 4098, 4099, 5001], dtype=np.int64)
FIRST_EPHEMERAL_PORT, EPHEMERAL_PORTS = 32_768, 28_232  # Linux's default ip_local_port_range
SERVICE_PORTS = np.array([80, 5432, 6379, 8081, 9090, 9200, 11211, 27017])
PROTOCOL_SHARES = {TCP: 0.78, UDP: 0.17, ICMP: 0.05}  # of the flows
PAYLOADS = {  # octets of payload → share of the packets; full-size ones fit MTU 1500 also inside VXLAN
    TCP: {0: 0.38, 200: 0.28, 1398: 0.34},
    UDP: {48: 0.5, 512: 0.35, 1200: 0.15},
    ICMP: {56: 1.0},
}


@dataclass
class Flows:
    """One row per flow; addresses are 32-bit, MACs 48-bit integers. Client is a container of A, server one of B."""

    proto: np.ndarray
    overlay: np.ndarray  # bool: travels in VXLAN
    client: np.ndarray
    server: np.ndarray
    sport: np.ndarray  # ICMP: the identifier
    dport: np.ndarray
    vni: np.ndarray
    entropy: np.ndarray  # (flows, 2): outer UDP source port per direction
    isn: np.ndarray  # (flows, 2): initial TCP sequence number per direction
    first_id: np.ndarray  # (flows, 2): first IPv4 identification per direction


@dataclass
class Packets:
    """One row per packet, in time order."""

    flow: np.ndarray
    back: np.ndarray  # 0 client to server, 1 server to client
    payload: np.ndarray
    flags: np.ndarray
    seq: np.ndarray
    ack: np.ndarray
    ip_id: np.ndarray
    turn: np.ndarray  # ICMP sequence number: pair of request and reply
    time: np.ndarray  # ns


def make_flows(random: np.random.Generator, count: int, weights: np.ndarray, vxlan_share: float) -> Flows:
    """`count` flows, of which `vxlan_share` of all weights travel in VXLAN."""
    # Overlay flows are chosen at random until their weights reach the share.
    order = random.permutation(count)
    total = np.cumsum(weights[order])
    overlay = np.zeros(count, dtype=bool)
    overlay[order[total <= vxlan_share * total[-1] + 1e-9]] = True
    proto = random.choice(list(PROTOCOL_SHARES), size=count, p=list(PROTOCOL_SHARES.values()))
    numbers = np.arange(count)
    host = random.integers(2, 250, size=(2, count))
    network = np.where(overlay, (10 << 24) | (numbers % len(VNIS)) << 16 | 1 << 8, (172 << 24) | (17 << 16))
    return Flows(
        proto=proto,
        overlay=overlay,
        client=network | host[0],
        server=network + (1 << 10) | host[1],
        # Every flow has a port of its own, so that no two flows fall together.
        sport=FIRST_EPHEMERAL_PORT + numbers % EPHEMERAL_PORTS,
        dport=np.where(proto == TCP, SERVICE_PORTS[numbers // EPHEMERAL_PORTS % len(SERVICE_PORTS)], 9999),
        vni=VNIS[numbers % len(VNIS)],
        entropy=random.integers(32_768, 61_000, size=(count, 2)),
        isn=random.integers(0, 1 << 32, size=(count, 2)),
        first_id=random.integers(0, 1 << 16, size=(count, 2)),
    )


def make_packets(random: np.random.Generator, flows: Flows, count: int, weights: np.ndarray) -> Packets:
    """`count` packets: each flow has at least one, the others go to flows by weight."""
    extra = random.choice(len(weights), size=count - len(weights), p=weights / weights.sum())
    flow = random.permutation(np.concatenate([np.arange(len(weights)), extra]))
    # By flow, in order, to number what happens within each flow.
    order = np.argsort(flow, kind="stable")
    by_flow = flow[order]
    starts = np.flatnonzero(np.diff(by_flow, prepend=-1))
    sizes = np.diff(starts, append=count)
    turn = np.arange(count) - np.repeat(starts, sizes)
    is_tcp = flows.proto[by_flow] == TCP
    back = np.where(is_tcp & (turn > 2), random.integers(0, 2, size=count), turn & 1)
    payload = _payloads(random, flows.proto[by_flow])
    payload[is_tcp & (turn < 3)] = 0
    is_last = is_tcp & (turn == np.repeat(sizes, sizes) - 1) & (turn > 2)
    flags = np.where(turn == 0, TCP_SYN, np.where(turn == 1, TCP_SYN | TCP_ACK, TCP_ACK))
    flags = flags | np.where(payload > 0, TCP_PSH, 0) | np.where(is_last, TCP_FIN, 0)

    # SYN and FIN count as one octet each.
    octets = payload + ((flags & (TCP_SYN | TCP_FIN)) != 0)
    sent_octets, sent_packets = (_sent_before(values, back, starts, sizes) for values in (octets, np.ones_like(back)))
    rows = np.arange(count)
    columns = {
        "back": back,
        "payload": payload,
        "flags": flags,
        "seq": flows.isn[by_flow, back] + sent_octets[back, rows] & 0xFFFFFFFF,
        "ack": np.where(turn == 0, 0, flows.isn[by_flow, 1 - back] + sent_octets[1 - back, rows]) & 0xFFFFFFFF,
        "ip_id": flows.first_id[by_flow, back] + sent_packets[back, rows] & 0xFFFF,
        "turn": np.where(flows.proto[by_flow] == ICMP, turn // 2, 0),
    }
    in_time_order = {name: np.empty(count, dtype=np.int64) for name in columns}
    for name, values in columns.items():
        in_time_order[name][order] = values
    gaps_ns = 1 + random.exponential(MEAN_GAP_NS, size=count).astype(np.int64)
    return Packets(flow=flow, time=FIRST_NS + np.cumsum(gaps_ns), **in_time_order)


def _payloads(random: np.random.Generator, proto: np.ndarray) -> np.ndarray:
    """Octets of payload of each packet, by its protocol."""
    payload = np.zeros(len(proto), dtype=np.int64)
    for number, shares in PAYLOADS.items():
        packets = np.flatnonzero(proto == number)
        payload[packets] = random.choice(list(shares), size=len(packets), p=list(shares.values()))
    return payload


def _sent_before(values: np.ndarray, back: np.ndarray, starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(2, packets): the sum of `values` that each direction of a packet's flow sent before it."""
    sums = np.zeros((2, len(values)), dtype=np.int64)
    for direction in (0, 1):
        sent = np.where(back == direction, values, 0)
        total = np.cumsum(sent) - sent
        sums[direction] = total - np.repeat(total[starts], sizes)
    return sums
