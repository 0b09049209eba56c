"""Stories: networks by construction, with packets as values and capture points that record them as real frames.

A story says which packet passes which point in which form. `Network.write` makes capture files of it, which capnet
reads like any other, so that a test knows what the report must say. Frames are built from the headers of the RFCs, on
purpose without capnet's own code.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path

from tests.made.build import ETHERNET, RAW, SLL2, interface, packet, section

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
START_NS = 1_700_000_000_000_000_000  # when every story begins
NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "vrrp": 112, "sctp": 132}


@dataclass(frozen=True)
class Packet:
    """One packet. `tcp`, `udp` and `ping` make it of `172.17.0.2:5555 > 192.168.111.129:7000`; ICMP has no ports."""

    proto: str
    src: str
    dst: str
    sport: int = 0
    dport: int = 0
    ttl: int = 64
    ident: int = 0  # IP identification
    payload: bytes = b""
    seq: int = 0  # ICMP echo: sequence number
    ack: int = 0
    flags: int = ACK
    window: int = 502
    tsval: int | None = None
    mss: int | None = None  # TCP options of a SYN
    wscale: int | None = None
    md5: bool = False  # a signature of its own (RFC 2385)
    icmp: tuple[int, int] = (8, 0)
    echo: int = 0  # ICMP identifier; of GRE the key, of ESP the SPI
    smac: str = "02:00:00:00:00:01"
    dmac: str = "02:00:00:00:00:02"
    vlan: int | None = None
    # VXLAN: VNI, outer source, outer destination, outer source port
    tunnel: tuple[int, str, str, int] | None = None
    part: tuple[int, int, bool] | None = None  # a fragment: offset, length, more follow
    df: bool = True
    checksum: int = 0  # of TCP or UDP, whether right or not

    def but(self, **changes: object) -> Packet:
        """The same packet with other fields; `ends` sets both addresses and ports."""
        ends = changes.pop("ends", None)
        if ends:
            changes |= _ends(str(ends))
        return replace(self, **changes)  # type: ignore[arg-type]

    def routed(self, **changes: object) -> Packet:
        """The packet behind a router or a host's kernel: TTL - 1, and what else it changes."""
        return self.but(ttl=self.ttl - 1, **changes)

    def cut(self, *sizes: int) -> list[Packet]:
        """As segmentation offload cuts a TCP packet: segments of `sizes` octets, the rest last."""
        segments, start = [], 0
        for number, size in enumerate([*sizes, len(self.payload)]):
            data = self.payload[start : start + size]
            if not data:
                break
            flags = self.flags if start + size >= len(self.payload) else self.flags & ~(FIN | PSH)
            ident = self.ident + number & 0xFFFF
            segments.append(replace(self, payload=data, seq=self.seq + start & 0xFFFFFFFF, flags=flags, ident=ident))
            start += size
        return segments

    def fragments(self, size: int) -> list[Packet]:
        """IP fragments with `size` octets of payload, a multiple of 8 (RFC 791)."""
        body = len(self.body())
        starts = range(0, body, size)
        return [replace(self, part=(start, min(size, body - start), start + size < body), df=False) for start in starts]

    # -- octets --------------------------------------------------------------------------------------
    def body(self) -> bytes:
        """What IP carries, whole."""
        if self.proto == "tcp":
            options = b"" if self.mss is None else struct.pack(">BBH", 2, 4, self.mss)
            options += b"" if self.wscale is None else struct.pack(">BBBB", 1, 3, 3, self.wscale)
            options += b"" if self.tsval is None else struct.pack(">BBBBII", 1, 1, 8, 10, self.tsval, 0)
            options += struct.pack(">BBBB", 1, 1, 19, 18) + bytes(16) if self.md5 else b""
            head = struct.pack(
                ">HHIIBBHHH", self.sport, self.dport, self.seq, self.ack,
                (5 + len(options) // 4) << 4, self.flags, self.window, self.checksum, 0,
            )  # fmt: skip
            return head + options + self.payload
        if self.proto == "udp":
            return struct.pack(">HHHH", self.sport, self.dport, 8 + len(self.payload), self.checksum) + self.payload
        if self.proto == "sctp":  # RFC 9260: ports, verification tag, checksum, then chunks
            return struct.pack(">HHII", self.sport, self.dport, 0, 0) + self.payload
        if self.proto == "gre":  # of IPv4 (RFC 2784), with a key (RFC 2890) if there is one
            key = struct.pack(">I", self.echo) if self.echo else b""
            return struct.pack(">HH", 0x2000 if key else 0, 0x0800) + key + self.payload
        if self.proto == "esp":  # RFC 4303: SPI, sequence number, then what is encrypted
            return struct.pack(">II", self.echo, self.seq) + self.payload
        if self.proto == "vrrp":
            return self.payload
        kind, code = self.icmp
        return struct.pack(">BBHHH", kind, code, 0, self.echo, self.seq & 0xFFFF) + self.payload

    def ip(self) -> bytes:
        body = self.body()
        flags = 0x4000 if self.df else 0
        if self.part:
            offset, length, more = self.part
            body = body[offset : offset + length]
            flags = (0x2000 if more else 0) | offset // 8
        addresses = ip_address(self.src).packed + ip_address(self.dst).packed
        if len(addresses) == 32:
            number = 58 if self.proto == "icmp" else NUMBERS[self.proto]
            return struct.pack(">IHBB", 6 << 28, len(body), number, self.ttl) + addresses + body
        length = 20 + len(body) if 20 + len(body) <= 0xFFFF else 0
        head = struct.pack(">BBHHHBBH", 0x45, 0, length, self.ident, flags, self.ttl, NUMBERS[self.proto], 0)
        return head + addresses + body

    @property
    def ethertype(self) -> int:
        return 0x86DD if ip_address(self.src).version == 6 else 0x0800

    def frame(self) -> bytes:
        if self.tunnel is not None:
            return self.carrier().frame()
        tag = b"" if self.vlan is None else struct.pack(">HH", 0x8100, self.vlan)
        return _mac(self.dmac) + _mac(self.smac) + tag + struct.pack(">H", self.ethertype) + self.ip()

    def carrier(self, **more: object) -> Packet:
        """The outer datagram of a packet in a tunnel (VXLAN, RFC 7348)."""
        assert self.tunnel is not None
        vni, src, dst, sport = self.tunnel
        inside = struct.pack(">BBHI", 8, 0, 0, vni << 8) + replace(self, tunnel=None).frame()
        outer = Packet("udp", src, dst, sport, 4789, payload=inside, ident=self.ident ^ 0x5555, df=False)
        return outer.but(**more)

    def cooked(self, way: int = 0) -> bytes:
        """As `any` records it: Linux cooked capture, version 2; `way`: 0 received, 4 sent."""
        head = struct.pack(">HHIHBB8s", self.ethertype, 0, 2, 1, way, 6, _mac(self.smac) + bytes(2))
        return head + self.ip()


def tcp(ends: str, payload: bytes = b"", **more: object) -> Packet:
    return Packet("tcp", payload=payload, **_ends(ends), **more)  # type: ignore[arg-type]


def udp(ends: str, payload: bytes = b"", **more: object) -> Packet:
    return Packet("udp", payload=payload, **_ends(ends), **more)  # type: ignore[arg-type]


def sctp(ends: str, chunks: bytes, **more: object) -> Packet:
    return Packet("sctp", payload=chunks, **_ends(ends), **more)  # type: ignore[arg-type]


def ping(ends: str, echo: int, seq: int, payload: bytes = bytes(range(56)), **more: object) -> Packet:
    return Packet("icmp", payload=payload, echo=echo, seq=seq, **_ends(ends), **more)  # type: ignore[arg-type]


def about(error: Packet, cause: Packet) -> Packet:
    """`error` with the beginning of `cause` inside, as RFC 792 asks; of IPv6 as much as fits (RFC 4443)."""
    size = 28 if cause.ethertype == 0x0800 else 1280 - 40 - 8
    return error.but(payload=cause.ip()[:size], echo=0, seq=0)


@dataclass
class Network:
    """Capture points and what they record. Times are microseconds since the story's beginning, on the true clock."""

    points: list[str]
    files: dict[str, str] = field(default_factory=dict)  # point → file; else `made.pcapng`
    clocks: dict[str, tuple[float, float]] = field(default_factory=dict)  # point or file → (µs ahead, µs per second)
    snaplens: dict[str, int] = field(default_factory=dict)  # point → octets captured of each frame
    steps: dict[str, tuple[float, float]] = field(default_factory=dict)  # point → when its clock is set, by how many µs
    as_recorded: set[str] = field(default_factory=set)  # files whose frames keep their order, whatever their times
    cooked: set[str] = field(default_factory=set)  # points without Ethernet headers: `any`
    tuns: set[str] = field(default_factory=set)  # points without any link layer, as of a tun device
    now: float = 0.0
    recorded: list[tuple[float, str, Packet | bytes]] = field(default_factory=list)

    def pass_by(self, *hops: tuple[str, Packet | list[Packet]], gap: float = 1000.0, delay: float = 10.0) -> None:
        """One packet, or its segments, at one point after the other, `delay` apart; then time passes by `gap`."""
        time = self.now
        for point, form in hops:
            time += delay
            for number, segment in enumerate(form if isinstance(form, list) else [form]):
                self.at(time + number, point, segment)
        self.now = max(self.now + gap, time)

    def at(self, time: float, point: str, form: Packet | bytes) -> None:
        """One packet, or the octets of a frame, at one point."""
        assert point in self.points, point
        self.recorded.append((time, point, form))

    def write(self, folder: Path) -> list[Path]:
        """The capture files, one pcapng each, frames in order of their time stamps."""
        names = {point: self.files.get(point, "made.pcapng") for point in self.points}
        written = []
        for name in dict.fromkeys(names.values()):
            points = [point for point in self.points if names[point] == name]
            stamped = []
            for number, (time, point, form) in enumerate(self.recorded):
                if names[point] == name:
                    stamped.append((self._time_stamp(time, point, name), number, points.index(point), form))
            if name not in self.as_recorded:
                stamped.sort(key=lambda record: record[:2])
            head = section() + b"".join(interface(point, self._link_type(point), resolution=9) for point in points)
            blocks = [
                packet(self._octets(points[at], form), ticks, at, snaplen=self.snaplens.get(points[at], 1 << 18))
                for ticks, _, at, form in stamped
            ]
            path = folder / name
            path.write_bytes(head + b"".join(blocks))
            written.append(path)
        return written

    def _time_stamp(self, time: float, point: str, file: str) -> int:
        """Nanoseconds by the clock of a point."""
        ahead, drift = self.clocks.get(point, self.clocks.get(file, (0.0, 0.0)))
        set_at, step = self.steps.get(point, (0.0, 0.0))
        local = time + ahead + drift * time / 1e6 + (step if time >= set_at else 0.0)
        return START_NS + round(local * 1000)

    def _link_type(self, point: str) -> int:
        if point in self.tuns:
            return RAW
        return SLL2 if point in self.cooked else ETHERNET

    def _octets(self, point: str, form: Packet | bytes) -> bytes:
        if isinstance(form, bytes):
            return form
        if point in self.tuns:
            return form.ip()
        return form.cooked() if point in self.cooked else form.frame()


def arp(operation: int, mac: str, sender: str, target: str, to: str = "ff:ff:ff:ff:ff:ff") -> bytes:
    """A frame of ARP (RFC 826): 1 asks for `target`, 2 answers it."""
    ends = (
        _mac(mac) + ip_address(sender).packed + (bytes(6) if operation == 1 else _mac(to)) + ip_address(target).packed
    )
    return _mac(to) + _mac(mac) + struct.pack(">HHHBBH", 0x0806, 1, 0x0800, 6, 4, operation) + ends


def solicit(mac: str, asker: str, target: str) -> Packet:
    """A neighbor solicitation to the group of `target` (RFC 4861 section 4.3); `asker` is `::` of a probe."""
    last = ip_address(target).packed[-3:]
    group = str(ip_address(bytes.fromhex("ff0200000000000000000001ff") + last))
    payload = ip_address(target).packed + (b"" if asker == "::" else bytes((1, 1)) + _mac(mac))
    to = "33:33:ff:" + last.hex(":")
    return Packet("icmp", asker, group, icmp=(135, 0), payload=payload, ttl=255, smac=mac, dmac=to)


def advertise(mac: str, target: str, asker: str, to: str) -> Packet:
    """The answer: a solicited neighbor advertisement to one asker (RFC 4861 section 4.4)."""
    payload = ip_address(target).packed + bytes((2, 1)) + _mac(mac)
    return Packet("icmp", target, asker, icmp=(136, 0), echo=0x6000, payload=payload, ttl=255, smac=mac, dmac=to)


def _ends(text: str) -> dict[str, object]:
    """The fields of a packet of `SRC:PORT > DST:PORT`; an IPv6 address with a port stands in brackets."""
    fields: dict[str, object] = {}
    for end, (address, port) in zip(text.split(" > "), (("src", "sport"), ("dst", "dport")), strict=True):
        host, _, number = end.strip().rpartition(":") if end.count(":") == 1 else (end.strip(), "", "")
        if "]" in end:
            host, _, number = end.strip().rpartition("]:")
            host = host.lstrip("[")
        fields[address] = host
        fields[port] = int(number) if number else 0
    return fields


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
