"""Random networks: the paths in the report are those that packets took through NATs, routers, bridges and tunnels.

The network is a line of devices with a point between any two of them, the points in random order in the file. Each flow
crosses it with its answers. What every device does to a packet is decided in this file, and kept as the truth.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from capnet.analysis.engine import analyze
from tests.stories import ACK, SYN, Network, Packet, ping, tcp, udp


@dataclass(frozen=True)
class Device:
    """What happens between point `i` and point `i + 1` on the way there; on the way back it is undone."""

    kind: str  # bridge | router | snat | dnat | tunnel
    number: int

    @property
    def address(self) -> str:
        """What a translator rewrites to."""
        return f"192.168.{100 + self.number}.1"


@dataclass(frozen=True)
class Flow:
    """A flow of the client to the server, with its answers."""

    proto: str
    port: int
    packets: int
    equal: bool  # every packet carries the same payload; only identifications tell them apart
    lost_at: int | None  # device that loses packet LOST


LOST = 1  # number of the packet that a device loses

devices = st.lists(
    st.sampled_from(["bridge", "router", "snat", "dnat", "tunnel"]), min_size=1, max_size=6
).map(lambda kinds: [Device(kind, number) for number, kind in enumerate(_one_tunnel(kinds))])  # fmt: skip
flows = st.lists(
    st.builds(
        Flow,
        proto=st.sampled_from(["tcp", "udp", "icmp"]),
        port=st.integers(8000, 60000),
        packets=st.integers(3, 6),
        equal=st.booleans(),
        lost_at=st.none() | st.integers(0, 5),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda flow: (flow.proto, flow.port),
)


def _one_tunnel(kinds: list[str]) -> list[str]:
    """Tunnel in tunnel is the decoder's matter."""
    seen = False
    for at, kind in enumerate(kinds):
        if kind == "tunnel":
            kinds[at] = "bridge" if seen else kind
            seen = True
    return kinds


def forms(line: list[Device], flow: Flow, client: str, port: int) -> list[dict[str, Any]]:
    """What a packet from the client looks like at each point: addresses, ports, TTL, tunnel."""
    server = "10.9.0.9"
    if any(device.kind == "dnat" for device in line):  # the client asks the outermost translator
        server = next(device for device in line if device.kind == "dnat").address
    form: dict[str, Any] = {
        "src": client, "sport": flow.port, "dst": server, "dport": 80, "ttl": 64, "tunnel": None, "id": flow.port,
        "smac": "02:00:00:00:00:10", "dmac": "02:00:00:00:01:00",
    }  # fmt: skip
    by_point = [dict(form)]
    inner: dict[str, Any] | None = None
    for at, device in enumerate(line):
        form = dict(form)
        if device.kind == "tunnel":
            # Between the two ends of the tunnel lies one point; what comes out is what went in.
            inner = {"tunnel": (4097 + device.number, "192.168.50.1", "192.168.50.2", 50000)}
            form |= inner
        else:
            if inner is not None:
                form["tunnel"] = None
                inner = None
            if device.kind in ("router", "snat", "dnat"):
                form["ttl"] -= 1
                form["smac"] = f"02:00:00:00:{device.number + 1:02x}:01"
                form["dmac"] = f"02:00:00:00:{device.number + 1:02x}:02"
            if device.kind == "snat":
                form["src"], form["sport"], form["id"] = device.address, port + device.number, port + device.number
            if device.kind == "dnat":
                later = [other for other in line[at + 1 :] if other.kind == "dnat"]
                form["dst"], form["dport"] = (later[0].address if later else "10.9.0.9"), 8000 + device.number
        by_point.append(form)
    return by_point


def expected_changes(line: list[Device], names: list[str]) -> list[list[str]]:
    """What the report says of each hop on the way there."""
    changes, tunnelled = [], False
    for at, device in enumerate(line):
        change = []
        if device.kind == "tunnel":
            change = ["encapsulated"]
        else:
            if tunnelled:
                change.append("decapsulated")
            change += {"router": ["routed"], "snat": ["routed", "snat"], "dnat": ["dnat", "routed"]}.get(
                device.kind, []
            )
            if not change:
                change = ["bridged" if names[at].split("/")[0] == names[at + 1].split("/")[0] else "wire"]
        tunnelled = device.kind == "tunnel"
        changes.append(change)
    return changes


