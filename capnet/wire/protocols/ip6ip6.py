"""IPv6 in IPv6: an IPv6 packet directly behind another IPv6 header (RFC 2473), which iproute2 calls ip6ip6.

IP protocol 41 announces it. `capnet.wire.protocols.ipip` decodes it.
"""

from __future__ import annotations

from capnet.wire import numbers
from capnet.wire.tunnel_kinds import TunnelKind

TUNNEL_IP6IP6 = 12
KIND = TunnelKind(
    name="ip6ip6",
    number=TUNNEL_IP6IP6,
    title="IPv6 in IPv6 (ip6ip6)",
    specification="RFC 2473",
    inside="IPv6",
    limits="Only directly behind another IPv6 header.",
    ip_protocols=(numbers.IPV6_IN_IP,),
    display_filter="(ipv6.nxt == 41 || ipv6.dstopts.nxt == 41 || ah.next_header == 41)",
    is_filtered_by_ends=True,
)
