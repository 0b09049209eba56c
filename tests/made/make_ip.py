"""IPv4 with options and in fragments; IPv6 with extension headers and in fragments; ICMP and ICMPv6."""

from scapy.all import (
    ICMP,
    IP,
    TCP,
    UDP,
    Ether,
    ICMPerror,
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6NDOptSrcLLAddr,
    ICMPv6PacketTooBig,
    IPerror,
    IPerror6,
    IPOption_NOP,
    IPOption_RR,
    IPOption_Timestamp,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    Raw,
    TCPerror,
    UDPerror,
    fragment,
    fragment6,
)

from tests.made.build import A, B, pcap

LINK = Ether(src=A, dst=B)
FOUR = {"src": "172.17.0.2", "dst": "172.17.0.3"}
SIX = {"src": "fd00::2", "dst": "fd00::3"}


def captures() -> dict[str, bytes]:
    return {
        "ipv4_options.pcap": ipv4_options(),
        "ipv4_fragments.pcap": ipv4_fragments(),
        "ipv6_extensions.pcap": ipv6_extensions(),
        "ipv6_fragments.pcap": ipv6_fragments(),
        "icmp.pcap": icmp(),
        "icmpv6.pcap": icmpv6(),
        "ip_malformed.pcap": ip_malformed(),
    }


def ipv4_options() -> bytes:
    udp = UDP(sport=1000, dport=2000) / b"behind options"
    return pcap(
        [
            LINK / IP(**FOUR, id=1, tos=0xB8, ttl=1, options=[IPOption_NOP()] * 4) / udp,
            LINK / IP(**FOUR, id=2, flags="DF", options=[IPOption_RR(routers=["10.0.0.1", "10.0.0.2"])]) / udp,
            LINK / IP(**FOUR, id=3, options=[IPOption_NOP()] * 40) / TCP(sport=1, dport=2, seq=3),  # longest header
            LINK / IP(**FOUR, id=4, flags="evil", options=[IPOption_Timestamp()]) / ICMP(id=5, seq=6),
            LINK / IP(**FOUR, id=5, proto=253) / Raw(b"a protocol for experiments"),
            LINK / IP(**FOUR, id=6, proto=132) / Raw(bytes(12)),
        ]
    )


def ipv4_fragments() -> bytes:
    ping = IP(**FOUR, id=0x4242) / ICMP(id=9, seq=1) / Raw(bytes(range(256)) * 12)
    datagram = IP(**FOUR, id=0x4343) / UDP(sport=1000, dport=2000) / Raw(bytes(2000))
    frames = [LINK / part for whole in (ping, datagram) for part in fragment(whole, fragsize=1480)]
    # second fragment first, and one whose first part is smaller than the transport header
    tiny = [LINK / part for part in fragment(IP(**FOUR, id=0x4444) / TCP(sport=5, dport=6, seq=7), fragsize=8)]
    return pcap([*frames, frames[1], frames[0], *tiny])


def ipv6_extensions() -> bytes:
    udp = UDP(sport=1000, dport=2000) / b"behind headers"
    return pcap(
        [
            LINK / IPv6(**SIX, tc=0xB8, fl=0x12345, hlim=1) / udp,
            LINK / IPv6(**SIX) / IPv6ExtHdrHopByHop() / udp,
            LINK / IPv6(**SIX) / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / TCP(sport=1, dport=2, seq=3),
            LINK / IPv6(**SIX) / IPv6ExtHdrRouting(addresses=["fd00::9"]) / IPv6ExtHdrDestOpt() / udp,
            LINK / IPv6(**SIX) / IPv6ExtHdrHopByHop() / ICMPv6EchoRequest(id=4, seq=5),
            LINK / IPv6(**SIX, nh=59),  # no next header
            LINK / IPv6(**SIX) / IPv6ExtHdrDestOpt(nh=59),
            LINK / IPv6(**SIX, nh=253) / Raw(b"a protocol for experiments"),
        ]
    )


