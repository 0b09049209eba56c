"""VLAN tags, ARP, RARP, and 802.3 frames that are not decoded further."""

from scapy.all import ARP, IP, LLC, STP, TCP, UDP, VXLAN, Dot1AD, Dot1Q, Dot3, Ether, IPv6, Raw

from tests.made.build import A, B, C, pcap


def captures() -> dict[str, bytes]:
    return {"vlan.pcap": vlan(), "arp.pcap": arp(), "rarp.pcap": rarp(), "llc.pcap": llc()}


def vlan() -> bytes:
    four = IP(src="10.0.10.2", dst="10.0.10.3", id=7) / UDP(sport=1000, dport=2000) / b"tagged"
    six = IPv6(src="fd00::2", dst="fd00::3") / TCP(sport=1000, dport=80, seq=5)
    return pcap(
        [
            Ether(src=A, dst=B) / Dot1Q(vlan=10) / four,
            Ether(src=A, dst=B) / Dot1Q(vlan=4094, prio=7, dei=1) / six,
            Ether(src=A, dst=B, type=0x88A8) / Dot1AD(vlan=200) / Dot1Q(vlan=10) / four,
            Ether(src=A, dst=B) / Dot1Q(vlan=200) / Dot1Q(vlan=10) / four,
            Ether(src=A, dst=B, type=0x9100) / Dot1Q(vlan=300) / Dot1Q(vlan=11) / four,
            Ether(src=A, dst=B) / Dot1Q(vlan=1) / Dot1Q(vlan=2) / Dot1Q(vlan=3) / four,
            Ether(src=A, dst="ff:ff:ff:ff:ff:ff") / Dot1Q(vlan=10) / ARP(hwsrc=A, psrc="10.0.10.2", pdst="10.0.10.3"),
            Ether(src=A, dst=B) / Dot1Q(vlan=0) / four,  # priority tag
            Ether(src=A, dst=B) / four / Raw(b"padding"),  # none, and a trailer behind the IP packet
        ]
    )


def arp() -> bytes:
    everyone = "ff:ff:ff:ff:ff:ff"
    return pcap(
        [
            Ether(src=A, dst=everyone) / ARP(op=1, hwsrc=A, psrc="172.17.0.2", pdst="172.17.0.3"),
            Ether(src=B, dst=A) / ARP(op=2, hwsrc=B, psrc="172.17.0.3", hwdst=A, pdst="172.17.0.2"),
            Ether(src=A, dst=everyone) / ARP(op=1, hwsrc=A, psrc="172.17.0.2", pdst="172.17.0.2"),  # gratuitous
            Ether(src=A, dst=everyone) / ARP(op=1, hwsrc=A, psrc="0.0.0.0", pdst="172.17.0.2"),  # probe
            Ether(src=C, dst=A) / ARP(op=2, hwsrc=B, psrc="172.17.0.3", hwdst=A, pdst="172.17.0.2"),  # for another
            Ether(src=A, dst=everyone) / ARP(op=3, hwsrc=A, psrc="0.0.0.0", hwdst=A, pdst="0.0.0.0"),  # RARP's
        ]
    )


def rarp() -> bytes:
    """What QEMU and VMware send for a migrated machine, also in VLANs and VXLAN; a request for an address; damage."""
    everyone = "ff:ff:ff:ff:ff:ff"
    announced = ARP(op=3, hwsrc=A, psrc="0.0.0.0", hwdst=A, pdst="0.0.0.0")
    tunnel = IP(src="10.1.0.1", dst="10.1.0.2", id=9) / UDP(sport=50000, dport=4789, chksum=0) / VXLAN(vni=7, flags=8)
    return pcap(
        [
            Ether(src=A, dst=everyone, type=0x8035) / announced / Raw(bytes(18)),
            Ether(src=A, dst=everyone) / Dot1Q(vlan=10, type=0x8035) / announced,
            Ether(src=C, dst=B) / tunnel / Ether(src=A, dst=everyone, type=0x8035) / announced,
            Ether(src=B, dst=A, type=0x8035) / ARP(op=4, hwsrc=B, psrc="10.0.0.1", hwdst=A, pdst="10.0.0.2"),
            Ether(src=A, dst=everyone, type=0x8035) / Raw(bytes(announced)[:20]),  # cut inside its header
            Ether(src=A, dst=everyone, type=0x8035) / Raw(b"\0\6\x08\0\x08\4" + bytes(24)),  # other lengths
        ]
    )


def llc() -> bytes:
    return pcap(
        [
            Dot3(src=A, dst="01:80:c2:00:00:00") / LLC(dsap=0x42, ssap=0x42, ctrl=3) / STP(),
            Ether(src=A, dst=B, type=0x88CC) / b"\x02\x07\x04" / Raw(bytes(40)),  # LLDP
            Ether(src=A, dst=B, type=0x9999) / Raw(b"unknown ethertype"),
        ]
    )
