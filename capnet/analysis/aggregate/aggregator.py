"""Owns the tables that one pass fills: flows, stations, ARP pairs, carriers, observations.

Input: blocks of decoded rows, in the order of their capture. Output: the tables of `core.schema`. Stations and tunnels
are derived from the others at the end of the pass. Memory grows with flows, stations and tunnels; observations, the
only rows for each packet, stay within a budget.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np

from capnet.analysis.aggregate.flow_hashes import FlowHashes
from capnet.analysis.aggregate.hash_table import HashTable
from capnet.analysis.aggregate.kernels import flow_record
from capnet.analysis.aggregate.kernels.arps import count_arps
from capnet.analysis.aggregate.kernels.flows import FLOW_SCRATCH, count_rows
from capnet.analysis.aggregate.kernels.stations import add_stations
from capnet.analysis.aggregate.observations import ObservationSample
from capnet.analysis.aggregate.payload.checksums import ChecksumSample
from capnet.analysis.aggregate.payload.dhcp import DhcpMessages
from capnet.analysis.aggregate.payload.dns import DnsSample
from capnet.analysis.aggregate.payload.excerpts import Excerpts
from capnet.analysis.aggregate.payload.headers.memberships import Memberships
from capnet.analysis.aggregate.payload.headers.mirrors import Mirrors
from capnet.analysis.aggregate.payload.icmp import IcmpErrors
from capnet.analysis.aggregate.payload.nd import NeighborDiscovery
from capnet.analysis.aggregate.payload.syns import Syns
from capnet.analysis.aggregate.payload.tunnel_checksums import PlainChecksums, TunnelChecksums
from capnet.analysis.aggregate.station_sums import sum_stations
from capnet.analysis.aggregate.tunnel_sums import sum_tunnels
from capnet.analysis.core import schema
from capnet.analysis.core.options import MAX_OBSERVATIONS
from capnet.analysis.core.schema import ArpTable, FlowTable, Observations, StationTable, TunnelTable, Values
from capnet.jit.arrays import Int64Array
from capnet.jit.kernel import Machine
from capnet.wire import fields
from capnet.wire.block import Block

if TYPE_CHECKING:
    from capnet.analysis.aggregate.payload.headers.control import ControlMessages
    from capnet.analysis.aggregate.payload.headers.nflog import NflogRules
    from capnet.analysis.aggregate.payload.headers.sctp import SctpSetups
    from capnet.analysis.aggregate.payload.streams.first_octets import FirstOctets

# With one point there is little to follow (duplicates, and NAT that shows both forms at one place): an eighth of the
# budget will do.
ONE_POINT_BUDGET_DIVISOR = 8

# Attributes that hold Python objects and arrays, and no memory that kernels write.
PYTHON_PARTS = (
    "undecoded", "dns", "checksums", "icmp_errors", "nd", "dhcp", "syns", "tunnel_checksums", "plain_checksums",
    "mirrors", "memberships", "nflog", "sctp", "control", "first_octets", "_excerpts",
)  # fmt: skip

BYTES_OF_FLOW = 4096  # of a capture: there is room for as many flows from the start, so that no table of them is copied
MAX_EXPECTED_FLOWS = 1 << 18

MIN_FLOWS_UNPACKED_BESIDE = 1000  # of fewer, all is done before a thread has started
MAX_FLOWS_UNPACKED_BESIDE = 1 << 17  # of more, unpacking flows and summing up stations take too much memory at once


class Aggregator:
    """Fill with `add`, then read `flows`, `stations`, `arps`, `tunnels` and `observations`.

    Blocks must come in order: a retransmission, or the first packet of a flow, is one only in order. `size`: bytes of
    the captures, where they are known.
    """

    def __init__(
        self, machine: Machine, budget: int = MAX_OBSERVATIONS, excluded: int = 0, size: int | None = None
    ) -> None:
        self.machine = machine
        self.undecoded: Counter[tuple[int, int]] = Counter()  # (reason, detail) → frames
        self.dns = DnsSample()
        self.checksums = ChecksumSample()
        self.icmp_errors = IcmpErrors()
        self.nd = NeighborDiscovery()
        self.dhcp = DhcpMessages()
        self.syns = Syns()
        self.tunnel_checksums = TunnelChecksums()
        self.plain_checksums = PlainChecksums()
        self.mirrors = Mirrors()
        self.memberships = Memberships()
        self.nflog: NflogRules | None = None  # made when the first packet of NFLOG comes
        self.sctp: SctpSetups | None = None  # likewise
        self.control: ControlMessages | None = None  # likewise, of IKE, BGP or what the decoder does not read
        self.first_octets: FirstOctets | None = None  # made when the first SYN comes
        self._excerpts = Excerpts()
        self._flows = _new_flows(machine, min((size or 0) // BYTES_OF_FLOW, MAX_EXPECTED_FLOWS))
        self._stations = _new_stations(machine)
        self._arps = HashTable(machine, schema.ARP_WIDTH, schema.ARP_KEY)
        self._carriers = HashTable(machine, schema.CARRIER_WIDTH, schema.CARRIER_KEY)
        self._sample = ObservationSample(machine, budget, excluded)
        self._hashes: FlowHashes | None = None  # made where a block comes without hashes
        self._unpacked_flows: FlowTable | None = None
        self._summed_stations: StationTable | None = None  # when finished
        self._summed_tunnels: TunnelTable | None = None  # when finished

    def copy(self) -> Aggregator:
        """The same tables, in memory of their own: for a report while the pass goes on."""
        twin = Aggregator(self.machine, self._sample.budget)
        for name, part in vars(self).items():
            if isinstance(part, HashTable | ObservationSample):
                setattr(twin, name, part.copy())
            elif name in PYTHON_PARTS:
                setattr(twin, name, deepcopy(part))
        return twin

    def add(self, block: Block, base: int, points: int = 2, hashes: Int64Array = None) -> None:
        """Take in a block of rows of a capture whose first point is number `base`; `points`: how many there are.

        `hashes`: by `FlowHashes`, where they were made already.
        """
        if hashes is None:
            self._hashes = self._hashes or FlowHashes(self.machine)
            hashes = self._hashes.of(block, base)
        self._count_rows(block, hashes, base)
        self._sample.thin_out(self._sample.budget // (1 if points > 1 else ONE_POINT_BUDGET_DIVISOR))
        if block.layers & fields.LAYER_ARP:
            self._arps.reserve(len(block))
            self.machine.run(count_arps)(block.view, len(block), base, *self._arps.arguments())
        if block.odd:
            self._count_undecoded(block)
        for excerpt in self._excerpts.add(block, base):
            self._look_into(*excerpt)
        self.dns.add(block, base)
        self.icmp_errors.add(block, base)
        self.nd.add(block, base)
        self.dhcp.add(block, base)
        self._add_first_octets(block, base, self.syns.add(block, base))
        self.mirrors.add(block, base)
        self.memberships.add(block, base)
        if block.layers & fields.LAYER_NFLOG:
            self._add_nflog(block, base)
        if block.layers & fields.LAYER_SCTP:
            self._add_sctp(block, base)
        if block.control or block.odd:
            self._add_control(block, base)

    def _add_nflog(self, block: Block, base: int) -> None:
        if self.nflog is None:
            from capnet.analysis.aggregate.payload.headers.nflog import NflogRules

            self.nflog = NflogRules()
        self.nflog.add(block, base)

    def _add_sctp(self, block: Block, base: int) -> None:
        if self.sctp is None:
            from capnet.analysis.aggregate.payload.headers.sctp import SctpSetups

            self.sctp = SctpSetups()
        self.sctp.add(block, base)

    def _add_control(self, block: Block, base: int) -> None:
        if self.control is None:
            from capnet.analysis.aggregate.payload.headers.control import ControlMessages

            self.control = ControlMessages()
        self.control.add(block, base)

    def _add_first_octets(self, block: Block, base: int, syn_rows: Values) -> None:
        if self.first_octets is None and len(syn_rows):
            from capnet.analysis.aggregate.payload.streams.first_octets import FirstOctets

            self.first_octets = FirstOctets()
        if self.first_octets is not None:
            self.first_octets.add(block, base, syn_rows)

    def _look_into(self, block: Block, base: int) -> None:
        """Read the checksums of sampled frames."""
        self.checksums.add(block, base)
        self.tunnel_checksums.add(block, base)
        self.plain_checksums.add(block, base)

    def _count_rows(self, block: Block, hashes: Int64Array, base: int) -> None:
        n = len(block)
        self._unpacked_flows = None
        self._flows.reserve(n)
        self._stations.reserve(2 * n)
        self._carriers.reserve(n)
        self._sample.reserve(n)
        self.machine.run(count_rows)(
            block.view, n, base, hashes, *self._flows.arguments(), *self._stations.arguments(),
            *self._carriers.arguments(), *self._sample.arguments(),
        )  # fmt: skip

    def _count_undecoded(self, block: Block) -> None:
        odd = block.rows[block.rows[:, fields.REASON] != 0]
        pairs, counts = np.unique(odd[:, [fields.REASON, fields.DETAIL]], axis=0, return_counts=True)
        for (reason, detail), count in zip(pairs.tolist(), counts.tolist(), strict=True):
            self.undecoded[reason, detail] += count

    @property
    def hash_tables(self) -> tuple[HashTable, ...]:
        """Flows, stations, ARP pairs and carriers, as the pass fills them."""
        return self._flows, self._stations, self._arps, self._carriers

    # -- the tables, see core.schema ------------------------------------------------------------
    @property
    def flows(self) -> FlowTable:
        """In order of first sight; column by column, since later steps look at few columns of all flows."""
        if self._unpacked_flows is None:
            columns = self._new_columns()
            self._unpack(columns, 0, len(columns))
            self._unpacked_flows = columns
        return self._unpacked_flows

    def _new_columns(self) -> FlowTable:
        return np.empty((self._flows.count, schema.FLOW_WIDTH), dtype=np.int64, order="F")

    def _unpack(self, columns: FlowTable, start: int, stop: int) -> None:
        """Write these rows of the flow table."""
        view = self.machine.view
        into = view(columns.reshape(-1, order="F"))
        self.machine.run(flow_record.unpack)(view(self._flows.flat), start, stop, into, len(columns))

    @property
    def stations(self) -> StationTable:
        """In order of first sight."""
        if self._summed_stations is not None:
            return self._summed_stations
        stations = _new_stations(self.machine)
        stations.add(self._stations.rows, self.machine.run(add_stations))
        return sum_stations(stations, self._flows, self.arps)

    @property
    def arps(self) -> ArpTable:
        """In order of first sight."""
        return self._arps.rows

    @property
    def tunnels(self) -> TunnelTable:
        """In order of first sight."""
        if self._summed_tunnels is not None:
            return self._summed_tunnels
        return sum_tunnels(self.flows, self._carriers.rows)

    @property
    def observations(self) -> Observations:
        """In the order of the pass."""
        return self._sample.rows

    @property
    def observations_to_match(self) -> Observations:
        """The observations; if they are a sample, with the first packet of every flow."""
        return self._sample.with_first_packets(self.flows)

    @property
    def sample_share(self) -> float:
        """Share of all digests that are observed; 1.0 = every packet."""
        return self._sample.share

    def finish(self, limit_stations: Callable[[StationTable], StationTable]) -> int:
        """End the pass: let its own tables go, which are as large as what is derived from them.

        `limit_stations` returns the stations to keep, of all. Returns how many there were.
        """
        for excerpt in self._excerpts.rest():
            self._look_into(*excerpt)
        beside = self._flows.count <= MAX_FLOWS_UNPACKED_BESIDE
        if not beside:
            count = self._sum_stations(limit_stations)
        columns = self._new_columns()
        own_share = len(columns) // 4 if beside else len(columns) // 2
        helpers = []
        if self._flows.count < MIN_FLOWS_UNPACKED_BESIDE:
            own_share = len(columns)
        else:
            helpers.append(Thread(target=self._unpack, args=(columns, own_share, len(columns))))
            helpers[0].start()  # it waits for memory most of the time
        if beside:
            count = self._sum_stations(limit_stations)
        self._unpack(columns, 0, own_share)
        for helper in helpers:
            helper.join()
        self._unpacked_flows = columns
        self._summed_tunnels = self.tunnels
        self._flows = _new_flows(self.machine)
        return count

    def _sum_stations(self, limit_stations: Callable[[StationTable], StationTable]) -> int:
        """Sum up the stations and let their table of the pass go. Returns how many there are, kept or not."""
        stations = sum_stations(self._stations, self._flows, self.arps)
        self._stations = _new_stations(self.machine)
        self._summed_stations = limit_stations(stations)
        return len(stations)


def _new_flows(machine: Machine, expected: int = 0) -> HashTable:
    return HashTable(machine, flow_record.WIDTH, flow_record.KEY, FLOW_SCRATCH, expected)


def _new_stations(machine: Machine) -> HashTable:
    return HashTable(machine, schema.STATION_WIDTH, schema.STATION_KEY)
