"""VXLAN: over IPv4 and IPv6, in itself, on other ports, with all that can be inside."""

from scapy.all import ARP, ICMP, IP, TCP, UDP, VXLAN, Dot1Q, Ether, ICMPv6EchoRequest, IPv6, Raw, fragment

from tests.made.build import A, B, C, pcap

OUTER = Ether(src=C, dst="02:42:c0:a8:6f:81") / IP(src="192.168.111.128", dst="192.168.111.129", id=0x0F0F)
INNER = Ether(src=A, dst=B)
FOUR = IP(src="10.0.1.2", dst="10.0.1.3", id=7, flags="DF")
TUNNEL = UDP(sport=43210, dport=4789, chksum=0)


def vxlan(vni: int, **more: object) -> VXLAN:
    return VXLAN(flags="Instance", vni=vni, **more)


def captures() -> dict[str, bytes]:
    return {
        "vxlan.pcap": inside(),
        "vxlan_in_vxlan.pcap": nested(),
        "vxlan_ipv6.pcap": over_ipv6(),
        "vxlan_8472.pcap": port_8472(),
        "vxlan_fragments.pcap": fragments(),
        "vxlan_offload.pcap": offload(),
        "not_vxlan.pcap": not_vxlan(),
        "vxlan_gpe.pcap": gpe(),
        "vxlan_any_port.pcap": any_port(),
    }


def inside() -> bytes:
    frames = [
        INNER / FOUR / TCP(sport=40000, dport=80, seq=1, flags="S", options=[("Timestamp", (5, 6))]),
        INNER / FOUR / UDP(sport=40000, dport=53) / b"query",
        INNER / FOUR / ICMP(id=1, seq=2) / Raw(bytes(56)),
        INNER / ARP(hwsrc=A, psrc="10.0.1.2", pdst="10.0.1.3"),
        INNER / IPv6(src="fd00::2", dst="fd00::3") / ICMPv6EchoRequest(id=3, seq=4),
        INNER / Dot1Q(vlan=42) / FOUR / TCP(sport=1, dport=2),
        INNER / Raw(bytes(46)),
    ]
    vnis = [0, 1, 4097, 0xFFFFFF, 4097, 4097, 4097]
    return pcap([OUTER / TUNNEL / vxlan(vni) / frame for vni, frame in zip(vnis, frames, strict=True)])


def nested() -> bytes:
    """Three and ten tunnels deep."""
    frame = INNER / FOUR / TCP(sport=40000, dport=80, seq=1)
    frames = []
    for depth in range(1, 11):
        frame = OUTER / TUNNEL / vxlan(depth) / frame
        if depth in (3, 7, 8, 10):
            frames.append(frame)
    return pcap(frames)


def over_ipv6() -> bytes:
    outer = Ether(src=C, dst="02:42:c0:a8:6f:81") / IPv6(src="fd01::128", dst="fd01::129", hlim=63)
    return pcap(
        [
            outer / TUNNEL / vxlan(4097) / INNER / FOUR / TCP(sport=40000, dport=80),
            outer / TUNNEL / vxlan(4098) / INNER / IPv6(src="fd00::2", dst="fd00::3") / UDP(sport=1, dport=2) / b"six",
        ]
    )


def port_8472() -> bytes:
    """Linux's port before IANA gave one; flannel's still. Whatever is inside: spanning tree, two tags, little."""
    tunnel = OUTER / UDP(sport=5, dport=8472, chksum=0) / vxlan(1)
    tree = bytes.fromhex("424203") + bytes(35)
    return pcap(
        [
            tunnel / INNER / FOUR / ICMP(id=1, seq=2),
            tunnel / Ether(src=A, dst="01:80:c2:00:00:00", type=38) / Raw(tree),
            tunnel / Ether(src=A, dst=B, type=0x88A8) / Dot1Q(vlan=30) / Dot1Q(vlan=40) / FOUR / ICMP(id=1, seq=3),
            tunnel / Ether(src=A, dst=B, type=0x88CC) / Raw(bytes(4)),
        ]
    )


def fragments() -> bytes:
    """An underlay that fragments: the second part has no UDP header. And an inner packet in fragments."""
    big = INNER / FOUR / UDP(sport=1, dport=2) / Raw(bytes(1500))
    whole = (OUTER / TUNNEL / vxlan(4097) / big)[IP]
    link = Ether(src=C, dst="02:42:c0:a8:6f:81")
    inner = fragment(IP(src="10.0.1.2", dst="10.0.1.3", id=8) / UDP(sport=1, dport=2) / Raw(bytes(2000)), 1480)
    return pcap(
        [
            *(link / part for part in fragment(whole, 1480)),
            *(OUTER / TUNNEL / vxlan(4097) / INNER / part for part in inner),
        ]
    )


def offload() -> bytes:
    """One outer datagram of 60 KB that the NIC will cut, at a snap length of 128: lengths come from headers."""
    big = OUTER / TUNNEL / vxlan(4097) / INNER / FOUR / TCP(sport=1, dport=2, seq=3, flags="PA") / Raw(bytes(60_000))
    return pcap([big], snaplen=128)


def not_vxlan() -> bytes:
    """Port 4789 without the I flag, too short, and other ports with something that begins with 8."""
    return pcap(
        [
            OUTER / TUNNEL / VXLAN(flags=0, vni=7) / INNER / FOUR / TCP(sport=1, dport=2),
            OUTER / TUNNEL / Raw(b"\x08\x00\x00"),
            OUTER / UDP(sport=53, dport=5353, chksum=0) / Raw(b"\x08" + bytes(60)),
            OUTER / UDP(sport=500, dport=0, chksum=0) / Raw(b"\x08\x00\x00\x00" + bytes(60)),
        ]
    )


def gpe() -> bytes:
    """VXLAN-GPE: each next protocol, none, one that is unknown, and a header without a VNI."""
    port = UDP(sport=43210, dport=4790, chksum=0)
    four, six = FOUR / TCP(sport=1, dport=2), IPv6(src="fd00::2", dst="fd00::3") / UDP(sport=1, dport=2) / b"six"

    def header(following: int, flags: int = 0x0C) -> Raw:
        return Raw(bytes([flags, 0, 0, following, 0, 16, 1, 0]))

    return pcap(
        [
            OUTER / port / header(1) / four,
            OUTER / port / header(2) / six,
            OUTER / port / header(3) / INNER / four,
            OUTER / port / header(0, flags=0x08) / INNER / four,
            OUTER / port / header(5) / Raw(bytes.fromhex("000101ff")) / four,
            OUTER / port / header(1, flags=0x04) / four,
        ]
    )


def any_port() -> bytes:
    """Swarm's --data-path-port: the header and a plausible frame behind it decide, in each way that is plausible."""
    port = UDP(sport=43210, dport=7777, chksum=0)
    frames = [
        INNER / FOUR / TCP(sport=40000, dport=80, seq=1, flags="S"),
        INNER / ARP(hwsrc=A, psrc="10.0.1.2", pdst="10.0.1.3"),
        INNER / IPv6(src="fd00::2", dst="fd00::3") / ICMPv6EchoRequest(id=3, seq=4),
        INNER / Dot1Q(vlan=42) / FOUR / UDP(sport=1, dport=2) / b"tagged",
    ]
    return pcap([OUTER / port / vxlan(4097) / frame for frame in frames])
