"""The books of one pass: all its tables, and what is summed up from them at the end.

Memory grows with flows, stations and tunnels. Observations, the only rows per packet, stay within a budget: when it is
full, half of the digests are dropped, at every point the same ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from threading import Thread
from typing import Any

import numpy as np

from capnet.analysis.aggregate import hash_table
from capnet.analysis.aggregate.flow_record import KEY, PACKED, unpack
from capnet.analysis.aggregate.hash_table import Table
from capnet.analysis.aggregate.payload_checksums import ChecksumSample
from capnet.analysis.aggregate.payload_dns import DnsAnswers
from capnet.analysis.aggregate.reducers import (
    FLOW_SCRATCH,
    add_flow_sides,
    add_stations,
    hash_flows,
    see_arps,
    see_rows,
)
from capnet.analysis.core import schema as col
from capnet.analysis.core.arrays import row_hash
from capnet.analysis.core.options import MAX_OBSERVATIONS
from capnet.jit.kernel import Machine
from capnet.wire import fields
from capnet.wire.block import Block

# Where only one point listened there is little to follow (duplicates, and NAT that shows both forms at one place): an
# eighth of the budget will do.
ONE_POINT_SHARE = 8

ROOM = 4096  # for rows that are summed up at a time
MANY = 1 << 17  # flows: of more, what takes memory for each is done one after the other


class Ledger:
    """Fill with `see`, then read `flows`, `stations`, `arps`, `tunnels` and `observations`.

    Blocks must come in order: a retransmission, or the first packet of a flow, is one only in order.
    """

    def __init__(self, machine: Machine, budget: int = MAX_OBSERVATIONS) -> None:
        self.machine = machine
        self.budget = budget
        self.sample = 0  # digests with one of these bits are not observed
        self.undecoded: Counter[tuple[int, int]] = Counter()  # (reason, detail) → frames
        self.dns = DnsAnswers()
        self.checksums = ChecksumSample()
        self._flows = Table(machine, PACKED, KEY, scratch=FLOW_SCRATCH)
        self._stations = Table(machine, col.STATION_WIDTH, col.STATION_KEY)
        self._arps = Table(machine, col.ARP_WIDTH, col.ARP_KEY)
        self._carriers = Table(machine, col.CARRIER_WIDTH, col.CARRIER_KEY)
        self._observations = np.zeros(1024 * col.OBS_WIDTH, dtype=np.int64)
        self._observed = 0
        self._counts = np.zeros(4, dtype=np.int64)  # of rows, while a kernel runs
        self._arguments: tuple[Any, ...] = ()
        self._seen = 0  # rows
        self._key = machine.view(np.zeros(KEY, dtype=np.int64))
        self._hashes = np.zeros(0, dtype=np.int64)
        self._hashed: Any = None  # view of it
        self._columns: np.ndarray | None = None  # of the flows, once they are asked for
        self._summed: np.ndarray | None = None  # the stations, when finished

    def see(self, block: Block, base: int, points: int = 2, hashes: Any = None) -> None:
        """Take in a block of rows of a capture whose first point is number `base`; `points`: how many there are.

        `hashes`: by `hash_block`, where that was called already.
        """
        self._count(block, self._hash(block, base) if hashes is None else hashes, base)
        self._thin_out(self.budget if points > 1 else self.budget // ONE_POINT_SHARE)
        if block.layers & fields.LAYER_ARP:
            arps = self._arps
            arps.reserve(len(block))
            arps.count = self.machine.run(see_arps)(block.view, len(block), base, *arps.arguments(), arps.count)
        if block.odd:
            self._count_undecoded(block)
        self.dns.see(block, base)
        self.checksums.see(block, base)

    def _count(self, block: Block, hashes: Any, base: int) -> None:
        n = len(block)
        self._columns = None
        self._reserve(n)
        flows, stations, carriers = self._flows, self._stations, self._carriers
        self._counts[:] = flows.count, stations.count, carriers.count, self._observed
        self.machine.run(see_rows)(
            block.view, n, base, hashes, self._seen, self.sample,
            *flows.arguments(), *stations.arguments(), *carriers.arguments(), *self._arguments,
        )  # fmt: skip
        flows.count, stations.count, carriers.count, self._observed = self._counts.tolist()
        self._seen += n

    def _reserve(self, n: int) -> None:
        """Make room for a block of `n` rows."""
        self._flows.reserve(n)
        self._stations.reserve(2 * n)
        self._carriers.reserve(n)
        room = (self._observed + n) * col.OBS_WIDTH
        if self._arguments and len(self._observations) >= room:
            return
        if len(self._observations) < room:
            grown = np.zeros(len(self._observations) + room, dtype=np.int64)
            grown[: self._observed * col.OBS_WIDTH] = self._observations[: self._observed * col.OBS_WIDTH]
            self._observations = grown
        self._arguments = tuple(map(self.machine.view, (self._observations, self._counts)))

    def _thin_out(self, budget: int) -> None:
        """Halve the observations while there are too many: which digests stay does not depend on blocks."""
        while self._observed > budget:
            self.sample = self.sample * 2 + 1
            kept = chosen(self.observations, self.sample)
            self._observations[: kept.size] = kept.reshape(-1)
            self._observed = len(kept)

    def _count_undecoded(self, block: Block) -> None:
        reasons = block.rows[:, fields.REASON]
        odd = block.rows[reasons != 0]
        pairs, counts = np.unique(odd[:, [fields.REASON, fields.DETAIL]], axis=0, return_counts=True)
        for (reason, detail), count in zip(pairs.tolist(), counts.tolist(), strict=True):
            self.undecoded[reason, detail] += count

    def _hash(self, block: Block, base: int) -> Any:
        if len(self._hashes) < len(block):
            self._hashes = np.zeros(len(block), dtype=np.int64)
            self._hashed = self.machine.view(self._hashes)
        hash_block(self.machine, block, base, self._key, self._hashed)
        return self._hashed

    # -- what the pass found: int64 arrays, see core.schema ------------------------------------
    @property
    def flows(self) -> np.ndarray:
        """In order of first sight; column by column, since conclusions look at few columns of all flows."""
        if self._columns is None:
            count = self._flows.count
            columns = np.empty((count, col.FLOW_WIDTH), dtype=np.int64, order="F")
            view = self.machine.view
            into = view(columns.reshape(-1, order="F"))
            self.machine.run(unpack)(view(self._flows.flat), 0, count, into, count)
            self._columns = columns
        return self._columns

    @property
    def arps(self) -> np.ndarray:
        return self._arps.rows

    @property
    def observations(self) -> np.ndarray:
        return self._observations[: self._observed * col.OBS_WIDTH].reshape(self._observed, col.OBS_WIDTH)

    @property
    def followed(self) -> np.ndarray:
        """The observations; where they are a sample, with the first packet of every flow, so that none goes unlinked.

        As many as the budget holds, chosen by their digests like the others: the same ones at every point.
        """
        observed = self.observations
        if not self.sample:
            return observed
        digest = self.flows[:, col.FLOW_FIRST_DIGEST]
        rows = np.flatnonzero((digest != 0) & ((digest >> 8) & self.sample != 0))
        thin = 0
        while len(rows) > self.budget:
            thin = thin * 2 + 1
            rows = rows[(digest[rows] >> 40) & thin == 0]
        first = np.zeros((len(rows), col.OBS_WIDTH), dtype=np.int64)
        for column, field in (
            (col.OBS_DIGEST, col.FLOW_FIRST_DIGEST),
            (col.OBS_TIME, col.FLOW_FIRST),
            (col.OBS_FRAME, col.FLOW_FIRST_FRAME),
            (col.OBS_TTL, col.FLOW_TTL),
        ):
            first[:, column] = self.flows[rows, field]
        first[:, col.OBS_FLOW] = first[:, col.OBS_SEQ] = rows
        first[:, col.OBS_FROM] = -1
        return np.concatenate([observed, first])

    @property
    def sample_share(self) -> float:
        """Share of all digests that are observed; 1.0 = every packet."""
        return 1.0 / (self.sample + 1)

    def finish(self, some: Callable[[np.ndarray], np.ndarray]) -> int:
        """Nothing more will be seen: the tables of the pass, as large as what is concluded from, are let go.

        `some`: the stations to keep, of all. Returns how many there were.
        """
        many = self._flows.count > MANY
        unpacking = Thread(target=lambda: self.flows)
        if not many:  # both wait for memory most of the time
            unpacking.start()
        whole = self._sum_up(self._stations)
        self._stations = Table(self.machine, col.STATION_WIDTH, col.STATION_KEY)
        self._summed = some(whole)
        stations = len(whole)
        del whole
        if many:
            unpacking.start()
        unpacking.join()
        columns = self.flows
        self._flows = Table(self.machine, PACKED, KEY, scratch=FLOW_SCRATCH)
        self._columns = columns
        return stations

    @property
    def stations(self) -> np.ndarray:
        """The station table: strays and frames without IP as counted, the others summed up from flows and ARP."""
        if self._summed is not None:
            return self._summed
        sums = Table(self.machine, col.STATION_WIDTH, col.STATION_KEY)
        sums.add(self._stations.rows, self.machine.run(add_stations))
        return self._sum_up(sums)

    def _sum_up(self, sums: Table) -> np.ndarray:
        """Add what flows and ARP say to a table of stations; its rows in order of first sight."""
        arps = self.arps
        zero = np.zeros(len(arps), dtype=np.int64)
        arp_rows = np.column_stack(
            [
                arps[:, [col.ARP_POINT, col.ARP_VIA, col.ARP_VIA_VNI, col.ARP_SENDER_MAC]],
                zero, arps[:, col.ARP_SENDER_LO], zero + 1,
                arps[:, [col.ARP_FIRST, col.ARP_LAST, col.ARP_PACKETS, col.ARP_FIRST_FRAME]],
                zero, zero,
            ]
        )  # fmt: skip
        run, view = self.machine.run, self.machine.view
        flows = view(self._flows.flat)
        for receiving in (0, 1):
            for start in range(0, self._flows.count, ROOM):  # flows are many more than stations
                stop = min(start + ROOM, self._flows.count)
                sums.reserve(stop - start)
                sums.count = run(add_flow_sides)(flows, start, stop, receiving, *sums.arguments(), sums.count)
        sums.add(arp_rows, run(add_stations))
        return _by_first_sight(sums.rows, col.STATION_KEY, col.STATION_FIRST)

    @property
    def tunnels(self) -> np.ndarray:
        """The tunnel table: carriers summed up by point, VNI, VTEPs and port."""
        flows, others = self.flows, self._carriers.rows
        carrying = np.flatnonzero(flows[:, col.FLOW_CARRIES] > 0)
        other_bytes = np.zeros(len(flows), dtype=np.int64)
        np.add.at(other_bytes, others[:, col.CARRIER_FLOW], others[:, col.CARRIER_BYTES])
        first_vni = _tunnel_rows(
            flows,
            carrying,
            _columns(flows, carrying, col.FLOW_CARRIES, col.FLOW_CARRIES_VNI),
            _columns(flows, carrying, col.FLOW_FIRST, col.FLOW_LAST),
            flows[carrying, col.FLOW_PACKETS] - flows[carrying, col.FLOW_OTHER_VNIS],
            flows[carrying, col.FLOW_BYTES] - other_bytes[carrying],
            _columns(flows, carrying, col.FLOW_INNER_BYTES, col.FLOW_FIRST_FRAME, col.FLOW_INNER_LARGEST),
        )
        others = others[others[:, col.CARRIER_KIND] > 0]
        other_vnis = _tunnel_rows(
            flows,
            others[:, col.CARRIER_FLOW],
            others[:, [col.CARRIER_KIND, col.CARRIER_VNI]],
            others[:, [col.CARRIER_FIRST, col.CARRIER_LAST]],
            others[:, col.CARRIER_FRAMES],
            others[:, col.CARRIER_BYTES],
            others[:, [col.CARRIER_INNER_BYTES, col.CARRIER_FIRST_FRAME, col.CARRIER_LARGEST_INNER_IP]],
        )
        return _fold(np.concatenate([first_vni, other_vnis]), col.TUNNEL_KEY, _TUNNEL_FOLD, col.TUNNEL_FIRST)


def chosen(observations: np.ndarray, sample: int) -> np.ndarray:
    """Those whose digest has no bit in common with `sample`."""
    if sample >> 40:  # one digest repeated a million times: none of them tells packets apart
        return observations[:0]
    return observations[(observations[:, col.OBS_DIGEST] >> 8) & sample == 0]


def hash_block(machine: Machine, block: Block, base: int, key: Any, hashes: Any) -> None:
    """The hash of each row's flow: in any thread, before a block is taken in.

    `key`: view of KEY numbers, scratch space; `hashes`: view of at least one for each row.
    """
    machine.run(hash_flows)(block.view, len(block), base, machine.view(hash_table.SECRET), key, hashes)


# How the values of rows with equal keys become one, column by column behind the key.
_TUNNEL_FOLD = ("min", "max", "sum", "sum", "sum", "first", "max")


def _columns(table: np.ndarray, rows: np.ndarray, *columns: int) -> np.ndarray:
    """A few columns of some rows; numpy would copy whole rows first."""
    return np.stack([table[rows, column] for column in columns], axis=1)


def _tunnel_rows(
    flows: np.ndarray,
    outer: np.ndarray,
    kind: np.ndarray,
    span: np.ndarray,
    frames_: np.ndarray,
    bytes_: np.ndarray,
    rest: np.ndarray,
) -> np.ndarray:
    """Tunnel rows for the outer flows `outer` (rows of the flow table), one each."""
    return np.column_stack(
        [
            flows[outer, col.FLOW_POINT],
            kind,
            _columns(flows, outer, col.FLOW_SRC_HI, col.FLOW_SRC_LO, col.FLOW_DST_HI, col.FLOW_DST_LO, col.FLOW_DPORT),
            span,
            frames_,
            bytes_,
            rest,
        ]
    )


def _fold(rows: np.ndarray, keys: int, how: tuple[str, ...], first: int) -> np.ndarray:
    """One row per distinct key, in order of first sight (column `first`)."""
    if not len(rows):
        return rows
    # Sorting by a hash of the key is several times faster than by all its columns.
    hashed = row_hash(rows[:, :keys])
    order = np.lexsort((rows[:, first], hashed))
    rows, hashed = rows[order], hashed[order]
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (hashed[1:] != hashed[:-1]) | (rows[1:, :keys] != rows[:-1, :keys]).any(axis=1)
    starts = np.flatnonzero(new)
    folded = rows[starts].copy()  # `first`: the earliest row of each key
    for column, rule in enumerate(how, start=keys):
        if rule == "sum":
            folded[:, column] = np.add.reduceat(rows[:, column], starts)
        elif rule == "min":
            folded[:, column] = np.minimum.reduceat(rows[:, column], starts)
        elif rule == "max":
            folded[:, column] = np.maximum.reduceat(rows[:, column], starts)
    return _by_first_sight(folded, keys, first)


def _by_first_sight(rows: np.ndarray, keys: int, first: int) -> np.ndarray:
    """Rows by time (column `first`); at the same time by key, so that the order never varies."""
    ties = (rows[:, k] for k in range(keys - 1, -1, -1))
    return rows[np.lexsort((*ties, rows[:, first]))]
