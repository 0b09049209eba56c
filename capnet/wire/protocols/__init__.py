"""The protocols that capnet decodes, one file each; the tunnels among them, and which of them are in UDP."""

from __future__ import annotations

from capnet.jit.arrays import ByteArray, Int64Array
from capnet.jit.inline import inline
from capnet.wire import fields
from capnet.wire.protocols import eoip, erspan, etherip, geneve, gre, gtpu, ip6ip6, ipip, ipsec, sit, vxlan, wireguard

# The place in this list is the number of a kind in rows and tables: append only.
TUNNEL_KINDS = (
    vxlan.KIND, geneve.KIND, gre.KIND, ipip.KIND, ipsec.KIND, gtpu.KIND, eoip.KIND, erspan.KIND, wireguard.KIND,
    etherip.KIND, sit.KIND, ip6ip6.KIND,
)  # fmt: skip

KIND_OF_NUMBER = {kind.number: kind for kind in TUNNEL_KINDS}
KIND_OF_NAME = {kind.name: kind for kind in TUNNEL_KINDS}


@inline
def decode_udp_payload(buf: ByteArray, at: int, end: int, vxlan_port: int, rows: Int64Array, r: int) -> int:
    """The offset of a frame inside the UDP payload at `at`, or -1. The user says that `vxlan_port` is VXLAN's, or 0."""
    port = rows[r + fields.DPORT]
    if port != vxlan_port:
        if port == geneve.PORT:
            return geneve.geneve(buf, at, end, rows, r)
        if port == vxlan.GPE_PORT:
            return vxlan.vxlan_gpe(buf, at, end, rows, r)
        if port == gtpu.PORT and gtpu.is_gtpu(buf, at, end, rows[r + fields.PAYLOAD]):
            return gtpu.gtpu(buf, at, end, rows, r)
    if vxlan.is_vxlan(buf, at, end, port, vxlan_port):
        return vxlan.vxlan(buf, at, rows, r)
    if ipsec.is_udp_esp(buf, at, end, rows[r + fields.SPORT], port):
        ipsec.esp(buf, at, end, rows[r + fields.PAYLOAD], rows, r)
    elif wireguard.is_wireguard(buf, at, end, rows[r + fields.PAYLOAD]):
        wireguard.wireguard(buf, at, rows, r)
    return -1
