"""Tables by construction: packets at points, in the words of a story, become the tables of one pass.

The story is the truth: `send()` says which packet passes which points in which form, so what an analyzer must
recover is known before it runs.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

from capnet.analysis.core import schema as c
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Point
from capnet.topology import Topology, role_from_name
from capnet.wire.addresses import address_value, mac_value
from capnet.wire.protocols.vxlan import TUNNEL_VXLAN

PROTOS = {"icmp": 1, "tcp": 6, "udp": 17}
SYN, FIN, RST, ACK = 2, 1, 4, 16


@dataclass
class Seen:
    """One form of a packet at one point: `Seen("A/docker0", "172.17.0.2:5555 > 192.168.111.129:7000", ttl=63)`."""

    point: str
    text: str
    ttl: int = 64
    smac: str | None = "02:00:00:00:00:01"
    dmac: str | None = "02:00:00:00:00:02"
    vni: int | None = None
    after_us: float = 10.0  # since the hop before


@dataclass
class Story:
    """Collects packets; `context()` gives the tables."""

    points: list[str]
    start: int = 1_700_000_000_000_000_000
    now: int = 1_700_000_000_000_000_000
    topology: Topology | None = None
    roles: dict[str, str] = field(default_factory=dict)
    flows: dict[tuple[int, ...], list[int]] = field(default_factory=dict)
    stations: dict[tuple[int, ...], list[int]] = field(default_factory=dict)
    arps: list[list[int]] = field(default_factory=list)
    tunnels: list[list[int]] = field(default_factory=list)
    observations: list[list[int]] = field(default_factory=list)
    frames: dict[int, int] = field(default_factory=dict)
    digests: itertools.count = field(default_factory=lambda: itertools.count(1))
    files: dict[str, str] = field(default_factory=dict)
    clocks: dict[str, int] = field(default_factory=dict)  # point → ns that its clock is ahead

    def send(
        self,
        proto: str,
        *hops: Seen,
        size: int = 100,
        payload: int = 46,
        digest: int | None = None,
        flags: int = ACK,
        kind: tuple[int, int] | None = None,
        gap_us: float = 1000.0,
    ) -> int:
        """One packet along its hops; returns its digest. Time goes on by `gap_us` afterwards."""
        digest = next(self.digests) if digest is None else digest
        time = self.now
        for hop in hops:
            time += round(hop.after_us * 1000)
            self._see(hop, proto, time, size, payload, digest, flags, kind)
        self.now = time + round(gap_us * 1000)
        return digest

    def _see(self, hop, proto, time, size, payload, digest, flags, kind) -> None:
        point = self.points.index(hop.point)
        time += self.clocks.get(hop.point, 0)
        frame = self.frames[point] = self.frames.get(point, 0) + 1
        (src, sport), (dst, dport) = (_end(end) for end in hop.text.split(" > "))
        if proto == "icmp":
            ident = int(hop.text.split("#")[1])
            sport = dport = ident
            kind = kind or (8, 0)
        via, vni = (TUNNEL_VXLAN, hop.vni) if hop.vni is not None else (0, -1)
        smac, dmac = (-1 if mac is None else mac_value(mac) for mac in (hop.smac, hop.dmac))
        kind_value = kind[0] * 256 + kind[1] if kind else -1
        key = (point, via, vni, 1 if via else 0, PROTOS[proto], *src, *dst, sport, dport, kind_value)
        row = self.flows.setdefault(key, [*key, *[0] * (c.FLOW_WIDTH - c.FLOW_KEY)])
        if not row[c.FLOW_PACKETS]:
            row[c.FLOW_FIRST], row[c.FLOW_FIRST_FRAME], row[c.FLOW_TTL] = time, frame, hop.ttl
            row[c.FLOW_SMAC], row[c.FLOW_DMAC], row[c.FLOW_TTL_MIN] = smac, dmac, hop.ttl
            row[c.FLOW_SYN_TIME] = row[c.FLOW_SYNACK_TIME] = row[c.FLOW_VLAN] = -1
        row[c.FLOW_LAST] = time
        row[c.FLOW_PACKETS] += 1
        row[c.FLOW_BYTES] += size
        row[c.FLOW_PAYLOAD] += payload
        row[c.FLOW_TTL_MIN] = min(row[c.FLOW_TTL_MIN], hop.ttl)
        row[c.FLOW_TTL_MAX] = max(row[c.FLOW_TTL_MAX], hop.ttl)
        row[c.FLOW_LARGEST_IP] = max(row[c.FLOW_LARGEST_IP], size - 14)
        if proto == "tcp":
            row[c.FLOW_TCP_FLAGS] |= flags
            row[c.FLOW_NEXT_SEQ] += payload + bool(flags & (SYN | FIN))
            if flags & SYN and not flags & ACK:
                row[c.FLOW_SYN_TIME] = time
                row[c.FLOW_SYNS] += 1
            elif flags & SYN:
                row[c.FLOW_SYNACK_TIME] = time
        number = list(self.flows).index(key)
        self.observations.append(
            [
                digest,
                time,
                number,
                frame,
                hop.ttl,
                size - 14,
                len(self.observations),
                (digest * 65536) & 0xFFFFFFFF,
                payload,
            ]
        )
        if smac >= 0:
            self._station(point, via, vni, smac, src, 0, time, frame, hop.ttl)
            self._station(point, via, vni, dmac, dst, 2, time, frame, hop.ttl)

    def _station(self, point, via, vni, mac, address, how, time, frame, ttl) -> None:
        key = (point, via, vni, mac, *address, how)
        row = self.stations.setdefault(key, [*key, time, time, 0, frame, ttl, ttl])
        row[c.STATION_LAST] = time
        row[c.STATION_PACKETS] += 1
        row[c.STATION_TTL_MIN] = min(row[c.STATION_TTL_MIN], ttl)
        row[c.STATION_TTL_MAX] = max(row[c.STATION_TTL_MAX], ttl)

    def arp(self, point: str, operation: int, mac: str, sender: str, target: str, count: int = 1) -> None:
        """`count` ARP requests (1) or replies (2) of `mac`/`sender` about or to `target`."""
        at = self.points.index(point)
        frame = self.frames[at] = self.frames.get(at, 0) + 1
        key = [at, 0, -1, operation, mac_value(mac), address_value(sender)[1], address_value(target)[1]]
        self.arps.append([*key, self.now, self.now, count, frame, mac_value(mac)])
        self._station(at, 0, -1, mac_value(mac), address_value(sender), 1, self.now, frame, 0)
        self.frames[at] += count - 1
        self.now += 1_000_000

    def tunnel(
        self, point: str, vni: int, src: str, dst: str, frames: int, bytes: int, inner: int, largest: int = 1450
    ) -> None:
        """One direction of a VXLAN tunnel at a point."""
        at = self.points.index(point)
        key = [at, TUNNEL_VXLAN, vni, *address_value(src), *address_value(dst), 4789]
        self.tunnels.append([*key, self.start, self.now, frames, bytes, inner, 1, largest])

    def context(self, **more) -> Context:
        """The tables of everything sent so far. Each point listened all the time, if not told otherwise."""
        points = [
            Point(name, self.files.get(name, "made.pcapng"), index, "EN10MB", self.frames.get(index, 0), 0, 0,
                  self.roles.get(name, role_from_name(name)), self.start, self.now)
            for index, name in enumerate(self.points)
        ]  # fmt: skip
        return Context(
            points,
            self.topology,
            _table(self.flows.values(), c.FLOW_WIDTH),
            _table(self.stations.values(), c.STATION_WIDTH),
            _table(self.arps, c.ARP_WIDTH),
            _table(self.tunnels, c.TUNNEL_WIDTH),
            _table(self.observations, c.OBS_WIDTH),
            names=self.topology.names() if self.topology else {},
            **more,
        )


def _end(text: str) -> tuple[tuple[int, int], int]:
    address, _, port = text.split("#")[0].strip().partition(":")
    return address_value(address), int(port) if port else -1


def _table(rows, width: int) -> np.ndarray:
    return np.array(list(rows), dtype=np.int64).reshape(-1, width)
