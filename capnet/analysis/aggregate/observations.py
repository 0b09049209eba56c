"""The observations of a pass, one for each packet and point, within a budget.

Method: hash-based selection (RFC 5475 section 6.2). When the budget is full, half of the digests are dropped, at every
point the same ones; which ones stay does not depend on the blocks that packets came in.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.aggregate.kernels import observations as kernels
from capnet.analysis.core import schema
from capnet.analysis.core.schema import FlowTable, Observations
from capnet.jit.arrays import Int64Array
from capnet.jit.kernel import Machine

MIN_OBSERVATIONS = 1024  # room at first


class ObservationSample:
    """Filled by the kernel `count_rows`; read `rows`, `share` and `with_first_packets`.

    `excluded`: bits of a digest that leave its packet out from the start; a full budget adds to them.
    """

    def __init__(self, machine: Machine, budget: int, excluded: int = 0) -> None:
        self.machine = machine
        self.budget = budget
        self._flat = np.zeros(MIN_OBSERVATIONS * schema.OBS_WIDTH, dtype=np.int64)
        self._state = np.zeros(kernels.SAMPLE_WIDTH, dtype=np.int64)
        self._state[kernels.EXCLUDED] = excluded
        self._state_view = machine.view(self._state)
        self._flat_view = machine.view(self._flat)

    def copy(self) -> ObservationSample:
        """The same observations, in memory of their own."""
        twin = ObservationSample(self.machine, self.budget)
        twin._flat, twin._state = self._flat.copy(), self._state.copy()
        twin._flat_view, twin._state_view = self.machine.view(twin._flat), self.machine.view(twin._state)
        return twin

    @property
    def rows(self) -> Observations:
        """In the order of the pass."""
        count = int(self._state[kernels.COUNT])
        return self._flat[: count * schema.OBS_WIDTH].reshape(count, schema.OBS_WIDTH)

    @property
    def excluded(self) -> int:
        """Bits of a digest; packets whose digest has one of them are not observed."""
        return int(self._state[kernels.EXCLUDED])

    @property
    def share(self) -> float:
        """Share of all digests that are observed; 1.0 = every packet."""
        return 1.0 / (self.excluded + 1)

    def arguments(self) -> tuple[Int64Array, Int64Array]:
        """What `count_rows` needs: observations and the state of the selection."""
        return self._flat_view, self._state_view

    def reserve(self, more: int) -> None:
        """Make room for `more` observations."""
        filled = self.rows.size
        room = filled + more * schema.OBS_WIDTH
        if len(self._flat) < room:
            grown = np.zeros(len(self._flat) + room, dtype=np.int64)
            grown[:filled] = self._flat[:filled]
            self._flat = grown
            self._flat_view = self.machine.view(grown)

    def thin_out(self, budget: int) -> None:
        """Halve the observations while there are more than `budget`."""
        while self._state[kernels.COUNT] > budget:
            self._state[kernels.EXCLUDED] = self.excluded * 2 + 1
            kept = selected(self.rows, self.excluded)
            self._flat[: kept.size] = kept.reshape(-1)
            self._state[kernels.COUNT] = len(kept)

    def with_first_packets(self, flows: FlowTable) -> Observations:
        """The observations, and the first packet of every flow if they are a sample: so that no flow goes unlinked.

        First packets are as many as the budget holds, chosen by their digests like the others.
        """
        observed = self.rows
        if not self.excluded:
            return observed
        digests = flows[:, schema.FLOW_FIRST_DIGEST]
        flow_rows = np.flatnonzero((digests != 0) & ((digests >> 8) & self.excluded != 0))
        excluded = 0
        while len(flow_rows) > self.budget:
            excluded = excluded * 2 + 1
            flow_rows = flow_rows[(digests[flow_rows] >> 40) & excluded == 0]
        rows = np.zeros((len(observed) + len(flow_rows), schema.OBS_WIDTH), dtype=np.int64)
        rows[: len(observed)] = observed
        first = rows[len(observed) :]
        for column, flow_column in (
            (schema.OBS_DIGEST, schema.FLOW_FIRST_DIGEST),
            (schema.OBS_TIME, schema.FLOW_FIRST),
            (schema.OBS_FRAME, schema.FLOW_FIRST_FRAME),
            (schema.OBS_TTL, schema.FLOW_TTL),
        ):
            first[:, column] = flows[:, flow_column][flow_rows]
        first[:, schema.OBS_FLOW] = first[:, schema.OBS_SEQ] = flow_rows
        first[:, schema.OBS_FROM] = first[:, schema.OBS_CONTROL] = -1
        return rows


def selected(observations: Observations, excluded: int) -> Observations:
    """Those whose digest has no bit in common with `excluded`."""
    if excluded >> 40:  # one digest repeated a million times: no observation tells packets apart
        return observations[:0]
    is_selected = (observations[:, schema.OBS_DIGEST] >> 8) & excluded == 0
    return np.compress(is_selected, observations, axis=0)  # copies whole rows, which indexing does not
