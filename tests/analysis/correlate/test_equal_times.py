"""Points that stamp a packet with one time: the order of the way does not come from time stamps alone.

The stored captures are written anew with one time for all copies of a packet, or with whole microseconds, and with
equal times in an order that misleads. Paths, translations and the order of hops must stay.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from capnet.analysis.core.contract.report import Report
from capnet.analysis.engine import analyze, study
from capnet.record.bundle.annotation.annotate import annotate
from capnet.record.bundle.annotation.other_blocks import SourceBlocks
from capnet.topology import Container, Endpoint, Topology
from tests.conftest import PROJECT
from tests.stories import Network, Packet, ping, tcp, udp
from tests.story_reports import C1, A, B, path_of, points, read

GOLDENS = sorted((PROJECT / "pcaps").glob("*.pcapng"))
PACKET_BLOCK, STATISTICS_BLOCK = 6, 5
PACKET_ID = 5  # option of a packet block
GROUPS = ("ff02:", "224.", "239.")  # flooded: siblings have no order


class Frame(NamedTuple):
    """A frame of a stored capture."""

    time_ns: int
    interface: int
    number: int
    block: bytes


def blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        yield kind, data[at : at + length]
        at += length


def packet_ids(path: Path, folder: Path) -> list[int]:
    """For each frame the id of its packet, which is the same at every point; a number of its own without one."""
    source_blocks, annotated = SourceBlocks(), folder / "annotated.pcapng"
    studied = study([path], on_block=source_blocks.see)
    with annotated.open("wb") as file:
        annotate(studied, source_blocks, file.write)
    ids, own = [], count(1 << 40)
    for kind, block in blocks(annotated.read_bytes()):
        if kind == PACKET_BLOCK:
            (size,) = struct.unpack_from("<I", block, 20)
            ids.append(next(own))
            at = 28 + (size + 3 & ~3)
            while at + 4 <= len(block) - 4:
                code, length = struct.unpack_from("<HH", block, at)
                if code == PACKET_ID:
                    (ids[-1],) = struct.unpack_from("<Q", block, at + 4)
                at += 4 + (length + 3 & ~3)
    return ids


def rewritten(path: Path, folder: Path, time_of: Callable[[Frame], int], is_reversed: bool) -> Path:
    """The capture with other times, equal ones in reversed order or by interface, and its topology beside it."""
    numbers, parts = count(), list(blocks(path.read_bytes()))
    frames = []
    for kind, block in parts:
        if kind == PACKET_BLOCK:
            interface, high, low = struct.unpack_from("<III", block, 8)
            frame = Frame(high << 32 | low, interface, next(numbers), block)
            frames.append(frame._replace(time_ns=time_of(frame)))
    frames.sort(key=lambda of: (of.time_ns, -of.number if is_reversed else of.interface, of.number))
    head = [block for kind, block in parts if kind not in (PACKET_BLOCK, STATISTICS_BLOCK)]
    body = [
        of.block[:8] + struct.pack("<III", of.interface, of.time_ns >> 32, of.time_ns & 0xFFFFFFFF) + of.block[20:]
        for of in frames
    ]
    made = folder / path.name
    made.write_bytes(b"".join(head + body))
    topology = path.with_name(f"{path.stem}.topology.json")
    (folder / topology.name).write_bytes(topology.read_bytes())
    return made


def ways(report: Report) -> set[object]:
    """Paths with their hops in order, and translations."""
    paths = {
        (path.proto, *((hop.point, hop.src, hop.sport, hop.dst, hop.dport, hop.id, hop.packets) for hop in path.hops))
        for path in report.paths
        if not path.flow.dst.startswith(GROUPS)
    }
    return paths | {(row.kind, row.proto, str(row.before), str(row.after), row.packets) for row in report.nat}


@pytest.mark.by_turns
@pytest.mark.parametrize("is_reversed", [False, True], ids=["by-interface", "reversed"])
@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_equal_times_of_each_packet_keep_its_way(path: Path, is_reversed: bool, tmp_path: Path) -> None:
    """All copies of a packet have the time of the first one."""
    ids, first = packet_ids(path, tmp_path), dict[int, int]()

    def time_of(frame: Frame) -> int:
        return first.setdefault(ids[frame.number], frame.time_ns)

    assert ways(analyze(rewritten(path, tmp_path, time_of, is_reversed))) == ways(analyze(path))


@pytest.mark.by_turns
@pytest.mark.parametrize("is_reversed", [False, True], ids=["by-interface", "reversed"])
@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_whole_microseconds_keep_each_way(path: Path, is_reversed: bool, tmp_path: Path) -> None:
    """As tcpdump writes them without an option."""

    def time_of(frame: Frame) -> int:
        return frame.time_ns // 1000 * 1000

    assert ways(analyze(rewritten(path, tmp_path, time_of, is_reversed))) == ways(analyze(path))


CONTAINER_MAC, BRIDGE_MAC, CARD_MAC, PEER_MAC = (f"02:00:00:00:00:{of:02x}" for of in range(1, 5))
POINTS = ["A/web/eth0", "A/veth1", "A/docker0", "A/ens33", "B/ens33"]


@pytest.mark.parametrize("order", [1, -1])
def test_equal_times_without_topology_keep_the_order(tmp_path: Path, order: int) -> None:
    """Masqueraded requests and their answers; all points stamp each packet with one time."""
    net = Network(POINTS[::order])
    for number in range(4):
        request = udp(f"{C1}:5000 > {B}:7000", b"%d" % number, ident=number + 1, smac=CONTAINER_MAC, dmac=BRIDGE_MAC)
        outside = request.routed(src=A, smac=CARD_MAC, dmac=PEER_MAC)
        answer = udp(f"{B}:7000 > {A}:5000", b"a%d" % number, ident=number + 9, smac=PEER_MAC, dmac=CARD_MAC)
        inside = answer.routed(dst=C1, smac=BRIDGE_MAC, dmac=CONTAINER_MAC)
        pass_at_once(net, [request] * 3 + [outside] * 2)
        pass_at_once(net, [inside] * 3 + [answer] * 2)
    report = read(net, tmp_path)
    assert points(path_of(report, C1, B)) == POINTS
    assert points(path_of(report, B, A)) == POINTS[::-1]


@pytest.mark.parametrize("order", [1, -1])
def test_child_and_parent_with_equal_times_are_linked(tmp_path: Path, order: int) -> None:
    """A macvlan child and its card: the child comes first on the way out, and last on the way in."""
    places = ["A/m1/eth0", "A/ens33"]
    net = Network(places[::order])
    for number in range(3):
        request = ping(f"192.168.111.10 > {B}", 7, number, smac=CONTAINER_MAC, dmac=PEER_MAC, ident=number + 1)
        answer = ping(f"{B} > 192.168.111.10", 7, number, icmp=(0, 0), smac=PEER_MAC, dmac=CONTAINER_MAC, ident=number)
        for packet in (request, answer):
            pass_at_once(net, [packet] * 2, places)
        other = tcp("192.168.111.10:5 > 192.168.111.3:80", seq=number, smac=CONTAINER_MAC, dmac="02:00:00:00:00:09")
        pass_at_once(net, [other] * 2, places)
    report = read(net, tmp_path)
    assert points(path_of(report, "192.168.111.10", B)) == places
    assert points(path_of(report, B, "192.168.111.10")) == places[::-1]


TUNNEL = ["A/flannel.1", "A/ens33", "B/ens33", "B/flannel.1"]
NODES = ["A/p1/eth0", "A/cni0", *TUNNEL, "B/cni0", "B/p2/eth0"]
POD_1, POD_2 = "10.244.1.2", "10.244.2.2"
DEVICE_A, DEVICE_B, GATE_A, GATE_B, MAC_1, MAC_2 = (f"02:f1:00:00:00:{of:02x}" for of in range(1, 7))


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("places", [NODES, TUNNEL], ids=["all", "devices-and-cards"])
def test_equal_times_behind_a_routed_tunnel_keep_the_order(tmp_path: Path, places: list[str], order: int) -> None:
    """Each host routes into its own end of a tunnel, as flannel does, and the frames inside are between these ends.

    Behind the sender's device, all points have one time.
    """
    net = Network(places[::order])
    for number in range(4):
        request = ping(f"{POD_1} > {POD_2}", 9, number, ident=number + 1)
        answer = request.but(ends=f"{POD_2} > {POD_1}", icmp=(0, 0), ident=number + 50)
        ways = (
            (request, A, B, [MAC_1, GATE_A, DEVICE_A, DEVICE_B, GATE_B, MAC_2], places),
            (answer, B, A, [MAC_2, GATE_B, DEVICE_B, DEVICE_A, GATE_A, MAC_1], places[::-1]),
        )
        for packet, near, far, macs, way in ways:
            inside = packet.but(smac=macs[0], dmac=macs[1])
            carried = packet.routed(smac=macs[2], dmac=macs[3])
            wrapped = carried.but(tunnel=(1, near, far, 50_000))
            forms = [carried, wrapped, wrapped, carried]
            if places == NODES:
                forms = [inside, inside, *forms, *[carried.routed(smac=macs[4], dmac=macs[5])] * 2]
            sent = way.index(TUNNEL[0] if packet is request else TUNNEL[-1])
            for place, (at, form) in enumerate(zip(way, forms, strict=True)):
                net.at(net.now + (place > sent) * 2, at, form)
            net.now += 1000
    report = read(net, tmp_path)
    assert points(path_of(report, POD_1, POD_2)) == places
    assert points(path_of(report, POD_2, POD_1)) == places[::-1]


def pass_at_once(net: Network, forms: list[Packet], places: list[str] = POINTS) -> None:
    """One packet at all places at one time."""
    for place, form in zip(places, forms, strict=True):
        net.at(net.now, place, form)
    net.now += 1000


@pytest.mark.parametrize("device", ["vnet0", "tap7f3a-12"])
def test_tap_of_a_migrated_machine_is_behind_the_card(tmp_path: Path, device: str) -> None:
    """The machine was at A before, and its MAC is A's: yet at B, what comes in passes the card first."""
    net = Network(["client/ens33", "A/ens33", f"A/{device}", "B/ens33", f"B/{device}"])
    macs = {"smac": "02:00:c0:a8:6f:05", "dmac": "52:54:00:12:34:56"}
    for host, number in (("A", 1), ("B", 2)):
        way = ["client/ens33", f"{host}/ens33", f"{host}/{device}"]
        for seq in range(4):
            request = ping("192.168.111.5 > 192.168.111.50", number, number * 10 + seq, **macs)
            reply = request.but(
                ends="192.168.111.50 > 192.168.111.5", icmp=(0, 0), smac=macs["dmac"], dmac=macs["smac"]
            )
            for packet, order in ((request, way), (reply, way[::-1])):
                for point, after in zip(order, (0, 3, 3.4) if packet is request else (0, 0.4, 3), strict=True):
                    net.at(net.now + after, point, packet)
                net.now += 1000
        net.now += 1e6
    endpoint = Endpoint("bridge", "eth0", macs["dmac"], ["192.168.111.50/24"])
    topology = Topology(containers=[Container("A", "vm", "1", "i", "bridge", endpoints=[endpoint])])
    paths = [
        points(path)
        for path in read(net, tmp_path, topology=topology)["paths"]
        if path["flow"]["src"] == "192.168.111.5"
    ]
    assert ["client/ens33", "B/ens33", f"B/{device}"] in paths
