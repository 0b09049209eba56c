"""Random networks: whatever NATs, routers, bridges and tunnels packets pass, the paths found are those they took.

The network is a line of devices with a point between any two of them, the points in random order in the file. Each flow
crosses it with its answers; what every device does to a packet is decided here, and written down as the truth.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from capnet.analysis.engine import analyze
from capnet.report.document import document
from tests.stories import ACK, SYN, Network, Packet, ping, tcp, udp

CHANGES = {"bridge": "bridged", "router": "routed"}


@dataclass(frozen=True)
class Device:
    """What happens between point `i` and point `i + 1` on the way there; on the way back it is undone."""

    kind: str  # bridge | router | snat | dnat | tunnel
    number: int

    @property
    def address(self) -> str:
        return f"192.168.{100 + self.number}.1"


@dataclass(frozen=True)
class Flow:
    proto: str
    port: int
    packets: int
    equal: bool  # every packet carries the same payload; only identifications tell them apart
    lost_at: int | None  # device that loses the second packet


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
    found = [dict(form)]
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
                later = [each for each in line[at + 1 :] if each.kind == "dnat"]
                form["dst"], form["dport"] = (later[0].address if later else "10.9.0.9"), 8000 + device.number
        found.append(form)
    return found


def expected_changes(line: list[Device], names: list[str]) -> list[list[str]]:
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
    ends = [form["src"], form["sport"], form["dst"], form["dport"]]
    src, sport, dst, dport = ends[2:] + ends[:2] if back else ends
    ttl = form["ttl"] if not back else form["back_ttl"]
    more = {"ttl": ttl, "ident": ident, "tunnel": form["tunnel"], "smac": form["smac"], "dmac": form["dmac"]}
    if back:
        more["smac"], more["dmac"] = more["dmac"], more["smac"]
        if more["tunnel"]:
            vni, one, two, port = more["tunnel"]
            more["tunnel"] = (vni, two, one, port)
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


@settings(max_examples=25, deadline=None)
@given(line=devices, traffic=flows, order=st.randoms(use_true_random=False), ahead=st.sampled_from([0.0, 400_000.0]))
def test_random_network_gives_paths_taken(line: list[Device], traffic: list[Flow], order: Any, ahead: float) -> None:
    names = [f"host{at}/eth{at}" for at in range(len(line) + 1)]
    if ahead:  # one host for both halves of the line, each with a clock of its own
        names = [f"{'left' if at <= len(line) // 2 else 'right'}/eth{at}" for at in range(len(line) + 1)]
    shuffled = list(names)
    order.shuffle(shuffled)
    net = Network(shuffled, clocks={name: (ahead, 0.0) for name in names if ahead and name.startswith("right")})
    idents = iter(range(1, 60_000))
    truth: dict[tuple[str, str, int], tuple[list[Any], list[int]]] = {}
    sends = []
    for index, flow in enumerate(traffic):
        along = forms(line, flow, "10.1.0.2", 40_000 + 10 * index)
        ttl = 64  # of the answers, counting down on the way back
        for at in range(len(along) - 1, -1, -1):
            if at < len(line) and line[at].kind in ("router", "snat", "dnat"):
                ttl -= 1
            along[at]["back_ttl"] = ttl
        lost_at = flow.lost_at if flow.lost_at is not None and flow.lost_at < len(line) else None
        for number in range(flow.packets):
            for back in (False, True):
                sends.append((number, index, back, flow, along, lost_at if number == 1 and not back else None))
        for back in (False, True):
            hops = [(name, form["tunnel"] is not None) for name, form in zip(names, along, strict=True)]
            counts = [flow.packets - (not back and lost_at is not None and at > lost_at) for at in range(len(along))]
            truth[flow.proto, "back" if back else "there", index] = (
                (hops[::-1], counts[::-1]) if back else (hops, counts)
            )
    sends.sort(key=lambda each: each[:3])
    for number, _, back, flow, along, lost_at in sends:
        ident = next(idents)
        hops = [(name, packet(flow, form, number, ident, back)) for name, form in zip(names, along, strict=True)]
        if back:
            hops.reverse()
        net.pass_by(*(hops if lost_at is None else hops[: lost_at + 1]))
    # Every point goes on listening, so that absence means loss.
    for name in names:
        for moment in (-500.0, net.now + 500):
            net.at(moment, name, udp("198.51.100.1:1 > 198.51.100.2:2", name.encode(), ident=0))

    with tempfile.TemporaryDirectory() as folder:
        report = document(analyze(net.write(Path(folder)), compiled=False))

    found = {}
    for path in report["paths"]:
        if path["flow"]["src"].startswith("198."):
            continue
        flow_ = path["flow"]
        key = (path["proto"], *(flow_[each] for each in ("src", "sport", "dst", "dport")), flow_.get("id"))
        assert key not in found, "one path per flow and direction"
        found[key] = path
    assert len(found) == 2 * len(traffic)
    for index, flow in enumerate(traffic):
        along = forms(line, flow, "10.1.0.2", 40_000 + 10 * index)
        for back in (False, True):
            first = along[-1] if back else along[0]
            ends = ("dst", "dport", "src", "sport") if back else ("src", "sport", "dst", "dport")
            icmp = flow.proto == "icmp"
            shown = [None if icmp and "port" in end else first[end] for end in ends]
            key = (flow.proto, *shown, first["id"] if icmp else None)
            path = found[key]
            hops, counts = truth[flow.proto, "back" if back else "there", index]
            assert [(hop["point"], hop["tunnel"] is not None) for hop in path["hops"]] == hops
            assert [hop["packets"] for hop in path["hops"]] == counts
            lost = [max(before - after, 0) for before, after in pairwise(counts)]
            assert [hop["lost"] for hop in path["hops"][1:]] == lost
            if not back:
                assert [hop["change"] for hop in path["hops"][1:]] == expected_changes(line, names)

    # Each translator's entry, and nothing else.
    claimed = {
        (row["proto"], row["before"]["src"], row["before"]["sport"], row["before"].get("id"),
         row["after"]["src"], row["after"]["dst"], row["after"]["dport"])
        for row in report["nat"]
    }  # fmt: skip
    entries = set()
    for index, flow in enumerate(traffic):
        along = forms(line, flow, "10.1.0.2", 40_000 + 10 * index)
        icmp = flow.proto == "icmp"
        for at, device in enumerate(line):
            if device.kind in ("snat", "dnat"):
                a, b = along[at], along[at + 1]
                entries.add(
                    (flow.proto, a["src"], None if icmp else a["sport"], a["id"] if icmp else None,
                     b["src"], b["dst"], None if icmp else b["dport"])
                )  # fmt: skip
    assert claimed == entries
