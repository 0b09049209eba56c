"""Datagrams of tunnels over IPv6 without a UDP checksum, which a receiver drops unless it is told to take them.

Source: RFC 8200 section 8.1; RFC 6935 and RFC 6936 allow them for tunnels that are set up for it. A tap shows a
checksum that is left to the card as unfilled, not as 0, so 0 is what the sender wrote.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.facts.overlay.arrivals import stations_inside
from capnet.analysis.facts.overlay.insides import Inside
from capnet.wire.addresses import address_text

_TUNNEL = [schema.TUNNEL_POINT, schema.TUNNEL_KIND, schema.TUNNEL_VNI]
_CHECKSUM = [schema.CHECKSUM_POINT, schema.CHECKSUM_VIA, schema.CHECKSUM_VIA_VNI]


def arrives_without_checksum(context: Context, inside: Inside) -> bool:
    """Do all packets of other stations for an inside come by IPv6, in datagrams without a checksum?"""
    tunnels, table = context.tunnels, context.tunnel_checksums
    ends = tunnels[(tunnels[:, _TUNNEL] == inside[:3]).all(axis=1)][:, [schema.TUNNEL_DST_HI, schema.TUNNEL_DST_LO]]
    if not all(":" in address_text(*end) for end in ends.tolist()):
        return False
    table = table[(table[:, _CHECKSUM] == inside[:3]).all(axis=1)]
    sources = row_hash(table[:, [schema.CHECKSUM_SRC_HI, schema.CHECKSUM_SRC_LO]])
    arriving = table[~is_among(sources, stations_inside(context, inside.inner))]
    verdicts = arriving[:, schema.CHECKSUM_OUTER : schema.CHECKSUM_OUTER + schema.WRONG + 1].sum(axis=0)
    return bool(0 < verdicts.sum() == verdicts[schema.NO_CHECKSUM])
