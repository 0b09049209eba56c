"""Ports of an address that refuse connections, as a finding tells them together."""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.facts.outcomes.refused_connections import Refusals
from capnet.quick_tuple import NamedTuple


class RefusedPorts(NamedTuple):
    """An address, its ports in order, and the refusals of each of them."""

    address: str
    ports: list[int | None]
    refusals: list[Refusals]
    is_scan: bool

    @property
    def port(self) -> int | None:
        """The first of them."""
        return self.ports[0]

    @property
    def rows(self) -> list[int]:
        """The flows that refuse."""
        return [row for refused in self.refusals for row in refused.rows]

    @property
    def services(self) -> list[str]:
        """What clients asked for, where that is translated to these ports."""
        return sorted({service for refused in self.refusals for service in refused.services})

    @property
    def accepted_between(self) -> int:
        """How many connections of the same client they accepted between refused ones, at least."""
        return min(refused.accepted_between for refused in self.refusals)

    @property
    def accepted_later(self) -> bool:
        """Did all accept connections since, and none between: was the server starting?"""
        return all(refused.accepted_later for refused in self.refusals) and not self.accepted_between

    @property
    def accepted_before(self) -> bool:
        """Did all accept connections before, and none since?"""
        is_before = all(refused.accepted_before for refused in self.refusals)
        return is_before and not self.accepted_later and not self.accepted_between

    def points(self, context: Context) -> set[str]:
        """The names of the points that show the refusals."""
        return {context.points[int(context.flows[row, schema.FLOW_POINT])].name for row in self.rows}
