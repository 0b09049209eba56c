"""Whether a topology is that of a capture: has it an address or a MAC in common with it, and is it of its time?

Every Docker host has 127.0.0.1 and fe80::1, so they are no evidence. A topology that names all points of the capture
was recorded with it; some of them, as a NIC, are in each one of the host.
Limits: hosts may use the same addresses (172.17.0.2), so a foreign topology can fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_among
from capnet.analysis.core.results import Input, Point, Problem
from capnet.analysis.core.schema import FlowTable, StationTable, Values
from capnet.topology import Host, Interface, Topology
from capnet.wire.addresses import address_value, mac_value

DOES_NOT_FIT = "topology-does-not-fit"
OTHER_TIME = "topology-of-another-time"

DAY_NS = 86_400_000_000_000
MAX_AGE_NS = DAY_NS  # between survey and capture; containers are made anew and get other addresses
_CLOCK_SET_NS = 978_307_200_000_000_000  # 2001: a capture from before has no clock to compare with
_EVERYWHERE = ("::1", "fe80::1")  # besides 127.0.0.0/8


def fitting_topology(
    topology: Topology, flows: FlowTable, stations: StationTable, points: Sequence[Point], inputs: Sequence[Input]
) -> Topology | None:
    """The topology if it fits the capture, else None. What is wrong with it becomes a problem of the first input."""
    if not _fits(topology, flows, stations, points):
        says = f"{_described(topology)}: no address or MAC in common with the capture; it is not used"
        inputs[0].problems.append(Problem(DOES_NOT_FIT, 0, says))
        return None
    if note := _other_time(topology.hosts, inputs):
        inputs[0].problems.append(Problem(OTHER_TIME, 0, note))
    return topology


def _fits(topology: Topology, flows: FlowTable, stations: StationTable, points: Sequence[Point]) -> bool:
    """True also where nothing can be compared."""
    if points and all(topology.point(point.name) for point in points):
        return True
    addresses, macs = set(_addresses(topology)), set(_macs(topology))
    if not (len(flows) or len(stations)) or not (addresses or macs):
        return True
    columns = [
        flows[:, schema.FLOW_SRC],
        flows[:, schema.FLOW_DST],
        stations[:, [schema.STATION_IP_HI, schema.STATION_IP_LO]],
    ]
    if any(_has_address(pairs, addresses) for pairs in columns):
        return True
    mac_values = np.array(sorted(macs), dtype=np.int64)
    mac_columns = [flows[:, schema.FLOW_SMAC], flows[:, schema.FLOW_DMAC], stations[:, schema.STATION_MAC]]
    return any(bool(is_among(column, mac_values).any()) for column in mac_columns)


def _has_address(pairs: Values, addresses: set[tuple[int, int]]) -> bool:
    """Is one of the addresses among pairs of halves, of shape (n, 2)? Their lower halves choose the candidates."""
    los = np.array(sorted({lo for _, lo in addresses}), dtype=np.int64)
    candidates = pairs[is_among(pairs[:, 1], los)]
    return not addresses.isdisjoint(map(tuple, candidates.tolist()))


def _addresses(topology: Topology) -> Iterator[tuple[int, int]]:
    texts = [address for _, address, _ in topology.addresses()]
    texts += [vip.address for service in topology.services for vip in service.vips]
    return (address_value(text) for text in texts if not text.startswith("127.") and text not in _EVERYWHERE)


def _macs(topology: Topology) -> Iterator[int]:
    interfaces: list[Interface] = [each for host in topology.hosts for each in host.interfaces]
    interfaces += [each for namespace in topology.namespaces for each in namespace.interfaces]
    texts = [interface.mac for interface in interfaces]
    texts += [endpoint.mac for container in topology.containers for endpoint in container.endpoints]
    return (value for text in texts if text and (value := mac_value(text)))


def _other_time(hosts: Sequence[Host], inputs: Sequence[Input]) -> str | None:
    """The note that hosts were surveyed long before or after the capture; None if none was, or it cannot be told."""
    spans = [(each.first, each.last) for each in inputs if each.first is not None and each.last is not None]
    first, last = min((first for first, _ in spans), default=0), max((last for _, last in spans), default=0)
    if last < _CLOCK_SET_NS:
        return None
    surveys = {host.name: time for host in hosts if (time := _time_ns(host.surveyed)) is not None}
    ages_ns = {name: max(first - time, time - last) for name, time in surveys.items()}
    late = [name for name, age_ns in ages_ns.items() if age_ns > MAX_AGE_NS]
    if not late:
        return None
    days = round(max(ages_ns[name] for name in late) / DAY_NS)
    when = "before" if surveys[late[0]] < first else "after"
    return (
        f"host{'s' * (len(late) != 1)} {', '.join(late)} {'were' if len(late) != 1 else 'was'} surveyed {days} "
        f"day{'s' * (days != 1)} {when} the capture: containers may have had other addresses"
    )


def _time_ns(text: str | None) -> int | None:
    if text is None:
        return None
    from datetime import datetime

    try:
        return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()) * 1_000_000_000
    except ValueError:
        return None


def _described(topology: Topology) -> str:
    hosts = ", ".join(host.name for host in topology.hosts[:3]) or "none"
    return f"host {hosts}, {len(topology.containers)} container{'s' * (len(topology.containers) != 1)}"
