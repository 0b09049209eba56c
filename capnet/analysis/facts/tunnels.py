"""Which tunnels carry the containers' traffic: VNI, tunnel endpoints (VTEPs), what is inside, what it costs?

One row per point, VNI and pair of VTEPs, both directions together. ESP has an SPI per direction, and new ones whenever
keys change: all SPIs of a pair are one row. What it carries cannot be read, so it counts no inner bytes.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.aggregate import limits
from capnet.analysis.core.arrays import among, distinct, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import is_multicast, is_multicast_mac
from capnet.analysis.core.results import Tunnel
from capnet.analysis.core.schema import (
    FLOW_DEPTH,
    FLOW_DPORT,
    FLOW_DST_HI,
    FLOW_DST_LO,
    FLOW_PACKETS,
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
    STATION_PACKETS,
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
from capnet.wire.addresses import address_text, address_value, mac_text
from capnet.wire.fields import TUNNEL_ESP, TUNNEL_NAMES
from capnet.wire.protocols.ipsec import NAT_PORT

EVIDENCE = 10  # frames named per tunnel, at most


@derived
def tunnel_facts(context: Context) -> list[Tunnel]:
    """Tunnels in order of first sight."""
    groups: dict[tuple[object, ...], list[np.ndarray]] = {}
    for row in context.tunnels[np.argsort(context.tunnels[:, TUNNEL_FIRST], kind="stable")]:
        vteps = tuple(sorted(_ends(row), key=address_value))
        vni, port = int(row[TUNNEL_VNI]), int(row[TUNNEL_DPORT])
        if row[TUNNEL_KIND] == TUNNEL_ESP:
            vni, port = -1, min(port, 0)
        groups.setdefault((int(row[TUNNEL_POINT]), int(row[TUNNEL_KIND]), vni, port, vteps), []).append(row)
    inside, outside = _inside(context), outsides(context)
    return [_fact(context, rows, inside, outside) for rows in groups.values()]


def most_addresses_inside(context: Context) -> int:
    """Of all networks inside tunnels, the largest number of addresses, also those that are not listed."""
    tunnel_facts(context)  # which asks for each network
    return _inside(context).most


@derived
def outsides(context: Context) -> np.ndarray:
    """Rows of the flows that go between the ends of a tunnel, to its port: what carries it."""
    flows, tunnels = context.flows, context.tunnels
    rows = np.flatnonzero(among(flows[:, FLOW_DPORT], tunnels[:, TUNNEL_DPORT]))
    ends = [FLOW_POINT, FLOW_SRC_HI, FLOW_SRC_LO, FLOW_DST_HI, FLOW_DST_LO, FLOW_DPORT]
    mine = row_hash(flows[rows[:, None], ends])
    theirs = [TUNNEL_POINT, TUNNEL_SRC_HI, TUNNEL_SRC_LO, TUNNEL_DST_HI, TUNNEL_DST_LO, TUNNEL_DPORT]
    return rows[among(mine, row_hash(tunnels[:, theirs]))]


def _ends(row: np.ndarray) -> tuple[str, str]:
    return (
        address_text(int(row[TUNNEL_SRC_HI]), int(row[TUNNEL_SRC_LO])),
        address_text(int(row[TUNNEL_DST_HI]), int(row[TUNNEL_DST_LO])),
    )


def _fact(context: Context, rows: list[np.ndarray], inside: _Inside, outside: np.ndarray) -> Tunnel:
    first = rows[0]
    point, kind = int(first[TUNNEL_POINT]), int(first[TUNNEL_KIND])
    encrypted = kind == TUNNEL_ESP
    vni = int(first[TUNNEL_VNI]) if first[TUNNEL_VNI] >= 0 and not encrypted else None
    port = int(first[TUNNEL_DPORT]) if first[TUNNEL_DPORT] >= 0 else None
    if encrypted and port is not None:
        port = NAT_PORT  # NAT has changed one of the two
    total, inner = (sum(int(row[field]) for row in rows) for field in (TUNNEL_BYTES, TUNNEL_INNER_BYTES))
    macs, ips = inside.at(point, kind, int(first[TUNNEL_VNI]))
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
        source_ports=_source_ports(context, rows, outside) if port is not None else 0,
        inner_macs=macs,
        inner_ips=ips,
        largest_inner_ip=max(int(row[TUNNEL_LARGEST_INNER_IP]) for row in rows),
        one_way=len({_ends(row) for row in rows}) == 1 and len(set(_ends(first))) == 2,
        encrypted=encrypted,
        spis=sorted({int(row[TUNNEL_VNI]) for row in rows if row[TUNNEL_VNI] >= 0}) if encrypted else [],
        network=network.name if network else None,
        evidence=[context.evidence(point, int(row[TUNNEL_FIRST_FRAME])) for row in rows[:EVIDENCE]],
    )


@derived
def _inside(context: Context) -> _Inside:
    return _Inside(context)


class _Inside:
    """MAC and IP addresses of the stations inside of tunnels, without group addresses.

    A VNI is one network whatever hosts it spans; tunnels without one are not told apart here. Of each network those
    with the most packets are listed, so many: every tunnel of a network lists them.
    """

    def __init__(self, context: Context) -> None:
        stations = context.stations[context.stations[:, STATION_VIA] > 0]
        flows = context.flows  # without Ethernet inside there are no stations
        bare = np.flatnonzero((flows[:, FLOW_VIA] > 0) & (flows[:, FLOW_SMAC] < 0))
        self._macs = stations[:, [*_STATION_PLACE, STATION_MAC, STATION_PACKETS]]
        self._ips = np.concatenate(
            [stations[:, [*_STATION_PLACE, STATION_IP_HI, STATION_IP_LO, STATION_PACKETS]]]
            + [
                np.stack([flows[bare, column] for column in (*_FLOW_PLACE, *ends, FLOW_PACKETS)], axis=1)
                for ends in ((FLOW_SRC_HI, FLOW_SRC_LO), (FLOW_DST_HI, FLOW_DST_LO))
            ]
        )
        self._known: dict[tuple[int, int, int], tuple[list[str], list[str]]] = {}
        self.most = 0  # addresses in one network, listed or not

    def at(self, point: int, kind: int, vni: int) -> tuple[list[str], list[str]]:
        """(MAC addresses, IP addresses) of a network at a point."""
        place = point, kind, vni
        if place not in self._known:
            macs, ips = (self._busiest(table, place) for table in (self._macs, self._ips))
            texts = [address_text(hi, lo) for hi, lo in ips if hi or lo]
            self._known[place] = (
                [mac_text(mac) for (mac,) in sorted(macs) if mac > 0 and not is_multicast_mac(mac)],
                sorted((ip for ip in texts if not is_multicast(ip)), key=address_value),
            )
        return self._known[place]

    def _busiest(self, table: np.ndarray, place: tuple[int, int, int]) -> list[list[int]]:
        """Different addresses of a network, at most `bounds.MOST_INSIDE`; `table`: place, address, packets."""
        here = table[(table[:, 0] == place[0]) & (table[:, 1] == place[1]) & (table[:, 2] == place[2]), 3:]
        if not len(here):
            return []
        here = here[np.lexsort(here[:, -2::-1].T)]
        fresh = np.flatnonzero(np.append(True, (here[1:, :-1] != here[:-1, :-1]).any(axis=1)))
        self.most = max(self.most, len(fresh))
        packets = np.add.reduceat(here[:, -1], fresh)
        found: list[list[int]] = here[fresh[np.argsort(-packets, kind="stable")[: limits.MOST_INSIDE]], :-1].tolist()
        return found


_STATION_PLACE = (STATION_POINT, STATION_VIA, STATION_VIA_VNI)
_FLOW_PLACE = (FLOW_POINT, FLOW_VIA, FLOW_VIA_VNI)


def _source_ports(context: Context, rows: list[np.ndarray], outside: np.ndarray) -> int:
    """How many outer source ports, both directions: how well the inner flows are spread over links and queues."""
    flows = context.flows
    here = outside[flows[outside, FLOW_POINT] == rows[0][TUNNEL_POINT]]
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
