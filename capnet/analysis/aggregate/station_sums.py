"""The station table of a pass: stations counted in it, and those that flow records and ARP pairs stand for."""

from __future__ import annotations

import numpy as np

from capnet.analysis.aggregate.hash_table import HashTable
from capnet.analysis.aggregate.kernels.stations import IN_ARP, add_flow_sides, add_stations
from capnet.analysis.core import schema
from capnet.analysis.core.arrays import by_first_sight
from capnet.analysis.core.schema import ArpTable, StationTable

MAX_FLOWS_AT_ONCE = 4096  # flows are many more than stations: room is made for the stations of so many


def sum_stations(stations: HashTable, flows: HashTable, arps: ArpTable) -> StationTable:
    """Add flow records and ARP pairs to a table of stations; its rows in order of first sight."""
    run, view = stations.machine.run, stations.machine.view
    flow_records = view(flows.flat)
    for receiving in (0, 1):
        for start in range(0, flows.count, MAX_FLOWS_AT_ONCE):
            stop = min(start + MAX_FLOWS_AT_ONCE, flows.count)
            stations.reserve(stop - start)
            run(add_flow_sides)(flow_records, start, stop, receiving, *stations.arguments())
    stations.add(_arp_senders(arps), run(add_stations))
    return by_first_sight(stations.rows, schema.STATION_KEY, schema.STATION_FIRST)


def _arp_senders(arps: ArpTable) -> StationTable:
    """A row of the station table for each ARP pair: its sender."""
    zeros = np.zeros(len(arps), dtype=np.int64)
    return np.column_stack(
        [
            arps[:, [schema.ARP_POINT, schema.ARP_VIA, schema.ARP_VIA_VNI, schema.ARP_SENDER_MAC]],
            zeros, arps[:, schema.ARP_SENDER_LO], zeros + IN_ARP,
            arps[:, [schema.ARP_FIRST, schema.ARP_LAST, schema.ARP_PACKETS, schema.ARP_FIRST_FRAME]],
            zeros, zeros,
        ]
    )  # fmt: skip
