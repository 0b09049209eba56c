"""A stored capture with what Docker, `ip` and conntrack said while it was recorded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from capnet.learn.captures import stored
from capnet.quick_tuple import NamedTuple
from capnet.report.page.field_places import FieldPlace, places
from capnet.topology import Endpoint, Interface, Network, Topology, topology_path
from capnet.wire import numbers
from capnet.wire.addresses import address_text

PROTOCOLS = {"icmp": numbers.ICMP, "tcp": numbers.TCP, "udp": numbers.UDP}
NIC = "ens33"  # of both hosts of the lab


class LessonFrame(NamedTuple):
    """A captured frame: its number, its point, its rows (outermost first) and its bytes."""

    number: int
    point: str
    rows: list[dict[str, int]]
    raw: bytes

    def mark(self, name: str, depth: int = 0) -> FieldPlace:
        """Where a field is, and its value, by Wireshark's name; at depth 1, in what a tunnel carries."""
        return next(place for place in places(self.raw, self.rows[depth:]) if place.name == name)


class Connection(NamedTuple):
    """An entry of conntrack: the line, and its two tuples (`src`, `dst`, `sport`, `dport`)."""

    line: str
    original: dict[str, str]
    reply: dict[str, str]


class LessonRecording:
    """The frames of a capture in memory, and its topology. For captures of a lesson: some hundred frames."""

    def __init__(self, name: str) -> None:
        self.path: Path = stored(name)
        self.topology = Topology.load(topology_path(self.path))
        self.frames = _frames(self.path)

    # -- what Docker and the hosts said ------------------------------------------------------------------
    def endpoint(self, container: str) -> Endpoint:
        """The first interface of a container, as `docker inspect` describes it."""
        return next(each for each in self.topology.containers if each.name == container).endpoints[0]

    def address(self, name: str) -> str:
        """IPv4 address of a container, or of the NIC of a host."""
        is_host = any(host.name == name for host in self.topology.hosts)
        addresses = self.interface(name, NIC).addresses if is_host else self.endpoint(name).addresses
        return addresses[0].partition("/")[0]

    def mac(self, name: str) -> str:
        """MAC of a container, or of the NIC of a host."""
        is_host = any(host.name == name for host in self.topology.hosts)
        return (self.interface(name, NIC).mac if is_host else self.endpoint(name).mac) or ""

    def interface(self, host: str, name: str) -> Interface:
        """An interface of a host, as `ip` describes it."""
        interfaces = next(each for each in self.topology.hosts if each.name == host).interfaces
        return next(interface for interface in interfaces if interface.name == name)

    def network(self, name: str) -> Network:
        """A network, as `docker network inspect` describes it."""
        return next(network for network in self.topology.networks if network.name == name)

    def connection(self, host: str, protocol: str, **original: str) -> Connection:
        """The conntrack entry of a host with these values in its original tuple."""
        lines = next(each for each in self.topology.hosts if each.name == host).conntrack
        for connection in map(_connection, lines):
            if connection.line.split()[2] == protocol and original.items() <= connection.original.items():
                return connection
        raise LookupError(f"{self.path}: no {protocol} connection with {original} in conntrack of {host}")

    # -- what was captured -------------------------------------------------------------------------------
    def frame(self, point: str, protocol: str, source: str = "", target: str = "", **fields: int) -> LessonFrame:
        """The first frame at a point whose innermost packet is this one."""
        return next(self._select(point, protocol, source, target, fields))

    def count(self, point: str, protocol: str = "", source: str = "", target: str = "", **fields: int) -> int:
        """How many frames there are of that kind."""
        return sum(1 for _ in self._select(point, protocol, source, target, fields))

    def _select(
        self, point: str, protocol: str, source: str, target: str, fields: dict[str, int]
    ) -> Iterator[LessonFrame]:
        for frame in self.frames:
            row = frame.rows[-1]
            is_protocol = not protocol or row["proto"] == PROTOCOLS.get(protocol) or _is_arp(row, protocol)
            if frame.point == point and is_protocol and fields.items() <= row.items():
                ends = address_text(row["src_hi"], row["src_lo"]), address_text(row["dst_hi"], row["dst_lo"])
                if source in ("", ends[0]) and target in ("", ends[1]):
                    yield frame


def _is_arp(row: dict[str, int], protocol: str) -> bool:
    return protocol == "arp" and row["arp_op"] > 0


def _frames(path: Path) -> list[LessonFrame]:
    from capnet.wire.capture import open_capture

    frames: list[LessonFrame] = []
    with open_capture(path) as capture:
        for block in capture.blocks():
            for number, row in enumerate(block.dicts()):
                if row["depth"]:
                    frames[-1].rows.append(row)
                    continue
                at = int(block.record_at[number])
                raw = bytes(block.raw[at : at + row["caplen"]])
                frames.append(LessonFrame(row["frame"], capture.interfaces[row["point"]].name or "", [row], raw))
    return frames


def _connection(line: str) -> Connection:
    """The two tuples of a line of `conntrack -L -o extended`; the second begins with the second `src=`."""
    original, _, reply = line.partition("src=")[2].partition("src=")
    return Connection(line, _tuple(f"src={original}"), _tuple(f"src={reply}"))


def _tuple(text: str) -> dict[str, str]:
    return dict(re.findall(r"(src|dst|sport|dport)=(\S+)", text))
