"""WireGuard (wireguard.com/protocol), known by the first four octets and the length of each message.

| type  |        0 0 0          |          receiver index (4)          |     type 4, data: counter(8), encrypted packet
| type  |        0 0 0          |           sender index (4)           |     type 1, initiation: 148 octets in all
| type  |        0 0 0          |  sender index (4) | receiver index   |     type 2, response: 92; type 3, cookie: 64

Data has 32 octets at least. It is padded to a multiple of 16, but not beyond the MTU of the tunnel. Its counter stays
far below 2^48: a key is replaced before.
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields
from capnet.wire.octets import be16, be32, le32, u8
from capnet.wire.tunnel_kinds import TunnelKind

INITIATION, RESPONSE, COOKIE, DATA = 0x0100_0000, 0x0200_0000, 0x0300_0000, 0x0400_0000  # with the reserved octets
INITIATION_LENGTH, RESPONSE_LENGTH, COOKIE_LENGTH, MIN_DATA = 148, 92, 64, 32
COUNTER_END = 16  # where the counter of a data message ends
PADDING = 16  # what a packet is padded to before it is encrypted
MIN_UNPADDED = 1000  # a packet that fills an MTU is not padded; no link in use has a smaller one

TUNNEL_WIREGUARD = 9
KIND = TunnelKind(
    name="wireguard",
    number=TUNNEL_WIREGUARD,
    title="WireGuard",
    specification="wireguard.com/protocol",
    inside="nothing: it is encrypted",
    limits="Only messages of which 16 octets were captured. All indexes between two hosts are one tunnel: "
    "each handshake brings new ones.",
    is_encrypted=True,
    id_name="index",
    id_fields={"wg.receiver": 32},
    has_id_per_direction=True,
    udp_port=51820,
    display_filter="wg",
    is_filtered_by_ends=True,
    header_field="wg.type",
)


@inline
def is_wireguard(buf: ByteArray, at: int, end: int, length: int) -> bool:
    """Whether the UDP payload at `at`, of `length` octets on the wire, is a message of WireGuard, on any port."""
    if at + COUNTER_END > end or u8(buf, at + 1) != 0 or u8(buf, at) > 4:
        return False
    kind = be32(buf, at)
    if kind == DATA:
        is_padded = length % PADDING == 0 or length >= MIN_UNPADDED
        return length >= MIN_DATA and is_padded and be16(buf, at + COUNTER_END - 2) == 0
    if kind == INITIATION:
        return length == INITIATION_LENGTH
    if kind == RESPONSE:
        return length == RESPONSE_LENGTH
    return kind == COOKIE and length == COOKIE_LENGTH


@inline
def wireguard(buf: ByteArray, at: int, rows: Int64Array, r: int) -> None:
    """Fill the tunnel fields of row `r`: VNI is the receiver's index, absent in the first message of a handshake."""
    kind = be32(buf, at)
    rows[r + fields.LAYERS] |= fields.LAYER_TUNNEL
    rows[r + fields.TUNNEL] = TUNNEL_WIREGUARD
    rows[r + fields.VNI] = -1
    if kind != INITIATION:
        rows[r + fields.VNI] = le32(buf, at + 8 if kind == RESPONSE else at + 4)
