"""NUMBA_BOUNDSCHECK=1 really checks: CI runs the kernels' tests with it, and would see nothing if it did not."""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
import numpy as np
from capnet.wire.formats import pcap_walk
from capnet.jit.kernel import Machine

machine = Machine(compiled=True)
records, out = machine.view(np.zeros(70, dtype=np.int64)), machine.view(np.zeros(5, dtype=np.int64))
file = bytearray(20)  # said to be 400 octets long
machine.run(pcap_walk.walk)(machine.bytes(file), 0, 400, 0, 1, 16, 1, 0, records, 10, out)
"""


def test_an_index_beyond_the_end_raises() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "NUMBA_BOUNDSCHECK": "1"}, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1].startswith("IndexError")
