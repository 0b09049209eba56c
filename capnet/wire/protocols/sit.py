"""6in4: an IPv6 packet directly behind an IPv4 header (RFC 4213), which iproute2 calls sit.

IP protocol 41 announces it. `capnet.wire.protocols.ipip` decodes it.
"""

from __future__ import annotations

from capnet.wire import numbers
from capnet.wire.tunnel_kinds import TunnelKind

TUNNEL_SIT = 11
KIND = TunnelKind(
    name="sit",
    number=TUNNEL_SIT,
    title="6in4 (sit)",
    specification="RFC 4213",
    inside="IPv6",
    limits="Only directly behind an IPv4 header.",
    ip_protocols=(numbers.IPV6_IN_IP,),
    display_filter="(ip.proto == 41 || ah.next_header == 41)",
    is_filtered_by_ends=True,
)
