"""The octets of made packets, as byte matrices: frames of one shape are written together, some thousand at a time.

Headers are consistent: IPv4 lengths, header checksums and identification, TCP with the timestamps option, UDP lengths,
ICMP checksums. TCP and UDP checksums are left zero, as offload leaves them on virtual links. Every payload begins with
its packet's number, so that no two packets are equal.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from capnet.wire.numbers import ETHERTYPE_IPV4, ICMP, TCP, TCP_SYN, UDP
from tests.bench.traffic import Flows, Packets

DONT_FRAGMENT = 0x4000
VXLAN_PORT = 4789
OUTER_BYTES = 50  # Ethernet 14, IPv4 20, UDP 8, VXLAN 8
HEADER_BYTES = {TCP: 32, UDP: 8, ICMP: 8}
NATTED_PORT = 20_000  # published port of B = NATTED_PORT + the container's port
HOST_A, HOST_B = 0xC0A86F80, 0xC0A86F81  # 192.168.111.128 and .129


class Shape(NamedTuple):
    """What the frames of one byte matrix have in common."""

    proto: int
    payload: int  # octets
    in_vxlan: bool


def put(rows: np.ndarray, column: int, width: int, values: np.ndarray | int, order: str = ">") -> None:
    """Store `values` as unsigned integers of `width` octets at `column` of the byte matrix `rows`."""
    whole = np.broadcast_to(np.asarray(values, dtype=np.int64), len(rows)).astype(f"{order}u8")
    octets = whole.view(np.uint8).reshape(-1, 8)
    rows[:, column : column + width] = octets[:, 8 - width :] if order == ">" else octets[:, :width]


def checksum(rows: np.ndarray) -> np.ndarray:
    """The Internet checksum (RFC 1071) of each row; an even number of columns."""
    total = np.ascontiguousarray(rows).view(">u2").astype(np.int64).sum(axis=1)
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def make_frames(
    flows: Flows, packets: Packets, numbers: np.ndarray, point: np.ndarray, shape: Shape, filler: np.ndarray
) -> np.ndarray:
    """The frames of the packets with these numbers, all of one shape, at these points: a frame per row."""
    start = OUTER_BYTES if shape.in_vxlan else 0
    length = 20 + HEADER_BYTES[shape.proto] + shape.payload
    rows = np.zeros((len(numbers), start + 14 + length), dtype=np.uint8)
    rows[:, rows.shape[1] - shape.payload :] = filler[: shape.payload]
    flow, back = packets.flow[numbers], packets.back[numbers]

    # Plain traffic is masqueraded by A: the client's address becomes A's. It is published by B: B's address and port
    # become the container's. The overlay changes nothing.
    is_plain = ~flows.overlay[flow]
    port = np.where(is_plain & (point < 2), NATTED_PORT, 0) + flows.dport[flow]
    client = np.where(is_plain & (point > 0), HOST_A, flows.client[flow])
    server = np.where(is_plain & (point < 2), HOST_B, flows.server[flow])
    hops = np.where(is_plain, np.where(back == 1, 2 - point, point), 0)
    src, dst = np.where(back == 1, server, client), np.where(back == 1, client, server)
    _put_ethernet(rows, start, src, dst)
    _put_ipv4(
        rows,
        start + 14,
        proto=shape.proto,
        length=length,
        ip_id=packets.ip_id[numbers],
        flags=DONT_FRAGMENT,
        ttl=64 - hops,
        src=src,
        dst=dst,
    )
    _put_transport(rows, start + 34, flows, packets, numbers, port, shape)
    if shape.in_vxlan:
        _put_outer(rows, flows, packets, numbers)
    return rows


def _put_ethernet(rows: np.ndarray, column: int, src: np.ndarray, dst: np.ndarray) -> None:
    """A header of 14 octets, with the MACs that Docker makes of IPv4 addresses."""
    put(rows, column, 6, (0x0242 << 32) | dst)
    put(rows, column + 6, 6, (0x0242 << 32) | src)
    put(rows, column + 12, 2, ETHERTYPE_IPV4)


def _put_ipv4(
    rows: np.ndarray,
    column: int,
    *,
    proto: int,
    length: int,
    ip_id: np.ndarray,
    flags: int,
    ttl: np.ndarray | int,
    src: np.ndarray,
    dst: np.ndarray,
) -> None:
    """A header of 20 octets, with its checksum."""
    rows[:, column] = 0x45
    put(rows, column + 2, 2, length)
    put(rows, column + 4, 2, ip_id)
    put(rows, column + 6, 2, flags)
    rows[:, column + 8] = ttl
    rows[:, column + 9] = proto
    put(rows, column + 12, 4, src)
    put(rows, column + 16, 4, dst)
    put(rows, column + 10, 2, checksum(rows[:, column : column + 20]))


def _put_transport(
    rows: np.ndarray,
    column: int,
    flows: Flows,
    packets: Packets,
    numbers: np.ndarray,
    port: np.ndarray,
    shape: Shape,
) -> None:
    """The TCP, UDP or ICMP header, and the packet's number at the beginning of the payload; `port`: of the server."""
    flow, back = packets.flow[numbers], packets.back[numbers]
    if shape.proto == ICMP:
        rows[:, column] = np.where(back == 1, 0, 8)
        put(rows, column + 4, 2, flows.sport[flow])
        put(rows, column + 6, 2, packets.turn[numbers])
    else:
        put(rows, column, 2, np.where(back == 1, port, flows.sport[flow]))
        put(rows, column + 2, 2, np.where(back == 1, flows.sport[flow], port))
    if shape.proto == UDP:
        put(rows, column + 4, 2, 8 + shape.payload)
    if shape.proto == TCP:
        put(rows, column + 4, 4, packets.seq[numbers])
        put(rows, column + 8, 4, packets.ack[numbers])
        rows[:, column + 12] = 0x80
        rows[:, column + 13] = packets.flags[numbers]
        put(rows, column + 14, 2, 502)
        put(rows, column + 20, 4, 0x0101080A)  # NOP NOP timestamps (RFC 7323)
        milliseconds = packets.time[numbers] // 1_000_000
        put(rows, column + 24, 4, milliseconds & 0xFFFFFFFF)
        echoed = np.where(packets.flags[numbers] == TCP_SYN, 0, (milliseconds - 1) & 0xFFFFFFFF)
        put(rows, column + 28, 4, echoed)
    if shape.payload >= 8:
        put(rows, rows.shape[1] - shape.payload, 8, numbers)
    if shape.proto == ICMP:
        put(rows, column + 2, 2, checksum(rows[:, column:]))


def _put_outer(rows: np.ndarray, flows: Flows, packets: Packets, numbers: np.ndarray) -> None:
    """The outer headers of VXLAN at the beginning of each row."""
    flow, back = packets.flow[numbers], packets.back[numbers]
    size = rows.shape[1]
    src, dst = np.where(back == 1, HOST_B, HOST_A), np.where(back == 1, HOST_A, HOST_B)
    _put_ethernet(rows, 0, src, dst)
    # Linux clears DF on VXLAN's outer header.
    _put_ipv4(rows, 14, proto=UDP, length=size - 14, ip_id=numbers & 0xFFFF, flags=0, ttl=64, src=src, dst=dst)
    put(rows, 34, 2, flows.entropy[flow, back])
    put(rows, 36, 2, VXLAN_PORT)
    put(rows, 38, 2, size - 34)
    rows[:, 42] = 0x08
    put(rows, 46, 3, flows.vni[flow])
