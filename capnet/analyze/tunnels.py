"""Which tunnels carry the containers' traffic: VNI, tunnel endpoints (VTEPs), what is inside, what it costs?

One row per point, VNI and pair of VTEPs, both directions together. ESP has an SPI per direction, and new ones whenever
keys change: all SPIs of a pair are one row. What it carries cannot be read, so it counts no inner bytes.
"""

from __future__ import annotations

import numpy as np

from capnet.analyze.columns import (
    FLOW_DEPTH,
    FLOW_DPORT,
    FLOW_DST_HI,
    FLOW_DST_LO,
    FLOW_POINT,
    FLOW_SMAC,
    FLOW_SPORT,
    FLOW_SRC_HI,
    FLOW_SRC_LO,
    FLOW_VIA,
    FLOW_VIA_VNI,
    STATION_IP_HI,
    STATION_IP_LO,
    STATION_MAC,
    STATION_POINT,
    STATION_VIA,
    STATION_VIA_VNI,
    TUNNEL_BYTES,
    TUNNEL_DPORT,
    TUNNEL_DST_HI,
    TUNNEL_DST_LO,
    TUNNEL_FIRST,
    TUNNEL_FIRST_FRAME,
    TUNNEL_FRAMES,
    TUNNEL_INNER_BYTES,
    TUNNEL_KIND,
    TUNNEL_LARGEST_INNER_IP,
    TUNNEL_POINT,
    TUNNEL_SRC_HI,
    TUNNEL_SRC_LO,
    TUNNEL_VNI,
)
from capnet.analyze.context import Context
from capnet.analyze.facts import Tunnel
from capnet.analyze.rows import distinct, is_multicast, is_multicast_mac, one_of
from capnet.wire.frames import TUNNEL_ESP, TUNNEL_NAMES, address_text, address_value, mac_text
from capnet.wire.ipsec import NAT_PORT

EVIDENCE = 10  # frames named per tunnel, at most


def conclude(context: Context) -> list[Tunnel]:
    """Tunnels in order of first sight."""
    groups: dict[tuple[object, ...], list[np.ndarray]] = {}
    for row in context.tunnels[np.argsort(context.tunnels[:, TUNNEL_FIRST], kind="stable")]:
        vteps = tuple(sorted(_ends(row), key=address_value))
        vni, port = int(row[TUNNEL_VNI]), int(row[TUNNEL_DPORT])
        if row[TUNNEL_KIND] == TUNNEL_ESP:
            vni, port = -1, min(port, 0)
        groups.setdefault((int(row[TUNNEL_POINT]), int(row[TUNNEL_KIND]), vni, port, vteps), []).append(row)
    return [_fact(context, rows) for rows in groups.values()]


def _ends(row: np.ndarray) -> tuple[str, str]:
    return (
        address_text(int(row[TUNNEL_SRC_HI]), int(row[TUNNEL_SRC_LO])),
        address_text(int(row[TUNNEL_DST_HI]), int(row[TUNNEL_DST_LO])),
    )


def _fact(context: Context, rows: list[np.ndarray]) -> Tunnel:
    first = rows[0]
    point, kind = int(first[TUNNEL_POINT]), int(first[TUNNEL_KIND])
    encrypted = kind == TUNNEL_ESP
    vni = int(first[TUNNEL_VNI]) if first[TUNNEL_VNI] >= 0 and not encrypted else None
    port = int(first[TUNNEL_DPORT]) if first[TUNNEL_DPORT] >= 0 else None
    if encrypted and port is not None:
        port = NAT_PORT  # NAT has changed one of the two
    total, inner = (sum(int(row[field]) for row in rows) for field in (TUNNEL_BYTES, TUNNEL_INNER_BYTES))
    macs, ips = _inside(context, point, kind, int(first[TUNNEL_VNI]))
    network = context.topology.network_of_vni(vni) if context.topology and vni is not None else None
    return Tunnel(
        kind=TUNNEL_NAMES[kind],
        vni=vni,
        vteps=sorted(_ends(first), key=address_value),
        port=port,
        point=context.points[point].name,
        frames=sum(int(row[TUNNEL_FRAMES]) for row in rows),
        bytes=total,
        inner_bytes=inner,
        overhead_percent=round(100 * (total - inner) / inner, 2) if inner else 0.0,
        source_ports=_source_ports(context, rows) if port is not None else 0,
        inner_macs=macs,
        inner_ips=ips,
        largest_inner_ip=max(int(row[TUNNEL_LARGEST_INNER_IP]) for row in rows),
        one_way=len({_ends(row) for row in rows}) == 1,
        encrypted=encrypted,
        spis=sorted({int(row[TUNNEL_VNI]) for row in rows if row[TUNNEL_VNI] >= 0}) if encrypted else [],
        network=network.name if network else None,
        evidence=[context.evidence(point, int(row[TUNNEL_FIRST_FRAME])) for row in rows[:EVIDENCE]],
    )


def _inside(context: Context, point: int, kind: int, vni: int) -> tuple[list[str], list[str]]:
    """MAC and IP addresses of the stations inside, without group addresses.

    A VNI is one network whatever hosts it spans; tunnels without one are not told apart here.
    """
    stations = context.stations
    here = stations[
        (stations[:, STATION_POINT] == point)
        & (stations[:, STATION_VIA] == kind)
        & (stations[:, STATION_VIA_VNI] == vni)
    ]
    macs = {int(mac) for mac in here[:, STATION_MAC] if mac > 0 and not is_multicast_mac(mac)}
    pairs = {(int(hi), int(lo)) for hi, lo in here[:, [STATION_IP_HI, STATION_IP_LO]] if hi or lo}
    flows = context.flows  # without Ethernet inside there are no stations
    bare = flows[
        (flows[:, FLOW_VIA] == kind)
        & (flows[:, FLOW_VIA_VNI] == vni)
        & (flows[:, FLOW_POINT] == point)
        & (flows[:, FLOW_SMAC] < 0)
    ]
    for ends in ([FLOW_SRC_HI, FLOW_SRC_LO], [FLOW_DST_HI, FLOW_DST_LO]):
        pairs.update((hi, lo) for hi, lo in bare[:, ends].tolist())
    ips = {address_text(hi, lo) for hi, lo in pairs}
    return (
        [mac_text(mac) for mac in sorted(macs)],
        sorted((ip for ip in ips if not is_multicast(ip)), key=address_value),
    )


def _source_ports(context: Context, rows: list[np.ndarray]) -> int:
    """How many outer source ports, both directions: how well the inner flows are spread over links and queues."""
    flows = context.flows
    here = np.flatnonzero(
        one_of(flows[:, FLOW_DPORT], {int(row[TUNNEL_DPORT]) for row in rows})
        & (flows[:, FLOW_POINT] == rows[0][TUNNEL_POINT])
    )
    carriers = np.zeros(len(here), dtype=bool)
    pairs = (
        (FLOW_DPORT, TUNNEL_DPORT),
        (FLOW_SRC_HI, TUNNEL_SRC_HI),
        (FLOW_SRC_LO, TUNNEL_SRC_LO),
        (FLOW_DST_HI, TUNNEL_DST_HI),
        (FLOW_DST_LO, TUNNEL_DST_LO),
    )
    for row in rows:
        carriers |= np.logical_and.reduce([flows[here, mine] == row[theirs] for mine, theirs in pairs])
    here = here[carriers]
    if not len(here):
        return 0
    depth = flows[here, FLOW_DEPTH]
    return len(distinct(flows[here[depth == depth.min()], FLOW_SPORT]))
