"""EoIP, MikroTik's Ethernet over IP: GRE version 1 with protocol type 0x6400 (RouterOS manual, Interface/EoIP).

| 0x20  | 0x01  |    0x6400     |                                     the key flag and version 1, as of PPTP
| frame length  |   tunnel-id   |                                     length big-endian, tunnel-id little-endian
"""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields, numbers
from capnet.wire.octets import u8
from capnet.wire.tunnel_kinds import TunnelKind

TUNNEL_EOIP = 7
KIND = TunnelKind(
    name="eoip",
    number=TUNNEL_EOIP,
    title="EoIP",
    specification="MikroTik RouterOS, Interface/EoIP",
    inside="Ethernet",
    limits="EoIPv6 is EtherIP: see there. "
    "Wireshark shows length and tunnel-id as one GRE key: its filter selects all tunnels between the two hosts.",
    id_name="tunnel-id",
    other_id_bits=16,
    ip_protocols=(numbers.GRE,),
    display_filter="gre.proto == 0x6400",
    is_filtered_by_ends=True,
    header_field="gre.proto",
    header_values=(numbers.ETHERTYPE_EOIP,),
)


@inline
def eoip(buf: ByteArray, at: int, end: int, left: int, key_at: int, rows: Int64Array, r: int) -> int:
    """Fill the tunnel fields of row `r`; the offset of the frame at `at`, or -1.

    `left`: bytes from `at` on, on the wire. `key_at`: where GRE's key is, which holds length and tunnel-id.
    """
    rows[r + fields.TUNNEL] = TUNNEL_EOIP
    rows[r + fields.VNI] = u8(buf, key_at + 2) + u8(buf, key_at + 3) * 256
    if left <= 0:
        return -1  # a keep-alive
    return at
