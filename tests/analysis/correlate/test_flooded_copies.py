"""Frames that a bridge floods to stations that are neither end: copies there are no hops.

flooded.pcapng was recorded with tcpdump in network namespaces: a, b and c with a veth each on bridge br0 with
`ageing_time 0`, which learns no MAC. a and c ask b by HTTP; then
`ebtables -A FORWARD -p IPv4 --ip-protocol tcp -o vethb -j DROP`, and a asks twice in vain: its counter was ten in the
end, of eight SYNs of a to b and two copies of a connection of c to a that were flooded to b.
flooded.topology.json is what `ip -j link` said.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from capnet.analysis.engine import analyze
from capnet.topology import Container, Endpoint, ListeningPoint, Topology
from tests.stories import SYN, Network, Packet, tcp
from tests.story_reports import path_of, points, read

RECORDED = Path(__file__).with_name("flooded.pcapng")
A, B, C = "172.30.0.2", "172.30.0.3", "172.30.0.4"
MACS = {A: "0a:00:00:00:00:02", B: "0a:00:00:00:00:03", C: "0a:00:00:00:00:04"}
POINTS = ["A/a/eth0", "A/veth1", "A/br0", "A/veth2", "A/b/eth0", "A/veth3", "A/c/eth0"]
WAY = POINTS[:5]


def topology(bridges: dict[str, str]) -> Topology:
    """a, b and c with veth1, veth2 and veth3; `bridges`: that of each."""
    return Topology(
        containers=[
            Container(
                "A", name, name * 12, "busybox", "net",
                [Endpoint("net", "eth0", mac, [f"{ip}/24"], f"veth{number}", kind="veth", bridge=bridges[name])],
            )
            for number, (name, (ip, mac)) in enumerate(zip("abc", MACS.items(), strict=True), 1)
        ],
        points=[
            *(ListeningPoint(f"A/{name}/eth0", "container", "A", "eth0", "", name) for name in "abc"),
            *(ListeningPoint(f"A/veth{number}", "veth", "A", f"veth{number}", "") for number in (1, 2, 3)),
        ],
    )  # fmt: skip


def frame(source: str, target: str, **more: object) -> Packet:
    ends = f"{source}:4000 > {target}:80" if source in (A, C) and target == B else f"{source}:80 > {target}:4000"
    return tcp(ends, smac=MACS[source], dmac=MACS[target], **more)


def flooded(net: Network, form: Packet, way: list[str]) -> None:
    """A packet along its way, and copies of it at c, whose port is served before the destination's."""
    start = net.now
    for number, point in enumerate(way):
        net.at(start + number * 10, point, form)
    net.at(start + 25, "A/veth3", form)
    net.at(start + 26, "A/c/eth0", form)
    net.now = start + 1000


def conversation() -> Network:
    net = Network(POINTS)
    for number in range(6):
        flooded(net, frame(A, B, seq=number * 10, payload=b"a%d" % number, ident=number + 1), WAY)
        flooded(net, frame(B, A, seq=number * 10, payload=b"b%d" % number, ident=number + 50), WAY[::-1])
    return net


def test_copies_are_no_hops(tmp_path: Path) -> None:
    """Without a topology: a and b are told by their own interfaces, and c shows frames between these two only."""
    report = read(conversation(), tmp_path)
    assert points(path_of(report, A, B)) == WAY and points(path_of(report, B, A)) == WAY[::-1]
    assert {row["fate"] for row in report["fates"]} == {"delivered"}


def test_container_that_bridges_keeps_its_hops(tmp_path: Path) -> None:
    """A virtual machine is behind c, by a MAC that no port of the host's bridge has."""
    net, way = Network(POINTS), ["A/a/eth0", "A/veth1", "A/br0", "A/veth3", "A/c/eth0"]
    inner = {"smac": MACS[A], "dmac": "52:54:00:00:00:09"}
    for number in range(6):
        request = tcp(f"{A}:4000 > 172.30.0.9:80", b"a%d" % number, ident=number + 1, **inner)
        answer = tcp(f"172.30.0.9:80 > {A}:4000", b"b%d" % number, ident=number + 50, smac=inner["dmac"], dmac=MACS[A])
        net.pass_by(*((point, request) for point in way))
        net.pass_by(*((point, answer) for point in way[::-1]))
    report = read(net, tmp_path, topology=topology(dict.fromkeys("abc", "br0")))
    assert points(path_of(report, A, "172.30.0.9")) == way and points(path_of(report, "172.30.0.9", A)) == way[::-1]


def test_container_between_two_bridges_keeps_its_hops(tmp_path: Path) -> None:
    """It is a bridge itself: its interfaces have other MACs than the frames, whose ends are on two bridges."""
    net = Network(["A/a/eth0", "A/veth1", "A/veth3", "A/c/eth0", "A/veth2", "A/b/eth0"])
    for number in range(6):
        net.pass_by(*((point, frame(A, B, payload=b"a%d" % number, ident=number + 1)) for point in net.points))
        net.pass_by(*((point, frame(B, A, payload=b"b%d" % number, ident=number + 50)) for point in net.points[::-1]))
    report = read(net, tmp_path, topology=topology({"a": "br0", "b": "br1", "c": "br0"}))
    assert points(path_of(report, A, B)) == net.points


def test_recorded_way_is_whole() -> None:
    report = analyze(RECORDED).to_dict()
    ways = {(path["flow"]["sport"], tuple(points(path))) for path in report["paths"] if path["flow"]["dst"] == B}
    assert (57678, ("A/a/eth0", "A/vetha", "A/br0", "A/vethb", "A/b/eth0")) in ways
    assert all("A/c/eth0" not in way and "A/vethc" not in way for sport, way in ways if sport != 49370)


def test_recorded_drop_is_one_finding() -> None:
    """Where the bridge drops, not at c, where copies go on to be seen."""
    report = analyze(RECORDED).to_dict()
    findings = {row["name"]: row for row in report["findings"]}
    stop = findings["stops-between"]
    assert (stop["facts"]["point"], stop["facts"]["next"], stop["count"]) == ("A/br0", "A/vethb", 8)
    assert "connection-unanswered" not in findings and findings["retransmissions"]["level"] == "info"
    failed = [row for row in report["fates"] if row["flow"]["dst"] == B and row["fate"] != "delivered"]
    assert [(row["point"], row["fate"]) for row in failed] == [("A/br0", "stops-at")] * 2


def test_single_copy_among_own_traffic_is_none(tmp_path: Path) -> None:
    """c talks to b itself: what it sends and gets are no copies."""
    net = conversation()
    way = ["A/c/eth0", "A/veth3", "A/br0", "A/veth2", "A/b/eth0"]
    for number in range(6):
        net.pass_by(*((point, frame(C, B, payload=b"c%d" % number, ident=number + 90)) for point in way))
        net.pass_by(*((point, frame(B, C, payload=b"d%d" % number, ident=number + 120)) for point in way[::-1]))
    net.pass_by(*((point, frame(C, B, flags=SYN, ident=200)) for point in way))
    report = read(net, tmp_path, topology=topology(dict.fromkeys("abc", "br0")))
    assert points(path_of(report, A, B)) == WAY and points(path_of(report, C, B)) == way


def test_recording_alone_has_no_false_stop(tmp_path: Path) -> None:
    """Without its topology, which MAC is c's is not told, and nothing is said to stop."""
    report = analyze(shutil.copy(RECORDED, tmp_path)).to_dict()
    assert "stops-between" not in {row["name"] for row in report["findings"]}