def packet(flow: Flow, form: dict[str, Any], number: int, ident: int, back: bool) -> Packet:
    """Packet `number` of a flow or of its answers, in the form that it has at a point."""
    ends = [form["src"], form["sport"], form["dst"], form["dport"]]
    src, sport, dst, dport = ends[2:] + ends[:2] if back else ends
    ttl = form["ttl"] if not back else form["back_ttl"]
    more = {"ttl": ttl, "ident": ident, "tunnel": form["tunnel"], "smac": form["smac"], "dmac": form["dmac"]}
    if back:
        more["smac"], more["dmac"] = more["dmac"], more["smac"]
        if more["tunnel"]:
            vni, src_vtep, dst_vtep, port = more["tunnel"]
            more["tunnel"] = (vni, dst_vtep, src_vtep, port)
    payload = b"the same" if flow.equal else b"%05d %d" % (number, flow.port)
    if flow.proto == "icmp":
        return ping(f"{src} > {dst}", form["id"], number, payload, icmp=(0 if back else 8, 0), **more)
    text = f"{src}:{sport} > {dst}:{dport}"
    if flow.proto == "udp":
        return udp(text, payload, **more)
    flags = (SYN | ACK if back else SYN) if number == 0 else ACK
    first = flow.port * 70_000 + (1 << 31) * back
    data = b"" if number == 0 else payload
    return tcp(text, data, seq=first + number * 8 & 0xFFFFFFFF, ack=1 if back or number else 0, flags=flags, **more)


class Crossing(NamedTuple):
    """One direction of a flow across the line: the form of its packets at each point, and how many pass."""

    flow: Flow
    back: bool
    forms: list[dict[str, Any]]  # in order of the way there
    counts: list[int]  # in order of the direction
    lost_at: int | None  # device that loses packet LOST


def crossings(line: list[Device], traffic: list[Flow]) -> Iterator[Crossing]:
    """Both directions of each flow, what happens to its packets, and what is lost.

    A lost segment is sent again, and a lost echo request has no reply.
    """
    for index, flow in enumerate(traffic):
        forms_ = forms(line, flow, "10.1.0.2", 40_000 + 10 * index)
        ttl = 64  # of the answers, counting down on the way back
        for at in range(len(forms_) - 1, -1, -1):
            if at < len(line) and line[at].kind in ("router", "snat", "dnat"):
                ttl -= 1
            forms_[at]["back_ttl"] = ttl
        lost_at = flow.lost_at if flow.lost_at is not None and flow.lost_at < len(line) else None
        is_lossy = lost_at is not None
        sent = flow.packets + (is_lossy and flow.proto == "tcp")
        counts = [sent - (lost_at is not None and at > lost_at) for at in range(len(forms_))]
        yield Crossing(flow, False, forms_, counts, lost_at)
        answers = flow.packets - (is_lossy and flow.proto == "icmp")
        yield Crossing(flow, True, forms_, [answers] * len(forms_), None)


def hops_of(names: list[str], crossing: Crossing, number: int, ident: int) -> list[tuple[str, Packet]]:
    """Points that a packet passes, and its form there."""
    hops = [
        (name, packet(crossing.flow, form, number, ident, crossing.back))
        for name, form in zip(names, crossing.forms, strict=True)
    ]
    return hops[::-1] if crossing.back else hops


def send(net: Network, names: list[str], line: list[Device], traffic: list[Flow]) -> None:
    """All packets of all flows, the k-th packets of all of them one after the other, each with its answer."""
    sends = [
        (number, order, crossing)
        for order, crossing in enumerate(crossings(line, traffic))
        for number in range(crossing.flow.packets)
    ]
    for ident, (number, _, crossing) in enumerate(sorted(sends, key=lambda item: item[:2]), start=1):
        if number == LOST and crossing.back and crossing.counts[0] < crossing.flow.packets:
            continue  # nothing answers
        hops = hops_of(names, crossing, number, ident)
        is_lost = crossing.lost_at is not None and number == LOST
        net.pass_by(*(hops[: crossing.lost_at + 1] if is_lost else hops))  # type: ignore[operator]
    for ident, crossing in enumerate(crossings(line, traffic), start=len(sends) + 1):
        if crossing.lost_at is not None and crossing.flow.proto == "tcp":
            net.pass_by(*hops_of(names, crossing, LOST, ident))
    # Every point goes on listening, so that absence means loss.
    for name in names:
        for moment in (-500.0, net.now + 500):
            net.at(moment, name, udp("198.51.100.1:1 > 198.51.100.2:2", name.encode(), ident=0))


