"""tunnel-not-decapsulated: packets of a tunnel arrive at a host, and none of them comes out of the tunnel there.

Looks at: packets in a tunnel at a host's interface to a station that sends into this tunnel at another point of the
host, where nothing at all comes out of the tunnel while it listens.
Says: how many packets of which tunnel, at which interface they arrive, and at which point none comes out. A warning if
all of them came before the first frame of the point inside, or after its last one.
Wrong when: the inside was captured with a filter, or only before or behind the time of the packets.
Fix: open the tunnel's UDP port or protocol in the INPUT chain of the host; check that the tunnel interface is up and
has this id.
Verify: `iptables -vnL INPUT`, `iptables-legacy -vnL INPUT`, `iptables -t raw -vnL PREROUTING` and `nft list ruleset`
count the drops; `ip -d -s link show type vxlan` shows id, port and errors of the tunnel interface.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import Mask, Values
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.clocks import flow_spans
from capnet.analysis.facts.tunnel_insides import Inside, tunnel_insides
from capnet.analysis.fate.listening import listening
from capnet.wire.addresses import address_text, address_value
from capnet.wire.protocols import KIND_OF_NUMBER

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = None  # the scenarios add no rule that drops
WITNESS = "pcaps/overlay.pcapng"  # VXLAN that comes out at both hosts
EXPLAINS = ("stops-between", "packet-loss", "tunnel-one-way", "retransmissions", "arp-unanswered")

SAYS = Text(
    en="{tunnel}: {packets:packet} from {sources} to {destinations} reach {point}, and none comes out of the tunnel at "
    "{next}, where {destinations} sends into it",
    zh="",
)
FIX = Text(
    en="look for a rule in the INPUT chain of this host that drops {kind}: `iptables -vnL INPUT; iptables-legacy -vnL "
    "INPUT; iptables -t raw -vnL PREROUTING; nft list ruleset`. If none counts, check that the tunnel interface is up "
    "and has this id and port (`ip -d -s link show type {device}`)",
    zh="",
)

MIN_PACKETS = 2  # a single one may be the last of the capture
MAX_FINDINGS = 20

_FLOW_TUNNEL = [schema.FLOW_POINT, schema.FLOW_VIA, schema.FLOW_VIA_VNI]
_ARP_TUNNEL = [schema.ARP_POINT, schema.ARP_VIA, schema.ARP_VIA_VNI]
_SOURCE = [schema.FLOW_SRC_HI, schema.FLOW_SRC_LO]
_DESTINATION = [schema.FLOW_DST_HI, schema.FLOW_DST_LO]


class _Arrivals(NamedTuple):
    """Packets of a tunnel to stations inside: arrays of one entry per flow, or kind of ARP message."""

    packets: Values
    sources: Values  # (n, 2): halves of addresses
    destinations: Values
    frames: Values  # their first frames
    is_heard: Mask  # came between the first and the last frame of the point inside


def diagnose(context: Context) -> list[Finding]:
    insides = tunnel_insides(context)
    findings = []
    for inside in sorted(insides.entered - insides.left)[:MAX_FINDINGS]:
        if any(other[:3] == inside[:3] for other in insides.left):
            continue  # some come out at another point of the host
        arrivals = _arrivals(context, inside)
        if arrivals.packets.sum() >= MIN_PACKETS:
            findings.append(_finding(context, inside, arrivals))
    return findings


def _arrivals(context: Context, inside: Inside) -> _Arrivals:
    """What of the tunnel is for stations that send inside, at times when the point there listened."""
    flows, arps, points = context.flows, context.arps, listening(context)
    since, until = points.since[inside.inner], points.until[inside.inner]
    heard_from, heard_to = points.heard_from[inside.inner], points.heard_to[inside.inner]
    rows = np.flatnonzero((flows[:, _FLOW_TUNNEL] == inside[:3]).all(axis=1))
    first, last = flow_spans(context)
    # A point that heard nothing but ARP may have a filter for it.
    hears_ip = bool(points.hears[inside.inner].any()) and not points.is_dropping[inside.inner]
    rows = rows[(last[rows] >= since) & (first[rows] <= until) & hears_ip]
    messages = arps[(arps[:, _ARP_TUNNEL] == inside[:3]).all(axis=1)]
    zeros = np.zeros(len(messages), dtype=np.int64)
    found = _Arrivals(
        np.concatenate((flows[rows, schema.FLOW_PACKETS], messages[:, schema.ARP_PACKETS])),
        np.concatenate((flows[rows[:, None], _SOURCE], np.stack((zeros, messages[:, schema.ARP_SENDER_LO]), axis=1))),
        np.concatenate(
            (flows[rows[:, None], _DESTINATION], np.stack((zeros, messages[:, schema.ARP_TARGET_LO]), axis=1))
        ),
        np.concatenate((flows[rows, schema.FLOW_FIRST_FRAME], messages[:, schema.ARP_FIRST_FRAME])),
        np.concatenate(
            (
                (last[rows] >= heard_from) & (first[rows] <= heard_to),
                (messages[:, schema.ARP_LAST] >= heard_from) & (messages[:, schema.ARP_FIRST] <= heard_to),
            )
        ),
    )
    stations = _stations_inside(context, inside.inner)
    is_arrival = is_among(row_hash(found.destinations), stations) & ~is_among(row_hash(found.sources), stations)
    return _Arrivals(*(column[is_arrival] for column in found))


def _stations_inside(context: Context, point: int) -> Values:
    """Hashes of the addresses that send at a point outside of tunnels."""
    flows, arps = context.flows, context.arps
    rows = np.flatnonzero((flows[:, schema.FLOW_POINT] == point) & (flows[:, schema.FLOW_VIA] == 0))
    senders = arps[(arps[:, schema.ARP_POINT] == point) & (arps[:, schema.ARP_VIA] == 0), schema.ARP_SENDER_LO]
    asked = np.stack((np.zeros(len(senders), dtype=np.int64), senders), axis=1)
    return row_hash(np.concatenate((flows[rows[:, None], _SOURCE], asked)))


def _finding(context: Context, inside: Inside, arrivals: _Arrivals) -> Finding:
    sources, destinations = (
        sorted({address_text(*pair) for pair in ends.tolist()}, key=address_value)
        for ends in (arrivals.sources, arrivals.destinations)
    )
    kind, vni = KIND_OF_NUMBER[inside.via], inside.vni if inside.vni >= 0 else None
    point, next_point = context.points[inside.outer].name, context.points[inside.inner].name
    packets = int(arrivals.packets.sum())
    frames = [context.evidence(inside.outer, frame) for frame in sorted(arrivals.frames.tolist())[:MAX_EVIDENCE]]
    return Finding(
        NAME,
        "error" if arrivals.packets[arrivals.is_heard].sum() >= MIN_PACKETS else "warning",
        SAYS.fill(
            tunnel=kind.titled(vni),
            packets=packets,
            sources=several(sources),
            destinations=several(destinations),
            point=point,
            next=next_point,
        ),
        FIX.fill(kind=kind.title, device=kind.name),
        {
            "point": point,
            "next": next_point,
            "kind": kind.name,
            "vni": vni,
            "sources": sources[:MAX_EVIDENCE],
            "destinations": destinations[:MAX_EVIDENCE],
            "packets": packets,
        },
        frames,
    )
