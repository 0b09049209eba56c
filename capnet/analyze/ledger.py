"""The books of one pass: all its tables, and what is summed up from them at the end.

Memory grows with flows, stations and tunnels. Observations, the only rows per packet, stay within a budget: when it is
full, half of the digests are dropped, at every point the same ones.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from capnet.analyze import columns as col
from capnet.analyze.passes import FLOW_SCRATCH, observe, see_arps, see_carriers, see_flows, see_stations
from capnet.analyze.peeks import Peeks
from capnet.analyze.rows import row_hash
from capnet.analyze.tables import Table
from capnet.wire import frames
from capnet.wire.frames import Block
from capnet.wire.kernel import Machine

# Observations kept at most: 7 numbers of 8 bytes each, 28 MiB in all. Where only one point listened there is little to
# follow (duplicates, and NAT that shows both forms at one place), and an eighth will do.
BUDGET = 1 << 19
ONE_POINT_SHARE = 8


class Ledger:
    """Fill with `see`, then read `flows`, `stations`, `arps`, `tunnels` and `observations`."""

    def __init__(self, machine: Machine, budget: int = BUDGET) -> None:
        self.machine = machine
        self.budget = budget
        self.sample = 0  # digests with one of these bits are not observed
        self.undecoded: Counter[tuple[int, int]] = Counter()  # (reason, detail) → frames
        self._flows = Table(machine, col.FLOW_WIDTH, col.FLOW_KEY, scratch=FLOW_SCRATCH)
        self._stations = Table(machine, col.STATION_WIDTH, col.STATION_KEY)
        self._arps = Table(machine, col.ARP_WIDTH, col.ARP_KEY)
        self._carriers = Table(machine, col.CARRIER_WIDTH, col.CARRIER_KEY)
        self._observations = np.zeros(1024 * col.OBS_WIDTH, dtype=np.int64)
        self._observed = 0
        self.peeks = Peeks()
        self._flow_of = np.zeros(0, dtype=np.int64)
        self._seen = 0
        self._layers = 0  # of all rows so far

    @property
    def sample_share(self) -> float:
        """Share of all digests that are observed; 1.0 = every packet."""
        return 1.0 / (self.sample + 1)

    def see(self, block: Block, base: int, points: int = 2) -> None:
        """Take in a block of rows of a capture whose first point is number `base`; `points`: how many there are."""
        n = len(block)
        run, view = self.machine.run, self.machine.view
        for table in (self._flows, self._arps, self._carriers):
            table.reserve(n)
        self._stations.reserve(2 * n)
        if len(self._flow_of) < n:
            self._flow_of = np.zeros(n, dtype=np.int64)
        rows, flow_of = view(block.flat), view(self._flow_of)
        flows = self._flows
        flows.count = run(see_flows)(rows, n, base, *flows.arguments(), flows.count, flow_of)
        stations = self._stations
        stations.count = run(see_stations)(
            rows, n, base, *stations.arguments(), stations.count, flow_of, view(flows.flat)
        )
        if block.layers & frames.LAYER_ARP:
            arps = self._arps
            arps.count = run(see_arps)(rows, n, base, *arps.arguments(), arps.count)
        self._layers |= block.layers
        if self._layers & frames.LAYER_TUNNEL:
            carriers = self._carriers
            carriers.count = run(see_carriers)(
                rows, n, *carriers.arguments(), carriers.count, flow_of, view(flows.flat)
            )
        self._observe(rows, n, flow_of, self.budget if points > 1 else self.budget // ONE_POINT_SHARE)
        self.peeks.see(block, base)
        if block.odd:
            self._count_undecoded(block)
        self._seen += n

    def _observe(self, rows: object, n: int, flow_of: object, budget: int) -> None:
        width = col.OBS_WIDTH
        while self._observed + n > max(budget, n):
            self.sample = self.sample * 2 + 1
            kept = self.observations
            kept = kept[(kept[:, col.OBS_DIGEST] >> 8) & self.sample == 0]
            self._observations[: kept.size] = kept.reshape(-1)
            self._observed = len(kept)
            if self.sample >> 40:  # one digest repeated a million times: none of them tells packets apart
                self._observed = 0
                break
        if (self._observed + n) * width > len(self._observations):
            grown = np.zeros(2 * len(self._observations) + n * width, dtype=np.int64)
            grown[: self._observed * width] = self._observations[: self._observed * width]
            self._observations = grown
        self._observed = self.machine.run(observe)(
            rows, n, flow_of, self.machine.view(self._observations), self._observed, self.sample, self._seen
        )

    def _count_undecoded(self, block: Block) -> None:
        reasons = block.rows[:, frames.REASON]
        odd = block.rows[reasons != 0]
        pairs, counts = np.unique(odd[:, [frames.REASON, frames.DETAIL]], axis=0, return_counts=True)
        for (reason, detail), count in zip(pairs.tolist(), counts.tolist(), strict=True):
            self.undecoded[reason, detail] += count

    # -- what the pass found: int64 arrays, see analyze.columns ------------------------------------
    @property
    def flows(self) -> np.ndarray:
        return self._flows.rows

    @property
    def arps(self) -> np.ndarray:
        return self._arps.rows

    @property
    def observations(self) -> np.ndarray:
        return self._observations[: self._observed * col.OBS_WIDTH].reshape(self._observed, col.OBS_WIDTH)

    @property
    def stations(self) -> np.ndarray:
        """The station table: strays and frames without IP as counted, the others summed up from flows and ARP."""
        flows, arps = self.flows, self.arps
        spoke = flows[flows[:, col.FLOW_SMAC] >= 0]
        heard = flows[flows[:, col.FLOW_DMAC] >= 0]
        zero = np.zeros(len(arps), dtype=np.int64)
        arp_rows = np.column_stack(
            [
                arps[:, [col.ARP_POINT, col.ARP_VIA, col.ARP_VIA_VNI, col.ARP_SENDER_MAC]],
                zero, arps[:, col.ARP_SENDER_LO], zero + 1,
                arps[:, [col.ARP_FIRST, col.ARP_LAST, col.ARP_PACKETS, col.ARP_FIRST_FRAME]],
                zero, zero,
            ]
        )  # fmt: skip
        sides = [
            self._stations.rows,
            _station_rows(spoke, col.FLOW_SMAC, col.FLOW_SRC_HI, col.FLOW_SRC_LO, 0),
            _station_rows(heard, col.FLOW_DMAC, col.FLOW_DST_HI, col.FLOW_DST_LO, 2),
            arp_rows,
        ]
        return _fold(np.concatenate(sides), col.STATION_KEY, _STATION_FOLD, col.STATION_FIRST)

    @property
    def tunnels(self) -> np.ndarray:
        """The tunnel table: carriers summed up by point, VNI, VTEPs and port."""
        flows, others = self.flows, self._carriers.rows
        carrying = flows[flows[:, col.FLOW_CARRIES] > 0]
        other_bytes = np.zeros(len(flows), dtype=np.int64)
        np.add.at(other_bytes, others[:, col.CARRIER_FLOW], others[:, col.CARRIER_BYTES])
        first_vni = _tunnel_rows(
            carrying,
            carrying[:, [col.FLOW_CARRIES, col.FLOW_CARRIES_VNI]],
            carrying[:, [col.FLOW_FIRST, col.FLOW_LAST]],
            carrying[:, col.FLOW_PACKETS] - carrying[:, col.FLOW_OTHER_VNIS],
            carrying[:, col.FLOW_BYTES] - other_bytes[flows[:, col.FLOW_CARRIES] > 0],
            carrying[:, [col.FLOW_INNER_BYTES, col.FLOW_FIRST_FRAME, col.FLOW_INNER_LARGEST]],
        )
        others = others[others[:, col.CARRIER_KIND] > 0]
        other_vnis = _tunnel_rows(
            flows[others[:, col.CARRIER_FLOW]],
            others[:, [col.CARRIER_KIND, col.CARRIER_VNI]],
            others[:, [col.CARRIER_FIRST, col.CARRIER_LAST]],
            others[:, col.CARRIER_FRAMES],
            others[:, col.CARRIER_BYTES],
            others[:, [col.CARRIER_INNER_BYTES, col.CARRIER_FIRST_FRAME, col.CARRIER_LARGEST_INNER_IP]],
        )
        return _fold(np.concatenate([first_vni, other_vnis]), col.TUNNEL_KEY, _TUNNEL_FOLD, col.TUNNEL_FIRST)


# How the values of rows with equal keys become one, column by column behind the key.
_STATION_FOLD = ("min", "max", "sum", "first", "min", "max")
_TUNNEL_FOLD = ("min", "max", "sum", "sum", "sum", "first", "max", "sum")


def _station_rows(flows: np.ndarray, mac: int, hi: int, lo: int, how: int) -> np.ndarray:
    """One station row per flow, for the side whose columns are named."""
    return np.column_stack(
        [
            flows[:, [col.FLOW_POINT, col.FLOW_VIA, col.FLOW_VIA_VNI, mac, hi, lo]],
            np.full(len(flows), how, dtype=np.int64),
            flows[:, [col.FLOW_FIRST, col.FLOW_LAST]],
            flows[:, col.FLOW_PACKETS] - flows[:, col.FLOW_STRAYS],
            flows[:, [col.FLOW_FIRST_FRAME, col.FLOW_TTL_MIN, col.FLOW_TTL_MAX]],
        ]
    )


def _tunnel_rows(
    outer: np.ndarray, kind: np.ndarray, span: np.ndarray, frames_: np.ndarray, bytes_: np.ndarray, rest: np.ndarray
) -> np.ndarray:
    """Tunnel rows for the outer flows `outer` (rows of the flow table), one each."""
    return np.column_stack(
        [
            outer[:, col.FLOW_POINT],
            kind,
            outer[:, [col.FLOW_SRC_HI, col.FLOW_SRC_LO, col.FLOW_DST_HI, col.FLOW_DST_LO, col.FLOW_DPORT]],
            span,
            frames_,
            bytes_,
            rest,
            np.ones(len(outer), dtype=np.int64),
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
    ties = (folded[:, k] for k in range(keys - 1, -1, -1))  # the same time: by key, so that the order never varies
    return folded[np.lexsort((*ties, folded[:, first]))]