def paths_by_flow(report: dict[str, Any]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The paths of a report by protocol, addresses, ports and ICMP identifier; each flow and direction has one."""
    paths = {}
    for path in report["paths"]:
        flow = path["flow"]
        if flow["src"].startswith("198."):
            continue
        key = (path["proto"], *(flow[name] for name in ("src", "sport", "dst", "dport")), flow.get("id"))
        assert key not in paths, "one path per flow and direction"
        paths[key] = path
    return paths


def flow_key(crossing: Crossing) -> tuple[Any, ...]:
    """The key of `paths_by_flow` of a crossing."""
    first = crossing.forms[-1 if crossing.back else 0]
    is_icmp = crossing.flow.proto == "icmp"
    ends = ("dst", "dport", "src", "sport") if crossing.back else ("src", "sport", "dst", "dport")
    values = [None if is_icmp and "port" in end else first[end] for end in ends]
    return crossing.flow.proto, *values, first["id"] if is_icmp else None


def translations_made(line: list[Device], traffic: list[Flow]) -> set[tuple[Any, ...]]:
    """The entry of each translator: protocol, source before, source and destination after."""
    entries = set()
    for crossing in crossings(line, traffic):
        if crossing.back:
            continue
        is_icmp = crossing.flow.proto == "icmp"
        for device, (before, after) in zip(line, pairwise(crossing.forms), strict=True):
            if device.kind in ("snat", "dnat"):
                sport, ident = (None, before["id"]) if is_icmp else (before["sport"], None)
                dport = None if is_icmp else after["dport"]
                entries.add((crossing.flow.proto, before["src"], sport, ident, after["src"], after["dst"], dport))
    return entries


def translations_reported(report: dict[str, Any]) -> set[tuple[Any, ...]]:
    """The same of a report."""
    return {
        (row["proto"], row["before"]["src"], row["before"]["sport"], row["before"].get("id"),
         row["after"]["src"], row["after"]["dst"], row["after"]["dport"])
        for row in report["nat"]
    }  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(line=devices, traffic=flows, order=st.randoms(use_true_random=False), ahead=st.sampled_from([0.0, 400_000.0]))
def test_random_network_gives_paths_taken(line: list[Device], traffic: list[Flow], order: Any, ahead: float) -> None:
    """Hops, packets, losses, changes and translations are those of the network; clocks may be 0.4 s apart."""
    names = [f"host{at}/eth{at}" for at in range(len(line) + 1)]
    if ahead:  # one host for both halves of the line, each with a clock of its own
        names = [f"{'left' if at <= len(line) // 2 else 'right'}/eth{at}" for at in range(len(line) + 1)]
    shuffled = list(names)
    order.shuffle(shuffled)
    net = Network(shuffled, clocks={name: (ahead, 0.0) for name in names if ahead and name.startswith("right")})
    send(net, names, line, traffic)
    with tempfile.TemporaryDirectory() as folder:
        report = analyze(net.write(Path(folder)), compiled=False).to_dict()

    paths = paths_by_flow(report)
    assert len(paths) == 2 * len(traffic)
    for crossing in crossings(line, traffic):
        path = paths[flow_key(crossing)]
        hops = [(name, form["tunnel"] is not None) for name, form in zip(names, crossing.forms, strict=True)]
        assert [(hop["point"], hop["tunnel"] is not None) for hop in path["hops"]] == (
            hops[::-1] if crossing.back else hops
        )
        assert [hop["packets"] for hop in path["hops"]] == crossing.counts
        lost = [max(before - after, 0) for before, after in pairwise(crossing.counts)]
        assert [hop["lost"] for hop in path["hops"][1:]] == lost
        if not crossing.back:
            assert [hop["change"] for hop in path["hops"][1:]] == expected_changes(line, names)
    assert translations_reported(report) == translations_made(line, traffic)
