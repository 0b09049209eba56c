"""Services that leave SYNs unanswered, as they are told: those with the same cause are one group.

Input: unanswered services. Output: `ServiceGroup`s, in order of address. Method: a service is a group of its own where
other answers speak of it alone; the ports of an address are one where that answers otherwise; and so are all servers of
a client where nothing answers it: what they share is the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import source
from capnet.analysis.facts.layer2.model import same_network
from capnet.analysis.facts.syns.accepted_syns import Differences
from capnet.analysis.facts.syns.host_directions import Direction, host_direction
from capnet.analysis.facts.syns.other_answers import Kind
from capnet.analysis.facts.syns.unanswered_services import UnansweredService
from capnet.analysis.fate.listening import records_one_direction
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value, mac_text

_OF_SERVICE: tuple[Kind, ...] = (
    "meanwhile",
    "before",
    "others",
)  # answers that speak of one service, not of its address


class ServiceGroup(NamedTuple):
    """Services that are one finding: what else they answer is of one kind."""

    services: list[UnansweredService]
    clients: list[str]
    last_rows: list[int]  # where the SYNs were last seen
    points: list[str]
    mac: str  # that the first of them was sent to
    backends: list[tuple[str, int]]
    is_at_server: bool
    direction: Direction  # what the host of the points did with them
    is_one_sided: bool  # nothing is answered, and the points of the SYNs record one direction
    is_of_way_out: bool  # several servers are silent, and none is in the client's network: what they share is the way

    @property
    def first(self) -> UnansweredService:
        """The one that the others are told with."""
        return self.services[0]

    @property
    def client(self) -> str:
        """The first of the clients."""
        return self.clients[0]

    @property
    def server(self) -> str:
        """The address that the SYNs are for in the end: behind DNAT, that of the first backend."""
        return self.backends[0][0] if self.backends else self.first.address

    @property
    def kind(self) -> Kind:
        """What else is answered."""
        return self.first.other_answer.kind

    @property
    def is_serving(self) -> bool:
        """Are other connections accepted, meanwhile or of other clients?"""
        return self.kind in ("meanwhile", "others")

    @property
    def differences(self) -> Differences:
        """How accepted SYNs differ from these."""
        return self.first.differences

    @property
    def reached_host(self) -> bool:
        """Have the SYNs come to the server's host?"""
        return self.is_at_server or self.direction == "received"


def service_groups(context: Context, services: Sequence[UnansweredService]) -> list[ServiceGroup]:
    """The services of each finding."""
    ordered = sorted(services, key=lambda service: _key(context, service))
    groups = groupby(ordered, lambda service: _key(context, service))
    return [_group(context, list(of_key)) for _, of_key in groups]


def _key(context: Context, service: UnansweredService) -> tuple[object, ...]:
    """What is one finding: a service; the ports of an address that answers otherwise; a client to whom nothing does."""
    if service.other_answer.kind in _OF_SERVICE:
        return (0, address_value(service.address), service.port, ())
    if service.other_answer.kind != "nothing":
        return (1, address_value(service.address), 0, ())
    clients = {address_value(client) for client in _clients(context, service)}
    return (2 + bool(service.differences.ipv4), (0, 0), 0, tuple(sorted(clients)))


def _clients(context: Context, service: UnansweredService) -> set[str]:
    return {source(context.flows[row]) for row in service.rows}


def _group(context: Context, services: list[UnansweredService]) -> ServiceGroup:
    flows = context.flows
    clients = sorted({client for of in services for client in _clients(context, of)}, key=address_value)
    last_rows = [row for of in services for row in of.last_rows]
    servers = {of.address for of in services}
    is_silent = services[0].other_answer.kind == "nothing"
    return ServiceGroup(
        services,
        clients,
        last_rows,
        points=sorted({context.points[int(flows[row, schema.FLOW_POINT])].name for row in last_rows}),
        mac=mac_text(int(flows[last_rows[0], schema.FLOW_DMAC])),
        backends=sorted({backend for of in services for backend in of.backends}),
        is_at_server=all(of.is_at_server for of in services),
        direction=host_direction(context, np.array(last_rows)),
        is_one_sided=is_silent and _is_one_direction_recorded(context, services[0].last_rows),
        is_of_way_out=is_silent
        and len(servers) > 1
        and not any(same_network([clients[0], server]) for server in servers),
    )


def _is_one_direction_recorded(context: Context, last_rows: list[int]) -> bool:
    points = context.flows[last_rows, schema.FLOW_POINT]
    return bool(records_one_direction(context)[points].all())
