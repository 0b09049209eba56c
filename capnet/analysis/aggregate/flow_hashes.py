"""Hashes the flows of rows, which a thread can do before it is its turn to count them."""

from __future__ import annotations

import numpy as np

from capnet.analysis.aggregate.hash_table import SECRET
from capnet.analysis.aggregate.kernels.flow_record import KEY
from capnet.analysis.aggregate.kernels.flows import hash_flows
from capnet.jit.arrays import Int64Array
from capnet.jit.kernel import Machine
from capnet.wire.block import MAX_ROWS, Block

APART = 16  # numbers, two cache lines: from what other threads write


class FlowHashes:
    """Call `of` for each block. Each thread needs an object of its own."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._secret = machine.view(SECRET)
        self._key = machine.view(np.zeros(KEY + APART, dtype=np.int64))
        self._hashes = machine.view(np.zeros(MAX_ROWS, dtype=np.int64))

    def of(self, block: Block, base: int) -> Int64Array:
        """A hash for each row, valid until the next block; `base`: number of the capture's first point."""
        self._machine.run(hash_flows)(block.view, len(block), base, self._secret, self._key, self._hashes)
        return self._hashes
