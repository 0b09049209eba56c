"""Which facts belong to chosen flows, as `--flow` asks of nat, tunnels, stations, paths and points.

A translation or path belongs to them if one of its forms or hops is one of the flows; a tunnel, if it carries one, or
if none is in a tunnel and its carrier is one; a station, if it sends or gets one; a point, if it shows one.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, echo_id, ports, proto_name, source
from capnet.analysis.core.results import Hop, Nat, Path, Side, Tunnel
from capnet.analysis.core.schema import FlowMask
from capnet.wire.addresses import mac_text
from capnet.wire.protocols import KIND_OF_NUMBER

TABLES = ("nat", "tunnels", "stations", "paths", "points")

_Key = tuple[str, str, str, int | None, str, int | None, int | None]  # point, protocol, ends, ICMP id


class ChosenFacts:
    """The facts of chosen flows. `has` says of one whether it belongs to them."""

    def __init__(self, context: Context, chosen: FlowMask) -> None:
        self._names = [point.name for point in context.points]
        self._flows = context.flows[chosen]

    def has(self, table: str, fact: Any) -> bool:
        """Does a fact of this table belong to the flows?"""
        match table:
            case "nat":
                return self._has_translation(fact)
            case "paths":
                return self._has_path(fact)
            case "tunnels":
                return self._has_tunnel(fact)
            case "stations":
                return fact.mac in self._macs
        return fact.name in self._points

    def _has_translation(self, nat: Nat) -> bool:
        return any(_key(nat.proto, side) in self._keys for side in (nat.before, nat.after))

    def _has_path(self, path: Path) -> bool:
        return any(_key(path.proto, hop) in self._keys for hop in path.hops)

    def _has_tunnel(self, tunnel: Tunnel) -> bool:
        if self._carried:  # two tunnels may have the same ends
            return (tunnel.point, tunnel.kind, tunnel.vni) in self._carried
        return (tunnel.point, frozenset(tunnel.vteps)) in self._ends

    @cached_property
    def _keys(self) -> set[_Key]:
        return {
            (self._names[row[schema.FLOW_POINT]], proto_name(row[schema.FLOW_PROTO]), source(row), ports(row)[0],
             destination(row), ports(row)[1], echo_id(row))
            for row in self._flows
        }  # fmt: skip

    @cached_property
    def _macs(self) -> set[str]:
        columns = (schema.FLOW_SMAC, schema.FLOW_DMAC)
        return {mac_text(int(mac)) for column in columns for mac in distinct(self._flows[:, column]) if mac >= 0}

    @cached_property
    def _carried(self) -> set[tuple[str, str, int | None]]:
        return {
            (self._names[row[schema.FLOW_POINT]], KIND_OF_NUMBER[int(row[schema.FLOW_VIA])].name, _id(row))
            for row in self._flows
            if row[schema.FLOW_VIA] > 0
        }

    @cached_property
    def _ends(self) -> set[tuple[str, frozenset[str]]]:
        return {
            (self._names[row[schema.FLOW_POINT]], frozenset((source(row), destination(row)))) for row in self._flows
        }

    @cached_property
    def _points(self) -> set[str]:
        return {self._names[point] for point in distinct(self._flows[:, schema.FLOW_POINT])}


def _key(proto: str, side: Side | Hop) -> _Key:
    sport, dport = (None, None) if side.id is not None else (side.sport, side.dport)
    return side.point, proto, side.src, sport, side.dst, dport, side.id


def _id(row: Any) -> int | None:
    return int(row[schema.FLOW_VIA_VNI]) if row[schema.FLOW_VIA_VNI] >= 0 else None
