"""Reports made by hand: every section filled, with numbers a reader can check by eye."""

from __future__ import annotations

from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

from capnet.analysis.core.contract.model import Model, Weight
from capnet.analysis.core.contract.outcomes import Fate, IcmpErrorMessage, Neighbour, Proxy, QuotedPacket
from capnet.analysis.core.contract.report import Report
from capnet.analysis.core.results import (
    Answer,
    Coverage,
    Delay,
    Evidence,
    Finding,
    Flow,
    FlowKey,
    Flows,
    Hop,
    Input,
    MacVerdict,
    Nat,
    Path,
    Point,
    Problem,
    Side,
    Station,
    Tunnel,
    TunnelRef,
)

START = 1_795_472_043_000_000_001  # 2026-11-23 22:14:03.000000001 UTC
SECOND = 1_000_000_000
A, B, GATEWAY = "192.168.111.128", "192.168.111.129", "172.17.0.1"
WEB, BBOX = "172.17.0.2", "172.17.0.3"
WEB_MAC, BBOX_MAC, BRIDGE_MAC = "02:42:ac:11:00:02", "02:42:ac:11:00:03", "02:42:5e:00:00:01"


def at(point: str, *frames: int, file: str = "pcaps/bridge.pcapng") -> list[Evidence]:
    return [Evidence(point, file, frame) for frame in frames]


def exactly(microseconds: float) -> Delay:
    return Delay(microseconds, microseconds, microseconds, microseconds)


def hop(
    point: str,
    ends: tuple[str, int | None, str, int | None],
    *change: str,
    delta: float | None = None,
    lost: int | None = None,
    tunnel: TunnelRef | None = None,
    packets: int = 11,
    id: int | None = None,
) -> Hop:
    src, sport, dst, dport = ends
    delay = None if delta is None else Delay(delta / 2, delta, delta * 2, delta * 3)
    return Hop(
        point, src, sport, dst, dport, BRIDGE_MAC, WEB_MAC, 63, tunnel, list(change), packets, 1200, delay, lost, id
    )


def flow(
    point: str, proto: str, ends: tuple[str, int | None, str, int | None], packets: int, size: int, **more
) -> Flow:
    src, sport, dst, dport = ends
    values = {"depth": 0, "first": START, "last": START + SECOND, "retransmissions": 0, "rtt_us": None, **more}
    return Flow(point, proto, src, sport, dst, dport, packets=packets, bytes=size, **values)


def fate(name: str, key: FlowKey, point: str, proto: str = "tcp", **more: Any) -> Fate:
    values = {"id": None, "next": None, "packets": 1, "missing": None, "repeats": 0, "known_by": None, "siblings": 0}
    return Fate(
        **{**values, "unknown": None, "answers": [], "first": START, "evidence": at(point, 50), **more},
        proto=proto, flow=key, fate=name, point=point,
    )  # fmt: skip


def too_big(point: str, sport: int, frame: int, count: int = 2) -> IcmpErrorMessage:
    """A router tells bbox that its packets from a port do not fit."""
    quoted = QuotedPacket("tcp", BBOX, sport, B, 7000)
    last = START + SECOND
    return IcmpErrorMessage(
        point, "icmp", GATEWAY, BBOX, 3, 4, "fragmentation needed", 1378, quoted, count, START, last, at(point, frame)
    )


def empty() -> Report:
    """What an empty capture gives."""
    return Report(
        inputs=[Input("empty.pcap", "pcap", None, 24, 0, None, None)],
        points=[Point("empty", "empty.pcap", 0, "EN10MB", 0, 0, None, "unknown")],
        flows=Flows(0, []),
        coverage=Coverage(0, 0, {}),
    )


def _draft() -> SimpleNamespace:
    """The fields of an empty report, to be set."""
    report = empty()
    return SimpleNamespace(**{each.name: getattr(report, each.name) for each in fields(report)})


