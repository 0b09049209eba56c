"""VXLAN (RFC 7348).

   |R|R|R|R|I|R|R|R|            Reserved                           |
   |                VXLAN Network Identifier (VNI) |   Reserved    |

The port alone decides nothing: 4789 is IANA's, 8472 Linux's and flannel's old default, and Swarm takes any with
--data-path-port. On other ports a header of exactly this form must be followed by a plausible Ethernet frame.
"""

from __future__ import annotations

from typing import Any

from capnet.wire.kernel import inline
from capnet.wire.octets import be16, be32, u8

HEADER = 8
IANA_PORT = 4789


@inline
def is_vxlan(buf: Any, at: int, end: int, port: int, forced: int) -> bool:
    """Whether the UDP payload at `at` is VXLAN; `port` is the destination's, `forced` one given by the user or 0."""
    if at + HEADER > end:
        return False
    if port == IANA_PORT or (forced > 0 and port == forced):
        return u8(buf, at) & 8 != 0
    if u8(buf, at) != 8 or be32(buf, at) & 0xFFFFFF or u8(buf, at + 7) != 0 or at + HEADER + 34 > end:
        return False
    inner = at + HEADER + 12
    kind = be16(buf, inner)
    if kind == 0x8100:
        inner += 4
        kind = be16(buf, inner)
    first = u8(buf, inner + 2)
    if kind == 0x0800:
        return first >> 4 == 4 and first & 15 >= 5
    if kind == 0x86DD:
        return first >> 4 == 6
    return kind == 0x0806 and be16(buf, inner + 2) == 1
