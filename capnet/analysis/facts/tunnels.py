"""Tunnels: VNI, tunnel endpoints (VTEPs), the addresses inside, and what encapsulation costs.

Input: the tunnel table, the station and flow tables of inner frames. Output: one row per point, VNI and pair of VTEPs,
both directions together.
ESP has an SPI per direction and new ones whenever keys change, so all SPIs of a pair are one row, and so are all
indexes of WireGuard. Their payload is encrypted: no inner bytes are counted.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.aggregate import limits
from capnet.analysis.core import schema
from capnet.analysis.core.arrays import first_equal, hash_of, is_among, is_one_of, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import is_multicast, is_multicast_mac
from capnet.analysis.core.results import MAX_EVIDENCE, Tunnel
from capnet.analysis.core.schema import FlowMask, FlowRows, Values
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text, address_value, mac_text
from capnet.wire.numbers import GRE, IP_IN_IP, IPV6_IN_IP, MAX_PORT, UDP
from capnet.wire.protocols import KIND_OF_NUMBER, TUNNEL_KINDS
from capnet.wire.protocols.ipsec import NAT_PORT, TUNNEL_ESP

_READABLE_CARRIERS = (IP_IN_IP, UDP, IPV6_IN_IP, GRE)  # capnet decodes what they carry; of ESP it cannot

_ENCRYPTED = [kind.number for kind in TUNNEL_KINDS if kind.is_encrypted]

_STATION_NETWORK = (schema.STATION_POINT, schema.STATION_VIA, schema.STATION_VIA_VNI)
_FLOW_NETWORK = schema.FLOW_PLACE
# Columns of the flow table, and those of the tunnel table that have the same value in flows that carry the tunnel.
_FLOW_ENDS = [schema.FLOW_POINT, *schema.FLOW_ADDRESSES, schema.FLOW_DPORT]
_TUNNEL_ENDS = [
    schema.TUNNEL_POINT, schema.TUNNEL_SRC_HI, schema.TUNNEL_SRC_LO, schema.TUNNEL_DST_HI, schema.TUNNEL_DST_LO,
    schema.TUNNEL_DPORT,
]  # fmt: skip


@derived
def tunnel_facts(context: Context) -> list[Tunnel]:
    """Tunnels in order of their first frame."""
    groups: dict[tuple[object, ...], list[int]] = {}  # rows of the tunnel table
    pairs: dict[tuple[object, ...], set[tuple[str, str]]] = {}  # as groups, without the id: directions with frames
    for number in np.argsort(context.tunnels[:, schema.TUNNEL_FIRST], kind="stable").tolist():
        row = context.tunnels[number]
        vteps = tuple(sorted(_endpoints(row), key=address_value))
        vni, port = int(row[schema.TUNNEL_VNI]), int(row[schema.TUNNEL_DPORT])
        if KIND_OF_NUMBER[int(row[schema.TUNNEL_KIND])].is_encrypted:
            vni, port = -1, min(port, 0)
        key = (int(row[schema.TUNNEL_POINT]), int(row[schema.TUNNEL_KIND]), vni, port, vteps)
        groups.setdefault(key, []).append(number)
        pairs.setdefault((*key[:2], *key[3:]), set()).add(_endpoints(row))
    addresses = _inner_addresses(context)
    return [_fact(context, rows, pairs[(*key[:2], *key[3:])], addresses) for key, rows in groups.items()]


def most_addresses_inside(context: Context) -> int:
    """The largest number of addresses in one network inside tunnels, including those that are not listed."""
    tunnel_facts(context)  # looks at each network
    return _inner_addresses(context).most


class _Carriers(NamedTuple):
    """Flows between the endpoints of a tunnel, to its port."""

    rows: FlowRows
    tunnels: Values  # of each, the first row of the tunnel table with these ends
    of_tunnel: Values  # per row of the tunnel table, the first one with its ends


@derived
def _carriers(context: Context) -> _Carriers:
    flows, tunnels = context.flows, context.tunnels
    rows = np.flatnonzero(is_among(flows[:, schema.FLOW_DPORT], tunnels[:, schema.TUNNEL_DPORT]))
    ends = row_hash(tunnels[:, _TUNNEL_ENDS])
    first = first_equal(ends, hash_of(flows, _FLOW_ENDS, rows))
    rows, first = rows[first >= 0], first[first >= 0]
    is_equal = np.ones(len(rows), dtype=bool)  # others may have the same hash
    for flow_end, tunnel_end in zip(_FLOW_ENDS, _TUNNEL_ENDS, strict=True):
        is_equal &= flows[:, flow_end][rows] == tunnels[:, tunnel_end][first]
    return _Carriers(rows[is_equal], first[is_equal], first_equal(ends, ends))


def carrier_rows(context: Context) -> FlowRows:
    """Flows between the endpoints of a tunnel, to its port: those that carry it."""
    return _carriers(context).rows


@derived
def carrier_flows(context: Context) -> FlowMask:
    """Per flow: does it carry a tunnel whose inner frames were seen at the same point?"""
    flows = context.flows
    is_carrier = np.zeros(len(flows), dtype=bool)
    rows = carrier_rows(context)
    rows = rows[is_one_of(flows[:, schema.FLOW_PROTO][rows], _READABLE_CARRIERS)]
    rows = rows[~is_one_of(flows[:, schema.FLOW_CARRIES][rows], _ENCRYPTED)]
    has_inner_frames = np.zeros(len(context.points), dtype=bool)
    has_inner_frames[flows[:, schema.FLOW_POINT][flows[:, schema.FLOW_VIA] > 0]] = True
    is_carrier[rows[has_inner_frames[flows[:, schema.FLOW_POINT][rows]]]] = True
    return is_carrier


def _endpoints(row: Values) -> tuple[str, str]:
    """Outer source and destination of a row of the tunnel table."""
    return (
        address_text(int(row[schema.TUNNEL_SRC_HI]), int(row[schema.TUNNEL_SRC_LO])),
        address_text(int(row[schema.TUNNEL_DST_HI]), int(row[schema.TUNNEL_DST_LO])),
    )


def _fact(
    context: Context,
    numbers: list[int],
    directions_of_pair: set[tuple[str, str]],
    addresses: _InnerAddresses,
) -> Tunnel:
    """The tunnel that these rows of the tunnel table are of."""
    rows = [context.tunnels[number] for number in numbers]
    first = rows[0]
    point, kind = int(first[schema.TUNNEL_POINT]), int(first[schema.TUNNEL_KIND])
    encrypted = KIND_OF_NUMBER[kind].is_encrypted
    directions = {_endpoints(row) for row in rows}
    if KIND_OF_NUMBER[kind].has_id_per_direction:
        directions = directions_of_pair
    vni = int(first[schema.TUNNEL_VNI]) if first[schema.TUNNEL_VNI] >= 0 and not encrypted else None
    port = int(first[schema.TUNNEL_DPORT]) if first[schema.TUNNEL_DPORT] >= 0 else None
    if encrypted and port is not None:
        port = _port_of_encrypted(kind, rows)
    total = sum(int(row[schema.TUNNEL_BYTES]) for row in rows)
    inner = sum(int(row[schema.TUNNEL_INNER_BYTES]) for row in rows)
    macs, ips = addresses.of_network(point, kind, int(first[schema.TUNNEL_VNI]))
    network = context.topology.network_of_vni(vni) if context.topology and vni is not None else None
    return Tunnel(
        kind=KIND_OF_NUMBER[kind].name,
        vni=vni,
        vteps=sorted(_endpoints(first), key=address_value),
        port=port,
        point=context.points[point].name,
        frames=sum(int(row[schema.TUNNEL_FRAMES]) for row in rows),
        bytes=total,
        inner_bytes=inner,
        overhead_percent=round(100 * (total - inner) / inner, 2) if inner else 0.0,
        source_ports=_source_ports(context, numbers) if port is not None else 0,
        inner_macs=macs,
        inner_ips=ips,
        largest_inner_ip=max(int(row[schema.TUNNEL_LARGEST_INNER_IP]) for row in rows),
        one_way=len(directions) == 1 and len(set(_endpoints(first))) == 2,
        encrypted=encrypted,
        spis=sorted({int(row[schema.TUNNEL_VNI]) for row in rows if row[schema.TUNNEL_VNI] >= 0})
        if kind == TUNNEL_ESP
        else [],
        network=network.name if network else None,
        evidence=[context.evidence(point, int(row[schema.TUNNEL_FIRST_FRAME])) for row in rows[:MAX_EVIDENCE]],
    )


def _port_of_encrypted(kind: int, rows: list[Values]) -> int:
    """The UDP port of a tunnel whose rows are of both directions: one of them may be a client's, or NAT's."""
    if kind == TUNNEL_ESP:
        return NAT_PORT
    ports = {int(row[schema.TUNNEL_DPORT]) for row in rows}
    usual = KIND_OF_NUMBER[kind].udp_port
    return usual if usual in ports else min(ports)


def _source_ports(context: Context, numbers: list[int]) -> int:
    """Number of outer source ports, both directions: how well the inner flows are spread over links and queues."""
    carriers, flows = _carriers(context), context.flows
    rows = carriers.rows[is_one_of(carriers.tunnels, set(carriers.of_tunnel[numbers].tolist()))]
    if not len(rows):
        return 0
    depth = flows[:, schema.FLOW_DEPTH][rows]
    has_port = np.zeros(MAX_PORT + 2, dtype=bool)  # the last one is for ABSENT, -1
    has_port[flows[:, schema.FLOW_SPORT][rows[depth == depth.min()]]] = True
    return int(has_port.sum())


@derived
def _inner_addresses(context: Context) -> _InnerAddresses:
    return _InnerAddresses(context)


class _InnerAddresses:
    """MAC and IP addresses of the stations inside tunnels, without group addresses.

    A VNI is one network whatever hosts it spans; all tunnels of a kind without VNIs are one network. Of each network,
    the `limits.MAX_ADDRESSES_INSIDE` addresses with the most packets are listed, because every tunnel of it lists them.
    """

    def __init__(self, context: Context) -> None:
        stations = context.stations[context.stations[:, schema.STATION_VIA] > 0]
        flows = context.flows
        # Inner packets without an Ethernet header are in no station table.
        bare_rows = np.flatnonzero((flows[:, schema.FLOW_VIA] > 0) & (flows[:, schema.FLOW_SMAC] < 0))
        self._macs = stations[:, [*_STATION_NETWORK, schema.STATION_MAC, schema.STATION_PACKETS]]
        station_ips = [*_STATION_NETWORK, schema.STATION_IP_HI, schema.STATION_IP_LO, schema.STATION_PACKETS]
        flow_sources = [*_FLOW_NETWORK, *schema.FLOW_SRC, schema.FLOW_PACKETS]
        flow_destinations = [*_FLOW_NETWORK, *schema.FLOW_DST, schema.FLOW_PACKETS]
        self._ips = np.concatenate(
            [
                stations[:, station_ips],
                flows[bare_rows[:, None], flow_sources],
                flows[bare_rows[:, None], flow_destinations],
            ]
        )
        self._listed: dict[tuple[int, int, int], tuple[list[str], list[str]]] = {}
        self.most = 0  # addresses in one network, listed or not

    def of_network(self, point: int, kind: int, vni: int) -> tuple[list[str], list[str]]:
        """(MAC addresses, IP addresses) of a network at a point, each sorted."""
        network = point, kind, vni
        if network not in self._listed:
            macs, ips = (self._busiest(table, network) for table in (self._macs, self._ips))
            texts = [address_text(hi, lo) for hi, lo in sorted(ips) if hi or lo]
            self._listed[network] = (
                [mac_text(mac) for (mac,) in sorted(macs) if mac > 0 and not is_multicast_mac(mac)],
                [ip for ip in texts if not is_multicast(ip)],
            )
        return self._listed[network]

    def _busiest(self, table: Values, network: tuple[int, int, int]) -> list[list[int]]:
        """The busiest addresses of a network, MAX_ADDRESSES_INSIDE at most; `table`: network, address, packets."""
        point, kind, vni = network
        rows = table[(table[:, 0] == point) & (table[:, 1] == kind) & (table[:, 2] == vni), 3:]
        if not len(rows):
            return []
        rows = rows[np.lexsort(rows[:, -2::-1].T)]
        first_of_address = np.flatnonzero(np.append(True, (rows[1:, :-1] != rows[:-1, :-1]).any(axis=1)))
        self.most = max(self.most, len(first_of_address))
        packets = np.add.reduceat(rows[:, -1], first_of_address)
        busiest = first_of_address[np.argsort(-packets, kind="stable")[: limits.MAX_ADDRESSES_INSIDE]]
        addresses: list[list[int]] = rows[busiest, :-1].tolist()
        return addresses