def bridge() -> Report:
    """Two containers on docker0: out by masquerade (tcp and icmp), in through -p 8080:80."""
    out, snat = (BBOX, 5555, B, 7000), (A, 5555, B, 7000)
    door, inside = (B, 51514, A, 8080), (B, 51514, WEB, 80)
    draft = _draft()
    draft.inputs = [Input("pcaps/bridge.pcapng", "pcapng", None, 131_072, 812, START, START + 42 * SECOND // 10)]
    draft.points = [
        Point(name, "pcaps/bridge.pcapng", index, "EN10MB", packets, packets * 140, 0, role, START, START + SECOND)
        for index, (name, packets, role) in enumerate(
            [
                ("A/web/eth0", 130, "container"),
                ("A/bbox/eth0", 130, "container"),
                ("A/veth3f2a9c1", 130, "veth"),
                ("A/docker0", 222, "bridge"),
                ("A/ens33", 100, "parent"),
                ("B/ens33", 100, "parent"),
            ]
        )
    ]
    draft.models = [
        Model(
            "bridge",
            0.95,
            ["docker0 bridges two containers", "both leave by masquerade"],
            at("A/docker0", 41),
            [Weight("bridge-name", 6.0, True), Weight("masquerade", 0.8, False)],
        )
    ]
    draft.stations = [
        Station(WEB_MAC, [WEB], ["web"], ["A/docker0", "A/veth3f2a9c1", "A/web/eth0"], 260, "container"),
        Station(BBOX_MAC, [BBOX], ["bbox"], ["A/bbox/eth0", "A/docker0"], 240, "container"),
        Station(BRIDGE_MAC, [GATEWAY, B], [], ["A/docker0"], 120, "router"),
        Station("33:33:00:00:00:02", [], [], ["A/docker0"], 3, "multicast"),
    ]
    draft.macs = [
        MacVerdict(
            "distinct",
            [WEB_MAC, BBOX_MAC],
            [WEB, BBOX],
            "A/docker0",
            "each container has a MAC of its own",
            at("A/docker0", 1, 2),
        ),
        MacVerdict(
            "router",
            [BRIDGE_MAC],
            [GATEWAY, B],
            "A/docker0",
            "docker0 speaks for addresses of other networks",
            at("A/docker0", 9),
        ),
    ]
    draft.nat = [
        Nat(
            "dnat",
            "tcp",
            Side(*door, "A/ens33"),
            Side(*inside, "A/docker0"),
            False,
            -1,
            11,
            1400,
            True,
            Delay(40, 52, 80, 90),
            "same-packet",
            1.0,
            at("A/ens33", 3) + at("A/docker0", 2),
        ),
        Nat(
            "snat",
            "icmp",
            Side(WEB, None, B, None, "A/docker0", 4242),
            Side(A, None, B, None, "A/ens33", 51554),
            True,
            -1,
            10,
            980,
            True,
            exactly(28),
            "same-packet",
            1.0,
            at("A/docker0", 77) + at("A/ens33", 40),
        ),
        Nat(
            "snat",
            "tcp",
            Side(*out, "A/docker0"),
            Side(*snat, "A/ens33"),
            False,
            -1,
            24,
            9_876,
            True,
            Delay(20.1234567, 31, 60, 61),
            "same-packet",
            1.0,
            at("A/docker0", 41) + at("A/ens33", 12),
        ),
    ]
    draft.proxies = [
        Proxy(
            "tcp",
            FlowKey(A, 40000, A, 8080),
            FlowKey(GATEWAY, 40002, WEB, 80),
            "same payload, other sequence numbers",
            at("A/docker0", 300),
        ),
    ]
    draft.paths = [
        Path(
            "tcp",
            FlowKey(*door),
            [
                hop("B/ens33", door),
                hop("A/ens33", door, "wire", delta=38, lost=0),
                hop("A/docker0", inside, "dnat", "routed", delta=52, lost=0),
                hop("A/veth3f2a9c1", inside, "bridged", delta=4, lost=0),
                hop("A/web/eth0", inside, delta=2, lost=0),
            ],
            "delivered",
            at("B/ens33", 1),
        ),
        Path(
            "tcp",
            FlowKey(*out),
            [
                hop("A/docker0", out, packets=24),
                hop("A/ens33", snat, "snat", "routed", delta=31, lost=0, packets=24),
            ],
            "delivered",
            at("A/docker0", 41),
        ),
        Path(
            "icmp",
            FlowKey(WEB, None, B, None),
            [
                hop("A/docker0", (WEB, None, B, None), packets=10, id=4242),
                hop("A/ens33", (A, None, B, None), "snat", "routed", delta=28, lost=0, packets=10, id=51554),
            ],
            "delivered",
            at("A/docker0", 77),
        ),
    ]
    draft.flows = Flows(
        37,
        [
            flow("A/docker0", "tcp", (BBOX, 40100, WEB, 80), 60, 45_000, rtt_us=120.5),
            flow("A/bbox/eth0", "tcp", (BBOX, 40100, WEB, 80), 60, 45_000, rtt_us=118.25),
            flow("A/ens33", "tcp", snat, 24, 9_876, retransmissions=2),
            flow("A/docker0", "icmp", (WEB, None, B, None), 10, 980, id=4242),
        ],
    )
    draft.findings = [
        Finding(
            "checksum-offload",
            "info",
            "780 packets carry unfilled TCP/UDP checksums, as they do on virtual links.",
            None,
            {"packets": 780},
            at("A/docker0", 1, 2),
        ),
        Finding(
            "source-port-collision",
            "warning",
            "Two containers used ICMP id 4242 towards 192.168.111.129; one was rewritten.",
            "Nothing, unless the peer depends on the id.",
            {"id": 4242},
            at("A/docker0", 77) + at("A/ens33", 40),
        ),
    ]
    stopped, refused = FlowKey("192.168.111.7", 40000, A, 8081), FlowKey(BBOX, 5558, B, 7001)
    rejected = Answer("icmp-error", "A/docker0", GATEWAY, "host administratively prohibited", at("A/docker0", 71))
    replied = Answer("reply", "A/ens33", B, None, at("A/ens33", 41))
    draft.fates = [
        fate("stops-at", stopped, "A/ens33", next="A/docker0", packets=4, repeats=3, known_by="service", siblings=2),
        fate("answered-by", refused, "A/docker0", known_by="answer", answers=[rejected]),
        fate(
            "delivered", FlowKey(WEB, None, B, None), "A/ens33", "icmp", id=4242, known_by="answer", answers=[replied]
        ),
    ]
    draft.icmp_errors = [
        too_big("A/docker0", 5555, 61),
        too_big("A/docker0", 5557, 63, 1),
        too_big("A/bbox/eth0", 5555, 60),
    ]
    draft.neighbours = [
        Neighbour(
            "arp", "A/docker0", None, BBOX, BBOX_MAC, WEB, [WEB_MAC], 2, 1, START, START, at("A/docker0", 30, 31)
        ),
        Neighbour("arp", "A/docker0", None, BBOX, BBOX_MAC, "172.17.0.9", [], 3, 0, START, START, at("A/docker0", 33)),
    ]
    draft.coverage = Coverage(812, 809, {"ethertype 0x88cc": 3})
    draft.names = {WEB: "web", BBOX: "bbox", "172.17.0.9": "never-seen"}
    draft.correlation = {"sampled": 1.0}
    return Report(**vars(draft))


def overlay() -> Report:
    """Two hosts, one container each, VXLAN between them; three bulk packets lost on the wire."""
    web, bbox, file = "10.0.1.2", "10.0.1.4", "overlay.pcapng"
    vxlan = TunnelRef("vxlan", 4097)
    bulk = (web, 41000, bbox, 5201)
    draft = _draft()
    draft.inputs = [
        Input(
            file,
            "pcapng",
            None,
            250_000,
            1_234_567,
            START,
            START + 200 * SECOND,
            [Problem("truncated-file", 249_990, "the last record is cut")],
        ),
    ]
    draft.points = [
        Point("A/ens33", file, 0, "EN10MB", 617_000, 812_000_000, 12, "underlay"),
        Point("B/ens33", file, 1, "EN10MB", 617_567, 812_000_000, 0, "underlay"),
    ]
    draft.models = [Model("overlay", 0.99, ["VXLAN with VNI 4097 between two hosts"], at("A/ens33", 7, file=file))]
    draft.stations = [
        Station("02:42:0a:00:01:02", [web], ["web"], ["A/ens33"], 600_000, "container"),
        Station("02:42:0a:00:01:04", [bbox], ["bbox"], ["B/ens33"], 600_000, "container"),
    ]
    draft.tunnels = [
        Tunnel(
            "vxlan",
            4097,
            [A, B],
            4789,
            point,
            frames,
            frames * 1300,
            frames * 1250,
            4.0,
            17,
            ["02:42:0a:00:01:02", "02:42:0a:00:01:04"],
            [web, bbox],
            1450,
            False,
            False,
            "vxlanA",
            at(point, frame, file=file),
        )
        for point, frames, frame in (("A/ens33", 600_003, 7), ("B/ens33", 600_000, 9))
    ]
    draft.paths = [
        Path(
            "tcp",
            FlowKey(*bulk),
            [
                hop("A/web/eth0", bulk, packets=600_003),
                hop("A/overlay:vxlanA/vxlan0", bulk, "bridged", delta=5.5, lost=0, packets=600_003),
                hop("A/ens33", bulk, "encapsulated", delta=19, lost=0, tunnel=vxlan, packets=600_003),
                hop("B/ens33", bulk, "wire", delta=1500, lost=3, tunnel=vxlan, packets=600_000),
                hop("B/overlay:vxlanA/vxlan0", bulk, "decapsulated", delta=22, lost=0, packets=600_000),
                hop("B/bbox/eth0", bulk, "bridged", delta=4, lost=0, packets=600_000),
            ],
            "delivered",
            at("A/ens33", 7, file=file),
        ),
        Path(
            "tcp",
            FlowKey(bbox, 41001, web, 81),
            [
                hop("B/bbox/eth0", (bbox, 41001, web, 81), packets=3),
                hop("B/ens33", (bbox, 41001, web, 81), "encapsulated", delta=30, lost=3, tunnel=vxlan, packets=0),
            ],
            "lost-after B/bbox/eth0",
            at("B/bbox/eth0", 99, file=file),
        ),
    ]
    draft.flows = Flows(
        2, [flow("A/ens33", "tcp", bulk, 600_003, 780_000_000, depth=1, vni=4097, rtt_us=1600.0, retransmissions=3)]
    )
    draft.findings = [
        Finding(
            "mtu-blackhole",
            "error",
            "Packets above 1450 bytes do not arrive at bbox.",
            "Set the MTU of the overlay to 1400.",
            {"mtu": 1450},
            at("A/ens33", 17, 19, file=file),
        ),
    ]
    draft.coverage = Coverage(1_234_567, 1_234_567, {})
    draft.names = {web: "web", bbox: "bbox", A: "A", B: "B"}
    return Report(**vars(draft))


HOSTILE = "we\x1b[31mb\u202egnp\n\t\x7f\x9b\u200b"


def changed(fact: Any, changes: dict[str, Any]) -> Any:
    """A copy of a report or fact in which `{"nat.0.before.point": "x", …}` holds."""
    for path, value in changes.items():
        fact = _changed(fact, path.split("."), value)
    return fact


def _changed(fact: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    if isinstance(fact, list):
        index = int(path[0])
        return [*fact[:index], _changed(fact[index], path[1:], value), *fact[index + 1 :]]
    return replace(fact, **{path[0]: _changed(getattr(fact, path[0]), path[1:], value)})


def hostile(text: str = HOSTILE) -> Report:
    """Everything that a capture can name has `text` in it."""
    report = bridge()
    file = f"a b/{text}.pcapng"
    changes: dict[str, Any] = {
        "inputs.0.file": file,
        "inputs.0.problems": [Problem("truncated-file", 12, text)],
        "names": {WEB: text, BBOX: "界" * 60, A: "x" * 300},
        "points.0.name": text,
        "points.1.name": "p" * 300,
        "points.2.linktype": text,
        "stations.0.names": [text],
        "stations.0.points": [text],
        "models.0.because": [text],
        "macs.0.because": text,
        "proxies.0.because": text,
        "findings.0.says": text,
        "findings.0.fix": text,
        "findings.0.facts": {text: text},
        "icmp_errors.0.point": text,
        "neighbours.0.point": text,
        "fates.0.point": text,
        "fates.1.answers.0.says": text,
        "coverage.undecoded": {text: 3},
        "correlation": {text: [text]},
        "tunnels": overlay().tunnels,
        "tunnels.0.network": text,
    }
    for row in range(len(report.nat)):
        changes[f"nat.{row}.before.point"] = text
        changes[f"nat.{row}.evidence"] = at(text, 1, file=file)
    for row in range(len(report.paths)):
        changes[f"paths.{row}.hops.0.point"] = text
        changes[f"paths.{row}.ends"] = f"lost-after {text}"
    hostile: Report = changed(report, changes)
    return hostile
