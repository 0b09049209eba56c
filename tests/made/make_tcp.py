"""TCP: options around the timestamps, every flag, numbers at their ends."""

from scapy.all import IP, TCP, Ether, IPv6, Raw

from tests.made.build import A, B, pcap

LINK = Ether(src=A, dst=B)
FOUR = IP(src="172.17.0.2", dst="172.17.0.3", id=1, flags="DF")


def captures() -> dict[str, bytes]:
    return {"tcp.pcap": tcp(), "tcp_options.pcap": tcp_options()}


def tcp() -> bytes:
    ends = TCP(sport=65535, dport=0, seq=0xFFFFFFFF, ack=0xFFFFFFFF, window=65535, flags="A")
    flags = [LINK / FOUR / TCP(sport=1, dport=2, seq=3, ack=4, flags=1 << bit) for bit in range(9)]
    reserved = bytearray(bytes(LINK / FOUR / TCP(sport=1, dport=2, seq=3, flags="S")))
    reserved[14 + 20 + 12] |= 0x0E
    return pcap([LINK / FOUR / ends, *flags, bytes(reserved), LINK / FOUR / ends / Raw(b"payload" * 9)])


def tcp_options() -> bytes:
    times = ("Timestamp", (0xFFFFFFFE, 1))
    lists = [
        [times],
        [("NOP", None), ("NOP", None), times],
        [("MSS", 1460), ("SAckOK", b""), times, ("NOP", None), ("WScale", 7)],
        [("SAck", (1, 2, 3, 4, 5, 6)), times],
        [("MSS", 1460)],
        [("EOL", None)],
    ]
    made = [LINK / FOUR / TCP(sport=1, dport=2, seq=3, flags="S", options=given) for given in lists]
    six = LINK / IPv6(src="fd00::2", dst="fd00::3") / TCP(sport=1, dport=2, options=lists[1]) / Raw(b"six")
    raw_options = [
        b"\x08\x00" + bytes(10),  # an option of length 0 would never end
        b"\x08\x01" + bytes(10),
        b"\x08\x0b" + bytes(10),  # timestamps of a wrong length
        b"\x02\x28" + bytes(10),  # longer than the header
        b"\x01" * 11 + b"\x08",  # kind at the last octet
        b"\x00\x08\x0a" + bytes(9),  # behind the end of the list
    ]
    broken = []
    for given in raw_options:
        data = bytearray(bytes(LINK / FOUR / TCP(sport=1, dport=2, seq=3, options=[("NOP", None)] * 12)))
        data[-12:] = given
        broken.append(bytes(data))
    return pcap([*made, six, *broken])
