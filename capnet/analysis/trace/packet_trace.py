"""One packet, everywhere it went: all frames that are it, hop by hop, and what differs from one to the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from capnet.analysis.core.flow_rows import echo_id, ports, proto_name
from capnet.analysis.core.results import Evidence, TunnelRef
from capnet.analysis.correlate.flow_links import flow_chains
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.engine import Study
from capnet.analysis.facts.hop_changes import hop_changes
from capnet.analysis.trace.packet_ids import Named, second_pass
from capnet.errors import UsageError
from capnet.wire import fields
from capnet.wire.addresses import address_text, mac_text
from capnet.wire.fields import ABSENT, NAMES, TUNNEL_NAMES

_MOST_ALIKE = 10


@dataclass
class Difference:
    """A field of the packet that is not what it was at the hop before."""

    field: str
    before: str | int | None
    after: str | int | None


@dataclass
class Sighting:
    """The packet in one frame. Addresses are those of the packet itself, inside any tunnel."""

    point: str
    file: str
    frame: int
    time: int  # ns
    delta_us: float | None  # since the sighting before
    length: int  # of the whole frame on the wire, bytes
    src: str
    sport: int | None
    dst: str
    dport: int | None
    id: int | None
    smac: str | None
    dmac: str | None
    ttl: int | None
    tunnel: TunnelRef | None
    change: list[str]  # since the sighting before
    differs: list[Difference]
    copy: bool  # the capture recorded the packet once more at the same hop


@dataclass
class Journey:
    """`frames` in the order of the hops; `missing`: points of the flow that listened and did not see this packet;
    `alike`: frames with the same digest that are held to be other packets."""

    proto: str
    asked: Evidence
    frames: list[Sighting]
    missing: list[str] = field(default_factory=list)
    alike: list[Evidence] = field(default_factory=list)
    start: int = 0  # flow row with which its trail begins


@dataclass
class _Frame:
    source: int
    point: int  # among all points
    flow: int
    packet: int
    outer: dict[str, int]
    row: dict[str, int]  # the one the packet was recognised by


def follow_packet(study: Study, source: int, frame: int) -> Journey:
    """The journey of the packet in frame number `frame` of a source. UsageError if it cannot be followed."""
    target = _target(study, source, frame)
    digest = target.row["digest"]
    context = study.context
    found: list[_Frame] = []
    alike: list[Evidence] = []
    for named in second_pass(study):
        inner = named.block.rows[named.named_by, fields.DIGEST] == digest
        for row in np.flatnonzero((named.ids == target.packet) | (inner & (named.ids > 0))).tolist():
            each = _frame(named, row)
            if each.packet == target.packet:
                found.append(each)
            elif len(alike) < _MOST_ALIKE:
                alike.append(context.evidence(each.point, each.row["frame"]))

    trail = int(flow_chains(flow_links(context), len(context.flows))[target.flow])
    hops = _hops(study, {each.flow for each in found})
    found.sort(key=lambda each: (hops.index(each.flow), each.row["time"], each.source, each.row["frame"]))
    sightings: list[Sighting] = []
    for before, each in zip([None, *found], found, strict=False):
        sightings.append(_sighting(study, before, each))
    return Journey(
        proto=proto_name(target.row["proto"]),
        asked=context.evidence(target.point, frame),
        frames=sightings,
        missing=_missing(study, hops, found),
        alike=alike,
        start=trail,
    )


def _target(study: Study, source: int, frame: int) -> _Frame:
    label = study.sources[source].label
    last = 0
    for named in second_pass(study):
        if named.source < source:
            continue
        if named.source > source:
            break
        numbers = named.block.rows[:, fields.FRAME]
        at = np.flatnonzero((numbers == frame) & (named.block.rows[:, fields.DEPTH] == 0))
        if len(at):
            if named.ids[at[0]] == 0:
                why = (
                    "it is no IP packet" if named.flows[named.named_by[at[0]]] < 0 else "too little of it was captured"
                )
                raise UsageError(f"{label}: frame {frame} cannot be followed: {why}; see capnet packet {label} {frame}")
            return _frame(named, int(at[0]))
        if len(numbers):
            last = int(numbers[-1])
            if last > frame:
                raise UsageError(f"{label}: frame {frame} is no packet, but a pcapng block of another kind")
    raise UsageError(f"{label}: there is no frame {frame}; the last one is {last}")


def _frame(named: Named, row: int) -> _Frame:
    rows = named.block.rows
    by = int(named.named_by[row])

    def plain(at: int) -> dict[str, int]:
        return dict(zip(NAMES, map(int, rows[at]), strict=True))

    point = named.base + int(rows[row, fields.POINT])
    return _Frame(named.source, point, int(named.flows[by]), int(named.ids[row]), plain(row), plain(by))


def _hops(study: Study, seen: set[int]) -> list[int]:
    """The way of a packet that was seen in these flows, as flow rows; where it forks, the way that the packet took."""
    links = flow_links(study.context)
    assert links is not None

    def depth(flow: int) -> int:
        steps = 0
        while (back := int(links.before[flow])) >= 0:
            flow, steps = int(links.source[back]), steps + 1
        return steps

    in_order = sorted(seen, key=lambda flow: (depth(flow), flow))
    hops = [in_order[0]]
    while (back := int(links.before[hops[0]])) >= 0:
        hops.insert(0, int(links.source[back]))
    while True:
        ways = links.target[links.source == hops[-1]].tolist()
        onward = next((flow for flow in ways if flow in seen), None)
        if onward is None and links.after[hops[-1]] >= 0:
            onward = int(links.target[links.after[hops[-1]]])
        if onward is None:
            break
        hops.append(onward)
    return hops + [flow for flow in in_order if flow not in hops]


def _missing(study: Study, hops: list[int], found: list[_Frame]) -> list[str]:
    """Points of these hops that heard things before and after, but not this packet."""
    seen = {each.flow for each in found}
    times = [each.row["time"] for each in found]
    points = []
    for flow in hops:
        point = study.context.points[int(study.context.flows[flow, 0])]
        listened = point.first is not None and point.last is not None
        if flow not in seen and listened and point.first <= min(times) and max(times) <= point.last:  # type: ignore[operator]
            points.append(point.name)
    return points


def _sighting(study: Study, before: _Frame | None, each: _Frame) -> Sighting:
    context, row = study.context, each.row
    flow = context.flows[each.flow]
    sport, dport = ports(flow)
    point = context.points[each.point]
    copy = before is not None and before.flow == each.flow
    change: list[str] = []
    if before is not None and not copy:
        ttl_delta = row["ttl"] - before.row["ttl"]
        change = hop_changes(context, context.flows[before.flow], flow, ttl_delta)
    return Sighting(
        point=point.name,
        file=point.file,
        frame=row["frame"],
        time=row["time"],
        delta_us=None if before is None else (row["time"] - before.row["time"]) / 1000,
        length=each.outer["wirelen"],
        src=address_text(row["src_hi"], row["src_lo"]),
        sport=sport,
        dst=address_text(row["dst_hi"], row["dst_lo"]),
        dport=dport,
        id=echo_id(flow),
        smac=_mac(row["smac"]),
        dmac=_mac(row["dmac"]),
        ttl=_known(row["ttl"]),
        tunnel=_tunnel(row),
        change=change,
        differs=[] if before is None else _differences(before.row, row),
        copy=copy,
    )


def _differences(before: dict[str, int], after: dict[str, int]) -> list[Difference]:
    found = []
    for name, value in _FIELDS.items():
        one, two = value(before), value(after)
        if one != two:
            found.append(Difference(name, one, two))
    return found


def _known(value: int) -> int | None:
    return None if value == ABSENT else value


def _mac(value: int) -> str | None:
    return None if value == ABSENT else mac_text(value)


def _tunnel(row: dict[str, int]) -> TunnelRef | None:
    return TunnelRef(TUNNEL_NAMES[row["via"]], _known(row["via_vni"])) if row["via"] else None


def _tunnel_text(row: dict[str, int]) -> str | None:
    tunnel = _tunnel(row)
    if tunnel is None:
        return None
    return tunnel.kind if tunnel.vni is None else f"{tunnel.kind} {tunnel.vni}"


_FIELDS: dict[str, Callable[[dict[str, int]], str | int | None]] = {
    "tunnel": _tunnel_text,
    "source MAC": lambda row: _mac(row["smac"]),
    "destination MAC": lambda row: _mac(row["dmac"]),
    "VLAN": lambda row: _known(row["vlan"]),
    "inner VLAN": lambda row: _known(row["vlan2"]),
    "source": lambda row: address_text(row["src_hi"], row["src_lo"]),
    "source port": lambda row: _known(row["sport"]),
    "destination": lambda row: address_text(row["dst_hi"], row["dst_lo"]),
    "destination port": lambda row: _known(row["dport"]),
    "ICMP id": lambda row: _known(row["icmp_id"]),
    "TTL": lambda row: _known(row["ttl"]),
    "TOS": lambda row: _known(row["tos"]),
    "IP id": lambda row: _known(row["ip_id"]),
    "IP flags": lambda row: _known(row["ip_flags"]),
    "IP length": lambda row: _known(row["ip_length"]),
    "TCP flags": lambda row: _known(row["tcp_flags"]),
    "TCP window": lambda row: _known(row["window"]),
    "payload": lambda row: _known(row["payload"]),
}