def ipv6_fragments() -> bytes:
    frag = IPv6ExtHdrFragment(id=0xDEADBEEF)
    datagram = LINK / IPv6(**SIX) / frag / UDP(sport=1000, dport=2000) / Raw(bytes(range(256)) * 12)
    ping = LINK / IPv6(**SIX) / IPv6ExtHdrHopByHop() / frag / ICMPv6EchoRequest(id=4, seq=5, data=bytes(1600))
    alone = LINK / IPv6(**SIX) / IPv6ExtHdrFragment(id=7, offset=0, m=0) / UDP(sport=3, dport=4)  # atomic fragment
    return pcap([*fragment6(datagram, 1280), *fragment6(ping, 1280), alone])


def icmp() -> bytes:
    quoted = IPerror(src="172.17.0.3", dst="172.17.0.2", ttl=3, id=77)
    return pcap(
        [
            LINK / IP(**FOUR, id=1) / ICMP(type=8, id=0x1234, seq=1) / Raw(bytes(56)),
            LINK / IP(**FOUR, id=2) / ICMP(type=0, id=0x1234, seq=1) / Raw(bytes(56)),
            LINK / IP(**FOUR, id=3) / ICMP(type=3, code=3) / quoted / UDPerror(sport=5, dport=6),
            LINK
            / IP(**FOUR, id=4)
            / ICMP(type=3, code=4, nexthopmtu=1450)
            / quoted
            / TCPerror(sport=5, dport=6, seq=7),
            LINK / IP(**FOUR, id=5) / ICMP(type=11, code=0) / quoted / ICMPerror(type=8, id=9, seq=10),
            LINK / IP(**FOUR, id=6) / ICMP(type=5, code=1, gw="172.17.0.1") / quoted / UDPerror(sport=5, dport=6),
            LINK / IP(**FOUR, id=7) / ICMP(type=13, id=11, seq=12, ts_ori=1000, ts_rx=2000, ts_tx=3000),
            LINK / IP(**FOUR, id=8) / ICMP(type=17, id=13, seq=14),
        ]
    )


def icmpv6() -> bytes:
    quoted = IPerror6(src="fd00::3", dst="fd00::2", hlim=3)
    return pcap(
        [
            LINK / IPv6(**SIX) / ICMPv6EchoRequest(id=0x1234, seq=1, data=bytes(56)),
            LINK / IPv6(**SIX) / ICMPv6EchoReply(id=0x1234, seq=1, data=bytes(56)),
            LINK / IPv6(src="fe80::2", dst="ff02::1:ff00:3", hlim=255)
            / ICMPv6ND_NS(tgt="fd00::3") / ICMPv6NDOptSrcLLAddr(lladdr=A),
            LINK / IPv6(src="fd00::3", dst="fd00::2", hlim=255) / ICMPv6ND_NA(tgt="fd00::3", S=1),
            LINK / IPv6(**SIX) / ICMPv6PacketTooBig(mtu=1450) / quoted / UDPerror(sport=5, dport=6),
            LINK / IPv6(**SIX) / ICMPv6DestUnreach(code=4) / quoted / UDPerror(sport=5, dport=6),
        ]
    )  # fmt: skip


def ip_malformed() -> bytes:
    """Headers that contradict themselves or the frame."""
    udp = UDP(sport=1000, dport=2000) / b"payload"
    return pcap(
        [
            LINK / IP(**FOUR, id=1, ihl=4) / udp,
            LINK / IP(**FOUR, id=2, len=10) / udp,
            LINK / IP(**FOUR, id=3, len=1500) / udp,  # longer than the frame
            LINK / IP(**FOUR, id=4, len=0) / TCP(sport=1, dport=2, seq=3),  # not cut yet by segmentation offload
            LINK / IP(**FOUR, id=5, version=7) / udp,
            LINK / IP(**FOUR, id=6) / UDP(sport=1000, dport=2000, len=4) / b"short",
            LINK / IP(**FOUR, id=7) / UDP(sport=1000, dport=2000, len=400) / b"long",
            LINK / IP(**FOUR, id=8) / TCP(sport=1, dport=2, seq=3, dataofs=2),
            LINK / IP(**FOUR, id=9) / TCP(sport=1, dport=2, seq=3, dataofs=15),
            LINK / IPv6(**SIX, plen=0) / udp,
            LINK / IPv6(**SIX, plen=4) / udp,
            Ether(src=A, dst=B, type=0x0800),
            Ether(src=A, dst=B, type=0x86DD) / Raw(b"\x60"),
            Raw(b"\x02\x42"),
        ]
    )
