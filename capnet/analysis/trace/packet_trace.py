"""One packet everywhere it went: the frames that it is in, by hop, and what differs from one to the next.

Input: a study and the number of a frame; its sources are read once more (`packet_search`).
Output: a `PacketTrace`, whose fields are the keys of the JSON report.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from capnet.analysis.core import schema
from capnet.analysis.core.flow_rows import echo_id, ports, proto_name, replies
from capnet.analysis.core.results import Evidence, TunnelRef
from capnet.analysis.correlate.flow_links import flow_chains
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.engine import Study
from capnet.analysis.facts.nat.translation_steps import is_reply
from capnet.analysis.facts.outcomes.hop_changes import hop_changes
from capnet.analysis.trace.packet_search import IdentifiedFrame, find_packet
from capnet.wire.addresses import address_text, mac_text
from capnet.wire.fields import ABSENT
from capnet.wire.protocols import KIND_OF_NUMBER


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
class PacketTrace:
    """Where a packet was seen, and where not."""

    proto: str
    asked: Evidence
    frames: list[Sighting]  # by hop
    missing: list[str] = field(default_factory=list)  # points of the path that listened and did not see the packet
    alike: list[Evidence] = field(default_factory=list)  # frames with the same digest that are other packets
    reply: bool = False  # as of a path: the other side opened the connection
    start: int = 0  # flow row with which its flow chain begins


def follow_packet(study: Study, source: int, frame: int) -> PacketTrace:
    """The trace of the packet in frame number `frame` of a source. UsageError if it cannot be followed."""
    target, frames, alike = find_packet(study, source, frame)
    context = study.context
    hops = _hops(study, {seen.flow for seen in frames})
    frames.sort(key=lambda seen: (hops.index(seen.flow), seen.fields["time"], seen.source, seen.fields["frame"]))
    return PacketTrace(
        proto=proto_name(target.fields["proto"]),
        asked=context.evidence(target.point, frame),
        frames=[
            _sighting(study, previous, following) for previous, following in zip([None, *frames], frames, strict=False)
        ],
        missing=_missing_points(study, hops, frames),
        alike=[context.evidence(seen.point, seen.fields["frame"]) for seen in alike],
        reply=is_reply(context, target.flow, target.flow, replies(context)),
        start=int(flow_chains(flow_links(context), len(context.flows))[target.flow]),
    )


def _hops(study: Study, flows_seen: set[int]) -> list[int]:
    """The path of a packet that was seen in these flows, as flow rows; at a fork, the way that the packet took."""
    links = flow_links(study.context)

    def depth(flow: int) -> int:
        hops = 0
        while (before := int(links.before[flow])) >= 0:
            flow, hops = int(links.source[before]), hops + 1
        return hops

    by_depth = sorted(flows_seen, key=lambda flow: (depth(flow), flow))
    hops = [by_depth[0]]
    while (before := int(links.before[hops[0]])) >= 0:
        hops.insert(0, int(links.source[before]))
    while True:
        targets = links.target[links.source == hops[-1]].tolist()
        following = next((flow for flow in targets if flow in flows_seen), None)
        if following is None and links.after[hops[-1]] >= 0:
            following = int(links.target[links.after[hops[-1]]])
        if following is None:
            break
        hops.append(following)
    return hops + [flow for flow in by_depth if flow not in hops]


def _missing_points(study: Study, hops: list[int], frames: list[IdentifiedFrame]) -> list[str]:
    """Points of these hops that heard other packets before and after this one, but not this one."""
    flows_seen = {frame.flow for frame in frames}
    times = [frame.fields["time"] for frame in frames]
    names = []
    for flow in hops:
        point = study.context.points[int(study.context.flows[flow, schema.FLOW_POINT])]
        if flow in flows_seen or point.first is None or point.last is None:
            continue
        if point.first <= min(times) and max(times) <= point.last:
            names.append(point.name)
    return names


def _sighting(study: Study, before: IdentifiedFrame | None, frame: IdentifiedFrame) -> Sighting:
    context, values = study.context, frame.fields
    flow = context.flows[frame.flow]
    sport, dport = ports(flow)
    place = context.evidence(frame.point, values["frame"])
    is_duplicate = before is not None and before.flow == frame.flow
    change: list[str] = []
    if before is not None and not is_duplicate:
        ttl_delta = values["ttl"] - before.fields["ttl"]
        change = hop_changes(context, context.flows[before.flow], flow, ttl_delta)
    return Sighting(
        point=place.point,
        file=place.file,
        frame=place.frame,
        time=values["time"],
        delta_us=None if before is None else (values["time"] - before.fields["time"]) / 1000,
        length=frame.outer_fields["wirelen"],
        src=address_text(values["src_hi"], values["src_lo"]),
        sport=sport,
        dst=address_text(values["dst_hi"], values["dst_lo"]),
        dport=dport,
        id=echo_id(flow),
        smac=_mac(values["smac"]),
        dmac=_mac(values["dmac"]),
        ttl=_value(values["ttl"]),
        tunnel=_tunnel(values),
        change=change,
        differs=[] if before is None else _differences(before.fields, values),
        copy=is_duplicate,
    )


def _differences(before: dict[str, int], after: dict[str, int]) -> list[Difference]:
    values = ((name, value(before), value(after)) for name, value in _FIELDS.items())
    return [Difference(*difference) for difference in values if difference[1] != difference[2]]


def _value(number: int) -> int | None:
    return None if number == ABSENT else number


def _mac(number: int) -> str | None:
    return None if number == ABSENT else mac_text(number)


def _tunnel(values: dict[str, int]) -> TunnelRef | None:
    return TunnelRef(KIND_OF_NUMBER[values["via"]].name, _value(values["via_vni"])) if values["via"] else None


def _tunnel_text(values: dict[str, int]) -> str | None:
    tunnel = _tunnel(values)
    if tunnel is None:
        return None
    return tunnel.kind if tunnel.vni is None else f"{tunnel.kind} {tunnel.vni}"


_FIELDS: dict[str, Callable[[dict[str, int]], str | int | None]] = {
    "tunnel": _tunnel_text,
    "source MAC": lambda values: _mac(values["smac"]),
    "destination MAC": lambda values: _mac(values["dmac"]),
    "VLAN": lambda values: _value(values["vlan"]),
    "inner VLAN": lambda values: _value(values["vlan2"]),
    "source": lambda values: address_text(values["src_hi"], values["src_lo"]),
    "source port": lambda values: _value(values["sport"]),
    "destination": lambda values: address_text(values["dst_hi"], values["dst_lo"]),
    "destination port": lambda values: _value(values["dport"]),
    "ICMP id": lambda values: _value(values["icmp_id"]),
    "TTL": lambda values: _value(values["ttl"]),
    "TOS": lambda values: _value(values["tos"]),
    "IP id": lambda values: _value(values["ip_id"]),
    "IP flags": lambda values: _value(values["ip_flags"]),
    "IP length": lambda values: _value(values["ip_length"]),
    "TCP flags": lambda values: _value(values["tcp_flags"]),
    "TCP window": lambda values: _value(values["window"]),
    "payload": lambda values: _value(values["payload"]),
}
