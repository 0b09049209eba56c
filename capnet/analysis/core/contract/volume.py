"""Facts about volume. As in `core.results`, the comment of a field is its entry in docs/report.md."""

from __future__ import annotations

from dataclasses import field

from capnet.quick_dataclass import fact


@fact
class Conversation:
    """Both directions of a connection at one point."""

    point: str  # where it was seen
    proto: str  # protocol
    src: str  # who opened it, by SYN or SYN-ACK; else who sent the first packet
    sport: int | None  # its port
    dst: str  # the other side
    dport: int | None  # its port
    application: str | None  # what its port is registered for, or commonly used for; null if nothing is
    state: str  # how it ended, or that nothing came back: at this point, in what was captured
    packets: int  # packets, both directions
    bytes: int  # lengths of these frames on the wire [bytes]
    packets_back: int  # of these, packets of the other side
    bytes_back: int  # lengths of these [bytes]
    first: int  # time of the first packet
    last: int  # time of the last packet
    duration_us: float  # between them [µs]
    bits_per_second: float | None  # bytes over duration; null if there is one packet [bit/s]
    retransmissions: int  # TCP segments that were sent again, both directions
    rtt_us: float | None  # time from SYN to SYN-ACK at this point [µs]
    vni: int | None = None  # id of the tunnel it is in
    id: int | None = None  # ICMP echo identifier
    vlan: list[int] = field(default_factory=list)  # VLAN ids of the first packet, the outermost first


@fact
class ProtocolShare:
    """What share a protocol has of all flows. A frame in a tunnel counts below the tunnel, and in its carrier."""

    protocol: str  # the layers, outermost first: `ip/tcp/http`, `vxlan/ip/udp`
    level: int  # how many layers that is
    flows: int  # flows, each direction one
    packets: int  # their packets; one counts at each point that it passes
    bytes: int  # their lengths on the wire, without the layers around them [bytes]
