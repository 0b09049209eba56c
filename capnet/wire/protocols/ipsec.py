"""The headers of IPsec: ESP (RFC 4303), also inside UDP (RFC 3948), and AH (RFC 4302).

ESP: what follows the sequence number is encrypted, its length and kind included.

|               Security Parameters Index (SPI)                 |
|                      Sequence Number                          |
|                     encrypted ... / ICV                       |

AH: authenticates what it is in front of and leaves it readable.

| Next Header   |  Payload Len  |          RESERVED             |
|                 Security Parameters Index (SPI)               |
|                    Sequence Number Field                      |
|                Integrity Check Value (variable)               |
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields, numbers
from capnet.wire.octets import be32, u8
from capnet.wire.tunnel_kinds import TunnelKind

ESP_HEADER = 8
NAT_PORT = 4500

TUNNEL_ESP = 5
KIND = TunnelKind(
    name="esp",
    number=TUNNEL_ESP,
    title="ESP",
    specification="RFC 4303; inside UDP, port 4500: RFC 3948",
    inside="nothing: it is encrypted",
    limits="All SPIs between two hosts are one tunnel: each direction has its own, and new keys bring new ones.",
    is_encrypted=True,
    id_name="SPI",
    id_fields={"esp.spi": 32},
    has_id_per_direction=True,
    ip_protocols=(numbers.ESP,),
    display_filter="esp",
    is_filtered_by_ends=True,
)


@inline
def esp(buf: ByteArray, at: int, end: int, left: int, rows: Int64Array, r: int) -> None:
    """Fill the tunnel fields of row `r`. `left`: bytes from `at` on, on the wire."""
    rows[r + fields.PAYLOAD] = max(left - ESP_HEADER, 0)
    if at + 4 > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return
    rows[r + fields.LAYERS] |= fields.LAYER_TUNNEL | fields.LAYER_ESP
    rows[r + fields.TUNNEL] = TUNNEL_ESP
    rows[r + fields.VNI] = be32(buf, at)
    if at + ESP_HEADER > end:
        rows[r + fields.REASON] = fields.REASON_CUT
        return
    rows[r + fields.SEQ] = be32(buf, at + 4)
    rows[r + fields.PAYLOAD_AT] = at + ESP_HEADER


@inline
def is_udp_esp(buf: ByteArray, at: int, end: int, sport: int, dport: int) -> bool:
    """Whether the UDP payload at `at` is ESP: port 4500, and neither IKE (4 zero octets) nor a keep-alive (0xff)."""
    return (sport == NAT_PORT or dport == NAT_PORT) and at + ESP_HEADER <= end and be32(buf, at) != 0


@inline
def ah(buf: ByteArray, at: int, end: int, rows: Int64Array, r: int) -> int:
    """Fill SPI and sequence number of row `r`; the offset behind the header, perhaps beyond `end`.

    At least 8 bytes are there: as much as any IPv6 extension header has.
    """
    rows[r + fields.LAYERS] |= fields.LAYER_AH
    rows[r + fields.VNI] = be32(buf, at + 4)
    if at + 12 <= end:
        rows[r + fields.SEQ] = be32(buf, at + 8)
    return at + (u8(buf, at + 1) + 2) * 4
